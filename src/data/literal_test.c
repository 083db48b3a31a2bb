/* SPDX-License-Identifier: MIT
 * Python's and JSON's texts of names. What each text means was asked of Python (ast.literal_eval,
 * json.loads); tests/test_forms.py does so again for many.
 */
#include "data/literal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct list {
    char text[512]; /* "0=a|1=b|" */
    size_t used;
};

static int add(void *context, int index, const char *name, size_t size)
{
    struct list *list = context;

    assert_int_equal(strlen(name), size);
    list->used +=
        (size_t)snprintf(list->text + list->used, sizeof(list->text) - list->used, "%d=%s|", index, name);
    return index == 13 ? -77 : 0;
}

static void expect(const char *text, int count, const char *names)
{
    struct list list = {0};
    int got = sg_literal_names(text, strlen(text), add, &list);

    if (got != count || (count >= 0 && strcmp(list.text, names) != 0))
        fail_msg("%s: %d %s", text, got, list.text);
    assert_int_equal(sg_literal_names(text, strlen(text), NULL, NULL), count == -77 ? 14 : count);
}

static void lists_and_maps(void **state)
{
    (void)state;
    expect("['x', \"y\"]", 2, "0=x|1=y|");
    expect(" ( 'x' , 'y' , )\n", 2, "0=x|1=y|");
    expect("{0: 'a', 1: 'b'}", 2, "0=a|1=b|");
    expect("{\"1\": \"b\", \"0\": \"a\"}", 2, "1=b|0=a|");
    expect("{'0': 'a'}", 1, "0=a|");
    expect("{3: 'd'}", 4, "3=d|");
    expect("{'a': 0, 'b': 1}", 2, "0=a|1=b|");
    expect("\xef\xbb\xbf[1, -2.5, None, 'z', null]", 5, "0=1|1=-2.5|3=z|");
    expect("{0: 'one' \"two\", 1: ''}", 2, "0=onetwo|1=|");
    expect("{13: 'x'}", -77, "");
}

static void escapes(void **state)
{
    (void)state;
    expect("['dog\\ttab', 'it\\'s', \"say \\\"no\\\"\", 'a\\\\b']", 4,
           "0=dog\ttab|1=it's|2=say \"no\"|3=a\\b|");
    expect("['\\u8eca', '\\xe9', '\\U0001F600', '\\101\\0601']", 4,
           "0=\xe8\xbb\x8a|1=\xc3\xa9|2=\xf0\x9f\x98\x80|3=A01|");
    expect("[\"\\ud83d\\ude00\", \"\\ud83d!\", \"a\\/b\"]", 3, "0=\xf0\x9f\x98\x80|1=\xef\xbf\xbd!|2=a/b|");
    expect("['\\q', r'\\d\\'', u'\\u00e9', b'\\xc3\\xa9', 'a\\\nb']", 5,
           "0=\\q|1=\\d\\'|2=\xc3\xa9|3=\xc3\xa9|4=ab|");
    expect("[b'\\501', b'a\\400b']", 2,
           "0=A|1=a\xef\xbf\xbd"
           "b|");
    expect("['a\\0b', '\\x00']", 2,
           "0=a\xef\xbf\xbd"
           "b|1=\xef\xbf\xbd|");
    expect("['{0: \\'a\\'}', ']']", 2, "0={0: 'a'}|1=]|");
}

static void what_is_no_literal(void **state)
{
    static const char *const broken[] = {"",
                                         "person",
                                         "{",
                                         "[",
                                         "{0: 'a'",
                                         "{0 'a'}",
                                         "{x: 'a'}",
                                         "{0: a}",
                                         "[]",
                                         "{}",
                                         "{0: 'a",
                                         "{-1: 'a'}",
                                         "{99999999: 'a'}",
                                         "{65536: 'a'}",
                                         "{0: 'a'] ",
                                         "['a' 'b'",
                                         "['a'] x",
                                         "['\\x4']",
                                         "['\\u12']",
                                         "['a\\",
                                         "{'a': 'b'}",
                                         "{None: 'a'}",
                                         "['a';'b']",
                                         "[,]",
                                         "[[1]]",
                                         "{0: {'a': 1}}",
                                         "['\\U0011']"};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        if (sg_literal_names(broken[i], strlen(broken[i]), NULL, NULL) != -1)
            fail_msg("%s was taken", broken[i]);
}

static void names_have_a_longest(void **state)
{
    static char text[SG_LITERAL_NAME_BYTES + 8];
    size_t size = SG_LITERAL_NAME_BYTES + 4;

    (void)state;
    memset(text, 'a', sizeof(text));
    text[0] = '[';
    text[1] = text[size - 2] = '\'';
    text[size - 1] = ']';
    assert_int_equal(sg_literal_names(text, size, NULL, NULL), 1);
    text[size - 2] = text[size - 1] = 'a'; /* two bytes more */
    text[size] = '\'';
    text[size + 1] = ']';
    assert_int_equal(sg_literal_names(text, size + 2, NULL, NULL), -1);
}

static void numbers_of_classes(void **state)
{
    (void)state;
    assert_int_equal(sg_literal_class("007", 3), 7);
    assert_int_equal(sg_literal_class("12 apples", 2), 12);
    assert_int_equal(sg_literal_class("65535", 5), SG_LITERAL_MAX_NAMES - 1);
    assert_int_equal(sg_literal_class("65536", 5), -1);
    assert_int_equal(sg_literal_class("000001", 6), -1);
    assert_int_equal(sg_literal_class("", 0), -1);
    assert_int_equal(sg_literal_class("-1", 2), -1);
    assert_int_equal(sg_literal_class("1.", 2), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_maps),     cmocka_unit_test(escapes),
        cmocka_unit_test(what_is_no_literal), cmocka_unit_test(names_have_a_longest),
        cmocka_unit_test(numbers_of_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
