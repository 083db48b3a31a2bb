/* SPDX-License-Identifier: MIT
 * Workers, turns of flows, withdrawal, stopping, recycling. Jobs really run on the pool's threads; the work
 * is to write down in which order they came.
 */
#include "admission/pool.h"
#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct log {
    pthread_mutex_t gate; /* held by the test while it queues */
    char order[256];
    _Atomic int begun, used;
    _Atomic int opened, closed;
    char names[4][16];
};

static int work_open(void *ctx, int worker, void **out_state, struct sg_error *err)
{
    struct log *log = ctx;

    if (worker >= 4)
        return sg_error_set(err, SG_E_MODEL, "worker %d has no model", worker);
    atomic_fetch_add(&log->opened, 1);
    pthread_getname_np(pthread_self(), log->names[worker], sizeof(log->names[worker]));
    *out_state = log;
    return 0;
}

static void work_run(void *state, struct sg_job *job)
{
    struct log *log = state;

    atomic_fetch_add(&log->begun, 1);
    pthread_mutex_lock(&log->gate);
    pthread_mutex_unlock(&log->gate);
    log->order[atomic_fetch_add(&log->used, 1)] = (char)job->id;
    job->result.width = job->in_flight_at_start;
}

static void work_close(void *state)
{
    atomic_fetch_add(&((struct log *)state)->closed, 1);
}

static int write_reply(struct sg_job *job)
{
    if (job->error.code == SG_OK && job->id == '!')
        return SG_E_TOO_LARGE;
    return sg_buf_printf(&job->reply, "%c:%s", (char)job->id, sg_err_name(job->error.code));
}

static struct sg_job *make_job(struct sg_job_store *store, char id)
{
    struct sg_job *job = sg_job_store_take(store);

    assert_non_null(job);
    job->id = (uint64_t)id;
    job->encode = write_reply;
    job->received_us = sg_clock_us();
    return job;
}

/* Waits for `count` done jobs, checks their replies against "<id>:<ending>", puts them back. */
static void collect(struct sg_mailbox *done, struct sg_job_store *store, int count, const char *ending)
{
    int64_t until = sg_clock_us() + 10000000;

    while (count > 0 && sg_clock_us() < until) {
        struct sg_mail_node *node = sg_mailbox_take_all(done);

        for (; node; count--) {
            struct sg_job *job = sg_container_of(node, struct sg_job, mail);
            char expected[64];

            node = node->next;
            snprintf(expected, sizeof(expected), "%c:%s", (char)job->id, ending);
            assert_string_equal(sg_buf_text(&job->reply), expected);
            assert_true(job->done_us >= job->started_us);
            sg_job_store_give(store, &job);
        }
        usleep(200);
    }
    assert_int_equal(count, 0);
}

static void flows_take_turns(void **state)
{
    struct log log = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct sg_job_ops ops = {.ctx = &log, .open = work_open, .run = work_run, .close = work_close};
    struct sg_flow greedy = {0}, modest = {0}, third = {0};
    struct sg_job_store store;
    struct sg_mailbox done;
    struct sg_pool *pool;
    int i;

    (void)state;
    sg_job_store_init(&store);
    sg_mailbox_init(&done, NULL, NULL);
    assert_int_equal(sg_pool_create(1, &ops, &done, &pool, NULL), 0);
    pthread_mutex_lock(&log.gate);
    sg_pool_submit(pool, &third, make_job(&store, '0')); /* occupies the worker */
    while (log.begun == 0)
        usleep(200);
    for (i = 0; i < 6; i++)
        sg_pool_submit(pool, &greedy, make_job(&store, (char)('a' + i)));
    for (i = 0; i < 2; i++)
        sg_pool_submit(pool, &modest, make_job(&store, (char)('A' + i)));
    sg_pool_submit(pool, &third, make_job(&store, '1'));
    assert_int_equal(sg_pool_in_flight(pool), 10);
    pthread_mutex_unlock(&log.gate);
    collect(&done, &store, 10, "ok");
    assert_string_equal(log.order, "0aA1bBcdef");
    assert_int_equal(sg_pool_in_flight(pool), 0);
    assert_string_equal(log.names[0], "sight-w0");
    sg_pool_destroy(&pool);
    assert_null(pool);
    assert_int_equal(log.closed, 1);
    sg_job_store_fini(&store);
}

static void withdraws_what_was_not_begun(void **state)
{
    struct log log = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct sg_job_ops ops = {.ctx = &log, .open = work_open, .run = work_run, .close = work_close};
    struct sg_flow flows[3] = {{0}};
    struct sg_job_store store;
    struct sg_mail_node *node;
    struct sg_mailbox done;
    struct sg_pool *pool;
    int i, withdrawn = 0;

    (void)state;
    sg_job_store_init(&store);
    sg_mailbox_init(&done, NULL, NULL);
    assert_int_equal(sg_pool_create(1, &ops, &done, &pool, NULL), 0);
    pthread_mutex_lock(&log.gate);
    for (i = 0; i < 9; i++)
        sg_pool_submit(pool, &flows[i % 3], make_job(&store, (char)('0' + i)));
    while (log.begun == 0)
        usleep(200);
    node = sg_pool_withdraw(pool, &flows[2]);
    for (i = 2; node; i += 3, withdrawn++) {
        struct sg_job *job = sg_container_of(node, struct sg_job, mail);

        node = node->next;
        assert_int_equal(job->id, '0' + i);
        sg_job_store_give(&store, &job);
    }
    assert_int_equal(withdrawn, 3);
    assert_null(sg_pool_withdraw(pool, &flows[2]));
    pthread_mutex_unlock(&log.gate);
    collect(&done, &store, 6, "ok");
    assert_null(strpbrk(log.order, "258"));
    sg_pool_destroy(&pool);
    sg_job_store_fini(&store);
}

static void withdraws_single_jobs_and_counts(void **state)
{
    struct log log = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct sg_job_ops ops = {.ctx = &log, .open = work_open, .run = work_run, .close = work_close};
    struct sg_flow greedy = {0}, modest = {0}, fresh = {0};
    struct sg_job *jobs[6], *alone, *first;
    struct sg_job_store store;
    struct sg_mailbox done;
    struct sg_pool *pool;
    int i;

    (void)state;
    sg_job_store_init(&store);
    sg_mailbox_init(&done, NULL, NULL);
    assert_int_equal(sg_pool_create(1, &ops, &done, &pool, NULL), 0);
    pthread_mutex_lock(&log.gate);
    sg_pool_submit(pool, &greedy, first = make_job(&store, '0'));
    while (log.begun == 0)
        usleep(200);
    for (i = 0; i < 6; i++)
        sg_pool_submit(pool, &greedy, jobs[i] = make_job(&store, (char)('a' + i)));
    sg_pool_submit(pool, &modest, alone = make_job(&store, 'A'));
    assert_int_equal(sg_pool_waiting(pool, &greedy), 6);
    /* One runs; a newcomer's first turn comes after one of each flow; the greedy one's after all. */
    assert_int_equal(sg_pool_ahead(pool, &fresh), 3);
    assert_int_equal(sg_pool_ahead(pool, &modest), 4);
    assert_int_equal(sg_pool_ahead(pool, &greedy), 8);
    assert_false(sg_pool_withdraw_job(pool, &greedy, first)); /* begun */
    assert_false(sg_pool_withdraw_job(pool, &greedy, alone)); /* not of this flow */
    for (i = 0; i < 6; i += 5)                                /* the first, the last */
        assert_true(sg_pool_withdraw_job(pool, &greedy, jobs[i]));
    assert_true(sg_pool_withdraw_job(pool, &greedy, jobs[2])); /* in the middle */
    assert_true(sg_pool_withdraw_job(pool, &modest, alone));   /* the flow leaves the ring */
    assert_int_equal(sg_pool_in_flight(pool), 4);
    assert_int_equal(sg_pool_waiting(pool, &greedy), 3);
    sg_pool_submit(pool, &modest, alone);
    pthread_mutex_unlock(&log.gate);
    collect(&done, &store, 5, "ok");
    assert_string_equal(log.order, "0bAde");
    sg_pool_destroy(&pool);
    for (i = 0; i < 6; i++)
        if (i == 0 || i == 2 || i == 5)
            sg_job_store_give(&store, &jobs[i]);
    sg_job_store_fini(&store);
}

static void expired_and_cancelled_jobs_are_not_run(void **state)
{
    struct log log = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct sg_job_ops ops = {.ctx = &log, .open = work_open, .run = work_run, .close = work_close};
    struct sg_flow flow = {0};
    struct sg_job_store store;
    struct sg_mailbox done;
    struct sg_pool *pool;
    struct sg_job *job;

    (void)state;
    sg_job_store_init(&store);
    sg_mailbox_init(&done, NULL, NULL);
    assert_int_equal(sg_pool_create(2, &ops, &done, &pool, NULL), 0);
    job = make_job(&store, 'x');
    job->deadline_us = sg_clock_us() - 1;
    sg_pool_submit(pool, &flow, job);
    collect(&done, &store, 1, "deadline_exceeded");
    job = make_job(&store, '!'); /* its reply cannot be written */
    sg_pool_submit(pool, &flow, job);
    collect(&done, &store, 1, "too_large");
    assert_int_equal(log.used, 1);
    job = make_job(&store, 'y');
    atomic_store(&job->cancelled, true);
    sg_pool_submit(pool, &flow, job);
    while (sg_pool_in_flight(pool) > 0)
        usleep(200);
    sg_pool_stop(pool);
    job = sg_container_of(sg_mailbox_take_all(&done), struct sg_job, mail);
    assert_int_equal(job->error.code, SG_E_CANCELLED);
    assert_int_equal(job->reply.size, 0); /* nobody is there to read it */
    sg_job_store_give(&store, &job);
    /* A stopped pool gives back what it will not begin. */
    sg_pool_submit(pool, &flow, make_job(&store, 'z'));
    sg_pool_stop(pool);
    collect(&done, &store, 1, "shutting_down");
    assert_int_equal(log.used, 1);
    sg_pool_destroy(&pool);
    sg_job_store_fini(&store);
}

static void a_worker_that_cannot_open_fails_the_start(void **state)
{
    struct log log = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct sg_job_ops ops = {.ctx = &log, .open = work_open, .run = work_run, .close = work_close};
    struct sg_mailbox done;
    struct sg_pool *pool;
    struct sg_error err;

    (void)state;
    sg_mailbox_init(&done, NULL, NULL);
    assert_int_equal(sg_pool_create(5, &ops, &done, &pool, &err), SG_E_MODEL);
    assert_null(pool);
    assert_string_equal(err.text, "worker 4 has no model");
    assert_int_equal(log.opened, 4);
    assert_int_equal(log.closed, 4);
}

static void jobs_are_recycled_clean_and_bounded(void **state)
{
    struct sg_job *jobs[SG_JOB_STORE_COUNT + 10], *first;
    struct sg_job_store store;
    uint8_t *memory;
    int i;

    (void)state;
    sg_job_store_init(&store);
    first = make_job(&store, 'a');
    first->bytes.max_bytes = 1000;
    assert_int_equal(sg_buf_append(&first->bytes, "picture", 7), 0);
    sg_error_set(&first->error, SG_E_BAD_IMAGE, "bad");
    atomic_store(&first->cancelled, true);
    memory = first->bytes.data;
    sg_job_store_give(&store, &first);
    first = sg_job_store_take(&store);
    assert_ptr_equal(first->bytes.data, memory);
    assert_int_equal(first->bytes.size, 0);
    assert_int_equal(first->error.code, SG_OK);
    assert_int_equal(first->id, 0);
    assert_false(atomic_load(&first->cancelled));
    first->bytes.max_bytes = SG_JOB_KEEP_BYTES + 1;
    assert_int_equal(sg_buf_reserve(&first->bytes, SG_JOB_KEEP_BYTES + 1), 0);
    sg_job_store_give(&store, &first);
    assert_int_equal(store.bytes, 0); /* too large to be kept */
    for (i = 0; i < SG_JOB_STORE_COUNT + 10; i++)
        jobs[i] = make_job(&store, 'x');
    for (i = 0; i < SG_JOB_STORE_COUNT + 10; i++)
        sg_job_store_give(&store, &jobs[i]);
    assert_int_equal(store.count, SG_JOB_STORE_COUNT);
    sg_job_store_fini(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_take_turns),
        cmocka_unit_test(withdraws_what_was_not_begun),
        cmocka_unit_test(withdraws_single_jobs_and_counts),
        cmocka_unit_test(expired_and_cancelled_jobs_are_not_run),
        cmocka_unit_test(a_worker_that_cannot_open_fails_the_start),
        cmocka_unit_test(jobs_are_recycled_clean_and_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
