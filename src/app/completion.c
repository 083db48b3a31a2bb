/* SPDX-License-Identifier: MIT
 * `sight completion SHELL`: the script that completes command lines, from the tables of commands and options.
 */
#include "app/command.h"

#include <stdio.h>
#include <string.h>

/* What the value of a flag is, for a shell. */
enum value_kind { VALUE_NONE, VALUE_WORDS, VALUE_FOLDER, VALUE_FILE, VALUE_OTHER };

/* One way to write the script. Commands come with the words behind `sight`: "model list". */
struct shell {
    const char *name;
    void (*begin)(FILE *to);
    void (*command)(const struct sg_command *command, const char *words, FILE *to);
    void (*end)(FILE *to);
};

static enum value_kind kind_of(const struct sg_option *row)
{
    if (row->type == SG_OPTION_BOOL)
        return VALUE_NONE;
    if (row->choices)
        return VALUE_WORDS;
    if (!row->value_name)
        return VALUE_OTHER;
    if (strcmp(row->value_name, "DIR") == 0)
        return VALUE_FOLDER;
    return strcmp(row->value_name, "FILE") == 0 || strcmp(row->value_name, "PATH") == 0 ? VALUE_FILE
                                                                                        : VALUE_OTHER;
}

static void put_choices(const struct sg_option *row, FILE *to)
{
    int i;

    for (i = 0; row->choices[i]; i++)
        fprintf(to, "%s%s", i ? " " : "", row->choices[i]);
}

/* Calls visit for each flag that is shown. */
static void each_flag(const struct sg_command *command, void (*visit)(const struct sg_option *, FILE *),
                      FILE *to)
{
    const struct sg_option_table *const *table = command->tables;
    int i;

    for (; table && *table; table++) {
        for (i = 0; i < (*table)->row_count; i++) {
            if (sg_args_shown(&(*table)->rows[i]))
                visit(&(*table)->rows[i], to);
        }
    }
}

static const char *last_word(const struct sg_command *command)
{
    return strrchr(command->args.name, ' ') + 1;
}

static void put_words_below(const struct sg_command *const *below, FILE *to)
{
    bool first = true;

    for (; below && *below; below++, first = false)
        fprintf(to, "%s%s", first ? "" : " ", last_word(*below));
}

/* --- bash -------------------------------------------------------------------------------------------------
 */

static void bash_name(const struct sg_option *row, FILE *to)
{
    char name[64];

    fprintf(to, " --%s", sg_args_flag(row, name, sizeof(name)));
}

static void bash_value(const struct sg_option *row, FILE *to)
{
    enum value_kind kind = kind_of(row);
    char name[64];

    if (kind == VALUE_NONE)
        return;
    fprintf(to, "        --%s", sg_args_flag(row, name, sizeof(name)));
    if (row->short_flag)
        fprintf(to, "|-%c", row->short_flag);
    fputs(") ", to);
    if (kind == VALUE_OTHER) {
        fputs("return ;;\n", to);
        return;
    }
    if (kind == VALUE_WORDS) {
        fputs("mapfile -t COMPREPLY < <(compgen -W '", to);
        put_choices(row, to);
        fputs("' -- \"$cur\")", to);
    } else {
        fprintf(to, "mapfile -t COMPREPLY < <(compgen %s -- \"$cur\")", kind == VALUE_FOLDER ? "-d" : "-f");
    }
    fputs("; return ;;\n", to);
}

static void bash_begin(FILE *to)
{
    fputs("# bash completion of sight: source <(sight completion bash)\n"
          "_sight() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word i\n"
          "    COMPREPLY=()\n"
          "    # --flag=value comes as three words.\n"
          "    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; "
          "fi\n"
          "    [[ ${COMP_WORDS[0]##*/} != sightd ]] || command=serve\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        word=${COMP_WORDS[i]}\n"
          "        case $command:$word in\n"
          "        :-*) ;;\n"
          "        :*) command=$word ;;\n"
          "        model:[a-z]* | config:[a-z]*) command=\"$command $word\" ;;\n"
          "        esac\n"
          "    done\n"
          "    case $command in\n"
          "    '') mapfile -t COMPREPLY < <(compgen -W '--help --version ",
          to);
    put_words_below(sg_commands, to);
    fputs("' -- \"$cur\") ;;\n", to);
}

static void bash_command(const struct sg_command *command, const char *words, FILE *to)
{
    fprintf(to, "    '%s')\n        case $prev in\n", words);
    each_flag(command, bash_value, to);
    fputs("        esac\n"
          "        if [[ $cur == -* ]]; then\n"
          "            mapfile -t COMPREPLY < <(compgen -W '--help",
          to);
    each_flag(command, bash_name, to);
    fputs("' -- \"$cur\")\n        else\n            ", to);
    if (command->commands) {
        fputs("mapfile -t COMPREPLY < <(compgen -W '", to);
        put_words_below(command->commands, to);
        fputs("' -- \"$cur\")", to);
    } else if (strcmp(words, "completion") == 0) {
        fputs("mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- \"$cur\")", to);
    } else if (command->args.positional) {
        fputs("mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")", to);
    } else {
        fputs(":", to);
    }
    fputs("\n        fi ;;\n", to);
}

static void bash_end(FILE *to)
{
    fputs("    esac\n}\ncomplete -o filenames -F _sight sight sightd\n", to);
}

/* --- zsh --------------------------------------------------------------------------------------------------
 */

/* Inside '…' and [ … ] or before a colon. */
static void zsh_text(const char *text, FILE *to)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
}

static void zsh_flag(const struct sg_option *row, FILE *to)
{
    enum value_kind kind = kind_of(row);
    char name[64];

    sg_args_flag(row, name, sizeof(name));
    fputs(" \\\n            ", to);
    if (row->short_flag)
        fprintf(to, "'(-%c --%s)'{-%c,--%s}'[", row->short_flag, name, row->short_flag, name);
    else
        fprintf(to, "'--%s[", name);
    zsh_text(row->help, to);
    fputs("]", to);
    if (kind == VALUE_WORDS) {
        fputs(":word:(", to);
        put_choices(row, to);
        fputs(")", to);
    } else if (kind != VALUE_NONE) {
        fprintf(to, ":%s:%s", row->value_name ? row->value_name : "value",
                kind == VALUE_FOLDER ? "_files -/"
                : kind == VALUE_FILE ? "_files"
                                     : "");
    }
    fputs("'", to);
}

static void zsh_begin(FILE *to)
{
    const struct sg_command *const *command = sg_commands;

    fputs(
        "#compdef sight sightd\n# zsh completion of sight: sight completion zsh >~/.zsh/_sight\n_sight() {\n"
        "    local command=${words[2]}\n"
        "    case $command in model|config) (( CURRENT > 3 )) && command=\"$command ${words[3]}\" ;; esac\n"
        "    [[ ${words[1]:t} == sightd ]] && command=serve\n"
        "    if (( CURRENT == 2 )) && [[ $command != serve || ${words[1]:t} != sightd ]]; then\n"
        "        local -a commands=(",
        to);
    for (; *command; command++) {
        fprintf(to, "\n            '%s:", last_word(*command));
        zsh_text((*command)->args.summary, to);
        fputs("'", to);
    }
    fputs("\n        )\n        _describe command commands\n        return\n    fi\n    case $command in\n",
          to);
}

static void zsh_command(const struct sg_command *command, const char *words, FILE *to)
{
    if (command->commands) {
        fprintf(to, "    '%s') compadd ", words);
        put_words_below(command->commands, to);
        fputs(" ;;\n", to);
        return;
    }
    fprintf(to, "    '%s')\n        _arguments -s \\\n            '(-h --help)'{-h,--help}'[this help]'",
            words);
    each_flag(command, zsh_flag, to);
    if (strcmp(words, "completion") == 0)
        fputs(" \\\n            '*:shell:(bash zsh fish)'", to);
    else if (command->args.positional)
        fputs(" \\\n            '*:file:_files'", to);
    fputs(" ;;\n", to);
}

static void zsh_end(FILE *to)
{
    fputs("    esac\n}\nif [[ $funcstack[1] == _sight ]]; then _sight \"$@\"; else compdef _sight sight "
          "sightd; fi\n",
          to);
}

/* --- fish -------------------------------------------------------------------------------------------------
 */

static const char *fish_words;

/* Inside '…'. */
static void fish_text(const char *text, FILE *to)
{
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', to);
        fputc(*text, to);
    }
}

/* The condition that the command line is at the command "model list". */
static void fish_condition(const char *words, FILE *to)
{
    const char *blank = strchr(words, ' ');

    if (!blank)
        fprintf(to, "-n '__fish_seen_subcommand_from %s'", words);
    else
        fprintf(to, "-n '__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s'",
                (int)(blank - words), words, blank + 1);
}

static void fish_flag(const struct sg_option *row, FILE *to)
{
    enum value_kind kind = kind_of(row);
    char name[64];

    fputs("complete -c sight ", to);
    fish_condition(fish_words, to);
    fprintf(to, " -l %s", sg_args_flag(row, name, sizeof(name)));
    if (row->short_flag)
        fprintf(to, " -s %c", row->short_flag);
    if (kind == VALUE_WORDS) {
        fputs(" -x -a '", to);
        put_choices(row, to);
        fputs("'", to);
    } else if (kind != VALUE_NONE) {
        fputs(kind == VALUE_FOLDER ? " -x -a '(__fish_complete_directories)'"
              : kind == VALUE_FILE ? " -r -F"
                                   : " -x",
              to);
    }
    fputs(" -d '", to);
    fish_text(row->help, to);
    fputs("'\n", to);
}

static void fish_begin(FILE *to)
{
    const struct sg_command *const *command = sg_commands;

    fputs("# fish completion of sight: sight completion fish | source\n"
          "complete -c sight -n __fish_use_subcommand -f\n"
          "complete -c sight -s h -l help -d 'this help'\n",
          to);
    for (; *command; command++) {
        fprintf(to, "complete -c sight -n __fish_use_subcommand -a %s -d '", last_word(*command));
        fish_text((*command)->args.summary, to);
        fputs("'\n", to);
    }
}

static void fish_command(const struct sg_command *command, const char *words, FILE *to)
{
    if (command->commands || strcmp(words, "completion") == 0) {
        fputs("complete -c sight ", to);
        fish_condition(words, to);
        fputs(" -f -a '", to);
        if (command->commands)
            put_words_below(command->commands, to);
        else
            fputs("bash zsh fish", to);
        fputs("'\n", to);
    }
    fish_words = words;
    each_flag(command, fish_flag, to);
}

static void fish_end(FILE *to)
{
    (void)to;
}

static const struct shell shells[] = {{"bash", bash_begin, bash_command, bash_end},
                                      {"zsh", zsh_begin, zsh_command, zsh_end},
                                      {"fish", fish_begin, fish_command, fish_end}};
#define SHELL_COUNT ((int)(sizeof(shells) / sizeof(shells[0])))

static void write_script(const struct shell *shell, FILE *to)
{
    const struct sg_command *const *command = sg_commands, *const * below;

    shell->begin(to);
    for (; *command; command++) {
        shell->command(*command, strchr((*command)->args.name, ' ') + 1, to);
        for (below = (*command)->commands; below && *below; below++)
            shell->command(*below, strchr((*below)->args.name, ' ') + 1, to);
    }
    shell->end(to);
}

static int complete(const struct sg_command *self, void *context, const struct sg_args *words)
{
    struct sg_error err = {0};
    int i;

    (void)context;
    for (i = 0; i < SHELL_COUNT; i++) {
        if (strcmp(shells[i].name, words->positionals[0]) == 0) {
            write_script(&shells[i], stdout);
            return SG_EXIT_OK;
        }
    }
    sg_error_set(&err, SG_E_INVALID, "expected bash, zsh or fish, got \"%.60s\"", words->positionals[0]);
    return sg_command_usage(self, err.text);
}

static int run_completion(const struct sg_command *self, int argc, char **argv)
{
    const struct sg_args_binding none[] = {{NULL, NULL}};

    return sg_command_body(self, none, argc, argv, complete, NULL);
}

static const char *const examples[] = {"sight completion zsh >~/.zsh/_sight",
                                       "for every zsh, when ~/.zsh is in fpath",
                                       "sight completion fish >~/.config/fish/completions/sight.fish",
                                       "for every fish",
                                       "source <(sight completion bash)",
                                       "complete in this bash; put the line into ~/.bashrc for every one",
                                       NULL};

const struct sg_command sg_command_completion = {
    .args = {.name = "sight completion",
             .summary = "print a script that completes command lines (bash, zsh, fish)",
             .positional = "SHELL",
             .min_positionals = 1,
             .max_positionals = 1,
             .examples = examples},
    .run = run_completion,
};
