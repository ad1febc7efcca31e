/* SPDX-License-Identifier: MIT
 *
 * Channels: a connection to a service elsewhere that is no HTTP server (a directory, a policy server, a scanner),
 * over TCP, with or without TLS, or a Unix socket. The core resolves, connects, reads and writes on its loop; what the
 * module asks for is answered by one call, within its time. All functions here on the loop, from the module's
 * start on.
 *
 * A channel that failed once is over: whatever is asked of it then ends with the same outcome.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

enum {
    RELAIS_CHANNEL_READ_BYTES = 65536,   /* the longest line, and the most that one read asks for */
    RELAIS_CHANNEL_WRITE_BYTES = 1048576 /* the most that waits to be taken by the peer */
};

/* How something that was asked for ended. */
typedef guint32 RelaisChannelOutcome;
enum {
    RELAIS_CHANNEL_OK = 0,
    RELAIS_CHANNEL_DNS_ABSENT = 1,      /* the name has no address, for sure */
    RELAIS_CHANNEL_DNS_TEMPORARY = 2,   /* the name could not be looked up now */
    RELAIS_CHANNEL_REFUSED_ADDRESS = 3, /* it is, or has, an address that strangers may not name */
    RELAIS_CHANNEL_CONNECT = 4,         /* no address took the connection */
    RELAIS_CHANNEL_TLS = 5,             /* handshake or certificate */
    RELAIS_CHANNEL_TIMEOUT = 6,         /* not there within the time */
    RELAIS_CHANNEL_TOO_LARGE = 7,       /* a line without end */
    RELAIS_CHANNEL_CLOSED = 8,          /* the peer closed, or the connection broke */
    RELAIS_CHANNEL_STOPPED = 9          /* the daemon stops */
};

typedef guint32 RelaisChannelFlags;
enum {
    RELAIS_CHANNEL_WITH_TLS = 1 << 0, /* from the first octet on; the certificate is verified */
    /* The address is the administrator's, from the configuration. Without it strangers may have named it: no Unix
     * socket, no port below 1024 but 443, and no address that is not a public one (loopback, private, link-local), one
     * of several being enough. */
    RELAIS_CHANNEL_TRUSTED = 1 << 1
};

/* Versioned; the strings are copied. */
typedef struct {
    guint32 struct_size;
    RelaisChannelFlags flags;
    const gchar *address;  /* "HOST:PORT", "192.0.2.1:PORT", "[2001:db8::1]:PORT", "unix:/PATH" */
    const gchar *tls_name; /* the name in its certificate; NULL: HOST, which unix:/PATH has not */
} RelaisChannelInfo;

typedef struct RelaisChannel RelaisChannel;

/* Once for each read, from a later turn; may free the channel. `bytes` (borrowed, with a NUL behind it) is NULL unless
 * OK. */
typedef void (*RelaisChannelFunc) (RelaisChannel *channel, RelaisChannelOutcome outcome,
                                   const gchar *bytes, guint64 size, gpointer data);

/* Begins to connect, to one address after the other; the first read is told of what comes of it. NULL with an error
 * for an address that is not well-formed. Owned; to be freed in stop at the latest. */
RELAIS_API RelaisChannel *
relais_channel_new (RelaisModule *module, const RelaisChannelInfo *info, GError **error);
/* Writes octets, once connected; copied. FALSE, and nothing is written, if more than RELAIS_CHANNEL_WRITE_BYTES
 * would wait, or the channel is over. */
RELAIS_API gboolean relais_channel_write (RelaisChannel *channel, const gchar *bytes, guint64 size);
/* Has `func` called with the next line, without its LF or CRLF, or with what comes instead within `timeout_us`
 * (positive), connecting included. FALSE, and `func` is not called, while another read waits. */
RELAIS_API gboolean relais_channel_read_line (RelaisChannel *channel, gint64 timeout_us,
                                              RelaisChannelFunc func, gpointer data);
/* The same with the next `size` octets, 1 to RELAIS_CHANNEL_READ_BYTES. */
RELAIS_API gboolean relais_channel_read (RelaisChannel *channel, guint64 size, gint64 timeout_us,
                                         RelaisChannelFunc func, gpointer data);
/* Has `func` called, without octets, once most of what was written has left, however much that was, so that
 * a peer that answers nothing in between is not outrun; else with what comes instead within `timeout_us`
 * (positive), the peer's end included. What the peer says meanwhile stays for the next read, of which it
 * takes the place. FALSE, and `func` is not called, while another read waits. */
RELAIS_API gboolean relais_channel_drain (RelaisChannel *channel, gint64 timeout_us,
                                          RelaisChannelFunc func, gpointer data);
/* Why it is over, one line of English for a log; "" while it is not. Not trusted. Borrowed. */
RELAIS_API const gchar *relais_channel_get_text (const RelaisChannel *channel);
/* Closes it, once what was written has left or a few seconds have passed; a read that waits is not called back.
 * Accepts NULL. */
RELAIS_API void relais_channel_free (RelaisChannel *channel);
/* "ok", "dns-absent", "dns-temporary", "refused-address", "connect", "tls", "timeout", "too-large", "closed",
 * "stopped". Static. */
RELAIS_API const gchar *relais_channel_outcome_to_string (RelaisChannelOutcome outcome);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisChannel, relais_channel_free)

G_END_DECLS
