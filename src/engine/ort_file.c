/* SPDX-License-Identifier: MIT
 * Sessions of files: by their path as they are, or out of a private mapping in which sizes were set free. The
 * mapping costs the pages that were changed; the runtime copies weights out of it as it does out of a file,
 * and those beside the file (external data) it maps by itself in either case.
 */
#include "base/log.h"
#include "base/mapping.h"
#include "engine/onnx_factor.h"
#include "engine/onnx_sides.h"
#include "engine/ort_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t)INT32_MAX) /* of any protobuf message */

static int map_file(const char *path, struct sg_mapping *out, struct sg_error *err)
{
    int code = sg_mapping_open(out, path, true, err);

    if (code == 0 && (!out->bytes || out->size > FILE_MAX_BYTES))
        code = sg_error_set(err, SG_E_MODEL, "its sizes cannot be set free: no file of 1 to %zu bytes",
                            FILE_MAX_BYTES);
    return code;
}

/* Where external data lies, which the runtime cannot know of bytes. */
static int tell_folder(const struct ort_runtime *runtime, const char *path, OrtSessionOptions *options,
                       struct sg_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strdup(".");
    int code;

    if (!folder)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the model's folder");
    code = ort_check(runtime,
                     runtime->api->AddSessionConfigEntry(
                         options, "session.model_external_initializers_file_folder_path", folder),
                     SG_E_INVALID, "the model's folder", err);
    free(folder);
    return code;
}

/* A session of a file, or of its bytes where sizes were set free in them. */
static OrtStatus *create(struct ort_graph *graph, const char *path, const struct sg_mapping *file,
                         const OrtSessionOptions *options)
{
    const struct ort_runtime *runtime = ort_runtime_of(graph);

    return file->bytes ? runtime->api->CreateSessionFromArray(runtime->env, file->bytes, file->size, options,
                                                              &graph->session)
                       : runtime->api->CreateSession(runtime->env, path, options, &graph->session);
}

/* The rewriting that careful bytes need fails on some sound files (filters that share a zero point): those
 * are opened without it, which is said. */
static int create_careful(struct ort_graph *graph, const char *path, const struct sg_mapping *file,
                          OrtSessionOptions *options, struct sg_error *err)
{
    const struct ort_runtime *runtime = ort_runtime_of(graph);
    int code =
        ort_check(runtime, create(graph, path, file, options), SG_E_MODEL, "the runtime cannot load it", err);
    struct sg_error second = {0};
    char quoted[512];

    if (code == 0 || !ort_bytes_overflow() || ort_careful_bytes(runtime, options, false, &second) < 0 ||
        ort_check(runtime, create(graph, path, file, options), SG_E_MODEL, "", &second) < 0)
        return code;
    sg_error_clear(err);
    sg_log(SG_LOG_WARN, "a quantised model may answer wrongly on a processor without VNNI", "path=%s",
           sg_log_quote(path, quoted, sizeof(quoted)));
    return 0;
}

int ort_file_session(struct ort_graph *graph, const char *path, OrtSessionOptions *options,
                     struct sg_error *err)
{
    struct sg_mapping file = {0};
    int code = 0;

    if (graph->base.free.sides == 0)
        return create_careful(graph, path, &file, options, err);
    code = map_file(path, &file, err);
    if (code == 0)
        code = sg_onnx_free_sides(file.bytes, file.size, &graph->base.free, &graph->base.declared, err);
    if (code == 0)
        graph->base.declared.factor =
            sg_onnx_factor(file.bytes, file.size, graph->base.declared.height, graph->base.declared.width);
    if (code == 0)
        code = tell_folder(ort_runtime_of(graph), path, options, err);
    if (code == 0)
        code = create_careful(graph, path, &file, options, err);
    sg_mapping_close(&file);
    return code;
}
