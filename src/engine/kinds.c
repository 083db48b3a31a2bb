/* SPDX-License-Identifier: MIT
 * The list of kinds, and what is known of them before any runtime is opened.
 */
#include "engine/kinds.h"

#include "base/mapping.h"
#include "engine/onnx_ops.h"

#include <stdio.h>
#include <string.h>

/* One row per line, so that two branches that add kinds merge. X(onnxruntime) stands for
 * `const struct sg_engine_ops sg_engine_onnxruntime` at the foot of its file. The first is the reference. */
/* clang-format off */
#if defined(SG_HAVE_OPENVINO)
#define OPENVINO(X) X(openvino)
#else
#define OPENVINO(X)
#endif
#define KIND_TABLE(X) \
    X(onnxruntime) \
    OPENVINO(X) \
    /* end of the list */
/* clang-format on */

#define KIND_DECLARE(kind) extern const struct sg_engine_ops sg_engine_##kind;
#define KIND_ROW(kind)     &sg_engine_##kind,
KIND_TABLE(KIND_DECLARE)

const struct sg_engine_ops *const sg_engine_kinds[] = {KIND_TABLE(KIND_ROW) NULL};
_Static_assert(sizeof(sg_engine_kinds) / sizeof(sg_engine_kinds[0]) <= SG_ENGINE_MAX_KINDS + 1,
               "all are opened");

bool sg_engine_claims(const char *path)
{
    int i;

    for (i = 0; sg_engine_kinds[i]; i++)
        if (sg_engine_kinds[i]->claims(path))
            return true;
    return false;
}

/* Whether a more wanted kind than number `kind` has files of that ending too. */
static bool is_told(int kind, const char *ending)
{
    int i, k;

    for (i = 0; i < kind; i++)
        for (k = 0; sg_engine_kinds[i]->endings[k]; k++)
            if (strcmp(sg_engine_kinds[i]->endings[k], ending) == 0)
                return true;
    return false;
}

const char *sg_engine_ending(int index)
{
    int i, k;

    for (i = 0; sg_engine_kinds[i]; i++)
        for (k = 0; sg_engine_kinds[i]->endings[k]; k++)
            if (!is_told(i, sg_engine_kinds[i]->endings[k]) && index-- == 0)
                return sg_engine_kinds[i]->endings[k];
    return NULL;
}

bool sg_engine_quantised(const char *path)
{
    struct sg_mapping mapping = {0};
    struct sg_error err = {0};
    bool quantised;

    if (sg_mapping_open(&mapping, path, false, &err) < 0)
        return false;
    quantised = sg_onnx_quantised(mapping.bytes, mapping.size);
    sg_mapping_close(&mapping);
    return quantised;
}

const char *sg_engine_named(const char *name, struct sg_error *err)
{
    char names[128] = "";
    size_t used = 0;
    int i;

    for (i = 0; sg_engine_kinds[i] && used < sizeof(names); i++) {
        if (strcmp(sg_engine_kinds[i]->name, name) == 0)
            return sg_engine_kinds[i]->name;
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? " or " : "",
                                 sg_engine_kinds[i]->name);
    }
    sg_error_set(err, SG_E_CONFIG, "there is no engine \"%.40s\"; it is auto, %s", name, names);
    return NULL;
}

const char *sg_engine_of_devices(void)
{
    int i;

    for (i = 0; sg_engine_kinds[i]; i++)
        if (sg_engine_kinds[i]->devices)
            return sg_engine_kinds[i]->name;
    return NULL;
}

const char *sg_precision_name(enum sg_precision precision)
{
    return precision == SG_PRECISION_BF16 ? "bfloat16" : "float32";
}

const char *sg_engine_own_format(const void *bytes, size_t size)
{
    const char *what = NULL;
    int i;

    for (i = 0; sg_engine_kinds[i] && !what; i++)
        what = sg_engine_kinds[i]->own_format(bytes, size);
    return what;
}

const char *sg_engine_endings(char *out, size_t out_bytes)
{
    const char *ending;
    size_t used = 0;
    int i;

    if (out_bytes)
        out[0] = '\0';
    for (i = 0; (ending = sg_engine_ending(i)) && used < out_bytes; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i ? " or " : "", ending);
    return out;
}

const char *sg_engine_credits(char *out, size_t out_bytes)
{
    size_t used = 0;
    int i;

    if (out_bytes)
        out[0] = '\0';
    for (i = 0; sg_engine_kinds[i] && used < out_bytes; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s (%s)", i ? ", " : "",
                                 sg_engine_kinds[i]->title, sg_engine_kinds[i]->licence);
    return out;
}
