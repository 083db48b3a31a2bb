/* SPDX-License-Identifier: MIT
 * What the server serves, as JSON and as metrics. Loop thread: the library cannot be swapped meanwhile.
 */
#include "app/serve.h"
#include "codec/json.h"
#include "serve/metrics.h"

#include <string.h>

/* Remembers the first failure; what follows it is not written. */
struct list {
    struct sg_buf *out;
    int code;
};

static void put(struct list *list, const char *text)
{
    if (list->code == 0)
        list->code = sg_buf_append_text(list->out, text);
}

static void put_text(struct list *list, const char *text)
{
    if (list->code == 0)
        list->code = sg_json_text(text, list->out);
}

/* ,"key":"text" unless there is no text. */
static void put_member(struct list *list, const char *key, const char *text)
{
    if (!text || !text[0])
        return;
    put(list, ",\"");
    put(list, key);
    put(list, "\":");
    put_text(list, text);
}

static void put_number(struct list *list, const char *key, double value, int decimals)
{
    put(list, ",\"");
    put(list, key);
    put(list, "\":");
    if (list->code == 0)
        list->code = sg_json_number(value, decimals, list->out);
}

static void put_pipeline(struct list *list, const struct sg_library *library, int index)
{
    const struct sg_pipeline *pipeline = sg_library_pipeline(library, index);
    struct sg_model *const *models = NULL;
    int count = 0, i;

    if (pipeline)
        models = sg_pipeline_models(pipeline, &count);
    put(list, "{\"name\":");
    put_text(list, sg_library_pipeline_name(library, index));
    put_member(list, "description", pipeline ? sg_pipeline_description(pipeline) : NULL);
    put(list, index == sg_library_default(library) ? ",\"default\":true" : ",\"default\":false");
    put(list, pipeline ? ",\"models\":[" : ",\"loading\":true,\"models\":[");
    for (i = 0; i < count; i++) {
        put(list, i ? "," : "");
        put_text(list, models[i]->name);
    }
    put(list, "]}");
}

int serve_list_pipelines(void *ctx, struct sg_buf *out)
{
    const struct serve *serve = ctx;
    struct list list = {.out = out};
    int i;

    put(&list, "{\"pipelines\":[");
    for (i = 0; i < sg_library_pipeline_count(serve->library); i++) {
        put(&list, i ? "," : "");
        put_pipeline(&list, serve->library, i);
    }
    put(&list, "]}");
    return list.code;
}

int serve_tell_pipeline(void *ctx, const char *name, struct sg_buf *out, struct sg_error *err)
{
    const struct serve *serve = ctx;
    struct list list = {.out = out};
    int index = sg_library_pipeline_index(serve->library, name, err);

    if (index < 0)
        return index;
    put_pipeline(&list, serve->library, index);
    return list.code;
}

static const char *task_name(const struct sg_model *model)
{
    static const char *const names[] = {"detect", "classify", "detect_text", "read_text"};
    size_t task = (size_t)sg_model_task(model);

    return task < sizeof(names) / sizeof(names[0]) ? names[task] : "other";
}

static void put_decisions(struct list *list, const struct sg_model *model)
{
    int i;

    put(list, ",\"decisions\":[");
    for (i = 0; i < model->decision_count; i++) {
        const struct sg_decision *decision = &model->decisions[i];

        put(list, i ? ",{\"key\":" : "{\"key\":");
        put_text(list, decision->key);
        put_member(list, "value", decision->value);
        put_member(list, "evidence", decision->evidence);
        put_member(list, "ambiguity", decision->ambiguity);
        put(list, decision->guessed ? ",\"guessed\":true}" : ",\"guessed\":false}");
    }
    put(list, "]");
}

static void put_served(struct list *list, const struct sg_model *model)
{
    int i;

    put_member(list, "description", model->card.description.value);
    put_member(list, "licence", model->card.licence.value);
    put_member(list, "source", model->card.source.value);
    put_member(list, "task", task_name(model));
    put_member(list, "head", sg_head_kind(model->head)->name);
    put(list, ",\"input\":{\"name\":");
    put_text(list, model->signature->inputs[model->image_input].name);
    put_number(list, "width", model->transform.width, 0);
    put_number(list, "height", model->transform.height, 0);
    put(list, "}");
    put_number(list, "load_seconds", (double)model->load_us / 1e6, 3);
    put_decisions(list, model);
    put(list, ",\"labels\":[");
    for (i = 0; i < model->labels.count; i++) {
        put(list, i ? "," : "");
        put_text(list, model->labels.items[i]);
    }
    put(list, "]");
}

static void put_model(struct list *list, const struct sg_library_model *model)
{
    put(list, "{\"name\":");
    put_text(list, model->name);
    put(list, model->model ? ",\"served\":true" : ",\"served\":false");
    if (model->model)
        put_served(list, model->model);
    put(list, "}");
}

int serve_list_models(void *ctx, struct sg_buf *out)
{
    const struct serve *serve = ctx;
    struct list list = {.out = out};
    int count, i;
    const struct sg_library_model *models = sg_library_models(serve->library, &count);

    put(&list, "{\"models\":[");
    for (i = 0; i < count; i++) {
        put(&list, i ? "," : "");
        put_model(&list, &models[i]);
    }
    put(&list, "]}");
    return list.code;
}

int serve_tell_model(void *ctx, const char *name, struct sg_buf *out, struct sg_error *err)
{
    const struct serve *serve = ctx;
    struct list list = {.out = out};
    int count, index = sg_library_model_index(serve->library, name, err);

    if (index < 0)
        return index;
    put_model(&list, &sg_library_models(serve->library, &count)[index]);
    return list.code;
}

int serve_list_metrics(void *ctx, struct sg_buf *out)
{
    const struct serve *serve = ctx;
    struct list list = {.out = out};
    int count, i;
    const struct sg_library_model *models = sg_library_models(serve->library, &count);

    put(&list, "# HELP sightd_model_load_seconds Time it took to load a model that is served.\n"
               "# TYPE sightd_model_load_seconds gauge\n");
    for (i = 0; i < count; i++) {
        if (!models[i].model)
            continue;
        put(&list, "sightd_model_load_seconds{model=");
        if (list.code == 0)
            list.code = sg_metrics_label(models[i].name, out);
        if (list.code == 0)
            list.code = sg_buf_printf(out, "} %.6f\n", (double)models[i].model->load_us / 1e6);
    }
    return list.code;
}
