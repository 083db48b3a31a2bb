/* SPDX-License-Identifier: MIT
 * What decodes are foreseen to take, by JPEGs that libjpeg writes. Expected: ITU T.81 has 64 coefficients of
 * two bytes per block; RGB24 has three bytes, twice where a picture is turned. Against what decodes really
 * take: tests/test_decode_memory.py.
 */
#include "img/need.h"

#include <math.h>
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
#define SPARE  ((size_t)512 << 10) /* said for every picture */
/* libjpeg's 4:2:0: blocks of luma in pairs both ways, 500 x 376 (3000 is 187.5 pairs of 8), and half of that
 * for each colour both ways. */
#define COEFFICIENTS ((size_t)(500 * 376 + 2 * 250 * 188) * 64 * 2)

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

static size_t need(const uint8_t *bytes, size_t size, const struct sg_decode_wish *wish)
{
    size_t bytes_in_all = sg_decode_need(bytes, size, WIDTH, HEIGHT, wish);

    assert_true(bytes_in_all >= SPARE);
    return bytes_in_all - SPARE;
}

static void jpegs(void **state)
{
    const struct sg_decode_wish whole = {0}, small = {.min_width = 500, .min_height = 375},
                                less = {.min_width = 501, .min_height = 300},
                                exact = {.min_width = 9, .min_height = 9, .exact = true},
                                part = {.min_width = 500,
                                        .min_height = 375,
                                        .has_region = true,
                                        .region = {0, 0, 1000, 750}},
                                outside = {.has_region = true, .region = {9e9f, NAN, -9e9f, 3}};
    uint8_t *bytes;
    size_t size = write_jpeg(false, &bytes), at;

    (void)state;
    assert_int_equal(need(bytes, size, &whole), PIXELS * 3);
    assert_int_equal(need(bytes, size, &exact), PIXELS * 3);
    assert_int_equal(need(bytes, size, &small), PIXELS / 64 * 3);
    assert_int_equal(need(bytes, size, &less), PIXELS / 16 * 3);
    assert_in_range(need(bytes, size, &part), 500 * 375 * 3, 502 * 377 * 3);
    assert_in_range(need(bytes, size, &outside), 1, PIXELS * 3);
    free(bytes);
    size = write_jpeg(true, &bytes);
    assert_int_equal(need(bytes, size, &whole), PIXELS * 3 + COEFFICIENTS);
    assert_int_equal(need(bytes, size, &small), PIXELS / 64 * 3 + COEFFICIENTS);
    for (at = 0; at < 700; at++) /* cut off anywhere */
        assert_in_range(need(bytes, at, &whole), PIXELS * 3, PIXELS * 3 + COEFFICIENTS);
    free(bytes);
}

/* The same with an EXIF block in front that turns the picture: two RGB pictures when the coefficients, here a
 * little larger than one, are gone. */
static void turned(void **state)
{
    static const uint8_t exif[] = {0xFF, 0xD8, 0xFF, 0xE1, 0, 34, 'E', 'x', 'i', 'f',  0, 0, 'I',
                                   'I',  42,   0,    8,    0, 0,  0,   1,   0,   0x12, 1, 3, 0,
                                   1,    0,    0,    0,    6, 0,  0,   0,   0,   0,    0, 0};
    const struct sg_decode_wish whole = {0};

    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        uint8_t *bytes, *both;
        size_t size = write_jpeg(progressive != 0, &bytes);

        both = malloc(sizeof(exif) + size);
        assert_non_null(both);
        memcpy(both, exif, sizeof(exif));
        memcpy(both + sizeof(exif), bytes + 2, size - 2);
        assert_int_equal(need(both, sizeof(exif) + size - 2, &whole),
                         progressive ? PIXELS * 3 + COEFFICIENTS : PIXELS * 6);
        free(both);
        free(bytes);
    }
}

/* Headers alone, of formats with one layout: the file's bytes again, a frame, RGB. */
static void headers(void **state)
{
    static const struct {
        const char *header;
        size_t size;
        unsigned frame_bits;
    } rows[] = {
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\x02\0\0\0....", 33, 24},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x10\x06\0\0\0....", 33, 64},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x01\x00\0\0\0....", 33, 1},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x02\x03\0\0\0....", 33, 8},
        {"GIF89a..........................................", 40, 32},
        {"P4 4000 3000                                    ", 40, 1},
        {"P5 4000 # 3\n 3000 255                           ", 40, 8},
        {"P6\n#c\n4000\n3000\n65535\n                       ", 40, 48},
        {"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 65535\n    ", 45, 64},
        {"qoif\0\0\0\1\0\0\0\1\3..........................", 38, 24},
    };
    const struct sg_decode_wish small = {.min_width = 10, .min_height = 10};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(need((const uint8_t *)rows[i].header, rows[i].size, &small),
                         rows[i].size + PIXELS * rows[i].frame_bits / 8 + PIXELS * 3);
    assert_int_equal(need((const uint8_t *)"", 0, &small), PIXELS * 3); /* is refused */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(jpegs), cmocka_unit_test(turned),
                                       cmocka_unit_test(headers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
