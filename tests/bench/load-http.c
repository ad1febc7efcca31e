/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Requests: GETs by HTTP/1.1, as a mail program sends them that shows a picture, of paths that a file
 * lists, in turn. The wanted number of connections is kept, each with one request at a time; one that
 * the server closes is made again, and the request it carried is "broken". Main thread.
 *
 *   CLOSED -> CONNECTING -> WAITING <-> ASKING
 *
 * With a rate a request has a moment at which it is due, and its time runs from there, as with mail.
 * Connections that wait have their turns in order, so that all of them are used.
 */
#include "config.h"

#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    REQUEST_BYTES = 4096,
    PATH_BYTES = 3072,
    INPUT_BYTES = 16 * 1024,
    EVENTS = 256,
    RETRY_NS = 50000000
};

typedef enum { CLOSED, CONNECTING, WAITING, ASKING } State;

typedef struct Conn Conn;

struct Conn {
    int fd;
    State state;
    long number; /* of the request under way; -1: none */
    bool wants_out;
    size_t sent, size; /* of the request */
    char request[REQUEST_BYTES];
    bool in_body, good, close; /* of the answer */
    size_t left;               /* of its body */
    size_t filled;
    char input[INPUT_BYTES];
    Conn *next;   /* of those that wait */
    bool in_line; /* it may stand there though it waits no more */
};

typedef struct {
    Load *load;
    int epoll;
    Conn *conns;
    Conn *first, **end; /* those that wait */
    char **paths;
    long n_paths;
    long next; /* request */
    long open; /* requests without an end */
    int64_t paced_ns, moved_ns;
} Asker;

/* --- The paths -------------------------------------------------------------------------------- */

static void
read_paths (Asker *asker)
{
    FILE *file = fopen (asker->load->paths, "r");
    char line[PATH_BYTES];

    if (file == NULL)
        load_fail (asker->load->paths);
    while (fgets (line, sizeof line, file) != NULL) {
        line[strcspn (line, "\r\n")] = '\0';
        if (line[0] != '/')
            continue;
        asker->paths =
            reallocarray (asker->paths, (size_t)asker->n_paths + 1, sizeof *asker->paths);
        if (asker->paths == NULL || (asker->paths[asker->n_paths++] = strdup (line)) == NULL)
            load_fail ("malloc");
    }
    fclose (file);
    if (asker->n_paths > 0)
        return;
    errno = ENODATA;
    load_fail (asker->load->paths);
}

/* --- Turns ------------------------------------------------------------------------------------ */

static int64_t
find_due (Asker *asker)
{
    const Load *load = asker->load;

    if (load->rate == 0)
        return 1;
    if (asker->paced_ns == 0)
        asker->paced_ns = load_now_ns ();
    return asker->paced_ns + (int64_t)((double)asker->next * 1e9 / (double)load->rate);
}

static void
stand_in_line (Asker *asker, Conn *conn)
{
    conn->state = WAITING;
    if (conn->in_line)
        return;
    conn->in_line = true;
    conn->next = NULL;
    *asker->end = conn;
    asker->end = &conn->next;
}

static Conn *
next_in_line (Asker *asker)
{
    Conn *conn;

    while ((conn = asker->first) != NULL) {
        asker->first = conn->next;
        if (asker->first == NULL)
            asker->end = &asker->first;
        conn->in_line = false;
        if (conn->state == WAITING)
            return conn;
    }
    return NULL;
}

/* --- Connections ------------------------------------------------------------------------------ */

static void
watch (Asker *asker, Conn *conn, int operation, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = conn};

    conn->wants_out = out;
    if (epoll_ctl (asker->epoll, operation, conn->fd, &event) < 0)
        load_fail ("epoll_ctl");
}

static void
open_connection (Asker *asker, Conn *conn)
{
    const struct sockaddr_in *target = &asker->load->target;
    const int on = 1;

    conn->fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        load_fail ("socket");
    setsockopt (conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn->state = CONNECTING;
    conn->number = -1;
    conn->sent = conn->size = conn->filled = 0;
    conn->in_body = conn->close = false;
    watch (asker, conn, EPOLL_CTL_ADD, true);
    if (connect (conn->fd, (const struct sockaddr *)target, sizeof *target) < 0 &&
        errno != EINPROGRESS)
        return; /* epoll tells */
}

static void
lose (Asker *asker, Conn *conn)
{
    asker->load->failed_connects += conn->state == CONNECTING;
    if (conn->number >= 0) {
        asker->load->broken++;
        asker->open--;
    }
    close (conn->fd);
    conn->state = CLOSED;
    conn->number = -1;
}

/* Writes what waits; false when the connection is lost. */
static bool
flush (Asker *asker, Conn *conn)
{
    while (conn->sent < conn->size) {
        ssize_t n =
            send (conn->fd, conn->request + conn->sent, conn->size - conn->sent, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n < 0) {
            if (!conn->wants_out)
                watch (asker, conn, EPOLL_CTL_MOD, true);
            return true;
        }
        conn->sent += (size_t)n;
    }
    if (conn->wants_out)
        watch (asker, conn, EPOLL_CTL_MOD, false);
    return true;
}

/* --- A request -------------------------------------------------------------------------------- */

static void
begin_request (Asker *asker, Conn *conn, int64_t due)
{
    Load *load = asker->load;

    conn->number = asker->next++;
    conn->state = ASKING;
    conn->sent = 0;
    conn->size = (size_t)snprintf (
        conn->request, sizeof conn->request,
        "GET %s HTTP/1.1\r\nHost: %s\r\n"
        "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
        "(KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n"
        "Accept: image/avif,image/webp,image/apng,image/*,*/*;q=0.8\r\n"
        "Accept-Encoding: gzip, deflate\r\nAccept-Language: en-GB,en;q=0.9\r\n\r\n",
        asker->paths[conn->number % asker->n_paths], load->host);
    load->start_ns[conn->number] = due > 1 ? due : load_now_ns ();
    if (load->first_ns == 0)
        load->first_ns = load->start_ns[conn->number];
}

/* False when the connection is to be closed. */
static bool
end_request (Asker *asker, Conn *conn)
{
    Load *load = asker->load;

    if (conn->good) {
        load->accept_ns[conn->number] = load->last_accept_ns = load_now_ns ();
        load->accepted++;
    } else {
        load->refused++;
    }
    conn->number = -1;
    conn->in_body = false;
    asker->open--;
    if (conn->close)
        return false;
    stand_in_line (asker, conn);
    return true;
}

/* A line of the answer's head; false for one that we do not understand. */
static bool
take_field (Conn *conn, const char *line, bool *measured)
{
    static const char length[] = "content-length:", connection[] = "connection: close";

    if (strncasecmp (line, length, sizeof length - 1) == 0) {
        char *end;
        long size = strtol (line + sizeof length - 1, &end, 10);

        conn->left = (size_t)size;
        *measured = true;
        return size >= 0 && *end == '\r';
    }
    if (strncasecmp (line, connection, sizeof connection - 1) == 0)
        conn->close = true;
    return true;
}

/* `head` ends with its empty line; false when the connection cannot go on. */
static bool
take_head (Asker *asker, Conn *conn, char *head)
{
    const bool version = strncmp (head, "HTTP/1.1 ", 9) == 0;
    const long status = version ? strtol (head + 9, NULL, 10) : 0;
    bool measured = status == 204 || status == 304;
    char *line = head, *lf;

    if (conn->number < 0 || status < 200)
        return false;
    conn->good = status < 400;
    conn->left = 0;
    if (!conn->good)
        snprintf (asker->load->last_refusal, sizeof asker->load->last_refusal, "%.*s",
                  (int)strcspn (head, "\r\n"), head);
    while ((lf = strchr (line, '\n')) != NULL && lf[1] != '\0') {
        line = lf + 1;
        if (!take_field (conn, line, &measured))
            return false;
    }
    conn->in_body = true;
    return measured;
}

/* Takes a part of what is there; false when nothing more can be taken now. */
static bool
take_part (Asker *asker, Conn *conn, char **at, char *end, bool *over)
{
    const size_t there = (size_t)(end - *at);
    char *empty = NULL;
    size_t taken;

    if (!conn->in_body) {
        char after;

        empty = memmem (*at, there, "\r\n\r\n", 4);
        if (empty == NULL)
            return false;
        after = empty[4];
        empty[4] = '\0';
        *over = !take_head (asker, conn, *at);
        empty[4] = after;
        *at = empty + 4;
        if (*over)
            return false;
    }
    taken = conn->left < (size_t)(end - *at) ? conn->left : (size_t)(end - *at);
    *at += taken;
    conn->left -= taken;
    if (conn->left > 0)
        return false;
    *over = !end_request (asker, conn);
    return !*over && *at < end;
}

/* False when the connection is to be closed. */
static bool
take_input (Asker *asker, Conn *conn)
{
    /* One octet is left for the end of a string. */
    ssize_t n =
        recv (conn->fd, conn->input + conn->filled, sizeof conn->input - 1 - conn->filled, 0);
    char *at = conn->input, *end;
    bool over = false;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    asker->moved_ns = load_now_ns ();
    end = at + conn->filled + n;
    while (take_part (asker, conn, &at, end, &over))
        continue;
    conn->filled = (size_t)(end - at);
    memmove (conn->input, at, conn->filled);
    return !over && conn->filled < sizeof conn->input - 1;
}

static bool
connected (Asker *asker, Conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt (conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0)
        return false;
    asker->load->connects++;
    asker->moved_ns = load_now_ns ();
    stand_in_line (asker, conn);
    return true;
}

static bool
serve (Asker *asker, Conn *conn, uint32_t events)
{
    if (conn->state == CONNECTING && !connected (asker, conn))
        return false;
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && !take_input (asker, conn))
        return false;
    return flush (asker, conn);
}

/* --- The run ---------------------------------------------------------------------------------- */

/* Opens what is closed, if there is something left to ask for. */
static void
reopen (Asker *asker)
{
    for (long i = 0; i < asker->load->connections; i++)
        if (asker->conns[i].state == CLOSED && asker->next < asker->load->messages)
            open_connection (asker, &asker->conns[i]);
}

/* Begins what is due on connections that wait; how long until there is more to begin. */
static int64_t
begin_due (Asker *asker)
{
    const int64_t now = load_now_ns ();

    if (asker->paced_ns == 0 && asker->first == NULL)
        return RETRY_NS; /* the clock does not run before a connection stands */
    while (asker->next < asker->load->messages) {
        int64_t due = find_due (asker);
        Conn *conn;

        if (due > now)
            return due - now < RETRY_NS ? due - now : RETRY_NS;
        conn = next_in_line (asker);
        if (conn == NULL)
            break;
        begin_request (asker, conn, due);
        if (!flush (asker, conn))
            lose (asker, conn);
    }
    return RETRY_NS;
}

static void
start (Asker *asker)
{
    asker->end = &asker->first;
    asker->open = asker->load->messages;
    asker->moved_ns = load_now_ns ();
    asker->epoll = epoll_create1 (EPOLL_CLOEXEC);
    asker->conns = calloc ((size_t)asker->load->connections, sizeof *asker->conns);
    if (asker->epoll < 0 || asker->conns == NULL)
        load_fail ("cannot begin");
    read_paths (asker);
}

/* Who is told to stop breaks nothing: what was under way then counts as never asked. */
static void
finish (Asker *asker)
{
    for (long i = 0; i < asker->load->connections; i++) {
        const Conn *conn = &asker->conns[i];

        if (conn->state == CLOSED)
            continue;
        asker->load->broken += conn->number >= 0 && !atomic_load (&asker->load->stop);
        close (conn->fd);
    }
    for (long i = 0; i < asker->n_paths; i++)
        free (asker->paths[i]);
    free (asker->paths);
    free (asker->conns);
    close (asker->epoll);
}

void
load_http (Load *load)
{
    Asker asker = {.load = load};
    const int64_t patience = load->timeout_s * INT64_C (1000000000);
    struct epoll_event events[EVENTS];

    start (&asker);
    while (asker.open > 0 && load_now_ns () - asker.moved_ns < patience &&
           !atomic_load (&load->stop)) {
        struct timespec pause = {0};
        int n;

        reopen (&asker);
        pause.tv_nsec = begin_due (&asker);
        n = epoll_pwait2 (asker.epoll, events, EVENTS, &pause, NULL);
        for (int i = 0; i < n; i++) {
            Conn *conn = events[i].data.ptr;

            if (!serve (&asker, conn, events[i].events))
                lose (&asker, conn);
        }
    }
    finish (&asker);
}
