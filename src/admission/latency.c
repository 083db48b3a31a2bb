/* SPDX-License-Identifier: MIT
 * Decaying quantiles. A sample older than SG_LATENCY_FRESH_US says nothing, so that a server which refuses
 * everything for a slow moment lets a request through again and learns.
 */
#include "admission/latency.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define PACE_LEAST_US     16.0
#define PACE_PER_OCTAVE   8.0
#define PACE_WEIGHT_MOST  1e18f
#define PACE_FADES_MOST   40.0 /* half-lives of time at once: more would leave the range of floats */
#define PACE_MEAN_SHARE   0.05 /* of the mean, taken by a new sample */
#define PACE_SERVICE_RANK 0.95
#define PACE_LEAST_RANK   0.05
#define PACE_WAIT_RANK    0.99
#define PACE_WAIT_UNIT    1000.0

static int bucket_of(int64_t value_us)
{
    double octaves = value_us > 0 ? log2((double)value_us / PACE_LEAST_US) : 0.0;
    int bucket = (int)floor(octaves * PACE_PER_OCTAVE);

    if (bucket < 0)
        return 0;
    return bucket < SG_LATENCY_BUCKETS ? bucket : SG_LATENCY_BUCKETS - 1;
}

/* Weights grow for ever; before they leave the range of floats all are brought down. */
static void scale_down(struct sg_latency_quantile *quantile)
{
    float scale = 1.0f / quantile->weight;
    int i;

    quantile->total = 0.0f;
    for (i = 0; i < SG_LATENCY_BUCKETS; i++) {
        quantile->counts[i] *= scale;
        quantile->total += quantile->counts[i];
    }
    quantile->weight = 1.0f;
}

void sg_latency_quantile_add(struct sg_latency_quantile *quantile, int64_t value_us, int64_t now_us)
{
    if (quantile->weight <= 0.0f)
        quantile->weight = 1.0f;
    else if (now_us > quantile->last_us)
        quantile->weight *= (float)exp2(
            fmin((double)(now_us - quantile->last_us) / (double)SG_LATENCY_FADE_US, PACE_FADES_MOST));
    if (quantile->weight > PACE_WEIGHT_MOST)
        scale_down(quantile);
    quantile->counts[bucket_of(value_us)] += quantile->weight;
    quantile->total += quantile->weight;
    quantile->weight *= (float)exp2(1.0 / SG_LATENCY_HALF_LIFE);
    quantile->last_us = now_us;
}

int64_t sg_latency_quantile_at(const struct sg_latency_quantile *quantile, double share)
{
    double left = share * (double)quantile->total;
    int i;

    if (quantile->total <= 0.0f)
        return 0;
    for (i = 0; i < SG_LATENCY_BUCKETS - 1; i++) {
        left -= (double)quantile->counts[i];
        if (left <= 0.0)
            break;
    }
    return (int64_t)(PACE_LEAST_US * exp2((i + 1) / PACE_PER_OCTAVE));
}

static struct sg_latency_quantile *row_of(struct sg_latency *latency, const void *pipeline)
{
    int i, oldest = 0;

    for (i = 0; i < latency->row_count; i++) {
        if (latency->rows[i].pipeline == pipeline)
            return &latency->rows[i].service;
        if (latency->rows[i].service.last_us < latency->rows[oldest].service.last_us)
            oldest = i;
    }
    if (latency->row_count < SG_LATENCY_PIPELINES)
        oldest = latency->row_count++;
    memset(&latency->rows[oldest], 0, sizeof(latency->rows[oldest]));
    latency->rows[oldest].pipeline = pipeline;
    return &latency->rows[oldest].service;
}

void sg_latency_add(struct sg_latency *latency, const void *pipeline, int64_t service_us, int64_t now_us)
{
    if (service_us < 0)
        service_us = 0;
    sg_latency_quantile_add(row_of(latency, pipeline), service_us, now_us);
    if (latency->mean_us <= 0.0)
        latency->mean_us = (double)service_us;
    else
        latency->mean_us += PACE_MEAN_SHARE * ((double)service_us - latency->mean_us);
}

void sg_latency_waited(struct sg_latency *latency, int64_t expected_us, int64_t waited_us, int64_t now_us)
{
    /* Short waits are a matter of when a running job ends, not of the latency. */
    if (expected_us <= 0 || (double)expected_us < latency->mean_us)
        return;
    sg_latency_quantile_add(&latency->waits,
                            (int64_t)(PACE_WAIT_UNIT * (double)waited_us / (double)expected_us), now_us);
}

struct sg_latency_outlook sg_latency_outlook(const struct sg_latency *latency, const void *pipeline,
                                             int ahead, int workers, int64_t now_us)
{
    struct sg_latency_outlook outlook = {0};
    int i;

    /* Whoever runs is half done on average; a free worker means no wait at all. */
    if (ahead >= workers && workers > 0)
        outlook.wait_us = (int64_t)(latency->mean_us * ((double)(ahead - workers) + 0.5) / (double)workers);
    outlook.expected_us = outlook.wait_us;
    if (outlook.wait_us > 0 && latency->waits.total > 0 &&
        now_us - latency->waits.last_us <= SG_LATENCY_FRESH_US) {
        double stretch = (double)sg_latency_quantile_at(&latency->waits, PACE_WAIT_RANK) / PACE_WAIT_UNIT;

        if (stretch > 1.0)
            outlook.wait_us = (int64_t)((double)outlook.wait_us * stretch);
    }
    for (i = 0; i < latency->row_count; i++)
        if (latency->rows[i].pipeline == pipeline &&
            now_us - latency->rows[i].service.last_us <= SG_LATENCY_FRESH_US) {
            outlook.service_us = sg_latency_quantile_at(&latency->rows[i].service, PACE_SERVICE_RANK);
            outlook.least_us = sg_latency_quantile_at(&latency->rows[i].service, PACE_LEAST_RANK);
        }
    return outlook;
}

int64_t sg_latency_need_us(const struct sg_latency_outlook *outlook)
{
    if (outlook->expected_us == 0)
        return outlook->least_us;
    return outlook->service_us > 0 ? outlook->wait_us + outlook->service_us : 0;
}
