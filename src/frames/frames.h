/* SPDX-License-Identifier: MIT
 * The two protocols of frames: seed frames (a length and a picture, answered in order) and frame protocol v2
 * (ids, options, deadlines, records). Loop thread.
 */
#ifndef SG_FRAMES_FRAMES_H
#define SG_FRAMES_FRAMES_H

#include "serve/protocol.h"

extern const struct sg_protocol_ops sg_protocol_seed; /* begins with anything: the last of a server's list */
extern const struct sg_protocol_ops sg_protocol_v2;

#endif
