/* SPDX-License-Identifier: MIT
 * `sight send`: pictures to a server, over frame protocol v2. Every worker has one picture under way; all
 * share one connection, which is opened again when it is lost.
 */
#include "app/picture_command.h"
#include "base/clock.h"
#include "client/v2_link.h"
#include "codec/record.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW_DEFAULT  16
#define WAIT_FIRST_MS   100 /* before connecting again; doubled each time */
#define WAIT_LONGEST_MS 5000
#define BUSY_LEAST_MS   50
#define CONNECT_MS      10000
#define SLICE_MS        20 /* of a pause: between looks at the signal */

struct send_args {
    struct sg_picture_command_args command;
    struct sg_text to, pipeline;
    struct sg_found_args found;
    int decode, window;
    int64_t retry_ms, deadline_ms;
};

static const char *const decode_words[] = {"pipeline", "fast", "exact", NULL};

#define AT(member_name) .offset = offsetof(struct send_args, member_name), .flags = SG_OPTION_FLAG_ONLY

static const struct sg_option send_rows[] = {
    {.key = "to",
     .type = SG_OPTION_TEXT,
     AT(to),
     .value_name = "HOST:PORT",
     .value_default = SG_V2_LINK_ADDRESS,
     .section = "Which server",
     .help = "the server's address; without a port 8080; or unix:PATH"},
    {.key = "window",
     .type = SG_OPTION_INT,
     AT(window),
     .minimum = 0,
     .maximum = SG_BATCH_MAX_WORKERS,
     .value_default = "0",
     .help = "pictures under way at once; 0 = 16, or less when the server wants less"},
    {.key = "retry",
     .type = SG_OPTION_DURATION,
     AT(retry_ms),
     .minimum = 0,
     .maximum = 86400e3,
     .value_default = "30s",
     .help = "how long to try again when the connection is lost or the server is busy; 0 = not at all"},
    {.key = "deadline",
     .type = SG_OPTION_DURATION,
     AT(deadline_ms),
     .minimum = 0,
     .maximum = 3600e3,
     .value_default = "0",
     .help = "a picture that has no answer by then fails; 0 = none"},
    {.key = "pipeline",
     .type = SG_OPTION_TEXT,
     AT(pipeline),
     .short_flag = 'p',
     .value_name = "NAME",
     .absent = "the server's default one",
     .section = "What is found",
     .help = "pipeline to run"},
    SG_FOUND_ROWS(struct send_args, NULL, "the pipeline's"),
    {.key = "decode",
     .type = SG_OPTION_ENUM,
     AT(decode),
     .choices = decode_words,
     .value_default = "pipeline",
     .help = "how the server decodes: as its pipeline says, fast, or exact as OpenCV does"},
};

static const struct sg_option_table send_table = {.name = "send",
                                                  .rows = send_rows,
                                                  .row_count = sizeof(send_rows) / sizeof(send_rows[0]),
                                                  .struct_bytes = sizeof(struct send_args)};

/* The connection. Whoever uses it holds the lock for reading, whoever replaces it for writing: the link may
 * only be closed while no other call is under way, and a lost one lets all of them go at once. */
struct send {
    const struct sg_command *self;
    const struct send_args *args;
    struct sg_v2_infer infer;
    pthread_rwlock_t lock;
    struct sg_v2_link *link;
    unsigned generation; /* of the link */
    bool lost;           /* for good */
    struct sg_error why;
};

static int connect_once(struct send *send, struct sg_error *err)
{
    const struct sg_v2_link_options options = {
        .address = send->args->to.value, .connect_timeout_ms = CONNECT_MS, .send_timeout_ms = -1};

    return sg_v2_link_open(&options, &send->link, err);
}

/* Ends early when the run is to stop. */
static void pause_ms(int64_t ms)
{
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
    int64_t until = sg_clock_us() + ms * 1000;

    while (sg_clock_us() < until && !sg_picture_command_stopping())
        (void)nanosleep(&slice, NULL);
}

/* A new link in place of that of `generation`, unless another worker was here before. */
static int connect_again(struct send *send, unsigned generation, struct sg_error *err)
{
    int64_t until = sg_clock_us() + send->args->retry_ms * 1000, wait_ms = WAIT_FIRST_MS;
    int code = 0;

    pthread_rwlock_wrlock(&send->lock);
    if (!send->lost && send->generation == generation) {
        sg_v2_link_close(&send->link);
        while ((code = connect_once(send, &send->why)) < 0 && sg_clock_us() + wait_ms * 1000 < until &&
               !sg_picture_command_stopping()) {
            pause_ms(wait_ms);
            wait_ms = wait_ms * 2 < WAIT_LONGEST_MS ? wait_ms * 2 : WAIT_LONGEST_MS;
        }
        send->lost = code < 0;
        send->generation++;
    }
    if (send->lost)
        sg_error_set(err, SG_E_SHUTDOWN, "the connection to %s is lost: %s", send->args->to.value,
                     send->why.text);
    code = send->lost ? SG_E_SHUTDOWN : 0;
    pthread_rwlock_unlock(&send->lock);
    return code;
}

static int open_lane(void *ctx, void **out_state, struct sg_error *err)
{
    (void)err;
    *out_state = ctx;
    return 0;
}

static void close_lane(void *state)
{
    (void)state;
}

/* One request over the present link; *out_generation says which that was. The request's own failure goes to
 * err with *out_retry_ms; SG_E_IO, SG_E_SHUTDOWN and SG_E_TIMEOUT are the connection's. */
static int ask(struct send *send, const struct sg_buf *bytes, struct sg_result *result,
               unsigned *out_generation, int64_t *out_retry_ms, struct sg_error *err)
{
    const struct sg_v2_part part = {bytes->data, bytes->size, bytes->size, 1};
    struct sg_v2_reply *reply = NULL;
    uint64_t id = 0;
    int code = SG_E_IO;

    *out_retry_ms = 0;
    pthread_rwlock_rdlock(&send->lock);
    *out_generation = send->generation;
    if (send->link)
        code = sg_v2_link_submit(send->link, &send->infer, &part, 1, &id, err);
    if (code == 0)
        code = sg_v2_link_wait(send->link, id, -1, &reply, err);
    pthread_rwlock_unlock(&send->lock);
    if (code < 0 || !reply)
        return code;
    if (reply->error.code != SG_OK) {
        *err = reply->error;
        *out_retry_ms = reply->retry_ms;
        code = err->code;
    } else if (reply->format != SG_V2_RECORDS || sg_record_read(reply->body, reply->size, result) < 0) {
        code = sg_error_set(err, SG_E_FRAMING, "the server's result cannot be read");
    }
    sg_v2_reply_free(&reply);
    return code;
}

static int run_lane(void *state, const struct sg_buf *bytes, struct sg_result *result, struct sg_error *err)
{
    struct send *send = state;
    int64_t until = sg_clock_us() + send->args->retry_ms * 1000, retry_ms;
    unsigned generation;

    if (bytes->size == 0)
        return sg_error_set(err, SG_E_EMPTY_IMAGE, "no image bytes to send");
    for (;;) {
        int code;

        sg_error_clear(err); /* of the try before */
        code = ask(send, bytes, result, &generation, &retry_ms, err);

        if (code == SG_E_IO || code == SG_E_SHUTDOWN || code == SG_E_TIMEOUT) {
            if (connect_again(send, generation, err) < 0)
                return SG_E_SHUTDOWN;
        } else if ((code == SG_E_BUSY || code == SG_E_TOO_MANY) && sg_clock_us() < until &&
                   !sg_picture_command_stopping()) {
            pause_ms(retry_ms > BUSY_LEAST_MS ? retry_ms : BUSY_LEAST_MS);
        } else {
            return code;
        }
    }
}

static const struct sg_batch_ops lanes = {.open = open_lane, .run = run_lane, .close = close_lane};

static int prepare(void *ctx, int pictures, int *out_workers)
{
    struct send *send = ctx;
    struct sg_error err = {0};
    int window = send->args->window ? send->args->window : WINDOW_DEFAULT, most;

    if (connect_once(send, &err) < 0) {
        if (err.code == SG_E_IO)
            sg_error_set(&err, SG_E_IO, "no server: %s `sight serve` starts one", err.text);
        sg_command_fail(send->self, &err);
        return SG_E_IO;
    }
    most = (int)sg_v2_link_greeting(send->link)->window;
    window = most > 0 && window > most ? most : window;
    *out_workers = pictures > 0 && window > pictures ? pictures : window;
    return 0;
}

static int send_all(const struct sg_command *self, void *values, const struct sg_args *words)
{
    const struct send_args *args = values;
    struct send send = {.self = self, .args = args};
    struct sg_picture_command command = {.self = self,
                                         .args = &args->command,
                                         .words = words,
                                         .ops = &lanes,
                                         .ctx = &send,
                                         .prepare = prepare};
    const char *pipeline = args->pipeline.value ? args->pipeline.value : "";
    int status;

    if (strstr(args->to.value, "://"))
        return sg_command_usage(self,
                                "--to takes HOST:PORT without a scheme, such as 127.0.0.1:8080; the one "
                                "port speaks every protocol");
    if (strlen(pipeline) > SG_V2_NAME_MAX)
        return sg_command_usage(self, "no pipeline has such a long name");
    memcpy(send.infer.pipeline, pipeline, strlen(pipeline) + 1);
    send.infer.format = SG_V2_RECORDS;
    send.infer.deadline_ms = (uint32_t)args->deadline_ms;
    sg_found_options(&args->found, &send.infer.options);
    send.infer.options.decode = args->decode == 1   ? SG_DECODE_FAST
                                : args->decode == 2 ? SG_DECODE_EXACT
                                                    : SG_DECODE_AS_PIPELINE;
    pthread_rwlock_init(&send.lock, NULL);
    status = sg_picture_command_run(&command);
    sg_v2_link_close(&send.link);
    pthread_rwlock_destroy(&send.lock);
    return status;
}

static int run_send(const struct sg_command *self, int argc, char **argv)
{
    struct send_args values;
    const struct sg_args_binding bindings[] = {
        {&send_table, &values}, {&sg_picture_command_table, &values.command}, {NULL, NULL}};

    return sg_command_body(self, bindings, argc, argv, send_all, &values);
}

static const char *const examples[] = {
    "sight send photo.jpg",
    "one picture to the server on this machine",
    "sight send --to camera-box:8080 photos/ --output found.jsonl --resume",
    "a folder to another machine; may be broken off and started again",
    "sight send --pipeline faces --annotate out photos/",
    "the server finds, the pictures are drawn here",
    "sight send --watch incoming/ --output found.csv",
    "every picture that comes into a folder",
    NULL};

static const struct sg_option_table *const tables[] = {&send_table, &sg_picture_command_table, NULL};

const struct sg_command sg_command_send = {
    .args =
        {.name = "sight send",
         .summary = "find objects in pictures, at a server",
         .positional = "[IMAGE…]",
         .max_positionals = SG_ARGS_MAX_POSITIONALS,
         .description =
             "Sends pictures to a running `sight serve`, several at once, and prints what it found, in the "
             "order of the pictures. An IMAGE is a file, a folder (its pictures, and those of its folders, "
             "in natural order), a pattern in quotes (\"photos/*.jpg\") or - for standard input.\nA picture "
             "that fails is reported, the others go on. A connection that is lost is opened again, and what "
             "was under way is sent again.",
         .examples = examples},
    .tables = tables,
    .run = run_send,
};
