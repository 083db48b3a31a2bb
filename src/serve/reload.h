/* SPDX-License-Identifier: MIT
 * Reloading: the application loads on a thread of its own, the loop swaps. Requests to reload that come while
 * one is under way are answered together by the next, which reads the files after they asked. Loop thread.
 */
#ifndef SG_SERVE_RELOAD_H
#define SG_SERVE_RELOAD_H

#include "base/thread.h"
#include "serve/metrics.h"
#include "serve/server.h"

#include <uv.h>

/* Someone who wants to hear of it. Zeroed at first; belongs to who asks. */
struct sg_reload_waiter {
    struct sg_reload_waiter *previous, *next;
    bool waiting;
    unsigned round; /* the load that answers it */
    /* err NULL = the new configuration serves. */
    void (*done)(struct sg_reload_waiter *waiter, const struct sg_error *err);
};

struct sg_reload {
    const struct sg_server_app *app; /* NULL, or without load: nothing can be reloaded */
    struct sg_metrics *metrics;
    uv_async_t loaded_async;
    bool async_ready;
    struct sg_thread thread;
    bool running, wanted;
    bool held;      /* see sg_reload_hold */
    bool telling;   /* waiters are being told; who asks meanwhile is not among them */
    bool stopped;   /* see sg_reload_stop */
    unsigned round; /* of the load that runs or ran last */
    struct sg_reload_waiter *waiters;
    /* Written by the thread before it tells the loop. */
    void *loaded;
    struct sg_error error;
    int64_t load_us;
    struct sg_buf report;
};

/* SG_E_IO. */
int sg_reload_init(struct sg_reload *reload, uv_loop_t *loop, const struct sg_server_app *app,
                   struct sg_metrics *metrics, struct sg_error *err);
/* Waits for a load under way. Nobody may be waiting. The handle closes when the loop runs once more. */
void sg_reload_fini(struct sg_reload *reload);
/* waiter may be NULL (a signal). Its done comes later, or at once when nothing can be reloaded. */
void sg_reload_ask(struct sg_reload *reload, struct sg_reload_waiter *waiter);
/* Held: who asks waits until it is let go. err: they are told that instead of getting their load. */
void sg_reload_hold(struct sg_reload *reload, bool hold, const struct sg_error *err);
/* Whoever waits, or asks from now on, is told SG_E_SHUTDOWN. A load under way is not waited for. */
void sg_reload_stop(struct sg_reload *reload);
/* The waiter wants to hear no more. */
void sg_reload_leave(struct sg_reload *reload, struct sg_reload_waiter *waiter);
/* {"reloaded":true,…} of the last load that succeeded, appended. */
int sg_reload_report(const struct sg_reload *reload, struct sg_buf *out);

#endif
