/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Settlements on their way into the spool. Each results in a group: the message's states (or its end), a line for
 * each recipient, and at most one report. What waits for the group (the connection, the report's own delivery) goes
 * on when it was written.
 *
 *   OPEN -> PROVING (evidence) -> MAKING (report) -> KEEPING (a large one) -> READY -> the spool
 *              \______ FAILED ______ PARKED ______ FAILED ______/
 *
 * The states in a group are those of the moment of its commit, and the groups of one message go in the order of their
 * commits: no state is written before the event, the evidence and the report that belong to it.
 *
 * A STATE holds all recipients of its message: of one with a thousand at a thousand sites the outcomes would write a
 * thousand times a thousand states. So once its states take more than a page, one group at a time is on its way to the
 * disk. What becomes ready meanwhile shares the next one, a parcel, which goes when that is synced, or when the message
 * is done; its connections wait as long.
 *
 * Evidence is on the suppression list's disk before its outcome is on ours: a crash between the two has the outcome
 * repeated, and the evidence, which has the event's id, counts once. While the list cannot be written the outcome is
 * kept in memory and tried again, and its connection goes on with other mail: nothing is lost, for what was not written
 * is done again at the next start, and nothing stands still. Only when more outcomes wait than RELAIS_QUEUE_PARKED, or
 * one has waited for PATIENCE_US, it is written without its evidence, which is counted and told: the next mail to the
 * address proves the same again.
 *
 * Loop thread; a worker makes the reports.
 */
#include "config.h"

#include "queue/settlement-private.h"

static const gint64 RETRY_US = 10 * RELAIS_USEC_PER_SEC;
static const gint64 PATIENCE_US = RELAIS_USEC_PER_DAY;
enum {
    SMALL_STATE_BYTES = 4096, /* up to a page; its own line takes as much of the disk */
    PARCEL_BYTES = 1 << 20    /* beside states; so much goes at once */
};

/* Settlements of one message that go in one group. */
struct RelaisParcel {
    RelaisQueue *queue;
    RelaisLive *live;   /* the settlements' until they are written; own once `flying` */
    RelaisGroup *group; /* NULL: submitted */
    GQueue settlements; /* RelaisSettlement, by link, until they are written */
    gsize bytes, state_bytes;
    bool flying;
};

static void go_on (RelaisSettlement *settlement);

RelaisSettlement *
relais_settlement_new (RelaisLive *live, const RelaisResultFacts *facts)
{
    RelaisSettlement *settlement = g_new0 (RelaisSettlement, 1);

    settlement->queue = relais_queue_ref (live->queue);
    settlement->live = live;
    settlement->facts = facts;
    settlement->group = relais_group_new (live->queue->spool);
    settlement->link.data = settlement->parked_link.data = settlement;
    live->queue->n_settling++;
    return settlement;
}

/* --- Ends --------------------------------------------------------------------------------------- */

static void
on_written (gpointer data)
{
    RelaisSettlement *settlement = data;
    RelaisQueue *queue = settlement->queue;

    queue->n_settling--;
    if (settlement->report != NULL && !queue->closed)
        relais_report_deliver (settlement->report);
    relais_report_free (settlement->report);
    relais_dossier_free (settlement->dossier);
    relais_live_unref (settlement->live);
    if (settlement->written != NULL)
        settlement->written (settlement->data);
    g_free (settlement);
    if (!queue->closed)
        relais_queue_check_drained (queue);
    relais_queue_unref (queue);
}

/* Nothing of it was written: it will be done again at the next start. */
static void
abandon (RelaisSettlement *settlement)
{
    g_queue_unlink (&settlement->live->settlements, &settlement->link);
    if (settlement->stalled)
        settlement->queue->n_settling++;
    relais_group_free (g_steal_pointer (&settlement->group));
    on_written (settlement);
}

/* --- Their order -------------------------------------------------------------------------------- */

/* What is parked, and what it is in the way of, is not about to be written: a drain does not wait for it, nor does
 * its connection. */
static void
find_stalled (RelaisLive *live)
{
    RelaisQueue *queue = live->queue;
    bool stalled = false;

    for (GList *link = live->settlements.head; link != NULL; link = link->next) {
        RelaisSettlement *settlement = link->data;

        stalled = stalled || settlement->step == RELAIS_SETTLEMENT_PARKED;
        if (settlement->stalled == stalled)
            continue;
        settlement->stalled = stalled;
        queue->n_settling += stalled ? -1 : 1;
        if (stalled && settlement->written != NULL)
            relais_loop_post (queue->loop, g_steal_pointer (&settlement->written),
                              settlement->data);
    }
}

/* --- What goes together ------------------------------------------------------------------------- */

static void
on_parcel_written (gpointer data)
{
    RelaisParcel *parcel = data;

    for (GList *link; (link = g_queue_pop_head_link (&parcel->settlements)) != NULL;)
        on_written (link->data);
}

static void send_off (RelaisLive *live);

/* With an error the spool was closed out of order: what was not written is done again at the next start. */
static void
on_parcel_synced (gpointer data, const GError *error)
{
    RelaisParcel *parcel = data;

    on_parcel_written (parcel);
    if (parcel->flying) {
        parcel->live->flying--;
        send_off (parcel->live);
        relais_live_unref (parcel->live);
    }
    relais_queue_unref (parcel->queue);
    g_free (parcel);
}

static void
add_to_parcel (RelaisLive *live, RelaisSettlement *settlement)
{
    RelaisParcel *parcel = live->parcel;

    if (parcel == NULL) {
        parcel = live->parcel = g_new0 (RelaisParcel, 1);
        parcel->queue = relais_queue_ref (live->queue);
        parcel->live = live;
    }
    g_queue_push_tail_link (&parcel->settlements, &settlement->link);
    parcel->bytes += relais_group_bytes (settlement->group);
    parcel->state_bytes = settlement->state_bytes;
    if (parcel->group == NULL)
        parcel->group = g_steal_pointer (&settlement->group);
    else
        relais_group_join (parcel->group, g_steal_pointer (&settlement->group));
}

static bool
may_wait (const RelaisLive *live, const RelaisParcel *parcel)
{
    return live->flying > 0 && parcel->state_bytes > SMALL_STATE_BYTES &&
           parcel->bytes < PARCEL_BYTES && !live->queue->closed;
}

/* Hands the parcel over, unless it is to wait for the one before it. */
static void
send_off (RelaisLive *live)
{
    RelaisParcel *parcel = live->parcel;

    if (parcel == NULL || may_wait (live, parcel))
        return;
    live->parcel = NULL;
    parcel->flying = parcel->state_bytes > SMALL_STATE_BYTES;
    if (parcel->flying) {
        live->flying++;
        relais_live_ref (live);
    }
    relais_group_submit (g_steal_pointer (&parcel->group), RELAIS_GROUP_LAZY, on_parcel_written,
                         on_parcel_synced, parcel);
}

/* Takes up what is ready, from the oldest on. */
static void
advance (RelaisLive *live)
{
    relais_live_ref (live);
    for (RelaisSettlement *settlement;
         (settlement = g_queue_peek_head (&live->settlements)) != NULL &&
         settlement->step == RELAIS_SETTLEMENT_READY;) {
        g_queue_unlink (&live->settlements, &settlement->link);
        add_to_parcel (live, settlement);
        send_off (live);
    }
    relais_live_unref (live);
}

static void
become_ready (RelaisSettlement *settlement)
{
    settlement->step = RELAIS_SETTLEMENT_READY;
    advance (settlement->live);
}

/* --- What cannot be kept now -------------------------------------------------------------------- */

static void
park (RelaisSettlement *settlement)
{
    RelaisQueue *queue = settlement->queue;

    settlement->step = RELAIS_SETTLEMENT_PARKED;
    if (settlement->parked_us == 0)
        settlement->parked_us = relais_loop_now_us (queue->loop);
    g_queue_push_tail_link (&queue->parked, &settlement->parked_link);
    find_stalled (settlement->live);
    if (!relais_timer_is_set (&queue->parked_timer))
        relais_timer_set (&queue->parked_timer, RETRY_US);
    relais_queue_check_drained (queue);
}

void
relais_settlement_retry_parked (gpointer data)
{
    RelaisQueue *queue = data;

    for (guint n = queue->parked.length; n > 0; n--) {
        RelaisSettlement *settlement = g_queue_pop_head_link (&queue->parked)->data;

        settlement->step = RELAIS_SETTLEMENT_OPEN;
        find_stalled (settlement->live);
        go_on (settlement);
    }
}

void
relais_settlement_abandon_all (RelaisQueue *queue)
{
    g_autoptr (GList) lives = g_hash_table_get_values (queue->lives);

    while (g_queue_pop_head_link (&queue->parked) != NULL)
        continue;
    for (GList *link = lives; link != NULL; link = link->next) {
        RelaisLive *live = relais_live_ref (link->data);

        send_off (live);
        for (GList *at = live->settlements.head, *next; at != NULL; at = next) {
            RelaisSettlement *settlement = at->data;

            next = at->next;
            /* These come back by themselves, and are abandoned then. */
            if (settlement->step != RELAIS_SETTLEMENT_MAKING &&
                settlement->step != RELAIS_SETTLEMENT_KEEPING)
                abandon (settlement);
        }
        relais_live_unref (live);
    }
}

/* --- Evidence ----------------------------------------------------------------------------------- */

static void
on_proved (gpointer data)
{
    RelaisSettlement *settlement = data;
    RelaisQueue *queue = settlement->queue;
    const gint64 now = relais_loop_now_us (queue->loop);

    if (relais_dossier_is_kept (settlement->dossier)) {
        go_on (settlement);
    } else if (queue->parked.length < queue->most_parked &&
               (settlement->parked_us == 0 || now - settlement->parked_us < PATIENCE_US)) {
        if (settlement->parked_us == 0 && queue->parked.length == 0)
            g_warning ("evidence against an address cannot be kept now; its outcome waits");
        park (settlement);
    } else {
        g_warning ("an outcome is written without its evidence, which the suppression list "
                   "did not keep");
        queue->evidence_lost_total++;
        g_clear_pointer (&settlement->dossier, relais_dossier_free);
        go_on (settlement);
    }
}

/* --- Reports ------------------------------------------------------------------------------------ */

/* A report that has a file of its own may fail where the outcome would not. So it goes first, and the
 * outcome waits until the sender is sure to hear of it. */
static void
on_report_kept (gpointer data, const GError *error)
{
    RelaisSettlement *settlement = data;

    if (settlement->queue->closed) {
        abandon (settlement);
    } else if (error == NULL) {
        become_ready (settlement);
    } else {
        g_warning ("a report to a sender cannot be kept now: %s", error->message);
        relais_report_drop (settlement->report);
        park (settlement);
    }
}

static void
keep_report (RelaisSettlement *settlement)
{
    RelaisGroup *group = relais_group_new (settlement->queue->spool);

    settlement->step = RELAIS_SETTLEMENT_KEEPING;
    relais_report_add_to_group (settlement->report, group);
    relais_group_submit (group, RELAIS_GROUP_URGENT, NULL, on_report_kept, settlement);
}

static void
on_report_made (gpointer data)
{
    RelaisSettlement *settlement = data;

    settlement->report_is_made = true;
    if (relais_report_is_empty (settlement->report))
        g_clear_pointer (&settlement->report, relais_report_free);
    if (settlement->queue->closed)
        abandon (settlement);
    else
        go_on (settlement);
}

static void
make_report (gpointer data)
{
    relais_report_make (((RelaisSettlement *)data)->report);
}

/* --- The way ------------------------------------------------------------------------------------ */

/* Does what is to be done next. */
static void
go_on (RelaisSettlement *settlement)
{
    if (settlement->dossier != NULL && !relais_dossier_is_kept (settlement->dossier)) {
        settlement->step = RELAIS_SETTLEMENT_PROVING;
        relais_dossier_report (settlement->dossier, on_proved, settlement);
    } else if (settlement->report == NULL) {
        become_ready (settlement);
    } else if (!settlement->report_is_made) {
        settlement->step = RELAIS_SETTLEMENT_MAKING;
        relais_queue_run_job (settlement->queue, make_report, on_report_made, settlement);
    } else if (relais_report_is_small (settlement->report)) {
        relais_report_add_to_group (settlement->report, settlement->group);
        become_ready (settlement);
    } else {
        keep_report (settlement);
    }
}

void
relais_settlement_commit (RelaisSettlement *settlement, RelaisLoopFunc written, gpointer data)
{
    RelaisQueue *queue = settlement->queue;
    RelaisLive *live = settlement->live;
    guint32 slot = relais_records_find (&queue->records, live->id);

    settlement->facts = NULL;
    settlement->written = written;
    settlement->data = data;
    if (settlement->attempted && slot != 0)
        relais_queue_cool (queue, slot);
    /* Who settles the message's last delivery ends it. */
    if (slot == 0)
        relais_group_add_done (settlement->group, live->id);
    else
        settlement->state_bytes = relais_group_add_state (settlement->group, live->message);
    g_queue_push_tail_link (&live->settlements, &settlement->link);
    find_stalled (live);
    go_on (settlement);
}
