/* SPDX-License-Identifier: MIT
 * Blocks read back at the offsets that docs/PROTOCOL.md publishes, as numbers, without the structs: what a
 * client in another language does. Values are chosen by hand.
 */
#include "codec/record.h"

#include "base/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t u32(const struct sg_buf *buf, size_t at)
{
    const uint8_t *p = buf->data + at;

    assert_true(at + 4 <= buf->size);
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static float f32(const struct sg_buf *buf, size_t at)
{
    uint32_t bits = u32(buf, at);
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void assert_text(const struct sg_buf *buf, size_t at, const char *expected)
{
    uint32_t offset = u32(buf, at), bytes = u32(buf, at + 4);

    assert_int_equal(bytes, strlen(expected));
    if (bytes == 0)
        assert_int_equal(offset, 0);
    assert_true((size_t)offset + bytes <= buf->size);
    if (bytes > 0)
        assert_memory_equal(buf->data + offset, expected, bytes);
}

static void empty_result(void **state)
{
    struct sg_result result = {.width = 640, .height = 480};
    struct sg_buf buf;

    (void)state;
    sg_buf_init(&buf, 1 << 20);
    assert_int_equal(sg_record_write(&result, &buf), 0);
    assert_int_equal(buf.size, 96);
    assert_memory_equal(buf.data, "SGR1", 4);
    assert_int_equal(u32(&buf, 4), 1 | 96 << 16);
    assert_int_equal(u32(&buf, 8), 96);
    assert_int_equal(u32(&buf, 12), 88 | 52 << 16);
    assert_int_equal(u32(&buf, 16), 640);
    assert_int_equal(u32(&buf, 20), 480);
    assert_int_equal(u32(&buf, 24), 0);
    assert_int_equal(u32(&buf, 28), 0);
    assert_int_equal(u32(&buf, 32), 0);
    assert_int_equal(u32(&buf, 36), 0);
    assert_text(&buf, 88, "");
    sg_buf_fini(&buf);
}

/* A classifier's answer about the whole picture, and objects that nothing was asked about: the table that is
 * empty is at offset 0, the other at once behind the head (96 bytes) or behind the one object (88 more). */
static void a_table_without_entries_has_offset_0(void **state)
{
    struct sg_attribute whole = {.model = "scene", .class_id = 3, .label = "beach", .score = 0.5f};
    struct sg_object object = {.box = {1, 2, 3, 4}, .class_id = 5, .score = 0.5f, .parent = -1};
    const struct sg_result answered = {.width = 9, .height = 9, .attributes = &whole, .attribute_count = 1};
    const struct sg_result found = {.width = 9, .height = 9, .objects = &object, .object_count = 1};
    struct sg_buf buf;

    (void)state;
    sg_buf_init(&buf, 1 << 20);
    assert_int_equal(sg_record_write(&answered, &buf), 0);
    assert_int_equal(u32(&buf, 24), 0);
    assert_int_equal(u32(&buf, 28), 0);
    assert_int_equal(u32(&buf, 32), 96);
    assert_int_equal(u32(&buf, 36), 1);
    sg_buf_clear(&buf);
    assert_int_equal(sg_record_write(&found, &buf), 0);
    assert_int_equal(u32(&buf, 24), 96);
    assert_int_equal(u32(&buf, 28), 1);
    assert_int_equal(u32(&buf, 32), 0);
    assert_int_equal(u32(&buf, 36), 0);
    assert_int_equal(buf.size, 96 + 88);
    sg_buf_fini(&buf);
}

static void everything_is_where_the_document_says(void **state)
{
    static const struct sg_keypoint points[2] = {{1.5f, 2.5f, 0.5f}, {3.5f, 4.5f, -1.0f}};
    static const struct sg_point polygon[3] = {{1, 2}, {3, 4}, {5, 6}};
    static const float vector[4] = {0.5f, -0.5f, 0.25f, 0.75f};
    struct sg_attribute answers[2] = {
        {.model = "expression", .class_id = 3, .label = "happy", .score = 0.75f},
        {.model = "age", .name = "years", .class_id = -1, .has_value = true, .value = 31.5f, .unit = "y"}};
    struct sg_attribute whole = {.model = "embed", .class_id = -1, .vector = vector, .vector_length = 4};
    struct sg_object objects[2] = {{.box = {10, 20, 30.5f, 45},
                                    .class_id = 7,
                                    .label = "face",
                                    .score = 0.875f,
                                    .landmarks = points,
                                    .landmark_count = 2,
                                    .attributes = answers,
                                    .attribute_count = 2,
                                    .parent = -1},
                                   {.box = {0, 0, 4, 4},
                                    .class_id = 0,
                                    .score = 0.5f,
                                    .has_quad = true,
                                    .quad = {{0, 0}, {4, 0}, {4, 4}, {0, 4}},
                                    .text = "Z\xc3\xbcrich",
                                    .text_score = 0.9f,
                                    .polygon = polygon,
                                    .polygon_count = 3,
                                    .parent = 0,
                                    .track_id = 0xfedcba9876543210u}};
    struct sg_result result = {.pipeline = "faces",
                               .stream = "gate-1",
                               .width = 100,
                               .height = 50,
                               .objects = objects,
                               .object_count = 2,
                               .attributes = &whole,
                               .attribute_count = 1,
                               .timing_us = {[SG_STAGE_QUEUE] = 1,
                                             [SG_STAGE_DECODE] = 2,
                                             [SG_STAGE_PREPROCESS] = 3,
                                             [SG_STAGE_DETECT] = 4,
                                             [SG_STAGE_POSTPROCESS] = 5,
                                             [SG_STAGE_CLASSIFY] = 6,
                                             [SG_STAGE_READ] = 7,
                                             [SG_STAGE_ENCODE] = 8,
                                             [SG_STAGE_TOTAL] = (int64_t)1 << 40}};
    size_t start = 5, first, second, table, i;
    struct sg_buf buf, block;

    (void)state;
    sg_buf_init(&buf, 1 << 20);
    assert_int_equal(sg_buf_append(&buf, "12345", 5), 0); /* behind a header of any length */
    assert_int_equal(sg_record_write(&result, &buf), 0);
    block = (struct sg_buf){.data = buf.data + start, .size = buf.size - start};
    assert_int_equal(u32(&block, 8), block.size);
    first = u32(&block, 24);
    assert_int_equal(first, 96);
    assert_int_equal(u32(&block, 28), 2);
    table = u32(&block, 32);
    assert_int_equal(table, 96 + 2 * 88);
    assert_int_equal(u32(&block, 36), 3);
    assert_int_equal(u32(&block, 40), 1);
    assert_text(&block, 44, "faces");
    for (i = 0; i < 8; i++)
        assert_int_equal(u32(&block, 52 + 4 * i), i + 1);
    assert_int_equal(u32(&block, 84), UINT32_MAX);
    assert_text(&block, 88, "gate-1");

    assert_true(f32(&block, first) == 10 && f32(&block, first + 4) == 20);
    assert_true(f32(&block, first + 8) == 20.5f && f32(&block, first + 12) == 25);
    assert_int_equal(u32(&block, first + 16), 7);
    assert_true(f32(&block, first + 20) == 0.875f);
    assert_int_equal(u32(&block, first + 24), UINT32_MAX);
    assert_text(&block, first + 28, "face");
    assert_text(&block, first + 36, "");
    assert_int_equal(u32(&block, first + 52), 6);
    for (i = 0; i < 6; i++)
        assert_true(f32(&block, u32(&block, first + 48) + 4 * i) == (&points[0].x)[i]);
    assert_int_equal(u32(&block, first + 60), 0);
    assert_int_equal(u32(&block, first + 72), 1);
    assert_int_equal(u32(&block, first + 76), 2);
    assert_int_equal(u32(&block, first + 80) | u32(&block, first + 84), 0);

    second = first + 88;
    assert_int_equal(u32(&block, second + 24), 0);
    assert_text(&block, second + 36, "Z\xc3\xbcrich");
    assert_true(f32(&block, second + 44) == 0.9f);
    assert_int_equal(u32(&block, second + 60), 8);
    assert_true(f32(&block, u32(&block, second + 56) + 8) == 4);
    assert_int_equal(u32(&block, second + 68), 6);
    assert_true(f32(&block, u32(&block, second + 64) + 20) == 6);
    assert_int_equal(u32(&block, second + 76), 0);
    assert_int_equal(u32(&block, second + 80), 0x76543210u);
    assert_int_equal(u32(&block, second + 84), 0xfedcba98u);

    assert_text(&block, table, "embed");
    assert_int_equal(u32(&block, table + 32), UINT32_MAX);
    assert_true(isnan(f32(&block, table + 40)));
    assert_int_equal(u32(&block, table + 48), 4);
    assert_true(f32(&block, u32(&block, table + 44) + 4) == -0.5f);
    assert_text(&block, table + 52, "expression");
    assert_text(&block, table + 52 + 16, "happy");
    assert_int_equal(u32(&block, table + 52 + 32), 3);
    assert_text(&block, table + 104 + 8, "years");
    assert_true(f32(&block, table + 104 + 40) == 31.5f);
    assert_text(&block, table + 104 + 24, "y");
    result.timing_us[0] = 99;
    sg_record_set_timing(block.data, &result);
    assert_int_equal(u32(&block, 52), 99);
    sg_buf_fini(&buf);
}

static void too_large_for_the_buffer(void **state)
{
    struct sg_result result = {.pipeline = "faces", .width = 1, .height = 1};
    struct sg_buf buf;

    (void)state;
    sg_buf_init(&buf, 100);
    assert_int_equal(sg_record_write(&result, &buf), SG_E_TOO_LARGE);
    assert_int_equal(buf.size, 0);
    sg_buf_fini(&buf);
}

static uint8_t *sample_block(size_t *out_size)
{
    static const struct sg_keypoint points[] = {{1, 2, 0.5f}, {3, 4, -1}};
    static const struct sg_point corners[] = {{0, 0}, {9, 0}, {9, 9}};
    static const float vector[] = {0.6f, -0.8f};
    struct sg_attribute attributes[] = {
        {.model = "expression", .label = "happy", .class_id = 3, .score = 0.9f},
        {.model = "age", .name = "age", .class_id = -1, .has_value = true, .value = 31, .unit = "years"},
        {.model = "embed", .class_id = -1, .vector = vector, .vector_length = 2}};
    struct sg_object objects[] = {{.box = {1, 2, 11, 22},
                                   .class_id = 7,
                                   .label = "face",
                                   .score = 0.75f,
                                   .landmarks = points,
                                   .landmark_count = 2,
                                   .attributes = attributes,
                                   .attribute_count = 2,
                                   .parent = -1},
                                  {.box = {2, 3, 4, 5},
                                   .has_quad = true,
                                   .quad = {{2, 3}, {4, 3}, {4, 5}, {2, 5}},
                                   .text = "\xe4\xba\xba",
                                   .text_score = 0.5f,
                                   .polygon = corners,
                                   .polygon_count = 3,
                                   .parent = 0,
                                   .track_id = UINT64_MAX}};
    struct sg_result result = {.pipeline = "faces",
                               .stream = "door",
                               .width = 640,
                               .height = 480,
                               .objects = objects,
                               .object_count = 2,
                               .attributes = attributes + 2,
                               .attribute_count = 1,
                               .timing_us = {1, 2, 3, 4, 5, 6, 7, 8, 9}};
    struct sg_buf buf;

    sg_buf_init(&buf, 1 << 20);
    assert_int_equal(sg_record_write(&result, &buf), 0);
    *out_size = buf.size;
    return buf.data;
}

/* Writing what was read gives the same bytes: nothing is lost on the way. */
static void read_back(void **state)
{
    struct sg_result result = {0};
    struct sg_buf again;
    size_t size;
    uint8_t *block = sample_block(&size);

    (void)state;
    assert_int_equal(sg_record_read(block, size, &result), 0);
    assert_int_equal(result.object_count, 2);
    assert_string_equal(result.objects[0].attributes[0].label, "happy");
    assert_true(result.objects[0].box.x2 == 11.0f && result.objects[0].box.y2 == 22.0f);
    assert_string_equal(result.objects[1].text, "\xe4\xba\xba");
    assert_string_equal(result.stream, "door");
    assert_true(result.objects[0].track_id == 0 && result.objects[1].track_id == UINT64_MAX);
    sg_buf_init(&again, 1 << 20);
    assert_int_equal(sg_record_write(&result, &again), 0);
    assert_int_equal(again.size, size);
    assert_memory_equal(again.data, block, size);
    sg_buf_fini(&again);
    sg_result_fini(&result);
    free(block);
}

static void put(uint8_t *at, uint64_t value, int bytes)
{
    for (; bytes > 0; bytes--, value >>= 8)
        *at++ = (uint8_t)value;
}

/* A block by the numbers of docs/PROTOCOL.md, whose structs have any sizes: two objects with ids, of a
 * stream. What is behind the fields that fit whole is no field's. */
static size_t pack_block(size_t head, size_t object, uint8_t *out)
{
    size_t texts = head + 2 * object, i;

    memset(out, 0xee, texts);
    memset(out, 0, 88);
    memcpy(out, "SGR1\1", 6);
    put(out + 6, head, 2);
    put(out + 8, texts + 8, 4);
    put(out + 12, object, 2);
    put(out + 14, 52, 2);
    put(out + 16, 640, 4);
    put(out + 20, 480, 4);
    put(out + 24, head, 4);
    put(out + 28, 2, 4);
    put(out + 44, texts, 4);
    put(out + 48, 4, 4);
    put(out + 84, 77, 4);
    if (head >= 96) {
        put(out + 88, texts + 4, 4);
        put(out + 92, 4, 4);
    }
    memcpy(out + texts, "carsgate", 8);
    for (i = 0; i < 2; i++) {
        uint8_t *at = out + head + i * object;

        memset(at, 0, 80);
        put(at, 0x41200000, 4); /* 10.0 */
        put(at + 16, 3 + i, 4);
        put(at + 24, UINT32_MAX, 4);
        if (object >= 88)
            put(at + 80, 0x123456789abcdef0u + i, 8);
    }
    return texts + 8;
}

/* Servers of before there were streams write heads of 88 bytes and objects of 80; later ones may write more.
 */
static void blocks_of_other_versions_are_read(void **state)
{
    static const size_t sizes[][2] = {{88, 80}, {96, 88},  {88, 88},  {96, 80}, {92, 84},
                                      {95, 87}, {104, 80}, {88, 120}, {104, 96}};
    struct sg_result result = {0};
    uint8_t block[400];
    size_t i, size;

    (void)state;
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size = pack_block(sizes[i][0], sizes[i][1], block);
        assert_int_equal(sg_record_read(block, size, &result), 0);
        assert_string_equal(result.pipeline, "cars");
        assert_int_equal(result.object_count, 2);
        assert_int_equal(result.timing_us[SG_STAGE_TOTAL], 77);
        assert_int_equal(result.objects[1].class_id, 4);
        assert_true(result.objects[1].box.x1 == 10.0f && result.objects[1].parent == -1);
        if (sizes[i][0] >= 96)
            assert_string_equal(result.stream, "gate");
        else
            assert_null(result.stream);
        assert_true(result.objects[0].track_id == (sizes[i][1] >= 88 ? 0x123456789abcdef0u : 0));
        assert_true(result.objects[1].track_id == (sizes[i][1] >= 88 ? 0x123456789abcdef1u : 0));
    }
    assert_int_equal(sg_record_read(block, pack_block(88, 79, block), &result), SG_E_FRAMING);
    size = pack_block(96, 88, block);
    put(block + 6, 87, 2);
    assert_int_equal(sg_record_read(block, size, &result), SG_E_FRAMING);
    put(block + 6, size + 1, 2); /* a head that is larger than its block */
    assert_int_equal(sg_record_read(block, size, &result), SG_E_FRAMING);
    sg_result_fini(&result);
}

/* Cut anywhere or with any byte changed, a block is read or refused; the sanitizers watch. */
static void damaged_blocks(void **state)
{
    static const uint8_t poison[] = {0x00, 0x7f, 0x80, 0xff};
    struct sg_result result = {0};
    size_t size, i, k;
    uint8_t *block = sample_block(&size);

    (void)state;
    for (i = 0; i < size; i++) {
        uint8_t *cut = malloc(i + 1), kept = block[i];

        memcpy(cut, block, i);
        assert_int_equal(sg_record_read(cut, i, &result), SG_E_FRAMING);
        free(cut);
        for (k = 0; k < sizeof(poison); k++) {
            block[i] = poison[k];
            sg_record_read(block, size, &result);
            assert_true(result.object_count >= 0 && result.object_count <= SG_RESULT_MAX_OBJECTS);
        }
        block[i] = kept;
    }
    sg_result_fini(&result);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(read_back),
                                       cmocka_unit_test(damaged_blocks),
                                       cmocka_unit_test(blocks_of_other_versions_are_read),
                                       cmocka_unit_test(empty_result),
                                       cmocka_unit_test(a_table_without_entries_has_offset_0),
                                       cmocka_unit_test(everything_is_where_the_document_says),
                                       cmocka_unit_test(too_large_for_the_buffer)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
