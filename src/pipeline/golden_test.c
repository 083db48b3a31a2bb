/* SPDX-License-Identifier: MIT
 * Comparing a golden with results made by hand; overlaps are worked out in the comments.
 */
#include "pipeline/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char two_faces[] = "golden:\n"
                                "  image: group.jpg\n"
                                "  objects:\n"
                                "    - { label: face, box: [0, 0, 100, 100], score: 0.94 }\n"
                                "    - { label: face, box: [200, 0, 300, 100], score: 0.9 }\n";

/* Compares; the problems as printed go to out. Returns the code. */
static int compare(const char *yaml, struct sg_result *result, char *out, size_t out_bytes)
{
    struct sg_conf_problems problems = {0};
    struct sg_card card;
    char line[1024];
    size_t used = 0;
    int code, i;

    assert_int_equal(sg_card_parse("m/model.yaml", yaml, strlen(yaml), &card, &problems), 0);
    code = sg_golden_compare(&card, result, &problems);
    out[0] = '\0';
    for (i = 0; i < problems.count; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s\n",
                                 sg_conf_problem_format(&problems.items[i], line, sizeof(line)));
    sg_conf_problems_fini(&problems);
    sg_card_fini(&card);
    return code;
}

static struct sg_object face(float x1, float y1, float x2, float y2, float score)
{
    return (struct sg_object){.box = {x1, y1, x2, y2}, .label = "face", .score = score, .parent = -1};
}

static void what_is_found_agrees(void **state)
{
    /* 96x100 in 100x100: IoU 0.96; scores 0.04 and 0.05 off. */
    struct sg_object objects[] = {face(204, 0, 300, 100, 0.86f), face(0, 0, 100, 100, 0.9f),
                                  face(500, 500, 600, 600, 0.8f)};
    struct sg_result result = {.objects = objects, .object_count = 3};
    char said[2048];

    (void)state;
    assert_int_equal(compare(two_faces, &result, said, sizeof(said)), 0);
    assert_string_equal(said, "");
}

static void a_miss_says_what_came_closest(void **state)
{
    /* Shifted by 50: 50x100 of 150x100 is IoU 0.33. */
    struct sg_object objects[] = {face(0, 0, 100, 100, 0.94f), face(250, 0, 350, 100, 0.9f)};
    struct sg_result result = {.objects = objects, .object_count = 2};
    char said[2048];

    (void)state;
    assert_int_equal(compare(two_faces, &result, said, sizeof(said)), SG_E_CONFIG);
    assert_string_equal(said,
                        "m/model.yaml:5:7: golden group.jpg: expected face at [200, 0, 300, 100] score "
                        "0.900, closest face at [250, 0, 350, 100] score 0.900 (IoU 0.33, expected 0.9 or "
                        "more)\n");
    objects[1] = face(200, 0, 300, 100, 0.7f);
    assert_int_equal(compare(two_faces, &result, said, sizeof(said)), SG_E_CONFIG);
    assert_non_null(strstr(said, "score 0.900, closest face at [200, 0, 300, 100] score 0.700 (may differ"));
}

static void every_miss_is_told(void **state)
{
    struct sg_result result = {0};
    char said[2048];

    (void)state;
    assert_int_equal(compare(two_faces, &result, said, sizeof(said)), SG_E_CONFIG);
    assert_non_null(strstr(said,
                           "m/model.yaml:4:7: golden group.jpg: expected face at [0, 0, 100, 100] score "
                           "0.940, found nothing\n"));
    assert_non_null(strstr(said, "m/model.yaml:5:7: "));
}

static void one_object_does_not_stand_for_two(void **state)
{
    static const char yaml[] = "golden:\n  image: a.jpg\n  objects: [{label: face}, {label: face}]\n";
    struct sg_object objects[] = {face(0, 0, 10, 10, 0.9f), face(0, 0, 10, 10, 0.9f)};
    struct sg_result result = {.objects = objects, .object_count = 1};
    char said[2048];

    (void)state;
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), SG_E_CONFIG);
    assert_non_null(strstr(said, "found nothing else"));
    result.object_count = 2;
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), 0);
}

static void only_allows_nothing_else(void **state)
{
    static const char yaml[] =
        "golden:\n  image: a.jpg\n  only: true\n  objects: [{class_id: 0, box: [0, 0, 10, 10]}]\n";
    struct sg_object objects[] = {face(0, 0, 10, 10, 0.9f), face(50, 50, 60, 60, 0.5f)};
    struct sg_result result = {.objects = objects, .object_count = 2};
    char said[2048];

    (void)state;
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), SG_E_CONFIG);
    assert_string_equal(said,
                        "m/model.yaml:2:10: golden a.jpg: face at [50, 50, 60, 60] score 0.500 was found "
                        "and is not expected (only: true)\n");
    result.object_count = 1;
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), 0);
}

static void classes_and_values_of_a_whole_picture(void **state)
{
    static const char yaml[] = "golden:\n"
                               "  image: a.jpg\n"
                               "  objects:\n"
                               "    - { label: male, score: 0.99 }\n"
                               "    - { label: age, value: 60 }\n";
    struct sg_attribute attributes[] = {{.name = "gender", .class_id = 0, .label = "male", .score = 0.97f},
                                        {.name = "age", .class_id = -1, .has_value = true, .value = 62.9f}};
    struct sg_result result = {.attributes = attributes, .attribute_count = 2};
    char said[2048];

    (void)state;
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), 0); /* 5 % of 60 are 3 years */
    attributes[1].value = 63.1f;
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), SG_E_CONFIG);
    assert_string_equal(said,
                        "m/model.yaml:5:7: golden a.jpg: expected age 60, closest age 63.1 (may differ by "
                        "0.05 of it)\n");
}

/* Of what has no name the class is told, or that it is a value. */
static void things_without_names_are_told(void **state)
{
    static const char yaml[] = "golden: {image: a.jpg, objects: [{class_id: 5, score: 0.5}]}\n";
    struct sg_attribute attribute = {.class_id = 3, .score = 0.25f};
    struct sg_result result = {.attributes = &attribute, .attribute_count = 1};
    char said[2048];

    (void)state;
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), SG_E_CONFIG);
    assert_string_equal(
        said, "m/model.yaml:1:34: golden a.jpg: expected class 5 score 0.500, closest class 3 score "
              "0.250\n");
    attribute = (struct sg_attribute){.class_id = -1, .has_value = true, .value = 12.5f};
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), SG_E_CONFIG);
    assert_string_equal(
        said, "m/model.yaml:1:34: golden a.jpg: expected class 5 score 0.500, closest a value 12.5\n");
    attribute = (struct sg_attribute){.class_id = 5, .score = 0.5f};
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), 0);
}

static void text_must_be_the_same(void **state)
{
    static const char yaml[] = "golden: {image: a.jpg, objects: [{text: TOTAL 19.35}]}\n";
    struct sg_object objects[] = {{.text = "TOTAL 19.35", .text_score = 0.99f, .parent = -1}};
    struct sg_result result = {.objects = objects, .object_count = 1};
    char said[2048];

    (void)state;
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), 0);
    objects[0].text = "TOTAL 19.85";
    assert_int_equal(compare(yaml, &result, said, sizeof(said)), SG_E_CONFIG);
    assert_non_null(strstr(said, "expected \"TOTAL 19.35\", closest \"TOTAL 19.85\""));
}

static void scores_that_are_no_numbers_do_not_agree(void **state)
{
    struct sg_object objects[] = {face(0, 0, 100, 100, (float)NAN), face(200, 0, 300, 100, 0.9f)};
    struct sg_result result = {.objects = objects, .object_count = 2};
    char said[2048];

    (void)state;
    assert_int_equal(compare(two_faces, &result, said, sizeof(said)), SG_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_found_agrees),
        cmocka_unit_test(a_miss_says_what_came_closest),
        cmocka_unit_test(every_miss_is_told),
        cmocka_unit_test(one_object_does_not_stand_for_two),
        cmocka_unit_test(only_allows_nothing_else),
        cmocka_unit_test(classes_and_values_of_a_whole_picture),
        cmocka_unit_test(things_without_names_are_told),
        cmocka_unit_test(text_must_be_the_same),
        cmocka_unit_test(scores_that_are_no_numbers_do_not_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
