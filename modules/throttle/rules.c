/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All rules of a configuration: which are asked about a provider's reply, in which order, and how much work a
 * pattern may make of what a peer says. Pure, any thread.
 *
 * Patterns are not compiled to machine code: the shipped rules cost 18 us a failed reply as they are and 3 us with
 * it, which is little beside the reply's way, and it would need memory that is written and then run.
 */
#include "rule.h"

#include <glib/gi18n-lib.h>
#include <string.h>

struct ThrottleRules {
    GPtrArray *all;     /* ThrottleRule, in file order */
    GPtrArray *general; /* borrowed of it: those for all providers */
    GHashTable *of;     /* provider -> GPtrArray of those that name it */
    pcre2_match_context *limits;
    gint *n_limited; /* atomic; behind a pointer as what counts is no part of what was configured */
};

/* --- Made ----------------------------------------------------------------------------------------- */

static void
index_rule (ThrottleRules *rules, ThrottleRule *rule)
{
    if (rule->providers[0] == NULL)
        g_ptr_array_add (rules->general, rule);
    for (char **name = rule->providers; *name != NULL; name++) {
        GPtrArray *own = g_hash_table_lookup (rules->of, *name);

        if (own == NULL) {
            own = g_ptr_array_new ();
            g_hash_table_insert (rules->of, g_strdup (*name), own);
        }
        if (own->len == 0 || g_ptr_array_index (own, own->len - 1) != rule)
            g_ptr_array_add (own, rule);
    }
}

static void
read_rules (ThrottleRules *rules, RelaisConfig *config, pcre2_compile_context *context,
            GPtrArray *problems)
{
    guint n = relais_config_n_sections (config, "throttle-rule");

    if (n > THROTTLE_RULES)
        g_ptr_array_add (
            problems,
            g_strdup_printf (_ ("there are %u sections [throttle-rule NAME]; expected at most %d"),
                             n, THROTTLE_RULES));
    for (guint i = 0; i < MIN (n, THROTTLE_RULES); i++) {
        const RelaisSection *section = relais_config_nth_section (config, "throttle-rule", i);
        g_autoptr (GError) error = NULL;
        ThrottleRule *rule = throttle_rule_new (section, context, &error);

        if (rule == NULL) {
            g_ptr_array_add (problems, g_strdup (error->message));
            continue;
        }
        g_ptr_array_add (rules->all, rule);
        index_rule (rules, rule);
    }
}

static pcre2_match_context *
match_limits (void)
{
    pcre2_match_context *limits = pcre2_match_context_create (NULL);

    g_assert (limits != NULL);
    pcre2_set_match_limit (limits, THROTTLE_MATCH_STEPS);
    pcre2_set_depth_limit (limits, THROTTLE_MATCH_DEPTH);
    pcre2_set_heap_limit (limits, THROTTLE_MATCH_KIB);
    return limits;
}

ThrottleRules *
throttle_rules_new_collecting (RelaisConfig *config, GPtrArray *problems)
{
    ThrottleRules *rules = g_new0 (ThrottleRules, 1);
    pcre2_compile_context *context = pcre2_compile_context_create (NULL);

    g_assert (context != NULL);
    pcre2_set_parens_nest_limit (context, THROTTLE_PATTERN_DEPTH);
    rules->all = g_ptr_array_new_with_free_func (throttle_rule_free);
    rules->general = g_ptr_array_new ();
    rules->of =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    rules->limits = match_limits ();
    rules->n_limited = g_new0 (gint, 1);
    read_rules (rules, config, context, problems);
    pcre2_compile_context_free (context);
    return rules;
}

ThrottleRules *
throttle_rules_new (RelaisConfig *config, GError **error)
{
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (ThrottleRules) rules = throttle_rules_new_collecting (config, problems);

    if (problems->len == 0)
        return g_steal_pointer (&rules);
    g_set_error_literal (error, throttle_rules_error_quark (), 0, g_ptr_array_index (problems, 0));
    return NULL;
}

void
throttle_rules_free (ThrottleRules *rules)
{
    if (rules == NULL)
        return;
    g_hash_table_unref (rules->of);
    g_ptr_array_unref (rules->general);
    g_ptr_array_unref (rules->all);
    pcre2_match_context_free (rules->limits);
    g_free (rules->n_limited);
    g_free (rules);
}

/* --- Asked ---------------------------------------------------------------------------------------- */

typedef struct {
    const ThrottleRules *rules;
    const ThrottleView *view;
    pcre2_match_data *found; /* made for the first pattern */
    guint n_failures;
} Search;

static bool
pattern_matches (Search *search, const ThrottleRule *rule)
{
    int result;

    if (search->found == NULL)
        search->found = pcre2_match_data_create (1, NULL);
    if (search->found == NULL)
        return false;
    result = pcre2_match (rule->pattern, (PCRE2_SPTR)search->view->text, search->view->size, 0, 0,
                          search->found, search->rules->limits);
    if (result < 0 && result != PCRE2_ERROR_NOMATCH) {
        g_atomic_int_inc (search->rules->n_limited);
        search->n_failures++;
    }
    return result >= 0;
}

static const ThrottleRule *
find_among (Search *search, const GPtrArray *among)
{
    for (guint i = 0;
         among != NULL && i < among->len && search->n_failures < THROTTLE_MATCH_FAILURES; i++) {
        const ThrottleRule *rule = g_ptr_array_index (among, i);

        if (throttle_rule_fits (rule, search->view) &&
            (rule->pattern == NULL || pattern_matches (search, rule)))
            return rule;
    }
    return NULL;
}

const ThrottleRule *
throttle_rules_find (const ThrottleRules *rules, const char *provider, const ThrottleReply *reply)
{
    ThrottleView view;
    Search search = {.rules = rules, .view = &view};
    const ThrottleRule *rule = NULL;

    if (!throttle_view_of (reply, &view))
        return NULL;
    if (provider != NULL)
        rule = find_among (&search, g_hash_table_lookup (rules->of, provider));
    if (rule == NULL)
        rule = find_among (&search, rules->general);
    pcre2_match_data_free (search.found);
    return rule;
}

bool
throttle_rules_match (const ThrottleRules *rules, const char *provider, const ThrottleReply *reply,
                      ThrottleAction *action)
{
    const ThrottleRule *rule = throttle_rules_find (rules, provider, reply);

    if (rule == NULL)
        return false;
    *action = (ThrottleAction){.kind = rule->kind,
                               .duration_us = rule->duration_us,
                               .hits = rule->hits,
                               .within_us = rule->within_us,
                               .rule = rule->name,
                               .origin = rule->origin};
    return rule->kind != THROTTLE_ACTION_NONE;
}

/* --- Shown ---------------------------------------------------------------------------------------- */

guint
throttle_rules_n_limited (const ThrottleRules *rules)
{
    return (guint)g_atomic_int_get (rules->n_limited);
}

guint
throttle_rules_n (const ThrottleRules *rules)
{
    return rules->all->len;
}

const ThrottleRule *
throttle_rules_nth (const ThrottleRules *rules, guint n)
{
    return g_ptr_array_index (rules->all, n);
}
