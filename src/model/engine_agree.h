/* SPDX-License-Identifier: MIT
 * Whether two runs of one model on one input say the same. Private to the room; the threads of the runners.
 */
#ifndef SG_MODEL_ENGINE_AGREE_H
#define SG_MODEL_ENGINE_AGREE_H

#include "model/model.h"

#define SG_AGREEMENT_TEXT 160

/* How far values may be apart, as a share of the largest of their tensor: sums in another order, and in
 * bfloat16 the 8 bits that a number keeps through some dozens of layers. */
#define SG_AGREE_F32  2e-3f
#define SG_AGREE_BF16 5e-2f

/* The strongest objects of the probe, whatever their score: of so many all but a tenth must be found again,
 * of the same class, with so much overlap, so near in score. */
#define SG_AGREE_OBJECTS    20
#define SG_AGREE_IOU_F32    0.95f
#define SG_AGREE_IOU_BF16   0.90f
#define SG_AGREE_SCORE_F32  0.01f
#define SG_AGREE_SCORE_BF16 0.05f

struct sg_agreement {
    bool agrees;
    char why[SG_AGREEMENT_TEXT]; /* "within 2e-06"; or what differs */
};

/* Compares the last runs of two runners, which had the same input: every tensor, and of detectors the objects
 * that they mean. Tables that a graph has sorted or suppressed by itself are compared by their objects alone:
 * rows of equal score may change places. SG_E_NOMEM. */
int sg_agree(const struct sg_model *model, struct sg_runner *reference, struct sg_runner *other,
             enum sg_precision precision, struct sg_agreement *out, struct sg_error *err);

#endif
