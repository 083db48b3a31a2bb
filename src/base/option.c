/* SPDX-License-Identifier: MIT
 * Structs described by option rows: defaults, texts and lists, release, typing errors. Values are parsed in
 * option_value.c.
 */
#include "base/option.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SUGGEST_MAX_LENGTH 63

static void *member(void *values, size_t offset)
{
    return (char *)values + offset;
}

static bool key_equal(const char *key, const char *other, bool flag)
{
    for (; *key && *other; key++, other++) {
        if (*key != *other && !(flag && *key == '_' && *other == '-'))
            return false;
    }
    return *key == *other;
}

const struct sg_option *sg_option_find(const struct sg_option_table *table, const char *key, bool flag)
{
    int i;

    for (i = 0; i < table->row_count; i++) {
        const struct sg_option *row = &table->rows[i];

        if (key_equal(row->key, key, flag) || (row->alias && key_equal(row->alias, key, flag)))
            return &table->rows[i];
    }
    return NULL;
}

int sg_option_defaults(const struct sg_option_table *table, void *values)
{
    struct sg_error err = {0};
    int i, code;

    memset(values, 0, table->struct_bytes);
    for (i = 0; i < table->row_count; i++) {
        const struct sg_option *row = &table->rows[i];

        if (row->type == SG_OPTION_GROUP) {
            code = sg_option_defaults(row->table, member(values, row->offset));
        } else if (row->value_default) {
            code = sg_option_parse(row, values, row->value_default, strlen(row->value_default), &err);
            if (row->set_offset)
                *(bool *)member(values, row->set_offset) = false;
        } else {
            code = 0;
        }
        if (code < 0) {
            sg_option_fini(table, values);
            return code;
        }
    }
    return 0;
}

void sg_option_fini(const struct sg_option_table *table, void *values)
{
    int i, j;

    for (i = 0; i < table->row_count; i++) {
        const struct sg_option *row = &table->rows[i];
        void *at = member(values, row->offset);
        struct sg_option_list *list = at;

        switch (row->type) {
        case SG_OPTION_TEXT:
            sg_text_fini(at);
            break;
        case SG_OPTION_TEXTS:
            sg_texts_fini(at);
            break;
        case SG_OPTION_GROUP:
            sg_option_fini(row->table, at);
            break;
        case SG_OPTION_GROUPS:
        case SG_OPTION_KEYED:
            for (j = 0; j < list->count; j++) {
                char *item = (char *)list->items + (size_t)j * row->table->struct_bytes;

                if (row->type == SG_OPTION_KEYED)
                    sg_text_fini(member(item, row->table->name_offset));
                sg_option_fini(row->table, item);
            }
            free(list->items);
            break;
        default:
            break;
        }
    }
    memset(values, 0, table->struct_bytes);
}

void sg_option_mark(const struct sg_option *row, void *values)
{
    if (row->set_offset)
        *(bool *)member(values, row->set_offset) = true;
}

int sg_option_grow(const struct sg_option *row, void *values, void **out_item)
{
    struct sg_option_list *list = member(values, row->offset);
    size_t bytes = row->table->struct_bytes;
    void *items;
    int code;

    if (list->count >= (row->max_count ? row->max_count : SG_OPTION_GROUP_MAX))
        return SG_E_TOO_LARGE;
    items = realloc(list->items, ((size_t)list->count + 1) * bytes);
    if (!items)
        return SG_E_NOMEM;
    list->items = items;
    *out_item = (char *)items + (size_t)list->count * bytes;
    code = sg_option_defaults(row->table, *out_item);
    if (code == 0)
        list->count++;
    return code;
}

int sg_text_set(struct sg_text *text, const char *value, size_t size, int line, int column)
{
    char *copy;

    if (size > SG_OPTION_TEXT_MAX)
        return SG_E_TOO_LARGE;
    copy = malloc(size + 1);
    if (!copy)
        return SG_E_NOMEM;
    memcpy(copy, value, size);
    copy[size] = '\0';
    free(text->value);
    *text = (struct sg_text){.value = copy, .line = line, .column = column};
    return 0;
}

int sg_texts_append(struct sg_texts *texts, const char *value, size_t size, int line, int column)
{
    struct sg_text *items;
    int code;

    if (texts->count >= SG_OPTION_LIST_MAX)
        return SG_E_TOO_LARGE;
    /* Powers of two: a list of n labels costs O(log n) reallocations without a capacity member. */
    if ((texts->count & (texts->count - 1)) == 0) {
        items = realloc(texts->items, (texts->count ? (size_t)texts->count * 2 : 1) * sizeof(*items));
        if (!items)
            return SG_E_NOMEM;
        texts->items = items;
    }
    texts->items[texts->count] = (struct sg_text){0};
    code = sg_text_set(&texts->items[texts->count], value, size, line, column);
    if (code == 0)
        texts->count++;
    return code;
}

void sg_text_fini(struct sg_text *text)
{
    free(text->value);
    *text = (struct sg_text){0};
}

void sg_texts_fini(struct sg_texts *texts)
{
    int i;

    for (i = 0; i < texts->count; i++)
        sg_text_fini(&texts->items[i]);
    free(texts->items);
    *texts = (struct sg_texts){0};
}

static int fold(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

/* Optimal string alignment distance: insert, delete, replace, swap neighbours. */
static int distance(const char *a, const char *b)
{
    int rows[3][SUGGEST_MAX_LENGTH + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    size_t la = strlen(a), lb = strlen(b), i, j;

    for (j = 0; j <= lb; j++)
        last[j] = (int)j;
    for (i = 1; i <= la; i++) {
        int *spare = before;

        now[0] = (int)i;
        for (j = 1; j <= lb; j++) {
            bool same = fold(a[i - 1]) == fold(b[j - 1]);
            int best = last[j - 1] + !same;

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[lb];
}

const char *sg_suggest(const char *word, const char *const *candidates, int count)
{
    size_t length = strlen(word);
    const char *best = NULL;
    int limit, closest, i;

    if (length < 2 || length > SUGGEST_MAX_LENGTH)
        return NULL;
    limit = length < 4 ? 1 : length < 8 ? 2 : 3;
    closest = limit + 1;
    for (i = 0; i < count; i++) {
        int d;

        if (!candidates[i] || strlen(candidates[i]) > SUGGEST_MAX_LENGTH)
            continue;
        d = distance(word, candidates[i]);
        if (d < closest) {
            closest = d;
            best = candidates[i];
        }
    }
    /* "pixels" for max_pixels: half remembered rather than mistyped. */
    for (i = 0; !best && length >= 4 && i < count; i++) {
        if (candidates[i] && strstr(candidates[i], word))
            best = candidates[i];
    }
    return best;
}
