/* SPDX-License-Identifier: MIT
 * Which characters are controls: ECMA-48 (ISO 6429), 5.2 (C0: 00 to 1f, and DEL) and 5.3 (C1: 80 to 9f, which
 * UTF-8 writes as c2 80 to c2 9f).
 */
#include "base/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, const char *shown)
{
    char copy[64];

    snprintf(copy, sizeof(copy), "%s", text);
    sg_terminal_tame(copy, strlen(copy));
    assert_string_equal(copy, shown);
}

static void controls_are_shown_as_marks(void **state)
{
    (void)state;
    expect("a\x1b[31m\nb\t\r\x7f.jpg", "a?[31m?b???.jpg");
    expect("\xc2\x9b"
           "31m \xc2\x80\xc2\x9f",
           "??31m ????");
    expect("", "");
}

static void all_else_stays(void **state)
{
    (void)state;
    expect("caf\xc3\xa9 \xc2\xa0\xc2\xbf \xe7\x8a\xac \xf0\x9f\x98\x80 ~",
           "caf\xc3\xa9 \xc2\xa0\xc2\xbf \xe7\x8a\xac \xf0\x9f\x98\x80 ~");
    expect("cut \xc2", "cut \xc2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controls_are_shown_as_marks),
        cmocka_unit_test(all_else_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
