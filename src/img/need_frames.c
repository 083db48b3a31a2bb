/* SPDX-License-Identifier: MIT
 * Formats whose frames depend on more than a fixed header: EXR, TIFF, HEIC and AVIF.
 */
#include "img/exif.h"
#include "img/header.h"
#include "img/heif_boxes.h"
#include "img/need_private.h"

#include <string.h>

#define FLOAT_BYTES     4 /* FFmpeg makes floats of all samples */
#define EXR_BUFFERS     3 /* times a block: coded, decoded, put in order */
#define EXR_BUFFERS_BIG 6 /* of PIZ */
#define EXR_NONE        0 /* compression */
#define EXR_PIZ         4
#define PIZ_TABLES      (1 << 20)

#define TIFF_WIDTH       256
#define TIFF_HEIGHT      257
#define TIFF_BITS        258
#define TIFF_COMPRESSION 259
#define TIFF_PHOTOMETRIC 262
#define TIFF_STRIPS      273
#define TIFF_SAMPLES     277
#define TIFF_STRIP_ROWS  278
#define TIFF_PLANAR      284
#define TIFF_TILE_WIDTH  322
#define TIFF_TILE_HEIGHT 323
#define TIFF_TILES       324
#define TIFF_YCBCR       6
#define TIFF_PLAIN       1
#define TIFF_JPEG        7
#define TIFF_LERC        34887
#define TIFF_WEBP        50001
#define TIFF_RASTER      4 /* of a pixel as libtiff converts it */

/* Of a byte to a pixel, for motion, quantisers, filters and padding. With film grain dav1d holds the picture
 * without it as well. */
#define HEIF_TENTHS 4

/* Bytes of one pixel as stored, and which channels there are. */
static unsigned exr_channels(const uint8_t *at, size_t size, bool *alpha, bool *only_light)
{
    unsigned bytes = 0;
    bool red = false, light = false;

    *alpha = false;
    while (size > 0 && at[0]) {
        size_t name = strnlen((const char *)at, size);

        if (size - name < 17)
            break;
        *alpha |= name == 1 && at[0] == 'A';
        red |= name == 1 && at[0] == 'R';
        light |= name == 1 && at[0] == 'Y';
        bytes += at[name + 1] == 1 ? 2 : 4; /* halves, or floats and integers */
        at += name + 17;
        size -= name + 17;
    }
    *only_light = light && !red;
    return bytes;
}

void sg_need_exr(const uint8_t *bytes, size_t size, struct sg_need *need)
{
    static const unsigned rows[] = {1, 1, 1, 16, 32, 16, 32, 32}; /* of a block, by compression */
    size_t channels_size = 0, packing_size = 0, tiles_size = 0, window_size = 0;
    const uint8_t *channels = sg_exr_attribute(bytes, size, "channels", &channels_size);
    const uint8_t *packing = sg_exr_attribute(bytes, size, "compression", &packing_size);
    const uint8_t *tiles = sg_exr_attribute(bytes, size, "tiles", &tiles_size);
    const uint8_t *window = sg_exr_attribute(bytes, size, "dataWindow", &window_size);
    unsigned packed = EXR_PIZ, stored, buffers;
    bool alpha = false, only_light = false;
    uint64_t block;

    if (!channels || !window || window_size < 16)
        return;
    if (packing && packing_size >= 1 && packing[0] < sizeof(rows) / sizeof(rows[0]))
        packed = packing[0];
    stored = exr_channels(channels, channels_size, &alpha, &only_light);
    block = rows[packed] * (uint64_t)((int64_t)(int32_t)sg_le32(window + 8) - (int32_t)sg_le32(window) + 1);
    if (tiles && tiles_size >= 8)
        block = (uint64_t)sg_le32(tiles) * sg_le32(tiles + 4);
    if (block > need->pixels)
        block = need->pixels;
    buffers = packed == EXR_NONE ? 0 : packed == EXR_PIZ ? EXR_BUFFERS_BIG : EXR_BUFFERS;
    need->decoding = size +
                     need->pixels * FLOAT_BYTES *
                         (alpha        ? 4
                          : only_light ? 1
                                       : 3) +
                     block * stored * buffers + (packed == EXR_PIZ ? PIZ_TABLES : 0);
}

static uint32_t tiff_number(const uint8_t *bytes, size_t size, unsigned tag, uint32_t otherwise)
{
    uint32_t value;

    return sg_tiff_find(bytes, size, tag, &value) ? value : otherwise;
}

/* libtiff reads rows of a strip, but whole tiles; some codecs and its own conversion hold whole strips. */
void sg_need_tiff(const uint8_t *bytes, size_t size, struct sg_need *need)
{
    uint32_t height = tiff_number(bytes, size, TIFF_HEIGHT, 0);
    uint32_t wide = tiff_number(bytes, size, TIFF_TILE_WIDTH, 0),
             high = tiff_number(bytes, size, TIFF_TILE_HEIGHT, 0);
    uint32_t bits = tiff_number(bytes, size, TIFF_BITS, 1),
             samples = tiff_number(bytes, size, TIFF_SAMPLES, 1);
    uint32_t packed = tiff_number(bytes, size, TIFF_COMPRESSION, 1);
    uint32_t start = tiff_number(bytes, size, wide ? TIFF_TILES : TIFF_STRIPS, 0);
    bool separate = tiff_number(bytes, size, TIFF_PLANAR, 1) == 2;
    uint64_t block, block_bytes;

    need->turned = sg_exif_swaps_sides(sg_exif_orientation(bytes, size));
    if (bits > 64 || samples > 64)
        return; /* refused */
    if (!wide) {
        wide = tiff_number(bytes, size, TIFF_WIDTH, 0);
        high = tiff_number(bytes, size, TIFF_STRIP_ROWS, height);
        high = high < height ? high : height;
        if (packed == TIFF_PLAIN && high == height) /* libtiff makes several of one */
            high = 1;
    }
    block = (uint64_t)wide * high;
    if (block > need->pixels * 2)
        block = need->pixels * 2; /* a tile may reach over the picture's edge */
    block_bytes = block * bits * (separate ? 1 : samples) / 8;
    if (tiff_number(bytes, size, TIFF_TILE_WIDTH, 0) || packed == TIFF_LERC || packed == TIFF_WEBP)
        need->decoding += block_bytes;
    if (packed == TIFF_LERC)
        need->decoding += block_bytes;
    if (packed == TIFF_WEBP)
        need->decoding += block * TIFF_RASTER;
    if (packed == TIFF_JPEG && start < size)
        need->decoding += sg_need_coefficients(bytes + start, size - start);
    else if (tiff_number(bytes, size, TIFF_PHOTOMETRIC, 0) == TIFF_YCBCR)
        need->decoding += block * TIFF_RASTER + block_bytes;
    if (separate && samples != 3)
        need->decoding += need->pixels; /* alpha, or black */
}

/* Whether pictures have film grain: the last bit of AV1's sequence header (5.5.1) before the one that ends
 * it. Yes where no such header comes first. */
static bool may_have_grain(const uint8_t *unit, size_t size)
{
    unsigned last = 0;
    size_t end;

    if (unit && size >= 2 && unit[0] == 0x12 && unit[1] == 0) { /* a delimiter */
        unit += 2;
        size -= 2;
    }
    if (!unit || size < 3 || (unit[0] & 0xFE) != 0x0A || unit[1] & 0x80 || unit[1] > size - 2)
        return true;
    for (end = 2 + (size_t)unit[1]; end > 2 && !unit[end - 1]; end--)
        continue;
    if (end < 4)
        return true;
    last = (unsigned)unit[end - 2] << 8 | unit[end - 1];
    while (!(last & 1))
        last >>= 1;
    return last & 2;
}

/* Tenths of a byte to a pixel of the coded frame, by av1C. */
static unsigned av1_tenths(const uint8_t *config, size_t size, bool grain)
{
    unsigned chroma;

    if (size < 4)
        return 0;
    chroma = config[2] & 16 ? 0 : config[2] & 4 ? 5 : config[2] & 8 ? 10 : 20;
    return (10 + chroma) * (config[2] & 64 ? 2 : 1) * (grain ? 2 : 1) + HEIF_TENTHS;
}

/* The same by hvcC. */
static unsigned hevc_tenths(const uint8_t *config, size_t size)
{
    static const unsigned chroma[] = {0, 5, 10, 20};

    if (size < 19)
        return 0;
    return (10 + chroma[config[16] & 3]) * (config[17] & 7 ? 2 : 1) + HEIF_TENTHS;
}

/* One coded picture, whole or a tile. */
static uint64_t coded_bytes(const struct sg_heif *boxes, const struct sg_heif_item *item,
                            const struct sg_heif_look *look)
{
    uint64_t area = (uint64_t)look->width * look->height;
    const uint8_t *config = boxes->bytes + look->config_at, *first;
    size_t first_size = 0;

    if (item->type != SG_HEIF_AV1) /* and FFmpeg's copy of the units without their escapes */
        return area * hevc_tenths(config, look->config_size) / 10 + boxes->size;
    first = sg_heif_first_bytes(boxes, item, &first_size);
    return area * av1_tenths(config, look->config_size, may_have_grain(first, first_size)) / 10;
}

void sg_need_heif(const uint8_t *bytes, size_t size, struct sg_need *need)
{
    struct sg_heif boxes = {0};
    struct sg_heif_look whole = {0}, part = {0};
    struct sg_error err;
    const struct sg_heif_item *item = NULL, *tile;

    if (sg_heif_parse(bytes, size, &boxes, &err) == 0)
        item = sg_heif_find(&boxes, boxes.primary);
    if (item && sg_heif_look(&boxes, item, &whole, &err) == 0) {
        uint64_t area = (uint64_t)whole.width * whole.height;

        need->pixels = area > need->pixels ? area : need->pixels;
        need->kept = need->decoding = size;
        tile = item->type == SG_HEIF_GRID ? sg_heif_find(&boxes, sg_heif_part(&boxes, item, 0)) : item;
        if (tile && sg_heif_look(&boxes, tile, &part, &err) == 0)
            need->decoding += coded_bytes(&boxes, tile, &part);
        if (tile != item)
            need->decoding += (uint64_t)part.width * part.height * SG_NEED_RGB_BYTES;
        for (int i = 0; i < whole.turn_count; i++)
            need->turned |= sg_exif_swaps_sides(whole.turns[i].orientation);
    }
    sg_heif_fini(&boxes);
}
