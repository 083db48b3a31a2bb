/* SPDX-License-Identifier: MIT
 * Log lines as JSON (RFC 8259): valid whatever the values hold and however small the room is. And a standard
 * error that nobody reads: whoever logs goes on, every line is either written whole or counted.
 */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void becomes(const char *logfmt, const char *json)
{
    char out[512];

    assert_int_equal(sg_log_json(logfmt, out, sizeof(out)), strlen(json));
    assert_string_equal(out, json);
}

static void lines_become_objects(void **state)
{
    (void)state;
    becomes("", "{}");
    becomes("ts=2026-01-02T03:04:05.006Z level=info msg=\"a b\" n=12 x=-0.5",
            "{\"ts\":\"2026-01-02T03:04:05.006Z\",\"level\":\"info\",\"msg\":\"a b\",\"n\":12,\"x\":-0.5}");
    becomes("path=\"say \\\"hi\\\" \\\\ there\" k=v", "{\"path\":\"say \\\"hi\\\" \\\\ there\",\"k\":\"v\"}");
    becomes("a= b=\"\" c=1", "{\"a\":\"\",\"b\":\"\",\"c\":1}");
    /* What JSON does not call a number, or a reader could not keep, is a text. */
    becomes(
        "a=007 b=1. c=.5 d=+1 e=1e5 f=- g=0 h=0.25 i=12345678901234567890",
        "{\"a\":\"007\",\"b\":\"1.\",\"c\":\".5\",\"d\":\"+1\",\"e\":\"1e5\",\"f\":\"-\",\"g\":0,\"h\":0.25,"
        "\"i\":\"12345678901234567890\"}");
    becomes("open=\"no end", "{\"open\":\"no end\"}");
    becomes("nothing", "{}");
}

static void what_does_not_fit_is_left_out(void **state)
{
    static const char line[] = "ts=1 msg=\"quite \\\"long\\\" text\" number=123456 word=abcdef";
    char out[128];
    size_t room, length, i;

    (void)state;
    for (room = 8; room < sizeof(out); room++) {
        memset(out, '#', sizeof(out));
        length = sg_log_json(line, out, room);
        assert_true(length < room && out[length] == '\0' && out[room] == '#');
        assert_true(out[0] == '{' && out[length - 1] == '}');
        for (i = 0; i + 1 < length; i++)
            assert_false(out[i] == ',' && out[i + 1] == '}');
    }
    assert_non_null(strstr(out, "\"number\":123456,\"word\":\"abcdef\"}"));
}

static void quotes(const char *value, const char *expected)
{
    char out[64];

    assert_string_equal(sg_log_quote(value, out, sizeof(out)), expected);
}

/* Well-formed is what table 3-7 of the Unicode standard calls so. */
static void quoted_values_are_one_line_of_utf8(void **state)
{
    static const char text[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"";
    char out[32];
    size_t room, used;

    (void)state;
    quotes("/a\r\nlevel=error", "\"/a  level=error\"");
    quotes("say \"\\\"", "\"say \\\"\\\\\\\"\"");
    quotes("\xc3\xa4 \xe8\xbb\x8a \xf0\x9f\x98\x80", "\"\xc3\xa4 \xe8\xbb\x8a \xf0\x9f\x98\x80\"");
    quotes("\xff \xc0\x80 \xed\xa0\x80 \xe2\x82", "\"? ?? ??? ??\"");
    quotes("\x1b[31m \xc2\x9b"
           "31m \xc2\x85 \xe2\x80\xa8 \x7f",
           "\" [31m  31m      \""); /* a C1 control and U+2028 become one blank each */
    for (room = 0; room < sizeof(out); room++) {
        memset(out, '#', sizeof(out));
        sg_log_quote(text, out, room);
        assert_int_equal(out[room], '#');
        used = room > 0 ? strlen(out) : 0;
        assert_true(used < room || room == 0);
        assert_true(used == 0 || (used >= 2 && out[used - 1] == '"'));
        assert_null(strchr(room > 0 ? out : "", '?')); /* no character is cut */
    }
}

/* Standard error or output as a pipe of one page while a test runs. */
struct piped {
    int fd, before, reader;
};

static struct piped pipe_begin(int fd)
{
    struct piped piped = {.fd = fd};
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
    piped.before = dup(fd);
    piped.reader = ends[0];
    assert_true(piped.before >= 0 && dup2(ends[1], fd) >= 0);
    close(ends[1]);
    return piped;
}

static void pipe_end(struct piped *piped)
{
    dup2(piped->before, piped->fd);
    close(piped->before);
}

/* Reads lines until there are `most` or one contains `last`; adds up how many they say were dropped. */
static int read_lines(FILE *file, int most, const char *last, int *dropped)
{
    char line[4096];
    int count = 0;

    while (count < most && fgets(line, sizeof(line), file)) {
        const char *told = strstr(line, "dropped, nobody read them\" lines=");

        assert_int_equal(strncmp(line, "ts=", 3), 0);
        assert_int_equal(line[strlen(line) - 1], '\n');
        if (told)
            *dropped += atoi(strstr(told, "lines=") + 6);
        else
            count++;
        if (strstr(line, last))
            break;
    }
    return count;
}

static void nobody_waits_for_a_reader(void **state)
{
    const int lines = 20000; /* of about 100 bytes: eight times the queue */
    uint64_t before = sg_log_dropped();
    struct piped piped = pipe_begin(STDERR_FILENO);
    FILE *file = fdopen(piped.reader, "r");
    int i, dropped, told = 0, count;

    (void)state;
    assert_non_null(file);
    assert_int_equal(sg_log_start(NULL), 0);
    for (i = 0; i < lines; i++)
        sg_log(SG_LOG_INFO, "a line", "number=%d text=\"some more for it to be of a usual length\"", i);
    dropped = (int)(sg_log_dropped() - before);
    assert_true(dropped > 0);
    /* Someone reads: half of the queue is free. What comes now is written, after the count of what was not.
     */
    count = read_lines(file, (lines - dropped) * 3 / 4, "nothing", &told);
    assert_int_equal(told, 0);
    sg_log(SG_LOG_INFO, "the last", "number=%d", lines);
    count += read_lines(file, lines, "msg=\"the last\"", &told);
    assert_int_equal(told, dropped);
    assert_int_equal(count + dropped, lines + 1);
    assert_true(sg_log_stop());
    pipe_end(&piped);
    fclose(file);
}

/* Most of the text finds the queue full: what there is of it is whole lines. */
static void texts_are_cut_between_lines(void **state)
{
    enum { LINES = 4000, LINE_BYTES = 100 };
    struct piped piped = pipe_begin(STDOUT_FILENO);
    FILE *file = fdopen(piped.reader, "r");
    char *text = malloc(LINES * LINE_BYTES + 1), line[512];
    uint64_t before = sg_log_dropped();
    int i, whole = 0, odd = 0;
    bool ended = false;

    (void)state;
    assert_true(file && text);
    for (i = 0; i < LINES; i++)
        snprintf(text + (size_t)i * LINE_BYTES, LINE_BYTES + 1, "line %0*d\n", LINE_BYTES - 6, i);
    assert_int_equal(sg_log_start(NULL), 0);
    sg_log_say(text);
    for (i = 0; i < LINES && !ended && fgets(line, sizeof(line), file); i++) {
        if (i == LINES / 2) /* half of the queue is free */
            sg_log_say("the last\n");
        ended = strstr(line, "the last") != NULL;
        if (strlen(line) == LINE_BYTES && strncmp(line, "line ", 5) == 0)
            whole++;
        else if (strcmp(line, "the last\n") != 0)
            odd++;
    }
    assert_true(sg_log_stop());
    pipe_end(&piped);
    assert_true(ended && sg_log_dropped() > before);
    assert_int_equal(odd, 0);
    assert_in_range(whole, LINES / 2, LINES - 1);
    free(text);
    fclose(file);
}

/* A line has 2048 bytes at the most; wherever it ends, no character is cut. */
static void long_lines_end_between_characters(void **state)
{
    struct piped piped = pipe_begin(STDERR_FILENO);
    char many[3001], line[4096];
    int i, shift;

    (void)state;
    for (i = 0; i < 3000; i += 3)
        memcpy(many + i, "\xe8\xbb\x8a", 4);
    for (shift = 0; shift < 3; shift++) {
        ssize_t size;

        sg_log(SG_LOG_INFO, "long", "a=%.*s%s", shift, "xx", many);
        size = read(piped.reader, line, sizeof(line));
        assert_true(size > 1000 && line[size - 1] == '\n');
        assert_memory_equal(line + size - 4, "\xe8\xbb\x8a", 3);
    }
    pipe_end(&piped);
    close(piped.reader);
}

static void an_end_does_not_wait_for_ever(void **state)
{
    struct piped piped = pipe_begin(STDERR_FILENO);
    uint64_t before;
    int i;

    (void)state;
    assert_int_equal(sg_log_start(NULL), 0);
    for (i = 0; i < 1000; i++)
        sg_log(SG_LOG_INFO, "a line that nobody reads", "number=%d", i);
    assert_false(sg_log_stop());
    before = sg_log_dropped();
    sg_log(SG_LOG_INFO, "too late", "number=%d", i);
    assert_int_equal(sg_log_dropped() - before, 1);
    pipe_end(&piped);
    close(piped.reader); /* the thread that was left behind finds its end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quoted_values_are_one_line_of_utf8),
        cmocka_unit_test(long_lines_end_between_characters),
        cmocka_unit_test(lines_become_objects),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(nobody_waits_for_a_reader),
        cmocka_unit_test(texts_are_cut_between_lines),
        cmocka_unit_test(an_end_does_not_wait_for_ever), /* last: nothing is logged after it */
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
