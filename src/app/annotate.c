/* SPDX-License-Identifier: MIT
 * Drawing results and writing the pictures.
 */
#include "app/annotate.h"

#include "conf/places.h"
#include "img/encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define ANNOTATE_MAX_BYTES ((size_t)64 << 20) /* of one JPEG written */

static const char *base_name(const char *path)
{
    return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

static int by_base_name(const void *a, const void *b)
{
    return strcmp(base_name(*(char *const *)a), base_name(*(char *const *)b));
}

/* Makes a folder and those above it. */
static int make_folder(const char *path, struct sg_error *err)
{
    char part[SG_PLACE_MAX];
    size_t i, length = strlen(path);

    if (length >= sizeof(part))
        return sg_error_set(err, SG_E_INVALID, "the name of folder \"%.60s…\" is too long", path);
    for (i = 1; i <= length; i++) {
        if (i < length && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return sg_error_set(err, SG_E_IO, "cannot make folder \"%s\": %s", part, strerror(errno));
    }
    return 0;
}

int sg_annotator_init(struct sg_annotator *annotator, const char *folder, const struct sg_pictures *pictures,
                      const struct sg_decode_limits *limits, struct sg_error *err)
{
    int code = make_folder(folder, err);

    *annotator = (struct sg_annotator){.folder = folder, .count = pictures->count};
    sg_buf_init(&annotator->encoded, ANNOTATE_MAX_BYTES);
    if (code < 0)
        return code;
    annotator->sorted = calloc((size_t)pictures->count, sizeof(*annotator->sorted));
    if (!annotator->sorted || sg_decoder_create(limits, &annotator->decoder) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory to draw pictures");
    memcpy(annotator->sorted, pictures->paths, (size_t)pictures->count * sizeof(*annotator->sorted));
    qsort(annotator->sorted, (size_t)annotator->count, sizeof(*annotator->sorted), by_base_name);
    return sg_painter_create(NULL, &annotator->painter, err);
}

void sg_annotator_fini(struct sg_annotator *annotator)
{
    sg_painter_destroy(&annotator->painter);
    sg_decoder_destroy(&annotator->decoder);
    sg_image_fini(&annotator->canvas);
    sg_buf_fini(&annotator->encoded);
    free(annotator->sorted);
    annotator->sorted = NULL;
}

/* Whether another picture of this run, from another folder, has the same name. */
static bool has_twin(const struct sg_annotator *annotator, const char *source)
{
    char **first = annotator->sorted;
    char **at = bsearch(&source, first, (size_t)annotator->count, sizeof(*first), by_base_name);

    return at && ((at > first && by_base_name(at - 1, at) == 0) ||
                  (at + 1 < first + annotator->count && by_base_name(at, at + 1) == 0));
}

static void output_path(const struct sg_annotator *annotator, const char *source, char *out, size_t out_bytes)
{
    const char *name = has_twin(annotator, source) ? source : base_name(source), *dot = strrchr(name, '.');
    bool jpeg = dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
    size_t folder = strlen(annotator->folder) + 1;
    char *p;

    snprintf(out, out_bytes, "%s/%s%s", annotator->folder, name, jpeg ? "" : ".jpg");
    for (p = out + folder; folder < out_bytes && *p; p++)
        if (*p == '/')
            *p = '_';
}

static int write_file(const char *path, const struct sg_buf *bytes, struct sg_error *err)
{
    FILE *file = fopen(path, "wbe");
    bool written = file && fwrite(bytes->data, 1, bytes->size, file) == bytes->size;

    if (file && fclose(file) != 0)
        written = false;
    return written ? 0 : sg_error_set(err, SG_E_IO, "cannot write \"%s\": %s", path, strerror(errno));
}

int sg_annotator_write(struct sg_annotator *annotator, const char *source, const struct sg_buf *bytes,
                       const struct sg_result *result, char *out_path, size_t out_bytes, struct sg_error *err)
{
    const struct sg_decode_wish whole = {0};
    int code;

    sg_buf_clear(&annotator->encoded);
    code = sg_decoder_decode(annotator->decoder, bytes->data, bytes->size, &whole, &annotator->canvas, err);
    if (code == 0)
        code = sg_painter_draw(annotator->painter, &annotator->canvas, result, err);
    if (code == 0)
        code = sg_encode_jpeg(&annotator->canvas, SG_ENCODE_QUALITY, &annotator->encoded, err);
    if (code < 0)
        return code;
    output_path(annotator, source, out_path, out_bytes);
    return write_file(out_path, &annotator->encoded, err);
}
