/* SPDX-License-Identifier: MIT
 * What the files of a library share: finding (library_scan.c), opening (library.c). Private to those files.
 */
#ifndef SG_PIPELINE_LIBRARY_PRIVATE_H
#define SG_PIPELINE_LIBRARY_PRIVATE_H

#include "pipeline/library.h"

#include <pthread.h>
#include <stdatomic.h>

struct sg_library {
    atomic_int held;
    struct sg_engine *engine;
    struct sg_library_options options;
    struct sg_library_model models[SG_LIBRARY_MAX_MODELS];
    int model_count;
    bool missing; /* a recipe wants a model that there is not */
    struct sg_recipe recipes[SG_LIBRARY_MAX_PIPELINES];
    int recipe_count;
    int bare_count; /* the first recipes are names alone: each stands for the model of its number */
    /* By the recipes' numbers. Built by whoever loads; served is what others see of it. */
    struct sg_pipeline *pipelines[SG_LIBRARY_MAX_PIPELINES];
    struct sg_served served[SG_LIBRARY_MAX_PIPELINES];
    int default_index;
    bool whole;            /* all is loaded and shown */
    atomic_int next_model; /* of the loader threads */
    pthread_t widener;     /* adds wide graphs while the narrow ones serve */
    bool widening;         /* the thread was started */
    atomic_bool closing;   /* it need not go on */
};

/* Lists the bare models that the options name, before any other. */
int sg_library_scan_bare(struct sg_library *library, struct sg_conf_problems *problems, struct sg_error *err);
/* Lists the models of folders. problems may be NULL. */
int sg_library_scan_models(struct sg_library *library, const struct sg_texts *folders, const char *settings,
                           struct sg_conf_problems *problems, struct sg_error *err);
/* Loads the recipes that the options name; all that is wrong goes to problems. */
int sg_library_scan_recipes(struct sg_library *library, struct sg_conf_problems *problems,
                            struct sg_error *err);

/* SG_E_NOT_FOUND: no `what` is called name; the text lists those there are and the closest. */
int sg_library_unknown(const char *what, const char *name, const char *const *names, int count,
                       struct sg_error *err);

#endif
