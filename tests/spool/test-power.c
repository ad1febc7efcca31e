/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool when the power goes: of what no sync covered any part may be missing, the earlier one too.
 * The linker puts __wrap_relais_segment_seal () in the way, where a copy of the spool is made of which only that
 * is lost, and __wrap_fsync () and __wrap_fdatasync (), which look at what is synced.
 */
#include "config.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "spool/segment.h"

enum { N = 1000 };

static Fixture fixture;
static char *copy_dir; /* set before the spool is opened; NULL: no copy is made */
static int n_copies;   /* atomic */

bool __real_relais_segment_seal (RelaisSegment *segment, GError **error);
bool __wrap_relais_segment_seal (RelaisSegment *segment, GError **error);

/* What was written and not synced when the index was begun is zeros in the copy; the index is there. */
static void
cut_power (const RelaisSegment *segment, guint32 synced)
{
    char name[RELAIS_SEGMENT_NAME_BYTES];
    g_autofree char *path = NULL;
    g_autofree guint8 *zeros = g_malloc0 (segment->capacity);
    const gsize lost = segment->end - synced;
    int fd;

    fixture_copy_dir (fixture.spool_dir, copy_dir);
    relais_segment_name (name, segment->number);
    path = g_build_filename (copy_dir, name, NULL);
    fd = open (path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint (fd, >=, 0);
    g_assert_cmpint (pwrite (fd, zeros, lost, (off_t)synced), ==, (ssize_t)lost);
    close (fd);
}

bool
__wrap_relais_segment_seal (RelaisSegment *segment, GError **error)
{
    const guint32 synced = segment->synced;
    const bool good = __real_relais_segment_seal (segment, error);

    if (copy_dir != NULL && __atomic_fetch_add (&n_copies, 1, __ATOMIC_ACQ_REL) == 0)
        cut_power (segment, synced);
    return good;
}

/* --- Names -------------------------------------------------------------------------------------- */

static int n_directories; /* synced as they have to be; atomic */

int __real_fsync (int fd);
int __wrap_fsync (int fd);
int __real_fdatasync (int fd);
int __wrap_fdatasync (int fd);

static bool
is_directory (int fd)
{
    struct stat st;

    return fstat (fd, &st) == 0 && S_ISDIR (st.st_mode);
}

int
__wrap_fsync (int fd)
{
    if (is_directory (fd))
        __atomic_fetch_add (&n_directories, 1, __ATOMIC_ACQ_REL);
    return __real_fsync (fd);
}

int
__wrap_fdatasync (int fd)
{
    g_assert_false (is_directory (fd));
    return __real_fdatasync (fd);
}

/* The names of a new body file and of a new segment are no data of their directories: a sync of data alone
 * need not write them. */
static void
test_names (void)
{
    int before;

    fixture_init (&fixture);
    fixture_open (&fixture);
    before = __atomic_load_n (&n_directories, __ATOMIC_ACQUIRE);
    fixture_accept (&fixture, 1, 400000);
    g_assert_cmpint (__atomic_load_n (&n_directories, __ATOMIC_ACQUIRE), ==, before + 1);
    for (guint i = 0; i < 4; i++)
        fixture_accept (&fixture, i, 20000);
    g_assert_cmpint (__atomic_load_n (&n_directories, __ATOMIC_ACQUIRE), >, before + 1);
    fixture_clear (&fixture);
}

/* --- Data --------------------------------------------------------------------------------------- */

static void
submit_attempts (RelaisMessage *message, guint16 attempts, RelaisGroupUrgency urgency,
                 Outcome *outcome)
{
    RelaisGroup *group = relais_group_new (fixture.spool);

    message->states[0].attempts = attempts;
    relais_group_add_state (group, message);
    fixture_submit_only (group, urgency, outcome);
}

/* A segment that was filled just before the power went has its index, and not all of its records: the state
 * that was synced before counts, for each recipient it speaks of would have the message twice. */
static void
test_full_segment (void)
{
    g_autofree Outcome *outcomes = g_new0 (Outcome, N);
    RelaisMessage *message;
    guint64 id;

    fixture_init (&fixture);
    copy_dir = g_build_filename (fixture.dir, "copy", NULL);
    fixture_open (&fixture);
    id = fixture_accept (&fixture, 1, 900);
    message = fixture_load (&fixture, id, NULL);
    submit_attempts (message, 1, RELAIS_GROUP_URGENT, &outcomes[0]);
    fixture_wait (&fixture, &outcomes[0].synced);
    for (guint i = 1; i < N; i++)
        submit_attempts (message, 2, RELAIS_GROUP_LAZY, &outcomes[i]);
    fixture_wait (&fixture, &outcomes[N - 1].synced);
    relais_message_unref (message);
    fixture_close (&fixture);
    g_assert_cmpint (__atomic_load_n (&n_copies, __ATOMIC_ACQUIRE), >, 0);

    g_free (fixture.spool_dir);
    fixture.spool_dir = g_steal_pointer (&copy_dir);
    fixture_open (&fixture);
    {
        g_autoptr (GHashTable) found = fixture_recover (&fixture);

        message = g_hash_table_lookup (found, &id);
        g_assert_nonnull (message);
        g_assert_cmpuint (message->states[0].attempts, >=, 1);
    }
    fixture_clear (&fixture);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/spool/power/names", test_names);
    g_test_add_func ("/spool/power/full-segment", test_full_segment);
    return g_test_run ();
}
