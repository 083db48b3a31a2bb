/* SPDX-License-Identifier: MIT
 * Files and folders of pictures.
 */
#include "app/pictures.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static int push(struct sg_pictures *pictures, const char *path, struct sg_error *err)
{
    char **paths;
    int capacity;

    if (pictures->count == SG_PICTURES_MAX)
        return sg_error_set(err, SG_E_TOO_LARGE, "more than %d pictures", SG_PICTURES_MAX);
    if (pictures->count == pictures->capacity) {
        capacity = pictures->capacity ? 2 * pictures->capacity : 64;
        paths = realloc(pictures->paths, (size_t)capacity * sizeof(*paths));
        if (!paths)
            return sg_error_set(err, SG_E_NOMEM, "no memory for the list of pictures");
        pictures->paths = paths;
        pictures->capacity = capacity;
    }
    pictures->paths[pictures->count] = strdup(path);
    if (!pictures->paths[pictures->count])
        return sg_error_set(err, SG_E_NOMEM, "no memory for the list of pictures");
    pictures->count++;
    return 0;
}

static int is_picture(const struct dirent *entry)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp", ".bmp",  ".tif",  ".tiff", ".gif",
                                          ".jp2", ".pnm",  ".ppm", ".pgm",  ".heic", ".heif", ".avif"};
    const char *dot = strrchr(entry->d_name, '.');
    size_t i;

    for (i = 0; dot && entry->d_name[0] != '.' && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return 1;
    return 0;
}

int sg_pictures_add(struct sg_pictures *pictures, const char *argument, struct sg_error *err)
{
    struct dirent **entries = NULL;
    struct stat st;
    int code = 0, count, i;

    if (stat(argument, &st) != 0 || !S_ISDIR(st.st_mode))
        return push(pictures, argument, err);
    count = scandir(argument, &entries, is_picture, versionsort);
    if (count < 0)
        return sg_error_set(err, SG_E_NOT_FOUND, "cannot read folder \"%s\": %s", argument, strerror(errno));
    if (count == 0)
        code = sg_error_set(err, SG_E_NOT_FOUND, "no picture in folder \"%s\"", argument);
    for (i = 0; i < count; i++) {
        char path[8192];

        snprintf(path, sizeof(path), "%s%s%s", argument, argument[strlen(argument) - 1] == '/' ? "" : "/",
                 entries[i]->d_name);
        if (code == 0)
            code = push(pictures, path, err);
        free(entries[i]);
    }
    free(entries);
    return code;
}

void sg_pictures_fini(struct sg_pictures *pictures)
{
    int i;

    for (i = 0; i < pictures->count; i++)
        free(pictures->paths[i]);
    free(pictures->paths);
    *pictures = (struct sg_pictures){0};
}
