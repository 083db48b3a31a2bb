/* SPDX-License-Identifier: MIT
 * Between tiff.c (the file: memory, messages, which way to read) and tiff_pixels.c (its pixels). Inside these
 * two files only; one thread at a time.
 */
#ifndef SG_IMG_TIFF_PRIVATE_H
#define SG_IMG_TIFF_PRIVATE_H

#include "base/error.h"
#include "data/image.h"

#include <tiffio.h>

#define TIFF_MESSAGE_MAX 200

enum tiff_colour { TIFF_GREY, TIFF_PALETTE, TIFF_RGB, TIFF_CMYK, TIFF_BY_LIBRARY };

/* What the first directory says of its samples, checked by tiff.c. */
struct tiff_layout {
    int width, height;
    enum tiff_colour colour;
    bool inverted;    /* grey: 0 is white */
    bool is_float;    /* 16, 24, 32 or 64 bits; else unsigned of 1 to 16 bits */
    bool is_separate; /* a plane per sample */
    bool is_tiled;
    int bits;                           /* per sample */
    int samples;                        /* per pixel */
    int inks;                           /* the first samples that make the colour: 1, 3 or 4 */
    int alpha;                          /* the sample that colours were multiplied with, or -1 */
    uint32_t block_width, block_height; /* of a tile; of a strip: the width and its rows */
};

struct tiff {
    int64_t max_pixels;
    /* Of the running call. */
    const uint8_t *bytes;
    uint64_t size, at;
    bool reads_pixels; /* warnings count from here on */
    bool has_message;
    char message[TIFF_MESSAGE_MAX]; /* the first complaint */
    TIFF *file;
    struct tiff_layout layout;
    double least, most; /* of float samples outside 0..1 */
};

/* Largest memory for one strip, tile or table. */
uint64_t sg_tiff_memory_max(const struct tiff *tiff);
/* What has been complained about, as an error of the right code; SG_E_BAD_IMAGE without a complaint. */
int sg_tiff_report(const struct tiff *tiff, struct sg_error *err);
/* Fills image, already of the layout's size. */
int sg_tiff_pixels(struct tiff *tiff, struct sg_image *image, struct sg_error *err);

#endif
