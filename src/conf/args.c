/* SPDX-License-Identifier: MIT
 * Words of the command line to option values. The help text is made in args_help.c.
 */
#include "conf/args.h"

#include "conf/args_hints.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64
#define MAX_CANDIDATES 256
#define MAX_LISTS      32 /* lists given on one command line */

struct parser {
    const struct sg_args_command *command;
    const struct sg_args_binding *bindings;
    struct sg_error *err;
    const void *lists[MAX_LISTS]; /* fields that this command line has begun to fill */
    int list_count;
};

static bool is_flag_row(const struct sg_option *row)
{
    return !(row->flags & SG_OPTION_FILE_ONLY) && row->type != SG_OPTION_GROUP &&
           row->type != SG_OPTION_GROUPS && row->type != SG_OPTION_KEYED;
}

static const struct sg_option *find_long(const struct sg_args_binding *bindings, const char *name,
                                         void **out_values)
{
    for (; bindings->table; bindings++) {
        const struct sg_option *row = sg_option_find(bindings->table, name, true);

        if (row && is_flag_row(row)) {
            *out_values = bindings->values;
            return row;
        }
    }
    return NULL;
}

static const struct sg_option *find_short(const struct sg_args_binding *bindings, char letter,
                                          void **out_values)
{
    int i;

    for (; bindings->table; bindings++) {
        for (i = 0; i < bindings->table->row_count; i++) {
            if (letter && bindings->table->rows[i].short_flag == letter &&
                is_flag_row(&bindings->table->rows[i])) {
                *out_values = bindings->values;
                return &bindings->table->rows[i];
            }
        }
    }
    return NULL;
}

/* How a key is written as a flag. */
static const char *flag_name(const char *key, char out[NAME_MAX_BYTES])
{
    size_t i;

    for (i = 0; key[i] && i + 1 < NAME_MAX_BYTES; i++)
        out[i] = key[i] == '_' ? '-' : key[i];
    out[i] = '\0';
    return out;
}

static int unknown_flag(struct parser *parser, const char *arg, const char *name)
{
    const char *candidates[MAX_CANDIDATES], *close;
    const struct sg_args_binding *binding;
    void *unused;
    char close_flag[NAME_MAX_BYTES], room[SG_ARGS_TEXT_MAX];
    const char *hint =
        sg_args_hint(parser->command, parser->bindings, name[0] ? name : arg, room, sizeof(room));
    int i, count = 0;

    if (!hint && access(arg, F_OK) == 0) {
        snprintf(room, sizeof(room), "the file of that name is written ./%.60s", arg);
        hint = room;
    }
    if (hint)
        return sg_error_set(parser->err, SG_E_INVALID, "unknown flag %.60s; %s", arg, hint);

    for (binding = parser->bindings; binding->table; binding++) {
        for (i = 0; i < binding->table->row_count && count < MAX_CANDIDATES - 2; i++) {
            if (is_flag_row(&binding->table->rows[i]))
                candidates[count++] = binding->table->rows[i].key;
            if (is_flag_row(&binding->table->rows[i]) && binding->table->rows[i].alias)
                candidates[count++] = binding->table->rows[i].alias;
        }
    }
    candidates[count++] = "help";
    close = sg_suggest(name, candidates, count);
    if (close && find_long(parser->bindings, close, &unused))
        close = find_long(parser->bindings, close, &unused)->key; /* not its other name */
    if (close)
        return sg_error_set(parser->err, SG_E_INVALID, "unknown flag %.60s; did you mean --%s?", arg,
                            flag_name(close, close_flag));
    return sg_error_set(parser->err, SG_E_INVALID, "unknown flag %.60s; `%s --help` lists them all", arg,
                        parser->command->name);
}

/* The first value of a list replaces what was there (defaults, the file's), further ones add to it. */
static void begin_list(struct parser *parser, const struct sg_option *row, void *values)
{
    struct sg_texts *texts = (struct sg_texts *)((char *)values + row->offset);
    int i;

    for (i = 0; i < parser->list_count; i++) {
        if (parser->lists[i] == texts)
            return;
    }
    if (parser->list_count < MAX_LISTS)
        parser->lists[parser->list_count++] = texts;
    sg_texts_fini(texts);
}

static int apply(struct parser *parser, const struct sg_option *row, void *values, const char *text)
{
    char flag[NAME_MAX_BYTES];
    int code;

    if (row->type == SG_OPTION_TEXTS)
        begin_list(parser, row, values);
    code = sg_option_parse(row, values, text, strlen(text), parser->err);
    if (code == SG_E_CONFIG && parser->err)
        parser->err->code = SG_E_INVALID;
    if (code < 0)
        sg_error_prefix(parser->err, "--%s", flag_name(row->key, flag));
    return code == SG_E_CONFIG ? SG_E_INVALID : code;
}

static int missing_value(struct parser *parser, const struct sg_option *row)
{
    char flag[NAME_MAX_BYTES], what[256];

    sg_option_describe(row, what, sizeof(what));
    return sg_error_set(parser->err, SG_E_INVALID, "--%s needs a value: %s", flag_name(row->key, flag), what);
}

/* argv[*index] starts with "--" and more. */
static int parse_long(struct parser *parser, int argc, char **argv, int *index)
{
    const char *arg = argv[*index] + 2, *equals = strchr(arg, '=');
    size_t length = equals ? (size_t)(equals - arg) : strlen(arg);
    const struct sg_option *row = NULL;
    void *values = NULL;
    char name[NAME_MAX_BYTES];

    if (length < sizeof(name)) {
        memcpy(name, arg, length);
        name[length] = '\0';
        row = find_long(parser->bindings, name, &values);
        if (!row && !equals && strncmp(name, "no-", 3) == 0) {
            row = find_long(parser->bindings, name + 3, &values);
            if (row && row->type == SG_OPTION_BOOL)
                return apply(parser, row, values, "false");
            row = NULL;
        }
    } else {
        name[0] = '\0';
    }
    if (!row)
        return unknown_flag(parser, argv[*index], name);
    if (equals)
        return apply(parser, row, values, equals + 1);
    if (row->type == SG_OPTION_BOOL)
        return apply(parser, row, values, "true");
    if (*index + 1 >= argc || (strncmp(argv[*index + 1], "--", 2) == 0 && argv[*index + 1][2]))
        return missing_value(parser, row);
    return apply(parser, row, values, argv[++*index]);
}

/* "-thresh" and "-model" of tools whose long flags have one dash; here their first letter would be a flag and
 * the rest its value. */
static int refuse_one_dash(struct parser *parser, const char *arg)
{
    char name[NAME_MAX_BYTES], flag[NAME_MAX_BYTES], room[SG_ARGS_TEXT_MAX];
    const struct sg_option *row = NULL;
    const char *hint = NULL;
    void *values = NULL;

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg + 1, "="), arg + 1);
    if (strlen(name) > 2)
        row = find_long(parser->bindings, name, &values);
    if (row)
        return sg_error_set(parser->err, SG_E_INVALID, "unknown flag %.60s; it has two dashes: --%s", arg,
                            flag_name(row->key, flag));
    if (strlen(name) > 2)
        hint = sg_args_hint(parser->command, parser->bindings, name, room, sizeof(room));
    return hint ? sg_error_set(parser->err, SG_E_INVALID, "unknown flag %.60s; %s", arg, hint) : 0;
}

/* -q, -t 0.5 or -t0.5; letters of flags without a value may stand together. */
static int parse_short(struct parser *parser, int argc, char **argv, int *index)
{
    const char *letter = argv[*index] + 1;
    int code = refuse_one_dash(parser, argv[*index]);

    for (; *letter && code == 0; letter++) {
        void *values = NULL;
        const struct sg_option *row = find_short(parser->bindings, *letter, &values);
        char flag[3] = {'-', *letter, '\0'};

        if (!row)
            return unknown_flag(
                parser,
                (unsigned char)*letter < 0x80 && access(argv[*index], F_OK) != 0 ? flag : argv[*index], "");
        if (row->type == SG_OPTION_BOOL) {
            code = apply(parser, row, values, "true");
            continue;
        }
        if (letter[1])
            return apply(parser, row, values, letter[1] == '=' ? letter + 2 : letter + 1);
        if (*index + 1 >= argc)
            return missing_value(parser, row);
        return apply(parser, row, values, argv[++*index]);
    }
    return code;
}

static int check_positionals(const struct parser *parser, const struct sg_args *args)
{
    const struct sg_args_command *command = parser->command;

    if (args->positional_count < command->min_positionals)
        return sg_error_set(parser->err, SG_E_INVALID, "%s is missing; usage: %s [options] %s",
                            command->positional, command->name, command->positional);
    if (args->positional_count > command->max_positionals)
        return sg_error_set(parser->err, SG_E_INVALID, "unexpected \"%.80s\"; usage: %s [options]%s%s",
                            args->positionals[command->max_positionals], command->name,
                            command->positional ? " " : "", command->positional ? command->positional : "");
    return 0;
}

int sg_args_parse(const struct sg_args_command *command, const struct sg_args_binding *bindings, int argc,
                  char **argv, struct sg_args *args, struct sg_error *err)
{
    struct parser parser = {.command = command, .bindings = bindings, .err = err};
    bool only_positionals = false;
    int i, code = 0;

    *args = (struct sg_args){0};
    for (i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            args->help = true;
            return 0;
        }
    }
    args->positionals = calloc((size_t)argc + 1, sizeof(*args->positionals));
    if (!args->positionals)
        return sg_error_set(err, SG_E_NOMEM, "out of memory");
    for (i = 0; i < argc && code == 0; i++) {
        if (only_positionals || argv[i][0] != '-' || !argv[i][1])
            args->positionals[args->positional_count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            only_positionals = true;
        else if (argv[i][1] == '-')
            code = parse_long(&parser, argc, argv, &i);
        else
            code = parse_short(&parser, argc, argv, &i);
    }
    if (code == 0)
        code = check_positionals(&parser, args);
    if (code < 0)
        sg_args_fini(args);
    return code;
}

void sg_args_fini(struct sg_args *args)
{
    free(args->positionals);
    *args = (struct sg_args){0};
}
