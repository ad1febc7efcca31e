/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Takes a source out while a zone that has that rule lists one of its addresses, and back once none does. The last
 * source of a pool stays, unless that was asked for: mail that some refuse is better than mail that nobody gets.
 * Loop thread.
 */
#include "monitor.h"

#include <relais/shaping.h>

static bool
zone_takes_out (const DnsblZone *zone)
{
    return zone->rule == DNSBL_RULE_TAKE_OUT || (zone->rule == DNSBL_RULE_AUTO && zone->blocks);
}

static bool
has_source (const DnsblTarget *target, const char *name)
{
    for (guint i = 0; i < target->sources->len; i++)
        if (g_str_equal (g_ptr_array_index (target->sources, i), name))
            return true;
    return false;
}

/* Whether a listing counts against a source: of a zone that fails its test points, or has said nothing about them for
 * too long, none does. */
static bool
counts (const DnsblEntry *entry)
{
    return entry->record->confirmed == DNSBL_LISTED && entry->probe->state != DNSBL_PROBE_BROKEN &&
           !entry->probe->told && zone_takes_out (entry->zone);
}

/* Those that count, of all: few, however many sources and zones there are. */
static GPtrArray *
find_counting (const DnsblMonitor *monitor)
{
    GPtrArray *counting = g_ptr_array_new ();

    for (guint i = 0; i < monitor->entries->len; i++)
        if (counts (g_ptr_array_index (monitor->entries, i)))
            g_ptr_array_add (counting, g_ptr_array_index (monitor->entries, i));
    return counting;
}

static bool
other_is_in (const DnsblMonitor *monitor, const DnsblSource *source)
{
    const GPtrArray *sources = monitor->config->sources;

    for (guint i = 0; i < sources->len; i++) {
        const DnsblSource *other = g_ptr_array_index (sources, i);

        if (other != source && other->weight > 0 && g_str_equal (other->pool, source->pool) &&
            relais_source_get_reason (monitor->module, other->name) == NULL)
            return true;
    }
    return false;
}

/* Why the source is to be out; NULL if it is not. */
static const DnsblEntry *
cause (const DnsblMonitor *monitor, const GPtrArray *counting, const DnsblSource *source)
{
    for (guint i = 0; i < counting->len; i++) {
        const DnsblEntry *entry = g_ptr_array_index (counting, i);
        const bool even_last =
            monitor->config->take_last && entry->zone->rule == DNSBL_RULE_TAKE_OUT;

        if (has_source (entry->target, source->name) &&
            (even_last || other_is_in (monitor, source)))
            return entry;
    }
    return NULL;
}

static void
take_out (DnsblMonitor *monitor, const DnsblSource *source, const DnsblEntry *entry)
{
    g_autoptr (GDateTime) since =
        g_date_time_new_from_unix_utc (entry->record->since_us / G_USEC_PER_SEC);
    g_autofree char *when =
        since != NULL ? g_date_time_format (since, "%Y-%m-%d %H:%M UTC") : g_strdup ("?");
    g_autofree char *reason = g_strdup_printf (
        "%s is listed by %s since %s", entry->target->subject.text, entry->zone->name, when);

    if (relais_source_set_state (monitor->module, source->name, RELAIS_SOURCE_OUT, reason))
        g_hash_table_add (monitor->out, g_strdup (source->name));
}

void
dnsbl_rule_apply (DnsblMonitor *monitor)
{
    g_autoptr (GPtrArray) counting = find_counting (monitor);

    for (guint i = 0; i < monitor->config->sources->len; i++) {
        const DnsblSource *source = g_ptr_array_index (monitor->config->sources, i);
        const DnsblEntry *entry = cause (monitor, counting, source);
        const bool is_out = g_hash_table_contains (monitor->out, source->name);

        if (entry != NULL && !is_out)
            take_out (monitor, source, entry);
        if (entry == NULL && is_out) {
            relais_source_set_state (monitor->module, source->name, RELAIS_SOURCE_IN, NULL);
            g_hash_table_remove (monitor->out, source->name);
        }
    }
}
