/* SPDX-License-Identifier: MIT
 * The search for boundaries rests on one fact: of a delimiter only the first byte is CR. So when it breaks
 * off, the bytes seen of it are its own beginning, and the next try starts at the byte that did not fit.
 */
#include "http/http_form.h"

#include <string.h>
#include <strings.h>

#define BLANKS " \t"

/* The value at p, quoted or up to the next semicolon, without its quotes and escapes. Returns its end. */
static const char *read_value(const char *p, char *out, size_t room)
{
    size_t used = 0, kept = 0;
    bool quoted = *p == '"';

    if (quoted)
        p++;
    while (*p && *p != (quoted ? '"' : ';')) {
        if (quoted && *p == '\\' && p[1])
            p++;
        if (used + 1 < room)
            out[used++] = *p;
        if (quoted || !strchr(BLANKS, *p))
            kept = used;
        p++;
    }
    if (room > 0)
        out[kept] = '\0';
    return quoted && *p ? p + 1 : p;
}

bool sg_http_form_param(const char *header, const char *name, char *out, size_t room)
{
    const char *p = header + strcspn(header, ";");

    while (*p == ';') {
        const char *key = p + 1 + strspn(p + 1, BLANKS);
        size_t size = strcspn(key, BLANKS "=;");

        p = key + size + strspn(key + size, BLANKS);
        if (*p == '=') {
            bool mine = size == strlen(name) && strncasecmp(key, name, size) == 0;

            p = read_value(p + 1 + strspn(p + 1, BLANKS), out, mine ? room : 0);
            if (mine)
                return true;
        }
        p += strcspn(p, ";");
    }
    return false;
}

int sg_http_form_init(struct sg_http_form *form, const char *content_type, const struct sg_http_form_ops *ops,
                      void *arg, struct sg_error *err)
{
    char boundary[SG_HTTP_FORM_BOUNDARY_MAX + 2];
    size_t size, i;

    *form = (struct sg_http_form){.ops = ops, .arg = arg};
    if (!sg_http_form_param(content_type, "boundary", boundary, sizeof(boundary)))
        return sg_error_set(err, SG_E_INVALID,
                            "Content-Type multipart/form-data without a boundary: let the "
                            "client write this header (curl -F image=@photo.jpg)");
    size = strlen(boundary);
    for (i = 0; i < size && boundary[i] >= ' ' && boundary[i] < 0x7f; i++)
        ;
    if (size == 0 || size > SG_HTTP_FORM_BOUNDARY_MAX || i < size)
        return sg_error_set(err, SG_E_INVALID,
                            "the boundary of multipart/form-data is not 1 to %d ASCII characters",
                            SG_HTTP_FORM_BOUNDARY_MAX);
    memcpy(form->delimiter, "\r\n--", 4);
    memcpy(form->delimiter + 4, boundary, size);
    form->delimiter_size = 4 + size;
    form->matched = form->assumed = 2;
    return 0;
}

static int give(struct sg_http_form *form, const char *data, size_t size, struct sg_error *err)
{
    if (form->state != SG_HTTP_FORM_DATA || size == 0)
        return 0; /* a preamble */
    return form->ops->data(form->arg, data, size, err);
}

static size_t match(struct sg_http_form *form, const char *data, size_t size)
{
    size_t n = 0;

    while (n < size && form->matched < form->delimiter_size && data[n] == form->delimiter[form->matched]) {
        form->matched++;
        n++;
    }
    return n;
}

static int delimiter_found(struct sg_http_form *form, struct sg_error *err)
{
    bool part = form->state == SG_HTTP_FORM_DATA;

    form->state = SG_HTTP_FORM_BOUNDARY;
    form->line_size = form->header_size = 0;
    return part ? form->ops->end(form->arg, err) : 0;
}

/* Goes on with what may be a delimiter begun in earlier pieces. */
static int go_on_matching(struct sg_http_form *form, const char *data, size_t size, size_t *out_used,
                          struct sg_error *err)
{
    int code;

    *out_used = match(form, data, size);
    if (form->matched == form->delimiter_size)
        return delimiter_found(form, err);
    if (*out_used == size)
        return 0;
    code = give(form, form->delimiter + form->assumed, form->matched - form->assumed, err);
    form->matched = form->assumed = 0;
    return code;
}

/* Data or preamble, up to a delimiter or to what may become one. */
static int take_data(struct sg_http_form *form, const char *data, size_t size, size_t *out_used,
                     struct sg_error *err)
{
    size_t at = 0;
    int code;

    if (form->matched > 0)
        return go_on_matching(form, data, size, out_used, err);
    while (at < size && form->matched == 0) {
        const char *cr = memchr(data + at, '\r', size - at);
        size_t n;

        if (!cr) {
            at = size;
            break;
        }
        at = (size_t)(cr - data);
        n = match(form, cr, size - at);
        if (at + n < size && form->matched < form->delimiter_size) {
            form->matched = 0;
            at += n;
        }
    }
    code = give(form, data, at, err);
    *out_used = at + form->matched;
    if (code == 0 && form->matched == form->delimiter_size)
        return delimiter_found(form, err);
    return code;
}

/* A boundary's line behind it. */
static int boundary_rest(struct sg_http_form *form, struct sg_error *err)
{
    const char *rest = form->line;

    if (rest[strspn(rest, BLANKS)])
        return sg_error_set(err, SG_E_INVALID, "a boundary of the form goes on with \"%.40s\"", rest);
    form->state = SG_HTTP_FORM_HEADER;
    form->part = (struct sg_http_form_part){.has_filename = false};
    return 0;
}

static int header_line(struct sg_http_form *form, struct sg_error *err)
{
    const char *line = form->line, *colon = strchr(line, ':');
    size_t name = strcspn(line, ":");
    struct sg_http_form_part *part = &form->part;

    if (!*line) {
        form->state = SG_HTTP_FORM_DATA;
        form->matched = form->assumed = 2; /* a part without data may end at once */
        return form->ops->begin(form->arg, part, err);
    }
    if (!colon || name == 0 || strchr(BLANKS, *line))
        return sg_error_set(err, SG_E_INVALID, "\"%.60s\" is no header of a part of the form", line);
    colon += 1 + strspn(colon + 1, BLANKS);
    if (name == 19 && strncasecmp(line, "Content-Disposition", name) == 0) {
        sg_http_form_param(colon, "name", part->name, sizeof(part->name));
        /* Some send "filename*" (RFC 5987) alone; what the name is does not matter. */
        part->has_filename =
            sg_http_form_param(colon, "filename", NULL, 0) || sg_http_form_param(colon, "filename*", NULL, 0);
    } else if (name == 25 && strncasecmp(line, "Content-Transfer-Encoding", name) == 0) {
        read_value(colon, part->encoding, sizeof(part->encoding));
    }
    return 0;
}

/* Collects a line, without its CRLF, and reads it. */
static int take_line(struct sg_http_form *form, char c, struct sg_error *err)
{
    size_t size = form->line_size;

    if (++form->header_size > SG_HTTP_FORM_HEADER_MAX)
        return sg_error_set(err, SG_E_INVALID, "the headers of a part of the form have more than %d bytes",
                            SG_HTTP_FORM_HEADER_MAX);
    if (c == '\n' && size > 0 && form->line[size - 1] == '\r') {
        form->line[size - 1] = '\0';
        form->line_size = 0;
        return form->state == SG_HTTP_FORM_BOUNDARY ? boundary_rest(form, err) : header_line(form, err);
    }
    if ((c >= 0 && c < ' ' && c != '\t' && c != '\r') || c == 0x7f ||
        (size > 0 && form->line[size - 1] == '\r'))
        return sg_error_set(
            err, SG_E_INVALID,
            "a header of a part of the form has a control character, or a line end that is not "
            "CR LF");
    form->line[form->line_size++] = c;
    /* The last boundary needs no line end. */
    if (form->state == SG_HTTP_FORM_BOUNDARY && form->line_size == 2 && memcmp(form->line, "--", 2) == 0)
        form->state = SG_HTTP_FORM_EPILOGUE;
    return 0;
}

int sg_http_form_feed(struct sg_http_form *form, const char *data, size_t size, struct sg_error *err)
{
    size_t used;
    int code = 0;

    while (code == 0 && size > 0 && form->state != SG_HTTP_FORM_EPILOGUE) {
        used = 1;
        if (form->state == SG_HTTP_FORM_BOUNDARY || form->state == SG_HTTP_FORM_HEADER)
            code = take_line(form, *data, err);
        else
            code = take_data(form, data, size, &used, err);
        data += used;
        size -= used;
    }
    return code;
}

int sg_http_form_finish(const struct sg_http_form *form, struct sg_error *err)
{
    if (form->state == SG_HTTP_FORM_EPILOGUE)
        return 0;
    if (form->state == SG_HTTP_FORM_PREAMBLE)
        return sg_error_set(
            err, SG_E_INVALID,
            "the body is not multipart/form-data: the boundary \"%.*s\" that Content-Type names is not in "
            "it; a picture alone goes without that header (curl --data-binary @photo.jpg)",
            (int)form->delimiter_size - 2, form->delimiter + 2);
    return sg_error_set(err, SG_E_INVALID, "the multipart/form-data body ends before its last boundary");
}
