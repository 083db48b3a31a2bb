/* SPDX-License-Identifier: MIT
 * A loop of in-process inference on raw frames: what callers in other languages are held against.
 * infer_bench MODEL_OR_PIPELINE FRAMES [WIDTH HEIGHT [RAW_BGR_FILE]] prints one line of JSON: the median, 5th
 * and 95th percentile of a frame in microseconds, result as JSON text included. Without a file the frame is a
 * gradient.
 */
#include <sight.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WARM_UP 10

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int fill(unsigned char *data, size_t bytes, const char *path)
{
    FILE *file = path ? fopen(path, "rb") : NULL;
    size_t i, got = file ? fread(data, 1, bytes, file) : 0;

    if (file)
        fclose(file);
    for (i = 0; !path && i < bytes; i++)
        data[i] = (unsigned char)(i / 3 * 7 + i % 3 * 50);
    return !path || got == bytes;
}

int main(int argc, char **argv)
{
    int frames = argc > 2 ? atoi(argv[2]) : 0, objects = 0, failed = 1, code, i;
    struct sight_pixels pixels = SIGHT_PIXELS_INIT;
    struct sight_pipeline *pipeline = NULL;
    struct sight_result *result = NULL;
    struct sight_error error = {0, ""};
    unsigned char *data = NULL;
    double *us = NULL;

    if (argc < 3 || frames < 1 || frames > 1000000)
        return fprintf(stderr, "usage: infer_bench MODEL_OR_PIPELINE FRAMES [WIDTH HEIGHT [RAW_BGR_FILE]]\n"),
               2;
    pixels.format = SIGHT_BGR24;
    pixels.width = argc > 4 ? atoi(argv[3]) : 1920;
    pixels.height = argc > 4 ? atoi(argv[4]) : 1080;
    if (pixels.width < 1 || pixels.height < 1 || pixels.width > 65535 || pixels.height > 65535)
        return fprintf(stderr, "infer_bench: sides are 1 to 65535\n"), 2;
    pixels.data_bytes = (size_t)pixels.width * (size_t)pixels.height * 3;
    pixels.data = data = malloc(pixels.data_bytes);
    us = calloc((size_t)frames, sizeof(*us));
    if (!data || !us || !fill(data, pixels.data_bytes, argc > 5 ? argv[5] : NULL)) {
        fprintf(stderr, "infer_bench: no memory, or no frame of that size in the file\n");
        goto out;
    }
    code = strchr(argv[1], '/') && !strstr(argv[1], ".yaml")
               ? sight_pipeline_open_model(argv[1], NULL, &pipeline, &error)
               : sight_pipeline_open(argv[1], NULL, &pipeline, &error);
    if (code == 0)
        code = sight_result_create(&result);
    for (i = -WARM_UP; i < frames && code == 0; i++) {
        double began = now_us();

        code = sight_infer_pixels(pipeline, &pixels, NULL, result, &error);
        if (code == 0 && !sight_result_json(result, 0, NULL))
            code = SIGHT_E_NOMEM;
        if (i >= 0)
            us[i] = now_us() - began;
        objects = sight_result_object_count(result);
    }
    if (code < 0) {
        fprintf(stderr, "infer_bench: %s\n", error.message);
        goto out;
    }
    qsort(us, (size_t)frames, sizeof(*us), by_value);
    printf("{\"frames\":%d,\"objects\":%d,\"p50_us\":%.1f,\"p5_us\":%.1f,\"p95_us\":%.1f}\n", frames, objects,
           us[frames / 2], us[frames / 20], us[frames - 1 - frames / 20]);
    failed = 0;
out:
    sight_result_destroy(&result);
    sight_pipeline_close(&pipeline);
    free(data);
    free(us);
    return failed;
}
