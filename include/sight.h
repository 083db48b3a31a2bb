/* SPDX-License-Identifier: MIT
 *
 * sight.h: images in, objects out, from C and C++. Link with libsight (pkg-config sight).
 *
 *     struct sight_pipeline *faces = NULL;
 *     struct sight_result *result = NULL;
 *     struct sight_error error;
 *
 *     if (sight_pipeline_open("faces", NULL, &faces, &error) < 0 || sight_result_create(&result) < 0 ||
 *         sight_infer(faces, jpeg, jpeg_bytes, NULL, result, &error) < 0)
 *         ...error.message...
 *
 * In process: a pipeline is opened once and may be run by any number of threads at once. Over the network: a
 * client keeps many requests under way on one connection to a sightd server (frame protocol v2).
 *
 * Conventions
 *   - Functions that can fail return 0 or a negative enum sight_code. Their last parameter, which may be
 * NULL, takes code and message. There is no global error and errno means nothing.
 *   - `const T *` is borrowed for the call; `T **out_x` is given to you; what has a destroy or close must see
 *     it. Those take `T **`, accept NULL and a pointer to NULL, and leave NULL.
 *   - Structs of options begin with their size, which the SIGHT_..._INIT macros fill in; later versions
 *     append fields, and a program compiled today goes on working. A size smaller than that of the first
 *     version is SIGHT_E_INVALID; one larger than the library's own is accepted while the rest is zero, else
 *     SIGHT_E_UNSUPPORTED. A NULL pointer to options means "all defaults".
 *   - Structs that the library hands out by pointer (sight_object, sight_attribute) also grow at their end:
 * do not copy them by value across library versions, and never make arrays of them.
 *   - Texts are UTF-8 with a NUL. Coordinates are pixels of the upright picture at its full size (EXIF
 *     orientation applied), x to the right, y downward, 0,0 the outer corner of the first pixel. Scores and
 *     probabilities are 0..1. Times are in the unit that the name says.
 *   - The library prints nothing, has no settings beyond what is passed in, and catches no signals. It starts
 *     threads (of the inference runtime, one per client), so open what you need after fork, not before it.
 */
#ifndef SIGHT_H
#define SIGHT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SIGHT_API __attribute__((visibility("default")))
#else
#define SIGHT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------- versions -- */

/* Of this header. The library is compatible with every program built against the same major version and an
 * equal or lower minor one; while the major version is 0, every minor version may break. */
#define SIGHT_VERSION_MAJOR 0
#define SIGHT_VERSION_MINOR 1

/* Version of the library in use, three numbers with dots between them. Static text; any thread. */
SIGHT_API const char *sight_version(void);

/* --------------------------------------------------------------------------------------------- errors -- */

/* The wire name (sight_code_name, JSON's error.code) stands behind each. Numbers never change. */
enum sight_code {
    SIGHT_OK = 0,
    SIGHT_E_NOMEM = -1,       /* out_of_memory */
    SIGHT_E_INTERNAL = -2,    /* internal: a fault of the library or server itself */
    SIGHT_E_INVALID = -3,     /* invalid_argument: missing, of the wrong size or out of range */
    SIGHT_E_FRAMING = -4,     /* bad_framing: the other side does not speak the protocol */
    SIGHT_E_TOO_LARGE = -5,   /* too_large: bytes, pixels or counts above a limit */
    SIGHT_E_EMPTY_IMAGE = -6, /* empty_image: no bytes */
    SIGHT_E_BAD_IMAGE = -7,   /* bad_image: damaged, or not an image */
    SIGHT_E_UNSUPPORTED = -8, /* unsupported: a format or feature */
    SIGHT_E_NOT_FOUND = -9,   /* not_found: no such pipeline, model, file, host or request */
    SIGHT_E_CONFIG = -10,     /* bad_config: a file or card is wrong; the message has file:line:column */
    SIGHT_E_MODEL = -11,      /* bad_model: cannot be loaded, or its head cannot be told */
    SIGHT_E_INFERENCE = -12,  /* inference_failed: the runtime refused to run the model */
    SIGHT_E_BUSY = -13,       /* busy: try again later */
    SIGHT_E_DEADLINE = -14,   /* deadline_exceeded */
    SIGHT_E_CANCELLED = -15,  /* cancelled */
    SIGHT_E_DROPPED = -16,    /* dropped: a newer frame took its place */
    SIGHT_E_TIMEOUT = -17,    /* timeout: nothing came, or nothing could be sent, in time */
    SIGHT_E_IO = -18,         /* io: a file or socket operation failed, or the connection was lost */
    SIGHT_E_SHUTDOWN = -19,   /* shutting_down: the server is stopping */
    SIGHT_E_TOO_MANY = -20    /* too_many_requests: this client's share is under way; try again later */
};

#define SIGHT_MESSAGE_MAX 512

/* What went wrong, for people: what failed, the subject, got and limit, what to change. Yours; written only
 * when a function fails. */
struct sight_error {
    int code; /* enum sight_code */
    char message[SIGHT_MESSAGE_MAX];
};

/* "bad_image" for SIGHT_E_BAD_IMAGE, "ok" for 0, "internal" for a number that is no code. Static; any thread.
 */
SIGHT_API const char *sight_code_name(int code);

/* ------------------------------------------------------------------------------------------ pictures -- */

enum sight_pixel {
    SIGHT_RGB24 = 1, /* 3 bytes a pixel, red first */
    SIGHT_BGR24 = 2, /* 3 bytes a pixel, blue first: what OpenCV has */
    SIGHT_GRAY8 = 3, /* 1 byte a pixel */
    SIGHT_NV12 = 4   /* a plane of luma, then one of interleaved U, V at half size; BT.601, limited range;
                      * even sides */
};

/* Pixels of yours, borrowed for the call and never copied in process. Upright, at full size. */
struct sight_pixels {
    size_t size; /* sizeof(struct sight_pixels) */
    int format;  /* enum sight_pixel */
    int width;   /* 1..65535 */
    int height;  /* 1..65535 */
    /* Bytes from one row to the next (both planes of NV12), at least those of a row; 0 = rows without gaps.
     */
    size_t stride_bytes;
    /* First byte of the first row; any alignment. */
    const void *data;
    /* Bytes that may be read behind data; the last row need not be padded. Fewer than the sizes above need is
     * SIGHT_E_INVALID. */
    size_t data_bytes;
    /* NV12: the second plane; NULL = it follows stride_bytes * height bytes of luma in data. */
    const void *chroma;
    size_t chroma_bytes; /* that may be read behind chroma */
};
#define SIGHT_PIXELS_INIT {sizeof(struct sight_pixels), 0, 0, 0, 0, NULL, 0, NULL, 0}

/* ------------------------------------------------------------------------------------------- results -- */

/* What was found in one picture. Not shared between threads: one at a time may use a result. Reuse one for
 * frame after frame: steady state then allocates nothing. */
struct sight_result;

struct sight_point {
    float x, y; /* pixels */
};

struct sight_keypoint {
    float x, y;  /* pixels */
    float score; /* visibility 0..1; negative when the model gives none */
};

/* What a second model says of an object, or of the whole picture. */
struct sight_attribute {
    const char *model;   /* name of the model, "expression" */
    const char *name;    /* what is measured where one model says several things ("gender", "age"), or NULL */
    const char *label;   /* of class_id, or NULL */
    int class_id;        /* 0 or more; -1 for a value or a vector */
    float score;         /* probability of class_id */
    int has_value;       /* 1: value holds */
    float value;         /* a number, such as an age */
    const char *unit;    /* of value ("years"), or NULL */
    const float *vector; /* an embedding, L2-normalised, or NULL */
    int vector_length;
};

struct sight_object {
    float x, y, w, h; /* top left corner and size, within the picture */
    int class_id;
    float score;
    const char *label; /* NULL when the class has no name */
    int parent;        /* index of the object this one was found inside of, or -1 */
    int landmark_count;
    const struct sight_keypoint *landmarks; /* landmark_count of them, or NULL */
    int attribute_count;                    /* see sight_result_attribute */
    int polygon_count;
    const struct sight_point *polygon; /* outline of the mask, polygon_count corners, or NULL */
    const struct sight_point *quad; /* of a line of text: 4 corners, clockwise from its top left; or NULL */
    const char *text;               /* what was read, or NULL */
    float text_score;               /* mean probability of its characters */
};

/* SIGHT_E_NOMEM. Any thread. An empty result has no objects and a picture of 0x0. */
SIGHT_API int sight_result_create(struct sight_result **out_result);
/* May come after the pipeline was closed: a result keeps what it needs of it. */
SIGHT_API void sight_result_destroy(struct sight_result **result);

/* All below: the thread that has the result; NULL is an empty result. What they return is the result's own
 * and valid until the result is written to again (infer, wait) or destroyed. */

/* SIGHT_OK, or why the last infer or wait that wrote to this result failed. */
SIGHT_API int sight_result_code(const struct sight_result *result);
/* Name of the pipeline that ran, or "". */
SIGHT_API const char *sight_result_pipeline(const struct sight_result *result);
/* Name of the stream that the picture is of, or "": it came by itself. */
SIGHT_API const char *sight_result_stream(const struct sight_result *result);
/* Size of the upright picture; 0 when it was never known. */
SIGHT_API int sight_result_width(const struct sight_result *result);
SIGHT_API int sight_result_height(const struct sight_result *result);
/* 0..4096, best score first. */
SIGHT_API int sight_result_object_count(const struct sight_result *result);
/* NULL when index is out of range. */
SIGHT_API const struct sight_object *sight_result_object(const struct sight_result *result, int index);
/* By what number object `index` is followed through its stream: no other thing ever gets it. 0: it is not
 * followed, or index is out of range. */
SIGHT_API uint64_t sight_result_track_id(const struct sight_result *result, int index);
/* Of object `object` (its attribute_count), or of the picture itself when object is -1 (a pipeline that only
 * classifies; sight_result_attribute_count). In the order of the pipeline's stages. NULL when out of range.
 */
SIGHT_API const struct sight_attribute *sight_result_attribute(const struct sight_result *result, int object,
                                                               int index);
SIGHT_API int sight_result_attribute_count(const struct sight_result *result);

/* Stages of a frame. Numbers never change, later versions may add some. */
enum sight_stage {
    SIGHT_STAGE_QUEUE = 0, /* server: waited for a worker */
    SIGHT_STAGE_DECODE = 1,
    SIGHT_STAGE_PREPROCESS = 2,
    SIGHT_STAGE_DETECT = 3,
    SIGHT_STAGE_POSTPROCESS = 4,
    SIGHT_STAGE_CLASSIFY = 5,
    SIGHT_STAGE_READ = 6,
    SIGHT_STAGE_ENCODE = 7, /* server: wrote the reply */
    SIGHT_STAGE_TOTAL = 8   /* in process: of the call; over the network: at the server */
};
/* Microseconds; 0 for a stage that did not run or is unknown. */
SIGHT_API int64_t sight_result_timing_us(const struct sight_result *result, int stage);
/* From a server's refusal: milliseconds after which the same request has a chance; else 0. */
SIGHT_API int64_t sight_result_retry_ms(const struct sight_result *result);

enum sight_json_flag {
    SIGHT_JSON_NO_TIMING = 1 /* leaves timing_us out, so that texts can be compared */
};
/* The native reply (docs/PROTOCOL.md, "The answer"): compact JSON with a NUL, valid UTF-8; of a failed infer
 * {"error":{...}}. out_bytes, which may be NULL, takes its length without the NUL. flags: enum
 * sight_json_flag, 0 = none. NULL when memory ran out or result is NULL. Valid until the next call of this
 * function too. */
SIGHT_API const char *sight_result_json(struct sight_result *result, unsigned flags, size_t *out_bytes);
/* Packed little-endian records (docs/PROTOCOL.md, "Result records"), 4-byte aligned or better; numpy reads
 * them without parsing. NULL when memory ran out or result is NULL. Valid until the next call of this
 * function too. */
SIGHT_API const void *sight_result_records(struct sight_result *result, size_t *out_bytes);

/* Fills result with a block of records: what sight_result_records gave, or a server answered. Everything is
 * copied. Trusts nothing: SIGHT_E_FRAMING (no block of records, damaged or cut), SIGHT_E_UNSUPPORTED (of a
 * later version), SIGHT_E_INVALID, SIGHT_E_NOMEM; the result is then empty. */
SIGHT_API int sight_result_read(struct sight_result *result, const void *records, size_t bytes,
                                struct sight_error *error);

/* Draws what was found into a copy of the picture, as `sight detect --annotate` does: boxes or outlines,
 * masks, landmarks, labels with scores and what second models said, one colour per class, lines and letters
 * in proportion to the picture. pixels: SIGHT_RGB24, SIGHT_BGR24 or SIGHT_GRAY8, at most 100 million; of
 * whatever size, the objects are scaled from the size that the result names. out takes width * height * 3
 * bytes, rows without gaps, blue first where pixels are SIGHT_BGR24 and red first otherwise; it may be the
 * memory of pixels itself. Fonts are $SIGHT_FONT, DejaVu Sans and Droid Sans Fallback (Chinese and
 * Japanese) where Debian has them, or others like them; without any, shapes are drawn and no letters. result
 * NULL: nothing is drawn. Any thread. SIGHT_E_INVALID, SIGHT_E_UNSUPPORTED (SIGHT_NV12), SIGHT_E_TOO_LARGE,
 * SIGHT_E_NOMEM. */
SIGHT_API int sight_draw(const struct sight_result *result, const struct sight_pixels *pixels, void *out,
                         size_t out_bytes, struct sight_error *error);

/* ----------------------------------------------------------------------------------------- in process -- */

struct sight_pipeline;

enum sight_decode {
    SIGHT_DECODE_DEFAULT = 0, /* as the pipeline says */
    SIGHT_DECODE_FAST = 1,    /* decodes no more pixels than the model needs */
    SIGHT_DECODE_EXACT = 2    /* full size, as OpenCV's imdecode */
};

enum sight_precision {
    SIGHT_PRECISION_AUTO = 0, /* float32 */
    SIGHT_PRECISION_F32 = 1,
    SIGHT_PRECISION_BF16 =
        2 /* bfloat16: faster, and other digits; SIGHT_E_CONFIG where the processor has it not */
};

struct sight_open_options {
    size_t size; /* sizeof(struct sight_open_options) */
    /* Folder of models, and folder of pipelines. NULL: "models" and "pipelines" in the working folder if they
     * are there, else where $SIGHT_DATA points, else those installed with the library. */
    const char *models, *pipelines;
    /* Cores that a lone frame may use; 0 = all of the machine, 1 = each frame takes one. In a crowd every
     * frame takes one, whatever this is. */
    int threads;
    int decode;             /* enum sight_decode, of pictures whose recipe and call do not say */
    int64_t max_pixels;     /* larger pictures are SIGHT_E_TOO_LARGE; 0 = 100 million */
    size_t max_image_bytes; /* of an encoded picture; 0 = 64 MiB */
    /* Of a bare model: class names, a file of one a line or a known set such as "coco80"; NULL = its card's,
     * its metadata's or its family's. */
    const char *labels;
    /* Which engine runs the models whose card says nothing of it, of those that `sight version` lists; NULL
     * or "auto": measured when a model is opened, kept for the next time (docs/MODELS.md). And on what, as
     * the engine calls it ("GPU"); NULL or "" = the processor. */
    const char *engine, *device;
    int precision; /* enum sight_precision */
};
#define SIGHT_OPEN_OPTIONS_INIT                                                                              \
    {sizeof(struct sight_open_options), NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, 0}

/* Opens a pipeline by name ("faces"; NULL or "" = the default one: "objects", "faces", else the first) or by
 * the path of its YAML file (whatever has a slash or ends with .yaml or .yml). Loads its models and runs each
 * once, so that the first frame is as fast as the next. Any thread; takes from some 50 ms to seconds, so do
 * it once. Sets the environment variable ORT_DISABLE_TELEMETRY=1 if it is not so: the first open must not run
 * beside other uses of the environment. SIGHT_E_NOT_FOUND (the message lists what there is), SIGHT_E_CONFIG,
 * SIGHT_E_MODEL, SIGHT_E_INVALID, SIGHT_E_NOMEM. */
SIGHT_API int sight_pipeline_open(const char *name, const struct sight_open_options *options,
                                  struct sight_pipeline **out_pipeline, struct sight_error *error);
/* The same from one exported model without any configuration: an .onnx file, a model's folder or its card. A
 * detector finds objects; a classifier or reader works on the whole picture. */
SIGHT_API int sight_pipeline_open_model(const char *path, const struct sight_open_options *options,
                                        struct sight_pipeline **out_pipeline, struct sight_error *error);
/* No other call on this pipeline may be under way, and none may follow. Results stay good. */
SIGHT_API void sight_pipeline_close(struct sight_pipeline **pipeline);

/* Any thread; texts are borrowed until the pipeline is closed. NULL for a NULL pipeline. */
SIGHT_API const char *sight_pipeline_name(const struct sight_pipeline *pipeline);
SIGHT_API const char *sight_pipeline_description(const struct sight_pipeline *pipeline); /* or "" */
/* Models in the order they run; names. NULL past the last. */
SIGHT_API const char *sight_pipeline_model(const struct sight_pipeline *pipeline, int index);
/* Classes of model `model` (an index as above): how many have a place in its list of labels, and the name of
 * each, NULL when it has none or there is no such model or class. */
SIGHT_API int sight_pipeline_label_count(const struct sight_pipeline *pipeline, int model);
SIGHT_API const char *sight_pipeline_label(const struct sight_pipeline *pipeline, int model, int class_id);

/* What one picture changes. */
struct sight_infer_options {
    size_t size;     /* sizeof(struct sight_infer_options) */
    float threshold; /* 0..1: objects that score lower are left out; below 0 = the pipeline's */
    float nms;       /* IoU 0..1 above which the weaker of two boxes is dropped, 0 = keep all; below 0 = the
                      * pipeline's */
    int max_objects; /* 1..4096, the best so many; 0 = the pipeline's */
    int top_k;       /* 1..64 classes named by a classifier; 0 = the model's */
    int decode;      /* enum sight_decode */
    /* SIGHT_E_DEADLINE when there is no answer within so many milliseconds from the call (network: from the
     * arrival of the request's head at the server); looked at between steps. 0 = none. */
    int64_t deadline_ms;
    /* Network only: name of the server's pipeline; NULL or "" = its default one. */
    const char *pipeline;
};
#define SIGHT_INFER_OPTIONS_INIT {sizeof(struct sight_infer_options), -1.0f, -1.0f, 0, 0, 0, 0, NULL}

/* Runs the pipeline on an encoded picture (JPEG, PNG, WebP, GIF, BMP, TIFF, HEIF, ... told by content), and
 * writes what it found into result. Any number of threads at once on one pipeline, each with a result of its
 * own: a frame that is alone uses all cores, frames in a crowd one core each. On failure the result holds the
 * code and, if known, the picture's size. SIGHT_E_BAD_IMAGE, SIGHT_E_EMPTY_IMAGE, SIGHT_E_UNSUPPORTED,
 * SIGHT_E_TOO_LARGE, SIGHT_E_INFERENCE, SIGHT_E_DEADLINE, SIGHT_E_INVALID, SIGHT_E_NOMEM. */
SIGHT_API int sight_infer(struct sight_pipeline *pipeline, const void *bytes, size_t bytes_count,
                          const struct sight_infer_options *options, struct sight_result *result,
                          struct sight_error *error);
/* The same on pixels, which are read where they lie. */
SIGHT_API int sight_infer_pixels(struct sight_pipeline *pipeline, const struct sight_pixels *pixels,
                                 const struct sight_infer_options *options, struct sight_result *result,
                                 struct sight_error *error);

/* --------------------------------------------------------------------------------------- over the network --
 */

/* A connection to a sightd server, in frame protocol v2 (docs/PROTOCOL.md). Any number of threads may use one
 * client at once. It has a thread of its own, which reads replies as they come. */
struct sight_client;

/* What the server does with a request when as many as the window allows wait already. */
enum sight_policy {
    SIGHT_BLOCK = 0,  /* submit waits until one of them is answered */
    SIGHT_NEWEST = 1, /* it takes the place of the oldest that waits, which is answered SIGHT_E_DROPPED: live
                       * video */
    SIGHT_OLDEST = 2  /* it is answered SIGHT_E_DROPPED */
};

struct sight_client_options {
    size_t size;            /* sizeof(struct sight_client_options) */
    int policy;             /* enum sight_policy */
    int window;             /* requests under way, 1..65535; 0 = as the server says */
    int connect_timeout_ms; /* until the server has said hello; below 0 = none */
    /* Of one submit: for a place in the window (SIGHT_E_BUSY), and while the server reads nothing
     * (SIGHT_E_TIMEOUT); below 0 = none. */
    int send_timeout_ms;
};
#define SIGHT_CLIENT_OPTIONS_INIT {sizeof(struct sight_client_options), 0, 0, 10000, 30000}

/* address: "host:port", "[v6]:port", "host" (port 8080) or "unix:/path"; NULL = "127.0.0.1:8080".
 * SIGHT_E_INVALID, SIGHT_E_NOT_FOUND (host), SIGHT_E_IO, SIGHT_E_TIMEOUT, SIGHT_E_FRAMING (no sightd),
 * SIGHT_E_UNSUPPORTED (version), SIGHT_E_BUSY (too many connections), SIGHT_E_NOMEM. */
SIGHT_API int sight_client_connect(const char *address, const struct sight_client_options *options,
                                   struct sight_client **out_client, struct sight_error *error);
/* Requests under way are forgotten. No other call on this client may be under way. */
SIGHT_API void sight_client_close(struct sight_client **client);

/* What the server said when it was connected to. Any thread; texts live as long as the client. Server: name
 * and version, "sightd X.Y.Z". Pipeline: NULL past the last; out_default, which may be NULL, takes 1 for the
 * one that requests without a name get. */
SIGHT_API const char *sight_client_server(const struct sight_client *client);
SIGHT_API const char *sight_client_pipeline(const struct sight_client *client, int index, int *out_default);
SIGHT_API size_t sight_client_max_image_bytes(const struct sight_client *client);
SIGHT_API int sight_client_window(const struct sight_client *client);

/* Sends a request and returns without its reply; out_id takes its number, above 0. The bytes are the caller's
 * again on return. Blocks as the options say. Any thread. On failure nothing comes back for it. SIGHT_E_BUSY:
 * not sent, the connection lives; SIGHT_E_INVALID, SIGHT_E_TOO_LARGE, SIGHT_E_EMPTY_IMAGE, SIGHT_E_NOMEM:
 * likewise; SIGHT_E_TIMEOUT, SIGHT_E_IO, SIGHT_E_SHUTDOWN: the connection is over, connect again. */
SIGHT_API int sight_client_submit(struct sight_client *client, const void *bytes, size_t bytes_count,
                                  const struct sight_infer_options *options, uint64_t *out_id,
                                  struct sight_error *error);
/* The same with raw pixels; gaps between rows are not sent. */
SIGHT_API int sight_client_submit_pixels(struct sight_client *client, const struct sight_pixels *pixels,
                                         const struct sight_infer_options *options, uint64_t *out_id,
                                         struct sight_error *error);
/* Takes the answer to request id, or, with id 0, the next to any request; in the order the work got done.
 * Waits timeout_ms, below 0 as long as it takes, 0 not at all. out_id, which may be NULL, takes the request
 * it answers, or 0 when it answers none. Returns 0 with result filled, or the code of the request's failure
 * with *out_id set; each request is answered exactly once, when the connection is lost with SIGHT_E_IO or
 * SIGHT_E_SHUTDOWN. With *out_id 0: SIGHT_E_TIMEOUT (nothing came in time), SIGHT_E_NOT_FOUND (no such
 * request, or none at all, is under way), SIGHT_E_INVALID. */
SIGHT_API int sight_client_wait(struct sight_client *client, uint64_t id, int timeout_ms,
                                struct sight_result *result, uint64_t *out_id, struct sight_error *error);
/* Asks the server to leave a request; wait then gives SIGHT_E_CANCELLED, or the result if that was faster.
 * SIGHT_E_NOT_FOUND when it is answered already or was never sent. */
SIGHT_API int sight_client_cancel(struct sight_client *client, uint64_t id, struct sight_error *error);
/* Requests submitted whose answer was not taken. */
SIGHT_API int sight_client_pending(struct sight_client *client);

#ifdef __cplusplus
}
#endif

#endif
