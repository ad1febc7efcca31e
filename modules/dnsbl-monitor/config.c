/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The configuration of dnsbl-monitor: the zones, and what of ours is looked for in them, collected from the core's
 * sections. Immutable once it is made; pure, any thread.
 */
#include "monitor.h"

#include <glib/gi18n-lib.h>
#include <string.h>

static bool
fail (GError **error, const RelaisSection *section, const char *key, const char *text)
{
    g_set_error (error, g_quark_from_static_string ("relais-dnsbl-monitor-error"), 0, "%s: %s",
                 relais_section_get_origin (section, key), text);
    return false;
}

/* --- Zones ------------------------------------------------------------------------------------ */

static void
zone_free (gpointer data)
{
    DnsblZone *zone = data;

    g_free (zone->name);
    g_free (zone->suffix);
    g_free (zone->shown);
    g_clear_pointer (&zone->listed, g_array_unref);
    g_clear_pointer (&zone->ignored, g_array_unref);
    g_clear_pointer (&zone->errors, g_array_unref);
    g_free (zone->url);
    g_free (zone->test_listed);
    g_free (zone->test_clean);
    g_free (zone->fingerprint);
    g_free (zone);
}

static bool
read_suffix (DnsblZone *zone, const RelaisSection *section, GError **error)
{
    const char *key = relais_section_get_string (section, "key");
    const bool wants_key = strstr (zone->shown, "%{key}") != NULL;

    if (wants_key && (key == NULL || key[0] == '\0'))
        return fail (error, section, "zone", _ ("this zone wants a key: set key, or enable = no"));
    if (wants_key && !dnsbl_name_is_suffix (key))
        return fail (error, section, "key",
                     _ ("a key has letters, digits, \"-\", \"_\" and single dots"));
    zone->suffix = wants_key ? dnsbl_name_expand (zone->shown, "key", key) : g_strdup (zone->shown);
    if (!dnsbl_name_is_suffix (zone->suffix))
        return fail (error, section, "zone",
                     _ ("expected the name of a zone, as in bl.example.org"));
    return true;
}

static bool
read_kinds (DnsblZone *zone, const RelaisSection *section, GError **error)
{
    const gchar *const *kinds = relais_section_get_list (section, "kind");

    for (guint i = 0; kinds[i] != NULL; i++) {
        if (g_str_equal (kinds[i], "address4"))
            zone->kinds |= DNSBL_KIND_ADDRESS4;
        else if (g_str_equal (kinds[i], "address6"))
            zone->kinds |= DNSBL_KIND_ADDRESS6;
        else if (g_str_equal (kinds[i], "domain"))
            zone->kinds |= DNSBL_KIND_DOMAIN;
        else
            return fail (error, section, "kind", _ ("expected address4, address6 or domain"));
    }
    return zone->kinds != 0 ||
           fail (error, section, "kind", _ ("expected address4, address6 or domain"));
}

static bool
read_codes (const RelaisSection *section, const char *key, GArray **codes, GError **error)
{
    g_autofree char *problem = NULL;

    *codes = dnsbl_codes_parse (relais_section_get_string (section, key),
                                g_str_equal (key, "errors"), &problem);
    return *codes != NULL || fail (error, section, key, problem);
}

static char *
fingerprint_of (const DnsblZone *zone, const RelaisSection *section)
{
    static const char *const keys[] = {"codes", "ignore", "errors", "test_listed", "test_clean"};
    g_autoptr (GString) text = g_string_new (zone->suffix);

    for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
        const char *value = relais_section_get_string (section, keys[i]);

        g_string_append_printf (text, "\n%s", value != NULL ? value : "");
    }
    return g_string_free (g_steal_pointer (&text), FALSE);
}

static bool
read_zone (DnsblZone *zone, const RelaisSection *section, gint64 interval_us, GError **error)
{
    zone->name = g_strdup (relais_section_get_name (section));
    zone->shown = g_ascii_strdown (relais_section_get_string (section, "zone"), -1);
    zone->refuses_public = relais_section_get_enum (section, "public_resolver") == 0;
    zone->blocks = relais_section_get_enum (section, "severity") == 0;
    zone->rule = (DnsblRule)relais_section_get_enum (section, "on_listing");
    zone->interval_us = relais_section_is_set (section, "interval")
                            ? relais_section_get_int (section, "interval")
                            : interval_us;
    zone->url = g_strdup (relais_section_get_string (section, "url"));
    zone->test_listed = g_strdup (relais_section_get_string (section, "test_listed"));
    zone->test_clean = g_strdup (relais_section_get_string (section, "test_clean"));
    if (!read_suffix (zone, section, error) || !read_kinds (zone, section, error) ||
        !read_codes (section, "codes", &zone->listed, error) ||
        !read_codes (section, "ignore", &zone->ignored, error) ||
        !read_codes (section, "errors", &zone->errors, error))
        return false;
    zone->codes = (DnsblCodes){zone->listed, zone->ignored, zone->errors};
    zone->fingerprint = fingerprint_of (zone, section);
    return true;
}

static bool
read_zones (DnsblConfig *own, const RelaisConfig *config, gint64 interval_us, GError **error)
{
    static const char kind[] = "dnsbl-monitor-zone";

    for (guint i = 0; i < relais_config_n_sections (config, kind); i++) {
        const RelaisSection *section = relais_config_nth_section (config, kind, i);
        DnsblZone *zone;

        if (!relais_section_get_bool (section, "enable"))
            continue;
        zone = g_new0 (DnsblZone, 1);
        g_ptr_array_add (own->zones, zone);
        if (!read_zone (zone, section, interval_us, error))
            return false;
    }
    return true;
}

char *
dnsbl_zone_url (const DnsblZone *zone, const char *target)
{
    return zone->url != NULL ? dnsbl_name_expand (zone->url, "target", target) : NULL;
}

/* --- Targets ---------------------------------------------------------------------------------- */

static void
target_free (gpointer data)
{
    DnsblTarget *target = data;

    dnsbl_subject_clear (&target->subject);
    g_free (target->what);
    g_ptr_array_unref (target->sources);
    g_free (target);
}

static DnsblTarget *
find_target (const DnsblConfig *own, const char *text)
{
    for (guint i = 0; i < own->targets->len; i++) {
        DnsblTarget *target = g_ptr_array_index (own->targets, i);

        if (g_str_equal (target->subject.text, text))
            return target;
    }
    return NULL;
}

/* Adds what `text` is, once; what it is of ours stands with it as it was first met. NULL if it is not watched. */
static DnsblTarget *
add_target (DnsblConfig *own, const char *text, bool private, char *what)
{
    g_autofree char *reason = what;
    DnsblSubject subject;
    DnsblTarget *target;

    if (!dnsbl_subject_parse (text, &subject) ||
        (!private && dnsbl_subject_is_private (&subject))) {
        dnsbl_subject_clear (&subject);
        return NULL;
    }
    target = find_target (own, subject.text);
    if (target != NULL) {
        dnsbl_subject_clear (&subject);
        return target;
    }
    target = g_new0 (DnsblTarget, 1);
    target->subject = subject;
    target->what = g_steal_pointer (&reason);
    target->sources = g_ptr_array_new_with_free_func (g_free);
    g_ptr_array_add (own->targets, target);
    return target;
}

static void
source_free (gpointer data)
{
    DnsblSource *source = data;

    g_free (source->name);
    g_free (source->pool);
    g_free (source);
}

static void
read_source (DnsblConfig *own, const RelaisSection *section, bool private)
{
    static const char *const keys[] = {"address4", "address6"};
    const char *name = relais_section_get_name (section);
    DnsblSource *source = g_new (DnsblSource, 1);

    *source = (DnsblSource){g_strdup (name), g_strdup (relais_section_get_string (section, "pool")),
                            relais_section_get_int (section, "weight")};
    g_ptr_array_add (own->sources, source);
    for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
        const char *text = relais_section_get_string (section, keys[i]);
        DnsblTarget *target =
            text != NULL ? add_target (own, text, private, g_strconcat ("source ", name, NULL))
                         : NULL;

        if (target != NULL)
            g_ptr_array_add (target->sources, g_strdup (name));
    }
}

/* The host of "https://HOST:PORT". */
static char *
host_of (const char *url)
{
    const char *host = strstr (url, "://");

    host = host != NULL ? host + 3 : url;
    if (host[0] == '[')
        return g_strndup (host + 1, strcspn (host + 1, "]"));
    return g_strndup (host, strcspn (host, ":/"));
}

static void
read_domains (DnsblConfig *own, const RelaisConfig *config, bool private)
{
    for (guint i = 0; i < relais_config_n_sections (config, "domain"); i++) {
        const RelaisSection *section = relais_config_nth_section (config, "domain", i);
        const char *tracking = relais_section_get_string (section, "tracking");
        g_autofree char *host = tracking != NULL ? host_of (tracking) : NULL;

        add_target (own, relais_section_get_name (section), private, g_strdup ("domain"));
        if (host != NULL)
            add_target (own, host, private, g_strdup ("tracking host"));
    }
    for (guint i = 0; i < relais_config_n_sections (config, "tenant"); i++) {
        const RelaisSection *section = relais_config_nth_section (config, "tenant", i);
        const gchar *const *domains = relais_section_get_list (section, "domains");

        for (guint k = 0; domains[k] != NULL; k++)
            add_target (own, domains[k], private,
                        g_strconcat ("domain of ", relais_section_get_name (section), NULL));
    }
}

static bool
read_extra (DnsblConfig *own, const RelaisSection *section, bool private, GError **error)
{
    static const char *const keys[] = {"addresses", "domains"};

    for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
        const gchar *const *items = relais_section_get_list (section, keys[i]);

        for (guint k = 0; items[k] != NULL; k++) {
            DnsblSubject subject;
            bool good = dnsbl_subject_parse (items[k], &subject) &&
                        (subject.kind == DNSBL_KIND_DOMAIN) == (i == 1);

            if (good)
                add_target (own, items[k], private, g_strdup ("configured"));
            dnsbl_subject_clear (&subject);
            if (!good)
                return fail (error, section, keys[i],
                             i == 0 ? _ ("expected IPv4 and IPv6 addresses")
                                    : _ ("expected names of domains"));
        }
    }
    return true;
}

/* --- The whole -------------------------------------------------------------------------------- */

static bool
read_alert (DnsblConfig *own, const RelaisSection *section, GError **error)
{
    const gchar *const *ways = relais_section_get_list (section, "alert");

    for (guint i = 0; ways[i] != NULL; i++) {
        if (g_str_equal (ways[i], "log"))
            own->log = true;
        else if (g_str_equal (ways[i], "mail"))
            own->mail = true;
        else if (!g_str_equal (ways[i], "none"))
            return fail (error, section, "alert", _ ("expected log, mail or none"));
    }
    return true;
}

static void
read_resolver (DnsblConfig *own, const RelaisConfig *config, const RelaisSection *section)
{
    const RelaisSection *dns = relais_config_find_section (config, "dns", NULL);
    const gchar *const *servers = relais_section_get_list (dns, "server");

    if (relais_section_get_bool (section, "public_resolver"))
        return;
    for (guint i = 0; servers[i] != NULL && own->public_server == NULL; i++) {
        const char *who = dnsbl_name_public_resolver (servers[i]);

        if (who != NULL)
            own->public_server = g_strdup_printf ("%s (%s)", servers[i], who);
    }
}

static bool
read_all (DnsblConfig *own, RelaisConfig *config, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "dnsbl-monitor", NULL);
    const bool private = relais_section_get_bool (section, "watch_private");

    own->confirm_us = relais_section_get_int (section, "confirm_interval");
    own->spread_us = relais_section_get_int (section, "spread");
    own->unknown_us = relais_section_get_int (section, "unknown_after");
    own->confirm = (guint)relais_section_get_int (section, "confirm");
    own->parallel = (guint)relais_section_get_int (section, "parallel");
    own->mails_per_day = (guint)relais_section_get_int (section, "mails_per_day");
    own->take_last = relais_section_get_bool (section, "take_last");
    read_resolver (own, config, section);
    for (guint i = 0; i < relais_config_n_sections (config, "source"); i++)
        read_source (own, relais_config_nth_section (config, "source", i), private);
    read_domains (own, config, private);
    return read_alert (own, section, error) && read_extra (own, section, private, error) &&
           read_zones (own, config, relais_section_get_int (section, "interval"), error);
}

DnsblConfig *
dnsbl_config_new (RelaisConfig *config, GError **error)
{
    DnsblConfig *own = g_new0 (DnsblConfig, 1);

    g_atomic_ref_count_init (&own->refs);
    own->zones = g_ptr_array_new_with_free_func (zone_free);
    own->targets = g_ptr_array_new_with_free_func (target_free);
    own->sources = g_ptr_array_new_with_free_func (source_free);
    if (read_all (own, config, error))
        return own;
    dnsbl_config_unref (own);
    return NULL;
}

DnsblConfig *
dnsbl_config_ref (DnsblConfig *config)
{
    g_atomic_ref_count_inc (&config->refs);
    return config;
}

void
dnsbl_config_unref (gpointer data)
{
    DnsblConfig *config = data;

    if (config == NULL || !g_atomic_ref_count_dec (&config->refs))
        return;
    g_ptr_array_unref (config->zones);
    g_ptr_array_unref (config->targets);
    g_ptr_array_unref (config->sources);
    g_free (config->public_server);
    g_free (config);
}
