/* SPDX-License-Identifier: MIT
 * Tables with an objectness; see table.h. Sources: yolov5 `non_max_suppression`, YOLOX `demo_postprocess`.
 */
#include "head/table.h"

#include "head/find.h"
#include "head/floats.h"
#include "head/scan.h"

#include <stdio.h>

#define FIXED     5 /* columns before the classes */
#define MAX_TEXT  64
#define RAW_REACH 0.25f /* share of the input that a raw centre offset never reaches */

bool sg_table_look(const struct sg_tensor *output, const struct sg_head_spec *spec, struct sg_table_look *out)
{
    float least[FIXED - 1], most[FIXED - 1], low, high, width = (float)spec->input_width,
                                                        height = (float)spec->input_height, span = 0.0f;
    int64_t columns, rows, c;
    int i;

    *out = (struct sg_table_look){0};
    if (output->rank != 3 || output->dims[0] < 1 || output->dims[1] < 1 || output->dims[2] <= FIXED ||
        output->dims[2] > SG_HEAD_MAX_CLASSES || !sg_tensor_readable(output) || width <= 0 || height <= 0)
        return false;
    rows = output->dims[1];
    columns = output->dims[2];
    for (i = 0; i < FIXED - 1; i++) {
        sg_range(output, i, columns, rows, &least[i], &most[i]);
        span = most[i] > span ? most[i] : span;
    }
    out->normalised =
        span <= 1.5f && least[2] >= 0.0f && least[3] >= 0.0f && most[0] > 0.5f && most[1] > 0.5f;
    out->decoded =
        out->normalised || (least[2] >= 0.0f && least[3] >= 0.0f && most[0] > 0.5f * width &&
                            most[1] > 0.5f * height && most[0] < 2 * width && most[1] < 2 * height);
    /* exp(16) pixels per cell is more than any side */
    out->raw = !out->decoded && most[0] < RAW_REACH * width && most[1] < RAW_REACH * height &&
               most[2] < 16.0f && most[3] < 16.0f;
    out->scores = true;
    for (c = FIXED - 1; c < columns && out->scores; c++) {
        sg_range(output, c, columns, rows, &low, &high);
        out->scores = low >= -1e-3f && high <= 1.001f;
    }
    return true;
}

int sg_table_prepare(struct sg_table *state, const char *kind, int index, const struct sg_tensor *outputs,
                     int count, const struct sg_head_spec *spec, struct sg_error *err)
{
    const int64_t want[3] = {-1, -1, -1};
    struct sg_table_look look;
    int code = sg_count_check(err, kind, count, index + 1);

    if (code == SG_OK)
        code = sg_shape_check(err, &outputs[index], -1, 3, want, "1xNx(5+C)");
    if (code < 0)
        return code;
    if (outputs[index].dims[2] <= FIXED || outputs[index].dims[2] > SG_HEAD_MAX_CLASSES)
        return sg_shape_error(err, &outputs[index], "1xNx(5+C) with at least one class");
    sg_table_look(&outputs[index], spec, &look);
    state->output = index;
    state->classes = (int)outputs[index].dims[2] - FIXED;
    state->input[0] = spec->input_width;
    state->input[1] = spec->input_height;
    state->scale[0] = look.normalised ? (float)spec->input_width : 1.0f;
    state->scale[1] = look.normalised ? (float)spec->input_height : 1.0f;
    state->logits = spec->scores == SG_SCORES_LOGITS_SIGMOID;
    return SG_OK;
}

/* Cell of a row when the grids of all strides are laid end to end, each row-major. False past the last one.
 */
static bool cell(const struct sg_table *state, int64_t row, int *out_x, int *out_y, int *out_stride)
{
    int i;

    for (i = 0; i < state->stride_count; i++) {
        int64_t across = (state->input[0] + state->strides[i] - 1) / state->strides[i];
        int64_t cells = across * ((state->input[1] + state->strides[i] - 1) / state->strides[i]);

        if (row < cells) {
            *out_x = (int)(row % across);
            *out_y = (int)(row / across);
            *out_stride = state->strides[i];
            return true;
        }
        row -= cells;
    }
    return false;
}

static int push(const struct sg_table *state, const float *values, float score, int class_id, int64_t row,
                const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    float cx = values[0] * state->scale[0], cy = values[1] * state->scale[1];
    float width = values[2] * state->scale[0], height = values[3] * state->scale[1];
    struct sg_detection item = {.score = score, .class_id = class_id, .row = row};
    int x, y, stride;

    if (!(score >= sg_head_threshold(options, class_id)))
        return SG_OK;
    if (state->stride_count) {
        if (!cell(state, row, &x, &y, &stride))
            return SG_OK;
        cx = (values[0] + (float)x) * (float)stride;
        cy = (values[1] + (float)y) * (float)stride;
        width = expf(values[2]) * (float)stride;
        height = expf(values[3]) * (float)stride;
    }
    item.box = (struct sg_box){cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2};
    return sg_head_push(out, &item, err);
}

int sg_table_detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                    const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct sg_table *state = opaque;
    const int64_t want[3] = {-1, -1, FIXED + state->classes};
    float lowest = sg_head_lowest_threshold(options), floor = state->logits ? sg_logit(lowest) : lowest;
    const struct sg_tensor *output;
    char expected[MAX_TEXT];
    const float *values;
    int64_t row;
    int code = sg_count_check(err, "table", count, state->output + 1);

    if (code < 0)
        return code;
    output = &outputs[state->output];
    snprintf(expected, sizeof(expected), "BxNx%d", FIXED + state->classes);
    code = sg_shape_check(err, output, item, 3, want, expected);
    if (code == SG_OK && state->stride_count &&
        output->dims[1] !=
            sg_grid_cells(state->input[0], state->input[1], state->strides, state->stride_count))
        code = sg_shape_error(
            err, output, "a row for each of the %lld cells of a %dx%d input",
            (long long)sg_grid_cells(state->input[0], state->input[1], state->strides, state->stride_count),
            state->input[0], state->input[1]);
    if (code == SG_OK)
        code = sg_head_views(&output, 1, item, out, 0, &values, NULL, err);
    for (row = 0; code == SG_OK && row < output->dims[1]; row++, values += FIXED + state->classes) {
        float best, objectness = values[4];
        int class_id;

        if (!(objectness >= floor))
            continue;
        class_id = sg_scan_row(values + FIXED, state->classes, -INFINITY, &best);
        if (class_id < 0)
            continue;
        if (state->logits) {
            objectness = sg_sigmoid(objectness);
            best = sg_sigmoid(best);
        }
        code = push(state, values, objectness * best, class_id, row, options, out, err);
    }
    return code;
}
