/* SPDX-License-Identifier: MIT
 * RetinaFace of PyTorch (biubug6/Pytorch_Retinaface and its children): loc Nx4, conf Nx2 and landms Nx10
 * against square priors, which stand in no graph. Prior k of a cell of stride s lies at ((x + 0.5) s, (y +
 * 0.5) s); centre = prior + d * 0.1 * side, size = side * exp(d * 0.2), point = prior + d * 0.1 * side
 * (utils/box_utils.py, layers/functions/prior_box.py). Sides are those of its configuration: 16, 32 / 64, 128
 * / 256, 512 at strides 8, 16, 32; of Face-Detector-1MB's RFB and slim 10, 16, 24 / 32, 48 / 64, 96 / 128,
 * 192, 256 at 8 to 64. Heads for other things (plates with four corners) have other sides in the same shapes,
 * so those come from the card.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <stdio.h>
#include <string.h>

#define VARIANCE_CENTRE 0.1f
#define VARIANCE_SIZE   0.2f
#define FACE_POINTS     5
#define MAX_POINTS      100
#define PARTS           3

enum part { LOC, CONF, LANDMS };

#define TABLE_LEVELS 4

static const struct table {
    int level_count, strides[TABLE_LEVELS], per_cell[TABLE_LEVELS];
    float sides[10];
} tables[] = {
    {3, {8, 16, 32}, {2, 2, 2}, {16, 32, 64, 128, 256, 512}},
    {4, {8, 16, 32, 64}, {3, 2, 2, 3}, {10, 16, 24, 32, 48, 64, 96, 128, 192, 256}},
};

struct priors {
    int level_count;
    struct sg_level levels[SG_HEAD_MAX_STRIDES];
    float anchors[SG_HEAD_MAX_ANCHORS * 2]; /* width and height, input pixels, by level */
    int first[SG_HEAD_MAX_STRIDES];         /* of a level's pairs */
    struct sg_level_parts parts;
    int classes, points; /* classes without the background */
    bool logits, given;  /* given: anchors of the card */
};

/* Grids of the card's strides and anchors, or of a table. */
static int make_levels(struct priors *state, const struct sg_head_spec *spec, const struct table *table,
                       struct sg_error *err)
{
    const int *strides = spec->stride_count ? spec->strides : table->strides;
    int used = 0, i, k;

    state->given = spec->anchor_count > 0;
    state->level_count = spec->stride_count ? spec->stride_count : table->level_count;
    if (state->given && spec->anchor_count % state->level_count)
        return sg_error_set(err, SG_E_CONFIG, "`anchors`: %d pairs do not divide among %d `strides`",
                            spec->anchor_count, state->level_count);
    if (!state->given && spec->stride_count)
        return sg_error_set(err, SG_E_CONFIG, "`strides` has %d entries: give `anchors` for them too",
                            spec->stride_count);
    for (i = 0; i < state->level_count; i++) {
        int per_cell = state->given ? spec->anchor_count / state->level_count : table->per_cell[i];

        if (sg_levels_make(&state->levels[i], spec, &strides[i], 1, per_cell, err) < 0)
            return SG_E_MODEL;
        state->first[i] = used;
        for (k = 0; k < per_cell; k++, used++) {
            state->anchors[2 * used] = state->given ? spec->anchors[2 * used] : table->sides[used];
            state->anchors[2 * used + 1] = state->given ? spec->anchors[2 * used + 1] : table->sides[used];
        }
    }
    return SG_OK;
}

static int64_t count_rows(const struct priors *state)
{
    int64_t rows = 0;
    int i;

    for (i = 0; i < state->level_count; i++)
        rows += state->levels[i].count;
    return rows;
}

static int64_t depth(const struct sg_tensor *tensor)
{
    return tensor->rank == 2 || tensor->rank == 3 ? tensor->dims[tensor->rank - 1] : 0;
}

/* Which output is which: by names, else offsets are the four columns, scores the fewer of the others. */
static bool assign(const struct sg_tensor *outputs, int count, int64_t rows, struct priors *state)
{
    int left[2], lefts = 0, i;

    state->parts.output[LOC] = sg_find_output_with(outputs, count, "loc");
    for (i = 0; i < count && state->parts.output[LOC] < 0; i++)
        if (depth(&outputs[i]) == 4)
            state->parts.output[LOC] = i;
    for (i = 0; i < count && lefts < 2; i++)
        if (i != state->parts.output[LOC])
            left[lefts++] = i;
    if (count != PARTS || state->parts.output[LOC] < 0 || lefts != 2)
        return false;
    i = depth(&outputs[left[0]]) < depth(&outputs[left[1]]) ? 0 : 1;
    state->parts.output[CONF] = left[i];
    state->parts.output[LANDMS] = left[1 - i];
    for (i = 0; i < PARTS; i++) {
        const struct sg_tensor *tensor = &outputs[state->parts.output[i]];

        state->parts.rows[i] = rows;
        state->parts.channels[i] = depth(tensor);
        if (state->parts.channels[i] < 1 || tensor->dims[tensor->rank - 2] != rows ||
            !sg_tensor_readable(tensor) || tensor->rank != outputs[0].rank ||
            (tensor->rank == 3 && tensor->dims[0] < 1))
            return false;
    }
    state->parts.count = PARTS;
    state->points = (int)(state->parts.channels[LANDMS] / 2);
    state->classes = state->parts.channels[CONF] == 1 ? 1 : (int)state->parts.channels[CONF] - 1;
    return state->parts.channels[LOC] == 4 && state->parts.channels[LANDMS] % 2 == 0 &&
           state->points <= MAX_POINTS && state->parts.channels[CONF] < state->parts.channels[LANDMS] &&
           state->parts.channels[CONF] <= SG_HEAD_MAX_CLASSES;
}

/* Rows of a softmax are probabilities that add up to one; one column is a probability or a logit. */
static bool are_logits(const struct sg_tensor *conf, int64_t rows, int64_t channels)
{
    int64_t step = rows > 64 ? rows / 64 : 1, row, c;

    for (row = 0; row < rows; row += step) {
        float sum = 0.0f;

        for (c = 0; c < channels; c++) {
            float value = sg_tensor_at(conf, row * channels + c);

            if (!(value >= -1e-3f && value <= 1.001f))
                return true;
            sum += value;
        }
        if (channels > 1 && fabsf(sum - 1.0f) > 0.02f)
            return true;
    }
    return false;
}

static int prepare(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                   struct priors *state, struct sg_error *err)
{
    size_t i;

    for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        int code = make_levels(state, spec, &tables[i], err);

        if (code < 0)
            return code;
        if (assign(outputs, count, count_rows(state), state))
            break;
    }
    if (i == sizeof(tables) / sizeof(tables[0]))
        return sg_outputs_error(
            err, outputs, count,
            "loc Nx4, conf Nx2 and landms Nx10 with as many rows as the input has priors");
    state->logits = spec->scores == SG_SCORES_DECIDE
                        ? are_logits(&outputs[state->parts.output[CONF]], state->parts.rows[CONF],
                                     state->parts.channels[CONF])
                        : spec->scores != SG_SCORES_PROBABILITY;
    return SG_OK;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    static const float mean[3] = {104.0f, 117.0f, 123.0f}, one[3] = {1.0f, 1.0f, 1.0f};
    struct priors state = {0};

    (void)signature;
    if (prepare(outputs, count, spec, &state, NULL) < 0)
        return;
    guess->confidence = 96;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "%lld rows of 4 offsets, %lld scores%s and %d points: the priors of %d grids of this input",
             (long long)state.parts.rows[LOC], (long long)state.parts.channels[CONF],
             state.logits ? " (logits)" : "", state.points, state.level_count);
    sg_guess_transform(guess, SG_CHANNELS_BGR, SG_FIT_LETTERBOX_TOPLEFT, mean, one, 114.0f,
                       "RetinaFace of PyTorch: BGR minus 104, 117, 123, top-left letterbox");
    guess->threshold = 0.5f;
    guess->iou = 0.4f;
    guess->class_count = state.classes;
    guess->dynamic_side = 640;
    if (state.points == FACE_POINTS && state.classes == 1)
        snprintf(guess->labels, sizeof(guess->labels), "face");
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct priors *state = opaque;
    int code = prepare(outputs, count, spec, state, err);

    (void)signature;
    if (code == SG_OK && state->points != FACE_POINTS && !state->given)
        return sg_error_set(
            err, SG_E_MODEL,
            "output \"%s\" has %d points each, so it is no face detector, and the sides of its "
            "priors stand in no graph; give them in the card, two squares for each of the strides "
            "8, 16, 32: `anchors: [16, 16, 32, 32, 64, 64, 128, 128, 256, 256, 512, 512]` are a "
            "face's, plates have others",
            outputs[state->parts.output[LANDMS]].name, state->points);
    return code;
}

/* Centre and sides of the prior of a row. */
static void prior(const struct priors *state, int64_t row, float centre[2], const float **out_anchor)
{
    int i = sg_level_of(state->levels, &row);
    const struct sg_level *level = &state->levels[i];
    int64_t cell = row / level->per_cell;

    centre[0] = (sg_cell_x(cell, level->columns) + 0.5f) * (float)level->stride;
    centre[1] = (sg_cell_y(cell, level->columns) + 0.5f) * (float)level->stride;
    *out_anchor = state->anchors + 2 * (state->first[i] + row % level->per_cell);
}

/* Best class but the background, and its probability. */
static void judge(const struct priors *state, const float *conf, struct sg_detection *found)
{
    int channels = (int)state->parts.channels[CONF], c;
    float most = conf[0], sum = 0.0f;

    if (channels == 1) {
        found->score = state->logits ? sg_sigmoid(conf[0]) : conf[0];
        return;
    }
    sg_best_class(conf + 1, state->classes, found);
    if (!state->logits)
        return;
    most = found->score > most ? found->score : most;
    for (c = 0; c < channels; c++)
        sum += expf(conf[c] - most);
    found->score = expf(found->score - most) / sum;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct priors *state = opaque;
    const float *view[PARTS] = {NULL};
    int64_t row;
    int code = sg_level_parts_views(&state->parts, "retinaface-priors", outputs, count, item, out, view, err);

    for (row = 0; row < state->parts.rows[LOC] && code == SG_OK; row++) {
        struct sg_detection found = {.row = row};
        const float *loc = view[LOC] + row * 4, *anchor;
        float centre[2], half_w, half_h;

        judge(state, view[CONF] + row * state->parts.channels[CONF], &found);
        if (!(found.score >= sg_head_threshold(options, found.class_id)))
            continue;
        prior(state, row, centre, &anchor);
        centre[0] += loc[0] * VARIANCE_CENTRE * anchor[0];
        centre[1] += loc[1] * VARIANCE_CENTRE * anchor[1];
        half_w = 0.5f * anchor[0] * expf(loc[2] * VARIANCE_SIZE);
        half_h = 0.5f * anchor[1] * expf(loc[3] * VARIANCE_SIZE);
        found.box =
            (struct sg_box){centre[0] - half_w, centre[1] - half_h, centre[0] + half_w, centre[1] + half_h};
        code = sg_head_push(out, &found, err);
    }
    return code;
}

static int refine(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *detections,
                  struct sg_error *err)
{
    const struct priors *state = opaque;
    const float *view[PARTS] = {NULL};
    int code =
        sg_level_parts_views(&state->parts, "retinaface-priors", outputs, count, item, detections, view, err);
    int i, k;

    (void)options;
    for (i = 0; i < detections->count && code == SG_OK; i++) {
        struct sg_detection *found = &detections->items[i];
        const float *points = view[LANDMS] + found->row * state->parts.channels[LANDMS], *anchor;
        int first = sg_head_points(detections, found, state->points, err);
        float centre[2];

        if (first < 0)
            return first;
        prior(state, found->row, centre, &anchor);
        for (k = 0; k < state->points; k++)
            detections->points[first + k] =
                (struct sg_keypoint){.x = centre[0] + points[2 * k] * VARIANCE_CENTRE * anchor[0],
                                     .y = centre[1] + points[2 * k + 1] * VARIANCE_CENTRE * anchor[1],
                                     .score = -1.0f};
    }
    return code;
}

const struct sg_head_ops sg_head_retinaface_priors = {
    .name = "retinaface-priors",
    .summary = "RetinaFace of PyTorch: offsets, scores and points against priors at three or four strides",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_ANCHORS | SG_KEY_STRIDES | SG_KEY_SCORES,
    .match = match,
    .state_bytes = sizeof(struct priors),
    .init = init,
    .detect = detect,
    .refine = refine,
};
