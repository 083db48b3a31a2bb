/* SPDX-License-Identifier: MIT
 * The classifier step: crops of a frame's objects through a model, as one batch where it takes one. Called by
 * the worker's thread.
 */
#include "base/clock.h"
#include "img/warp.h"
#include "pipeline/pipeline_private.h"

#include <math.h>
#include <string.h>

struct crop_list {
    struct sg_box boxes[SG_MODEL_MAX_BATCH];
    struct sg_object *objects[SG_MODEL_MAX_BATCH]; /* NULL = the whole picture */
    int count;
};

/* Index of the card's entry for an output, or -1. */
static int find_output(const struct sg_model *model, const char *name)
{
    int i;

    for (i = 0; name && i < model->card.outputs.count; i++)
        if (strcmp(model->card.outputs.items[i].name.value, name) == 0)
            return i;
    return -1;
}

/* Labels of one output: the card's `outputs:` may name them; the model's own serve the rest. */
static const char *answer_label(const struct sg_model *model, int output, int class_id)
{
    const struct sg_labels *own = output >= 0 ? &model->output_labels[output] : NULL;

    if (own && own->count > 0)
        return class_id >= 0 && class_id < own->count ? own->items[class_id] : NULL;
    return sg_model_label(model, class_id);
}

static int add_answer(struct run *run, const struct classify_stage *stage, const struct sg_answer *answer,
                      struct sg_object *object)
{
    int index = find_output(stage->model, answer->name);
    const struct sg_card_output *output = index >= 0 ? &stage->model->card.outputs.items[index] : NULL;
    struct sg_attribute attribute = {
        .model = stage->model->name,
        .name = output && output->rename.value ? output->rename.value : answer->name,
        .class_id = answer->class_id,
        .label = answer_label(stage->model, index, answer->class_id),
        .score = answer->score,
        .has_value = answer->has_value,
        .value = answer->value,
        .unit = output ? output->unit.value : NULL,
    };
    float *vector;

    if (answer->class_id >= 0 && answer->score < stage->threshold)
        return 0;
    if (answer->vector) {
        vector = sg_result_alloc(run->result, (size_t)answer->vector_length * sizeof(*vector));
        if (!vector)
            return sg_error_set(run->err, SG_E_NOMEM, "no memory for an embedding");
        memcpy(vector, answer->vector, (size_t)answer->vector_length * sizeof(*vector));
        attribute.vector = vector;
        attribute.vector_length = answer->vector_length;
    }
    return result_add_attribute(run, object, &attribute);
}

/* The angle by which the first two landmarks, the eyes, are off level. */
static float eyes_angle(const struct sg_object *object)
{
    const struct sg_keypoint *a = &object->landmarks[0], *b = &object->landmarks[1];

    return a->x < b->x ? atan2f(b->y - a->y, b->x - a->x) : atan2f(a->y - b->y, a->x - b->x);
}

static bool is_aligned(const struct classify_stage *stage, const struct sg_object *object)
{
    return stage->align && object && object->landmark_count >= 2;
}

/* The image all crops can be cut from: large enough for the smallest of them. */
static int image_for(struct run *run, const struct classify_stage *stage, const struct crop_list *crops,
                     const struct sg_image **out_image)
{
    struct sg_box cover = crops->boxes[0];
    float scale = 0.0f;
    int i;

    for (i = 0; i < crops->count; i++) {
        const struct sg_box *box = &crops->boxes[i];
        struct sg_transform transform;
        struct sg_placement placement;
        float around = 0.0f; /* a turned crop reaches beyond its box, at most to the circle around it */

        if (is_aligned(stage, crops->objects[i]))
            around =
                (hypotf(box->x2 - box->x1, box->y2 - box->y1) - fminf(box->x2 - box->x1, box->y2 - box->y1)) /
                2.0f;
        cover = (struct sg_box){fminf(cover.x1, box->x1 - around), fminf(cover.y1, box->y1 - around),
                                fmaxf(cover.x2, box->x2 + around), fmaxf(cover.y2, box->y2 + around)};
        picture_place(run, stage->model, box, &transform, &placement);
        scale = fmaxf(scale, fmaxf(placement.scale_x, placement.scale_y));
    }
    return picture_detail(run, &cover, scale * stage->model->margin, out_image);
}

/* The crop turned around its centre until the eyes are level, then fitted like any crop. */
static int place_aligned(struct run *run, const struct sg_object *object, const struct sg_box *box,
                         const struct sg_image *image, const struct sg_transform *transform, void *item)
{
    struct sg_image *turned = &run->ws->line;
    float angle = eyes_angle(object);
    float x = (box->x1 + box->x2) / 2.0f, y = (box->y1 + box->y2) / 2.0f;
    float right = (box->x2 - box->x1) / 2.0f, down = (box->y2 - box->y1) / 2.0f;
    struct sg_placement placement;
    struct sg_point quad[4];
    struct sg_box whole;
    int code, i;

    for (i = 0; i < 4; i++) {
        float dx = i == 1 || i == 2 ? right : -right, dy = i >= 2 ? down : -down;

        quad[i].x = x + dx * cosf(angle) - dy * sinf(angle);
        quad[i].y = y + dx * sinf(angle) + dy * cosf(angle);
    }
    sg_letterbox_place(transform, box, &placement);
    code = sg_warp_quad(image, quad, (int)fmaxf(1.0f, roundf(2.0f * right * placement.scale_x)),
                        (int)fmaxf(1.0f, roundf(2.0f * down * placement.scale_y)), turned, run->err);
    if (code < 0)
        return code;
    whole = (struct sg_box){0.0f, 0.0f, (float)turned->width, (float)turned->height};
    sg_letterbox_place(transform, &whole, &placement);
    return sg_letterbox_run(&run->ws->letterbox, turned, transform, &placement, item, run->err);
}

static int fill_batch(struct run *run, const struct classify_stage *stage, const struct crop_list *crops,
                      const struct sg_image *image, struct sg_runner *runner)
{
    struct sg_transform transform = stage->model->transform;
    struct sg_tensor tensor;
    size_t item_bytes;
    int code, i;

    if (stage->model->native_size) {
        struct sg_placement placement;

        picture_place(run, stage->model, &crops->boxes[0], &transform, &placement);
    }
    code = sg_model_shape(stage->model, runner, &transform, crops->count, &tensor, &item_bytes, run->err);
    for (i = 0; i < crops->count && code == 0; i++) {
        const struct sg_object *object = crops->objects[i];
        void *item = (char *)tensor.data + (size_t)i * item_bytes;
        struct sg_placement placement;
        struct sg_image view;

        if (is_aligned(stage, object)) {
            code = place_aligned(run, object, &crops->boxes[i], image, &transform, item);
            continue;
        }
        picture_view(image, &crops->boxes[i], &view);
        sg_letterbox_place(&transform, &crops->boxes[i], &placement);
        code = sg_letterbox_run(&run->ws->letterbox, &view, &transform, &placement, item, run->err);
    }
    return code;
}

static int run_batch(struct run *run, const struct classify_stage *stage, const struct crop_list *crops)
{
    struct sg_answers *answers = &run->ws->answers;
    int top_k = run->request->top_k > 0 ? run->request->top_k : stage->top_k;
    struct sg_runner *runner = NULL;
    const struct sg_tensor *outputs;
    const struct sg_image *image;
    int64_t since = sg_clock_us();
    int code, count, i, k;

    code = image_for(run, stage, crops, &image);
    if (code == 0)
        code = run_check(run);
    if (code < 0)
        return code;
    since = sg_clock_us();
    code = sg_model_borrow(stage->model, run_wide(run, stage->model), &runner, run->err);
    if (code == 0)
        code = fill_batch(run, stage, crops, image, runner);
    if (code == 0)
        code = sg_model_run(stage->model, runner,
                            (size_t)stage->model->transform.width * (size_t)stage->model->transform.height *
                                (size_t)crops->count,
                            run->err);
    if (code < 0)
        goto out;
    outputs = sg_runner_outputs(runner, &count);
    for (i = 0; i < crops->count && code == 0; i++) {
        code = sg_head_answer(stage->model->head, outputs, count, i, top_k,
                              (const char *const *)stage->model->labels.items, stage->model->labels.count,
                              answers, run->err);
        for (k = 0; k < answers->count && code == 0; k++)
            code = add_answer(run, stage, &answers->items[k], crops->objects[i]);
    }
out:
    sg_model_return(stage->model, &runner);
    run_tick(run, SG_STAGE_CLASSIFY, &since);
    return code;
}

static int classify_picture(struct run *run, const struct classify_stage *stage)
{
    struct crop_list crops = {.count = 1};
    struct sg_transform transform;
    struct sg_placement placement;
    struct sg_box whole = {0.0f, 0.0f, (float)run->result->width, (float)run->result->height};
    int code;

    picture_place(run, stage->model, &whole, &transform, &placement);
    code = picture_decode(run, &whole, stage->model, &placement);
    if (code < 0)
        return code;
    crops.boxes[0] = whole;
    return run_batch(run, stage, &crops);
}

int classify_run(struct run *run, const struct classify_stage *stage, int parent_from, bool objects)
{
    struct crop_list crops = {.count = 0};
    int code = 0, i;

    if (!objects)
        return classify_picture(run, stage);
    for (i = parent_from; i < run->result->object_count && code == 0; i++) {
        struct sg_object *object = &run->result->objects[i];

        if (!class_set_has(&stage->on, object->class_id) ||
            fminf(object->box.x2 - object->box.x1, object->box.y2 - object->box.y1) < (float)stage->min_size)
            continue;
        crops.boxes[crops.count] = picture_crop(run, &object->box, stage->expand, stage->square, stage->pad);
        crops.objects[crops.count++] = object;
        if (crops.count == stage->model->max_batch) {
            code = run_batch(run, stage, &crops);
            crops.count = 0;
        }
    }
    if (code == 0 && crops.count > 0)
        code = run_batch(run, stage, &crops);
    return code;
}
