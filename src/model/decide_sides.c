/* SPDX-License-Identifier: MIT
 * Sizes that a file declares and that are not what its graph can do: those that the card wants otherwise, and
 * those that the graph itself contradicts. They are set free and the graph is measured. Called once per model
 * by model.c and decide*.c.
 */
#include "base/log.h"
#include "data/picture_slot.h"
#include "model/model_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOTH_SIDES (SG_SIDE_HEIGHT | SG_SIDE_WIDTH)
#define USUAL_STEP 32 /* pixels: the largest stride of most detectors */

struct size {
    int width, height;
};

/* Sides that models are usually made for, commonest first. */
static const int usual_sides[] = {640, 224, 416, 320, 256, 512, 300,  299, 384, 448, 608,
                                  480, 192, 160, 128, 112, 768, 1024, 800, 96,  64,  1280};
#define MAX_SIZES (3 + sizeof(usual_sides) / sizeof(usual_sides[0]))

static int remember(struct sg_model *model, int64_t width, int64_t height, struct sg_error *err)
{
    struct sg_model_declared *declared = calloc(1, sizeof(*declared));
    int i;

    if (!declared)
        return sg_error_set(err, SG_E_NOMEM, "no memory for what the graph declares");
    declared->width = width > 0 && width <= INT32_MAX ? (int)width : -1;
    declared->height = height > 0 && height <= INT32_MAX ? (int)height : -1;
    for (i = 0; model->signature && i < model->signature->output_count; i++) {
        declared->rank[i] = model->signature->outputs[i].rank;
        memcpy(declared->dims[i], model->signature->outputs[i].dims, sizeof(declared->dims[i]));
        declared->output_count++;
    }
    free(model->declared);
    model->declared = declared;
    return 0;
}

int sg_sides_of_card(struct sg_model *model, struct sg_error *err)
{
    const struct sg_card_input *card = &model->card.input;
    struct sg_graph_free what = {.has_layout = true};
    const struct sg_slot *slot;
    int index, height, width, code;
    int64_t high, wide;

    if (model->opened.free.sides) { /* it did not load as it is */
        const struct sg_graph_declared *file = sg_graph_declared(model->narrow ? model->narrow : model->wide);

        code = remember(model, file->width, file->height, err);
        if (code == 0) {
            model->declared->output_count = 0;
            model->declared->card = card->has_size;
        }
        return code;
    }
    index = sg_picture_slot(model->signature->inputs, model->signature->input_count);
    if (!card->has_size || index < 0)
        return 0;
    slot = &model->signature->inputs[index];
    what.layout = card->has_layout ? card->layout : sg_slot_layout(slot);
    sg_slot_sides(slot, what.layout, &height, &width);
    high = slot->dims[height];
    wide = slot->dims[width];
    what.sides = (high > 0 && high != card->size[1] ? SG_SIDE_HEIGHT : 0u) |
                 (wide > 0 && wide != card->size[0] ? SG_SIDE_WIDTH : 0u);
    /* One number for both sides speaks of the one that the graph leaves open. */
    if (what.sides == 0 || ((high < 0 || wide < 0) && card->size[0] == card->size[1]))
        return 0;
    code = remember(model, wide, high, err);
    if (code < 0)
        return code;
    model->declared->card = true;
    return sg_sides_blame(model, sg_model_set_free(model, &what, err), err);
}

static const char *declared_text(const struct sg_model *model, char *out, size_t out_bytes)
{
    const int64_t dims[] = {model->declared->width, model->declared->height};

    if (dims[0] < 0 && dims[1] < 0)
        return "any size";
    return sg_dims_text(dims, 2, out, out_bytes);
}

int sg_sides_blame(const struct sg_model *model, int code, struct sg_error *err)
{
    const int *size = model->card.input.size;
    char was[48];

    if (code >= 0 || code == SG_E_NOMEM || !model->declared || !model->declared->card)
        return code;
    return sg_error_set(err, SG_E_CONFIG,
                        "the card says `input: {size: [%d, %d]}`, but the graph is fixed at %s, the size "
                        "that it was exported "
                        "for: leave it out%s, or export the model with a free height and width (%s)",
                        size[0], size[1], declared_text(model, was, sizeof(was)),
                        size[0] % USUAL_STEP || size[1] % USUAL_STEP ? ", take multiples of 32" : "",
                        err->text);
}

/* Has a graph that cuts its tensors into rows of a fixed length made several pictures of one? Tables of what
 * was found have as many rows as there is, which tells nothing unless the area grew as much. */
static bool split_pictures(const struct sg_model *model, const struct sg_tensor *output, int64_t declared)
{
    const struct sg_model_declared *was = model->declared;
    double grown = (double)model->transform.width * model->transform.height / was->width / was->height;
    bool table = output->rank == 2 && output->dims[1] >= 4 && output->dims[1] <= 7;

    if (output->rank < 2 || declared != (model->fixed_batch ? model->fixed_batch : 1) ||
        output->dims[0] == declared)
        return false;
    return !table || fabs((double)output->dims[0] / (double)declared - grown) < 0.5;
}

enum verdict { REFUSED, RUNS, AS_DECLARED };

/* What the outputs of a run are beside those declared. *out_which: the last output that is not as declared.
 */
static enum verdict judge(const struct sg_model *model, const struct sg_tensor *outputs, int count,
                          int *out_which)
{
    const struct sg_model_declared *declared = model->declared;
    enum verdict verdict = AS_DECLARED;
    int i;

    for (i = 0; i < count && i < declared->output_count; i++) {
        const struct sg_tensor *output = &outputs[i];

        if (sg_shape_is(output, declared->rank[i], declared->dims[i]))
            continue;
        *out_which = i;
        verdict = RUNS;
        if (output->rank != declared->rank[i] || split_pictures(model, output, declared->dims[i][0]))
            return REFUSED;
    }
    return verdict;
}

/* One run at the transform's size of a graph whose sizes were set free. */
static int try_size(struct sg_model *model, struct sg_runner *runner, enum verdict *out_verdict,
                    struct sg_error *err)
{
    const struct sg_tensor *outputs;
    char real[96], was[96];
    int code = sg_probe_run(model, runner, 1, err), count, which = 0;

    *out_verdict = REFUSED;
    if (code < 0)
        return code;
    outputs = sg_runner_outputs(runner, &count);
    *out_verdict = judge(model, outputs, count, &which);
    if (*out_verdict != REFUSED)
        return 0;
    return sg_error_set(
        err, SG_E_MODEL, "output \"%s\", declared %s, is %s", outputs[which].name,
        sg_dims_text(model->declared->dims[which], model->declared->rank[which], was, sizeof(was)),
        sg_dims_text(outputs[which].dims, outputs[which].rank, real, sizeof(real)));
}

static void add_size(struct size *sizes, int *count, int width, int height)
{
    int i;

    for (i = 0; i < *count; i++)
        if (sizes[i].width == width && sizes[i].height == height)
            return;
    sizes[(*count)++] = (struct size){width, height};
}

static int list_sizes(const struct sg_model *model, struct size sizes[MAX_SIZES])
{
    const struct sg_transform *t = &model->transform;
    struct size exported;
    int count = 0;
    size_t i;

    add_size(sizes, &count, t->width, t->height);
    if (model->card.input.has_size)
        return count;
    add_size(sizes, &count, t->height, t->width);
    if (sg_model_imgsz(model->signature, &exported.width, &exported.height))
        add_size(sizes, &count, exported.width, exported.height);
    for (i = 0; i < sizeof(usual_sides) / sizeof(usual_sides[0]); i++)
        add_size(sizes, &count, usual_sides[i], usual_sides[i]);
    return count;
}

static void tell_size(struct sg_model *model, const struct size *was)
{
    const struct sg_transform *t = &model->transform;
    char value[32], room[48], quoted[512];
    const char *file = declared_text(model, room, sizeof(room));

    snprintf(value, sizeof(value), "%dx%d", t->width, t->height);
    if (t->width == was->width && t->height == was->height)
        sg_model_decide(model, "size", value, false,
                        "%s; sizes that the graph declares in between contradict it and are not believed",
                        model->card.input.has_size ? "the card" : "as the graph declares and was tried with");
    else
        sg_model_decide(model, "size", value, true,
                        "measured: the graph declares %s and does not run at %dx%d; it does at this size",
                        file, was->width, was->height);
    sg_log(SG_LOG_WARN, "sizes that the model declares are wrong and are not used",
           "model=%s declared=\"%s\" size=%s", sg_log_quote(model->name, quoted, sizeof(quoted)), file,
           value);
}

/* The size at which the outputs are as declared, else the first at which the graph runs at all. */
static int search(struct sg_model *model, struct sg_runner *runner, struct sg_error *err)
{
    struct sg_transform *t = &model->transform;
    const struct size was = {t->width, t->height};
    struct size sizes[MAX_SIZES], best = {0};
    enum verdict verdict = REFUSED, found = REFUSED;
    int count = list_sizes(model, sizes), code = 0, i;

    for (i = 0; i < count && found != AS_DECLARED; i++) {
        t->width = sizes[i].width;
        t->height = sizes[i].height;
        code = try_size(model, runner, &verdict, err);
        if (code == SG_E_NOMEM)
            return code;
        if (verdict > found) {
            found = verdict;
            best = sizes[i];
        }
    }
    t->width = found == REFUSED ? was.width : best.width;
    t->height = found == REFUSED ? was.height : best.height;
    if (found == REFUSED)
        return sg_error_set(err, SG_E_MODEL, "nor at %d other sizes", count - 1);
    sg_error_clear(err);
    tell_size(model, &was);
    return found == verdict && found == AS_DECLARED ? 0 : try_size(model, runner, &verdict, err);
}

/* What a graph declares of its outputs is not used, but tells of its exporter. */
static void compare_outputs(struct sg_model *model, struct sg_runner *runner)
{
    const struct sg_signature *signature = model->signature;
    const struct sg_tensor *outputs;
    struct sg_decision *decision = sg_model_decision(model, "size");
    char real[96], was[96];
    int count, i;

    outputs = sg_runner_outputs(runner, &count);
    for (i = 0; i < count && decision; i++) {
        const struct sg_slot *slot = &signature->outputs[i];

        if (sg_shape_is(&outputs[i], slot->rank, slot->dims))
            continue;
        snprintf(decision->ambiguity, sizeof(decision->ambiguity),
                 "output \"%.64s\" is declared %s and is %s: the declared one is not used", slot->name,
                 sg_dims_text(slot->dims, slot->rank, was, sizeof(was)),
                 sg_dims_text(outputs[i].dims, outputs[i].rank, real, sizeof(real)));
        return;
    }
}

static int set_free_and_search(struct sg_model *model, struct sg_runner **runner, struct sg_error *err)
{
    const struct sg_graph_free what = {
        .sides = BOTH_SIDES, .has_layout = true, .layout = model->transform.layout};
    const struct sg_slot *slot = &model->signature->inputs[model->image_input];
    int code = 0, height, width;

    if (!model->opened.free.sides) {
        sg_slot_sides(slot, what.layout, &height, &width);
        code = remember(model, slot->dims[width], slot->dims[height], err);
        if (code < 0)
            return code;
        sg_model_return(model, runner);
        code = sg_model_set_free(model, &what, err);
        if (code == 0)
            code = sg_model_borrow(model, false, runner, err);
    }
    return code < 0 ? code : search(model, *runner, err);
}

/* A size among the factors of a graph's arithmetic makes results at any other size wrong, and nothing else
 * says so. */
static void warn_of_factor(struct sg_model *model)
{
    const struct sg_graph_declared *file = sg_graph_declared(model->narrow ? model->narrow : model->wide);
    const struct sg_transform *t = &model->transform;
    struct sg_decision *decision = sg_model_decision(model, "size");
    char quoted[512];

    if (file->factor == 0 || !decision ||
        (t->width == model->declared->width && t->height == model->declared->height))
        return;
    if (!decision->ambiguity[0])
        sg_log(SG_LOG_WARN, "the declared size is a factor in the graph: results at another may be wrong",
               "model=%s factor=%lld size=%dx%d", sg_log_quote(model->name, quoted, sizeof(quoted)),
               (long long)file->factor, t->width, t->height);
    snprintf(decision->ambiguity, sizeof(decision->ambiguity),
             "the graph multiplies or divides by %lld: if that is its declared size, results at this one are "
             "wrong",
             (long long)file->factor);
}

int sg_sides_probe(struct sg_model *model, struct sg_runner **runner, struct sg_error *err)
{
    bool fixed = !model->dynamic_width && !model->dynamic_height;
    int width = model->transform.width, height = model->transform.height;
    struct sg_error first = {0};
    enum verdict verdict;
    int code;

    code = model->declared ? try_size(model, *runner, &verdict, &first)
                           : sg_probe_run(model, *runner, 1, &first);
    if (code == 0 && !model->declared)
        compare_outputs(model, *runner);
    if (code == 0 && model->declared)
        warn_of_factor(model);
    if (code == 0)
        return 0;
    if (code == SG_E_INFERENCE || code == SG_E_MODEL) {
        if (model->declared && model->declared->card) {
            *err = first;
            return sg_sides_blame(model, code, err);
        }
        if (set_free_and_search(model, runner, err) == 0) {
            warn_of_factor(model);
            return 0;
        }
    }
    *err = first;
    return sg_error_prefix(
        err, "the model does not run on a %dx%d picture%s", width, height,
        fixed ? ", the size that it declares; export it with a free height and width if that is wrong"
              : ", try another `input: {size: [WIDTH, HEIGHT]}`");
}
