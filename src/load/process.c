/* SPDX-License-Identifier: MIT
 * A process tree in /proc.
 */
#include "load/process.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIDS_MAX 65536

struct process {
    int pid, parent;
    int64_t cpu_us;
};

/* /proc/PID/stat: the name in brackets may hold anything, so fields are counted from its last bracket. */
static bool read_stat(const char *pid, struct process *out)
{
    char path[64], line[1024];
    unsigned long user = 0, system = 0;
    const char *rest;
    FILE *file;
    bool good = false;

    snprintf(path, sizeof(path), "/proc/%.32s/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return false;
    if (fgets(line, sizeof(line), file) && (rest = strrchr(line, ')')) &&
        sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &out->parent, &user,
               &system) == 3) {
        out->pid = atoi(pid);
        out->cpu_us = (int64_t)((user + system) * (1000000UL / (unsigned long)sysconf(_SC_CLK_TCK)));
        good = true;
    }
    fclose(file);
    return good;
}

static void add_memory(int pid, struct sg_bench_usage *usage)
{
    char path[64], line[256];
    long kib;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            usage->rss_bytes += (int64_t)kib * 1024;
        else if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            usage->peak_bytes += (int64_t)kib * 1024;
    }
    fclose(file);
}

static int list_all(struct process *all, int capacity)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int count = 0;

    while (proc && count < capacity && (entry = readdir(proc)))
        if (isdigit((unsigned char)entry->d_name[0]) && read_stat(entry->d_name, &all[count]))
            count++;
    if (proc)
        closedir(proc);
    return count;
}

int sg_bench_usage_read(int pid, struct sg_bench_usage *usage, struct sg_error *err)
{
    int tree[SG_BENCH_PROCESSES_MAX] = {pid}, tree_count = 1;
    struct process *all = calloc(PIDS_MAX, sizeof(*all));
    int i, k, count;
    bool found = false;

    *usage = (struct sg_bench_usage){0};
    if (!all)
        return sg_error_set(err, SG_E_NOMEM, "no memory");
    count = list_all(all, PIDS_MAX);
    for (k = 0; k < tree_count; k++) {
        for (i = 0; i < count; i++) {
            if (all[i].pid == tree[k]) {
                found = found || k == 0;
                usage->cpu_us += all[i].cpu_us;
                usage->processes++;
                add_memory(tree[k], usage);
            } else if (all[i].parent == tree[k] && tree_count < SG_BENCH_PROCESSES_MAX) {
                tree[tree_count++] = all[i].pid;
            }
        }
    }
    free(all);
    return found ? 0 : sg_error_set(err, SG_E_NOT_FOUND, "no process %d (--pid)", pid);
}
