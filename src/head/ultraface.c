/* SPDX-License-Identifier: MIT
 * UltraFace (Linzaer, Ultra-Light-Fast-Generic-Face-Detector): per prior a background and a face probability,
 * and a decoded box, corners as fractions of the input.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <stdio.h>

struct ultraface {
    int output[2]; /* scores, boxes */
    int64_t rows[2];
    float width, height;
};

static const int64_t channels[2] = {2, 4};

/* 3, 2, 2, 3 priors per cell of the grids of strides 8, 16, 32, 64. */
static int64_t priors(int width, int height)
{
    static const int strides[] = {8, 16, 32, 64}, per_cell[] = {3, 2, 2, 3};
    int64_t total = 0;
    int i;

    for (i = 0; i < 4; i++)
        total += sg_grid_cells(width, height, &strides[i], 1) * per_cell[i];
    return total;
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct ultraface *state = opaque;
    uint32_t used = 0;

    (void)signature;
    if (count != 2)
        return sg_error_set(err, SG_E_MODEL, "expected 2 outputs, got %d", count);
    if (spec->input_width < 1 || spec->input_height < 1)
        return sg_error_set(err, SG_E_MODEL, "the model's input size is not known; set `width` and `height`");
    state->width = (float)spec->input_width;
    state->height = (float)spec->input_height;
    state->rows[0] = state->rows[1] = priors(spec->input_width, spec->input_height);
    state->output[0] = sg_level_find(outputs, count, state->rows[0], channels[0], &used);
    state->output[1] = sg_level_find(outputs, count, state->rows[1], channels[1], &used);
    if (state->output[0] < 0)
        return sg_level_missing(err, outputs, count, state->rows[0], channels[0], "scores", 8);
    if (state->output[1] < 0)
        return sg_level_missing(err, outputs, count, state->rows[1], channels[1], "boxes", 8);
    return SG_OK;
}

/* Do background and face add up to one, as a softmax makes them? A few rows tell. */
static bool sums_to_one(const struct sg_tensor *scores, int64_t rows)
{
    int64_t step = rows > 64 ? rows / 64 : 1, row;

    for (row = 0; row < rows; row += step)
        if (!(fabsf(sg_tensor_at(scores, 2 * row) + sg_tensor_at(scores, 2 * row + 1) - 1.0f) < 0.02f))
            return false;
    return true;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct ultraface state = {0};

    if (init(signature, outputs, count, spec, &state, NULL) < 0 ||
        !sums_to_one(&outputs[state.output[0]], state.rows[0]))
        return;
    guess->confidence = 90;
    snprintf(
        guess->evidence, sizeof(guess->evidence),
        "scores %lldx2 add up to one and boxes %lldx4: the priors of strides 8, 16, 32, 64 of this input",
        (long long)state.rows[0], (long long)state.rows[1]);
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 127.0f, 128.0f, 0.0f,
                   "UltraFace: RGB, (x - 127) / 128, stretched");
    guess->threshold = 0.7f;
    guess->iou = 0.3f;
    guess->class_count = 1;
    snprintf(guess->labels, sizeof(guess->labels), "face");
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct ultraface *state = opaque;
    const struct sg_tensor *tensors[2];
    const float *view[2] = {NULL, NULL};
    float threshold = sg_head_threshold(options, 0);
    int code = sg_count_check(err, "ultraface", count, 2);
    int64_t row;

    if (code < 0)
        return code;
    tensors[0] = &outputs[state->output[0]];
    tensors[1] = &outputs[state->output[1]];
    code = sg_levels_check(err, tensors, 2, item, state->rows, channels, &item);
    if (code == SG_OK)
        code = sg_head_views(tensors, 2, item, out, 0, view, NULL, err);
    for (row = 0; row < state->rows[0] && code == SG_OK; row++) {
        const float *box = view[1] + row * 4;
        struct sg_detection found = {.score = view[0][2 * row + 1], .row = row};

        if (!(found.score >= threshold))
            continue;
        found.box = (struct sg_box){box[0] * state->width, box[1] * state->height, box[2] * state->width,
                                    box[3] * state->height};
        code = sg_head_push(out, &found, err);
    }
    return code;
}

const struct sg_head_ops sg_head_ultraface = {
    .name = "ultraface",
    .summary = "UltraFace: two probabilities and a decoded box per prior",
    .task = SG_TASK_DETECT,
    .match = match,
    .state_bytes = sizeof(struct ultraface),
    .init = init,
    .detect = detect,
};
