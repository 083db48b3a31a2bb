/* SPDX-License-Identifier: MIT
 * YOLOv8-seg and kin: the YOLOv8 grid with M mask coefficients after the classes, and M prototypes of a
 * quarter of the input's size. A mask is sigmoid(coefficients . prototypes) cut to the box (ultralytics
 * `ops.process_mask`); what leaves here is the outline of its largest region.
 */
#include "head/yolov8.h"

#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/outline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOX_ROWS       4
#define MAX_MASKS      512
#define MAX_PROTO_SIDE 4096
#define TOLERANCE      0.2f /* prototype pixels, i.e. most often 0.8 input pixels */

/* Which output is the grid and which the prototypes, and M; false when the graph has no such pair. */
static bool tell(const struct sg_tensor *outputs, int count, int *out_grid, int *out_proto)
{
    int grid = -1, proto = -1, i;

    for (i = 0; i < count; i++) {
        if (outputs[i].rank == 3 && grid < 0)
            grid = i;
        else if (outputs[i].rank == 4 && proto < 0)
            proto = i;
        else
            return false;
    }
    *out_grid = grid;
    *out_proto = proto;
    return count == 2 && grid >= 0 && proto >= 0 && sg_tensor_readable(&outputs[proto]) &&
           outputs[proto].dims[1] >= 1 && outputs[proto].dims[1] <= MAX_MASKS &&
           outputs[proto].dims[2] >= 1 && outputs[proto].dims[3] >= 1 &&
           outputs[proto].dims[2] <= MAX_PROTO_SIDE && outputs[proto].dims[3] <= MAX_PROTO_SIDE;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    const char *task = sg_meta_task(signature);
    struct sg_yolov8_shape shape;
    bool stated = strcmp(task, "segment") == 0;
    int64_t classes, masks;
    int grid, proto;

    if ((task[0] && !stated) || !tell(outputs, count, &grid, &proto) ||
        !sg_yolov8_shape(&outputs[grid], spec, &shape))
        return;
    masks = outputs[proto].dims[1];
    classes = shape.rows - BOX_ROWS - masks;
    if (classes < 1 || !sg_yolov8_probabilities(&outputs[grid], &shape, BOX_ROWS, classes))
        return;
    guess->confidence = stated ? 98 : shape.known ? 92 : 60;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" is 1x%lldx%lld: 4 box rows, %lld class%s, %lld mask coefficients; \"%s\" holds as many "
             "prototypes of %lldx%lld",
             outputs[grid].name, (long long)outputs[grid].dims[1], (long long)outputs[grid].dims[2],
             (long long)classes, classes == 1 ? "" : "es", (long long)masks, outputs[proto].name,
             (long long)outputs[proto].dims[3], (long long)outputs[proto].dims[2]);
    sg_yolov8_conventions(signature, guess);
    sg_guess_classes(guess, (int)classes);
}

static int create(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, void **out_state, struct sg_error *err)
{
    struct sg_yolov8 *state = calloc(1, sizeof(*state));
    struct sg_yolov8_shape shape;
    float threshold = spec->mask_threshold > 0.0f ? spec->mask_threshold : 0.5f;
    int code = SG_OK;

    (void)signature;
    if (!state)
        return sg_error_set(err, SG_E_NOMEM, "out of memory");
    if (!tell(outputs, count, &state->output, &state->proto)) {
        code = sg_error_set(err, SG_E_MODEL,
                            "expected two outputs, a grid 1x(4+C+M)xN and prototypes 1xMxHxW; got %d", count);
    } else if (spec->input_width < 1 || spec->input_height < 1) {
        code = sg_error_set(err, SG_E_MODEL, "the size of the model's input is not known");
    } else {
        sg_yolov8_shape(&outputs[state->output], spec, &shape);
        state->extra = (int)outputs[state->proto].dims[1];
        state->classes = shape.rows > BOX_ROWS + state->extra ? (int)shape.rows - BOX_ROWS - state->extra : 0;
        state->mask_logit = sg_logit(threshold);
        state->input[0] = spec->input_width;
        state->input[1] = spec->input_height;
        code = sg_yolov8_prepare(state, outputs, count, spec, err);
    }
    if (code < 0) {
        free(state);
        return code;
    }
    *out_state = state;
    return SG_OK;
}

/* Prototype pixels first..last whose centres lie within low..high (prototype units); false when there are
 * none. */
static bool cover(float low, float high, int side, int *out_first, int *out_last)
{
    float first = ceilf(low - 0.5f), last = floorf(high - 0.5f);

    *out_first = first < 0.0f ? 0 : first > (float)side ? side : (int)first;
    *out_last = last > (float)(side - 1) ? side - 1 : last < -1.0f ? -1 : (int)last;
    return *out_first <= *out_last;
}

struct crop {
    int x, y, width, height; /* of the field, in prototype pixels, with the ring of one around */
    int proto_width, proto_height;
};

/* coefficients . prototypes over the crop; its outermost ring lies below every level. */
static void fill(const struct crop *crop, const float *proto, const float *coefficients, int masks,
                 float *field)
{
    int64_t plane = (int64_t)crop->proto_width * crop->proto_height;
    int m, x, y;

    for (x = 0; x < crop->width * crop->height; x++)
        field[x] = 0.0f;
    for (m = 0; m < masks; m++) {
        for (y = 1; y + 1 < crop->height; y++) {
            const float *restrict from =
                proto + m * plane + (int64_t)(crop->y + y) * crop->proto_width + crop->x;
            float *restrict to = field + (size_t)y * (size_t)crop->width;

            for (x = 1; x + 1 < crop->width; x++)
                to[x] += coefficients[m] * from[x];
        }
    }
    for (y = 0; y < crop->height; y++)
        for (x = 0; x < crop->width; x++)
            if (y == 0 || x == 0 || y + 1 == crop->height || x + 1 == crop->width)
                field[y * crop->width + x] = -INFINITY;
}

static float clamp(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

/* Outline of one mask, appended to the points. The ring is -INFINITY, so crossings there fall half a
 * prototype pixel outside the last pixel; the clamp puts them on the box's side. */
static int trace(const struct sg_yolov8 *state, const struct sg_tensor *proto, const float *values,
                 const float *coefficients, struct sg_detections *detections, struct sg_detection *found,
                 float *field, void *scratch)
{
    struct crop crop = {.proto_width = (int)proto->dims[3], .proto_height = (int)proto->dims[2]};
    float scale_x = (float)state->input[0] / (float)crop.proto_width;
    float scale_y = (float)state->input[1] / (float)crop.proto_height;
    const struct sg_box *box = &found->box;
    const struct sg_point *outline;
    int first_x, last_x, first_y, last_y, count, first, i;

    if (!cover(box->x1 / scale_x, box->x2 / scale_x, crop.proto_width, &first_x, &last_x) ||
        !cover(box->y1 / scale_y, box->y2 / scale_y, crop.proto_height, &first_y, &last_y))
        return SG_OK;
    crop.x = first_x - 1;
    crop.y = first_y - 1;
    crop.width = last_x - first_x + 3;
    crop.height = last_y - first_y + 3;
    fill(&crop, values, coefficients, state->extra, field);
    count = sg_outline(field, crop.width, crop.height, state->mask_logit, TOLERANCE, scratch, &outline);
    if (count < 3)
        return SG_OK;
    first = sg_detections_points(detections, count);
    if (first < 0)
        return first;
    for (i = 0; i < count; i++) {
        float x = ((float)crop.x + outline[i].x + 0.5f) * scale_x;
        float y = ((float)crop.y + outline[i].y + 0.5f) * scale_y;

        detections->points[first + i] =
            (struct sg_keypoint){clamp(x, box->x1, box->x2), clamp(y, box->y1, box->y2), -1.0f};
    }
    found->first_polygon = first;
    found->polygon_count = count;
    return SG_OK;
}

static int refine(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *detections,
                  struct sg_error *err)
{
    const struct sg_yolov8 *state = opaque;
    const struct sg_tensor *grid = &outputs[state->output], *proto;
    const int64_t want[4] = {-1, state->extra, -1, -1};
    size_t field_bytes, trace_bytes;
    float coefficients[MAX_MASKS];
    const float *values;
    void *scratch;
    int code = sg_count_check(err, "yolov8-seg", count, state->proto + 1), i, m;

    (void)options;
    if (code < 0)
        return code;
    proto = &outputs[state->proto];
    code = sg_shape_check(err, proto, item, 4, want, "BxMxHxW with M = mask coefficients of the grid");
    if (code == SG_OK && (proto->dims[2] < 1 || proto->dims[3] < 1 || proto->dims[2] > MAX_PROTO_SIDE ||
                          proto->dims[3] > MAX_PROTO_SIDE))
        code = sg_shape_error(err, proto, "BxMxHxW with sides of 1 to %d", MAX_PROTO_SIDE);
    if (code < 0 || detections->count == 0)
        return code;
    field_bytes = (size_t)(proto->dims[2] + 2) * (size_t)(proto->dims[3] + 2) * sizeof(float);
    trace_bytes = sg_outline_scratch((int)proto->dims[3] + 2, (int)proto->dims[2] + 2);
    code = sg_head_views(&proto, 1, item, detections, field_bytes + trace_bytes + 64, &values, &scratch, err);
    for (i = 0; i < detections->count && code == SG_OK; i++) {
        struct sg_detection *found = &detections->items[i];

        for (m = 0; m < state->extra; m++)
            coefficients[m] = sg_tensor_at(
                grid, sg_yolov8_index(state, grid, item, BOX_ROWS + state->classes + m, found->row));
        code = trace(state, proto, values, coefficients, detections, found, scratch,
                     (char *)scratch + (field_bytes + 63) / 64 * 64);
        if (code < 0)
            sg_error_set(err, code, "no room for the outlines of masks");
    }
    return code;
}

const struct sg_head_ops sg_head_yolov8_seg = {
    .name = "yolov8-seg",
    .summary = "YOLOv8/11 segmentation: the yolov8 grid with mask coefficients, and prototypes",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_STRIDES | SG_KEY_SCORES | SG_KEY_MASK_THRESHOLD,
    .match = match,
    .create = create,
    .destroy = free,
    .detect = sg_yolov8_detect,
    .refine = refine,
};
