/* SPDX-License-Identifier: MIT
 * Files of class names in the forms that exporters write: Ultralytics' data.yaml, Transformers' config.json,
 * PaddleDetection's infer_cfg.yml, TensorFlow's class index and label map, plain lines.
 */
#include "conf/names.h"

#include "conf/card.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct sg_texts texts;
static struct sg_error err;

static int teardown(void **state)
{
    (void)state;
    sg_texts_fini(&texts);
    return 0;
}

/* The names that text holds, joined by |; of an error its text. */
static const char *names(const char *path, const char *text)
{
    static char joined[1024];
    size_t used = 0;
    int i;

    sg_texts_fini(&texts);
    sg_error_clear(&err);
    if (sg_conf_labels_parse(path, text, strlen(text), &texts, &err) < 0)
        return err.text;
    joined[0] = '\0';
    for (i = 0; i < texts.count; i++)
        used += (size_t)snprintf(joined + used, sizeof(joined) - used, "%s%s", i ? "|" : "",
                                 texts.items[i].value);
    return joined;
}

static void lines_are_names(void **state)
{
    (void)state;
    assert_string_equal(names("l.txt", "\xef\xbb\xbfperson\r\nbicycle\n\n \ncar"), "person|bicycle|| |car");
    assert_string_equal(names("coco.names", "names:\n0: a\n"), "names:|0: a");
    assert_string_equal(names("alphabet.txt", "{\n}\n[\n]"), "{|}|[|]");
    assert_string_equal(names("alphabet.txt", "[\n\"\n'\n]"), "[|\"|'|]");
    assert_int_equal(sg_conf_labels("/nowhere/l.txt", &texts, &err), SG_E_NOT_FOUND);
    assert_string_equal(err.text, "labels \"/nowhere/l.txt\" cannot be read: No such file or directory");
}

static void exporters_files_are_read(void **state)
{
    (void)state;
    assert_string_equal(
        names("data.yaml", "path: ../coco\ntrain: images\nnc: 2\n\nnames: ['cat', \"a dog\"]\n"),
        "cat|a dog");
    assert_string_equal(names("data.YML", "names:\n  1: cat\n  0: person # first\ndownload: |\n  a: [b\n"),
                        "person|cat");
    assert_string_equal(names("infer_cfg.yml", "mode: paddle\nlabel_list:\n- yes\n- \"\"\n- 3\n"), "yes||3");
    assert_string_equal(names("config.json",
                              "{\"names\": \"x\", \"eps\": 1e-05, \"id2label\": {\"0\": \"N\\/A\",\n"
                              "\t\"1\": \"caf\\u00e9\"}, \"label2id\": {\"N/A\": 0}}\n"),
                        "N/A|caf\xc3\xa9");
    assert_string_equal(names("l.json", "[\"a\",\n\t\"b\"]"), "a|b");
    assert_string_equal(names("imagenet_class_index.json",
                              "{\"0\": [\"n01440764\", \"tench\"], \"1\": [\"n01443537\", \"goldfish\"]}"),
                        "tench|goldfish");
    /* Without an ending: all of it must be one list or map. */
    assert_string_equal(names("labels", "{0: 'a', 1: \"dog's\"}\n"), "a|dog's");
    assert_string_equal(names("labels.txt", " [\"a\", \"b\"]\n"), "a|b");
    /* Python's text with Python's escapes; YAML has none between single quotes. */
    assert_string_equal(names("names.txt", "{1: 'it\\'s', 0: 'dog\\ttab', 2: '\\u8eca'}"),
                        "dog\ttab|it's|\xe8\xbb\x8a");
    assert_string_equal(names("names", "('a', None)"), "('a', None)"); /* no list but a line */
    assert_string_equal(names("label2id.json", "{\"b\": 1, \"a\": 0}"), "a|b");
    assert_string_equal(names("l.json", "[\"\\ud83d\\ude00\"]"), "\xf0\x9f\x98\x80");
    assert_string_equal(names("config.json", "{\"id2label\": {\"0\": \"\\ud83d\\ude00\"}}"),
                        "\xf0\x9f\x98\x80");
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
    static const char *const cases[][3] = {
        {"d.yaml", "names: {0: a, 2: b}",
         "d.yaml:1:8: class 1 has no name; they must go from 0 to 2 without a hole"},
        {"d.yaml", "names:\n  1: a\n",
         "d.yaml:2:3: class 0 has no name; they must go from 0 to 1 without a hole"},
        {"d.yaml", "names:\n  0: a\n  1: b\n  0: c\n", "d.yaml:4:3: class 0 has a name already, on line 2"},
        {"d.yaml", "names:\n  0: a\n  x: b\n", "d.yaml:3:3: expected the number of a class, got \"x\""},
        {"d.yaml", "names:\n  -1: a\n", "d.yaml:2:3: expected the number of a class, got \"-1\""},
        {"l.json", "{\"0\": \"a\", \"1\": null}", "l.json:1:17: expected a name, got nothing"},
        {"l.json", "[[\"a\", \"b\"]]", "l.json:1:2: expected a name, got a list"},
        {"l.json", "{\"a\": \"b\"}",
         "l.json:1:1: no class names: expected a list, a map of the numbers from 0, or one "
         "of the keys names, id2label, label_list, labels"},
        {"l.txt", "{0: a, 0: b}", "l.txt:1:8: class 0 has a name already, on line 1"},
        {"l.json", "[]", "l.json:1:1: no class names in here"},
        {"d.yaml", "a: &x b\nnames: [*x]",
         "d.yaml:2:9: an alias (*name) is not supported; write the value out"},
        {"m.pbtxt", "item {\n id: 1\n}\n", "m.pbtxt:3:1: the item has neither name nor display_name"},
        {"m.pbtxt", "item { name: 'a' }\n", "m.pbtxt:1:1: the item has no id"},
        {"m.pbtxt", "item { id: x name: 'a' }",
         "m.pbtxt:1:1: expected a class number, 0 to 65535, behind id"},
        {"m.pbtxt", "item { id: 1 name: 'a' }\nitem { id: 1 name: 'b' }",
         "m.pbtxt:2:1: the number of this item was used before"},
        {"m.pbtxt", "item { id: 1 name: 'a }\n",
         "m.pbtxt:1:1: expected a value behind the field, quoted if it is a text"},
        {"m.pbtxt", "person\n", "m.pbtxt:1:1: expected item { id: 1 name: \"person\" }"},
        {"m.pbtxt", "# none\n", "m.pbtxt:1:1: no item in the label map"},
        {"m.pbtxt", "item { id: 1 name: 'a' }\nitem id: 2", "m.pbtxt:2:1: expected { behind item"},
        {"m.pbtxt", "item:\n", "m.pbtxt:2:1: expected { behind item"},
        {"m.pbtxt", "item {\n id: 1\n =\n}", "m.pbtxt:3:1: expected a field of an item, as in: id: 1"},
        {"m.pbtxt", "item { id: 1\n name: 'a'", "m.pbtxt:2:1: expected a field of an item, as in: id: 1"},
        {"m.pbtxt", "item { id: 1 keypoints { id: 1 {} \n", "m.pbtxt:2:1: a group is not closed"},
        {"m.pbtxt", "item { id: 65536 name: 'a' }",
         "m.pbtxt:1:1: expected a class number, 0 to 65535, behind id"},
        {"m.pbtxt", "item { id: 1 name: 'a\\000' }",
         "m.pbtxt:1:1: expected a value behind the field, quoted if it is a text"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(names(cases[i][0], cases[i][1]), cases[i][2]);
}

static void label_maps_count_from_1(void **state)
{
    (void)state;
    assert_string_equal(names("label_map.pbtxt",
                              "item {\n  id: 1\n  name: 'person'\n}\nitem {\n  name: \"/m/01\",\n"
                              "  id: 3 # two was left out\n  display_name: \"caf\\303\\251\"\n"
                              "  keypoints { id: 1 label: \"nose\" }\n}\n"),
                        "person||caf\xc3\xa9");
    assert_string_equal(names("m.pbtxt", "item: { id: 0 name: 'background' } item { id: 1; name: 'it\\'s' }"),
                        "background|it's");
    assert_string_equal(names("labels.txt", "item{id:1 name:\"a\"}"), "a");
}

/* LABELMAP_WORD_MAX, 512, counts the zero behind the text. */
static void names_in_label_maps_end_at_511_bytes(void **state)
{
    char name[513], text[600];

    (void)state;
    memset(name, 'x', 512);
    name[512] = '\0';
    snprintf(text, sizeof(text), "item { id: 1 name: '%.511s' }", name);
    assert_string_equal(names("m.pbtxt", text), name + 1);
    snprintf(text, sizeof(text), "item { id: 1 name: '%s' }", name);
    assert_string_equal(names("m.pbtxt", text),
                        "m.pbtxt:1:1: expected a value behind the field, quoted if it is a text");
}

static void a_card_may_have_a_map(void **state)
{
    static const char good[] = "labels: {1: b, 0: a}\noutputs: {sex: {labels: {0: f, 1: m}}}\n";
    static const char bad[] = "labels:\n  0: a\n  2: b\n";
    struct sg_conf_problems problems = {0};
    struct sg_card card;
    char line[512];

    (void)state;
    assert_int_equal(sg_card_parse("m.yaml", good, sizeof(good) - 1, &card, &problems), 0);
    assert_int_equal(card.labels.count, 2);
    assert_false(card.labels.scalar);
    assert_string_equal(card.labels.items[0].value, "a");
    assert_string_equal(card.labels.items[1].value, "b");
    assert_string_equal(card.outputs.items[0].labels.items[1].value, "m");
    sg_card_fini(&card);
    assert_int_equal(sg_card_parse("m.yaml", bad, sizeof(bad) - 1, &card, &problems), SG_E_CONFIG);
    sg_card_fini(&card);
    assert_int_equal(problems.count, 1);
    assert_string_equal(sg_conf_problem_format(&problems.items[0], line, sizeof(line)),
                        "m.yaml:2:3: labels: class 1 has no name; they must go from 0 to 2 without a hole");
    sg_conf_problems_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lines_are_names, teardown),
        cmocka_unit_test_teardown(exporters_files_are_read, teardown),
        cmocka_unit_test_teardown(what_is_wrong_is_said_with_its_place, teardown),
        cmocka_unit_test_teardown(label_maps_count_from_1, teardown),
        cmocka_unit_test_teardown(names_in_label_maps_end_at_511_bytes, teardown),
        cmocka_unit_test(a_card_may_have_a_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
