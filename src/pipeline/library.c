/* SPDX-License-Identifier: MIT
 * Opening what pipelines use. Runs at start and at reload.
 */
#include "base/log.h"
#include "pipeline/golden.h"
#include "pipeline/library_private.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY_MAX_LOADERS 8

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
    else if (name->value)
        library->missing = true;
}

static void want_classifiers(struct sg_library *library, const struct sg_recipe_classifies *list)
{
    int i;

    for (i = 0; i < list->count; i++)
        want(library, &list->items[i].model);
}

static void want_recipe(struct sg_library *library, const struct sg_recipe *recipe)
{
    int k;

    want(library, &recipe->detect.model);
    want_classifiers(library, &recipe->classify);
    for (k = 0; k < recipe->detect_inside.count; k++) {
        want(library, &recipe->detect_inside.items[k].model);
        want_classifiers(library, &recipe->detect_inside.items[k].classify);
    }
    want(library, &recipe->read.orient);
    want(library, &recipe->read.recognise);
}

static void want_pipeline(struct sg_library *library, int i)
{
    if (i < library->bare_count)
        library->models[i].wanted = true;
    else
        want_recipe(library, &library->recipes[i]);
}

/* Loader threads take models in turn; each touches only the entries it took. */
static void *load_models(void *arg)
{
    struct sg_library *library = arg;

    for (;;) {
        int index = atomic_fetch_add(&library->next_model, 1);
        struct sg_library_model *entry;

        if (index >= library->model_count || atomic_load(&library->closing))
            return NULL;
        entry = &library->models[index];
        if (entry->wanted && !entry->tried) {
            struct sg_model_options options = {.path = entry->path,
                                               .name = entry->name,
                                               .labels = entry->labels,
                                               .wide_threads =
                                                   library->options.serve ? 1 : library->options.threads,
                                               .narrow = library->options.serve,
                                               .widen_later = library->options.threads > 1,
                                               .runs = library->options.runs,
                                               .engine = library->options.engine};

            if (sg_model_open(library->engine, &options, &entry->problems, &entry->opened, &entry->why) ==
                    0 &&
                library->options.prove) {
                sg_model_lean(entry->opened, library->options.serve);
                sg_golden_check(entry->opened, library->options.exact, &entry->problems, &entry->why);
                sg_model_lean(entry->opened, false);
            }
            entry->tried = true;
        }
    }
}

/* What loading took and does not need any more: C libraries keep it, in heaps of threads that have ended. */
static void give_back(void)
{
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
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
    if (library->options.serve)
        give_back();
}

static struct sg_model *lookup(void *context, const char *name, struct sg_error *err)
{
    struct sg_library *library = context;
    struct sg_library_model *entry = find_entry(library, name);
    const char *names[SG_LIBRARY_MAX_MODELS], *close;
    int i;

    if (entry && entry->opened)
        return entry->opened;
    if (entry && entry->problems.count > 0)
        sg_error_set(err, SG_E_CONFIG, "model \"%s\" is not loaded: its card is wrong", name);
    else if (entry)
        *err = entry->why;
    if (entry)
        return NULL;
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

/* What the loaders found, in the order of the models. */
static int merge_problems(struct sg_library *library, struct sg_conf_problems *problems, struct sg_error *err)
{
    int code = 0, i, k;

    for (i = 0; i < library->model_count; i++)
        for (k = 0; k < library->models[i].problems.count; k++) {
            const struct sg_conf_problem *p = &library->models[i].problems.items[k];

            if (code == 0)
                *err = library->models[i].why;
            code = sg_conf_problems_add(problems, p->file, p->line, p->column,
                                        p->suggestion[0] ? p->suggestion : NULL, "%s", p->text);
        }
    return code;
}

static int worse(int code, int other)
{
    return code < 0 ? code : other;
}

/* The pipeline of recipe i. */
static int build(struct sg_library *library, int i, struct sg_conf_problems *problems, struct sg_error *err)
{
    struct sg_library_model *entry = &library->models[i]; /* of a bare one */

    if (i >= library->bare_count)
        return sg_pipeline_create(&library->recipes[i], lookup, library, library->options.exact, problems,
                                  &library->pipelines[i], err);
    if (!lookup(library, entry->name, err))
        return err->code;
    return sg_pipeline_of_model(entry->opened, library->options.exact, &library->pipelines[i], err);
}

static int build_pipelines(struct sg_library *library, struct sg_conf_problems *problems,
                           struct sg_error *err)
{
    int code = 0, i;

    for (i = 0; i < library->recipe_count; i++) {
        int one = 0;

        if (!library->pipelines[i])
            one = build(library, i, problems, err);
        code = worse(code, one);
    }
    return code;
}

static int index_of(const struct sg_library *library, const char *name)
{
    int i;

    for (i = 0; i < library->recipe_count; i++)
        if (strcmp(library->recipes[i].name.value, name) == 0)
            return i;
    return -1;
}

/* The default one of those that nothing is said about. */
static const char *const usual[] = {"objects", "faces"};

static int usual_default(const struct sg_library *library)
{
    size_t i;

    if (library->bare_count > 0)
        return 0; /* asked for by hand */
    for (i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        if (index_of(library, usual[i]) >= 0)
            return index_of(library, usual[i]);
    return 0;
}

/* Leaves only the recipe that choose_default would take. */
static void keep_default(struct sg_library *library)
{
    int keep = usual_default(library), i;

    for (i = 0; i < library->recipe_count; i++)
        if (i != keep)
            sg_recipe_fini(&library->recipes[i]);
    if (library->recipe_count > 0) {
        library->recipes[0] = library->recipes[keep];
        library->recipe_count = 1;
    }
}

static int unknown(const struct sg_library *library, const char *name, struct sg_error *err)
{
    const char *names[SG_LIBRARY_MAX_PIPELINES];
    int i;

    for (i = 0; i < library->recipe_count; i++)
        names[i] = library->recipes[i].name.value;
    return sg_library_unknown("pipeline", name, names, library->recipe_count, err);
}

static int choose_default(struct sg_library *library, struct sg_conf_problems *problems, struct sg_error *err)
{
    const struct sg_text *name = library->options.default_pipeline;
    int code;

    if (name && name->value && !library->options.only) {
        library->default_index = index_of(library, name->value);
        if (library->default_index >= 0)
            return 0;
        code = unknown(library, name->value, err);
        if (library->options.settings && name->line > 0)
            sg_conf_problems_add(problems, library->options.settings, name->line, name->column, NULL, "%s",
                                 err->text);
        return code;
    }
    library->default_index = usual_default(library);
    return 0;
}

/* Whether a default is named that no file has; whatever else is wrong (code). Returns code. */
static int look_for_default(const struct sg_library *library, struct sg_conf_problems *problems, int code)
{
    const struct sg_text *name = library->options.default_pipeline;
    struct sg_error err = {0};

    if (!name || !name->value || name->line <= 0 || !library->options.settings || library->options.only)
        return code;
    if (index_of(library, name->value) >= 0)
        return code;
    (void)unknown(library, name->value, &err);
    sg_conf_problems_add(problems, library->options.settings, name->line, name->column, NULL, "%s", err.text);
    return code;
}

static int create(struct sg_library **out_library, struct sg_error *err)
{
    *out_library = calloc(1, sizeof(**out_library));
    if (!*out_library)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the library of models");
    atomic_init(&(*out_library)->held, 1);
    return 0;
}

static void want_all(struct sg_library *library)
{
    int i;

    for (i = 0; i < library->recipe_count; i++)
        want_pipeline(library, i);
}

static int load_all(struct sg_library *library, struct sg_conf_problems *problems, struct sg_error *err)
{
    int code;

    want_all(library);
    load_wanted(library);
    code = merge_problems(library, problems, err);
    return worse(code, build_pipelines(library, problems, err));
}

/* Whether all that files say is right, as far as it can be known without loading models. */
static bool files_are_right(struct sg_library *library)
{
    bool right;
    int i;

    want_all(library);
    right = !library->missing;
    for (i = 0; i < library->model_count; i++) {
        right = right && !(library->models[i].wanted && library->models[i].broken);
        library->models[i].wanted = false;
    }
    return right;
}

/* False: it cannot be, and why is found out and told together with all else that is wrong. */
static bool load_default(struct sg_library *library)
{
    struct sg_conf_problems problems = {0};
    struct sg_error err = {0};
    bool right = files_are_right(library) && choose_default(library, &problems, &err) == 0;
    int i = library->default_index;

    if (right) {
        want_pipeline(library, i);
        load_wanted(library);
        right = merge_problems(library, &problems, &err) == 0 && build(library, i, &problems, &err) == 0;
    }
    sg_conf_problems_fini(&problems);
    return right;
}

int sg_library_load_late(struct sg_library *library, struct sg_conf_problems *problems, struct sg_error *err)
{
    int code = load_all(library, problems, err);

    if (!atomic_load(&library->closing))
        return code < 0 ? look_for_default(library, problems, code) : 0;
    return sg_error_set(err, SG_E_CANCELLED, "the models are not wanted any more");
}

void sg_library_show(struct sg_library *library)
{
    int i;

    for (i = 0; i < library->model_count; i++)
        library->models[i].model = library->models[i].opened;
    library->whole = true;
    for (i = 0; i < library->recipe_count; i++) {
        /* What is shown already may be in use: workers read it without a lock. */
        if (!library->served[i].pipeline)
            library->served[i] = (struct sg_served){library, library->pipelines[i]};
        library->whole = library->whole && library->pipelines[i];
    }
}

bool sg_library_whole(const struct sg_library *library)
{
    return library->whole;
}

void sg_library_close(struct sg_library *library)
{
    atomic_store(&library->closing, true);
}

/* Of the settings; that of a card is its own mistake. */
static int check_engine(const struct sg_library_options *options, struct sg_conf_problems *problems,
                        struct sg_error *err)
{
    const struct sg_text *name = options->engine ? &options->engine->engine : NULL;

    if (!name || !sg_engine_name_fixed(options->engine) || sg_engine_named(name->value, err))
        return 0;
    if (options->settings && name->line > 0)
        sg_conf_problems_add(problems, options->settings, name->line, name->column, NULL, "%s", err->text);
    return SG_E_CONFIG;
}

int sg_library_open(struct sg_engine *engine, const struct sg_library_options *options,
                    struct sg_conf_problems *problems, struct sg_library **out_library, struct sg_error *err)
{
    struct sg_library *library = NULL;
    int code = check_engine(options, problems, err);

    *out_library = NULL;
    if (code == 0)
        code = create(&library, err);
    if (code < 0)
        return code;
    library->engine = engine;
    library->options = *options;
    code = sg_library_scan_bare(library, problems, err);
    code = worse(code, sg_library_scan_models(library, options->models, options->settings, problems, err));
    code = worse(code, sg_library_scan_recipes(library, problems, err));
    if (options->only_default)
        keep_default(library);
    if (code < 0 || !options->first || !load_default(library)) {
        code = worse(code, load_all(library, problems, err));
        code = code == 0 ? choose_default(library, problems, err) : look_for_default(library, problems, code);
    }
    if (code == 0) {
        sg_library_show(library);
        *out_library = library;
        library = NULL;
    }
    sg_library_release(&library);
    return code;
}

int sg_library_scan(const struct sg_texts *models, struct sg_library **out_library, struct sg_error *err)
{
    int code = create(out_library, err);

    if (code == 0)
        code = sg_library_scan_models(*out_library, models, NULL, NULL, err);
    if (code < 0)
        sg_library_release(out_library);
    return code;
}

static void *widen(void *arg)
{
    struct sg_library *library = arg;
    int i;

    for (i = 0; i < library->model_count && !atomic_load(&library->closing); i++) {
        struct sg_error err = {0};

        if (library->models[i].model &&
            sg_model_widen(library->models[i].model, library->options.threads, &err) < 0)
            sg_log(SG_LOG_WARN, "a model has no graph for all cores", "model=%s code=%s",
                   library->models[i].name, sg_err_name(err.code));
    }
    give_back();
    return NULL;
}

void sg_library_widen(struct sg_library *library)
{
    if (library->options.threads > 1 && !library->widening)
        library->widening = pthread_create(&library->widener, NULL, widen, library) == 0;
}

int sg_library_widen_now(struct sg_library *library, struct sg_error *err)
{
    int code = 0, i;

    for (i = 0; i < library->model_count && library->options.threads > 1 && code == 0; i++)
        if (library->models[i].model)
            code = sg_model_widen(library->models[i].model, library->options.threads, err);
    return code;
}

struct sg_library *sg_library_hold(struct sg_library *library)
{
    atomic_fetch_add_explicit(&library->held, 1, memory_order_relaxed);
    return library;
}

bool sg_library_alone(const struct sg_library *library)
{
    return atomic_load_explicit(&library->held, memory_order_acquire) == 1;
}

void sg_library_release(struct sg_library **library)
{
    struct sg_library *l = *library;
    int i;

    *library = NULL;
    /* acq_rel: whoever frees must see all that the other holders did before they let go. */
    if (!l || atomic_fetch_sub_explicit(&l->held, 1, memory_order_acq_rel) != 1)
        return;
    sg_library_close(l);
    if (l->widening)
        pthread_join(l->widener, NULL); /* at most one model's loading away */
    for (i = 0; i < l->recipe_count; i++) {
        sg_pipeline_destroy(&l->pipelines[i]);
        sg_recipe_fini(&l->recipes[i]);
    }
    for (i = 0; i < l->model_count; i++) {
        sg_model_destroy(&l->models[i].opened);
        sg_conf_problems_fini(&l->models[i].problems);
        free(l->models[i].name);
        free(l->models[i].path);
        free(l->models[i].card_path);
    }
    free(l);
}

int sg_library_pipeline_count(const struct sg_library *library)
{
    return library->recipe_count;
}

const char *sg_library_pipeline_name(const struct sg_library *library, int index)
{
    return library->recipes[index].name.value;
}

const struct sg_pipeline *sg_library_pipeline(const struct sg_library *library, int index)
{
    return library->served[index].pipeline;
}

/* NULL or "" = the default one; -1 = there is none. */
static int number_of(const struct sg_library *library, const char *name)
{
    int index = name && name[0] ? index_of(library, name) : library->default_index;

    return index < library->recipe_count ? index : -1;
}

int sg_library_find(const struct sg_library *library, const char *name,
                    const struct sg_pipeline **out_pipeline, struct sg_error *err)
{
    int index = number_of(library, name);

    *out_pipeline = index >= 0 ? library->served[index].pipeline : NULL;
    return index >= 0 ? 0 : unknown(library, name ? name : "", err);
}

int sg_library_pipeline_index(const struct sg_library *library, const char *name, struct sg_error *err)
{
    int index = index_of(library, name);

    return index >= 0 ? index : unknown(library, name, err);
}

int sg_library_model_index(const struct sg_library *library, const char *name, struct sg_error *err)
{
    const char *names[SG_LIBRARY_MAX_MODELS];
    int i;

    for (i = 0; i < library->model_count; i++) {
        if (strcmp(library->models[i].name, name) == 0)
            return i;
        names[i] = library->models[i].name;
    }
    return sg_library_unknown("model", name, names, library->model_count, err);
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
    int index = number_of(library, name);

    *out_served = index >= 0 ? &library->served[index] : NULL;
    if (index < 0)
        return unknown(library, name ? name : "", err);
    sg_library_hold(library);
    return 0;
}

void sg_served_release(const struct sg_served **served)
{
    struct sg_library *library = *served ? (*served)->library : NULL;

    *served = NULL;
    if (library)
        sg_library_release(&library);
}
