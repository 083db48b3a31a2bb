/* SPDX-License-Identifier: MIT
 * What a session says about its inputs, outputs and origin. Called while a graph is opened.
 */
#include "engine/ort_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fills slot->dtype, rank, dims and dim names from type info. */
static int read_slot(const struct ort_runtime *runtime, const OrtTypeInfo *info, const char *side,
                     struct sg_slot *slot, struct sg_error *err)
{
    const OrtApi *api = runtime->api;
    const OrtTensorTypeAndShapeInfo *shape = NULL;
    const char *symbols[SG_TENSOR_MAX_RANK] = {0};
    ONNXTensorElementDataType element;
    size_t rank = 0;
    int code, i;

    code = ort_check(runtime, api->CastTypeInfoToTensorInfo(info, &shape), SG_E_MODEL, "tensor type", err);
    if (code < 0)
        return code;
    if (!shape)
        return sg_error_set(err, SG_E_MODEL, "%s \"%s\" is a sequence or map; only tensors can be served",
                            side, slot->name);
    code = ort_check(runtime, api->GetTensorElementType(shape, &element), SG_E_MODEL, "tensor element type",
                     err);
    if (code == 0)
        code = ort_check(runtime, api->GetDimensionsCount(shape, &rank), SG_E_MODEL, "tensor rank", err);
    if (code < 0)
        return code;
    if (rank > SG_TENSOR_MAX_RANK)
        return sg_error_set(err, SG_E_MODEL, "%s \"%s\" has %zu dimensions; at most %d are supported", side,
                            slot->name, rank, SG_TENSOR_MAX_RANK);
    slot->dtype = ort_dtype_ours(element);
    slot->rank = (int)rank;
    code = ort_check(runtime, api->GetDimensions(shape, slot->dims, rank), SG_E_MODEL, "tensor shape", err);
    if (code == 0)
        code = ort_check(runtime, api->GetSymbolicDimensions(shape, symbols, rank), SG_E_MODEL,
                         "tensor symbols", err);
    if (code < 0)
        return code;
    for (i = 0; i < slot->rank; i++) {
        if (slot->dims[i] < 0)
            slot->dims[i] = -1;
        snprintf(slot->dim_names[i], sizeof(slot->dim_names[i]), "%s", symbols[i] ? symbols[i] : "");
    }
    return 0;
}

static int read_slots(struct ort_graph *graph, bool inputs, struct sg_error *err)
{
    const struct ort_runtime *runtime = ort_runtime_of(graph);
    const OrtApi *api = runtime->api;
    const char *side = inputs ? "input" : "output";
    struct sg_slot *slots = inputs ? graph->base.signature.inputs : graph->base.signature.outputs;
    OrtAllocator *allocator = NULL;
    size_t count = 0, i;
    int code;

    code =
        ort_check(runtime, api->GetAllocatorWithDefaultOptions(&allocator), SG_E_INTERNAL, "allocator", err);
    if (code == 0)
        code = ort_check(runtime,
                         inputs ? api->SessionGetInputCount(graph->session, &count)
                                : api->SessionGetOutputCount(graph->session, &count),
                         SG_E_MODEL, "count of tensors", err);
    if (code < 0)
        return code;
    if (count == 0 || count > SG_SIGNATURE_MAX_IO)
        return sg_error_set(err, SG_E_MODEL, "the graph has %zu %ss; 1 to %d are supported", count, side,
                            SG_SIGNATURE_MAX_IO);
    for (i = 0; i < count && code == 0; i++) {
        OrtTypeInfo *info = NULL;
        char *name = NULL;

        code = ort_check(runtime,
                         inputs ? api->SessionGetInputName(graph->session, i, allocator, &name)
                                : api->SessionGetOutputName(graph->session, i, allocator, &name),
                         SG_E_MODEL, "tensor name", err);
        if (code < 0)
            break;
        if (strlen(name) >= sizeof(slots[i].name))
            code = sg_error_set(err, SG_E_MODEL, "the name of %s %zu is longer than %zu bytes", side, i,
                                sizeof(slots[i].name) - 1);
        else
            snprintf(slots[i].name, sizeof(slots[i].name), "%s", name);
        allocator->Free(allocator, name);
        if (code == 0)
            code = ort_check(runtime,
                             inputs ? api->SessionGetInputTypeInfo(graph->session, i, &info)
                                    : api->SessionGetOutputTypeInfo(graph->session, i, &info),
                             SG_E_MODEL, "tensor type", err);
        if (code == 0)
            code = read_slot(runtime, info, side, &slots[i], err);
        if (code == 0 && inputs && slots[i].dtype == SG_DTYPE_OTHER)
            code = sg_error_set(err, SG_E_MODEL,
                                "input \"%s\" has an element type that cannot be fed (numbers only)",
                                slots[i].name);
        if (info)
            api->ReleaseTypeInfo(info);
    }
    if (inputs)
        graph->base.signature.input_count = (int)count;
    else
        graph->base.signature.output_count = (int)count;
    return code;
}

/* Copies one metadata pair; keys without a value are passed over. */
static int read_meta_value(struct ort_graph *graph, const OrtModelMetadata *meta, OrtAllocator *allocator,
                           const char *key, struct sg_error *err)
{
    const struct ort_runtime *runtime = ort_runtime_of(graph);
    struct sg_signature *signature = &graph->base.signature;
    struct sg_meta *pair = &signature->meta[signature->meta_count];
    char *value = NULL;
    int code =
        ort_check(runtime, runtime->api->ModelMetadataLookupCustomMetadataMap(meta, allocator, key, &value),
                  SG_E_MODEL, "metadata value", err);

    if (code < 0 || !value)
        return code;
    pair->key = strdup(key);
    pair->value = strdup(value);
    allocator->Free(allocator, value);
    signature->meta_count++; /* fini frees both halves, NULL or not */
    return pair->key && pair->value ? 0 : sg_error_set(err, SG_E_NOMEM, "no memory for model metadata");
}

int ort_signature_metadata(struct ort_graph *graph, struct sg_error *err)
{
    const struct ort_runtime *runtime = ort_runtime_of(graph);
    const OrtApi *api = runtime->api;
    OrtModelMetadata *meta = NULL;
    OrtAllocator *allocator = NULL;
    char **keys = NULL, *text = NULL;
    int64_t count = 0, i;
    int code;

    code =
        ort_check(runtime, api->GetAllocatorWithDefaultOptions(&allocator), SG_E_INTERNAL, "allocator", err);
    if (code == 0)
        code = ort_check(runtime, api->SessionGetModelMetadata(graph->session, &meta), SG_E_MODEL, "metadata",
                         err);
    if (code < 0)
        goto out;
    code = ort_check(runtime, api->ModelMetadataGetProducerName(meta, allocator, &text), SG_E_MODEL,
                     "producer", err);
    if (code < 0)
        goto out;
    snprintf(graph->base.signature.producer, sizeof(graph->base.signature.producer), "%s", text);
    allocator->Free(allocator, text);
    code = ort_check(runtime, api->ModelMetadataGetCustomMetadataMapKeys(meta, allocator, &keys, &count),
                     SG_E_MODEL, "metadata keys", err);
    for (i = 0; i < count; i++) {
        if (code == 0 && graph->base.signature.meta_count < SG_SIGNATURE_MAX_META)
            code = read_meta_value(graph, meta, allocator, keys[i], err);
        allocator->Free(allocator, keys[i]);
    }
    if (keys)
        allocator->Free(allocator, keys);
out:
    if (meta)
        api->ReleaseModelMetadata(meta);
    return code;
}

int ort_signature_slots(struct ort_graph *graph, struct sg_error *err)
{
    int code = read_slots(graph, true, err);

    return code < 0 ? code : read_slots(graph, false, err);
}
