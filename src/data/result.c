/* SPDX-License-Identifier: MIT
 * The arena behind a result. Chunks are kept newest first; clearing keeps the newest, largest one.
 */
#include "data/result.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST_BYTES ((size_t)8192)
#define CHUNK_ALIGN       ((size_t)16)

struct sg_result_chunk {
    struct sg_result_chunk *next;
    size_t used, capacity;
    _Alignas(16) unsigned char data[];
};

const char *sg_stage_name(enum sg_stage stage)
{
    static const char *const names[] = {
#define SG_STAGE_NAME(name, wire) wire,
        SG_STAGE_TABLE(SG_STAGE_NAME)
#undef SG_STAGE_NAME
    };

    return names[stage];
}

static void free_chunks(struct sg_result_chunk *chunk)
{
    while (chunk) {
        struct sg_result_chunk *next = chunk->next;

        free(chunk);
        chunk = next;
    }
}

void sg_result_clear(struct sg_result *result)
{
    struct sg_result_chunk *keep = result->chunks;

    if (keep) {
        free_chunks(keep->next);
        keep->next = NULL;
        keep->used = 0;
    }
    *result = (struct sg_result){.chunks = keep, .arena_bytes = keep ? keep->capacity : 0};
}

void sg_result_fini(struct sg_result *result)
{
    free_chunks(result->chunks);
    *result = (struct sg_result){0};
}

void *sg_result_alloc(struct sg_result *result, size_t bytes)
{
    struct sg_result_chunk *chunk = result->chunks;
    size_t need, capacity;
    void *memory;

    if (bytes > SG_RESULT_MAX_BYTES)
        return NULL;
    need = (bytes + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN;
    if (!chunk || chunk->capacity - chunk->used < need) {
        capacity = chunk ? chunk->capacity * 2 : CHUNK_FIRST_BYTES;
        if (capacity < need)
            capacity = need;
        if (result->arena_bytes + capacity > SG_RESULT_MAX_BYTES)
            return NULL;
        chunk = malloc(sizeof(*chunk) + capacity);
        if (!chunk)
            return NULL;
        *chunk = (struct sg_result_chunk){.next = result->chunks, .capacity = capacity};
        result->chunks = chunk;
        result->arena_bytes += capacity;
    }
    memory = chunk->data + chunk->used;
    chunk->used += need;
    return memset(memory, 0, need);
}

char *sg_result_strdup(struct sg_result *result, const char *text, size_t size)
{
    char *copy = size < SG_RESULT_MAX_BYTES ? sg_result_alloc(result, size + 1) : NULL;

    if (copy)
        memcpy(copy, text, size);
    return copy;
}
