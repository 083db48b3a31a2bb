/* SPDX-License-Identifier: MIT
 * Heads turn a model's output tensors into detections or answers. A head never sees the picture: boxes are in
 * model input pixels (0,0 = top left edge of the input, W,H = bottom right edge), pipe maps them back to the
 * original. Heads hold no memory of a frame; one struct sg_head may be used by any number of threads at once.
 */
#ifndef SG_HEAD_HEAD_H
#define SG_HEAD_HEAD_H

#include "base/error.h"
#include "data/result.h"
#include "data/tensor.h"
#include "data/transform.h"

#include <stdbool.h>
#include <stdint.h>

#define SG_HEAD_MAX_ANCHORS    64
#define SG_HEAD_MAX_STRIDES    8
#define SG_HEAD_MAX_DETECTIONS 100000 /* candidates of one frame before NMS */
#define SG_HEAD_MAX_CLASSES    65536
#define SG_HEAD_NAME_MAX       32
#define SG_HEAD_USUAL_IOU      0.45f /* of NMS that is asked for without a number */

enum sg_head_task {
    SG_TASK_DETECT,      /* boxes, maybe with landmarks or masks */
    SG_TASK_CLASSIFY,    /* answers about the whole input: classes, values, vectors */
    SG_TASK_TEXT_DETECT, /* quads of text lines */
    SG_TASK_TEXT_READ,   /* one string per input */
};

/* sg_head_spec.blank; a class n is 1 + n. */
enum { SG_BLANK_DECIDE = 0, SG_BLANK_LAST = -1, SG_BLANK_NONE = -2 };

/* What is known before a head is chosen: from the card, the labels and the model's input. Zero = not said. */
struct sg_head_spec {
    char kind[SG_HEAD_NAME_MAX];   /* "" = decide */
    int input_width, input_height; /* pixels of the model input */
    int class_count;               /* labels given, else 0 */
    const char *const *labels;     /* class_count of them, borrowed for the call; or NULL */
    int class_offset; /* id of the first class in the reply's numbering, taken off (1 for TF's 1-based ids) */
    int anchor_count; /* pairs in anchors */
    float anchors[SG_HEAD_MAX_ANCHORS * 2]; /* width, height in input pixels, small strides first */
    int stride_count;
    int strides[SG_HEAD_MAX_STRIDES];
    enum {
        SG_SCORES_DECIDE,
        SG_SCORES_PROBABILITY,
        SG_SCORES_LOGITS_SOFTMAX,
        SG_SCORES_LOGITS_SIGMOID,
        SG_SCORES_MULTILABEL
    } scores;
    bool embedding;       /* classifier: answer with the L2-normalised vector */
    float mask_threshold; /* segmentation and text maps; 0 = the family's */
    float unclip;         /* text detection; 0 = the family's (DB: 1.5) */
    float space;          /* text reading: least probability of a space between two characters; 0 = the
                             family's, 1 = only where it is the best class */
    int blank;            /* text reading: its class, as above; SG_BLANK_NONE: repeats stay too */
};

/* What a head says of a graph. The caller zeroes it and fills transform's width, height, layout and dtype,
 * which are read off the graph; match fills the rest when confidence > 0. */
struct sg_head_guess {
    int confidence;                /* 0 = not mine … 100 = nothing else looks like this */
    char evidence[256];            /* "output0 is 1x84x8400: 4 box rows and 80 classes, channels first" */
    char ambiguity[192];           /* what else it could be and the card key that settles it, or "" */
    struct sg_transform transform; /* the family's convention: channels, mean, std, fit, pad */
    char transform_evidence[192];
    float threshold;  /* the family's usual score threshold */
    float iou;        /* NMS IoU; 0 when NMS is inside the graph or not needed */
    bool agnostic;    /* NMS across classes */
    int class_count;  /* read off the shapes, 0 = cannot tell */
    int class_offset; /* as in the spec; copied to it when the spec says nothing */
    int dynamic_side; /* graphs of dynamic height and width: the side the family is best run at; 0 = 640 */
    char blank[32];   /* text reading: which class is the blank, "last, class 36"; "" = not asked */
    char blank_evidence[160];
    bool blank_guessed;            /* nothing tells which */
    char labels[SG_HEAD_NAME_MAX]; /* well-known set ("coco80", "coco91", "face", "person", "text") or "" */
};

struct sg_detection {
    struct sg_box box;                /* input pixels */
    float score;                      /* 0..1 */
    int class_id;                     /* 0-based */
    int64_t row;                      /* private to the kind: where in the outputs it came from */
    int first_point, point_count;     /* landmarks in points[] (polygon false), filled by refine */
    int first_polygon, polygon_count; /* outline of the mask in points[], filled by refine */
    bool has_quad; /* the polygon is a quad: 4 points clockwise from the top left of the line */
};

/* Reusable scratch of one worker; init to zero, fini frees. */
struct sg_detections {
    struct sg_detection *items;
    int count, capacity;
    struct sg_keypoint *points; /* input pixels */
    int point_count, point_capacity;
    void *scratch; /* private to nms and kinds: sg_detections_scratch */
    size_t scratch_bytes;
};

/* SG_E_NOMEM, or SG_E_TOO_LARGE past SG_HEAD_MAX_DETECTIONS. */
int sg_detections_push(struct sg_detections *detections, const struct sg_detection *detection);
/* Room for count points; returns the first's index, or a negative code. */
int sg_detections_points(struct sg_detections *detections, int count);
/* At least bytes of scratch, content undefined; NULL when out of memory. One user at a time. */
void *sg_detections_scratch(struct sg_detections *detections, size_t bytes);
void sg_detections_clear(struct sg_detections *detections);
void sg_detections_fini(struct sg_detections *detections);

/* What a request or pipeline asks of a detector. */
struct sg_head_options {
    float threshold; /* keep score >= threshold */
    float iou;       /* NMS: IoU strictly greater suppresses; <= 0: no NMS */
    bool agnostic;
    int max_objects;               /* <= SG_RESULT_MAX_OBJECTS; 0 = that */
    const float *class_thresholds; /* class_count entries, negative = use threshold; or NULL */
    int class_threshold_count;
};

/* One thing a classifier says. */
struct sg_answer {
    const char *name; /* output name where the graph has several, else NULL; borrowed from the head */
    int class_id;     /* or -1 */
    float score;
    bool has_value;
    float value;
    const float *vector; /* or NULL; in the caller's scratch, valid until its next use */
    int vector_length;
};

#define SG_HEAD_MAX_ANSWERS 64
#define SG_HEAD_MAX_TEXT    1024 /* bytes of one read line, NUL included */

struct sg_answers {
    struct sg_answer items[SG_HEAD_MAX_ANSWERS];
    int count;
    char text[SG_HEAD_MAX_TEXT]; /* SG_TASK_TEXT_READ */
    float text_score;
    float *scratch; /* grown by heads; fini frees */
    size_t scratch_count;
};

void sg_answers_fini(struct sg_answers *answers);

struct sg_head;

/* Keys of a card that some kinds read and others have no use for, as in sg_head_spec. */
enum sg_head_key {
    SG_KEY_CLASS_OFFSET = 1 << 0,
    SG_KEY_ANCHORS = 1 << 1,
    SG_KEY_STRIDES = 1 << 2, /* also where they only tell whose grid it is */
    SG_KEY_SCORES = 1 << 3,
    SG_KEY_EMBEDDING = 1 << 4,
    SG_KEY_MASK_THRESHOLD = 1 << 5,
    SG_KEY_UNCLIP = 1 << 6,
    SG_KEY_SPACE = 1 << 7,
    SG_KEY_BLANK = 1 << 8,
};

struct sg_head_ops {
    const char *name;    /* "yolov8": the card's `head:` */
    const char *summary; /* one line for --help and docs */
    enum sg_head_task task;
    bool graph_nms; /* the graph suppresses by itself: no NMS here unless somebody asks for it */
    unsigned keys;  /* of enum sg_head_key: those that match or init reads */

    /* Is this graph mine? outputs are real tensors of a probe run on a synthetic picture (real shapes,
     * plausible values), count of them in signature order. Fills guess when yes. Never fails. */
    void (*match)(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess);
    /* Checks the graph fits and prepares tables (anchors, which output is which) into state: state_bytes of
     * zeroes, which need not be undone. SG_E_MODEL with a text that names tensor, expected and got. */
    size_t state_bytes;
    int (*init)(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *state, struct sg_error *err);
    /* Detect and text detect: appends candidates with score >= the options' lowest threshold for their class;
     * not sorted, not suppressed. item is the index in the batch. Real shapes are checked again on every
     * call. NaN never passes a threshold. */
    int (*detect)(const void *state, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err);
    /* Optional, after NMS: landmarks, masks, for the survivors only. */
    int (*refine)(const void *state, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *detections,
                  struct sg_error *err);
    /* Classify and text read. top_k answers per class output, best first (at least 1). labels/label_count:
     * CTC alphabet. */
    int (*answer)(const void *state, const struct sg_tensor *outputs, int count, int item, int top_k,
                  const char *const *labels, int label_count, struct sg_answers *out, struct sg_error *err);
};

/* All kinds, in registry order, NULL-terminated. */
const struct sg_head_ops *const *sg_head_kinds(void);
/* NULL when there is no such kind. */
const struct sg_head_ops *sg_head_find(const char *name);

/* Whether a card's key ("anchors", "threshold") changes anything with that kind; keys that no head is about
 * are always of use. */
bool sg_head_uses(const struct sg_head_ops *kind, const char *key);

/* Chooses (spec->kind or the most confident match) and prepares a head. guess is filled for the chosen kind;
 * when two kinds are equally confident guess->ambiguity names both and `head:`. SG_E_MODEL: no kind matches;
 * the text lists the outputs with shapes and the card key. */
int sg_head_create(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                   const struct sg_head_spec *spec, struct sg_head **out_head, struct sg_head_guess *guess,
                   struct sg_error *err);
void sg_head_destroy(struct sg_head **head);
const struct sg_head_ops *sg_head_kind(const struct sg_head *head);

/* decode + NMS + top-k + refine. detections is cleared first and comes back best first, boxes not clipped. */
int sg_head_detect(const struct sg_head *head, const struct sg_tensor *outputs, int count, int item,
                   const struct sg_head_options *options, struct sg_detections *detections,
                   struct sg_error *err);
int sg_head_answer(const struct sg_head *head, const struct sg_tensor *outputs, int count, int item,
                   int top_k, const char *const *labels, int label_count, struct sg_answers *answers,
                   struct sg_error *err);

/* Labels of a well-known set by class id, NULL-terminated; NULL when unknown. */
const char *const *sg_head_labels(const char *set, int *out_count);

/* Helpers shared by kinds. */
/* The output's data as float32: itself when F32, else converted into *scratch (grown, owned by caller).
 * SG_E_MODEL when the dtype has no float meaning. For F16 use F16C when available. */
int sg_head_floats(const struct sg_tensor *tensor, float **scratch, size_t *scratch_count,
                   const float **out_floats, struct sg_error *err);

#endif
