/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS contexts: protocol versions, certificate, trust, ALPN. Built at start-up, at reload or by a
 * worker, since files are read; read-only afterwards, so any thread may hold one. But the keys of a server's
 * tickets turn, on the loop that serves with it.
 */
#include "config.h"

#include "tls/tls-private.h"

#include "loop/loop-private.h"
#include "tls/stream-struct-private.h"
#include "tls/tickets-private.h"

#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

G_DEFINE_QUARK (relais - tls - error - quark, relais_tls_error)

struct RelaisTlsContext {
    gatomicrefcount refs;
    guint serial;
    SSL_CTX *native;
    bool server;
    RelaisTicketKeys *tickets; /* a server's; NULL: those of the context whose other name this is */
    GPtrArray *others;         /* RelaisTlsContext *: for other names; or NULL */
};

static gint last_serial;

/* Of TLS 1.2; those of 1.3 are all like that. */
static const char server_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
/* Where the alternative is cleartext, CBC is the better one (RFC 7435). Not so what puts the key at
 * risk, which other listeners have, too: RSA key exchange, and versions below 1.2 (RFC 8996). */
static const char old_server_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES";

/* The one protocol spoken behind a context (RFC 7301). */
static const guint8 alpn_smtp[] = {4, 's', 'm', 't', 'p'};
static const guint8 alpn_http[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

/* A client that asks for other protocols alone was led here by somebody else (ALPACA): it is refused.
 * One that names none is served. `data` is the context's one. */
static int
choose_alpn (SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
             unsigned int in_size, void *data)
{
    const guint8 *protocol = data;
    unsigned char *chosen = NULL;

    if (SSL_select_next_proto (&chosen, out_size, protocol, protocol[0] + 1u, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A key that is locked by a passphrase is an error; OpenSSL's own way is to ask at the terminal. */
static int
refuse_passphrase (char *buffer, int size, int writing, void *data)
{
    return -1;
}

static void
set_tls_error (GError **error, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error ();
    const char *reason = ERR_reason_error_string (code);

    if (ERR_SYSTEM_ERROR (code))
        reason = g_strerror (ERR_GET_REASON (code));
    g_set_error (error, RELAIS_TLS_ERROR, RELAIS_TLS_ERROR_CERTIFICATE, "%s%s%s%s: %s", what,
                 file != NULL ? " \"" : "", file != NULL ? file : "", file != NULL ? "\"" : "",
                 reason != NULL ? reason : "unspecific failure");
    ERR_clear_error ();
}

static RelaisTlsContext *
new_context (const SSL_METHOD *method, bool server, GError **error)
{
    RelaisTlsContext *context;
    SSL_CTX *native;

    ERR_clear_error ();
    native = SSL_CTX_new (method);
    if (native == NULL || SSL_CTX_set_min_proto_version (native, TLS1_2_VERSION) != 1) {
        set_tls_error (error, "cannot make a TLS context", NULL);
        SSL_CTX_free (native);
        return NULL;
    }
    /* Connections just dropped are common in mail; commands and the final dot say what was whole. */
    SSL_CTX_set_options (native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode (native, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead (native, 1);
    SSL_CTX_set_default_passwd_cb (native, refuse_passphrase);
    context = g_new0 (RelaisTlsContext, 1);
    g_atomic_ref_count_init (&context->refs);
    context->serial = (guint)g_atomic_int_add (&last_serial, 1) + 1;
    context->native = native;
    context->server = server;
    return context;
}

bool
relais_tls_context_use_certificate (RelaisTlsContext *context, const char *certificate_file,
                                    const char *key_file, GError **error)
{
    relais_assert_may_block ();
    ERR_clear_error ();
    if (SSL_CTX_use_certificate_chain_file (context->native, certificate_file) != 1) {
        set_tls_error (error, "cannot load the certificate", certificate_file);
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file (context->native, key_file, SSL_FILETYPE_PEM) != 1) {
        set_tls_error (error, "cannot load the key", key_file);
        return false;
    }
    if (SSL_CTX_check_private_key (context->native) != 1) {
        set_tls_error (error, "the certificate does not belong to the key", key_file);
        return false;
    }
    return true;
}

RelaisTlsContext *
relais_tls_context_new_server (const char *certificate_file, const char *key_file, GError **error)
{
    g_autoptr (RelaisTlsContext) context = NULL;

    relais_assert_may_block ();
    context = new_context (TLS_server_method (), true, error);
    if (context == NULL)
        return NULL;
    if (!relais_tls_context_use_certificate (context, certificate_file, key_file, error))
        return NULL;
    if (SSL_CTX_set_cipher_list (context->native, server_ciphers) != 1) {
        set_tls_error (error, "cannot choose ciphers", NULL);
        return NULL;
    }
    SSL_CTX_set_options (context->native,
                         SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* Tickets alone resume sessions: no cache to grow. Their keys live in this context, so they are
     * bound to it. */
    context->tickets = relais_ticket_keys_new ();
    if (context->tickets == NULL) {
        set_tls_error (error, "cannot make keys for tickets", NULL);
        return NULL;
    }
    relais_ticket_keys_install (context->tickets, context->native);
    SSL_CTX_set_session_cache_mode (context->native, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets (context->native, 1);
    SSL_CTX_set_alpn_select_cb (context->native, choose_alpn, (gpointer)alpn_smtp);
    return g_steal_pointer (&context);
}

bool
relais_tls_context_serve_old (RelaisTlsContext *context, GError **error)
{
    if (SSL_CTX_set_cipher_list (context->native, old_server_ciphers) == 1)
        return true;
    set_tls_error (error, "cannot choose ciphers", NULL);
    return false;
}

static bool
is_for (const RelaisTlsContext *context, const char *name)
{
    X509 *certificate = SSL_CTX_get0_certificate (context->native);

    return X509_check_host (certificate, name, 0, 0, NULL) == 1;
}

/* A name that nobody here has is served by the default: a client that cares will see for itself. */
static int
choose_certificate (SSL *ssl, int *alert, void *data)
{
    const RelaisTlsContext *context = data;
    const char *name = SSL_get_servername (ssl, TLSEXT_NAMETYPE_host_name);

    if (name == NULL || is_for (context, name))
        return SSL_TLSEXT_ERR_OK;
    for (guint i = 0; i < context->others->len; i++) {
        const RelaisTlsContext *other = g_ptr_array_index (context->others, i);

        if (is_for (other, name)) {
            SSL_set_SSL_CTX (ssl, other->native);
            break;
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

void
relais_tls_context_add_names (RelaisTlsContext *context, RelaisTlsContext *other)
{
    if (context->others == NULL) {
        context->others = g_ptr_array_new_with_free_func ((GDestroyNotify)relais_tls_context_unref);
        SSL_CTX_set_tlsext_servername_callback (context->native, choose_certificate);
        SSL_CTX_set_tlsext_servername_arg (context->native, context);
    }
    g_ptr_array_add (context->others, other);
    /* A ticket is opened before the name is looked at, and sealed behind that. */
    relais_ticket_keys_install (context->tickets, other->native);
    g_clear_pointer (&other->tickets, relais_ticket_keys_free);
}

bool
relais_tls_context_turn_tickets (RelaisTlsContext *context, gint64 now_us, gint64 age_us)
{
    return relais_ticket_keys_turn (context->tickets, now_us, age_us);
}

void
relais_tls_context_serve_http (RelaisTlsContext *context)
{
    SSL_CTX_set_alpn_select_cb (context->native, choose_alpn, (gpointer)alpn_http);
}

/* The whole bundle is read here: OpenSSL's directory look-up would open files in the handshake. */
static bool
load_trust (SSL_CTX *native)
{
    const char *const files[] = {g_getenv (X509_get_default_cert_file_env ()),
                                 "/etc/ssl/certs/ca-certificates.crt",
                                 X509_get_default_cert_file ()};

    for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
        if (files[i] != NULL && g_access (files[i], R_OK) == 0 &&
            SSL_CTX_load_verify_file (native, files[i]) == 1)
            return true;
    return false;
}

RelaisTlsContext *
relais_tls_context_new_client (bool verify, GError **error)
{
    g_autoptr (RelaisTlsContext) context = NULL;

    relais_assert_may_block ();
    context = new_context (TLS_client_method (), false, error);
    if (context == NULL)
        return NULL;
    if (!load_trust (context->native) && verify) {
        set_tls_error (error, "cannot load the trusted certificates", NULL);
        return NULL;
    }
    ERR_clear_error ();
    /* Where the alternative is cleartext, weak encryption is the better one (RFC 7435). */
    if (!verify)
        SSL_CTX_set_security_level (context->native, 0);
    relais_stream_tls_keep_sessions (context->native);
    SSL_CTX_set_verify (context->native, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    /* RFC 7672 section 3.1.1: what a DANE-EE record names is good whatever name it carries. */
    if (SSL_CTX_dane_enable (context->native) != 1) {
        set_tls_error (error, "cannot enable DANE", NULL);
        return NULL;
    }
    SSL_CTX_dane_set_flags (context->native, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    return g_steal_pointer (&context);
}

guint
relais_tls_context_serial (const RelaisTlsContext *context)
{
    return context->serial;
}

RelaisTlsContext *
relais_tls_context_ref (RelaisTlsContext *context)
{
    g_atomic_ref_count_inc (&context->refs);
    return context;
}

void
relais_tls_context_unref (RelaisTlsContext *context)
{
    if (context == NULL || !g_atomic_ref_count_dec (&context->refs))
        return;
    SSL_CTX_free (context->native);
    g_clear_pointer (&context->others, g_ptr_array_unref);
    relais_ticket_keys_free (context->tickets);
    g_free (context);
}

gpointer
relais_tls_context_native (RelaisTlsContext *context)
{
    return context->native;
}

bool
relais_tls_context_is_server (const RelaisTlsContext *context)
{
    return context->server;
}
