/* SPDX-License-Identifier: MIT
 * What `sight detect` and `sight send` share: which pictures, what comes out, and where to. Main thread.
 */
#ifndef SG_APP_PICTURE_COMMAND_H
#define SG_APP_PICTURE_COMMAND_H

#include "app/batch.h"
#include "app/command.h"
#include "base/option.h"
#include "data/request.h"
#include "model/model.h"

#include <stddef.h>

struct sg_picture_command_args {
    struct sg_text output, annotate, crop, watch, files_from;
    int format;
    bool json, no_timing, resume, overwrite, progress;
    int64_t max_pixels, max_image_bytes;
};

extern const struct sg_option_table sg_picture_command_table;

/* What one picture is asked for, in the command's own table. */
struct sg_found_args {
    float threshold, nms;
    bool has_threshold, has_nms;
    int max_objects, top_k;
};

/* Rows of that for a struct type `owner` with the member `found`. heading: the section that begins here, or
 * NULL; whose: what holds where a flag is left out. */
#define SG_FOUND_ROWS(owner, heading, whose)                                                                 \
    {.key = "threshold",                                                                                     \
     .type = SG_OPTION_FLOAT,                                                                                \
     .offset = offsetof(owner, found.threshold),                                                             \
     .set_offset = offsetof(owner, found.has_threshold),                                                     \
     .flags = SG_OPTION_FLAG_ONLY,                                                                           \
     .short_flag = 't',                                                                                      \
     .minimum = 0,                                                                                           \
     .maximum = 1,                                                                                           \
     .absent = (whose),                                                                                      \
     .section = (heading),                                                                                   \
     .help = "objects that score lower are left out"},                                                       \
        {.key = "iou",                                                                                       \
         .alias = "nms",                                                                                     \
         .type = SG_OPTION_FLOAT,                                                                            \
         .offset = offsetof(owner, found.nms),                                                               \
         .set_offset = offsetof(owner, found.has_nms),                                                       \
         .flags = SG_OPTION_FLAG_ONLY,                                                                       \
         .minimum = 0,                                                                                       \
         .maximum = 1,                                                                                       \
         .unit = "IoU",                                                                                      \
         .absent = (whose),                                                                                  \
         .help = "overlap above which the weaker of two boxes is dropped; 0 = keep all"},                    \
        {.key = "max_objects",                                                                               \
         .type = SG_OPTION_INT,                                                                              \
         .offset = offsetof(owner, found.max_objects),                                                       \
         .flags = SG_OPTION_FLAG_ONLY,                                                                       \
         .minimum = 0,                                                                                       \
         .maximum = SG_RESULT_MAX_OBJECTS,                                                                   \
         .value_default = "0",                                                                               \
         .help = "the best N objects; 0 = the pipeline's limit"},                                            \
        {.key = "top_k",                                                                                     \
         .type = SG_OPTION_INT,                                                                              \
         .offset = offsetof(owner, found.top_k),                                                             \
         .flags = SG_OPTION_FLAG_ONLY,                                                                       \
         .short_flag = 'k',                                                                                  \
         .minimum = 0,                                                                                       \
         .maximum = 64,                                                                                      \
         .value_default = "0",                                                                               \
         .help = "classes named by a classifier; 0 = the model's"}

/* The same as options of a request; decode stays the pipeline's. */
void sg_found_options(const struct sg_found_args *found, struct sg_job_options *out_options);

#define SG_PICTURE_COMMAND_READS_MAX 2

struct sg_picture_command {
    const struct sg_command *self;
    const struct sg_picture_command_args *args;
    const struct sg_args *words;
    const struct sg_batch_ops *ops;
    void *ctx;
    /* Called when the pictures are known (0 = to come, with --watch), before anything is written: opens
     * models or the connection, says how many workers there shall be. Tells its own errors; negative = end.
     */
    int (*prepare)(void *ctx, int pictures, int *out_workers);
    /* Files that the command line names besides pictures and lists of them, NULL where it does not; and, once
     * prepared, all that was read. Or NULL. No output replaces any of them. */
    const char *reads[SG_PICTURE_COMMAND_READS_MAX];
    int (*files)(void *ctx, sg_file_fn visit, void *visit_ctx, struct sg_error *err);
    /* Names of the classes, if they are known beforehand; or NULL. Text is the caller's. */
    const char *(*label)(void *ctx, int class_id, int *out_count);
};

/* Whether a signal has asked the run to end: nothing is to be waited for any more. Any thread. */
bool sg_picture_command_stopping(void);

/* Checks the flags against each other, runs the pictures, prints what there is to say. Returns an exit code.
 */
int sg_picture_command_run(struct sg_picture_command *command);

#endif
