/* SPDX-License-Identifier: MIT
 * Control groups by the kernel's documents: cgroup-v2.rst (cpu.max), sched-bwc.rst (cpu.cfs_quota_us of
 * version 1), proc(5) for /proc/self/cgroup and /proc/self/mountinfo. A group has no more than those above
 * it.
 */
#include "base/cores.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4096
#define LINE_BYTES 8192
#define MOST_CPUS  65536 /* the kernel's own bound is 8192 */

/* A mounted hierarchy that may limit time, and the group of this process in it. */
struct hierarchy {
    bool v2;
    char root[PATH_BYTES]; /* the group that is mounted */
    char at[PATH_BYTES];   /* where */
};

static FILE *open_below(const char *root, const char *path)
{
    char whole[PATH_BYTES];
    int length = snprintf(whole, sizeof(whole), "%s%s", root, path);

    return length > 0 && (size_t)length < sizeof(whole) ? fopen(whole, "re") : NULL;
}

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (;;) {
        size_t n = strcspn(list, ",\n");

        if (n == length && strncmp(list, word, n) == 0)
            return true;
        if (list[n] != ',')
            return false;
        list += n + 1;
    }
}

/* mountinfo writes blanks and backslashes as three octal digits. */
static void unescape(char *text)
{
    char *out = text;

    while (*text) {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' &&
            text[3] >= '0' && text[3] <= '7') {
            *out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
            text += 4;
        } else {
            *out++ = *text++;
        }
    }
    *out = '\0';
}

/* "36 35 98:0 /root /at options … - type source options" */
static bool read_mount(const char *line, struct hierarchy *out)
{
    const char *rest = strstr(line, " - ");
    char type[32], options[1024];

    if (!rest || sscanf(line, "%*s %*s %*s %4095s %4095s", out->root, out->at) != 2 ||
        sscanf(rest, " - %31s %*s %1023s", type, options) != 2)
        return false;
    unescape(out->root);
    unescape(out->at);
    out->v2 = strcmp(type, "cgroup2") == 0;
    return out->v2 || (strcmp(type, "cgroup") == 0 && has_word(options, "cpu"));
}

/* The group of this process in the hierarchy: lines "0::/path" and "4:cpu,cpuacct:/path". */
static bool find_group(const char *root, bool v2, char *out, size_t out_bytes)
{
    FILE *file = open_below(root, "/proc/self/cgroup");
    char line[LINE_BYTES];
    bool found = false;

    while (file && !found && fgets(line, sizeof(line), file)) {
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

        if (!path)
            continue;
        *path++ = '\0';
        found = v2 ? strncmp(line, "0:", 2) == 0 && names[1] == '\0' : has_word(names + 1, "cpu");
        if (found)
            snprintf(out, out_bytes, "%.*s", (int)strcspn(path, "\n"), path);
    }
    if (file)
        fclose(file);
    return found;
}

/* One number, or "max" as -1, of a file of the group; two where other is not NULL. False: there is no such
 * file. */
static bool read_numbers(const char *root, const char *group, const char *name, double *first, double *other)
{
    char path[PATH_BYTES], text[64] = "", *end = NULL;
    FILE *file;

    if (snprintf(path, sizeof(path), "%s/%s", group, name) >= (int)sizeof(path))
        return false;
    file = open_below(root, path);
    if (!file)
        return false;
    if (!fgets(text, sizeof(text), file))
        text[0] = '\0';
    fclose(file);
    *first = -1;
    if (strncmp(text, "max", 3) != 0)
        *first = strtod(text, &end);
    if (other && end)
        *other = strtod(end, NULL);
    return text[0] != '\0';
}

/* Takes over the quota of one group when it is tighter. */
static void look_at(const char *root, const char *group, bool v2, struct sg_cores *out, char *tightest)
{
    double quota = -1, period = 0;
    bool there = v2 ? read_numbers(root, group, "cpu.max", &quota, &period)
                    : read_numbers(root, group, "cpu.cfs_quota_us", &quota, NULL) &&
                          read_numbers(root, group, "cpu.cfs_period_us", &period, NULL);

    if (!there || !(quota > 0) || !(period > 0) || (out->quota > 0 && out->quota <= quota / period))
        return;
    out->quota = quota / period;
    snprintf(tightest, PATH_BYTES, "%s of %s", v2 ? "cpu.max" : "cpu.cfs_quota_us", group);
}

/* The group and all above it, as far as they are mounted. */
static void climb(const char *root, const struct hierarchy *hierarchy, struct sg_cores *out, char *tightest)
{
    char path[PATH_BYTES], group[PATH_BYTES];
    size_t mounted = strcmp(hierarchy->root, "/") == 0 ? 0 : strlen(hierarchy->root), at;
    bool inside;

    if (!find_group(root, hierarchy->v2, path, sizeof(path)))
        return;
    /* A container may see the name that its group has outside, and that very group mounted. */
    inside = strncmp(path, hierarchy->root, mounted) == 0 &&
             (path[mounted] == '/' || path[mounted] == '\0') && !strstr(path, "/..");
    if (snprintf(group, sizeof(group), "%s%s", hierarchy->at, inside ? path + mounted : "") >=
        (int)sizeof(group))
        return;
    at = strlen(hierarchy->at);
    for (;;) {
        char *slash;

        while (strlen(group) > at && group[strlen(group) - 1] == '/')
            group[strlen(group) - 1] = '\0';
        look_at(root, group, hierarchy->v2, out, tightest);
        slash = strrchr(group, '/');
        if (strlen(group) <= at || !slash || slash < group + at)
            return;
        *slash = '\0';
    }
}

void sg_cores_read(const char *root, int affinity, struct sg_cores *out)
{
    FILE *mounts = open_below(root, "/proc/self/mountinfo");
    char line[LINE_BYTES], tightest[PATH_BYTES] = "";
    struct hierarchy hierarchy;

    *out = (struct sg_cores){.count = affinity < 1 ? 1 : affinity, .affinity = affinity < 1 ? 1 : affinity};
    while (mounts && fgets(line, sizeof(line), mounts))
        if (read_mount(line, &hierarchy))
            climb(root, &hierarchy, out, tightest);
    if (mounts)
        fclose(mounts);
    if (out->quota > 0 && out->quota < out->count)
        out->count = (int)ceil(out->quota);
    if (out->quota > 0 && out->quota <= out->affinity)
        snprintf(out->why, sizeof(out->why), "%d of %d cores: %.120s is %.2f", out->count, out->affinity,
                 tightest, out->quota);
    else
        snprintf(out->why, sizeof(out->why), "%d core%s: the affinity mask%s", out->count,
                 out->count == 1 ? "" : "s", out->quota > 0 ? "; the group's quota is larger" : ", no quota");
}

/* The mask may be wider than a cpu_set_t. */
static int mask_count(void)
{
    int cpus, count = 0;

    for (cpus = CPU_SETSIZE; count == 0 && cpus <= MOST_CPUS; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);

        if (!set)
            break;
        if (sched_getaffinity(0, CPU_ALLOC_SIZE(cpus), set) == 0)
            count = CPU_COUNT_S(CPU_ALLOC_SIZE(cpus), set);
        CPU_FREE(set);
    }
    return count;
}

void sg_cores_find(struct sg_cores *out)
{
    sg_cores_read("", mask_count(), out);
}
