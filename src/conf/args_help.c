/* SPDX-License-Identifier: MIT
 * Help texts from option tables: aligned, wrapped, coloured only on a terminal.
 */
#include "conf/args.h"

#include "base/terminal.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_WIDTH  80
#define MIN_WIDTH      40
#define MAX_WIDTH      110
#define HELP_LEAST     24 /* columns for the help beside a flag; with less it goes below */
#define NARROW_INDENT  8
#define FLAG_MAX_WIDTH 30 /* longer flags put their help on the next line */
#define LINE_MAX_BYTES 1024
#define ROW_BYTES      16384

struct page {
    FILE *to;
    int width;
    bool colour;
};

/* Columns that UTF-8 text takes, all characters being one wide. */
static int columns(const char *text, size_t size)
{
    int count = 0;
    size_t i;

    for (i = 0; i < size; i++)
        count += sg_utf8_begins(text[i]);
    return count;
}

bool sg_args_colour(FILE *to)
{
    const char *plain = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fileno(to)) == 1 && !(plain && plain[0]) && !(term && strcmp(term, "dumb") == 0);
}

int sg_args_columns(FILE *to)
{
    const char *wide = getenv("COLUMNS");
    struct winsize size;
    int width = wide ? (int)strtol(wide, NULL, 10) : 0;

    if (width <= 0 && isatty(fileno(to)) == 1 && ioctl(fileno(to), TIOCGWINSZ, &size) == 0)
        width = size.ws_col;
    return width > 0 ? width : 0;
}

static struct page open_page(FILE *to, int width)
{
    struct page page = {.to = to, .width = width, .colour = sg_args_colour(to)};

    if (page.width == 0)
        page.width = sg_args_columns(to);
    if (page.width == 0)
        page.width = DEFAULT_WIDTH;
    page.width = page.width < MIN_WIDTH ? MIN_WIDTH : page.width > MAX_WIDTH ? MAX_WIDTH : page.width;
    return page;
}

static void heading(const struct page *page, const char *text)
{
    fprintf(page->to, page->colour ? "\n\033[1m%s\033[0m\n" : "\n%s\n", text);
}

/* Words of text from column `indent` on (`column` is where the line stands); "\n" in it starts a new line. */
static void wrap(const struct page *page, const char *text, int indent, int column)
{
    bool first = true;

    while (*text) {
        size_t length = strcspn(text, " \n");
        int wide = columns(text, length);

        if (!first && length > 0 && column + 1 + wide > page->width) {
            fputc('\n', page->to);
            column = 0;
        } else if (!first && length > 0 && column > indent) {
            fputc(' ', page->to);
            column++;
        }
        if (length > 0 && column < indent) {
            fprintf(page->to, "%*s", indent - column, "");
            column = indent;
        }
        fwrite(text, 1, length, page->to);
        column += wide;
        first = first && length == 0;
        text += length;
        if (*text == '\n') {
            fputc('\n', page->to);
            column = 0;
        }
        text += *text != '\0';
    }
    fputc('\n', page->to);
}

const char *sg_args_placeholder(const struct sg_option *row, char *out, size_t out_bytes)
{
    size_t used = 0;
    int i;

    if (row->value_name)
        return row->value_name;
    switch (row->type) {
    case SG_OPTION_BOOL:
        return NULL;
    case SG_OPTION_ENUM:
        for (i = 0; row->choices[i]; i++) {
            int wrote = snprintf(out + used, out_bytes - used, "%s%s", i ? "|" : "", row->choices[i]);

            if (wrote < 0 || (size_t)wrote >= out_bytes - used)
                return "WORD";
            used += (size_t)wrote;
        }
        return out;
    case SG_OPTION_SIZE:
        return "SIZE";
    case SG_OPTION_DURATION:
        return "TIME";
    case SG_OPTION_FLOAT:
        return "X";
    case SG_OPTION_FLOATS:
    case SG_OPTION_INTS:
        return "X,X,...";
    case SG_OPTION_TEXT:
    case SG_OPTION_TEXTS:
        return "TEXT";
    default:
        return "N";
    }
}

const char *sg_args_flag(const struct sg_option *row, char *out, size_t out_bytes)
{
    bool on = row->type == SG_OPTION_BOOL && row->value_default && strcmp(row->value_default, "true") == 0;
    char *at;

    snprintf(out, out_bytes, "%s%s", on ? "no-" : "", row->key);
    for (at = out; *at; at++)
        *at = *at == '_' ? '-' : *at;
    return out;
}

/* "  -t, --threshold X" */
static void format_flag(const struct sg_option *row, char *out, size_t out_bytes)
{
    char words[FLAG_MAX_WIDTH], name[LINE_MAX_BYTES], letter[8] = "    ";
    const char *value = sg_args_placeholder(row, words, sizeof(words));

    if (row->short_flag)
        snprintf(letter, sizeof(letter), "-%c, ", row->short_flag);
    snprintf(out, out_bytes, "  %s--%s%s%s", letter, sg_args_flag(row, name, sizeof(name)), value ? " " : "",
             value ? value : "");
}

const char *sg_args_sentence(const struct sg_option *row, char *out, size_t out_bytes)
{
    char range[SG_OPTION_RANGE_MAX];
    bool number = row->type == SG_OPTION_INT || row->type == SG_OPTION_FLOAT;
    bool ranged = number && sg_option_range(row, range, sizeof(range));
    const char *value = row->type == SG_OPTION_BOOL ? NULL : row->value_default, *otherwise = NULL;

    if (row->type != SG_OPTION_BOOL)
        otherwise = value ? "default " : row->absent ? "otherwise " : NULL;
    snprintf(out, out_bytes, "%s%s%s%s%s%s%s%s%s", row->help, otherwise || ranged ? " (" : "",
             ranged ? range : "", ranged && row->unit ? " " : "", ranged && row->unit ? row->unit : "",
             ranged && otherwise ? "; " : "", otherwise ? otherwise : "",
             otherwise ? (value ? value : row->absent) : "", otherwise || ranged ? ")" : "");
    return out;
}

bool sg_args_shown(const struct sg_option *row)
{
    return !(row->flags & SG_OPTION_FILE_ONLY) && row->type != SG_OPTION_GROUP &&
           row->type != SG_OPTION_GROUPS && row->type != SG_OPTION_KEYED && row->help;
}

static int flags_width(const struct sg_args_binding *bindings)
{
    char flag[LINE_MAX_BYTES];
    int width = columns("      --help", 12), i;

    for (; bindings->table; bindings++) {
        for (i = 0; i < bindings->table->row_count; i++) {
            int wide;

            if (!sg_args_shown(&bindings->table->rows[i]))
                continue;
            format_flag(&bindings->table->rows[i], flag, sizeof(flag));
            wide = columns(flag, strlen(flag));
            if (wide <= FLAG_MAX_WIDTH && wide > width)
                width = wide;
        }
    }
    return width + 2;
}

/* Where the second column begins. */
static int column_for(const struct page *page, int first_width)
{
    return page->width - first_width < HELP_LEAST ? NARROW_INDENT : first_width;
}

static void print_entry(const struct page *page, const char *left, const char *right, int indent)
{
    int used = columns(left, strlen(left));

    fputs(left, page->to);
    if (used + 2 > indent) {
        fputc('\n', page->to);
        used = 0;
    }
    wrap(page, right, indent, used);
}

static void print_flags(const struct page *page, const struct sg_args_binding *bindings)
{
    char flag[LINE_MAX_BYTES], help[LINE_MAX_BYTES];
    int indent = column_for(page, flags_width(bindings)), i;
    bool titled = false;

    for (; bindings->table; bindings++) {
        for (i = 0; i < bindings->table->row_count; i++) {
            const struct sg_option *row = &bindings->table->rows[i];

            if (!sg_args_shown(row))
                continue;
            if (row->section || !titled)
                heading(page, row->section ? row->section : "Options");
            titled = true;
            format_flag(row, flag, sizeof(flag));
            print_entry(page, flag, sg_args_sentence(row, help, sizeof(help)), indent);
        }
    }
    if (!titled)
        heading(page, "Options");
    print_entry(page, "  -h, --help", "this help", indent);
}

/* Commands, to be copied as they are, each with what it does. */
static void print_examples(const struct page *page, const char *const *example)
{
    if (example)
        heading(page, "Examples");
    for (; example && example[0] && example[1]; example += 2) {
        fprintf(page->to, page->colour ? "  \033[36m%s\033[0m\n" : "  %s\n", example[0]);
        wrap(page, example[1], 6, 0);
    }
}

void sg_args_help(const struct sg_args_command *command, const struct sg_args_binding *bindings, FILE *to,
                  int width)
{
    struct page page = open_page(to, width);
    const char *const *example = command->examples;

    wrap(&page, command->summary, 0, 0);
    heading(&page, "Usage");
    fprintf(to, "  %s [options]%s%s\n", command->name, command->positional ? " " : "",
            command->positional ? command->positional : "");
    if (command->description) {
        fputc('\n', to);
        wrap(&page, command->description, 0, 0);
    }
    print_flags(&page, bindings);
    heading(&page, "Exit status");
    fputs("  ", to);
    wrap(&page, command->exit_status ? command->exit_status : SG_ARGS_EXIT_STATUS, 2, 2);
    print_examples(&page, example);
}

void sg_args_text(const char *text, FILE *to)
{
    const struct page page = open_page(to, 0);

    wrap(&page, text, 0, 0);
}

void sg_args_examples(const char *const *examples, FILE *to)
{
    const struct page page = open_page(to, 0);

    print_examples(&page, examples);
}

void sg_args_overview(const char *title, const struct sg_args_command *const *commands, FILE *to, int width)
{
    struct page page = open_page(to, width);
    char left[LINE_MAX_BYTES];
    int indent = 0, i;

    for (i = 0; commands[i]; i++) {
        int wide = columns(commands[i]->name, strlen(commands[i]->name)) + 4;

        if (wide > indent && wide <= FLAG_MAX_WIDTH)
            indent = wide;
    }
    indent = column_for(&page, indent);
    heading(&page, title);
    for (i = 0; commands[i]; i++) {
        snprintf(left, sizeof(left), "  %s", commands[i]->name);
        print_entry(&page, left, commands[i]->summary, indent);
    }
}

void sg_args_row(FILE *to, const char *left, int indent, const char *format, ...)
{
    const struct page page = {.to = to, .width = sg_args_columns(to)};
    int used = columns(left, strlen(left));
    char text[ROW_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sg_terminal_tame(text, strlen(text));
    if (page.width > 0 && (used < indent ? indent : used + 1) + columns(text, strlen(text)) > page.width)
        used > 0 ? print_entry(&page, left, text, column_for(&page, indent)) : wrap(&page, text, indent, 0);
    else if (used < indent)
        fprintf(to, "%s%*s%s\n", left, indent - used, "", text);
    else
        fprintf(to, "%s%s%s\n", left, used > 0 ? " " : "", text);
}
