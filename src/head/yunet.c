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
    int output[PARTS * LEVELS];
    int64_t rows[PARTS * LEVELS], channels[PARTS * LEVELS];
};

/* cls and obj have one shape: names tell them apart, else the usual order, all cls first. */
static void order_scores(const struct sg_tensor *outputs, struct yunet *state)
{
    int i;

    for (i = 0; i < LEVELS; i++) {
        int *cls = &state->output[CLASS * LEVELS + i], *obj = &state->output[OBJECT * LEVELS + i];

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
    uint32_t used = 0;
    int part, i;

    (void)signature;
    if (count != PARTS * LEVELS)
        return sg_error_set(err, SG_E_MODEL, "expected %d outputs, got %d", PARTS * LEVELS, count);
    if (sg_levels_make(state->levels, spec->input_width, spec->input_height, strides, LEVELS, 1) < 0)
        return sg_error_set(err, SG_E_MODEL, "the model's input size is not known; set `width` and `height`");
    for (part = 0; part < PARTS; part++)
        for (i = 0; i < LEVELS; i++) {
            int at = part * LEVELS + i;

            state->rows[at] = state->levels[i].count;
            state->channels[at] = channels[part];
            state->output[at] = sg_level_find(outputs, count, state->rows[at], channels[part], &used);
            if (state->output[at] < 0)
                return sg_level_missing(err, outputs, count, state->rows[at], channels[part], names[part],
                                        strides[i]);
        }
    order_scores(outputs, state);
    return SG_OK;
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
    guess->threshold = 0.6f;
    guess->iou = 0.3f;
    guess->dynamic_side = 960; /* its small strides are for small faces: the picture should not shrink much */
    guess->class_count = 1;
    snprintf(guess->labels, sizeof(guess->labels), "face");
}

static int views(const struct yunet *state, const struct sg_tensor *outputs, int count, int item,
                 struct sg_detections *detections, const float **out_views, struct sg_error *err)
{
    const struct sg_tensor *tensors[PARTS * LEVELS];
    int code = sg_count_check(err, "yunet", count, PARTS * LEVELS);
    int i;

    if (code < 0)
        return code;
    for (i = 0; i < PARTS * LEVELS; i++)
        tensors[i] = &outputs[state->output[i]];
    code = sg_levels_check(err, tensors, PARTS * LEVELS, item, state->rows, state->channels, &item);
    if (code < 0)
        return code;
    return sg_head_views(tensors, PARTS * LEVELS, item, detections, 0, out_views, NULL, err);
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
    int code = views(state, outputs, count, item, out, view, err);
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
    int code = views(state, outputs, count, item, detections, view, err);
    int i, k;

    (void)options;
    for (i = 0; i < detections->count && code == SG_OK; i++) {
        struct sg_detection *found = &detections->items[i];
        const struct sg_level *level = state->levels;
        int64_t row = found->row;
        int first = sg_head_points(detections, found, POINTS, err);
        const float *points;

        if (first < 0)
            return first;
        for (; row >= level->count; level++)
            row -= level->count;
        points = view[POINT * LEVELS + (int)(level - state->levels)] + row * 2 * POINTS;
        for (k = 0; k < POINTS; k++)
            detections->points[first + k] = (struct sg_keypoint){
                .x = (sg_cell_x(row, level->columns) + points[2 * k]) * (float)level->stride,
                .y = (sg_cell_y(row, level->columns) + points[2 * k + 1]) * (float)level->stride,
                .score = -1.0f};
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
