/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Settlements. Each results in one group: the message's states (or its end), a line for each
 * recipient, and at most one report. States in memory change at once; the group goes to the spool
 * in the same turn, or after a worker has made the report. What waits for the group (the connection,
 * the report's own delivery) goes on when it was written.
 */
#include "config.h"

#include "queue/outcome-private.h"

#include "queue/destination-private.h"
#include "queue/report-private.h"
#include "queue/schedule-private.h"

#include <string.h>

#define REPORT_RETRY_US (10 * RELAIS_USEC_PER_SEC)

struct RelaisSettlement {
    RelaisQueue *queue;
    RelaisLive *live;
    const RelaisResultFacts *facts;
    RelaisGroup *group;
    RelaisReport *report; /* NULL: none is due */
    bool attempted;
    RelaisLoopFunc written;
    gpointer data;
};

/* Names of the events, by RelaisResultKind. */
static const char *const event_names[] = {"delivered", "deferred", "bounced",  "expired",
                                          "deleted",   "held",     "released", "delayed"};

bool
relais_enhanced_parse (const char *text, guint16 enhanced[3])
{
    guint16 parsed[3];

    for (int i = 0; i < 3; i++) {
        guint value = 0;
        const char *start = text;

        for (; g_ascii_isdigit (*text) && text - start < 3; text++)
            value = value * 10 + (guint)(*text - '0');
        if (text == start || *text != (i < 2 ? '.' : '\0'))
            return false;
        parsed[i] = (guint16)value;
        text++;
    }
    memcpy (enhanced, parsed, sizeof parsed);
    return true;
}

RelaisSettlement *
relais_settlement_new (RelaisLive *live, const RelaisResultFacts *facts)
{
    RelaisSettlement *settlement = g_new0 (RelaisSettlement, 1);

    settlement->queue = relais_queue_ref (live->queue);
    settlement->live = live;
    settlement->facts = facts;
    settlement->group = relais_group_new (live->queue->spool);
    live->settling++;
    live->queue->n_settling++;
    return settlement;
}

/* --- One result ------------------------------------------------------------------------------- */

enum { ENHANCED_BYTES = 20 };

static void
enhanced_to_text (const guint16 enhanced[3], char text[ENHANCED_BYTES])
{
    g_snprintf (text, ENHANCED_BYTES, "%u.%u.%u", enhanced[0], enhanced[1], enhanced[2]);
}

/* The reply as one line, as states, logs and reports show it: "550 5.1.1 no such user". */
static char *
reply_line (const RelaisResult *result)
{
    char code[8] = "", enhanced[ENHANCED_BYTES] = "";

    if (result->code != 0)
        g_snprintf (code, sizeof code, "%u ", result->code);
    if (result->enhanced[0] != 0)
        enhanced_to_text (result->enhanced, enhanced);
    return g_strconcat (code, enhanced, enhanced[0] != '\0' ? " " : "", result->text, NULL);
}

/* The peer's reply to this recipient may be read otherwise than it looks. */
static bool
is_open_to_verdicts (const RelaisResult *result)
{
    return !result->internal && result->code != 0 && result->kind != RELAIS_RESULT_DELIVERED;
}

static void
fill_subject (RelaisSubject *subject, const RelaisSettlement *settlement,
              const RelaisResult *result)
{
    const RelaisResultFacts *facts = settlement->facts;
    RelaisMessage *message = settlement->live->message;

    *subject = (RelaisSubject){
        .pin = facts->pin,
        .envelope = &message->envelope,
        .tenant = message->envelope.tenant,
        .message = message,
        .source = facts->source,
        .pool = facts->pool,
        .site = facts->site,
        .provider = facts->provider,
        .klass = relais_class_to_string (message->envelope.klass),
        .campaign = message->envelope.campaign,
        .outcome = result->kind == RELAIS_RESULT_DELIVERED  ? RELAIS_OUTCOME_DELIVERED
                   : result->kind == RELAIS_RESULT_DEFERRED ? RELAIS_OUTCOME_DEFERRED
                                                            : RELAIS_OUTCOME_BOUNCED,
        .phase = result->stage,
        .host = facts->host,
        .internal = result->internal,
        .reply_code = result->code,
        .reply_enhanced = result->enhanced,
        .reply_text = result->text};
}

static void
run_result_hook (RelaisSettlement *settlement, const RelaisDelivery *delivery, RelaisResult *result)
{
    RelaisHost *host = settlement->queue->host;
    const RelaisEnvelope *envelope = &settlement->live->message->envelope;
    const RelaisRecipient *recipient = relais_envelope_recipient (envelope, delivery->recipient);
    RelaisHookResult verdict = {0};
    RelaisSubject subject;

    /* What found no route had no source either: nothing was attempted anywhere. */
    if (!result->attempted || settlement->facts->source == NULL || host == NULL ||
        !relais_host_has (host, RELAIS_HOOK_RESULT))
        return;
    fill_subject (&subject, settlement, result);
    subject.recipients = &recipient;
    subject.n_recipients = 1;
    subject.destination =
        relais_queue_flow_at (settlement->queue, delivery->flow)->destination->name;
    (void)relais_host_run (host, RELAIS_HOOK_RESULT, &subject, &verdict, NULL, NULL);
    if (verdict.verdict == RELAIS_VERDICT_DEFER && is_open_to_verdicts (result))
        result->kind = RELAIS_RESULT_DEFERRED;
    else if (verdict.verdict == RELAIS_VERDICT_REJECT && is_open_to_verdicts (result))
        result->kind = RELAIS_RESULT_BOUNCED;
    relais_hook_result_clear (&verdict);
}

static void
add_facts (RelaisEventLine *line, const RelaisResultFacts *facts)
{
    relais_event_line_add (line, "site", facts->site);
    relais_event_line_add (line, "source", facts->source);
    relais_event_line_add (line, "host", facts->host);
    relais_event_line_add (line, "address", facts->address);
    relais_event_line_add (line, "tls_version", facts->tls_version);
    relais_event_line_add (line, "tls_cipher", facts->tls_cipher);
    relais_event_line_add (line, "tls_verify", facts->tls_verify);
    if (facts->size > 0)
        relais_event_line_add_int (line, "size", (gint64)facts->size);
}

static void
add_reply (RelaisEventLine *line, const RelaisResult *result)
{
    if (result->code != 0)
        relais_event_line_add_int (line, "code", result->code);
    if (result->enhanced[0] != 0) {
        char enhanced[ENHANCED_BYTES];

        enhanced_to_text (result->enhanced, enhanced);
        relais_event_line_add (line, "enhanced", enhanced);
    }
    relais_event_line_add (line, "reply", result->text);
    if (result->internal)
        relais_event_line_add_bool (line, "internal", true);
    relais_event_line_add (line, "stage", result->stage);
}

static void
log_result (RelaisSettlement *settlement, const RelaisDelivery *delivery,
            const RelaisResult *result, const RelaisState *state)
{
    RelaisQueue *queue = settlement->queue;
    const RelaisEnvelope *envelope = &settlement->live->message->envelope;
    gint64 born_us = relais_slot_at (&queue->records, delivery->message)->born_us;
    char id[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;
    GBytes *bytes;

    relais_id_to_text (settlement->live->id, id);
    line = relais_event_line_new (event_names[result->kind], relais_loop_wall_us (queue->loop), id,
                                  delivery->recipient, state->attempts);
    relais_event_line_add (line, "message_id", envelope->message_id);
    relais_event_line_add (line, "sender", envelope->sender);
    relais_event_line_add (line, "recipient",
                           relais_envelope_recipient (envelope, delivery->recipient)->address);
    relais_event_line_add (line, "tenant", envelope->tenant);
    relais_event_line_add (line, "campaign", envelope->campaign);
    relais_event_line_add (line, "class", relais_class_to_string (envelope->klass));
    relais_event_line_add (line, "destination",
                           relais_queue_flow_at (queue, delivery->flow)->destination->name);
    add_facts (line, settlement->facts);
    add_reply (line, result);
    relais_event_line_add_int (line, "attempts", state->attempts);
    if (state->kind == RELAIS_STATE_QUEUED)
        relais_event_line_add_int (line, "next_try", state->due_us);
    relais_event_line_add_int (line, "queue_time", relais_loop_now_us (queue->loop) - born_us);
    bytes = relais_event_line_end (line);
    relais_group_add_event (settlement->group, bytes);
    g_bytes_unref (bytes);
}

static void
report_result (RelaisSettlement *settlement, guint recipient, RelaisDsnAction action,
               const RelaisResult *result, const char *reply, gint64 retry_until_us)
{
    RelaisMessage *message = settlement->live->message;

    if (!relais_dsn_wanted (message, recipient, action))
        return;
    if (settlement->report == NULL)
        settlement->report = relais_report_new (settlement->queue, settlement->live);
    relais_report_add (settlement->report, recipient, action, result->enhanced, reply,
                       !result->internal, settlement->facts->host, retry_until_us);
}

/* Changes the kind where the moment asks for it: too old is expired, a wish of the operator's that came
 * while it was under way is granted in place of the next try. */
static void
reconsider (RelaisSettlement *settlement, const RelaisDelivery *delivery, RelaisResult *result)
{
    RelaisQueue *queue = settlement->queue;
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, delivery->message);
    gint64 expiry =
        relais_schedule_expiry_us (relais_queue_schedule (queue, slot->klass), slot->born_us);

    if (result->kind == RELAIS_RESULT_DEFERRED && delivery->action == RELAIS_ACTION_NONE &&
        slot->grace == 0 && relais_loop_now_us (queue->loop) >= expiry)
        result->kind = RELAIS_RESULT_EXPIRED;
}

static void
set_state (RelaisSettlement *settlement, RelaisDelivery *delivery, const RelaisResult *result,
           RelaisState *state, const char *reply)
{
    static const guint8 kinds[] = {
        RELAIS_STATE_DELIVERED, RELAIS_STATE_QUEUED, RELAIS_STATE_BOUNCED, RELAIS_STATE_EXPIRED,
        RELAIS_STATE_DELETED,   RELAIS_STATE_HELD,   RELAIS_STATE_QUEUED,  RELAIS_STATE_QUEUED};
    RelaisQueue *queue = settlement->queue;
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, delivery->message);
    gint64 now = relais_loop_now_us (queue->loop);

    state->kind = kinds[result->kind];
    state->age_us = MAX (now - slot->born_us, 0);
    if (result->attempted && delivery->attempts < G_MAXUINT16)
        delivery->attempts++;
    state->attempts = delivery->attempts;
    if (result->attempted) {
        delivery->source = settlement->facts->source_hash;
        state->source = delivery->source;
    }
    if (result->kind == RELAIS_RESULT_RELEASED)
        state->due_us = relais_loop_wall_us (queue->loop);
    if (result->kind == RELAIS_RESULT_DEFERRED) {
        gint64 wait = relais_schedule_wait_us (relais_queue_schedule (queue, slot->klass),
                                               delivery->attempts, g_random_int ());

        delivery->due_us = now + wait;
        state->due_us = relais_loop_wall_us (queue->loop) + wait;
    }
    if (result->kind != RELAIS_RESULT_EXPIRED || result->attempted)
        relais_message_set_state_reply (state, reply);
}

static void
count (RelaisQueue *queue, RelaisResultKind kind)
{
    switch (kind) {
    case RELAIS_RESULT_DELIVERED: queue->delivered_total++; break;
    case RELAIS_RESULT_DEFERRED: queue->deferred_total++; break;
    case RELAIS_RESULT_BOUNCED: queue->bounced_total++; break;
    case RELAIS_RESULT_EXPIRED: queue->expired_total++; break;
    case RELAIS_RESULT_DELETED:
    case RELAIS_RESULT_HELD:
    case RELAIS_RESULT_RELEASED:
    case RELAIS_RESULT_NOTICED: break;
    }
}

/* The report's part of a result; before set_state () for what expired, whose last reply is told. */
static void
report (RelaisSettlement *settlement, const RelaisDelivery *delivery, const RelaisResult *result,
        const RelaisState *state, const char *reply)
{
    RelaisQueue *queue = settlement->queue;
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, delivery->message);
    RelaisResult expired = *result;

    switch (result->kind) {
    case RELAIS_RESULT_BOUNCED:
        report_result (settlement, delivery->recipient, RELAIS_DSN_FAILED, result, reply, 0);
        return;
    case RELAIS_RESULT_EXPIRED:
        memcpy (expired.enhanced, ((guint16[3]){4, 4, 7}), sizeof expired.enhanced);
        expired.internal = !relais_reply_is_remote (state->reply);
        report_result (settlement, delivery->recipient, RELAIS_DSN_FAILED, &expired,
                       state->reply != NULL ? state->reply : "no attempt could be made in time", 0);
        return;
    case RELAIS_RESULT_NOTICED:
        expired.internal = !relais_reply_is_remote (state->reply);
        report_result (settlement, delivery->recipient, RELAIS_DSN_DELAYED, &expired, state->reply,
                       relais_loop_wall_us (queue->loop) +
                           relais_schedule_expiry_us (relais_queue_schedule (queue, slot->klass),
                                                      slot->born_us) -
                           relais_loop_now_us (queue->loop));
        return;
    case RELAIS_RESULT_DELIVERED:
        if (!settlement->facts->peer_reports)
            report_result (settlement, delivery->recipient, RELAIS_DSN_RELAYED, result, reply, 0);
        return;
    case RELAIS_RESULT_DEFERRED:
    case RELAIS_RESULT_DELETED:
    case RELAIS_RESULT_HELD:
    case RELAIS_RESULT_RELEASED: return;
    }
}

bool
relais_reply_is_remote (const char *reply)
{
    return reply != NULL && g_ascii_isdigit (reply[0]) && g_ascii_isdigit (reply[1]) &&
           g_ascii_isdigit (reply[2]) && reply[3] == ' ';
}

void
relais_settlement_note (RelaisSettlement *settlement, guint32 number, const RelaisResult *given)
{
    RelaisQueue *queue = settlement->queue;
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    RelaisState *state = &settlement->live->message->states[delivery->recipient];
    RelaisResult result = *given;
    g_autofree char *reply = NULL;

    run_result_hook (settlement, delivery, &result);
    reconsider (settlement, delivery, &result);
    reply =
        result.text != NULL || result.code != 0 ? reply_line (&result) : g_strdup (state->reply);
    /* What was deleted while it was under way is recorded, and stays deleted. */
    if (state->kind == RELAIS_STATE_DELETED) {
        log_result (settlement, delivery, &result, state);
        return;
    }
    if (result.kind == RELAIS_RESULT_EXPIRED && result.attempted)
        relais_message_set_state_reply (state, reply);
    set_state (settlement, delivery, &result, state, reply);
    report (settlement, delivery, &result, state, reply);
    if (result.kind == RELAIS_RESULT_NOTICED)
        state->flags |= 1;
    log_result (settlement, delivery, &result, state);
    settlement->attempted = settlement->attempted || result.attempted;
    count (queue, result.kind);
}

void
relais_settlement_add (RelaisSettlement *settlement, guint32 number, const RelaisResult *result)
{
    RelaisQueue *queue = settlement->queue;
    RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
    const RelaisState *state = &settlement->live->message->states[delivery->recipient];

    relais_settlement_note (settlement, number, result);
    if (relais_state_is_final (state->kind)) {
        relais_queue_forget (queue, number);
    } else if (state->kind == RELAIS_STATE_HELD) {
        delivery->place = RELAIS_PLACE_HELD;
        delivery->action = RELAIS_ACTION_NONE;
        queue->held++;
    } else if (delivery->action > RELAIS_ACTION_DEFER) {
        relais_queue_make_local (queue, number, (RelaisAction)delivery->action);
    } else if (result->kind == RELAIS_RESULT_RELEASED) {
        relais_flow_put_due (relais_queue_flow_at (queue, delivery->flow), number, false);
    } else {
        relais_flow_put_waiting (relais_queue_flow_at (queue, delivery->flow), number,
                                 delivery->due_us);
    }
}

/* --- The group -------------------------------------------------------------------------------- */

static void
on_written (gpointer data)
{
    RelaisSettlement *settlement = data;
    RelaisQueue *queue = settlement->queue;

    queue->n_settling--;
    if (settlement->report != NULL && !queue->closed)
        relais_report_deliver (settlement->report);
    relais_report_free (settlement->report);
    relais_live_unref (settlement->live);
    if (settlement->written != NULL)
        settlement->written (settlement->data);
    g_free (settlement);
    if (!queue->closed)
        relais_queue_check_drained (queue);
    relais_queue_unref (queue);
}

static void
submit (RelaisSettlement *settlement)
{
    RelaisQueue *queue = settlement->queue;
    RelaisLive *live = settlement->live;

    /* The message ends with the last settlement about it that is handed over. */
    if (--live->settling == 0 && relais_records_find (&queue->records, live->id) == 0)
        relais_group_add_done (settlement->group, live->id);
    else
        relais_group_add_state (settlement->group, live->message);
    relais_group_submit (g_steal_pointer (&settlement->group), RELAIS_GROUP_LAZY, on_written, NULL,
                         settlement);
}

/* Nothing of it was written: it will be done again at the next start. */
static void
abandon (RelaisSettlement *settlement)
{
    relais_group_free (g_steal_pointer (&settlement->group));
    settlement->live->settling--;
    on_written (settlement);
}

/* A report that has a file of its own may fail where the outcome would not. So it goes first, and the
 * outcome waits until the sender is sure to hear of it. */
static void
on_report_kept (gpointer data, const GError *error)
{
    RelaisSettlement *settlement = data;
    RelaisQueue *queue = settlement->queue;

    if (queue->closed) {
        abandon (settlement);
        return;
    }
    if (error == NULL) {
        submit (settlement);
        return;
    }
    g_warning ("a report to a sender cannot be kept now: %s", error->message);
    relais_report_drop (settlement->report);
    queue->n_settling--;
    g_queue_push_tail (&queue->waiting_reports, settlement);
    if (!relais_timer_is_set (&queue->reports_timer))
        relais_timer_set (&queue->reports_timer, REPORT_RETRY_US);
    relais_queue_check_drained (queue);
}

static void
keep_report (RelaisSettlement *settlement)
{
    RelaisGroup *group = relais_group_new (settlement->queue->spool);

    relais_report_add_to_group (settlement->report, group);
    relais_group_submit (group, RELAIS_GROUP_URGENT, NULL, on_report_kept, settlement);
}

void
relais_settlement_retry_reports (gpointer data)
{
    RelaisQueue *queue = data;

    for (guint n = queue->waiting_reports.length; n > 0; n--) {
        queue->n_settling++;
        keep_report (g_queue_pop_head (&queue->waiting_reports));
    }
}

void
relais_settlement_abandon_reports (RelaisQueue *queue)
{
    for (RelaisSettlement *settlement;
         (settlement = g_queue_pop_head (&queue->waiting_reports)) != NULL;) {
        queue->n_settling++;
        abandon (settlement);
    }
}

static void
on_report_made (gpointer data)
{
    RelaisSettlement *settlement = data;

    if (settlement->queue->closed) {
        abandon (settlement);
    } else if (relais_report_is_small (settlement->report)) {
        relais_report_add_to_group (settlement->report, settlement->group);
        submit (settlement);
    } else {
        keep_report (settlement);
    }
}

static void
make_report (gpointer data)
{
    relais_report_make (((RelaisSettlement *)data)->report);
}

void
relais_settlement_commit (RelaisSettlement *settlement, RelaisLoopFunc written, gpointer data)
{
    RelaisQueue *queue = settlement->queue;
    guint32 slot = relais_records_find (&queue->records, settlement->live->id);

    settlement->facts = NULL;
    settlement->written = written;
    settlement->data = data;
    if (settlement->attempted && slot != 0 && !relais_slot_at (&queue->records, slot)->cooled) {
        relais_slot_at (&queue->records, slot)->cooled = 1;
        relais_spool_cool (queue->spool, settlement->live->id);
    }
    if (settlement->report == NULL)
        submit (settlement);
    else
        relais_queue_run_job (queue, make_report, on_report_made, settlement);
}
