/* SPDX-License-Identifier: MIT
 * Which kind reads the bytes, what is allowed, and what the wish means in stored pixels. Called by workers,
 * each with a decoder of its own.
 */
#include "img/decode.h"

#include "img/decode_kind.h"
#include "img/exif.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUPPORTED                                                                                            \
    "JPEG, PNG, WebP, AVIF, HEIC, BMP, TIFF, GIF, JPEG 2000, PBM/PGM/PPM/PAM, Sun raster, EXR, QOI"

static const struct sg_decode_ops *const kinds[] = {
    &sg_decode_jpeg_ops,     &sg_decode_tiff_ops,   &sg_decode_webp_ops, &sg_decode_bmp_ops,
    &sg_decode_jpeg2000_ops, &sg_decode_ffmpeg_ops, &sg_decode_heif_ops};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

struct sg_decoder {
    struct sg_decode_limits limits;
    void *states[KIND_COUNT];
    struct sg_image scratch; /* memory of the last picture that had to be turned */
};

/* Files that people do send and no kind reads; said by name, so that nobody searches for a damage. */
static const struct {
    unsigned offset, bytes;
    const char *magic, *what;
} strangers[] = {
    {4, 4, "ftyp", "a video or an unknown kind of HEIF"},
    {0, 12, "\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL"},
    {0, 2, "\xFF\x0A", "JPEG XL"},
    {0, 4, "8BPS", "Photoshop"},
    {0, 4, "%PDF", "PDF"},
    {0, 5, "<?xml", "XML or SVG"},
    {0, 4, "<svg", "SVG"},
    {0, 10, "#?RADIANCE", "Radiance HDR"},
    {0, 3, "PF\n", "a float pixmap (PFM)"},
    {0, 3, "Pf\n", "a float pixmap (PFM)"},
    {0, 4, "\0\0\1\0", "a Windows icon"},
    {0, 4, "\x1A\x45\xDF\xA3", "a Matroska or WebM video"},
    {0, 4, "/9j/", "base64 text of a JPEG (send the bytes themselves)"},
    {0, 5, "iVBOR", "base64 text of a PNG (send the bytes themselves)"},
    {0, 5, "data:", "a data: URL (send the bytes themselves)"},
};

int sg_decode_room(struct sg_image *image, int width, int height, struct sg_error *err)
{
    int code = sg_image_resize(image, SG_PIXEL_RGB24, width, height);

    return code < 0 ? sg_error_set(err, code, "out of memory for a picture of %dx%d", width, height) : 0;
}

int sg_decoder_create(const struct sg_decode_limits *limits, struct sg_decoder **out_decoder)
{
    struct sg_decoder *decoder = calloc(1, sizeof(*decoder));
    int code = 0;

    if (!decoder)
        return SG_E_NOMEM;
    decoder->limits = *limits;
    for (size_t i = 0; i < KIND_COUNT && code == 0; i++)
        code = kinds[i]->create ? kinds[i]->create(limits, &decoder->states[i]) : 0;
    if (code < 0) {
        sg_decoder_destroy(&decoder);
        return code;
    }
    *out_decoder = decoder;
    return 0;
}

void sg_decoder_destroy(struct sg_decoder **decoder)
{
    if (!*decoder)
        return;
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (kinds[i]->destroy)
            kinds[i]->destroy((*decoder)->states[i]);
    sg_image_fini(&(*decoder)->scratch);
    free(*decoder);
    *decoder = NULL;
}

static int report_stranger(const uint8_t *bytes, size_t size, struct sg_error *err)
{
    static const char digits[] = "0123456789abcdef";
    char first[8 * 3 + 1] = "";
    size_t shown = size < 8 ? size : 8;

    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        size_t end = strangers[i].offset + strangers[i].bytes;

        if (size >= end && !memcmp(bytes + strangers[i].offset, strangers[i].magic, strangers[i].bytes))
            return sg_error_set(err, SG_E_UNSUPPORTED,
                                "this is %s, which is not supported (supported: " SUPPORTED ")",
                                strangers[i].what);
    }
    for (size_t i = 0; i < shown; i++) {
        first[i * 3] = ' ';
        first[i * 3 + 1] = digits[bytes[i] >> 4];
        first[i * 3 + 2] = digits[bytes[i] & 15];
    }
    return sg_error_set(err, SG_E_BAD_IMAGE, "not an image: the first bytes are%s (supported: " SUPPORTED ")",
                        first);
}

static int check_pixels(const struct sg_decoder *decoder, const struct sg_encoded *encoded,
                        const struct sg_stored *stored, struct sg_error *err)
{
    int64_t pixels = (int64_t)stored->width * stored->height;

    if (pixels > decoder->limits.max_pixels)
        return sg_error_set(err, SG_E_TOO_LARGE,
                            "%s of %dx%d has %" PRId64 " pixels, the limit is %" PRId64 " (--max-pixels)",
                            encoded->format, stored->width, stored->height, pixels,
                            decoder->limits.max_pixels);
    if (stored->width > SG_IMAGE_MAX_SIDE || stored->height > SG_IMAGE_MAX_SIDE)
        return sg_error_set(err, SG_E_TOO_LARGE, "%s of %dx%d: no side may be longer than %d pixels",
                            encoded->format, stored->width, stored->height, SG_IMAGE_MAX_SIDE);
    return 0;
}

/* Chooses the kind, reads the header, checks the limits. */
static int examine(struct sg_decoder *decoder, struct sg_encoded *encoded, size_t *kind,
                   struct sg_stored *stored, struct sg_error *err)
{
    int code;

    if (encoded->size == 0)
        return sg_error_set(err, SG_E_EMPTY_IMAGE, "no image bytes were sent");
    if (encoded->size > decoder->limits.max_bytes)
        return sg_error_set(err, SG_E_TOO_LARGE, "image has %zu bytes, the limit is %zu (--max-image-bytes)",
                            encoded->size, decoder->limits.max_bytes);
    for (size_t i = 0; i < KIND_COUNT && !encoded->format; i++) {
        encoded->format = kinds[i]->sniff(encoded->bytes, encoded->size);
        *kind = i;
    }
    if (!encoded->format)
        return report_stranger(encoded->bytes, encoded->size, err);
    code = kinds[*kind]->probe(decoder->states[*kind], encoded, stored, err);
    return code < 0 ? code : check_pixels(decoder, encoded, stored, err);
}

int sg_decoder_probe(struct sg_decoder *decoder, const void *bytes, size_t size, struct sg_picture *picture,
                     struct sg_error *err)
{
    struct sg_encoded encoded = {.bytes = bytes, .size = size};
    struct sg_stored stored = {.orientation = 1};
    size_t kind = 0;
    bool swap;
    int code = examine(decoder, &encoded, &kind, &stored, err);

    if (code < 0)
        return code;
    swap = sg_exif_swaps_sides(stored.orientation);
    *picture = (struct sg_picture){
        .format = encoded.format,
        .width = swap ? stored.height : stored.width,
        .height = swap ? stored.width : stored.height,
        .orientation = stored.orientation,
    };
    return 0;
}

/* A whole-pixel edge of a region, kept inside 0..length; anything unordered (NaN) becomes `otherwise`. */
static int edge(float value, int length, int otherwise)
{
    if (isnan(value))
        return otherwise;
    return value <= 0.0f ? 0 : value >= (float)length ? length : (int)value;
}

/* The region in stored pixels, clipped. A region outside the picture, or empty, becomes its nearest pixel. */
static struct sg_window clip_region(const struct sg_stored *stored, const struct sg_box *region)
{
    struct sg_box box = sg_exif_box_to_stored(stored->orientation, stored->width, stored->height, region);
    struct sg_window window = {
        .x1 = edge(floorf(box.x1), stored->width, 0),
        .y1 = edge(floorf(box.y1), stored->height, 0),
        .x2 = edge(ceilf(box.x2), stored->width, stored->width),
        .y2 = edge(ceilf(box.y2), stored->height, stored->height),
    };

    if (window.x1 >= stored->width)
        window.x1 = stored->width - 1;
    if (window.y1 >= stored->height)
        window.y1 = stored->height - 1;
    if (window.x2 <= window.x1)
        window.x2 = window.x1 + 1;
    if (window.y2 <= window.y1)
        window.y2 = window.y1 + 1;
    return window;
}

static struct sg_stored_wish stored_wish(const struct sg_stored *stored, const struct sg_decode_wish *wish)
{
    struct sg_stored_wish out = {.window = {0, 0, stored->width, stored->height}};
    bool swap = sg_exif_swaps_sides(stored->orientation);

    if (wish->has_region)
        out.window = clip_region(stored, &wish->region);
    if (!wish->exact && wish->min_width > 0 && wish->min_height > 0) {
        out.min_width = swap ? wish->min_height : wish->min_width;
        out.min_height = swap ? wish->min_width : wish->min_height;
    }
    return out;
}

int sg_decoder_decode(struct sg_decoder *decoder, const void *bytes, size_t size,
                      const struct sg_decode_wish *wish, struct sg_image *image, struct sg_error *err)
{
    struct sg_encoded encoded = {.bytes = bytes, .size = size};
    struct sg_stored stored = {.orientation = 1};
    struct sg_stored_wish inner;
    size_t kind = 0;
    int code = examine(decoder, &encoded, &kind, &stored, err);

    if (code < 0)
        return code;
    inner = stored_wish(&stored, wish);
    code = kinds[kind]->decode(decoder->states[kind], &encoded, &stored, &inner, image, err);
    if (code < 0)
        return code;
    image->full_width = stored.width;
    image->full_height = stored.height;
    if (sg_exif_apply(stored.orientation, image, &decoder->scratch) < 0)
        return sg_error_set(err, SG_E_NOMEM, "out of memory turning a picture of %dx%d", image->width,
                            image->height);
    return 0;
}

void sg_decoder_trim(struct sg_decoder *decoder, size_t keep_bytes)
{
    sg_image_trim(&decoder->scratch, keep_bytes);
}
