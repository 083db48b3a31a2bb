/* SPDX-License-Identifier: MIT
 * The workers, and the queue in front of them. Jobs wait in one flow per connection and workers take from the
 * flows in turn: a client that sends a thousand frames ahead delays its neighbours by one job per turn.
 */
#ifndef SG_ADMISSION_POOL_H
#define SG_ADMISSION_POOL_H

#include "admission/job.h"

#define SG_POOL_MAX_WORKERS 256

struct sg_pool;

/* The jobs of one connection that wait for a worker. Zeroed at first; guarded by the pool's lock. */
struct sg_flow {
    struct sg_mail_node *first, *last;
    struct sg_flow *next; /* in the pool's ring of flows that have jobs */
    int count;
};

/* Starts workers ("sight-w0", …), each opens its own state, all at the same time; returns when all have.
 * Done jobs go into `done`, replies encoded. workers 0 = one per core. SG_E_NOMEM, or what ops->open said. */
int sg_pool_create(int workers, const struct sg_job_ops *ops, struct sg_mailbox *done,
                   struct sg_pool **out_pool, struct sg_error *err);
int sg_pool_workers(const struct sg_pool *pool);
/* Jobs queued and running. Any thread. */
int sg_pool_in_flight(const struct sg_pool *pool);
/* Takes the job; cannot fail. Any thread; jobs of one flow start in the order submitted. */
void sg_pool_submit(struct sg_pool *pool, struct sg_flow *flow, struct sg_job *job);
/* Takes back the jobs of the flow that no worker has begun, as a chain in order; afterwards the pool does not
 * know the flow and its memory may go. */
struct sg_mail_node *sg_pool_withdraw(struct sg_pool *pool, struct sg_flow *flow);
/* Takes back that one job of the flow; false when a worker has begun it. */
bool sg_pool_withdraw_job(struct sg_pool *pool, struct sg_flow *flow, struct sg_job *job);
/* Jobs of the flow that no worker has begun. */
int sg_pool_waiting(struct sg_pool *pool, const struct sg_flow *flow);
/* Jobs running, and those that start before a job submitted to the flow now would: flows take turns. */
int sg_pool_ahead(struct sg_pool *pool, const struct sg_flow *flow);
/* Workers end after the job they are at, queued jobs come back unrun through `done` with SG_E_SHUTDOWN; waits
 * for the threads, each closes its state. */
void sg_pool_stop(struct sg_pool *pool);
/* Stops if need be. */
void sg_pool_destroy(struct sg_pool **pool);

#endif
