/* SPDX-License-Identifier: MIT
 * One pipeline with its engine and models.
 */
#include "pipeline/open.h"

#include "conf/places.h"

static int open_model(struct sg_opened *opened, const struct sg_open_options *options,
                      struct sg_conf_problems *problems, struct sg_error *err)
{
    struct sg_model_options model = {.path = options->model,
                                     .labels = options->labels,
                                     .wide_threads = options->threads,
                                     .narrow = options->crowd,
                                     .engine = options->engine};
    int code = sg_model_open(opened->engine, &model, problems, &opened->model, err);

    if (code == 0)
        code = sg_pipeline_of_model(opened->model, options->exact, &opened->of_model, err);
    opened->pipeline = opened->of_model;
    return code;
}

static int open_library(struct sg_opened *opened, const struct sg_open_options *options,
                        struct sg_conf_problems *problems, struct sg_error *err)
{
    const char *name = options->pipeline && options->pipeline[0] ? options->pipeline : NULL;
    struct sg_library_options library = {.models = options->models,
                                         .pipelines = options->pipelines,
                                         .only = name,
                                         .only_default = !name,
                                         .exact = options->exact,
                                         .serve = options->crowd,
                                         .engine = options->engine,
                                         .threads = options->threads};
    int code;

    if (sg_place_resolve(options->pipelines) < 0 || sg_place_resolve(options->models) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the paths of models and pipelines");
    code = sg_library_open(opened->engine, &library, problems, &opened->library, err);
    if (code == 0 && options->crowd)
        code = sg_library_widen_now(opened->library, err);
    return code < 0 ? code : sg_library_find(opened->library, name, &opened->pipeline, err);
}

int sg_opened_init(struct sg_opened *opened, const struct sg_open_options *options,
                   struct sg_conf_problems *problems, struct sg_error *err)
{
    int code;

    *opened = (struct sg_opened){0};
    code = sg_engine_create(&opened->engine, err);
    if (code < 0)
        return code;
    return options->model ? open_model(opened, options, problems, err)
                          : open_library(opened, options, problems, err);
}

void sg_opened_fini(struct sg_opened *opened)
{
    sg_pipeline_destroy(&opened->of_model);
    sg_model_destroy(&opened->model);
    sg_library_release(&opened->library);
    sg_engine_destroy(&opened->engine);
    opened->pipeline = NULL;
}
