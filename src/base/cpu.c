/* SPDX-License-Identifier: MIT
 * Processor flags and count.
 */
#include "base/cpu.h"

#include "base/cores.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static atomic_uint allowed_flags = ~0u;

#if defined(__x86_64__)
/* AVX512-VNNI or AVX-VNNI, by the bits of leaf 7; the compilers' own test does not know the second by one
 * name. */
static int has_vnni(void)
{
    unsigned a, b, c, d;

    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & 1u << 11))
        return 1;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}
#endif

unsigned sg_cpu_flags(void)
{
    unsigned flags = 0;

#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        flags |= SG_CPU_AVX2;
    if (has_vnni())
        flags |= SG_CPU_VNNI;
#elif defined(__aarch64__)
    flags |= SG_CPU_NEON;
#endif
    return flags & atomic_load_explicit(&allowed_flags, memory_order_relaxed);
}

const char *sg_cpu_name(char *out, size_t out_bytes)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    const char *colon;

    out[0] = '\0';
    while (file && !out[0] && fgets(line, sizeof(line), file)) {
        colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0)
            snprintf(out, out_bytes, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    if (file)
        fclose(file);
    return out;
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
