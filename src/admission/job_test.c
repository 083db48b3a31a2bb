/* SPDX-License-Identifier: MIT
 * When a job is not begun any more: cancelled, late, or with less time left than such jobs take.
 */
#include "admission/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000

/* At 700 ms of a deadline at 1000 ms a job that takes 300 is begun; a microsecond later it is not. */
static void too_little_time_left(void **state)
{
    struct sg_job job = {.deadline_us = 1000 * MS, .service_us = 300 * MS};

    (void)state;
    assert_int_equal(sg_job_hopeless(&job, 0), 0);
    assert_int_equal(sg_job_hopeless(&job, 700 * MS), 0);
    assert_int_equal(job.error.code, SG_OK);
    assert_int_equal(sg_job_hopeless(&job, 700 * MS + 1), SG_E_DEADLINE);
    assert_int_equal(job.error.code, SG_E_DEADLINE);
    assert_int_equal(sg_job_hopeless(&job, 800 * MS), SG_E_DEADLINE);
    assert_non_null(strstr(job.error.text, "200 ms were left"));
    assert_non_null(strstr(job.error.text, "up to 300 ms"));
}

/* Once begun it goes on to its deadline; what it usually takes counts no more. */
static void late(void **state)
{
    struct sg_job job = {.deadline_us = 1000 * MS, .service_us = 300 * MS};

    (void)state;
    assert_int_equal(sg_job_expired(&job, 1000 * MS), 0);
    assert_int_equal(sg_job_expired(&job, 1005 * MS), SG_E_DEADLINE);
    assert_non_null(strstr(job.error.text, "passed 5 ms ago"));
    assert_int_equal(sg_job_hopeless(&job, 1005 * MS), SG_E_DEADLINE);
    assert_non_null(strstr(job.error.text, "passed 5 ms ago"));
}

static void no_deadline(void **state)
{
    struct sg_job job = {.service_us = 300 * MS};

    (void)state;
    assert_int_equal(sg_job_hopeless(&job, INT64_MAX / 2), 0);
    assert_int_equal(sg_job_expired(&job, INT64_MAX / 2), 0);
    atomic_store(&job.cancelled, true);
    assert_int_equal(sg_job_expired(&job, 0), SG_E_CANCELLED);
    assert_int_equal(sg_job_hopeless(&job, 0), SG_E_CANCELLED);
}

/* What a store keeps is counted whole, arenas of results included, and never above its bound. */
static void kept_jobs_are_counted_whole(void **state)
{
    struct sg_job_store store;
    struct sg_job *jobs[SG_JOB_STORE_COUNT];
    size_t kept = 0;
    int i;

    (void)state;
    sg_job_store_init(&store);
    for (i = 0; i < SG_JOB_STORE_COUNT; i++) {
        jobs[i] = sg_job_store_take(&store);
        assert_non_null(jobs[i]);
        assert_non_null(sg_result_alloc(&jobs[i]->result, SG_JOB_KEEP_BYTES - 4096));
    }
    assert_non_null(sg_result_alloc(&jobs[0]->result, 8 * SG_JOB_KEEP_BYTES)); /* too large to be kept */
    for (i = 0; i < SG_JOB_STORE_COUNT; i++)
        sg_job_store_give(&store, &jobs[i]);
    assert_true(store.count > 0 && store.bytes <= SG_JOB_STORE_BYTES);
    for (i = 0; i < store.count; i++) {
        jobs[i] = sg_job_store_take(&store);
        kept += jobs[i]->result.arena_bytes;
        assert_true(jobs[i]->result.arena_bytes <= SG_JOB_KEEP_BYTES);
        sg_job_store_give(&store, &jobs[i]);
    }
    assert_true(store.bytes >= kept / (size_t)store.count);
    sg_job_store_fini(&store);
    assert_int_equal(store.bytes, 0);
}

static void expect_list(const struct sg_job_list *list, const struct sg_job *jobs, const char *order)
{
    const struct sg_job *job = list->first, *last = NULL;
    const char *at;

    for (at = order; *at; at++, job = job->next) {
        assert_ptr_equal(job, &jobs[*at - '0']);
        last = job;
    }
    assert_null(job);
    assert_ptr_equal(list->last, last);
    assert_int_equal(list->count, at - order);
}

static void lists_keep_the_order_whoever_leaves(void **state)
{
    struct sg_job jobs[5] = {0};
    struct sg_job_list list = {0};
    int i;

    (void)state;
    for (i = 0; i < 4; i++)
        sg_job_list_append(&list, &jobs[i]);
    expect_list(&list, jobs, "0123");
    sg_job_list_remove(&list, &jobs[4]); /* never was in it */
    expect_list(&list, jobs, "0123");
    sg_job_list_remove(&list, &jobs[2]);
    expect_list(&list, jobs, "013");
    sg_job_list_remove(&list, &jobs[3]);
    sg_job_list_append(&list, &jobs[2]);
    expect_list(&list, jobs, "012");
    sg_job_list_remove(&list, &jobs[0]);
    sg_job_list_remove(&list, &jobs[1]);
    sg_job_list_remove(&list, &jobs[2]);
    expect_list(&list, jobs, "");
    sg_job_list_append(&list, &jobs[1]);
    expect_list(&list, jobs, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_little_time_left), cmocka_unit_test(late), cmocka_unit_test(no_deadline),
        cmocka_unit_test(kept_jobs_are_counted_whole), cmocka_unit_test(lists_keep_the_order_whoever_leaves)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
