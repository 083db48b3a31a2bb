/* SPDX-License-Identifier: MIT
 * Log lines in logfmt on standard error: ts=… level=… msg="…" key=value. Any thread; one write per line.
 * Pure rooms (data, img, head, codec) never log.
 *
 * A server calls sg_log_start: from then on a thread writes, and nobody who logs ever waits for a reader.
 */
#ifndef SG_BASE_LOG_H
#define SG_BASE_LOG_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sg_log_level { SG_LOG_ERROR, SG_LOG_WARN, SG_LOG_INFO, SG_LOG_DEBUG };

/* LOGFMT at first. JSON lines hold the same pairs, in the same order. */
enum sg_log_format { SG_LOG_LOGFMT, SG_LOG_JSON };

void sg_log_format_set(enum sg_log_format format);
void sg_log_level_set(enum sg_log_level level);
bool sg_log_enabled(enum sg_log_level level);

/* msg is quoted; `fields` is a printf format of further key=value pairs already in logfmt, or "". Values with
 * blanks or quotes go through sg_log_quote. */
void sg_log(enum sg_log_level level, const char *msg, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));

/* Lines go through a queue of 256 KiB to a thread that writes them; those that find it full are dropped and
 * counted, and a line says how many when there is room again. SG_E_NOMEM. */
int sg_log_start(struct sg_error *err);
/* Waits until all is written, two seconds at the most, and ends the thread. False: nobody reads; what comes
 * from now on is dropped, and the process must not write to standard error or output any more. */
bool sg_log_stop(void);
/* Lines dropped since the process began. */
uint64_t sg_log_dropped(void);
/* Text for people on standard output, in its turn among the lines. Its lines are written whole or dropped,
 * as long as none is over 4096 bytes. */
void sg_log_say(const char *text);

/* Writes value quoted and escaped for logfmt into out (always terminated); returns out. What it writes is
 * UTF-8 on one line, whatever value is: control characters and line ends become blanks, stray bytes '?'. */
const char *sg_log_quote(const char *value, char *out, unsigned long out_bytes);

/* A line of logfmt (without its end) as a JSON object of at most out_bytes - 1 bytes (at least 8),
 * terminated; pairs that do not fit are left out. Returns its length. */
size_t sg_log_json(const char *logfmt, char *out, size_t out_bytes);

#endif
