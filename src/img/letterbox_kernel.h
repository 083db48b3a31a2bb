/* SPDX-License-Identifier: MIT
 * The four steps of the letterbox that are worth a fast version each, and their table. Private to
 * letterbox*.c. A fast version gives the same bits as the plain one; the test holds them together.
 *
 * A row on its way is four values per pixel: the three channels in the order of the source, and a zero. Rows
 * have room for a multiple of SG_LETTERBOX_GROUP pixels.
 */
#ifndef SG_IMG_LETTERBOX_KERNEL_H
#define SG_IMG_LETTERBOX_KERNEL_H

#include "data/transform.h"

#include <stdbool.h>

#define SG_LETTERBOX_ONE    2048 /* a whole weight: cv2's INTER_RESIZE_COEF_SCALE */
#define SG_LETTERBOX_GROUP  16
#define SG_LETTERBOX_REACH  8 /* bytes a fast kernel may read from the left sample on */
#define SG_LETTERBOX_DTYPES 4

/* The columns of the output: which source pixels make each. */
struct sg_letterbox_columns {
    int count;
    int safe;              /* the first `safe` columns may be read SG_LETTERBOX_REACH bytes wide */
    const int32_t *offset; /* byte of the left sample in the line; never falls */
    const int16_t *weight; /* left and right weight four times over: 8 values per column */
};

/* How 8-bit values become elements. */
struct sg_letterbox_levels {
    int channels;    /* 1 or 3 */
    uint8_t from[3]; /* place in the four-value pixel that each output channel is taken from */
    bool identity;   /* U8 that stores pixels as they are */
    bool refined; /* (v - mean) * inverse with one correction step equals the division for all 256 levels */
    float mean[3], std[3], inverse[3];
    union {
        float f32[3][256];
        uint16_t f16[3][256];
        uint8_t u8[3][256]; /* I8 as well */
    } table;                /* by output channel: what plain C stores */
};

typedef void sg_letterbox_store_fn(const struct sg_letterbox_levels *levels, const uint8_t *pixels, int first,
                                   int count, void *out, size_t plane);

struct sg_letterbox_kernel {
    /* Columns first..last of a row of gray, or of NV12, as RGB from `line` on, where SG_LETTERBOX_REACH bytes
     * behind the last pixel may be written. */
    void (*gray)(const uint8_t *luma, int first, int last, uint8_t *line);
    void (*nv12)(const uint8_t *luma, const uint8_t *chroma, int first, int last, uint8_t *line);
    /* Bilinear along a line of 3-byte pixels from column `first` on: row value = sum of products >> 4. */
    void (*across)(const struct sg_letterbox_columns *columns, int first, const uint8_t *line, int16_t *row);
    /* Two rows weighed and rounded to 8 bits. */
    void (*down)(const int16_t *upper, const int16_t *lower, int upper_weight, int lower_weight, int count,
                 uint8_t *pixels);
    /* Pixels first..count-1 into the tensor; out is where pixel 0 goes, plane the elements of one channel's
     * plane. Indexed by dtype and layout. */
    sg_letterbox_store_fn *store[SG_LETTERBOX_DTYPES][2];
};

/* Index of a dtype in `store`, or -1. */
int sg_letterbox_dtype_index(enum sg_dtype dtype);

extern const struct sg_letterbox_kernel sg_letterbox_plain;
#if defined(__x86_64__)
extern const struct sg_letterbox_kernel sg_letterbox_avx2;
#endif

#endif
