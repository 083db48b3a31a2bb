/* SPDX-License-Identifier: MIT
 * YOLO cut before its decode: one output per stride, 1 x A x H x W x (5+C) or 1 x A(5+C) x H x W (PyTorch,
 * darknet) or 1 x H x W x A x (5+C) or 1 x H x W x A(5+C) (TensorFlow). With s = sigmoid(t):
 *
 * YOLOv5 and v7 (yolov5 `Detect.forward`): x = (2s - 0.5 + cell) * stride, w = (2s)^2 * anchor.
 *
 * YOLOv3 (darknet `get_yolo_box`): x = (s + cell) * stride, w = exp(t) * anchor.
 *
 * YOLOv4 (k is its cfg's scale_x_y): x = (k s - (k - 1) / 2 + cell) * stride, w = exp(t) * anchor.
 *
 * The first two look the same; only a card can say `head: yolov3-grid`. TensorFlow's YOLOv4 is known by its
 * scores, which are probabilities already. Some of its exports have decoded the boxes too: each lies at its
 * own cell then.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/scan.h"

#include <stdio.h>
#include <string.h>

#define MAX_LEVELS 5
#define FIXED      5
#define NEAR_CELL  1.5f /* how far from its cell's middle, in cells, a decoded centre may be */

enum formula { YOLOV5, YOLOV3, YOLOV4 };
static const char *const kinds[] = {"yolov5-grid", "yolov3-grid", "yolov4-grid"};

enum layout { ANCHORS_FIRST, CHANNELS_FIRST, ANCHORS_LAST, LAYOUTS };

/* models/yolov5s.yaml of the YOLOv5 repository and cfg/yolov3.cfg of darknet alike, cfg/yolov4.cfg: strides
 * 8, 16, 32
 */
static const float usual_anchors[] = {10, 13, 16,  30,  33, 23,  30,  61,  62,
                                      45, 59, 119, 116, 90, 156, 198, 373, 326};
static const float yolov4_anchors[] = {12, 16, 19,  36,  40,  28,  36,  75,  76,
                                       55, 72, 146, 142, 110, 192, 243, 459, 401};
/* scale_x_y of cfg/yolov4.cfg by level; cfg/yolov4-tiny.cfg has the last one for both of its levels */
static const float yolov4_scales[] = {1.2f, 1.1f, 1.05f};

struct level {
    int output, width, height, stride;
};

struct state {
    int level_count, classes, anchors_each, rank;
    enum formula formula;
    enum layout layout;
    bool probabilities; /* objectness and classes are no logits */
    bool decoded;       /* boxes are centre and size in input pixels */
    struct level levels[MAX_LEVELS];
    float anchors[SG_HEAD_MAX_ANCHORS * 2];
};

/* Sizes of a level in a layout; classes from the whole number of anchors. */
static bool read_level(const struct sg_tensor *output, enum layout layout, int anchors_each,
                       struct level *level, int *out_classes)
{
    const int64_t *dims = output->dims;
    int rows = layout == ANCHORS_LAST ? 1 : 2; /* where height and width stand */
    int anchors = layout == ANCHORS_LAST ? 3 : 1;
    int64_t width, height, columns;

    if (output->rank == 5 && layout != CHANNELS_FIRST && dims[anchors] == anchors_each)
        columns = dims[4];
    else if (output->rank == 4 && layout != ANCHORS_FIRST && dims[anchors] % anchors_each == 0)
        columns = dims[anchors] / anchors_each;
    else
        return false;
    height = dims[rows];
    width = dims[rows + 1];
    if (dims[0] < 1 || width < 1 || height < 1 || width > 1 << 16 || height > 1 << 16 || columns <= FIXED ||
        columns > SG_HEAD_MAX_CLASSES || !sg_tensor_readable(output))
        return false;
    level->width = (int)width;
    level->height = (int)height;
    *out_classes = (int)columns - FIXED;
    return true;
}

/* Orders levels by stride, small first. False when the outputs are no such set. */
static bool read_levels(const struct sg_tensor *outputs, const struct sg_head_spec *spec, enum layout layout,
                        struct state *state)
{
    int i, k;

    for (i = 0; i < state->level_count; i++) {
        struct level level = {.output = i};
        int classes;

        if (!read_level(&outputs[i], layout, state->anchors_each, &level, &classes) ||
            (i > 0 && (classes != state->classes || outputs[i].rank != state->rank)))
            return false;
        level.stride = spec->input_width / level.width;
        /* Exact division on both sides is what makes four or five ranks a grid. */
        if (level.stride < 2 || level.stride * level.width != spec->input_width ||
            level.stride * level.height != spec->input_height)
            return false;
        state->classes = classes;
        state->rank = outputs[i].rank;
        for (k = i; k > 0 && state->levels[k - 1].stride > level.stride; k--)
            state->levels[k] = state->levels[k - 1];
        state->levels[k] = level;
    }
    state->layout = layout;
    return true;
}

/* Only TensorFlow's exports end in a sigmoid: elsewhere the card must say so. */
static bool are_probabilities(const struct sg_tensor *outputs, const struct sg_head_spec *spec,
                              const struct state *state)
{
    int64_t columns = FIXED + state->classes, c;
    float least, most;
    int i;

    if (spec->scores != SG_SCORES_DECIDE)
        return spec->scores == SG_SCORES_PROBABILITY;
    if (state->layout != ANCHORS_LAST)
        return false;
    for (i = 0; i < state->level_count; i++)
        for (c = 4; c < columns; c++) {
            sg_range(&outputs[i], c, columns, sg_tensor_count(&outputs[i]) / columns, &least, &most);
            if (least < 0.0f || most > 1.0f)
                return false;
        }
    return true;
}

/* A logit is a few units, a decoded centre as far from 0 as its cell; only a lone cell could not tell. */
static bool are_decoded(const struct sg_tensor *outputs, const struct state *state)
{
    int64_t columns = FIXED + state->classes, row;
    int i;

    for (i = 0; i < state->level_count; i++) {
        const struct level *level = &state->levels[i];

        for (row = 0; row < (int64_t)level->width * level->height * state->anchors_each; row++) {
            int64_t cell = row / state->anchors_each, column = cell % level->width,
                    line = cell / level->width;
            float x = sg_tensor_at(&outputs[level->output], row * columns) / (float)level->stride;
            float y = sg_tensor_at(&outputs[level->output], row * columns + 1) / (float)level->stride;

            if (!(fabsf(x - (float)column - 0.5f) <= NEAR_CELL && fabsf(y - (float)line - 0.5f) <= NEAR_CELL))
                return false;
        }
    }
    return true;
}

static bool prepare(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                    enum formula formula, struct state *state)
{
    const float *anchors = spec->anchor_count > 0 ? spec->anchors
                           : formula == YOLOV4    ? yolov4_anchors
                                                  : usual_anchors;
    int pairs = spec->anchor_count > 0 ? spec->anchor_count : 9, layout;

    *state = (struct state){.level_count = count, .formula = formula};
    if (count < 2 || count > MAX_LEVELS || pairs % count != 0 || (!spec->anchor_count && count != 3) ||
        pairs > SG_HEAD_MAX_ANCHORS || spec->input_width < 1)
        return false;
    state->anchors_each = pairs / count;
    for (layout = 0; layout < LAYOUTS; layout++)
        if (read_levels(outputs, spec, (enum layout)layout, state))
            break;
    if (layout == LAYOUTS)
        return false;
    state->probabilities = are_probabilities(outputs, spec, state);
    state->decoded = state->probabilities && state->layout == ANCHORS_LAST && are_decoded(outputs, state);
    memcpy(state->anchors, anchors, 2 * (size_t)pairs * sizeof(*anchors));
    return true;
}

/* What the grids say of themselves; the families add their conventions. */
static bool look(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                 enum formula formula, struct state *state, struct sg_head_guess *guess)
{
    int i;

    if (!prepare(outputs, count, spec, formula, state))
        return false;
    for (i = 1; i < count; i++)
        if (state->levels[i].stride != 2 * state->levels[i - 1].stride)
            return false;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "%d outputs are grids of strides %d to %d with %d anchors of 4 box values%s, objectness and %d "
             "class%s%s",
             count, state->levels[0].stride, state->levels[count - 1].stride, state->anchors_each,
             state->decoded ? " in input pixels" : "", state->classes, state->classes == 1 ? "" : "es",
             state->probabilities ? " as probabilities" : "");
    guess->threshold = 0.25f;
    guess->iou = 0.45f;
    sg_guess_classes(guess, state->classes);
    return true;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct state state;

    (void)signature;
    if (!look(outputs, count, spec, YOLOV5, &state, guess) ||
        (state.layout == ANCHORS_LAST && !spec->kind[0]))
        return;
    guess->confidence = state.layout == ANCHORS_FIRST ? 80 : 60;
    snprintf(guess->ambiguity, sizeof(guess->ambiguity),
             spec->anchor_count
                 ? "darknet's YOLOv3 and v4 look the same: `head: yolov3-grid`, `head: yolov4-grid`"
                 : "the anchors are not in the graph: YOLOv5's are assumed, `anchors:` gives others; "
                   "`head: yolov3-grid` or `yolov4-grid` for darknet's");
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, 114.0f,
                   "YOLOv5 family: RGB/255, centred letterbox on gray 114");
}

static int init_grid(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                     enum formula formula, void *opaque, struct sg_error *err)
{
    struct state *state = opaque;

    if (!prepare(outputs, count, spec, formula, state)) {
        if (count < 1)
            return sg_count_check(err, kinds[formula], count, 3);
        return sg_shape_error(err, &outputs[0],
                              "one grid per stride, 1xAxHxWx(5+C), 1xA(5+C)xHxW or 1xHxWxAx(5+C) (A anchors "
                              "per cell; %d outputs, input %dx%d)",
                              count, spec->input_width, spec->input_height);
    }
    return SG_OK;
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init_grid(outputs, count, spec, YOLOV5, opaque, err);
}

struct walk {
    const struct state *state;
    const struct sg_head_options *options;
    struct sg_detections *out;
    struct sg_error *err;
    float floor; /* of the objectness as the graph has it */
};

/* The centre's offset from the cell's corner, in cells. */
static float offset(const struct state *state, int index, float t)
{
    float scale = state->formula == YOLOV5   ? 2.0f
                  : state->formula == YOLOV3 ? 1.0f
                                             : yolov4_scales[state->level_count == 3 ? index : 2];

    return scale * sg_sigmoid(t) - (scale - 1) / 2;
}

static float side(const struct state *state, float anchor, float t)
{
    float half = sg_sigmoid(t);

    return state->formula == YOLOV5 ? 4 * half * half * anchor : expf(t) * anchor;
}

static struct sg_box box_of(const struct state *state, int index, const float *anchor, const float *values,
                            int64_t pitch, int x, int y)
{
    float stride = (float)state->levels[index].stride;
    float cx = values[0], cy = values[pitch], width = values[2 * pitch], height = values[3 * pitch];

    if (!state->decoded) {
        cx = (offset(state, index, cx) + (float)x) * stride;
        cy = (offset(state, index, cy) + (float)y) * stride;
        width = side(state, anchor[0], width);
        height = side(state, anchor[1], height);
    }
    return (struct sg_box){cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2};
}

/* One anchor of one cell; its values lie pitch apart. */
static int take(const struct walk *walk, int index, const float *anchor, const float *values, int64_t pitch,
                int64_t cell, int64_t row)
{
    const struct state *state = walk->state;
    int width = state->levels[index].width, c;
    struct sg_detection item = {.class_id = -1, .row = row};
    float best = -INFINITY;

    for (c = 0; c < state->classes; c++) {
        float score = values[(FIXED + c) * pitch];

        if (score > best) {
            best = score;
            item.class_id = c;
        }
    }
    if (item.class_id < 0)
        return SG_OK;
    item.score =
        state->probabilities ? values[4 * pitch] * best : sg_sigmoid(values[4 * pitch]) * sg_sigmoid(best);
    if (!(item.score >= sg_head_threshold(walk->options, item.class_id)))
        return SG_OK;
    item.box = box_of(state, index, anchor, values, pitch, (int)(cell % width), (int)(cell / width));
    return sg_head_push(walk->out, &item, walk->err);
}

static int take_level(const struct walk *walk, int index, const float *grid, int64_t *row)
{
    const struct state *state = walk->state;
    const struct level *level = &state->levels[index];
    int64_t cells = (int64_t)level->width * level->height, columns = FIXED + state->classes, i;
    int64_t pitch = state->layout == CHANNELS_FIRST ? cells : 1;
    int a, code = SG_OK;

    for (a = 0; a < state->anchors_each; a++) {
        const float *anchor = &state->anchors[2 * (index * state->anchors_each + a)];

        for (i = 0; i < cells && code == SG_OK; i++, ++*row) {
            const float *values =
                grid + (state->layout == CHANNELS_FIRST ? a * columns * cells + i
                        : state->layout == ANCHORS_LAST ? (i * state->anchors_each + a) * columns
                                                        : (a * cells + i) * columns);

            if (values[4 * pitch] >= walk->floor)
                code = take(walk, index, anchor, values, pitch, i, *row);
        }
    }
    return code;
}

/* The shape that a level had at the start, of any batch. */
static void expected_shape(const struct state *state, const struct level *level, int64_t want[5])
{
    int64_t columns = FIXED + state->classes, each = state->anchors_each;
    int rows = state->layout == ANCHORS_LAST ? 1 : 2, anchors = state->layout == ANCHORS_LAST ? 3 : 1;

    want[0] = -1;
    want[rows] = level->height;
    want[rows + 1] = level->width;
    want[anchors] = state->rank == 5 ? each : each * columns;
    if (state->rank == 5)
        want[4] = columns;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct sg_tensor *list[MAX_LEVELS];
    const float *grids[MAX_LEVELS];
    float lowest = sg_head_lowest_threshold(options);
    struct walk walk = {state, options, out, err, state->probabilities ? lowest : sg_logit(lowest)};
    int64_t row = 0;
    int code = sg_count_check(err, kinds[state->formula], count, state->level_count), i;

    for (i = 0; code == SG_OK && i < state->level_count; i++) {
        int64_t want[5];
        char expected[64];

        expected_shape(state, &state->levels[i], want);
        sg_dims_text(want, state->rank, expected, sizeof(expected));
        list[i] = &outputs[state->levels[i].output];
        code = sg_shape_check(err, list[i], item, state->rank, want, expected);
    }
    if (code == SG_OK)
        code = sg_head_views(list, state->level_count, item, out, 0, grids, NULL, err);
    for (i = 0; code == SG_OK && i < state->level_count; i++)
        code = take_level(&walk, i, grids[i], &row);
    return code;
}

static void match_yolov3(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                         const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct state state;

    (void)signature;
    /* Nothing in the graph tells it from YOLOv5's: never by itself, and by name with the look of the grids.
     */
    if (strcmp(spec->kind, "yolov3-grid") != 0 || !look(outputs, count, spec, YOLOV3, &state, guess))
        return;
    guess->confidence = 80;
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 255.0f, 114.0f,
                   "darknet: RGB/255, stretched; `input: {resize: letterbox}` where cfg has letter_box=1");
}

static int init_yolov3(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                       const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init_grid(outputs, count, spec, YOLOV3, opaque, err);
}

static void match_yolov4(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                         const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct state state;
    bool tensorflow;

    (void)signature;
    if (!look(outputs, count, spec, YOLOV4, &state, guess))
        return;
    tensorflow = state.layout == ANCHORS_LAST && state.probabilities;
    if (!tensorflow && !spec->kind[0])
        return;
    guess->confidence = 80;
    if (!spec->anchor_count && !state.decoded)
        snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                 "the anchors are not in the graph: YOLOv4's are assumed, `anchors:` gives others; "
                 "`head: yolov3-grid` for YOLOv3");
    if (tensorflow)
        sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, 128.0f,
                       "YOLOv4 of the ONNX model zoo: RGB/255, centred letterbox on gray 128");
    else
        sg_guess_plain(
            guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 255.0f, 114.0f,
            "darknet: RGB/255, stretched; `input: {resize: letterbox}` where cfg has letter_box=1");
}

static int init_yolov4(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                       const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init_grid(outputs, count, spec, YOLOV4, opaque, err);
}

const struct sg_head_ops sg_head_yolov5_grid = {
    .name = "yolov5-grid",
    .summary = "YOLOv5/v7 cut before the decode: one grid of logits per stride, anchors from the card",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_ANCHORS | SG_KEY_SCORES,
    .match = match,
    .state_bytes = sizeof(struct state),
    .init = init,
    .detect = detect,
};

const struct sg_head_ops sg_head_yolov3_grid = {
    .name = "yolov3-grid",
    .summary = "darknet's YOLOv3 cut before the decode: as yolov5-grid with its own formula; never guessed",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_ANCHORS | SG_KEY_SCORES,
    .match = match_yolov3,
    .state_bytes = sizeof(struct state),
    .init = init_yolov3,
    .detect = detect,
};

const struct sg_head_ops sg_head_yolov4_grid = {
    .name = "yolov4-grid",
    .summary = "YOLOv4 cut before the decode: TensorFlow's (ONNX model zoo); darknet's when named",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_ANCHORS | SG_KEY_SCORES,
    .match = match_yolov4,
    .state_bytes = sizeof(struct state),
    .init = init_yolov4,
    .detect = detect,
};
