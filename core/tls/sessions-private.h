/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS sessions that peers let us resume: a bounded table by a key that the owner makes of all that such a
 * session is bound to (source, host, address, port, terms). Counted, loop thread. The longest unused goes
 * first.
 */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

typedef struct RelaisTlsSessions RelaisTlsSessions;

/* Keeps `most` sessions; 0: none. */
RelaisTlsSessions *relais_tls_sessions_new (guint most);
RelaisTlsSessions *relais_tls_sessions_ref (RelaisTlsSessions *sessions);
/* NULL ok. */
void relais_tls_sessions_unref (RelaisTlsSessions *sessions);
void relais_tls_sessions_set_most (RelaisTlsSessions *sessions, guint most);
guint relais_tls_sessions_count (const RelaisTlsSessions *sessions);

/* Keeps one under the key, in place of what is there. Takes the reference. */
void relais_tls_sessions_put (RelaisTlsSessions *sessions, const char *key, SSL_SESSION *session);
/* Takes it out: tickets are used once (RFC 8446 appendix C.4). NULL: none; else the caller's. */
SSL_SESSION *relais_tls_sessions_take (RelaisTlsSessions *sessions, const char *key);
