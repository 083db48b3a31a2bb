/* SPDX-License-Identifier: MIT
 * Cores by files of proc and of control groups, made as systems of both versions have them; what is right
 * follows from the kernel's documents: quota divided by period, the tightest of a group and all above it.
 */
#include "base/cores.h"
#include "base/cpu.h"

#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define OTHERS                                                                                               \
    "22 1 8:1 / / rw - ext4 /dev/sda rw,cpu\n31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup none "           \
    "rw,memory\n"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/cores-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text)
{
    char whole[512];
    FILE *file;
    char *slash;

    snprintf(whole, sizeof(whole), "%s%s", root, path);
    for (slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static void expect(int affinity, int count, double quota, const char *why)
{
    struct sg_cores cores;

    sg_cores_read(root, affinity, &cores);
    assert_int_equal(cores.count, count);
    assert_int_equal(cores.affinity, affinity);
    assert_int_equal((int)(cores.quota * 1000 + 0.5), (int)(quota * 1000 + 0.5));
    assert_string_equal(cores.why, why);
}

static void without_groups_the_mask_counts(void **state)
{
    (void)state;
    expect(64, 64, 0, "64 cores: the affinity mask, no quota");
    expect(1, 1, 0, "1 core: the affinity mask, no quota");
    put("/proc/self/mountinfo", V2_MOUNT OTHERS);
    put("/proc/self/cgroup", "0::/user.slice\n");
    expect(3, 3, 0, "3 cores: the affinity mask, no quota"); /* no controller */
    put("/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
    expect(3, 3, 0, "3 cores: the affinity mask, no quota");
}

/* docker --cpus=2: the container sees its own group as the root. */
static void a_container_of_version_2(void **state)
{
    (void)state;
    put("/proc/self/mountinfo", OTHERS V2_MOUNT);
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    expect(64, 2, 2, "2 of 64 cores: cpu.max of /sys/fs/cgroup is 2.00");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    expect(64, 1, 0.5, "1 of 64 cores: cpu.max of /sys/fs/cgroup is 0.50");
    put("/sys/fs/cgroup/cpu.max", "250000 100000\n");
    expect(64, 3, 2.5, "3 of 64 cores: cpu.max of /sys/fs/cgroup is 2.50");
    expect(2, 2, 2.5, "2 cores: the affinity mask; the group's quota is larger");
}

static void the_tightest_of_nested_groups(void **state)
{
    (void)state;
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "30000 10000\n");
    expect(64, 3, 3, "3 of 64 cores: cpu.max of /sys/fs/cgroup/a is 3.00");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "100000 100000\n");
    expect(64, 1, 1, "1 of 64 cores: cpu.max of /sys/fs/cgroup/a/b/c is 1.00");
    put("/sys/fs/cgroup/other/cpu.max", "10000 100000\n");
    expect(64, 1, 1, "1 of 64 cores: cpu.max of /sys/fs/cgroup/a/b/c is 1.00");
}

/* Version 1; the container sees the outer name of its group, and that very group mounted; a blank in the
 * path. */
static void a_container_of_version_1(void **state)
{
    (void)state;
    put("/proc/self/mountinfo",
        OTHERS "40 30 0:30 /docker/abc /my\\040groups/cpu rw master:1 - cgroup cgroup rw,cpu,cpuacct\n");
    put("/proc/self/cgroup",
        "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:cpuset:/x\n0::/system.slice\n");
    put("/my groups/cpu/cpu.cfs_period_us", "100000\n");
    put("/my groups/cpu/cpu.cfs_quota_us", "-1\n");
    expect(8, 8, 0, "8 cores: the affinity mask, no quota");
    put("/my groups/cpu/cpu.cfs_quota_us", "150000\n");
    expect(8, 2, 1.5, "2 of 8 cores: cpu.cfs_quota_us of /my groups/cpu is 1.50");
}

static void what_is_damaged_is_no_limit(void **state)
{
    static const char *const wrong[] = {"",         "\n",         "x y\n",  "0 100000\n", "-5 100000\n",
                                        "100000\n", "100000 0\n", "nan 1\n"};
    size_t i;

    (void)state;
    put("/proc/self/mountinfo", "\n30\n30 23 0:26 / - cgroup2\n" V2_MOUNT);
    put("/proc/self/cgroup", "0\n0:\n0::/../../outside\n");
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put("/sys/fs/cgroup/cpu.max", wrong[i]);
        expect(4, 4, 0, "4 cores: the affinity mask, no quota");
    }
    put("/sys/fs/cgroup/cpu.max", "100000 100000");
    expect(4, 1, 1, "1 of 4 cores: cpu.max of /sys/fs/cgroup is 1.00");
}

static void a_mask_of_one(void **state)
{
    cpu_set_t before, one;
    int cpu = 0;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(sg_cpu_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_in_range(sg_cpu_count(), 1, CPU_COUNT(&before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_groups_the_mask_counts, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_container_of_version_2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(the_tightest_of_nested_groups, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_container_of_version_1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(what_is_damaged_is_no_limit, make_root, remove_root),
        cmocka_unit_test(a_mask_of_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
