/* SPDX-License-Identifier: MIT
 * inotify itself, not libuv's fs events: those do not tell when a writer closed a file, which is the one
 * thing that says that it is complete.
 */
#include "app/watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENT_BYTES 65536
#define PATH_BYTES  8192

struct sg_watch {
    char *folder;
    int fd;
    bool gone;
    _Alignas(struct inotify_event) char events[EVENT_BYTES];
    size_t at, size;              /* of events not yet looked at */
    struct sg_pictures recovered; /* after an overflow: what is in the folder */
    int recovered_at;
};

int sg_watch_open(const char *folder, struct sg_watch **out_watch, struct sg_error *err)
{
    struct sg_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return sg_error_set(err, SG_E_NOMEM, "no memory to watch \"%s\"", folder);
    watch->folder = strdup(folder);
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (!watch->folder || watch->fd < 0 ||
        inotify_add_watch(watch->fd, folder,
                          IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF |
                              IN_ONLYDIR) < 0) {
        sg_error_set(err, errno == ENOENT || errno == ENOTDIR ? SG_E_NOT_FOUND : SG_E_IO,
                     "cannot watch folder \"%s\": %s", folder, strerror(errno));
        sg_watch_close(&watch);
        return err->code;
    }
    *out_watch = watch;
    return 0;
}

void sg_watch_close(struct sg_watch **watch)
{
    if (!*watch)
        return;
    if ((*watch)->fd >= 0)
        close((*watch)->fd);
    sg_pictures_fini(&(*watch)->recovered);
    free((*watch)->folder);
    free(*watch);
    *watch = NULL;
}

/* A file that appeared without being written: a hard link, or a link to a file. One that is only created will
 * be closed by whoever fills it. */
static bool appeared_whole(const char *path)
{
    struct stat st, target;

    if (lstat(path, &st) != 0)
        return false;
    if (S_ISLNK(st.st_mode))
        return stat(path, &target) == 0 && S_ISREG(target.st_mode);
    return S_ISREG(st.st_mode) && st.st_nlink > 1;
}

static bool is_arrival(const struct inotify_event *event, const char *path)
{
    if (event->mask & IN_ISDIR)
        return false;
    return (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) || appeared_whole(path);
}

/* The kernel dropped events: everything in the folder is given out; some pictures may come twice. */
static void recover(struct sg_watch *watch)
{
    struct sg_error err = {0};

    fprintf(stderr,
            "sight: more came into \"%s\" at once than the kernel remembers; all of it is read again\n",
            watch->folder);
    sg_pictures_fini(&watch->recovered);
    watch->recovered_at = 0;
    (void)sg_pictures_add(&watch->recovered, watch->folder, &err);
}

static int give(const char *path, char **out_path)
{
    *out_path = strdup(path);
    return *out_path ? 1 : SG_E_NOMEM;
}

int sg_watch_next(struct sg_watch *watch, char **out_path)
{
    size_t folder = strlen(watch->folder);
    char path[PATH_BYTES];

    if (watch->recovered_at < watch->recovered.count)
        return give(watch->recovered.paths[watch->recovered_at++], out_path);
    for (;;) {
        const struct inotify_event *event;

        if (watch->at >= watch->size) {
            ssize_t got = watch->gone ? 0 : read(watch->fd, watch->events, sizeof(watch->events));

            if (got <= 0)
                return watch->gone ? SG_E_NOT_FOUND : 0;
            watch->at = 0;
            watch->size = (size_t)got;
        }
        event = (const void *)(watch->events + watch->at);
        watch->at += sizeof(*event) + event->len;
        if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
            watch->gone = true;
        if (event->mask & IN_Q_OVERFLOW) {
            recover(watch);
            return sg_watch_next(watch, out_path);
        }
        if (event->len == 0 || !sg_picture_name(event->name))
            continue;
        (void)snprintf(path, sizeof(path), "%s%s%s", watch->folder,
                       folder > 0 && watch->folder[folder - 1] == '/' ? "" : "/", event->name);
        if (is_arrival(event, path))
            return give(path, out_path);
    }
}
