/* SPDX-License-Identifier: MIT
 * Tables whose rows are cx, cy, w, h, objectness, C class scores: what YOLOv3 to v5, YOLOv7 and YOLOX emit.
 * score = objectness * best class score, and the objectness alone must reach the threshold too.
 */
#ifndef SG_HEAD_TABLE_H
#define SG_HEAD_TABLE_H

#include "head/head.h"

struct sg_table {
    int output;     /* index among the outputs */
    int classes;    /* columns after the objectness */
    bool logits;    /* objectness and class scores still want a sigmoid */
    float scale[2]; /* input pixels per unit of x and y, for tables in input pixels or in 0..1 */
    int input[2];   /* width and height */
    int stride_count;
    int strides[SG_HEAD_MAX_STRIDES]; /* > 0: boxes are offsets from grid cells (YOLOX before its decode) */
};

/* What the probe's values say of a 1xNx(5+C) table. */
struct sg_table_look {
    bool decoded;    /* centres spread over the input, sides are positive */
    bool normalised; /* and all of that within 0..1 */
    bool raw;        /* centres are small numbers around a cell, sides logarithms */
    bool scores;     /* objectness and classes are all within 0..1 */
};
/* false when output is no such table (rank 3, D >= 6, readable, at least one row). */
bool sg_table_look(const struct sg_tensor *output, const struct sg_head_spec *spec,
                   struct sg_table_look *out);

/* Checks output `index` and fills state but for the strides. kind names the head in errors. */
int sg_table_prepare(struct sg_table *state, const char *kind, int index, const struct sg_tensor *outputs,
                     int count, const struct sg_head_spec *spec, struct sg_error *err);
/* ops->detect; state is a struct sg_table. */
int sg_table_detect(const void *state, const struct sg_tensor *outputs, int count, int item,
                    const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err);

#endif
