/* SPDX-License-Identifier: MIT
 * `sight version`: of this program, and of what it runs on.
 */
#include "app/command.h"
#include "base/cores.h"
#include "engine/engine.h"
#include "img/versions.h"

#include <stdio.h>

#include <uv.h>

static int print(const struct sg_command *self, void *context, const struct sg_args *words)
{
    struct sg_engine *engine = NULL;
    struct sg_error err = {0};
    char codecs[SG_VERSIONS_MAX];
    struct sg_cores cores;

    (void)context;
    (void)words;
    if (sg_engine_create(&engine, &err) < 0)
        return sg_command_fail(self, &err);
    sg_cores_find(&cores);
    printf("sight %s, %s\n", SIGHT_VERSION, sg_engine_version(engine));
    if (sg_engine_missing(engine)[0])
        printf("not loaded: %s\n", sg_engine_missing(engine));
    printf("%s, libuv %s\n%s\n", sg_img_versions(codecs, sizeof(codecs)), uv_version_string(), cores.why);
    sg_engine_destroy(&engine);
    return SG_EXIT_OK;
}

static int run_version(const struct sg_command *self, int argc, char **argv)
{
    const struct sg_args_binding none[] = {{NULL, NULL}};

    return sg_command_body(self, none, argc, argv, print, NULL);
}

static const char *const examples[] = {"sight version", "what to name in a bug report", NULL};

const struct sg_command sg_command_version = {
    .args =
        {.name = "sight version",
         .summary =
             "print the versions of sightd, the inference runtime and the codecs, and what cores there are",
         .examples = examples},
    .run = run_version,
};
