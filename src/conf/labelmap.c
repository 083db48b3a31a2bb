/* SPDX-License-Identifier: MIT
 * The label map of TensorFlow's Object Detection API (label_map.pbtxt): so much of protobuf's text format as
 * such files use. Called by names.c.
 */
#include "conf/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LABELMAP_WORD_MAX 512 /* bytes of a name or number */

struct cursor {
    const char *p, *end;
    int line;
};

struct item {
    int id; /* -1: not said */
    char name[LABELMAP_WORD_MAX], display[LABELMAP_WORD_MAX];
};

/* Blanks, comments, and the separators that the format allows and does not need. */
static void skip(struct cursor *at)
{
    for (; at->p < at->end; at->p++) {
        if (*at->p == '#')
            while (at->p + 1 < at->end && at->p[1] != '\n')
                at->p++;
        else if (*at->p == '\n')
            at->line++;
        else if (!isspace((unsigned char)*at->p) && *at->p != ',' && *at->p != ';')
            return;
    }
}

static bool take(struct cursor *at, char c)
{
    skip(at);
    if (at->p == at->end || *at->p != c)
        return false;
    at->p++;
    return true;
}

/* A byte of a quoted text; \303 is how writers spell what is not ASCII. Moves behind it. */
static char unescape(struct cursor *at)
{
    int value = 0, digits = 0;

    if (*at->p != '\\' || at->p + 1 == at->end)
        return *at->p++;
    at->p++;
    for (; digits < 3 && at->p < at->end && *at->p >= '0' && *at->p <= '7'; digits++)
        value = value * 8 + (*at->p++ - '0');
    if (digits == 0)
        return *at->p++;
    return (char)(value & 0xff);
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '+' || c == '-';
}

/* A word, a number or a quoted text. */
static bool take_word(struct cursor *at, char word[LABELMAP_WORD_MAX])
{
    size_t used = 0;
    char quote;

    skip(at);
    quote = at->p < at->end && (*at->p == '"' || *at->p == '\'') ? *at->p++ : '\0';
    while (at->p < at->end && (quote ? *at->p != quote && *at->p != '\n' : in_word(*at->p))) {
        if (used + 1 == LABELMAP_WORD_MAX)
            return false;
        word[used++] = quote ? unescape(at) : *at->p++;
    }
    word[used] = '\0';
    if (quote && (at->p == at->end || *at->p != quote || memchr(word, '\0', used)))
        return false;
    at->p += quote != '\0';
    return quote || used > 0;
}

/* A group that says nothing of names: key points, for one. */
static bool skip_group(struct cursor *at)
{
    char word[LABELMAP_WORD_MAX];
    int depth = 1;

    while (depth > 0) {
        if (take(at, '{'))
            depth++;
        else if (take(at, '}'))
            depth--;
        else if (!take(at, ':') && !take_word(at, word))
            return false;
    }
    return true;
}

static bool take_number(const char *word, int *out_number)
{
    char *end;
    long number = strtol(word, &end, 10);

    *out_number = (int)number;
    return *end == '\0' && end != word && number >= 0 && number < SG_OPTION_LIST_MAX;
}

/* What stands between the braces. NULL, or what is wrong. */
static const char *take_item(struct cursor *at, struct item *item)
{
    char key[LABELMAP_WORD_MAX], value[LABELMAP_WORD_MAX];
    bool colon;

    *item = (struct item){.id = -1};
    while (!take(at, '}')) {
        if (!take_word(at, key))
            return "expected a field of an item, as in: id: 1";
        colon = take(at, ':');
        if (take(at, '{')) {
            if (!skip_group(at))
                return "a group is not closed";
            continue;
        }
        if (!colon || !take_word(at, value))
            return "expected a value behind the field, quoted if it is a text";
        if (strcmp(key, "id") == 0 && !take_number(value, &item->id))
            return "expected a class number, 0 to 65535, behind id";
        if (strcmp(key, "name") == 0)
            memcpy(item->name, value, sizeof(value));
        else if (strcmp(key, "display_name") == 0)
            memcpy(item->display, value, sizeof(value));
    }
    if (item->id < 0)
        return "the item has no id";
    return item->name[0] || item->display[0] ? NULL : "the item has neither name nor display_name";
}

/* Names by number, in a list that grows. NULL, or what is wrong. */
static const char *put(char **names, const struct item *item)
{
    if (names[item->id])
        return "the number of this item was used before";
    names[item->id] = strdup(item->display[0] ? item->display : item->name);
    return names[item->id] ? NULL : "no memory for labels";
}

static int append_all(char *const *names, int most, struct sg_texts *out)
{
    int code = 0, i;

    for (i = names[0] ? 0 : 1; i <= most && code == 0; i++)
        code = sg_texts_append(out, names[i] ? names[i] : "", names[i] ? strlen(names[i]) : 0, 0, 0);
    return code;
}

int sg_conf_labelmap(const char *file, const char *text, size_t size, struct sg_texts *names,
                     struct sg_conf_problems *problems)
{
    struct cursor at = {text, text + size, 1};
    char **found = calloc(SG_OPTION_LIST_MAX, sizeof(*found)), word[LABELMAP_WORD_MAX];
    const char *wrong = NULL;
    struct item item;
    int most = -1, line = 1, code = 0, i;

    if (!found)
        return SG_E_NOMEM;
    for (skip(&at); !wrong && at.p < at.end; skip(&at)) {
        line = at.line;
        if (!take_word(&at, word) || strcmp(word, "item") != 0)
            wrong = "expected item { id: 1 name: \"person\" }";
        else if (take(&at, ':'), !take(&at, '{'))
            wrong = "expected { behind item";
        else
            wrong = take_item(&at, &item);
        if (wrong) {
            line = at.line;
            break;
        }
        wrong = put(found, &item);
        most = !wrong && item.id > most ? item.id : most;
    }
    if (!wrong && most < 0)
        wrong = "no item in the label map";
    code = wrong ? sg_conf_problems_add(problems, file, line, 1, NULL, "%s", wrong)
                 : append_all(found, most, names);
    for (i = 0; i <= most; i++)
        free(found[i]);
    free(found);
    return code;
}

bool sg_conf_is_labelmap(const char *text, size_t size)
{
    struct cursor at = {text, text + size, 1};
    char word[LABELMAP_WORD_MAX];

    skip(&at);
    return at.p < at.end && *at.p == 'i' && take_word(&at, word) && strcmp(word, "item") == 0 &&
           (take(&at, ':'), take(&at, '{'));
}
