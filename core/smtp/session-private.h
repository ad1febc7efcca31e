/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One session of the server: from the accepted socket to its end. Three objects with lives of their
 * own: the session; the transaction in it, which RSET destroys and nothing else; the commit, which
 * outlives both when the client goes while its message is being synced.
 *
 *                  +--------------------------------------------- RSET, EHLO ---+
 *                  |                                                            |
 *   PROXY -> GREET -> START -> READY -> MAIL -> RCPT -> DATA -> COMMIT -> READY |
 *                       |  ^     |  ^             |              ^              |
 *                      TLS-+  AUTH, VERIFY      CHUNK -----------+
 *                                                |  ^
 *                                               CHUNKS
 *
 * Where TLS is implicit, it comes before GREET. XCLIENT leads from START and READY back to GREET, for
 * the client that it names.
 *
 * BDAT may come at any time: what it announces is read and dropped in CHUNK, from where the session
 * goes back to START or READY, so that a refused chunk is never taken for commands.
 *
 * While a hook is under way (`run`), in GREET, TLS, VERIFY and COMMIT no input is looked at: what
 * the client sends meanwhile waits in the stream, up to limits.pipelined.
 *
 * Loop thread only. Counted: the server holds one reference until the session ends, and whoever
 * will be called back about it holds another.
 */
#pragma once

#include "smtp/auth-private.h"
#include "smtp/clients-private.h"
#include "smtp/command-private.h"
#include "smtp/framing-private.h"
#include "smtp/server-settings-private.h"
#include "smtp/server-private.h"
#include "smtp/xclient-private.h"

typedef struct RelaisSession RelaisSession;
typedef struct RelaisLogin RelaisLogin;

typedef enum {
    RELAIS_SESSION_PROXY,  /* a PROXY header must come first */
    RELAIS_SESSION_GREET,  /* the connect hook decides */
    RELAIS_SESSION_START,  /* greeted; HELO is due */
    RELAIS_SESSION_TLS,    /* handshake */
    RELAIS_SESSION_READY,  /* no transaction */
    RELAIS_SESSION_AUTH,   /* an answer to 334 is due */
    RELAIS_SESSION_VERIFY, /* a password is being hashed */
    RELAIS_SESSION_MAIL,   /* a sender, no recipient */
    RELAIS_SESSION_RCPT,   /* at least one recipient */
    RELAIS_SESSION_DATA,   /* message data comes */
    RELAIS_SESSION_CHUNK,  /* the octets of a chunk come */
    RELAIS_SESSION_CHUNKS, /* between two chunks of one message */
    RELAIS_SESSION_COMMIT, /* the spool works */
    RELAIS_SESSION_ENDED,
    RELAIS_N_SESSION_STATES
} RelaisSessionState;

typedef struct {
    RelaisMessage *message;
    guint64 declared_bytes; /* of SIZE= */
    guint64 received_bytes; /* of data, decoded */
    RelaisDraft *draft;     /* from 354 on; NULL once it failed */
    RelaisFraming framing;
    GHashTable *slots;                /* modules' */
    RelaisTrace *trace;               /* what modules found; from the end of data on */
    const RelaisServerReply *failure; /* decided while data came; said at its end */
    bool relays;  /* a recipient was taken by the right to relay: the sender rules bind */
    bool counted; /* among the spool's busy sessions */
    bool stalled; /* the draft asked to wait */
} RelaisTransaction;

/* A command's three steps; see the table in session-commands.c. */
typedef struct {
    const char *verb;
    guint32 states; /* bits of RelaisSessionState in which it may come */
    int hook;       /* RelaisHookId, or -1 */
    /* Syntax and limits; no side effect but session->command. NULL: go on. */
    const RelaisServerReply *(*check) (RelaisSession *session, const char *args, gsize size);
    /* Side effects and reply. `result` is that of the hook, an accepting one. */
    void (*proceed) (RelaisSession *session, const RelaisHookResult *result);
    /* Nullable: called before the reply when check or hook refused. */
    void (*refused) (RelaisSession *session);
    guint flags;
} RelaisSessionStep;

enum {
    RELAIS_STEP_REJECTS = 1 << 0,          /* a refusal counts as rejected mail */
    RELAIS_STEP_FREE_FOR_SENDERS = 1 << 1, /* a refusal is no error of who may relay */
    RELAIS_STEP_FATAL = 1 << 2,            /* a refusal ends the session */
    RELAIS_STEP_XCLIENT = 1 << 4,          /* known to those who may use it alone */
    RELAIS_STEP_IDLE = 1 << 3              /* it brings no message on: limits.idle_commands */
};

/* What a check found out, for the hook and for proceed. */
typedef struct {
    char *name;             /* HELO, EHLO */
    RelaisMessage *message; /* MAIL: the envelope that begins */
    GHashTable *slots;      /* MAIL: of the transaction that begins */
    guint64 declared_bytes;
    guint64 chunk_bytes;        /* BDAT */
    bool last_chunk;            /* BDAT */
    RelaisRecipient *recipient; /* RCPT */
    RelaisRelay relay;
    gconstpointer mechanism; /* AUTH: session-auth.c's */
    char *answer;            /* AUTH: the one that came with it, or NULL */
    RelaisUser *user;        /* AUTH: whose login succeeded */
} RelaisSessionCommand;

/* How a client stands in the books. */
typedef struct {
    guint8 key[16];
    bool counted; /* false for who is exempt */
} RelaisAdmission;

/* What BDAT announced and has not come yet. */
typedef struct {
    guint64 left_bytes;
    bool last;
    const RelaisServerReply
        *refusal;             /* said at its end, its octets are dropped; NULL: they are data */
    RelaisSessionState after; /* a refused one */
} RelaisSessionChunk;

struct RelaisSession {
    guint refs;
    guint link; /* place in the server's array of sessions */
    RelaisSmtpServer *server;
    RelaisServerSettings *settings;       /* those in force when it began */
    const RelaisServerListener *listener; /* of them */
    RelaisStream *stream;                 /* NULL once it ended */
    RelaisTimer deadline;
    RelaisSessionState state;
    guint16 client_port;
    bool trusted;     /* of the listener's trusted_nets */
    bool may_xclient; /* of its xclient_nets, by who connected */
    bool esmtp;       /* EHLO, not HELO */
    bool tls;
    bool answered;        /* a command ended: the deadline begins anew */
    bool paused;          /* the stream does not read */
    bool eof;             /* the peer will send nothing more */
    guint64 unpaid_bytes; /* of data since the deadline was set */
    RelaisAdmission admission;
    guint errors, auth_failures, transactions;
    guint idle_commands, temporary_errors; /* since the last message */
    char *client;                          /* address as text */
    char *helo;
    char *given_helo; /* by XCLIENT: stands for whatever HELO says; or NULL */
    RelaisUser *user; /* who logged in, or NULL */
    RelaisPin *pin;
    GHashTable *slots;
    RelaisTransaction *tx;
    RelaisXclient *xclient; /* while its user is looked up */
    RelaisLogin *login;     /* in AUTH and VERIFY */
    RelaisSessionCommand command;
    RelaisSessionChunk chunk; /* in CHUNK */

    /* While a hook is under way. */
    RelaisHookRun *run;
    RelaisSubject *subject;
    const RelaisSessionStep *step;      /* the last one that began */
    struct RelaisDynamicReply *dynamic; /* the last reply that was made, not taken from a table */
};

/* --- session.c: life, input, replies, steps */
/* Takes the accepted socket over and begins a session, which belongs to the server. `admission` is
 * that of the peer; empty for a proxy, whose clients are asked for one by one. */
void relais_session_start (RelaisSmtpServer *server, const RelaisServerListener *listener, int fd,
                           const struct sockaddr *peer, const RelaisAdmission *admission);
RelaisSession *relais_session_ref (RelaisSession *session);
void relais_session_unref (RelaisSession *session);
/* Cuts the connection; the session ends. */
void relais_session_cut (RelaisSession *session);
/* Ends it after what was written has gone. */
void relais_session_finish (RelaisSession *session);
/* The server drains: ends the session if it is idle. */
void relais_session_drain (RelaisSession *session);
void relais_session_set_state (RelaisSession *session, RelaisSessionState state);
const char *relais_session_state_to_string (RelaisSessionState state);
/* Writes a reply and counts it if it refuses. */
void relais_session_reply (RelaisSession *session, const RelaisServerReply *reply);
void relais_session_reply_and_finish (RelaisSession *session, const RelaisServerReply *reply);
/* A reply of own text; valid until the next call. */
const RelaisServerReply *
relais_session_make_reply (RelaisSession *session, guint16 code, const char *enhanced,
                           const char *format, ...) G_GNUC_PRINTF (4, 5);
/* Runs a step to its end or to its hook. */
void relais_session_run_step (RelaisSession *session, const RelaisSessionStep *step,
                              const char *args, gsize size);
/* Looks at the input again, after a wait. */
void relais_session_continue (RelaisSession *session);
bool relais_session_may_relay (const RelaisSession *session);
const char *relais_session_tenant (const RelaisSession *session);
void relais_session_set_deadline (RelaisSession *session, gint64 delay_us);
/* The same for a command of the peer, who gets less time while there are few places left. */
void relais_session_await_command (RelaisSession *session, gint64 usual_us);
/* Sets who the client is; looks up trust. */
void relais_session_set_client (RelaisSession *session, const struct sockaddr *address);
/* The same of one that another names, which is entered in the books instead of who came before; NULL,
 * or what is to be said because it is one too many. */
const RelaisServerReply *
relais_session_change_client (RelaisSession *session, const struct sockaddr *address);

/* --- session-commands.c */
void relais_session_take_line (RelaisSession *session, const char *line, gsize size);
extern const RelaisSessionStep relais_step_connect;

/* --- session-tls.c: STARTTLS */
const RelaisServerReply *relais_check_starttls (RelaisSession *s, const char *args, gsize size);
void relais_proceed_starttls (RelaisSession *session, const RelaisHookResult *result);
/* Begins TLS on a connection on which nothing was said yet (RFC 8314 section 3.3). */
void relais_session_begin_tls (RelaisSession *session);
void relais_session_begin_tls_behind_proxy (RelaisSession *session);
void relais_session_tls_ready (RelaisSession *session, const GError *error);
bool relais_session_offers_starttls (const RelaisSession *session);

/* --- session-auth.c: AUTH */
const RelaisServerReply *relais_check_auth (RelaisSession *s, const char *args, gsize size);
void relais_proceed_auth (RelaisSession *session, const RelaisHookResult *result);
void relais_session_take_auth_answer (RelaisSession *session, const char *line, gsize size);
/* Drops the login under way, if there is one. */
void relais_session_end_login (RelaisSession *session);
/* "AUTH" and the mechanisms offered; false, and nothing is appended, if there are none. */
bool relais_session_append_auth (const RelaisSession *session, GString *to);

/* --- session-xclient.c: XCLIENT */
const RelaisServerReply *relais_check_xclient (RelaisSession *s, const char *args, gsize size);
void relais_proceed_xclient (RelaisSession *session, const RelaisHookResult *result);
/* Drops what XCLIENT told and was not taken yet. */
void relais_session_drop_xclient (RelaisSession *session);

/* --- session-mail.c: the transaction */
/* Whether the client may ask for future release (RFC 4865): it is logged in. */
bool relais_session_offers_release (const RelaisSession *session);
const RelaisServerReply *relais_check_mail (RelaisSession *s, const char *args, gsize size);
void relais_proceed_mail (RelaisSession *session, const RelaisHookResult *result);
const RelaisServerReply *relais_check_rcpt (RelaisSession *s, const char *args, gsize size);
void relais_proceed_rcpt (RelaisSession *session, const RelaisHookResult *result);
/* Drops the transaction, if there is one. */
void relais_session_end_transaction (RelaisSession *session);

/* --- session-data.c: message data and acceptance */
const RelaisServerReply *relais_check_data (RelaisSession *s, const char *args, gsize size);
void relais_proceed_data (RelaisSession *session, const RelaisHookResult *result);
/* Takes data from the input; false when there is nothing more to do now. */
bool relais_session_take_data (RelaisSession *session);

/* Drops the transaction that was refused; nothing of it is kept for the next one. */
void relais_session_drop_transaction (RelaisSession *session);
extern const RelaisSessionStep relais_step_end_of_data;
/* What BDAT shares with DATA: why the spool takes no message of that size now, or NULL; */
const RelaisServerReply *relais_session_spool_refusal (RelaisSession *session, guint64 size_bytes);
/* the draft, and the deadline of its first octets; */
void relais_session_begin_data (RelaisSession *session);
/* a RelaisFramingSink, whose data is the session; */
void relais_session_append_data (gpointer session, const guint8 *bytes, gsize size);
/* a refusal that is said at the end of data, up to which all is dropped; */
void relais_transaction_fail (RelaisTransaction *tx, const RelaisServerReply *reply);
/* and each 64 KiB of data buy a new deadline. */
void relais_session_pay (RelaisSession *session, gsize size);
extern const RelaisServerReply relais_reply_bare_newline, relais_reply_too_big,
    relais_reply_no_recipients;

/* --- session-chunks.c: BDAT */
const RelaisServerReply *relais_check_bdat (RelaisSession *s, const char *args, gsize size);
void relais_proceed_bdat (RelaisSession *session, const RelaisHookResult *result);
/* Takes octets of a chunk from the input; false when there is nothing more to do now. */
bool relais_session_take_chunk (RelaisSession *session);

/* --- server.c: what sessions need of it */
struct RelaisSmtpServer {
    guint refs; /* its owner, sessions, commits */
    bool freed; /* its owner let it go: nothing is told to anyone any more */
    RelaisSmtpServerOptions options;
    RelaisServerSettings *settings; /* in force */
    RelaisAuth *auth;
    RelaisTimer certificates; /* they are looked at again */
    GPtrArray *sockets;       /* of server.c */
    GPtrArray *sessions;      /* RelaisSession *, each with a reference */
    RelaisClients *clients;
    guint in_transaction; /* those whose messages may share the next sync */
    guint commits;        /* handed to the spool and not synced yet */
    bool draining;
    RelaisLoopFunc drained;
    gpointer drained_data;
    RelaisSmtpServerFigures figures;
};
RelaisSmtpServer *relais_smtp_server_ref (RelaisSmtpServer *server);
void relais_smtp_server_unref (RelaisSmtpServer *server);
void relais_smtp_server_add_session (RelaisSmtpServer *server, RelaisSession *session);
/* Forgets the session and drops the server's reference. */
void relais_smtp_server_remove_session (RelaisSmtpServer *server, RelaisSession *session);
/* Enters a client in the books; NULL, or what is to be said because it is one too many. */
const RelaisServerReply *
relais_smtp_server_enter (RelaisSmtpServer *server, const struct sockaddr *address,
                          RelaisAdmission *admission);
void relais_smtp_server_leave (RelaisSmtpServer *server, RelaisAdmission *admission);
/* Whether the client may still guess passwords. */
bool relais_smtp_server_may_log_in (RelaisSmtpServer *server, const RelaisAdmission *admission);
void
relais_smtp_server_note_failed_login (RelaisSmtpServer *server, const RelaisAdmission *admission);
/* Most sessions are taken. */
bool relais_smtp_server_is_stressed (const RelaisSmtpServer *server);
void relais_smtp_server_count_transaction (RelaisSmtpServer *server, int change);
void relais_smtp_server_check_drained (RelaisSmtpServer *server);
