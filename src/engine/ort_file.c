/* SPDX-License-Identifier: MIT
 * Sessions of files: by their path as they are, or out of a private mapping in which sizes were set free. The
 * mapping costs the pages that were changed; the runtime copies weights out of it as it does out of a file,
 * and those beside the file (external data) it maps by itself in either case.
 */
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

int ort_file_session(struct ort_graph *graph, const char *path, OrtSessionOptions *options,
                     struct sg_error *err)
{
    static const char *const what = "the runtime cannot load it";
    const struct ort_runtime *runtime = ort_runtime_of(graph);
    struct sg_mapping file;
    int code;

    if (graph->base.free.sides == 0)
        return ort_check(runtime, runtime->api->CreateSession(runtime->env, path, options, &graph->session),
                         SG_E_MODEL, what, err);
    code = map_file(path, &file, err);
    if (code == 0)
        code = sg_onnx_free_sides(file.bytes, file.size, &graph->base.free, &graph->base.declared, err);
    if (code == 0)
        graph->base.declared.factor =
            sg_onnx_factor(file.bytes, file.size, graph->base.declared.height, graph->base.declared.width);
    if (code == 0)
        code = tell_folder(runtime, path, options, err);
    if (code == 0)
        code = ort_check(runtime,
                         runtime->api->CreateSessionFromArray(runtime->env, file.bytes, file.size, options,
                                                              &graph->session),
                         SG_E_MODEL, what, err);
    sg_mapping_close(&file);
    return code;
}
