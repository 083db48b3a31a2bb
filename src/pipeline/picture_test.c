/* SPDX-License-Identifier: MIT
 * Crops, views and class sets: whole pixels worked out by hand.
 */
#include "pipeline/pipeline_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct sg_result result = {.width = 100, .height = 80};
static const struct run run = {.result = &result};

static void assert_box(struct sg_box box, float x1, float y1, float x2, float y2)
{
    assert_float_equal(box.x1, x1, 0.0f);
    assert_float_equal(box.y1, y1, 0.0f);
    assert_float_equal(box.x2, x2, 0.0f);
    assert_float_equal(box.y2, y2, 0.0f);
}

static void crops_are_whole_pixels_outward(void **state)
{
    const struct sg_box box = {10.2f, 20.7f, 30.1f, 40.0f};

    (void)state;
    assert_box(picture_crop(&run, &box, 0.0f, false, false), 10, 20, 31, 40);
}

static void expand_adds_half_on_each_side(void **state)
{
    const struct sg_box box = {40.0f, 20.0f, 60.0f, 60.0f};

    (void)state;
    /* 20 x 40 grown by 0.5: 5 and 10 pixels on each side; shrunk by 0.5: as much less. */
    assert_box(picture_crop(&run, &box, 0.5f, false, false), 35, 10, 65, 70);
    assert_box(picture_crop(&run, &box, -0.5f, false, false), 45, 30, 55, 50);
}

static void squares_take_the_longer_side(void **state)
{
    const struct sg_box box = {40.0f, 20.0f, 60.0f, 60.0f};

    (void)state;
    assert_box(picture_crop(&run, &box, 0.0f, true, false), 30, 20, 70, 60);
    /* After expand: 30 x 60. */
    assert_box(picture_crop(&run, &box, 0.5f, true, false), 20, 10, 80, 70);
}

static void pad_keeps_what_lies_outside(void **state)
{
    const struct sg_box box = {0.0f, 0.0f, 20.0f, 80.0f};

    (void)state;
    assert_box(picture_crop(&run, &box, 0.0f, true, false), 0, 0, 50, 80);
    assert_box(picture_crop(&run, &box, 0.0f, true, true), -30, 0, 50, 80);
}

static void crops_have_a_pixel_at_least(void **state)
{
    const struct sg_box box = {5.0f, 5.0f, 5.0f, 5.0f}, outside = {100.0f, 80.0f, 100.0f, 80.0f};

    (void)state;
    assert_box(picture_crop(&run, &box, 0.0f, false, false), 5, 5, 6, 6);
    assert_box(picture_crop(&run, &outside, 0.0f, false, false), 100, 80, 101, 81);
}

static void views_are_the_pixels_that_a_crop_covers(void **state)
{
    uint8_t pixels[40 * 50 * 3] = {0};
    /* The original's upper left 100 x 80 at half size. */
    const struct sg_image image = {.format = SG_PIXEL_RGB24,
                                   .width = 50,
                                   .height = 40,
                                   .data = pixels,
                                   .stride_bytes = 150,
                                   .full_width = 100,
                                   .full_height = 80,
                                   .scale_x = 0.5f,
                                   .scale_y = 0.5f};
    const struct sg_box crop = {11.0f, 20.0f, 31.0f, 41.0f}, beyond = {-30.0f, -10.0f, 200.0f, 300.0f};
    struct sg_image view;

    (void)state;
    picture_view(&image, &crop, &view); /* 5.5 to 15.5 by 10 to 20.5, outward */
    assert_int_equal(view.width, 11);
    assert_int_equal(view.height, 11);
    assert_ptr_equal(view.data, pixels + 10 * 150 + 5 * 3);
    assert_float_equal(view.origin_x, 10.0f, 0.0f);
    assert_float_equal(view.origin_y, 20.0f, 0.0f);
    picture_view(&image, &beyond, &view);
    assert_int_equal(view.width, 50);
    assert_int_equal(view.height, 40);
    assert_ptr_equal(view.data, pixels);
}

static void sets_hold_what_was_put_in(void **state)
{
    bool has[] = {false, true, false};
    const struct class_set some = {.has = has, .count = 3}, all = {.all = true};

    (void)state;
    assert_true(class_set_has(&some, 1));
    assert_false(class_set_has(&some, 0));
    assert_false(class_set_has(&some, 3));
    assert_false(class_set_has(&some, -1));
    assert_true(class_set_has(&all, 70000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_are_whole_pixels_outward),
        cmocka_unit_test(expand_adds_half_on_each_side),
        cmocka_unit_test(squares_take_the_longer_side),
        cmocka_unit_test(pad_keeps_what_lies_outside),
        cmocka_unit_test(crops_have_a_pixel_at_least),
        cmocka_unit_test(views_are_the_pixels_that_a_crop_covers),
        cmocka_unit_test(sets_hold_what_was_put_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
