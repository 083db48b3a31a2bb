/* SPDX-License-Identifier: MIT
 * Names as programs print them: a list, tuple or dict in Python's own text (repr, ast.literal_eval) or in
 * JSON. Exporters put such texts into a model's metadata, people into label files. Pure; any thread.
 */
#ifndef SG_DATA_LITERAL_H
#define SG_DATA_LITERAL_H

#include <stddef.h>

#define SG_LITERAL_MAX_NAMES  65536
#define SG_LITERAL_NAME_BYTES 4096 /* of one name */

/* Called for every name, in the order of the text; size bytes of UTF-8, terminated, valid during the call. A
 * negative value ends the parse. */
typedef int (*sg_literal_put)(void *context, int index, const char *name, size_t size);

/* ['a', 'b'], ("a", "b"), {0: 'a', 1: 'b'}, {"0": "a"} or turned round, {'a': 0}. A name is a string (with
 * Python's prefixes and escapes, JSON's surrogate pairs; neighbouring strings are joined), a number (its
 * text) or None and null (no name: put is not called). put may be NULL. Returns how many classes there are
 * (the largest index + 1), -1 when text is no such literal to its end, or what put returned. */
int sg_literal_names(const char *text, size_t size, sg_literal_put put, void *context);
/* The class whose number the text is: digits alone, below SG_LITERAL_MAX_NAMES; else -1. */
int sg_literal_class(const char *text, size_t size);

#endif
