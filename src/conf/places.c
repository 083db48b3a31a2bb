/* SPDX-License-Identifier: MIT
 * Finding sightd's own files. Called while opening; any thread.
 */
#include "conf/places.h"

#include <dlfcn.h>
#include <stdbool.h>
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

/* The folder of the file this code is in: of libsight when a program has loaded that, else of the program. */
static bool own_folder(char out[SG_PLACE_MAX])
{
    Dl_info info;
    char *slash;

    /* For the program itself dladdr gives argv[0], which says little. */
    if (dladdr((void *)(uintptr_t)own_folder, &info) && info.dli_fname && strstr(info.dli_fname, ".so")) {
        char *path = realpath(info.dli_fname, NULL);

        snprintf(out, SG_PLACE_MAX, "%s", path ? path : info.dli_fname);
        free(path);
    } else {
        ssize_t length = readlink("/proc/self/exe", out, SG_PLACE_MAX - 1);

        if (length <= 0)
            return false;
        out[length] = '\0';
    }
    slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
    return slash != NULL;
}

const char *sg_place_data(char *out, size_t out_bytes)
{
    /* The last is seen from lib/x86_64-linux-gnu. */
    static const char *const beside[] = {"..", "../share/sightd", "../../share/sightd"};
    const char *given = getenv("SIGHT_DATA");
    char own[SG_PLACE_MAX];
    size_t i;

    if (given) {
        snprintf(out, out_bytes, "%s", given);
        return out;
    }
    snprintf(out, out_bytes, ".");
    if (has_pipelines(out) || !own_folder(own))
        return out;
    for (i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        snprintf(out, out_bytes, "%s/%s", own, beside[i]);
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
