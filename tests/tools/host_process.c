/* SPDX-License-Identifier: MIT
 * Test tool: a program that uses FFmpeg, libtiff and libheif itself and asks libsight in between.
 *   host_process PIPELINE HEIC FILE...
 * Says of each library whether it is as the program left it after sight_infer of all files; 1 when one is
 * not. libheif is opened at run time: sightd does not need it.
 */
#include <sight.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/log.h>
#include <tiffio.h>

/* The part of libheif's interface that is used here; stable since 1.0. */
struct heif_status {
    int code, subcode;
    const char *message;
};
enum { HEIF_RGB = 1, HEIF_INTERLEAVED_RGB = 10, HEIF_CHANNEL_INTERLEAVED = 10 };

static int log_calls, shown_calls, tiff_calls;

static void on_log(void *object, int level, const char *format, va_list args)
{
    (void)object;
    (void)format;
    (void)args;
    log_calls++;
    shown_calls += level <= AV_LOG_INFO;
}

static void on_tiff(const char *module, const char *format, va_list args)
{
    (void)module;
    (void)format;
    (void)args;
    tiff_calls++;
}

static char *read_file(const char *path, size_t *out_bytes)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc((size_t)1 << 24);

    *out_bytes = file && bytes ? fread(bytes, 1, (size_t)1 << 24, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

/* A sum of the pixels as libheif decodes them; -1 without libheif, -2 when it cannot. */
static int64_t heif_sum(const char *path)
{
    void *library = dlopen("libheif.so.1", RTLD_NOW), *context = NULL, *handle = NULL, *image = NULL;
    int64_t sum = -2;
    size_t size;
    char *bytes;

    if (!library)
        return -1;
    void *(*alloc)(void) = (void *(*)(void))dlsym(library, "heif_context_alloc");
    struct heif_status (*read)(void *, const void *, size_t, const void *) =
        (struct heif_status(*)(void *, const void *, size_t, const void *))dlsym(
            library, "heif_context_read_from_memory_without_copy");
    struct heif_status (*primary)(void *, void **) =
        (struct heif_status(*)(void *, void **))dlsym(library, "heif_context_get_primary_image_handle");
    struct heif_status (*decode)(void *, void **, int, int, const void *) =
        (struct heif_status(*)(void *, void **, int, int, const void *))dlsym(library, "heif_decode_image");
    const uint8_t *(*plane)(const void *, int, int *) =
        (const uint8_t *(*)(const void *, int, int *))dlsym(library, "heif_image_get_plane_readonly");
    int (*height)(const void *, int) = (int (*)(const void *, int))dlsym(library, "heif_image_get_height");
    void (*image_release)(const void *) = (void (*)(const void *))dlsym(library, "heif_image_release");
    void (*handle_release)(const void *) =
        (void (*)(const void *))dlsym(library, "heif_image_handle_release");
    void (*context_free)(void *) = (void (*)(void *))dlsym(library, "heif_context_free");

    bytes = read_file(path, &size);
    context = alloc();
    if (read(context, bytes, size, NULL).code == 0 && primary(context, &handle).code == 0 &&
        decode(handle, &image, HEIF_RGB, HEIF_INTERLEAVED_RGB, NULL).code == 0) {
        int stride = 0, rows = height(image, HEIF_CHANNEL_INTERLEAVED);
        const uint8_t *data = plane(image, HEIF_CHANNEL_INTERLEAVED, &stride);

        sum = 0;
        for (int64_t i = 0; i < (int64_t)stride * rows; i++)
            sum = (sum * 31 + data[i]) % 1000000007;
    }
    image_release(image); /* all three take NULL */
    handle_release(handle);
    context_free(context);
    free(bytes);
    return sum;
}

static int infer_all(const char *name, int count, char **paths)
{
    struct sight_pipeline *pipeline = NULL;
    struct sight_result *result = NULL;
    struct sight_error error = {0, ""};

    if (sight_pipeline_open(name, NULL, &pipeline, &error) < 0 || sight_result_create(&result) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        size_t size;
        char *bytes = read_file(paths[i], &size);

        printf("%s: %d\n", paths[i], sight_infer(pipeline, bytes, size, NULL, result, &error));
        free(bytes);
    }
    sight_result_destroy(&result);
    sight_pipeline_close(&pipeline);
    return 0;
}

int main(int count, char **words)
{
    int64_t before, after;
    int level, calls, shown;
    bool good;

    if (count < 4)
        return 2;
    before = heif_sum(words[2]);
    av_log_set_callback(on_log);
    level = av_log_get_level();
    TIFFSetErrorHandler(on_tiff);
    TIFFSetWarningHandler(on_tiff);
    if (infer_all(words[1], count - 3, words + 3) != 0)
        return 1;
    calls = log_calls;
    shown = shown_calls;
    av_log(NULL, AV_LOG_ERROR, "x");
    after = heif_sum(words[2]);
    good = log_calls == calls + 1 && av_log_get_level() == level && tiff_calls == 0 && after == before &&
           TIFFSetErrorHandler(NULL) == on_tiff && TIFFSetWarningHandler(NULL) == on_tiff;
    printf("log %s, %d messages shown, tiff %d, heif %lld %lld\n", log_calls == calls + 1 ? "kept" : "taken",
           shown, tiff_calls, (long long)before, (long long)after);
    return good ? 0 : 1;
}
