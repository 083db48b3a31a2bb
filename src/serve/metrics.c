/* SPDX-License-Identifier: MIT
 * Counting.
 */
#include "serve/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t bounds_us[SG_METRICS_BUCKETS] = {100,     250,     500,     1000,    2500,   5000,
                                                      10000,   25000,   50000,   100000,  250000, 500000,
                                                      1000000, 2500000, 5000000, 10000000};

int64_t sg_histogram_bound_us(int bucket)
{
    return bounds_us[bucket];
}

void sg_histogram_add(struct sg_histogram *histogram, int64_t us)
{
    int i = 0;

    while (i < SG_METRICS_BUCKETS && us > bounds_us[i])
        i++;
    histogram->buckets[i]++;
    histogram->sum_us += us > 0 ? (uint64_t)us : 0;
}

void sg_metrics_init(struct sg_metrics *metrics)
{
    *metrics = (struct sg_metrics){0};
}

void sg_metrics_fini(struct sg_metrics *metrics)
{
    int i;

    for (i = 0; i < metrics->pipeline_count; i++)
        free(metrics->pipelines[i]);
    metrics->pipeline_count = 0;
}

/* The entry of that name ("" = none); the last one when there are too many, NULL without memory. */
static struct sg_metrics_pipeline *find(struct sg_metrics *metrics, const char *name)
{
    struct sg_metrics_pipeline *entry;
    int i;

    for (i = 0; i < metrics->pipeline_count; i++)
        if (strncmp(metrics->pipelines[i]->name, name, SG_METRICS_NAME_MAX - 1) == 0)
            return metrics->pipelines[i];
    if (metrics->pipeline_count == SG_METRICS_PIPELINES)
        return metrics->pipelines[SG_METRICS_PIPELINES - 1];
    if (metrics->pipeline_count == SG_METRICS_PIPELINES - 1)
        name = "(others)";
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    metrics->pipelines[metrics->pipeline_count++] = entry;
    return entry;
}

void sg_metrics_job(struct sg_metrics *metrics, enum sg_protocol protocol, const struct sg_job *job)
{
    const char *name = job->result.pipeline;
    struct sg_metrics_pipeline *entry = find(metrics, name ? name : "");
    int code = -(int)job->error.code, i;

    if (!entry)
        return;
    entry->replies[protocol][code >= 0 && code <= SG_ERR_COUNT ? code : 0]++;
    if (code != 0)
        return;
    entry->objects += (uint64_t)job->result.object_count;
    if (job->result.decode_scale > 0.0f) {
        i = (int)lroundf(job->result.decode_scale * SG_METRICS_SCALES) - 1;
        entry->scales[i < 0 ? 0 : i < SG_METRICS_SCALES ? i : SG_METRICS_SCALES - 1]++;
    }
    for (i = 0; i < SG_STAGE_COUNT; i++)
        sg_histogram_add(&entry->stages[i], job->result.timing_us[i]);
}

void sg_metrics_refused(struct sg_metrics *metrics, enum sg_protocol protocol, int64_t us)
{
    sg_histogram_add(&metrics->refusals[protocol], us);
}

void sg_metrics_http(struct sg_metrics *metrics, const char *route, unsigned status)
{
    struct sg_metrics_http *row;
    int i;

    for (i = 0; i < metrics->http_count; i++)
        if (metrics->http[i].route == route && metrics->http[i].status == status) {
            metrics->http[i].count++;
            return;
        }
    if (metrics->http_count == SG_METRICS_HTTP_COUNTS)
        return; /* routes times statuses are fewer */
    row = &metrics->http[metrics->http_count++];
    *row = (struct sg_metrics_http){route, status, 1};
}

void sg_metrics_bytes_in(struct sg_metrics *metrics, size_t bytes)
{
    metrics->http_bytes_in += bytes;
}

void sg_metrics_bytes_out(struct sg_metrics *metrics, size_t bytes)
{
    metrics->http_bytes_out += bytes;
}
