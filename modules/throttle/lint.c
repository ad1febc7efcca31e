/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What of a configuration can never apply: providers that no MX host is of, lists that name nothing, rules. Pure;
 * runs in relaisctl.
 */
#include "offline.h"
#include "rule.h"

#include <glib/gi18n-lib.h>
#include <string.h>

typedef struct {
    RelaisConfig *config;
    GPtrArray *findings;
} Lint;

/* Takes `what`. */
static void
report (Lint *lint, const char *place, char *what, const char *mend)
{
    replies_findings_add (lint->findings, place, what, mend);
}

/* --- Providers ---------------------------------------------------------------------------------- */

/* Whether hosts that end in `inner` end in `outer` too. */
static bool
is_below (const char *inner, const char *outer)
{
    gsize inner_size, outer_size;

    inner += inner[0] == '.';
    outer += outer[0] == '.';
    inner_size = strlen (inner);
    outer_size = strlen (outer);
    if (outer_size == 0 || inner_size < outer_size ||
        g_ascii_strcasecmp (inner + inner_size - outer_size, outer) != 0)
        return false;
    return inner_size == outer_size || inner[inner_size - outer_size - 1] == '.';
}

/* An earlier provider that takes every host of that suffix. */
static const RelaisSection *
find_shadow (const Lint *lint, guint n, const char *suffix)
{
    for (guint i = 0; i < n; i++) {
        const RelaisSection *earlier = relais_config_nth_section (lint->config, "provider", i);
        const char *const *others = relais_section_get_list (earlier, "mx");

        for (; *others != NULL; others++)
            if (is_below (suffix, *others))
                return earlier;
    }
    return NULL;
}

static bool
is_host_suffix (const char *suffix)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    return suffix[0] != '\0' && suffix[strspn (suffix, chars)] == '\0';
}

static void
check_suffix (Lint *lint, guint n, const RelaisSection *section, const char *suffix)
{
    const char *place = relais_section_get_origin (section, "mx");
    const char *name = relais_section_get_name (section);
    const RelaisSection *shadow;

    if (g_str_has_suffix (suffix, ".")) {
        report (lint, place,
                g_strdup_printf (_ ("[provider %s] mx: '%s' ends with a dot and no MX name does"),
                                 name, suffix),
                _ ("take the dot away"));
        return;
    }
    if (!is_host_suffix (suffix)) {
        report (
            lint, place,
            g_strdup_printf (_ ("[provider %s] mx: '%s' is no end of a host name"), name, suffix),
            _ ("write the name alone: whatever stands before it fits"));
        return;
    }
    shadow = find_shadow (lint, n, suffix);
    if (shadow != NULL)
        report (lint, place,
                g_strdup_printf (_ ("[provider %s] mx: all hosts of '%s' are [provider %s] already "
                                    "(%s)"),
                                 name, suffix, relais_section_get_name (shadow),
                                 relais_section_get_origin (shadow, "mx")),
                _ ("put this provider before that one, or take the name away"));
}

static void
check_provider (Lint *lint, guint n)
{
    const RelaisSection *section = relais_config_nth_section (lint->config, "provider", n);
    const char *const *suffixes = relais_section_get_list (section, "mx");
    g_autofree char *title = g_strdup_printf ("[provider %s]", relais_section_get_name (section));

    if (suffixes[0] == NULL)
        report (lint, title, g_strdup_printf (_ ("%s has no mx: no host is of it"), title),
                _ ("write mx = and what its MX names end in, or correct the name"));
    for (; *suffixes != NULL; suffixes++)
        check_suffix (lint, n, section, *suffixes);
}

/* --- Names --------------------------------------------------------------------------------------- */

/* Sections of the module that are for some sources or providers alone. */
static void
check_lists (Lint *lint)
{
    static const struct {
        const char *section, *key;
    } lists[] = {{"throttle-lane", "source"},
                 {"throttle-lane", "provider"},
                 {"throttle-warmup", "provider"}};

    for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
        for (guint k = 0; k < relais_config_n_sections (lint->config, lists[i].section); k++) {
            const RelaisSection *section =
                relais_config_nth_section (lint->config, lists[i].section, k);
            g_autofree char *title =
                g_strdup_printf ("%s %s", lists[i].section, relais_section_get_name (section));

            replies_dead_names (
                lint->findings, lint->config, relais_section_get_origin (section, lists[i].key),
                title, lists[i].key, lists[i].key, relais_section_get_list (section, lists[i].key));
        }
}

/* --- The whole ----------------------------------------------------------------------------------- */

static void
check_rules (Lint *lint)
{
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (ThrottleRules) rules = throttle_rules_new_collecting (lint->config, problems);

    for (guint i = 0; i < problems->len; i++)
        replies_dead_problem (lint->findings, g_ptr_array_index (problems, i));
    replies_dead_rules (lint->findings, lint->config, "throttle-rule", throttle_rules_set (rules));
}

GPtrArray *
throttle_lint (RelaisConfig *config)
{
    Lint lint = {.config = config, .findings = replies_findings_new ()};
    guint n = relais_config_n_sections (config, "provider");

    for (guint i = 0; i < n; i++)
        check_provider (&lint, i);
    check_lists (&lint);
    check_rules (&lint);
    return lint.findings;
}
