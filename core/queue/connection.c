/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connections. One is owned by its lane from the opening to the client's end; an outcome that is
 * being written keeps its memory.
 *
 * Opening tries the route's stops in the order of reach.c: host by host, the preferred family first,
 * skipping what the source has no address for. A refusing banner goes on to the next host as a failed
 * connect does. A failed handshake under an opportunistic policy is tried once more in clear, on a new
 * connection, and remembered for a day (user-demands 19).
 */
#include "config.h"

#include "queue/connection-private.h"
#include "queue/reach-private.h"
#include "queue/source-private.h"
#include "queue/terms-private.h"
#include "queue/tlsrpt-private.h"

#include "conf/net-private.h"

#include <string.h>

enum { MAX_TRIES = 20, MAX_CLEAR_HOSTS = 1000, MAX_FAILURES_BYTES = 900 };

/* RFC 3463 section 3.8, "cryptographic failure". */
static const guint16 no_tls[3] = {4, 7, 5};
static const RelaisSmtpClientCallbacks callbacks;
static void try_stops (RelaisConnection *connection);
static void take_next (RelaisConnection *connection);

static void
connection_unref (RelaisConnection *connection)
{
    if (--connection->refs > 0)
        return;
    relais_route_unref (connection->route);
    g_array_unref (connection->order);
    relais_tls_terms_unref (connection->terms);
    g_free (connection->address);
    g_free (connection->tls_version);
    g_free (connection->tls_cipher);
    g_free (connection->tls_verify);
    g_string_free (connection->failures, TRUE);
    relais_attempt_problem_free (connection->problem);
    g_free (connection);
}

static const RelaisStop *
stop_of (const RelaisConnection *connection)
{
    return &g_array_index (connection->route->stops, RelaisStop,
                           g_array_index (connection->order, guint, connection->stop));
}

const char *
relais_connection_host (const RelaisConnection *connection)
{
    return g_ptr_array_index (connection->route->hosts, stop_of (connection)->host);
}

static void
set_idle (RelaisConnection *connection, bool idle)
{
    GQueue *queue = &connection->queue->idle_connections;

    if (connection->is_idle == idle)
        return;
    connection->is_idle = idle;
    if (idle)
        g_queue_push_tail_link (queue, &connection->idle_link);
    else
        g_queue_unlink (queue, &connection->idle_link);
}

/* The connection is over: what it had not sent goes back. */
static void
finish (RelaisConnection *connection)
{
    RelaisAttempt *attempt = g_steal_pointer (&connection->attempt);
    RelaisAttempt *next = g_steal_pointer (&connection->next);
    RelaisQueue *queue = connection->queue;

    connection->state = RELAIS_CONNECTION_CLOSED;
    set_idle (connection, false);
    relais_timer_stop (&connection->timer);
    if (next != NULL) {
        next->connection = NULL;
        relais_attempt_put_back (next);
    }
    if (attempt != NULL) {
        attempt->connection = NULL;
        relais_attempt_put_back (attempt);
    }
    relais_path_unref (g_steal_pointer (&connection->path));
    relais_grant_end (g_steal_pointer (&connection->grant), RELAIS_RESERVATION_ENDED, 0);
    relais_lane_remove_connection (g_steal_pointer (&connection->lane), connection);
    relais_queue_check_drained (queue);
    connection_unref (connection);
}

/* --- Hosts that do not speak TLS well ---------------------------------------------------------- */

static bool
is_clear_host (RelaisQueue *queue, const char *host)
{
    const gint64 *until = g_hash_table_lookup (queue->clear_hosts, host);

    if (until == NULL)
        return false;
    if (*until > relais_loop_now_us (queue->loop))
        return true;
    g_hash_table_remove (queue->clear_hosts, host);
    return false;
}

static void
remember_clear_host (RelaisQueue *queue, const char *host)
{
    gint64 *until = g_new (gint64, 1);

    if (g_hash_table_size (queue->clear_hosts) >= MAX_CLEAR_HOSTS)
        g_hash_table_remove_all (queue->clear_hosts);
    *until = relais_loop_now_us (queue->loop) + RELAIS_USEC_PER_DAY;
    g_hash_table_replace (queue->clear_hosts, g_strdup (host), until);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static void
note_failure (RelaisConnection *connection, const char *stage, guint16 code,
              const guint16 enhanced[3], const char *text)
{
    RelaisAttemptProblem *problem;

    if (connection->failures->len < MAX_FAILURES_BYTES)
        g_string_append_printf (connection->failures,
                                "%s%s[%s]: %s: ", connection->failures->len > 0 ? "; " : "",
                                relais_connection_host (connection), connection->address, stage);
    if (connection->failures->len < MAX_FAILURES_BYTES && code != 0)
        g_string_append_printf (connection->failures, "%u ", code);
    if (connection->failures->len < MAX_FAILURES_BYTES)
        g_string_append (connection->failures, text);
    relais_attempt_problem_free (connection->problem);
    problem = relais_attempt_problem_new (stage, "4.4.1", text);
    problem->code = code;
    /* A host that greets with 5xx does not want us; whether it wants the mail is not said. */
    if (enhanced != NULL && enhanced[0] != 0) {
        memcpy (problem->enhanced, enhanced, sizeof problem->enhanced);
        problem->enhanced[0] = 4;
    }
    problem->host = g_strdup (relais_connection_host (connection));
    problem->address = g_strdup (connection->address);
    connection->problem = problem;
}

static guint
open_siblings (const RelaisConnection *connection)
{
    guint n = 0;

    for (guint i = 0; i < connection->lane->connections->len; i++) {
        RelaisConnection *other = g_ptr_array_index (connection->lane->connections, i);

        if (other != connection && relais_connection_is_open (other) &&
            relais_connection_carries (other, connection->route))
            n++;
    }
    return n;
}

static RelaisAttemptProblem *
take_problem (RelaisConnection *connection)
{
    RelaisAttemptProblem *problem = g_steal_pointer (&connection->problem);

    if (problem == NULL)
        return relais_attempt_problem_new ("connect", "4.4.4",
                                           "no host has an address that this source can reach");
    if (problem->code == 0) {
        g_free (problem->text);
        problem->text = g_strdup (connection->failures->str);
    }
    return problem;
}

/* Every stop failed. If others of the lane are talking there, the peer only wants no more of them. */
static void
give_up (RelaisConnection *connection)
{
    RelaisAttempt *attempt = g_steal_pointer (&connection->attempt);
    RelaisAttemptProblem *problem = take_problem (connection);
    RelaisQueue *queue = connection->queue;
    bool source_is_out = connection->lane->source->out;
    guint siblings = open_siblings (connection);

    if (attempt != NULL)
        attempt->connection = NULL;
    if (source_is_out) { /* says nothing about the peer */
        relais_path_untried (connection->path);
        if (attempt != NULL)
            relais_attempt_put_back (attempt);
    } else if (siblings > 0) {
        relais_lane_slow_down (connection->lane, siblings);
        if (attempt != NULL)
            relais_attempt_put_back (attempt);
    } else {
        relais_path_failed (connection->path, problem->text);
        if (attempt != NULL)
            relais_attempt_fail (attempt, g_steal_pointer (&problem));
    }
    relais_attempt_problem_free (problem);
    finish (connection);
    if (source_is_out)
        relais_lanes_use_sources (queue);
}

static void
set_source_address (RelaisSmtpClientOptions *options, const RelaisSource *source,
                    sa_family_t family)
{
    if (family == AF_INET6 && source->size6 > 0) {
        options->local = source->address6;
        options->local_size = source->size6;
    } else if (family == AF_INET && source->size4 > 0) {
        options->local = source->address4;
        options->local_size = source->size4;
    }
}

/* While the host has an address of the other family behind this one, that one does not wait for long. */
static gint64
connect_time (const RelaisConnection *connection)
{
    const RelaisQueueSettings *settings = &connection->queue->settings;
    const RelaisStop *now = stop_of (connection);

    for (guint i = connection->stop + 1; i < connection->order->len; i++) {
        const RelaisStop *stop = &g_array_index (connection->route->stops, RelaisStop,
                                                 g_array_index (connection->order, guint, i));

        if (stop->host == now->host && stop->address.ss_family != now->address.ss_family)
            return MIN (settings->connect_us, settings->fallback_us);
    }
    return settings->connect_us;
}

/* What the terms come to at this host. */
static RelaisTlsPolicy
policy_for (RelaisConnection *connection)
{
    RelaisTlsPolicy policy = connection->terms->policy;

    if (policy == RELAIS_TLS_POLICY_OPPORTUNISTIC &&
        (connection->in_clear ||
         is_clear_host (connection->queue, relais_connection_host (connection))))
        return RELAIS_TLS_POLICY_NONE;
    return policy;
}

/* What the host is called in a handshake: a socket of this machine has no name of its own. */
static const char *
tls_name (const RelaisConnection *connection)
{
    return stop_of (connection)->address.ss_family == AF_UNIX ? "localhost"
                                                              : relais_connection_host (connection);
}

static bool
try_stop (RelaisConnection *connection)
{
    RelaisQueue *queue = connection->queue;
    const RelaisStop *stop = stop_of (connection);
    RelaisSmtpTimeouts timeouts = relais_smtp_cap_timeouts (queue->settings.reply_us);
    g_autoptr (GError) error = NULL;
    g_autofree char *key = NULL;
    const char *host = relais_connection_host (connection);
    const RelaisStaticRoute *fixed = connection->route->fixed;
    RelaisSmtpClientOptions options = {.peer = stop->address,
                                       .peer_size = stop->size,
                                       .host = tls_name (connection),
                                       .helo = connection->lane->source->helo};

    if (!relais_reach_has_family (connection->lane->source, stop->address.ss_family))
        return false; /* it lost the address since the order was made */
    set_source_address (&options, connection->lane->source, stop->address.ss_family);
    timeouts.connect_us = connect_time (connection);
    if (fixed != NULL) {
        options.lmtp = fixed->lmtp;
        options.implicit_tls = fixed->implicit_tls;
        options.credentials = fixed->credentials;
        options.auth_in_clear = fixed->auth_in_clear || stop->address.ss_family == AF_UNIX;
    }
    connection->tries++;
    g_free (connection->address);
    connection->address = stop->address.ss_family == AF_UNIX
                              ? g_strdup ("unix")
                              : relais_address_to_text ((const struct sockaddr *)&stop->address);
    relais_tls_terms_unref (connection->terms);
    connection->terms = relais_terms_decide (queue, connection->route, host);
    connection->policy = options.tls_policy = policy_for (connection);
    options.tls = relais_terms_context (queue, connection->terms, connection->policy);
    key = g_strdup_printf ("%s %s %s %u %s", connection->lane->source->name, host,
                           connection->address, connection->route->port, connection->terms->key);
    options.sessions = queue->tls_sessions;
    options.session_key = key;
    options.tls_names = (const char *const *)connection->terms->names;
    options.tlsa = connection->terms->tlsa;
    if (connection->terms->refused) {
        relais_tlsrpt_refused (connection);
        note_failure (connection, connection->terms->origin, 0, no_tls,
                      "the domain's policy has no place for this host");
        return false;
    }
    connection->client = relais_smtp_client_new (queue->loop, queue->pool, &options, &timeouts,
                                                 &callbacks, connection, &error);
    if (connection->client == NULL) {
        note_failure (connection, "connect", 0, NULL, error->message);
        relais_source_check (queue, connection->lane->source, stop->address.ss_family);
    }
    return connection->client != NULL;
}

static void
try_stops (RelaisConnection *connection)
{
    for (; connection->stop < connection->order->len && connection->tries < MAX_TRIES;
         connection->stop++, connection->in_clear = false)
        if (try_stop (connection))
            return;
    /* From the pump the attempt is not started yet: the timer gives up in a later turn. */
    relais_timer_set (&connection->timer, 0);
}

static void
on_timer (gpointer data)
{
    RelaisConnection *connection = data;

    if (connection->state == RELAIS_CONNECTION_OPENING)
        give_up (connection);
    else
        relais_connection_quit (connection);
}

void
relais_connection_open (RelaisLane *lane, RelaisPath *path, RelaisAttempt *attempt,
                        RelaisGrant *grant)
{
    RelaisConnection *connection = g_new0 (RelaisConnection, 1);

    connection->refs = 1;
    connection->queue = lane->queue;
    connection->lane = lane;
    connection->path = relais_path_ref (path);
    connection->route = relais_route_ref (attempt->route);
    connection->order = relais_reach_order (lane->queue, lane->source, connection->route);
    connection->failures = g_string_new (NULL);
    connection->idle_link.data = connection;
    relais_timer_init (&connection->timer, lane->queue->loop, on_timer, connection);
    connection->attempt = attempt;
    attempt->connection = connection;
    connection->grant = grant;
    relais_lane_add_connection (lane, connection);
    relais_grant_tell (grant, RELAIS_RESERVATION_TAKEN, 1);
    relais_grant_tell (grant, RELAIS_RESERVATION_USED, 1);
    try_stops (connection);
}

/* What the terms ask for was not to be had. */
static bool
lacks_tls (const RelaisConnection *connection, const RelaisSmtpFailure *failure)
{
    return failure != NULL && connection->terms->policy >= RELAIS_TLS_POLICY_REQUIRE &&
           (failure->tls_handshake || failure->phase == RELAIS_PHASE_STARTTLS);
}

static void
on_failed_opening (RelaisConnection *connection, const RelaisSmtpReply *reply,
                   const RelaisSmtpFailure *failure)
{
    bool has_reply = reply != NULL && reply->code != 0;
    const char *stage = failure != NULL ? relais_smtp_phase_to_string (failure->phase) : "banner";
    const char *text = has_reply ? reply->text : failure != NULL ? failure->text : NULL;

    note_failure (connection, stage, has_reply ? reply->code : 0,
                  has_reply                         ? reply->enhanced
                  : lacks_tls (connection, failure) ? no_tls
                                                    : NULL,
                  text != NULL ? text : "closed");
    if (failure != NULL && failure->phase == RELAIS_PHASE_CONNECT)
        relais_reach_failed (connection->queue, connection->lane->source, stop_of (connection));
    if (failure != NULL && failure->tls_handshake &&
        connection->policy == RELAIS_TLS_POLICY_OPPORTUNISTIC) {
        remember_clear_host (connection->queue, relais_connection_host (connection));
        connection->in_clear = true;
    } else {
        connection->in_clear = false;
        connection->stop++;
    }
    try_stops (connection);
}

/* --- Carrying --------------------------------------------------------------------------------- */

static guint
most_messages (const RelaisConnection *connection)
{
    guint most = connection->lane->messages_per_connection;
    guint told = connection->caps.limits_mailmax;

    return told > 0 ? MIN (most, told) : most;
}

static void
send_attempt (RelaisConnection *connection)
{
    RelaisAttempt *attempt = connection->attempt;
    const RelaisEnvelope *envelope = &attempt->live->message->envelope;
    RelaisSmtpTransaction transaction = {.sender = attempt->sender != NULL ? attempt->sender
                                                                           : envelope->sender,
                                         .n_recipients = attempt->n,
                                         .recipients = attempt->recipients,
                                         .rope = attempt->rope,
                                         .eight_bit = attempt->eight_bit,
                                         .smtputf8 = attempt->smtputf8,
                                         .chunking = connection->queue->settings.chunking,
                                         .ends_a_line = attempt->ends_a_line,
                                         .envid = envelope->envid,
                                         .ret = envelope->ret};

    attempt->step = RELAIS_ATTEMPT_SENDING;
    connection->sending = true;
    relais_smtp_client_send (connection->client, &transaction);
}

static void
on_written (gpointer data)
{
    RelaisConnection *connection = data;

    if (connection->state == RELAIS_CONNECTION_SETTLING)
        take_next (connection);
    connection_unref (connection);
}

/* The peer closed, or wants to, before it had heard anything of this message: that says nothing
 * about the message, so it goes again, on another connection. */
static bool
was_not_heard (const RelaisConnection *connection, const RelaisSmtpOutcome *outcomes,
               const RelaisSmtpFailure *failure)
{
    if (connection->transactions == 0 || outcomes[0].phase > RELAIS_PHASE_MAIL)
        return false;
    return outcomes[0].reply.code == 421 ||
           (outcomes[0].reply.code == 0 && failure != NULL && failure->phase <= RELAIS_PHASE_MAIL &&
            failure->refused == RELAIS_REFUSED_NOT && !failure->timeout);
}

static void
look_at_replies (RelaisConnection *connection, const RelaisSmtpOutcome *outcomes, guint n)
{
    bool success = false, too_much = false;

    for (guint i = 0; i < n; i++) {
        guint16 code = outcomes[i].reply.code;

        success = success || (code >= 200 && code <= 299);
        too_much = too_much || code == 421;
    }
    if (success)
        relais_lane_succeeded (connection->lane);
    if (!too_much)
        return;
    connection->last = true;
    relais_lane_slow_down (connection->lane, connection->lane->limit / 2);
}

static void
on_sent (RelaisSmtpClient *client, const RelaisSmtpOutcome *outcomes, guint n_outcomes,
         const RelaisSmtpFailure *failure, gpointer data)
{
    RelaisConnection *connection = data;
    RelaisAttempt *attempt = g_steal_pointer (&connection->attempt);

    connection->sending = false;
    connection->state = RELAIS_CONNECTION_SETTLING;
    look_at_replies (connection, outcomes, n_outcomes);
    if (was_not_heard (connection, outcomes, failure)) {
        connection->last = true;
        attempt->connection = NULL;
        attempt->step = RELAIS_ATTEMPT_WAITING;
        relais_attempt_put_back (attempt);
        if (failure == NULL)
            take_next (connection);
        return;
    }
    connection->transactions++;
    connection->refs++;
    relais_attempt_settle (attempt, outcomes, failure, on_written, connection);
}

/* An attempt that is ready, or will be, behind the busy connection of another: this one is free. */
static RelaisAttempt *
steal (RelaisConnection *connection)
{
    GPtrArray *all = connection->lane->connections;

    for (guint i = 0; i < all->len; i++) {
        RelaisConnection *other = g_ptr_array_index (all, i);
        RelaisAttempt *attempt = other->next;

        if (attempt == NULL || other == connection || attempt->step == RELAIS_ATTEMPT_PREPARING ||
            relais_attempt_has_moved (attempt) ||
            other->caps.eight_bit != connection->caps.eight_bit ||
            other->caps.smtputf8 != connection->caps.smtputf8 ||
            other->caps.max_size != connection->caps.max_size ||
            other->caps.limits_rcptmax != connection->caps.limits_rcptmax ||
            other->caps.limits_rcptdomainmax != connection->caps.limits_rcptdomainmax ||
            !relais_connection_carries (connection, attempt->route))
            continue;
        other->next = NULL;
        attempt->connection = connection;
        return attempt;
    }
    return NULL;
}

static void
go_idle (RelaisConnection *connection)
{
    connection->state = RELAIS_CONNECTION_IDLE;
    set_idle (connection, true);
    relais_timer_set (&connection->timer, connection->queue->settings.idle_us);
    relais_lane_mark (connection->lane);
}

/* The last outcome is written: the next message, or none. */
static void
take_next (RelaisConnection *connection)
{
    RelaisAttempt *attempt;

    if (connection->last || connection->queue->draining ||
        connection->lane->connections->len > connection->lane->most ||
        connection->transactions >= most_messages (connection)) {
        relais_connection_quit (connection);
        return;
    }
    attempt = g_steal_pointer (&connection->next);
    if (attempt == NULL)
        attempt = steal (connection);
    if (attempt == NULL) {
        go_idle (connection);
        return;
    }
    connection->attempt = attempt;
    connection->state = RELAIS_CONNECTION_BUSY;
    if (attempt->step == RELAIS_ATTEMPT_READY)
        send_attempt (connection);
    else
        relais_attempt_go_on (attempt);
    if (connection->state == RELAIS_CONNECTION_BUSY)
        relais_lane_mark (connection->lane); /* one may be prepared behind it */
}

void
relais_connection_give (RelaisConnection *connection, RelaisAttempt *attempt)
{
    attempt->connection = connection;
    if (connection->state != RELAIS_CONNECTION_IDLE) {
        connection->next = attempt;
        return;
    }
    set_idle (connection, false);
    relais_timer_stop (&connection->timer);
    connection->state = RELAIS_CONNECTION_BUSY;
    connection->attempt = attempt;
}

void
relais_connection_ready (RelaisConnection *connection, RelaisAttempt *attempt)
{
    if (connection->attempt == attempt && connection->state == RELAIS_CONNECTION_BUSY &&
        !connection->sending)
        send_attempt (connection);
}

void
relais_connection_drop (RelaisConnection *connection, RelaisAttempt *attempt)
{
    if (connection->next == attempt) {
        connection->next = NULL;
        relais_lane_mark (connection->lane);
    }
    if (connection->attempt != attempt)
        return;
    connection->attempt = NULL;
    if (connection->state == RELAIS_CONNECTION_BUSY)
        take_next (connection);
}

bool
relais_connection_carries (RelaisConnection *connection, const RelaisRoute *route)
{
    g_autoptr (RelaisTlsTerms) terms = NULL;
    const char *host;

    if (!relais_connection_is_open (connection))
        return false;
    if (connection->carries == route->serial)
        return true;
    host = relais_connection_host (connection);
    if (connection->route->port != route->port || !relais_route_has_host (route, host))
        return false;
    terms = relais_terms_decide (connection->queue, route, host);
    if (!relais_tls_terms_equal (terms, connection->terms))
        return false;
    connection->carries = route->serial;
    return true;
}

bool
relais_connection_has_room_behind (const RelaisConnection *connection)
{
    return (connection->state == RELAIS_CONNECTION_BUSY ||
            connection->state == RELAIS_CONNECTION_SETTLING) &&
           connection->next == NULL && !connection->last &&
           connection->transactions + 1 < most_messages (connection);
}

/* --- The client's callbacks ------------------------------------------------------------------- */

static void
on_ready (RelaisSmtpClient *client, const RelaisSmtpCaps *caps, gpointer data)
{
    RelaisConnection *connection = data;
    RelaisStream *stream = relais_smtp_client_stream (client);

    connection->caps = *caps;
    if (stream != NULL && relais_stream_is_tls (stream)) {
        connection->queue->tls_handshakes_total++;
        connection->queue->tls_resumed_total += relais_stream_tls_resumed (stream);
        connection->tls_version = g_strdup (relais_stream_tls_version (stream));
        connection->tls_cipher = g_strdup (relais_stream_tls_cipher (stream));
        connection->tls_verify = g_strdup (relais_stream_tls_verify (stream));
    }
    relais_tlsrpt_opened (connection, client);
    relais_reach_worked (connection->queue, connection->lane->source, stop_of (connection));
    relais_path_opened (connection->path);
    if (connection->attempt == NULL) {
        connection->state = RELAIS_CONNECTION_SETTLING;
        take_next (connection);
        return;
    }
    connection->state = RELAIS_CONNECTION_BUSY;
    relais_lane_mark (connection->lane); /* one may be prepared behind it */
    relais_attempt_go_on (connection->attempt);
}

static void
on_closed (RelaisSmtpClient *client, const RelaisSmtpReply *reply, const RelaisSmtpFailure *failure,
           gpointer data)
{
    RelaisConnection *connection = data;

    connection->client = NULL;
    if (connection->state == RELAIS_CONNECTION_OPENING)
        relais_tlsrpt_failed (connection, client, failure);
    if (connection->state == RELAIS_CONNECTION_OPENING)
        on_failed_opening (connection, reply, failure);
    else
        finish (connection);
}

static const RelaisSmtpClientCallbacks callbacks = {on_ready, on_sent, on_closed};

/* --- Ends ------------------------------------------------------------------------------------- */

static void
put_back_both (RelaisConnection *connection)
{
    RelaisAttempt *next = g_steal_pointer (&connection->next);
    RelaisAttempt *attempt = connection->sending ? NULL : g_steal_pointer (&connection->attempt);

    if (next != NULL) {
        next->connection = NULL;
        relais_attempt_put_back (next);
    }
    if (attempt != NULL) {
        attempt->connection = NULL;
        relais_attempt_put_back (attempt);
    }
}

void
relais_connection_quit (RelaisConnection *connection)
{
    if (connection->state == RELAIS_CONNECTION_CLOSING ||
        connection->state == RELAIS_CONNECTION_CLOSED)
        return;
    connection->state = RELAIS_CONNECTION_CLOSING;
    set_idle (connection, false);
    relais_timer_stop (&connection->timer);
    put_back_both (connection);
    relais_smtp_client_quit (connection->client);
}

void
relais_connection_drain (RelaisConnection *connection)
{
    put_back_both (connection);
    if (connection->state == RELAIS_CONNECTION_OPENING)
        relais_connection_kill (connection);
    else if (!connection->sending && connection->state != RELAIS_CONNECTION_SETTLING)
        relais_connection_quit (connection);
}

void
relais_connection_retire (RelaisConnection *connection)
{
    connection->last = true;
    relais_connection_drain (connection);
}

void
relais_connection_withdraw_moved (RelaisConnection *connection)
{
    RelaisAttempt *attempt = connection->attempt, *next = connection->next;

    if (next != NULL && relais_attempt_has_moved (next)) {
        connection->next = NULL;
        next->connection = NULL;
        relais_attempt_put_back (next);
    }
    if (attempt == NULL || connection->sending || !relais_attempt_has_moved (attempt))
        return;
    attempt->connection = NULL;
    relais_connection_drop (connection, attempt);
    relais_attempt_put_back (attempt);
}

void
relais_connection_kill (RelaisConnection *connection)
{
    connection->attempt = connection->next = NULL;
    relais_smtp_client_free (g_steal_pointer (&connection->client));
    finish (connection);
}
