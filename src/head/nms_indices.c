/* SPDX-License-Identifier: MIT
 * ONNX's own NonMaxSuppression left as it is: boxes BxNx4 and scores BxCxN of all candidates, and the rows
 * (picture, class, candidate) that it picked, Kx3 or 1xKx3. The ONNX model zoo's YOLOv3 and tiny YOLOv3 end
 * so (keras-yolo3's `yolo_boxes_and_scores`: y1,x1,y2,x2 in pixels of what `image_shape` says), and so do
 * graphs to which somebody appended the operator. Its attribute `center_point_box` (cx,cy,w,h instead of
 * corners) is not among the outputs: the boxes of the probe tell.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"

#include <stdio.h>
#include <string.h>

#define ZOO_SIDE 416 /* where the graph takes any size: what the zoo's weights were trained at */

enum form { CORNERS_Y_FIRST, CORNERS_X_FIRST, CENTRES };
static const char *const forms[] = {"y1,x1,y2,x2", "x1,y1,x2,y2", "cx,cy,w,h"};

struct state {
    int boxes, scores, picked; /* outputs */
    int classes, class_offset;
    enum form form;
    float scale[2];
};

static bool is_picked(const struct sg_tensor *output)
{
    return (output->dtype == SG_DTYPE_I32 || output->dtype == SG_DTYPE_I64) &&
           (output->rank == 2 || output->rank == 3) && output->dims[output->rank - 1] == 3 &&
           sg_tensor_readable(output);
}

static bool is_pair(const struct sg_tensor *boxes, const struct sg_tensor *scores)
{
    return boxes->rank == 3 && boxes->dims[2] == 4 && boxes->dims[1] > 0 && scores->rank == 3 &&
           scores->dims[0] == boxes->dims[0] && scores->dims[2] == boxes->dims[1] && scores->dims[1] > 0 &&
           scores->dims[1] <= SG_HEAD_MAX_CLASSES && sg_tensor_readable(boxes) && sg_tensor_readable(scores);
}

/* The three outputs by their shapes, whatever their order; where both readings fit, boxes come first. */
static bool tell(const struct sg_tensor *outputs, int count, struct state *state)
{
    int first, second;

    if (count != 3)
        return false;
    for (state->picked = 2; state->picked >= 0 && !is_picked(&outputs[state->picked]); state->picked--)
        ;
    if (state->picked < 0)
        return false;
    first = state->picked == 0 ? 1 : 0;
    second = 3 - state->picked - first;
    state->boxes = is_pair(&outputs[first], &outputs[second]) ? first : second;
    state->scores = first + second - state->boxes;
    if (!is_pair(&outputs[state->boxes], &outputs[state->scores]))
        return false;
    state->classes = (int)outputs[state->scores].dims[1];
    return true;
}

/* Candidates stand in the order of their cells, row by row, so x changes from one to the next and y seldom.
 * The operator's own order, y first, holds where that does not show. */
static bool is_x_first(const struct sg_tensor *boxes)
{
    double moved[2] = {0.0, 0.0};
    int64_t row;
    int c;

    for (row = 1; row < boxes->dims[1]; row++)
        for (c = 0; c < 2; c++) {
            const int64_t at = 4 * row + c;
            float step = sg_tensor_at(boxes, at) + sg_tensor_at(boxes, at + 2) - sg_tensor_at(boxes, at - 4) -
                         sg_tensor_at(boxes, at - 2);

            moved[c] += isfinite(step) ? fabsf(step) : 0.0f;
        }
    return moved[0] > 1.2 * moved[1];
}

/* Sides are seldom as long as their centre is far from 0, and never negative; a second corner never lies
 * before the first but for rounding. Where it is not clear they are corners, the operator's default. */
static bool are_centres(const struct sg_tensor *boxes)
{
    int64_t row, reversed = 0;

    for (row = 0; row < boxes->dims[1]; row++) {
        float a = sg_tensor_at(boxes, 4 * row), b = sg_tensor_at(boxes, 4 * row + 1);
        float c = sg_tensor_at(boxes, 4 * row + 2), d = sg_tensor_at(boxes, 4 * row + 3);

        if (c < 0.0f || d < 0.0f)
            return false;
        reversed += c < a || d < b;
    }
    return reversed > boxes->dims[1] / 4;
}

static enum form tell_form(const struct sg_tensor *boxes)
{
    if (are_centres(boxes))
        return CENTRES;
    return is_x_first(boxes) ? CORNERS_X_FIRST : CORNERS_Y_FIRST;
}

static bool is_normalised(const struct sg_tensor *boxes)
{
    float least, most;

    sg_range(boxes, 0, 1, sg_tensor_count(boxes), &least, &most);
    return most <= 4.0f; /* of a picture's sides; all candidates are there, some of them far from 0 */
}

static bool takes_image_shape(const struct sg_signature *signature)
{
    int i;

    for (i = 0; i < signature->input_count; i++)
        if (strcmp(signature->inputs[i].name, "image_shape") == 0)
            return true;
    return false;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    bool zoo = takes_image_shape(signature);
    struct state state;
    const struct sg_tensor *boxes;

    (void)spec;
    if (!tell(outputs, count, &state))
        return;
    boxes = &outputs[state.boxes];
    guess->confidence = 92;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%.32s\" holds %lld boxes %s%s, \"%.32s\" their scores of %d class%s, \"%.32s\" the (picture, "
             "class, box) that NonMaxSuppression picked",
             boxes->name, (long long)boxes->dims[1], forms[tell_form(boxes)],
             is_normalised(boxes) ? " (0..1)" : "", outputs[state.scores].name, state.classes,
             state.classes == 1 ? "" : "es", outputs[state.picked].name);
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, zoo ? 128.0f : 114.0f,
                   zoo ? "YOLOv3 of the ONNX model zoo: RGB/255, centred letterbox on gray 128"
                       : "YOLO exports with NMS: RGB/255, centred letterbox on gray 114");
    guess->threshold = 0.25f;
    guess->dynamic_side = zoo ? ZOO_SIDE : 0;
    sg_guess_classes(guess, state.classes);
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct state *state = opaque;
    bool normalised;

    (void)signature;
    if (!tell(outputs, count, state))
        return sg_outputs_error(err, outputs, count,
                                "boxes BxNx4, scores BxCxN and picked rows Kx3 or 1xKx3 (int32 or int64)");
    normalised = is_normalised(&outputs[state->boxes]);
    state->form = tell_form(&outputs[state->boxes]);
    state->scale[0] = normalised ? (float)spec->input_width : 1.0f;
    state->scale[1] = normalised ? (float)spec->input_height : 1.0f;
    state->class_offset = spec->class_offset;
    return SG_OK;
}

static int check(const struct state *state, const struct sg_tensor *outputs, int count, int item,
                 const struct sg_tensor **parts, struct sg_error *err)
{
    int64_t box_dims[3] = {-1, -1, 4}, score_dims[3] = {-1, state->classes, -1};
    char expected[64];
    int code = sg_count_check(err, "nms-indices", count, 3);

    if (code < 0)
        return code;
    parts[0] = &outputs[state->boxes];
    parts[1] = &outputs[state->scores];
    code = sg_shape_check(err, parts[0], item, 3, box_dims, "BxNx4");
    if (code < 0)
        return code;
    score_dims[0] = parts[0]->dims[0];
    score_dims[2] = parts[0]->dims[1];
    snprintf(expected, sizeof(expected), "scores of %d classes for each of %lld boxes", state->classes,
             (long long)score_dims[2]);
    code = sg_shape_check(err, parts[1], item, 3, score_dims, expected);
    if (code == SG_OK && !is_picked(&outputs[state->picked]))
        code = sg_shape_error(err, &outputs[state->picked], "picked rows Kx3 or 1xKx3 (int32 or int64)");
    return code;
}

/* In pixels of the input. */
static struct sg_box read_box(const struct state *state, const float *box)
{
    struct sg_box found = {box[1], box[0], box[3], box[2]};

    if (state->form == CENTRES)
        found = (struct sg_box){box[0] - box[2] / 2, box[1] - box[3] / 2, box[0] + box[2] / 2,
                                box[1] + box[3] / 2};
    else if (state->form == CORNERS_X_FIRST)
        found = (struct sg_box){box[0], box[1], box[2], box[3]};
    return (struct sg_box){found.x1 * state->scale[0], found.y1 * state->scale[1], found.x2 * state->scale[0],
                           found.y2 * state->scale[1]};
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct sg_tensor *parts[2], *picked;
    const float *views[2];
    int64_t rows = 0, row, n = 0;
    int code = check(state, outputs, count, item, parts, err);

    if (code == SG_OK)
        code = sg_head_views(parts, 2, item, out, 0, views, NULL, err);
    if (code != SG_OK)
        return code;
    picked = &outputs[state->picked];
    rows = sg_tensor_count(picked) / 3;
    n = parts[0]->dims[1];
    for (row = 0; row < rows && code == SG_OK; row++) {
        float class_id = sg_tensor_at(picked, 3 * row + 1), at = sg_tensor_at(picked, 3 * row + 2);
        struct sg_detection found = {.row = row};

        /* Rows of -1 fill tables of fixed length up. */
        if (sg_tensor_at(picked, 3 * row) != (float)item || class_id < (float)state->class_offset ||
            class_id >= (float)state->classes || at < 0.0f || at >= (float)n)
            continue;
        found.class_id = (int)class_id - state->class_offset;
        found.score = views[1][(int64_t)class_id * n + (int64_t)at];
        if (!(found.score >= sg_head_threshold(options, found.class_id)))
            continue;
        found.box = read_box(state, views[0] + 4 * (int64_t)at);
        code = sg_head_push(out, &found, err);
    }
    return code;
}

const struct sg_head_ops sg_head_nms_indices = {
    .name = "nms-indices",
    .summary = "all boxes and scores beside what NonMaxSuppression picked (ONNX model zoo's YOLOv3)",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET,
    .match = match,
    .state_bytes = sizeof(struct state),
    .init = init,
    .detect = detect,
};
