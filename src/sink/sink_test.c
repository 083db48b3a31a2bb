/* SPDX-License-Identifier: MIT
 * Texts of the formats, and outputs that were cut off. CSV's quoting is RFC 4180's; an ideal output is what
 * was written before it was cut.
 */
#include "sink/sink.h"

#include "sink/file.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sink_test.XXXXXX", path[PATH_MAX];

static struct sg_object objects[2] = {
    {.box = {10, 20, 30.5f, 60}, .class_id = 2, .label = "cat, \"big\"", .score = 0.5f, .parent = -1},
    {.box = {0, 0, 50, 50}, .class_id = 0, .label = "犬", .score = 0.25f, .parent = -1}};
static struct sg_result result = {.width = 100, .height = 80, .objects = objects, .object_count = 2};

static struct sg_sink *open_sink(enum sg_sink_format format, bool resume)
{
    const struct sg_sink_options options = {
        .format = format, .output = path, .resume = resume, .no_timing = true};
    struct sg_sink *sink = NULL;
    struct sg_error err = {0};

    assert_int_equal(sg_sink_open(&options, &sink, &err), 0);
    return sink;
}

static struct sg_sink_item item_of(const char *source, const char *stem)
{
    return (struct sg_sink_item){.source = source, .name = source, .stem = stem, .result = &result};
}

static void put(struct sg_sink *sink, const struct sg_sink_item *item)
{
    struct sg_error err = {0};
    struct sg_buf text;

    sg_buf_init(&text, SG_SINK_ITEM_MAX);
    assert_int_equal(sg_sink_format_item(sink, item, &text), 0);
    assert_int_equal(sg_sink_put(sink, item, &text, &err), 0);
    sg_buf_fini(&text);
}

/* The file's text; the caller frees. */
static char *text_of(const char *name)
{
    struct sg_buf text;
    char *copy;

    sg_buf_init(&text, 1 << 20);
    assert_int_equal(sg_buf_append_file(&text, name), 0);
    copy = strndup(text.data ? (const char *)text.data : "", text.size);
    sg_buf_fini(&text);
    assert_non_null(copy);
    return copy;
}

static void csv_is_quoted(void **state)
{
    struct sg_sink *sink = open_sink(SG_SINK_CSV, false);
    const struct sg_error bad = {.code = SG_E_BAD_IMAGE, .text = "no, not an image"};
    struct sg_sink_item item = item_of("a\nb.jpg", "a");
    char *text;

    (void)state;
    put(sink, &item);
    item = item_of("c.jpg", "c");
    item.result = &(const struct sg_result){0};
    item.err = &bad;
    put(sink, &item);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    text = text_of(path);
    assert_string_equal(
        text, "source,row,rows,width,height,class_id,label,score,x,y,w,h,text,attributes,error_code,error\n"
              "\"a\nb.jpg\",1,2,100,80,2,\"cat, \"\"big\"\"\",0.5,10,20,20.5,40,,,,\n"
              "\"a\nb.jpg\",2,2,100,80,0,犬,0.25,0,0,50,50,,,,\n"
              "c.jpg,1,1,,,,,,,,,,,,bad_image,\"no, not an image\"\n");
    free(text);
}

/* Sixteen fields in each row, by hand from the header: what a classifier says of the whole picture has no
 * box. */
static void answers_about_a_picture_are_rows(void **state)
{
    struct sg_attribute of_picture[] = {
        {.model = "cls", .class_id = 3, .label = "tabby, cat", .score = 0.5f},
        {.model = "m", .name = "age", .class_id = -1, .has_value = true, .value = 31.25f, .unit = "years"}};
    struct sg_attribute of_object[] = {
        {.model = "m", .class_id = 7, .score = 0.125f},
        {.model = "m", .class_id = -1, .name = "turn", .has_value = true, .value = 90}};
    struct sg_object face = {.box = {1, 2, 4, 6},
                             .class_id = 0,
                             .label = "face",
                             .score = 1,
                             .parent = -1,
                             .attributes = of_object,
                             .attribute_count = 2};
    const struct sg_result both = {.width = 100,
                                   .height = 80,
                                   .objects = &face,
                                   .object_count = 1,
                                   .attributes = of_picture,
                                   .attribute_count = 2};
    struct sg_sink *sink = open_sink(SG_SINK_CSV, false);
    struct sg_sink_item item = item_of("a.jpg", "a");
    char *text;

    (void)state;
    item.result = &both;
    put(sink, &item);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    text = text_of(path);
    assert_string_equal(
        text, "source,row,rows,width,height,class_id,label,score,x,y,w,h,text,attributes,error_code,error\n"
              "a.jpg,1,3,100,80,0,face,1,1,2,3,4,,m 7 0.125; turn 90,,\n"
              "a.jpg,2,3,100,80,3,\"tabby, cat\",0.5,,,,,,\"cls tabby, cat 0.5\",,\n"
              "a.jpg,3,3,100,80,,,,,,,,,age 31.25 years,,\n");
    free(text);
}

/* A carriage return alone ends a line for many readers (Python's csv among them): it is quoted like LF. */
static void each_mark_of_csv_alone_is_quoted(void **state)
{
    static const char *const names[] = {"a\rb", "a\nb", "a,b", "a\"b", "a b"};
    static const char *const fields[] = {"\"a\rb\",1,", "\"a\nb\",1,", "\"a,b\",1,", "\"a\"\"b\",1,",
                                         "a b,1,"};
    struct sg_sink *sink = open_sink(SG_SINK_CSV, false);
    struct sg_buf text;
    size_t i;

    (void)state;
    sg_buf_init(&text, SG_SINK_ITEM_MAX);
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct sg_sink_item item = item_of(names[i], "a");

        sg_buf_clear(&text);
        assert_int_equal(sg_sink_format_item(sink, &item, &text), 0);
        assert_true(text.size > strlen(fields[i]));
        assert_memory_equal(text.data, fields[i], strlen(fields[i]));
    }
    sg_buf_fini(&text);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
}

static void yolo_is_in_shares(void **state)
{
    struct sg_sink *sink = open_sink(SG_SINK_YOLO, false);
    const struct sg_sink_item item = item_of("a.jpg", "sub/a");
    char name[PATH_MAX + 16], *text;

    (void)state;
    put(sink, &item);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    snprintf(name, sizeof(name), "%s/sub/a.txt", path);
    text = text_of(name);
    /* centre (20.25, 40) and size (20.5, 40) of 100 x 80 */
    assert_string_equal(text, "2 0.2025 0.5 0.205 0.5 0.5\n0 0.25 0.3125 0.5 0.625 0.25\n");
    free(text);
    unlink(name);
    snprintf(name, sizeof(name), "%s/classes.txt", path);
    text = text_of(name);
    assert_string_equal(text, "犬\nclass_1\ncat, \"big\"\n");
    free(text);
    unlink(name);
    snprintf(name, sizeof(name), "%s/sub", path);
    rmdir(name);
    rmdir(path);
}

/* "a\nb" is what the metadata {0: 'a\\nb'} names; line n of classes.txt must stay that of class n. */
static void a_name_of_two_lines_is_one_class(void **state)
{
    static char longest[600] = "a\r\nb ";
    static const char *const names[] = {"one\ntwo", NULL};
    struct sg_object odd = {.box = {0, 0, 50, 80}, .class_id = 2, .label = longest, .score = 1, .parent = -1};
    const struct sg_result one = {.width = 100, .height = 80, .objects = &odd, .object_count = 1};
    struct sg_sink_item item = {.source = "a.jpg", .name = "a.jpg", .stem = "a", .result = &one};
    struct sg_sink *sink = open_sink(SG_SINK_YOLO, false);
    char name[PATH_MAX + 16], expected[700], *text;

    (void)state;
    memset(longest + 5, 'c', sizeof(longest) - 6);
    assert_int_equal(sg_sink_classes(sink, names, 2, NULL), 0);
    put(sink, &item);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    snprintf(name, sizeof(name), "%s/classes.txt", path);
    text = text_of(name);
    snprintf(expected, sizeof(expected), "one two\nclass_1\na  b%s\n", longest + 4);
    assert_string_equal(text, expected);
    free(text);
    unlink(name);
    snprintf(name, sizeof(name), "%s/a.txt", path);
    unlink(name);
    rmdir(path);
}

/* Labels come from models of others, which may say "\x1b[2J" in their metadata. */
static void the_table_has_no_controls_of_others(void **state)
{
    struct sg_attribute said[] = {
        {.model = "m\x1b", .class_id = 3, .score = 0.5f},
        {.model = "m", .label = "l\n", .score = 0.5f},
        {.model = "m", .name = "n\xc2\x9b", .has_value = true, .value = 2, .unit = "\t"}};
    struct sg_object odd = {.box = {0, 0, 50, 80},
                            .label = "\x1b[2Jcat",
                            .score = 0.5f,
                            .parent = -1,
                            .text = "\x07",
                            .text_score = 0.5f,
                            .attributes = said,
                            .attribute_count = 3};
    const struct sg_result one = {.width = 100, .height = 80, .objects = &odd, .object_count = 1};
    const struct sg_sink_item item = {.source = "a\n.jpg", .name = "a", .stem = "a", .result = &one};
    struct sg_sink *sink = open_sink(SG_SINK_TABLE, false);
    struct sg_buf text;

    (void)state;
    sg_buf_init(&text, SG_SINK_ITEM_MAX);
    assert_int_equal(sg_sink_format_item(sink, &item, &text), 0);
    assert_string_equal(
        sg_buf_text(&text),
        "a?.jpg  100x80  1 object\n"
        "  ?[2Jcat        0.50  at    0,0    size   50x80    m? class 3 0.50  l? 0.50  n?? 2 ?"
        "  \"?\" 0.50\n");
    sg_buf_fini(&text);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    unlink(path);
}

/* Cut after every byte: what is resumed is what would have been written. */
static void every_cut_is_healed(void **state)
{
    static const enum sg_sink_format formats[] = {SG_SINK_JSONL, SG_SINK_CSV};
    static const char *const names[] = {"a.jpg", "b,\".jpg", "a.jpg", "日\\.jpg"};
    size_t f, length, cut, i;

    (void)state;
    for (f = 0; f < 2; f++) {
        struct sg_sink *sink = open_sink(formats[f], false);
        char *whole, *healed;

        for (i = 0; i < 4; i++)
            put(sink, &(const struct sg_sink_item){
                          .source = names[i], .name = names[i], .stem = "x", .result = &result});
        assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
        whole = text_of(path);
        length = strlen(whole);
        for (cut = 0; cut <= length; cut++) {
            FILE *file = fopen(path, "we");

            assert_non_null(file);
            assert_int_equal(fwrite(whole, 1, cut, file), cut);
            assert_int_equal(fclose(file), 0);
            sink = open_sink(formats[f], true);
            for (i = 0; i < 4; i++) {
                const struct sg_sink_item item = item_of(names[i], "x");
                bool failed;

                if (!sg_sink_holds(sink, &item, &failed))
                    put(sink, &item);
            }
            assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
            healed = text_of(path);
            assert_string_equal(healed, whole);
            free(healed);
        }
        free(whole);
    }
}

/* One that went well, one that failed, one named twice of which the second failed. */
static void failures_are_held_apart(void **state)
{
    static const enum sg_sink_format formats[] = {SG_SINK_JSONL, SG_SINK_CSV};
    const struct sg_error bad = {.code = SG_E_BAD_IMAGE, .text = "no picture, \"really\""};
    const struct sg_result named = {.pipeline = "people \"1\""};
    size_t f;

    (void)state;
    for (f = 0; f < 2; f++) {
        struct sg_sink *sink = open_sink(formats[f], false);
        const struct sg_sink_item well = item_of("a.jpg", "x"), twice = item_of("c.jpg", "x");
        struct sg_sink_item failing = item_of("b.jpg", "x"), again = twice;
        bool failed;

        failing.err = again.err = &bad;
        failing.result = &named; /* got as far as its pipeline */
        put(sink, &well);
        put(sink, &failing);
        put(sink, &twice);
        put(sink, &again);
        assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
        sink = open_sink(formats[f], true);
        assert_true(sg_sink_holds(sink, &well, &failed) && !failed);
        assert_true(sg_sink_holds(sink, &failing, &failed) && failed);
        assert_true(sg_sink_holds(sink, &twice, &failed) && failed);
        assert_true(sg_sink_holds(sink, &twice, &failed) && !failed);
        assert_false(sg_sink_holds(sink, &twice, &failed));
        assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
        unlink(path);
    }
}

static void expect_text(const char *expected)
{
    char *text = text_of(path);

    assert_string_equal(text, expected);
    free(text);
}

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
static void coco_has_everything(void **state)
{
    struct sg_attribute attributes[] = {
        {.model = "m", .name = "colour", .class_id = 1, .label = "red"},
        {.model = "m", .name = "colour", .class_id = 2, .label = "blue"}, /* a name counts once */
        {.model = "cls", .class_id = 3},
        {.model = "m", .name = "age", .class_id = -1, .has_value = true, .value = 31.23456f},
        {.class_id = 5},                                /* has no name at all */
        {.model = "m", .name = "none", .class_id = -1}, /* says nothing */
    };
    const struct sg_point outline[3] = {{0, 0}, {4, 0}, {0, 3}};
    const struct sg_keypoint points[3] = {{1, 2, -1}, {3.5f, 4, 0.49f}, {5, 6, 0.5f}};
    struct sg_object both[2] = {{.box = {1, 2, 10, 8},
                                 .class_id = 3,
                                 .label = "plate",
                                 .score = 0.75f,
                                 .has_quad = true,
                                 .quad = {{1, 2}, {10, 3}, {9, 8}, {2, 7}},
                                 .text = "A \"1\"",
                                 .attributes = attributes,
                                 .attribute_count = 6,
                                 .parent = -1},
                                {.box = {0, 0, 4, 4},
                                 .class_id = 0,
                                 .score = 1,
                                 .has_quad = true, /* the outline of the mask comes first */
                                 .polygon = outline,
                                 .polygon_count = 3,
                                 .parent = -1}};
    struct sg_object second[2] = {{.box = {0.125f, 0, 5.125f, 2},
                                   .class_id = 0,
                                   .label = "face",
                                   .score = 0.12345f,
                                   .landmarks = points,
                                   .landmark_count = 3,
                                   .polygon = outline,
                                   .polygon_count = 2, /* is none */
                                   .parent = -1},
                                  {.box = {0, 0, 1, 1}, .class_id = 0, .parent = -1}};
    const struct sg_result results[2] = {{.width = 100, .height = 80, .objects = both, .object_count = 2},
                                         {.width = 60, .height = 50, .objects = second, .object_count = 2}};
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

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
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

static void refuse(const struct sg_sink_options *options, int code, const char *text)
{
    struct sg_sink *sink = NULL;
    struct sg_error err = {0};

    assert_int_equal(sg_sink_open(options, &sink, &err), code);
    assert_null(sink);
    assert_string_equal(err.text, text);
}

static void options_that_do_not_go_together(void **state)
{
    struct sg_sink_options options = {.format = SG_SINK_TABLE, .output = path, .resume = true};
    struct sg_error err = {0};
    char long_name[SG_FILE_PATH_MAX + 100], text[PATH_MAX + 100], out[SG_FILE_PATH_MAX];

    (void)state;
    refuse(&options, SG_E_INVALID, "the format table cannot be resumed");
    options = (struct sg_sink_options){.format = SG_SINK_CSV, .output = folder};
    snprintf(text, sizeof(text), "\"%s\" is a folder; --output takes a file for csv", folder);
    refuse(&options, SG_E_INVALID, text);
    assert_int_equal(sg_sink_look(&options, &err), SG_E_INVALID);
    assert_string_equal(err.text, text);
    options = (struct sg_sink_options){.format = SG_SINK_YOLO};
    refuse(&options, SG_E_INVALID,
           "the format yolo writes a file per picture: name a folder with --output DIR");
    assert_int_equal(sg_sink_look(&options, &err), 0);
    write_text(path, "");
    options.output = path;
    snprintf(text, sizeof(text), "cannot make folder \"%s\": Not a directory", path);
    refuse(&options, SG_E_IO, text);
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    options.output = "/tmp";
    assert_int_equal(sg_sink_file_of(&options, long_name, out, &err), SG_E_INVALID);
    snprintf(text, sizeof(text), "the name \"%.60s…\" is too long", long_name);
    assert_string_equal(err.text, text);
    long_name[SG_FILE_PATH_MAX - strlen("/tmp/.txt")] = '\0'; /* the end has no room */
    assert_int_equal(sg_sink_file_of(&options, long_name, out, &err), SG_E_INVALID);
    long_name[SG_FILE_PATH_MAX - strlen("/tmp/.txt") - 1] = '\0';
    assert_int_equal(sg_sink_file_of(&options, long_name, out, &err), 0);
    assert_int_equal(strlen(out), SG_FILE_PATH_MAX - 1);
    assert_int_equal(sg_sink_file_of(&options, "sub/a", out, &err), 0);
    assert_string_equal(out, "/tmp/sub/a.txt");
    options.format = SG_SINK_CSV;
    assert_int_equal(sg_sink_file_of(&options, "sub/a", out, &err), 0);
    assert_string_equal(out, "");
    unlink(path);
}

/* The table's words for what has no label: the class's number, a value with its unit, how long a vector is.
 */
static void the_table_names_attributes(void **state)
{
    static const float vector[3] = {1, 2, 3};
    struct sg_attribute attributes[] = {
        {.model = "cls", .class_id = 7, .score = 0.25f},
        {.model = "cls", .class_id = 7, .label = "cat", .score = 0.5f},
        {.model = "m", .name = "age", .class_id = -1, .has_value = true, .value = 31.256f, .unit = "years"},
        {.model = "m", .name = "turn", .class_id = -1, .has_value = true, .value = 90},
        {.model = "embed", .class_id = -1, .label = "x", .vector = vector, .vector_length = 3},
    };
    struct sg_object face = {.box = {1, 2, 4, 6},
                             .label = "face",
                             .score = 1,
                             .parent = -1,
                             .attributes = attributes,
                             .attribute_count = 5};
    const struct sg_result one = {.width = 100, .height = 80, .objects = &face, .object_count = 1};
    struct sg_sink *sink = open_sink(SG_SINK_TABLE, false);
    struct sg_sink_item item = item_of("a.jpg", "a");
    char *text;

    (void)state;
    item.result = &one;
    put(sink, &item);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    text = text_of(path);
    assert_non_null(
        strstr(text, "  cls class 7 0.25  cat 0.50  age 31.26 years  turn 90  embed [3 numbers]"));
    free(text);
}

static void endings_choose_formats(void **state)
{
    (void)state;
    assert_int_equal(sg_sink_format_of("a.csv"), SG_SINK_CSV);
    assert_int_equal(sg_sink_format_of("a.JSON"), SG_SINK_JSON);
    assert_int_equal(sg_sink_format_of("a.jsonl"), SG_SINK_JSONL);
    assert_int_equal(sg_sink_format_of("folder.csv/a"), SG_SINK_JSONL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_is_quoted),
        cmocka_unit_test(answers_about_a_picture_are_rows),
        cmocka_unit_test(each_mark_of_csv_alone_is_quoted),
        cmocka_unit_test(every_cut_is_healed),
        cmocka_unit_test(failures_are_held_apart),
        cmocka_unit_test(endings_choose_formats),
        cmocka_unit_test(coco_has_everything),
        cmocka_unit_test(json_is_an_array_of_lines),
        cmocka_unit_test(outputs_of_others_are_left_alone),
        cmocka_unit_test(a_part_of_others_is_no_document),
        cmocka_unit_test(options_that_do_not_go_together),
        cmocka_unit_test(the_table_names_attributes),
        cmocka_unit_test(the_table_has_no_controls_of_others),
    };
    const struct CMUnitTest folders[] = {cmocka_unit_test(yolo_is_in_shares),
                                         cmocka_unit_test(a_name_of_two_lines_is_one_class)};
    int failed;

    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof(path), "%s/out", folder);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    failed += cmocka_run_group_tests(folders, NULL, NULL);
    rmdir(folder);
    return failed;
}
