/* SPDX-License-Identifier: MIT
 * Class names: from a file, from exporters' metadata, from a list.
 */
#include "base/utf8.h"
#include "conf/names.h"
#include "conf/places.h"
#include "data/literal.h"
#include "model/model_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int sg_labels_known(const char *set, struct sg_labels *labels, struct sg_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    char data[SG_PLACE_MAX], path[SG_PLACE_MAX + 64];
    int count, code;
    const char *const *names = sg_head_labels(set, &count);

    if (names) {
        code = sg_labels_copy(names, count, labels, err);
        return code < 0 ? code : 1;
    }
    if (set[0] == '\0' || strlen(set) > SG_HEAD_NAME_MAX || strspn(set, letters) != strlen(set))
        return 0; /* a file's name */
    snprintf(path, sizeof(path), "%s/models/labels/%s.json", sg_place_data(data, sizeof(data)), set);
    if (access(path, R_OK) != 0)
        return 0;
    code = sg_labels_read(path, labels, err);
    return code < 0 ? code : 1;
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

static int put_literal(void *context, int index, const char *name, size_t size)
{
    struct sg_labels *labels = context;

    return labels_put(labels, index, name, size, NULL);
}

int sg_labels_parse(const char *text, struct sg_labels *labels, struct sg_error *err)
{
    int count;

    sg_labels_fini(labels);
    count = sg_literal_names(text, strlen(text), put_literal, labels);
    if (count > 0 && labels->count > 0)
        return 0;
    sg_labels_fini(labels);
    if (count < -1)
        return sg_error_set(err, count, "no memory for labels");
    return sg_error_set(err, SG_E_MODEL, "the model's class names are not a map or list of names: %.60s",
                        text);
}

/* Pieces of text between separators, blanks around them left out where `trim` says so. An empty last piece is
 * the end of the text. */
static int split(const char *text, char separator, bool trim, struct sg_labels *labels, struct sg_error *err)
{
    int index = 0, code = 0;

    for (; *text && code == 0; index++) {
        const char *stop = strchrnul(text, separator), *from = text, *to = stop;

        while (trim && from < to && isspace((unsigned char)*from))
            from++;
        while (from < to && (trim ? isspace((unsigned char)to[-1]) : to[-1] == '\r'))
            to--;
        code = labels_put(labels, index, from, (size_t)(to - from), err);
        text = *stop ? stop + 1 : stop;
    }
    return code;
}

/* Every code point is a character: the text is UTF-8, whose further bytes begin with the bits 10. */
static int split_characters(const char *text, struct sg_labels *labels, struct sg_error *err)
{
    int index = 0, code = 0;

    while (*text && code == 0) {
        size_t size = 1;

        while (!sg_utf8_begins(text[size]))
            size++;
        code = labels_put(labels, index++, text, size, err);
        text += size;
    }
    return code;
}

/* Keys that exporters have for names, and for the alphabets of text readers, best known first. */
static const struct {
    const char *key;
    bool alphabet;
} meta_keys[] = {
    {"names", false},      {"character", true},  {"id2label", false},    {"class_names", false},
    {"classes", false},    {"labels", false},    {"label_names", false}, {"label_list", false},
    {"categories", false}, {"characters", true}, {"charset", true},      {"alphabet", true},
    {"vocab", true},       {"dictionary", true},
};

static int read_meta(const char *text, bool alphabet, struct sg_labels *labels, struct sg_error *err)
{
    if (sg_labels_parse(text, labels, err) == 0)
        return 0;
    sg_error_clear(err);
    if (strchr(text, '\n'))
        return split(text, '\n', false, labels, err);
    if (alphabet)
        return split_characters(text, labels, err);
    /* A lone word is no list, and a broken literal no names. */
    if (!strchr(text, ',') || strchr("{[(", text[strspn(text, " \t")]))
        return 0;
    return split(text, ',', true, labels, err);
}

int sg_labels_meta(const struct sg_signature *signature, struct sg_labels *labels, const char **out_key,
                   struct sg_error *err)
{
    size_t i;

    sg_labels_fini(labels);
    *out_key = NULL;
    for (i = 0; i < sizeof(meta_keys) / sizeof(meta_keys[0]) && labels->count == 0; i++) {
        const char *text = sg_signature_meta(signature, meta_keys[i].key);
        int code = text ? read_meta(text, meta_keys[i].alphabet, labels, err) : 0;

        if (code < 0) {
            sg_labels_fini(labels);
            return code;
        }
        *out_key = meta_keys[i].key;
    }
    return 0;
}
