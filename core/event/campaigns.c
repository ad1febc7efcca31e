/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Counts of campaigns: one walk over the log, in which each line that names a campaign counts under its type. What a
 * recipient did is kept as bits by (queue id, recipient number), so that who opens ten times is one who opened. Blocks.
 */
#include "config.h"

#include "event/campaigns-private.h"
#include "event/event-private.h"
#include "event/index-private.h"
#include "event/member-private.h"

#include <string.h>

enum { PROGRESS_LINES = 100000 };

/* What a recipient did. */
enum {
    OPENED = 1 << 0,
    OPENED_SUSPECT = 1 << 1,
    CLICKED = 1 << 2,
    CLICKED_SUSPECT = 1 << 3,
    COMPLAINED = 1 << 4,
    RETURNED = 1 << 5,
    UNSUBSCRIBED = 1 << 6
};

typedef struct {
    GHashTable *campaigns; /* "TENANT\nCAMPAIGN", both escaped -> RelaisCampaign */
    char *tenant;          /* escaped; or NULL for all */
    bool in_parts;
    RelaisCampaignsProgress progress;
    gpointer data;
    guint64 done;
} Reading;

/* --- Campaigns -------------------------------------------------------------------------------- */

static void
part_free (gpointer data)
{
    RelaisCampaignPart *part = data;

    g_free (part->name);
    g_free (part);
}

static guint
hash_key (gconstpointer key)
{
    return (guint)relais_event_hash (key, RELAIS_EVENT_KEY_BYTES);
}

static gboolean
same_key (gconstpointer a, gconstpointer b)
{
    return memcmp (a, b, RELAIS_EVENT_KEY_BYTES) == 0;
}

static void
campaign_free (gpointer data)
{
    RelaisCampaign *campaign = data;

    g_free (campaign->tenant);
    g_free (campaign->campaign);
    g_clear_pointer (&campaign->sites, g_hash_table_unref);
    g_clear_pointer (&campaign->reasons, g_hash_table_unref);
    g_hash_table_unref (campaign->seen);
    g_free (campaign);
}

static GHashTable *
parts_new (void)
{
    return g_hash_table_new_full (g_str_hash, g_str_equal, NULL, part_free);
}

static RelaisCampaign *
find_campaign (Reading *reading, const RelaisEventText *tenant, const RelaisEventText *name)
{
    g_autofree char *key = g_strdup_printf ("%.*s\n%.*s", (int)tenant->size, tenant->start,
                                            (int)name->size, name->start);
    RelaisCampaign *campaign = g_hash_table_lookup (reading->campaigns, key);

    if (campaign != NULL)
        return campaign;
    campaign = g_new0 (RelaisCampaign, 1);
    campaign->tenant = relais_event_unescape (tenant);
    campaign->campaign = relais_event_unescape (name);
    campaign->seen = g_hash_table_new_full (hash_key, same_key, g_free, NULL);
    if (reading->in_parts) {
        campaign->sites = parts_new ();
        campaign->reasons = parts_new ();
    }
    g_hash_table_insert (reading->campaigns, g_steal_pointer (&key), campaign);
    return campaign;
}

static RelaisCampaignPart *
find_part (GHashTable *parts, const char *line, gsize size, const char *member)
{
    RelaisEventText text;
    g_autofree char *name = NULL;
    RelaisCampaignPart *part;

    if (parts == NULL || !relais_event_find_text (line, size, member, &text))
        return NULL;
    name = relais_event_unescape (&text);
    part = g_hash_table_lookup (parts, name);
    if (part == NULL) {
        part = g_new0 (RelaisCampaignPart, 1);
        part->name = g_steal_pointer (&name);
        g_hash_table_insert (parts, part->name, part);
    }
    return part;
}

guint64
relais_campaign_waiting (const RelaisCampaign *campaign)
{
    const guint64 ended = campaign->delivered + campaign->bounced + campaign->expired +
                          campaign->suppressed + campaign->deleted;

    return campaign->recipients > ended ? campaign->recipients - ended : 0;
}

/* --- What a recipient did --------------------------------------------------------------------- */

static bool
read_key (const char *line, gsize size, guint8 key[RELAIS_EVENT_KEY_BYTES])
{
    const gint64 number = relais_event_find_int (line, size, "recipient_number", -1);
    g_autofree char *queue_id = NULL;
    RelaisEventText text;

    if (number < 0 || number > G_MAXUINT32 ||
        !relais_event_find_text (line, size, "queue_id", &text))
        return false;
    queue_id = g_strndup (text.start, text.size);
    return relais_event_key_make (key, queue_id, (guint32)number);
}

/* Nothing where the line names no one recipient. */
static void
note (RelaisCampaign *campaign, const char *line, gsize size, guint bits)
{
    guint8 key[RELAIS_EVENT_KEY_BYTES];
    guint had;

    if (bits == 0 || !read_key (line, size, key))
        return;
    had = GPOINTER_TO_UINT (g_hash_table_lookup (campaign->seen, key));
    if ((had | bits) != had)
        g_hash_table_insert (campaign->seen, g_memdup2 (key, sizeof key),
                             GUINT_TO_POINTER (had | bits));
}

static void
count_bits (gpointer key, gpointer value, gpointer data)
{
    RelaisCampaign *campaign = data;
    const guint bits = GPOINTER_TO_UINT (value);

    campaign->opened += (bits & OPENED) != 0;
    campaign->opened_suspect += (bits & (OPENED | OPENED_SUSPECT)) == OPENED_SUSPECT;
    campaign->clicked += (bits & CLICKED) != 0;
    campaign->clicked_suspect += (bits & (CLICKED | CLICKED_SUSPECT)) == CLICKED_SUSPECT;
    campaign->complained += (bits & COMPLAINED) != 0;
    campaign->returned += (bits & RETURNED) != 0;
    campaign->unsubscribed += (bits & UNSUBSCRIBED) != 0;
}

/* --- Lines by type ---------------------------------------------------------------------------- */

static void
take_visit (RelaisCampaign *campaign, const char *line, gsize size, guint by_person,
            guint by_suspect, guint64 *visits)
{
    RelaisEventText who;

    if (!relais_event_find_text (line, size, "who", &who) || relais_event_text_is (&who, "machine"))
        return;
    *visits += (guint64)MAX (relais_event_find_int (line, size, "repeats", 1), 1);
    note (campaign, line, size, relais_event_text_is (&who, "human") ? by_person : by_suspect);
}

static void
take_accepted (RelaisCampaign *campaign, const char *line, gsize size)
{
    campaign->messages++;
    campaign->recipients += (guint64)relais_event_find_int (line, size, "recipients", 0);
}

static void
take_delivered (RelaisCampaign *campaign, const char *line, gsize size)
{
    RelaisCampaignPart *site = find_part (campaign->sites, line, size, "site");

    campaign->delivered++;
    if (site != NULL)
        site->delivered++;
}

static void
take_deferred (RelaisCampaign *campaign, const char *line, gsize size)
{
    RelaisCampaignPart *site = find_part (campaign->sites, line, size, "site");
    RelaisCampaignPart *reason = find_part (campaign->reasons, line, size, "bounce_reason");

    campaign->deferred++;
    if (site != NULL)
        site->deferred++;
    if (reason != NULL)
        reason->deferred++;
}

static void
take_failed (RelaisCampaign *campaign, const char *line, gsize size, guint64 *counter)
{
    RelaisCampaignPart *site = find_part (campaign->sites, line, size, "site");
    RelaisCampaignPart *reason = find_part (campaign->reasons, line, size, "bounce_reason");

    ++*counter;
    if (site != NULL)
        site->failed++;
    if (reason != NULL)
        reason->failed++;
}

/* A report that came by mail: it may be of a delay, too. */
static void
take_report (RelaisCampaign *campaign, const char *line, gsize size)
{
    RelaisEventText action;

    if (relais_event_find_text (line, size, "action", &action) &&
        relais_event_text_is (&action, "failed"))
        note (campaign, line, size, RETURNED);
}

static void
take_by_type (RelaisCampaign *campaign, const RelaisEventText *type, const char *line, gsize size)
{
    if (relais_event_text_is (type, "delivered"))
        take_delivered (campaign, line, size);
    else if (relais_event_text_is (type, "accepted"))
        take_accepted (campaign, line, size);
    else if (relais_event_text_is (type, "deferred"))
        take_deferred (campaign, line, size);
    else if (relais_event_text_is (type, "opened"))
        take_visit (campaign, line, size, OPENED, OPENED_SUSPECT, &campaign->open_visits);
    else if (relais_event_text_is (type, "clicked"))
        take_visit (campaign, line, size, CLICKED, CLICKED_SUSPECT, &campaign->click_visits);
    else if (relais_event_text_is (type, "bounced"))
        take_failed (campaign, line, size, &campaign->bounced);
    else if (relais_event_text_is (type, "expired"))
        take_failed (campaign, line, size, &campaign->expired);
    else if (relais_event_text_is (type, "suppressed"))
        campaign->suppressed++;
    else if (relais_event_text_is (type, "deleted"))
        campaign->deleted++;
    else if (relais_event_text_is (type, "bounce"))
        take_report (campaign, line, size);
    else if (relais_event_text_is (type, "complaint"))
        note (campaign, line, size, COMPLAINED);
    else if (relais_event_text_is (type, "unsubscribe"))
        note (campaign, line, size, UNSUBSCRIBED);
}

/* What is told to a campaign's sender is kept in its turn of the queue, but is none of its mail. */
static bool
is_notice (const char *line, gsize size)
{
    RelaisEventText sender;

    return relais_event_find_text (line, size, "sender", &sender) && sender.size == 0;
}

static bool
take_line (gpointer data, const char *line, gsize size)
{
    Reading *reading = data;
    RelaisEventText type, campaign, tenant = {"", 0};

    if (++reading->done % PROGRESS_LINES == 0 && reading->progress != NULL)
        reading->progress (reading->data, reading->done);
    if (!relais_event_find_text (line, size, "type", &type) ||
        !relais_event_find_text (line, size, "campaign", &campaign) || is_notice (line, size))
        return true;
    (void)relais_event_find_text (line, size, "tenant", &tenant);
    if (reading->tenant == NULL || relais_event_text_is (&tenant, reading->tenant))
        take_by_type (find_campaign (reading, &tenant, &campaign), &type, line, size);
    return true;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static gint
by_name (gconstpointer a, gconstpointer b)
{
    const RelaisCampaign *left = *(const RelaisCampaign *const *)a,
                         *right = *(const RelaisCampaign *const *)b;
    const int order = strcmp (left->tenant, right->tenant);

    return order != 0 ? order : strcmp (left->campaign, right->campaign);
}

static GPtrArray *
end (Reading *reading)
{
    GPtrArray *found = g_ptr_array_new_with_free_func (campaign_free);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init (&iter, reading->campaigns);
    while (g_hash_table_iter_next (&iter, &key, &value)) {
        RelaisCampaign *campaign = value;

        g_hash_table_foreach (campaign->seen, count_bits, campaign);
        g_ptr_array_add (found, campaign);
        g_hash_table_iter_steal (&iter);
        g_free (key);
    }
    g_ptr_array_sort (found, by_name);
    return found;
}

GPtrArray *
relais_campaigns_read (const char *dir, const char *tenant, const char *campaign,
                       RelaisCampaignsProgress progress, gpointer data, GError **error)
{
    g_autofree char *name = campaign != NULL ? relais_event_escape (campaign) : NULL;
    g_autofree char *needle = g_strdup_printf (",\"campaign\":\"%s%s", name != NULL ? name : "",
                                               name != NULL ? "\"" : "");
    g_autofree char *wanted = tenant != NULL ? relais_event_escape (tenant) : NULL;
    Reading reading = {.campaigns =
                           g_hash_table_new_full (g_str_hash, g_str_equal, g_free, campaign_free),
                       .tenant = wanted,
                       .in_parts = campaign != NULL,
                       .progress = progress,
                       .data = data};
    GPtrArray *found = NULL;

    if (relais_event_log_search (dir, needle, take_line, &reading, error))
        found = end (&reading);
    g_hash_table_unref (reading.campaigns);
    return found;
}
