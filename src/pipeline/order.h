/* SPDX-License-Identifier: MIT
 * The order of a result's objects. Whatever moves, `parent` keeps naming the same object. Called by the steps
 * of a pipeline on the worker's thread; pure functions of the result.
 */
#ifndef SG_PIPELINE_ORDER_H
#define SG_PIPELINE_ORDER_H

#include "data/result.h"

/* Best score first; equal scores keep their order. SG_E_NOMEM. */
int sg_order_by_score(struct sg_result *result);
/* Objects with a quad as one reads: rows from the top, each from the left. A line belongs to a row when its
 * middle is less than half the row's first line below that line's middle. Objects without a quad stay where
 * they are. SG_E_NOMEM. */
int sg_order_reading(struct sg_result *result);
/* Drops the objects whose entry in keep is false. A child of a dropped object becomes its own (parent -1).
 * SG_E_NOMEM. */
int sg_order_keep(struct sg_result *result, const bool *keep);

#endif
