/* SPDX-License-Identifier: MIT
 * The grid that the Ultralytics families from YOLOv8 on share: 4 box rows (cx, cy, w, h in input pixels),
 * class scores without objectness, then what the task adds (keypoints, mask coefficients). Source: the
 * exported graph of ultralytics `Detect`/`Pose`/`Segment` and its `non_max_suppression`.
 */
#ifndef SG_HEAD_YOLOV8_H
#define SG_HEAD_YOLOV8_H

#include "head/head.h"
#include "head/masks.h"

struct sg_yolov8 {
    int output;       /* index of the grid among the outputs */
    bool rows_first;  /* N x D instead of D x N */
    int classes;      /* rows of class scores */
    int extra;        /* rows after the classes */
    bool logits;      /* scores still want a sigmoid */
    float scale[2];   /* input pixels per unit of x and of y: 1, or the input's sides when values are 0..1 */
    int point_count;  /* keypoints */
    int point_values; /* numbers per keypoint: x, y, maybe visibility */
    struct sg_masks masks;
};

/* Tells the axes of a 1xDxN or 1xNxD grid apart and reads what the probe's values say; false when it is no
 * such grid. D >= 5. known: N is the number of cells of strides 8,16,32 (or with 4 or 64). */
struct sg_yolov8_shape {
    bool rows_first, known, normalised;
    bool queries;        /* not a grid's cells but the boxes of a set, as Ultralytics exports RT-DETR */
    int64_t rows, cells; /* D and N */
};
bool sg_yolov8_shape(const struct sg_tensor *output, const struct sg_head_spec *spec,
                     struct sg_yolov8_shape *out);
/* Are all values of rows first..first+n-1 probabilities? */
bool sg_yolov8_probabilities(const struct sg_tensor *output, const struct sg_yolov8_shape *shape,
                             int64_t first, int64_t n);
/* Conventions of the family: RGB / 255, centred letterbox on 114, threshold 0.25, IoU 0.45. */
void sg_yolov8_conventions(const struct sg_signature *signature, struct sg_head_guess *guess);

/* Checks the grid output of state against 4 + classes + extra rows and sets rows_first and scale. */
int sg_yolov8_prepare(struct sg_yolov8 *state, const struct sg_tensor *outputs, int count,
                      const struct sg_head_spec *spec, struct sg_error *err);
/* ops->detect of all three kinds. */
int sg_yolov8_detect(const void *state, const struct sg_tensor *outputs, int count, int item,
                     const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err);
/* Flat index of (row, cell) of a batch item in the grid output. */
int64_t sg_yolov8_index(const struct sg_yolov8 *state, const struct sg_tensor *output, int item, int64_t row,
                        int64_t cell);

#endif
