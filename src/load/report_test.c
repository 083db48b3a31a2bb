/* SPDX-License-Identifier: MIT
 * Measurements made up by hand, and every line and number that is printed of them. Latencies are below 128
 * us, which the histogram keeps exactly: of 50 times 20, 49 times 80 and once 120 us, 99 in 100 are at
 * most 80.
 */
#include "load/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB 1048576

static struct sg_bench_target targets[2];
static struct sg_bench_outcome outcomes[2]; /* large: histograms */
static struct sg_bench_plan plan;
static struct sg_bench_report report;

static void fill(struct sg_bench_histogram *histogram)
{
    int i;

    for (i = 0; i < 100; i++)
        sg_bench_histogram_add(histogram, i < 50 ? 20 : i < 99 ? 80 : 120);
}

/* The first target has had all that can happen, the second nothing at all. */
static int set_up(void **state)
{
    struct sg_bench_totals *totals = &outcomes[0].totals;
    int i;

    (void)state;
    memset(outcomes, 0, sizeof(outcomes));
    for (i = 0; i < 2; i++)
        assert_int_equal(
            sg_bench_target_parse(i ? "v2://127.0.0.1:2" : "127.0.0.1:1", false, &targets[i], NULL), 0);
    targets[0].deadline_ms = 250;
    plan = (struct sg_bench_plan){.connections = 1, .depth = 3, .picture_count = 2};
    report = (struct sg_bench_report){.plan = &plan,
                                      .outcomes = outcomes,
                                      .outcome_count = 2,
                                      .picture_bytes = 3 * MIB / 2,
                                      .own_cpu = 0.125};
    outcomes[0].target = &targets[0];
    outcomes[1].target = &targets[1];
    totals->measured_us = 2000000;
    totals->ok = 30;
    totals->failed = 5;
    totals->objects = 45;
    totals->late = 2;
    totals->changed = 3;
    totals->unsent = 4;
    totals->unanswered = 6;
    totals->bytes_out = 1234;
    totals->code_count = 2;
    snprintf(totals->codes[0].code, sizeof(totals->codes[0].code), "busy");
    totals->codes[0].count = 4;
    snprintf(totals->codes[1].code, sizeof(totals->codes[1].code), "closed");
    totals->codes[1].count = 1;
    fill(&totals->latency);
    fill(&totals->refused);
    outcomes[0].has_usage = true;
    outcomes[0].before = (struct sg_bench_usage){.rss_bytes = MIB, .cpu_us = 1000000};
    outcomes[0].after = (struct sg_bench_usage){
        .rss_bytes = 5 * MIB / 2, .peak_bytes = 3 * MIB, .cpu_us = 4000000, .processes = 2};
    outcomes[0].loaded_us = 2000000;
    return 0;
}

static void assert_printed(bool json, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    assert_non_null(to);
    if (json)
        assert_int_equal(sg_bench_report_json(&report, to), 0);
    else
        sg_bench_report_text(&report, to);
    assert_int_equal(fclose(to), 0);
    assert_string_equal(text, expected);
    free(text);
}

#define TABLE                                                                                                \
    "target                           results/s  results  errors      p50      p90      p95      p99    "    \
    "p99.9      "                                                                                            \
    "max  ms\n"                                                                                              \
    "127.0.0.1:1                           15.0       30       5     0.02     0.08     0.08     0.08     "   \
    "0.12     "                                                                                              \
    "0.12\n"                                                                                                 \
    "v2://127.0.0.1:2                       0.0        0       0     0.00     0.00     0.00     0.00     "   \
    "0.00     "                                                                                              \
    "0.00\n"
#define DETAILS                                                                                              \
    "  busy: 4\n"                                                                                            \
    "  closed: 1\n"                                                                                          \
    "  error replies: p50 0.02 ms, p99 0.08 ms, most 0.12 ms\n"                                              \
    "  after their deadline of 250 ms: 2 results\n"                                                          \
    "  results with another number of objects than the first of the same picture: 3\n"                       \
    "  on the way at the end and never answered: 6\n"                                                        \
    "  due but never sent, for want of a free connection: 4\n"                                               \
    "v2://127.0.0.1:2: 0.00 objects per result\n"

static void texts_say_it_all(void **state)
{
    (void)state;
    assert_printed(false,
                   "2 pictures (1.50 MiB), 1 connection, closed loop, 3 requests on the way each\n" TABLE
                   "127.0.0.1:1: 1.50 objects per result; memory 1.0 MiB before, 2.5 after, 3.0 at the most; "
                   "1.50 cores; 2 processes\n" DETAILS "this generator used 12.5 % of one core\n");
    outcomes[0].after.processes = 1;
    plan.picture_count = plan.depth = 1;
    plan.connections = 2;
    assert_printed(false,
                   "1 picture (1.50 MiB), 2 connections, closed loop, 1 request on the way each\n" TABLE
                   "127.0.0.1:1: 1.50 objects per result; memory 1.0 MiB before, 2.5 after, 3.0 at the most; "
                   "1.50 cores; 1 process\n" DETAILS "this generator used 12.5 % of one core\n");
    outcomes[0].has_usage = false;
    plan.rate = 33.25;
    assert_printed(
        false, "1 picture (1.50 MiB), 2 connections, open loop at 33.25 requests/s, latency from the moment "
               "a request was due\n" TABLE "127.0.0.1:1: 1.50 objects per result\n" DETAILS
               "this generator used 12.5 % of one core\n");
}

/* Slices of 10 to 40 results a second beside half as many are 2 in each; the fifth of one side has no
 * partner. */
static void slices_are_compared(void **state)
{
    char expected[2048];
    int i;

    (void)state;
    report.compare = true;
    outcomes[0].slice_count = 4;
    outcomes[1].slice_count = 5;
    for (i = 0; i < 5; i++) {
        outcomes[0].throughput[i] = 10 * (i + 1);
        outcomes[1].throughput[i] = i < 4 ? 5 * (i + 1) : 1;
        outcomes[0].p50_us[i] = 300;
        outcomes[1].p50_us[i] = i < 4 ? 400 : 1;
    }
    snprintf(expected, sizeof(expected), "%s",
             "2 pictures (1.50 MiB), 1 connection, closed loop, 3 requests on the way "
             "each\n" TABLE "127.0.0.1:1: 1.50 objects per result; memory 1.0 MiB "
             "before, 2.5 after, 3.0 at the most; 1.50 cores; 2 processes\n" DETAILS
             "compared in 4 slices each, in turns\n"
             "  throughput   first / second = 2.000, 95 % interval 2.000 to 2.000, "
             "slices 2.000 to 2.000\n"
             "  p50          first / second = 0.750, 95 % interval 0.750 to 0.750, "
             "slices 0.750 to 0.750\n"
             "this generator used 12.5 % of one core\n");
    assert_printed(false, expected);
}

#define JSON_HEAD                                                                                            \
    "{\"connections\":1,\"pipeline_depth\":3,\"rate\":0,\"pictures\":2,\"picture_bytes\":1572864,"           \
    "\"generator_cores\":0.1250,\"targets\":[{\"target\":\"127.0.0.1:1\",\"protocol\":\"seed\",\"seconds\":" \
    "2.000,"                                                                                                 \
    "\"throughput\":15.000,\"results\":30,\"objects\":45,\"changed\":3,\"late\":2,\"errors\":5,\"unsent\":"  \
    "4,"                                                                                                     \
    "\"unanswered\":6,\"bytes_out\":1234,\"latency_us\":{\"mean\":50.4,\"p50\":20,\"p90\":80,\"p95\":80,"    \
    "\"p99\":80,"                                                                                            \
    "\"p99.9\":120,\"max\":120},\"error_latency_us\":{\"p50\":20,\"p99\":80,\"max\":120},"                   \
    "\"codes\":{\"busy\":4,\"closed\":1}"
#define JSON_SECOND                                                                                          \
    "},{\"target\":\"v2://"                                                                                  \
    "127.0.0.1:2\",\"protocol\":\"v2\",\"seconds\":0.000,\"throughput\":0.000,\"results\":0,"                \
    "\"objects\":0,\"changed\":0,\"late\":0,\"errors\":0,\"unsent\":0,\"unanswered\":0,\"bytes_out\":0,"     \
    "\"latency_us\":{\"mean\":0.0,\"p50\":0,\"p90\":0,\"p95\":0,\"p99\":0,\"p99.9\":0,\"max\":0},"           \
    "\"error_latency_us\":{\"p50\":0,\"p99\":0,\"max\":0},\"codes\":{}}]"

/* The mean is (50 * 20 + 49 * 80 + 120) / 100. */
static void json_says_it_all(void **state)
{
    (void)state;
    assert_printed(true, JSON_HEAD
                   ",\"process\":{\"rss_before\":1048576,\"rss_after\":2621440,\"rss_peak\":3145728,"
                   "\"cores\":1.500,\"processes\":2}" JSON_SECOND "}\n");
    outcomes[0].has_usage = false;
    report.compare = true;
    outcomes[0].slice_count = outcomes[1].slice_count = 1;
    outcomes[0].throughput[0] = 3;
    outcomes[1].throughput[0] = 4;
    assert_printed(
        true, JSON_HEAD JSON_SECOND
        ",\"compare\":{\"slices\":1,\"throughput\":{\"median\":0.7500,\"low\":0.7500,\"high\":0.7500,"
        "\"least\":0.7500,\"most\":0.7500},\"p50\":null}}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(texts_say_it_all, set_up),
                                       cmocka_unit_test_setup(slices_are_compared, set_up),
                                       cmocka_unit_test_setup(json_says_it_all, set_up)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
