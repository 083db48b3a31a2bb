/* SPDX-License-Identifier: MIT
 * Files as memory. Any thread.
 */
#ifndef SG_BASE_MAPPING_H
#define SG_BASE_MAPPING_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sg_mapping {
    uint8_t *bytes; /* NULL while nothing is mapped */
    size_t size;
};

/* The whole file, private: with `writable` it may be changed in memory, which costs the pages that are. What
 * is empty or no file (a folder, a pipe) maps to nothing. SG_E_NOT_FOUND, SG_E_IO or SG_E_NOMEM, and nothing
 * is mapped either; the text does not name the path. */
int sg_mapping_open(struct sg_mapping *mapping, const char *path, bool writable, struct sg_error *err);
void sg_mapping_close(struct sg_mapping *mapping);

#endif
