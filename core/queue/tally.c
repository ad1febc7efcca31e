/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The counting, and the text that it is kept as:
 *
 *   D DAY ATTEMPTS NEXT DOMAIN            a domain's day
 *   P TYPE SUCCESSES FAILURES POLICY MX   a policy of the last D; lists with "|"
 *   F N RESULT SOURCE HOST ADDRESS REASON a failure of the last P
 *
 * with tabs between. Loop thread.
 */
#include "config.h"

#include "queue/tally-private.h"

#include <string.h>

struct RelaisTally {
    GHashTable *days; /* "DAY DOMAIN" -> RelaisTallyDay */
};

const char *
relais_tally_type_to_string (RelaisTallyType type)
{
    switch (type) {
    case RELAIS_TALLY_NO_POLICY: return "no-policy-found";
    case RELAIS_TALLY_TLSA: return "tlsa";
    case RELAIS_TALLY_STS: return "sts";
    }
    g_assert_not_reached ();
}

/* --- Life --------------------------------------------------------------------------------------- */

static void
failure_free (gpointer data)
{
    RelaisTallyFailure *failure = data;

    g_free (failure->result);
    g_free (failure->source);
    g_free (failure->host);
    g_free (failure->address);
    g_free (failure->reason);
    g_free (failure);
}

static void
policy_free (gpointer data)
{
    RelaisTallyPolicy *policy = data;

    g_strfreev (policy->policy);
    g_strfreev (policy->mx);
    g_ptr_array_unref (policy->details);
    g_free (policy);
}

static void
day_free (gpointer data)
{
    RelaisTallyDay *day = data;

    g_ptr_array_unref (day->policies);
    g_free (day->domain);
    g_free (day);
}

RelaisTally *
relais_tally_new (void)
{
    RelaisTally *tally = g_new0 (RelaisTally, 1);

    tally->days = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, day_free);
    return tally;
}

void
relais_tally_free (RelaisTally *tally)
{
    if (tally == NULL)
        return;
    g_hash_table_unref (tally->days);
    g_free (tally);
}

static char *
key_of (gint64 day, const char *domain)
{
    return g_strdup_printf ("%" G_GINT64_FORMAT " %s", day, domain);
}

GList *
relais_tally_days (const RelaisTally *tally)
{
    return g_hash_table_get_values (tally->days);
}

void
relais_tally_drop (RelaisTally *tally, RelaisTallyDay *day)
{
    g_autofree char *key = key_of (day->day, day->domain);

    g_hash_table_remove (tally->days, key);
}

/* --- Counting ----------------------------------------------------------------------------------- */

/* What is kept of a text: bounded, valid, on one line, and without what separates. */
static char *
keep_text (const char *text)
{
    char *valid = g_utf8_make_valid (text != NULL ? text : "", -1);

    if (strlen (valid) > RELAIS_TALLY_TEXT_BYTES)
        *g_utf8_find_prev_char (valid, valid + RELAIS_TALLY_TEXT_BYTES + 1) = '\0';
    for (char *c = valid; *c != '\0'; c++)
        if (g_ascii_iscntrl (*c) || *c == '|')
            *c = ' ';
    return valid;
}

static char **
keep_list (const char *const *list)
{
    GPtrArray *kept = g_ptr_array_new ();

    for (; list != NULL && *list != NULL; list++)
        g_ptr_array_add (kept, keep_text (*list));
    g_ptr_array_add (kept, NULL);
    return (char **)g_ptr_array_free (kept, FALSE);
}

static RelaisTallyDay *
get_day (RelaisTally *tally, gint64 number, const char *domain)
{
    char *key = key_of (number, domain);
    RelaisTallyDay *day = g_hash_table_lookup (tally->days, key);

    if (day != NULL || g_hash_table_size (tally->days) >= RELAIS_TALLY_DOMAINS) {
        g_free (key);
        return day;
    }
    day = g_new0 (RelaisTallyDay, 1);
    day->day = number;
    day->domain = g_strdup (domain);
    day->policies = g_ptr_array_new_with_free_func (policy_free);
    g_hash_table_insert (tally->days, key, day);
    return day;
}

/* Takes the lists. */
static RelaisTallyPolicy *
get_policy (RelaisTallyDay *day, RelaisTallyType type, char **policy, char **mx)
{
    RelaisTallyPolicy *found = NULL;

    for (guint i = 0; i < day->policies->len && found == NULL; i++) {
        RelaisTallyPolicy *each = g_ptr_array_index (day->policies, i);

        if (each->type == type &&
            g_strv_equal ((const char *const *)each->policy, (const char *const *)policy))
            found = each;
    }
    if (found != NULL || day->policies->len >= RELAIS_TALLY_POLICIES) {
        g_strfreev (policy);
        g_strfreev (mx);
        return found;
    }
    found = g_new0 (RelaisTallyPolicy, 1);
    found->type = type;
    found->policy = policy;
    found->mx = mx;
    found->details = g_ptr_array_new_with_free_func (failure_free);
    g_ptr_array_add (day->policies, found);
    return found;
}

static bool
is_same (const RelaisTallyFailure *a, const RelaisTallyFailure *b)
{
    return strcmp (a->result, b->result) == 0 && strcmp (a->source, b->source) == 0 &&
           strcmp (a->host, b->host) == 0 && strcmp (a->address, b->address) == 0 &&
           strcmp (a->reason, b->reason) == 0;
}

/* Takes the failure. */
static void
add_failure (RelaisTallyPolicy *policy, RelaisTallyFailure *failure)
{
    for (guint i = 0; i < policy->details->len; i++) {
        RelaisTallyFailure *each = g_ptr_array_index (policy->details, i);

        if (is_same (each, failure)) {
            each->n += failure->n;
            failure_free (failure);
            return;
        }
    }
    if (policy->details->len < RELAIS_TALLY_FAILURES)
        g_ptr_array_add (policy->details, failure);
    else
        failure_free (failure);
}

static RelaisTallyFailure *
failure_new (guint64 n, const char *const texts[5])
{
    RelaisTallyFailure *failure = g_new (RelaisTallyFailure, 1);

    *failure =
        (RelaisTallyFailure){keep_text (texts[0]), keep_text (texts[1]), keep_text (texts[2]),
                             keep_text (texts[3]), keep_text (texts[4]), n};
    return failure;
}

void
relais_tally_note (RelaisTally *tally, const RelaisTallyNote *note)
{
    RelaisTallyDay *day = get_day (tally, note->day, note->domain);
    RelaisTallyPolicy *policy;
    const char *const texts[] = {note->result, note->source, note->host, note->address,
                                 note->reason};

    if (day == NULL)
        return;
    policy = get_policy (day, note->type, keep_list (note->policy), keep_list (note->mx));
    if (policy == NULL)
        return;
    if (note->result == NULL) {
        policy->successes++;
        return;
    }
    policy->failures++;
    add_failure (policy, failure_new (1, texts));
}

/* --- Keeping ------------------------------------------------------------------------------------ */

static void
append_policy (GString *text, const RelaisTallyPolicy *policy)
{
    g_autofree char *strings = g_strjoinv ("|", policy->policy);
    g_autofree char *mx = g_strjoinv ("|", policy->mx);

    g_string_append_printf (text, "P\t%d\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t%s\t%s\n",
                            (int)policy->type, policy->successes, policy->failures, strings, mx);
    for (guint i = 0; i < policy->details->len; i++) {
        const RelaisTallyFailure *f = g_ptr_array_index (policy->details, i);

        g_string_append_printf (text, "F\t%" G_GUINT64_FORMAT "\t%s\t%s\t%s\t%s\t%s\n", f->n,
                                f->result, f->source, f->host, f->address, f->reason);
    }
}

GString *
relais_tally_to_text (const RelaisTally *tally)
{
    GString *text = g_string_new (NULL);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, tally->days);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
        const RelaisTallyDay *day = value;

        g_string_append_printf (text, "D\t%" G_GINT64_FORMAT "\t%u\t%" G_GINT64_FORMAT "\t%s\n",
                                day->day, day->attempts, day->next_us, day->domain);
        for (guint i = 0; i < day->policies->len; i++)
            append_policy (text, g_ptr_array_index (day->policies, i));
    }
    return text;
}

typedef struct {
    RelaisTally *tally;
    RelaisTallyDay *day;
    RelaisTallyPolicy *policy;
} Reading;

/* As addresses have it: it will stand in a header. */
static bool
is_domain (const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (!g_ascii_isgraph (*c))
            return false;
    return text[0] != '\0';
}

static bool
read_day (Reading *reading, char **words, guint n)
{
    gint64 number, next;
    guint64 attempts;

    reading->day = NULL;
    reading->policy = NULL;
    if (n != 5 || !is_domain (words[4]) ||
        !g_ascii_string_to_signed (words[1], 10, 0, G_MAXINT32, &number, NULL) ||
        !g_ascii_string_to_unsigned (words[2], 10, 0, G_MAXUINT16, &attempts, NULL) ||
        !g_ascii_string_to_signed (words[3], 10, 0, G_MAXINT64, &next, NULL))
        return false;
    reading->day = get_day (reading->tally, number, words[4]);
    if (reading->day == NULL)
        return false;
    reading->day->attempts = (guint)attempts;
    reading->day->next_us = next;
    return true;
}

static char **
split (const char *list)
{
    g_auto (GStrv) pieces = list[0] != '\0' ? g_strsplit (list, "|", -1) : g_new0 (char *, 1);

    return keep_list ((const char *const *)pieces);
}

static bool
read_policy (Reading *reading, char **words, guint n)
{
    guint64 type, successes, failures;

    reading->policy = NULL;
    if (reading->day == NULL || n != 6 ||
        !g_ascii_string_to_unsigned (words[1], 10, 0, RELAIS_TALLY_STS, &type, NULL) ||
        !g_ascii_string_to_unsigned (words[2], 10, 0, G_MAXUINT64, &successes, NULL) ||
        !g_ascii_string_to_unsigned (words[3], 10, 0, G_MAXUINT64, &failures, NULL))
        return false;
    reading->policy =
        get_policy (reading->day, (RelaisTallyType)type, split (words[4]), split (words[5]));
    if (reading->policy == NULL)
        return false;
    reading->policy->successes += successes;
    reading->policy->failures += failures;
    return true;
}

static bool
read_failure (Reading *reading, char **words, guint n)
{
    guint64 count;

    if (reading->policy == NULL || n != 7 ||
        !g_ascii_string_to_unsigned (words[1], 10, 0, G_MAXUINT64, &count, NULL))
        return false;
    add_failure (reading->policy, failure_new (count, (const char *const *)words + 2));
    return true;
}

static bool
read_line (Reading *reading, const char *line)
{
    g_auto (GStrv) words = g_strsplit (line, "\t", 8);
    const guint n = g_strv_length (words);

    if (strcmp (words[0], "D") == 0)
        return read_day (reading, words, n);
    if (strcmp (words[0], "P") == 0)
        return read_policy (reading, words, n);
    return strcmp (words[0], "F") == 0 && read_failure (reading, words, n);
}

guint
relais_tally_add_text (RelaisTally *tally, const char *text)
{
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    Reading reading = {tally, NULL, NULL};
    guint n_bad = 0;

    for (char **line = lines; *line != NULL; line++)
        if ((*line)[0] != '\0' && !read_line (&reading, *line))
            n_bad++;
    return n_bad;
}
