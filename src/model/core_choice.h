/* SPDX-License-Identifier: MIT
 * Whether a lone job's model run is faster on all cores or on one. On an idle machine all cores win; where
 * other processes want a core they lose, by up to the factor of two: the threads of a wide run wait for each
 * other, and the one whose core is shared comes last. So both are timed as they happen, and the
 * other one is tried now and then. No thread or clock of its own: guarded by the lock of the model's pool.
 */
#ifndef SG_MODEL_CORE_CHOICE_H
#define SG_MODEL_CORE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sg_core_choice_side {
    float cost; /* ns per input pixel; of late */
    float best; /* the least, slowly forgotten */
    int runs;   /* timed; saturates */
};

/* A zeroed struct is ready: all cores, until it is known better. */
struct sg_core_choice {
    struct sg_core_choice_side wide, narrow;
    unsigned turn; /* lone jobs so far */
};

/* For a job that is alone: all cores? */
bool sg_core_choice_choose(struct sg_core_choice *choice);
/* A run over so many input pixels (width × height × items) took elapsed_us. */
void sg_core_choice_add(struct sg_core_choice *choice, bool wide, size_t pixels, int64_t elapsed_us);

#endif
