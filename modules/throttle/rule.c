/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One rule: how its section is read. Pure, any thread.
 */
#include "rule.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define KIND "throttle-rule"

static const char *const ACTIONS[] = {"none",        "slow",        "pause",
                                      "connections", "stop-tenant", "stop-campaign"};

const char *
throttle_action_to_string (ThrottleActionKind kind)
{
    return ACTIONS[kind];
}

bool
throttle_rule_is_about_lane (const ThrottleRule *rule)
{
    return rule->kind == THROTTLE_ACTION_SLOW || rule->kind == THROTTLE_ACTION_PAUSE ||
           rule->kind == THROTTLE_ACTION_CONNECTIONS;
}

/* --- N/TIME ------------------------------------------------------------------------------------- */

static bool
parse_time (const char *text, gint64 *time_us)
{
    static const struct {
        const char *unit;
        gint64 seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 24 * 3600}};
    guint number;
    const char *unit = replies_take_number (text, 6, &number);

    for (guint i = 0; unit != NULL && i < G_N_ELEMENTS (units); i++)
        if (strcmp (unit, units[i].unit) == 0) {
            *time_us = (gint64)number * units[i].seconds * G_USEC_PER_SEC;
            return number > 0 && *time_us <= (gint64)THROTTLE_WITHIN_S * G_USEC_PER_SEC;
        }
    return false;
}

static bool
read_hits (ThrottleRule *rule, const RelaisSection *section, GError **error)
{
    const char *text = relais_section_get_string (section, "hits"), *rest;
    guint number;

    rule->hits = 1;
    if (text == NULL || text[0] == '\0')
        return true;
    rest = replies_take_number (text, 7, &number);
    if (rest == NULL || *rest != '/' || number == 0 || number > THROTTLE_HITS ||
        !parse_time (rest + 1, &rule->within_us))
        return replies_refuse (
            section, KIND, "hits", error,
            g_strdup_printf (_ ("'%s' is not N/TIME, as 5/10m; expected from 1 to %d "
                                "replies within at most 7d"),
                             text, THROTTLE_HITS));
    rule->hits = number;
    if (number == 1)
        rule->within_us = 0;
    return true;
}

/* --- The whole ---------------------------------------------------------------------------------- */

static bool
needs_duration (const ThrottleRule *rule)
{
    return rule->kind == THROTTLE_ACTION_PAUSE || rule->kind == THROTTLE_ACTION_STOP_TENANT ||
           rule->kind == THROTTLE_ACTION_STOP_CAMPAIGN;
}

/* One mailbox's trouble closes no lane. */
static bool
check_lane (const ThrottleRule *rule, const RelaisSection *section, GError **error)
{
    if (!throttle_rule_is_about_lane (rule) || rule->selector.text != NULL)
        return true;
    if (rule->selector.phases == 1u << REPLIES_PHASE_RCPT)
        return replies_refuse (
            section, KIND, "phase", error,
            g_strdup (_ ("a reply to RCPT is about one mailbox and changes no lane; "
                         "expected a text that says otherwise, or other phases")));
    for (guint i = 0; i < rule->selector.enhanced->len; i++)
        if (replies_is_mailbox (
                g_array_index (rule->selector.enhanced, RepliesEnhanced, i).subject))
            return replies_refuse (
                section, KIND, "enhanced", error,
                g_strdup (_ ("x.1.x and x.2.x are about one mailbox and change no lane; "
                             "expected a text that says otherwise, or other codes")));
    return true;
}

static bool
check_whole (const ThrottleRule *rule, const RelaisSection *section, GError **error)
{
    if (!relais_section_is_set (section, "action"))
        return replies_refuse (
            section, KIND, "action", error,
            g_strdup_printf (_ ("there is none; expected one of %s"), THROTTLE_ACTION_CHOICES));
    if (needs_duration (rule) && rule->duration_us == 0)
        return replies_refuse (section, KIND, "action", error,
                               g_strdup_printf (_ ("%s needs a time; expected for = TIME"),
                                                throttle_action_to_string (rule->kind)));
    if (replies_selector_is_open (&rule->selector))
        return replies_refuse (
            section, KIND, "action", error,
            g_strdup (_ ("it would take every reply; expected a phase, a code, an "
                         "enhanced code or a text")));
    return check_lane (rule, section, error);
}

/* --- A rule ----------------------------------------------------------------------------------------- */

char *
throttle_duration_to_string (gint64 duration_us)
{
    static const struct {
        const char *unit;
        gint64 ms;
    } units[] = {
        {"d", 24 * 3600 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};
    const gint64 ms = duration_us / 1000;
    guint i = 0;

    while (i + 1 < G_N_ELEMENTS (units) && ms % units[i].ms != 0)
        i++;
    return g_strdup_printf ("%" G_GINT64_FORMAT "%s", ms / units[i].ms, units[i].unit);
}

gpointer
throttle_rule_new (const RelaisSection *section, pcre2_compile_context *context, GError **error)
{
    ThrottleRule *rule = g_new0 (ThrottleRule, 1);

    rule->kind = (ThrottleActionKind)relais_section_get_enum (section, "action");
    rule->duration_us = relais_section_get_int (section, "for");
    if (replies_selector_init (&rule->selector, section, KIND, context, error) &&
        read_hits (rule, section, error) && check_whole (rule, section, error)) {
        rule->selector.leaves_mailboxes =
            rule->selector.text == NULL && throttle_rule_is_about_lane (rule);
        return rule;
    }
    throttle_rule_free (rule);
    return NULL;
}

void
throttle_rule_free (gpointer data)
{
    ThrottleRule *rule = data;

    replies_selector_clear (&rule->selector);
    g_free (rule);
}
