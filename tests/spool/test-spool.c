/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool from outside: what was accepted is there after a restart, what is done is not; groups are
 * whole; large bodies stream; ids never repeat; segments are freed.
 */
#include "config.h"

#include "fixture.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "spool/body-file.h"
#include "spool/record.h"

static void
test_accept_restart_load_done (void)
{
    Fixture f;
    guint64 a, b;
    g_autoptr (GHashTable) found = NULL;
    g_autoptr (GHashTable) left = NULL;
    RelaisSpoolFigures figures;
    RelaisMessage *message;

    fixture_init (&f);
    fixture_open (&f);
    a = fixture_accept (&f, 1, 500);
    b = fixture_accept (&f, 2, 20000);
    g_assert_cmpuint (b, >, a);
    message = relais_spool_peek (f.spool, a);
    fixture_check (message, 1, 500);
    relais_message_unref (message);
    relais_spool_cool (f.spool, a);
    g_assert_null (relais_spool_peek (f.spool, a));
    fixture_close (&f);

    fixture_open (&f);
    found = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (found), ==, 2);
    g_assert_true (g_hash_table_contains (found, &a));
    message = fixture_load (&f, b, NULL);
    fixture_check (message, 2, 20000);
    relais_message_unref (message);
    fixture_done (&f, b);
    g_assert_null (fixture_load (&f, b, NULL));
    relais_spool_figures (f.spool, &figures);
    g_assert_cmpuint (figures.messages, ==, 1);
    fixture_close (&f);

    fixture_open (&f);
    left = fixture_recover (&f);
    g_assert_cmpuint (g_hash_table_size (left), ==, 1);
    g_assert_true (g_hash_table_contains (left, &a));
    fixture_clear (&f);
}

/* --- Groups ------------------------------------------------------------------------------------- */

static void
test_states_come_back (void)
{
    Fixture f;
    guint64 id;
    RelaisGroup *group;
    Outcome outcome;

    fixture_init (&f);
    fixture_open (&f);
    id = fixture_accept (&f, 1, 900);
    for (guint i = 1; i <= 3; i++) {
        RelaisMessage *message = fixture_load (&f, id, NULL);

        g_assert_cmpuint (message->states[0].attempts, ==, i - 1);
        message->states[0].attempts = (guint16)i;
        relais_message_set_state_reply (&message->states[0], "451 later");
        group = relais_group_new (f.spool);
        relais_group_add_state (group, message);
        fixture_submit (&f, group, RELAIS_GROUP_LAZY, &outcome);
        g_assert_no_error (outcome.error);
        relais_message_unref (message);
        if (i == 2) {
            fixture_close (&f);
            fixture_open (&f);
        }
    }
    fixture_close (&f);
    fixture_open (&f);
    {
        g_autoptr (GHashTable) found = fixture_recover (&f);
        const RelaisMessage *message = g_hash_table_lookup (found, &id);

        g_assert_cmpuint (message->states[0].attempts, ==, 3);
        g_assert_cmpstr (message->states[0].reply, ==, "451 later");
    }
    fixture_clear (&f);
}

/* LAZY groups wait for company: many of them share one sync, and an urgent one takes them along. */
static void
test_lazy_shares_a_sync (void)
{
    enum { N = 20 };
    Fixture f;
    guint64 ids[N];
    Outcome outcomes[N] = {0};
    RelaisSpoolFigures before, after;

    fixture_init (&f);
    fixture_open (&f);
    for (guint i = 0; i < N; i++)
        ids[i] = fixture_accept (&f, i, 600);
    relais_spool_figures (f.spool, &before);
    for (guint i = 0; i < N; i++) {
        RelaisGroup *group = relais_group_new (f.spool);

        relais_group_add_done (group, ids[i]);
        if (i == 0)
            fixture_submit (&f, group, RELAIS_GROUP_LAZY, &outcomes[0]);
        else
            fixture_submit_only (group, RELAIS_GROUP_LAZY, &outcomes[i]);
    }
    fixture_wait (&f, &outcomes[N - 1].synced);
    relais_spool_figures (f.spool, &after);
    g_assert_cmpuint (after.syncs - before.syncs, <=, 4);
    g_assert_cmpuint (after.messages, ==, 0);
    fixture_clear (&f);
}

/* --- Events ------------------------------------------------------------------------------------- */

static bool
count_event (gpointer data, const char *line, gsize size)
{
    (*(guint *)data)++;
    return true;
}

static void
accept_with_event (Fixture *f, guint seed)
{
    g_autoptr (RelaisMessage) message = fixture_message (f, seed);
    g_autoptr (GBytes) body = fixture_body (seed, 700);
    g_autoptr (GBytes) line = NULL;
    RelaisGroup *group = relais_group_new (f->spool);
    RelaisEventLine *event;
    char id[RELAIS_ID_TEXT_BYTES];
    Outcome outcome;

    relais_id_to_text (message->id, id);
    event = relais_event_line_new ("accepted", 1000, id, -1, 0);
    relais_event_line_add (event, "mark", "zebra");
    line = relais_event_line_end (event);
    relais_group_add_message (group, message, fixture_draft (f, body));
    relais_group_add_event (group, line);
    fixture_submit (f, group, RELAIS_GROUP_URGENT, &outcome);
    g_assert_no_error (outcome.error);
}

static void
test_events_handed_over_again (void)
{
    Fixture f;
    g_autofree char *events_dir = NULL;
    guint64 last;
    guint n = 0;

    fixture_init (&f);
    events_dir = g_build_filename (f.dir, "events", NULL);
    g_mkdir (events_dir, 0700);
    f.events = relais_event_log_open (events_dir, f.loop, NULL);
    g_assert_nonnull (f.events);
    fixture_open (&f);
    for (guint i = 0; i < 5; i++)
        accept_with_event (&f, i);
    fixture_close (&f);
    last = relais_event_log_last_seq (f.events);
    g_assert_cmpuint (last, >, 0);
    g_clear_pointer (&f.events, relais_event_log_close);
    /* The log loses everything; the spool gives it back, once. */
    fixture_remove_dir (events_dir);
    g_mkdir (events_dir, 0700);
    for (int round = 0; round < 2; round++) {
        f.events = relais_event_log_open (events_dir, f.loop, NULL);
        fixture_open (&f);
        fixture_close (&f);
        g_assert_cmpuint (relais_event_log_last_seq (f.events), ==, last);
        g_clear_pointer (&f.events, relais_event_log_close);
    }
    g_assert_true (relais_event_log_search (events_dir, "zebra", count_event, &n, NULL));
    g_assert_cmpuint (n, ==, 5);
    fixture_clear (&f);
}

/* --- Large bodies ------------------------------------------------------------------------------- */

static guint
count_files (Fixture *f, const char *sub)
{
    g_autofree char *path = g_build_filename (f->spool_dir, sub, NULL);
    GDir *dir = g_dir_open (path, 0, NULL);
    guint n = 0;

    while (g_dir_read_name (dir) != NULL)
        n++;
    g_dir_close (dir);
    return n;
}

static void
test_large_body (void)
{
    Fixture f;
    guint64 id, other;
    RelaisMessage *message;
    RelaisDraft *draft;
    g_autoptr (GBytes) body = fixture_body (3, 600000);

    fixture_init (&f);
    fixture_open (&f);
    id = fixture_accept (&f, 1, 3 << 20);
    other = fixture_accept (&f, 2, 300000);
    g_assert_null (relais_spool_peek (f.spool, id));
    draft = fixture_draft (&f, body); /* dropped: its file must go */
    relais_draft_free (draft);
    fixture_close (&f);
    g_assert_cmpuint (count_files (&f, "bodies"), ==, 2);

    fixture_open (&f);
    g_hash_table_unref (fixture_recover (&f));
    message = fixture_load (&f, id, NULL);
    fixture_check (message, 1, 3 << 20);
    relais_message_unref (message);
    fixture_done (&f, id);
    fixture_close (&f);
    g_assert_cmpuint (count_files (&f, "bodies"), ==, 1);

    fixture_open (&f);
    g_hash_table_unref (fixture_recover (&f));
    message = fixture_load (&f, other, NULL);
    fixture_check (message, 2, 300000);
    relais_message_unref (message);
    fixture_clear (&f);
}

/* Whether a message of that size is in memory, all of it, once it was accepted. */
static bool
is_hot (Fixture *f, gsize size)
{
    const guint64 id = fixture_accept (f, 1, size);
    g_autoptr (RelaisMessage) message = relais_spool_peek (f->spool, id);
    const guint8 *bytes;
    guint64 at = 0;
    gsize n;

    if (message == NULL)
        return false;
    fixture_check (message, 1, size);
    while ((n = relais_body_peek (message->body, at, &bytes)) > 0)
        at += n;
    g_assert_cmpuint (at, ==, size);
    relais_spool_cool (f->spool, id);
    return true;
}

/* A body file's bytes stay in memory for the first delivery, if they are few and there is room. */
static void
test_body_kept (void)
{
    Fixture f;
    RelaisSpoolFigures figures;

    fixture_init (&f);
    f.options.hot_memory_bytes = 8 << 20;
    fixture_open (&f);
    g_assert_true (is_hot (&f, 300000));
    g_assert_true (is_hot (&f, RELAIS_BODY_KEPT_BYTES));
    g_assert_false (is_hot (&f, RELAIS_BODY_KEPT_BYTES + 1));
    fixture_close (&f);
    f.options.receive_memory_bytes = 1 << 20;
    fixture_open (&f);
    g_assert_true (is_hot (&f, 300000));
    g_assert_false (is_hot (&f, 900000));
    relais_spool_figures (f.spool, &figures);
    g_assert_cmpuint (figures.receive_bytes, ==, 0);
    g_assert_cmpuint (figures.hot_bytes, ==, 0);
    fixture_clear (&f);
}

static void
test_body_readable_while_written (void)
{
    Fixture f;
    g_autoptr (GBytes) body = fixture_body (1, 2 << 20);
    const RelaisBodyFacts *facts;
    RelaisDraft *draft;
    RelaisBody *reader;
    gsize size, header;
    const guint8 *bytes = g_bytes_get_data (body, &size);
    g_autofree guint8 *back = g_malloc (size);

    fixture_init (&f);
    fixture_open (&f);
    draft = relais_draft_new (f.spool);
    relais_draft_append (draft, bytes, size); /* told to stop; the bytes are taken all the same */
    facts = relais_draft_end (draft);
    g_assert_true (
        g_str_has_prefix ((const char *)relais_draft_header (draft, &header), "Subject:"));
    g_assert_cmpuint (header, ==, facts->header_bytes);
    reader = relais_draft_body (draft);
    g_assert_true (relais_body_read (reader, 0, back, size, NULL));
    g_assert_true (memcmp (bytes, back, size) == 0);
    relais_body_unref (reader);
    relais_draft_free (draft);
    fixture_clear (&f);
}

static gsize
resident_bytes (void)
{
    g_autofree char *text = NULL;
    unsigned long size, resident;

    g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
    g_assert_cmpint (sscanf (text, "%lu %lu", &size, &resident), ==, 2);
    return resident * 4096;
}

typedef struct {
    bool go_on;
} Flow;

static void
go_on (gpointer data)
{
    ((Flow *)data)->go_on = true;
}

static void
test_hundred_megabytes (void)
{
    enum { PIECE = 65536, TOTAL = 100 << 20 };
    Fixture f;
    Flow flow = {true};
    g_autofree guint8 *piece = g_malloc (PIECE);
    g_autoptr (RelaisMessage) message = NULL;
    RelaisDraft *draft;
    RelaisGroup *group;
    Outcome outcome;
    gsize base, peak = 0;

    for (gsize i = 0; i < PIECE; i++)
        piece[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
    fixture_init (&f);
    fixture_open (&f);
    message = fixture_message (&f, 1);
    draft = relais_draft_new (f.spool);
    relais_draft_set_resume (draft, go_on, &flow);
    base = resident_bytes ();
    relais_draft_append (draft, (const guint8 *)"Subject: x\r\n\r\n", 14);
    for (gsize at = 0; at < TOTAL; at += PIECE) {
        flow.go_on = relais_draft_append (draft, piece, PIECE);
        fixture_wait (&f, &flow.go_on);
        peak = MAX (peak, resident_bytes ());
    }
    g_assert_null (relais_draft_failure (draft));
    relais_draft_end (draft);
    group = relais_group_new (f.spool);
    relais_group_add_message (group, message, draft);
    fixture_submit (&f, group, RELAIS_GROUP_URGENT, &outcome);
    g_assert_no_error (outcome.error);
#ifdef RELAIS_SANITIZED
    g_test_message ("grew by %" G_GSIZE_FORMAT " bytes", peak - base); /* freed memory is kept */
#else
    g_assert_cmpuint (peak - base, <=, 8 << 20);
#endif
    fixture_clear (&f);
}

static void
test_receive_memory (void)
{
    Fixture f;
    Flow flow = {false};
    RelaisDraft *drafts[9];
    RelaisSpoolFigures figures;
    g_autofree guint8 *piece = g_malloc (100000);

    memset (piece, 'x', 100000);
    fixture_init (&f);
    f.options.receive_memory_bytes = 1 << 20;
    fixture_open (&f);
    for (guint i = 0; i < G_N_ELEMENTS (drafts); i++)
        drafts[i] = relais_draft_new (f.spool);
    relais_draft_set_resume (drafts[8], go_on, &flow);
    for (guint i = 0; i < 8; i++) {
        g_assert_null (relais_spool_refusal (f.spool, 0));
        relais_draft_append (drafts[i], piece, 100000);
    }
    g_assert_false (relais_draft_append (drafts[8], piece, 100000));
    g_assert_error (relais_spool_refusal (f.spool, 0), RELAIS_SPOOL_ERROR,
                    RELAIS_SPOOL_ERROR_MEMORY);
    for (guint i = 0; i < 5; i++)
        relais_draft_free (g_steal_pointer (&drafts[i]));
    fixture_wait (&f, &flow.go_on);
    g_assert_null (relais_draft_failure (drafts[8]));
    g_assert_null (relais_spool_refusal (f.spool, 0));
    for (guint i = 0; i < G_N_ELEMENTS (drafts); i++)
        relais_draft_free (drafts[i]);
    relais_spool_figures (f.spool, &figures);
    g_assert_cmpuint (figures.receive_bytes, ==, 0);
    fixture_clear (&f);
}

/* --- The directory ------------------------------------------------------------------------------ */

static void
test_lock (void)
{
    Fixture f;
    g_autoptr (GError) error = NULL;

    fixture_init (&f);
    fixture_open (&f);
    g_assert_null (relais_spool_open (&f.options, f.loop, f.pool, NULL, &error));
    g_assert_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_LOCKED);
    fixture_close (&f);
    fixture_open (&f); /* the file is still there, the lock is not */
    fixture_clear (&f);
}

static void
test_min_free (void)
{
    Fixture f;
    bool refused = false;
    gint64 until = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

    fixture_init (&f);
    f.options.min_free_bytes = G_MAXUINT64 / 2;
    fixture_open (&f);
    while (!refused && g_get_monotonic_time () < until) {
        const GError *error = relais_spool_refusal (f.spool, 0);

        refused = error != NULL && error->code == RELAIS_SPOOL_ERROR_SPACE;
        g_usleep (1000);
    }
    g_assert_true (refused);
    fixture_close (&f);
    f.options.min_free_bytes = 1;
    fixture_open (&f);
    fixture_accept (&f, 1, 500);
    g_assert_null (relais_spool_refusal (f.spool, 0));
    g_assert_error (relais_spool_refusal (f.spool, G_MAXUINT64), RELAIS_SPOOL_ERROR,
                    RELAIS_SPOOL_ERROR_SPACE);
    fixture_clear (&f);
}

static void
test_newer_format (void)
{
    Fixture f;
    g_autofree char *name = NULL;
    g_autofree char *path = NULL;
    g_autofree char *bytes = NULL;
    g_autofree RelaisSegmentHeader *header = g_new0 (RelaisSegmentHeader, 1);
    g_autoptr (GError) error = NULL;
    gsize size;

    fixture_init (&f);
    fixture_open (&f);
    fixture_accept (&f, 1, 500);
    fixture_close (&f);
    name = fixture_first_segment (&f);
    path = g_build_filename (f.spool_dir, name, NULL);
    g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
    g_assert_cmpint (relais_segment_header_decode ((guint8 *)bytes, header), ==,
                     RELAIS_HEADER_GOOD);
    header->format = RELAIS_SPOOL_FORMAT + 1;
    relais_segment_header_encode (header, (guint8 *)bytes);
    g_assert_true (g_file_set_contents (path, bytes, (gssize)size, NULL));
    f.options.dir = f.spool_dir;
    g_assert_null (relais_spool_open (&f.options, f.loop, f.pool, NULL, &error));
    g_assert_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_FORMAT);
    fixture_clear (&f);
}

typedef struct {
    RelaisClock clock;
    gint64 wall_us;
} BackClock;

static gint64
back_wall (const RelaisClock *self)
{
    return ((const BackClock *)self)->wall_us;
}

static gint64
back_mono (const RelaisClock *self)
{
    return g_get_monotonic_time ();
}

static void
test_ids_never_repeat (void)
{
    BackClock clock = {{back_wall, back_mono}, G_GINT64_CONSTANT (1800000000000000)};
    guint64 last = 0;
    Fixture f;

    fixture_init (&f);
    relais_pool_free (f.pool);
    relais_loop_free (f.loop);
    f.loop = relais_loop_new (&clock.clock, NULL);
    f.pool = relais_pool_new (f.loop, "test", 1, 64);
    for (guint round = 0; round < 4; round++) {
        fixture_open (&f);
        for (guint i = 0; i < 1000; i++) {
            guint64 id = relais_spool_new_id (f.spool); /* given, and perhaps never written */

            g_assert_cmpuint (id, >, last);
            last = id;
        }
        if (round == 1)
            fixture_done (&f, fixture_accept (&f, round, 500));
        fixture_close (&f);
        clock.wall_us /= 100;
    }
    fixture_clear (&f);
}

/* --- Freeing and compaction --------------------------------------------------------------------- */

static void
wait_for_segments (Fixture *f, guint64 at_most)
{
    gint64 until = g_get_monotonic_time () + 15 * G_USEC_PER_SEC;
    RelaisSpoolFigures figures;

    do {
        relais_loop_turn (f->loop, false);
        g_usleep (500);
        relais_spool_figures (f->spool, &figures);
        g_assert_cmpint (g_get_monotonic_time (), <, until);
    } while (figures.segments > at_most);
}

static void
test_freeing (void)
{
    Fixture f;

    fixture_init (&f);
    fixture_open (&f);
    for (guint i = 0; i < 300; i++)
        fixture_done (&f, fixture_accept (&f, i, 2500));
    wait_for_segments (&f, 2);
    g_assert_cmpuint (count_files (&f, "."), <, 12);
    fixture_clear (&f);
}

static void
test_compaction (void)
{
    enum { N = 600, KEEP = 50 };
    Fixture f;
    guint64 kept[N / KEEP];
    RelaisSpoolFigures figures;

    fixture_init (&f);
    fixture_open (&f);
    for (guint i = 0; i < N; i++) {
        guint64 id = fixture_accept (&f, i, 2500);

        if (i % KEEP == 0)
            kept[i / KEEP] = id;
        else
            fixture_done (&f, id);
    }
    relais_spool_figures (f.spool, &figures);
    wait_for_segments (&f, 9);
    for (int round = 0; round < 2; round++) {
        for (guint i = 0; i < N / KEEP; i++) {
            g_autoptr (RelaisMessage) message = fixture_load (&f, kept[i], NULL);

            g_assert_nonnull (message);
            fixture_check (message, i * KEEP, 2500);
        }
        fixture_close (&f);
        fixture_open (&f);
        {
            g_autoptr (GHashTable) found = fixture_recover (&f);

            g_assert_cmpuint (g_hash_table_size (found), ==, N / KEEP);
        }
    }
    fixture_clear (&f);
}

/* --- Damage ------------------------------------------------------------------------------------- */

static void
note_row (gpointer data, const char *json)
{
    g_ptr_array_add (data, g_strdup (json));
}

static void
test_verify_and_dump (void)
{
    Fixture f;
    g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (g_free);
    g_autofree char *name = NULL;
    g_autofree char *path = NULL;
    g_autofree char *bytes = NULL;
    gsize size;

    fixture_init (&f);
    fixture_open (&f);
    for (guint i = 0; i < 3; i++)
        fixture_accept (&f, i, 400);
    /* In use: what a kill would leave is a segment without an index. */
    g_assert_true (relais_spool_verify (f.spool_dir, note_row, rows, NULL));
    g_assert_nonnull (strstr (g_ptr_array_index (rows, 0), "\"records\":3,"));
    fixture_close (&f);
    g_ptr_array_set_size (rows, 0);
    g_assert_true (relais_spool_dump (f.spool_dir, note_row, rows, NULL));
    g_assert_cmpuint (rows->len, ==, 3);
    g_assert_nonnull (strstr (g_ptr_array_index (rows, 1), "\"sender\":\"s1@sender.test\""));
    name = fixture_first_segment (&f);
    path = g_build_filename (f.spool_dir, name, NULL);
    g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
    bytes[4096 + 300] ^= 1;
    g_assert_true (g_file_set_contents (path, bytes, (gssize)size, NULL));
    g_ptr_array_set_size (rows, 0);
    g_assert_false (relais_spool_verify (f.spool_dir, note_row, rows, NULL));
    g_assert_cmpuint (rows->len, ==, 2);
    g_assert_nonnull (strstr (g_ptr_array_index (rows, 0), "\"offset\":4096"));
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_func ("/spool/accept-restart-load-done", test_accept_restart_load_done);
    g_test_add_func ("/spool/states", test_states_come_back);
    g_test_add_func ("/spool/lazy", test_lazy_shares_a_sync);
    g_test_add_func ("/spool/events", test_events_handed_over_again);
    g_test_add_func ("/spool/body/large", test_large_body);
    g_test_add_func ("/spool/body/kept", test_body_kept);
    g_test_add_func ("/spool/body/readable-while-written", test_body_readable_while_written);
    g_test_add_func ("/spool/body/hundred-megabytes", test_hundred_megabytes);
    g_test_add_func ("/spool/receive-memory", test_receive_memory);
    g_test_add_func ("/spool/lock", test_lock);
    g_test_add_func ("/spool/min-free", test_min_free);
    g_test_add_func ("/spool/newer-format", test_newer_format);
    g_test_add_func ("/spool/ids", test_ids_never_repeat);
    g_test_add_func ("/spool/freeing", test_freeing);
    g_test_add_func ("/spool/compaction", test_compaction);
    g_test_add_func ("/spool/verify-and-dump", test_verify_and_dump);
    return g_test_run ();
}
