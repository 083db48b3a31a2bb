/* SPDX-License-Identifier: MIT
 * The tree: positions, what is refused, limits. Lines and columns are counted by hand.
 */
#include "conf/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sg_yaml yaml;
static struct sg_conf_problems problems;

static int parse(const char *text, size_t size)
{
    sg_yaml_fini(&yaml);
    sg_conf_problems_fini(&problems);
    return sg_yaml_parse(&yaml, "t.yaml", text, size, &problems);
}

static int teardown(void **state)
{
    (void)state;
    sg_yaml_fini(&yaml);
    sg_conf_problems_fini(&problems);
    return 0;
}

static void assert_refused(const char *text, const char *message)
{
    char line[512];

    assert_int_equal(parse(text, strlen(text)), SG_E_CONFIG);
    assert_int_equal(problems.count, 1);
    sg_conf_problem_format(&problems.items[0], line, sizeof(line));
    if (strstr(message, "..."))
        assert_memory_equal(line, message, strlen(message) - 3);
    else
        assert_string_equal(line, message);
}

static void every_node_has_its_place(void **state)
{
    const char *text = "# comment\n"
                       "detect: { model: yolo, threshold: 0.5 }\n"
                       "classify:\n"
                       "  - model: '\xe4\xba\xba'\n"
                       "    on: [a, \"b\"]\n"
                       "empty:\n";
    const struct sg_yaml_node *detect, *item, *on;

    (void)state;
    assert_int_equal(parse(text, strlen(text)), 0);
    assert_int_equal(yaml.root->child_count, 3);
    detect = yaml.root->child;
    assert_string_equal(detect->key->text, "detect");
    assert_int_equal(detect->key->line, 2);
    assert_int_equal(detect->key->column, 1);
    assert_int_equal(detect->column, 9);
    assert_string_equal(detect->child->text, "yolo");
    assert_int_equal(detect->child->column, 18);
    assert_int_equal(detect->child->next->key->column, 24);
    item = detect->next->child;
    assert_int_equal(item->kind, SG_YAML_MAP);
    assert_int_equal(item->line, 4);
    assert_int_equal(item->column, 5);
    assert_string_equal(item->child->text, "\xe4\xba\xba");
    on = item->child->next;
    assert_int_equal(on->child_count, 2);
    assert_int_equal(on->child->next->column, 13);
    assert_true(detect->next->next->absent);
}

static void windows_files_are_read(void **state)
{
    const char *text = "\xef\xbb\xbf"
                       "a: 1\r\nb: two\r\n";

    (void)state;
    assert_int_equal(parse(text, strlen(text)), 0);
    assert_string_equal(yaml.root->child->next->text, "two");
    assert_int_equal(yaml.root->child->next->line, 2);
}

static void what_cannot_be_trusted_is_refused(void **state)
{
    (void)state;
    assert_refused("a: &x [1]\nb: *x\n",
                   "t.yaml:2:4: an alias (*name) is not supported; write the value out");
    assert_refused("a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document: only one is read");
    assert_refused("? [a, b]\n: 1\n", "t.yaml:1:3: a key must be a plain word, not a list or map");
    assert_refused("a: 1\nb: \xff\n", "t.yaml:2:4: byte 0xff is not UTF-8 text");
    assert_refused("a: [1, 2\n", "t.yaml:2:1: not valid YAML: ...");
    assert_refused("a: 1\n b: 2\n", "t.yaml:1:4: not valid YAML: ...");
}

static void depth_and_count_are_bounded(void **state)
{
    size_t size = (SG_YAML_MAX_NODES + 10) * 2, i;
    char *text = malloc(size + 1);

    (void)state;
    assert_non_null(text);
    for (i = 0; i < size; i++)
        text[i] = i % 2 ? '1' : ',';
    text[0] = '[';
    text[size] = '\0';
    assert_refused(text, "t.yaml:1:200000: the file has more than 100000 values");
    memset(text, '[', SG_YAML_MAX_DEPTH + 1);
    text[SG_YAML_MAX_DEPTH + 1] = '\0';
    assert_refused(text, "t.yaml:1:17: nested deeper than 16 levels");
    free(text);
    text = calloc(1, SG_YAML_MAX_BYTES + 2);
    assert_non_null(text);
    memset(text, '#', SG_YAML_MAX_BYTES + 1);
    assert_refused(text, "t.yaml: the file has more than 1 MiB");
    free(text);
}

static void nothing_is_a_tree_without_root(void **state)
{
    (void)state;
    assert_int_equal(parse("", 0), 0);
    assert_null(yaml.root);
    assert_int_equal(parse("# only a comment\n", 17), 0);
    assert_true(!yaml.root || yaml.root->absent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_node_has_its_place, teardown),
        cmocka_unit_test_teardown(windows_files_are_read, teardown),
        cmocka_unit_test_teardown(what_cannot_be_trusted_is_refused, teardown),
        cmocka_unit_test_teardown(depth_and_count_are_bounded, teardown),
        cmocka_unit_test_teardown(nothing_is_a_tree_without_root, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
