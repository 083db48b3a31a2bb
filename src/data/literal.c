/* SPDX-License-Identifier: MIT
 * Python's and JSON's lists and dicts of names; see literal.h. Source: the Python reference, 2.4.1 (string
 * literals); RFC 8259, section 7. Where the two differ (\/ is an escape of JSON only) no text of the other
 * can mean anything else.
 */
#include "data/literal.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define REPLACEMENT 0xfffdu /* for NUL, which no name can hold, and halves of surrogate pairs */
#define ID_DIGITS   5

struct reader {
    const char *at, *end;
    char name[SG_LITERAL_NAME_BYTES + 1];
    size_t size;
};

static int peek(const struct reader *reader)
{
    return reader->at < reader->end ? (unsigned char)*reader->at : -1;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && isspace((unsigned char)*reader->at))
        reader->at++;
}

static bool put_byte(struct reader *reader, unsigned value)
{
    if (reader->size >= SG_LITERAL_NAME_BYTES)
        return false;
    reader->name[reader->size++] = (char)value;
    return true;
}

/* A code point as UTF-8. */
static bool put_point(struct reader *reader, uint32_t point)
{
    if (point == 0 || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff)
        point = REPLACEMENT;
    if (point < 0x80)
        return put_byte(reader, point);
    if (point < 0x800)
        return put_byte(reader, 0xc0 | point >> 6) && put_byte(reader, 0x80 | (point & 0x3f));
    if (point < 0x10000)
        return put_byte(reader, 0xe0 | point >> 12) && put_byte(reader, 0x80 | (point >> 6 & 0x3f)) &&
               put_byte(reader, 0x80 | (point & 0x3f));
    return put_byte(reader, 0xf0 | point >> 18) && put_byte(reader, 0x80 | (point >> 12 & 0x3f)) &&
           put_byte(reader, 0x80 | (point >> 6 & 0x3f)) && put_byte(reader, 0x80 | (point & 0x3f));
}

/* Exactly `digits` digits of base 16, or up to as many of base 8; false when there are none. */
static bool number(struct reader *reader, int base, int digits, uint32_t *out)
{
    int i;

    *out = 0;
    for (i = 0; i < digits; i++) {
        int c = peek(reader);
        int value = c >= '0' && c <= '9' ? c - '0' : c >= 0 && isxdigit(c) ? tolower(c) - 'a' + 10 : base;

        if (value >= base)
            break;
        *out = *out * (uint32_t)base + (uint32_t)value;
        reader->at++;
    }
    return base == 16 ? i == digits : i > 0;
}

/* The second half of a pair that JSON writes as \ud83d\ude00. */
static uint32_t join_pair(struct reader *reader, uint32_t high)
{
    const char *before = reader->at;
    uint32_t low;

    if (high >= 0xd800 && high < 0xdc00 && reader->end - reader->at >= 6 &&
        memcmp(reader->at, "\\u", 2) == 0) {
        reader->at += 2;
        if (number(reader, 16, 4, &low) && low >= 0xdc00 && low < 0xe000)
            return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        reader->at = before;
    }
    return high;
}

/* What follows a backslash. bytes: in Python's b'…' a number is a byte. */
static bool escape(struct reader *reader, bool bytes)
{
    static const char from[] = "abfnrtv\\'\"/", to[] = "\a\b\f\n\r\t\v\\'\"/";
    int c = peek(reader);
    const char *simple = c > 0 ? strchr(from, c) : NULL;
    uint32_t value;

    if (c < 0)
        return false;
    if (c == '\n') { /* a line that goes on */
        reader->at++;
        return true;
    }
    if (simple) {
        reader->at++;
        return put_byte(reader, (unsigned char)to[simple - from]);
    }
    if (c >= '0' && c <= '7') {
        number(reader, 8, 3, &value);
        value = bytes ? value & 0xff : value; /* of b'\400' Python keeps eight bits */
        return bytes && value ? put_byte(reader, value) : put_point(reader, value);
    }
    if (c == 'x' || ((c == 'u' || c == 'U') && !bytes)) {
        reader->at++;
        if (!number(reader, 16, c == 'x' ? 2 : c == 'u' ? 4 : 8, &value))
            return false;
        return c == 'x' && bytes && value ? put_byte(reader, value)
                                          : put_point(reader, join_pair(reader, value));
    }
    return put_byte(reader, '\\'); /* Python keeps the backslash of what it does not know */
}

/* One string behind its prefix, appended to the name. */
static bool quoted(struct reader *reader, bool raw, bool bytes)
{
    int quote = peek(reader), c;

    for (reader->at++; (c = peek(reader)) != quote;) {
        if (c <= 0)
            return false;
        reader->at++;
        if (c != '\\') {
            if (!put_byte(reader, (unsigned)c))
                return false;
        } else if (!raw) {
            if (!escape(reader, bytes))
                return false;
        } else if (peek(reader) <= 0 || !put_byte(reader, '\\') ||
                   !put_byte(reader, (unsigned)peek(reader))) {
            return false;
        } else {
            reader->at++;
        }
    }
    reader->at++;
    return true;
}

/* A string with its prefixes: u, b, r, br and their capitals. False, and nothing taken, when none begins
 * here. */
static bool begins_string(struct reader *reader, bool *raw, bool *bytes)
{
    const char *p = reader->at;

    *raw = *bytes = false;
    for (; p < reader->end && p < reader->at + 2 && strchr("uUbBrR", *p) && *p; p++) {
        *raw = *raw || tolower((unsigned char)*p) == 'r';
        *bytes = *bytes || tolower((unsigned char)*p) == 'b';
    }
    if (p >= reader->end || (*p != '\'' && *p != '"'))
        return false;
    reader->at = p;
    return true;
}

enum token { TOKEN_BROKEN, TOKEN_STRING, TOKEN_NUMBER, TOKEN_NONE };

/* The next value, its text in name. */
static enum token value(struct reader *reader)
{
    bool raw, bytes, any = false;
    const char *start;

    reader->size = 0;
    skip_blanks(reader);
    for (; begins_string(reader, &raw, &bytes); any = true, skip_blanks(reader))
        if (!quoted(reader, raw, bytes))
            return TOKEN_BROKEN;
    reader->name[reader->size] = '\0';
    if (any)
        return TOKEN_STRING;
    for (start = reader->at; peek(reader) > 0 && (isalnum(peek(reader)) || strchr("+-._", peek(reader)));)
        if (!put_byte(reader, (unsigned char)*reader->at++))
            return TOKEN_BROKEN;
    reader->name[reader->size] = '\0';
    if (strcmp(reader->name, "None") == 0 || strcmp(reader->name, "null") == 0)
        return TOKEN_NONE;
    if (start < reader->at && (isdigit((unsigned char)*start) ||
                               (strchr("+-.", *start) && isdigit((unsigned char)reader->name[1]))))
        return TOKEN_NUMBER;
    return TOKEN_BROKEN;
}

int sg_literal_class(const char *text, size_t size)
{
    int index = 0;
    size_t i;

    if (size == 0 || size > ID_DIGITS)
        return -1;
    for (i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        index = index * 10 + (text[i] - '0');
    }
    return index < SG_LITERAL_MAX_NAMES ? index : -1;
}

/* Key, colon and value of a dict; the name is left in the reader. *out_index: its class; -1: broken. A name
 * that is None is told by size 0 and *out_none. */
static int entry(struct reader *reader, bool *out_none)
{
    char key[SG_LITERAL_NAME_BYTES + 1];
    enum token first = value(reader), second;
    size_t size = reader->size;
    int index;

    *out_none = false;
    if (first == TOKEN_BROKEN || first == TOKEN_NONE)
        return -1;
    index = sg_literal_class(reader->name, reader->size);
    if (first == TOKEN_STRING && index < 0)
        memcpy(key, reader->name, size + 1);
    else if (index < 0)
        return -1;
    skip_blanks(reader);
    if (peek(reader) != ':')
        return -1;
    reader->at++;
    second = value(reader);
    if (second == TOKEN_BROKEN)
        return -1;
    *out_none = second == TOKEN_NONE;
    if (index >= 0)
        return index;
    index = second == TOKEN_NUMBER ? sg_literal_class(reader->name, reader->size) : -1;
    memcpy(reader->name, key, size + 1);
    reader->size = size;
    return index;
}

/* Entries up to the closing bracket. */
static int entries(struct reader *reader, int close, sg_literal_put put, void *context)
{
    int most = 0, next = 0;

    for (skip_blanks(reader); peek(reader) != close; next++) {
        bool none = false;
        int index, code;

        if (close == '}') {
            index = entry(reader, &none);
        } else {
            enum token token = value(reader);

            none = token == TOKEN_NONE;
            index = token == TOKEN_BROKEN ? -1 : next;
        }
        if (index < 0 || index >= SG_LITERAL_MAX_NAMES)
            return -1;
        most = index + 1 > most ? index + 1 : most;
        code = put && !none ? put(context, index, reader->name, reader->size) : 0;
        if (code < 0)
            return code;
        skip_blanks(reader);
        if (peek(reader) != ',' && peek(reader) != close)
            return -1;
        reader->at += peek(reader) == ',';
        skip_blanks(reader);
    }
    reader->at++;
    return most > 0 ? most : -1;
}

int sg_literal_names(const char *text, size_t size, sg_literal_put put, void *context)
{
    struct reader reader = {.at = text, .end = text + size};
    int open, count;

    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        reader.at += 3;
    skip_blanks(&reader);
    open = peek(&reader);
    if (open != '{' && open != '[' && open != '(')
        return -1;
    reader.at++;
    count = entries(&reader, open == '{' ? '}' : open == '[' ? ']' : ')', put, context);
    skip_blanks(&reader);
    return count > 0 && reader.at < reader.end ? -1 : count;
}
