/* SPDX-License-Identifier: MIT
 * Recycling of jobs.
 */
#include "admission/job.h"

#include <stdlib.h>
#include <string.h>

int sg_job_expired(struct sg_job *job, int64_t now_us)
{
    if (atomic_load_explicit(&job->cancelled, memory_order_relaxed))
        return sg_error_set(&job->error, SG_E_CANCELLED, "the request was cancelled or its client has gone");
    if (job->deadline_us != 0 && now_us > job->deadline_us)
        return sg_error_set(&job->error, SG_E_DEADLINE,
                            "the deadline passed %lld ms ago; allow more time or send less at once",
                            (long long)(now_us - job->deadline_us) / 1000);
    return 0;
}

int sg_job_hopeless(struct sg_job *job, int64_t now_us)
{
    int code = sg_job_expired(job, now_us);

    if (code == 0 && job->deadline_us != 0 && now_us + job->service_us > job->deadline_us)
        code =
            sg_error_set(&job->error, SG_E_DEADLINE,
                         "%lld ms were left when its turn came, such requests take up to %lld ms: it waited "
                         "longer than foreseen",
                         (long long)(job->deadline_us - now_us) / 1000, (long long)job->service_us / 1000);
    return code;
}

void sg_job_store_init(struct sg_job_store *store)
{
    *store = (struct sg_job_store){0};
}

static void job_free(struct sg_job *job)
{
    sg_buf_fini(&job->bytes);
    sg_buf_fini(&job->reply);
    sg_result_fini(&job->result);
    free(job);
}

static size_t kept_bytes(const struct sg_job *job)
{
    return job->bytes.capacity + job->reply.capacity + job->result.arena_bytes;
}

struct sg_job *sg_job_store_take(struct sg_job_store *store)
{
    struct sg_mail_node *node = store->free_jobs;
    struct sg_job *job;

    if (node) {
        job = sg_container_of(node, struct sg_job, mail);
        store->free_jobs = node->next;
        store->count--;
        store->bytes -= kept_bytes(job);
    } else {
        job = calloc(1, sizeof(*job));
        if (!job)
            return NULL;
        sg_buf_init(&job->bytes, 0);
        sg_buf_init(&job->reply, SG_JOB_REPLY_BYTES);
    }
    sg_job_options_init(&job->options);
    job->worker = -1;
    return job;
}

void sg_job_store_give(struct sg_job_store *store, struct sg_job **take_job)
{
    struct sg_job *job = *take_job, keep;

    *take_job = NULL;
    if (!job)
        return;
    if (job->bytes.capacity > SG_JOB_KEEP_BYTES)
        sg_buf_fini(&job->bytes);
    if (job->reply.capacity > SG_JOB_KEEP_BYTES)
        sg_buf_fini(&job->reply);
    sg_result_clear(&job->result);
    if (job->result.arena_bytes > SG_JOB_KEEP_BYTES)
        sg_result_fini(&job->result);
    if (store->count >= SG_JOB_STORE_COUNT || store->bytes + kept_bytes(job) > SG_JOB_STORE_BYTES) {
        job_free(job);
        return;
    }
    sg_buf_clear(&job->bytes);
    sg_buf_clear(&job->reply);
    keep = (struct sg_job){.bytes = job->bytes, .reply = job->reply, .result = job->result};
    *job = keep;
    job->mail.next = store->free_jobs;
    store->free_jobs = &job->mail;
    store->count++;
    store->bytes += kept_bytes(job);
}

void sg_job_store_fini(struct sg_job_store *store)
{
    struct sg_mail_node *node = store->free_jobs;

    while (node) {
        struct sg_job *job = sg_container_of(node, struct sg_job, mail);

        node = node->next;
        job_free(job);
    }
    sg_job_store_init(store);
}

void sg_job_list_append(struct sg_job_list *list, struct sg_job *job)
{
    job->next = NULL;
    if (list->last)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
    list->count++;
}

void sg_job_list_remove(struct sg_job_list *list, struct sg_job *job)
{
    struct sg_job **link = &list->first, *before = NULL;

    while (*link && *link != job) {
        before = *link;
        link = &before->next;
    }
    if (!*link)
        return;
    *link = job->next;
    if (list->last == job)
        list->last = before;
    list->count--;
}
