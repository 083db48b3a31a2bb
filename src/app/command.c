/* SPDX-License-Identifier: MIT
 * What all subcommands share: parsing, help, errors.
 */
#include "app/command.h"

#include "base/terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_MAX_ROWS 16
#define SAY_BYTES        8192 /* of one message */

void sg_command_say(const char *command, const char *format, ...)
{
    char text[SAY_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sg_terminal_tame(text, strlen(text));
    fprintf(stderr, "%s: %s\n", command, text);
}

int sg_command_usage(const struct sg_command *self, const char *text)
{
    sg_command_say(self->args.name, "%s", text);
    fprintf(stderr, "Try '%s --help'.\n", self->args.name);
    return SG_EXIT_USAGE;
}

int sg_command_parse(const struct sg_command *self, const struct sg_args_binding *bindings, int argc,
                     char **argv, struct sg_args *args)
{
    struct sg_error err = {0};

    if (sg_args_parse(&self->args, bindings, argc, argv, args, &err) < 0) {
        sg_args_fini(args);
        return sg_command_usage(self, err.text);
    }
    if (!args->help)
        return -1;
    sg_args_help(&self->args, bindings, stdout, 0);
    sg_args_fini(args);
    return SG_EXIT_OK;
}

int sg_command_body(const struct sg_command *self, const struct sg_args_binding *bindings, int argc,
                    char **argv,
                    int (*body)(const struct sg_command *self, void *context, const struct sg_args *words),
                    void *context)
{
    const struct sg_args_binding *binding;
    struct sg_args args = {0};
    int code = SG_EXIT_FAILED;

    for (binding = bindings; binding->table; binding++) {
        if (sg_option_defaults(binding->table, binding->values) < 0)
            goto out;
    }
    code = sg_command_parse(self, bindings, argc, argv, &args);
    if (code < 0)
        code = body(self, context, &args);
    sg_args_fini(&args);
out:
    for (; binding != bindings; binding--)
        sg_option_fini(binding[-1].table, binding[-1].values);
    return code;
}

/* What other tools call the same. */
static const char *command_synonym(const char *word)
{
    static const char *const pairs[] = {
        "predict",   "detect", "infer", "detect", "inference", "detect", "run",   "detect",  "image",
        "detect",    "server", "serve", "start",  "serve",     "daemon", "serve", "client",  "send",
        "benchmark", "bench",  "load",  "bench",  "models",    "model",  "info",  "version", NULL};
    int i;

    for (i = 0; pairs[i]; i += 2)
        if (strcmp(pairs[i], word) == 0)
            return pairs[i + 1];
    return NULL;
}

int sg_command_find(const char *parent, const struct sg_args_command *const *rows, const char *word)
{
    const char *names[COMMAND_MAX_ROWS], *close = command_synonym(word);
    int i, k;

    for (i = 0; rows[i] && i < COMMAND_MAX_ROWS; i++) {
        names[i] = strrchr(rows[i]->name, ' ') + 1;
        if (strcmp(names[i], word) == 0)
            return i;
    }
    for (k = 0; close && k < i && strcmp(names[k], close) != 0;)
        k++;
    if (!close || k == i)
        close = sg_suggest(word, names, i);
    sg_command_say(parent, "no command called \"%s\"%s%s%s", word, close ? "; did you mean \"" : "",
                   close ? close : "", close ? "\"?" : "");
    fprintf(stderr, "Try '%s --help'.\n", parent);
    return -1;
}

int sg_command_choose(const struct sg_command *self, const struct sg_args_command *const *rows, int argc,
                      char **argv, int *out_status)
{
    bool help = argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
    FILE *to = help ? stdout : stderr;

    *out_status = help ? SG_EXIT_OK : SG_EXIT_USAGE;
    if (argc > 0 && !help)
        return sg_command_find(self->args.name, rows, argv[0]);
    fprintf(to, "%s: %s\n", self->args.name, self->args.summary);
    sg_args_overview("Commands", rows, to, 0);
    fprintf(to, "\n`%s COMMAND --help` says more.\n", self->args.name);
    return -1;
}

int sg_command_fail(const struct sg_command *self, const struct sg_error *err)
{
    sg_command_say(self->args.name, "%s", err->text);
    return SG_EXIT_FAILED;
}

int sg_command_problems(const struct sg_command *self, const struct sg_conf_problems *problems,
                        const struct sg_error *err)
{
    bool terminal = isatty(STDERR_FILENO);

    if (problems->count == 0)
        return sg_command_fail(self, err);
    sg_conf_problems_print(problems, stderr, terminal, sg_args_colour(stderr));
    return SG_EXIT_FAILED;
}
