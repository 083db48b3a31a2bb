/* SPDX-License-Identifier: MIT
 * Tensor arithmetic that needs no runtime. Pure; any thread.
 */
#include "data/tensor.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t sg_dtype_bytes(enum sg_dtype dtype)
{
    switch (dtype) {
    case SG_DTYPE_U8:
    case SG_DTYPE_I8:
        return 1;
    case SG_DTYPE_F16:
        return 2;
    case SG_DTYPE_F32:
    case SG_DTYPE_I32:
        return 4;
    case SG_DTYPE_F64:
    case SG_DTYPE_I64:
        return 8;
    case SG_DTYPE_OTHER:
        break;
    }
    return 0;
}

const char *sg_dtype_name(enum sg_dtype dtype)
{
    static const char *const names[] = {"float32", "float16", "float64", "uint8",
                                        "int8",    "int32",   "int64",   "other"};

    return names[dtype];
}

int64_t sg_tensor_count(const struct sg_tensor *tensor)
{
    int64_t count = 1;
    int i;

    for (i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] < 0)
            return -1;
        if (tensor->dims[i] > 0 && count > (int64_t)SG_TENSOR_MAX_BYTES / tensor->dims[i])
            return -1;
        count *= tensor->dims[i];
    }
    return count;
}

bool sg_shape_is(const struct sg_tensor *tensor, int rank, const int64_t *want)
{
    int i;

    if (tensor->rank != rank)
        return false;
    for (i = 0; i < rank; i++)
        if (want[i] >= 0 && tensor->dims[i] != want[i])
            return false;
    return true;
}

const char *sg_dims_text(const int64_t *dims, int rank, char *out, size_t out_bytes)
{
    size_t used = 0;
    int i;

    if (out_bytes)
        snprintf(out, out_bytes, "scalar");
    for (i = 0; i < rank && used < out_bytes; i++) {
        int n = dims[i] < 0
                    ? snprintf(out + used, out_bytes - used, "%s?", i ? "x" : "")
                    : snprintf(out + used, out_bytes - used, "%s%lld", i ? "x" : "", (long long)dims[i]);
        if (n < 0)
            break;
        used += (size_t)n;
    }
    return out;
}

uint16_t sg_float_to_half(float value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    float size = fabsf(value);
    int exponent;
    long units;

    if (isnan(value))
        return sign | 0x7e00;
    if (size >= 65520.0f) /* halfway between the largest half and the next step rounds to infinity */
        return sign | 0x7c00;
    if (size < 0x1p-14f)
        return (uint16_t)(sign | lrintf(ldexpf(size, 24)));
    frexpf(size, &exponent);                     /* size = m * 2^exponent, 0.5 <= m < 1 */
    units = lrintf(ldexpf(size, 11 - exponent)); /* 1024..2048; 2048 carries into the exponent by itself */
    return (uint16_t)(sign | (((long)(exponent + 13) << 10) + units));
}

float sg_tensor_at(const struct sg_tensor *tensor, int64_t index)
{
    switch (tensor->dtype) {
    case SG_DTYPE_F32:
        return ((const float *)tensor->data)[index];
    case SG_DTYPE_F16:
        return sg_half_to_float(((const uint16_t *)tensor->data)[index]);
    case SG_DTYPE_F64:
        return (float)((const double *)tensor->data)[index];
    case SG_DTYPE_U8:
        return ((const uint8_t *)tensor->data)[index];
    case SG_DTYPE_I8:
        return ((const int8_t *)tensor->data)[index];
    case SG_DTYPE_I32:
        return (float)((const int32_t *)tensor->data)[index];
    case SG_DTYPE_I64:
        return (float)((const int64_t *)tensor->data)[index];
    case SG_DTYPE_OTHER:
        break;
    }
    return 0.0f;
}

const char *sg_signature_meta(const struct sg_signature *signature, const char *key)
{
    int i;

    for (i = 0; i < signature->meta_count; i++)
        if (strcmp(signature->meta[i].key, key) == 0)
            return signature->meta[i].value;
    return NULL;
}

int sg_signature_copy(const struct sg_signature *from, struct sg_signature *to)
{
    int i;

    *to = *from;
    to->meta_count = 0;
    for (i = 0; i < from->meta_count; i++) {
        struct sg_meta *pair = &to->meta[to->meta_count++];

        pair->key = strdup(from->meta[i].key);
        pair->value = strdup(from->meta[i].value);
        if (!pair->key || !pair->value) {
            sg_signature_fini(to);
            return SG_E_NOMEM;
        }
    }
    return 0;
}

void sg_signature_fini(struct sg_signature *signature)
{
    int i;

    for (i = 0; i < signature->meta_count; i++) {
        free(signature->meta[i].key);
        free(signature->meta[i].value);
    }
    *signature = (struct sg_signature){0};
}
