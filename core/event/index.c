/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The index as a whole: parts in memory, the last of which the log's thread adds to, runs on disk, and gaps,
 * which are ranges of day files that neither covers. A thread of its own writes parts that are full as runs,
 * and reads gaps. What one of them covers goes from list to list under the mutex, so that a lookup always
 * sees each line once, or a gap.
 */
#include "config.h"

#include "event/index-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event/files-private.h"
#include "loop/thread-private.h"

#define RETRY_US (10 * RELAIS_USEC_PER_SEC) /* after a failed read or write */

enum {
    MOST_PARTS = 16,     /* that wait to be written; beyond, they are read again later */
    READ_BYTES = 1 << 20 /* at once */
};

typedef struct {
    guint32 day;
    guint64 from, to;
    GArray *entries; /* RelaisEventEntry */
    bool closed;     /* nothing is added any more: the thread writes it */
} Part;

typedef struct {
    guint32 day;
    guint64 from, to;
} Gap;

struct RelaisEventIndex {
    const RelaisClock *clock;
    int dir_fd;
    GThread *thread;
    bool failing; /* the thread's own */

    GMutex mutex;     /* over what follows */
    GCond wake;       /* for the thread */
    GCond idle;       /* it has nothing to do */
    GPtrArray *parts; /* Part, oldest first; the last may be open */
    GPtrArray *runs;  /* RelaisEventRun */
    GArray *gaps;     /* Gap, oldest first */
    guint32 newest_day;
    bool sweep, stopping;
};

static guint32
oldest_day (const RelaisEventIndex *index)
{
    return relais_event_day (relais_clock_wall_us (index->clock) -
                             RELAIS_EVENT_INDEX_DAYS * RELAIS_USEC_PER_DAY);
}

/* --- Parts ---------------------------------------------------------------------------------------- */

static void
part_free (gpointer data)
{
    Part *part = data;

    g_array_unref (part->entries);
    g_free (part);
}

static Part *
part_new (guint32 day, guint64 from)
{
    Part *part = g_new0 (Part, 1);

    part->day = day;
    part->from = part->to = from;
    part->entries = g_array_new (FALSE, FALSE, sizeof (RelaisEventEntry));
    return part;
}

/* The part that is added to, or NULL. Under the mutex. */
static Part *
open_part (const RelaisEventIndex *index)
{
    Part *last =
        index->parts->len > 0 ? g_ptr_array_index (index->parts, index->parts->len - 1) : NULL;

    return last != NULL && !last->closed ? last : NULL;
}

/* Under the mutex. */
static void
add_gap (RelaisEventIndex *index, guint32 day, guint64 from, guint64 to)
{
    const Gap gap = {day, from, to};
    guint at = index->gaps->len;

    while (at > 0 && g_array_index (index->gaps, Gap, at - 1).day > day)
        at--;
    if (from < to)
        g_array_insert_val (index->gaps, at, gap);
}

/* Under the mutex. If too many cannot be written, the second is forgotten, to be read again: the first may be under
 * way to the disk. */
static void
close_part (RelaisEventIndex *index)
{
    Part *part = open_part (index);

    if (part == NULL)
        return;
    part->closed = true;
    if (index->parts->len > MOST_PARTS) {
        const Part *forgotten = g_ptr_array_index (index->parts, 1);

        add_gap (index, forgotten->day, forgotten->from, forgotten->to);
        g_ptr_array_remove_index (index->parts, 1);
    }
    g_cond_signal (&index->wake);
}

/* The part that goes on at `offset` of a day's file. Under the mutex. */
static Part *
part_at (RelaisEventIndex *index, guint32 day, guint64 offset)
{
    Part *part = open_part (index);

    if (part != NULL && part->day == day && part->to == offset &&
        part->entries->len < RELAIS_EVENT_RUN_ENTRIES)
        return part;
    close_part (index);
    part = part_new (day, offset);
    g_ptr_array_add (index->parts, part);
    if (day != index->newest_day) {
        index->newest_day = day;
        index->sweep = true;
        g_cond_signal (&index->wake);
    }
    return part;
}

void
relais_event_index_add (RelaisEventIndex *index, const char *file_name, guint64 offset,
                        const guint8 *bytes, gsize size)
{
    const guint32 day = relais_event_file_day (file_name);
    const char *at = (const char *)bytes, *end = at + size;

    g_mutex_lock (&index->mutex);
    while (at < end) {
        const char *lf = memchr (at, '\n', (gsize)(end - at));
        const gsize length = lf != NULL ? (gsize)(lf - at) + 1 : (gsize)(end - at);
        Part *part = part_at (index, day, offset);
        RelaisEventEntry entry = {.offset = offset};

        if (relais_event_entry_read (&entry, at, length))
            g_array_append_val (part->entries, entry);
        part->to = offset += length;
        at += length;
    }
    if (open_part (index) != NULL && open_part (index)->entries->len >= RELAIS_EVENT_RUN_ENTRIES)
        close_part (index);
    g_mutex_unlock (&index->mutex);
}

/* --- The thread: writing -------------------------------------------------------------------------- */

/* One layer logs, and once: at the change from good to bad and back. */
static void
note_failure (RelaisEventIndex *index, const GError *error)
{
    if (!index->failing)
        g_warning ("event index: %s; trying again", error->message);
    index->failing = true;
}

static void
note_success (RelaisEventIndex *index)
{
    if (index->failing)
        g_message ("event index: it is written again");
    index->failing = false;
}

/* Under the mutex. */
static guint32
next_number (const RelaisEventIndex *index, guint32 day)
{
    guint32 next = 0;

    for (guint i = 0; i < index->runs->len; i++) {
        const RelaisEventRun *run = g_ptr_array_index (index->runs, i);

        if (run->day == day)
            next = MAX (next, run->number + 1);
    }
    return next;
}

/* With the mutex, which is released while the file is written; true if there is a run now. */
static bool
write_run (RelaisEventIndex *index, guint32 day, guint64 from, guint64 to, GArray *entries)
{
    const guint32 number = next_number (index, day);
    g_autoptr (GError) error = NULL;
    RelaisEventRun *run;

    g_mutex_unlock (&index->mutex);
    run = relais_event_run_write (index->dir_fd, day, number, from, to, entries, &error);
    if (run != NULL)
        note_success (index);
    else
        note_failure (index, error);
    g_mutex_lock (&index->mutex);
    if (run != NULL)
        g_ptr_array_add (index->runs, run);
    return run != NULL;
}

/* A copy is sorted: lookups read the part meanwhile. With the mutex. */
static bool
write_part (RelaisEventIndex *index, Part *part)
{
    g_autoptr (GArray) copy = g_array_copy (part->entries);
    const guint32 day = part->day;
    const guint64 from = part->from, to = part->to;

    if (!write_run (index, day, from, to, copy))
        return false;
    g_ptr_array_remove (index->parts, part);
    return true;
}

static Part *
first_closed (const RelaisEventIndex *index)
{
    Part *first = index->parts->len > 0 ? g_ptr_array_index (index->parts, 0) : NULL;

    return first != NULL && first->closed ? first : NULL;
}

/* --- The thread: reading gaps --------------------------------------------------------------------- */

static void
read_lines (Part *part, const char *bytes, gsize size)
{
    const char *at = bytes, *end = bytes + size;

    while (at < end && part->entries->len < RELAIS_EVENT_RUN_ENTRIES) {
        const gsize length = (gsize)((const char *)memchr (at, '\n', (gsize)(end - at)) - at) + 1;
        RelaisEventEntry entry = {.offset = part->to};

        if (relais_event_entry_read (&entry, at, length))
            g_array_append_val (part->entries, entry);
        part->to += length;
        at += length;
    }
}

/* Reads on at part->to as far as one buffer goes. 1: go on, 0: there is no more, -1: errno. */
static int
read_piece (Part *part, int fd, char *buffer, guint64 to)
{
    const gsize wanted = (gsize)MIN ((guint64)READ_BYTES, to - part->to);
    const ssize_t n = pread (fd, buffer, wanted, (off_t)part->to);
    const char *lf = n > 0 ? memrchr (buffer, '\n', (gsize)n) : NULL;

    if (n < 0)
        return errno == EINTR ? 1 : -1;
    if (lf == NULL) /* the end, or a line so long that it is none of ours: it is stepped over */
        part->to = n < (ssize_t)wanted ? to : part->to + (guint64)n;
    else
        read_lines (part, buffer, (gsize)(lf - buffer) + 1);
    return part->to < to && part->entries->len < RELAIS_EVENT_RUN_ENTRIES;
}

/* The first entries of a gap, at most a run's. NULL if they cannot be read. A day file that is gone has
 * none. */
static Part *
read_gap (RelaisEventIndex *index, const Gap *gap)
{
    g_autofree char *name = relais_event_day_file (gap->day);
    g_autofree char *buffer = g_malloc (READ_BYTES);
    const int fd = openat (index->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    Part *part = part_new (gap->day, gap->from);
    g_autoptr (GError) error = NULL;
    int more = 1;

    if (fd < 0 && errno == ENOENT) {
        part->to = gap->to;
        return part;
    }
    while (fd >= 0 && more == 1)
        more = read_piece (part, fd, buffer, gap->to);
    if (fd < 0 || more < 0) {
        relais_event_fail (&error, "read", name);
        note_failure (index, error);
        g_clear_pointer (&part, part_free);
    }
    if (fd >= 0)
        close (fd);
    return part;
}

/* Puts what was read before the open part, if it is the end of the newest day and there is room: else each
 * start would leave a small run. With the mutex. */
static bool
join_open_part (RelaisEventIndex *index, const Part *read)
{
    Part *open = open_part (index);

    if (read->entries->len >= RELAIS_EVENT_RUN_ENTRIES)
        return false;
    if (open == NULL) {
        if (read->day < index->newest_day || index->parts->len > 0)
            return false;
        open = part_new (read->day, read->to);
        g_ptr_array_add (index->parts, open);
    }
    if (open->day != read->day || open->from != read->to ||
        open->entries->len + read->entries->len >= RELAIS_EVENT_RUN_ENTRIES)
        return false;
    g_array_append_vals (open->entries, read->entries->data, read->entries->len);
    open->from = read->from;
    return true;
}

/* What is covered now is no gap any more. With the mutex. */
static void
narrow_gap (RelaisEventIndex *index, const Gap *gap, guint64 to)
{
    for (guint i = 0; i < index->gaps->len; i++) {
        Gap *other = &g_array_index (index->gaps, Gap, i);

        if (other->day == gap->day && other->from == gap->from && other->to == gap->to) {
            other->from = to;
            if (other->from >= other->to)
                g_array_remove_index (index->gaps, i);
            return;
        }
    }
}

/* With the mutex, which is released meanwhile; false if it is to be tried again later. */
static bool
work_on_gap (RelaisEventIndex *index)
{
    const Gap gap = g_array_index (index->gaps, Gap, index->gaps->len - 1);
    Part *read;
    bool good;

    g_mutex_unlock (&index->mutex);
    read = read_gap (index, &gap);
    g_mutex_lock (&index->mutex);
    if (read == NULL)
        return false;
    good = (read->to == gap.to && join_open_part (index, read)) ||
           write_run (index, read->day, read->from, read->to, read->entries);
    if (good)
        narrow_gap (index, &gap, read->to);
    part_free (read);
    return good;
}

/* --- The thread: what is too old ------------------------------------------------------------------ */

static void
remove_run (RelaisEventIndex *index, guint at)
{
    const RelaisEventRun *run = g_ptr_array_index (index->runs, at);
    g_autofree char *name = relais_event_run_name (run->day, run->number);

    (void)unlinkat (index->dir_fd, name, 0);
    g_ptr_array_remove_index (index->runs, at);
}

/* With the mutex. */
static void
sweep (RelaisEventIndex *index)
{
    const guint32 oldest = oldest_day (index);

    index->sweep = false;
    for (guint i = index->runs->len; i > 0; i--)
        if (((const RelaisEventRun *)g_ptr_array_index (index->runs, i - 1))->day < oldest)
            remove_run (index, i - 1);
    for (guint i = index->gaps->len; i > 0; i--)
        if (g_array_index (index->gaps, Gap, i - 1).day < oldest)
            g_array_remove_index (index->gaps, i - 1);
}

/* --- The thread ----------------------------------------------------------------------------------- */

/* With the mutex. 1: something was done, 0: there is nothing to do, -1: it failed. */
static int
work (RelaisEventIndex *index)
{
    Part *part = first_closed (index);

    if (index->sweep)
        sweep (index);
    else if (part != NULL)
        return write_part (index, part) ? 1 : -1;
    else if (index->gaps->len > 0)
        return work_on_gap (index) ? 1 : -1;
    else
        return 0;
    return 1;
}

static gpointer
index_main (gpointer data)
{
    RelaisEventIndex *index = data;

    g_mutex_lock (&index->mutex);
    while (!index->stopping) {
        const int done = work (index);

        if (done > 0)
            continue;
        g_cond_broadcast (&index->idle);
        if (done < 0 && !index->stopping)
            g_cond_wait_until (&index->wake, &index->mutex, g_get_monotonic_time () + RETRY_US);
        else if (!index->stopping)
            g_cond_wait (&index->wake, &index->mutex);
    }
    g_mutex_unlock (&index->mutex);
    return NULL;
}

void
relais_event_index_settle (RelaisEventIndex *index)
{
    relais_assert_may_block ();
    g_mutex_lock (&index->mutex);
    while (index->gaps->len > 0 || first_closed (index) != NULL || index->sweep)
        g_cond_wait (&index->idle, &index->mutex);
    g_mutex_unlock (&index->mutex);
}

/* --- Opening -------------------------------------------------------------------------------------- */

static gint
compare_runs (gconstpointer a, gconstpointer b)
{
    const RelaisEventRun *one = *(const RelaisEventRun *const *)a;
    const RelaisEventRun *two = *(const RelaisEventRun *const *)b;

    if (one->day != two->day)
        return one->day < two->day ? -1 : 1;
    return one->from < two->from ? -1 : one->from > two->from;
}

/* Takes the good files in, removes the others and what a crash left. */
static bool
list_runs (RelaisEventIndex *index, GError **error)
{
    g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", index->dir_fd);
    g_autoptr (GDir) dir = g_dir_open (path, 0, error);
    const char *name;

    if (dir == NULL)
        return false;
    while ((name = g_dir_read_name (dir)) != NULL) {
        guint32 day, number;
        RelaisEventRun *run = NULL;

        if (!g_str_has_prefix (name, "events-") ||
            !(g_str_has_suffix (name, ".idx") || g_str_has_suffix (name, ".idx.new")))
            continue;
        if (relais_event_run_parse_name (name, &day, &number))
            run = relais_event_run_open (index->dir_fd, day, number);
        if (run != NULL)
            g_ptr_array_add (index->runs, run);
        else
            (void)unlinkat (index->dir_fd, name, 0);
    }
    g_ptr_array_sort (index->runs, compare_runs);
    return true;
}

/* What the day's runs, which are in order, do not cover of its file. */
static void
find_gaps (RelaisEventIndex *index, guint32 day, guint64 size)
{
    guint64 covered = 0;

    for (guint i = 0; i < index->runs->len;) {
        const RelaisEventRun *run = g_ptr_array_index (index->runs, i);

        if (run->day == day && run->to > size) {
            remove_run (index, i);
            continue;
        }
        if (run->day == day) {
            add_gap (index, day, covered, MIN (run->from, size));
            covered = MAX (covered, run->to);
        }
        i++;
    }
    add_gap (index, day, covered, size);
}

/* A run whose day file is gone leads nowhere. */
static void
drop_orphans (RelaisEventIndex *index, const GArray *days)
{
    for (guint i = index->runs->len; i > 0; i--) {
        const RelaisEventRun *run = g_ptr_array_index (index->runs, i - 1);
        bool found = false;

        for (guint k = 0; k < days->len && !found; k++)
            found = g_array_index (days, guint32, k) == run->day;
        if (!found)
            remove_run (index, i - 1);
    }
}

static bool
look_around (RelaisEventIndex *index, GError **error)
{
    g_autoptr (GPtrArray) names = relais_event_file_list (index->dir_fd, error);
    g_autoptr (GArray) days = g_array_new (FALSE, FALSE, sizeof (guint32));
    const guint32 oldest = oldest_day (index);

    if (names == NULL || !list_runs (index, error))
        return false;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index (names, i);
        const guint32 day = relais_event_file_day (name);
        struct stat st;

        if (day < oldest || fstatat (index->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        g_array_append_val (days, day);
        index->newest_day = day;
        find_gaps (index, day, (guint64)st.st_size);
    }
    drop_orphans (index, days);
    return true;
}

RelaisEventIndex *
relais_event_index_open (const char *dir, const RelaisClock *clock, GError **error)
{
    RelaisEventIndex *index = g_new0 (RelaisEventIndex, 1);

    relais_assert_may_block ();
    index->clock = clock;
    g_mutex_init (&index->mutex);
    g_cond_init (&index->wake);
    g_cond_init (&index->idle);
    index->parts = g_ptr_array_new_with_free_func (part_free);
    index->runs = g_ptr_array_new_with_free_func ((GDestroyNotify)relais_event_run_unref);
    index->gaps = g_array_new (FALSE, FALSE, sizeof (Gap));
    index->dir_fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (index->dir_fd < 0)
        relais_event_fail (error, "open", dir);
    if (index->dir_fd < 0 || !look_around (index, error)) {
        relais_event_index_close (index);
        return NULL;
    }
    index->thread = relais_thread_new ("event-index", index_main, index);
    return index;
}

void
relais_event_index_close (RelaisEventIndex *index)
{
    if (index == NULL)
        return;
    if (index->thread != NULL) {
        g_mutex_lock (&index->mutex);
        index->stopping = true;
        g_cond_signal (&index->wake);
        g_mutex_unlock (&index->mutex);
        g_thread_join (index->thread);
    }
    if (index->dir_fd >= 0)
        close (index->dir_fd);
    g_ptr_array_unref (index->parts);
    g_ptr_array_unref (index->runs);
    g_array_unref (index->gaps);
    g_cond_clear (&index->idle);
    g_cond_clear (&index->wake);
    g_mutex_clear (&index->mutex);
    g_free (index);
}

/* --- Looking up ----------------------------------------------------------------------------------- */

typedef struct {
    const guint8 *key; /* NULL: by hash */
    guint64 hash;
    guint32 first_day;
    GArray *places;
    guint max;
} Lookup;

static void
look_in_part (const Lookup *lookup, const Part *part)
{
    for (guint i = part->entries->len; i > 0 && lookup->places->len < lookup->max; i--) {
        const RelaisEventEntry *entry = &g_array_index (part->entries, RelaisEventEntry, i - 1);
        const RelaisEventPlace place = {part->day, entry->offset};

        if (lookup->key != NULL ? memcmp (entry->key, lookup->key, sizeof entry->key) == 0
                                : entry->hash == lookup->hash)
            g_array_append_val (lookup->places, place);
    }
}

static bool
look_in_run (const Lookup *lookup, const RelaisEventRun *run, int dir_fd)
{
    g_autoptr (GArray) offsets = g_array_new (FALSE, FALSE, sizeof (guint64));
    const guint max = lookup->max - lookup->places->len;
    const bool good = lookup->key != NULL
                          ? relais_event_run_find_key (run, dir_fd, lookup->key, offsets, max)
                          : relais_event_run_find_hash (run, dir_fd, lookup->hash, offsets, max);

    for (guint i = 0; i < offsets->len; i++) {
        const RelaisEventPlace place = {run->day, g_array_index (offsets, guint64, i)};

        g_array_append_val (lookup->places, place);
    }
    return good;
}

/* What is in memory is looked through; the runs are returned, to be looked at without the mutex. */
static GPtrArray *
look_in_memory (RelaisEventIndex *index, const Lookup *lookup, bool *complete)
{
    GPtrArray *runs = g_ptr_array_new_with_free_func ((GDestroyNotify)relais_event_run_unref);

    g_mutex_lock (&index->mutex);
    for (guint i = index->parts->len; i > 0; i--)
        look_in_part (lookup, g_ptr_array_index (index->parts, i - 1));
    for (guint i = 0; i < index->runs->len; i++) {
        RelaisEventRun *run = g_ptr_array_index (index->runs, i);

        if (run->day >= lookup->first_day)
            g_ptr_array_add (runs, relais_event_run_ref (run));
    }
    *complete = index->gaps->len == 0;
    g_mutex_unlock (&index->mutex);
    g_ptr_array_sort (runs, compare_runs);
    return runs;
}

void
relais_event_index_distrust (RelaisEventIndex *index, guint32 day)
{
    g_mutex_lock (&index->mutex);
    for (guint i = index->runs->len; i > 0; i--) {
        const RelaisEventRun *run = g_ptr_array_index (index->runs, i - 1);

        if (run->day != day)
            continue;
        add_gap (index, day, run->from, run->to);
        remove_run (index, i - 1);
    }
    g_cond_signal (&index->wake);
    g_mutex_unlock (&index->mutex);
    g_warning ("event index: what it says of day %u does not agree with the log; it is made anew",
               day);
}

bool
relais_event_index_find (RelaisEventIndex *index, const guint8 *key, guint64 hash,
                         guint32 first_day, GArray *places, guint max, GError **error)
{
    const Lookup lookup = {key, hash, first_day, places, max};
    g_autoptr (GPtrArray) runs = NULL;
    bool complete;

    relais_assert_may_block ();
    runs = look_in_memory (index, &lookup, &complete);
    for (guint i = runs->len; i > 0 && places->len < max; i--) {
        const RelaisEventRun *run = g_ptr_array_index (runs, i - 1);

        if (!look_in_run (&lookup, run, index->dir_fd)) {
            relais_event_index_distrust (index, run->day);
            complete = false;
        }
    }
    if (!complete && places->len < max)
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                             "not known yet: the event log is being read");
    return complete || places->len >= max;
}
