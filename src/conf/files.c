/* SPDX-License-Identifier: MIT
 * Files that configuration names.
 */
#include "conf/files.h"

#include "base/path.h"
#include "conf/bind.h"
#include "conf/card.h"
#include "conf/docs.h"
#include "conf/recipe.h"
#include "conf/server.h"
#include "conf/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int is_yaml(const struct dirent *entry)
{
    return entry->d_name[0] != '.' &&
           (sg_path_ends(entry->d_name, ".yaml") || sg_path_ends(entry->d_name, ".yml"));
}

static int list_folder(const char *file, const char *folder, const struct sg_text *place,
                       struct sg_texts *out_files, struct sg_conf_problems *problems)
{
    struct dirent **entries = NULL;
    int i, code = 0, count = scandir(folder, &entries, is_yaml, alphasort);
    char path[PATH_MAX];

    if (count < 0)
        return sg_conf_problems_add(problems, file, place->line, place->column, NULL,
                                    "folder \"%s\" cannot be read: %s", folder, strerror(errno));
    if (count == 0)
        code = sg_conf_problems_add(problems, file, place->line, place->column, NULL,
                                    "folder \"%s\" has no .yaml file", folder);
    for (i = 0; i < count; i++) {
        int wrote = snprintf(path, sizeof(path), "%s%s%s", folder,
                             folder[strlen(folder) - 1] == '/' ? "" : "/", entries[i]->d_name);

        if (code == 0 && wrote > 0 && (size_t)wrote < sizeof(path))
            code = sg_texts_append(out_files, path, (size_t)wrote, place->line, place->column);
        free(entries[i]);
    }
    free(entries);
    return code;
}

int sg_conf_list(const char *file, const struct sg_texts *paths, struct sg_texts *out_files,
                 struct sg_conf_problems *problems)
{
    int i, code, worst = 0;

    for (i = 0; i < paths->count; i++) {
        const struct sg_text *place = &paths->items[i];
        char path[PATH_MAX];
        struct stat info;

        if (sg_path_beside(place->line > 0 ? file : NULL, place->value, path, sizeof(path)) < 0 ||
            stat(path, &info) != 0)
            code = sg_conf_problems_add(problems, file, place->line, place->column, NULL,
                                        "\"%s\" cannot be read: %s", path, strerror(errno));
        else if (S_ISDIR(info.st_mode))
            code = list_folder(file, path, place, out_files, problems);
        else
            code = sg_texts_append(out_files, path, strlen(path), place->line, place->column);
        worst = code < 0 && worst != SG_E_NOMEM ? code : worst;
    }
    return worst;
}

/* The table that knows most of the file's keys. */
static const struct sg_option_table *guess_table(const struct sg_yaml_node *root)
{
    const struct sg_option_table *const *table, *best = NULL;
    const struct sg_yaml_node *child;
    int most = 0;

    for (table = sg_conf_tables(); *table; table++) {
        int known = 0;

        for (child = root && root->kind == SG_YAML_MAP ? root->child : NULL; child; child = child->next) {
            const struct sg_option *row = sg_option_find(*table, child->key->text, false);

            known += row && !(row->flags & SG_OPTION_FLAG_ONLY);
        }
        if (known > most) {
            most = known;
            best = *table;
        }
    }
    return best;
}

static int check_as(const struct sg_option_table *table, const char *path, const char *text, size_t size,
                    struct sg_conf_problems *problems)
{
    struct sg_server_conf server = {0};
    struct sg_recipe recipe = {0};
    struct sg_card card = {0};
    int code;

    if (table == &sg_server_table)
        code = sg_server_conf_parse(path, text, size, &server, problems);
    else if (table == &sg_recipe_table)
        code = sg_recipe_parse(path, text, size, &recipe, problems);
    else
        code = sg_card_parse(path, text, size, &card, problems);
    sg_server_conf_fini(&server);
    sg_recipe_fini(&recipe);
    sg_card_fini(&card);
    return code;
}

int sg_conf_check(const char *path, const char **out_kind, struct sg_conf_problems *problems)
{
    const struct sg_option_table *table;
    struct sg_yaml yaml = {0};
    char *text = NULL;
    size_t size = 0;
    int code = sg_conf_read(path, &text, &size, problems);

    *out_kind = "unknown";
    if (code == 0)
        code = sg_yaml_parse(&yaml, path, text, size, problems);
    if (code == 0) {
        table = guess_table(yaml.root);
        *out_kind = table ? table->name : "unknown";
        code = table ? check_as(table, path, text, size, problems)
                     : sg_conf_problems_add(problems, path, 1, 1, NULL,
                                            "no key of a pipeline, a model card or the server's settings");
    }
    sg_yaml_fini(&yaml);
    free(text);
    return code;
}
