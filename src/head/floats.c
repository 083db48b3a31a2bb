/* SPDX-License-Identifier: MIT
 * Conversion of output tensors to float32. The plain loops are the reference of the F16C one.
 */
#include "head/floats.h"

#include "base/cpu.h"

#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ALIGN 64

static void halves_plain(const uint16_t *halves, float *floats, int64_t n)
{
    int64_t i;

    for (i = 0; i < n; i++)
        floats[i] = sg_half_to_float(halves[i]);
}

#if defined(__x86_64__)
__attribute__((target("avx2,f16c"))) static void halves_f16c(const uint16_t *halves, float *floats, int64_t n)
{
    int64_t i;

    for (i = 0; i + 8 <= n; i += 8)
        _mm256_storeu_ps(floats + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + i))));
    halves_plain(halves + i, floats + i, n - i);
}
#endif

void sg_halves_to_floats(const uint16_t *halves, float *floats, int64_t n)
{
#if defined(__x86_64__)
    if (sg_cpu_flags() & SG_CPU_AVX2) {
        halves_f16c(halves, floats, n);
        return;
    }
#endif
    halves_plain(halves, floats, n);
}

/* Of any type but float32, which is read where it is. */
static void convert(const struct sg_tensor *tensor, int64_t first, int64_t n, float *floats)
{
    int64_t i;

    if (tensor->dtype == SG_DTYPE_F16) {
        sg_halves_to_floats((const uint16_t *)tensor->data + first, floats, n);
        return;
    }
    for (i = 0; i < n; i++)
        floats[i] = sg_tensor_at(tensor, first + i);
}

static int check(const struct sg_tensor *tensor, int64_t *out_count, struct sg_error *err)
{
    int64_t count = sg_tensor_count(tensor);

    if (tensor->dtype == SG_DTYPE_OTHER)
        return sg_error_set(err, SG_E_MODEL,
                            "output \"%s\": expected numbers, got elements that cannot be read as such",
                            tensor->name ? tensor->name : "");
    if (count < 0)
        return sg_error_set(err, SG_E_MODEL, "output \"%s\": its shape is impossible or above %zu bytes",
                            tensor->name ? tensor->name : "", SG_TENSOR_MAX_BYTES);
    if (count > 0 && !tensor->data)
        return sg_error_set(err, SG_E_MODEL, "output \"%s\": expected data, got none from the runtime",
                            tensor->name ? tensor->name : "");
    *out_count = count;
    return SG_OK;
}

int sg_head_floats(const struct sg_tensor *tensor, float **scratch, size_t *scratch_count,
                   const float **out_floats, struct sg_error *err)
{
    int64_t count = 0;
    int code = check(tensor, &count, err);

    if (code < 0)
        return code;
    if (tensor->dtype == SG_DTYPE_F32) {
        *out_floats = tensor->data;
        return SG_OK;
    }
    if (*scratch_count < (size_t)count || !*scratch) {
        size_t need = count ? (size_t)count : 1;
        float *grown = malloc(need * sizeof(*grown));

        if (!grown)
            return sg_error_set(err, SG_E_NOMEM, "out of memory while reading output \"%s\"", tensor->name);
        free(*scratch);
        *scratch = grown;
        *scratch_count = need;
    }
    convert(tensor, 0, count, *scratch);
    *out_floats = *scratch;
    return SG_OK;
}

/* First element and count of the slice that item names. */
static int slice(const struct sg_tensor *tensor, int item, int64_t *out_first, int64_t *out_count,
                 struct sg_error *err)
{
    int64_t count = 0;
    int code = check(tensor, &count, err);

    if (code < 0)
        return code;
    if (item >= 0 && (tensor->rank < 1 || item >= tensor->dims[0]))
        return sg_error_set(err, SG_E_MODEL, "output \"%s\": picture %d of the batch has no row in it",
                            tensor->name ? tensor->name : "", item);
    *out_count = item < 0 ? count : count / tensor->dims[0];
    *out_first = item < 0 ? 0 : item * *out_count;
    return SG_OK;
}

int sg_head_views(const struct sg_tensor *const *tensors, int n, int item, struct sg_detections *detections,
                  size_t extra_bytes, const float **out_views, void **out_extra, struct sg_error *err)
{
    size_t bytes = extra_bytes;
    char *scratch = NULL;
    int64_t first = 0, count = 0;
    int i, code;

    for (i = 0; i < n; i++) {
        code = slice(tensors[i], item, &first, &count, err);
        if (code < 0)
            return code;
        if (tensors[i]->dtype != SG_DTYPE_F32)
            bytes += (size_t)count * sizeof(float) + ALIGN;
    }
    if (bytes) {
        scratch = sg_detections_scratch(detections, bytes + ALIGN);
        if (!scratch)
            return sg_error_set(err, SG_E_NOMEM, "out of memory while reading the model's outputs");
        scratch += (ALIGN - (uintptr_t)scratch % ALIGN) % ALIGN;
    }
    if (out_extra)
        *out_extra = scratch;
    if (scratch)
        scratch += (extra_bytes + ALIGN - 1) / ALIGN * ALIGN;
    for (i = 0; i < n; i++) {
        slice(tensors[i], item, &first, &count, NULL);
        if (tensors[i]->dtype == SG_DTYPE_F32 || !scratch) {
            out_views[i] = (const float *)tensors[i]->data + first;
            continue;
        }
        convert(tensors[i], first, count, (float *)(void *)scratch);
        out_views[i] = (const float *)(void *)scratch;
        scratch += ((size_t)count * sizeof(float) + ALIGN - 1) / ALIGN * ALIGN;
    }
    return SG_OK;
}
