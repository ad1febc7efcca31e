/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: channels with TLS, against a real server: the name and the authority are checked, and what goes wrong
 * ends the read. When the daemon stops, what waits is told.
 */
#include "config.h"

#include "module/module-private.h"

#include "http/peer.h"
#include "tls/stream-private.h"

#include <glib/gstdio.h>
#include <relais/channel.h>
#include <string.h>

#define LONG_US (60 * RELAIS_USEC_PER_SEC)

typedef struct {
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisHost *host;
    RelaisModule module;
    RelaisTestZone *zone;
    guint told;
    RelaisChannelOutcome outcome;
    char *text;
} Fixture;

static const TestPeerAnswer answers[] = {
    {"/a", "HTTP/1.1 200 OK\r\n\r\n", FALSE}, {"/silent", NULL, FALSE}, {NULL, NULL, FALSE}};

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->pool = relais_pool_new (fixture->loop, "test", 1, 16);
    fixture->host = relais_host_new (&(RelaisHostOptions){.loop = fixture->loop,
                                                          .pool = fixture->pool,
                                                          .module_dir = "/nonexistent",
                                                          .program = "test"});
    fixture->module.host = fixture->host;
    fixture->module.descriptor.name = "test";
    fixture->zone = relais_test_zone_new ();
    fixture->host->zone = fixture->zone;
    relais_test_zone_add (fixture->zone, "localhost.test", "A", "127.0.0.1");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    relais_host_free (fixture->host);
    relais_test_zone_free (fixture->zone);
    relais_pool_free (fixture->pool);
    relais_streams_cut_lingering (fixture->loop);
    relais_loop_free (fixture->loop);
    g_free (fixture->text);
}

static void
on_line (RelaisChannel *channel, RelaisChannelOutcome outcome, const gchar *bytes, guint64 size,
         gpointer data)
{
    Fixture *fixture = data;

    fixture->told++;
    fixture->outcome = outcome;
    g_free (fixture->text);
    fixture->text = g_strdup (bytes != NULL ? bytes : relais_channel_get_text (channel));
}

static RelaisChannel *
ask (Fixture *fixture, const TestPeer *peer, const char *tls_name, const char *path)
{
    g_autofree char *address = g_strdup_printf ("localhost.test:%u", test_peer_port (peer));
    g_autofree char *request =
        g_strdup_printf ("GET %s HTTP/1.1\r\nHost: localhost.test\r\n\r\n", path);
    const RelaisChannelInfo info = {.struct_size = sizeof info,
                                    .flags = RELAIS_CHANNEL_WITH_TLS | RELAIS_CHANNEL_TRUSTED,
                                    .address = address,
                                    .tls_name = tls_name};
    RelaisChannel *channel = relais_channel_new (&fixture->module, &info, NULL);

    g_assert_true (relais_channel_write (channel, request, strlen (request)));
    g_assert_true (relais_channel_read_line (channel, LONG_US, on_line, fixture));
    return channel;
}

static void
assert_outcome (Fixture *fixture, TestPeerKind kind, const char *tls_name,
                RelaisChannelOutcome outcome)
{
    g_autoptr (TestPeer) peer = test_peer_new (kind, answers);
    g_autoptr (RelaisChannel) channel = ask (fixture, peer, tls_name, "/a");

    fixture->told = 0;
    while (fixture->told == 0)
        relais_loop_turn (fixture->loop, true);
    g_assert_cmpstr (relais_channel_outcome_to_string (fixture->outcome), ==,
                     relais_channel_outcome_to_string (outcome));
    if (outcome == RELAIS_CHANNEL_OK)
        g_assert_cmpstr (fixture->text, ==, "HTTP/1.1 200 OK");
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
    assert_outcome (fixture, TEST_PEER_TLS, NULL, RELAIS_CHANNEL_OK);
    assert_outcome (fixture, TEST_PEER_TLS, "track.test", RELAIS_CHANNEL_OK);
    assert_outcome (fixture, TEST_PEER_TLS, "other.test", RELAIS_CHANNEL_TLS);
    assert_outcome (fixture, TEST_PEER_OTHER_NAME, NULL, RELAIS_CHANNEL_TLS);
    assert_outcome (fixture, TEST_PEER_OTHER_NAME, "other.test", RELAIS_CHANNEL_OK);
    assert_outcome (fixture, TEST_PEER_EXPIRED, NULL, RELAIS_CHANNEL_TLS);
    assert_outcome (fixture, TEST_PEER_SELF_SIGNED, NULL, RELAIS_CHANNEL_TLS);
    assert_outcome (fixture, TEST_PEER_STRANGER, NULL, RELAIS_CHANNEL_TLS);
    assert_outcome (fixture, TEST_PEER_CLEAR, NULL, RELAIS_CHANNEL_TLS);
}

/* It may be freed while its context is made; and the daemon may stop while a read waits. */
static void
test_ends (Fixture *fixture, gconstpointer data)
{
    g_autoptr (TestPeer) peer = test_peer_new (TEST_PEER_TLS, answers);
    RelaisChannel *channel = ask (fixture, peer, NULL, "/a");

    relais_loop_turn (fixture->loop, true);
    relais_channel_free (channel);
    channel = ask (fixture, peer, NULL, "/silent");
    while (test_peer_requests (peer) == 0)
        relais_loop_turn (fixture->loop, false);
    g_assert_cmpuint (fixture->told, ==, 0);
    g_assert_cmpuint (relais_host_n_reading (fixture->host), ==, 1);
    relais_host_stop (fixture->host);
    g_assert_cmpuint (fixture->told, ==, 1);
    g_assert_cmpuint (fixture->outcome, ==, RELAIS_CHANNEL_STOPPED);
    relais_channel_free (channel);
}

int
main (int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp ("channel-XXXXXX", NULL);
    g_autofree char *authority = g_build_filename (folder, "authority.pem", NULL);
    int status;

    g_test_init (&argc, &argv, NULL);
    test_peer_write_authority (authority);
    g_setenv ("SSL_CERT_FILE", authority, TRUE);
    g_test_add ("/module/channel-tls/names", Fixture, NULL, set_up, test_names, tear_down);
    g_test_add ("/module/channel-tls/ends", Fixture, NULL, set_up, test_ends, tear_down);
    status = g_test_run ();
    g_unlink (authority);
    g_rmdir (folder);
    return status;
}
