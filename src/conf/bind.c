/* SPDX-License-Identifier: MIT
 * Walks a tree and a table side by side. A wrong entry is reported and skipped, so that one run finds every
 * problem of a file.
 */
#include "conf/bind.h"

#include "base/buf.h"
#include "conf/names.h"
#include "conf/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 160 /* "classify[2].threshold" */
#define MAX_ROWS       64

struct binder {
    const char *file;
    struct sg_conf_problems *problems;
    int code; /* the worst so far */
};

static int bind_group(struct binder *binder, const struct sg_option_table *table, void *values,
                      const struct sg_yaml_node *node, const char *path);

static void *member(void *values, size_t offset)
{
    return (char *)values + offset;
}

static void wrong(struct binder *binder, const struct sg_yaml_node *at, const char *path, const char *text)
{
    binder->code = sg_conf_problems_add(binder->problems, binder->file, at->line, at->column, NULL, "%s%s%s",
                                        path, path[0] ? ": " : "", text);
}

static void wrong_kind(struct binder *binder, const struct sg_yaml_node *node, const struct sg_option *row,
                       const char *path)
{
    char what[256], got[64];

    sg_option_describe(row, what, sizeof(what));
    binder->code =
        sg_conf_problems_add(binder->problems, binder->file, node->line, node->column, NULL,
                             "%s: expected %s, got %s", path, what, sg_yaml_describe(node, got, sizeof(got)));
}

static void bind_scalar(struct binder *binder, const struct sg_option *row, void *values,
                        const struct sg_yaml_node *node, const char *path)
{
    struct sg_text *text = member(values, row->offset);
    struct sg_error err = {0};
    int code;

    if (node->kind != SG_YAML_SCALAR || node->absent) {
        wrong_kind(binder, node, row, path);
        return;
    }
    code = sg_option_parse(row, values, node->text, node->size, &err);
    if (code == SG_E_NOMEM)
        binder->code = code;
    else if (code < 0)
        wrong(binder, node, path, err.text);
    else if (row->type == SG_OPTION_TEXT)
        *text = (struct sg_text){text->value, node->line, node->column};
}

static void append_text(struct binder *binder, const struct sg_option *row, struct sg_texts *texts,
                        const struct sg_yaml_node *node, const char *path)
{
    int code;

    if (node->kind != SG_YAML_SCALAR || node->size == 0 || memchr(node->text, '\0', node->size)) {
        wrong_kind(binder, node, row, path);
        return;
    }
    code = sg_texts_append(texts, node->text, node->size, node->line, node->column);
    if (code == SG_E_NOMEM)
        binder->code = code;
    else if (code < 0)
        wrong(binder, node, path, "too many entries, or one is longer than 4096 bytes");
}

static void bind_numbered(struct binder *binder, struct sg_texts *texts, const struct sg_yaml_node *node,
                          const char *path)
{
    char prefix[PATH_MAX_BYTES + 2];
    int code;

    snprintf(prefix, sizeof(prefix), "%s: ", path);
    code = sg_conf_names_bind(binder->file, prefix, node, texts, binder->problems);
    binder->code = code < 0 ? code : binder->code;
}

static void bind_texts(struct binder *binder, const struct sg_option *row, void *values,
                       const struct sg_yaml_node *node, const char *path)
{
    struct sg_texts *texts = member(values, row->offset);
    const struct sg_yaml_node *child;

    sg_texts_fini(texts);
    if (node->kind == SG_YAML_LIST) {
        for (child = node->child; child; child = child->next)
            append_text(binder, row, texts, child, path);
    } else if (node->kind == SG_YAML_MAP && (row->flags & SG_OPTION_NUMBERED)) {
        bind_numbered(binder, texts, node, path);
    } else {
        texts->scalar = true;
        append_text(binder, row, texts, node, path);
    }
    sg_option_mark(row, values);
}

/* Adds the numbers of node to numbers; lists in it only when the row flattens. Returns false when wrong. */
static bool collect_numbers(struct binder *binder, const struct sg_option *row,
                            const struct sg_yaml_node *node, int depth, double *numbers, int *count,
                            const char *path)
{
    const struct sg_yaml_node *child;
    struct sg_error err = {0};

    if (node->kind == SG_YAML_LIST && (depth == 0 || (row->flags & SG_OPTION_FLATTEN))) {
        for (child = node->child; child; child = child->next) {
            if (!collect_numbers(binder, row, child, depth + 1, numbers, count, path))
                return false;
        }
        return true;
    }
    if (node->kind != SG_YAML_SCALAR || node->absent || *count == SG_OPTION_FLOAT_MAX) {
        wrong_kind(binder, node, row, path);
        return false;
    }
    if (sg_option_number(row, node->text, node->size, &numbers[*count], &err) < 0) {
        wrong(binder, node, path, err.text);
        return false;
    }
    ++*count;
    return true;
}

static void bind_numbers(struct binder *binder, const struct sg_option *row, void *values,
                         const struct sg_yaml_node *node, const char *path)
{
    double numbers[SG_OPTION_FLOAT_MAX];
    struct sg_error err = {0};
    int count = 0;

    if (!collect_numbers(binder, row, node, 0, numbers, &count, path))
        return;
    if (sg_option_numbers(row, values, numbers, count, &err) < 0)
        wrong(binder, node, path, err.text);
}

/* One more item of a list of groups. Returns NULL when it cannot be had. */
static void *grow(struct binder *binder, const struct sg_option *row, void *values,
                  const struct sg_yaml_node *node, const char *path)
{
    void *item = NULL;
    int code = sg_option_grow(row, values, &item);

    if (code == SG_E_TOO_LARGE)
        wrong(binder, node, path, "too many entries");
    else if (code < 0)
        binder->code = code;
    return code < 0 ? NULL : item;
}

static void bind_groups(struct binder *binder, const struct sg_option *row, void *values,
                        const struct sg_yaml_node *node, const char *path)
{
    const struct sg_yaml_node *child = node->kind == SG_YAML_LIST ? node->child : node;
    char item_path[PATH_MAX_BYTES];
    void *item;
    int i;

    for (i = 0; child; child = node->kind == SG_YAML_LIST ? child->next : NULL, i++) {
        snprintf(item_path, sizeof(item_path), "%s[%d]", path, i);
        item = grow(binder, row, values, child, path);
        if (!item)
            return;
        bind_group(binder, row->table, item, child, node->kind == SG_YAML_LIST ? item_path : path);
    }
    sg_option_mark(row, values);
}

static void bind_keyed(struct binder *binder, const struct sg_option *row, void *values,
                       const struct sg_yaml_node *node, const char *path)
{
    const struct sg_yaml_node *child;
    char item_path[PATH_MAX_BYTES];

    if (node->kind != SG_YAML_MAP) {
        wrong_kind(binder, node, row, path);
        return;
    }
    for (child = node->child; child; child = child->next) {
        const struct sg_yaml_node *key = child->key;
        struct sg_option_list *list = member(values, row->offset);
        size_t name_offset = row->table->name_offset;
        int i, code;
        char *item;

        if (key->size == 0 || key->size > SG_OPTION_TEXT_MAX || memchr(key->text, '\0', key->size)) {
            wrong(binder, key, path, "an empty, overlong or unprintable name");
            continue;
        }
        for (i = 0; i < list->count; i++) {
            struct sg_text *name =
                member((char *)list->items + (size_t)i * row->table->struct_bytes, name_offset);

            if (strcmp(name->value, key->text) == 0)
                break;
        }
        snprintf(item_path, sizeof(item_path), "%s.%s", path, key->text);
        if (i < list->count) {
            wrong(binder, key, item_path, "given twice");
            continue;
        }
        item = grow(binder, row, values, child, path);
        if (!item)
            return;
        code = sg_text_set(member(item, name_offset), key->text, key->size, key->line, key->column);
        if (code < 0) {
            list->count--; /* an item without a name would break the comparison above */
            binder->code = code;
            return;
        }
        bind_group(binder, row->table, item, child, item_path);
    }
    sg_option_mark(row, values);
}

static void bind_value(struct binder *binder, const struct sg_option *row, void *values,
                       const struct sg_yaml_node *node, const char *path)
{
    switch (row->type) {
    case SG_OPTION_TEXTS:
        bind_texts(binder, row, values, node, path);
        break;
    case SG_OPTION_FLOATS:
    case SG_OPTION_INTS:
        bind_numbers(binder, row, values, node, path);
        break;
    case SG_OPTION_GROUP:
        if (bind_group(binder, row->table, member(values, row->offset), node, path) == 0)
            sg_option_mark(row, values);
        break;
    case SG_OPTION_GROUPS:
        bind_groups(binder, row, values, node, path);
        break;
    case SG_OPTION_KEYED:
        bind_keyed(binder, row, values, node, path);
        break;
    default:
        bind_scalar(binder, row, values, node, path);
        break;
    }
}

static void unknown_key(struct binder *binder, const struct sg_option_table *table,
                        const struct sg_yaml_node *key, const char *path)
{
    const char *keys[2 * MAX_ROWS], *close;
    const struct sg_option *row;
    char got[64];
    int i, count = 0;

    for (i = 0; i < table->row_count && i < MAX_ROWS; i++) {
        if (table->rows[i].flags & SG_OPTION_FLAG_ONLY)
            continue;
        keys[count++] = table->rows[i].key;
        if (table->rows[i].alias)
            keys[count++] = table->rows[i].alias;
    }
    close = sg_suggest(key->text, keys, count);
    row = close ? sg_option_find(table, close, false) : NULL;
    binder->code = sg_conf_problems_add(binder->problems, binder->file, key->line, key->column,
                                        row ? row->key : NULL, "unknown key %s%s%s",
                                        sg_yaml_describe(key, got, sizeof(got)), path[0] ? " in " : "", path);
}

static void bind_entry(struct binder *binder, const struct sg_option_table *table, void *values,
                       const struct sg_yaml_node *node, bool seen[MAX_ROWS], const char *path)
{
    const struct sg_option *row = sg_option_find(table, node->key->text, false);
    char entry[PATH_MAX_BYTES];

    if (!row || (row->flags & SG_OPTION_FLAG_ONLY) || strlen(node->key->text) != node->key->size) {
        unknown_key(binder, table, node->key, path);
        return;
    }
    snprintf(entry, sizeof(entry), "%s%s%s", path, path[0] ? "." : "", node->key->text);
    if (seen[row - table->rows]) {
        wrong(binder, node->key, entry, "given twice");
        return;
    }
    seen[row - table->rows] = true;
    if (table->places_offset)
        ((struct sg_option_place *)member(values, table->places_offset))[row - table->rows] =
            (struct sg_option_place){node->key->line, node->key->column};
    bind_value(binder, row, values, node, entry);
}

/* A map, or the shorthand's plain value. Returns 0 when something was bound. */
static int bind_group(struct binder *binder, const struct sg_option_table *table, void *values,
                      const struct sg_yaml_node *node, const char *path)
{
    bool seen[MAX_ROWS] = {false};
    const struct sg_option *brief = table->shorthand ? sg_option_find(table, table->shorthand, false) : NULL;
    const struct sg_yaml_node *child;
    char got[64];
    int i;

    if (table->line_offset) {
        ((int *)member(values, table->line_offset))[0] = node->line;
        ((int *)member(values, table->line_offset))[1] = node->column;
    }
    if (brief &&
        (node->kind == SG_YAML_SCALAR ? !node->absent
                                      : node->kind == SG_YAML_LIST && brief->type == SG_OPTION_TEXTS)) {
        seen[brief - table->rows] = true;
        bind_value(binder, brief, values, node, path);
    } else if (node->kind != SG_YAML_MAP) {
        binder->code = sg_conf_problems_add(binder->problems, binder->file, node->line, node->column, NULL,
                                            "%s%sexpected a map, got %s", path, path[0] ? ": " : "",
                                            sg_yaml_describe(node, got, sizeof(got)));
        return SG_E_CONFIG;
    }
    for (child = node->kind == SG_YAML_MAP ? node->child : NULL; child; child = child->next)
        bind_entry(binder, table, values, child, seen, path);
    for (i = 0; i < table->row_count; i++) {
        if ((table->rows[i].flags & SG_OPTION_REQUIRED) && !seen[i])
            binder->code =
                sg_conf_problems_add(binder->problems, binder->file, node->line, node->column, NULL,
                                     "%s%s\"%s\" is missing", path, path[0] ? ": " : "", table->rows[i].key);
    }
    return 0;
}

int sg_conf_bind(const struct sg_option_table *table, void *values, const char *file, const char *yaml,
                 size_t size, struct sg_conf_problems *problems, bool *out_bound)
{
    static const struct sg_yaml_node empty = {.kind = SG_YAML_MAP, .line = 1, .column = 1};
    struct binder binder = {.file = file, .problems = problems};
    struct sg_yaml tree;
    int code = sg_yaml_parse(&tree, file, yaml, size, problems);

    *out_bound = code == 0;
    if (code < 0)
        return code;
    /* A file of comments only says nothing, which is allowed unless something is required. */
    bind_group(&binder, table, values, tree.root && !tree.root->absent ? tree.root : &empty, "");
    sg_yaml_fini(&tree);
    return binder.code;
}

int sg_conf_read(const char *path, char **out_text, size_t *out_size, struct sg_conf_problems *problems)
{
    struct sg_buf buf;
    int code, saved;

    sg_buf_init(&buf, SG_YAML_MAX_BYTES);
    errno = 0;
    code = sg_buf_append_file(&buf, path);
    saved = errno;
    if (code == 0 && buf.size == 0)
        code = sg_buf_reserve(&buf, 1);
    if (code == 0) {
        *out_text = (char *)buf.data;
        *out_size = buf.size;
        return 0;
    }
    sg_buf_fini(&buf);
    if (code == SG_E_NOMEM)
        return code;
    return sg_conf_problems_add(problems, path, 0, 0, NULL, "cannot be read: %s",
                                code == SG_E_TOO_LARGE ? "larger than 1 MiB"
                                : saved                ? strerror(saved)
                                                       : "input error");
}
