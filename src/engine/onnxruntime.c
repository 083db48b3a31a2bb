/* SPDX-License-Identifier: MIT
 * ONNX Runtime, by its C API: the runtime itself, and its ops. Sessions may run on any number of threads at
 * once.
 */
#include "base/log.h"
#include "base/path.h"
#include "engine/onnx_weights.h"
#include "engine/ort_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The oldest API version that has everything used here; any later runtime serves it. */
#define ENGINE_API_VERSION 17

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

enum sg_dtype ort_dtype_ours(ONNXTensorElementDataType theirs)
{
    size_t i;

    for (i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
        if (dtypes[i].theirs == theirs)
            return dtypes[i].ours;
    return SG_DTYPE_OTHER;
}

ONNXTensorElementDataType ort_dtype_theirs(enum sg_dtype ours)
{
    size_t i;

    for (i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
        if (dtypes[i].ours == ours)
            return dtypes[i].theirs;
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

int ort_check(const struct ort_runtime *runtime, OrtStatus *status, enum sg_err code, const char *what,
              struct sg_error *err)
{
    char line[256];
    const char *words;

    if (!status)
        return 0;
    words = runtime->api->GetErrorMessage(status);
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(words, "\n"), words);
    sg_error_set(err, code, "%s: %s", what, line);
    sg_error_detail(err, "%s", words);
    runtime->api->ReleaseStatus(status);
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

/* One arena for all sessions, which grows by what is asked for: each had one of its own, as large as the most
 * that session ever needed, and doubling. Whoever shares the runtime's environment with us may have
 * registered one before; then that is used. */
static int share_arena(struct ort_runtime *runtime, struct sg_error *err)
{
    static const char *const keys[] = {"arena_extend_strategy"};
    static const size_t values[] = {1}; /* kSameAsRequested */
    const OrtApi *api = runtime->api;
    OrtArenaCfg *arena = NULL;
    OrtStatus *status;
    int code = ort_check(runtime, api->CreateArenaCfgV2(keys, values, 1, &arena), SG_E_NOMEM,
                         "ONNX Runtime memory arena", err);

    if (code < 0)
        return code;
    status = api->CreateAndRegisterAllocator(runtime->env, runtime->memory, arena);
    if (status)
        api->ReleaseStatus(status);
    api->ReleaseArenaCfg(arena);
    code = ort_check(runtime, api->CreateRunOptions(&runtime->lean), SG_E_NOMEM, "ONNX Runtime run options",
                     err);
    if (code == 0)
        code = ort_check(
            runtime, api->AddRunConfigEntry(runtime->lean, "memory.enable_memory_arena_shrinkage", "cpu:0"),
            SG_E_INTERNAL, "ONNX Runtime run options", err);
    return code;
}

static int init(struct sg_runtime *base, struct sg_error *err)
{
    struct ort_runtime *runtime = (struct ort_runtime *)base;
    const char *silent = getenv("ORT_DISABLE_TELEMETRY");
    const OrtApiBase *door;
    int code;

    /* Not again when it is so: in a library other threads may be reading the environment. */
    if (!silent || strcmp(silent, "1") != 0)
        setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    door = OrtGetApiBase();
    runtime->api = door->GetApi(ENGINE_API_VERSION);
    if (!runtime->api)
        return sg_error_set(err, SG_E_MODEL, "ONNX Runtime %s is too old: its C API must have version %d",
                            door->GetVersionString(), ENGINE_API_VERSION);
    snprintf(base->version, sizeof(base->version), "%s", door->GetVersionString());
    code = ort_check(runtime,
                     runtime->api->CreateEnvWithCustomLogger(log_line, NULL, ORT_LOGGING_LEVEL_ERROR, "sight",
                                                             &runtime->env),
                     SG_E_INTERNAL, "ONNX Runtime does not start", err);
    if (code < 0)
        return code;
    code = ort_check(runtime, runtime->api->DisableTelemetryEvents(runtime->env), SG_E_INTERNAL,
                     "ONNX Runtime's telemetry cannot be switched off", err);
    if (code == 0)
        code = ort_check(
            runtime,
            runtime->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &runtime->memory),
            SG_E_NOMEM, "ONNX Runtime memory info", err);
    return code < 0 ? code : share_arena(runtime, err);
}

static void fini(struct sg_runtime *base)
{
    struct ort_runtime *runtime = (struct ort_runtime *)base;

    if (runtime->lean)
        runtime->api->ReleaseRunOptions(runtime->lean);
    if (runtime->memory)
        runtime->api->ReleaseMemoryInfo(runtime->memory);
    if (runtime->env)
        runtime->api->ReleaseEnv(runtime->env);
}

static const char *const endings[] = {".onnx", NULL};

static bool claims(const char *path)
{
    return sg_path_ends(path, endings[0]);
}

/* A FlatBuffer of this identifier (ort.fbs). */
static const char *own_format(const void *bytes, size_t size)
{
    return size >= 8 && memcmp((const char *)bytes + 4, "ORTM", 4) == 0
               ? "a model in ONNX Runtime's own format (.ort); give the ONNX file that it was made from"
               : NULL;
}

const struct sg_engine_ops sg_engine_onnxruntime = {
    .name = "onnxruntime",
    .title = "ONNX Runtime",
    .licence = "MIT",
    .endings = endings,
    .runtime_bytes = sizeof(struct ort_runtime),
    .graph_bytes = sizeof(struct ort_graph),
    .runner_bytes = sizeof(struct ort_runner),
    .claims = claims,
    .own_format = own_format,
    .init = init,
    .fini = fini,
    .open = ort_graph_open,
    .open_beside = ort_graph_open_beside,
    .close = ort_graph_close,
    .files = sg_onnx_weights,
    .runner_init = ort_runner_init,
    .runner_fini = ort_runner_fini,
    .bind = ort_runner_bind,
    .run = ort_runner_run,
};
