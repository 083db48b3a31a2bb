/* SPDX-License-Identifier: MIT
 * Connections over real loopback sockets on a loop of the test's own: what net/conn.h says of places, first
 * bytes, pauses, unread replies, deadlines and ends. Bytes are compared with those that were sent.
 */
#include "net/conn.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000
#define TIMEOUT_MS  500 /* of sending */
#define RECEIVE_MS  600 /* far from the 30 ms that first bytes are waited for below: machines stall */
#define LARGE       ((size_t)16 << 20)

static uv_loop_t loop;
static struct sg_conn_table *table;

/* What was heard, of the table and of the one connection that is open. */
static struct heard {
    int sniffed, silent, silent_count, left, eof, drained, late, shut, lost, lost_code;
    uint8_t head[SG_SNIFF_BYTES];
    uint8_t data[64];
    size_t size, room; /* room: at most so many bytes are asked for at once, 0 = none */
} heard;

static void on_sniffed(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES])
{
    (void)user;
    heard.sniffed++;
    memcpy(heard.head, head, SG_SNIFF_BYTES);
    if (heard.sniffed == 1)
        sg_conn_hold(conn, sg_clock_us() + TIMEOUT_MS * 1000);
    else
        sg_conn_close(&conn);
}

static void on_silent(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES], int count)
{
    (void)user;
    heard.silent++;
    heard.silent_count = count;
    memcpy(heard.head, head, SG_SNIFF_BYTES);
    sg_conn_close(&conn);
}

static void on_left(void *user)
{
    (void)user;
    heard.left++;
}

static void on_want(void *user, uint8_t **out_data, size_t *out_size)
{
    (void)user;
    *out_data = heard.data + heard.size;
    *out_size = heard.room < sizeof(heard.data) - heard.size ? heard.room : sizeof(heard.data) - heard.size;
}

static void on_got(void *user, size_t n)
{
    (void)user;
    heard.size += n;
}

static void on_eof(void *user)
{
    (void)user;
    heard.eof++;
}

static void on_drained(void *user)
{
    (void)user;
    heard.drained++;
}

static void on_lost(void *user, int code)
{
    struct sg_conn *conn = *(struct sg_conn **)user;

    heard.lost++;
    heard.lost_code = code;
    sg_conn_close(&conn);
}

static void on_late(void *user)
{
    (void)user;
    heard.late++;
}

static void on_shut(void *user)
{
    (void)user;
    heard.shut++;
}

static const struct sg_conn_table_ops table_ops = {
    .sniffed = on_sniffed, .silent = on_silent, .left = on_left};
static const struct sg_conn_ops conn_ops = {.want = on_want,
                                            .got = on_got,
                                            .eof = on_eof,
                                            .drained = on_drained,
                                            .lost = on_lost,
                                            .late = on_late,
                                            .shut = on_shut};

static int set_up(void **state)
{
    const struct sg_conn_table_options options = {
        .receive_timeout_ms = RECEIVE_MS, .send_timeout_ms = TIMEOUT_MS, .tick_ms = 5};
    struct sg_error err;

    (void)state;
    heard = (struct heard){.room = sizeof(heard.data)};
    return uv_loop_init(&loop) + sg_conn_table_create(&loop, &options, &table_ops, NULL, &table, &err);
}

static void close_it(void *arg, struct sg_conn *conn)
{
    ++*(int *)arg;
    sg_conn_close(&conn);
}

static int tear_down(void **state)
{
    int closed = 0;

    (void)state;
    sg_conn_each(table, close_it, &closed);
    assert_int_equal(sg_conn_table_count(table), 0);
    assert_int_equal(sg_conn_table_out_bytes(table), 0);
    sg_conn_table_destroy(&table);
    assert_null(table);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

/* Runs the loop until *count is there. */
static void until(const int *count, int expected)
{
    int64_t end = sg_clock_us() + (int64_t)PATIENCE_MS * 1000;

    while (*count != expected && sg_clock_us() < end)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(*count, expected);
}

static void run_for(int64_t ms)
{
    int64_t end = sg_clock_us() + ms * 1000;

    while (sg_clock_us() < end)
        uv_run(&loop, UV_RUN_ONCE);
}

/* A connection in the table; the other end is returned. */
static int add(struct sg_conn **out_conn)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listening, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
    fd = accept4(listening, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    close(listening);
    assert_int_equal(sg_conn_add(table, fd, (struct sockaddr *)&address, size, out_conn), 0);
    return client;
}

static int open_one(struct sg_conn **conn)
{
    int client = add(conn);

    sg_conn_start(*conn, &conn_ops, conn);
    return client;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(fd);
}

static void places_are_found_and_used_again(void **state)
{
    enum { COUNT = 70 }; /* more than the table begins with */
    struct sg_conn *conns[COUNT], *again = NULL;
    uint64_t ids[COUNT], gone;
    int clients[COUNT], closed = 0, i, k;
    char text[64], expected[64];
    struct sockaddr_in address;
    socklen_t size = sizeof(address);

    (void)state;
    for (i = 0; i < COUNT; i++) {
        clients[i] = add(&conns[i]);
        ids[i] = sg_conn_id(conns[i]);
        for (k = 0; k < i; k++)
            assert_true(ids[k] != ids[i]);
    }
    assert_int_equal(sg_conn_table_count(table), COUNT);
    for (i = 0; i < COUNT; i++)
        assert_ptr_equal(sg_conn_find(table, ids[i]), conns[i]);
    assert_int_equal(getsockname(clients[3], (struct sockaddr *)&address, &size), 0);
    snprintf(expected, sizeof(expected), "127.0.0.1:%d", ntohs(address.sin_port));
    assert_string_equal(sg_conn_peer(conns[3], text, sizeof(text)), expected);
    assert_true(sg_conn_age_us(conns[3]) >= 0 && sg_conn_age_us(conns[3]) < (int64_t)PATIENCE_MS * 1000);
    gone = ids[3];
    sg_conn_close(&conns[3]);
    assert_null(conns[3]);
    assert_int_equal(heard.left, 1);
    assert_int_equal(sg_conn_table_count(table), COUNT - 1);
    assert_null(sg_conn_find(table, gone));
    close(clients[3]);
    clients[3] = add(&again);
    assert_int_equal(sg_conn_id(again) & (SG_CONN_TABLE_MAX - 1), gone & (SG_CONN_TABLE_MAX - 1));
    assert_true(sg_conn_id(again) != gone);
    assert_null(sg_conn_find(table, gone));
    assert_null(sg_conn_find(table, COUNT)); /* a place that was never used */
    sg_conn_each(table, close_it, &closed);
    assert_int_equal(closed, COUNT);
    assert_int_equal(heard.left, COUNT + 1);
    for (i = 0; i < COUNT; i++)
        close(clients[i]);
}

/* epoll does not take regular files (epoll_ctl(2), EPERM): the descriptor is closed and the place free again.
 */
static void what_cannot_be_waited_for_is_refused(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char name[] = "/tmp/conn_test_XXXXXX";
    int fd = mkstemp(name), client;
    struct sg_conn *conn = NULL;

    (void)state;
    unlink(name);
    assert_int_equal(sg_conn_add(table, fd, (struct sockaddr *)&address, sizeof(address), &conn), SG_E_IO);
    assert_null(conn);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(sg_conn_table_count(table), 0);
    client = add(&conn);
    assert_int_equal(sg_conn_id(conn) & (SG_CONN_TABLE_MAX - 1), 0);
    assert_int_equal(sg_conn_table_count(table), 1);
    close(client);
}

static void four_bytes_are_sniffed(void **state)
{
    struct sg_conn *conn = NULL;
    int client = add(&conn);
    int64_t began;
    char peeked[8];

    (void)state;
    assert_true(sg_conn_sniffing(conn));
    assert_false(sg_conn_begun(conn) || sg_conn_begins(conn));
    say(client, "GET");
    run_for(20);
    assert_int_equal(heard.sniffed, 0);
    assert_false(sg_conn_begun(conn)); /* nobody has looked */
    assert_true(sg_conn_begins(conn) && sg_conn_begun(conn));
    say(client, " /");
    began = sg_clock_us();
    until(&heard.sniffed, 1);
    assert_memory_equal(heard.head, "GET ", 4);
    assert_int_equal(sg_conn_peek(conn, peeked, sizeof(peeked)), 5);
    assert_memory_equal(peeked, "GET /", 5);
    until(&heard.sniffed, 2); /* held until then */
    assert_true(sg_clock_us() - began >= (int64_t)TIMEOUT_MS * 1000);
    assert_int_equal(heard.left, 1);
    assert_int_equal(heard.silent, 0);
    close(client);
}

static void fewer_are_waited_for(void **state)
{
    struct sg_conn *conn = NULL;
    int client = add(&conn);
    int64_t began = sg_clock_us();

    (void)state;
    sg_conn_set_deadline(conn, began + 30000); /* it says nothing */
    until(&heard.silent, 1);
    assert_true(sg_clock_us() - began >= 30000);
    assert_int_equal(heard.silent_count, 0);
    close(client);
    client = add(&conn); /* it begins, and has receive_timeout_ms from when that is seen */
    say(client, "G");
    began = sg_clock_us();
    sg_conn_set_deadline(conn, began + 30000);
    until(&heard.silent, 2);
    assert_true(sg_clock_us() - began >= 30000 + (int64_t)RECEIVE_MS * 1000);
    assert_int_equal(heard.silent_count, 1);
    assert_memory_equal(heard.head, "G\0\0", 4);
    close(client);
    client = add(&conn); /* it got no place: no more time for it */
    sg_conn_set_refused(conn, SG_E_BUSY);
    assert_int_equal(sg_conn_refused(conn), SG_E_BUSY);
    say(client, "GET");
    began = sg_clock_us();
    sg_conn_set_deadline(conn, began + 30000);
    until(&heard.silent, 3);
    assert_true(sg_clock_us() - began < (int64_t)RECEIVE_MS * 1000);
    assert_int_equal(heard.silent_count, 3);
    close(client);
    client = add(&conn); /* gone before it has said enough */
    say(client, "GET");
    close(client);
    until(&heard.left, 4);
    assert_int_equal(heard.silent, 3);
    assert_int_equal(heard.sniffed, 0);
}

static void reading_pauses_and_goes_on(void **state)
{
    struct sg_conn *conn = NULL;
    int client = open_one(&conn), got = 0;
    const struct sg_conn_counters *counters = sg_conn_table_counters(table);

    (void)state;
    assert_false(sg_conn_sniffing(conn));
    assert_ptr_equal(sg_conn_user(conn), &conn);
    heard.room = 4;
    say(client, "0123456789");
    while (heard.size < 10 && got++ < 1000)
        uv_run(&loop, UV_RUN_ONCE);
    assert_memory_equal(heard.data, "0123456789", 10);
    assert_int_equal(atomic_load(&counters->bytes_in), 10);
    heard.room = 0;
    say(client, "ab");
    run_for(20);
    assert_int_equal(heard.size, 10);
    assert_int_equal(sg_conn_peek(conn, heard.head, 1), 1);
    assert_int_equal(heard.head[0], 'a');
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    until(&heard.shut, 1); /* heard of although nothing is read */
    run_for(20);
    assert_int_equal(heard.shut, 1);
    assert_int_equal(heard.eof, 0);
    heard.room = 4;
    sg_conn_resume(conn);
    until(&heard.eof, 1);
    assert_int_equal(heard.size, 12);
    assert_memory_equal(heard.data + 10, "ab", 2);
    assert_int_equal(sg_conn_send(conn, "end", 3), 0); /* replies may still be sent */
    assert_int_equal(recv(client, heard.data, 8, MSG_WAITALL | MSG_DONTWAIT), 3);
    assert_memory_equal(heard.data, "end", 3);
    assert_int_equal(atomic_load(&counters->bytes_out), 3);
    assert_int_equal(heard.lost + heard.drained + heard.late, 0);
    close(client);
}

static uint8_t *numbered(void)
{
    uint8_t *bytes = malloc(LARGE);
    size_t i;

    assert_non_null(bytes);
    for (i = 0; i < LARGE; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    return bytes;
}

static void resets_are_losses(void **state)
{
    struct sg_conn *conn = NULL;
    int client = open_one(&conn);
    uint8_t *bytes = numbered();

    (void)state;
    reset(client);
    until(&heard.lost, 1);
    assert_int_equal(heard.lost_code, SG_E_IO);
    client = open_one(&conn);
    heard.room = 0; /* paused: it asks for nothing */
    say(client, "a");
    run_for(20);
    reset(client);
    until(&heard.lost, 2);
    assert_int_equal(heard.lost_code, SG_E_IO);
    assert_int_equal(heard.shut, 0);
    client = open_one(&conn);
    reset(client);
    assert_int_equal(sg_conn_send(conn, "a", 1), SG_E_IO);
    sg_conn_close(&conn);
    client = open_one(&conn); /* with a reply that waits */
    assert_int_equal(sg_conn_send(conn, bytes, LARGE), 0);
    reset(client);
    until(&heard.lost, 3);
    assert_int_equal(heard.lost_code, SG_E_IO);
    assert_int_equal(heard.eof + heard.drained, 0);
    free(bytes);
}

/* The client reads it all while the loop runs. */
static void read_all(int client, const uint8_t *expected, size_t size)
{
    static uint8_t chunk[65536];
    int64_t end = sg_clock_us() + (int64_t)PATIENCE_MS * 1000;
    size_t got = 0;

    while (got < size && sg_clock_us() < end) {
        ssize_t n = recv(client, chunk, sizeof(chunk), MSG_DONTWAIT);

        if (n > 0) {
            assert_memory_equal(chunk, expected + got, (size_t)n);
            got += (size_t)n;
        } else {
            assert_true(n < 0 && errno == EAGAIN);
        }
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(got, size);
}

static void replies_wait_for_their_reader(void **state)
{
    struct sg_conn *conn = NULL;
    int client = open_one(&conn);
    uint8_t *bytes = numbered();

    (void)state;
    assert_int_equal(sg_conn_send(conn, bytes, LARGE - 5), 0);
    assert_true(sg_conn_unsent(conn) > 0 && sg_conn_unsent(conn) < LARGE - 5);
    assert_int_equal(sg_conn_table_out_bytes(table), sg_conn_unsent(conn));
    assert_int_equal(sg_conn_send(conn, bytes + LARGE - 5, 5), 0); /* behind what waits */
    assert_int_equal(sg_conn_table_out_bytes(table), sg_conn_unsent(conn));
    read_all(client, bytes, LARGE);
    until(&heard.drained, 1);
    assert_int_equal(sg_conn_unsent(conn), 0);
    assert_int_equal(sg_conn_table_out_bytes(table), 0);
    assert_int_equal(atomic_load(&sg_conn_table_counters(table)->bytes_out), LARGE);
    assert_int_equal(heard.lost, 0);
    free(bytes);
    close(client);
}

/* Nobody reads: at first it waits, then the connection is lost. What never fits is refused. */
static void replies_do_not_wait_for_ever(void **state)
{
    struct sg_conn *conn = NULL;
    int client = open_one(&conn), i;
    uint8_t *bytes = numbered();
    int64_t began = sg_clock_us();

    (void)state;
    assert_int_equal(sg_conn_send(conn, bytes, LARGE), 0);
    until(&heard.lost, 1);
    assert_int_equal(heard.lost_code, SG_E_TIMEOUT);
    assert_true(sg_clock_us() - began >= (int64_t)TIMEOUT_MS * 1000);
    assert_int_equal(sg_conn_table_out_bytes(table), 0);
    close(client);
    client = open_one(&conn);
    assert_int_equal(sg_conn_send(conn, bytes, LARGE), 0);
    for (i = 0; sg_conn_unsent(conn) + LARGE <= SG_CONN_OUT_MAX_BYTES; i++)
        assert_int_equal(sg_conn_send(conn, bytes, LARGE), 0);
    assert_int_equal(i, 3); /* 64 MiB hold 4 times 16, less what the kernel took */
    assert_int_equal(sg_conn_send(conn, bytes, LARGE), SG_E_TOO_LARGE);
    sg_conn_finish(&conn, 1000);
    assert_null(conn);
    until(&heard.left, 2); /* nobody is told: it has no protocol any more */
    assert_int_equal(heard.lost, 1);
    free(bytes);
    close(client);
}

static void deadlines_come_once(void **state)
{
    struct sg_conn *conn = NULL;
    int client = open_one(&conn);
    int64_t began = sg_clock_us();

    (void)state;
    sg_conn_set_deadline(conn, began + 30000);
    until(&heard.late, 1);
    assert_true(sg_clock_us() - began >= 30000);
    run_for(50);
    assert_int_equal(heard.late, 1);
    sg_conn_set_deadline(conn, sg_clock_us() + 20000);
    sg_conn_set_deadline(conn, 0);
    run_for(50);
    assert_int_equal(heard.late, 1);
    assert_int_equal(sg_conn_table_count(table), 1);
    close(client);
}

static void the_last_reply_is_read(void **state)
{
    struct sg_conn *conn = NULL;
    int client = open_one(&conn);
    uint8_t *bytes = numbered();
    int64_t began;
    char end;

    (void)state;
    assert_int_equal(sg_conn_send(conn, bytes, LARGE), 0);
    say(client, "more that nobody reads");
    sg_conn_finish(&conn, PATIENCE_MS);
    assert_null(conn);
    read_all(client, bytes, LARGE);
    run_for(20);
    assert_int_equal(heard.drained, 0); /* no callback comes after finish */
    assert_int_equal(recv(client, &end, 1, MSG_DONTWAIT), 0);
    say(client, "and more");
    run_for(20);
    assert_int_equal(heard.left, 0);
    close(client);
    until(&heard.left, 1);
    client = open_one(&conn); /* one that does not close */
    began = sg_clock_us();
    sg_conn_finish(&conn, 60);
    until(&heard.left, 2);
    assert_true(sg_clock_us() - began >= 60000);
    close(client);
    client = open_one(&conn); /* one that is not waited for */
    sg_conn_finish(&conn, 0);
    assert_int_equal(heard.left, 3);
    close(client);
    client = open_one(&conn); /* one that has ended its side before */
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    until(&heard.eof, 1);
    sg_conn_finish(&conn, PATIENCE_MS);
    assert_int_equal(heard.left, 4);
    sg_conn_finish(&conn, 1);
    sg_conn_close(&conn);
    assert_int_equal(heard.size, 0);
    close(client);
    free(bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(places_are_found_and_used_again),
                                       TEST(what_cannot_be_waited_for_is_refused),
                                       TEST(four_bytes_are_sniffed),
                                       TEST(fewer_are_waited_for),
                                       TEST(reading_pauses_and_goes_on),
                                       TEST(resets_are_losses),
                                       TEST(replies_wait_for_their_reader),
                                       TEST(replies_do_not_wait_for_ever),
                                       TEST(deadlines_come_once),
                                       TEST(the_last_reply_is_read)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
