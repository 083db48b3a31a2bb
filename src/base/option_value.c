/* SPDX-License-Identifier: MIT
 * One value of an option row: text to field. The way back is option_text.c.
 */
#include "base/option.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_MAX_BYTES 64
#define QUOTED_MAX_BYTES 48
#define INTEGER_MAX      9007199254740992.0 /* 2^53: every smaller whole number is exact in a double */

struct unit {
    const char *suffix;
    double factor;
};

static const struct unit size_units[] = {
    {"B", 1},       {"KiB", 1024}, {"K", 1024},         {"kB", 1000},      {"KB", 1000}, {"MiB", 1048576},
    {"M", 1048576}, {"MB", 1e6},   {"GiB", 1073741824}, {"G", 1073741824}, {"GB", 1e9},  {NULL, 0},
};
static const struct unit count_units[] = {{"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {NULL, 0}};
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}, {NULL, 0},
};

static void *member(void *values, size_t offset)
{
    return (char *)values + offset;
}

/* The start of a value, safe to print in a message. */
static const char *quote(const char *text, size_t size, char out[QUOTED_MAX_BYTES])
{
    size_t i, used = 0;

    for (i = 0; i < size && used < QUOTED_MAX_BYTES - 4; i++) {
        unsigned char c = (unsigned char)text[i];

        out[used++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    if (i < size)
        used = sg_utf8_whole(out, used);
    memcpy(out + used, i < size ? "..." : "", i < size ? 4 : 1);
    return out;
}

static const struct unit *units_of(const struct sg_option *row)
{
    static const struct unit none[] = {{NULL, 0}};

    switch (row->type) {
    case SG_OPTION_SIZE:
        return size_units;
    case SG_OPTION_COUNT:
        return count_units;
    case SG_OPTION_DURATION:
        return duration_units;
    default:
        return none;
    }
}

static bool is_whole(const struct sg_option *row)
{
    return row->type != SG_OPTION_FLOAT && row->type != SG_OPTION_FLOATS;
}

/* Length of [+-]digits[.digits][e[+-]digits]: no hexadecimal, no "inf", no blanks. 0 = no number. */
static size_t number_length(const char *text, size_t size)
{
    size_t i = 0, digits = 0, exponent;

    if (i < size && (text[i] == '+' || text[i] == '-'))
        i++;
    for (; i < size && text[i] >= '0' && text[i] <= '9'; i++)
        digits++;
    if (i < size && text[i] == '.')
        for (i++; i < size && text[i] >= '0' && text[i] <= '9'; i++)
            digits++;
    if (digits == 0)
        return 0;
    if (i < size && (text[i] == 'e' || text[i] == 'E')) {
        exponent = i + 1;
        if (exponent < size && (text[exponent] == '+' || text[exponent] == '-'))
            exponent++;
        if (exponent < size && text[exponent] >= '0' && text[exponent] <= '9') {
            for (i = exponent; i < size && text[i] >= '0' && text[i] <= '9'; i++)
                ;
        }
    }
    return i;
}

static int check_number(const struct sg_option *row, double value, const char *got, struct sg_error *err)
{
    char range[SG_OPTION_RANGE_MAX];
    bool low;

    if (is_whole(row) && (fabs(value) > INTEGER_MAX || value != floor(value)))
        return sg_error_set(err, SG_E_CONFIG, "expected a whole number, got %s", got);
    if (!sg_option_range(row, range, sizeof(range)))
        return 0;
    low = (row->flags & SG_OPTION_EXCLUSIVE) ? !(value > row->minimum) : !(value >= row->minimum);
    if (low || !(value <= row->maximum)) {
        return sg_error_set(err, SG_E_CONFIG, "expected %s%s%s, got %s", range, row->unit ? " " : "",
                            row->unit ? row->unit : "", got);
    }
    return 0;
}

int sg_option_number(const struct sg_option *row, const char *text, size_t size, double *out_number,
                     struct sg_error *err)
{
    char copy[NUMBER_MAX_BYTES], quoted[QUOTED_MAX_BYTES], what[256];
    size_t length = number_length(text, size);
    const struct unit *unit;
    double factor = 0, value;
    int i;

    quote(text, size, quoted);
    for (i = 0; row->type == SG_OPTION_INT && row->choices && row->choices[i]; i++) {
        if (strlen(row->choices[i]) == size && strncasecmp(row->choices[i], text, size) == 0) {
            *out_number = i;
            return 0;
        }
    }
    if (length == 0 || length >= sizeof(copy)) {
        sg_option_describe(row, what, sizeof(what));
        return sg_error_set(err, SG_E_CONFIG, "expected %s, got \"%s\"", what, quoted);
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    value = strtod(copy, NULL);
    if (length == size && (row->type != SG_OPTION_DURATION || value == 0))
        factor = 1;
    for (unit = units_of(row); unit->suffix && factor == 0; unit++) {
        if (strlen(unit->suffix) == size - length && memcmp(unit->suffix, text + length, size - length) == 0)
            factor = unit->factor;
    }
    if (factor == 0 || !isfinite(value)) {
        sg_option_describe(row, what, sizeof(what));
        return sg_error_set(err, SG_E_CONFIG, "expected %s, got \"%s\"", what, quoted);
    }
    *out_number = value * factor;
    return check_number(row, *out_number, quoted, err);
}

static int parse_bool(const char *text, size_t size, bool *out_value, struct sg_error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    char quoted[QUOTED_MAX_BYTES];
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i]) == size && strncasecmp(words[i], text, size) == 0) {
            *out_value = i & 1;
            return 0;
        }
    }
    return sg_error_set(err, SG_E_CONFIG, "expected true or false, got \"%s\"", quote(text, size, quoted));
}

static int parse_choice(const struct sg_option *row, const char *text, size_t size, int *out_value,
                        struct sg_error *err)
{
    char quoted[QUOTED_MAX_BYTES], what[256];
    const char *close;
    int i;

    for (i = 0; row->choices[i]; i++) {
        if (strlen(row->choices[i]) == size && strncasecmp(row->choices[i], text, size) == 0) {
            *out_value = i;
            return 0;
        }
    }
    quote(text, size, quoted);
    close = sg_suggest(quoted, row->choices, i);
    sg_option_describe(row, what, sizeof(what));
    return sg_error_set(err, SG_E_CONFIG, "expected %s, got \"%s\"%s%s%s", what, quoted,
                        close ? "; did you mean \"" : "", close ? close : "", close ? "\"?" : "");
}

int sg_option_numbers(const struct sg_option *row, void *values, const double *numbers, int count,
                      struct sg_error *err)
{
    char what[256], got[32];
    bool spread = (row->flags & SG_OPTION_SPREAD) && count == 1;
    int i, code, stored = spread ? row->max_count : count;

    if (!spread && (count < row->min_count || count > row->max_count ||
                    ((row->flags & SG_OPTION_EVEN) && count % 2 != 0))) {
        sg_option_describe(row, what, sizeof(what));
        return sg_error_set(err, SG_E_CONFIG, "expected %s, got %d", what, count);
    }
    for (i = 0; i < count; i++) {
        snprintf(got, sizeof(got), "%.9g", numbers[i]);
        code = check_number(row, numbers[i], got, err);
        if (code < 0)
            return code;
    }
    for (i = 0; i < stored; i++) {
        double number = numbers[spread ? 0 : i];

        if (row->type == SG_OPTION_INTS)
            ((int *)member(values, row->offset))[i] = (int)number;
        else
            ((float *)member(values, row->offset))[i] = (float)number;
    }
    if (row->count_offset)
        *(int *)member(values, row->count_offset) = stored;
    sg_option_mark(row, values);
    return 0;
}

static int parse_numbers(const struct sg_option *row, void *values, const char *text, size_t size,
                         struct sg_error *err)
{
    double numbers[SG_OPTION_FLOAT_MAX];
    const char *end = text + size;
    int count = 0, code;

    for (;;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma ? comma : end;

        while (text < stop && *text == ' ')
            text++;
        if (count == SG_OPTION_FLOAT_MAX)
            return sg_error_set(err, SG_E_CONFIG, "expected at most %d numbers", SG_OPTION_FLOAT_MAX);
        numbers[count] = 0;
        code = sg_option_number(row, text, (size_t)(stop - text), &numbers[count++], err);
        if (code < 0)
            return code;
        if (!comma)
            return sg_option_numbers(row, values, numbers, count, err);
        text = comma + 1;
    }
}

static int parse_texts(const struct sg_option *row, struct sg_texts *texts, const char *text, size_t size,
                       struct sg_error *err)
{
    int code;

    for (;;) {
        const char *comma = (row->flags & SG_OPTION_COMMA) ? memchr(text, ',', size) : NULL;
        size_t part = comma ? (size_t)(comma - text) : size;

        code = part == 0 ? SG_E_CONFIG : sg_texts_append(texts, text, part, 0, 0);
        if (code < 0)
            return sg_error_set(err, code, part == 0 ? "expected text, got none" : "too long or too many");
        if (!comma)
            return 0;
        text += part + 1;
        size -= part + 1;
    }
}

static int parse_text(struct sg_text *at, const char *text, size_t size, struct sg_error *err)
{
    int code;

    if (size == 0)
        return sg_error_set(err, SG_E_CONFIG, "expected text, got none");
    code = sg_text_set(at, text, size, 0, 0);
    if (code == SG_E_TOO_LARGE)
        return sg_error_set(err, SG_E_CONFIG, "expected at most %d bytes, got %zu", SG_OPTION_TEXT_MAX, size);
    return code < 0 ? sg_error_set(err, code, "out of memory") : 0;
}

static int parse_number(const struct sg_option *row, void *at, const char *text, size_t size,
                        struct sg_error *err)
{
    double number = 0;
    int code = sg_option_number(row, text, size, &number, err);

    if (code < 0)
        return code;
    if (row->type == SG_OPTION_INT)
        *(int *)at = (int)number;
    else if (row->type == SG_OPTION_FLOAT)
        *(float *)at = (float)number;
    else
        *(int64_t *)at = (int64_t)number;
    return 0;
}

int sg_option_parse(const struct sg_option *row, void *values, const char *text, size_t size,
                    struct sg_error *err)
{
    void *at = member(values, row->offset);
    int code;

    if (memchr(text, '\0', size))
        return sg_error_set(err, SG_E_CONFIG, "expected text, got a NUL byte in it");
    switch (row->type) {
    case SG_OPTION_BOOL:
        code = parse_bool(text, size, at, err);
        break;
    case SG_OPTION_ENUM:
        code = parse_choice(row, text, size, at, err);
        break;
    case SG_OPTION_INT:
    case SG_OPTION_FLOAT:
    case SG_OPTION_COUNT:
    case SG_OPTION_SIZE:
    case SG_OPTION_DURATION:
        code = parse_number(row, at, text, size, err);
        break;
    case SG_OPTION_TEXT:
        code = parse_text(at, text, size, err);
        break;
    case SG_OPTION_TEXTS:
        code = parse_texts(row, at, text, size, err);
        break;
    case SG_OPTION_FLOATS:
    case SG_OPTION_INTS:
        code = parse_numbers(row, values, text, size, err);
        break;
    default:
        code =
            sg_error_set(err, SG_E_CONFIG, "expected a map, got \"%.*s\"", size < 40 ? (int)size : 40, text);
        break;
    }
    if (code == 0)
        sg_option_mark(row, values);
    return code;
}
