/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The configuration of throttle, read from its own sections and its keys in shared ones. What is for a source and a
 * provider is laid over one another: defaults, the provider, then every [throttle-lane NAME] that fits, in the order
 * in which they stand.
 */
#include "settings.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* How the value of a key is read. */
typedef enum { NUMBER, RATES } Form;

static const struct {
    const char *name;
    Form form;
} KEYS[THROTTLE_KEYS] = {
    [THROTTLE_CONNECTIONS] = {"connections", NUMBER},
    [THROTTLE_MESSAGES_PER_CONNECTION] = {"messages_per_connection", NUMBER},
    [THROTTLE_RECIPIENTS] = {"recipients", NUMBER},
    [THROTTLE_RATE] = {"rate", RATES},
    [THROTTLE_CONNECTION_RATE] = {"connection_rate", RATES},
    [THROTTLE_CAMPAIGN_RATE] = {"campaign_rate", RATES},
    [THROTTLE_MIN_RATE] = {"min_rate", RATES},
    [THROTTLE_STEP] = {"step", NUMBER},
    [THROTTLE_STEP_INTERVAL] = {"step_interval", NUMBER},
    [THROTTLE_RAISE] = {"raise", NUMBER},
    [THROTTLE_RAISE_AFTER] = {"raise_after", NUMBER},
    [THROTTLE_RAISE_SUCCESSES] = {"raise_successes", NUMBER},
    [THROTTLE_SLOW_AT] = {"slow_at", NUMBER},
    [THROTTLE_SLOW_WINDOW] = {"slow_window", NUMBER},
    [THROTTLE_SLOW_RESULTS] = {"slow_results", NUMBER},
};

/* [throttle-lane NAME]. */
typedef struct {
    char **sources, **providers; /* empty: all */
    ThrottleSettings settings;
} Lane;

typedef struct {
    char *name;
    char **suffixes;
    ThrottleSettings settings;
} Provider;

struct ThrottleConfig {
    gatomicrefcount refs;
    guint most_lanes;
    RelaisConfig *config; /* origins and names are its */
    ThrottleSettings defaults;
    GPtrArray *providers; /* Provider */
    GPtrArray *lanes;     /* Lane */
    GHashTable *tenants;  /* name -> ThrottleTenant */
    GHashTable *plans;    /* name -> ThrottlePlan */
    GHashTable *warmups;  /* source -> ThrottleSourceWarmup */
    ThrottleRules *rules;
    GHashTable *resolved; /* "SOURCE\nPROVIDER" -> ThrottleSettings; the loop's */
};

const char *
throttle_key_to_string (ThrottleKey key)
{
    return KEYS[key].name;
}

static GQuark
error_quark (void)
{
    return g_quark_from_static_string ("relais-throttle-error");
}

/* --- Values ----------------------------------------------------------------------------------- */

static bool
read_value (const RelaisSection *section, const char *key, Form form, bool with_default,
            ThrottleValue *value, GError **error)
{
    const char *origin = relais_section_get_origin (section, key);
    g_autofree char *problem = NULL;
    const char *text;

    if (!with_default && !relais_section_is_set (section, key))
        return true;
    if (form == NUMBER) {
        value->number = relais_section_get_int (section, key);
        value->origin = origin;
        return true;
    }
    text = relais_section_get_string (section, key);
    value->origin = origin;
    if (text == NULL || throttle_rates_parse (text, &value->rates, &problem))
        return true;
    g_set_error (error, error_quark (), 0, "%s: %s: %s", origin, key, problem);
    return false;
}

/* `prefix` is "throttle." in sections of the core's. */
static bool
read_settings (const RelaisSection *section, const char *prefix, bool with_defaults,
               ThrottleSettings *settings, GError **error)
{
    for (guint i = 0; i < THROTTLE_KEYS; i++) {
        g_autofree char *key = g_strconcat (prefix, KEYS[i].name, NULL);

        if (!read_value (section, key, KEYS[i].form, with_defaults, &settings->values[i], error))
            return false;
    }
    return true;
}

static void
lay_over (ThrottleSettings *settings, const ThrottleSettings *over)
{
    for (guint i = 0; i < THROTTLE_KEYS; i++)
        if (over->values[i].origin != NULL)
            settings->values[i] = over->values[i];
}

/* --- Sections --------------------------------------------------------------------------------- */

static void
provider_free (gpointer data)
{
    Provider *provider = data;

    g_strfreev (provider->suffixes);
    g_free (provider->name);
    g_free (provider);
}

static void
lane_free (gpointer data)
{
    Lane *lane = data;

    g_strfreev (lane->sources);
    g_strfreev (lane->providers);
    g_free (lane);
}

static bool
read_providers (ThrottleConfig *own, GError **error)
{
    const guint n = relais_config_n_sections (own->config, "provider");

    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (own->config, "provider", i);
        Provider *provider = g_new0 (Provider, 1);

        g_ptr_array_add (own->providers, provider);
        provider->name = g_strdup (relais_section_get_name (section));
        provider->suffixes = g_strdupv ((char **)relais_section_get_list (section, "mx"));
        if (!read_settings (section, "throttle.", false, &provider->settings, error))
            return false;
    }
    return true;
}

/* All of the names have to be there. */
static bool
check_names (const ThrottleConfig *own, const RelaisSection *section, const char *key,
             const char *kind, GError **error)
{
    const char *const *names = relais_section_get_list (section, key);

    for (guint i = 0; names[i] != NULL; i++)
        if (relais_config_find_section (own->config, kind, names[i]) == NULL) {
            g_set_error (error, error_quark (), 0, _ ("%s: there is no [%s %s]"),
                         relais_section_get_origin (section, key), kind, names[i]);
            return false;
        }
    return true;
}

static bool
read_lanes (ThrottleConfig *own, GError **error)
{
    const guint n = relais_config_n_sections (own->config, "throttle-lane");

    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (own->config, "throttle-lane", i);
        Lane *lane = g_new0 (Lane, 1);

        g_ptr_array_add (own->lanes, lane);
        lane->sources = g_strdupv ((char **)relais_section_get_list (section, "source"));
        lane->providers = g_strdupv ((char **)relais_section_get_list (section, "provider"));
        if (!check_names (own, section, "source", "source", error) ||
            !check_names (own, section, "provider", "provider", error) ||
            !read_settings (section, "", false, &lane->settings, error))
            return false;
    }
    return true;
}

static bool
read_tenants (ThrottleConfig *own, GError **error)
{
    const guint n = relais_config_n_sections (own->config, "tenant");

    for (guint i = 0; i < n; i++) {
        const RelaisSection *section = relais_config_nth_section (own->config, "tenant", i);
        ThrottleTenant *tenant = g_new0 (ThrottleTenant, 1);

        tenant->name = relais_section_get_name (section);
        g_hash_table_insert (own->tenants, (gpointer)tenant->name, tenant);
        if (!read_value (section, "throttle.rate", RATES, false, &tenant->rate, error) ||
            !read_value (section, "throttle.campaign_rate", RATES, false, &tenant->campaign_rate,
                         error))
            return false;
    }
    return true;
}

/* --- Warm-up ---------------------------------------------------------------------------------- */

static bool
read_caps (const RelaisSection *section, ThrottlePlan *plan, GError **error)
{
    const char *const *items = relais_section_get_list (section, "caps");

    plan->caps = g_array_new (FALSE, FALSE, sizeof (gint64));
    for (guint i = 0; items[i] != NULL; i++) {
        gint64 cap;

        if (plan->caps->len == THROTTLE_PLAN_DAYS ||
            !g_ascii_string_to_signed (items[i], 10, 1, THROTTLE_RATE_MOST, &cap, NULL)) {
            g_set_error (error, error_quark (), 0,
                         _ ("%s: caps: \"%s\": expected at most %d numbers from 1 to %d, one for "
                            "each day"),
                         relais_section_get_origin (section, "caps"), items[i], THROTTLE_PLAN_DAYS,
                         THROTTLE_RATE_MOST);
            return false;
        }
        g_array_append_val (plan->caps, cap);
    }
    if (plan->caps->len > 0)
        return true;
    g_set_error (error, error_quark (), 0, _ ("%s: caps: at least one day is wanted"),
                 relais_section_get_origin (section, "caps"));
    return false;
}

static bool
read_plan (ThrottleConfig *own, const RelaisSection *section, GError **error)
{
    const char *const *providers = relais_section_get_list (section, "provider");
    ThrottlePlan *plan = g_new0 (ThrottlePlan, 1);

    plan->name = g_strdup (relais_section_get_name (section));
    g_hash_table_replace (own->plans, plan->name, plan);
    plan->origin = relais_section_get_origin (section, "caps");
    plan->spread = relais_section_get_bool (section, "spread");
    plan->bad_at = (guint)relais_section_get_int (section, "bad_at");
    if (providers[0] != NULL)
        plan->providers = g_strdupv ((char **)providers);
    return check_names (own, section, "provider", "provider", error) &&
           read_caps (section, plan, error);
}

/* Doubled each day until it no longer matters; lower at first than what others publish. */
static void
add_default_plan (ThrottleConfig *own)
{
    ThrottlePlan *plan = g_new0 (ThrottlePlan, 1);

    plan->name = g_strdup ("default");
    plan->origin = "default";
    plan->spread = true;
    plan->bad_at = 10;
    plan->caps = g_array_new (FALSE, FALSE, sizeof (gint64));
    for (gint64 cap = 50; cap <= THROTTLE_PLAN_DEFAULT_LAST; cap *= 2)
        g_array_append_val (plan->caps, cap);
    g_hash_table_replace (own->plans, plan->name, plan);
}

static bool
read_source (ThrottleConfig *own, const RelaisSection *section, GError **error)
{
    const char *name = relais_section_get_string (section, "throttle.warmup");
    const char *start = relais_section_get_string (section, "throttle.warmup_start");
    ThrottleSourceWarmup *warmup;
    const ThrottlePlan *plan;
    gint64 day;

    if (name == NULL)
        return true;
    plan = g_hash_table_lookup (own->plans, name);
    if (plan == NULL) {
        g_set_error (error, error_quark (), 0, _ ("%s: there is no [throttle-warmup %s]"),
                     relais_section_get_origin (section, "throttle.warmup"), name);
        return false;
    }
    if (start == NULL || !throttle_day_parse (start, &day)) {
        g_set_error (error, error_quark (), 0,
                     _ ("%s: throttle.warmup needs throttle.warmup_start, a day as in 2026-01-31"),
                     relais_section_get_origin (section, start != NULL ? "throttle.warmup_start"
                                                                       : "throttle.warmup"));
        return false;
    }
    warmup = g_new0 (ThrottleSourceWarmup, 1);
    *warmup =
        (ThrottleSourceWarmup){plan, day, relais_section_get_origin (section, "throttle.warmup")};
    g_hash_table_insert (own->warmups, (gpointer)relais_section_get_name (section), warmup);
    return true;
}

static bool
read_warmups (ThrottleConfig *own, GError **error)
{
    const guint n_plans = relais_config_n_sections (own->config, "throttle-warmup");
    const guint n_sources = relais_config_n_sections (own->config, "source");

    add_default_plan (own);
    for (guint i = 0; i < n_plans; i++)
        if (!read_plan (own, relais_config_nth_section (own->config, "throttle-warmup", i), error))
            return false;
    for (guint i = 0; i < n_sources; i++)
        if (!read_source (own, relais_config_nth_section (own->config, "source", i), error))
            return false;
    return true;
}

/* --- The whole -------------------------------------------------------------------------------- */

ThrottleConfig *
throttle_config_new (RelaisConfig *config, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "throttle", NULL);
    ThrottleConfig *own = g_new0 (ThrottleConfig, 1);

    g_atomic_ref_count_init (&own->refs);
    own->config = relais_config_ref (config);
    own->most_lanes = (guint)relais_section_get_int (section, "lanes");
    own->providers = g_ptr_array_new_with_free_func (provider_free);
    own->lanes = g_ptr_array_new_with_free_func (lane_free);
    own->tenants = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
    own->plans = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, throttle_plan_free);
    own->warmups = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
    own->resolved = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    own->rules = throttle_rules_new (config, error);
    if (own->rules != NULL && read_settings (section, "", true, &own->defaults, error) &&
        read_providers (own, error) && read_lanes (own, error) && read_tenants (own, error) &&
        read_warmups (own, error))
        return own;
    throttle_config_unref (own);
    return NULL;
}

ThrottleConfig *
throttle_config_ref (ThrottleConfig *config)
{
    g_atomic_ref_count_inc (&config->refs);
    return config;
}

void
throttle_config_unref (gpointer data)
{
    ThrottleConfig *own = data;

    if (own == NULL || !g_atomic_ref_count_dec (&own->refs))
        return;
    g_clear_pointer (&own->rules, throttle_rules_free);
    g_hash_table_unref (own->resolved);
    g_hash_table_unref (own->warmups);
    g_hash_table_unref (own->plans);
    g_hash_table_unref (own->tenants);
    g_ptr_array_unref (own->lanes);
    g_ptr_array_unref (own->providers);
    relais_config_unref (own->config);
    g_free (own);
}

/* --- Asking ----------------------------------------------------------------------------------- */

static const Provider *
find_provider (const ThrottleConfig *config, const char *name)
{
    for (guint i = 0; name != NULL && i < config->providers->len; i++) {
        const Provider *provider = g_ptr_array_index (config->providers, i);

        if (g_str_equal (provider->name, name))
            return provider;
    }
    return NULL;
}

static bool
is_named (char **names, const char *name)
{
    return names[0] == NULL ||
           (name != NULL && g_strv_contains ((const gchar *const *)names, name));
}

static ThrottleSettings *
resolve (const ThrottleConfig *config, const char *source, const char *provider)
{
    ThrottleSettings *settings = g_memdup2 (&config->defaults, sizeof config->defaults);
    const Provider *own = find_provider (config, provider);

    if (own != NULL)
        lay_over (settings, &own->settings);
    for (guint i = 0; i < config->lanes->len; i++) {
        const Lane *lane = g_ptr_array_index (config->lanes, i);

        if (is_named (lane->sources, source) && is_named (lane->providers, provider))
            lay_over (settings, &lane->settings);
    }
    return settings;
}

const ThrottleSettings *
throttle_config_resolve (ThrottleConfig *config, const char *source, const char *provider)
{
    /* A provider that the configuration does not know, of a lane made under an older one, is none. */
    const char *known = find_provider (config, provider) != NULL ? provider : NULL;
    g_autofree char *key = g_strconcat (source, "\n", known, NULL);
    ThrottleSettings *settings = g_hash_table_lookup (config->resolved, key);

    if (settings == NULL) {
        settings = resolve (config, source, known);
        g_hash_table_insert (config->resolved, g_steal_pointer (&key), settings);
    }
    return settings;
}

const ThrottleTenant *
throttle_config_find_tenant (const ThrottleConfig *config, const char *tenant)
{
    return tenant != NULL ? g_hash_table_lookup (config->tenants, tenant) : NULL;
}

const ThrottleSourceWarmup *
throttle_config_find_warmup (const ThrottleConfig *config, const char *source, const char *provider)
{
    const ThrottleSourceWarmup *warmup = g_hash_table_lookup (config->warmups, source);

    return warmup != NULL && throttle_plan_is_for (warmup->plan, provider) ? warmup : NULL;
}

const ThrottleRules *
throttle_config_get_rules (const ThrottleConfig *config)
{
    return config->rules;
}

bool
throttle_config_has_provider (const ThrottleConfig *config, const char *name)
{
    return find_provider (config, name) != NULL;
}

guint
throttle_config_get_lanes (const ThrottleConfig *config)
{
    return config->most_lanes;
}

static bool
ends_in (const char *host, const char *suffix)
{
    const gsize host_size = strlen (host);
    gsize size;

    if (suffix[0] == '.')
        suffix++;
    size = strlen (suffix);
    if (size == 0 || size > host_size || g_ascii_strcasecmp (host + host_size - size, suffix) != 0)
        return false;
    return size == host_size || host[host_size - size - 1] == '.';
}

static bool
has_host (const Provider *provider, const char *host)
{
    for (guint i = 0; provider->suffixes[i] != NULL; i++)
        if (ends_in (host, provider->suffixes[i]))
            return true;
    return false;
}

const char *
throttle_config_provider_of (const ThrottleConfig *config, const GPtrArray *hosts)
{
    for (guint i = 0; i < config->providers->len; i++) {
        const Provider *provider = g_ptr_array_index (config->providers, i);
        guint n = 0;

        while (n < hosts->len && has_host (provider, g_ptr_array_index (hosts, n)))
            n++;
        if (n > 0 && n == hosts->len)
            return provider->name;
    }
    return NULL;
}
