/* SPDX-License-Identifier: MIT
 * The list of kinds, in registry order: among equally confident matches the earlier one wins. One row per
 * kind; X(yolov8) stands for `const struct sg_head_ops sg_head_yolov8` at the foot of its file.
 */
#ifndef SG_HEAD_KINDS_H
#define SG_HEAD_KINDS_H

#include "head/head.h"

/* One row per line, so that two branches that add kinds merge. */
/* clang-format off */
#define SG_HEAD_KIND_TABLE(X) \
    X(yolov8) \
    X(yolov8_pose) \
    X(yolov8_seg) \
    X(yolov5) \
    X(yolov5_grid) \
    X(yolov3_grid) \
    X(yolov4_grid) \
    X(yolov4) \
    X(yolov2) \
    X(yolox) \
    X(yolox_decoded) \
    X(end2end) \
    X(end2end_seg) \
    X(end2end_pose) \
    X(nms_indices) \
    X(efficientnms) \
    X(tfod) \
    X(paddle) \
    X(detr) \
    X(detr_raw) \
    X(blazeface) \
    X(ultraface) \
    X(scrfd) \
    X(retinaface) \
    X(retinaface_priors) \
    X(yunet) \
    X(ssd_variance) \
    X(nanodet) \
    X(nanodet_plus) \
    X(picodet) \
    X(fastestdet) \
    X(yolo_fastestv2) \
    X(dbnet) \
    X(ctc) \
    X(classify) \
    /* end of the list */
/* clang-format on */

#define SG_HEAD_KIND_DECLARE(kind) extern const struct sg_head_ops sg_head_##kind;
SG_HEAD_KIND_TABLE(SG_HEAD_KIND_DECLARE)
#undef SG_HEAD_KIND_DECLARE

#endif
