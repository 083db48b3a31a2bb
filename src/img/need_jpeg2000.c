/* SPDX-License-Identifier: MIT
 * OpenJPEG holds four bytes per sample of the picture, those of one tile besides where there are several, the
 * coded bytes, and for every code-block and precinct a structure: with blocks of 4x4 these are six times
 * the samples. ISO 15444-1 annex A; sizes measured on OpenJPEG 2.5.
 */
#include "img/header.h"
#include "img/need_private.h"

#include <string.h>

#define SAMPLE_BYTES    4
#define BLOCK_BYTES     500  /* of the structures of one code-block */
#define PRECINCT_BYTES  2300 /* of one precinct in one band, with its two tag trees */
#define MAX_LEVELS      32
#define MAX_COMPONENTS  5 /* more are refused before they are decoded */
#define WHOLE_PRECINCTS 15

/* Logarithms of the smallest sizes that any coding style in the main header or the first tile's says. */
struct style {
    unsigned block_x, block_y, levels;
    unsigned precinct_x[MAX_LEVELS + 1], precinct_y[MAX_LEVELS + 1];
};

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* SPcod or SPcoc: levels, block width and height, style, transform, precincts. */
static void read_style(const uint8_t *at, size_t size, bool has_precincts, struct style *style)
{
    unsigned levels = size >= 5 ? smaller(at[0], MAX_LEVELS) : 0;

    if (size < 5)
        return;
    style->block_x = smaller(style->block_x, (at[1] & 15u) + 2);
    style->block_y = smaller(style->block_y, (at[2] & 15u) + 2);
    style->levels = levels > style->levels ? levels : style->levels;
    for (unsigned i = 0; has_precincts && i <= levels && 5 + i < size; i++) {
        style->precinct_x[i] = smaller(style->precinct_x[i], at[5 + i] & 15u);
        style->precinct_y[i] = smaller(style->precinct_y[i], at[5 + i] >> 4);
    }
}

static void read_styles(const uint8_t *at, size_t size, unsigned components, struct style *style)
{
    size_t wide = components > 256 ? 2 : 1;

    *style = (struct style){.block_x = 10, .block_y = 10};
    for (unsigned i = 0; i <= MAX_LEVELS; i++)
        style->precinct_x[i] = style->precinct_y[i] = WHOLE_PRECINCTS;
    at += 2;
    size -= 2;
    while (size >= 4 && at[0] == 0xFF && at[1] != 0x93) { /* to the first tile's data */
        size_t length = (size_t)sg_be16(at + 2) + 2;

        if (length > size)
            break;
        if (at[1] == 0x52 && length > 9) /* COD */
            read_style(at + 9, length - 9, at[4] & 1, style);
        if (at[1] == 0x53 && length > 5 + wide) /* COC */
            read_style(at + 5 + wide, length - 5 - wide, at[4 + wide] & 1, style);
        at += length;
        size -= length;
    }
}

static uint64_t parts(double area, unsigned log_x, unsigned log_y)
{
    return (uint64_t)(area / (double)((uint64_t)1 << (log_x + log_y))) + 1;
}

/* Structures of one component of `area` samples: of the lowest resolution one band, of each other three. */
static uint64_t structures(const struct style *style, double area)
{
    uint64_t bytes = 0;

    for (unsigned level = 0; level <= style->levels; level++) {
        double scale = (double)((uint64_t)1 << smaller(2 * (style->levels - level), 62));
        double band = area / scale / (level ? 4.0 : 1.0);
        unsigned half = level ? 1 : 0, x = style->precinct_x[level], y = style->precinct_y[level];

        x = x > half ? x - half : 0;
        y = y > half ? y - half : 0;
        bytes += (level ? 3 : 1) *
                 (parts(band, smaller(x, style->block_x), smaller(y, style->block_y)) * BLOCK_BYTES +
                  parts(band, x, y) * PRECINCT_BYTES);
    }
    return bytes;
}

/* The codestream inside of a JP2 file; NULL when there is none. */
static const uint8_t *codestream(const uint8_t *bytes, size_t size, size_t *left)
{
    const uint8_t *found = bytes[0] == 0xFF ? bytes : memmem(bytes, size, "\xFF\x4F\xFF\x51", 4);

    *left = found ? size - (size_t)(found - bytes) : 0;
    return *left >= 42 ? found : NULL;
}

void sg_need_jpeg2000(const uint8_t *bytes, size_t size, struct sg_need *need)
{
    struct style style;
    size_t left;
    const uint8_t *stream = codestream(bytes, size, &left);
    uint64_t area = need->pixels, tile, samples;
    unsigned components;

    if (!stream)
        return;
    components = smaller(sg_be16(stream + 40), MAX_COMPONENTS);
    tile = (uint64_t)sg_be32(stream + 24) * sg_be32(stream + 28);
    samples = components;
    read_styles(stream, left, sg_be16(stream + 40), &style);
    if (memmem(bytes, size - left, "pclr", 4)) /* indices become colours */
        samples += 3;
    need->decoding = size + area * samples * SAMPLE_BYTES;
    if (tile < area) {
        need->decoding += tile * components * SAMPLE_BYTES;
        area = tile;
    }
    need->decoding += components * structures(&style, (double)area);
}
