/* SPDX-License-Identifier: MIT
 * Worker threads over one lock and one condition. The lock guards the ring of flows and `stopping`; nothing
 * is called out to while it is held.
 */
#include "admission/pool.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/thread.h"

#include <stdlib.h>

struct worker {
    struct sg_pool *pool;
    int index;
    void *state;
    int open_code;
    struct sg_error open_error;
    struct sg_thread thread;
};

struct sg_pool {
    const struct sg_job_ops *ops;
    struct sg_mailbox *done;
    struct worker *workers;
    int worker_count;
    _Atomic int in_flight;

    pthread_mutex_t lock;
    pthread_cond_t work;   /* a job or the end has come */
    pthread_cond_t opened; /* a worker has opened */
    struct sg_flow *first_flow, *last_flow;
    int waiting; /* jobs in all flows */
    int open_count;
    bool stopping;
};

static void ring_add(struct sg_pool *pool, struct sg_flow *flow)
{
    flow->next = NULL;
    if (pool->last_flow)
        pool->last_flow->next = flow;
    else
        pool->first_flow = flow;
    pool->last_flow = flow;
}

/* The next job of the flow whose turn it is; lock held; NULL when nothing waits. */
static struct sg_job *ring_take(struct sg_pool *pool)
{
    struct sg_flow *flow = pool->first_flow;
    struct sg_mail_node *node;

    if (!flow)
        return NULL;
    pool->first_flow = flow->next;
    if (!pool->first_flow)
        pool->last_flow = NULL;
    node = flow->first;
    flow->first = node->next;
    flow->count--;
    pool->waiting--;
    if (flow->first)
        ring_add(pool, flow);
    else
        flow->last = NULL;
    return sg_container_of(node, struct sg_job, mail);
}

void sg_pool_submit(struct sg_pool *pool, struct sg_flow *flow, struct sg_job *job)
{
    job->in_flight = &pool->in_flight;
    job->mail.next = NULL;
    atomic_fetch_add_explicit(&pool->in_flight, 1, memory_order_relaxed);
    pthread_mutex_lock(&pool->lock);
    if (flow->last) {
        flow->last->next = &job->mail;
    } else {
        flow->first = &job->mail;
        ring_add(pool, flow);
    }
    flow->last = &job->mail;
    flow->count++;
    pool->waiting++;
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_signal(&pool->work);
}

/* Lock held; the flow is in the ring. */
static void ring_remove(struct sg_pool *pool, struct sg_flow *flow)
{
    struct sg_flow *before = NULL, *at;

    for (at = pool->first_flow; at != flow; at = at->next)
        before = at;
    if (before)
        before->next = flow->next;
    else
        pool->first_flow = flow->next;
    if (pool->last_flow == flow)
        pool->last_flow = before;
    flow->next = NULL;
}

struct sg_mail_node *sg_pool_withdraw(struct sg_pool *pool, struct sg_flow *flow)
{
    struct sg_mail_node *chain;
    int count;

    pthread_mutex_lock(&pool->lock);
    chain = flow->first;
    count = flow->count;
    if (chain)
        ring_remove(pool, flow);
    pool->waiting -= count;
    *flow = (struct sg_flow){0};
    pthread_mutex_unlock(&pool->lock);
    atomic_fetch_sub_explicit(&pool->in_flight, count, memory_order_relaxed);
    return chain;
}

bool sg_pool_withdraw_job(struct sg_pool *pool, struct sg_flow *flow, struct sg_job *job)
{
    struct sg_mail_node *before = NULL, *at;

    pthread_mutex_lock(&pool->lock);
    for (at = flow->first; at && at != &job->mail; at = at->next)
        before = at;
    if (at) {
        if (before)
            before->next = at->next;
        else
            flow->first = at->next;
        if (flow->last == at)
            flow->last = before;
        flow->count--;
        pool->waiting--;
        if (!flow->first)
            ring_remove(pool, flow);
        at->next = NULL;
    }
    pthread_mutex_unlock(&pool->lock);
    if (at)
        atomic_fetch_sub_explicit(&pool->in_flight, 1, memory_order_relaxed);
    return at != NULL;
}

int sg_pool_waiting(struct sg_pool *pool, const struct sg_flow *flow)
{
    int count;

    pthread_mutex_lock(&pool->lock);
    count = flow->count;
    pthread_mutex_unlock(&pool->lock);
    return count;
}

int sg_pool_ahead(struct sg_pool *pool, const struct sg_flow *flow)
{
    const struct sg_flow *at;
    int ahead, turn;

    pthread_mutex_lock(&pool->lock);
    /* In flight and not in a flow = running. */
    ahead = sg_pool_in_flight(pool) - pool->waiting;
    if (ahead < 0)
        ahead = 0; /* a job is counted in flight before it waits */
    turn = flow->count + 1;
    for (at = pool->first_flow; at; at = at->next)
        ahead += at->count < turn ? at->count : turn;
    pthread_mutex_unlock(&pool->lock);
    return ahead;
}

static void encode(struct sg_job *job)
{
    int64_t started = sg_clock_us();
    int code = 0;

    if (job->encode && !atomic_load_explicit(&job->cancelled, memory_order_relaxed))
        code = job->encode(job);
    if (code < 0) {
        /* The result could not be written: say so instead, which needs far less room. */
        sg_buf_clear(&job->reply);
        sg_error_set(&job->error, (enum sg_err)code, "the reply could not be written (%s)",
                     sg_err_name(code));
        if (job->encode(job) < 0)
            sg_buf_clear(&job->reply);
    }
    job->done_us = sg_clock_us();
    job->result.timing_us[SG_STAGE_ENCODE] = job->done_us - started;
    job->result.timing_us[SG_STAGE_TOTAL] = job->done_us - job->received_us;
}

static void finish(struct sg_pool *pool, struct sg_job *job)
{
    /* Before the push: who hears of the job must not count it any more. */
    atomic_fetch_sub_explicit(&pool->in_flight, 1, memory_order_relaxed);
    sg_mailbox_push(pool->done, &job->mail);
}

static void work(struct worker *worker, struct sg_job *job)
{
    job->started_us = sg_clock_us();
    job->worker = worker->index;
    job->in_flight_at_start = sg_job_in_flight(job);
    if (sg_job_hopeless(job, job->started_us) == 0)
        worker->pool->ops->run(worker->state, job);
    job->result.timing_us[SG_STAGE_QUEUE] = job->started_us - job->received_us;
    encode(job);
    finish(worker->pool, job);
}

static void worker_main(void *arg)
{
    struct worker *worker = arg;
    struct sg_pool *pool = worker->pool;

    worker->open_code =
        pool->ops->open ? pool->ops->open(pool->ops->ctx, worker->index, &worker->state, &worker->open_error)
                        : 0;
    pthread_mutex_lock(&pool->lock);
    pool->open_count++;
    pthread_cond_signal(&pool->opened);
    while (worker->open_code == 0 && !pool->stopping) {
        struct sg_job *job = ring_take(pool);

        if (!job) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        work(worker, job);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    if (worker->open_code == 0 && pool->ops->close)
        pool->ops->close(worker->state);
}

static int await_open(struct sg_pool *pool, int started, struct sg_error *err)
{
    int i;

    pthread_mutex_lock(&pool->lock);
    while (pool->open_count < started)
        pthread_cond_wait(&pool->opened, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    for (i = 0; i < started; i++)
        if (pool->workers[i].open_code < 0) {
            if (err)
                *err = pool->workers[i].open_error;
            return pool->workers[i].open_code;
        }
    return 0;
}

int sg_pool_create(int workers, const struct sg_job_ops *ops, struct sg_mailbox *done,
                   struct sg_pool **out_pool, struct sg_error *err)
{
    struct sg_pool *pool = calloc(1, sizeof(*pool));
    int i, code = 0, opened;

    *out_pool = NULL;
    if (!pool)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the workers");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->opened, NULL);
    pool->ops = ops;
    pool->done = done;
    pool->worker_count = workers > 0 ? workers : sg_cpu_count();
    if (pool->worker_count > SG_POOL_MAX_WORKERS)
        pool->worker_count = SG_POOL_MAX_WORKERS;
    pool->workers = calloc((size_t)pool->worker_count, sizeof(*pool->workers));
    if (!pool->workers) {
        pool->worker_count = 0;
        code = sg_error_set(err, SG_E_NOMEM, "no memory for the workers");
        goto out;
    }
    for (i = 0; i < pool->worker_count && code == 0; i++) {
        pool->workers[i].pool = pool;
        pool->workers[i].index = i;
        code = sg_thread_start(&pool->workers[i].thread, worker_main, &pool->workers[i], err, "sight-w%d", i);
    }
    opened = await_open(pool, code == 0 ? i : i - 1, code == 0 ? err : NULL);
    if (code == 0)
        code = opened;
out:
    if (code < 0)
        sg_pool_destroy(&pool);
    *out_pool = pool;
    return code;
}

int sg_pool_workers(const struct sg_pool *pool)
{
    return pool->worker_count;
}

int sg_pool_in_flight(const struct sg_pool *pool)
{
    return atomic_load_explicit(&pool->in_flight, memory_order_relaxed);
}

void sg_pool_stop(struct sg_pool *pool)
{
    struct sg_job *job;
    int i;

    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_broadcast(&pool->work);
    for (i = 0; i < pool->worker_count; i++)
        sg_thread_join(&pool->workers[i].thread);
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        job = ring_take(pool);
        pthread_mutex_unlock(&pool->lock);
        if (!job)
            break;
        sg_error_set(&job->error, SG_E_SHUTDOWN, "the server stopped before the request was begun");
        encode(job);
        finish(pool, job);
    }
}

void sg_pool_destroy(struct sg_pool **pool)
{
    struct sg_pool *p = *pool;

    *pool = NULL;
    if (!p)
        return;
    sg_pool_stop(p);
    pthread_cond_destroy(&p->opened);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}
