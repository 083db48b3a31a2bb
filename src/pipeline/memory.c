/* SPDX-License-Identifier: MIT
 * One lock, one condition, a queue of those who wait. Holders that want more would wait for each other for
 * ever: when all of them wait, one goes on above the limit.
 */
#include "pipeline/memory.h"

#include "base/clock.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define LOOK_US 20000 /* between looks at deadline and client */

struct waiter {
    struct waiter *next;
};

struct sg_memory {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t limit, used;
    int holders, stuck; /* who have some; who of them wait for more */
    struct waiter *first;
};

struct sg_memory *sg_memory_create(size_t limit_bytes)
{
    struct sg_memory *memory = calloc(1, sizeof(*memory));

    if (!memory)
        return NULL;
    memory->limit = limit_bytes;
    pthread_mutex_init(&memory->lock, NULL);
    pthread_cond_init(&memory->changed, NULL);
    return memory;
}

void sg_memory_destroy(struct sg_memory **memory)
{
    struct sg_memory *m = *memory;

    *memory = NULL;
    if (!m)
        return;
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static void unlink_waiter(struct sg_memory *memory, struct waiter *me)
{
    struct waiter **link = &memory->first;

    while (*link && *link != me)
        link = &(*link)->next;
    if (*link)
        *link = me->next;
}

static void link_waiter(struct sg_memory *memory, struct waiter *me)
{
    struct waiter **link = &memory->first;

    while (*link)
        link = &(*link)->next;
    *link = me;
}

static bool may_have(const struct sg_memory *memory, const struct waiter *me, bool holds, size_t bytes)
{
    bool fits = memory->used <= memory->limit && bytes <= memory->limit - memory->used;

    if (holds)
        return fits || memory->stuck == memory->holders;
    return memory->first == me && (fits || memory->used == 0);
}

int sg_memory_take(struct sg_memory *memory, size_t held, size_t bytes, int64_t deadline_us,
                   const atomic_bool *cancelled, struct sg_error *err)
{
    struct waiter me = {NULL};
    bool holds = held > 0;
    int code = 0;

    pthread_mutex_lock(&memory->lock);
    if (holds)
        memory->stuck++;
    else
        link_waiter(memory, &me);
    while (code == 0 && !may_have(memory, &me, holds, bytes)) {
        if (cancelled && atomic_load_explicit(cancelled, memory_order_relaxed))
            code = sg_error_set(err, SG_E_CANCELLED, "the request was cancelled or its client has gone");
        else if (deadline_us > 0 && sg_clock_us() > deadline_us)
            code = sg_error_set(
                err, SG_E_DEADLINE,
                "the deadline passed while other pictures were decoded: this one takes %zu MiB of "
                "the %zu that all may take together (max_decode_bytes)",
                bytes >> 20, memory->limit >> 20);
        else
            (void)sg_cond_wait_until(&memory->changed, &memory->lock, sg_clock_us() + LOOK_US);
    }
    if (holds)
        memory->stuck--;
    else
        unlink_waiter(memory, &me);
    if (code == 0) {
        memory->used += bytes;
        memory->holders += !holds;
    }
    pthread_cond_broadcast(&memory->changed);
    pthread_mutex_unlock(&memory->lock);
    return code;
}

void sg_memory_lower(struct sg_memory *memory, size_t bytes)
{
    pthread_mutex_lock(&memory->lock);
    memory->used -= bytes;
    pthread_cond_broadcast(&memory->changed);
    pthread_mutex_unlock(&memory->lock);
}

void sg_memory_give(struct sg_memory *memory, size_t held)
{
    if (held == 0)
        return;
    pthread_mutex_lock(&memory->lock);
    memory->used -= held;
    memory->holders--;
    pthread_cond_broadcast(&memory->changed);
    pthread_mutex_unlock(&memory->lock);
}
