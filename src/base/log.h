/* SPDX-License-Identifier: MIT
 * Log lines in logfmt on standard error: ts=… level=… msg="…" key=value. Any thread; one write per line.
 * Pure rooms (data, img, head, codec) never log.
 */
#ifndef SG_BASE_LOG_H
#define SG_BASE_LOG_H

#include <stdbool.h>

enum sg_log_level { SG_LOG_ERROR, SG_LOG_WARN, SG_LOG_INFO, SG_LOG_DEBUG };

void sg_log_level_set(enum sg_log_level level);
bool sg_log_enabled(enum sg_log_level level);

/* msg is quoted; `fields` is a printf format of further key=value pairs already in logfmt, or "". Values with
 * blanks or quotes go through sg_log_quote. */
void sg_log(enum sg_log_level level, const char *msg, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes value quoted and escaped for logfmt into out (always terminated); returns out. */
const char *sg_log_quote(const char *value, char *out, unsigned long out_bytes);

#endif
