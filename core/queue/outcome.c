/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Results: what each of them does to its delivery, says in the event log and to the sender, and proves against the
 * recipient's address. States in memory change at once; how all of it comes into the spool stands in settlement.c.
 */
#include "config.h"

#include "queue/destination-private.h"
#include "queue/quarantine-private.h"
#include "queue/schedule-private.h"
#include "queue/settlement-private.h"
#include "queue/suppressed-private.h"

#include <string.h>

/* Names of the events, by RelaisResultKind. */
static const char *const event_names[] = {"delivered", "deferred", "bounced",
                                          "expired",   "deleted",  "held",
                                          "released",  "delayed",  "suppressed"};

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
              const RelaisResult *result, RelaisMeaning *meaning)
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
        .reply_text = result->text,
        .meaning = meaning};
}

static void
run_result_hook (RelaisSettlement *settlement, const RelaisDelivery *delivery, RelaisResult *result,
                 RelaisMeaning *meaning)
{
    RelaisHost *host = settlement->queue->host;
    const RelaisEnvelope *envelope = &settlement->live->message->envelope;
    const RelaisRecipient *recipient = relais_envelope_recipient (envelope, delivery->recipient);
    RelaisHookResult verdict = {0};
    RelaisPin *pin = NULL;
    RelaisSubject subject;

    if (!result->attempted || host == NULL || !relais_host_has (host, RELAIS_HOOK_RESULT))
        return;
    fill_subject (&subject, settlement, result, meaning);
    if (subject.pin == NULL) /* what found no route had no attempt that pinned one */
        subject.pin = pin = relais_host_pin (host);
    subject.recipients = &recipient;
    subject.n_recipients = 1;
    subject.destination =
        relais_queue_flow_at (settlement->queue, delivery->flow)->destination->name;
    (void)relais_host_run (host, RELAIS_HOOK_RESULT, &subject, &verdict, NULL, NULL);
    /* The hook sees one recipient at a time, whoever else had the same reply. */
    if (result->shared)
        meaning->suppress = RELAIS_SUPPRESS_NONE;
    if (verdict.verdict == RELAIS_VERDICT_DEFER && is_open_to_verdicts (result))
        result->kind = RELAIS_RESULT_DEFERRED;
    else if (verdict.verdict == RELAIS_VERDICT_REJECT && is_open_to_verdicts (result))
        result->kind = RELAIS_RESULT_BOUNCED;
    relais_hook_result_clear (&verdict);
    if (pin != NULL)
        relais_pin_unref (pin);
}

static void
add_facts (RelaisEventLine *line, const RelaisResultFacts *facts)
{
    relais_event_line_add (line, "site", facts->site);
    relais_event_line_add (line, "source", facts->source);
    relais_event_line_add (line, "host", facts->host);
    relais_event_line_add (line, "address", facts->address);
    relais_event_line_add (line, "tls_policy", facts->tls_policy);
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

/* What the answer means, beside what it says. */
static void
add_meaning (RelaisEventLine *line, const RelaisMeaning *meaning)
{
    if (!meaning->is_set)
        return;
    relais_event_line_add (line, "bounce_scope", relais_bounce_scope_to_string (meaning->scope));
    relais_event_line_add (line, "bounce_permanence",
                           relais_bounce_permanence_to_string (meaning->permanence));
    if (meaning->reason[0] != '\0')
        relais_event_line_add (line, "bounce_reason", meaning->reason);
    if (meaning->rule[0] != '\0')
        relais_event_line_add (line, "bounce_rule", meaning->rule);
}

static void
log_result (RelaisSettlement *settlement, const RelaisDelivery *delivery,
            const RelaisResult *result, const RelaisMeaning *meaning, const RelaisState *state)
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
    add_meaning (line, meaning);
    if (result->kind == RELAIS_RESULT_SUPPRESSED) {
        relais_event_line_add (line, "suppress_class",
                               relais_suppress_class_to_string (result->suppress_class));
        relais_event_line_add (line, "suppress_reason", result->suppress_reason);
    }
    relais_event_line_add_int (line, "attempts", state->attempts);
    if (state->kind == RELAIS_STATE_QUEUED)
        relais_event_line_add_int (line, "next_try", state->due_us);
    relais_event_line_add_int (line, "queue_time",
                               MAX (relais_loop_now_us (queue->loop) - born_us, 0));
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
                       !result->internal, settlement->facts->host, result->attempted,
                       retry_until_us);
}

/* What the outcome proves against the address. Of whom the list is never asked about it need not hear. The event's id
 * makes an outcome that is repeated after a crash count once. */
static void
prove (RelaisSettlement *settlement, const RelaisDelivery *delivery, const RelaisResult *result,
       const RelaisMeaning *meaning, const RelaisState *state, const char *reply)
{
    RelaisQueue *queue = settlement->queue;
    const RelaisEnvelope *envelope = &settlement->live->message->envelope;
    const RelaisRecipient *recipient = relais_envelope_recipient (envelope, delivery->recipient);
    char queue_id[RELAIS_ID_TEXT_BYTES];
    g_autofree char *id = NULL;

    if (meaning->suppress == RELAIS_SUPPRESS_NONE || queue->suppression == NULL ||
        !relais_suppressed_applies (envelope, recipient))
        return;
    relais_id_to_text (settlement->live->id, queue_id);
    id =
        relais_event_id (queue_id, delivery->recipient, state->attempts, event_names[result->kind]);
    if (settlement->dossier == NULL)
        settlement->dossier = relais_dossier_new (queue->suppression);
    relais_dossier_add (settlement->dossier,
                        &(RelaisEvidence){
                            .suppress_class = meaning->suppress,
                            .address = recipient->address,
                            .tenant = envelope->tenant,
                            .campaign = envelope->campaign,
                            .reason = meaning->reason[0] != '\0' ? meaning->reason : NULL,
                            .text = reply,
                            .id = id,
                            .wall_us = relais_loop_wall_us (queue->loop),
                        });
}

/* Changes the kind where the moment asks for it: too old is expired, a wish of the operator's that came
 * while it was under way is granted in place of the next try. */
static void
reconsider (RelaisSettlement *settlement, const RelaisDelivery *delivery, RelaisResult *result)
{
    RelaisQueue *queue = settlement->queue;
    const RelaisMessageSlot *slot = relais_slot_at (&queue->records, delivery->message);
    gint64 expiry = relais_schedule_expiry_us (relais_queue_schedule (queue, slot), slot->born_us,
                                               slot->bounce);

    if (result->kind == RELAIS_RESULT_DEFERRED && delivery->action == RELAIS_ACTION_NONE &&
        slot->grace == 0 && relais_loop_now_us (queue->loop) >= expiry)
        result->kind = RELAIS_RESULT_EXPIRED;
}

static void
set_state (RelaisSettlement *settlement, RelaisDelivery *delivery, const RelaisResult *result,
           RelaisState *state, const char *reply)
{
    static const guint8 kinds[] = {
        RELAIS_STATE_DELIVERED, RELAIS_STATE_QUEUED,  RELAIS_STATE_BOUNCED,
        RELAIS_STATE_EXPIRED,   RELAIS_STATE_DELETED, RELAIS_STATE_HELD,
        RELAIS_STATE_QUEUED,    RELAIS_STATE_QUEUED,  RELAIS_STATE_BOUNCED};
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
    /* From here on it is the operator who says. */
    if (result->kind == RELAIS_RESULT_RELEASED || result->kind == RELAIS_RESULT_HELD)
        state->flags &= (guint8)~RELAIS_STATE_QUARANTINED;
    if (result->kind == RELAIS_RESULT_DEFERRED) {
        gint64 wait = delivery->moved
                          ? 0
                          : relais_schedule_wait_us (relais_queue_schedule (queue, slot),
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
    case RELAIS_RESULT_SUPPRESSED: queue->suppressed_total++; break;
    case RELAIS_RESULT_DELETED:
    case RELAIS_RESULT_HELD:
    case RELAIS_RESULT_RELEASED:
    case RELAIS_RESULT_NOTICED: break;
    }
}

/* Why it is late, as the last attempt had it. */
static const char *
reason_of_delay (const RelaisSettlement *settlement, const RelaisDelivery *delivery,
                 const RelaisState *state, guint16 enhanced[3])
{
    const char *reply = state->reply;
    const char *said = relais_reply_is_remote (reply) ? reply + 4 : reply;
    g_autofree char *word = NULL;
    guint16 given[3] = {0};

    if (reply == NULL)
        return relais_flow_is_resting (relais_queue_flow_at (settlement->queue, delivery->flow))
                   ? "the message waits for the end of quiet hours"
                   : NULL;
    word = g_strndup (said, strcspn (said, " "));
    if (relais_enhanced_parse (word, given) && given[0] == 4)
        memcpy (enhanced, given, sizeof given);
    return reply;
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
        reply = reason_of_delay (settlement, delivery, state, expired.enhanced);
        report_result (settlement, delivery->recipient, RELAIS_DSN_DELAYED, &expired, reply,
                       relais_loop_wall_us (queue->loop) +
                           relais_schedule_expiry_us (relais_queue_schedule (queue, slot),
                                                      slot->born_us, slot->bounce) -
                           relais_loop_now_us (queue->loop));
        return;
    case RELAIS_RESULT_DELIVERED:
        if (!settlement->facts->peer_reports)
            report_result (settlement, delivery->recipient, RELAIS_DSN_RELAYED, result, reply, 0);
        return;
    /* Senders are told by the event and at RCPT; a campaign that runs into an old list would have a report for each of
     * its addresses mailed to it, and the address was reported when it came on the list. So only who asked for reports
     * of failures in so many words gets one. */
    case RELAIS_RESULT_SUPPRESSED:
        if ((relais_envelope_recipient (&settlement->live->message->envelope, delivery->recipient)
                 ->notify &
             RELAIS_NOTIFY_FAILURE) != 0)
            report_result (settlement, delivery->recipient, RELAIS_DSN_FAILED, result, reply, 0);
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
    RelaisMeaning meaning = {0};
    g_autofree char *reply = NULL;

    run_result_hook (settlement, delivery, &result, &meaning);
    reconsider (settlement, delivery, &result);
    reply =
        result.text != NULL || result.code != 0 ? reply_line (&result) : g_strdup (state->reply);
    /* What was deleted while it was under way is recorded, and stays deleted. */
    if (state->kind == RELAIS_STATE_DELETED) {
        log_result (settlement, delivery, &result, &meaning, state);
        prove (settlement, delivery, &result, &meaning, state, reply);
        return;
    }
    if (result.kind == RELAIS_RESULT_EXPIRED && result.attempted)
        relais_message_set_state_reply (state, reply);
    set_state (settlement, delivery, &result, state, reply);
    report (settlement, delivery, &result, state, reply);
    if (result.kind == RELAIS_RESULT_NOTICED)
        state->flags = (guint8)((state->flags & ~RELAIS_SCHEDULE_NOTICES) |
                                relais_slot_at (&queue->records, delivery->message)->noticed);
    log_result (settlement, delivery, &result, &meaning, state);
    prove (settlement, delivery, &result, &meaning, state, reply);
    settlement->attempted = settlement->attempted || result.attempted;
    count (queue, result.kind);
}

/* An operator's force was for one attempt. */
static RelaisFlow *
move_to_quiet (RelaisQueue *queue, guint32 number)
{
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

    return relais_flow_move (queue, number,
                             relais_queue_flow_at (queue, delivery->flow)->destination, false);
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
        relais_quarantine_put_held (queue, number, state);
    } else if (delivery->action > RELAIS_ACTION_DEFER) {
        relais_queue_make_local (queue, number, (RelaisAction)delivery->action);
    } else if (result->kind == RELAIS_RESULT_RELEASED) {
        (void)move_to_quiet (queue, number);
        relais_queue_put (queue, number, false);
    } else {
        relais_flow_put_waiting (move_to_quiet (queue, number), number, delivery->due_us);
    }
}
