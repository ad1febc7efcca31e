/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool on a disk that takes its time to write: what is read meanwhile is there. The linker puts
 * __wrap_relais_segment_write () in the way of the writer.
 */
#include "config.h"

#include "fixture.h"
#include "spool/segment.h"

enum { N = 600, KEEP = 50, SIZE = 2500, SLOW_US = 20000 };

static bool slow; /* atomic */

bool __real_relais_segment_write (RelaisSegment *segment, struct iovec *iov, gsize n,
                                  guint32 offset, GError **error);
bool __wrap_relais_segment_write (RelaisSegment *segment, struct iovec *iov, gsize n,
                                  guint32 offset, GError **error);
bool
__wrap_relais_segment_write (RelaisSegment *segment, struct iovec *iov, gsize n, guint32 offset,
                             GError **error)
{
    if (__atomic_load_n (&slow, __ATOMIC_RELAXED))
        g_usleep (SLOW_US);
    return __real_relais_segment_write (segment, iov, n, offset, error);
}

/* Many segments of which little lives, so that the keeper compacts. */
static void
fill (Fixture *f, guint64 *kept)
{
    for (guint i = 0; i < N; i++) {
        const guint64 id = fixture_accept (f, i, SIZE);

        if (i % KEEP == 0)
            kept[i / KEEP] = id;
        else
            fixture_done (f, id);
    }
}

static void
check_all (Fixture *f, const guint64 *kept)
{
    for (guint i = 0; i < N / KEEP; i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (RelaisMessage) message = fixture_load (f, kept[i], &error);

        g_assert_no_error (error);
        fixture_check (message, i * KEEP, SIZE);
    }
}

/* A message that the compaction is moving can be loaded, and recovery finds it, before its copy is
 * written. */
static void
test_compaction (void)
{
    Fixture f;
    guint64 kept[N / KEEP];

    fixture_init (&f);
    fixture_open (&f);
    fill (&f, kept);
    __atomic_store_n (&slow, true, __ATOMIC_RELAXED);
    for (guint round = 0; round < 20; round++)
        check_all (&f, kept);
    for (guint round = 0; round < 4; round++) {
        fixture_close (&f);
        fixture_open (&f);
        {
            g_autoptr (GHashTable) found = fixture_recover (&f);

            g_assert_cmpuint (g_hash_table_size (found), ==, N / KEEP);
        }
        check_all (&f, kept);
    }
    __atomic_store_n (&slow, false, __ATOMIC_RELAXED);
    fixture_clear (&f);
}

/* The states of a message are those of its last STATE that was written, never none. */
static void
test_states (void)
{
    Fixture f;
    guint64 id;

    fixture_init (&f);
    fixture_open (&f);
    id = fixture_accept (&f, 1, SIZE);
    __atomic_store_n (&slow, true, __ATOMIC_RELAXED);
    for (guint16 round = 1; round <= 10; round++) {
        g_autoptr (RelaisMessage) message = fixture_load (&f, id, NULL);
        g_autoptr (RelaisMessage) meanwhile = NULL;
        RelaisGroup *group = relais_group_new (f.spool);
        Outcome outcome;

        g_assert_cmpuint (message->states[0].attempts, ==, round - 1);
        message->states[0].attempts = round;
        relais_group_add_state (group, message);
        fixture_submit_only (group, RELAIS_GROUP_URGENT, &outcome);
        while (!outcome.synced) {
            g_clear_pointer (&meanwhile, relais_message_unref);
            meanwhile = fixture_load (&f, id, NULL);
            g_assert_cmpuint (meanwhile->states[0].attempts, >=, round - 1);
        }
        outcome_clear (&outcome);
    }
    __atomic_store_n (&slow, false, __ATOMIC_RELAXED);
    fixture_clear (&f);
}

typedef struct {
    bool done, failed;
} Discarded;

static void
on_discarded (gpointer data, guint64 bytes, const GError *error)
{
    *(Discarded *)data = (Discarded){true, error != NULL};
}

/* A deletion whose event is on its way when the spool is closed is done, and told of, before the spool goes. */
static void
test_discard (void)
{
    Fixture f;
    g_autofree char *path = NULL;
    Discarded discarded = {0};
    RelaisSpoolFigures figures;

    fixture_init (&f);
    fixture_open (&f);
    path = g_build_filename (f.spool_dir, "quarantine", "00000000000000ab", NULL);
    g_assert_true (g_file_set_contents (path, "body", 4, NULL));
    __atomic_store_n (&slow, true, __ATOMIC_RELAXED);
    relais_spool_discard (f.spool, "00000000000000ab", on_discarded, &discarded);
    do {
        (void)relais_loop_turn (f.loop, false);
        g_usleep (100);
        relais_spool_figures (f.spool, &figures);
    } while (figures.groups == 0);
    g_assert_false (discarded.done);
    fixture_close (&f);
    __atomic_store_n (&slow, false, __ATOMIC_RELAXED);
    g_assert_true (discarded.done && !discarded.failed);
    g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    fixture_clear (&f);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/spool/slow/compaction", test_compaction);
    g_test_add_func ("/spool/slow/states", test_states);
    g_test_add_func ("/spool/slow/discard", test_discard);
    return g_test_run ();
}
