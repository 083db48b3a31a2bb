/* SPDX-License-Identifier: MIT
 * The seed reply and the native reply. Written straight into the buffer, a few microseconds for ten objects:
 * a tree of nodes built first costs an allocation per node. Called by workers and by the command line.
 */
#include "codec/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define BOX_DECIMALS    2
#define SCORE_DECIMALS  4
#define VALUE_DECIMALS  4
#define VECTOR_DECIMALS 6
#define SEED_HEAD_BYTES 48 /* what stands before the first object */
#define SEED_TAIL_BYTES 96 /* what may follow the last object and the answers: totals, braces */

/* Keeps the first failure, so that a sequence of puts needs one check. */
struct writer {
    struct sg_buf *out;
    int code;
};

static void put_bytes(struct writer *writer, const char *text, size_t size)
{
    if (writer->code == 0)
        writer->code = sg_buf_append(writer->out, text, size);
}

static void put(struct writer *writer, const char *text)
{
    put_bytes(writer, text, strlen(text));
}

static void put_text(struct writer *writer, const char *text)
{
    if (writer->code == 0)
        writer->code = sg_json_text(text, writer->out);
}

static void put_number(struct writer *writer, double value, int decimals)
{
    if (writer->code == 0)
        writer->code = sg_json_number(value, decimals, writer->out);
}

/* Of what is followed. All 64 bits, as a whole number. */
static void put_track(struct writer *writer, const struct sg_object *object)
{
    if (writer->code == 0 && object->track_id != 0)
        writer->code = sg_buf_printf(writer->out, ",\"track_id\":%" PRIu64, object->track_id);
}

static void put_error(struct writer *writer, const struct sg_error *err)
{
    put(writer, "{\"code\":");
    put_text(writer, sg_err_name(err->code));
    put(writer, ",\"message\":");
    put_text(writer, err->text);
    put(writer, "}");
}

static void put_box(struct writer *writer, const struct sg_box *box)
{
    put(writer, "\"bbox\":{\"x\":");
    put_number(writer, box->x1, BOX_DECIMALS);
    put(writer, ",\"y\":");
    put_number(writer, box->y1, BOX_DECIMALS);
    put(writer, ",\"w\":");
    put_number(writer, (double)box->x2 - box->x1, BOX_DECIMALS);
    put(writer, ",\"h\":");
    put_number(writer, (double)box->y2 - box->y1, BOX_DECIMALS);
    put(writer, "}");
}

static void put_point(struct writer *writer, bool first, float x, float y)
{
    put(writer, first ? "[" : ",[");
    put_number(writer, x, BOX_DECIMALS);
    put(writer, ",");
    put_number(writer, y, BOX_DECIMALS);
    put(writer, "]");
}

static void put_landmarks(struct writer *writer, const struct sg_object *object)
{
    bool scored = false;
    int i;

    if (object->landmark_count == 0)
        return;
    put(writer, ",\"landmarks\":[");
    for (i = 0; i < object->landmark_count; i++) {
        put_point(writer, i == 0, object->landmarks[i].x, object->landmarks[i].y);
        scored = scored || object->landmarks[i].score >= 0;
    }
    put(writer, "]");
    if (!scored)
        return;
    put(writer, ",\"landmark_scores\":[");
    for (i = 0; i < object->landmark_count; i++) {
        put(writer, i ? "," : "");
        put_number(writer, object->landmarks[i].score, SCORE_DECIMALS);
    }
    put(writer, "]");
}

static void put_points(struct writer *writer, const char *key, const struct sg_point *points, int count)
{
    int i;

    put(writer, key);
    for (i = 0; i < count; i++)
        put_point(writer, i == 0, points[i].x, points[i].y);
    put(writer, "]");
}

static void put_vector(struct writer *writer, const struct sg_attribute *attribute)
{
    int i;

    put(writer, ",\"vector\":[");
    for (i = 0; i < attribute->vector_length; i++) {
        put(writer, i ? "," : "");
        put_number(writer, attribute->vector[i], VECTOR_DECIMALS);
    }
    put(writer, "]");
}

/* The two replies name the same things differently. */
struct words {
    const char *class_id, *score;
};

static const struct words seed_words = {",\"class\":", ",\"prob\":"};
static const struct words native_words = {",\"class_id\":", ",\"score\":"};

static void put_attributes(struct writer *writer, const struct words *words,
                           const struct sg_attribute *attributes, int count, bool vectors)
{
    int i;

    for (i = 0; i < count; i++) {
        const struct sg_attribute *attribute = &attributes[i];

        put(writer, i ? ",{\"model\":" : "{\"model\":");
        put_text(writer, attribute->model);
        if (attribute->name) {
            put(writer, ",\"name\":");
            put_text(writer, attribute->name);
        }
        if (attribute->class_id >= 0) {
            put(writer, words->class_id);
            put_number(writer, attribute->class_id, 0);
            if (attribute->label) {
                put(writer, ",\"label\":");
                put_text(writer, attribute->label);
            }
            put(writer, words->score);
            put_number(writer, attribute->score, SCORE_DECIMALS);
        }
        if (attribute->has_value) {
            put(writer, ",\"value\":");
            put_number(writer, attribute->value, VALUE_DECIMALS);
            if (attribute->unit) {
                put(writer, ",\"unit\":");
                put_text(writer, attribute->unit);
            }
        }
        if (attribute->vector && vectors)
            put_vector(writer, attribute);
        put(writer, "}");
    }
}

/* "label" and "prob" of the first class that a second model gave, then all that second models said. */
static void put_seed_classified(struct writer *writer, const struct sg_attribute *attributes, int count,
                                bool vectors)
{
    int i;

    if (count == 0)
        return;
    for (i = 0; i < count && attributes[i].class_id < 0; i++)
        ;
    if (i < count) {
        if (attributes[i].label) {
            put(writer, ",\"label\":");
            put_text(writer, attributes[i].label);
        }
        put(writer, ",\"prob\":");
        put_number(writer, attributes[i].score, SCORE_DECIMALS);
    }
    put(writer, ",\"classified\":[");
    put_attributes(writer, &seed_words, attributes, count, vectors);
    put(writer, "]");
}

static void put_seed_object(struct writer *writer, const struct sg_object *object, int index)
{
    put(writer, ",\"object");
    put_number(writer, index, 0);
    put(writer, "\":{");
    put_box(writer, &object->box);
    put(writer, ",\"classes\":");
    put_number(writer, object->class_id, 0);
    put(writer, ",\"objectness\":");
    put_number(writer, object->score, SCORE_DECIMALS);
    if (object->label) {
        put(writer, ",\"name\":");
        put_text(writer, object->label);
    }
    put_seed_classified(writer, object->attributes, object->attribute_count, true);
    if (object->text) {
        put(writer, ",\"text\":");
        put_text(writer, object->text);
    }
    put_landmarks(writer, object);
    put_track(writer, object);
    put(writer, "}");
}

/* What of the picture's own answers goes into a seed reply. */
struct answers {
    int count;
    bool vectors;
    size_t bytes;
};

/* Writes the first `count` answers and takes them back. How many bytes they have; more than room: too many.
 */
static size_t measure(const struct writer *writer, const struct sg_result *result, int count, bool vectors,
                      size_t room)
{
    struct writer trial = {.out = writer->out};
    size_t start = trial.out->size, bytes;

    put_seed_classified(&trial, result->attributes, count, vectors);
    bytes = trial.code == 0 ? trial.out->size - start : room + 1;
    trial.out->size = start;
    return bytes;
}

/* All when they fit; else without their vectors, which are what takes room; else the first ones. With objects
 * half of the reply is theirs. */
static struct answers choose_answers(const struct writer *writer, const struct sg_result *result,
                                     size_t max_bytes)
{
    struct answers answers = {.count = result->attribute_count, .vectors = true};
    size_t taken = SEED_HEAD_BYTES + SEED_TAIL_BYTES, room = max_bytes > taken ? max_bytes - taken : 0;
    int fits = 0, too_many = answers.count;

    if (result->object_count > 0)
        room /= 2;
    answers.bytes = measure(writer, result, answers.count, true, room);
    if (answers.bytes <= room)
        return answers;
    answers.vectors = false;
    answers.bytes = measure(writer, result, answers.count, false, room);
    if (answers.bytes <= room)
        return answers;
    while (too_many - fits > 1) {
        int middle = fits + (too_many - fits) / 2;

        if (measure(writer, result, middle, false, room) <= room)
            fits = middle;
        else
            too_many = middle;
    }
    answers.count = fits;
    answers.bytes = measure(writer, result, fits, false, room);
    return answers;
}

static void put_seed_tail(struct writer *writer, const struct sg_result *result, int count,
                          const struct answers *answers)
{
    bool cut = answers->count < result->attribute_count || (!answers->vectors && answers->count > 0);

    put_seed_classified(writer, result->attributes, answers->count, answers->vectors);
    if (count < result->object_count || cut)
        put(writer, ",\"truncated\":true");
    if (count < result->object_count) {
        put(writer, ",\"object_total\":");
        put_number(writer, result->object_count, 0);
    }
    if (cut) {
        put(writer, ",\"classified_total\":");
        put_number(writer, result->attribute_count, 0);
    }
    put(writer, "}");
}

/* Writes the first `count` objects. Returns how many fit into max_bytes; when it is fewer than count what was
 * written is of no use. */
static int put_seed(struct writer *writer, const struct sg_result *result, int count,
                    const struct answers *answers, size_t max_bytes)
{
    size_t start = writer->out->size;
    int i;

    put(writer, "{\"object_list\":{\"object_num\":");
    put_number(writer, count, 0);
    for (i = 0; i < count && writer->code == 0; i++) {
        put_seed_object(writer, &result->objects[i], i);
        if (writer->out->size - start + answers->bytes + SEED_TAIL_BYTES > max_bytes)
            return i;
    }
    put(writer, "}");
    put_seed_tail(writer, result, count, answers);
    return count;
}

int sg_json_seed(const struct sg_result *result, const struct sg_error *err, size_t max_bytes,
                 struct sg_buf *out)
{
    struct writer writer = {.out = out};
    struct answers answers;
    size_t start = out->size;
    int count, fits;

    if (err && err->code != SG_OK) {
        put(&writer, "{\"object_list\":{\"object_num\":0},\"error\":");
        put_error(&writer, err);
        put(&writer, "}");
        return writer.code;
    }
    answers = choose_answers(&writer, result, max_bytes);
    count = result->object_count;
    /* A reply that is too large is written again for fewer objects: object_num stands before them. */
    while ((fits = put_seed(&writer, result, count, &answers, max_bytes)) < count && writer.code == 0) {
        out->size = start;
        count = fits;
    }
    return writer.code;
}

static void put_native_object(struct writer *writer, const struct sg_object *object)
{
    put_box(writer, &object->box);
    put(writer, ",\"class_id\":");
    put_number(writer, object->class_id, 0);
    if (object->label) {
        put(writer, ",\"label\":");
        put_text(writer, object->label);
    }
    put(writer, ",\"score\":");
    put_number(writer, object->score, SCORE_DECIMALS);
    put_landmarks(writer, object);
    if (object->has_quad)
        put_points(writer, ",\"quad\":[", object->quad, 4);
    if (object->polygon_count > 0)
        put_points(writer, ",\"polygon\":[", object->polygon, object->polygon_count);
    if (object->text) {
        put(writer, ",\"text\":");
        put_text(writer, object->text);
        put(writer, ",\"text_score\":");
        put_number(writer, object->text_score, SCORE_DECIMALS);
    }
    if (object->attribute_count > 0) {
        put(writer, ",\"attributes\":[");
        put_attributes(writer, &native_words, object->attributes, object->attribute_count, true);
        put(writer, "]");
    }
    if (object->parent >= 0) {
        put(writer, ",\"parent\":");
        put_number(writer, object->parent, 0);
    }
    put_track(writer, object);
}

static void put_timing(struct writer *writer, const struct sg_result *result)
{
    int i;

    put(writer, ",\"timing_us\":{");
    for (i = 0; i < SG_STAGE_COUNT; i++) {
        put(writer, i ? ",\"" : "\"");
        put(writer, sg_stage_name((enum sg_stage)i));
        put(writer, "\":");
        put_number(writer, (double)result->timing_us[i], 0);
    }
    put(writer, "}");
}

/* id, source, pipeline and stream, each with a comma behind it. */
static void put_native_head(struct writer *writer, const struct sg_result *result,
                            const struct sg_json_native *options)
{
    if (options && options->id) {
        put(writer, "\"id\":");
        put_text(writer, options->id);
        put(writer, ",");
    }
    if (options && options->source) {
        put(writer, "\"source\":");
        put_text(writer, options->source);
        put(writer, ",");
    }
    if (result && result->pipeline) {
        put(writer, "\"pipeline\":");
        put_text(writer, result->pipeline);
        put(writer, ",");
    }
    if (result && result->stream) {
        put(writer, "\"stream\":");
        put_text(writer, result->stream);
        put(writer, ",");
    }
}

int sg_json_native(const struct sg_result *result, const struct sg_error *err,
                   const struct sg_json_native *options, struct sg_buf *out)
{
    struct writer writer = {.out = out};
    int i;

    put(&writer, "{");
    put_native_head(&writer, result, options);
    if (err && err->code != SG_OK) {
        put(&writer, "\"error\":");
        put_error(&writer, err);
        put(&writer, "}");
        return writer.code;
    }
    put(&writer, "\"image\":{\"width\":");
    put_number(&writer, result->width, 0);
    put(&writer, ",\"height\":");
    put_number(&writer, result->height, 0);
    put(&writer, "},\"objects\":[");
    for (i = 0; i < result->object_count; i++) {
        put(&writer, i ? ",{" : "{");
        put_native_object(&writer, &result->objects[i]);
        put(&writer, "}");
    }
    put(&writer, "]");
    if (result->attribute_count > 0) {
        put(&writer, ",\"attributes\":[");
        put_attributes(&writer, &native_words, result->attributes, result->attribute_count, true);
        put(&writer, "]");
    }
    if (!options || !options->no_timing)
        put_timing(&writer, result);
    put(&writer, "}");
    return writer.code;
}
