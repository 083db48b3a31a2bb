/* SPDX-License-Identifier: MIT
 * What the tests of engines share. For unit tests alone.
 */
#ifndef SG_ENGINE_ENGINE_TESTING_H
#define SG_ENGINE_ENGINE_TESTING_H

#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Models that set-up brings: those of sightd itself below models/, those for tests below deps/tests/models/.
 */
static inline const char *model_path(const char *name)
{
    static char path[1024];
    const char *root = getenv("SIGHT_ROOT");

    snprintf(path, sizeof(path), "%s/%s", root ? root : ".", name);
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is absent (scripts/deps --tests)\n", path);
        skip();
    }
    return path;
}

#endif
