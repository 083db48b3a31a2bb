/* SPDX-License-Identifier: MIT
 * Finding sightd's own files.
 */
#include "app/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_pipelines(const char *folder)
{
    char path[SG_PLACE_MAX + 16];

    snprintf(path, sizeof(path), "%s/pipelines", folder);
    return access(path, R_OK) == 0;
}

const char *sg_place_data(char *out, size_t out_bytes)
{
    static const char *const beside[] = {"..", "../share/sightd"};
    const char *given = getenv("SIGHT_DATA");
    char exe[SG_PLACE_MAX];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *slash;
    size_t i;

    if (given) {
        snprintf(out, out_bytes, "%s", given);
        return out;
    }
    snprintf(out, out_bytes, ".");
    if (has_pipelines(out) || length <= 0)
        return out;
    exe[length] = '\0';
    slash = strrchr(exe, '/');
    if (slash)
        *slash = '\0';
    for (i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        snprintf(out, out_bytes, "%s/%s", exe, beside[i]);
        if (has_pipelines(out))
            return out;
    }
    snprintf(out, out_bytes, ".");
    return out;
}

int sg_place_resolve(struct sg_texts *texts)
{
    char data[SG_PLACE_MAX], path[2 * SG_PLACE_MAX];
    int i, code = 0;

    for (i = 0; i < texts->count && code == 0; i++) {
        struct sg_text *text = &texts->items[i];

        if (text->line != 0 || text->value[0] == '/' || access(text->value, F_OK) == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", sg_place_data(data, sizeof(data)), text->value);
        if (access(path, F_OK) == 0)
            code = sg_text_set(text, path, strlen(path), 0, 0);
    }
    return code;
}
