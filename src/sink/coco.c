/* SPDX-License-Identifier: MIT
 * One COCO document (cocodataset.org, "Data format"). Until it is complete each picture is a line: the image
 * with its annotations, still without numbers. category_id is the class id plus one: tools take 0 for
 * background.
 */
#include "codec/json.h"
#include "sink/sink_private.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define COCO_PREFIX     "{\"file_name\":"
#define CATEGORIES_MAX  65536
#define POLYGON_MINIMUM 3

/* cJSON leaves out what it has no memory for; this tells that it did. */
static _Thread_local bool exhausted;

static void *take_memory(size_t bytes)
{
    void *memory = malloc(bytes);

    exhausted = exhausted || !memory;
    return memory;
}

static void set_hooks(void)
{
    cJSON_Hooks hooks = {.malloc_fn = take_memory, .free_fn = free};

    cJSON_InitHooks(&hooks);
}

/* Before the first tree of a piece of work. */
static void watch_memory(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, set_hooks);
    exhausted = false;
}

static int put_key(const struct sg_sink_item *item, struct sg_buf *out)
{
    return sg_json_text(item->name, out);
}

static cJSON *number(double value, int decimals)
{
    double scale = decimals == 2 ? 100.0 : 10000.0;

    return cJSON_CreateNumber(isfinite(value) ? round(value * scale) / scale : 0.0);
}

static double polygon_area(const struct sg_point *points, int count)
{
    double sum = 0;
    int i;

    for (i = 0; i < count; i++) {
        const struct sg_point *a = &points[i], *b = &points[(i + 1) % count];

        sum += (double)a->x * b->y - (double)b->x * a->y;
    }
    return fabs(sum) / 2;
}

static cJSON *segmentation(const struct sg_point *points, int count)
{
    cJSON *list = cJSON_CreateArray(), *one = cJSON_CreateArray();
    int i;

    for (i = 0; i < count; i++) {
        cJSON_AddItemToArray(one, number(points[i].x, 2));
        cJSON_AddItemToArray(one, number(points[i].y, 2));
    }
    cJSON_AddItemToArray(list, one);
    return list;
}

static void add_keypoints(cJSON *to, const struct sg_object *o)
{
    cJSON *list = cJSON_AddArrayToObject(to, "keypoints");
    int i, shown = 0;

    for (i = 0; i < o->landmark_count; i++) {
        bool visible = o->landmarks[i].score < 0 || o->landmarks[i].score >= 0.5f;

        cJSON_AddItemToArray(list, number(o->landmarks[i].x, 2));
        cJSON_AddItemToArray(list, number(o->landmarks[i].y, 2));
        cJSON_AddItemToArray(list, cJSON_CreateNumber(visible ? 2 : 1));
        shown += visible;
    }
    cJSON_AddNumberToObject(to, "num_keypoints", shown);
}

static void add_attributes(cJSON *to, const struct sg_object *o)
{
    cJSON *map = cJSON_AddObjectToObject(to, "attributes");
    int i;

    for (i = 0; i < o->attribute_count; i++) {
        const struct sg_attribute *a = &o->attributes[i];
        const char *name = a->name ? a->name : a->model;

        if (!name || cJSON_HasObjectItem(map, name))
            continue;
        if (a->label)
            cJSON_AddStringToObject(map, name, a->label);
        else if (a->has_value)
            cJSON_AddItemToObject(map, name, number(a->value, 4));
        else if (a->class_id >= 0)
            cJSON_AddNumberToObject(map, name, a->class_id);
    }
}

static cJSON *annotation(const struct sg_object *o)
{
    double width = (double)o->box.x2 - o->box.x1, height = (double)o->box.y2 - o->box.y1;
    cJSON *one = cJSON_CreateObject(), *box = cJSON_CreateArray();
    double area = width * height;

    cJSON_AddNumberToObject(one, "category_id", o->class_id + 1);
    cJSON_AddItemToArray(box, number(o->box.x1, 2));
    cJSON_AddItemToArray(box, number(o->box.y1, 2));
    cJSON_AddItemToArray(box, number(width, 2));
    cJSON_AddItemToArray(box, number(height, 2));
    cJSON_AddItemToObject(one, "bbox", box);
    if (o->polygon_count >= POLYGON_MINIMUM) {
        area = polygon_area(o->polygon, o->polygon_count);
        cJSON_AddItemToObject(one, "segmentation", segmentation(o->polygon, o->polygon_count));
    } else if (o->has_quad) {
        area = polygon_area(o->quad, 4);
        cJSON_AddItemToObject(one, "segmentation", segmentation(o->quad, 4));
    }
    cJSON_AddItemToObject(one, "area", number(area, 2));
    cJSON_AddNumberToObject(one, "iscrowd", 0);
    cJSON_AddItemToObject(one, "score", number(o->score, 4));
    if (o->landmark_count > 0)
        add_keypoints(one, o);
    if (o->text)
        cJSON_AddStringToObject(one, "text", o->text);
    if (o->attribute_count > 0)
        add_attributes(one, o);
    return one;
}

/* {"1":"face"}: the names of the classes that occur. */
static void name_category(cJSON *names, const struct sg_object *o)
{
    char key[16], plain[32];

    snprintf(key, sizeof(key), "%d", o->class_id + 1);
    if (cJSON_HasObjectItem(names, key))
        return;
    snprintf(plain, sizeof(plain), "class %d", o->class_id);
    cJSON_AddStringToObject(names, key, o->label ? o->label : plain);
}

/* Appends the tree as one line behind the key, which must be bytes that can be compared: cJSON would write
 * its own escapes. */
static int put_line(const char *key, size_t key_bytes, const cJSON *tree, struct sg_buf *out)
{
    char *text = cJSON_PrintUnformatted(tree);
    int code = text ? sg_buf_append_text(out, COCO_PREFIX) : SG_E_NOMEM;

    if (code == 0)
        code = sg_buf_append(out, key, key_bytes);
    if (code == 0)
        code = sg_buf_printf(out, ",%s\n", text + 1);
    free(text);
    return code;
}

static int format(const struct sg_sink_options *options, const struct sg_sink_item *item, struct sg_buf *out)
{
    cJSON *tree, *list, *names;
    struct sg_buf key;
    int i, code;

    (void)options;
    if (item->err && item->err->code != SG_OK)
        return 0;
    watch_memory();
    tree = cJSON_CreateObject();
    cJSON_AddNumberToObject(tree, "width", item->result->width);
    cJSON_AddNumberToObject(tree, "height", item->result->height);
    list = cJSON_AddArrayToObject(tree, "annotations");
    names = cJSON_AddObjectToObject(tree, "categories");
    for (i = 0; i < item->result->object_count; i++) {
        cJSON_AddItemToArray(list, annotation(&item->result->objects[i]));
        name_category(names, &item->result->objects[i]);
    }
    sg_buf_init(&key, SG_SINK_ITEM_MAX);
    code = exhausted ? SG_E_NOMEM : put_key(item, &key);
    if (code == 0)
        code = put_line((const char *)key.data, key.size, tree, out);
    sg_buf_fini(&key);
    cJSON_Delete(tree);
    return code;
}

static int scan(const char *text, size_t size, struct sg_written *written, size_t *out_whole,
                struct sg_error *err)
{
    return sg_sink_scan_json(COCO_PREFIX, text, size, written, out_whole, err);
}

/* The document being written. */
struct document {
    FILE *to;
    char **names; /* by category id */
    long images, annotations;
};

static void print_item(FILE *to, bool first, const cJSON *item)
{
    char *text = cJSON_PrintUnformatted(item);

    fprintf(to, "%s%s", first ? "\n" : ",\n", text ? text : "null");
    free(text);
}

static void put_image(struct document *document, cJSON *line)
{
    cJSON *image = cJSON_CreateObject();

    cJSON_AddNumberToObject(image, "id", (double)document->images + 1);
    cJSON_AddItemToObject(image, "file_name", cJSON_DetachItemFromObject(line, "file_name"));
    cJSON_AddItemToObject(image, "width", cJSON_DetachItemFromObject(line, "width"));
    cJSON_AddItemToObject(image, "height", cJSON_DetachItemFromObject(line, "height"));
    print_item(document->to, document->images == 0, image);
    document->images++;
    cJSON_Delete(image);
}

static void put_annotations(struct document *document, cJSON *line)
{
    cJSON *list = cJSON_GetObjectItem(line, "annotations"), *one, *name;

    document->images++;
    while (list && (one = cJSON_DetachItemFromArray(list, 0))) {
        cJSON_AddNumberToObject(one, "image_id", (double)document->images);
        cJSON_AddNumberToObject(one, "id", (double)document->annotations + 1);
        print_item(document->to, document->annotations == 0, one);
        document->annotations++;
        cJSON_Delete(one);
    }
    cJSON_ArrayForEach(name, cJSON_GetObjectItem(line, "categories"))
    {
        long id = strtol(name->string, NULL, 10);

        if (id > 0 && id < CATEGORIES_MAX && !document->names[id] && cJSON_IsString(name))
            exhausted = !(document->names[id] = strdup(name->valuestring)) || exhausted;
    }
}

static int each_line(FILE *lines, struct document *document, void (*visit)(struct document *, cJSON *),
                     struct sg_error *err)
{
    char *text = NULL;
    size_t capacity = 0;
    ssize_t size;
    int code = 0;

    rewind(lines);
    document->images = 0;
    while (code == 0 && (size = getline(&text, &capacity, lines)) > 0) {
        cJSON *line = cJSON_ParseWithLength(text, (size_t)size);

        if (line)
            visit(document, line);
        if (exhausted)
            code = sg_error_set(err, SG_E_NOMEM, "no memory for the document");
        else if (!line)
            code = sg_error_set(err, SG_E_CONFIG, "picture %ld of the part written before cannot be read",
                                document->images + 1);
        cJSON_Delete(line);
    }
    free(text);
    return code;
}

static void put_categories(struct document *document)
{
    bool first = true;
    long id;

    for (id = 1; id < CATEGORIES_MAX; id++) {
        cJSON *category;

        if (!document->names[id])
            continue;
        category = cJSON_CreateObject();
        cJSON_AddNumberToObject(category, "id", (double)id);
        cJSON_AddStringToObject(category, "name", document->names[id]);
        print_item(document->to, first, category);
        first = false;
        cJSON_Delete(category);
    }
}

static int make_document(FILE *lines, FILE *to, struct sg_error *err)
{
    struct document document = {.to = to};
    int code = 0;
    long id;

    document.names = calloc(CATEGORIES_MAX, sizeof(*document.names));
    if (!document.names)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the categories");
    watch_memory();
    fputs("{\"info\":{\"description\":\"made by sightd\"},\"licenses\":[],\"images\":[", to);
    code = each_line(lines, &document, put_image, err);
    fputs("\n],\"annotations\":[", to);
    if (code == 0)
        code = each_line(lines, &document, put_annotations, err);
    fputs("\n],\"categories\":[", to);
    put_categories(&document);
    fputs("\n]}\n", to);
    if (code == 0 && exhausted)
        code = sg_error_set(err, SG_E_NOMEM, "no memory for the categories");
    for (id = 0; id < CATEGORIES_MAX; id++)
        free(document.names[id]);
    free(document.names);
    return code;
}

/* The annotations of one image, which follow each other; *next moves behind them. */
static void take_annotations(cJSON *line, double image_id, cJSON **next, const cJSON *categories)
{
    cJSON *list = cJSON_AddArrayToObject(line, "annotations");
    cJSON *names = cJSON_AddObjectToObject(line, "categories");

    while (*next && cJSON_GetNumberValue(cJSON_GetObjectItem(*next, "image_id")) == image_id) {
        cJSON *one = cJSON_Duplicate(*next, true);
        const cJSON *category;
        char key[16];

        cJSON_DeleteItemFromObject(one, "image_id");
        cJSON_DeleteItemFromObject(one, "id");
        cJSON_AddItemToArray(list, one);
        snprintf(key, sizeof(key), "%.0f", cJSON_GetNumberValue(cJSON_GetObjectItem(*next, "category_id")));
        category = cJSON_GetObjectItem(categories, key);
        if (cJSON_IsString(category) && !cJSON_HasObjectItem(names, key))
            cJSON_AddStringToObject(names, key, category->valuestring);
        *next = (*next)->next;
    }
}

/* {"1":"face"} of the document's list. */
static cJSON *category_names(const cJSON *tree)
{
    cJSON *names = cJSON_CreateObject(), *one;

    cJSON_ArrayForEach(one, cJSON_GetObjectItem(tree, "categories"))
    {
        const cJSON *name = cJSON_GetObjectItem(one, "name");
        char key[16];

        snprintf(key, sizeof(key), "%.0f", cJSON_GetNumberValue(cJSON_GetObjectItem(one, "id")));
        if (cJSON_IsString(name))
            cJSON_AddStringToObject(names, key, name->valuestring);
    }
    return names;
}

static int put_image_line(const cJSON *image, cJSON **next, const cJSON *names, struct sg_buf *out)
{
    const cJSON *name = cJSON_GetObjectItem(image, "file_name");
    cJSON *line = cJSON_CreateObject();
    struct sg_buf key;
    int code = cJSON_IsString(name) ? 0 : SG_E_CONFIG;

    sg_buf_init(&key, SG_SINK_ITEM_MAX);
    cJSON_AddNumberToObject(line, "width", cJSON_GetNumberValue(cJSON_GetObjectItem(image, "width")));
    cJSON_AddNumberToObject(line, "height", cJSON_GetNumberValue(cJSON_GetObjectItem(image, "height")));
    take_annotations(line, cJSON_GetNumberValue(cJSON_GetObjectItem(image, "id")), next, names);
    if (code == 0)
        code = sg_json_text(name->valuestring, &key);
    if (code == 0)
        code = put_line((const char *)key.data, key.size, line, out);
    sg_buf_fini(&key);
    cJSON_Delete(line);
    return code;
}

static int take_document_apart(const char *text, size_t size, FILE *to, struct sg_error *err)
{
    cJSON *tree, *image, *names, *list, *next;
    struct sg_buf line;
    int code;

    watch_memory();
    tree = cJSON_ParseWithLength(text, size);
    names = category_names(tree);
    list = cJSON_GetObjectItem(tree, "annotations");
    next = list ? list->child : NULL;
    code = cJSON_IsArray(cJSON_GetObjectItem(tree, "images")) && list ? 0 : SG_E_CONFIG;
    sg_buf_init(&line, SG_SINK_ITEM_MAX);
    cJSON_ArrayForEach(image, cJSON_GetObjectItem(tree, "images"))
    {
        sg_buf_clear(&line);
        if (code == 0)
            code = put_image_line(image, &next, names, &line);
        if (code == 0)
            fwrite(line.data, 1, line.size, to);
    }
    if (code == 0 && next)
        code = SG_E_CONFIG;
    if (exhausted)
        code = sg_error_set(err, SG_E_NOMEM, "no memory for the document");
    else if (code < 0)
        sg_error_set(err, (enum sg_err)code, "it is not a COCO document that this format wrote");
    sg_buf_fini(&line);
    cJSON_Delete(names);
    cJSON_Delete(tree);
    return code;
}

const struct sg_sink_ops sg_sink_coco = {.word = "coco",
                                         .way = SG_SINK_DOCUMENT,
                                         .format = format,
                                         .key = put_key,
                                         .scan = scan,
                                         .document = make_document,
                                         .lines = take_document_apart};
