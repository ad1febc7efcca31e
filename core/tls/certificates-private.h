/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The certificates of a listener, as long as it is there: read at first, and read anew when a file
 * changed, so that a renewed certificate needs no restart. A broken new one leaves the old one in
 * force. Made on any thread; used on the loop's. Counted: any thread may ref and unref.
 */
#pragma once

#include "loop/pool-private.h"
#include "tls/tls-private.h"

typedef struct RelaisCertificates RelaisCertificates;

/* Whom a listener is for. */
typedef enum {
    RELAIS_TLS_USE_SMTP,
    RELAIS_TLS_USE_OLD_SMTP, /* also clients that know CBC only (`tls_profile = compatible`) */
    RELAIS_TLS_USE_HTTP
} RelaisTlsUse;

/* `certificate` is a PEM file with a chain, `key` one with its key (NULL: the same file); `more`
 * (nullable) are files with both, taken when the client names a host that they are for. May block. */
RelaisCertificates *
relais_certificates_new (const char *certificate, const char *key, const char *const *more,
                         RelaisTlsUse use, GError **error);
RelaisCertificates *relais_certificates_ref (RelaisCertificates *certificates);
/* NULL ok. */
void relais_certificates_unref (RelaisCertificates *certificates);
/* The context in force, borrowed until the next turn. Loop. */
RelaisTlsContext *relais_certificates_context (const RelaisCertificates *certificates);
/* Has a worker look at the files and read what changed; logs what became of it. Loop. */
void relais_certificates_check (RelaisCertificates *certificates, RelaisPool *pool);
/* See relais_tls_context_turn_tickets (). */
void
relais_certificates_turn_tickets (RelaisCertificates *certificates, gint64 now_us, gint64 age_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisCertificates, relais_certificates_unref)
