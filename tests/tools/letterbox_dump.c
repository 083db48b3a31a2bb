/* SPDX-License-Identifier: MIT
 * Runs the letterbox on raw pixels for the pytest comparison with OpenCV.
 * usage: letterbox_dump [key=value]… < pixels > tensor
 * Keys are those of `set` below; pixels are rows without gaps (NV12: luma rows, then chroma rows).
 */
#include "base/cpu.h"
#include "img/letterbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    int format, width, height, full_width, full_height;
    float scale_x, scale_y, origin_x, origin_y;
    int plain, has_region;
    struct sg_box region;
    struct sg_transform transform;
};

static int set(struct run *run, const char *key, const char *value)
{
    struct sg_transform *t = &run->transform;
    const struct {
        const char *key;
        int *number;
    } numbers[] = {{"format", &run->format},
                   {"width", &run->width},
                   {"height", &run->height},
                   {"full_width", &run->full_width},
                   {"full_height", &run->full_height},
                   {"plain", &run->plain},
                   {"to_width", &t->width},
                   {"to_height", &t->height},
                   {"shorter", &t->shorter_side}};
    size_t i;

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(key, numbers[i].key) == 0) {
            *numbers[i].number = atoi(value);
            return 0;
        }
    }
    if (strcmp(key, "fit") == 0)
        t->fit = (enum sg_fit)atoi(value);
    else if (strcmp(key, "channels") == 0)
        t->channels = (enum sg_channels)atoi(value);
    else if (strcmp(key, "layout") == 0)
        t->layout = (enum sg_layout)atoi(value);
    else if (strcmp(key, "dtype") == 0)
        t->dtype = (enum sg_dtype)atoi(value);
    else if (strcmp(key, "mean") == 0)
        return sscanf(value, "%f,%f,%f", &t->mean[0], &t->mean[1], &t->mean[2]) == 3 ? 0 : -1;
    else if (strcmp(key, "std") == 0)
        return sscanf(value, "%f,%f,%f", &t->std[0], &t->std[1], &t->std[2]) == 3 ? 0 : -1;
    else if (strcmp(key, "pad") == 0)
        return sscanf(value, "%f,%f,%f", &t->pad[0], &t->pad[1], &t->pad[2]) == 3 ? 0 : -1;
    else if (strcmp(key, "region") == 0)
        return run->has_region = sscanf(value, "%f,%f,%f,%f", &run->region.x1, &run->region.y1,
                                        &run->region.x2, &run->region.y2) == 4,
               run->has_region ? 0 : -1;
    else if (strcmp(key, "view") == 0)
        return sscanf(value, "%f,%f,%f,%f", &run->scale_x, &run->scale_y, &run->origin_x, &run->origin_y) == 4
                   ? 0
                   : -1;
    else
        return -1;
    return 0;
}

static int read_rows(uint8_t *to, size_t stride, size_t row_bytes, int rows)
{
    for (int y = 0; y < rows; y++) {
        if (fread(to + (size_t)y * stride, 1, row_bytes, stdin) != row_bytes)
            return -1;
    }
    return 0;
}

static int read_image(const struct run *run, struct sg_image *image)
{
    size_t row = (size_t)run->width * (size_t)sg_pixel_bytes((enum sg_pixel)run->format);

    if (sg_image_resize(image, (enum sg_pixel)run->format, run->width, run->height) < 0 ||
        read_rows(image->data, image->stride_bytes, row, run->height) < 0)
        return -1;
    if (image->chroma && read_rows(image->chroma, image->stride_bytes, row, (run->height + 1) / 2) < 0)
        return -1;
    if (run->full_width) {
        image->full_width = run->full_width;
        image->full_height = run->full_height;
        image->scale_x = run->scale_x;
        image->scale_y = run->scale_y;
        image->origin_x = run->origin_x;
        image->origin_y = run->origin_y;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct run run = {.transform = {.std = {1, 1, 1}}};
    struct sg_image image = {0};
    struct sg_letterbox letterbox = {0};
    struct sg_placement placement;
    struct sg_error err = {0};
    uint8_t *tensor = NULL;
    size_t bytes;
    int i, status = 1;

    for (i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (value)
            *value++ = '\0';
        if (!value || set(&run, argv[i], value) < 0) {
            fprintf(stderr, "letterbox_dump: bad argument %s\n", argv[i]);
            return 2;
        }
    }
    if (run.plain)
        sg_cpu_mask(0);
    if (read_image(&run, &image) < 0) {
        fprintf(stderr, "letterbox_dump: too few pixels on standard input\n");
        goto out;
    }
    if (!run.has_region)
        run.region = (struct sg_box){0, 0, (float)image.full_width, (float)image.full_height};
    sg_letterbox_place(&run.transform, &run.region, &placement);
    bytes = sg_letterbox_bytes(&run.transform);
    tensor = malloc(bytes);
    if (!tensor || sg_letterbox_run(&letterbox, &image, &run.transform, &placement, tensor, &err) < 0) {
        fprintf(stderr, "letterbox_dump: %s\n", err.text);
        goto out;
    }
    fprintf(stderr, "%d %d %d %d\n", placement.left, placement.top, placement.width, placement.height);
    status = fwrite(tensor, 1, bytes, stdout) == bytes ? 0 : 1;
out:
    free(tensor);
    sg_letterbox_fini(&letterbox);
    sg_image_fini(&image);
    return status;
}
