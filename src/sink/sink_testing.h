/* SPDX-License-Identifier: MIT
 * For the tests of outputs only: a folder of the test's own, a result to write, and what stands in a file.
 */
#ifndef SG_SINK_TESTING_H
#define SG_SINK_TESTING_H

#include "sink/sink.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The output is `path`, in `folder`. */
static char folder[] = "/tmp/sink_test.XXXXXX", path[PATH_MAX];

static inline int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/out", folder);
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static struct sg_object objects[2] = {
    {.box = {10, 20, 30.5f, 60}, .class_id = 2, .label = "cat, \"big\"", .score = 0.5f, .parent = -1},
    {.box = {0, 0, 50, 50}, .class_id = 0, .label = "犬", .score = 0.25f, .parent = -1}};
static struct sg_result result = {.width = 100, .height = 80, .objects = objects, .object_count = 2};

static inline struct sg_sink *open_sink(enum sg_sink_format format, bool resume)
{
    const struct sg_sink_options options = {
        .format = format, .output = path, .resume = resume, .no_timing = true};
    struct sg_sink *sink = NULL;
    struct sg_error err = {0};

    assert_int_equal(sg_sink_open(&options, &sink, &err), 0);
    return sink;
}

static inline struct sg_sink_item item_of(const char *source, const char *stem)
{
    return (struct sg_sink_item){.source = source, .name = source, .stem = stem, .result = &result};
}

static inline void put(struct sg_sink *sink, const struct sg_sink_item *item)
{
    struct sg_error err = {0};
    struct sg_buf text;

    sg_buf_init(&text, SG_SINK_ITEM_MAX);
    assert_int_equal(sg_sink_format_item(sink, item, &text), 0);
    assert_int_equal(sg_sink_put(sink, item, &text, &err), 0);
    sg_buf_fini(&text);
}

/* The file's text; the caller frees. */
static inline char *text_of(const char *name)
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

static inline void expect_text(const char *expected)
{
    char *text = text_of(path);

    assert_string_equal(text, expected);
    free(text);
}

static inline void write_text(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#endif
