/* SPDX-License-Identifier: MIT
 * What decodes are foreseen to take, by JPEGs that libjpeg writes. Expected: ITU T.81 has 64 coefficients of
 * two bytes per block, so two bytes per sample, three samples per pixel; RGB24 has three bytes, twice where a
 * picture is turned.
 */
#include "img/need.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h> /* needs stdio.h before it */

#include <cmocka.h>

#define WIDTH  4000
#define HEIGHT 3000
#define PIXELS ((size_t)WIDTH * HEIGHT)

static size_t write_jpeg(bool progressive, uint8_t **out)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned long size = 0;
    uint8_t *row = calloc(WIDTH, 3);

    assert_non_null(row);
    *out = NULL;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, out, &size);
    jpeg.image_width = WIDTH;
    jpeg.image_height = HEIGHT;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < HEIGHT)
        jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    return size;
}

static void jpegs(void **state)
{
    const struct sg_decode_wish whole = {0}, small = {.min_width = 500, .min_height = 375},
                                less = {.min_width = 501, .min_height = 300},
                                exact = {.min_width = 9, .min_height = 9, .exact = true},
                                part = {.min_width = 500,
                                        .min_height = 375,
                                        .has_region = true,
                                        .region = {0, 0, 1000, 750}};
    uint8_t *bytes;
    size_t size = write_jpeg(false, &bytes), at;

    (void)state;
    assert_int_equal(sg_decode_need(bytes, size, WIDTH, HEIGHT, &whole), PIXELS * 6);
    assert_int_equal(sg_decode_need(bytes, size, WIDTH, HEIGHT, &exact), PIXELS * 6);
    assert_int_equal(sg_decode_need(bytes, size, WIDTH, HEIGHT, &small), PIXELS / 64 * 6);
    assert_int_equal(sg_decode_need(bytes, size, WIDTH, HEIGHT, &less), PIXELS / 16 * 6);
    assert_int_equal(sg_decode_need(bytes, size, WIDTH, HEIGHT, &part), PIXELS / 4 * 6);
    free(bytes);
    size = write_jpeg(true, &bytes);
    assert_int_equal(sg_decode_need(bytes, size, WIDTH, HEIGHT, &whole), PIXELS * (6 + 6));
    assert_int_equal(sg_decode_need(bytes, size, WIDTH, HEIGHT, &small), PIXELS * 6 + PIXELS / 64 * 6);
    for (at = 0; at < 700; at++) /* cut off anywhere: as much as it may be */
        assert_in_range(sg_decode_need(bytes, at, WIDTH, HEIGHT, &whole), PIXELS * 6, PIXELS * 14);
    free(bytes);
}

static void others(void **state)
{
    const struct sg_decode_wish small = {.min_width = 10, .min_height = 10};

    (void)state;
    assert_int_equal(sg_decode_need("\x89PNG\r\n", 6, 100, 100, &small), (size_t)100 * 100 * 14);
    /* ISO 15444-1 annexes A.4 and I.5.1; OpenJPEG's opj_image_comp has 32 bits for a sample. */
    assert_int_equal(sg_decode_need("\xff\x4f\xff\x51\0\x29", 6, 100, 100, &small),
                     (size_t)100 * 100 * (5 * 4 + 6));
    assert_int_equal(sg_decode_need("\0\0\0\x0cjP  \r\n\x87\n", 12, 100, 100, &small),
                     (size_t)100 * 100 * (5 * 4 + 6));
    assert_int_equal(sg_decode_need("", 0, 100, 100, &small), (size_t)100 * 100 * 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(jpegs), cmocka_unit_test(others)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
