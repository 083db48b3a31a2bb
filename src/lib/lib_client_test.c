/* SPDX-License-Identifier: MIT
 * What the client of libsight makes of hellos, and what it sends. What it makes of replies:
 * lib_client_replies_test.c.
 */
#include "lib/lib_client_testing.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hellos_are_those_of_the_document),
        cmocka_unit_test(other_hellos_are_told_apart),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_request_is_that_of_the_document),
        cmocka_unit_test(wrong_requests_are_not_sent),
        cmocka_unit_test(pixels_are_sent_without_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
