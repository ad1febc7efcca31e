/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sink: takes all mail and notes when which message came for whom. One thread, one epoll
 * descriptor. Replies to what one read brought go out in one write; they are so short that a peer
 * which does not take them is dropped.
 *
 * A slow sink keeps its answer to a message back for a while, always the same, so that those who
 * wait stand in a queue; nothing is read from them meanwhile.
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

typedef struct Conn Conn;

struct Conn {
    int fd;
    int64_t due_ns; /* 0, or when the answer that is kept back goes out */
    Conn *next_due;
    Conn *previous, *next; /* of all */
    bool lost;             /* while it stood in the queue */
    bool in_data, in_header, in_long_line, quit;
    long number; /* of the message; -1: not seen, or foreign */
    unsigned n_recipients;
    uint16_t recipients[LOAD_MAX_RECIPIENTS];
    size_t filled;
    char input[INPUT_BYTES];
    size_t n_out;
    char out[INPUT_BYTES / 4 * REPLY_BYTES]; /* a reply for each of the shortest lines */
};

typedef struct {
    Load *load;
    int epoll;
    long fail_due; /* of 100: a recipient is refused when it gets there */
    Conn *due, **due_end;
    Conn *all;
} Sink;

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
keep_back (Sink *sink, Conn *conn, int64_t now)
{
    conn->due_ns = now + sink->load->slow_ms * 1000000;
    conn->next_due = NULL;
    *sink->due_end = conn;
    sink->due_end = &conn->next_due;
}

static void
end_message (Sink *sink, Conn *conn)
{
    Load *load = sink->load;
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
    if (load->slow_ms > 0)
        keep_back (sink, conn, now);
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
take_data_line (Sink *sink, Conn *conn, const char *line, size_t size)
{
    if (size == 3 && memcmp (line, ".\r\n", 3) == 0)
        end_message (sink, conn);
    else if (size == 2)
        conn->in_header = false;
    else if (conn->in_header && line[0] == 'X')
        take_header (sink->load, conn, line, size);
}

/* --- Commands --------------------------------------------------------------------------------- */

/* "RCPT TO:<r12@..." */
static void
take_rcpt (Sink *sink, Conn *conn, const char *line, size_t size)
{
    const char *at = memchr (line, '<', size);
    long recipient = at != NULL && at[1] == 'r' ? strtol (at + 2, NULL, 10) : -1;

    sink->fail_due += sink->load->fail;
    if (sink->fail_due >= 100) {
        sink->fail_due -= 100;
        atomic_fetch_add (&sink->load->deferred, 1);
        say (conn, "450 4.2.1 not now\r\n");
        return;
    }
    if (recipient < 0 || recipient >= sink->load->recipients ||
        conn->n_recipients == LOAD_MAX_RECIPIENTS) {
        say (conn, "550 5.1.1 no such user\r\n");
        return;
    }
    conn->recipients[conn->n_recipients++] = (uint16_t)recipient;
    say (conn, "250 2.1.5 ok\r\n");
}

static void
take_command (Sink *sink, Conn *conn, const char *line, size_t size)
{
    if (size >= 4 && strncasecmp (line, "RCPT", 4) == 0) {
        take_rcpt (sink, conn, line, size);
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
take_lines (Sink *sink, Conn *conn)
{
    const char *at = conn->input, *end = conn->input + conn->filled, *lf;

    while (!conn->quit && conn->due_ns == 0 &&
           (lf = memchr (at, '\n', (size_t)(end - at))) != NULL) {
        size_t size = (size_t)(lf + 1 - at);

        if (conn->in_long_line)
            conn->in_long_line = false;
        else if (conn->in_data)
            take_data_line (sink, conn, at, size);
        else
            take_command (sink, conn, at, size);
        at = lf + 1;
    }
    conn->filled = (size_t)(end - at);
    memmove (conn->input, at, conn->filled);
    if (conn->filled == sizeof conn->input &&
        conn->due_ns == 0) { /* no line of ours; its rest is passed over */
        conn->in_long_line = true;
        conn->filled = 0;
    }
}

static bool
answer (Conn *conn)
{
    const size_t size = conn->n_out;

    conn->n_out = 0;
    return (size == 0 || send (conn->fd, conn->out, size, MSG_NOSIGNAL) == (ssize_t)size) &&
           !conn->quit;
}

static void
watch (Sink *sink, Conn *conn, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};

    if (epoll_ctl (sink->epoll, operation, conn->fd, &event) < 0)
        load_fail ("epoll_ctl");
}

/* Handles what was read; false when the connection is over. */
static bool
proceed (Sink *sink, Conn *conn)
{
    take_lines (sink, conn);
    if (conn->due_ns == 0)
        return answer (conn);
    watch (sink, conn, EPOLL_CTL_MOD, 0);
    return true;
}

/* False when the connection is over. */
static bool
serve (Sink *sink, Conn *conn)
{
    ssize_t n = recv (conn->fd, conn->input + conn->filled, sizeof conn->input - conn->filled, 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    conn->filled += (size_t)n;
    return proceed (sink, conn);
}

static void
link_conn (Sink *sink, Conn *conn)
{
    conn->previous = NULL;
    conn->next = sink->all;
    if (sink->all != NULL)
        sink->all->previous = conn;
    sink->all = conn;
}

static void
free_conn (Sink *sink, Conn *conn)
{
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        sink->all = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    free (conn);
}

static void
end (Sink *sink, Conn *conn)
{
    close (conn->fd);
    if (conn->due_ns != 0)
        conn->lost = true; /* the queue has it */
    else
        free_conn (sink, conn);
}

/* Lets those go on whose time has come. */
static void
release (Sink *sink)
{
    const int64_t now = load_now_ns ();
    Conn *conn;

    while ((conn = sink->due) != NULL && conn->due_ns <= now) {
        sink->due = conn->next_due;
        if (sink->due == NULL)
            sink->due_end = &sink->due;
        conn->due_ns = 0;
        if (conn->lost) {
            free_conn (sink, conn);
            continue;
        }
        watch (sink, conn, EPOLL_CTL_MOD, EPOLLIN);
        if (!answer (conn) || !proceed (sink, conn))
            end (sink, conn);
    }
}

static void
welcome (Sink *sink, int listener)
{
    for (;;) {
        int fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
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
        link_conn (sink, conn);
        watch (sink, conn, EPOLL_CTL_ADD, EPOLLIN);
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

/* Milliseconds to sleep at most: to the next answer that is due, or until `stop` is looked at. */
static int
find_pause (const Sink *sink)
{
    int64_t left = sink->due != NULL ? sink->due->due_ns - load_now_ns () : 50000000;

    return left <= 0 ? 0 : left < 50000000 ? (int)((left + 999999) / 1000000) : 50;
}

void
load_sink_run (Load *load, int listener)
{
    Sink sink = {.load = load, .epoll = epoll_create1 (EPOLL_CLOEXEC)};
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN}};

    sink.due_end = &sink.due;
    if (sink.epoll < 0 || epoll_ctl (sink.epoll, EPOLL_CTL_ADD, listener, &events[0]) < 0)
        load_fail ("epoll");
    while (!atomic_load (&load->stop)) {
        int n = epoll_wait (sink.epoll, events, EVENTS, find_pause (&sink));

        for (int i = 0; i < n; i++) {
            Conn *conn = events[i].data.ptr;

            if (conn == NULL)
                welcome (&sink, listener);
            else if (!serve (&sink, conn))
                end (&sink, conn);
        }
        release (&sink);
    }
    while (sink.all != NULL) {
        if (!sink.all->lost)
            close (sink.all->fd);
        free_conn (&sink, sink.all);
    }
    close (sink.epoll);
}
