/* SPDX-License-Identifier: MIT
 * Two running costs and a rule.
 */
#include "model/core_choice.h"

#define FIRST_WIDE   4     /* runs before one core is timed at all */
#define FIRST_NARROW 2     /* runs before the two are compared */
#define WIDE_EVERY   16    /* lone jobs, while one core is faster: are all cores free again? */
#define NARROW_EVERY 8     /* lone jobs, while all cores are slower than they were */
#define SLOWER       1.25F /* than the best: something has changed */
#define FORGET       1.001F
#define SHARE        0.25F /* of the newest run in the cost */
#define RUNS_MAX     1000

static bool wide_is_faster(const struct sg_core_choice *choice)
{
    return choice->narrow.runs < FIRST_NARROW || choice->wide.runs == 0 ||
           choice->wide.cost <= choice->narrow.cost;
}

bool sg_core_choice_choose(struct sg_core_choice *choice)
{
    const struct sg_core_choice_side *wide = &choice->wide;

    choice->turn++;
    if (choice->narrow.runs < FIRST_NARROW)
        return wide->runs < FIRST_WIDE;
    if (!wide_is_faster(choice))
        return choice->turn % WIDE_EVERY == 0;
    return !(wide->cost > SLOWER * wide->best && choice->turn % NARROW_EVERY == 0);
}

void sg_core_choice_add(struct sg_core_choice *choice, bool wide, size_t pixels, int64_t elapsed_us)
{
    struct sg_core_choice_side *side = wide ? &choice->wide : &choice->narrow;
    float cost = pixels > 0 ? (float)elapsed_us * 1000.0F / (float)pixels : 0.0F;

    if (cost <= 0.0F)
        return;
    /* The side that is not in use is timed rarely: its last run says most. */
    if (side->runs == 0 || wide != wide_is_faster(choice))
        side->cost = cost;
    else
        side->cost += (cost - side->cost) * SHARE;
    side->best = side->runs == 0 || cost < side->best ? cost : side->best * FORGET;
    if (side->runs < RUNS_MAX)
        side->runs++;
}
