/* SPDX-License-Identifier: MIT
 * llhttp's callbacks, and what its errors mean to a client. It is as strict as it can be, but for the
 * version: HTTP/1.2 is read as 1.1 (RFC 9110, 2.5), and others are told so.
 */
#include "http/http_private.h"

#include <string.h>

/* Sizes of chunks, and header lines behind the last one: so many bytes, and so many for each byte of body. */
#define PARSE_EXTRA_BYTES  ((size_t)64 << 10)
#define PARSE_EXTRA_FACTOR 8

static struct http_session *session_of(const llhttp_t *parser)
{
    return parser->data;
}

/* Ends the call of llhttp_execute when code is below 0; its error is the request's. */
static int checked(struct http_session *session, int code)
{
    struct http_request *request = session->request;

    if (code >= 0)
        return 0;
    request->misread = true;
    if (code == SG_E_TOO_LARGE) {
        request->status = session->head.fields[0].name == 0 ? 414 : 431; /* the target; what follows it */
        sg_error_set(&request->error, SG_E_TOO_LARGE,
                     "the head of the request has more than %zu bytes or %d lines", HTTP_HEAD_MAX,
                     HTTP_FIELDS_MAX);
    } else {
        sg_error_set(&request->error, code, "no memory for the head of a request");
    }
    return HPE_USER; /* and others make the same of it: what counts is the error of the request */
}

static int on_message_begin(llhttp_t *parser)
{
    struct http_session *session = session_of(parser);

    session->request = http_request_create(session);
    session->protocol_at = 0;
    session->head_wire = 0;
    http_phase_set(session, HTTP_PHASE_HEAD);
    return session->request ? 0 : HPE_USER;
}

/* Target, names and values alike; header lines behind a chunked body are passed over. */
static int on_piece(llhttp_t *parser, const char *at, size_t size)
{
    struct http_session *session = session_of(parser);

    return session->request->head_done ? 0 : checked(session, http_head_add(&session->head, at, size));
}

static int on_target_end(llhttp_t *parser)
{
    struct http_session *session = session_of(parser);

    return checked(session, http_head_end_target(&session->head));
}

/* llhttp knows other protocols that look alike (RTSP). */
static int on_protocol(llhttp_t *parser, const char *at, size_t size)
{
    struct http_session *session = session_of(parser);
    size_t i;

    for (i = 0; i < size && session->protocol_at >= 0; i++)
        session->protocol_at =
            session->protocol_at < 4 && at[i] == "HTTP"[session->protocol_at] ? session->protocol_at + 1 : -1;
    return 0;
}

static int on_name_end(llhttp_t *parser)
{
    struct http_session *session = session_of(parser);

    return session->request->head_done ? 0 : checked(session, http_head_end_name(&session->head));
}

static int on_value_end(llhttp_t *parser)
{
    struct http_session *session = session_of(parser);

    return session->request->head_done ? 0 : checked(session, http_head_end_value(&session->head));
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http_session *session = session_of(parser);

    parser->upgrade = 0; /* to nothing: the request is answered as it stands (RFC 9110, 7.8) */
    return http_request_head(session->request) < 0 ? HPE_USER : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    return http_request_data(session_of(parser)->request, at, size) < 0 ? HPE_USER : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct http_session *session = session_of(parser);

    session->request->keep_alive = llhttp_should_keep_alive(parser) != 0;
    session->complete = true;
    return HPE_PAUSED;
}

void http_parse_init(struct http_session *session)
{
    static const llhttp_settings_t settings = {
        .on_message_begin = on_message_begin,
        .on_url = on_piece,
        .on_url_complete = on_target_end,
        .on_protocol = on_protocol,
        .on_header_field = on_piece,
        .on_header_field_complete = on_name_end,
        .on_header_value = on_piece,
        .on_header_value_complete = on_value_end,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };

    llhttp_init(&session->parser, HTTP_REQUEST, &settings);
    llhttp_set_lenient_version(&session->parser, 1);
    session->parser.data = session;
}

/* In our words; those of llhttp are for its own developers. */
static void explain(struct http_request *request, llhttp_errno_t code, const char *reason)
{
    const char *length = http_header(request, "Content-Length"),
               *coding = http_header(request, "Transfer-Encoding");
    struct sg_error *err = &request->error;

    request->misread = true;
    if (coding && code == HPE_INVALID_TRANSFER_ENCODING) {
        sg_error_set(err, SG_E_FRAMING, "the request has more than one Transfer-Encoding header");
    } else if (code == HPE_UNEXPECTED_CONTENT_LENGTH && !coding) {
        sg_error_set(err, SG_E_FRAMING, "the request has more than one Content-Length header");
    } else if ((length && code == HPE_INVALID_TRANSFER_ENCODING) ||
               (coding && (code == HPE_INVALID_CONTENT_LENGTH || code == HPE_UNEXPECTED_CONTENT_LENGTH))) {
        sg_error_set(err, SG_E_FRAMING,
                     "the request has both Content-Length and Transfer-Encoding; send one of them");
    } else if (code == HPE_INVALID_CONTENT_LENGTH && reason && strstr(reason, "overflow")) {
        sg_error_set(err, SG_E_TOO_LARGE, "Content-Length is above 64 bits");
    } else if (code == HPE_INVALID_CONTENT_LENGTH) {
        sg_error_set(err, SG_E_FRAMING, "Content-Length is not a number");
    } else if (code == HPE_INVALID_TRANSFER_ENCODING) {
        sg_error_set(err, SG_E_UNSUPPORTED,
                     "this Transfer-Encoding is not read; send chunked or a Content-Length");
    } else if (request->head_done) {
        sg_error_set(err, SG_E_FRAMING, "the body is not in chunks as RFC 9112 has them");
    } else if (code == HPE_INVALID_METHOD || code == HPE_INVALID_URL || code == HPE_INVALID_CONSTANT ||
               code == HPE_INVALID_VERSION || request->session->head.text.size == 0) {
        sg_error_set(err, SG_E_INVALID,
                     "the request line is not \"METHOD /path HTTP/1.1\", or its path has a blank or a "
                     "control character, or it does not end in CR LF");
    } else {
        sg_error_set(
            err, SG_E_INVALID,
            "a header line is none (is there a blank before its colon, or at its beginning?), or its "
            "value has a control character, or it does not end in CR LF");
    }
}

/* A head may not be mostly blanks, nor a body cost many times what it holds. */
static void weigh(struct http_session *session, size_t n)
{
    struct http_request *request = session->request;

    if (!request || session->refused)
        return;
    if (!request->head_done) {
        session->head_wire += n; /* with what was read before it, and blanks that are kept nowhere */
        if (session->head_wire <= HTTP_HEAD_MAX + HTTP_SCRATCH_BYTES)
            return;
        (void)checked(session, SG_E_TOO_LARGE);
        session->refused = true;
        return;
    }
    request->wire_bytes += n;
    if (!request->chunked ||
        request->wire_bytes <= PARSE_EXTRA_BYTES + (PARSE_EXTRA_FACTOR + 1) * request->received)
        return;
    sg_error_set(&request->error, SG_E_TOO_LARGE,
                 "the sizes of the chunks take %zu bytes for %zu bytes of body; send larger chunks",
                 request->wire_bytes - request->received, request->received);
    session->complete = false;
    session->refused = true;
}

size_t http_parse(struct http_session *session, const void *data, size_t size)
{
    llhttp_errno_t code = llhttp_execute(&session->parser, data, size);
    size_t used = size;

    if (code == HPE_PAUSED) {
        used = (size_t)(llhttp_get_error_pos(&session->parser) - (const char *)data);
        llhttp_resume(&session->parser);
    } else if (code != HPE_OK) {
        if (session->request && session->request->error.code == SG_OK)
            explain(session->request, code, llhttp_get_error_reason(&session->parser));
        session->refused = true;
    }
    weigh(session, used);
    return used;
}
