/* SPDX-License-Identifier: MIT
 * YAML to a struct by a table of the test's own, with a row of every kind that is written in files. Lines and
 * columns are counted by hand, limits are those of base/option.h.
 */
#include "conf/bind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct part {
    struct sg_text name;
    int size;
};

struct parts {
    struct part *items;
    int count;
};

struct thing {
    struct sg_text text;
    bool has_parts;
    struct sg_texts texts;
    float triple[3], many[SG_OPTION_FLOAT_MAX];
    int whole[4], many_count, whole_count, number;
    struct parts parts, named;
};

#define PART(member)  .offset = offsetof(struct part, member)
#define THING(member) .offset = offsetof(struct thing, member)

static const struct sg_option part_rows[] = {
    {.key = "size", .type = SG_OPTION_INT, PART(size), .minimum = 1, .maximum = 9, .value_default = "1"}};
static const struct sg_option_table part_table = {"part",
                                                  "",
                                                  part_rows,
                                                  1,
                                                  .struct_bytes = sizeof(struct part),
                                                  .shorthand = "size",
                                                  .name_offset = offsetof(struct part, name)};
static const struct sg_option rows[] = {
    {.key = "text", .type = SG_OPTION_TEXT, THING(text)},
    {.key = "texts", .type = SG_OPTION_TEXTS, THING(texts)},
    {.key = "triple", .type = SG_OPTION_FLOATS, THING(triple), .min_count = 3, .max_count = 3},
    {.key = "many",
     .type = SG_OPTION_FLOATS,
     .flags = SG_OPTION_FLATTEN,
     THING(many),
     .count_offset = offsetof(struct thing, many_count),
     .min_count = 1,
     .max_count = SG_OPTION_FLOAT_MAX},
    {.key = "whole",
     .type = SG_OPTION_INTS,
     THING(whole),
     .count_offset = offsetof(struct thing, whole_count),
     .min_count = 2,
     .max_count = 4,
     .minimum = 1,
     .maximum = 64},
    {.key = "number", .alias = "figure", .type = SG_OPTION_INT, THING(number), .maximum = 5},
    {.key = "numbered", .type = SG_OPTION_INT, .flags = SG_OPTION_FLAG_ONLY, THING(number), .maximum = 5},
    {.key = "parts",
     .type = SG_OPTION_GROUPS,
     THING(parts),
     .set_offset = offsetof(struct thing, has_parts),
     .max_count = 2,
     .table = &part_table},
    {.key = "named", .type = SG_OPTION_KEYED, THING(named), .max_count = 2, .table = &part_table},
};
static const struct sg_option_table table = {"thing", "", rows, (int)(sizeof(rows) / sizeof(rows[0])),
                                             .struct_bytes = sizeof(struct thing)};

static struct thing thing;
static struct sg_conf_problems problems;

static int setup(void **state)
{
    (void)state;
    return sg_option_defaults(&table, &thing);
}

static int teardown(void **state)
{
    (void)state;
    sg_option_fini(&table, &thing);
    sg_conf_problems_fini(&problems);
    return 0;
}

static int read_text(const char *yaml, size_t size)
{
    bool bound = false;
    int code;

    teardown(NULL);
    assert_int_equal(setup(NULL), 0);
    code = sg_conf_bind(&table, &thing, "f", yaml, size, &problems, &bound);
    assert_true(bound);
    return code;
}

/* The only problem of a file. */
static void refuse(const char *yaml, const char *expected)
{
    char line[1024];

    assert_int_equal(read_text(yaml, strlen(yaml)), SG_E_CONFIG);
    assert_string_equal(sg_conf_problem_format(&problems.items[0], line, sizeof(line)), expected);
    assert_int_equal(problems.count, 1);
}

static void accept(const char *yaml)
{
    assert_int_equal(read_text(yaml, strlen(yaml)), 0);
    assert_int_equal(problems.count, 0);
}

static void texts_are_texts(void **state)
{
    char *large = malloc(SG_OPTION_TEXT_MAX + 64);
    int used;

    (void)state;
    accept("text: a\ntexts: [b, c]\n");
    assert_string_equal(thing.text.value, "a");
    assert_int_equal(thing.text.line, 1);
    assert_int_equal(thing.text.column, 7);
    assert_int_equal(thing.texts.count, 2);
    assert_false(thing.texts.scalar);
    assert_string_equal(thing.texts.items[1].value, "c");
    assert_int_equal(thing.texts.items[1].line, 2);
    assert_int_equal(thing.texts.items[1].column, 12);
    accept("texts: b");
    assert_true(thing.texts.scalar);
    assert_string_equal(thing.texts.items[0].value, "b");
    refuse("text: [a]\n", "f:1:7: text: expected text, got a list");
    refuse("text: {a: b}\n", "f:1:7: text: expected text, got a map");
    refuse("text: ~\n", "f:1:7: text: expected text, got nothing");
    refuse("texts: [b, [c]]\n", "f:1:12: texts: expected text or a list of texts, got a list");
    refuse("texts: {b: c}\n", "f:1:8: texts: expected text or a list of texts, got a map");
    refuse("texts: [b, \"\"]\n", "f:1:12: texts: expected text or a list of texts, got \"\"");
    assert_non_null(large);
    used = snprintf(large, SG_OPTION_TEXT_MAX + 64, "texts: [b, %0*d, c]\n", SG_OPTION_TEXT_MAX, 0);
    accept(large);
    assert_int_equal(strlen(thing.texts.items[1].value), SG_OPTION_TEXT_MAX);
    assert_true(used < SG_OPTION_TEXT_MAX + 64);
    snprintf(large, SG_OPTION_TEXT_MAX + 64, "texts: [b, %0*d, c]\n", SG_OPTION_TEXT_MAX + 1, 0);
    refuse(large, "f:1:12: texts: too many entries, or one is longer than 4096 bytes");
    assert_int_equal(thing.texts.count, 2); /* the others are read */
    free(large);
}

static void numbers_are_numbers(void **state)
{
    char many[8 * SG_OPTION_FLOAT_MAX] = "many: [";
    size_t used;
    int i;

    (void)state;
    accept("triple: [1, 2.5, -3]\nmany: [[1, [2]], 3]\nwhole: [4, 64]\n");
    assert_true(thing.triple[0] == 1 && thing.triple[1] == 2.5f && thing.triple[2] == -3);
    assert_true(thing.many[0] == 1 && thing.many[1] == 2 && thing.many[2] == 3);
    assert_int_equal(thing.many_count, 3);
    assert_int_equal(thing.whole[1], 64);
    assert_int_equal(thing.whole_count, 2);
    refuse("triple: [1, [2], 3]\n", "f:1:13: triple: expected 3 numbers, got a list");
    refuse("triple: {a: 1}\n", "f:1:9: triple: expected 3 numbers, got a map");
    refuse("triple: [1, ~, 3]\n", "f:1:13: triple: expected 3 numbers, got nothing");
    refuse("triple: [1, x, 3]\n", "f:1:13: triple: expected 3 numbers, got \"x\"");
    refuse("triple: [1, 2]\n", "f:1:9: triple: expected 3 numbers, got 2");
    refuse("many: [1, [2, [x]], 3]\n", "f:1:16: many: expected 1 to 128 numbers, got \"x\"");
    refuse("whole: [1, 1.5]\n", "f:1:12: whole: expected a whole number, got 1.5");
    refuse("whole: [1, 65]\n", "f:1:12: whole: expected 1 to 64, got 65");
    refuse("whole: 7\n", "f:1:8: whole: expected 2 to 4 whole numbers 1 to 64, got 1");
    assert_int_equal(thing.whole_count, 0);
    used = strlen(many);
    for (i = 0; i < SG_OPTION_FLOAT_MAX; i++)
        used += (size_t)snprintf(many + used, sizeof(many) - used, "%s7", i ? ", " : "");
    snprintf(many + used, sizeof(many) - used, "]\n");
    accept(many);
    assert_int_equal(thing.many_count, SG_OPTION_FLOAT_MAX);
    assert_true(thing.many[SG_OPTION_FLOAT_MAX - 1] == 7);
    snprintf(many + used, sizeof(many) - used, ", 8]\n"); /* "many: [" and 128 times "7, " are before it */
    refuse(many, "f:1:392: many: expected 1 to 128 numbers, got \"8\"");
}

static void groups_are_bounded(void **state)
{
    (void)state;
    accept("parts: [{size: 3}, 4]\n");
    assert_true(thing.has_parts);
    assert_int_equal(thing.parts.count, 2);
    assert_int_equal(thing.parts.items[0].size, 3);
    assert_int_equal(thing.parts.items[1].size, 4);
    accept("parts: {size: 5}\n");
    assert_int_equal(thing.parts.count, 1);
    assert_int_equal(thing.parts.items[0].size, 5);
    refuse("parts: [1, 2, 3]\n", "f:1:15: parts: too many entries");
    assert_int_equal(thing.parts.count, 2);
    refuse("parts: [1, {size: 10}]\n", "f:1:19: parts[1].size: expected 1 to 9, got 10");
    refuse("parts: {size: 10}\n", "f:1:15: parts.size: expected 1 to 9, got 10");
}

static void names_are_names(void **state)
{
    char *large = malloc(SG_OPTION_TEXT_MAX + 64), line[1024];
    static const char nul[] = "named: {\"a\\0b\": 2}\n";

    (void)state;
    accept("named: {a: 2, \"b c\": {size: 3}}\n");
    assert_int_equal(thing.named.count, 2);
    assert_string_equal(thing.named.items[0].name.value, "a");
    assert_int_equal(thing.named.items[0].size, 2);
    assert_string_equal(thing.named.items[1].name.value, "b c");
    assert_int_equal(thing.named.items[1].name.column, 15);
    assert_int_equal(thing.named.items[1].size, 3);
    refuse("named: [a]\n", "f:1:8: named: expected a map from names, got a list");
    refuse("named: {\"\": 2, b: 3}\n", "f:1:9: named: an empty, overlong or unprintable name");
    assert_int_equal(thing.named.count, 1); /* what follows is read */
    assert_string_equal(thing.named.items[0].name.value, "b");
    refuse("named: {a: 1, b: 2, a: 3}\n", "f:1:21: named.a: given twice");
    refuse("named: {a: 1, b: 2, c: 3}\n", "f:1:24: named: too many entries");
    assert_int_equal(thing.named.count, 2);
    refuse("named: {a: 10}\n", "f:1:12: named.a: expected 1 to 9, got 10");
    assert_int_equal(read_text(nul, sizeof(nul) - 1), SG_E_CONFIG);
    assert_string_equal(sg_conf_problem_format(&problems.items[0], line, sizeof(line)),
                        "f:1:9: named: an empty, overlong or unprintable name");
    /* A key of more than 1024 characters must say that it is one (YAML 1.2, 8.2.2). */
    assert_non_null(large);
    snprintf(large, SG_OPTION_TEXT_MAX + 64, "named:\n  ? \"%0*d\"\n  : 3\n", SG_OPTION_TEXT_MAX, 0);
    accept(large);
    assert_int_equal(strlen(thing.named.items[0].name.value), SG_OPTION_TEXT_MAX);
    snprintf(large, SG_OPTION_TEXT_MAX + 64, "named:\n  ? \"%0*d\"\n  : 3\n", SG_OPTION_TEXT_MAX + 1, 0);
    refuse(large, "f:2:5: named: an empty, overlong or unprintable name");
    free(large);
}

/* Keys of the command line alone are none of a file's, and nothing that was meant. */
static void keys_are_those_of_files(void **state)
{
    (void)state;
    accept("figure: 4\n");
    assert_int_equal(thing.number, 4);
    refuse("numbered: 4\n", "f:1:1: unknown key \"numbered\"; did you mean \"number\"?");
    assert_int_equal(thing.number, 0);
    refuse("figur: 4\n", "f:1:1: unknown key \"figur\"; did you mean \"number\"?");
    refuse("number: 4\nnumber: 5\n", "f:2:1: number: given twice");
    assert_int_equal(thing.number, 4);
    refuse("parts: {sise: 3}\n", "f:1:9: unknown key \"sise\" in parts; did you mean \"size\"?");
    refuse("nothing_like_it: 4\n", "f:1:1: unknown key \"nothing_like_it\"");
}

static void files_are_read(void **state)
{
    char path[] = "/tmp/bind_test_XXXXXX", line[1024], expected[256], *text = NULL;
    int fd = mkstemp(path);
    size_t size = 1;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(sg_conf_read(path, &text, &size, &problems), 0);
    assert_non_null(text);
    assert_int_equal(size, 0);
    free(text);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(sg_conf_read(path, &text, &size, &problems), 0);
    assert_int_equal(size, 1 << 20);
    free(text);
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    assert_int_equal(sg_conf_read(path, &text, &size, &problems), SG_E_CONFIG);
    snprintf(expected, sizeof(expected), "%s: cannot be read: larger than 1 MiB", path);
    assert_string_equal(sg_conf_problem_format(&problems.items[0], line, sizeof(line)), expected);
    close(fd);
    unlink(path);
    assert_int_equal(sg_conf_read("/tmp", &text, &size, &problems), SG_E_CONFIG);
    assert_string_equal(sg_conf_problem_format(&problems.items[1], line, sizeof(line)),
                        "/tmp: cannot be read: Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(texts_are_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_are_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(names_are_names, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_those_of_files, setup, teardown),
        cmocka_unit_test_setup_teardown(files_are_read, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
