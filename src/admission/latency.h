/* SPDX-License-Identifier: MIT
 * How long work takes at present: a mean over all jobs and a p95 per pipeline, both of which forget. Answers
 * whether a request can make its deadline, and when a refused one may come again. While a worker is free only
 * what even a quick request could not make is refused: a few costly ones must not keep the others from an
 * idle server. One owner (the loop
 * thread); no clock of its own.
 */
#ifndef SG_ADMISSION_LATENCY_H
#define SG_ADMISSION_LATENCY_H

#include <stdint.h>

#define SG_LATENCY_PIPELINES 16
#define SG_LATENCY_BUCKETS   176                /* of a ratio of 2^(1/8), from 16 us to 67 s */
#define SG_LATENCY_HALF_LIFE 64                 /* samples after which one counts half */
#define SG_LATENCY_FADE_US   ((int64_t)5000000) /* or time, whichever comes first */
#define SG_LATENCY_FRESH_US  ((int64_t)1000000) /* without a sample for so long, nothing is known */

/* A histogram whose old samples fade. */
struct sg_latency_quantile {
    float counts[SG_LATENCY_BUCKETS];
    float total, weight; /* weight of the next sample; grows instead of all counts shrinking */
    int64_t last_us;
};

struct sg_latency {
    struct {
        const void *pipeline;
        struct sg_latency_quantile service;
    } rows[SG_LATENCY_PIPELINES];
    int row_count;
    struct sg_latency_quantile waits; /* real waits per thousand of what was expected */
    double mean_us;                   /* of all pipelines; 0 = nothing known */
};

/* What a request would meet if it were admitted now. */
struct sg_latency_outlook {
    int64_t wait_us;     /* until a worker takes it, with a margin */
    int64_t expected_us; /* the same without: for sg_latency_waited */
    int64_t service_us;  /* p95 of its pipeline, reading of the queue to reply written; 0 = not known */
    int64_t least_us;    /* its p05: what even a quick one takes */
};

void sg_latency_quantile_add(struct sg_latency_quantile *quantile, int64_t value_us, int64_t now_us);
/* The upper edge of the bucket that holds the share (0..1); 0 without samples. */
int64_t sg_latency_quantile_at(const struct sg_latency_quantile *quantile, double share);

/* A zeroed struct is ready. pipeline tells pipelines apart and is never looked into. */
void sg_latency_add(struct sg_latency *latency, const void *pipeline, int64_t service_us, int64_t now_us);
/* A job for which a wait of expected_us was foreseen waited waited_us. Waits foreseen from then on are
 * stretched by what it takes to be right about nearly all. */
void sg_latency_waited(struct sg_latency *latency, int64_t expected_us, int64_t waited_us, int64_t now_us);
/* What a request must have left to be admitted; 0 = nothing is known. */
int64_t sg_latency_need_us(const struct sg_latency_outlook *outlook);
/* ahead: jobs that start before it or run already. */
struct sg_latency_outlook sg_latency_outlook(const struct sg_latency *latency, const void *pipeline,
                                             int ahead, int workers, int64_t now_us);

#endif
