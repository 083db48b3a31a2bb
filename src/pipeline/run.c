/* SPDX-License-Identifier: MIT
 * One frame through a pipeline, step after step, and the workspace that a thread keeps for it. A workspace
 * belongs to one thread; a pipeline to any number.
 */
#include "base/clock.h"
#include "pipeline/pipeline_private.h"

#include <stdlib.h>
#include <string.h>

#define OBJECTS_FIRST 16

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

bool class_set_has(const struct class_set *set, int class_id)
{
    return set->all || (class_id >= 0 && class_id < set->count && set->has[class_id]);
}

void run_tick(struct run *run, enum sg_stage stage, int64_t *since)
{
    int64_t now = sg_clock_us();

    if (stage != SG_STAGE_COUNT)
        run->result->timing_us[stage] += now - *since;
    *since = now;
}

int run_check(struct run *run)
{
    const struct sg_request *request = run->request;

    if (request->cancelled && atomic_load_explicit(request->cancelled, memory_order_relaxed))
        return sg_error_set(run->err, SG_E_CANCELLED, "the request was cancelled or its client has gone");
    if (request->deadline_us > 0 && sg_clock_us() > request->deadline_us)
        return sg_error_set(run->err, SG_E_DEADLINE,
                            "the request's deadline passed while it was being served");
    return 0;
}

bool run_alone(const struct run *run)
{
    const atomic_int *in_flight = run->request->in_flight;

    return !in_flight || atomic_load_explicit(in_flight, memory_order_relaxed) <= 1;
}

bool run_wide(const struct run *run, struct sg_model *model)
{
    return run_alone(run) && sg_model_wide_pays(model);
}

struct sg_object *result_grow(struct run *run, int more)
{
    struct sg_result *result = run->result;
    struct sg_object *objects;
    int need = result->object_count + more,
        capacity = run->object_capacity ? run->object_capacity : OBJECTS_FIRST;

    if (need > SG_RESULT_MAX_OBJECTS) {
        sg_error_set(run->err, SG_E_TOO_LARGE,
                     "more than %d objects in one picture; raise the threshold or set max_objects",
                     SG_RESULT_MAX_OBJECTS);
        return NULL;
    }
    if (need > run->object_capacity) {
        while (capacity < need)
            capacity *= 2;
        objects = sg_result_alloc(result, (size_t)capacity * sizeof(*objects));
        if (!objects) {
            sg_error_set(run->err, SG_E_NOMEM, "no memory for %d objects", capacity);
            return NULL;
        }
        if (result->object_count)
            memcpy(objects, result->objects, (size_t)result->object_count * sizeof(*objects));
        result->objects = objects;
        run->object_capacity = capacity;
    }
    return &result->objects[result->object_count];
}

int result_add_attribute(struct run *run, struct sg_object *object, const struct sg_attribute *attribute)
{
    struct sg_result *result = run->result;
    struct sg_attribute **list = object ? &object->attributes : &result->attributes;
    int *count = object ? &object->attribute_count : &result->attribute_count;
    struct sg_attribute *grown = *list;

    /* Lists are as large as the next power of two, so a full one has a count that is one. */
    if ((*count & (*count - 1)) == 0) {
        grown = sg_result_alloc(result, (size_t)(*count ? 2 * *count : 1) * sizeof(*grown));
        if (!grown)
            return sg_error_set(run->err, SG_E_NOMEM, "no memory for answers");
        if (*count)
            memcpy(grown, *list, (size_t)*count * sizeof(*grown));
        *list = grown;
    }
    grown[(*count)++] = *attribute;
    return 0;
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
