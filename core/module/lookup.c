/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Modules' lookups (include/relais/dns.h): hands them to the resolver, or, where the harness gave a zone,
 * answers from that; and ends what is under way when the daemon stops. Loop thread.
 */
#include "config.h"

#include "module/module-private.h"

#include "dns/answer-private.h"

struct RelaisLookup {
    RelaisHost *host;
    RelaisModule *module;
    guint64 id;            /* of the message that it is made for, or 0 */
    RelaisLookupFunc func; /* NULL: it is being told, or was */
    gpointer data;
    RelaisDnsQuery *query;   /* the resolver has it; or NULL */
    RelaisDnsAnswer *answer; /* known already, to be told from a later turn; or NULL */
    RelaisTimer timer;
    GList link; /* in host->lookups */
};

static void
lookup_free (RelaisLookup *lookup)
{
    RelaisHost *host = lookup->host;

    g_queue_unlink (&host->lookups, &lookup->link);
    g_atomic_int_add (&host->jobs, -1);
    relais_timer_stop (&lookup->timer);
    if (lookup->answer != NULL)
        relais_dns_answer_free (lookup->answer);
    g_free (lookup);
}

/* Who is told may cancel it all the same: it is over then. */
static void
tell (RelaisLookup *lookup, const RelaisDnsAnswer *answer)
{
    const RelaisLookupFunc func = g_steal_pointer (&lookup->func);
    RelaisGuard outer;

    relais_guard_enter (&outer, lookup->module, "lookup", lookup->id);
    func (answer, lookup->data);
    relais_guard_leave (&outer);
    lookup_free (lookup);
}

static void
on_answer (gpointer data, const RelaisDnsAnswer *answer)
{
    RelaisLookup *lookup = data;

    lookup->query = NULL;
    tell (lookup, answer);
}

static void
on_known (gpointer data)
{
    RelaisLookup *lookup = data;

    tell (lookup, lookup->answer);
}

static void
know (RelaisLookup *lookup, RelaisDnsAnswer *answer)
{
    lookup->answer = answer;
    relais_timer_set (&lookup->timer, 0);
}

static RelaisDnsAnswer *
answer_failed (const char *reason)
{
    RelaisDnsAnswer *answer = relais_dns_answer_new ();

    relais_dns_answer_fail (answer, reason);
    return answer;
}

RelaisLookup *
relais_lookup (RelaisModule *module, const gchar *name, RelaisDnsType type, RelaisLookupFunc func,
               gpointer data)
{
    RelaisHost *host = module->host;
    RelaisLookup *lookup;

    g_return_val_if_fail (name != NULL && func != NULL, NULL);
    relais_loop_assert_owner (host->loop);
    lookup = g_new (RelaisLookup, 1);
    *lookup = (RelaisLookup){.host = host,
                             .module = module,
                             .id = relais_guard_id (),
                             .func = func,
                             .data = data,
                             .link.data = lookup};
    relais_timer_init (&lookup->timer, host->loop, on_known, lookup);
    g_queue_push_tail_link (&host->lookups, &lookup->link);
    g_atomic_int_inc (&host->jobs);
    if (host->stopped)
        know (lookup, answer_failed ("the daemon stops"));
    else if (host->zone != NULL)
        know (lookup, relais_test_zone_answer (host->zone, name, type));
    else if (host->dns != NULL)
        lookup->query = relais_dns_query (host->dns, name, type, on_answer, lookup);
    else
        know (lookup, answer_failed ("there is no resolver"));
    return lookup;
}

void
relais_lookup_cancel (RelaisLookup *lookup)
{
    if (lookup == NULL || lookup->func == NULL)
        return;
    relais_dns_cancel (lookup->query);
    lookup_free (lookup);
}

void
relais_host_end_lookups (RelaisHost *host)
{
    RelaisDnsAnswer *answer = answer_failed ("the daemon stops");

    /* Those that are begun in answer to it end by themselves. */
    for (guint n = host->lookups.length; n > 0 && host->lookups.head != NULL; n--) {
        RelaisLookup *lookup = host->lookups.head->data;

        relais_dns_cancel (g_steal_pointer (&lookup->query));
        tell (lookup, answer);
    }
    relais_dns_answer_free (answer);
}

void
relais_host_set_dns (RelaisHost *host, struct RelaisDns *dns)
{
    host->dns = dns;
}
