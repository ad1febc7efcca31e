/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A sink for the queue's tests: an SMTP server on loopback that lives on the test's own loop, takes
 * what it is sent, and answers as the test says.
 */
#pragma once

#include "loop/loop-private.h"

typedef struct Sink Sink;

typedef struct {
    char *sender;
    GPtrArray *recipients; /* char * */
    GString *data;
    guint connection; /* number of the connection, from 1 */
    char *client;     /* its address */
    char *helo;       /* what it said */
} SinkMessage;

/* What to say to a line ("CONNECT" stands for the connection, "." for the end of data), NULL for the
 * usual. "" says nothing for now, "!" closes without a word, text that ends in "!" closes after it. */
typedef const char *(*SinkAnswer) (gpointer data, Sink *sink, const char *line);

struct Sink {
    RelaisLoop *loop;
    int fd;
    guint16 port;
    RelaisIo *io;
    GPtrArray *connections;
    GPtrArray *messages; /* SinkMessage, in the order of their ends */
    SinkAnswer answer;
    gpointer data;
    bool hold;             /* the end of data is not answered, see sink_release () */
    const char *extension; /* one more EHLO line, or NULL */
    bool plain;            /* without 8BITMIME */
    const char *unwelcome; /* address whose connections are closed at once, or NULL */
    guint accepted;        /* connections ever */
    guint open, most_open;
};

/* `address` is "127.0.0.1" or another of loopback; port 0 for any. */
Sink *sink_new (RelaisLoop *loop, const char *address, guint16 port);
void sink_free (Sink *sink);
/* Answers the held ends of data: `n` of them, oldest connection first. */
guint sink_release (Sink *sink, guint n);
/* How many wait for that. */
guint sink_held (const Sink *sink);
const SinkMessage *sink_message (const Sink *sink, guint i);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sink, sink_free)
