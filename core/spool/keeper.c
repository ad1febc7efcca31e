/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keeper: makes blank segments ahead of need, frees segments in which all is dead, unlinks body
 * files, watches the free space, and has old segments compacted. Its own thread.
 *
 * Freeing is strictly one segment after another, the directory synced in between, so that a DONE
 * never goes from the disk while a MESSAGE of its id is still there.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "spool/spool-state.h"

enum { TARGET_BLANKS = 2 };
#define LOOK_US RELAIS_USEC_PER_SEC

/* --- Space -------------------------------------------------------------------------------------- */

static void
look_at_space (RelaisSpool *spool)
{
    struct statvfs fs;
    guint64 floor = spool->options.min_free_bytes;

    relais_assert_may_block ();
    if (fstatvfs (spool->dir_fd, &fs) < 0)
        return;
    if (floor == 0)
        floor = MIN ((guint64)fs.f_blocks * fs.f_frsize / 10, G_GUINT64_CONSTANT (2) << 30);
    __atomic_store_n (&spool->min_free, floor, __ATOMIC_RELAXED);
    __atomic_store_n (&spool->free_bytes, (guint64)fs.f_bavail * fs.f_frsize, __ATOMIC_RELAXED);
    /* Some file systems have no fixed number of inodes and say 0. */
    __atomic_store_n (&spool->low_inodes,
                      fs.f_files > 0 && fs.f_favail < spool->options.min_free_inodes,
                      __ATOMIC_RELAXED);
}

static bool
space_is_short (RelaisSpool *spool)
{
    return __atomic_load_n (&spool->free_bytes, __ATOMIC_RELAXED) <
           __atomic_load_n (&spool->min_free, __ATOMIC_RELAXED);
}

/* --- Blanks ------------------------------------------------------------------------------------- */

/* What to make now; 0 for nothing. Ahead of need only with space to spare, but for the reserve. */
static guint64
blank_to_make (RelaisSpool *spool)
{
    guint64 bytes;

    g_mutex_lock (&spool->log_lock);
    bytes = spool->blank_error == NULL ? spool->blank_wanted_bytes : 0;
    if (bytes == 0 && (spool->blanks->len == 0 ||
                       (spool->blanks->len < TARGET_BLANKS && !space_is_short (spool))))
        bytes = spool->options.segment_bytes;
    g_mutex_unlock (&spool->log_lock);
    return bytes;
}

/* Mail is refused once the last one is full: said when it begins and when it is over, not each second. */
static void
tell_blanks (RelaisSpool *spool, const GError *error)
{
    if (error != NULL && !spool->blanks_fail)
        g_warning ("the spool \"%s\" cannot make its next segment: %s", spool->dir, error->message);
    else if (error == NULL && spool->blanks_fail)
        g_message ("the spool \"%s\" can make segments again", spool->dir);
    spool->blanks_fail = error != NULL;
}

static bool
make_blank (RelaisSpool *spool, guint64 bytes)
{
    guint32 number = __atomic_fetch_add (&spool->next_number, 1, __ATOMIC_RELAXED);
    GError *error = NULL;
    bool good = false;

    if (bytes > RELAIS_SEGMENT_MAX_BYTES)
        g_set_error_literal (&error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_SPACE,
                             "a group is larger than a segment can be");
    else
        good = relais_segment_make_blank (spool->dir_fd, number, (guint32)bytes, &error);
    tell_blanks (spool, error);
    g_mutex_lock (&spool->log_lock);
    /* The writer takes the last: one that was made to measure stays that, whatever is made before it comes. */
    if (good && bytes > spool->options.segment_bytes)
        g_array_append_val (spool->blanks, number);
    else if (good)
        g_array_insert_val (spool->blanks, 0, number);
    if (spool->blank_wanted_bytes != 0) {
        if (good && bytes >= spool->blank_wanted_bytes)
            spool->blank_wanted_bytes = 0;
        else if (!good)
            spool->blank_error = g_steal_pointer (&error);
        g_cond_signal (&spool->blank_ready);
    }
    g_mutex_unlock (&spool->log_lock);
    g_clear_error (&error);
    return good;
}

static void
make_blanks (RelaisSpool *spool)
{
    guint64 bytes;

    while ((bytes = blank_to_make (spool)) != 0)
        if (!make_blank (spool, bytes))
            return;
}

/* --- Freeing ------------------------------------------------------------------------------------ */

/* Forgets guards of segments that are gone. Index lock held. */
static bool
is_guarding (RelaisSpool *spool, RelaisSegment *segment)
{
    for (guint i = segment->guards->len; i > 0; i--)
        if (relais_ledger_segment (
                spool, g_array_index (segment->guards, RelaisGuard, i - 1).number) == NULL)
            g_array_remove_index_fast (segment->guards, i - 1);
    return segment->guards->len > 0;
}

/* The newest segment is the memory of ids, LSNs and notes about others: it stays. Index lock held. */
static guint32
newest_number (RelaisSpool *spool)
{
    GHashTableIter iter;
    gpointer number;
    guint32 newest = 0;

    g_hash_table_iter_init (&iter, spool->segments);
    while (g_hash_table_iter_next (&iter, &number, NULL))
        newest = MAX (newest, GPOINTER_TO_UINT (number));
    return newest;
}

/* The lowest segment in which all is dead, or NULL. */
static RelaisSegment *
find_dead (RelaisSpool *spool)
{
    RelaisSegment *dead = NULL;
    RelaisSegment *segment;
    GHashTableIter iter;
    guint32 newest;

    g_mutex_lock (&spool->index_lock);
    newest = newest_number (spool);
    g_hash_table_iter_init (&iter, spool->segments);
    while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&segment)) {
        if (!__atomic_load_n (&segment->closed, __ATOMIC_ACQUIRE) || segment->living > 0 ||
            segment->refs > 0 || segment->number == newest || is_guarding (spool, segment))
            continue;
        if (dead == NULL || segment->number < dead->number)
            dead = segment;
    }
    g_mutex_unlock (&spool->index_lock);
    return dead;
}

static bool
is_worth_recycling (RelaisSpool *spool, const RelaisSegment *segment)
{
    bool worth;

    g_mutex_lock (&spool->log_lock);
    worth = spool->blanks->len < RELAIS_MAX_BLANKS && !segment->failed &&
            segment->capacity == spool->options.segment_bytes &&
            (spool->blanks->len < 1 || !space_is_short (spool));
    g_mutex_unlock (&spool->log_lock);
    return worth;
}

/* Makes a blank of the file, or unlinks it. */
static bool
take_from_its_place (RelaisSpool *spool, RelaisSegment *segment)
{
    const bool recycle = is_worth_recycling (spool, segment);
    char name[RELAIS_SEGMENT_NAME_BYTES], blank[RELAIS_SEGMENT_NAME_BYTES];

    relais_segment_name (name, segment->number);
    relais_blank_name (blank, segment->number);
    if (recycle && renameat (spool->dir_fd, name, spool->dir_fd, blank) == 0)
        segment->fate = RELAIS_SEGMENT_RECYCLED;
    else if ((recycle || unlinkat (spool->dir_fd, name, 0) < 0) && errno != ENOENT)
        return false;
    else
        segment->fate = RELAIS_SEGMENT_UNLINKED;
    return true;
}

/* If the directory cannot be synced, the next try goes on from there, whatever it would do with a file that is
 * still in its place. */
static bool
retire_file (RelaisSpool *spool, RelaisSegment *segment)
{
    if (segment->fate == RELAIS_SEGMENT_IN_PLACE && !take_from_its_place (spool, segment))
        return false;
    if (fsync (spool->dir_fd) < 0)
        return false;
    if (segment->fate == RELAIS_SEGMENT_RECYCLED) {
        g_mutex_lock (&spool->log_lock);
        g_array_insert_val (spool->blanks, 0, segment->number);
        g_mutex_unlock (&spool->log_lock);
    }
    return true;
}

static bool
free_one (RelaisSpool *spool)
{
    RelaisSegment *segment = find_dead (spool);

    if (segment == NULL)
        return false;
    if (spool->events != NULL && segment->last_event_lsn > 0 &&
        !relais_event_log_sync (spool->events, segment->last_event_lsn))
        return false;
    if (!retire_file (spool, segment)) {
        g_warning ("cannot free segment %08x of the spool \"%s\"", segment->number, spool->dir);
        return false;
    }
    g_mutex_lock (&spool->index_lock);
    relais_ledger_forget_segment (spool, segment->number);
    g_mutex_unlock (&spool->index_lock);
    return true;
}

static void
unlink_files (RelaisSpool *spool)
{
    g_autoptr (GArray) files = g_array_new (FALSE, FALSE, sizeof (guint64));
    char name[RELAIS_BODY_FILE_NAME_BYTES];

    g_mutex_lock (&spool->log_lock);
    g_array_append_vals (files, spool->dead_files->data, spool->dead_files->len);
    g_array_set_size (spool->dead_files, 0);
    g_mutex_unlock (&spool->log_lock);
    g_mutex_lock (&spool->index_lock);
    g_array_append_vals (files, spool->dying_files->data, spool->dying_files->len);
    g_array_set_size (spool->dying_files, 0);
    g_mutex_unlock (&spool->index_lock);
    for (guint i = 0; i < files->len; i++) {
        relais_body_file_name (name, g_array_index (files, guint64, i));
        unlinkat (spool->bodies_fd, name, 0);
    }
}

/* --- The thread --------------------------------------------------------------------------------- */

static bool
sleep_until_asked (RelaisSpool *spool)
{
    gint64 until =
        MIN (g_get_monotonic_time () + LOOK_US, relais_compaction_due_us (spool->compaction));
    bool more;

    g_mutex_lock (&spool->log_lock);
    while (!spool->keeper_asked && !spool->keeper_stop &&
           (spool->blank_wanted_bytes == 0 || spool->blank_error != NULL))
        if (!g_cond_wait_until (&spool->keeper_wake, &spool->log_lock, until))
            break;
    spool->keeper_asked = false;
    more = !spool->keeper_stop;
    g_mutex_unlock (&spool->log_lock);
    return more;
}

gpointer
relais_spool_keeper_main (gpointer data)
{
    RelaisSpool *spool = data;

    spool->compaction = relais_compaction_new (spool);
    do {
        look_at_space (spool);
        make_blanks (spool);
        unlink_files (spool);
        while (free_one (spool))
            make_blanks (spool);
        relais_compaction_step (spool->compaction);
    } while (sleep_until_asked (spool));
    unlink_files (spool);
    while (free_one (spool)) {
    }
    return NULL;
}
