/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What to publish, so that our mail passes: a record to begin with, or the one that is there with what it lacks. Pure;
 * any thread.
 */
#include "spf-check.h"

#include <string.h>

static void
append_word (GString *to, const char *kind, const char *value)
{
    g_string_append_printf (to, " %s:%s", kind, value);
}

/* What lets the sources send by their addresses, a space before each; "" if receivers see none of them. Two sources may
 * have one address. */
static GString *
words_of_addresses (const GPtrArray *sources)
{
    g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
    GString *words = g_string_new (NULL);

    for (guint i = 0; i < sources->len; i++) {
        const SpfSource *source = g_ptr_array_index (sources, i);

        if (!spf_source_is_hidden (source) && g_hash_table_add (seen, source->address))
            append_word (words, source->ip.six ? "ip6" : "ip4", source->address);
    }
    return words;
}

/* The same by EHLO names, which lead to the addresses that receivers see. */
static GString *
words_of_names (const GPtrArray *sources)
{
    g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
    GString *words = g_string_new (NULL);

    for (guint i = 0; i < sources->len; i++) {
        const SpfSource *source = g_ptr_array_index (sources, i);

        if (spf_name_is_domain (source->helo) && g_hash_table_add (seen, source->helo))
            append_word (words, "a", source->helo);
    }
    return words;
}

static char *
begin_record (GString *words)
{
    g_string_prepend (words, "v=spf1");
    g_string_append (words, " ~all");
    return g_string_free (words, FALSE);
}

/* Whether what stands behind this term might not be reached: all, redirect=, or any that does not let pass. */
static bool
is_barrier (const char *term)
{
    return strchr ("-~?", term[0]) != NULL || g_ascii_strcasecmp (term, "all") == 0 ||
           g_ascii_strcasecmp (term, "+all") == 0 ||
           g_ascii_strncasecmp (term, "redirect=", strlen ("redirect=")) == 0;
}

static char *
extend_record (const char *record, const char *words)
{
    g_auto (GStrv) terms = g_strsplit (record, " ", -1);
    GString *text = g_string_new (terms[0]);
    bool added = false;

    for (guint i = 1; terms[i] != NULL; i++) {
        if (terms[i][0] == '\0')
            continue;
        if (!added && is_barrier (terms[i])) {
            g_string_append (text, words);
            added = true;
        }
        g_string_append_printf (text, " %s", terms[i]);
    }
    if (!added)
        g_string_append (text, words);
    return g_string_free (text, FALSE);
}

char *
spf_propose_record (const char *record, const GPtrArray *sources)
{
    g_autoptr (GString) words = words_of_addresses (sources);

    if (record == NULL && words->len == 0) {
        g_string_free (words, TRUE);
        words = words_of_names (sources);
    }
    if (words->len == 0)
        return NULL;
    return record != NULL ? extend_record (record, words->str)
                          : begin_record (g_steal_pointer (&words));
}
