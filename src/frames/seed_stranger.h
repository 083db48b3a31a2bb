/* SPDX-License-Identifier: MIT
 * Clients that mean to speak something else, or write the length otherwise: TLS, a big-endian, 64-bit or
 * ASCII length, a picture without any. Each looks like a legal length now and then, so nothing is called
 * wrong by its first four bytes alone. Pure; fed the stream of one connection from its first byte on.
 */
#ifndef SG_FRAMES_SEED_STRANGER_H
#define SG_FRAMES_SEED_STRANGER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_SEED_STRANGER_LOOK 64 /* bytes of the stream's beginning that are kept */
#define SG_SEED_STRANGER_SILENCE_MS                                                                          \
    1200 /* a foreign length shows when so long nothing follows what it counts */

struct sg_seed_stranger {
    uint8_t bytes[SG_SEED_STRANGER_LOOK];
    size_t count;
    uint64_t total; /* bytes of the stream so far */
    bool known;     /* a picture was found in a frame: the client does speak seed frames */
};

/* n bytes have arrived. */
void sg_seed_stranger_add(struct sg_seed_stranger *stranger, const uint8_t *data, size_t n);
/* Beyond doubt, by the bytes so far: a TLS ClientHello, a 64-bit length before a picture. err says what. */
bool sg_seed_stranger_sure(const struct sg_seed_stranger *stranger, struct sg_error *err);
/* Exactly so many bytes have come as another reading of the first ones counts. If nothing follows for
 * SG_SEED_STRANGER_SILENCE_MS while a frame waits for more, that is what they are. err (or NULL) says what.
 */
bool sg_seed_stranger_counted(const struct sg_seed_stranger *stranger, struct sg_error *err);
/* The stream cannot be followed: err, set by sg_seed_frame_header_got, says more if more is known. `more`
 * holds the bytes behind the header that have come and were not added. */
void sg_seed_stranger_explain(const struct sg_seed_stranger *stranger, const uint8_t *more, size_t more_bytes,
                              size_t max_bytes, struct sg_error *err);

#endif
