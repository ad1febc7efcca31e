/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl dnsbl check TARGET`: every zone is asked now, with every answer shown. What is known of the target stays
 * as it is: one answer confirms nothing. Loop thread.
 */
#include "monitor.h"

#include <glib/gi18n-lib.h>

typedef struct Question Question;

/* A call that waits for its answers. */
typedef struct {
    DnsblMonitor *monitor;
    DnsblConfig *config;
    RelaisCommandCall *call;
    DnsblSubject subject;
    guint next;       /* zone to be asked */
    GQueue under_way; /* Question */
    GList link;       /* in monitor->checks */
} Check;

struct Question {
    Check *check;
    const DnsblZone *zone;
    DnsblPoll *poll;
    GList link;
};

static void
question_free (Question *question)
{
    g_queue_unlink (&question->check->under_way, &question->link);
    g_free (question);
}

static void
check_free (Check *check)
{
    g_queue_unlink (&check->monitor->checks, &check->link);
    while (check->under_way.length > 0) {
        Question *question = g_queue_peek_head (&check->under_way);

        dnsbl_poll_cancel (question->poll);
        question_free (question);
    }
    dnsbl_subject_clear (&check->subject);
    dnsbl_config_unref (check->config);
    g_free (check);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static const char *
probe_state (const Check *check, const DnsblZone *zone)
{
    g_autofree char *key =
        g_strdup_printf ("%s %s", zone->name, dnsbl_kind_to_string (check->subject.kind));
    const DnsblProbe *probe = g_hash_table_lookup (check->monitor->probes, key);

    if (probe == NULL)
        return "untested";
    switch (probe->state) {
    case DNSBL_PROBE_PASSED: return "passed";
    case DNSBL_PROBE_BROKEN: return "broken";
    case DNSBL_PROBE_SILENT: return "silent";
    case DNSBL_PROBE_UNTESTED: break;
    }
    return "untested";
}

static void
put (const Check *check, const DnsblZone *zone, const DnsblResult *result)
{
    g_autofree char *url =
        result->verdict == DNSBL_LISTED ? dnsbl_zone_url (zone, check->subject.text) : NULL;

    relais_command_put (check->call, "zone", zone->name);
    relais_command_put (check->call, "state", dnsbl_verdict_to_string (result->verdict));
    relais_command_put (check->call, "answer", result->answer);
    relais_command_put (check->call, "codes", result->codes);
    relais_command_put (check->call, "test", probe_state (check, zone));
    relais_command_put (check->call, "text", result->text);
    relais_command_put (check->call, "url", url);
    relais_command_end_row (check->call);
}

/* --- Asking ----------------------------------------------------------------------------------- */

static void go_on (Check *check);

static void
on_result (const DnsblResult *result, gpointer data)
{
    Question *question = data;
    Check *check = question->check;

    put (check, question->zone, result);
    question_free (question);
    go_on (check);
}

static void
ask (Check *check, const DnsblZone *zone)
{
    g_autofree char *name = dnsbl_name_build (&check->subject, zone->suffix);
    const bool refused = zone->refuses_public && check->config->public_server != NULL;
    Question *question;

    if (refused || name == NULL) {
        char *answer = refused ? (char *)"not asked: public resolver"
                               : (char *)"not asked: the name is too long";
        const DnsblResult result = {.verdict = DNSBL_UNKNOWN, .answer = answer};

        put (check, zone, &result);
        return;
    }
    question = g_new0 (Question, 1);
    question->check = check;
    question->zone = zone;
    question->link.data = question;
    g_queue_push_tail_link (&check->under_way, &question->link);
    question->poll =
        dnsbl_poll_start (check->monitor->module, zone, name, true, on_result, question);
}

/* Asks what may be asked now; ends the call when all has been. */
static void
go_on (Check *check)
{
    while (check->next < check->config->zones->len &&
           check->under_way.length < check->config->parallel) {
        const DnsblZone *zone = g_ptr_array_index (check->config->zones, check->next++);

        if ((zone->kinds & check->subject.kind) != 0)
            ask (check, zone);
    }
    if (check->under_way.length == 0) {
        RelaisCommandCall *call = check->call;

        check_free (check);
        relais_command_finish (call);
    }
}

void
dnsbl_command_check (RelaisCommandCall *call, gpointer data)
{
    DnsblMonitor *monitor = relais_module_get_data (data);
    DnsblSubject subject = {0};
    Check *check;

    if (relais_command_n_args (call) != 1 ||
        !dnsbl_subject_parse (relais_command_arg (call, 0), &subject)) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("one word is wanted: an address or a domain"));
        return;
    }
    check = g_new0 (Check, 1);
    check->monitor = monitor;
    check->config = dnsbl_config_ref (relais_module_get_config (data));
    check->call = call;
    check->subject = subject;
    check->link.data = check;
    g_queue_push_tail_link (&monitor->checks, &check->link);
    go_on (check);
}

void
dnsbl_check_end_all (DnsblMonitor *monitor)
{
    while (monitor->checks.length > 0) {
        Check *check = g_queue_peek_head (&monitor->checks);
        RelaisCommandCall *call = check->call;

        check_free (check);
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the daemon stops"));
    }
}
