/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Suppressed recipients. The list is asked when a message comes into the queue, where its answer ends deliveries that
 * would otherwise wait for nothing, and twice in each attempt: when the attempt has its message, and when its
 * connection is open, which may be long after. Nothing is asked for what waits.
 *
 * What is on the list ends by local work, without an attempt. While the list cannot be read nothing that it has a say
 * about goes: the delivery waits, and the rest of its campaign in that lane with it, so that not every message is
 * fetched from the disk each minute to learn the same; expiry runs on.
 */
#include "config.h"

#include "queue/suppressed-private.h"

#include "queue/lane-private.h"
#include "queue/outcome-private.h"

bool
relais_suppressed_applies (const RelaisEnvelope *envelope, const RelaisRecipient *recipient)
{
    /* A session has a client; reports and notices have none. */
    const bool is_ours = envelope->sender[0] == '\0' && envelope->client == NULL;

    return !recipient->claimed && !is_ours;
}

static RelaisSuppressAnswer
check (const RelaisQueue *queue, const RelaisEnvelope *envelope, const RelaisRecipient *recipient,
       RelaisSuppressionEntry *entry)
{
    if (queue->suppression == NULL || !relais_suppressed_applies (envelope, recipient))
        return RELAIS_SUPPRESS_ABSENT;
    return relais_suppression_check (queue->suppression, recipient->address, envelope->tenant,
                                     envelope->campaign, entry);
}

bool
relais_suppressed_is_listed (const RelaisQueue *queue, const RelaisMessage *message,
                             guint recipient)
{
    const RelaisEnvelope *envelope = &message->envelope;

    return check (queue, envelope, relais_envelope_recipient (envelope, recipient), NULL) ==
           RELAIS_SUPPRESS_PRESENT;
}

char *
relais_suppressed_describe (const RelaisQueue *queue)
{
    const char *trouble = relais_suppression_trouble (queue->suppression);

    return trouble != NULL
               ? g_strdup_printf ("the suppression list, which cannot be read: %s", trouble)
               : g_strdup ("the suppression list");
}

/* --- Attempts ----------------------------------------------------------------------------------- */

static void
hold_back (RelaisAttempt *attempt, guint32 number)
{
    RelaisDelivery *delivery = relais_delivery_at (&attempt->queue->records, number);

    if (delivery->action != RELAIS_ACTION_NONE) { /* an operator's wish */
        relais_queue_make_local (attempt->queue, number, (RelaisAction)delivery->action);
        return;
    }
    delivery->unknown = 1;
    relais_flow_put_waiting (relais_queue_flow_at (attempt->queue, delivery->flow), number,
                             relais_loop_now_us (attempt->queue->loop) +
                                 RELAIS_SUPPRESSED_RETRY_US);
}

static void
hold_rest (RelaisAttempt *attempt)
{
    RelaisStrand *strand = &attempt->flow->strands[attempt->source->place];

    if (!strand->active || relais_order_find_hold (&strand->lane->order, strand) != NULL)
        return;
    relais_order_hold (&strand->lane->order, strand, RELAIS_WAIT_CAMPAIGN,
                       relais_loop_now_us (attempt->queue->loop) + RELAIS_SUPPRESSED_RETRY_US,
                       relais_suppressed_describe (attempt->queue));
}

static void
take_out (RelaisAttempt *attempt, guint32 number, RelaisSuppressAnswer answer)
{
    RelaisQueue *queue = attempt->queue;
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

    queue->active--;
    delivery->place = RELAIS_PLACE_NONE;
    if (answer == RELAIS_SUPPRESS_PRESENT)
        relais_queue_make_local (queue, number,
                                 MAX ((RelaisAction)delivery->action, RELAIS_ACTION_SUPPRESS));
    else
        hold_back (attempt, number);
}

guint
relais_suppressed_sift (RelaisAttempt *attempt)
{
    const RelaisEnvelope *envelope = &attempt->live->message->envelope;
    bool unknown = false;
    guint left = 0;

    for (guint i = 0; i < attempt->n; i++) {
        const RelaisRecipient *recipient = attempt->recipients[i];
        const guint32 number = attempt->deliveries[i];
        const RelaisSuppressAnswer answer = check (attempt->queue, envelope, recipient, NULL);

        if (answer == RELAIS_SUPPRESS_ABSENT) {
            attempt->deliveries[left] = number;
            attempt->recipients[left++] = recipient;
            continue;
        }
        take_out (attempt, number, answer);
        unknown = unknown || answer != RELAIS_SUPPRESS_PRESENT;
    }
    attempt->n = attempt->subject.n_recipients = left;
    if (unknown)
        hold_rest (attempt);
    return left;
}

/* --- Ends --------------------------------------------------------------------------------------- */

void
relais_suppressed_settle (RelaisSettlement *settlement, const RelaisLive *live, guint32 number)
{
    RelaisQueue *queue = live->queue;
    const RelaisEnvelope *envelope = &live->message->envelope;
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    RelaisSuppressionEntry entry = {0};
    RelaisResult result = {.kind = RELAIS_RESULT_SUPPRESSED,
                           .internal = true,
                           .enhanced = {5, 7, 1},
                           .stage = "queue"};
    g_autofree char *text = NULL;

    if (check (queue, envelope, relais_envelope_recipient (envelope, delivery->recipient),
               &entry) != RELAIS_SUPPRESS_PRESENT) {
        relais_queue_put (queue, number, true);
        return;
    }
    text = g_strdup_printf ("suppressed: the address is on the suppression list (%s%s%s)",
                            relais_suppress_class_to_string (entry.suppress_class),
                            entry.reason != NULL ? ": " : "",
                            entry.reason != NULL ? entry.reason : "");
    result.text = text;
    result.suppress_class = entry.suppress_class;
    result.suppress_reason = entry.reason;
    relais_settlement_add (settlement, number, &result);
}
