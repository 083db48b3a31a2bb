/* SPDX-License-Identifier: MIT
 * Files that a kill at any moment leaves whole: appended by whole lines, or put in place under their name
 * when they are complete. Any thread, one file each.
 */
#ifndef SG_SINK_FILE_H
#define SG_SINK_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SG_FILE_PATH_MAX 8192

/* Makes a folder and those above it; one that is there is fine. SG_E_IO, SG_E_INVALID. */
int sg_folder_make(const char *path, struct sg_error *err);
/* Makes the folders above path. */
int sg_folder_make_above(const char *path, struct sg_error *err);
/* Writes a hidden file beside path and renames it, so that path is the old one or the new one, never a part.
 * What is special is written to as it is. SG_E_IO with the reason, SG_E_INVALID for a name that is too long.
 */
int sg_file_put(const char *path, const void *bytes, size_t size, struct sg_error *err);
/* A pipe, a device, a folder: no regular file. */
bool sg_file_is_special(const char *path);
/* Appends all bytes, with one write where the system takes them at once. When it cannot, a regular file is
 * cut back to where it ended before. path is for the message. SG_E_IO. */
int sg_file_append(int fd, const char *path, const void *bytes, size_t size, struct sg_error *err);

#endif
