/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Attempts. Owned by the queue's list; ended by exactly one of put_back, fail and settle. While a
 * worker has the rope the attempt belongs to the job: if its connection goes meanwhile, the job's
 * end puts it back.
 */
#include "config.h"

#include "queue/attempt-private.h"

#include "queue/connection-private.h"
#include "queue/lane-private.h"
#include "queue/outcome-private.h"
#include "queue/suppressed-private.h"

#include "message/address-private.h"

#include <string.h>

enum { SIBLINGS_LOOKED_AT = 1000 };

static void on_live (gpointer data, RelaisLive *live, const GError *error);
static void route (RelaisAttempt *attempt);

/* --- Life ------------------------------------------------------------------------------------- */

RelaisAttemptProblem *
relais_attempt_problem_new (const char *stage, const char *enhanced, const char *text)
{
    RelaisAttemptProblem *problem = g_new0 (RelaisAttemptProblem, 1);

    problem->stage = stage;
    problem->text = g_strdup (text);
    (void)relais_enhanced_parse (enhanced, problem->enhanced);
    return problem;
}

void
relais_attempt_problem_free (RelaisAttemptProblem *problem)
{
    if (problem == NULL)
        return;
    g_free (problem->text);
    g_free (problem->host);
    g_free (problem->address);
    g_free (problem);
}

static guint
most_recipients (const RelaisAttempt *attempt, const RelaisConnection *connection, guint32 first)
{
    const RelaisQueue *queue = attempt->queue;
    const RelaisDelivery *delivery = relais_delivery_at (&queue->records, first);
    guint most = attempt->path->lane->recipients;
    guint granted = relais_grant_get_max_recipients (attempt->grant);

    if (relais_slot_at (&queue->records, delivery->message)->alone)
        return 1;
    if (queue->host != NULL && (relais_host_is_per_recipient (queue->host, RELAIS_HOOK_REWRITE) ||
                                relais_host_is_per_recipient (queue->host, RELAIS_HOOK_SEAL)))
        return 1;
    if (connection != NULL && connection->caps.limits_rcptmax > 0)
        most = MIN (most, connection->caps.limits_rcptmax);
    return granted > 0 ? MIN (most, granted) : most;
}

/* What else of the message is due in the same flow and may go from the same source. */
static void
gather (RelaisAttempt *attempt, GArray *deliveries, guint8 list, guint most)
{
    RelaisQueue *queue = attempt->queue;
    guint32 first = g_array_index (deliveries, guint32, 0);
    guint32 number = relais_delivery_at (&queue->records, first)->after;

    for (guint i = 0; number != 0 && deliveries->len < most && i < SIBLINGS_LOOKED_AT; i++) {
        RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);
        guint32 next = delivery->after;

        queue->steps++;
        if (delivery->place == RELAIS_PLACE_DUE && delivery->flow == attempt->flow->number &&
            (delivery->list == 0 || delivery->list == list)) {
            relais_flow_remove (attempt->flow, number);
            g_array_append_val (deliveries, number);
        }
        number = next;
    }
}

RelaisAttempt *
relais_attempt_take (RelaisStrand *strand, RelaisConnection *connection, RelaisGrant *grant)
{
    RelaisQueue *queue = strand->flow->queue;
    RelaisAttempt *attempt = g_new0 (RelaisAttempt, 1);
    GArray *deliveries = g_array_sized_new (FALSE, FALSE, sizeof (guint32), 1);
    guint place = (guint)(strand - strand->flow->strands);
    guint32 first = relais_flow_take (strand->flow, place);
    gsize n;

    g_assert (first != 0);
    attempt->queue = queue;
    attempt->flow = strand->flow;
    relais_flow_enter (attempt->flow);
    attempt->source = strand->lane->source;
    attempt->path = relais_path_ref (strand->path);
    attempt->route = relais_route_ref (strand->flow->destination->route);
    attempt->grant = grant;
    attempt->id =
        relais_slot_at (&queue->records, relais_delivery_at (&queue->records, first)->message)->id;
    g_array_append_val (deliveries, first);
    gather (attempt, deliveries, (guint8)(place + 1), most_recipients (attempt, connection, first));
    attempt->deliveries = g_array_steal (deliveries, &n);
    g_array_unref (deliveries);
    attempt->n = (guint)n;
    for (guint i = 0; i < attempt->n; i++) {
        RelaisDelivery *delivery = relais_delivery_at (&queue->records, attempt->deliveries[i]);

        delivery->place = RELAIS_PLACE_ACTIVE;
        delivery->unknown = 0;
    }
    queue->active += attempt->n;
    attempt->link.data = attempt;
    g_queue_push_tail_link (&queue->attempts, &attempt->link);
    relais_grant_tell (grant, RELAIS_RESERVATION_TAKEN, attempt->n);
    return attempt;
}

void
relais_attempt_free (RelaisAttempt *attempt)
{
    if (attempt->run != NULL)
        relais_host_cancel (attempt->run);
    g_queue_unlink (&attempt->queue->attempts, &attempt->link);
    if (attempt->live != NULL)
        relais_live_unref (attempt->live);
    if (attempt->rope != NULL)
        relais_rope_unref (attempt->rope);
    if (attempt->pin != NULL)
        relais_pin_unref (attempt->pin);
    if (attempt->subject.attempt_attributes != NULL)
        g_ptr_array_unref (attempt->subject.attempt_attributes);
    relais_grant_end (attempt->grant, RELAIS_RESERVATION_RETURNED, 0);
    relais_attempt_problem_free (attempt->problem);
    relais_path_unref (attempt->path);
    relais_route_unref (attempt->route);
    relais_flow_leave (attempt->flow);
    g_free (attempt->recipients);
    g_free (attempt->deliveries);
    g_free (attempt->sender);
    g_free (attempt->text);
    g_free (attempt);
}

/* The attempt ends: its connection is free of it, its deliveries are in no place. */
static void
end (RelaisAttempt *attempt)
{
    RelaisQueue *queue = attempt->queue;

    if (attempt->connection != NULL)
        relais_connection_drop (attempt->connection, attempt);
    queue->active -= attempt->n;
    relais_attempt_free (attempt);
    relais_queue_check_drained (queue);
}

/* Puts some back at the head of their flow, in their old order; an operator's wish that came
 * meanwhile is granted. */
static void
put_back_from (RelaisAttempt *attempt, guint from)
{
    RelaisQueue *queue = attempt->queue;

    for (guint i = attempt->n; i > from; i--) {
        guint32 number = attempt->deliveries[i - 1];
        RelaisDelivery *delivery = relais_delivery_at (&queue->records, number);

        delivery->place = RELAIS_PLACE_NONE;
        if (delivery->action != RELAIS_ACTION_NONE)
            relais_queue_make_local (queue, number, (RelaisAction)delivery->action);
        else
            relais_flow_put_due (relais_queue_flow_at (queue, delivery->flow), number, true);
    }
    queue->active -= attempt->n - from;
    attempt->n = from;
}

void
relais_attempt_put_back (RelaisAttempt *attempt)
{
    if (attempt->step == RELAIS_ATTEMPT_PREPARING) {
        attempt->connection = NULL; /* on_prepared () puts it back */
        return;
    }
    if (attempt->step == RELAIS_ATTEMPT_LOADING && attempt->live == NULL) {
        attempt->connection = NULL; /* on_live () does */
        return;
    }
    relais_path_untried (attempt->path);
    put_back_from (attempt, 0);
    end (attempt);
}

bool
relais_attempt_has_moved (const RelaisAttempt *attempt)
{
    for (guint i = 0; i < attempt->n; i++)
        if (relais_delivery_at (&attempt->queue->records, attempt->deliveries[i])->moved)
            return true;
    return false;
}

/* --- Loading and the route hook --------------------------------------------------------------- */

static void
lose_deliveries (RelaisAttempt *attempt)
{
    for (guint i = 0; i < attempt->n; i++)
        relais_queue_forget (attempt->queue, attempt->deliveries[i]);
    attempt->queue->active -= attempt->n;
    attempt->n = 0;
    relais_path_untried (attempt->path);
    end (attempt);
}

/* The message cannot be read now: nothing can be said of it in the spool either, so that it waits
 * in memory alone. */
static void
wait_a_minute (RelaisAttempt *attempt)
{
    RelaisQueue *queue = attempt->queue;
    gint64 due = relais_loop_now_us (queue->loop) + RELAIS_USEC_PER_MIN;

    for (guint i = 0; i < attempt->n; i++) {
        RelaisDelivery *delivery = relais_delivery_at (&queue->records, attempt->deliveries[i]);

        delivery->place = RELAIS_PLACE_NONE;
        relais_flow_put_waiting (relais_queue_flow_at (queue, delivery->flow),
                                 attempt->deliveries[i], due);
    }
    queue->active -= attempt->n;
    attempt->n = 0;
    relais_path_untried (attempt->path);
    end (attempt);
}

static void
on_unreadable (RelaisAttempt *attempt, const GError *error)
{
    char id[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (attempt->id, id);
    g_warning ("%s: the message cannot be read: %s", id, error->message);
    if (g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED))
        relais_spool_quarantine (attempt->queue->spool, attempt->id, error->message);
    if (g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED) ||
        g_error_matches (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_GONE))
        lose_deliveries (attempt);
    else
        wait_a_minute (attempt);
}

static void
use_live (RelaisAttempt *attempt, RelaisLive *live)
{
    RelaisEnvelope *envelope = &live->message->envelope;

    attempt->live = live;
    attempt->recipients = g_new (const RelaisRecipient *, attempt->n);
    for (guint i = 0; i < attempt->n; i++)
        attempt->recipients[i] = relais_envelope_recipient (
            envelope,
            relais_delivery_at (&attempt->queue->records, attempt->deliveries[i])->recipient);
    attempt->subject = (RelaisSubject){.pin = attempt->pin,
                                       .envelope = envelope,
                                       .tenant = envelope->tenant,
                                       .user = envelope->user,
                                       .message = live->message,
                                       .recipients = attempt->recipients,
                                       .n_recipients = attempt->n,
                                       .destination = attempt->flow->destination->name};
}

static void
on_live (gpointer data, RelaisLive *live, const GError *error)
{
    RelaisAttempt *attempt = data;

    if (attempt->queue->closed)
        return; /* the queue's end frees it */
    if (live == NULL) {
        on_unreadable (attempt, error);
        return;
    }
    use_live (attempt, live);
    if (attempt->problem != NULL)
        relais_attempt_fail (attempt, g_steal_pointer (&attempt->problem));
    else if (attempt->connection == NULL)
        relais_attempt_put_back (attempt);
    else
        route (attempt);
}

void
relais_attempt_start (RelaisAttempt *attempt)
{
    RelaisLive *live;

    if (attempt->queue->host != NULL)
        attempt->pin = relais_host_pin (attempt->queue->host);
    live = relais_live_get (attempt->queue, attempt->id, on_live, attempt);
    if (live == NULL)
        return;
    use_live (attempt, live);
    route (attempt);
}

static void
fail_by_hook (RelaisAttempt *attempt, const RelaisHookResult *result, const char *stage)
{
    bool reject = result->verdict == RELAIS_VERDICT_REJECT;
    RelaisAttemptProblem *problem = relais_attempt_problem_new (
        stage, result->enhanced[0] != '\0' ? result->enhanced : (reject ? "5.7.1" : "4.7.1"),
        result->text != NULL ? result->text : "refused by policy");

    if (problem->enhanced[0] != (reject ? 5 : 4))
        problem->enhanced[0] = reject ? 5 : 4;
    relais_path_untried (attempt->path);
    relais_attempt_fail (attempt, problem);
}

void
relais_attempt_refuse (RelaisAttempt *attempt, const RelaisHookResult *result)
{
    RelaisLive *live;

    attempt->pin = relais_host_pin (attempt->queue->host);
    live = relais_live_get (attempt->queue, attempt->id, on_live, attempt);
    if (live != NULL)
        use_live (attempt, live);
    fail_by_hook (attempt, result, "admit");
}

static void
on_routed (gpointer data, RelaisHookResult *result)
{
    RelaisAttempt *attempt = data;
    RelaisVerdict verdict = result->verdict;

    attempt->run = NULL;
    if (verdict == RELAIS_VERDICT_REJECT || verdict == RELAIS_VERDICT_DEFER ||
        verdict == RELAIS_VERDICT_TEMPFAIL) {
        fail_by_hook (attempt, result, "route");
        return;
    }
    attempt->step = RELAIS_ATTEMPT_WAITING;
    relais_attempt_go_on (attempt);
}

/* Whether an operator asked for something else meanwhile. */
static bool
has_wish (const RelaisAttempt *attempt)
{
    for (guint i = 0; i < attempt->n; i++)
        if (relais_delivery_at (&attempt->queue->records, attempt->deliveries[i])->action !=
            RELAIS_ACTION_NONE)
            return true;
    return false;
}

static bool
has_hook (const RelaisQueue *queue, RelaisHookId hook)
{
    return queue->host != NULL && relais_host_has (queue->host, hook);
}

/* Takes out to whom nothing may go now; false if that was all, and the attempt has ended. */
static bool
sift (RelaisAttempt *attempt)
{
    if (attempt->queue->suppression == NULL || relais_suppressed_sift (attempt) > 0)
        return true;
    attempt->queue->sifted++;
    relais_path_untried (attempt->path);
    end (attempt);
    return false;
}

static void
route (RelaisAttempt *attempt)
{
    RelaisQueue *queue = attempt->queue;
    RelaisHookResult result = {0};

    if (!sift (attempt))
        return;
    attempt->step = RELAIS_ATTEMPT_ROUTING;
    if (has_hook (queue, RELAIS_HOOK_ROUTE) || has_hook (queue, RELAIS_HOOK_REWRITE) ||
        has_hook (queue, RELAIS_HOOK_SEAL))
        attempt->subject.attempt_attributes = relais_attempt_attributes_new ();
    if (has_hook (queue, RELAIS_HOOK_ROUTE)) {
        attempt->run = relais_host_run (queue->host, RELAIS_HOOK_ROUTE, &attempt->subject, &result,
                                        on_routed, attempt);
        if (attempt->run != NULL)
            return;
    }
    on_routed (attempt, &result);
    relais_hook_result_clear (&result);
}

/* --- Preparation ------------------------------------------------------------------------------ */

static void
refuse (RelaisAttempt *attempt, const char *stage, const char *enhanced, const char *text)
{
    relais_path_untried (attempt->path);
    relais_attempt_fail (attempt, relais_attempt_problem_new (stage, enhanced, text));
}

static bool
is_ascii (const char *text)
{
    for (; *text != '\0'; text++)
        if ((guint8)*text > 127)
            return false;
    return true;
}

/* Whether anything in it needs SMTPUTF8, whatever the client said (RFC 6531 section 3.4). */
static bool
needs_smtputf8 (const RelaisAttempt *attempt)
{
    const RelaisMessage *message = attempt->live->message;

    if (message->envelope.smtputf8 && relais_body_facts (message->body)->eight_bit_header)
        return true;
    if (!is_ascii (message->envelope.sender))
        return true;
    for (guint i = 0; i < attempt->n; i++)
        if (!is_ascii (attempt->recipients[i]->address))
            return true;
    return false;
}

/* The rope is made: may this peer have it? */
static void
offer (RelaisAttempt *attempt)
{
    const RelaisSmtpCaps *caps = &attempt->connection->caps;

    if (has_wish (attempt)) {
        relais_attempt_put_back (attempt);
        return;
    }
    attempt->smtputf8 = needs_smtputf8 (attempt);
    if (attempt->smtputf8 && !caps->smtputf8) {
        refuse (attempt, "ehlo", "5.6.7", "the next host does not take internationalised mail");
        return;
    }
    if (caps->max_size > 0 && relais_rope_size (attempt->rope) > caps->max_size) {
        refuse (attempt, "ehlo", "5.3.4", "the message is larger than the next host takes");
        return;
    }
    attempt->step = RELAIS_ATTEMPT_READY;
    relais_connection_ready (attempt->connection, attempt);
}

static void
on_prepared (gpointer data)
{
    RelaisAttempt *attempt = data;

    if (attempt->queue->closed) {
        relais_attempt_free (attempt);
        return;
    }
    attempt->step = RELAIS_ATTEMPT_WAITING;
    if (attempt->connection == NULL) {
        relais_attempt_put_back (attempt);
        return;
    }
    switch (attempt->prepared) {
    case RELAIS_PREPARED_OK: offer (attempt); return;
    case RELAIS_PREPARED_DEFER:
    case RELAIS_PREPARED_REFUSE:
        refuse (attempt, "prepare", attempt->enhanced, attempt->text);
        return;
    case RELAIS_PREPARED_DAMAGED:
        g_warning ("a message is damaged: %s", attempt->text);
        relais_spool_quarantine (attempt->queue->spool, attempt->id, attempt->text);
        lose_deliveries (attempt);
        return;
    case RELAIS_PREPARED_BROKEN:
        g_warning ("a message cannot be read now: %s", attempt->text);
        wait_a_minute (attempt);
        return;
    }
}

/* How many of the recipients have no more than `most` domains (RFC 9422 section 4.3); 0: any number. */
static guint
within_domains (const RelaisAttempt *attempt, guint most)
{
    g_autoptr (GHashTable) domains = g_hash_table_new (g_str_hash, g_str_equal);

    for (guint i = 0; most > 0 && i < attempt->n; i++) {
        g_hash_table_add (domains,
                          (gpointer)relais_address_domain (attempt->recipients[i]->address));
        if (g_hash_table_size (domains) > most)
            return i;
    }
    return attempt->n;
}

void
relais_attempt_go_on (RelaisAttempt *attempt)
{
    RelaisConnection *connection = attempt->connection;
    guint most;

    if (attempt->step != RELAIS_ATTEMPT_WAITING || !relais_connection_is_open (connection) ||
        !sift (attempt))
        return;
    most = MIN (most_recipients (attempt, connection, attempt->deliveries[0]),
                within_domains (attempt, connection->caps.limits_rcptdomainmax));
    if (attempt->n > most) {
        /* Taken before the peer's LIMITS were known. */
        put_back_from (attempt, most);
        attempt->subject.n_recipients = attempt->n;
    }
    attempt->limits = (RelaisTransportLimits){connection->caps.eight_bit,
                                              attempt->queue->settings.pass_long_lines};
    if (relais_prepare_inline (attempt)) {
        offer (attempt);
        return;
    }
    attempt->step = RELAIS_ATTEMPT_PREPARING;
    relais_queue_run_job (attempt->queue, relais_prepare_work, on_prepared, attempt);
}

/* --- Ends ------------------------------------------------------------------------------------- */

static RelaisResultFacts
facts_of (const RelaisAttempt *attempt)
{
    const RelaisConnection *connection = attempt->connection;
    RelaisResultFacts facts = {.source = attempt->source->name,
                               .pool = attempt->source->pool->name,
                               .site = attempt->route->site,
                               .provider =
                                   attempt->route->is_provider ? attempt->route->site : NULL,
                               .pin = attempt->pin};

    if (attempt->live != NULL)
        facts.size = attempt->rope != NULL
                         ? relais_rope_size (attempt->rope)
                         : relais_body_facts (attempt->live->message->body)->size_bytes;
    if (connection != NULL && relais_connection_is_open (connection)) {
        facts.host = relais_connection_host (connection);
        facts.address = connection->address;
        facts.tls_policy = relais_tls_policy_to_string (connection->terms->policy);
        facts.tls_version = connection->tls_version;
        facts.tls_cipher = connection->tls_cipher;
        facts.tls_verify = connection->tls_verify;
        /* Under an address of ours, what the peer reports does not come to the sender. */
        facts.peer_reports = connection->caps.dsn && attempt->sender == NULL;
    }
    return facts;
}

static void
release_places (RelaisAttempt *attempt)
{
    for (guint i = 0; i < attempt->n; i++)
        relais_delivery_at (&attempt->queue->records, attempt->deliveries[i])->place =
            RELAIS_PLACE_NONE;
    attempt->queue->active -= attempt->n;
}

/* No host let this source in: the next try is another one's, if there is one, so that the probes of a
 * source that is shut out do not take the same mail each time. 0: any. */
static guint32
other_source (const RelaisAttempt *attempt)
{
    const RelaisFlow *flow = attempt->flow;
    guint n = flow->pool->sources->len;

    if (attempt->path->state == RELAIS_PATH_OPEN)
        return 0;
    for (guint i = 0; i < n; i++) {
        guint place = (guint)((attempt->id + i) % n);
        const RelaisSource *source = g_ptr_array_index (flow->pool->sources, place);

        if (source != attempt->source && source->weight > 0 &&
            relais_strand_is_usable (&flow->strands[place]))
            return source->hash;
    }
    return 0;
}

void
relais_attempt_fail (RelaisAttempt *attempt, RelaisAttemptProblem *problem)
{
    RelaisResultFacts facts = facts_of (attempt);
    RelaisSettlement *settlement;
    RelaisResult result;

    if (attempt->live == NULL) {
        attempt->connection = NULL;
        relais_attempt_problem_free (attempt->problem);
        attempt->problem = problem; /* on_live () comes back here */
        return;
    }
    if (attempt->step == RELAIS_ATTEMPT_PREPARING) {
        /* Only the end of its connection comes now, and then it was the next in line. */
        relais_attempt_problem_free (problem);
        relais_attempt_put_back (attempt);
        return;
    }
    facts.source_hash = other_source (attempt);
    if (problem->host != NULL) {
        facts.host = problem->host;
        facts.address = problem->address;
    }
    result = (RelaisResult){.kind = problem->enhanced[0] == 5 ? RELAIS_RESULT_BOUNCED
                                                              : RELAIS_RESULT_DEFERRED,
                            .attempted = true,
                            .internal = problem->code == 0,
                            .code = problem->code,
                            .text = problem->text,
                            .stage = problem->stage};
    memcpy (result.enhanced, problem->enhanced, sizeof result.enhanced);
    release_places (attempt);
    settlement = relais_settlement_new (relais_live_ref (attempt->live), &facts);
    for (guint i = 0; i < attempt->n; i++)
        relais_settlement_add (settlement, attempt->deliveries[i], &result);
    relais_settlement_commit (settlement, NULL, NULL);
    attempt->n = 0;
    relais_attempt_problem_free (problem);
    end (attempt);
}

/* RFC 5321 section 4.5.3.1.10: too many recipients for one transaction, 552 being an old name of
 * 452. Other replies with these codes (a full mailbox, a full disk) mean something else. */
static bool
is_recipient_limit (const RelaisSmtpOutcome *outcome)
{
    const RelaisSmtpReply *reply = &outcome->reply;
    g_autofree char *text = NULL;

    if (outcome->phase != RELAIS_PHASE_RCPT || (reply->code != 452 && reply->code != 552))
        return false;
    if (reply->enhanced[0] != 0 && reply->enhanced[1] == 5 && reply->enhanced[2] == 3)
        return true; /* RFC 3463 section 3.6 */
    text = g_ascii_strdown (reply->text != NULL ? reply->text : "", -1);
    return strstr (text, "too many recipients") != NULL;
}

/* RFC 4954 section 6: a smarthost that wants a login, or another one. The operator can mend that, and the
 * mail is good. */
static bool
is_login_wanted (const RelaisSmtpOutcome *outcome)
{
    const guint16 code = outcome->reply.code;

    return code == 530 || code == 534 || code == 535 || code == 538;
}

/* What our own client would not send, by RelaisSmtpRefusal. */
static const guint16 refusal_codes[][3] = {{4, 4, 2}, {5, 3, 4}, {5, 6, 7},
                                           {5, 1, 3}, {5, 6, 0}, {4, 3, 0}};

static RelaisResult
result_of (const RelaisSmtpOutcome *outcome, const RelaisSmtpFailure *failure)
{
    const RelaisSmtpReply *reply = &outcome->reply;
    RelaisResult result = {.attempted = true,
                           .code = reply->code,
                           .text = reply->text,
                           .stage = relais_smtp_phase_to_string (outcome->phase)};

    memcpy (result.enhanced, reply->enhanced, sizeof result.enhanced);
    result.kind = reply->code >= 500                         ? RELAIS_RESULT_BOUNCED
                  : reply->code >= 200 && reply->code <= 299 ? RELAIS_RESULT_DELIVERED
                                                             : RELAIS_RESULT_DEFERRED;
    if (reply->code != 0)
        return result;
    result.internal = true;
    result.text = failure != NULL ? failure->text : "the connection broke";
    result.stage = relais_smtp_phase_to_string (failure != NULL ? failure->phase : outcome->phase);
    memcpy (result.enhanced, refusal_codes[failure != NULL ? failure->refused : 0],
            sizeof result.enhanced);
    if (result.enhanced[0] == 5)
        result.kind = RELAIS_RESULT_BOUNCED;
    return result;
}

void
relais_attempt_settle (RelaisAttempt *attempt, const RelaisSmtpOutcome *outcomes,
                       const RelaisSmtpFailure *failure, RelaisLoopFunc written, gpointer data)
{
    RelaisResultFacts facts = facts_of (attempt);
    RelaisSettlement *settlement = relais_settlement_new (relais_live_ref (attempt->live), &facts);
    guint said[RELAIS_PHASE_QUIT + 1] = {0}; /* to how many recipients in each phase */
    bool some_taken = false;

    facts.source_hash = attempt->source->hash;
    relais_grant_end (g_steal_pointer (&attempt->grant), RELAIS_RESERVATION_USED, attempt->n);
    for (guint i = 0; i < attempt->n; i++) {
        some_taken = some_taken || (outcomes[i].reply.code >= 200 && outcomes[i].reply.code < 300);
        said[outcomes[i].phase]++;
    }
    release_places (attempt);
    for (guint i = 0; i < attempt->n; i++) {
        guint32 number = attempt->deliveries[i];
        RelaisResult result = result_of (&outcomes[i], failure);

        /* Only a reply to RCPT is to one recipient. */
        result.shared = outcomes[i].phase != RELAIS_PHASE_RCPT && said[outcomes[i].phase] > 1;
        if (attempt->route->fixed != NULL && is_login_wanted (&outcomes[i])) {
            result.kind = RELAIS_RESULT_DEFERRED;
            result.enhanced[0] = MIN (result.enhanced[0], 4);
        }
        bool limit = is_recipient_limit (&outcomes[i]);

        if (limit && result.kind == RELAIS_RESULT_BOUNCED) {
            result.kind = RELAIS_RESULT_DEFERRED;
            result.enhanced[0] = MIN (result.enhanced[0], 4);
        }
        /* Each such round ends at least one delivery, so that there are no more than recipients. */
        const RelaisDelivery *delivery = relais_delivery_at (&attempt->queue->records, number);

        if (limit && some_taken && delivery->action == RELAIS_ACTION_NONE)
            relais_flow_put_due (relais_queue_flow_at (attempt->queue, delivery->flow), number,
                                 true);
        else
            relais_settlement_add (settlement, number, &result);
    }
    attempt->n = 0;
    relais_settlement_commit (settlement, written, data);
    relais_path_opened (attempt->path);
    attempt->connection = NULL;
    end (attempt);
}
