/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MAIL and RCPT: how a transaction begins and whom it is for. Here the relay rule and the sender
 * rule of design.md section 4 are put to work: a recipient taken by the right to relay binds the
 * transaction's sender to the tenant's domains. Owns the transaction. Loop thread.
 */
#include "config.h"

#include "smtp/session-private.h"

#include "message/address-private.h"
#include "message/release-private.h"

#include <string.h>

static const RelaisServerReply sender_ok = {250, "2.1.0", "sender ok"};
static const RelaisServerReply recipient_ok = {250, "2.1.5", "recipient ok"};
static const RelaisServerReply tls_needed = {530, "5.7.0", "STARTTLS first"};
static const RelaisServerReply too_big = {552, "5.3.4", "message too big"};
static const RelaisServerReply release_not_offered = {555, "5.5.4",
                                                      "log in to have mail released later"};
static const RelaisServerReply release_too_far = {501, "5.5.4", "the release is too far ahead"};
static const RelaisServerReply too_many_recipients = {452, "4.5.3", "too many recipients"};
static const RelaisServerReply relay_denied = {550, "5.7.1", "relaying denied"};
static const RelaisServerReply bad_destination = {550, "5.1.2", "mail cannot go to such a domain"};
static const RelaisServerReply no_mailbox = {550, "5.1.1", "no such mailbox here"};
static const RelaisServerReply foreign_sender = {550, "5.7.1",
                                                 "you may not use this sender's domain"};
static const RelaisServerReply list_unreadable = {
    451, "4.3.0", "the suppression list cannot be read now, come again later"};

/* --- The transaction -------------------------------------------------------------------------- */

void
relais_session_end_transaction (RelaisSession *session)
{
    RelaisTransaction *tx = g_steal_pointer (&session->tx);

    if (tx == NULL)
        return;
    if (tx->counted)
        relais_smtp_server_count_transaction (session->server, -1);
    g_clear_pointer (&tx->slots, g_hash_table_unref);
    relais_trace_free (tx->trace);
    relais_draft_free (tx->draft);
    relais_message_unref (tx->message);
    g_free (tx);
}

/* --- MAIL ------------------------------------------------------------------------------------- */

static RelaisClass
class_of (const RelaisSession *session)
{
    const guint choice = session->user != NULL && session->user->klass != RELAIS_CLASS_CHOICE_AUTO
                             ? session->user->klass
                             : session->listener->class_choice;

    return choice == RELAIS_CLASS_CHOICE_BULK ? RELAIS_CLASS_BULK : RELAIS_CLASS_TRANSACTIONAL;
}

bool
relais_session_offers_release (const RelaisSession *session)
{
    return session->user != NULL && session->settings->limits.future_release > 0;
}

/* A moment that has passed is no hindrance: the message goes out at once. */
static const RelaisServerReply *
check_release (const RelaisSession *session, const RelaisPathCommand *path)
{
    const gint64 wall_us = relais_loop_wall_us (session->server->options.loop);
    gint64 release_us = 0;

    if (path->release == NULL)
        return NULL;
    if (!relais_session_offers_release (session))
        return &release_not_offered;
    (void)relais_release_parse (path->release, strlen (path->release), wall_us, &release_us);
    return release_us - wall_us > session->settings->limits.future_release ? &release_too_far
                                                                           : NULL;
}

static void
keep_release (RelaisMessage *message, RelaisPathCommand *path)
{
    g_autoptr (GBytes) value = NULL;

    if (path->release == NULL)
        return;
    value = g_bytes_new (path->release, strlen (path->release));
    (void)relais_message_set_attribute (message, RELAIS_ATTRIBUTE_RELEASE, value);
}

static RelaisMessage *
make_message (RelaisSession *session, RelaisPathCommand *path)
{
    RelaisMessage *message = relais_message_new (0);
    RelaisEnvelope *envelope = &message->envelope;

    envelope->sender = g_steal_pointer (&path->address);
    envelope->envid = g_steal_pointer (&path->envid);
    envelope->ret = path->ret;
    envelope->smtputf8 = path->smtputf8;
    envelope->klass = class_of (session);
    envelope->user = session->user != NULL ? g_strdup (session->user->name) : NULL;
    envelope->listener = g_strdup (session->listener->name);
    envelope->client = g_strdup (session->client);
    envelope->helo = g_strdup (session->helo);
    keep_release (message, path);
    return message;
}

const RelaisServerReply *
relais_check_mail (RelaisSession *session, const char *args, gsize size)
{
    RelaisPathCommand path = {0};
    const RelaisServerReply *refusal;

    if (session->listener->tls == RELAIS_LISTENER_TLS_REQUIRED && !session->tls)
        return &tls_needed;
    refusal = relais_command_parse_mail (args, size, &path);
    if (refusal == NULL && path.size > (guint64)session->settings->limits.message_size)
        refusal = &too_big;
    if (refusal == NULL)
        refusal = check_release (session, &path);
    if (refusal == NULL) {
        session->command.declared_bytes = path.size;
        session->command.message = make_message (session, &path);
    }
    relais_path_command_clear (&path);
    return refusal;
}

void
relais_proceed_mail (RelaisSession *session, const RelaisHookResult *result)
{
    RelaisTransaction *tx = g_new0 (RelaisTransaction, 1);

    tx->message = g_steal_pointer (&session->command.message);
    tx->slots = g_steal_pointer (&session->command.slots);
    tx->declared_bytes = session->command.declared_bytes;
    tx->counted = true;
    session->tx = tx;
    session->transactions++;
    relais_smtp_server_count_transaction (session->server, 1);
    relais_session_set_state (session, RELAIS_SESSION_MAIL);
    relais_session_reply (session, &sender_ok);
}

/* --- RCPT ------------------------------------------------------------------------------------- */

/* Whether the transaction's sender may be used by whoever relays here. */
static bool
sender_is_allowed (const RelaisSession *session)
{
    const char *sender = session->tx->message->envelope.sender;
    const char *tenant = relais_session_tenant (session);
    const RelaisServerSettings *settings = session->settings;

    if (sender[0] == '\0')
        return tenant != NULL && g_hash_table_contains (settings->tenants, tenant);
    return relais_server_tenant_owns (settings, tenant, sender);
}

/* What no module can change. */
static const RelaisServerReply *
check_relay (RelaisRelay relay)
{
    switch (relay) {
    case RELAIS_RELAY_INBOUND:
    case RELAIS_RELAY_FORWARD:
    case RELAIS_RELAY_CLAIM:
    case RELAIS_RELAY_RIGHT: return NULL;
    case RELAIS_RELAY_DENIED: return &relay_denied;
    case RELAIS_RELAY_BAD_NAME: return &bad_destination;
    }
    return &relay_denied;
}

static RelaisRecipient *
make_recipient (RelaisPathCommand *path)
{
    RelaisRecipient *recipient = g_new0 (RelaisRecipient, 1);

    recipient->address = g_steal_pointer (&path->address);
    recipient->orcpt = g_steal_pointer (&path->orcpt);
    recipient->notify = path->notify;
    return recipient;
}

const RelaisServerReply *
relais_check_rcpt (RelaisSession *session, const char *args, gsize size)
{
    const RelaisServerSettings *settings = session->settings;
    RelaisPathCommand path = {0};
    RelaisRelay relay = RELAIS_RELAY_DENIED;
    const RelaisEnvelope *envelope = &session->tx->message->envelope;
    const RelaisServerReply *refusal =
        relais_command_parse_rcpt (args, size, envelope->smtputf8, &path);

    if (refusal == NULL && envelope->recipients->len >= (guint)settings->limits.recipients)
        refusal = &too_many_recipients;
    if (refusal == NULL) {
        relay = relais_server_relay (settings, relais_session_may_relay (session), path.address);
        refusal = check_relay (relay);
    }
    if (refusal == NULL) {
        session->command.relay = relay;
        session->command.recipient = make_recipient (&path);
    }
    relais_path_command_clear (&path);
    return refusal;
}

/* Mail for a role of ours goes to the postmaster; reports name the address that was asked for. */
static void
forward_to_postmaster (RelaisSession *session, RelaisRecipient *recipient)
{
    if (recipient->orcpt == NULL) {
        g_autofree char *original = relais_command_to_xtext (recipient->address);

        recipient->orcpt = g_strconcat ("rfc822;", original, NULL);
    }
    g_free (recipient->address);
    recipient->address = g_strdup (session->settings->postmaster);
    recipient->claimed = true;
}

/* A claim counts for own domains alone, whatever a module says. */
static bool
is_claimed (const RelaisSession *session, const RelaisRecipient *recipient)
{
    const char *at = strrchr (recipient->address, '@');

    return recipient->claimed &&
           (at == NULL || relais_domain_set_has (session->settings->own, at + 1));
}

/* Whether the tenant's mail may go to this address. The campaign is in the message: the queue asks again. */
static const RelaisServerReply *
check_suppression (RelaisSession *session, const RelaisRecipient *recipient)
{
    RelaisSuppression *list = session->server->options.suppression;
    RelaisSuppressionEntry entry = {0};

    if (list == NULL)
        return NULL;
    switch (relais_suppression_check (list, recipient->address, relais_session_tenant (session),
                                      NULL, &entry)) {
    case RELAIS_SUPPRESS_ABSENT: return NULL;
    case RELAIS_SUPPRESS_PRESENT: break;
    default: return &list_unreadable;
    }
    if (session->settings->takes_suppressed)
        return NULL;
    return relais_session_make_reply (
        session, 550, "5.7.1",
        "this address is on the suppression list (%s%s%s); send it no more mail, or have your "
        "administrator take it off the list",
        relais_suppress_class_to_string (entry.suppress_class), entry.reason != NULL ? ": " : "",
        entry.reason != NULL ? entry.reason : "");
}

/* The recipient needs the right to relay: the sender must be the tenant's, who pays for it. */
static const RelaisServerReply *
bind_to_tenant (RelaisSession *session, const RelaisRecipient *recipient)
{
    RelaisEnvelope *envelope = &session->tx->message->envelope;
    const RelaisServerReply *refusal;

    if (!sender_is_allowed (session))
        return &foreign_sender;
    refusal = check_suppression (session, recipient);
    if (refusal != NULL)
        return refusal;
    session->tx->relays = true;
    if (envelope->tenant == NULL)
        envelope->tenant = g_strdup (relais_session_tenant (session));
    return NULL;
}

static const RelaisServerReply *
settle_recipient (RelaisSession *session, RelaisRecipient *recipient)
{
    if (is_claimed (session, recipient))
        return NULL;
    recipient->claimed = false;
    switch (session->command.relay) {
    case RELAIS_RELAY_INBOUND: recipient->claimed = true; return NULL;
    case RELAIS_RELAY_FORWARD: forward_to_postmaster (session, recipient); return NULL;
    case RELAIS_RELAY_RIGHT: return bind_to_tenant (session, recipient);
    case RELAIS_RELAY_CLAIM: return &no_mailbox;
    case RELAIS_RELAY_BAD_NAME:
    case RELAIS_RELAY_DENIED: break;
    }
    return &relay_denied;
}

void
relais_proceed_rcpt (RelaisSession *session, const RelaisHookResult *result)
{
    const RelaisServerReply *refusal = settle_recipient (session, session->command.recipient);

    if (refusal != NULL) {
        relais_session_reply (session, refusal);
        return;
    }
    relais_envelope_take_recipient (&session->tx->message->envelope,
                                    g_steal_pointer (&session->command.recipient));
    relais_session_set_state (session, RELAIS_SESSION_RCPT);
    relais_session_reply (session, &recipient_ok);
}
