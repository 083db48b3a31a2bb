/* SPDX-License-Identifier: MIT
 * Log lines in logfmt on standard error: ts=… level=… msg="…" key=value. Any thread; one write per line.
 * Pure rooms (data, img, head, codec) never log.
 */
#ifndef SG_BASE_LOG_H
#define SG_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

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

/* Writes value quoted and escaped for logfmt into out (always terminated); returns out. */
const char *sg_log_quote(const char *value, char *out, unsigned long out_bytes);

/* A line of logfmt (without its end) as a JSON object of at most out_bytes - 1 bytes (at least 8),
 * terminated; pairs that do not fit are left out. Returns its length. */
size_t sg_log_json(const char *logfmt, char *out, size_t out_bytes);

#endif
