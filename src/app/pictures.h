/* SPDX-License-Identifier: MIT
 * The picture files a command line names: files as they are, folders as the pictures in them in natural order
 * (image2 before image10).
 */
#ifndef SG_APP_PICTURES_H
#define SG_APP_PICTURES_H

#include "base/error.h"

#define SG_PICTURES_MAX 1000000

struct sg_pictures {
    char **paths;
    int count, capacity;
};

/* Appends what the argument names. A folder gives its files with a picture's ending, not those of its
 * folders. SG_E_NOT_FOUND for a folder that cannot be read or holds no picture; files are not looked at. */
int sg_pictures_add(struct sg_pictures *pictures, const char *argument, struct sg_error *err);
void sg_pictures_fini(struct sg_pictures *pictures);

#endif
