/* SPDX-License-Identifier: MIT
 * A pipeline: detect, detect inside, classify, read; from encoded bytes (or pixels) to a result. A pipeline
 * is constant once built and may run on any number of threads, each with its own workspace.
 */
#ifndef SG_PIPELINE_PIPELINE_H
#define SG_PIPELINE_PIPELINE_H

#include "conf/recipe.h"
#include "data/request.h"
#include "data/result.h"
#include "img/decode.h"
#include "img/letterbox.h"
#include "model/model.h"
#include "pipeline/memory.h"

#include <stdatomic.h>

#define SG_PIPELINE_MAX_STAGES 16 /* classifiers, and inner detectors, of one pipeline */
/* A thread keeps the memory of pictures up to this size: 12 megapixels at half size. What a larger one takes
 * is a small part of its decode's time, and would be held for ever by every worker. */
#define SG_PIPELINE_KEEP_BYTES ((size_t)12 << 20)

/* What a thread needs to run pipelines: decoder, pictures, scratch. Nothing of a frame survives it. */
struct sg_workspace;

struct sg_workspace_options {
    struct sg_decode_limits limits;
    struct sg_memory *memory; /* borrowed; NULL: decodes are not bounded together */
};

int sg_workspace_create(const struct sg_workspace_options *options, struct sg_workspace **out_workspace);
void sg_workspace_destroy(struct sg_workspace **workspace);

struct sg_pipeline;

/* Looks a model up by name for sg_pipeline_create; NULL when there is none. Opening may happen here; err then
 * says why it failed. */
typedef struct sg_model *(*sg_model_lookup)(void *context, const char *name, struct sg_error *err);

/* Checks the recipe against the models (labels, tasks) and prepares it. The models are borrowed and must
 * outlive the pipeline; the recipe is copied from, not kept. All that is wrong goes to problems with
 * file:line:column. SG_E_CONFIG, SG_E_NOMEM. */
int sg_pipeline_create(const struct sg_recipe *recipe, sg_model_lookup lookup, void *context, bool exact,
                       struct sg_conf_problems *problems, struct sg_pipeline **out_pipeline,
                       struct sg_error *err);
/* A pipeline of one model: a detector with its own settings, a classifier or reader on the whole picture. */
int sg_pipeline_of_model(struct sg_model *model, bool exact, struct sg_pipeline **out_pipeline,
                         struct sg_error *err);
void sg_pipeline_destroy(struct sg_pipeline **pipeline);

const char *sg_pipeline_name(const struct sg_pipeline *pipeline);
const char *sg_pipeline_description(const struct sg_pipeline *pipeline);
/* Models in the order they run; count of them. */
struct sg_model *const *sg_pipeline_models(const struct sg_pipeline *pipeline, int *out_count);

/* What one request changes. SG_REQUEST_DEFAULTS changes nothing. */
struct sg_request {
    float threshold; /* negative = the pipeline's */
    float iou;       /* negative = the pipeline's; 0 = no NMS */
    int max_objects; /* 0 = the pipeline's */
    int top_k;       /* 0 = the pipeline's */
    enum sg_decode_mode decode;
    /* Jobs in flight, this one included, read before each model run: a lone frame uses all cores. NULL =
     * alone. */
    const atomic_int *in_flight;
    int workers;                  /* threads that take jobs; 0 = not known */
    int64_t deadline_us;          /* on sg_clock_us; 0 = none. Checked between steps: SG_E_DEADLINE */
    const atomic_bool *cancelled; /* or NULL. Checked between steps: SG_E_CANCELLED */
};

#define SG_REQUEST_DEFAULTS (struct sg_request){.threshold = -1.0f, .iou = -1.0f}

static inline void sg_request_set(struct sg_request *request, const struct sg_job_options *options)
{
    request->threshold = options->threshold;
    request->iou = options->iou;
    request->max_objects = options->max_objects;
    request->top_k = options->top_k;
    request->decode = options->decode;
}

/* The picture: encoded bytes, or pixels already decoded (then bytes is NULL). Borrowed for the call. */
struct sg_frame {
    const void *bytes;
    size_t size;
    const struct sg_image *pixels;
};

/* Runs everything. result is cleared first; labels and names in it are borrowed from the pipeline, all else
 * is its own. timing_us is filled for the stages that ran; TOTAL is this call alone. On an error result holds
 * what is known (picture size). */
int sg_pipeline_run(const struct sg_pipeline *pipeline, struct sg_workspace *workspace,
                    const struct sg_frame *frame, const struct sg_request *request, struct sg_result *result,
                    struct sg_error *err);

#endif
