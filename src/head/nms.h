/* SPDX-License-Identifier: MIT
 * Greedy non-maximum suppression. Pure; any thread.
 */
#ifndef SG_HEAD_NMS_H
#define SG_HEAD_NMS_H

#include "head/head.h"

/* Intersection over union, 0 when either box is empty. Continuous coordinates: no +1. */
float sg_box_iou(const struct sg_box *a, const struct sg_box *b);

/* Sorts by score descending (ties: lower row first), then a kept box suppresses every later one of its class
 * (any class when agnostic) with IoU strictly greater than iou. At most max_objects are kept. iou <= 0 or >=
 * 1: sort and cut only. */
int sg_nms(struct sg_detections *detections, float iou, bool agnostic, int max_objects, struct sg_error *err);

#endif
