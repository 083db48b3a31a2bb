/* SPDX-License-Identifier: MIT
 * Pictures of several jobs through a model in one run. Workers take seats in an open batch, fill them side by
 * side, and wait for the first of them, who runs the model once the batch is full, its time is up, or nobody
 * is left who could join. Any number of threads; each calls join, run, leave in this order.
 */
#ifndef SG_PIPELINE_BATCH_H
#define SG_PIPELINE_BATCH_H

#include "model/model.h"

#include <stdatomic.h>

struct sg_batch;
struct sg_batcher;

struct sg_batch_seat {
    struct sg_batch *batch;
    int index;  /* the picture's place in the outputs */
    void *data; /* where the picture's input tensor goes, of the model's own size */
};

/* The model must be one that batches (its results do not depend on batch mates); it must outlive the batcher.
 * max: pictures in a run, 2 to SG_MODEL_MAX_BATCH. delay_us: how long the first one waits for others. */
int sg_batcher_create(struct sg_model *model, int max, int64_t delay_us, struct sg_batcher **out_batcher);
/* Nobody may hold a seat. */
void sg_batcher_destroy(struct sg_batcher **batcher);

/* Takes a seat. SG_E_NOMEM, SG_E_MODEL. After success run and leave must follow, whatever happens between. */
int sg_batcher_join(struct sg_batcher *batcher, struct sg_batch_seat *seat, struct sg_error *err);
/* Waits for the run that this seat is part of. The first one stops waiting for others when none can come: as
 * many have a seat as there are jobs (in_flight) or workers. in_flight may be NULL, workers 0: not known.
 * Errors as sg_runner_run, the same for all seats. */
int sg_batcher_run(struct sg_batcher *batcher, const struct sg_batch_seat *seat, const atomic_int *in_flight,
                   int workers, struct sg_error *err);
/* What the run gave, valid until leave. */
const struct sg_tensor *sg_batcher_outputs(const struct sg_batch_seat *seat, int *out_count);
void sg_batcher_leave(struct sg_batcher *batcher, struct sg_batch_seat *seat);

/* Runs made and pictures in them since creation. */
void sg_batcher_counts(struct sg_batcher *batcher, uint64_t *out_runs, uint64_t *out_pictures);

#endif
