/* SPDX-License-Identifier: MIT
 * Straightening and turning of pictures whose every pixel is known. The comparison with OpenCV is
 * tests/test_warp.py.
 */
#include "img/warp.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A picture that says where each pixel is: (x, y, 7). */
static void make_map(struct sg_image *image, int width, int height)
{
    int x, y;

    assert_int_equal(sg_image_resize(image, SG_PIXEL_RGB24, width, height), 0);
    for (y = 0; y < height; y++) {
        for (x = 0; x < width; x++) {
            uint8_t *at = image->data + (size_t)y * image->stride_bytes + 3 * (size_t)x;

            at[0] = (uint8_t)x, at[1] = (uint8_t)y, at[2] = 7;
        }
    }
}

static const uint8_t *pixel(const struct sg_image *image, int x, int y)
{
    return image->data + (size_t)y * image->stride_bytes + 3 * (size_t)x;
}

static void an_upright_quad_is_a_plain_cut(void **state)
{
    const struct sg_point quad[4] = {{10, 20}, {40, 20}, {40, 30}, {10, 30}};
    struct sg_image image = {0}, out = {0};
    int x, y;

    (void)state;
    make_map(&image, 100, 50);
    assert_int_equal(sg_warp_quad(&image, quad, 30, 10, &out, NULL), 0);
    for (y = 0; y < 10; y++) {
        for (x = 0; x < 30; x++) {
            assert_int_equal(pixel(&out, x, y)[0], x + 10);
            assert_int_equal(pixel(&out, x, y)[1], y + 20);
        }
    }
    /* The same cut of a view that starts at 8,16: nothing changes for the caller. */
    image.data += 16 * image.stride_bytes + 24;
    image.origin_x = 8, image.origin_y = 16;
    image.width = 60, image.height = 30;
    assert_int_equal(sg_warp_quad(&image, quad, 30, 10, &out, NULL), 0);
    assert_int_equal(pixel(&out, 29, 9)[0], 39);
    assert_int_equal(pixel(&out, 29, 9)[1], 29);
    image.data -= 16 * image.stride_bytes + 24;
    sg_image_fini(&image);
    sg_image_fini(&out);
}

static void a_quad_on_its_side_is_turned(void **state)
{
    /* The top left of the text is at the bottom left: it reads upwards. */
    const struct sg_point quad[4] = {{10, 40}, {10, 10}, {20, 10}, {20, 40}};
    struct sg_image image = {0}, out = {0};

    (void)state;
    make_map(&image, 100, 50);
    assert_int_equal(sg_warp_quad(&image, quad, 30, 10, &out, NULL), 0);
    assert_int_equal(pixel(&out, 0, 0)[0], 10);
    assert_int_equal(pixel(&out, 0, 0)[1], 39);
    assert_int_equal(pixel(&out, 29, 9)[0], 19);
    assert_int_equal(pixel(&out, 29, 9)[1], 10);
    sg_image_fini(&image);
    sg_image_fini(&out);
}

/* A cut of every pixel gives the picture, whatever its format. NV12 is BT.601 of limited range: of luma 100,
 * U 110 and V 150 red is 1.164 x 84 + 1.596 x 22 = 132.9, green 97.8 - 0.813 x 22 + 0.391 x 18 = 86.9, blue
 * 97.8 - 2.018 x 18 = 61.5. */
static void pictures_of_every_format(void **state)
{
    static const uint8_t grey[4][4] = {{1, 2, 3, 4}, {11, 12, 13, 14}, {21, 22, 23, 24}, {31, 32, 33, 34}};
    const struct sg_point quad[4] = {{0, 0}, {4, 0}, {4, 4}, {0, 4}},
                          half[4] = {{2, 2}, {10, 2}, {10, 10}, {2, 10}};
    struct sg_image image = {0}, out = {0};

    (void)state;
    for (int format = SG_PIXEL_RGB24; format <= SG_PIXEL_NV12; format++) {
        assert_int_equal(sg_image_resize(&image, (enum sg_pixel)format, 4, 4), 0);
        for (int y = 0; y < 4; y++) {
            uint8_t *row = image.data + (size_t)y * image.stride_bytes;

            for (int x = 0; x < 4; x++) {
                if (format == SG_PIXEL_NV12)
                    row[x] = x == 3 && y == 1 ? 100 : 16;
                else if (format == SG_PIXEL_GRAY8)
                    row[x] = grey[y][x];
                else
                    row[3 * x] = grey[y][x], row[3 * x + 1] = 50, row[3 * x + 2] = (uint8_t)(200 - x);
            }
        }
        if (format == SG_PIXEL_NV12) {
            memset(image.chroma, 128, image.stride_bytes + 4);
            image.chroma[2] = 110, image.chroma[3] = 150; /* of the upper right quarter */
        }
        for (int scaled = 0; scaled < 2; scaled++) {
            if (scaled) { /* the picture is half of an original that begins at 2,2 */
                image.scale_x = image.scale_y = 0.5f;
                image.origin_x = image.origin_y = 2.0f;
            }
            assert_int_equal(sg_warp_quad(&image, scaled ? half : quad, 4, 4, &out, NULL), 0);
            for (int y = 0; y < 4; y++)
                for (int x = 0; x < 4; x++) {
                    const uint8_t *at = pixel(&out, x, y);

                    if (format == SG_PIXEL_NV12) {
                        if (x == 3 && y == 1)
                            assert_memory_equal(at, "\x85\x57\x3D", 3);
                        else if (x < 2 || y > 1)
                            assert_memory_equal(at, "\0\0\0", 3);
                    } else {
                        assert_int_equal(at[0], format == SG_PIXEL_BGR24 ? 200 - x : grey[y][x]);
                        assert_int_equal(at[1], format == SG_PIXEL_GRAY8 ? grey[y][x] : 50);
                        assert_int_equal(at[2], format == SG_PIXEL_RGB24 ? 200 - x : grey[y][x]);
                    }
                }
        }
    }
    sg_image_fini(&image);
    sg_image_fini(&out);
}

static void what_lies_outside_repeats_the_edge(void **state)
{
    const struct sg_point quad[4] = {{-50, -50}, {150, -50}, {150, 100}, {-50, 100}};
    struct sg_image image = {0}, out = {0};

    (void)state;
    make_map(&image, 100, 50);
    assert_int_equal(sg_warp_quad(&image, quad, 200, 150, &out, NULL), 0);
    assert_int_equal(pixel(&out, 0, 0)[0], 0);
    assert_int_equal(pixel(&out, 0, 0)[1], 0);
    assert_int_equal(pixel(&out, 199, 149)[0], 99);
    assert_int_equal(pixel(&out, 199, 149)[1], 49);
    sg_image_fini(&image);
    sg_image_fini(&out);
}

static void degenerate_quads_are_refused(void **state)
{
    const struct sg_point bad[][4] = {
        {{10, 10}, {10, 10}, {10, 10}, {10, 10}}, {{0, 0}, {10, 10}, {20, 20}, {30, 30}},
        {{0, 0}, {10, 10}, {10, 0}, {0, 10}}, /* a bow tie */
        {{0, 0}, {10, 0}, {2, 2}, {0, 10}},   /* dented */
        {{0, 0}, {NAN, 0}, {10, 10}, {0, 10}},    {{0, 0}, {INFINITY, 0}, {10, 10}, {0, 10}}};
    const struct sg_point good[4] = {{0, 0}, {10, 0}, {10, 10}, {0, 10}};
    struct sg_image image = {0}, out = {0};
    struct sg_error err;
    size_t i;

    (void)state;
    make_map(&image, 30, 30);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sg_warp_quad(&image, bad[i], 10, 10, &out, &err), SG_E_INVALID);
    assert_int_equal(sg_warp_quad(&image, good, 0, 10, &out, &err), SG_E_INVALID);
    assert_int_equal(sg_warp_quad(&image, good, 10, SG_IMAGE_MAX_SIDE + 1, &out, &err), SG_E_INVALID);
    sg_image_fini(&image);
    sg_image_fini(&out);
}

static void pictures_turn(void **state)
{
    struct sg_image image = {0};
    int turns;

    (void)state;
    for (turns = 1; turns <= 3; turns++) {
        make_map(&image, 5, 3);
        assert_int_equal(sg_image_turn(&image, turns, NULL), 0);
        assert_int_equal(image.width, turns == 2 ? 5 : 3);
        assert_int_equal(image.full_height, turns == 2 ? 3 : 5);
        /* Where the old top left went: top right, bottom right, bottom left. */
        assert_int_equal(pixel(&image,
                               turns == 1   ? 2
                               : turns == 2 ? 4
                                            : 0,
                               turns == 1   ? 0
                               : turns == 2 ? 2
                                            : 4)[0],
                         0);
        assert_int_equal(pixel(&image,
                               turns == 1   ? 2
                               : turns == 2 ? 4
                                            : 0,
                               turns == 1   ? 0
                               : turns == 2 ? 2
                                            : 4)[1],
                         0);
        assert_int_equal(sg_image_turn(&image, 4 - turns, NULL), 0);
        assert_int_equal(pixel(&image, 3, 1)[0], 3);
        assert_int_equal(pixel(&image, 3, 1)[1], 1);
    }
    assert_int_equal(sg_image_turn(&image, 4, NULL), SG_E_INVALID);
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_NV12, 6, 4), 0);
    memset(image.data, 1, 4 * image.stride_bytes);
    memset(image.chroma, 2, 2 * image.stride_bytes);
    image.chroma[5] = 9; /* V of the top right */
    assert_int_equal(sg_image_turn(&image, 1, NULL), 0);
    assert_int_equal(image.chroma[2 * image.stride_bytes + 3], 9);
    sg_image_fini(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upright_quad_is_a_plain_cut),
        cmocka_unit_test(a_quad_on_its_side_is_turned),
        cmocka_unit_test(pictures_of_every_format),
        cmocka_unit_test(what_lies_outside_repeats_the_edge),
        cmocka_unit_test(degenerate_quads_are_refused),
        cmocka_unit_test(pictures_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
