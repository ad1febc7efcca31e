/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Coming up: the directory's lock, then from files to index. An index that was closed in order, at the very
 * end of the last journal, is taken as it is. Any other is thrown away, however good it may look: GDBM
 * orders nothing on disk and tells nothing of what a crash left half done. Building it anew takes ten
 * seconds for a million keys, in which requests wait. Owner thread, but for the lock.
 */
#include "store-gdbm.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- The directory ---------------------------------------------------------------------------- */

/* Says who has the lock, as far as the file tells. */
static int
refuse_lock (int fd, const char *path, GError **error)
{
    char pid[32] = {0};

    if (errno != EWOULDBLOCK) {
        sg_fail (error, path);
    } else {
        (void)!pread (fd, pid, sizeof pid - 1, 0);
        g_strchomp (pid);
        g_set_error (error, SG_ERROR, SG_ERROR_LOCKED,
                     _ ("%s: another process has this store (pid %s); only one may"), path,
                     pid[0] != '\0' ? pid : "?");
    }
    close (fd);
    return -1;
}

int
sg_lock_dir (const char *dir, GError **error)
{
    g_autofree char *path = g_build_filename (dir, "lock", NULL);
    g_autofree char *pid = g_strdup_printf ("%ld\n", (long)getpid ());
    int fd;

    if (g_mkdir_with_parents (dir, 0700) != 0) {
        sg_fail (error, dir);
        return -1;
    }
    fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        sg_fail (error, path);
        return -1;
    }
    if (flock (fd, LOCK_EX | LOCK_NB) != 0)
        return refuse_lock (fd, path, error);
    /* For people: a disk without room for it can be read, and the lock is had. */
    (void)!ftruncate (fd, 0);
    (void)!pwrite (fd, pid, strlen (pid), 0);
    return fd;
}

/* Files that were being made when the process ended: nothing is in them that counts. */
static void
remove_unfinished (const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *full = g_build_filename (path, name, NULL);

        if (g_str_has_prefix (name, "new-"))
            unlink (full);
    }
    g_clear_pointer (&dir, g_dir_close);
}

static const SgFile *
last_file (const GPtrArray *files)
{
    return files->len > 0 ? g_ptr_array_index (files, files->len - 1) : NULL;
}

/* A last journal without a whole head was being made, too. */
static void
drop_unfinished_journal (GPtrArray *files)
{
    const SgFile *last = last_file (files);

    if (last == NULL || last->is_snapshot || last->head_is_good || last->size >= SG_FILE_HEAD_BYTES)
        return;
    unlink (last->path);
    g_ptr_array_set_size (files, (gint)files->len - 1);
}

/* The id that all files share; a new one if there are none. */
static bool
find_id (const GPtrArray *files, guint64 *id, GError **error)
{
    *id = 0;
    for (guint i = 0; i < files->len; i++) {
        const SgFile *file = g_ptr_array_index (files, i);

        if (!file->head_is_good)
            continue;
        if (*id != 0 && file->head.store_id != *id) {
            g_set_error (error, SG_ERROR, SG_ERROR_FORMAT,
                         _ ("%s: it belongs to another store than the files before it"),
                         file->path);
            return false;
        }
        *id = file->head.store_id;
    }
    while (*id == 0)
        *id = sg_random ();
    return true;
}

/* --- Building an index ------------------------------------------------------------------------ */

typedef struct {
    SgStore *store;
    gint64 now_us;
    guint64 last_seq; /* what comes after it is not synced, and does not count yet */
    bool failed;
} Builder;

static bool
build_record (gpointer data, const SgRecord *record)
{
    Builder *builder = data;
    SgStore *store = builder->store;
    const bool gone = record->op == SG_OP_REMOVE ||
                      (record->expires_us != 0 && record->expires_us <= builder->now_us);
    bool good;

    if (record->seq > builder->last_seq)
        return false;
    if (gone)
        good = sg_index_remove (store->index, record->key, record->key_size);
    else
        good = sg_index_put (store->index, record->key, record->key_size, record->value,
                             record->value_size, record->expires_us);
    store->sweeping |= !gone && record->expires_us != 0;
    builder->failed = !good;
    return good;
}

static void
tell_damage (gpointer data, const char *text)
{
    SgStore *store = ((Builder *)data)->store;

    sg_log (store, true, "%s", text);
    g_mutex_lock (&store->mutex);
    store->figures.damages++;
    g_mutex_unlock (&store->mutex);
}

/* Fills a new index from the files. */
static bool
build (SgStore *store, const GPtrArray *files, guint64 last_seq, SgReading *reading, GError **error)
{
    Builder builder = {store, store->options.now_us (store->options.data), last_seq, false};
    const SgVisitor visitor = {build_record, tell_damage, &builder};
    bool good;

    store->index = sg_index_create (store->index_path, error);
    if (store->index == NULL)
        return false;
    good = sg_files_read (files, &visitor, reading, error);
    if (good && builder.failed)
        g_set_error (error, SG_ERROR, SG_ERROR_IO, "%s: %s", store->index_path,
                     sg_index_trouble (store->index));
    if (good && !builder.failed)
        return true;
    sg_index_close (store->index, NULL);
    store->index = NULL;
    return false;
}

/* Takes the index as it is, if it says that it is whole and of this very moment. */
static bool
open_index (SgStore *store, const SgFile *last, SgReading *reading)
{
    g_autoptr (GError) error = NULL;
    SgMark mark = {.store_id = store->journal.store_id};

    if (last == NULL || last->is_snapshot || !last->head_is_good)
        return false;
    mark.journal = last->number;
    mark.journal_bytes = last->size;
    store->index = sg_index_open (store->index_path, &mark, &error);
    if (store->index == NULL) {
        sg_log (store, false, "the index is built anew: %s", error->message);
        return false;
    }
    *reading = (SgReading){.last_seq = mark.seq, .tail_bytes = last->size};
    store->sweeping = true;
    return true;
}

/* --- Going on --------------------------------------------------------------------------------- */

static void
note_sizes (SgStore *store, const GPtrArray *files)
{
    store->sealed_bytes = store->snapshot_bytes = store->snapshot = 0;
    for (guint i = 0; i < files->len; i++) {
        const SgFile *file = g_ptr_array_index (files, i);

        if (file->is_snapshot) {
            store->snapshot = file->number;
            store->snapshot_bytes = file->size;
            store->sealed_bytes = 0;
        } else if (file->number != store->journal.number || store->journal.fd < 0) {
            store->sealed_bytes += file->size;
        }
    }
}

/* The journal is gone on with if it can be, else there will be a new one: the owner tries. */
static void
go_on (SgStore *store, const SgFile *last, const SgReading *reading)
{
    SgJournal *journal = &store->journal;
    g_autoptr (GError) error = NULL;

    if (reading->torn_bytes > 0)
        sg_log (store, false, "%s: cut off %" G_GUINT64_FORMAT " octets that were being written",
                last->path, reading->torn_bytes);
    if (last != NULL && !last->is_snapshot && last->head_is_good) {
        if (!sg_journal_adopt (journal, last, reading, &error))
            store->broken = g_strdup (error->message);
        return;
    }
    journal->synced_seq = reading->last_seq;
    journal->next_seq = reading->last_seq + 1;
    if (last != NULL) {
        journal->number = last->is_snapshot ? last->number - 1 : last->number;
        journal->synced_bytes = SG_ALL;
    }
    if (!sg_journal_begin (journal, &error))
        store->broken = g_strdup (error->message);
}

static bool
load (SgStore *store, GError **error)
{
    g_autoptr (GPtrArray) files = NULL;
    SgReading reading = {0};
    guint64 id;

    remove_unfinished (store->dir);
    files = sg_files_list (store->dir, error);
    if (files == NULL)
        return false;
    drop_unfinished_journal (files);
    if (!find_id (files, &id, error))
        return false;
    store->journal.store_id = id;
    if (!open_index (store, last_file (files), &reading) &&
        !build (store, files, SG_ALL, &reading, error))
        return false;
    go_on (store, last_file (files), &reading);
    note_sizes (store, files);
    return true;
}

static bool
take_over_error (SgStore *store, bool good, GError *error)
{
    g_clear_pointer (&store->unloaded, g_free);
    if (!good) {
        store->unloaded = g_strdup (error->message);
        sg_log (store, true, "the store is down: %s", error->message);
    }
    return good;
}

bool
sg_load (SgStore *store)
{
    g_autoptr (GError) error = NULL;
    bool good = load (store, &error);

    return take_over_error (store, good, error);
}

bool
sg_rebuild (SgStore *store)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) files = sg_files_list (store->dir, &error);
    SgReading reading;
    bool good = files != NULL && build (store, files, store->journal.synced_seq, &reading, &error);

    return take_over_error (store, good, error);
}
