/* SPDX-License-Identifier: MIT
 * The estimate against quantiles counted on sorted samples here.
 */
#include "admission/latency.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define BUCKET_RATIO 1.0906 /* 2^(1/8), rounded up */

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void check_within_a_bucket(int64_t got, int64_t expected)
{
    assert_true((double)got >= (double)expected);
    assert_true((double)got <= (double)expected * BUCKET_RATIO + 1.0);
}

/* The last samples rule, so the recent stretch is drawn from one distribution. */
static void test_quantile_of_known_samples(void **state)
{
    static int64_t samples[20000];
    struct sg_latency_quantile quantile = {0};
    uint32_t seed = 12345;
    size_t i, count = sizeof(samples) / sizeof(samples[0]);
    int64_t p50, p95;

    (void)state;
    assert_int_equal(sg_latency_quantile_at(&quantile, 0.95), 0);
    for (i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        samples[i] = 10000 + (int64_t)(seed >> 8) % 10000;
        sg_latency_quantile_add(&quantile, samples[i], (int64_t)i);
    }
    qsort(samples, count, sizeof(samples[0]), compare);
    p50 = sg_latency_quantile_at(&quantile, 0.5);
    p95 = sg_latency_quantile_at(&quantile, 0.95);
    /* Few samples count at a time: a tenth either way beside the bucket. */
    assert_in_range(p50, samples[count / 2] * 9 / 10, samples[count / 2] * 12 / 10);
    assert_in_range(p95, samples[count * 95 / 100] * 9 / 10, samples[count * 95 / 100] * 12 / 10);
}

static void test_one_value_and_the_edges(void **state)
{
    static const int64_t values[] = {17, 100, 999, 12345, 60000000};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct sg_latency_quantile quantile = {0};

        sg_latency_quantile_add(&quantile, values[i], 1);
        check_within_a_bucket(sg_latency_quantile_at(&quantile, 0.95), values[i]);
        check_within_a_bucket(sg_latency_quantile_at(&quantile, 0.01), values[i]);
    }
    for (i = 0; i < 2; i++) {
        struct sg_latency_quantile quantile = {0};

        sg_latency_quantile_add(&quantile, i ? INT64_MAX : -5, 1);
        assert_true(sg_latency_quantile_at(&quantile, 0.95) > 0);
    }
}

/* After a change of latency the old one is forgotten within a few half-lives. */
static void test_forgets(void **state)
{
    struct sg_latency_quantile quantile = {0};
    int i;

    (void)state;
    for (i = 0; i < 100000; i++)
        sg_latency_quantile_add(&quantile, 80000, i);
    check_within_a_bucket(sg_latency_quantile_at(&quantile, 0.95), 80000);
    /* 5 % of the weight is left after log2(20) = 4.3 half-lives. */
    for (i = 0; i < 5 * SG_LATENCY_HALF_LIFE; i++)
        sg_latency_quantile_add(&quantile, 2000, i);
    check_within_a_bucket(sg_latency_quantile_at(&quantile, 0.95), 2000);
    assert_true(quantile.total < 1e20f);
    /* Time counts like samples: after five half-lives of it one sample outweighs all before. */
    quantile = (struct sg_latency_quantile){0};
    for (i = 0; i < 30; i++)
        sg_latency_quantile_add(&quantile, 80000, 1000);
    for (i = 0; i < 2; i++)
        sg_latency_quantile_add(&quantile, 2000, 1000 + 10 * SG_LATENCY_FADE_US);
    check_within_a_bucket(sg_latency_quantile_at(&quantile, 0.95), 2000);
    sg_latency_quantile_add(&quantile, 3000, INT64_MAX / 2);
    check_within_a_bucket(sg_latency_quantile_at(&quantile, 0.95), 3000);
    assert_true(isfinite(quantile.total) && isfinite(quantile.weight));
}

/* One in ten takes a second, the others 20 ms. */
static void test_costly_ones_do_not_close_an_idle_server(void **state)
{
    struct sg_latency latency = {0};
    struct sg_latency_outlook outlook;
    int name = 0, i;

    (void)state;
    assert_int_equal(sg_latency_need_us(&(struct sg_latency_outlook){.expected_us = 5}), 0);
    for (i = 0; i < 100; i++)
        sg_latency_add(&latency, &name, i % 10 ? 20000 : 1000000, 1000);
    outlook = sg_latency_outlook(&latency, &name, 1, 2, 2000);
    check_within_a_bucket(sg_latency_need_us(&outlook), 20000); /* a worker is free */
    outlook = sg_latency_outlook(&latency, &name, 2, 2, 2000);
    assert_true(sg_latency_need_us(&outlook) > 1000000); /* none is: it waits, and others wait for it */
}

static void test_outlook(void **state)
{
    struct sg_latency latency = {0};
    int fast = 0, slow = 0, i;
    struct sg_latency_outlook outlook = sg_latency_outlook(&latency, &fast, 100, 2, 0);

    (void)state;
    assert_true(outlook.wait_us == 0 && outlook.service_us == 0);
    for (i = 0; i < 500; i++)
        sg_latency_add(&latency, &fast, 10000, 1000);
    outlook = sg_latency_outlook(&latency, &fast, 1, 2, 2000);
    assert_int_equal(outlook.wait_us, 0);
    check_within_a_bucket(outlook.service_us, 10000);
    check_within_a_bucket(outlook.least_us, 10000);
    /* 12 ahead on 2 workers of 10 ms each: 10 must start before, and the two that run are half done. */
    outlook = sg_latency_outlook(&latency, &fast, 12, 2, 2000);
    assert_in_range(outlook.wait_us, 52400, 52600);
    outlook = sg_latency_outlook(&latency, &slow, 12, 2, 2000);
    assert_true(outlook.wait_us > 0 && outlook.service_us == 0);
    /* What is old is not known. */
    outlook = sg_latency_outlook(&latency, &fast, 0, 2, 1001 + SG_LATENCY_FRESH_US);
    assert_int_equal(outlook.service_us, 0);
}

/* Waits that were half as long again as foreseen stretch what is foreseen. Short waits teach nothing, and
 * what was learned is forgotten. */
static void test_waits_are_learned(void **state)
{
    struct sg_latency latency = {0};
    struct sg_latency_outlook outlook;
    int name = 0, i;

    (void)state;
    for (i = 0; i < 500; i++)
        sg_latency_add(&latency, &name, 10000, 1000);
    for (i = 0; i < 100; i++) {
        sg_latency_waited(&latency, 50000, i % 10 ? 50000 : 75000, 1000);
        sg_latency_waited(&latency, 5000, 50000, 1000);
    }
    outlook = sg_latency_outlook(&latency, &name, 12, 2, 2000);
    assert_in_range(outlook.expected_us, 52400, 52600);
    check_within_a_bucket(outlook.wait_us, 78750);
    assert_int_equal(sg_latency_outlook(&latency, &name, 0, 2, 2000).wait_us, 0);
    outlook = sg_latency_outlook(&latency, &name, 12, 2, 1001 + SG_LATENCY_FRESH_US);
    assert_int_equal(outlook.wait_us, outlook.expected_us);
}

static void test_more_pipelines_than_rows(void **state)
{
    struct sg_latency latency = {0};
    char names[SG_LATENCY_PIPELINES * 3] = {0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names); i++)
        sg_latency_add(&latency, &names[i], (int64_t)(1000 * (i + 1)), (int64_t)i);
    assert_int_equal(latency.row_count, SG_LATENCY_PIPELINES);
    for (i = 0; i < sizeof(names); i++) {
        int64_t service = sg_latency_outlook(&latency, &names[i], 0, 1, (int64_t)sizeof(names)).service_us;

        if (i < sizeof(names) - SG_LATENCY_PIPELINES)
            assert_int_equal(service, 0);
        else
            check_within_a_bucket(service, (int64_t)(1000 * (i + 1)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantile_of_known_samples),
        cmocka_unit_test(test_one_value_and_the_edges),
        cmocka_unit_test(test_forgets),
        cmocka_unit_test(test_outlook),
        cmocka_unit_test(test_costly_ones_do_not_close_an_idle_server),
        cmocka_unit_test(test_waits_are_learned),
        cmocka_unit_test(test_more_pipelines_than_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
