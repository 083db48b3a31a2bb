/* SPDX-License-Identifier: MIT
 * The pictures that an output already holds, each as often as it is in there. One thread.
 */
#ifndef SG_SINK_HELD_H
#define SG_SINK_HELD_H

#include "base/buf.h"

#include <stdbool.h>

#define SG_HELD_MAX_BYTES ((size_t)4 << 30) /* of all keys together */

struct sg_held_key {
    size_t at, size; /* in bytes */
    int left;        /* how often it may still be taken */
    int failed;      /* how many of those, taken first, are failures */
};

struct sg_held {
    struct sg_buf bytes;
    struct sg_held_key *keys;
    size_t count, capacity;
};

void sg_held_init(struct sg_held *held);
void sg_held_fini(struct sg_held *held);
/* SG_E_NOMEM, SG_E_TOO_LARGE. */
int sg_held_add(struct sg_held *held, const void *key, size_t size, bool failed);
/* Once, between adding and taking. */
void sg_held_sort(struct sg_held *held);
/* Whether the key is held, and in *out_failed (set where it is known) as a failure; each time it was added
 * answers once. */
bool sg_held_take(struct sg_held *held, const void *key, size_t size, bool *out_failed);

#endif
