/* SPDX-License-Identifier: MIT
 * Tables and JSON of a measurement.
 */
#include "load/report.h"
#include "codec/json.h"
#include "conf/args.h"

#include <inttypes.h>

#define JSON_MAX ((size_t)1 << 20)

static const struct {
    const char *head, *key;
    double percent;
} columns[] = {{"p50", "p50", 50}, {"p90", "p90", 90},       {"p95", "p95", 95},
               {"p99", "p99", 99}, {"p99.9", "p99.9", 99.9}, {"max", "max", 100}};
#define COLUMN_COUNT  (sizeof(columns) / sizeof(columns[0]))
#define TABLE_COLUMNS (32 + 10 + 9 + 8 + 9 * (int)COLUMN_COUNT + 4) /* of the screen */
#define TIME_BYTES    64
#define USAGE_BYTES   256
#define LOOP_BYTES    128

double sg_bench_throughput(const struct sg_bench_totals *totals)
{
    return totals->measured_us > 0 ? (double)totals->ok * 1e6 / (double)totals->measured_us : 0.0;
}

static double cpu_of(const struct sg_bench_outcome *outcome)
{
    int64_t used_us = outcome->after.cpu_us - outcome->before.cpu_us;

    return outcome->loaded_us > 0 ? (double)used_us / (double)outcome->loaded_us : 0.0;
}

/* Screens that are narrower have a block for each target instead of a table. */
static bool is_narrow(FILE *to)
{
    int width = sg_args_columns(to);

    return width > 0 && width < TABLE_COLUMNS;
}

static void print_block(const struct sg_bench_outcome *outcome, FILE *to)
{
    const struct sg_bench_totals *totals = &outcome->totals;
    char times[COLUMN_COUNT * TIME_BYTES] = "";
    size_t i, used = 0;

    for (i = 0; i < COLUMN_COUNT; i++)
        used +=
            (size_t)snprintf(times + used, sizeof(times) - used, "%s%s=%.2f", i ? " " : "", columns[i].head,
                             (double)sg_bench_histogram_at(&totals->latency, columns[i].percent) / 1000.0);
    sg_args_row(to, "", 0, "%s", outcome->target->name);
    sg_args_row(to, "", 4, "%.1f results/s, %" PRIu64 " results, %" PRIu64 " errors",
                sg_bench_throughput(totals), totals->ok, totals->failed);
    sg_args_row(to, "", 4, "ms: %s", times);
}

static void print_heads(FILE *to)
{
    size_t i;

    fprintf(to, "%-32s %9s %8s %7s", "target", "results/s", "results", "errors");
    for (i = 0; i < COLUMN_COUNT; i++)
        fprintf(to, " %8s", columns[i].head);
    fprintf(to, "  ms\n");
}

static void print_outcome(const struct sg_bench_outcome *outcome, FILE *to)
{
    const struct sg_bench_totals *totals = &outcome->totals;
    size_t i;

    fprintf(to, "%-32s %9.1f %8" PRIu64 " %7" PRIu64, outcome->target->name, sg_bench_throughput(totals),
            totals->ok, totals->failed);
    for (i = 0; i < COLUMN_COUNT; i++)
        fprintf(to, " %8.2f", (double)sg_bench_histogram_at(&totals->latency, columns[i].percent) / 1000.0);
    fprintf(to, "\n");
}

static void print_details(const struct sg_bench_outcome *outcome, FILE *to)
{
    const struct sg_bench_totals *totals = &outcome->totals;
    char usage[USAGE_BYTES] = "";
    int i;

    if (outcome->has_usage)
        snprintf(usage, sizeof(usage),
                 "; memory %.1f MiB before, %.1f after, %.1f at the most; %.2f cores; %d process%s",
                 (double)outcome->before.rss_bytes / 1048576.0, (double)outcome->after.rss_bytes / 1048576.0,
                 (double)outcome->after.peak_bytes / 1048576.0, cpu_of(outcome), outcome->after.processes,
                 outcome->after.processes == 1 ? "" : "es");
    sg_args_row(to, "", 0, "%s: %.2f objects per result%s", outcome->target->name,
                totals->ok ? (double)totals->objects / (double)totals->ok : 0.0, usage);
    for (i = 0; i < totals->code_count; i++)
        sg_args_row(to, "", 2, "%s: %" PRIu64, totals->codes[i].code, totals->codes[i].count);
    if (totals->refused.total)
        sg_args_row(to, "", 2, "error replies: p50 %.2f ms, p99 %.2f ms, most %.2f ms",
                    (double)sg_bench_histogram_at(&totals->refused, 50) / 1000.0,
                    (double)sg_bench_histogram_at(&totals->refused, 99) / 1000.0,
                    (double)totals->refused.max_us / 1000.0);
    if (outcome->target->deadline_ms > 0)
        sg_args_row(to, "", 2, "after their deadline of %lld ms: %" PRIu64 " results",
                    (long long)outcome->target->deadline_ms, totals->late);
    if (totals->changed)
        sg_args_row(to, "", 2,
                    "results with another number of objects than the first of the same picture: %" PRIu64,
                    totals->changed);
    if (totals->unanswered)
        sg_args_row(to, "", 2, "on the way at the end and never answered: %" PRIu64, totals->unanswered);
    if (totals->unsent)
        sg_args_row(to, "", 2, "due but never sent, for want of a free connection: %" PRIu64, totals->unsent);
}

static void ratios(const struct sg_bench_report *report, struct sg_bench_ratio *throughput,
                   struct sg_bench_ratio *p50)
{
    const struct sg_bench_outcome *a = &report->outcomes[0], *b = &report->outcomes[1];
    int count = a->slice_count < b->slice_count ? a->slice_count : b->slice_count;

    sg_bench_ratio(a->throughput, b->throughput, count, throughput);
    sg_bench_ratio(a->p50_us, b->p50_us, count, p50);
}

static void print_ratio(const char *what, const struct sg_bench_ratio *ratio, FILE *to)
{
    if (ratio->median <= 0.0) {
        sg_args_row(to, "", 2, "%-12s nothing to compare: in no slice did both targets give results", what);
        return;
    }
    sg_args_row(to, "", 2, "%-12s first / second = %.3f, 95 %% interval %.3f to %.3f, slices %.3f to %.3f",
                what, ratio->median, ratio->low, ratio->high, ratio->least, ratio->most);
}

void sg_bench_report_text(const struct sg_bench_report *report, FILE *to)
{
    const struct sg_bench_plan *plan = report->plan;
    bool narrow = is_narrow(to);
    char loop[LOOP_BYTES];
    int k;

    if (plan->rate > 0)
        snprintf(loop, sizeof(loop),
                 "open loop at %.6g requests/s, latency from the moment a request was due", plan->rate);
    else
        snprintf(loop, sizeof(loop), "closed loop, %d request%s on the way each", plan->depth,
                 plan->depth == 1 ? "" : "s");
    sg_args_row(to, "", 0, "%d picture%s (%.2f MiB), %d connection%s, %s", plan->picture_count,
                plan->picture_count == 1 ? "" : "s", (double)report->picture_bytes / 1048576.0,
                plan->connections, plan->connections == 1 ? "" : "s", loop);
    if (!narrow)
        print_heads(to);
    for (k = 0; k < report->outcome_count; k++)
        narrow ? print_block(&report->outcomes[k], to) : print_outcome(&report->outcomes[k], to);
    for (k = 0; k < report->outcome_count; k++)
        print_details(&report->outcomes[k], to);
    if (report->compare) {
        struct sg_bench_ratio throughput, p50;

        ratios(report, &throughput, &p50);
        fprintf(to, "compared in %d slices each, in turns\n", report->outcomes[0].slice_count);
        print_ratio("throughput", &throughput, to);
        print_ratio("p50", &p50, to);
    }
    sg_args_row(to, "", 0, "this generator used %.1f %% of one core", 100.0 * report->own_cpu);
}

static void json_outcome(const struct sg_bench_outcome *outcome, struct sg_buf *out)
{
    const struct sg_bench_totals *totals = &outcome->totals;
    size_t i;
    int k;

    sg_buf_append_text(out, "{\"target\":");
    sg_json_text(outcome->target->name, out);
    sg_buf_printf(out,
                  ",\"protocol\":\"%s\",\"seconds\":%.3f,\"throughput\":%.3f,\"results\":%" PRIu64
                  ",\"objects\":%" PRIu64 ",\"changed\":%" PRIu64 ",\"late\":%" PRIu64 ",\"errors\":%" PRIu64
                  ",\"unsent\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",\"bytes_out\":%" PRIu64
                  ",\"latency_us\":{\"mean\":%.1f",
                  outcome->target->wire->scheme, (double)totals->measured_us / 1e6,
                  sg_bench_throughput(totals), totals->ok, totals->objects, totals->changed, totals->late,
                  totals->failed, totals->unsent, totals->unanswered, totals->bytes_out,
                  sg_bench_histogram_mean(&totals->latency));
    for (i = 0; i < COLUMN_COUNT; i++)
        sg_buf_printf(out, ",\"%s\":%" PRId64, columns[i].key,
                      sg_bench_histogram_at(&totals->latency, columns[i].percent));
    sg_buf_printf(out,
                  "},\"error_latency_us\":{\"p50\":%" PRId64 ",\"p99\":%" PRId64 ",\"max\":%" PRId64
                  "},\"codes\":{",
                  sg_bench_histogram_at(&totals->refused, 50), sg_bench_histogram_at(&totals->refused, 99),
                  totals->refused.max_us);
    for (k = 0; k < totals->code_count; k++)
        sg_buf_printf(out, "%s\"%s\":%" PRIu64, k ? "," : "", totals->codes[k].code, totals->codes[k].count);
    sg_buf_append_text(out, "}");
    if (outcome->has_usage)
        sg_buf_printf(out,
                      ",\"process\":{\"rss_before\":%" PRId64 ",\"rss_after\":%" PRId64
                      ",\"rss_peak\":%" PRId64 ",\"cores\":%.3f,\"processes\":%d}",
                      outcome->before.rss_bytes, outcome->after.rss_bytes, outcome->after.peak_bytes,
                      cpu_of(outcome), outcome->after.processes);
    sg_buf_append_text(out, "}");
}

static void json_ratio(const char *key, const struct sg_bench_ratio *ratio, struct sg_buf *out)
{
    if (ratio->median <= 0.0) {
        sg_buf_printf(out, ",\"%s\":null", key);
        return;
    }
    sg_buf_printf(out, ",\"%s\":{\"median\":%.4f,\"low\":%.4f,\"high\":%.4f,\"least\":%.4f,\"most\":%.4f}",
                  key, ratio->median, ratio->low, ratio->high, ratio->least, ratio->most);
}

int sg_bench_report_json(const struct sg_bench_report *report, FILE *to)
{
    const struct sg_bench_plan *plan = report->plan;
    struct sg_buf out;
    int code = 0, k;

    sg_buf_init(&out, JSON_MAX);
    sg_buf_printf(&out,
                  "{\"connections\":%d,\"pipeline_depth\":%d,\"rate\":%.6g,\"pictures\":%d,"
                  "\"picture_bytes\":%" PRId64 ",\"generator_cores\":%.4f,\"targets\":[",
                  plan->connections, plan->depth, plan->rate, plan->picture_count, report->picture_bytes,
                  report->own_cpu);
    for (k = 0; k < report->outcome_count; k++) {
        if (k)
            sg_buf_append_text(&out, ",");
        json_outcome(&report->outcomes[k], &out);
    }
    sg_buf_append_text(&out, "]");
    if (report->compare) {
        struct sg_bench_ratio throughput, p50;

        ratios(report, &throughput, &p50);
        sg_buf_printf(&out, ",\"compare\":{\"slices\":%d", report->outcomes[0].slice_count);
        json_ratio("throughput", &throughput, &out);
        json_ratio("p50", &p50, &out);
        sg_buf_append_text(&out, "}");
    }
    /* Growing failed somewhere above exactly when this does: the limit and the memory are the same. */
    code = sg_buf_append_text(&out, "}\n");
    if (code == 0)
        fwrite(out.data, 1, out.size, to);
    sg_buf_fini(&out);
    return code;
}
