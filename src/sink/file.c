/* SPDX-License-Identifier: MIT
 * Writing so that nothing half written is ever seen under its own name.
 */
#include "sink/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sg_folder_make(const char *path, struct sg_error *err)
{
    char part[SG_FILE_PATH_MAX];
    size_t i, length = strlen(path);

    if (length >= sizeof(part))
        return sg_error_set(err, SG_E_INVALID, "the name of folder \"%.60s…\" is too long", path);
    for (i = 1; i <= length; i++) {
        struct stat st;
        int why;

        if (i < length && path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) == 0)
            continue;
        why = errno;
        if (why == EEXIST && stat(part, &st) == 0 && S_ISDIR(st.st_mode))
            continue;
        return sg_error_set(err, SG_E_IO, "cannot make folder \"%s\": %s", part,
                            strerror(why == EEXIST ? ENOTDIR : why));
    }
    return 0;
}

int sg_folder_make_above(const char *path, struct sg_error *err)
{
    const char *slash = strrchr(path, '/');
    char folder[SG_FILE_PATH_MAX];

    if (!slash || slash == path)
        return 0;
    if ((size_t)(slash - path) >= sizeof(folder))
        return sg_error_set(err, SG_E_INVALID, "the name \"%.60s…\" is too long", path);
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    return sg_folder_make(folder, err);
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(fd, bytes, size);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

int sg_file_append(int fd, const char *path, const void *bytes, size_t size, struct sg_error *err)
{
    struct stat st;
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    int reason;

    if (write_all(fd, bytes, size) == 0)
        return 0;
    reason = errno;
    if (regular && ftruncate(fd, st.st_size) != 0)
        return sg_error_set(err, SG_E_IO, "cannot write \"%s\": %s; its last line is torn", path,
                            strerror(reason));
    return sg_error_set(err, SG_E_IO, "cannot write \"%s\": %s", path, strerror(reason));
}

/* FOLDER/.NAME.part; the name is cut so that it fits where NAME itself does. */
static int hidden_path(const char *path, char *out, size_t out_bytes)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    int wrote = snprintf(out, out_bytes, "%.*s.%.*s.part", (int)(name - path), path, 240, name);

    return wrote < 0 || (size_t)wrote >= out_bytes ? -1 : 0;
}

/* A pipe or a device is written to; renaming would put a file into its place. */
static int put_straight(const char *path, const void *bytes, size_t size, struct sg_error *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write_all(fd, bytes, size) == 0;

    if (!written)
        sg_error_set(err, SG_E_IO, "cannot write \"%s\": %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return written ? 0 : SG_E_IO;
}

bool sg_file_is_special(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

int sg_file_put(const char *path, const void *bytes, size_t size, struct sg_error *err)
{
    char hidden[SG_FILE_PATH_MAX], target[PATH_MAX];
    bool written;
    int fd, reason;

    if (sg_file_is_special(path))
        return put_straight(path, bytes, size, err);
    if (realpath(path, target)) /* what a link leads to, not the link */
        path = target;
    if (hidden_path(path, hidden, sizeof(hidden)) < 0)
        return sg_error_set(err, SG_E_INVALID, "the name \"%.60s…\" is too long", path);
    (void)unlink(hidden); /* of a run that was killed; nothing is written through what stands there */
    fd = open(hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    written = fd >= 0 && write_all(fd, bytes, size) == 0;
    if (fd >= 0 && close(fd) != 0)
        written = false;
    if (written && rename(hidden, path) == 0)
        return 0;
    reason = errno;
    if (fd >= 0)
        (void)unlink(hidden);
    return sg_error_set(err, reason == ENAMETOOLONG ? SG_E_INVALID : SG_E_IO, "cannot write \"%s\": %s", path,
                        strerror(reason));
}
