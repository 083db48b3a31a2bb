/* SPDX-License-Identifier: MIT
 * What `sight bench` prints. Main thread.
 */
#ifndef SG_LOAD_REPORT_H
#define SG_LOAD_REPORT_H

#include "load/compare.h"
#include "load/load.h"
#include "load/process.h"

#include <stdio.h>

/* One target and what was measured of it. */
struct sg_bench_outcome {
    const struct sg_bench_target *target;
    struct sg_bench_totals totals;
    bool has_usage; /* --pid was given */
    struct sg_bench_usage before, after;
    int64_t loaded_us; /* warm-up, measuring and waiting for what was on the way */
    int slice_count;   /* --compare */
    double throughput[SG_BENCH_SLICES_MAX], p50_us[SG_BENCH_SLICES_MAX];
};

struct sg_bench_report {
    const struct sg_bench_plan *plan;
    const struct sg_bench_outcome *outcomes;
    int outcome_count;
    bool compare;
    int64_t picture_bytes; /* of all pictures */
    double own_cpu;        /* processor seconds of the generator per second */
};

/* Results per second. */
double sg_bench_throughput(const struct sg_bench_totals *totals);
void sg_bench_report_text(const struct sg_bench_report *report, FILE *to);
/* One JSON object and a line end. SG_E_NOMEM. */
int sg_bench_report_json(const struct sg_bench_report *report, FILE *to);

#endif
