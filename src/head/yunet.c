/* SPDX-License-Identifier: MIT
 * YuNet faces (Wu et al. 2023; decode as in OpenCV's FaceDetectorYN): per stride 8, 16, 32 a class and an
 * object score, a box and five points per cell. score = sqrt(cls * obj), both cut to 0..1;
 * centre = (cell + b0, b1) * s, size = exp(b2, b3) * s, points = (cell + k) * s.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <math.h>
#include <stdio.h>

#define LEVELS 3
#define POINTS 5
#define PARTS  4

enum part { CLASS, OBJECT, BOX, POINT };

struct yunet {
    struct sg_level levels[LEVELS];
    struct sg_level_parts parts;
};

/* cls and obj have one shape: names tell them apart, else the usual order, all cls first. */
static void order_scores(const struct sg_tensor *outputs, struct yunet *state)
{
    int i;

    for (i = 0; i < LEVELS; i++) {
        int *cls = &state->parts.output[CLASS * LEVELS + i], *obj = &state->parts.output[OBJECT * LEVELS + i];

        if (sg_name_has(outputs[*cls].name, "obj") && !sg_name_has(outputs[*obj].name, "obj")) {
            int swap = *cls;

            *cls = *obj;
            *obj = swap;
        }
    }
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct yunet *state = opaque;
    static const int strides[LEVELS] = {8, 16, 32};
    static const int64_t channels[PARTS] = {1, 1, 4, 2 * POINTS};
    static const char *const names[PARTS] = {"class scores", "object scores", "boxes", "points"};
    int part, i, code = SG_OK;

    (void)signature;
    if (count != PARTS * LEVELS)
        return sg_error_set(err, SG_E_MODEL, "expected %d outputs, got %d", PARTS * LEVELS, count);
    if (sg_levels_make(state->levels, spec, strides, LEVELS, 1, err) < 0)
        return SG_E_MODEL;
    for (part = 0; part < PARTS; part++)
        for (i = 0; i < LEVELS && code == SG_OK; i++)
            code = sg_level_parts_add(&state->parts, outputs, count, state->levels[i].count, channels[part],
                                      names[part], strides[i], err);
    if (code == SG_OK)
        order_scores(outputs, state);
    return code;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct yunet state = {0};

    if (init(signature, outputs, count, spec, &state, NULL) < 0)
        return;
    guess->confidence = 97;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "12 outputs: class score, object score, box and 5 points at strides 8, 16, 32");
    sg_guess_plain(guess, SG_CHANNELS_BGR, SG_FIT_LETTERBOX_TOPLEFT, 0.0f, 1.0f, 0.0f,
                   "YuNet: BGR 0..255, top-left letterbox on black");
    guess->dynamic_side = 960; /* its small strides are for small faces: the picture should not shrink much */
    sg_guess_face(guess, 0.6f, 0.3f);
}

/* Cut to 0..1; NaN stays NaN and fails the threshold. */
static float unit(float value)
{
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct yunet *state = opaque;
    const float *view[PARTS * LEVELS];
    float threshold = sg_head_threshold(options, 0);
    int64_t base = 0, row;
    int code = sg_level_parts_views(&state->parts, "yunet", outputs, count, item, out, view, err);
    int i;

    for (i = 0; i < LEVELS && code == SG_OK; i++) {
        const struct sg_level *level = &state->levels[i];
        const float *cls = view[CLASS * LEVELS + i], *obj = view[OBJECT * LEVELS + i];
        float stride = (float)level->stride;

        for (row = 0; row < level->count && code == SG_OK; row++) {
            const float *box = view[BOX * LEVELS + i] + row * 4;
            struct sg_detection found = {.score = sqrtf(unit(cls[row]) * unit(obj[row])), .row = base + row};
            float x, y, half_w, half_h;

            if (!(found.score >= threshold))
                continue;
            x = (sg_cell_x(row, level->columns) + box[0]) * stride;
            y = (sg_cell_y(row, level->columns) + box[1]) * stride;
            half_w = 0.5f * expf(box[2]) * stride;
            half_h = 0.5f * expf(box[3]) * stride;
            found.box = (struct sg_box){x - half_w, y - half_h, x + half_w, y + half_h};
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
    const struct yunet *state = opaque;
    const float *view[PARTS * LEVELS];
    int code = sg_level_parts_views(&state->parts, "yunet", outputs, count, item, detections, view, err);
    int i;

    (void)options;
    for (i = 0; i < detections->count && code == SG_OK; i++) {
        struct sg_detection *found = &detections->items[i];
        int64_t row = found->row;
        int at = sg_level_of(state->levels, &row);
        const struct sg_level *level = &state->levels[at];
        float stride = (float)level->stride;
        struct sg_point corner = {sg_cell_x(row, level->columns) * stride,
                                  sg_cell_y(row, level->columns) * stride};

        code = sg_head_put_points(detections, found, POINTS, view[POINT * LEVELS + at] + row * 2 * POINTS,
                                  corner, stride, err);
    }
    return code;
}

const struct sg_head_ops sg_head_yunet = {
    .name = "yunet",
    .summary = "YuNet faces: class and object scores, boxes and five points per stride",
    .task = SG_TASK_DETECT,
    .match = match,
    .state_bytes = sizeof(struct yunet),
    .init = init,
    .detect = detect,
    .refine = refine,
};
