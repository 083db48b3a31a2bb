/* SPDX-License-Identifier: MIT
 * inotify itself, not libuv's fs events: those do not tell when a writer closed a file, which is the one
 * thing that says that it is complete.
 */
#include "app/watch.h"

#include "app/command.h"
#include "base/clock.h"

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
#define QUIET_US    500000 /* that a file found in a new folder must stay as it is */
#define WANTED                                                                                               \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* A file that was there before its folder was watched. */
struct found {
    char *path;
    off_t size;
    struct timespec changed;
    int64_t seen_us;
};

struct sg_watch {
    int fd;
    char **folders; /* by the kernel's number, from 1; NULL = none. The first is the one that was named */
    int folder_count, root, watched;
    struct sg_pictures apart; /* only its list of folders that are left out */
    struct found *found;
    int found_count, found_capacity;
    bool gone, full, exhausted;
    _Alignas(struct inotify_event) char events[EVENT_BYTES];
    size_t at, size; /* of events not yet looked at */
};

static int join(const char *folder, const char *name, char out[PATH_BYTES])
{
    size_t length = strlen(folder);
    int wrote =
        snprintf(out, PATH_BYTES, "%s%s%s", folder, length > 0 && folder[length - 1] == '/' ? "" : "/", name);

    return wrote < 0 || wrote >= PATH_BYTES ? -1 : 0;
}

/* Remembers the folder under the kernel's number. */
static int remember(struct sg_watch *watch, int number, const char *folder)
{
    char *copy;

    /* As after an overflow, when `folder` may be the very text that is remembered. */
    if (number < watch->folder_count && watch->folders[number] && strcmp(watch->folders[number], folder) == 0)
        return 0;
    copy = strdup(folder);
    if (copy && number >= watch->folder_count) {
        int count = number + 64;
        char **folders = realloc(watch->folders, (size_t)count * sizeof(*folders));

        if (!folders) {
            free(copy);
            return SG_E_NOMEM;
        }
        memset(folders + watch->folder_count, 0, (size_t)(count - watch->folder_count) * sizeof(*folders));
        watch->folders = folders;
        watch->folder_count = count;
    }
    if (!copy)
        return SG_E_NOMEM;
    watch->watched += watch->folders[number] == NULL;
    free(watch->folders[number]); /* the same folder by another name */
    watch->folders[number] = copy;
    return 0;
}

static void forget(struct sg_watch *watch, int number)
{
    if (number > 0 && number < watch->folder_count && watch->folders[number]) {
        free(watch->folders[number]);
        watch->folders[number] = NULL;
        watch->watched--;
    }
}

static bool look_again(struct found *found)
{
    struct stat st;
    bool same;

    if (stat(found->path, &st) != 0)
        return false;
    same = st.st_size == found->size && st.st_mtim.tv_sec == found->changed.tv_sec &&
           st.st_mtim.tv_nsec == found->changed.tv_nsec;
    found->size = st.st_size;
    found->changed = st.st_mtim;
    return same;
}

static int add_found(struct sg_watch *watch, const char *path)
{
    struct found *found;

    if (watch->found_count == watch->found_capacity) {
        int capacity = watch->found_capacity ? 2 * watch->found_capacity : 64;

        found = realloc(watch->found, (size_t)capacity * sizeof(*found));
        if (!found)
            return SG_E_NOMEM;
        watch->found = found;
        watch->found_capacity = capacity;
    }
    found = &watch->found[watch->found_count];
    *found = (struct found){.path = strdup(path), .seen_us = sg_clock_us()};
    if (!found->path)
        return SG_E_NOMEM;
    (void)look_again(found);
    watch->found_count++;
    return 0;
}

static void drop_found(struct sg_watch *watch, int index)
{
    free(watch->found[index].path);
    memmove(&watch->found[index], &watch->found[index + 1],
            (size_t)(watch->found_count - index - 1) * sizeof(*watch->found));
    watch->found_count--;
}

static bool is_apart(const struct sg_watch *watch, const struct stat *st)
{
    int i;

    for (i = 0; i < watch->apart.apart_count; i++)
        if (watch->apart.apart[i].device == st->st_dev && watch->apart.apart[i].inode == st->st_ino)
            return true;
    return false;
}

static int add_folder(struct sg_watch *watch, const char *folder, int depth, bool take);

static int add_entry(struct sg_watch *watch, const char *path, const char *name, int depth, bool take)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return 0;
    if (S_ISDIR(st.st_mode)) /* links to folders are not followed: they may lead back */
        return is_apart(watch, &st) ? 0 : add_folder(watch, path, depth + 1, take);
    if (!take || !sg_picture_name(name) || (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)))
        return 0;
    return add_found(watch, path);
}

/* Watches the folder and those in it; with `take` its pictures are remembered to be given out. */
static int add_folder(struct sg_watch *watch, const char *folder, int depth, bool take)
{
    int number, code = 0;
    struct dirent *entry;
    char path[PATH_BYTES];
    DIR *open;

    if (depth > SG_PICTURES_MAX_DEPTH)
        return 0;
    errno = 0; /* too many: of our own limit there is no reason of the system's */
    number = watch->watched < SG_WATCH_MAX_FOLDERS ? inotify_add_watch(watch->fd, folder, WANTED) : -1;
    if (number < 0 && depth > 0) {
        if (!watch->full && errno != ENOENT)
            sg_command_say("sight", "folder \"%s\" cannot be watched%s; further ones may not be either",
                           folder, errno == ENOSPC ? " (fs.inotify.max_user_watches)" : "");
        watch->full = watch->full || errno != ENOENT;
        return 0;
    }
    if (number < 0)
        return SG_E_IO;
    code = remember(watch, number, folder);
    if (depth == 0)
        watch->root = number;
    open = code == 0 ? opendir(folder) : NULL;
    while (open && code == 0 && (entry = readdir(open)))
        if (entry->d_name[0] != '.' && join(folder, entry->d_name, path) == 0)
            code = add_entry(watch, path, entry->d_name, depth, take);
    if (open)
        closedir(open);
    return code;
}

int sg_watch_open(const char *folder, const struct sg_pictures *apart, struct sg_watch **out_watch,
                  struct sg_error *err)
{
    struct sg_watch *watch = calloc(1, sizeof(*watch));
    int code;

    if (!watch)
        return sg_error_set(err, SG_E_NOMEM, "no memory to watch \"%s\"", folder);
    watch->apart = *apart;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    code = watch->fd < 0 ? SG_E_IO : add_folder(watch, folder, 0, false);
    if (code < 0) {
        if (code == SG_E_NOMEM)
            sg_error_set(err, SG_E_NOMEM, "no memory to watch \"%s\"", folder);
        else
            sg_error_set(err, errno == ENOENT || errno == ENOTDIR ? SG_E_NOT_FOUND : SG_E_IO,
                         "cannot watch folder \"%s\": %s", folder, strerror(errno));
        sg_watch_close(&watch);
        return err->code;
    }
    *out_watch = watch;
    return 0;
}

void sg_watch_close(struct sg_watch **watch_at)
{
    struct sg_watch *watch = *watch_at;
    int i;

    if (!watch)
        return;
    if (watch->fd >= 0)
        close(watch->fd);
    for (i = 0; i < watch->folder_count; i++)
        free(watch->folders[i]);
    free(watch->folders);
    while (watch->found_count > 0)
        drop_found(watch, watch->found_count - 1);
    free(watch->found);
    free(watch);
    *watch_at = NULL;
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

/* The kernel dropped events: everything in the folder is given out; some pictures may come twice. */
static void recover(struct sg_watch *watch)
{
    const char *folder = watch->folders[watch->root];

    sg_command_say("sight",
                   "more came into \"%s\" at once than the kernel remembers; all of it is read again",
                   folder ? folder : "");
    if (folder && add_folder(watch, folder, 0, true) == SG_E_NOMEM)
        watch->exhausted = true;
}

static int give(struct sg_watch *watch, const char *path, char **out_path, int *out_name_at)
{
    const char *root = watch->root < watch->folder_count ? watch->folders[watch->root] : NULL;
    size_t length = root ? strlen(root) : 0;

    while (length > 0 && path[length] == '/')
        length++;
    *out_name_at = (int)length;
    *out_path = strdup(path);
    return *out_path ? 1 : SG_E_NOMEM;
}

/* The oldest of those found that has been left alone long enough. */
static int give_found(struct sg_watch *watch, char **out_path, int *out_name_at)
{
    int64_t now = sg_clock_us();
    int i, code;

    for (i = 0; i < watch->found_count; i++) {
        struct found *found = &watch->found[i];

        if (now - found->seen_us < QUIET_US)
            continue;
        if (!look_again(found)) {
            found->seen_us = now;
            if (access(found->path, F_OK) != 0)
                drop_found(watch, i--);
            continue;
        }
        code = give(watch, found->path, out_path, out_name_at);
        drop_found(watch, i);
        return code;
    }
    return 0;
}

/* A folder came. */
static void follow_folder(struct sg_watch *watch, const struct inotify_event *event, const char *path)
{
    struct stat st;

    if ((event->mask & (IN_CREATE | IN_MOVED_TO)) && event->name[0] != '.' && lstat(path, &st) == 0 &&
        S_ISDIR(st.st_mode) && !is_apart(watch, &st) && add_folder(watch, path, 1, true) == SG_E_NOMEM)
        watch->exhausted = true;
}

/* The folder was moved. When that was to another place here, it has been found there before this is told, and
 * goes by its new name; else it and those in it are let go of: only the outermost is told. */
static void follow_move(struct sg_watch *watch, int number)
{
    const char *folder = number > 0 && number < watch->folder_count ? watch->folders[number] : NULL;
    size_t length = folder ? strlen(folder) : 0;
    struct stat st;
    int i;

    if (!folder || (stat(folder, &st) == 0 && S_ISDIR(st.st_mode)))
        return;
    for (i = 1; i < watch->folder_count; i++) {
        if (i == number || !watch->folders[i] || strncmp(watch->folders[i], folder, length) != 0 ||
            watch->folders[i][length] != '/')
            continue;
        (void)inotify_rm_watch(watch->fd, i);
        forget(watch, i); /* at once: what comes there has no path here any more */
    }
    (void)inotify_rm_watch(watch->fd, number);
    forget(watch, number);
}

/* Moved or removed folders are no longer ours; the one that was named ends the watch. */
static bool is_end(struct sg_watch *watch, const struct inotify_event *event)
{
    if (!(event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)))
        return false;
    if (event->wd == watch->root)
        watch->gone = true;
    else if (event->mask & IN_MOVE_SELF)
        follow_move(watch, event->wd);
    else if (event->mask & IN_IGNORED)
        forget(watch, event->wd);
    return true;
}

/* Whether the event is a picture that has come; its path goes to out. */
static bool look_at(struct sg_watch *watch, const struct inotify_event *event, char out[PATH_BYTES])
{
    const char *folder = event->wd > 0 && event->wd < watch->folder_count ? watch->folders[event->wd] : NULL;
    int i;

    if (event->mask & IN_Q_OVERFLOW)
        recover(watch);
    if (is_end(watch, event) || event->len == 0 || !folder || join(folder, event->name, out) < 0)
        return false;
    if (event->mask & IN_ISDIR) {
        follow_folder(watch, event, out);
        return false;
    }
    if (!sg_picture_name(event->name) || (event->mask & IN_MOVED_FROM) ||
        (!(event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) && !appeared_whole(out)))
        return false;
    for (i = watch->found_count - 1; i >= 0; i--)
        if (strcmp(watch->found[i].path, out) == 0)
            drop_found(watch, i);
    return true;
}

int sg_watch_next(struct sg_watch *watch, char **out_path, int *out_name_at)
{
    char path[PATH_BYTES];

    for (;;) {
        const struct inotify_event *event;
        int code;

        if (watch->exhausted)
            return SG_E_NOMEM;
        if (watch->at >= watch->size) {
            ssize_t got = watch->gone ? 0 : read(watch->fd, watch->events, sizeof(watch->events));

            if (got <= 0) {
                code = give_found(watch, out_path, out_name_at);
                return code != 0 ? code : watch->gone ? SG_E_NOT_FOUND : 0;
            }
            watch->at = 0;
            watch->size = (size_t)got;
        }
        event = (const void *)(watch->events + watch->at);
        watch->at += sizeof(*event) + event->len;
        if (look_at(watch, event, path))
            return give(watch, path, out_path, out_name_at);
    }
}
