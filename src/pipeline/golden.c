/* SPDX-License-Identifier: MIT
 * Running and comparing goldens.
 */
#include "pipeline/golden.h"

#include "base/buf.h"
#include "base/path.h"
#include "conf/files.h"
#include "head/nms.h"
#include "pipeline/pipeline.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_PATH_MAX 4096
#define GOLDEN_TEXT_MAX 160 /* bytes of one thing described */

/* One thing found, whatever it is: an object, or an attribute of the picture. Absent: text NULL, class_id -1.
 */
struct finding {
    const char *label, *text;
    int class_id;
    struct sg_box box;
    bool has_box;
    float score, value;
    bool has_value;
    bool taken; /* stands for an expected one */
};

static struct finding of_object(const struct sg_object *object)
{
    return (struct finding){.label = object->label,
                            .text = object->text,
                            .class_id = object->class_id,
                            .box = object->box,
                            .has_box = true,
                            .score = object->score};
}

/* A value is called by its output, a class by its label. */
static struct finding of_attribute(const struct sg_attribute *attribute)
{
    return (struct finding){.label = attribute->has_value ? attribute->name : attribute->label,
                            .class_id = attribute->class_id,
                            .score = attribute->score,
                            .value = attribute->value,
                            .has_value = attribute->has_value};
}

static float overlap(const struct sg_box *a, const float b[4])
{
    return sg_box_iou(a, &(struct sg_box){b[0], b[1], b[2], b[3]});
}

/* Whether it is the thing meant, its place and numbers aside. */
static bool is_meant(const struct sg_card_golden_object *want, const struct finding *found)
{
    if (want->has_value != found->has_value && !found->has_box)
        return false;
    if (want->label.value && (!found->label || strcmp(want->label.value, found->label) != 0))
        return false;
    return !want->has_class_id || want->class_id == found->class_id;
}

static bool agrees(const struct sg_card_golden *golden, const struct sg_card_golden_object *want,
                   const struct finding *found)
{
    if (!is_meant(want, found))
        return false;
    if (want->has_box && (!found->has_box || overlap(&found->box, want->box) < golden->iou))
        return false;
    if (want->has_score && !(fabsf(found->score - want->score) <= golden->score))
        return false;
    if (want->has_value &&
        !(fabsf(found->value - want->value) <= golden->score * fmaxf(1.0f, fabsf(want->value))))
        return false;
    return !want->text.value || (found->text && strcmp(want->text.value, found->text) == 0);
}

/* How near a miss is: what is meant before what is not, then by overlap, else by score. */
static float nearness(const struct sg_card_golden_object *want, const struct finding *found)
{
    float near = want->has_box && found->has_box ? overlap(&found->box, want->box) : found->score * 0.5f;

    return near + (is_meant(want, found) ? 2.0f : 0.0f);
}

/* "face" or "class 3", the same for both sides. */
static int name_thing(const char *label, bool has_class, int class_id, const char *text, char *out)
{
    if (text)
        return snprintf(out, GOLDEN_TEXT_MAX, "\"%.60s\"", text);
    if (label)
        return snprintf(out, GOLDEN_TEXT_MAX, "%.60s", label);
    if (has_class && class_id >= 0)
        return snprintf(out, GOLDEN_TEXT_MAX, "class %d", class_id);
    return snprintf(out, GOLDEN_TEXT_MAX, "a value");
}

static const char *describe_want(const struct sg_card_golden_object *want, char *out)
{
    int used = name_thing(want->label.value, want->has_class_id, want->class_id, want->text.value, out);

    if (want->has_box)
        used +=
            snprintf(out + used, (size_t)(GOLDEN_TEXT_MAX - used), " at [%.0f, %.0f, %.0f, %.0f]",
                     (double)want->box[0], (double)want->box[1], (double)want->box[2], (double)want->box[3]);
    if (want->has_score)
        used += snprintf(out + used, (size_t)(GOLDEN_TEXT_MAX - used), " score %.3f", (double)want->score);
    if (want->has_value)
        snprintf(out + used, (size_t)(GOLDEN_TEXT_MAX - used), " %.4g", (double)want->value);
    return out;
}

static const char *describe_found(const struct finding *found, char *out)
{
    int used = name_thing(found->label, true, found->class_id, found->text, out);

    if (found->has_box)
        used += snprintf(out + used, (size_t)(GOLDEN_TEXT_MAX - used), " at [%.0f, %.0f, %.0f, %.0f]",
                         (double)found->box.x1, (double)found->box.y1, (double)found->box.x2,
                         (double)found->box.y2);
    if (found->has_value)
        snprintf(out + used, (size_t)(GOLDEN_TEXT_MAX - used), " %.4g", (double)found->value);
    else
        snprintf(out + used, (size_t)(GOLDEN_TEXT_MAX - used), " score %.3f", (double)found->score);
    return out;
}

/* Says what was expected and what came closest. */
static int report_missing(const struct sg_card *card, const struct sg_card_golden_object *want,
                          const struct finding *found, int count, struct sg_conf_problems *problems)
{
    char expected[GOLDEN_TEXT_MAX], closest[GOLDEN_TEXT_MAX], bound[64] = "";
    const struct finding *best = NULL;
    int i;

    for (i = 0; i < count; i++)
        if (!found[i].taken && (!best || nearness(want, &found[i]) > nearness(want, best)))
            best = &found[i];
    describe_want(want, expected);
    if (!best)
        return sg_conf_problems_add(problems, card->path, want->line, want->column, NULL,
                                    "golden %.60s: expected %s, found %s", card->golden.image.value, expected,
                                    count ? "nothing else" : "nothing");
    if (want->has_box && best->has_box && overlap(&best->box, want->box) < card->golden.iou)
        snprintf(bound, sizeof(bound), " (IoU %.2f, expected %g or more)",
                 (double)overlap(&best->box, want->box), (double)card->golden.iou);
    else if (is_meant(want, best) && !want->text.value)
        snprintf(bound, sizeof(bound), " (may differ by %g%s)", (double)card->golden.score,
                 want->has_value ? " of it" : "");
    return sg_conf_problems_add(problems, card->path, want->line, want->column, NULL,
                                "golden %.60s: expected %s, closest %s%s", card->golden.image.value, expected,
                                describe_found(best, closest), bound);
}

static int list_findings(const struct sg_result *result, struct finding **out_found, int *out_count)
{
    int count = result->object_count + result->attribute_count, i;

    *out_found = calloc((size_t)count + 1, sizeof(**out_found));
    if (!*out_found)
        return SG_E_NOMEM;
    for (i = 0; i < result->object_count; i++)
        (*out_found)[i] = of_object(&result->objects[i]);
    for (i = 0; i < result->attribute_count; i++)
        (*out_found)[result->object_count + i] = of_attribute(&result->attributes[i]);
    *out_count = count;
    return 0;
}

int sg_golden_compare(const struct sg_card *card, const struct sg_result *result,
                      struct sg_conf_problems *problems)
{
    const struct sg_card_golden *golden = &card->golden;
    char extra[GOLDEN_TEXT_MAX];
    struct finding *found;
    int count, code = list_findings(result, &found, &count), i, k;
    bool all_found;

    if (code < 0)
        return code;
    for (i = 0; i < golden->objects.count; i++) {
        const struct sg_card_golden_object *want = &golden->objects.items[i];
        struct finding *best = NULL;

        for (k = 0; k < count; k++)
            if (!found[k].taken && agrees(golden, want, &found[k]) &&
                (!best || nearness(want, &found[k]) > nearness(want, best)))
                best = &found[k];
        if (best)
            best->taken = true;
        else
            code = report_missing(card, want, found, count, problems);
    }
    all_found = code == 0; /* else the strays are the missing ones, told of already */
    for (k = 0; k < count && golden->only && all_found; k++)
        if (!found[k].taken)
            code = sg_conf_problems_add(problems, card->path, golden->image.line, golden->image.column, NULL,
                                        "golden %.60s: %s was found and is not expected (only: true)",
                                        golden->image.value, describe_found(&found[k], extra));
    free(found);
    return code;
}

/* The golden picture's bytes; a missing file is a problem of the card. */
static int read_picture(const struct sg_card *card, struct sg_buf *bytes, struct sg_conf_problems *problems,
                        struct sg_error *err)
{
    const struct sg_text *image = &card->golden.image;
    char path[GOLDEN_PATH_MAX];
    int code = sg_path_beside(card->path, image->value, path, sizeof(path));

    if (code == 0)
        code = sg_buf_append_file(bytes, path);
    if (code == 0 || code == SG_E_NOMEM)
        return code == 0 ? 0 : sg_error_set(err, code, "no memory for a golden picture");
    sg_error_set(err, SG_E_CONFIG, "golden picture \"%s\" cannot be read: %s", path,
                 code == SG_E_TOO_LARGE ? "larger than 64 MiB" : strerror(errno));
    return sg_conf_problems_add(problems, card->path, image->line, image->column, NULL, "%s", err->text);
}

static int run_picture(struct sg_model *model, bool exact, const struct sg_buf *bytes,
                       struct sg_result *result, struct sg_error *err)
{
    const struct sg_workspace_options options = {.limits = {SG_DECODE_MAX_BYTES, SG_DECODE_MAX_PIXELS}};
    const struct sg_frame frame = {.bytes = bytes->data ? (const void *)bytes->data : "",
                                   .size = bytes->size};
    struct sg_request request = SG_REQUEST_DEFAULTS;
    struct sg_workspace *workspace = NULL;
    struct sg_pipeline *pipeline = NULL;
    int code = sg_pipeline_of_model(model, exact, &pipeline, err);

    if (code == 0) {
        code = sg_workspace_create(&options, &workspace);
        if (code < 0)
            sg_error_set(err, code, "no memory for a workspace");
    }
    /* Several classes of one picture can be expected of a classifier that reports one. */
    if (sg_model_task(model) == SG_TASK_CLASSIFY && model->card.golden.objects.count > model->top_k)
        request.top_k = model->card.golden.objects.count;
    if (code == 0)
        code = sg_pipeline_run(pipeline, workspace, &frame, &request, result, err);
    sg_workspace_destroy(&workspace);
    sg_pipeline_destroy(&pipeline);
    return code;
}

int sg_golden_check(struct sg_model *model, bool exact, struct sg_conf_problems *problems,
                    struct sg_error *err)
{
    const struct sg_card *card = &model->card;
    struct sg_conf_problems found = {0}, *list = problems ? problems : &found;
    struct sg_result result = {0};
    struct sg_buf bytes;
    int code;

    if (!card->has_golden)
        return 0;
    sg_buf_init(&bytes, SG_DECODE_MAX_BYTES);
    code = read_picture(card, &bytes, list, err);
    if (code < 0)
        goto out;
    code = run_picture(model, exact, &bytes, &result, err);
    if (code < 0) {
        sg_error_prefix(err, "golden %.60s", card->golden.image.value);
        sg_conf_problems_add(list, card->path, card->golden.image.line, card->golden.image.column, NULL, "%s",
                             err->text);
        goto out;
    }
    code = sg_golden_compare(card, &result, list);
    if (code == SG_E_NOMEM)
        sg_error_set(err, code, "no memory to compare a golden");
    else if (code < 0)
        sg_error_set(err, code, "model \"%s\" does not find what the golden of its card expects",
                     model->name);
out:
    sg_buf_fini(&bytes);
    sg_result_fini(&result);
    sg_conf_problems_fini(&found);
    return code;
}
