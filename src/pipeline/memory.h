/* SPDX-License-Identifier: MIT
 * Memory that pictures being decoded take together, bounded: whoever decodes takes what the header says
 * before a byte of it is allocated, and waits while others hold it. A picture that is larger than all there
 * is, is decoded alone. Any thread.
 */
#ifndef SG_PIPELINE_MEMORY_H
#define SG_PIPELINE_MEMORY_H

#include "base/error.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct sg_memory;

/* NULL: no memory. */
struct sg_memory *sg_memory_create(size_t limit_bytes);
void sg_memory_destroy(struct sg_memory **memory);

/* Waits for its turn, first come, first served. held: what this caller took before and has not given (a
 * further decode of one job; it goes before those that hold nothing). bytes: above 0, since whoever holds
 * nothing is no holder. SG_E_DEADLINE, SG_E_CANCELLED; then nothing was taken. */
int sg_memory_take(struct sg_memory *memory, size_t held, size_t bytes, int64_t deadline_us,
                   const atomic_bool *cancelled, struct sg_error *err);
/* Part of what this caller has: a decode is over, and its picture takes less. */
void sg_memory_lower(struct sg_memory *memory, size_t bytes);
/* All that this caller has. */
void sg_memory_give(struct sg_memory *memory, size_t held);

#endif
