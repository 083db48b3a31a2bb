/* SPDX-License-Identifier: MIT
 * The ports of a compiled graph, and what they say where no other engine has said it yet.
 */
#include "engine/ov_private.h"

#include <stdio.h>
#include <string.h>

static int read_shape(const struct ov_runtime *runtime, const ov_output_const_port_t *port, const char *side,
                      struct sg_slot *slot, struct sg_error *err)
{
    ov_partial_shape_t shape = {0};
    int code = ov_check(runtime, runtime->api.ov_port_get_partial_shape(port, &shape), SG_E_MODEL,
                        "tensor shape", err);
    int64_t i;

    if (code < 0)
        return code;
    if (shape.rank.min != shape.rank.max) /* known in a run only: no shape is believed of outputs anyway */
        slot->rank = 0;
    else if (shape.rank.max > SG_TENSOR_MAX_RANK)
        code = sg_error_set(err, SG_E_MODEL, "%s \"%s\" has %lld dimensions; at most %d are supported", side,
                            slot->name, (long long)shape.rank.max, SG_TENSOR_MAX_RANK);
    else
        slot->rank = (int)shape.rank.max;
    for (i = 0; code == 0 && i < slot->rank; i++)
        slot->dims[i] = shape.dims[i].min == shape.dims[i].max ? shape.dims[i].max : -1;
    runtime->api.ov_partial_shape_free(&shape);
    return code;
}

static int read_slot(const struct ov_runtime *runtime, const ov_output_const_port_t *port, bool input,
                     struct sg_slot *slot, struct sg_error *err)
{
    const char *side = input ? "input" : "output";
    ov_element_type_e element = DYNAMIC;
    char *name = NULL;
    int code =
        ov_check(runtime, runtime->api.ov_port_get_any_name(port, &name), SG_E_MODEL, "tensor name", err);

    if (code < 0)
        return code;
    if (strlen(name) >= sizeof(slot->name))
        code = sg_error_set(err, SG_E_MODEL, "the name of an %s is longer than %zu bytes", side,
                            sizeof(slot->name) - 1);
    else
        snprintf(slot->name, sizeof(slot->name), "%s", name);
    runtime->api.ov_free(name);
    if (code == 0)
        code = ov_check(runtime, runtime->api.ov_port_get_element_type(port, &element), SG_E_MODEL,
                        "tensor element type", err);
    slot->dtype = ov_dtype_ours(element);
    if (code == 0 && input && slot->dtype == SG_DTYPE_OTHER)
        code = sg_error_set(err, SG_E_MODEL,
                            "input \"%s\" has an element type that cannot be fed (numbers only)", slot->name);
    return code < 0 ? code : read_shape(runtime, port, side, slot, err);
}

/* All ports of one side, in the file's order. */
static int fill_side(struct ov_graph *graph, bool input, struct sg_error *err)
{
    const struct ov_runtime *runtime = ov_runtime_of(graph);
    const struct ov_api *api = &runtime->api;
    struct sg_signature *signature = &graph->base.signature;
    ov_output_const_port_t **ports = input ? graph->inputs : graph->outputs;
    struct sg_slot *slots = input ? signature->inputs : signature->outputs;
    size_t count = 0, i;
    int code = ov_check(runtime,
                        input ? api->ov_compiled_model_inputs_size(graph->compiled, &count)
                              : api->ov_compiled_model_outputs_size(graph->compiled, &count),
                        SG_E_MODEL, "count of tensors", err);

    if (code == 0 && (count == 0 || count > SG_SIGNATURE_MAX_IO))
        code = sg_error_set(err, SG_E_MODEL, "the graph has %zu %sputs; 1 to %d are supported", count,
                            input ? "in" : "out", SG_SIGNATURE_MAX_IO);
    for (i = 0; code == 0 && i < count; i++) {
        code = ov_check(runtime,
                        input ? api->ov_compiled_model_input_by_index(graph->compiled, i, &ports[i])
                              : api->ov_compiled_model_output_by_index(graph->compiled, i, &ports[i]),
                        SG_E_MODEL, "tensor", err);
        if (code == 0)
            code = read_slot(runtime, ports[i], input, &slots[i], err);
    }
    if (input)
        signature->input_count = code == 0 ? (int)count : 0;
    else
        signature->output_count = code == 0 ? (int)count : 0;
    return code;
}

/* The ports that the signature names. */
static int find_side(struct ov_graph *graph, bool input, struct sg_error *err)
{
    const struct ov_runtime *runtime = ov_runtime_of(graph);
    const struct ov_api *api = &runtime->api;
    const struct sg_signature *signature = &graph->base.signature;
    const struct sg_slot *slots = input ? signature->inputs : signature->outputs;
    int count = input ? signature->input_count : signature->output_count, code = 0, i;

    for (i = 0; code == 0 && i < count; i++) {
        ov_output_const_port_t **port = input ? &graph->inputs[i] : &graph->outputs[i];
        ov_element_type_e element = DYNAMIC;

        code = ov_check(runtime,
                        input ? api->ov_compiled_model_input_by_name(graph->compiled, slots[i].name, port)
                              : api->ov_compiled_model_output_by_name(graph->compiled, slots[i].name, port),
                        SG_E_MODEL, slots[i].name, err);
        if (code == 0)
            code = ov_check(runtime, api->ov_port_get_element_type(*port, &element), SG_E_MODEL,
                            "tensor element type", err);
        if (code == 0 && ov_dtype_ours(element) != slots[i].dtype)
            code = sg_error_set(err, SG_E_MODEL, "tensor \"%s\" is not %s here", slots[i].name,
                                sg_dtype_name(slots[i].dtype));
    }
    return code;
}

int ov_signature_ports(struct ov_graph *graph, struct sg_error *err)
{
    bool known = graph->base.signature.input_count > 0;
    int code = known ? find_side(graph, true, err) : fill_side(graph, true, err);

    if (code < 0)
        return code;
    return known ? find_side(graph, false, err) : fill_side(graph, false, err);
}

static void release(const struct ov_runtime *runtime, ov_output_const_port_t **ports)
{
    for (int i = 0; i < SG_SIGNATURE_MAX_IO; i++)
        if (ports[i])
            runtime->api.ov_output_const_port_free(ports[i]);
}

void ov_signature_release(struct ov_graph *graph)
{
    release(ov_runtime_of(graph), graph->inputs);
    release(ov_runtime_of(graph), graph->outputs);
}
