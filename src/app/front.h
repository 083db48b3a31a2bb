/* SPDX-License-Identifier: MIT
 * What `sight detect` and `sight send` share: which pictures, what comes out, and where to. Main thread.
 */
#ifndef SG_APP_FRONT_H
#define SG_APP_FRONT_H

#include "app/batch.h"
#include "app/command.h"
#include "base/option.h"

struct sg_front_args {
    struct sg_text output, annotate, crop, watch, files_from;
    int format;
    bool json, no_timing, resume, progress;
    int64_t max_pixels, max_image_bytes;
};

extern const struct sg_option_table sg_front_table;

struct sg_front {
    const struct sg_command *self;
    const struct sg_front_args *args;
    const struct sg_args *words;
    const struct sg_batch_ops *ops;
    void *ctx;
    /* Called when the pictures are known (0 = to come, with --watch), before anything is written: opens
     * models or the connection, says how many workers there shall be. Tells its own errors; negative = end.
     */
    int (*prepare)(void *ctx, int pictures, int *out_workers);
    /* Names of the classes, if they are known beforehand; or NULL. Text is the caller's. */
    const char *(*label)(void *ctx, int class_id, int *out_count);
};

/* Checks the flags against each other, runs the pictures, prints what there is to say. Returns an exit code.
 */
int sg_front_run(struct sg_front *front);

#endif
