/* SPDX-License-Identifier: MIT
 * Walking over the wire format of protobuf messages (protobuf.dev, "Encoding"), field by field, without a
 * schema and without copying. Any bytes may be given; nothing past their end is read. Pure; any thread.
 */
#ifndef SG_DATA_PROTOBUF_H
#define SG_DATA_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wire types; groups (3 and 4) are taken for damage, ONNX and its like have none. */
enum sg_protobuf_wire {
    SG_PROTOBUF_VARINT = 0,
    SG_PROTOBUF_FIXED64 = 1,
    SG_PROTOBUF_BYTES = 2,
    SG_PROTOBUF_FIXED32 = 5
};

#define SG_PROTOBUF_MAX_NUMBER 100000 /* a field of a greater number is taken for damage */

enum sg_protobuf_next {
    SG_PROTOBUF_END,    /* the message is over */
    SG_PROTOBUF_FIELD,  /* a whole field */
    SG_PROTOBUF_CUT,    /* the message ends in the middle of a field */
    SG_PROTOBUF_DAMAGED /* these bytes are no such message */
};

/* A message: bytes at..end of data. All offsets are of data, also in messages inside. */
struct sg_protobuf {
    const uint8_t *data;
    size_t at, end;
};

struct sg_protobuf_field {
    uint32_t number; /* 0: cut before it was known */
    enum sg_protobuf_wire wire;
    size_t key;      /* offset of the key's first byte */
    size_t at;       /* of the value, behind its length */
    uint64_t size;   /* bytes of the value: of CUT bytes as many as it should have; CUT elsewhere: 0 */
    uint64_t varint; /* the value of a VARINT */
};

/* The next field. After anything but FIELD the walk is over. */
enum sg_protobuf_next sg_protobuf_next(struct sg_protobuf *message, struct sg_protobuf_field *out);
/* The number at the message's place, which has no key: one of a packed field. FIELD when it is whole. */
enum sg_protobuf_next sg_protobuf_varint(struct sg_protobuf *message, uint64_t *out);
/* The next whole field of that number and wire type; false when there is none (or the message is damaged). */
bool sg_protobuf_find(struct sg_protobuf *message, uint32_t number, enum sg_protobuf_wire wire,
                      struct sg_protobuf_field *out);
/* The message inside a whole field of BYTES. */
struct sg_protobuf sg_protobuf_inside(const struct sg_protobuf *message,
                                      const struct sg_protobuf_field *field);

#endif
