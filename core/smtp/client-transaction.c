/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One transaction of the SMTP client: its commands, written at once to a peer that pipelines (RFC
 * 2920) and one by one else, and what each reply decides for which recipient. The commands are made
 * when the transaction is handed in, so nothing of the owner's is kept but the rope.
 *
 * A recipient is decided by the first of: the reply that refused MAIL, its own refusal, the reply
 * that refused DATA, the reply to the final dot. Loop thread.
 */
#include "config.h"

#include "smtp/client-state-private.h"

#include <string.h>

/* --- Commands --------------------------------------------------------------------------------- */

typedef enum { TEXT_OK, TEXT_NEEDS_UTF8, TEXT_BAD } TextKind;

/* What may stand in a command: no control character ends a line or hides in it. */
static TextKind
check_text (const char *text, bool blank_allowed)
{
    TextKind kind = TEXT_OK;

    for (const guint8 *p = (const guint8 *)text; *p != 0; p++) {
        if (*p < 0x20 || *p == 0x7f || (*p == ' ' && !blank_allowed))
            return TEXT_BAD;
        if (*p >= 0x80)
            kind = TEXT_NEEDS_UTF8;
    }
    return kind;
}

static bool
refuse (RelaisSmtpFailure *refusal, RelaisSmtpRefusal refused, char *text)
{
    refusal->refused = refused;
    refusal->text = text;
    return false;
}

static bool
check_address (const RelaisSmtpTransaction *tx, const char *address, RelaisSmtpFailure *refusal)
{
    switch (check_text (address, true)) {
    case TEXT_OK: return true;
    case TEXT_NEEDS_UTF8:
        return tx->smtputf8 ||
               refuse (refusal, RELAIS_REFUSED_SMTPUTF8, g_strdup ("an address needs SMTPUTF8"));
    case TEXT_BAD: break;
    }
    return refuse (refusal, RELAIS_REFUSED_ADDRESS,
                   g_strdup ("an address holds a control character"));
}

static bool
check_parameter (const char *value, RelaisSmtpFailure *refusal)
{
    return value == NULL || check_text (value, false) == TEXT_OK ||
           refuse (refusal, RELAIS_REFUSED_ADDRESS,
                   g_strdup ("a DSN parameter is not printable ASCII"));
}

/* Is there something in it that this peer must not get? */
static bool
check_transaction (const RelaisSmtpClient *client, const RelaisSmtpTransaction *tx,
                   RelaisSmtpFailure *refusal)
{
    const guint64 size = relais_rope_size (tx->rope);
    const guint64 max = client->caps.max_size;

    if (tx->smtputf8 && !client->caps.smtputf8)
        return refuse (refusal, RELAIS_REFUSED_SMTPUTF8,
                       g_strdup ("the peer does not offer SMTPUTF8"));
    if (!check_address (tx, tx->sender, refusal) || !check_parameter (tx->envid, refusal))
        return false;
    for (guint i = 0; i < tx->n_recipients; i++)
        if (!check_address (tx, tx->recipients[i]->address, refusal) ||
            !check_parameter (tx->recipients[i]->orcpt, refusal))
            return false;
    if (max > 0 && size > max)
        return refuse (refusal, RELAIS_REFUSED_SIZE,
                       g_strdup_printf ("the message has %" G_GUINT64_FORMAT
                                        " octets, the peer takes %" G_GUINT64_FORMAT,
                                        size, max));
    if (!smtp_body_is_clean (tx->rope))
        return refuse (refusal, RELAIS_REFUSED_LINE_ENDS,
                       g_strdup ("the message holds a bare CR or LF"));
    return true;
}

static void
append_mail (GString *to, const RelaisSmtpCaps *caps, const RelaisSmtpTransaction *tx)
{
    static const char *const rets[] = {
        [RELAIS_RET_FULL] = " RET=FULL", [RELAIS_RET_HDRS] = " RET=HDRS"};

    g_string_append (to, "MAIL FROM:<");
    g_string_append (to, tx->sender);
    g_string_append_c (to, '>');
    if (caps->size)
        g_string_append_printf (to, " SIZE=%" G_GUINT64_FORMAT, relais_rope_size (tx->rope));
    if (caps->eight_bit && tx->eight_bit)
        g_string_append (to, " BODY=8BITMIME");
    if (tx->smtputf8)
        g_string_append (to, " SMTPUTF8");
    if (caps->dsn && tx->ret != RELAIS_RET_NONE)
        g_string_append (to, rets[tx->ret]);
    if (caps->dsn && tx->envid != NULL) {
        g_string_append (to, " ENVID=");
        g_string_append (to, tx->envid);
    }
    g_string_append (to, "\r\n");
}

static void
append_notify (GString *to, guint notify)
{
    static const struct {
        guint bit;
        const char *word;
    } words[] = {{RELAIS_NOTIFY_SUCCESS, "SUCCESS"},
                 {RELAIS_NOTIFY_FAILURE, "FAILURE"},
                 {RELAIS_NOTIFY_DELAY, "DELAY"}};
    const char *before = " NOTIFY=";

    if ((notify & RELAIS_NOTIFY_NEVER) != 0) {
        g_string_append (to, " NOTIFY=NEVER");
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
        if ((notify & words[i].bit) == 0)
            continue;
        g_string_append (to, before);
        g_string_append (to, words[i].word);
        before = ",";
    }
}

static void
append_rcpt (GString *to, const RelaisSmtpCaps *caps, const RelaisRecipient *recipient)
{
    g_string_append (to, "RCPT TO:<");
    g_string_append (to, recipient->address);
    g_string_append_c (to, '>');
    if (caps->dsn) {
        append_notify (to, recipient->notify);
        if (recipient->orcpt != NULL) {
            g_string_append (to, " ORCPT=");
            g_string_append (to, recipient->orcpt);
        }
    }
    g_string_append (to, "\r\n");
}

/* Fills `refusal` if this must not be sent; the transaction is made all the same, for its outcomes. */
SmtpTransaction *
smtp_transaction_new (RelaisSmtpClient *client, const RelaisSmtpTransaction *from,
                      RelaisSmtpFailure *refusal)
{
    SmtpTransaction *tx = g_new0 (SmtpTransaction, 1);

    tx->rope = relais_rope_ref (from->rope);
    tx->n = from->n_recipients;
    tx->outcomes = g_new0 (RelaisSmtpOutcome, tx->n);
    tx->pipelined = client->caps.pipelining;
    tx->chunked = from->chunking && client->caps.chunking &&
                  (from->ends_a_line || smtp_body_ends_a_line (from->rope));
    if (!check_transaction (client, from, refusal))
        return tx;
    tx->commands = g_string_sized_new (64 + 64 * (gsize)tx->n);
    append_mail (tx->commands, &client->caps, from);
    for (guint i = 0; i < tx->n; i++)
        append_rcpt (tx->commands, &client->caps, from->recipients[i]);
    return tx;
}

void
smtp_transaction_free (RelaisSmtpClient *client, SmtpTransaction *tx)
{
    smtp_body_clear (client, &tx->body);
    for (guint i = 0; i < tx->n; i++)
        relais_smtp_reply_clear (&tx->outcomes[i].reply);
    g_free (tx->outcomes);
    if (tx->commands != NULL)
        g_string_free (tx->commands, TRUE);
    relais_rope_unref (tx->rope);
    g_free (tx);
}

/* --- The conversation ------------------------------------------------------------------------- */

/* The next of MAIL and RCPTs, for peers that want them one by one. */
static void
send_next_command (RelaisSmtpClient *client)
{
    SmtpTransaction *tx = client->tx;
    const char *line = tx->commands->str + tx->command_at;
    gsize size = (gsize)(strchr (line, '\n') + 1 - line);

    tx->command_at += size;
    smtp_client_command (client, line, size, 1);
}

void
smtp_transaction_start (RelaisSmtpClient *client)
{
    SmtpTransaction *tx = client->tx;
    bool rset = client->needs_rset;

    client->needs_rset = true; /* until a message was taken */
    smtp_client_set_phase (client, rset ? RELAIS_PHASE_RSET : RELAIS_PHASE_MAIL);
    if (tx->pipelined) {
        if (rset)
            g_string_prepend (tx->commands, "RSET\r\n");
        if (!tx->chunked)
            g_string_append (tx->commands, "DATA\r\n");
        smtp_client_command (client, tx->commands->str, tx->commands->len,
                             tx->n + 1 + !tx->chunked + rset);
        g_string_free (g_steal_pointer (&tx->commands), TRUE);
    } else if (rset) {
        smtp_client_command (client, "RSET\r\n", 6, 1);
    } else {
        send_next_command (client);
    }
}

void
smtp_transaction_decide_rest (RelaisSmtpClient *client, RelaisSmtpPhase phase)
{
    SmtpTransaction *tx = client->tx;

    for (guint i = 0; i < tx->n; i++) {
        if (tx->outcomes[i].reply.code != 0)
            continue;
        relais_smtp_reply_copy (&tx->outcomes[i].reply, &client->reply);
        tx->outcomes[i].phase = phase;
    }
}

void
smtp_transaction_finish (RelaisSmtpClient *client, const RelaisSmtpFailure *failure)
{
    SmtpTransaction *tx = g_steal_pointer (&client->tx);

    for (guint i = 0; failure != NULL && i < tx->n; i++)
        if (tx->outcomes[i].reply.code == 0)
            tx->outcomes[i].phase = failure->phase;
    smtp_body_clear (client, &tx->body);
    client->callbacks.sent (client, tx->outcomes, tx->n, failure, client->data);
    smtp_transaction_free (client, tx);
}

/* Every recipient is decided and the session is well. */
static void
end_well (RelaisSmtpClient *client)
{
    smtp_client_set_phase (client, RELAIS_PHASE_IDLE);
    smtp_transaction_finish (client, NULL);
}

static void
fail_odd (RelaisSmtpClient *client, const char *what)
{
    smtp_client_fail (client, SMTP_FAIL_PLAIN, "%s was answered with %u %s", what,
                      client->reply.code, client->reply.text);
}

void
smtp_transaction_on_rset (RelaisSmtpClient *client)
{
    if (!smtp_reply_is_success (&client->reply)) {
        fail_odd (client, "RSET");
        return;
    }
    smtp_client_set_phase (client, RELAIS_PHASE_MAIL);
    if (!client->tx->pipelined)
        send_next_command (client);
}

void
smtp_transaction_on_mail (RelaisSmtpClient *client)
{
    if (!smtp_reply_is_success (&client->reply) && !smtp_reply_is_refusal (&client->reply)) {
        fail_odd (client, "MAIL");
        return;
    }
    if (smtp_reply_is_refusal (&client->reply))
        smtp_transaction_decide_rest (client, RELAIS_PHASE_MAIL);
    if (smtp_reply_is_refusal (&client->reply) && !client->tx->pipelined) {
        end_well (client);
        return;
    }
    /* Behind a refused MAIL the answers to what was pipelined are still to come. */
    smtp_client_set_phase (client, RELAIS_PHASE_RCPT);
    if (!client->tx->pipelined)
        send_next_command (client);
}

/* The message follows the command without waiting; a reply that was there before it would be taken for its
 * answer. */
static void
start_chunk (RelaisSmtpClient *client)
{
    if (smtp_client_input_waits (client))
        return; /* unsolicited: ends the session */
    smtp_client_set_phase (client, RELAIS_PHASE_BODY);
    smtp_body_start (client);
}

static void
after_recipients (RelaisSmtpClient *client)
{
    if ((!client->tx->pipelined || client->tx->chunked) && client->tx->n_accepted == 0) {
        end_well (client);
        return;
    }
    if (client->tx->chunked) {
        start_chunk (client);
        return;
    }
    smtp_client_set_phase (client, RELAIS_PHASE_DATA);
    if (!client->tx->pipelined)
        smtp_client_command (client, "DATA\r\n", 6, 1);
}

void
smtp_transaction_on_rcpt (RelaisSmtpClient *client)
{
    SmtpTransaction *tx = client->tx;
    RelaisSmtpOutcome *outcome = &tx->outcomes[tx->n_answered];

    if (!smtp_reply_is_success (&client->reply) && !smtp_reply_is_refusal (&client->reply)) {
        fail_odd (client, "RCPT");
        return;
    }
    tx->n_answered++;
    if (outcome->reply.code == 0 && smtp_reply_is_success (&client->reply)) {
        tx->n_accepted++;
    } else if (outcome->reply.code == 0) {
        relais_smtp_reply_copy (&outcome->reply, &client->reply);
        outcome->phase = RELAIS_PHASE_RCPT;
    }
    if (tx->n_answered == tx->n) {
        after_recipients (client);
        return;
    }
    smtp_client_arm_deadline (client);
    if (!tx->pipelined)
        send_next_command (client);
}

void
smtp_transaction_on_data (RelaisSmtpClient *client)
{
    const guint16 code = client->reply.code;

    if (smtp_reply_is_refusal (&client->reply)) {
        smtp_transaction_decide_rest (client, RELAIS_PHASE_DATA);
        end_well (client);
    } else if (code != 354) {
        fail_odd (client, "DATA");
    } else if (client->tx->n_accepted > 0) {
        smtp_client_set_phase (client, RELAIS_PHASE_BODY);
        smtp_body_start (client);
    } else if (client->lmtp) {
        fail_odd (client,
                  "DATA without recipients"); /* no dot ends it: it has no reply (RFC 2033) */
    } else {
        /* Pipelined, and the peer opens the data phase for nobody: RFC 2920 section 3.1 has us end
         * it at once. */
        smtp_client_set_phase (client, RELAIS_PHASE_DOT);
        smtp_client_command (client, ".\r\n", 3, 1);
    }
}

guint
smtp_transaction_n_final (const RelaisSmtpClient *client)
{
    return client->lmtp ? client->tx->n_accepted : 1;
}

/* RFC 2033 section 4.2: one reply for each recipient that RCPT accepted, in their order. */
static void
decide_one (RelaisSmtpClient *client)
{
    SmtpTransaction *tx = client->tx;
    guint i = 0;

    while (tx->outcomes[i].reply.code != 0)
        i++;
    relais_smtp_reply_copy (&tx->outcomes[i].reply, &client->reply);
    tx->outcomes[i].phase = RELAIS_PHASE_DOT;
    if (++tx->n_final < tx->n_accepted)
        smtp_client_set_phase (client, RELAIS_PHASE_DOT);
    else
        end_well (client);
}

void
smtp_transaction_on_dot (RelaisSmtpClient *client)
{
    if (!smtp_reply_is_success (&client->reply) && !smtp_reply_is_refusal (&client->reply)) {
        fail_odd (client, "the message");
        return;
    }
    if (smtp_reply_is_success (&client->reply) && client->tx->n_accepted > 0)
        client->needs_rset = false;
    if (client->lmtp) {
        decide_one (client);
        return;
    }
    smtp_transaction_decide_rest (client, RELAIS_PHASE_DOT);
    end_well (client);
}
