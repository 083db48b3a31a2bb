/* SPDX-License-Identifier: MIT
 * A file holds its whole key as its first line, then what is known, a line each.
 */
#include "model/engine_cache.h"

#include "base/cpu.h"
#include "base/log.h"
#include "base/mapping.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_FORMAT "sightd-engine 1"
#define PATH_MOST    4096
#define KEY_MOST     1024
#define SAMPLES      64 /* of a model file, spread evenly, tell it from another of its size and time */
#define SAMPLE_BYTES 4096
#define NOBODY       "-"
#define FNV_OFFSET   0xcbf29ce484222325u /* FNV-1a, 64 bits */
#define FNV_PRIME    0x100000001b3u

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    while (size--)
        hash = (hash ^ *at++) * FNV_PRIME;
    return hash;
}

static uint64_t mix_file(uint64_t hash, const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return hash;
    hash = mix(hash, &st.st_size, sizeof(st.st_size));
    return mix(hash, &st.st_mtim, sizeof(st.st_mtim));
}

static int mix_beside(void *ctx, const char *path, struct sg_error *err)
{
    uint64_t *hash = ctx;

    (void)err;
    *hash = mix_file(*hash, path);
    return 0;
}

/* Size, time and samples of the model file, size and time of those beside it. */
static uint64_t digest(const struct sg_model *model)
{
    uint64_t hash = mix_file(FNV_OFFSET, model->path);
    struct sg_mapping mapping = {0};
    struct sg_error err = {0};
    size_t i;

    if (sg_mapping_open(&mapping, model->path, false, &err) == 0 && mapping.bytes)
        for (i = 0; i < SAMPLES; i++) {
            size_t at = mapping.size / SAMPLES * i;
            size_t size = mapping.size - at < SAMPLE_BYTES ? mapping.size - at : SAMPLE_BYTES;

            hash = mix(hash, mapping.bytes + at, size);
        }
    sg_mapping_close(&mapping);
    sg_graph_files(model->narrow ? model->narrow : model->wide, model->path, mix_beside, &hash, &err);
    return hash;
}

/* All that the measurement depends on. */
static void make_key(const struct sg_model *model, int threads, char *out)
{
    const struct sg_transform *t = &model->transform;
    char cpu[96];

    snprintf(out, KEY_MOST,
             "%s file=%016llx sight=%s engines=%s cpu=%s flags=%x cores=%d threads=%d size=%dx%d batch=%d "
             "reference=%s",
             CACHE_FORMAT, (unsigned long long)digest(model), SIGHT_VERSION, sg_engine_version(model->engine),
             sg_cpu_name(cpu, sizeof(cpu)), sg_cpu_flags(), sg_cpu_count(), threads, t->width, t->height,
             model->max_batch, sg_graph_engine(model->narrow ? model->narrow : model->wide));
}

/* The folder; false: nothing is to be kept. */
static bool find_folder(char *out)
{
    const char *own = getenv("SIGHT_CACHE"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;

    if (own && (!*own || strcmp(own, "none") == 0))
        return false;
    if (own)
        length = snprintf(out, PATH_MOST, "%s", own);
    else if (cache && *cache == '/')
        length = snprintf(out, PATH_MOST, "%s/sightd", cache);
    else if (home && *home == '/')
        length = snprintf(out, PATH_MOST, "%s/.cache/sightd", home);
    else
        return false;
    return length < PATH_MOST - 64;
}

static void name_file(const char *folder, const char *key, char *out)
{
    snprintf(out, PATH_MOST, "%.*s/%016llx", PATH_MOST - 32, folder,
             (unsigned long long)mix(FNV_OFFSET, key, strlen(key)));
}

/* One line without its end; false at the end of the file. */
static bool read_line(FILE *file, char *out, size_t out_bytes)
{
    if (!fgets(out, (int)out_bytes, file))
        return false;
    out[strcspn(out, "\n")] = '\0';
    return true;
}

static bool read_known(FILE *file, const char *key, struct sg_engine_known *out)
{
    char line[KEY_MOST];
    int precision = 0, rival = 0;

    if (!read_line(file, line, sizeof(line)) || strcmp(line, key) != 0)
        return false;
    if (!read_line(file, line, sizeof(line)) || sscanf(line, "engine %23s %d", out->engine, &precision) != 2)
        return false;
    if (!read_line(file, line, sizeof(line)) || sscanf(line, "rival %23s %d", out->rival, &rival) != 2)
        return false;
    if (strcmp(out->rival, NOBODY) == 0)
        out->rival[0] = '\0';
    out->precision = precision == SG_PRECISION_BF16 ? SG_PRECISION_BF16 : SG_PRECISION_F32;
    out->rival_precision = rival == SG_PRECISION_BF16 ? SG_PRECISION_BF16 : SG_PRECISION_F32;
    /* The last line tells that the file is whole. */
    return read_line(file, out->evidence, sizeof(out->evidence)) &&
           read_line(file, out->ambiguity, sizeof(out->ambiguity)) && read_line(file, line, sizeof(line)) &&
           strcmp(line, "end") == 0;
}

bool sg_engine_cache_find(const struct sg_model *model, int threads, struct sg_engine_known *out)
{
    char folder[PATH_MOST], path[PATH_MOST], key[KEY_MOST];
    FILE *file;
    bool found;

    *out = (struct sg_engine_known){0};
    if (!find_folder(folder))
        return false;
    make_key(model, threads, key);
    name_file(folder, key, path);
    file = fopen(path, "re");
    if (!file)
        return false;
    found = read_known(file, key, out);
    fclose(file);
    return found;
}

/* Makes the folder and those above it. */
static int make_folder(char *folder)
{
    char *slash;

    for (slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(folder, 0700); /* what is wrong the last one tells */
        *slash = '/';
    }
    return mkdir(folder, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

/* Leaves room for one more. */
static void bound(const char *folder)
{
    char path[PATH_MOST + 256], oldest[PATH_MOST + 256] = "";
    struct timespec when = {0};
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct stat st;
    int count = 0;

    while (dir && (entry = readdir(dir))) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (count++ == 0 || st.st_mtim.tv_sec < when.tv_sec ||
            (st.st_mtim.tv_sec == when.tv_sec && st.st_mtim.tv_nsec < when.tv_nsec)) {
            when = st.st_mtim;
            snprintf(oldest, sizeof(oldest), "%s", path);
        }
    }
    if (dir)
        closedir(dir);
    if (count >= SG_ENGINE_CACHE_MOST)
        unlink(oldest);
}

/* 0 or -1 with errno. */
static int write_file(const char *folder, const char *path, const char *key,
                      const struct sg_engine_known *known)
{
    char part[PATH_MOST + 16];
    FILE *file;
    int fd, bad;

    snprintf(part, sizeof(part), "%s/.new-XXXXXX", folder);
    fd = mkostemp(part, O_CLOEXEC);
    if (fd < 0)
        return -1;
    file = fdopen(fd, "w");
    if (!file) {
        close(fd);
        unlink(part);
        return -1;
    }
    fprintf(file, "%s\nengine %s %d\nrival %s %d\n%s\n%s\nend\n", key, known->engine, (int)known->precision,
            known->rival[0] ? known->rival : NOBODY, (int)known->rival_precision, known->evidence,
            known->ambiguity);
    bad = ferror(file);
    bad = fclose(file) != 0 || bad;
    if (!bad && rename(part, path) == 0)
        return 0;
    unlink(part);
    return -1;
}

void sg_engine_cache_keep(const struct sg_model *model, int threads, const struct sg_engine_known *known)
{
    static atomic_bool told;
    char folder[PATH_MOST], path[PATH_MOST], key[KEY_MOST], quoted[512];

    if (!find_folder(folder))
        return;
    make_key(model, threads, key);
    name_file(folder, key, path);
    if (make_folder(folder) == 0) {
        bound(folder);
        if (write_file(folder, path, key, known) == 0)
            return;
    }
    if (!atomic_exchange(&told, true))
        sg_log(SG_LOG_WARN, "what was measured of engines cannot be kept: each start measures again",
               "folder=%s why=\"%s\"", sg_log_quote(folder, quoted, sizeof(quoted)), strerror(errno));
}
