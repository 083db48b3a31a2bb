/* SPDX-License-Identifier: MIT
 * Option rows: one table per struct says key, type, range, unit, default and help of every field. The same
 * rows feed the YAML binder and the flag parser (conf), --help, `sight config check` and docs/CONFIG.md.
 * Tables are constant; a struct of values belongs to its caller. Any thread.
 */
#ifndef SG_BASE_OPTION_H
#define SG_BASE_OPTION_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SG_OPTION_TEXT_MAX  4096  /* bytes of one text value */
#define SG_OPTION_LIST_MAX  65536 /* entries of one list: the labels of a large classifier */
#define SG_OPTION_GROUP_MAX 1024  /* entries of one list of groups, unless max_count says less */
#define SG_OPTION_RANGE_MAX 96    /* bytes of a range in words */
#define SG_OPTION_FLOAT_MAX 128   /* entries of one list of numbers */

/* A text and where it was written, for errors found later ("no such model"). value NULL = not set. */
struct sg_text {
    char *value;
    int line, column; /* 1-based; 0 = a flag or a default */
};

struct sg_texts {
    struct sg_text *items;
    int count;
    bool scalar; /* written as one text, not as a list (labels: a file or the name of a set) */
};

/* Header of every list of structs: the typed struct in card.h or recipe.h begins with the same two members.
 */
struct sg_option_list {
    void *items;
    int count;
};

/* What the field is, and how a value is written. */
enum sg_option_type {
    SG_OPTION_BOOL,     /* bool: true, false, yes, no, on, off */
    SG_OPTION_INT,      /* int */
    SG_OPTION_COUNT,    /* int64_t: 250, 20k, 100M (powers of 1000) */
    SG_OPTION_SIZE,     /* int64_t bytes: 65536, 64KiB, 16MiB, 1GiB; 10MB is 10,000,000 */
    SG_OPTION_DURATION, /* int64_t milliseconds: 250ms, 30s, 5m, 1h; 0 needs no unit */
    SG_OPTION_FLOAT,    /* float */
    SG_OPTION_ENUM,     /* int: index of the word in choices */
    SG_OPTION_TEXT,     /* struct sg_text */
    SG_OPTION_TEXTS,    /* struct sg_texts: a list, or one text */
    SG_OPTION_FLOATS,   /* float[max_count]; the number given goes to count_offset if there is one */
    SG_OPTION_INTS,     /* int[max_count]; likewise */
    SG_OPTION_GROUP,    /* a struct described by `table` */
    SG_OPTION_GROUPS,   /* struct sg_option_list of such structs; one map stands for a list of one */
    SG_OPTION_KEYED,    /* the same, written as a map from a name of any spelling to a group */
};

enum sg_option_flag {
    SG_OPTION_REQUIRED = 1 << 0,  /* a file without it is wrong */
    SG_OPTION_SPREAD = 1 << 1,    /* FLOATS: one number stands for all of max_count */
    SG_OPTION_FLATTEN = 1 << 2,   /* FLOATS: a list of lists is read as one list (anchors) */
    SG_OPTION_FILE_ONLY = 1 << 3, /* no flag on the command line */
    SG_OPTION_FLAG_ONLY = 1 << 4, /* no key in a file */
    SG_OPTION_COMMA = 1 << 5,     /* TEXTS: a flag's value is split at commas */
    SG_OPTION_EVEN = 1 << 6,      /* FLOATS: an even number of entries */
    SG_OPTION_EXCLUSIVE = 1 << 7, /* FLOAT: minimum itself is not allowed (greater than, not at least) */
    SG_OPTION_NUMBERED = 1 << 8,  /* TEXTS: also a map of the numbers from 0, {0: person, 1: car} */
};

struct sg_option_table;

struct sg_option {
    const char *key;   /* "max_pixels" in a file, --max-pixels as a flag */
    const char *alias; /* another name that is accepted, in files and as a flag; NULL = none */
    enum sg_option_type type;
    unsigned flags;
    char short_flag;            /* 'q' for -q, 0 = none */
    size_t offset;              /* of the value in the struct */
    size_t set_offset;          /* of a bool that says "was given"; 0 = none (it is never the first member) */
    size_t count_offset;        /* FLOATS, INTS: of an int; 0 = none */
    double minimum, maximum;    /* of numbers, each entry; both 0 = any */
    int min_count, max_count;   /* of FLOATS and INTS; max_count also of GROUPS and KEYED */
    const char *const *choices; /* ENUM: NULL-terminated; INT: words that stand for 0, 1, … besides numbers */
    const char *value_default;  /* as one would write it; NULL = none, `absent` says what happens then */
    const char *absent;         /* "decided from the graph" */
    const char *unit;           /* "pixels", "IoU", "years"; NULL = none or part of the type */
    const char *value_name;     /* placeholder in help, "DIR"; NULL = by type */
    const char *section;        /* heading that starts with this row, or NULL */
    const char *help;           /* one sentence, no full stop */
    const struct sg_option_table *table; /* GROUP, GROUPS, KEYED */
};

/* Where a key was written; line 0 = it was not. */
struct sg_option_place {
    int line, column;
};

struct sg_option_table {
    const char *name;    /* "server" */
    const char *summary; /* what the struct is, for the docs */
    const struct sg_option *rows;
    int row_count;
    size_t struct_bytes;
    const char *shorthand; /* key that a plain value stands for (`detect: yolo` = `detect: {model: yolo}`) */
    size_t name_offset;    /* KEYED: of the struct sg_text that takes the name */
    size_t line_offset;    /* of two ints line, column that take the group's place; 0 = none */
    size_t places_offset;  /* of a struct sg_option_place for each row: where its key stands; 0 = none */
    const char *const *examples; /* NULL-terminated texts for the docs, or NULL */
};

/* Row of that key, or NULL. Dashes and underscores are the same when `flag` is true. */
const struct sg_option *sg_option_find(const struct sg_option_table *table, const char *key, bool flag);

/* Zeroes values and writes every default. Defaults are tested, so this fails only with SG_E_NOMEM. */
int sg_option_defaults(const struct sg_option_table *table, void *values);
/* Frees all texts and lists and zeroes the struct. */
void sg_option_fini(const struct sg_option_table *table, void *values);

/* Parses text (size bytes, not terminated) into the field of a scalar row; TEXTS gets one more entry, FLOATS
 * and INTS take comma-separated numbers. Marks it as set. SG_E_CONFIG with a text that names what was
 * expected, got and the range ("expected 0 to 1, got 1.5"), without the key. */
int sg_option_parse(const struct sg_option *row, void *values, const char *text, size_t size,
                    struct sg_error *err);
/* Checks a list of numbers already parsed and stores it; texts of errors as above. */
int sg_option_numbers(const struct sg_option *row, void *values, const double *numbers, int count,
                      struct sg_error *err);
/* One number as this row writes it (units, range). */
int sg_option_number(const struct sg_option *row, const char *text, size_t size, double *out_number,
                     struct sg_error *err);
/* One more item, defaults applied, in the list of a GROUPS or KEYED row; valid until the next call.
 * SG_E_TOO_LARGE, SG_E_NOMEM. */
int sg_option_grow(const struct sg_option *row, void *values, void **out_item);
void sg_option_mark(const struct sg_option *row, void *values);

/* Replaces / appends copies. SG_E_NOMEM, SG_E_TOO_LARGE. */
int sg_text_set(struct sg_text *text, const char *value, size_t size, int line, int column);
int sg_texts_append(struct sg_texts *texts, const char *value, size_t size, int line, int column);
void sg_text_fini(struct sg_text *text);
void sg_texts_fini(struct sg_texts *texts);

/* The current value as one would write it, "" when there is none; out is always terminated. */
void sg_option_format(const struct sg_option *row, const void *values, char *out, size_t out_bytes);
/* "0 to 1", "1KiB to 512MiB"; false and "" when any number will do. */
bool sg_option_range(const struct sg_option *row, char *out, size_t out_bytes);
/* "a number, 0 to 1", "fast or exact", "2 numbers": what a value may be, for help and errors. */
void sg_option_describe(const struct sg_option *row, char *out, size_t out_bytes);

/* Of the candidates (count of them) the closest to word by edit distance if it is close enough to be a typing
 * error, else NULL. */
const char *sg_suggest(const char *word, const char *const *candidates, int count);

#endif
