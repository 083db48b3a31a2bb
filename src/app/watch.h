/* SPDX-License-Identifier: MIT
 * A folder in which pictures arrive, and the folders in it. A file is given out when its writer closed it,
 * when it was moved in, or when it appeared whole (a link): never while it is being written. A folder that is
 * new is looked through once; what was in it already is given out when it has not changed for half a second.
 */
#ifndef SG_APP_WATCH_H
#define SG_APP_WATCH_H

#include "app/pictures.h"

#define SG_WATCH_MAX_FOLDERS 65536

struct sg_watch;

/* From now on nothing that comes is missed. folder is copied; folders that `apart` leaves out are not gone
 * into. SG_E_NOT_FOUND, SG_E_IO. */
int sg_watch_open(const char *folder, const struct sg_pictures *apart, struct sg_watch **out_watch,
                  struct sg_error *err);
void sg_watch_close(struct sg_watch **watch);
/* Path of the next picture (malloc'ed, given to the caller), and in *out_name_at where its part below the
 * folder begins: 1; 0 when none has come; negative when the folder has gone (SG_E_NOT_FOUND) or memory has
 * (SG_E_NOMEM). Does not wait. One thread at a time. */
int sg_watch_next(struct sg_watch *watch, char **out_path, int *out_name_at);

#endif
