/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who is asked when: each target in each zone at the zone's interval, spread over time, a bounded number at once. A
 * change is asked about again sooner. Loop thread.
 */
#include "monitor.h"

#include <string.h>

/* What an answer from a cache would be: it is no second answer. */
#define TTL_MARGIN_US G_USEC_PER_SEC

const char *
dnsbl_kind_to_string (DnsblKind kind)
{
    switch (kind) {
    case DNSBL_KIND_ADDRESS4: return "address4";
    case DNSBL_KIND_ADDRESS6: return "address6";
    case DNSBL_KIND_DOMAIN: break;
    }
    return "domain";
}

/* --- When next -------------------------------------------------------------------------------- */

static gint64
random_us (gint64 most_us)
{
    return (gint64)(g_random_double () * (double)most_us);
}

static void
plan_next (DnsblEntry *entry, guint32 ttl_s)
{
    const gint64 interval_us = entry->zone->interval_us;
    gint64 delay_us = interval_us - interval_us / 10 + random_us (interval_us / 5);

    if (dnsbl_record_is_pending (entry->record)) {
        delay_us = MAX (entry->monitor->config->confirm_us,
                        (gint64)ttl_s * G_USEC_PER_SEC + TTL_MARGIN_US);
        delay_us = MIN (delay_us, interval_us);
    }
    relais_module_timer_set (entry->timer, delay_us);
}

/* The first time: in its place among the others, and not before it is due if a former life asked already. */
static void
plan_first (DnsblEntry *entry, guint place, guint n)
{
    const DnsblRecord *record = entry->record;
    const gint64 slot_us = entry->monitor->config->spread_us * place / n;
    const gint64 age_us = relais_module_wall_us (entry->monitor->module) - record->checked_us;
    gint64 delay_us = slot_us;

    if (record->last != DNSBL_UNKNOWN && !dnsbl_record_is_pending (record) && age_us >= 0)
        delay_us = MAX (slot_us, entry->zone->interval_us - age_us);
    relais_module_timer_set (entry->timer, delay_us);
}

/* --- What came of it -------------------------------------------------------------------------- */

/* What of a record is worth a write. */
typedef struct {
    DnsblVerdict confirmed, last;
    guint n_pending;
    bool told;
    char *answer;
} Glance;

static Glance
glance_at (const DnsblRecord *record)
{
    return (Glance){record->confirmed, record->last, record->n_pending, record->unknown_told,
                    g_strdup (record->answer)};
}

static bool
is_as_before (const Glance *before, const DnsblRecord *record)
{
    return before->confirmed == record->confirmed && before->last == record->last &&
           before->n_pending == record->n_pending && before->told == record->unknown_told &&
           g_str_equal (before->answer, record->answer);
}

static void
save (DnsblEntry *entry, const Glance *before)
{
    const gint64 age_us = relais_module_wall_us (entry->monitor->module) - entry->saved_us;

    if (!is_as_before (before, entry->record) || age_us < 0 || age_us >= DNSBL_DAY_US)
        dnsbl_keep_record (entry);
}

static void
tell (DnsblEntry *entry, DnsblNews news)
{
    DnsblMonitor *monitor = entry->monitor;

    dnsbl_rule_apply (monitor);
    if (news == DNSBL_NEWS_CHANGE) {
        relais_counter_add (monitor->changes, dnsbl_verdict_to_string (entry->record->confirmed),
                            1);
        dnsbl_alert_change (entry);
    } else if (news == DNSBL_NEWS_UNKNOWN) {
        dnsbl_alert_unknown (entry);
    }
}

/* `asked`: the zone was; else why not is told of the zone, and not of each target. */
static void
take_in (DnsblEntry *entry, const DnsblResult *result, bool asked)
{
    DnsblMonitor *monitor = entry->monitor;
    const DnsblAnswer answer = {result->verdict, result->answer, result->codes, result->text,
                                relais_module_wall_us (monitor->module)};
    Glance before = glance_at (entry->record);
    const DnsblNews news = dnsbl_record_feed (entry->record, &answer, monitor->config->confirm,
                                              asked ? monitor->config->unknown_us : G_MAXINT64);

    relais_counter_add (monitor->polls,
                        asked ? dnsbl_verdict_to_string (result->verdict) : "not-asked", 1);
    save (entry, &before);
    g_free (before.answer);
    plan_next (entry, result->ttl_s);
    tell (entry, news);
}

static void
take_in_reason (DnsblEntry *entry, const char *reason)
{
    g_autofree char *answer = g_strdup_printf ("not asked: %s", reason);
    const DnsblResult result = {.verdict = DNSBL_UNKNOWN, .answer = answer};

    take_in (entry, &result, false);
}

static void
on_result (const DnsblResult *result, gpointer data)
{
    DnsblEntry *entry = data;
    DnsblMonitor *monitor = entry->monitor;

    entry->poll = NULL;
    monitor->running--;
    take_in (entry, result, true);
    dnsbl_schedule_pump (monitor);
}

/* --- Asking ----------------------------------------------------------------------------------- */

static void
begin (DnsblEntry *entry)
{
    DnsblMonitor *monitor = entry->monitor;
    DnsblProbe *probe = entry->probe;

    if (entry->name == NULL) {
        take_in_reason (entry, "the name is too long");
    } else if (entry->zone->refuses_public && monitor->config->public_server != NULL) {
        take_in_reason (entry, "public resolver");
    } else if (dnsbl_probe_is_due (probe, entry->zone) || probe->zone != NULL) {
        g_queue_push_tail (&probe->waiting, entry);
        if (probe->zone == NULL)
            dnsbl_probe_start (probe, entry->zone);
    } else if (probe->state != DNSBL_PROBE_PASSED) {
        take_in_reason (entry, probe->reason);
    } else {
        monitor->running++;
        entry->poll =
            dnsbl_poll_start (monitor->module, entry->zone, entry->name, true, on_result, entry);
    }
}

void
dnsbl_schedule_pump (DnsblMonitor *monitor)
{
    while (monitor->config != NULL && monitor->running < monitor->config->parallel &&
           monitor->ready.length > 0)
        begin (g_queue_pop_head (&monitor->ready));
}

void
dnsbl_schedule_resume (DnsblEntry *entry)
{
    g_queue_push_tail (&entry->monitor->ready, entry);
}

static void
on_due (gpointer data)
{
    DnsblEntry *entry = data;

    g_queue_push_tail (&entry->monitor->ready, entry);
    dnsbl_schedule_pump (entry->monitor);
}

/* --- Entries ---------------------------------------------------------------------------------- */

void
dnsbl_schedule_free_entry (gpointer data)
{
    DnsblEntry *entry = data;

    dnsbl_poll_cancel (entry->poll);
    relais_module_timer_free (entry->timer);
    g_free (entry->key);
    g_free (entry->name);
    g_free (entry);
}

static DnsblRecord *
record_for (DnsblMonitor *monitor, const char *key)
{
    DnsblRecord *record = g_hash_table_lookup (monitor->records, key);

    if (record == NULL) {
        record = dnsbl_record_new ();
        g_hash_table_insert (monitor->records, g_strdup (key), record);
    }
    return record;
}

static void
add_entry (DnsblMonitor *monitor, const DnsblTarget *target, const DnsblZone *zone)
{
    DnsblEntry *entry = g_new0 (DnsblEntry, 1);

    entry->monitor = monitor;
    entry->target = target;
    entry->zone = zone;
    entry->probe = dnsbl_probe_get (monitor, zone, target->subject.kind);
    entry->key = g_strdup_printf ("%s %s", target->subject.text, zone->name);
    entry->record = record_for (monitor, entry->key);
    entry->name = dnsbl_name_build (&target->subject, zone->suffix);
    entry->timer = relais_module_timer_new (monitor->module, on_due, entry);
    g_ptr_array_add (monitor->entries, entry);
}

void
dnsbl_schedule_stop (DnsblMonitor *monitor)
{
    GHashTableIter iter;
    gpointer probe;

    g_queue_clear (&monitor->ready);
    g_hash_table_iter_init (&iter, monitor->probes);
    while (g_hash_table_iter_next (&iter, NULL, &probe))
        dnsbl_probe_cancel (probe);
    g_ptr_array_set_size (monitor->entries, 0);
    monitor->running = 0;
    g_clear_pointer (&monitor->config, dnsbl_config_unref);
}

void
dnsbl_schedule_apply (DnsblMonitor *monitor)
{
    DnsblConfig *config = relais_module_get_config (monitor->module);

    dnsbl_schedule_stop (monitor);
    monitor->config = dnsbl_config_ref (config);
    for (guint i = 0; i < config->targets->len; i++) {
        const DnsblTarget *target = g_ptr_array_index (config->targets, i);

        for (guint k = 0; k < config->zones->len; k++) {
            const DnsblZone *zone = g_ptr_array_index (config->zones, k);

            if ((zone->kinds & target->subject.kind) != 0)
                add_entry (monitor, target, zone);
        }
    }
    for (guint i = 0; i < monitor->entries->len; i++)
        plan_first (g_ptr_array_index (monitor->entries, i), i, monitor->entries->len);
    dnsbl_rule_apply (monitor);
}
