/* SPDX-License-Identifier: MIT
 * Files, patterns and folders of pictures.
 */
#include "app/pictures.h"

#include "app/command.h"
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define PATH_BYTES 8192

/* The folders from the one named down to the one being read. */
struct way {
    struct sg_folder_id ids[SG_PICTURES_MAX_DEPTH];
    int depth;
    size_t below; /* bytes of the path that belong to the folder named, its slash included */
};

static int push(struct sg_pictures *pictures, const char *path, size_t name_at, struct sg_error *err)
{
    if (pictures->count == SG_PICTURES_MAX)
        return sg_error_set(err, SG_E_TOO_LARGE, "more than %d pictures", SG_PICTURES_MAX);
    if (pictures->count == pictures->capacity) {
        int capacity = pictures->capacity ? 2 * pictures->capacity : 64;
        char **paths = realloc(pictures->paths, (size_t)capacity * sizeof(*paths));
        int *names;

        if (paths)
            pictures->paths = paths;
        names = realloc(pictures->name_at, (size_t)capacity * sizeof(*names));
        if (names)
            pictures->name_at = names;
        if (!paths || !names)
            return sg_error_set(err, SG_E_NOMEM, "no memory for the list of pictures");
        pictures->capacity = capacity;
    }
    pictures->paths[pictures->count] = strdup(path);
    if (!pictures->paths[pictures->count])
        return sg_error_set(err, SG_E_NOMEM, "no memory for the list of pictures");
    pictures->name_at[pictures->count++] = (int)name_at;
    return 0;
}

static int push_file(struct sg_pictures *pictures, const char *path, struct sg_error *err)
{
    const char *slash = strrchr(path, '/');

    return push(pictures, path, slash ? (size_t)(slash + 1 - path) : 0, err);
}

bool sg_picture_name(const char *name)
{
    /* The usual ones of every format that img/decode.h reads. */
    static const char *const endings[] = {".jpg",  ".jpeg", ".jpe",  ".jfif", ".png",  ".webp", ".bmp",
                                          ".dib",  ".tif",  ".tiff", ".gif",  ".heic", ".heif", ".hif",
                                          ".avif", ".jp2",  ".j2k",  ".jpx",  ".pnm",  ".ppm",  ".pgm",
                                          ".pbm",  ".pam",  ".ras",  ".sr",   ".exr",  ".qoi"};
    size_t i;

    for (i = 0; name[0] != '.' && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (sg_path_ends_in_any_case(name, endings[i]))
            return true;
    return false;
}

/* Pictures, and whatever may be a folder. */
static int is_wanted(const struct dirent *entry)
{
    if (entry->d_name[0] == '.')
        return 0;
    return entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN ||
           sg_picture_name(entry->d_name);
}

static bool same_folder(const struct sg_folder_id *id, const struct stat *st)
{
    return id->device == st->st_dev && id->inode == st->st_ino;
}

/* Whether a folder is not to be gone into: it is one of those above, or results go there. */
static bool is_left_out(const struct sg_pictures *pictures, const struct way *way, const struct stat *st)
{
    int i;

    for (i = 0; i < way->depth; i++)
        if (same_folder(&way->ids[i], st))
            return true;
    for (i = 0; i < pictures->apart_count; i++)
        if (same_folder(&pictures->apart[i], st))
            return true;
    return way->depth == SG_PICTURES_MAX_DEPTH;
}

static int add_folder(struct sg_pictures *pictures, struct way *way, const char *folder,
                      const struct stat *st, struct sg_error *err);

static int add_entry(struct sg_pictures *pictures, struct way *way, const char *path, const char *name,
                     bool plain, struct sg_error *err)
{
    struct sg_error own = {0};
    struct stat st;
    int code;

    /* A link that leads nowhere is a picture that cannot be read, and is told of as such. */
    if (plain || stat(path, &st) != 0 || S_ISREG(st.st_mode))
        return sg_picture_name(name) ? push(pictures, path, way->below, err) : 0;
    if (!S_ISDIR(st.st_mode)) { /* a pipe: who reads it waits for ever, unless somebody writes */
        if (sg_picture_name(name))
            sg_command_say("sight", "\"%s\" is no file, left out", path);
        return 0;
    }
    if (is_left_out(pictures, way, &st))
        return 0;
    code = add_folder(pictures, way, path, &st, &own);
    if (code == SG_E_NOT_FOUND) { /* one bad folder does not stop the others */
        sg_command_say("sight", "%s", own.text);
        pictures->failed++;
        return 0;
    }
    if (code < 0)
        *err = own;
    return code;
}

static int add_folder(struct sg_pictures *pictures, struct way *way, const char *folder,
                      const struct stat *st, struct sg_error *err)
{
    struct dirent **entries = NULL;
    char path[PATH_BYTES];
    int code = 0, i, count = scandir(folder, &entries, is_wanted, versionsort);

    if (count < 0)
        return sg_error_set(err, SG_E_NOT_FOUND, "cannot read folder \"%s\": %s", folder, strerror(errno));
    way->ids[way->depth++] = (struct sg_folder_id){st->st_dev, st->st_ino};
    for (i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        int wrote = snprintf(path, sizeof(path), "%s%s%s", folder,
                             folder[strlen(folder) - 1] == '/' ? "" : "/", name);

        if (code == 0 && wrote > 0 && (size_t)wrote < sizeof(path))
            code = add_entry(pictures, way, path, name, entries[i]->d_type == DT_REG, err);
        free(entries[i]);
    }
    way->depth--;
    free(entries);
    return code;
}

static int in_natural_order(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

static int add_pattern(struct sg_pictures *pictures, const char *pattern, struct sg_error *err)
{
    glob_t found = {0};
    size_t i;
    int code = 0;

    if (glob(pattern, 0, NULL, &found) != 0)
        code = sg_error_set(err, SG_E_NOT_FOUND, "nothing matches \"%s\"", pattern);
    if (code == 0)
        qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), in_natural_order);
    for (i = 0; code == 0 && i < found.gl_pathc; i++)
        code = sg_pictures_add(pictures, found.gl_pathv[i], err);
    globfree(&found);
    return code;
}

/* What other tools take: an address. */
static int refuse_foreign(const char *argument, struct sg_error *err)
{
    static const char *const schemes[] = {"http://", "https://", "ftp://", "rtsp://", "s3://", "data:"};
    size_t i;

    if (strncmp(argument, "file://", 7) == 0)
        return sg_error_set(err, SG_E_INVALID, "\"%.200s\" is an address; write the path: %.200s", argument,
                            argument + 7);
    for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncasecmp(argument, schemes[i], strlen(schemes[i])) == 0)
            return sg_error_set(err, SG_E_INVALID,
                                "\"%.200s\" is an address, and pictures are not fetched: "
                                "curl -s ADDRESS | sight detect - (or sight send -)",
                                argument);
    return 0;
}

int sg_pictures_add(struct sg_pictures *pictures, const char *argument, struct sg_error *err)
{
    struct way way = {0};
    int before = pictures->count, failed = pictures->failed, code;
    struct stat st;

    if (stat(argument, &st) != 0 && refuse_foreign(argument, err) < 0)
        return err->code;
    if (stat(argument, &st) != 0)
        return strpbrk(argument, "*?[") ? add_pattern(pictures, argument, err)
                                        : push_file(pictures, argument, err);
    if (!S_ISDIR(st.st_mode))
        return push_file(pictures, argument, err);
    way.below = strlen(argument) + (argument[strlen(argument) - 1] != '/');
    code = add_folder(pictures, &way, argument, &st, err);
    if (code == 0 && pictures->count == before && pictures->failed == failed)
        code = sg_error_set(err, SG_E_NOT_FOUND, "no picture in folder \"%s\"", argument);
    return code;
}

void sg_pictures_keep_out(struct sg_pictures *pictures, const char *folder)
{
    struct stat st;

    if (pictures->apart_count < SG_PICTURES_MAX_APART && stat(folder, &st) == 0)
        pictures->apart[pictures->apart_count++] = (struct sg_folder_id){st.st_dev, st.st_ino};
}

void sg_pictures_fini(struct sg_pictures *pictures)
{
    int i;

    for (i = 0; i < pictures->count; i++)
        free(pictures->paths[i]);
    free(pictures->paths);
    free(pictures->name_at);
    *pictures = (struct sg_pictures){0};
}
