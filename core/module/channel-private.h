/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the two files of channels (include/relais/channel.h) share: channel.c reads and writes, channel-open.c finds
 * the address and connects. Loop thread.
 */
#pragma once

#include "module/module-private.h"

#include "tls/stream-private.h"

#include <relais/channel.h>

enum { CHANNEL_ADDRESSES = 8 }; /* of a name, that are tried */
#define CHANNEL_DRAIN G_MAXSIZE

/* Where to. */
typedef struct {
    char *host; /* name or literal, without brackets; NULL for a Unix socket */
    guint16 port;
    char *path; /* of a Unix socket; or NULL */
} ChannelAddress;
/* Pure. False, with what was wanted in `problem` (static), for text that is no address. */
bool relais_channel_address_parse (const char *text, ChannelAddress *address, const char **problem);
void relais_channel_address_clear (ChannelAddress *address);

/* A context that is made on a worker, since it reads files; its channel may be gone when it is there. */
typedef struct {
    RelaisHost *host;
    RelaisChannel *channel; /* or NULL */
    RelaisTlsContext *context;
} ChannelTls;

struct RelaisChannel {
    RelaisModule *module;
    RelaisChannelFlags flags;
    char *name; /* the address as it was given */
    ChannelAddress address;
    char *tls_name;
    GList link; /* in host->channels */

    RelaisLookup *lookups[2];
    RelaisChannelOutcome dns; /* what the lookups said, while there is no address */
    struct sockaddr_storage found[CHANNEL_ADDRESSES];
    socklen_t found_size[CHANNEL_ADDRESSES];
    guint n_found, next;
    ChannelTls *making_tls; /* or NULL */
    RelaisStream *stream;   /* or NULL */
    bool connected, open;   /* TCP is; TLS is too, if it is wanted */
    bool closed;            /* the peer will send no more */
    GByteArray *unsent;     /* until it is open */

    RelaisChannelOutcome outcome; /* OK until it is over */
    char *text;                   /* why; or what ended the stream */

    RelaisChannelFunc func; /* of the read that waits; or NULL */
    gpointer data;
    gsize size; /* wanted; 0: a line; CHANNEL_DRAIN: that output has left */
    RelaisTimer deadline;
    RelaisTimer turn; /* to begin, and to look at what is there already */
    bool begun;
};

/* Begins to find the address. */
void relais_channel_begin (RelaisChannel *channel);
/* Drops what is under way of it, and the stream. */
void relais_channel_drop (RelaisChannel *channel);
/* Its stream is connected, or TLS was begun, or that failed. */
void relais_channel_ready (RelaisChannel *channel, const GError *error);
/* It can be written to and read from. */
void relais_channel_opened (RelaisChannel *channel);
/* It is over; the read that waits is told, which may free the channel. Takes `text`. */
void relais_channel_fail (RelaisChannel *channel, RelaisChannelOutcome outcome, char *text);
/* Callbacks of its stream. */
extern const RelaisStreamCallbacks relais_channel_callbacks;
