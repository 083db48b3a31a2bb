/* SPDX-License-Identifier: MIT
 * The requests of a connection and their replies. A request is in `requests` from submit on, its reply goes
 * from the link's reader thread to whoever waits. One lock for that state, one that keeps the frames of
 * several senders apart; the state's lock is never held while sending.
 */
#include "client/v2_link.h"

#include "base/clock.h"
#include "base/thread.h"
#include "client/v2_link_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct request {
    struct request *next;
    uint64_t id;
};

struct sg_v2_link {
    int fd;
    struct sg_v2_link_options options;
    struct sg_v2_greeting greeting;
    char **names; /* greeting.pipelines + 1 */
    bool *defaults;
    struct sg_thread reader;
    pthread_mutex_t sending;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct request *requests; /* unanswered, oldest first */
    struct sg_v2_reply *first, *last;
    int unanswered, unfetched;
    uint64_t last_id;
    struct sg_error lost; /* why the connection is over; SG_OK = it is not */
};

void sg_v2_reply_free(struct sg_v2_reply **reply)
{
    free(*reply);
    *reply = NULL;
}

/* Under the lock. */
static bool forget(struct sg_v2_link *link, uint64_t id)
{
    struct request **at = &link->requests, *found;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    found = *at;
    if (!found)
        return false;
    *at = found->next;
    free(found);
    link->unanswered--;
    return true;
}

/* Under the lock; takes the reply, which is freed when nobody asked for it. */
static void deliver(struct sg_v2_link *link, struct sg_v2_reply *reply)
{
    if (!forget(link, reply->id)) {
        sg_v2_reply_free(&reply);
        return;
    }
    if (link->last)
        link->last->next = reply;
    else
        link->first = reply;
    link->last = reply;
    link->unfetched++;
    pthread_cond_broadcast(&link->changed);
}

/* Everything under way is answered with the reason. */
static void lose(struct sg_v2_link *link, const struct sg_error *why)
{
    pthread_mutex_lock(&link->lock);
    if (link->lost.code == SG_OK)
        link->lost = *why;
    while (link->requests) {
        struct sg_v2_reply *reply = calloc(1, sizeof(*reply));

        if (!reply) {
            forget(link, link->requests->id); /* wait will not find it */
            continue;
        }
        reply->id = link->requests->id;
        reply->error = link->lost;
        deliver(link, reply);
    }
    pthread_cond_broadcast(&link->changed);
    pthread_mutex_unlock(&link->lock);
    shutdown(link->fd, SHUT_RDWR);
}

/* Turns an error frame into code and text. */
static int read_refusal(struct sg_v2_reply *reply)
{
    struct sg_v2_refusal refusal;

    if (sg_v2_error_read(reply->body, reply->size, &refusal) < 0)
        return SG_E_FRAMING;
    reply->retry_ms = refusal.retry_after_ms;
    sg_error_set(&reply->error, (enum sg_err)sg_err_find(refusal.code, refusal.code_bytes), "%.*s",
                 (int)(refusal.message_bytes < SG_ERROR_TEXT_MAX ? refusal.message_bytes : SG_ERROR_TEXT_MAX),
                 refusal.message);
    return 0;
}

/* One frame; *out_reply stays NULL for those that are no reply. */
static int read_frame(struct sg_v2_link *link, int64_t deadline_us, struct sg_v2_header *header,
                      struct sg_v2_reply **out_reply, struct sg_error *err)
{
    uint8_t head[SG_V2_HEADER_BYTES];
    struct sg_v2_reply *reply;
    int code = link_receive(link->fd, head, sizeof(head), deadline_us, err);

    *out_reply = NULL;
    if (code < 0)
        return code;
    sg_v2_header_read(head, header);
    if (header->body_bytes > SG_V2_LINK_REPLY_MAX || header->type < SG_V2_HELLO)
        return sg_error_set(err, SG_E_FRAMING, "the server does not speak frame protocol v2");
    reply = calloc(1, sizeof(*reply) + header->body_bytes);
    if (!reply)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a reply of %lu bytes",
                            (unsigned long)header->body_bytes);
    reply->id = header->id;
    reply->format = (enum sg_v2_format)header->format;
    reply->size = header->body_bytes;
    code = link_receive(link->fd, reply->body, reply->size, deadline_us, err);
    if (code == 0 && header->type == SG_V2_ERROR && read_refusal(reply) < 0)
        code = sg_error_set(err, SG_E_FRAMING, "the server sent a damaged error");
    if (code < 0)
        sg_v2_reply_free(&reply);
    *out_reply = reply;
    return code;
}

static void read_replies(void *arg)
{
    struct sg_v2_link *link = arg;
    struct sg_error err = {0};
    struct sg_v2_header header;
    struct sg_v2_reply *reply;

    while (read_frame(link, 0, &header, &reply, &err) == 0 && reply) {
        bool is_reply = header.type == SG_V2_RESULT || header.type == SG_V2_ERROR;

        if (header.type == SG_V2_ERROR && header.id == 0) {
            err = reply->error;
            sg_v2_reply_free(&reply);
            break;
        }
        pthread_mutex_lock(&link->lock);
        if (is_reply)
            deliver(link, reply);
        else if (header.type == SG_V2_LEAVING && link->lost.code == SG_OK)
            sg_error_set(&link->lost, SG_E_SHUTDOWN, "the server takes no more requests");
        pthread_mutex_unlock(&link->lock);
        if (!is_reply)
            sg_v2_reply_free(&reply);
    }
    lose(link, &err);
}

static int keep_names(struct sg_v2_link *link, const struct sg_v2_reply *hello, struct sg_error *err)
{
    char name[SG_V2_NAME_MAX + 1];
    int i = 0, count = link->greeting.pipelines + 1;

    link->names = calloc((size_t)count + 1, sizeof(*link->names));
    link->defaults = calloc((size_t)count, sizeof(*link->defaults));
    for (; link->names && link->defaults && i < count; i++) {
        if (!sg_v2_greeting_name(hello->body, hello->size, i, name, &link->defaults[i]))
            return sg_error_set(err, SG_E_FRAMING, "the server's hello ends within its names");
        link->names[i] = strdup(name);
        if (!link->names[i])
            break;
    }
    return i == count ? 0 : sg_error_set(err, SG_E_NOMEM, "no memory for the names of pipelines");
}

static int exchange_hellos(struct sg_v2_link *link, struct sg_error *err)
{
    const struct sg_v2_hello hello = {.version_min = SG_V2_VERSION,
                                      .version_max = SG_V2_VERSION,
                                      .policy = link->options.policy,
                                      .window = link->options.window};
    int timeout_ms = link->options.connect_timeout_ms;
    uint8_t bytes[SG_V2_HELLO_BYTES];
    struct sg_v2_reply *reply = NULL;
    struct sg_v2_header header;
    int code;

    sg_v2_hello_write(bytes, &hello);
    code = link_send(link->fd, bytes, sizeof(bytes), NULL, 0, timeout_ms, err);
    if (code == 0)
        code = read_frame(link, timeout_ms < 0 ? 0 : sg_clock_us() + (int64_t)timeout_ms * 1000 + 1, &header,
                          &reply, err);
    if (code < 0 || !reply)
        return code;
    if (header.type == SG_V2_ERROR) {
        *err = reply->error;
        code = err->code;
    } else {
        code = header.type == SG_V2_HELLO ? sg_v2_greeting_read(reply->body, reply->size, &link->greeting)
                                          : SG_E_FRAMING;
        if (code < 0)
            sg_error_set(err, (enum sg_err)code, "the server's hello is not that of frame protocol v2");
    }
    if (code == 0)
        code = keep_names(link, reply, err);
    sg_v2_reply_free(&reply);
    return code;
}

static void link_free(struct sg_v2_link *link)
{
    struct sg_v2_reply *reply;
    struct request *request;
    int i;

    if (link->fd >= 0)
        close(link->fd);
    while ((reply = link->first)) {
        link->first = reply->next;
        sg_v2_reply_free(&reply);
    }
    while ((request = link->requests)) {
        link->requests = request->next;
        free(request);
    }
    for (i = 0; link->names && link->names[i]; i++)
        free(link->names[i]);
    free(link->names);
    free(link->defaults);
    pthread_cond_destroy(&link->changed);
    pthread_mutex_destroy(&link->lock);
    pthread_mutex_destroy(&link->sending);
    free(link);
}

int sg_v2_link_open(const struct sg_v2_link_options *options, struct sg_v2_link **out_link,
                    struct sg_error *err)
{
    struct sg_v2_link *link = calloc(1, sizeof(*link));
    const char *address = options->address ? options->address : SG_V2_LINK_ADDRESS;
    pthread_condattr_t attributes;
    int code;

    *out_link = NULL;
    if (!link)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a connection");
    link->fd = -1;
    link->options = *options;
    link->options.address = NULL; /* borrowed for the call only */
    pthread_mutex_init(&link->sending, NULL);
    pthread_mutex_init(&link->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&link->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    code = link_connect(address, options->connect_timeout_ms, &link->fd, err);
    if (code == 0)
        code = exchange_hellos(link, err);
    if (code == 0)
        code = sg_thread_start(&link->reader, read_replies, link, err, "sight-link");
    if (code < 0)
        link_free(link);
    else
        *out_link = link;
    return code;
}

void sg_v2_link_close(struct sg_v2_link **link)
{
    struct sg_v2_link *l = *link;

    if (!l)
        return;
    shutdown(l->fd, SHUT_RDWR);
    sg_thread_join(&l->reader);
    link_free(l);
    *link = NULL;
}

const struct sg_v2_greeting *sg_v2_link_greeting(const struct sg_v2_link *link)
{
    return &link->greeting;
}

const char *sg_v2_link_name(const struct sg_v2_link *link, int index, bool *out_default)
{
    if (index < 0 || index > link->greeting.pipelines)
        return NULL;
    if (out_default)
        *out_default = link->defaults[index];
    return link->names[index];
}

/* Waits under the lock for a change. */
static int wait_change(struct sg_v2_link *link, const struct timespec *until)
{
    int failure = until ? pthread_cond_timedwait(&link->changed, &link->lock, until)
                        : pthread_cond_wait(&link->changed, &link->lock);

    return failure == ETIMEDOUT ? SG_E_TIMEOUT : 0;
}

static const struct timespec *until_of(int timeout_ms, struct timespec *out)
{
    if (timeout_ms < 0)
        return NULL;
    clock_gettime(CLOCK_MONOTONIC, out);
    out->tv_sec += timeout_ms / 1000;
    out->tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (out->tv_nsec >= 1000000000L) {
        out->tv_sec++;
        out->tv_nsec -= 1000000000L;
    }
    return out;
}

/* A place in the window and an id. */
static int enlist(struct sg_v2_link *link, uint64_t *out_id, struct sg_error *err)
{
    struct request *request = calloc(1, sizeof(*request)), **end = &link->requests;
    struct timespec time;
    const struct timespec *until = until_of(link->options.send_timeout_ms, &time);
    int code = request ? 0 : sg_error_set(err, SG_E_NOMEM, "no memory for a request");

    pthread_mutex_lock(&link->lock);
    while (code == 0 && link->lost.code == SG_OK && link->greeting.policy == SG_V2_BLOCK &&
           link->greeting.window > 0 && (unsigned)link->unanswered >= link->greeting.window)
        if (wait_change(link, until) < 0)
            code = sg_error_set(err, SG_E_BUSY, "%d requests are under way and none was answered in %d ms",
                                link->unanswered, link->options.send_timeout_ms);
    if (code == 0 && link->lost.code != SG_OK) {
        *err = link->lost;
        code = err->code;
    }
    if (code == 0 && link->unanswered + link->unfetched >= SG_V2_LINK_MAX_WAITING)
        code = sg_error_set(err, SG_E_BUSY, "%d replies wait to be fetched; wait for some first",
                            link->unfetched);
    if (code == 0 && request) {
        request->id = *out_id = ++link->last_id;
        while (*end)
            end = &(*end)->next;
        *end = request;
        request = NULL;
        link->unanswered++;
    }
    pthread_mutex_unlock(&link->lock);
    free(request);
    return code;
}

int sg_v2_link_submit(struct sg_v2_link *link, const struct sg_v2_infer *infer,
                      const struct sg_v2_part *parts, int part_count, uint64_t *out_id, struct sg_error *err)
{
    struct sg_v2_infer tight = *infer;
    uint8_t head[SG_V2_REQUEST_HEAD_MAX];
    uint64_t id = 0, bytes = 0;
    size_t head_bytes;
    int code, i;

    for (i = 0; i < part_count; i++)
        bytes += (uint64_t)parts[i].row_bytes * (uint64_t)parts[i].rows;
    if (infer->pixels.raw)
        tight.pixels.stride_bytes =
            (size_t)infer->pixels.width * (size_t)sg_pixel_bytes(infer->pixels.format);
    if (bytes > link->greeting.max_image_bytes)
        return sg_error_set(err, SG_E_TOO_LARGE, "the picture has %llu bytes, the server takes %zu",
                            (unsigned long long)bytes, link->greeting.max_image_bytes);
    code = enlist(link, &id, err);
    if (code < 0)
        return code;
    head_bytes = sg_v2_infer_write(head, id, &tight, (size_t)bytes);
    pthread_mutex_lock(&link->sending);
    code = link_send(link->fd, head, head_bytes, parts, part_count, link->options.send_timeout_ms, err);
    pthread_mutex_unlock(&link->sending);
    if (code < 0) {
        /* Half a frame is on its way: nothing can follow it. */
        pthread_mutex_lock(&link->lock);
        forget(link, id);
        if (link->lost.code != SG_OK)
            *err = link->lost; /* the server said why */
        pthread_mutex_unlock(&link->lock);
        lose(link, err);
        return err->code;
    }
    *out_id = id;
    return 0;
}

/* Under the lock: the reply of id out of the list; NULL when it is not there yet. */
static struct sg_v2_reply *take(struct sg_v2_link *link, uint64_t id)
{
    struct sg_v2_reply *reply = link->first, *before = NULL;

    while (reply && id && reply->id != id) {
        before = reply;
        reply = reply->next;
    }
    if (!reply)
        return NULL;
    if (before)
        before->next = reply->next;
    else
        link->first = reply->next;
    if (link->last == reply)
        link->last = before;
    reply->next = NULL;
    link->unfetched--;
    return reply;
}

/* Under the lock: a request id (0 = any) is unanswered. */
static bool is_waited_for(const struct sg_v2_link *link, uint64_t id)
{
    const struct request *request = link->requests;

    while (request && id && request->id != id)
        request = request->next;
    return request != NULL;
}

int sg_v2_link_wait(struct sg_v2_link *link, uint64_t id, int timeout_ms, struct sg_v2_reply **out_reply,
                    struct sg_error *err)
{
    struct timespec time;
    const struct timespec *until = until_of(timeout_ms, &time);
    int code = 0;

    *out_reply = NULL;
    pthread_mutex_lock(&link->lock);
    while (code == 0 && !(*out_reply = take(link, id))) {
        if (!is_waited_for(link, id))
            code =
                id ? sg_error_set(err, SG_E_NOT_FOUND, "no request %llu is under way", (unsigned long long)id)
                   : sg_error_set(err, SG_E_NOT_FOUND, "no request is under way");
        else if (wait_change(link, until) < 0 && !(*out_reply = take(link, id)))
            code = sg_error_set(err, SG_E_TIMEOUT, "no reply within %d ms", timeout_ms);
        if (*out_reply)
            break;
    }
    pthread_mutex_unlock(&link->lock);
    return code;
}

int sg_v2_link_pending(struct sg_v2_link *link)
{
    int count;

    pthread_mutex_lock(&link->lock);
    count = link->unanswered + link->unfetched;
    pthread_mutex_unlock(&link->lock);
    return count;
}

int sg_v2_link_cancel(struct sg_v2_link *link, uint64_t id, struct sg_error *err)
{
    const struct sg_v2_header header = {.type = SG_V2_CANCEL, .id = id};
    uint8_t bytes[SG_V2_HEADER_BYTES];
    bool known;
    int code;

    pthread_mutex_lock(&link->lock);
    known = is_waited_for(link, id);
    pthread_mutex_unlock(&link->lock);
    if (id == 0 || !known)
        return sg_error_set(err, SG_E_NOT_FOUND, "no request %llu is under way", (unsigned long long)id);
    sg_v2_header_write(bytes, &header);
    pthread_mutex_lock(&link->sending);
    code = link_send(link->fd, bytes, sizeof(bytes), NULL, 0, link->options.send_timeout_ms, err);
    pthread_mutex_unlock(&link->sending);
    if (code < 0)
        lose(link, err);
    return code;
}
