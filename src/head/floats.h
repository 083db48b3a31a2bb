/* SPDX-License-Identifier: MIT
 * Tensors as float32, whatever the graph emits. Pure; any thread.
 */
#ifndef SG_HEAD_FLOATS_H
#define SG_HEAD_FLOATS_H

#include "head/head.h"

/* Half to single, n values, exact for every half that is no NaN; NaN stays NaN. Fast version by CPU flags. */
void sg_halves_to_floats(const uint16_t *halves, float *floats, int64_t n);

/* Batch item `item` of each of n tensors as float32 (the slice itself when the tensor is F32, else converted
 * into the detections' scratch). item < 0: the whole tensor. extra_bytes of the same scratch, 64-byte
 * aligned, come back in *out_extra (out_extra may be NULL when extra_bytes is 0). All of it lives until the
 * next use of the scratch. SG_E_MODEL when a dtype has no float meaning, data is missing or the item is
 * outside dims[0]. */
int sg_head_views(const struct sg_tensor *const *tensors, int n, int item, struct sg_detections *detections,
                  size_t extra_bytes, const float **out_views, void **out_extra, struct sg_error *err);

#endif
