/* SPDX-License-Identifier: MIT
 * Where the files of a model are and what it is called, from what the user named. Called while it is opened.
 */
#include "base/path.h"
#include "model/model_private.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MODEL_PATH_MAX 4096

static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The only model file of a folder, into out. */
static int only_graph(const char *folder, char *out, size_t out_bytes, struct sg_error *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char path[MODEL_PATH_MAX], endings[64];
    int found = 0;

    if (!dir)
        return sg_error_set(err, SG_E_NOT_FOUND, "cannot open model folder \"%s\"", folder);
    while ((entry = readdir(dir)))
        if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) < (int)sizeof(path) &&
            sg_engine_claims(path)) {
            snprintf(out, out_bytes, "%s", path);
            found++;
        }
    closedir(dir);
    if (found == 1)
        return 0;
    if (found > 1)
        return sg_error_set(
            err, SG_E_CONFIG,
            "model folder \"%s\" holds %d model files; say which with `file:` in its model.yaml", folder,
            found);
    return sg_error_set(err, SG_E_NOT_FOUND,
                        "model folder \"%s\" holds no model file (%s); `make deps` fetches those of sightd",
                        folder, sg_engine_endings(endings, sizeof(endings)));
}

/* Where card and graph are, from what the user named. card_path is "" when there is no card. */
static int find_files(const char *path, char *card_path, char *graph_path, size_t bytes, struct sg_error *err)
{
    struct stat st;

    card_path[0] = graph_path[0] = '\0';
    if (stat(path, &st) != 0)
        return sg_error_set(err, SG_E_NOT_FOUND, "no model at \"%s\"", path);
    if (S_ISDIR(st.st_mode)) {
        snprintf(card_path, bytes, "%s/model.yaml", path);
        if (!is_file(card_path)) {
            card_path[0] = '\0';
            return only_graph(path, graph_path, bytes, err);
        }
    } else if (sg_path_ends(path, ".yaml") || sg_path_ends(path, ".yml")) {
        snprintf(card_path, bytes, "%s", path);
    } else {
        snprintf(graph_path, bytes, "%s", path);
        if (sg_engine_claims(path)) {
            snprintf(card_path, bytes, "%.*s.yaml", (int)(strrchr(path, '.') - path), path);
            if (!is_file(card_path))
                card_path[0] = '\0';
        }
    }
    return 0;
}

/* Name of the folder when the file is one of many called model.…, else of the file without its ending. */
static char *default_name(const char *path)
{
    char copy[MODEL_PATH_MAX], *base, *dot;

    snprintf(copy, sizeof(copy), "%s", path);
    while (strlen(copy) > 1 && copy[strlen(copy) - 1] == '/')
        copy[strlen(copy) - 1] = '\0';
    base = strrchr(copy, '/');
    if (base && strncmp(base, "/model.", 7) == 0 &&
        (strcmp(base + 7, "yaml") == 0 || (!strchr(base + 7, '.') && sg_engine_claims(copy)))) {
        *base = '\0';
        base = strrchr(copy, '/');
        return strdup(base ? base + 1 : copy);
    }
    base = base ? base + 1 : copy;
    dot = strrchr(base, '.');
    if (dot && dot != base)
        *dot = '\0';
    return strdup(base);
}

/* By its card, else by the path that it was named by. */
static char *name_of(const struct sg_card *card, const char *path)
{
    return card->name.value ? strdup(card->name.value) : default_name(path);
}

int sg_model_name(const char *path, char **out_name, struct sg_error *err)
{
    char card_path[MODEL_PATH_MAX], graph_path[MODEL_PATH_MAX];
    int code = find_files(path, card_path, graph_path, sizeof(card_path), err);
    struct sg_card card = {0};

    *out_name = NULL;
    if (code < 0)
        return code;
    if (card_path[0])
        (void)sg_card_load(card_path, &card, NULL);
    *out_name = name_of(&card, path);
    sg_card_fini(&card);
    return *out_name ? 0 : sg_error_set(err, SG_E_NOMEM, "no memory for the name of a model");
}

/* The graph that a card speaks of: `file:`, else the X.onnx (or what else a model file may be called) beside
 * X.yaml, else the only one in the folder. */
static int find_graph(const struct sg_card *card, struct sg_conf_problems *problems, char *graph_path,
                      size_t bytes, struct sg_error *err)
{
    const struct sg_text *file = &card->file;
    const char *slash = strrchr(card->path, '/'), *dot = strrchr(card->path, '.');
    char folder[MODEL_PATH_MAX];
    int code, i;

    if (file->value) {
        if (sg_path_beside(card->path, file->value, graph_path, bytes) == 0 && is_file(graph_path))
            return 0;
        sg_error_set(err, SG_E_NOT_FOUND, "no model file \"%s\"; `make deps` fetches those of sightd",
                     graph_path);
        sg_conf_problems_add(problems, card->path, file->line, file->column, NULL, "%s", err->text);
        return SG_E_NOT_FOUND;
    }
    for (i = 0; sg_engine_ending(i); i++) {
        snprintf(graph_path, bytes, "%.*s%s", (int)(dot - card->path), card->path, sg_engine_ending(i));
        if (is_file(graph_path) && sg_engine_claims(graph_path))
            return 0;
    }
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - card->path) : 1, slash ? card->path : ".");
    code = only_graph(folder, graph_path, bytes, err);
    if (code < 0)
        sg_conf_problems_add(problems, card->path, 1, 1, NULL, "%s", err->text);
    return code;
}

static int check_engine(const struct sg_card *card, struct sg_conf_problems *problems, struct sg_error *err)
{
    const struct sg_text *engine = &card->engine.engine;

    if (!sg_engine_name_fixed(&card->engine) || sg_engine_named(engine->value, err))
        return 0;
    sg_conf_problems_add(problems, card->path, engine->line, engine->column, NULL, "%s", err->text);
    return SG_E_CONFIG;
}

int sg_model_load_card(struct sg_model *model, const struct sg_model_options *options,
                       struct sg_conf_problems *problems, struct sg_error *err)
{
    struct sg_conf_problems own = {0}, *list = problems ? problems : &own;
    struct sg_error rest = {0};
    char card_path[MODEL_PATH_MAX], graph_path[MODEL_PATH_MAX];
    int code = find_files(options->path, card_path, graph_path, sizeof(card_path), err), bad = 0;

    if (code < 0)
        return code;
    if (card_path[0]) {
        bad = sg_card_load(card_path, &model->card, list);
        if (bad < 0 && sg_conf_problems_error(list, err) == 0)
            sg_error_set(err, bad, "cannot load model card \"%s\"", card_path);
        if (bad == 0)
            bad = check_engine(&model->card, list, err);
        code = bad;
        if (bad < 0 && (!problems || !model->card.path))
            goto out;
        code = 0; /* what a wrong card names is looked at too, so that all problems are told at once */
        model->card_path = strdup(card_path);
        if (!graph_path[0])
            code = find_graph(&model->card, list, graph_path, sizeof(graph_path), bad < 0 ? &rest : err);
    } else {
        code = sg_card_init(&model->card);
    }
    if (code < 0)
        goto out;
    model->path = strdup(graph_path);
    model->name = options->name ? strdup(options->name) : name_of(&model->card, options->path);
    if (!model->path || !model->name || (card_path[0] && !model->card_path))
        code = sg_error_set(err, SG_E_NOMEM, "no memory for model \"%s\"", options->path);
out:
    sg_conf_problems_fini(&own);
    return bad < 0 ? bad : code;
}
