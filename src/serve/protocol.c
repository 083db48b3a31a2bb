/* SPDX-License-Identifier: MIT
 * Which protocol a connection speaks, and what the sessions of all protocols share.
 */
#include "serve/protocol.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

int sg_protocol_find(const struct sg_protocol_ops *const *protocols, const uint8_t *head, int count)
{
    const char *const *begin;
    int i;

    for (i = 0; protocols[i]; i++)
        for (begin = protocols[i]->begins; *begin; begin++)
            if (count > 0 && count <= SG_SNIFF_BYTES && memcmp(head, *begin, (size_t)count) == 0)
                return i;
    return i - 1;
}

_Static_assert(SG_ADDRESS_KEY_BYTES == SG_SHARE_KEY_BYTES, "addresses are what tells clients apart");

void sg_session_init(struct sg_session *session, const struct sg_session_ops *ops, struct sg_conn *conn,
                     struct sg_intake *intake, const struct sg_server_options *options)
{
    uint8_t key[SG_ADDRESS_KEY_BYTES];

    sg_conn_key(conn, key);
    /* Without memory for it the connection counts for nobody, and is served. */
    *session = (struct sg_session){ops, conn, intake, options, sg_share_join(&intake->gate.addresses, key)};
}

void sg_session_fini(struct sg_session *session)
{
    sg_share_unref(&session->intake->gate.addresses, &session->member);
}

int64_t sg_session_receive_deadline(const struct sg_session *session, int64_t began_us, size_t bytes)
{
    return began_us + session->options->receive_timeout_ms * 1000 +
           (int64_t)bytes * 1000000 / SG_SERVER_MIN_RATE_BYTES_PER_S;
}

void sg_session_own(const struct sg_session *session, struct sg_job *job)
{
    job->owner = session->intake->connections;
    job->owner_key = sg_conn_id(session->conn);
}

void sg_session_log(const struct sg_session *session, const struct sg_frame_answer *answer)
{
    bool asked = session->options->log_frames;
    enum sg_log_level level = asked ? SG_LOG_INFO : SG_LOG_DEBUG;
    char name[200];

    if (!sg_log_enabled(level))
        return;
    sg_log(
        level, asked ? "request" : "reply",
        "protocol=%s pipeline=%s code=%s ms=%lld.%03d in_bytes=%zu out_bytes=%zu id=%llu conn=%llu us=%lld",
        answer->protocol, sg_log_quote(answer->pipeline ? answer->pipeline : "", name, sizeof(name)),
        sg_err_name(answer->code), (long long)answer->us / 1000, (int)(answer->us % 1000), answer->in_bytes,
        answer->out_bytes, (unsigned long long)answer->id, (unsigned long long)sg_conn_id(session->conn),
        (long long)answer->us);
}

void sg_session_log_lost(const struct sg_session *session, int code)
{
    if (code == SG_E_TIMEOUT)
        sg_log(SG_LOG_WARN, "a client does not read its replies", "conn=%llu unsent_bytes=%zu",
               (unsigned long long)sg_conn_id(session->conn), sg_conn_unsent(session->conn));
}

void sg_session_log_job(const struct sg_session *session, const char *protocol, uint64_t id,
                        const struct sg_job *job)
{
    const struct sg_frame_answer answer = {.protocol = protocol,
                                           .pipeline = job->result.pipeline,
                                           .id = id,
                                           .code = job->error.code,
                                           .in_bytes = job->bytes.size,
                                           .out_bytes = job->reply.size,
                                           .us = sg_clock_us() - job->received_us};

    sg_session_log(session, &answer);
}
