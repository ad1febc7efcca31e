/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one place where the TLS policy of a connection is decided. What is known of a host or a domain (its
 * configuration now) stands in the route and the settings; nothing is looked up here, so that the answer
 * is at hand whenever a connection is opened or a message looks for one. Loop thread.
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

/* Where TLS comes first there is nothing to fall back on. */
static RelaisTlsPolicy
route_policy (const RelaisStaticRoute *fixed)
{
    return fixed->implicit_tls ? MAX (fixed->tls.policy, RELAIS_TLS_POLICY_REQUIRE)
                               : fixed->tls.policy;
}

RelaisTlsTerms *
relais_terms_decide (const RelaisQueue *queue, const RelaisRoute *route, const char *host)
{
    const RelaisStaticRoute *fixed = route->fixed;
    const RelaisDestinationRule *rule = rule_for (queue, route);
    const RelaisProvider *provider = relais_route_provider (queue, route);

    if (fixed != NULL)
        return relais_tls_terms_new (route_policy (fixed), "route",
                                     (const char *const *)fixed->tls.names, fixed->context);
    if (rule != NULL && rule->tls.is_set)
        return by_wish (&rule->tls, "destination");
    if (provider != NULL && provider->tls.is_set)
        return by_wish (&provider->tls, "provider");
    return relais_tls_terms_new (queue->settings.tls, "queue", NULL, NULL);
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
