/* SPDX-License-Identifier: MIT
 * Batches over one lock. A batch is led by whoever took its first seat: it alone calls the model, without the
 * lock. Batches at rest are kept for reuse.
 */
#include "pipeline/batch.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct sg_batch {
    struct sg_batch *next; /* at rest */
    struct sg_runner *runner;
    char *data;
    size_t item_bytes;
    int joined, filled, left;
    bool done;
    int code;
    struct sg_error err;
    pthread_cond_t changed;
};

struct sg_batcher {
    struct sg_model *model;
    int max;
    int64_t delay_us;
    pthread_mutex_t lock; /* guards all below and what changes in batches */
    struct sg_batch *open, *rest;
    uint64_t runs, pictures;
};

int sg_batcher_create(struct sg_model *model, int max, int64_t delay_us, struct sg_batcher **out_batcher)
{
    struct sg_batcher *batcher = calloc(1, sizeof(*batcher));

    *out_batcher = batcher;
    if (!batcher)
        return SG_E_NOMEM;
    batcher->model = model;
    batcher->max = max < 2 ? 2 : max > SG_MODEL_MAX_BATCH ? SG_MODEL_MAX_BATCH : max;
    batcher->delay_us = delay_us;
    pthread_mutex_init(&batcher->lock, NULL);
    return 0;
}

static void batch_free(struct sg_batch *batch)
{
    pthread_cond_destroy(&batch->changed);
    free(batch);
}

void sg_batcher_destroy(struct sg_batcher **batcher)
{
    struct sg_batcher *b = *batcher;

    *batcher = NULL;
    if (!b)
        return;
    while (b->rest) {
        struct sg_batch *batch = b->rest;

        b->rest = batch->next;
        batch_free(batch);
    }
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static struct sg_batch *batch_new(void)
{
    struct sg_batch *batch = calloc(1, sizeof(*batch));
    pthread_condattr_t attributes;

    if (!batch)
        return NULL;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&batch->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return batch;
}

/* A runner with room for the largest batch, which may stay there after a failure. The wide graph when it is
 * free: one run is to use all cores. */
static int equip(const struct sg_batcher *batcher, struct sg_batch *batch, struct sg_error *err)
{
    struct sg_tensor tensor = {0};
    int code = sg_model_borrow(batcher->model, true, &batch->runner, err);

    if (code == 0)
        code = sg_model_shape(batcher->model, batch->runner, &batcher->model->transform, batcher->max,
                              &tensor, &batch->item_bytes, err);
    batch->data = tensor.data;
    return code;
}

/* Lock held. */
static bool sit_down(struct sg_batcher *batcher, struct sg_batch_seat *seat)
{
    struct sg_batch *batch = batcher->open;

    if (!batch)
        return false;
    *seat = (struct sg_batch_seat){.batch = batch,
                                   .index = batch->joined,
                                   .data = batch->data + batch->item_bytes * (size_t)batch->joined};
    if (++batch->joined == batcher->max)
        batcher->open = NULL;
    return true;
}

static void rest(struct sg_batcher *batcher, struct sg_batch *batch)
{
    batch->joined = batch->filled = batch->left = batch->code = 0;
    batch->done = false;
    sg_error_clear(&batch->err);
    batch->next = batcher->rest;
    batcher->rest = batch;
}

int sg_batcher_join(struct sg_batcher *batcher, struct sg_batch_seat *seat, struct sg_error *err)
{
    struct sg_runner *spare = NULL;
    struct sg_batch *batch;
    bool seated;
    int code;

    pthread_mutex_lock(&batcher->lock);
    seated = sit_down(batcher, seat);
    batch = seated ? NULL : batcher->rest;
    if (batch)
        batcher->rest = batch->next;
    pthread_mutex_unlock(&batcher->lock);
    if (seated)
        return 0;
    if (!batch)
        batch = batch_new();
    if (!batch)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a batch");
    code = equip(batcher, batch, err);
    pthread_mutex_lock(&batcher->lock);
    /* Somebody else may have opened one meanwhile. */
    seated = code == 0 && sit_down(batcher, seat);
    if (code == 0 && !seated) {
        batcher->open = batch;
        sit_down(batcher, seat);
    } else {
        spare = batch->runner;
        batch->runner = NULL;
        rest(batcher, batch);
    }
    pthread_mutex_unlock(&batcher->lock);
    sg_model_return(batcher->model, &spare);
    return code;
}

static struct timespec at(int64_t us)
{
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

/* Lock held, let go while waiting: until the batch need not wait for more. Then it is closed and all who have
 * a seat have filled it. */
static void gather(struct sg_batcher *batcher, struct sg_batch *batch, const atomic_int *in_flight,
                   int workers)
{
    int64_t until = sg_clock_us() + batcher->delay_us;
    struct timespec deadline = at(until);

    while (batcher->open == batch && sg_clock_us() < until) {
        int others = in_flight ? atomic_load_explicit(in_flight, memory_order_relaxed) : batcher->max;

        if (workers > 0 && workers < others)
            others = workers;
        if (batch->filled == batch->joined && batch->joined >= others)
            break;
        pthread_cond_timedwait(&batch->changed, &batcher->lock, &deadline);
    }
    if (batcher->open == batch)
        batcher->open = NULL;
    while (batch->filled < batch->joined)
        pthread_cond_wait(&batch->changed, &batcher->lock);
}

static int run_model(const struct sg_batcher *batcher, struct sg_batch *batch, int items)
{
    struct sg_tensor tensor;
    size_t item_bytes;
    int code = sg_model_shape(batcher->model, batch->runner, &batcher->model->transform, items, &tensor,
                              &item_bytes, &batch->err);

    return code < 0 ? code : sg_runner_run(batch->runner, &batch->err);
}

int sg_batcher_run(struct sg_batcher *batcher, const struct sg_batch_seat *seat, const atomic_int *in_flight,
                   int workers, struct sg_error *err)
{
    struct sg_batch *batch = seat->batch;
    int code, items;

    pthread_mutex_lock(&batcher->lock);
    batch->filled++;
    pthread_cond_broadcast(&batch->changed);
    if (seat->index == 0) {
        gather(batcher, batch, in_flight, workers);
        items = batch->joined;
        batcher->runs++;
        batcher->pictures += (uint64_t)items;
        pthread_mutex_unlock(&batcher->lock);
        code = run_model(batcher, batch, items);
        pthread_mutex_lock(&batcher->lock);
        batch->code = code;
        batch->done = true;
        pthread_cond_broadcast(&batch->changed);
    }
    while (!batch->done)
        pthread_cond_wait(&batch->changed, &batcher->lock);
    code = batch->code;
    if (code < 0 && err)
        *err = batch->err;
    pthread_mutex_unlock(&batcher->lock);
    return code;
}

const struct sg_tensor *sg_batcher_outputs(const struct sg_batch_seat *seat, int *out_count)
{
    return sg_runner_outputs(seat->batch->runner, out_count);
}

void sg_batcher_leave(struct sg_batcher *batcher, struct sg_batch_seat *seat)
{
    struct sg_batch *batch = seat->batch;
    struct sg_runner *runner = NULL;

    seat->batch = NULL;
    pthread_mutex_lock(&batcher->lock);
    if (++batch->left == batch->joined) {
        runner = batch->runner;
        batch->runner = NULL;
        rest(batcher, batch);
    }
    pthread_mutex_unlock(&batcher->lock);
    sg_model_return(batcher->model, &runner);
}

void sg_batcher_counts(struct sg_batcher *batcher, uint64_t *out_runs, uint64_t *out_pictures)
{
    pthread_mutex_lock(&batcher->lock);
    *out_runs = batcher->runs;
    *out_pictures = batcher->pictures;
    pthread_mutex_unlock(&batcher->lock);
}
