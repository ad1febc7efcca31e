/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue takes over a configuration that was read again: limits and providers act on what is queued from the
 * next turn on, lifetimes and routes as the messages are gone through. Loop thread.
 */
#include "config.h"

#include "queue/queue-private.h"

#include "queue/lane-private.h"
#include "queue/reroute-private.h"
#include "queue/rest-private.h"
#include "queue/tlsrpt-private.h"

#include <string.h>

enum { SLOTS_PER_TURN = 2000 };

/* --- Lifetimes ---------------------------------------------------------------------------------- */

static bool
schedules_differ (const RelaisSchedule *a, const RelaisSchedule *b)
{
    return a->lifetime_us != b->lifetime_us || a->bounce_lifetime_us != b->bounce_lifetime_us ||
           a->n_notices != b->n_notices ||
           memcmp (a->notices_us, b->notices_us, sizeof a->notices_us) != 0;
}

/* Posted: a timer that is due at once would run again in the same turn. */
static void
reset_deadlines (gpointer data)
{
    RelaisQueue *queue = data;
    guint32 end = MIN (queue->next_deadline + SLOTS_PER_TURN, queue->records.slots.top);

    for (; !queue->closed && queue->next_deadline < end; queue->next_deadline++) {
        const RelaisMessageSlot *slot = relais_slot_at (&queue->records, queue->next_deadline);

        /* What an operator gave more time keeps it; what he holds has no deadline. */
        if (slot->used && !slot->grace && (slot->deadline_s != 0 || slot->quarantined))
            relais_queue_set_deadline (queue, queue->next_deadline);
    }
    if (!queue->closed && end < queue->records.slots.top) {
        relais_loop_post (queue->loop, reset_deadlines, queue);
        return;
    }
    queue->next_deadline = 0;
    relais_queue_unref (queue);
}

/* --- The rest ----------------------------------------------------------------------------------- */

static void
reload_tenants (const RelaisQueue *queue)
{
    GHashTableIter iter;
    gpointer name, data;

    g_hash_table_iter_init (&iter, queue->tenants);
    while (g_hash_table_iter_next (&iter, &name, &data)) {
        const RelaisSection *section = relais_config_find_section (queue->config, "tenant", name);
        RelaisTenant *tenant = data;

        relais_queue_set_schedules (queue, tenant);
        if (section == NULL)
            continue;
        tenant->weight = (guint)relais_section_get_int (section, "weight");
        /* Of mail that comes from now on: what is queued stays with the sources it waits for. */
        tenant->pool = relais_queue_settings_pool (&queue->settings,
                                                   relais_section_get_string (section, "pool"));
    }
}

static void
begin_reset (RelaisQueue *queue)
{
    if (queue->next_deadline == 0)
        relais_loop_post (queue->loop, reset_deadlines, relais_queue_ref (queue));
    queue->next_deadline = 1;
}

void
relais_queue_reload (RelaisQueue *queue, RelaisConfig *config, RelaisQueueSettings *fresh)
{
    bool reset;

    /* Those of tenants are not told apart: the walk costs little. */
    reset = g_hash_table_size (queue->settings.tenant_schedules) > 0 ||
            g_hash_table_size (fresh->tenant_schedules) > 0;
    for (gsize i = 0; i < G_N_ELEMENTS (fresh->schedules); i++)
        reset = reset || schedules_differ (&queue->settings.schedules[i], &fresh->schedules[i]);
    reset = reset || queue->settings.quarantine_lifetime_us != fresh->quarantine_lifetime_us;
    if (relais_queue_settings_adopt (&queue->settings, fresh))
        relais_reroute_begin (queue);
    relais_config_ref (config);
    relais_config_unref (queue->config);
    queue->config = config;
    queue->settings_serial++;
    relais_tls_sessions_set_most (queue->tls_sessions, queue->settings.tls_sessions);
    reload_tenants (queue);
    relais_queue_settings_clear (fresh); /* tenants pointed at its schedules */
    relais_lanes_reload (queue);
    relais_rest_reload (queue);
    if (reset)
        begin_reset (queue);
}

void
relais_queue_use_policies (RelaisQueue *queue, RelaisSts *sts)
{
    queue->sts = sts;
    queue->policies_serial++;
}

void
relais_queue_use_reports (RelaisQueue *queue, RelaisTlsrpt *tlsrpt)
{
    if (queue->tlsrpt != NULL)
        relais_tlsrpt_set_queue (queue->tlsrpt, NULL);
    queue->tlsrpt = tlsrpt;
    if (tlsrpt != NULL)
        relais_tlsrpt_set_queue (tlsrpt, queue);
}
