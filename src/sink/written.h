/* SPDX-License-Identifier: MIT
 * The pictures that an output already holds, each as often as it is in there. One thread.
 */
#ifndef SG_SINK_WRITTEN_H
#define SG_SINK_WRITTEN_H

#include "base/buf.h"

#include <stdbool.h>

#define SG_WRITTEN_MAX_BYTES ((size_t)4 << 30) /* of all keys together */

struct sg_written_key {
    size_t at, size; /* in bytes */
    int left;        /* how often it may still be taken */
    int failed;      /* how many of those, taken first, are failures */
};

struct sg_written {
    struct sg_buf bytes;
    struct sg_written_key *keys;
    size_t count, capacity;
};

void sg_written_init(struct sg_written *written);
void sg_written_fini(struct sg_written *written);
/* SG_E_NOMEM, SG_E_TOO_LARGE. */
int sg_written_add(struct sg_written *written, const void *key, size_t size, bool failed);
/* Once, between adding and taking. */
void sg_written_sort(struct sg_written *written);
/* Whether the key is written, and in *out_failed (set where it is known) as a failure; each time it was added
 * answers once. */
bool sg_written_take(struct sg_written *written, const void *key, size_t size, bool *out_failed);

#endif
