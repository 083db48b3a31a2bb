/* SPDX-License-Identifier: MIT
 * YOLOv5 and YOLOv7 cut before their decode: one output per stride, 1 x A x H x W x (5+C) or 1 x A(5+C) x H x
 * W, all logits. With s = sigmoid(t): x = (2s - 0.5 + cell) * stride, w = (2s)^2 * anchor (yolov5
 * `Detect.forward`). Darknet's YOLOv3 and v4 look the same and decode otherwise (darknet `get_yolo_box`):
 * x = (s + cell) * stride, w = exp(t) * anchor. Only a card can say so: `head: yolov3-grid`.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LEVELS 5
#define FIXED      5

/* models/yolov5s.yaml of the YOLOv5 repository and cfg/yolov3.cfg of darknet alike: strides 8, 16, 32 */
static const float usual_anchors[] = {10, 13, 16,  30,  33, 23,  30,  61,  62,
                                      45, 59, 119, 116, 90, 156, 198, 373, 326};

struct level {
    int output, width, height, stride;
};

struct state {
    int level_count, classes, anchors_each;
    bool channels; /* 1 x A(5+C) x H x W */
    bool darknet;  /* YOLOv3's formula */
    struct level levels[MAX_LEVELS];
    float anchors[SG_HEAD_MAX_ANCHORS * 2];
};

/* Sizes of a level, whatever its layout; classes from the whole number of anchors. */
static bool read_level(const struct sg_tensor *output, int anchors_each, struct level *level,
                       int *out_classes, bool *out_channels)
{
    int64_t width, height, columns;

    if (output->rank == 5 && output->dims[1] == anchors_each) {
        height = output->dims[2];
        width = output->dims[3];
        columns = output->dims[4];
    } else if (output->rank == 4 && output->dims[1] % anchors_each == 0) {
        columns = output->dims[1] / anchors_each;
        height = output->dims[2];
        width = output->dims[3];
    } else {
        return false;
    }
    if (output->dims[0] < 1 || width < 1 || height < 1 || width > 1 << 16 || height > 1 << 16 ||
        columns <= FIXED || columns > SG_HEAD_MAX_CLASSES || !sg_tensor_readable(output))
        return false;
    level->width = (int)width;
    level->height = (int)height;
    *out_classes = (int)columns - FIXED;
    *out_channels = output->rank == 4;
    return true;
}

/* Orders levels by stride, small first, and gives each its anchors. False when the outputs are no such set.
 */
static bool prepare(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                    struct state *state)
{
    int pairs = spec->anchor_count > 0 ? spec->anchor_count : 9, i, k;

    *state = (struct state){.level_count = count};
    if (count < 2 || count > MAX_LEVELS || pairs % count != 0 || (!spec->anchor_count && count != 3) ||
        pairs > SG_HEAD_MAX_ANCHORS || spec->input_width < 1)
        return false;
    state->anchors_each = pairs / count;
    for (i = 0; i < count; i++) {
        struct level level = {.output = i};
        int classes;
        bool channels;

        if (!read_level(&outputs[i], state->anchors_each, &level, &classes, &channels) ||
            (i > 0 && (classes != state->classes || channels != state->channels)))
            return false;
        level.stride = spec->input_width / level.width;
        /* Exact division on both sides is what makes four or five ranks a grid. */
        if (level.stride < 2 || level.stride * level.width != spec->input_width ||
            level.stride * level.height != spec->input_height)
            return false;
        state->classes = classes;
        state->channels = channels;
        for (k = i; k > 0 && state->levels[k - 1].stride > level.stride; k--)
            state->levels[k] = state->levels[k - 1];
        state->levels[k] = level;
    }
    for (i = 0; i < pairs * 2; i++)
        state->anchors[i] = spec->anchor_count > 0 ? spec->anchors[i] : usual_anchors[i];
    return true;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct state state;
    int i;

    (void)signature;
    if (!prepare(outputs, count, spec, &state))
        return;
    for (i = 1; i < count; i++)
        if (state.levels[i].stride != 2 * state.levels[i - 1].stride)
            return;
    guess->confidence = state.channels ? 60 : 80;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "%d outputs are grids of strides %d to %d with %d anchors of 4 box values, objectness and %d "
             "classes",
             count, state.levels[0].stride, state.levels[count - 1].stride, state.anchors_each,
             state.classes);
    snprintf(guess->ambiguity, sizeof(guess->ambiguity),
             spec->anchor_count
                 ? "darknet's YOLOv3 and v4 look the same: `head: yolov3-grid`"
                 : "the anchors are not in the graph: YOLOv5's are assumed, `anchors:` gives others; "
                   "`head: yolov3-grid` for darknet's YOLOv3 and v4");
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, 114.0f,
                   "YOLOv5 family: RGB/255, centred letterbox on gray 114");
    guess->threshold = 0.25f;
    guess->iou = 0.45f;
    sg_guess_classes(guess, state.classes);
}

static int create(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, void **out_state, struct sg_error *err)
{
    struct state *state = calloc(1, sizeof(*state));

    (void)signature;
    if (!state)
        return sg_error_set(err, SG_E_NOMEM, "out of memory");
    if (!prepare(outputs, count, spec, state)) {
        free(state);
        if (count < 1)
            return sg_count_check(err, "yolov5-grid", count, 3);
        return sg_shape_error(err, &outputs[0],
                              "one grid per stride, 1xAxHxWx(5+C) or 1xA(5+C)xHxW (A anchors per cell; %d "
                              "outputs, input %dx%d)",
                              count, spec->input_width, spec->input_height);
    }
    *out_state = state;
    return SG_OK;
}

struct walk {
    const struct state *state;
    const struct sg_head_options *options;
    struct sg_detections *out;
    struct sg_error *err;
    float floor; /* in logits */
};

/* One anchor of one cell; its values lie pitch apart. */
static int take(const struct walk *walk, const struct level *level, const float *anchor, const float *values,
                int64_t pitch, int x, int y, int64_t row)
{
    float best = -INFINITY, cx, cy, width, height;
    struct sg_detection item = {.class_id = -1, .row = row};
    int c;

    for (c = 0; c < walk->state->classes; c++) {
        float score = values[(FIXED + c) * pitch];

        if (score > best) {
            best = score;
            item.class_id = c;
        }
    }
    if (item.class_id < 0)
        return SG_OK;
    item.score = sg_sigmoid(values[4 * pitch]) * sg_sigmoid(best);
    if (!(item.score >= sg_head_threshold(walk->options, item.class_id)))
        return SG_OK;
    if (walk->state->darknet) {
        cx = (sg_sigmoid(values[0]) + (float)x) * (float)level->stride;
        cy = (sg_sigmoid(values[pitch]) + (float)y) * (float)level->stride;
        width = expf(values[2 * pitch]) * anchor[0];
        height = expf(values[3 * pitch]) * anchor[1];
    } else {
        cx = (2 * sg_sigmoid(values[0]) - 0.5f + (float)x) * (float)level->stride;
        cy = (2 * sg_sigmoid(values[pitch]) - 0.5f + (float)y) * (float)level->stride;
        width = 2 * sg_sigmoid(values[2 * pitch]);
        height = 2 * sg_sigmoid(values[3 * pitch]);
        width *= width * anchor[0];
        height *= height * anchor[1];
    }
    item.box = (struct sg_box){cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2};
    return sg_head_push(walk->out, &item, walk->err);
}

static int take_level(const struct walk *walk, int index, const float *grid, int64_t *row)
{
    const struct level *level = &walk->state->levels[index];
    int64_t cells = (int64_t)level->width * level->height, columns = FIXED + walk->state->classes, i;
    int a, code = SG_OK;

    for (a = 0; a < walk->state->anchors_each; a++) {
        const float *anchor = &walk->state->anchors[2 * (index * walk->state->anchors_each + a)];

        for (i = 0; i < cells && code == SG_OK; i++, ++*row) {
            const float *values =
                grid + (walk->state->channels ? a * columns * cells + i : (a * cells + i) * columns);
            int64_t pitch = walk->state->channels ? cells : 1;

            if (values[4 * pitch] >= walk->floor)
                code = take(walk, level, anchor, values, pitch, (int)(i % level->width),
                            (int)(i / level->width), *row);
        }
    }
    return code;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct sg_tensor *list[MAX_LEVELS];
    const float *grids[MAX_LEVELS];
    struct walk walk = {state, options, out, err, sg_logit(sg_head_lowest_threshold(options))};
    int64_t row = 0;
    int code = sg_count_check(err, "yolov5-grid", count, state->level_count), i;

    for (i = 0; code == SG_OK && i < state->level_count; i++) {
        const struct level *level = &state->levels[i];
        int64_t columns = FIXED + state->classes;
        const int64_t want5[5] = {-1, state->anchors_each, level->height, level->width, columns};
        const int64_t want4[4] = {-1, state->anchors_each * columns, level->height, level->width};
        char expected[64];

        sg_dims_text(state->channels ? want4 : want5, state->channels ? 4 : 5, expected, sizeof(expected));
        list[i] = &outputs[level->output];
        code = sg_shape_check(err, list[i], item, state->channels ? 4 : 5, state->channels ? want4 : want5,
                              expected);
    }
    if (code == SG_OK)
        code = sg_head_views(list, state->level_count, item, out, 0, grids, NULL, err);
    for (i = 0; code == SG_OK && i < state->level_count; i++)
        code = take_level(&walk, i, grids[i], &row);
    return code;
}

static void match_darknet(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                          const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    /* Nothing in the graph tells them apart: never by itself, and by name with the look of the grids. */
    if (strcmp(spec->kind, "yolov3-grid") != 0)
        return;
    match(signature, outputs, count, spec, guess);
    guess->ambiguity[0] = '\0';
    guess->transform.fit = SG_FIT_STRETCH;
    snprintf(guess->transform_evidence, sizeof(guess->transform_evidence),
             "darknet: RGB/255, stretched; `input: {resize: letterbox}` where cfg has letter_box=1");
}

static int create_darknet(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                          const struct sg_head_spec *spec, void **out_state, struct sg_error *err)
{
    int code = create(signature, outputs, count, spec, out_state, err);

    if (code == SG_OK)
        ((struct state *)*out_state)->darknet = true;
    return code;
}

const struct sg_head_ops sg_head_yolov5_grid = {
    .name = "yolov5-grid",
    .summary = "YOLOv5/v7 cut before the decode: one grid of logits per stride, anchors from the card",
    .task = SG_TASK_DETECT,
    .match = match,
    .create = create,
    .destroy = free,
    .detect = detect,
};

const struct sg_head_ops sg_head_yolov3_grid = {
    .name = "yolov3-grid",
    .summary =
        "darknet's YOLOv3/v4 cut before the decode: as yolov5-grid with its own formula; never guessed",
    .task = SG_TASK_DETECT,
    .match = match_darknet,
    .create = create_darknet,
    .destroy = free,
    .detect = detect,
};
