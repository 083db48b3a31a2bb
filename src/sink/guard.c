/* SPDX-License-Identifier: MIT
 * Inputs are told by device and inode, so that links, other spellings and file systems without case are no
 * way around. Claims are a hash table of hashes: sixteen bytes a file also for ten million pictures.
 */
#include "sink/guard.h"

#include "sink/mark.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CLAIMS_FIRST 1024       /* a power of two */
#define NOBODYS      UINT64_MAX /* whose: of a file that is read */

void sg_guard_init(struct sg_guard *guard, bool overwrite)
{
    *guard = (struct sg_guard){.overwrite = overwrite};
    pthread_mutex_init(&guard->lock, NULL);
}

void sg_guard_fini(struct sg_guard *guard)
{
    pthread_mutex_destroy(&guard->lock);
    free(guard->files);
    free(guard->claims);
    *guard = (struct sg_guard){0};
}

void sg_guard_inputs(struct sg_guard *guard, char *const *paths, int count)
{
    guard->inputs = paths;
    guard->input_count = count;
}

/* FNV-1a of 64 bits, a byte or a word at a time. */
static uint64_t mix(uint64_t hash, uint64_t more)
{
    return (hash ^ more) * 0x100000001b3u;
}

/* Neither 0 nor NOBODYS. */
static uint64_t end_hash(uint64_t hash)
{
    hash ^= hash >> 29;
    return hash != 0 && hash != NOBODYS ? hash : 1;
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; text && *text; text++)
        hash = mix(hash, (unsigned char)*text);
    return end_hash(hash);
}

static uint64_t hash_file(const struct stat *st)
{
    return end_hash(mix(mix(0x9e3779b97f4a7c15u, st->st_dev), st->st_ino));
}

/* The claim on `what`, or the free place for it. Lock held; the table is never full. */
static struct sg_guard_claim *place(const struct sg_guard *guard, uint64_t what)
{
    size_t mask = guard->claim_capacity - 1, at = (size_t)(what * 0x9e3779b97f4a7c15u) & mask;

    while (guard->claims[at].what != 0 && guard->claims[at].what != what)
        at = (at + 1) & mask;
    return &guard->claims[at];
}

static int grow(struct sg_guard *guard)
{
    struct sg_guard grown = *guard;
    size_t i;

    if (2 * guard->claim_count < guard->claim_capacity)
        return 0;
    grown.claim_capacity = guard->claim_capacity ? 2 * guard->claim_capacity : CLAIMS_FIRST;
    grown.claims = calloc(grown.claim_capacity, sizeof(*grown.claims));
    if (!grown.claims)
        return SG_E_NOMEM;
    for (i = 0; i < guard->claim_capacity; i++)
        if (guard->claims[i].what)
            *place(&grown, guard->claims[i].what) = guard->claims[i];
    free(guard->claims);
    guard->claims = grown.claims;
    guard->claim_capacity = grown.claim_capacity;
    return 0;
}

/* Whose it is, 0 for nobody's. Lock held. */
static uint64_t owner(const struct sg_guard *guard, uint64_t what)
{
    return guard->claim_capacity ? place(guard, what)->whose : 0;
}

/* Lock held. */
static int own(struct sg_guard *guard, uint64_t what, uint64_t whose, struct sg_error *err)
{
    struct sg_guard_claim *claim;

    if (grow(guard) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory for what was written");
    claim = place(guard, what);
    guard->claim_count += claim->what == 0;
    *claim = (struct sg_guard_claim){what, whose};
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct sg_guard_file *x = a, *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* Lock held. */
static int look_at_inputs(struct sg_guard *guard)
{
    struct stat st;
    int i;

    if (guard->looked || guard->input_count == 0)
        return 0;
    guard->files = calloc((size_t)guard->input_count, sizeof(*guard->files));
    if (!guard->files)
        return SG_E_NOMEM;
    for (i = 0; i < guard->input_count; i++)
        if ((strcmp(guard->inputs[i], "-") == 0 ? fstat(0, &st) : stat(guard->inputs[i], &st)) == 0)
            guard->files[guard->file_count++] = (struct sg_guard_file){st.st_dev, st.st_ino};
    qsort(guard->files, guard->file_count, sizeof(*guard->files), compare);
    guard->looked = true;
    return 0;
}

static bool is_same(const char *path, const struct stat *st)
{
    struct stat other;

    return path && stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* Lock held. */
static bool is_read(const struct sg_guard *guard, const struct stat *st)
{
    const struct sg_guard_file file = {st->st_dev, st->st_ino};

    return owner(guard, hash_file(st)) == NOBODYS ||
           (guard->file_count > 0 &&
            bsearch(&file, guard->files, guard->file_count, sizeof(file), compare) != NULL);
}

static int taken(const char *path, struct sg_error *err)
{
    return sg_error_set(err, SG_E_INVALID,
                        "\"%s\" holds what belongs to another picture of this run; give one of them another "
                        "name, or run them apart",
                        path);
}

/* Lock held. */
static int check(struct sg_guard *guard, const char *path, const char *source, struct sg_error *err)
{
    uint64_t who = hash_text(source), whose = owner(guard, hash_text(path));
    struct stat st;

    if (whose && whose != who)
        return taken(path, err);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0; /* what is special is written to as it is */
    if (look_at_inputs(guard) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the list of files that are read");
    if (is_same(source, &st))
        return sg_error_set(err, SG_E_INVALID,
                            "\"%s\" is the picture itself, which is never replaced; name another folder",
                            path);
    if (is_read(guard, &st))
        return sg_error_set(err, SG_E_INVALID,
                            "\"%s\" is a file that this run reads or keeps its results in; it is never "
                            "replaced: name another place",
                            path);
    whose = owner(guard, hash_file(&st));
    if (whose)
        return whose == who ? 0 : taken(path, err);
    if (guard->overwrite || st.st_size == 0 || sg_mark_found(path))
        return 0;
    return sg_error_set(
        err, SG_E_INVALID,
        "\"%s\" is there already and nothing in it says that sightd wrote it; --overwrite replaces it", path);
}

int sg_guard_claim(struct sg_guard *guard, const char *path, const char *source, struct sg_error *err)
{
    int code;

    pthread_mutex_lock(&guard->lock);
    code = check(guard, path, source, err);
    if (code == 0)
        code = own(guard, hash_text(path), hash_text(source), err);
    pthread_mutex_unlock(&guard->lock);
    return code;
}

int sg_guard_keep(struct sg_guard *guard, const char *path, struct sg_error *err)
{
    struct stat st;
    int code;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    pthread_mutex_lock(&guard->lock);
    code = own(guard, hash_file(&st), NOBODYS, err);
    pthread_mutex_unlock(&guard->lock);
    return code;
}

int sg_guard_wrote(struct sg_guard *guard, const char *path, const char *source, struct sg_error *err)
{
    struct stat st;
    int code = 0;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    pthread_mutex_lock(&guard->lock);
    code = own(guard, hash_file(&st), hash_text(source), err);
    pthread_mutex_unlock(&guard->lock);
    return code;
}
