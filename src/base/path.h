/* SPDX-License-Identifier: MIT
 * Names of files, as they are written; nothing here looks at a file. Pure.
 */
#ifndef SG_BASE_PATH_H
#define SG_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Whether it ends so (".yaml") behind something else, to the letter or in whatever case. */
bool sg_path_ends(const char *path, const char *ending);
bool sg_path_ends_in_any_case(const char *path, const char *ending);

/* path as a file means it: beside that file unless it begins with a slash. file NULL: as it is.
 * SG_E_TOO_LARGE when out is too small; out is always terminated. */
int sg_path_beside(const char *file, const char *path, char *out, size_t out_bytes);

#endif
