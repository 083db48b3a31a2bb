/* SPDX-License-Identifier: MIT
 * SSD with raw offsets (Liu et al. 2016, section 2.2 and the variances of its code): loc Nx4 against anchors
 * and class probabilities NxC without background. centre = anchor + d * 0.1 * size, size = anchor size *
 * exp(d * 0.2). The anchors known here are those of AIZOO's face-mask detector: grids of strides 8 to 128,
 * four per cell: a square of each of two sides, then the ratios 0.62 and 0.42 of the first side. Others come
 * from the card: anchors (width, height in input pixels, the same number for each stride) and strides.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <stdio.h>
#include <string.h>

#define VARIANCE_CENTRE 0.1f
#define VARIANCE_SIZE   0.2f
#define FACE_LEVELS     5
#define FACE_PER_CELL   4

struct ssd {
    int level_count, class_count;
    struct sg_level levels[SG_HEAD_MAX_STRIDES];
    float anchors[SG_HEAD_MAX_ANCHORS * 2]; /* input pixels */
    struct sg_level_parts parts;            /* offsets, probabilities */
    float width, height;
};

/* Sides as fractions of the input, per level; AIZOO FaceMaskDetection, its table of anchor sizes. */
static void face_anchors(struct ssd *state)
{
    static const float sizes[FACE_LEVELS][2] = {
        {0.04f, 0.056f}, {0.08f, 0.11f}, {0.16f, 0.22f}, {0.32f, 0.45f}, {0.64f, 0.72f}};
    static const float ratios[2] = {0.62f, 0.42f};
    float *at = state->anchors;
    int i, k;

    for (i = 0; i < FACE_LEVELS; i++) {
        for (k = 0; k < 2; k++) {
            *at++ = sizes[i][k] * state->width;
            *at++ = sizes[i][k] * state->height;
        }
        for (k = 0; k < 2; k++) { /* ratio = width / height at the area of the first side */
            *at++ = sizes[i][0] * sqrtf(ratios[k]) * state->width;
            *at++ = sizes[i][0] / sqrtf(ratios[k]) * state->height;
        }
    }
}

static int prepare_grids(const struct sg_head_spec *spec, struct ssd *state, struct sg_error *err)
{
    static const int face_strides[FACE_LEVELS] = {8, 16, 32, 64, 128};
    const int *strides = spec->stride_count ? spec->strides : face_strides;
    int per_cell = FACE_PER_CELL;

    state->width = (float)spec->input_width;
    state->height = (float)spec->input_height;
    state->level_count = spec->stride_count ? spec->stride_count : FACE_LEVELS;
    if (spec->anchor_count) {
        per_cell = spec->anchor_count / state->level_count;
        if (per_cell * state->level_count != spec->anchor_count)
            return sg_error_set(err, SG_E_CONFIG, "`anchors`: %d pairs do not divide among %d `strides`",
                                spec->anchor_count, state->level_count);
        memcpy(state->anchors, spec->anchors, (size_t)spec->anchor_count * 2 * sizeof(*spec->anchors));
    } else if (state->level_count != FACE_LEVELS) {
        return sg_error_set(err, SG_E_CONFIG, "`strides` has %d entries: give `anchors` for them too",
                            state->level_count);
    } else {
        face_anchors(state);
    }
    if (sg_levels_make(state->levels, spec, strides, state->level_count, per_cell, err) < 0)
        return SG_E_MODEL;
    return SG_OK;
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct ssd *state = opaque;
    int64_t rows = 0;
    uint32_t used = 0;
    int code = prepare_grids(spec, state, err);
    int i;

    (void)signature;
    if (code < 0)
        return code;
    for (i = 0; i < state->level_count; i++)
        rows += state->levels[i].count;
    if (count != 2)
        return sg_error_set(err, SG_E_MODEL, "expected 2 outputs, got %d", count);
    state->parts.rows[0] = state->parts.rows[1] = rows;
    state->parts.channels[0] = 4;
    state->parts.count = 2;
    state->parts.output[0] = sg_find_output_with(outputs, count, "loc"); /* names settle four classes */
    if (state->parts.output[0] < 0 || outputs[state->parts.output[0]].rank < 2 ||
        outputs[state->parts.output[0]].dims[outputs[state->parts.output[0]].rank - 1] != 4)
        state->parts.output[0] = sg_level_find(outputs, count, rows, 4, &used);
    if (state->parts.output[0] < 0)
        return sg_level_missing(err, outputs, count, rows, 4, "box offsets", state->levels[0].stride);
    state->parts.output[1] = 1 - state->parts.output[0];
    if (outputs[state->parts.output[1]].rank >= 2)
        state->parts.channels[1] =
            outputs[state->parts.output[1]].dims[outputs[state->parts.output[1]].rank - 1];
    used = 1u << state->parts.output[0];
    if (state->parts.channels[1] < 1 || state->parts.channels[1] > SG_HEAD_MAX_CLASSES ||
        sg_level_find(outputs, count, rows, state->parts.channels[1], &used) < 0)
        return sg_level_missing(err, outputs, count, rows, spec->class_count, "class probabilities",
                                state->levels[0].stride);
    state->class_count = (int)state->parts.channels[1];
    return SG_OK;
}

/* Independent probabilities: within 0..1 and not a softmax, whose rows would add up to one. */
static bool sigmoid_like(const struct sg_tensor *scores, int64_t rows, int classes)
{
    int64_t step = rows > 64 ? rows / 64 : 1, row;
    int softmax_rows = 0, seen = 0, i;

    for (row = 0; row < rows; row += step, seen++) {
        float sum = 0.0f;

        for (i = 0; i < classes; i++) {
            float value = sg_tensor_at(scores, row * classes + i);

            if (!(value >= 0.0f && value <= 1.0f))
                return false;
            sum += value;
        }
        softmax_rows += fabsf(sum - 1.0f) < 0.02f;
    }
    return softmax_rows < seen;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct ssd state = {0};

    if (init(signature, outputs, count, spec, &state, NULL) < 0 ||
        !sigmoid_like(&outputs[state.parts.output[1]], state.parts.rows[1], state.class_count))
        return;
    guess->confidence = 85;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "%lld rows of 4 offsets and %d probabilities: the anchors of %d grids of this input",
             (long long)state.parts.rows[0], state.class_count, state.level_count);
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 255.0f, 0.0f,
                   "AIZOO FaceMaskDetection: RGB / 255, stretched");
    guess->threshold = 0.5f;
    guess->iou = 0.4f;
    guess->agnostic = true;
    guess->class_count = state.class_count;
    if (state.class_count == 2 && !spec->anchor_count)
        snprintf(guess->labels, sizeof(guess->labels), "mask");
}

static struct sg_box decode(const struct ssd *state, int at, int64_t row, const float *loc)
{
    const struct sg_level *level = &state->levels[at];
    const float *anchor = state->anchors + ((int64_t)at * level->per_cell + row % level->per_cell) * 2;
    int64_t cell = row / level->per_cell;
    float x = (sg_cell_x(cell, level->columns) + 0.5f) * state->width / (float)level->columns;
    float y = (sg_cell_y(cell, level->columns) + 0.5f) * state->height / (float)level->rows;
    float half_w = 0.5f * anchor[0] * expf(loc[2] * VARIANCE_SIZE);
    float half_h = 0.5f * anchor[1] * expf(loc[3] * VARIANCE_SIZE);

    x += loc[0] * VARIANCE_CENTRE * anchor[0];
    y += loc[1] * VARIANCE_CENTRE * anchor[1];
    return (struct sg_box){x - half_w, y - half_h, x + half_w, y + half_h};
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct ssd *state = opaque;
    const float *view[2] = {NULL, NULL};
    int64_t base = 0, row;
    int code = sg_level_parts_views(&state->parts, "ssd-variance", outputs, count, item, out, view, err);
    int i;

    for (i = 0; i < state->level_count && code == SG_OK; i++) {
        for (row = 0; row < state->levels[i].count && code == SG_OK; row++) {
            struct sg_detection found = {.row = base + row};

            sg_best_class(view[1] + (base + row) * state->class_count, state->class_count, &found);
            if (!(found.score >= sg_head_threshold(options, found.class_id)))
                continue;
            found.box = decode(state, i, row, view[0] + (base + row) * 4);
            code = sg_head_push(out, &found, err);
        }
        base += state->levels[i].count;
    }
    return code;
}

const struct sg_head_ops sg_head_ssd_variance = {
    .name = "ssd-variance",
    .summary = "SSD offsets against anchors, class probabilities without background",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_ANCHORS | SG_KEY_STRIDES,
    .match = match,
    .state_bytes = sizeof(struct ssd),
    .init = init,
    .detect = detect,
};
