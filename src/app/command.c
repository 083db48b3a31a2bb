/* SPDX-License-Identifier: MIT
 * What all subcommands share: parsing, help, errors.
 */
#include "app/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int sg_command_parse(const struct sg_command *self, const struct sg_args_binding *bindings, int argc,
                     char **argv, struct sg_args *args)
{
    struct sg_error err = {0};

    if (sg_args_parse(&self->args, bindings, argc, argv, args, &err) < 0) {
        fprintf(stderr, "%s: %s\nTry '%s --help'.\n", self->args.name, err.text, self->args.name);
        sg_args_fini(args);
        return SG_EXIT_USAGE;
    }
    if (!args->help)
        return -1;
    sg_args_help(&self->args, bindings, stdout, 0);
    sg_args_fini(args);
    return SG_EXIT_OK;
}

int sg_command_fail(const struct sg_command *self, const struct sg_error *err)
{
    fprintf(stderr, "%s: %s\n", self->args.name, err->text);
    return SG_EXIT_FAILED;
}

int sg_command_problems(const struct sg_command *self, const struct sg_conf_problems *problems,
                        const struct sg_error *err)
{
    bool terminal = isatty(STDERR_FILENO);

    if (problems->count == 0)
        return sg_command_fail(self, err);
    sg_conf_problems_print(problems, stderr, terminal, terminal && !getenv("NO_COLOR"));
    return SG_EXIT_FAILED;
}
