/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SMTP client: one connection to one address of one host, from the banner to QUIT, carrying
 * transactions one after the other. It knows nothing of queues: its owner (core/queue) decides
 * where to connect, what to send and what an answer means.
 *
 * Loop thread only. Callbacks may free the client. Each phase has a deadline, and the session has a
 * progress watchdog; every failure is told with the phase it happened in.
 */
#pragma once

#include "loop/pool-private.h"
#include "message/rope-private.h"
#include "smtp/caps-private.h"
#include "smtp/credentials-private.h"
#include "smtp/reply-private.h"
#include "tls/stream-private.h"
#include "tls/terms-private.h"

typedef struct RelaisSmtpClient RelaisSmtpClient;

typedef enum {
    RELAIS_PHASE_CONNECT,
    RELAIS_PHASE_BANNER,
    RELAIS_PHASE_EHLO,
    RELAIS_PHASE_STARTTLS,
    RELAIS_PHASE_TLS, /* the handshake */
    RELAIS_PHASE_AUTH,
    RELAIS_PHASE_MAIL,
    RELAIS_PHASE_RCPT,
    RELAIS_PHASE_DATA,
    RELAIS_PHASE_BODY,
    RELAIS_PHASE_DOT, /* waiting for the reply after the final dot */
    RELAIS_PHASE_RSET,
    RELAIS_PHASE_IDLE,
    RELAIS_PHASE_QUIT
} RelaisSmtpPhase;
const char *relais_smtp_phase_to_string (RelaisSmtpPhase phase);

typedef struct {
    struct sockaddr_storage peer; /* with port */
    socklen_t peer_size;
    struct sockaddr_storage local; /* source address; local_size 0: the system's choice */
    socklen_t local_size;
    const char *host; /* name of the MX host, for SNI, checks, log */
    const char *const
        *tls_names;      /* which the certificate must bear one of instead; NULL: the host's */
    const char *helo;    /* our EHLO name */
    RelaisTlsaSet *tlsa; /* which the certificate must match; by reference; or NULL */
    bool lmtp;           /* the peer speaks LMTP (RFC 2033) */
    RelaisTlsSessions *sessions; /* to resume, or NULL; referenced */
    const char *session_key;
    RelaisCredentials *credentials; /* to log in with, or NULL; referenced */
    bool auth_in_clear;             /* also without TLS */
    bool implicit_tls; /* the handshake comes first (RFC 8314); the policy asks for TLS then */
    RelaisTlsPolicy tls_policy;
    RelaisTlsContext *tls; /* client context; borrowed by reference */
} RelaisSmtpClientOptions;

typedef struct {
    gint64 connect_us, banner_us, ehlo_us, tls_us, mail_us, rcpt_us, data_us, body_us, dot_us,
        quit_us;     /* deadline of each phase; body: for each RELAIS_STREAM_HIGH_BYTES taken */
    gint64 stall_us; /* no octet in either direction while something is owed: the session ends. Not
                        asked while we connect, nor while the peer thinks about a message that it has
                        in full: there connect_us and dot_us speak alone. */
} RelaisSmtpTimeouts;
extern const RelaisSmtpTimeouts relais_smtp_default_timeouts;
/* The default ones, none of them more than `most_us`. Any thread. */
RelaisSmtpTimeouts relais_smtp_cap_timeouts (gint64 most_us);

/* What we ourselves would not send. Told by `sent`; the client then ends the session by itself (QUIT,
 * or a cut if the body was under way, so that nothing incomplete can be taken for a message). */
typedef enum {
    RELAIS_REFUSED_NOT = 0,
    RELAIS_REFUSED_SIZE,      /* larger than the peer takes: 552 5.3.4 */
    RELAIS_REFUSED_SMTPUTF8,  /* needs SMTPUTF8 and the peer has it not: 553 5.6.7 */
    RELAIS_REFUSED_ADDRESS,   /* an address or parameter that cannot stand in a command: 5.1.3 */
    RELAIS_REFUSED_LINE_ENDS, /* a bare CR or LF in the message: 5.6.0 */
    RELAIS_REFUSED_READ       /* the message could not be read: 4.3.0, our own trouble */
} RelaisSmtpRefusal;

/* How a session or transaction failed when no reply says it. */
typedef struct {
    RelaisSmtpPhase phase; /* DOT: the message had left in full and may have been taken */
    RelaisSmtpRefusal refused;
    bool timeout;       /* deadline or watchdog, else the connection broke or the protocol did */
    bool tls_handshake; /* the handshake failed: under an opportunistic policy one retry in clear,
                              on a new connection, is right (user-demands.md 19) */
    long verify_code;   /* with it: relais_stream_verify_code () */
    char *text;         /* one line */
} RelaisSmtpFailure;

/* Outcome of one recipient: `reply` is what decided it (of RCPT, or of DATA or the final dot for
 * those accepted), or has code 0 when the connection failed: see the failure. */
typedef struct {
    RelaisSmtpReply reply;
    RelaisSmtpPhase phase;
} RelaisSmtpOutcome;

typedef struct {
    /* EHLO (and STARTTLS by policy, and AUTH) is done; transactions may be sent. */
    void (*ready) (RelaisSmtpClient *client, const RelaisSmtpCaps *caps, gpointer data);
    /* The transaction ended; `outcomes` one a recipient, borrowed. `failure` is NULL unless the
     * session broke within it (then `closed` follows). Afterwards the client is idle: another
     * relais_smtp_client_send () or _quit () may follow, also from here. */
    void (*sent) (RelaisSmtpClient *client, const RelaisSmtpOutcome *outcomes, guint n_outcomes,
                  const RelaisSmtpFailure *failure, gpointer data);
    /* The session is over and the client frees itself after this returns. Before `ready`:
     * `reply` is the refusing banner, EHLO or STARTTLS reply (code 0 if none), `failure` the rest.
     * After it: the peer went (421 or closed) while idle, or what `sent` was told. Both are NULL
     * after a good QUIT, none else: then `failure` says phase and text also where a reply did it. */
    void (*closed) (RelaisSmtpClient *client, const RelaisSmtpReply *reply,
                    const RelaisSmtpFailure *failure, gpointer data);
} RelaisSmtpClientCallbacks;

typedef struct {
    const char *sender;
    guint n_recipients;
    const RelaisRecipient *const *recipients;
    RelaisRope *rope; /* what is sent: CRLF lines, not dot-stuffed; the client refs it */
    bool
        eight_bit; /* BODY=8BITMIME is said if the peer can; if it cannot, converting is the owner's */
    bool
        chunking; /* BDAT instead of DATA where the peer can and the message ends in CRLF (RFC 3030) */
    bool ends_a_line;  /* it does end in CRLF: known to the owner where the rope's end is on disk */
    bool smtputf8;     /* refused (RELAIS_REFUSED_SMTPUTF8) if the peer cannot */
    const char *envid; /* DSN parameters are sent only to peers that can */
    RelaisRet ret;
} RelaisSmtpTransaction;

/* Starts to connect. `pool` reads the parts of a rope that are not in memory. */
RelaisSmtpClient *
relais_smtp_client_new (RelaisLoop *loop, RelaisPool *pool, const RelaisSmtpClientOptions *options,
                        const RelaisSmtpTimeouts *timeouts,
                        const RelaisSmtpClientCallbacks *callbacks, gpointer data, GError **error);
/* Sends one transaction; the client must be ready and idle. What `tx` points to is copied or
 * referenced. On a reused connection a failed transaction is followed by RSET before the next. */
void relais_smtp_client_send (RelaisSmtpClient *client, const RelaisSmtpTransaction *tx);
/* QUIT, then `closed`. In a transaction or before `ready`: the connection is cut, which `sent` (if
 * there is a transaction) and `closed` tell from a later turn. */
void relais_smtp_client_quit (RelaisSmtpClient *client);
/* Cuts the connection and frees; no callback. NULL ok. */
void relais_smtp_client_free (RelaisSmtpClient *client);

RelaisSmtpPhase relais_smtp_client_phase (const RelaisSmtpClient *client);
RelaisStream *relais_smtp_client_stream (RelaisSmtpClient *client); /* for TLS facts in the log */
