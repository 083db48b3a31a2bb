/* SPDX-License-Identifier: MIT
 * RetinaFace as exported from MXNet (Deng et al. 2019, InsightFace): per stride 32, 16, 8 three maps with two
 * square anchors per cell: 4 probabilities (background of each, face of each), 8 deltas, 20 point deltas.
 * Faster R-CNN's rule: centre += d * side, side *= exp(d). Anchors of base 16 sit at x*s + 8, y*s + 8 (pixel
 * edges) at every stride.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <stdio.h>

#define LEVELS  3
#define PARTS   3
#define ANCHORS 2
#define POINTS  5
#define CENTRE  8.0f

#define LATER_POINT_STD 0.2f

enum part { SCORE, DELTA, POINT };

static const int64_t channels[PARTS] = {2 * ANCHORS, 4 * ANCHORS, 2 * POINTS *ANCHORS};
static const int strides[LEVELS] = {32, 16, 8};
static const float sides[LEVELS][ANCHORS] = {{512, 256}, {128, 64}, {32, 16}};

struct retinaface {
    struct sg_level levels[LEVELS];
    int output[PARTS * LEVELS];
};

static int find_map(const struct sg_tensor *outputs, int count, int64_t depth, const struct sg_level *level)
{
    const int64_t want[] = {-1, depth, level->rows, level->columns};
    int i;

    for (i = 0; i < count; i++)
        if (sg_shape_is(&outputs[i], 4, want) && sg_tensor_readable(&outputs[i]))
            return i;
    return -1;
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct retinaface *state = opaque;
    static const char *const names[PARTS] = {"probabilities", "deltas", "points"};
    int part, i;

    (void)signature;
    if (count != PARTS * LEVELS)
        return sg_error_set(err, SG_E_MODEL, "expected %d outputs, got %d", PARTS * LEVELS, count);
    if (sg_levels_make(state->levels, spec, strides, LEVELS, ANCHORS, err) < 0)
        return SG_E_MODEL;
    for (part = 0; part < PARTS; part++)
        for (i = 0; i < LEVELS; i++) {
            const struct sg_level *level = &state->levels[i];
            int found = find_map(outputs, count, channels[part], level);

            if (found < 0)
                return sg_level_missing(err, outputs, count, channels[part],
                                        (int64_t)level->rows * level->columns, names[part], strides[i]);
            state->output[part * LEVELS + i] = found;
        }
    return SG_OK;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct retinaface state = {0};

    if (init(signature, outputs, count, spec, &state, NULL) < 0)
        return;
    guess->confidence = 97;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "9 maps: 4 probabilities, 8 deltas and 20 point deltas at strides 32, 16, 8");
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX_TOPLEFT, 0.0f, 1.0f, 0.0f,
                   "InsightFace RetinaFace: RGB 0..255, top-left letterbox on black");
    sg_guess_face(guess, 0.75f, 0.5f);
}

static int views(const struct retinaface *state, const struct sg_tensor *outputs, int count, int item,
                 struct sg_detections *detections, const float **out_views, struct sg_error *err)
{
    const struct sg_tensor *tensors[PARTS * LEVELS];
    int code = sg_count_check(err, "retinaface", count, PARTS * LEVELS);
    int i;

    for (i = 0; i < PARTS * LEVELS && code == SG_OK; i++) {
        const struct sg_level *level = &state->levels[i % LEVELS];
        const int64_t want[] = {-1, channels[i / LEVELS], level->rows, level->columns};

        tensors[i] = &outputs[state->output[i]];
        if (!sg_shape_is(tensors[i], 4, want) || item >= tensors[i]->dims[0])
            code = sg_shape_error(err, tensors[i], "Nx%lldx%dx%d with picture %d of the batch",
                                  (long long)want[1], level->rows, level->columns, item);
    }
    if (code < 0)
        return code;
    return sg_head_views(tensors, PARTS * LEVELS, item, detections, 0, out_views, NULL, err);
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct retinaface *state = opaque;
    const float *view[PARTS * LEVELS];
    float threshold = sg_head_threshold(options, 0);
    int64_t base = 0, row;
    int code = views(state, outputs, count, item, out, view, err);
    int i;

    for (i = 0; i < LEVELS && code == SG_OK; i++) {
        const struct sg_level *level = &state->levels[i];
        int64_t area = level->count / ANCHORS;

        for (row = 0; row < level->count && code == SG_OK; row++) {
            int64_t cell = row / ANCHORS, which = row % ANCHORS;
            const float *delta = view[DELTA * LEVELS + i] + which * 4 * area + cell;
            struct sg_detection found = {.score = view[SCORE * LEVELS + i][(ANCHORS + which) * area + cell],
                                         .row = base + row};
            float side = sides[i][which], x, y, half_w, half_h;

            if (!(found.score >= threshold))
                continue;
            x = sg_cell_x(cell, level->columns) * (float)level->stride + CENTRE + delta[0] * side;
            y = sg_cell_y(cell, level->columns) * (float)level->stride + CENTRE + delta[area] * side;
            half_w = 0.5f * side * expf(delta[2 * area]);
            half_h = 0.5f * side * expf(delta[3 * area]);
            found.box = (struct sg_box){x - half_w, y - half_h, x + half_w, y + half_h};
            code = sg_head_push(out, &found, err);
        }
        base += level->count;
    }
    return code;
}

/* Point k of the anchor whose deltas begin at `points` (area apart), in input pixels. */
static struct sg_keypoint point_of(const float *points, int64_t area, int k, float x, float y, float reach)
{
    return (struct sg_keypoint){
        .x = x + points[2 * k * area] * reach, .y = y + points[(2 * k + 1) * area] * reach, .score = -1.0f};
}

/* Networks trained later give point deltas divided by 0.2 (landmark_std of InsightFace's own decoder for
 * mnet.25_v2), which no shape tells. Taken as they are, they lie five times too far away: most of a face's
 * points are then outside its box, where they never are otherwise. */
static float point_scale(const struct sg_detection *found, const float *points, int64_t area, float x,
                         float y, float side)
{
    int inside = 0, k;

    for (k = 0; k < POINTS; k++) {
        struct sg_keypoint at = point_of(points, area, k, x, y, side);

        inside +=
            at.x >= found->box.x1 && at.x <= found->box.x2 && at.y >= found->box.y1 && at.y <= found->box.y2;
    }
    return 2 * inside > POINTS ? 1.0f : LATER_POINT_STD;
}

static int refine(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *detections,
                  struct sg_error *err)
{
    const struct retinaface *state = opaque;
    const float *view[PARTS * LEVELS];
    int code = views(state, outputs, count, item, detections, view, err);
    int i, k;

    (void)options;
    for (i = 0; i < detections->count && code == SG_OK; i++) {
        struct sg_detection *found = &detections->items[i];
        int64_t row = found->row;
        int at = sg_level_of(state->levels, &row); /* row counts anchors as (cell, anchor) */
        const struct sg_level *level = &state->levels[at];
        int64_t area = level->count / ANCHORS, cell = row / ANCHORS, which = row % ANCHORS;
        const float *points = view[POINT * LEVELS + at] + which * 2 * POINTS * area + cell;
        float x = sg_cell_x(cell, level->columns) * (float)level->stride + CENTRE;
        float y = sg_cell_y(cell, level->columns) * (float)level->stride + CENTRE;
        float reach = sides[at][which] * point_scale(found, points, area, x, y, sides[at][which]);
        int first = sg_head_points(detections, found, POINTS, err);

        if (first < 0)
            return first;
        for (k = 0; k < POINTS; k++)
            detections->points[first + k] = point_of(points, area, k, x, y, reach);
    }
    return code;
}

const struct sg_head_ops sg_head_retinaface = {
    .name = "retinaface",
    .summary = "RetinaFace from MXNet: probabilities, deltas and point deltas at three strides",
    .task = SG_TASK_DETECT,
    .match = match,
    .state_bytes = sizeof(struct retinaface),
    .init = init,
    .detect = detect,
    .refine = refine,
};
