/* SPDX-License-Identifier: MIT
 * Encoded bytes to upright pixels. JPEG through libjpeg-turbo, TIFF through libtiff, WebP through libwebp,
 * JPEG 2000 through OpenJPEG, BMP by bmp.c, the boxes of HEIC and AVIF by heif_boxes.c, what they hold and
 * the rest through FFmpeg; nothing of the process is changed (docs/FORMATS.md). The format is told from the
 * bytes, never from a name. A decoder belongs to one thread at a time.
 */
#ifndef SG_IMG_DECODE_H
#define SG_IMG_DECODE_H

#include "base/error.h"
#include "data/image.h"

#define SG_DECODE_MAX_BYTES  ((size_t)64 << 20) /* default limits; the caller may lower or raise them */
#define SG_DECODE_MAX_PIXELS ((int64_t)100000000)

struct sg_decode_limits {
    size_t max_bytes;
    int64_t max_pixels; /* width x height of the stored picture, checked before a pixel is allocated */
};

/* What the header says. */
struct sg_picture {
    const char *format; /* "jpeg", "png", "webp", … */
    int width, height;  /* upright, full size */
    int orientation;    /* EXIF 1..8 as stored; width and height above have it applied */
};

/* What the caller needs. Zeroed = the whole picture at full size. */
struct sg_decode_wish {
    int min_width,
        min_height;  /* upright; a reduced decode must be at least this large on both sides; 0 = full size */
    bool exact;      /* never reduce: bit-identical to OpenCV's imdecode, except that CMYK is mixed without
                      * its approximation (up to 2 levels darker). Without exact a JPEG is decoded at the
                      * smallest of 1/8, 1/4, 1/2 and 1 that is large enough; other formats at full size */
    bool has_region; /* only this part of the picture is needed (upright original pixels); the image that
                      * comes back covers at least it and says where it lies by origin and scale; min_width
                      * and min_height then speak of the region. A JPEG gives the region and one decoded
                      * pixel around it, the same bits as the whole at that scale; other formats give the
                      * whole. A region outside the picture gives its nearest pixel */
    struct sg_box region;
};

struct sg_decoder;

int sg_decoder_create(const struct sg_decode_limits *limits, struct sg_decoder **out_decoder);
void sg_decoder_destroy(struct sg_decoder **decoder);

/* Header only, limits checked. SG_E_EMPTY_IMAGE, SG_E_BAD_IMAGE, SG_E_UNSUPPORTED, SG_E_TOO_LARGE. */
int sg_decoder_probe(struct sg_decoder *decoder, const void *bytes, size_t size, struct sg_picture *picture,
                     struct sg_error *err);
/* Decodes to RGB24, upright: alpha is dropped, 16 bits become 8, ICC profiles are not applied, of an
 * animation the first picture is taken. image is resized, its memory reused; after a failure its content is
 * undefined. Data that ends early or is damaged is SG_E_BAD_IMAGE even when part of the picture is readable:
 * half a picture is not what the client believes it sent. Tolerated are a missing end marker of a baseline
 * JPEG whose last row is there, and stray bytes before a JPEG marker. Errors as probe, and SG_E_NOMEM. */
int sg_decoder_decode(struct sg_decoder *decoder, const void *bytes, size_t size,
                      const struct sg_decode_wish *wish, struct sg_image *image, struct sg_error *err);
/* Gives memory kept for turning pictures back when it is more than keep_bytes. */
void sg_decoder_trim(struct sg_decoder *decoder, size_t keep_bytes);

/* For programs, not for libraries: FFmpeg says nothing on standard error any more. */
void sg_decode_silence_process(void);

#endif
