/* SPDX-License-Identifier: MIT
 * Workers take pictures in order and hang them into a queue before they begin; the main thread writes from
 * the head of that queue whatever is done. One lock guards the queue, the feed and the counters.
 */
#include "app/batch.h"

#include "app/annotate.h"
#include "app/command.h"
#include "app/progress.h"
#include "base/clock.h"
#include "base/thread.h"
#include "sink/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AHEAD_PER_WORKER 16     /* pictures that may be done before the one that is written next */
#define WAIT_US          100000 /* between looks at *stop */

struct job {
    struct job *next;
    struct sg_batch_picture picture;
    struct sg_buf text;
    char note[SG_FILE_PATH_MAX + 16]; /* a line for the table */
    bool done;
    bool fatal;                /* a file could not be written: the run ends */
    struct sg_error err, side; /* of the picture; of drawing it */
};

struct batch {
    const struct sg_batch_plan *plan;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job is done, or there is room, or news */
    struct job *head, *tail;
    int queued, limit;
    int opened, running; /* workers */
    bool closed;         /* take no more */
    struct sg_error open_err;
};

struct worker {
    struct batch *batch;
    struct sg_thread thread;
    void *state;
    struct sg_annotator annotator;
    struct sg_result result;
    struct sg_buf file;
};

static void free_job(struct job *job)
{
    free(job->picture.path);
    free(job->picture.name);
    free(job->picture.stem);
    sg_buf_fini(&job->text);
    free(job);
}

static void wait_a_moment(struct batch *batch)
{
    (void)sg_cond_wait_until(&batch->changed, &batch->lock, sg_clock_us() + WAIT_US);
}

/* The next picture to work on, NULL when there is none any more. */
static struct job *take(struct batch *batch)
{
    struct job *job = calloc(1, sizeof(*job));
    int got = job ? 0 : SG_E_NOMEM;

    pthread_mutex_lock(&batch->lock);
    while (!batch->closed && got == 0) {
        got = batch->queued < batch->limit ? batch->plan->feed(batch->plan->feed_ctx, &job->picture) : 0;
        if (got == 0)
            wait_a_moment(batch);
    }
    if (got == SG_BATCH_GIVEN) {
        sg_buf_init(&job->text, SG_SINK_ITEM_MAX);
        *(batch->tail ? &batch->tail->next : &batch->head) = job;
        batch->tail = job;
        batch->queued++;
    } else {
        batch->closed = true;
        if (got < 0 && batch->open_err.code == SG_OK)
            sg_error_set(&batch->open_err, (enum sg_err)got, "no memory for the next picture");
        if (job)
            free_job(job);
        job = NULL;
    }
    pthread_mutex_unlock(&batch->lock);
    return job;
}

static int read_file(const struct sg_batch_plan *plan, const char *path, struct sg_buf *file,
                     struct sg_error *err)
{
    int code;

    sg_buf_clear(file);
    code = sg_buf_append_file(file, strcmp(path, "-") == 0 ? "/dev/stdin" : path);
    if (code == SG_E_TOO_LARGE)
        return sg_error_set(err, SG_E_TOO_LARGE, "\"%s\" is larger than %lld bytes (--max-image-bytes)", path,
                            (long long)plan->max_image_bytes);
    return code < 0 ? sg_error_set(err, (enum sg_err)code, "cannot read \"%s\": %s", path, strerror(errno))
                    : 0;
}

static void draw(struct worker *worker, struct job *job)
{
    const struct sg_batch_plan *plan = worker->batch->plan;
    char path[SG_FILE_PATH_MAX] = "";
    int code = sg_annotator_write(&worker->annotator, &job->picture, &worker->file, &worker->result, path,
                                  &job->side);

    job->fatal = code == SG_E_IO;
    if (code == 0 && plan->note_drawn && path[0])
        snprintf(job->note, sizeof(job->note), "  drawn: %s\n", path);
}

static void work_on(struct worker *worker, struct job *job)
{
    const struct sg_batch_plan *plan = worker->batch->plan;
    struct sg_sink_item item = {.source = job->picture.path,
                                .name = job->picture.name,
                                .stem = job->picture.stem,
                                .result = &worker->result};
    int code = read_file(plan, job->picture.path, &worker->file, &job->err);

    sg_result_clear(&worker->result);
    worker->result.width = worker->result.height = 0;
    if (code == 0)
        code = plan->ops->run(worker->state, &worker->file, &worker->result, &job->err);
    if (code == SG_E_SHUTDOWN) {
        job->side = job->err;
        job->fatal = true;
        return;
    }
    if (code == 0 && (plan->annotate || plan->crop))
        draw(worker, job);
    item.err = code < 0 ? &job->err : NULL;
    code = sg_sink_format_item(plan->sink, &item, &job->text);
    if (code == 0 && job->note[0])
        code = sg_buf_append_text(&job->text, job->note);
    if (code < 0) {
        sg_error_set(&job->side, (enum sg_err)code, "no memory for the text of \"%s\"", job->picture.path);
        job->fatal = true;
    }
}

static int open_worker(struct worker *worker, struct sg_error *err)
{
    const struct sg_batch_plan *plan = worker->batch->plan;
    struct sg_decode_limits limits = {(size_t)plan->max_image_bytes, plan->max_pixels};
    int code = plan->ops->open(plan->ctx, &worker->state, err);

    sg_buf_init(&worker->file, (size_t)plan->max_image_bytes);
    if (code == 0 && (plan->annotate || plan->crop))
        code = sg_annotator_init(&worker->annotator, plan->annotate, plan->crop, plan->guard, &limits, err);
    return code;
}

static void close_worker(struct worker *worker)
{
    if (worker->state)
        worker->batch->plan->ops->close(worker->state);
    sg_annotator_fini(&worker->annotator);
    sg_result_fini(&worker->result);
    sg_buf_fini(&worker->file);
}

static void run_worker(void *arg)
{
    struct worker *worker = arg;
    struct batch *batch = worker->batch;
    struct sg_error err = {0};
    struct job *job;
    int code = open_worker(worker, &err);

    pthread_mutex_lock(&batch->lock);
    if (code < 0 && batch->open_err.code == SG_OK)
        batch->open_err = err;
    batch->closed = batch->closed || code < 0;
    pthread_mutex_unlock(&batch->lock);
    while (code == 0 && (job = take(batch)) != NULL) {
        work_on(worker, job);
        pthread_mutex_lock(&batch->lock);
        job->done = true;
        pthread_cond_broadcast(&batch->changed);
        pthread_mutex_unlock(&batch->lock);
    }
    close_worker(worker);
    pthread_mutex_lock(&batch->lock);
    batch->running--;
    pthread_cond_broadcast(&batch->changed);
    pthread_mutex_unlock(&batch->lock);
}

/* Lock held. */
static void look_at_stop(struct batch *batch, struct sg_batch_totals *totals)
{
    if (*batch->plan->stop == 0 || totals->stopped)
        return;
    totals->stopped = true;
    batch->closed = true;
    pthread_cond_broadcast(&batch->changed);
}

/* The oldest picture once it is done; NULL when all are written and no worker is left. */
static struct job *next_done(struct batch *batch, struct sg_progress *progress,
                             struct sg_batch_totals *totals)
{
    struct job *job;

    pthread_mutex_lock(&batch->lock);
    look_at_stop(batch, totals); /* also where writing is the slow part and there is never one to wait for */
    while (batch->head ? !batch->head->done : batch->running > 0) {
        sg_progress_tick(progress);
        wait_a_moment(batch);
        look_at_stop(batch, totals);
    }
    job = batch->head;
    if (job) {
        batch->head = job->next;
        batch->tail = batch->head ? batch->tail : NULL;
        batch->queued--;
        pthread_cond_broadcast(&batch->changed);
    }
    pthread_mutex_unlock(&batch->lock);
    return job;
}

/* One more that failed; its name is kept for the end. */
static void note_failure(struct sg_batch_totals *totals, struct job *job)
{
    if (totals->failed < SG_BATCH_NAMED_MAX) {
        totals->failures[totals->failed] = job->picture.path;
        job->picture.path = NULL;
    }
    totals->failed++;
}

static int write_job(const struct sg_batch_plan *plan, struct job *job, struct sg_progress *progress,
                     struct sg_batch_totals *totals, struct sg_error *err)
{
    const struct sg_sink_item item = {
        .source = job->picture.path, .name = job->picture.name, .stem = job->picture.stem};
    int code;

    if (job->fatal) { /* without its drawing the picture is not done */
        *err = job->side;
        return err->code;
    }
    if (isatty(STDOUT_FILENO))
        sg_progress_clear(progress);
    code = sg_sink_put(plan->sink, &item, &job->text, err);
    if (code == SG_E_INVALID) /* of this picture only */
        job->side = *err;
    else if (code < 0)
        return code;
    sg_error_clear(err);
    if ((job->err.code != SG_OK && plan->tell_failures) || job->side.code != SG_OK) {
        sg_progress_clear(progress);
        sg_command_say(plan->command, "%s: %s", job->picture.path,
                       job->err.code != SG_OK ? job->err.text : job->side.text);
    }
    if (job->err.code != SG_OK || job->side.code != SG_OK)
        note_failure(totals, job);
    progress->done = ++totals->done;
    progress->failed = totals->failed;
    sg_progress_tick(progress);
    return 0;
}

static int start(struct batch *batch, struct worker *workers, struct sg_error *err)
{
    int i, code = 0;

    for (i = 0; i < batch->plan->workers && code == 0; i++) {
        workers[i].batch = batch;
        batch->running++; /* no lock: this worker is not there yet */
        code = sg_thread_start(&workers[i].thread, run_worker, &workers[i], err, "sight-b%d", i);
        batch->running -= code < 0;
    }
    return code;
}

int sg_batch_run(const struct sg_batch_plan *plan, struct sg_batch_totals *totals, struct sg_error *err)
{
    struct worker *workers = calloc((size_t)plan->workers, sizeof(*workers));
    struct batch batch = {.plan = plan, .limit = AHEAD_PER_WORKER * plan->workers};
    struct sg_progress progress;
    struct job *job;
    int i, code = 0;

    if (!workers)
        return sg_error_set(err, SG_E_NOMEM, "no memory for %d workers", plan->workers);
    pthread_mutex_init(&batch.lock, NULL);
    pthread_cond_init(&batch.changed, NULL);
    sg_progress_init(&progress, plan->total, plan->progress);
    pthread_mutex_lock(&batch.lock);
    code = start(&batch, workers, err);
    batch.closed = code < 0;
    pthread_mutex_unlock(&batch.lock);
    while ((job = next_done(&batch, &progress, totals)) != NULL) {
        if (code == 0)
            code = write_job(plan, job, &progress, totals, err);
        if (code < 0) {
            pthread_mutex_lock(&batch.lock);
            batch.closed = true;
            pthread_cond_broadcast(&batch.changed);
            pthread_mutex_unlock(&batch.lock);
        }
        free_job(job);
    }
    sg_progress_clear(&progress);
    for (i = 0; i < plan->workers; i++)
        sg_thread_join(&workers[i].thread);
    if (code == 0 && batch.open_err.code != SG_OK) {
        *err = batch.open_err;
        code = err->code;
    }
    pthread_cond_destroy(&batch.changed);
    pthread_mutex_destroy(&batch.lock);
    free(workers);
    return code;
}
