/* SPDX-License-Identifier: MIT
 * Placements computed by hand, small pictures computed by hand, and the refusals. The comparison with OpenCV
 * is tests/test_letterbox.py.
 */
#include "img/letterbox.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sg_transform transform_of(int width, int height, enum sg_fit fit)
{
    return (struct sg_transform){.width = width, .height = height, .fit = fit, .std = {1, 1, 1}};
}

static void assert_placed(const struct sg_transform *t, struct sg_box region, int left, int top, int width,
                          int height)
{
    struct sg_placement p;

    sg_letterbox_place(t, &region, &p);
    assert_int_equal(p.left, left);
    assert_int_equal(p.top, top);
    assert_int_equal(p.width, width);
    assert_int_equal(p.height, height);
}

/* Numbers by hand from the rules in data/transform.h. */
static void pictures_are_placed_by_the_rules(void **state)
{
    struct sg_transform stretch = transform_of(320, 240, SG_FIT_STRETCH);
    struct sg_transform box = transform_of(640, 640, SG_FIT_LETTERBOX);
    struct sg_transform top = transform_of(416, 416, SG_FIT_LETTERBOX_TOPLEFT);
    struct sg_transform crop = transform_of(224, 224, SG_FIT_CENTER_CROP);

    (void)state;
    assert_placed(&stretch, (struct sg_box){0, 0, 1920, 1080}, 0, 0, 320, 240);
    assert_placed(&box, (struct sg_box){0, 0, 810, 1080}, 80, 0, 480, 640);
    assert_placed(&box, (struct sg_box){0, 0, 1920, 1080}, 0, 140, 640, 360);
    assert_placed(&box, (struct sg_box){0, 0, 3000, 12}, 0, 318, 640, 3); /* (640-3)/2-0.1 = 318.4 */
    assert_placed(&box, (struct sg_box){0, 0, 60000, 1}, 0, 319, 640, 1); /* 0.01 rows become one */
    /* Odd padding: the smaller half is at the left and at the top, (640-323)/2-0.1 = 158.4. */
    assert_placed(&box, (struct sg_box){0, 0, 101, 200}, 158, 0, 323, 640);
    assert_placed(&box, (struct sg_box){0, 0, 200, 101}, 0, 158, 640, 323);
    assert_placed(&box, (struct sg_box){100, 50, 200, 100}, 0, 160, 640, 320);
    assert_placed(&top, (struct sg_box){0, 0, 1280, 720}, 0, 0, 416, 234);
    assert_placed(&top, (struct sg_box){0, 0, 768, 577}, 0, 0, 416, 312); /* 312.54 is cut */
    crop.shorter_side = 256;
    assert_placed(&crop, (struct sg_box){0, 0, 626, 417}, 0, 0, 224, 224);
    crop.shorter_side = 100;
    assert_placed(&crop, (struct sg_box){0, 0, 200, 100}, 12, 62, 200, 100);
}

static void points_come_back_to_the_original(void **state)
{
    struct sg_transform crop = transform_of(224, 224, SG_FIT_CENTER_CROP);
    struct sg_transform box = transform_of(640, 640, SG_FIT_LETTERBOX);
    struct sg_box region = {0, 0, 626, 417}, part = {100, 50, 200, 100};
    struct sg_placement p;
    struct sg_point point;

    (void)state;
    crop.shorter_side = 256;
    sg_letterbox_place(&crop, &region, &p);
    /* 626x417 -> 384x256 (626*256/417 = 384.3), cut at (384-224)/2 = 80 and 16 */
    point = sg_placement_unmap(&p, (struct sg_point){0, 0});
    assert_true(fabsf(point.x - 80.0f * 626 / 384) < 1e-3f && fabsf(point.y - 16.0f * 417 / 256) < 1e-3f);
    sg_letterbox_place(&box, &part, &p);
    point = sg_placement_unmap(&p, (struct sg_point){640, 480});
    assert_true(fabsf(point.x - 200) < 1e-3f && fabsf(point.y - 100) < 1e-3f);
}

static const uint8_t two_by_two[12] = {10, 20, 30, 50, 60, 70, 90, 100, 110, 130, 140, 250};

/* cv2.resize of {10,50} to four columns: 10, 20, 40, 50 (shares 1/4 and 3/4). */
static void a_small_picture_grows_as_computed_by_hand(void **state)
{
    const float expected[16] = {10, 20, 40, 50, 30, 40, 60, 70, 70, 80, 100, 110, 90, 100, 120, 130};
    struct sg_transform t = transform_of(4, 4, SG_FIT_STRETCH);
    struct sg_box whole = {0, 0, 2, 2};
    struct sg_letterbox letterbox = {0};
    struct sg_image image = {0};
    struct sg_placement p;
    float tensor[48];
    int i;

    (void)state;
    t.mean[0] = 1;
    t.std[0] = 2;
    t.channels = SG_CHANNELS_BGR;
    sg_image_borrow(&image, SG_PIXEL_BGR24, 2, 2, 6, two_by_two, NULL);
    sg_letterbox_place(&t, &whole, &p);
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &t, &p, tensor, NULL), 0);
    for (i = 0; i < 16; i++)
        assert_true(tensor[i] == (expected[i] - 1) / 2);
    assert_true(tensor[16] == 20 && tensor[32] == 30 && tensor[47] == 250);
    sg_letterbox_fini(&letterbox);
}

/* Every type, both layouts, padding on two sides: 2x2 in 2x4 with two rows of padding. */
static void types_layouts_and_padding(void **state)
{
    static const enum sg_dtype types[] = {SG_DTYPE_F32, SG_DTYPE_F16, SG_DTYPE_U8, SG_DTYPE_I8};
    struct sg_box whole = {0, 0, 2, 2};
    struct sg_letterbox letterbox = {0};
    struct sg_image image = {0};
    size_t k;
    int layout, x, y, c;

    (void)state;
    sg_image_borrow(&image, SG_PIXEL_RGB24, 2, 2, 6, two_by_two, NULL);
    for (k = 0; k < 4; k++) {
        for (layout = 0; layout < 2; layout++) {
            struct sg_transform t = transform_of(2, 4, SG_FIT_LETTERBOX);
            struct sg_placement p;
            struct sg_tensor tensor = {.dtype = types[k], .rank = 1, .dims = {24}};

            t.dtype = types[k];
            t.layout = (enum sg_layout)layout;
            t.pad[0] = 1, t.pad[1] = 2, t.pad[2] = 3;
            tensor.data = malloc(sg_letterbox_bytes(&t)); /* exactly: a sanitizer sees every step too far */
            sg_letterbox_place(&t, &whole, &p);
            assert_int_equal(sg_letterbox_run(&letterbox, &image, &t, &p, tensor.data, NULL), 0);
            for (c = 0; c < 3; c++) {
                for (y = 0; y < 4; y++) {
                    for (x = 0; x < 2; x++) {
                        float value = y == 0 || y == 3 ? (float)(c + 1) : two_by_two[6 * (y - 1) + 3 * x + c];
                        int at = layout == SG_LAYOUT_NCHW ? c * 8 + y * 2 + x : (y * 2 + x) * 3 + c;

                        if (types[k] == SG_DTYPE_I8 && value > 127)
                            value = 127;
                        assert_true(sg_tensor_at(&tensor, at) == value);
                    }
                }
            }
            free(tensor.data);
        }
    }
    sg_letterbox_fini(&letterbox);
}

/* A crop sees nothing outside itself; gray weights from BT.601 (0.299, 0.587, 0.114). */
static void crops_and_gray(void **state)
{
    struct sg_transform t = transform_of(3, 3, SG_FIT_STRETCH);
    struct sg_box corner = {1, 1, 2, 2};
    struct sg_letterbox letterbox = {0};
    struct sg_image image = {0};
    struct sg_placement p;
    uint8_t tensor[9];
    int i;

    (void)state;
    t.channels = SG_CHANNELS_GRAY;
    t.dtype = SG_DTYPE_U8;
    sg_image_borrow(&image, SG_PIXEL_RGB24, 2, 2, 6, two_by_two, NULL);
    sg_letterbox_place(&t, &corner, &p);
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &t, &p, tensor, NULL), 0);
    for (i = 0; i < 9; i++)
        assert_int_equal(tensor[i], (int)(130 * 0.299 + 140 * 0.587 + 250 * 0.114 + 0.5));
    sg_letterbox_fini(&letterbox);
}

static void nonsense_is_refused(void **state)
{
    struct sg_transform good = transform_of(4, 4, SG_FIT_STRETCH), t;
    struct sg_box whole = {0, 0, 2, 2};
    struct sg_letterbox letterbox = {0};
    struct sg_image image = {0};
    struct sg_placement p, bad;
    float tensor[48];

    (void)state;
    sg_image_borrow(&image, SG_PIXEL_RGB24, 2, 2, 6, two_by_two, NULL);
    sg_letterbox_place(&good, &whole, &p);
    t = good;
    t.std[2] = 0;
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &t, &p, tensor, NULL), SG_E_INVALID);
    t = good;
    t.dtype = SG_DTYPE_I64;
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &t, &p, tensor, NULL), SG_E_INVALID);
    t = good;
    t.width = 3;
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &t, &p, tensor, NULL), SG_E_INVALID);
    bad = p;
    bad.scale_x = NAN;
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &good, &bad, tensor, NULL), SG_E_INVALID);
    bad = p;
    bad.left = 1;
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &good, &bad, tensor, NULL), SG_E_INVALID);
    /* Far outside, and scaled beyond reason: the edge repeats, nothing is read outside. */
    bad = p;
    bad.offset_x = 1e30f;
    bad.scale_y = 1e-30f;
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &good, &bad, tensor, NULL), 0);
    image.data = NULL;
    assert_int_equal(sg_letterbox_run(&letterbox, &image, &good, &p, tensor, NULL), SG_E_INVALID);
    sg_letterbox_fini(&letterbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_placed_by_the_rules),
        cmocka_unit_test(points_come_back_to_the_original),
        cmocka_unit_test(a_small_picture_grows_as_computed_by_hand),
        cmocka_unit_test(types_layouts_and_padding),
        cmocka_unit_test(crops_and_gray),
        cmocka_unit_test(nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
