/* SPDX-License-Identifier: MIT
 * YOLOv2: one grid of stride 32, 1 x A(5+C) x H x W or 1 x H x W x A(5+C), all logits. darknet
 * `forward_region_layer` and `get_region_box`: x = (sigmoid(t) + cell) * 32, w = exp(t) * anchor * 32, score
 * = sigmoid(objectness) * softmax(classes). Azure Custom Vision, tiny YOLOv2 (ONNX model zoo, ML.NET) and
 * YOLOv2 for COCO are told by names and classes; their anchors are not in the graph.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"

#include <stdio.h>
#include <string.h>

#define STRIDE  32
#define ANCHORS 5
#define FIXED   5

/* In cells. cfg/yolov2-tiny-voc.cfg and cfg/yolov2.cfg of darknet; Custom Vision rounds the latter. */
static const float voc_anchors[] = {1.08f, 1.19f, 3.42f, 4.41f, 6.63f, 11.38f, 9.42f, 5.11f, 16.62f, 10.52f};
static const float coco_anchors[] = {0.57273f, 0.677385f, 1.87446f, 2.06253f, 3.33843f,
                                     5.47434f, 7.88282f,  3.52778f, 9.77052f, 9.16828f};

struct state {
    int width, height, anchor_count, classes;
    bool last;                              /* channels stand last */
    float anchors[SG_HEAD_MAX_ANCHORS * 2]; /* input pixels */
};

static bool is_custom(const struct sg_tensor *output)
{
    return sg_name_has(output->name, "model_outputs0");
}

static bool prepare(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                    struct state *state)
{
    int anchors = spec->anchor_count > 0 ? spec->anchor_count : ANCHORS, last, i;
    const float *usual;

    *state = (struct state){
        .anchor_count = anchors, .width = spec->input_width / STRIDE, .height = spec->input_height / STRIDE};
    if (count != 1 || state->width < 1 || state->height < 1 || spec->input_width % STRIDE ||
        spec->input_height % STRIDE || !sg_tensor_readable(&outputs[0]))
        return false;
    for (last = 0; last < 2; last++) {
        const int64_t nchw[4] = {-1, -1, state->height, state->width},
                      nhwc[4] = {-1, state->height, state->width, -1};
        int64_t columns;

        if (!sg_shape_is(&outputs[0], 4, last ? nhwc : nchw))
            continue;
        columns = outputs[0].dims[last ? 3 : 1];
        if (columns % anchors || columns / anchors <= FIXED || columns / anchors > SG_HEAD_MAX_CLASSES)
            continue;
        state->last = last;
        state->classes = (int)(columns / anchors) - FIXED;
        break;
    }
    /* Custom Vision has one set of anchors, whatever the number of tags. */
    usual = state->classes == 20 && !is_custom(&outputs[0]) ? voc_anchors : coco_anchors;
    for (i = 0; i < 2 * anchors; i++)
        state->anchors[i] = spec->anchor_count > 0 ? spec->anchors[i] : usual[i] * STRIDE;
    return state->classes > 0;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    const char *input = signature->input_count > 0 ? signature->inputs[0].name : "";
    bool custom, pixels;
    struct state state;

    if (!prepare(outputs, count, spec, &state))
        return;
    custom = is_custom(&outputs[0]);
    /* Feature maps of stride 32 are common, and 1280 channels would be five anchors as well. */
    if (!custom && !spec->kind[0] && spec->anchor_count == 0 && state.classes != 20 && state.classes != 80)
        return;
    pixels = custom || strcmp(input, "image") == 0;
    guess->confidence = custom ? 92 : 65;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%.64s\" is a grid of stride %d with %d anchors of 4 box values, objectness and %d class%s%s",
             outputs[0].name, STRIDE, state.anchor_count, state.classes, state.classes == 1 ? "" : "es",
             custom ? ", as Azure Custom Vision names it" : "");
    if (!spec->anchor_count && !custom)
        snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                 "the anchors are not in the graph: those of %s are assumed, `anchors:` (input pixels) gives "
                 "others",
                 state.classes == 20 ? "tiny YOLOv2 for VOC" : "YOLOv2 for COCO");
    if (custom)
        sg_guess_plain(guess, SG_CHANNELS_BGR, SG_FIT_STRETCH, 0.0f, 1.0f, 0.0f,
                       "Azure Custom Vision: BGR 0..255, stretched");
    else
        sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, pixels ? 1.0f : 255.0f, 0.0f,
                       pixels ? "input \"image\", as tiny YOLOv2 of the ONNX model zoo: RGB 0..255, stretched"
                              : "darknet: RGB/255, stretched");
    guess->threshold = 0.3f;
    guess->iou = SG_HEAD_USUAL_IOU;
    sg_guess_classes(guess, state.classes);
    if (state.classes == 20 && !custom)
        snprintf(guess->labels, sizeof(guess->labels), "voc20");
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct state *state = opaque;

    (void)signature;
    if (!prepare(outputs, count, spec, state)) {
        if (count < 1)
            return sg_count_check(err, "yolov2", count, 1);
        return sg_shape_error(err, &outputs[0], "one grid of stride %d, 1xA(5+C)x%dx%d (%d outputs)", STRIDE,
                              spec->input_height / STRIDE, spec->input_width / STRIDE, count);
    }
    return SG_OK;
}

/* softmax's largest: exp(0) over the sum; NaN, which passes no threshold, when any class is NaN */
static float best_class(const float *values, int64_t pitch, int classes, int *out_class)
{
    float best = -INFINITY, sum = 0.0f;
    int c;

    *out_class = -1;
    for (c = 0; c < classes; c++)
        if (values[c * pitch] > best) {
            best = values[c * pitch];
            *out_class = c;
        }
    for (c = 0; c < classes; c++)
        sum += expf(values[c * pitch] - best);
    return 1.0f / sum;
}

/* One anchor of one cell; its values lie pitch apart. */
static int take(const struct state *state, int anchor, int64_t cell, const float *values, int64_t pitch,
                const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    struct sg_detection item = {.row = anchor + cell * state->anchor_count};
    int64_t column = cell % state->width, line = cell / state->width;
    float width, height, x, y;

    item.score = sg_sigmoid(values[4 * pitch]) *
                 best_class(values + FIXED * pitch, pitch, state->classes, &item.class_id);
    if (item.class_id < 0 || !(item.score >= sg_head_threshold(options, item.class_id)))
        return SG_OK;
    x = (sg_sigmoid(values[0]) + (float)column) * STRIDE;
    y = (sg_sigmoid(values[pitch]) + (float)line) * STRIDE;
    width = expf(values[2 * pitch]) * state->anchors[2 * anchor];
    height = expf(values[3 * pitch]) * state->anchors[2 * anchor + 1];
    item.box = (struct sg_box){x - width / 2, y - height / 2, x + width / 2, y + height / 2};
    return sg_head_push(out, &item, err);
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct sg_tensor *list[1] = {&outputs[0]};
    int64_t columns = FIXED + state->classes, all = columns * state->anchor_count;
    int64_t cells = (int64_t)state->width * state->height, cell, pitch = state->last ? 1 : cells;
    const int64_t nchw[4] = {-1, all, state->height, state->width},
                  nhwc[4] = {-1, state->height, state->width, all};
    float floor = sg_logit(sg_head_lowest_threshold(options));
    const float *grid = NULL;
    char expected[64];
    int code = sg_count_check(err, "yolov2", count, 1), a;

    if (code < 0)
        return code;
    sg_dims_text(state->last ? nhwc : nchw, 4, expected, sizeof(expected));
    code = sg_shape_check(err, list[0], item, 4, state->last ? nhwc : nchw, expected);
    if (code == SG_OK)
        code = sg_head_views(list, 1, item, out, 0, &grid, NULL, err);
    for (a = 0; a < state->anchor_count; a++)
        for (cell = 0; cell < cells && code == SG_OK; cell++) {
            const float *values =
                grid + (state->last ? cell * all + a * columns : a * columns * cells + cell);

            if (values[4 * pitch] >= floor)
                code = take(state, a, cell, values, pitch, options, out, err);
        }
    return code;
}

const struct sg_head_ops sg_head_yolov2 = {
    .name = "yolov2",
    .summary = "YOLOv2 and tiny YOLOv2 (ML.NET, ONNX model zoo), Azure Custom Vision: one grid of logits",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_ANCHORS,
    .match = match,
    .state_bytes = sizeof(struct state),
    .init = init,
    .detect = detect,
};
