/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl dnsbl`: what is known, the worst first, and how it came to be. Loop thread.
 */
#include "monitor.h"

#include <glib/gi18n-lib.h>
#include <string.h>

/* --- status ----------------------------------------------------------------------------------- */

static guint
badness (const DnsblEntry *entry)
{
    const DnsblRecord *record = entry->record;

    if (record->confirmed == DNSBL_LISTED)
        return 3;
    if (record->last == DNSBL_LISTED)
        return 2;
    return record->last == DNSBL_UNKNOWN ? 1 : 0;
}

static gint
compare (gconstpointer one, gconstpointer two)
{
    const DnsblEntry *a = *(DnsblEntry *const *)one, *b = *(DnsblEntry *const *)two;

    if (badness (a) != badness (b))
        return badness (a) > badness (b) ? -1 : 1;
    return strcmp (a->key, b->key);
}

static void
put_time (RelaisCommandCall *call, const char *column, gint64 wall_us)
{
    if (wall_us != 0)
        relais_command_put_time (call, column, wall_us);
    else
        relais_command_put (call, column, NULL);
}

static void
put_entry (RelaisCommandCall *call, const DnsblEntry *entry, gint64 now_us)
{
    const DnsblRecord *record = entry->record;
    g_autofree char *url = dnsbl_zone_url (entry->zone, entry->target->subject.text);

    relais_command_put (call, "target", entry->target->subject.text);
    relais_command_put (call, "zone", entry->zone->name);
    relais_command_put (call, "state", dnsbl_verdict_to_string (record->confirmed));
    put_time (call, "since", record->since_us);
    if (record->checked_us != 0)
        relais_command_put_int (call, "age_s",
                                MAX (now_us - record->checked_us, 0) / G_USEC_PER_SEC);
    else
        relais_command_put (call, "age_s", NULL);
    relais_command_put (call, "answer", record->checked_us != 0 ? record->answer : "");
    relais_command_put (call, "url", badness (entry) >= 2 ? url : NULL);
    relais_command_end_row (call);
}

static void
note_listings (RelaisCommandCall *call, const GPtrArray *entries)
{
    g_autoptr (GString) text = g_string_new (NULL);

    for (guint i = 0; i < entries->len; i++) {
        const DnsblEntry *entry = g_ptr_array_index (entries, i);
        const char *target = entry->target->subject.text;
        g_autofree char *url = dnsbl_zone_url (entry->zone, target);

        if (entry->record->confirmed != DNSBL_LISTED || url == NULL)
            continue;
        g_string_append_printf (text, "%s%s: %s\n  %s", text->len > 0 ? "\n" : "", target,
                                entry->record->codes, url);
    }
    if (text->len > 0)
        relais_command_note (call, text->str);
}

static void
note_resolver (RelaisCommandCall *call, const DnsblMonitor *monitor)
{
    g_autofree char *text = NULL;

    if (monitor->config->public_server == NULL)
        return;
    text = g_strdup_printf (
        _ ("[dns] server is %s: lists that refuse public resolvers are not asked."),
        monitor->config->public_server);
    relais_command_note (call, text);
}

void
dnsbl_command_status (RelaisCommandCall *call, gpointer data)
{
    DnsblMonitor *monitor = relais_module_get_data (data);
    g_autoptr (GPtrArray) entries = g_ptr_array_new ();

    if (monitor->config == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             _ ("what was known is still being read; try again"));
        return;
    }
    for (guint i = 0; i < monitor->entries->len; i++)
        g_ptr_array_add (entries, g_ptr_array_index (monitor->entries, i));
    g_ptr_array_sort (entries, compare);
    for (guint i = 0; i < entries->len; i++)
        put_entry (call, g_ptr_array_index (entries, i), relais_module_wall_us (monitor->module));
    if (entries->len == 0)
        relais_command_note (call,
                             _ ("Nothing is watched: no source has an address of its own, and no "
                                "domain a zone that is asked."));
    note_listings (call, entries);
    note_resolver (call, monitor);
    relais_command_finish (call);
}

/* --- history ---------------------------------------------------------------------------------- */

typedef struct {
    const char *key; /* "TARGET ZONE" */
    const DnsblChange *change;
} Row;

static gint
compare_rows (gconstpointer one, gconstpointer two)
{
    const Row *a = one, *b = two;

    if (a->change->at_us != b->change->at_us)
        return a->change->at_us > b->change->at_us ? -1 : 1;
    return strcmp (a->key, b->key);
}

static void
collect (GArray *rows, const char *key, const DnsblRecord *record)
{
    for (const GList *link = record->changes.head; link != NULL; link = link->next) {
        const Row row = {key, link->data};

        g_array_append_val (rows, row);
    }
}

static void
put_row (RelaisCommandCall *call, const Row *row)
{
    g_auto (GStrv) words = g_strsplit (row->key, " ", 2);

    relais_command_put_time (call, "time", row->change->at_us);
    relais_command_put (call, "target", words[0]);
    relais_command_put (call, "zone", words[1]);
    relais_command_put (call, "from", dnsbl_verdict_to_string (row->change->from));
    relais_command_put (call, "to", dnsbl_verdict_to_string (row->change->to));
    relais_command_put (call, "answer", row->change->answer);
    relais_command_end_row (call);
}

void
dnsbl_command_history (RelaisCommandCall *call, gpointer data)
{
    DnsblMonitor *monitor = relais_module_get_data (data);
    g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (Row));
    g_autofree char *prefix = NULL;
    DnsblSubject subject = {0};
    GHashTableIter iter;
    gpointer key, record;

    if (relais_command_n_args (call) > 1 ||
        (relais_command_n_args (call) == 1 &&
         !dnsbl_subject_parse (relais_command_arg (call, 0), &subject))) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("at most one word is wanted: an address or a domain"));
        return;
    }
    prefix = subject.text != NULL ? g_strconcat (subject.text, " ", NULL) : g_strdup ("");
    dnsbl_subject_clear (&subject);
    g_hash_table_iter_init (&iter, monitor->records);
    while (g_hash_table_iter_next (&iter, &key, &record))
        if (g_str_has_prefix (key, prefix))
            collect (rows, key, record);
    g_array_sort (rows, compare_rows);
    for (guint i = 0; i < rows->len; i++)
        put_row (call, &g_array_index (rows, Row, i));
    relais_command_finish (call);
}
