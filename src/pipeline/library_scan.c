/* SPDX-License-Identifier: MIT
 * Finding models and recipes in folders. Runs at start and at reload.
 */
#include "base/path.h"
#include "conf/files.h"
#include "pipeline/library_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LIBRARY_PATH_MAX 4096
#define LIBRARY_NAME_MAX 256 /* of a file in a folder, NUL included */

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int add_named(struct sg_library *library, const char *path, const char *name, const char *card)
{
    struct sg_library_model *entry = &library->models[library->model_count];
    int i;

    for (i = 0; i < library->model_count; i++)
        if (strcmp(library->models[i].name, name) == 0)
            return 0; /* folders named first win */
    if (library->model_count == SG_LIBRARY_MAX_MODELS)
        return SG_E_TOO_LARGE;
    *entry = (struct sg_library_model){
        .name = strdup(name), .path = strdup(path), .card_path = card ? strdup(card) : NULL};
    library->model_count++;
    return entry->name && entry->path && (!card || entry->card_path) ? 0 : SG_E_NOMEM;
}

/* The name on the card wins over the folder's or file's. A broken card is told of when it is needed. */
static int add_model(struct sg_library *library, const char *path, const char *name, const char *card)
{
    struct sg_card values;
    int count = library->model_count, code;
    bool broken;

    if (!card)
        return add_named(library, path, name, card);
    broken = sg_card_load(card, &values, NULL) < 0;
    if (broken && !values.path) {
        code = add_named(library, path, name, card);
    } else {
        code = add_named(library, path, values.name.value ? values.name.value : name, card);
        sg_card_fini(&values);
    }
    if (library->model_count > count)
        library->models[count].broken = broken;
    return code;
}

/* FOLDER/NAME/ with a model.yaml or a model file, FOLDER/NAME.yaml, or a model file FOLDER/NAME.onnx. */
static int consider_model(struct sg_library *library, const char *folder, const char *entry)
{
    char path[LIBRARY_PATH_MAX + LIBRARY_NAME_MAX + 1], card[sizeof(path) + 16], name[LIBRARY_NAME_MAX];
    char file[sizeof(path) + LIBRARY_NAME_MAX + 1];

    snprintf(path, sizeof(path), "%s/%s", folder, entry);
    snprintf(name, sizeof(name), "%s", entry);
    if (is_folder(path)) {
        struct dirent **inside = NULL;
        int count, i;
        bool has_graph = false;

        snprintf(card, sizeof(card), "%s/model.yaml", path);
        if (is_file(card))
            return add_model(library, path, name, card);
        count = scandir(path, &inside, visible, alphasort);
        for (i = 0; i < count; i++) {
            snprintf(file, sizeof(file), "%s/%s", path, inside[i]->d_name);
            has_graph = has_graph || sg_engine_claims(file);
            free(inside[i]);
        }
        free(inside);
        return has_graph ? add_model(library, path, name, NULL) : 0;
    }
    if (sg_engine_claims(path)) {
        snprintf(card, sizeof(card), "%.*s.yaml", (int)(strrchr(path, '.') - path), path);
        *strrchr(name, '.') = '\0';
        return add_model(library, path, name, is_file(card) ? card : NULL);
    }
    if (sg_path_ends(entry, ".yaml")) {
        name[strlen(name) - strlen(".yaml")] = '\0';
        return add_model(library, path, name, path);
    }
    return 0;
}

/* One bare model, and a recipe that is its name alone. */
static int add_bare(struct sg_library *library, const char *path, const char *labels, struct sg_error *err)
{
    struct sg_recipe *recipe = &library->recipes[library->recipe_count];
    char *name = NULL;
    int code;

    if (library->recipe_count == SG_LIBRARY_MAX_PIPELINES)
        return sg_error_set(err, SG_E_TOO_LARGE, "more than %d pipelines", SG_LIBRARY_MAX_PIPELINES);
    code = sg_model_name(path, &name, err);
    if (code < 0)
        return code;
    code = add_named(library, path, name, NULL);
    if (code == 0 && library->model_count == library->recipe_count)
        code = sg_error_set(err, SG_E_CONFIG, "two models are called \"%.80s\": %.120s is the second", name,
                            path);
    else if (code < 0)
        sg_error_set(err, code, "no memory for a model");
    if (code == 0) {
        library->models[library->model_count - 1].labels = labels;
        code = sg_recipe_init(recipe);
        library->recipe_count += code == 0;
        if (code < 0 || sg_text_set(&recipe->name, name, strlen(name), 0, 0) < 0)
            code = sg_error_set(err, SG_E_NOMEM, "no memory for a pipeline");
    }
    free(name);
    return code;
}

int sg_library_scan_bare(struct sg_library *library, struct sg_conf_problems *problems, struct sg_error *err)
{
    const struct sg_library_options *options = &library->options;
    const struct sg_texts *labels = options->bare_labels;
    char path[LIBRARY_PATH_MAX];
    int code = 0, i;

    for (i = 0; options->bare && i < options->bare->count && code == 0; i++) {
        const struct sg_text *place = &options->bare->items[i];
        bool in_file = options->settings && place->line > 0;

        code = sg_path_beside(in_file ? options->settings : NULL, place->value, path, sizeof(path));
        if (code < 0)
            sg_error_set(err, code, "the path of model \"%.80s\" is too long", place->value);
        else
            code = add_bare(library, path, labels && i < labels->count ? labels->items[i].value : NULL, err);
        if (code < 0 && in_file)
            sg_conf_problems_add(problems, options->settings, place->line, place->column, NULL, "%s",
                                 err->text);
    }
    library->bare_count = library->recipe_count;
    return code;
}

static int scan_folder(struct sg_library *library, const char *folder, struct sg_error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, visible, alphasort), code = 0, i;

    if (count < 0)
        return sg_error_set(err, SG_E_NOT_FOUND, "cannot read models folder \"%s\": %s", folder,
                            strerror(errno));
    for (i = 0; i < count; i++) {
        if (code == 0)
            code = consider_model(library, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (code == SG_E_TOO_LARGE)
        return sg_error_set(err, code, "more than %d models", SG_LIBRARY_MAX_MODELS);
    return code < 0 ? sg_error_set(err, code, "no memory for the list of models") : 0;
}

int sg_library_scan_models(struct sg_library *library, const struct sg_texts *folders, const char *settings,
                           struct sg_conf_problems *problems, struct sg_error *err)
{
    int code = 0, i;

    for (i = 0; i < folders->count; i++) {
        const struct sg_text *place = &folders->items[i];
        bool in_file = settings && place->line > 0;
        char folder[LIBRARY_PATH_MAX];
        int one = sg_path_beside(in_file ? settings : NULL, place->value, folder, sizeof(folder));

        one = one < 0
                  ? sg_error_set(err, one, "the path of models folder \"%.80s\" is too long", place->value)
                  : scan_folder(library, folder, err);
        if (one < 0 && in_file)
            sg_conf_problems_add(problems, settings, place->line, place->column, NULL, "%s", err->text);
        code = code < 0 ? code : one;
    }
    return code;
}

int sg_library_unknown(const char *what, const char *name, const char *const *names, int count,
                       struct sg_error *err)
{
    const char *close = sg_suggest(name, names, count);
    char list[SG_ERROR_TEXT_MAX / 2] = "";
    size_t used = 0;
    int i;

    for (i = 0; i < count && used < sizeof(list) - 1; i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", names[i]);
    return sg_error_set(err, SG_E_NOT_FOUND, "no %s called \"%.80s\"; there are: %s%s%.80s%s", what, name,
                        list, close ? "; did you mean \"" : "", close ? close : "", close ? "\"?" : "");
}

/* Takes one more recipe; the library owns it from then on, good or not. Names of those that are not wanted go
 * to others. */
static int load_recipe(struct sg_library *library, const char *path, struct sg_texts *others,
                       struct sg_conf_problems *problems, struct sg_error *err)
{
    struct sg_recipe *recipe = &library->recipes[library->recipe_count];
    int code, bad, i;

    if (library->recipe_count == SG_LIBRARY_MAX_PIPELINES)
        return sg_error_set(err, SG_E_TOO_LARGE, "more than %d pipelines", SG_LIBRARY_MAX_PIPELINES);
    bad = sg_recipe_load(path, recipe, problems);
    if (bad < 0)
        sg_conf_problems_error(problems, err);
    if (bad < 0 && !recipe->path)
        return bad; /* else what it names is looked at too, so that all problems are told at once */
    if (library->options.only && strcmp(library->options.only, recipe->name.value) != 0) {
        code = sg_texts_append(others, recipe->name.value, strlen(recipe->name.value), 0, 0);
        sg_recipe_fini(recipe);
        return bad < 0 ? bad : code;
    }
    library->recipe_count++;
    for (i = 0; i < library->recipe_count - 1; i++)
        if (strcmp(library->recipes[i].name.value, recipe->name.value) == 0) {
            const char *other = i < library->bare_count ? library->models[i].path : library->recipes[i].path;

            sg_error_set(err, SG_E_CONFIG, "two pipelines are called \"%s\": %s and %s", recipe->name.value,
                         other, path);
            return sg_conf_problems_add(problems, path, recipe->name.line, recipe->name.column, NULL,
                                        "another pipeline is called \"%s\" too: %s", recipe->name.value,
                                        other);
        }
    return bad;
}

static int no_such_pipeline(const char *name, const struct sg_texts *others, struct sg_error *err)
{
    const char *names[SG_LIBRARY_MAX_PIPELINES];
    int count;

    for (count = 0; count < others->count && count < SG_LIBRARY_MAX_PIPELINES; count++)
        names[count] = others->items[count].value;
    return sg_library_unknown("pipeline", name, names, count, err);
}

int sg_library_scan_recipes(struct sg_library *library, struct sg_conf_problems *problems,
                            struct sg_error *err)
{
    const struct sg_library_options *options = &library->options;
    struct sg_texts files = {0}, others = {0};
    int code = sg_conf_list(options->settings, options->pipelines, &files, problems), i;

    if (code == SG_E_NOMEM)
        sg_error_set(err, code, "no memory for the list of pipelines");
    else if (code < 0)
        sg_conf_problems_error(problems, err);
    for (i = 0; i < files.count; i++) {
        int one = load_recipe(library, files.items[i].value, &others, problems, err);

        code = code < 0 ? code : one;
    }
    if (code == 0 && library->recipe_count == 0 && !(options->bare && options->bare->count > 0))
        code = options->only ? no_such_pipeline(options->only, &others, err)
                             : sg_error_set(err, SG_E_NOT_FOUND,
                                            "no pipelines are named; a pipeline is a .yaml file such as "
                                            "pipelines/faces.yaml");
    sg_texts_fini(&others);
    sg_texts_fini(&files);
    return code;
}
