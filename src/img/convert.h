/* SPDX-License-Identifier: MIT
 * FFmpeg's frames to RGB24. Inside this room only; one thread at a time per converter.
 */
#ifndef SG_IMG_CONVERT_H
#define SG_IMG_CONVERT_H

#include "base/error.h"
#include "data/image.h"

struct AVFrame;

/* How numbers become 8 bits and colours. Zeroed: YUV is BT.601 of full range. */
struct sg_convert_rule {
    int matrix;   /* of YUV, ITU-T H.273; 0, which would be RGB: BT.601 */
    bool limited; /* 16 is black and 235 white */
};

/* Memory kept between pictures. Zeroed is valid. */
struct sg_convert {
    uint16_t *row;
    int row_width;
};

void sg_convert_fini(struct sg_convert *convert);
/* Resizes image to the frame and fills it; alpha is dropped, not blended. SG_E_NOMEM, SG_E_UNSUPPORTED. */
int sg_convert_run(struct sg_convert *convert, const struct AVFrame *frame,
                   const struct sg_convert_rule *rule, struct sg_image *image, struct sg_error *err);

#endif
