/* SPDX-License-Identifier: MIT
 * The queue is a ring of bytes: entries of a header and their text. Once something was dropped, everything is
 * until half of the ring is free; then a line says how many were, in the place where they would have been.
 */
#include "base/log_queue.h"

#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_BYTES   ((size_t)256 << 10)
#define QUEUE_STOP_US (2 * 1000000) /* that the end of the process waits for a reader */

enum queue_state {
    QUEUE_OFF,
    QUEUE_ON,
    QUEUE_ENDING, /* the thread ends when it has written all */
    QUEUE_STUCK,  /* it did not in time; nothing is taken any more */
};

struct entry {
    uint16_t size;
    uint16_t fd;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, ended;
    struct sg_thread thread;
    enum queue_state state;
    sg_log_dropped_fn dropped_line;
    size_t first, used;        /* of bytes */
    unsigned long long untold; /* dropped, and no line says so yet */
    char bytes[QUEUE_BYTES];
} queue = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

static _Atomic uint64_t dropped;

/* Lock held, there is room. */
static void put(const void *data, size_t size)
{
    size_t at = (queue.first + queue.used) % QUEUE_BYTES;
    size_t whole = size < QUEUE_BYTES - at ? size : QUEUE_BYTES - at;

    memcpy(queue.bytes + at, data, whole);
    memcpy(queue.bytes, (const char *)data + whole, size - whole);
    queue.used += size;
}

/* Lock held, there is as much. */
static void take(void *data, size_t size)
{
    size_t whole = size < QUEUE_BYTES - queue.first ? size : QUEUE_BYTES - queue.first;

    memcpy(data, queue.bytes + queue.first, whole);
    memcpy((char *)data + whole, queue.bytes, size - whole);
    queue.first = (queue.first + size) % QUEUE_BYTES;
    queue.used -= size;
}

static void put_entry(int fd, const char *text, size_t size)
{
    struct entry entry = {.size = (uint16_t)size, .fd = (uint16_t)fd};

    put(&entry, sizeof(entry));
    put(text, size);
}

static bool has_room(size_t size)
{
    size_t least = sizeof(struct entry) + size;

    if (queue.state == QUEUE_STUCK)
        return false;
    if (queue.untold > 0)
        return queue.used <= QUEUE_BYTES / 2;
    return least <= QUEUE_BYTES - queue.used;
}

bool sg_log_queue_push(int fd, const char *text, size_t size)
{
    char line[SG_LOG_PIECE_MAX];
    bool runs, room;

    pthread_mutex_lock(&queue.lock);
    runs = queue.state != QUEUE_OFF;
    room = runs && has_room(size);
    if (room && queue.untold > 0) {
        put_entry(STDERR_FILENO, line, queue.dropped_line(queue.untold, line));
        queue.untold = 0;
    }
    if (room) {
        put_entry(fd, text, size);
    } else if (runs) {
        queue.untold++;
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&queue.lock);
    if (room)
        pthread_cond_signal(&queue.work);
    return runs;
}

/* The next piece; lock held. What was dropped is told at the latest when all else is written. */
static size_t next_piece(int *out_fd, char piece[SG_LOG_PIECE_MAX])
{
    struct entry entry;
    size_t size = 0;

    if (queue.used > 0) {
        take(&entry, sizeof(entry));
        take(piece, entry.size);
        *out_fd = entry.fd;
        size = entry.size;
    } else if (queue.untold > 0) {
        *out_fd = STDERR_FILENO;
        size = queue.dropped_line(queue.untold, piece);
        queue.untold = 0;
    }
    return size;
}

static void write_piece(int fd, const char *piece, size_t size)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    while (size > 0) {
        ssize_t n = write(fd, piece, size);

        if (n >= 0) {
            piece += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) { /* another process made the pipe non-blocking */
            poll(&room, 1, -1);
        } else if (errno != EINTR) {
            atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
            return; /* nobody is there to read it */
        }
    }
}

static void write_all(void *arg)
{
    char piece[SG_LOG_PIECE_MAX];
    int fd = STDERR_FILENO;
    size_t size;

    (void)arg;
    pthread_mutex_lock(&queue.lock);
    while (queue.state != QUEUE_STUCK) {
        size = next_piece(&fd, piece);
        if (size == 0 && queue.state == QUEUE_ENDING)
            break;
        if (size == 0) {
            pthread_cond_wait(&queue.work, &queue.lock);
            continue;
        }
        pthread_mutex_unlock(&queue.lock);
        write_piece(fd, piece, size);
        pthread_mutex_lock(&queue.lock);
    }
    if (queue.state == QUEUE_ENDING)
        queue.state = QUEUE_OFF;
    pthread_cond_broadcast(&queue.ended);
    pthread_mutex_unlock(&queue.lock);
}

int sg_log_queue_start(sg_log_dropped_fn dropped_line, struct sg_error *err)
{
    int code;

    pthread_mutex_lock(&queue.lock);
    queue.state = QUEUE_ON;
    queue.dropped_line = dropped_line;
    pthread_mutex_unlock(&queue.lock);
    code = sg_thread_start(&queue.thread, write_all, NULL, err, "sight-log");
    if (code < 0) {
        pthread_mutex_lock(&queue.lock);
        queue.state = QUEUE_OFF;
        pthread_mutex_unlock(&queue.lock);
    }
    return code;
}

bool sg_log_queue_stop(void)
{
    const int64_t until = sg_clock_us() + QUEUE_STOP_US;
    bool done;

    pthread_mutex_lock(&queue.lock);
    if (queue.state == QUEUE_ON)
        queue.state = QUEUE_ENDING;
    pthread_cond_signal(&queue.work);
    while (queue.state == QUEUE_ENDING)
        if (sg_cond_wait_until(&queue.ended, &queue.lock, until) == SG_E_TIMEOUT)
            break;
    if (queue.state == QUEUE_ENDING)
        queue.state = QUEUE_STUCK;
    done = queue.state == QUEUE_OFF;
    pthread_mutex_unlock(&queue.lock);
    if (done)
        sg_thread_join(&queue.thread);
    else if (queue.thread.started)
        pthread_detach(queue.thread.handle);
    if (!done)
        queue.thread.started = false;
    return done;
}

uint64_t sg_log_queue_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}
