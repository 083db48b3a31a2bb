/* SPDX-License-Identifier: MIT
 * Option tables as Markdown: one section per table, tables inside tables after it, each once.
 */
#include "conf/docs.h"

#include "conf/card.h"
#include "conf/recipe.h"
#include "conf/server.h"

#include <string.h>

#define MAX_TABLES 32

struct writer {
    FILE *to;
    const struct sg_option_table *done[MAX_TABLES];
    int done_count;
};

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Made from the option tables in src/conf; to make it again: SIGHT_UPDATE=1 build/tables_test -->\n"
    "\n"
    "Three kinds of YAML file, each with its keys below. `sight config check FILE` reports everything that "
    "is\n"
    "wrong with one, as `file:line:column: what; did you mean \"that\"?`; the server refuses to start with "
    "the\n"
    "same text. Aliases (`*name`) and files above 1 MiB are refused.\n"
    "\n"
    "Sizes are written `65536`, `64KiB`, `16MiB`, `1GiB` (`10MB` is 10,000,000 bytes), durations `250ms`, "
    "`30s`,\n"
    "`5m`, `1h`, large numbers `20k`, `100M`.\n";

const struct sg_option_table *const *sg_conf_tables(void)
{
    static const struct sg_option_table *const tables[] = {&sg_server_table, &sg_recipe_table, &sg_card_table,
                                                           NULL};

    return tables;
}

/* Text of a table cell: a bar would end it. */
static void put_cell(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', to);
        fputc(*text, to);
    }
}

static void write_row(FILE *to, const struct sg_option *row)
{
    char what[256];

    sg_option_describe(row, what, sizeof(what));
    fprintf(to, "| `%s` ", row->key);
    if (row->alias)
        fprintf(to, "(also `%s`) ", row->alias);
    fputs("| ", to);
    put_cell(to, what);
    if (row->unit)
        fprintf(to, " (%s)", row->unit);
    fputs(" | ", to);
    if (row->flags & SG_OPTION_REQUIRED)
        fputs("required", to);
    else if (row->value_default)
        fprintf(to, "`%s`", row->value_default);
    else if (row->absent)
        put_cell(to, row->absent);
    fputs(" | ", to);
    put_cell(to, row->help);
    if (row->table)
        fprintf(to, ": see [%s](#%s)", row->table->name, row->table->name);
    fputs(" |\n", to);
}

static void write_table(struct writer *writer, const struct sg_option_table *table, int level)
{
    int i;

    for (i = 0; i < writer->done_count; i++) {
        if (writer->done[i] == table)
            return;
    }
    if (writer->done_count == MAX_TABLES)
        return;
    writer->done[writer->done_count++] = table;
    fprintf(writer->to, "\n%.*s <a id=\"%s\"></a>%s\n\n%s\n", level, "####", table->name, table->name,
            table->summary);
    if (table->shorthand && level > 2)
        fprintf(writer->to, "\nA plain value stands for `%s`.\n", table->shorthand);
    for (i = 0; i < table->row_count; i++) {
        const struct sg_option *row = &table->rows[i];

        if (row->flags & SG_OPTION_FLAG_ONLY)
            continue;
        if (i == 0 || row->section)
            fprintf(writer->to, "\n%s%s%s| key | value | when left out | what it does |\n|---|---|---|---|\n",
                    row->section ? "**" : "", row->section ? row->section : "", row->section ? "**\n\n" : "");
        write_row(writer->to, row);
    }
    for (i = 0; i < table->row_count; i++) {
        if (table->rows[i].table)
            write_table(writer, table->rows[i].table, 3);
    }
}

int sg_conf_write_docs(FILE *to)
{
    struct writer writer = {.to = to};
    const struct sg_option_table *const *table;

    fputs(introduction, to);
    for (table = sg_conf_tables(); *table; table++)
        write_table(&writer, *table, 2);
    return fflush(to) != 0 || ferror(to) ? SG_E_IO : 0;
}
