/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: trouble below it. A spool that stops and resumes, damaged mail on disk, a report that
 * cannot be kept; and the memory of what waits.
 */
#include "config.h"

#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
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
    return g_test_run ();
}
