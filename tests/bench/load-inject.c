/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The injector: keeps the wanted number of connections busy, each with one message at a time,
 * envelope pipelined where the server offers it. A connection that is lost is made again, so a
 * server may be killed and started anew under load; the message it carried is "broken", for nobody
 * knows its fate.
 *
 *   CONNECTING -> BANNER -> EHLO [-> STARTTLS -> HANDSHAKE -> EHLO] [-> AUTH] -> WAITING
 *   WAITING -> ENVELOPE -> DOT -> WAITING or QUIT
 *
 * With a rate, each message has a moment at which it is due, and its time runs from there, even if
 * no connection was free: a slow server must not slow down the clock that judges it.
 */
#include "config.h"

#include "load-wire.h"
#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES = 8192, EVENTS = 256, RETRY_NS = 50000000 };

typedef enum {
    CLOSED,
    CONNECTING,
    BANNER,
    EHLO,
    STARTTLS,
    HANDSHAKE,
    AUTH,
    WAITING,
    ENVELOPE,
    DOT,
    QUIT
} State;

typedef struct Conn Conn;

struct Conn {
    LoadWire wire;
    State state;
    long number;   /* message under way, -1: none */
    long sent;     /* messages on this connection */
    unsigned owed; /* replies */
    bool refused;  /* part of the envelope was */
    bool rset;     /* owed before the next MAIL */
    bool wants_out, pipelines;
    size_t filled;
    char input[INPUT_BYTES];
    char *head; /* commands, or the message's header */
    size_t head_bytes;
    struct iovec out[2];
    struct iovec later; /* the rest of the envelope, where the server wants it line by line */
    Conn *next_idle;
    bool in_idle; /* it may stand there though it waits no more */
};

typedef struct {
    Load *load;
    int epoll;
    Conn *conns, *idle;
    SSL_CTX *tls;
    char auth[768];
    int64_t paced_ns; /* when the first paced message was due */
    char *body;       /* the same for all, with its dot */
    size_t body_bytes;
    long next; /* message */
    long open; /* messages without an end */
    int64_t moved_ns;
} Injector;

/* --- Turns ------------------------------------------------------------------------------------ */

/* When the next message is due; 0 when that is not known yet: bulk has to be accepted before. */
static int64_t
find_due (Injector *injector)
{
    const Load *load = injector->load;
    const long ended = load->accepted + load->refused + load->broken;

    if (injector->next < load->bulk)
        return 1;
    if (load->bulk > 0 && ended < load->bulk)
        return 0;
    if (load->rate == 0)
        return 1;
    if (injector->paced_ns == 0)
        injector->paced_ns = load_now_ns ();
    return injector->paced_ns +
           (int64_t)((double)(injector->next - load->bulk) * 1e9 / (double)load->rate);
}

static void
push_idle (Injector *injector, Conn *conn)
{
    if (conn->in_idle)
        return;
    conn->in_idle = true;
    conn->next_idle = injector->idle;
    injector->idle = conn;
}

static Conn *
pop_idle (Injector *injector)
{
    while (injector->idle != NULL) {
        Conn *conn = injector->idle;

        injector->idle = conn->next_idle;
        conn->in_idle = false;
        if (conn->state == WAITING)
            return conn;
    }
    return NULL;
}

/* --- Connections ------------------------------------------------------------------------------ */

static void
watch (Injector *injector, Conn *conn, int operation, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = conn};

    conn->wants_out = out;
    if (epoll_ctl (injector->epoll, operation, conn->wire.fd, &event) < 0)
        load_fail ("epoll_ctl");
}

static void
open_connection (Injector *injector, Conn *conn)
{
    const struct sockaddr_in *target = &injector->load->target;
    const int on = 1;

    conn->wire = (LoadWire){.fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (conn->wire.fd < 0)
        load_fail ("socket");
    setsockopt (conn->wire.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn->state = CONNECTING;
    conn->number = -1;
    conn->sent = 0;
    conn->filled = 0;
    conn->rset = conn->pipelines = false;
    memset (conn->out, 0, sizeof conn->out);
    watch (injector, conn, EPOLL_CTL_ADD, true);
    if (connect (conn->wire.fd, (const struct sockaddr *)target, sizeof *target) < 0 &&
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
    load_wire_close (&conn->wire);
    conn->state = CLOSED;
    conn->number = -1;
}

/* Writes what waits; false when the connection is lost. */
static bool
flush (Injector *injector, Conn *conn)
{
    while (conn->out[0].iov_len + conn->out[1].iov_len > 0) {
        ssize_t n = load_wire_write (&conn->wire, conn->out);

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

/* Hands the next line of the envelope to `out`. */
static void
next_line (Conn *conn)
{
    const char *lf = memchr (conn->later.iov_base, '\n', conn->later.iov_len);
    size_t size = lf != NULL ? (size_t)(lf + 1 - (char *)conn->later.iov_base) : 0;

    conn->out[0] = (struct iovec){conn->later.iov_base, size};
    conn->later.iov_base = (char *)conn->later.iov_base + size;
    conn->later.iov_len -= size;
}

static void
begin_message (Injector *injector, Conn *conn, int64_t due)
{
    Load *load = injector->load;

    conn->number = injector->next++;
    conn->sent++;
    conn->refused = false;
    conn->later = (struct iovec){conn->head, load_message_envelope (load, conn->number, conn->rset,
                                                                    conn->head, conn->head_bytes)};
    if (conn->pipelines)
        conn->out[0] = conn->later;
    else
        next_line (conn);
    conn->owed = (unsigned)load->recipients + 2 + conn->rset;
    conn->state = ENVELOPE;
    load->start_ns[conn->number] = due > 1 ? due : load_now_ns ();
    if (load->first_ns == 0)
        load->first_ns = load->start_ns[conn->number];
}

static void
next_message (Injector *injector, Conn *conn)
{
    const Load *load = injector->load;
    int64_t due;

    if (injector->next == load->messages ||
        (load->per_connection > 0 && conn->sent == load->per_connection)) {
        conn->state = QUIT;
        say (conn, "QUIT\r\n");
        return;
    }
    due = find_due (injector);
    if (due != 0 && due <= load_now_ns ()) {
        begin_message (injector, conn, due);
        return;
    }
    conn->state = WAITING;
    push_idle (injector, conn);
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
        conn->out[0] =
            (struct iovec){conn->head, load_message_header (injector->load, conn->number,
                                                            conn->head, conn->head_bytes)};
        conn->out[1] = (struct iovec){injector->body, injector->body_bytes};
        conn->owed = 1;
        conn->state = DOT;
    } else {
        end_message (injector, conn, false);
    }
}

/* EHLO's reply is here. */
static void
greeted (Injector *injector, Conn *conn)
{
    Load *load = injector->load;

    if (load->tls && conn->wire.ssl == NULL) {
        conn->state = STARTTLS;
        say (conn, "STARTTLS\r\n");
        return;
    }
    if (load->auth != NULL) {
        conn->state = AUTH;
        say (conn, injector->auth);
        return;
    }
    load->connects++;
    next_message (injector, conn);
}

static void
note_refusal (Load *load, State state, int code, const char *line)
{
    const char *what = state == STARTTLS ? "STARTTLS" : "AUTH";

    snprintf (load->last_refusal, sizeof load->last_refusal, "%.*s", (int)strcspn (line, "\r\n"),
              line);
    if ((state != STARTTLS && state != AUTH) || code / 100 != 5)
        return;
    fprintf (stderr, "relais-load: %s refused: %s\n", what, load->last_refusal);
    exit (1);
}

/* False when the connection is to be closed. */
static bool
take_reply (Injector *injector, Conn *conn, int code, const char *line)
{
    bool good = code / 100 == 2 || code == 354;

    if (!good) {
        conn->refused = true;
        note_refusal (injector->load, conn->state, code, line);
    }
    if (conn->owed == 0)
        return true;
    if (--conn->owed > 0) {
        if (conn->state == ENVELOPE && !conn->pipelines)
            next_line (conn);
        return true;
    }
    switch (conn->state) {
    case BANNER:
        conn->state = EHLO;
        say (conn, "EHLO load.test\r\n");
        break;
    case EHLO: greeted (injector, conn); break;
    case STARTTLS:
        load_wire_start_tls (&conn->wire, injector->tls);
        conn->state = HANDSHAKE;
        return good;
    case AUTH:
        injector->load->connects += good;
        if (good)
            next_message (injector, conn);
        return good;
    case ENVELOPE: end_envelope (injector, conn, code); break;
    case DOT: end_message (injector, conn, good && !conn->refused); break;
    case CLOSED:
    case CONNECTING:
    case HANDSHAKE:
    case WAITING:
    case QUIT: break;
    }
    return true;
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
    ssize_t n =
        load_wire_read (&conn->wire, conn->input + conn->filled, sizeof conn->input - conn->filled);
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
        if (conn->state == EHLO && lf - at >= 14 && memcmp (at + 4, "PIPELINING", 10) == 0)
            conn->pipelines = true;
        if (at[3] != '-' && !take_reply (injector, conn, code, at))
            return false;
        if (conn->state == QUIT && conn->owed == 0)
            return false;
        at = lf + 1;
    }
    conn->filled = (size_t)(end - at);
    memmove (conn->input, at, conn->filled);
    return conn->filled < sizeof conn->input;
}

static bool
connected (Conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt (conn->wire.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0)
        return false;
    conn->state = BANNER;
    conn->owed = 1;
    return true;
}

/* TLS moves on; EHLO follows when it stands. */
static bool
shake_hands (Injector *injector, Conn *conn)
{
    int result = load_wire_handshake (&conn->wire);

    if (result > 0) {
        injector->moved_ns = load_now_ns ();
        conn->state = EHLO;
        say (conn, "EHLO load.test\r\n");
    }
    return result >= 0;
}

static bool
serve (Injector *injector, Conn *conn, uint32_t events)
{
    if (conn->state == CONNECTING && !connected (conn))
        return false;
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && conn->state != HANDSHAKE)
        do {
            if (!take_input (injector, conn))
                return false;
        } while (load_wire_pending (&conn->wire));
    if (conn->state == HANDSHAKE && !shake_hands (injector, conn))
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
    injector->body = load_message_body (load, &injector->body_bytes);
    if (load->tls)
        injector->tls = load_wire_context ();
    if (load->auth != NULL)
        snprintf (injector->auth, sizeof injector->auth, "AUTH PLAIN %s\r\n", load->auth);
    for (long i = 0; i < load->connections; i++) {
        Conn *conn = &injector->conns[i];

        conn->head_bytes = load_message_room (load);
        conn->head = malloc (conn->head_bytes);
        if (conn->head == NULL)
            load_fail ("malloc");
    }
}

static void
finish (Injector *injector)
{
    for (long i = 0; i < injector->load->connections; i++) {
        Conn *conn = &injector->conns[i];

        if (conn->state != CLOSED) {
            injector->load->broken += conn->number >= 0;
            load_wire_close (&conn->wire);
        }
        free (conn->head);
    }
    free (injector->conns);
    free (injector->body);
    SSL_CTX_free (injector->tls);
    close (injector->epoll);
}

/* Begins what is due on connections that wait; how long until there is more to begin. */
static int64_t
begin_due (Injector *injector)
{
    const int64_t now = load_now_ns ();

    if (injector->paced_ns == 0 && injector->idle == NULL)
        return RETRY_NS; /* the clock does not run before a connection stands */
    while (injector->next < injector->load->messages) {
        int64_t due = find_due (injector);
        Conn *conn;

        if (due == 0)
            break;
        if (due > now)
            return due - now < RETRY_NS ? due - now : RETRY_NS;
        conn = pop_idle (injector);
        if (conn == NULL)
            break;
        begin_message (injector, conn, due);
        if (!flush (injector, conn))
            lose (injector, conn);
    }
    return RETRY_NS;
}

void
load_inject (Load *load)
{
    Injector injector = {.load = load};
    const int64_t patience = load->timeout_s * INT64_C (1000000000);
    struct epoll_event events[EVENTS];

    start (&injector);
    while (injector.open > 0 && load_now_ns () - injector.moved_ns < patience &&
           !atomic_load (&load->stop)) {
        struct timespec pause = {0};
        int n;

        reopen (&injector);
        pause.tv_nsec = begin_due (&injector);
        n = epoll_pwait2 (injector.epoll, events, EVENTS, &pause, NULL);
        for (int i = 0; i < n; i++) {
            Conn *conn = events[i].data.ptr;

            if (!serve (&injector, conn, events[i].events))
                lose (&injector, conn);
        }
    }
    finish (&injector);
}
