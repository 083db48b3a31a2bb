/* SPDX-License-Identifier: MIT
 * HEIC and AVIF through libheif, which applies the file's own turning, mirroring and cropping.
 */
#include "img/decode_kind.h"
#include "img/header.h"
#include "img/heif_codec.h"

#include <stdlib.h>
#include <string.h>

#include <libheif/heif.h>

/* Coded pixels may be more than those shown: tiles hang over the border, alpha has a plane of its own. */
#define BUDGET_FACTOR 4
#define BUDGET_SPARE  ((int64_t)1 << 22)

struct heif {
    int64_t max_pixels;
    struct heif_decoding_options *options;
};

static const char *heif_sniff(const uint8_t *bytes, size_t size)
{
    static const struct {
        char brand[5];
        const char *format;
    } brands[] = {{"avif", "avif"}, {"avis", "avif"}, {"heic", "heic"}, {"heix", "heic"},
                  {"heim", "heic"}, {"heis", "heic"}, {"hevc", "heic"}, {"hevx", "heic"}};
    size_t end;

    if (size < 16 || memcmp(bytes + 4, "ftyp", 4) != 0)
        return NULL;
    end = sg_be32(bytes) < size ? sg_be32(bytes) : size;
    /* The major brand, then (behind its version) the compatible ones: mif1 says only "some kind of image". */
    for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4)
        for (size_t i = 0; i < sizeof(brands) / sizeof(brands[0]); i++)
            if (!memcmp(bytes + at, brands[i].brand, 4))
                return brands[i].format;
    return NULL;
}

static void heif_destroy(void *state)
{
    struct heif *heif = state;

    if (!heif)
        return;
    heif_decoding_options_free(heif->options);
    free(heif);
}

static int heif_create(const struct sg_decode_limits *limits, void **out_state)
{
    struct heif *heif = calloc(1, sizeof(*heif));

    if (!heif)
        return SG_E_NOMEM;
    sg_heif_codec_register();
    heif->max_pixels = limits->max_pixels;
    heif->options = heif_decoding_options_alloc();
    if (!heif->options) {
        heif_destroy(heif);
        return SG_E_NOMEM;
    }
    heif->options->convert_hdr_to_8bit = 1;
    heif->options->strict_decoding = 1;
    *out_state = heif;
    return 0;
}

static int report(const struct sg_encoded *encoded, struct heif_error problem, struct sg_error *err)
{
    /* Comes as a failed allocation, though nothing was allocated. */
    if (problem.subcode == heif_suberror_Security_limit_exceeded)
        return sg_error_set(err, SG_E_TOO_LARGE, "this %s is larger than is read: %s", encoded->format,
                            problem.message);
    if (problem.code == heif_error_Memory_allocation_error)
        return sg_error_set(err, SG_E_NOMEM, "out of memory decoding %s: %s", encoded->format,
                            problem.message);
    if (problem.code == heif_error_Unsupported_filetype || problem.code == heif_error_Unsupported_feature)
        return sg_error_set(err, SG_E_UNSUPPORTED, "this %s is not supported: %s", encoded->format,
                            problem.message);
    return sg_error_set(err, SG_E_BAD_IMAGE, "%s data is damaged: %s", encoded->format, problem.message);
}

/* Parses the boxes; both results are the caller's to release, also after a failure. */
static int open_picture(const struct sg_encoded *encoded, struct heif_context **out_context,
                        struct heif_image_handle **out_handle, struct sg_error *err)
{
    struct heif_error problem;

    *out_handle = NULL;
    *out_context = heif_context_alloc();
    if (!*out_context)
        return sg_error_set(err, SG_E_NOMEM, "out of memory decoding %s", encoded->format);
    heif_context_set_max_decoding_threads(*out_context, 0);
    heif_context_set_maximum_image_size_limit(*out_context, SG_IMAGE_MAX_SIDE);
    problem = heif_context_read_from_memory_without_copy(*out_context, encoded->bytes, encoded->size, NULL);
    if (problem.code == heif_error_Ok)
        problem = heif_context_get_primary_image_handle(*out_context, out_handle);
    return problem.code == heif_error_Ok ? 0 : report(encoded, problem, err);
}

static int heif_probe(void *state, const struct sg_encoded *encoded, struct sg_stored *stored,
                      struct sg_error *err)
{
    struct heif_context *context = NULL;
    struct heif_image_handle *handle = NULL;
    int code = open_picture(encoded, &context, &handle, err);

    (void)state;
    if (code == 0) {
        stored->width = heif_image_handle_get_width(handle);
        stored->height = heif_image_handle_get_height(handle);
        stored->orientation = 1;
        if (stored->width < 1 || stored->height < 1)
            code = sg_error_set(err, SG_E_BAD_IMAGE, "%s header says a size of %dx%d", encoded->format,
                                stored->width, stored->height);
    }
    heif_image_handle_release(handle);
    heif_context_free(context);
    return code;
}

static int copy_rows(const struct heif_image *picture, struct sg_image *image, struct sg_error *err)
{
    int width = heif_image_get_width(picture, heif_channel_interleaved);
    int height = heif_image_get_height(picture, heif_channel_interleaved);
    int stride = 0, code;
    const uint8_t *rows = heif_image_get_plane_readonly(picture, heif_channel_interleaved, &stride);

    if (!rows || width < 1 || height < 1)
        return sg_error_set(err, SG_E_INTERNAL, "libheif gave no RGB pixels");
    code = sg_image_resize(image, SG_PIXEL_RGB24, width, height);
    if (code < 0)
        return sg_error_set(err, code, "out of memory for a picture of %dx%d", width, height);
    for (int y = 0; y < height; y++)
        memcpy(image->data + (size_t)y * image->stride_bytes, rows + (ptrdiff_t)y * stride,
               (size_t)width * 3);
    return 0;
}

static int64_t budget_of(const struct heif *heif, const struct heif_image_handle *handle)
{
    int64_t pixels =
        (int64_t)heif_image_handle_get_ispe_width(handle) * heif_image_handle_get_ispe_height(handle);
    int64_t limit =
        heif->max_pixels > INT64_MAX / BUDGET_FACTOR ? INT64_MAX : heif->max_pixels * BUDGET_FACTOR;
    int64_t budget = pixels * BUDGET_FACTOR + BUDGET_SPARE;

    return budget < limit ? budget : limit;
}

static int heif_decode(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                       const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err)
{
    struct heif *heif = state;
    struct heif_context *context = NULL;
    struct heif_image_handle *handle = NULL;
    struct heif_image *picture = NULL;
    struct heif_error problem;
    int code = open_picture(encoded, &context, &handle, err);

    (void)wish;
    if (code < 0)
        goto out;
    sg_heif_codec_set_budget(budget_of(heif, handle));
    problem =
        heif_decode_image(handle, &picture, heif_colorspace_RGB, heif_chroma_interleaved_RGB, heif->options);
    if (problem.code != heif_error_Ok) {
        code = report(encoded, problem, err);
        goto out;
    }
    code = copy_rows(picture, image, err);
    if (code == 0 && (image->width != stored->width || image->height != stored->height))
        code = sg_error_set(err, SG_E_BAD_IMAGE, "%s header says %dx%d but its data %dx%d", encoded->format,
                            stored->width, stored->height, image->width, image->height);
out:
    heif_image_release(picture);
    heif_image_handle_release(handle);
    heif_context_free(context);
    return code;
}

const struct sg_decode_ops sg_decode_heif_ops = {
    .sniff = heif_sniff,
    .create = heif_create,
    .destroy = heif_destroy,
    .probe = heif_probe,
    .decode = heif_decode,
};
