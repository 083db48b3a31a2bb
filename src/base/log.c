/* SPDX-License-Identifier: MIT
 * logfmt lines on standard error. A line is formatted on the stack and written in one go, so lines of
 * different threads never mix.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

static _Atomic int log_level = SG_LOG_INFO, log_format = SG_LOG_LOGFMT;

void sg_log_format_set(enum sg_log_format format)
{
    atomic_store_explicit(&log_format, (int)format, memory_order_relaxed);
}

void sg_log_level_set(enum sg_log_level level)
{
    atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool sg_log_enabled(enum sg_log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

const char *sg_log_quote(const char *value, char *out, unsigned long out_bytes)
{
    unsigned long used = 0;

    if (out_bytes < 3) {
        if (out_bytes > 0)
            out[0] = '\0';
        return out;
    }
    out[used++] = '"';
    for (; *value && used + 3 < out_bytes; value++) {
        unsigned char c = (unsigned char)*value;

        if (c == '"' || c == '\\')
            out[used++] = '\\';
        out[used++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}

static ssize_t write_json(const char *logfmt)
{
    char line[2 * LOG_LINE_MAX];
    size_t used = sg_log_json(logfmt, line, sizeof(line) - 1);

    line[used++] = '\n';
    return write(STDERR_FILENO, line, used);
}

void sg_log(enum sg_log_level level, const char *msg, const char *fields, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char line[LOG_LINE_MAX], quoted[512];
    struct timespec now;
    struct tm utc;
    va_list args;
    int used, more;
    ssize_t written;

    if (!sg_log_enabled(level))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    used = snprintf(line, sizeof(line), "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ level=%s msg=%s",
                    utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                    now.tv_nsec / 1000000, names[level], sg_log_quote(msg, quoted, sizeof(quoted)));
    if (used < 0)
        return;
    if (fields[0]) {
        line[used++] = ' ';
        va_start(args, fields);
        more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fields, args);
        va_end(args);
        if (more > 0)
            used = used + more < (int)sizeof(line) - 1 ? used + more : (int)sizeof(line) - 2;
    }
    if (atomic_load_explicit(&log_format, memory_order_relaxed) == SG_LOG_JSON) {
        line[used] = '\0';
        written = write_json(line);
    } else {
        line[used++] = '\n';
        written = write(STDERR_FILENO, line, (size_t)used);
    }
    (void)written; /* a log that cannot be written has nowhere to complain */
}
