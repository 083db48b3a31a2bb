/* SPDX-License-Identifier: MIT
 * Everything that is wrong with a set of files, in the order found. Filled by the loaders of conf and, for
 * references between files, by the floors above. Not shared between threads.
 */
#ifndef SG_CONF_PROBLEMS_H
#define SG_CONF_PROBLEMS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

#define SG_CONF_MAX_PROBLEMS 1000

struct sg_conf_problem {
    char *file;          /* as the user named it */
    int line, column;    /* 1-based; 0 = the file as a whole */
    char text[320];      /* `unknown key "treshold"` */
    char suggestion[96]; /* "threshold" for `; did you mean "threshold"?`, or "" */
};

/* Zero-init is valid and empty. */
struct sg_conf_problems {
    struct sg_conf_problem *items;
    int count;
    int dropped; /* found after SG_CONF_MAX_PROBLEMS */
};

void sg_conf_problems_fini(struct sg_conf_problems *problems);
/* suggestion may be NULL. Returns SG_E_CONFIG always, so that a check can end with it. problems may be NULL.
 */
int sg_conf_problems_add(struct sg_conf_problems *problems, const char *file, int line, int column,
                         const char *suggestion, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* file:line:column: text; did you mean "…"? — without the line end. Returns out. */
const char *sg_conf_problem_format(const struct sg_conf_problem *problem, char *out, size_t out_bytes);
/* One problem per line; with source, the line of the file and a caret under the column (colour: red caret).
 */
void sg_conf_problems_print(const struct sg_conf_problems *problems, FILE *to, bool source, bool colour);
/* err = the first problem and how many more there are. Returns SG_E_CONFIG, or 0 when there is none. */
int sg_conf_problems_error(const struct sg_conf_problems *problems, struct sg_error *err);

#endif
