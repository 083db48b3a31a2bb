/* SPDX-License-Identifier: MIT
 * SCRFD faces (Guo et al. 2021; decode as in InsightFace): per stride a score, four distances and maybe five
 * points for each of the anchors of a cell, all measured from the cell's corner x*s, y*s in units of s.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <stdio.h>

#define MAX_LEVELS 5
#define POINTS     5

/* Outputs in the order scores, distances, points; each a run of one per level. */
struct scrfd {
    int level_count;
    bool points;
    struct sg_level levels[MAX_LEVELS];
    struct sg_level_parts parts;
};

static const char *const part_names[] = {"scores", "box distances", "points"};

/* InsightFace: 6 or 9 outputs are strides 8, 16, 32 with two anchors per cell; 10 or 15 add 64 and 128 and
 * have one. */
static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct scrfd *state = opaque;
    static const int strides[MAX_LEVELS] = {8, 16, 32, 64, 128};
    static const int64_t channels[] = {1, 4, 2 * POINTS};
    int parts, part, i, code = SG_OK;

    (void)signature;
    if (count != 6 && count != 9 && count != 10 && count != 15)
        return sg_error_set(err, SG_E_MODEL, "expected 6, 9, 10 or 15 outputs, got %d", count);
    state->level_count = count % 5 == 0 ? 5 : 3;
    parts = count / state->level_count;
    state->points = parts == 3;
    if (sg_levels_make(state->levels, spec, strides, state->level_count, state->level_count == 5 ? 1 : 2,
                       err) < 0)
        return SG_E_MODEL;
    for (part = 0; part < parts; part++)
        for (i = 0; i < state->level_count && code == SG_OK; i++)
            code = sg_level_parts_add(&state->parts, outputs, count, state->levels[i].count, channels[part],
                                      part_names[part], strides[i], err);
    return code;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct scrfd state = {0};

    if (init(signature, outputs, count, spec, &state, NULL) < 0)
        return;
    guess->confidence = 95;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "%d outputs: a score, 4 distances%s for %d anchors per cell at strides 8 to %d", count,
             state.points ? " and 5 points" : "", state.levels[0].per_cell,
             state.levels[state.level_count - 1].stride);
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX_TOPLEFT, 127.5f, 128.0f, 0.0f,
                   "InsightFace: RGB, (x - 127.5) / 128, top-left letterbox on black");
    sg_guess_face(guess, 0.5f, 0.4f);
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct scrfd *state = opaque;
    const float *view[3 * MAX_LEVELS];
    float threshold = sg_head_threshold(options, 0);
    int64_t base = 0;
    int code = sg_level_parts_views(&state->parts, "scrfd", outputs, count, item, out, view, err);
    int i;

    for (i = 0; i < state->level_count && code == SG_OK; i++) {
        const struct sg_level *level = &state->levels[i];
        const float *scores = view[i], *sides = view[state->level_count + i];
        int64_t row;

        for (row = 0; row < level->count && code == SG_OK; row++) {
            int64_t cell = row / level->per_cell;
            float stride = (float)level->stride;
            float x = sg_cell_x(cell, level->columns) * stride, y = sg_cell_y(cell, level->columns) * stride;
            const float *side = sides + row * 4;
            struct sg_detection found = {.score = scores[row], .row = base + row};

            if (!(scores[row] >= threshold))
                continue;
            found.box = (struct sg_box){x - side[0] * stride, y - side[1] * stride, x + side[2] * stride,
                                        y + side[3] * stride};
            code = sg_head_push(out, &found, err);
        }
        base += level->count;
    }
    return code;
}

static int refine(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *detections,
                  struct sg_error *err)
{
    const struct scrfd *state = opaque;
    const float *view[3 * MAX_LEVELS];
    int code = state->points
                   ? sg_level_parts_views(&state->parts, "scrfd", outputs, count, item, detections, view, err)
                   : SG_OK;
    int i;

    (void)options;
    for (i = 0; state->points && code == SG_OK && i < detections->count; i++) {
        struct sg_detection *found = &detections->items[i];
        int64_t row = found->row;
        int at = sg_level_of(state->levels, &row);
        const struct sg_level *level = &state->levels[at];
        int64_t cell = row / level->per_cell;
        float stride = (float)level->stride;
        struct sg_point corner = {sg_cell_x(cell, level->columns) * stride,
                                  sg_cell_y(cell, level->columns) * stride};

        code = sg_head_put_points(detections, found, POINTS,
                                  view[2 * state->level_count + at] + row * 2 * POINTS, corner, stride, err);
    }
    return code;
}

const struct sg_head_ops sg_head_scrfd = {
    .name = "scrfd",
    .summary = "SCRFD faces: scores, distances and five points per stride",
    .task = SG_TASK_DETECT,
    .match = match,
    .state_bytes = sizeof(struct scrfd),
    .init = init,
    .detect = detect,
    .refine = refine,
};
