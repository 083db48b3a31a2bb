/* SPDX-License-Identifier: MIT
 * Finding models and recipes in folders, opening what is used. Runs at start and at reload.
 */
#include "pipe/library.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LIBRARY_PATH_MAX    4096
#define LIBRARY_MAX_LOADERS 8

struct sg_library {
    atomic_int held;
    struct sg_engine *engine;
    struct sg_library_options options;
    struct sg_library_model models[SG_LIBRARY_MAX_MODELS];
    int model_count;
    struct sg_recipe recipes[SG_LIBRARY_MAX_PIPELINES];
    int recipe_count;
    struct sg_pipeline *pipelines[SG_LIBRARY_MAX_PIPELINES];
    struct sg_served served[SG_LIBRARY_MAX_PIPELINES];
    int pipeline_count;
    int default_index;
    atomic_int next_model; /* of the loader threads */
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length > tail && strcmp(text + length - tail, end) == 0;
}

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

/* Entries that a person would list: sorted by name, hidden ones left out. Caller frees each and the array. */
static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int add_model(struct sg_library *library, const char *path, const char *name, const char *card)
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

/* FOLDER/NAME/{model.yaml,*.onnx}, FOLDER/NAME.yaml or FOLDER/NAME.onnx. */
static int consider_model(struct sg_library *library, const char *folder, const char *entry)
{
    char path[LIBRARY_PATH_MAX], card[LIBRARY_PATH_MAX + 16], name[256];

    snprintf(path, sizeof(path), "%s/%s", folder, entry);
    snprintf(name, sizeof(name), "%s", entry);
    if (is_folder(path)) {
        struct dirent **inside = NULL;
        int count, i;
        bool has_onnx = false;

        snprintf(card, sizeof(card), "%s/model.yaml", path);
        if (is_file(card))
            return add_model(library, path, name, card);
        count = scandir(path, &inside, visible, alphasort);
        for (i = 0; i < count; i++) {
            has_onnx = has_onnx || ends_with(inside[i]->d_name, ".onnx");
            free(inside[i]);
        }
        free(inside);
        return has_onnx ? add_model(library, path, name, NULL) : 0;
    }
    if (ends_with(entry, ".onnx")) {
        snprintf(card, sizeof(card), "%.*s.yaml", (int)(strlen(path) - 5), path);
        name[strlen(name) - 5] = '\0';
        return add_model(library, path, name, is_file(card) ? card : NULL);
    }
    if (ends_with(entry, ".yaml")) {
        name[strlen(name) - 5] = '\0';
        return add_model(library, path, name, path);
    }
    return 0;
}

static int scan_models(struct sg_library *library, const struct sg_texts *folders, struct sg_error *err)
{
    int i, k, code = 0;

    for (i = 0; i < folders->count && code == 0; i++) {
        struct dirent **entries = NULL;
        int count = scandir(folders->items[i].value, &entries, visible, alphasort);

        if (count < 0)
            return sg_error_set(err, SG_E_NOT_FOUND, "cannot read models folder \"%s\": %s",
                                folders->items[i].value, strerror(errno));
        for (k = 0; k < count; k++) {
            if (code == 0)
                code = consider_model(library, folders->items[i].value, entries[k]->d_name);
            free(entries[k]);
        }
        free(entries);
    }
    if (code == SG_E_TOO_LARGE)
        return sg_error_set(err, code, "more than %d models", SG_LIBRARY_MAX_MODELS);
    return code < 0 ? sg_error_set(err, code, "no memory for the list of models") : 0;
}

static int load_recipe(struct sg_library *library, const char *path, struct sg_conf_problems *problems,
                       struct sg_error *err)
{
    struct sg_recipe *recipe = &library->recipes[library->recipe_count];
    int code, i;

    if (library->recipe_count == SG_LIBRARY_MAX_PIPELINES)
        return sg_error_set(err, SG_E_TOO_LARGE, "more than %d pipelines", SG_LIBRARY_MAX_PIPELINES);
    code = sg_recipe_load(path, recipe, problems);
    if (code < 0) {
        sg_conf_problems_error(problems, err);
        return code;
    }
    if (library->options.only && strcmp(library->options.only, recipe->name.value) != 0) {
        sg_recipe_fini(recipe);
        return 0;
    }
    for (i = 0; i < library->recipe_count; i++)
        if (strcmp(library->recipes[i].name.value, recipe->name.value) == 0) {
            sg_error_set(err, SG_E_CONFIG, "two pipelines are called \"%s\": %s and %s", recipe->name.value,
                         library->recipes[i].path, path);
            code = sg_conf_problems_add(problems, path, recipe->name.line, recipe->name.column, NULL,
                                        "another pipeline is called \"%s\" too: %s", recipe->name.value,
                                        library->recipes[i].path);
        }
    library->recipe_count++; /* fini frees it, good or not */
    return code;
}

static int scan_recipes(struct sg_library *library, struct sg_conf_problems *problems, struct sg_error *err)
{
    const struct sg_texts *places = library->options.pipelines;
    int code = 0, i, k;

    for (i = 0; i < places->count; i++) {
        const char *place = places->items[i].value;
        char path[LIBRARY_PATH_MAX];
        struct dirent **entries = NULL;
        int count, one;

        if (!is_folder(place)) {
            one = load_recipe(library, place, problems, err);
            code = code < 0 ? code : one;
            continue;
        }
        count = scandir(place, &entries, visible, alphasort);
        for (k = 0; k < count; k++) {
            snprintf(path, sizeof(path), "%s/%s", place, entries[k]->d_name);
            if (ends_with(path, ".yaml") || ends_with(path, ".yml")) {
                one = load_recipe(library, path, problems, err);
                code = code < 0 ? code : one;
            }
            free(entries[k]);
        }
        free(entries);
    }
    if (code == 0 && library->recipe_count == 0)
        return library->options.only
                   ? sg_error_set(err, SG_E_NOT_FOUND,
                                  "no pipeline called \"%s\"; `sight pipelines` lists them",
                                  library->options.only)
                   : sg_error_set(
                         err, SG_E_NOT_FOUND,
                         "no pipeline in \"%s\"; a pipeline is a .yaml file such as pipelines/faces.yaml",
                         places->count ? places->items[0].value : "(no folder)");
    return code;
}

static struct sg_library_model *find_entry(struct sg_library *library, const char *name)
{
    int i;

    for (i = 0; i < library->model_count; i++)
        if (strcmp(library->models[i].name, name) == 0)
            return &library->models[i];
    return NULL;
}

static void want(struct sg_library *library, const struct sg_text *name)
{
    struct sg_library_model *entry = name->value ? find_entry(library, name->value) : NULL;

    if (entry)
        entry->wanted = true;
}

static void want_classifiers(struct sg_library *library, const struct sg_recipe_classifies *list)
{
    int i;

    for (i = 0; i < list->count; i++)
        want(library, &list->items[i].model);
}

static void want_all(struct sg_library *library)
{
    int i, k;

    for (i = 0; i < library->recipe_count; i++) {
        const struct sg_recipe *recipe = &library->recipes[i];

        want(library, &recipe->detect.model);
        want_classifiers(library, &recipe->classify);
        for (k = 0; k < recipe->detect_inside.count; k++) {
            want(library, &recipe->detect_inside.items[k].model);
            want_classifiers(library, &recipe->detect_inside.items[k].classify);
        }
        want(library, &recipe->read.orient);
        want(library, &recipe->read.recognise);
    }
}

/* Loader threads take models in turn; each touches only the entries it took. */
static void *load_models(void *arg)
{
    struct sg_library *library = arg;

    for (;;) {
        int index = atomic_fetch_add(&library->next_model, 1);
        struct sg_library_model *entry;

        if (index >= library->model_count)
            return NULL;
        entry = &library->models[index];
        if (entry->wanted) {
            struct sg_model_options options = {.path = entry->path,
                                               .name = entry->name,
                                               .wide_threads = library->options.threads,
                                               .narrow = library->options.serve};

            sg_model_open(library->engine, &options, &entry->problems, &entry->model, &entry->why);
        }
    }
}

static void load_wanted(struct sg_library *library)
{
    pthread_t threads[LIBRARY_MAX_LOADERS];
    int started = 0, i;

    atomic_store(&library->next_model, 0);
    while (started < library->options.threads - 1 && started < LIBRARY_MAX_LOADERS &&
           pthread_create(&threads[started], NULL, load_models, library) == 0)
        started++;
    load_models(library);
    for (i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

static struct sg_model *lookup(void *context, const char *name, struct sg_error *err)
{
    struct sg_library *library = context;
    struct sg_library_model *entry = find_entry(library, name);
    const char *names[SG_LIBRARY_MAX_MODELS], *close;
    int i;

    if (entry) {
        if (!entry->model)
            *err = entry->why;
        return entry->model;
    }
    for (i = 0; i < library->model_count; i++)
        names[i] = library->models[i].name;
    close = sg_suggest(name, names, library->model_count);
    if (close)
        sg_error_set(err, SG_E_NOT_FOUND, "no model called \"%s\"; did you mean \"%s\"?", name, close);
    else
        sg_error_set(err, SG_E_NOT_FOUND,
                     "no model called \"%s\" in the models folders; `sight model list` lists what there is",
                     name);
    return NULL;
}

static int merge_problems(struct sg_library *library, struct sg_conf_problems *problems)
{
    int code = 0, i, k;

    for (i = 0; i < library->model_count; i++)
        for (k = 0; k < library->models[i].problems.count; k++) {
            const struct sg_conf_problem *p = &library->models[i].problems.items[k];

            code = sg_conf_problems_add(problems, p->file, p->line, p->column,
                                        p->suggestion[0] ? p->suggestion : NULL, "%s", p->text);
        }
    return code;
}

static int build_pipelines(struct sg_library *library, struct sg_conf_problems *problems,
                           struct sg_error *err)
{
    int code = 0, i;

    for (i = 0; i < library->recipe_count; i++) {
        int one = sg_pipeline_create(&library->recipes[i], lookup, library, library->options.exact, problems,
                                     &library->pipelines[library->pipeline_count], err);

        if (one == 0) {
            library->served[library->pipeline_count] =
                (struct sg_served){library, library->pipelines[library->pipeline_count]};
            library->pipeline_count++;
        }
        code = code < 0 ? code : one;
    }
    return code;
}

static int index_of(const struct sg_library *library, const char *name)
{
    int i;

    for (i = 0; i < library->pipeline_count; i++)
        if (strcmp(sg_pipeline_name(library->pipelines[i]), name) == 0)
            return i;
    return -1;
}

static int choose_default(struct sg_library *library, struct sg_error *err)
{
    static const char *const usual[] = {"objects", "faces"};
    const char *name = library->options.default_pipeline;
    size_t i;

    if (name && !library->options.only) {
        const struct sg_pipeline *found;

        library->default_index = index_of(library, name);
        return library->default_index >= 0 ? 0 : sg_library_find(library, name, &found, err);
    }
    for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        library->default_index = index_of(library, usual[i]);
        if (library->default_index >= 0)
            return 0;
    }
    library->default_index = 0;
    return 0;
}

int sg_library_open(struct sg_engine *engine, const struct sg_library_options *options,
                    struct sg_conf_problems *problems, struct sg_library **out_library, struct sg_error *err)
{
    struct sg_library *library = NULL;
    int code = sg_library_scan(options->models, &library, err);

    *out_library = NULL;
    if (code < 0)
        return code;
    library->engine = engine;
    library->options = *options;
    code = scan_recipes(library, problems, err);
    /* Even with one broken recipe the others are checked, so that all problems are seen at once. */
    want_all(library);
    load_wanted(library);
    if (merge_problems(library, problems) < 0 && code == 0)
        code = sg_conf_problems_error(problems, err);
    if (code == 0 || options->check_only) {
        int built = build_pipelines(library, problems, err);

        code = code < 0 ? code : built;
    }
    if (code == 0)
        code = choose_default(library, err);
    if (code == 0) {
        *out_library = library;
        library = NULL;
    }
    sg_library_release(&library);
    return code;
}

int sg_library_scan(const struct sg_texts *models, struct sg_library **out_library, struct sg_error *err)
{
    struct sg_library *library = calloc(1, sizeof(*library));
    int code;

    *out_library = NULL;
    if (!library)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the library of models");
    atomic_init(&library->held, 1);
    code = scan_models(library, models, err);
    if (code < 0)
        sg_library_release(&library);
    *out_library = library;
    return code;
}

struct sg_library *sg_library_hold(struct sg_library *library)
{
    atomic_fetch_add_explicit(&library->held, 1, memory_order_relaxed);
    return library;
}

void sg_library_release(struct sg_library **library)
{
    struct sg_library *l = *library;
    int i;

    *library = NULL;
    /* acq_rel: whoever frees must see all that the other holders did before they let go. */
    if (!l || atomic_fetch_sub_explicit(&l->held, 1, memory_order_acq_rel) != 1)
        return;
    for (i = 0; i < l->pipeline_count; i++)
        sg_pipeline_destroy(&l->pipelines[i]);
    for (i = 0; i < l->recipe_count; i++)
        sg_recipe_fini(&l->recipes[i]);
    for (i = 0; i < l->model_count; i++) {
        sg_model_destroy(&l->models[i].model);
        sg_conf_problems_fini(&l->models[i].problems);
        free(l->models[i].name);
        free(l->models[i].path);
        free(l->models[i].card_path);
    }
    free(l);
}

int sg_library_pipeline_count(const struct sg_library *library)
{
    return library->pipeline_count;
}

const struct sg_pipeline *sg_library_pipeline(const struct sg_library *library, int index)
{
    return library->pipelines[index];
}

int sg_library_find(const struct sg_library *library, const char *name,
                    const struct sg_pipeline **out_pipeline, struct sg_error *err)
{
    char names[SG_ERROR_TEXT_MAX] = "";
    int index = name && name[0] ? index_of(library, name) : library->default_index, i;
    size_t used = 0;

    if (index >= 0 && index < library->pipeline_count) {
        *out_pipeline = library->pipelines[index];
        return 0;
    }
    for (i = 0; i < library->pipeline_count && used < sizeof(names) / 2; i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
                                 sg_pipeline_name(library->pipelines[i]));
    *out_pipeline = NULL;
    return sg_error_set(err, SG_E_NOT_FOUND, "no pipeline called \"%.80s\"; there are: %s", name ? name : "",
                        names);
}

const struct sg_library_model *sg_library_models(const struct sg_library *library, int *out_count)
{
    *out_count = library->model_count;
    return library->models;
}

int sg_library_default(const struct sg_library *library)
{
    return library->default_index;
}

int sg_library_serve(struct sg_library *library, const char *name, const struct sg_served **out_served,
                     struct sg_error *err)
{
    const struct sg_pipeline *pipeline;
    int code = sg_library_find(library, name, &pipeline, err), i;

    *out_served = NULL;
    for (i = 0; code == 0 && i < library->pipeline_count; i++)
        if (library->served[i].pipeline == pipeline) {
            sg_library_hold(library);
            *out_served = &library->served[i];
        }
    return code;
}

void sg_served_release(const struct sg_served **served)
{
    struct sg_library *library = *served ? (*served)->library : NULL;

    *served = NULL;
    if (library)
        sg_library_release(&library);
}
