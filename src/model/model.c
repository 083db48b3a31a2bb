/* SPDX-License-Identifier: MIT
 * Opening a model and lending its runners. Opening runs on one thread; lending on any.
 */
#include "model/model.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "base/path.h"
#include "model/core_choice.h"
#include "model/file_kind.h"
#include "model/model_private.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_MAX_RUNNERS 256

struct sg_model_pool {
    pthread_mutex_t lock; /* guards all below; never held while calling out */
    struct sg_runner *narrow[POOL_MAX_RUNNERS];
    int narrow_count;
    struct sg_runner *wide; /* made by its first borrower, who alone touches it then */
    bool wide_out;
    struct sg_core_choice choice;
};

/* Of a model that nobody runs. */
static void drop_runners(struct sg_model_pool *pool)
{
    while (pool->narrow_count > 0)
        sg_runner_destroy(&pool->narrow[--pool->narrow_count]);
    sg_runner_destroy(&pool->wide);
}

void sg_model_drop_runners(struct sg_model *model)
{
    drop_runners(model->pool);
}

void sg_model_lean(struct sg_model *model, bool lean)
{
    if (model->narrow)
        sg_graph_lean(model->narrow, lean);
}

/* The graph of model->opened: the narrow one, or the wide one where that is all there will be. */
static int open_first(struct sg_model *model, bool narrow, struct sg_error *err)
{
    struct sg_graph **graph = narrow ? &model->narrow : &model->wide;
    int code = sg_graph_open(model->engine, model->path, &model->opened, graph, err);

    if (code == 0)
        model->signature = sg_graph_signature(*graph);
    return code;
}

/* Who says which engine it is: the card, else whoever opens the model. */
static const struct sg_engine_conf *engine_wish(const struct sg_model *model,
                                                const struct sg_model_options *options)
{
    const struct sg_engine_conf *card = &model->card.engine;
    bool says = sg_engine_name_fixed(card) || card->precision || card->device.value;

    return says || !options->engine ? card : options->engine;
}

/* What is fixed of the engine before anything is measured. */
static int fix_engine(struct sg_model *model, const struct sg_engine_conf *wish, struct sg_error *err)
{
    struct sg_graph_options *opened = &model->opened;

    if (sg_engine_name_fixed(wish)) {
        opened->engine = sg_engine_named(wish->engine.value, err);
        if (!opened->engine)
            return SG_E_CONFIG;
    }
    free(model->device);
    model->device = strdup(wish->device.value ? wish->device.value : "");
    if (!model->device)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the name of a device");
    opened->device = model->device;
    if (opened->device && *opened->device && !opened->engine)
        opened->engine = sg_engine_of_devices();
    if (wish->precision != SG_ENGINE_PRECISION_BF16)
        return 0;
    if (!opened->engine)
        opened->engine = sg_engine_of_bf16(model->engine);
    if (!opened->engine || !sg_engine_has_bf16(model->engine, opened->engine))
        return sg_error_set(err, SG_E_CONFIG,
                            "`precision: bf16`: there is no bfloat16 in %s on this processor",
                            opened->engine ? opened->engine : "any engine here");
    opened->precision = SG_PRECISION_BF16;
    return 0;
}

/* Files that the first engine refuses another may read. err has the words of the first. */
static int open_by_others(struct sg_model *model, bool narrow, struct sg_error *err)
{
    const char *names[SG_MODEL_MAX_READERS];
    int count = sg_engine_readers(model->engine, model->path, names, SG_MODEL_MAX_READERS), i;
    struct sg_error second = {0};

    for (i = 1; i < count && !model->opened.engine; i++) {
        model->opened.engine = names[i];
        if (open_first(model, narrow, &second) == 0) {
            snprintf(model->refused, sizeof(model->refused), "%s refuses it: %.160s", names[0], err->text);
            sg_error_clear(err);
            return 0;
        }
        model->opened.engine = NULL;
    }
    return err->code;
}

static int open_graphs(struct sg_model *model, const struct sg_model_options *options, struct sg_error *err)
{
    bool narrow = options->narrow || options->wide_threads <= 1;
    char what[SG_FILE_KIND_TEXT_MAX];
    struct sg_error second = {0};
    int code;

    model->opened = (struct sg_graph_options){
        .threads = narrow ? 1 : options->wide_threads,
        .runs = options->runs ? options->runs : sg_cpu_count(),
        .company = narrow ? SG_COMPANY_OTHERS : SG_COMPANY_NONE,
        .share = options->narrow && (options->wide_threads > 1 || options->widen_later),
    };
    code = fix_engine(model, engine_wish(model, options), err);
    if (code == 0)
        code = open_first(model, narrow, err);
    if (code != SG_E_MODEL)
        return code;
    /* What else it might be is asked of files that are said to be of the reference's kind, and of strangers.
     */
    if ((sg_path_ends(model->path, sg_engine_ending(0)) || !sg_engine_claims(model->path)) &&
        sg_file_kind_file(model->path, what, sizeof(what)))
        return sg_error_set(err, code, "model \"%.180s\" %s", model->path, what);
    /* Sizes that contradict the graph keep it from loading too. */
    model->opened.free.sides = SG_SIDE_HEIGHT | SG_SIDE_WIDTH;
    if (open_first(model, narrow, &second) == 0) {
        sg_error_clear(err);
        return 0;
    }
    model->opened.free.sides = 0;
    return open_by_others(model, narrow, err);
}

int sg_model_set_free(struct sg_model *model, const struct sg_graph_free *what, struct sg_error *err)
{
    bool narrow = model->narrow;
    int code;

    drop_runners(model->pool);
    sg_graph_destroy(&model->narrow);
    sg_graph_destroy(&model->wide);
    model->signature = NULL;
    model->opened.free = *what;
    code = open_first(model, narrow, err);
    sg_model_lean(model, true); /* until it is open */
    return code;
}

/* Of a model whose card is wrong: what else is. */
static void look_further(struct sg_model *model, const struct sg_model_options *options,
                         struct sg_conf_problems *problems)
{
    struct sg_error err = {0};
    int before = problems->count + problems->dropped, code = open_graphs(model, options, &err);

    if (code == 0)
        code = sg_decide_inputs(model, &err);
    if (code == 0)
        code = sg_decide_head(model, options->labels, problems, &err);
    if (code < 0 && problems->count + problems->dropped == before)
        sg_conf_problems_add(problems, model->card_path, 0, 0, NULL, "%s", err.text);
}

int sg_model_open(struct sg_engine *engine, const struct sg_model_options *options,
                  struct sg_conf_problems *problems, struct sg_model **out_model, struct sg_error *err)
{
    struct sg_model *model = calloc(1, sizeof(*model));
    int64_t began = sg_clock_us();
    int code;

    *out_model = NULL;
    if (!model)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a model");
    model->engine = engine;
    model->pool = calloc(1, sizeof(*model->pool));
    if (!model->pool) {
        code = sg_error_set(err, SG_E_NOMEM, "no memory for a model");
        goto out;
    }
    pthread_mutex_init(&model->pool->lock, NULL);
    code = sg_model_load_card(model, options, problems, err);
    if (code == SG_E_CONFIG && problems && model->card_path && model->path)
        look_further(model, options, problems);
    if (code < 0)
        goto out;
    code = open_graphs(model, options, err);
    if (code < 0)
        goto out;
    model->load_us = sg_clock_us() - began;
    sg_model_lean(model, options->narrow);
    code = sg_decide_inputs(model, err);
    if (code == 0)
        code = sg_decide_head(model, options->labels, problems, err);
    if (code == 0)
        code = sg_model_choose_engine(model, engine_wish(model, options), err);
    if (code == 0 && options->narrow && options->wide_threads > 1)
        code = sg_model_widen(model, options->wide_threads, err);
    if (code < 0) {
        sg_error_prefix(err, "model \"%s\"", model->name);
        goto out;
    }
    sg_model_lean(model, false);
    model->sealed = true;
    model->probe_us = sg_clock_us() - began - model->load_us;
    *out_model = model;
    model = NULL;
out:
    sg_model_destroy(&model);
    return code;
}

int sg_model_widen(struct sg_model *model, int threads, struct sg_error *err)
{
    struct sg_graph_options options = {.threads = threads, .company = SG_COMPANY_NONE};
    struct sg_graph *graph = NULL;
    struct sg_runner *runner = NULL;
    int code;

    options.device = model->opened.device;
    code = sg_model_choose_wide(model, &options, &graph, &runner, err);
    if (code < 0)
        return code;
    pthread_mutex_lock(&model->pool->lock);
    model->wide = graph;
    model->pool->wide = runner;
    pthread_mutex_unlock(&model->pool->lock);
    sg_model_measure_batch(model, threads);
    return 0;
}

void sg_model_destroy(struct sg_model **model)
{
    struct sg_model *m = *model;
    int i;

    if (!m)
        return;
    if (m->pool) {
        drop_runners(m->pool);
        pthread_mutex_destroy(&m->pool->lock);
        free(m->pool);
    }
    sg_head_destroy(&m->head);
    sg_graph_destroy(&m->wide);
    sg_graph_destroy(&m->narrow);
    sg_labels_fini(&m->labels);
    for (i = 0; m->output_labels && i < m->card.outputs.count; i++)
        sg_labels_fini(&m->output_labels[i]);
    free(m->output_labels);
    free(m->declared);
    sg_card_fini(&m->card);
    free(m->name);
    free(m->path);
    free(m->card_path);
    free(m->device);
    free(m);
    *model = NULL;
}

enum sg_head_task sg_model_task(const struct sg_model *model)
{
    return sg_head_kind(model->head)->task;
}

const char *sg_model_label(const struct sg_model *model, int class_id)
{
    return class_id >= 0 && class_id < model->labels.count ? model->labels.items[class_id] : NULL;
}

int sg_model_find_label(const struct sg_model *model, const char *label)
{
    int i;

    for (i = 0; i < model->labels.count; i++)
        if (model->labels.items[i] && strcmp(model->labels.items[i], label) == 0)
            return i;
    return -1;
}

int sg_model_borrow(struct sg_model *model, bool wide, struct sg_runner **out_runner, struct sg_error *err)
{
    struct sg_model_pool *pool = model->pool;
    struct sg_runner *runner = NULL;
    bool claimed = false;
    int code;

    pthread_mutex_lock(&pool->lock);
    if (model->wide && (wide || !model->narrow) && !pool->wide_out) {
        claimed = pool->wide_out = true;
        runner = pool->wide;
    } else if (pool->narrow_count > 0) {
        runner = pool->narrow[--pool->narrow_count];
    }
    pthread_mutex_unlock(&pool->lock);
    *out_runner = runner;
    if (runner)
        return 0;
    code = sg_runner_create(claimed || !model->narrow ? model->wide : model->narrow, &runner, err);
    if (claimed) {
        pthread_mutex_lock(&pool->lock);
        pool->wide = runner;
        pool->wide_out = code == 0;
        pthread_mutex_unlock(&pool->lock);
    }
    *out_runner = runner;
    return code;
}

bool sg_model_wide_pays(struct sg_model *model)
{
    bool wide;

    pthread_mutex_lock(&model->pool->lock);
    wide = !model->narrow || (model->wide && sg_core_choice_choose(&model->pool->choice));
    pthread_mutex_unlock(&model->pool->lock);
    return wide;
}

int sg_model_run(struct sg_model *model, struct sg_runner *runner, size_t pixels, struct sg_error *err)
{
    int64_t began = sg_clock_us(), took;
    int code = sg_runner_run(runner, err);

    took = sg_clock_us() - began;
    if (code < 0)
        return code;
    pthread_mutex_lock(&model->pool->lock);
    sg_core_choice_add(&model->pool->choice, runner == model->pool->wide, pixels, took);
    pthread_mutex_unlock(&model->pool->lock);
    return 0;
}

void sg_model_return(struct sg_model *model, struct sg_runner **runner)
{
    struct sg_model_pool *pool = model->pool;
    struct sg_runner *given = *runner, *extra = NULL;

    if (!given)
        return;
    *runner = NULL;
    pthread_mutex_lock(&pool->lock);
    if (given == pool->wide)
        pool->wide_out = false;
    else if (model->narrow && pool->narrow_count < POOL_MAX_RUNNERS)
        pool->narrow[pool->narrow_count++] = given;
    else
        extra = given;
    pthread_mutex_unlock(&pool->lock);
    sg_runner_destroy(&extra);
}

static int fill_aux(const struct sg_model *model, struct sg_runner *runner, const struct sg_model_aux *aux,
                    const struct sg_transform *transform, int items, struct sg_error *err)
{
    const struct sg_slot *slot = &model->signature->inputs[aux->index];
    int64_t dims[2] = {items, 2};
    struct sg_tensor tensor;
    float pair[2] = {1.0f, 1.0f};
    int code, i;

    if (aux->kind == SG_AUX_WIDTH_HEIGHT) {
        pair[0] = (float)transform->width;
        pair[1] = (float)transform->height;
    } else if (aux->kind == SG_AUX_HEIGHT_WIDTH) {
        pair[0] = (float)transform->height;
        pair[1] = (float)transform->width;
    }
    code = slot->rank == 1 ? sg_runner_input(runner, aux->index, &dims[1], 1, &tensor, err)
                           : sg_runner_input(runner, aux->index, dims, 2, &tensor, err);
    if (code < 0)
        return code;
    for (i = 0; i < (slot->rank == 1 ? 2 : 2 * items); i++) {
        if (tensor.dtype == SG_DTYPE_F32)
            ((float *)tensor.data)[i] = pair[i % 2];
        else if (tensor.dtype == SG_DTYPE_I64)
            ((int64_t *)tensor.data)[i] = (int64_t)pair[i % 2];
        else if (tensor.dtype == SG_DTYPE_I32)
            ((int32_t *)tensor.data)[i] = (int32_t)pair[i % 2];
        else if (tensor.dtype == SG_DTYPE_F16)
            ((uint16_t *)tensor.data)[i] = sg_float_to_half(pair[i % 2]);
        else
            return sg_error_set(err, SG_E_MODEL,
                                "input \"%s\" is %s; expected float32, float16, int32 or int64", slot->name,
                                sg_dtype_name(tensor.dtype));
    }
    return 0;
}

int sg_model_shape(const struct sg_model *model, struct sg_runner *runner,
                   const struct sg_transform *transform, int items, struct sg_tensor *out_tensor,
                   size_t *out_item_bytes, struct sg_error *err)
{
    int channels = transform->channels == SG_CHANNELS_GRAY ? 1 : 3;
    int all = items < model->fixed_batch ? model->fixed_batch : items;
    int64_t nchw[4] = {all, channels, transform->height, transform->width};
    int64_t nhwc[4] = {all, transform->height, transform->width, channels};
    const int64_t *dims = transform->layout == SG_LAYOUT_NCHW ? nchw : nhwc;
    int code, i;

    code = sg_runner_input(runner, model->image_input, dims + model->no_batch_axis, 4 - model->no_batch_axis,
                           out_tensor, err);
    for (i = 0; i < model->aux_count && code == 0; i++)
        code = fill_aux(model, runner, &model->aux[i], transform, all, err);
    *out_item_bytes = (size_t)channels * (size_t)transform->width * (size_t)transform->height *
                      sg_dtype_bytes(transform->dtype);
    if (code == 0 && all > items)
        memset((char *)out_tensor->data + (size_t)items * *out_item_bytes, 0,
               (size_t)(all - items) * *out_item_bytes);
    return code;
}
