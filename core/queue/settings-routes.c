/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Static routes: how they are read and loaded, told apart, and kept over a reload; and which of them a
 * domain's mail goes by. Reading and loading on the main thread at the start, on a worker before a reload, when
 * nobody else has the routes; all the rest on the loop.
 */
#include "config.h"

#include "queue/settings-private.h"

#include "loop/loop-private.h"
#include "message/address-private.h"

#include <gio/gio.h>
#include <string.h>

/* --- Life --------------------------------------------------------------------------------------- */

RelaisStaticRoute *
relais_static_route_ref (RelaisStaticRoute *route)
{
    if (route != NULL)
        route->refs++;
    return route;
}

void
relais_static_route_unref (RelaisStaticRoute *route)
{
    if (route == NULL || --route->refs > 0)
        return;
    g_free (route->name);
    g_free (route->host);
    g_strfreev (route->patterns);
    relais_tls_wish_clear (&route->tls);
    relais_tls_context_unref (route->context);
    relais_credentials_unref (route->credentials);
    g_free (route->way);
    g_free (route);
}

static void
unref_route (gpointer route)
{
    relais_static_route_unref (route);
}

/* --- Reading ------------------------------------------------------------------------------------ */

static RelaisStaticRoute *
read_route (const RelaisSection *section, GError **error)
{
    RelaisStaticRoute *route = g_new0 (RelaisStaticRoute, 1);

    route->refs = 1;
    route->name = g_strdup (relais_section_get_name (section));
    route->host = g_strdup (relais_section_get_string (section, "host"));
    route->port = (guint16)relais_section_get_int (section, "port");
    route->lmtp = relais_section_get_enum (section, "protocol") == 1;
    route->implicit_tls = relais_section_get_enum (section, "tls_start") == 1;
    route->auth_in_clear = relais_section_get_bool (section, "auth_in_clear");
    relais_tls_wish_read (&route->tls, section, 0);
    route->connections = (guint)relais_section_get_int (section, "connections");
    route->messages_per_connection =
        (guint)relais_section_get_int (section, "messages_per_connection");
    route->patterns = relais_queue_settings_read_patterns (section, error);
    if (route->patterns != NULL)
        return route;
    relais_static_route_unref (route);
    return NULL;
}

static RelaisStaticRoute *
find_route (const RelaisQueueSettings *settings, const char *name)
{
    for (guint i = 0; i < settings->routes->len; i++) {
        RelaisStaticRoute *route = g_ptr_array_index (settings->routes, i);

        if (strcmp (route->name, name) == 0)
            return route;
    }
    return NULL;
}

static bool
read_own_domains (RelaisQueueSettings *settings, RelaisConfig *config, GError **error)
{
    guint n = relais_config_n_sections (config, "domain");

    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (config, "domain", i);
        const char *name = relais_section_get_name (section);
        const char *inbound = relais_section_get_string (section, "inbound");
        RelaisStaticRoute *route;
        char *domain;

        if (inbound == NULL)
            continue;
        route = find_route (settings, inbound);
        if (route == NULL) {
            g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                         "%s: there is no route \"%s\"",
                         relais_section_get_origin (section, "inbound"), inbound);
            return false;
        }
        domain = relais_domain_normalise_pattern (name);
        g_hash_table_replace (settings->own_domains, domain != NULL ? domain : g_strdup (name),
                              route);
    }
    return true;
}

bool
relais_queue_settings_read_routes (RelaisQueueSettings *settings, RelaisConfig *config,
                                   GError **error)
{
    guint n = relais_config_n_sections (config, "route");

    settings->routes = g_ptr_array_new_with_free_func (unref_route);
    settings->own_domains = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < n; i++) {
        RelaisStaticRoute *route =
            read_route (relais_config_nth_section (config, "route", i), error);

        if (route == NULL)
            return false;
        g_ptr_array_add (settings->routes, route);
        settings->n_patterns += g_strv_length (route->patterns);
    }
    return read_own_domains (settings, config, error);
}

/* --- Loading ------------------------------------------------------------------------------------ */

/* With its end, so that no two lists of texts come to the same. */
static void
add_text (GChecksum *way, const char *text)
{
    text = text != NULL ? text : "";
    g_checksum_update (way, (const guchar *)text, (gssize)strlen (text) + 1);
}

/* What cannot be read is told by who loads it. */
static void
add_file (GChecksum *way, const char *path)
{
    g_autofree char *bytes = NULL;
    gsize size;

    add_text (way, path);
    if (path == NULL || !g_file_get_contents (path, &bytes, &size, NULL))
        return;
    g_checksum_update (way, (const guchar *)bytes, (gssize)size);
    explicit_bzero (bytes, size);
}

/* Before the files are loaded: if one is changed meanwhile, the next reload finds it changed. */
static void
add_section (GChecksum *way, const RelaisStaticRoute *route, const RelaisSection *section)
{
    const guint32 numbers[] = {route->port, route->lmtp, route->implicit_tls, route->auth_in_clear,
                               (guint32)route->tls.policy};

    add_text (way, route->host);
    g_checksum_update (way, (const guchar *)numbers, sizeof numbers);
    for (gsize i = 0; route->tls.names != NULL && route->tls.names[i] != NULL; i++)
        add_text (way, route->tls.names[i]);
    add_text (way, NULL);
    add_file (way, relais_section_get_string (section, "tls_certificate"));
    add_file (way, relais_section_get_string (section, "tls_key"));
}

/* A client certificate makes a context of its own, so that no other peer is shown it. */
static bool
load_certificate (RelaisStaticRoute *route, const RelaisSection *section, GError **error)
{
    const char *certificate = relais_section_get_string (section, "tls_certificate");
    g_autoptr (RelaisTlsContext) context = NULL;

    if (certificate == NULL)
        return true;
    context = relais_tls_context_new_client (route->tls.policy == RELAIS_TLS_POLICY_VERIFY, error);
    if (context == NULL ||
        !relais_tls_context_use_certificate (
            context, certificate, relais_section_get_string (section, "tls_key"), error)) {
        g_prefix_error (error, "%s: ", relais_section_get_origin (section, "tls_certificate"));
        return false;
    }
    route->context = g_steal_pointer (&context);
    return true;
}

static bool
load_credentials (RelaisStaticRoute *route, const RelaisSection *section, GError **error)
{
    const char *path = relais_section_get_string (section, "auth_file");

    if (path == NULL)
        return true;
    route->credentials = relais_credentials_load (path, error);
    if (route->credentials == NULL)
        g_prefix_error (error, "%s: ", relais_section_get_origin (section, "auth_file"));
    return route->credentials != NULL;
}

static bool
load_route (RelaisStaticRoute *route, const RelaisSection *section, GError **error)
{
    g_autoptr (GChecksum) way = g_checksum_new (G_CHECKSUM_SHA256);

    add_section (way, route, section);
    if (!load_certificate (route, section, error) || !load_credentials (route, section, error))
        return false;
    add_text (way, route->credentials != NULL ? route->credentials->user : NULL);
    add_text (way, route->credentials != NULL ? route->credentials->password : NULL);
    route->way = g_strdup (g_checksum_get_string (way));
    return true;
}

bool
relais_queue_settings_load (RelaisQueueSettings *settings, RelaisConfig *config, GError **error)
{
    relais_assert_may_block ();
    for (guint i = 0; i < settings->routes->len; i++) {
        RelaisStaticRoute *route = g_ptr_array_index (settings->routes, i);

        if (!load_route (route, relais_config_find_section (config, "route", route->name), error))
            return false;
    }
    return true;
}

/* --- Which one ---------------------------------------------------------------------------------- */

/* The inbound route of the domain of ours, or of the closest *.DOMAIN above it; `fit` as of a route's
 * patterns. */
static RelaisStaticRoute *
own_route (const RelaisQueueSettings *settings, const char *domain, gsize *fit)
{
    RelaisStaticRoute *route = g_hash_table_lookup (settings->own_domains, domain);

    *fit = route != NULL ? G_MAXSIZE : 0;
    for (const char *at = strchr (domain, '.'); route == NULL && at != NULL;
         at = strchr (at + 1, '.')) {
        g_autofree char *pattern = g_strconcat ("*", at, NULL);

        route = g_hash_table_lookup (settings->own_domains, pattern);
        if (route != NULL)
            *fit = relais_queue_settings_closest ((char *[]){pattern, NULL}, domain);
    }
    return route;
}

RelaisStaticRoute *
relais_queue_settings_route (const RelaisQueueSettings *settings, const char *domain)
{
    gsize best_fit;
    RelaisStaticRoute *best = own_route (settings, domain, &best_fit);

    if (best_fit == G_MAXSIZE)
        return best;
    for (guint i = 0; i < settings->routes->len; i++) {
        RelaisStaticRoute *route = g_ptr_array_index (settings->routes, i);
        gsize fit = relais_queue_settings_closest (route->patterns, domain);

        if (fit > best_fit) {
            best_fit = fit;
            best = route;
        }
    }
    return best;
}

guint16
relais_static_route_dane_port (const RelaisStaticRoute *route)
{
    const RelaisTlsPolicy policy = route->tls.policy;

    return route->context == NULL && (policy == RELAIS_TLS_POLICY_OPPORTUNISTIC ||
                                      policy == RELAIS_TLS_POLICY_REQUIRE)
               ? route->port
               : 0;
}

/* --- Reload ------------------------------------------------------------------------------------- */

static bool
lists_are_equal (char **a, char **b)
{
    static char *none[] = {NULL};

    return g_strv_equal ((const char *const *)(a != NULL ? a : none),
                         (const char *const *)(b != NULL ? b : none));
}

/* The old one is the same way: it gets what else `fresh` says. True if other domains may go by it now. */
static bool
renew (RelaisStaticRoute *old, RelaisStaticRoute *fresh)
{
    char **patterns = old->patterns;
    const bool differs = !lists_are_equal (patterns, fresh->patterns);

    old->connections = fresh->connections;
    old->messages_per_connection = fresh->messages_per_connection;
    old->patterns = fresh->patterns;
    fresh->patterns = patterns;
    old->gone = false;
    return differs;
}

/* By name, for each fresh route the object that stays: the old one if its way is the same. */
static GHashTable *
choose (const RelaisQueueSettings *settings, const RelaisQueueSettings *fresh, bool *changed)
{
    GHashTable *chosen = g_hash_table_new (g_str_hash, g_str_equal);

    for (guint i = 0; i < settings->routes->len; i++) {
        RelaisStaticRoute *route = g_ptr_array_index (settings->routes, i);

        route->gone = true;
        g_hash_table_insert (chosen, route->name, route);
    }
    for (guint i = 0; i < fresh->routes->len; i++) {
        RelaisStaticRoute *route = g_ptr_array_index (fresh->routes, i);
        RelaisStaticRoute *old = g_hash_table_lookup (chosen, route->name);

        if (old != NULL && strcmp (old->way, route->way) == 0)
            *changed = renew (old, route) || *changed;
        else
            g_hash_table_replace (chosen, route->name, route);
    }
    return chosen;
}

/* The first of equally close routes is taken, so that their order counts. */
static bool
adopt_list (const RelaisQueueSettings *settings, RelaisQueueSettings *fresh, GHashTable *chosen)
{
    GPtrArray *routes = g_ptr_array_new_full (fresh->routes->len, unref_route);
    bool changed = settings->routes->len != fresh->routes->len;

    for (guint i = 0; i < fresh->routes->len; i++) {
        const RelaisStaticRoute *route = g_ptr_array_index (fresh->routes, i);
        RelaisStaticRoute *stays = g_hash_table_lookup (chosen, route->name);

        changed = changed || g_ptr_array_index (settings->routes, i) != stays;
        g_ptr_array_add (routes, relais_static_route_ref (stays));
    }
    g_ptr_array_unref (fresh->routes);
    fresh->routes = routes;
    return changed;
}

static bool
adopt_own_domains (const RelaisQueueSettings *settings, RelaisQueueSettings *fresh,
                   GHashTable *chosen)
{
    bool changed =
        g_hash_table_size (settings->own_domains) != g_hash_table_size (fresh->own_domains);
    GHashTableIter iter;
    gpointer domain, route;

    g_hash_table_iter_init (&iter, fresh->own_domains);
    while (g_hash_table_iter_next (&iter, &domain, &route)) {
        RelaisStaticRoute *stays =
            g_hash_table_lookup (chosen, ((const RelaisStaticRoute *)route)->name);

        changed = changed || g_hash_table_lookup (settings->own_domains, domain) != stays;
        g_hash_table_iter_replace (&iter, stays);
    }
    return changed;
}

bool
relais_queue_settings_adopt_routes (RelaisQueueSettings *settings, RelaisQueueSettings *fresh)
{
    bool changed = false;
    g_autoptr (GHashTable) chosen = choose (settings, fresh, &changed);

    changed = adopt_own_domains (settings, fresh, chosen) || changed;
    return adopt_list (settings, fresh, chosen) || changed;
}
