/* SPDX-License-Identifier: MIT
 * Which runtime runs a model: all that claim its file are given the probe; what does not load or does not
 * answer as the reference does is out, of the rest the fastest is taken. Called while a model is opened, and
 * for all cores by whoever widens it.
 */
#include "base/clock.h"
#include "model/engine_agree.h"
#include "model/engine_cache.h"
#include "model/model_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHOICE_MOST         (2 * SG_MODEL_MAX_READERS)
#define CHOICE_ROUNDS       7      /* the median counts */
#define CHOICE_LEAST_ROUNDS 3      /* however long they take */
#define CHOICE_ENOUGH_US    250000 /* of one candidate's rounds */
#define CHOICE_MARGIN       0.90f /* of the reference's time: what is no faster than that is not worth a change */

struct candidate {
    const char *engine;
    enum sg_precision precision;
    struct sg_graph *graph;
    struct sg_runner *runner;
    bool out; /* why says so */
    int64_t times_us[CHOICE_ROUNDS];
    int rounds;
    struct sg_agreement agreement; /* with the reference */
    char why[SG_AGREEMENT_TEXT];
};

struct choice {
    struct candidate items[CHOICE_MOST];
    int count;
};

/* The model's runs have no common size. Then the reference keeps it unless another is named: a runtime that
 * plans for each size pays for every new one, in time and in memory that stays. */
static bool sizes_vary(const struct sg_model *model)
{
    enum sg_head_task task = sg_model_task(model);

    return model->native_size ||
           ((task == SG_TASK_TEXT_READ || task == SG_TASK_TEXT_DETECT) && model->dynamic_width);
}

/* The one shape that every run has, where the graph would take others. False: runs have several. */
static bool only_shapes(const struct sg_model *model, struct sg_graph_shapes *shapes)
{
    const struct sg_transform *t = &model->transform;
    int64_t channels = t->channels == SG_CHANNELS_GRAY ? 1 : 3,
            all = model->fixed_batch ? model->fixed_batch : 1;
    const int64_t nchw[4] = {all, channels, t->height, t->width},
                  nhwc[4] = {all, t->height, t->width, channels};
    const int64_t *dims = t->layout == SG_LAYOUT_NCHW ? nchw : nhwc;
    int i;

    if (sizes_vary(model) || model->max_batch > 1)
        return false;
    *shapes = (struct sg_graph_shapes){0};
    shapes->rank[model->image_input] = 4 - model->no_batch_axis;
    memcpy(shapes->dims[model->image_input], dims + model->no_batch_axis,
           (size_t)shapes->rank[model->image_input] * sizeof(*dims));
    for (i = 0; i < model->aux_count; i++) {
        int input = model->aux[i].index, rank = model->signature->inputs[input].rank;

        shapes->rank[input] = rank;
        shapes->dims[input][0] = rank == 1 ? 2 : all;
        shapes->dims[input][1] = 2;
    }
    return true;
}

static void put_out(struct candidate *candidate, const char *words)
{
    candidate->out = true;
    snprintf(candidate->why, sizeof(candidate->why), "%.*s", SG_AGREEMENT_TEXT - 1, words);
}

static void add(struct choice *choice, const char *engine, enum sg_precision precision)
{
    if (choice->count < CHOICE_MOST)
        choice->items[choice->count++] = (struct candidate){.engine = engine, .precision = precision};
}

/* Opens a graph and runs it once on the probe; a failure is the candidate's end and no error. */
static void open_candidate(struct sg_model *model, const struct sg_graph *first,
                           const struct sg_graph_options *options, struct candidate *candidate)
{
    struct sg_graph_options own = *options;
    struct sg_graph_shapes shapes;
    struct sg_error err = {0};
    int code;

    own.engine = candidate->engine;
    own.precision = candidate->precision;
    own.shapes = only_shapes(model, &shapes) ? &shapes : NULL;
    code = strcmp(sg_graph_engine(first), candidate->engine) == 0 &&
                   sg_graph_precision(first) == candidate->precision
               ? sg_graph_open_beside(first, model->path, &own, &candidate->graph, &err)
               : sg_graph_open_as(model->engine, first, model->path, &own, &candidate->graph, &err);
    if (code == 0) {
        sg_graph_lean(candidate->graph, true);
        code = sg_runner_create(candidate->graph, &candidate->runner, &err);
        if (code == 0)
            code = sg_probe_run(model, candidate->runner, 1, &err);
    }
    if (code < 0)
        put_out(candidate, err.text);
}

/* Whether the answers are the reference's: of one picture, and of two where they share runs. */
static void compare(struct sg_model *model, struct candidate *reference, struct candidate *candidate)
{
    struct sg_error err = {0};
    int items, code = 0;

    for (items = 1; code == 0 && !candidate->out && items <= (model->batches ? 2 : 1); items++) {
        code = sg_probe_run(model, reference->runner, items, &err);
        if (code == 0)
            code = sg_probe_run(model, candidate->runner, items, &err);
        if (code == 0)
            code = sg_agree(model, reference->runner, candidate->runner, candidate->precision,
                            &candidate->agreement, &err);
        if (code == 0 && !candidate->agreement.agrees)
            put_out(candidate, candidate->agreement.why);
    }
    if (code < 0)
        put_out(candidate, err.text);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static float median_ms(const struct candidate *candidate)
{
    int middle = candidate->rounds / 2;

    return candidate->rounds ? (float)candidate->times_us[middle] / 1000.0f : 0.0f;
}

/* Nothing of it is kept for the next run but its time. */
static int64_t time_one(struct candidate *candidate)
{
    struct sg_error err = {0};
    int64_t began = sg_clock_us(), took;
    int code = sg_runner_run(candidate->runner, &err);

    took = sg_clock_us() - began;
    if (code < 0)
        put_out(candidate, err.text);
    else
        candidate->times_us[candidate->rounds++] = took;
    return took;
}

/* In turns, so that what else the machine does falls on all alike. */
static void time_all(struct choice *choice)
{
    int64_t spent = 0;
    int round, i;

    for (i = 0; i < choice->count; i++)
        if (!choice->items[i].out)
            sg_graph_lean(choice->items[i].graph, false);
    for (round = 0; round < CHOICE_ROUNDS && (round < CHOICE_LEAST_ROUNDS || spent < CHOICE_ENOUGH_US);
         round++) {
        int64_t longest = 0;

        for (i = 0; i < choice->count; i++)
            if (!choice->items[i].out) {
                int64_t took = time_one(&choice->items[i]);

                longest = took > longest ? took : longest;
            }
        spent += longest;
    }
    for (i = 0; i < choice->count; i++)
        qsort(choice->items[i].times_us, (size_t)choice->items[i].rounds, sizeof(int64_t), by_time);
}

/* The first is the reference, which is there. */
static struct candidate *fastest(struct choice *choice)
{
    struct candidate *best = &choice->items[0];
    int i;

    for (i = 1; i < choice->count; i++) {
        float bar = median_ms(best) * (best == &choice->items[0] ? CHOICE_MARGIN : 1.0f);

        if (!choice->items[i].out && median_ms(&choice->items[i]) < bar)
            best = &choice->items[i];
    }
    return best;
}

/* "ONE 164.5 ms, OTHER 127.3 ms (within 2e-06, 20 of 20 objects)" */
static void describe(const struct choice *choice, char *out, size_t out_bytes)
{
    size_t used = 0;
    int i;

    out[0] = '\0';
    for (i = 0; i < choice->count && used < out_bytes; i++) {
        const struct candidate *one = &choice->items[i];

        if (one->out)
            continue;
        used +=
            (size_t)snprintf(out + used, out_bytes - used, "%s%s%s %.1f ms", used ? ", " : "", one->engine,
                             one->precision == SG_PRECISION_BF16 ? " bf16" : "", (double)median_ms(one));
        if (i > 0 && used < out_bytes)
            used += (size_t)snprintf(out + used, out_bytes - used, " (%s)", one->agreement.why);
    }
}

static void name_engine(struct sg_decision *decision, const char *engine, enum sg_precision precision)
{
    snprintf(decision->value, sizeof(decision->value), "%s, %s", engine, sg_precision_name(precision));
}

/* A line of explain: what was taken, what was measured, and one that is out. */
static void tell(struct sg_decision *decision, const struct choice *choice, const struct candidate *best,
                 const char *cores)
{
    char measured[224];
    int i;

    describe(choice, measured, sizeof(measured));
    name_engine(decision, best->engine, best->precision);
    snprintf(decision->evidence, sizeof(decision->evidence), "measured on %s: %s", cores, measured);
    for (i = 1; i < choice->count && !decision->ambiguity[0]; i++)
        if (choice->items[i].out)
            snprintf(decision->ambiguity, sizeof(decision->ambiguity), "%s%s is out: %s",
                     choice->items[i].engine, choice->items[i].precision == SG_PRECISION_BF16 ? " bf16" : "",
                     choice->items[i].why);
}

/* Makes it the model's, unless that is constant already. */
static void decide(struct sg_model *model, const char *key, const struct sg_decision *told)
{
    struct sg_decision *decision;

    if (model->sealed)
        return;
    sg_model_decide(model, key, told->value, false, "%s", told->evidence);
    decision = sg_model_decision(model, key);
    if (decision)
        memcpy(decision->ambiguity, told->ambiguity, sizeof(decision->ambiguity));
}

/* All that could run it, the reference first: what it was decided with. */
static void find_candidates(const struct sg_model *model, const struct sg_graph *reference,
                            const struct sg_engine_conf *wish, struct choice *choice)
{
    const char *names[SG_MODEL_MAX_READERS], *first = sg_graph_engine(reference);
    int count = sg_engine_readers(model->engine, model->path, names, SG_MODEL_MAX_READERS), i;

    add(choice, first, sg_graph_precision(reference));
    for (i = 0; i < count; i++)
        if (strcmp(names[i], first) != 0 && !sg_engine_name_fixed(wish))
            add(choice, names[i], SG_PRECISION_F32);
}

/* Opens, compares and times them all. */
static int measure(struct sg_model *model, const struct sg_graph_options *options, struct choice *choice,
                   struct sg_error *err)
{
    struct candidate *reference = &choice->items[0];
    int code = sg_probe_run(model, reference->runner, 1, err), i;

    for (i = 1; i < choice->count && code == 0; i++) {
        open_candidate(model, reference->graph, options, &choice->items[i]);
        if (!choice->items[i].out)
            compare(model, reference, &choice->items[i]);
    }
    if (code == 0)
        time_all(choice);
    /* What the reference needed for it goes back to the system. */
    sg_graph_lean(reference->graph, true);
    return code == 0 && !reference->out ? sg_runner_run(reference->runner, err) : code;
}

/* What was not taken. */
static void end_all(struct choice *choice)
{
    int i;

    for (i = 0; i < choice->count; i++) {
        sg_runner_destroy(&choice->items[i].runner);
        sg_graph_destroy(&choice->items[i].graph);
    }
}

/* Another that agreed, for all cores. */
static void find_rival(struct sg_model *model, const struct choice *choice, const struct candidate *best)
{
    int i;

    model->rival = NULL;
    for (i = 0; i < choice->count && !model->rival; i++)
        if (!choice->items[i].out && &choice->items[i] != best &&
            strcmp(choice->items[i].engine, best->engine) != 0) {
            model->rival = choice->items[i].engine;
            model->rival_precision = choice->items[i].precision;
        }
}

/* Why a model is the reference's without a measurement, though others could read it; NULL: it is not. */
static const char *reserved(const struct sg_model *model, const struct sg_engine_conf *wish)
{
    const char *names[2];

    if (sg_engine_name_fixed(wish) || sg_engine_readers(model->engine, model->path, names, 2) < 2)
        return NULL;
    if (sizes_vary(model))
        return "its pictures keep their own size: others plan for each anew";
    return sg_engine_quantised(model->path) ? "quantised: others round in other places and answer otherwise"
                                            : NULL;
}

/* why: reserved. */
static void tell_only(struct sg_model *model, const struct sg_engine_conf *wish, const struct sg_graph *graph,
                      const char *why)
{
    struct sg_decision told = {0};

    name_engine(&told, sg_graph_engine(graph), sg_graph_precision(graph));
    sg_model_decide(model, "engine", told.value, false, "%s",
                    model->refused[0]             ? model->refused
                    : why                         ? why
                    : !sg_engine_name_fixed(wish) ? "no other engine here reads this file"
                    : wish == &model->card.engine ? "the card"
                                                  : "the settings");
}

/* The reader of that name, as the engine spells it for good; NULL: it is not there any more. */
static const char *reader(const struct sg_model *model, const char *name)
{
    const char *names[SG_MODEL_MAX_READERS];
    int count = sg_engine_readers(model->engine, model->path, names, SG_MODEL_MAX_READERS), i;

    for (i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return names[i];
    return NULL;
}

static void keep(const struct sg_model *model, int threads, const struct sg_decision *decision,
                 const struct candidate *best)
{
    struct sg_engine_known known = {.precision = best->precision, .rival_precision = model->rival_precision};

    snprintf(known.engine, sizeof(known.engine), "%.23s", best->engine);
    snprintf(known.rival, sizeof(known.rival), "%.23s", model->rival ? model->rival : "");
    snprintf(known.evidence, sizeof(known.evidence), "%s", decision->evidence);
    snprintf(known.ambiguity, sizeof(known.ambiguity), "%s", decision->ambiguity);
    sg_engine_cache_keep(model, threads, &known);
}

/* What an earlier start measured. The graph of the known engine in *out, or none where it is the engine of
 * `first`. False: nothing is known, or it cannot be opened any more. */
static bool recall(struct sg_model *model, const char *key, const struct sg_graph *first,
                   const struct sg_graph_options *options, struct candidate *out)
{
    struct sg_decision told = {0};
    struct sg_engine_known known;

    if (!sg_engine_cache_find(model, options->threads, &known))
        return false;
    *out = (struct candidate){.engine = reader(model, known.engine), .precision = known.precision};
    if (!out->engine)
        return false;
    if (strcmp(out->engine, sg_graph_engine(first)) != 0 || out->precision != sg_graph_precision(first))
        open_candidate(model, first, options, out);
    if (out->out)
        return false;
    if (!model->sealed) {
        model->rival = known.rival[0] ? reader(model, known.rival) : NULL;
        model->rival_precision = known.rival_precision;
    }
    name_engine(&told, out->engine, out->precision);
    snprintf(told.evidence, sizeof(told.evidence), "%s", known.evidence);
    snprintf(told.ambiguity, sizeof(told.ambiguity), "%s", known.ambiguity);
    decide(model, key, &told);
    return true;
}

/* The graph takes the place of the one that the model was decided with. */
static void adopt(struct sg_model *model, struct sg_graph **place, struct candidate *best)
{
    struct sg_graph *before = *place;

    sg_model_drop_runners(model);
    sg_runner_destroy(&best->runner);
    *place = best->graph;
    best->graph = NULL;
    model->signature = sg_graph_signature(*place);
    model->opened.engine = best->engine;
    model->opened.precision = best->precision;
    sg_graph_destroy(&before);
}

/* Measures on the cores of the graph in *place, and puts the best there. */
static int choose(struct sg_model *model, struct sg_graph **place, struct choice *choice,
                  struct sg_error *err)
{
    struct candidate *reference = &choice->items[0], *best;
    struct sg_decision told = {0};
    int code;

    reference->graph = *place;
    code = sg_model_borrow(model, false, &reference->runner, err);
    if (code == 0)
        code = measure(model, &model->opened, choice, err);
    best = fastest(choice);
    if (code == 0) {
        find_rival(model, choice, best);
        tell(&told, choice, best, model->opened.threads > 1 ? "all cores" : "one core");
        decide(model, "engine", &told);
        keep(model, model->opened.threads, &told, best);
    }
    sg_model_return(model, &reference->runner);
    reference->graph = NULL; /* the model's */
    if (code == 0 && best != reference)
        adopt(model, place, best);
    end_all(choice);
    return code;
}

int sg_model_choose_engine(struct sg_model *model, const struct sg_engine_conf *wish, struct sg_error *err)
{
    struct sg_graph **place = model->narrow ? &model->narrow : &model->wide;
    const char *why = reserved(model, wish);
    struct choice choice = {0};
    struct candidate known;

    if (!model->refused[0] && !(wish->device.value && *wish->device.value) &&
        wish->precision != SG_ENGINE_PRECISION_BF16 && !why)
        find_candidates(model, *place, wish, &choice);
    if (choice.count < 2) {
        tell_only(model, wish, *place, why);
        return 0;
    }
    if (!recall(model, "engine", *place, &model->opened, &known))
        return choose(model, place, &choice, err);
    if (known.graph)
        adopt(model, place, &known);
    return 0;
}

/* Opens the engine of the narrow graph, and the rival to be measured with it. */
static int choose_wide(struct sg_model *model, const struct sg_graph_options *options, struct choice *choice,
                       struct candidate **out_best, struct sg_error *err)
{
    struct candidate *own = &choice->items[0];
    int code = 0;

    add(choice, sg_graph_engine(model->narrow), sg_graph_precision(model->narrow));
    open_candidate(model, model->narrow, options, own);
    if (own->out)
        return sg_error_set(err, SG_E_MODEL, "%s", own->why);
    if (model->rival) {
        add(choice, model->rival, model->rival_precision);
        code = measure(model, options, choice, err);
    }
    *out_best = fastest(choice);
    return code;
}

int sg_model_choose_wide(struct sg_model *model, const struct sg_graph_options *options,
                         struct sg_graph **out_graph, struct sg_runner **out_runner, struct sg_error *err)
{
    struct candidate known = {0}, *best = &known;
    struct sg_decision told = {0};
    struct choice choice = {0};
    int code = 0;

    if (model->rival && recall(model, "all cores", model->narrow, options, &known) && !known.graph)
        open_candidate(model, model->narrow, options, &known);
    if (known.out || !known.graph) {
        code = choose_wide(model, options, &choice, &best, err);
        if (code == 0 && model->rival) {
            tell(&told, &choice, best, "all cores");
            decide(model, "all cores", &told);
            keep(model, options->threads, &told, best);
        }
    }
    if (code == 0) {
        sg_graph_lean(best->graph, false);
        *out_graph = best->graph;
        *out_runner = best->runner;
        best->graph = NULL;
        best->runner = NULL;
    }
    end_all(&choice);
    return code;
}
