/* SPDX-License-Identifier: MIT
 * The limit that a server can reach on this machine, measured in process without any network: first the model
 * alone, then whole frames (decode, letterbox, model, head), each with a thread per core on one-core graphs,
 * and lone on a graph that uses all cores. bench/run.py sets servers against it.
 *
 * usage: limit_bench MODEL SECONDS PART IMAGE…    MODEL as for `sight detect --model`; SECONDS per
 * measurement; PART all, model, model_lone, frames or frames_lone. Prints one JSON object.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/thread.h"
#include "load/histogram.h"
#include "pipeline/pipeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 256
#define IMAGE_BYTES ((size_t)64 << 20)
#define WARM_SHARE  5 /* a fifth of the time is spent before counting */

struct limit {
    struct sg_engine *engine;
    struct sg_model *model;
    struct sg_pipeline *pipeline;
    struct sg_buf *images;
    int image_count;
    double seconds;
    const char *part;     /* "all", or the one to measure */
    atomic_int in_flight; /* of this, pipelines decide whether a frame is alone */
};

/* One measuring thread and what it saw. */
struct lane {
    struct limit *limit;
    struct sg_thread thread;
    bool wide, whole; /* all cores for one run; whole frames, not the model alone */
    int first_image;
    int64_t count_from_us, until_us;
    uint64_t frames;
    int64_t stages_us[SG_STAGE_COUNT];
    struct sg_bench_histogram times;
    int code;
    struct sg_error err;
};

static void count(struct lane *lane, int64_t began, const struct sg_result *result)
{
    int64_t now = sg_clock_us();
    int i;

    if (began < lane->count_from_us)
        return;
    lane->frames++;
    sg_bench_histogram_add(&lane->times, now - began);
    for (i = 0; result && i < SG_STAGE_COUNT; i++)
        lane->stages_us[i] += result->timing_us[i];
}

static int run_model(struct lane *lane)
{
    struct sg_model *model = lane->limit->model;
    struct sg_runner *runner = NULL;
    struct sg_tensor tensor;
    size_t item_bytes = 0;
    int code = sg_model_borrow(model, lane->wide, &runner, &lane->err);

    if (code == 0)
        code = sg_model_shape(model, runner, &model->transform, 1, &tensor, &item_bytes, &lane->err);
    if (code == 0) /* a grey picture: what is in it changes no time of a convolution */
        memset(tensor.data, 0, item_bytes);
    while (code == 0 && sg_clock_us() < lane->until_us) {
        int64_t began = sg_clock_us();

        code = sg_runner_run(runner, &lane->err);
        count(lane, began, NULL);
    }
    if (runner)
        sg_model_return(model, &runner);
    return code;
}

static int run_frames(struct lane *lane)
{
    const struct sg_workspace_options options = {.limits = {SG_DECODE_MAX_BYTES, SG_DECODE_MAX_PIXELS}};
    struct limit *limit = lane->limit;
    struct sg_request request = SG_REQUEST_DEFAULTS;
    struct sg_workspace *workspace = NULL;
    struct sg_result result = {0};
    int image = lane->first_image, code = sg_workspace_create(&options, &workspace);

    request.in_flight = &limit->in_flight;
    while (code == 0 && sg_clock_us() < lane->until_us) {
        const struct sg_buf *bytes = &limit->images[image];
        struct sg_frame frame = {.bytes = bytes->data, .size = bytes->size};
        int64_t began = sg_clock_us();

        code = sg_pipeline_run(limit->pipeline, workspace, &frame, &request, &result, &lane->err);
        count(lane, began, &result);
        image = (image + 1) % limit->image_count;
    }
    sg_result_fini(&result);
    sg_workspace_destroy(&workspace);
    return code;
}

static void run_lane(void *arg)
{
    struct lane *lane = arg;

    lane->code = lane->whole ? run_frames(lane) : run_model(lane);
}

/* Runs that many lanes for the time given and adds them up into sum. */
static int measure(struct limit *limit, int threads, bool whole, struct lane *sum)
{
    struct lane *lanes = calloc((size_t)threads, sizeof(*lanes));
    int64_t now = sg_clock_us(), time_us = (int64_t)(limit->seconds * 1e6);
    int i, k, code = 0;

    memset(sum, 0, sizeof(*sum));
    if (!lanes)
        return SG_E_NOMEM;
    limit->in_flight = threads;
    for (i = 0; i < threads && code == 0; i++) {
        lanes[i].limit = limit;
        lanes[i].wide = threads == 1;
        lanes[i].whole = whole;
        lanes[i].first_image = i % limit->image_count;
        lanes[i].count_from_us = now + time_us / WARM_SHARE;
        lanes[i].until_us = now + time_us + time_us / WARM_SHARE;
        code = sg_thread_start(&lanes[i].thread, run_lane, &lanes[i], &sum->err, "limit-%d", i);
    }
    for (i = 0; i < threads; i++) {
        sg_thread_join(&lanes[i].thread);
        sum->frames += lanes[i].frames;
        sg_bench_histogram_merge(&sum->times, &lanes[i].times);
        for (k = 0; k < SG_STAGE_COUNT; k++)
            sum->stages_us[k] += lanes[i].stages_us[k];
        if (code == 0 && lanes[i].code < 0) {
            code = lanes[i].code;
            sum->err = lanes[i].err;
        }
    }
    free(lanes);
    return code;
}

static void print(const char *name, const struct lane *sum, double seconds, bool whole)
{
    int i;

    printf("\"%s\":{\"per_second\":%.2f,\"p50_us\":%" PRId64 ",\"p99_us\":%" PRId64 ",\"frames\":%" PRIu64,
           name, (double)sum->frames / seconds, sg_bench_histogram_at(&sum->times, 50),
           sg_bench_histogram_at(&sum->times, 99), sum->frames);
    if (whole) {
        printf(",\"stages_us\":{");
        for (i = 0; i < SG_STAGE_COUNT; i++)
            printf("%s\"%s\":%.1f", i ? "," : "", sg_stage_name((enum sg_stage)i),
                   (double)sum->stages_us[i] / (double)(sum->frames ? sum->frames : 1));
        printf("}");
    }
    printf("}");
}

static int measure_all(struct limit *limit, struct sg_error *err)
{
    static const struct {
        const char *name;
        bool whole, crowd;
    } parts[] = {{"model", false, true},
                 {"model_lone", false, false},
                 {"frames", true, true},
                 {"frames_lone", true, false}};
    struct lane *sum = calloc(1, sizeof(*sum));
    int threads = sg_cpu_count() < THREADS_MAX ? sg_cpu_count() : THREADS_MAX, code = 0;
    size_t i;

    if (!sum)
        return sg_error_set(err, SG_E_NOMEM, "no memory");
    printf("{\"threads\":%d,\"images\":%d", threads, limit->image_count);
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]) && code == 0; i++) {
        if (strcmp(limit->part, "all") != 0 && strcmp(limit->part, parts[i].name) != 0)
            continue;
        code = measure(limit, parts[i].crowd ? threads : 1, parts[i].whole, sum);
        printf(",");
        print(parts[i].name, sum, limit->seconds, parts[i].whole);
    }
    printf("}\n");
    if (code < 0)
        *err = sum->err;
    free(sum);
    return code;
}

static int open_all(struct limit *limit, const char *path, char **images, struct sg_error *err)
{
    struct sg_model_options options = {.path = path, .wide_threads = sg_cpu_count(), .narrow = true};
    struct sg_conf_problems problems = {0};
    int i, code = sg_engine_create(&limit->engine, err);

    if (code == 0)
        code = sg_model_open(limit->engine, &options, &problems, &limit->model, err);
    if (code == 0)
        code = sg_pipeline_of_model(limit->model, false, &limit->pipeline, err);
    sg_conf_problems_fini(&problems);
    limit->images = calloc((size_t)limit->image_count, sizeof(*limit->images));
    if (code == 0 && !limit->images)
        code = sg_error_set(err, SG_E_NOMEM, "no memory");
    for (i = 0; i < limit->image_count && code == 0; i++) {
        sg_buf_init(&limit->images[i], IMAGE_BYTES);
        code = sg_buf_append_file(&limit->images[i], images[i]);
        if (code < 0)
            sg_error_set(err, code, "cannot read \"%s\"", images[i]);
    }
    return code;
}

int main(int argc, char **argv)
{
    struct limit limit = {.image_count = argc - 4, .seconds = argc > 4 ? atof(argv[2]) : 0};
    struct sg_error err = {0};
    int i, code;

    if (argc < 5 || !(limit.seconds > 0 && limit.seconds <= 600)) {
        fprintf(stderr, "usage: limit_bench MODEL SECONDS PART IMAGE…\n");
        return 2;
    }
    limit.part = argv[3];
    code = open_all(&limit, argv[1], argv + 4, &err);
    if (code == 0)
        code = measure_all(&limit, &err);
    if (code < 0)
        fprintf(stderr, "limit_bench: %s\n", err.text);
    for (i = 0; limit.images && i < limit.image_count; i++)
        sg_buf_fini(&limit.images[i]);
    free(limit.images);
    sg_pipeline_destroy(&limit.pipeline);
    sg_model_destroy(&limit.model);
    sg_engine_destroy(&limit.engine);
    return code < 0;
}
