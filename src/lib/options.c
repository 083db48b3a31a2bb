/* SPDX-License-Identifier: MIT
 * What callers hand in, checked: structs of options of any version, pixels; and errors on their way out. Any
 * thread.
 */
#include "lib/lib_private.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define SAME(name)                                                                                           \
    _Static_assert((int)SIGHT_E_##name == (int)SG_E_##name, "a code of sight.h is not the library's own")
SAME(NOMEM);
SAME(INTERNAL);
SAME(INVALID);
SAME(FRAMING);
SAME(TOO_LARGE);
SAME(EMPTY_IMAGE);
SAME(BAD_IMAGE);
SAME(UNSUPPORTED);
SAME(NOT_FOUND);
SAME(CONFIG);
SAME(MODEL);
SAME(INFERENCE);
SAME(BUSY);
SAME(DEADLINE);
SAME(CANCELLED);
SAME(DROPPED);
SAME(TIMEOUT);
SAME(IO);
SAME(SHUTDOWN);
SAME(TOO_MANY);
_Static_assert(SG_ERR_COUNT == 20, "sight.h lacks a code");
#undef SAME

const char *sight_version(void)
{
    return SIGHT_VERSION;
}

const char *sight_code_name(int code)
{
    return sg_err_name(code);
}

int lib_end(int code, const struct sg_error *err, struct sight_error *error)
{
    if (code < 0 && error) {
        error->code = code;
        snprintf(error->message, sizeof(error->message), "%s", err->text);
    }
    return code;
}

int lib_options_read(const char *name, const void *given, void *out, size_t out_bytes, size_t first_bytes,
                     struct sg_error *err)
{
    size_t size, i;

    if (!given)
        return 0;
    memcpy(&size, given, sizeof(size));
    if (size < first_bytes || size > LIB_MAX_OPTIONS)
        return sg_error_set(err, SG_E_INVALID,
                            "struct %s says its size is %zu; expected %zu (begin with its _INIT macro)", name,
                            size, out_bytes);
    for (i = out_bytes; i < size; i++)
        if (((const unsigned char *)given)[i])
            return sg_error_set(err, SG_E_UNSUPPORTED,
                                "struct %s has a field that libsight %s does not know (size %zu, known %zu)",
                                name, SIGHT_VERSION, size, out_bytes);
    memcpy(out, given, size < out_bytes ? size : out_bytes);
    return 0;
}

_Static_assert((int)SIGHT_PRECISION_F32 == (int)SG_ENGINE_PRECISION_F32 &&
                   (int)SIGHT_PRECISION_BF16 == (int)SG_ENGINE_PRECISION_BF16,
               "a precision of sight.h is not the library's own");

static int check_decode(int decode, struct sg_error *err)
{
    if (decode < SIGHT_DECODE_DEFAULT || decode > SIGHT_DECODE_EXACT)
        return sg_error_set(err, SG_E_INVALID, "decode is %d; expected an enum sight_decode", decode);
    return 0;
}

int lib_open_options_read(const struct sight_open_options *given, struct sight_open_options *out,
                          struct sg_error *err)
{
    static const struct sight_open_options defaults = SIGHT_OPEN_OPTIONS_INIT;
    int code;

    *out = defaults;
    code = lib_options_read("sight_open_options", given, out, sizeof(*out),
                            offsetof(struct sight_open_options, engine), err);
    if (code == 0)
        code = check_decode(out->decode, err);
    if (code == 0 && (out->threads < 0 || out->threads > 1024))
        code = sg_error_set(err, SG_E_INVALID, "threads is %d; expected 0 to 1024", out->threads);
    if (code == 0 && out->max_pixels < 0)
        code = sg_error_set(err, SG_E_INVALID, "max_pixels is %lld; expected 0 or more",
                            (long long)out->max_pixels);
    if (code == 0 && (out->precision < SIGHT_PRECISION_AUTO || out->precision > SIGHT_PRECISION_BF16))
        code = sg_error_set(err, SG_E_INVALID, "precision is %d; expected an enum sight_precision",
                            out->precision);
    if (out->max_pixels == 0)
        out->max_pixels = LIB_MAX_PIXELS;
    if (out->max_image_bytes == 0)
        out->max_image_bytes = LIB_MAX_IMAGE_BYTES;
    return code;
}

int lib_infer_options_read(const struct sight_infer_options *given, struct sight_infer_options *out,
                           struct sg_error *err)
{
    static const struct sight_infer_options defaults = SIGHT_INFER_OPTIONS_INIT;
    int code;

    *out = defaults;
    code = lib_options_read("sight_infer_options", given, out, sizeof(*out), sizeof(defaults), err);
    if (code < 0)
        return code;
    /* Written so that NaN fails too. */
    if (!(out->threshold <= 1.0f) || !(out->nms <= 1.0f))
        return sg_error_set(err, SG_E_INVALID, "%s is %g; expected 0 to 1, or below 0 for the pipeline's own",
                            !(out->nms <= 1.0f) ? "nms" : "threshold",
                            (double)(!(out->nms <= 1.0f) ? out->nms : out->threshold));
    if (out->max_objects < 0 || out->max_objects > SG_RESULT_MAX_OBJECTS)
        return sg_error_set(err, SG_E_INVALID, "max_objects is %d; expected 0 to %d", out->max_objects,
                            SG_RESULT_MAX_OBJECTS);
    if (out->top_k < 0 || out->top_k > 64)
        return sg_error_set(err, SG_E_INVALID, "top_k is %d; expected 0 to 64", out->top_k);
    if (out->deadline_ms < 0 || out->deadline_ms > UINT32_MAX)
        return sg_error_set(err, SG_E_INVALID, "deadline_ms is %lld; expected 0 to %u",
                            (long long)out->deadline_ms, UINT32_MAX);
    return check_decode(out->decode, err);
}

static int pixel_format(int format, enum sg_pixel *out)
{
    switch (format) {
    case SIGHT_RGB24:
        *out = SG_PIXEL_RGB24;
        return 0;
    case SIGHT_BGR24:
        *out = SG_PIXEL_BGR24;
        return 0;
    case SIGHT_GRAY8:
        *out = SG_PIXEL_GRAY8;
        return 0;
    case SIGHT_NV12:
        *out = SG_PIXEL_NV12;
        return 0;
    default:
        return SG_E_INVALID;
    }
}

/* Bytes from the first byte of `rows` rows to the last that is read. Sides are below 2^16 and strides below
 * 2^40, so nothing overflows. */
static uint64_t span(uint64_t stride, int rows, uint64_t row_bytes)
{
    return stride * (uint64_t)(rows - 1) + row_bytes;
}

static int check_plane(const char *what, uint64_t need, uint64_t have, struct sg_error *err)
{
    if (have >= need)
        return 0;
    return sg_error_set(err, SG_E_INVALID, "%s is %llu; these sizes and stride need %llu bytes", what,
                        (unsigned long long)have, (unsigned long long)need);
}

int lib_pixels_read(const struct sight_pixels *given, int64_t max_pixels, struct sg_image *image,
                    struct sg_error *err)
{
    struct sight_pixels p = SIGHT_PIXELS_INIT;
    const uint8_t *chroma = NULL;
    enum sg_pixel format;
    uint64_t row, luma;
    int code = given ? lib_options_read("sight_pixels", given, &p, sizeof(p), sizeof(p), err)
                     : sg_error_set(err, SG_E_INVALID, "pixels is NULL");

    if (code < 0)
        return code;
    if (pixel_format(p.format, &format) < 0)
        return sg_error_set(err, SG_E_INVALID, "format of pixels is %d; expected an enum sight_pixel",
                            p.format);
    if (p.width < 1 || p.height < 1 || p.width > SG_IMAGE_MAX_SIDE || p.height > SG_IMAGE_MAX_SIDE)
        return sg_error_set(err, SG_E_INVALID, "pixels are %dx%d; sides must be 1 to %d", p.width, p.height,
                            SG_IMAGE_MAX_SIDE);
    if ((int64_t)p.width * p.height > max_pixels)
        return sg_error_set(err, SG_E_TOO_LARGE,
                            "pixels are %dx%d; at most %lld pixels are taken (max_pixels)", p.width, p.height,
                            (long long)max_pixels);
    if (!p.data)
        return sg_error_set(err, SG_E_INVALID, "data of pixels is NULL");
    row = (uint64_t)p.width * (uint64_t)sg_pixel_bytes(format);
    if (p.stride_bytes == 0)
        p.stride_bytes = row;
    if (p.stride_bytes < row || p.stride_bytes >= (uint64_t)1 << 40)
        return sg_error_set(err, SG_E_INVALID, "stride_bytes is %zu; a row of %d pixels has %llu bytes",
                            p.stride_bytes, p.width, (unsigned long long)row);
    code = check_plane("data_bytes", span(p.stride_bytes, p.height, row), p.data_bytes, err);
    if (code == 0 && format == SG_PIXEL_NV12) {
        if (p.width % 2 || p.height % 2)
            return sg_error_set(err, SG_E_INVALID, "NV12 pixels are %dx%d; both sides must be even", p.width,
                                p.height);
        luma = (uint64_t)p.stride_bytes * (uint64_t)p.height;
        chroma = p.chroma ? p.chroma : (const uint8_t *)p.data + luma;
        code = p.chroma
                   ? check_plane("chroma_bytes", span(p.stride_bytes, p.height / 2, row), p.chroma_bytes, err)
                   : check_plane("data_bytes", luma + span(p.stride_bytes, p.height / 2, row), p.data_bytes,
                                 err);
    }
    if (code == 0)
        sg_image_borrow(image, format, p.width, p.height, p.stride_bytes, p.data, chroma);
    return code;
}
