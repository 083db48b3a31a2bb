/* SPDX-License-Identifier: MIT
 * What the files of a model share: opening (model.c), deciding (decide*.c), labels (labels.c), probing
 * (probe.c). Private to those files.
 */
#ifndef SG_MODEL_MODEL_PRIVATE_H
#define SG_MODEL_MODEL_PRIVATE_H

#include "model/model.h"

#include <string.h>

/* Adds a line to explain. evidence is a printf format. guessed: a convention, not a fact. */
void sg_model_decide(struct sg_model *model, const char *key, const char *value, bool guessed,
                     const char *evidence, ...) __attribute__((format(printf, 5, 6)));
/* What was decided of the key; NULL: nothing yet. */
struct sg_decision *sg_model_decision(struct sg_model *model, const char *key);

/* model.c: opens the graph once more with sides of its picture set free. All runners must be back. After a
 * failure the model can only be destroyed. */
int sg_model_set_free(struct sg_model *model, const struct sg_graph_free *what, struct sg_error *err);

/* decide_sides.c: sizes that a file declares and that are not what it can do. Before the inputs are looked
 * at: sets free what the card wants otherwise. */
int sg_sides_of_card(struct sg_model *model, struct sg_error *err);
/* The first run, at the transform's size. A graph that does not run as it declares has its sizes set free and
 * is tried at others; *runner is then another one, NULL after some failures. Changes the transform's size. */
int sg_sides_probe(struct sg_model *model, struct sg_runner **runner, struct sg_error *err);
/* Blames a size of the card for what the graph does at it. Returns the code to go on with. */
int sg_sides_blame(const struct sg_model *model, int code, struct sg_error *err);

/* decide_input.c: which input is the picture, its layout, type and size; what the others are fed. */
int sg_decide_inputs(struct sg_model *model, struct sg_error *err);
/* The size in the metadata of Ultralytics' exporter; false: none. */
bool sg_model_imgsz(const struct sg_signature *signature, int *width, int *height);
/* decide_labels.c. Before the head is known: --labels, the card, the exporter's metadata. */
int sg_decide_labels(struct sg_model *model, const char *labels_path, struct sg_conf_problems *problems,
                     struct sg_error *err);
/* After: the family's well-known set, where numbering begins, names of single outputs. */
int sg_decide_names(struct sg_model *model, struct sg_conf_problems *problems, struct sg_error *err);
/* decide.c: runs the probe, chooses the head, completes transform, thresholds and labels, tests batching. */
int sg_decide_head(struct sg_model *model, const char *labels_path, struct sg_conf_problems *problems,
                   struct sg_error *err);

/* One run on a synthetic picture at the transform's size; the outputs stay valid until the runner's next run.
 */
int sg_probe_run(struct sg_model *model, struct sg_runner *runner, int items, struct sg_error *err);
/* The same on a white picture. */
int sg_probe_white(struct sg_model *model, struct sg_runner *runner, struct sg_error *err);
/* Whether a picture's result stays as it is when another rides along (dynamic quantisation changes it). Not
 * told where outputs are not by picture: tables of what was found in all of them. */
int sg_probe_batch(struct sg_model *model, struct sg_runner *runner, bool *out_told, bool *out_independent,
                   struct sg_error *err);

/* model_files.c: finds and reads the card; fills card, card_path, path and name. SG_E_CONFIG with a card_path
 * and a path: the card is wrong, and what it names may be looked at for further problems. */
int sg_model_load_card(struct sg_model *model, const struct sg_model_options *options,
                       struct sg_conf_problems *problems, struct sg_error *err);

/* engine_choice.c: puts the fastest runtime that agrees in the place of the one that the model was decided
 * with, as a decision `engine`. Signature and runners are others after it; heads keep no part of either. */
int sg_model_choose_engine(struct sg_model *model, const struct sg_engine_conf *wish, struct sg_error *err);
/* The graph for all cores, by the runtime that is fastest there, with a runner that has run. */
int sg_model_choose_wide(struct sg_model *model, const struct sg_graph_options *options,
                         struct sg_graph **out_graph, struct sg_runner **out_runner, struct sg_error *err);
/* model.c: ends the runners of a model that nobody runs. */
void sg_model_drop_runners(struct sg_model *model);

/* batch_gain.c: sets batch_pays. Both graphs must be there. */
void sg_model_measure_batch(struct sg_model *model, int threads);

/* Reads a file of any form that conf/names.h knows ("# comment" lines of a plain one are labels too). */
int sg_labels_read(const char *path, struct sg_labels *labels, struct sg_error *err);
/* {0: 'person', 1: "dog's"} or a list, as data/literal.h reads them. SG_E_MODEL when it is neither. */
int sg_labels_parse(const char *text, struct sg_labels *labels, struct sg_error *err);
/* What the metadata names under the keys that exporters have for it: such texts, lines (the alphabet of
 * PP-OCR's readers under `character`), words between commas, or an alphabet in one piece. Without any labels
 * is 0 long; *out_key: where they were. SG_E_NOMEM, SG_E_TOO_LARGE. */
int sg_labels_meta(const struct sg_signature *signature, struct sg_labels *labels, const char **out_key,
                   struct sg_error *err);
/* The names of a set that sightd knows: built in, or a file of models/labels/ in the data folder (imagenet1k,
 * which `make deps` brings). 1; 0 when there is none of that name; SG_E_…. */
int sg_labels_known(const char *set, struct sg_labels *labels, struct sg_error *err);
int sg_labels_copy(const char *const *items, int count, struct sg_labels *labels, struct sg_error *err);
void sg_labels_fini(struct sg_labels *labels);

#endif
