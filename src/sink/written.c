/* SPDX-License-Identifier: MIT
 * A sorted array with counts.
 */
#include "sink/written.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void sg_written_init(struct sg_written *written)
{
    *written = (struct sg_written){0};
    sg_buf_init(&written->bytes, SG_WRITTEN_MAX_BYTES);
}

void sg_written_fini(struct sg_written *written)
{
    sg_buf_fini(&written->bytes);
    free(written->keys);
    sg_written_init(written);
}

int sg_written_add(struct sg_written *written, const void *key, size_t size, bool failed)
{
    int code;

    if (written->count == written->capacity) {
        size_t capacity = written->capacity ? 2 * written->capacity : 256;
        struct sg_written_key *keys = realloc(written->keys, capacity * sizeof(*keys));

        if (!keys)
            return SG_E_NOMEM;
        written->keys = keys;
        written->capacity = capacity;
    }
    written->keys[written->count] = (struct sg_written_key){written->bytes.size, size, 1, failed};
    code = sg_buf_append(&written->bytes, key, size);
    written->count += code == 0;
    return code;
}

static int compare(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    size_t shared = a_size < b_size ? a_size : b_size;
    int order = shared ? memcmp(a, b, shared) : 0;

    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int by_bytes(const void *a, const void *b, void *context)
{
    const struct sg_written_key *x = a, *y = b;
    const uint8_t *bytes = context;

    return compare(bytes + x->at, x->size, bytes + y->at, y->size);
}

void sg_written_sort(struct sg_written *written)
{
    size_t i, kept = 0;

    if (written->count == 0)
        return;
    qsort_r(written->keys, written->count, sizeof(*written->keys), by_bytes, written->bytes.data);
    for (i = 1; i < written->count; i++) {
        if (by_bytes(&written->keys[kept], &written->keys[i], written->bytes.data) == 0) {
            written->keys[kept].left++;
            written->keys[kept].failed += written->keys[i].failed;
        } else {
            written->keys[++kept] = written->keys[i];
        }
    }
    written->count = kept + 1;
}

bool sg_written_take(struct sg_written *written, const void *key, size_t size, bool *out_failed)
{
    size_t low = 0, high = written->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct sg_written_key *at = &written->keys[middle];
        int order = compare(key, size, written->bytes.data + at->at, at->size);

        if (order == 0) {
            *out_failed = at->left > 0 && at->failed > 0;
            at->failed -= *out_failed;
            return at->left > 0 && at->left-- > 0;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}
