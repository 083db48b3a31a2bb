/* SPDX-License-Identifier: MIT
 * What the application left to be loaded when serving began (all pipelines but the default one), on a thread
 * of its own. Jobs of such pipelines are parked meanwhile, see sg_intake_unpark, and requests to reload wait.
 * Loop thread.
 */
#ifndef SG_SERVE_LATE_LOAD_H
#define SG_SERVE_LATE_LOAD_H

#include "base/thread.h"
#include "serve/job_intake.h"
#include "serve/reload.h"

#include <uv.h>

struct sg_late_load {
    const struct sg_server_app *app;
    struct sg_intake *intake;
    struct sg_reload *reload;
    uv_async_t loaded_async;
    uv_timer_t timer; /* looks for parked jobs that are late */
    bool handles_ready, running;
    struct sg_thread thread;
    struct sg_error error; /* written by the thread before it tells the loop */
    int64_t load_us;       /* likewise */
    /* The server cannot go on with what it has. */
    void (*failed)(void *arg);
    void *failed_arg;
};

/* SG_E_IO. */
int sg_late_load_init(struct sg_late_load *late, uv_loop_t *loop, const struct sg_server_app *app,
                      struct sg_intake *intake, struct sg_reload *reload, struct sg_error *err);
/* Starts loading, if anything is left. The workers and the reload are there. SG_E_NOMEM. */
int sg_late_load_start(struct sg_late_load *late, struct sg_error *err);
/* Waits for the thread, which need not load more than it is at. The handles close when the loop runs once
 * more. */
void sg_late_load_fini(struct sg_late_load *late);

#endif
