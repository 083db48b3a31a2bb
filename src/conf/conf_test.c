/* SPDX-License-Identifier: MIT
 * Cards, recipes and server settings from YAML: what is read, what is said of mistakes (file:line:column
 * counted by hand), and the files that ship.
 */
#include "conf/card.h"
#include "conf/recipe.h"
#include "conf/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sg_conf_problems problems;

static int teardown(void **state)
{
    (void)state;
    sg_conf_problems_fini(&problems);
    return 0;
}

static void assert_problem(int index, const char *expected)
{
    char line[1024];

    assert_true(index < problems.count);
    assert_string_equal(sg_conf_problem_format(&problems.items[index], line, sizeof(line)), expected);
}

static void card_says_everything(void **state)
{
    static const char text[] =
        "file: net.onnx\n"
        "head: yolov8\n"
        "input: { size: 416, color: bgr, mean: [1, 2, 3], std: 58.5, scale: 0.5,\n"
        "         resize: letterbox-topleft, pad: 114, layout: nhwc, shorter_side: 256 }\n"
        "labels: [yes, no]\n"
        "anchors: [[10, 13, 16, 30], [33, 23]]\n"
        "strides: [8, 16]\n"
        "scores: softmax\n"
        "nms: 0.45\n"
        "batch: never\n"
        "outputs: { gender: [male, female], age: { value: true, unit: years, as: Age } }\n"
        "golden:\n"
        "  image: bus.jpg\n"
        "  objects:\n"
        "    - { label: person, box: [1, 2, 30, 40], score: 0.9 }\n"
        "    - { class_id: 5, box: [5, 5, 9, 9.5] }\n";
    struct sg_card card;
    int i;

    (void)state;
    assert_int_equal(sg_card_parse("m/model.yaml", text, sizeof(text) - 1, &card, &problems), 0);
    assert_string_equal(card.path, "m/model.yaml");
    assert_string_equal(card.head.value, "yolov8");
    assert_int_equal(card.head.line, 2);
    assert_int_equal(card.head.column, 7);
    assert_int_equal(card.input.size[1], 416);
    assert_int_equal(card.input.color, SG_CHANNELS_BGR);
    assert_int_equal(card.input.resize, SG_FIT_LETTERBOX_TOPLEFT);
    assert_int_equal(card.input.layout, SG_LAYOUT_NHWC);
    assert_true(card.input.has_mean && card.input.mean[2] == 3 && card.input.std[2] == 58.5f);
    assert_true(card.input.pad[0] == 114 && card.input.scale == 0.5f);
    assert_int_equal(card.labels.count, 2);
    assert_string_equal(card.labels.items[1].value, "no");
    assert_false(card.labels.scalar);
    assert_int_equal(card.anchor_numbers, 6);
    for (i = 0; i < sg_card_table.row_count; i++) {
        if (strcmp(sg_card_table.rows[i].key, "anchors") == 0)
            assert_int_equal(card.places[i].column, 1);
        if (strcmp(sg_card_table.rows[i].key, "threshold") == 0)
            assert_int_equal(card.places[i].line, 0); /* not written */
    }
    assert_true(card.anchors[4] == 33);
    assert_int_equal(card.stride_count, 2);
    assert_int_equal(card.scores, SG_CARD_SCORES_SOFTMAX);
    assert_true(card.has_nms && !card.has_threshold && !card.has_top_k);
    assert_int_equal(card.batch, SG_CARD_BATCH_NEVER);
    assert_int_equal(card.outputs.count, 2);
    assert_string_equal(card.outputs.items[0].name.value, "gender");
    assert_string_equal(card.outputs.items[0].labels.items[1].value, "female");
    assert_true(card.outputs.items[1].value);
    assert_string_equal(card.outputs.items[1].unit.value, "years");
    assert_string_equal(card.outputs.items[1].rename.value, "Age");
    assert_true(card.has_golden && card.golden.iou == 0.9f && card.golden.score == 0.05f);
    assert_int_equal(card.golden.objects.count, 2);
    assert_true(card.golden.objects.items[0].has_score && !card.golden.objects.items[1].has_score);
    assert_int_equal(card.golden.objects.items[1].line, 16);
    sg_card_fini(&card);
}

static void empty_card_says_nothing(void **state)
{
    struct sg_card card;

    (void)state;
    assert_int_equal(sg_card_parse("c.yaml", "", 0, &card, &problems), 0);
    assert_false(card.has_golden || card.input.has_color || card.has_class_offset);
    assert_null(card.file.value);
    sg_card_fini(&card);
    assert_int_equal(sg_card_parse("c.yaml", "labels: coco80\n", 15, &card, &problems), 0);
    assert_true(card.labels.scalar);
    sg_card_fini(&card);
}

static void every_problem_is_reported(void **state)
{
    static const char text[] = "detect: { model: yolo, treshold: 0.5, nms: 2 }\n" /* 1 */
                               "classify:\n"                                      /* 2 */
                               "  - { on: face }\n"                               /* 3 */
                               "  - model: a\n"                                   /* 4 */
                               "    expand: wide\n"                               /* 5 */
                               "    expand: 0.1\n"                                /* 6 */
                               "decode: exactly\n"                                /* 7 */
                               "detekt_inside: x\n"                               /* 8 */
                               "read: [1]\n";                                     /* 9 */
    struct sg_recipe recipe;
    struct sg_error err;

    (void)state;
    assert_int_equal(sg_recipe_parse("p/f.yaml", text, sizeof(text) - 1, &recipe, &problems), SG_E_CONFIG);
    sg_recipe_fini(&recipe);
    assert_int_equal(problems.count, 8);
    assert_problem(0, "p/f.yaml:1:24: unknown key \"treshold\" in detect; did you mean \"threshold\"?");
    assert_problem(1, "p/f.yaml:1:44: detect.nms: expected 0 to 1 IoU, got 2");
    assert_problem(2, "p/f.yaml:3:5: classify[0]: \"model\" is missing");
    assert_problem(3, "p/f.yaml:5:13: classify[1].expand: expected a number, -0.9 to 10, got \"wide\"");
    assert_problem(4, "p/f.yaml:6:5: classify[1].expand: given twice");
    assert_problem(5,
                   "p/f.yaml:7:9: decode: expected fast or exact, got \"exactly\"; did you mean \"exact\"?");
    assert_problem(6, "p/f.yaml:8:1: unknown key \"detekt_inside\"; did you mean \"detect_inside\"?");
    assert_problem(7, "p/f.yaml:9:7: read: expected a map, got a list");
    assert_int_equal(sg_conf_problems_error(&problems, &err), SG_E_CONFIG);
    assert_non_null(strstr(err.text, "\"threshold\"? (and 7 more)"));
}

static void recipes_are_read(void **state)
{
    static const char text[] = "name: plates\n"
                               "decode: exact\n"
                               "detect:\n"
                               "  model: cars\n"
                               "  classes: [car, truck]\n"
                               "  thresholds: { car: 0.4, \"traffic light\": 0.6 }\n"
                               "  max_objects: 20\n"
                               "  region: [0, 0.5, 1, 1]\n"
                               "detect_inside:\n"
                               "  model: plate\n"
                               "  on: car\n"
                               "  expand: 0.1\n"
                               "  classify: [country, { model: colour, top_k: 2, align: landmarks }]\n"
                               "classify: make\n";
    struct sg_recipe recipe;
    const struct sg_recipe_detect *inside;

    (void)state;
    assert_int_equal(sg_recipe_parse("p/x.yaml", text, sizeof(text) - 1, &recipe, &problems), 0);
    assert_string_equal(recipe.name.value, "plates");
    assert_true(recipe.has_decode && recipe.decode == SG_RECIPE_DECODE_EXACT);
    assert_int_equal(recipe.detect.classes.count, 2);
    assert_int_equal(recipe.detect.thresholds.count, 2);
    assert_string_equal(recipe.detect.thresholds.items[1].label.value, "traffic light");
    assert_int_equal(recipe.detect.thresholds.items[1].label.column, 27);
    assert_true(recipe.detect.thresholds.items[1].threshold == 0.6f);
    assert_true(recipe.detect.has_region && recipe.detect.region[1] == 0.5f);
    assert_false(recipe.detect.has_threshold || recipe.has_read);
    assert_int_equal(recipe.detect_inside.count, 1);
    inside = &recipe.detect_inside.items[0];
    assert_true(inside->on.scalar && inside->on.count == 1 && inside->expand == 0.1f);
    assert_int_equal(inside->classify.count, 2);
    assert_string_equal(inside->classify.items[0].model.value, "country");
    assert_int_equal(inside->classify.items[0].model.line, 13);
    assert_int_equal(inside->classify.items[1].align, SG_RECIPE_ALIGN_LANDMARKS);
    assert_string_equal(recipe.classify.items[0].model.value, "make");
    sg_recipe_fini(&recipe);
}

static void assert_recipe_refused(const char *text, const char *message)
{
    struct sg_recipe recipe;

    sg_conf_problems_fini(&problems);
    assert_int_equal(sg_recipe_parse("f.yaml", text, strlen(text), &recipe, &problems), SG_E_CONFIG);
    sg_recipe_fini(&recipe);
    assert_problem(problems.count - 1, message);
}

static void recipes_must_make_sense(void **state)
{
    (void)state;
    assert_recipe_refused("description: x\n", "f.yaml:1:1: a pipeline needs `detect:` or `classify:`");
    assert_recipe_refused("", "f.yaml:1:1: a pipeline needs `detect:` or `classify:`");
    assert_recipe_refused("classify: a\nread: b\n",
                          "f.yaml:2:7: `read:` needs `detect:`, whose boxes it reads");
    assert_recipe_refused("detect: { model: a, region: [0.5, 0, 0.5, 1] }\n",
                          "f.yaml:1:9: detect.region: expected x1, y1, x2, y2 with x1 < x2 and y1 < y2");
    assert_recipe_refused("- a\n", "f.yaml:1:1: expected a map, got a list");
    assert_recipe_refused("just text\n", "f.yaml:1:1: expected a map, got \"just text\"");
    assert_recipe_refused("detect: { model: a, thresholds: { x: 0.1, x: 0.2 } }\n",
                          "f.yaml:1:43: detect.thresholds.x: given twice");
    assert_recipe_refused("detect:\n", "f.yaml:1:1: detect: expected a map, got nothing");
}

static void server_has_defaults_and_a_file_changes_them(void **state)
{
    static const char text[] = "listen: 0.0.0.0:9000\npipelines: [a, b]\nmax_pixels: 20M\nworkers: 3\n"
                               "receive_timeout: 250ms\nlog_level: debug\n";
    struct sg_server_conf conf;

    (void)state;
    assert_int_equal(sg_server_conf_init(&conf), 0);
    assert_string_equal(conf.listen.items[0].value, "127.0.0.1:8080");
    assert_string_equal(conf.pipelines.items[0].value, "pipelines");
    assert_int_equal(conf.workers, 0);
    assert_int_equal(conf.max_image_bytes, 67108864);
    assert_int_equal(conf.drain_timeout_ms, 10000);
    sg_server_conf_fini(&conf);
    assert_int_equal(sg_server_conf_parse("s.yaml", text, sizeof(text) - 1, &conf, &problems), 0);
    assert_string_equal(conf.listen.items[0].value, "0.0.0.0:9000");
    assert_int_equal(conf.pipelines.count, 2);
    assert_int_equal(conf.max_pixels, 20000000);
    assert_int_equal(conf.workers, 3);
    assert_int_equal(conf.receive_timeout_ms, 250);
    assert_int_equal(conf.log_level, 3);
    assert_int_equal(conf.max_connections, 4096);
    sg_server_conf_fini(&conf);
    assert_int_equal(sg_server_conf_load("/nowhere/s.yaml", &conf, &problems), SG_E_CONFIG);
    sg_server_conf_fini(&conf);
    assert_problem(0, "/nowhere/s.yaml: cannot be read: No such file or directory");
}

/* The files that ship are right. */
static void shipped_files_load(void **state)
{
    static const char *const pipelines[] = {"faces", "text", "objects"};
    const char *root = getenv("SIGHT_ROOT");
    struct sg_server_conf conf;
    struct sg_recipe recipe;
    char path[1024];
    size_t i;

    (void)state;
    root = root ? root : ".";
    snprintf(path, sizeof(path), "%s/sightd.yaml", root);
    assert_int_equal(sg_server_conf_load(path, &conf, &problems), 0);
    sg_server_conf_fini(&conf);
    for (i = 0; i < sizeof(pipelines) / sizeof(pipelines[0]); i++) {
        snprintf(path, sizeof(path), "%s/pipelines/%s.yaml", root, pipelines[i]);
        assert_int_equal(sg_recipe_load(path, &recipe, &problems), 0);
        assert_string_equal(recipe.name.value, pipelines[i]);
        sg_recipe_fini(&recipe);
    }
}

static void problems_show_the_line(void **state)
{
    char path[] = "/tmp/sight-conf-XXXXXX", *text = NULL, expected[512];
    struct sg_recipe recipe;
    int fd = mkstemp(path);
    size_t size = 0;
    FILE *file = fdopen(fd, "w"), *to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(file);
    fputs("# \xe4\xba\xba\ndetect: { model: \xe4\xba\xba, nsm: 1 }\n", file);
    fclose(file);
    assert_int_equal(sg_recipe_load(path, &recipe, &problems), SG_E_CONFIG);
    sg_recipe_fini(&recipe);
    sg_conf_problems_print(&problems, to, true, false);
    fclose(to);
    snprintf(expected, sizeof(expected),
             "%s:2:21: unknown key \"nsm\" in detect; did you mean \"iou\"?\n"
             "      2 | detect: { model: \xe4\xba\xba, nsm: 1 }\n"
             "        |                     ^\n",
             path);
    assert_string_equal(text, expected);
    free(text);
    remove(path);
}

static void the_list_of_problems_is_bounded(void **state)
{
    char line[64];
    int i;

    (void)state;
    for (i = 0; i < SG_CONF_MAX_PROBLEMS + 5; i++)
        assert_int_equal(sg_conf_problems_add(&problems, "f", i, 1, NULL, "p%d", i), SG_E_CONFIG);
    assert_int_equal(problems.count, SG_CONF_MAX_PROBLEMS);
    assert_int_equal(problems.dropped, 5);
    assert_string_equal(sg_conf_problem_format(&problems.items[0], line, sizeof(line)), "f: p0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(card_says_everything, teardown),
        cmocka_unit_test_teardown(empty_card_says_nothing, teardown),
        cmocka_unit_test_teardown(every_problem_is_reported, teardown),
        cmocka_unit_test_teardown(recipes_are_read, teardown),
        cmocka_unit_test_teardown(recipes_must_make_sense, teardown),
        cmocka_unit_test_teardown(server_has_defaults_and_a_file_changes_them, teardown),
        cmocka_unit_test_teardown(shipped_files_load, teardown),
        cmocka_unit_test_teardown(problems_show_the_line, teardown),
        cmocka_unit_test_teardown(the_list_of_problems_is_bounded, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
