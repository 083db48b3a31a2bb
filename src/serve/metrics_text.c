/* SPDX-License-Identifier: MIT
 * Metrics in Prometheus's text exposition format 0.0.4.
 */
#include "base/clock.h"
#include "base/log.h"
#include "serve/job_intake.h"
#include "serve/metrics.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Remembers the first failure; what follows it is not written. */
struct page {
    struct sg_buf *out;
    int code;
};

static const char *const protocol_names[SG_PROTOCOL_COUNT] = {"seed", "http", "v2"};

static void head(struct page *page, const char *name, const char *type, const char *help)
{
    if (page->code == 0)
        page->code = sg_buf_printf(page->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void sample(struct page *page, const char *name, double value)
{
    if (page->code == 0)
        page->code = sg_buf_printf(page->out, "%s %.17g\n", name, value);
}

static void single(struct page *page, const char *name, const char *type, const char *help, double value)
{
    head(page, name, type, help);
    sample(page, name, value);
}

static void text(struct page *page, const char *words)
{
    if (page->code == 0)
        page->code = sg_buf_append_text(page->out, words);
}

static void label(struct page *page, const char *value)
{
    if (page->code == 0)
        page->code = sg_metrics_label(value, page->out);
}

static void number(struct page *page, uint64_t value)
{
    if (page->code == 0)
        page->code = sg_buf_printf(page->out, " %llu\n", (unsigned long long)value);
}

int sg_metrics_label(const char *value, struct sg_buf *out)
{
    int code = sg_buf_append(out, "\"", 1);

    for (; *value && code == 0; value++) {
        if (*value == '\n')
            code = sg_buf_append(out, "\\n", 2);
        else if (*value == '"' || *value == '\\')
            code = sg_buf_printf(out, "\\%c", *value);
        else
            code = sg_buf_append(out, value, 1);
    }
    return code < 0 ? code : sg_buf_append(out, "\"", 1);
}

static void requests(struct page *page, const struct sg_metrics *metrics)
{
    int i, k, code;

    head(page, "sightd_requests_total", "counter", "Images answered, by protocol, pipeline and result.");
    for (i = 0; i < metrics->pipeline_count; i++)
        for (k = 0; k < SG_PROTOCOL_COUNT; k++)
            for (code = 0; code <= SG_ERR_COUNT; code++) {
                const struct sg_metrics_pipeline *pipeline = metrics->pipelines[i];

                if (pipeline->replies[k][code] == 0)
                    continue;
                text(page, "sightd_requests_total{protocol=");
                label(page, protocol_names[k]);
                text(page, ",pipeline=");
                label(page, pipeline->name);
                text(page, ",code=");
                label(page, sg_err_name(-code));
                text(page, "}");
                number(page, pipeline->replies[k][code]);
            }
    head(page, "sightd_objects_total", "counter", "Objects found.");
    for (i = 0; i < metrics->pipeline_count; i++) {
        text(page, "sightd_objects_total{pipeline=");
        label(page, metrics->pipelines[i]->name);
        text(page, "}");
        number(page, metrics->pipelines[i]->objects);
    }
}

static void scales(struct page *page, const struct sg_metrics *metrics)
{
    static const char *const names[SG_METRICS_SCALES] = {"1/8", "1/4", "3/8", "1/2",
                                                         "5/8", "3/4", "7/8", "1"};
    int i, k;

    head(page, "sightd_decoded_total", "counter", "Images decoded, by the scale that was chosen.");
    for (i = 0; i < metrics->pipeline_count; i++)
        for (k = 0; k < SG_METRICS_SCALES; k++) {
            if (metrics->pipelines[i]->scales[k] == 0)
                continue;
            text(page, "sightd_decoded_total{pipeline=");
            label(page, metrics->pipelines[i]->name);
            text(page, ",scale=");
            label(page, names[k]);
            text(page, "}");
            number(page, metrics->pipelines[i]->scales[k]);
        }
}

/* name{first="…",stage="…": the labels of one line are left open. */
static void open_labels(struct page *page, const char *name, const char *suffix, const char *key,
                        const char *value, const char *stage)
{
    text(page, name);
    text(page, suffix);
    text(page, "{");
    text(page, key);
    text(page, "=");
    label(page, value);
    if (!stage)
        return;
    text(page, ",stage=");
    label(page, stage);
}

static void one_histogram(struct page *page, const char *name, const char *key, const char *value,
                          const char *stage, const struct sg_histogram *histogram)
{
    uint64_t total = 0;
    int i;

    for (i = 0; i <= SG_METRICS_BUCKETS; i++) {
        total += histogram->buckets[i];
        open_labels(page, name, "_bucket", key, value, stage);
        if (page->code == 0 && i < SG_METRICS_BUCKETS)
            page->code =
                sg_buf_printf(page->out, ",le=\"%g\"}", (double)sg_histogram_bound_us(i) / 1000000.0);
        else
            text(page, ",le=\"+Inf\"}");
        number(page, total);
    }
    open_labels(page, name, "_sum", key, value, stage);
    if (page->code == 0)
        page->code = sg_buf_printf(page->out, "} %.6f\n", (double)histogram->sum_us / 1000000.0);
    open_labels(page, name, "_count", key, value, stage);
    text(page, "}");
    number(page, total);
}

static void refusals(struct page *page, const struct sg_metrics *metrics)
{
    int i;

    head(page, "sightd_refusal_seconds", "histogram",
         "Time from a request's arrival to its refusal, of those that no worker saw.");
    for (i = 0; i < SG_PROTOCOL_COUNT; i++)
        one_histogram(page, "sightd_refusal_seconds", "protocol", protocol_names[i], NULL,
                      &metrics->refusals[i]);
}

static void histograms(struct page *page, const struct sg_metrics *metrics)
{
    int i, stage;

    head(page, "sightd_stage_seconds", "histogram",
         "Time of answered images by stage; total is from the last byte received to the reply written.");
    for (i = 0; i < metrics->pipeline_count; i++)
        for (stage = 0; stage < SG_STAGE_COUNT; stage++)
            one_histogram(page, "sightd_stage_seconds", "pipeline", metrics->pipelines[i]->name,
                          sg_stage_name((enum sg_stage)stage), &metrics->pipelines[i]->stages[stage]);
}

static void http_responses(struct page *page, const struct sg_metrics *metrics)
{
    int i;

    head(page, "sightd_http_responses_total", "counter", "HTTP responses by route and status.");
    for (i = 0; i < metrics->http_count; i++) {
        text(page, "sightd_http_responses_total{route=");
        label(page, metrics->http[i].route ? metrics->http[i].route : "");
        if (page->code == 0)
            page->code = sg_buf_printf(page->out, ",status=\"%u\"}", metrics->http[i].status);
        number(page, metrics->http[i].count);
    }
}

static double loaded(const _Atomic uint64_t *counter)
{
    return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

static void counters(struct page *page, const struct sg_metrics *metrics, const struct sg_counters *c,
                     const struct sg_metrics_gauges *gauges)
{
    int i;

    single(page, "sightd_connections_total", "counter", "Connections taken.", loaded(&c->accepted));
    single(page, "sightd_connections_refused_total", "counter", "Connections over max_connections.",
           loaded(&c->refused));
    single(page, "sightd_jobs_total", "counter", "Images handed to the workers.", loaded(&c->requests));
    single(page, "sightd_jobs_dropped_total", "counter", "Images whose client had gone.",
           loaded(&c->dropped));
    single(page, "sightd_log_lines_dropped_total", "counter", "Log lines that nobody read in time.",
           (double)sg_log_dropped());
    head(page, "sightd_errors_total", "counter", "Error replies of every protocol by code.");
    for (i = 0; i < SG_ERR_COUNT; i++) {
        uint64_t count = atomic_load_explicit(&c->errors[i], memory_order_relaxed);

        if (count == 0)
            continue;
        text(page, "sightd_errors_total{code=");
        label(page, sg_err_name(-1 - i));
        text(page, "}");
        number(page, count);
    }
    head(page, "sightd_received_bytes_total", "counter", "Bytes received; of HTTP, bodies alone.");
    sample(page, "sightd_received_bytes_total{protocol=\"frames\"}", (double)gauges->bytes_in);
    sample(page, "sightd_received_bytes_total{protocol=\"http\"}", (double)metrics->http_bytes_in);
    head(page, "sightd_sent_bytes_total", "counter", "Bytes sent; of HTTP, bodies alone.");
    sample(page, "sightd_sent_bytes_total{protocol=\"frames\"}", (double)gauges->bytes_out);
    sample(page, "sightd_sent_bytes_total{protocol=\"http\"}", (double)metrics->http_bytes_out);
    head(page, "sightd_reloads_total", "counter", "Reloads of configuration and models.");
    sample(page, "sightd_reloads_total{result=\"ok\"}", (double)metrics->reloads);
    sample(page, "sightd_reloads_total{result=\"failed\"}", (double)metrics->failed_reloads);
}

static void process(struct page *page)
{
    static double started;
    struct timespec now;
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long size = 0, resident = 0;
    char line[128];

    if (started == 0) {
        unsigned long long ticks = 0;
        struct timespec boot;
        FILE *stat = fopen("/proc/self/stat", "re");

        /* Field 22 is the start in clock ticks since boot. No name of ours has blanks or brackets. */
        if (stat &&
            fscanf(stat,
                   "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                   &ticks) != 1)
            ticks = 0;
        if (stat)
            fclose(stat);
        clock_gettime(CLOCK_REALTIME, &now);
        clock_gettime(CLOCK_BOOTTIME, &boot);
        started = (double)(now.tv_sec - boot.tv_sec) + (double)(now.tv_nsec - boot.tv_nsec) / 1e9 +
                  (double)ticks / (double)sysconf(_SC_CLK_TCK);
    }
    if (file && fgets(line, sizeof(line), file))
        sscanf(line, "%lu %lu", &size, &resident);
    if (file)
        fclose(file);
    single(page, "process_resident_memory_bytes", "gauge", "Memory that is resident.",
           (double)resident * (double)sysconf(_SC_PAGESIZE));
    single(page, "process_start_time_seconds", "gauge", "When the process began, seconds since 1970.",
           started);
}

int sg_metrics_write(const struct sg_metrics *metrics, const struct sg_counters *c,
                     const struct sg_metrics_gauges *gauges, struct sg_buf *out)
{
    struct page page = {.out = out};

    head(&page, "sightd_info", "gauge", "The version, as a label.");
    text(&page, "sightd_info{version=\"" SIGHT_VERSION "\"} 1\n");
    requests(&page, metrics);
    scales(&page, metrics);
    histograms(&page, metrics);
    refusals(&page, metrics);
    http_responses(&page, metrics);
    counters(&page, metrics, c, gauges);
    single(&page, "sightd_connections", "gauge", "Connections open.", gauges->connections);
    single(&page, "sightd_jobs_admitted", "gauge", "Images admitted and not yet answered.", gauges->jobs);
    single(&page, "sightd_jobs_in_flight", "gauge", "Images queued for a worker or worked on.",
           gauges->in_flight);
    single(&page, "sightd_workers", "gauge", "Worker threads.", gauges->workers);
    single(&page, "sightd_queue_bytes", "gauge", "Bytes of images received or arriving.",
           (double)gauges->queue_bytes);
    single(&page, "sightd_unsent_bytes", "gauge", "Bytes of replies that clients have not read.",
           (double)gauges->unsent_bytes);
    single(&page, "sightd_ready", "gauge", "1 while every model has run and requests are taken.",
           gauges->draining || gauges->loading ? 0 : 1);
    process(&page);
    return page.code;
}
