/* SPDX-License-Identifier: MIT
 * A line of logfmt as a JSON object: quoted values and words become strings, numbers stay numbers. Pure.
 */
#include "base/log.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define JSON_TAIL 3 /* closing quote, brace and NUL always fit */

struct json_line {
    char *out;
    size_t used, limit; /* limit leaves room for JSON_TAIL */
};

static void put(struct json_line *line, char c)
{
    if (line->used < line->limit)
        line->out[line->used++] = c;
}

static void put_escaped(struct json_line *line, char c)
{
    char hex[8];
    int i;

    if (c == '"' || c == '\\') {
        if (line->used + 2 <= line->limit) {
            put(line, '\\');
            put(line, c);
        }
    } else if ((unsigned char)c < 0x20) {
        snprintf(hex, sizeof(hex), "\\u%04x", (unsigned char)c);
        if (line->used + 6 <= line->limit)
            for (i = 0; i < 6; i++)
                put(line, hex[i]);
    } else {
        put(line, c);
    }
}

/* As JSON has it: no leading zeros, no plus, a digit on both sides of the point. */
static bool is_number(const char *text, size_t size)
{
    size_t i = size > 0 && text[0] == '-', digits = i;

    if (i == size || !isdigit((unsigned char)text[i]) ||
        (text[i] == '0' && i + 1 < size && text[i + 1] != '.'))
        return false;
    while (i < size && isdigit((unsigned char)text[i]))
        i++;
    if (i - digits > 15)
        return false; /* readers keep numbers as doubles; an id must not lose digits */
    if (i < size && text[i] == '.') {
        if (++i == size)
            return false;
        while (i < size && isdigit((unsigned char)text[i]))
            i++;
    }
    return i == size;
}

static const char *put_quoted(struct json_line *line, const char *at)
{
    put(line, '"');
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            at++;
        put_escaped(line, *at);
    }
    put(line, '"');
    return *at ? at + 1 : at;
}

static const char *put_word(struct json_line *line, const char *at)
{
    size_t size = strcspn(at, " "), i;
    bool number = is_number(at, size);

    if (number && line->used + size > line->limit)
        return at + size; /* half a number would be another one */
    if (!number)
        put(line, '"');
    for (i = 0; i < size; i++)
        put_escaped(line, at[i]);
    if (!number)
        put(line, '"');
    return at + size;
}

size_t sg_log_json(const char *logfmt, char *out, size_t out_bytes)
{
    struct json_line line = {out, 0, out_bytes - JSON_TAIL};
    bool first = true;

    put(&line, '{');
    while (*logfmt) {
        const char *equals = strchr(logfmt, '=');
        size_t whole = line.used;

        logfmt += strspn(logfmt, " ");
        if (!equals || equals < logfmt)
            break;
        if (!first)
            put(&line, ',');
        put(&line, '"');
        for (; logfmt < equals; logfmt++)
            put_escaped(&line, *logfmt);
        put(&line, '"');
        put(&line, ':');
        logfmt = equals[1] == '"' ? put_quoted(&line, equals + 1) : put_word(&line, equals + 1);
        if (line.used >= line.limit) {
            line.used = whole; /* a pair that does not fit is left out whole */
            break;
        }
        first = false;
    }
    out[line.used++] = '}';
    out[line.used] = '\0';
    return line.used;
}
