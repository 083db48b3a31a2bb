/* SPDX-License-Identifier: MIT
 * Memory and processor time of a process and all its descendants, read from /proc. Any thread.
 */
#ifndef SG_LOAD_PROCESS_H
#define SG_LOAD_PROCESS_H

#include "base/error.h"

#include <stdint.h>

#define SG_BENCH_PROCESSES_MAX 256 /* of one tree */

struct sg_bench_usage {
    int64_t rss_bytes;  /* resident now; pages that processes share count once per process */
    int64_t peak_bytes; /* highest resident size since each process started */
    int64_t cpu_us;     /* user and system time since the start */
    int processes;
};

/* SG_E_NOT_FOUND when there is no such process. */
int sg_bench_usage_read(int pid, struct sg_bench_usage *usage, struct sg_error *err);

#endif
