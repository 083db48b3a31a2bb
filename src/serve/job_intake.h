/* SPDX-License-Identifier: MIT
 * What every protocol does with jobs: take an empty one, charge the gate for its bytes, have it admitted,
 * hand it to the workers, and give everything back at the end. Keeps the server's counters. Loop thread only.
 */
#ifndef SG_SERVE_JOB_INTAKE_H
#define SG_SERVE_JOB_INTAKE_H

#include "admission/gate.h"
#include "admission/job.h"
#include "admission/latency.h"
#include "admission/pool.h"
#include "serve/metrics.h"

#define SG_INTAKE_DISCARD ((size_t)64 << 10)

/* Written by the loop thread, readable by any (relaxed). */
struct sg_counters {
    _Atomic uint64_t accepted;             /* connections */
    _Atomic uint64_t refused;              /* connections over the limit */
    _Atomic uint64_t requests;             /* jobs handed to the workers */
    _Atomic uint64_t replies;              /* replies sent, errors included */
    _Atomic uint64_t dropped;              /* jobs whose client had gone */
    _Atomic uint64_t errors[SG_ERR_COUNT]; /* error replies by code, index -1 - code */
};

struct sg_intake {
    const struct sg_job_ops *ops;
    struct sg_job_owner *connections; /* owner of jobs that come over them */
    struct sg_gate gate;
    struct sg_job_store store;
    struct sg_mailbox done;
    struct sg_pool *pool; /* NULL until the workers have started */
    struct sg_latency latency;
    uint64_t job_serial;
    int outstanding;             /* jobs handed to the pool, or parked, and not yet back */
    struct sg_mail_node *parked; /* submitted before their pipeline was loaded; oldest first */
    struct sg_counters counters;
    struct sg_metrics *metrics;         /* or NULL */
    uint8_t discard[SG_INTAKE_DISCARD]; /* where bytes of refused pictures go */
};

void sg_counter_add(_Atomic uint64_t *counter, uint64_t n);

/* wake is called by workers when replies are there. */
void sg_intake_init(struct sg_intake *intake, const struct sg_gate_limits *limits, void (*wake)(void *arg),
                    void *wake_arg);
/* The pool must have been destroyed. Drops what is left in the mailbox. */
void sg_intake_fini(struct sg_intake *intake);

/* An empty job of that member (NULL = nobody's); NULL when memory ran out. */
struct sg_job *sg_intake_take(struct sg_intake *intake, struct sg_share_member *member);
/* The member has as many jobs, or bytes of pictures, as is its share. */
bool sg_intake_over(const struct sg_intake *intake, const struct sg_share_member *member);
/* For those that refuse instead of waiting: SG_E_TOO_MANY with err set when the member is over its share.
 * arrived: the picture is there, so that bytes do not count any more. */
int sg_intake_share(const struct sg_intake *intake, const struct sg_share_member *member, bool arrived,
                    struct sg_error *err);
/* Charges the gate so that the job may hold `capacity` bytes of picture. 0; SG_E_BUSY (with a waiter: it is
 * queued, and its `granted` must call sg_intake_charged). */
int sg_intake_charge(struct sg_intake *intake, struct sg_job *job, size_t capacity,
                     struct sg_gate_waiter *waiter);
void sg_intake_charged(struct sg_job *job, const struct sg_gate_waiter *waiter);
/* A place for the complete job. 0; SG_E_BUSY as above, where `granted` must set job->admitted. */
int sg_intake_admit(struct sg_intake *intake, struct sg_job *job, struct sg_gate_waiter *waiter);
/* Gives the job its pipeline (NULL = the default one), for protocols that want to know before the picture
 * comes. On failure job->error says why. */
int sg_intake_pipeline(struct sg_intake *intake, struct sg_job *job, const char *pipeline);
/* Whether the job, given its pipeline, can make its deadline by the live p95 if it is submitted now. 0, or
 * SG_E_DEADLINE with job->error set and *out_retry_ms: after how long the queue should be short enough, 0 =
 * it takes longer than that even alone. */
int sg_intake_deadline(struct sg_intake *intake, const struct sg_flow *flow, struct sg_job *job,
                       int64_t *out_retry_ms);
/* When a request refused with SG_E_BUSY or SG_E_TOO_MANY may come again, in ms, above 0. */
int64_t sg_intake_retry_ms(const struct sg_intake *intake);
/* Gives an admitted job its id, and its pipeline unless it has one, and hands it to the workers, or parks it
 * while the pipeline loads; the flow must stay where it is until it is withdrawn. On failure (no such
 * pipeline) the job stays the caller's and job->error says why. */
int sg_intake_submit(struct sg_intake *intake, struct sg_flow *flow, struct sg_job *job,
                     const char *pipeline);
/* Hands parked jobs to the workers: those that can run now, and those whose deadline has passed, so that they
 * are answered; all of them when there is nothing to wait for any more. */
void sg_intake_unpark(struct sg_intake *intake, bool all);
/* The owner of the flow and of these jobs has gone: what waits or is done is dropped, what a worker has begun
 * is cancelled and comes back to an owner that is no more. */
void sg_intake_leave(struct sg_intake *intake, struct sg_flow *flow, struct sg_job_list *jobs);
/* Takes that job back; false when a worker has begun it. */
bool sg_intake_withdraw_job(struct sg_intake *intake, struct sg_flow *flow, struct sg_job *job);
/* Done jobs, oldest first, linked by mail.next. Each counts as in_pool until the caller gives it to its
 * session: answering one may end the session, which must not drop those of its jobs that come later in the
 * chain. */
struct sg_mail_node *sg_intake_collect(struct sg_intake *intake);
/* Gives back all that the job holds, and the job. */
void sg_intake_drop(struct sg_intake *intake, struct sg_job **take_job);
/* Counts a reply with that error code (SG_OK = a result). */
void sg_intake_replied(struct sg_intake *intake, int code);
/* The same for the reply of a job, with its stages. */
void sg_intake_answered(struct sg_intake *intake, const struct sg_job *job, enum sg_protocol protocol);

#endif
