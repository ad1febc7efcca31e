/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The thread. It alone touches the files once it runs. The mutex guards the two lists, jobs and ends, and the words of
 * trouble; it is not held over I/O.
 */
#include "config.h"

#include "suppress/journal-private.h"

#include "loop/thread-private.h"
#include "suppress/line-private.h"
#include "suppress/tail-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { COPY_BYTES = 64 * 1024 };

typedef enum { JOB_WRITE, JOB_BEGIN_NEW, JOB_WRITE_NEW, JOB_END_NEW, JOB_STOP } JobKind;

typedef struct {
    GList link;
    JobKind kind;
    GString *bytes;
    guint64 epoch;
    RelaisJournalRange *damaged;
    guint n_damaged;
    RelaisJournalFunc done;
    gpointer data;
    RelaisJournalOutcome outcome;
    guint64 journal_bytes; /* when it ended */
} Job;

/* A file that is written at its end. */
typedef struct {
    int fd; /* -1: none */
    guint64 id;
    guint64 written, synced;
} File;

struct RelaisJournal {
    RelaisLoop *loop;
    GThread *thread;
    char *dir;
    guint waiting;     /* loop's */
    guint64 last_size; /* loop's */

    GMutex mutex;
    GCond wake;
    GQueue jobs, ended; /* under mutex */
    bool posted;        /* under mutex */
    char *trouble;      /* under mutex */

    /* The thread's. */
    int dir_fd;
    File file, fresh;
    bool dead; /* nothing goes into `file` any more */
    guint64 failed_epoch;
    RelaisJournalTail *tail;
};

/* --- Files ------------------------------------------------------------------------------------ */

/* Keeps the words; errno says why. False. */
static bool
fail (RelaisJournal *journal, const char *what, const char *name)
{
    const int saved = errno;
    char *text =
        g_strdup_printf ("%s/%s: %s: %s", journal->dir, name, _ (what), g_strerror (saved));

    g_mutex_lock (&journal->mutex);
    g_free (journal->trouble);
    journal->trouble = text;
    g_mutex_unlock (&journal->mutex);
    errno = saved;
    return false;
}

static void
note_success (RelaisJournal *journal)
{
    g_mutex_lock (&journal->mutex);
    g_clear_pointer (&journal->trouble, g_free);
    g_mutex_unlock (&journal->mutex);
}

static bool
write_at_end (File *file, const char *bytes, gsize size)
{
    for (gsize done = 0; done < size;) {
        ssize_t n = pwrite (file->fd, bytes + done, size - done, (off_t)(file->written));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (gsize)n;
        file->written += (guint64)n;
    }
    return true;
}

static void
close_file (File *file)
{
    if (file->fd >= 0)
        close (file->fd);
    *file = (File){.fd = -1};
}

static guint64
random_id (void)
{
    guint64 id = 0;

    while (getrandom (&id, sizeof id, 0) != sizeof id)
        continue;
    return id;
}

/* "journal.new" with its head, not synced. */
static bool
make_new (RelaisJournal *journal)
{
    File *file = &journal->fresh;
    const guint64 id = random_id ();
    const RelaisJournalLine head = {.op = RELAIS_JOURNAL_HEAD, .number = id};
    g_autoptr (GString) line = g_string_new (NULL);

    close_file (file);
    if (unlinkat (journal->dir_fd, "journal.new", 0) < 0 && errno != ENOENT)
        return fail (journal, N_ ("cannot remove"), "journal.new");
    file->fd = openat (journal->dir_fd, "journal.new",
                       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0)
        return fail (journal, N_ ("cannot create"), "journal.new");
    file->id = id;
    relais_journal_line_append (line, &head);
    return write_at_end (file, line->str, line->len) ||
           fail (journal, N_ ("cannot write"), "journal.new");
}

/* From here on "journal" is the new one. */
static bool
put_new_in_place (RelaisJournal *journal)
{
    File *file = &journal->fresh;

    if (fdatasync (file->fd) < 0)
        return fail (journal, N_ ("cannot sync"), "journal.new");
    file->synced = file->written;
    if (renameat (journal->dir_fd, "journal.new", journal->dir_fd, "journal") < 0)
        return fail (journal, N_ ("cannot rename"), "journal.new");
    /* Which of the two a power cut would leave is not known before this, and lines go into one alone. */
    journal->dead = true;
    if (fsync (journal->dir_fd) < 0)
        return fail (journal, N_ ("cannot sync"), ".");
    close_file (&journal->file);
    journal->file = *file;
    *file = (File){.fd = -1};
    journal->dead = false;
    relais_journal_tail_begin (journal->tail, journal->file.id, journal->file.synced);
    return true;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* After a failed write the file is as it was if the cut works; after a failed sync nobody knows. */
static RelaisJournalOutcome
cut_back (RelaisJournal *journal, bool is_sure)
{
    File *file = &journal->file;

    if (ftruncate (file->fd, (off_t)file->synced) < 0)
        is_sure = false;
    file->written = file->synced;
    journal->dead = !is_sure;
    return is_sure ? RELAIS_JOURNAL_FAILED : RELAIS_JOURNAL_DEAD;
}

static RelaisJournalOutcome
write_and_sync (RelaisJournal *journal, GPtrArray *batch)
{
    File *file = &journal->file;

    for (guint i = 0; i < batch->len; i++) {
        const GString *bytes = ((const Job *)g_ptr_array_index (batch, i))->bytes;

        if (!write_at_end (file, bytes->str, bytes->len)) {
            fail (journal, N_ ("cannot write"), "journal");
            return cut_back (journal, true);
        }
    }
    if (file->written > file->synced && fdatasync (file->fd) < 0) {
        fail (journal, N_ ("cannot sync"), "journal");
        return cut_back (journal, false);
    }
    file->synced = file->written;
    note_success (journal);
    return RELAIS_JOURNAL_DONE;
}

/* Nothing comes of the new file: told when it ends. */
static void
drop_new (RelaisJournal *journal)
{
    close_file (&journal->fresh);
    (void)unlinkat (journal->dir_fd, "journal.new", 0);
}

/* The new file is on its way. */
static void
write_to_new (RelaisJournal *journal, const GString *bytes)
{
    File *file = &journal->fresh;

    if (file->fd < 0)
        return;
    if (!write_at_end (file, bytes->str, bytes->len)) {
        fail (journal, N_ ("cannot write"), "journal.new");
        drop_new (journal);
    }
}

/* The writes at the head of `jobs` that were not made on top of a failure; those that were end here. */
static GPtrArray *
take_batch (RelaisJournal *journal, GQueue *jobs, GQueue *ended)
{
    GPtrArray *batch = g_ptr_array_new ();

    for (GList *link = jobs->head; link != NULL && ((Job *)link->data)->kind == JOB_WRITE;
         link = jobs->head) {
        Job *job = link->data;

        g_queue_unlink (jobs, link);
        g_queue_push_tail_link (ended, link);
        job->outcome = journal->dead ? RELAIS_JOURNAL_DEAD : RELAIS_JOURNAL_FAILED;
        if (!journal->dead && job->epoch > journal->failed_epoch)
            g_ptr_array_add (batch, job);
        else
            journal->failed_epoch = MAX (journal->failed_epoch, job->epoch);
    }
    return batch;
}

static void
do_writes (RelaisJournal *journal, GQueue *jobs, GQueue *ended)
{
    g_autoptr (GPtrArray) batch = take_batch (journal, jobs, ended);
    guint64 end = journal->file.synced;
    RelaisJournalOutcome outcome;

    if (batch->len == 0)
        return;
    outcome = write_and_sync (journal, batch);
    for (guint i = 0; i < batch->len; i++) {
        Job *job = g_ptr_array_index (batch, i);

        job->outcome = outcome;
        job->journal_bytes = journal->file.synced;
        if (outcome != RELAIS_JOURNAL_DONE) {
            drop_new (journal); /* it may have been made of what is taken back now */
            journal->failed_epoch = MAX (journal->failed_epoch, job->epoch);
            continue;
        }
        end += job->bytes->len;
        relais_journal_tail_append (journal->tail, job->bytes, end);
        write_to_new (journal, job->bytes);
    }
}

/* --- New files -------------------------------------------------------------------------------- */

static bool
copy_range (int from, int to, const RelaisJournalRange *range)
{
    g_autofree char *bytes = g_malloc (COPY_BYTES);
    File file = {.fd = to};
    guint64 done = 0;

    file.written = (guint64)lseek (to, 0, SEEK_END);
    while (done < range->size) {
        ssize_t n =
            pread (from, bytes, MIN (COPY_BYTES, range->size - done), (off_t)(range->from + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || (n > 0 && !write_at_end (&file, bytes, (gsize)n)))
            return false;
        if (n == 0)
            return true;
        done += (guint64)n;
    }
    return true;
}

/* What a repair takes out is kept: people may read more in it. */
static bool
keep_damaged (RelaisJournal *journal, const Job *job)
{
    g_autoptr (GDateTime) now = g_date_time_new_from_unix_utc (
        relais_clock_wall_us (relais_loop_clock (journal->loop)) / G_USEC_PER_SEC);
    g_autofree char *name =
        now != NULL ? g_date_time_format (now, "damaged-%Y%m%dT%H%M%SZ") : g_strdup ("damaged");
    int from, to;
    bool good = true;

    if (job->n_damaged == 0)
        return true;
    from = openat (journal->dir_fd, "journal", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    to = openat (journal->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    good = from >= 0 && to >= 0;
    for (guint i = 0; good && i < job->n_damaged; i++)
        good = copy_range (from, to, &job->damaged[i]);
    good = good && fdatasync (to) == 0;
    if (!good)
        fail (journal, N_ ("cannot keep what is damaged"), name);
    if (from >= 0)
        close (from);
    if (to >= 0)
        close (to);
    return good;
}

static void
end_new (RelaisJournal *journal, Job *job)
{
    const bool good =
        journal->fresh.fd >= 0 && keep_damaged (journal, job) && put_new_in_place (journal);

    job->outcome = good            ? RELAIS_JOURNAL_DONE
                   : journal->dead ? RELAIS_JOURNAL_DEAD
                                   : RELAIS_JOURNAL_FAILED;
    if (good)
        note_success (journal);
    else
        drop_new (journal);
}

/* --- The thread ------------------------------------------------------------------------------- */

/* One job that is no write. False: the last. */
static bool
do_other (RelaisJournal *journal, GQueue *jobs, GQueue *ended)
{
    Job *job = jobs->head->data;

    g_queue_unlink (jobs, &job->link);
    g_queue_push_tail_link (ended, &job->link);
    job->outcome = RELAIS_JOURNAL_DONE;
    switch (job->kind) {
    case JOB_BEGIN_NEW:
        if (job->epoch <= journal->failed_epoch || !make_new (journal))
            drop_new (journal);
        break;
    case JOB_WRITE_NEW: write_to_new (journal, job->bytes); break;
    case JOB_END_NEW: end_new (journal, job); break;
    case JOB_WRITE:
    case JOB_STOP: break;
    }
    job->journal_bytes = journal->file.synced;
    return job->kind != JOB_STOP;
}

static void
move_all (GQueue *from, GQueue *to)
{
    GList *link;

    while ((link = g_queue_pop_head_link (from)) != NULL)
        g_queue_push_tail_link (to, link);
}

static void deliver (gpointer data);

static void
tell_ended (RelaisJournal *journal, GQueue *ended)
{
    bool post;

    g_mutex_lock (&journal->mutex);
    move_all (ended, &journal->ended);
    post = !journal->posted;
    journal->posted = true;
    g_mutex_unlock (&journal->mutex);
    if (post)
        relais_loop_post (journal->loop, deliver, journal);
}

static gpointer
journal_main (gpointer data)
{
    RelaisJournal *journal = data;
    GQueue jobs = G_QUEUE_INIT, ended = G_QUEUE_INIT;
    bool go_on = true;

    while (go_on) {
        g_mutex_lock (&journal->mutex);
        while (journal->jobs.length == 0)
            g_cond_wait (&journal->wake, &journal->mutex);
        move_all (&journal->jobs, &jobs);
        g_mutex_unlock (&journal->mutex);
        while (jobs.length > 0 && go_on) {
            if (((const Job *)jobs.head->data)->kind == JOB_WRITE)
                do_writes (journal, &jobs, &ended);
            else
                go_on = do_other (journal, &jobs, &ended);
            tell_ended (journal, &ended);
        }
    }
    return NULL;
}

/* --- The loop's side -------------------------------------------------------------------------- */

static void
job_free (Job *job)
{
    if (job->bytes != NULL)
        g_string_free (job->bytes, TRUE);
    g_free (job->damaged);
    g_free (job);
}

static void
deliver (gpointer data)
{
    RelaisJournal *journal = data;
    GQueue ended = G_QUEUE_INIT;
    GList *link;

    g_mutex_lock (&journal->mutex);
    move_all (&journal->ended, &ended);
    journal->posted = false;
    g_mutex_unlock (&journal->mutex);
    while ((link = g_queue_pop_head_link (&ended)) != NULL) {
        Job *job = link->data;

        journal->waiting--;
        if (job->outcome == RELAIS_JOURNAL_DONE)
            journal->last_size = job->journal_bytes;
        if (job->done != NULL)
            job->done (job->data, job->outcome);
        job_free (job);
    }
}

static Job *
hand_over (RelaisJournal *journal, JobKind kind, GString *bytes, RelaisJournalFunc done,
           gpointer data)
{
    Job *job = g_new (Job, 1);

    *job = (Job){.kind = kind, .bytes = bytes, .done = done, .data = data};
    job->link.data = job;
    journal->waiting++;
    return job;
}

static void
queue_job (RelaisJournal *journal, Job *job)
{
    g_mutex_lock (&journal->mutex);
    g_queue_push_tail_link (&journal->jobs, &job->link);
    g_cond_signal (&journal->wake);
    g_mutex_unlock (&journal->mutex);
}

void
relais_journal_write (RelaisJournal *journal, GString *bytes, guint64 epoch, RelaisJournalFunc done,
                      gpointer data)
{
    Job *job = hand_over (journal, JOB_WRITE, bytes, done, data);

    job->epoch = epoch;
    queue_job (journal, job);
}

void
relais_journal_begin_new (RelaisJournal *journal, guint64 epoch)
{
    Job *job = hand_over (journal, JOB_BEGIN_NEW, NULL, NULL, NULL);

    job->epoch = epoch;
    queue_job (journal, job);
}

void
relais_journal_write_new (RelaisJournal *journal, GString *bytes, RelaisJournalFunc done,
                          gpointer data)
{
    queue_job (journal, hand_over (journal, JOB_WRITE_NEW, bytes, done, data));
}

void
relais_journal_end_new (RelaisJournal *journal, const RelaisJournalRange *damaged, guint n_damaged,
                        RelaisJournalFunc done, gpointer data)
{
    Job *job = hand_over (journal, JOB_END_NEW, NULL, done, data);

    job->damaged = g_memdup2 (damaged, n_damaged * sizeof (RelaisJournalRange));
    job->n_damaged = n_damaged;
    queue_job (journal, job);
}

guint
relais_journal_n_waiting (const RelaisJournal *journal)
{
    return journal->waiting;
}

guint64
relais_journal_bytes (const RelaisJournal *journal)
{
    return journal->last_size;
}

char *
relais_journal_trouble (RelaisJournal *journal)
{
    char *text;

    g_mutex_lock (&journal->mutex);
    text = g_strdup (journal->trouble);
    g_mutex_unlock (&journal->mutex);
    return text;
}

/* --- Life ------------------------------------------------------------------------------------- */

/* What a process that died wrote and did not sync counts as well, so it is synced before anything says so. */
static bool
go_on_with (RelaisJournal *journal, guint64 size, guint64 id)
{
    File *file = &journal->file;

    file->fd = openat (journal->dir_fd, "journal", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file->fd < 0)
        return fail (journal, N_ ("cannot open"), "journal");
    if (ftruncate (file->fd, (off_t)size) < 0)
        return fail (journal, N_ ("cannot cut"), "journal");
    if (fdatasync (file->fd) < 0)
        return fail (journal, N_ ("cannot sync"), "journal");
    file->id = id;
    file->written = file->synced = size;
    return true;
}

RelaisJournal *
relais_journal_new (RelaisLoop *loop, const char *dir, RelaisJournalStart start, guint64 size,
                    guint64 id, bool *dead)
{
    RelaisJournal *journal = g_new (RelaisJournal, 1);

    *journal =
        (RelaisJournal){.loop = loop,
                        .dir = g_strdup (dir),
                        .dir_fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW),
                        .file = {.fd = -1},
                        .fresh = {.fd = -1},
                        .dead = true};
    g_mutex_init (&journal->mutex);
    g_cond_init (&journal->wake);
    journal->tail = relais_journal_tail_new (journal->dir_fd);
    if (journal->dir_fd < 0)
        fail (journal, N_ ("cannot open"), ".");
    else if (start == RELAIS_JOURNAL_GO_ON)
        journal->dead = !go_on_with (journal, size, id);
    else if (start == RELAIS_JOURNAL_MAKE && make_new (journal))
        (void)put_new_in_place (journal);
    if (start == RELAIS_JOURNAL_GO_ON && !journal->dead)
        relais_journal_tail_begin (journal->tail, id, size);
    *dead = journal->dead;
    journal->last_size = journal->file.synced;
    journal->thread = relais_thread_new ("suppression", journal_main, journal);
    return journal;
}

void
relais_journal_finish (RelaisJournal *journal)
{
    if (journal->thread == NULL)
        return;
    queue_job (journal, hand_over (journal, JOB_STOP, NULL, NULL, NULL));
    g_thread_join (journal->thread);
    journal->thread = NULL;
    drop_new (journal);
    deliver (journal);
}

void
relais_journal_free (RelaisJournal *journal)
{
    if (journal == NULL)
        return;
    relais_journal_finish (journal);
    relais_journal_tail_free (journal->tail);
    close_file (&journal->file);
    close_file (&journal->fresh);
    if (journal->dir_fd >= 0)
        close (journal->dir_fd);
    g_free (journal->trouble);
    g_free (journal->dir);
    g_mutex_clear (&journal->mutex);
    g_cond_clear (&journal->wake);
    g_free (journal);
}
