/* SPDX-License-Identifier: MIT
 * Opening one pipeline for use in this process, by name, from its file or from a bare model, together with
 * all it needs: for `sight detect` and for libsight. One thread opens and closes; the pipeline is anyone's in
 * between.
 */
#ifndef SG_PIPELINE_OPEN_H
#define SG_PIPELINE_OPEN_H

#include "pipeline/library.h"

struct sg_open_options {
    const char *model;  /* file, card or folder of a bare model; NULL = a pipeline */
    const char *labels; /* of the bare model; NULL = its own */
    /* Of pipelines; looked for in the data folder (conf/places.h) where they are relative and not there. */
    struct sg_texts *models, *pipelines;
    const char *pipeline; /* NULL or "" = the default one */
    bool exact;
    bool crowd; /* many threads will run it: also graphs whose runs keep to one core */
    int threads;
    const struct sg_engine_conf *engine; /* NULL = auto */
};

struct sg_opened {
    struct sg_engine *engine;
    struct sg_model *model;       /* of a bare model */
    struct sg_pipeline *of_model; /* likewise */
    struct sg_library *library;
    const struct sg_pipeline *pipeline;
};

/* Ready to run at full speed on return. What is wrong in files goes to problems, err says it in a sentence.
 * To be ended with sg_opened_fini also when it failed. Errors of sg_library_open, sg_model_open. */
int sg_opened_init(struct sg_opened *opened, const struct sg_open_options *options,
                   struct sg_conf_problems *problems, struct sg_error *err);
/* Every file that opening read but options.labels: those of its models, the cards and recipes that were
 * looked through. */
int sg_opened_files(const struct sg_opened *opened, sg_file_fn visit, void *ctx, struct sg_error *err);
void sg_opened_fini(struct sg_opened *opened);

#endif
