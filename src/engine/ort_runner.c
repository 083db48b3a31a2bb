/* SPDX-License-Identifier: MIT
 * Runs: a runner keeps the OrtValues of one thread. Input memory is engine.c's; output memory is the
 * runtime's arena.
 */
#include "engine/ort_private.h"

int ort_runner_init(struct sg_runner *base, struct sg_error *err)
{
    struct ort_runner *runner = (struct ort_runner *)base;
    const struct sg_signature *signature = &base->graph->signature;
    int i;

    (void)err;
    for (i = 0; i < signature->input_count; i++)
        runner->input_names[i] = signature->inputs[i].name;
    for (i = 0; i < signature->output_count; i++)
        runner->output_names[i] = signature->outputs[i].name;
    return 0;
}

static const struct ort_graph *graph_of(const struct ort_runner *runner)
{
    return (const struct ort_graph *)runner->base.graph;
}

static void release(const struct ort_runner *runner, OrtValue **value)
{
    if (*value)
        ort_runtime_of(graph_of(runner))->api->ReleaseValue(*value);
    *value = NULL;
}

static void release_outputs(struct ort_runner *runner)
{
    int i;

    for (i = 0; i < runner->base.graph->signature.output_count; i++)
        release(runner, &runner->outputs[i]);
}

void ort_runner_fini(struct sg_runner *base)
{
    struct ort_runner *runner = (struct ort_runner *)base;
    int i;

    release_outputs(runner);
    for (i = 0; i < base->graph->signature.input_count; i++)
        release(runner, &runner->inputs[i]);
}

int ort_runner_bind(struct sg_runner *base, int index, struct sg_error *err)
{
    struct ort_runner *runner = (struct ort_runner *)base;
    const struct ort_runtime *runtime = ort_runtime_of(graph_of(runner));
    const struct sg_tensor *tensor = &base->inputs[index].tensor;
    size_t bytes = (size_t)sg_tensor_count(tensor) * sg_dtype_bytes(tensor->dtype);

    release(runner, &runner->inputs[index]);
    return ort_check(runtime,
                     runtime->api->CreateTensorWithDataAsOrtValue(
                         runtime->memory, tensor->data, bytes, tensor->dims, (size_t)tensor->rank,
                         ort_dtype_theirs(tensor->dtype), &runner->inputs[index]),
                     SG_E_INFERENCE, "binding an input", err);
}

static int view_output(struct ort_runner *runner, int index, struct sg_error *err)
{
    const struct ort_runtime *runtime = ort_runtime_of(graph_of(runner));
    const OrtApi *api = runtime->api;
    struct sg_tensor *tensor = &runner->base.outputs[index];
    OrtTensorTypeAndShapeInfo *shape = NULL;
    ONNXTensorElementDataType element;
    size_t rank = 0;
    int code;

    *tensor = (struct sg_tensor){.name = runner->output_names[index]};
    code = ort_check(runtime, api->GetTensorTypeAndShape(runner->outputs[index], &shape), SG_E_INFERENCE,
                     "output", err);
    if (code < 0)
        return code;
    code = ort_check(runtime, api->GetTensorElementType(shape, &element), SG_E_INFERENCE, "output type", err);
    if (code == 0)
        code = ort_check(runtime, api->GetDimensionsCount(shape, &rank), SG_E_INFERENCE, "output rank", err);
    if (code == 0 && rank > SG_TENSOR_MAX_RANK)
        code = sg_error_set(err, SG_E_INFERENCE, "output \"%s\" has %zu dimensions; at most %d are supported",
                            tensor->name, rank, SG_TENSOR_MAX_RANK);
    if (code == 0)
        code = ort_check(runtime, api->GetDimensions(shape, tensor->dims, rank), SG_E_INFERENCE,
                         "output shape", err);
    if (code == 0)
        code = ort_check(runtime, api->GetTensorMutableData(runner->outputs[index], &tensor->data),
                         SG_E_INFERENCE, "output data", err);
    tensor->rank = (int)rank;
    if (code == 0)
        tensor->dtype = ort_dtype_ours(element);
    api->ReleaseTensorTypeAndShapeInfo(shape);
    return code;
}

int ort_runner_run(struct sg_runner *base, struct sg_error *err)
{
    struct ort_runner *runner = (struct ort_runner *)base;
    const struct ort_graph *graph = graph_of(runner);
    const struct sg_signature *signature = &graph->base.signature;
    const struct ort_runtime *runtime = ort_runtime_of(graph);
    bool lean = atomic_load_explicit(&graph->base.lean, memory_order_relaxed);
    int code, i;

    release_outputs(runner);
    code =
        ort_check(runtime,
                  runtime->api->Run(graph->session, lean ? runtime->lean : NULL, runner->input_names,
                                    (const OrtValue *const *)runner->inputs, (size_t)signature->input_count,
                                    runner->output_names, (size_t)signature->output_count, runner->outputs),
                  SG_E_INFERENCE, "the model cannot be run on this input", err);
    for (i = 0; code == 0 && i < signature->output_count; i++)
        code = view_output(runner, i, err);
    if (code < 0)
        release_outputs(runner);
    return code;
}
