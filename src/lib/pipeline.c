/* SPDX-License-Identifier: MIT
 * Pipeline handles: opening, closing, what they are. Any thread opens; closing is the owner's.
 */
#include "base/cpu.h"
#include "base/path.h"
#include "lib/lib_private.h"

#include <stdlib.h>
#include <string.h>

void lib_core_release(struct lib_core **core)
{
    struct lib_core *c = *core;

    *core = NULL;
    /* acq_rel: whoever frees must see all that the other holders did before they let go. */
    if (!c || atomic_fetch_sub_explicit(&c->held, 1, memory_order_acq_rel) != 1)
        return;
    while (c->idle_count > 0)
        sg_workspace_destroy(&c->idle[--c->idle_count]);
    sg_opened_fini(&c->opened);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static int core_create(const struct sight_open_options *options, struct lib_core **out_core,
                       struct sg_error *err)
{
    struct lib_core *core = calloc(1, sizeof(*core));

    *out_core = core;
    if (!core)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a pipeline");
    atomic_init(&core->held, 1);
    atomic_init(&core->in_flight, 0);
    pthread_mutex_init(&core->lock, NULL);
    core->exact = options->decode == SIGHT_DECODE_EXACT;
    core->limits.limits = (struct sg_decode_limits){options->max_image_bytes, options->max_pixels};
    return 0;
}

/* A list of one path; at its default, so that it is looked for in the data folder. */
static int set_texts(struct sg_texts *texts, const char *path, const char *usual)
{
    const char *value = path ? path : usual;

    return sg_texts_append(texts, value, strlen(value), 0, 0);
}

static int set_text(struct sg_text *text, const char *value)
{
    return value ? sg_text_set(text, value, strlen(value), 0, 0) : 0;
}

static int open_core(struct lib_core *core, struct sg_open_options *wanted, struct sg_error *err)
{
    struct sg_conf_problems problems = {0};
    struct sg_error told = {0};
    int code;

    wanted->exact = core->exact;
    wanted->crowd = true;
    code = sg_opened_init(&core->opened, wanted, &problems, err);
    /* The first problem of a file says more than that there are problems. */
    if (code < 0 && sg_conf_problems_error(&problems, &told) < 0)
        sg_error_set(err, (enum sg_err)code, "%s", told.text);
    sg_conf_problems_fini(&problems);
    return code;
}

static int open_pipeline(const struct sg_open_options *kind, const char *recipes,
                         const struct sight_open_options *given, struct sight_pipeline **out_pipeline,
                         struct sg_error *err)
{
    struct sg_open_options wanted = *kind;
    struct sg_texts models = {0}, pipelines = {0};
    struct sight_pipeline *pipeline = NULL;
    struct sight_open_options options;
    struct sg_engine_conf engine = {0};
    struct lib_core *core = NULL;
    int code = lib_open_options_read(given, &options, err);

    if (code == 0)
        code = core_create(&options, &core, err);
    if (code == 0 && (set_texts(&models, options.models, "models") < 0 ||
                      set_texts(&pipelines, recipes ? recipes : options.pipelines, "pipelines") < 0))
        code = sg_error_set(err, SG_E_NOMEM, "no memory for the paths of models and pipelines");
    if (code < 0 || !core)
        goto out;
    wanted.labels = options.labels;
    wanted.models = &models;
    wanted.pipelines = &pipelines;
    engine.precision = options.precision;
    if (set_text(&engine.engine, options.engine) < 0 || set_text(&engine.device, options.device) < 0) {
        code = sg_error_set(err, SG_E_NOMEM, "no memory for the name of an engine");
        goto out;
    }
    wanted.engine = &engine;
    wanted.threads = options.threads ? options.threads : sg_cpu_count();
    code = open_core(core, &wanted, err);
    if (code < 0)
        goto out;
    pipeline = calloc(1, sizeof(*pipeline));
    if (!pipeline) {
        code = sg_error_set(err, SG_E_NOMEM, "no memory for a pipeline");
        goto out;
    }
    pipeline->core = core;
    core = NULL;
    *out_pipeline = pipeline;
out:
    lib_core_release(&core);
    sg_texts_fini(&models);
    sg_texts_fini(&pipelines);
    sg_text_fini(&engine.engine);
    sg_text_fini(&engine.device);
    return code;
}

int sight_pipeline_open(const char *name, const struct sight_open_options *options,
                        struct sight_pipeline **out_pipeline, struct sight_error *error)
{
    bool file = name && (strchr(name, '/') || sg_path_ends(name, ".yaml") || sg_path_ends(name, ".yml"));
    struct sg_open_options wanted = {.pipeline = file ? NULL : name};
    struct sg_error err = {0};
    int code;

    if (!out_pipeline)
        return lib_end(sg_error_set(&err, SG_E_INVALID, "out_pipeline is NULL"), &err, error);
    *out_pipeline = NULL;
    code = open_pipeline(&wanted, file ? name : NULL, options, out_pipeline, &err);
    return lib_end(code, &err, error);
}

int sight_pipeline_open_model(const char *path, const struct sight_open_options *options,
                              struct sight_pipeline **out_pipeline, struct sight_error *error)
{
    struct sg_open_options wanted = {.model = path};
    struct sg_error err = {0};
    int code;

    if (!out_pipeline || !path) {
        sg_error_set(&err, SG_E_INVALID, "%s is NULL", path ? "out_pipeline" : "path");
        return lib_end(SG_E_INVALID, &err, error);
    }
    *out_pipeline = NULL;
    code = open_pipeline(&wanted, NULL, options, out_pipeline, &err);
    return lib_end(code, &err, error);
}

void sight_pipeline_close(struct sight_pipeline **pipeline)
{
    if (!pipeline || !*pipeline)
        return;
    lib_core_release(&(*pipeline)->core);
    free(*pipeline);
    *pipeline = NULL;
}

const char *sight_pipeline_name(const struct sight_pipeline *pipeline)
{
    return pipeline ? sg_pipeline_name(pipeline->core->opened.pipeline) : NULL;
}

const char *sight_pipeline_description(const struct sight_pipeline *pipeline)
{
    const char *text = pipeline ? sg_pipeline_description(pipeline->core->opened.pipeline) : NULL;

    return pipeline && !text ? "" : text;
}

static const struct sg_model *find_model(const struct sight_pipeline *pipeline, int index)
{
    struct sg_model *const *models;
    int count;

    if (!pipeline)
        return NULL;
    models = sg_pipeline_models(pipeline->core->opened.pipeline, &count);
    return index >= 0 && index < count ? models[index] : NULL;
}

const char *sight_pipeline_model(const struct sight_pipeline *pipeline, int index)
{
    const struct sg_model *model = find_model(pipeline, index);

    return model ? model->name : NULL;
}

int sight_pipeline_label_count(const struct sight_pipeline *pipeline, int model)
{
    const struct sg_model *found = find_model(pipeline, model);

    return found ? found->labels.count : 0;
}

const char *sight_pipeline_label(const struct sight_pipeline *pipeline, int model, int class_id)
{
    const struct sg_model *found = find_model(pipeline, model);

    return found ? sg_model_label(found, class_id) : NULL;
}
