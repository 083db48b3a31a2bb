/* SPDX-License-Identifier: MIT
 * Runs: a runner is an infer request. Input memory is engine.c's, read in place; output memory is the
 * request's.
 */
#include "engine/ov_private.h"

static struct ov_graph *graph_of(const struct ov_runner *runner)
{
    return (struct ov_graph *)runner->base.graph;
}

int ov_runner_init(struct sg_runner *base, struct sg_error *err)
{
    struct ov_runner *runner = (struct ov_runner *)base;
    const struct ov_runtime *runtime = ov_runtime_of(graph_of(runner));

    return ov_check(
        runtime,
        runtime->api.ov_compiled_model_create_infer_request(graph_of(runner)->compiled, &runner->request),
        SG_E_NOMEM, "a request of the runtime", err);
}

static void release(const struct ov_runner *runner, ov_tensor_t **tensor)
{
    if (*tensor)
        ov_runtime_of(graph_of(runner))->api.ov_tensor_free(*tensor);
    *tensor = NULL;
}

void ov_runner_fini(struct sg_runner *base)
{
    struct ov_runner *runner = (struct ov_runner *)base;
    int i;

    for (i = 0; i < SG_SIGNATURE_MAX_IO; i++) {
        release(runner, &runner->inputs[i]);
        release(runner, &runner->outputs[i]);
    }
    if (runner->request)
        ov_runtime_of(graph_of(runner))->api.ov_infer_request_free(runner->request);
}

int ov_runner_bind(struct sg_runner *base, int index, struct sg_error *err)
{
    struct ov_runner *runner = (struct ov_runner *)base;
    const struct ov_graph *graph = graph_of(runner);
    const struct ov_runtime *runtime = ov_runtime_of(graph);
    struct sg_tensor *tensor = &base->inputs[index].tensor;
    ov_shape_t shape = {.rank = tensor->rank, .dims = tensor->dims};
    int code;

    release(runner, &runner->inputs[index]);
    code = ov_check(runtime,
                    runtime->api.ov_tensor_create_from_host_ptr(ov_dtype_theirs(tensor->dtype), shape,
                                                                tensor->data, &runner->inputs[index]),
                    SG_E_INFERENCE, "binding an input", err);
    return code < 0 ? code
                    : ov_check(runtime,
                               runtime->api.ov_infer_request_set_tensor_by_const_port(
                                   runner->request, graph->inputs[index], runner->inputs[index]),
                               SG_E_INFERENCE, "binding an input", err);
}

static int view_output(struct ov_runner *runner, int index, struct sg_error *err)
{
    const struct ov_graph *graph = graph_of(runner);
    const struct ov_runtime *runtime = ov_runtime_of(graph);
    const struct ov_api *api = &runtime->api;
    struct sg_tensor *tensor = &runner->base.outputs[index];
    ov_element_type_e element = DYNAMIC;
    ov_shape_t shape = {0};
    int code, i;

    *tensor = (struct sg_tensor){.name = graph->base.signature.outputs[index].name};
    release(runner, &runner->outputs[index]);
    code = ov_check(runtime,
                    api->ov_infer_request_get_tensor_by_const_port(runner->request, graph->outputs[index],
                                                                   &runner->outputs[index]),
                    SG_E_INFERENCE, "output", err);
    if (code == 0)
        code = ov_check(runtime, api->ov_tensor_get_element_type(runner->outputs[index], &element),
                        SG_E_INFERENCE, "output type", err);
    if (code == 0)
        code = ov_check(runtime, api->ov_tensor_data(runner->outputs[index], &tensor->data), SG_E_INFERENCE,
                        "output data", err);
    if (code == 0)
        code = ov_check(runtime, api->ov_tensor_get_shape(runner->outputs[index], &shape), SG_E_INFERENCE,
                        "output shape", err);
    if (code < 0)
        return code;
    tensor->dtype = ov_dtype_ours(element);
    if (shape.rank > SG_TENSOR_MAX_RANK)
        code =
            sg_error_set(err, SG_E_INFERENCE, "output \"%s\" has %lld dimensions; at most %d are supported",
                         tensor->name, (long long)shape.rank, SG_TENSOR_MAX_RANK);
    for (i = 0; code == 0 && i < shape.rank; i++)
        tensor->dims[i] = shape.dims[i];
    tensor->rank = code == 0 ? (int)shape.rank : 0;
    api->ov_shape_free(&shape);
    return code;
}

int ov_runner_run(struct sg_runner *base, struct sg_error *err)
{
    struct ov_runner *runner = (struct ov_runner *)base;
    const struct ov_runtime *runtime = ov_runtime_of(graph_of(runner));
    int code = ov_check(runtime, runtime->api.ov_infer_request_infer(runner->request), SG_E_INFERENCE,
                        "the model cannot be run on this input", err);
    int i;

    for (i = 0; code == 0 && i < base->graph->signature.output_count; i++)
        code = view_output(runner, i, err);
    return code;
}
