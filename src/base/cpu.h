/* SPDX-License-Identifier: MIT
 * What this processor can do, for the tables of fast kernels. Any thread.
 */
#ifndef SG_BASE_CPU_H
#define SG_BASE_CPU_H

#include <stddef.h>

enum sg_cpu_flag {
    SG_CPU_AVX2 = 1 << 0, /* with FMA and F16C */
    SG_CPU_NEON = 1 << 1,
    SG_CPU_VNNI = 1 << 2, /* adds products of bytes in 32 bits */
};

/* Flags of this machine, less those masked. */
unsigned sg_cpu_flags(void);
/* Only the flags in `allowed` are reported from now on (tests use 0 to get the plain C kernels). */
void sg_cpu_mask(unsigned allowed);
/* The processor's own name ("AMD EPYC 7763 …"), or "" where the system does not tell it. Returns out. */
const char *sg_cpu_name(char *out, size_t out_bytes);
/* Cores this process has, at least 1; base/cores.h says why so many. */
int sg_cpu_count(void);

#endif
