/* SPDX-License-Identifier: MIT
 * What the files of frame protocol v2 share: one connection. v2.c is the connection from its hello to its
 * end, v2_request.c a request from its head to its reply. Loop thread only.
 */
#ifndef SG_FRAMES_V2_PRIVATE_H
#define SG_FRAMES_V2_PRIVATE_H

#include "codec/v2_wire.h"
#include "serve/protocol.h"

struct v2 {
    struct sg_session base;
    struct sg_v2_reader reader;
    struct sg_job *job;      /* its picture is being received */
    struct sg_job_list jobs; /* with the workers, oldest first */
    unsigned window;
    struct sg_flow flow;
    int64_t frame_started_us; /* moved on by every pause of ours: only the client's own time counts */
    size_t frame_bytes;       /* received of the frame */
    int64_t paused_us;        /* 0 while reading */
    int64_t linger_ms;
    bool ending; /* reads no more; finishes when the last reply is out */
};

/* Functions that return bool say false when the connection was lost or has ended: v2 is gone then. */

/* v2.c */
/* Closes now. Jobs that workers hold come back to a connection that is no more, and are dropped there. */
void v2_abandon(struct sg_session *session);
bool v2_send(struct v2 *v2, const void *data, size_t size);
bool v2_send_error(struct v2 *v2, uint64_t id, const struct sg_error *error, int64_t retry_ms);
void v2_set_deadline(struct v2 *v2);
/* After every step: ends when all is said, else reading goes on, the client's time extended by our pause. */
bool v2_settle(struct v2 *v2);
/* No request is taken after it; those with the workers are still answered. */
bool v2_end_with_error(struct v2 *v2, const struct sg_error *error);

/* v2_request.c */
/* The head of a request is there: what can be known before its picture is decided now. */
bool v2_request_begin(struct v2 *v2);
/* Where the picture goes on; size stays 0 when it is refused instead. */
bool v2_request_want(struct v2 *v2, uint8_t **out_data, size_t *out_size);
/* The picture is complete. */
bool v2_request_submit(struct v2 *v2);
/* A job that is no worker's: out of the list, and its reply goes out. */
bool v2_request_answer(struct v2 *v2, struct sg_job *job);
/* The client wants no answer to that request any more. */
bool v2_request_cancel(struct v2 *v2, uint64_t id);
bool v2_window_full(const struct v2 *v2);

#endif
