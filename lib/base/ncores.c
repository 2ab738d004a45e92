/* lib/base/ncores.c - counts physical cores by affinity, topology in sysfs and cgroup quotas.
 * Read next: lib/base/pool.c. */
#include "lib/base/ncores.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CPUS = 1024 };

/* First number in a small file, `missing` when there is none. */
static long read_number(const char *path, long missing)
{
    FILE *f = fopen(path, "re");
    if (!f) return missing;
    long value = missing;
    if (fscanf(f, "%ld", &value) != 1) value = missing;
    fclose(f);
    return value;
}

/* A number that two CPUs share exactly when they are threads of one core. */
static long core_key(int cpu)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
    long core = read_number(path, -1);
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
    long package = read_number(path, -1);
    if (core < 0 || package < 0) return (1L << 40) + cpu; /* unknown: a core of its own */
    return package << 20 | core;
}

static int count_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return 1;
    long seen[MAX_CPUS];
    int n = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && n < MAX_CPUS; cpu++) {
        if (!CPU_ISSET(cpu, &set)) continue;
        long key = core_key(cpu);
        bool known = false;
        for (int i = 0; i < n && !known; i++) known = seen[i] == key;
        if (!known) seen[n++] = key;
    }
    return n > 0 ? n : 1;
}

/* CPUs that `quota` microseconds per `period` amount to, rounded up; 0 = no limit. */
static int quota_cpus(long quota, long period)
{
    if (quota <= 0 || period <= 0) return 0;
    return (int)((quota + period - 1) / period);
}

static int limit_at(bool v2, const char *group)
{
    char path[640];
    long quota = -1, period = 100000;
    if (v2) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        FILE *f = fopen(path, "re");
        if (!f) return 0;
        if (fscanf(f, "%ld %ld", &quota, &period) != 2) quota = -1; /* "max 100000" */
        fclose(f);
    } else {
        snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
        quota = read_number(path, -1);
        snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
        period = read_number(path, 100000);
    }
    return quota_cpus(quota, period);
}

/* The tightest quota of a group and the groups that hold it. */
static int limit_upwards(bool v2, char *group)
{
    int best = 0;
    for (;;) {
        int limit = limit_at(v2, group);
        if (limit && (!best || limit < best)) best = limit;
        char *slash = strrchr(group, '/');
        if (!slash) return best;
        *slash = '\0';
    }
}

static bool has_cpu_controller(const char *list)
{
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        if (n == 3 && !memcmp(p, "cpu", 3)) return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static int cgroup_limit(void)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return 0;
    char line[512];
    int best = 0;
    while (fgets(line, sizeof line, f)) { /* "0::/path" (v2) or "4:cpu,cpuacct:/path" (v1) */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        bool v2 = !controllers[1];
        if (!v2 && !has_cpu_controller(controllers + 1)) continue;
        if (!strcmp(group, "/")) *group = '\0';
        int limit = limit_upwards(v2, group);
        if (limit && (!best || limit < best)) best = limit;
    }
    fclose(f);
    return best;
}

int pe_ncores(void)
{
    int cores = count_cores();
    int limit = cgroup_limit();
    return limit && limit < cores ? limit : cores;
}
