/* SPDX-License-Identifier: MIT
 * Batches on a real model. Expected: what the model gives for each picture on its own.
 */
#include "pipeline/batch.h"

#include "conf/problems.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PICTURES  4
#define MANY      7 /* no power of two, and more than the four that models are measured with */
#define ROUNDS    6
#define TOLERANCE 2e-3 /* of the largest value: kernels sum a batch in another order */

static struct sg_engine *engine;
static struct sg_model *model;

static int open_model(void **state)
{
    const char *root = getenv("SIGHT_ROOT");
    struct sg_conf_problems problems = {0};
    struct sg_error err = {0};
    char path[1024];
    struct sg_model_options options = {.path = path, .wide_threads = 2, .narrow = true};

    (void)state;
    snprintf(path, sizeof(path), "%s/models/expression", root ? root : ".");
    if (access(path, R_OK) != 0)
        return 0;
    if (sg_engine_create(&engine, &err) < 0 || sg_model_open(engine, &options, &problems, &model, &err) < 0)
        print_error("%s\n", err.text);
    sg_conf_problems_fini(&problems);
    return model ? 0 : -1;
}

static int close_model(void **state)
{
    (void)state;
    sg_model_destroy(&model);
    sg_engine_destroy(&engine);
    return 0;
}

static void need_model(void)
{
    if (!model) {
        print_message("skipped: models/expression is absent (make deps)\n");
        skip();
    }
}

static void fill(void *data, int picture)
{
    const struct sg_transform *t = &model->transform;
    float *values = data;
    int i;

    for (i = 0; i < 3 * t->width * t->height; i++)
        values[i] = 0.5f + 0.4f * sinf((float)i * 0.001f * (float)(picture + 1));
}

/* Values of one picture, weighed so that their order counts. */
static double digest(const struct sg_tensor *output, int item)
{
    int64_t count = sg_tensor_count(output) / output->dims[0], k;
    double sum = 0.0;

    for (k = 0; k < count; k++)
        sum += (double)sg_tensor_at(output, item * count + k) * (double)(1 + k % 5);
    return sum / (double)count;
}

static double alone(int picture)
{
    struct sg_runner *runner = NULL;
    struct sg_tensor tensor;
    struct sg_error err = {0};
    size_t item_bytes;
    double sum;
    int count;

    assert_int_equal(sg_model_borrow(model, false, &runner, &err), 0);
    assert_int_equal(sg_model_shape(model, runner, &model->transform, 1, &tensor, &item_bytes, &err), 0);
    fill(tensor.data, picture);
    assert_int_equal(sg_runner_run(runner, &err), 0);
    sum = digest(&sg_runner_outputs(runner, &count)[0], 0);
    sg_model_return(model, &runner);
    return sum;
}

struct lane {
    struct sg_batcher *batcher;
    const atomic_int *in_flight;
    int picture, code, workers;
    double sums[ROUNDS];
};

static void *run_lane(void *arg)
{
    struct lane *lane = arg;
    int i, count;

    for (i = 0; i < ROUNDS && lane->code == 0; i++) {
        struct sg_batch_seat seat;
        struct sg_error err = {0};

        lane->code = sg_batcher_join(lane->batcher, &seat, &err);
        if (lane->code < 0)
            break;
        fill(seat.data, lane->picture);
        lane->code = sg_batcher_run(lane->batcher, &seat, lane->in_flight, lane->workers, &err);
        if (lane->code == 0)
            lane->sums[i] = digest(&sg_batcher_outputs(&seat, &count)[0], seat.index);
        sg_batcher_leave(lane->batcher, &seat);
    }
    return NULL;
}

/* Each thread sends one picture over and over; every batch is made of what the others are at. */
static void run_together(int together, int max, int64_t delay_us, uint64_t *runs, uint64_t *pictures)
{
    struct lane lanes[MANY];
    struct sg_batcher *batcher = NULL;
    pthread_t threads[MANY];
    atomic_int in_flight = together;
    int i, k;

    assert_int_equal(sg_batcher_create(model, max, delay_us, &batcher), 0);
    for (i = 0; i < together; i++) {
        lanes[i] =
            (struct lane){.batcher = batcher, .in_flight = &in_flight, .picture = i, .workers = together};
        assert_int_equal(pthread_create(&threads[i], NULL, run_lane, &lanes[i]), 0);
    }
    for (i = 0; i < together; i++)
        pthread_join(threads[i], NULL);
    for (i = 0; i < together; i++) {
        double expected = alone(i);

        assert_int_equal(lanes[i].code, 0);
        for (k = 0; k < i; k++) /* or a mix-up would go unseen */
            assert_true(fabs(lanes[k].sums[0] - expected) > 2.0 * TOLERANCE * fabs(expected));
        for (k = 0; k < ROUNDS; k++)
            assert_true(fabs(lanes[i].sums[k] - expected) <= TOLERANCE * fabs(expected));
    }
    sg_batcher_counts(batcher, runs, pictures);
    sg_batcher_destroy(&batcher);
    assert_null(batcher);
}

static void pictures_that_share_a_run_keep_their_results(void **state)
{
    uint64_t runs, pictures;

    (void)state;
    need_model();
    assert_true(model->batches);
    run_together(PICTURES, PICTURES, 100000000, &runs, &pictures); /* so long that only a full batch runs */
    assert_int_equal(pictures, PICTURES * ROUNDS);
    assert_int_equal(runs, ROUNDS);
    run_together(PICTURES, 3, 2000, &runs, &pictures);
    assert_int_equal(pictures, PICTURES * ROUNDS);
    assert_true(runs >= PICTURES * ROUNDS / 3 && runs <= PICTURES * ROUNDS);
    run_together(MANY, MANY, 100000000, &runs, &pictures);
    assert_int_equal(pictures, MANY * ROUNDS);
    assert_int_equal(runs, ROUNDS);
}

/* Nobody else is in flight: a wait of an hour would not end. */
static void the_only_one_does_not_wait(void **state)
{
    struct lane lane = {0};
    atomic_int in_flight = 1;
    uint64_t runs, pictures;

    (void)state;
    need_model();
    assert_int_equal(sg_batcher_create(model, 8, (int64_t)3600 * 1000000, &lane.batcher), 0);
    lane.in_flight = &in_flight;
    run_lane(&lane);
    assert_int_equal(lane.code, 0);
    sg_batcher_counts(lane.batcher, &runs, &pictures);
    assert_int_equal(runs, ROUNDS);
    sg_batcher_destroy(&lane.batcher);
}

/* Five jobs in flight and one worker: the other four cannot come, and a wait of an hour would not end. */
static void nobody_waits_for_more_than_there_are_workers(void **state)
{
    struct lane lane = {.workers = 1};
    atomic_int in_flight = 5;
    uint64_t runs, pictures;

    (void)state;
    need_model();
    assert_int_equal(sg_batcher_create(model, 8, (int64_t)3600 * 1000000, &lane.batcher), 0);
    lane.in_flight = &in_flight;
    run_lane(&lane);
    assert_int_equal(lane.code, 0);
    sg_batcher_counts(lane.batcher, &runs, &pictures);
    assert_true(runs == ROUNDS && pictures == ROUNDS);
    sg_batcher_destroy(&lane.batcher);
}

/* The runner of all cores: there is one, and whoever does not give it back keeps it from all others. */
static const struct sg_runner *wide_runner(void)
{
    struct sg_runner *runner = NULL;
    const struct sg_runner *seen;

    assert_int_equal(sg_model_borrow(model, true, &runner, NULL), 0);
    seen = runner;
    sg_model_return(model, &runner);
    return seen;
}

struct guest {
    struct sg_batcher *batcher;
    const atomic_int *in_flight;
    struct sg_batch_seat seat;
    int code;
    struct sg_error err;
};

static void *run_guest(void *arg)
{
    struct guest *guest = arg;

    guest->code = sg_batcher_run(guest->batcher, &guest->seat, guest->in_flight, PICTURES, &guest->err);
    sg_batcher_leave(guest->batcher, &guest->seat);
    return NULL;
}

/* A side that the graph does not take, once before anybody sits down and once when both do: each is told, and
 * the next batch is as any. */
static void a_batch_that_fails_does_so_for_all_of_it(void **state)
{
    static const char says[] = "input \"input\": the graph declares ?x3x112x112, got 2x3x112x113";
    atomic_int in_flight = 2;
    struct guest guests[2];
    struct sg_batcher *batcher = NULL;
    const struct sg_runner *wide;
    int width, i, round;
    pthread_t thread;

    (void)state;
    need_model();
    width = model->transform.width;
    wide = wide_runner();
    assert_int_equal(sg_batcher_create(model, 2, (int64_t)3600 * 1000000, &batcher), 0);
    for (i = 0; i < 2; i++) {
        guests[i] = (struct guest){.batcher = batcher, .in_flight = &in_flight};
        model->transform.width = width + 1;
        assert_true(sg_batcher_join(batcher, &guests[i].seat, &guests[i].err) < 0);
        assert_string_equal(guests[i].err.text, says);
        model->transform.width = width;
        assert_ptr_equal(wide_runner(), wide);
    }
    for (round = 0; round < 3; round++) {
        for (i = 0; i < 2; i++) {
            guests[i] = (struct guest){.batcher = batcher, .in_flight = &in_flight};
            assert_int_equal(sg_batcher_join(batcher, &guests[i].seat, &guests[i].err), 0);
            assert_int_equal(guests[i].seat.index, i);
            fill(guests[i].seat.data, i);
        }
        model->transform.width = width + (round == 1);
        assert_int_equal(pthread_create(&thread, NULL, run_guest, &guests[1]), 0);
        run_guest(&guests[0]);
        pthread_join(thread, NULL);
        model->transform.width = width;
        for (i = 0; i < 2; i++) {
            assert_true(round == 1 ? guests[i].code < 0 : guests[i].code == 0);
            assert_int_equal(guests[i].err.code, guests[i].code);
            assert_string_equal(guests[i].err.text, round == 1 ? says : "");
        }
        assert_ptr_equal(wide_runner(), wide);
    }
    sg_batcher_destroy(&batcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_that_share_a_run_keep_their_results),
        cmocka_unit_test(the_only_one_does_not_wait),
        cmocka_unit_test(nobody_waits_for_more_than_there_are_workers),
        cmocka_unit_test(a_batch_that_fails_does_so_for_all_of_it),
    };

    return cmocka_run_group_tests(tests, open_model, close_model);
}
