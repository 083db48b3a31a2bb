/* SPDX-License-Identifier: MIT
 * Paths against patterns, segment by segment (RFC 3986, 3.3), without taking "." and ".." away: who sends
 * them means another place than the one that is served, so no pattern matches them.
 */
#include "http/http_path.h"

#include "base/utf8.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int sg_http_path_escaped(const char *p)
{
    int high = p[0] == '%' ? hex_digit(p[1]) : -1;
    int low = high >= 0 ? hex_digit(p[2]) : -1;

    return low >= 0 ? high * 16 + low : -1;
}

/* The byte that *p begins with, escaped or not; *p must not be at the end. */
static unsigned char take_byte(const char **p)
{
    int byte = sg_http_path_escaped(*p);

    *p += byte >= 0 ? 3 : 1;
    return byte >= 0 ? (unsigned char)byte : (unsigned char)(*p)[-1];
}

/* Past one character; NULL where none is. */
static const char *skip_character(const char *path)
{
    char ahead[SG_UTF8_MAX_BYTES] = "";
    const char *p = path;
    size_t bytes, i;

    for (i = 0; i < SG_UTF8_MAX_BYTES && *p; i++)
        ahead[i] = (char)take_byte(&p);
    bytes = (unsigned char)ahead[0] < 0x80 ? ahead[0] != '\0' : sg_utf8_bytes(ahead, i);
    for (p = path, i = 0; i < bytes; i++)
        (void)take_byte(&p);
    return bytes > 0 ? p : NULL;
}

int sg_http_path_check(const char *path, struct sg_error *err)
{
    const char *p, *next;

    for (p = path; *p; p = next) {
        if (*p == '%' && sg_http_path_escaped(p) < 0)
            return sg_error_set(err, SG_E_INVALID,
                                "the path has a \"%%\" without two hexadecimal digits behind it");
        if (sg_http_path_escaped(p) == 0)
            return sg_error_set(err, SG_E_INVALID, "the path has a NUL (%%00)");
        next = skip_character(p);
        if (!next)
            return sg_error_set(err, SG_E_INVALID, "the path is not UTF-8");
    }
    return 0;
}

static bool at_end(const char *segment)
{
    return *segment == '/' || *segment == '\0';
}

/* The pattern's word is the path's segment: both go on behind it. */
static bool take_word(const char **pattern, const char **path)
{
    while (!at_end(*pattern) && !at_end(*path)) {
        if (take_byte(path) != (unsigned char)**pattern)
            return false;
        (*pattern)++;
    }
    return at_end(*pattern) && at_end(*path);
}

/* Behind what values hold already. False where no room is or no segment that may be a value. */
static bool take_segment(const char **path, bool slashes, struct sg_http_path_values *values)
{
    char *segment = values->text + values->used;
    size_t room = sizeof(values->text) - values->used, size = 0;

    while (!at_end(*path) && size < room) {
        segment[size] = (char)take_byte(path);
        if (segment[size++] == '/' && !slashes)
            return false;
    }
    if (!at_end(*path) || size == 0 || size >= room)
        return false;
    segment[size] = '\0';
    values->used += size;
    return strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0;
}

static bool begin_value(struct sg_http_path_values *values)
{
    if (values->count == SG_HTTP_PATH_VALUES_MAX || values->used >= sizeof(values->text))
        return false;
    values->at[values->count++] = (uint16_t)values->used;
    return true;
}

static bool take_value(const char **path, struct sg_http_path_values *values)
{
    if (!begin_value(values) || !take_segment(path, true, values))
        return false;
    values->used++; /* the NUL */
    return true;
}

static bool take_below(const char *path, struct sg_http_path_values *values)
{
    if (!begin_value(values))
        return false;
    values->text[values->used] = '\0';
    if (!*path)
        return true;
    while (take_segment(&path, false, values)) {
        if (!*path)
            return true;
        if (values->used + 1 >= sizeof(values->text))
            return false;
        values->text[values->used++] = *path++;
    }
    return false;
}

bool sg_http_path_matches(const char *pattern, const char *path, struct sg_http_path_values *out_values)
{
    out_values->count = 0;
    out_values->used = 0;
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        if (*pattern == '*')
            return take_below(path, out_values);
        if (*pattern == '{' ? !take_value(&path, out_values) : !take_word(&pattern, &path))
            return false;
        pattern += strcspn(pattern, "/");
    }
    return *pattern == '\0' && *path == '\0';
}

/* Of segments: words first. */
static int rank(char first)
{
    return first == '*' ? 2 : first == '{' ? 1 : 0;
}

static bool has_below(const char *pattern)
{
    return strchr(pattern, '*') != NULL;
}

int sg_http_path_order(const char *a, const char *b)
{
    int order = (int)has_below(a) - (int)has_below(b);

    while (order == 0 && *a == '/' && *b == '/') {
        size_t left = strcspn(++a, "/"), right = strcspn(++b, "/");

        order = rank(*a) - rank(*b);
        if (order == 0 && rank(*a) == 0)
            order = strncmp(a, b, left < right ? left : right);
        if (order == 0 && rank(*a) == 0)
            order = (left > right) - (left < right);
        a += left;
        b += right;
    }
    return order != 0 ? order : (*a != '\0') - (*b != '\0');
}

static bool is_word(const char *text, size_t size)
{
    size_t i;

    for (i = 0; i < size && text[i] > ' ' && text[i] < 0x7f && !strchr("{}*%?#", text[i]); i++)
        ;
    return i == size;
}

bool sg_http_path_is_pattern(const char *text)
{
    int values = 0;

    if (*text != '/')
        return false;
    while (*text == '/') {
        size_t size = strcspn(++text, "/");
        bool below = size == 1 && *text == '*', parameter = size > 2 && *text == '{' && text[size - 1] == '}';

        if (!below && !(parameter ? is_word(text + 1, size - 2) : is_word(text, size)))
            return false;
        values += below || parameter;
        text += size;
        if ((below || size == 0) && *text) /* nothing stands behind these */
            return false;
    }
    return values <= SG_HTTP_PATH_VALUES_MAX;
}
