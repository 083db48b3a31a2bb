/* SPDX-License-Identifier: MIT
 * What to write for a flag of another tool. Main thread, start only.
 */
#ifndef SG_CONF_ARGS_HINTS_H
#define SG_CONF_ARGS_HINTS_H

#include "conf/args.h"

/* A sentence for an unknown flag ("conf" of --conf, "-w" of a letter), or NULL. out may be used to hold it.
 */
const char *sg_args_hint(const struct sg_args_command *command, const struct sg_args_binding *bindings,
                         const char *word, char *out, size_t out_bytes);

#endif
