/* SPDX-License-Identifier: MIT
 * Tables of finished detections, one per row, with what a task adds behind the box, score and class (mask
 * coefficients, keypoints). Source: ultralytics `Detect.postprocess` of end-to-end heads (YOLOv10, YOLO26)
 * and the model that its exporter builds for nms=True, which write the same columns. Pure; any thread.
 */
#ifndef SG_HEAD_END2END_H
#define SG_HEAD_END2END_H

#include "head/head.h"
#include "head/masks.h"

struct sg_end2end_order {
    const char *text;
    int columns, batch, box, score, class_id; /* column numbers; batch -1 = none */
};

struct sg_end2end {
    struct sg_end2end_order order; /* as the probe told, else the usual one until a picture tells */
    bool told;
    bool flat;       /* N x columns without a batch axis */
    int output;      /* index of the table among the outputs */
    int extra;       /* columns behind those of the order */
    float size[2];   /* of the input */
    bool normalised; /* boxes are shares of it */
    int class_offset;
    int point_count, point_values; /* keypoints, numbers of each: x, y, maybe visibility */
    struct sg_masks masks;
};

/* How well the probe's values explain a table with so many more columns. */
enum sg_end2end_fit {
    SG_END2END_NOT,   /* no such table, or its values contradict every order of columns */
    SG_END2END_EMPTY, /* nothing was found that could tell */
    SG_END2END_FITS,
};
enum sg_end2end_fit sg_end2end_fits(const struct sg_tensor *output, int extra, const char **out_order);
/* RGB / 255, centred letterbox on 114, threshold 0.25, no NMS. */
void sg_end2end_conventions(const struct sg_signature *signature, struct sg_head_guess *guess);
/* Fills state from the table state->output with state->extra more columns. */
int sg_end2end_prepare(struct sg_end2end *state, const struct sg_tensor *outputs,
                       const struct sg_head_spec *spec, struct sg_error *err);
/* ops->detect of all kinds. */
int sg_end2end_detect(const void *state, const struct sg_tensor *outputs, int count, int item,
                      const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err);
/* Flat index of the first column behind the order's of row 0 of a picture, and input pixels per unit of its x
 * and y. */
int64_t sg_end2end_extra(const struct sg_end2end *state, const struct sg_tensor *output, int item,
                         float scale[2]);

#endif
