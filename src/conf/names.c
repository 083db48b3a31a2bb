/* SPDX-License-Identifier: MIT
 * Files of class names, told apart, and maps of numbers to names. labelmap.c reads the one format that is no
 * YAML.
 */
#include "conf/names.h"

#include "base/buf.h"
#include "base/path.h"
#include "conf/yaml.h"
#include "data/literal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int complain(const char *file, const char *prefix, const struct sg_yaml_node *at,
                    struct sg_conf_problems *problems, const char *text)
{
    return sg_conf_problems_add(problems, file, at->line, at->column, NULL, "%s%s", prefix, text);
}

static int add_name(const char *file, const char *prefix, const struct sg_yaml_node *node,
                    struct sg_texts *names, struct sg_conf_problems *problems)
{
    char text[128], got[64];
    int code;

    if (node->kind == SG_YAML_LIST && node->key && node->child && node->child->next &&
        node->child->next == node->last_child)
        node = node->child->next;
    if (node->kind != SG_YAML_SCALAR || node->absent || memchr(node->text, '\0', node->size)) {
        snprintf(text, sizeof(text), "expected a name, got %s", sg_yaml_describe(node, got, sizeof(got)));
        return complain(file, prefix, node, problems, text);
    }
    code = sg_texts_append(names, node->text, node->size, node->line, node->column);
    return code < 0 && code != SG_E_NOMEM
               ? complain(file, prefix, node, problems, "too many names, or one is longer than 4096 bytes")
               : code;
}

/* What is named by a number: an entry of the map. */
struct place {
    const struct sg_yaml_node *entry;
};

/* Puts the entries of a map where their numbers say. Numbers past the last place mean a hole before them. */
static int sort_entries(const char *file, const char *prefix, const struct sg_yaml_node *map,
                        struct place *sorted, struct sg_conf_problems *problems)
{
    const struct sg_yaml_node *child;
    char text[160], got[64];
    int code = 0, most = 0, i, number;

    for (child = map->child; child; child = child->next) {
        number = sg_literal_class(child->key->text, child->key->size);
        text[0] = '\0';
        if (number < 0)
            snprintf(text, sizeof(text), "expected the number of a class, got %s",
                     sg_yaml_describe(child->key, got, sizeof(got)));
        else if (number < map->child_count && sorted[number].entry)
            snprintf(text, sizeof(text), "class %d has a name already, on line %d", number,
                     sorted[number].entry->key->line);
        else if (number < map->child_count)
            sorted[number].entry = child;
        most = number > most ? number : most;
        if (text[0])
            code = complain(file, prefix, child->key, problems, text);
    }
    for (i = 0; i < map->child_count && code == 0; i++) {
        if (sorted[i].entry)
            continue;
        snprintf(text, sizeof(text), "class %d has no name; they must go from 0 to %d without a hole", i,
                 most);
        code = complain(file, prefix, map, problems, text);
    }
    return code;
}

int sg_conf_names_bind(const char *file, const char *prefix, const struct sg_yaml_node *node,
                       struct sg_texts *names, struct sg_conf_problems *problems)
{
    const struct sg_yaml_node *child;
    struct place *sorted;
    int code = 0, one, i;

    if (node->kind == SG_YAML_LIST) {
        for (child = node->child; child; child = child->next) {
            one = add_name(file, prefix, child, names, problems);
            code = one < 0 ? one : code;
        }
        return code;
    }
    sorted = calloc((size_t)node->child_count + 1, sizeof(*sorted));
    if (!sorted)
        return SG_E_NOMEM;
    code = sort_entries(file, prefix, node, sorted, problems);
    for (i = 0; i < node->child_count && code == 0; i++)
        code = sorted[i].entry ? add_name(file, prefix, sorted[i].entry, names, problems) : SG_E_CONFIG;
    free(sorted);
    return code;
}

/* Of a whole file: the names themselves, or a settings file that has them under some key. */
static const struct sg_yaml_node *find_names(const struct sg_yaml_node *root)
{
    static const char *const keys[] = {"names", "id2label", "label_list", "labels"};
    const struct sg_yaml_node *child;
    size_t i;

    for (i = 0; root->kind == SG_YAML_MAP && i < sizeof(keys) / sizeof(keys[0]); i++)
        for (child = root->child; child; child = child->next)
            if (strcmp(child->key->text, keys[i]) == 0 && child->kind != SG_YAML_SCALAR)
                return child;
    /* One that begins otherwise is some other file: one error, not one for each of its keys. */
    if (root->kind == SG_YAML_LIST ||
        (root->child && sg_literal_class(root->child->key->text, root->child->key->size) >= 0))
        return root;
    return NULL;
}

static int read_tree(const char *path, const struct sg_yaml *yaml, struct sg_texts *labels,
                     struct sg_conf_problems *problems)
{
    const struct sg_yaml_node *names = NULL;

    if (yaml->root && yaml->root->kind != SG_YAML_SCALAR)
        names = find_names(yaml->root);
    if (!names)
        return sg_conf_problems_add(problems, path, 1, 1, NULL,
                                    "no class names: expected a list, a map of the numbers from 0, or one of "
                                    "the keys names, id2label, label_list, labels");
    if (names->child_count == 0)
        return complain(path, "", names, problems, "no class names in here");
    return sg_conf_names_bind(path, "", names, labels, problems);
}

static int read_lines(const char *path, const char *line, size_t bytes, struct sg_texts *labels,
                      struct sg_error *err)
{
    const char *end = line + bytes, *stop;
    int code = 0;

    for (; line < end && code == 0; line = stop + 1) {
        size_t size;

        stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        size = (size_t)(stop - line);
        if (size > 0 && line[size - 1] == '\r')
            size--;
        code = sg_texts_append(labels, line, size, 0, 0);
        if (code < 0)
            sg_error_set(err, code, "labels \"%s\": more than %d lines, or one above %d bytes", path,
                         SG_OPTION_LIST_MAX, SG_OPTION_TEXT_MAX);
    }
    return code;
}

/* Brackets around all of the text: a list or map in YAML's short form, or JSON with more in it. */
static bool is_bracketed(const char *text, size_t size)
{
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        size--;
    while (size > 0 && isspace((unsigned char)*text)) {
        text++;
        size--;
    }
    return size > 1 &&
           ((text[0] == '{' && text[size - 1] == '}') || (text[0] == '[' && text[size - 1] == ']'));
}

/* Where the names of a literal are put; a class named twice or not at all leaves it to the YAML reader, which
 * says so with a line and a column. */
struct named {
    char **items;
    int count;
    bool twice;
};

static int put_named(void *context, int index, const char *name, size_t size)
{
    struct named *named = context;

    (void)size;
    named->twice = named->twice || named->items[index];
    if (named->items[index])
        return 0;
    named->items[index] = strdup(name);
    return named->items[index] ? 0 : SG_E_NOMEM;
}

/* A list or dict as Python or JSON writes it. *out_done: its names are in labels; without it, it is for
 * others.
 */
static int read_literal(const char *text, size_t size, struct sg_texts *labels, bool *out_done)
{
    struct named named = {.count = sg_literal_names(text, size, NULL, NULL)};
    int code = 0, i;

    *out_done = false;
    if (named.count < 1 || named.count > SG_OPTION_LIST_MAX)
        return 0;
    named.items = calloc((size_t)named.count, sizeof(*named.items));
    if (!named.items)
        return SG_E_NOMEM;
    code = sg_literal_names(text, size, put_named, &named);
    code = code < 0 ? code : 0;
    for (i = 0; i < named.count && code == 0 && named.items[i]; i++)
        ;
    *out_done = code == 0 && i == named.count && !named.twice;
    for (i = 0; i < named.count; i++) {
        if (*out_done && code == 0)
            code = sg_texts_append(labels, named.items[i], strlen(named.items[i]), 0, 0);
        free(named.items[i]);
    }
    free(named.items);
    return code;
}

int sg_conf_labels_parse(const char *path, const char *text, size_t size, struct sg_texts *labels,
                         struct sg_error *err)
{
    bool yaml_named = sg_path_ends_in_any_case(path, ".yaml") || sg_path_ends_in_any_case(path, ".yml") ||
                      sg_path_ends_in_any_case(path, ".json");
    struct sg_conf_problems problems = {0};
    struct sg_yaml yaml = {0};
    bool done = false;
    int code = 0;

    if (memchr(text, '\0', size))
        return sg_error_set(err, SG_E_CONFIG,
                            "labels \"%s\" are not text in UTF-8; save the file so, one name a line", path);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    if (!sg_path_ends_in_any_case(path, ".yaml") && !sg_path_ends_in_any_case(path, ".yml"))
        code = read_literal(text, size, labels, &done);
    if (code < 0 || done)
        return code == SG_E_NOMEM ? sg_error_set(err, code, "no memory for labels") : code;
    if (sg_path_ends_in_any_case(path, ".pbtxt") || (!yaml_named && sg_conf_is_labelmap(text, size))) {
        code = sg_conf_labelmap(path, text, size, labels, &problems);
    } else if (yaml_named || is_bracketed(text, size)) {
        code = sg_yaml_parse(&yaml, path, text, size, &problems);
        if (code == SG_E_CONFIG && !yaml_named)
            code = read_lines(path, text, size, labels, err); /* an alphabet may begin with a bracket */
        else if (code == 0)
            code = read_tree(path, &yaml, labels, &problems);
    } else {
        code = read_lines(path, text, size, labels, err);
    }
    if (code == SG_E_CONFIG && problems.count > 0)
        sg_conf_problems_error(&problems, err);
    else if (code == SG_E_NOMEM)
        sg_error_set(err, code, "no memory for labels");
    sg_yaml_fini(&yaml);
    sg_conf_problems_fini(&problems);
    return code;
}

int sg_conf_labels(const char *path, struct sg_texts *labels, struct sg_error *err)
{
    struct sg_buf file;
    int code;

    sg_buf_init(&file, SG_LABELS_MAX_BYTES);
    code = sg_buf_append_file(&file, path);
    if (code < 0)
        sg_error_set(err, code, "labels \"%s\" cannot be read: %s", path,
                     code == SG_E_TOO_LARGE ? "larger than 4 MiB" : strerror(errno));
    else if (file.size > 0)
        code = sg_conf_labels_parse(path, (const char *)file.data, file.size, labels, err);
    sg_buf_fini(&file);
    return code;
}
