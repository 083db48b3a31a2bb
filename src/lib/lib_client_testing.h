/* SPDX-License-Identifier: MIT
 * For the tests of libsight's client only: a server played by hand. Every byte that it is sent and says is
 * one that the tables of docs/PROTOCOL.md (Frame protocol v2) name, so that it can also say what ours never
 * would.
 */
#ifndef SG_LIB_CLIENT_TESTING_H
#define SG_LIB_CLIENT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sight.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER  16 /* bytes of a frame's header, and of the client's hello */
#define HELLO   32 /* bytes of the server's hello before the names */
#define PATIENT 20000
#define MOST    1000 /* max_image_bytes */
#define RESULT  0x82
#define ERROR   0x83

struct server {
    int listening, fd;
    uint8_t hello[HEADER]; /* the client's */
    uint8_t said[512];     /* what it is answered, header and body */
    size_t said_bytes;
    pthread_t thread;
};

static inline void put(uint8_t *at, uint64_t value, int bytes)
{
    int i;

    for (i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static inline void write_header(uint8_t *at, size_t body_bytes, int type, int format, uint64_t id)
{
    put(at, body_bytes, 4);
    at[4] = (uint8_t)type;
    at[5] = 0;
    put(at + 6, (uint64_t)format, 2);
    put(at + 8, id, 8);
}

static inline size_t add_name(uint8_t *at, int flags, const char *name)
{
    at[0] = (uint8_t)flags;
    at[1] = (uint8_t)strlen(name);
    memcpy(at + 2, name, at[1]);
    return 2u + at[1];
}

/* A server "sightd 9.8.7" with the pipelines "cars" and "faces", the latter its default one. */
static inline void good_hello(struct server *s, size_t most_bytes, int window, int policy)
{
    uint8_t *body = s->said + HEADER;
    size_t used = HELLO;

    memset(s->said, 0, sizeof(s->said));
    put(body, 2, 2);
    put(body + 2, 2, 2);
    put(body + 4, 2, 2);
    put(body + 6, HELLO, 2);
    put(body + 8, most_bytes, 4);
    put(body + 12, 300, 4);
    put(body + 16, 5000, 4);
    put(body + 20, (uint64_t)window, 2);
    body[22] = (uint8_t)policy;
    put(body + 24, 2, 2);
    used += add_name(body + used, 0, "sightd 9.8.7");
    used += add_name(body + used, 0, "cars");
    used += add_name(body + used, 1, "faces");
    write_header(s->said, used, 0x81, 0, 0);
    s->said_bytes = HEADER + used;
}

static inline void receive(int fd, void *data, size_t size)
{
    assert_int_equal(recv(fd, data, size, MSG_WAITALL), size);
}

static inline void say(int fd, const void *data, size_t size)
{
    assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

static inline void *greet(void *arg)
{
    struct server *s = arg;

    s->fd = accept(s->listening, NULL, NULL);
    if (recv(s->fd, s->hello, HEADER, MSG_WAITALL) == HEADER && s->said_bytes > 0)
        send(s->fd, s->said, s->said_bytes, MSG_NOSIGNAL);
    return NULL;
}

/* Connects to a server that answers as `said` has it. */
static inline int connect_with(struct server *s, const struct sight_client_options *options,
                               struct sight_client **client, struct sight_error *error)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    char text[32];
    int code;

    s->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(s->listening, 1), 0);
    assert_int_equal(getsockname(s->listening, (struct sockaddr *)&address, &size), 0);
    snprintf(text, sizeof(text), "127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, greet, s), 0);
    code = sight_client_connect(text, options, client, error);
    pthread_join(s->thread, NULL);
    return code;
}

static inline void hang_up(struct server *s)
{
    close(s->fd);
    close(s->listening);
}

/* To a server that takes pictures of as many bytes. */
static inline struct sight_client *connected_to(struct server *s, size_t most_bytes,
                                                const struct sight_client_options *options)
{
    struct sight_client *client = NULL;
    struct sight_error error;

    good_hello(s, most_bytes, 7, SIGHT_BLOCK);
    if (connect_with(s, options, &client, &error) < 0)
        fail_msg("%s", error.message);
    return client;
}

static inline struct sight_client *connected(struct server *s)
{
    return connected_to(s, MOST, NULL);
}

static inline void say_frame(const struct server *s, int type, int format, uint64_t id, const void *body,
                             size_t bytes)
{
    uint8_t header[HEADER];

    write_header(header, bytes, type, format, id);
    say(s->fd, header, HEADER);
    if (bytes > 0)
        say(s->fd, body, bytes);
}

static inline void say_error(const struct server *s, uint64_t id, int retry_ms, const char *code,
                             const char *message)
{
    uint8_t body[1200];
    size_t code_bytes = strlen(code), message_bytes = strlen(message);

    put(body, (uint64_t)retry_ms, 4);
    put(body + 4, code_bytes, 2);
    put(body + 6, 0, 2);
    memcpy(body + 8, code, code_bytes);
    memcpy(body + 8 + code_bytes, message, message_bytes);
    say_frame(s, ERROR, 0, id, body, 8 + code_bytes + message_bytes);
}

/* The smallest block of records: a head that says 640 x 480 and no more. */
static inline void say_records(const struct server *s, uint64_t id)
{
    uint8_t block[88] = "SGR1";

    put(block + 4, 1, 2);
    put(block + 6, 88, 2);
    put(block + 8, 88, 4);
    put(block + 12, 80, 2);
    put(block + 14, 52, 2);
    put(block + 16, 640, 4);
    put(block + 20, 480, 4);
    say_frame(s, RESULT, 1, id, block, sizeof(block));
}

static inline struct sight_result *new_result(void)
{
    struct sight_result *result = NULL;

    assert_int_equal(sight_result_create(&result), 0);
    return result;
}

static inline void submit(struct sight_client *client, uint64_t expected)
{
    struct sight_error error;
    uint64_t id = 0;

    if (sight_client_submit(client, "picture", 7, NULL, &id, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(id, expected);
}

/* The answer to request id is that failure, in every place where it is told. */
static inline void expect_failure(struct sight_client *client, uint64_t id, int code, const char *message)
{
    struct sight_result *result = new_result();
    struct sight_error error = {0, ""};
    uint64_t answered = 0;

    assert_int_equal(sight_client_wait(client, id, PATIENT, result, &answered, &error), code);
    assert_int_equal(error.code, code);
    assert_string_equal(error.message, message);
    assert_int_equal(sight_result_code(result), code);
    assert_int_equal(answered, id);
    sight_result_destroy(&result);
}

#endif
