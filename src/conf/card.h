/* SPDX-License-Identifier: MIT
 * A model card: YAML beside the .onnx (FOLDER/model.yaml, or X.yaml beside X.onnx). Every key may be left
 * out; what is left out (has_… false, text NULL, count 0) is decided from the graph.
 * Loading opens only the card itself. No globals; a card belongs to its caller.
 */
#ifndef SG_CONF_CARD_H
#define SG_CONF_CARD_H

#include "base/option.h"
#include "conf/engine.h"
#include "conf/problems.h"
#include "data/transform.h"

#define SG_CARD_MAX_ANCHORS 64 /* pairs */
#define SG_CARD_MAX_STRIDES 8
#define SG_CARD_MAX_KEYS    32

/* In the order of sg_head_spec's SG_SCORES_…, so that the number can be assigned. */
enum sg_card_scores {
    SG_CARD_SCORES_AUTO,
    SG_CARD_SCORES_PROBABILITY,
    SG_CARD_SCORES_SOFTMAX,
    SG_CARD_SCORES_SIGMOID,
    SG_CARD_SCORES_MULTILABEL
};

/* `batch:` a number n >= 1 is n; these two are words. */
enum { SG_CARD_BATCH_AUTO = 0, SG_CARD_BATCH_NEVER = 1 };

/* `blank:` words; a number is the class. */
enum { SG_CARD_BLANK_LAST = -1, SG_CARD_BLANK_NONE = -2 };

struct sg_card_input {
    int size[2]; /* W, H; also of graphs that declare another size. One number stands for both. */
    bool has_size;
    enum sg_channels color;
    bool has_color;
    enum sg_fit resize;
    bool has_resize;
    enum sg_layout layout;
    bool has_layout;
    int shorter_side; /* center-crop */
    bool has_shorter_side;
    float mean[3], std[3]; /* of pixel * scale, in the model's channel order */
    bool has_mean, has_std;
    float scale; /* 0.00392157 for 0..1; then value = (pixel * scale - mean) / std */
    bool has_scale;
    float pad[3]; /* pixel value 0..255 */
    bool has_pad;
    float margin; /* pixels per input pixel, on each axis, that a reduced decode keeps */
    bool has_margin;
};

/* One output of a graph that answers several things. */
struct sg_card_output {
    struct sg_text name;    /* of the graph's output */
    struct sg_text rename;  /* `as:` what the reply calls it; NULL = its own name */
    struct sg_texts labels; /* as the card's own */
    bool value;             /* a number, not classes */
    struct sg_text unit;    /* "years" */
};

struct sg_card_outputs {
    struct sg_card_output *items;
    int count;
};

struct sg_card_golden_object {
    struct sg_text label; /* one of label, class_id, text */
    int class_id;
    bool has_class_id;
    struct sg_text text; /* of a reader */
    float box[4];        /* x1, y1, x2, y2 in original pixels; absent for classifiers */
    bool has_box;
    float score;
    bool has_score;
    float value;
    bool has_value;
    int line, column;
};

struct sg_card_golden_objects {
    struct sg_card_golden_object *items;
    int count;
};

struct sg_card_golden {
    struct sg_text image;                  /* path relative to the card */
    struct sg_card_golden_objects objects; /* all must be found */
    float iou;                             /* default 0.9 */
    float score;                           /* allowed difference, default 0.05 */
    bool only;                             /* nothing else may be found above the threshold */
};

struct sg_card {
    char *path;          /* of the card file, as given; errors found later name it */
    struct sg_text file; /* .onnx relative to the card; NULL = the only one in the folder */
    struct sg_text name; /* NULL = folder's or file's name */
    struct sg_text description, licence, source;
    struct sg_text head; /* kind, NULL = decided */
    struct sg_card_input input;
    struct sg_texts labels; /* scalar: name of a well-known set, or a file relative to the card */
    int class_offset;
    bool has_class_offset;
    float threshold;
    bool has_threshold;
    float nms; /* IoU; 0 = off */
    bool has_nms;
    bool agnostic, has_agnostic;
    float anchors[SG_CARD_MAX_ANCHORS * 2]; /* w, h pairs in input pixels */
    int anchor_numbers;                     /* 2 per anchor */
    int strides[SG_CARD_MAX_STRIDES];
    int stride_count;
    enum sg_card_scores scores;
    bool embedding, has_embedding;
    int top_k;
    bool has_top_k;
    float mask_threshold;
    bool has_mask_threshold;
    float unclip;
    bool has_unclip;
    float space;
    bool has_space;
    struct sg_text blank; /* as written; NULL = decided */
    int blank_class;      /* the number, or one of these */
    struct sg_card_outputs outputs;
    struct sg_engine_conf engine;
    int batch; /* SG_CARD_BATCH_AUTO, 1 = never, n = at most n */
    struct sg_card_golden golden;
    bool has_golden;
    struct sg_option_place
        places[SG_CARD_MAX_KEYS]; /* of the rows of sg_card_table, where they were written */
};

extern const struct sg_option_table sg_card_table;

/* An empty card: nothing said, path NULL. */
int sg_card_init(struct sg_card *card);
void sg_card_fini(struct sg_card *card);
/* 0; SG_E_CONFIG: problems were added (all of the file's); SG_E_NOMEM. A file that cannot be read is one
 * problem. After SG_E_CONFIG with a path set, the card has what was sound in the file, for whoever looks for
 * further problems; fini is due. After other failures it is empty. */
int sg_card_load(const char *path, struct sg_card *card, struct sg_conf_problems *problems);
int sg_card_parse(const char *path, const char *yaml, size_t size, struct sg_card *card,
                  struct sg_conf_problems *problems);

#endif
