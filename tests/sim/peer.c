/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The providers' side: sessions with Relais, which is the client. What one read brought is answered in one write. A
 * reply that is kept back (latency, a stall) stops the session: nothing more is looked at before it is said.
 */
#include "config.h"

#include "internet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_BYTES = 16 * 1024, OUTPUT_BYTES = 8 * 1024, RECIPIENTS = 100 };

typedef struct {
    SimWatch watch; /* first */
    SimProvider *provider;
    int fd;
} Door;

typedef struct {
    SimWatch watch; /* first */
    SimProvider *provider;
    SimLane *lane;
    int fd;
    GSequenceIter *held; /* in sim->held, or NULL */
    gint64 held_until_us;
    gint64 messages;
    const char *refusal; /* of this transaction */
    bool in_mail, in_data, closing, greeted;
    guint n_recipients;
    gint64 recipients[RECIPIENTS];
    gsize filled, n_out;
    char input[INPUT_BYTES];
    char out[OUTPUT_BYTES];
} Peer;

/* --- Replies ---------------------------------------------------------------------------------- */

static void
say (Peer *peer, const char *text)
{
    const gsize size = strlen (text);

    if (size + 2 > sizeof peer->out - peer->n_out)
        return;
    memcpy (peer->out + peer->n_out, text, size);
    memcpy (peer->out + peer->n_out + size, "\r\n", 2);
    peer->n_out += size + 2;
}

/* 421 ends the session. */
static void
refuse (Peer *peer, const char *text)
{
    say (peer, text);
    if (strncmp (text, "421", 3) == 0)
        peer->closing = true;
}

static gint
compare_held (gconstpointer left, gconstpointer right, gpointer data)
{
    const Peer *a = left, *b = right;

    return a->held_until_us < b->held_until_us ? -1 : a->held_until_us > b->held_until_us;
}

static void
hold (Sim *sim, Peer *peer, gint64 until_us)
{
    peer->held_until_us = until_us;
    peer->held = g_sequence_insert_sorted (sim->held, peer, compare_held, NULL);
    sim->n_held++;
}

static void
let_go (Sim *sim, Peer *peer)
{
    if (peer->held == NULL)
        return;
    g_sequence_remove (peer->held);
    peer->held = NULL;
    sim->n_held--;
}

/* --- A message -------------------------------------------------------------------------------- */

static void
finish (Sim *sim, SimProvider *provider, gint64 number, bool delivered)
{
    guint8 *state = &provider->states[number];
    const bool was_done = *state >= SIM_REFUSED;

    if (delivered && *state == SIM_DELIVERED) {
        provider->duplicates++;
        return;
    }
    if (*state == SIM_REFUSED)
        provider->refused--;
    if (delivered)
        provider->delivered++;
    else
        provider->refused++;
    *state = delivered ? SIM_DELIVERED : SIM_REFUSED;
    if (!was_done)
        sim_message_done (sim, provider);
}

static void
take_message (Sim *sim, Peer *peer)
{
    SimProvider *provider = peer->provider;
    const gint64 at_us = sim_now_us (sim);

    for (guint i = 0; i < peer->n_recipients; i++) {
        finish (sim, provider, peer->recipients[i], true);
        sim_lane_count (sim, peer->lane, SIM_COUNT_ACCEPTED);
    }
    if (provider->first_us < 0)
        provider->first_us = at_us;
    provider->last_us = at_us;
    peer->in_mail = peer->in_data = false;
    peer->n_recipients = 0;
    say (peer, "250 2.0.0 taken");
    if (provider->latency_us > 0 && !sim->stopped && peer->held == NULL)
        hold (sim, peer, at_us + provider->latency_us);
}

/* --- Commands --------------------------------------------------------------------------------- */

/* The number in "RCPT TO:<r12@...", or -1. */
static gint64
read_number (const SimProvider *provider, const char *line, gsize size)
{
    const char *at = memchr (line, '<', size);
    gint64 number = 0;

    if (at == NULL || at[1] != 'r')
        return -1;
    for (at += 2; g_ascii_isdigit (*at) && number < provider->total; at++)
        number = number * 10 + (*at - '0');
    return *at == '@' && number < provider->total ? number : -1;
}

static void
note_refusal (Sim *sim, Peer *peer, const char *reply, gint64 number)
{
    sim_lane_count (sim, peer->lane, reply[0] == '5' ? SIM_COUNT_REFUSED : SIM_COUNT_DEFERRED);
    if (reply[0] == '5' && number >= 0)
        finish (sim, peer->provider, number, false);
}

/* What a recipient that is otherwise welcome is told, or NULL. */
static const char *
look_at_recipient (Sim *sim, Peer *peer, gint64 number)
{
    SimProvider *provider = peer->provider;
    const guint64 seed = (guint64)sim->scenario->seed + provider->index;
    const gint64 n_lanes = (gint64)sim->scenario->sources->len + 1;
    gint64 *first;

    if ((gint64)(sim_hash (seed, 1, (guint64)number, 0) % 1000000) < provider->unknown_ppm)
        return provider->on_unknown;
    if (provider->greylist_us > 0) {
        first = &provider->greylisted[number * n_lanes + (peer->lane - provider->lanes)];
        if (*first < 0)
            *first = sim_now_us (sim);
        if (sim_now_us (sim) - *first < provider->greylist_us)
            return provider->on_greylist;
    }
    if (provider->attempts[number] < G_MAXUINT8)
        provider->attempts[number]++;
    if ((gint64)(sim_hash (seed, 2, (guint64)number, provider->attempts[number]) % 1000000) <
        provider->defer_ppm)
        return provider->on_defer;
    return NULL;
}

static void
take_mail (Sim *sim, Peer *peer)
{
    const SimProvider *provider = peer->provider;

    peer->n_recipients = 0;
    peer->in_mail = true;
    peer->messages++;
    if (provider->per_connection > 0 && peer->messages > provider->per_connection) {
        sim_lane_violate (sim, peer->lane, SIM_VIOLATES_PER_CONNECTION);
        peer->refusal = "421 4.7.0 too many messages in this connection";
    } else {
        peer->refusal = sim_lane_take_message (sim, peer->lane);
    }
    if (peer->refusal == NULL || provider->limit_at != SIM_AT_MAIL)
        say (peer, "250 2.1.0 ok");
    else
        refuse (peer, peer->refusal);
}

static void
take_rcpt (Sim *sim, Peer *peer, const char *line, gsize size)
{
    SimProvider *provider = peer->provider;
    const gint64 number = read_number (provider, line, size);
    const char *reply = NULL;

    if (!peer->in_mail) {
        say (peer, "503 5.5.1 MAIL first");
        return;
    }
    if (peer->refusal != NULL && provider->limit_at != SIM_AT_DOT) {
        note_refusal (sim, peer, peer->refusal, number);
        if (provider->limit_at == SIM_AT_MAIL)
            say (peer, "503 5.5.1 MAIL first");
        else
            refuse (peer, peer->refusal);
        return;
    }
    if (number < 0 || peer->n_recipients == RECIPIENTS) {
        provider->foreign++;
        say (peer, "550 5.1.1 no such user");
        return;
    }
    if (provider->recipients > 0 && peer->n_recipients >= provider->recipients) {
        sim_lane_violate (sim, peer->lane, SIM_VIOLATES_RECIPIENTS);
        reply = "452 4.5.3 too many recipients";
    } else {
        reply = look_at_recipient (sim, peer, number);
    }
    if (reply != NULL) {
        note_refusal (sim, peer, reply, number);
        refuse (peer, reply);
        return;
    }
    peer->recipients[peer->n_recipients++] = number;
    say (peer, "250 2.1.5 ok");
}

static void
take_dot (Sim *sim, Peer *peer)
{
    if (peer->refusal == NULL) {
        take_message (sim, peer);
        return;
    }
    for (guint i = 0; i < peer->n_recipients; i++)
        note_refusal (sim, peer, peer->refusal, peer->recipients[i]);
    peer->in_mail = peer->in_data = false;
    refuse (peer, peer->refusal);
}

static bool
is_word (const char *line, gsize size, const char *word)
{
    return size >= 4 && strncasecmp (line, word, 4) == 0;
}

static void
take_command (Sim *sim, Peer *peer, const char *line, gsize size)
{
    if (is_word (line, size, "RCPT")) {
        take_rcpt (sim, peer, line, size);
    } else if (is_word (line, size, "MAIL")) {
        take_mail (sim, peer);
    } else if (is_word (line, size, "DATA")) {
        peer->in_data = peer->in_mail && peer->n_recipients > 0;
        say (peer, peer->in_data ? "354 go on" : "554 5.5.1 no recipients");
    } else if (is_word (line, size, "EHLO")) {
        say (peer, "250-mx.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-"
                   "ENHANCEDSTATUSCODES\r\n250 SIZE 0");
    } else if (is_word (line, size, "HELO") || is_word (line, size, "RSET") ||
               is_word (line, size, "NOOP")) {
        peer->in_mail = false;
        say (peer, "250 2.0.0 ok");
    } else if (is_word (line, size, "QUIT")) {
        say (peer, "221 2.0.0 bye");
        peer->closing = true;
    } else {
        say (peer, "502 5.5.1 what?");
    }
}

/* --- Sessions --------------------------------------------------------------------------------- */

static void
take_lines (Sim *sim, Peer *peer)
{
    const char *at = peer->input, *end = peer->input + peer->filled, *lf;

    while (!peer->closing && peer->held == NULL &&
           (lf = memchr (at, '\n', (gsize)(end - at))) != NULL) {
        const gsize size = (gsize)(lf + 1 - at);

        if (!peer->in_data)
            take_command (sim, peer, at, size);
        else if (size == 3 && at[0] == '.')
            take_dot (sim, peer);
        at = lf + 1;
    }
    peer->filled = (gsize)(end - at);
    memmove (peer->input, at, peer->filled);
    if (peer->filled == sizeof peer->input && peer->held == NULL)
        peer->filled = 0; /* no line of Relais' */
}

/* Says what there is; false when the session is over. */
static bool
answer (Peer *peer)
{
    const gsize size = peer->n_out;

    peer->n_out = 0;
    return (size == 0 || send (peer->fd, peer->out, size, MSG_NOSIGNAL) == (gssize)size) &&
           !peer->closing;
}

static void
end (Sim *sim, Peer *peer)
{
    let_go (sim, peer);
    close (peer->fd);
    peer->lane->open--;
    g_free (peer);
}

/* False when the session is over. */
static bool
proceed (Sim *sim, Peer *peer)
{
    gint64 until_us;

    take_lines (sim, peer);
    if (peer->held != NULL)
        return true;
    until_us = peer->n_out > 0 ? sim_provider_stalls_until (sim, peer->provider) : 0;
    if (until_us > 0 && !peer->closing) {
        hold (sim, peer, until_us);
        return true;
    }
    return answer (peer);
}

static void
on_peer (Sim *sim, SimWatch *watch, guint32 events)
{
    Peer *peer = (Peer *)(gpointer)watch;
    char rest[256];
    gssize n;

    if (peer->filled == sizeof peer->input) /* kept back for long: only its end is of interest */
        n = recv (peer->fd, rest, sizeof rest, 0);
    else
        n = recv (peer->fd, peer->input + peer->filled, sizeof peer->input - peer->filled, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        end (sim, peer);
        return;
    }
    if (peer->filled < sizeof peer->input)
        peer->filled += (gsize)n;
    if (peer->held == NULL && !proceed (sim, peer))
        end (sim, peer);
}

void
sim_peer_release (Sim *sim, gint64 until_us)
{
    for (;;) {
        GSequenceIter *first = g_sequence_get_begin_iter (sim->held);
        Peer *peer;

        if (g_sequence_iter_is_end (first))
            return;
        peer = g_sequence_get (first);
        if (peer->held_until_us > until_us)
            return;
        let_go (sim, peer);
        if (!answer (peer) || !proceed (sim, peer))
            end (sim, peer);
    }
}

gint64
sim_peer_due_us (const Sim *sim)
{
    GSequenceIter *first = g_sequence_get_begin_iter (sim->held);

    return g_sequence_iter_is_end (first) ? SIM_NEVER
                                          : ((const Peer *)g_sequence_get (first))->held_until_us;
}

static SimLane *
find_lane (const Sim *sim, SimProvider *provider, const struct sockaddr_in *from)
{
    const guint n = sim->scenario->sources->len;
    char text[INET_ADDRSTRLEN] = "";

    inet_ntop (AF_INET, &from->sin_addr, text, sizeof text);
    for (guint i = 0; i < n; i++)
        if (g_str_equal (((SimSource *)g_ptr_array_index (sim->scenario->sources, i))->address,
                         text))
            return &provider->lanes[i];
    return &provider->lanes[n];
}

static void
welcome (Sim *sim, SimProvider *provider, int fd, const struct sockaddr_in *from)
{
    Peer *peer = g_malloc (sizeof *peer);
    const char *refusal;

    memset (peer, 0, offsetof (Peer, recipients)); /* the buffers need no clearing */
    peer->watch.func = on_peer;
    peer->provider = provider;
    peer->fd = fd;
    peer->filled = peer->n_out = 0;
    peer->lane = find_lane (sim, provider, from);
    peer->lane->open++;
    sim_watch (sim, fd, &peer->watch, EPOLL_CTL_ADD, EPOLLIN);
    refusal = sim_lane_take_connection (sim, peer->lane);
    if (refusal != NULL) {
        say (peer, refusal);
        peer->closing = true;
    } else {
        say (peer, "220 mx.test");
    }
    if (!proceed (sim, peer))
        end (sim, peer);
}

static void
on_door (Sim *sim, SimWatch *watch, guint32 events)
{
    const Door *door = (Door *)(gpointer)watch;
    struct sockaddr_in from;

    for (;;) {
        socklen_t size = sizeof from;
        const int fd =
            accept4 (door->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        welcome (sim, door->provider, fd, &from);
    }
}

static void
listen_for (Sim *sim, SimProvider *provider)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons (sim->port)};
    const int on = 1;
    Door *door = g_new0 (Door, 1);

    door->watch.func = on_door;
    door->provider = provider;
    door->fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt (door->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (inet_pton (AF_INET, provider->address, &address.sin_addr) != 1 || door->fd < 0 ||
        bind (door->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen (door->fd, 4096) < 0)
        sim_fail ("cannot listen on %s port %u: %s", provider->address, sim->port,
                  g_strerror (errno));
    sim_watch (sim, door->fd, &door->watch, EPOLL_CTL_ADD, EPOLLIN);
}

static void
prepare (Sim *sim, SimProvider *provider)
{
    const guint n_sources = sim->scenario->sources->len, n_lanes = n_sources + 1;

    provider->lanes = g_new0 (SimLane, n_lanes);
    for (guint i = 0; i < n_lanes; i++)
        sim_lane_init (sim, &provider->lanes[i], provider,
                       i < n_sources ? g_ptr_array_index (sim->scenario->sources, i) : NULL);
    provider->states = g_new0 (guint8, (gsize)provider->total + 1);
    provider->attempts = g_new0 (guint8, (gsize)provider->total + 1);
    provider->first_us = provider->last_us = -1;
    if (provider->greylist_us == 0)
        return;
    provider->greylisted = g_new (gint64, (gsize)(provider->total + 1) * n_lanes);
    for (gint64 i = 0; i < (provider->total + 1) * n_lanes; i++)
        provider->greylisted[i] = -1;
}

void
sim_peer_listen (Sim *sim)
{
    sim->held = g_sequence_new (NULL);
    for (guint i = 0; i < sim->scenario->providers->len; i++) {
        prepare (sim, g_ptr_array_index (sim->scenario->providers, i));
        listen_for (sim, g_ptr_array_index (sim->scenario->providers, i));
    }
}
