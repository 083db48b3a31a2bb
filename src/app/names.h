/* SPDX-License-Identifier: MIT
 * What the files that a run writes are called: after the picture, by its path below the folder that was
 * named.
 */
#ifndef SG_APP_NAMES_H
#define SG_APP_NAMES_H

#include "app/pictures.h"

#define SG_NAME_MAX 4096

struct sg_names {
    const char **names; /* all pictures' parts below their folders, sorted without their endings; borrowed */
    int count;
};

/* Names of one picture. */
struct sg_name {
    char name[SG_NAME_MAX]; /* "sub/a.jpg"; the whole path, "in_sub_a.jpg", when another picture has that too
                             */
    char stem[SG_NAME_MAX]; /* "sub/a"; the name itself when another picture differs only in its ending */
};

/* pictures must outlive the names. SG_E_NOMEM. */
int sg_names_init(struct sg_names *names, const struct sg_pictures *pictures, struct sg_error *err);
void sg_names_fini(struct sg_names *names);
/* Of the picture at path, whose part below its folder begins at name_at. */
void sg_names_of(const struct sg_names *names, const char *path, int name_at, struct sg_name *out);

#endif
