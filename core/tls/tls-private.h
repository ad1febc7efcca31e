/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS contexts on OpenSSL: what a listener offers and what a client asks for. Immutable once made, but for
 * the keys of a server's tickets; shared by reference between streams; any thread may ref and unref.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct RelaisTlsContext RelaisTlsContext;

#define RELAIS_TLS_ERROR (relais_tls_error_quark ())
GQuark relais_tls_error_quark (void);
typedef enum {
    RELAIS_TLS_ERROR_CERTIFICATE, /* file missing, unreadable or not matching its key */
    RELAIS_TLS_ERROR_HANDSHAKE,   /* the peer and we found no way */
    RELAIS_TLS_ERROR_VERIFY       /* the peer's certificate was refused */
} RelaisTlsError;

/* A server's context: TLS 1.2 and up, ephemeral keys and authenticated encryption alone, certificate chain
 * and key in PEM files. Reads files, so it may block: start-up, reload, or a worker. */
RelaisTlsContext *
relais_tls_context_new_server (const char *certificate_file, const char *key_file, GError **error);
/* Another server's context takes over when the client names a host (SNI) that its certificate is for and
 * that of `context` is not. Takes `other`. Before the first use of either. */
void relais_tls_context_add_names (RelaisTlsContext *context, RelaisTlsContext *other);
/* Serves clients that know ECDHE with CBC only, too. Before its first use. */
bool relais_tls_context_serve_old (RelaisTlsContext *context, GError **error);
/* What is spoken behind it is HTTP/1.1, not SMTP, for clients that name what they want (ALPN). Before its
 * first use. */
void relais_tls_context_serve_http (RelaisTlsContext *context);
/* A server's tickets are sealed with a new key if the newest is `age_us` old at `now_us`, which is monotonic;
 * the one before opens them for as long again. True: it is so from now on. Loop; the age counts from the first
 * call. */
bool relais_tls_context_turn_tickets (RelaisTlsContext *context, gint64 now_us, gint64 age_us);

/* A client's context. Opportunistic (verify = false) takes any certificate, verification result is
 * recorded all the same. */
RelaisTlsContext *relais_tls_context_new_client (bool verify, GError **error);

/* The certificate that a client shows when it is asked for one, chain and key in PEM files. Before the
 * context's first use; may block. */
bool relais_tls_context_use_certificate (RelaisTlsContext *context, const char *certificate_file,
                                         const char *key_file, GError **error);

/* No two contexts share it, whenever they live. */
guint relais_tls_context_serial (const RelaisTlsContext *context);
RelaisTlsContext *relais_tls_context_ref (RelaisTlsContext *context);
void relais_tls_context_unref (RelaisTlsContext *context);
/* The SSL_CTX behind it, for stream.c. */
gpointer relais_tls_context_native (RelaisTlsContext *context);
bool relais_tls_context_is_server (const RelaisTlsContext *context);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisTlsContext, relais_tls_context_unref)
