/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Test points (RFC 5782 section 5): what every zone lists, and what none does. A zone that fails them is dead, sold
 * or lists the world: nothing it says counts until it passes. Loop thread.
 */
#include "monitor.h"

#include <string.h>

DnsblProbe *
dnsbl_probe_get (DnsblMonitor *monitor, const DnsblZone *zone, DnsblKind kind)
{
    g_autofree char *key = g_strdup_printf ("%s %s", zone->name, dnsbl_kind_to_string (kind));
    DnsblProbe *probe = g_hash_table_lookup (monitor->probes, key);

    if (probe == NULL) {
        probe = g_new0 (DnsblProbe, 1);
        probe->monitor = monitor;
        probe->reason = g_strdup ("its test points were not asked for yet");
        probe->key = g_steal_pointer (&key);
        g_queue_init (&probe->waiting);
        g_hash_table_insert (monitor->probes, probe->key, probe);
    }
    probe->kind = kind;
    return probe;
}

void
dnsbl_probe_free (gpointer data)
{
    DnsblProbe *probe = data;

    dnsbl_probe_cancel (probe);
    g_free (probe->key);
    g_free (probe->reason);
    g_free (probe->fingerprint);
    g_free (probe);
}

bool
dnsbl_probe_is_due (const DnsblProbe *probe, const DnsblZone *zone)
{
    return probe->next_us <= relais_module_now_us (probe->monitor->module) ||
           g_strcmp0 (probe->fingerprint, zone->fingerprint) != 0;
}

/* --- What came of it -------------------------------------------------------------------------- */

static void
note_state (DnsblProbe *probe, DnsblProbeState state, char *reason)
{
    const gint64 wall_us = relais_module_wall_us (probe->monitor->module);

    probe->state = state;
    g_free (probe->reason);
    probe->reason = reason;
    if (state != DNSBL_PROBE_SILENT)
        probe->silent_us = 0;
    else if (probe->silent_us == 0)
        probe->silent_us = wall_us;
}

/* Whether people are to be told now: once that it is no good, once that it is well again. */
static bool
is_news (DnsblProbe *probe)
{
    const DnsblMonitor *monitor = probe->monitor;
    bool bad = probe->state == DNSBL_PROBE_BROKEN;

    if (probe->state == DNSBL_PROBE_SILENT)
        bad = relais_module_wall_us (monitor->module) - probe->silent_us >=
                  monitor->config->unknown_us ||
              probe->told;
    if (bad == probe->told)
        return false;
    probe->told = bad;
    return true;
}

static void
end (DnsblProbe *probe, DnsblProbeState state, char *reason)
{
    DnsblMonitor *monitor = probe->monitor;
    const DnsblZone *zone = probe->zone;

    note_state (probe, state, reason);
    /* No answer is no check. */
    probe->next_us =
        relais_module_now_us (monitor->module) +
        (state == DNSBL_PROBE_SILENT ? MIN (zone->interval_us, DNSBL_DAY_US) : DNSBL_DAY_US);
    probe->zone = NULL;
    monitor->running--;
    if (is_news (probe)) {
        dnsbl_rule_apply (monitor);
        dnsbl_alert_probe (probe, zone);
    }
    dnsbl_keep_probe (probe);
    while (probe->waiting.length > 0)
        dnsbl_schedule_resume (g_queue_pop_head (&probe->waiting));
    dnsbl_schedule_pump (monitor);
}

static const char *
point_of (const DnsblProbe *probe, const char *configured, bool listed)
{
    DnsblSubject subject;
    bool fits = probe->kind == DNSBL_KIND_DOMAIN;

    if (configured != NULL && !fits) {
        fits = dnsbl_subject_parse (configured, &subject) && subject.kind == probe->kind;
        dnsbl_subject_clear (&subject);
    }
    if (configured != NULL && fits)
        return configured;
    switch (probe->kind) {
    case DNSBL_KIND_ADDRESS4: return listed ? "127.0.0.2" : "127.0.0.1";
    case DNSBL_KIND_ADDRESS6: return listed ? "::ffff:7f00:2" : "::ffff:7f00:1";
    case DNSBL_KIND_DOMAIN: break;
    }
    return listed ? "test" : "invalid";
}

static const char *
point (const DnsblProbe *probe)
{
    return probe->second ? point_of (probe, probe->zone->test_clean, false)
                         : point_of (probe, probe->zone->test_listed, true);
}

static void ask (DnsblProbe *probe);

static void
on_result (const DnsblResult *result, gpointer data)
{
    DnsblProbe *probe = data;
    const char *asked = point (probe);

    probe->poll = NULL;
    if (result->verdict == DNSBL_UNKNOWN)
        end (probe, DNSBL_PROBE_SILENT,
             g_strdup_printf ("its test point %s is unknown: %s", asked, result->answer));
    else if (!probe->second && result->verdict == DNSBL_CLEAN)
        end (probe, DNSBL_PROBE_BROKEN,
             g_strdup_printf ("it does not list its test point %s", asked));
    else if (probe->second && result->verdict == DNSBL_LISTED)
        end (probe, DNSBL_PROBE_BROKEN,
             g_strdup_printf ("it lists %s, which no list does: %s", asked, result->answer));
    else if (probe->second)
        end (probe, DNSBL_PROBE_PASSED, g_strdup (""));
    else {
        probe->second = true;
        ask (probe);
    }
}

/* --- Asking ----------------------------------------------------------------------------------- */

static void
ask (DnsblProbe *probe)
{
    const char *text = point (probe);
    DnsblSubject subject = {.kind = DNSBL_KIND_DOMAIN};
    g_autofree char *name = NULL;

    if (probe->kind == DNSBL_KIND_DOMAIN)
        subject.text = g_strdup (text);
    else
        dnsbl_subject_parse (text, &subject);
    name = dnsbl_name_build (&subject, probe->zone->suffix);
    dnsbl_subject_clear (&subject);
    probe->poll = dnsbl_poll_start (probe->monitor->module, probe->zone, name != NULL ? name : "",
                                    false, on_result, probe);
}

void
dnsbl_probe_start (DnsblProbe *probe, const DnsblZone *zone)
{
    probe->monitor->running++;
    probe->zone = zone;
    probe->second = false;
    g_free (probe->fingerprint);
    probe->fingerprint = g_strdup (zone->fingerprint);
    ask (probe);
}

void
dnsbl_probe_cancel (DnsblProbe *probe)
{
    g_queue_clear (&probe->waiting);
    g_clear_pointer (&probe->poll, dnsbl_poll_cancel);
    if (probe->zone != NULL)
        probe->next_us = 0;
    probe->zone = NULL;
}
