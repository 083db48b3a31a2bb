/* SPDX-License-Identifier: MIT
 * Time of the letterbox alone, plain and fast, in nanoseconds per pixel of the model's input.
 * usage: kernel_bench [rounds]; prints one line per case and kernel: name, kernel, best and median
 * microseconds, ns per pixel. bench/kernel.py runs it beside OpenCV.
 */
#include "base/cpu.h"
#include "img/letterbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MAX 1001

struct bench {
    const char *name;
    int width, height;
    enum sg_pixel format;
    struct sg_transform transform;
};

static const struct bench benches[] = {
    {"1920x1080->640",
     1920,
     1080,
     SG_PIXEL_RGB24,
     {.width = 640, .height = 640, .fit = SG_FIT_LETTERBOX, .std = {255, 255, 255}, .pad = {114, 114, 114}}},
    {"1280x720->416",
     1280,
     720,
     SG_PIXEL_RGB24,
     {.width = 416,
      .height = 416,
      .fit = SG_FIT_LETTERBOX,
      .mean = {103.53f, 116.28f, 123.675f},
      .std = {57.375f, 57.12f, 58.395f},
      .channels = SG_CHANNELS_BGR}},
    {"640x480->300_u8_nhwc",
     640,
     480,
     SG_PIXEL_RGB24,
     {.width = 300,
      .height = 300,
      .fit = SG_FIT_STRETCH,
      .std = {1, 1, 1},
      .dtype = SG_DTYPE_U8,
      .layout = SG_LAYOUT_NHWC}},
    {"640x640->640",
     640,
     640,
     SG_PIXEL_RGB24,
     {.width = 640, .height = 640, .fit = SG_FIT_LETTERBOX, .std = {255, 255, 255}}},
    {"1920x1080_nv12->640",
     1920,
     1080,
     SG_PIXEL_NV12,
     {.width = 640, .height = 640, .fit = SG_FIT_LETTERBOX, .std = {255, 255, 255}, .pad = {114, 114, 114}}},
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int run(const struct bench *bench, const char *kernel, int rounds)
{
    static int64_t times[ROUNDS_MAX];
    const struct sg_transform *t = &bench->transform;
    struct sg_box whole = {0, 0, (float)bench->width, (float)bench->height};
    struct sg_letterbox letterbox = {0};
    struct sg_image image = {0};
    struct sg_placement placement;
    uint8_t *tensor = malloc(sg_letterbox_bytes(t));
    int64_t median;
    int i, status = -1;

    if (!tensor || sg_image_resize(&image, bench->format, bench->width, bench->height) < 0)
        goto out;
    for (i = 0; i < (int)(image.capacity_bytes); i++)
        image.data[i] = (uint8_t)(i * 2654435761u >> 24);
    sg_letterbox_place(t, &whole, &placement);
    for (i = -3; i < rounds; i++) {
        int64_t start = now_ns();

        if (sg_letterbox_run(&letterbox, &image, t, &placement, tensor, NULL) < 0)
            goto out;
        if (i >= 0)
            times[i] = now_ns() - start;
    }
    qsort(times, (size_t)rounds, sizeof(times[0]), compare);
    median = times[rounds >> 1];
    printf("%-22s %-6s %8.1f %8.1f us %7.3f ns/px\n", bench->name, kernel, (double)times[0] / 1e3,
           (double)median / 1e3, (double)median / ((double)t->width * t->height));
    status = 0;
out:
    free(tensor);
    sg_image_fini(&image);
    sg_letterbox_fini(&letterbox);
    return status;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 101;
    size_t i;

    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "kernel_bench: rounds must be 1..%d\n", ROUNDS_MAX);
        return 2;
    }
    for (i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
        sg_cpu_mask(0);
        if (run(&benches[i], "plain", rounds) < 0)
            return 1;
        sg_cpu_mask(~0u);
        if (sg_cpu_flags() && run(&benches[i], "fast", rounds) < 0)
            return 1;
    }
    return 0;
}
