/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What one value cannot tell by itself: names that must name something, addresses, pairs. One table
 * of checks over the finished configuration.
 */
#include "config.h"

#include "conf/config-private.h"
#include "conf/line-private.h"
#include "conf/nearest-private.h"
#include "conf/net-private.h"
#include "conf/origin-private.h"
#include "conf/quiet-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
    const RelaisConfig *config;
    GPtrArray *findings;
} Checker;

static void
report_as (Checker *checker, bool is_error, const RelaisSection *section, const char *key,
           char *text)
{
    const RelaisKey *known = relais_kind_find_key (section->kind, key);
    const RelaisSlot *slot = section->slots[known->index];
    bool is_set = slot != NULL && slot->is_set;
    g_autofree char *file = NULL;

    if (is_set)
        file = g_strndup (slot->origin, (gsize)(strrchr (slot->origin, ':') - slot->origin));
    else
        file = g_strdup (section->file);
    relais_conf_add_finding (checker->findings, is_error, file, is_set ? slot->line : section->line,
                             text);
}

/* Reports at the key's place, or at the section's if the value is a default. */
static void
report (Checker *checker, const RelaisSection *section, const char *key, char *text)
{
    report_as (checker, true, section, key, text);
}

static void
report_no_such (Checker *checker, const RelaisSection *section, const char *key, const char *kind,
                const char *name)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    guint n = relais_config_n_sections (checker->config, kind);
    const char *nearest;

    for (guint i = 0; i < n; i++)
        g_ptr_array_add (names, relais_config_nth_section (checker->config, kind, i)->name);
    nearest = relais_nearest_name (name, names);
    if (nearest != NULL)
        report (checker, section, key,
                g_strdup_printf (_ ("%s: there is no [%s %s]; did you mean '%s'?"), key, kind, name,
                                 nearest));
    else
        report (checker, section, key,
                g_strdup_printf (_ ("%s: there is no [%s %s]"), key, kind, name));
}

/* --- The checks ------------------------------------------------------------------------------- */

typedef struct Check Check;
struct Check {
    const char *kind, *key;
    void (*func) (Checker *checker, const RelaisSection *section, const Check *check);
    const char *other; /* kind that is named, key of the pair, or other argument */
};

static void
check_reference (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *name = relais_section_get_string (section, check->key);

    if (name != NULL && relais_config_find_section (checker->config, check->other, name) == NULL)
        report_no_such (checker, section, check->key, check->other, name);
}

static void
check_pool (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *pool = relais_section_get_string (section, check->key);
    guint n = relais_config_n_sections (checker->config, "source");

    for (guint i = 0; i < n; i++) {
        const RelaisSection *source = relais_config_nth_section (checker->config, "source", i);

        if (g_strcmp0 (relais_section_get_string (source, "pool"), pool) == 0)
            return;
    }
    report (checker, section, check->key,
            g_strdup_printf (_ ("%s: no [source NAME] belongs to pool '%s'"), check->key, pool));
}

static void
check_addresses (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *const *items = relais_section_get_list (section, check->key);
    struct sockaddr_storage address;
    socklen_t size;

    if (items[0] == NULL)
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: expected at least one address"), check->key));
    for (; *items != NULL; items++)
        if (!relais_address_from_text (*items, 0, &address, &size))
            report (
                checker, section, check->key,
                g_strdup_printf (_ ("%s: '%s' is no IPv4 or IPv6 address"), check->key, *items));
}

/* `other` is "4" or "6". */
static void
check_source_address (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *text = relais_section_get_string (section, check->key);
    int family = check->other[0] == '4' ? AF_INET : AF_INET6;
    struct sockaddr_storage address;
    socklen_t size;

    if (text == NULL ||
        (relais_address_from_text (text, 0, &address, &size) && address.ss_family == family))
        return;
    report (checker, section, check->key,
            g_strdup_printf (_ ("%s: '%s' is no IPv%s address"), check->key, text, check->other));
}

/* ADDRESS or ADDRESS@PORT. */
static void
check_servers (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *const *items = relais_section_get_list (section, check->key);
    struct sockaddr_storage address;
    socklen_t size;

    for (; *items != NULL; items++) {
        g_autofree char *text = g_strndup (*items, strcspn (*items, "@"));
        const char *at = strchr (*items, '@');
        guint64 port;

        if (relais_address_from_text (text, 0, &address, &size) &&
            (at == NULL || g_ascii_string_to_unsigned (at + 1, 10, 1, 65535, &port, NULL)))
            continue;
        report (
            checker, section, check->key,
            g_strdup_printf (_ ("%s: '%s': expected ADDRESS or ADDRESS@PORT"), check->key, *items));
    }
}

static void
check_nets (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *bad = NULL;
    g_autoptr (GArray) nets =
        relais_nets_parse (relais_section_get_list (section, check->key), &bad);

    if (nets == NULL)
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: '%s' is no network; expected as in 192.0.2.0/24, "
                                    "2001:db8::/32 or 192.0.2.1"),
                                 check->key, bad));
}

static void
check_origin (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *text = relais_section_get_string (section, check->key);
    g_auto (RelaisOrigin) origin = {0};

    if (text != NULL && !relais_origin_parse (text, &origin))
        report (
            checker, section, check->key,
            g_strdup_printf (_ ("%s: '%s' cannot be used; expected scheme and host alone, as in "
                                "https://track.example.com or http://track.example.com:8080"),
                             check->key, text));
}

/* As peers take one in EHLO, and addresses and header fields may hold it; of ASCII alone. */
static bool
is_host_name (const char *text)
{
    enum { NAME_BYTES = 253, LABEL_BYTES = 63 };
    static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    gsize label;

    if (strlen (text) > NAME_BYTES)
        return false;
    for (;; text += label + 1) {
        label = strspn (text, chars);
        if (label == 0 || label > LABEL_BYTES || (text[label] != '.' && text[label] != '\0'))
            return false;
        if (text[label] == '\0')
            return true;
    }
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
static bool
is_literal (const char *text)
{
    const char *inner = text + strspn (text, "[");

    inner += g_str_has_prefix (inner, "IPv6:") ? strlen ("IPv6:") : 0;

    g_autofree char *address = g_strndup (inner, strcspn (inner, "]"));
    struct sockaddr_storage parsed;
    socklen_t size;

    return text[0] == '[' && strcmp (inner + strlen (address), "]") == 0 &&
           relais_address_from_text (address, 0, &parsed, &size);
}

/* `other` is "full" or "helo" for what peers are greeted with; the second may be an address. */
static void
check_host_name (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *name = relais_section_get_string (section, check->key);

    if (name == NULL || (g_strcmp0 (check->other, "helo") == 0 && is_literal (name)))
        return;
    if (!is_host_name (name))
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: '%s' is no host name; expected as in mail.example.org"),
                                 check->key, name));
    else if (check->other != NULL && strchr (name, '.') == NULL)
        report_as (checker, false, section, check->key,
                   g_strdup_printf (_ ("%s: '%s' is no full name; many hosts take no mail from "
                                       "one that greets them so"),
                                    check->key, name));
}

/* A shorter one ends a daemon that is well but busy, and has its modules switched off for it. */
static void
check_watchdog (Checker *checker, const RelaisSection *section, const Check *check)
{
    enum { LEAST_MS = 500 };
    const gint64 time_us = relais_section_get_int (section, check->key);

    if (time_us > 0 && time_us < LEAST_MS * G_TIME_SPAN_MILLISECOND)
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: expected 0 or at least %dms"), check->key, LEAST_MS));
}

static void
check_pair (Checker *checker, const RelaisSection *section, const Check *check)
{
    if (relais_section_get_string (section, check->key) != NULL &&
        relais_section_get_string (section, check->other) == NULL)
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: %s must be set too"), check->key, check->other));
}

static void
check_required_tls (Checker *checker, const RelaisSection *section, const Check *check)
{
    enum { TLS_REQUIRED = 2 }; /* and implicit behind it */

    if (relais_section_get_enum (section, check->key) >= TLS_REQUIRED &&
        relais_section_get_string (section, check->other) == NULL)
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: required, but %s is not set"), check->key, check->other));
}

static void
check_next_hop (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *host = relais_section_get_string (section, check->key);
    struct sockaddr_storage address;
    socklen_t size;

    if (host != NULL && relais_address_is_unix (host) &&
        !relais_address_from_unix (host, &address, &size))
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: '%s': expected unix:/PATH of at most %u octets"),
                                 check->key, host, RELAIS_UNIX_PATH_BYTES));
}

static void
check_tls_start (Checker *checker, const RelaisSection *section, const Check *check)
{
    enum { TLS_NONE, START_CONNECT };

    if (relais_section_get_enum (section, check->key) == START_CONNECT &&
        relais_section_get_enum (section, "tls") == TLS_NONE)
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: connect, but tls is none"), check->key));
}

/* `other` is the policy's name that the key needs. */
static void
check_policy (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *const *names = relais_section_get_list (section, check->key);
    const RelaisOption *option = &relais_kind_find_key (section->kind, "tls")->option;
    g_auto (GStrv) choices = g_strsplit (option->choices, "|", -1);

    if (names[0] != NULL &&
        strcmp (choices[relais_section_get_enum (section, "tls")], check->other) != 0)
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: tls must be %s"), check->key, check->other));
}

static void
check_class_name (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *tenant = strchr (section->name, '/');
    g_autofree char *klass = g_strndup (
        section->name, tenant != NULL ? (gsize)(tenant - section->name) : strlen (section->name));

    if (strcmp (klass, "transactional") != 0 && strcmp (klass, "bulk") != 0)
        relais_conf_add_finding (
            checker->findings, true, section->file, section->line,
            g_strdup_printf (_ ("there is no class '%s'; the classes are transactional and bulk"),
                             klass));
    else if (tenant != NULL &&
             relais_config_find_section (checker->config, "tenant", tenant + 1) == NULL)
        report_no_such (checker, section, check->key, "tenant", tenant + 1);
}

/* The key's section: what [class NAME/TENANT] does not set stands in [class NAME]. */
static const RelaisSection *
class_section (const Checker *checker, const RelaisSection *section, const char *key)
{
    g_autofree char *klass = g_strndup (section->name, strcspn (section->name, "/"));
    const RelaisSection *whole = relais_config_find_section (checker->config, "class", klass);

    return whole == NULL || relais_section_is_set (section, key) ? section : whole;
}

/* Whether the section has a say in what is checked: else it was told of where it stands. */
static bool
sets_any (const RelaisSection *section, const char *const *keys)
{
    while (*keys != NULL && !relais_section_is_set (section, *keys))
        keys++;
    return *keys != NULL;
}

static gint64
class_time_us (const Checker *checker, const RelaisSection *section, const char *key)
{
    return relais_section_get_int (class_section (checker, section, key), key);
}

/* What mail of the class has at least: bounces may have less. */
static gint64
least_lifetime_us (const Checker *checker, const RelaisSection *section)
{
    const gint64 lifetime_us = class_time_us (checker, section, "lifetime");
    const gint64 bounces_us = class_time_us (checker, section, "bounce_lifetime");

    return bounces_us > 0 ? MIN (bounces_us, lifetime_us) : lifetime_us;
}

static void
check_zone (Checker *checker, const RelaisSection *section, const Check *check)
{
    const char *zone = relais_section_get_string (section, check->key);

    if (zone != NULL && !relais_quiet_has_zone (zone))
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: there is no time zone '%s'; expected as in Europe/Paris"),
                                 check->key, zone));
}

/* Mail that could expire before it may go out would be returned without an attempt. A zone that is none is told of
 * where it stands. */
static void
check_quiet (Checker *checker, const RelaisSection *section, const Check *check)
{
    static const char *const keys[] = {"quiet_hours", "quiet_zone",      "quiet_spread",
                                       "lifetime",    "bounce_lifetime", NULL};
    const RelaisSection *hours = class_section (checker, section, check->key);
    const char *zone =
        relais_section_get_string (class_section (checker, section, check->other), check->other);
    const gint64 spread_us = class_time_us (checker, section, "quiet_spread");
    g_autofree char *bad = NULL;
    g_autoptr (RelaisQuiet) quiet = NULL;

    if (!sets_any (section, keys) || (zone != NULL && !relais_quiet_has_zone (zone)))
        return;
    quiet = relais_quiet_parse (relais_section_get_list (hours, check->key), zone, &bad);
    if (bad != NULL)
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: '%s' is no span of a day; expected as in mon-fri "
                                    "22:00-07:00"),
                                 check->key, bad));
    else if (quiet != NULL &&
             relais_quiet_longest_us (quiet) >= least_lifetime_us (checker, section) - spread_us)
        report (checker, section, check->key,
                g_strdup_printf (_ ("%s: mail would reach its lifetime before a quiet span of %u "
                                    "hours ends"),
                                 check->key, relais_quiet_longest_hours (quiet)));
}

/* A notice that its mail does not live to see is never sent. */
static void
check_notices (Checker *checker, const RelaisSection *section, const Check *check)
{
    static const char *const keys[] = {"delay_notice", "lifetime", NULL};
    const gint64 lifetime_us = class_time_us (checker, section, "lifetime");
    gsize n;
    const gint64 *times =
        relais_section_get_durations (class_section (checker, section, check->key), check->key, &n);
    bool is_late = false;

    for (gsize i = 0; i < n; i++)
        is_late = is_late || times[i] >= lifetime_us;
    if (is_late && sets_any (section, keys))
        report_as (
            checker, false, section, check->key,
            g_strdup_printf (_ ("%s: what is not below lifetime is never sent"), check->key));
}

static void
check_suppress_name (Checker *checker, const RelaisSection *section, const Check *check)
{
    static const char *const classes[] = {"hard",        "soft",   "complaint",
                                          "unsubscribe", "manual", NULL};

    if (!g_strv_contains (classes, section->name))
        relais_conf_add_finding (
            checker->findings, true, section->file, section->line,
            g_strdup_printf (_ ("there is no class '%s' of evidence; the classes are hard, soft, "
                                "complaint, unsubscribe and manual"),
                             section->name));
}

static const Check CHECKS[] = {
    {"relais", "hostname", check_host_name, "full"},
    {"relais", "authserv_id", check_host_name, NULL},
    {"relais", "watchdog", check_watchdog, NULL},
    {"listener", "address", check_addresses, NULL},
    {"listener", "trusted_nets", check_nets, NULL},
    {"listener", "proxy_nets", check_nets, NULL},
    {"listener", "xclient_nets", check_nets, NULL},
    {"listener", "tenant", check_reference, "tenant"},
    {"listener", "certificate", check_pair, "key"},
    {"listener", "key", check_pair, "certificate"},
    {"listener", "tls", check_required_tls, "certificate"},
    {"source", "address4", check_source_address, "4"},
    {"source", "address6", check_source_address, "6"},
    {"source", "helo", check_host_name, "helo"},
    {"provider", "tls_names", check_policy, "verify"},
    {"destination", "tls_names", check_policy, "verify"},
    {"route", "host", check_next_hop, NULL},
    {"route", "tls_start", check_tls_start, NULL},
    {"route", "tls_certificate", check_pair, "tls_key"},
    {"route", "tls_key", check_pair, "tls_certificate"},
    {"route", "tls_names", check_policy, "verify"},
    {"domain", "inbound", check_reference, "route"},
    {"domain", "tracking", check_origin, NULL},
    {"http", "address", check_addresses, NULL},
    {"http", "trusted_proxies", check_nets, NULL},
    {"http", "key", check_pair, "certificate"},
    {"http-client", "allow", check_nets, NULL},
    {"tenant", "pool", check_pool, NULL},
    {"class", "retry", check_class_name, NULL},
    {"class", "delay_notice", check_notices, NULL},
    {"class", "quiet_hours", check_quiet, "quiet_zone"},
    {"class", "quiet_zone", check_zone, NULL},
    {"suppress", "enable", check_suppress_name, NULL},
    {"dns", "server", check_servers, NULL},
    {"dns", "allow", check_nets, NULL},
    {"limits", "exempt_nets", check_nets, NULL},
};

static void
check_required (Checker *checker, const RelaisSection *section)
{
    for (guint i = 0; i < section->kind->keys->len; i++) {
        const RelaisKey *key = g_ptr_array_index (section->kind->keys, i);
        const RelaisSlot *slot = section->slots[i];

        bool has_value = slot != NULL ? !relais_value_is_unset (&key->option, &slot->value)
                                      : key->option.default_value != NULL;

        if ((key->option.flags & RELAIS_OPTION_REQUIRED) != 0 && !has_value &&
            (slot == NULL || !slot->is_bad))
            report (checker, section, key->name,
                    g_strdup_printf (_ ("key '%s' is missing"), key->name));
    }
}

void
relais_config_check (const RelaisConfig *config, GPtrArray *findings)
{
    Checker checker = {config, findings};

    for (guint i = 0; i < config->sections->len; i++)
        check_required (&checker, g_ptr_array_index (config->sections, i));
    for (gsize i = 0; i < G_N_ELEMENTS (CHECKS); i++) {
        guint n = relais_config_n_sections (config, CHECKS[i].kind);

        for (guint j = 0; j < n; j++)
            CHECKS[i].func (&checker, relais_config_nth_section (config, CHECKS[i].kind, j),
                            &CHECKS[i]);
    }
}
