/* SPDX-License-Identifier: MIT
 * Log lines as JSON (RFC 8259): valid whatever the values hold and however small the room is.
 */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_objects),
        cmocka_unit_test(what_does_not_fit_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
