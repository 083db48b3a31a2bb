/* SPDX-License-Identifier: MIT
 * Fuzz target: a pattern, a line end, a path. What is made of a path that was checked is UTF-8 that fits,
 * with no way up in it; written as a path again it says the same.
 */
#include "base/fuzzing.h"
#include "base/utf8.h"
#include "http/http_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES ((size_t)4 << 10)

static void check_value(const char *value, bool below)
{
    const char *p;

    CHECK(below || *value);
    CHECK(strcmp(value, ".") != 0 && strcmp(value, "..") != 0);
    for (p = value; *p; p += (unsigned char)*p < 0x80 ? 1 : sg_utf8_bytes(p, SG_UTF8_MAX_BYTES))
        CHECK((unsigned char)*p < 0x80 || sg_utf8_bytes(p, SG_UTF8_MAX_BYTES) > 0);
    if (below)
        CHECK(value[0] != '/' && !strstr(value, "//") && !strstr(value, "/../") &&
              strncmp(value, "../", 3) != 0);
}

/* The pattern with the values in it, every byte of them escaped but the slashes of what is below. */
static void write_path(const char *pattern, const struct sg_http_path_values *values, char *out)
{
    int i = 0;

    while (*pattern) {
        bool below = *pattern == '*', parameter = *pattern == '{';
        const char *value = below || parameter ? values->text + values->at[i++] : "";

        for (; *value; value++)
            out += below && *value == '/' ? sprintf(out, "/") : sprintf(out, "%%%02x", (unsigned char)*value);
        if (!below && !parameter)
            *out++ = *pattern;
        pattern += parameter ? strcspn(pattern, "/") : 1;
    }
    *out = '\0';
}

static void match(const char *pattern, const char *path)
{
    static char again[PATH_BYTES + 4 * SG_HTTP_PATH_VALUES_BYTES];
    struct sg_http_path_values values, second;
    bool below = strchr(pattern, '*') != NULL;
    int i;

    if (!sg_http_path_matches(pattern, path, &values))
        return;
    for (i = 0; i < values.count; i++)
        check_value(values.text + values.at[i], below && i == values.count - 1);
    write_path(pattern, &values, again);
    CHECK(sg_http_path_matches(pattern, again, &second) && second.count == values.count);
    for (i = 0; i < values.count; i++)
        CHECK(strcmp(values.text + values.at[i], second.text + second.at[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_error err = {0};
    char *text, *path;

    if (size > PATH_BYTES)
        return 0;
    text = calloc(1, size + 1);
    CHECK(text);
    memcpy(text, data, size);
    path = strchr(text, '\n');
    if (path) {
        *path++ = '\0';
        if (sg_http_path_is_pattern(text) && sg_http_path_check(path, &err) == 0)
            match(text, path);
        CHECK(err.code == 0 || err.text[0]);
        CHECK((sg_http_path_order(text, path) > 0) == (sg_http_path_order(path, text) < 0));
    }
    free(text);
    return 0;
}
