/* SPDX-License-Identifier: MIT
 * What a worker does with a job: runs its pipeline, and draws what was found when that is asked for. On the
 * workers' threads, but for the look-up of pipelines, which is the loop's.
 */
#include "app/serve.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "img/draw.h"
#include "img/encode.h"
#include "img/need.h"

#include <stdlib.h>

/* One per worker. Decoder, painter and canvas are made by the first picture that is to be drawn. */
struct worker {
    struct sg_decode_limits limits;
    int workers; /* how many of its kind there are */
    struct sg_workspace *workspace;
    struct sg_memory *memory; /* of all of them; borrowed */
    struct sg_decoder *decoder;
    struct sg_painter *painter;
    struct sg_image canvas;
};

static int open_worker(void *ctx, int index, void **out_state, struct sg_error *err)
{
    const struct serve *serve = ctx;
    struct worker *worker = calloc(1, sizeof(*worker));
    struct sg_workspace_options options = {
        .limits = {(size_t)serve->conf.max_image_bytes, serve->conf.max_pixels}, .memory = serve->memory};
    int code = SG_E_NOMEM;

    if (worker) {
        worker->limits = options.limits;
        worker->memory = options.memory;
        worker->workers = serve->conf.workers > 0 ? serve->conf.workers : sg_cpu_count();
        code = sg_workspace_create(&options, &worker->workspace);
    }
    if (code < 0) {
        free(worker);
        return sg_error_set(err, (enum sg_err)code, "no memory for worker %d", index);
    }
    *out_state = worker;
    return 0;
}

static int open_painter(struct worker *worker, struct sg_error *err)
{
    int code = 0;

    if (!worker->decoder)
        code = sg_decoder_create(&worker->limits, &worker->decoder);
    if (code < 0)
        return sg_error_set(err, (enum sg_err)code, "no memory for a decoder");
    return worker->painter ? 0 : sg_painter_create(NULL, &worker->painter, err);
}

/* The picture at full size with the result drawn in, into the job's reply. */
static void annotate(struct worker *worker, struct sg_job *job, const struct sg_frame *frame)
{
    const struct sg_decode_wish whole = {0};
    int64_t began = sg_clock_us();
    size_t held = 0;
    int code = open_painter(worker, &job->error);

    if (code == 0 && frame->pixels)
        code = sg_error_set(&job->error, SG_E_UNSUPPORTED, "only encoded pictures come back drawn");
    if (code == 0)
        code = sg_job_expired(job, began);
    if (code == 0) {
        /* One more, so that even a tiny picture's holder is one: see sg_memory_take. */
        held = 1 + sg_decode_need(frame->bytes, frame->size, job->result.width, job->result.height, &whole);
        code = sg_memory_take(worker->memory, 0, held, job->deadline_us, &job->cancelled, &job->error);
        if (code < 0)
            held = 0;
    }
    if (code == 0)
        code = sg_decoder_decode(worker->decoder, frame->bytes, frame->size, &whole, &worker->canvas,
                                 &job->error);
    if (code == 0)
        code = sg_painter_draw(worker->painter, &worker->canvas, &job->result, &job->error);
    if (code == 0)
        code = sg_job_expired(job, sg_clock_us());
    if (code == 0 && job->annotate == SG_JOB_ANNOTATE_PNG)
        sg_encode_png(&worker->canvas, &job->reply, &job->error);
    else if (code == 0)
        sg_encode_jpeg(&worker->canvas, SG_ENCODE_QUALITY, &job->reply, &job->error);
    if (job->error.code == SG_OK)
        sg_job_expired(job, sg_clock_us());
    sg_image_trim(&worker->canvas, SG_PIPELINE_KEEP_BYTES);
    sg_decoder_trim(worker->decoder, SG_PIPELINE_KEEP_BYTES);
    sg_memory_give(worker->memory, held);
    job->result.timing_us[SG_STAGE_POSTPROCESS] += sg_clock_us() - began;
}

static void run_job(void *state, struct sg_job *job)
{
    struct worker *worker = state;
    const struct sg_served *served = job->pipeline;
    const struct sg_job_pixels *pixels = &job->pixels;
    struct sg_frame frame = {0};
    struct sg_image image = {0}; /* borrowing frees what it held */
    struct sg_request request = SG_REQUEST_DEFAULTS;

    if (!served->pipeline) {
        sg_error_set(&job->error, SG_E_SHUTDOWN,
                     "the pipeline could not be loaded: the server is stopping, and says why on its standard "
                     "error");
        return;
    }
    if (pixels->raw) {
        sg_image_borrow(
            &image, pixels->format, pixels->width, pixels->height, pixels->stride_bytes, job->bytes.data,
            pixels->format == SG_PIXEL_NV12 ? job->bytes.data + pixels->stride_bytes * (size_t)pixels->height
                                            : NULL);
        frame.pixels = &image;
    } else {
        frame.bytes = job->bytes.data ? (const void *)job->bytes.data : "";
        frame.size = job->bytes.size;
    }
    sg_request_set(&request, &job->options);
    request.deadline_us = job->deadline_us;
    request.cancelled = &job->cancelled;
    request.in_flight = job->in_flight;
    request.workers = worker->workers;
    if (sg_pipeline_run(served->pipeline, worker->workspace, &frame, &request, &job->result, &job->error) ==
            0 &&
        job->annotate != SG_JOB_ANNOTATE_NO)
        annotate(worker, job, &frame);
}

static void close_worker(void *state)
{
    struct worker *worker = state;

    sg_workspace_destroy(&worker->workspace);
    sg_decoder_destroy(&worker->decoder);
    sg_painter_destroy(&worker->painter);
    sg_image_fini(&worker->canvas);
    free(worker);
}

static void *get_pipeline(void *ctx, const char *name, struct sg_error *err)
{
    struct serve *serve = ctx;
    const struct sg_served *served = NULL;

    sg_library_serve(serve->library, name, &served, err);
    return (void *)(uintptr_t)served; /* jobs carry it as an opaque pointer and never write through it */
}

static void put_pipeline(void *ctx, void *pipeline)
{
    const struct sg_served *served = pipeline;

    (void)ctx;
    sg_served_release(&served);
}

static bool pipeline_ready(void *ctx, void *pipeline)
{
    const struct sg_served *served = pipeline;

    (void)ctx;
    return served->pipeline != NULL;
}

static const char *pipeline_name(void *ctx, int index, bool *out_default)
{
    const struct serve *serve = ctx;

    if (index < 0 || index >= sg_library_pipeline_count(serve->library))
        return NULL;
    *out_default = index == sg_library_default(serve->library);
    return sg_library_pipeline_name(serve->library, index);
}

const struct sg_job_ops serve_job_ops = {.open = open_worker,
                                         .run = run_job,
                                         .close = close_worker,
                                         .pipeline_get = get_pipeline,
                                         .pipeline_put = put_pipeline,
                                         .pipeline_ready = pipeline_ready,
                                         .pipeline_name = pipeline_name};
