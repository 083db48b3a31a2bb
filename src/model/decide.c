/* SPDX-License-Identifier: MIT
 * What a graph does not say outright is decided here, each decision with its evidence: head, normalisation,
 * thresholds, batching. decide_input.c and decide_labels.c do the rest. Called once per model by model.c.
 */
#include "base/log.h"
#include "model/model_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DECIDE_THRESHOLD 0.25f
#define DECIDE_TOP_K     1
#define DECIDE_TEXT_MAX  512 /* of a warning */
#define DECIDE_MAX_KINDS 64  /* heads that a suggestion is looked for among */
/* Models were trained on, and references are made with, plain bilinear sampling, which takes 2 x 2 pixels
 * however large the step; a picture reduced to just the input's size is smoother, and boxes drift
 * (docs/DECISIONS.md has figures). */
#define DECIDE_MARGIN 2.0f

struct sg_decision *sg_model_decision(struct sg_model *model, const char *key)
{
    for (int i = 0; i < model->decision_count; i++)
        if (strcmp(model->decisions[i].key, key) == 0)
            return &model->decisions[i];
    return NULL;
}

void sg_model_decide(struct sg_model *model, const char *key, const char *value, bool guessed,
                     const char *evidence, ...)
{
    struct sg_decision *decision = sg_model_decision(model, key); /* decided again, with better evidence */
    va_list args;

    if (!decision && model->decision_count == SG_MODEL_MAX_DECISIONS)
        return;
    if (!decision)
        decision = &model->decisions[model->decision_count++];
    *decision = (struct sg_decision){.key = key, .guessed = guessed};
    snprintf(decision->value, sizeof(decision->value), "%s", value);
    va_start(args, evidence);
    vsnprintf(decision->evidence, sizeof(decision->evidence), evidence, args);
    va_end(args);
}

static const char *fit_name(enum sg_fit fit)
{
    static const char *const names[] = {"stretch", "letterbox", "letterbox-topleft", "center-crop"};

    return names[fit];
}

static const char *channels_name(enum sg_channels channels)
{
    static const char *const names[] = {"rgb", "bgr", "gray"};

    return names[channels];
}

/* The family's convention, then the card over it. value = (pixel * scale - mean) / std on the card is
 * (pixel - mean / scale) / (std / scale) in a transform. */
static void decide_transform(struct sg_model *model)
{
    struct sg_transform *t = &model->transform;
    const struct sg_transform *family = &model->guess.transform;
    const struct sg_card_input *card = &model->card.input;
    const char *why =
        model->guess.transform_evidence[0] ? model->guess.transform_evidence : "the family's convention";
    bool integers = t->dtype == SG_DTYPE_U8 || t->dtype == SG_DTYPE_I8;
    char value[128];
    int i;

    if (t->channels != SG_CHANNELS_GRAY)
        t->channels = card->has_color ? card->color : family->channels;
    t->fit = card->has_resize ? card->resize : family->fit;
    t->shorter_side = card->has_shorter_side ? card->shorter_side : family->shorter_side;
    for (i = 0; i < 3; i++) {
        float scale = card->has_scale ? card->scale : 1.0f;

        t->pad[i] = card->has_pad ? card->pad[i] : family->pad[i];
        if (card->has_mean || card->has_std || card->has_scale) {
            t->mean[i] = (card->has_mean ? card->mean[i] : 0.0f) / scale;
            t->std[i] = (card->has_std ? card->std[i] : 1.0f) / scale;
        } else if (!integers) { /* sg_decide_inputs has said it for integers */
            t->mean[i] = family->mean[i];
            t->std[i] = family->std[i] != 0.0f ? family->std[i] : 1.0f;
        }
    }
    sg_model_decide(model, "color", channels_name(t->channels), !card->has_color, "%s",
                    card->has_color ? "the card" : why);
    if (model->native_size) {
        sg_model_decide(model, "resize", "none", false,
                        "the graph takes uint8 pictures of any size and resizes them itself");
    } else {
        snprintf(value, sizeof(value), "%s", fit_name(t->fit));
        if (t->fit == SG_FIT_CENTER_CROP)
            snprintf(value, sizeof(value), "%s, shorter side %d", fit_name(t->fit), t->shorter_side);
        else if (t->fit != SG_FIT_STRETCH)
            snprintf(value, sizeof(value), "%s, pad %g", fit_name(t->fit), t->pad[0]);
        sg_model_decide(model, "resize", value, !card->has_resize, "%s", card->has_resize ? "the card" : why);
    }
    snprintf(value, sizeof(value), "%.6g, %.6g, %.6g; std %.6g, %.6g, %.6g", t->mean[0], t->mean[1],
             t->mean[2], t->std[0], t->std[1], t->std[2]);
    if (card->has_mean || card->has_std || card->has_scale)
        sg_model_decide(model, "mean", value, false, "the card: (pixel - mean) / std");
    else
        sg_model_decide(model, "mean", value, t->dtype != SG_DTYPE_U8, "%s: (pixel - mean) / std",
                        t->dtype == SG_DTYPE_I8 ? "the graph takes int8: 0..255 becomes -128..127"
                        : integers              ? "the graph takes pixels as they are"
                                                : why);
}

static void fill_spec(const struct sg_model *model, struct sg_head_spec *spec)
{
    const struct sg_card *card = &model->card;
    int i;

    *spec = (struct sg_head_spec){.input_width = model->transform.width,
                                  .input_height = model->transform.height,
                                  .class_count = model->labels.count,
                                  .labels = (const char *const *)model->labels.items,
                                  .class_offset = card->has_class_offset ? card->class_offset : 0,
                                  .scores = (int)card->scores,
                                  .embedding = card->embedding,
                                  .mask_threshold = card->has_mask_threshold ? card->mask_threshold : 0.0f,
                                  .unclip = card->has_unclip ? card->unclip : 0.0f,
                                  .space = card->has_space ? card->space : 0.0f,
                                  .blank = !card->blank.value      ? SG_BLANK_DECIDE
                                           : card->blank_class < 0 ? card->blank_class
                                                                   : card->blank_class + 1,
                                  .anchor_count = card->anchor_numbers / 2,
                                  .stride_count = card->stride_count};
    if (card->head.value)
        snprintf(spec->kind, sizeof(spec->kind), "%s", card->head.value);
    for (i = 0; i < card->anchor_numbers && i < SG_HEAD_MAX_ANCHORS * 2; i++)
        spec->anchors[i] = card->anchors[i];
    for (i = 0; i < card->stride_count && i < SG_HEAD_MAX_STRIDES; i++)
        spec->strides[i] = card->strides[i];
}

/* A head that the card names and that is not there or does not fit is a mistake of that line. */
static int blame_card(const struct sg_model *model, struct sg_conf_problems *problems, struct sg_error *err)
{
    const struct sg_head_ops *const *kind = sg_head_kinds();
    const struct sg_text *head = &model->card.head;
    const char *names[DECIDE_MAX_KINDS];
    int count = 0;

    for (; *kind && count < DECIDE_MAX_KINDS; kind++)
        names[count++] = (*kind)->name;
    sg_conf_problems_add(problems, model->card.path, head->line, head->column,
                         sg_head_find(head->value) ? NULL : sg_suggest(head->value, names, count), "%s",
                         err->text);
    return err->code;
}

_Static_assert((int)SG_CARD_BLANK_LAST == (int)SG_BLANK_LAST && (int)SG_CARD_BLANK_NONE == (int)SG_BLANK_NONE,
               "a card's blank is the spec's");

/* A reader whose blank nothing tells is shown a white line: what it says of that is the blank. */
static int look_at_white(struct sg_model *model, struct sg_runner *runner, struct sg_head_spec *spec,
                         struct sg_error *err)
{
    struct sg_head_guess white = {.transform = model->transform};
    const struct sg_tensor *outputs;
    struct sg_head *head = NULL;
    int count, code = sg_probe_white(model, runner, err);

    if (code < 0)
        return code;
    outputs = sg_runner_outputs(runner, &count);
    snprintf(spec->kind, sizeof(spec->kind), "%s", sg_head_kind(model->head)->name);
    code = sg_head_create(model->signature, outputs, count, spec, &head, &white, err);
    if (code == SG_E_NOMEM)
        return code;
    sg_error_clear(err);
    if (code == 0 && !white.blank_guessed) {
        struct sg_head *first = model->head;

        model->head = head;
        head = first;
        model->guess.blank_guessed = false;
        memcpy(model->guess.blank, white.blank, sizeof(white.blank));
        memcpy(model->guess.blank_evidence, white.blank_evidence, sizeof(white.blank_evidence));
    }
    sg_head_destroy(&head);
    return 0;
}

/* Runs the probe and lets the heads say what the outputs look like. */
static int choose_head(struct sg_model *model, struct sg_runner **runner, struct sg_conf_problems *problems,
                       struct sg_error *err)
{
    const struct sg_tensor *outputs;
    struct sg_head_spec spec;
    int count, code;

    code = sg_sides_probe(model, runner, err);
    if (code < 0)
        return code;
    outputs = sg_runner_outputs(*runner, &count);
    fill_spec(model, &spec);
    model->guess = (struct sg_head_guess){.transform = model->transform};
    sg_head_destroy(&model->head);
    code = sg_head_create(model->signature, outputs, count, &spec, &model->head, &model->guess, err);
    if (code == 0 && model->guess.blank_guessed)
        code = look_at_white(model, *runner, &spec, err);
    code = sg_sides_blame(model, code, err);
    return code < 0 && code != SG_E_NOMEM && model->card.head.value ? blame_card(model, problems, err) : code;
}

/* Graphs that take any size run best at the side their family was made for. */
static int settle_size(struct sg_model *model, struct sg_runner **runner, struct sg_conf_problems *problems,
                       struct sg_error *err)
{
    struct sg_transform *t = &model->transform;
    const struct sg_head_ops *kind = sg_head_kind(model->head);
    int side = model->guess.dynamic_side;
    char size[32];

    if (model->card.input.has_size || !model->dynamic_width || kind->task == SG_TASK_TEXT_READ)
        return 0;
    if (model->dynamic_height && t->dtype == SG_DTYPE_U8 && kind->graph_nms) {
        model->native_size = true;
        sg_model_decide(model, "size", "the picture's own", false,
                        "uint8 of any size, boxes suppressed inside: the graph resizes");
        return 0;
    }
    if (!model->dynamic_height || side == 0 || (side == t->width && side == t->height) ||
        sg_signature_meta(model->signature, "imgsz"))
        return 0;
    t->width = t->height = side;
    snprintf(size, sizeof(size), "%dx%d", side, side);
    sg_model_decide(model, "size", size, true, "the graph takes any size; %s is best run at this one",
                    kind->name);
    return choose_head(model, runner, problems, err);
}

/* A graph that wants several pictures is given one and zeros. Its answers must tell whose they are, and those
 * of the first picture must not change with the others. Crops fill it where they may. */
static int decide_fixed_batch(struct sg_model *model, struct sg_runner *runner, struct sg_error *err)
{
    bool told, independent, reads = sg_model_task(model) == SG_TASK_TEXT_READ;
    int code = sg_probe_batch(model, runner, &told, &independent, err);
    char value[48];

    if (code < 0)
        return code;
    if (!reads && (!told || !independent))
        return sg_error_set(
            err, SG_E_MODEL,
            "the graph has a fixed batch of %d, and %s; export it with batch 1 or a dynamic one",
            model->fixed_batch,
            told ? "a picture's result changes with its batch mates"
                 : "its outputs are not one part for each picture");
    model->max_batch = reads ? 1 : model->fixed_batch;
    snprintf(value, sizeof(value), "always %d", model->fixed_batch);
    sg_model_decide(
        model, "batch", value, false,
        "fixed in the graph; what is missing is filled with zeros, so one picture takes as long as %d: "
        "export it with batch 1 or a dynamic one",
        model->fixed_batch);
    return 0;
}

static int decide_batch(struct sg_model *model, struct sg_runner *runner, struct sg_error *err)
{
    char value[32];
    bool told;
    int code;

    model->max_batch = 1;
    if (model->fixed_batch)
        return decide_fixed_batch(model, runner, err);
    if (!model->dynamic_batch) {
        sg_model_decide(model, "batch", "never", false, "the graph has a fixed batch of 1");
        return 0;
    }
    if (model->card.batch == SG_CARD_BATCH_NEVER) {
        sg_model_decide(model, "batch", "never", false, "the card");
        return 0;
    }
    if (model->native_size || sg_model_task(model) == SG_TASK_TEXT_DETECT) {
        sg_model_decide(model, "batch", "never", false, "pictures keep their own size");
        return 0;
    }
    code = sg_probe_batch(model, runner, &told, &model->batches, err);
    if (code == SG_E_INFERENCE || code == SG_E_MODEL) {
        sg_model_decide(model, "batch", "never", false,
                        "the graph declares a dynamic batch but does not run with two pictures");
        sg_error_clear(err);
        return 0;
    }
    if (code < 0)
        return code;
    if (!told) {
        sg_model_decide(model, "batch", "never", false, "the outputs are not one part for each picture");
        return 0;
    }
    if (!model->batches) {
        sg_model_decide(model, "batch", "never", false,
                        "measured: a picture's result changes with its batch mate (dynamic quantisation)");
        return 0;
    }
    model->max_batch = model->card.batch > 1 && model->card.batch < SG_MODEL_MAX_BATCH ? model->card.batch
                                                                                       : SG_MODEL_MAX_BATCH;
    snprintf(value, sizeof(value), "up to %d", model->max_batch);
    sg_model_decide(model, "batch", value, false,
                    "dynamic in the graph; measured: results do not depend on batch mates");
    return 0;
}

/* A graph that suppresses by itself needs none here, but may be asked for more: tighter, or across classes.
 */
static void decide_nms(struct sg_model *model)
{
    const struct sg_card *card = &model->card;
    bool inside = sg_head_kind(model->head)->graph_nms;
    bool more = inside && card->has_agnostic && card->agnostic && !card->has_nms;
    char value[64];

    model->agnostic = card->has_agnostic ? card->agnostic : model->guess.agnostic;
    model->iou = card->has_nms ? card->nms : more ? SG_HEAD_USUAL_IOU : inside ? 0.0f : model->guess.iou;
    if (inside && !card->has_nms && !more) {
        sg_model_decide(model, "nms", "none here", false, "the graph suppresses by itself");
        return;
    }
    snprintf(value, sizeof(value), model->iou > 0.0f ? "IoU %g%s" : "none", model->iou,
             model->agnostic ? ", across classes" : "");
    sg_model_decide(model, "nms", value, !card->has_nms && !more, "%s%s",
                    card->has_nms || more ? "the card" : "the family's usual one",
                    inside ? ", after what the graph suppressed by itself" : "");
}

static void decide_thresholds(struct sg_model *model)
{
    const struct sg_card *card = &model->card;
    const struct sg_head_guess *guess = &model->guess;
    char value[64];

    model->threshold = card->has_threshold       ? card->threshold
                       : guess->threshold > 0.0f ? guess->threshold
                                                 : DECIDE_THRESHOLD;
    model->margin = card->input.has_margin ? card->input.margin : DECIDE_MARGIN;
    model->top_k = card->has_top_k ? card->top_k : DECIDE_TOP_K;
    if (sg_model_task(model) != SG_TASK_DETECT && sg_model_task(model) != SG_TASK_TEXT_DETECT)
        return;
    snprintf(value, sizeof(value), "%g", model->threshold);
    sg_model_decide(model, "threshold", value, !card->has_threshold, "%s",
                    card->has_threshold ? "the card" : "the family's usual one");
    decide_nms(model);
}

/* A key that changes nothing was meant to: the head is another one than its writer thought, or the key is. */
static void tell_unused(const struct sg_model *model)
{
    const struct sg_head_ops *kind = sg_head_kind(model->head);
    const struct sg_card *card = &model->card;
    char text[DECIDE_TEXT_MAX], quoted[DECIDE_TEXT_MAX];
    int i;

    for (i = 0; i < sg_card_table.row_count; i++) {
        const char *key = sg_card_table.rows[i].key;

        if (card->places[i].line == 0 || sg_head_uses(kind, key))
            continue;
        snprintf(text, sizeof(text), "%s:%d:%d: head %s does not use `%s`", card->path, card->places[i].line,
                 card->places[i].column, kind->name, key);
        sg_log(SG_LOG_WARN, text, "model=%s", sg_log_quote(model->name, quoted, sizeof(quoted)));
    }
}

int sg_decide_head(struct sg_model *model, const char *labels_path, struct sg_conf_problems *problems,
                   struct sg_error *err)
{
    struct sg_runner *runner = NULL;
    struct sg_error rest = {0};
    int code, bad = sg_decide_labels(model, labels_path, problems, err);

    if (bad < 0 && (!problems || !model->card.head.value))
        return bad;
    code = sg_model_borrow(model, false, &runner, bad < 0 ? &rest : err);
    if (code < 0)
        return bad < 0 ? bad : code;
    code = choose_head(model, &runner, problems, bad < 0 ? &rest : err);
    code = bad < 0 ? bad : code; /* the card's head was looked at so that all problems are told at once */
    if (code == 0)
        code = settle_size(model, &runner, problems, err);
    if (code < 0)
        goto out;
    sg_model_decide(model, "head", sg_head_kind(model->head)->name,
                    !model->card.head.value && model->guess.confidence < 90, "%s",
                    model->card.head.value ? "the card" : model->guess.evidence);
    if (!model->card.head.value)
        snprintf(model->decisions[model->decision_count - 1].ambiguity, sizeof(model->decisions[0].ambiguity),
                 "%s", model->guess.ambiguity);
    if (model->guess.blank[0] && sg_model_task(model) == SG_TASK_TEXT_READ)
        sg_model_decide(model, "blank", model->guess.blank, model->guess.blank_guessed, "%s",
                        model->guess.blank_evidence);
    decide_transform(model);
    code = sg_decide_names(model, problems, err);
    if (code < 0)
        goto out;
    decide_thresholds(model);
    tell_unused(model);
    code = decide_batch(model, runner, err);
out:
    sg_model_return(model, &runner);
    return code;
}
