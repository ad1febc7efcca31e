/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which session counts under which policy, and as what (RFC 8460 section 4.3). What our own configuration asks for in
 * place of what is published is no affair of the domain's, and is not counted. Loop thread.
 */
#include "config.h"

#include "queue/tlsrpt-private.h"

#include <glib/gi18n-lib.h>

/* The policy that a note is about; its lists are the caller's to free. */
typedef struct {
    RelaisTallyType type;
    char **strings, **mx;
} Policy;

static void
policy_clear (Policy *policy)
{
    g_strfreev (policy->strings);
    g_strfreev (policy->mx);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Policy, policy_clear)

static char **
tlsa_strings (const RelaisTlsaSet *set)
{
    GPtrArray *strings = g_ptr_array_new ();

    for (guint i = 0; set != NULL && i < relais_tlsa_set_size (set); i++)
        g_ptr_array_add (strings, relais_tlsa_to_string (relais_tlsa_set_nth (set, i)));
    g_ptr_array_add (strings, NULL);
    return (char **)g_ptr_array_free (strings, FALSE);
}

static Policy
policy_of (const RelaisRoute *route, const char *host)
{
    const RelaisDane *dane = relais_route_dane (route, host);

    if (dane->outcome != RELAIS_DANE_NONE)
        return (Policy){RELAIS_TALLY_TLSA, tlsa_strings (dane->set), NULL};
    if (route->sts != NULL && route->sts->mode != RELAIS_STS_MODE_NONE)
        return (Policy){RELAIS_TALLY_STS, relais_sts_policy_to_lines (route->sts),
                        g_strdupv (route->sts->mx)};
    return (Policy){RELAIS_TALLY_NO_POLICY, NULL, NULL};
}

static bool
is_counted (const RelaisConnection *connection)
{
    static const char *const ours[] = {"destination", "provider", "route", NULL};

    return connection->queue->tlsrpt != NULL && connection->route->domain != NULL &&
           connection->terms != NULL && !g_strv_contains (ours, connection->terms->origin);
}

static void
count (const RelaisConnection *connection, RelaisSmtpClient *client, const char *result,
       const char *reason)
{
    const char *host = relais_connection_host (connection);
    g_auto (Policy) policy = policy_of (connection->route, host);
    RelaisStream *stream = client != NULL ? relais_smtp_client_stream (client) : NULL;
    RelaisTallyNote note = {
        .domain = connection->route->domain,
        .type = policy.type,
        .policy = (const char *const *)policy.strings,
        .mx = (const char *const *)policy.mx,
        .result = result,
        .source = stream != NULL ? relais_stream_local_address (stream) : NULL,
        .host = host,
        .address = connection->address,
        .reason = reason,
    };

    relais_tlsrpt_count (connection->queue->tlsrpt, &note);
}

/* What an MTA-STS policy would have said, in testing mode too. */
static const char *
sts_failure (const RelaisRoute *route, const char *host, RelaisStream *stream)
{
    if (!relais_sts_policy_allows (route->sts, host))
        return "validation-failure";
    return relais_tls_verify_failure (relais_stream_verify_code (stream));
}

void
relais_tlsrpt_opened (const RelaisConnection *connection, RelaisSmtpClient *client)
{
    const char *host = relais_connection_host (connection);
    RelaisStream *stream = relais_smtp_client_stream (client);
    g_auto (Policy) policy = {0};
    const char *failure = NULL;

    /* In clear because that was our own choice. */
    if (!is_counted (connection) || stream == NULL ||
        (connection->policy == RELAIS_TLS_POLICY_NONE && !relais_stream_is_tls (stream)))
        return;
    policy = policy_of (connection->route, host);
    if (!relais_stream_is_tls (stream))
        failure = "starttls-not-supported";
    else if (policy.type == RELAIS_TALLY_STS)
        failure = sts_failure (connection->route, host, stream);
    else if (relais_route_dane (connection->route, host)->outcome == RELAIS_DANE_UNUSABLE)
        failure = "tlsa-invalid";
    count (connection, client, failure, NULL);
}

void
relais_tlsrpt_failed (const RelaisConnection *connection, RelaisSmtpClient *client,
                      const RelaisSmtpFailure *failure)
{
    const char *result = NULL;

    if (!is_counted (connection) || failure == NULL)
        return;
    if (failure->phase == RELAIS_PHASE_STARTTLS && !failure->timeout)
        result = "starttls-not-supported";
    else if (failure->tls_handshake) {
        result = relais_tls_verify_failure (failure->verify_code);
        if (result == NULL)
            result = "validation-failure";
    }
    if (result != NULL)
        count (connection, client, result, failure->text);
}

void
relais_tlsrpt_refused (const RelaisConnection *connection)
{
    if (is_counted (connection))
        count (connection, NULL, "validation-failure", "the policy does not name this MX host");
}

/* --- Lookups ------------------------------------------------------------------------------------ */

static void
count_dane (RelaisQueue *queue, const char *domain, const RelaisRouteHost *host)
{
    RelaisTallyNote note = {
        .domain = domain,
        .type = RELAIS_TALLY_TLSA,
        .result = host->dane.bogus ? "dnssec-invalid" : "validation-failure",
        .host = host->name,
        .reason = host->dane.reason,
    };

    if (host->dane.outcome == RELAIS_DANE_FAILED)
        relais_tlsrpt_count (queue->tlsrpt, &note);
}

void
relais_tlsrpt_looked_up (RelaisQueue *queue, const char *domain, const RelaisMailRoute *mail,
                         RelaisStsTrouble trouble, const char *text)
{
    static const char *const results[] = {[RELAIS_STS_FETCH_ERROR] = "sts-policy-fetch-error",
                                          [RELAIS_STS_INVALID] = "sts-policy-invalid",
                                          [RELAIS_STS_WEBPKI_INVALID] = "sts-webpki-invalid"};
    RelaisTallyNote note = {.domain = domain, .type = RELAIS_TALLY_STS, .reason = text};

    if (queue->tlsrpt == NULL)
        return;
    for (guint i = 0; i < mail->hosts->len; i++)
        count_dane (queue, domain, g_ptr_array_index (mail->hosts, i));
    if (trouble == RELAIS_STS_FINE)
        return;
    note.result = results[trouble];
    relais_tlsrpt_count (queue->tlsrpt, &note);
}

/* --- The command -------------------------------------------------------------------------------- */

void
relais_queue_command_tls_reports (RelaisCommandCall *call, gpointer data)
{
    const RelaisQueue *queue = data;
    g_autoptr (GList) days = NULL;

    if (queue->tlsrpt != NULL)
        days = relais_tally_days (relais_tlsrpt_tally (queue->tlsrpt));
    else
        relais_command_note (call, _ ("Nothing is counted: [tls-policy] has no report_contact."));
    for (GList *link = days; link != NULL; link = link->next) {
        const RelaisTallyDay *day = link->data;

        for (guint i = 0; i < day->policies->len; i++) {
            const RelaisTallyPolicy *policy = g_ptr_array_index (day->policies, i);
            const RelaisTallyFailure *first =
                policy->details->len > 0 ? g_ptr_array_index (policy->details, 0) : NULL;

            relais_command_put_time (call, "day", day->day * RELAIS_USEC_PER_DAY);
            relais_command_put (call, "domain", day->domain);
            relais_command_put (call, "policy", relais_tally_type_to_string (policy->type));
            relais_command_put_int (call, "successes", (gint64)policy->successes);
            relais_command_put_int (call, "failures", (gint64)policy->failures);
            relais_command_put (call, "first", first != NULL ? first->result : "");
            relais_command_end_row (call);
        }
    }
    relais_command_finish (call);
}
