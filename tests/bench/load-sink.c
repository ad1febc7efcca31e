/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sink: takes all mail at once and notes when which message came for whom. One thread, one
 * epoll descriptor. Replies to what one read brought go out in one write; they are so short that a
 * peer which does not take them is dropped.
 */
#include "config.h"

#include "load.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_BYTES = 16 * 1024, EVENTS = 256, REPLY_BYTES = 32 };

typedef struct {
    int fd;
    bool in_data, in_header, in_long_line, quit;
    long number; /* of the message; -1: not seen, or foreign */
    unsigned n_recipients;
    uint16_t recipients[LOAD_MAX_RECIPIENTS];
    size_t filled;
    char input[INPUT_BYTES];
    size_t n_out;
    char out[INPUT_BYTES / 4 * REPLY_BYTES]; /* a reply for each of the shortest lines */
} Conn;

static void
say (Conn *conn, const char *text)
{
    size_t size = strlen (text);

    if (size > sizeof conn->out - conn->n_out)
        return;
    memcpy (conn->out + conn->n_out, text, size);
    conn->n_out += size;
}

/* --- A message -------------------------------------------------------------------------------- */

static void
take_delivery (Load *load, long number, unsigned recipient, int64_t now)
{
    long at = number * load->recipients + (long)recipient;
    uint8_t before = atomic_load_explicit (&load->copies[at], memory_order_relaxed);

    if (before < UINT8_MAX)
        atomic_store_explicit (&load->copies[at], (uint8_t)(before + 1), memory_order_relaxed);
    if (before == 0) {
        load->receipt_ns[at] = now;
        atomic_fetch_add (&load->received, 1);
    } else {
        atomic_fetch_add (&load->duplicates, 1);
    }
}

static void
end_message (Load *load, Conn *conn)
{
    int64_t now = load_now_ns ();

    conn->in_data = false;
    if (conn->number < 0)
        atomic_fetch_add (&load->foreign, 1);
    else
        for (unsigned i = 0; i < conn->n_recipients; i++)
            take_delivery (load, conn->number, conn->recipients[i], now);
    atomic_store (&load->last_receipt_ns, now);
    conn->n_recipients = 0;
    say (conn, "250 2.0.0 taken\r\n");
}

/* "X-Load: RUN-NUMBER" */
static void
take_header (const Load *load, Conn *conn, const char *line, size_t size)
{
    static const char name[] = "X-Load: ";
    const size_t run = strlen (load->run);
    char digits[16] = {0};
    long number;

    if (size < sizeof name - 1 + run + 2 || memcmp (line, name, sizeof name - 1) != 0)
        return;
    line += sizeof name - 1;
    size -= sizeof name - 1;
    if (memcmp (line, load->run, run) != 0 || line[run] != '-')
        return;
    memcpy (digits, line + run + 1, size - run - 1 < 15 ? size - run - 1 : 15);
    number = strtol (digits, NULL, 10);
    if (number >= 0 && number < load->messages)
        conn->number = number;
}

static void
take_data_line (Load *load, Conn *conn, const char *line, size_t size)
{
    if (size == 3 && memcmp (line, ".\r\n", 3) == 0)
        end_message (load, conn);
    else if (size == 2)
        conn->in_header = false;
    else if (conn->in_header && line[0] == 'X')
        take_header (load, conn, line, size);
}

/* --- Commands --------------------------------------------------------------------------------- */

/* "RCPT TO:<r12@..." */
static void
take_rcpt (const Load *load, Conn *conn, const char *line, size_t size)
{
    const char *at = memchr (line, '<', size);
    long recipient = at != NULL && at[1] == 'r' ? strtol (at + 2, NULL, 10) : -1;

    if (recipient < 0 || recipient >= load->recipients ||
        conn->n_recipients == LOAD_MAX_RECIPIENTS) {
        say (conn, "550 5.1.1 no such user\r\n");
        return;
    }
    conn->recipients[conn->n_recipients++] = (uint16_t)recipient;
    say (conn, "250 2.1.5 ok\r\n");
}

static void
take_command (const Load *load, Conn *conn, const char *line, size_t size)
{
    if (size >= 4 && strncasecmp (line, "RCPT", 4) == 0) {
        take_rcpt (load, conn, line, size);
    } else if (size >= 4 && strncasecmp (line, "MAIL", 4) == 0) {
        conn->n_recipients = 0;
        say (conn, "250 2.1.0 ok\r\n");
    } else if (size >= 4 && strncasecmp (line, "DATA", 4) == 0 && conn->n_recipients > 0) {
        conn->in_data = conn->in_header = true;
        conn->number = -1;
        say (conn, "354 go on\r\n");
    } else if (size >= 4 && strncasecmp (line, "EHLO", 4) == 0) {
        say (conn, "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                   "250-DSN\r\n250 SIZE 0\r\n");
    } else if (size >= 4 &&
               (strncasecmp (line, "HELO", 4) == 0 || strncasecmp (line, "RSET", 4) == 0 ||
                strncasecmp (line, "NOOP", 4) == 0)) {
        conn->n_recipients = 0;
        say (conn, "250 2.0.0 ok\r\n");
    } else if (size >= 4 && strncasecmp (line, "QUIT", 4) == 0) {
        conn->quit = true;
        say (conn, "221 2.0.0 bye\r\n");
    } else {
        say (conn, "503 5.5.1 not now\r\n");
    }
}

/* --- Connections ------------------------------------------------------------------------------ */

static void
take_lines (Load *load, Conn *conn)
{
    const char *at = conn->input, *end = conn->input + conn->filled, *lf;

    while (!conn->quit && (lf = memchr (at, '\n', (size_t)(end - at))) != NULL) {
        size_t size = (size_t)(lf + 1 - at);

        if (conn->in_long_line)
            conn->in_long_line = false;
        else if (conn->in_data)
            take_data_line (load, conn, at, size);
        else
            take_command (load, conn, at, size);
        at = lf + 1;
    }
    conn->filled = (size_t)(end - at);
    memmove (conn->input, at, conn->filled);
    if (conn->filled == sizeof conn->input) { /* no line of ours; its rest is passed over */
        conn->in_long_line = true;
        conn->filled = 0;
    }
}

/* False when the connection is over. */
static bool
serve (Load *load, Conn *conn)
{
    ssize_t n = recv (conn->fd, conn->input + conn->filled, sizeof conn->input - conn->filled, 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    conn->filled += (size_t)n;
    take_lines (load, conn);
    if (conn->n_out > 0 &&
        send (conn->fd, conn->out, conn->n_out, MSG_NOSIGNAL) != (ssize_t)conn->n_out)
        return false;
    conn->n_out = 0;
    return !conn->quit;
}

static void
welcome (int epoll, int listener)
{
    for (;;) {
        int fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN};
        Conn *conn;

        if (fd < 0)
            return;
        conn = malloc (sizeof *conn);
        if (conn == NULL)
            load_fail ("malloc");
        /* The buffers need no clearing, and most of them are never touched. */
        memset (conn, 0, offsetof (Conn, recipients));
        conn->filled = conn->n_out = 0;
        conn->fd = fd;
        event.data.ptr = conn;
        if (epoll_ctl (epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            load_fail ("epoll_ctl");
        (void)!send (fd, "220 sink.test\r\n", 15, MSG_NOSIGNAL);
    }
}

int
load_sink_open (Load *load)
{
    const int on = 1;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind (fd, (struct sockaddr *)&load->listen, sizeof load->listen) < 0 ||
        listen (fd, 4096) < 0)
        load_fail ("cannot listen");
    return fd;
}

void
load_sink_run (Load *load, int listener)
{
    int epoll = epoll_create1 (EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN}};

    if (epoll < 0 || epoll_ctl (epoll, EPOLL_CTL_ADD, listener, &events[0]) < 0)
        load_fail ("epoll");
    while (!atomic_load (&load->stop)) {
        int n = epoll_wait (epoll, events, EVENTS, 50);

        for (int i = 0; i < n; i++) {
            Conn *conn = events[i].data.ptr;

            if (conn == NULL) {
                welcome (epoll, listener);
            } else if (!serve (load, conn)) {
                close (conn->fd);
                free (conn);
            }
        }
    }
    close (epoll);
}
