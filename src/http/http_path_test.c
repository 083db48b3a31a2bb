/* SPDX-License-Identifier: MIT
 * Paths against patterns. What is expected was written by hand from RFC 3986 (2.1, 2.2, 3.3), RFC 3629 and
 * the rules at the head of http_path.h.
 */
#include "http/http_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The values with '|' behind each; "" where it does not match, "." where it matches and has none. */
static const char *values_of(const char *pattern, const char *path)
{
    static char text[SG_HTTP_PATH_VALUES_BYTES + 8];
    struct sg_http_path_values values;
    size_t used = 0;
    int i;

    text[0] = '\0';
    if (!sg_http_path_matches(pattern, path, &values))
        return text;
    for (i = 0; i < values.count; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s|", values.text + values.at[i]);
    return values.count ? text : ".";
}

static void patterns_match(void **state)
{
    static const char *const rows[][3] = {
        {"/", "/", "."},
        {"/livez", "/livez", "."},
        {"/livez", "/%6Civez", "."},
        {"/livez", "/%6c%69%76%65%7A", "."},
        {"/page/", "/page/", "."},
        {"/v1/x", "/v1/%78", "."},
        {"/v1/pipelines/{name}", "/v1/pipelines/faces", "faces|"},
        {"/v1/pipelines/{name}", "/v1/pipelines/a%2Fb", "a/b|"},
        {"/v1/pipelines/{name}", "/v1/pipelines/%2f", "/|"},
        {"/v1/pipelines/{name}", "/v1/pipelines/a+b%20c;d=e", "a+b c;d=e|"},
        {"/v1/pipelines/{name}", "/v1/pipelines/%e4%BA%ba", "\xe4\xba\xba|"},
        {"/v1/pipelines/{name}", "/v1/pipelines/%252e", "%2e|"},
        {"/v1/pipelines/{name}", "/v1/pipelines/...", "...|"},
        {"/v1/pipelines/{name}", "/v1/pipelines/.a", ".a|"},
        {"/v2/models/{name}/versions/{v}/infer", "/v2/models/m/versions/7/infer", "m|7|"},
        {"/{a}/{b}/{c}/{d}", "/1/2/3/4", "1|2|3|4|"},
        {"/page/*", "/page/", "|"},
        {"/page/*", "/page/app.js", "app.js|"},
        {"/page/*", "/page/a/b%20c/d", "a/b c/d|"},
        {"/{user}/*", "/me/a/b", "me|a/b|"},
        {"/*", "/", "|"},
        {"/*", "/x", "x|"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(values_of(rows[i][0], rows[i][1]), rows[i][2]) != 0)
            fail_msg("%s of %s: \"%s\", expected \"%s\"", rows[i][1], rows[i][0],
                     values_of(rows[i][0], rows[i][1]), rows[i][2]);
}

/* Other places than those that the pattern means, among them all that a proxy in front may read as another
 * path than we do. */
static void patterns_do_not_match(void **state)
{
    static const char *const rows[][2] = {
        {"/", ""},
        {"/", "*"},
        {"/", "//"},
        {"/", "/%2F"},
        {"/livez", "/livez/"},
        {"/livez", "//livez"},
        {"/livez", "/./livez"},
        {"/livez", "/livez/."},
        {"/livez", "/livez;a=b"},
        {"/livez", "/livez%3Ba"},
        {"/livez", "/Livez"},
        {"/livez", "/live"},
        {"/livez", "/livezz"},
        {"/livez", "livez"},
        {"/livez", "/livez%20"},
        {"/v1/infer", "/v1%2Finfer"},
        {"/v1/infer", "/v1%2finfer"},
        {"/v1/infer", "/v1//infer"},
        {"/v1/infer", "/v1/../v1/infer"},
        {"/v1/infer", "/v1/%2e%2e/v1/infer"},
        {"/v1/infer", "/v1\\infer"},
        {"/v1/infer", "/v1%5Cinfer"},
        {"/v1/pipelines/{name}", "/v1/pipelines"},
        {"/v1/pipelines/{name}", "/v1/pipelines/"},
        {"/v1/pipelines/{name}", "/v1/pipelines/a/"},
        {"/v1/pipelines/{name}", "/v1/pipelines/a/b"},
        {"/v1/pipelines/{name}", "/v1/pipelines//a"},
        {"/v1/pipelines/{name}", "/v1/pipelines/."},
        {"/v1/pipelines/{name}", "/v1/pipelines/.."},
        {"/v1/pipelines/{name}", "/v1/pipelines/%2e%2E"},
        {"/v1/pipelines/{name}", "/v1/pipelines/.%2e"},
        {"/v1/pipelines/{name}", "/v1/pipelines%2Fa"},
        {"/v2/models/{name}/infer", "/v2/models/a%2Finfer"},
        {"/v2/models/{name}/infer", "/v2/models//infer"},
        {"/page/*", "/page"},
        {"/page/*", "/page//"},
        {"/page/*", "/page//etc"},
        {"/page/*", "/page/a//b"},
        {"/page/*", "/page/a/"},
        {"/page/*", "/page/../v1/reload"},
        {"/page/*", "/page/a/../../v1/reload"},
        {"/page/*", "/page/%2e%2e/v1/reload"},
        {"/page/*", "/page/a/."},
        {"/page/*", "/page/..%2Fa"},
        {"/page/*", "/page/a%2fb"},
        {"/page/*", "/pages/a"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (values_of(rows[i][0], rows[i][1])[0])
            fail_msg("%s was taken for %s", rows[i][1], rows[i][0]);
}

static void values_have_a_limit(void **state)
{
    char path[2 * SG_HTTP_PATH_VALUES_BYTES] = "/x/";
    struct sg_http_path_values values;
    size_t longest = SG_HTTP_PATH_VALUES_BYTES - 1;

    (void)state;
    memset(path + 3, 'y', longest);
    assert_true(sg_http_path_matches("/x/{a}", path, &values));
    assert_int_equal(strlen(values.text), longest);
    assert_true(sg_http_path_matches("/x/*", path, &values));
    assert_int_equal(strlen(values.text), longest);
    path[3 + longest] = 'y';
    assert_false(sg_http_path_matches("/x/{a}", path, &values));
    assert_false(sg_http_path_matches("/x/*", path, &values));
    path[3 + longest] = '\0';
    path[100] = '/';
    assert_true(sg_http_path_matches("/x/*", path, &values));
    assert_true(
        sg_http_path_matches("/x/{a}/{b}", path, &values)); /* its slash becomes the NUL between them */
    path[3 + longest] = 'y';
    assert_false(sg_http_path_matches("/x/*", path, &values));
    assert_false(sg_http_path_matches("/x/{a}/{b}", path, &values));
    path[longest + 3] = '\0';
    path[longest + 2] = '/';
    assert_false(sg_http_path_matches("/x/*", path, &values));
}

static void paths_are_checked(void **state)
{
    static const char *const good[] = {"",
                                       "/",
                                       "*",
                                       "/a%2Fb%5c%22%0a",
                                       "/%e4%ba%ba\xe4\xba\xba",
                                       "/%F0%9f%98%80",
                                       "/%c3\xa4",
                                       "/\xc3%a4",
                                       "/%25zz",
                                       "/..//%2e;a=b",
                                       "/%7f%01",
                                       "/%C2%80"};
    static const char *const bad[][2] = {{"/%", "hexadecimal"},
                                         {"/%4", "hexadecimal"},
                                         {"/%zz", "hexadecimal"},
                                         {"/%4g", "hexadecimal"},
                                         {"/a%%20", "hexadecimal"},
                                         {"/% 4", "hexadecimal"},
                                         {"/%00", "NUL"},
                                         {"/a%00.css", "NUL"},
                                         {"/%ff", "UTF-8"},
                                         {"/\xff", "UTF-8"},
                                         {"/%c3", "UTF-8"},
                                         {"/%c3/%a4", "UTF-8"},
                                         {"/%c0%af", "UTF-8"},
                                         {"/%e0%80%af", "UTF-8"},
                                         {"/%ed%a0%80", "UTF-8"},
                                         {"/%f4%90%80%80", "UTF-8"},
                                         {"/%c0%ae%c0%ae", "UTF-8"},
                                         {"/%80", "UTF-8"},
                                         {"/%c3%00", "UTF-8"}};
    struct sg_error err;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (sg_http_path_check(good[i], &err) != 0)
            fail_msg("%s: %s", good[i], err.text);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(sg_http_path_check(bad[i][0], &err), SG_E_INVALID);
        if (!strstr(err.text, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], err.text);
    }
}

static void patterns_have_an_order(void **state)
{
    /* each before all that follow it */
    static const char *const ordered[] = {"/a/b/c",     "/a/bb",    "/a/{x}/b", "/a/{x}/{y}/e", "/{x}/b",
                                          "/{x}/{y}/c", "/a/b/c/*", "/a/bb/*",  "/a/{x}/*",     "/a/*",
                                          "/b/*",       "/{x}/*",   "/*"};
    size_t count = sizeof(ordered) / sizeof(ordered[0]), i, k;

    (void)state;
    for (i = 0; i < count; i++)
        for (k = 0; k < count; k++) {
            int order = sg_http_path_order(ordered[i], ordered[k]);

            if ((order > 0) - (order < 0) != (i > k) - (i < k))
                fail_msg("%s to %s: %d", ordered[i], ordered[k], order);
        }
    assert_int_equal(sg_http_path_order("/a/{x}/b", "/a/{longer}/b"), 0);
    assert_int_equal(sg_http_path_order("/{x}/*", "/{y}/*"), 0);
    assert_int_not_equal(sg_http_path_order("/a", "/a/"), 0);
    assert_int_not_equal(sg_http_path_order("/a/{x}", "/a/{x}/b"), 0);
}

static void what_a_pattern_is(void **state)
{
    static const char *const good[] = {"/", "/a", "/a/", "/a/{x}", "/a/*", "/{a}/{b}/{c}/*", "/openapi.json",
                                       "/*"};
    static const char *const bad[] = {"",
                                      "a",
                                      "*",
                                      "//",
                                      "/a//b",
                                      "/{}",
                                      "/a{x}",
                                      "/{x}a",
                                      "/{x",
                                      "/x}",
                                      "/*/a",
                                      "/a*",
                                      "/{a*}",
                                      "/%20",
                                      "/a?b",
                                      "/a b",
                                      "/\xc3\xa4",
                                      "/*/",
                                      "/{a{b}}",
                                      "/{1}/{2}/{3}/{4}/{5}",
                                      "/{1}/{2}/{3}/{4}/*"};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!sg_http_path_is_pattern(good[i]))
            fail_msg("\"%s\" is one", good[i]);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (sg_http_path_is_pattern(bad[i]))
            fail_msg("\"%s\" is none", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match),         cmocka_unit_test(patterns_do_not_match),
        cmocka_unit_test(values_have_a_limit),    cmocka_unit_test(paths_are_checked),
        cmocka_unit_test(patterns_have_an_order), cmocka_unit_test(what_a_pattern_is)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
