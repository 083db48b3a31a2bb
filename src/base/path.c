/* SPDX-License-Identifier: MIT */
#include "base/path.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Where the ending would begin, NULL when nothing is before it. */
static const char *tail_of(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);

    return length > tail ? path + length - tail : NULL;
}

bool sg_path_ends(const char *path, const char *ending)
{
    const char *tail = tail_of(path, ending);

    return tail && strcmp(tail, ending) == 0;
}

bool sg_path_ends_in_any_case(const char *path, const char *ending)
{
    const char *tail = tail_of(path, ending);

    return tail && strcasecmp(tail, ending) == 0;
}

int sg_path_beside(const char *file, const char *path, char *out, size_t out_bytes)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    int folder = slash && path[0] != '/' ? (int)(slash - file) + 1 : 0;
    int wrote = snprintf(out, out_bytes, "%.*s%s", folder, folder ? file : "", path);

    return wrote < 0 || (size_t)wrote >= out_bytes ? SG_E_TOO_LARGE : 0;
}
