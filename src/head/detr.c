/* SPDX-License-Identifier: MIT
 * Set prediction with its post-processing in the graph (RT-DETR, D-FINE, DEIM): labels, boxes x1,y1,x2,y2,
 * scores. The pipeline feeds orig_target_sizes = the input's size, so boxes are input pixels. torchvision's
 * detectors (boxes, labels, scores without a batch axis, labels from 1) have the same three tensors, SSD of
 * the ONNX model zoo has them in 0..1. mmdeploy (mmdetection, mmyolo) writes the score as a fifth column of
 * the boxes. Masks beside them (Mask R-CNN, rank 4) are not read.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"

#include <stdio.h>
#include <string.h>

enum part { LABELS, BOXES, SCORES, PARTS };

struct state {
    int index[PARTS]; /* SCORES is -1 where they are the boxes' fifth column */
    int columns;      /* of the boxes */
    bool batched, masks;
    bool pixels; /* the graph was told the size; else each picture tells whether its boxes are shares of it */
    float size[2];
    int class_offset;
};

static bool whole(enum sg_dtype dtype)
{
    return dtype == SG_DTYPE_I64 || dtype == SG_DTYPE_I32;
}

static enum part part_of(const struct sg_tensor *output, int columns)
{
    if (whole(output->dtype))
        return LABELS;
    /* BxQ scores with Q = 4 would pass for flat boxes; no such model has 4 queries. */
    return output->rank >= 2 && output->dims[output->rank - 1] == columns ? BOXES : SCORES;
}

/* Which output is which, boxes being of so many columns. */
static bool assign(const struct sg_tensor *outputs, int count, int columns, struct state *state)
{
    int i, p;

    *state = (struct state){.columns = columns};
    for (p = 0; p < PARTS; p++)
        state->index[p] = -1;
    for (i = 0; i < count; i++) {
        enum part part = part_of(&outputs[i], columns);

        if (outputs[i].rank == 4) {
            state->masks = true;
            continue;
        }
        if (outputs[i].rank < 1 || outputs[i].rank > 3 || state->index[part] >= 0 ||
            !sg_tensor_readable(&outputs[i]))
            return false;
        state->index[part] = i;
    }
    return state->index[LABELS] >= 0 && state->index[BOXES] >= 0 &&
           (state->index[SCORES] < 0) == (columns == 5);
}

/* By element type and shape alone: names differ between exporters. */
static bool tell(const struct sg_tensor *outputs, int count, struct state *state)
{
    const struct sg_tensor *boxes;
    int p;

    if (!assign(outputs, count, 4, state) && !assign(outputs, count, 5, state))
        return false;
    boxes = &outputs[state->index[BOXES]];
    state->batched = boxes->rank == 3;
    for (p = 0; p < PARTS; p++) {
        const struct sg_tensor *part = state->index[p] < 0 ? boxes : &outputs[state->index[p]];

        if (part == boxes ? boxes->rank < 2
                          : part->rank != boxes->rank - 1 || part->dims[0] != boxes->dims[0] ||
                                (state->batched && part->dims[1] != boxes->dims[1]))
            return false;
    }
    return true;
}

static bool takes_size(const struct sg_signature *signature)
{
    int i;

    for (i = 0; i < signature->input_count; i++)
        if (sg_name_has(signature->inputs[i].name, "target_sizes"))
            return true;
    return false;
}

static void describe(const struct sg_tensor *outputs, const struct state *state, struct sg_head_guess *guess)
{
    const char *labels = outputs[state->index[LABELS]].name, *boxes = outputs[state->index[BOXES]].name;
    const char *masks = state->masks ? "; masks are not read" : "";

    if (state->columns == 5)
        snprintf(guess->evidence, sizeof(guess->evidence),
                 "\"%.64s\" and \"%.64s\" are labels and boxes with their score, finished: mmdeploy%s",
                 labels, boxes, masks);
    else
        snprintf(guess->evidence, sizeof(guess->evidence),
                 "\"%.40s\", \"%.40s\" and \"%.40s\" are labels, boxes and scores of a finished set%s%s",
                 labels, boxes, outputs[state->index[SCORES]].name,
                 state->pixels    ? "; input \"orig_target_sizes\""
                 : state->batched ? ""
                                  : "; no batch axis: torchvision, labels from 1",
                 masks);
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    static const float mean[3] = {103.53f, 116.28f, 123.675f}, std[3] = {57.375f, 57.12f, 58.395f};
    struct state state = {0};

    (void)spec;
    if (!tell(outputs, count, &state))
        return;
    state.pixels = takes_size(signature);
    guess->confidence = state.pixels ? 98 : 90;
    describe(outputs, &state, guess);
    if (state.columns == 5) {
        sg_guess_transform(guess, SG_CHANNELS_BGR, SG_FIT_LETTERBOX_TOPLEFT, mean, std, 114.0f,
                           "mmdetection, RTMDet: BGR, ImageNet's mean and std, top left on gray 114");
        snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                 "mmdetection's YOLOX has pixels as they are: `input: {mean: 0, std: 1}`; others `resize: "
                 "stretch`");
    } else {
        sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 255.0f, 0.0f,
                       "RT-DETR, D-FINE, DEIM, torchvision: RGB/255, stretched");
        if (!state.batched)
            snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                     "Faster and Mask R-CNN of the ONNX model zoo: `input: {color: bgr, mean: [102.98, "
                     "115.95, 122.77], "
                     "std: 1}`");
        else if (!state.pixels)
            snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                     "SSD of the ONNX model zoo counts classes from 1: `class_offset: 1`");
    }
    guess->threshold = 0.4f;
    guess->class_offset = state.batched || state.columns == 5 ? 0 : 1;
    sg_guess_classes(guess, sg_meta_class_count(signature));
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct state *state = opaque;

    if (!tell(outputs, count, state))
        return count > 0
                   ? sg_shape_error(
                         err, &outputs[0],
                         "whole-number labels BxQ, boxes BxQx4 and scores BxQ, or boxes BxQx5 (%d outputs)",
                         count)
                   : sg_count_check(err, "detr", count, PARTS);
    state->pixels = takes_size(signature);
    state->size[0] = (float)spec->input_width;
    state->size[1] = (float)spec->input_height;
    state->class_offset = spec->class_offset;
    return SG_OK;
}

static int check(const struct state *state, const struct sg_tensor *outputs, int count, int slice,
                 const struct sg_tensor **parts, struct sg_error *err)
{
    int p, rank = state->batched ? 3 : 2, code;
    const int64_t box_dims[3] = {-1, state->batched ? -1 : state->columns, state->columns};
    char expected[16];

    for (p = 0; p < PARTS; p++) {
        code = sg_count_check(err, "detr", count, state->index[p] + 1);
        if (code < 0)
            return code;
        parts[p] = &outputs[state->index[p] < 0 ? state->index[BOXES] : state->index[p]];
    }
    snprintf(expected, sizeof(expected), "%sQx%d", state->batched ? "Bx" : "", state->columns);
    code = sg_shape_check(err, parts[BOXES], slice, rank, box_dims, expected);
    if (code == SG_OK)
        code = sg_shape_check(err, parts[LABELS], slice, rank - 1, parts[BOXES]->dims, "one label per box");
    if (code == SG_OK && state->index[SCORES] >= 0)
        code = sg_shape_check(err, parts[SCORES], slice, rank - 1, parts[BOXES]->dims, "one score per box");
    return code;
}

/* No box that counts has all its corners within two pixels of the first. */
static bool is_normalised(const struct state *state, const float *boxes, int64_t rows)
{
    int64_t row;
    int c;

    for (row = 0; !state->pixels && row < rows; row++)
        for (c = 0; c < 4; c++)
            if (boxes[row * state->columns + c] > 2.0f)
                return false;
    return !state->pixels;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct sg_tensor *parts[PARTS];
    const float *views[PARTS];
    float scale[2] = {1.0f, 1.0f};
    int64_t rows, row;
    int slice = state->batched ? item : -1, code = check(state, outputs, count, slice, parts, err);

    if (code == SG_OK && !state->batched && item > 0)
        code = sg_shape_error(err, parts[BOXES], "a batch axis: the model takes one picture");
    if (code == SG_OK)
        code = sg_head_views(parts, PARTS, slice, out, 0, views, NULL, err);
    if (code != SG_OK)
        return code;
    rows = parts[BOXES]->dims[state->batched ? 1 : 0];
    if (is_normalised(state, views[BOXES], rows))
        memcpy(scale, state->size, sizeof(scale));
    for (row = 0; row < rows && code == SG_OK; row++) {
        const float *box = views[BOXES] + state->columns * row;
        struct sg_detection found = {
            .box = {box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]},
            .score = state->columns == 5 ? box[4] : views[SCORES][row],
            .row = row};

        if (sg_class_id(views[LABELS][row], state->class_offset, &found.class_id) &&
            found.score >= sg_head_threshold(options, found.class_id))
            code = sg_head_push(out, &found, err);
    }
    return code;
}

const struct sg_head_ops sg_head_detr = {
    .name = "detr",
    .summary = "RT-DETR, D-FINE, DEIM, torchvision, mmdeploy: labels, boxes x1,y1,x2,y2 and scores, finished",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET,
    .match = match,
    .state_bytes = sizeof(struct state),
    .init = init,
    .detect = detect,
};
