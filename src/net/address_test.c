/* SPDX-License-Identifier: MIT
 * Listen addresses as people write them, and listening itself: real sockets, real look-ups of localhost.
 */
#include "net/address.h"
#include "net/listen.h"

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void parses_what_people_write(void **state)
{
    static const struct {
        const char *text, *host;
        int port;
    } cases[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080},
        {"localhost:0", "localhost", 0},
        {"[::1]:65535", "::1", 65535},
        {"[fe80::1%eth0]:80", "fe80::1%eth0", 80},
        {"[::1]", "::1", 8080},
        {":9000", "", 9000},
        {"*:9000", "", 9000},
        {"9000", "127.0.0.1", 9000},
        {"my-host.example", "my-host.example", 8080},
        {"0.0.0.0:08080", "0.0.0.0", 8080},
    };
    struct sg_address address;
    struct sg_error err;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (sg_address_parse(cases[i].text, &address, &err) < 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.port, cases[i].port);
    }
}

static void knows_what_is_no_host(void **state)
{
    char path[2 + SG_ADDRESS_PATH_MAX + 5], text[SG_ADDRESS_TEXT_MAX];
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    const socklen_t head = offsetof(struct sockaddr_un, sun_path);
    struct sg_address address;
    struct sg_error err;

    (void)state;
    assert_int_equal(sg_address_parse("unix:/run/a b:8080", &address, &err), 0);
    assert_int_equal(address.kind, SG_ADDRESS_UNIX);
    assert_string_equal(address.host, "/run/a b:8080");
    assert_int_equal(sg_address_parse("inherited", &address, &err), 0);
    assert_int_equal(address.kind, SG_ADDRESS_INHERITED);
    assert_int_equal(sg_address_parse("inherited:80", &address, &err), 0);
    assert_int_equal(address.kind, SG_ADDRESS_TCP);
    memset(path, 'x', sizeof(path));
    memcpy(path, "unix:", 5);
    path[5 + SG_ADDRESS_PATH_MAX] = '\0';
    assert_int_equal(sg_address_parse(path, &address, &err), 0);
    path[5 + SG_ADDRESS_PATH_MAX] = 'x';
    path[5 + SG_ADDRESS_PATH_MAX + 1] = '\0';
    assert_int_equal(sg_address_parse(path, &address, &err), SG_E_INVALID);
    assert_string_equal(sg_address_text((struct sockaddr *)&local, sizeof(local), text, sizeof(text)),
                        "unix:/run/x");
    assert_string_equal(sg_address_text((struct sockaddr *)&local, head + 4, text, sizeof(text)),
                        "unix:/run");
    assert_string_equal(sg_address_text((struct sockaddr *)&local, head, text, sizeof(text)), "unix:");
}

static void refuses_the_rest_with_a_reason(void **state)
{
    static const char *const cases[][2] = {
        {"", "empty"},
        {"127.0.0.1:", "port \"\""},
        {"127.0.0.1:http", "port \"http\""},
        {"127.0.0.1:65536", "port \"65536\""},
        {"127.0.0.1:-1", "port \"-1\""},
        {"127.0.0.1:99999999999999999999", "65535"},
        {"99999", "65535"},
        {"::1:8080", "brackets"},
        {"[::1", "bracket"},
        {"[::1]8080", "bracket"},
        {"http://localhost:8080", "scheme"},
        {"a b:80", "not a host"},
        {"unix:", "1 to 107 bytes"},
    };
    struct sg_address address;
    struct sg_error err;
    char longest[600];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(sg_address_parse(cases[i][0], &address, &err), SG_E_INVALID);
        if (!strstr(err.text, cases[i][1]))
            fail_msg("\"%s\": \"%s\" lacks \"%s\"", cases[i][0], err.text, cases[i][1]);
    }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(sg_address_parse(longest, &address, &err), SG_E_INVALID);
    assert_int_equal(sg_address_parse(NULL, &address, &err), SG_E_INVALID);
}

static void nobody(void *user, int fd, const struct sockaddr *peer, socklen_t peer_size)
{
    (void)user;
    (void)peer;
    (void)peer_size;
    close(fd);
}

/* A system made by debootstrap alone has no /etc/hosts. */
static bool localhost_is_known(void)
{
    struct addrinfo *found = NULL;
    bool known = getaddrinfo("localhost", NULL, NULL, &found) == 0;

    if (known)
        freeaddrinfo(found);
    return known;
}

static void listens_and_reports_the_real_port(void **state)
{
    static const char *const texts[] = {"127.0.0.1:0", "localhost:0", "*:0", "0.0.0.0:0"};
    struct sg_listener *listener, *second;
    struct sg_error err;
    uv_loop_t loop;
    size_t i;

    (void)state;
    uv_loop_init(&loop);
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char again[SG_ADDRESS_TEXT_MAX];

        if (strncmp(texts[i], "localhost", 9) == 0 && !localhost_is_known()) {
            print_message("skipped: this system has no localhost in /etc/hosts\n");
            continue;
        }
        if (sg_listener_open(&loop, texts[i], nobody, NULL, &listener, &err) < 0)
            fail_msg("%s: %s", texts[i], err.text);
        snprintf(again, sizeof(again), "%s", sg_listener_address(listener));
        assert_true(atoi(strrchr(again, ':') + 1) > 0);
        assert_int_equal(sg_listener_open(&loop, again, nobody, NULL, &second, &err), SG_E_IO);
        assert_null(second);
        assert_non_null(strstr(err.text, "in use"));
        sg_listener_close(&listener);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void names_what_it_cannot_bind(void **state)
{
    struct sg_listener *listener;
    struct sg_error err;
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    /* 192.0.2.0/24 is reserved for documentation (RFC 5737): no machine has it. */
    assert_int_equal(sg_listener_open(&loop, "192.0.2.1:8080", nobody, NULL, &listener, &err), SG_E_IO);
    assert_non_null(strstr(err.text, "192.0.2.1:8080"));
    assert_non_null(strstr(err.text, "no such address"));
    /* .invalid never resolves (RFC 2606). */
    assert_int_equal(sg_listener_open(&loop, "nowhere.invalid:1", nobody, NULL, &listener, &err),
                     SG_E_INVALID);
    assert_non_null(strstr(err.text, "nowhere.invalid"));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void key_of(int family, const char *text, uint8_t key[SG_ADDRESS_KEY_BYTES])
{
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    void *bytes = family == AF_INET ? (void *)&((struct sockaddr_in *)(void *)&address)->sin_addr
                                    : (void *)&((struct sockaddr_in6 *)(void *)&address)->sin6_addr;

    assert_int_equal(inet_pton(family, text, bytes), 1);
    sg_address_key((const struct sockaddr *)(const void *)&address, key);
}

/* Which ones are one client's: RFC 4291 for mapped addresses, RFC 6177 for the /64 of a site. */
static void keys_tell_machines_apart(void **state)
{
    static const struct {
        int family_a;
        const char *a;
        int family_b;
        const char *b;
        bool same;
    } rows[] = {
        {AF_INET, "192.0.2.1", AF_INET, "192.0.2.1", true},
        {AF_INET, "192.0.2.1", AF_INET, "192.0.2.2", false},
        {AF_INET, "192.0.2.1", AF_INET6, "::ffff:192.0.2.1", true},
        {AF_INET6, "::ffff:192.0.2.1", AF_INET6, "::ffff:192.0.2.2", false},
        {AF_INET6, "2001:db8:0:1::1", AF_INET6, "2001:db8:0:1:ffff::2", true},
        {AF_INET6, "2001:db8:0:1::1", AF_INET6, "2001:db8:0:2::1", false},
    };
    uint8_t a[SG_ADDRESS_KEY_BYTES], b[SG_ADDRESS_KEY_BYTES];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        key_of(rows[i].family_a, rows[i].a, a);
        key_of(rows[i].family_b, rows[i].b, b);
        assert_int_equal(memcmp(a, b, sizeof(a)) == 0, rows[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_what_people_write),       cmocka_unit_test(knows_what_is_no_host),
        cmocka_unit_test(refuses_the_rest_with_a_reason), cmocka_unit_test(listens_and_reports_the_real_port),
        cmocka_unit_test(names_what_it_cannot_bind),      cmocka_unit_test(keys_tell_machines_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
