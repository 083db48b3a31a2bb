/* SPDX-License-Identifier: MIT
 * BlazeFace (Bazarevsky et al. 2019; decode as in MediaPipe's TensorsToDetections): one score and 16 numbers
 * per anchor: the box centre relative to the anchor and its size, then six points relative to the anchor, all
 * in input pixels. Score = sigmoid of the logit cut to +-100. Anchors are cell centres, two per cell of a
 * 16 x 16 grid, then six per cell of an 8 x 8 grid, whatever the input size.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <stdio.h>

#define FINE_ROWS   512 /* 16 x 16 x 2 */
#define COARSE_ROWS 384 /* 8 x 8 x 6 */
#define NUMBERS     16
#define POINTS      6
#define LOGIT_LIMIT 100.0f

/* Outputs: two pairs of scores and numbers, or one pair that holds both grids. */
struct blazeface {
    int pairs;
    struct sg_level_parts parts; /* scores of each pair, then numbers of each pair */
    float width, height;
};

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct blazeface *state = opaque;
    static const char *const names[] = {"scores", "boxes and points"};
    int code = SG_OK, part, i;

    (void)signature;
    if (count != 2 && count != 4)
        return sg_error_set(err, SG_E_MODEL, "expected 2 or 4 outputs, got %d", count);
    if (sg_input_sized(spec, err) < 0)
        return SG_E_MODEL;
    state->pairs = count / 2;
    state->width = (float)spec->input_width;
    state->height = (float)spec->input_height;
    for (part = 0; part < 2; part++)
        for (i = 0; i < state->pairs && code == SG_OK; i++)
            code = sg_level_parts_add(&state->parts, outputs, count,
                                      state->pairs == 1 ? FINE_ROWS + COARSE_ROWS
                                      : i == 0          ? FINE_ROWS
                                                        : COARSE_ROWS,
                                      part == 0 ? 1 : NUMBERS, names[part],
                                      spec->input_width / (i == 0 ? 16 : 8), err);
    return code;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct blazeface state = {0};

    if (init(signature, outputs, count, spec, &state, NULL) < 0)
        return;
    guess->confidence = 95;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "%d outputs: a score and 16 numbers (box, 6 points) for 512 + 384 anchors", count);
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 127.5f, 127.5f, 0.0f,
                   "MediaPipe: RGB, -1..1, centred letterbox on black");
    sg_guess_face(guess, 0.5f, 0.3f);
}

/* Centre of an anchor of the whole list, input pixels. */
static struct sg_point anchor(const struct blazeface *state, int64_t row)
{
    int64_t side = row < FINE_ROWS ? 16 : 8;
    int64_t cell = row < FINE_ROWS ? row / 2 : (row - FINE_ROWS) / 6;

    return (struct sg_point){(sg_cell_x(cell, side) + 0.5f) * state->width / (float)side,
                             (sg_cell_y(cell, side) + 0.5f) * state->height / (float)side};
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct blazeface *state = opaque;
    const float *view[4];
    float threshold = sg_head_threshold(options, 0);
    int64_t base = 0, row;
    int code = sg_level_parts_views(&state->parts, "blazeface", outputs, count, item, out, view, err);
    int i;

    for (i = 0; i < state->pairs && code == SG_OK; i++) {
        for (row = 0; row < state->parts.rows[i] && code == SG_OK; row++) {
            float logit = view[i][row];
            const float *box = view[state->pairs + i] + row * NUMBERS;
            struct sg_detection found = {.row = base + row};
            struct sg_point at;

            logit = logit > LOGIT_LIMIT ? LOGIT_LIMIT : logit < -LOGIT_LIMIT ? -LOGIT_LIMIT : logit;
            found.score = sg_sigmoid(logit);
            if (!(found.score >= threshold))
                continue;
            at = anchor(state, base + row);
            at.x += box[0];
            at.y += box[1];
            found.box = (struct sg_box){at.x - 0.5f * box[2], at.y - 0.5f * box[3], at.x + 0.5f * box[2],
                                        at.y + 0.5f * box[3]};
            code = sg_head_push(out, &found, err);
        }
        base += state->parts.rows[i];
    }
    return code;
}

/* Points in the model's order: right eye, left eye, nose tip, mouth, right ear, left ear. */
static int refine(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *detections,
                  struct sg_error *err)
{
    const struct blazeface *state = opaque;
    const float *view[4];
    int code = sg_level_parts_views(&state->parts, "blazeface", outputs, count, item, detections, view, err);
    int i;

    (void)options;
    for (i = 0; i < detections->count && code == SG_OK; i++) {
        struct sg_detection *found = &detections->items[i];
        struct sg_point at = anchor(state, found->row);
        bool second = state->pairs == 2 && found->row >= FINE_ROWS;
        const float *points =
            view[state->pairs + second] + (found->row - (second ? FINE_ROWS : 0)) * NUMBERS + 4;

        code = sg_head_put_points(detections, found, POINTS, points, at, 1.0f, err);
    }
    return code;
}

const struct sg_head_ops sg_head_blazeface = {
    .name = "blazeface",
    .summary = "MediaPipe BlazeFace: scores, boxes and six points for 896 anchors",
    .task = SG_TASK_DETECT,
    .match = match,
    .state_bytes = sizeof(struct blazeface),
    .init = init,
    .detect = detect,
    .refine = refine,
};
