/* SPDX-License-Identifier: MIT
 * docs/CONFIG.md from the option tables.
 */
#ifndef SG_CONF_DOCS_H
#define SG_CONF_DOCS_H

#include "base/option.h"

#include <stdio.h>

/* The whole of docs/CONFIG.md. SG_E_IO when the file cannot be written. */
int sg_conf_write_docs(FILE *to);

/* The tables that files are read with: server, pipeline, model card; NULL-terminated. */
const struct sg_option_table *const *sg_conf_tables(void);

#endif
