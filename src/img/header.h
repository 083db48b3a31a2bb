/* SPDX-License-Identifier: MIT
 * Width and height from the headers of all formats but JPEG, TIFF, HEIC and AVIF, so that limits are checked
 * before a decoder sees a byte. Pure; any thread; every read is bounded by size.
 */
#ifndef SG_IMG_HEADER_H
#define SG_IMG_HEADER_H

#include "img/decode_kind.h"

static inline uint32_t sg_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t sg_be32(const uint8_t *p)
{
    return sg_be16(p) << 16 | sg_be16(p + 2);
}

static inline uint32_t sg_le16(const uint8_t *p)
{
    return (uint32_t)p[1] << 8 | p[0];
}

static inline uint32_t sg_le32(const uint8_t *p)
{
    return sg_le16(p + 2) << 16 | sg_le16(p);
}

/* 64-bit, because a header may claim anything. orientation is 1 unless the format carries one. */
struct sg_header {
    int64_t width, height;
    int orientation;
    const char *unsupported; /* why the picture would come as another; else NULL */
    bool ends_early;         /* the first picture is surely not whole; set where FFmpeg would pass over it */
};

/* True when the header is whole and says a size of at least 1 x 1. The first bytes have been sniffed. */
typedef bool (*sg_header_fn)(const uint8_t *bytes, size_t size, struct sg_header *header);

/* A kind's probe by that: SG_E_BAD_IMAGE where it says false. */
int sg_header_probe(sg_header_fn read, const struct sg_encoded *encoded, struct sg_stored *stored,
                    struct sg_error *err);

bool sg_header_png(const uint8_t *bytes, size_t size, struct sg_header *header);
bool sg_header_gif(const uint8_t *bytes, size_t size, struct sg_header *header);
bool sg_header_bmp(const uint8_t *bytes, size_t size, struct sg_header *header);
bool sg_header_webp(const uint8_t *bytes, size_t size, struct sg_header *header);
bool sg_header_jpeg2000(const uint8_t *bytes, size_t size, struct sg_header *header);
/* The number at *at of a netpbm header, blanks and comments skipped; *at: behind it. -1: none. */
int64_t sg_netpbm_number(const uint8_t *bytes, size_t size, size_t *at);
/* The one behind the first `name`, which begins with the line end before it; -1: none. */
int64_t sg_pam_number(const uint8_t *bytes, size_t size, const char *name);
bool sg_header_pnm(const uint8_t *bytes, size_t size, struct sg_header *header);
bool sg_header_pam(const uint8_t *bytes, size_t size, struct sg_header *header);
bool sg_header_sun(const uint8_t *bytes, size_t size, struct sg_header *header);
bool sg_header_exr(const uint8_t *bytes, size_t size, struct sg_header *header);
/* An attribute of an EXR's first header and its length; NULL when it is not there or cut off. */
const uint8_t *sg_exr_attribute(const uint8_t *bytes, size_t size, const char *name, size_t *length);
bool sg_header_qoi(const uint8_t *bytes, size_t size, struct sg_header *header);

/* A field of a TIFF's first directory: the first of its numbers, wherever they lie. false: there is no such
 * field, or it is no BYTE, SHORT or LONG. */
bool sg_tiff_find(const uint8_t *tiff, size_t size, unsigned tag, uint32_t *out_value);

#endif
