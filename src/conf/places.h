/* SPDX-License-Identifier: MIT
 * Where sightd's own files are: beside the build while developing, under share/sightd once installed.
 */
#ifndef SG_CONF_PLACES_H
#define SG_CONF_PLACES_H

#include "base/error.h"
#include "base/option.h"

#define SG_PLACE_MAX 4096

/* The folder that holds models/ and pipelines/: $SIGHT_DATA, else the working folder, or of the program (of
 * libsight, for who links that) ../, ../share/sightd or ../../share/sightd, whichever has a pipelines folder
 * first. "." when none has. Returns out. */
const char *sg_place_data(char *out, size_t out_bytes);
/* Texts still at their default (one relative name, no line) that do not exist are looked for in the data
 * folder. SG_E_NOMEM. */
int sg_place_resolve(struct sg_texts *texts);

#endif
