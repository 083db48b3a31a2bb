/* SPDX-License-Identifier: MIT
 * Many pictures through workers, several at once, their results in order. The worker that has a picture reads
 * the file, gets the result, draws and formats; the main thread writes. What a worker does with the bytes is
 * the command's (`sight detect` runs a pipeline, `sight send` asks a server).
 */
#ifndef SG_APP_BATCH_H
#define SG_APP_BATCH_H

#include "base/buf.h"
#include "data/result.h"
#include "sink/sink.h"

#include <stdatomic.h>

#define SG_BATCH_MAX_WORKERS 256

/* How a command gets results. */
struct sg_batch_ops {
    /* On the worker's thread. SG_E_…; then no worker starts. */
    int (*open)(void *ctx, void **out_state, struct sg_error *err);
    /* bytes may be empty. */
    int (*run)(void *state, const struct sg_buf *bytes, struct sg_result *result, struct sg_error *err);
    void (*close)(void *state);
};

enum sg_batch_feed { SG_BATCH_NONE_YET, SG_BATCH_GIVEN, SG_BATCH_END };

struct sg_batch_picture {
    char *path, *name, *stem; /* malloc'ed, given away */
};

struct sg_batch_plan {
    const struct sg_batch_ops *ops;
    void *ctx;
    struct sg_sink *sink;
    const char *command; /* "sight detect", for messages */
    const char *annotate, *crop;
    struct sg_guard *guard; /* of what is written; never NULL */
    int workers;
    bool note_drawn;    /* say "drawn: PATH" after a picture (the table) */
    bool tell_failures; /* on standard error: the format does not */
    bool progress;      /* may be shown */
    int total;          /* pictures to come, 0 = not known */
    int64_t max_image_bytes, max_pixels;
    /* The next picture and its names: enum sg_batch_feed, or SG_E_NOMEM, which ends the run. Called by any
     * worker, one at a time. */
    int (*feed)(void *feed_ctx, struct sg_batch_picture *out);
    void *feed_ctx;
    const atomic_int *stop; /* not 0: finish what is under way, take no more */
};

#define SG_BATCH_NAMED_MAX 10

struct sg_batch_totals {
    int done, failed;
    char *failures[SG_BATCH_NAMED_MAX]; /* paths of the first that failed; the caller frees */
    bool stopped;                       /* by *stop */
};

/* Runs until the feed says no more, or until something that cannot be written ends it. What failed for single
 * pictures is counted and not an error. */
int sg_batch_run(const struct sg_batch_plan *plan, struct sg_batch_totals *totals, struct sg_error *err);

#endif
