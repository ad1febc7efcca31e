/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mail to the addresses in our fields, u-TOKEN@DOMAIN: taken where the token is good, and read as a wish whatever it
 * says, unless a machine wrote it. It is answered with 250 once the wish is on disk; the mail itself is dropped. So
 * such a recipient stands alone in its transaction. Loop.
 */
#include "unsubscribe.h"

#include <string.h>

#define WAIT_US (G_GINT64_CONSTANT (30) * G_USEC_PER_SEC)

typedef struct {
    bool is_ours; /* the recipient is, and `name` what it says */
    bool has_others;
    RelaisDeliveryName name;
} Transaction;

void
unsubscribe_transaction_free (gpointer transaction)
{
    g_free (transaction);
}

/* --- Recipients ------------------------------------------------------------------------------- */

/* The token in an address of ours: what follows "u-", up to the "@". NULL for any other address. Owned. */
static char *
token_of (const UnsubscribeConfig *config, const char *address)
{
    const gsize prefix = strlen (UNSUBSCRIBE_PREFIX);
    const char *at = strrchr (address, '@');
    g_autofree char *domain = at != NULL ? g_ascii_strdown (at + 1, -1) : NULL;

    if (domain == NULL || g_ascii_strncasecmp (address, UNSUBSCRIBE_PREFIX, prefix) != 0 ||
        !g_hash_table_contains (config->domains, domain))
        return NULL;
    return g_strndup (address + prefix, (gsize)(at - address) - prefix);
}

static Transaction *
transaction_of (RelaisHook *hook, const Unsubscribe *self)
{
    Transaction *transaction = relais_hook_get_slot (hook, self->transaction);

    if (transaction != NULL)
        return transaction;
    transaction = g_new0 (Transaction, 1);
    if (relais_hook_set_slot (hook, self->transaction, transaction))
        return transaction;
    g_free (transaction);
    return NULL;
}

static RelaisVerdict
refuse (RelaisHook *hook, const Unsubscribe *self, RelaisTokenResult result)
{
    const bool expired = result == RELAIS_TOKEN_EXPIRED;

    relais_counter_add (self->refused, expired ? "expired" : "forged", 1);
    relais_hook_set_reply (hook, 550, "5.1.1",
                           expired ? "this address was good for a time that is over"
                                   : "no such address here");
    return RELAIS_VERDICT_REJECT;
}

static RelaisVerdict
put_off (RelaisHook *hook)
{
    relais_hook_set_reply (hook, 452, "4.5.3", "mail to such an address goes alone, send it apart");
    return RELAIS_VERDICT_TEMPFAIL;
}

static RelaisVerdict
take (RelaisHook *hook, const Unsubscribe *self, Transaction *transaction, const char *token)
{
    RelaisDeliveryName name = {.struct_size = sizeof name};
    const RelaisTokenResult result =
        relais_envelope_token_open (self->module, UNSUBSCRIBE_PURPOSE, token, &name);

    if (result != RELAIS_TOKEN_GOOD)
        return refuse (hook, self, result);
    if (transaction->is_ours || transaction->has_others)
        return put_off (hook);
    if (!relais_recipient_claim (hook)) /* its domain is no longer ours */
        return refuse (hook, self, RELAIS_TOKEN_FORGED);
    transaction->is_ours = true;
    transaction->name = name;
    return RELAIS_VERDICT_CONTINUE;
}

RelaisVerdict
unsubscribe_rcpt (RelaisHook *hook, gpointer data)
{
    const Unsubscribe *self = data;
    const UnsubscribeConfig *config = relais_hook_get_config (hook);
    const char *address = relais_hook_get_recipient (hook, 0);
    g_autofree char *token = NULL;
    Transaction *transaction;

    if (g_hash_table_size (config->domains) == 0 || address == NULL)
        return RELAIS_VERDICT_CONTINUE;
    transaction = transaction_of (hook, self);
    if (transaction == NULL)
        return RELAIS_VERDICT_CONTINUE;
    token = token_of (config, address);
    if (token != NULL)
        return take (hook, self, transaction, token);
    if (transaction->is_ours)
        return put_off (hook);
    transaction->has_others = true;
    return RELAIS_VERDICT_CONTINUE;
}

/* --- The message ------------------------------------------------------------------------------ */

/* One that waits. It lives until what it waits for has come, also where nobody waits for the answer any more. */
typedef struct {
    Unsubscribe *self;
    RelaisTicket *ticket; /* NULL once it was cancelled */
} Mail;

static void
on_cancel (gpointer data)
{
    Mail *mail = data;

    g_clear_pointer (&mail->ticket, relais_ticket_unref);
}

static void
end (Mail *mail, RelaisVerdict verdict, guint32 code, const char *enhanced, const char *text)
{
    RelaisHook *hook = mail->ticket != NULL ? relais_ticket_get_hook (mail->ticket) : NULL;

    if (hook != NULL && text != NULL)
        relais_hook_set_reply (hook, code, enhanced, text);
    if (mail->ticket != NULL) {
        relais_ticket_complete (mail->ticket, verdict);
        relais_ticket_unref (mail->ticket);
    }
    g_free (mail);
}

static void
on_acted (gpointer data, bool kept)
{
    if (kept)
        end (data, RELAIS_VERDICT_DISCARD, 0, NULL, NULL);
    else
        end (data, RELAIS_VERDICT_TEMPFAIL, 451, "4.3.0",
             "that cannot be kept now, try again later");
}

static void
on_found (gpointer data, RelaisDeliveries *deliveries, const gchar *error)
{
    Mail *mail = data;
    UnsubscribeIdentity identity;

    if (mail->ticket == NULL)
        end (mail, RELAIS_VERDICT_TEMPFAIL, 0, NULL, NULL);
    else if (deliveries == NULL)
        end (mail, RELAIS_VERDICT_TEMPFAIL, 451, "4.3.0",
             "that cannot be looked up now, try again later");
    else if (relais_deliveries_n (deliveries) == 0) {
        relais_counter_add (mail->self->refused, "unknown", 1);
        end (mail, RELAIS_VERDICT_REJECT, 550, "5.1.1",
             "nothing is known any more of the message that this address was in");
    } else {
        identity = (UnsubscribeIdentity){
            .recipient = relais_deliveries_get_number (deliveries, 0),
            .address = g_strdup (relais_deliveries_get_recipient (deliveries, 0)),
            .tenant = g_strdup (relais_deliveries_get_tenant (deliveries, 0)),
            .campaign = g_strdup (relais_deliveries_get_campaign (deliveries, 0)),
        };
        g_strlcpy (identity.queue_id, relais_deliveries_get_queue_id (deliveries, 0),
                   sizeof identity.queue_id);
        unsubscribe_act (mail->self, &identity, UNSUBSCRIBE_MAIL, on_acted, mail);
        unsubscribe_identity_clear (&identity);
    }
}

/* Also where the header cannot be read without waiting: then it is a person's. */
static bool
is_of_a_person (RelaisHook *hook)
{
    guint64 size = 0;
    const guint8 *header = relais_hook_get_header (hook, &size, NULL);

    return relais_hook_get_sender (hook)[0] != '\0' &&
           (header == NULL || !unsubscribe_is_automatic (header, size));
}

RelaisVerdict
unsubscribe_message (RelaisHook *hook, gpointer data)
{
    Unsubscribe *self = data;
    const Transaction *transaction = relais_hook_get_slot (hook, self->transaction);
    Mail *mail;

    if (transaction == NULL || !transaction->is_ours)
        return RELAIS_VERDICT_CONTINUE;
    if (!is_of_a_person (hook)) {
        relais_counter_add (self->refused, "automatic", 1);
        return RELAIS_VERDICT_DISCARD;
    }
    mail = g_new (Mail, 1);
    mail->self = self;
    mail->ticket = relais_hook_suspend (hook, "unsubscribe", WAIT_US, on_cancel, mail);
    if (mail->ticket == NULL) {
        g_free (mail);
        return RELAIS_VERDICT_TEMPFAIL;
    }
    relais_delivery_find (self->module, &transaction->name, on_found, mail);
    return RELAIS_VERDICT_PENDING;
}
