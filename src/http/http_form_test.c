/* SPDX-License-Identifier: MIT
 * Forms as clients write them, and as none should, each fed whole, byte by byte and cut at every two places.
 * What is right comes from RFC 7578 and RFC 2046, 5.1.1.
 */
#include "http/http_form.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TYPE     "multipart/form-data; boundary=xYz"
#define NAMED    "Content-Disposition: form-data; name="
#define ONE_PART "--xYz\r\n" NAMED "a\r\n\r\n1"
#define BY_NAME  "multipart/form-data; boundary="
#define LONGEST  "1234567890123456789012345678901234567890123456789012345678901234567890"
#define LOG_MAX  100000

static int on_begin(void *arg, const struct sg_http_form_part *part, struct sg_error *err)
{
    (void)err;
    return sg_buf_printf(arg, "%s%s%s%s(", part->name, part->has_filename ? "+file" : "",
                         part->encoding[0] ? "/" : "", part->encoding);
}

static int on_data(void *arg, const char *data, size_t size, struct sg_error *err)
{
    (void)err;
    assert_true(size > 0);
    return sg_buf_append(arg, data, size);
}

static int on_end(void *arg, struct sg_error *err)
{
    (void)err;
    return sg_buf_append_text(arg, ")");
}

static const struct sg_http_form_ops ops = {.begin = on_begin, .data = on_data, .end = on_end};

/* Reads text cut at `first` and `second`. */
static int read_cut(const char *type, const char *text, size_t size, size_t first, size_t second,
                    struct sg_buf *log, struct sg_error *err)
{
    struct sg_http_form form;
    int code = sg_http_form_init(&form, type, &ops, log, err);

    sg_buf_clear(log);
    if (code == 0)
        code = sg_http_form_feed(&form, text, first, err);
    if (code == 0)
        code = sg_http_form_feed(&form, text + first, second - first, err);
    if (code == 0)
        code = sg_http_form_feed(&form, text + second, size - second, err);
    return code == 0 ? sg_http_form_finish(&form, err) : code;
}

static int read_bytes(const char *type, const char *text, size_t size, struct sg_buf *log,
                      struct sg_error *err)
{
    struct sg_http_form form;
    int code = sg_http_form_init(&form, type, &ops, log, err);
    size_t i;

    sg_buf_clear(log);
    for (i = 0; i < size && code == 0; i++)
        code = sg_http_form_feed(&form, text + i, 1, err);
    return code == 0 ? sg_http_form_finish(&form, err) : code;
}

/* expected NULL: it must be refused. */
static void check(const char *type, const char *text, const char *expected)
{
    size_t size = strlen(text), first, second;
    struct sg_error err;
    struct sg_buf log;
    int code;

    sg_buf_init(&log, LOG_MAX);
    for (first = 0; first <= size; first++) {
        for (second = first; second <= size; second++) {
            err = (struct sg_error){0};
            code = read_cut(type, text, size, first, second, &log, &err);
            if (code != (expected ? 0 : SG_E_INVALID) || code != (int)err.code)
                fail_msg("cut at %zu and %zu: %d %s: %s", first, second, code, err.text, text);
            if (expected)
                assert_string_equal(sg_buf_text(&log), expected);
            else
                assert_true(err.text[0]);
        }
    }
    err = (struct sg_error){0};
    code = read_bytes(type, text, size, &log, &err);
    assert_int_equal(code, expected ? 0 : SG_E_INVALID);
    if (expected)
        assert_string_equal(sg_buf_text(&log), expected);
    sg_buf_fini(&log);
}

static void forms_of_clients(void **state)
{
    (void)state;
    /* curl, browsers */
    check(TYPE,
          "--xYz\r\n" NAMED "\"image\"; filename=\"a;b.jpg\"\r\nContent-Type: image/jpeg\r\n\r\nJPEG\r\n"
          "--xYz\r\n" NAMED "\"top_k\"\r\n\r\n5\r\n--xYz--\r\n",
          "image+file(JPEG)top_k(5)");
    /* .NET */
    check("multipart/form-data; boundary=\"xYz\"",
          "--xYz\r\nContent-Type: image/jpeg\r\n"
          "Content-Disposition: form-data; name=image; filename=photo.jpg; filename*=utf-8''photo.jpg\r\n\r\n"
          "JPEG\r\n--xYz--\r\n",
          "image+file(JPEG)");
    check("multipart/form-data; charset=utf-8 ; Boundary = xYz ; x=y",
          "--xYz\r\ncontent-disposition:FORM-DATA;filename*=utf-8''p.jpg ; NAME = file \r\n\r\nJ\r\n--xYz--",
          "file+file(J)");
    check(TYPE, "--xYz\r\n" NAMED "\"a\\\"\\\\b\"\r\nContent-Transfer-Encoding: 8Bit\r\n\r\n\r\n--xYz--",
          "a\"\\b/8Bit()");
    check(TYPE, "--xYz\r\nContent-Type: text/plain\r\n\r\nx\r\n--xYz--", "(x)");
    check(TYPE, "--xYz\r\n\r\nx\r\n--xYz--", "(x)");
    check(TYPE, "--xYz--", "");
}

static void what_stands_around_is_passed_over(void **state)
{
    (void)state;
    check(TYPE, "This is a form.\r\n--xY\r\n\r\n--xYz \t\r\n" NAMED "a\r\n\r\n1\r\n--xYz--\r\n--xYz\r\nmore",
          "a(1)");
    check(TYPE, "\r\n--xYz\r\n" NAMED "a\r\n\r\n1\r\n--xYz--", "a(1)");
    check(TYPE, "--\r\n--xYz\r\n" NAMED "a\r\n\r\n1\r\n--xYz--", "a(1)");
    /* Parts without data: with the line end that belongs to the boundary, and without it. */
    check(TYPE, "--xYz\r\n" NAMED "a\r\n\r\n\r\n--xYz\r\n" NAMED "b\r\n\r\n--xYz--", "a()b()");
}

static void data_may_look_like_a_boundary(void **state)
{
    (void)state;
    check(TYPE, "--xYz\r\n" NAMED "a\r\n\r\n\r\n-\r\n--\r\n--x\r\r\n--xY\r\n\r\n\r\n--xYz--",
          "a(\r\n-\r\n--\r\n--x\r\r\n--xY\r\n\r\n)");
    check(TYPE, "--xYz\r\n" NAMED "a\r\n\r\n--xY\n--xYz\r--xYz\r\r\n--xYz--", "a(--xY\n--xYz\r--xYz\r)");
    check(TYPE, "--xYz\r\n" NAMED "a\r\n\r\n-xYz\r\n--xYz--", "a(-xYz)");
    check("multipart/form-data; boundary=\"--\"", "----\r\n" NAMED "a\r\n\r\n--\r\n---\r\n------",
          "a(--\r\n---)");
}

static void bad_forms_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "no form",
        "-xYz--",
        "x--xYz--",
        "--xYz",
        "--xYz-",
        "--xYz\r\n",
        "--xYzz\r\n" NAMED "a\r\n\r\n1\r\n--xYz--",
        ONE_PART,
        ONE_PART "\r\n--xYz\r\n",
        ONE_PART "\n--xYz--",
        "--xYz\n" NAMED "a\n\n1\n--xYz--",
        "--xYz\r\n" NAMED "a\n\r\n1\r\n--xYz--",
        "--xYz\r\n" NAMED "a\r\r\n\r\n1\r\n--xYz--",
        "--xYz\r\n" NAMED "a\001\r\n\r\n1\r\n--xYz--",
        "--xYz\r\nContent-Disposition\r\n\r\n1\r\n--xYz--",
        "--xYz\r\n: form-data\r\n\r\n1\r\n--xYz--",
        "--xYz\r\n" NAMED "a;\r\n filename=b\r\n\r\n1\r\n--xYz--",
    };
    static const char *const types[] = {
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        "multipart/form-data; xboundary=xYz",
        "multipart/form-data; boundary=\"x\ny\"",
        "multipart/form-data; x=\"; boundary=xYz",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check(TYPE, bad[i], NULL);
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        check(types[i], "--xYz--", NULL);
    check(BY_NAME LONGEST "x", "--xYz--", NULL);
    check(BY_NAME LONGEST, "--" LONGEST "--", "");
}

static void headers_have_an_end(void **state)
{
    struct sg_error err = {0};
    struct sg_buf log, text;
    int i;

    (void)state;
    sg_buf_init(&log, LOG_MAX);
    sg_buf_init(&text, LOG_MAX);
    assert_int_equal(sg_buf_printf(&text, "--xYz\r\n" NAMED "%0100d\r\nX: ", 7), 0);
    for (i = 0; i < SG_HTTP_FORM_HEADER_MAX; i++)
        sg_buf_append(&text, "y", 1);
    /* A long name is cut, and is not one that anybody knows; its header ends in time. */
    text.size = 4000;
    sg_buf_append_text(&text, "\r\n\r\n1\r\n--xYz--");
    assert_int_equal(read_bytes(TYPE, (const char *)text.data, text.size, &log, &err), 0);
    assert_int_equal(log.size, SG_HTTP_FORM_NAME_MAX + 3);
    text.size = 0;
    sg_buf_append_text(&text, "--xYz\r\n");
    for (i = 0; i < SG_HTTP_FORM_HEADER_MAX / 6 + 1; i++)
        sg_buf_append_text(&text, "X: y\r\n");
    assert_int_equal(read_bytes(TYPE, (const char *)text.data, text.size, &log, &err), SG_E_INVALID);
    assert_non_null(strstr(err.text, "8192"));
    sg_buf_fini(&text);
    sg_buf_fini(&log);
}

static void any_byte_is_data(void **state)
{
    static const char head[] = "--xYz\r\n" NAMED "a\r\n\r\n", tail[] = "\r\n--xYz--";
    struct sg_error err = {0};
    struct sg_buf log, text;
    int i;

    (void)state;
    sg_buf_init(&log, LOG_MAX);
    sg_buf_init(&text, LOG_MAX);
    sg_buf_append_text(&text, head);
    for (i = 0; i < 65536; i++)
        sg_buf_append(&text, &(uint8_t){(uint8_t)(i * 31 >> (i & 7))}, 1);
    sg_buf_append_text(&text, tail);
    assert_int_equal(read_bytes(TYPE, (const char *)text.data, text.size, &log, &err), 0);
    assert_int_equal(log.size, 65536 + 3);
    assert_memory_equal(log.data + 2, text.data + strlen(head), 65536);
    assert_int_equal(read_cut(TYPE, (const char *)text.data, text.size, 1000, 30000, &log, &err), 0);
    assert_int_equal(log.size, 65536 + 3);
    assert_memory_equal(log.data + 2, text.data + strlen(head), 65536);
    sg_buf_fini(&text);
    sg_buf_fini(&log);
}

static int refuse(void *arg, struct sg_error *err)
{
    (void)arg;
    return sg_error_set(err, SG_E_BUSY, "no");
}

static int refuse_part(void *arg, const struct sg_http_form_part *part, struct sg_error *err)
{
    (void)part;
    return refuse(arg, err);
}

static int refuse_data(void *arg, const char *data, size_t size, struct sg_error *err)
{
    (void)data;
    (void)size;
    return refuse(arg, err);
}

static void errors_of_the_reader_end_it(void **state)
{
    const struct sg_http_form_ops refusing[] = {
        {refuse_part, on_data, on_end}, {on_begin, refuse_data, on_end}, {on_begin, on_data, refuse}};
    static const char text[] = "--xYz\r\n" NAMED "a\r\n\r\n1\r\n--xYz--";
    struct sg_http_form form;
    struct sg_error err = {0};
    struct sg_buf log;
    size_t i;

    (void)state;
    sg_buf_init(&log, LOG_MAX);
    for (i = 0; i < 3; i++) {
        assert_int_equal(sg_http_form_init(&form, TYPE, &refusing[i], &log, &err), 0);
        assert_int_equal(sg_http_form_feed(&form, text, strlen(text), &err), SG_E_BUSY);
    }
    sg_buf_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_clients),
        cmocka_unit_test(what_stands_around_is_passed_over),
        cmocka_unit_test(data_may_look_like_a_boundary),
        cmocka_unit_test(bad_forms_are_refused),
        cmocka_unit_test(headers_have_an_end),
        cmocka_unit_test(any_byte_is_data),
        cmocka_unit_test(errors_of_the_reader_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
