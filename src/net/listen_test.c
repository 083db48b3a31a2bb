/* SPDX-License-Identifier: MIT
 * Listening on a name with two families and no port of its own choice: one port for both, also when the first
 * that the system picks is taken in the other family.
 */
#include "net/listen.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define OTHERS_MAX 20

static int taken; /* so many binds of a second socket fail as if another process had the port */
static int binds;

/* The C library's bind, but for what no test can bring about by itself. */
int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    binds++;
    if (address->sa_family == AF_INET && taken > 0) { /* the second of the two */
        taken--;
        errno = EADDRINUSE;
        return -1;
    }
    return (int)syscall(SYS_bind, fd, address, size);
}

static void ignore(void *user, int fd, const struct sockaddr *peer, socklen_t peer_size)
{
    (void)user;
    (void)peer;
    (void)peer_size;
    close(fd);
}

static bool reaches(int family, in_port_t port)
{
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = in6addr_loopback};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool fine = fd >= 0 && (family == AF_INET6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
                                               : connect(fd, (struct sockaddr *)&v4, sizeof(v4))) == 0;

    if (fd >= 0)
        close(fd);
    return fine;
}

/* Both loopback addresses for "localhost", as /etc/hosts of most machines has it; this one's may not. */
int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    struct addrinfo *last;
    int code;

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(name, "localhost") != 0)
        return real(name, port, hints, out);
    code = real("::1", port, hints, out);
    for (last = *out; code == 0 && last->ai_next; last = last->ai_next)
        ;
    return code == 0 ? real("127.0.0.1", port, hints, &last->ai_next) : code;
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && syscall(SYS_bind, fd, (struct sockaddr *)&v6, sizeof(v6)) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

static int listen_on_localhost(int busy, in_port_t *out_port, uv_loop_t *loop,
                               struct sg_listener **out_listener, struct sg_error *err)
{
    int code;

    taken = busy;
    binds = 0;
    code = sg_listener_open(loop, "localhost:0", ignore, NULL, out_listener, err);
    *out_port = code == 0 ? htons((uint16_t)atoi(strrchr(sg_listener_address(*out_listener), ':') + 1)) : 0;
    return code;
}

static void both_families_get_one_port(void **state)
{
    struct sg_listener *listener = NULL;
    struct sg_error err;
    uv_loop_t loop;
    in_port_t port;
    int busy;

    (void)state;
    if (!has_ipv6()) {
        print_message("skipped: this machine has no IPv6 loopback address\n");
        skip();
    }
    assert_int_equal(uv_loop_init(&loop), 0);
    for (busy = 0; busy < 4; busy++) {
        if (listen_on_localhost(busy, &port, &loop, &listener, &err) < 0)
            fail_msg("%d taken: %s", busy, err.text);
        /* Now and then a port that the system picks is really another process's in the other family. */
        assert_in_range(binds, 2 * (busy + 1), 2 * (busy + 1) + OTHERS_MAX);
        assert_true(reaches(AF_INET, port) && reaches(AF_INET6, port));
        sg_listener_close(&listener);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    /* And it does not try for ever. */
    assert_int_equal(listen_on_localhost(100000, &port, &loop, &listener, &err), SG_E_IO);
    assert_non_null(strstr(err.text, "localhost:0"));
    assert_null(listener);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_families_get_one_port)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
