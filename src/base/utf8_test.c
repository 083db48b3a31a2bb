/* SPDX-License-Identifier: MIT
 * Characters and cuts. What is well-formed is that of the Unicode standard, table 3-7, and what Python 3
 * decodes (bytes.decode("utf-8")).
 */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The first and the last of each row of the table, and what stands just outside of it. */
static void the_rows_of_the_table_bound_characters(void **state)
{
    static const struct {
        const char *text;
        size_t bytes;
    } rows[] = {
        {"", 0},
        {"a", 0},
        {"\x7f", 0},
        {"\x80", 0},
        {"\xbf", 0},
        {"\xc1\xbf", 0},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xdf\xc0", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xed\xa0\x80", 0},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(sg_utf8_bytes(rows[i].text, SG_UTF8_MAX_BYTES), rows[i].bytes);
}

static void no_more_than_the_size_is_a_character(void **state)
{
    static const char text[] = "\xf0\x9f\x98\x80";
    size_t size;

    (void)state;
    for (size = 0; size < 4; size++)
        assert_int_equal(sg_utf8_bytes(text, size), 0);
    assert_int_equal(sg_utf8_bytes(text, 4), 4);
    assert_int_equal(sg_utf8_bytes("\xc3\xa9more", SIZE_MAX), 2);
}

static void ill_formed_bytes_are_replaced_one_by_one(void **state)
{
    const char *text = "a\xc3\xa9\xe6\xac\xa2\xf0\x9f\x98\x80\xc0\x80\xed\xa0\x80\xe6";
    const uint32_t expected[] = {'a',    0xe9,   0x6b22, 0x1f600, 0xfffd, 0xfffd,
                                 0xfffd, 0xfffd, 0xfffd, 0xfffd,  0,      0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_int_equal(sg_utf8_next(&text), expected[i]);
}

static void a_cut_leaves_no_half_character(void **state)
{
    static const char text[] = "a\xc3\xa9\xf0\x9f\x98\x80z";
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 3, 7, 8};
    size_t size;

    (void)state;
    for (size = 0; size < sizeof(whole) / sizeof(whole[0]); size++)
        assert_int_equal(sg_utf8_whole(text, size), whole[size]);
    assert_int_equal(sg_utf8_whole("ab\x80\x80", 4), 4); /* stray bytes are no character's half */
}

static void characters_count_by_their_first_bytes(void **state)
{
    static const char text[] = "a\xc3\xa9\xe6\xac\xa2\xf0\x9f\x98\x80";
    size_t i, count = 0;

    (void)state;
    for (i = 0; i < strlen(text); i++)
        count += sg_utf8_begins(text[i]);
    assert_int_equal(count, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rows_of_the_table_bound_characters),
        cmocka_unit_test(no_more_than_the_size_is_a_character),
        cmocka_unit_test(ill_formed_bytes_are_replaced_one_by_one),
        cmocka_unit_test(a_cut_leaves_no_half_character),
        cmocka_unit_test(characters_count_by_their_first_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
