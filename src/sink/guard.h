/* SPDX-License-Identifier: MIT
 * What a run may write to: never a file that it reads; nothing that was there before and is not sightd's own,
 * unless it was told to overwrite; no file twice for two pictures. Any thread.
 */
#ifndef SG_SINK_GUARD_H
#define SG_SINK_GUARD_H

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sg_guard_file {
    dev_t device;
    ino_t inode;
};

struct sg_guard {
    pthread_mutex_t lock;
    bool overwrite;
    char *const *inputs; /* borrowed; looked at when the first output turns up that is there already */
    int input_count;
    struct sg_guard_file *files; /* the same, sorted */
    size_t file_count;
    bool looked;
    struct sg_guard_claim {
        uint64_t what, whose; /* hashes of a path, or of a file, and of the picture; what 0 = free. whose
                                 may also say that the file is not to be written to. */
    } *claims;
    size_t claim_count, claim_capacity;
};

void sg_guard_init(struct sg_guard *guard, bool overwrite);
void sg_guard_fini(struct sg_guard *guard);
/* The pictures to be read ("-" is standard input); paths stay the caller's until fini. */
void sg_guard_inputs(struct sg_guard *guard, char *const *paths, int count);
/* One more file that is not to be written to, if it is there (a model, a list of names, a picture that came,
 * another output). SG_E_NOMEM. */
int sg_guard_keep(struct sg_guard *guard, const char *path, struct sg_error *err);

/* Whether path may be written for the picture `source` (NULL: for the run as a whole), to which it belongs
 * from then on. SG_E_INVALID with what is in the way and what to do, SG_E_NOMEM. */
int sg_guard_claim(struct sg_guard *guard, const char *path, const char *source, struct sg_error *err);
/* The file at path is now this run's, whatever other names it has. SG_E_NOMEM. */
int sg_guard_wrote(struct sg_guard *guard, const char *path, const char *source, struct sg_error *err);

#endif
