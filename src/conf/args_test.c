/* SPDX-License-Identifier: MIT
 * The command line over the server's table and a small one.
 */
#include "conf/args.h"
#include "conf/args_hints.h"
#include "conf/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct extra {
    bool json, has_json;
    struct sg_text config;
    struct sg_texts classes;
    float threshold;
};

static const struct sg_option extra_rows[] = {
    {.key = "json",
     .type = SG_OPTION_BOOL,
     .offset = offsetof(struct extra, json),
     .set_offset = offsetof(struct extra, has_json),
     .short_flag = 'j',
     .help = "one JSON line per picture"},
    {.key = "config",
     .type = SG_OPTION_TEXT,
     .offset = offsetof(struct extra, config),
     .short_flag = 'c',
     .value_name = "FILE",
     .help = "settings"},
    {.key = "classes",
     .type = SG_OPTION_TEXTS,
     .offset = offsetof(struct extra, classes),
     .flags = SG_OPTION_COMMA,
     .help = "labels that are kept"},
    {.key = "threshold",
     .type = SG_OPTION_FLOAT,
     .offset = offsetof(struct extra, threshold),
     .short_flag = 't',
     .maximum = 1,
     .value_default = "0.5",
     .help = "least score of an object"},
};
static const struct sg_option_table extra_table = {"extra", "", extra_rows, 4,
                                                   .struct_bytes = sizeof(struct extra)};
static const char *const examples[] = {"sight detect photo.jpg", "boxes and labels of one picture", NULL};
static const struct sg_args_command command = {"sight detect",
                                               "Finds objects in pictures.",
                                               "IMAGE…",
                                               1,
                                               3,
                                               "Runs in process, without a server.",
                                               examples,
                                               NULL};

static struct sg_server_conf conf;
static struct extra extra;
static struct sg_args args;
static struct sg_error err;
static const struct sg_args_binding bindings[] = {
    {&extra_table, &extra}, {&sg_server_table, &conf}, {NULL, NULL}};

static int setup(void **state)
{
    (void)state;
    return sg_server_conf_init(&conf) < 0 || sg_option_defaults(&extra_table, &extra) < 0;
}

static int teardown(void **state)
{
    (void)state;
    sg_server_conf_fini(&conf);
    sg_option_fini(&extra_table, &extra);
    sg_args_fini(&args);
    return 0;
}

#define PARSE(...)                                                                                           \
    sg_args_parse(&command, bindings, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),         \
                  (char **)(const char *[]){__VA_ARGS__}, &args, &err)

static void flags_change_what_they_name(void **state)
{
    (void)state;
    assert_int_equal(PARSE("a.jpg", "--max-pixels", "20M", "--listen=:9", "-j", "--pipelines", "x", "-t0.25",
                           "-", "--classes", "person,car", "--pipelines=y", "--", "--odd.jpg"),
                     0);
    assert_int_equal(args.positional_count, 3);
    assert_string_equal(args.positionals[1], "-");
    assert_string_equal(args.positionals[2], "--odd.jpg");
    assert_int_equal(conf.max_pixels, 20000000);
    assert_string_equal(conf.listen.items[0].value, ":9");
    assert_int_equal(conf.pipelines.count, 2); /* the default is replaced, not added to */
    assert_string_equal(conf.pipelines.items[1].value, "y");
    assert_int_equal(extra.classes.count, 2);
    assert_true(extra.json && extra.has_json && extra.threshold == 0.25f);
    assert_int_equal(conf.max_connections, 4096);
}

static void bools_can_be_taken_back(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--json", "--no-json", "x"), 0);
    assert_false(extra.json);
    sg_args_fini(&args);
    assert_int_equal(PARSE("--json=true", "x"), 0);
    assert_true(extra.json);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--treshold", "1", "x"), SG_E_INVALID);
    assert_string_equal(err.text, "unknown flag --treshold; did you mean --threshold?");
    assert_int_equal(PARSE("--max_pixel=1", "x"), SG_E_INVALID);
    assert_string_equal(err.text, "unknown flag --max_pixel=1; did you mean --max-pixels?");
    assert_int_equal(PARSE("-z", "x"), SG_E_INVALID);
    assert_string_equal(err.text, "unknown flag -z; `sight detect --help` lists them all");
    assert_int_equal(PARSE("--threshold", "2", "x"), SG_E_INVALID);
    assert_string_equal(err.text, "--threshold: expected 0 to 1, got 2");
    assert_int_equal(err.code, SG_E_INVALID);
    assert_int_equal(PARSE("x", "--threshold"), SG_E_INVALID);
    assert_string_equal(err.text, "--threshold needs a value: a number, 0 to 1");
    assert_int_equal(PARSE("--threshold", "--json", "x"), SG_E_INVALID);
    assert_int_equal(PARSE("--no-threshold", "x"), SG_E_INVALID);
    assert_int_equal(PARSE("--json"), SG_E_INVALID);
    assert_string_equal(err.text, "IMAGE… is missing; usage: sight detect [options] IMAGE…");
    assert_int_equal(PARSE("1", "2", "3", "4"), SG_E_INVALID);
    assert_string_equal(err.text, "unexpected \"4\"; usage: sight detect [options] IMAGE…");
    assert_int_equal(PARSE("--nonsense", "-h"), 0);
    assert_true(args.help);
}

static void help_is_aligned_and_wrapped(void **state)
{
    const struct sg_args_binding one[] = {{&extra_table, NULL}, {NULL, NULL}};
    const struct sg_args_command *const commands[] = {&command, NULL};
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(to);
    sg_args_help(&command, one, to, 50);
    sg_args_overview("Commands", commands, to, 50);
    fclose(to);
    assert_string_equal(text, "Finds objects in pictures.\n"
                              "\n"
                              "Usage\n"
                              "  sight detect [options] IMAGE…\n"
                              "\n"
                              "Runs in process, without a server.\n"
                              "\n"
                              "Options\n"
                              "  -j, --json          one JSON line per picture\n"
                              "  -c, --config FILE   settings\n"
                              "      --classes TEXT  labels that are kept\n"
                              "  -t, --threshold X   least score of an object (0\n"
                              "                      to 1; default 0.5)\n"
                              "  -h, --help          this help\n"
                              "\n"
                              "Exit status\n"
                              "  0 when all went well, 1 when something failed, 2\n"
                              "  for a wrong command line, 130 after Ctrl-C\n"
                              "\n"
                              "Examples\n"
                              "  sight detect photo.jpg\n"
                              "      boxes and labels of one picture\n"
                              "\n"
                              "Commands\n"
                              "  sight detect  Finds objects in pictures.\n");
    free(text);
}

/* 40 columns leave 18 beside the flags of this table. */
static void narrow_help_goes_below_its_flag(void **state)
{
    const struct sg_args_binding one[] = {{&extra_table, NULL}, {NULL, NULL}};
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(to);
    sg_args_help(&command, one, to, 40);
    fclose(to);
    assert_non_null(strstr(text, "\n  -t, --threshold X\n"
                                 "        least score of an object (0 to\n"
                                 "        1; default 0.5)\n"
                                 "  -h, --help\n"
                                 "        this help\n"));
    free(text);
}

/* The words of other tools; what they mean there is in their documents. */
static const char *rows_at(const char *wide, char *out, size_t size)
{
    FILE *to = fmemopen(out, size, "w");

    assert_non_null(to);
    if (wide)
        setenv("COLUMNS", wide, 1);
    else
        unsetenv("COLUMNS");
    sg_args_row(to, "key", 6, "%s", "a value  of\ttwo");
    sg_args_row(to, "longer than that", 6, "%d words or so", 4);
    sg_args_row(to, "", 6, "aaaa bbbb cccc dddd eeee");
    fclose(to);
    unsetenv("COLUMNS");
    return out;
}

/* By hand. A program that reads the rows gets each in one line, whatever it holds. */
static void rows_are_broken_where_the_screen_ends(void **state)
{
    static const char pipe[] = "key   a value  of?two\n"
                               "longer than that 4 words or so\n"
                               "      aaaa bbbb cccc dddd eeee\n";
    char out[512];

    (void)state;
    assert_string_equal(rows_at(NULL, out, sizeof(out)), pipe);
    assert_string_equal(rows_at("30", out, sizeof(out)), pipe);
    assert_string_equal(rows_at("29", out, sizeof(out)), "key   a value  of?two\n"
                                                         "longer than that\n"
                                                         "        4 words or so\n"
                                                         "      aaaa bbbb cccc dddd\n"
                                                         "      eeee\n");
    assert_string_equal(rows_at("18", out, sizeof(out)), "key     a value\n"
                                                         "        of?two\n"
                                                         "longer than that\n"
                                                         "        4 words or\n"
                                                         "        so\n"
                                                         "      aaaa bbbb\n"
                                                         "      cccc dddd\n"
                                                         "      eeee\n");
}

static void words_of_other_tools_are_known(void **state)
{
    const struct sg_args_binding one[] = {{&extra_table, NULL}, {NULL, NULL}};
    char room[SG_ARGS_TEXT_MAX];

    (void)state;
    assert_string_equal(sg_args_hint(&command, one, "conf", room, sizeof(room)), "here it is --threshold");
    assert_string_equal(sg_args_hint(&command, one, "conf_thres", room, sizeof(room)),
                        "here it is --threshold");
    assert_string_equal(sg_args_hint(&command, one, "source", room, sizeof(room)),
                        "write it without a flag: sight detect IMAGE…");
    assert_null(
        sg_args_hint(&command, one, "max-det", room, sizeof(room)));     /* this command has no such flag */
    assert_null(sg_args_hint(&command, one, "con", room, sizeof(room))); /* a part of a word */
    assert_null(sg_args_hint(&command, one, "", room, sizeof(room)));
    assert_null(sg_args_hint(&command, one, " ", room, sizeof(room)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flags_change_what_they_name, setup, teardown),
        cmocka_unit_test_setup_teardown(bools_can_be_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(mistakes_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(help_is_aligned_and_wrapped, setup, teardown),
        cmocka_unit_test(narrow_help_goes_below_its_flag),
        cmocka_unit_test(rows_are_broken_where_the_screen_ends),
        cmocka_unit_test(words_of_other_tools_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
