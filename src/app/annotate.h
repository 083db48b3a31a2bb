/* SPDX-License-Identifier: MIT
 * Pictures made from a picture and its result: with the objects drawn in, and each object cut out. One owner
 * at a time; each worker has its own.
 */
#ifndef SG_APP_ANNOTATE_H
#define SG_APP_ANNOTATE_H

#include "app/batch.h"
#include "base/buf.h"
#include "data/result.h"
#include "img/decode.h"
#include "img/draw.h"
#include "sink/guard.h"

struct sg_annotator {
    const char *drawn, *crops; /* folders, or NULL; borrowed */
    struct sg_guard *guard;    /* of all workers; borrowed */
    struct sg_painter *painter;
    struct sg_decoder *decoder;
    struct sg_image canvas;
    struct sg_buf encoded;
};

/* Both folders must be there. SG_E_NOMEM; after a failure fini is still due. */
int sg_annotator_init(struct sg_annotator *annotator, const char *drawn, const char *crops,
                      struct sg_guard *guard, const struct sg_decode_limits *limits, struct sg_error *err);
void sg_annotator_fini(struct sg_annotator *annotator);
/* Writes DRAWN/NAME.jpg (a .jpg keeps its name, a.png becomes a.png.jpg) and CROPS/STEM_I_LABEL.jpg for
 * object I; drawn_path (SG_FILE_PATH_MAX bytes) takes the first's path. SG_E_IO when a file cannot be
 * written, SG_E_INVALID when it must not, else what is wrong with the picture. */
int sg_annotator_write(struct sg_annotator *annotator, const struct sg_batch_picture *picture,
                       const struct sg_buf *bytes, const struct sg_result *result, char *drawn_path,
                       struct sg_error *err);
/* The path of the drawn picture. SG_E_INVALID when it is too long. */
int sg_annotator_path(const char *drawn, const char *name, char *out, struct sg_error *err);

#endif
