/* SPDX-License-Identifier: MIT
 * Building a pipeline from its recipe: names become models and class ids, and all that does not fit is
 * reported with the place it was written. Runs at start and at reload, on one thread.
 */
#include "pipeline/pipeline.h"

#include "pipeline/pipeline_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIPELINE_MAX_OBJECTS 300 /* of a detector, unless the recipe says otherwise */

/* What building needs at every step. */
struct build {
    const struct sg_recipe *recipe; /* NULL for a pipeline of one model */
    sg_model_lookup lookup;
    void *context;
    struct sg_conf_problems *problems;
    struct sg_pipeline *pipeline;
    struct sg_error *err;
};

static int problem(struct build *build, const struct sg_text *at, const char *suggestion, const char *text)
{
    sg_error_set(build->err, SG_E_CONFIG, "%s:%d:%d: %s",
                 build->recipe->path ? build->recipe->path : "pipeline", at->line, at->column, text);
    return sg_conf_problems_add(build->problems, build->recipe->path, at->line, at->column, suggestion, "%s",
                                text);
}

static const char *task_name(enum sg_head_task task)
{
    static const char *const names[] = {"a detector", "a classifier", "a text detector", "a text reader"};

    return names[task];
}

static void remember_model(struct sg_pipeline *pipeline, struct sg_model *model)
{
    int i;

    for (i = 0; i < pipeline->model_count; i++)
        if (pipeline->models[i] == model)
            return;
    if (pipeline->model_count < (int)(sizeof(pipeline->models) / sizeof(pipeline->models[0])))
        pipeline->models[pipeline->model_count++] = model;
}

/* The model called name, which must be good for the stage. NULL after a problem was added. */
static struct sg_model *find_model(struct build *build, const struct sg_text *name, bool detector,
                                   enum sg_head_task want)
{
    struct sg_error why = {0};
    struct sg_model *model = name->value ? build->lookup(build->context, name->value, &why) : NULL;
    char text[320];
    enum sg_head_task task;

    if (!name->value) /* told where the file was read */
        return NULL;
    if (!model) {
        snprintf(text, sizeof(text), "%.300s", why.text);
        problem(build, name, NULL, text);
        return NULL;
    }
    task = sg_model_task(model);
    if (detector ? task != SG_TASK_DETECT && task != SG_TASK_TEXT_DETECT : task != want) {
        snprintf(text, sizeof(text), "model \"%.80s\" is %s, not %s", name->value, task_name(task),
                 detector ? "a detector" : task_name(want));
        problem(build, name, NULL, text);
        return NULL;
    }
    remember_model(build->pipeline, model);
    return model;
}

/* One more than the highest class id of a reply; 0 = neither graph nor labels tell. */
static int id_count(const struct sg_model *model)
{
    int by_graph = model->guess.class_count > 0 ? model->guess.class_count + model->class_base : 0;

    return by_graph > model->labels.count ? by_graph : model->labels.count;
}

/* A class id as one writes it, or -1: "16", but not "016" or "+16", which are no numbers of anything. */
static int class_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    return isdigit((unsigned char)*text) && (*text != '0' || !text[1]) && *end == '\0' &&
                   number < SG_HEAD_MAX_CLASSES
               ? (int)number
               : -1;
}

/* Entries that a table by class id needs when label is among those it is for. */
static int ids_with(const struct sg_model *model, int count, const char *label)
{
    int number = id_count(model) > 0 ? -1 : class_number(label);

    return number >= count ? number + 1 : count;
}

/* No such class: with the closest label and the numbers that there are. */
static void unknown_class(struct build *build, const struct sg_model *model, const struct sg_text *label)
{
    int last = id_count(model) > 0 ? id_count(model) - 1 : SG_HEAD_MAX_CLASSES - 1, count = 0, i;
    const char **known = calloc((size_t)model->labels.count + 1, sizeof(*known));
    const char *suggestion = NULL;
    char text[320];

    for (i = 0; known && i < model->labels.count; i++)
        if (model->labels.items[i])
            known[count++] = model->labels.items[i];
    if (known)
        suggestion = sg_suggest(label->value, known, count);
    snprintf(text, sizeof(text), "model \"%.80s\" has no class \"%.80s\" (%sits numbers are %d to %d)",
             model->name, label->value,
             model->labels.count ? "" : "it has no labels; `labels:` on its card names them; ",
             model->class_base, last);
    problem(build, label, suggestion, text);
    free(known);
}

/* Class id of a label, else of a number; -1 after a problem was added. */
static int find_class(struct build *build, const struct sg_model *model, const struct sg_text *label)
{
    int id = sg_model_find_label(model, label->value), count = id_count(model);

    if (id >= 0)
        return id;
    id = class_number(label->value);
    if (id >= model->class_base && (count == 0 || id < count))
        return id;
    unknown_class(build, model, label);
    return -1;
}

static int fill_set(struct build *build, const struct sg_model *model, const struct sg_texts *labels,
                    struct class_set *set)
{
    int code = 0, i;

    *set = (struct class_set){.all = labels->count == 0};
    if (set->all)
        return 0;
    set->count = id_count(model);
    for (i = 0; i < labels->count; i++)
        set->count = ids_with(model, set->count, labels->items[i].value);
    set->count += set->count == 0;
    set->has = calloc((size_t)set->count, sizeof(*set->has));
    if (!set->has)
        return sg_error_set(build->err, SG_E_NOMEM, "no memory for a class filter");
    for (i = 0; i < labels->count; i++) {
        int id = find_class(build, model, &labels->items[i]);

        if (id < 0)
            code = SG_E_CONFIG;
        else if (id < set->count)
            set->has[id] = true;
    }
    return code;
}

static int fill_class_thresholds(struct build *build, const struct sg_recipe_detect *from,
                                 struct detect_stage *stage)
{
    int code = 0, count, i;

    if (from->thresholds.count == 0)
        return 0;
    count = id_count(stage->model);
    for (i = 0; i < from->thresholds.count; i++)
        count = ids_with(stage->model, count, from->thresholds.items[i].label.value);
    count += count == 0;
    stage->class_threshold_count = count;
    stage->class_thresholds = malloc((size_t)count * sizeof(float));
    if (!stage->class_thresholds)
        return sg_error_set(build->err, SG_E_NOMEM, "no memory for thresholds");
    for (i = 0; i < count; i++)
        stage->class_thresholds[i] = -1.0f;
    for (i = 0; i < from->thresholds.count; i++) {
        int id = find_class(build, stage->model, &from->thresholds.items[i].label);
        int head_id = id - stage->model->class_base; /* heads count from 0 */

        if (id < 0)
            code = SG_E_CONFIG;
        else if (head_id >= 0 && head_id < stage->class_threshold_count)
            stage->class_thresholds[head_id] = from->thresholds.items[i].threshold;
    }
    return code;
}

static int worse(int code, int other)
{
    return code < 0 ? code : other;
}

/* outer: the detector whose objects are classified, NULL = the whole picture. */
static int build_classify(struct build *build, const struct sg_recipe_classifies *from,
                          const struct sg_model *outer, struct classify_stage **out_stages, int *out_count)
{
    int code = 0, i;

    if (from->count == 0)
        return 0;
    *out_stages = calloc((size_t)from->count, sizeof(**out_stages));
    if (!*out_stages)
        return sg_error_set(build->err, SG_E_NOMEM, "no memory for classifiers");
    *out_count = from->count;
    for (i = 0; i < from->count; i++) {
        const struct sg_recipe_classify *item = &from->items[i];
        struct classify_stage *stage = &(*out_stages)[i];

        stage->model = find_model(build, &item->model, false, SG_TASK_CLASSIFY);
        if (!stage->model) {
            code = worse(code, SG_E_CONFIG);
            continue;
        }
        stage->on.all = true;
        if (outer)
            code = worse(code, fill_set(build, outer, &item->on, &stage->on));
        stage->expand = item->expand;
        stage->square = item->square;
        stage->pad = item->pad;
        stage->align = item->align == SG_RECIPE_ALIGN_LANDMARKS;
        stage->top_k = item->has_top_k ? item->top_k : stage->model->top_k;
        stage->threshold = item->has_threshold ? item->threshold : 0.0f;
        stage->min_size = item->min_size;
    }
    return code;
}

static void detect_defaults(struct sg_model *model, struct detect_stage *stage)
{
    *stage = (struct detect_stage){.model = model,
                                   .threshold = model->threshold,
                                   .iou = model->iou,
                                   .agnostic = model->agnostic,
                                   .max_objects = PIPELINE_MAX_OBJECTS,
                                   .keep = {.all = true},
                                   .on = {.all = true}};
}

/* Only the first detector of a pipeline shares its runs: of the others a frame has several by itself. */
static int build_batcher(struct build *build, const struct sg_recipe_detect *from, struct detect_stage *stage)
{
    static const struct sg_recipe_batch usual = {SG_RECIPE_BATCH_MEASURED, 8, 2};
    const struct sg_recipe_batch *batch = from->has_batch ? &from->batch : &usual;
    char text[320];

    if (batch->use == SG_RECIPE_BATCH_ALWAYS && !stage->model->batches) {
        snprintf(text, sizeof(text),
                 "model \"%.80s\" cannot take several pictures at once (`sight model explain` says why); set "
                 "batch: { use: never } or leave it out",
                 stage->model->name);
        return problem(build, &from->model, NULL, text);
    }
    if (batch->use == SG_RECIPE_BATCH_NEVER || !stage->model->batches)
        return 0;
    stage->batch_always = batch->use == SG_RECIPE_BATCH_ALWAYS;
    return sg_batcher_create(stage->model, batch->max, (int64_t)batch->delay_ms * 1000, &stage->batcher) < 0
               ? sg_error_set(build->err, SG_E_NOMEM, "no memory for a batch")
               : 0;
}

/* outer: the first detector, for detect_inside; else NULL. */
static int build_detect(struct build *build, const struct sg_recipe_detect *from,
                        const struct sg_model *outer, struct detect_stage *stage)
{
    struct sg_model *model = find_model(build, &from->model, true, SG_TASK_DETECT);
    int code;

    if (!model) {
        (void)build_classify(build, &from->classify, NULL, &stage->classify, &stage->classify_count);
        return SG_E_CONFIG;
    }
    detect_defaults(model, stage);
    if (from->has_threshold)
        stage->threshold = from->threshold;
    if (from->has_nms)
        stage->iou = from->nms;
    if (from->has_agnostic)
        stage->agnostic = from->agnostic;
    if (from->has_agnostic && from->agnostic && !from->has_nms && stage->iou <= 0.0f &&
        sg_head_kind(model->head)->graph_nms)
        stage->iou = SG_HEAD_USUAL_IOU;
    if (from->has_max_objects)
        stage->max_objects = from->max_objects;
    stage->min_size = from->min_size;
    stage->has_region = from->has_region;
    memcpy(stage->region, from->region, sizeof(stage->region));
    stage->has_look = from->has_second_look;
    stage->look = from->second_look;
    stage->expand = from->expand;
    stage->square = from->square;
    stage->pad = from->pad;
    code = fill_set(build, model, &from->classes, &stage->keep);
    code = worse(code, fill_class_thresholds(build, from, stage));
    if (outer)
        code = worse(code, fill_set(build, outer, &from->on, &stage->on));
    else
        code = worse(code, build_batcher(build, from, stage));
    return worse(code,
                 build_classify(build, &from->classify, model, &stage->classify, &stage->classify_count));
}

static int build_inside(struct build *build)
{
    const struct sg_recipe_detects *from = &build->recipe->detect_inside;
    struct sg_pipeline *p = build->pipeline;
    int code = 0, i;

    if (from->count == 0)
        return 0;
    p->inside = calloc((size_t)from->count, sizeof(*p->inside));
    if (!p->inside)
        return sg_error_set(build->err, SG_E_NOMEM, "no memory for inner detectors");
    p->inside_count = from->count;
    for (i = 0; i < from->count; i++)
        code = worse(code, build_detect(build, &from->items[i], p->detect.model, &p->inside[i]));
    return code;
}

static bool finds_lines(const struct sg_pipeline *pipeline)
{
    bool found = sg_model_task(pipeline->detect.model) == SG_TASK_TEXT_DETECT;
    int i;

    for (i = 0; i < pipeline->inside_count; i++)
        found = found || (pipeline->inside[i].model &&
                          sg_model_task(pipeline->inside[i].model) == SG_TASK_TEXT_DETECT);
    return found;
}

static int build_read(struct build *build)
{
    const struct sg_recipe_read *from = &build->recipe->read;
    struct read_stage *read = &build->pipeline->read;

    build->pipeline->has_read = true;
    read->orient_threshold = from->orient_threshold;
    read->threshold = from->threshold;
    if (from->orient.value) {
        read->orient = find_model(build, &from->orient, false, SG_TASK_CLASSIFY);
        if (!read->orient)
            return SG_E_CONFIG;
    }
    read->boxes = build->pipeline->has_detect && !finds_lines(build->pipeline);
    read->recognise = find_model(build, &from->recognise, false, SG_TASK_TEXT_READ);
    return read->recognise ? 0 : SG_E_CONFIG;
}

static int copy_name(struct sg_pipeline *pipeline, const char *name, const char *description,
                     struct sg_error *err)
{
    pipeline->name = strdup(name);
    pipeline->description = strdup(description ? description : "");
    return pipeline->name && pipeline->description
               ? 0
               : sg_error_set(err, SG_E_NOMEM, "no memory for a pipeline");
}

int sg_pipeline_create(const struct sg_recipe *recipe, sg_model_lookup lookup, void *context, bool exact,
                       struct sg_conf_problems *problems, struct sg_pipeline **out_pipeline,
                       struct sg_error *err)
{
    struct sg_pipeline *pipeline = calloc(1, sizeof(*pipeline));
    struct build build = {recipe, lookup, context, problems, pipeline, err};
    int code;

    *out_pipeline = NULL;
    if (!pipeline)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a pipeline");
    code = copy_name(pipeline, recipe->name.value, recipe->description.value, err);
    if (code < 0)
        goto out;
    pipeline->exact = recipe->has_decode ? recipe->decode == SG_RECIPE_DECODE_EXACT : exact;
    pipeline->has_detect = recipe->has_detect;
    if (recipe->has_detect)
        code = build_detect(&build, &recipe->detect, NULL, &pipeline->detect);
    /* Later stages name classes of the first detector. Without it only their models are looked at: the rest
     * would be echoes of its own problem. */
    pipeline->has_detect = recipe->has_detect && pipeline->detect.model;
    code = worse(code, build_classify(&build, &recipe->classify, pipeline->detect.model, &pipeline->classify,
                                      &pipeline->classify_count));
    code = worse(code, build_inside(&build));
    if (recipe->has_read)
        code = worse(code, build_read(&build));
    if (code < 0)
        goto out;
    *out_pipeline = pipeline;
    pipeline = NULL;
out:
    sg_pipeline_destroy(&pipeline);
    return code;
}

int sg_pipeline_of_model(struct sg_model *model, bool exact, struct sg_pipeline **out_pipeline,
                         struct sg_error *err)
{
    struct sg_pipeline *pipeline = calloc(1, sizeof(*pipeline));
    int code;

    *out_pipeline = NULL;
    if (!pipeline)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a pipeline");
    code = copy_name(pipeline, model->name, NULL, err);
    if (code < 0)
        goto out;
    pipeline->exact = exact;
    remember_model(pipeline, model);
    switch (sg_model_task(model)) {
    case SG_TASK_DETECT:
    case SG_TASK_TEXT_DETECT:
        pipeline->has_detect = true;
        detect_defaults(model, &pipeline->detect);
        break;
    case SG_TASK_CLASSIFY:
        pipeline->classify = calloc(1, sizeof(*pipeline->classify));
        if (!pipeline->classify) {
            code = sg_error_set(err, SG_E_NOMEM, "no memory for a pipeline");
            goto out;
        }
        pipeline->classify_count = 1;
        pipeline->classify[0] =
            (struct classify_stage){.model = model, .on = {.all = true}, .top_k = model->top_k};
        break;
    case SG_TASK_TEXT_READ:
        pipeline->has_read = true;
        pipeline->read.recognise = model;
        break;
    }
    *out_pipeline = pipeline;
    pipeline = NULL;
out:
    sg_pipeline_destroy(&pipeline);
    return code;
}

static void classify_fini(struct classify_stage *stages, int count)
{
    int i;

    for (i = 0; i < count; i++)
        free(stages[i].on.has);
    free(stages);
}

static void detect_fini(struct detect_stage *stage)
{
    sg_batcher_destroy(&stage->batcher);
    free(stage->keep.has);
    free(stage->on.has);
    free(stage->class_thresholds);
    classify_fini(stage->classify, stage->classify_count);
}

void sg_pipeline_destroy(struct sg_pipeline **pipeline)
{
    struct sg_pipeline *p = *pipeline;
    int i;

    if (!p)
        return;
    detect_fini(&p->detect);
    for (i = 0; i < p->inside_count; i++)
        detect_fini(&p->inside[i]);
    free(p->inside);
    classify_fini(p->classify, p->classify_count);
    free(p->name);
    free(p->description);
    free(p);
    *pipeline = NULL;
}

const char *sg_pipeline_name(const struct sg_pipeline *pipeline)
{
    return pipeline->name;
}

const char *sg_pipeline_description(const struct sg_pipeline *pipeline)
{
    return pipeline->description;
}

struct sg_model *const *sg_pipeline_models(const struct sg_pipeline *pipeline, int *out_count)
{
    *out_count = pipeline->model_count;
    return pipeline->models;
}
