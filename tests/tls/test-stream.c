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

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/tls/stream/every-split", test_every_split);
    return g_test_run ();
}
