/* SPDX-License-Identifier: MIT
 * BMP of Windows and OS/2: all headers from BITMAPCOREHEADER to BITMAPV5HEADER, 1 to 32 bits, any masks, run
 * lengths. Written here because FFmpeg knows five sets of masks and calls the others damaged. Sources:
 * Microsoft's documents of BITMAPINFOHEADER and its successors, the OS/2 2.x header in Encyclopedia of
 * Graphics File Formats.
 */
#include "img/decode_kind.h"
#include "img/header.h"

#include <string.h>

#define FILE_HEADER 14u
#define CORE_HEADER 12u
#define OS2_HEADER  64u
#define MAX_HEADER  124u

enum compression { BMP_RGB, BMP_RLE8, BMP_RLE4, BMP_MASKS, BMP_JPEG, BMP_PNG, BMP_ALPHA_MASKS };

struct bmp {
    const uint8_t *bytes;
    size_t size;
    int width, height;
    bool top_down;
    unsigned bits, compression;
    size_t pixels_at;
    uint32_t masks[3]; /* red, green, blue of 16 and 32 bits */
    uint8_t palette[256][3];
};

static const char *bmp_sniff(const uint8_t *bytes, size_t size)
{
    return size >= 2 && !memcmp(bytes, "BM", 2) ? "bmp" : NULL;
}

static int bmp_probe(void *state, const struct sg_encoded *encoded, struct sg_stored *stored,
                     struct sg_error *err)
{
    (void)state;
    return sg_header_probe(sg_header_bmp, encoded, stored, err);
}

static int ends_early(const struct bmp *bmp, struct sg_error *err)
{
    return sg_error_set(err, SG_E_BAD_IMAGE, "bmp data ends early (%zu bytes)", bmp->size);
}

/* Numbers of a header that is shorter than they lie are 0. */
static uint32_t header_number(const struct bmp *bmp, uint32_t header_bytes, uint32_t at)
{
    return at + 4 <= header_bytes ? sg_le32(bmp->bytes + FILE_HEADER + at) : 0;
}

static int check_kind(const struct bmp *bmp, uint32_t header_bytes, struct sg_error *err)
{
    bool fits;

    switch (bmp->compression) {
    case BMP_RGB:
        fits = bmp->bits == 1 || bmp->bits == 2 || bmp->bits == 4 || bmp->bits == 8 || bmp->bits == 16 ||
               bmp->bits == 24 || bmp->bits == 32;
        break;
    case BMP_RLE8:
        fits = bmp->bits == 8 && !bmp->top_down;
        break;
    case BMP_RLE4:
        fits = bmp->bits == 4 && !bmp->top_down;
        break;
    case BMP_MASKS:
    case BMP_ALPHA_MASKS:
        fits = (bmp->bits == 16 || bmp->bits == 32) && header_bytes != OS2_HEADER;
        break;
    default:
        fits = false;
    }
    if (fits)
        return 0;
    return sg_error_set(err, SG_E_UNSUPPORTED, "this bmp is not supported: %u bits with compression %u%s%s",
                        bmp->bits, bmp->compression, bmp->top_down ? " from the top down" : "",
                        header_bytes == OS2_HEADER ? " of OS/2" : "");
}

static int read_masks(struct bmp *bmp, uint32_t header_bytes, size_t *palette_at, struct sg_error *err)
{
    static const uint32_t masks[2][3] = {{0x7C00, 0x3E0, 0x1F}, {0xFF0000, 0xFF00, 0xFF}};
    const uint8_t *at = bmp->bytes + FILE_HEADER + 40; /* inside later headers, behind the first */

    memcpy(bmp->masks, masks[bmp->bits == 32], sizeof(bmp->masks));
    if (bmp->compression != BMP_MASKS && bmp->compression != BMP_ALPHA_MASKS)
        return 0;
    if (header_bytes < 52)
        *palette_at += bmp->compression == BMP_MASKS ? 12 : 16;
    if (bmp->size < FILE_HEADER + 52)
        return ends_early(bmp, err);
    for (int c = 0; c < 3; c++) {
        uint32_t mask = sg_le32(at + (size_t)c * 4);

        bmp->masks[c] = mask;
        while (mask && !(mask & 1))
            mask >>= 1;
        if (mask & (mask + 1))
            return sg_error_set(err, SG_E_UNSUPPORTED,
                                "this bmp is not supported: the bits of a colour (mask %08x) "
                                "are not side by side",
                                bmp->masks[c]);
    }
    return 0;
}

static int read_palette(struct bmp *bmp, size_t at, uint32_t used, unsigned entry_bytes, struct sg_error *err)
{
    uint32_t most = bmp->bits <= 8 ? 1u << bmp->bits : 0, count = used == 0 || used > most ? most : used;

    if (bmp->pixels_at < at) /* some writers leave it 0 */
        bmp->pixels_at = at + (size_t)count * entry_bytes;
    if (bmp->bits <= 8 && used > 0 && at + (size_t)count * entry_bytes > bmp->pixels_at)
        return sg_error_set(err, SG_E_BAD_IMAGE, "bmp header says that its pixels lie inside its %u colours",
                            count);
    for (uint32_t i = 0; i < count && at + entry_bytes <= bmp->size && at + entry_bytes <= bmp->pixels_at;
         i++, at += entry_bytes)
        for (int c = 0; c < 3; c++)
            bmp->palette[i][c] = bmp->bytes[at + 2 - (size_t)c];
    return 0;
}

static int read_header(struct bmp *bmp, const struct sg_stored *stored, struct sg_error *err)
{
    uint32_t header_bytes = sg_le32(bmp->bytes + FILE_HEADER);
    bool core = header_bytes == CORE_HEADER;
    size_t palette_at = FILE_HEADER + (size_t)header_bytes;
    int code;

    if (header_bytes < CORE_HEADER || header_bytes > MAX_HEADER ||
        (header_bytes > CORE_HEADER && header_bytes < 16))
        return sg_error_set(err, SG_E_UNSUPPORTED, "this bmp is not supported: a header of %u bytes",
                            header_bytes);
    if (bmp->size < palette_at)
        return ends_early(bmp, err);
    bmp->width = stored->width;
    bmp->height = stored->height;
    bmp->top_down = !core && (int32_t)sg_le32(bmp->bytes + 22) < 0;
    bmp->bits = sg_le16(bmp->bytes + (core ? 24 : 28));
    bmp->compression = core ? BMP_RGB : header_number(bmp, header_bytes, 16);
    bmp->pixels_at = sg_le32(bmp->bytes + 10);
    code = check_kind(bmp, header_bytes, err);
    if (code < 0)
        return code;
    if (bmp->bits >= 16)
        code = read_masks(bmp, header_bytes, &palette_at, err);
    if (code == 0)
        code =
            read_palette(bmp, palette_at, core ? 0 : header_number(bmp, header_bytes, 32), core ? 3 : 4, err);
    return code;
}

static void put_index(const struct bmp *bmp, unsigned index, uint8_t *out)
{
    memcpy(out, bmp->palette[index], 3);
}

/* A colour's bits as 0..255; a mask without bits is a colour that is not there. */
static uint8_t masked(uint32_t pixel, uint32_t mask)
{
    uint64_t value = pixel & mask, top = mask;

    if (!mask)
        return 0;
    value >>= __builtin_ctz(mask);
    top >>= __builtin_ctz(mask);
    return (uint8_t)((value * 255 + top / 2) / top);
}

static void convert_row(const struct bmp *bmp, const uint8_t *in, uint8_t *out)
{
    unsigned bits = bmp->bits;

    for (int x = 0; x < bmp->width; x++, out += 3) {
        if (bits <= 8) {
            size_t bit = (size_t)x * bits;

            put_index(bmp, in[bit / 8] >> (8 - bits - bit % 8) & ((1u << bits) - 1), out);
        } else if (bits == 24) {
            for (int c = 0; c < 3; c++)
                out[c] = in[(size_t)x * 3 + 2 - (size_t)c];
        } else {
            uint32_t pixel = bits == 16 ? sg_le16(in + (size_t)x * 2) : sg_le32(in + (size_t)x * 4);

            for (int c = 0; c < 3; c++)
                out[c] = masked(pixel, bmp->masks[c]);
        }
    }
}

static uint8_t *image_row(const struct bmp *bmp, const struct sg_image *image, int y)
{
    return image->data + (size_t)(bmp->top_down ? y : bmp->height - 1 - y) * image->stride_bytes;
}

static int read_rows(const struct bmp *bmp, struct sg_image *image, struct sg_error *err)
{
    uint64_t used = ((uint64_t)bmp->width * bmp->bits + 7) / 8, stride = (used + 3) / 4 * 4;

    /* The last row's padding may be left out. */
    if (bmp->pixels_at > bmp->size ||
        stride * (uint64_t)(bmp->height - 1) + used > bmp->size - bmp->pixels_at)
        return ends_early(bmp, err);
    for (int y = 0; y < bmp->height; y++)
        convert_row(bmp, bmp->bytes + bmp->pixels_at + stride * (uint64_t)y, image_row(bmp, image, y));
    return 0;
}

/* A place in run-length data and in the picture. */
struct runs {
    size_t at;
    int64_t x, y;
    int64_t set; /* pixels so far; none can be set twice, since runs only go on */
    bool outside;
};

static void put_run(const struct bmp *bmp, struct runs *runs, unsigned index, struct sg_image *image)
{
    if (runs->x >= bmp->width || runs->y >= bmp->height) {
        runs->outside = true;
        return;
    }
    put_index(bmp, index, image_row(bmp, image, (int)runs->y) + runs->x * 3);
    runs->x++;
    runs->set++;
}

/* Indices as they are, padded to 16 bits. */
static bool literal(const struct bmp *bmp, struct runs *runs, unsigned count, struct sg_image *image)
{
    size_t bytes = bmp->bits == 8 ? count : (count + 1) / 2;

    if (bytes > bmp->size - runs->at)
        return false;
    for (unsigned i = 0; i < count; i++)
        put_run(bmp, runs,
                bmp->bits == 8 ? bmp->bytes[runs->at + i]
                               : bmp->bytes[runs->at + i / 2] >> (i & 1 ? 0 : 4) & 15,
                image);
    bytes += bytes & 1;
    runs->at = bytes > bmp->size - runs->at ? bmp->size : runs->at + bytes;
    return true;
}

/* One code; false when the data end. *done at the end of the picture. */
static bool run_code(const struct bmp *bmp, struct runs *runs, struct sg_image *image, bool *done)
{
    unsigned count, value;

    if (bmp->size - runs->at < 2)
        return false;
    count = bmp->bytes[runs->at];
    value = bmp->bytes[runs->at + 1];
    runs->at += 2;
    if (count > 0) {
        for (unsigned i = 0; i < count; i++)
            put_run(bmp, runs, bmp->bits == 8 ? value : value >> (i & 1 ? 0 : 4) & 15, image);
    } else if (value == 0) {
        runs->x = 0;
        runs->y++;
    } else if (value == 1) {
        *done = true;
    } else if (value == 2) {
        if (bmp->size - runs->at < 2)
            return false;
        runs->x += bmp->bytes[runs->at];
        runs->y += bmp->bytes[runs->at + 1];
        runs->at += 2;
    } else {
        return literal(bmp, runs, value, image);
    }
    return true;
}

/* The end mark may be missing behind the last row. What no run sets is transparent to some readers, and the
 * first colour to others. */
static int read_runs(const struct bmp *bmp, struct sg_image *image, struct sg_error *err)
{
    struct runs runs = {.at = bmp->pixels_at < bmp->size ? bmp->pixels_at : bmp->size};
    int64_t pixels = (int64_t)bmp->width * bmp->height;
    bool done = false;

    while (!done && !runs.outside && runs.set < pixels)
        if (!run_code(bmp, &runs, image, &done))
            return ends_early(bmp, err);
    if (runs.outside)
        return sg_error_set(err, SG_E_BAD_IMAGE,
                            "bmp data is damaged: a run goes past the edge of the picture");
    if (runs.set < pixels)
        return sg_error_set(err, SG_E_UNSUPPORTED, "this bmp is not supported: its runs leave pixels out");
    return 0;
}

static int bmp_decode(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                      const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err)
{
    struct bmp bmp = {.bytes = encoded->bytes, .size = encoded->size};
    int code = read_header(&bmp, stored, err);

    (void)state;
    (void)wish;
    if (code < 0)
        return code;
    code = sg_decode_room(image, stored->width, stored->height, err);
    if (code < 0)
        return code;
    return bmp.compression == BMP_RLE8 || bmp.compression == BMP_RLE4 ? read_runs(&bmp, image, err)
                                                                      : read_rows(&bmp, image, err);
}

const struct sg_decode_ops sg_decode_bmp_ops = {
    .sniff = bmp_sniff,
    .probe = bmp_probe,
    .decode = bmp_decode,
};
