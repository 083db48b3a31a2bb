/* SPDX-License-Identifier: MIT
 * Runs: a runner keeps the OrtValues of one thread. Input memory is ours and stays bound while shapes repeat;
 * output memory is the runtime's arena.
 */
#include "engine/ort_private.h"

#include <stdlib.h>
#include <string.h>

#define RUNNER_ALIGN 64u

struct bound_input {
    void *memory;
    size_t capacity_bytes;
    struct sg_tensor tensor;
    OrtValue *value; /* NULL until shaped */
};

struct sg_runner {
    struct sg_graph *graph;
    struct bound_input inputs[SG_SIGNATURE_MAX_IO];
    OrtValue *outputs[SG_SIGNATURE_MAX_IO];
    struct sg_tensor tensors[SG_SIGNATURE_MAX_IO];
};

int sg_runner_create(struct sg_graph *graph, struct sg_runner **out_runner, struct sg_error *err)
{
    struct sg_runner *runner = calloc(1, sizeof(*runner));

    *out_runner = runner;
    if (!runner)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a model runner");
    runner->graph = graph;
    return 0;
}

static void release_outputs(struct sg_runner *runner)
{
    int i;

    for (i = 0; i < runner->graph->signature.output_count; i++) {
        if (runner->outputs[i])
            runner->graph->engine->api->ReleaseValue(runner->outputs[i]);
        runner->outputs[i] = NULL;
    }
}

void sg_runner_destroy(struct sg_runner **runner)
{
    struct sg_runner *r = *runner;
    int i;

    if (!r)
        return;
    release_outputs(r);
    for (i = 0; i < r->graph->signature.input_count; i++) {
        if (r->inputs[i].value)
            r->graph->engine->api->ReleaseValue(r->inputs[i].value);
        free(r->inputs[i].memory);
    }
    free(r);
    *runner = NULL;
}

static int check_dims(const struct sg_slot *slot, const int64_t *dims, int rank, struct sg_error *err)
{
    char want[96], got[96];
    bool fits = rank == slot->rank;
    int i;

    for (i = 0; fits && i < rank; i++)
        fits = dims[i] >= 0 && (slot->dims[i] < 0 || slot->dims[i] == dims[i]);
    if (fits)
        return 0;
    return sg_error_set(err, SG_E_MODEL, "input \"%s\": the graph declares %s, got %s", slot->name,
                        sg_dims_text(slot->dims, slot->rank, want, sizeof(want)),
                        sg_dims_text(dims, rank, got, sizeof(got)));
}

int sg_runner_input(struct sg_runner *runner, int index, const int64_t *dims, int rank,
                    struct sg_tensor *out_tensor, struct sg_error *err)
{
    const struct sg_slot *slot = &runner->graph->signature.inputs[index];
    const struct sg_engine *engine = runner->graph->engine;
    struct bound_input *input = &runner->inputs[index];
    struct sg_tensor tensor = {.name = slot->name, .dtype = slot->dtype, .rank = rank};
    size_t bytes;
    int64_t count;
    int code;

    if (input->value && input->tensor.rank == rank &&
        memcmp(input->tensor.dims, dims, (size_t)rank * sizeof(*dims)) == 0) {
        *out_tensor = input->tensor;
        return 0;
    }
    code = check_dims(slot, dims, rank, err);
    if (code < 0)
        return code;
    memcpy(tensor.dims, dims, (size_t)rank * sizeof(*dims));
    count = sg_tensor_count(&tensor);
    if (count < 0 || (size_t)count > SG_TENSOR_MAX_BYTES / sg_dtype_bytes(slot->dtype))
        return sg_error_set(err, SG_E_TOO_LARGE, "input \"%s\" would be larger than %zu bytes", slot->name,
                            SG_TENSOR_MAX_BYTES);
    bytes = (size_t)count * sg_dtype_bytes(slot->dtype);
    if (input->value) {
        engine->api->ReleaseValue(input->value);
        input->value = NULL;
    }
    if (input->capacity_bytes < bytes || !input->memory) {
        size_t capacity = (bytes + RUNNER_ALIGN) / RUNNER_ALIGN * RUNNER_ALIGN;

        free(input->memory);
        input->capacity_bytes = 0;
        input->memory = aligned_alloc(RUNNER_ALIGN, capacity);
        if (!input->memory)
            return sg_error_set(err, SG_E_NOMEM, "no memory for input \"%s\" of %zu bytes", slot->name,
                                bytes);
        input->capacity_bytes = capacity;
    }
    tensor.data = input->memory;
    code = ort_check(engine,
                     engine->api->CreateTensorWithDataAsOrtValue(
                         engine->memory, input->memory, bytes, tensor.dims, (size_t)rank,
                         ort_dtype_theirs(slot->dtype), &input->value),
                     SG_E_INFERENCE, "binding an input", err);
    if (code < 0)
        return code;
    input->tensor = tensor;
    *out_tensor = tensor;
    return 0;
}

static int view_output(struct sg_runner *runner, int index, struct sg_error *err)
{
    const struct sg_engine *engine = runner->graph->engine;
    const OrtApi *api = engine->api;
    struct sg_tensor *tensor = &runner->tensors[index];
    OrtTensorTypeAndShapeInfo *shape = NULL;
    ONNXTensorElementDataType element;
    size_t rank = 0;
    int code;

    *tensor = (struct sg_tensor){.name = runner->graph->signature.outputs[index].name};
    code = ort_check(engine, api->GetTensorTypeAndShape(runner->outputs[index], &shape), SG_E_INFERENCE,
                     "output", err);
    if (code < 0)
        return code;
    code = ort_check(engine, api->GetTensorElementType(shape, &element), SG_E_INFERENCE, "output type", err);
    if (code == 0)
        code = ort_check(engine, api->GetDimensionsCount(shape, &rank), SG_E_INFERENCE, "output rank", err);
    if (code == 0 && rank > SG_TENSOR_MAX_RANK)
        code = sg_error_set(err, SG_E_INFERENCE, "output \"%s\" has %zu dimensions; at most %d are supported",
                            tensor->name, rank, SG_TENSOR_MAX_RANK);
    if (code == 0)
        code = ort_check(engine, api->GetDimensions(shape, tensor->dims, rank), SG_E_INFERENCE,
                         "output shape", err);
    if (code == 0)
        code = ort_check(engine, api->GetTensorMutableData(runner->outputs[index], &tensor->data),
                         SG_E_INFERENCE, "output data", err);
    tensor->rank = (int)rank;
    if (code == 0)
        tensor->dtype = ort_dtype_ours(element);
    api->ReleaseTensorTypeAndShapeInfo(shape);
    return code;
}

int sg_runner_run(struct sg_runner *runner, struct sg_error *err)
{
    const struct sg_signature *signature = &runner->graph->signature;
    const struct sg_engine *engine = runner->graph->engine;
    const char *input_names[SG_SIGNATURE_MAX_IO], *output_names[SG_SIGNATURE_MAX_IO];
    const OrtValue *inputs[SG_SIGNATURE_MAX_IO];
    bool lean;
    int code, i;

    release_outputs(runner);
    for (i = 0; i < signature->input_count; i++) {
        if (!runner->inputs[i].value)
            return sg_error_set(err, SG_E_INTERNAL, "input \"%s\" was never filled",
                                signature->inputs[i].name);
        input_names[i] = signature->inputs[i].name;
        inputs[i] = runner->inputs[i].value;
    }
    for (i = 0; i < signature->output_count; i++)
        output_names[i] = signature->outputs[i].name;
    lean = atomic_load_explicit(&runner->graph->lean, memory_order_relaxed);
    code = ort_check(engine,
                     engine->api->Run(runner->graph->session, lean ? engine->lean : NULL, input_names, inputs,
                                      (size_t)signature->input_count, output_names,
                                      (size_t)signature->output_count, runner->outputs),
                     SG_E_INFERENCE, "the model cannot be run on this input", err);
    for (i = 0; code == 0 && i < signature->output_count; i++)
        code = view_output(runner, i, err);
    if (code < 0)
        release_outputs(runner);
    return code;
}

const struct sg_tensor *sg_runner_outputs(const struct sg_runner *runner, int *out_count)
{
    *out_count = runner->outputs[0] ? runner->graph->signature.output_count : 0;
    return runner->tensors;
}
