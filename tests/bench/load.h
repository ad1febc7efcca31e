/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of relais-load share: the options and the times of each message. The injector
 * runs on the main thread and writes `start_ns`, `accept_ns` and its counters; the sink runs on a
 * thread of its own and writes the rest. Arrays are read by the main thread once the sink is
 * joined, but for `copies` and the atomic counters.
 */
#pragma once

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_MAX_RECIPIENTS = 1000,
    LOAD_HTML_BYTES = 1024, /* the least of an HTML body, and */
    LOAD_LINK_BYTES = 512   /* each link in it */
};

typedef struct {
    struct sockaddr_in target, listen;
    bool inject, sink, json, tls;
    bool http; /* `messages` requests by HTTP, and no message */
    bool html; /* the body, with so many links: */
    long links;
    long connections, messages, size, recipients, per_connection, domains, timeout_s;
    long rate;          /* messages or requests a second, 0: as fast as it goes */
    long bulk;          /* so many first messages are bulk, and not paced */
    long idle;          /* connections that do nothing; no message is sent then */
    long fail, slow_ms; /* the sink: of 100 recipients, so many get 450; delay of its 250 */
    const char *auth;   /* AUTH PLAIN's argument, in base64; NULL: none */
    const char *sender, *domain, *log;
    const char *paths,
        *host;    /* of requests: the file that lists paths, and whom they are sent to */
    char run[17]; /* marks the messages of this run */

    int64_t *start_ns, *accept_ns; /* a message each; 0: not (yet) */
    int64_t *receipt_ns;           /* a delivery each (message x recipients): the first time */
    _Atomic uint8_t *copies;       /* how often it came, 255 at most */

    long accepted, refused, broken; /* messages; broken: the connection went, who knows */
    long connects, failed_connects;
    char last_refusal[160];
    int64_t first_ns, last_accept_ns;

    _Atomic long received;   /* deliveries, without copies */
    _Atomic long duplicates; /* further copies */
    _Atomic long foreign;    /* messages that are not of this run */
    _Atomic long deferred;   /* recipients that the sink answered 450 */
    _Atomic int64_t last_receipt_ns;
    _Atomic bool stop;
} Load;

int64_t load_now_ns (void);
void load_fail (const char *what) __attribute__ ((noreturn));

void load_options_parse (Load *load, int argc, char **argv);

/* Deliveries of accepted messages that did not come; bulk is not waited for and does not count. */
long load_figures_missing (const Load *load);
/* Prints what was measured; the exit status. */
int load_figures_report (const Load *load);

/* Room for a message's commands, or for its header. */
size_t load_message_room (const Load *load);
char *load_message_body (const Load *load, size_t *bytes); /* with its dot; the caller frees it */
size_t load_message_envelope (const Load *load, long number, bool rset, char *head, size_t room);
size_t load_message_header (const Load *load, long number, char *head, size_t room);

/* Sends everything; returns when each message is accepted, refused or broken, or when nothing moved
 * for the time-out. */
void load_inject (Load *load);

/* Sends the requests; each counts as an accepted message when its answer is a good one. */
void load_http (Load *load);

/* Opens the idle connections, says how many there are, and holds them until `stop`. */
void load_idle (Load *load);

/* Binds and listens, so that a port that is taken is known at once; returns the descriptor. */
int load_sink_open (Load *load);
/* The sink's thread, until `stop`. */
void load_sink_run (Load *load, int listener);
