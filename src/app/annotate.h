/* SPDX-License-Identifier: MIT
 * Pictures with what was found drawn in, written into a folder. Main thread.
 */
#ifndef SG_APP_ANNOTATE_H
#define SG_APP_ANNOTATE_H

#include "app/pictures.h"
#include "base/buf.h"
#include "data/result.h"
#include "img/decode.h"
#include "img/draw.h"

struct sg_annotator {
    const char *folder; /* borrowed */
    char **sorted;      /* the run's pictures by their names without folders; paths borrowed */
    int count;
    struct sg_painter *painter;
    struct sg_decoder *decoder;
    struct sg_image canvas;
    struct sg_buf encoded;
};

/* Makes the folder and those above it. folder and pictures must outlive the annotator. SG_E_IO, SG_E_INVALID,
 * SG_E_NOMEM; after a failure fini is still due. */
int sg_annotator_init(struct sg_annotator *annotator, const char *folder, const struct sg_pictures *pictures,
                      const struct sg_decode_limits *limits, struct sg_error *err);
void sg_annotator_fini(struct sg_annotator *annotator);
/* Draws into the encoded picture and writes FOLDER/NAME.jpg, whose path goes to out_path: x.jpg keeps its
 * name, x.png becomes x.png.jpg, and pictures of one name from several folders keep these: a/x.jpg is
 * a_x.jpg. */
int sg_annotator_write(struct sg_annotator *annotator, const char *source, const struct sg_buf *bytes,
                       const struct sg_result *result, char *out_path, size_t out_bytes,
                       struct sg_error *err);

#endif
