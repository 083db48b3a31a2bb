/* SPDX-License-Identifier: MIT
 * The one binary: `sight COMMAND`; called `sightd` it is `sight serve`.
 */
#include "app/command.h"
#include "app/manual.h"
#include "img/decode.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct sg_command *const sg_commands[] = {
    &sg_command_detect,     &sg_command_send,    &sg_command_serve,
    &sg_command_bench,      &sg_command_model,   &sg_command_config,
    &sg_command_completion, &sg_command_version, NULL};
#define HELP_WORDS    4 /* of a command's name and what was written behind it */
#define COMMAND_COUNT ((int)(sizeof(sg_commands) / sizeof(sg_commands[0])) - 1)

static void overview(const struct sg_args_command *const *rows, FILE *to)
{
    static const char *const examples[] = {"sight detect photo.jpg",
                                           "find objects in a picture, no server needed",
                                           "sight detect --annotate out photos/",
                                           "the same for a folder, drawn into out/",
                                           "sight detect --model yolo.onnx *.jpg",
                                           "any exported model, no configuration",
                                           "sight serve",
                                           "start the server on 127.0.0.1:8080",
                                           "sight send photo.jpg",
                                           "the same picture to that server",
                                           "sight model explain yolo.onnx",
                                           "how a model would be fed and read, and why",
                                           NULL};

    sg_args_text("sight: images in, objects out. A vision inference server and its tools.", to);
    fputs("\nusage: sight COMMAND [options]\n", to);
    sg_args_overview("Commands", rows, to, 0);
    sg_args_examples(examples, to);
    fputc('\n', to);
    sg_args_text(
        "`sight COMMAND --help` or `sight help COMMAND` says more. Every command ends with 0 when all "
        "went well, 1 when something failed, 2 for a wrong command line, and all but serve with 130 after "
        "Ctrl-C.",
        to);
}

/* Descriptors 0 to 2 that are closed would be given to the next file or socket, and libuv aborts over one of
 * its own down there. Opened the wrong way round, so that reading and writing fail as on a closed one. */
static bool hold_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

/* `sight help detect`, `sight help model list`: what `--help` behind them prints. */
static int help(const struct sg_args_command *const *rows, int argc, char **argv)
{
    static char flag[] = "--help";
    char *words[HELP_WORDS + 1];
    int i, which = sg_command_find("sight", rows, argv[0]);

    if (which < 0)
        return SG_EXIT_USAGE;
    for (i = 1; i < argc && i < HELP_WORDS; i++)
        words[i - 1] = argv[i];
    words[i - 1] = flag;
    words[i] = NULL;
    return sg_commands[which]->run(sg_commands[which], i, words);
}

static int run(int argc, char **argv)
{
    const char *self = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    const struct sg_args_command *rows[COMMAND_COUNT + 1] = {NULL};
    int i;

    for (i = 0; i < COMMAND_COUNT; i++)
        rows[i] = &sg_commands[i]->args;
    if (strcmp(self, "sightd") == 0)
        return sg_command_serve.run(&sg_command_serve, argc - 1, argv + 1);
    if (argc < 2) {
        overview(rows, stderr);
        return SG_EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2)
        return help(rows, argc - 2, argv + 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        overview(rows, stdout);
        return SG_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return sg_command_version.run(&sg_command_version, 0, argv);
    if (strcmp(argv[1], "manual") == 0) /* for the build: not in the overview */
        return sg_manual_write(argc > 2 ? argv[2] : "sight", stdout) < 0 ? SG_EXIT_USAGE : SG_EXIT_OK;
    i = sg_command_find("sight", rows, argv[1]);
    return i < 0 ? SG_EXIT_USAGE : sg_commands[i]->run(sg_commands[i], argc - 2, argv + 2);
}

/* Whatever a command printed with stdio is on its way only now; results that are lost must not look like
 * success. */
static int flush_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "sight: not all could be written to standard output\n");
    return status == SG_EXIT_OK ? SG_EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
    sg_decode_silence_process();
    return hold_standard_files() ? flush_output(run(argc, argv)) : SG_EXIT_FAILED;
}
