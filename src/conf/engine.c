/* SPDX-License-Identifier: MIT
 * The words of `precision`, in the order of enum sg_engine_precision.
 */
#include "conf/engine.h"

#include <stddef.h>
#include <string.h>

const char *const sg_engine_precision_words[] = {"auto", "f32", "bf16", NULL};

bool sg_engine_name_fixed(const struct sg_engine_conf *conf)
{
    return conf->engine.value && conf->engine.value[0] && strcmp(conf->engine.value, "auto") != 0;
}
