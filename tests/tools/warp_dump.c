/* SPDX-License-Identifier: MIT
 * Straightens a quad of raw RGB pixels for the pytest comparison with OpenCV.
 * usage: warp_dump WIDTH HEIGHT TO_WIDTH TO_HEIGHT X0 Y0 X1 Y1 X2 Y2 X3 Y3 < pixels > picture
 */
#include "img/warp.h"

#include <stdio.h>
#include <stdlib.h>

static int pass_rows(const struct sg_image *image, FILE *file, bool is_input)
{
    size_t row = (size_t)image->width * 3;

    for (int y = 0; y < image->height; y++) {
        uint8_t *at = image->data + (size_t)y * image->stride_bytes;

        if ((is_input ? fread(at, 1, row, file) : fwrite(at, 1, row, file)) != row)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sg_image image = {0}, out = {0};
    struct sg_error err = {0};
    struct sg_point quad[4];
    int status = 1;

    if (argc != 13)
        return 2;
    for (int i = 0; i < 4; i++)
        quad[i] = (struct sg_point){strtof(argv[5 + 2 * i], NULL), strtof(argv[6 + 2 * i], NULL)};
    if (sg_image_resize(&image, SG_PIXEL_RGB24, atoi(argv[1]), atoi(argv[2])) < 0 ||
        pass_rows(&image, stdin, true) < 0 ||
        sg_warp_quad(&image, quad, atoi(argv[3]), atoi(argv[4]), &out, &err) < 0 ||
        pass_rows(&out, stdout, false) < 0)
        fprintf(stderr, "warp_dump: %s\n", err.text);
    else
        status = 0;
    sg_image_fini(&image);
    sg_image_fini(&out);
    return status;
}
