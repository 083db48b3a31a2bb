/* SPDX-License-Identifier: MIT
 * Sums of a load, and the clock of the open loop.
 */
#include "load/load_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void sg_bench_totals_code(struct sg_bench_totals *totals, const char *code, uint64_t count)
{
    int i;

    for (i = 0; i < totals->code_count; i++)
        if (strcmp(totals->codes[i].code, code) == 0)
            break;
    if (i == SG_BENCH_CODES_MAX) {
        i = SG_BENCH_CODES_MAX - 1; /* more kinds than anyone can read: the last row takes them */
    } else if (i == totals->code_count) {
        snprintf(totals->codes[i].code, sizeof(totals->codes[i].code), "%s", code);
        totals->code_count++;
    }
    totals->codes[i].count += count;
}

void sg_bench_totals_merge(struct sg_bench_totals *into, const struct sg_bench_totals *from)
{
    int i;

    into->measured_us += from->measured_us;
    into->ok += from->ok;
    into->failed += from->failed;
    into->objects += from->objects;
    into->late += from->late;
    into->changed += from->changed;
    into->unsent += from->unsent;
    into->unanswered += from->unanswered;
    into->bytes_out += from->bytes_out;
    sg_bench_histogram_merge(&into->latency, &from->latency);
    sg_bench_histogram_merge(&into->refused, &from->refused);
    for (i = 0; i < from->code_count; i++)
        sg_bench_totals_code(into, from->codes[i].code, from->codes[i].count);
}

int64_t sg_bench_schedule_due(const struct sg_bench_schedule *schedule, uint64_t index)
{
    return schedule->start_us + (int64_t)((double)index * 1e6 / schedule->rate);
}

uint64_t sg_bench_schedule_waiting(const struct sg_bench_schedule *schedule, int64_t now_us)
{
    uint64_t due;

    if (now_us < schedule->start_us)
        return 0;
    /* The division may land one off the due times as rounded above: settle by asking them. */
    due = (uint64_t)((double)(now_us - schedule->start_us) * schedule->rate / 1e6) + 2;
    while (due > 0 && sg_bench_schedule_due(schedule, due - 1) > now_us)
        due--;
    return due > schedule->next ? due - schedule->next : 0;
}
