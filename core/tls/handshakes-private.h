/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whose handshake comes next. One costs the server a signature, up to some milliseconds, and a stranger
 * causes it with one small packet; so each turn of the loop has a few tokens for them, and who gets none waits.
 * Those that wait are served net by net in a circle, and within a net in the order in which they came: a crowd
 * from one net holds up the others of that net, and everybody else by one turn of the circle at most.
 *
 * Knows nothing of streams or clocks; every call takes O(1). Loop thread only.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Steps of handshakes in one turn. With keys of RSA 4096 (5 ms each) a turn stays below 50 ms. */
enum { RELAIS_HANDSHAKES_PER_TURN = 8, RELAIS_HANDSHAKES_NET_BYTES = 16 };

typedef struct RelaisHandshakes RelaisHandshakes;
typedef struct RelaisHandshakeWait RelaisHandshakeWait; /* a place in the queue */

RelaisHandshakes *relais_handshakes_new (void);
/* While none waits. */
void relais_handshakes_free (RelaisHandshakes *handshakes);

/* A new turn, with all its tokens. */
void relais_handshakes_renew (RelaisHandshakes *handshakes);
/* Takes a token for somebody who has not waited. False: there is none left, or others waited before. */
bool relais_handshakes_take (RelaisHandshakes *handshakes);
/* Queues `waiter`, who is of `net`, until relais_handshakes_next () gives it back or it leaves. */
RelaisHandshakeWait *
relais_handshakes_wait (RelaisHandshakes *handshakes, const guint8 net[RELAIS_HANDSHAKES_NET_BYTES],
                        gpointer waiter);
/* Gives up a place in the queue. Accepts NULL. */
void relais_handshakes_leave (RelaisHandshakes *handshakes, RelaisHandshakeWait *wait);
/* Who is served now, with a token, and without its place from here on; NULL: none waits, or no token is left. */
gpointer relais_handshakes_next (RelaisHandshakes *handshakes);

guint relais_handshakes_n_waiting (const RelaisHandshakes *handshakes);
