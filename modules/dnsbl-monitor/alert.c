/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What people are told of a change: an event, a line of the log, and a mail that says what it means and what to do.
 * No more than so many mails go out in a day; the log has the rest. Loop thread.
 */
#include "monitor.h"

#include <glib/gi18n-lib.h>
#include <relais/event.h>
#include <relais/log.h>
#include <relais/shaping.h>

/* --- Mail ------------------------------------------------------------------------------------- */

static bool
may_mail (DnsblMonitor *monitor)
{
    const gint64 now_us = relais_module_wall_us (monitor->module);

    if (now_us - monitor->day_us >= DNSBL_DAY_US || now_us < monitor->day_us) {
        monitor->day_us = now_us;
        monitor->mails = 0;
    }
    return monitor->mails < monitor->config->mails_per_day;
}

static void
mail (DnsblMonitor *monitor, const char *subject, const GString *text)
{
    g_autofree char *whole = NULL;

    if (!monitor->config->mail)
        return;
    if (!may_mail (monitor)) {
        relais_counter_add (monitor->notices, "over-limit", 1);
        return;
    }
    monitor->mails++;
    whole = monitor->mails < monitor->config->mails_per_day
                ? g_strdup (text->str)
                : g_strconcat (
                      text->str, "\n",
                      _ ("This was the last of today's mails (mails_per_day): until tomorrow see "
                         "the log and \"relaisctl dnsbl\".\n"),
                      NULL);
    if (relais_notify_postmaster (monitor->module, subject, whole)) {
        relais_counter_add (monitor->notices, "sent", 1);
        return;
    }
    relais_counter_add (monitor->notices, "not-taken", 1);
    relais_log (monitor->module, RELAIS_LOG_WARNING,
                "no mail could be sent to the postmaster ([relais] postmaster): %s", subject);
}

/* --- A target --------------------------------------------------------------------------------- */

static void
emit (const DnsblEntry *entry, const char *from, const char *to, const char *url)
{
    const DnsblRecord *record = entry->record;
    const bool listed = record->confirmed == DNSBL_LISTED;
    RelaisEvent *event = relais_event_new (entry->monitor->module, "dnsbl", 0, NULL, -1);

    relais_event_add (event, "target", entry->target->subject.text);
    relais_event_add (event, "what", entry->target->what);
    relais_event_add (event, "zone", entry->zone->name);
    relais_event_add (event, "severity", entry->zone->blocks ? "block" : "warn");
    relais_event_add (event, "from", from);
    relais_event_add (event, "to", to);
    relais_event_add (event, "answer", record->answer);
    relais_event_add (event, "codes", listed ? record->codes : NULL);
    relais_event_add (event, "text", listed && record->text[0] != '\0' ? record->text : NULL);
    relais_event_add (event, "url", url);
    relais_event_emit (event);
}

static void
log_change (const DnsblEntry *entry, const char *url)
{
    const DnsblRecord *record = entry->record;
    const char *target = entry->target->subject.text;

    if (!entry->monitor->config->log)
        return;
    if (record->confirmed != DNSBL_LISTED)
        relais_log (entry->monitor->module, RELAIS_LOG_NOTICE, "%s (%s) is no longer listed by %s",
                    target, entry->target->what, entry->zone->name);
    else
        relais_log (entry->monitor->module, RELAIS_LOG_WARNING,
                    "%s (%s) is listed by %s: %s (%s) %s; %s", target, entry->target->what,
                    entry->zone->name, record->codes, record->answer, record->text,
                    url != NULL ? url : entry->zone->shown);
}

/* What was done with the sources of an address. */
static void
add_sources (GString *text, const DnsblEntry *entry)
{
    for (guint i = 0; i < entry->target->sources->len; i++) {
        const char *name = g_ptr_array_index (entry->target->sources, i);
        const char *reason = relais_source_get_reason (entry->monitor->module, name);

        if (reason != NULL)
            g_string_append_printf (
                text, _ ("Source %s is out of use: %s. Its pool's other sources send its mail.\n"),
                name, reason);
        else
            g_string_append_printf (text, _ ("Source %s is in use.\n"), name);
    }
}

static void
mail_listed (const DnsblEntry *entry, const char *url)
{
    const DnsblRecord *record = entry->record;
    const char *target = entry->target->subject.text;
    g_autofree char *subject =
        g_strdup_printf (_ ("%s is listed by %s"), target, entry->zone->name);
    g_autoptr (GString) text = g_string_new (NULL);

    g_string_append_printf (text, _ ("%s (%s) is listed by %s (%s).\n\n"), target,
                            entry->target->what, entry->zone->name, entry->zone->shown);
    g_string_append_printf (text, _ ("Answer: %s (%s)\n"), record->answer, record->codes);
    if (record->text[0] != '\0')
        g_string_append_printf (text, _ ("Reason given: %s\n"), record->text);
    g_string_append (text, "\n");
    g_string_append (text, entry->zone->blocks
                               ? _ ("Many receivers refuse mail because of this list.\n")
                               : _ ("Few receivers refuse mail because of this list alone.\n"));
    add_sources (text, entry);
    g_string_append (
        text, _ ("\nWhat to do: find out what was sent and stop it first (a user's stolen "
                 "password, a list of bought addresses, a form that anybody can use); who asks "
                 "for delisting before that is listed again. Then ask for it.\n"));
    if (url != NULL)
        g_string_append_printf (text, "%s\n", url);
    g_string_append_printf (text, _ ("\nTo look again at once: relaisctl dnsbl check %s\n"),
                            target);
    mail (entry->monitor, subject, text);
}

static void
mail_clean (const DnsblEntry *entry)
{
    const char *target = entry->target->subject.text;
    g_autofree char *subject =
        g_strdup_printf (_ ("%s is no longer listed by %s"), target, entry->zone->name);
    g_autoptr (GString) text = g_string_new (NULL);

    g_string_append_printf (text, _ ("%s (%s) is no longer listed by %s (%s).\n\n"), target,
                            entry->target->what, entry->zone->name, entry->zone->shown);
    add_sources (text, entry);
    g_string_append_printf (text, _ ("When it was what: relaisctl dnsbl history %s\n"), target);
    mail (entry->monitor, subject, text);
}

void
dnsbl_alert_change (const DnsblEntry *entry)
{
    const DnsblChange *change = g_queue_peek_tail (&entry->record->changes);
    g_autofree char *url = dnsbl_zone_url (entry->zone, entry->target->subject.text);

    emit (entry, dnsbl_verdict_to_string (change->from), dnsbl_verdict_to_string (change->to), url);
    log_change (entry, url);
    if (change->to == DNSBL_LISTED)
        mail_listed (entry, url);
    else
        mail_clean (entry);
}

void
dnsbl_alert_unknown (const DnsblEntry *entry)
{
    const char *target = entry->target->subject.text;
    g_autofree char *subject =
        g_strdup_printf (_ ("nothing is known of %s from %s"), target, entry->zone->name);
    g_autoptr (GString) text = g_string_new (NULL);

    emit (entry, dnsbl_verdict_to_string (entry->record->confirmed), "unknown", NULL);
    if (entry->monitor->config->log)
        relais_log (entry->monitor->module, RELAIS_LOG_WARNING,
                    "for long nothing is known of %s from %s: %s", target, entry->zone->name,
                    entry->record->answer);
    g_string_append_printf (text, _ ("For long %s (%s) has not said whether %s is listed.\n"),
                            entry->zone->name, entry->zone->shown, target);
    g_string_append_printf (text, _ ("Answer: %s\n"), entry->record->answer);
    g_string_append_printf (text, _ ("What was known before stays: %s.\n"),
                            dnsbl_verdict_to_string (entry->record->confirmed));
    mail (entry->monitor, subject, text);
}

/* --- A zone ----------------------------------------------------------------------------------- */

static void
emit_probe (const DnsblProbe *probe, const DnsblZone *zone)
{
    RelaisEvent *event = relais_event_new (probe->monitor->module, "dnsbl-zone", 0, NULL, -1);

    relais_event_add (event, "zone", zone->name);
    relais_event_add (event, "kind", dnsbl_kind_to_string (probe->kind));
    relais_event_add_bool (event, "works", probe->state == DNSBL_PROBE_PASSED);
    relais_event_add (event, "text", probe->reason[0] != '\0' ? probe->reason : NULL);
    relais_event_emit (event);
}

static void
mail_probe (const DnsblProbe *probe, const DnsblZone *zone)
{
    g_autofree char *subject = g_strdup_printf (_ ("the blocklist %s does not work"), zone->name);
    g_autoptr (GString) text = g_string_new (NULL);

    g_string_append_printf (text, _ ("%s (%s, %s) fails its test points: %s.\n\n"), zone->name,
                            zone->shown, dnsbl_kind_to_string (probe->kind), probe->reason);
    g_string_append (
        text,
        _ ("Until it passes, what it says counts for nothing: its targets are unknown, and no "
           "source is out of use because of it.\n"));
    g_string_append (
        text, _ ("What to do: see whether the list is still run and answers your resolver (many "
                 "refuse public ones, and some want a registration). If not, switch it off:\n"));
    g_string_append_printf (text, "[dnsbl-monitor-zone %s]\nenable = no\n", zone->name);
    mail (probe->monitor, subject, text);
}

void
dnsbl_alert_probe (const DnsblProbe *probe, const DnsblZone *zone)
{
    const bool works = probe->state == DNSBL_PROBE_PASSED;

    emit_probe (probe, zone);
    if (probe->monitor->config->log && works)
        relais_log (probe->monitor->module, RELAIS_LOG_NOTICE,
                    "zone %s (%s) passes its test points again", zone->name,
                    dnsbl_kind_to_string (probe->kind));
    else if (probe->monitor->config->log)
        relais_log (
            probe->monitor->module, RELAIS_LOG_WARNING,
            "zone %s (%s) fails its test points, and counts for nothing until it passes: %s",
            zone->name, dnsbl_kind_to_string (probe->kind), probe->reason);
    if (!works)
        mail_probe (probe, zone);
}
