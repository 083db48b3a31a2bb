/* SPDX-License-Identifier: MIT
 * A TIFF's samples to RGB24. Rows and tiles of grey, palette, RGB and CMYK are converted here, since
 * libtiff's own conversion knows 8 and 16 bits only, no 16-bit inks, and multiplies colours by their alpha;
 * YCbCr, old JPEG and JBIG are left to it. Sources: TIFF 6.0 sections 4 to 6, 16, 18 and 19.
 */
#include "img/tiff_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Memory of one picture. */
struct work {
    struct tiff *tiff;
    struct sg_image *image;
    uint8_t *block;      /* a row of the file or a tile, as stored */
    uint8_t *fourth;     /* black or alpha: of a row, or of the whole picture when planes are separate */
    size_t fourth_bytes; /* from one row to the next; 0 when there is one row */
    const uint16_t *palette[3];
    unsigned palette_shift; /* 8, or 0 for the palettes of writers that forgot to fill 16 bits */
};

/* The number at `index` of samples packed from the highest bit down. Whole bytes have this machine's order.
 */
static unsigned sample_at(const uint8_t *samples, size_t index, int bits)
{
    unsigned value = 0;

    if (bits == 8)
        return samples[index];
    if (bits == 16) {
        uint16_t wide;

        memcpy(&wide, samples + index * 2, sizeof(wide));
        return wide;
    }
    for (size_t bit = index * (size_t)bits, end = bit + (size_t)bits; bit < end; bit++)
        value = value << 1 | (samples[bit / 8] >> (7 - bit % 8) & 1u);
    return value;
}

/* IEEE 754 with `exponent` and `fraction` bits, of 16 or 24 bits in all, widened. */
static double small_float(uint32_t value, int exponent, int fraction)
{
    int power = (int)(value >> fraction & ((1u << exponent) - 1)), bias = (1 << (exponent - 1)) - 1;
    double part = ldexp(value & ((1u << fraction) - 1), -fraction),
           sign = value >> (exponent + fraction) ? -1.0 : 1.0;

    if (power == (1 << exponent) - 1)
        return part > 0.0 ? NAN : sign * INFINITY;
    return sign * (power ? ldexp(1.0 + part, power - bias) : ldexp(part, 1 - bias));
}

static double float_at(const uint8_t *samples, size_t index, int bits)
{
    const uint8_t *at = samples + index * (size_t)bits / 8;
    float single;
    double wide;

    switch (bits) {
    case 16:
        return small_float(sample_at(samples, index, 16), 5, 10);
    case 24: /* libtiff leaves three bytes in this machine's order */
        return small_float((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16, 7, 16);
    case 32:
        memcpy(&single, at, sizeof(single));
        return single;
    default:
        memcpy(&wide, at, sizeof(wide));
        return wide;
    }
}

/* 0..1 is black..white. What lies outside is remembered: then nobody knows what white is. */
static uint8_t level_of_float(struct tiff *tiff, double value)
{
    if (value >= 0.0 && value <= 1.0)
        return (uint8_t)lrint(value * 255.0);
    if (!(value >= tiff->least)) /* also when it is no number */
        tiff->least = value;
    if (value > tiff->most)
        tiff->most = value;
    return 0;
}

/* 16 bits as OpenCV does with TIFF: colours divided by 257 and rounded, grey cut to its high byte. */
static uint8_t level_of(unsigned value, int bits, bool colour)
{
    unsigned top = (1u << bits) - 1;

    if (bits == 8)
        return (uint8_t)value;
    if (bits == 16)
        return (uint8_t)(colour ? (value + 128) / 257 : value >> 8);
    return (uint8_t)((value * 255 + top / 2) / top);
}

/* `count` samples from the first-th on, each `step` further, as bytes `out_step` apart. */
static void levels(struct tiff *tiff, const uint8_t *samples, int first, int step, int count, uint8_t *out,
                   int out_step)
{
    const struct tiff_layout *layout = &tiff->layout;
    size_t at = (size_t)first;

    for (int x = 0; out && x < count; x++, at += (size_t)step, out += out_step)
        *out = layout->is_float
                   ? level_of_float(tiff, float_at(samples, at, layout->bits))
                   : level_of(sample_at(samples, at, layout->bits), layout->bits, layout->inks >= 3);
}

static void palette_row(const struct work *work, const uint8_t *samples, int step, int count, uint8_t *out)
{
    int bits = work->tiff->layout.bits;

    for (int x = 0; x < count; x++, out += 3) {
        unsigned index = sample_at(samples, (size_t)x * (size_t)step, bits);

        for (int c = 0; c < 3 && work->palette[c]; c++)
            out[c] = (uint8_t)(work->palette[c][index] >> work->palette_shift);
    }
}

/* Colours that were multiplied with their alpha are divided again: alpha is dropped, not blended. */
static void divide_alpha(const uint8_t *alpha, int count, int channels, uint8_t *out)
{
    for (int x = 0; x < count; x++, out += 3)
        for (int c = 0; c < channels && alpha[x]; c++) {
            unsigned value = (out[c] * 255u + alpha[x] / 2u) / alpha[x];

            out[c] = (uint8_t)(value > 255 ? 255 : value);
        }
}

/* The same for packed pixels, in the samples' own precision. */
static void divided_row(const struct tiff_layout *layout, const uint8_t *samples, int count, uint8_t *out)
{
    size_t at = 0;

    for (int x = 0; x < count; x++, at += (size_t)layout->samples, out += 3) {
        unsigned alpha = sample_at(samples, at + (size_t)layout->alpha, layout->bits);

        for (int c = 0; c < layout->inks; c++) {
            unsigned value = sample_at(samples, at + (size_t)c, layout->bits);

            if (value >=
                alpha) /* nothing is brighter than white; of what is fully transparent nothing is known */
                out[c] = alpha ? 255 : level_of(value, layout->bits, layout->inks >= 3);
            else
                out[c] = (uint8_t)((value * 255 + alpha / 2) / alpha);
        }
    }
}

/* The pixel's other half, when all its samples are there: inversion, black, alpha, grey to three channels. */
static void finish_row(const struct work *work, const uint8_t *fourth, int count, uint8_t *out)
{
    const struct tiff_layout *layout = &work->tiff->layout;

    if (layout->colour == TIFF_CMYK) {
        for (int x = 0; fourth && x < count; x++, out += 3)
            for (int c = 0; c < 3; c++)
                out[c] = (uint8_t)(((255u - out[c]) * (255u - fourth[x]) + 127u) / 255u);
        return;
    }
    if (layout->alpha >= 0 && (layout->is_separate || layout->is_float))
        divide_alpha(fourth, count, layout->inks, out);
    if (layout->colour != TIFF_GREY)
        return;
    for (int x = 0; x < count; x++, out += 3)
        out[0] = out[1] = out[2] = layout->inverted ? (uint8_t)~out[0] : out[0];
}

static int fourth_sample(const struct tiff_layout *layout)
{
    return layout->colour == TIFF_CMYK ? 3 : layout->alpha;
}

/* `count` pixels at x,y from stored samples: of all planes, or of one. */
static void put(const struct work *work, int plane, int x, int y, int count, const uint8_t *samples)
{
    struct tiff *tiff = work->tiff;
    const struct tiff_layout *layout = &tiff->layout;
    uint8_t *out = work->image->data + (size_t)y * work->image->stride_bytes + (size_t)x * 3;
    uint8_t *fourth = work->fourth ? work->fourth + (size_t)y * work->fourth_bytes + x : NULL;
    int step = layout->is_separate ? 1 : layout->samples, last = fourth_sample(layout);

    if (layout->colour == TIFF_PALETTE) {
        palette_row(work, samples, step, count, out);
        return;
    }
    if (layout->is_separate) {
        if (plane == last)
            levels(tiff, samples, 0, 1, count, fourth, 1);
        else
            levels(tiff, samples, 0, 1, count, out + plane, 3);
        return; /* finished when all planes are there */
    }
    if (layout->bits == 8 && layout->samples == 3 && layout->inks == 3 && samples) {
        memcpy(out, samples, (size_t)count * 3);
        return;
    }
    if (layout->alpha >= 0 && layout->colour != TIFF_CMYK && !layout->is_float)
        divided_row(layout, samples, count, out);
    else
        for (int c = 0; c < layout->inks && c < 3; c++)
            levels(tiff, samples, c, step, count, out + c, 3);
    if (last >= 0)
        levels(tiff, samples, last, step, count, fourth, 1);
    finish_row(work, fourth, count, out);
}

static bool read_rows(const struct work *work, int plane)
{
    const struct tiff_layout *layout = &work->tiff->layout;

    for (int y = 0; y < layout->height; y++) {
        if (TIFFReadScanline(work->tiff->file, work->block, (uint32_t)y, (uint16_t)plane) < 0 ||
            work->tiff->has_message)
            return false;
        put(work, plane, 0, y, layout->width, work->block);
    }
    return true;
}

static bool read_tiles(const struct work *work, int plane)
{
    const struct tiff_layout *layout = &work->tiff->layout;
    tmsize_t row_bytes = TIFFTileRowSize(work->tiff->file), tile_bytes = TIFFTileSize(work->tiff->file);
    int wide = (int)layout->block_width, high = (int)layout->block_height;

    for (int64_t top = 0; top < layout->height; top += high)
        for (int64_t left = 0; left < layout->width; left += wide) {
            uint32_t tile =
                TIFFComputeTile(work->tiff->file, (uint32_t)left, (uint32_t)top, 0, (uint16_t)plane);
            int64_t columns = layout->width - left < wide ? layout->width - left : wide;
            int64_t rows = layout->height - top < high ? layout->height - top : high;

            if (TIFFReadEncodedTile(work->tiff->file, tile, work->block, tile_bytes) != tile_bytes ||
                work->tiff->has_message)
                return false;
            for (int64_t y = 0; y < rows; y++)
                put(work, plane, (int)left, (int)(top + y), (int)columns, work->block + y * row_bytes);
        }
    return true;
}

/* A sparse file leaves blocks out; what stands for them is the reader's guess. */
static bool has_empty_block(TIFF *file)
{
    uint32_t count = TIFFIsTiled(file) ? TIFFNumberOfTiles(file) : TIFFNumberOfStrips(file);

    for (uint32_t i = 0; i < count; i++)
        if (TIFFGetStrileByteCount(file, i) == 0 && TIFFGetStrileOffset(file, i) == 0)
            return true;
    return false;
}

static bool prepare_palette(struct work *work)
{
    const struct tiff_layout *layout = &work->tiff->layout;
    uint16_t *maps[3];

    if (layout->colour != TIFF_PALETTE)
        return true;
    if (!TIFFGetField(work->tiff->file, TIFFTAG_COLORMAP, &maps[0], &maps[1], &maps[2]))
        return false;
    for (int c = 0; c < 3; c++) {
        work->palette[c] = maps[c];
        for (size_t i = 0; i < (size_t)1 << layout->bits; i++)
            if (maps[c][i] > 255)
                work->palette_shift = 8;
    }
    return true;
}

static int prepare(struct work *work, struct sg_error *err)
{
    const struct tiff_layout *layout = &work->tiff->layout;
    uint64_t block =
        layout->is_tiled ? TIFFTileSize64(work->tiff->file) : TIFFScanlineSize64(work->tiff->file);
    size_t fourth = (size_t)layout->width * (layout->is_separate ? (size_t)layout->height : 1);

    if (!prepare_palette(work))
        return sg_error_set(err, SG_E_BAD_IMAGE, "tiff has colours by number but no table of them");
    work->block = calloc(1, (size_t)block);
    if (fourth_sample(layout) >= 0) {
        work->fourth = malloc(fourth);
        work->fourth_bytes = layout->is_separate ? (size_t)layout->width : 0;
    }
    if (!work->block || (fourth_sample(layout) >= 0 && !work->fourth))
        return sg_error_set(err, SG_E_NOMEM, "out of memory for a picture of %dx%d", layout->width,
                            layout->height);
    return 0;
}

static int own_pixels(struct tiff *tiff, struct sg_image *image, struct sg_error *err)
{
    const struct tiff_layout *layout = &tiff->layout;
    struct work work = {.tiff = tiff, .image = image};
    int code = prepare(&work, err), last = fourth_sample(layout);
    bool good = code == 0;

    for (int plane = 0; good && plane < (layout->is_separate ? layout->samples : 1); plane++)
        if (plane == 0 || plane < layout->inks || plane == last)
            good = layout->is_tiled ? read_tiles(&work, plane) : read_rows(&work, plane);
    for (int y = 0; good && layout->is_separate && y < layout->height; y++)
        finish_row(&work, work.fourth ? work.fourth + (size_t)y * work.fourth_bytes : NULL, layout->width,
                   image->data + (size_t)y * image->stride_bytes);
    if (code == 0 && !good)
        code = sg_tiff_report(tiff, err);
    free(work.block);
    free(work.fourth);
    return code;
}

/* One block through libtiff's conversion, top row first. */
static bool library_block(TIFFRGBAImage *reader, uint32_t *raster, int left, int top, int width, int height,
                          struct sg_image *image)
{
    reader->col_offset = left;
    reader->row_offset = top;
    if (!TIFFRGBAImageGet(reader, raster, (uint32_t)width, (uint32_t)height))
        return false;
    for (int y = 0; y < height; y++) {
        const uint32_t *in = raster + (size_t)y * (size_t)width;
        uint8_t *out = image->data + (size_t)(top + y) * image->stride_bytes + (size_t)left * 3;

        for (int x = 0; x < width; x++, out += 3) {
            out[0] = (uint8_t)TIFFGetR(in[x]);
            out[1] = (uint8_t)TIFFGetG(in[x]);
            out[2] = (uint8_t)TIFFGetB(in[x]);
        }
    }
    return true;
}

static int library_pixels(struct tiff *tiff, struct sg_image *image, struct sg_error *err)
{
    const struct tiff_layout *layout = &tiff->layout;
    int64_t wide =
        layout->width < (int64_t)layout->block_width ? layout->width : (int64_t)layout->block_width;
    int64_t high =
        layout->height < (int64_t)layout->block_height ? layout->height : (int64_t)layout->block_height;
    TIFFRGBAImage reader;
    uint32_t *raster;
    char reason[1024] = "";
    bool good = true;

    if (!TIFFRGBAImageOK(tiff->file, reason) || !TIFFRGBAImageBegin(&reader, tiff->file, 1, reason))
        return sg_error_set(err, SG_E_UNSUPPORTED, "this tiff is not supported: %s", reason);
    /* As stored: turning is done by who called. */
    reader.orientation = reader.req_orientation = ORIENTATION_TOPLEFT;
    raster = malloc((size_t)wide * (size_t)high * sizeof(*raster));
    for (int64_t top = 0; raster && good && top < layout->height; top += high)
        for (int64_t left = 0; good && left < layout->width; left += wide)
            good = library_block(&reader, raster, (int)left, (int)top,
                                 (int)(layout->width - left < wide ? layout->width - left : wide),
                                 (int)(layout->height - top < high ? layout->height - top : high), image) &&
                   !tiff->has_message;
    TIFFRGBAImageEnd(&reader);
    if (!raster)
        return sg_error_set(err, SG_E_NOMEM, "out of memory for a picture of %dx%d", layout->width,
                            layout->height);
    free(raster);
    return good ? 0 : sg_tiff_report(tiff, err);
}

int sg_tiff_pixels(struct tiff *tiff, struct sg_image *image, struct sg_error *err)
{
    const struct tiff_layout *layout = &tiff->layout;
    int code;

    tiff->least = 0.0;
    tiff->most = 1.0;
    if (has_empty_block(tiff->file))
        return sg_error_set(err, SG_E_UNSUPPORTED,
                            "this tiff is not supported: parts of it are left out (sparse)");
    code =
        layout->colour == TIFF_BY_LIBRARY ? library_pixels(tiff, image, err) : own_pixels(tiff, image, err);
    if (code == 0 && (!(tiff->least >= 0.0) || tiff->most > 1.0))
        return sg_error_set(
            err, SG_E_UNSUPPORTED,
            "this tiff is not supported: float samples from %g to %g; only 0 to 1 are read, as black "
            "to white",
            tiff->least, tiff->most);
    return code;
}
