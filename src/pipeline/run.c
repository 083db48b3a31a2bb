/* SPDX-License-Identifier: MIT
 * One frame through a pipeline, step after step, and the workspace that a thread keeps for it. A workspace
 * belongs to one thread; a pipeline to any number.
 */
#include "base/clock.h"
#include "pipeline/pipeline_private.h"

#include <stdlib.h>

int sg_workspace_create(const struct sg_workspace_options *options, struct sg_workspace **out_workspace)
{
    struct sg_workspace *ws = calloc(1, sizeof(*ws));
    int code;

    *out_workspace = NULL;
    if (!ws)
        return SG_E_NOMEM;
    ws->options = *options;
    code = sg_decoder_create(&options->limits, &ws->decoder);
    if (code < 0)
        sg_workspace_destroy(&ws);
    *out_workspace = ws;
    return code;
}

void sg_workspace_destroy(struct sg_workspace **workspace)
{
    struct sg_workspace *ws = *workspace;

    if (!ws)
        return;
    sg_decoder_destroy(&ws->decoder);
    sg_image_fini(&ws->image);
    sg_image_fini(&ws->detail);
    sg_image_fini(&ws->line);
    sg_letterbox_fini(&ws->letterbox);
    sg_detections_fini(&ws->detections);
    sg_answers_fini(&ws->answers);
    free(ws);
    *workspace = NULL;
}

static void trim(struct sg_workspace *ws)
{
    sg_image_trim(&ws->image, SG_PIPELINE_KEEP_BYTES);
    sg_image_trim(&ws->detail, SG_PIPELINE_KEEP_BYTES);
    sg_image_trim(&ws->line, SG_PIPELINE_KEEP_BYTES);
    sg_decoder_trim(ws->decoder, SG_PIPELINE_KEEP_BYTES);
    if (ws->options.memory)
        sg_memory_give(ws->options.memory, ws->held);
    ws->held = 0;
}

/* The first detector; what it doubts is looked at again. */
static int detect_first(struct run *run, const struct detect_stage *stage, const struct sg_box *region)
{
    int first = run->result->object_count;
    int code = detect_run(run, stage, region, -1);

    return code == 0 && stage->has_look ? look_again(run, stage, first) : code;
}

static int run_detectors(struct run *run)
{
    const struct sg_pipeline *p = run->pipeline;
    float width = (float)run->result->width, height = (float)run->result->height;
    struct sg_box region = {0.0f, 0.0f, width, height};
    int code, i;

    if (p->detect.has_region) {
        const float *share = p->detect.region;
        struct sg_box part = {share[0] * width, share[1] * height, share[2] * width, share[3] * height};

        region = picture_crop(run, &part, 0.0f, false, false);
    }
    code = detect_first(run, &p->detect, &region);
    for (i = 0; i < p->classify_count && code == 0; i++)
        code = classify_run(run, &p->classify[i], 0, true);
    for (i = 0; i < p->inside_count && code == 0; i++)
        code = detect_inside_run(run, &p->inside[i]);
    return code;
}

/* A reader alone takes the whole picture as one line. */
static int whole_line(struct run *run)
{
    float width = (float)run->result->width, height = (float)run->result->height;
    struct sg_box whole = {0.0f, 0.0f, width, height};
    struct sg_object *object = result_grow(run, 1);
    int code;

    if (!object)
        return run->err->code;
    *object = (struct sg_object){.box = whole, .score = 1.0f, .has_quad = true, .parent = -1};
    object->quad[1] = (struct sg_point){width, 0.0f};
    object->quad[2] = (struct sg_point){width, height};
    object->quad[3] = (struct sg_point){0.0f, height};
    run->result->object_count++;
    code = picture_decode(run, &whole, NULL, NULL);
    return code;
}

int sg_pipeline_run(const struct sg_pipeline *pipeline, struct sg_workspace *workspace,
                    const struct sg_frame *frame, const struct sg_request *request, struct sg_result *result,
                    struct sg_error *err)
{
    struct sg_error own = {0};
    struct run run = {.pipeline = pipeline,
                      .ws = workspace,
                      .frame = frame,
                      .request = request,
                      .result = result,
                      .err = err ? err : &own,
                      .exact = request->decode == SG_DECODE_AS_PIPELINE ? pipeline->exact
                                                                        : request->decode == SG_DECODE_EXACT};
    int64_t began = sg_clock_us();
    int code, i;

    sg_result_clear(result);
    result->pipeline = pipeline->name;
    code = run_check(&run);
    if (code == 0)
        code = picture_open(&run);
    if (code == 0 && pipeline->has_detect)
        code = run_detectors(&run);
    for (i = 0; i < pipeline->classify_count && !pipeline->has_detect && code == 0; i++)
        code = classify_run(&run, &pipeline->classify[i], 0, false);
    if (code == 0 && pipeline->has_read && !pipeline->has_detect)
        code = whole_line(&run);
    if (code == 0 && pipeline->has_read)
        code = read_run(&run, &pipeline->read);
    if (code < 0)
        result->object_count = result->attribute_count = 0; /* half an answer is not an answer */
    trim(workspace);
    result->timing_us[SG_STAGE_TOTAL] = sg_clock_us() - began;
    return code;
}
