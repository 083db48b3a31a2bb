/* SPDX-License-Identifier: MIT
 * The monotonic clock. Any thread.
 */
#ifndef SG_BASE_CLOCK_H
#define SG_BASE_CLOCK_H

#include <stdint.h>

/* Microseconds since some fixed moment; never goes back. */
int64_t sg_clock_us(void);

#endif
