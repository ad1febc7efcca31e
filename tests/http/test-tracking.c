/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/http, tracking hosts: the state of one, what modules are told, each step of a check against a server
 * in this process, the commands as the daemon calls them, the timers, the end.
 */
#include "config.h"

#include "http/tracking-private.h"

#include "conf/conf-private.h"
#include "control/call-private.h"
#include "dns/server.h"
#include "http/peer.h"
#include "module/module-private.h"

#include <glib/gstdio.h>
#include <string.h>

static const char zone[] = "track.test A 127.0.0.1\n"
                           "fails.test A !SERVFAIL\n"
                           "fails.test AAAA !SERVFAIL\n";

#define GIF "HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\nContent-Length: 0\r\n\r\n"
static const TestPeerAnswer answers[] = {
    {"/o/good", GIF, FALSE},
    {"/c/good", "HTTP/1.1 302 Found\r\nLocation: http://example.test/\r\nContent-Length: 0\r\n\r\n",
     FALSE},
    {"/o/html", "HTTP/1.1 200 OK\r\nContent-Type: text/html; x=y\r\nContent-Length: 0\r\n\r\n",
     FALSE},
    {"/o/never", NULL, FALSE},
    {NULL},
};

/* --- The parts that need no host ---------------------------------------------------------------- */

static void
test_health (void)
{
    /* checks: + good, - failed; states after each: u g f */
    static const struct {
        const char *checks, *states;
    } cases[] = {
        {"+", "g"},
        {"-", "f"},
        {"--+", "ffg"},
        {"+-+", "ggg"},
        {"+--", "ggf"},
        {"+-+-+--", "gggg"
                    "ggf"},
        {"-+--+--", "fggfggf"},
        {"+----", "ggfff"},
    };
    static const char letters[] = "ugf";

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        RelaisTrackingHealth health = {0};
        RelaisTrackingState before = RELAIS_TRACKING_UNKNOWN;

        for (gint64 j = 0; cases[i].checks[j] != '\0'; j++) {
            bool changed = relais_tracking_health_note (&health, cases[i].checks[j] == '+', j + 1);

            g_assert_cmpint (letters[health.state], ==, cases[i].states[j]);
            g_assert_cmpint (changed, ==, health.state != before);
            if (changed)
                g_assert_cmpint (health.since_us, ==, j + 1);
            before = health.state;
        }
    }
}

static void
test_table (void)
{
    static const struct {
        const char *domain, *url, *reason;
    } cases[] = {
        {"good.test", "https://t.good.test", NULL},
        {"GOOD.test", "https://t.good.test", NULL},
        {"news.shop.good.test", "https://t.good.test", NULL},
        {"own.good.test", NULL, "host-failing"},
        {"a.own.good.test", NULL, "host-failing"},
        {"notgood.test", NULL, "no-tracking-host"},
        {"new.test", NULL, "host-unchecked"},
        {"below.test", NULL, "no-tracking-host"},
        {"A.below.test", "https://t.below.test", NULL},
        {"a.b.below.test", "https://t.below.test", NULL},
        {"a.notbelow.test", NULL, "no-tracking-host"},
        {"both.test", "https://t.both.test", NULL},
        {"a.both.test", "https://t.below.test", NULL},
        {"test", NULL, "no-tracking-host"},
        {"", NULL, "no-tracking-host"},
        {".", NULL, "no-tracking-host"},
    };
    g_autoptr (RelaisTrackingTable) table = relais_tracking_table_new ();

    relais_tracking_table_add (table, "good.test", "https://t.good.test", RELAIS_TRACKING_GOOD);
    relais_tracking_table_add (table, "own.good.test", "https://t.test", RELAIS_TRACKING_FAILING);
    relais_tracking_table_add (table, "new.test", "https://t.test", RELAIS_TRACKING_UNKNOWN);
    relais_tracking_table_add (table, "*.below.test", "https://t.below.test", RELAIS_TRACKING_GOOD);
    relais_tracking_table_add (table, "*.both.test", "https://t.below.test", RELAIS_TRACKING_GOOD);
    relais_tracking_table_add (table, "both.test", "https://t.both.test", RELAIS_TRACKING_GOOD);
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        const char *reason;

        g_test_message ("%s", cases[i].domain);
        g_assert_cmpstr (relais_tracking_table_find (table, cases[i].domain, &reason), ==,
                         cases[i].url);
        g_assert_cmpstr (reason, ==, cases[i].reason);
    }
}

/* --- A host ------------------------------------------------------------------------------------- */

typedef struct {
    TestDns *server;
    RelaisLoop *loop;
    RelaisPool *pool;
    RelaisDns *dns;
    RelaisFetcher *fetcher;
    TestPeer *peer;
    char *folder, *ca_file, *conf, *url;
    RelaisConfig *config;
    RelaisTracking *tracking;
} Scene;

typedef struct {
    const char *path;
    guint status;
    const char *name, *value;
} Wanted;

static bool
make (gpointer data, const char *host, char **path, guint *status, char **header_name,
      char **header_value)
{
    const Wanted *wanted = data;

    g_assert_cmpstr (host, !=, NULL);
    *path = g_strdup (wanted->path);
    *status = wanted->status;
    *header_name = g_strdup (wanted->name);
    *header_value = g_strdup (wanted->value);
    return wanted->path != NULL;
}

static RelaisConfig *
read_config (const Scene *scene, const char *text)
{
    const char *const dirs[] = {scene->folder, NULL};
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    RelaisSchema *schema = relais_schema_new ();
    RelaisConfig *config;

    g_assert_true (g_file_set_contents (scene->conf, text, -1, NULL));
    config = relais_config_read (schema, dirs, findings);
    relais_schema_free (schema);
    g_assert_nonnull (config);
    return config;
}

/* A domain, and what lies below one that is no ASCII, whose tracking host is the peer, under the name `host`. */
static void
scene_open (Scene *scene, TestPeerKind kind, const char *host, const Wanted *wanted, guint n_wanted)
{
    const char *servers[2] = {NULL};
    const RelaisDnsOptions dns = {
        .servers = servers, .timeout_us = 20 * G_USEC_PER_SEC, .max_queries = 100};
    RelaisFetcherOptions options = {.max_fetches = 4, .max_waiting = 4};
    static const char *const names[] = {"pixel", "redirect"};
    g_autofree char *text = NULL;
    RelaisTrackingProbe probes[2];

    *scene = (Scene){.folder = g_dir_make_tmp ("relais-tracking-XXXXXX", NULL)};
    scene->ca_file = g_build_filename (scene->folder, "ca.pem", NULL);
    scene->conf = g_build_filename (scene->folder, "test.conf", NULL);
    test_peer_write_authority (scene->ca_file);
    scene->peer = test_peer_new (kind, answers);
    scene->url = g_strdup_printf ("http%s://%s:%u", kind == TEST_PEER_CLEAR ? "" : "s", host,
                                  test_peer_port (scene->peer));
    text = g_strdup_printf ("[relais]\nhostname = mail.test\n[domain a.test]\ntracking = %s\n"
                            "[domain *.b\303\274cher.test]\ntracking = %s\n[domain c.test]\n"
                            "[tracking]\ncheck_interval = 1s\nretry_interval = 1s\n"
                            "check_timeout = 50s\n",
                            scene->url, scene->url);
    scene->config = read_config (scene, text);
    scene->server = test_dns_new (zone);
    servers[0] = test_dns_address (scene->server);
    scene->loop = relais_loop_new (NULL, NULL);
    scene->pool = relais_pool_new (scene->loop, "test", 1, 4);
    scene->dns = relais_dns_new (&dns, scene->loop, NULL);
    options.loop = scene->loop;
    options.dns = scene->dns;
    options.ca_file = scene->ca_file;
    scene->fetcher = relais_fetcher_new (&options, NULL);
    scene->tracking = relais_tracking_new (
        &(RelaisTrackingOptions){scene->loop, scene->pool, scene->fetcher, NULL}, scene->config);
    g_assert_cmpuint (relais_tracking_n_hosts (scene->tracking), ==, 1);
    for (guint i = 0; i < n_wanted; i++)
        probes[i] = (RelaisTrackingProbe){names[i], make, (gpointer)&wanted[i]};
    relais_tracking_set_probes (scene->tracking, probes, n_wanted);
}

static void
scene_close (Scene *scene)
{
    relais_tracking_free (scene->tracking);
    relais_fetcher_free (scene->fetcher);
    test_peer_free (scene->peer);
    relais_dns_free (scene->dns);
    relais_pool_free (scene->pool);
    relais_loop_free (scene->loop);
    test_dns_free (scene->server);
    relais_config_unref (scene->config);
    g_remove (scene->ca_file);
    g_remove (scene->conf);
    g_rmdir (scene->folder);
    g_free (scene->ca_file);
    g_free (scene->conf);
    g_free (scene->folder);
    g_free (scene->url);
}

static RelaisTrackingState
state_of (const Scene *scene)
{
    return relais_tracking_health (scene->tracking, scene->url)->state;
}

/* --- Commands ----------------------------------------------------------------------------------- */

typedef struct {
    GString *text;
    bool ended;
    int status;
} Reader;

static void
on_line (gpointer data, const char *line, gsize size)
{
    g_string_append_len (((Reader *)data)->text, line, (gssize)size);
}

static bool
is_full (gpointer data)
{
    return false;
}

static void
on_wait (gpointer data)
{
    g_assert_not_reached ();
}

static void
on_ended (gpointer data, int status, const char *text)
{
    Reader *reader = data;

    g_assert_false (reader->ended);
    reader->ended = true;
    reader->status = status;
    g_string_append (reader->text, text != NULL ? text : "");
}

static const RelaisCallSink sink = {on_line, is_full, on_wait, on_ended};

static RelaisCommandCall *
begin (Scene *scene, const char *verb, const char *argument, Reader *reader)
{
    gsize n;
    const RelaisCommand *commands = relais_tracking_commands (&n);
    RelaisCommandCall *call = NULL;

    *reader = (Reader){.text = g_string_new (NULL)};
    for (gsize i = 0; i < n; i++)
        if (strcmp (commands[i].verb, verb) == 0)
            call = relais_call_new (&commands[i], scene->config, scene->loop);
    g_assert_nonnull (call);
    if (argument != NULL)
        relais_call_add_arg (call, argument);
    relais_call_run (call, scene->tracking, &sink, reader);
    return call;
}

/* Runs a command to its end; what it said, and its exit status. Owned. */
static char *
run (Scene *scene, const char *verb, const char *argument, int *status)
{
    gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;
    Reader reader;
    RelaisCommandCall *call = begin (scene, verb, argument, &reader);

    while (!reader.ended) {
        g_assert_cmpint (g_get_monotonic_time (), <, end);
        relais_loop_turn (scene->loop, true);
    }
    relais_call_unref (call);
    *status = reader.status;
    g_test_message ("%s", reader.text->str);
    return g_string_free (reader.text, FALSE);
}

/* Steps and results, "dns ok, connect ok". Owned. */
static char *
steps_of (const char *said)
{
    g_autoptr (GRegex) regex =
        g_regex_new ("\"step\":\"([a-z]+)\",\"result\":\"([a-z]+)\"", 0, 0, NULL);
    g_autoptr (GMatchInfo) match = NULL;
    GString *text = g_string_new (NULL);

    for (g_regex_match (regex, said, 0, &match); g_match_info_matches (match);
         g_match_info_next (match, NULL)) {
        g_autofree char *step = g_match_info_fetch (match, 1);
        g_autofree char *result = g_match_info_fetch (match, 2);

        g_string_append_printf (text, "%s%s %s", text->len > 0 ? ", " : "", step, result);
    }
    return g_string_free (text, FALSE);
}

typedef struct {
    TestPeerKind kind;
    const char *host; /* configured */
    Wanted wanted[2];
    guint n_wanted;
    const char *steps;
    const char *texts[3];
} Case;

static const Case cases[] = {
    {TEST_PEER_CLEAR,
     "track.test",
     {{"/o/good", 200, "content-type", "image/gif"},
      {"/c/good", 302, "Location", "http://example.test/"}},
     2,
     "configuration ok, dns ok, connect ok, pixel ok, redirect ok",
     {"a.test, *.xn--bcher-kva.test", "127.0.0.1"}},
    {TEST_PEER_CLEAR,
     "track.test",
     {{"/o/lost", 200, "Content-Type", "image/gif"}, {"/c/good", 302, NULL, NULL}},
     2,
     "configuration ok, dns ok, connect ok, pixel failed, redirect ok",
     {"status 404, Content-Type: not there", "status 200, Content-Type: image/gif",
      "asked for was /o/lost"}},
    {TEST_PEER_CLEAR,
     "track.test",
     {{"/o/html", 200, "Content-Type", "text/html"},
      {"/c/good", 302, "Location", "http://other.test/"}},
     2,
     "configuration ok, dns ok, connect ok, pixel ok, redirect failed",
     {"Location: http://example.test/", "Location: http://other.test/"}},
    {TEST_PEER_CLEAR,
     "track.test",
     {{NULL, 0, NULL, NULL}, {NULL, 0, NULL, NULL}},
     2,
     "configuration ok, dns ok, connect ok, pixel skipped, redirect skipped",
     {"the module has nothing to ask for"}},
    {TEST_PEER_CLEAR, "track.test", {{0}}, 0, "configuration ok, dns ok, connect ok", {NULL}},
    {TEST_PEER_CLEAR,
     "absent.test",
     {{"/o/good", 200, NULL, NULL}},
     1,
     "configuration ok, dns failed, connect skipped, pixel skipped",
     {"absent.test has no A or AAAA record", "publish a CNAME record of absent.test to mail.test"}},
    {TEST_PEER_CLEAR,
     "fails.test",
     {{"/o/good", 200, NULL, NULL}},
     1,
     "configuration ok, dns failed, connect skipped, pixel skipped",
     {"SERVFAIL", "see whether the name servers of fails.test answer"}},
    {TEST_PEER_TLS,
     "track.test",
     {{"/o/good", 200, NULL, NULL}},
     1,
     "configuration ok, dns ok, connect ok, certificate ok, pixel ok",
     {"days left: 29"}},
    {TEST_PEER_STRANGER,
     "track.test",
     {{"/o/good", 200, NULL, NULL}},
     1,
     "configuration ok, dns ok, connect ok, certificate failed, pixel skipped",
     {"its authority is not trusted", "get a certificate for track.test"}},
    {TEST_PEER_EXPIRED,
     "track.test",
     {{"/o/good", 200, NULL, NULL}},
     1,
     "configuration ok, dns ok, connect ok, certificate failed, pixel skipped",
     {"the certificate has expired"}},
};

static void
test_check (gconstpointer data)
{
    const Case *one = data;
    bool good = strstr (one->steps, "failed") == NULL;
    g_autofree char *said = NULL;
    g_autofree char *steps = NULL;
    Scene scene;
    int status;

    if (good)
        g_test_expect_message ("relais", G_LOG_LEVEL_MESSAGE, "*mail is tracked*");
    else
        g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, "*goes out untracked*");
    scene_open (&scene, one->kind, one->host, one->wanted, one->n_wanted);
    g_assert_cmpint (state_of (&scene), ==, RELAIS_TRACKING_UNKNOWN);
    said = run (&scene, "check", one->host, &status);
    steps = steps_of (said);
    g_assert_cmpstr (steps, ==, one->steps);
    for (int i = 0; i < 3 && one->texts[i] != NULL; i++)
        g_assert_nonnull (strstr (said, one->texts[i]));
    g_assert_cmpint (status, ==, good ? RELAIS_EXIT_DONE : RELAIS_EXIT_REFUSED);
    g_assert_cmpint (state_of (&scene), ==, good ? RELAIS_TRACKING_GOOD : RELAIS_TRACKING_FAILING);
    g_test_assert_expected_messages ();
    scene_close (&scene);
}

static gboolean
probe_off (RelaisModule *module, const gchar *host, gpointer data, RelaisHttpProbe *probe)
{
    g_assert_not_reached ();
}

/* Nothing of a module that was put off is called, its probe neither. */
static void
test_off (void)
{
    RelaisModule module = {.descriptor.name = "guest", .off = true};
    RelaisHttpRoute *route = g_new (RelaisHttpRoute, 1);
    g_autofree char *said = NULL;
    g_autofree char *steps = NULL;
    RelaisHost *host;
    Scene scene;
    int status;

    g_test_expect_message ("relais", G_LOG_LEVEL_MESSAGE, "*mail is tracked*");
    scene_open (&scene, TEST_PEER_CLEAR, "track.test", NULL, 0);
    host = relais_host_new (
        &(RelaisHostOptions){.loop = scene.loop, .module_dir = "/nonexistent", .program = "test"});
    module.host = host;
    *route = (RelaisHttpRoute){.module = &module,
                               .path = g_strdup ("/c/"),
                               .path_size = 3,
                               .listener = RELAIS_HTTP_TRACKER,
                               .probe_name = g_strdup ("redirect"),
                               .probe = probe_off};
    g_ptr_array_add (host->routes, route);
    relais_tracking_use_routes (scene.tracking, host);
    said = run (&scene, "check", "track.test", &status);
    steps = steps_of (said);
    g_assert_cmpstr (steps, ==, "configuration ok, dns ok, connect ok, redirect skipped");
    g_test_assert_expected_messages ();
    relais_host_free (host);
    scene_close (&scene);
}

static void
test_connect (void)
{
    static const Wanted wanted[] = {{"/o/good", 200, NULL, NULL}};
    g_autofree char *said = NULL;
    g_autofree char *steps = NULL;
    g_autofree char *hosts = NULL;
    Scene scene;
    int status;

    g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, "*step connect failed*");
    scene_open (&scene, TEST_PEER_TLS, "track.test", wanted, 1);
    g_clear_pointer (&scene.peer, test_peer_free);
    said = run (&scene, "check", scene.url, &status);
    steps = steps_of (said);
    g_assert_cmpstr (
        steps, ==, "configuration ok, dns ok, connect failed, certificate skipped, pixel skipped");
    g_assert_nonnull (strstr (said, "Connection refused"));
    hosts = run (&scene, "hosts", NULL, &status);
    g_assert_cmpint (status, ==, RELAIS_EXIT_DONE);
    g_assert_nonnull (strstr (hosts, "\"state\":\"failing\""));
    g_assert_nonnull (strstr (hosts, "\"failing_step\":\"connect\""));
    g_assert_nonnull (strstr (hosts, "\"domains\":\"a.test, *.xn--bcher-kva.test\""));
    g_test_assert_expected_messages ();
    scene_close (&scene);
}

/* A host that is not configured is checked all the same, under the guard for strangers' URLs. */
static void
test_unconfigured (void)
{
    g_autofree char *url = NULL;
    g_autofree char *said = NULL;
    g_autofree char *steps = NULL;
    g_autofree char *usage = NULL;
    Scene scene;
    int status;

    scene_open (&scene, TEST_PEER_CLEAR, "absent.test", NULL, 0);
    url = g_strdup_printf ("http://track.test:%u", test_peer_port (scene.peer));
    said = run (&scene, "check", url, &status);
    steps = steps_of (said);
    g_assert_cmpstr (steps, ==, "configuration skipped, dns failed, connect skipped");
    g_assert_nonnull (strstr (said, "not the tracking host of any"));
    g_assert_nonnull (strstr (said, "127.0.0.1, which is not a public one"));
    g_assert_cmpint (status, ==, RELAIS_EXIT_REFUSED);
    g_assert_cmpint (state_of (&scene), ==, RELAIS_TRACKING_UNKNOWN);
    g_assert_cmpuint (test_peer_connections (scene.peer), ==, 0);
    usage = run (&scene, "check", "track.test/path", &status);
    g_assert_cmpint (status, ==, RELAIS_EXIT_USAGE);
    g_free (usage);
    usage = run (&scene, "check", NULL, &status);
    g_assert_cmpint (status, ==, RELAIS_EXIT_USAGE);
    scene_close (&scene);
}

/* --- Timers ------------------------------------------------------------------------------------- */

static void
wait_state (Scene *scene, RelaisTrackingState wanted)
{
    gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;

    while (state_of (scene) != wanted) {
        g_assert_cmpint (g_get_monotonic_time (), <, end);
        relais_loop_turn (scene->loop, true);
    }
}

static void
test_timers (void)
{
    static const Wanted wanted[] = {{"/o/good", 200, "Content-Type", "image/gif"}};
    Scene scene;

    g_test_expect_message ("relais", G_LOG_LEVEL_MESSAGE, "*mail is tracked*");
    g_test_expect_message ("relais", G_LOG_LEVEL_WARNING,
                           "*still tracked, the next check decides*");
    g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, "*goes out untracked*");
    scene_open (&scene, TEST_PEER_CLEAR, "track.test", wanted, 1);
    relais_tracking_start (scene.tracking);
    wait_state (&scene, RELAIS_TRACKING_GOOD);
    g_clear_pointer (&scene.peer, test_peer_free);
    wait_state (&scene, RELAIS_TRACKING_FAILING);
    g_assert_cmpuint (relais_tracking_health (scene.tracking, scene.url)->failures, ==,
                      RELAIS_TRACKING_FAILURES);
    g_test_assert_expected_messages ();
    scene_close (&scene);
}

/* Each wait of a check, ended: the one for the workers, and the one for the server. */
static void
test_stop (void)
{
    static const Wanted wanted[] = {{"/o/never", 200, NULL, NULL}};
    gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;

    for (int i = 0; i < 2; i++) {
        RelaisCommandCall *call;
        Reader reader;
        Scene scene;

        scene_open (&scene, TEST_PEER_CLEAR, "track.test", wanted, 1);
        call = begin (&scene, "check", scene.url, &reader);
        while (i == 1 && test_peer_requests (scene.peer) == 0) {
            g_assert_cmpint (g_get_monotonic_time (), <, end);
            relais_loop_turn (scene.loop, false);
        }
        g_assert_false (reader.ended);
        g_clear_pointer (&scene.tracking, relais_tracking_free);
        g_assert_true (reader.ended);
        g_assert_nonnull (strstr (reader.text->str, "the daemon stops"));
        relais_call_unref (call);
        g_string_free (reader.text, TRUE);
        scene_close (&scene);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/http/tracking/health", test_health);
    g_test_add_func ("/http/tracking/table", test_table);
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *name = g_strdup_printf ("/http/tracking/check/%u", (guint)i);

        g_test_add_data_func (name, &cases[i], test_check);
    }
    g_test_add_func ("/http/tracking/off", test_off);
    g_test_add_func ("/http/tracking/connect", test_connect);
    g_test_add_func ("/http/tracking/unconfigured", test_unconfigured);
    g_test_add_func ("/http/tracking/timers", test_timers);
    g_test_add_func ("/http/tracking/stop", test_stop);
    return g_test_run ();
}
