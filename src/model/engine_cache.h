/* SPDX-License-Identifier: MIT
 * What was measured of engines, kept between starts: a small file for each model file, machine and set of
 * versions, in $SIGHT_CACHE, else $XDG_CACHE_HOME/sightd, else ~/.cache/sightd. SIGHT_CACHE=none keeps
 * nothing. Whatever is wrong with the folder or a file is as if nothing were known; two processes may write
 * at once. Private to the room; any thread.
 */
#ifndef SG_MODEL_ENGINE_CACHE_H
#define SG_MODEL_ENGINE_CACHE_H

#include "model/model.h"

#define SG_ENGINE_CACHE_MOST 512 /* files; the oldest go */

struct sg_engine_known {
    char engine[24], rival[24]; /* rival "" = none */
    enum sg_precision precision, rival_precision;
    char evidence[256], ambiguity[192]; /* as in sg_decision */
};

/* What was measured of this model, opened and decided, for so many cores a run (`threads`). False: nothing.
 */
bool sg_engine_cache_find(const struct sg_model *model, int threads, struct sg_engine_known *out);
/* Keeps it, or says once in the log why it cannot be kept. */
void sg_engine_cache_keep(const struct sg_model *model, int threads, const struct sg_engine_known *known);

#endif
