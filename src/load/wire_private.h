/* SPDX-License-Identifier: MIT
 * Shared by the files that speak protocols for `sight bench` alone.
 */
#ifndef SG_LOAD_WIRE_PRIVATE_H
#define SG_LOAD_WIRE_PRIVATE_H

#include "load/wire.h"

/* Objects and error code of a JSON reply. */
void sg_bench_read_json(const uint8_t *data, size_t size, struct sg_bench_reply *reply);

extern const struct sg_bench_wire sg_bench_wire_v2;

#endif
