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
    struct sg_level_parts parts; /* scores, boxes */
    float width, height;
};

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
    int64_t rows;
    int code;

    (void)signature;
    if (count != 2)
        return sg_error_set(err, SG_E_MODEL, "expected 2 outputs, got %d", count);
    if (sg_input_sized(spec, err) < 0)
        return SG_E_MODEL;
    state->width = (float)spec->input_width;
    state->height = (float)spec->input_height;
    rows = priors(spec->input_width, spec->input_height);
    code = sg_level_parts_add(&state->parts, outputs, count, rows, 2, "scores", 8, err);
    return code < 0 ? code : sg_level_parts_add(&state->parts, outputs, count, rows, 4, "boxes", 8, err);
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
        !sums_to_one(&outputs[state.parts.output[0]], state.parts.rows[0]))
        return;
    guess->confidence = 90;
    snprintf(
        guess->evidence, sizeof(guess->evidence),
        "scores %lldx2 add up to one and boxes %lldx4: the priors of strides 8, 16, 32, 64 of this input",
        (long long)state.parts.rows[0], (long long)state.parts.rows[1]);
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 127.0f, 128.0f, 0.0f,
                   "UltraFace: RGB, (x - 127) / 128, stretched");
    sg_guess_face(guess, 0.7f, 0.3f);
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct ultraface *state = opaque;
    const float *view[2] = {NULL, NULL};
    float threshold = sg_head_threshold(options, 0);
    int code = sg_level_parts_views(&state->parts, "ultraface", outputs, count, item, out, view, err);
    int64_t row;

    for (row = 0; row < state->parts.rows[0] && code == SG_OK; row++) {
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
