/* SPDX-License-Identifier: MIT
 * Drawing through libsight. The records are packed here by the tables of docs/PROTOCOL.md; the colour of
 * class 0 is worked out by hand: hue 0.36 of the wheel, between 0.16 and 0.96 of full light.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sight.h>

#define WIDTH  200
#define HEIGHT 160
#define GRAY   128
#define HEAD   88 /* bytes, as are: */
#define OBJECT 80
#define BLOCK  (HEAD + OBJECT + 4)

static const uint8_t green[3] = {40, 244, 73};

static void put32(uint8_t *at, uint32_t value)
{
    int i;

    for (i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_float(uint8_t *at, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    put32(at, bits);
}

/* A picture of 100 x 80 with one "cat" of class 0 from 20,30 to 60,70. */
static void pack(uint8_t block[BLOCK])
{
    static const float box[4] = {20, 30, 40, 40};
    uint8_t *object = block + HEAD;
    int i;

    memset(block, 0, BLOCK);
    memcpy(block, "SGR1", 4);
    put32(block + 4, 1 | HEAD << 16);
    put32(block + 8, BLOCK);
    put32(block + 12, OBJECT | 52 << 16);
    put32(block + 16, 100);
    put32(block + 20, 80);
    put32(block + 24, HEAD);
    put32(block + 28, 1);
    for (i = 0; i < 4; i++)
        put_float(object + 4 * (size_t)i, box[i]);
    put_float(object + 20, 0.5f);
    put32(object + 24, UINT32_MAX);
    put32(object + 28, HEAD + OBJECT);
    put32(object + 32, 3);
    memcpy(block + HEAD + OBJECT, "cat", 3);
}

static struct sight_result *read_packed(void)
{
    struct sight_result *result = NULL;
    uint8_t block[BLOCK];

    pack(block);
    assert_int_equal(sight_result_create(&result), 0);
    assert_int_equal(sight_result_read(result, block, BLOCK, NULL), 0);
    return result;
}

static void records_are_read(void **state)
{
    struct sight_result *result = read_packed();
    const struct sight_object *cat = sight_result_object(result, 0);

    (void)state;
    assert_int_equal(sight_result_width(result), 100);
    assert_int_equal(sight_result_height(result), 80);
    assert_int_equal(sight_result_object_count(result), 1);
    assert_string_equal(cat->label, "cat");
    assert_int_equal(cat->parent, -1);
    assert_true(cat->x == 20 && cat->y == 30 && cat->w == 40 && cat->h == 40 && cat->score == 0.5f);
    sight_result_destroy(&result);
}

/* The block begins as docs/PROTOCOL.md says, and says of the picture what the one it came from said. */
static void records_are_written(void **state)
{
    struct sight_result *result = read_packed(), *again = NULL;
    const struct sight_object *cat;
    const uint8_t *block;
    size_t size = 0;

    (void)state;
    block = sight_result_records(result, &size);
    assert_non_null(block);
    assert_true(size >= HEAD + OBJECT + 3);
    assert_memory_equal(block, "SGR1", 4);
    assert_int_equal(block[8] | block[9] << 8 | block[10] << 16 | block[11] << 24, size);
    assert_int_equal(sight_result_create(&again), 0);
    assert_int_equal(sight_result_read(again, block, size, NULL), 0);
    sight_result_destroy(&result);
    assert_int_equal(sight_result_width(again), 100);
    assert_int_equal(sight_result_object_count(again), 1);
    cat = sight_result_object(again, 0);
    assert_string_equal(cat->label, "cat");
    assert_true(cat->x == 20 && cat->y == 30 && cat->w == 40 && cat->h == 40 && cat->score == 0.5f);
    sight_result_destroy(&again);
    assert_null(sight_result_records(NULL, &size));
    assert_int_equal(size, 0);
}

static void damaged_records_are_refused(void **state)
{
    struct sight_result *result = read_packed();
    struct sight_error error;
    uint8_t block[BLOCK];
    size_t size;

    (void)state;
    pack(block);
    for (size = 0; size < BLOCK; size++) {
        uint8_t *cut = malloc(size + 1); /* of exactly so many bytes: the sanitizer sees what is read past */

        memcpy(cut, block, size);
        assert_int_equal(sight_result_read(result, cut, size, &error), SIGHT_E_FRAMING);
        assert_int_equal(sight_result_object_count(result), 0);
        assert_int_equal(sight_result_code(result), SIGHT_E_FRAMING);
        free(cut);
    }
    assert_non_null(strstr(error.message, "the 171 bytes are not a block of result records: damaged or cut"));
    assert_int_equal(sight_result_read(NULL, block, BLOCK, &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "result is NULL");
    assert_int_equal(sight_result_read(result, NULL, 0, &error), SIGHT_E_INVALID);
    sight_result_destroy(&result);
}

/* Within one step: where a fraction of a step goes is not this test's. */
static void assert_pixel(const uint8_t *picture, int width, int x, int y, const uint8_t rgb[3], bool is_bgr)
{
    const uint8_t *at = picture + 3 * ((size_t)y * (size_t)width + (size_t)x);

    if (abs(at[0] - rgb[is_bgr ? 2 : 0]) > 1 || abs(at[1] - rgb[1]) > 1 ||
        abs(at[2] - rgb[is_bgr ? 0 : 2]) > 1)
        fail_msg("%d,%d is %d %d %d", x, y, at[0], at[1], at[2]);
}

static void draw(const struct sight_result *result, int format, int width, int height, int gap, uint8_t *out)
{
    struct sight_pixels pixels = SIGHT_PIXELS_INIT;
    size_t stride = (size_t)width * (format == SIGHT_GRAY8 ? 1 : 3) + (size_t)gap;
    uint8_t *data = malloc(stride * (size_t)height);

    memset(data, GRAY, stride * (size_t)height);
    pixels.format = format;
    pixels.width = width;
    pixels.height = height;
    pixels.stride_bytes = stride;
    pixels.data = data;
    pixels.data_bytes = stride * (size_t)height;
    assert_int_equal(sight_draw(result, &pixels, out, (size_t)width * (size_t)height * 3, NULL), 0);
    free(data);
}

/* Of whatever format and size the picture is, the box lies on its object and has its class's colour. */
static void the_box_is_where_it_is(void **state)
{
    static const int formats[] = {SIGHT_RGB24, SIGHT_BGR24, SIGHT_GRAY8};
    static const uint8_t gray[3] = {GRAY, GRAY, GRAY};
    struct sight_result *result = read_packed();
    uint8_t *out = malloc((size_t)WIDTH * HEIGHT * 3);
    size_t i;
    int times;

    (void)state;
    for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        for (times = 1; times <= 2; times++) {
            bool is_bgr = formats[i] == SIGHT_BGR24;
            int width = 100 * times;

            draw(result, formats[i], width, 80 * times, times == 1 ? 0 : 7, out);
            assert_pixel(out, width, 20 * times, 60 * times, green, is_bgr);     /* left */
            assert_pixel(out, width, 60 * times - 1, 60 * times, green, is_bgr); /* right */
            assert_pixel(out, width, 50 * times, 70 * times - 1, green, is_bgr); /* bottom */
            assert_pixel(out, width, 40 * times, 60 * times, gray, is_bgr);      /* inside */
            assert_pixel(out, width, 90 * times, 60 * times, gray, is_bgr);      /* outside */
            assert_pixel(out, width, 20 * times - 2, 60 * times, gray, is_bgr);
        }
    free(out);
    sight_result_destroy(&result);
}

/* Drawn over its own pixels the picture is the same as drawn into another memory. */
static void in_place(void **state)
{
    struct sight_result *result = read_packed();
    struct sight_pixels pixels = SIGHT_PIXELS_INIT;
    size_t bytes = (size_t)100 * 80 * 3;
    uint8_t *apart = malloc(bytes), *own = malloc(bytes);

    (void)state;
    draw(result, SIGHT_BGR24, 100, 80, 0, apart);
    memset(own, GRAY, bytes);
    pixels.format = SIGHT_BGR24;
    pixels.width = 100;
    pixels.height = 80;
    pixels.data = own;
    pixels.data_bytes = bytes;
    assert_int_equal(sight_draw(NULL, &pixels, own, bytes, NULL), 0);
    assert_int_equal(own[0], GRAY); /* no result: nothing drawn */
    assert_int_equal(sight_draw(result, &pixels, own, bytes, NULL), 0);
    assert_memory_equal(own, apart, bytes);
    free(own);
    free(apart);
    sight_result_destroy(&result);
}

static void wrong_arguments(void **state)
{
    struct sight_pixels pixels = SIGHT_PIXELS_INIT;
    struct sight_error error;
    uint8_t data[4 * 4 * 3] = {0};

    (void)state;
    assert_int_equal(sight_draw(NULL, NULL, data, sizeof(data), &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "pixels is NULL");
    pixels.format = SIGHT_RGB24;
    pixels.width = pixels.height = 4;
    pixels.data = data;
    pixels.data_bytes = sizeof(data);
    assert_int_equal(sight_draw(NULL, &pixels, NULL, sizeof(data), &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "out is NULL");
    assert_int_equal(sight_draw(NULL, &pixels, data, sizeof(data) - 1, &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "out_bytes is 47; a drawing of 4x4 needs 48");
    assert_int_equal(sight_draw(NULL, &pixels, data, sizeof(data), &error), 0);
    pixels.format = SIGHT_NV12;
    assert_int_equal(sight_draw(NULL, &pixels, data, sizeof(data), &error), SIGHT_E_UNSUPPORTED);
    pixels.format = 9;
    assert_int_equal(sight_draw(NULL, &pixels, data, sizeof(data), &error), SIGHT_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records_are_read),
                                       cmocka_unit_test(records_are_written),
                                       cmocka_unit_test(damaged_records_are_refused),
                                       cmocka_unit_test(the_box_is_where_it_is),
                                       cmocka_unit_test(in_place),
                                       cmocka_unit_test(wrong_arguments)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
