/* SPDX-License-Identifier: MIT
 * logfmt lines on standard error. A line is formatted on the stack and written or queued in one go, so lines
 * of different threads never mix.
 */
#include "base/log.h"

#include "base/log_queue.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/* Controls of C1, which terminals obey, and the line ends that only Unicode knows. */
static bool is_control(const char *text)
{
    return (memcmp(text, "\xc2", 1) == 0 && (unsigned char)text[1] < 0xa0) ||
           strncmp(text, "\xe2\x80\xa8", 3) == 0 || strncmp(text, "\xe2\x80\xa9", 3) == 0;
}

const char *sg_log_quote(const char *value, char *out, unsigned long out_bytes)
{
    unsigned long used = 0;
    size_t size;

    if (out_bytes < 3) {
        if (out_bytes > 0)
            out[0] = '\0';
        return out;
    }
    out[used++] = '"';
    for (; *value; value += size ? size : 1) {
        unsigned char c = (unsigned char)*value;

        size = sg_utf8_bytes(value, SG_UTF8_MAX_BYTES);
        if (used + (size > 2 ? size : 2) + 2 > out_bytes)
            break;
        if (size > 0 && !is_control(value)) {
            memcpy(out + used, value, size);
            used += size;
            continue;
        }
        if (c == '"' || c == '\\')
            out[used++] = '\\';
        out[used++] = size > 0 || c < 0x20 || c == 0x7f ? ' ' : c < 0x80 ? (char)c : '?';
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}

/* "ts=… level=… msg=… " and the fields, without an end. */
static size_t format_line(char out[SG_LOG_LINE_MAX], enum sg_log_level level, const char *msg,
                          const char *fields, va_list args)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const int room = SG_LOG_LINE_MAX - 1; /* for the end */
    struct timespec now;
    char quoted[512];
    struct tm utc;
    int used, more;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    used = snprintf(out, (size_t)room, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ level=%s msg=%s",
                    utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                    now.tv_nsec / 1000000, names[level], sg_log_quote(msg, quoted, sizeof(quoted)));
    if (used < 0)
        used = 0;
    if (fields[0]) {
        out[used++] = ' ';
        more = vsnprintf(out + used, (size_t)(room - used), fields, args);
        if (more > 0)
            used = used + more < room ? used + more : (int)sg_utf8_whole(out, (size_t)room - 1);
    }
    out[used] = '\0';
    return (size_t)used;
}

/* With its end and in the form that is asked for. line has room for the end. */
static size_t finish_line(char line[SG_LOG_LINE_MAX], size_t used, char out[SG_LOG_PIECE_MAX])
{
    if (atomic_load_explicit(&log_format, memory_order_relaxed) == SG_LOG_JSON) {
        used = sg_log_json(line, out, SG_LOG_PIECE_MAX - 1);
    } else {
        memcpy(out, line, used);
    }
    out[used++] = '\n';
    return used;
}

void sg_log(enum sg_log_level level, const char *msg, const char *fields, ...)
{
    char line[SG_LOG_LINE_MAX], piece[SG_LOG_PIECE_MAX];
    ssize_t written = 0;
    va_list args;
    size_t used;

    if (!sg_log_enabled(level))
        return;
    va_start(args, fields);
    used = format_line(line, level, msg, fields, args);
    va_end(args);
    used = finish_line(line, used, piece);
    if (!sg_log_queue_push(STDERR_FILENO, piece, used))
        written = write(STDERR_FILENO, piece, used);
    (void)written; /* a log that cannot be written has nowhere to complain */
}

static size_t format_fields(char out[SG_LOG_LINE_MAX], enum sg_log_level level, const char *msg,
                            const char *fields, ...) __attribute__((format(printf, 4, 5)));

static size_t format_fields(char out[SG_LOG_LINE_MAX], enum sg_log_level level, const char *msg,
                            const char *fields, ...)
{
    va_list args;
    size_t used;

    va_start(args, fields);
    used = format_line(out, level, msg, fields, args);
    va_end(args);
    return used;
}

static size_t dropped_line(unsigned long long count, char out[SG_LOG_PIECE_MAX])
{
    char line[SG_LOG_LINE_MAX];
    size_t used =
        format_fields(line, SG_LOG_WARN, "log lines were dropped, nobody read them", "lines=%llu", count);

    return finish_line(line, used, out);
}

int sg_log_start(struct sg_error *err)
{
    return sg_log_queue_start(dropped_line, err);
}

bool sg_log_stop(void)
{
    return sg_log_queue_stop();
}

uint64_t sg_log_dropped(void)
{
    return sg_log_queue_dropped();
}

/* Of the text's next piece: what does not fit is dropped piece by piece, and a line must not be in two. One
 * that is longer than a piece is cut all the same. */
static size_t whole_lines(const char *text, size_t left)
{
    size_t size = SG_LOG_PIECE_MAX;

    if (left <= size)
        return left;
    while (size > 0 && text[size - 1] != '\n')
        size--;
    return size > 0 ? size : SG_LOG_PIECE_MAX;
}

void sg_log_say(const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        size_t piece = whole_lines(text, left);
        ssize_t written = (ssize_t)piece;

        if (!sg_log_queue_push(STDOUT_FILENO, text, piece))
            written = write(STDOUT_FILENO, text, piece);
        if (written <= 0)
            return;
        text += written;
        left -= (size_t)written;
    }
}
