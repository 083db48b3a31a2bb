/* SPDX-License-Identifier: MIT
 * Outputs per stride; see levels.h.
 */
#include "head/levels.h"

#include "head/find.h"
#include "head/floats.h"

#include <string.h>

int sg_levels_make(struct sg_level *levels, const struct sg_head_spec *spec, const int *strides, int count,
                   int per_cell, struct sg_error *err)
{
    int i;

    if (sg_input_sized(spec, err) < 0)
        return SG_E_MODEL;
    for (i = 0; i < count; i++) {
        int stride = strides[i];

        if (stride < 1 || per_cell < 1)
            return sg_error_set(err, SG_E_MODEL, "strides: %d is below 1", stride);
        levels[i] = (struct sg_level){.stride = stride,
                                      .columns = (spec->input_width + stride - 1) / stride,
                                      .rows = (spec->input_height + stride - 1) / stride,
                                      .per_cell = per_cell};
        levels[i].count = (int64_t)levels[i].columns * levels[i].rows * per_cell;
    }
    return SG_OK;
}

static bool fits(const struct sg_tensor *tensor, int64_t rows, int64_t channels)
{
    const int64_t *dims = tensor->dims;

    if (!sg_tensor_readable(tensor) || tensor->rank < 2 || tensor->rank > 3)
        return false;
    return dims[tensor->rank - 2] == rows && dims[tensor->rank - 1] == channels;
}

int sg_level_find(const struct sg_tensor *outputs, int count, int64_t rows, int64_t channels, uint32_t *used)
{
    int i;

    for (i = 0; i < count && i < SG_SIGNATURE_MAX_IO; i++) {
        if (*used >> i & 1u || !fits(&outputs[i], rows, channels))
            continue;
        *used |= 1u << i;
        return i;
    }
    return -1;
}

int sg_level_missing(struct sg_error *err, const struct sg_tensor *outputs, int count, int64_t rows,
                     int64_t channels, const char *what, int stride)
{
    char list[256];

    return sg_error_set(
        err, SG_E_MODEL,
        "expected an output of %lldx%lld (%s, stride %d), got %s; check `width`, `height` and `head`",
        (long long)rows, (long long)channels, what, stride,
        sg_outputs_text(outputs, count, list, sizeof(list)));
}

int sg_levels_check(struct sg_error *err, const struct sg_tensor *const *tensors, int n, int item,
                    const int64_t *rows, const int64_t *channels, int *out_item)
{
    int i;

    *out_item = item;
    for (i = 0; i < n; i++) {
        bool batch = tensors[i]->rank == 3;

        if (!fits(tensors[i], rows[i], channels[i]) || tensors[i]->rank != tensors[0]->rank ||
            item >= (batch ? tensors[i]->dims[0] : 1))
            return sg_shape_error(err, tensors[i], "%s%lldx%lld with picture %d of the batch",
                                  batch ? "Nx" : "", (long long)rows[i], (long long)channels[i], item);
        if (!batch)
            *out_item = -1;
    }
    return SG_OK;
}

int sg_level_parts_add(struct sg_level_parts *parts, const struct sg_tensor *outputs, int count, int64_t rows,
                       int64_t channels, const char *what, int stride, struct sg_error *err)
{
    int found = sg_level_find(outputs, count, rows, channels, &parts->used);

    if (found < 0 || parts->count == SG_LEVEL_PARTS_MAX)
        return sg_level_missing(err, outputs, count, rows, channels, what, stride);
    parts->output[parts->count] = found;
    parts->rows[parts->count] = rows;
    parts->channels[parts->count++] = channels;
    return SG_OK;
}

int sg_level_parts_views(const struct sg_level_parts *parts, const char *kind,
                         const struct sg_tensor *outputs, int count, int item,
                         struct sg_detections *detections, const float **out_views, struct sg_error *err)
{
    const struct sg_tensor *tensors[SG_LEVEL_PARTS_MAX];
    int code = sg_count_check(err, kind, count, parts->count), i;

    if (code < 0)
        return code;
    for (i = 0; i < parts->count; i++)
        tensors[i] = &outputs[parts->output[i]];
    code = sg_levels_check(err, tensors, parts->count, item, parts->rows, parts->channels, &item);
    return code < 0 ? code : sg_head_views(tensors, parts->count, item, detections, 0, out_views, NULL, err);
}
