/* SPDX-License-Identifier: MIT
 * What a graph does not say outright is decided here, each decision with its evidence: which input is the
 * picture, its layout, size and normalisation, the head, thresholds, labels, batching. Called once per model
 * by model.c.
 */
#include "pipe/model_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DECIDE_DEFAULT_SIDE  640 /* what most detectors are exported at */
#define DECIDE_READER_WIDTH  320 /* of a text reader's probe; each line then has its own */
#define DECIDE_THRESHOLD     0.25f
#define DECIDE_MAX_SIDE      8192
#define DECIDE_DEFAULT_TOP_K 1

void sg_model_decide(struct sg_model *model, const char *key, const char *value, bool guessed,
                     const char *evidence, ...)
{
    struct sg_decision *decision;
    va_list args;
    int i;

    for (i = 0; i < model->decision_count; i++)
        if (strcmp(model->decisions[i].key, key) == 0)
            break; /* decided again, with better evidence */
    if (i == SG_MODEL_MAX_DECISIONS)
        return;
    if (i == model->decision_count)
        model->decision_count++;
    decision = &model->decisions[i];
    *decision = (struct sg_decision){.key = key, .guessed = guessed};
    snprintf(decision->value, sizeof(decision->value), "%s", value);
    va_start(args, evidence);
    vsnprintf(decision->evidence, sizeof(decision->evidence), evidence, args);
    va_end(args);
}

static bool is_channels(int64_t dim)
{
    return dim == 1 || dim == 3;
}

static int find_image_input(const struct sg_signature *signature)
{
    int i;

    for (i = 0; i < signature->input_count; i++) {
        const struct sg_slot *slot = &signature->inputs[i];

        if (slot->rank == 4 && (is_channels(slot->dims[1]) || is_channels(slot->dims[3])))
            return i;
    }
    for (i = 0; i < signature->input_count; i++)
        if (signature->inputs[i].rank == 4)
            return i;
    return -1;
}

static int decide_aux(struct sg_model *model, int index, struct sg_error *err)
{
    static const struct {
        const char *name;
        enum sg_aux_kind kind;
        const char *what;
    } known[] = {
        {"scale_factor", SG_AUX_ONES, "1, 1: boxes stay in input pixels"},
        {"orig_target_sizes", SG_AUX_WIDTH_HEIGHT,
         "width, height of the model input: boxes stay in input pixels"},
        {"im_shape", SG_AUX_HEIGHT_WIDTH, "height, width of the model input"},
        {"image_shape", SG_AUX_HEIGHT_WIDTH, "height, width of the model input: boxes stay in input pixels"},
    };
    const struct sg_slot *slot = &model->signature->inputs[index];
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(slot->name, known[i].name) != 0)
            continue;
        if (slot->rank < 1 || slot->rank > 2 ||
            (slot->dims[slot->rank - 1] != 2 && slot->dims[slot->rank - 1] != -1))
            return sg_error_set(err, SG_E_MODEL,
                                "input \"%s\": expected Nx2, the graph declares another shape", slot->name);
        if (model->aux_count == (int)(sizeof(model->aux) / sizeof(model->aux[0])))
            break;
        model->aux[model->aux_count++] = (struct sg_model_aux){.index = index, .kind = known[i].kind};
        sg_model_decide(model, known[i].name, known[i].what, false, "a second input of this name");
        return 0;
    }
    return sg_error_set(
        err, SG_E_MODEL,
        "input \"%s\" is neither a picture (4 dimensions, 1 or 3 channels) nor one that can be filled "
        "(scale_factor, orig_target_sizes, im_shape); export the model without it",
        slot->name);
}

/* "[480, 640]" of Ultralytics' imgsz is height, width; one number is both. */
static bool read_imgsz(const struct sg_signature *signature, int *width, int *height)
{
    const char *text = sg_signature_meta(signature, "imgsz");
    char *end;
    long a, b;

    if (!text)
        return false;
    text += strspn(text, "[( ");
    a = strtol(text, &end, 10);
    end += strspn(end, ", ");
    b = strtol(end, NULL, 10);
    if (b <= 0)
        b = a;
    if (a < 1 || b < 1 || a > DECIDE_MAX_SIDE || b > DECIDE_MAX_SIDE)
        return false;
    *height = (int)a;
    *width = (int)b;
    return true;
}

static int decide_layout(struct sg_model *model, const struct sg_slot *slot, struct sg_error *err)
{
    struct sg_transform *t = &model->transform;
    const struct sg_card_input *card = &model->card.input;
    char shape[96];
    int64_t channels;

    sg_dims_text(slot->dims, slot->rank, shape, sizeof(shape));
    if (card->has_layout)
        t->layout = card->layout;
    else if (is_channels(slot->dims[1]))
        t->layout = SG_LAYOUT_NCHW;
    else if (is_channels(slot->dims[3]))
        t->layout = SG_LAYOUT_NHWC;
    else
        t->layout = slot->dtype == SG_DTYPE_U8 ? SG_LAYOUT_NHWC : SG_LAYOUT_NCHW;
    channels = t->layout == SG_LAYOUT_NCHW ? slot->dims[1] : slot->dims[3];
    if (channels != -1 && !is_channels(channels))
        return sg_error_set(err, SG_E_MODEL,
                            "input \"%s\" is %s: expected 1 or 3 channels, got %lld; `input: {layout: …}` in "
                            "the card if the channels lie elsewhere",
                            slot->name, shape, (long long)channels);
    if (channels == 1)
        t->channels = SG_CHANNELS_GRAY;
    sg_model_decide(model, "layout", t->layout == SG_LAYOUT_NCHW ? "nchw" : "nhwc", false, "%s \"%s\" is %s",
                    card->has_layout ? "the card; input" : "input", slot->name, shape);
    return 0;
}

static void decide_size(struct sg_model *model, const struct sg_slot *slot)
{
    struct sg_transform *t = &model->transform;
    const struct sg_card_input *card = &model->card.input;
    int64_t height = t->layout == SG_LAYOUT_NCHW ? slot->dims[2] : slot->dims[1];
    int64_t width = t->layout == SG_LAYOUT_NCHW ? slot->dims[3] : slot->dims[2];
    char size[32];

    model->dynamic_height = height < 0;
    model->dynamic_width = width < 0;
    t->height = height > 0 ? (int)height : 0;
    t->width = width > 0 ? (int)width : 0;
    if (t->height && t->width) {
        snprintf(size, sizeof(size), "%dx%d", t->width, t->height);
        sg_model_decide(model, "size", size, false, "fixed in the graph");
        return;
    }
    if (card->has_size) {
        t->width = t->width ? t->width : card->size[0];
        t->height = t->height ? t->height : card->size[1];
        snprintf(size, sizeof(size), "%dx%d", t->width, t->height);
        sg_model_decide(model, "size", size, false, "the card; the graph takes any");
    } else if (read_imgsz(model->signature, &t->width, &t->height)) {
        snprintf(size, sizeof(size), "%dx%d", t->width, t->height);
        sg_model_decide(model, "size", size, false, "metadata imgsz; the graph takes any");
    } else {
        t->width = t->width                       ? t->width
                   : t->height && t->height <= 64 ? DECIDE_READER_WIDTH
                                                  : DECIDE_DEFAULT_SIDE;
        t->height = t->height ? t->height : DECIDE_DEFAULT_SIDE;
        snprintf(size, sizeof(size), "%dx%d", t->width, t->height);
        sg_model_decide(model, "size", size, true, "the graph takes any size");
    }
}

int sg_decide_inputs(struct sg_model *model, struct sg_error *err)
{
    const struct sg_signature *signature = model->signature;
    struct sg_transform *t = &model->transform;
    const struct sg_slot *slot;
    int code, i;

    model->image_input = find_image_input(signature);
    if (model->image_input < 0)
        return sg_error_set(err, SG_E_MODEL,
                            "no input is a picture: expected one of 4 dimensions, \"%s\" has %d",
                            signature->inputs[0].name, signature->inputs[0].rank);
    slot = &signature->inputs[model->image_input];
    if (slot->dtype != SG_DTYPE_F32 && slot->dtype != SG_DTYPE_F16 && slot->dtype != SG_DTYPE_U8 &&
        slot->dtype != SG_DTYPE_I8)
        return sg_error_set(err, SG_E_MODEL,
                            "input \"%s\" is %s; pictures can be fed as float32, float16, uint8 or int8",
                            slot->name, sg_dtype_name(slot->dtype));
    t->dtype = slot->dtype;
    sg_model_decide(model, "dtype", sg_dtype_name(slot->dtype), false, "input \"%s\"", slot->name);
    code = decide_layout(model, slot, err);
    if (code < 0)
        return code;
    decide_size(model, slot);
    if (t->width > DECIDE_MAX_SIDE || t->height > DECIDE_MAX_SIDE)
        return sg_error_set(err, SG_E_MODEL,
                            "input \"%s\" would be %dx%d pixels; at most %d a side are supported", slot->name,
                            t->width, t->height, DECIDE_MAX_SIDE);
    if (slot->dims[0] > 1)
        return sg_error_set(err, SG_E_MODEL,
                            "input \"%s\" has a fixed batch of %lld; export it with batch 1 or a dynamic one",
                            slot->name, (long long)slot->dims[0]);
    model->dynamic_batch = slot->dims[0] == -1;
    for (i = 0; i < 3; i++)
        t->std[i] = t->dtype == SG_DTYPE_U8 || t->dtype == SG_DTYPE_I8 ? 1.0f : 255.0f;
    for (i = 0; i < signature->input_count && code == 0; i++)
        if (i != model->image_input)
            code = decide_aux(model, i, err);
    return code;
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
        } else if (!integers) {
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
    snprintf(value, sizeof(value), "mean %.6g, %.6g, %.6g std %.6g, %.6g, %.6g", t->mean[0], t->mean[1],
             t->mean[2], t->std[0], t->std[1], t->std[2]);
    if (card->has_mean || card->has_std || card->has_scale)
        sg_model_decide(model, "mean", value, false, "the card: (pixel - mean) / std");
    else
        sg_model_decide(model, "mean", value, !integers, "%s: (pixel - mean) / std",
                        integers ? "the graph takes pixels as they are" : why);
}

/* --labels, the card, the exporter's metadata; the family's well-known set is tried after the head is known.
 */
static int decide_labels(struct sg_model *model, const char *labels_path, struct sg_conf_problems *problems,
                         struct sg_error *err)
{
    const struct sg_texts *given = &model->card.labels;
    const char *names = sg_signature_meta(model->signature, "names");
    const char *const *set;
    char path[4096];
    int count, code, i;

    if (labels_path) {
        sg_model_decide(model, "labels", labels_path, false, "as asked for");
        return sg_labels_read(labels_path, &model->labels, err);
    }
    if (given->count == 1 && given->scalar) {
        set = sg_head_labels(given->items[0].value, &count);
        if (set) {
            sg_model_decide(model, "labels", given->items[0].value, false, "the card names a well-known set");
            return sg_labels_copy(set, count, &model->labels, err);
        }
        sg_model_relative(model->card.path, given->items[0].value, path, sizeof(path));
        sg_model_decide(model, "labels", given->items[0].value, false, "the card names a file");
        code = sg_labels_read(path, &model->labels, err);
        if (code < 0 && err)
            sg_conf_problems_add(problems, model->card.path, given->items[0].line, given->items[0].column,
                                 NULL, "%s", err->text);
        return code;
    }
    if (given->count > 0) {
        const char **items = calloc((size_t)given->count, sizeof(*items));

        if (!items)
            return sg_error_set(err, SG_E_NOMEM, "no memory for labels");
        for (i = 0; i < given->count; i++)
            items[i] = given->items[i].value;
        code = sg_labels_copy(items, given->count, &model->labels, err);
        free(items);
        sg_model_decide(model, "labels", "a list", false, "the card lists %d", given->count);
        return code;
    }
    if (names && sg_labels_parse(names, &model->labels, err) == 0) {
        snprintf(path, sizeof(path), "%d names", model->labels.count);
        sg_model_decide(model, "labels", path, false, "metadata names, written by the exporter");
    }
    return 0;
}

static int family_labels(struct sg_model *model, struct sg_error *err)
{
    const char *const *set;
    int count;

    if (model->labels.count == 0 && model->guess.labels[0]) {
        set = sg_head_labels(model->guess.labels, &count);
        if (set) {
            sg_model_decide(model, "labels", model->guess.labels, true,
                            "the family's usual set for %d classes", model->guess.class_count);
            return sg_labels_copy(set, count, &model->labels, err);
        }
    }
    if (model->labels.count == 0)
        sg_model_decide(
            model, "labels", "none", true,
            "neither card nor metadata names classes; replies carry class_id alone (--labels FILE)");
    return 0;
}

/* Graphs that count classes from 1 come with labels files whose first line stands for the background ("???"):
 * then a line number is a class id as the graph has it, and the head's 0-based ids are moved back. */
static void decide_class_base(struct sg_model *model)
{
    static const char *const backgrounds[] = {"???", "background", "__background__", "bg"};
    const char *first = sg_model_label(model, 0);
    char value[48];
    size_t i;

    for (i = 0; first && model->guess.class_offset > 0 && i < sizeof(backgrounds) / sizeof(backgrounds[0]);
         i++) {
        if (strcasecmp(first, backgrounds[i]) != 0)
            continue;
        model->class_base = model->guess.class_offset;
        snprintf(value, sizeof(value), "from %d", model->class_base);
        sg_model_decide(model, "class_offset", value, false,
                        "the labels begin with \"%s\": ids stay as the graph counts them", first);
    }
}

static void fill_spec(const struct sg_model *model, struct sg_head_spec *spec)
{
    const struct sg_card *card = &model->card;
    int i;

    *spec = (struct sg_head_spec){.input_width = model->transform.width,
                                  .input_height = model->transform.height,
                                  .class_count = model->labels.count,
                                  .class_offset = card->has_class_offset ? card->class_offset : 0,
                                  .scores = (int)card->scores,
                                  .embedding = card->embedding,
                                  .mask_threshold = card->has_mask_threshold ? card->mask_threshold : 0.0f,
                                  .unclip = card->has_unclip ? card->unclip : 0.0f,
                                  .space = card->has_space ? card->space : 0.0f,
                                  .anchor_count = card->anchor_numbers / 2,
                                  .stride_count = card->stride_count};
    if (card->head.value)
        snprintf(spec->kind, sizeof(spec->kind), "%s", card->head.value);
    for (i = 0; i < card->anchor_numbers && i < SG_HEAD_MAX_ANCHORS * 2; i++)
        spec->anchors[i] = card->anchors[i];
    for (i = 0; i < card->stride_count && i < SG_HEAD_MAX_STRIDES; i++)
        spec->strides[i] = card->strides[i];
}

/* Runs the probe and lets the heads say what the outputs look like. */
static int choose_head(struct sg_model *model, struct sg_runner *runner, struct sg_error *err)
{
    const struct sg_tensor *outputs;
    struct sg_head_spec spec;
    int count, code;

    code = sg_probe_run(model, runner, 1, err);
    if (code < 0)
        return sg_error_prefix(err, "the model does not run on a %dx%d picture", model->transform.width,
                               model->transform.height);
    outputs = sg_runner_outputs(runner, &count);
    fill_spec(model, &spec);
    model->guess = (struct sg_head_guess){.transform = model->transform};
    sg_head_destroy(&model->head);
    return sg_head_create(model->signature, outputs, count, &spec, &model->head, &model->guess, err);
}

/* Graphs that take any size run best at the side their family was made for. */
static int settle_size(struct sg_model *model, struct sg_runner *runner, struct sg_error *err)
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
    return choose_head(model, runner, err);
}

static int decide_batch(struct sg_model *model, struct sg_runner *runner, struct sg_error *err)
{
    char value[32];
    int code;

    model->max_batch = 1;
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
    code = sg_probe_batch(model, runner, &model->batches, err);
    if (code == SG_E_INFERENCE || code == SG_E_MODEL) {
        sg_model_decide(model, "batch", "never", false,
                        "the graph declares a dynamic batch but does not run with two pictures");
        sg_error_clear(err);
        return 0;
    }
    if (code < 0)
        return code;
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

static void decide_thresholds(struct sg_model *model)
{
    const struct sg_card *card = &model->card;
    const struct sg_head_guess *guess = &model->guess;
    char value[64];

    model->threshold = card->has_threshold       ? card->threshold
                       : guess->threshold > 0.0f ? guess->threshold
                                                 : DECIDE_THRESHOLD;
    model->iou = card->has_nms ? card->nms : guess->iou;
    model->agnostic = card->has_agnostic ? card->agnostic : guess->agnostic;
    model->top_k = card->has_top_k ? card->top_k : DECIDE_DEFAULT_TOP_K;
    if (sg_model_task(model) != SG_TASK_DETECT && sg_model_task(model) != SG_TASK_TEXT_DETECT)
        return;
    snprintf(value, sizeof(value), "%g", model->threshold);
    sg_model_decide(model, "threshold", value, !card->has_threshold, "%s",
                    card->has_threshold ? "the card" : "the family's usual one");
    if (sg_head_kind(model->head)->graph_nms && !card->has_nms) {
        model->iou = 0.0f;
        sg_model_decide(model, "nms", "none here", false, "the graph suppresses by itself");
        return;
    }
    snprintf(value, sizeof(value), model->iou > 0.0f ? "IoU %g%s" : "none", model->iou,
             model->agnostic ? ", across classes" : "");
    sg_model_decide(model, "nms", value, !card->has_nms, "%s",
                    card->has_nms ? "the card" : "the family's usual one");
}

int sg_decide_head(struct sg_model *model, const char *labels_path, struct sg_conf_problems *problems,
                   struct sg_error *err)
{
    struct sg_runner *runner = NULL;
    int code;

    code = decide_labels(model, labels_path, problems, err);
    if (code < 0)
        return code;
    code = sg_model_borrow(model, false, &runner, err);
    if (code < 0)
        return code;
    code = choose_head(model, runner, err);
    if (code == 0)
        code = settle_size(model, runner, err);
    if (code < 0)
        goto out;
    sg_model_decide(model, "head", sg_head_kind(model->head)->name,
                    !model->card.head.value && model->guess.confidence < 90, "%s",
                    model->card.head.value ? "the card" : model->guess.evidence);
    if (!model->card.head.value)
        snprintf(model->decisions[model->decision_count - 1].ambiguity, sizeof(model->decisions[0].ambiguity),
                 "%s", model->guess.ambiguity);
    decide_transform(model);
    code = family_labels(model, err);
    if (code < 0)
        goto out;
    decide_class_base(model);
    decide_thresholds(model);
    code = decide_batch(model, runner, err);
out:
    sg_model_return(model, &runner);
    return code;
}
