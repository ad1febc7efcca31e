/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Terms: their life and what tells them apart. Loop thread.
 */
#include "config.h"

#include "tls/terms-private.h"

#include <string.h>

const char *
relais_tls_policy_to_string (RelaisTlsPolicy policy)
{
    static const char *const names[] = {[RELAIS_TLS_POLICY_NONE] = "none",
                                        [RELAIS_TLS_POLICY_OPPORTUNISTIC] = "opportunistic",
                                        [RELAIS_TLS_POLICY_REQUIRE] = "require",
                                        [RELAIS_TLS_POLICY_VERIFY] = "verify"};

    return names[policy];
}

static char *
make_key (const RelaisTlsTerms *terms)
{
    GString *key = g_string_new (relais_tls_policy_to_string (terms->policy));

    for (gsize i = 0; terms->names != NULL && terms->names[i] != NULL; i++)
        g_string_append_printf (key, " %s", terms->names[i]);
    if (terms->tlsa != NULL)
        g_string_append_printf (key, " dane %s", relais_tlsa_set_key (terms->tlsa));
    if (terms->refused)
        g_string_append (key, " refused");
    if (terms->context != NULL)
        g_string_append_printf (key, " %u", relais_tls_context_serial (terms->context));
    return g_string_free (key, FALSE);
}

RelaisTlsTerms *
relais_tls_terms_new (RelaisTlsPolicy policy, const char *origin, const char *const *names,
                      RelaisTlsContext *context)
{
    RelaisTlsTerms *terms = g_new0 (RelaisTlsTerms, 1);

    terms->refs = 1;
    terms->policy = policy;
    terms->origin = origin;
    if (policy == RELAIS_TLS_POLICY_VERIFY && names != NULL && names[0] != NULL)
        terms->names = g_strdupv ((char **)names);
    if (policy != RELAIS_TLS_POLICY_NONE && context != NULL)
        terms->context = relais_tls_context_ref (context);
    terms->key = make_key (terms);
    return terms;
}

/* Names count for DANE-TA alone: others share connections whatever domain they are for. */
static bool
names_count (const RelaisTlsaSet *set)
{
    for (guint i = 0; i < relais_tlsa_set_size (set); i++)
        if (relais_tlsa_set_nth (set, i)->usage == RELAIS_TLSA_DANE_TA)
            return true;
    return false;
}

RelaisTlsTerms *
relais_tls_terms_new_dane (RelaisTlsaSet *set, const char *const *names)
{
    RelaisTlsTerms *terms = g_new0 (RelaisTlsTerms, 1);

    terms->refs = 1;
    terms->policy = RELAIS_TLS_POLICY_VERIFY;
    terms->origin = "dane";
    terms->tlsa = relais_tlsa_set_ref (set);
    if (names != NULL && names_count (set))
        terms->names = g_strdupv ((char **)names);
    terms->key = make_key (terms);
    return terms;
}

RelaisTlsTerms *
relais_tls_terms_new_refusal (const char *origin)
{
    RelaisTlsTerms *terms = g_new0 (RelaisTlsTerms, 1);

    terms->refs = 1;
    terms->policy = RELAIS_TLS_POLICY_VERIFY;
    terms->origin = origin;
    terms->refused = true;
    terms->key = make_key (terms);
    return terms;
}

RelaisTlsTerms *
relais_tls_terms_ref (RelaisTlsTerms *terms)
{
    terms->refs++;
    return terms;
}

void
relais_tls_terms_unref (RelaisTlsTerms *terms)
{
    if (terms == NULL || --terms->refs > 0)
        return;
    g_strfreev (terms->names);
    relais_tlsa_set_unref (terms->tlsa);
    relais_tls_context_unref (terms->context);
    g_free (terms->key);
    g_free (terms);
}

bool
relais_tls_terms_equal (const RelaisTlsTerms *a, const RelaisTlsTerms *b)
{
    return strcmp (a->key, b->key) == 0;
}
