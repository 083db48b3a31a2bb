/* SPDX-License-Identifier: MIT
 * Which files an open model or pipeline came from: so that no output is written over them.
 */
#include "conf/files.h"
#include "conf/places.h"
#include "data/protobuf.h"
#include "pipeline/library_private.h"
#include "pipeline/open.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_PATH_MAX 4096

/* A graph keeps weights in other files as pairs of ONNX's TensorProto.external_data: key "location" (field 1)
 * and behind it the path beside the graph (field 2). Pairs are found by their bytes, in whatever message they
 * are: initializers, attributes, graphs inside of nodes. */
static int visit_weights(const char *onnx_path, const uint8_t *graph, size_t size, sg_file_fn visit,
                         void *ctx, struct sg_error *err)
{
    static const char mark[] = "\x0a\x08location";
    const uint8_t *at = graph, *end = graph + size;
    char name[FILES_PATH_MAX], path[FILES_PATH_MAX], last[FILES_PATH_MAX] = "";
    int code = 0;

    while (code == 0 && (at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) != NULL) {
        struct sg_protobuf behind;
        struct sg_protobuf_field field;

        at += sizeof(mark) - 1;
        behind = (struct sg_protobuf){.data = graph, .at = (size_t)(at - graph), .end = size};
        if (sg_protobuf_next(&behind, &field) != SG_PROTOBUF_FIELD || field.number != 2 ||
            field.wire != SG_PROTOBUF_BYTES || field.size == 0 || field.size >= sizeof(name))
            continue;
        memcpy(name, graph + field.at, (size_t)field.size);
        name[field.size] = '\0';
        if (strcmp(name, last) == 0 || sg_conf_beside(onnx_path, name, path, sizeof(path)) < 0)
            continue; /* one file holds all tensors, most often */
        memcpy(last, name, (size_t)field.size + 1);
        code = visit(ctx, path, err);
    }
    return code;
}

static int visit_graph(const char *path, sg_file_fn visit, void *ctx, struct sg_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), code = visit(ctx, path, err);
    void *graph = MAP_FAILED;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        graph = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (code == 0 && graph != MAP_FAILED)
        code = visit_weights(path, graph, (size_t)st.st_size, visit, ctx, err);
    if (graph != MAP_FAILED)
        munmap(graph, (size_t)st.st_size);
    if (fd >= 0)
        close(fd);
    return code;
}

/* A file of names, unless the text is that of a set (then there is no such file, or it is one). */
static int visit_labels(const struct sg_card *card, const struct sg_texts *labels, sg_file_fn visit,
                        void *ctx, struct sg_error *err)
{
    char path[FILES_PATH_MAX];

    if (labels->count != 1 || !labels->scalar ||
        sg_conf_beside(card->path, labels->items[0].value, path, sizeof(path)) < 0)
        return 0;
    return visit(ctx, path, err);
}

int sg_model_files(const struct sg_model *model, sg_file_fn visit, void *ctx, struct sg_error *err)
{
    const struct sg_card *card = &model->card;
    int code = visit_graph(model->path, visit, ctx, err), i;

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
