/* SPDX-License-Identifier: MIT
 * A sorted array with counts.
 */
#include "sink/held.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void sg_held_init(struct sg_held *held)
{
    *held = (struct sg_held){0};
    sg_buf_init(&held->bytes, SG_HELD_MAX_BYTES);
}

void sg_held_fini(struct sg_held *held)
{
    sg_buf_fini(&held->bytes);
    free(held->keys);
    sg_held_init(held);
}

int sg_held_add(struct sg_held *held, const void *key, size_t size, bool failed)
{
    int code;

    if (held->count == held->capacity) {
        size_t capacity = held->capacity ? 2 * held->capacity : 256;
        struct sg_held_key *keys = realloc(held->keys, capacity * sizeof(*keys));

        if (!keys)
            return SG_E_NOMEM;
        held->keys = keys;
        held->capacity = capacity;
    }
    held->keys[held->count] = (struct sg_held_key){held->bytes.size, size, 1, failed};
    code = sg_buf_append(&held->bytes, key, size);
    held->count += code == 0;
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
    const struct sg_held_key *x = a, *y = b;
    const uint8_t *bytes = context;

    return compare(bytes + x->at, x->size, bytes + y->at, y->size);
}

void sg_held_sort(struct sg_held *held)
{
    size_t i, kept = 0;

    if (held->count == 0)
        return;
    qsort_r(held->keys, held->count, sizeof(*held->keys), by_bytes, held->bytes.data);
    for (i = 1; i < held->count; i++) {
        if (by_bytes(&held->keys[kept], &held->keys[i], held->bytes.data) == 0) {
            held->keys[kept].left++;
            held->keys[kept].failed += held->keys[i].failed;
        } else {
            held->keys[++kept] = held->keys[i];
        }
    }
    held->count = kept + 1;
}

bool sg_held_take(struct sg_held *held, const void *key, size_t size, bool *out_failed)
{
    size_t low = 0, high = held->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct sg_held_key *at = &held->keys[middle];
        int order = compare(key, size, held->bytes.data + at->at, at->size);

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
