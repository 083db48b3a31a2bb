/* SPDX-License-Identifier: MIT
 * ISO 14496-12 (boxes, iinf, iloc, iref) and ISO 23008-12 (properties, grid). Two passes: the first builds
 * the table of items, the second hangs places, properties and parts onto it.
 */
#include "img/heif_boxes.h"

#include <stdlib.h>
#include <string.h>

#define ESSENTIAL_WIDE   0x8000u
#define ESSENTIAL_NARROW 0x80u

/* A place in the file; reading past the end gives 0 and is remembered. */
struct cursor {
    const uint8_t *bytes;
    size_t at, end;
    bool bad;
};

struct box {
    uint32_t type;
    struct cursor body;
    unsigned version; /* of full boxes, after open_full */
    uint32_t flags;
};

static uint64_t take(struct cursor *cursor, unsigned bytes)
{
    uint64_t value = 0;

    if (cursor->bad || cursor->end - cursor->at < bytes) {
        cursor->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | cursor->bytes[cursor->at++];
    return value;
}

static void skip(struct cursor *cursor, uint64_t bytes)
{
    if (cursor->bad || cursor->end - cursor->at < bytes)
        cursor->bad = true;
    else
        cursor->at += (size_t)bytes;
}

/* The next box; false at the end, or (bad) when a size does not fit. */
static bool next_box(struct cursor *cursor, struct box *box)
{
    size_t start = cursor->at;
    uint64_t size;

    if (cursor->bad || cursor->at == cursor->end)
        return false;
    size = take(cursor, 4);
    box->type = (uint32_t)take(cursor, 4);
    if (size == 1)
        size = take(cursor, 8);
    else if (size == 0)
        size = cursor->end - start;
    if (cursor->bad || size < cursor->at - start || size > cursor->end - start) {
        cursor->bad = true;
        return false;
    }
    box->body = (struct cursor){.bytes = cursor->bytes, .at = cursor->at, .end = start + (size_t)size};
    cursor->at = box->body.end;
    return true;
}

static void open_full(struct box *box)
{
    box->version = (unsigned)take(&box->body, 1);
    box->flags = (uint32_t)take(&box->body, 3);
}

static bool find_box(struct cursor within, uint32_t type, struct box *box)
{
    while (next_box(&within, box))
        if (box->type == type)
            return true;
    return false;
}

static int damaged(struct sg_error *err, const char *what)
{
    return sg_error_set(err, SG_E_BAD_IMAGE, "HEIF data is damaged or ends early: %s", what);
}

static int unsupported(struct sg_error *err, const char *what)
{
    return sg_error_set(err, SG_E_UNSUPPORTED, "this HEIF is not supported: %s", what);
}

static int compare_items(const void *a, const void *b)
{
    const struct sg_heif_item *left = a, *right = b;

    return (left->id > right->id) - (left->id < right->id);
}

static struct sg_heif_item *find_item(const struct sg_heif *heif, uint32_t id)
{
    const struct sg_heif_item key = {.id = id};

    if (!heif->item_count)
        return NULL;
    return bsearch(&key, heif->items, heif->item_count, sizeof(key), compare_items);
}

const struct sg_heif_item *sg_heif_find(const struct sg_heif *heif, uint32_t id)
{
    return find_item(heif, id);
}

static int read_items(struct sg_heif *heif, struct box iinf, struct sg_error *err)
{
    struct box infe;
    uint64_t count;

    open_full(&iinf);
    count = take(&iinf.body, iinf.version == 0 ? 2 : 4);
    if (iinf.body.bad)
        return damaged(err, "its list of items");
    if (count > SG_HEIF_MAX_ITEMS)
        return sg_error_set(err, SG_E_TOO_LARGE, "HEIF of %u items, the limit is %d", (unsigned)count,
                            SG_HEIF_MAX_ITEMS);
    heif->items = calloc((size_t)count + 1, sizeof(*heif->items));
    if (!heif->items)
        return sg_error_set(err, SG_E_NOMEM, "out of memory for %u items", (unsigned)count);
    while (heif->item_count < count && next_box(&iinf.body, &infe)) {
        struct sg_heif_item *item = &heif->items[heif->item_count];

        open_full(&infe);
        if (infe.version < 2)
            continue; /* has no type: metadata of another kind of file */
        item->id = (uint32_t)take(&infe.body, infe.version == 2 ? 2 : 4);
        item->is_protected = take(&infe.body, 2) != 0;
        item->type = (uint32_t)take(&infe.body, 4);
        if (infe.body.bad)
            return damaged(err, "its list of items");
        heif->item_count++;
    }
    if (iinf.body.bad)
        return damaged(err, "its list of items");
    qsort(heif->items, heif->item_count, sizeof(*heif->items), compare_items);
    return 0;
}

static bool read_locations(struct sg_heif *heif, struct box iloc)
{
    unsigned sizes, base_bytes, id_bytes;
    uint64_t count;

    open_full(&iloc);
    if (iloc.version > 2)
        return false;
    id_bytes = iloc.version < 2 ? 2 : 4;
    sizes = (unsigned)take(&iloc.body, 2);
    heif->offset_bytes = sizes >> 12;
    heif->length_bytes = sizes >> 8 & 15;
    base_bytes = sizes >> 4 & 15;
    heif->index_bytes = iloc.version ? sizes & 15 : 0;
    if (heif->offset_bytes > 8 || heif->length_bytes > 8 || base_bytes > 8 || heif->index_bytes > 8)
        return false;
    count = take(&iloc.body, id_bytes);
    for (uint64_t i = 0; i < count && !iloc.body.bad; i++) {
        struct sg_heif_item *item = find_item(heif, (uint32_t)take(&iloc.body, id_bytes));
        unsigned method = iloc.version ? (unsigned)take(&iloc.body, 2) & 15 : 0;
        bool is_foreign = take(&iloc.body, 2) != 0;
        uint64_t base = take(&iloc.body, base_bytes);
        uint32_t extents = (uint32_t)take(&iloc.body, 2);
        size_t at = iloc.body.at;

        skip(&iloc.body, (uint64_t)extents * (heif->index_bytes + heif->offset_bytes + heif->length_bytes));
        if (!item || iloc.body.bad)
            continue;
        item->method = method;
        item->is_foreign = is_foreign;
        item->base = base;
        item->extents = extents;
        item->extents_at = at;
    }
    return !iloc.body.bad;
}

/* Only what makes a derived picture; who is auxiliary to whom does not matter here. */
static bool read_references(struct sg_heif *heif, struct box iref)
{
    struct box kind;

    open_full(&iref);
    while (next_box(&iref.body, &kind)) {
        unsigned id_bytes = iref.version == 0 ? 2 : 4;
        struct sg_heif_item *item;
        uint32_t count;

        if (kind.type != SG_HEIF_TYPE('d', 'i', 'm', 'g'))
            continue;
        item = find_item(heif, (uint32_t)take(&kind.body, id_bytes));
        count = (uint32_t)take(&kind.body, 2);
        if (kind.body.bad || (kind.body.end - kind.body.at) / id_bytes < count)
            return false;
        if (item) {
            item->parts = count;
            item->parts_at = kind.body.at;
            item->has_wide_parts = id_bytes == 4;
        }
    }
    return !iref.body.bad;
}

static bool read_associations(struct sg_heif *heif, struct box ipma)
{
    uint64_t count;

    open_full(&ipma);
    count = take(&ipma.body, 4);
    for (uint64_t i = 0; i < count && !ipma.body.bad; i++) {
        struct sg_heif_item *item = find_item(heif, (uint32_t)take(&ipma.body, ipma.version < 1 ? 2 : 4));
        uint32_t properties = (uint32_t)take(&ipma.body, 1);
        size_t at = ipma.body.at;

        skip(&ipma.body, (uint64_t)properties * (ipma.flags & 1 ? 2 : 1));
        if (!item || ipma.body.bad)
            continue;
        item->properties = properties;
        item->properties_at = at;
        item->has_wide_properties = ipma.flags & 1;
    }
    return !ipma.body.bad;
}

static int read_properties(struct sg_heif *heif, struct box iprp, struct sg_error *err)
{
    struct box ipco, box;
    struct cursor count_at;
    size_t count = 0;

    if (!find_box(iprp.body, SG_HEIF_TYPE('i', 'p', 'c', 'o'), &ipco))
        return damaged(err, "it has no properties");
    for (count_at = ipco.body; next_box(&count_at, &box);)
        count++;
    if (count_at.bad)
        return damaged(err, "its properties");
    if (count > SG_HEIF_MAX_ITEMS)
        return sg_error_set(err, SG_E_TOO_LARGE, "HEIF of %zu properties, the limit is %d", count,
                            SG_HEIF_MAX_ITEMS);
    heif->properties = calloc(count + 1, sizeof(*heif->properties));
    if (!heif->properties)
        return sg_error_set(err, SG_E_NOMEM, "out of memory for %zu properties", count);
    while (heif->property_count < count) {
        heif->properties[heif->property_count++] = ipco.body.at;
        (void)next_box(&ipco.body, &box);
    }
    while (next_box(&iprp.body, &box))
        if (box.type == SG_HEIF_TYPE('i', 'p', 'm', 'a') && !read_associations(heif, box))
            return damaged(err, "which properties an item has");
    return 0;
}

static int read_meta(struct sg_heif *heif, struct cursor meta, struct sg_error *err)
{
    struct box box;
    int code;

    if (!find_box(meta, SG_HEIF_TYPE('p', 'i', 't', 'm'), &box))
        return unsupported(err, "it names no primary picture");
    open_full(&box);
    heif->primary = (uint32_t)take(&box.body, box.version == 0 ? 2 : 4);
    if (box.body.bad)
        return damaged(err, "its primary picture");
    if (!find_box(meta, SG_HEIF_TYPE('i', 'i', 'n', 'f'), &box))
        return damaged(err, "it has no list of items");
    code = read_items(heif, box, err);
    if (code < 0)
        return code;
    if (find_box(meta, SG_HEIF_TYPE('i', 'd', 'a', 't'), &box)) {
        heif->idat_at = box.body.at;
        heif->idat_size = box.body.end - box.body.at;
    }
    if (!find_box(meta, SG_HEIF_TYPE('i', 'l', 'o', 'c'), &box) || !read_locations(heif, box))
        return damaged(err, "where its items lie");
    if (find_box(meta, SG_HEIF_TYPE('i', 'r', 'e', 'f'), &box) && !read_references(heif, box))
        return damaged(err, "the references between its items");
    if (!find_box(meta, SG_HEIF_TYPE('i', 'p', 'r', 'p'), &box))
        return damaged(err, "it has no properties");
    return read_properties(heif, box, err);
}

int sg_heif_parse(const uint8_t *bytes, size_t size, struct sg_heif *heif, struct sg_error *err)
{
    struct cursor file = {.bytes = bytes, .end = size};
    bool has_movie = false;
    struct box box;

    *heif = (struct sg_heif){.bytes = bytes, .size = size};
    while (next_box(&file, &box)) {
        if (box.type == SG_HEIF_TYPE('m', 'e', 't', 'a')) {
            open_full(&box);
            return box.body.bad ? damaged(err, "its header") : read_meta(heif, box.body, err);
        }
        has_movie = has_movie || box.type == SG_HEIF_TYPE('m', 'o', 'o', 'v');
    }
    if (has_movie && !file.bad)
        return unsupported(err, "it is a sequence without a still picture");
    return damaged(err, "it has no header of pictures (meta)");
}

void sg_heif_fini(struct sg_heif *heif)
{
    free(heif->items);
    free(heif->properties);
    *heif = (struct sg_heif){0};
}

static int add_turn(struct sg_heif_look *look, struct sg_heif_turn turn, struct sg_error *err)
{
    if (look->turn_count == SG_HEIF_MAX_TURNS)
        return unsupported(err, "it is turned and cut too often");
    look->turns[look->turn_count++] = turn;
    return 0;
}

static int look_at_cut(struct sg_heif_look *look, struct cursor *body, struct sg_error *err)
{
    struct sg_heif_turn turn = {0};

    for (int i = 0; i < 2; i++)
        turn.width[i] = (uint32_t)take(body, 4);
    for (int i = 0; i < 2; i++)
        turn.height[i] = (uint32_t)take(body, 4);
    for (int i = 0; i < 2; i++)
        turn.right[i] = (int32_t)take(body, 4);
    for (int i = 0; i < 2; i++)
        turn.down[i] = (int32_t)take(body, 4);
    if (!turn.width[1] || !turn.height[1] || turn.right[1] <= 0 || turn.down[1] <= 0)
        return damaged(err, "its clean aperture");
    return add_turn(look, turn, err);
}

static void look_at_colours(struct sg_heif_look *look, struct cursor *body)
{
    if (take(body, 4) != SG_HEIF_TYPE('n', 'c', 'l', 'x'))
        return; /* an ICC profile, which is not applied */
    look->primaries = (unsigned)take(body, 2);
    skip(body, 2); /* transfer */
    look->matrix = (unsigned)take(body, 2);
    look->full_range = take(body, 1) >> 7;
    look->has_colours = true;
}

static int look_at_property(struct sg_heif_look *look, struct box *box, bool is_essential,
                            struct sg_error *err)
{
    /* Turned counter-clockwise by quarters, said as what EXIF says of such a picture. */
    static const int quarters[4] = {1, 8, 3, 6};

    switch (box->type) {
    case SG_HEIF_TYPE('i', 's', 'p', 'e'):
        open_full(box);
        look->width = (uint32_t)take(&box->body, 4);
        look->height = (uint32_t)take(&box->body, 4);
        return 0;
    case SG_HEIF_TYPE('h', 'v', 'c', 'C'):
    case SG_HEIF_TYPE('a', 'v', '1', 'C'):
        look->config_at = box->body.at;
        look->config_size = box->body.end - box->body.at;
        return 0;
    case SG_HEIF_TYPE('i', 'r', 'o', 't'):
        return add_turn(look, (struct sg_heif_turn){.orientation = quarters[take(&box->body, 1) & 3]}, err);
    case SG_HEIF_TYPE('i', 'm', 'i', 'r'): /* 0: top and bottom change places, 1: left and right */
        return add_turn(look, (struct sg_heif_turn){.orientation = take(&box->body, 1) & 1 ? 2 : 4}, err);
    case SG_HEIF_TYPE('c', 'l', 'a', 'p'):
        return look_at_cut(look, &box->body, err);
    case SG_HEIF_TYPE('c', 'o', 'l', 'r'):
        look_at_colours(look, &box->body);
        return 0;
    case SG_HEIF_TYPE('p', 'i', 'x', 'i'):
    case SG_HEIF_TYPE('p', 'a', 's', 'p'):
        return 0;
    case SG_HEIF_TYPE('a', '1', 'o', 'p'):
        return take(&box->body, 1) ? unsupported(err, "an operating point of AV1") : 0;
    case SG_HEIF_TYPE('l', 's', 'e', 'l'):
        return take(&box->body, 2) != 0xFFFF ? unsupported(err, "one layer of several") : 0;
    default:
        return is_essential ? unsupported(err, "an essential property that is not known") : 0;
    }
}

int sg_heif_look(const struct sg_heif *heif, const struct sg_heif_item *item, struct sg_heif_look *look,
                 struct sg_error *err)
{
    struct cursor list = {.bytes = heif->bytes, .at = item->properties_at, .end = heif->size};

    *look = (struct sg_heif_look){0};
    for (uint32_t i = 0; i < item->properties; i++) {
        unsigned word = (unsigned)take(&list, item->has_wide_properties ? 2 : 1);
        unsigned mark = item->has_wide_properties ? ESSENTIAL_WIDE : ESSENTIAL_NARROW,
                 index = word & (mark - 1);
        struct cursor at = {.bytes = heif->bytes, .end = heif->size};
        struct box box;
        int code;

        if (index == 0)
            continue; /* no property */
        if (index > heif->property_count)
            return damaged(err, "a property that is not there");
        at.at = heif->properties[index - 1];
        if (!next_box(&at, &box))
            return damaged(err, "a property");
        code = look_at_property(look, &box, word & mark, err);
        if (code < 0)
            return code;
        if (box.body.bad)
            return damaged(err, "a property that is too short");
    }
    return 0;
}

/* Where an extent lies in the file; false when it does not. */
static bool extent_of(const struct sg_heif *heif, const struct sg_heif_item *item, struct cursor *list,
                      size_t *at, size_t *length)
{
    size_t start = item->method == 1 ? heif->idat_at : 0,
           room = item->method == 1 ? heif->idat_size : heif->size;
    uint64_t offset, bytes;

    skip(list, heif->index_bytes);
    offset = take(list, heif->offset_bytes);
    bytes = take(list, heif->length_bytes);
    if (list->bad || item->base > room || offset > room - item->base)
        return false;
    offset += item->base;
    if (bytes == 0 && item->extents == 1)
        bytes = room - offset;
    if (bytes > room - offset)
        return false;
    *at = start + (size_t)offset;
    *length = (size_t)bytes;
    return true;
}

int sg_heif_payload(const struct sg_heif *heif, const struct sg_heif_item *item, uint8_t *out,
                    size_t *out_size, struct sg_error *err)
{
    struct cursor list = {.bytes = heif->bytes, .at = item->extents_at, .end = heif->size};
    size_t total = 0;

    if (item->is_protected)
        return unsupported(err, "its picture is encrypted");
    if (item->is_foreign || item->method > 1)
        return unsupported(err, "its picture lies in another file or item");
    for (uint32_t i = 0; i < item->extents; i++) {
        size_t at, length;

        if (!extent_of(heif, item, &list, &at, &length) || length > heif->size - total)
            return damaged(err, "the bytes of its picture are not in the file");
        if (out)
            memcpy(out + total, heif->bytes + at, length);
        total += length;
    }
    if (total == 0)
        return damaged(err, "its picture has no bytes");
    *out_size = total;
    return 0;
}

const uint8_t *sg_heif_first_bytes(const struct sg_heif *heif, const struct sg_heif_item *item, size_t *size)
{
    struct cursor list = {.bytes = heif->bytes, .at = item->extents_at, .end = heif->size};
    size_t at;

    if (item->is_protected || item->is_foreign || item->method > 1 || item->extents == 0 ||
        !extent_of(heif, item, &list, &at, size))
        return NULL;
    return heif->bytes + at;
}

int sg_heif_grid(const struct sg_heif *heif, const struct sg_heif_item *item, struct sg_heif_grid *grid,
                 struct sg_error *err)
{
    uint8_t bytes[12];
    struct cursor body = {.bytes = bytes};
    size_t size = 0;
    unsigned side_bytes;
    int code = sg_heif_payload(heif, item, NULL, &size, err);

    if (code < 0)
        return code;
    if (size > sizeof(bytes) || sg_heif_payload(heif, item, bytes, &size, err) < 0)
        return damaged(err, "the shape of its grid");
    body.end = size;
    skip(&body, 1); /* version */
    side_bytes = take(&body, 1) & 1 ? 4 : 2;
    grid->rows = (uint32_t)take(&body, 1) + 1;
    grid->columns = (uint32_t)take(&body, 1) + 1;
    grid->width = (uint32_t)take(&body, side_bytes);
    grid->height = (uint32_t)take(&body, side_bytes);
    if (body.bad || item->parts != grid->rows * grid->columns)
        return damaged(err, "its grid has another number of tiles than it says");
    return 0;
}

uint32_t sg_heif_part(const struct sg_heif *heif, const struct sg_heif_item *item, uint32_t index)
{
    unsigned bytes = item->has_wide_parts ? 4 : 2;
    struct cursor at = {
        .bytes = heif->bytes, .at = item->parts_at + (size_t)index * bytes, .end = heif->size};

    return (uint32_t)take(&at, bytes);
}
