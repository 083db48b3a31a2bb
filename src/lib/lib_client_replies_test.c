/* SPDX-License-Identifier: MIT
 * What the client of libsight makes of replies: in any order, damaged, late, and of servers that go.
 */
#include "lib/lib_client_testing.h"

#include <time.h>

#define LARGE     ((size_t)32 << 20)
#define PONG      0x84
#define LEAVING   0x85
#define SOMETHING 0x9f /* of a version to come */

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
    struct sight_client *client;
    struct sight_error error;
    struct server s = {0};
    uint64_t id = 5;

    (void)state;
    options.send_timeout_ms = 100;
    client = connected_to(&s, LARGE, &options);
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
    struct sight_client *client;
    struct sight_error error;
    struct server s = {0};
    uint64_t id = 5;

    (void)state;
    options.send_timeout_ms = -1;
    options.connect_timeout_ms = -1;
    client = connected_to(&s, LARGE, &options);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_find_their_requests),
        cmocka_unit_test(a_wait_takes_as_long_as_it_says),
        cmocka_unit_test(cancels_are_frames),
        cmocka_unit_test(ends_are_answers),
        cmocka_unit_test(leaving_servers_are_let_go),
        cmocka_unit_test(a_server_that_does_not_read_is_left),
        cmocka_unit_test(the_server_says_why_in_the_middle),
        cmocka_unit_test(long_messages_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
