/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS on a stream: the handshake, records in and out, close_notify. OpenSSL works on the socket
 * itself (its write () may raise SIGPIPE: the mains ignore that signal). Loop thread only.
 *
 * The contexts have read-ahead on, so OpenSSL may hold bytes that epoll does not know of; a read
 * therefore goes on until nothing is held or the room is used up, and then says so in `more`.
 */
#include "config.h"

#include "tls/stream-struct-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

void
relais_stream_start_tls (RelaisStream *stream, RelaisTlsContext *context, const char *host)
{
    const RelaisTlsPeer peer = {.host = host};

    relais_stream_start_tls_to (stream, context, &peer);
}

void
relais_stream_start_tls_to (RelaisStream *stream, RelaisTlsContext *context,
                            const RelaisTlsPeer *peer)
{
    g_return_if_fail (stream->ssl == NULL);
    relais_stream_discard_input (stream);
    if (stream->state != STREAM_CLEAR || stream->freed || stream->finishing)
        return;
    stream->tls = relais_tls_context_ref (context);
    stream->tls_host = g_strdup (peer->host);
    stream->tls_names = g_strdupv ((char **)peer->names);
    stream->tlsa = peer->tlsa != NULL ? relais_tlsa_set_ref (peer->tlsa) : NULL;
    if (peer->sessions != NULL) {
        stream->tls_sessions = relais_tls_sessions_ref (peer->sessions);
        stream->tls_session_key = g_strdup (peer->session_key);
    }
    stream->clear_left = relais_stream_unwritten (stream);
    stream->state = STREAM_DRAINING;
    stream->more = stream->resumed = false;
    if (!stream->blocked)
        relais_stream_mark_dirty (stream);
    relais_stream_update_watch (stream);
}

/* --- Sessions to resume ----------------------------------------------------------------------- */

/* OpenSSL met a session that the peer would resume: at the handshake's end, or, in TLS 1.3, in any read. */
static int
on_new_session (SSL *ssl, SSL_SESSION *session)
{
    RelaisStream *stream = SSL_get_app_data (ssl);

    if (stream == NULL || stream->tls_sessions == NULL || SSL_SESSION_is_resumable (session) == 0)
        return 0;
    relais_tls_sessions_put (stream->tls_sessions, stream->tls_session_key, session);
    return 1; /* the reference is the table's */
}

void
relais_stream_tls_keep_sessions (SSL_CTX *native)
{
    SSL_CTX_set_session_cache_mode (native, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb (native, on_new_session);
}

static void
offer_session (RelaisStream *stream)
{
    SSL_SESSION *session;

    SSL_set_app_data (stream->ssl, stream);
    if (stream->tls_sessions == NULL)
        return;
    session = relais_tls_sessions_take (stream->tls_sessions, stream->tls_session_key);
    if (session == NULL)
        return;
    (void)SSL_set_session (stream->ssl, session); /* else it is a full handshake */
    SSL_SESSION_free (session);
}

/* Before TLS 1.3 a session that was resumed may be so again, and no new one is told of. */
static void
give_session_back (RelaisStream *stream)
{
    if (stream->tls_sessions != NULL && SSL_session_reused (stream->ssl) == 1 &&
        SSL_version (stream->ssl) < TLS1_3_VERSION)
        relais_tls_sessions_put (stream->tls_sessions, stream->tls_session_key,
                                 SSL_get1_session (stream->ssl));
}

bool
relais_stream_tls_resumed (const RelaisStream *stream)
{
    return relais_stream_is_tls (stream) && SSL_session_reused (stream->ssl) == 1;
}

/* --- The handshake ---------------------------------------------------------------------------- */

static bool
is_address (const char *host)
{
    struct in6_addr address;

    return inet_pton (AF_INET, host, &address) == 1 || inet_pton (AF_INET6, host, &address) == 1;
}

static char *
without_dot (const char *host)
{
    gsize size = strlen (host);

    return g_strndup (host, size > 0 && host[size - 1] == '.' ? size - 1 : size);
}

/* One of them is enough. A name that begins with a dot stands for all below it. */
static bool
set_names (SSL *ssl, char **names)
{
    for (; *names != NULL; names++)
        if (SSL_add1_host (ssl, *names) != 1)
            return false;
    return true;
}

/* Names the peer for SNI (RFC 6066 section 3: host names only) and for the check. */
static bool
set_host (SSL *ssl, const char *host, char **names)
{
    g_autofree char *name = without_dot (host);
    bool address = is_address (name);

    SSL_set_hostflags (ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!address && SSL_set_tlsext_host_name (ssl, name) != 1)
        return false;
    if (names != NULL)
        return set_names (ssl, names);
    if (address)
        return X509_VERIFY_PARAM_set1_ip_asc (SSL_get0_param (ssl), name) == 1;
    return SSL_set1_host (ssl, name) == 1;
}

static const char *
first_reason (void)
{
    const char *reason = ERR_reason_error_string (ERR_peek_error ());

    return reason != NULL ? reason : "unspecific failure";
}

static GError *
handshake_error (RelaisStream *stream, int kind, int code)
{
    long verify = SSL_get_verify_result (stream->ssl);

    if (verify != X509_V_OK && SSL_get_verify_mode (stream->ssl) != SSL_VERIFY_NONE)
        return g_error_new (RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_VERIFY,
                            "the peer's certificate was refused: %s",
                            X509_verify_cert_error_string (verify));
    if (kind == SSL_ERROR_SYSCALL && code != 0)
        return g_error_new (RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_HANDSHAKE,
                            "TLS handshake failed: %s", g_strerror (code));
    if (kind == SSL_ERROR_SYSCALL || kind == SSL_ERROR_ZERO_RETURN)
        return g_error_new (RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_HANDSHAKE,
                            "TLS handshake failed: the peer closed the connection");
    return g_error_new (RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_HANDSHAKE, "TLS handshake failed: %s",
                        first_reason ());
}

static void
fail_handshake (RelaisStream *stream, GError *error)
{
    stream->tls_failed = true;
    relais_stream_tell_ready (stream, error);
}

void
relais_stream_begin_handshake (RelaisStream *stream)
{
    SSL_CTX *native = relais_tls_context_native (stream->tls);
    const char *host =
        stream->tlsa != NULL ? relais_tlsa_set_base (stream->tlsa) : stream->tls_host;
    char **names = stream->tlsa != NULL ? NULL : stream->tls_names;
    const bool has_begun = stream->ahead != NULL;

    ERR_clear_error ();
    stream->ssl = SSL_new (native);
    stream->state = STREAM_HANDSHAKE;
    if (stream->ssl == NULL || SSL_set_fd (stream->ssl, stream->fd) != 1 ||
        (stream->ahead != NULL && !relais_stream_put_ahead (stream)) ||
        (host != NULL && !set_host (stream->ssl, host, names)) ||
        (stream->tlsa != NULL && !relais_stream_apply_tlsa (stream))) {
        fail_handshake (stream, g_error_new (RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_HANDSHAKE,
                                             "TLS handshake failed: %s", first_reason ()));
        return;
    }
    if (!relais_tls_context_is_server (stream->tls)) {
        SSL_set_connect_state (stream->ssl);
        offer_session (stream);
        relais_stream_handshake_step (stream);
        return;
    }
    SSL_set_accept_state (stream->ssl);
    if (has_begun)
        relais_stream_handshake_ready (stream);
    else
        relais_stream_update_watch (stream); /* the client speaks first */
}

void
relais_stream_handshake_ready (RelaisStream *stream)
{
    if (stream->waits != NULL)
        return;
    if (!relais_tls_context_is_server (stream->tls) ||
        relais_handshakes_take (stream->hub->handshakes)) {
        relais_stream_handshake_step (stream);
        return;
    }
    relais_stream_await_turn (stream);
    relais_stream_update_watch (stream);
}

void
relais_stream_handshake_step (RelaisStream *stream)
{
    int result, kind, code;

    ERR_clear_error ();
    errno = 0;
    result = SSL_do_handshake (stream->ssl);
    code = errno;
    if (result == 1) {
        stream->read_wants_write = false;
        give_session_back (stream);
        /* The first command may have come in the handshake's last flight. */
        stream->more = SSL_has_pending (stream->ssl) == 1;
        if (stream->more)
            relais_stream_kick (stream);
        relais_stream_tell_ready (stream, NULL);
        return;
    }
    kind = SSL_get_error (stream->ssl, result);
    stream->read_wants_write = kind == SSL_ERROR_WANT_WRITE;
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
        relais_stream_update_watch (stream);
    else
        fail_handshake (stream, handshake_error (stream, kind, code));
}

static StreamIoResult
broken (RelaisStream *stream, const char *what, int kind, int code, GError **error)
{
    stream->tls_failed = true;
    g_set_error (error, G_IO_ERROR,
                 kind == SSL_ERROR_SYSCALL ? (gint)g_io_error_from_errno (code)
                                           : (gint)G_IO_ERROR_FAILED,
                 "%s: %s", what,
                 kind == SSL_ERROR_SYSCALL && code != 0 ? g_strerror (code) : first_reason ());
    return STREAM_IO_FAILED;
}

StreamIoResult
relais_stream_tls_read (RelaisStream *stream, guint8 *to, gsize room, gsize *got, GError **error)
{
    *got = 0;
    stream->read_wants_write = false;
    while (room - *got >= STREAM_RECORD_BYTES) {
        gsize n = 0;
        int kind, code;

        ERR_clear_error ();
        errno = 0;
        if (SSL_read_ex (stream->ssl, to + *got, room - *got, &n) == 1) {
            *got += n;
            if (SSL_has_pending (stream->ssl) == 0)
                return STREAM_IO_DONE;
            continue;
        }
        code = errno;
        kind = SSL_get_error (stream->ssl, 0);
        stream->read_wants_write = kind == SSL_ERROR_WANT_WRITE;
        if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
            return *got > 0 ? STREAM_IO_DONE : STREAM_IO_AGAIN;
        if (*got > 0 && kind == SSL_ERROR_ZERO_RETURN) {
            stream->more = true; /* the end is told by the next read */
            return STREAM_IO_DONE;
        }
        if (kind == SSL_ERROR_ZERO_RETURN)
            return STREAM_IO_END;
        broken (stream, "cannot read", kind, code, *got > 0 ? &stream->error : error);
        if (*got == 0)
            return STREAM_IO_FAILED;
        relais_stream_kick (stream); /* the error is told after what came before it */
        return STREAM_IO_DONE;
    }
    stream->more = true;
    return STREAM_IO_DONE;
}

StreamIoResult
relais_stream_tls_write (RelaisStream *stream, const guint8 *from, gsize size, gsize *taken,
                         GError **error)
{
    *taken = 0;
    stream->write_wants_read = false;
    while (*taken < size) {
        gsize n = 0;
        int kind, code;

        ERR_clear_error ();
        errno = 0;
        if (SSL_write_ex (stream->ssl, from + *taken, size - *taken, &n) == 1) {
            *taken += n;
            continue;
        }
        code = errno;
        kind = SSL_get_error (stream->ssl, 0);
        stream->write_wants_read = kind == SSL_ERROR_WANT_READ;
        if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
            return STREAM_IO_AGAIN;
        return broken (stream, "cannot write", kind, code, error);
    }
    return STREAM_IO_DONE;
}

void
relais_stream_tls_end (RelaisStream *stream)
{
    if (stream->ssl == NULL || stream->tls_failed || !SSL_is_init_finished (stream->ssl))
        return;
    ERR_clear_error ();
    if ((SSL_get_shutdown (stream->ssl) & SSL_SENT_SHUTDOWN) == 0)
        (void)SSL_shutdown (stream->ssl);
    ERR_clear_error ();
}

bool
relais_stream_is_tls (const RelaisStream *stream)
{
    return stream->ssl != NULL && SSL_is_init_finished (stream->ssl);
}

const char *
relais_stream_tls_version (const RelaisStream *stream)
{
    return relais_stream_is_tls (stream) ? SSL_get_version (stream->ssl) : NULL;
}

const char *
relais_stream_tls_cipher (const RelaisStream *stream)
{
    return relais_stream_is_tls (stream) ? SSL_get_cipher_name (stream->ssl) : NULL;
}

const char *
relais_stream_tls_verify (const RelaisStream *stream)
{
    if (!relais_stream_is_tls (stream))
        return NULL;
    if (SSL_get0_peer_certificate (stream->ssl) == NULL)
        return "no certificate";
    return X509_verify_cert_error_string (SSL_get_verify_result (stream->ssl));
}

bool
relais_stream_tls_binding (const RelaisStream *stream, guint8 binding[RELAIS_TLS_BINDING_BYTES])
{
    static const char label[] = "EXPORTER-Channel-Binding";

    return relais_stream_is_tls (stream) && SSL_version (stream->ssl) >= TLS1_3_VERSION &&
           SSL_export_keying_material (stream->ssl, binding, RELAIS_TLS_BINDING_BYTES, label,
                                       sizeof label - 1, NULL, 0, 0) == 1;
}

guint64
relais_stream_bytes_in (const RelaisStream *stream)
{
    return stream->clear_in +
           (stream->ssl != NULL ? BIO_number_read (SSL_get_rbio (stream->ssl)) : 0);
}

guint64
relais_stream_bytes_out (const RelaisStream *stream)
{
    return stream->clear_out +
           (stream->ssl != NULL ? BIO_number_written (SSL_get_wbio (stream->ssl)) : 0);
}
