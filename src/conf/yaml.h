/* SPDX-License-Identifier: MIT
 * A YAML file as a small tree that knows the line and column of every node. Room-private: card, recipe and
 * server bind trees to option tables. Read through libfyaml's events, so that depth and count are bounded
 * while parsing; anchors without use are ignored, aliases refused: no file can unfold into a larger one.
 */
#ifndef SG_CONF_YAML_H
#define SG_CONF_YAML_H

#include "base/error.h"
#include "conf/problems.h"

#include <stdbool.h>
#include <stddef.h>

#define SG_YAML_MAX_BYTES ((size_t)1 << 20) /* of a file */
#define SG_YAML_MAX_NODES 100000
#define SG_YAML_MAX_DEPTH 16

enum sg_yaml_kind { SG_YAML_SCALAR, SG_YAML_LIST, SG_YAML_MAP };

struct sg_yaml_node {
    enum sg_yaml_kind kind;
    int line, column;          /* 1-based; a column counts characters */
    const char *text;          /* scalar: its value, NUL-terminated (it may hold NULs: size tells) */
    size_t size;               /* bytes of text */
    bool absent;               /* scalar: nothing was written, or a plain ~ or null */
    struct sg_yaml_node *key;  /* of an entry of a map, a scalar */
    struct sg_yaml_node *next; /* sibling */
    struct sg_yaml_node *child, *last_child; /* first and last entry of a list or map */
    int child_count;
};

struct sg_yaml_chunk;

/* Zero-init; fini frees all nodes. */
struct sg_yaml {
    struct sg_yaml_node *root; /* NULL for an empty file */
    struct sg_yaml_chunk *chunks;
    int node_count;
};

/* Parses size bytes; file is for messages. 0, SG_E_CONFIG (a problem was added), SG_E_NOMEM. */
int sg_yaml_parse(struct sg_yaml *yaml, const char *file, const char *text, size_t size,
                  struct sg_conf_problems *problems);
void sg_yaml_fini(struct sg_yaml *yaml);

/* "text \"8080\"", "a list", "a map", "nothing": for messages. */
const char *sg_yaml_describe(const struct sg_yaml_node *node, char *out, size_t out_bytes);

#endif
