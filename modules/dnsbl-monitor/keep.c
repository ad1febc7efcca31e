/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What outlives a restart, in the store: "t TARGET ZONE" a record, "z ZONE KIND" what was told of a zone. Without a store all is
 * in memory, and a restart begins anew. Loop thread.
 */
#include "monitor.h"

#include <relais/log.h>
#include <relais/store.h>
#include <string.h>

enum { PAGE_ROWS = 500 };
#define KEPT_US (90 * DNSBL_DAY_US)

static void
tell_trouble (DnsblMonitor *monitor, const RelaisStoreReply *reply)
{
    if (!monitor->store_told)
        relais_log (monitor->module, RELAIS_LOG_WARNING,
                    "what is known of listings is kept in memory only: %s",
                    relais_store_reply_get_error (reply));
    monitor->store_told = true;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void
on_put (gpointer data, const RelaisStoreReply *reply)
{
    DnsblMonitor *monitor = data;

    if (relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR)
        tell_trouble (monitor, reply);
    else
        monitor->store_told = false;
}

static void
put (DnsblMonitor *monitor, const char *kind, const char *key, gconstpointer value, gsize size)
{
    g_autofree char *whole = g_strdup_printf ("%s %s", kind, key);

    relais_store_put (monitor->module, whole, strlen (whole), value, size,
                      relais_module_wall_us (monitor->module) + KEPT_US, on_put, monitor);
}

void
dnsbl_keep_record (DnsblEntry *entry)
{
    g_autoptr (GBytes) packed = dnsbl_record_pack (entry->record);
    gsize size;
    const void *data = g_bytes_get_data (packed, &size);

    entry->saved_us = relais_module_wall_us (entry->monitor->module);
    put (entry->monitor, "t", entry->key, data, size);
}

/* "STATE TOLD SILENT_US" */
void
dnsbl_keep_probe (DnsblProbe *probe)
{
    g_autofree char *value = g_strdup_printf ("%u %d %" G_GINT64_FORMAT, (guint)probe->state,
                                              probe->told, probe->silent_us);

    put (probe->monitor, "z", probe->key, value, strlen (value));
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void
read_probe (DnsblMonitor *monitor, const char *key, gconstpointer value, gsize size)
{
    g_autofree char *text = g_strndup (value, size);
    g_auto (GStrv) words = g_strsplit (text, " ", 3);
    DnsblProbe *probe;

    if (g_strv_length (words) != 3)
        return;
    probe = g_new0 (DnsblProbe, 1);
    probe->monitor = monitor;
    probe->key = g_strdup (key);
    probe->state = g_str_equal (words[0], "2") ? DNSBL_PROBE_BROKEN : DNSBL_PROBE_UNTESTED;
    probe->reason = g_strdup ("its test points were not asked for yet");
    probe->told = g_str_equal (words[1], "1");
    probe->silent_us = g_ascii_strtoll (words[2], NULL, 10);
    g_queue_init (&probe->waiting);
    g_hash_table_replace (monitor->probes, probe->key, probe);
}

static void
read_row (DnsblMonitor *monitor, const char *key, gsize key_size, gconstpointer value, gsize size)
{
    g_autofree char *name = key_size > 2 ? g_strndup (key + 2, key_size - 2) : NULL;
    DnsblRecord *record;

    if (name == NULL || key[1] != ' ')
        return;
    if (key[0] == 'z')
        read_probe (monitor, name, value, size);
    record = key[0] == 't' ? dnsbl_record_unpack (value, size) : NULL;
    if (record != NULL)
        g_hash_table_replace (monitor->records, g_steal_pointer (&name), record);
}

static void scan (DnsblMonitor *monitor, gconstpointer after, gsize after_size);

static void
on_page (gpointer data, const RelaisStoreReply *reply)
{
    DnsblMonitor *monitor = data;
    const guint32 n = relais_store_reply_n_rows (reply);
    gconstpointer key = NULL, value;
    gsize key_size = 0, size;

    for (guint32 i = 0; i < n; i++)
        if (relais_store_reply_get_row (reply, i, &key, &key_size, &value, &size))
            read_row (monitor, key, key_size, value, size);
    if (relais_store_reply_get_result (reply) == RELAIS_STORE_ERROR)
        tell_trouble (monitor, reply);
    if (monitor->stopped)
        return;
    if (n > 0 && relais_store_reply_get_more (reply)) {
        scan (monitor, key, key_size);
        return;
    }
    monitor->loaded = true;
    dnsbl_schedule_apply (monitor);
}

static void
scan (DnsblMonitor *monitor, gconstpointer after, gsize after_size)
{
    relais_store_scan (monitor->module, "", 0, after, after_size, PAGE_ROWS, on_page, monitor);
}

void
dnsbl_keep_load (DnsblMonitor *monitor)
{
    scan (monitor, NULL, 0);
}
