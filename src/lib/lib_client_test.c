/* SPDX-License-Identifier: MIT
 * The client of libsight against a server played by hand: every byte it sends and is sent is one that the
 * tables of docs/PROTOCOL.md (Frame protocol v2) name, so that a server can also say what ours never would.
 */
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
#include <time.h>
#include <unistd.h>

#define HEADER    16 /* bytes of a frame's header, and of the client's hello */
#define HELLO     32 /* bytes of the server's hello before the names */
#define PATIENT   20000
#define MOST      1000 /* max_image_bytes */
#define LARGE     ((size_t)32 << 20)
#define RESULT    0x82
#define ERROR     0x83
#define PONG      0x84
#define LEAVING   0x85
#define SOMETHING 0x9f /* of a version to come */

struct server {
    int listening, fd;
    uint8_t hello[HEADER]; /* the client's */
    uint8_t said[512];     /* what it is answered, header and body */
    size_t said_bytes;
    pthread_t thread;
};

static void put(uint8_t *at, uint64_t value, int bytes)
{
    int i;

    for (i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void write_header(uint8_t *at, size_t body_bytes, int type, int format, uint64_t id)
{
    put(at, body_bytes, 4);
    at[4] = (uint8_t)type;
    at[5] = 0;
    put(at + 6, (uint64_t)format, 2);
    put(at + 8, id, 8);
}

static size_t add_name(uint8_t *at, int flags, const char *name)
{
    at[0] = (uint8_t)flags;
    at[1] = (uint8_t)strlen(name);
    memcpy(at + 2, name, at[1]);
    return 2u + at[1];
}

/* A server "sightd 9.8.7" with the pipelines "cars" and "faces", the latter its default one. */
static void good_hello(struct server *s, size_t most_bytes, int window, int policy)
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

static void receive(int fd, void *data, size_t size)
{
    assert_int_equal(recv(fd, data, size, MSG_WAITALL), size);
}

static void say(int fd, const void *data, size_t size)
{
    assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

static void *greet(void *arg)
{
    struct server *s = arg;

    s->fd = accept(s->listening, NULL, NULL);
    if (recv(s->fd, s->hello, HEADER, MSG_WAITALL) == HEADER && s->said_bytes > 0)
        send(s->fd, s->said, s->said_bytes, MSG_NOSIGNAL);
    return NULL;
}

/* Connects to a server that answers as `said` has it. */
static int connect_with(struct server *s, const struct sight_client_options *options,
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

static void hang_up(struct server *s)
{
    close(s->fd);
    close(s->listening);
}

static struct sight_client *connected(struct server *s)
{
    struct sight_client *client = NULL;
    struct sight_error error;

    good_hello(s, MOST, 7, SIGHT_BLOCK);
    if (connect_with(s, NULL, &client, &error) < 0)
        fail_msg("%s", error.message);
    return client;
}

static void say_frame(const struct server *s, int type, int format, uint64_t id, const void *body,
                      size_t bytes)
{
    uint8_t header[HEADER];

    write_header(header, bytes, type, format, id);
    say(s->fd, header, HEADER);
    if (bytes > 0)
        say(s->fd, body, bytes);
}

static void say_error(const struct server *s, uint64_t id, int retry_ms, const char *code,
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
static void say_records(const struct server *s, uint64_t id)
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

static struct sight_result *new_result(void)
{
    struct sight_result *result = NULL;

    assert_int_equal(sight_result_create(&result), 0);
    return result;
}

static void submit(struct sight_client *client, uint64_t expected)
{
    struct sight_error error;
    uint64_t id = 0;

    if (sight_client_submit(client, "picture", 7, NULL, &id, &error) < 0)
        fail_msg("%s", error.message);
    assert_int_equal(id, expected);
}

/* The answer to request id is that failure, in every place where it is told. */
static void expect_failure(struct sight_client *client, uint64_t id, int code, const char *message)
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

static void hellos_are_those_of_the_document(void **state)
{
    static const uint8_t expected[HEADER] = {'S', 'G', 'T', '2', 2, 0, 2, 0, SIGHT_OLDEST, 0, 0x2c, 0x01};
    struct sight_client_options options = SIGHT_CLIENT_OPTIONS_INIT;
    struct sight_client *client = NULL;
    struct sight_error error;
    struct server s = {0};
    int is_default = 5;

    (void)state;
    options.policy = SIGHT_OLDEST;
    options.window = 300;
    good_hello(&s, MOST, 7, SIGHT_OLDEST);
    assert_int_equal(connect_with(&s, &options, &client, &error), 0);
    assert_memory_equal(s.hello, expected, HEADER);
    assert_string_equal(sight_client_server(client), "sightd 9.8.7");
    assert_string_equal(sight_client_pipeline(client, 0, &is_default), "cars");
    assert_int_equal(is_default, 0);
    assert_string_equal(sight_client_pipeline(client, 1, &is_default), "faces");
    assert_int_equal(is_default, 1);
    assert_null(sight_client_pipeline(client, 2, &is_default));
    assert_int_equal(is_default, 0);
    assert_null(sight_client_pipeline(client, -1, NULL));
    assert_int_equal(sight_client_max_image_bytes(client), MOST);
    assert_int_equal(sight_client_window(client), 7);
    assert_int_equal(sight_client_pending(client), 0);
    sight_client_close(&client);
    assert_null(client);
    hang_up(&s);
    /* A later version's table is longer; the names begin behind it. */
    good_hello(&s, MOST, 7, SIGHT_BLOCK);
    memmove(s.said + HEADER + 36, s.said + HEADER + HELLO, s.said_bytes - HEADER - HELLO);
    memset(s.said + HEADER + HELLO, 0xff, 4);
    put(s.said, s.said_bytes - HEADER + 4, 4);
    put(s.said + HEADER + 6, 36, 2);
    s.said_bytes += 4;
    assert_int_equal(connect_with(&s, NULL, &client, &error), 0);
    assert_int_equal(s.hello[8], SIGHT_BLOCK);
    assert_int_equal(s.hello[10] | s.hello[11], 0); /* the window is the server's choice */
    assert_string_equal(sight_client_server(client), "sightd 9.8.7");
    assert_string_equal(sight_client_pipeline(client, 1, NULL), "faces");
    sight_client_close(&client);
    hang_up(&s);
    assert_null(sight_client_server(NULL));
    assert_null(sight_client_pipeline(NULL, 0, &is_default));
    assert_int_equal(sight_client_max_image_bytes(NULL), 0);
    assert_int_equal(sight_client_window(NULL), 0);
    assert_int_equal(sight_client_pending(NULL), 0);
}

static void expect_no_connection(struct server *s, int code, const char *message)
{
    struct sight_client_options options = SIGHT_CLIENT_OPTIONS_INIT;
    struct sight_client *client = (struct sight_client *)s;
    struct sight_error error = {0, ""};

    options.connect_timeout_ms = 300;
    assert_int_equal(connect_with(s, &options, &client, &error), code);
    assert_string_equal(error.message, message);
    assert_null(client);
    hang_up(s);
}

static void other_hellos_are_told_apart(void **state)
{
    static const char wrong[] = "the server's hello is not that of frame protocol v2";
    static const char foreign[] = "the server does not speak frame protocol v2";
    static const char busy[] = "\0\0\0\0\4\0\0\0busytoo many connections";
    struct server s = {0};

    (void)state;
    good_hello(&s, MOST, 7, SIGHT_BLOCK);
    s.said[4] = RESULT;
    expect_no_connection(&s, SIGHT_E_FRAMING, wrong);
    good_hello(&s, MOST, 7, SIGHT_BLOCK);
    put(s.said, HELLO - 1, 4);
    expect_no_connection(&s, SIGHT_E_FRAMING, wrong);
    good_hello(&s, MOST, 7, SIGHT_BLOCK);
    put(s.said + HEADER + 6, HELLO - 1, 2);
    expect_no_connection(&s, SIGHT_E_FRAMING, wrong);
    good_hello(&s, MOST, 7, SIGHT_BLOCK);
    put(s.said + HEADER, 3, 2);
    expect_no_connection(&s, SIGHT_E_UNSUPPORTED, wrong);
    good_hello(&s, MOST, 7, SIGHT_BLOCK);
    put(s.said, s.said_bytes - HEADER - 1, 4); /* "faces" ends early */
    expect_no_connection(&s, SIGHT_E_FRAMING, "the server's hello ends within its names");
    good_hello(&s, MOST, 7, SIGHT_BLOCK);
    s.said[4] = 0x04; /* a client's goodbye */
    expect_no_connection(&s, SIGHT_E_FRAMING, foreign);
    good_hello(&s, MOST, 7, SIGHT_BLOCK);
    put(s.said, ((size_t)64 << 20) + 1, 4);
    expect_no_connection(&s, SIGHT_E_FRAMING, foreign);
    write_header(s.said, sizeof(busy) - 1, ERROR, 0, 0);
    memcpy(s.said + HEADER, busy, sizeof(busy) - 1);
    s.said_bytes = HEADER + sizeof(busy) - 1;
    expect_no_connection(&s, SIGHT_E_BUSY, "too many connections");
    s.said_bytes = 0;
    expect_no_connection(&s, SIGHT_E_TIMEOUT, "the server did not answer in time");
    s.said_bytes = HEADER + 3; /* cut */
    expect_no_connection(&s, SIGHT_E_TIMEOUT, "the server did not answer in time");
}

static void options_are_checked(void **state)
{
    static const struct {
        int policy, window;
        const char *message;
    } wrong[] = {{-1, 0, "policy is -1; expected an enum sight_policy"},
                 {3, 0, "policy is 3; expected an enum sight_policy"},
                 {0, -1, "window is -1; expected 0 to 65535"},
                 {0, 65536, "window is 65536; expected 0 to 65535"}};
    struct sight_client *client = NULL;
    struct sight_error error;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sight_client_options options = SIGHT_CLIENT_OPTIONS_INIT;

        options.policy = wrong[i].policy;
        options.window = wrong[i].window;
        assert_int_equal(sight_client_connect("127.0.0.1:1", &options, &client, &error), SIGHT_E_INVALID);
        assert_string_equal(error.message, wrong[i].message);
    }
}

static void a_request_is_that_of_the_document(void **state)
{
    static const char name[] = "faces";
    uint8_t expected[HEADER + 40 + 5 + 7] = {0}, got[sizeof(expected)], *head = expected + HEADER;
    struct sight_infer_options options = SIGHT_INFER_OPTIONS_INIT;
    struct server s = {0};
    struct sight_client *client = connected(&s);
    struct sight_error error;
    uint64_t id = 0;

    (void)state;
    write_header(expected, 40 + 5 + 7, 0x01, 0, 1);
    put(head, 40, 2);
    head[2] = 5;
    head[4] = 1; /* records */
    head[5] = 2; /* exact */
    put(head + 8, 4294967295u, 4);
    put(head + 12, 0x3e800000, 4); /* 0.25 */
    put(head + 16, 0x3f400000, 4); /* 0.75 */
    put(head + 20, 4096, 4);
    put(head + 24, 64, 2);
    memcpy(head + 40, name, 5);
    memcpy(head + 45, "picture", 7);
    options.threshold = 0.25f;
    options.nms = 0.75f;
    options.max_objects = 4096;
    options.top_k = 64;
    options.decode = SIGHT_DECODE_EXACT;
    options.deadline_ms = 4294967295;
    options.pipeline = name;
    assert_int_equal(sight_client_submit(client, "picture", 7, &options, &id, &error), 0);
    assert_int_equal(id, 1);
    receive(s.fd, got, sizeof(got));
    assert_memory_equal(got, expected, sizeof(got));
    /* What is left to the pipeline is below 0, whatever the caller's number was. */
    options = (struct sight_infer_options)SIGHT_INFER_OPTIONS_INIT;
    options.threshold = options.nms = -0.5f;
    options.decode = SIGHT_DECODE_FAST;
    memset(expected, 0, sizeof(expected));
    write_header(expected, 40 + 7, 0x01, 0, 2);
    put(head, 40, 2);
    head[4] = head[5] = 1;
    put(head + 12, 0xbf800000, 4); /* -1 */
    put(head + 16, 0xbf800000, 4);
    memcpy(head + 40, "picture", 7);
    assert_int_equal(sight_client_submit(client, "picture", 7, &options, &id, &error), 0);
    receive(s.fd, got, sizeof(got) - 5);
    assert_memory_equal(got, expected, sizeof(got) - 5);
    sight_client_close(&client);
    hang_up(&s);
}

static void wrong_requests_are_not_sent(void **state)
{
    char longest[257];
    struct sight_infer_options wrong[] = {
        SIGHT_INFER_OPTIONS_INIT, SIGHT_INFER_OPTIONS_INIT, SIGHT_INFER_OPTIONS_INIT,
        SIGHT_INFER_OPTIONS_INIT, SIGHT_INFER_OPTIONS_INIT, SIGHT_INFER_OPTIONS_INIT,
        SIGHT_INFER_OPTIONS_INIT, SIGHT_INFER_OPTIONS_INIT, SIGHT_INFER_OPTIONS_INIT,
        SIGHT_INFER_OPTIONS_INIT, SIGHT_INFER_OPTIONS_INIT};
    static const char *const messages[] = {
        "threshold is 1.5; expected 0 to 1, or below 0 for the pipeline's own",
        "nms is 1.5; expected 0 to 1, or below 0 for the pipeline's own",
        "max_objects is -1; expected 0 to 4096",
        "max_objects is 4097; expected 0 to 4096",
        "top_k is -1; expected 0 to 64",
        "top_k is 65; expected 0 to 64",
        "deadline_ms is -1; expected 0 to 4294967295",
        "deadline_ms is 4294967296; expected 0 to 4294967295",
        "decode is -1; expected an enum sight_decode",
        "decode is 3; expected an enum sight_decode",
        "no pipeline has a name of more than 255 bytes"};
    static const uint8_t picture[MOST + 1];
    struct sight_pixels pixels = SIGHT_PIXELS_INIT;
    struct server s = {0};
    struct sight_client *client = connected(&s);
    struct sight_error error;
    uint8_t got[HEADER];
    uint64_t id;
    size_t i;

    (void)state;
    memset(longest, 'p', 256);
    longest[256] = '\0';
    wrong[0].threshold = wrong[1].nms = 1.5f;
    wrong[2].max_objects = wrong[4].top_k = wrong[8].decode = -1;
    wrong[3].max_objects = 4097;
    wrong[5].top_k = 65;
    wrong[6].deadline_ms = -1;
    wrong[7].deadline_ms = 4294967296;
    wrong[9].decode = 3;
    wrong[10].pipeline = longest;
    pixels.format = SIGHT_GRAY8;
    pixels.width = pixels.height = 4;
    pixels.data = picture;
    pixels.data_bytes = 16;
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int code = i == 10 ? SIGHT_E_NOT_FOUND : SIGHT_E_INVALID;

        id = 5;
        assert_int_equal(sight_client_submit(client, "picture", 7, &wrong[i], &id, &error), code);
        assert_string_equal(error.message, messages[i]);
        assert_int_equal(id, 0);
        id = 5;
        assert_int_equal(sight_client_submit_pixels(client, &pixels, &wrong[i], &id, &error), code);
        assert_string_equal(error.message, messages[i]);
        assert_int_equal(id, 0);
    }
    assert_int_equal(sight_client_submit_pixels(NULL, &pixels, NULL, &id, &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "client is NULL");
    assert_int_equal(sight_client_submit(client, NULL, 1, NULL, &id, &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "bytes is NULL");
    assert_int_equal(sight_client_submit(client, picture, MOST + 1, NULL, &id, &error), SIGHT_E_TOO_LARGE);
    assert_string_equal(error.message, "the picture has 1001 bytes, the server takes 1000");
    assert_int_equal(sight_client_pending(client), 0);
    /* The first that is sent is the first that is right: a name of 255 bytes, and as many bytes as are taken.
     */
    longest[255] = '\0';
    assert_int_equal(sight_client_submit(client, picture, MOST, &wrong[10], &id, &error), 0);
    assert_int_equal(id, 1);
    receive(s.fd, got, HEADER);
    assert_int_equal(got[0] | got[1] << 8 | got[2] << 16, 40 + 255 + MOST);
    assert_int_equal(got[4], 0x01);
    assert_int_equal(got[8], 1);
    assert_int_equal(sight_client_cancel(NULL, 1, &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "client is NULL");
    sight_client_close(&client);
    hang_up(&s);
}

/* Pixels travel without gaps, and the head says so: 6 x 4 of NV12 in rows of 8 are 6 * 4 * 3 / 2 bytes. */
static void pixels_are_sent_without_gaps(void **state)
{
    uint8_t luma[32], chroma[16], expected[HEADER + 40 + 36] = {0}, got[sizeof(expected)];
    uint8_t *head = expected + HEADER;
    struct sight_pixels pixels = SIGHT_PIXELS_INIT;
    struct server s = {0};
    struct sight_client *client = connected(&s);
    struct sight_error error;
    uint64_t id = 0;
    int x, y;

    (void)state;
    memset(luma, 0xff, sizeof(luma));
    memset(chroma, 0xff, sizeof(chroma));
    write_header(expected, 40 + 36, 0x01, 0, 1);
    put(head, 40, 2);
    head[3] = 4;
    head[4] = 1;
    put(head + 12, 0xbf800000, 4);
    put(head + 16, 0xbf800000, 4);
    put(head + 28, 6, 4);
    put(head + 32, 4, 4);
    put(head + 36, 6, 4);
    for (y = 0; y < 6; y++)
        for (x = 0; x < 6; x++) {
            uint8_t *row = y < 4 ? luma + (ptrdiff_t)8 * y : chroma + (ptrdiff_t)8 * (y - 4);

            row[x] = head[40 + 6 * y + x] = (uint8_t)(10 * y + x);
        }
    pixels.format = SIGHT_NV12;
    pixels.width = 6;
    pixels.height = 4;
    pixels.stride_bytes = 8;
    pixels.data = luma;
    pixels.data_bytes = 30;
    pixels.chroma = chroma;
    pixels.chroma_bytes = 14;
    assert_int_equal(sight_client_submit_pixels(client, &pixels, NULL, &id, &error), 0);
    assert_int_equal(id, 1);
    receive(s.fd, got, sizeof(got));
    assert_memory_equal(got, expected, sizeof(got));
    sight_client_close(&client);
    hang_up(&s);
}

static void replies_find_their_requests(void **state)
{
    static const char json[] = "{\"objects\":[]}";
    struct server s = {0};
    struct sight_client *client = connected(&s);
    struct sight_result *result = new_result();
    struct sight_error error;
    uint64_t id = 0;

    (void)state;
    submit(client, 1);
    submit(client, 2);
    submit(client, 3);
    submit(client, 4);
    assert_int_equal(sight_client_pending(client), 4);
    say_records(&s, 99); /* nobody asked */
    say_frame(&s, SOMETHING, 0, 2, "??", 2);
    say_frame(&s, PONG, 0, 1, "", 0);
    say_error(&s, 3, 1500, "busy", "come again");
    say_frame(&s, RESULT, 0, 4, json, sizeof(json) - 1);
    say_records(&s, 1);
    say_error(&s, 2, 0, "of_later_days", "what is this");
    assert_int_equal(sight_client_wait(client, 3, PATIENT, result, &id, &error), SIGHT_E_BUSY);
    assert_int_equal(id, 3);
    assert_string_equal(error.message, "come again");
    assert_int_equal(sight_result_retry_ms(result), 1500);
    assert_int_equal(sight_result_width(result), 0);
    assert_int_equal(sight_client_wait(client, 1, PATIENT, result, &id, &error), 0);
    assert_int_equal(id, 1);
    assert_int_equal(sight_result_code(result), 0);
    assert_int_equal(sight_result_retry_ms(result), 0);
    assert_int_equal(sight_result_width(result), 640);
    assert_int_equal(sight_result_height(result), 480);
    assert_int_equal(sight_client_pending(client), 2);
    expect_failure(client, 4, SIGHT_E_FRAMING, "the server's result is not a block of records");
    expect_failure(client, 2, SIGHT_E_INTERNAL, "what is this"); /* a code of a later version */
    assert_int_equal(sight_client_pending(client), 0);
    assert_int_equal(sight_client_wait(client, 4, 0, result, &id, &error), SIGHT_E_NOT_FOUND);
    assert_string_equal(error.message, "no request 4 is under way");
    assert_int_equal(sight_client_wait(client, 0, 0, result, &id, &error), SIGHT_E_NOT_FOUND);
    assert_string_equal(error.message, "no request is under way");
    assert_int_equal(id, 0);
    assert_int_equal(sight_client_wait(client, 0, 0, NULL, &id, &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "result is NULL");
    sight_result_destroy(&result);
    sight_client_close(&client);
    hang_up(&s);
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 999 ms from now are in the next second, whenever that is but for its first millisecond. */
static void a_wait_takes_as_long_as_it_says(void **state)
{
    struct server s = {0};
    struct sight_client *client = connected(&s);
    struct sight_result *result = new_result();
    struct sight_error error;
    int64_t began = now_ms();

    (void)state;
    submit(client, 1);
    assert_int_equal(sight_client_wait(client, 1, 999, result, NULL, &error), SIGHT_E_TIMEOUT);
    assert_string_equal(error.message, "no reply within 999 ms");
    assert_true(now_ms() - began >= 990);
    say_records(&s, 1);
    assert_int_equal(sight_client_wait(client, 1, -1, result, NULL, &error), 0);
    sight_result_destroy(&result);
    sight_client_close(&client);
    hang_up(&s);
}

/* A cancel is a header alone. */
static void cancels_are_frames(void **state)
{
    static const uint8_t expected[HEADER] = {0, 0, 0, 0, 0x02, 0, 0, 0, 1};
    uint8_t got[HEADER + 40 + 7];
    struct server s = {0};
    struct sight_client *client = connected(&s);
    struct sight_error error;

    (void)state;
    assert_int_equal(sight_client_cancel(client, 1, &error), SIGHT_E_NOT_FOUND);
    assert_string_equal(error.message, "no request 1 is under way");
    submit(client, 1);
    assert_int_equal(sight_client_cancel(client, 1, &error), 0);
    receive(s.fd, got, sizeof(got));
    receive(s.fd, got, HEADER);
    assert_memory_equal(got, expected, HEADER);
    say_error(&s, 1, 0, "cancelled", "as you wish");
    expect_failure(client, 1, SIGHT_E_CANCELLED, "as you wish");
    sight_client_close(&client);
    hang_up(&s);
}

/* What ends a connection is the answer to all that was under way, and to what is asked later. */
static void expect_the_end(struct sight_client *client, int code, const char *message)
{
    struct sight_error error;
    uint64_t id = 5;

    expect_failure(client, 2, code, message);
    expect_failure(client, 1, code, message);
    assert_int_equal(sight_client_pending(client), 0);
    assert_int_equal(sight_client_submit(client, "picture", 7, NULL, &id, &error), code);
    assert_string_equal(error.message, message);
    assert_int_equal(id, 0);
}

static void ends_are_answers(void **state)
{
    static const uint8_t short_body[7], lies[8] = {0, 0, 0, 0, 1, 0, 0, 0};
    static const struct {
        int type;
        size_t body_bytes, sent;
        const uint8_t *body;
        int code;
        const char *message;
    } rows[] = {{ERROR, 7, 7, short_body, SIGHT_E_FRAMING, "the server sent a damaged error"},
                {ERROR, 8, 8, lies, SIGHT_E_FRAMING, "the server sent a damaged error"},
                {0x80, 0, 0, NULL, SIGHT_E_FRAMING, "the server does not speak frame protocol v2"},
                {RESULT, ((size_t)64 << 20) + 1, 0, NULL, SIGHT_E_FRAMING,
                 "the server does not speak frame protocol v2"},
                {RESULT, 8, 7, short_body, SIGHT_E_IO, "the server closed the connection"}};
    size_t i;

    (void)state;
    for (i = 0; i <= sizeof(rows) / sizeof(rows[0]); i++) {
        struct server s = {0};
        struct sight_client *client = connected(&s);
        uint8_t header[HEADER], request[2 * (HEADER + 40 + 7)];

        submit(client, 1);
        submit(client, 2);
        receive(s.fd, request, sizeof(request)); /* what is unread when it closes would be a reset */
        if (i < sizeof(rows) / sizeof(rows[0])) {
            write_header(header, rows[i].body_bytes, rows[i].type, 0, 1);
            say(s.fd, header, HEADER);
            if (rows[i].sent > 0)
                say(s.fd, rows[i].body, rows[i].sent);
            if (rows[i].sent < rows[i].body_bytes)
                shutdown(s.fd, SHUT_WR);
            expect_the_end(client, rows[i].code, rows[i].message);
        } else {
            say_error(&s, 0, 0, "timeout", "too slow for me");
            expect_the_end(client, SIGHT_E_TIMEOUT, "too slow for me");
        }
        sight_client_close(&client);
        hang_up(&s);
    }
}

/* A server that leaves answers what it has, and is asked no more. */
static void leaving_servers_are_let_go(void **state)
{
    struct server s = {0};
    struct sight_client *client = connected(&s);
    struct sight_result *result = new_result();
    struct sight_error error;
    uint64_t id = 5;

    (void)state;
    submit(client, 1);
    submit(client, 2);
    say_frame(&s, LEAVING, 0, 0, NULL, 0);
    say_records(&s, 2);
    assert_int_equal(sight_client_wait(client, 2, PATIENT, result, &id, &error), 0);
    assert_int_equal(sight_client_submit(client, "picture", 7, NULL, &id, &error), SIGHT_E_SHUTDOWN);
    assert_string_equal(error.message, "the server takes no more requests");
    assert_int_equal(id, 0);
    say_records(&s, 1);
    assert_int_equal(sight_client_wait(client, 1, PATIENT, result, &id, &error), 0);
    assert_int_equal(id, 1);
    sight_result_destroy(&result);
    sight_client_close(&client);
    hang_up(&s);
}

/* 32 MiB are more than the sockets of both sides hold. */
static void a_server_that_does_not_read_is_left(void **state)
{
    struct sight_client_options options = SIGHT_CLIENT_OPTIONS_INIT;
    uint8_t *picture = calloc(1, LARGE);
    struct sight_client *client = NULL;
    struct sight_error error;
    struct server s = {0};
    uint64_t id = 5;

    (void)state;
    options.send_timeout_ms = 100;
    good_hello(&s, LARGE, 7, SIGHT_BLOCK);
    assert_int_equal(connect_with(&s, &options, &client, &error), 0);
    submit(client, 1);
    assert_int_equal(sight_client_submit(client, picture, LARGE, NULL, &id, &error), SIGHT_E_TIMEOUT);
    assert_string_equal(error.message, "the server read nothing for 100 ms");
    assert_int_equal(id, 0);
    assert_int_equal(sight_client_pending(client), 1);
    expect_failure(client, 1, SIGHT_E_TIMEOUT, "the server read nothing for 100 ms");
    assert_int_equal(sight_client_submit(client, "picture", 7, NULL, &id, &error), SIGHT_E_TIMEOUT);
    sight_client_close(&client);
    hang_up(&s);
    free(picture);
}

static void *say_why(void *arg)
{
    const struct server *s = arg;
    uint8_t header[HEADER];

    receive(s->fd, header, HEADER);
    say_error(s, 0, 0, "timeout", "not so slow");
    return NULL;
}

/* What is told is what the server said, not that its socket then took no more. */
static void the_server_says_why_in_the_middle(void **state)
{
    struct sight_client_options options = SIGHT_CLIENT_OPTIONS_INIT;
    uint8_t *picture = calloc(1, LARGE);
    struct sight_client *client = NULL;
    struct sight_error error;
    struct server s = {0};
    uint64_t id = 5;

    (void)state;
    options.send_timeout_ms = -1;
    options.connect_timeout_ms = -1;
    good_hello(&s, LARGE, 7, SIGHT_BLOCK);
    assert_int_equal(connect_with(&s, &options, &client, &error), 0);
    assert_int_equal(pthread_create(&s.thread, NULL, say_why, &s), 0);
    assert_int_equal(sight_client_submit(client, picture, LARGE, NULL, &id, &error), SIGHT_E_TIMEOUT);
    assert_string_equal(error.message, "not so slow");
    assert_int_equal(id, 0);
    pthread_join(s.thread, NULL);
    sight_client_close(&client);
    hang_up(&s);
    free(picture);
}

/* Requests that are under way when the client goes are its own business; a message may be as long as it
 * likes. */
static void long_messages_are_cut(void **state)
{
    struct server s = {0};
    struct sight_client *client = connected(&s);
    char message[1001], expected[SIGHT_MESSAGE_MAX];
    struct sight_error error = {0, ""};
    struct sight_result *result = new_result();

    (void)state;
    memset(message, 'm', 1000);
    message[1000] = '\0';
    memset(expected, 'm', sizeof(expected) - 1);
    expected[sizeof(expected) - 1] = '\0';
    submit(client, 1);
    submit(client, 2);
    say_error(&s, 1, 0, "bad_image", message);
    assert_int_equal(sight_client_wait(client, 1, PATIENT, result, NULL, &error), SIGHT_E_BAD_IMAGE);
    assert_true(strlen(error.message) > 200 && strlen(error.message) < sizeof(error.message));
    assert_memory_equal(error.message, expected, 200);
    sight_result_destroy(&result);
    sight_client_close(&client);
    assert_null(client);
    hang_up(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hellos_are_those_of_the_document),
                                       cmocka_unit_test(other_hellos_are_told_apart),
                                       cmocka_unit_test(options_are_checked),
                                       cmocka_unit_test(a_request_is_that_of_the_document),
                                       cmocka_unit_test(wrong_requests_are_not_sent),
                                       cmocka_unit_test(pixels_are_sent_without_gaps),
                                       cmocka_unit_test(replies_find_their_requests),
                                       cmocka_unit_test(a_wait_takes_as_long_as_it_says),
                                       cmocka_unit_test(cancels_are_frames),
                                       cmocka_unit_test(ends_are_answers),
                                       cmocka_unit_test(leaving_servers_are_let_go),
                                       cmocka_unit_test(a_server_that_does_not_read_is_left),
                                       cmocka_unit_test(the_server_says_why_in_the_middle),
                                       cmocka_unit_test(long_messages_are_cut)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
