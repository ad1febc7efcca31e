/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A stream: one non-blocking socket, in clear or under TLS, with an input that the owner consumes
 * at its own pace and an output that is written as the peer takes it. SMTP (both sides), the
 * control socket and later HTTP all stand on it.
 *
 * Loop thread only. The stream owns its descriptor. Callbacks may free the stream; the stream never
 * calls back from inside relais_stream_write () or relais_stream_consume (). An idle stream holds
 * no buffers: input is read into one scratch buffer of the loop's thread and only what the owner
 * left unconsumed is kept.
 */
#pragma once

#include "loop/loop-private.h"
#include "tls/sessions-private.h"
#include "tls/tls-private.h"
#include "tls/tlsa-private.h"

#include <gio/gio.h>
#include <sys/socket.h>

typedef struct RelaisStream RelaisStream;

typedef struct {
    /* More input has come than the last call left; see relais_stream_peek (). Not called while
     * reading is paused, nor during a handshake. */
    void (*input) (RelaisStream *stream, gpointer data);
    /* The output, which had been above the high mark, fell below the low mark. Nullable. */
    void (*drained) (RelaisStream *stream, gpointer data);
    /* relais_stream_connect () or relais_stream_start_tls () ended; `error` is NULL if it worked
     * and borrowed else. After a failed one the stream is closed for input and output; the owner
     * frees it. Nullable for accepted streams without TLS. */
    void (*ready) (RelaisStream *stream, const GError *error, gpointer data);
    /* The peer ended the stream (`error` NULL) or it broke. Called once; nothing else follows. What
     * was not consumed may still be peeked at. If the peer ended its direction, what is written goes
     * out all the same (half-close). */
    void (*closed) (RelaisStream *stream, const GError *error, gpointer data);
} RelaisStreamCallbacks;

/* Takes over a connected (accepted) socket; it is made non-blocking and close-on-exec. `callbacks`
 * is borrowed and static. Reading starts at once. */
RelaisStream *relais_stream_new (RelaisLoop *loop, int fd, const RelaisStreamCallbacks *callbacks,
                                 gpointer data, GError **error);

/* Starts connecting to `peer`; `local` (nullable) is bound first. `ready` tells the end, also of a
 * failure met at once (from a later turn). NULL only when no socket could be made or bound. No
 * deadline: the owner has its own timer and frees the stream. */
RelaisStream *
relais_stream_connect (RelaisLoop *loop, const struct sockaddr *peer, socklen_t peer_size,
                       const struct sockaddr *local, socklen_t local_size,
                       const RelaisStreamCallbacks *callbacks, gpointer data, GError **error);

/* Ends the stream without further callbacks: TLS gets a best-effort close_notify (so that sessions
 * stay resumable), unwritten output is dropped. Accepts NULL. */
void relais_stream_free (RelaisStream *stream);

/* Ends the stream once the output is written (or `linger_us` have passed), then frees it. No
 * callback follows; input is read and dropped meanwhile, so that the peer sees our last words and
 * not a reset. */
void relais_stream_finish (RelaisStream *stream, gint64 linger_us);

/* Cuts the streams that relais_stream_finish () left lingering on this loop: before the loop is
 * freed. */
void relais_streams_cut_lingering (RelaisLoop *loop);
/* Handshakes of clients that wait for their turn on this loop: a turn begins RELAIS_HANDSHAKES_PER_TURN. */
guint relais_streams_n_handshakes_waiting (RelaisLoop *loop);

/* Bytes that wait; valid until the next call on this stream or the return to the loop. */
const guint8 *relais_stream_peek (RelaisStream *stream, gsize *size);
/* Takes `size` bytes off the input. While RELAIS_STREAM_HIGH_BYTES or more wait nothing is read: an
 * owner that waits for a longer piece would wait for ever. */
void relais_stream_consume (RelaisStream *stream, gsize size);
/* Drops all input that waits, returns how much it was. Before STARTTLS (RFC 3207 section 4.2). */
gsize relais_stream_discard_input (RelaisStream *stream);
/* Stops and resumes reading from the socket: back-pressure. On resume `input` is called (from a
 * later turn) if something waits. */
void relais_stream_pause (RelaisStream *stream, bool paused);

/* Appends to the output (copies). Written at the end of the turn, in one system call if the peer
 * takes it. True while the output is below the high mark (RELAIS_STREAM_HIGH_BYTES). */
bool relais_stream_write (RelaisStream *stream, gconstpointer bytes, gsize size);
bool relais_stream_printf (RelaisStream *stream, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Output not yet taken by the socket. */
gsize relais_stream_unwritten (const RelaisStream *stream);

enum { RELAIS_STREAM_HIGH_BYTES = 256 * 1024, RELAIS_STREAM_LOW_BYTES = 64 * 1024 };

/* Bytes that went over the socket since the stream was made: for progress watchdogs. */
guint64 relais_stream_bytes_in (const RelaisStream *stream);
guint64 relais_stream_bytes_out (const RelaisStream *stream);

/* Whom we speak TLS to, as a client. Borrowed for the call. */
typedef struct {
    const char
        *host; /* sent as SNI; and the certificate's name, if the context verifies. NULL: neither */
    const char *const *names; /* of which the certificate must bear one instead; NULL: the host's */
    /* Or NULL. Else the certificate must match one of its records (DANE, RFC 7672 section 3.1), whatever the context
     * says of verification; its base is sent as SNI, and a DANE-TA certificate must be for it or one of `names`. */
    RelaisTlsaSet *tlsa;
    RelaisTlsSessions
        *sessions; /* where to look for a session to resume, and to keep new ones; or NULL */
    const char *session_key;
} RelaisTlsPeer;
/* As relais_stream_start_tls (), for a client that has more to say of its peer. */
void relais_stream_start_tls_to (RelaisStream *stream, RelaisTlsContext *context,
                                 const RelaisTlsPeer *peer);

/* Begins TLS on a stream whose input is empty and whose output is drained or drains first. As a
 * client, `host` (nullable) is sent as SNI and, if the context verifies, checked. `ready` tells the
 * end. Cleartext bytes that stood before or within the handshake never reach the input. */
void relais_stream_start_tls (RelaisStream *stream, RelaisTlsContext *context, const char *host);
/* As a server, where the input that waits is the beginning of the handshake: only behind a PROXY header
 * from a peer that is trusted to have sent it, never for STARTTLS. */
void relais_stream_continue_as_tls (RelaisStream *stream, RelaisTlsContext *context);
/* OpenSSL's number for the verification's outcome, 0 (X509_V_OK) for a good one; -1 while there is none. After a
 * failed handshake it tells what was wrong. */
long relais_stream_verify_code (const RelaisStream *stream);
/* What such a number is called in TLS reports (RFC 8460 section 4.3.1): "certificate-expired", ...; NULL for a good
 * one, and while there is none. */
const char *relais_tls_verify_failure (long code);
/* The handshake resumed a session. */
bool relais_stream_tls_resumed (const RelaisStream *stream);
bool relais_stream_is_tls (const RelaisStream *stream);
/* "TLSv1.3", "TLS_AES_256_GCM_SHA384", the verify result ("ok", "self-signed certificate", ...);
 * NULL in clear. Borrowed. */
const char *relais_stream_tls_version (const RelaisStream *stream);
const char *relais_stream_tls_cipher (const RelaisStream *stream);
const char *relais_stream_tls_verify (const RelaisStream *stream);

/* The tls-exporter channel binding (RFC 9266); false where it is not defined: in clear, before TLS 1.3. */
enum { RELAIS_TLS_BINDING_BYTES = 32 };
bool
relais_stream_tls_binding (const RelaisStream *stream, guint8 binding[RELAIS_TLS_BINDING_BYTES]);

/* Addresses, as text without port ("192.0.2.1", "2001:db8::1"); IPv4-mapped ones come as IPv4.
 * Borrowed; "unix" for unix sockets. */
const char *relais_stream_peer_address (const RelaisStream *stream);
const char *relais_stream_local_address (const RelaisStream *stream);
guint16 relais_stream_peer_port (const RelaisStream *stream);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisStream, relais_stream_free)
