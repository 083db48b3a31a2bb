/* SPDX-License-Identifier: MIT
 * Compiled models: one per graph, opened by any thread. A run keeps to its caller's thread where it may use
 * one core: as many streams as there may be runs at once, each of one thread, which is the caller's own.
 */
#include "base/path.h"
#include "engine/onnx_metadata.h"
#include "engine/onnx_weights.h"
#include "engine/ov_private.h"

#include <stdio.h>
#include <string.h>

#define OV_PATH_MAX 4096

static bool is_cpu(const char *device)
{
    return !device || !*device || strcasecmp(device, "CPU") == 0;
}

/* Sizes that every run has let the compiler plan memory and choose kernels once. */
static int fix_shapes(const struct ov_runtime *runtime, const struct ov_graph *graph, const ov_model_t *model,
                      const struct sg_graph_shapes *shapes, struct sg_error *err)
{
    const struct sg_signature *signature = &graph->base.signature;
    ov_dimension_t dims[SG_SIGNATURE_MAX_IO][SG_TENSOR_MAX_RANK];
    ov_partial_shape_t partial[SG_SIGNATURE_MAX_IO];
    const char *names[SG_SIGNATURE_MAX_IO];
    int i, k;

    for (i = 0; i < signature->input_count; i++) {
        names[i] = signature->inputs[i].name;
        for (k = 0; k < shapes->rank[i]; k++)
            dims[i][k] = (ov_dimension_t){shapes->dims[i][k], shapes->dims[i][k]};
        partial[i] = (ov_partial_shape_t){.rank = {shapes->rank[i], shapes->rank[i]}, .dims = dims[i]};
    }
    return ov_check(runtime,
                    runtime->api.ov_model_reshape(model, names, partial, (size_t)signature->input_count),
                    SG_E_MODEL, "its sizes cannot be fixed", err);
}

static int compile(struct ov_graph *graph, const ov_model_t *model, const struct sg_graph_options *options,
                   struct sg_error *err)
{
    const struct ov_runtime *runtime = ov_runtime_of(graph);
    const char *precision = options->precision == SG_PRECISION_BF16 ? "bf16" : "f32";
    int streams = options->threads > 1 || options->runs < 1 ? 1 : options->runs;
    int threads = options->threads > 1 ? options->threads : streams;
    char streams_text[16], threads_text[16];
    ov_status_e status;

    snprintf(streams_text, sizeof(streams_text), "%d", streams);
    snprintf(threads_text, sizeof(threads_text), "%d", threads);
    if (is_cpu(options->device))
        status = runtime->api.ov_core_compile_model(runtime->core, model, "CPU", 8, &graph->compiled,
                                                    "NUM_STREAMS", streams_text, "INFERENCE_NUM_THREADS",
                                                    threads_text, "ENABLE_CPU_PINNING", "NO",
                                                    "INFERENCE_PRECISION_HINT", precision);
    else
        status =
            runtime->api.ov_core_compile_model(runtime->core, model, options->device, 0, &graph->compiled);
    return ov_check(runtime, status, SG_E_MODEL, "the runtime cannot load it", err);
}

int ov_graph_open(struct sg_graph *base, const char *path, const struct sg_graph_options *options,
                  struct sg_error *err)
{
    struct ov_graph *graph = (struct ov_graph *)base;
    const struct ov_runtime *runtime = ov_runtime_of(graph);
    bool known = base->signature.input_count > 0;
    ov_model_t *model = NULL;
    int code;

    if (base->free.sides)
        return sg_error_set(err, SG_E_MODEL, "its declared sizes cannot be set free here");
    code = ov_check(runtime, runtime->api.ov_core_read_model(runtime->core, path, NULL, &model), SG_E_MODEL,
                    "the runtime cannot read it", err);
    if (code == 0 && known && options->shapes)
        code = fix_shapes(runtime, graph, model, options->shapes, err);
    if (code == 0)
        code = compile(graph, model, options, err);
    if (model)
        runtime->api.ov_model_free(model);
    if (code == 0)
        code = ov_signature_ports(graph, err);
    if (code == 0 && !known && sg_path_ends(path, ".onnx"))
        code = sg_onnx_metadata(path, &base->signature, err);
    return code;
}

void ov_graph_close(struct sg_graph *base)
{
    struct ov_graph *graph = (struct ov_graph *)base;

    ov_signature_release(graph);
    if (graph->compiled)
        ov_runtime_of(graph)->api.ov_compiled_model_free(graph->compiled);
}

/* model.xml has its weights in model.bin, model.pdmodel in model.pdiparams. */
int ov_graph_files(const char *path, sg_file_fn visit, void *ctx, struct sg_error *err)
{
    static const struct {
        const char *ending, *weights;
    } pairs[] = {{".xml", ".bin"}, {".pdmodel", ".pdiparams"}};
    char beside[OV_PATH_MAX];
    size_t i;

    if (sg_path_ends(path, ".onnx"))
        return sg_onnx_weights(path, visit, ctx, err);
    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        if (sg_path_ends(path, pairs[i].ending) &&
            snprintf(beside, sizeof(beside), "%.*s%s", (int)(strlen(path) - strlen(pairs[i].ending)), path,
                     pairs[i].weights) < (int)sizeof(beside))
            return visit(ctx, beside, err);
    return 0;
}
