/* SPDX-License-Identifier: MIT
 * Admission. Two queues, because a job that only wants its place must not stand behind a picture that wants
 * memory: the jobs are what gives memory back.
 */
#include "pipe/gate.h"

#include "base/error.h"

void sg_gate_init(struct sg_gate *gate, const struct sg_gate_limits *limits)
{
    *gate = (struct sg_gate){.limits = *limits};
}

static struct sg_gate_queue *queue_of(struct sg_gate *gate, enum sg_gate_want want)
{
    return want == SG_GATE_JOB ? &gate->job_queue : &gate->byte_queue;
}

static int stand(struct sg_gate *gate, struct sg_gate_waiter *waiter, enum sg_gate_want want, size_t bytes)
{
    struct sg_gate_queue *queue = queue_of(gate, want);

    if (!waiter)
        return SG_E_BUSY;
    waiter->want = want;
    waiter->bytes = bytes;
    waiter->next = NULL;
    waiter->previous = queue->last;
    if (queue->last)
        queue->last->next = waiter;
    else
        queue->first = waiter;
    queue->last = waiter;
    return SG_E_BUSY;
}

static void unlink_waiter(struct sg_gate *gate, struct sg_gate_waiter *waiter)
{
    struct sg_gate_queue *queue = queue_of(gate, waiter->want);

    if (waiter->previous)
        waiter->previous->next = waiter->next;
    else
        queue->first = waiter->next;
    if (waiter->next)
        waiter->next->previous = waiter->previous;
    else
        queue->last = waiter->previous;
    waiter->previous = waiter->next = NULL;
    waiter->want = SG_GATE_NOTHING;
}

void sg_gate_leave(struct sg_gate *gate, struct sg_gate_waiter *waiter)
{
    if (gate->overdrawn == waiter)
        gate->overdrawn = NULL;
    if (waiter->want != SG_GATE_NOTHING)
        unlink_waiter(gate, waiter);
}

static bool has_memory(const struct sg_gate *gate, size_t more)
{
    size_t held = gate->bytes + gate->unsent + (size_t)gate->jobs * SG_GATE_JOB_BYTES;

    return held <= gate->limits.max_memory && more <= gate->limits.max_memory - held;
}

static bool job_fits(const struct sg_gate *gate)
{
    /* The first job always fits: a gate that admits nothing would never move again. */
    return gate->jobs == 0 || (gate->jobs < gate->limits.max_jobs && has_memory(gate, SG_GATE_JOB_BYTES));
}

static bool bytes_fit(const struct sg_gate *gate, size_t bytes)
{
    return gate->bytes <= gate->limits.max_bytes && bytes <= gate->limits.max_bytes - gate->bytes &&
           has_memory(gate, bytes);
}

int sg_gate_take_job(struct sg_gate *gate, struct sg_gate_waiter *waiter)
{
    if (gate->job_queue.first || !job_fits(gate))
        return stand(gate, waiter, SG_GATE_JOB, 0);
    gate->jobs++;
    return 0;
}

int sg_gate_take_bytes(struct sg_gate *gate, size_t bytes, struct sg_gate_waiter *waiter)
{
    if (gate->byte_queue.first || !bytes_fit(gate, bytes))
        return stand(gate, waiter, SG_GATE_BYTES, bytes);
    gate->bytes += bytes;
    return 0;
}

void sg_gate_give_job(struct sg_gate *gate)
{
    gate->jobs--;
}

void sg_gate_give_bytes(struct sg_gate *gate, size_t bytes)
{
    gate->bytes -= bytes;
}

static void grant_bytes(struct sg_gate *gate, struct sg_gate_waiter *waiter)
{
    unlink_waiter(gate, waiter);
    gate->bytes += waiter->bytes;
    waiter->granted(waiter);
}

/* Half received pictures may hold every byte while no job is there to give any back. Then the one that has
 * waited longest may go beyond the limit until it is complete; no second one may meanwhile. */
static struct sg_gate_waiter *overdrawing(struct sg_gate *gate)
{
    struct sg_gate_waiter *waiter;

    if (gate->jobs > 0 || gate->job_queue.first)
        return NULL;
    if (!gate->overdrawn)
        gate->overdrawn = gate->byte_queue.first;
    for (waiter = gate->byte_queue.first; waiter; waiter = waiter->next)
        if (waiter == gate->overdrawn)
            return waiter;
    return NULL;
}

void sg_gate_serve(struct sg_gate *gate, size_t unsent)
{
    struct sg_gate_waiter *waiter;

    gate->unsent = unsent;
    while ((waiter = gate->job_queue.first) && job_fits(gate)) {
        unlink_waiter(gate, waiter);
        gate->jobs++;
        waiter->granted(waiter);
    }
    while ((waiter = gate->byte_queue.first) && bytes_fit(gate, waiter->bytes))
        grant_bytes(gate, waiter);
    if (gate->byte_queue.first && (waiter = overdrawing(gate)))
        grant_bytes(gate, waiter);
}
