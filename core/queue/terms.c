/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one place where the TLS policy of a connection is decided. What is known of a host or a domain (its
 * configuration, DANE, MTA-STS) stands in the route and the settings; nothing is looked up here, so that the
 * answer is at hand whenever a connection is opened or a message looks for one. Loop thread.
 *
 *   the first row that fits                                         terms
 *   static route, TLSA records of its host that can be used         verify, by them
 *   static route, TLSA records none of which can be used            its own, require at least
 *   static route                                                    its own
 *   [destination] that names the domain                             its own: a way out when what is published is broken
 *   tls = none for the provider or all                              none
 *   TLSA records that can be used                                   verify, by them (DANE wins over MTA-STS)
 *   TLSA records that cannot be looked up                           no connection
 *   MTA-STS enforce, host not named                                 no connection
 *   MTA-STS enforce                                                 verify
 *   TLSA records none of which can be used, nothing stronger set    require
 *   –                                                               those of the provider, or of all
 */
#include "config.h"

#include "queue/terms-private.h"

static const RelaisDestinationRule *
rule_for (const RelaisQueue *queue, const RelaisRoute *route)
{
    return route->domain != NULL
               ? relais_queue_settings_destination (&queue->settings, route->domain)
               : NULL;
}

static RelaisTlsTerms *
by_wish (const RelaisTlsWish *wish, const char *origin)
{
    return relais_tls_terms_new (wish->policy, origin, (const char *const *)wish->names, NULL);
}

/* By what the recipients' side published; NULL if it asks for nothing. */
static RelaisTlsTerms *
by_publication (const RelaisRoute *route, const char *host)
{
    const RelaisDane *dane = relais_route_dane (route, host);
    const bool enforced = route->sts != NULL && route->sts->mode == RELAIS_STS_MODE_ENFORCE;
    const char *names[] = {host, route->domain, NULL};

    switch (dane->outcome) {
    case RELAIS_DANE_USABLE: return relais_tls_terms_new_dane (dane->set, names);
    case RELAIS_DANE_FAILED: return relais_tls_terms_new_refusal ("dane");
    case RELAIS_DANE_UNUSABLE:
    case RELAIS_DANE_NONE: break;
    }
    if (enforced && !relais_sts_policy_allows (route->sts, host))
        return relais_tls_terms_new_refusal ("mta-sts");
    if (enforced)
        return relais_tls_terms_new (RELAIS_TLS_POLICY_VERIFY, "mta-sts", NULL, NULL);
    return NULL;
}

/* What is set for all MX hosts, or for those of a provider. */
static RelaisTlsTerms *
by_settings (const RelaisQueue *queue, const RelaisProvider *provider)
{
    if (provider != NULL && provider->tls.is_set)
        return by_wish (&provider->tls, "provider");
    return relais_tls_terms_new (queue->settings.tls, "queue", NULL, NULL);
}

/* Where TLS comes first there is nothing to fall back on. */
static RelaisTlsPolicy
route_policy (const RelaisStaticRoute *fixed)
{
    return fixed->implicit_tls ? MAX (fixed->tls.policy, RELAIS_TLS_POLICY_REQUIRE)
                               : fixed->tls.policy;
}

/* Records were looked up only where they may count. */
static RelaisTlsTerms *
by_route (const RelaisRoute *route, const char *host)
{
    const RelaisStaticRoute *fixed = route->fixed;
    const char *const *names = (const char *const *)fixed->tls.names;
    const RelaisDane *dane = relais_route_dane (route, host);
    const RelaisTlsPolicy policy = route_policy (fixed);

    switch (dane->outcome) {
    case RELAIS_DANE_USABLE:
        return relais_tls_terms_new_dane (dane->set, (const char *const[]){host, NULL});
    case RELAIS_DANE_FAILED: return relais_tls_terms_new_refusal ("dane");
    case RELAIS_DANE_UNUSABLE:
        if (policy < RELAIS_TLS_POLICY_REQUIRE)
            return relais_tls_terms_new (RELAIS_TLS_POLICY_REQUIRE, "dane", names, fixed->context);
        break;
    case RELAIS_DANE_NONE: break;
    }
    return relais_tls_terms_new (policy, "route", names, fixed->context);
}

RelaisTlsTerms *
relais_terms_decide (const RelaisQueue *queue, const RelaisRoute *route, const char *host)
{
    const RelaisDestinationRule *rule = rule_for (queue, route);
    const RelaisProvider *provider = relais_route_provider (queue, route);
    g_autoptr (RelaisTlsTerms) set = NULL;
    RelaisTlsTerms *published;

    if (route->fixed != NULL)
        return by_route (route, host);
    if (rule != NULL && rule->tls.is_set)
        return by_wish (&rule->tls, "destination");
    set = by_settings (queue, provider);
    if (set->policy == RELAIS_TLS_POLICY_NONE)
        return g_steal_pointer (&set);
    published = by_publication (route, host);
    if (published != NULL)
        return published;
    if (set->policy == RELAIS_TLS_POLICY_OPPORTUNISTIC &&
        relais_route_dane (route, host)->outcome == RELAIS_DANE_UNUSABLE)
        return relais_tls_terms_new (RELAIS_TLS_POLICY_REQUIRE, "dane", NULL, NULL);
    return g_steal_pointer (&set);
}

char *
relais_terms_name_path (const RelaisQueue *queue, const RelaisRoute *route)
{
    g_autoptr (RelaisTlsTerms) last = NULL;
    GString *name = g_string_new (route->set);

    for (guint i = 0; i < route->hosts->len; i++) {
        RelaisTlsTerms *terms =
            relais_terms_decide (queue, route, g_ptr_array_index (route->hosts, i));

        if (last == NULL || !relais_tls_terms_equal (last, terms))
            g_string_append_printf (name, "\n%s", terms->key);
        relais_tls_terms_unref (last);
        last = terms;
    }
    return g_string_free (name, FALSE);
}

RelaisTlsContext *
relais_terms_context (const RelaisQueue *queue, const RelaisTlsTerms *terms, RelaisTlsPolicy policy)
{
    if (policy == RELAIS_TLS_POLICY_NONE)
        return NULL;
    if (terms->context != NULL)
        return terms->context;
    return policy == RELAIS_TLS_POLICY_VERIFY ? queue->tls_verify : queue->tls;
}
