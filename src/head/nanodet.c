/* SPDX-License-Identifier: MIT
 * Detectors with Generalized Focal Loss heads (Li et al. 2020): per cell class probabilities and, for each of
 * the four sides, a distribution over 0..n-1 cells whose mean is the distance to that side. Kinds: nanodet
 * and picodet speak in two tensors per stride and measure from the cell's centre, nanodet-plus in one tensor
 * for all strides and from the cell's corner.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <stdio.h>

#define MAX_LEVELS 4
#define MAX_BINS   64

struct gfl {
    int level_count, class_count, bins;
    float cell_offset;
    struct sg_level levels[MAX_LEVELS];
    struct sg_level_parts parts; /* all scores, then all distributions; or the one tensor */
};

static const int gfl_strides[MAX_LEVELS] = {8, 16, 32, 64};

/* Last dimension of the first output with that many rows, other than `not`; 0 when there is none. */
static int64_t width_of(const struct sg_tensor *outputs, int count, int64_t rows, int not_output,
                        int *out_output)
{
    int i;

    for (i = 0; i < count; i++) {
        const struct sg_tensor *tensor = &outputs[i];

        if (i != not_output && tensor->rank >= 2 && tensor->rank <= 3 &&
            tensor->dims[tensor->rank - 2] == rows && sg_tensor_readable(tensor)) {
            *out_output = i;
            return tensor->dims[tensor->rank - 1];
        }
    }
    return 0;
}

/* Are the values 0..1, as class probabilities are and distribution logits are not? */
static bool probabilities(const struct sg_tensor *tensor)
{
    int64_t n = sg_tensor_count(tensor), step = n > 4096 ? n / 4096 : 1, i;

    for (i = 0; i < n; i += step) {
        float value = sg_tensor_at(tensor, i);

        if (!(value >= 0.0f && value <= 1.0f))
            return false;
    }
    return true;
}

/* Classes and bins from the two tensors of the first stride: the one with probabilities names the classes. */
static int read_widths(const struct sg_tensor *outputs, int count, struct gfl *state, struct sg_error *err)
{
    int first = -1, second = -1;
    int64_t rows = state->levels[0].count;
    int64_t a = width_of(outputs, count, rows, -1, &first);
    int64_t b = width_of(outputs, count, rows, first, &second);
    int64_t sides;

    if (a < 1 || b < 1)
        return sg_level_missing(err, outputs, count, rows, state->class_count, "class probabilities", 8);
    if (!probabilities(&outputs[first]) && probabilities(&outputs[second])) {
        int64_t swap = a;

        a = b;
        b = swap;
    }
    sides = b;
    if (a > SG_HEAD_MAX_CLASSES || sides % 4 || sides / 4 < 2 || sides / 4 > MAX_BINS)
        return sg_level_missing(err, outputs, count, rows, 32, "distributions of four sides", 8);
    state->class_count = (int)a;
    state->bins = (int)(sides / 4);
    return SG_OK;
}

static int prepare_pairs(const struct sg_tensor *outputs, int count, int level_count,
                         const struct sg_head_spec *spec, struct gfl *state, struct sg_error *err)
{
    int part, i, code;

    state->level_count = level_count;
    state->cell_offset = 0.5f;
    if (count != 2 * level_count)
        return sg_error_set(err, SG_E_MODEL, "expected %d outputs, got %d", 2 * level_count, count);
    if (sg_levels_make(state->levels, spec, gfl_strides, level_count, 1, err) < 0)
        return SG_E_MODEL;
    code = read_widths(outputs, count, state, err);
    for (part = 0; part < 2 && code == SG_OK; part++)
        for (i = 0; i < level_count && code == SG_OK; i++)
            code =
                sg_level_parts_add(&state->parts, outputs, count, state->levels[i].count,
                                   part == 0 ? state->class_count : 4 * state->bins,
                                   part == 0 ? "class probabilities" : "distributions", gfl_strides[i], err);
    return code;
}

/* The bins cannot be told from one width: eight (reg_max 7), as every published NanoDet-Plus has. */
static int prepare_plus(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                        struct gfl *state, struct sg_error *err)
{
    uint32_t used = 0;
    int64_t rows = 0, width;
    int output = 0, i;

    state->level_count = MAX_LEVELS;
    state->parts.count = 1;
    state->cell_offset = 0.0f;
    state->bins = 8;
    if (count != 1)
        return sg_error_set(err, SG_E_MODEL, "expected 1 output, got %d", count);
    if (sg_levels_make(state->levels, spec, gfl_strides, MAX_LEVELS, 1, err) < 0)
        return SG_E_MODEL;
    for (i = 0; i < MAX_LEVELS; i++)
        rows += state->levels[i].count;
    width = width_of(outputs, count, rows, -1, &output);
    if (width <= 4 * state->bins || width > SG_HEAD_MAX_CLASSES ||
        sg_level_find(outputs, count, rows, width, &used) < 0)
        return sg_level_missing(err, outputs, count, rows, spec->class_count + 4 * state->bins,
                                "classes and distributions of all strides", 8);
    state->class_count = (int)width - 4 * state->bins;
    state->parts.rows[0] = rows;
    state->parts.channels[0] = width;
    return SG_OK;
}

/* In the one tensor the first columns must be probabilities and the others logits. */
static bool plus_like(const struct sg_tensor *tensor, const struct gfl *state)
{
    int64_t width = state->parts.channels[0], rows = state->parts.rows[0], step = rows > 64 ? rows / 64 : 1,
            row;
    bool logits = false;
    int i;

    for (row = 0; row < rows; row += step)
        for (i = 0; i < width; i++) {
            float value = sg_tensor_at(tensor, row * width + i);
            bool inside = value >= 0.0f && value <= 1.0f;

            if (i < state->class_count && !inside)
                return false;
            logits = logits || !inside;
        }
    return logits;
}

static void nanodet_convention(struct sg_head_guess *guess)
{
    static const float mean[3] = {103.53f, 116.28f, 123.675f}, std[3] = {57.375f, 57.12f, 58.395f};

    sg_guess_transform(guess, SG_CHANNELS_BGR, SG_FIT_LETTERBOX, mean, std, 0.0f,
                       "NanoDet: BGR, ImageNet mean and std, centred letterbox on black");
    guess->threshold = 0.35f;
    guess->iou = 0.6f;
}

static void match_nanodet(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                          const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct gfl state = {0};

    (void)signature;
    if (prepare_pairs(outputs, count, 3, spec, &state, NULL) < 0 ||
        !probabilities(&outputs[state.parts.output[0]]))
        return;
    guess->confidence = 90;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "6 outputs: %d class probabilities and 4 x %d bins at strides 8, 16, 32", state.class_count,
             state.bins);
    nanodet_convention(guess);
    sg_guess_classes(guess, state.class_count);
}

static void match_picodet(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                          const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    static const float mean[3] = {123.675f, 116.28f, 103.53f}, std[3] = {58.395f, 57.12f, 57.375f};
    struct gfl state = {0};

    (void)signature;
    if (prepare_pairs(outputs, count, 4, spec, &state, NULL) < 0 ||
        !probabilities(&outputs[state.parts.output[0]]))
        return;
    guess->confidence = 90;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "8 outputs: %d class probabilities and 4 x %d bins at strides 8 to 64", state.class_count,
             state.bins);
    sg_guess_transform(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, mean, std, 0.0f,
                       "PP-PicoDet: RGB, ImageNet mean and std, stretched");
    guess->threshold = 0.5f;
    guess->iou = 0.6f;
    sg_guess_classes(guess, state.class_count);
}

static void match_plus(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                       const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct gfl state = {0};

    (void)signature;
    if (prepare_plus(outputs, count, spec, &state, NULL) < 0 || !plus_like(&outputs[0], &state))
        return;
    guess->confidence = 92;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "%lldx%lld: the cells of strides 8 to 64, %d class probabilities and 4 x 8 bins",
             (long long)state.parts.rows[0], (long long)state.parts.channels[0], state.class_count);
    nanodet_convention(guess);
    sg_guess_classes(guess, state.class_count);
}

enum form { NANODET, PICODET, PLUS };

static int init(enum form form, const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                void *opaque, struct sg_error *err)
{
    struct gfl *state = opaque;

    return form == PLUS ? prepare_plus(outputs, count, spec, state, err)
                        : prepare_pairs(outputs, count, form == PICODET ? 4 : 3, spec, state, err);
}

static int init_nanodet(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                        const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init(NANODET, outputs, count, spec, opaque, err);
}

static int init_picodet(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                        const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init(PICODET, outputs, count, spec, opaque, err);
}

static int init_plus(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                     const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init(PLUS, outputs, count, spec, opaque, err);
}

/* Mean of softmax(logits) over 0..bins-1: the distance in cells. */
static float distance(const float *logits, int bins)
{
    float shares[MAX_BINS], sum = 0.0f;
    int i;

    for (i = 0; i < bins; i++)
        shares[i] = logits[i];
    sg_softmax(shares, bins);
    for (i = 0; i < bins; i++)
        sum += shares[i] * (float)i;
    return sum;
}

static struct sg_box decode(const struct gfl *state, const struct sg_level *level, int64_t row,
                            const float *logits)
{
    float stride = (float)level->stride;
    float x = (sg_cell_x(row, level->columns) + state->cell_offset) * stride;
    float y = (sg_cell_y(row, level->columns) + state->cell_offset) * stride;
    float side[4];
    int i;

    for (i = 0; i < 4; i++)
        side[i] = distance(logits + (size_t)i * (size_t)state->bins, state->bins) * stride;
    return (struct sg_box){x - side[0], y - side[1], x + side[2], y + side[3]};
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct gfl *state = opaque;
    const float *view[2 * MAX_LEVELS];
    int64_t base = 0, row;
    int code = sg_level_parts_views(&state->parts, "nanodet", outputs, count, item, out, view, err);
    int i;

    for (i = 0; i < state->level_count && code == SG_OK; i++) {
        const struct sg_level *level = &state->levels[i];
        bool joined = state->parts.count == 1;
        int64_t score_step = joined ? state->parts.channels[0] : state->class_count;
        int64_t side_step = joined ? state->parts.channels[0] : 4 * (int64_t)state->bins;
        const float *scores = joined ? view[0] + base * score_step : view[i];
        const float *sides = joined ? scores + state->class_count : view[state->level_count + i];

        for (row = 0; row < level->count && code == SG_OK; row++) {
            struct sg_detection found = {.row = base + row};

            sg_best_class(scores + row * score_step, state->class_count, &found);
            if (!(found.score >= sg_head_threshold(options, found.class_id)))
                continue;
            found.box = decode(state, level, row, sides + row * side_step);
            code = sg_head_push(out, &found, err);
        }
        base += level->count;
    }
    return code;
}

const struct sg_head_ops sg_head_nanodet = {
    .name = "nanodet",
    .summary = "NanoDet: class probabilities and side distributions at strides 8, 16, 32",
    .task = SG_TASK_DETECT,
    .match = match_nanodet,
    .state_bytes = sizeof(struct gfl),
    .init = init_nanodet,
    .detect = detect,
};

const struct sg_head_ops sg_head_picodet = {
    .name = "picodet",
    .summary = "PP-PicoDet without post-processing: as nanodet at strides 8 to 64",
    .task = SG_TASK_DETECT,
    .match = match_picodet,
    .state_bytes = sizeof(struct gfl),
    .init = init_picodet,
    .detect = detect,
};

const struct sg_head_ops sg_head_nanodet_plus = {
    .name = "nanodet-plus",
    .summary = "NanoDet-Plus: one tensor of class probabilities and side distributions",
    .task = SG_TASK_DETECT,
    .match = match_plus,
    .state_bytes = sizeof(struct gfl),
    .init = init_plus,
    .detect = detect,
};
