/* SPDX-License-Identifier: MIT
 * Flags of the command line over option tables, and the help text made from them. Main thread, start only.
 */
#ifndef SG_CONF_ARGS_H
#define SG_CONF_ARGS_H

#include "base/option.h"

#include <stdio.h>

#define SG_ARGS_MAX_POSITIONALS 65536

/* A table and the struct its flags go to; a command has a NULL-terminated array of them. */
struct sg_args_binding {
    const struct sg_option_table *table;
    void *values; /* may be NULL for help only */
};

struct sg_args_command {
    const char *name;       /* "sight detect" */
    const char *summary;    /* one line */
    const char *positional; /* "IMAGE…", or NULL when there are none */
    int min_positionals, max_positionals;
    const char *description;     /* paragraphs for --help, wrapped there; or NULL */
    const char *const *examples; /* "sight detect photo.jpg", then what it does, in turn; NULL-terminated */
    const char *exit_status;     /* what it ends with; NULL = SG_ARGS_EXIT_STATUS */
};

#define SG_ARGS_EXIT_STATUS                                                                                  \
    "0 when all went well, 1 when something failed, 2 for a wrong command line, 130 after Ctrl-C"
#define SG_ARGS_TEXT_MAX 1024 /* bytes of a flag's help with its range and default */

struct sg_args {
    const char **positionals; /* borrowed from argv; array owned */
    int positional_count;
    bool help; /* -h or --help was seen; nothing else was checked */
};

/* argv[0..argc) are the words behind the command's name. Flags change only what they name (a first --list
 * replaces the list, further ones add to it). SG_E_INVALID with a usage sentence (exit with status 2). */
int sg_args_parse(const struct sg_args_command *command, const struct sg_args_binding *bindings, int argc,
                  char **argv, struct sg_args *args, struct sg_error *err);
void sg_args_fini(struct sg_args *args);

/* Width 0 = the terminal's, else 80. Colour as sg_args_colour says. */
void sg_args_help(const struct sg_args_command *command, const struct sg_args_binding *bindings, FILE *to,
                  int width);
/* A paragraph; examples with their heading, as in a command's help. */
void sg_args_text(const char *text, FILE *to);
void sg_args_examples(const char *const *examples, FILE *to);
/* Whether colours are wanted there: a terminal, not a dumb one, and no NO_COLOR. */
bool sg_args_colour(FILE *to);
/* Its columns by COLUMNS or the terminal; 0 = not known. */
int sg_args_columns(FILE *to);
/* A row of a list: `left`, and from column `indent` on the text, whose control characters are shown as '?'.
 * As it is where it fits or nobody knows the width (a pipe, a file, where rows are read by programs); else
 * broken between words, below `left` where a column of its own would be too narrow. */
void sg_args_row(FILE *to, const char *left, int indent, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The parts of the help, for completions and man pages. Whether the row is a flag that is shown. */
bool sg_args_shown(const struct sg_option *row);
/* "max-pixels", "no-progress" for a switch that is on by itself. Returns out. */
const char *sg_args_flag(const struct sg_option *row, char *out, size_t out_bytes);
/* "FILE", "X", "fast|exact"; NULL for a switch. out may be used to hold it. */
const char *sg_args_placeholder(const struct sg_option *row, char *out, size_t out_bytes);
/* The help sentence with range and default. Returns out. */
const char *sg_args_sentence(const struct sg_option *row, char *out, size_t out_bytes);
/* One line per command: name and summary, aligned. */
void sg_args_overview(const char *title, const struct sg_args_command *const *commands, FILE *to, int width);

#endif
