/* SPDX-License-Identifier: MIT
 * YOLOv8, YOLO11, YOLO12 and other anchor-free grids with no objectness.
 */
#include "head/yolov8.h"

#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/scan.h"

#include <stdio.h>
#include <string.h>

#define BOX_ROWS    4
#define MAX_QUERIES 2000 /* of a set of boxes */

bool sg_yolov8_shape(const struct sg_tensor *output, const struct sg_head_spec *spec,
                     struct sg_yolov8_shape *out)
{
    float least[BOX_ROWS], most[BOX_ROWS], span = 0.0f;
    int64_t pitch, step;
    bool first_known, last_known;
    int i;

    *out = (struct sg_yolov8_shape){0};
    if (output->rank != 3 || output->dims[0] < 1 || !sg_tensor_readable(output))
        return false;
    first_known = sg_is_grid(spec, output->dims[1], 1);
    last_known = sg_is_grid(spec, output->dims[2], 1);
    out->rows_first = first_known != last_known
                          ? first_known
                          : output->dims[1] > output->dims[2]; /* more cells than rows */
    out->known = first_known || last_known;
    out->cells = output->dims[out->rows_first ? 1 : 2];
    out->rows = output->dims[out->rows_first ? 2 : 1];
    if (out->rows <= BOX_ROWS || out->rows > SG_HEAD_MAX_CLASSES || out->cells < 1)
        return false;
    pitch = out->rows_first ? 1 : out->cells;
    step = out->rows_first ? out->rows : 1;
    for (i = 0; i < BOX_ROWS; i++) {
        sg_range(output, i * pitch, step, out->cells, &least[i], &most[i]);
        span = most[i] > span ? most[i] : span;
    }
    out->normalised = span <= 1.5f;
    out->queries = out->rows_first && !out->known && out->normalised && span > 0.0f && least[2] >= 0.0f &&
                   least[3] >= 0.0f && out->cells <= MAX_QUERIES;
    /* Every cell's box lies near its cell: centres reach into the far half, sides are positive. */
    return least[2] >= 0.0f && least[3] >= 0.0f &&
           most[0] > 0.5f * (float)(out->normalised ? 1 : spec->input_width) &&
           most[1] > 0.5f * (float)(out->normalised ? 1 : spec->input_height) &&
           most[0] < 2.0f * (float)(out->normalised ? 1 : spec->input_width) &&
           most[1] < 2.0f * (float)(out->normalised ? 1 : spec->input_height) &&
           (spec->input_width > 0 && spec->input_height > 0);
}

bool sg_yolov8_probabilities(const struct sg_tensor *output, const struct sg_yolov8_shape *shape,
                             int64_t first, int64_t n)
{
    int64_t row;

    for (row = first; row < first + n; row++) {
        float least, most;

        if (shape->rows_first)
            sg_range(output, row, shape->rows, shape->cells, &least, &most);
        else
            sg_range(output, row * shape->cells, 1, shape->cells, &least, &most);
        if (!(least >= -1e-3f && most <= 1.001f))
            return false;
    }
    return true;
}

void sg_yolov8_conventions(const struct sg_signature *signature, struct sg_head_guess *guess)
{
    bool stated = sg_meta_task(signature)[0];

    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, 114.0f,
                   stated ? "Ultralytics export (metadata `task`): RGB/255, centred letterbox on gray 114"
                          : "YOLOv8 family: RGB/255, centred letterbox on gray 114");
    guess->threshold = 0.25f;
    guess->iou = 0.45f;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    const char *task = sg_meta_task(signature);
    struct sg_yolov8_shape shape;
    int64_t classes;
    int named;

    if (count != 1 || (task[0] && strcmp(task, "detect") != 0))
        return;
    if (!sg_yolov8_shape(&outputs[0], spec, &shape) && !shape.queries)
        return;
    if (shape.rows_first && sg_is_grid(spec, shape.cells, 3)) /* three anchors per cell: YOLOv5's table */
        return;
    classes = shape.rows - BOX_ROWS;
    named = sg_meta_class_count(signature);
    if (shape.queries && (!task[0] || named != classes))
        return;
    if (spec->scores != SG_SCORES_LOGITS_SIGMOID &&
        !sg_yolov8_probabilities(&outputs[0], &shape, BOX_ROWS, classes))
        return;
    guess->confidence = shape.known ? 85 : 40;
    if (task[0] && named == classes)
        guess->confidence = 97;
    else if (named == classes || spec->class_count == classes)
        guess->confidence += 5;
    else if ((named && named != classes) || (spec->class_count && spec->class_count != classes))
        guess->confidence -= 30;
    /* YOLOX tables with decoded boxes have the same look but for one column, the objectness. */
    if (shape.rows_first && guess->confidence < 90)
        guess->confidence -= classes == 80 ? 5 : classes == 81 ? 40 : 15;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" is 1x%lldx%lld: 4 box rows%s and %lld class%s without objectness, %s%s", outputs[0].name,
             (long long)outputs[0].dims[1], (long long)outputs[0].dims[2],
             shape.normalised ? " (0..1)" : " in input pixels", (long long)classes, classes == 1 ? "" : "es",
             shape.rows_first ? "one candidate per row" : "channels first",
             shape.known ? ", one column per grid cell" : "");
    if (shape.rows_first && !task[0])
        snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                 "if the first of the %lld scores is an objectness, set `head: yolox-decoded`",
                 (long long)classes);
    sg_yolov8_conventions(signature, guess);
    sg_guess_classes(guess, (int)classes);
    if (shape.queries) {
        sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 255.0f, 114.0f,
                       "RT-DETR of Ultralytics (boxes of a set, not of a grid): RGB/255, stretched");
        guess->iou = 0.0f;
    }
}

int sg_yolov8_prepare(struct sg_yolov8 *state, const struct sg_tensor *outputs, int count,
                      const struct sg_head_spec *spec, struct sg_error *err)
{
    const struct sg_tensor *output;
    struct sg_yolov8_shape shape;
    int64_t rows = BOX_ROWS + state->classes + state->extra;
    int code = sg_count_check(err, "yolov8", count, state->output + 1);

    if (code < 0)
        return code;
    output = &outputs[state->output];
    if (state->classes < 1)
        return sg_shape_error(err, output, "1x(4+C)xN with at least one class");
    if (output->rank != 3 || !sg_tensor_readable(output) ||
        (output->dims[1] != rows && output->dims[2] != rows))
        return sg_shape_error(err, output, "1x%lldxN or 1xNx%lld (4 box rows, %d classes, %d more)",
                              (long long)rows, (long long)rows, state->classes, state->extra);
    sg_yolov8_shape(output, spec, &shape);
    state->rows_first =
        output->dims[1] == rows && output->dims[2] == rows ? shape.rows_first : output->dims[1] != rows;
    state->logits = spec->scores == SG_SCORES_LOGITS_SIGMOID;
    state->scale[0] = shape.normalised && shape.cells ? (float)spec->input_width : 1.0f;
    state->scale[1] = shape.normalised && shape.cells ? (float)spec->input_height : 1.0f;
    return SG_OK;
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct sg_yolov8 *state = opaque;
    struct sg_yolov8_shape shape;
    int code;

    (void)signature;
    code = sg_count_check(err, "yolov8", count, 1);
    if (code == SG_OK) {
        /* The shape counts, not the labels: a label file with a line too many must not hide a model. */
        sg_yolov8_shape(&outputs[0], spec, &shape);
        state->classes = shape.rows > BOX_ROWS ? (int)shape.rows - BOX_ROWS : 0;
        code = sg_yolov8_prepare(state, outputs, count, spec, err);
    }
    return code;
}

static int push(const struct sg_yolov8 *state, const struct sg_head_options *options, const float *box,
                int64_t pitch, float score, int class_id, int64_t row, struct sg_detections *out,
                struct sg_error *err)
{
    float cx = box[0] * state->scale[0], cy = box[pitch] * state->scale[1];
    float half_width = box[2 * pitch] * state->scale[0] * 0.5f;
    float half_height = box[3 * pitch] * state->scale[1] * 0.5f;
    struct sg_detection item = {
        .box = {cx - half_width, cy - half_height, cx + half_width, cy + half_height},
        .score = state->logits ? sg_sigmoid(score) : score,
        .class_id = class_id,
        .row = row,
    };

    if (!(item.score >= sg_head_threshold(options, class_id)))
        return SG_OK;
    return sg_head_push(out, &item, err);
}

static int detect_columns(const struct sg_yolov8 *state, const float *grid, int64_t cells, float floor,
                          const struct sg_head_options *options, struct sg_detections *out,
                          struct sg_error *err)
{
    float best[SG_SCAN_TILE];
    int32_t classes[SG_SCAN_TILE];
    int64_t first;
    int code = SG_OK;

    for (first = 0; first < cells && code == SG_OK; first += SG_SCAN_TILE) {
        int n = cells - first < SG_SCAN_TILE ? (int)(cells - first) : SG_SCAN_TILE, i;

        sg_scan_columns(grid + BOX_ROWS * cells + first, cells, n, state->classes, best, classes);
        for (i = 0; i < n && code == SG_OK; i++)
            if (best[i] >= floor)
                code =
                    push(state, options, grid + first + i, cells, best[i], classes[i], first + i, out, err);
    }
    return code;
}

static int detect_rows(const struct sg_yolov8 *state, const float *grid, int64_t cells, float floor,
                       const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    int64_t width = BOX_ROWS + state->classes + state->extra, row;
    int code = SG_OK;

    for (row = 0; row < cells && code == SG_OK; row++, grid += width) {
        float best;
        int class_id = sg_scan_row(grid + BOX_ROWS, state->classes, floor, &best);

        if (class_id >= 0)
            code = push(state, options, grid, 1, best, class_id, row, out, err);
    }
    return code;
}

int sg_yolov8_detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                     const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct sg_yolov8 *state = opaque;
    float floor = sg_head_lowest_threshold(options);
    const struct sg_tensor *output;
    int64_t want[3] = {-1, -1, -1};
    const float *grid;
    char expected[48];
    int code = sg_count_check(err, "yolov8", count, state->output + 1);

    if (code < 0)
        return code;
    output = &outputs[state->output];
    want[state->rows_first ? 2 : 1] = BOX_ROWS + state->classes + state->extra;
    snprintf(expected, sizeof(expected), state->rows_first ? "BxNx%lld" : "Bx%lldxN",
             (long long)want[state->rows_first ? 2 : 1]);
    code = sg_shape_check(err, output, item, 3, want, expected);
    if (code < 0)
        return code;
    code = sg_head_views(&output, 1, item, out, 0, &grid, NULL, err);
    if (code < 0)
        return code;
    if (state->logits)
        floor = sg_logit(floor);
    return state->rows_first ? detect_rows(state, grid, output->dims[1], floor, options, out, err)
                             : detect_columns(state, grid, output->dims[2], floor, options, out, err);
}

int64_t sg_yolov8_index(const struct sg_yolov8 *state, const struct sg_tensor *output, int item, int64_t row,
                        int64_t cell)
{
    int64_t base = item * output->dims[1] * output->dims[2];

    return base + (state->rows_first ? cell * output->dims[2] + row : row * output->dims[2] + cell);
}

const struct sg_head_ops sg_head_yolov8 = {
    .name = "yolov8",
    .summary = "YOLOv8/11/12 and kin: 4 box rows and C class scores per grid cell, no objectness",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_STRIDES | SG_KEY_SCORES,
    .match = match,
    .state_bytes = sizeof(struct sg_yolov8),
    .init = init,
    .detect = sg_yolov8_detect,
};
