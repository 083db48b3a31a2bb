/* SPDX-License-Identifier: MIT
 * Files of weights of an ONNX file; see onnx_weights.h.
 */
#include "engine/onnx_weights.h"

#include "base/mapping.h"
#include "base/path.h"
#include "data/protobuf.h"

#include <stdio.h>
#include <string.h>

#define WEIGHTS_PATH_MAX 4096

enum { LOCATION_VALUE = 2 };

/* A graph keeps weights in other files as pairs of TensorProto.external_data: key "location" (field 1) and
 * behind it the path beside the graph (field 2). Pairs are found by their bytes, in whatever message they
 * are: initializers, attributes, graphs inside of nodes. */
static int visit_weights(const char *graph_path, const uint8_t *graph, size_t size, sg_file_fn visit,
                         void *ctx, struct sg_error *err)
{
    static const char mark[] = "\x0a\x08location";
    const uint8_t *at = graph, *end = graph + size;
    char name[WEIGHTS_PATH_MAX], path[WEIGHTS_PATH_MAX], last[WEIGHTS_PATH_MAX] = "";
    int code = 0;

    while (code == 0 && (at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1)) != NULL) {
        struct sg_protobuf behind;
        struct sg_protobuf_field field;

        at += sizeof(mark) - 1;
        behind = (struct sg_protobuf){.data = graph, .at = (size_t)(at - graph), .end = size};
        if (sg_protobuf_next(&behind, &field) != SG_PROTOBUF_FIELD || field.number != LOCATION_VALUE ||
            field.wire != SG_PROTOBUF_BYTES || field.size == 0 || field.size >= sizeof(name))
            continue;
        memcpy(name, graph + field.at, (size_t)field.size);
        name[field.size] = '\0';
        if (strcmp(name, last) == 0 || sg_path_beside(graph_path, name, path, sizeof(path)) < 0)
            continue; /* one file holds all tensors, most often */
        memcpy(last, name, (size_t)field.size + 1);
        code = visit(ctx, path, err);
    }
    return code;
}

int sg_onnx_weights(const char *path, sg_file_fn visit, void *ctx, struct sg_error *err)
{
    struct sg_mapping graph;
    int code = 0;

    (void)sg_mapping_open(&graph, path, false, NULL);
    if (graph.bytes)
        code = visit_weights(path, graph.bytes, graph.size, visit, ctx, err);
    sg_mapping_close(&graph);
    return code;
}
