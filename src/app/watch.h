/* SPDX-License-Identifier: MIT
 * A folder in which pictures arrive. A file is given out when its writer closed it, when it was moved in, or
 * when it appeared whole (a link): never while it is being written.
 */
#ifndef SG_APP_WATCH_H
#define SG_APP_WATCH_H

#include "app/pictures.h"

struct sg_watch;

/* From now on nothing that comes is missed. folder is copied. SG_E_NOT_FOUND, SG_E_IO. */
int sg_watch_open(const char *folder, struct sg_watch **out_watch, struct sg_error *err);
void sg_watch_close(struct sg_watch **watch);
/* Path of the next picture (malloc'ed, given to the caller): 1; 0 when none has come; negative when the
 * folder has gone (SG_E_NOT_FOUND) or memory has (SG_E_NOMEM). Does not wait. One thread at a time. */
int sg_watch_next(struct sg_watch *watch, char **out_path);

#endif
