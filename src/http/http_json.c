/* SPDX-License-Identifier: MIT
 * Long strings are lifted out of the text before cJSON sees it: what remains is small whatever the picture's
 * size, and the picture is decoded where it lies.
 */
#include "http/http_json.h"

#include "serve/content.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_STRING 1024 /* shorter strings stay where they are */
#define LIFT_MAX    16
/* Stands for lifted string N in what cJSON reads; U+0001 must be escaped in JSON, so no client writes it so
 * by accident, and one who does by intent names a string of his own body. */
#define LIFT_MARK   "\\u0001lifted:"
#define LIFT_PARSED "\001lifted:"

struct span {
    const char *text;
    size_t size;
};

struct lifted {
    struct span spans[LIFT_MAX];
    int count;
    struct sg_buf rest;
};

/* 0..63, 64 = skip, 65 = padding, 66 = not base64. */
static uint8_t sextet(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        return 64;
    return c == '=' ? 65 : 66;
}

/* The character behind a backslash: JSON writers escape slashes, and some break lines. */
static uint8_t escaped(char c)
{
    if (c == '/')
        return 63;
    return c == 'n' || c == 'r' || c == 't' ? 64 : 66;
}

ptrdiff_t sg_http_base64(const char *text, size_t size, uint8_t *out)
{
    uint32_t word = 0;
    unsigned held = 0, padding = 0;
    ptrdiff_t written = 0;
    size_t i;

    for (i = 0; i < size; i++) {
        uint8_t value = sextet((unsigned char)text[i]);

        if (text[i] == '\\' && i + 1 < size)
            value = escaped(text[++i]);
        if (value == 64)
            continue;
        if (value == 66 || (value == 65 ? ++padding > 2 : padding > 0))
            return -1;
        if (value == 65)
            continue;
        word = word << 6 | value;
        if (++held < 4)
            continue;
        out[written++] = (uint8_t)(word >> 16);
        out[written++] = (uint8_t)(word >> 8);
        out[written++] = (uint8_t)word;
        word = held = 0;
    }
    if (held == 1 || (padding > 0 && held + padding != 4))
        return -1;
    if (held == 2)
        out[written++] = (uint8_t)(word >> 4);
    if (held == 3) {
        out[written++] = (uint8_t)(word >> 10);
        out[written++] = (uint8_t)(word >> 2);
    }
    return written;
}

/* The quote that ends the string whose first character is at `at`, or NULL. */
static const char *string_end(const char *at, const char *end)
{
    const char *quote = at, *p;

    while ((quote = memchr(quote, '"', (size_t)(end - quote)))) {
        for (p = quote; p > at && p[-1] == '\\'; p--)
            ;
        if ((quote - p) % 2 == 0)
            break;
        quote++;
    }
    return quote;
}

static int keep(struct lifted *lifted, const char *text, size_t size, struct sg_error *err)
{
    int code = sg_buf_append(&lifted->rest, text, size);

    if (code == SG_E_TOO_LARGE)
        return sg_error_set(err, code, "the JSON body has more than %zu bytes besides its image",
                            SG_HTTP_JSON_REST_MAX);
    return code < 0 ? sg_error_set(err, code, "no memory for the JSON body") : 0;
}

/* Splits the body into long strings and the rest. */
static int lift(struct lifted *lifted, const char *text, size_t size, struct sg_error *err)
{
    const char *end = text + size, *at = text, *quote;
    char mark[48];
    int code = 0;

    while (code == 0 && at < end && (quote = memchr(at, '"', (size_t)(end - at)))) {
        const char *close = string_end(quote + 1, end);
        size_t length;

        if (!close)
            break; /* cJSON says what is wrong */
        length = (size_t)(close - quote - 1);
        if (length < LONG_STRING || lifted->count == LIFT_MAX) {
            code = keep(lifted, at, (size_t)(close + 1 - at), err);
        } else {
            lifted->spans[lifted->count] = (struct span){quote + 1, length};
            snprintf(mark, sizeof(mark), LIFT_MARK "%d\"", lifted->count++);
            code = keep(lifted, at, (size_t)(quote + 1 - at), err);
            if (code == 0)
                code = keep(lifted, mark, strlen(mark), err);
        }
        at = close + 1;
    }
    return code < 0 ? code : keep(lifted, at, (size_t)(end - at), err);
}

/* The text of a string member, lifted or not. */
static struct span span_of(const struct lifted *lifted, const cJSON *item)
{
    size_t mark = strlen(LIFT_PARSED);
    const char *text = item->valuestring;
    int index;

    if (strncmp(text, LIFT_PARSED, mark) == 0) {
        index = (int)strtol(text + mark, NULL, 10);
        if (index >= 0 && index < lifted->count)
            return lifted->spans[index];
    }
    return (struct span){text, strlen(text)};
}

/* A URL or the name of a file, where the picture should be. */
static bool is_name(struct span span)
{
    size_t i;

    for (i = 0; i < span.size && i < 4096 && span.text[i] >= ' ' && span.text[i] < 0x7f; i++)
        ;
    return i == span.size && (memmem(span.text, span.size, "://", 3) || memchr(span.text, '.', span.size));
}

static int take_image(struct span span, struct sg_buf *body, struct sg_error *err)
{
    /* "data:image/jpeg;base64,…" as browsers make it. */
    const char *comma = span.size > 5 && memcmp(span.text, "data:", 5) == 0
                            ? memchr(span.text, ',', span.size < 256 ? span.size : 256)
                            : NULL;
    const char *text = NULL;
    char begin[49];
    ptrdiff_t size;

    if (is_name(span)) {
        snprintf(begin, sizeof(begin), "%.*s", (int)(span.size < 48 ? span.size : 48), span.text);
        text = begin;
    }
    if (comma) {
        span.size -= (size_t)(comma + 1 - span.text);
        span.text = comma + 1;
    }
    /* The text lies in body itself, or is a copy shorter than it: three bytes for four characters fit. */
    size = sg_http_base64(span.text, span.size, body->data);
    body->size = 0;
    if (size < 0)
        return sg_error_set(
            err, SG_E_INVALID, "image: not base64%s%s%s", text ? ": \"" : "", text ? text : "",
            text ? "\"; this server fetches and opens nothing, send the picture itself in base64" : "");
    if (size == 0)
        return sg_error_set(err, SG_E_EMPTY_IMAGE, "image: no image bytes were sent");
    body->size = (size_t)size;
    return 0;
}

static int take_param(struct sg_http_params *params, const struct lifted *lifted, const cJSON *item,
                      struct sg_error *err)
{
    char number[40];
    struct span span = {number, 0};

    if (cJSON_IsString(item))
        span = span_of(lifted, item);
    else if (cJSON_IsBool(item))
        span = cJSON_IsTrue(item) ? (struct span){"true", 4} : (struct span){"false", 5};
    else if (cJSON_IsNumber(item))
        span.size = (size_t)snprintf(number, sizeof(number), "%.9g", item->valuedouble);
    else
        return sg_error_set(err, SG_E_INVALID, "%.60s: expected a text, a number or a truth value",
                            item->string);
    return sg_http_params_set(params, item->string, span.text, span.size, err);
}

static const char *kind_of(const cJSON *item)
{
    if (cJSON_IsArray(item))
        return "a list (of pixels? encode the picture first)";
    if (cJSON_IsObject(item))
        return "an object";
    return cJSON_IsNumber(item) ? "a number" : "null or a truth value";
}

static int read_members(const struct lifted *lifted, const cJSON *root, struct sg_buf *body,
                        struct sg_http_params *params, struct sg_error *err)
{
    const cJSON *item, *image = NULL;
    struct sg_error before;
    int code = 0;

    cJSON_ArrayForEach(item, root)
    {
        if (code < 0)
            break;
        if (strcmp(item->string, "image") == 0)
            image = item;
        else if (!cJSON_IsNull(item))
            code = take_param(params, lifted, item, err);
    }
    if (code < 0)
        before = *err;
    if (code < 0 && !cJSON_GetObjectItemCaseSensitive(root, "image"))
        sg_error_set(err, SG_E_INVALID, "%.300s; and there is no member \"image\" with the picture in base64",
                     before.text);
    if (code < 0)
        return code;
    if (!image)
        return sg_error_set(err, SG_E_INVALID,
                            "the JSON object has no member \"image\": expected {\"image\":\"<base64>\"}");
    if (!cJSON_IsString(image))
        return sg_error_set(err, SG_E_INVALID,
                            "image: expected the encoded picture (JPEG, PNG, …) as base64 text, got %s",
                            kind_of(image));
    return take_image(span_of(lifted, image), body, err);
}

/* C would see only the half of a text before a NUL: none of ours has one, raw or escaped. */
static bool has_nul(const struct sg_buf *text)
{
    const char *data = (const char *)text->data;
    size_t i;

    for (i = 0; i + 5 < text->size; i++) {
        if (data[i] != '\\')
            continue;
        if (memcmp(data + i + 1, "u0000", 5) == 0)
            return true;
        i++; /* what is escaped begins no escape */
    }
    return memchr(data, '\0', text->size) != NULL;
}

/* A picture sent as JSON by mistake is told apart by its first byte. */
static bool looks_like_an_object(const struct sg_buf *body)
{
    const char *data = (const char *)body->data;
    size_t i = body->size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* a byte order mark */

    while (i < body->size && (data[i] == ' ' || data[i] == '\t' || data[i] == '\r' || data[i] == '\n'))
        i++;
    return i < body->size && data[i] == '{';
}

/* One JSON value and nothing behind it. */
static cJSON *parse(const struct sg_buf *text)
{
    const char *data = (const char *)text->data, *end = data;
    cJSON *root = cJSON_ParseWithLengthOpts(data, text->size, &end, false);

    while (root && end < data + text->size && (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t'))
        end++;
    if (root && end < data + text->size) {
        cJSON_Delete(root);
        root = NULL;
    }
    return root;
}

int sg_http_json_read(struct sg_buf *body, struct sg_http_params *params, struct sg_error *err)
{
    const struct sg_content content = sg_content_look(body->data, body->size);
    struct lifted lifted = {.count = 0};
    cJSON *root = NULL;
    int code;

    if (body->size == 0)
        return sg_error_set(err, SG_E_EMPTY_IMAGE, "the body is empty: no image bytes were sent");
    if (!looks_like_an_object(body))
        return sg_error_set(
            err, SG_E_INVALID,
            "the body is %s, not a JSON object such as {\"image\":\"<base64>\"}; a picture alone goes "
            "without Content-Type: application/json",
            content.what ? content.what : "no text");
    sg_buf_init(&lifted.rest, SG_HTTP_JSON_REST_MAX);
    code = lift(&lifted, (const char *)body->data, body->size, err);
    if (code == 0 && has_nul(&lifted.rest))
        code = sg_error_set(err, SG_E_INVALID, "the JSON body has a NUL character (\\u0000)");
    if (code == 0) {
        root = parse(&lifted.rest);
        code = root ? read_members(&lifted, root, body, params, err)
                    : sg_error_set(err, SG_E_INVALID, "the body is not JSON");
    }
    cJSON_Delete(root);
    sg_buf_fini(&lifted.rest);
    return code;
}
