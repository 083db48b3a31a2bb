/* SPDX-License-Identifier: MIT
 * Where clients connect to: numbers that need no resolver, by the forms of inet_pton(3) and unix(7).
 */
#include "net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static const struct sg_address_use with_default = {"address", "HOST:PORT", 8080};
static const struct sg_address_use without = {"target", "host:port, seed://host:port", 0};

static void numbers_become_socket_addresses(void **state)
{
    static const struct {
        const char *text, *host;
        int port;
        bool here;
    } cases[] = {
        {"127.0.0.1:9000", "127.0.0.1", 9000, true},
        {"127.0.0.2", "127.0.0.2", 8080, true},
        {"192.0.2.1:80", "192.0.2.1", 80, false}, /* RFC 5737: documentation */
        {"9000", "127.0.0.1", 9000, true},
    };
    struct sockaddr_in address;
    struct in_addr host;
    struct sg_peer peer;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(sg_peer_find(&with_default, cases[i].text, &peer, NULL), 0);
        assert_int_equal(peer.count, 1);
        assert_int_equal(peer.places[0].bytes, sizeof(address));
        memcpy(&address, &peer.places[0].address, sizeof(address));
        inet_pton(AF_INET, cases[i].host, &host);
        assert_int_equal(address.sin_family, AF_INET);
        assert_int_equal(address.sin_addr.s_addr, host.s_addr);
        assert_int_equal(address.sin_port, htons((uint16_t)cases[i].port));
        assert_int_equal(sg_peer_is_here(&peer.places[0]), cases[i].here);
    }
}

static void brackets_are_version_6(void **state)
{
    struct sockaddr_in6 address;
    struct sg_peer peer;

    (void)state;
    assert_int_equal(sg_peer_find(&without, "[::1]:9", &peer, NULL), 0);
    memcpy(&address, &peer.places[0].address, sizeof(address));
    assert_int_equal(address.sin6_family, AF_INET6);
    assert_int_equal(address.sin6_port, htons(9));
    assert_true(sg_peer_is_here(&peer.places[0]));
    assert_int_equal(sg_peer_find(&without, "[2001:db8::1]:9", &peer, NULL), 0); /* RFC 3849 */
    assert_false(sg_peer_is_here(&peer.places[0]));
}

static void a_path_is_a_unix_socket(void **state)
{
    struct sockaddr_un address;
    struct sg_peer peer;

    (void)state;
    assert_int_equal(sg_peer_find(&with_default, "unix:/run/a b:1", &peer, NULL), 0);
    assert_int_equal(peer.count, 1);
    memcpy(&address, &peer.places[0].address, sizeof(address));
    assert_int_equal(address.sun_family, AF_UNIX);
    assert_string_equal(address.sun_path, "/run/a b:1");
    assert_true(sg_peer_is_here(&peer.places[0]));
}

static void what_only_listens_is_refused_in_the_words_of_the_use(void **state)
{
    static const struct {
        const struct sg_address_use *use;
        const char *text, *message;
    } cases[] = {
        {&with_default, ":80", "address \":80\" has no host to connect to; expected HOST:PORT"},
        {&with_default, "*:80", "address \"*:80\" has no host to connect to; expected HOST:PORT"},
        {&with_default, "inherited", "address \"inherited\" has no host to connect to; expected HOST:PORT"},
        {&with_default, "", "the address is empty; expected HOST:PORT"},
        {&with_default, "localhost:0",
         "address \"localhost:0\" has no port to connect to; expected HOST:PORT"},
        {&without, "localhost",
         "target \"localhost\" has no port to connect to; expected host:port, seed://host:port"},
        {&without, "[::1]",
         "target \"[::1]\" has no port to connect to; expected host:port, seed://host:port"},
        {&without, "::1:9", "target \"::1:9\": an IPv6 address needs brackets, such as [::1:9]:8080"},
        {&without, "localhost:8o",
         "target \"localhost:8o\": port \"8o\" is not a number from 0 to 65535; expected host:port, "
         "seed://host:port"},
    };
    struct sg_error err;
    struct sg_peer peer;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(sg_peer_find(cases[i].use, cases[i].text, &peer, &err), SG_E_INVALID);
        assert_string_equal(err.text, cases[i].message);
    }
    /* No resolver knows it: RFC 6761, 6.4 */
    assert_int_equal(sg_peer_find(&with_default, "host.invalid", &peer, &err), SG_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "address \"host.invalid\": "));
    assert_int_equal(sg_peer_find(&with_default, "127.0.0.1:no-port", &peer, &err), SG_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_become_socket_addresses),
        cmocka_unit_test(brackets_are_version_6),
        cmocka_unit_test(a_path_is_a_unix_socket),
        cmocka_unit_test(what_only_listens_is_refused_in_the_words_of_the_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
