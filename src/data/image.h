/* SPDX-License-Identifier: MIT
 * Decoded pixels, and where they lie in the picture the client sent. Plain data; one owner at a time.
 */
#ifndef SG_DATA_IMAGE_H
#define SG_DATA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_IMAGE_MAX_SIDE 65535 /* JPEG's own limit; also keeps width*height*3 far inside 64 bits */

enum sg_pixel { SG_PIXEL_RGB24, SG_PIXEL_BGR24, SG_PIXEL_GRAY8, SG_PIXEL_NV12 };

/* x1,y1 inclusive corner, x2,y2 exclusive corner; which space (original, stored or input pixels) is said
 * where used. */
struct sg_box {
    float x1, y1, x2, y2;
};

struct sg_point {
    float x, y;
};

/* An upright picture, or a part of it, maybe at reduced scale.
 * Original pixels = upright pixels of the picture at full size. A stored pixel edge x lies at original
 * origin_x + x / scale_x; likewise y. A full-size decode has scale 1 and origin 0. */
struct sg_image {
    enum sg_pixel format;
    int width, height;           /* stored pixels */
    size_t stride_bytes;         /* of every plane */
    uint8_t *data;               /* packed pixels, or the Y plane */
    uint8_t *chroma;             /* NV12 only: interleaved U,V at half size; else NULL */
    int full_width, full_height; /* upright original picture */
    float scale_x, scale_y;      /* stored pixels per original pixel, 0 < scale <= 1 for decoded pictures */
    float origin_x, origin_y;    /* original pixel edge of stored pixel edge 0,0 */
    size_t capacity_bytes;       /* bytes owned behind data; 0 when borrowed */
};

/* Bytes per packed pixel: 3, 3, 1, and 1 for the Y plane of NV12. */
int sg_pixel_bytes(enum sg_pixel format);

/* Makes image a width x height picture of its own memory (rows 64-byte aligned), reusing what it owns when
 * large enough. Scale 1, origin 0, full size = size. Content undefined. SG_E_INVALID (sides < 1 or too
 * large), SG_E_NOMEM. */
int sg_image_resize(struct sg_image *image, enum sg_pixel format, int width, int height);

/* Makes image a borrowed view of foreign pixels; chroma may be NULL unless NV12. */
void sg_image_borrow(struct sg_image *image, enum sg_pixel format, int width, int height, size_t stride_bytes,
                     const uint8_t *data, const uint8_t *chroma);

/* Frees the memory of a picture larger than keep_bytes, as fini; leaves a smaller or borrowed one alone. */
void sg_image_trim(struct sg_image *image, size_t keep_bytes);

/* Frees owned memory and zeroes the struct; a zeroed struct is valid and empty. */
void sg_image_fini(struct sg_image *image);

#endif
