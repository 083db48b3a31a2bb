/* SPDX-License-Identifier: MIT
 * Latencies in log-linear buckets: exact to 1/128 over the whole range, constant memory, no allocation while
 * recording. One thread at a time.
 */
#ifndef SG_LOAD_HISTOGRAM_H
#define SG_LOAD_HISTOGRAM_H

#include "base/error.h"

#include <stdint.h>

#define SG_BENCH_HISTOGRAM_BITS    7  /* 128 buckets per power of two */
#define SG_BENCH_HISTOGRAM_OCTAVES 30 /* largest value 2^36 - 1 us, 19 hours; more is counted there */
#define SG_BENCH_HISTOGRAM_BUCKETS ((SG_BENCH_HISTOGRAM_OCTAVES) << SG_BENCH_HISTOGRAM_BITS)

/* Zeroed = empty. */
struct sg_bench_histogram {
    uint64_t counts[SG_BENCH_HISTOGRAM_BUCKETS];
    uint64_t total;
    int64_t max_us; /* exact */
    double sum_us;
};

/* Negative counts as 0. */
void sg_bench_histogram_add(struct sg_bench_histogram *histogram, int64_t us);
void sg_bench_histogram_merge(struct sg_bench_histogram *into, const struct sg_bench_histogram *from);
/* The smallest recorded value that at least `percent` (0..100) of all values do not exceed, rounded up to the
 * end of its bucket, never above the largest value; 0 when empty. */
int64_t sg_bench_histogram_at(const struct sg_bench_histogram *histogram, double percent);
double sg_bench_histogram_mean(const struct sg_bench_histogram *histogram);
/* Text, one line per bucket in use: upper end in us, share of values up to it, their number. The file is the
 * old one or the new one, never a part. SG_E_IO, SG_E_NOMEM. */
int sg_bench_histogram_write(const struct sg_bench_histogram *histogram, const char *path,
                             struct sg_error *err);

#endif
