/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tests of the SMTP client share: a peer that follows a script on a thread of its own, and
 * a run of the client against it that notes what the owner was told.
 *
 * A script is an array of lines, NULL-terminated, for one connection:
 *   "S text"   says text and CRLF; C escapes are understood
 *   "s text"   says text alone
 *   "D text"   says text and CRLF, an octet every millisecond
 *   "F text"   says text for ever, until the client goes
 *   "C text"   reads a line and finds that it begins so
 *   "E text"   reads a line and finds that it is so
 *   "B"        reads a message up to its dot, into `message` (dots undoubled)
 *   "N n"      reads n octets into `message`, as after BDAT
 *   "c text"   says text past TLS, in clear; "n": ends TLS (close_notify)
 *   "T"        begins TLS as the server
 *   "X"        reads until the client goes, and finds that it says nothing; "x": whatever it says
 *   "K"        does the same, but holds the socket's reading back until the client went
 *   "H"        reads something, whatever it is
 *   "R"        resets the connection
 * At the end of the script the connection is closed. The thread owns all of it until it is joined.
 */
#pragma once

#include "smtp/client-private.h"

typedef struct {
    int listener;
    guint16 port;
    const char *const *script;
    GThread *thread;
    GString *wire;    /* all octets of the last message, as they came, with its dot */
    GString *message; /* the same, decoded */
    GString *said;    /* what the client said that no "B" read, without TLS in the way */
    guint at;         /* line of the script under way, for failures */
    bool cut;         /* the client went before a "B" was whole */
    bool keep_all;    /* `message` and `wire` hold all messages, not the last */
    bool keep_none;   /* they hold nothing; octets are counted */
    guint64 octets;
    gint over;     /* atomic: the client is no more */
    gint finished; /* atomic: the script is through, the connection closed */
} Peer;

typedef struct {
    RelaisSmtpReply reply;
    RelaisSmtpPhase phase;
} Noted;

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisSmtpClient *client;
    Peer peer;
    RelaisSmtpTimeouts timeouts;
    RelaisTlsPolicy policy;
    RelaisTlsContext *tls;
    const char *host;
    bool lmtp, implicit_tls, auth_in_clear;
    RelaisCredentials *credentials;
    guint16 refused_port; /* connect here, where nobody listens, and not to the peer */

    /* What the owner does. */
    const RelaisSmtpTransaction *const *transactions; /* sent one after the other; then QUIT */
    guint n_transactions;
    RelaisLoop *shared_loop;      /* instead of one of its own */
    RelaisSmtpPhase free_when_in; /* free the client when it has come there; not CONNECT */
    bool free_in_sent, free_in_ready, quit_after_send, stay;

    /* What it was told. */
    guint ready, sent, closed;
    RelaisSmtpCaps caps;
    GArray *outcomes; /* Noted, of all transactions */
    bool sent_failed, good_end;
    RelaisSmtpFailure sent_failure, failure;
    RelaisSmtpReply reply;
    gint64 took_us;
} Run;

void peer_start (Peer *peer, const char *const *script);
void peer_join (Peer *peer);

/* Everything at its default; short deadlines. */
void run_init (Run *run);
/* Starts the client against the script. */
void run_begin (Run *run, const char *const *script);
/* The same, until it is over (or freed). */
void run_script (Run *run, const char *const *script);
void run_clear (Run *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

/* The code that decided recipient `i`. */
guint run_code (const Run *run, guint i);
RelaisSmtpPhase run_phase (const Run *run, guint i);

/* A transaction from s@a.test to `n` recipients r0@b.test ... */
typedef struct {
    RelaisSmtpTransaction tx;
    RelaisRecipient *recipients;
    const RelaisRecipient **pointers;
} Mail;
void mail_init (Mail *mail, guint n, const char *text);
void mail_init_rope (Mail *mail, guint n, RelaisRope *rope);
void mail_clear (Mail *mail);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Mail, mail_clear)

/* Compares octets; g_assert_cmpmem () takes no large ones. */
void check_octets (const GString *got, const char *wanted, gsize size);

/* Runs one mail against the script. */
void run_mail (Run *run, const Mail *mail, const char *const *script);
