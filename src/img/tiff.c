/* SPDX-License-Identifier: MIT
 * TIFF and BigTIFF through libtiff, from memory: the first directory. What libtiff only reports is an error
 * here: a fax line of the wrong length or a JPEG strip that ends early comes as a picture otherwise. The
 * handlers belong to the open file, not to the process.
 */
#include "img/decode_kind.h"
#include "img/header.h"
#include "img/tiff_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MIN    ((uint64_t)64 << 20)
#define BYTES_A_PIXEL 8u /* of the widest samples: 16 bits of red, green, blue and alpha */
#define TAG_DNG       50706u

static const char *tiff_sniff(const uint8_t *bytes, size_t size)
{
    if (size < 4)
        return NULL;
    return !memcmp(bytes, "II*\0", 4) || !memcmp(bytes, "MM\0*", 4) || !memcmp(bytes, "II+\0", 4) ||
                   !memcmp(bytes, "MM\0+", 4)
               ? "tiff"
               : NULL;
}

static void tiff_destroy(void *state)
{
    free(state);
}

static int tiff_create(const struct sg_decode_limits *limits, void **out_state)
{
    struct tiff *tiff = calloc(1, sizeof(*tiff));

    if (!tiff)
        return SG_E_NOMEM;
    tiff->max_pixels = limits->max_pixels;
    *out_state = tiff;
    return 0;
}

uint64_t sg_tiff_memory_max(const struct tiff *tiff)
{
    uint64_t most = tiff->max_pixels > INT64_MAX / (int64_t)BYTES_A_PIXEL
                        ? INT64_MAX
                        : (uint64_t)tiff->max_pixels * BYTES_A_PIXEL;

    return most > MEMORY_MIN ? most : MEMORY_MIN;
}

static int keep_message(struct tiff *tiff, const char *format, va_list args)
{
    if (!tiff->has_message)
        vsnprintf(tiff->message, sizeof(tiff->message), format, args);
    tiff->has_message = true;
    return 1; /* not for the process's own handler */
}

static int on_error(TIFF *file, void *user, const char *module, const char *format, va_list args)
{
    (void)file;
    (void)module;
    return keep_message(user, format, args);
}

/* While pixels are read a warning means that some were guessed; those about tags do not matter, nor does the
 * bit order of LZW before TIFF 6. */
static int on_warning(TIFF *file, void *user, const char *module, const char *format, va_list args)
{
    static const char *const guessing[] = {"JPEGLib",  "JPEGPreDecode", "Fax",
                                           "PackBits", "JBIG",          "OJPEGPostDecode"};
    struct tiff *tiff = user;

    (void)file;
    for (size_t i = 0; module && tiff->reads_pixels && i < sizeof(guessing) / sizeof(guessing[0]); i++)
        if (!strncmp(module, guessing[i], strlen(guessing[i])) && !strstr(format, "size exceeds"))
            return keep_message(tiff, format, args);
    return 1;
}

int sg_tiff_report(const struct tiff *tiff, struct sg_error *err)
{
    static const struct {
        const char *words;
        enum sg_err code;
    } kinds[] = {
        {"byte limit defined", SG_E_TOO_LARGE}, {"emory alloc", SG_E_NOMEM},
        {"ut of memory", SG_E_NOMEM},           {"not supported", SG_E_UNSUPPORTED},
        {"upported", SG_E_UNSUPPORTED},         {"not implemented", SG_E_UNSUPPORTED},
        {"not configured", SG_E_UNSUPPORTED},   {"annot handle", SG_E_UNSUPPORTED},
        {"an not handle", SG_E_UNSUPPORTED},    {"can't handle", SG_E_UNSUPPORTED},
        {"precision", SG_E_UNSUPPORTED},
    };

    if (!tiff->has_message)
        return sg_error_set(err, SG_E_BAD_IMAGE, "tiff data is damaged or ends early (%zu bytes)",
                            (size_t)tiff->size);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strstr(tiff->message, kinds[i].words))
            return sg_error_set(err, kinds[i].code,
                                kinds[i].code == SG_E_UNSUPPORTED ? "this tiff is not supported: %s"
                                                                  : "cannot read this tiff: %s",
                                tiff->message);
    return sg_error_set(err, SG_E_BAD_IMAGE, "tiff data is damaged or ends early (%zu bytes): %s",
                        (size_t)tiff->size, tiff->message);
}

static tmsize_t read_bytes(thandle_t handle, void *out, tmsize_t bytes)
{
    struct tiff *tiff = handle;
    uint64_t left = tiff->at < tiff->size ? tiff->size - tiff->at : 0;
    uint64_t count = bytes < 0 ? 0 : (uint64_t)bytes < left ? (uint64_t)bytes : left;

    memcpy(out, tiff->bytes + (count ? tiff->at : 0), count);
    tiff->at += count;
    return (tmsize_t)count;
}

static tmsize_t write_bytes(thandle_t handle, void *bytes, tmsize_t size)
{
    (void)handle;
    (void)bytes;
    (void)size;
    return -1;
}

static toff_t seek_bytes(thandle_t handle, toff_t offset, int whence)
{
    struct tiff *tiff = handle;

    tiff->at = whence == SEEK_CUR ? tiff->at + offset : whence == SEEK_END ? tiff->size + offset : offset;
    return tiff->at;
}

static int close_bytes(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of_bytes(thandle_t handle)
{
    const struct tiff *tiff = handle;

    return tiff->size;
}

static int map_bytes(thandle_t handle, void **out_base, toff_t *out_size)
{
    struct tiff *tiff = handle;

    *out_base = (void *)(uintptr_t)tiff->bytes; /* libtiff does not write into a map */
    *out_size = tiff->size;
    return 1;
}

static void unmap_bytes(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

/* Opens the bytes at their first directory; the caller closes tiff->file. */
static int open_file(struct tiff *tiff, const struct sg_encoded *encoded, struct sg_error *err)
{
    uint64_t most = sg_tiff_memory_max(tiff);
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();

    tiff->bytes = encoded->bytes;
    tiff->size = encoded->size;
    tiff->at = 0;
    tiff->has_message = tiff->reads_pixels = false;
    if (!options)
        return sg_error_set(err, SG_E_NOMEM, "out of memory for a tiff decoder");
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)most);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, tiff);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, tiff);
    tiff->file = TIFFClientOpenExt("picture", "r", tiff, read_bytes, write_bytes, seek_bytes, close_bytes,
                                   size_of_bytes, map_bytes, unmap_bytes, options);
    TIFFOpenOptionsFree(options);
    if (tiff->file && !tiff->has_message)
        return 0;
    return sg_tiff_report(tiff, err);
}

static void close_file(struct tiff *tiff)
{
    if (tiff->file)
        TIFFClose(tiff->file);
    tiff->file = NULL;
    tiff->bytes = NULL;
}

static uint32_t number(TIFF *file, uint32_t tag)
{
    uint32_t value = 0;

    return TIFFGetFieldDefaulted(file, tag, &value) ? value : 0;
}

static uint16_t short_number(TIFF *file, uint32_t tag)
{
    uint16_t value = 0;

    return TIFFGetFieldDefaulted(file, tag, &value) ? value : 0;
}

static int tiff_probe(void *state, const struct sg_encoded *encoded, struct sg_stored *stored,
                      struct sg_error *err)
{
    struct tiff *tiff = state;
    int code = open_file(tiff, encoded, err);

    if (code == 0) {
        uint32_t width = number(tiff->file, TIFFTAG_IMAGEWIDTH),
                 height = number(tiff->file, TIFFTAG_IMAGELENGTH);
        uint16_t turned = short_number(tiff->file, TIFFTAG_ORIENTATION);

        stored->width = width > INT_MAX ? INT_MAX : (int)width;
        stored->height = height > INT_MAX ? INT_MAX : (int)height;
        stored->orientation = turned >= 1 && turned <= 8 ? turned : 1;
        if (width < 1 || height < 1)
            code = sg_error_set(err, SG_E_BAD_IMAGE, "tiff header says a size of %ux%u", width, height);
    }
    close_file(tiff);
    return code;
}

static int refuse(struct sg_error *err, const char *what)
{
    return sg_error_set(err, SG_E_UNSUPPORTED, "this tiff is not supported: %s", what);
}

/* Files that begin with a picture other than the one they are about, or that hold none. */
static int refuse_strangers(struct tiff *tiff, struct sg_error *err)
{
    uint32_t kind = number(tiff->file, TIFFTAG_SUBFILETYPE);
    uint16_t count = 0;
    void *values = NULL;
    bool has_others = TIFFGetField(tiff->file, TIFFTAG_SUBIFD, &count, &values) && count > 0;

    if (TIFFGetField(tiff->file, TAG_DNG, &values))
        return refuse(err, "it is a camera's raw picture (DNG)");
    if (tiff->size > 10 && !memcmp(tiff->bytes + 8, "CR", 2))
        return refuse(err, "it is a camera's raw picture (CR2)");
    if (kind & FILETYPE_REDUCEDIMAGE && has_others)
        return refuse(err, "its first picture is a thumbnail, as in raw pictures of cameras");
    if (kind & FILETYPE_MASK)
        return refuse(err, "its first picture is a transparency mask");
    return 0;
}

/* Which samples make the colour, and what the extra ones are. */
static int read_colour(struct tiff *tiff, uint16_t photometric, struct sg_error *err)
{
    struct tiff_layout *layout = &tiff->layout;

    switch (photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
        layout->colour = TIFF_GREY;
        layout->inverted = photometric == PHOTOMETRIC_MINISWHITE;
        layout->inks = 1;
        break;
    case PHOTOMETRIC_RGB:
        layout->colour = TIFF_RGB;
        layout->inks = 3;
        break;
    case PHOTOMETRIC_PALETTE:
        layout->colour = TIFF_PALETTE;
        layout->inks = 1;
        if (layout->is_float)
            return refuse(err, "palette indices that are floats");
        break;
    case PHOTOMETRIC_SEPARATED:
        layout->colour = TIFF_CMYK;
        layout->inks = 4;
        if (short_number(tiff->file, TIFFTAG_INKSET) != INKSET_CMYK)
            return refuse(err, "inks other than cyan, magenta, yellow and black");
        break;
    case PHOTOMETRIC_YCBCR:
        layout->colour = TIFF_BY_LIBRARY;
        layout->inks = 3;
        break;
    case PHOTOMETRIC_CIELAB:
    case PHOTOMETRIC_ICCLAB:
    case PHOTOMETRIC_ITULAB:
        return refuse(err, "L*a*b* colours"); /* libtiff's conversion leaves whites yellow */
    case PHOTOMETRIC_LOGL:
    case PHOTOMETRIC_LOGLUV:
        return refuse(err, "logarithmic light (LogL, LogLuv)");
    case PHOTOMETRIC_CFA:
        return refuse(err, "a camera's raw mosaic");
    default:
        return sg_error_set(err, SG_E_UNSUPPORTED,
                            "this tiff is not supported: colours of kind %u (PhotometricInterpretation)",
                            photometric);
    }
    if (layout->samples < layout->inks)
        return sg_error_set(err, SG_E_BAD_IMAGE, "tiff header says %d samples a pixel, its colours need %d",
                            layout->samples, layout->inks);
    if (layout->inks == 1 && layout->samples > 2)
        return sg_error_set(
            err, SG_E_UNSUPPORTED,
            "this tiff is not supported: %d samples a pixel, which are not said to be colours",
            layout->samples);
    return 0;
}

static void read_alpha(struct tiff *tiff)
{
    struct tiff_layout *layout = &tiff->layout;
    uint16_t count = 0, *kinds = NULL;

    layout->alpha = -1;
    if (!TIFFGetFieldDefaulted(tiff->file, TIFFTAG_EXTRASAMPLES, &count, &kinds))
        return;
    for (int i = 0; i < count && layout->inks + i < layout->samples && layout->colour != TIFF_PALETTE; i++)
        if (kinds[i] == EXTRASAMPLE_ASSOCALPHA) {
            layout->alpha = layout->inks + i;
            return;
        }
}

static int check_samples(const struct tiff_layout *layout, uint16_t format, struct sg_error *err)
{
    bool known = format == SAMPLEFORMAT_IEEEFP
                     ? layout->bits == 16 || layout->bits == 24 || layout->bits == 32 || layout->bits == 64
                     : (format == SAMPLEFORMAT_UINT || format == SAMPLEFORMAT_VOID) && layout->bits >= 1 &&
                           layout->bits <= 16;

    if (known)
        return 0;
    return sg_error_set(
        err, SG_E_UNSUPPORTED,
        "this tiff is not supported: samples that are %s of %d bits, for which no black and white are "
        "agreed on",
        format == SAMPLEFORMAT_IEEEFP ? "floats"
        : format == SAMPLEFORMAT_INT  ? "signed"
        : format >= 5                 ? "complex"
                                      : "integers",
        layout->bits);
}

/* Sizes of blocks before anything is allocated. */
static int read_blocks(struct tiff *tiff, struct sg_error *err)
{
    struct tiff_layout *layout = &tiff->layout;
    uint64_t block;

    layout->is_tiled = TIFFIsTiled(tiff->file);
    layout->block_width = layout->is_tiled ? number(tiff->file, TIFFTAG_TILEWIDTH) : (uint32_t)layout->width;
    layout->block_height = number(tiff->file, layout->is_tiled ? TIFFTAG_TILELENGTH : TIFFTAG_ROWSPERSTRIP);
    if (!layout->is_tiled && layout->block_height > (uint32_t)layout->height)
        layout->block_height = (uint32_t)layout->height;
    block = layout->is_tiled ? TIFFTileSize64(tiff->file) : TIFFScanlineSize64(tiff->file);
    if (layout->block_width < 1 || layout->block_height < 1 || block < 1)
        return sg_error_set(err, SG_E_BAD_IMAGE, "tiff header says tiles or strips of no size");
    if (block > sg_tiff_memory_max(tiff) ||
        (uint64_t)layout->block_width * layout->block_height > sg_tiff_memory_max(tiff) / 4)
        return sg_error_set(err, SG_E_TOO_LARGE,
                            "tiff of %dx%d in blocks of %ux%u: a block is larger than the limit "
                            "of pixels allows (--max-pixels)",
                            layout->width, layout->height, layout->block_width, layout->block_height);
    return 0;
}

/* Differences instead of samples, with a compression for which libtiff does not add them up. */
static bool has_unread_predictor(const struct tiff *tiff, uint16_t compression)
{
    uint32_t predictor;

    return compression != COMPRESSION_LZW && compression != COMPRESSION_ADOBE_DEFLATE &&
           compression != COMPRESSION_DEFLATE && compression != COMPRESSION_LZMA &&
           compression != COMPRESSION_ZSTD &&
           sg_tiff_find(tiff->bytes, tiff->size, TIFFTAG_PREDICTOR, &predictor) && predictor > PREDICTOR_NONE;
}

static int read_layout(struct tiff *tiff, struct sg_error *err)
{
    struct tiff_layout *layout = &tiff->layout;
    uint16_t photometric = PHOTOMETRIC_MINISBLACK, format = short_number(tiff->file, TIFFTAG_SAMPLEFORMAT);
    uint16_t compression = short_number(tiff->file, TIFFTAG_COMPRESSION);
    int code = refuse_strangers(tiff, err);

    if (code < 0)
        return code;
    *layout = (struct tiff_layout){.width = (int)number(tiff->file, TIFFTAG_IMAGEWIDTH),
                                   .height = (int)number(tiff->file, TIFFTAG_IMAGELENGTH),
                                   .bits = short_number(tiff->file, TIFFTAG_BITSPERSAMPLE),
                                   .samples = short_number(tiff->file, TIFFTAG_SAMPLESPERPIXEL),
                                   .is_float = format == SAMPLEFORMAT_IEEEFP,
                                   .is_separate = short_number(tiff->file, TIFFTAG_PLANARCONFIG) ==
                                                  PLANARCONFIG_SEPARATE};
    if (!TIFFIsCODECConfigured(compression))
        return sg_error_set(err, SG_E_UNSUPPORTED, "this tiff is not supported: compression %u", compression);
    if (has_unread_predictor(tiff, compression))
        return refuse(err, "a predictor with this compression");
    /* Some writers leave it out; what libtiff takes then. */
    if (!TIFFGetField(tiff->file, TIFFTAG_PHOTOMETRIC, &photometric))
        photometric = layout->samples >= 3 ? PHOTOMETRIC_RGB
                      : compression == COMPRESSION_CCITTRLE || compression == COMPRESSION_CCITTFAX3 ||
                              compression == COMPRESSION_CCITTFAX4 || compression == COMPRESSION_CCITTRLEW
                          ? PHOTOMETRIC_MINISWHITE
                          : PHOTOMETRIC_MINISBLACK;
    if (photometric == PHOTOMETRIC_YCBCR && compression == COMPRESSION_JPEG && !layout->is_separate) {
        TIFFSetField(tiff->file, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        photometric = PHOTOMETRIC_RGB;
    }
    layout->is_separate = layout->is_separate && layout->samples > 1;
    code = read_colour(tiff, photometric, err);
    if (code == 0)
        code = check_samples(layout, format, err);
    if (code < 0)
        return code;
    read_alpha(tiff);
    /* Old JPEG is YCbCr inside whatever the tag says; JBIG cannot be read by rows. */
    if (compression == COMPRESSION_OJPEG || compression == COMPRESSION_JBIG)
        layout->colour = TIFF_BY_LIBRARY;
    return read_blocks(tiff, err);
}

static int tiff_decode(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                       const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err)
{
    struct tiff *tiff = state;
    int code = open_file(tiff, encoded, err);

    (void)wish;
    if (code == 0)
        code = read_layout(tiff, err);
    if (code == 0)
        code = sg_decode_room(image, stored->width, stored->height, err);
    tiff->reads_pixels = true;
    if (code == 0)
        code = sg_tiff_pixels(tiff, image, err);
    close_file(tiff);
    return code;
}

const struct sg_decode_ops sg_decode_tiff_ops = {
    .sniff = tiff_sniff,
    .create = tiff_create,
    .destroy = tiff_destroy,
    .probe = tiff_probe,
    .decode = tiff_decode,
};
