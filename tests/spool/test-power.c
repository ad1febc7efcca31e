/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool when the power goes: of what no sync covered any part may be missing, the earlier one too.
 * The linker puts __wrap_relais_segment_seal () in the way, where a copy of the spool is made of which only that
 * is lost, and __wrap_fsync () and __wrap_fdatasync (), which look at what is synced; the keeper's syncs of a directory
 * can be made to fail, and __wrap_fstatvfs () to say that there is no room.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

static bool keeper_fails, no_room; /* atomic */
static int n_failed;               /* syncs of the keeper's; atomic */

static bool
is_keepers (void)
{
    char name[16] = "";

    return pthread_getname_np (pthread_self (), name, sizeof name) == 0 &&
           strcmp (name, "spool-keeper") == 0;
}

int
__wrap_fsync (int fd)
{
    if (is_directory (fd))
        __atomic_fetch_add (&n_directories, 1, __ATOMIC_ACQ_REL);
    if (!__atomic_load_n (&keeper_fails, __ATOMIC_ACQUIRE) || !is_keepers ())
        return __real_fsync (fd);
    __atomic_fetch_add (&n_failed, 1, __ATOMIC_ACQ_REL);
    errno = EIO;
    return -1;
}

int __real_fstatvfs (int fd, struct statvfs *fs);
int __wrap_fstatvfs (int fd, struct statvfs *fs);

int
__wrap_fstatvfs (int fd, struct statvfs *fs)
{
    const int result = __real_fstatvfs (fd, fs);

    if (__atomic_load_n (&no_room, __ATOMIC_ACQUIRE))
        fs->f_bavail = 0;
    return result;
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

static guint
count_files (const char *prefix)
{
    DIR *dir = opendir (fixture.spool_dir);
    const struct dirent *entry;
    guint n = 0;

    g_assert_nonnull (dir);
    while ((entry = readdir (dir)) != NULL)
        n += g_str_has_prefix (entry->d_name, prefix);
    closedir (dir);
    return n;
}

static bool
blanks_agree (void)
{
    RelaisSpoolFigures figures;

    relais_spool_figures (fixture.spool, &figures);
    return figures.free_segments == count_files ("blank-") &&
           figures.segments == count_files ("segment-");
}

/* The keeper renames or removes the file of a segment that is dead, and cannot sync the directory. When it can again
 * there is room where there was none, or the other way round: that is nothing to it any more, and the blanks that it
 * has are those on the disk. */
static void
test_retired_twice (gconstpointer data)
{
    const bool room_first = GPOINTER_TO_INT (data) != 0;
    guint64 ids[4];

    fixture_init (&fixture);
    __atomic_store_n (&no_room, !room_first, __ATOMIC_RELEASE);
    fixture_open (&fixture);
    for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
        ids[i] = fixture_accept (&fixture, i, 30000);
    __atomic_store_n (&n_failed, 0, __ATOMIC_RELEASE);
    __atomic_store_n (&keeper_fails, true, __ATOMIC_RELEASE);
    for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
        fixture_done (&fixture, ids[i]);
    while (__atomic_load_n (&n_failed, __ATOMIC_ACQUIRE) == 0)
        g_usleep (1000);
    __atomic_store_n (&no_room, room_first, __ATOMIC_RELEASE);
    g_usleep (1500 * 1000); /* the keeper looks each second */
    __atomic_store_n (&keeper_fails, false, __ATOMIC_RELEASE);
    for (guint i = 0; i < 5000 && !blanks_agree (); i++)
        g_usleep (1000);
    g_assert_true (blanks_agree ());
    __atomic_store_n (&no_room, false, __ATOMIC_RELEASE);
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
    fixture_allow_warnings ();
    g_test_add_func ("/spool/power/names", test_names);
    g_test_add_data_func ("/spool/power/retired-twice/room", GINT_TO_POINTER (1),
                          test_retired_twice);
    g_test_add_data_func ("/spool/power/retired-twice/no-room", GINT_TO_POINTER (0),
                          test_retired_twice);
    g_test_add_func ("/spool/power/full-segment", test_full_segment);
    return g_test_run ();
}
