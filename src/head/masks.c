/* SPDX-License-Identifier: MIT
 * Outlines of masks; see masks.h.
 */
#include "head/masks.h"

#include "head/find.h"
#include "head/floats.h"
#include "head/outline.h"

#define MAX_PROTO_SIDE 4096
#define TOLERANCE      0.2f /* prototype pixels, i.e. most often 0.8 input pixels */

bool sg_masks_tell(const struct sg_tensor *outputs, int count, int *out_table, int *out_proto)
{
    int table = -1, proto = -1, i;

    for (i = 0; i < count; i++) {
        if (outputs[i].rank == 3 && table < 0)
            table = i;
        else if (outputs[i].rank == 4 && proto < 0)
            proto = i;
        else
            return false;
    }
    *out_table = table;
    *out_proto = proto;
    return count == 2 && table >= 0 && proto >= 0 && sg_tensor_readable(&outputs[proto]) &&
           outputs[proto].dims[1] >= 1 && outputs[proto].dims[1] <= SG_MASKS_MAX &&
           outputs[proto].dims[2] >= 1 && outputs[proto].dims[3] >= 1 &&
           outputs[proto].dims[2] <= MAX_PROTO_SIDE && outputs[proto].dims[3] <= MAX_PROTO_SIDE;
}

int sg_masks_prepare(struct sg_masks *masks, const struct sg_tensor *outputs, int proto,
                     const struct sg_head_spec *spec, struct sg_error *err)
{
    if (sg_input_sized(spec, err) < 0)
        return SG_E_MODEL;
    *masks = (struct sg_masks){
        .proto = proto,
        .count = (int)outputs[proto].dims[1],
        .input = {spec->input_width, spec->input_height},
        .threshold = sg_logit(spec->mask_threshold > 0.0f ? spec->mask_threshold : 0.5f),
    };
    return SG_OK;
}

/* Prototype pixels first..last whose centres lie within low..high (prototype units); false when there are
 * none. */
static bool cover(float low, float high, int side, int *out_first, int *out_last)
{
    float first = ceilf(low - 0.5f), last = floorf(high - 0.5f);

    *out_first = first < 0.0f ? 0 : (float)side < first ? side : (int)first;
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
static int trace(const struct sg_masks *masks, const struct sg_tensor *proto, const float *values,
                 const float *coefficients, struct sg_detections *detections, struct sg_detection *found,
                 float *field, void *scratch)
{
    struct crop crop = {.proto_width = (int)proto->dims[3], .proto_height = (int)proto->dims[2]};
    float scale_x = (float)masks->input[0] / (float)crop.proto_width;
    float scale_y = (float)masks->input[1] / (float)crop.proto_height;
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
    fill(&crop, values, coefficients, masks->count, field);
    count = sg_outline(field, crop.width, crop.height, masks->threshold, TOLERANCE, scratch, &outline);
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

int sg_masks_refine(const struct sg_masks *masks, const struct sg_tensor *outputs, int count, int item,
                    const struct sg_mask_table *table, struct sg_detections *detections, struct sg_error *err)
{
    const int64_t want[4] = {-1, masks->count, -1, -1};
    size_t field_bytes, trace_bytes;
    float coefficients[SG_MASKS_MAX];
    const struct sg_tensor *proto;
    const float *values;
    void *scratch;
    int code = sg_count_check(err, "masks", count, masks->proto + 1), i, m;

    if (code < 0)
        return code;
    proto = &outputs[masks->proto];
    code = sg_shape_check(err, proto, item, 4, want, "BxMxHxW with M = mask coefficients of the table");
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

        for (m = 0; m < masks->count; m++)
            coefficients[m] =
                sg_tensor_at(table->table, table->first + found->row * table->row_step + m * table->step);
        code = trace(masks, proto, values, coefficients, detections, found, scratch,
                     (char *)scratch + (field_bytes + 63) / 64 * 64);
        if (code < 0)
            sg_error_set(err, code, "no room for the outlines of masks");
    }
    return code;
}
