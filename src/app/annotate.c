/* SPDX-License-Identifier: MIT
 * One decode at full size serves the crops first, while its pixels are clean, and then the drawing.
 */
#include "app/annotate.h"

#include "base/path.h"
#include "base/utf8.h"
#include "img/encode.h"
#include "sink/file.h"
#include "sink/mark.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ANNOTATE_MAX_BYTES ((size_t)64 << 20) /* of one JPEG written */
#define LABEL_BYTES        64                 /* of a label in the name of a crop */

int sg_annotator_init(struct sg_annotator *annotator, const char *drawn, const char *crops,
                      struct sg_guard *guard, const struct sg_decode_limits *limits, struct sg_error *err)
{
    *annotator = (struct sg_annotator){.drawn = drawn, .crops = crops, .guard = guard};
    sg_buf_init(&annotator->encoded, ANNOTATE_MAX_BYTES);
    if (sg_decoder_create(limits, &annotator->decoder) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory to draw pictures");
    return drawn ? sg_painter_create(NULL, &annotator->painter, err) : 0;
}

void sg_annotator_fini(struct sg_annotator *annotator)
{
    sg_painter_destroy(&annotator->painter);
    sg_decoder_destroy(&annotator->decoder);
    sg_image_fini(&annotator->canvas);
    sg_buf_fini(&annotator->encoded);
}

int sg_annotator_path(const char *drawn, const char *name, char *out, struct sg_error *err)
{
    bool jpeg = sg_path_ends_in_any_case(name, ".jpg") || sg_path_ends_in_any_case(name, ".jpeg");
    int wrote = snprintf(out, SG_FILE_PATH_MAX, "%s/%s%s", drawn, name, jpeg ? "" : ".jpg");

    if (wrote < 0 || wrote >= SG_FILE_PATH_MAX)
        return sg_error_set(err, SG_E_INVALID, "the name \"%.60s…\" is too long", name);
    return 0;
}

static int write_jpeg(struct sg_annotator *annotator, const struct sg_image *image, const char *path,
                      const char *source, struct sg_error *err)
{
    int code;

    sg_buf_clear(&annotator->encoded);
    code = sg_encode_jpeg(image, SG_ENCODE_QUALITY, &annotator->encoded, err);
    if (code == 0 && sg_mark_jpeg(&annotator->encoded) < 0)
        code = sg_error_set(err, SG_E_NOMEM, "no memory for \"%s\"", path);
    if (code == 0)
        code = sg_guard_claim(annotator->guard, path, source, err);
    if (code == 0)
        code = sg_folder_make_above(path, err);
    if (code == 0)
        code = sg_file_put(path, annotator->encoded.data, annotator->encoded.size, err);
    return code < 0 ? code : sg_guard_wrote(annotator->guard, path, source, err);
}

/* A label as a part of a file's name, whole characters of it. */
static void label_part(const struct sg_object *object, char out[LABEL_BYTES + 1])
{
    const char *label = object->label;
    size_t size = label ? strlen(label) : 0, i;

    if (size > LABEL_BYTES)
        size = sg_utf8_whole(label, LABEL_BYTES);
    if (label)
        snprintf(out, LABEL_BYTES + 1, "%.*s", (int)size, label);
    else
        snprintf(out, LABEL_BYTES + 1, "class%d", object->class_id);
    for (i = 0; out[i]; i++)
        if (out[i] == '/' || (unsigned char)out[i] < 0x20)
            out[i] = '_';
}

static int cut(float value, int limit)
{
    return value > 0 ? (value < (float)limit ? (int)value : limit) : 0;
}

static int write_crops(struct sg_annotator *annotator, const struct sg_batch_picture *picture,
                       const struct sg_result *result, struct sg_error *err)
{
    const struct sg_image *canvas = &annotator->canvas;
    char path[SG_FILE_PATH_MAX], label[LABEL_BYTES + 1];
    int i, code = 0;

    for (i = 0; i < result->object_count && code == 0; i++) {
        const struct sg_box *box = &result->objects[i].box;
        int x1 = cut(floorf(box->x1), canvas->width), x2 = cut(ceilf(box->x2), canvas->width);
        int y1 = cut(floorf(box->y1), canvas->height), y2 = cut(ceilf(box->y2), canvas->height), wrote;
        struct sg_image part = {0};

        if (x1 >= x2 || y1 >= y2)
            continue;
        label_part(&result->objects[i], label);
        wrote = snprintf(path, sizeof(path), "%s/%s_%d_%s.jpg", annotator->crops, picture->stem, i, label);
        if (wrote < 0 || (size_t)wrote >= sizeof(path))
            return sg_error_set(err, SG_E_INVALID, "the name \"%.60s…\" is too long", picture->stem);
        sg_image_borrow(&part, canvas->format, x2 - x1, y2 - y1, canvas->stride_bytes,
                        canvas->data + (size_t)y1 * canvas->stride_bytes + 3 * (size_t)x1, NULL);
        code = write_jpeg(annotator, &part, path, picture->path, err);
    }
    return code;
}

int sg_annotator_write(struct sg_annotator *annotator, const struct sg_batch_picture *picture,
                       const struct sg_buf *bytes, const struct sg_result *result, char *drawn_path,
                       struct sg_error *err)
{
    const struct sg_decode_wish whole = {0};
    int code;

    if (!annotator->drawn && result->object_count == 0)
        return 0;
    code = sg_decoder_decode(annotator->decoder, bytes->data, bytes->size, &whole, &annotator->canvas, err);
    if (code == 0 && annotator->crops)
        code = write_crops(annotator, picture, result, err);
    if (code < 0 || !annotator->drawn)
        return code;
    code = sg_painter_draw(annotator->painter, &annotator->canvas, result, err);
    if (code == 0)
        code = sg_annotator_path(annotator->drawn, picture->name, drawn_path, err);
    return code < 0 ? code : write_jpeg(annotator, &annotator->canvas, drawn_path, picture->path, err);
}
