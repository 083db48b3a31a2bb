/* SPDX-License-Identifier: MIT
 * Masks as the YOLO families give them: M coefficients of a detection, and M prototypes that all detections
 * of a picture share. A mask is sigmoid(coefficients . prototypes) cut to the box (ultralytics
 * `ops.process_mask`); what leaves here is the outline of its largest region. Pure; any thread.
 */
#ifndef SG_HEAD_MASKS_H
#define SG_HEAD_MASKS_H

#include "head/head.h"

#define SG_MASKS_MAX 512 /* coefficients of a detection */

struct sg_masks {
    int proto;       /* index of the prototypes among the outputs */
    int count;       /* M */
    int input[2];    /* width and height, pixels */
    float threshold; /* as a logit: a mask pixel is on above it */
};

/* Tells a graph's two outputs apart: a table of rank 3, and prototypes 1xMxHxW; false when it has no such
 * pair.
 */
bool sg_masks_tell(const struct sg_tensor *outputs, int count, int *out_table, int *out_proto);

/* Fills masks for prototypes that sg_masks_tell found. SG_E_MODEL when the input's size is not known. */
int sg_masks_prepare(struct sg_masks *masks, const struct sg_tensor *outputs, int proto,
                     const struct sg_head_spec *spec, struct sg_error *err);

/* Where coefficient m of row r stands in the table: flat element first + r * row_step + m * step. */
struct sg_mask_table {
    const struct sg_tensor *table;
    int64_t first, row_step, step;
};

/* Outlines of all detections of a picture. */
int sg_masks_refine(const struct sg_masks *masks, const struct sg_tensor *outputs, int count, int item,
                    const struct sg_mask_table *table, struct sg_detections *detections,
                    struct sg_error *err);

#endif
