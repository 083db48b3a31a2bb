/* SPDX-License-Identifier: MIT
 * The one place where work is admitted, refused or made to wait: counts jobs, the bytes of their pictures
 * and the memory of all that. Loop thread only.
 *
 * A protocol that can say "busy" passes no waiter and is refused at once. One that cannot (seed frames have
 * no retry) passes a waiter and stops reading its connection: TCP then slows the client down and no frame is
 * lost. Waiters are served in the order they came, one grant each, so that connections take turns; one that
 * is over its share (admission/fair_share.h) is passed over meanwhile. Who does not wait asks
 * sg_gate_over_jobs and _bytes first.
 */
#ifndef SG_ADMISSION_GATE_H
#define SG_ADMISSION_GATE_H

#include "admission/fair_share.h"

#include <stdbool.h>
#include <stddef.h>

#define SG_GATE_JOB_BYTES ((size_t)96 << 10) /* job, result and reply of one admitted job, for max_memory */

struct sg_gate_limits {
    int max_jobs;      /* admitted and not yet answered */
    size_t max_bytes;  /* buffers of encoded pictures, those still arriving included */
    size_t max_memory; /* those buffers, admitted jobs and replies that clients have not read */
};

enum sg_gate_want { SG_GATE_NOTHING, SG_GATE_JOB, SG_GATE_BYTES };

/* Belongs to a connection; zeroed at first. */
struct sg_gate_waiter {
    struct sg_gate_waiter *previous, *next;
    enum sg_gate_want want; /* what it waits for */
    struct sg_share_member *member;
    bool begun; /* part of its picture is here: its share of bytes is asked only for new ones */
    size_t bytes;
    /* What was wanted has been taken for the waiter; called by sg_gate_serve only. */
    void (*granted)(struct sg_gate_waiter *waiter);
};

struct sg_gate_queue {
    struct sg_gate_waiter *first, *last;
};

struct sg_gate {
    struct sg_gate_limits limits;
    int jobs;
    size_t bytes;
    size_t unsent;                          /* replies that wait for their readers */
    const struct sg_gate_waiter *overdrawn; /* may go beyond the limits so that something can move */
    struct sg_gate_queue job_queue, byte_queue;
    sg_share_tree addresses;
};

void sg_gate_init(struct sg_gate *gate, const struct sg_gate_limits *limits);
/* 0: taken, and counted for the member (NULL = for nobody). SG_E_BUSY: not taken; with a waiter it now stands
 * in the queue. A waiter must not stand in one already. */
int sg_gate_take_job(struct sg_gate *gate, struct sg_share_member *member, struct sg_gate_waiter *waiter);
int sg_gate_take_bytes(struct sg_gate *gate, struct sg_share_member *member, size_t bytes,
                       struct sg_gate_waiter *waiter);
void sg_gate_give_job(struct sg_gate *gate, struct sg_share_member *member);
void sg_gate_give_bytes(struct sg_gate *gate, struct sg_share_member *member, size_t bytes);
/* The member's connection or address holds as many places, or bytes, as it may at present. For a picture that
 * has arrived only places count: it is a job that gives bytes back. */
bool sg_gate_over_jobs(const struct sg_gate *gate, const struct sg_share_member *member);
bool sg_gate_over_bytes(const struct sg_gate *gate, const struct sg_share_member *member);
/* The waiter's picture is complete, or its connection has gone: it waits no longer. */
void sg_gate_leave(struct sg_gate *gate, struct sg_gate_waiter *waiter);
/* Serves waiters as far as the limits allow. unsent: bytes of replies not read by clients. The loop calls it
 * once per turn, outside every other callback, so that `granted` may do what it likes. */
void sg_gate_serve(struct sg_gate *gate, size_t unsent);

#endif
