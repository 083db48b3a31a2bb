/* SPDX-License-Identifier: MIT
 * Files that configuration names: folders of pipelines; and what kind of configuration a file is. Start and
 * reload only.
 */
#ifndef SG_CONF_FILES_H
#define SG_CONF_FILES_H

#include "base/option.h"
#include "conf/problems.h"

/* The .yaml and .yml files that paths (folders or files; relative to `file`, NULL = the current folder) stand
 * for, each folder's in alphabetical order, appended to out_files with the place of the path. A path that
 * cannot be read or a folder without any is a problem. */
int sg_conf_list(const char *file, const struct sg_texts *paths, struct sg_texts *out_files,
                 struct sg_conf_problems *problems);

/* Loads path as whatever it is, judged by its keys ("server", "pipeline", "model card" goes to out_kind), and
 * adds its problems. For `sight config check`: references are not followed. */
int sg_conf_check(const char *path, const char **out_kind, struct sg_conf_problems *problems);

#endif
