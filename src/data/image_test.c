/* SPDX-License-Identifier: MIT
 * Pixel memory: reuse, borrowing, limits.
 */
#include "data/image.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void memory_is_reused_when_large_enough(void **state)
{
    struct sg_image image = {0};
    uint8_t *first;

    (void)state;
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_RGB24, 641, 480), 0);
    assert_true(image.stride_bytes >= 641 * 3 && image.stride_bytes % 64 == 0);
    first = image.data;
    memset(image.data, 1, image.stride_bytes * 480);
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_GRAY8, 641, 480), 0);
    assert_ptr_equal(image.data, first);
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_NV12, 3, 3), 0);
    assert_ptr_equal(image.chroma, image.data + 3 * image.stride_bytes);
    sg_image_fini(&image);
    assert_null(image.data);
}

static void a_borrowed_view_is_never_freed(void **state)
{
    static const uint8_t pixels[12];
    struct sg_image image = {0};

    (void)state;
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_RGB24, 8, 8), 0);
    sg_image_borrow(&image, SG_PIXEL_RGB24, 2, 2, 6, pixels, NULL);
    assert_ptr_equal(image.data, pixels);
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_RGB24, 1, 1), 0);
    assert_ptr_not_equal(image.data, pixels);
    sg_image_fini(&image);
}

static void only_large_memory_is_trimmed(void **state)
{
    static const uint8_t pixels[12];
    struct sg_image image = {0};

    (void)state;
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_RGB24, 64, 64), 0); /* 192 x 64 bytes */
    sg_image_trim(&image, (size_t)192 * 64);
    assert_non_null(image.data);
    sg_image_trim(&image, (size_t)192 * 64 - 1);
    assert_null(image.data);
    assert_int_equal(image.capacity_bytes, 0);
    sg_image_borrow(&image, SG_PIXEL_RGB24, 2, 2, 6, pixels, NULL);
    sg_image_trim(&image, 0);
    assert_ptr_equal(image.data, pixels);
    sg_image_fini(&image);
}

static void senseless_sizes_are_refused(void **state)
{
    struct sg_image image = {0};

    (void)state;
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_RGB24, 0, 5), SG_E_INVALID);
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_RGB24, 5, -1), SG_E_INVALID);
    assert_int_equal(sg_image_resize(&image, SG_PIXEL_RGB24, SG_IMAGE_MAX_SIDE + 1, 1), SG_E_INVALID);
    sg_image_fini(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_reused_when_large_enough),
        cmocka_unit_test(a_borrowed_view_is_never_freed),
        cmocka_unit_test(only_large_memory_is_trimmed),
        cmocka_unit_test(senseless_sizes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
