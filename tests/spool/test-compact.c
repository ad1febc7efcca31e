/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool/compact: how much room the segments take of what lives in them, how many bytes are copied for
 * that, and that the copying ends. Counted in bytes and groups; the clock decides nothing but when a test
 * gives up.
 */
#include "config.h"

#include "fixture.h"

enum {
    SEGMENT = 65536,
    LEFT_ALONE =
        8 + 2, /* closed segments that are too few to matter, the active one, one on its way */
    QUIET_TURNS = 400
};

static RelaisSpoolFigures
look (Fixture *f)
{
    RelaisSpoolFigures figures;

    relais_spool_figures (f->spool, &figures);
    return figures;
}

static void
turn (Fixture *f)
{
    relais_loop_turn (f->loop, false);
    g_usleep (500);
}

/* Waits until the segments take twice what lives in them, and a few. */
static void
wait_for_room (Fixture *f)
{
    gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

    while (look (f).segments > 2 * look (f).living_bytes / SEGMENT + LEFT_ALONE) {
        g_assert_cmpint (g_get_monotonic_time (), <, until);
        turn (f);
    }
}

/* Nobody does anything: then nothing is copied for long, either. */
static void
wait_for_quiet (Fixture *f)
{
    gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
    guint64 before = look (f).compactions;
    guint quiet = 0;

    while (quiet < QUIET_TURNS) {
        g_assert_cmpint (g_get_monotonic_time (), <, until);
        turn (f);
        quiet = look (f).compactions == before ? quiet + 1 : 0;
        before = look (f).compactions;
    }
}

/* What recovery counts is what was counted while it ran. */
static void
check_restart (Fixture *f, guint n)
{
    guint64 living = look (f).living_bytes;

    fixture_close (f);
    fixture_open (f);
    {
        g_autoptr (GHashTable) found = fixture_recover (f);

        g_assert_cmpuint (g_hash_table_size (found), ==, n);
    }
    wait_for_quiet (f); /* what is copied now counts twice until it is synced */
    g_assert_cmpuint (look (f).living_bytes, ==, living);
}

/* Many small messages stay, few large ones go: of the records most live, of the bytes nearly none. */
static void
test_small_ones_stay (void)
{
    enum { N = 100, SMALL = 4, LARGE_BYTES = 20000 };
    Fixture f;
    guint64 ids[N * SMALL], taken = 0;

    fixture_init (&f);
    fixture_open (&f);
    for (guint i = 0; i < N; i++) {
        guint64 large = fixture_accept (&f, 1000 + i, LARGE_BYTES);

        for (guint k = 0; k < SMALL; k++)
            ids[i * SMALL + k] = fixture_accept (&f, i * SMALL + k, 200);
        fixture_done (&f, large);
        taken += LARGE_BYTES + SMALL * 200;
    }
    wait_for_room (&f);
    wait_for_quiet (&f);
    g_test_message ("%" G_GUINT64_FORMAT " bytes taken, %" G_GUINT64_FORMAT
                    " copied in %" G_GUINT64_FORMAT " groups, %" G_GUINT64_FORMAT
                    " live in %" G_GUINT64_FORMAT " segments",
                    taken, look (&f).compaction_bytes, look (&f).compactions,
                    look (&f).living_bytes, look (&f).segments);
    g_assert_cmpuint (look (&f).compaction_bytes, <, taken / 4);
    for (guint i = 0; i < N * SMALL; i++) {
        g_autoptr (RelaisMessage) message = fixture_load (&f, ids[i], NULL);

        g_assert_nonnull (message);
        fixture_check (message, i, 200);
    }
    check_restart (&f, N * SMALL);
    fixture_clear (&f);
}

/* Large ones stay among small ones that go: most records are dead, and copying gives nothing back. */
static void
test_large_ones_stay (void)
{
    enum { N = 80, SMALL = 4, LARGE_BYTES = 14000 };
    Fixture f;

    fixture_init (&f);
    fixture_open (&f);
    for (guint i = 0; i < N; i++) {
        fixture_accept (&f, i, LARGE_BYTES);
        for (guint k = 0; k < SMALL; k++)
            fixture_done (&f, fixture_accept (&f, 1000 + k, 100));
    }
    wait_for_quiet (&f);
    g_assert_cmpuint (look (&f).compactions, ==, 0);
    g_assert_cmpuint (look (&f).segments, <=, 2 * look (&f).living_bytes / SEGMENT + LEFT_ALONE);
    check_restart (&f, N);
    fixture_clear (&f);
}

/* Segments whose DONEs speak of messages in full ones: they are copied once, and then their segment
 * goes, whatever becomes of the full ones. */
static void
test_ends_of_others (void)
{
    enum { FULL = 40, ENDS = 400, BETWEEN = 120 };
    Fixture f;
    guint64 ends[ENDS];

    fixture_init (&f);
    fixture_open (&f);
    for (guint i = 0; i < FULL; i++) {
        fixture_accept (&f, i, 20000);
        for (guint k = 0; k < ENDS / FULL; k++)
            ends[i * (ENDS / FULL) + k] = fixture_accept (&f, 1000, 100);
    }
    for (guint i = 0; i < ENDS; i++) {
        fixture_done (&f, ends[i]);
        if (i % (ENDS / BETWEEN) == 0)
            fixture_done (&f, fixture_accept (&f, 2000, 30000));
    }
    wait_for_room (&f);
    wait_for_quiet (&f);
    g_test_message ("%" G_GUINT64_FORMAT " bytes copied in %" G_GUINT64_FORMAT " groups",
                    look (&f).compaction_bytes, look (&f).compactions);
    g_assert_cmpuint (look (&f).compaction_bytes, <, (FULL * 20000 + BETWEEN * 30000) / 10);
    check_restart (&f, FULL);
    fixture_clear (&f);
}

static RelaisMessage *
accept_many (Fixture *f, guint recipients, gsize size)
{
    RelaisMessage *message = relais_message_new (relais_spool_new_id (f->spool));
    g_autoptr (GBytes) body = fixture_body (7, size);
    RelaisGroup *group = relais_group_new (f->spool);
    Outcome outcome;

    message->envelope.sender = g_strdup ("s7@sender.test");
    for (guint i = 0; i < recipients; i++) {
        g_autofree char *address = g_strdup_printf ("r%u@rcpt.test", i);

        relais_envelope_add_recipient (&message->envelope, address);
    }
    relais_message_init_states (message);
    relais_group_add_message (group, message, fixture_draft (f, body));
    fixture_submit (f, group, RELAIS_GROUP_URGENT, &outcome);
    g_assert_no_error (outcome.error);
    return message;
}

/* One recipient after the other ends, the last one is put off again and again: no STATE but the newest
 * keeps a segment. A body file is never copied, and goes with the last recipient. */
static void
test_many_recipients (gconstpointer data)
{
    enum { RECIPIENTS = 1000, OUTCOMES = 400 };
    const gsize size = GPOINTER_TO_SIZE (data);
    g_autoptr (RelaisMessage) message = NULL;
    gint64 until;
    Fixture f;

    fixture_init (&f);
    fixture_open (&f);
    message = accept_many (&f, RECIPIENTS, size);
    for (guint i = 0; i < OUTCOMES; i++) {
        RelaisGroup *group = relais_group_new (f.spool);
        Outcome outcome;

        message->states[i].kind = RELAIS_STATE_DELIVERED;
        message->states[RECIPIENTS - 1].attempts = (guint16)(i + 1);
        relais_group_add_state (group, message);
        fixture_submit (&f, group, RELAIS_GROUP_URGENT, &outcome);
        g_assert_no_error (outcome.error);
    }
    wait_for_room (&f);
    wait_for_quiet (&f);
    g_assert_cmpuint (look (&f).compaction_bytes, <, 4 * SEGMENT);
    check_restart (&f, 1);
    fixture_done (&f, message->id);
    g_assert_cmpuint (look (&f).living_bytes, ==, 0);
    until = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;
    for (;;) {
        g_autofree char *bodies = g_build_filename (f.spool_dir, "bodies", NULL);
        g_autoptr (GDir) dir = g_dir_open (bodies, 0, NULL);

        if (g_dir_read_name (dir) == NULL)
            break;
        g_assert_cmpint (g_get_monotonic_time (), <, until);
        turn (&f);
    }
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_func ("/spool/compact/small-ones-stay", test_small_ones_stay);
    g_test_add_func ("/spool/compact/large-ones-stay", test_large_ones_stay);
    g_test_add_func ("/spool/compact/ends-of-others", test_ends_of_others);
    g_test_add_data_func ("/spool/compact/many-recipients", GSIZE_TO_POINTER (1024),
                          test_many_recipients);
    g_test_add_data_func ("/spool/compact/many-recipients-and-file", GSIZE_TO_POINTER (400000),
                          test_many_recipients);
    return g_test_run ();
}
