/* SPDX-License-Identifier: MIT
 * What the server counts for its owner, and its text for Prometheus. Everything is written and read by the
 * loop thread: an answered job costs a few additions, no lock and no atomic.
 */
#ifndef SG_SERVE_METRICS_H
#define SG_SERVE_METRICS_H

#include "admission/job.h"
#include "base/buf.h"

#include <stdint.h>

#define SG_METRICS_PIPELINES   64 /* names seen, over all reloads; later ones are counted together */
#define SG_METRICS_NAME_MAX    64
#define SG_METRICS_BUCKETS     16
#define SG_METRICS_HTTP_COUNTS 64 /* pairs of route and status */
#define SG_METRICS_SCALES      8  /* decode scales are counted in eighths, as JPEG has them */

enum sg_protocol { SG_PROTOCOL_SEED, SG_PROTOCOL_HTTP, SG_PROTOCOL_V2, SG_PROTOCOL_COUNT };

struct sg_histogram {
    uint64_t buckets[SG_METRICS_BUCKETS + 1]; /* not cumulative; the last one is without bound */
    uint64_t sum_us;
};

struct sg_metrics_pipeline {
    char name[SG_METRICS_NAME_MAX];
    uint64_t replies[SG_PROTOCOL_COUNT][SG_ERR_COUNT + 1]; /* by code: 0 = ok, -code else */
    uint64_t objects;
    struct sg_histogram stages[SG_STAGE_COUNT];
    uint64_t scales[SG_METRICS_SCALES]; /* pictures decoded at 1/8, 2/8, … of their size */
};

struct sg_metrics_http {
    const char *route; /* constant text; NULL = no such route */
    unsigned status;
    uint64_t count;
};

struct sg_metrics {
    struct sg_metrics_pipeline *pipelines[SG_METRICS_PIPELINES];
    int pipeline_count;
    struct sg_metrics_http http[SG_METRICS_HTTP_COUNTS];
    int http_count;
    uint64_t http_bytes_in, http_bytes_out; /* of bodies */
    uint64_t reloads, failed_reloads;
    struct sg_histogram refusals[SG_PROTOCOL_COUNT]; /* from a request's arrival to its refusal */
};

/* Values of this moment. */
struct sg_metrics_gauges {
    int connections, jobs, in_flight, workers;
    size_t queue_bytes, unsent_bytes;
    uint64_t bytes_in, bytes_out; /* of the other protocols */
    bool draining, loading;
};

struct sg_counters; /* serve/job_intake.h */

void sg_metrics_init(struct sg_metrics *metrics);
void sg_metrics_fini(struct sg_metrics *metrics);
/* A reply of that job has been written; its pipeline's name comes from the result. */
void sg_metrics_job(struct sg_metrics *metrics, enum sg_protocol protocol, const struct sg_job *job);
/* A request that got no place with the workers was told so, us after its head (v2) or its end was there. */
void sg_metrics_refused(struct sg_metrics *metrics, enum sg_protocol protocol, int64_t us);
/* An HTTP reply; route must live for ever. */
void sg_metrics_http(struct sg_metrics *metrics, const char *route, unsigned status);
void sg_metrics_bytes_in(struct sg_metrics *metrics, size_t bytes);
void sg_metrics_bytes_out(struct sg_metrics *metrics, size_t bytes);
/* Text exposition format 0.0.4, appended. SG_E_NOMEM, SG_E_TOO_LARGE. */
int sg_metrics_write(const struct sg_metrics *metrics, const struct sg_counters *counters,
                     const struct sg_metrics_gauges *gauges, struct sg_buf *out);
/* value as a label's value: quotes, backslashes and line ends escaped, quotes around it. */
int sg_metrics_label(const char *value, struct sg_buf *out);

/* Upper bound of a bucket in microseconds. */
int64_t sg_histogram_bound_us(int bucket);
void sg_histogram_add(struct sg_histogram *histogram, int64_t us);

#endif
