/* SPDX-License-Identifier: MIT
 * The formats with a frame as their header says it. How the numbers were measured, and how far they hold:
 * docs/FORMATS.md, tests/test_decode_memory.py.
 */
#include "img/need.h"

#include "img/exif.h"
#include "img/header.h"
#include "img/need_private.h"

#include <string.h>

#define SPARE_BYTES ((size_t)512 << 10) /* rows, tables and contexts of any decoder */

#define PNG_GREY    0
#define PNG_RGB     2
#define PNG_PALETTE 3
#define PNG_ALPHA   4 /* a bit of the colour type */

#define GIF_BYTES      4  /* of a pixel: red, green, blue and alpha */
#define HEADER_LEAST   33 /* every field that is read without a look at the size lies before it */
#define TEXT_MAX       4096
#define PNM_NUMBERS    3 /* width, height, the brightest value; bitmaps have two */
#define WEBP_LOSSLESS  4 /* libwebp's pixels before they become RGB */
#define WEBP_ALPHA     5 /* the plane of alpha, and its own lossless decode */
#define WEBP_RAW_ALPHA 1

static uint64_t share(uint64_t pixels, unsigned bits)
{
    return (pixels * bits + 7) / 8;
}

/* FFmpeg's frame, bits to a pixel. */
static unsigned png_bits(const uint8_t *bytes, size_t size)
{
    unsigned depth = bytes[24], colour = bytes[25], samples;

    if (colour == PNG_PALETTE)
        return 8;
    if (colour == PNG_GREY && depth == 1)
        return 1;
    samples = (colour & PNG_RGB ? 3u : 1u) + (colour & PNG_ALPHA ? 1u : 0u);
    if (!(colour & PNG_ALPHA) && memmem(bytes, size < TEXT_MAX ? size : TEXT_MAX, "tRNS", 4))
        samples++;
    return samples * (depth > 8 ? 16 : 8);
}

static unsigned pnm_bits(const uint8_t *bytes, size_t size)
{
    unsigned kind = bytes[1] - '0', samples = kind == 3 || kind == 6 ? 3 : 1;
    size_t at = 2, limit = size < TEXT_MAX ? size : TEXT_MAX;
    int64_t brightest = 0;

    if (kind == 1 || kind == 4)
        return 1;
    if (kind == 7) {
        int64_t depth = sg_pam_number(bytes, limit, "\nDEPTH");

        samples = depth < 1 || depth > 4 ? 4 : (unsigned)depth;
        brightest = sg_pam_number(bytes, limit, "\nMAXVAL");
    }
    for (int i = 0; kind != 7 && i < PNM_NUMBERS; i++)
        brightest = sg_netpbm_number(bytes, limit, &at);
    return samples * (brightest > 255 ? 16 : 8);
}

/* libwebp writes RGB where it is wanted; what it holds besides. */
static void need_webp(const uint8_t *bytes, size_t size, struct sg_need *need)
{
    uint64_t area = need->pixels;
    unsigned held = 0;
    size_t at = 12;

    need->turned = sg_exif_swaps_sides(sg_exif_orientation_webp(bytes, size));
    while (size - at >= 8) {
        const uint8_t *chunk = bytes + at;
        uint64_t length = (uint64_t)sg_le32(chunk + 4) + 8;

        if (!memcmp(chunk, "ANMF", 4) && size - at >= 24) { /* a frame: its chunks are inside */
            area = ((uint64_t)(sg_le32(chunk + 14) & 0xFFFFFF) + 1) *
                   ((uint64_t)(sg_le32(chunk + 17) & 0xFFFFFF) + 1);
            at += 24;
            continue;
        }
        if (!memcmp(chunk, "ALPH", 4) && size - at >= 9)
            held = chunk[8] & 3 ? WEBP_ALPHA : WEBP_RAW_ALPHA;
        if (!memcmp(chunk, "VP8L", 4))
            held = WEBP_LOSSLESS;
        if (!memcmp(chunk, "VP8", 3) && chunk[3] != 'X')
            break;
        length += length & 1;
        if (length > size - at)
            break;
        at += (size_t)length;
    }
    need->decoding = (area < need->pixels ? area : need->pixels) * held;
}

/* FFmpeg reads from a padded copy of the file into a frame of its own. */
static void need_ffmpeg(const uint8_t *bytes, size_t size, struct sg_need *need)
{
    unsigned bits;

    if (!memcmp(bytes, "\x89PNG", 4)) {
        bits = png_bits(bytes, size);
        need->turned = sg_exif_swaps_sides(sg_exif_orientation_png(bytes, size));
    } else if (!memcmp(bytes, "GIF8", 4)) {
        bits = GIF_BYTES * 8;
    } else if (bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7') {
        bits = pnm_bits(bytes, size);
    } else if (!memcmp(bytes, "qoif", 4)) {
        bits = bytes[12] == 3 ? 24 : 32;
    } else if (!memcmp(bytes, "\x59\xA6\x6A\x95", 4)) {
        bits = sg_be32(bytes + 12) <= 32 ? sg_be32(bytes + 12) : 32;
    } else {
        return;
    }
    need->kept = size;
    need->decoding = size + share(need->pixels, bits);
}

static void describe(const uint8_t *bytes, size_t size, const struct sg_decode_wish *wish,
                     struct sg_need *need)
{
    if (size >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8) {
        sg_need_jpeg(bytes, size, wish, need);
        return;
    }
    if (size < HEADER_LEAST || !memcmp(bytes, "BM", 2))
        return; /* refused, or read without help */
    if (!memcmp(bytes, "RIFF", 4))
        need_webp(bytes, size, need);
    else if (!memcmp(bytes, "II", 2) || !memcmp(bytes, "MM", 2))
        sg_need_tiff(bytes, size, need);
    else if (!memcmp(bytes + 4, "jP  ", 4) || !memcmp(bytes, "\xFF\x4F\xFF\x51", 4))
        sg_need_jpeg2000(bytes, size, need);
    else if (!memcmp(bytes, "\x76\x2F\x31\x01", 4))
        sg_need_exr(bytes, size, need);
    else if (!memcmp(bytes + 4, "ftyp", 4))
        sg_need_heif(bytes, size, need);
    else
        need_ffmpeg(bytes, size, need);
}

size_t sg_decode_need(const void *bytes, size_t size, int width, int height,
                      const struct sg_decode_wish *wish)
{
    struct sg_need need = {.pixels = (uint64_t)width * (uint64_t)height};
    uint64_t decoding, turning;

    describe(bytes, size, wish, &need);
    decoding = need.decoding + need.pixels * SG_NEED_RGB_BYTES;
    turning = need.turned ? need.kept + need.pixels * 2 * SG_NEED_RGB_BYTES : 0;
    return (size_t)(decoding > turning ? decoding : turning) + SPARE_BYTES;
}
