/* SPDX-License-Identifier: MIT
 * What the files behind include/sight.h share: options.c, result.c, pipeline.c, infer.c, client.c. Private to
 * those files.
 */
#ifndef SG_LIB_PRIVATE_H
#define SG_LIB_PRIVATE_H

#include "base/buf.h"
#include "base/error.h"
#include "data/result.h"
#include "pipeline/open.h"
#include "sight.h"

#include <pthread.h>
#include <stdatomic.h>

#define LIB_MAX_PIXELS      ((int64_t)100000000)
#define LIB_MAX_IMAGE_BYTES ((size_t)64 << 20)
#define LIB_MAX_OPTIONS     4096 /* bytes of a struct of options of whatever version */
#define LIB_MAX_IDLE        64 /* workspaces kept; more threads than that at once open their own each time */

/* What a pipeline handle stands for. Counted: results hold it while they borrow its texts. */
struct lib_core {
    atomic_int held;
    atomic_int in_flight; /* calls running */
    struct sg_opened opened;
    bool exact;
    struct sg_workspace_options limits;
    pthread_mutex_t lock; /* of idle; never held while calling out */
    struct sg_workspace *idle[LIB_MAX_IDLE];
    int idle_count;
};

struct sight_pipeline {
    struct lib_core *core;
};

void lib_core_release(struct lib_core **core);

struct lib_object {
    struct sight_object shown;
    int first_attribute;
};

struct sight_result {
    struct sg_result result;
    struct lib_core *core; /* held while result borrows from it, or NULL */
    struct sg_error error;
    int64_t retry_ms;
    struct lib_object *objects; /* in result's arena, as are: */
    struct sight_attribute *attributes;
    struct sg_buf json, records;
};

/* Empties the result and lets go of what it borrowed from. */
void lib_result_clear(struct sight_result *result);
/* Shows the content of result->result, which is complete. SG_E_NOMEM. */
int lib_result_show(struct sight_result *result, struct sg_error *err);

/* *options as this version knows it, from one of whatever version. `given` begins with its size; NULL leaves
 * the defaults in out. out has out_bytes, of which a caller must at least give first_bytes. SG_E_INVALID,
 * SG_E_UNSUPPORTED. */
int lib_options_read(const char *name, const void *given, void *out, size_t out_bytes, size_t first_bytes,
                     struct sg_error *err);
int lib_open_options_read(const struct sight_open_options *given, struct sight_open_options *out,
                          struct sg_error *err);
int lib_infer_options_read(const struct sight_infer_options *given, struct sight_infer_options *out,
                           struct sg_error *err);
/* Checks pixels and makes image a view of them. SG_E_INVALID, SG_E_TOO_LARGE, SG_E_UNSUPPORTED. */
int lib_pixels_read(const struct sight_pixels *given, int64_t max_pixels, struct sg_image *image,
                    struct sg_error *err);

/* Copies to the caller's error when the code says that something failed; returns the code. */
int lib_end(int code, const struct sg_error *err, struct sight_error *error);

#endif
