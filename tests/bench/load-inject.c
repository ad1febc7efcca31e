/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The injector: keeps the wanted number of connections busy, each with one message at a time,
 * envelope pipelined. A connection that is lost is made again, so a server may be killed and
 * started anew under load; the message it carried is "broken", for nobody knows its fate.
 */
#include "config.h"

#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES = 8192, EVENTS = 256, HEAD_BYTES = 768, RETRY_MS = 50 };

typedef enum { CLOSED, CONNECTING, BANNER, EHLO, ENVELOPE, DOT, QUIT } State;

typedef struct {
    int fd;
    State state;
    long number;   /* message under way, -1: none */
    long sent;     /* messages on this connection */
    unsigned owed; /* replies */
    bool refused;  /* part of the envelope was */
    bool rset;     /* owed before the next MAIL */
    bool wants_out;
    size_t filled;
    char input[INPUT_BYTES];
    char *head; /* commands, or the message's header */
    size_t head_bytes;
    struct iovec out[2];
} Conn;

typedef struct {
    Load *load;
    int epoll;
    Conn *conns;
    char *body; /* the same for all, with its dot */
    size_t body_bytes;
    long next; /* message */
    long open; /* messages without an end */
    int64_t moved_ns;
} Injector;

/* --- Messages --------------------------------------------------------------------------------- */

static void
make_body (Injector *injector)
{
    const size_t size = (size_t)injector->load->size;
    char *body = malloc (size + 16);

    if (body == NULL)
        load_fail ("malloc");
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(i % 76 == 74 ? '\r' : i % 76 == 75 ? '\n' : 'a' + (int)(i % 23));
    if (size >= 2)
        memcpy (body + size - 2, "\r\n", 2);
    if (size >= 3 && body[size - 3] == '\r')
        body[size - 3] = 'x';
    memcpy (body + size, ".\r\n", 3);
    injector->body = body;
    injector->body_bytes = size + 3;
}

static void
put_recipient (const Load *load, long number, long recipient, char *to, size_t size)
{
    if (load->domains > 1)
        snprintf (to, size, "r%ld@d%ld.%s", recipient, (number + recipient) % load->domains,
                  load->domain);
    else
        snprintf (to, size, "r%ld@%s", recipient, load->domain);
}

static void
put_envelope (const Load *load, Conn *conn)
{
    size_t room = conn->head_bytes, used;
    char recipient[320];

    used = (size_t)snprintf (conn->head, room, "%sMAIL FROM:<%s>\r\n", conn->rset ? "RSET\r\n" : "",
                             load->sender);
    for (long i = 0; i < load->recipients; i++) {
        put_recipient (load, conn->number, i, recipient, sizeof recipient);
        used += (size_t)snprintf (conn->head + used, room - used, "RCPT TO:<%s>\r\n", recipient);
    }
    used += (size_t)snprintf (conn->head + used, room - used, "DATA\r\n");
    conn->out[0] = (struct iovec){conn->head, used};
    conn->owed = (unsigned)load->recipients + 2 + conn->rset;
}

static void
put_header (const Load *load, Conn *conn)
{
    char date[64], recipient[320];
    time_t now = time (NULL);
    struct tm tm;

    gmtime_r (&now, &tm);
    strftime (date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm);
    put_recipient (load, conn->number, 0, recipient, sizeof recipient);
    conn->out[0].iov_base = conn->head;
    conn->out[0].iov_len =
        (size_t)snprintf (conn->head, conn->head_bytes,
                          "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s.%ld@load.test>\r\n"
                          "Subject: message %ld\r\nX-Load: %s-%ld\r\n\r\n",
                          load->sender, recipient, date, load->run, conn->number, conn->number,
                          load->run, conn->number);
}

/* --- Connections ------------------------------------------------------------------------------ */

static void
watch (Injector *injector, Conn *conn, int operation, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = conn};

    conn->wants_out = out;
    if (epoll_ctl (injector->epoll, operation, conn->fd, &event) < 0)
        load_fail ("epoll_ctl");
}

static void
open_connection (Injector *injector, Conn *conn)
{
    const struct sockaddr_in *target = &injector->load->target;
    const int on = 1;

    conn->fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        load_fail ("socket");
    setsockopt (conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn->state = CONNECTING;
    conn->number = -1;
    conn->sent = 0;
    conn->filled = 0;
    conn->rset = false;
    memset (conn->out, 0, sizeof conn->out);
    watch (injector, conn, EPOLL_CTL_ADD, true);
    if (connect (conn->fd, (const struct sockaddr *)target, sizeof *target) < 0 &&
        errno != EINPROGRESS)
        return; /* epoll tells */
}

static void
lose (Injector *injector, Conn *conn)
{
    if (conn->state == CONNECTING)
        injector->load->failed_connects++;
    if (conn->number >= 0) {
        injector->load->broken++;
        injector->open--;
    }
    close (conn->fd);
    conn->state = CLOSED;
    conn->number = -1;
}

/* Writes what waits; false when the connection is lost. */
static bool
flush (Injector *injector, Conn *conn)
{
    while (conn->out[0].iov_len + conn->out[1].iov_len > 0) {
        struct msghdr message = {.msg_iov = conn->out, .msg_iovlen = 2};
        ssize_t n = sendmsg (conn->fd, &message, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n < 0) {
            if (!conn->wants_out)
                watch (injector, conn, EPOLL_CTL_MOD, true);
            return true;
        }
        injector->moved_ns = load_now_ns ();
        for (int i = 0; i < 2; i++) {
            size_t taken = (size_t)n < conn->out[i].iov_len ? (size_t)n : conn->out[i].iov_len;

            conn->out[i].iov_base = (char *)conn->out[i].iov_base + taken;
            conn->out[i].iov_len -= taken;
            n -= (ssize_t)taken;
        }
    }
    if (conn->wants_out)
        watch (injector, conn, EPOLL_CTL_MOD, false);
    return true;
}

/* --- The conversation ------------------------------------------------------------------------- */

static void
say (Conn *conn, const char *text)
{
    conn->out[0] = (struct iovec){(char *)text, strlen (text)};
    conn->owed = 1;
}

static void
next_message (Injector *injector, Conn *conn)
{
    Load *load = injector->load;

    if (injector->next == load->messages ||
        (load->per_connection > 0 && conn->sent == load->per_connection)) {
        conn->state = QUIT;
        say (conn, "QUIT\r\n");
        return;
    }
    conn->number = injector->next++;
    conn->sent++;
    conn->refused = false;
    put_envelope (load, conn);
    conn->state = ENVELOPE;
    load->start_ns[conn->number] = load_now_ns ();
    if (load->first_ns == 0)
        load->first_ns = load->start_ns[conn->number];
}

static void
end_message (Injector *injector, Conn *conn, bool accepted)
{
    Load *load = injector->load;

    if (accepted) {
        load->accept_ns[conn->number] = load->last_accept_ns = load_now_ns ();
        load->accepted++;
    } else {
        load->refused++;
    }
    conn->rset = !accepted;
    conn->number = -1;
    injector->open--;
    next_message (injector, conn);
}

/* The envelope's replies are all here; `code` is DATA's. */
static void
end_envelope (Injector *injector, Conn *conn, int code)
{
    if (code == 354) {
        put_header (injector->load, conn);
        conn->out[1] = (struct iovec){injector->body, injector->body_bytes};
        conn->owed = 1;
        conn->state = DOT;
    } else {
        end_message (injector, conn, false);
    }
}

static void
take_reply (Injector *injector, Conn *conn, int code, const char *line)
{
    bool good = code / 100 == 2 || code == 354;

    if (!good) {
        conn->refused = true;
        snprintf (injector->load->last_refusal, sizeof injector->load->last_refusal, "%.*s",
                  (int)strcspn (line, "\r\n"), line);
    }
    if (conn->owed == 0 || --conn->owed > 0)
        return;
    switch (conn->state) {
    case BANNER:
        conn->state = EHLO;
        say (conn, "EHLO load.test\r\n");
        break;
    case EHLO:
        injector->load->connects++;
        next_message (injector, conn);
        break;
    case ENVELOPE: end_envelope (injector, conn, code); break;
    case DOT: end_message (injector, conn, good && !conn->refused); break;
    case CLOSED:
    case CONNECTING:
    case QUIT: break;
    }
}

/* The reply code at the head of a line, or 0. */
static int
parse_code (const char *line)
{
    for (int i = 0; i < 3; i++)
        if (line[i] < '0' || line[i] > '9')
            return 0;
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

/* False when the connection is to be closed. */
static bool
take_input (Injector *injector, Conn *conn)
{
    ssize_t n = recv (conn->fd, conn->input + conn->filled, sizeof conn->input - conn->filled, 0);
    char *at = conn->input, *end, *lf;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    injector->moved_ns = load_now_ns ();
    end = at + conn->filled + n;
    while ((lf = memchr (at, '\n', (size_t)(end - at))) != NULL) {
        int code = lf - at >= 4 ? parse_code (at) : 0;

        if (code == 0 || code == 421)
            return false;
        if (at[3] != '-')
            take_reply (injector, conn, code, at);
        if (conn->state == QUIT && conn->owed == 0)
            return false;
        at = lf + 1;
    }
    conn->filled = (size_t)(end - at);
    memmove (conn->input, at, conn->filled);
    return conn->filled < sizeof conn->input;
}

static bool
serve (Injector *injector, Conn *conn, uint32_t events)
{
    if (conn->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;

        if (getsockopt (conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0)
            return false;
        conn->state = BANNER;
        conn->owed = 1;
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && !take_input (injector, conn))
        return false;
    return flush (injector, conn);
}

/* Opens what is closed, if there is something left to send. */
static void
reopen (Injector *injector)
{
    for (long i = 0; i < injector->load->connections; i++)
        if (injector->conns[i].state == CLOSED && injector->next < injector->load->messages)
            open_connection (injector, &injector->conns[i]);
}

static void
start (Injector *injector)
{
    Load *load = injector->load;

    injector->open = load->messages;
    injector->moved_ns = load_now_ns ();
    injector->epoll = epoll_create1 (EPOLL_CLOEXEC);
    injector->conns = calloc ((size_t)load->connections, sizeof *injector->conns);
    if (injector->epoll < 0 || injector->conns == NULL)
        load_fail ("cannot begin");
    make_body (injector);
    for (long i = 0; i < load->connections; i++) {
        Conn *conn = &injector->conns[i];

        conn->head_bytes = HEAD_BYTES + 2 * strlen (load->sender) +
                           (size_t)load->recipients * (48 + strlen (load->domain)) +
                           strlen (load->domain);
        conn->head = malloc (conn->head_bytes);
        if (conn->head == NULL)
            load_fail ("malloc");
    }
}

static void
finish (Injector *injector)
{
    for (long i = 0; i < injector->load->connections; i++) {
        if (injector->conns[i].state != CLOSED)
            lose (injector, &injector->conns[i]);
        free (injector->conns[i].head);
    }
    free (injector->conns);
    free (injector->body);
    close (injector->epoll);
}

void
load_inject (Load *load)
{
    Injector injector = {.load = load};
    const int64_t patience = load->timeout_s * INT64_C (1000000000);
    struct epoll_event events[EVENTS];

    start (&injector);
    while (injector.open > 0 && load_now_ns () - injector.moved_ns < patience) {
        int n;

        reopen (&injector);
        n = epoll_wait (injector.epoll, events, EVENTS, RETRY_MS);
        for (int i = 0; i < n; i++) {
            Conn *conn = events[i].data.ptr;

            if (!serve (&injector, conn, events[i].events))
                lose (&injector, conn);
        }
    }
    finish (&injector);
}
