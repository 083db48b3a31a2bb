/* SPDX-License-Identifier: MIT
 * engine.h on ONNX Runtime's C API. Sessions may run on any number of threads at once; a runner keeps the
 * OrtValues of one thread. Input memory is ours and stays bound while shapes repeat; output memory is the
 * runtime's arena.
 */
#include "base/log.h"
#include "engine/engine.h"

#include <errno.h>
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The oldest API version that has everything used here; any later runtime serves it. */
#define ENGINE_API_VERSION 17
#define RUNNER_ALIGN       64u

struct sg_engine {
    const OrtApi *api;
    OrtEnv *env;
    OrtMemoryInfo *memory;
    char version[64];
};

struct sg_graph {
    struct sg_engine *engine;
    OrtSession *session;
    struct sg_signature signature;
};

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

static const struct {
    ONNXTensorElementDataType theirs;
    enum sg_dtype ours;
} dtypes[] = {
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, SG_DTYPE_F32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, SG_DTYPE_F16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, SG_DTYPE_F64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, SG_DTYPE_U8},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, SG_DTYPE_I8},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, SG_DTYPE_I32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, SG_DTYPE_I64},
};

static enum sg_dtype dtype_ours(ONNXTensorElementDataType theirs)
{
    size_t i;

    for (i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
        if (dtypes[i].theirs == theirs)
            return dtypes[i].ours;
    return SG_DTYPE_OTHER;
}

static ONNXTensorElementDataType dtype_theirs(enum sg_dtype ours)
{
    size_t i;

    for (i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
        if (dtypes[i].ours == ours)
            return dtypes[i].theirs;
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

/* Takes status; NULL is success. The runtime's words go to the detail, the first line of them to the client
 * too. */
static int check(const struct sg_engine *engine, OrtStatus *status, enum sg_err code, const char *what,
                 struct sg_error *err)
{
    char line[256];
    const char *words;

    if (!status)
        return 0;
    words = engine->api->GetErrorMessage(status);
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(words, "\n"), words);
    sg_error_set(err, code, "%s: %s", what, line);
    sg_error_detail(err, "%s", words);
    engine->api->ReleaseStatus(status);
    return code;
}

static void ORT_API_CALL log_line(void *param, OrtLoggingLevel severity, const char *category,
                                  const char *log_id, const char *location, const char *message)
{
    char quoted[1024];

    (void)param;
    (void)category;
    (void)log_id;
    (void)location;
    /* What matters of these comes back as a status; the lines themselves are for whoever debugs a model. */
    if (severity >= ORT_LOGGING_LEVEL_ERROR)
        sg_log(SG_LOG_DEBUG, "onnxruntime", "text=%s", sg_log_quote(message, quoted, sizeof(quoted)));
}

int sg_engine_create(struct sg_engine **out_engine, struct sg_error *err)
{
    struct sg_engine *engine = calloc(1, sizeof(*engine));
    const char *silent = getenv("ORT_DISABLE_TELEMETRY");
    const OrtApiBase *base;
    int code;

    *out_engine = NULL;
    if (!engine)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the inference engine");
    /* Not again when it is so: in a library other threads may be reading the environment. */
    if (!silent || strcmp(silent, "1") != 0)
        setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    base = OrtGetApiBase();
    engine->api = base->GetApi(ENGINE_API_VERSION);
    if (!engine->api) {
        code = sg_error_set(err, SG_E_MODEL, "ONNX Runtime %s is too old: its C API must have version %d",
                            base->GetVersionString(), ENGINE_API_VERSION);
        goto out;
    }
    snprintf(engine->version, sizeof(engine->version), "onnxruntime %s", base->GetVersionString());
    code = check(engine,
                 engine->api->CreateEnvWithCustomLogger(log_line, NULL, ORT_LOGGING_LEVEL_ERROR, "sight",
                                                        &engine->env),
                 SG_E_INTERNAL, "ONNX Runtime does not start", err);
    if (code < 0)
        goto out;
    code = check(engine, engine->api->DisableTelemetryEvents(engine->env), SG_E_INTERNAL,
                 "ONNX Runtime's telemetry cannot be switched off", err);
    if (code < 0)
        goto out;
    code =
        check(engine, engine->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &engine->memory),
              SG_E_NOMEM, "ONNX Runtime memory info", err);
    if (code < 0)
        goto out;
    *out_engine = engine;
    engine = NULL;
out:
    sg_engine_destroy(&engine);
    return code;
}

void sg_engine_destroy(struct sg_engine **engine)
{
    struct sg_engine *e = *engine;

    if (!e)
        return;
    if (e->memory)
        e->api->ReleaseMemoryInfo(e->memory);
    if (e->env)
        e->api->ReleaseEnv(e->env);
    free(e);
    *engine = NULL;
}

const char *sg_engine_version(const struct sg_engine *engine)
{
    return engine->version;
}

/* Fills slot->dtype, rank, dims and dim names from type info. */
static int read_slot(const struct sg_engine *engine, const OrtTypeInfo *info, const char *side,
                     struct sg_slot *slot, struct sg_error *err)
{
    const OrtApi *api = engine->api;
    const OrtTensorTypeAndShapeInfo *shape = NULL;
    const char *symbols[SG_TENSOR_MAX_RANK] = {0};
    ONNXTensorElementDataType element;
    size_t rank = 0;
    int code, i;

    code = check(engine, api->CastTypeInfoToTensorInfo(info, &shape), SG_E_MODEL, "tensor type", err);
    if (code < 0)
        return code;
    if (!shape)
        return sg_error_set(err, SG_E_MODEL, "%s \"%s\" is a sequence or map; only tensors can be served",
                            side, slot->name);
    code = check(engine, api->GetTensorElementType(shape, &element), SG_E_MODEL, "tensor element type", err);
    if (code == 0)
        code = check(engine, api->GetDimensionsCount(shape, &rank), SG_E_MODEL, "tensor rank", err);
    if (code < 0)
        return code;
    if (rank > SG_TENSOR_MAX_RANK)
        return sg_error_set(err, SG_E_MODEL, "%s \"%s\" has %zu dimensions; at most %d are supported", side,
                            slot->name, rank, SG_TENSOR_MAX_RANK);
    slot->dtype = dtype_ours(element);
    slot->rank = (int)rank;
    code = check(engine, api->GetDimensions(shape, slot->dims, rank), SG_E_MODEL, "tensor shape", err);
    if (code == 0)
        code = check(engine, api->GetSymbolicDimensions(shape, symbols, rank), SG_E_MODEL, "tensor symbols",
                     err);
    if (code < 0)
        return code;
    for (i = 0; i < slot->rank; i++) {
        if (slot->dims[i] < 0)
            slot->dims[i] = -1;
        snprintf(slot->dim_names[i], sizeof(slot->dim_names[i]), "%s", symbols[i] ? symbols[i] : "");
    }
    return 0;
}

static int read_slots(struct sg_graph *graph, bool inputs, struct sg_error *err)
{
    const struct sg_engine *engine = graph->engine;
    const OrtApi *api = engine->api;
    const char *side = inputs ? "input" : "output";
    struct sg_slot *slots = inputs ? graph->signature.inputs : graph->signature.outputs;
    OrtAllocator *allocator = NULL;
    size_t count = 0, i;
    int code;

    code = check(engine, api->GetAllocatorWithDefaultOptions(&allocator), SG_E_INTERNAL, "allocator", err);
    if (code == 0)
        code = check(engine,
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

        code = check(engine,
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
            code = check(engine,
                         inputs ? api->SessionGetInputTypeInfo(graph->session, i, &info)
                                : api->SessionGetOutputTypeInfo(graph->session, i, &info),
                         SG_E_MODEL, "tensor type", err);
        if (code == 0)
            code = read_slot(engine, info, side, &slots[i], err);
        if (code == 0 && inputs && slots[i].dtype == SG_DTYPE_OTHER)
            code = sg_error_set(err, SG_E_MODEL,
                                "input \"%s\" has an element type that cannot be fed (numbers only)",
                                slots[i].name);
        if (info)
            api->ReleaseTypeInfo(info);
    }
    if (inputs)
        graph->signature.input_count = (int)count;
    else
        graph->signature.output_count = (int)count;
    return code;
}

/* Copies one metadata pair; keys without a value are passed over. */
static int read_meta_value(struct sg_graph *graph, const OrtModelMetadata *meta, OrtAllocator *allocator,
                           const char *key, struct sg_error *err)
{
    struct sg_signature *signature = &graph->signature;
    struct sg_meta *pair = &signature->meta[signature->meta_count];
    char *value = NULL;
    int code = check(graph->engine,
                     graph->engine->api->ModelMetadataLookupCustomMetadataMap(meta, allocator, key, &value),
                     SG_E_MODEL, "metadata value", err);

    if (code < 0 || !value)
        return code;
    pair->key = strdup(key);
    pair->value = strdup(value);
    allocator->Free(allocator, value);
    signature->meta_count++; /* fini frees both halves, NULL or not */
    return pair->key && pair->value ? 0 : sg_error_set(err, SG_E_NOMEM, "no memory for model metadata");
}

static int read_metadata(struct sg_graph *graph, struct sg_error *err)
{
    const OrtApi *api = graph->engine->api;
    OrtModelMetadata *meta = NULL;
    OrtAllocator *allocator = NULL;
    char **keys = NULL, *text = NULL;
    int64_t count = 0, i;
    int code;

    code = check(graph->engine, api->GetAllocatorWithDefaultOptions(&allocator), SG_E_INTERNAL, "allocator",
                 err);
    if (code == 0)
        code = check(graph->engine, api->SessionGetModelMetadata(graph->session, &meta), SG_E_MODEL,
                     "metadata", err);
    if (code < 0)
        goto out;
    code = check(graph->engine, api->ModelMetadataGetProducerName(meta, allocator, &text), SG_E_MODEL,
                 "producer", err);
    if (code < 0)
        goto out;
    snprintf(graph->signature.producer, sizeof(graph->signature.producer), "%s", text);
    allocator->Free(allocator, text);
    text = NULL;
    code = check(graph->engine, api->ModelMetadataGetGraphName(meta, allocator, &text), SG_E_MODEL,
                 "graph name", err);
    if (code < 0)
        goto out;
    snprintf(graph->signature.graph_name, sizeof(graph->signature.graph_name), "%s", text);
    allocator->Free(allocator, text);
    code = check(graph->engine, api->ModelMetadataGetCustomMetadataMapKeys(meta, allocator, &keys, &count),
                 SG_E_MODEL, "metadata keys", err);
    for (i = 0; i < count; i++) {
        if (code == 0 && graph->signature.meta_count < SG_SIGNATURE_MAX_META)
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

static int session_options(const struct sg_engine *engine, const struct sg_graph_options *options,
                           OrtSessionOptions **out_options, struct sg_error *err)
{
    const OrtApi *api = engine->api;
    OrtSessionOptions *o = NULL;
    int code;

    *out_options = NULL;
    code = check(engine, api->CreateSessionOptions(&o), SG_E_NOMEM, "session options", err);
    if (code < 0)
        return code;
    code = check(engine, api->SetIntraOpNumThreads(o, options->threads), SG_E_INVALID, "threads", err);
    if (code == 0)
        code = check(engine, api->SetInterOpNumThreads(o, 1), SG_E_INVALID, "threads", err);
    if (code == 0)
        code = check(engine,
                     api->SetSessionGraphOptimizationLevel(o, options->optimise_off ? ORT_DISABLE_ALL
                                                                                    : ORT_ENABLE_ALL),
                     SG_E_INVALID, "optimisation level", err);
    if (code == 0)
        code =
            check(engine,
                  api->AddSessionConfigEntry(o, "session.intra_op.allow_spinning", options->spin ? "1" : "0"),
                  SG_E_INVALID, "spinning", err);
    if (code < 0) {
        api->ReleaseSessionOptions(o);
        return code;
    }
    *out_options = o;
    return 0;
}

int sg_graph_open(struct sg_engine *engine, const char *path, const struct sg_graph_options *options,
                  struct sg_graph **out_graph, struct sg_error *err)
{
    struct sg_graph *graph = NULL;
    OrtSessionOptions *session = NULL;
    int code;

    *out_graph = NULL;
    /* The runtime's own words for a missing file are long; ours name the path and the reason. */
    if (access(path, R_OK) != 0)
        return sg_error_set(err, errno == ENOENT || errno == ENOTDIR ? SG_E_NOT_FOUND : SG_E_IO,
                            "cannot read model file \"%s\": %s", path, strerror(errno));
    graph = calloc(1, sizeof(*graph));
    if (!graph)
        return sg_error_set(err, SG_E_NOMEM, "no memory for model \"%s\"", path);
    graph->engine = engine;
    code = session_options(engine, options, &session, err);
    if (code < 0)
        goto out;
    code = check(engine, engine->api->CreateSession(engine->env, path, session, &graph->session), SG_E_MODEL,
                 "the runtime cannot load it", err);
    if (code == 0)
        code = read_slots(graph, true, err);
    if (code == 0)
        code = read_slots(graph, false, err);
    if (code == 0)
        code = read_metadata(graph, err);
    if (code < 0) {
        sg_error_prefix(err, "model \"%s\"", path);
        goto out;
    }
    *out_graph = graph;
    graph = NULL;
out:
    if (session)
        engine->api->ReleaseSessionOptions(session);
    sg_graph_destroy(&graph);
    return code;
}

void sg_graph_destroy(struct sg_graph **graph)
{
    struct sg_graph *g = *graph;

    if (!g)
        return;
    if (g->session)
        g->engine->api->ReleaseSession(g->session);
    sg_signature_fini(&g->signature);
    free(g);
    *graph = NULL;
}

const struct sg_signature *sg_graph_signature(const struct sg_graph *graph)
{
    return &graph->signature;
}

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
    code = check(engine,
                 engine->api->CreateTensorWithDataAsOrtValue(engine->memory, input->memory, bytes,
                                                             tensor.dims, (size_t)rank,
                                                             dtype_theirs(slot->dtype), &input->value),
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
    code = check(engine, api->GetTensorTypeAndShape(runner->outputs[index], &shape), SG_E_INFERENCE, "output",
                 err);
    if (code < 0)
        return code;
    code = check(engine, api->GetTensorElementType(shape, &element), SG_E_INFERENCE, "output type", err);
    if (code == 0)
        code = check(engine, api->GetDimensionsCount(shape, &rank), SG_E_INFERENCE, "output rank", err);
    if (code == 0 && rank > SG_TENSOR_MAX_RANK)
        code = sg_error_set(err, SG_E_INFERENCE, "output \"%s\" has %zu dimensions; at most %d are supported",
                            tensor->name, rank, SG_TENSOR_MAX_RANK);
    if (code == 0)
        code =
            check(engine, api->GetDimensions(shape, tensor->dims, rank), SG_E_INFERENCE, "output shape", err);
    if (code == 0)
        code = check(engine, api->GetTensorMutableData(runner->outputs[index], &tensor->data), SG_E_INFERENCE,
                     "output data", err);
    tensor->rank = (int)rank;
    if (code == 0)
        tensor->dtype = dtype_ours(element);
    api->ReleaseTensorTypeAndShapeInfo(shape);
    return code;
}

int sg_runner_run(struct sg_runner *runner, struct sg_error *err)
{
    const struct sg_signature *signature = &runner->graph->signature;
    const struct sg_engine *engine = runner->graph->engine;
    const char *input_names[SG_SIGNATURE_MAX_IO], *output_names[SG_SIGNATURE_MAX_IO];
    const OrtValue *inputs[SG_SIGNATURE_MAX_IO];
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
    code = check(engine,
                 engine->api->Run(runner->graph->session, NULL, input_names, inputs,
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
