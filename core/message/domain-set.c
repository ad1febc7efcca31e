/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A set of domains: names in a table, patterns one by one. Owns both; any thread, one at a time.
 */
#include "config.h"

#include "message/domain-set-private.h"

#include "message/address-private.h"

struct RelaisDomainSet {
    GHashTable *names;   /* of char * */
    GPtrArray *patterns; /* "*.example.org", "*" */
};

RelaisDomainSet *
relais_domain_set_new (void)
{
    RelaisDomainSet *set = g_new0 (RelaisDomainSet, 1);

    set->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    set->patterns = g_ptr_array_new_with_free_func (g_free);
    return set;
}

void
relais_domain_set_free (RelaisDomainSet *set)
{
    if (set == NULL)
        return;
    g_hash_table_unref (set->names);
    g_ptr_array_unref (set->patterns);
    g_free (set);
}

bool
relais_domain_set_add (RelaisDomainSet *set, const char *text)
{
    char *pattern = relais_domain_normalise_pattern (text);

    if (pattern == NULL)
        return false;
    if (pattern[0] == '*')
        g_ptr_array_add (set->patterns, pattern);
    else
        g_hash_table_add (set->names, pattern);
    return true;
}

bool
relais_domain_set_has (const RelaisDomainSet *set, const char *domain)
{
    if (g_hash_table_contains (set->names, domain))
        return true;
    for (guint i = 0; i < set->patterns->len; i++)
        if (relais_domain_matches (g_ptr_array_index (set->patterns, i), domain))
            return true;
    return false;
}
