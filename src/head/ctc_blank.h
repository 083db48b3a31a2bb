/* SPDX-License-Identifier: MIT
 * Which class of a text reader is the blank: the first in PyTorch's CTCLoss and PaddleOCR, the last in
 * TensorFlow's and Keras' ctc_loss and in LPRNet. Told by the card, the metadata, the labels that name it, or
 * by what wins where there is no text. Pure; any thread.
 */
#ifndef SG_HEAD_CTC_BLANK_H
#define SG_HEAD_CTC_BLANK_H

#include "head/ctc_layout.h"

/* As the spec says it (head.h): SG_BLANK_LAST, SG_BLANK_NONE, or 1 + its class. Never SG_BLANK_DECIDE. */
struct sg_ctc_blank {
    int spec;
    int classes; /* as in the layout; 0 for ids */
};

/* The same against an alphabet. */
struct sg_ctc_alphabet {
    int blank;  /* its class; -1: none */
    bool named; /* the labels have an entry for it too */
    bool space; /* the class behind the labels is a space, as PP-OCR appends it */
    const char *const *labels;
    int count;
};

/* steps are those of the first picture of a probe. Fills guess->blank and what belongs to it. SG_E_CONFIG
 * when the spec names a class that is not there. */
void sg_ctc_find_blank(const struct sg_signature *signature, const struct sg_tensor *outputs,
                       const struct sg_ctc_layout *layout, const struct sg_ctc_steps *steps,
                       const struct sg_head_spec *spec, struct sg_ctc_blank *out,
                       struct sg_head_guess *guess);
struct sg_ctc_alphabet sg_ctc_alphabet(const struct sg_ctc_blank *blank, const char *const *labels,
                                       int count);
/* Text of a class that is not the blank, or NULL when there are no labels for it. */
const char *sg_ctc_letter(const struct sg_ctc_alphabet *alphabet, int class_id);

/* The class of a step: the best one of scores, or the id of a graph's own choice, -1 where that is none. */
int sg_ctc_step_class(const struct sg_tensor *outputs, const struct sg_ctc_layout *layout,
                      const struct sg_ctc_steps *steps, int64_t t);

#endif
