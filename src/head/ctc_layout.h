/* SPDX-License-Identifier: MIT
 * Which axis of a text reader's output is which: exporters write NxTxK (PaddleOCR), TxNxK (whatever
 * torch.nn.CTCLoss was trained on), NxKxT (LPRNet), TxK, or the best classes alone, NxT or TxN, where the
 * graph ends in an ArgMax. N pictures, T steps, K classes. Pure; any thread.
 */
#ifndef SG_HEAD_CTC_LAYOUT_H
#define SG_HEAD_CTC_LAYOUT_H

#include "head/head.h"

struct sg_ctc_layout {
    int output;             /* the tensor with steps */
    int item, step, class_; /* axes of it; item -1: one picture without an axis; class_ -1: class ids */
    int rank;
    int scores;  /* ids: index of the output with a probability for each, or -1 */
    int classes; /* K; 0 for ids */
};

/* One picture's steps. */
struct sg_ctc_steps {
    int64_t first, count, step,
        class_; /* flat index of the first value, steps, distances of steps and classes */
};

/* SG_E_MODEL with a text when no output is one of these, or when an axis cannot be told. */
int sg_ctc_tell(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, struct sg_ctc_layout *out, struct sg_error *err);
/* Checks the tensor of a run against the layout. SG_E_MODEL. */
int sg_ctc_steps(const struct sg_ctc_layout *layout, const struct sg_tensor *outputs, int count, int item,
                 struct sg_ctc_steps *out, struct sg_error *err);

/* Do a few steps' values add up to one, as those of a softmax do? */
bool sg_ctc_adds_up(const struct sg_tensor *tensor, const struct sg_ctc_steps *steps, int64_t classes);

#endif
