/* SPDX-License-Identifier: MIT
 * One value of an option row: field to text, and what a value may be, in words.
 */
#include "base/option.h"

#include <math.h>
#include <stdio.h>

struct unit {
    const char *suffix;
    double factor;
};

static const void *const_member(const void *values, size_t offset)
{
    return (const char *)values + offset;
}

static void format_number(const struct sg_option *row, double value, char *out, size_t out_bytes)
{
    static const struct unit sizes[] = {{"GiB", 1073741824}, {"MiB", 1048576}, {"KiB", 1024}, {"", 1}};
    static const struct unit counts[] = {{"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"", 1}};
    static const struct unit durations[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    const struct unit *unit = row->type == SG_OPTION_SIZE       ? sizes
                              : row->type == SG_OPTION_DURATION ? durations
                              : row->type == SG_OPTION_COUNT    ? counts
                                                                : NULL;

    if (!unit || value == 0) {
        snprintf(out, out_bytes,
                 row->type != SG_OPTION_FLOAT && row->type != SG_OPTION_FLOATS ? "%.0f" : "%.7g", value);
        return;
    }
    while (unit->factor > 1 && (value < unit->factor || fmod(value, unit->factor) != 0))
        unit++;
    snprintf(out, out_bytes, "%.0f%s", value / unit->factor, unit->suffix);
}

bool sg_option_range(const struct sg_option *row, char *out, size_t out_bytes)
{
    char low[32], high[32];

    out[0] = '\0';
    if (row->minimum == 0 && row->maximum == 0)
        return false;
    format_number(row, row->minimum, low, sizeof(low));
    format_number(row, row->maximum, high, sizeof(high));
    if (row->flags & SG_OPTION_EXCLUSIVE)
        snprintf(out, out_bytes, "more than %s, at most %s", low, high);
    else
        snprintf(out, out_bytes, "%s to %s", low, high);
    return true;
}

static void format_list(const struct sg_option *row, const void *values, char *out, size_t out_bytes)
{
    int i, count = row->count_offset ? *(const int *)const_member(values, row->count_offset) : row->max_count;
    size_t used = 0;

    for (i = 0; i < count && used + 1 < out_bytes; i++) {
        double number = row->type == SG_OPTION_INTS ? ((const int *)const_member(values, row->offset))[i]
                                                    : ((const float *)const_member(values, row->offset))[i];
        int wrote = snprintf(out + used, out_bytes - used, "%s%.7g", i ? ", " : "", number);

        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static void format_texts(const struct sg_texts *texts, char *out, size_t out_bytes)
{
    size_t used = 0;
    int i;

    for (i = 0; i < texts->count && used + 1 < out_bytes; i++) {
        int wrote = snprintf(out + used, out_bytes - used, "%s%s", i ? ", " : "", texts->items[i].value);

        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

void sg_option_format(const struct sg_option *row, const void *values, char *out, size_t out_bytes)
{
    const void *at = const_member(values, row->offset);
    const struct sg_text *text = at;

    out[0] = '\0';
    switch (row->type) {
    case SG_OPTION_BOOL:
        snprintf(out, out_bytes, "%s", *(const bool *)at ? "true" : "false");
        break;
    case SG_OPTION_ENUM:
        snprintf(out, out_bytes, "%s", row->choices[*(const int *)at]);
        break;
    case SG_OPTION_INT:
        format_number(row, *(const int *)at, out, out_bytes);
        break;
    case SG_OPTION_FLOAT:
        format_number(row, *(const float *)at, out, out_bytes);
        break;
    case SG_OPTION_COUNT:
    case SG_OPTION_SIZE:
    case SG_OPTION_DURATION:
        format_number(row, (double)*(const int64_t *)at, out, out_bytes);
        break;
    case SG_OPTION_TEXT:
        snprintf(out, out_bytes, "%s", text->value ? text->value : "");
        break;
    case SG_OPTION_TEXTS:
        format_texts(at, out, out_bytes);
        break;
    case SG_OPTION_FLOATS:
    case SG_OPTION_INTS:
        format_list(row, values, out, out_bytes);
        break;
    default:
        break;
    }
}

static void describe_choices(const struct sg_option *row, char *out, size_t out_bytes)
{
    size_t used = 0;
    int i;

    for (i = 0; row->choices[i] && used + 1 < out_bytes; i++) {
        const char *join = i == 0 ? "" : row->choices[i + 1] || row->type == SG_OPTION_INT ? ", " : " or ";
        int wrote = snprintf(out + used, out_bytes - used, "%s%s", join, row->choices[i]);

        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static void describe_list(const struct sg_option *row, char *out, size_t out_bytes)
{
    const char *kind = row->flags & SG_OPTION_EVEN ? "pairs of " : "";
    const char *whole = row->type == SG_OPTION_INTS ? "whole " : "";
    char range[SG_OPTION_RANGE_MAX];
    const char *blank = sg_option_range(row, range, sizeof(range)) ? " " : "";

    if (row->flags & SG_OPTION_SPREAD)
        snprintf(out, out_bytes, "1 or %d %snumbers%s%s", row->max_count, whole, blank, range);
    else if (row->min_count == row->max_count)
        snprintf(out, out_bytes, "%d %s%snumbers%s%s", row->max_count, kind, whole, blank, range);
    else
        snprintf(out, out_bytes, "%d to %d %s%snumbers%s%s", row->min_count, row->max_count, kind, whole,
                 blank, range);
}

static void describe_number(const struct sg_option *row, char *out, size_t out_bytes)
{
    const char *kind = row->type == SG_OPTION_SIZE       ? "a size such as 64MiB"
                       : row->type == SG_OPTION_DURATION ? "a duration such as 250ms or 30s"
                       : row->type == SG_OPTION_COUNT    ? "a number such as 500, 20k or 100M"
                       : row->type == SG_OPTION_INT      ? "a whole number"
                                                         : "a number";
    char range[SG_OPTION_RANGE_MAX], words[96] = "";
    bool ranged = sg_option_range(row, range, sizeof(range));

    if (row->choices)
        describe_choices(row, words, sizeof(words));
    snprintf(out, out_bytes, "%s%s%s%s%s", words, words[0] ? " or " : "", kind, ranged ? ", " : "", range);
}

void sg_option_describe(const struct sg_option *row, char *out, size_t out_bytes)
{
    switch (row->type) {
    case SG_OPTION_BOOL:
        snprintf(out, out_bytes, "true or false");
        break;
    case SG_OPTION_ENUM:
        describe_choices(row, out, out_bytes);
        break;
    case SG_OPTION_TEXT:
        snprintf(out, out_bytes, "text");
        break;
    case SG_OPTION_TEXTS:
        snprintf(out, out_bytes,
                 row->flags & SG_OPTION_NUMBERED ? "text, a list of texts or a map of numbers to texts"
                                                 : "text or a list of texts");
        break;
    case SG_OPTION_FLOATS:
    case SG_OPTION_INTS:
        describe_list(row, out, out_bytes);
        break;
    case SG_OPTION_GROUP:
        snprintf(out, out_bytes, "a map");
        break;
    case SG_OPTION_GROUPS:
        snprintf(out, out_bytes, "a map or a list of maps");
        break;
    case SG_OPTION_KEYED:
        snprintf(out, out_bytes, "a map from names");
        break;
    default:
        describe_number(row, out, out_bytes);
        break;
    }
}
