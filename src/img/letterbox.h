/* SPDX-License-Identifier: MIT
 * Pixels to input tensor in one pass: crop, resize (bilinear), pad, reorder channels, normalise, convert.
 * Pure; any thread.
 */
#ifndef SG_IMG_LETTERBOX_H
#define SG_IMG_LETTERBOX_H

#include "base/error.h"
#include "data/transform.h"

/* Where `region` (original pixels; whole picture: 0,0,w,h) lies in the input by transform's fit rule. Never a
 * zero-sized picture: a 3000x12 strip gets at least one row. */
void sg_letterbox_place(const struct sg_transform *transform, const struct sg_box *region,
                        struct sg_placement *placement);

/* Original pixels of a point of the input, and of a box, clipped to nothing. */
struct sg_point sg_placement_unmap(const struct sg_placement *placement, struct sg_point input);

/* Bytes of one item of the input tensor. */
size_t sg_letterbox_bytes(const struct sg_transform *transform);

/* Scratch of one worker: coefficient tables, row buffers. Zero-init; fini frees. Tables are kept while
 * geometry repeats. */
struct sg_letterbox {
    void *memory;
    size_t memory_bytes;
};
void sg_letterbox_fini(struct sg_letterbox *letterbox);

/* Fills one item (sg_letterbox_bytes at `tensor`, 64-byte aligned not required) from image (RGB24, BGR24,
 * GRAY8 or NV12, which may be a reduced or partial decode: its scale and origin are applied). Samples outside
 * the image repeat its edge. 8-bit bilinear as cv2.INTER_LINEAR (half-pixel centres, 11-bit weights, its
 * SIMD code's cuts), except that a weight halfway between two rounds up: at most one level above OpenCV, in
 * few values. SG_E_INVALID for a transform that makes no sense, SG_E_NOMEM. */
int sg_letterbox_run(struct sg_letterbox *letterbox, const struct sg_image *image,
                     const struct sg_transform *transform, const struct sg_placement *placement, void *tensor,
                     struct sg_error *err);

#endif
