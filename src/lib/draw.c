/* SPDX-License-Identifier: MIT
 * Results drawn into a caller's pixels, and results made of records, so that what a server answered can be
 * drawn too. Any thread, a result of its own each.
 */
#include "img/draw.h"
#include "codec/record.h"
#include "lib/lib_private.h"

#include <string.h>

int sight_result_read(struct sight_result *result, const void *records, size_t bytes,
                      struct sight_error *error)
{
    struct sg_error err = {0};
    int code;

    if (!result || !records)
        return lib_end(sg_error_set(&err, SG_E_INVALID, "%s is NULL", result ? "records" : "result"), &err,
                       error);
    lib_result_clear(result);
    code = sg_record_read(records, bytes, &result->result);
    if (code < 0)
        sg_error_set(&err, (enum sg_err)code, "the %zu bytes are not a block of result records: %s", bytes,
                     code == SG_E_UNSUPPORTED ? "of a later version"
                     : code == SG_E_NOMEM     ? "no memory"
                                              : "damaged or cut");
    else
        code = lib_result_show(result, &err);
    if (code < 0) {
        lib_result_clear(result);
        result->error = err;
    }
    return lib_end(code, &err, error);
}

/* Red and blue of three bytes a pixel change places where `swap`, gray becomes three equal bytes. */
static void copy_row(const uint8_t *from, uint8_t *to, int width, bool is_gray, bool swap)
{
    int x;

    if (!is_gray && !swap) {
        memmove(to, from, 3 * (size_t)width);
        return;
    }
    for (x = 0; x < width; x++) {
        const uint8_t *pixel = is_gray ? from + x : from + 3 * (size_t)x;
        uint8_t rgb[3] = {pixel[0], pixel[is_gray ? 0 : 1], pixel[is_gray ? 0 : 2]};

        to[3 * (size_t)x] = rgb[swap ? 2 : 0];
        to[3 * (size_t)x + 1] = rgb[1];
        to[3 * (size_t)x + 2] = rgb[swap ? 0 : 2];
    }
}

/* The picture as the painter wants it: RGB of its own, placed so that the result's pixels fall on it. */
static int make_canvas(const struct sg_image *given, const struct sg_result *found, struct sg_image *canvas,
                       struct sg_error *err)
{
    int y, code = sg_image_resize(canvas, SG_PIXEL_RGB24, given->width, given->height);

    if (code < 0)
        return sg_error_set(err, (enum sg_err)code, "no memory to draw into a picture of %dx%d", given->width,
                            given->height);
    for (y = 0; y < given->height; y++)
        copy_row(given->data + (size_t)y * given->stride_bytes,
                 canvas->data + (size_t)y * canvas->stride_bytes, given->width,
                 given->format == SG_PIXEL_GRAY8, given->format == SG_PIXEL_BGR24);
    if (found && found->width > 0 && found->height > 0) {
        canvas->scale_x = (float)given->width / (float)found->width;
        canvas->scale_y = (float)given->height / (float)found->height;
    }
    return 0;
}

static int draw(const struct sg_image *given, const struct sg_result *found, uint8_t *out,
                struct sg_error *err)
{
    struct sg_painter *painter = NULL;
    struct sg_image canvas = {0};
    size_t row = 3 * (size_t)given->width;
    int y, code = make_canvas(given, found, &canvas, err);

    if (code == 0 && found) {
        code = sg_painter_create(NULL, &painter, err);
        if (code == 0)
            code = sg_painter_draw(painter, &canvas, found, err);
    }
    for (y = 0; y < given->height && code == 0; y++)
        copy_row(canvas.data + (size_t)y * canvas.stride_bytes, out + (size_t)y * row, given->width, false,
                 given->format == SG_PIXEL_BGR24);
    sg_painter_destroy(&painter);
    sg_image_fini(&canvas);
    return code;
}

int sight_draw(const struct sight_result *result, const struct sight_pixels *pixels, void *out,
               size_t out_bytes, struct sight_error *error)
{
    struct sg_image given = {0};
    struct sg_error err = {0};
    size_t need;
    int code = lib_pixels_read(pixels, LIB_MAX_PIXELS, &given, &err);

    if (code < 0)
        return lib_end(code, &err, error);
    need = 3 * (size_t)given.width * (size_t)given.height;
    if (given.format == SG_PIXEL_NV12)
        code = sg_error_set(&err, SG_E_UNSUPPORTED,
                            "pixels are SIGHT_NV12; colours can be drawn into RGB24, BGR24 and GRAY8: "
                            "convert them");
    else if (!out)
        code = sg_error_set(&err, SG_E_INVALID, "out is NULL");
    else if (out_bytes < need)
        code = sg_error_set(&err, SG_E_INVALID, "out_bytes is %zu; a drawing of %dx%d needs %zu", out_bytes,
                            given.width, given.height, need);
    else
        code = draw(&given, result ? &result->result : NULL, out, &err);
    return lib_end(code, &err, error);
}
