/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one table of limits: everything that a peer can make grow has a row here, settable in [limits],
 * with a test at the boundary.  X (key, type, default, minimum, maximum, doc)
 */
#pragma once

#define RELAIS_LIMITS(X)                                                                           \
    X ("message_size", SIZE, "50M", 65536, G_MAXINT64,                                             \
       N_ ("Octets of one message; told as SIZE."))                                                \
    X ("recipients", INT, "1000", 100, 50000, N_ ("Recipients of one transaction (452 4.5.3)."))   \
    X ("future_release", DURATION, "30d", 0, 999999999 * G_TIME_SPAN_SECOND,                       \
       N_ ("How far ahead a client that is logged in may have mail released (FUTURERELEASE, RFC "  \
           "4865); 0: not offered."))                                                              \
    X ("command_line", SIZE, "2048", 512, 65536, N_ ("Octets of one command with its CRLF."))      \
    X ("auth_line", SIZE, "12288", 512, 65536, N_ ("Octets of one AUTH answer with its CRLF."))    \
    X ("text_line", SIZE, "2M", 1000, 1 << 30, N_ ("Octets of one line of message data."))         \
    X ("header_size", SIZE, "256K", 4096, 1 << 24, N_ ("Octets of the header block."))             \
    X ("header_fields", INT, "1000", 10, 100000, N_ ("Fields of the header block."))               \
    X ("hops", INT, "50", 1, 1000, N_ ("Received fields: more is a loop (5.4.6)."))                \
    X ("errors", INT, "20", 1, 1000, N_ ("Refused commands in one session before it is ended."))   \
    X ("temporary_errors", INT, "1000", 1, 1000000,                                                \
       N_ ("Commands refused for now (4xx) in one session without a message in between."))         \
    X ("auth_failures", INT, "3", 1, 100, N_ ("Failed logins in one session before it is ended.")) \
    X ("auth_failures_per_client", INT, "10", 1, 1000000,                                          \
       N_ ("Failed logins of one client in ten minutes; more are not looked at (421 4.7.0)."))     \
    X ("idle_commands", INT, "200", 1, G_MAXINT,                                                   \
       N_ ("Commands like NOOP, RSET and EHLO in one session without a message (421 4.7.0)."))     \
    X ("pipelined", SIZE, "64K", 4096, 1 << 24,                                                    \
       N_ ("Octets of commands sent ahead of their turn."))                                        \
    X ("sessions", INT, "10000", 1, 1000000, N_ ("Sessions at once; more get 421 4.7.0."))         \
    X ("sessions_per_client", INT, "2000", 1, 1000000,                                             \
       N_ ("Sessions of one client: an IPv4 address, or an IPv6 /64."))                            \
    X ("sessions_per_net", INT, "5000", 1, 1000000,                                                \
       N_ ("Sessions of one network: an IPv4 /24, or an IPv6 /48."))                               \
    X ("connections_per_client", INT, "1200", 1, 1000000,                                          \
       N_ ("New connections of one client in a minute; more get 421 4.7.0."))                      \
    X ("connections_per_net", INT, "6000", 1, 1000000,                                             \
       N_ ("New connections of one network in a minute; more get 421 4.7.0."))                     \
    X ("transactions", INT, "10000", 1, G_MAXINT, N_ ("Transactions in one session."))             \
    X ("greeting_timeout", DURATION, "60s", 1000000, G_MAXINT64,                                   \
       N_ ("Time for the first command."))                                                         \
    X ("command_timeout", DURATION, "5m", 1000000, G_MAXINT64,                                     \
       N_ ("Time for a whole command, from the reply before."))                                    \
    X ("stress_timeout", DURATION, "30s", 1000000, G_MAXINT64,                                     \
       N_ ("The same two at most, while seven of eight sessions are taken."))                      \
    X ("data_timeout", DURATION, "5m", 1000000, G_MAXINT64,                                        \
       N_ ("Time for each 64 KiB of message data."))                                               \
    X ("tls_timeout", DURATION, "60s", 1000000, G_MAXINT64, N_ ("Time for a TLS handshake."))      \
    X ("ticket_key_age", DURATION, "6h", 60 * G_TIME_SPAN_SECOND, 7 * G_TIME_SPAN_DAY,             \
       N_ ("Age at which the key of TLS session tickets gives way to a new one; for as long "      \
           "again "                                                                                \
           "it opens tickets."))                                                                   \
    X ("quarantine_lifetime", DURATION, "30d", 0, G_MAXINT64,                                      \
       N_ ("How long mail stays in the quarantine before it is removed, which an event and the "   \
           "log tell of; 0 for ever. What an operator holds stays."))

/* The same, for what is set up once, at start. */
#define RELAIS_HTTP_LIMITS(X)                                                                      \
    X ("http_threads", INT, "4", 1, 256,                                                           \
       N_ ("Threads for HTTP requests that have to wait for something."))                          \
    X ("http_queue", INT, "256", 1, 100000,                                                        \
       N_ ("Such requests that wait for a thread; more get 503."))                                 \
    X ("http_deadline", DURATION, "10s", 1000, G_MAXINT64,                                         \
       N_ ("Time for such a request before 503 is answered."))                                     \
    X ("http_body_memory", SIZE, "64M", 1 << 20, G_MAXINT64,                                       \
       N_ ("Memory for bodies of HTTP requests, of all together; more get 503."))

#define RELAIS_MODULE_LIMITS(X)                                                                    \
    X ("loop_callback", DURATION, "50ms", 1000, G_MAXINT64 / 2,                                    \
       N_ ("Time that a module's callback may take on the main loop before it is told of and "     \
           "counted."))                                                                            \
    X ("worker_callback", DURATION, "5s", 1000, G_MAXINT64 / 2, N_ ("The same on a worker."))
