/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The terms of a connection that we open: how much TLS it must have before mail goes over it, and whose
 * certificate counts. Immutable once made, counted, loop thread. Who decides on them is
 * core/queue/terms.c; who keeps them is the SMTP client.
 */
#pragma once

#include "tls/tls-private.h"
#include "tls/tlsa-private.h"

typedef enum {
    RELAIS_TLS_POLICY_NONE,          /* never (loopback, static routes that say so) */
    RELAIS_TLS_POLICY_OPPORTUNISTIC, /* STARTTLS when offered, any certificate */
    RELAIS_TLS_POLICY_REQUIRE,       /* no mail in clear, any certificate */
    RELAIS_TLS_POLICY_VERIFY         /* no mail but to the named host */
} RelaisTlsPolicy;

typedef struct {
    guint refs;
    RelaisTlsPolicy policy;
    /* Who asks for it, for people: "queue", "provider", "destination", "route", "dane", "mta-sts"; static. */
    const char *origin;
    /* VERIFY: of which the certificate must bear one, ".example.org" for any below; NULL: the host's. */
    char **names;
    /* Made for these terms alone (client certificate); NULL: the policy's common one. */
    RelaisTlsContext *context;
    /* VERIFY: the records that the certificate must match instead (DANE); or NULL. */
    RelaisTlsaSet *tlsa;
    /* No connection to the host at all: `origin` says no. */
    bool refused;
    /* Equal for equal terms: part of what connections and TLS sessions are told apart by. */
    char *key;
} RelaisTlsTerms;

/* Copies `names` (nullable), references `context` (nullable). */
RelaisTlsTerms *relais_tls_terms_new (RelaisTlsPolicy policy, const char *origin,
                                      const char *const *names, RelaisTlsContext *context);
/* VERIFY by DANE. `names` (nullable) are good besides the set's base, where names count. */
RelaisTlsTerms *relais_tls_terms_new_dane (RelaisTlsaSet *set, const char *const *names);
/* No connection may be made under these, and none has them. */
RelaisTlsTerms *relais_tls_terms_new_refusal (const char *origin);
RelaisTlsTerms *relais_tls_terms_ref (RelaisTlsTerms *terms);
/* NULL ok. */
void relais_tls_terms_unref (RelaisTlsTerms *terms);
/* A connection under the one may carry mail that asks for the other. */
bool relais_tls_terms_equal (const RelaisTlsTerms *a, const RelaisTlsTerms *b);
const char *relais_tls_policy_to_string (RelaisTlsPolicy policy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisTlsTerms, relais_tls_terms_unref)
