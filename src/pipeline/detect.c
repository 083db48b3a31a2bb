/* SPDX-License-Identifier: MIT
 * The detector step: region → input tensor → model → head → objects in original pixels. Called by the
 * worker's thread.
 */
#include "base/clock.h"
#include "pipeline/order.h"
#include "pipeline/pipeline_private.h"

#include <math.h>
#include <string.h>

static float clampf(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

static struct sg_point unmap(const struct sg_placement *placement, float x, float y)
{
    return sg_placement_unmap(placement, (struct sg_point){x, y});
}

/* Landmarks and outlines of one detection, mapped to original pixels. */
static int copy_shapes(struct run *run, const struct sg_placement *placement,
                       const struct sg_detection *detection, struct sg_object *object)
{
    const struct sg_keypoint *points = run->ws->detections.points;
    struct sg_keypoint *landmarks;
    struct sg_point *polygon;
    int i;

    if (detection->point_count > 0) {
        landmarks = sg_result_alloc(run->result, (size_t)detection->point_count * sizeof(*landmarks));
        if (!landmarks)
            return sg_error_set(run->err, SG_E_NOMEM, "no memory for landmarks");
        for (i = 0; i < detection->point_count; i++) {
            const struct sg_keypoint *from = &points[detection->first_point + i];
            struct sg_point to = unmap(placement, from->x, from->y);

            landmarks[i] = (struct sg_keypoint){to.x, to.y, from->score};
        }
        object->landmarks = landmarks;
        object->landmark_count = detection->point_count;
    }
    if (detection->polygon_count > 0) {
        polygon = sg_result_alloc(run->result, (size_t)detection->polygon_count * sizeof(*polygon));
        if (!polygon)
            return sg_error_set(run->err, SG_E_NOMEM, "no memory for outlines");
        for (i = 0; i < detection->polygon_count; i++) {
            const struct sg_keypoint *from = &points[detection->first_polygon + i];

            polygon[i] = unmap(placement, from->x, from->y);
            polygon[i].x = clampf(polygon[i].x, 0.0f, (float)run->result->width);
            polygon[i].y = clampf(polygon[i].y, 0.0f, (float)run->result->height);
        }
        if (detection->has_quad && detection->polygon_count == 4) {
            memcpy(object->quad, polygon, sizeof(object->quad));
            object->has_quad = true;
        } else {
            object->polygon = polygon;
            object->polygon_count = detection->polygon_count;
        }
    }
    return 0;
}

/* The detections kept, as objects behind the present ones. */
static int keep_objects(struct run *run, const struct detect_stage *stage,
                        const struct sg_placement *placement, const struct sg_box *region, int parent)
{
    const struct sg_detections *found = &run->ws->detections;
    struct sg_box bounds = {fmaxf(region->x1, 0.0f), fmaxf(region->y1, 0.0f),
                            fminf(region->x2, (float)run->result->width),
                            fminf(region->y2, (float)run->result->height)};
    int i, code = 0, limit = stage->max_objects;

    if (run->request->max_objects > 0 && run->request->max_objects < limit)
        limit = run->request->max_objects;
    for (i = 0; i < found->count && limit > 0 && code == 0; i++) {
        const struct sg_detection *detection = &found->items[i];
        struct sg_point low = unmap(placement, detection->box.x1, detection->box.y1);
        struct sg_point high = unmap(placement, detection->box.x2, detection->box.y2);
        int class_id = detection->class_id + stage->model->class_base;
        struct sg_object *object;
        struct sg_box box = {clampf(low.x, bounds.x1, bounds.x2), clampf(low.y, bounds.y1, bounds.y2),
                             clampf(high.x, bounds.x1, bounds.x2), clampf(high.y, bounds.y1, bounds.y2)};

        /* Nothing is left of a box that lies in the padding, and comparisons with NaN are false. */
        if (!(box.x2 > box.x1) || !(box.y2 > box.y1) || !class_set_has(&stage->keep, class_id) ||
            fminf(box.x2 - box.x1, box.y2 - box.y1) < (float)stage->min_size)
            continue;
        object = result_grow(run, 1);
        if (!object)
            return run->err->code;
        *object = (struct sg_object){.box = box,
                                     .class_id = class_id,
                                     .label = sg_model_label(stage->model, class_id),
                                     .score = detection->score,
                                     .parent = parent};
        code = copy_shapes(run, placement, detection, object);
        run->result->object_count++;
        limit--;
    }
    return code;
}

static void head_options(const struct run *run, const struct detect_stage *stage,
                         struct sg_head_options *options)
{
    const struct sg_request *request = run->request;

    *options = (struct sg_head_options){
        .threshold = request->threshold >= 0.0f ? request->threshold : stage->threshold,
        .iou = request->iou >= 0.0f ? request->iou : stage->iou,
        .agnostic = stage->agnostic,
        /* Filters work on what is left, so the cut to max_objects comes after them. */
        .max_objects = stage->keep.all && stage->min_size == 0 ? stage->max_objects : SG_RESULT_MAX_OBJECTS,
        .class_thresholds = request->threshold >= 0.0f ? NULL : stage->class_thresholds,
        .class_threshold_count = stage->class_threshold_count,
    };
}

/* One run of the model and what it gave: with a runner of its own, or on a seat of a batch. */
struct turn {
    struct sg_runner *runner;
    struct sg_batch_seat seat;
    bool seated;
    const struct sg_tensor *outputs;
    int count;
};

/* Whether this frame's run may be one with those of other frames. */
static bool may_batch(const struct run *run, const struct detect_stage *stage,
                      const struct sg_transform *transform)
{
    const struct sg_model *model = stage->model;

    return stage->batcher && !run_alone(run) && (stage->batch_always || sg_model_batch_pays(model)) &&
           transform->width == model->transform.width && transform->height == model->transform.height;
}

/* Takes what the run needs; *out_data is where the input goes. */
static int turn_begin(struct run *run, const struct detect_stage *stage, const struct sg_transform *transform,
                      struct turn *turn, void **out_data)
{
    struct sg_tensor tensor = {0};
    size_t item_bytes;
    int code;

    *turn = (struct turn){0};
    if (may_batch(run, stage, transform)) {
        code = sg_batcher_join(stage->batcher, &turn->seat, run->err);
        turn->seated = code == 0;
        *out_data = turn->seat.data;
        return code;
    }
    code = sg_model_borrow(stage->model, run_wide(run, stage->model), &turn->runner, run->err);
    if (code == 0)
        code = sg_model_shape(stage->model, turn->runner, transform, 1, &tensor, &item_bytes, run->err);
    *out_data = tensor.data;
    return code;
}

/* filled: how writing the input went. Those who share a batch wait for each other even when it failed. */
static int turn_run(struct run *run, const struct detect_stage *stage, const struct sg_transform *transform,
                    struct turn *turn, int filled)
{
    struct sg_error ignored = {0};
    int code = filled;

    if (turn->seated) {
        int ran = sg_batcher_run(stage->batcher, &turn->seat, run->request->in_flight, run->request->workers,
                                 filled < 0 ? &ignored : run->err);

        code = filled < 0 ? filled : ran;
        turn->outputs = sg_batcher_outputs(&turn->seat, &turn->count);
    } else if (filled == 0) {
        code = sg_model_run(stage->model, turn->runner, (size_t)transform->width * (size_t)transform->height,
                            run->err);
        turn->outputs = sg_runner_outputs(turn->runner, &turn->count);
    }
    return code;
}

static void turn_end(const struct detect_stage *stage, struct turn *turn)
{
    if (turn->seated)
        sg_batcher_leave(stage->batcher, &turn->seat);
    sg_model_return(stage->model, &turn->runner);
}

int detect_run(struct run *run, const struct detect_stage *stage, const struct sg_box *region, int parent)
{
    struct sg_workspace *ws = run->ws;
    struct sg_transform transform;
    struct sg_placement placement;
    struct sg_head_options options;
    const struct sg_image *image;
    struct sg_image view;
    struct turn turn;
    void *data;
    int64_t since;
    int code;

    picture_place(run, stage->model, region, &transform, &placement);
    code = picture_decode(run, region, stage->model, &placement);
    if (code < 0)
        return code;
    if (stage->model->native_size)
        picture_place(run, stage->model, region, &transform, &placement);
    code = picture_detail(run, region, fmaxf(placement.scale_x, placement.scale_y) * stage->model->margin,
                          &image);
    if (code == 0)
        code = run_check(run);
    if (code < 0)
        return code;
    since = sg_clock_us();
    picture_view(image, region, &view);
    code = turn_begin(run, stage, &transform, &turn, &data);
    if (code == 0)
        code = sg_letterbox_run(&ws->letterbox, &view, &transform, &placement, data, run->err);
    run_tick(run, SG_STAGE_PREPROCESS, &since);
    code = turn_run(run, stage, &transform, &turn, code);
    run_tick(run, SG_STAGE_DETECT, &since);
    if (code < 0)
        goto out;
    head_options(run, stage, &options);
    code = sg_head_detect(stage->model->head, turn.outputs, turn.count, turn.seat.index, &options,
                          &ws->detections, run->err);
    if (code == 0)
        code = keep_objects(run, stage, &placement, region, parent);
    run_tick(run, SG_STAGE_POSTPROCESS, &since);
out:
    turn_end(stage, &turn);
    return code;
}

int detect_inside_run(struct run *run, const struct detect_stage *stage)
{
    int outer = run->result->object_count, code = 0, i, k;

    for (i = 0; i < outer && code == 0; i++) {
        const struct sg_object *object = &run->result->objects[i];
        struct sg_box region;

        if (object->parent >= 0 || !class_set_has(&stage->on, object->class_id))
            continue;
        region = picture_crop(run, &object->box, stage->expand, stage->square, stage->pad);
        code = detect_run(run, stage, &region, i);
        if (code == 0)
            code = run_check(run);
    }
    for (k = 0; k < stage->classify_count && code == 0; k++)
        code = classify_run(run, &stage->classify[k], outer, true);
    if (code == 0 && run->result->object_count > outer && sg_order_by_score(run->result) < 0)
        code = sg_error_set(run->err, SG_E_NOMEM, "no memory to sort objects");
    return code;
}
