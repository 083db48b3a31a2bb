/* SPDX-License-Identifier: MIT
 * Unique names from paths: neighbours in a sorted list tell whether a name is unique.
 */
#include "app/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes before the ending. */
static size_t stem_bytes(const char *name)
{
    const char *slash = strrchr(name, '/'), *dot = strrchr(name, '.');

    return dot && dot > (slash ? slash + 1 : name) ? (size_t)(dot - name) : strlen(name);
}

static int by_stem(const char *a, const char *b)
{
    size_t a_bytes = stem_bytes(a), b_bytes = stem_bytes(b);
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

    return order ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

/* Equal stems stand together, and in them equal names. */
static int compare(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    int order = by_stem(x, y);

    return order ? order : strcmp(x, y);
}

int sg_names_init(struct sg_names *names, const struct sg_pictures *pictures, struct sg_error *err)
{
    int i;

    names->names = calloc((size_t)pictures->count + 1, sizeof(*names->names));
    if (!names->names)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the pictures' names");
    for (i = 0; i < pictures->count; i++)
        names->names[i] = pictures->paths[i] + pictures->name_at[i];
    names->count = pictures->count;
    qsort(names->names, (size_t)names->count, sizeof(*names->names), compare);
    return 0;
}

void sg_names_fini(struct sg_names *names)
{
    free(names->names);
    *names = (struct sg_names){0};
}

void sg_names_of(const struct sg_names *names, const char *path, int name_at, struct sg_name *out)
{
    const char *name = path + name_at, **first = names->names, **end = first + names->count;
    const char **at =
        names->count ? bsearch(&name, first, (size_t)names->count, sizeof(*first), compare) : NULL;
    bool name_twin =
        at && ((at > first && strcmp(at[-1], name) == 0) || (at + 1 < end && strcmp(at[1], name) == 0));
    bool stem_twin =
        at && ((at > first && by_stem(at[-1], name) == 0) || (at + 1 < end && by_stem(at[1], name) == 0));
    char *p;

    (void)snprintf(out->name, sizeof(out->name), "%s", name_twin ? path : name);
    for (p = out->name; name_twin && *p; p++)
        if (*p == '/')
            *p = '_';
    (void)snprintf(out->stem, sizeof(out->stem), "%.*s",
                   (int)(stem_twin && !name_twin ? strlen(out->name) : stem_bytes(out->name)), out->name);
}
