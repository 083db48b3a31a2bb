/* SPDX-License-Identifier: MIT
 * Which files an open model or pipeline came from: so that no output is written over them.
 */
#include "conf/files.h"
#include "base/path.h"
#include "conf/places.h"
#include "pipeline/library_private.h"
#include "pipeline/open.h"

#include <string.h>

#define FILES_PATH_MAX 4096

/* A file of names, unless the text is that of a set (then there is no such file, or it is one). */
static int visit_labels(const struct sg_card *card, const struct sg_texts *labels, sg_file_fn visit,
                        void *ctx, struct sg_error *err)
{
    char path[FILES_PATH_MAX];

    if (labels->count != 1 || !labels->scalar ||
        sg_path_beside(card->path, labels->items[0].value, path, sizeof(path)) < 0)
        return 0;
    return visit(ctx, path, err);
}

int sg_model_files(const struct sg_model *model, sg_file_fn visit, void *ctx, struct sg_error *err)
{
    const struct sg_card *card = &model->card;
    int code = visit(ctx, model->path, err), i;

    if (code == 0)
        code = sg_graph_files(model->narrow ? model->narrow : model->wide, model->path, visit, ctx, err);
    if (code == 0 && model->card_path)
        code = visit(ctx, model->card_path, err);
    if (code == 0 && card->path)
        code = visit_labels(card, &card->labels, visit, ctx, err);
    for (i = 0; i < card->outputs.count && code == 0 && card->path; i++)
        code = visit_labels(card, &card->outputs.items[i].labels, visit, ctx, err);
    return code;
}

/* Recipes and cards that nobody wanted were read, too. */
static int visit_library(const struct sg_library *library, sg_file_fn visit, void *ctx, struct sg_error *err)
{
    struct sg_conf_problems problems = {0};
    struct sg_texts recipes = {0};
    int code = sg_conf_list(library->options.settings, library->options.pipelines, &recipes, &problems), i;

    code = code == SG_E_NOMEM ? sg_error_set(err, code, "no memory for the list of pipelines") : 0;
    for (i = 0; i < recipes.count && code == 0; i++)
        code = visit(ctx, recipes.items[i].value, err);
    for (i = 0; i < library->model_count && code == 0; i++) {
        const struct sg_library_model *entry = &library->models[i];

        if (entry->opened)
            code = sg_model_files(entry->opened, visit, ctx, err);
        else if (entry->card_path)
            code = visit(ctx, entry->card_path, err);
    }
    sg_texts_fini(&recipes);
    sg_conf_problems_fini(&problems);
    return code;
}

int sg_opened_files(const struct sg_opened *opened, sg_file_fn visit, void *ctx, struct sg_error *err)
{
    int code = opened->model ? sg_model_files(opened->model, visit, ctx, err) : 0;

    return code == 0 && opened->library ? visit_library(opened->library, visit, ctx, err) : code;
}
