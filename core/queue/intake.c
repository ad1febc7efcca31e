/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What modules submit and ask about. A submission is checked as submitted mail is at the end of its data, kept, and
 * queued; an inquiry is answered from the message's states, which are read from the disk if need be, and the
 * records. Loop thread.
 */
#include "config.h"

#include "queue/keep-private.h"

#include "queue/live-private.h"

#include "message/address-private.h"
#include "message/header-private.h"
#include "module/intake-private.h"
#include "smtp/server-settings-private.h"

#include <string.h>

/* --- Submissions: checks -------------------------------------------------------------------------- */

typedef struct {
    RelaisQueue *queue;
    RelaisSubmission *submission;
    const RelaisSubmitInfo *info;
    const RelaisSection *limits;
    RelaisMessage *message;
    RelaisDraft *draft;
    gsize size;
    RelaisSubmitOutcome outcome; /* OK so far */
    char *text;
} Submitting;

static bool
refuse (Submitting *submitting, RelaisSubmitOutcome outcome, char *text)
{
    submitting->outcome = outcome;
    g_free (submitting->text);
    submitting->text = text;
    return false;
}

static guint64
limit (const Submitting *submitting, const char *key)
{
    return (guint64)relais_section_get_int (submitting->limits, key);
}

static bool
check_form (Submitting *submitting)
{
    char *problem = relais_submit_info_problem (submitting->info, limit (submitting, "recipients"),
                                                limit (submitting, "message_size"));

    return problem == NULL || refuse (submitting, RELAIS_SUBMIT_REFUSED, problem);
}

static bool
check_tenant (Submitting *submitting)
{
    const char *tenant = submitting->info->tenant, *sender = submitting->info->sender;
    const RelaisConfig *config = submitting->queue->config;

    if (tenant == NULL)
        return true;
    if (relais_config_find_section (config, "tenant", tenant) == NULL)
        return refuse (submitting, RELAIS_SUBMIT_REFUSED,
                       g_strdup_printf ("found tenant '%s', wanted one with a section [tenant %s]",
                                        tenant, tenant));
    return sender[0] == '\0' || relais_server_config_tenant_owns (config, tenant, sender) ||
           refuse (submitting, RELAIS_SUBMIT_REFUSED,
                   g_strdup_printf ("found sender '%s', wanted a domain of tenant '%s'", sender,
                                    tenant));
}

static RelaisSubmitOutcome
outcome_of (const GError *error)
{
    return g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_SPACE) ||
                   g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_MEMORY)
               ? RELAIS_SUBMIT_FULL
               : RELAIS_SUBMIT_FAILED;
}

static bool
take_bytes (Submitting *submitting)
{
    const GError *error = relais_spool_refusal (submitting->queue->spool, submitting->size);

    if (error == NULL) {
        submitting->draft = relais_queue_draft (submitting->queue, submitting->info->message);
        error = relais_draft_failure (submitting->draft);
    }
    return error == NULL || refuse (submitting, outcome_of (error), g_strdup (error->message));
}

static bool
check_facts (Submitting *submitting)
{
    char *problem =
        relais_queue_facts_problem (submitting->limits, relais_draft_end (submitting->draft));

    return problem == NULL || refuse (submitting, RELAIS_SUBMIT_REFUSED, problem);
}

static void
add_recipients (RelaisEnvelope *envelope, const gchar *const *recipients)
{
    for (guint i = 0; recipients[i] != NULL; i++) {
        g_autofree char *address = NULL;

        /* They were checked. */
        (void)relais_address_parse (recipients[i], strlen (recipients[i]), false, &address, NULL);
        relais_envelope_add_recipient (envelope, address);
    }
}

static void
fill_in (Submitting *submitting)
{
    const RelaisSubmitInfo *info = submitting->info;
    RelaisEnvelope *envelope;

    submitting->message = relais_message_new (relais_spool_new_id (submitting->queue->spool));
    envelope = &submitting->message->envelope;
    if (relais_address_parse (info->sender, strlen (info->sender), false, &envelope->sender,
                              NULL) != RELAIS_ADDRESS_OK)
        envelope->sender = g_strdup ("");
    add_recipients (envelope, info->recipients);
    envelope->klass =
        info->message_class == RELAIS_MESSAGE_BULK ? RELAIS_CLASS_BULK : RELAIS_CLASS_TRANSACTIONAL;
    envelope->tenant = g_strdup (info->tenant);
    envelope->received_us = relais_loop_wall_us (submitting->queue->loop);
}

static bool
check_header (Submitting *submitting)
{
    const RelaisHygieneOptions options = {
        .submission = true,
        .max_hops = (guint)limit (submitting, "hops"),
        .max_fields = (guint)limit (submitting, "header_fields"),
        .hostname = submitting->queue->settings.hostname,
        .wall_us = submitting->message->envelope.received_us,
    };
    RelaisHeaderRefusal refusal = {0};
    gsize size;
    const guint8 *header = relais_draft_header (submitting->draft, &size);
    RelaisEnvelope *envelope = &submitting->message->envelope;

    if (!relais_hygiene_apply (submitting->message, header, size, &options, false, true,
                               &refusal)) {
        refuse (submitting, RELAIS_SUBMIT_REFUSED,
                g_strdup (refusal.text != NULL ? refusal.text : "bad header"));
        relais_header_refusal_clear (&refusal);
        return false;
    }
    if (submitting->info->campaign != NULL) {
        g_free (envelope->campaign);
        envelope->campaign = g_strdup (submitting->info->campaign);
    }
    if (envelope->tenant == NULL ||
        (envelope->header_from != NULL &&
         relais_server_config_tenant_owns (submitting->queue->config, envelope->tenant,
                                           envelope->header_from)))
        return true;
    return refuse (submitting, RELAIS_SUBMIT_REFUSED,
                   g_strdup_printf ("found no From, or one that is not of a domain of tenant '%s'",
                                    envelope->tenant));
}

/* --- Submissions: acceptance ---------------------------------------------------------------------- */

static void
on_kept (gpointer data, const RelaisMessage *message, const GError *error)
{
    if (error == NULL)
        relais_submission_end (data, RELAIS_SUBMIT_OK, message->id, NULL);
    else
        relais_submission_end (data, outcome_of (error), 0, error->message);
}

static void
keep (Submitting *submitting)
{
    g_autoptr (GBytes) event =
        relais_queue_accepted_event (submitting->message, submitting->size,
                                     relais_submission_get_module (submitting->submission));

    relais_message_init_states (submitting->message);
    relais_queue_keep (submitting->queue, g_steal_pointer (&submitting->message),
                       g_steal_pointer (&submitting->draft), event, on_kept,
                       submitting->submission);
}

static void
submit (gpointer data, RelaisSubmission *submission)
{
    RelaisQueue *queue = data;
    Submitting submitting = {
        .queue = queue,
        .submission = submission,
        .info = relais_submission_get_info (submission),
        .limits = relais_config_find_section (queue->config, "limits", NULL),
    };

    submitting.size = g_bytes_get_size (submitting.info->message);
    if (check_form (&submitting) && check_tenant (&submitting) && take_bytes (&submitting) &&
        check_facts (&submitting)) {
        fill_in (&submitting);
        if (check_header (&submitting))
            keep (&submitting);
    }
    if (submitting.outcome != RELAIS_SUBMIT_OK)
        relais_submission_end (submission, submitting.outcome, 0, submitting.text);
    g_clear_pointer (&submitting.message, relais_message_unref);
    relais_draft_free (submitting.draft);
    g_free (submitting.text);
}

/* --- Inquiries ------------------------------------------------------------------------------------ */

/* The open deliveries of a message by their recipients; NULL where one is done with. Owned. */
static const RelaisDelivery **
deliveries_of (const RelaisQueue *queue, guint32 slot, guint n)
{
    const RelaisDelivery **deliveries = g_new0 (const RelaisDelivery *, n);

    for (guint32 number = relais_slot_at (&queue->records, slot)->first; number != 0;
         number = relais_delivery_at (&queue->records, number)->after) {
        const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

        if (delivery->recipient < n)
            deliveries[delivery->recipient] = delivery;
    }
    return deliveries;
}

static RelaisQueuedState
state_of (const RelaisState *state, const RelaisDelivery *delivery)
{
    switch ((RelaisStateKind)state->kind) {
    case RELAIS_STATE_DELIVERED: return RELAIS_QUEUED_DELIVERED;
    case RELAIS_STATE_BOUNCED: return RELAIS_QUEUED_BOUNCED;
    case RELAIS_STATE_EXPIRED: return RELAIS_QUEUED_EXPIRED;
    case RELAIS_STATE_DELETED: return RELAIS_QUEUED_DELETED;
    case RELAIS_STATE_QUEUED:
    case RELAIS_STATE_HELD: break;
    }
    if (delivery == NULL)
        return RELAIS_QUEUED_UNDER_WAY;
    switch ((RelaisPlace)delivery->place) {
    case RELAIS_PLACE_HELD: return RELAIS_QUEUED_HELD;
    case RELAIS_PLACE_WAITING:
    case RELAIS_PLACE_DUE: return RELAIS_QUEUED_WAITING;
    case RELAIS_PLACE_NONE:
    case RELAIS_PLACE_ACTIVE:
    case RELAIS_PLACE_LOCAL: break;
    }
    return RELAIS_QUEUED_UNDER_WAY;
}

/* What is due has been so since some moment that nobody keeps: now. */
static gint64
next_of (const RelaisQueue *queue, const RelaisDelivery *delivery)
{
    const gint64 wall_us = relais_loop_wall_us (queue->loop);

    return delivery->place == RELAIS_PLACE_WAITING
               ? wall_us + delivery->due_us - relais_loop_now_us (queue->loop)
               : wall_us;
}

static RelaisQueued *
describe (const RelaisQueue *queue, guint32 slot, const RelaisLive *live)
{
    const guint n = live->message->envelope.recipients->len;
    g_autofree const RelaisDelivery **deliveries = deliveries_of (queue, slot, n);
    RelaisQueued *queued = relais_queued_new (live->message);

    for (guint i = 0; i < n; i++) {
        const RelaisState *state = &live->message->states[i];
        const RelaisQueuedState now = state_of (state, deliveries[i]);

        relais_queued_set (queued, i, now, state->attempts,
                           now == RELAIS_QUEUED_WAITING ? next_of (queue, deliveries[i]) : 0,
                           state->reply);
    }
    return queued;
}

typedef struct {
    RelaisQueue *queue;
    RelaisInquiry *inquiry;
} Inquiring;

static void
tell (RelaisQueue *queue, RelaisInquiry *inquiry, const RelaisLive *live, const GError *error)
{
    const guint32 slot =
        queue->closed ? 0 : relais_records_find (&queue->records, relais_inquiry_get_id (inquiry));
    const bool gone = g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_GONE);

    relais_inquiry_end (inquiry, live != NULL && slot != 0 ? describe (queue, slot, live) : NULL,
                        error != NULL && !gone ? error->message : NULL);
}

static void
on_live (gpointer data, RelaisLive *live, const GError *error)
{
    Inquiring *inquiring = data;
    RelaisQueue *queue = inquiring->queue;

    tell (queue, inquiring->inquiry, live, error);
    if (live != NULL)
        relais_live_unref (live);
    g_free (inquiring);
    relais_queue_unref (queue);
}

static void
inquire (gpointer data, RelaisInquiry *inquiry)
{
    RelaisQueue *queue = data;
    const guint64 id = relais_inquiry_get_id (inquiry);
    Inquiring *inquiring;
    RelaisLive *live;

    if (relais_records_find (&queue->records, id) == 0) {
        relais_inquiry_end (inquiry, NULL, NULL);
        return;
    }
    inquiring = g_new (Inquiring, 1);
    *inquiring = (Inquiring){relais_queue_ref (queue), inquiry};
    live = relais_live_get (queue, id, on_live, inquiring);
    if (live != NULL)
        on_live (inquiring, live, NULL);
}

/* --- The whole ------------------------------------------------------------------------------------ */

static const RelaisIntake intake = {submit, inquire};

void
relais_queue_begin_intake (RelaisQueue *queue)
{
    if (queue->host != NULL)
        relais_host_set_intake (queue->host, &intake, queue);
}

void
relais_queue_end_intake (RelaisQueue *queue)
{
    if (queue->host != NULL)
        relais_host_set_intake (queue->host, NULL, NULL);
}
