/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Local work: what ends or changes deliveries without any peer. Expiry, destinations that take no
 * mail or cannot be looked up, suppressed recipients, notices of delay, and the operator's verbs. Deliveries wait for it in
 * one list; a bounded number of messages is worked on at once, a bounded number of deliveries of each.
 */
#include "config.h"

#include "queue/destination-private.h"
#include "queue/outcome-private.h"
#include "queue/local-private.h"
#include "queue/quarantine-private.h"
#include "queue/schedule-private.h"
#include "queue/suppressed-private.h"

#include <string.h>

enum { MESSAGES_AT_ONCE = 32, DELIVERIES_AT_ONCE = 500 };

typedef struct {
    RelaisQueue *queue;
    guint64 id;
    GArray *deliveries; /* NULL: a notice for all that is open */
} Work;

static void
work_end (Work *work)
{
    RelaisQueue *queue = work->queue;

    queue->n_local--;
    g_clear_pointer (&work->deliveries, g_array_unref);
    g_free (work);
    if (!queue->closed) {
        relais_queue_wake (queue);
        relais_queue_check_drained (queue);
    }
}

/* --- One delivery ----------------------------------------------------------------------------- */

static void
settle_by_destination (RelaisSettlement *settlement, guint32 number, RelaisFlow *flow,
                       RelaisResult *result)
{
    const RelaisDestination *destination = flow->destination;
    bool stands = result->kind == RELAIS_RESULT_BOUNCED
                      ? destination->state == RELAIS_DESTINATION_REFUSED
                      : destination->text != NULL;

    if (!stands) {
        relais_flow_put_due (flow, number, true);
        return;
    }
    result->attempted = true;
    result->text = destination->text;
    result->stage = "dns";
    (void)relais_enhanced_parse (destination->enhanced, result->enhanced);
    relais_settlement_add (settlement, number, result);
}

static void
settle (RelaisSettlement *settlement, const RelaisLive *live, guint32 number)
{
    RelaisQueue *queue = live->queue;
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    RelaisAction action = (RelaisAction)delivery->action;
    RelaisResult result = {.internal = true, .stage = "queue"};

    delivery->place = RELAIS_PLACE_NONE;
    delivery->action = RELAIS_ACTION_NONE;
    switch (action) {
    case RELAIS_ACTION_SUPPRESS: relais_suppressed_settle (settlement, live, number); return;
    case RELAIS_ACTION_EXPIRE:
        result.kind = RELAIS_RESULT_EXPIRED;
        memcpy (result.enhanced, ((guint16[3]){4, 4, 7}), sizeof result.enhanced);
        result.text = relais_flow_is_resting (relais_queue_flow_at (queue, delivery->flow))
                          ? "the message is older than its lifetime; it waited for the end of "
                            "quiet hours"
                          : "the message is older than its lifetime";
        break;
    case RELAIS_ACTION_FAIL:
    case RELAIS_ACTION_DEFER:
        result.kind = action == RELAIS_ACTION_FAIL ? RELAIS_RESULT_BOUNCED : RELAIS_RESULT_DEFERRED;
        settle_by_destination (settlement, number, relais_queue_flow_at (queue, delivery->flow),
                               &result);
        return;
    case RELAIS_ACTION_LAPSE: relais_quarantine_settle (settlement, live, number); return;
    case RELAIS_ACTION_HOLD: result.kind = RELAIS_RESULT_HELD; break;
    case RELAIS_ACTION_NONE: /* to be held, and released before that was done */
    case RELAIS_ACTION_RELEASE: result.kind = RELAIS_RESULT_RELEASED; break;
    case RELAIS_ACTION_BOUNCE:
        result.kind = RELAIS_RESULT_BOUNCED;
        memcpy (result.enhanced, ((guint16[3]){5, 7, 0}), sizeof result.enhanced);
        result.text = "returned by the operator";
        break;
    case RELAIS_ACTION_DELETE: result.kind = RELAIS_RESULT_DELETED; break;
    }
    relais_settlement_add (settlement, number, &result);
}

/* --- One message ------------------------------------------------------------------------------ */

static void
settle_notice (RelaisSettlement *settlement, RelaisQueue *queue, guint64 id)
{
    const RelaisResult result = {.kind = RELAIS_RESULT_NOTICED, .internal = true, .stage = "queue"};
    guint32 slot = relais_records_find (&queue->records, id);
    guint32 number = slot != 0 ? relais_slot_at (&queue->records, slot)->first : 0;

    for (; number != 0; number = relais_delivery_at (&queue->records, number)->after)
        if (relais_delivery_at (&queue->records, number)->place != RELAIS_PLACE_HELD)
            relais_settlement_note (settlement, number, &result);
}

static void
do_work (Work *work, RelaisLive *live)
{
    const RelaisResultFacts nothing = {0};
    RelaisSettlement *settlement = relais_settlement_new (live, &nothing);
    RelaisQueue *queue = work->queue;

    if (work->deliveries == NULL)
        settle_notice (settlement, queue, work->id);
    else
        queue->active -= work->deliveries->len;
    for (guint i = 0; work->deliveries != NULL && i < work->deliveries->len; i++)
        settle (settlement, live, g_array_index (work->deliveries, guint32, i));
    relais_settlement_commit (settlement, NULL, NULL);
    work_end (work);
}

/* The message cannot be read. Gone or damaged: nothing can be done, or need be. Else later. */
static void
on_unreadable (Work *work, const GError *error)
{
    RelaisQueue *queue = work->queue;
    bool gone = g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_GONE) ||
                g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED);

    g_warning ("a message cannot be read: %s", error->message);
    if (g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED))
        relais_spool_quarantine (queue->spool, work->id, error->message);
    for (guint i = 0; work->deliveries != NULL && i < work->deliveries->len; i++) {
        guint32 number = g_array_index (work->deliveries, guint32, i);
        RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

        queue->active--;
        delivery->place = RELAIS_PLACE_NONE;
        if (gone)
            relais_queue_forget (queue, number);
        else if (delivery->action == RELAIS_ACTION_LAPSE)
            relais_quarantine_put_back (queue, number);
        else
            relais_flow_put_waiting (relais_queue_flow_at (queue, delivery->flow), number,
                                     relais_loop_now_us (queue->loop) + RELAIS_USEC_PER_MIN);
    }
    work_end (work);
}

static void
on_live (gpointer data, RelaisLive *live, const GError *error)
{
    if (((const Work *)data)->queue->closed)
        work_end (data);
    else if (live != NULL)
        do_work (data, live);
    else
        on_unreadable (data, error);
}

static void
begin (Work *work)
{
    RelaisLive *live;

    work->queue->n_local++;
    live = relais_live_get (work->queue, work->id, on_live, work);
    if (live != NULL)
        do_work (work, live);
}

/* The head of the list, and what else of its message waits there. */
static Work *
take_work (RelaisQueue *queue)
{
    Work *work = g_new0 (Work, 1);
    guint32 first = queue->local.head;
    guint32 message = relais_delivery_at (&queue->records, first)->message;
    guint32 number = first;

    work->queue = queue;
    work->id = relais_slot_at (&queue->records, message)->id;
    work->deliveries = g_array_new (FALSE, FALSE, sizeof (guint32));
    for (guint i = 0; number != 0 && i < DELIVERIES_AT_ONCE; i++) {
        RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

        if (delivery->place == RELAIS_PLACE_LOCAL) {
            relais_delivery_list_remove (&queue->records, &queue->local, number);
            delivery->place = RELAIS_PLACE_ACTIVE;
            g_array_append_val (work->deliveries, number);
        }
        number = delivery->after;
    }
    queue->active += work->deliveries->len;
    return work;
}

void
relais_queue_pump_local (RelaisQueue *queue)
{
    if (!queue->started)
        return;
    for (guint i = 0; i < MESSAGES_AT_ONCE && queue->n_local < MESSAGES_AT_ONCE; i++) {
        if (queue->notices->len > 0) {
            Work *work = g_new0 (Work, 1);

            work->queue = queue;
            work->id = g_array_index (queue->notices, guint64, queue->notices->len - 1);
            g_array_set_size (queue->notices, queue->notices->len - 1);
            begin (work);
        } else if (queue->local.n > 0) {
            begin (take_work (queue));
        } else {
            return;
        }
    }
    if (queue->n_local < MESSAGES_AT_ONCE)
        relais_queue_wake (queue);
}

/* What goes further counts; of hold and release the last one. */
static guint8
further (guint8 before, RelaisAction action)
{
    const bool held_again = before == RELAIS_ACTION_RELEASE && action == RELAIS_ACTION_HOLD;

    return held_again ? (guint8)action : MAX (before, (guint8)action);
}

void
relais_queue_make_local (RelaisQueue *queue, guint32 number, RelaisAction action)
{
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

    switch ((RelaisPlace)delivery->place) {
    case RELAIS_PLACE_ACTIVE:
    case RELAIS_PLACE_LOCAL: delivery->action = further (delivery->action, action); return;
    case RELAIS_PLACE_HELD: relais_quarantine_leave (queue, delivery); break;
    case RELAIS_PLACE_WAITING:
    case RELAIS_PLACE_DUE:
        relais_flow_remove (relais_queue_flow_at (queue, delivery->flow), number);
        break;
    case RELAIS_PLACE_NONE: break;
    }
    delivery->action = (guint8)action;
    delivery->place = RELAIS_PLACE_LOCAL;
    relais_delivery_list_append (&queue->records, &queue->local, number);
    relais_queue_wake (queue);
}

/* --- Deadlines -------------------------------------------------------------------------------- */

/* What is in the quarantine may have had the deadline: then no notice is owed. */
static void
notice (RelaisQueue *queue, RelaisMessageSlot *slot, guint owed)
{
    if (slot->bounce || owed <= slot->noticed)
        return;
    slot->noticed = owed & 7;
    g_array_append_val (queue->notices, slot->id);
    relais_queue_wake (queue);
}

void
relais_queue_on_deadline (gpointer data, guint32 number)
{
    RelaisQueue *queue = data;
    RelaisMessageSlot *slot = relais_slot_at (&queue->records, number);
    bool under_way = false;
    const RelaisSchedule *schedule = relais_queue_schedule (queue, slot);
    const gint64 now = relais_loop_now_us (queue->loop);

    relais_quarantine_lapse (queue, slot, now);
    if (now < relais_schedule_expiry_us (schedule, slot->born_us, slot->bounce)) {
        notice (queue, slot, relais_schedule_notices (schedule, now - slot->born_us));
        relais_queue_set_deadline (queue, number);
        return;
    }
    slot->grace = 0;
    for (guint32 delivery = slot->first; delivery != 0;
         delivery = relais_delivery_at (&queue->records, delivery)->after) {
        RelaisPlace place = (RelaisPlace)relais_delivery_at (&queue->records, delivery)->place;

        if (place == RELAIS_PLACE_WAITING || place == RELAIS_PLACE_DUE)
            relais_queue_make_local (queue, delivery, RELAIS_ACTION_EXPIRE);
        under_way = under_way || place == RELAIS_PLACE_ACTIVE || place == RELAIS_PLACE_LOCAL;
    }
    /* An attempt may still be put back untried, and local work may end with what is due. */
    if (under_way)
        relais_wheel_set (queue->wheel, number, now + RELAIS_USEC_PER_MIN);
    else if (relais_quarantine_deadline_us (queue, slot) != G_MAXINT64)
        relais_wheel_set (queue->wheel, number, relais_quarantine_deadline_us (queue, slot));
}
