/* SPDX-License-Identifier: MIT
 * Between whoever logs and a standard error that may not take anything: a bounded queue, and a thread that
 * writes. What does not fit is counted, never waited for. For log.c alone, which it does not know; any
 * thread.
 */
#ifndef SG_BASE_LOG_QUEUE_H
#define SG_BASE_LOG_QUEUE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_LOG_LINE_MAX  2048                  /* of logfmt */
#define SG_LOG_PIECE_MAX (2 * SG_LOG_LINE_MAX) /* the same as JSON */

/* Takes a copy of whole lines, at most SG_LOG_PIECE_MAX bytes, for that descriptor; false when no queue runs:
 * the caller writes. */
bool sg_log_queue_push(int fd, const char *text, size_t size);
/* The line that tells of `count` lines that were dropped, with its end. Returns its length. */
typedef size_t (*sg_log_dropped_fn)(unsigned long long count, char out[SG_LOG_PIECE_MAX]);

/* sg_log_start, sg_log_stop and sg_log_dropped of log.h. */
int sg_log_queue_start(sg_log_dropped_fn dropped_line, struct sg_error *err);
bool sg_log_queue_stop(void);
uint64_t sg_log_queue_dropped(void);

#endif
