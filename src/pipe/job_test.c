/* SPDX-License-Identifier: MIT
 * When a job is not begun any more: cancelled, late, or with less time left than such jobs take.
 */
#include "pipe/job.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(too_little_time_left), cmocka_unit_test(late),
                                       cmocka_unit_test(no_deadline)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
