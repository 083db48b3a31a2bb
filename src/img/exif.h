/* SPDX-License-Identifier: MIT
 * Orientation: read from EXIF, applied to pixels and to boxes. EXIF 2.32, tag 0x0112: 1 upright, 2 mirrored,
 * 3 half turn, 4 flipped, 5 transposed, 6 to be turned clockwise, 7 transverse, 8 to be turned
 * counter-clockwise. Pure; any thread.
 */
#ifndef SG_IMG_EXIF_H
#define SG_IMG_EXIF_H

#include "base/error.h"
#include "data/image.h"

/* 1..8; 1 when the block (a TIFF header and its first directory) is damaged or says nothing. */
int sg_exif_orientation(const uint8_t *tiff, size_t size);
/* The same of a whole file: a JPEG's first EXIF APP1, a PNG's eXIf chunk, a WebP's EXIF chunk. */
int sg_exif_orientation_jpeg(const uint8_t *bytes, size_t size);
int sg_exif_orientation_png(const uint8_t *bytes, size_t size);
int sg_exif_orientation_webp(const uint8_t *bytes, size_t size);

/* True for 5..8: width and height change places. */
bool sg_exif_swaps_sides(int orientation);

/* Where a box of the upright picture lies in the stored one of stored_width x stored_height. */
struct sg_box sg_exif_box_to_stored(int orientation, int stored_width, int stored_height,
                                    const struct sg_box *upright);

/* Turns an RGB24 image of stored pixels (scale and origin in stored pixels, full size stored) upright. Needs
 * no memory for 1..4; for 5..8 scratch becomes the source's memory and is kept for the next time. SG_E_NOMEM
 * leaves image as it was. */
int sg_exif_apply(int orientation, struct sg_image *image, struct sg_image *scratch);

#endif
