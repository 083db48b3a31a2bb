/* SPDX-License-Identifier: MIT
 * Load on one target: connections over epoll on the calling thread, closed or open loop.
 *
 * Closed loop: every connection keeps `depth` requests on the way; a latency runs from the send to the last
 * byte of the reply. Open loop: request i is due at start + i / rate whether or not earlier ones have been
 * answered; its latency runs from the moment it was due, so a server that stalls pays for every request that
 * should have been sent meanwhile (no coordinated omission).
 */
#ifndef SG_LOAD_LOAD_H
#define SG_LOAD_LOAD_H

#include "load/histogram.h"
#include "load/wire.h"

#define SG_BENCH_CONNECTIONS_MAX 20000
#define SG_BENCH_DEPTH_MAX       256
#define SG_BENCH_CODES_MAX       32

struct sg_bench_picture {
    const uint8_t *bytes;
    size_t size;
};

struct sg_bench_plan {
    int connections;
    int depth;                               /* requests on the way per connection */
    double rate;                             /* requests per second; 0 = closed loop */
    uint64_t max_requests;                   /* of one run; 0 = as many as its time allows */
    int64_t timeout_ms;                      /* of one reply */
    const struct sg_bench_picture *pictures; /* sent in turn; borrowed */
    int picture_count;
};

/* What came of it. Zeroed = nothing. Adds up over runs. */
struct sg_bench_totals {
    int64_t measured_us;
    uint64_t ok;         /* results that arrived while measuring */
    uint64_t failed;     /* errors of any code that arrived while measuring */
    uint64_t objects;    /* in the results */
    uint64_t late;       /* results that came after their deadline; they are in ok too */
    uint64_t changed;    /* results with another number of objects than the first one of the same picture */
    uint64_t unsent;     /* open loop: due, but no connection was free before the end; counted by their age */
    uint64_t unanswered; /* on the way at the end, and no reply came; not in failed */
    uint64_t bytes_out;
    struct sg_bench_histogram latency; /* of results; open loop: of those due while measuring */
    struct sg_bench_histogram refused; /* of error replies */
    struct {
        char code[SG_BENCH_CODE_MAX];
        uint64_t count;
    } codes[SG_BENCH_CODES_MAX];
    int code_count;
};

void sg_bench_totals_merge(struct sg_bench_totals *into, const struct sg_bench_totals *from);

/* When open-loop requests are due. */
struct sg_bench_schedule {
    int64_t start_us;
    double rate;
    uint64_t next; /* number of the next request */
};

/* When request `index` is due. */
int64_t sg_bench_schedule_due(const struct sg_bench_schedule *schedule, uint64_t index);
/* How many requests from `next` on are due at now_us. */
uint64_t sg_bench_schedule_waiting(const struct sg_bench_schedule *schedule, int64_t now_us);

struct sg_bench_load;

/* Connects nothing yet. SG_E_NOMEM, SG_E_IO, SG_E_INVALID (a picture too large for the protocol). */
int sg_bench_load_create(const struct sg_bench_target *target, const struct sg_bench_plan *plan,
                         struct sg_bench_load **out_load, struct sg_error *err);
void sg_bench_load_destroy(struct sg_bench_load **load);

/* Opens what is not open, loads the target for warm_us unmeasured and measure_us measured microseconds, then
 * waits for what is on the way. totals is added to. Fails only when not one connection could be made
 * (SG_E_IO) or *stop was set by a signal (SG_E_CANCELLED, totals hold what there was). */
int sg_bench_load_run(struct sg_bench_load *load, int64_t warm_us, int64_t measure_us,
                      const volatile int *stop, struct sg_bench_totals *totals, struct sg_error *err);

#endif
