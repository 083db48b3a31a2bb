/* SPDX-License-Identifier: MIT
 * What the foreseen memory of one decode is made of. Inside need*.c only.
 */
#ifndef SG_IMG_NEED_PRIVATE_H
#define SG_IMG_NEED_PRIVATE_H

#include "img/need.h"

#include <stdbool.h>
#include <stdint.h>

#define SG_NEED_RGB_BYTES 3 /* of a pixel that comes out */

/* In bytes, but for `pixels`. While the decoder runs, decoding and one RGB picture are held; where the
 * picture is turned, `kept` and two RGB pictures afterwards. */
struct sg_need {
    uint64_t decoding; /* the decoder's frames, tables and its copy of the file */
    uint64_t kept;     /* what of that is still there when the picture is turned */
    uint64_t pixels;   /* of the RGB picture: as decoded, before turning and cutting */
    bool turned;       /* its sides are exchanged */
};

/* Each describes a file whose first bytes are of its kind; need->pixels is that of the upright picture before
 * and may be replaced. A damaged file may get any answer. */
void sg_need_jpeg(const uint8_t *bytes, size_t size, const struct sg_decode_wish *wish, struct sg_need *need);
void sg_need_jpeg2000(const uint8_t *bytes, size_t size, struct sg_need *need);
void sg_need_heif(const uint8_t *bytes, size_t size, struct sg_need *need);
void sg_need_tiff(const uint8_t *bytes, size_t size, struct sg_need *need);
void sg_need_exr(const uint8_t *bytes, size_t size, struct sg_need *need);
/* Bytes of the coefficients that a JPEG of several scans is held as; 0: one scan. */
uint64_t sg_need_coefficients(const uint8_t *bytes, size_t size);

#endif
