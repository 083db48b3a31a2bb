/* SPDX-License-Identifier: MIT
 * Ratios of two series measured in turns, with the interval that resampling gives. Pure; any thread.
 */
#ifndef SG_LOAD_COMPARE_H
#define SG_LOAD_COMPARE_H

#define SG_BENCH_SLICES_MAX 1000

struct sg_bench_ratio {
    double median;    /* of first[i] / second[i] */
    double low, high; /* 95 % of the medians of resampled pairs lie within */
    double least, most;
};

/* count (1..SG_BENCH_SLICES_MAX) pairs; those with a value <= 0 are left out. All zero when none is left. The
 * resampling is seeded with a constant: equal series give equal intervals. */
void sg_bench_ratio(const double *first, const double *second, int count, struct sg_bench_ratio *out);

#endif
