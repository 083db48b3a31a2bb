/* SPDX-License-Identifier: MIT
 * Class names as exporters and people write them: lines, YAML, JSON, the label map of TensorFlow's Object
 * Detection API. Start and reload only.
 */
#ifndef SG_CONF_NAMES_H
#define SG_CONF_NAMES_H

#include "base/option.h"
#include "conf/problems.h"

#define SG_LABELS_MAX_BYTES ((size_t)4 << 20) /* of a label file */

struct sg_yaml_node;

/* The names in a file, appended by class number. Told apart by the ending (.yaml, .yml, .json, .pbtxt), else
 * by whether all of the text is one list, map or label map; other files are one label a line, of which some
 * may be empty or blank (alphabets have such). In YAML and JSON the names are the file itself or its key
 * names (Ultralytics), id2label (Transformers), label_list (PaddleDetection) or labels; a list, or a map of
 * the numbers from 0. A list or dict as Python prints it has Python's escapes (data/literal.h).
 * SG_E_NOT_FOUND, SG_E_IO, SG_E_TOO_LARGE, SG_E_CONFIG, SG_E_NOMEM, with a text that names the file. */
int sg_conf_labels(const char *path, struct sg_texts *labels, struct sg_error *err);

/* The same for text in memory; path tells the ending and is for messages. */
int sg_conf_labels_parse(const char *path, const char *text, size_t size, struct sg_texts *labels,
                         struct sg_error *err);

/* Room-private: {0: person, 1: car}, every number from 0 once, or a list; a name may be TensorFlow's pair
 * [n01440764, tench], whose second is taken. prefix: "labels: " before every text. SG_E_CONFIG, SG_E_NOMEM.
 */
int sg_conf_names_bind(const char *file, const char *prefix, const struct sg_yaml_node *node,
                       struct sg_texts *names, struct sg_conf_problems *problems);

/* Room-private: item { id: 1 name: "person" display_name: "a person" } …; a display name goes first. Numbers
 * from 1, as the format has them, are moved to 0: heads take the offset off too. Numbers left out get the
 * name
 * "". */
int sg_conf_labelmap(const char *file, const char *text, size_t size, struct sg_texts *names,
                     struct sg_conf_problems *problems);
/* Whether text begins as a label map does. */
bool sg_conf_is_labelmap(const char *text, size_t size);

#endif
