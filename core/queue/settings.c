/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading of the queue's configuration. Owns what it reads until relais_queue_settings_clear ().
 */
#include "config.h"

#include "queue/settings-private.h"

#include "conf/conf-private.h"
#include "conf/net-private.h"
#include "message/address-private.h"

#include <gio/gio.h>
#include <string.h>

guint32
relais_queue_name_hash (const char *name)
{
    guint32 hash = 2166136261u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (guint8)*name) * 16777619u;
    return hash != 0 ? hash : 1;
}

/* --- Sources ---------------------------------------------------------------------------------- */

static void
source_free (gpointer data)
{
    RelaisSource *source = data;

    g_free (source->name);
    g_free (source->helo);
    g_free (source);
}

static void
pool_free (gpointer data)
{
    RelaisSourcePool *pool = data;

    g_free (pool->name);
    g_ptr_array_unref (pool->sources);
    g_free (pool);
}

static RelaisSourcePool *
find_pool (const RelaisQueueSettings *settings, const char *name)
{
    for (guint i = 0; i < settings->pools->len; i++) {
        RelaisSourcePool *pool = g_ptr_array_index (settings->pools, i);

        if (strcmp (pool->name, name) == 0)
            return pool;
    }
    return NULL;
}

static RelaisSourcePool *
make_pool (RelaisQueueSettings *settings, const char *name)
{
    RelaisSourcePool *pool = find_pool (settings, name);

    if (pool != NULL)
        return pool;
    pool = g_new0 (RelaisSourcePool, 1);
    pool->name = g_strdup (name);
    pool->sources = g_ptr_array_new_with_free_func (source_free);
    g_ptr_array_add (settings->pools, pool);
    return pool;
}

static RelaisSource *
add_source (RelaisQueueSettings *settings, const char *name, const char *pool_name,
            const char *helo)
{
    RelaisSource *source = g_new0 (RelaisSource, 1);
    RelaisSourcePool *pool = make_pool (settings, pool_name);

    source->name = g_strdup (name);
    source->helo = g_strdup (helo != NULL ? helo : settings->hostname);
    source->hash = relais_queue_name_hash (name);
    source->weight = 1;
    source->pool = pool;
    source->place = pool->sources->len;
    g_ptr_array_add (pool->sources, source);
    return source;
}

static bool
read_address (const RelaisSection *section, const char *key, sa_family_t family,
              struct sockaddr_storage *address, socklen_t *size, GError **error)
{
    const char *text = relais_section_get_string (section, key);

    if (text == NULL)
        return true;
    if (relais_address_from_text (text, 0, address, size) && address->ss_family == family)
        return true;
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: \"%s\" is not an %s address",
                 relais_section_get_origin (section, key), text,
                 family == AF_INET ? "IPv4" : "IPv6");
    return false;
}

/* A pool whose sources all have weight 0 would send nothing. */
static void
give_weight (gpointer data, gpointer unused)
{
    const RelaisSourcePool *pool = data;
    guint sum = 0;

    for (guint i = 0; i < pool->sources->len; i++)
        sum += ((const RelaisSource *)g_ptr_array_index (pool->sources, i))->weight;
    for (guint i = 0; sum == 0 && i < pool->sources->len; i++)
        ((RelaisSource *)g_ptr_array_index (pool->sources, i))->weight = 1;
}

enum { MAX_SOURCES_IN_POOL = 250 }; /* a delivery names its list in one byte */

static bool
read_sources (RelaisQueueSettings *settings, RelaisConfig *config, GError **error)
{
    guint n = relais_config_n_sections (config, "source");

    make_pool (settings, "default");
    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (config, "source", i);
        RelaisSource *source = add_source (settings, relais_section_get_name (section),
                                           relais_section_get_string (section, "pool"),
                                           relais_section_get_string (section, "helo"));

        source->weight = (guint)relais_section_get_int (section, "weight");
        if (!read_address (section, "address4", AF_INET, &source->address4, &source->size4,
                           error) ||
            !read_address (section, "address6", AF_INET6, &source->address6, &source->size6, error))
            return false;
        if (source->pool->sources->len > MAX_SOURCES_IN_POOL) {
            g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                         "pool \"%s\" has more than %d sources", source->pool->name,
                         MAX_SOURCES_IN_POOL);
            return false;
        }
    }
    if (((RelaisSourcePool *)g_ptr_array_index (settings->pools, 0))->sources->len == 0)
        add_source (settings, "default", "default", NULL);
    g_ptr_array_foreach (settings->pools, give_weight, NULL);
    return true;
}

RelaisSourcePool *
relais_queue_settings_pool (const RelaisQueueSettings *settings, const char *name)
{
    RelaisSourcePool *pool = name != NULL ? find_pool (settings, name) : NULL;

    return pool != NULL ? pool : g_ptr_array_index (settings->pools, 0);
}

/* --- TLS --- */

void
relais_tls_wish_clear (RelaisTlsWish *wish)
{
    g_clear_pointer (&wish->names, g_strfreev);
}

/* What stands before `first` asks for nothing. */
void
relais_tls_wish_read (RelaisTlsWish *wish, const RelaisSection *section, guint first)
{
    const char *const *names = relais_section_get_list (section, "tls_names");
    guint32 value = relais_section_get_enum (section, "tls");

    wish->is_set = value >= first;
    wish->policy = wish->is_set ? (RelaisTlsPolicy)(value - first) : RELAIS_TLS_POLICY_NONE;
    wish->names = names != NULL && names[0] != NULL ? g_strdupv ((char **)names) : NULL;
}

/* --- Patterns --------------------------------------------------------------------------------- */

/* How closely a pattern fits: 0 not at all, the name itself closest. */
static gsize
closeness (const char *pattern, const char *domain)
{
    if (!relais_domain_matches (pattern, domain))
        return 0;
    if (strcmp (pattern, "*") == 0)
        return 1;
    return pattern[0] == '*' ? 1 + strlen (pattern) : G_MAXSIZE;
}

gsize
relais_queue_settings_closest (char **patterns, const char *domain)
{
    gsize best = 0;

    for (gsize i = 0; patterns != NULL && patterns[i] != NULL; i++)
        best = MAX (best, closeness (patterns[i], domain));
    return best;
}

/* Items that are empty are passed over. NULL, and the one in `bad`, if one cannot be normalised. */
static char **
normalise_all (const char *const *items, char *(*normalise) (const char *item), const char **bad)
{
    g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

    for (; *items != NULL; items++) {
        g_autofree char *item = (*items)[0] != '\0' ? normalise (*items) : NULL;

        if (item == NULL && (*items)[0] != '\0') {
            *bad = *items;
            return NULL;
        }
        if (item != NULL)
            g_strv_builder_add (builder, item);
    }
    return g_strv_builder_end (builder);
}

static char **
read_normalised (const RelaisSection *section, const char *key,
                 char *(*normalise) (const char *item), const char *wanted, GError **error)
{
    const char *bad = NULL;
    char **items = normalise_all (relais_section_get_list (section, key), normalise, &bad);

    if (items == NULL)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: %s: \"%s\": expected %s",
                     relais_section_get_origin (section, key), key, bad, wanted);
    return items;
}

char **
relais_queue_settings_read_patterns (const RelaisSection *section, GError **error)
{
    return read_normalised (section, "domains", relais_domain_normalise_pattern,
                            "example.org, *.example.org or *", error);
}

/* --- The rest --------------------------------------------------------------------------------- */

static void
provider_free (gpointer data)
{
    RelaisProvider *provider = data;

    g_free (provider->name);
    g_strfreev (provider->suffixes);
    relais_tls_wish_clear (&provider->tls);
    g_free (provider);
}

/* "google.com", or ".google.com". */
static char *
normalise_suffix (const char *suffix)
{
    suffix += suffix[0] == '.';
    return relais_domain_normalise (suffix, strlen (suffix));
}

static bool
read_providers (RelaisQueueSettings *settings, RelaisConfig *config, GError **error)
{
    guint n = relais_config_n_sections (config, "provider");

    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (config, "provider", i);
        RelaisProvider *provider = g_new0 (RelaisProvider, 1);

        provider->name = g_strdup (relais_section_get_name (section));
        g_ptr_array_add (settings->providers, provider);
        provider->suffixes = read_normalised (section, "mx", normalise_suffix,
                                              "the end of a host name, as in example.net", error);
        if (provider->suffixes == NULL)
            return false;
        relais_tls_wish_read (&provider->tls, section, 1);
        provider->has_families = relais_section_get_enum (section, "families") > 0;
        if (provider->has_families)
            provider->families =
                (RelaisFamilies)(relais_section_get_enum (section, "families") - 1);
    }
    return true;
}

static void
destination_free (gpointer data)
{
    RelaisDestinationRule *rule = data;

    g_free (rule->name);
    g_strfreev (rule->patterns);
    relais_tls_wish_clear (&rule->tls);
    g_free (rule);
}

/* The name itself where no domains are given. */
static char **
read_name (const RelaisSection *section, GError **error)
{
    const char *name = relais_section_get_name (section), *bad = NULL;
    g_auto (GStrv) items = g_strsplit (name, ",", -1);
    char **patterns =
        normalise_all ((const char *const *)items, relais_domain_normalise_pattern, &bad);

    if (patterns == NULL) {
        g_autofree char *place = relais_section_get_place (section);

        g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                     "%s: [destination %s]: \"%s\" is no domain, and domains is not set", place,
                     name, bad);
    }
    return patterns;
}

static bool
read_destinations (RelaisQueueSettings *settings, RelaisConfig *config, GError **error)
{
    guint n = relais_config_n_sections (config, "destination");

    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (config, "destination", i);
        RelaisDestinationRule *rule = g_new0 (RelaisDestinationRule, 1);

        rule->name = g_strdup (relais_section_get_name (section));
        g_ptr_array_add (settings->destinations, rule);
        rule->patterns = relais_section_get_list (section, "domains")[0] != NULL
                             ? relais_queue_settings_read_patterns (section, error)
                             : read_name (section, error);
        if (rule->patterns == NULL)
            return false;
        relais_tls_wish_read (&rule->tls, section, 1);
    }
    return true;
}

const RelaisDestinationRule *
relais_queue_settings_destination (const RelaisQueueSettings *settings, const char *domain)
{
    const RelaisDestinationRule *best = NULL;
    gsize best_fit = 0;

    for (guint i = 0; i < settings->destinations->len; i++) {
        const RelaisDestinationRule *rule = g_ptr_array_index (settings->destinations, i);
        gsize fit = relais_queue_settings_closest (rule->patterns, domain);

        if (fit > best_fit) {
            best_fit = fit;
            best = rule;
        }
    }
    return best;
}

static void
read_limits (RelaisQueueSettings *settings, RelaisConfig *config)
{
    const RelaisSection *queue = relais_config_find_section (config, "queue", NULL);
    guint *const numbers[] = {&settings->connections, &settings->first_connections,
                              &settings->messages_per_connection,
                              &settings->recipients_per_transaction, &settings->connections_total};
    const char *const number_keys[] = {"connections", "first_connections",
                                       "messages_per_connection", "recipients_per_transaction",
                                       "connections_total"};
    gint64 *const times[] = {&settings->idle_us,       &settings->sleep_first_us,
                             &settings->sleep_last_us, &settings->connect_us,
                             &settings->fallback_us,   &settings->reply_us};
    const char *const time_keys[] = {"idle_time",       "sleep_first",   "sleep_last",
                                     "connect_timeout", "fallback_time", "reply_timeout"};

    for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
        *numbers[i] = (guint)relais_section_get_int (queue, number_keys[i]);
    for (gsize i = 0; i < G_N_ELEMENTS (times); i++)
        *times[i] = relais_section_get_int (queue, time_keys[i]);
    settings->quarantine_lifetime_us = relais_section_get_int (
        relais_config_find_section (config, "limits", NULL), "quarantine_lifetime");
    settings->smtp_port = (guint16)relais_section_get_int (queue, "smtp_port");
    settings->tls = (RelaisTlsPolicy)relais_section_get_enum (queue, "tls");
    settings->tls_sessions = (guint)relais_section_get_int (queue, "tls_sessions");
    settings->families = (RelaisFamilies)relais_section_get_enum (queue, "families");
    settings->chunking = relais_section_get_bool (queue, "chunking");
    settings->pass_long_lines = relais_section_get_bool (queue, "pass_long_lines");
}

bool
relais_queue_settings_read (RelaisQueueSettings *settings, RelaisConfig *config, GError **error)
{
    const RelaisSection *core = relais_config_find_section (config, "relais", NULL);
    const char *hostname = relais_section_get_string (core, "hostname");

    *settings = (RelaisQueueSettings){0};
    settings->hostname = g_strdup (hostname != NULL ? hostname : g_get_host_name ());
    settings->log_dir = g_strdup (relais_section_get_string (core, "log_dir"));
    settings->pools = g_ptr_array_new_with_free_func (pool_free);
    settings->providers = g_ptr_array_new_with_free_func (provider_free);
    settings->destinations = g_ptr_array_new_with_free_func (destination_free);
    read_limits (settings, config);
    return read_providers (settings, config, error) &&
           read_destinations (settings, config, error) &&
           relais_queue_settings_read_schedules (settings, config, error) &&
           read_sources (settings, config, error) &&
           relais_queue_settings_read_routes (settings, config, error);
}

void
relais_queue_settings_clear (RelaisQueueSettings *settings)
{
    g_clear_pointer (&settings->hostname, g_free);
    g_clear_pointer (&settings->log_dir, g_free);
    g_clear_pointer (&settings->pools, g_ptr_array_unref);
    g_clear_pointer (&settings->own_domains, g_hash_table_unref);
    g_clear_pointer (&settings->routes, g_ptr_array_unref);
    g_clear_pointer (&settings->providers, g_ptr_array_unref);
    g_clear_pointer (&settings->destinations, g_ptr_array_unref);
    relais_queue_settings_clear_schedules (settings);
}

/* --- Reload ------------------------------------------------------------------------------------- */

static const RelaisSource *
find_source (const RelaisQueueSettings *settings, const char *name)
{
    for (guint i = 0; i < settings->pools->len; i++) {
        const RelaisSourcePool *pool = g_ptr_array_index (settings->pools, i);

        for (guint n = 0; n < pool->sources->len; n++) {
            const RelaisSource *source = g_ptr_array_index (pool->sources, n);

            if (strcmp (source->name, name) == 0)
                return source;
        }
    }
    return NULL;
}

static void
adopt_weights (gpointer data, gpointer fresh)
{
    const RelaisSourcePool *pool = data;

    for (guint n = 0; n < pool->sources->len; n++) {
        RelaisSource *source = g_ptr_array_index (pool->sources, n);
        const RelaisSource *other = find_source (fresh, source->name);

        if (other != NULL)
            source->weight = other->weight;
    }
    give_weight (data, NULL);
}

bool
relais_queue_settings_adopt (RelaisQueueSettings *settings, RelaisQueueSettings *fresh)
{
    const bool rerouted = relais_queue_settings_adopt_routes (settings, fresh);
    RelaisQueueSettings old = *settings;

    g_ptr_array_foreach (settings->pools, adopt_weights, fresh);
    *settings = *fresh;
    settings->hostname = old.hostname;
    settings->log_dir = old.log_dir;
    settings->pools = old.pools;
    settings->smtp_port = old.smtp_port;
    fresh->routes = old.routes;
    fresh->own_domains = old.own_domains;
    fresh->providers = old.providers;
    fresh->destinations = old.destinations;
    memcpy (fresh->schedules, old.schedules, sizeof fresh->schedules);
    fresh->tenant_schedules = old.tenant_schedules;
    return rerouted;
}
