/* SPDX-License-Identifier: MIT
 * The one binary: `sight COMMAND`; called `sightd` it is `sight serve`.
 */
#include "app/command.h"
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

static const struct sg_command *const commands[] = {&sg_command_serve, &sg_command_detect,
                                                    &sg_command_model, &sg_command_config,
                                                    &sg_command_bench, &sg_command_version};
#define COMMAND_COUNT ((int)(sizeof(commands) / sizeof(commands[0])))

static int run_version(const struct sg_command *self, int argc, char **argv)
{
    const struct sg_args_binding none[] = {{NULL, NULL}};
    struct sg_engine *engine = NULL;
    struct sg_error err = {0};
    struct sg_args args = {0};
    int code = sg_command_parse(self, none, argc, argv, &args);

    if (code >= 0)
        return code;
    sg_args_fini(&args);
    if (sg_engine_create(&engine, &err) < 0)
        return sg_command_fail(self, &err);
    printf("sight %s, %s\n", SIGHT_VERSION, sg_engine_version(engine));
    sg_engine_destroy(&engine);
    return SG_EXIT_OK;
}

static const char *const version_examples[] = {"sight version", "what to name in a bug report", NULL};

const struct sg_command sg_command_version = {
    .args = {.name = "sight version",
             .summary = "print the versions of sightd and of the inference runtime",
             .examples = version_examples},
    .run = run_version,
};

static void overview(const struct sg_args_command *const *rows, FILE *to)
{
    fprintf(to, "sight: images in, objects out. A vision inference server and its tools.\n\n"
                "usage: sight COMMAND [options]\n");
    sg_args_overview("Commands", rows, to, 0);
    fprintf(to, "\nExamples\n"
                "  sight serve                          start the server on 127.0.0.1:8080\n"
                "  sight detect photo.jpg               find objects in a picture, no server needed\n"
                "  sight detect --model yolo.onnx *.jpg any exported model, no configuration\n"
                "  sight model explain yolo.onnx        how a model would be fed and read, and why\n\n"
                "`sight COMMAND --help` says more.\n");
}

int main(int argc, char **argv)
{
    const char *self = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    const struct sg_args_command *rows[COMMAND_COUNT + 1] = {NULL};
    int i;

    for (i = 0; i < COMMAND_COUNT; i++)
        rows[i] = &commands[i]->args;
    if (strcmp(self, "sightd") == 0)
        return sg_command_serve.run(&sg_command_serve, argc - 1, argv + 1);
    if (argc < 2) {
        overview(rows, stderr);
        return SG_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        overview(rows, stdout);
        return SG_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        return run_version(&sg_command_version, 0, argv);
    i = sg_command_find("sight", rows, argv[1]);
    return i < 0 ? SG_EXIT_USAGE : commands[i]->run(commands[i], argc - 2, argv + 2);
}
