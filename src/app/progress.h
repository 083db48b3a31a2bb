/* SPDX-License-Identifier: MIT
 * One line on standard error that says how far a run is. Main thread.
 */
#ifndef SG_APP_PROGRESS_H
#define SG_APP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct sg_progress {
    bool shown; /* whether to show any */
    bool drawn; /* the line stands on the terminal now */
    int total;  /* 0 = not known */
    int done, failed;
    int bar; /* columns of the bar */
    int64_t began_us, drawn_us;
};

/* Shown when wanted, standard error is a terminal and there is more than one picture. */
void sg_progress_init(struct sg_progress *progress, int total, bool wanted);
/* Draws at most ten times a second. */
void sg_progress_tick(struct sg_progress *progress);
/* Takes the line away, so that another can be printed. */
void sg_progress_clear(struct sg_progress *progress);

/* "1.9 s", "4 min 05 s", "2 h 07 min" into out. */
void sg_progress_time(double seconds, char *out, unsigned long out_bytes);

#endif
