/* SPDX-License-Identifier: MIT
 * What a decoder kind (jpeg.c, tiff.c, heif.c, ffmpeg.c …) offers to decode.c. Inside this room only.
 * "Stored" pixels are those of the file, before its orientation is applied.
 */
#ifndef SG_IMG_DECODE_KIND_H
#define SG_IMG_DECODE_KIND_H

#include "base/error.h"
#include "data/image.h"
#include "img/decode.h"

/* The encoded bytes, borrowed for the call; size >= 1. */
struct sg_encoded {
    const uint8_t *bytes;
    size_t size;
    const char *format; /* what sniff answered */
};

/* What the header says, before orientation. */
struct sg_stored {
    int width, height; /* >= 1 */
    int orientation;   /* EXIF 1..8; 1 where the kind has applied it itself */
};

struct sg_window {
    int x1, y1, x2, y2; /* whole pixels, x2,y2 exclusive */
};

/* sg_decode_wish in stored pixels, clipped and checked. A kind that cannot reduce or cut decodes everything.
 */
struct sg_stored_wish {
    int min_width, min_height; /* both >= 1, or both 0 for full size */
    struct sg_window window;   /* never empty; the whole picture when nothing smaller is wished */
};

struct sg_decode_ops {
    /* Name of the format when this kind reads it, else NULL. Looks at the first bytes only. */
    const char *(*sniff)(const uint8_t *bytes, size_t size);
    /* Both NULL where nothing is kept between pictures: the state is NULL then. */
    int (*create)(const struct sg_decode_limits *limits, void **out_state);
    void (*destroy)(void *state); /* state may be NULL */
    /* Reads the header. Sizes are not yet checked against the limits. */
    int (*probe)(void *state, const struct sg_encoded *encoded, struct sg_stored *stored,
                 struct sg_error *err);
    /* Decodes what probe described, within the limits, to RGB24 in stored orientation; sets scale and origin
     * of image in stored pixels. */
    int (*decode)(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                  const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err);
};

/* Makes the image RGB24 of that size. SG_E_NOMEM, SG_E_TOO_LARGE. */
int sg_decode_room(struct sg_image *image, int width, int height, struct sg_error *err);

extern const struct sg_decode_ops sg_decode_jpeg_ops;
extern const struct sg_decode_ops sg_decode_tiff_ops;
extern const struct sg_decode_ops sg_decode_webp_ops;
extern const struct sg_decode_ops sg_decode_bmp_ops;
extern const struct sg_decode_ops sg_decode_jpeg2000_ops;
extern const struct sg_decode_ops sg_decode_heif_ops;
extern const struct sg_decode_ops sg_decode_ffmpeg_ops;

#endif
