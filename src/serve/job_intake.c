/* SPDX-License-Identifier: MIT
 * The book-keeping between protocols, gate and pool.
 */
#include "serve/job_intake.h"

#include "base/clock.h"

void sg_counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    /* One writer: a plain load and store are enough. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

void sg_intake_init(struct sg_intake *intake, const struct sg_gate_limits *limits, void (*wake)(void *arg),
                    void *wake_arg)
{
    *intake = (struct sg_intake){0};
    sg_gate_init(&intake->gate, limits);
    sg_job_store_init(&intake->store);
    sg_mailbox_init(&intake->done, wake, wake_arg);
}

void sg_intake_fini(struct sg_intake *intake)
{
    struct sg_mail_node *node = sg_intake_collect(intake);

    while (node) {
        struct sg_job *job = sg_container_of(node, struct sg_job, mail);

        node = node->next;
        sg_intake_drop(intake, &job);
    }
    sg_job_store_fini(&intake->store);
}

struct sg_job *sg_intake_take(struct sg_intake *intake, struct sg_share_member *member)
{
    struct sg_job *job = sg_job_store_take(&intake->store);

    if (job)
        job->member = sg_share_ref(member);
    return job;
}

bool sg_intake_over(const struct sg_intake *intake, const struct sg_share_member *member)
{
    return sg_gate_over_jobs(&intake->gate, member) || sg_gate_over_bytes(&intake->gate, member);
}

int sg_intake_share(const struct sg_intake *intake, const struct sg_share_member *member, bool arrived,
                    struct sg_error *err)
{
    bool over = arrived ? sg_gate_over_jobs(&intake->gate, member) : sg_intake_over(intake, member);

    /* With no place left it is not the share that stands in the way: that is "busy". */
    if (!over || intake->gate.jobs >= intake->gate.limits.max_jobs)
        return 0;
    return sg_error_set(
        err, SG_E_TOO_MANY,
        "%d requests with %zu image bytes from your address are under way, its share of what the "
        "server admits (max_queue, max_queue_bytes); try again in %lld ms",
        member->address->held.jobs, member->address->held.bytes, (long long)sg_intake_retry_ms(intake));
}

int sg_intake_charge(struct sg_intake *intake, struct sg_job *job, size_t capacity,
                     struct sg_gate_waiter *waiter)
{
    int code;

    if (capacity <= job->charged_bytes)
        return 0;
    if (waiter)
        waiter->begun = job->charged_bytes > 0;
    code = sg_gate_take_bytes(&intake->gate, job->member, capacity - job->charged_bytes, waiter);
    if (code == 0)
        job->charged_bytes = capacity;
    return code;
}

void sg_intake_charged(struct sg_job *job, const struct sg_gate_waiter *waiter)
{
    job->charged_bytes += waiter->bytes;
}

int sg_intake_admit(struct sg_intake *intake, struct sg_job *job, struct sg_gate_waiter *waiter)
{
    int code = sg_gate_take_job(&intake->gate, job->member, waiter);

    job->admitted = code == 0;
    return code;
}

int sg_intake_pipeline(struct sg_intake *intake, struct sg_job *job, const char *pipeline)
{
    if (!intake->ops->pipeline_get)
        return 0;
    job->pipeline = intake->ops->pipeline_get(intake->ops->ctx, pipeline, &job->error);
    if (job->pipeline)
        return 0;
    return job->error.code < 0 ? (int)job->error.code
                               : sg_error_set(&job->error, SG_E_NOT_FOUND, "there is no pipeline to run");
}

int sg_intake_deadline(struct sg_intake *intake, const struct sg_flow *flow, struct sg_job *job,
                       int64_t *out_retry_ms)
{
    int64_t now = sg_clock_us(), left = job->deadline_us - now;
    struct sg_latency_outlook outlook;

    *out_retry_ms = 0;
    if (job->deadline_us == 0)
        return 0;
    if (left <= 0)
        return sg_job_expired(job, now);
    outlook = sg_latency_outlook(&intake->latency, job->pipeline, sg_pool_ahead(intake->pool, flow),
                                 sg_pool_workers(intake->pool), now);
    job->expected_wait_us = outlook.expected_us;
    job->service_us = outlook.expected_us > 0 ? outlook.service_us : outlook.least_us;
    if (sg_latency_need_us(&outlook) <= left)
        return 0;
    if (outlook.least_us > left)
        return sg_error_set(
            &job->error, SG_E_DEADLINE,
            "%lld ms are left; at present even quick requests of this pipeline take %lld ms: allow "
            "more time",
            (long long)left / 1000, (long long)outlook.least_us / 1000);
    *out_retry_ms = (sg_latency_need_us(&outlook) - left) / 1000 + 1;
    return sg_error_set(&job->error, SG_E_DEADLINE,
                        "%lld ms are left; at present 95 of 100 such requests take up to %lld ms, after %lld "
                        "ms of waiting: allow more time or send fewer at once",
                        (long long)left / 1000, (long long)outlook.service_us / 1000,
                        (long long)outlook.wait_us / 1000);
}

int64_t sg_intake_retry_ms(const struct sg_intake *intake)
{
    /* When half of what is there has gone. */
    double ms = intake->latency.mean_us * (double)intake->gate.jobs / 2000.0 /
                (double)(intake->pool ? sg_pool_workers(intake->pool) : 1);

    return ms < 1.0 ? 1 : (int64_t)(ms < 60000.0 ? ms : 60000.0);
}

static bool ready(const struct sg_intake *intake, const struct sg_job *job)
{
    const struct sg_job_ops *ops = intake->ops;

    return !ops->pipeline_ready || !job->pipeline || ops->pipeline_ready(ops->ctx, job->pipeline);
}

static void park(struct sg_intake *intake, struct sg_flow *flow, struct sg_job *job)
{
    struct sg_mail_node **end = &intake->parked;

    while (*end)
        end = &(*end)->next;
    job->parked = flow;
    job->expected_wait_us = 0; /* nobody foresaw this wait: it teaches nothing */
    job->mail.next = NULL;
    *end = &job->mail;
}

int sg_intake_submit(struct sg_intake *intake, struct sg_flow *flow, struct sg_job *job, const char *pipeline)
{
    int code = job->pipeline ? 0 : sg_intake_pipeline(intake, job, pipeline);

    job->id = ++intake->job_serial;
    job->queued_us = sg_clock_us();
    if (code < 0)
        return code;
    job->in_pool = true;
    intake->outstanding++;
    sg_counter_add(&intake->counters.requests, 1);
    if (ready(intake, job))
        sg_pool_submit(intake->pool, flow, job);
    else
        park(intake, flow, job);
    return 0;
}

void sg_intake_unpark(struct sg_intake *intake, bool all)
{
    struct sg_mail_node **link = &intake->parked;
    int64_t now = intake->parked ? sg_clock_us() : 0;

    while (*link) {
        struct sg_job *job = sg_container_of(*link, struct sg_job, mail);

        if (all || (job->deadline_us != 0 && now > job->deadline_us) || ready(intake, job)) {
            struct sg_flow *flow = job->parked;

            *link = job->mail.next;
            job->parked = NULL;
            sg_pool_submit(intake->pool, flow, job);
        } else {
            link = &job->mail.next;
        }
    }
}

/* Takes the parked jobs of the flow, or of them only that one, as a chain. */
static struct sg_mail_node *take_parked(struct sg_intake *intake, const struct sg_flow *flow,
                                        const struct sg_job *only)
{
    struct sg_mail_node **link = &intake->parked, *chain = NULL, **last = &chain;

    while (*link) {
        struct sg_job *job = sg_container_of(*link, struct sg_job, mail);

        if (job->parked != flow || (only && job != only)) {
            link = &job->mail.next;
            continue;
        }
        *link = job->mail.next;
        job->parked = NULL;
        job->mail.next = NULL;
        *last = &job->mail;
        last = &job->mail.next;
    }
    return chain;
}

static void came_back(struct sg_intake *intake, struct sg_mail_node *chain)
{
    struct sg_mail_node *node;

    for (node = chain; node; node = node->next) {
        sg_container_of(node, struct sg_job, mail)->in_pool = false;
        intake->outstanding--;
    }
}

void sg_intake_leave(struct sg_intake *intake, struct sg_flow *flow, struct sg_job_list *jobs)
{
    struct sg_job *job, *next;

    if (intake->pool) {
        came_back(intake, sg_pool_withdraw(intake->pool, flow));
        came_back(intake, take_parked(intake, flow, NULL));
    }
    for (job = jobs->first; job; job = next) {
        next = job->next;
        if (job->in_pool) {
            atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
        } else {
            sg_counter_add(&intake->counters.dropped, 1);
            sg_intake_drop(intake, &job);
        }
    }
    *jobs = (struct sg_job_list){0};
}

bool sg_intake_withdraw_job(struct sg_intake *intake, struct sg_flow *flow, struct sg_job *job)
{
    if (!job->in_pool ||
        (!(job->parked && take_parked(intake, flow, job)) && !sg_pool_withdraw_job(intake->pool, flow, job)))
        return false;
    came_back(intake, &job->mail);
    return true;
}

struct sg_mail_node *sg_intake_collect(struct sg_intake *intake)
{
    struct sg_mail_node *chain = sg_mailbox_take_all(&intake->done), *node;

    for (node = chain; node; node = node->next) {
        const struct sg_job *job = sg_container_of(node, struct sg_job, mail);

        intake->outstanding--;
        if (job->started_us > 0 && job->expected_wait_us > 0)
            sg_latency_waited(&intake->latency, job->expected_wait_us, job->started_us - job->queued_us,
                              job->started_us);
        if (job->error.code == SG_OK && job->started_us > 0)
            sg_latency_add(&intake->latency, job->pipeline, job->done_us - job->started_us, job->done_us);
    }
    return chain;
}

void sg_intake_drop(struct sg_intake *intake, struct sg_job **take_job)
{
    struct sg_job *job = *take_job;

    if (!job)
        return;
    if (job->pipeline && intake->ops->pipeline_put)
        intake->ops->pipeline_put(intake->ops->ctx, job->pipeline);
    job->pipeline = NULL;
    if (job->admitted)
        sg_gate_give_job(&intake->gate, job->member);
    sg_gate_give_bytes(&intake->gate, job->member, job->charged_bytes);
    sg_share_unref(&intake->gate.addresses, &job->member);
    sg_job_store_give(&intake->store, take_job);
}

void sg_intake_replied(struct sg_intake *intake, int code)
{
    sg_counter_add(&intake->counters.replies, 1);
    if (code < 0 && -1 - code < SG_ERR_COUNT)
        sg_counter_add(&intake->counters.errors[-1 - code], 1);
}

void sg_intake_answered(struct sg_intake *intake, const struct sg_job *job, enum sg_protocol protocol)
{
    sg_intake_replied(intake, job->error.code);
    if (intake->metrics)
        sg_metrics_job(intake->metrics, protocol, job);
}
