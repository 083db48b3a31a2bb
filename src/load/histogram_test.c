/* SPDX-License-Identifier: MIT
 * Percentiles of the histogram against those of the sorted values, which are exact.
 */
#include "load/compare.h"
#include "load/histogram.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT 20000

static const double percents[] = {0.01, 1, 10, 50, 90, 95, 99, 99.9, 99.99, 100};

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Values spread evenly over the powers of two below 2^top. */
static void fill(int64_t *values, int count, int top, unsigned seed)
{
    int i;

    srand(seed);
    for (i = 0; i < count; i++)
        values[i] = (int64_t)exp2((double)top * rand() / (RAND_MAX + 1.0)) - 1;
}

static void check_against_sorted(int64_t *values, int count, const struct sg_bench_histogram *histogram)
{
    size_t i;

    qsort(values, (size_t)count, sizeof(*values), by_value);
    for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        int rank = (int)ceil(percents[i] / 100.0 * count);
        int64_t exact = values[(rank > 0 ? rank : 1) - 1];
        int64_t got = sg_bench_histogram_at(histogram, percents[i]);

        assert_true(got >= exact);
        assert_true(got <= exact + exact / 128 + 1);
    }
}

static void percentiles_are_those_of_the_sorted_values(void **state)
{
    static const int tops[] = {5, 8, 20, 35};
    int64_t *values = calloc(COUNT, sizeof(*values));
    struct sg_bench_histogram *histogram = calloc(1, sizeof(*histogram));
    size_t t;
    int i;

    (void)state;
    assert_non_null(values);
    assert_non_null(histogram);
    for (t = 0; t < sizeof(tops) / sizeof(tops[0]); t++) {
        double sum = 0;

        memset(histogram, 0, sizeof(*histogram));
        fill(values, COUNT, tops[t], (unsigned)t + 1);
        for (i = 0; i < COUNT; i++) {
            sg_bench_histogram_add(histogram, values[i]);
            sum += (double)values[i];
        }
        check_against_sorted(values, COUNT, histogram);
        assert_int_equal(histogram->total, COUNT);
        assert_true(fabs(sg_bench_histogram_mean(histogram) - sum / COUNT) < 1e-6 * sum);
    }
    free(values);
    free(histogram);
}

static void two_halves_merge_to_the_whole(void **state)
{
    int64_t *values = calloc(COUNT, sizeof(*values));
    struct sg_bench_histogram *parts = calloc(2, sizeof(*parts));
    int i;

    (void)state;
    assert_non_null(values);
    assert_non_null(parts);
    fill(values, COUNT, 22, 9);
    for (i = 0; i < COUNT; i++)
        sg_bench_histogram_add(&parts[i % 3 == 0], values[i]);
    sg_bench_histogram_merge(&parts[0], &parts[1]);
    check_against_sorted(values, COUNT, &parts[0]);
    free(values);
    free(parts);
}

static void extremes_are_kept(void **state)
{
    struct sg_bench_histogram *histogram = calloc(1, sizeof(*histogram));

    (void)state;
    assert_non_null(histogram);
    assert_int_equal(sg_bench_histogram_at(histogram, 50), 0);
    assert_true(sg_bench_histogram_mean(histogram) == 0.0);
    sg_bench_histogram_add(histogram, -5);
    assert_int_equal(sg_bench_histogram_at(histogram, 100), 0);
    sg_bench_histogram_add(histogram, (int64_t)1 << 36);
    sg_bench_histogram_add(histogram, INT64_MAX);
    assert_int_equal(sg_bench_histogram_at(histogram, 100), INT64_MAX);
    assert_int_equal(sg_bench_histogram_at(histogram, 0), 0);
    free(histogram);
}

static void file_holds_every_value(void **state)
{
    char path[] = "/tmp/sg_histogram_XXXXXX", line[128];
    struct sg_bench_histogram *histogram = calloc(1, sizeof(*histogram));
    struct sg_error err = {0};
    uint64_t count, sum = 0;
    int64_t end;
    double share = 0;
    FILE *file;
    int i, fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_non_null(histogram);
    for (i = 0; i < 1000; i++)
        sg_bench_histogram_add(histogram, (int64_t)i * i);
    assert_int_equal(sg_bench_histogram_write(histogram, path, &err), 0);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        if (line[0] != '#' && sscanf(line, "%" SCNd64 " %lf %" SCNu64, &end, &share, &count) == 3)
            sum += count;
    fclose(file);
    unlink(path);
    assert_int_equal(sum, 1000);
    assert_true(share == 1.0);
    assert_int_equal(sg_bench_histogram_write(histogram, "/nowhere/at/all", &err), SG_E_IO);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    free(histogram);
}

/* Pairs whose ratio is known: the disturbance is common to both halves and must cancel. */
static void ratio_survives_noise_common_to_both(void **state)
{
    double first[40], second[40];
    struct sg_bench_ratio ratio;
    int i;

    (void)state;
    srand(4);
    for (i = 0; i < 40; i++) {
        double machine = 50.0 + 100.0 * rand() / RAND_MAX;

        second[i] = machine;
        first[i] = machine * (1.2 + 0.02 * rand() / RAND_MAX);
    }
    sg_bench_ratio(first, second, 40, &ratio);
    assert_true(ratio.median > 1.2 && ratio.median < 1.22);
    assert_true(ratio.low >= ratio.least && ratio.low <= ratio.median);
    assert_true(ratio.high <= ratio.most && ratio.high >= ratio.median);
    assert_true(ratio.high - ratio.low < 0.02);
    second[0] = 0; /* a slice without a result says nothing */
    sg_bench_ratio(first, second, 1, &ratio);
    assert_true(ratio.median == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_those_of_the_sorted_values),
        cmocka_unit_test(two_halves_merge_to_the_whole),
        cmocka_unit_test(extremes_are_kept),
        cmocka_unit_test(file_holds_every_value),
        cmocka_unit_test(ratio_survives_noise_common_to_both),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
