/* SPDX-License-Identifier: MIT
 * The picture files a command line names: files as they are, patterns as what matches, folders as all
 * pictures in them and in their folders, in natural order (image2 before image10).
 */
#ifndef SG_APP_PICTURES_H
#define SG_APP_PICTURES_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define SG_PICTURES_MAX       10000000
#define SG_PICTURES_MAX_DEPTH 64 /* folders inside folders */
#define SG_PICTURES_MAX_APART 8

struct sg_pictures {
    char **paths;
    int *name_at; /* offset in each path of its part below the folder that was named; a file's own name */
    int count, capacity;
    int failed; /* folders inside folders that could not be read; each was told on standard error */
    struct sg_folder_id {
        dev_t device;
        ino_t inode;
    } apart[SG_PICTURES_MAX_APART]; /* folders that are not gone into: those that results go to */
    int apart_count;
};

/* Appends what the argument names. A folder gives the files with a picture's ending, of its folders too; each
 * folder once on its way down, so that links that lead round in circles end. A name that does not exist but
 * has * ? or [ is a pattern. SG_E_NOT_FOUND for a folder that cannot be read or holds no picture, or a
 * pattern that nothing matches; files are not looked at. */
int sg_pictures_add(struct sg_pictures *pictures, const char *argument, struct sg_error *err);
/* A folder that later ones leave out, if it is there. */
void sg_pictures_keep_out(struct sg_pictures *pictures, const char *folder);
/* Whether a file of this name is taken from a folder. */
bool sg_picture_name(const char *name);
void sg_pictures_fini(struct sg_pictures *pictures);

#endif
