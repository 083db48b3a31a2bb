/* SPDX-License-Identifier: MIT
 * What a model's classes are called. Called once per model by decide.c.
 */
#include "base/log.h"
#include "base/path.h"
#include "conf/files.h"
#include "model/model_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DECIDE_PATH_MAX  4096
#define IMAGENET_CLASSES 1000
#define METADATA_FILE    "metadata.yaml" /* Ultralytics; in the folder of its OpenVINO export */

/* Labels as a card writes them: the name of a well-known set, a file beside the card, or a list. *out_what
 * says which. */
static int labels_of_card(const struct sg_card *card, const struct sg_texts *given, struct sg_labels *labels,
                          const char **out_what, struct sg_conf_problems *problems, struct sg_error *err)
{
    const char **items;
    char path[DECIDE_PATH_MAX];
    int code, i;

    if (given->count == 1 && given->scalar) {
        const struct sg_text *name = &given->items[0];

        code = sg_labels_known(name->value, labels, err);
        *out_what = code != 0 ? "the card names a well-known set" : "the card names a file";
        if (code != 0)
            return code < 0 ? code : 0;
        code = sg_path_beside(card->path, name->value, path, sizeof(path));
        code = code < 0 ? sg_error_set(err, code, "the path of labels \"%.80s\" is too long", name->value)
                        : sg_labels_read(path, labels, err);
        if (code < 0 && err)
            sg_conf_problems_add(problems, card->path, name->line, name->column, NULL, "%s", err->text);
        return code;
    }
    *out_what = "the card lists them";
    items = calloc((size_t)given->count, sizeof(*items));
    if (!items)
        return sg_error_set(err, SG_E_NOMEM, "no memory for labels");
    for (i = 0; i < given->count; i++)
        items[i] = given->items[i].value;
    code = sg_labels_copy(items, given->count, labels, err);
    free(items);
    return code;
}

/* Exporters to formats without room for names write them beside the file. */
static int labels_beside(struct sg_model *model, struct sg_error *err)
{
    char path[DECIDE_PATH_MAX], count[32];

    if (sg_path_beside(model->path, METADATA_FILE, path, sizeof(path)) < 0 || access(path, R_OK) != 0)
        return 0;
    if (sg_labels_read(path, &model->labels, err) == SG_E_NOMEM)
        return SG_E_NOMEM;
    sg_error_clear(err); /* names that cannot be read are no names */
    if (model->labels.count > 0) {
        snprintf(count, sizeof(count), "%d names", model->labels.count);
        sg_model_decide(model, "labels", count, false, METADATA_FILE " beside it, written by the exporter");
    }
    return 0;
}

int sg_decide_labels(struct sg_model *model, const char *labels_path, struct sg_conf_problems *problems,
                     struct sg_error *err)
{
    const struct sg_texts *given = &model->card.labels;
    const char *what, *key;
    char count[32];
    int code;

    if (labels_path) {
        code = access(labels_path, F_OK) == 0 ? 0 : sg_labels_known(labels_path, &model->labels, err);
        sg_model_decide(model, "labels", labels_path, false, "%s",
                        code != 0 ? "as asked for, a well-known set" : "as asked for");
        if (code == 0)
            code = sg_labels_read(labels_path, &model->labels, err);
        return code < 0 ? code : 0;
    }
    if (given->count > 0) {
        code = labels_of_card(&model->card, given, &model->labels, &what, problems, err);
        snprintf(count, sizeof(count), "%d names", model->labels.count);
        sg_model_decide(model, "labels", given->scalar ? given->items[0].value : count, false, "%s", what);
        return code;
    }
    code = sg_labels_meta(model->signature, &model->labels, &key, err);
    if (code == SG_E_NOMEM)
        return code;
    sg_error_clear(err); /* names that cannot be read are no names */
    if (model->labels.count == 0)
        return labels_beside(model, err);
    snprintf(count, sizeof(count), "%d names", model->labels.count);
    sg_model_decide(model, "labels", count, false, "metadata %s, written by the exporter", key);
    return 0;
}

static int family_labels(struct sg_model *model, struct sg_error *err)
{
    const char *set = model->guess.labels;
    int code = 0;

    if (!set[0] && model->guess.class_count == IMAGENET_CLASSES && sg_model_task(model) == SG_TASK_CLASSIFY)
        set = "imagenet1k";
    if (model->labels.count == 0 && set[0])
        code = sg_labels_known(set, &model->labels, err);
    if (code > 0)
        sg_model_decide(model, "labels", set, true, "the family's usual set for %d classes",
                        model->guess.class_count);
    if (code != 0)
        return code < 0 ? code : 0;
    if (model->labels.count == 0)
        sg_model_decide(
            model, "labels", "none", true,
            "neither card nor metadata names classes; replies carry class_id alone (--labels FILE, or a set "
            "such as coco80)");
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

/* The output that an entry of `outputs:` is about; a problem when there is none. */
static int check_output(const struct sg_model *model, const struct sg_card_output *output,
                        struct sg_conf_problems *problems, struct sg_error *err)
{
    const struct sg_signature *signature = model->signature;
    const char *names[SG_SIGNATURE_MAX_IO], *suggestion;
    int i;

    for (i = 0; i < signature->output_count; i++) {
        const struct sg_slot *slot = &signature->outputs[i];

        names[i] = slot->name;
        if (strcmp(slot->name, output->name.value) != 0)
            continue;
        if (!output->value || slot->rank < 1 || slot->dims[slot->rank - 1] == 1 ||
            slot->dims[slot->rank - 1] == -1)
            return 0;
        sg_error_set(err, SG_E_CONFIG, "output \"%.80s\" has %lld numbers; `value: true` is for one",
                     slot->name, (long long)slot->dims[slot->rank - 1]);
        return sg_conf_problems_add(problems, model->card.path, output->name.line, output->name.column, NULL,
                                    "%s", err->text);
    }
    suggestion = sg_suggest(output->name.value, names, signature->output_count);
    sg_error_set(err, SG_E_CONFIG, "the graph has no output \"%.80s\"", output->name.value);
    return sg_conf_problems_add(problems, model->card.path, output->name.line, output->name.column,
                                suggestion, "%s", err->text);
}

/* `outputs:` of the card: they must be there, and may carry labels of their own. */
static int name_outputs(struct sg_model *model, struct sg_conf_problems *problems, struct sg_error *err)
{
    const struct sg_card_outputs *outputs = &model->card.outputs;
    const char *what;
    int code = 0, one, i;

    if (outputs->count == 0)
        return 0;
    model->output_labels = calloc((size_t)outputs->count, sizeof(*model->output_labels));
    if (!model->output_labels)
        return sg_error_set(err, SG_E_NOMEM, "no memory for labels");
    for (i = 0; i < outputs->count; i++) {
        const struct sg_card_output *output = &outputs->items[i];

        one = check_output(model, output, problems, err);
        if (one == 0 && output->labels.count > 0)
            one =
                labels_of_card(&model->card, &output->labels, &model->output_labels[i], &what, problems, err);
        code = code < 0 ? code : one;
    }
    return code;
}

/* Names for more or fewer classes than the graph has are most often those of another model. what: "" or the
 * output.
 */
static void compare_counts(const struct sg_model *model, const char *what, int64_t names, int64_t classes,
                           char *out, size_t out_bytes)
{
    out[0] = '\0';
    if (names == 0 || classes <= 0 || names == classes)
        return;
    snprintf(out, out_bytes, "%lld name%s for %lld classes%s%.80s: the names may be those of another model",
             (long long)names, names == 1 ? "" : "s", (long long)classes, what[0] ? " of output " : "", what);
    sg_log(SG_LOG_WARN, "labels do not fit the model", "model=%s output=%s names=%lld classes=%lld",
           model->name, what[0] ? what : "-", (long long)names, (long long)classes);
}

static void check_counts(struct sg_model *model)
{
    const struct sg_card_outputs *outputs = &model->card.outputs;
    const struct sg_signature *signature = model->signature;
    struct sg_decision *decision = sg_model_decision(model, "labels");
    char text[192];
    int i, k;

    /* A reader's names are its alphabet; ctc.c compares that. */
    if (decision && sg_model_task(model) != SG_TASK_TEXT_READ)
        compare_counts(model, "", model->labels.count - model->class_base, model->guess.class_count,
                       decision->ambiguity, sizeof(decision->ambiguity));
    for (i = 0; i < outputs->count; i++)
        for (k = 0; k < signature->output_count; k++)
            if (strcmp(signature->outputs[k].name, outputs->items[i].name.value) == 0 &&
                signature->outputs[k].rank > 0)
                compare_counts(model, signature->outputs[k].name, model->output_labels[i].count,
                               signature->outputs[k].dims[signature->outputs[k].rank - 1], text,
                               sizeof(text));
}

int sg_decide_names(struct sg_model *model, struct sg_conf_problems *problems, struct sg_error *err)
{
    int code = family_labels(model, err);

    if (code == 0)
        decide_class_base(model);
    if (code == 0)
        code = name_outputs(model, problems, err);
    if (code == 0)
        check_counts(model);
    return code;
}
