/* SPDX-License-Identifier: MIT
 * Whether pictures of several jobs are worth one run: measured after the start, on this machine, with this
 * model. Called by whoever widens a model; a shared machine makes both sides slower.
 */
#include "base/clock.h"
#include "base/log.h"
#include "model/model_private.h"

#define GAIN_RUNS  3    /* the fastest counts */
#define GAIN_LEAST 1.1f /* below this waiting for others is not worth it */

/* The fastest run on `items` pictures, in microseconds; negative: an error. */
static int64_t fastest(struct sg_model *model, struct sg_graph *graph, int items, struct sg_error *err)
{
    struct sg_runner *runner = NULL;
    int64_t best = INT64_MAX, began;
    int i, code = sg_runner_create(graph, &runner, err);

    if (code == 0)
        code = sg_probe_run(model, runner, items, err);
    for (i = 0; i < GAIN_RUNS && code == 0; i++) {
        began = sg_clock_us();
        code = sg_runner_run(runner, err);
        if (sg_clock_us() - began < best)
            best = sg_clock_us() - began;
    }
    sg_runner_destroy(&runner);
    return code < 0 ? code : best > 0 ? best : 1;
}

static int items_of(const struct sg_model *model, int threads)
{
    return threads < model->max_batch ? threads : model->max_batch;
}

float sg_model_batch_gain(struct sg_model *model, int threads)
{
    int items = items_of(model, threads);
    struct sg_error err = {0};
    int64_t one, many;

    if (!model->batches || !model->narrow || !model->wide || items < 2 ||
        sg_model_task(model) != SG_TASK_DETECT)
        return 0.0f;
    one = fastest(model, model->narrow, 1, &err);
    many = one < 0 ? one : fastest(model, model->wide, items, &err);
    if (many < 0)
        return 0.0f; /* one by one it has run before */
    /* In the time of one run per core, `threads` pictures are done; in that of the batch, `items`. */
    return (float)one / (float)threads / ((float)many / (float)items);
}

void sg_model_measure_batch(struct sg_model *model, int threads)
{
    float gain = sg_model_batch_gain(model, threads);
    bool pays = gain >= GAIN_LEAST;

    if (gain <= 0.0f)
        return;
    atomic_store_explicit(&model->batch_pays, pays, memory_order_relaxed);
    sg_log(SG_LOG_DEBUG, "batching was measured", "model=%s batch=%d gain=%.2f used=%s", model->name,
           items_of(model, threads), (double)gain, pays ? "yes" : "no");
}

bool sg_model_batch_pays(const struct sg_model *model)
{
    return atomic_load_explicit(&model->batch_pays, memory_order_relaxed);
}
