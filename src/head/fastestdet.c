/* SPDX-License-Identifier: MIT
 * FastestDet (dog-qiuqiu): one map (5+C) x H/16 x W/16 of object score, four box terms and softmax classes.
 * score = obj^0.6 * cls^0.4; centre = cell + tanh(t), size = sigmoid(t), both relative to the map.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <stdio.h>

#define STRIDE 16

struct fastestdet {
    int columns, rows, class_count;
    float width, height;
};

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct fastestdet *state = opaque;
    const int64_t want[] = {-1, -1, spec->input_height / STRIDE, spec->input_width / STRIDE};

    (void)signature;
    if (count != 1)
        return sg_error_set(err, SG_E_MODEL, "expected 1 output, got %d", count);
    if (want[2] < 1 || want[3] < 1)
        return sg_error_set(err, SG_E_MODEL, "the model's input size is not known; set `width` and `height`");
    if (!sg_shape_is(&outputs[0], 4, want) || !sg_tensor_readable(&outputs[0]) || outputs[0].dims[1] < 6 ||
        outputs[0].dims[1] > SG_HEAD_MAX_CLASSES)
        return sg_shape_error(err, &outputs[0], "Nx(5+C)x%lldx%lld", (long long)want[2], (long long)want[3]);
    state->rows = (int)want[2];
    state->columns = (int)want[3];
    state->class_count = (int)outputs[0].dims[1] - 5;
    state->width = (float)spec->input_width;
    state->height = (float)spec->input_height;
    return SG_OK;
}

/* Object score within 0..1 and classes that add up to one in every cell that is looked at. */
static bool plausible(const struct sg_tensor *tensor, const struct fastestdet *state)
{
    int64_t area = (int64_t)state->rows * state->columns, step = area > 64 ? area / 64 : 1, cell;
    int i;

    for (cell = 0; cell < area; cell += step) {
        float object = sg_tensor_at(tensor, cell), sum = 0.0f;

        for (i = 0; i < state->class_count; i++)
            sum += sg_tensor_at(tensor, (5 + i) * area + cell);
        if (!(object >= 0.0f && object <= 1.0f && fabsf(sum - 1.0f) < 0.02f))
            return false;
    }
    return true;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct fastestdet state = {0};

    if (init(signature, outputs, count, spec, &state, NULL) < 0 || !plausible(&outputs[0], &state))
        return;
    guess->confidence = 90;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "one map of stride 16: object score, box and %d classes that add up to one", state.class_count);
    sg_guess_plain(guess, SG_CHANNELS_BGR, SG_FIT_STRETCH, 0.0f, 255.0f, 0.0f,
                   "FastestDet: BGR / 255, stretched");
    guess->threshold = 0.5f;
    guess->iou = 0.45f;
    sg_guess_classes(guess, state.class_count);
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct fastestdet *state = opaque;
    const int64_t want[] = {-1, 5 + state->class_count, state->rows, state->columns};
    const struct sg_tensor *tensor = outputs;
    int64_t area = (int64_t)state->rows * state->columns, cell;
    const float *map = NULL;
    int code = sg_count_check(err, "fastestdet", count, 1);
    int i;

    if (code == SG_OK)
        code = sg_shape_check(err, tensor, item, 4, want, "Nx(5+C) maps as at start");
    if (code == SG_OK)
        code = sg_head_views(&tensor, 1, item, out, 0, &map, NULL, err);
    for (cell = 0; cell < area && code == SG_OK; cell++) {
        struct sg_detection found = {.row = cell, .score = -INFINITY};
        float x, y, half_w, half_h;

        for (i = 0; i < state->class_count; i++)
            if (map[(5 + i) * area + cell] > found.score) {
                found.score = map[(5 + i) * area + cell];
                found.class_id = i;
            }
        found.score = powf(map[cell], 0.6f) * powf(found.score, 0.4f);
        if (!(found.score >= sg_head_threshold(options, found.class_id)))
            continue;
        x = (sg_cell_x(cell, state->columns) + tanhf(map[area + cell])) / (float)state->columns *
            state->width;
        y = (sg_cell_y(cell, state->columns) + tanhf(map[2 * area + cell])) / (float)state->rows *
            state->height;
        half_w = 0.5f * sg_sigmoid(map[3 * area + cell]) * state->width;
        half_h = 0.5f * sg_sigmoid(map[4 * area + cell]) * state->height;
        found.box = (struct sg_box){x - half_w, y - half_h, x + half_w, y + half_h};
        code = sg_head_push(out, &found, err);
    }
    return code;
}

const struct sg_head_ops sg_head_fastestdet = {
    .name = "fastestdet",
    .summary = "FastestDet: one map of object score, box and softmax classes",
    .task = SG_TASK_DETECT,
    .match = match,
    .state_bytes = sizeof(struct fastestdet),
    .init = init,
    .detect = detect,
};
