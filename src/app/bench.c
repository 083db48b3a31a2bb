/* SPDX-License-Identifier: MIT
 * `sight bench`: puts load on servers and prints what they gave. Main thread.
 */
#include "app/command.h"
#include "app/pictures.h"
#include "base/clock.h"
#include "load/report.h"
#include "sink/guard.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define TARGETS_MAX   8
#define PICTURES_MAX  20000
#define PICTURE_BYTES ((size_t)1 << 30) /* of all pictures together: they are held in memory */
#define SLICE_WARM_US 100000            /* of each slice of --compare: the caches become this target's */

struct bench_args {
    struct sg_texts images;
    struct sg_text histogram, pipeline;
    int connections, depth, slices;
    float rate;
    int64_t duration_ms, warmup_ms, timeout_ms, slice_ms, requests, deadline_ms;
    bool compare, json, overwrite, allow_remote, records;
    int pids[TARGETS_MAX], pid_count;
};

#define AT(member_name) .offset = offsetof(struct bench_args, member_name), .flags = SG_OPTION_FLAG_ONLY

static const struct sg_option bench_rows[] = {
    {.key = "images",
     .type = SG_OPTION_TEXTS,
     AT(images),
     .short_flag = 'i',
     .value_name = "PATH",
     .section = "What is sent",
     .help = "a picture or a folder of pictures; may be given several times; sent in turn"},
    {.key = "pipeline",
     .type = SG_OPTION_TEXT,
     AT(pipeline),
     .short_flag = 'p',
     .value_name = "NAME",
     .absent = "the server's default one",
     .help = "v2 only; for HTTP put ?pipeline=NAME into the target"},
    {.key = "deadline",
     .type = SG_OPTION_DURATION,
     AT(deadline_ms),
     .minimum = 0,
     .maximum = 600e3,
     .value_default = "0s",
     .help = "v2 and HTTP: each request must be answered within it or refused; 0 = none"},
    {.key = "records",
     .type = SG_OPTION_BOOL,
     AT(records),
     .value_default = "false",
     .help = "v2: ask for binary results"},
    {.key = "connections",
     .type = SG_OPTION_INT,
     AT(connections),
     .short_flag = 'c',
     .minimum = 1,
     .maximum = SG_BENCH_CONNECTIONS_MAX,
     .value_default = "16",
     .help = "clients at once"},
    {.key = "pipeline_depth",
     .type = SG_OPTION_INT,
     AT(depth),
     .short_flag = 'd',
     .minimum = 1,
     .maximum = SG_BENCH_DEPTH_MAX,
     .value_default = "1",
     .help = "requests that each client has on the way without waiting for replies"},
    {.key = "rate",
     .type = SG_OPTION_FLOAT,
     AT(rate),
     .minimum = 0,
     .maximum = 1e6,
     .unit = "requests/s",
     .value_default = "0",
     .help = "open loop: requests are due at this rate whatever the server does, and latency counts from "
             "then; 0 = closed loop, as fast as replies come"},
    {.key = "duration",
     .type = SG_OPTION_DURATION,
     AT(duration_ms),
     .minimum = 1,
     .maximum = 86400e3,
     .value_default = "10s",
     .section = "How long",
     .help = "time measured"},
    {.key = "warmup",
     .type = SG_OPTION_DURATION,
     AT(warmup_ms),
     .minimum = 0,
     .maximum = 3600e3,
     .value_default = "1s",
     .help = "load before measuring starts"},
    {.key = "requests",
     .type = SG_OPTION_COUNT,
     AT(requests),
     .short_flag = 'n',
     .minimum = 0,
     .maximum = 1e9,
     .value_default = "0",
     .help = "stop after so many, warm-up included; 0 = only time ends it"},
    {.key = "timeout",
     .type = SG_OPTION_DURATION,
     AT(timeout_ms),
     .minimum = 1,
     .maximum = 3600e3,
     .value_default = "30s",
     .help = "a reply that takes longer is an error, its connection is opened anew"},
    {.key = "compare",
     .type = SG_OPTION_BOOL,
     AT(compare),
     .value_default = "false",
     .section = "Two targets in one run",
     .help = "load two targets in turns, slice by slice, and print their ratio with its interval"},
    {.key = "slices",
     .type = SG_OPTION_INT,
     AT(slices),
     .minimum = 2,
     .maximum = SG_BENCH_SLICES_MAX,
     .value_default = "10",
     .help = "slices of each target"},
    {.key = "slice",
     .type = SG_OPTION_DURATION,
     AT(slice_ms),
     .minimum = 50,
     .maximum = 600e3,
     .value_default = "1s",
     .help = "time measured in one slice; --duration does not apply"},
    {.key = "json",
     .type = SG_OPTION_BOOL,
     AT(json),
     .short_flag = 'j',
     .value_default = "false",
     .section = "What comes out",
     .help = "one JSON object instead of the table"},
    {.key = "histogram",
     .type = SG_OPTION_TEXT,
     AT(histogram),
     .value_name = "FILE",
     .help = "also write the latencies of results; further targets go to FILE.2, FILE.3, …"},
    {.key = "overwrite",
     .type = SG_OPTION_BOOL,
     AT(overwrite),
     .value_default = "false",
     .help = "--histogram also replaces files that were not written by sightd; the pictures never are"},
    {.key = "pid",
     .type = SG_OPTION_INTS,
     .offset = offsetof(struct bench_args, pids),
     .count_offset = offsetof(struct bench_args, pid_count),
     .flags = SG_OPTION_FLAG_ONLY,
     .minimum = 1,
     .maximum = 1 << 22,
     .min_count = 1,
     .max_count = TARGETS_MAX,
     .value_name = "PID,…",
     .help = "process of each target, for its memory and processor time with all descendants"},
    {.key = "allow_remote",
     .type = SG_OPTION_BOOL,
     AT(allow_remote),
     .value_default = "false",
     .section = "Safety",
     .help = "targets may be other machines; only with their owner's consent"},
};
static const struct sg_option_table bench_table = {.name = "bench",
                                                   .rows = bench_rows,
                                                   .row_count = sizeof(bench_rows) / sizeof(bench_rows[0]),
                                                   .struct_bytes = sizeof(struct bench_args)};

struct bench {
    const struct bench_args *args;
    struct sg_pictures names;
    struct sg_guard guard;
    struct sg_buf bytes; /* of all pictures */
    struct sg_bench_picture *pictures;
    struct sg_bench_plan plan;
    struct sg_bench_target targets[TARGETS_MAX];
    struct sg_bench_load *loads[TARGETS_MAX];
    struct sg_bench_outcome *outcomes;
    int target_count;
};

static volatile int stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

static int load_pictures(struct bench *bench, struct sg_error *err)
{
    struct sg_pictures *names = &bench->names;
    size_t *ends = NULL;
    int i, code = 0;

    for (i = 0; i < bench->args->images.count && code == 0; i++)
        code = sg_pictures_add(names, bench->args->images.items[i].value, err);
    if (code < 0)
        goto out;
    if (names->count < 1 || names->count > PICTURES_MAX) {
        code =
            sg_error_set(err, SG_E_INVALID, "expected 1 to %d pictures, got %d", PICTURES_MAX, names->count);
        goto out;
    }
    ends = calloc((size_t)names->count, sizeof(*ends));
    bench->pictures = calloc((size_t)names->count, sizeof(*bench->pictures));
    if (!ends || !bench->pictures) {
        code = sg_error_set(err, SG_E_NOMEM, "no memory for %d pictures", names->count);
        goto out;
    }
    for (i = 0; i < names->count; i++) {
        code = sg_buf_append_file(&bench->bytes, names->paths[i]);
        if (code < 0) {
            sg_error_set(err, code, "cannot read \"%s\": %s", names->paths[i],
                         code == SG_E_TOO_LARGE ? "the pictures are larger than 1 GiB together"
                                                : strerror(errno));
            goto out;
        }
        ends[i] = bench->bytes.size;
    }
    for (i = 0; i < names->count; i++) /* only now: the buffer no longer moves */
        bench->pictures[i] = (struct sg_bench_picture){bench->bytes.data + (i ? ends[i - 1] : 0),
                                                       ends[i] - (i ? ends[i - 1] : 0)};
    bench->plan.pictures = bench->pictures;
    bench->plan.picture_count = names->count;
out:
    free(ends);
    return code;
}

static void make_room_for_sockets(int connections)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)connections + 64) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* What the flags ask of every request. */
static int ask(const struct bench_args *args, struct sg_bench_target *target, struct sg_error *err)
{
    const char *scheme = target->wire->scheme;
    bool v2 = strcmp(scheme, "v2") == 0, seed = strcmp(scheme, "seed") == 0;
    const char *flag = args->pipeline.value && !v2     ? "--pipeline"
                       : args->records && !v2          ? "--records"
                       : args->deadline_ms > 0 && seed ? "--deadline"
                                                       : NULL;

    if (flag)
        return sg_error_set(err, SG_E_INVALID, "%s has no meaning for \"%s\" (%s)", flag, target->name,
                            scheme);
    if (args->pipeline.value && strlen(args->pipeline.value) >= sizeof(target->pipeline))
        return sg_error_set(err, SG_E_INVALID, "--pipeline: the name is too long");
    snprintf(target->pipeline, sizeof(target->pipeline), "%s",
             args->pipeline.value ? args->pipeline.value : "");
    target->deadline_ms = args->deadline_ms;
    target->records = args->records;
    return 0;
}

/* SG_E_INVALID: a wrong command line. */
static int read_words(struct bench *bench, const struct sg_args *words, struct sg_error *err)
{
    const struct bench_args *args = bench->args;
    int i, code = 0;

    bench->target_count = words->positional_count;
    if (args->images.count == 0)
        return sg_error_set(err, SG_E_INVALID, "say what to send: --images FILE or FOLDER");
    if (args->compare && bench->target_count != 2)
        return sg_error_set(err, SG_E_INVALID, "--compare takes two targets, got %d", bench->target_count);
    if (args->pid_count > bench->target_count)
        return sg_error_set(err, SG_E_INVALID, "--pid names %d processes of %d targets", args->pid_count,
                            bench->target_count);
    for (i = 0; i < bench->target_count && code == 0; i++) {
        code = sg_bench_target_parse(words->positionals[i], args->allow_remote, &bench->targets[i], err);
        if (code == 0)
            code = ask(args, &bench->targets[i], err);
    }
    return code;
}

static int open_targets(struct bench *bench, struct sg_error *err)
{
    const struct bench_args *args = bench->args;
    int i, code = 0;

    bench->outcomes = calloc((size_t)bench->target_count, sizeof(*bench->outcomes));
    if (!bench->outcomes)
        return sg_error_set(err, SG_E_NOMEM, "no memory");
    bench->plan.connections = args->connections;
    bench->plan.depth = args->depth;
    bench->plan.rate = (double)args->rate;
    bench->plan.timeout_ms = args->timeout_ms;
    bench->plan.max_requests = (uint64_t)args->requests;
    make_room_for_sockets(args->connections * bench->target_count);
    for (i = 0; i < bench->target_count && code == 0; i++) {
        bench->outcomes[i].target = &bench->targets[i];
        code = sg_bench_load_create(&bench->targets[i], &bench->plan, &bench->loads[i], err);
    }
    return code;
}

/* One run on target i, added to its outcome, with its processes looked at before and after. */
static int run_on(struct bench *bench, int i, int64_t warm_us, int64_t measure_us, struct sg_error *err)
{
    struct sg_bench_outcome *outcome = &bench->outcomes[i];
    struct sg_bench_totals *totals = calloc(1, sizeof(*totals));
    int64_t began = sg_clock_us();
    int code = totals ? 0 : sg_error_set(err, SG_E_NOMEM, "no memory");

    if (code == 0)
        code = sg_bench_load_run(bench->loads[i], warm_us, measure_us, &stop_signal, totals, err);
    if (totals && outcome->slice_count < SG_BENCH_SLICES_MAX) {
        outcome->throughput[outcome->slice_count] = sg_bench_throughput(totals);
        outcome->p50_us[outcome->slice_count++] = (double)sg_bench_histogram_at(&totals->latency, 50);
    }
    if (totals)
        sg_bench_totals_merge(&outcome->totals, totals);
    outcome->loaded_us += sg_clock_us() - began;
    free(totals);
    return code;
}

static int look_at(const struct bench *bench, int i, struct sg_bench_usage *usage, struct sg_error *err)
{
    if (i >= bench->args->pid_count)
        return 0;
    bench->outcomes[i].has_usage = true;
    return sg_bench_usage_read(bench->args->pids[i], usage, err);
}

static int run_in_turns(struct bench *bench, struct sg_error *err)
{
    int64_t slice_us = bench->args->slice_ms * 1000;
    int slice, turn, code = 0;

    for (turn = 0; turn < 2 && code == 0; turn++) {
        code = run_on(bench, turn, bench->args->warmup_ms * 1000, 0, err);
        bench->outcomes[turn].slice_count = 0;
        bench->outcomes[turn].loaded_us = 0;
        if (code == 0)
            code = look_at(bench, turn, &bench->outcomes[turn].before, err);
    }
    for (slice = 0; slice < bench->args->slices && code == 0; slice++)
        for (turn = 0; turn < 2 && code == 0; turn++) /* A B, B A, A B: who is first changes */
            code = run_on(bench, (slice + turn) % 2, SLICE_WARM_US, slice_us, err);
    for (turn = 0; turn < 2 && (code == 0 || code == SG_E_CANCELLED); turn++)
        if (look_at(bench, turn, &bench->outcomes[turn].after, err) < 0)
            code = SG_E_NOT_FOUND;
    return code;
}

static int run_one_by_one(struct bench *bench, struct sg_error *err)
{
    int i, code = 0;

    for (i = 0; i < bench->target_count && code == 0; i++) {
        code = look_at(bench, i, &bench->outcomes[i].before, err);
        if (code == 0)
            code = run_on(bench, i, bench->args->warmup_ms * 1000, bench->args->duration_ms * 1000, err);
        if ((code == 0 || code == SG_E_CANCELLED) && look_at(bench, i, &bench->outcomes[i].after, err) < 0)
            code = SG_E_NOT_FOUND;
    }
    return code;
}

/* Whether the files may be written, which is told before any load; with `write` it is done, too. */
static int histograms(struct bench *bench, bool write, struct sg_error *err)
{
    char path[SG_OPTION_TEXT_MAX + 8];
    int i, code = 0;

    for (i = 0; bench->args->histogram.value && i < bench->target_count && code == 0; i++) {
        snprintf(path, sizeof(path), i ? "%s.%d" : "%s", bench->args->histogram.value, i + 1);
        code = sg_guard_claim(&bench->guard, path, NULL, err);
        if (code < 0)
            sg_error_prefix(err, "--histogram");
        else if (write)
            code = sg_bench_histogram_write(&bench->outcomes[i].totals.latency, path, err);
    }
    return code;
}

static double own_cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* 1 when a target gave no result at all. */
static int report(const struct bench *bench, double own_cpu)
{
    const struct sg_bench_report all = {.plan = &bench->plan,
                                        .outcomes = bench->outcomes,
                                        .outcome_count = bench->target_count,
                                        .compare = bench->args->compare,
                                        .picture_bytes = (int64_t)bench->bytes.size,
                                        .own_cpu = own_cpu};
    int i, status = SG_EXIT_OK;

    if (bench->args->json)
        status = sg_bench_report_json(&all, stdout) < 0 ? SG_EXIT_FAILED : SG_EXIT_OK;
    else
        sg_bench_report_text(&all, stdout);
    for (i = 0; i < bench->target_count; i++)
        if (bench->outcomes[i].totals.ok == 0)
            status = SG_EXIT_FAILED;
    return status;
}

static int bench_all(const struct sg_command *self, void *values, const struct sg_args *words)
{
    const struct bench_args *args = values;
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct bench bench = {.args = args};
    struct sg_error err = {0};
    double cpu;
    int64_t began;
    int i, code, status = SG_EXIT_FAILED;

    sg_buf_init(&bench.bytes, PICTURE_BYTES);
    sg_guard_init(&bench.guard, args->overwrite);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    code = read_words(&bench, words, &err);
    if (code == SG_E_INVALID) {
        status = sg_command_usage(self, err.text);
        goto out;
    }
    if (code == 0)
        code = load_pictures(&bench, &err);
    sg_guard_inputs(&bench.guard, bench.names.paths, bench.names.count);
    if (code == 0)
        code = histograms(&bench, false, &err);
    if (code == 0)
        code = open_targets(&bench, &err);
    began = sg_clock_us();
    cpu = own_cpu_seconds();
    if (code == 0)
        code = args->compare ? run_in_turns(&bench, &err) : run_one_by_one(&bench, &err);
    if (code == 0 || code == SG_E_CANCELLED) {
        status = report(&bench, (own_cpu_seconds() - cpu) * 1e6 / (double)(sg_clock_us() - began + 1));
        code = code < 0 ? code : histograms(&bench, true, &err);
    }
    if (code < 0)
        status = sg_command_fail(self, &err);
    if (code == SG_E_CANCELLED)
        status = 128 + stop_signal;
out:
    for (i = 0; i < bench.target_count; i++)
        sg_bench_load_destroy(&bench.loads[i]);
    free(bench.outcomes);
    free(bench.pictures);
    sg_pictures_fini(&bench.names);
    sg_guard_fini(&bench.guard);
    sg_buf_fini(&bench.bytes);
    return status;
}

static int run_bench(const struct sg_command *self, int argc, char **argv)
{
    struct bench_args values;
    const struct sg_args_binding bindings[] = {{&bench_table, &values}, {NULL, NULL}};

    return sg_command_body(self, bindings, argc, argv, bench_all, &values);
}

static const char *const examples[] = {"sight bench 127.0.0.1:8080 --images photos",
                                       "16 clients for 10 s over seed frames",
                                       "sight bench http://127.0.0.1:8080/v1/infer --images a.jpg -c 64",
                                       "64 clients over HTTP",
                                       "sight bench v2://127.0.0.1:8080 -i a.jpg --rate 200 --deadline 500ms",
                                       "more than it can do: what is refused, and how fast",
                                       "sight bench 127.0.0.1:8080 -i a.jpg --rate 50 --duration 1m",
                                       "50 requests a second, due or not",
                                       "sight bench --compare 127.0.0.1:8080 http://127.0.0.1:9000/ -i a.jpg",
                                       "which of two servers gives more, in one run",
                                       NULL};

static const struct sg_option_table *const tables[] = {&bench_table, NULL};

const struct sg_command sg_command_bench = {
    .args = {.name = "sight bench",
             .summary = "put load on a server and measure what it gives",
             .positional = "TARGET…",
             .min_positionals = 1,
             .max_positionals = TARGETS_MAX,
             .description =
                 "A target is host:port or seed://host:port for seed frames, v2://host:port for frame "
                 "protocol v2, http://host:port/path for HTTP. Results and errors are counted apart; "
                 "latencies are those of results. Targets are "
                 "measured one after another, or in turns with --compare. The exit status is 1 when a "
                 "target gave no result.",
             .examples = examples},
    .tables = tables,
    .run = run_bench,
};
