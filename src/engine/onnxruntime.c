/* SPDX-License-Identifier: MIT
 * engine.h on ONNX Runtime's C API: the runtime itself. Sessions may run on any number of threads at once.
 */
#include "base/log.h"
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

int ort_check(const struct sg_engine *engine, OrtStatus *status, enum sg_err code, const char *what,
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

/* One arena for all sessions, which grows by what is asked for: each had one of its own, as large as the most
 * that session ever needed, and doubling. Whoever shares the runtime's environment with us may have
 * registered one before; then that is used. */
static int share_arena(struct sg_engine *engine, struct sg_error *err)
{
    static const char *const keys[] = {"arena_extend_strategy"};
    static const size_t values[] = {1}; /* kSameAsRequested */
    const OrtApi *api = engine->api;
    OrtArenaCfg *arena = NULL;
    OrtStatus *status;
    int code = ort_check(engine, api->CreateArenaCfgV2(keys, values, 1, &arena), SG_E_NOMEM,
                         "ONNX Runtime memory arena", err);

    if (code < 0)
        return code;
    status = api->CreateAndRegisterAllocator(engine->env, engine->memory, arena);
    if (status)
        api->ReleaseStatus(status);
    api->ReleaseArenaCfg(arena);
    code =
        ort_check(engine, api->CreateRunOptions(&engine->lean), SG_E_NOMEM, "ONNX Runtime run options", err);
    if (code == 0)
        code = ort_check(
            engine, api->AddRunConfigEntry(engine->lean, "memory.enable_memory_arena_shrinkage", "cpu:0"),
            SG_E_INTERNAL, "ONNX Runtime run options", err);
    return code;
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
    code = ort_check(engine,
                     engine->api->CreateEnvWithCustomLogger(log_line, NULL, ORT_LOGGING_LEVEL_ERROR, "sight",
                                                            &engine->env),
                     SG_E_INTERNAL, "ONNX Runtime does not start", err);
    if (code < 0)
        goto out;
    code = ort_check(engine, engine->api->DisableTelemetryEvents(engine->env), SG_E_INTERNAL,
                     "ONNX Runtime's telemetry cannot be switched off", err);
    if (code < 0)
        goto out;
    code = ort_check(engine,
                     engine->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &engine->memory),
                     SG_E_NOMEM, "ONNX Runtime memory info", err);
    if (code == 0)
        code = share_arena(engine, err);
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
    if (e->lean)
        e->api->ReleaseRunOptions(e->lean);
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
