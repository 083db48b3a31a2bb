/* SPDX-License-Identifier: MIT
 * Progress with rate and time left.
 */
#include "app/progress.h"

#include "base/clock.h"
#include "conf/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_US     100000
#define BAR_WIDTH     24
#define REST_COLUMNS  52 /* of counts, rate, time left and failures */
#define LEAST_COLUMNS 50 /* the line must not be broken, or it could not be drawn anew */

void sg_progress_init(struct sg_progress *progress, int total, bool wanted)
{
    const char *term = getenv("TERM");
    int columns = sg_args_columns(stderr);

    *progress = (struct sg_progress){.total = total, .began_us = sg_clock_us(), .bar = BAR_WIDTH};
    if (columns > 0 && columns < BAR_WIDTH + REST_COLUMNS)
        progress->bar = columns > REST_COLUMNS ? columns - REST_COLUMNS : 0;
    progress->shown = wanted && total != 1 && isatty(STDERR_FILENO) == 1 &&
                      (columns == 0 || columns >= LEAST_COLUMNS) && !(term && strcmp(term, "dumb") == 0);
}

void sg_progress_time(double seconds, char *out, unsigned long out_bytes)
{
    long whole = (long)(seconds + 0.5);

    if (seconds < 60)
        snprintf(out, out_bytes, "%.1f s", seconds);
    else if (whole < 3600)
        snprintf(out, out_bytes, "%ld min %02ld s", whole / 60, whole % 60);
    else
        snprintf(out, out_bytes, "%ld h %02ld min", whole / 3600, whole % 3600 / 60);
}

void sg_progress_tick(struct sg_progress *progress)
{
    int64_t now = sg_clock_us();
    double seconds = (double)(now - progress->began_us) / 1e6, rate;
    char left[48], bar[3 * BAR_WIDTH + 1] = "", failed[32] = "";
    int i, filled;

    if (!progress->shown || (progress->drawn && now - progress->drawn_us < REDRAW_US))
        return;
    rate = progress->done > 0 ? progress->done / seconds : 0;
    if (progress->failed)
        snprintf(failed, sizeof(failed), "  %d failed", progress->failed);
    if (progress->total == 0) {
        fprintf(stderr, "\r%d pictures  %.1f/s%s\033[K", progress->done, rate, failed);
    } else {
        filled = (int)((int64_t)progress->bar * progress->done / progress->total);
        for (i = 0; i < progress->bar; i++)
            snprintf(bar + 3 * (size_t)i, 4, "%s", i < filled ? "█" : "░");
        sg_progress_time(rate > 0 ? (progress->total - progress->done) / rate : 0, left, sizeof(left));
        fprintf(stderr, "\r%s %d/%d  %.1f/s  %s left%s\033[K", bar, progress->done, progress->total, rate,
                rate > 0 ? left : "?", failed);
    }
    fflush(stderr);
    progress->drawn = true;
    progress->drawn_us = now;
}

void sg_progress_clear(struct sg_progress *progress)
{
    if (progress->drawn)
        fprintf(stderr, "\r\033[K");
    progress->drawn = false;
}
