/* SPDX-License-Identifier: MIT
 * The list of what is wrong, and how it is printed.
 */
#include "conf/problems.h"

#include "base/buf.h"
#include "base/terminal.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES   512 /* of a problem printed */
#define SOURCE_MAX_BYTES 160 /* of the line that it is about; longer ones are not shown */

void sg_conf_problems_fini(struct sg_conf_problems *problems)
{
    int i;

    for (i = 0; i < problems->count; i++)
        free(problems->items[i].file);
    free(problems->items);
    *problems = (struct sg_conf_problems){0};
}

int sg_conf_problems_add(struct sg_conf_problems *problems, const char *file, int line, int column,
                         const char *suggestion, const char *format, ...)
{
    struct sg_conf_problem *items, *problem;
    char *copy;
    va_list args;

    if (!problems)
        return SG_E_CONFIG;
    copy = problems->count < SG_CONF_MAX_PROBLEMS ? strdup(file ? file : "") : NULL;
    if (!copy)
        goto drop;
    items = realloc(problems->items, ((size_t)problems->count + 1) * sizeof(*items));
    if (!items) {
        free(copy);
        goto drop;
    }
    problems->items = items;
    problem = &items[problems->count++];
    *problem = (struct sg_conf_problem){.file = copy, .line = line, .column = column};
    va_start(args, format);
    vsnprintf(problem->text, sizeof(problem->text), format, args);
    va_end(args);
    if (suggestion)
        snprintf(problem->suggestion, sizeof(problem->suggestion), "%s", suggestion);
    return SG_E_CONFIG;
drop:
    problems->dropped++;
    return SG_E_CONFIG;
}

static void format_place(const struct sg_conf_problem *problem, char *out, size_t out_bytes)
{
    if (problem->line > 0)
        snprintf(out, out_bytes, "%s:%d:%d", problem->file, problem->line, problem->column);
    else
        snprintf(out, out_bytes, "%s", problem->file);
}

const char *sg_conf_problem_format(const struct sg_conf_problem *problem, char *out, size_t out_bytes)
{
    char place[LINE_MAX_BYTES];

    format_place(problem, place, sizeof(place));
    snprintf(out, out_bytes, "%s%s%s%s%s%s", place, place[0] ? ": " : "", problem->text,
             problem->suggestion[0] ? "; did you mean \"" : "", problem->suggestion,
             problem->suggestion[0] ? "\"?" : "");
    return out;
}

/* The line of the file that a problem is about, and a caret under its column. */
static void print_source(const struct sg_conf_problem *problem, FILE *to, bool colour)
{
    struct sg_buf text;
    const char *line, *end, *stop;
    char shown[SOURCE_MAX_BYTES + 1];
    int n = 1, column = 1;
    size_t at;

    if (problem->line <= 0)
        return;
    sg_buf_init(&text, (size_t)1 << 20);
    if (sg_buf_append_file(&text, problem->file) < 0 || text.size == 0)
        goto out;
    line = (const char *)text.data;
    end = line + text.size;
    while (line && n < problem->line) {
        line = memchr(line, '\n', (size_t)(end - line));
        line = line && line + 1 < end ? line + 1 : NULL;
        n++;
    }
    if (!line)
        goto out;
    stop = memchr(line, '\n', (size_t)(end - line));
    stop = stop ? stop : end;
    if (stop > line && stop[-1] == '\r')
        stop--;
    if (stop - line > SOURCE_MAX_BYTES)
        goto out;
    for (at = 0; line + at < stop; at++)
        shown[at] = (char)(line[at] == '\t' ? ' ' : line[at]);
    shown[at] = '\0';
    sg_terminal_tame(shown, at);
    fprintf(to, "  %5d | %s\n        | ", problem->line, shown);
    for (; column < problem->column && line < stop; line++) {
        if (!sg_utf8_begins(*line))
            continue;
        fputc(' ', to);
        column++;
    }
    fputs(colour ? "\033[1;31m^\033[0m\n" : "^\n", to);
out:
    sg_buf_fini(&text);
}

void sg_conf_problems_print(const struct sg_conf_problems *problems, FILE *to, bool source, bool colour)
{
    char line[LINE_MAX_BYTES * 2];
    int i;

    for (i = 0; i < problems->count; i++) {
        sg_conf_problem_format(&problems->items[i], line, sizeof(line));
        sg_terminal_tame(line, strlen(line)); /* what a file says, and names of files */
        fprintf(to, "%s\n", line);
        if (source)
            print_source(&problems->items[i], to, colour);
    }
    if (problems->dropped)
        fprintf(to, "and %d more\n", problems->dropped);
}

int sg_conf_problems_error(const struct sg_conf_problems *problems, struct sg_error *err)
{
    char line[SG_ERROR_TEXT_MAX];
    int more = problems->count + problems->dropped - 1;

    if (problems->count == 0)
        return problems->dropped ? sg_error_set(err, SG_E_CONFIG, "%d problems", problems->dropped) : 0;
    sg_conf_problem_format(&problems->items[0], line, sizeof(line) - 32);
    if (more > 0)
        return sg_error_set(err, SG_E_CONFIG, "%s (and %d more)", line, more);
    return sg_error_set(err, SG_E_CONFIG, "%s", line);
}
