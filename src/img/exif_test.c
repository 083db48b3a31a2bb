/* SPDX-License-Identifier: MIT
 * Orientation: the eight ways of EXIF 2.32 (table of tag 0x0112) written out by hand on a 3x2 picture.
 */
#include "img/exif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The stored picture is "abc" over "def"; the rows of the upright one for each orientation. */
static const char *const upright_rows[9] = {
    NULL, "abc/def", "cba/fed", "fed/cba", "def/abc", "ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad",
};

static void draw_stored(struct sg_image *image)
{
    assert_int_equal(sg_image_resize(image, SG_PIXEL_RGB24, 3, 2), 0);
    for (int i = 0; i < 6; i++)
        memset(image->data + (size_t)(i / 3) * image->stride_bytes + (size_t)(i % 3) * 3, 'a' + i, 3);
}

static void pixels_are_turned(void **state)
{
    struct sg_image image = {0}, scratch = {0};

    (void)state;
    for (int orientation = 1; orientation <= 8; orientation++) {
        char rows[16] = "";
        size_t at = 0;

        draw_stored(&image);
        assert_int_equal(sg_exif_apply(orientation, &image, &scratch), 0);
        assert_int_equal(image.full_width, orientation < 5 ? 3 : 2);
        assert_int_equal(image.full_height, orientation < 5 ? 2 : 3);
        for (int y = 0; y < image.height; y++) {
            if (y > 0)
                rows[at++] = '/';
            for (int x = 0; x < image.width; x++) {
                const uint8_t *pixel = image.data + (size_t)y * image.stride_bytes + (size_t)x * 3;

                assert_true(pixel[0] == pixel[1] && pixel[1] == pixel[2]);
                rows[at++] = (char)pixel[0];
            }
        }
        assert_string_equal(rows, upright_rows[orientation]);
        assert_int_equal(sg_exif_swaps_sides(orientation), orientation >= 5);
    }
    sg_image_fini(&image);
    sg_image_fini(&scratch);
}

/* A one-pixel box of the upright picture must name the stored pixel that is shown there. */
static void boxes_go_back_to_stored_pixels(void **state)
{
    (void)state;
    for (int orientation = 1; orientation <= 8; orientation++) {
        const char *rows = upright_rows[orientation];
        float x = 0.0f, y = 0.0f;

        for (; *rows; rows++) {
            struct sg_box upright = {x, y, x + 1.0f, y + 1.0f}, stored;

            if (*rows == '/') {
                x = 0.0f;
                y += 1.0f;
                continue;
            }
            stored = sg_exif_box_to_stored(orientation, 3, 2, &upright);
            assert_true(stored.x2 == stored.x1 + 1.0f && stored.y2 == stored.y1 + 1.0f);
            assert_int_equal((int)stored.y1 * 3 + (int)stored.x1, *rows - 'a');
            x += 1.0f;
        }
    }
}

static void the_origin_of_a_part_turns_with_it(void **state)
{
    struct sg_image image = {0}, scratch = {0};

    (void)state;
    draw_stored(&image);
    image.full_width = 100;
    image.full_height = 60;
    image.scale_x = image.scale_y = 0.5f;
    image.origin_x = 20.0f; /* covers 20..26 x 30..34 of 100 x 60 */
    image.origin_y = 30.0f;
    assert_int_equal(sg_exif_apply(6, &image, &scratch), 0);
    /* Turned clockwise: the stored bottom is left now. */
    assert_true(image.full_width == 60 && image.full_height == 100);
    assert_true(image.origin_x == 26.0f && image.origin_y == 20.0f);
    sg_image_fini(&image);
    sg_image_fini(&scratch);
}

static void orientation_is_read_and_damage_is_upright(void **state)
{
    static const uint8_t little[] = {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12,
                                     1,   3,   0,   1, 0, 0, 0, 6, 0, 0, 0};
    static const uint8_t big[] = {'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0};
    uint8_t copy[sizeof(little)];

    (void)state;
    assert_int_equal(sg_exif_orientation(little, sizeof(little)), 6);
    assert_int_equal(sg_exif_orientation(big, sizeof(big)), 8);
    for (size_t size = 0; size < sizeof(little); size++)
        assert_int_equal(sg_exif_orientation(little, size), 1);
    memcpy(copy, little, sizeof(copy));
    copy[18] = 9;
    assert_int_equal(sg_exif_orientation(copy, sizeof(copy)), 1);
    copy[18] = 0;
    assert_int_equal(sg_exif_orientation(copy, sizeof(copy)), 1);
    memset(copy + 4, 0xFF, 4); /* a directory far outside */
    assert_int_equal(sg_exif_orientation(copy, sizeof(copy)), 1);
}

/* Segments of a JPEG before its first scan (ITU T.81 B.1.1.2: any number of 0xFF may come before a marker).
 */
static void segments_of_jpeg(void **state)
{
#define EXIF                                                                                                 \
    "\xFF\xE1\0\x22"                                                                                         \
    "Exif\0\0"                                                                                               \
    "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0"
    static const struct {
        const char *bytes;
        size_t size;
        int orientation;
    } rows[] = {
        {"\xFF\xD8" EXIF, 38, 6},
        {"\xFF\xD8\xFF\xFF\xFF" EXIF, 41, 6},
        {"\xFF\xD8\xFF\xE0\0\4ab" EXIF, 44, 6},
        {"\xFF\xD8\xFF\xE1\0\x08XMP.\0\0" EXIF, 48, 6},
        {"\xFF\xD8\xFF\xDA\0\4ab" EXIF, 44, 1}, /* behind the first scan */
        {"\xFF\xD8\xFF\xD9\0\4ab" EXIF, 44, 1},
        {"\xFF\xD8\xFF\xE0\0\1ab" EXIF, 44, 1}, /* shorter than its own length */
        {"\xFF\xD8\xFF\xE0\0\x99"
         "ab" EXIF,
         44, 1},
        {"\xFF\xD8x" EXIF, 39, 1},
        {"\xFF\xD8" EXIF, 35, 1}, /* cut off */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(sg_exif_orientation_jpeg((const uint8_t *)rows[i].bytes, rows[i].size),
                         rows[i].orientation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_turned),
        cmocka_unit_test(boxes_go_back_to_stored_pixels),
        cmocka_unit_test(the_origin_of_a_part_turns_with_it),
        cmocka_unit_test(orientation_is_read_and_damage_is_upright),
        cmocka_unit_test(segments_of_jpeg),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
