/* SPDX-License-Identifier: MIT
 * Goldens: a card may name a picture and what its model must find in it. A server is ready only when all its
 * goldens agree. Runs at start, at reload and in `sight config check`; any thread, one model at a time each.
 */
#ifndef SG_PIPELINE_GOLDEN_H
#define SG_PIPELINE_GOLDEN_H

#include "model/model.h"

/* Runs the model alone, with its own thresholds, on the golden picture of its card and compares. 0 when it
 * agrees or the card has no golden. What differs goes to problems with its place in the card; err holds the
 * first. SG_E_CONFIG, SG_E_NOMEM, or what running gave. */
int sg_golden_check(struct sg_model *model, bool exact, struct sg_conf_problems *problems,
                    struct sg_error *err);

/* The comparison alone. Every expected object must be found, each by another one: the same label or class_id,
 * IoU of at least golden->iou, a score within golden->score, a value within that share of it, the same text.
 * Where the picture was classified as a whole the attributes are compared; `label` then names the class or,
 * beside `value`, the output. */
int sg_golden_compare(const struct sg_card *card, const struct sg_result *result,
                      struct sg_conf_problems *problems);

#endif
