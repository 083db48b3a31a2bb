/* SPDX-License-Identifier: MIT
 * Class names: from a file, from exporters' metadata, from a list.
 */
#include "conf/names.h"
#include "pipe/model_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Puts a copy of text at index, growing as needed. */
static int labels_put(struct sg_labels *labels, int index, const char *text, size_t size,
                      struct sg_error *err)
{
    char **items;

    if (index < 0 || index >= SG_MODEL_MAX_LABELS)
        return sg_error_set(err, SG_E_TOO_LARGE, "class id %d is outside 0 to %d", index,
                            SG_MODEL_MAX_LABELS - 1);
    if (index >= labels->count) {
        items = realloc(labels->items, ((size_t)index + 1) * sizeof(*items));
        if (!items)
            return sg_error_set(err, SG_E_NOMEM, "no memory for labels");
        memset(items + labels->count, 0, (size_t)(index + 1 - labels->count) * sizeof(*items));
        labels->items = items;
        labels->count = index + 1;
    }
    free(labels->items[index]);
    labels->items[index] = strndup(text, size);
    return labels->items[index] ? 0 : sg_error_set(err, SG_E_NOMEM, "no memory for labels");
}

void sg_labels_fini(struct sg_labels *labels)
{
    int i;

    for (i = 0; i < labels->count; i++)
        free(labels->items[i]);
    free(labels->items);
    *labels = (struct sg_labels){0};
}

int sg_labels_copy(const char *const *items, int count, struct sg_labels *labels, struct sg_error *err)
{
    int code = 0, i;

    sg_labels_fini(labels);
    for (i = 0; i < count && code == 0; i++)
        if (items[i])
            code = labels_put(labels, i, items[i], strlen(items[i]), err);
    return code;
}

int sg_labels_read(const char *path, struct sg_labels *labels, struct sg_error *err)
{
    struct sg_texts lines = {0};
    int code, i;

    sg_labels_fini(labels);
    code = sg_conf_labels(path, &lines, err);
    if (code == 0 && lines.count == 0)
        code = sg_error_set(err, SG_E_CONFIG, "labels file \"%s\" is empty", path);
    for (i = 0; i < lines.count && code == 0; i++)
        code = labels_put(labels, i, lines.items[i].value, strlen(lines.items[i].value), err);
    sg_texts_fini(&lines);
    return code;
}

/* A quoted text at *at (' or "), backslash escapes taken off in place into out. Moves *at behind it. */
static int quoted(const char **at, char *out, size_t out_bytes)
{
    char quote = **at;
    size_t used = 0;
    const char *p = *at + 1;

    while (*p && *p != quote) {
        if (*p == '\\' && p[1])
            p++;
        if (used + 1 >= out_bytes)
            return -1;
        out[used++] = *p++;
    }
    if (*p != quote)
        return -1;
    out[used] = '\0';
    *at = p + 1;
    return 0;
}

static const char *skip_blanks(const char *p)
{
    while (isspace((unsigned char)*p) || *p == ',')
        p++;
    return p;
}

int sg_labels_parse(const char *text, struct sg_labels *labels, struct sg_error *err)
{
    char word[512];
    const char *p = skip_blanks(text);
    bool map = *p == '{';
    int index = 0, code = 0;

    sg_labels_fini(labels);
    if (*p != '{' && *p != '[')
        goto broken;
    for (p = skip_blanks(p + 1); *p && *p != '}' && *p != ']'; p = skip_blanks(p), index++) {
        long id = index;
        char *end;

        if (map) {
            /* Keys are bare numbers in Python's text and quoted ones in JSON's. */
            bool in_quotes = *p == '"' || *p == '\'';

            errno = 0;
            id = strtol(p + in_quotes, &end, 10);
            if (end == p + in_quotes || errno || id < 0 || id >= SG_MODEL_MAX_LABELS)
                goto broken;
            p = skip_blanks(end + in_quotes);
            if (*p != ':')
                goto broken;
            p = skip_blanks(p + 1);
        }
        if ((*p != '"' && *p != '\'') || quoted(&p, word, sizeof(word)) < 0)
            goto broken;
        code = labels_put(labels, (int)id, word, strlen(word), err);
        if (code < 0)
            return code;
    }
    if (*p != (map ? '}' : ']') || labels->count == 0)
        goto broken;
    return 0;
broken:
    sg_labels_fini(labels);
    return sg_error_set(err, SG_E_MODEL, "the model's class names are not a map or list of names: %.60s",
                        text);
}
