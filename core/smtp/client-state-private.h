/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of the SMTP client share: client.c (life, phases, deadlines, the end of a session),
 * client-session.c (banner, EHLO, STARTTLS, QUIT), client-auth.c (AUTH), client-transaction.c (MAIL to the
 * final reply) and client-body.c (the message itself). For these files alone.
 *
 * Two rules hold all of it together. A reply is only taken for the answer to a command if one is
 * owed and nothing had come before the command was written: a command is not written while input
 * waits, so what waits is found to be unsolicited and ends the session. And the session ends in one
 * place, smtp_client_end (), after which no part touches the client: each returns at once.
 */
#pragma once

#include "smtp/client-private.h"
#include "smtp/dotstuff-private.h"

/* The phase of a session that is over, which the owner never sees. */
enum { SMTP_PHASE_CLOSED = RELAIS_PHASE_QUIT + 1, SMTP_N_PHASES };

typedef struct SmtpRead SmtpRead;
typedef struct SmtpAuth SmtpAuth;

typedef struct {
    guint8 *bytes;
    guint64 offset;
    gsize size; /* 0: none */
} SmtpChunk;

typedef struct {
    RelaisDotStuff stuff;
    guint64 offset, size;     /* of the rope: handed to the stream, all */
    SmtpChunk current, ahead; /* read from disk */
    SmtpRead *reading;        /* the job that reads the next chunk */
    guint64 written_mark;     /* bytes_out when the deadline was last set */
    bool room;                /* the stream takes more */
} SmtpBody;

typedef struct {
    RelaisRope *rope;
    GString *commands; /* MAIL and RCPTs, a line each */
    gsize command_at;  /* where the first one not sent begins */
    bool pipelined;
    bool chunked;                    /* BDAT */
    guint n, n_answered, n_accepted; /* recipients */
    guint n_final;                   /* LMTP: of those accepted, answered behind the message */
    RelaisSmtpOutcome *outcomes;     /* code 0: not decided; of those answered: accepted */
    SmtpBody body;
} SmtpTransaction;

struct RelaisSmtpClient {
    guint refs; /* one while the session lives, one for each frame of ours on the stack */
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisStream *stream;
    RelaisSmtpClientCallbacks callbacks;
    gpointer data;
    RelaisSmtpTimeouts timeouts;
    char *host;
    char *helo;
    bool lmtp; /* LHLO, and a reply for each recipient behind the message (RFC 2033) */
    RelaisTlsPolicy tls_policy;
    RelaisTlsContext *tls;
    RelaisTlsaSet *tlsa; /* or NULL */
    RelaisTlsSessions *sessions;
    char *session_key;
    RelaisCredentials *credentials; /* NULL: we do not log in */
    bool auth_in_clear, authenticated, implicit_tls;
    SmtpAuth *auth;   /* while it is under way */
    char **tls_names; /* NULL: the host's */

    guint phase; /* RelaisSmtpPhase or SMTP_PHASE_CLOSED; by smtp_client_set_phase () */
    RelaisSmtpPhase last_phase;
    bool gone;       /* freed by its owner, or over: no callback any more */
    bool helo_only;  /* EHLO was refused, HELO is tried */
    bool needs_rset; /* the last transaction did not end with a message taken */
    guint owed;      /* replies that the peer owes us */
    guint ehlo_lines;
    RelaisReplyParser *parser;
    RelaisSmtpReply reply; /* the last one */
    RelaisSmtpCaps caps;
    SmtpTransaction *tx; /* NULL while there is none */

    RelaisTimer deadline; /* of the phase */
    RelaisTimer watchdog; /* of progress */
    RelaisTimer later;    /* carries out `planned` from a turn of its own */
    RelaisTimer retry;    /* of a read that the pool had no place for */
    RelaisSmtpFailure planned;
    guint64 octets; /* in and out when the watchdog last looked */
    gint64 progress_us;
};

enum { SMTP_FAIL_PLAIN = 0, SMTP_FAIL_TIMEOUT = 1, SMTP_FAIL_TLS = 2 };

static inline bool
smtp_reply_is_success (const RelaisSmtpReply *reply)
{
    return reply->code >= 200 && reply->code < 300;
}

static inline bool
smtp_reply_is_refusal (const RelaisSmtpReply *reply)
{
    return reply->code >= 400;
}

/* client.c */
void smtp_client_ref (RelaisSmtpClient *client);
void smtp_client_unref (RelaisSmtpClient *client);
void smtp_client_set_phase (RelaisSmtpClient *client, guint phase);
/* Sets the phase's deadline anew. */
void smtp_client_arm_deadline (RelaisSmtpClient *client);
/* Has the peer said something, or begun to, that was not asked for yet? */
bool smtp_client_input_waits (RelaisSmtpClient *client);
/* Writes what calls for `n_replies` replies, unless input waits (see above). */
void smtp_client_command (RelaisSmtpClient *client, const char *bytes, gsize size, guint n_replies);
/* Ends the session: `sent` if a transaction is under way, `closed`, and no more. `reply` (nullable)
 * is client->reply or nothing. */
void smtp_client_end (RelaisSmtpClient *client, const RelaisSmtpReply *reply,
                      const RelaisSmtpFailure *failure);
/* The same for what broke; the phase is the present one. */
void smtp_client_fail (RelaisSmtpClient *client, guint flags, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
/* The same because of client->reply. With `polite`, QUIT goes out behind it. */
void smtp_client_fail_by_reply (RelaisSmtpClient *client, bool polite, const char *what);
/* The same because of what we would not send. */
void smtp_client_refuse (RelaisSmtpClient *client, RelaisSmtpRefusal refused, const char *format,
                         ...) G_GNUC_PRINTF (3, 4);

/* client-session.c: what replies mean outside of transactions. */
void smtp_session_on_connect (RelaisSmtpClient *client);
void smtp_session_on_banner (RelaisSmtpClient *client);
void smtp_session_on_ehlo_line (RelaisSmtpClient *client);
void smtp_session_on_ehlo (RelaisSmtpClient *client);
void smtp_session_on_starttls (RelaisSmtpClient *client);
void smtp_session_on_tls (RelaisSmtpClient *client, const GError *error);
void smtp_session_quit (RelaisSmtpClient *client);
void smtp_session_on_quit (RelaisSmtpClient *client);

/* EHLO is done: the terms are looked at, and AUTH or the owner comes next. */
void smtp_session_become_ready (RelaisSmtpClient *client);

/* client-auth.c */
void smtp_auth_start (RelaisSmtpClient *client);
void smtp_auth_on_reply (RelaisSmtpClient *client);
/* Has the pool take the step that it had no place for. */
void smtp_auth_go_on (RelaisSmtpClient *client);
void smtp_auth_clear (RelaisSmtpClient *client);
/* client-transaction.c */
SmtpTransaction *smtp_transaction_new (RelaisSmtpClient *client, const RelaisSmtpTransaction *tx,
                                       RelaisSmtpFailure *refusal);
void smtp_transaction_free (RelaisSmtpClient *client, SmtpTransaction *tx);
void smtp_transaction_start (RelaisSmtpClient *client);
void smtp_transaction_on_rset (RelaisSmtpClient *client);
void smtp_transaction_on_mail (RelaisSmtpClient *client);
void smtp_transaction_on_rcpt (RelaisSmtpClient *client);
void smtp_transaction_on_data (RelaisSmtpClient *client);
void smtp_transaction_on_dot (RelaisSmtpClient *client);
/* Gives all that are not decided this reply. */
void smtp_transaction_decide_rest (RelaisSmtpClient *client, RelaisSmtpPhase phase);
/* Calls `sent` and forgets the transaction. */
void smtp_transaction_finish (RelaisSmtpClient *client, const RelaisSmtpFailure *failure);

/* Replies that the peer owes behind the message. */
guint smtp_transaction_n_final (const RelaisSmtpClient *client);

/* client-body.c */
void smtp_body_start (RelaisSmtpClient *client);
/* Hands on as much as the stream takes. */
void smtp_body_pump (RelaisSmtpClient *client);
void smtp_body_clear (RelaisSmtpClient *client, SmtpBody *body);
/* True if the last octets are CRLF and in memory: what BDAT sends must be whole as it stands. Of what
 * lies on disk the transaction's owner says so. */
bool smtp_body_ends_a_line (const RelaisRope *rope);
/* True if no bare CR or LF is in the rope, or if it is too long or too far to look. */
bool smtp_body_is_clean (const RelaisRope *rope);
