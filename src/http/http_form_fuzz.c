/* SPDX-License-Identifier: MIT
 * Fuzz target: forms. The input's first line is the Content-Type, the rest the body. However the body is cut,
 * the same parts must come out, or the same error.
 */
#include "base/buf.h"
#include "base/fuzzing.h"
#include "http/http_form.h"

#include <stdio.h>
#include <string.h>

static int on_begin(void *arg, const struct sg_http_form_part *part, struct sg_error *err)
{
    (void)err;
    CHECK(strlen(part->name) <= SG_HTTP_FORM_NAME_MAX && strlen(part->encoding) <= SG_HTTP_FORM_CODING_MAX);
    return sg_buf_printf(arg, "\n%s %s %d:", part->name, part->encoding, part->has_filename);
}

static int on_data(void *arg, const char *data, size_t size, struct sg_error *err)
{
    (void)err;
    CHECK(size > 0);
    return sg_buf_append(arg, data, size);
}

static int on_end(void *arg, struct sg_error *err)
{
    (void)err;
    return sg_buf_append_text(arg, ".");
}

static const struct sg_http_form_ops ops = {.begin = on_begin, .data = on_data, .end = on_end};

/* In pieces of `step` bytes. */
static int read_form(const char *type, const char *data, size_t size, size_t step, struct sg_buf *out,
                     struct sg_error *err)
{
    struct sg_http_form form;
    int code = sg_http_form_init(&form, type, &ops, out, err);
    size_t at, n;

    for (at = 0; at < size && code == 0; at += n) {
        n = size - at < step ? size - at : step;
        code = sg_http_form_feed(&form, data + at, n, err);
    }
    if (code == 0)
        code = sg_http_form_finish(&form, err);
    CHECK(code == (int)err->code && (code == 0 || err->text[0]));
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 2, 7, 64};
    const uint8_t *line_end = memchr(data, '\n', size);
    struct sg_error first_err = {0};
    struct sg_buf whole, cut;
    char type[256];
    int code;
    size_t i;

    if (!line_end || (size_t)(line_end - data) >= sizeof(type))
        return 0;
    snprintf(type, sizeof(type), "%.*s", (int)(line_end - data), (const char *)data);
    size -= (size_t)(line_end + 1 - data);
    data = line_end + 1;
    sg_buf_init(&whole, size * 4 + 4096);
    code = read_form(type, (const char *)data, size, size + 1, &whole, &first_err);
    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct sg_error err = {0};

        sg_buf_init(&cut, size * 4 + 4096);
        CHECK(read_form(type, (const char *)data, size, steps[i], &cut, &err) == code);
        CHECK(strcmp(err.text, first_err.text) == 0);
        CHECK(code < 0 ||
              (cut.size == whole.size && (cut.size == 0 || memcmp(cut.data, whole.data, cut.size) == 0)));
        sg_buf_fini(&cut);
    }
    sg_buf_fini(&whole);
    return 0;
}
