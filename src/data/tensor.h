/* SPDX-License-Identifier: MIT
 * Tensors at a model's border, and the signature of a graph: its inputs, outputs and metadata.
 * Plain data; the room that fills one owns it.
 */
#ifndef SG_DATA_TENSOR_H
#define SG_DATA_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SG_TENSOR_MAX_RANK    8
#define SG_TENSOR_NAME_MAX    128
#define SG_SIGNATURE_MAX_IO   32 /* inputs, and outputs, of one graph */
#define SG_SIGNATURE_MAX_META 64
#define SG_TENSOR_MAX_BYTES   ((size_t)1 << 30)

enum sg_dtype {
    SG_DTYPE_F32,
    SG_DTYPE_F16,
    SG_DTYPE_F64,
    SG_DTYPE_U8,
    SG_DTYPE_I8,
    SG_DTYPE_I32,
    SG_DTYPE_I64,
    SG_DTYPE_OTHER
};

/* Bytes of one element; 0 for SG_DTYPE_OTHER. */
size_t sg_dtype_bytes(enum sg_dtype dtype);
/* "float32", "float16", … as numpy names them. */
const char *sg_dtype_name(enum sg_dtype dtype);

/* A dense row-major tensor. Borrowed or owned as the function that hands it out says. */
struct sg_tensor {
    const char *name;
    enum sg_dtype dtype;
    int rank;
    int64_t dims[SG_TENSOR_MAX_RANK]; /* real sizes, all >= 0 */
    void *data;
};

/* Elements of the tensor (1 for a scalar), or -1 when they overflow SG_TENSOR_MAX_BYTES. */
int64_t sg_tensor_count(const struct sg_tensor *tensor);
/* Does the tensor's real shape fit? want[i] >= 0 must be equal; -1 takes anything. */
bool sg_shape_is(const struct sg_tensor *tensor, int rank, const int64_t *want);
/* "1x84x8400" into out. Returns out. */
const char *sg_dims_text(const int64_t *dims, int rank, char *out, size_t out_bytes);
/* IEEE 754 half to single, exact (subnormals, infinities, NaN kept). Shifts exponent and fraction into place
 * and rescales by 2^112, the difference of the biases (127 - 15); this also normalises subnormals. IEEE
 * 754-2008, 3.4. */
static inline float sg_half_to_float(uint16_t half)
{
    uint32_t bits = (uint32_t)(half & 0x7fffu) << 13;
    float value;

    memcpy(&value, &bits, sizeof(value));
    value *= 0x1p112f;
    memcpy(&bits, &value, sizeof(bits));
    /* Exponent 31 landed on 2^16: infinity or NaN */
    bits |= (half & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0;
    bits |= (uint32_t)(half & 0x8000u) << 16;
    memcpy(&value, &bits, sizeof(value));
    return value;
}
/* Single to half, round to nearest even. */
uint16_t sg_float_to_half(float value);
/* Element at a flat index as float, whatever the dtype (SG_DTYPE_OTHER gives 0). For cold paths. */
float sg_tensor_at(const struct sg_tensor *tensor, int64_t index);

/* One input or output as the graph declares it. */
struct sg_slot {
    char name[SG_TENSOR_NAME_MAX];
    enum sg_dtype dtype;
    int rank;
    int64_t dims[SG_TENSOR_MAX_RANK];       /* -1 = symbolic */
    char dim_names[SG_TENSOR_MAX_RANK][32]; /* symbol, truncated; "" when none */
};

struct sg_meta {
    char *key;
    char *value;
};

struct sg_signature {
    struct sg_slot inputs[SG_SIGNATURE_MAX_IO];
    int input_count;
    struct sg_slot outputs[SG_SIGNATURE_MAX_IO];
    int output_count;
    struct sg_meta meta[SG_SIGNATURE_MAX_META];
    int meta_count;
    char producer[64]; /* "pytorch", "tf2onnx", … */
};

/* Value of a metadata key, or NULL. */
const char *sg_signature_meta(const struct sg_signature *signature, const char *key);
/* A copy with texts of its own, into *to, which is empty. SG_E_NOMEM: nothing is left of it. */
int sg_signature_copy(const struct sg_signature *from, struct sg_signature *to);
void sg_signature_fini(struct sg_signature *signature);

#endif
