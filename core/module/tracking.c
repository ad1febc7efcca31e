/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of tracking hosts and the question modules ask of it. A hook call holds the table it
 * first asked until its function returns, so that what it was told stays valid. Any thread.
 */
#include "config.h"

#include "module/module-private.h"

#include <string.h>

typedef struct {
    char *url;
    RelaisTrackingState state;
} Entry;

struct RelaisTrackingTable {
    gatomicrefcount refs;
    GHashTable *entries; /* domain or *.DOMAIN -> Entry */
};

static void
entry_free (gpointer data)
{
    Entry *entry = data;

    g_free (entry->url);
    g_free (entry);
}

RelaisTrackingTable *
relais_tracking_table_new (void)
{
    RelaisTrackingTable *table = g_new0 (RelaisTrackingTable, 1);

    g_atomic_ref_count_init (&table->refs);
    table->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
    return table;
}

RelaisTrackingTable *
relais_tracking_table_ref (RelaisTrackingTable *table)
{
    g_atomic_ref_count_inc (&table->refs);
    return table;
}

void
relais_tracking_table_unref (RelaisTrackingTable *table)
{
    if (table == NULL || !g_atomic_ref_count_dec (&table->refs))
        return;
    g_hash_table_unref (table->entries);
    g_free (table);
}

void
relais_tracking_table_add (RelaisTrackingTable *table, const char *domain, const char *url,
                           RelaisTrackingState state)
{
    Entry *entry = g_new (Entry, 1);

    *entry = (Entry){g_strdup (url), state};
    g_hash_table_replace (table->entries, g_strdup (domain), entry);
}

/* Of the domain, else of the closest above it; *.DOMAIN is of those below and goes before DOMAIN, which is
 * of both. */
static const Entry *
find_entry (const RelaisTrackingTable *table, const char *domain)
{
    const Entry *entry = g_hash_table_lookup (table->entries, domain);

    for (const char *dot = strchr (domain, '.'); entry == NULL && dot != NULL;
         dot = strchr (dot + 1, '.')) {
        g_autofree char *pattern = g_strconcat ("*", dot, NULL);

        entry = g_hash_table_lookup (table->entries, pattern);
        if (entry == NULL)
            entry = g_hash_table_lookup (table->entries, dot + 1);
    }
    return entry;
}

const char *
relais_tracking_table_find (const RelaisTrackingTable *table, const char *domain,
                            const char **reason)
{
    g_autofree char *lower = g_ascii_strdown (domain, -1);
    const Entry *entry = find_entry (table, lower);

    *reason = NULL;
    if (entry == NULL)
        *reason = "no-tracking-host";
    else if (entry->state == RELAIS_TRACKING_UNKNOWN)
        *reason = "host-unchecked";
    else if (entry->state == RELAIS_TRACKING_FAILING)
        *reason = "host-failing";
    return *reason == NULL ? entry->url : NULL;
}

void
relais_host_set_tracking (RelaisHost *host, RelaisTrackingTable *table)
{
    RelaisTrackingTable *old;

    g_mutex_lock (&host->tracking_mutex);
    old = host->tracking;
    host->tracking = table;
    g_mutex_unlock (&host->tracking_mutex);
    relais_tracking_table_unref (old);
}

static const RelaisTrackingTable *
table_of (RelaisHook *hook)
{
    RelaisHost *host = hook->host;

    if (hook->tracking == NULL) {
        g_mutex_lock (&host->tracking_mutex);
        if (host->tracking != NULL)
            hook->tracking = relais_tracking_table_ref (host->tracking);
        g_mutex_unlock (&host->tracking_mutex);
    }
    return hook->tracking;
}

/* Of the header From; else of the envelope's sender as it was taken in, before modules changed it. */
static const char *
sender_domain (const RelaisHook *hook)
{
    const RelaisEnvelope *envelope = hook->subject->message != NULL
                                         ? &hook->subject->message->envelope
                                         : hook->subject->envelope;
    const char *address, *at;

    if (envelope == NULL)
        return NULL;
    address = envelope->header_from != NULL ? envelope->header_from : envelope->sender;
    at = address != NULL ? strrchr (address, '@') : NULL;
    return at != NULL ? at + 1 : NULL;
}

const gchar *
relais_hook_get_tracking_url (RelaisHook *hook, const gchar **reason)
{
    const RelaisTrackingTable *table = table_of (hook);
    const char *domain = sender_domain (hook);
    const char *why = "no-tracking-host";
    const char *url = NULL;

    if (table != NULL && domain != NULL)
        url = relais_tracking_table_find (table, domain, &why);
    if (reason != NULL)
        *reason = why;
    return url;
}
