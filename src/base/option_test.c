/* SPDX-License-Identifier: MIT
 * Values of option rows: every type, units, ranges, messages; typing errors. Expected numbers are worked out
 * by hand from the units' definitions.
 */
#include "base/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct thing {
    bool flag, has_flag;
    int number;
    int64_t count, bytes, ms;
    float share;
    int word;
    struct sg_text text;
    struct sg_texts texts;
    float triple[3];
    int list[4];
    int list_count;
};

static const char *const words[] = {"fast", "exact", NULL};
static const char *const number_words[] = {"auto", "never", NULL};

#define THING(member_name) .offset = offsetof(struct thing, member_name)

static const struct sg_option rows[] = {
    {.key = "flag", .type = SG_OPTION_BOOL, THING(flag), .set_offset = offsetof(struct thing, has_flag)},
    {.key = "number", .type = SG_OPTION_INT, THING(number), .choices = number_words, .maximum = 100},
    {.key = "count", .type = SG_OPTION_COUNT, THING(count)},
    {.key = "bytes", .type = SG_OPTION_SIZE, THING(bytes), .minimum = 1024, .maximum = 1073741824},
    {.key = "some_ms", .type = SG_OPTION_DURATION, THING(ms), .maximum = 3600000, .value_default = "1500ms"},
    {.key = "share", .type = SG_OPTION_FLOAT, THING(share), .maximum = 1, .value_default = "0.25"},
    {.key = "word", .type = SG_OPTION_ENUM, THING(word), .choices = words, .value_default = "exact"},
    {.key = "text", .type = SG_OPTION_TEXT, THING(text), .value_default = "hello"},
    {.key = "texts", .type = SG_OPTION_TEXTS, THING(texts), .flags = SG_OPTION_COMMA},
    {.key = "triple",
     .type = SG_OPTION_FLOATS,
     THING(triple),
     .flags = SG_OPTION_SPREAD,
     .min_count = 3,
     .max_count = 3},
    {.key = "list",
     .type = SG_OPTION_INTS,
     THING(list),
     .count_offset = offsetof(struct thing, list_count),
     .min_count = 1,
     .max_count = 4,
     .minimum = 1,
     .maximum = 64},
};
static const struct sg_option_table table = {"thing", "", rows, (int)(sizeof(rows) / sizeof(rows[0])),
                                             .struct_bytes = sizeof(struct thing)};

static struct thing thing;
static struct sg_error err;

static int put(const char *key, const char *text)
{
    return sg_option_parse(sg_option_find(&table, key, false), &thing, text, strlen(text), &err);
}

static int setup(void **state)
{
    (void)state;
    return sg_option_defaults(&table, &thing);
}

static int teardown(void **state)
{
    (void)state;
    sg_option_fini(&table, &thing);
    return 0;
}

static void defaults_are_written(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(thing.ms, 1500);
    assert_true(thing.share == 0.25f);
    assert_int_equal(thing.word, 1);
    assert_string_equal(thing.text.value, "hello");
    assert_false(thing.has_flag);
    sg_option_format(sg_option_find(&table, "some-ms", true), &thing, text, sizeof(text));
    assert_string_equal(text, "1500ms");
    assert_null(sg_option_find(&table, "some-ms", false));
}

static void units_multiply(void **state)
{
    static const struct {
        const char *key, *text;
        int64_t value;
    } cases[] = {
        {"bytes", "65536", 65536},    {"bytes", "64KiB", 65536},    {"bytes", "64K", 65536},
        {"bytes", "10MB", 10000000},  {"bytes", "1.5MiB", 1572864}, {"bytes", "1GiB", 1073741824},
        {"count", "100M", 100000000}, {"count", "20k", 20000},      {"count", "1e3", 1000},
        {"some_ms", "250ms", 250},    {"some_ms", "30s", 30000},    {"some_ms", "0.5s", 500},
        {"some_ms", "5m", 300000},    {"some_ms", "1h", 3600000},   {"some_ms", "0", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sg_option *row = sg_option_find(&table, cases[i].key, false);

        assert_int_equal(put(cases[i].key, cases[i].text), 0);
        assert_int_equal(*(int64_t *)((char *)&thing + row->offset), cases[i].value);
    }
}

static void wrong_values_are_refused_in_words(void **state)
{
    static const struct {
        const char *key, *text, *message;
    } cases[] = {
        {"share", "1.5", "expected 0 to 1, got 1.5"},
        {"share", "-0.1", "expected 0 to 1, got -0.1"},
        {"share", "nan", "expected a number, 0 to 1, got \"nan\""},
        {"share", "inf", "expected a number, 0 to 1, got \"inf\""},
        {"share", "0x1p-1", "expected a number, 0 to 1, got \"0x1p-1\""},
        {"share", "", "expected a number, 0 to 1, got \"\""},
        {"share", "1e999", "expected a number, 0 to 1, got \"1e999\""},
        {"share", " 1", "expected a number, 0 to 1, got \" 1\""},
        {"number", "1.5", "expected a whole number, got 1.5"},
        {"number", "101", "expected 0 to 100, got 101"},
        {"number", "many", "expected auto, never or a whole number, 0 to 100, got \"many\""},
        {"bytes", "1023", "expected 1KiB to 1GiB, got 1023"},
        {"bytes", "64parsecs", "expected a size such as 64MiB, 1KiB to 1GiB, got \"64parsecs\""},
        {"some_ms", "30", "expected a duration such as 250ms or 30s, 0 to 1h, got \"30\""},
        {"word", "exakt", "expected fast or exact, got \"exakt\"; did you mean \"exact\"?"},
        {"flag", "maybe", "expected true or false, got \"maybe\""},
        {"text", "", "expected text, got none"},
        {"texts", "a,,b", "expected text, got none"},
        {"share", "0.5.", "expected a number, 0 to 1, got \"0.5.\""},
        {"triple", "1,2", "expected 1 or 3 numbers, got 2"},
        {"list", "1,2,3,4,5", "expected 1 to 4 whole numbers 1 to 64, got 5"},
        {"list", "1,65", "expected 1 to 64, got 65"},
        {"list", "1,,2", "expected 1 to 4 whole numbers 1 to 64, got \"\""},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(put(cases[i].key, cases[i].text), SG_E_CONFIG);
        assert_string_equal(err.text, cases[i].message);
    }
}

static void lists_and_words(void **state)
{
    (void)state;
    assert_int_equal(put("number", "never"), 0);
    assert_int_equal(thing.number, 1);
    assert_int_equal(put("texts", "person,car"), 0);
    assert_int_equal(put("texts", "dog"), 0);
    assert_int_equal(thing.texts.count, 3);
    assert_string_equal(thing.texts.items[1].value, "car");
    assert_int_equal(put("triple", "114"), 0);
    assert_true(thing.triple[0] == 114 && thing.triple[2] == 114);
    assert_int_equal(put("triple", "0.5, 1,-2e1"), 0);
    assert_true(thing.triple[0] == 0.5f && thing.triple[2] == -20);
    assert_int_equal(put("list", "8,16,32"), 0);
    assert_int_equal(thing.list_count, 3);
    assert_int_equal(thing.list[2], 32);
    assert_int_equal(put("flag", "Yes"), 0);
    assert_true(thing.flag && thing.has_flag);
    assert_int_equal(sg_option_parse(&rows[7], &thing, "a\0b", 3, &err), SG_E_CONFIG);
}

static void assert_written(const char *key, const char *expected)
{
    char text[64];

    sg_option_format(sg_option_find(&table, key, false), &thing, text, sizeof(text));
    assert_string_equal(text, expected);
}

/* As one would write it: units where they divide, lists with commas, as many entries as were given. */
static void values_are_written_back(void **state)
{
    static const char *const given[][3] = {{"flag", "on", "true"},
                                           {"flag", "off", "false"},
                                           {"number", "7", "7"},
                                           {"count", "2500000", "2500k"},
                                           {"count", "3G", "3G"},
                                           {"count", "1001", "1001"},
                                           {"bytes", "1536", "1536"},
                                           {"bytes", "3145728", "3MiB"},
                                           {"some_ms", "90s", "90s"},
                                           {"some_ms", "60s", "1m"},
                                           {"some_ms", "3600s", "1h"},
                                           {"share", "0.125", "0.125"},
                                           {"share", "0", "0"},
                                           {"word", "fast", "fast"},
                                           {"text", "some words", "some words"},
                                           {"texts", "a,b", "a, b"},
                                           {"triple", "1,0.25,-3", "1, 0.25, -3"},
                                           {"triple", "7", "7, 7, 7"},
                                           {"list", "8,16,32", "8, 16, 32"},
                                           {"list", "9", "9"}};
    char text[12];
    size_t i;

    (void)state;
    assert_written("texts", "");
    assert_written("list", "");
    for (i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        assert_int_equal(put(given[i][0], given[i][1]), 0);
        assert_written(given[i][0], given[i][2]);
    }
    /* What does not fit is cut, with its NUL. */
    assert_int_equal(put("list", "64,63,62,61"), 0);
    sg_option_format(sg_option_find(&table, "list", false), &thing, text, sizeof(text));
    assert_string_equal(text, "64, 63, 62,");
    assert_int_equal(put("texts", "cccc,dddd"), 0);
    sg_option_format(sg_option_find(&table, "texts", false), &thing, text, sizeof(text));
    assert_string_equal(text, "a, b, cccc,");
}

static void texts_have_limits(void **state)
{
    char *large = malloc(SG_OPTION_TEXT_MAX + 2);
    struct sg_texts texts = {0};
    int i;

    (void)state;
    assert_non_null(large);
    memset(large, 'x', SG_OPTION_TEXT_MAX + 1);
    large[SG_OPTION_TEXT_MAX + 1] = '\0';
    assert_int_equal(put("text", large), SG_E_CONFIG);
    assert_string_equal(thing.text.value, "hello");
    for (i = 0; i < SG_OPTION_LIST_MAX; i++)
        assert_int_equal(sg_texts_append(&texts, "x", 1, 0, 0), 0);
    assert_int_equal(sg_texts_append(&texts, "x", 1, 0, 0), SG_E_TOO_LARGE);
    sg_texts_fini(&texts);
    free(large);
}

static void near_words_are_suggested(void **state)
{
    static const char *const keys[] = {"threshold", "max_pixels", "nms", "classes", "on"};

    (void)state;
    assert_string_equal(sg_suggest("treshold", keys, 5), "threshold");
    assert_string_equal(sg_suggest("thershold", keys, 5), "threshold");
    assert_string_equal(sg_suggest("max-pixel", keys, 5), "max_pixels");
    assert_string_equal(sg_suggest("pixels", keys, 5), "max_pixels");
    assert_string_equal(sg_suggest("NMS", keys, 5), "nms");
    assert_null(sg_suggest("colour", keys, 5));
    assert_null(sg_suggest("x", keys, 5));
    assert_null(sg_suggest("", keys, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_are_written, setup, teardown),
        cmocka_unit_test_setup_teardown(units_multiply, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_values_are_refused_in_words, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_and_words, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_written_back, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_have_limits, setup, teardown),
        cmocka_unit_test(near_words_are_suggested),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
