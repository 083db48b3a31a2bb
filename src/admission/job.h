/* SPDX-License-Identifier: MIT
 * A job: one picture on its way from the bytes a client sent to the reply it gets. Has one owner at a time
 * (the loop thread, then a worker, then the loop thread again); moving it moves ownership. Recycled with its
 * memory, so that steady state allocates nothing.
 */
#ifndef SG_ADMISSION_JOB_H
#define SG_ADMISSION_JOB_H

#include "admission/fair_share.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/mailbox.h"
#include "data/request.h"
#include "data/result.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SG_JOB_KEEP_BYTES  ((size_t)2 << 20)  /* a larger buffer is freed with its job */
#define SG_JOB_STORE_COUNT 64                 /* jobs kept for reuse */
#define SG_JOB_STORE_BYTES ((size_t)64 << 20) /* their payloads, replies and results together */
#define SG_JOB_REPLY_BYTES ((size_t)64 << 20) /* a native reply with a drawn picture is the largest */

#define SG_JOB_NAME_MAX 64 /* bytes of a request id */

/* The reply is the picture with what was found drawn in: run writes it into job->reply, encode leaves it. */
enum sg_job_annotate { SG_JOB_ANNOTATE_NO, SG_JOB_ANNOTATE_JPEG, SG_JOB_ANNOTATE_PNG };

struct sg_flow; /* admission/pool.h */
struct sg_job;

/* Who has jobs done: connections, cameras. One of a kind stands for all of the kind, and outlives every job;
 * what owner_key names may be gone by then. */
struct sg_job_owner {
    /* On the loop thread: a done job, taken. */
    void (*done)(struct sg_job_owner *owner, struct sg_job *job);
};

struct sg_job {
    struct sg_mail_node mail; /* link of the queue, mailbox or free list it is in */
    struct sg_job *next;      /* link of the sg_job_list of its owner */

    uint64_t id;                /* counts up from 1 over the server's life */
    struct sg_job_owner *owner; /* whom it goes back to */
    uint64_t owner_key;         /* which of the owner's: looked up, never a pointer */

    struct sg_buf bytes; /* the picture, encoded or pixels */
    struct sg_job_pixels pixels;
    void *pipeline; /* retained by sg_job_ops.pipeline_get; NULL before admission */
    struct sg_job_options options;
    enum sg_job_annotate annotate;
    char name[SG_JOB_NAME_MAX + 1]; /* the request id that its client gave it, or "" */
    int64_t deadline_us;            /* sg_clock_us; 0 = none */
    int64_t expected_wait_us; /* foreseen when it was admitted, 0 = not known; of jobs with a deadline */
    int64_t service_us;       /* what it takes at the most, as a rule; likewise */
    _Atomic bool cancelled;   /* set by the loop thread at any time: the client has gone */

    struct sg_result result;
    struct sg_error error; /* code SG_OK = result holds */
    struct sg_buf reply;
    /* Called by the worker after run, also when error is set: writes the reply of the job's protocol. */
    int (*encode)(struct sg_job *job);
    const void *encode_arg; /* what it needs besides; unchanging while jobs are out */
    uint64_t tag;           /* the owner's own: how it names the request */

    int64_t received_us; /* the last byte of the picture was there */
    int64_t queued_us;   /* admitted */
    int64_t started_us;  /* taken by a worker; 0 when it never was */
    int64_t done_us;     /* reply written */

    int worker;                   /* index of the worker, -1 before */
    int in_flight_at_start;       /* jobs in the pool when it was taken, itself included: 1 = alone */
    const _Atomic int *in_flight; /* the same number now; see sg_job_in_flight */

    /* Of the loop thread. */
    struct sg_share_member *member; /* whose it is; a reference, or NULL */
    size_t charged_bytes;           /* held at the gate for its payload */
    struct sg_flow *parked;         /* the flow it will be of, while its pipeline loads; else NULL */
    bool admitted;                  /* holds a place at the gate */
    bool in_pool;                   /* a worker, or a queue to or from them, owns it */
    bool finished;                  /* reply is ready to be sent in its turn */
};

/* The work, handed to the pool and the server by app. */
struct sg_job_ops {
    void *ctx;
    /* On the worker's own thread, once, before any job; workers open at the same time. */
    int (*open)(void *ctx, int worker, void **out_state, struct sg_error *err);
    /* On the worker's thread: fills job->result or job->error, and result.timing_us but for queue, encode and
     * total. Looks at job->cancelled and job->deadline_us between steps. */
    void (*run)(void *state, struct sg_job *job);
    void (*close)(void *state);
    /* On the loop thread: a reference to the pipeline of that name (NULL = the default one) that keeps it
     * alive until pipeline_put. NULL with err set when there is none. */
    void *(*pipeline_get)(void *ctx, const char *name, struct sg_error *err);
    void (*pipeline_put)(void *ctx, void *pipeline);
    /* On the loop thread: whether it can run; jobs wait until it can. NULL = always. A job whose deadline has
     * passed, or that waits in vain, is run all the same, and run says so. */
    bool (*pipeline_ready)(void *ctx, void *pipeline);
    /* On the loop thread: the name of pipeline `index`, NULL past the last one; borrowed until the loop goes
     * on. May be NULL when nothing is to be listed. */
    const char *(*pipeline_name)(void *ctx, int index, bool *out_default);
};

/* Jobs in the pool at this moment, this one included. Any thread, while the job is in the pool: the choice
 * between all cores (1) and one core per job can be made, and changed, at every step. */
static inline int sg_job_in_flight(const struct sg_job *job)
{
    return atomic_load_explicit(job->in_flight, memory_order_relaxed);
}

/* As sg_job_expired, before it is begun: also when it could not be done by its deadline any more. */
int sg_job_hopeless(struct sg_job *job, int64_t now_us);
/* SG_E_CANCELLED, SG_E_DEADLINE or 0; sets job->error. For the gaps between steps. Worker's thread. */
int sg_job_expired(struct sg_job *job, int64_t now_us);

/* Jobs that an owner waits for, in the order in which they came. Loop thread only. */
struct sg_job_list {
    struct sg_job *first, *last;
    int count;
};

void sg_job_list_append(struct sg_job_list *list, struct sg_job *job);
/* Nothing when it is not in the list. */
void sg_job_list_remove(struct sg_job_list *list, struct sg_job *job);

/* Jobs at rest. Loop thread only. */
struct sg_job_store {
    struct sg_mail_node *free_jobs; /* the one used last comes first: its memory is warm */
    int count;
    size_t bytes;
};

void sg_job_store_init(struct sg_job_store *store);
void sg_job_store_fini(struct sg_job_store *store);
/* An empty job (memory of former lives behind bytes, reply and result); NULL when memory ran out. */
struct sg_job *sg_job_store_take(struct sg_job_store *store);
/* Takes it back; the pipeline and the gate's charges have been given back before. */
void sg_job_store_give(struct sg_job_store *store, struct sg_job **take_job);

#endif
