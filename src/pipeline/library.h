/* SPDX-License-Identifier: MIT
 * Everything that is served at one moment: the models found in folders, those that pipelines use opened, the
 * pipelines. Constant once open, but for what sg_library_show adds to one opened with `first`; counted, so
 * that a reload swaps it while jobs finish on the old one. Any thread may hold and release; any may look up,
 * before sg_library_show only the thread that will call it.
 */
#ifndef SG_PIPELINE_LIBRARY_H
#define SG_PIPELINE_LIBRARY_H

#include "conf/server.h"
#include "pipeline/pipeline.h"

#define SG_LIBRARY_MAX_MODELS    256
#define SG_LIBRARY_MAX_PIPELINES 64

struct sg_library;

/* Texts that a settings file gave (line > 0) are relative to that file and reported with their place in it.
 */
struct sg_library_options {
    const char *settings;             /* path of that file, or NULL */
    const struct sg_texts *models;    /* folders of models */
    const struct sg_texts *pipelines; /* folders of recipes, or recipe files */
    const struct sg_texts *bare; /* model files, cards or folders, each a pipeline of its name; or NULL */
    const struct sg_texts
        *bare_labels; /* names for their classes, in the same order; fewer will do; or NULL */
    const struct sg_text *default_pipeline; /* NULL or without value = "objects", "faces", else the first */
    const char *only;                       /* open this pipeline alone; NULL = all */
    bool only_default;                      /* open the default one alone */
    bool first;                             /* load the default one; the others with sg_library_load_late */
    bool exact;                             /* decode mode of recipes that say nothing */
    bool serve;                             /* narrow graphs too; false: one frame at a time on all cores */
    bool prove;                             /* run the goldens of cards; a failing one is a problem */
    int threads;                            /* cores: of wide graphs, and of loading */
    int runs;                               /* that there may be at once; 0 = as many as cores */
    const struct sg_engine_conf
        *engine; /* of models whose card says nothing of it; NULL = auto. Read while models load */
};

/* Finds, loads (several models at once) and checks everything, whatever is wrong on the way, so that all
 * problems are known; err holds the first in a sentence. SG_E_CONFIG, SG_E_NOT_FOUND, SG_E_MODEL, SG_E_NOMEM.
 */
int sg_library_open(struct sg_engine *engine, const struct sg_library_options *options,
                    struct sg_conf_problems *problems, struct sg_library **out_library, struct sg_error *err);
/* After opening with `first`: loads the pipelines that are left, on the calling thread (and its helpers),
 * while others use the library and see nothing of it yet. Problems and errors as sg_library_open has them,
 * also that of the settings where all is found out at once; SG_E_CANCELLED after sg_library_close. Once. */
int sg_library_load_late(struct sg_library *library, struct sg_conf_problems *problems, struct sg_error *err);
/* And then shows them. The thread that looks up. */
void sg_library_show(struct sg_library *library);
/* Everything is loaded and shown. */
bool sg_library_whole(const struct sg_library *library);
/* What still loads need not: sg_library_load_late returns after the models it is at. Any thread. */
void sg_library_close(struct sg_library *library);
/* After opening with `serve`, once it is whole: starts adding the wide graphs, on a thread of its own, so
 * that serving can begin before. A model whose wide graph cannot be opened goes on with its narrow one. */
void sg_library_widen(struct sg_library *library);
/* The same on this thread; returns when every model is as wide as it can be. SG_E_MODEL, SG_E_NOMEM. */
int sg_library_widen_now(struct sg_library *library, struct sg_error *err);
struct sg_library *sg_library_hold(struct sg_library *library);
/* Nobody else holds it. Final once no one can find it any more. */
bool sg_library_alone(const struct sg_library *library);
/* The last release closes pipelines, then models. */
void sg_library_release(struct sg_library **library);

/* A pipeline with its library, for whoever keeps one across a reload. Lives as long as the library. */
struct sg_served {
    struct sg_library *library;
    const struct sg_pipeline *pipeline; /* NULL while it loads */
};
/* By name, as sg_library_find, but also one that still loads; and holds the library until sg_served_release.
 */
int sg_library_serve(struct sg_library *library, const char *name, const struct sg_served **out_served,
                     struct sg_error *err);
void sg_served_release(const struct sg_served **served);

/* Index of the pipeline that requests without a name get. */
int sg_library_default(const struct sg_library *library);
int sg_library_pipeline_count(const struct sg_library *library);
const char *sg_library_pipeline_name(const struct sg_library *library, int index);
/* NULL while it loads. */
const struct sg_pipeline *sg_library_pipeline(const struct sg_library *library, int index);
/* NULL or "" = the default. SG_E_NOT_FOUND with the names there are. For a library that is whole. */
int sg_library_find(const struct sg_library *library, const char *name,
                    const struct sg_pipeline **out_pipeline, struct sg_error *err);

/* Which pipeline, loaded or not, or which of sg_library_models has the name. SG_E_NOT_FOUND with the names
 * there are. */
int sg_library_pipeline_index(const struct sg_library *library, const char *name, struct sg_error *err);
int sg_library_model_index(const struct sg_library *library, const char *name, struct sg_error *err);

/* A model folder or file found, opened or not. */
struct sg_library_model {
    char *name, *path;
    char *card_path;         /* or NULL */
    const char *labels;      /* of a bare one: the options', or NULL */
    struct sg_model *model;  /* NULL when no pipeline uses it, or it still loads */
    struct sg_model *opened; /* the loader's: the same, before it is shown */
    struct sg_error why;     /* why opening failed */
    struct sg_conf_problems problems;
    bool broken;        /* the card cannot be read */
    bool wanted, tried; /* the loader's */
};

const struct sg_library_model *sg_library_models(const struct sg_library *library, int *out_count);

/* Finds models without opening any (`sight model list`). Caller frees with sg_library_release. */
int sg_library_scan(const struct sg_texts *models, struct sg_library **out_library, struct sg_error *err);

#endif
