/* SPDX-License-Identifier: MIT
 * Replies read back with cJSON, and compared with the texts of DESIGN's examples. Numbers are chosen by hand.
 */
#include "codec/json.h"

#include "base/clock.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sg_buf buf;

static int setup(void **state)
{
    (void)state;
    sg_buf_init(&buf, (size_t)4 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sg_buf_fini(&buf);
    return 0;
}

static void assert_number(double value, int decimals, const char *expected)
{
    sg_buf_clear(&buf);
    assert_int_equal(sg_json_number(value, decimals, &buf), 0);
    assert_string_equal(sg_buf_text(&buf), expected);
}

static void numbers_are_short_and_valid(void **state)
{
    (void)state;
    assert_number(0, 2, "0");
    assert_number(-0.001, 2, "0");
    assert_number(12.5, 2, "12.5");
    assert_number(80.25, 2, "80.25");
    assert_number(0.05, 2, "0.05");
    assert_number(-0.5, 2, "-0.5");
    assert_number(40, 2, "40");
    assert_number(100, 2, "100");
    assert_number(0.97314, 4, "0.9731");
    assert_number(0.99996, 4, "1");
    assert_number(0.9f, 4, "0.9");
    assert_number(1234567890, 0, "1234567890");
    assert_number(NAN, 2, "null");
    assert_number(-INFINITY, 2, "null");
    assert_number(1e300, 2, "1e+300");
    assert_number(-1e15, 6, "-1e+15");
}

static void assert_text(const char *text, const char *expected)
{
    cJSON *json;

    sg_buf_clear(&buf);
    assert_int_equal(sg_json_text(text, &buf), 0);
    assert_string_equal(sg_buf_text(&buf), expected);
    json = cJSON_Parse((const char *)buf.data);
    assert_non_null(json);
    cJSON_Delete(json);
}

static void texts_are_repaired(void **state)
{
    (void)state;
    assert_text("plain", "\"plain\"");
    assert_text("", "\"\"");
    assert_text(NULL, "null");
    assert_text("a\"b\\c\n\t\r\x01\x7f", "\"a\\\"b\\\\c\\n\\t\\r\\u0001\\u007f\"");
    assert_text("\xe4\xba\xba \xf0\x9f\x90\x95", "\"\xe4\xba\xba \xf0\x9f\x90\x95\"");
    assert_text("x\xff", "\"x\xef\xbf\xbd\"");
    assert_text("\xc3", "\"\xef\xbf\xbd\"");
    assert_text("\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"");                   /* overlong slash */
    assert_text("\xed\xa0\x80!", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!\""); /* a surrogate */
    assert_text("\xe4\xba", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    sg_buf_clear(&buf);
    assert_int_equal(sg_json_repair("", &buf), 0);
    assert_int_equal(buf.size, 0);
    assert_int_equal(sg_json_repair("a\"\n\xff\xe4\xba\xba\xc3", &buf), 0);
    assert_string_equal(sg_buf_text(&buf), "a\"\n\xef\xbf\xbd\xe4\xba\xba\xef\xbf\xbd");
}

static const struct sg_keypoint landmarks[] = {{1, 2, -1}, {3.456f, 4, -1}};
static struct sg_attribute attributes[] = {
    {.model = "age-gender",
     .name = "age",
     .class_id = -1,
     .has_value = true,
     .value = 31.25f,
     .unit = "years"},
    {.model = "expression", .class_id = 3, .label = "happy", .score = 0.9f},
};
static struct sg_object objects[] = {
    {.box = {12.5f, 40, 92.75f, 136}, .class_id = 0, .score = 0.9731f, .parent = -1},
    {.box = {0, 0, 10, 10.5f},
     .class_id = 7,
     .label = "face",
     .score = 0.5f,
     .landmarks = landmarks,
     .landmark_count = 2,
     .attributes = attributes,
     .attribute_count = 2,
     .parent = 0,
     .has_quad = true,
     .quad = {{0, 0}, {10, 0}, {10, 10.5f}, {0, 10.5f}},
     .text = "\xe4\xbd\xa0\"",
     .text_score = 0.75f},
};
static struct sg_result result = {.pipeline = "faces",
                                  .width = 1920,
                                  .height = 1080,
                                  .objects = objects,
                                  .object_count = 2,
                                  .timing_us = {1, 2, 3, 4, 5, 6, 7, 8, 36}};

static void seed_reply_is_as_designed(void **state)
{
    (void)state;
    assert_int_equal(sg_json_seed(&result, NULL, SG_JSON_SEED_MAX_BYTES, &buf), 0);
    assert_string_equal(
        sg_buf_text(&buf),
        "{\"object_list\":{\"object_num\":2,"
        "\"object0\":{\"bbox\":{\"x\":12.5,\"y\":40,\"w\":80.25,\"h\":96},\"classes\":0,\"objectness\":0."
        "9731},"
        "\"object1\":{\"bbox\":{\"x\":0,\"y\":0,\"w\":10,\"h\":10.5},\"classes\":7,\"objectness\":0.5,"
        "\"name\":\"face\",\"label\":\"happy\",\"prob\":0.9,\"classified\":["
        "{\"model\":\"age-gender\",\"name\":\"age\",\"value\":31.25,\"unit\":\"years\"},"
        "{\"model\":\"expression\",\"class\":3,\"label\":\"happy\",\"prob\":0.9}],"
        "\"text\":\"\xe4\xbd\xa0\\\"\",\"landmarks\":[[1,2],[3.46,4]]}}}");
}

static void failures_are_replies_too(void **state)
{
    const struct sg_json_native options = {.id = "7", .source = "a b.jpg"};
    struct sg_error err;

    (void)state;
    sg_error_set(&err, SG_E_BAD_IMAGE, "the bytes are no image \"%s\"", "x");
    assert_int_equal(sg_json_seed(NULL, &err, SG_JSON_SEED_MAX_BYTES, &buf), 0);
    assert_string_equal(sg_buf_text(&buf),
                        "{\"object_list\":{\"object_num\":0},\"error\":{\"code\":\"bad_image\",\"message\":"
                        "\"the bytes are no image \\\"x\\\"\"}}");
    sg_buf_clear(&buf);
    assert_int_equal(sg_json_native(NULL, &err, &options, &buf), 0);
    assert_string_equal(sg_buf_text(&buf),
                        "{\"id\":\"7\",\"source\":\"a b.jpg\",\"error\":{\"code\":\"bad_image\",\"message\":"
                        "\"the bytes are no image \\\"x\\\"\"}}");
}

static void native_reply_is_as_designed(void **state)
{
    const struct sg_json_native options = {.id = "7"};

    (void)state;
    assert_int_equal(sg_json_native(&result, NULL, &options, &buf), 0);
    assert_string_equal(
        sg_buf_text(&buf),
        "{\"id\":\"7\",\"pipeline\":\"faces\",\"image\":{\"width\":1920,\"height\":1080},\"objects\":["
        "{\"bbox\":{\"x\":12.5,\"y\":40,\"w\":80.25,\"h\":96},\"class_id\":0,\"score\":0.9731},"
        "{\"bbox\":{\"x\":0,\"y\":0,\"w\":10,\"h\":10.5},\"class_id\":7,\"label\":\"face\",\"score\":0.5,"
        "\"landmarks\":[[1,2],[3.46,4]],\"quad\":[[0,0],[10,0],[10,10.5],[0,10.5]],"
        "\"text\":\"\xe4\xbd\xa0\\\"\",\"text_score\":0.75,\"attributes\":["
        "{\"model\":\"age-gender\",\"name\":\"age\",\"value\":31.25,\"unit\":\"years\"},"
        "{\"model\":\"expression\",\"class_id\":3,\"label\":\"happy\",\"score\":0.9}],\"parent\":0}],"
        "\"timing_us\":{\"queue\":1,\"decode\":2,\"preprocess\":3,\"detect\":4,\"postprocess\":5,"
        "\"classify\":6,\"read\":7,\"encode\":8,\"total\":36}}");
}

/* Of a stream: its name, and a number of all 64 bits for what is followed. Written by hand from
 * docs/PROTOCOL.md; the replies above show that nothing is said where there is none. */
static void streams_and_what_is_followed(void **state)
{
    struct sg_object followed[] = {{.box = {0, 0, 1, 1}, .score = 0.5f, .parent = -1, .track_id = UINT64_MAX},
                                   {.box = {0, 0, 1, 1}, .score = 0.25f, .parent = 0},
                                   {.box = {0, 0, 1, 1}, .score = 0.25f, .parent = 0, .track_id = 1}};
    const struct sg_result of_stream = {.pipeline = "cars",
                                        .stream = "gate \"1\"",
                                        .width = 1,
                                        .height = 1,
                                        .objects = followed,
                                        .object_count = 3};
    const struct sg_json_native options = {.no_timing = true};
    struct sg_error err;

    (void)state;
    assert_int_equal(sg_json_native(&of_stream, NULL, &options, &buf), 0);
    assert_string_equal(
        sg_buf_text(&buf),
        "{\"pipeline\":\"cars\",\"stream\":\"gate "
        "\\\"1\\\"\",\"image\":{\"width\":1,\"height\":1},\"objects\":["
        "{\"bbox\":{\"x\":0,\"y\":0,\"w\":1,\"h\":1},\"class_id\":0,\"score\":0.5,\"track_id\":"
        "18446744073709551615},"
        "{\"bbox\":{\"x\":0,\"y\":0,\"w\":1,\"h\":1},\"class_id\":0,\"score\":0.25,\"parent\":0},"
        "{\"bbox\":{\"x\":0,\"y\":0,\"w\":1,\"h\":1},\"class_id\":0,\"score\":0.25,\"parent\":0,\"track_id\":"
        "1}]}");
    sg_buf_clear(&buf);
    assert_int_equal(sg_json_seed(&of_stream, NULL, SG_JSON_SEED_MAX_BYTES, &buf), 0);
    assert_string_equal(
        sg_buf_text(&buf),
        "{\"object_list\":{\"object_num\":3,"
        "\"object0\":{\"bbox\":{\"x\":0,\"y\":0,\"w\":1,\"h\":1},\"classes\":0,\"objectness\":0.5,\"track_"
        "id\":"
        "18446744073709551615},"
        "\"object1\":{\"bbox\":{\"x\":0,\"y\":0,\"w\":1,\"h\":1},\"classes\":0,\"objectness\":0.25},"
        "\"object2\":{\"bbox\":{\"x\":0,\"y\":0,\"w\":1,\"h\":1},\"classes\":0,\"objectness\":0.25,\"track_"
        "id\":1}}}");
    sg_buf_clear(&buf);
    sg_error_set(&err, SG_E_BAD_IMAGE, "no picture");
    assert_int_equal(sg_json_native(&of_stream, &err, NULL, &buf), 0);
    assert_string_equal(sg_buf_text(&buf),
                        "{\"pipeline\":\"cars\",\"stream\":\"gate \\\"1\\\"\",\"error\":{\"code\":"
                        "\"bad_image\",\"message\":\"no picture\"}}");
}

static void pictures_can_be_classified_as_a_whole(void **state)
{
    static const float vector[] = {0.6f, -0.8f};
    struct sg_attribute whole[] = {
        {.model = "net", .class_id = 207, .label = "golden retriever", .score = 1},
        {.model = "embed", .class_id = -1, .vector = vector, .vector_length = 2},
    };
    const struct sg_result only = {.width = 2, .height = 3, .attributes = whole, .attribute_count = 2};
    const struct sg_json_native options = {.no_timing = true};

    (void)state;
    assert_int_equal(sg_json_native(&only, NULL, &options, &buf), 0);
    assert_string_equal(sg_buf_text(&buf),
                        "{\"image\":{\"width\":2,\"height\":3},\"objects\":[],\"attributes\":["
                        "{\"model\":\"net\",\"class_id\":207,\"label\":\"golden retriever\",\"score\":1},"
                        "{\"model\":\"embed\",\"vector\":[0.6,-0.8]}]}");
    sg_buf_clear(&buf);
    assert_int_equal(sg_json_seed(&only, NULL, SG_JSON_SEED_MAX_BYTES, &buf), 0);
    assert_string_equal(sg_buf_text(&buf),
                        "{\"object_list\":{\"object_num\":0},\"label\":\"golden retriever\",\"prob\":1,"
                        "\"classified\":[{\"model\":\"net\",\"class\":207,\"label\":\"golden retriever\","
                        "\"prob\":1},{\"model\":\"embed\",\"vector\":[0.6,-0.8]}]}");
}

static void large_replies_keep_the_best(void **state)
{
    struct sg_object *many = calloc(SG_RESULT_MAX_OBJECTS, sizeof(*many));
    struct sg_result large = {.objects = many, .object_count = SG_RESULT_MAX_OBJECTS};
    cJSON *json, *list, *number;
    char name[32];
    size_t limit;
    int i;

    (void)state;
    assert_non_null(many);
    for (i = 0; i < SG_RESULT_MAX_OBJECTS; i++)
        many[i] = (struct sg_object){.box = {1.25f, 2, (float)i + 3.75f, 4},
                                     .label = "person",
                                     .parent = -1,
                                     .score = 1 - (float)i / 5000};
    for (limit = 150; limit <= SG_JSON_SEED_MAX_BYTES; limit = limit * 3 / 2) {
        sg_buf_clear(&buf);
        assert_int_equal(sg_json_seed(&large, NULL, limit, &buf), 0);
        assert_in_range(buf.size, 1, limit);
        json = cJSON_Parse(sg_buf_text(&buf));
        assert_non_null(json);
        list = cJSON_GetObjectItem(json, "object_list");
        number = cJSON_GetObjectItem(list, "object_num");
        assert_int_equal(cJSON_GetArraySize(list), number->valueint + 1);
        assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "truncated")));
        assert_int_equal(cJSON_GetObjectItem(json, "object_total")->valueint, SG_RESULT_MAX_OBJECTS);
        if (number->valueint > 0) {
            snprintf(name, sizeof(name), "object%d", number->valueint - 1);
            assert_non_null(cJSON_GetObjectItem(list, name));
            /* One more would not have fitted. */
            assert_true(buf.size + 200 > limit);
        }
        cJSON_Delete(json);
    }
    sg_buf_fini(&buf);
    sg_buf_init(&buf, 1000);
    assert_int_equal(sg_json_native(&large, NULL, NULL, &buf), SG_E_TOO_LARGE);
    free(many);
}

/* Of the picture's own answers, with and without objects beside them, whatever they hold. */
static void large_answers_are_cut_as_well(void **state)
{
    static const int counts[] = {1, 5, 40, 1000};
    struct sg_attribute *many = calloc(1000, sizeof(*many));
    struct sg_object *objects_too = calloc(2000, sizeof(*objects_too));
    float *vector = calloc(20000, sizeof(*vector));
    char label[2001];
    size_t round;

    (void)state;
    assert_non_null(many);
    assert_non_null(objects_too);
    assert_non_null(vector);
    for (round = 0; round < 20000; round++)
        vector[round] = 0.123456f;
    memset(label, 1, sizeof(label) - 1); /* each is six characters in JSON */
    label[sizeof(label) - 1] = '\0';
    for (round = 0; round < 16; round++) {
        int count = counts[round / 4], i;
        struct sg_result large = {.attributes = many, .attribute_count = count, .objects = objects_too};
        const cJSON *list, *classified;
        cJSON *json;

        large.object_count = round & 1 ? 2000 : 0;
        for (i = 0; i < 1000; i++) {
            many[i] = (struct sg_attribute){.model = "m", .class_id = i, .score = 1, .label = "short"};
            if (round & 2)
                many[i].label = label;
            else
                many[i].vector = vector, many[i].vector_length = 20000;
        }
        sg_buf_clear(&buf);
        assert_int_equal(sg_json_seed(&large, NULL, SG_JSON_SEED_MAX_BYTES, &buf), 0);
        assert_in_range(buf.size, 1, SG_JSON_SEED_MAX_BYTES);
        json = cJSON_Parse(sg_buf_text(&buf));
        assert_non_null(json);
        list = cJSON_GetObjectItem(json, "object_list");
        classified = cJSON_GetObjectItem(json, "classified");
        assert_int_equal(cJSON_GetArraySize(list), cJSON_GetObjectItem(list, "object_num")->valueint + 1);
        assert_true(!large.object_count || cJSON_GetObjectItem(list, "object100"));
        assert_true(cJSON_GetArraySize(classified) >= 1); /* none of them alone is too much */
        if (!(round & 2) || count >= 40) {
            assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "truncated")));
            assert_int_equal(cJSON_GetObjectItem(json, "classified_total")->valueint, count);
        }
        cJSON_Delete(json);
    }
    free(vector);
    free(objects_too);
    free(many);
}

static void nothing_that_is_no_number_is_printed(void **state)
{
    struct sg_object object = {.box = {NAN, -INFINITY, INFINITY, 1}, .score = NAN, .parent = -1};
    struct sg_result odd = {.objects = &object, .object_count = 1};
    cJSON *json;

    (void)state;
    assert_int_equal(sg_json_native(&odd, NULL, NULL, &buf), 0);
    assert_null(strstr(sg_buf_text(&buf), "nan"));
    assert_null(strstr(sg_buf_text(&buf), "inf"));
    json = cJSON_Parse((const char *)buf.data);
    assert_non_null(json);
    cJSON_Delete(json);
}

/* Not a test of the clock: prints what ten objects with a cascade cost. */
static void ten_objects_are_cheap(void **state)
{
    struct sg_object ten[10];
    struct sg_result crowd = result;
    int64_t begin, best = INT64_MAX, took;
    int i, round;

    (void)state;
    for (i = 0; i < 10; i++)
        ten[i] = objects[1];
    crowd.objects = ten;
    crowd.object_count = 10;
    for (round = 0; round < 20; round++) {
        begin = sg_clock_us();
        for (i = 0; i < 100; i++) {
            sg_buf_clear(&buf);
            assert_int_equal(sg_json_native(&crowd, NULL, NULL, &buf), 0);
        }
        took = sg_clock_us() - begin;
        best = took < best ? took : best;
    }
    print_message("native reply, 10 objects, %zu bytes: %.2f us\n", buf.size, (double)best / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_are_short_and_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_are_repaired, setup, teardown),
        cmocka_unit_test_setup_teardown(seed_reply_is_as_designed, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_are_replies_too, setup, teardown),
        cmocka_unit_test_setup_teardown(native_reply_is_as_designed, setup, teardown),
        cmocka_unit_test_setup_teardown(streams_and_what_is_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(pictures_can_be_classified_as_a_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(large_replies_keep_the_best, setup, teardown),
        cmocka_unit_test_setup_teardown(large_answers_are_cut_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_that_is_no_number_is_printed, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_objects_are_cheap, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
