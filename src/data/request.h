/* SPDX-License-Identifier: MIT
 * What one request asks for beyond its pipeline's settings, and what it sends. Plain data, filled by
 * protocols, read by workers.
 */
#ifndef SG_DATA_REQUEST_H
#define SG_DATA_REQUEST_H

#include "data/image.h"

#include <stdbool.h>
#include <stddef.h>

#define SG_JOB_TOP_K_MAX 1000

enum sg_decode_mode { SG_DECODE_AS_PIPELINE, SG_DECODE_FAST, SG_DECODE_EXACT };

struct sg_job_options {
    float threshold; /* 0..1; negative = the pipeline's own */
    float iou;       /* 0..1, 0 = no NMS; negative = the pipeline's own */
    int max_objects; /* 0 = the pipeline's own */
    int top_k;       /* up to SG_JOB_TOP_K_MAX; 0 = the pipeline's own */
    enum sg_decode_mode decode;
};

/* A picture that comes as pixels. All zero = it comes encoded. Sizes were checked by
 * the protocol: the bytes hold every row. */
struct sg_job_pixels {
    bool raw;
    enum sg_pixel format;
    int width, height;
    size_t stride_bytes; /* NV12: of both planes; the chroma plane follows height rows of luma */
};

/* Everything the pipeline's own. */
static inline void sg_job_options_init(struct sg_job_options *options)
{
    *options = (struct sg_job_options){.threshold = -1.0f, .iou = -1.0f};
}

#endif
