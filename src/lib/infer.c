/* SPDX-License-Identifier: MIT
 * One picture through a pipeline, on the caller's thread, with a workspace borrowed for the call. Any number
 * of threads at once.
 */
#include "base/clock.h"
#include "lib/lib_private.h"

/* The one used last is warm. */
static int borrow(struct lib_core *core, struct sg_workspace **out_workspace, struct sg_error *err)
{
    struct sg_workspace *workspace = NULL;

    pthread_mutex_lock(&core->lock);
    if (core->idle_count > 0)
        workspace = core->idle[--core->idle_count];
    pthread_mutex_unlock(&core->lock);
    if (!workspace && sg_workspace_create(&core->limits, &workspace) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a workspace");
    *out_workspace = workspace;
    return 0;
}

static void give_back(struct lib_core *core, struct sg_workspace *workspace)
{
    pthread_mutex_lock(&core->lock);
    if (core->idle_count < LIB_MAX_IDLE) {
        core->idle[core->idle_count++] = workspace;
        workspace = NULL;
    }
    pthread_mutex_unlock(&core->lock);
    sg_workspace_destroy(&workspace);
}

static enum sg_decode_mode decode_mode(int decode)
{
    return decode == SIGHT_DECODE_FAST    ? SG_DECODE_FAST
           : decode == SIGHT_DECODE_EXACT ? SG_DECODE_EXACT
                                          : SG_DECODE_AS_PIPELINE;
}

static int run(struct lib_core *core, const struct sg_frame *frame, const struct sight_infer_options *options,
               struct sight_result *result, struct sg_error *err)
{
    struct sg_request request = {.threshold = options->threshold,
                                 .iou = options->nms,
                                 .max_objects = options->max_objects,
                                 .top_k = options->top_k,
                                 .decode = decode_mode(options->decode),
                                 .in_flight = &core->in_flight};
    struct sg_workspace *workspace = NULL;
    int code = borrow(core, &workspace, err);

    if (code < 0)
        return code;
    if (options->deadline_ms > 0)
        request.deadline_us = sg_clock_us() + options->deadline_ms * 1000;
    /* relaxed: the number only chooses between one core and all. */
    atomic_fetch_add_explicit(&core->in_flight, 1, memory_order_relaxed);
    code = sg_pipeline_run(core->opened.pipeline, workspace, frame, &request, &result->result, err);
    atomic_fetch_sub_explicit(&core->in_flight, 1, memory_order_relaxed);
    give_back(core, workspace);
    return code < 0 ? code : lib_result_show(result, err);
}

/* What both kinds of pictures have before and after. frame NULL: err says what is wrong with the picture. */
static int infer(struct sight_pipeline *pipeline, const struct sg_frame *frame,
                 const struct sight_infer_options *given, struct sight_result *result, struct sg_error *err)
{
    struct sight_infer_options options = {0};
    int code;

    lib_result_clear(result);
    result->core = pipeline->core;
    atomic_fetch_add_explicit(&pipeline->core->held, 1, memory_order_relaxed);
    result->result.pipeline = sg_pipeline_name(pipeline->core->opened.pipeline);
    code = frame ? lib_infer_options_read(given, &options, err) : err->code;
    if (code == 0 && options.pipeline && options.pipeline[0])
        code = sg_error_set(err, SG_E_INVALID,
                            "pipeline is \"%.80s\"; in process the handle says which pipeline runs",
                            options.pipeline);
    if (code == 0)
        code = run(pipeline->core, frame, &options, result, err);
    if (code < 0)
        result->error = *err;
    return code;
}

static int check_handles(const struct sight_pipeline *pipeline, const struct sight_result *result,
                         struct sg_error *err)
{
    if (!pipeline || !result)
        return sg_error_set(err, SG_E_INVALID, "%s is NULL", pipeline ? "result" : "pipeline");
    return 0;
}

int sight_infer(struct sight_pipeline *pipeline, const void *bytes, size_t bytes_count,
                const struct sight_infer_options *options, struct sight_result *result,
                struct sight_error *error)
{
    struct sg_frame frame = {.bytes = bytes ? bytes : "", .size = bytes_count};
    struct sg_error err = {0};
    int code = check_handles(pipeline, result, &err);

    if (code < 0)
        return lib_end(code, &err, error);
    if (!bytes && bytes_count > 0)
        sg_error_set(&err, SG_E_INVALID, "bytes is NULL");
    code = infer(pipeline, err.code < 0 ? NULL : &frame, options, result, &err);
    return lib_end(code, &err, error);
}

int sight_infer_pixels(struct sight_pipeline *pipeline, const struct sight_pixels *pixels,
                       const struct sight_infer_options *options, struct sight_result *result,
                       struct sight_error *error)
{
    struct sg_image image = {0}; /* borrowing frees what it held */
    struct sg_frame frame = {.pixels = &image};
    struct sg_error err = {0};
    int code = check_handles(pipeline, result, &err);

    if (code < 0)
        return lib_end(code, &err, error);
    code = lib_pixels_read(pixels, pipeline->core->limits.limits.max_pixels, &image, &err);
    code = infer(pipeline, code < 0 ? NULL : &frame, options, result, &err);
    return lib_end(code, &err, error);
}
