/* SPDX-License-Identifier: MIT
 * YOLOv3 and YOLOv4 exported decoded (Tianxiaomo/pytorch-YOLOv4 `do_detect` and its kin): boxes BxNx4 or
 * BxNx1x4 as x1,y1,x2,y2, in 0..1 or in input pixels, and scores BxNxC that are objectness times class.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/scan.h"

#include <stdio.h>

#define ANCHORS 3

struct state {
    int boxes, scores; /* outputs */
    int classes;
    float scale[2];
};

static bool is_boxes(const struct sg_tensor *output)
{
    return (output->rank == 3 && output->dims[2] == 4) ||
           (output->rank == 4 && output->dims[2] == 1 && output->dims[3] == 4);
}

/* Both outputs by their shapes; where C is 4 as well, the boxes come first. */
static bool tell(const struct sg_tensor *outputs, int count, struct state *state)
{
    const struct sg_tensor *boxes, *scores;

    if (count != 2)
        return false;
    state->boxes = is_boxes(&outputs[0]) ? 0 : 1;
    state->scores = 1 - state->boxes;
    boxes = &outputs[state->boxes];
    scores = &outputs[state->scores];
    if (!is_boxes(boxes) || scores->rank != 3 || scores->dims[0] != boxes->dims[0] ||
        scores->dims[1] != boxes->dims[1] || scores->dims[2] < 1 || scores->dims[2] > SG_HEAD_MAX_CLASSES ||
        !sg_tensor_readable(boxes) || !sg_tensor_readable(scores))
        return false;
    state->classes = (int)scores->dims[2];
    return true;
}

static bool are_corners(const struct sg_tensor *boxes)
{
    int64_t row;

    for (row = 0; row < boxes->dims[1]; row++)
        if (!(sg_tensor_at(boxes, 4 * row) <= sg_tensor_at(boxes, 4 * row + 2) &&
              sg_tensor_at(boxes, 4 * row + 1) <= sg_tensor_at(boxes, 4 * row + 3)))
            return false;
    return boxes->dims[1] > 0;
}

static bool is_normalised(const struct sg_tensor *boxes)
{
    float least, most;

    sg_range(boxes, 0, 1, sg_tensor_count(boxes), &least, &most);
    return most <= 4.0f; /* of a picture's sides; a box of few pixels does not fill a grid */
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct state state = {0};
    float least, most;

    (void)signature;
    if (!tell(outputs, count, &state) || !sg_is_grid(spec, outputs[state.boxes].dims[1], ANCHORS) ||
        !are_corners(&outputs[state.boxes]))
        return;
    sg_range(&outputs[state.scores], 0, 1, sg_tensor_count(&outputs[state.scores]), &least, &most);
    if (least < -1e-3f || most > 1.001f)
        return;
    guess->confidence = 85;
    snprintf(
        guess->evidence, sizeof(guess->evidence),
        "\"%s\" holds %lld boxes by their corners%s, three for each grid cell, \"%s\" scores of %d class%s",
        outputs[state.boxes].name, (long long)outputs[state.boxes].dims[1],
        is_normalised(&outputs[state.boxes]) ? " (0..1)" : "", outputs[state.scores].name, state.classes,
        state.classes == 1 ? "" : "es");
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 255.0f, 0.0f,
                   "pytorch-YOLOv4: RGB/255, stretched");
    snprintf(guess->ambiguity, sizeof(guess->ambiguity),
             "trained with a letterbox? `input: {resize: letterbox}` says so");
    guess->threshold = 0.4f;
    guess->iou = 0.6f;
    sg_guess_classes(guess, state.classes);
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct state *state = opaque;
    bool normalised;
    int code = sg_count_check(err, "yolov4", count, 2);

    (void)signature;
    if (code < 0)
        return code;
    if (!tell(outputs, count, state))
        return sg_shape_error(err, &outputs[0], "boxes BxNx4 or BxNx1x4 and scores BxNxC (%d outputs)",
                              count);
    normalised = is_normalised(&outputs[state->boxes]);
    state->scale[0] = normalised ? (float)spec->input_width : 1.0f;
    state->scale[1] = normalised ? (float)spec->input_height : 1.0f;
    return SG_OK;
}

static int check(const struct state *state, const struct sg_tensor *outputs, int count, int item,
                 const struct sg_tensor **parts, struct sg_error *err)
{
    int64_t want[3] = {-1, -1, state->classes};
    char expected[64];
    int code = sg_count_check(err, "yolov4", count, 2);

    if (code < 0)
        return code;
    parts[0] = &outputs[state->boxes];
    parts[1] = &outputs[state->scores];
    if (!is_boxes(parts[0]) || !sg_tensor_readable(parts[0]) || item >= parts[0]->dims[0])
        return sg_shape_error(err, parts[0], "BxNx4 or BxNx1x4 with picture %d of the batch", item);
    want[0] = parts[0]->dims[0];
    want[1] = parts[0]->dims[1];
    snprintf(expected, sizeof(expected), "scores of %d classes for each of %lld boxes", state->classes,
             (long long)want[1]);
    return sg_shape_check(err, parts[1], item, 3, want, expected);
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct sg_tensor *parts[2];
    const float *views[2];
    float lowest = sg_head_lowest_threshold(options);
    int64_t row;
    int code = check(state, outputs, count, item, parts, err);

    if (code == SG_OK)
        code = sg_head_views(parts, 2, item, out, 0, views, NULL, err);
    for (row = 0; code == SG_OK && row < parts[0]->dims[1]; row++) {
        const float *box = views[0] + 4 * row;
        struct sg_detection found = {.row = row};

        found.class_id = sg_scan_row(views[1] + row * state->classes, state->classes, lowest, &found.score);
        if (found.class_id < 0 || !(found.score >= sg_head_threshold(options, found.class_id)))
            continue;
        found.box = (struct sg_box){box[0] * state->scale[0], box[1] * state->scale[1],
                                    box[2] * state->scale[0], box[3] * state->scale[1]};
        code = sg_head_push(out, &found, err);
    }
    return code;
}

const struct sg_head_ops sg_head_yolov4 = {
    .name = "yolov4",
    .summary = "YOLOv3/v4 exported decoded: box corners and objectness times class per anchor",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_STRIDES,
    .match = match,
    .state_bytes = sizeof(struct state),
    .init = init,
    .detect = detect,
};
