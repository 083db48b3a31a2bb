/* SPDX-License-Identifier: MIT
 * Origins as browsers write them (RFC 6454, 6.1; the Fetch standard), settings as people do, and what
 * Sec-Fetch-Site says (Fetch Metadata).
 */
#include "base/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static void settings_are_checked(void **state)
{
    static const char *const right[] = {"*",
                                        "null",
                                        "http://localhost:3000",
                                        "https://example.org",
                                        "http://localhost:*",
                                        "http://[::1]:8080",
                                        "chrome-extension://abcdefgh",
                                        "http://10.0.0.1"};
    static const char *const wrong[] = {
        "",           "localhost",      "localhost:3000", "http://",   "http://a b",    "http://a:",
        "http://a:0", "http://a:65536", "http://a:80x",   "http://a/", "http://a/path", "http://*.a",
        "http://a?x", "http://[::1",    "http://u@a",     "**"};
    struct sg_error err;
    int i;

    (void)state;
    for (i = 0; i < COUNT(right); i++)
        if (sg_origin_check(right[i], &err) < 0)
            fail_msg("%s", err.text);
    for (i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(sg_origin_check(wrong[i], &err), SG_E_INVALID);
        assert_non_null(strstr(err.text, wrong[i]));
    }
    sg_origin_check("http://a:8080/x", &err);
    assert_string_equal(err.text, "\"http://a:8080/x\" is a URL; its origin is \"http://a:8080\"");
}

static void what_a_setting_allows(void **state)
{
    static const char *const list[] = {"http://localhost:3000", "https://Example.org", "http://dev:*",
                                       "http://[::1]:8080", "http://plain:80"};
    static const char *const in[] = {"http://localhost:3000",
                                     "https://example.org",
                                     "HTTPS://EXAMPLE.ORG:443",
                                     "http://dev",
                                     "http://dev:65535",
                                     "http://[::1]:8080",
                                     "http://plain"};
    static const char *const out[] = {"http://localhost:3001",
                                      "http://localhost",
                                      "https://localhost:3000",
                                      "http://example.org",
                                      "https://example.org.evil",
                                      "https://example.or",
                                      "https://dev:1",
                                      "http://[::2]:8080",
                                      "null",
                                      "",
                                      "http://localhost:3000/",
                                      "http://dev:*",
                                      "http://localhost:30000",
                                      "http://localhost:3000,http://a"};
    static const char *const everybody[] = {"*"}, *const files[] = {"null"};
    int i;

    (void)state;
    for (i = 0; i < COUNT(in); i++)
        if (!sg_origin_allowed(list, COUNT(list), in[i]))
            fail_msg("%s", in[i]);
    for (i = 0; i < COUNT(out); i++)
        if (sg_origin_allowed(list, COUNT(list), out[i]))
            fail_msg("%s", out[i]);
    assert_false(sg_origin_allowed(list, COUNT(list), NULL));
    assert_false(sg_origin_allowed(NULL, 0, "http://a"));
    assert_true(sg_origin_allowed(everybody, 1, "http://a") && sg_origin_allowed(everybody, 1, "null"));
    assert_false(sg_origin_allowed(everybody, 1, NULL));
    assert_true(sg_origin_allowed(files, 1, "null"));
    assert_false(sg_origin_allowed(files, 1, "http://null"));
}

static void where_a_request_comes_from(void **state)
{
    static const struct {
        struct sg_origin_source source; /* host, origin, referer, fetch_site */
        bool cross;
    } cases[] = {
        {{"127.0.0.1:8080", NULL, NULL, NULL}, false}, /* curl */
        {{"127.0.0.1:8080", NULL, NULL, "none"}, false},
        {{"127.0.0.1:8080", "http://127.0.0.1:8080", NULL, "same-origin"}, false},
        {{"127.0.0.1:8080", "http://127.0.0.1:3000", NULL, "same-site"}, true},
        {{"127.0.0.1:8080", NULL, NULL, "cross-site"}, true},
        {{"127.0.0.1:8080", "http://127.0.0.1:8080", NULL, NULL}, false}, /* an older browser */
        {{"127.0.0.1:8080", "http://evil.example", NULL, NULL}, true},
        {{"127.0.0.1:8080", "http://127.0.0.1", NULL, NULL}, true},
        {{"127.0.0.1:8080", "null", NULL, NULL}, true},
        {{"localhost", "http://localhost", NULL, NULL}, false},
        {{"sight.example", "https://sight.example", NULL, NULL}, false}, /* a proxy ended the TLS */
        {{"127.0.0.1:8080", NULL, "http://127.0.0.1:8080/docs?a=b", NULL}, false},
        {{"127.0.0.1:8080", NULL, "http://evil.example/127.0.0.1:8080", NULL}, true},
        {{"127.0.0.1:8080", NULL, "http://127.0.0.1:8080.evil.example/", NULL}, true},
        {{"127.0.0.1:8080", NULL, "about:blank", NULL}, true},
        {{NULL, "http://a", NULL, NULL}, true},
    };
    int i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        if (sg_origin_is_cross_site(&cases[i].source) != cases[i].cross)
            fail_msg("case %d", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(what_a_setting_allows),
        cmocka_unit_test(where_a_request_comes_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
