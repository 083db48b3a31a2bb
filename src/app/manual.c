/* SPDX-License-Identifier: MIT
 * roff with the macros of man(7). Everything that is not ASCII becomes \[uXXXX].
 */
#include "app/manual.h"

#include "app/command.h"
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#define MANUAL_DATE "2026-11-23" /* of the last change of the pages' own words */
#define LINE_WIDTH  56           /* characters after which the next blank ends a line; escapes are longer */

/* Text of a line; dashes are those that one types, a point or quote at its start is no macro. */
static void put(FILE *to, const char *text)
{
    uint32_t code;
    int column = 0;

    if (*text == '.' || *text == '\'')
        fputs("\\&", to);
    while ((code = sg_utf8_next(&text))) {
        column++;
        if (code == ' ' && column > LINE_WIDTH && *text != '.' && *text != '\'') {
            fputc('\n', to);
            column = 0;
        } else if (code >= 0x80)
            fprintf(to, "\\[u%04X]", code);
        else if (code == '-')
            fputs("\\-", to);
        else if (code == '\\')
            fputs("\\e", to);
        else if (code == '\'')
            fputs("\\(aq", to);
        else if (code == '`')
            fputs("\\(ga", to);
        else if (code == '~')
            fputs("\\(ti", to);
        else if (code == '^')
            fputs("\\(ha", to);
        else if (code == '\n')
            fputs("\n.PP\n", to);
        else
            fputc((int)code, to);
    }
}

static void put_line(FILE *to, const char *macro, const char *text)
{
    fprintf(to, "%s", macro);
    put(to, text);
    fputc('\n', to);
}

static void put_flag(FILE *to, const struct sg_option *row)
{
    char name[64], words[256], sentence[SG_ARGS_TEXT_MAX];
    const char *value = sg_args_placeholder(row, words, sizeof(words));

    fputs(".TP\n", to);
    if (row->short_flag)
        fprintf(to, "\\fB\\-%c\\fR, ", row->short_flag);
    fputs("\\fB\\-\\-", to);
    put(to, sg_args_flag(row, name, sizeof(name)));
    fputs("\\fR", to);
    if (value) {
        fputs(" \\fI", to);
        put(to, value);
        fputs("\\fR", to);
    }
    fputc('\n', to);
    put_line(to, "", sg_args_sentence(row, sentence, sizeof(sentence)));
}

static void put_flags(FILE *to, const struct sg_command *command, bool sections)
{
    const struct sg_option_table *const *table = command->tables;
    int i;

    for (; table && *table; table++) {
        for (i = 0; i < (*table)->row_count; i++) {
            const struct sg_option *row = &(*table)->rows[i];

            if (!sg_args_shown(row))
                continue;
            if (row->section && sections)
                put_line(to, ".SS ", row->section);
            put_flag(to, row);
        }
    }
    if (sections && command->tables)
        fputs(".SS Help\n", to);
    fputs(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nPrint a help text.\n", to);
}

static void put_synopsis(FILE *to, const struct sg_args_command *args)
{
    fputs(".B ", to);
    put(to, args->name);
    fputs("\n[\\fIoptions\\fR]", to);
    if (args->positional) {
        fputs(" \\fI", to);
        put(to, args->positional);
        fputs("\\fR", to);
    }
    fputc('\n', to);
}

static void put_examples(FILE *to, const char *const *example)
{
    for (; example && example[0] && example[1]; example += 2) {
        fputs(".TP\n\\fB", to);
        put(to, example[0]);
        fputs("\\fR\n", to);
        put_line(to, "", example[1]);
    }
}

static void put_head(FILE *to, const char *page, const char *summary)
{
    const char *at;

    fputs(".\\\" Made by `sight manual`; do not edit.\n.TH ", to);
    for (at = page; *at; at++)
        fputc(*at >= 'a' && *at <= 'z' ? *at - 32 : *at, to);
    fprintf(to, " 1 %s \"sight %s\" \"sightd\"\n.SH NAME\n", MANUAL_DATE, SIGHT_VERSION);
    put(to, page);
    put_line(to, " \\- ", summary);
}

static void put_exit_status(FILE *to, const struct sg_args_command *args)
{
    fputs(".SH \"EXIT STATUS\"\n", to);
    put_line(to, "", args->exit_status ? args->exit_status : SG_ARGS_EXIT_STATUS);
}

static void write_command(FILE *to, const char *page, const struct sg_command *command)
{
    const struct sg_command *const *below = command->commands;

    put_head(to, page, command->args.summary);
    fputs(".SH SYNOPSIS\n", to);
    for (; below && *below; below++) {
        put_synopsis(to, &(*below)->args);
        if (below[1])
            fputs(".br\n", to);
    }
    if (!command->commands)
        put_synopsis(to, &command->args);
    if (command->args.description) {
        fputs(".SH DESCRIPTION\n", to);
        put_line(to, "", command->args.description);
    }
    if (command->commands)
        fputs(".SH COMMANDS\n", to);
    for (below = command->commands; below && *below; below++) {
        put_line(to, ".SS ", (*below)->args.name);
        put_line(to, "", (*below)->args.description ? (*below)->args.description : (*below)->args.summary);
        put_flags(to, *below, false);
        put_examples(to, (*below)->args.examples);
    }
    if (!command->commands) {
        fputs(".SH OPTIONS\n", to);
        put_flags(to, command, true);
    }
    put_exit_status(to, &command->args);
    if (command->args.examples) {
        fputs(".SH EXAMPLES\n", to);
        put_examples(to, command->args.examples);
    }
    fputs(".SH \"SEE ALSO\"\n.BR sight (1)\n", to);
}

static void page_of(const struct sg_command *command, char *out, size_t out_bytes)
{
    char *at;

    snprintf(out, out_bytes, "%s", command->args.name);
    for (at = out; *at; at++)
        *at = *at == ' ' ? '-' : *at;
}

static void write_overview(FILE *to)
{
    const struct sg_command *const *command;
    char page[64];

    put_head(to, "sight", "images in, objects out: a vision inference server and its tools");
    fputs(".SH SYNOPSIS\n.B sight\n\\fICOMMAND\\fR [\\fIoptions\\fR] ...\n.br\n.B sightd\n[\\fIoptions\\fR]\n"
          ".SH DESCRIPTION\n"
          "Finds objects in pictures with any detector or classifier that was\n"
          "exported to ONNX, here or as a server. Called as\n.B sightd\nit is\n.BR \"sight serve\" .\n.SH "
          "COMMANDS\n",
          to);
    for (command = sg_commands; *command; command++) {
        page_of(*command, page, sizeof(page));
        fputs(".TP\n.BR ", to);
        put(to, page);
        fputs(" (1)\n", to);
        put_line(to, "", (*command)->args.summary);
    }
    put_exit_status(to, &(const struct sg_args_command){0});
    fputs(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nIf it is set and not empty, nothing is coloured.\n"
          ".TP\n.B SIGHT_DATA\nThe folder that has models and pipelines.\n"
          ".TP\n.B SIGHT_FONT\nA font file that text is drawn with before any other.\n",
          to);
}

int sg_manual_write(const char *page, FILE *to)
{
    const struct sg_command *const *command;
    char name[64];

    if (strcmp(page, "sight") == 0) {
        write_overview(to);
        return ferror(to) ? SG_E_IO : 0;
    }
    for (command = sg_commands; *command; command++) {
        page_of(*command, name, sizeof(name));
        if (strcmp(page, name) == 0) {
            write_command(to, page, *command);
            return ferror(to) ? SG_E_IO : 0;
        }
    }
    fprintf(stderr, "sight manual: no page called \"%s\"\n", page);
    return SG_E_NOT_FOUND;
}
