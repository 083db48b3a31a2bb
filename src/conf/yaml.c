/* SPDX-License-Identifier: MIT
 * libfyaml's events to a tree. Called by the loaders of conf, on the main thread and on reload.
 */
#include "conf/yaml.h"

#include "base/utf8.h"

#include <libfyaml.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)16384)
#define CHUNK_ALIGN ((size_t)16)

struct sg_yaml_chunk {
    struct sg_yaml_chunk *next;
    size_t used, capacity;
    _Alignas(16) unsigned char data[];
};

/* State of one parse: the containers that are open, innermost last. */
struct builder {
    struct sg_yaml *yaml;
    const char *file;
    struct sg_conf_problems *problems;
    struct fy_parser *parser;
    struct fy_diag *diag;
    struct sg_yaml_node *open[SG_YAML_MAX_DEPTH];
    struct sg_yaml_node *key[SG_YAML_MAX_DEPTH]; /* of a map whose value comes next */
    int depth;
    int documents;
};

static void *take(struct sg_yaml *yaml, size_t bytes)
{
    struct sg_yaml_chunk *chunk = yaml->chunks;
    size_t need = (bytes + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN;
    size_t capacity = need > CHUNK_BYTES ? need : CHUNK_BYTES;
    void *memory;

    if (!chunk || chunk->capacity - chunk->used < need) {
        chunk = malloc(sizeof(*chunk) + capacity);
        if (!chunk)
            return NULL;
        *chunk = (struct sg_yaml_chunk){.next = yaml->chunks, .capacity = capacity};
        yaml->chunks = chunk;
    }
    memory = chunk->data + chunk->used;
    chunk->used += need;
    return memset(memory, 0, need);
}

void sg_yaml_fini(struct sg_yaml *yaml)
{
    struct sg_yaml_chunk *chunk = yaml->chunks;

    while (chunk) {
        struct sg_yaml_chunk *next = chunk->next;

        free(chunk);
        chunk = next;
    }
    *yaml = (struct sg_yaml){0};
}

const char *sg_yaml_describe(const struct sg_yaml_node *node, char *out, size_t out_bytes)
{
    size_t i;

    if (node->kind != SG_YAML_SCALAR) {
        snprintf(out, out_bytes, node->kind == SG_YAML_LIST ? "a list" : "a map");
    } else if (node->absent) {
        snprintf(out, out_bytes, "nothing");
    } else {
        snprintf(out, out_bytes, "\"%.40s%s\"", node->text, node->size > 40 ? "..." : "");
        for (i = 0; out[i]; i++) {
            if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
                out[i] = '?';
        }
    }
    return out;
}

/* 1-based place of an event; 0, 0 when it has none. libfyaml's mark of a quoted text or an alias is behind
 * the quote or asterisk. */
static void locate(struct fy_event *event, int *line, int *column)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    enum fy_scalar_style style = FYSS_PLAIN;
    bool behind = event->type == FYET_ALIAS;

    if (event->type == FYET_SCALAR && event->scalar.value)
        style = fy_token_scalar_style(event->scalar.value);
    behind = behind || style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    *line = mark ? mark->line + 1 : 0;
    *column = mark ? mark->column + !behind : 0;
}

static int complain(struct builder *builder, struct fy_event *event, const char *text)
{
    int line, column;

    locate(event, &line, &column);
    return sg_conf_problems_add(builder->problems, builder->file, line, column, NULL, "%s", text);
}

static int new_node(struct builder *builder, struct fy_event *event, enum sg_yaml_kind kind,
                    struct sg_yaml_node **out_node)
{
    struct sg_yaml_node *node;

    if (++builder->yaml->node_count > SG_YAML_MAX_NODES)
        return complain(builder, event, "the file has more than 100000 values");
    node = take(builder->yaml, sizeof(*node));
    if (!node)
        return SG_E_NOMEM;
    node->kind = kind;
    locate(event, &node->line, &node->column);
    *out_node = node;
    return 0;
}

/* Puts a finished scalar or a container just opened where it belongs. */
static int attach(struct builder *builder, struct fy_event *event, struct sg_yaml_node *node)
{
    int top = builder->depth - 1;
    struct sg_yaml_node *parent = top >= 0 ? builder->open[top] : NULL;

    if (!parent) {
        builder->yaml->root = node;
        return 0;
    }
    if (parent->kind == SG_YAML_MAP && !builder->key[top]) {
        if (node->kind != SG_YAML_SCALAR)
            return complain(builder, event, "a key must be a plain word, not a list or map");
        builder->key[top] = node;
        return 0;
    }
    node->key = builder->key[top];
    builder->key[top] = NULL;
    /* Nothing was written after the key: the key is the place to look at. libfyaml 0.7 gives no place,
     * 0.8 the one behind the colon. */
    if (node->key && (node->line == 0 || (node->absent && node->size == 0))) {
        node->line = node->key->line;
        node->column = node->key->column;
    }
    if (parent->last_child)
        parent->last_child->next = node;
    else
        parent->child = node;
    parent->last_child = node;
    parent->child_count++;
    return 0;
}

static int add_scalar(struct builder *builder, struct fy_event *event)
{
    struct fy_token *token = event->scalar.value;
    struct sg_yaml_node *node = NULL;
    size_t size = 0;
    const char *text = token ? fy_token_get_text(token, &size) : NULL;
    bool plain = !token || fy_token_scalar_style(token) == FYSS_PLAIN;
    char *copy;
    int code = new_node(builder, event, SG_YAML_SCALAR, &node);

    if (code < 0)
        return code;
    copy = take(builder->yaml, size + 1);
    if (!copy)
        return SG_E_NOMEM;
    if (text)
        memcpy(copy, text, size);
    node->text = copy;
    node->size = text ? size : 0;
    node->absent = plain && (node->size == 0 || strcmp(copy, "~") == 0 || strcmp(copy, "null") == 0);
    return attach(builder, event, node);
}

static int open_container(struct builder *builder, struct fy_event *event, enum sg_yaml_kind kind)
{
    struct sg_yaml_node *node = NULL;
    int code;

    if (builder->depth == SG_YAML_MAX_DEPTH)
        return complain(builder, event, "nested deeper than 16 levels");
    code = new_node(builder, event, kind, &node);
    if (code == 0)
        code = attach(builder, event, node);
    if (code < 0)
        return code;
    builder->open[builder->depth] = node;
    builder->key[builder->depth] = NULL;
    builder->depth++;
    return 0;
}

static int add_event(struct builder *builder, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (builder->documents++ > 0)
            return complain(builder, event, "a second document: only one is read");
        return 0;
    case FYET_MAPPING_START:
        return open_container(builder, event, SG_YAML_MAP);
    case FYET_SEQUENCE_START:
        return open_container(builder, event, SG_YAML_LIST);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        if (builder->depth > 0)
            builder->depth--;
        return 0;
    case FYET_SCALAR:
        return add_scalar(builder, event);
    case FYET_ALIAS:
        return complain(builder, event, "an alias (*name) is not supported; write the value out");
    default:
        return 0;
    }
}

/* What libfyaml had to say when it stopped. */
static int report_syntax(struct builder *builder)
{
    struct fy_diag_error *error;
    void *iterator = NULL;

    error = fy_diag_errors_iterate(builder->diag, &iterator);
    if (!error)
        return sg_conf_problems_add(builder->problems, builder->file, 0, 0, NULL, "not valid YAML");
    return sg_conf_problems_add(builder->problems, builder->file, error->line > 0 ? error->line : 1,
                                error->column > 0 ? error->column : 1, NULL, "not valid YAML: %s",
                                error->msg ? error->msg : "syntax error");
}

static int run(struct builder *builder)
{
    int code = 0;

    while (code == 0) {
        struct fy_event *event = fy_parser_parse(builder->parser);

        if (!event)
            return fy_parser_get_stream_error(builder->parser) ? report_syntax(builder) : 0;
        code = add_event(builder, event);
        fy_parser_event_free(builder->parser, event);
    }
    return code;
}

/* libfyaml takes bytes it does not know for characters now and then; YAML allows UTF-8 without controls. */
static size_t bad_byte(const char *text, size_t size)
{
    size_t i, bytes;

    for (i = 0; i < size; i += bytes) {
        unsigned char c = (unsigned char)text[i];
        bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;

        bytes = c < 0x80 ? !control : sg_utf8_bytes(text + i, size - i);
        if (bytes == 0)
            break;
    }
    return i;
}

static int check_bytes(struct builder *builder, const char *text, size_t size)
{
    size_t at, i;
    int line = 1, column = 1;

    if (size > SG_YAML_MAX_BYTES)
        return sg_conf_problems_add(builder->problems, builder->file, 0, 0, NULL,
                                    "the file has more than 1 MiB");
    at = bad_byte(text, size);
    if (at == size)
        return 0;
    for (i = 0; i < at; i++) {
        column = text[i] == '\n' ? 1 : column + sg_utf8_begins(text[i]);
        line += text[i] == '\n';
    }
    return sg_conf_problems_add(builder->problems, builder->file, line, column, NULL,
                                "byte 0x%02x is not UTF-8 text", (unsigned char)text[at]);
}

/* Errors are collected, not printed: the library's own default writes to standard error. */
static void discard(struct fy_diag *diag, void *user, const char *text, size_t size)
{
    (void)diag;
    (void)user;
    (void)text;
    (void)size;
}

static int parse_events(struct builder *builder, const char *text, size_t size)
{
    struct fy_diag_cfg diag_config;
    struct fy_parse_cfg config = {.search_path = "", .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG};
    int code;

    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.output_fn = discard;
    diag_config.colorize = false;
    builder->diag = fy_diag_create(&diag_config);
    if (!builder->diag)
        return SG_E_NOMEM;
    fy_diag_set_collect_errors(builder->diag, true);
    config.diag = builder->diag;
    builder->parser = fy_parser_create(&config);
    code = !builder->parser || fy_parser_set_string(builder->parser, text, size) != 0 ? SG_E_NOMEM
                                                                                      : run(builder);
    if (builder->parser)
        fy_parser_destroy(builder->parser);
    fy_diag_destroy(builder->diag);
    return code;
}

int sg_yaml_parse(struct sg_yaml *yaml, const char *file, const char *text, size_t size,
                  struct sg_conf_problems *problems)
{
    struct builder builder = {.yaml = yaml, .file = file, .problems = problems};
    int code;

    *yaml = (struct sg_yaml){0};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    code = check_bytes(&builder, text, size);
    if (code < 0 || size == 0)
        return code;
    code = parse_events(&builder, text, size);
    if (code < 0)
        sg_yaml_fini(yaml);
    return code;
}
