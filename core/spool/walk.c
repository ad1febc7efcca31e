/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * At start: hands all living messages over, in the order of their ids. A thread of this file's own
 * reads, a batch of messages at a time, and touches nothing but the batch; the caller's keeps it supplied,
 * decodes, checks body files, puts what is damaged aside and hands the rest over. Then body files that no
 * message wants go, but never while a message could not be read: one of them may be its own.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/read.h"
#include "loop/thread-private.h"

enum { BATCH_MESSAGES = 128, BATCHES = 3 };

typedef struct {
    RelaisWhere where; /* held if `message.segment` is not 0 */
    RelaisPieces pieces;
    gsize head_at, state_at; /* where they lie in the batch's bytes */
    GError *error;           /* the record cannot be read */
} Found;

/* The reader's while it is held and not read, else the caller's. */
typedef struct {
    guint n; /* 0: there are no more */
    Found found[BATCH_MESSAGES];
    GByteArray *bytes;
} Batch;

typedef struct {
    RelaisSpool *spool;
    GArray *ids;            /* guint64, ascending */
    Batch batches[BATCHES]; /* a ring; batches are counted from 0 */
    GMutex lock;
    GCond changed;
    guint n_held, n_read; /* so many batches were held, and read; under the lock */
    /* The caller's. */
    guint at;           /* of the first id that is not held yet */
    GHashTable *wanted; /* guint64, numbers of body files */
    bool unread;        /* a message could not be read now */
} Walk;

/* A segment that is read from; `number` 0: none. */
typedef struct {
    guint32 number;
    int fd;
    RelaisSegmentWindow window;
} OpenSegment;

/* --- The reader ----------------------------------------------------------------------------------- */

static void
close_segment (OpenSegment *open)
{
    if (open->number != 0)
        close (open->fd);
    open->number = 0;
    relais_segment_window_clear (&open->window);
}

static bool
turn_to (RelaisSpool *spool, OpenSegment *open, guint32 number, GError **error)
{
    if (open->number == number)
        return true;
    close_segment (open);
    open->fd = relais_spool_open_segment (spool, number, error);
    if (open->fd >= 0)
        open->number = number;
    return open->fd >= 0;
}

/* Adds the head of a record to the batch's bytes. */
static bool
read_head (RelaisSpool *spool, OpenSegment *open, const RelaisPlace *place,
           const RelaisFraming *framing, RelaisRecord *record, GByteArray *bytes, GError **error)
{
    const guint8 *head;

    if (!turn_to (spool, open, place->segment, error))
        return false;
    head = relais_segment_look (open->fd, framing, place->offset, &open->window, record, error);
    if (head != NULL)
        g_byte_array_append (bytes, head, record->head_bytes);
    return head != NULL;
}

static void
read_found (RelaisSpool *spool, OpenSegment *messages, OpenSegment *states, Found *found,
            GByteArray *bytes)
{
    const RelaisWhere *where = &found->where;
    RelaisPieces *pieces = &found->pieces;

    found->head_at = bytes->len;
    if (!read_head (spool, messages, &where->message, &where->message_framing, &pieces->record,
                    bytes, &found->error))
        return;
    found->state_at = bytes->len;
    if (where->state.segment != 0 &&
        !read_head (spool, states, &where->state, &where->state_framing, &pieces->state_record,
                    bytes, NULL))
        pieces->state_record = (RelaisRecord){0};
}

/* Waits until more than `n` batches were counted there. */
static void
await (Walk *walk, const guint *counted, guint n)
{
    g_mutex_lock (&walk->lock);
    while (*counted <= n)
        g_cond_wait (&walk->changed, &walk->lock);
    g_mutex_unlock (&walk->lock);
}

static void
count (Walk *walk, guint *counted)
{
    g_mutex_lock (&walk->lock);
    ++*counted;
    g_cond_signal (&walk->changed);
    g_mutex_unlock (&walk->lock);
}

static gpointer
reader_main (gpointer data)
{
    Walk *walk = data;
    OpenSegment messages = {0}, states = {0};
    guint n;

    for (guint b = 0;; b++) {
        Batch *batch = &walk->batches[b % BATCHES];

        await (walk, &walk->n_held, b);
        n = batch->n;
        for (guint i = 0; i < n; i++)
            if (batch->found[i].where.message.segment != 0)
                read_found (walk->spool, &messages, &states, &batch->found[i], batch->bytes);
        count (walk, &walk->n_read);
        if (n == 0)
            break;
    }
    close_segment (&messages);
    close_segment (&states);
    return NULL;
}

/* --- What was read -------------------------------------------------------------------------------- */

static bool
fail_damaged_file (GError **error)
{
    g_set_error_literal (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED,
                         "the body file is missing or cut");
    return false;
}

/* Which body file a message says is its own. */
static bool
read_file_ref (RelaisSpool *spool, const RelaisWhere *where, RelaisBodyFileRef *ref, GError **error)
{
    g_autoptr (GBytes) payload = NULL;
    RelaisRecord record;
    const int fd = relais_spool_open_segment (spool, where->message.segment, error);

    if (fd < 0)
        return false;
    payload = relais_segment_read_record (fd, &where->message_framing, where->message.offset, true,
                                          &record, error);
    close (fd);
    if (payload == NULL)
        return false;
    if (record.body_bytes != RELAIS_BODY_FILE_BYTES)
        return fail_damaged_file (error);
    relais_body_file_ref_decode (
        (const guint8 *)g_bytes_get_data (payload, NULL) + record.head_bytes, ref);
    return true;
}

/* Notes the body file of a message. False if it is not there as it should be, which is damage, or if that cannot be
 * told now. */
static bool
find_file (const Walk *walk, const Found *found, guint64 size_bytes, GError **error)
{
    RelaisSpool *spool = walk->spool;
    const RelaisWhere *where = &found->where;
    char name[RELAIS_BODY_FILE_NAME_BYTES];
    RelaisBodyFileRef ref = {0};
    struct stat st;

    if (!read_file_ref (spool, where, &ref, error))
        return false;
    g_hash_table_add (walk->wanted, g_memdup2 (&ref.number, sizeof ref.number));
    g_mutex_lock (&spool->index_lock);
    g_hash_table_insert (spool->files, g_memdup2 (&where->id, sizeof where->id),
                         g_memdup2 (&ref.number, sizeof ref.number));
    g_mutex_unlock (&spool->index_lock);
    relais_body_file_name (name, ref.number);
    if (fstatat (spool->bodies_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return (S_ISREG (st.st_mode) && (guint64)st.st_size == ref.size_bytes &&
                ref.size_bytes == size_bytes) ||
               fail_damaged_file (error);
    if (errno == ENOENT)
        return fail_damaged_file (error);
    relais_spool_set_errno (error, errno, "cannot look at a body file");
    return false;
}

/* Takes a message out of the table, until the next start. */
static void
drop (RelaisSpool *spool, guint64 id)
{
    const RelaisIndexEntry *entry;

    g_mutex_lock (&spool->index_lock);
    entry = relais_index_find (spool->index, id);
    if (entry != NULL) {
        relais_ledger_let_die (spool, entry->message_segment, entry->message_bytes);
        relais_ledger_let_die (spool, entry->state_segment, entry->state_bytes);
        g_hash_table_remove (spool->files, &id);
        relais_index_remove (spool->index, id);
    }
    g_mutex_unlock (&spool->index_lock);
}

/* The message that was read; NULL with the error set. */
static RelaisMessage *
decode (const Walk *walk, Found *found, const guint8 *bytes)
{
    g_autoptr (RelaisMessage) message = NULL;
    RelaisBodyFacts facts = {0};

    if (found->error != NULL)
        return NULL;
    found->pieces.head = bytes + found->head_at;
    if (found->pieces.state_record.id != 0)
        found->pieces.state = bytes + found->state_at;
    message =
        relais_where_decode (walk->spool, &found->where, &found->pieces, &facts, &found->error);
    if (message == NULL || (found->pieces.record.flags & RELAIS_RECORD_FILE) == 0 ||
        find_file (walk, found, facts.size_bytes, &found->error))
        return g_steal_pointer (&message);
    return NULL;
}

static void
hand_over (Walk *walk, Found *found, const guint8 *bytes, RelaisSpoolFound func, gpointer data)
{
    RelaisSpool *spool = walk->spool;
    g_autoptr (RelaisMessage) message = decode (walk, found, bytes);

    if (message != NULL)
        func (data, message);
    else if (g_error_matches (found->error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED)) {
        if (relais_spool_save_message (spool, &found->where, found->error->message))
            relais_spool_end_damaged (spool, found->where.id, found->error->message);
        else
            drop (spool, found->where.id);
    } else {
        walk->unread = true;
        g_warning ("spool \"%s\": a message cannot be read now: %s", spool->dir,
                   found->error->message);
    }
}

static void
hand_over_all (Walk *walk, Batch *batch, RelaisSpoolFound func, gpointer data)
{
    for (guint i = 0; i < batch->n; i++)
        if (batch->found[i].where.message.segment != 0)
            hand_over (walk, &batch->found[i], batch->bytes->data, func, data);
}

/* Nobody knows this file. Where records were damaged, one of them may have: then it is kept beside
 * them. */
static void
put_away (RelaisSpool *spool, const char *name)
{
    struct stat st;

    if (fstatat (spool->bodies_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG (st.st_mode))
        g_warning ("spool \"%s\": bodies/%s is no file: put away", spool->dir, name);
    if (__atomic_load_n (&spool->n_quarantined, __ATOMIC_RELAXED) == 0)
        unlinkat (spool->bodies_fd, name, 0);
    else if (renameat (spool->bodies_fd, name, spool->quarantine_fd, name) < 0)
        g_warning ("spool \"%s\": cannot keep body file %s: %s", spool->dir, name,
                   g_strerror (errno));
}

static void
remove_orphans (const Walk *walk)
{
    RelaisSpool *spool = walk->spool;
    DIR *dir;
    struct dirent *entry;
    guint64 number;

    if (walk->unread)
        return;
    dir = fdopendir (openat (spool->bodies_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    while (dir != NULL && (entry = readdir (dir)) != NULL)
        if (relais_body_file_parse_name (entry->d_name, &number) &&
            !g_hash_table_contains (walk->wanted, &number))
            put_away (spool, entry->d_name);
        else if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN && entry->d_name[0] != '.')
            g_message ("spool \"%s\": bodies/%s is none of the spool's and is left alone",
                       spool->dir, entry->d_name);
    if (dir != NULL)
        closedir (dir);
}

/* --- The walk ------------------------------------------------------------------------------------ */

static void
batch_clear (RelaisSpool *spool, Batch *batch)
{
    g_mutex_lock (&spool->index_lock);
    for (guint i = 0; i < batch->n; i++)
        relais_where_release (spool, &batch->found[i].where);
    g_mutex_unlock (&spool->index_lock);
    for (guint i = 0; i < batch->n; i++)
        g_clear_error (&batch->found[i].error);
    g_byte_array_set_size (batch->bytes, 0);
    batch->n = 0;
}

/* Holds the next messages and has them read. */
static void
batch_send (Walk *walk, Batch *batch)
{
    const guint n = MIN (walk->ids->len - walk->at, BATCH_MESSAGES);

    g_mutex_lock (&walk->spool->index_lock);
    for (guint i = 0; i < n; i++) {
        batch->found[i] = (Found){0};
        relais_where_hold (walk->spool, g_array_index (walk->ids, guint64, walk->at + i),
                           &batch->found[i].where);
    }
    g_mutex_unlock (&walk->spool->index_lock);
    batch->n = n;
    walk->at += n;
    count (walk, &walk->n_held);
}

static Walk *
walk_new (RelaisSpool *spool)
{
    Walk *walk = g_new0 (Walk, 1);

    walk->spool = spool;
    walk->wanted = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
    g_mutex_init (&walk->lock);
    g_cond_init (&walk->changed);
    g_mutex_lock (&spool->index_lock);
    walk->ids = relais_index_ids (spool->index);
    g_mutex_unlock (&spool->index_lock);
    for (guint i = 0; i < BATCHES; i++) {
        walk->batches[i].bytes = g_byte_array_new ();
        batch_send (walk, &walk->batches[i]);
    }
    return walk;
}

/* Once the reader has ended. */
static void
walk_free (Walk *walk)
{
    for (guint i = 0; i < BATCHES; i++)
        g_byte_array_unref (walk->batches[i].bytes);
    g_mutex_clear (&walk->lock);
    g_cond_clear (&walk->changed);
    g_hash_table_unref (walk->wanted);
    g_array_unref (walk->ids);
    g_free (walk);
}

void
relais_spool_recover (RelaisSpool *spool, RelaisSpoolFound func, gpointer data)
{
    Walk *walk;
    GThread *reader;

    relais_assert_may_block ();
    walk = walk_new (spool);
    reader = relais_thread_new ("spool-walk", reader_main, walk);
    for (guint b = 0;; b++) {
        Batch *batch = &walk->batches[b % BATCHES];

        await (walk, &walk->n_read, b);
        if (batch->n == 0)
            break;
        hand_over_all (walk, batch, func, data);
        batch_clear (spool, batch);
        batch_send (walk, batch);
    }
    g_thread_join (reader);
    remove_orphans (walk);
    walk_free (walk);
}
