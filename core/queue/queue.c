/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue as the other rooms see it: takes messages in, starts, drains, and holds the tables that
 * its parts share. Loop thread only.
 */
#include "config.h"

#include "queue/commands-private.h"
#include "queue/connection-private.h"
#include "queue/grace-private.h"
#include "queue/keep-private.h"
#include "queue/local-private.h"
#include "queue/outcome-private.h"
#include "queue/quarantine-private.h"
#include "queue/reroute-private.h"
#include "queue/schedule-private.h"
#include "queue/shaper-private.h"
#include "queue/source-private.h"
#include "queue/suppressed-private.h"

#include "message/release-private.h"

#include <string.h>

#define SWEEP_US RELAIS_USEC_PER_MIN
enum { SWEEP_ITEMS = 1000, JOB_RETRY_US = 5000 };
enum { NOTICES = RELAIS_SCHEDULE_NOTICES }; /* of a state's flags: how many were sent */

/* --- References ------------------------------------------------------------------------------- */

static void tables_free (RelaisQueue *queue);

RelaisQueue *
relais_queue_ref (RelaisQueue *queue)
{
    queue->refs++;
    return queue;
}

void
relais_queue_unref (RelaisQueue *queue)
{
    if (--queue->refs > 0)
        return;
    tables_free (queue);
    g_free (queue);
}

/* --- The pump --------------------------------------------------------------------------------- */

bool
relais_queue_may_send (const RelaisQueue *queue)
{
    return queue->started && !queue->draining && !queue->closed && queue->next_rerouted == 0 &&
           !relais_spool_is_stopped (queue->spool);
}

static void
pump (gpointer data)
{
    RelaisQueue *queue = data;

    queue->pump_posted = false;
    /* Lanes that are marked meanwhile come in the next turn. */
    for (guint n = queue->dirty_lanes.length; n > 0 && !queue->closed; n--) {
        GList *link = g_queue_pop_head_link (&queue->dirty_lanes);
        RelaisLane *lane;

        if (link == NULL)
            break;
        lane = link->data;
        lane->dirty = false;
        relais_lane_pump (lane);
    }
    if (!queue->closed) {
        relais_flows_go_on (queue);
        relais_queue_pump_local (queue);
    }
    relais_queue_unref (queue);
}

void
relais_queue_wake (RelaisQueue *queue)
{
    if (queue->pump_posted || queue->closed)
        return;
    queue->pump_posted = true;
    relais_loop_post (queue->loop, pump, relais_queue_ref (queue));
}

static void
on_spool_resumed (gpointer data)
{
    relais_lane_mark_all (data);
}

/* --- Jobs ------------------------------------------------------------------------------------- */

typedef struct {
    RelaisQueue *queue;
    RelaisLoopFunc work, done;
    gpointer data;
} Job;

static void try_jobs (gpointer data);

static void
job_work (gpointer data)
{
    Job *job = data;

    job->work (job->data);
}

static void
job_done (gpointer data)
{
    Job *job = data;
    RelaisQueue *queue = job->queue;

    job->done (job->data);
    g_free (job);
    if (!queue->closed)
        try_jobs (queue);
    relais_queue_unref (queue);
}

static void
try_jobs (gpointer data)
{
    RelaisQueue *queue = data;

    while (!g_queue_is_empty (&queue->waiting_jobs)) {
        if (!relais_pool_run (queue->pool, job_work, job_done,
                              g_queue_peek_head (&queue->waiting_jobs))) {
            relais_timer_set (&queue->jobs_timer, JOB_RETRY_US);
            return;
        }
        g_queue_pop_head (&queue->waiting_jobs);
    }
}

void
relais_queue_run_job (RelaisQueue *queue, RelaisLoopFunc work, RelaisLoopFunc done, gpointer data)
{
    Job *job = g_new (Job, 1);

    *job = (Job){relais_queue_ref (queue), work, done, data};
    g_queue_push_tail (&queue->waiting_jobs, job);
    try_jobs (queue);
}

/* --- Names ------------------------------------------------------------------------------------ */

static void
tenant_free (gpointer data)
{
    RelaisTenant *tenant = data;

    g_free (tenant->name);
    g_free (tenant);
}

RelaisTenant *
relais_queue_tenant (RelaisQueue *queue, const char *name)
{
    const char *key = name != NULL ? name : "";
    RelaisTenant *tenant = g_hash_table_lookup (queue->tenants, key);
    const RelaisSection *section;

    if (tenant != NULL)
        return tenant;
    section = name != NULL ? relais_config_find_section (queue->config, "tenant", name) : NULL;
    tenant = g_new0 (RelaisTenant, 1);
    tenant->name = g_strdup (key);
    tenant->weight = section != NULL ? (guint)relais_section_get_int (section, "weight") : 1;
    tenant->pool = relais_queue_settings_pool (
        &queue->settings, section != NULL ? relais_section_get_string (section, "pool") : NULL);
    relais_queue_set_schedules (queue, tenant);
    g_hash_table_insert (queue->tenants, tenant->name, tenant);
    return tenant;
}

RelaisCampaign *
relais_queue_campaign (RelaisQueue *queue, const char *name)
{
    RelaisCampaign *campaign;

    if (name == NULL)
        return NULL;
    campaign = g_hash_table_lookup (queue->campaigns, name);
    if (campaign != NULL)
        return relais_campaign_ref (campaign);
    if (g_hash_table_size (queue->campaigns) >= RELAIS_QUEUE_CAMPAIGNS)
        return NULL;
    campaign = g_new (RelaisCampaign, 1);
    *campaign = (RelaisCampaign){queue, 1, g_strdup (name)};
    g_hash_table_insert (queue->campaigns, campaign->name, campaign);
    return campaign;
}

RelaisCampaign *
relais_campaign_ref (RelaisCampaign *campaign)
{
    if (campaign != NULL)
        campaign->refs++;
    return campaign;
}

void
relais_campaign_unref (RelaisCampaign *campaign)
{
    if (campaign == NULL || --campaign->refs > 0)
        return;
    g_hash_table_remove (campaign->queue->campaigns, campaign->name);
    g_free (campaign->name);
    g_free (campaign);
}

static void
set_domain_number (RelaisQueue *queue, RelaisQueueDomain *domain)
{
    if (queue->free_domains->len == 0) {
        domain->number = queue->domain_table->len;
        g_ptr_array_add (queue->domain_table, domain);
        return;
    }
    domain->number = g_array_index (queue->free_domains, guint32, queue->free_domains->len - 1);
    g_array_set_size (queue->free_domains, queue->free_domains->len - 1);
    g_ptr_array_index (queue->domain_table, domain->number) = domain;
}

/* The domain, with one more use. */
RelaisQueueDomain *
relais_queue_domain (RelaisQueue *queue, const char *name)
{
    RelaisQueueDomain *domain = g_hash_table_lookup (queue->domains, name);

    if (domain == NULL) {
        domain = g_new0 (RelaisQueueDomain, 1);
        domain->name = g_strdup (name);
        domain->destination = relais_destination_get (queue, name);
        domain->routing = queue->routing;
        domain->idle_link.data = domain;
        set_domain_number (queue, domain);
        g_hash_table_insert (queue->domains, domain->name, domain);
    } else if (domain->uses == 0) {
        g_queue_unlink (&queue->idle_domains, &domain->idle_link);
    }
    relais_queue_renew_domain (queue, domain);
    domain->uses++;
    return domain;
}

void
relais_queue_domain_release (RelaisQueue *queue, guint32 number)
{
    RelaisQueueDomain *domain = relais_queue_domain_at (queue, number);

    if (--domain->uses > 0)
        return;
    domain->idle_since_us = relais_loop_now_us (queue->loop);
    g_queue_push_tail_link (&queue->idle_domains, &domain->idle_link);
}

static void
domain_free (RelaisQueue *queue, RelaisQueueDomain *domain)
{
    g_hash_table_remove (queue->domains, domain->name);
    g_ptr_array_index (queue->domain_table, domain->number) = NULL;
    g_array_append_val (queue->free_domains, domain->number);
    relais_destination_release (domain->destination);
    g_free (domain->name);
    g_free (domain);
}

/* Lets go what nothing was queued for since a minute. */
static void
sweep (gpointer data)
{
    RelaisQueue *queue = data;
    gint64 before = relais_loop_now_us (queue->loop) - SWEEP_US;

    for (guint i = 0; i < SWEEP_ITEMS && queue->idle_flows.head != NULL; i++) {
        RelaisFlow *flow = queue->idle_flows.head->data;

        if (flow->idle_since_us > before)
            break;
        relais_flow_free (flow);
    }
    for (guint i = 0; i < SWEEP_ITEMS && queue->idle_domains.head != NULL; i++) {
        RelaisQueueDomain *domain = queue->idle_domains.head->data;

        if (domain->idle_since_us > before)
            break;
        g_queue_unlink (&queue->idle_domains, &domain->idle_link);
        domain_free (queue, domain);
    }
    if (queue->idle_flows.length > 0 || queue->idle_domains.length > 0)
        relais_timer_set (&queue->sweep_timer, SWEEP_US / 4);
}

void
relais_queue_sweep_later (RelaisQueue *queue)
{
    if (!relais_timer_is_set (&queue->sweep_timer) && !queue->closed)
        relais_timer_set (&queue->sweep_timer, SWEEP_US);
}

const RelaisSchedule *
relais_queue_schedule (const RelaisQueue *queue, const RelaisMessageSlot *slot)
{
    const RelaisDelivery *any = relais_delivery_at (&queue->records, slot->first);

    return relais_queue_flow_at (queue, any->flow)
        ->tenant->schedules[slot->klass == RELAIS_CLASS_BULK];
}

void
relais_queue_set_schedules (const RelaisQueue *queue, RelaisTenant *tenant)
{
    for (guint klass = 0; klass < G_N_ELEMENTS (tenant->schedules); klass++)
        tenant->schedules[klass] =
            relais_queue_settings_schedule (&queue->settings, klass, tenant->name);
}

/* --- Records ---------------------------------------------------------------------------------- */

static void
arm_wheel (RelaisQueue *queue)
{
    gint64 next = relais_wheel_next_us (queue->wheel);

    if (next == G_MAXINT64)
        relais_timer_stop (&queue->wheel_timer);
    else if (!relais_timer_is_set (&queue->wheel_timer) || queue->wheel_timer.due_us > next)
        relais_timer_set_at (&queue->wheel_timer, next);
}

static void
on_wheel (gpointer data)
{
    RelaisQueue *queue = data;

    relais_wheel_advance (queue->wheel, relais_loop_now_us (queue->loop), relais_queue_on_deadline,
                          queue);
    arm_wheel (queue);
}

void
relais_queue_set_wake (RelaisQueue *queue, guint32 number, gint64 at_us)
{
    relais_wheel_set (queue->wheel, number, at_us);
    /* The timer stands on the nearest second that held anything; a later one need not move it. */
    if (!relais_timer_is_set (&queue->wheel_timer) || queue->wheel_timer.due_us > at_us)
        arm_wheel (queue);
}

void
relais_queue_set_deadline (RelaisQueue *queue, guint32 number)
{
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, number);
    gint64 deadline = relais_schedule_deadline_us (relais_queue_schedule (queue, slot),
                                                   slot->born_us, slot->noticed, slot->bounce);

    relais_queue_set_wake (queue, number,
                           MIN (deadline, relais_quarantine_deadline_us (queue, slot)));
}

void
relais_queue_forget (RelaisQueue *queue, guint32 number)
{
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    guint32 slot = delivery->message;

    relais_flow_leave (relais_queue_flow_at (queue, delivery->flow));
    relais_queue_domain_release (queue, delivery->domain);
    relais_records_remove_delivery (&queue->records, number);
    relais_queue_sweep_later (queue);
    if (relais_slot_at (&queue->records, slot)->open > 0)
        return;
    relais_wheel_remove (queue->wheel, slot);
    relais_records_remove_slot (&queue->records, slot);
}

/* --- Taking in -------------------------------------------------------------------------------- */

static const char *
domain_of (const char *address)
{
    const char *at = strrchr (address, '@');

    return at != NULL ? at + 1 : address;
}

static guint
count_open (const RelaisMessage *message, gint64 *age_us)
{
    guint n = 0;

    *age_us = 0;
    for (guint i = 0; i < message->envelope.recipients->len; i++) {
        const RelaisState *state = &message->states[i];

        if (relais_state_is_final (state->kind))
            continue;
        n++;
        *age_us = MAX (*age_us, state->age_us);
    }
    return n;
}

static void
add_delivery (RelaisQueue *queue, guint32 slot, const RelaisMessage *message, guint i)
{
    const RelaisEnvelope *envelope = &message->envelope;
    const RelaisState *state = &message->states[i];
    RelaisQueueDomain *domain =
        relais_queue_domain (queue, domain_of (relais_envelope_recipient (envelope, i)->address));
    RelaisTenant *tenant = relais_queue_tenant (queue, envelope->tenant);
    RelaisFlow *flow = relais_flow_get (
        queue, domain->destination, tenant->pool, tenant,
        envelope->klass == RELAIS_CLASS_BULK ? RELAIS_CLASS_BULK : RELAIS_CLASS_TRANSACTIONAL,
        envelope->campaign);
    guint32 number = relais_records_add_delivery (&queue->records, slot, (guint16)i);
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

    relais_flow_enter (flow);
    delivery->flow = flow->number;
    delivery->domain = domain->number;
    delivery->attempts = state->attempts;
    delivery->source = state->source;
}

gint64
relais_queue_release_us (const RelaisQueue *queue, guint32 number)
{
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    const gint64 born = relais_slot_at (&queue->records, delivery->message)->born_us;

    return delivery->attempts == 0 && born > relais_loop_now_us (queue->loop) ? born : 0;
}

void
relais_queue_put (RelaisQueue *queue, guint32 number, bool first)
{
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    RelaisFlow *flow = relais_queue_flow_at (queue, delivery->flow);
    const gint64 release = relais_queue_release_us (queue, number);

    if (release > 0)
        relais_flow_put_waiting (flow, number, release);
    else
        relais_flow_put_due (flow, number, first);
}

static void
place_delivery (RelaisQueue *queue, guint32 number, const RelaisMessage *message)
{
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    const RelaisState *state = &message->states[delivery->recipient];
    RelaisFlow *flow = relais_queue_flow_at (queue, delivery->flow);
    gint64 rest;

    if (state->kind == RELAIS_STATE_HELD) {
        relais_quarantine_put_held (queue, number, state);
        return;
    }
    if (relais_suppressed_is_listed (queue, message, delivery->recipient)) {
        relais_queue_make_local (queue, number, RELAIS_ACTION_SUPPRESS);
        return;
    }
    rest = relais_schedule_rest_us (
        relais_queue_schedule (queue, relais_slot_at (&queue->records, delivery->message)),
        state->attempts, state->due_us, relais_loop_wall_us (queue->loop));
    if (rest > 0)
        relais_flow_put_waiting (flow, number, relais_loop_now_us (queue->loop) + rest);
    else
        relais_queue_put (queue, number, false);
}

static void
finish_message (RelaisQueue *queue, guint64 id)
{
    RelaisGroup *group = relais_group_new (queue->spool);

    relais_group_add_done (group, id);
    relais_group_submit (group, RELAIS_GROUP_LAZY, NULL, NULL, NULL);
}

/* How long it is to be kept yet; by a wall clock that stepped back no longer than was asked for. */
static gint64
rest_to_release_us (const RelaisMessage *message, gint64 release_us, gint64 wall_us)
{
    const gint64 received_us = message->envelope.received_us;

    return release_us > received_us ? CLAMP (release_us - wall_us, 0, release_us - received_us) : 0;
}

static guint32
add_slot (RelaisQueue *queue, const RelaisMessage *message, gint64 age_us)
{
    const RelaisEnvelope *envelope = &message->envelope;
    guint32 number = relais_records_add_slot (&queue->records, message->id);
    RelaisMessageSlot *slot = relais_slot_at (&queue->records, number);
    guint64 size = message->body != NULL ? relais_body_facts (message->body)->size_bytes : 0;
    const gint64 wall = relais_loop_wall_us (queue->loop);
    const gint64 release = relais_message_release_us (message);

    /* The lifetime begins with the release (RFC 4865). */
    slot->born_us = relais_loop_now_us (queue->loop) + rest_to_release_us (message, release, wall) -
                    relais_schedule_age_us (age_us, MAX (envelope->received_us, release), wall);
    slot->sender = relais_queue_name_hash (envelope->sender);
    slot->size_kib = (guint32)MIN (size / 1024, G_MAXUINT32);
    slot->klass = (guint8)envelope->klass;
    slot->bounce = envelope->sender == NULL || envelope->sender[0] == '\0';
    slot->alone = relais_message_find_attribute (message, RELAIS_ATTRIBUTE_ALONE) != NULL;
    for (guint i = 0; i < envelope->recipients->len; i++) {
        if (message->states[i].attempts > 0)
            slot->cooled = 1;
        slot->noticed = MAX (slot->noticed, (guint)message->states[i].flags & NOTICES) & NOTICES;
    }
    return number;
}

/* What is to wait for hours leaves the memory to mail that goes at once. */
static void
cool_if_it_waits (RelaisQueue *queue, guint32 number)
{
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, number);
    const RelaisDelivery *first = relais_delivery_at (&queue->records, slot->first);

    if (relais_queue_release_us (queue, slot->first) > 0 ||
        relais_flow_is_resting (relais_queue_flow_at (queue, first->flow)))
        relais_queue_cool (queue, number);
}

void
relais_queue_add (RelaisQueue *queue, RelaisMessage *message)
{
    guint32 slot;
    gint64 age_us;

    if (relais_records_find (&queue->records, message->id) != 0)
        return;
    if (message->states == NULL)
        relais_message_init_states (message);
    if (count_open (message, &age_us) == 0) {
        finish_message (queue, message->id);
        return;
    }
    slot = add_slot (queue, message, age_us);
    for (guint i = message->envelope.recipients->len; i > 0; i--)
        if (!relais_state_is_final (message->states[i - 1].kind))
            add_delivery (queue, slot, message, i - 1);
    for (guint32 number = relais_slot_at (&queue->records, slot)->first; number != 0;
         number = relais_delivery_at (&queue->records, number)->after)
        place_delivery (queue, number, message);
    relais_queue_set_first_deadline (queue, slot, message);
    cool_if_it_waits (queue, slot);
}

/* --- Life ------------------------------------------------------------------------------------- */

static void
init_tables (RelaisQueue *queue)
{
    relais_records_init (&queue->records);
    queue->wheel = relais_wheel_new (&queue->records, relais_loop_now_us (queue->loop));
    queue->domains = g_hash_table_new (g_str_hash, g_str_equal);
    queue->domain_table = g_ptr_array_new ();
    queue->free_domains = g_array_new (FALSE, FALSE, sizeof (guint32));
    queue->tenants = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, tenant_free);
    queue->campaigns = g_hash_table_new (g_str_hash, g_str_equal);
    queue->destinations = g_hash_table_new (g_str_hash, g_str_equal);
    queue->flows = relais_flow_table_new ();
    queue->flow_table = g_ptr_array_new ();
    queue->free_flows = g_array_new (FALSE, FALSE, sizeof (guint32));
    queue->lanes = g_hash_table_new (g_str_hash, g_str_equal);
    queue->lives = g_hash_table_new (g_int64_hash, g_int64_equal);
    queue->clear_hosts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    queue->out_of_reach = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    queue->notices = g_array_new (FALSE, FALSE, sizeof (guint64));
    relais_timer_init (&queue->wheel_timer, queue->loop, on_wheel, queue);
    relais_timer_init (&queue->sweep_timer, queue->loop, sweep, queue);
    relais_timer_init (&queue->jobs_timer, queue->loop, try_jobs, queue);
    relais_sources_init (queue);
    relais_timer_init (&queue->parked_timer, queue->loop, relais_settlement_retry_parked, queue);
    queue->most_parked = RELAIS_QUEUE_PARKED;
}

static void
tables_free (RelaisQueue *queue)
{
    for (guint i = 0; i < queue->flow_table->len; i++)
        if (queue->flow_table->pdata[i] != NULL)
            relais_flow_free (queue->flow_table->pdata[i]);
    for (guint i = 0; i < queue->domain_table->len; i++)
        if (queue->domain_table->pdata[i] != NULL)
            domain_free (queue, queue->domain_table->pdata[i]);
    relais_wheel_free (queue->wheel);
    relais_records_clear (&queue->records);
    g_hash_table_unref (queue->domains);
    g_ptr_array_unref (queue->domain_table);
    g_array_unref (queue->free_domains);
    g_hash_table_unref (queue->tenants);
    g_hash_table_unref (queue->campaigns);
    g_hash_table_unref (queue->destinations);
    g_hash_table_unref (queue->flows);
    g_ptr_array_unref (queue->flow_table);
    g_array_unref (queue->free_flows);
    g_hash_table_unref (queue->lanes);
    g_hash_table_unref (queue->lives);
    g_hash_table_unref (queue->clear_hosts);
    g_hash_table_unref (queue->out_of_reach);
    g_array_unref (queue->notices);
    relais_queue_settings_clear (&queue->settings);
    g_clear_pointer (&queue->tls, relais_tls_context_unref);
    g_clear_pointer (&queue->tls_verify, relais_tls_context_unref);
    relais_tls_sessions_unref (queue->tls_sessions);
    relais_config_unref (queue->config);
}

RelaisQueue *
relais_queue_new (const RelaisQueueOptions *options, RelaisConfig *config, GError **error)
{
    RelaisQueue *queue = g_new0 (RelaisQueue, 1);

    queue->refs = 1;
    queue->loop = options->loop;
    queue->pool = options->pool;
    queue->spool = options->spool;
    queue->dns = options->dns;
    queue->sts = options->sts;
    queue->host = options->host;
    queue->suppression = options->suppression;
    queue->config = relais_config_ref (config);
    queue->made_us = relais_loop_now_us (queue->loop);
    init_tables (queue);
    if (!relais_queue_settings_read (&queue->settings, config, error) ||
        (queue->tls = relais_tls_context_new_client (false, error)) == NULL ||
        (queue->tls_verify = relais_tls_context_new_client (true, error)) == NULL ||
        !relais_queue_settings_load (&queue->settings, config, error)) {
        relais_queue_unref (queue);
        return NULL;
    }
    queue->tls_sessions = relais_tls_sessions_new (queue->settings.tls_sessions);
    relais_spool_set_resumed (queue->spool, on_spool_resumed, queue);
    relais_queue_begin_shaping (queue);
    relais_queue_begin_intake (queue);
    relais_queue_use_reports (queue, options->tlsrpt);
    return queue;
}

void
relais_queue_start (RelaisQueue *queue)
{
    queue->started = true;
    for (guint i = 0; i < queue->flow_table->len; i++) {
        RelaisFlow *flow = queue->flow_table->pdata[i];

        if (flow != NULL)
            relais_destination_serve (flow->destination, flow);
    }
    relais_lane_mark_all (queue);
    relais_queue_wake (queue);
}

void
relais_queue_each_connection (RelaisQueue *queue, void (*func) (RelaisConnection *connection))
{
    g_autoptr (GPtrArray) all = g_ptr_array_new ();
    GHashTableIter iter;
    gpointer lane;

    g_hash_table_iter_init (&iter, queue->lanes);
    while (g_hash_table_iter_next (&iter, NULL, &lane))
        g_ptr_array_extend (all, ((RelaisLane *)lane)->connections, NULL, NULL);
    for (guint i = 0; i < all->len; i++)
        func (all->pdata[i]);
}

static void
say_drained (gpointer data)
{
    RelaisQueue *queue = data;
    RelaisLoopFunc drained = g_steal_pointer (&queue->drained);

    if (drained != NULL && !queue->closed)
        drained (queue->drained_data);
    relais_queue_unref (queue);
}

void
relais_queue_check_drained (RelaisQueue *queue)
{
    if (!queue->draining || queue->drained == NULL || queue->n_settling > 0 || queue->n_local > 0 ||
        queue->attempts.length > 0)
        return;
    relais_loop_post (queue->loop, say_drained, relais_queue_ref (queue));
}

void
relais_queue_drain (RelaisQueue *queue, RelaisLoopFunc drained, gpointer data)
{
    queue->draining = true;
    queue->drained = drained;
    queue->drained_data = data;
    relais_queue_each_connection (queue, relais_connection_drain);
    relais_queue_check_drained (queue);
}

static void
stop_destination (gpointer name, gpointer data, gpointer unused)
{
    relais_destination_stop (data);
}

void
relais_queue_free (RelaisQueue *queue)
{
    if (queue == NULL)
        return;
    queue->closed = true;
    relais_spool_set_resumed (queue->spool, NULL, NULL);
    relais_queue_end_shaping (queue);
    relais_queue_end_intake (queue);
    relais_timer_stop (&queue->wheel_timer);
    relais_timer_stop (&queue->sweep_timer);
    relais_timer_stop (&queue->jobs_timer);
    relais_sources_stop (queue);
    relais_timer_stop (&queue->parked_timer);
    relais_live_stop_waiting (queue);
    relais_queue_each_connection (queue, relais_connection_kill);
    for (GList *link = queue->attempts.head, *next; link != NULL; link = next) {
        RelaisAttempt *attempt = link->data;

        next = link->next;
        if (attempt->step != RELAIS_ATTEMPT_PREPARING)
            relais_attempt_free (attempt);
    }
    relais_settlement_abandon_all (queue);
    for (Job *job; (job = g_queue_pop_head (&queue->waiting_jobs)) != NULL;)
        job_done (job);
    for (guint i = 0; i < queue->flow_table->len; i++)
        if (queue->flow_table->pdata[i] != NULL)
            relais_flow_stop (queue->flow_table->pdata[i]);
    g_hash_table_foreach (queue->destinations, stop_destination, NULL);
    relais_queue_end_tls_commands (queue);
    relais_queue_end_injects (queue);
    relais_queue_use_reports (queue, NULL);
    relais_queue_unref (queue);
}

/* --- Figures ---------------------------------------------------------------------------------- */

void
relais_queue_figures (RelaisQueue *queue, RelaisQueueFigures *figures)
{
    *figures = (RelaisQueueFigures){.messages = queue->records.slots.used,
                                    .deliveries = queue->records.deliveries.used,
                                    .held = queue->held,
                                    .quarantined = queue->quarantined,
                                    .quarantine_removed_total = queue->lapsed_total,
                                    .active = queue->active,
                                    .due_looking = queue->n_due[RELAIS_DESTINATION_LOOKING],
                                    .due_unrouted = queue->n_due[RELAIS_DESTINATION_ASLEEP],
                                    .flows_in_order = queue->n_in_order,
                                    .flows = g_hash_table_size (queue->flows),
                                    .lanes = g_hash_table_size (queue->lanes),
                                    .connections = queue->n_connections,
                                    .delivered_total = queue->delivered_total,
                                    .deferred_total = queue->deferred_total,
                                    .bounced_total = queue->bounced_total,
                                    .expired_total = queue->expired_total,
                                    .suppressed_total = queue->suppressed_total,
                                    .tls_handshakes_total = queue->tls_handshakes_total,
                                    .tls_resumed_total = queue->tls_resumed_total,
                                    .parked = queue->parked.length,
                                    .evidence_lost_total = queue->evidence_lost_total};
    for (guint i = 0; i < RELAIS_N_DESTINATION_STATES; i++)
        figures->due += queue->n_due[i];
}

guint
relais_queue_n_under_way (const RelaisQueue *queue)
{
    return (guint)(queue->active + queue->n_due[RELAIS_DESTINATION_LOOKING]) + queue->n_settling +
           queue->n_local + queue->n_connections - queue->idle_connections.length;
}

void
relais_queue_count_peers (const RelaisQueue *queue, guint *connections, guint *deliveries)
{
    *connections = queue->n_connections - queue->idle_connections.length;
    *deliveries = (guint)queue->active;
}
