/* SPDX-License-Identifier: MIT
 * The wire format of protobuf; see protobuf.h.
 */
#include "data/protobuf.h"

#include <string.h>

enum sg_protobuf_next sg_protobuf_varint(struct sg_protobuf *message, uint64_t *out)
{
    int shift;

    *out = 0;
    for (shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (message->at == message->end)
            return SG_PROTOBUF_CUT;
        byte = message->data[message->at++];
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return SG_PROTOBUF_FIELD;
    }
    return SG_PROTOBUF_DAMAGED;
}

enum sg_protobuf_next sg_protobuf_next(struct sg_protobuf *message, struct sg_protobuf_field *out)
{
    enum sg_protobuf_next next;
    uint64_t key;

    *out = (struct sg_protobuf_field){.key = message->at};
    if (message->at == message->end)
        return SG_PROTOBUF_END;
    next = sg_protobuf_varint(message, &key);
    if (next != SG_PROTOBUF_FIELD)
        return next;
    if (key >> 3 == 0 || key >> 3 > SG_PROTOBUF_MAX_NUMBER)
        return SG_PROTOBUF_DAMAGED;
    out->number = (uint32_t)(key >> 3);
    out->wire = (enum sg_protobuf_wire)(key & 7);
    out->at = message->at;
    switch (out->wire) {
    case SG_PROTOBUF_VARINT:
        next = sg_protobuf_varint(message, &out->varint);
        out->size = next == SG_PROTOBUF_FIELD ? message->at - out->at : 0;
        return next;
    case SG_PROTOBUF_BYTES:
        next = sg_protobuf_varint(message, &out->size);
        if (next != SG_PROTOBUF_FIELD) {
            out->size = 0;
            return next;
        }
        break;
    case SG_PROTOBUF_FIXED64:
        out->size = 8;
        break;
    case SG_PROTOBUF_FIXED32:
        out->size = 4;
        break;
    default:
        return SG_PROTOBUF_DAMAGED;
    }
    out->at = message->at;
    if (out->size > message->end - message->at)
        return SG_PROTOBUF_CUT;
    message->at += (size_t)out->size;
    return SG_PROTOBUF_FIELD;
}

bool sg_protobuf_find(struct sg_protobuf *message, uint32_t number, enum sg_protobuf_wire wire,
                      struct sg_protobuf_field *out)
{
    while (sg_protobuf_next(message, out) == SG_PROTOBUF_FIELD)
        if (out->number == number && out->wire == wire)
            return true;
    return false;
}

struct sg_protobuf sg_protobuf_inside(const struct sg_protobuf *message,
                                      const struct sg_protobuf_field *field)
{
    return (struct sg_protobuf){
        .data = message->data, .at = field->at, .end = field->at + (size_t)field->size};
}
