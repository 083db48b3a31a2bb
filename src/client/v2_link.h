/* SPDX-License-Identifier: MIT
 * A client's connection to a server in frame protocol v2: requests out, replies in, many under way. Blocking,
 * for `sight send` and libsight. Any number of threads may submit, wait and cancel; a thread of the link's
 * own reads, so that a server whose replies nobody fetches yet is never held up.
 */
#ifndef SG_CLIENT_V2_LINK_H
#define SG_CLIENT_V2_LINK_H

#include "codec/v2_client.h"

#define SG_V2_LINK_REPLY_MAX   ((size_t)64 << 20) /* bytes of one reply */
#define SG_V2_LINK_MAX_WAITING 65536              /* requests whose replies were not fetched */
#define SG_V2_LINK_ADDRESS     "127.0.0.1:8080"

struct sg_v2_link;

struct sg_v2_link_options {
    const char *address; /* "host:port", "[v6]:port", "host" or "unix:/path"; NULL = SG_V2_LINK_ADDRESS */
    enum sg_v2_policy policy;
    unsigned window;        /* 0 = the server's */
    int connect_timeout_ms; /* until the server has said hello */
    int send_timeout_ms; /* of one submit: for a place in the window, and without progress; below 0: none */
};

/* A part of a picture where it lies: rows of row_bytes, stride_bytes apart. */
struct sg_v2_part {
    const void *data;
    size_t row_bytes, stride_bytes;
    int rows;
};

/* What came back for one request; free with sg_v2_reply_free. */
struct sg_v2_reply {
    struct sg_v2_reply *next;
    uint64_t id;
    enum sg_v2_format format; /* of a result */
    struct sg_error error;    /* SG_OK = body is a result */
    int64_t retry_ms;
    size_t size;
    uint8_t body[]; /* JSON or a record block; 8-byte aligned */
};
void sg_v2_reply_free(struct sg_v2_reply **reply);

/* Connects and exchanges hellos. SG_E_INVALID (address), SG_E_NOT_FOUND (host), SG_E_IO, SG_E_TIMEOUT,
 * SG_E_FRAMING (not such a server), SG_E_UNSUPPORTED (version), SG_E_BUSY, SG_E_NOMEM. */
int sg_v2_link_open(const struct sg_v2_link_options *options, struct sg_v2_link **out_link,
                    struct sg_error *err);
/* Ends the connection; requests under way are forgotten. No other call may be under way. */
void sg_v2_link_close(struct sg_v2_link **link);

/* Constant while the link is open. */
const struct sg_v2_greeting *sg_v2_link_greeting(const struct sg_v2_link *link);
/* 0 = the server's name and version, then its pipelines; NULL past the last. */
const char *sg_v2_link_name(const struct sg_v2_link *link, int index, bool *out_default);

/* Sends a request; infer->pixels.stride_bytes is ignored, rows travel without gaps. Blocks while the window
 * is full (policy block) or the server does not read. SG_E_BUSY: no place in time, nothing was sent;
 * SG_E_TIMEOUT, SG_E_IO, SG_E_SHUTDOWN: the connection is over; SG_E_TOO_LARGE, SG_E_NOMEM. */
int sg_v2_link_submit(struct sg_v2_link *link, const struct sg_v2_infer *infer,
                      const struct sg_v2_part *parts, int part_count, uint64_t *out_id, struct sg_error *err);
/* Takes the reply of request id, or of any (id 0) in the order they came. Each request is answered once; when
 * the connection is lost, with that error. timeout_ms below 0: waits as long as it takes. SG_E_TIMEOUT:
 * nothing came; SG_E_NOT_FOUND: no such request is under way, or none at all. */
int sg_v2_link_wait(struct sg_v2_link *link, uint64_t id, int timeout_ms, struct sg_v2_reply **out_reply,
                    struct sg_error *err);
/* Requests without a fetched reply. */
int sg_v2_link_pending(struct sg_v2_link *link);
/* Asks the server to leave it; the reply still comes. SG_E_NOT_FOUND, SG_E_IO, SG_E_TIMEOUT. */
int sg_v2_link_cancel(struct sg_v2_link *link, uint64_t id, struct sg_error *err);

#endif
