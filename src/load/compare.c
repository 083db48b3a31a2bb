/* SPDX-License-Identifier: MIT
 * Percentile bootstrap of the median ratio (Efron 1979). Pairs are resampled, not slices: what disturbs the
 * machine for a second disturbs both halves of a pair.
 */
#include "load/compare.h"

#include <stdint.h>
#include <stdlib.h>

#define RESAMPLES 2000

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts values. */
static double median_of(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2.0;
}

/* Marsaglia's xorshift64 (2003). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void sg_bench_ratio(const double *first, const double *second, int count, struct sg_bench_ratio *out)
{
    double ratios[SG_BENCH_SLICES_MAX], sample[SG_BENCH_SLICES_MAX], medians[RESAMPLES];
    uint64_t state = 0x9e3779b97f4a7c15u;
    int i, k, kept = 0;

    *out = (struct sg_bench_ratio){0};
    for (i = 0; i < count; i++)
        if (first[i] > 0 && second[i] > 0)
            ratios[kept++] = first[i] / second[i];
    if (kept == 0)
        return;
    for (k = 0; k < RESAMPLES; k++) {
        for (i = 0; i < kept; i++)
            sample[i] = ratios[next_random(&state) % (uint64_t)kept];
        medians[k] = median_of(sample, kept);
    }
    qsort(medians, RESAMPLES, sizeof(*medians), by_value);
    out->median = median_of(ratios, kept);
    out->least = ratios[0];
    out->most = ratios[kept - 1];
    out->low = medians[RESAMPLES * 25 / 1000];
    out->high = medians[RESAMPLES * 975 / 1000 - 1];
}
