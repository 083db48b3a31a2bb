/* SPDX-License-Identifier: MIT
 * Outputs that are one document (COCO, JSON), and outputs that other programs wrote.
 */
#include "sink/sink_testing.h"

#define COCO_HEAD "{\"info\":{\"description\":\"made by sightd\"},\"licenses\":[],\"images\":["
#define PLATE                                                                                                \
    "{\"category_id\":4,\"bbox\":[1,2,9,6],\"segmentation\":[[1,2,10,3,9,8,2,7]],\"area\":40,\"iscrowd\":0," \
    "\"score\":0.75,\"text\":\"A \\\"1\\\"\",\"attributes\":{\"colour\":\"red\",\"cls\":3,\"age\":31.2346},"
#define MASK                                                                                                 \
    "{\"category_id\":1,\"bbox\":[0,0,4,4],\"segmentation\":[[0,0,4,0,0,3]],\"area\":6,\"iscrowd\":0,"       \
    "\"score\":1,"
#define FACE                                                                                                 \
    "{\"category_id\":1,\"bbox\":[0.13,0,5,2],\"area\":10,\"iscrowd\":0,\"score\":0.1235,"                   \
    "\"keypoints\":[1,2,2,3.5,4,1,5,6,2],\"num_keypoints\":2,"
#define MORE "{\"category_id\":1,\"bbox\":[0,0,1,1],\"area\":1,\"iscrowd\":0,\"score\":0,"

/* COCO's data format: the area is that of the outline, a quad is an outline of four points; v of a keypoint
 * is 2 when it is seen, 1 when it is only labelled. Areas by hand: the quad by the shoelace formula is
 * |1*3-10*2 + 10*8-9*3 + 9*7-2*8 + 2*2-1*7| / 2 = |-17 + 53 + 47 - 3| / 2 = 40. */
static struct sg_attribute coco_attributes[] = {
    {.model = "m", .name = "colour", .class_id = 1, .label = "red"},
    {.model = "m", .name = "colour", .class_id = 2, .label = "blue"}, /* a name counts once */
    {.model = "cls", .class_id = 3},
    {.model = "m", .name = "age", .class_id = -1, .has_value = true, .value = 31.23456f},
    {.class_id = 5},                                /* has no name at all */
    {.model = "m", .name = "none", .class_id = -1}, /* says nothing */
};
static const struct sg_point outline[3] = {{0, 0}, {4, 0}, {0, 3}};
static const struct sg_keypoint points[3] = {{1, 2, -1}, {3.5f, 4, 0.49f}, {5, 6, 0.5f}};
static struct sg_object both[2] = {{.box = {1, 2, 10, 8},
                                    .class_id = 3,
                                    .label = "plate",
                                    .score = 0.75f,
                                    .has_quad = true,
                                    .quad = {{1, 2}, {10, 3}, {9, 8}, {2, 7}},
                                    .text = "A \"1\"",
                                    .attributes = coco_attributes,
                                    .attribute_count = 6,
                                    .parent = -1},
                                   {.box = {0, 0, 4, 4},
                                    .class_id = 0,
                                    .score = 1,
                                    .has_quad = true, /* the outline of the mask comes first */
                                    .polygon = outline,
                                    .polygon_count = 3,
                                    .parent = -1}};
static struct sg_object second[2] = {{.box = {0.125f, 0, 5.125f, 2},
                                      .class_id = 0,
                                      .label = "face",
                                      .score = 0.12345f,
                                      .landmarks = points,
                                      .landmark_count = 3,
                                      .polygon = outline,
                                      .polygon_count = 2, /* is none */
                                      .parent = -1},
                                     {.box = {0, 0, 1, 1}, .class_id = 0, .parent = -1}};
static const struct sg_result results[2] = {
    {.width = 100, .height = 80, .objects = both, .object_count = 2},
    {.width = 60, .height = 50, .objects = second, .object_count = 2}};

static void coco_has_everything(void **state)
{
    const struct sg_error bad = {.code = SG_E_BAD_IMAGE, .text = "x"};
    const char *const whole =
        COCO_HEAD "\n{\"id\":1,\"file_name\":\"sub/a \\\"b\\\".jpg\",\"width\":100,\"height\":80},\n"
                  "{\"id\":2,\"file_name\":\"c.jpg\",\"width\":60,\"height\":50}\n],\"annotations\":[\n" PLATE
                  "\"image_id\":1,\"id\":1},\n" MASK "\"image_id\":1,\"id\":2},\n" FACE
                  "\"image_id\":2,\"id\":3},\n" MORE "\"image_id\":2,\"id\":4}\n],\"categories\":[\n"
                  "{\"id\":1,\"name\":\"class 0\"},\n{\"id\":4,\"name\":\"plate\"}\n]}\n";
    struct sg_sink *sink = open_sink(SG_SINK_COCO, false);
    struct sg_sink_item item = item_of("/in/sub/a \"b\".jpg", "sub/a"), failing = item_of("bad.jpg", "bad");
    struct sg_error err = {0};
    char part[PATH_MAX];
    bool failed;

    (void)state;
    item.name = "sub/a \"b\".jpg";
    item.result = &results[0];
    put(sink, &item);
    failing.err = &bad; /* has no place in a data set */
    put(sink, &failing);
    assert_int_equal(sg_sink_close(&sink, true, &err), 0);
    sink = open_sink(SG_SINK_COCO, true); /* the document becomes lines again */
    assert_int_equal(sg_sink_held(sink), 1);
    assert_true(sg_sink_holds(sink, &item, &failed));
    assert_false(failed);
    assert_false(sg_sink_holds(sink, &failing, &failed));
    item = item_of("/in/c.jpg", "c");
    item.name = "c.jpg";
    item.result = &results[1];
    assert_false(sg_sink_holds(sink, &item, &failed));
    put(sink, &item);
    assert_int_equal(sg_sink_close(&sink, false, &err), 0); /* is left as it is */
    snprintf(part, sizeof(part), "%.4000s.part", path);
    assert_int_equal(access(part, F_OK), 0);
    sink = open_sink(SG_SINK_COCO, true);
    assert_int_equal(sg_sink_held(sink), 2);
    assert_int_equal(sg_sink_close(&sink, true, &err), 0);
    assert_int_equal(access(part, F_OK), -1);
    expect_text(whole);
    sink = open_sink(SG_SINK_COCO, true);
    assert_int_equal(sg_sink_close(&sink, true, &err), 0);
    expect_text(whole);
    sink = open_sink(SG_SINK_COCO, false); /* an empty one */
    assert_int_equal(sg_sink_close(&sink, true, &err), 0);
    expect_text(COCO_HEAD "\n],\"annotations\":[\n],\"categories\":[\n]}\n");
    unlink(path);
}

static void json_is_an_array_of_lines(void **state)
{
    struct sg_sink *sink = open_sink(SG_SINK_JSON, false);
    const struct sg_error bad = {.code = SG_E_BAD_IMAGE, .text = "x"};
    struct sg_sink_item one = item_of("a.jpg", "a"), two = item_of("b.jpg", "b");
    char *whole, *again;
    bool failed;

    (void)state;
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    expect_text("[\n]\n");
    sink = open_sink(SG_SINK_JSON, true);
    one.err = two.err = &bad;
    put(sink, &one);
    put(sink, &two);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    whole = text_of(path);
    assert_true(strncmp(whole, "[\n{\"source\":\"a.jpg\",", 20) == 0);
    assert_non_null(strstr(whole, "},\n{\"source\":\"b.jpg\","));
    assert_string_equal(whole + strlen(whole) - 4, "}\n]\n");
    sink = open_sink(SG_SINK_JSON, true);
    assert_true(sg_sink_holds(sink, &two, &failed) && failed);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    again = text_of(path);
    assert_string_equal(again, whole);
    free(again);
    free(whole);
    unlink(path);
}

#define CSV_HEADER                                                                                           \
    "source,row,rows,width,height,class_id,label,score,x,y,w,h,text,attributes,error_code,error\n"

/* What another program wrote is named, and stays as it is. */
static void outputs_of_others_are_left_alone(void **state)
{
    static const char *const of_json = "it is not an array that this format wrote",
                             *const of_coco = "it is not a COCO document that this format wrote";
    const struct {
        enum sg_sink_format format;
        const char *text, *why;
    } rows[] = {
        {SG_SINK_JSON, "[]\n", of_json},
        {SG_SINK_JSON, "[\n]", of_json},
        {SG_SINK_JSON, "[ {}\n]\n", of_json},
        {SG_SINK_JSON, "[\n{\"a\":1}\n]\n", "line 1 was not written by this format"},
        {SG_SINK_JSON, "[\n{\"source\":\"a\",\"b\":1},\n{\"a\":1}\n]\n",
         "line 2 was not written by this format"},
        {SG_SINK_JSON, "[\n{\"source\":\"a\",\"b\":1} \n]\n", "line 1 was not written by this format"},
        {SG_SINK_COCO, "[]", of_coco},
        {SG_SINK_COCO, "{\"images\":[]}", of_coco},
        {SG_SINK_COCO, "{\"images\":{},\"annotations\":[]}", of_coco},
        {SG_SINK_COCO, "{\"images\":[{\"id\":1,\"file_name\":2}],\"annotations\":[]}", of_coco},
        {SG_SINK_COCO, "{\"images\":[{\"id\":1,\"file_name\":\"a\"}],\"annotations\":[{\"image_id\":2}]}",
         of_coco},
        {SG_SINK_COCO, "{\"images\":[", of_coco},
        {SG_SINK_JSONL, "{\"a\":1}\n", "line 1 was not written by this format"},
        /* rows of 15 and 16 fields; the header has 91 bytes */
        {SG_SINK_CSV, CSV_HEADER "a,1,1,,,,,,,,,,,,\n", "the row at byte 91 was not written by this format"},
        {SG_SINK_CSV, CSV_HEADER "a,2,1,,,,,,,,,,,,,\n", "the row at byte 91 was not written by this format"},
        {SG_SINK_CSV, CSV_HEADER "a,0,1,,,,,,,,,,,,,\n", "the row at byte 91 was not written by this format"},
        {SG_SINK_CSV, CSV_HEADER "a,1,1,,,,,,,,,,,,,\nb,x,1,,,,,,,,,,,,,\n",
         "the row at byte 110 was not written by this format"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sg_sink_options options = {.format = rows[i].format, .output = path, .resume = true};
        struct sg_sink *sink = NULL;
        struct sg_error err = {0};
        char whole[PATH_MAX + 100], part[PATH_MAX];
        bool has_part = strncmp(rows[i].why, "line", 4) == 0 && rows[i].format == SG_SINK_JSON;

        write_text(path, rows[i].text);
        assert_int_equal(sg_sink_open(&options, &sink, &err), SG_E_CONFIG);
        assert_null(sink);
        snprintf(part, sizeof(part), "%.4000s.part", path);
        snprintf(whole, sizeof(whole), "cannot resume \"%s\": %s", has_part ? part : path, rows[i].why);
        assert_string_equal(err.text, whole);
        expect_text(rows[i].text);
        unlink(part);
    }
    unlink(path);
}

/* What was put before is read back when a document ends: what cannot be read is said. */
static void a_part_of_others_is_no_document(void **state)
{
    struct sg_sink *sink = open_sink(SG_SINK_COCO, false);
    struct sg_sink_item item = item_of("a.jpg", "a");
    struct sg_error err = {0};
    char part[PATH_MAX];

    (void)state;
    put(sink, &item);
    snprintf(part, sizeof(part), "%.4000s.part", path);
    write_text(part, "{\"file_name\":\"a\",\"width\":1,\"height\":1}\n{\"file_name\":\n");
    assert_int_equal(sg_sink_close(&sink, true, &err), SG_E_CONFIG);
    assert_string_equal(err.text, "picture 2 of the part written before cannot be read");
    assert_int_equal(access(part, F_OK), 0);
    assert_int_equal(access(path, F_OK), -1);
    sink = open_sink(SG_SINK_COCO, false);
    assert_int_equal(unlink(part), 0);
    assert_int_equal(sg_sink_close(&sink, true, &err), SG_E_IO);
    assert_non_null(strstr(err.text, ".part\" back: No such file"));
    assert_null(sink);
    assert_int_equal(sg_sink_close(&sink, true, &err), 0); /* of none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coco_has_everything),
        cmocka_unit_test(json_is_an_array_of_lines),
        cmocka_unit_test(outputs_of_others_are_left_alone),
        cmocka_unit_test(a_part_of_others_is_no_document),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
