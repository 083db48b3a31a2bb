/* SPDX-License-Identifier: MIT
 * Listening sockets that are no host and port: unix sockets, and those that were handed over.
 */
#include "net/address_private.h"
#include "net/listen_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

#define INHERITED_FIRST 3 /* SD_LISTEN_FDS_START */

/* While it is held nobody else who starts in that folder finds a socket that is bound and not yet listened
 * to, or removes one that has just been put there. -1: the folder cannot be read, and nothing is locked. */
static int lock_folder(const char *path)
{
    char folder[SG_ADDRESS_PATH_MAX + 2];
    const char *slash = strrchr(path, '/');
    int fd;

    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        flock(fd, LOCK_EX);
    return fd;
}

/* Whether the file is a socket on which nobody listens any more. */
static bool is_left_behind(const struct sockaddr_un *address)
{
    struct stat info;
    bool refused;
    int fd;

    if (lstat(address->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int unix_error(const char *path, int error, struct sg_error *err)
{
    const char *hint = "";

    if (error == EADDRINUSE)
        hint = "; another server listens there, or the file is no socket: stop it, or choose another path";
    else if (error == ENOENT)
        hint = "; its folder must be there";
    else if (error == EACCES || error == EPERM)
        hint = "; the folder must be one to write to, also to replace what a server left behind there";
    return sg_error_set(err, SG_E_IO, "cannot listen on unix:%s: %s%s", path, strerror(error), hint);
}

/* 0, or errno. */
static int bind_and_listen(int fd, const struct sockaddr_un *name)
{
    int error;

    if (bind(fd, (const struct sockaddr *)name, sizeof(*name)) != 0) {
        if (errno != EADDRINUSE)
            return errno;
        if (!is_left_behind(name))
            return EADDRINUSE;
        if (unlink(name->sun_path) != 0 || bind(fd, (const struct sockaddr *)name, sizeof(*name)) != 0)
            return errno;
    }
    if (listen(fd, LISTEN_BACKLOG) == 0)
        return 0;
    error = errno;
    unlink(name->sun_path);
    return error;
}

static void note_file(struct listen_place *place, const char *path)
{
    struct stat info;

    snprintf(place->text, sizeof(place->text), "unix:%s", path);
    if (lstat(path, &info) != 0)
        return;
    snprintf(place->path, sizeof(place->path), "%s", path);
    place->device = info.st_dev;
    place->inode = info.st_ino;
}

int listen_unix(const struct sg_address *address, struct listen_place *place, struct listen_sockets *sockets,
                struct sg_error *err)
{
    struct sockaddr_un name = address_local(address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error, folder;

    if (fd < 0)
        return unix_error(address->host, errno, err);
    folder = lock_folder(address->host);
    error = bind_and_listen(fd, &name);
    if (error == 0)
        note_file(place, address->host);
    if (folder >= 0)
        close(folder); /* and its lock */
    if (error != 0) {
        close(fd);
        return unix_error(address->host, error, err);
    }
    sockets->fds[sockets->count++] = fd;
    return 0;
}

void listen_leave(const struct listen_place *place)
{
    struct stat info;

    if (place->path[0] && lstat(place->path, &info) == 0 && info.st_dev == place->device &&
        info.st_ino == place->inode)
        unlink(place->path);
}

/* How many were handed to this process; 0 when none was. */
static int inherited_count(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    long n = count ? strtol(count, NULL, 10) : 0;

    if (!pid || strtol(pid, NULL, 10) != (long)getpid() || n < 1)
        return 0;
    return n > LISTEN_MAX_SOCKETS ? LISTEN_MAX_SOCKETS + 1 : (int)n;
}

static bool is_listening_stream(int fd)
{
    int type = 0, listening = 0;
    socklen_t size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM)
        return false;
    size = sizeof(listening);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

int listen_inherited(struct listen_place *place, struct listen_sockets *sockets, struct sg_error *err)
{
    struct sockaddr_storage bound = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof(bound);
    int count = inherited_count(), i;

    if (count == 0)
        return sg_error_set(err, SG_E_INVALID,
                            "no socket was handed over (LISTEN_FDS): --listen inherited is for systemd's "
                            "socket units");
    if (count > LISTEN_MAX_SOCKETS)
        return sg_error_set(err, SG_E_INVALID, "more than %d sockets were handed over", LISTEN_MAX_SOCKETS);
    for (i = 0; i < count; i++)
        if (!is_listening_stream(INHERITED_FIRST + i))
            return sg_error_set(err, SG_E_INVALID,
                                "descriptor %d that was handed over is no listening stream socket",
                                INHERITED_FIRST + i);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (i = 0; i < count; i++) {
        int fd = INHERITED_FIRST + i;

        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        sockets->fds[sockets->count++] = fd;
    }
    if (getsockname(INHERITED_FIRST, (struct sockaddr *)&bound, &size) == 0)
        sg_address_text((const struct sockaddr *)&bound, size, place->text, sizeof(place->text));
    return 0;
}
