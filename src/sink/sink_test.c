/* SPDX-License-Identifier: MIT
 * Texts of the formats, and outputs that were cut off. CSV's quoting is RFC 4180's; an ideal output is what
 * was written before it was cut.
 */
#include "sink/file.h"
#include "sink/sink_testing.h"

static void csv_is_quoted(void **state)
{
    struct sg_sink *sink = open_sink(SG_SINK_CSV, false);
    const struct sg_error bad = {.code = SG_E_BAD_IMAGE, .text = "no, not an image"};
    struct sg_sink_item item = item_of("a\nb.jpg", "a");

    (void)state;
    put(sink, &item);
    item = item_of("c.jpg", "c");
    item.result = &(const struct sg_result){0};
    item.err = &bad;
    put(sink, &item);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    expect_text("source,row,rows,width,height,class_id,label,score,x,y,w,h,text,attributes,error_code,error\n"
                "\"a\nb.jpg\",1,2,100,80,2,\"cat, \"\"big\"\"\",0.5,10,20,20.5,40,,,,\n"
                "\"a\nb.jpg\",2,2,100,80,0,犬,0.25,0,0,50,50,,,,\n"
                "c.jpg,1,1,,,,,,,,,,,,bad_image,\"no, not an image\"\n");
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

    (void)state;
    item.result = &both;
    put(sink, &item);
    assert_int_equal(sg_sink_close(&sink, true, NULL), 0);
    expect_text("source,row,rows,width,height,class_id,label,score,x,y,w,h,text,attributes,error_code,error\n"
                "a.jpg,1,3,100,80,0,face,1,1,2,3,4,,m 7 0.125; turn 90,,\n"
                "a.jpg,2,3,100,80,3,\"tabby, cat\",0.5,,,,,,\"cls tabby, cat 0.5\",,\n"
                "a.jpg,3,3,100,80,,,,,,,,,age 31.25 years,,\n");
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
        cmocka_unit_test(options_that_do_not_go_together),
        cmocka_unit_test(the_table_names_attributes),
        cmocka_unit_test(the_table_has_no_controls_of_others),
    };
    const struct CMUnitTest folders[] = {cmocka_unit_test(yolo_is_in_shares),
                                         cmocka_unit_test(a_name_of_two_lines_is_one_class)};
    int failed = cmocka_run_group_tests(tests, make_folder, NULL);

    unlink(path); /* a folder of that name is made */
    return failed + cmocka_run_group_tests(folders, NULL, remove_folder);
}
