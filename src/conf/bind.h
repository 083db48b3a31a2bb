/* SPDX-License-Identifier: MIT
 * YAML trees to structs, by option tables. Room-private.
 */
#ifndef SG_CONF_BIND_H
#define SG_CONF_BIND_H

#include "base/option.h"
#include "conf/problems.h"

/* Parses yaml and applies it to values (already holding the defaults). Every problem of the file is added.
 * 0, SG_E_CONFIG, SG_E_NOMEM; after a failure values is in some state that sg_option_fini accepts.
 * *out_bound: the file was YAML, so that values has what was sound in it. */
int sg_conf_bind(const struct sg_option_table *table, void *values, const char *file, const char *yaml,
                 size_t size, struct sg_conf_problems *problems, bool *out_bound);

/* Reads a file of at most SG_YAML_MAX_BYTES into *out_text (owned). A failure is one problem. */
int sg_conf_read(const char *path, char **out_text, size_t *out_size, struct sg_conf_problems *problems);

#endif
