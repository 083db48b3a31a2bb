/* SPDX-License-Identifier: MIT
 * Processor flags and count.
 */
#include "base/cpu.h"

#include "base/cores.h"

#include <stdatomic.h>

static atomic_uint allowed_flags = ~0u;

unsigned sg_cpu_flags(void)
{
    unsigned flags = 0;

#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        flags |= SG_CPU_AVX2;
#elif defined(__aarch64__)
    flags |= SG_CPU_NEON;
#endif
    return flags & atomic_load_explicit(&allowed_flags, memory_order_relaxed);
}

void sg_cpu_mask(unsigned allowed)
{
    atomic_store_explicit(&allowed_flags, allowed, memory_order_relaxed);
}

int sg_cpu_count(void)
{
    struct sg_cores cores;

    sg_cores_find(&cores);
    return cores.count;
}
