/* SPDX-License-Identifier: MIT
 * Fields as protobuf's description of its encoding writes them (protobuf.dev, "Encoding"), whole and cut.
 */
#include "data/protobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sg_protobuf message(const void *bytes, size_t size)
{
    return (struct sg_protobuf){.data = bytes, .end = size};
}

/* The description's own examples: 1: 150; 2: "testing"; an embedded message 3: {1: 150}. */
static void the_examples_of_the_description(void **state)
{
    static const uint8_t bytes[] = {0x08, 0x96, 0x01, 0x12, 0x07, 't',  'e',  's', 't',
                                    'i',  'n',  'g',  0x1a, 0x03, 0x08, 0x96, 0x01};
    struct sg_protobuf all = message(bytes, sizeof(bytes)), inside;
    struct sg_protobuf_field field;

    (void)state;
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_FIELD);
    assert_int_equal(field.number, 1);
    assert_int_equal(field.wire, SG_PROTOBUF_VARINT);
    assert_int_equal(field.varint, 150);
    assert_int_equal(field.key, 0);
    assert_int_equal(field.at, 1);
    assert_int_equal(field.size, 2);
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_FIELD);
    assert_int_equal(field.number, 2);
    assert_int_equal(field.key, 3);
    assert_int_equal(field.size, 7);
    assert_memory_equal(bytes + field.at, "testing", 7);
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_FIELD);
    inside = sg_protobuf_inside(&all, &field);
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_END);
    assert_int_equal(sg_protobuf_next(&inside, &field), SG_PROTOBUF_FIELD);
    assert_int_equal(field.varint, 150);
    assert_int_equal(field.key, 14);
    assert_int_equal(sg_protobuf_next(&inside, &field), SG_PROTOBUF_END);
}

static void fixed_sizes_and_long_keys(void **state)
{
    /* 1: 64 bits, 2: 32 bits, 1: 5 with a key and a value of more bytes than they take */
    static const uint8_t bytes[] = {0x09, 1, 2, 3, 4,    5,    6,    7,    8, 0x15,
                                    1,    2, 3, 4, 0x88, 0x80, 0x00, 0x85, 0};
    struct sg_protobuf all = message(bytes, sizeof(bytes));
    struct sg_protobuf_field field;

    (void)state;
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_FIELD);
    assert_int_equal(field.size, 8);
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_FIELD);
    assert_int_equal(field.number, 2);
    assert_int_equal(field.size, 4);
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_FIELD);
    assert_int_equal(field.number, 1);
    assert_int_equal(field.varint, 5);
    assert_int_equal(field.key, 14);
    assert_int_equal(field.at, 17);
    all = message(bytes, sizeof(bytes));
    assert_true(sg_protobuf_find(&all, 1, SG_PROTOBUF_VARINT, &field));
    assert_int_equal(field.varint, 5);
    assert_false(sg_protobuf_find(&all, 1, SG_PROTOBUF_VARINT, &field));
}

static void cut_anywhere(void **state)
{
    static const uint8_t bytes[] = {0x92, 0x01, 0x03, 'a', 'b', 'c'}; /* 18: "abc" */
    struct sg_protobuf_field field;
    struct sg_protobuf all;
    size_t size;

    (void)state;
    for (size = 1; size < sizeof(bytes); size++) {
        all = message(bytes, size);
        assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_CUT);
        assert_int_equal(field.number, size < 2 ? 0 : 18);
        assert_int_equal(field.size, size < 3 ? 0 : 3);
    }
    all = message("\x0d\x01\x02\x03", 4); /* 32 bits of which one byte is missing */
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_CUT);
    assert_int_equal(field.size, 4);
    all = message("\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10); /* 2^63 - 1 bytes */
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_CUT);
    assert_true(field.size == INT64_MAX);
}

static void damage(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\x00\x01", 2},                                          /* field 0 */
        {"\x0b", 1},                                              /* a group begins */
        {"\x0c", 1},                                              /* and ends */
        {"\x0e\x01", 2},                                          /* wire type 6 */
        {"\x80\x80\x80\x08", 4},                                  /* field 2^20 */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* more than 64 bits */
    };
    struct sg_protobuf_field field;
    struct sg_protobuf all;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        all = message(cases[i].bytes, cases[i].size);
        assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_DAMAGED);
    }
    all = message("", 0);
    assert_int_equal(sg_protobuf_next(&all, &field), SG_PROTOBUF_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_description),
        cmocka_unit_test(fixed_sizes_and_long_keys),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
