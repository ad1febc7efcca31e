/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: trouble below it. A spool that stops and resumes, damaged mail on disk, a report that
 * cannot be kept; and the memory of what waits.
 */
#include "config.h"

#include "scene.h"

#include "conf/conf-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- The spool stops -------------------------------------------------------------------------- */

/* What the spool's own threads call after a failed sync; the rest of its state header is not for here. */
void relais_spool_note_failure (RelaisSpool *spool, GError *error);

static void
fail_spool (Fixture *fixture)
{
    relais_spool_note_failure (
        fixture->spool, g_error_new_literal (RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_IO, "test"));
}

static bool
spool_works (gpointer data)
{
    return !relais_spool_is_stopped (((Fixture *)data)->spool);
}

/* The first failure is probed at once, the next one only after a while. */
static void
break_spool (Fixture *fixture)
{
    fail_spool (fixture);
    fixture_until (fixture, spool_works, fixture);
    fail_spool (fixture);
    g_assert_true (relais_spool_is_stopped (fixture->spool));
}

static void
test_spool_stops_and_resumes (void)
{
    Test test;
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 2}, {NULL, NULL, 0}};
    guint before;

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_mail (&test.fixture, "x@b.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 2);
    break_spool (&test.fixture);
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    before = test.sink->accepted;
    while (relais_spool_is_stopped (test.fixture.spool)) {
        g_assert_cmpuint (test.sink->accepted, ==, before);
        g_assert_cmpuint (test.sink->messages->len, ==, 0);
        g_assert_cmpuint (figures (&test).active, ==, 0);
        relais_loop_turn (test.fixture.loop, false);
        g_usleep (1000);
    }
    fixture_until_messages (&test.fixture, test.sink, 2);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 2);
    restart (&test, 0);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    test_close (&test);
}

/* An outcome that comes while it is stopped is kept. */
static void
test_outcome_while_stopped (void)
{
    Test test;

    test_open (&test, "");
    test.sink->hold = true;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (sink_held (test.sink), ==, 1);
    break_spool (&test.fixture);
    g_assert_cmpuint (sink_release (test.sink, 1), ==, 1);
    fixture_until (&test.fixture, spool_works, &test.fixture);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "delivered"), ==, 1);
    restart (&test, 0);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).messages, ==, 0);
    g_assert_cmpuint (test.sink->accepted, ==, 0);
    test_close (&test);
}

/* --- Damage ----------------------------------------------------------------------------------- */

/* Overwrites the first octet of a text wherever the spool has it on disk. */
static guint
damage (Fixture *fixture, const char *text)
{
    g_autofree char *dir = g_build_filename (fixture->dir, "spool", NULL);
    g_autoptr (GDir) list = g_dir_open (dir, 0, NULL);
    gsize size = strlen (text);
    guint n = 0;

    for (const char *name; (name = g_dir_read_name (list)) != NULL;) {
        g_autofree char *path = g_build_filename (dir, name, NULL);
        g_autofree char *bytes = NULL;
        gsize length;
        int fd;

        if (!g_file_get_contents (path, &bytes, &length, NULL))
            continue;
        fd = open (path, O_WRONLY | O_CLOEXEC);
        for (gsize i = 0; fd >= 0 && i + size <= length; i++)
            if (memcmp (bytes + i, text, size) == 0) {
                g_assert_cmpint (pwrite (fd, "#", 1, (off_t)i), ==, 1);
                n++;
            }
        if (fd >= 0)
            close (fd);
    }
    return n;
}

static void
check_damage (const char *what)
{
    Test test;
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 3}, {NULL, NULL, 0}};
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    g_autoptr (GString) all = g_string_new (NULL);

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_submit (&test.fixture, &(Mail){.sender = "victim@sender.test",
                                           .recipients = recipients,
                                           .body = "Subject: v\r\n\r\nprecious words\r\n"});
    fixture_mail (&test.fixture, "x@b.rcpt.test");
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 3);
    g_assert_cmpuint (damage (&test.fixture, what), >=, 1);
    fixture_advance (&test.fixture, 6 * RELAIS_USEC_PER_MIN);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "quarantined"), ==, 1);
    for (guint i = 0; i < test.sink->messages->len; i++)
        g_assert_cmpstr (sink_message (test.sink, i)->sender, ==, "a@sender.test");
    test_close (&test);
}

static void
test_damaged_body (void)
{
    check_damage ("precious words");
}

static void
test_damaged_envelope (void)
{
    check_damage ("victim@sender.test");
}

/* --- Reports ---------------------------------------------------------------------------------- */

static void
limit_files (rlim_t bytes)
{
    struct rlimit limit;

    g_assert_no_errno (getrlimit (RLIMIT_FSIZE, &limit));
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    g_assert_no_errno (setrlimit (RLIMIT_FSIZE, &limit));
}

/* A report with the whole message needs a file of its own. As long as there is no room for it, the
 * outcome waits, over a stop too; the sender hears of it in the end. */
static void
test_report_waits_for_room (gconstpointer data)
{
    bool stop = GPOINTER_TO_INT (data);
    Test test;
    Rule rules[] = {{"RCPT TO:<x@", "550 5.1.1 no such user", 0}, {NULL, NULL, 0}};
    g_autoptr (GString) body = g_string_new ("Subject: large\r\n\r\n");
    const char *recipients[] = {"x@a.rcpt.test", NULL};

    while (body->len < 400000)
        g_string_append (body, "a line of the message that is to come back in full\r\n");
    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    test.fixture.queue->started = false;
    fixture_submit (&test.fixture, &(Mail){.sender = "a@in.rcpt.test",
                                           .recipients = recipients,
                                           .ret = RELAIS_RET_FULL,
                                           .body = body->str});
    fixture_settle (&test.fixture);
    limit_files (200000);
    relais_queue_start (test.fixture.queue);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.fixture.queue->parked.length, ==, 1);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 0);
    fixture_advance (&test.fixture, 11 * RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.fixture.queue->parked.length, ==, 1);
    limit_files (0);
    if (stop)
        restart (&test, RELAIS_USEC_PER_SEC);
    if (stop) {
        test.sink->answer = by_rules;
        test.sink->data = rules;
    }
    fixture_advance (&test.fixture, 11 * RELAIS_USEC_PER_SEC);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (fixture_count (&test.fixture, "bounced"), ==, 1);
    g_assert_cmpuint (test.sink->messages->len, ==, 1);
    g_assert_cmpstr (sink_message (test.sink, 0)->recipients->pdata[0], ==, "a@in.rcpt.test");
    g_assert_cmpuint (sink_message (test.sink, 0)->data->len, >, 400000);
    g_assert_cmpuint (figures (&test).deliveries, ==, 0);
    test_close (&test);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static gsize
memory_in_use (void)
{
    struct mallinfo2 info = mallinfo2 ();

    return info.uordblks + info.hblkhd;
}

/* All of it: records, index, heap, and the spool's own table of what lives. */
static void
test_memory_of_a_delivery (void)
{
    enum { N = 100000, MOST = 150 };
    Test test;
    const char *recipients[] = {"x@far.test", NULL};
    gsize before, after;
    double each;

    fake_dns_set ("far.test", "mx.far.test=127.0.0.9");
    test_open (&test, "");
    test.fixture.queue->started = false;
    restart (&test, 0);
    fixture_settle (&test.fixture);
    before = memory_in_use ();
    if (before == 0) {
        test_close (&test);
        g_test_skip ("this allocator does not tell");
        return;
    }
    test.fixture.queue->started = false;
    for (guint i = 0; i < 10; i++)
        fixture_submit_many (&test.fixture, N / 10,
                             &(Mail){.sender = "a@sender.test", .recipients = recipients});
    restart (&test, 0);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (figures (&test).deliveries, ==, N);
    after = memory_in_use ();
    each = ((double)after - (double)before) / N;
    g_test_message ("%.1f bytes a delivery", each);
    g_assert_cmpfloat (each, >, (double)sizeof (RelaisDelivery) + sizeof (RelaisMessageSlot));
    g_assert_cmpfloat (each, <=, MOST);
    test_close (&test);
}

/* GLib's own caches would be counted as memory of the queue. */
static void
without_slices (char **argv)
{
    if (g_strcmp0 (g_getenv ("G_SLICE"), "always-malloc") == 0)
        return;
    g_setenv ("G_SLICE", "always-malloc", TRUE);
    (void)execv ("/proc/self/exe", argv);
    g_error ("cannot begin again: %s", g_strerror (errno));
}

/* --- Peers that stop -------------------------------------------------------------------------- */

/* A host that takes connections and says nothing. */
static int
silent_host (const char *address, guint16 port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = g_htons (port)};
    const int on = 1;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint (inet_pton (AF_INET, address, &in.sin_addr), ==, 1);
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    g_assert_cmpint (bind (fd, (struct sockaddr *)&in, sizeof in), ==, 0);
    g_assert_cmpint (listen (fd, 64), ==, 0);
    return fd;
}

static bool
is_talking (gpointer data)
{
    return ((RelaisQueue *)data)->n_connections >= 3;
}

static bool
is_idle (gpointer data)
{
    const RelaisQueue *queue = data;

    return queue->n_connections == 3 + queue->idle_connections.length && queue->active == 3;
}

static bool
has_the_silent_alone (gpointer data)
{
    return ((RelaisQueue *)data)->n_connections == 3;
}

/* Tarpits hold their own slots, and those no longer than the phase's deadline; who comes meanwhile is
 * served. */
static void
test_tarpits (void)
{
    Test test;
    int fd;

    test_open (&test, "");
    fd = silent_host ("127.0.0.77", test.sink->port);
    for (guint i = 0; i < 3; i++) {
        g_autofree char *domain = g_strdup_printf ("tar%u.test", i);
        g_autofree char *route = g_strdup_printf ("mx.%s=127.0.0.77", domain);
        g_autofree char *recipient = g_strdup_printf ("x@%s", domain);

        fake_dns_set (domain, route);
        fixture_mail (&test.fixture, recipient);
    }
    fixture_until (&test.fixture, is_talking, test.fixture.queue);
    for (guint i = 0; i < 5; i++)
        fixture_mail (&test.fixture, "y@a.rcpt.test");
    fixture_until_messages (&test.fixture, test.sink, 5);
    fixture_until (&test.fixture, is_idle, test.fixture.queue);
    fixture_advance (&test.fixture, 10 * RELAIS_USEC_PER_SEC); /* the good ones' connection goes */
    fixture_until (&test.fixture, has_the_silent_alone, test.fixture.queue);
    fixture_advance (&test.fixture, 4 * RELAIS_USEC_PER_MIN + 49 * RELAIS_USEC_PER_SEC);
    g_assert_cmpuint (test.fixture.queue->n_connections, ==, 3);
    fixture_advance (&test.fixture, 2 * RELAIS_USEC_PER_SEC); /* 5 min of the banner, and 1 s */
    fixture_settle (&test.fixture);
    g_assert_cmpuint (test.fixture.queue->n_connections, ==, 0);
    g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 3);
    close (fd);
    test_close (&test);
}

/* --- Logins ----------------------------------------------------------------------------------- */

/* A next hop of ours that wants a login is a slip in the configuration, no fault of the mail; an MX host
 * that says so wants no mail. */
static void
test_login_wanted (void)
{
    static const char *const answers[] = {"530 5.7.0 log in", "535 5.7.8 not you",
                                          "534 5.7.9 other", "538 5.7.11 TLS"};

    for (guint i = 0; i < G_N_ELEMENTS (answers); i++) {
        Test test;
        Rule rules[] = {{"MAIL FROM:<a@", answers[i], 0}, {NULL, NULL, 0}};

        test_open (&test, "");
        test.sink->answer = by_rules;
        test.sink->data = rules;
        fake_dns_set ("mx.test", "mx.mx.test=127.0.0.1");
        fake_dns_set ("sender.test", "mx.sender.test=127.0.0.1");
        fixture_mail (&test.fixture, "x@a.rcpt.test");
        fixture_mail (&test.fixture, "x@mx.test");
        fixture_settle (&test.fixture);
        g_assert_cmpuint (fixture_count (&test.fixture, "deferred"), ==, 1);
        g_assert_nonnull (strstr (fixture_last (&test.fixture, "deferred"), "x@a.rcpt.test"));
        g_assert_nonnull (strstr (fixture_last (&test.fixture, "bounced"), "x@mx.test"));
        test_close (&test);
    }
}

/* --- What routes name ------------------------------------------------------------------------- */

/* Files that a route names are read at the start, and what is wrong with them is said with their line. */
static void
test_files_of_routes (void)
{
    static const char *const routes[] = {
        "[route x]\nhost = mx.test\nauth_file = /nonexistent\n",
        "[route x]\nhost = mx.test\ntls_certificate = /nonexistent\ntls_key = /nonexistent\n"};
    Test test;

    test_open (&test, "");
    for (guint i = 0; i < G_N_ELEMENTS (routes); i++) {
        g_autofree char *dir = g_dir_make_tmp ("relais-routes-XXXXXX", NULL);
        g_autofree char *file = g_build_filename (dir, "a.conf", NULL);
        const char *const dirs[] = {dir, NULL};
        RelaisSchema *schema = relais_schema_new ();
        g_autoptr (GPtrArray) findings = relais_config_findings_new ();
        RelaisConfig *config;
        RelaisQueueSettings settings;
        g_autoptr (GError) error = NULL;

        g_assert_true (g_file_set_contents (file, routes[i], -1, NULL));
        config = relais_config_read (schema, dirs, findings);
        relais_schema_free (schema);
        g_assert_nonnull (config);
        g_assert_true (relais_queue_settings_read (&settings, config, NULL));
        g_assert_false (relais_queue_settings_load (&settings, config, &error));
        g_assert_nonnull (strstr (error->message, "a.conf:3: "));
        g_assert_nonnull (strstr (error->message, "/nonexistent"));
        relais_queue_settings_clear (&settings);
        relais_config_unref (config);
        g_unlink (file);
        g_rmdir (dir);
    }
    test_close (&test);
}

int
main (int argc, char **argv)
{
    without_slices (argv);
    g_test_init (&argc, &argv, NULL);
    /* Warnings are what these cases are about. */
    g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    signal (SIGXFSZ, SIG_IGN);
    g_test_add_func ("/queue/trouble/spool-stops-and-resumes", test_spool_stops_and_resumes);
    g_test_add_func ("/queue/trouble/outcome-while-stopped", test_outcome_while_stopped);
    g_test_add_func ("/queue/trouble/damaged-body", test_damaged_body);
    g_test_add_func ("/queue/trouble/damaged-envelope", test_damaged_envelope);
    g_test_add_data_func ("/queue/trouble/report-waits-for-room", GINT_TO_POINTER (false),
                          test_report_waits_for_room);
    g_test_add_data_func ("/queue/trouble/report-waits-over-a-stop", GINT_TO_POINTER (true),
                          test_report_waits_for_room);
    g_test_add_func ("/queue/trouble/memory-of-a-delivery", test_memory_of_a_delivery);
    g_test_add_func ("/queue/trouble/tarpits", test_tarpits);
    g_test_add_func ("/queue/trouble/login-wanted", test_login_wanted);
    g_test_add_func ("/queue/trouble/files-of-routes", test_files_of_routes);
    return g_test_run ();
}
