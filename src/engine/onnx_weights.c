/* SPDX-License-Identifier: MIT
 * Files of weights of an ONNX file; see onnx_weights.h.
 */
#include "engine/onnx_weights.h"

#include "base/path.h"
#include "data/protobuf.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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
    int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0;
    void *graph = MAP_FAILED;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        graph = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (graph != MAP_FAILED) {
        code = visit_weights(path, graph, (size_t)st.st_size, visit, ctx, err);
        munmap(graph, (size_t)st.st_size);
    }
    if (fd >= 0)
        close(fd);
    return code;
}
