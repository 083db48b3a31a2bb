/* SPDX-License-Identifier: MIT
 * What a result says, member by member. The block is packed here by the tables of docs/PROTOCOL.md (Result
 * records); its values are chosen by hand, each of them once.
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

#define HEAD       88
#define OBJECT     80
#define ATTRIBUTE  52
#define OBJECTS    HEAD
#define ATTRIBUTES (OBJECTS + 2 * OBJECT)
#define FLOATS     (ATTRIBUTES + 4 * ATTRIBUTE)
#define FLOAT_SIZE (4 * (3 + 8 + 6 + 2))
#define TEXTS      (FLOATS + FLOAT_SIZE)
#define NAN_BITS   0x7fc00000u

struct block {
    uint8_t bytes[TEXTS + 200];
    size_t used, floats;
};

static void put(uint8_t *at, uint32_t value, int bytes)
{
    int i;

    for (i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_float(uint8_t *at, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    put(at, bits, 4);
}

static void put_text(struct block *b, uint8_t *at, const char *text)
{
    put(at, (uint32_t)b->used, 4);
    put(at + 4, (uint32_t)strlen(text), 4);
    memcpy(b->bytes + b->used, text, strlen(text));
    b->used += strlen(text);
}

static void put_floats(struct block *b, uint8_t *at, const float *values, uint32_t count)
{
    uint32_t i;

    put(at, (uint32_t)b->floats, 4);
    put(at + 4, count, 4);
    for (i = 0; i < count; i++, b->floats += 4)
        put_float(b->bytes + b->floats, values[i]);
}

static void put_attribute(struct block *b, int index, const char *texts[4], int class_id, float score)
{
    uint8_t *at = b->bytes + ATTRIBUTES + (ptrdiff_t)index * ATTRIBUTE;
    int i;

    for (i = 0; i < 4; i++)
        if (texts[i][0])
            put_text(b, at + (ptrdiff_t)8 * i, texts[i]);
    put(at + 32, (uint32_t)class_id, 4);
    put_float(at + 36, score);
    put(at + 40, NAN_BITS, 4);
}

/* The picture: one attribute. A car with two, and in it a plate with text, corners, outline and one more. */
static void pack(struct block *b)
{
    static const float mark[3] = {1.5f, 2.5f, 0.75f}, quad[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const float outline[6] = {10, 11, 12, 13, 14, 15}, vector[2] = {0.25f, -0.5f};
    static const float boxes[2][4] = {{10, 20, 30, 40}, {12, 24, 4, 2}};
    uint8_t *car = b->bytes + OBJECTS, *plate = car + OBJECT, *attributes = b->bytes + ATTRIBUTES;
    int i, k;

    memset(b, 0, sizeof(*b));
    b->used = TEXTS;
    b->floats = FLOATS;
    memcpy(b->bytes, "SGR1", 4);
    put(b->bytes + 4, 1, 2);
    put(b->bytes + 6, HEAD, 2);
    put(b->bytes + 12, OBJECT, 2);
    put(b->bytes + 14, ATTRIBUTE, 2);
    put(b->bytes + 16, 640, 4);
    put(b->bytes + 20, 480, 4);
    put(b->bytes + 24, OBJECTS, 4);
    put(b->bytes + 28, 2, 4);
    put(b->bytes + 32, ATTRIBUTES, 4);
    put(b->bytes + 36, 4, 4);
    put(b->bytes + 40, 1, 4);
    put_text(b, b->bytes + 44, "cars");
    for (i = 0; i < 9; i++)
        put(b->bytes + 52 + 4 * (ptrdiff_t)i, 101 + (uint32_t)i, 4);
    for (i = 0; i < 2; i++)
        for (k = 0; k < 4; k++)
            put_float(car + (ptrdiff_t)OBJECT * i + (ptrdiff_t)4 * k, boxes[i][k]);
    put(car + 16, 7, 4);
    put_float(car + 20, 0.875f);
    put(car + 24, UINT32_MAX, 4);
    put_text(b, car + 28, "car");
    put_floats(b, car + 48, mark, 3);
    put(car + 72, 1, 4);
    put(car + 76, 2, 4);
    put(plate + 16, 3, 4);
    put_float(plate + 20, 0.5f);
    put_text(b, plate + 28, "plate");
    put_text(b, plate + 36, "AB 12");
    put_float(plate + 44, 0.625f);
    put_floats(b, plate + 56, quad, 8);
    put_floats(b, plate + 64, outline, 6);
    put(plate + 72, 3, 4);
    put(plate + 76, 1, 4);
    put_attribute(b, 0, (const char *[]){"weather", "", "rain", ""}, 4, 0.375f);
    put_attribute(b, 1, (const char *[]){"colours", "", "red", ""}, 2, 0.9375f);
    put_attribute(b, 2, (const char *[]){"ages", "years", "", "a"}, -1, 0.0f);
    put_float(attributes + 2 * ATTRIBUTE + 40, 12.5f);
    put_attribute(b, 3, (const char *[]){"embed", "", "", ""}, -1, 0.0f);
    put_floats(b, attributes + 3 * ATTRIBUTE + 44, vector, 2);
    assert_int_equal(b->floats, TEXTS);
    put(b->bytes + 8, (uint32_t)b->used, 4);
}

static struct sight_result *read_packed(void)
{
    struct sight_result *result = NULL;
    struct sight_error error;
    struct block block;

    pack(&block);
    assert_int_equal(sight_result_create(&result), 0);
    if (sight_result_read(result, block.bytes, block.used, &error) < 0)
        fail_msg("%s", error.message);
    return result;
}

static void the_picture(void **state)
{
    struct sight_result *result = read_packed();
    const struct sight_attribute *weather = sight_result_attribute(result, -1, 0);
    int i;

    (void)state;
    assert_int_equal(sight_result_code(result), 0);
    assert_string_equal(sight_result_pipeline(result), "cars");
    assert_int_equal(sight_result_width(result), 640);
    assert_int_equal(sight_result_height(result), 480);
    assert_int_equal(sight_result_object_count(result), 2);
    assert_int_equal(sight_result_retry_ms(result), 0);
    for (i = SIGHT_STAGE_QUEUE; i <= SIGHT_STAGE_TOTAL; i++)
        assert_int_equal(sight_result_timing_us(result, i), 101 + i);
    assert_int_equal(sight_result_timing_us(result, -1), 0);
    assert_int_equal(sight_result_timing_us(result, SIGHT_STAGE_TOTAL + 1), 0);
    assert_int_equal(sight_result_attribute_count(result), 1);
    assert_string_equal(weather->model, "weather");
    assert_string_equal(weather->label, "rain");
    assert_null(weather->name);
    assert_null(weather->unit);
    assert_int_equal(weather->class_id, 4);
    assert_true(weather->score == 0.375f);
    assert_int_equal(weather->has_value, 0);
    assert_null(weather->vector);
    assert_int_equal(weather->vector_length, 0);
    sight_result_destroy(&result);
}

static void the_objects(void **state)
{
    struct sight_result *result = read_packed();
    const struct sight_object *car = sight_result_object(result, 0), *plate = sight_result_object(result, 1);

    (void)state;
    assert_true(car->x == 10 && car->y == 20 && car->w == 30 && car->h == 40);
    assert_string_equal(car->label, "car");
    assert_int_equal(car->class_id, 7);
    assert_true(car->score == 0.875f);
    assert_int_equal(car->parent, -1);
    assert_int_equal(car->landmark_count, 1);
    assert_true(car->landmarks[0].x == 1.5f && car->landmarks[0].y == 2.5f);
    assert_true(car->landmarks[0].score == 0.75f);
    assert_int_equal(car->attribute_count, 2);
    assert_int_equal(car->polygon_count, 0);
    assert_null(car->quad);
    assert_null(car->text);
    assert_true(plate->x == 12 && plate->y == 24 && plate->w == 4 && plate->h == 2);
    assert_string_equal(plate->label, "plate");
    assert_int_equal(plate->parent, 0);
    assert_int_equal(plate->landmark_count, 0);
    assert_string_equal(plate->text, "AB 12");
    assert_true(plate->text_score == 0.625f);
    assert_true(plate->quad[0].x == 0 && plate->quad[0].y == 1 && plate->quad[3].x == 6);
    assert_int_equal(plate->polygon_count, 3);
    assert_true(plate->polygon[0].x == 10 && plate->polygon[2].y == 15);
    assert_int_equal(plate->attribute_count, 1);
    assert_null(sight_result_object(result, -1));
    assert_null(sight_result_object(result, 2));
    sight_result_destroy(&result);
}

static void the_attributes_of_objects(void **state)
{
    struct sight_result *result = read_packed();
    const struct sight_attribute *red = sight_result_attribute(result, 0, 0);
    const struct sight_attribute *age = sight_result_attribute(result, 0, 1);
    const struct sight_attribute *embed = sight_result_attribute(result, 1, 0);

    (void)state;
    assert_string_equal(red->model, "colours");
    assert_string_equal(red->label, "red");
    assert_int_equal(red->class_id, 2);
    assert_true(red->score == 0.9375f);
    assert_string_equal(age->model, "ages");
    assert_string_equal(age->name, "years");
    assert_string_equal(age->unit, "a");
    assert_int_equal(age->class_id, -1);
    assert_int_equal(age->has_value, 1);
    assert_true(age->value == 12.5f);
    assert_string_equal(embed->model, "embed");
    assert_int_equal(embed->vector_length, 2);
    assert_true(embed->vector[0] == 0.25f && embed->vector[1] == -0.5f);
    assert_int_equal(embed->has_value, 0);
    assert_null(sight_result_attribute(result, -1, 1));
    assert_null(sight_result_attribute(result, -1, -1));
    assert_null(sight_result_attribute(result, 0, 2));
    assert_null(sight_result_attribute(result, 0, -1));
    assert_null(sight_result_attribute(result, 1, 1));
    assert_null(sight_result_attribute(result, 2, 0));
    assert_null(sight_result_attribute(result, -2, 0));
    sight_result_destroy(&result);
}

/* A head of 96 bytes with a stream, one object of 88 with a number: docs/PROTOCOL.md. */
static void streams_and_what_is_followed(void **state)
{
    struct sight_result *result = read_packed(); /* of before there were any */
    struct sight_error error;
    uint8_t block[96 + 88 + 4] = "SGR1\1";

    (void)state;
    assert_string_equal(sight_result_stream(result), "");
    assert_true(sight_result_track_id(result, 0) == 0);
    put(block + 6, 96, 2);
    put(block + 8, sizeof(block), 4);
    put(block + 12, 88, 2);
    put(block + 14, ATTRIBUTE, 2);
    put(block + 24, 96, 4);
    put(block + 28, 1, 4);
    put(block + 88, 96 + 88, 4);
    put(block + 92, 4, 4);
    put(block + 96 + 24, UINT32_MAX, 4);
    put(block + 96 + 80, 7, 4);
    put(block + 96 + 84, 0x80000000u, 4);
    put(block + 96 + 88, 0x65746167, 4); /* "gate" */
    assert_int_equal(sight_result_read(result, block, sizeof(block), &error), 0);
    assert_string_equal(sight_result_stream(result), "gate");
    assert_true(sight_result_track_id(result, 0) == 0x8000000000000007u);
    assert_true(sight_result_track_id(result, 1) == 0 && sight_result_track_id(result, -1) == 0);
    sight_result_destroy(&result);
}

static void nothing_says_nothing(void **state)
{
    struct sight_result *empty = NULL;

    (void)state;
    assert_int_equal(sight_result_create(&empty), 0);
    assert_string_equal(sight_result_pipeline(empty), "");
    assert_int_equal(sight_result_attribute_count(empty), 0);
    assert_null(sight_result_attribute(empty, -1, 0));
    assert_null(sight_result_object(empty, 0));
    assert_int_equal(sight_result_timing_us(empty, SIGHT_STAGE_TOTAL), 0);
    sight_result_destroy(&empty);
    assert_int_equal(sight_result_code(NULL), 0);
    assert_string_equal(sight_result_pipeline(NULL), "");
    assert_string_equal(sight_result_stream(NULL), "");
    assert_true(sight_result_track_id(NULL, 0) == 0);
    assert_int_equal(sight_result_width(NULL), 0);
    assert_int_equal(sight_result_height(NULL), 0);
    assert_int_equal(sight_result_object_count(NULL), 0);
    assert_null(sight_result_object(NULL, 0));
    assert_int_equal(sight_result_attribute_count(NULL), 0);
    assert_null(sight_result_attribute(NULL, -1, 0));
    assert_int_equal(sight_result_timing_us(NULL, SIGHT_STAGE_TOTAL), 0);
    assert_int_equal(sight_result_retry_ms(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_picture), cmocka_unit_test(the_objects),
                                       cmocka_unit_test(the_attributes_of_objects),
                                       cmocka_unit_test(streams_and_what_is_followed),
                                       cmocka_unit_test(nothing_says_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
