/* SPDX-License-Identifier: MIT
 * A model ready to serve: graph, card, what was decided about it, and runners to borrow. Opening belongs to
 * one thread; an open model is constant but for its runners, which any thread may borrow.
 */
#ifndef SG_MODEL_MODEL_H
#define SG_MODEL_MODEL_H

#include "conf/card.h"
#include "data/tensor.h"
#include "data/transform.h"
#include "engine/engine.h"
#include "head/head.h"

#include <stdatomic.h>
#include <stdbool.h>

#define SG_MODEL_MAX_DECISIONS 24
#define SG_MODEL_MAX_READERS   8  /* engines that read one file */
#define SG_MODEL_MAX_BATCH     32 /* crops that go through a classifier at once */
#define SG_MODEL_MAX_LABELS    65536

/* One line of `sight model explain`: what was decided and why. */
struct sg_decision {
    const char *key; /* "head", "resize", … : the card key that overrides it */
    char value[128];
    char evidence[256];
    bool guessed;        /* neither card, graph nor metadata says so: a convention of the family */
    char ambiguity[192]; /* what else it could be, or "" */
};

struct sg_labels {
    char **items; /* NULL entries = no name */
    int count;
};

/* What an input that is not the picture is fed. Detectors that scale their boxes themselves are told that the
 * original is the model input, so that every head speaks of input pixels. */
enum sg_aux_kind {
    SG_AUX_ONES,         /* scale_factor: 1, 1 */
    SG_AUX_WIDTH_HEIGHT, /* orig_target_sizes of the DETR family */
    SG_AUX_HEIGHT_WIDTH, /* im_shape, image_shape */
};

struct sg_model_aux {
    int index; /* in the signature's inputs */
    enum sg_aux_kind kind;
};

/* What a file declared before its sizes were set free. */
struct sg_model_declared {
    int width, height; /* of the picture's input, pixels; -1 = any */
    bool card;         /* the card asks for another size; else the graph did not load or run as declared */
    int output_count;  /* 0: not known, the graph did not load as declared */
    int rank[SG_SIGNATURE_MAX_IO];
    int64_t dims[SG_SIGNATURE_MAX_IO][SG_TENSOR_MAX_RANK]; /* of outputs */
};

struct sg_model_options {
    const char *path;   /* a model file, .yaml card, or a folder with model.yaml */
    const char *name;   /* NULL = the card's, the folder's or the file's */
    const char *labels; /* labels file (or name of a known set) that overrides all else, or NULL */
    int wide_threads;   /* cores for a lone frame; 1 = no wide graph */
    bool narrow;        /* also a graph whose runs keep to one core (serving); false: wide only */
    bool widen_later;   /* sg_model_widen will be called: weights are kept where it can use them */
    int runs;           /* that there may be at once on one core each; 0 = as many as cores */
    const struct sg_engine_conf *engine; /* for models whose card says nothing of it; NULL = auto */
};

struct sg_model_pool;

struct sg_model {
    char *name;
    char *path;      /* of the model file */
    char *card_path; /* or NULL */
    struct sg_card card;
    struct sg_engine *engine;
    struct sg_graph *narrow,
        *wide; /* either may be NULL, not both; wide may come later, see sg_model_widen */
    const struct sg_signature *signature;
    struct sg_graph_options opened; /* how the first of them was opened, with what was set free in it */
    const char *rival; /* a runtime that agrees with the one of `opened`, for all cores; or NULL */
    enum sg_precision rival_precision;
    char *device;                       /* what it runs on, "" = the processor */
    char refused[192];                  /* by which engine, and why; "" = by none */
    bool sealed;                        /* open: constant from here on */
    struct sg_model_declared *declared; /* by the file, once it is not believed any more; else NULL */
    int image_input;                    /* index of the picture's input */
    int no_batch_axis;                  /* 1: the picture's input is 3xHxW or HxWx3, else 0 */
    bool dynamic_batch;                 /* the first dimension takes any number */
    int fixed_batch; /* pictures that every run has, when the graph wants more than one; else 0. What is not
                        asked for is filled with zeros. */
    bool batches;    /* and results do not depend on batch mates (measured at load) */
    int max_batch;
    atomic_bool batch_pays;             /* measured when the wide graph came; see sg_model_batch_pays */
    bool native_size;                   /* takes pictures of any size and resizes inside the graph */
    bool dynamic_height, dynamic_width; /* the graph takes any; text readers follow the line's width */
    struct sg_transform transform;
    struct sg_model_aux aux[4];
    int aux_count;
    struct sg_head *head;
    struct sg_head_guess guess;
    struct sg_labels labels;
    struct sg_labels *output_labels; /* one for each of card.outputs; or NULL */
    int class_base; /* added to the head's 0-based ids: labels that begin with a background class keep the
                       file's numbering */
    float margin;   /* pixels per input pixel, on each axis, that a reduced decode keeps */
    float threshold, iou;
    bool agnostic;
    int top_k;
    struct sg_decision decisions[SG_MODEL_MAX_DECISIONS];
    int decision_count;
    int64_t load_us, probe_us; /* opening the graphs; one run on one core */
    struct sg_model_pool *pool;
};

/* Loads card and graph, decides, runs the probe. problems takes what is wrong in the card (file:line:column);
 * err says why it failed in one sentence. SG_E_NOT_FOUND, SG_E_CONFIG, SG_E_MODEL, SG_E_NOMEM. */
int sg_model_open(struct sg_engine *engine, const struct sg_model_options *options,
                  struct sg_conf_problems *problems, struct sg_model **out_model, struct sg_error *err);
/* What it would be called, without opening it: by its card, else by its folder's or file's name. The caller
 * frees. SG_E_NOT_FOUND, SG_E_CONFIG (a folder of several), SG_E_NOMEM; a wrong card is no error here. */
int sg_model_name(const char *path, char **out_name, struct sg_error *err);
/* Every file that the model came from: the graph, files of weights that it names, card, lists of names. What
 * visit returns below 0 ends it. A cold path: looks through the graph's bytes. */
int sg_model_files(const struct sg_model *model, sg_file_fn visit, void *ctx, struct sg_error *err);
/* Whether runs on one core give the memory they needed back to the system: while a model is tried, by the
 * thread that opened it. */
void sg_model_lean(struct sg_model *model, bool lean);
void sg_model_destroy(struct sg_model **model);
/* Adds the wide graph to a model that has only the narrow one. Any thread, while others run the model; once.
 */
int sg_model_widen(struct sg_model *model, int threads, struct sg_error *err);

/* Whether pictures of several jobs go faster in one run on all cores than one by one on a core each: false
 * until it was measured. Any thread. */
bool sg_model_batch_pays(const struct sg_model *model);
/* Measures it: how many times as many pictures a batch of one per core, on all cores, does in the time that
 * each core takes for one of its own. 0: the model takes no batch, or batches change its results, or it is no
 * detector. For a machine that does nothing else; takes up to eight runs. Any thread. */
float sg_model_batch_gain(struct sg_model *model, int threads);

enum sg_head_task sg_model_task(const struct sg_model *model);
/* Name of a class, or NULL. */
const char *sg_model_label(const struct sg_model *model, int class_id);
/* Index of a label, or -1. */
int sg_model_find_label(const struct sg_model *model, const char *label);

/* Whether a job that is alone should ask for the wide graph: also where there is one it may be slower. */
bool sg_model_wide_pays(struct sg_model *model);
/* A runner of the wide graph when `wide` is wanted, there is one and nobody else has it, else of the narrow
 * one. Kept ones are handed out last in, first out. Give back with sg_model_return. SG_E_NOMEM. */
int sg_model_borrow(struct sg_model *model, bool wide, struct sg_runner **out_runner, struct sg_error *err);
void sg_model_return(struct sg_model *model, struct sg_runner **runner);
/* sg_runner_run, timed for sg_model_wide_pays. pixels: of all items of the input. */
int sg_model_run(struct sg_model *model, struct sg_runner *runner, size_t pixels, struct sg_error *err);

/* Shapes all inputs for `items` pictures of transform's size (its width and height may differ from the
 * model's own where those are dynamic) and fills the auxiliary ones. out_item_bytes: distance of two items in
 * out_tensor. */
int sg_model_shape(const struct sg_model *model, struct sg_runner *runner,
                   const struct sg_transform *transform, int items, struct sg_tensor *out_tensor,
                   size_t *out_item_bytes, struct sg_error *err);

#endif
