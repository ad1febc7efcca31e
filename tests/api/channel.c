/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Channels: lines and octets in order, each within its time; who may be connected to; a hook that waits for a
 * service; services of the harness, and real ones on loopback.
 */
#include "stage.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <relais/channel.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LONG_US (60 * (gint64)G_USEC_PER_SEC)

typedef struct {
    gboolean called;
    RelaisChannelOutcome outcome;
    char *bytes; /* or NULL */
    guint64 size;
} Told;

static void
on_read (RelaisChannel *channel, RelaisChannelOutcome outcome, const gchar *bytes, guint64 size,
         gpointer data)
{
    Told *told = data;

    g_assert_false (told->called);
    g_assert_true ((bytes != NULL) == (outcome == RELAIS_CHANNEL_OK));
    if (bytes != NULL)
        g_assert_cmpint (bytes[size], ==, '\0');
    *told = (Told){TRUE, outcome, g_strdup (bytes), size};
}

static RelaisChannel *
open_channel (RelaisTest *test, const char *address, RelaisChannelFlags flags)
{
    const RelaisChannelInfo info = {.struct_size = sizeof info, .address = address, .flags = flags};
    g_autoptr (GError) error = NULL;
    RelaisChannel *channel =
        relais_channel_new (relais_test_find_module (test, "puppet"), &info, &error);

    g_assert_no_error (error);
    return channel;
}

/* Reads a line, or `size` octets: the outcome, and the text in `expected` if it is OK. */
static void
assert_read (RelaisTest *test, RelaisChannel *channel, guint64 size, RelaisChannelOutcome outcome,
             const char *expected)
{
    Told told = {0};

    if (size == 0)
        g_assert_true (relais_channel_read_line (channel, LONG_US, on_read, &told));
    else
        g_assert_true (relais_channel_read (channel, size, LONG_US, on_read, &told));
    g_assert_false (told.called);
    g_assert_false (relais_channel_read_line (channel, LONG_US, on_read, &told));
    stage_wait (test, &told.called);
    g_assert_cmpstr (relais_channel_outcome_to_string (told.outcome), ==,
                     relais_channel_outcome_to_string (outcome));
    if (expected != NULL)
        g_assert_cmpstr (told.bytes, ==, expected);
    g_free (told.bytes);
}

static void
assert_fails (RelaisTest *test, const char *address, RelaisChannelFlags flags,
              RelaisChannelOutcome outcome, const char *text)
{
    g_autoptr (RelaisChannel) channel = open_channel (test, address, flags);

    g_assert_cmpstr (relais_channel_get_text (channel), ==, "");
    assert_read (test, channel, 0, outcome, NULL);
    g_assert_cmpstr (relais_channel_get_text (channel), ==, text);
    g_assert_false (relais_channel_write (channel, "x", 1));
    assert_read (test, channel, 5, outcome, NULL);
}

static RelaisTest *
begin (void)
{
    return stage_new ((const gchar *const[]){"puppet", NULL}, "");
}

/* --- With services of the harness ----------------------------------------------------------------- */

static void
test_lines (void)
{
    RelaisTest *test = begin ();
    RelaisChannel *channel;

    relais_test_add_answer (test, "policy.test:4000", NULL, "220 hello\r\n");
    relais_test_add_answer (test, "policy.test:4000", "check", "one\ntwo\r\n\r\nabcdefg\n");
    relais_test_add_answer (test, "policy.test:4000", "quit", NULL);
    channel = open_channel (test, "policy.test:4000", 0);
    g_assert_true (relais_channel_write (channel, "che", 3));
    g_assert_true (relais_channel_write (channel, "ck\r\n", 4));
    assert_read (test, channel, 0, RELAIS_CHANNEL_OK, "220 hello");
    assert_read (test, channel, 0, RELAIS_CHANNEL_OK, "one");
    assert_read (test, channel, 0, RELAIS_CHANNEL_OK, "two");
    assert_read (test, channel, 0, RELAIS_CHANNEL_OK, "");
    assert_read (test, channel, 3, RELAIS_CHANNEL_OK, "abc");
    g_assert_true (relais_channel_write (channel, "quit\n", 5));
    /* What came before the end is there; then it is over. */
    assert_read (test, channel, 4, RELAIS_CHANNEL_OK, "defg");
    assert_read (test, channel, 1, RELAIS_CHANNEL_OK, "\n");
    assert_read (test, channel, 0, RELAIS_CHANNEL_CLOSED, NULL);
    g_assert_cmpstr (relais_channel_get_text (channel), ==, "the peer closed");
    relais_channel_free (channel);
    stage_free (test);
}

/* 65 536 octets are a line, one more is none; as much is one read. */
static void
test_longest (void)
{
    RelaisTest *test = begin ();
    g_autofree char *longest = g_strnfill (RELAIS_CHANNEL_READ_BYTES, 'a');
    g_autofree char *longer = g_strnfill (RELAIS_CHANNEL_READ_BYTES + 1, 'a');
    g_autofree char *two = g_strconcat (longest, "\r\n", longest, NULL);
    g_autofree char *three = g_strconcat (longer, "\r\n", NULL);
    RelaisChannel *channel;

    relais_test_add_answer (test, "a.test:4000", NULL, two);
    relais_test_add_answer (test, "b.test:4000", NULL, three);
    channel = open_channel (test, "a.test:4000", 0);
    assert_read (test, channel, 0, RELAIS_CHANNEL_OK, longest);
    assert_read (test, channel, RELAIS_CHANNEL_READ_BYTES, RELAIS_CHANNEL_OK, longest);
    relais_channel_free (channel);
    channel = open_channel (test, "b.test:4000", 0);
    assert_read (test, channel, 0, RELAIS_CHANNEL_TOO_LARGE, NULL);
    relais_channel_free (channel);
    stage_free (test);
}

static void
test_write_limit (void)
{
    RelaisTest *test = begin ();
    g_autofree char *most = g_strnfill (RELAIS_CHANNEL_WRITE_BYTES, 'a');
    RelaisChannel *channel = open_channel (test, "a.test:4000", 0);

    g_assert_true (relais_channel_write (channel, most, RELAIS_CHANNEL_WRITE_BYTES - 1));
    g_assert_false (relais_channel_write (channel, most, 2));
    g_assert_true (relais_channel_write (channel, most, 1));
    g_assert_false (relais_channel_write (channel, most, 1));
    relais_channel_free (channel);
    stage_free (test);
}

/* --- Octets --------------------------------------------------------------------------------------- */

/* A piece is its size in one octet and so many more; it is given back with its channel's number in front. */
static guint64
give_back (guint32 channel, const gchar *bytes, guint64 size, GByteArray *answer, gpointer data)
{
    const guint64 piece = size > 0 ? (guint64)bytes[0] : 0;
    const guint8 number = (guint8)('0' + channel);
    guint *calls = data;

    ++*calls;
    if (size == 0) {
        g_byte_array_append (answer, (const guint8 *)"hello", 5);
        return 0;
    }
    if (size <= piece)
        return 0;
    g_byte_array_append (answer, &number, 1);
    g_byte_array_append (answer, (const guint8 *)bytes + 1, (guint)piece);
    return memcmp (bytes + 1, "bye", MIN (piece, 3)) == 0 ? RELAIS_TEST_HANG_UP : piece + 1;
}

static void
test_octets (void)
{
    RelaisTest *test = begin ();
    RelaisChannel *one, *two;
    guint calls = 0;

    relais_test_answer_octets (test, "a.test:4000", give_back, &calls);
    one = open_channel (test, "a.test:4000", RELAIS_CHANNEL_WITH_TLS);
    assert_read (test, one, 5, RELAIS_CHANNEL_OK, "hello");
    g_assert_cmpuint (calls, ==, 1);
    two = open_channel (test, "a.test:4000", 0);
    assert_read (test, two, 5, RELAIS_CHANNEL_OK, "hello");
    g_assert_cmpuint (relais_test_n_channels (test, "a.test:4000"), ==, 2);
    g_assert_true (relais_channel_write (one, "\3a", 2));
    g_assert_true (relais_channel_write (two, "\1x\2yz\4w", 7));
    assert_read (test, two, 5, RELAIS_CHANNEL_OK, "2x2yz");
    g_assert_true (relais_channel_write (one, "bc", 2));
    assert_read (test, one, 4, RELAIS_CHANNEL_OK, "1abc");
    g_assert_true (relais_channel_write (one, "\3bye", 4));
    assert_read (test, one, 4, RELAIS_CHANNEL_OK, "1bye");
    assert_read (test, one, 1, RELAIS_CHANNEL_CLOSED, NULL);
    g_assert_cmpuint (relais_test_n_channels (test, "a.test:4000"), ==, 1);
    relais_channel_free (one);
    relais_channel_free (two);
    while (relais_test_n_channels (test, "a.test:4000") > 0)
        relais_test_turn (test);
    stage_free (test);
}

static void
test_failing (void)
{
    RelaisTest *test = begin ();
    RelaisChannel *channel;
    guint calls = 0;

    relais_test_answer_octets (test, "a.test:4000", give_back, &calls);
    relais_test_fail_channel (test, "a.test:4000", RELAIS_CHANNEL_TLS);
    assert_fails (test, "a.test:4000", RELAIS_CHANNEL_WITH_TLS, RELAIS_CHANNEL_TLS,
                  "as the test has it");
    relais_test_fail_channel (test, "a.test:4000", RELAIS_CHANNEL_OK);
    channel = open_channel (test, "a.test:4000", 0);
    assert_read (test, channel, 5, RELAIS_CHANNEL_OK, "hello");
    relais_channel_free (channel);
    stage_free (test);
}

/* --- That output leaves --------------------------------------------------------------------------- */

static void
assert_drain (RelaisTest *test, RelaisChannel *channel, gint64 timeout_us,
              RelaisChannelOutcome outcome)
{
    Told told = {0};

    g_assert_true (relais_channel_drain (channel, timeout_us, on_read, &told));
    g_assert_false (told.called);
    g_assert_false (relais_channel_drain (channel, timeout_us, on_read, &told));
    stage_wait (test, &told.called);
    g_assert_cmpstr (relais_channel_outcome_to_string (told.outcome), ==,
                     relais_channel_outcome_to_string (outcome));
    g_assert_cmpuint (told.size, ==, 0);
    g_free (told.bytes);
}

static guint64
swallow (guint32 channel, const gchar *bytes, guint64 size, GByteArray *answer, gpointer data)
{
    guint64 *total = data;

    *total += size;
    return size;
}

/* However much is written: it is there before the next is. */
static void
test_drain (void)
{
    RelaisTest *test = begin ();
    g_autofree char *most = g_strnfill (RELAIS_CHANNEL_WRITE_BYTES, 'a');
    guint64 total = 0;
    RelaisChannel *channel;

    relais_test_answer_octets (test, "a.test:4000", swallow, &total);
    channel = open_channel (test, "a.test:4000", 0);
    assert_drain (test, channel, LONG_US, RELAIS_CHANNEL_OK);
    for (guint i = 0; i < 20; i++) {
        g_assert_true (relais_channel_write (channel, most, RELAIS_CHANNEL_WRITE_BYTES / 2));
        assert_drain (test, channel, LONG_US, RELAIS_CHANNEL_OK);
    }
    g_assert_cmpuint (total, >, 9 * RELAIS_CHANNEL_WRITE_BYTES);
    relais_channel_free (channel);
    stage_free (test);
}

/* --- In a hook ------------------------------------------------------------------------------------ */

static struct {
    RelaisTicket *ticket;
    RelaisChannel *channel;
    guint cancelled;
} scene;

static void
end_scene (void)
{
    g_clear_pointer (&scene.channel, relais_channel_free);
    g_clear_pointer (&scene.ticket, relais_ticket_unref);
}

static void
on_verdict (RelaisChannel *channel, RelaisChannelOutcome outcome, const gchar *bytes, guint64 size,
            gpointer data)
{
    RelaisHook *hook = relais_ticket_get_hook (scene.ticket);
    RelaisVerdict verdict = RELAIS_VERDICT_TEMPFAIL;

    g_assert_nonnull (hook);
    if (outcome == RELAIS_CHANNEL_OK && g_str_equal (bytes, "yes"))
        verdict = RELAIS_VERDICT_CONTINUE;
    else if (outcome == RELAIS_CHANNEL_OK)
        verdict = RELAIS_VERDICT_REJECT;
    else
        relais_hook_set_reply (hook, 451, "4.4.3", relais_channel_outcome_to_string (outcome));
    g_assert_true (relais_ticket_complete (scene.ticket, verdict));
    end_scene ();
}

static void
on_cancel (gpointer data)
{
    scene.cancelled++;
    end_scene ();
}

static RelaisVerdict
ask (RelaisHook *hook, gpointer data)
{
    const RelaisChannelInfo info = {.struct_size = sizeof info, .address = "users.test:4000"};
    g_autofree char *line = g_strconcat (relais_hook_get_recipient (hook, 0), "\n", NULL);
    const gint64 *timeout_us = data;

    scene.channel = relais_channel_new (relais_hook_get_module (hook), &info, NULL);
    scene.ticket = relais_hook_suspend (hook, "users.test", LONG_US, on_cancel, NULL);
    relais_channel_write (scene.channel, line, strlen (line));
    relais_channel_read_line (scene.channel, *timeout_us, on_verdict, NULL);
    return RELAIS_VERDICT_PENDING;
}

static void
assert_rcpt (RelaisTest *test, const char *recipient, RelaisVerdict verdict)
{
    relais_test_set_message (test, (const guint8 *)"", 0);
    relais_test_add_recipient (test, recipient);
    g_assert_cmpuint (relais_test_run (test, RELAIS_HOOK_RCPT), ==, verdict);
    g_assert_null (scene.channel);
}

static void
test_hook (void)
{
    gint64 timeout_us = LONG_US;
    RelaisTest *test = begin ();

    relais_test_add_answer (test, "users.test:4000", "ann@a.test", "yes\r\n");
    relais_test_add_answer (test, "users.test:4000", "bob@a.test", "no\r\n");
    relais_test_add_answer (test, "users.test:4000", "silent@a.test", "");
    puppet_hooks[RELAIS_HOOK_RCPT] = ask;
    puppet_data = &timeout_us;
    assert_rcpt (test, "ann@a.test", RELAIS_VERDICT_CONTINUE);
    assert_rcpt (test, "bob@a.test", RELAIS_VERDICT_REJECT);
    assert_rcpt (test, "eve@a.test", RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpstr (relais_test_get_reply_text (test), ==, "closed");
    timeout_us = 1000;
    assert_rcpt (test, "silent@a.test", RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpstr (relais_test_get_reply_text (test), ==, "timeout");
    g_assert_cmpuint (scene.cancelled, ==, 0);
    stage_free (test);
}

/* --- With real sockets ---------------------------------------------------------------------------- */

/* Takes one connection, answers one line with itself, and waits for the end. */
static gpointer
serve (gpointer data)
{
    const int fd = accept (GPOINTER_TO_INT (data), NULL, NULL);
    char line[64];
    gsize size = 0;

    while (size < sizeof line) {
        const ssize_t n = read (fd, line + size, sizeof line - size);

        if (n <= 0)
            break;
        size += (gsize)n;
        if (line[size - 1] == '\n')
            g_assert_cmpint (write (fd, line, size), ==, (ssize_t)size);
    }
    close (fd);
    return NULL;
}

static void
assert_echo (RelaisTest *test, int listener, const char *address)
{
    GThread *thread = g_thread_new ("serve", serve, GINT_TO_POINTER (listener));
    RelaisChannel *channel = open_channel (test, address, RELAIS_CHANNEL_TRUSTED);

    g_assert_true (relais_channel_write (channel, "hello\r\n", 7));
    assert_read (test, channel, 0, RELAIS_CHANNEL_OK, "hello");
    relais_channel_free (channel);
    g_thread_join (thread);
}

static int
listen_on (const struct sockaddr *address, socklen_t size)
{
    const int fd = socket (address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint (bind (fd, address, size), ==, 0);
    g_assert_cmpint (listen (fd, 5), ==, 0);
    return fd;
}

static void
test_tcp (void)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr = {g_htonl (INADDR_LOOPBACK)}};
    socklen_t size = sizeof four;
    const int fd = listen_on ((const struct sockaddr *)&four, sizeof four);
    RelaisTest *test = begin ();
    g_autofree char *literal = NULL, *name = NULL, *refused = NULL;

    g_assert_cmpint (getsockname (fd, (struct sockaddr *)&four, &size), ==, 0);
    literal = g_strdup_printf ("127.0.0.1:%u", g_ntohs (four.sin_port));
    name = g_strdup_printf ("policy.test:%u", g_ntohs (four.sin_port));
    relais_test_add_record (test, "policy.test", "AAAA", "::1"); /* where nobody listens */
    relais_test_add_record (test, "policy.test", "A", "127.0.0.1");
    assert_echo (test, fd, literal);
    assert_echo (test, fd, name);
    close (fd);
    refused = g_strdup_printf ("%s: cannot connect: Connection refused", literal);
    assert_fails (test, literal, RELAIS_CHANNEL_TRUSTED, RELAIS_CHANNEL_CONNECT, refused);
    stage_free (test);
}

static void
test_unix (void)
{
    struct sockaddr_un peer = {.sun_family = AF_UNIX};
    g_autofree char *dir = g_dir_make_tmp ("channel-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (dir, "socket", NULL);
    g_autofree char *address = g_strconcat ("unix:", path, NULL);
    g_autofree char *most = g_strnfill (RELAIS_CHANNEL_WRITE_BYTES, 'a');
    RelaisTest *test = begin ();
    RelaisChannel *slow, *gone;
    int fd;

    g_strlcpy (peer.sun_path, path, sizeof peer.sun_path);
    fd = listen_on ((const struct sockaddr *)&peer, sizeof peer);
    assert_echo (test, fd, address);
    /* A peer that reads nothing, and one that goes meanwhile. */
    slow = open_channel (test, address, RELAIS_CHANNEL_TRUSTED);
    gone = open_channel (test, address, RELAIS_CHANNEL_TRUSTED);
    g_assert_true (relais_channel_write (slow, most, RELAIS_CHANNEL_WRITE_BYTES));
    g_assert_true (relais_channel_write (gone, most, RELAIS_CHANNEL_WRITE_BYTES));
    assert_drain (test, slow, 50 * 1000, RELAIS_CHANNEL_TIMEOUT);
    relais_channel_free (slow);
    close (accept (fd, NULL, NULL));
    close (accept (fd, NULL, NULL));
    assert_drain (test, gone, LONG_US, RELAIS_CHANNEL_CLOSED);
    relais_channel_free (gone);
    close (fd);
    g_unlink (path);
    g_rmdir (dir);
    stage_free (test);
}

/* --- Addresses ------------------------------------------------------------------------------------ */

static void
test_refused (void)
{
    RelaisTest *test = begin ();
    static const char *const ports = "strangers may name ports from 1024 on and 443 alone";

    relais_test_add_record (test, "mixed.test", "A", "192.0.2.1");
    relais_test_add_record (test, "mixed.test", "AAAA", "::1");
    relais_test_fail_lookup (test, "lame.test", "SERVFAIL");
    assert_fails (test, "mixed.test:4000", 0, RELAIS_CHANNEL_REFUSED_ADDRESS,
                  "mixed.test has the address ::1, which is not a public one");
    assert_fails (test, "127.0.0.1:4000", 0, RELAIS_CHANNEL_REFUSED_ADDRESS,
                  "127.0.0.1 has the address 127.0.0.1, which is not a public one");
    assert_fails (test, "[::ffff:10.0.0.1]:4000", 0, RELAIS_CHANNEL_REFUSED_ADDRESS,
                  "::ffff:10.0.0.1 has the address 10.0.0.1, which is not a public one");
    assert_fails (test, "mixed.test:1023", 0, RELAIS_CHANNEL_REFUSED_ADDRESS, ports);
    assert_fails (test, "unix:/run/x", 0, RELAIS_CHANNEL_REFUSED_ADDRESS, ports);
    assert_fails (test, "none.test:1024", 0, RELAIS_CHANNEL_DNS_ABSENT, "none.test has no address");
    assert_fails (test, "none.test:443", 0, RELAIS_CHANNEL_DNS_ABSENT, "none.test has no address");
    assert_fails (test, "lame.test:4000", 0, RELAIS_CHANNEL_DNS_TEMPORARY,
                  "lame.test cannot be looked up now");
    stage_free (test);
}

static void
test_bad (void)
{
    static const char *const bad[] = {
        "",        "host",  "host:",  "host:0",      "host:65536", ":80",    "[::1]",
        "[::1]80", "[]:80", "a b:80", "http://h:80", "u@h:80",     "::1:80", "host:80x"};
    g_autofree char *long_path = g_strnfill (120, 'a');
    g_autofree char *path = g_strconcat ("unix:/", long_path, NULL);
    RelaisTest *test = begin ();
    RelaisModule *module = relais_test_find_module (test, "puppet");

    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        const RelaisChannelInfo info = {.struct_size = sizeof info, .address = bad[i]};
        g_autofree char *message =
            g_strdup_printf ("'%s': wanted HOST:PORT, [ADDRESS]:PORT or unix:/PATH", bad[i]);
        g_autoptr (GError) error = NULL;

        g_assert_null (relais_channel_new (module, &info, &error));
        g_assert_cmpstr (error->message, ==, message);
    }
    for (guint i = 0; i < 2; i++) {
        const RelaisChannelInfo info = {.struct_size = sizeof info,
                                        .address = i == 0 ? path : "unix:x"};
        g_autoptr (GError) error = NULL;

        g_assert_null (relais_channel_new (module, &info, &error));
        g_assert_nonnull (strstr (error->message, "wanted unix:/PATH of at most 107 octets"));
    }
    stage_free (test);
}

void
channel_add_tests (void)
{
    g_test_add_func ("/api/channel/lines", test_lines);
    g_test_add_func ("/api/channel/longest", test_longest);
    g_test_add_func ("/api/channel/write-limit", test_write_limit);
    g_test_add_func ("/api/channel/octets", test_octets);
    g_test_add_func ("/api/channel/failing", test_failing);
    g_test_add_func ("/api/channel/drain", test_drain);
    g_test_add_func ("/api/channel/hook", test_hook);
    g_test_add_func ("/api/channel/tcp", test_tcp);
    g_test_add_func ("/api/channel/unix", test_unix);
    g_test_add_func ("/api/channel/refused", test_refused);
    g_test_add_func ("/api/channel/bad", test_bad);
}
