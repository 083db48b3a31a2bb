/* SPDX-License-Identifier: MIT
 * Two running costs and a rule.
 */
#include "pipe/breadth.h"

#define FIRST_WIDE   4     /* runs before one core is timed at all */
#define FIRST_NARROW 2     /* runs before the two are compared */
#define WIDE_EVERY   16    /* lone jobs, while one core is faster: are all cores free again? */
#define NARROW_EVERY 8     /* lone jobs, while all cores are slower than they were */
#define SLOWER       1.25F /* than the best: something has changed */
#define FORGET       1.001F
#define SHARE        0.25F /* of the newest run in the cost */
#define RUNS_MAX     1000

static bool wide_is_faster(const struct sg_breadth *breadth)
{
    return breadth->narrow.runs < FIRST_NARROW || breadth->wide.runs == 0 ||
           breadth->wide.cost <= breadth->narrow.cost;
}

bool sg_breadth_choose(struct sg_breadth *breadth)
{
    const struct sg_breadth_side *wide = &breadth->wide;

    breadth->turn++;
    if (breadth->narrow.runs < FIRST_NARROW)
        return wide->runs < FIRST_WIDE;
    if (!wide_is_faster(breadth))
        return breadth->turn % WIDE_EVERY == 0;
    return !(wide->cost > SLOWER * wide->best && breadth->turn % NARROW_EVERY == 0);
}

void sg_breadth_add(struct sg_breadth *breadth, bool wide, size_t pixels, int64_t elapsed_us)
{
    struct sg_breadth_side *side = wide ? &breadth->wide : &breadth->narrow;
    float cost = pixels > 0 ? (float)elapsed_us * 1000.0F / (float)pixels : 0.0F;

    if (cost <= 0.0F)
        return;
    /* The side that is not in use is timed rarely: its last run says most. */
    if (side->runs == 0 || wide != wide_is_faster(breadth))
        side->cost = cost;
    else
        side->cost += (cost - side->cost) * SHARE;
    side->best = side->runs == 0 || cost < side->best ? cost : side->best * FORGET;
    if (side->runs < RUNS_MAX)
        side->runs++;
}
