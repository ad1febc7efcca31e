/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One rule: how its section is read, and what it says of a reply. Nothing but what is about a mailbox or a domain, for
 * good, may become evidence against an address: a rule that wants more is refused. Pure, any thread.
 */
#include "rule.h"

#include "codes.h"
#include "reasons.h"
#include "recorded.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#define EARLY ((1u << REPLIES_PHASE_RCPT) - 1)

static bool
refuse (const RelaisSection *section, const char *key, GError **error, char *text)
{
    return replies_refuse (section, BOUNCE_RULE_KIND, key, error, text);
}

static char *
nearest_reason (const char *name)
{
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    const char *reason, *meaning;

    for (guint i = 0; (reason = bounce_reason_nth (i, &meaning)) != NULL; i++)
        g_ptr_array_add (names, (gpointer)reason);
    return g_strdup (replies_nearest (name, names));
}

static bool
read_reason (BounceRule *rule, const RelaisSection *section, GError **error)
{
    const char *name = relais_section_get_string (section, "reason");
    g_autofree char *nearest = NULL;

    rule->reason = bounce_reason_find (name);
    if (rule->reason != NULL)
        return true;
    nearest = nearest_reason (name);
    if (nearest != NULL)
        return refuse (
            section, "reason", error,
            g_strdup_printf (_ ("'%s' is no reason; did you mean '%s'?"), name, nearest));
    return refuse (section, "reason", error,
                   g_strdup_printf (_ ("'%s' is no reason; expected one of the list in "
                                       "bounce.conf"),
                                    name));
}

static bool
is_about_recipient (const BounceRule *rule)
{
    return rule->scope == RELAIS_BOUNCE_RECIPIENT || rule->scope == RELAIS_BOUNCE_DOMAIN;
}

static bool
check_suppress (const BounceRule *rule, const RelaisSection *section, GError **error)
{
    if (rule->suppress == RELAIS_SUPPRESS_NONE)
        return true;
    if (!is_about_recipient (rule))
        return refuse (section, "suppress", error,
                       g_strdup_printf (_ ("what is about %s says nothing against an address; "
                                           "expected none, or scope recipient or domain"),
                                        relais_bounce_scope_to_string (rule->scope)));
    if (rule->suppress == RELAIS_SUPPRESS_HARD && rule->permanence == RELAIS_PERMANENCE_TEMPORARY)
        return refuse (section, "suppress", error,
                       g_strdup (_ ("what will pass is no proof; expected soft or none")));
    return true;
}

/* It stands in events. */
static bool
is_name (const char *name)
{
    const gsize size = strlen (name);

    return size > 0 && size <= BOUNCE_RULE_NAME_BYTES &&
           strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == size;
}

static bool
check_whole (const BounceRule *rule, const RelaisSection *section, GError **error)
{
    if (!is_name (rule->selector.name))
        return refuse (section, "scope", error,
                       g_strdup_printf (_ ("the rule's name is not one of at most %d of a-z, 0-9, "
                                           "dot and hyphen"),
                                        BOUNCE_RULE_NAME_BYTES));
    if (replies_selector_is_open (&rule->selector))
        return refuse (section, "scope", error,
                       g_strdup (_ ("it would take every reply; expected a phase, a code, an "
                                    "enhanced code or a text")));
    if (rule->selector.leaves_early && rule->selector.phases != 0 &&
        (rule->selector.phases & ~EARLY) == 0)
        return refuse (section, "phase", error,
                       g_strdup (_ ("no recipient is named yet; expected rcpt or later, or "
                                    "another scope")));
    if ((rule->action == BOUNCE_ACTION_DEFER && rule->permanence == RELAIS_PERMANENCE_PERMANENT) ||
        (rule->action == BOUNCE_ACTION_BOUNCE && rule->permanence == RELAIS_PERMANENCE_TEMPORARY))
        return refuse (section, "action", error,
                       g_strdup (_ ("it contradicts permanence; expected defer for what is "
                                    "temporary, bounce for what is permanent")));
    return check_suppress (rule, section, error);
}

static void
read_enums (BounceRule *rule, const RelaisSection *section)
{
    static const RelaisSuppressClass classes[] = {RELAIS_SUPPRESS_NONE, RELAIS_SUPPRESS_NONE,
                                                  RELAIS_SUPPRESS_HARD, RELAIS_SUPPRESS_SOFT};
    const guint32 suppress = relais_section_get_enum (section, "suppress");

    rule->scope = relais_section_get_enum (section, "scope");
    rule->permanence = relais_section_get_enum (section, "permanence");
    rule->suppress_is_default = suppress == 0;
    rule->suppress = classes[suppress];
    rule->action = (BounceAction)relais_section_get_enum (section, "action");
}

gpointer
bounce_rule_new (const RelaisSection *section, pcre2_compile_context *context, GError **error)
{
    BounceRule *rule = g_new0 (BounceRule, 1);

    read_enums (rule, section);
    if (replies_selector_init (&rule->selector, section, BOUNCE_RULE_KIND, context, error)) {
        rule->selector.is_off = !relais_section_get_bool (section, "enable");
        rule->selector.leaves_early =
            is_about_recipient (rule) || rule->scope == RELAIS_BOUNCE_QUOTA;
        if (read_reason (rule, section, error) && check_whole (rule, section, error))
            return rule;
    }
    bounce_rule_free (rule);
    return NULL;
}

void
bounce_rule_free (gpointer data)
{
    BounceRule *rule = data;

    replies_selector_clear (&rule->selector);
    g_free (rule);
}

static RelaisSuppressClass
suppress_of (const BounceRule *rule, RelaisBouncePermanence permanence)
{
    const bool certain = permanence == RELAIS_PERMANENCE_PERMANENT && is_about_recipient (rule);

    if (rule->suppress_is_default)
        return certain ? RELAIS_SUPPRESS_HARD : RELAIS_SUPPRESS_NONE;
    if (rule->suppress == RELAIS_SUPPRESS_HARD && !certain)
        return RELAIS_SUPPRESS_NONE;
    return rule->suppress;
}

void
bounce_rule_judge (const BounceRule *rule, const RepliesView *view, BounceVerdict *verdict)
{
    const RelaisBouncePermanence permanence = rule->permanence != RELAIS_PERMANENCE_UNKNOWN
                                                  ? rule->permanence
                                                  : bounce_codes_permanence (view);

    *verdict = (BounceVerdict){.scope = rule->scope,
                               .permanence = permanence,
                               .suppress = suppress_of (rule, permanence),
                               .action = rule->action,
                               .reason = rule->reason,
                               .rule = rule->selector.name};
}
