/* SPDX-License-Identifier: MIT
 * How many cores this process has: those its affinity mask names, and no more than the quota of its control
 * groups pays for (docker --cpus, CPUQuota of systemd, limits of Kubernetes). Any thread.
 */
#ifndef SG_BASE_CORES_H
#define SG_BASE_CORES_H

#define SG_CORES_WHY_MAX 200

struct sg_cores {
    int count;                  /* to be used: at least 1 */
    int affinity;               /* in the mask, cpusets included */
    double quota;               /* cores' worth of time that the tightest group has, 0 = no limit */
    char why[SG_CORES_WHY_MAX]; /* in words: "2 of 64 cores: cpu.max of /sys/fs/cgroup/a is 2.00" */
};

/* Of this process. */
void sg_cores_find(struct sg_cores *out);
/* Likewise, with `affinity` cores in its mask and the files of proc and the groups below `root` ("" = the
 * system's); for tests. */
void sg_cores_read(const char *root, int affinity, struct sg_cores *out);

#endif
