/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All rules of one kind: which are asked about a provider's reply, and in which order. Pure, any thread.
 */
#include "replies.h"

#include <glib/gi18n-lib.h>

struct RepliesSet {
    GPtrArray *all;     /* in file order */
    GPtrArray *general; /* borrowed of it: those for all providers */
    GPtrArray *telling; /* the same: those of providers that are known by what they look at */
    GHashTable *of;     /* provider -> GPtrArray of those that name it */
    pcre2_match_context *limits;
    gint *n_limited; /* atomic; behind a pointer as what counts is no part of what was configured */
};

/* --- Made ----------------------------------------------------------------------------------------- */

/* Whether it is plain from what the rule looks at whose replies it is about: words, or details that a provider has
 * made up for itself. */
static bool
is_telling (const RepliesSelector *selector)
{
    for (guint i = 0; i < selector->enhanced->len; i++) {
        const RepliesEnhanced *enhanced = &g_array_index (selector->enhanced, RepliesEnhanced, i);

        if (enhanced->detail < REPLIES_OWN_DETAILS && selector->text == NULL)
            return false;
    }
    return selector->text != NULL || selector->enhanced->len > 0;
}

static void
index_rule (RepliesSet *set, RepliesSelector *rule)
{
    if (rule->providers[0] == NULL)
        g_ptr_array_add (set->general, rule);
    else if (is_telling (rule))
        g_ptr_array_add (set->telling, rule);
    for (char **name = rule->providers; *name != NULL; name++) {
        GPtrArray *own = g_hash_table_lookup (set->of, *name);

        if (own == NULL) {
            own = g_ptr_array_new ();
            g_hash_table_insert (set->of, g_strdup (*name), own);
        }
        if (own->len == 0 || g_ptr_array_index (own, own->len - 1) != rule)
            g_ptr_array_add (own, rule);
    }
}

static void
read_rules (RepliesSet *set, RelaisConfig *config, const char *kind, RepliesRuleFunc make,
            pcre2_compile_context *context, GPtrArray *problems)
{
    guint n = relais_config_n_sections (config, kind);

    if (n > REPLIES_RULES)
        g_ptr_array_add (
            problems, g_strdup_printf (_ ("there are %u sections [%s NAME]; expected at most %d"),
                                       n, kind, REPLIES_RULES));
    for (guint i = 0; i < MIN (n, REPLIES_RULES); i++) {
        g_autoptr (GError) error = NULL;
        RepliesSelector *rule = make (relais_config_nth_section (config, kind, i), context, &error);

        if (rule == NULL) {
            g_ptr_array_add (problems, g_strdup (error->message));
            continue;
        }
        g_ptr_array_add (set->all, rule);
        if (!rule->is_off)
            index_rule (set, rule);
    }
}

RepliesSet *
replies_set_new (RelaisConfig *config, const char *kind, RepliesRuleFunc make,
                 GDestroyNotify free_rule, GPtrArray *problems)
{
    RepliesSet *set = g_new (RepliesSet, 1);
    pcre2_compile_context *context = replies_compile_context_new ();

    *set = (RepliesSet){.all = g_ptr_array_new_with_free_func (free_rule),
                        .general = g_ptr_array_new (),
                        .telling = g_ptr_array_new (),
                        .of = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                                     (GDestroyNotify)g_ptr_array_unref),
                        .limits = replies_match_context_new (),
                        .n_limited = g_new0 (gint, 1)};
    read_rules (set, config, kind, make, context, problems);
    pcre2_compile_context_free (context);
    return set;
}

void
replies_set_free (RepliesSet *set)
{
    if (set == NULL)
        return;
    g_hash_table_unref (set->of);
    g_ptr_array_unref (set->telling);
    g_ptr_array_unref (set->general);
    g_ptr_array_unref (set->all);
    pcre2_match_context_free (set->limits);
    g_free (set->n_limited);
    g_free (set);
}

/* --- Asked ---------------------------------------------------------------------------------------- */

static gconstpointer
find_among (RepliesSearch *search, const GPtrArray *among)
{
    for (guint i = 0; among != NULL && i < among->len && !replies_search_is_over (search); i++) {
        const RepliesSelector *rule = g_ptr_array_index (among, i);

        if (replies_search_takes (search, rule))
            return rule;
    }
    return NULL;
}

gconstpointer
replies_set_find (const RepliesSet *set, RepliesOwn own, const char *provider,
                  const RepliesView *view)
{
    RepliesSearch search = {.view = view, .limits = set->limits};
    gconstpointer rule = NULL;

    if (provider != NULL)
        rule = find_among (&search, g_hash_table_lookup (set->of, provider));
    else if (own == REPLIES_OWN_TELLING)
        rule = find_among (&search, set->telling);
    if (rule == NULL)
        rule = find_among (&search, set->general);
    if (search.n_failures > 0)
        g_atomic_int_add (set->n_limited, (gint)search.n_failures);
    replies_search_clear (&search);
    return rule;
}

/* --- Shown ---------------------------------------------------------------------------------------- */

guint
replies_set_n_limited (const RepliesSet *set)
{
    return (guint)g_atomic_int_get (set->n_limited);
}

bool
replies_set_has_provider (const RepliesSet *set, const char *provider)
{
    return g_hash_table_contains (set->of, provider);
}

guint
replies_set_n (const RepliesSet *set)
{
    return set->all->len;
}

gconstpointer
replies_set_nth (const RepliesSet *set, guint n)
{
    return g_ptr_array_index (set->all, n);
}
