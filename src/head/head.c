/* SPDX-License-Identifier: MIT
 * The registry of heads, the choice among them, and the way of a frame: decode, suppress, refine.
 */
#include "head/head.h"

#include "head/find.h"
#include "head/kinds.h"
#include "head/nms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND_POINTER(kind) &sg_head_##kind,
static const struct sg_head_ops *const kinds[] = {SG_HEAD_KIND_TABLE(KIND_POINTER) NULL};
#undef KIND_POINTER

struct sg_head {
    const struct sg_head_ops *ops;
    void *state;
};

const struct sg_head_ops *const *sg_head_kinds(void)
{
    return kinds;
}

const struct sg_head_ops *sg_head_find(const char *name)
{
    size_t i;

    for (i = 0; kinds[i]; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}

/* Those of the task are for the code around the kinds: thresholds and NMS, or what is answered. */
static const struct {
    const char *name;
    unsigned key, tasks;
} card_keys[] = {
    {"class_offset", SG_KEY_CLASS_OFFSET, 0},
    {"anchors", SG_KEY_ANCHORS, 0},
    {"strides", SG_KEY_STRIDES, 0},
    {"scores", SG_KEY_SCORES, 0},
    {"embedding", SG_KEY_EMBEDDING, 0},
    {"mask_threshold", SG_KEY_MASK_THRESHOLD, 0},
    {"unclip", SG_KEY_UNCLIP, 0},
    {"space", SG_KEY_SPACE, 0},
    {"blank", SG_KEY_BLANK, 0},
    {"threshold", 0, 1 << SG_TASK_DETECT | 1 << SG_TASK_TEXT_DETECT},
    {"nms", 0, 1 << SG_TASK_DETECT | 1 << SG_TASK_TEXT_DETECT},
    {"agnostic", 0, 1 << SG_TASK_DETECT | 1 << SG_TASK_TEXT_DETECT},
    {"top_k", 0, 1 << SG_TASK_CLASSIFY},
    {"outputs", 0, 1 << SG_TASK_CLASSIFY},
};

bool sg_head_uses(const struct sg_head_ops *kind, const char *key)
{
    size_t i;

    for (i = 0; i < sizeof(card_keys) / sizeof(card_keys[0]); i++)
        if (strcmp(card_keys[i].name, key) == 0)
            return (kind->keys & card_keys[i].key) || (1u << kind->task & card_keys[i].tasks);
    return true;
}

/* Ultralytics' own word: what the model is, and that no shape of ours would be right. */
static bool has_no_head(const char *task)
{
    return strcmp(task, "obb") == 0 || strcmp(task, "semantic") == 0;
}

static int no_kind(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                   struct sg_error *err)
{
    const char *task = sg_meta_task(signature);
    char list[256];

    sg_outputs_text(outputs, count, list, sizeof(list));
    if (has_no_head(task))
        return sg_error_set(
            err, SG_E_MODEL,
            "the graph's metadata says task \"%s\", for which there is no head (outputs %s); export "
            "a model of task detect, segment, pose or classify",
            task, list);
    return sg_error_set(err, SG_E_MODEL,
                        "no head fits the outputs %s; `sight model heads` lists what there is, and `head:` "
                        "in the card names one",
                        list);
}

/* The most confident kind; the guess of it in *guess, which comes in holding what the caller read off the
 * graph. */
static const struct sg_head_ops *choose(const struct sg_signature *signature, const struct sg_tensor *outputs,
                                        int count, const struct sg_head_spec *spec,
                                        struct sg_head_guess *guess)
{
    const struct sg_head_guess start = *guess;
    const struct sg_head_ops *best = NULL, *rival = NULL;
    int i;

    for (i = 0; kinds[i] && !has_no_head(sg_meta_task(signature)); i++) {
        struct sg_head_guess mine = start;

        mine.confidence = 0;
        kinds[i]->match(signature, outputs, count, spec, &mine);
        if (mine.confidence <= 0)
            continue;
        if (best && mine.confidence == guess->confidence)
            rival = kinds[i];
        if (best && mine.confidence <= guess->confidence)
            continue;
        best = kinds[i];
        rival = NULL;
        *guess = mine;
    }
    if (rival)
        snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                 "%s and %s fit equally well; set `head: %s` in the card if %s is wrong", best->name,
                 rival->name, rival->name, best->name);
    return best;
}

/* The kind was named: its own match still supplies the conventions, and says so when it would not have
 * matched. */
static void obey(const struct sg_head_ops *ops, const struct sg_signature *signature,
                 const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec,
                 struct sg_head_guess *guess)
{
    guess->confidence = 0;
    ops->match(signature, outputs, count, spec, guess);
    if (guess->confidence > 0)
        return;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "named by the card; the outputs alone would not say %s", ops->name);
    guess->threshold = 0.25f;
    guess->iou = ops->graph_nms ? 0.0f : SG_HEAD_USUAL_IOU;
    guess->class_count = spec->class_count;
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, 114.0f,
                   "assumed; set channels, mean, std and fit in the card");
}

/* A probe of no pictures has shapes to believe in and no memory behind them; nothing may be read off it.
 * Tables of rank 1 and 2 may be empty: nothing was found. */
static int refuse_empty_batch(const struct sg_tensor *outputs, int count, struct sg_error *err)
{
    int i;

    for (i = 0; i < count; i++)
        if (outputs[i].rank >= 3 && outputs[i].dims[0] < 1)
            return sg_shape_error(err, &outputs[i], "at least one picture in the probe's batch");
    return SG_OK;
}

static struct sg_head *empty_head(const struct sg_head_ops *ops)
{
    struct sg_head *head = calloc(1, sizeof(*head));
    void *state = calloc(1, ops->state_bytes);

    if (!head || !state) {
        free(head);
        free(state);
        return NULL;
    }
    *head = (struct sg_head){.ops = ops, .state = state};
    return head;
}

int sg_head_create(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                   const struct sg_head_spec *spec, struct sg_head **out_head, struct sg_head_guess *guess,
                   struct sg_error *err)
{
    struct sg_head_spec full = *spec;
    const struct sg_head_ops *ops;
    struct sg_head *head;
    int code;

    *out_head = NULL;
    code = refuse_empty_batch(outputs, count, err);
    if (code < 0)
        return code;
    if (spec->kind[0]) {
        ops = sg_head_find(spec->kind);
        if (!ops)
            return sg_error_set(err, SG_E_CONFIG, "head: no kind is called \"%.*s\"", SG_HEAD_NAME_MAX,
                                spec->kind);
        obey(ops, signature, outputs, count, spec, guess);
    } else {
        ops = choose(signature, outputs, count, spec, guess);
        if (!ops)
            return no_kind(signature, outputs, count, err);
    }
    if (!full.class_count)
        full.class_count = guess->class_count;
    if (!full.class_offset)
        full.class_offset = guess->class_offset;
    head = empty_head(ops);
    if (!head)
        return sg_error_set(err, SG_E_NOMEM, "out of memory while preparing head %s", ops->name);
    code = ops->init(signature, outputs, count, &full, head->state, err);
    if (code < 0) {
        sg_head_destroy(&head);
        sg_error_prefix(err, "head %s", ops->name);
        return code;
    }
    *out_head = head;
    return SG_OK;
}

void sg_head_destroy(struct sg_head **head)
{
    if (!*head)
        return;
    free((*head)->state);
    free(*head);
    *head = NULL;
}

const struct sg_head_ops *sg_head_kind(const struct sg_head *head)
{
    return head->ops;
}

/* What no kind may let out: boxes or scores that are not finite, scores outside 0..1. */
static void keep_finite(struct sg_detections *detections)
{
    int kept = 0, i;

    for (i = 0; i < detections->count; i++) {
        struct sg_detection *item = &detections->items[i];
        /* One NaN or infinity makes the sum of the differences NaN. */
        float sum = item->box.x1 - item->box.x1 + item->box.y1 - item->box.y1 + item->box.x2 - item->box.x2 +
                    item->box.y2 - item->box.y2 + item->score - item->score;

        if (sum != 0.0f)
            continue;
        item->score = item->score > 1.0f ? 1.0f : item->score < 0.0f ? 0.0f : item->score;
        if (kept != i)
            detections->items[kept] = *item;
        kept++;
    }
    detections->count = kept;
}

int sg_head_detect(const struct sg_head *head, const struct sg_tensor *outputs, int count, int item,
                   const struct sg_head_options *options, struct sg_detections *detections,
                   struct sg_error *err)
{
    int max_objects = options->max_objects > 0 && options->max_objects < SG_RESULT_MAX_OBJECTS
                          ? options->max_objects
                          : SG_RESULT_MAX_OBJECTS;
    int code;

    sg_detections_clear(detections);
    if (!head->ops->detect)
        return sg_error_set(err, SG_E_INVALID, "head %s finds no objects: it answers about the whole picture",
                            head->ops->name);
    code = head->ops->detect(head->state, outputs, count, item, options, detections, err);
    if (code == SG_OK) {
        keep_finite(detections);
        code = sg_nms(detections, options->iou, options->agnostic, max_objects, err);
    }
    if (code == SG_OK && head->ops->refine)
        code = head->ops->refine(head->state, outputs, count, item, options, detections, err);
    if (code < 0) {
        sg_detections_clear(detections);
        sg_error_prefix(err, "head %s", head->ops->name);
    }
    return code;
}

int sg_head_answer(const struct sg_head *head, const struct sg_tensor *outputs, int count, int item,
                   int top_k, const char *const *labels, int label_count, struct sg_answers *answers,
                   struct sg_error *err)
{
    int code;

    answers->count = 0;
    answers->text[0] = '\0';
    answers->text_score = 0.0f;
    if (!head->ops->answer)
        return sg_error_set(err, SG_E_INVALID, "head %s answers nothing about the whole picture: it detects",
                            head->ops->name);
    code = head->ops->answer(head->state, outputs, count, item, top_k < 1 ? 1 : top_k, labels, label_count,
                             answers, err);
    if (code < 0)
        sg_error_prefix(err, "head %s", head->ops->name);
    return code;
}
