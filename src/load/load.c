/* SPDX-License-Identifier: MIT
 * The loop of the load generator. One thread, edge-triggered epoll, a timer for the open loop: it shares the
 * machine with the server it measures, so it does nothing it need not.
 */
#include "load/load.h"
#include "base/clock.h"
#include "base/thread.h"
#include "load/load_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_MAX      256
#define TICK_MS         50
#define CONNECT_WAIT_US 5000000
#define TIMER_TAG       UINT32_MAX

static bool may_send(const struct sg_bench_load *load)
{
    return load->sending && (load->plan.max_requests == 0 || load->pushed < load->plan.max_requests);
}

static void push(struct sg_bench_load *load, struct sg_bench_conn *conn, int64_t began_us)
{
    int picture = load->next_picture;

    load->next_picture = (picture + 1) % load->plan.picture_count;
    conn->ring[(conn->first + conn->count) % load->plan.depth] =
        (struct sg_bench_request){.began_us = began_us, .id = ++conn->last_id, .picture = picture};
    conn->count++;
    load->pushed++;
    load->totals->bytes_out += load->plan.pictures[picture].size;
}

/* Closed loop: there is more to ask over this connection. */
static bool wants_more(const struct sg_bench_load *load, const struct sg_bench_conn *conn)
{
    return load->plan.rate <= 0 && may_send(load) && conn->count < load->plan.depth;
}

/* Closed loop: tops the connection up, again when a request that was answered early has now been sent to its
 * end: no event will tell of that. Both: hands over what there is. */
static void feed(struct sg_bench_load *load, struct sg_bench_conn *conn)
{
    if (conn->fd < 0 || conn->connecting)
        return;
    do {
        while (wants_more(load, conn))
            push(load, conn, sg_clock_us());
        if (sg_bench_conn_send(conn, load->target.wire, load->heads, &load->plan) == SG_BENCH_LOST) {
            /* A refusal may be waiting to be read: the reading side finds the end. */
            shutdown(conn->fd, SHUT_WR);
            return;
        }
    } while (wants_more(load, conn));
}

static struct sg_bench_conn *free_conn(struct sg_bench_load *load)
{
    int i;

    for (i = 0; i < load->plan.connections; i++) {
        struct sg_bench_conn *conn = &load->conns[load->cursor];

        load->cursor = (load->cursor + 1) % load->plan.connections;
        if (conn->fd >= 0 && !conn->connecting && conn->count < load->plan.depth)
            return conn;
    }
    return NULL;
}

/* Open loop: sends what is due, sets the timer for what is not. */
static void dispatch(struct sg_bench_load *load)
{
    struct itimerspec when = {0};
    struct sg_bench_conn *conn;
    int64_t due;

    if (load->plan.rate <= 0)
        return;
    while (may_send(load) && sg_bench_schedule_waiting(&load->schedule, sg_clock_us()) > 0) {
        conn = free_conn(load);
        if (!conn)
            return; /* the next reply frees one */
        push(load, conn, sg_bench_schedule_due(&load->schedule, load->schedule.next++));
        feed(load, conn);
    }
    if (!may_send(load))
        return;
    due = sg_bench_schedule_due(&load->schedule, load->schedule.next);
    when.it_value.tv_sec = due / 1000000;
    when.it_value.tv_nsec = (due % 1000000) * 1000;
    timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void finish_connect(struct sg_bench_load *load, struct sg_bench_conn *conn)
{
    int error = 0;
    socklen_t bytes = sizeof(error);

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
        error = errno;
    if (error != 0) {
        load->connect_error = error;
        sg_bench_count_failure(load, "refused", sg_clock_us(), sg_clock_us());
        sg_bench_lose(load, conn, "refused");
        return;
    }
    conn->connecting = false;
    load->ever_connected = true;
}

static void reopen(struct sg_bench_load *load, struct sg_bench_conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u32 = (uint32_t)(conn - load->conns)};
    int code = sg_bench_conn_open(conn, &load->target);

    if (code == 0 && epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        code = -errno;
    if (code < 0) {
        load->connect_error = -code;
        sg_bench_lose(load, conn, "refused");
    }
}

static void on_event(struct sg_bench_load *load, struct sg_bench_conn *conn, uint32_t events)
{
    enum sg_bench_event outcome = SG_BENCH_ALIVE;

    if (conn->fd < 0)
        return;
    if (conn->connecting) {
        finish_connect(load, conn);
        if (conn->fd < 0)
            return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
        outcome = sg_bench_conn_receive(conn);
        if (conn->in.size > 0 && !sg_bench_read_replies(load, conn)) {
            /* Not at the next tick: a server without keep-alive is no slower for it. */
            if (load->sending && conn->retry_us == 0)
                reopen(load, conn);
            return;
        }
        if (outcome == SG_BENCH_LOST) {
            sg_bench_lose(load, conn, "closed");
            return;
        }
    }
    feed(load, conn);
}

/* Reconnects what was lost, gives up on what takes too long. */
static void tick(struct sg_bench_load *load)
{
    int64_t now = sg_clock_us();
    int i;

    for (i = 0; i < load->plan.connections; i++) {
        struct sg_bench_conn *conn = &load->conns[i];

        if (conn->fd < 0 && load->sending && now >= conn->retry_us)
            reopen(load, conn);
        else if (conn->count > 0 && now - conn->ring[conn->first].began_us > load->plan.timeout_ms * 1000 &&
                 conn->fd >= 0)
            sg_bench_lose(load, conn, "timeout");
    }
}

/* One round: waits for events until_us at the longest. */
static void turn(struct sg_bench_load *load, int64_t until_us)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t left_ms = (until_us - sg_clock_us() + 999) / 1000;
    uint64_t fired;
    int i, count;

    if (left_ms < 0)
        left_ms = 0;
    count = epoll_wait(load->epoll_fd, events, EVENTS_MAX, left_ms < TICK_MS ? (int)left_ms : TICK_MS);
    for (i = 0; i < count; i++) {
        if (events[i].data.u32 != TIMER_TAG)
            on_event(load, &load->conns[events[i].data.u32], events[i].events);
        else if (read(load->timer_fd, &fired, sizeof(fired)) < 0)
            continue; /* fired and was set anew in between */
    }
    dispatch(load);
}

static bool idle(const struct sg_bench_load *load)
{
    int i;

    for (i = 0; i < load->plan.connections; i++)
        if (load->conns[i].count > 0)
            return false;
    return true;
}

/* Opens all connections before the clock starts, so that the first slice is not a slice of handshakes. */
static int connect_all(struct sg_bench_load *load, const volatile int *stop, struct sg_error *err)
{
    int64_t until = sg_clock_us() + CONNECT_WAIT_US;
    int i, pending;

    for (i = 0; i < load->plan.connections; i++)
        if (load->conns[i].fd < 0)
            reopen(load, &load->conns[i]);
    do {
        turn(load, until);
        pending = 0;
        for (i = 0; i < load->plan.connections; i++)
            pending += load->conns[i].connecting;
    } while (pending > 0 && sg_clock_us() < until && !*stop);
    if (!load->ever_connected)
        return sg_error_set(err, SG_E_IO, "cannot connect to %s: %s", load->target.name,
                            strerror(load->connect_error ? load->connect_error : ETIMEDOUT));
    return 0;
}

/* Open loop: what was due but never sent has waited at least until now. */
static void count_unsent(struct sg_bench_load *load)
{
    uint64_t waiting, i;

    if (load->plan.rate <= 0)
        return;
    if (load->plan.max_requests > 0)
        return;
    waiting = sg_bench_schedule_waiting(&load->schedule, load->measure_to_us);
    for (i = 0; i < waiting; i++) {
        int64_t due = sg_bench_schedule_due(&load->schedule, load->schedule.next + i);

        if (!sg_bench_measuring(load, due))
            continue;
        load->totals->unsent++;
        sg_bench_histogram_add(&load->totals->latency, load->measure_to_us - due);
    }
}

/* Waits for what is on the way; the connections of what does not come are given up. */
static void drain(struct sg_bench_load *load, const volatile int *stop)
{
    int64_t until = sg_clock_us() + load->plan.timeout_ms * 1000;
    int i;

    while (!idle(load) && sg_clock_us() < until && !*stop) {
        turn(load, until);
        tick(load);
    }
    for (i = 0; i < load->plan.connections; i++)
        if (load->conns[i].count > 0)
            sg_bench_lose(load, &load->conns[i], "timeout");
}

int sg_bench_load_run(struct sg_bench_load *load, int64_t warm_us, int64_t measure_us,
                      const volatile int *stop, struct sg_bench_totals *totals, struct sg_error *err)
{
    int64_t now, next_tick;
    int i, code;

    sg_thread_prompt();
    load->totals = totals;
    load->measure_from_us = load->measure_to_us = 0;
    load->sending = false;
    code = connect_all(load, stop, err);
    if (code < 0)
        return code;
    now = next_tick = sg_clock_us();
    load->measure_from_us = now + warm_us;
    load->measure_to_us = now + warm_us + measure_us;
    load->schedule = (struct sg_bench_schedule){.start_us = now, .rate = load->plan.rate};
    load->sending = true;
    load->pushed = 0;
    for (i = 0; i < load->plan.connections; i++)
        feed(load, &load->conns[i]);
    dispatch(load);
    while (now < load->measure_to_us && !*stop && (may_send(load) || !idle(load))) {
        turn(load, load->measure_to_us);
        now = sg_clock_us();
        if (now >= next_tick) {
            tick(load);
            next_tick = now + (int64_t)TICK_MS * 1000;
        }
    }
    load->sending = false;
    if (now < load->measure_to_us)
        load->measure_to_us = now;
    if (load->measure_to_us > load->measure_from_us)
        totals->measured_us += load->measure_to_us - load->measure_from_us;
    count_unsent(load);
    drain(load, stop);
    return *stop ? sg_error_set(err, SG_E_CANCELLED, "stopped by a signal") : 0;
}

static int make_heads(struct sg_bench_load *load, struct sg_error *err)
{
    int i, count = load->plan.picture_count;
    size_t *ends = calloc((size_t)count, sizeof(*ends));
    int code = ends ? 0 : SG_E_NOMEM;

    for (i = 0; i < count && code == 0; i++) {
        code = load->target.wire->head(&load->target, load->plan.pictures[i].size, &load->head_bytes);
        if (code == 0)
            ends[i] = load->head_bytes.size;
    }
    for (i = 0; i < count && code == 0; i++) { /* only now: the buffer no longer moves */
        size_t begin = i ? ends[i - 1] : 0;

        load->heads[i] = (struct sg_bench_picture){load->head_bytes.data + begin, ends[i] - begin};
    }
    free(ends);
    return code < 0 ? sg_error_set(err, code, "cannot make requests for %s", load->target.name) : 0;
}

int sg_bench_load_create(const struct sg_bench_target *target, const struct sg_bench_plan *plan,
                         struct sg_bench_load **out_load, struct sg_error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = TIMER_TAG};
    struct sg_bench_load *load = calloc(1, sizeof(*load));
    int code, i;

    *out_load = NULL;
    if (!load)
        return sg_error_set(err, SG_E_NOMEM, "no memory");
    load->target = *target;
    load->plan = *plan;
    sg_buf_init(&load->head_bytes, (size_t)plan->picture_count * SG_BENCH_HEAD_MAX);
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    load->conns = calloc((size_t)plan->connections, sizeof(*load->conns));
    load->rings = calloc((size_t)plan->connections * (size_t)plan->depth, sizeof(*load->rings));
    load->heads = calloc((size_t)plan->picture_count, sizeof(*load->heads));
    load->objects = calloc((size_t)plan->picture_count, sizeof(*load->objects));
    for (i = 0; load->objects && i < plan->picture_count; i++)
        load->objects[i] = -1;
    for (i = 0; load->conns && i < plan->connections; i++) {
        load->conns[i].fd = -1;
        load->conns[i].ring = load->rings + (size_t)i * (size_t)plan->depth;
        sg_buf_init(&load->conns[i].in, SG_BENCH_REPLY_MAX + ((size_t)1 << 20));
    }
    if (!load->conns || !load->rings || !load->heads || !load->objects)
        code = sg_error_set(err, SG_E_NOMEM, "no memory for %d connections", plan->connections);
    else if (load->epoll_fd < 0 || load->timer_fd < 0 ||
             epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, load->timer_fd, &event) != 0)
        code = sg_error_set(err, SG_E_IO, "epoll: %s", strerror(errno));
    else
        code = make_heads(load, err);
    if (code < 0)
        sg_bench_load_destroy(&load);
    *out_load = load;
    return code;
}

void sg_bench_load_destroy(struct sg_bench_load **load_ptr)
{
    struct sg_bench_load *load = *load_ptr;
    int i;

    if (!load)
        return;
    for (i = 0; load->conns && i < load->plan.connections; i++) {
        sg_bench_conn_close(&load->conns[i]);
        sg_buf_fini(&load->conns[i].in);
    }
    if (load->epoll_fd >= 0)
        close(load->epoll_fd);
    if (load->timer_fd >= 0)
        close(load->timer_fd);
    free(load->conns);
    free(load->rings);
    free(load->heads);
    free(load->objects);
    sg_buf_fini(&load->head_bytes);
    free(load);
    *load_ptr = NULL;
}
