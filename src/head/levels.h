/* SPDX-License-Identifier: MIT
 * Detectors that speak once per stride: which output belongs to which grid is told by its shape,
 * rows x channels with rows = cells of the grid x anchors per cell. Pure; any thread.
 */
#ifndef SG_HEAD_LEVELS_H
#define SG_HEAD_LEVELS_H

#include "head/head.h"

#include <math.h>

struct sg_level {
    int stride;        /* input pixels per cell */
    int columns, rows; /* cells: ceil(width / stride), ceil(height / stride) */
    int per_cell;      /* anchors of one cell, neighbours in the tensor */
    int64_t count;     /* columns * rows * per_cell */
};

/* Grids of the model's input. SG_E_MODEL: its size is not known, or a stride is below 1. */
int sg_levels_make(struct sg_level *levels, const struct sg_head_spec *spec, const int *strides, int count,
                   int per_cell, struct sg_error *err);

/* First output outside *used whose shape is [batch x] rows x channels; its bit is set in *used. -1 if none.
 */
int sg_level_find(const struct sg_tensor *outputs, int count, int64_t rows, int64_t channels, uint32_t *used);

/* Sets SG_E_MODEL `no output is 12800x4 (box distances, stride 8) for an input of 640x640; outputs: …`. */
int sg_level_missing(struct sg_error *err, const struct sg_tensor *outputs, int count, int64_t rows,
                     int64_t channels, const char *what, int stride);

/* The outputs that a kind reads, in the kind's own order. Zeroed = none. */
#define SG_LEVEL_PARTS_MAX 15
struct sg_level_parts {
    int count;
    uint32_t used; /* a bit for each of them */
    int output[SG_LEVEL_PARTS_MAX];
    int64_t rows[SG_LEVEL_PARTS_MAX], channels[SG_LEVEL_PARTS_MAX];
};

/* Finds one more (sg_level_find); sg_level_missing when there is none. */
int sg_level_parts_add(struct sg_level_parts *parts, const struct sg_tensor *outputs, int count, int64_t rows,
                       int64_t channels, const char *what, int stride, struct sg_error *err);
/* The parts of one frame as float32, out_views in their order: sg_levels_check, then sg_head_views. kind: its
 * name, for a message about another count of outputs. */
int sg_level_parts_views(const struct sg_level_parts *parts, const char *kind,
                         const struct sg_tensor *outputs, int count, int item,
                         struct sg_detections *detections, const float **out_views, struct sg_error *err);

/* Which of the levels a row of their list is of; *row becomes that of the level. */
static inline int sg_level_of(const struct sg_level *levels, int64_t *row)
{
    int i = 0;

    for (; *row >= levels[i].count; i++)
        *row -= levels[i].count;
    return i;
}

/* Tensors of one frame, checked again: each must be [batch x] rows[i] x channels[i], all with or all without
 * a batch axis. *out_item is what sg_head_views takes: item, or -1 without a batch axis. */
int sg_levels_check(struct sg_error *err, const struct sg_tensor *const *tensors, int n, int item,
                    const int64_t *rows, const int64_t *channels, int *out_item);

/* Column and row of a cell of a grid that has `columns` in a row. */
static inline float sg_cell_x(int64_t cell, int64_t columns)
{
    return (float)(cell % columns);
}

static inline float sg_cell_y(int64_t cell, int64_t columns)
{
    int64_t row = cell / columns;

    return (float)row;
}

/* Writes the largest of count scores and its index into found; NaN is passed over, none gives minus infinity.
 */
static inline void sg_best_class(const float *scores, int count, struct sg_detection *found)
{
    int i;

    found->score = -INFINITY;
    found->class_id = 0;
    for (i = 0; i < count; i++)
        if (scores[i] > found->score) {
            found->score = scores[i];
            found->class_id = i;
        }
}

#endif
