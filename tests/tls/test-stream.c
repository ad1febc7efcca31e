/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/tls, streams in clear: input at every split, back-pressure, marks, the peer's end in all its
 * forms, callbacks that free, connects that fail, the lingering end.
 */
#include "config.h"

#include "tls/stream-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    RelaisLoop *loop;
    RelaisStream *stream;
    RelaisStream *other; /* freed by `free_other` */
    GString *got;
    int inputs, drained, ready, closed;
    bool ready_failed, closed_failed;
    bool keep;       /* leave the input unconsumed */
    bool echo;       /* write what is read */
    bool free_other; /* in the first callback, whichever it is */
} End;

static void
maybe_free (End *end)
{
    if (end->free_other)
        g_clear_pointer (&end->other, relais_stream_free);
}

static void
on_input (RelaisStream *stream, gpointer data)
{
    End *end = data;
    gsize size;
    const guint8 *bytes = relais_stream_peek (stream, &size);

    end->inputs++;
    if (end->keep)
        return;
    g_string_append_len (end->got, (const char *)bytes, (gssize)size);
    if (end->echo && !relais_stream_write (stream, bytes, size))
        relais_stream_pause (stream, true);
    relais_stream_consume (stream, size);
    maybe_free (end);
}

static void
on_drained (RelaisStream *stream, gpointer data)
{
    End *end = data;

    end->drained++;
    relais_stream_pause (stream, false);
    maybe_free (end);
}

static void
on_ready (RelaisStream *stream, const GError *error, gpointer data)
{
    End *end = data;

    end->ready++;
    end->ready_failed = error != NULL;
    maybe_free (end);
}

static void
on_closed (RelaisStream *stream, const GError *error, gpointer data)
{
    End *end = data;

    end->closed++;
    end->closed_failed = error != NULL;
    maybe_free (end);
}

static const RelaisStreamCallbacks callbacks = {on_input, on_drained, on_ready, on_closed};

static void
end_clear (End *end)
{
    g_clear_pointer (&end->stream, relais_stream_free);
    if (end->got != NULL)
        g_string_free (end->got, TRUE);
    end->got = NULL;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (End, end_clear)

static void
open_pair (RelaisLoop *loop, End *end, int *peer)
{
    int fds[2];

    g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    end->loop = loop;
    end->got = g_string_new (NULL);
    end->stream = relais_stream_new (loop, fds[0], &callbacks, end, NULL);
    g_assert_nonnull (end->stream);
    *peer = fds[1];
}

static void
run_turns (RelaisLoop *loop)
{
    while (relais_loop_turn (loop, false))
        continue;
}

static void
run_until (RelaisLoop *loop, const int *counter, int wanted)
{
    gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

    while (*counter < wanted && g_get_monotonic_time () < end)
        relais_loop_turn (loop, true);
    g_assert_cmpint (*counter, ==, wanted);
}

/* A turn comes at least every millisecond, so that a loop may wait for something outside it. */
static void
tick (gpointer data)
{
    relais_timer_set (data, 1000);
}

/* --- Input -------------------------------------------------------------------------------------- */

static void
test_every_split (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    static const char text[] = "MAIL FROM:<a@b>\r\nRCPT";
    const gsize size = sizeof text - 1;

    for (gsize split = 0; split <= size; split++) {
        g_auto (End) end = {.keep = true};
        int peer;
        gsize waiting;

        open_pair (loop, &end, &peer);
        g_assert_cmpint (write (peer, text, split), ==, split);
        run_turns (loop);
        relais_stream_peek (end.stream, &waiting);
        g_assert_cmpuint (waiting, ==, split);
        g_assert_cmpint (write (peer, text + split, size - split), ==, size - split);
        run_turns (loop);
        g_assert_cmpmem (relais_stream_peek (end.stream, &waiting), size, text, size);
        g_assert_cmpuint (waiting, ==, size);
        relais_stream_consume (end.stream, 5);
        g_assert_cmpmem (relais_stream_peek (end.stream, &waiting), size - 5, text + 5, size - 5);
        g_assert_cmpint (end.closed, ==, 0);
        close (peer);
        run_turns (loop);
        g_assert_cmpint (end.closed, ==, 1);
        g_assert_false (end.closed_failed);
        g_assert_cmpuint (relais_stream_discard_input (end.stream), ==, size - 5);
    }
}

static void
test_pause (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {0};
    gsize waiting;
    int peer;

    open_pair (loop, &end, &peer);
    relais_stream_pause (end.stream, true);
    g_assert_cmpint (write (peer, "one", 3), ==, 3);
    run_turns (loop);
    g_assert_cmpint (end.inputs, ==, 0);
    relais_stream_pause (end.stream, false);
    g_assert_cmpint (end.inputs, ==, 0);
    run_turns (loop);
    g_assert_cmpstr (end.got->str, ==, "one");

    /* What was left before the pause is told again on resume, though nothing new comes. */
    end.keep = true;
    g_assert_cmpint (write (peer, "two", 3), ==, 3);
    run_turns (loop);
    relais_stream_pause (end.stream, true);
    run_turns (loop);
    g_assert_cmpint (end.inputs, ==, 2);
    relais_stream_peek (end.stream, &waiting);
    g_assert_cmpuint (waiting, ==, 3);
    end.keep = false;
    relais_stream_pause (end.stream, false);
    run_turns (loop);
    g_assert_cmpint (end.inputs, ==, 3);
    g_assert_cmpstr (end.got->str, ==, "onetwo");

    /* The peer's end is not told while paused, and turns do not spin on it. */
    relais_stream_pause (end.stream, true);
    g_assert_cmpint (write (peer, "three", 5), ==, 5);
    close (peer);
    run_turns (loop);
    g_assert_false (relais_loop_turn (loop, false));
    g_assert_cmpint (end.closed, ==, 0);
    relais_stream_pause (end.stream, false);
    run_turns (loop);
    g_assert_cmpstr (end.got->str, ==, "onetwothree");
    g_assert_cmpint (end.closed, ==, 1);
    g_assert_false (end.closed_failed);
}

/* Who consumes nothing is sent no more than the high mark and one read. */
static void
test_unread_input_is_bounded (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {.keep = true};
    g_autofree char *block = g_malloc0 (65536);
    gsize waiting, sent = 0;
    int peer;

    open_pair (loop, &end, &peer);
    for (int i = 0; i < 100; i++) {
        gssize n = send (peer, block, 65536, MSG_DONTWAIT);

        sent += n > 0 ? (gsize)n : 0;
        run_turns (loop);
    }
    relais_stream_peek (end.stream, &waiting);
    g_assert_cmpuint (waiting, >=, RELAIS_STREAM_HIGH_BYTES);
    g_assert_cmpuint (waiting, <, RELAIS_STREAM_HIGH_BYTES + 65536);
    g_assert_cmpuint (sent, >, waiting);
    end.keep = false;
    relais_stream_discard_input (end.stream);
    end.got->len = 0;
    run_turns (loop);
    g_assert_cmpuint (end.got->len + waiting, ==, sent);
    close (peer);
}

/* --- Output ------------------------------------------------------------------------------------- */

static void
test_one_write_a_turn (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {.got = NULL};
    int fds[2];
    char buffer[64];

    g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), ==, 0);
    end.got = g_string_new (NULL);
    end.stream = relais_stream_new (loop, fds[0], &callbacks, &end, NULL);
    g_assert_true (relais_stream_write (end.stream, "250-one\r\n", 9));
    g_assert_true (relais_stream_printf (end.stream, "250 %s\r\n", "two"));
    g_assert_cmpuint (relais_stream_unwritten (end.stream), ==, 18);
    run_turns (loop);
    g_assert_cmpuint (relais_stream_unwritten (end.stream), ==, 0);
    g_assert_cmpint (recv (fds[1], buffer, sizeof buffer, MSG_DONTWAIT), ==, 18);
    g_assert_cmpuint (relais_stream_bytes_out (end.stream), ==, 18);
    close (fds[1]);
}

static void
write_late (gpointer data)
{
    relais_stream_write (((End *)data)->stream, "late", 4);
}

/* What another turn function writes, after ours has run, goes out though nothing else happens. */
static void
test_written_by_turn_function (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {0};
    char buffer[64];
    guint handle;
    int peer;

    open_pair (loop, &end, &peer);
    handle = relais_loop_add_turn_func (loop, write_late, &end);
    g_assert_cmpint (write (peer, "x", 1), ==, 1);
    relais_loop_turn (loop, true);
    relais_loop_remove_turn_func (loop, handle);
    relais_loop_turn (loop, true);
    g_assert_cmpint (recv (peer, buffer, sizeof buffer, MSG_DONTWAIT), ==, 4);
    close (peer);
}

static void
test_marks (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {0};
    g_autofree char *block = g_malloc0 (RELAIS_STREAM_HIGH_BYTES);
    const gsize total = 8 * RELAIS_STREAM_HIGH_BYTES;
    gsize read_back = 0;
    int peer;

    open_pair (loop, &end, &peer);
    g_assert_true (relais_stream_write (end.stream, block, RELAIS_STREAM_HIGH_BYTES - 1));
    g_assert_false (relais_stream_write (end.stream, block, 1));
    for (int i = 0; i < 7; i++)
        g_assert_false (relais_stream_write (end.stream, block, RELAIS_STREAM_HIGH_BYTES));
    run_turns (loop);
    g_assert_cmpint (end.drained, ==, 0);
    while (read_back < total) {
        gssize n = recv (peer, block, RELAIS_STREAM_HIGH_BYTES, MSG_DONTWAIT);

        read_back += n > 0 ? (gsize)n : 0;
        run_turns (loop);
        g_assert_true (end.drained == 0 ||
                       relais_stream_unwritten (end.stream) < RELAIS_STREAM_LOW_BYTES);
    }
    g_assert_cmpint (end.drained, ==, 1);
    g_assert_true (relais_stream_write (end.stream, "x", 1));
    close (peer);
}

/* A large piece goes out at once behind what waits, in order, but no more than the high mark in a turn. */
static void
test_large_piece_goes_at_once (void)
{
    enum { PIECE = 32 * 1024 };
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {0};
    g_autofree guint8 *piece = g_malloc (PIECE), *got = g_malloc (2 * RELAIS_STREAM_HIGH_BYTES);
    gsize pieces = 0;
    bool below = true;
    int peer;

    open_pair (loop, &end, &peer);
    memset (piece, 'p', PIECE);
    g_assert_true (relais_stream_write (end.stream, "front", 5));
    g_assert_cmpint (recv (peer, got, 16, MSG_DONTWAIT), <, 0);
    g_assert_true (relais_stream_write (end.stream, piece, PIECE));
    g_assert_cmpuint (relais_stream_unwritten (end.stream), ==, 0);
    g_assert_cmpint (recv (peer, got, 5 + PIECE, MSG_WAITALL), ==, 5 + PIECE);
    g_assert_cmpint (memcmp (got, "frontppp", 8), ==, 0);
    for (pieces = 1; below; pieces++) {
        below = relais_stream_write (end.stream, piece, PIECE);
        (void)!recv (peer, got, 2 * RELAIS_STREAM_HIGH_BYTES, MSG_DONTWAIT);
    }
    g_assert_cmpuint (pieces, ==, RELAIS_STREAM_HIGH_BYTES / PIECE);
    g_assert_cmpint (end.drained, ==, 0);
    run_turns (loop);
    g_assert_cmpint (end.drained, ==, 1);
    g_assert_true (relais_stream_write (end.stream, piece, PIECE));
    close (peer);
}

/* --- The end ------------------------------------------------------------------------------------ */

static int
listen_on (int family, struct sockaddr_storage *address, socklen_t *size)
{
    int fd = socket (family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    if (family == AF_INET)
        ((struct sockaddr_in *)address)->sin_addr.s_addr = g_htonl (INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
    *size = family == AF_INET ? sizeof (struct sockaddr_in) : sizeof (struct sockaddr_in6);
    if (fd >= 0 && (bind (fd, (struct sockaddr *)address, *size) < 0 || listen (fd, 8) < 0)) {
        close (fd);
        return -1;
    }
    if (fd >= 0)
        g_assert_cmpint (getsockname (fd, (struct sockaddr *)address, size), ==, 0);
    return fd;
}

/* Two streams over loopback TCP: `client` connected, `server` accepted. */
static void
open_tcp (RelaisLoop *loop, End *server, End *client)
{
    struct sockaddr_storage address;
    socklen_t size;
    int listener = listen_on (AF_INET, &address, &size);

    g_assert_cmpint (listener, >=, 0);
    client->loop = server->loop = loop;
    client->got = g_string_new (NULL);
    server->got = g_string_new (NULL);
    client->stream = relais_stream_connect (loop, (struct sockaddr *)&address, size, NULL, 0,
                                            &callbacks, client, NULL);
    g_assert_nonnull (client->stream);
    g_assert_cmpint (client->ready, ==, 0);
    run_until (loop, &client->ready, 1);
    g_assert_false (client->ready_failed);
    server->stream =
        relais_stream_new (loop, accept (listener, NULL, NULL), &callbacks, server, NULL);
    g_assert_nonnull (server->stream);
    close (listener);
}

static void
test_reset_by_peer (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);

    for (int paused = 0; paused < 2; paused++) {
        g_auto (End) server = {.got = g_string_new (NULL)};
        const struct linger now = {1, 0};
        struct sockaddr_storage address;
        socklen_t size;
        int listener = listen_on (AF_INET, &address, &size);
        int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_assert_cmpint (connect (fd, (struct sockaddr *)&address, size), ==, 0);
        server.stream =
            relais_stream_new (loop, accept (listener, NULL, NULL), &callbacks, &server, NULL);
        if (paused)
            relais_stream_pause (server.stream, true);
        setsockopt (fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close (fd);
        close (listener);
        run_turns (loop);
        g_assert_false (relais_loop_turn (loop, false));
        if (paused) {
            g_assert_cmpint (server.closed, ==, 0);
            relais_stream_pause (server.stream, false);
        }
        run_until (loop, &server.closed, 1);
        g_assert_true (server.closed_failed);
        relais_stream_write (server.stream, "x", 1);
        run_turns (loop);
        g_assert_cmpint (server.closed, ==, 1);
    }
}

static void
test_half_close (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {0};
    char buffer[64] = "";
    int peer;

    open_pair (loop, &end, &peer);
    g_assert_cmpint (write (peer, "QUIT\r\n", 6), ==, 6);
    shutdown (peer, SHUT_WR);
    run_turns (loop);
    g_assert_cmpstr (end.got->str, ==, "QUIT\r\n");
    g_assert_cmpint (end.closed, ==, 1);
    relais_stream_write (end.stream, "221 bye\r\n", 9);
    run_turns (loop);
    g_assert_cmpint (recv (peer, buffer, sizeof buffer, MSG_DONTWAIT), ==, 9);
    close (peer);
    run_turns (loop);
    g_assert_false (relais_loop_turn (loop, false));
    g_assert_cmpint (end.closed, ==, 1);
}

static void
test_finish (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {0};
    g_autofree char *block = g_malloc0 (1 << 20);
    gsize total = 0;
    gssize n = -1;
    int peer;

    /* All output arrives, though the peer reads slowly and sends what nobody wants. */
    open_pair (loop, &end, &peer);
    relais_stream_write (end.stream, block, 1 << 20);
    relais_stream_finish (g_steal_pointer (&end.stream), 10 * G_USEC_PER_SEC);
    while (n != 0) {
        run_turns (loop);
        n = recv (peer, block, 50000, MSG_DONTWAIT);
        total += n > 0 ? (gsize)n : 0;
        if (n > 0)
            g_assert_cmpint (send (peer, "unwanted", 8, MSG_NOSIGNAL), ==, 8);
    }
    g_assert_cmpuint (total, ==, 1 << 20);
    close (peer);
    run_turns (loop);
    g_assert_cmpint (end.inputs + end.closed + end.drained, ==, 0);
}

static void
test_finish_is_bounded (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    char buffer[64];

    for (int i = 0; i < 2; i++) {
        g_auto (End) end = {0};
        RelaisTimer timer;
        gssize n = -1;
        int peer;

        open_pair (loop, &end, &peer);
        relais_stream_write (end.stream, "bye", 3);
        relais_stream_finish (g_steal_pointer (&end.stream), i == 0 ? 20000 : G_USEC_PER_SEC * 100);
        run_turns (loop);
        g_assert_cmpint (recv (peer, buffer, sizeof buffer, MSG_DONTWAIT), ==, 3);
        if (i == 1)
            relais_streams_cut_lingering (loop);
        /* Our end is open for writing only until the stream is gone. */
        relais_timer_init (&timer, loop, tick, &timer);
        tick (&timer);
        for (gint64 end_us = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;
             (n = send (peer, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT)) >= 0;) {
            g_assert_cmpint (g_get_monotonic_time (), <, end_us);
            relais_loop_turn (loop, true);
        }
        g_assert_cmpint (errno, ==, EPIPE);
        relais_timer_stop (&timer);
        close (peer);
    }
}

/* The peer says why and goes while we are writing: its words are read before the end is told. */
static void
test_last_words_before_failed_write (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {0};
    int peer;

    open_pair (loop, &end, &peer);
    g_assert_cmpint (write (peer, "552 too big\r\n", 13), ==, 13);
    close (peer);
    relais_stream_write (end.stream, "body", 4);
    run_turns (loop);
    g_assert_cmpstr (end.got->str, ==, "552 too big\r\n");
    g_assert_cmpint (end.closed, ==, 1);
}

/* --- Callbacks that free ------------------------------------------------------------------------ */

enum { IN_INPUT, IN_CLOSED };

/* `self` or the other stream that has an event, or output, in the same turn. */
static void
free_in (int place, bool self)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) first = {.free_other = true};
    g_auto (End) second = {.free_other = true};
    End *ends[] = {&first, &second};
    int peers[2];

    for (int i = 0; i < 2; i++) {
        open_pair (loop, ends[i], &peers[i]);
        if (place == IN_INPUT)
            g_assert_cmpint (write (peers[i], "x", 1), ==, 1);
        else
            close (peers[i]);
    }
    for (int i = 0; i < 2; i++)
        ends[i]->other = ends[self ? i : 1 - i]->stream;
    relais_loop_turn (loop, true);
    run_turns (loop);
    for (int i = 0; i < 2; i++) {
        if (ends[i]->other == NULL)
            ends[self ? i : 1 - i]->stream = NULL;
        if (place == IN_INPUT)
            close (peers[i]);
    }
    g_assert_true (self ? first.stream == NULL && second.stream == NULL
                        : (first.stream == NULL) != (second.stream == NULL));
}

static void
test_free_in_callbacks (void)
{
    for (int place = IN_INPUT; place <= IN_CLOSED; place++) {
        free_in (place, true);
        free_in (place, false);
    }
}

static void
test_free_in_drained (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {0};
    g_autofree char *block = g_malloc0 (2 * RELAIS_STREAM_HIGH_BYTES);
    int peer;

    open_pair (loop, &end, &peer);
    end.free_other = true;
    end.other = end.stream;
    relais_stream_write (end.stream, block, 2 * RELAIS_STREAM_HIGH_BYTES);
    for (int i = 0; i < 1000 && end.drained == 0; i++) {
        run_turns (loop);
        (void)!recv (peer, block, RELAIS_STREAM_HIGH_BYTES, MSG_DONTWAIT);
    }
    g_assert_cmpint (end.drained, ==, 1);
    g_assert_null (end.other);
    end.stream = NULL;
    close (peer);
}

/* --- Connecting --------------------------------------------------------------------------------- */

static void
test_connect_to_closed_port (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    struct sockaddr_storage address;
    socklen_t size;

    for (int freeing = 0; freeing < 2; freeing++) {
        g_auto (End) end = {.got = g_string_new (NULL), .free_other = freeing == 1};

        close (listen_on (AF_INET, &address, &size));
        end.stream = relais_stream_connect (loop, (struct sockaddr *)&address, size, NULL, 0,
                                            &callbacks, &end, NULL);
        g_assert_nonnull (end.stream);
        end.other = end.stream;
        g_assert_cmpint (end.ready, ==, 0);
        run_until (loop, &end.ready, 1);
        g_assert_true (end.ready_failed);
        if (freeing)
            end.stream = NULL;
        else
            relais_stream_write (end.stream, "x", 1);
        run_turns (loop);
        g_assert_cmpint (end.closed, ==, 0);
        g_assert_cmpint (end.ready, ==, 1);
    }
}

static void
test_connect_from_local_address (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_autoptr (GError) error = NULL;
    g_auto (End) end = {.got = g_string_new (NULL)};
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = g_htonl (0x7f000002)};
    const struct sockaddr_in foreign = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = g_htonl (0xc0000201)};
    struct sockaddr_storage address;
    socklen_t size;
    int listener = listen_on (AF_INET, &address, &size);
    g_auto (End) server = {.got = g_string_new (NULL)};

    end.stream =
        relais_stream_connect (loop, (struct sockaddr *)&address, size, (struct sockaddr *)&local,
                               sizeof local, &callbacks, &end, NULL);
    run_until (loop, &end.ready, 1);
    server.stream =
        relais_stream_new (loop, accept (listener, NULL, NULL), &callbacks, &server, NULL);
    g_assert_cmpstr (relais_stream_peer_address (server.stream), ==, "127.0.0.2");
    g_assert_cmpstr (relais_stream_local_address (server.stream), ==, "127.0.0.1");
    g_assert_cmpstr (relais_stream_local_address (end.stream), ==, "127.0.0.2");
    g_assert_cmpuint (relais_stream_peer_port (end.stream), ==,
                      g_ntohs (((struct sockaddr_in *)&address)->sin_port));
    g_assert_null (relais_stream_connect (loop, (struct sockaddr *)&address, size,
                                          (const struct sockaddr *)&foreign, sizeof foreign,
                                          &callbacks, &end, &error));
    g_assert_nonnull (error);
    close (listener);
}

static void
test_connect_ipv6 (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) end = {.got = g_string_new (NULL)};
    struct sockaddr_storage address;
    socklen_t size;
    int listener = listen_on (AF_INET6, &address, &size);

    if (listener < 0) {
        g_test_skip ("no IPv6 on this machine");
        return;
    }
    end.stream = relais_stream_connect (loop, (struct sockaddr *)&address, size, NULL, 0,
                                        &callbacks, &end, NULL);
    run_until (loop, &end.ready, 1);
    g_assert_false (end.ready_failed);
    g_assert_cmpstr (relais_stream_peer_address (end.stream), ==, "::1");
    close (listener);
}

/* --- Much, in clear ----------------------------------------------------------------------------- */

static void
test_echo (void)
{
    g_autoptr (RelaisLoop) loop = relais_loop_new (NULL, NULL);
    g_auto (End) server = {.echo = true};
    g_auto (End) client = {0};
    const gsize size = 1 << 20;
    g_autofree char *block = g_malloc (size);

    open_tcp (loop, &server, &client);
    for (gsize i = 0; i < size; i++)
        block[i] = (char)(guint8)((i * 2654435761u >> 11) & 0x7f);
    relais_stream_write (client.stream, block, size);
    while (client.got->len < size)
        relais_loop_turn (loop, true);
    g_assert_cmpuint (client.got->len, ==, size);
    g_assert_cmpint (memcmp (client.got->str, block, size), ==, 0);
    g_assert_cmpuint (relais_stream_bytes_in (client.stream), ==, size);
    g_assert_cmpuint (relais_stream_bytes_out (server.stream), ==, size);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/tls/stream/every-split", test_every_split);
    g_test_add_func ("/tls/stream/pause", test_pause);
    g_test_add_func ("/tls/stream/unread-input-is-bounded", test_unread_input_is_bounded);
    g_test_add_func ("/tls/stream/one-write-a-turn", test_one_write_a_turn);
    g_test_add_func ("/tls/stream/written-by-turn-function", test_written_by_turn_function);
    g_test_add_func ("/tls/stream/marks", test_marks);
    g_test_add_func ("/tls/stream/large-piece", test_large_piece_goes_at_once);
    g_test_add_func ("/tls/stream/reset-by-peer", test_reset_by_peer);
    g_test_add_func ("/tls/stream/half-close", test_half_close);
    g_test_add_func ("/tls/stream/finish", test_finish);
    g_test_add_func ("/tls/stream/finish-is-bounded", test_finish_is_bounded);
    g_test_add_func ("/tls/stream/last-words", test_last_words_before_failed_write);
    g_test_add_func ("/tls/stream/free-in-callbacks", test_free_in_callbacks);
    g_test_add_func ("/tls/stream/free-in-drained", test_free_in_drained);
    g_test_add_func ("/tls/stream/connect/closed-port", test_connect_to_closed_port);
    g_test_add_func ("/tls/stream/connect/local-address", test_connect_from_local_address);
    g_test_add_func ("/tls/stream/connect/ipv6", test_connect_ipv6);
    g_test_add_func ("/tls/stream/echo", test_echo);
    return g_test_run ();
}
