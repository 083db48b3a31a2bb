/* SPDX-License-Identifier: MIT
 * Class scans. One body, compiled for the baseline and again for AVX2; the compiler vectorises both.
 */
#include "head/scan.h"

#include "base/cpu.h"

#include <math.h>

#define LANES 16

static inline __attribute__((always_inline)) void columns(const float *restrict rows, int64_t stride, int n,
                                                          int class_count, float *restrict best,
                                                          int32_t *restrict classes)
{
    int c, i;

    for (i = 0; i < n; i++) {
        best[i] = -INFINITY;
        classes[i] = 0;
    }
    for (c = 0; c < class_count; c++) {
        const float *restrict row = rows + c * stride;

        for (i = 0; i < n; i++) {
            classes[i] = row[i] > best[i] ? c : classes[i];
            best[i] = row[i] > best[i] ? row[i] : best[i];
        }
    }
}

static void columns_plain(const float *rows, int64_t stride, int n, int class_count, float *best,
                          int32_t *classes)
{
    columns(rows, stride, n, class_count, best, classes);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void columns_avx2(const float *rows, int64_t stride, int n,
                                                         int class_count, float *best, int32_t *classes)
{
    columns(rows, stride, n, class_count, best, classes);
}
#endif

void sg_scan_columns(const float *rows, int64_t stride, int n, int class_count, float *best, int32_t *classes)
{
#if defined(__x86_64__)
    if (sg_cpu_flags() & SG_CPU_AVX2) {
        columns_avx2(rows, stride, n, class_count, best, classes);
        return;
    }
#endif
    columns_plain(rows, stride, n, class_count, best, classes);
}

int sg_scan_row(const float *scores, int class_count, float floor, float *out_best)
{
    float lanes[LANES], best = -INFINITY;
    int c = 0, l;

    for (l = 0; l < LANES; l++)
        lanes[l] = -INFINITY;
    for (; c + LANES <= class_count; c += LANES)
        for (l = 0; l < LANES; l++)
            lanes[l] = scores[c + l] > lanes[l] ? scores[c + l] : lanes[l];
    for (; c < class_count; c++)
        best = scores[c] > best ? scores[c] : best;
    for (l = 0; l < LANES; l++)
        best = lanes[l] > best ? lanes[l] : best;
    if (!(best >= floor))
        return -1;
    *out_best = best;
    for (c = 0; c < class_count; c++)
        if (scores[c] == best)
            return c;
    return -1; /* no class at all and a floor of -INFINITY */
}
