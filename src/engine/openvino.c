/* SPDX-License-Identifier: MIT
 * OpenVINO, by its C API: the library, found at run time, and its ops. It opens no socket and sends nothing
 * anywhere: the C++ runtime has no telemetry (that is in its Python tools).
 */
#include "engine/ov_private.h"

#include "base/path.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Element types are numbered otherwise before. */
#define OLDEST_YEAR 2025
#define NEWEST_YEAR 2029 /* of sonames that are looked for */

static const struct {
    ov_element_type_e theirs;
    enum sg_dtype ours;
} dtypes[] = {
    {F32, SG_DTYPE_F32}, {F16, SG_DTYPE_F16}, {F64, SG_DTYPE_F64}, {U8, SG_DTYPE_U8},
    {I8, SG_DTYPE_I8},   {I32, SG_DTYPE_I32}, {I64, SG_DTYPE_I64},
};

enum sg_dtype ov_dtype_ours(ov_element_type_e theirs)
{
    size_t i;

    for (i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
        if (dtypes[i].theirs == theirs)
            return dtypes[i].ours;
    return SG_DTYPE_OTHER;
}

ov_element_type_e ov_dtype_theirs(enum sg_dtype ours)
{
    size_t i;

    for (i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
        if (dtypes[i].ours == ours)
            return dtypes[i].theirs;
    return DYNAMIC;
}

/* Its words begin with the places in its source that they came through. */
static const char *first_words(const char *words)
{
    static const char *const places[] = {"Exception from ", "Check '", "FrontEnd API failed"};
    size_t i = 0;

    while (i < sizeof(places) / sizeof(places[0])) {
        const char *end = strchr(words, '\n');

        if (strncmp(words, places[i], strlen(places[i])) != 0) {
            i++;
        } else if (end && end[1]) {
            words = end + 1;
            i = 0;
        } else {
            break;
        }
    }
    return words;
}

int ov_check(const struct ov_runtime *runtime, ov_status_e status, enum sg_err code, const char *what,
             struct sg_error *err)
{
    const char *own, *words, *line;

    if (status == OK)
        return 0;
    own = runtime->api.ov_get_last_err_msg();
    words = own ? own : "";
    line = first_words(words);
    sg_error_set(err, code, "%s: %.*s", what, (int)strcspn(line, "\n"), line);
    sg_error_detail(err, "%s", words);
    runtime->api.ov_free(own); /* a copy */
    return code;
}

/* SIGHT_OPENVINO's, else as the linker finds it: what is installed with us first (the run path), then the
 * system's. Packages of a system without its development files have the name with the version alone. */
static int open_library(void **out_library, struct sg_error *err)
{
    const char *asked = getenv("SIGHT_OPENVINO");
    char name[48];
    void *library;
    int year, release;

    library = dlopen(asked ? asked : "libopenvino_c.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) /* said now: the next dlopen takes the words back */
        sg_error_set(err, SG_E_MODEL, "%s", dlerror());
    for (year = NEWEST_YEAR; !library && !asked && year >= OLDEST_YEAR; year--)
        for (release = 59; !library && release >= 0; release--) {
            snprintf(name, sizeof(name), "libopenvino_c.so.%02d%02d", year % 100, release);
            library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        }
    *out_library = library;
    if (!library)
        return SG_E_MODEL;
    sg_error_clear(err);
    return 0;
}

static int find_functions(struct ov_runtime *runtime, struct sg_error *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {
#define OV_ROW(function) {#function, offsetof(struct ov_api, function)},
        OV_FUNCTIONS(OV_ROW)
#undef OV_ROW
    };
    size_t i;

    for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *function = dlsym(runtime->library, functions[i].name);

        if (!function)
            return sg_error_set(err, SG_E_MODEL, "its library has no %s", functions[i].name);
        memcpy((char *)&runtime->api + functions[i].offset, &function, sizeof(function));
    }
    return 0;
}

/* "2026.4.1-22982-…" is called 2026.4.1. */
static int read_version(struct ov_runtime *runtime, struct sg_error *err)
{
    ov_version_t version = {0};
    int code =
        ov_check(runtime, runtime->api.ov_get_openvino_version(&version), SG_E_MODEL, "its version", err);

    if (code < 0)
        return code;
    snprintf(runtime->base.version, sizeof(runtime->base.version), "%.*s",
             (int)strcspn(version.buildNumber, "-"), version.buildNumber);
    runtime->api.ov_version_free(&version);
    if (strtol(runtime->base.version, NULL, 10) < OLDEST_YEAR)
        return sg_error_set(err, SG_E_MODEL, "version %s is too old: %d.0 or later is needed",
                            runtime->base.version, OLDEST_YEAR);
    return 0;
}

static int init(struct sg_runtime *base, struct sg_error *err)
{
    struct ov_runtime *runtime = (struct ov_runtime *)base;
    int code = open_library(&runtime->library, err);

    if (code == 0)
        code = find_functions(runtime, err);
    if (code == 0)
        code = read_version(runtime, err);
    return code < 0 ? code
                    : ov_check(runtime, runtime->api.ov_core_create(&runtime->core), SG_E_MODEL,
                               "it does not start", err);
}

/* The library stays: threads of its own may still be ending. */
static void fini(struct sg_runtime *base)
{
    struct ov_runtime *runtime = (struct ov_runtime *)base;

    if (runtime->core)
        runtime->api.ov_core_free(runtime->core);
}

static bool has_bf16(const struct sg_runtime *base)
{
    const struct ov_runtime *runtime = (const struct ov_runtime *)base;
    char *value = NULL;
    bool has;

    if (runtime->api.ov_core_get_property(runtime->core, "CPU", "OPTIMIZATION_CAPABILITIES", &value) != OK)
        return false;
    has = value && strstr(value, "BF16");
    runtime->api.ov_free(value);
    return has;
}

static void devices(const struct sg_runtime *base, char *out, size_t out_bytes)
{
    const struct ov_runtime *runtime = (const struct ov_runtime *)base;
    ov_available_devices_t list = {0};
    size_t used = 0, i;

    out[0] = '\0';
    if (runtime->api.ov_core_get_available_devices(runtime->core, &list) != OK)
        return;
    for (i = 0; i < list.size && used < out_bytes; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i ? ", " : "", list.devices[i]);
    runtime->api.ov_available_devices_free(&list);
}

static const char *const endings[] = {".xml", ".tflite", ".pdmodel", ".onnx", NULL};

static bool claims(const char *path)
{
    int i;

    for (i = 0; endings[i]; i++)
        if (sg_path_ends(path, endings[i]))
            return true;
    return false;
}

static const char *own_format(const void *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    return NULL;
}

const struct sg_engine_ops sg_engine_openvino = {
    .name = "openvino",
    .title = "OpenVINO",
    .licence = "Apache-2.0",
    .endings = endings,
    .runtime_bytes = sizeof(struct ov_runtime),
    .graph_bytes = sizeof(struct ov_graph),
    .runner_bytes = sizeof(struct ov_runner),
    .claims = claims,
    .own_format = own_format,
    .init = init,
    .fini = fini,
    .has_bf16 = has_bf16,
    .devices = devices,
    .open = ov_graph_open,
    .open_beside = NULL,
    .close = ov_graph_close,
    .files = ov_graph_files,
    .runner_init = ov_runner_init,
    .runner_fini = ov_runner_fini,
    .bind = ov_runner_bind,
    .run = ov_runner_run,
};
