/* SPDX-License-Identifier: MIT
 * The subcommands of `sight`. Each is one file that ends with its row; main.c lists them. Main thread.
 */
#ifndef SG_APP_COMMAND_H
#define SG_APP_COMMAND_H

#include "conf/args.h"
#include "conf/problems.h"

/* Exit codes of every command; 128 + the signal's number when a signal ended a run early. */
enum { SG_EXIT_OK = 0, SG_EXIT_FAILED = 1, SG_EXIT_USAGE = 2 };

struct sg_command {
    struct sg_args_command args;                 /* name "sight detect", summary, positionals, examples */
    const struct sg_option_table *const *tables; /* of its flags, NULL-terminated; or NULL */
    const struct sg_command *const *commands;    /* below it ("sight model list"), NULL-terminated; or NULL */
    /* argv[0] is the word behind the command's name. Returns an exit code. */
    int (*run)(const struct sg_command *self, int argc, char **argv);
};

/* All of them, NULL-terminated. */
extern const struct sg_command *const sg_commands[];
extern const struct sg_command sg_command_serve, sg_command_detect, sg_command_send, sg_command_model,
    sg_command_config, sg_command_bench, sg_command_completion, sg_command_version;

/* Parses; on --help prints it. Returns -1 to go on, else the exit code to end with. */
int sg_command_parse(const struct sg_command *self, const struct sg_args_binding *bindings, int argc,
                     char **argv, struct sg_args *args);
/* The usual way of a command: defaults into the values of all bindings, flags over them, help, then `body`
 * with its context, and everything freed. Returns an exit code. */
int sg_command_body(const struct sg_command *self, const struct sg_args_binding *bindings, int argc,
                    char **argv,
                    int (*body)(const struct sg_command *self, void *context, const struct sg_args *words),
                    void *context);
/* Which of the NULL-terminated rows the word is, by the last word of their names; -1 after an error with the
 * closest name was printed. */
int sg_command_find(const char *parent, const struct sg_args_command *const *rows, const char *word);
/* The same for a command that has commands: argv[0] names one. -1 with the exit code in *out_status when
 * there is none, or help was asked for and printed. */
int sg_command_choose(const struct sg_command *self, const struct sg_args_command *const *rows, int argc,
                      char **argv, int *out_status);
/* "sight detect: " and the text on standard error, controls shown as '?': names of files may hold any. */
void sg_command_say(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "sight detect: text" and where to find help, on standard error. Returns SG_EXIT_USAGE. */
int sg_command_usage(const struct sg_command *self, const char *text);
/* "sight detect: text" on standard error. Returns SG_EXIT_FAILED. */
int sg_command_fail(const struct sg_command *self, const struct sg_error *err);
/* Prints problems, with source lines and a caret on a terminal; falls back to err when there are none.
 * Returns SG_EXIT_FAILED. */
int sg_command_problems(const struct sg_command *self, const struct sg_conf_problems *problems,
                        const struct sg_error *err);

#endif
