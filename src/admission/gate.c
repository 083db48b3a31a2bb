/* SPDX-License-Identifier: MIT
 * Admission. Two queues, because a job that only wants its place must not stand behind a picture that wants
 * memory: the jobs are what gives memory back.
 */
#include "admission/gate.h"

#include "base/error.h"

void sg_gate_init(struct sg_gate *gate, const struct sg_gate_limits *limits)
{
    *gate = (struct sg_gate){.limits = *limits};
}

static struct sg_gate_queue *queue_of(struct sg_gate *gate, enum sg_gate_want want)
{
    return want == SG_GATE_JOB ? &gate->job_queue : &gate->byte_queue;
}

static int stand(struct sg_gate *gate, struct sg_share_member *member, struct sg_gate_waiter *waiter,
                 enum sg_gate_want want, size_t bytes)
{
    struct sg_gate_queue *queue = queue_of(gate, want);

    if (!waiter)
        return SG_E_BUSY;
    waiter->member = member;
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

bool sg_gate_over_jobs(const struct sg_gate *gate, const struct sg_share_member *member)
{
    return sg_share_over_jobs(member, gate->limits.max_jobs - gate->jobs);
}

bool sg_gate_over_bytes(const struct sg_gate *gate, const struct sg_share_member *member)
{
    return sg_share_over_bytes(
        member, gate->bytes < gate->limits.max_bytes ? gate->limits.max_bytes - gate->bytes : 0);
}

/* What waiters that are within their shares want comes before who comes now; the others leave the rest to
 * all.
 */
static bool job_fits_too(const struct sg_gate *gate)
{
    const struct sg_gate_waiter *waiter;
    int before = 0;

    for (waiter = gate->job_queue.first; waiter; waiter = waiter->next)
        before += !sg_gate_over_jobs(gate, waiter->member);
    return job_fits(gate) && (before == 0 || before < gate->limits.max_jobs - gate->jobs);
}

/* A picture that has begun goes on wherever there is room: only its end gives bytes back. */
static bool may_have_bytes(const struct sg_gate *gate, const struct sg_gate_waiter *waiter,
                           const struct sg_share_member *member)
{
    return waiter->begun || !sg_gate_over_bytes(gate, member);
}

static bool bytes_fit_too(const struct sg_gate *gate, size_t bytes)
{
    const struct sg_gate_waiter *waiter;

    for (waiter = gate->byte_queue.first; waiter; waiter = waiter->next)
        if (may_have_bytes(gate, waiter, waiter->member) &&
            __builtin_add_overflow(bytes, waiter->bytes, &bytes))
            return false;
    return bytes_fit(gate, bytes);
}

static void count_job(struct sg_gate *gate, struct sg_share_member *member)
{
    gate->jobs++;
    sg_share_count(member, 1, 0);
}

static void count_bytes(struct sg_gate *gate, struct sg_share_member *member, size_t bytes)
{
    gate->bytes += bytes;
    sg_share_count(member, 0, (int64_t)bytes);
}

int sg_gate_take_job(struct sg_gate *gate, struct sg_share_member *member, struct sg_gate_waiter *waiter)
{
    if (!job_fits_too(gate) || (waiter && sg_gate_over_jobs(gate, member)))
        return stand(gate, member, waiter, SG_GATE_JOB, 0);
    count_job(gate, member);
    return 0;
}

int sg_gate_take_bytes(struct sg_gate *gate, struct sg_share_member *member, size_t bytes,
                       struct sg_gate_waiter *waiter)
{
    if (!bytes_fit_too(gate, bytes) || (waiter && !may_have_bytes(gate, waiter, member)))
        return stand(gate, member, waiter, SG_GATE_BYTES, bytes);
    count_bytes(gate, member, bytes);
    return 0;
}

void sg_gate_give_job(struct sg_gate *gate, struct sg_share_member *member)
{
    gate->jobs--;
    sg_share_count(member, -1, 0);
}

void sg_gate_give_bytes(struct sg_gate *gate, struct sg_share_member *member, size_t bytes)
{
    gate->bytes -= bytes;
    sg_share_count(member, 0, -(int64_t)bytes);
}

static void grant_bytes(struct sg_gate *gate, struct sg_gate_waiter *waiter)
{
    unlink_waiter(gate, waiter);
    count_bytes(gate, waiter->member, waiter->bytes);
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

static struct sg_gate_waiter *next_for_job(const struct sg_gate *gate)
{
    struct sg_gate_waiter *waiter = gate->job_queue.first;

    while (waiter && sg_gate_over_jobs(gate, waiter->member))
        waiter = waiter->next;
    return waiter;
}

static struct sg_gate_waiter *next_for_bytes(const struct sg_gate *gate)
{
    struct sg_gate_waiter *waiter = gate->byte_queue.first;

    while (waiter && !may_have_bytes(gate, waiter, waiter->member))
        waiter = waiter->next;
    return waiter;
}

void sg_gate_serve(struct sg_gate *gate, size_t unsent)
{
    struct sg_gate_waiter *waiter;

    gate->unsent = unsent;
    while (job_fits(gate) && (waiter = next_for_job(gate))) {
        unlink_waiter(gate, waiter);
        count_job(gate, waiter->member);
        waiter->granted(waiter);
    }
    while ((waiter = next_for_bytes(gate)) && bytes_fit(gate, waiter->bytes))
        grant_bytes(gate, waiter);
    if (gate->byte_queue.first && (waiter = overdrawing(gate)))
        grant_bytes(gate, waiter);
}
