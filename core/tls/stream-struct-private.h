/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of a stream share: its record, and the hub that all streams of one loop have in
 * common. Nobody outside core/tls includes this.
 */
#pragma once

#include "tls/handshakes-private.h"
#include "tls/stream-private.h"

#include <openssl/ssl.h>

/* One read fills at most this much; the room behind it takes what was left unconsumed before, and
 * one whole TLS record more, so that OpenSSL never keeps a decrypted rest that epoll cannot see. */
enum {
    STREAM_READ_BYTES = 64 * 1024,
    STREAM_RECORD_BYTES = 16 * 1024,
    STREAM_LEAD_BYTES = 32 * 1024,
    STREAM_SCRATCH_BYTES = STREAM_LEAD_BYTES + STREAM_READ_BYTES + STREAM_RECORD_BYTES
};

typedef struct StreamHub StreamHub;

struct StreamHub {
    StreamHub *next; /* the thread's other hubs */
    RelaisLoop *loop;
    guint refs;
    guint turn_handle;
    RelaisTimer wake; /* makes a turn happen for what was written or kicked outside events */
    bool in_events;   /* a turn function is sure to follow */
    GQueue dirty;     /* streams with output to write, by `dirty` */
    GQueue kicked;    /* streams to be called though epoll is silent, by `place` */
    GQueue lingering; /* streams without owner, by `place` */
    RelaisHandshakes *handshakes; /* streams whose handshake waits for its turn */
    guint8 scratch[STREAM_SCRATCH_BYTES];
};

typedef enum {
    STREAM_CONNECTING,
    STREAM_CLEAR,
    STREAM_DRAINING, /* TLS was asked for; cleartext output goes out first, nothing is read */
    STREAM_HANDSHAKE,
    STREAM_TLS,
    STREAM_ENDED /* broken: no input, no output, no callback */
} StreamState;

struct RelaisStream {
    StreamHub *hub;
    const RelaisStreamCallbacks *callbacks; /* NULL once the owner let go */
    gpointer data;
    RelaisIo *io; /* NULL while nothing is wanted of a hung-up socket */
    int fd;
    guint refs; /* the owner's and one for each call that is on the stack */
    StreamState state;
    bool freed : 1;
    bool paused : 1;
    bool eof : 1;        /* the peer will send nothing more */
    bool told : 1;       /* `closed` was called */
    bool more : 1;       /* reading again will give something without epoll's help */
    bool resumed : 1;    /* `input` is owed for what waits */
    bool blocked : 1;    /* the socket did not take all output */
    bool above_high : 1; /* `drained` is owed */
    bool finishing : 1;
    bool shut : 1; /* our direction was ended */
    bool tls_failed : 1;
    bool read_wants_write : 1; /* OpenSSL must write before it can read, and the reverse */
    bool write_wants_read : 1;
    bool is_unix : 1;

    const guint8 *view; /* the input that waits: in the hub's scratch, or in `kept` */
    gsize view_size;
    guint8 *kept;
    gsize kept_capacity;

    guint8 *out;
    gsize out_start, out_end, out_capacity;
    gsize clear_left;  /* while draining: how much of the output goes in clear */
    gsize sent_direct; /* in this turn, from where it lay */

    SSL *ssl;
    RelaisTlsContext *tls;
    RelaisHandshakeWait *waits; /* for its turn to go on with the handshake; else NULL */
    GByteArray *ahead; /* read before the handshake and part of it, until it begins; or NULL */
    char *tls_host;
    char **tls_names;
    RelaisTlsaSet *tlsa; /* or NULL */
    RelaisTlsSessions *tls_sessions;
    char *tls_session_key;
    guint64 clear_in, clear_out;

    GError *error; /* met early, to be told from a later turn */
    char *peer_text;
    char *local_text;
    guint16 peer_port;
    GList dirty; /* .data is the stream; both while linked only */
    GList place;
    RelaisTimer linger;
};

typedef enum { STREAM_IO_DONE, STREAM_IO_AGAIN, STREAM_IO_END, STREAM_IO_FAILED } StreamIoResult;

/* --- hub.c */
StreamHub *relais_stream_hub_get (RelaisLoop *loop);
void relais_stream_hub_unref (StreamHub *hub);
/* Has the stream's output written at the end of the turn. */
void relais_stream_mark_dirty (RelaisStream *stream);
/* Has relais_stream_kicked () called from a later turn. */
void relais_stream_kick (RelaisStream *stream);
void relais_stream_linger (RelaisStream *stream);
/* Has relais_stream_handshake_step () called when it is the stream's turn, from a later turn of the loop. */
void relais_stream_await_turn (RelaisStream *stream);
void relais_stream_unlink (RelaisStream *stream);

/* --- stream.c */
RelaisStream *relais_stream_alloc (RelaisLoop *loop, int fd, const RelaisStreamCallbacks *callbacks,
                                   gpointer data);
/* What the hub calls. */
void relais_stream_flush (RelaisStream *stream);
void relais_stream_kicked (RelaisStream *stream);
/* The stream ended orderly (error NULL) or broke, and the owner, if there is one and it was not told
 * yet, is. Takes `error`. */
void relais_stream_tell_closed (RelaisStream *stream, GError *error);
/* Shows what can still be read after a failed write. */
void relais_stream_read_last (RelaisStream *stream);
/* Notes the peer's address and port. */
void relais_stream_set_peer (RelaisStream *stream, const struct sockaddr *peer);
/* Watches the socket for what the state asks for; breaks the stream if it cannot be watched. */
void relais_stream_update_watch (RelaisStream *stream);
/* The stream becomes usable (error NULL) or is ended, and the owner is told. Takes `error`. */
void relais_stream_tell_ready (RelaisStream *stream, GError *error);
void relais_stream_ref (RelaisStream *stream);
void relais_stream_unref (RelaisStream *stream);

/* --- stream-out.c */
void relais_stream_drop_output (RelaisStream *stream);

/* --- connect.c */
void relais_stream_connect_step (RelaisStream *stream);

/* --- stream-dane.c */
/* Has OpenSSL match the stream's TLSA records. False: it will not. */
bool relais_stream_apply_tlsa (RelaisStream *stream);

/* --- stream-ahead.c */
/* Has OpenSSL read `ahead` before the socket. False: it will not. */
bool relais_stream_put_ahead (RelaisStream *stream);

/* --- stream-tls.c */
void relais_stream_begin_handshake (RelaisStream *stream);
/* The socket has something for the handshake: it goes on, or, as a server, waits for its turn. */
void relais_stream_handshake_ready (RelaisStream *stream);
/* Its turn has come. */
void relais_stream_handshake_step (RelaisStream *stream);
StreamIoResult
relais_stream_tls_read (RelaisStream *stream, guint8 *to, gsize room, gsize *got, GError **error);
StreamIoResult relais_stream_tls_write (RelaisStream *stream, const guint8 *from, gsize size,
                                        gsize *taken, GError **error);
/* Has new sessions of a client's context kept by the streams that are made of it. */
void relais_stream_tls_keep_sessions (SSL_CTX *native);
/* Sends close_notify if the connection is in a state for it. */
void relais_stream_tls_end (RelaisStream *stream);
