/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Drafts: the bytes of a message while it is received. Small ones stay in one block that becomes the
 * body without a copy; large ones are handed in blocks to an upload, which has workers write them to
 * a body file. Counts the memory of all of it, has callers stop reading when there is too much, and
 * fails those that waited in vain. Loop thread only.
 */
#include "config.h"

#include <string.h>

#include "spool/spool-state.h"

enum { FIRST_BLOCK_BYTES = 4096, QUEUED_STOP_BYTES = 1 << 20, QUEUED_GO_BYTES = 1 << 19 };
#define MEMORY_WAIT_US (10 * RELAIS_USEC_PER_SEC)
#define PAUSE_CHECK_US RELAIS_USEC_PER_SEC

/* Feeds a body file. Lives until its last job is done and neither draft nor group needs it. */
typedef struct {
    RelaisSpool *spool;
    RelaisBodyFile *file;
    RelaisDraft *draft; /* NULL once the group took over, or it was dropped */
    RelaisGroup *group; /* waits for the file */
    guint64 counted;    /* bytes counted as receive memory */
    bool running;
    bool ended;
    bool finished;  /* synced or failed */
    bool abandoned; /* nobody wants the file */
} Upload;

struct RelaisDraft {
    RelaisSpool *spool;
    RelaisBodyScanner scanner;
    guint8 *block;
    gsize used, room;
    GBytes *bytes;      /* the whole, once it ended in memory */
    GByteArray *header; /* the header block, once the first block was handed on */
    Upload *upload;
    GError *failure;
    RelaisLoopFunc resume;
    gpointer resume_data;
    gint64 paused_us; /* since when it waits for memory; 0 if not */
    bool told_to_stop;
    bool ended;
};

/* --- Memory ------------------------------------------------------------------------------------- */

static guint64
limit_of (const RelaisSpool *spool)
{
    return spool->options.receive_memory_bytes;
}

void
relais_spool_release_memory (RelaisSpool *spool, guint64 bytes)
{
    g_assert (bytes <= spool->receive_bytes);
    spool->receive_bytes -= bytes;
    if (spool->paused.length > 0 && spool->receive_bytes <= limit_of (spool) / 8 * 7)
        relais_timer_set (&spool->pause_timer, 0);
}

static void
maybe_resume (RelaisDraft *draft)
{
    if (!draft->told_to_stop || draft->paused_us != 0)
        return;
    if (draft->failure == NULL && draft->upload != NULL &&
        relais_body_file_queued (draft->upload->file) > QUEUED_GO_BYTES)
        return;
    draft->told_to_stop = false;
    if (draft->resume != NULL)
        draft->resume (draft->resume_data);
}

static void
unpause (RelaisDraft *draft)
{
    if (draft->paused_us == 0)
        return;
    draft->paused_us = 0;
    g_queue_remove (&draft->spool->paused, draft);
}

static void
drop_block (RelaisDraft *draft)
{
    g_clear_pointer (&draft->block, g_free);
    relais_spool_release_memory (draft->spool, draft->room);
    draft->used = draft->room = 0;
}

static void
set_failure (RelaisDraft *draft, GError *error)
{
    draft->failure = error;
    drop_block (draft);
}

/* Lets drafts go on whose turn it is; fails those that waited too long. */
void
relais_draft_memory_timer (gpointer data)
{
    RelaisSpool *spool = data;
    gint64 now = relais_loop_now_us (spool->loop);
    guint n = spool->paused.length;

    while (n-- > 0 && spool->paused.length > 0) {
        RelaisDraft *draft = g_queue_peek_head (&spool->paused);
        bool room = spool->receive_bytes <= limit_of (spool) / 8 * 7;

        if (!room && now - draft->paused_us < MEMORY_WAIT_US)
            break;
        unpause (draft);
        if (!room)
            set_failure (draft, g_error_copy (spool->refuse_memory));
        maybe_resume (draft);
    }
    if (spool->paused.length > 0)
        relais_timer_set (&spool->pause_timer, PAUSE_CHECK_US);
}

static void
pause_for_memory (RelaisDraft *draft)
{
    RelaisSpool *spool = draft->spool;

    if (draft->paused_us != 0)
        return;
    draft->paused_us = MAX (relais_loop_now_us (spool->loop), 1);
    g_queue_push_tail (&spool->paused, draft);
    if (!relais_timer_is_set (&spool->pause_timer))
        relais_timer_set (&spool->pause_timer, PAUSE_CHECK_US);
}

/* --- Uploads ------------------------------------------------------------------------------------ */

static void upload_run (Upload *upload);

static void
upload_free (Upload *upload)
{
    if (upload->abandoned)
        relais_spool_drop_file (upload->spool, relais_body_file_get_ref (upload->file).number);
    relais_spool_release_memory (upload->spool, upload->counted);
    relais_body_file_set_upload (upload->file, NULL);
    relais_body_file_unref (upload->file);
    g_free (upload);
}

static void
upload_work (gpointer data)
{
    relais_body_file_write (((Upload *)data)->file);
}

static void
upload_finish (Upload *upload, const GError *error)
{
    RelaisGroup *group = g_steal_pointer (&upload->group);

    upload->finished = true;
    if (group != NULL)
        relais_group_file_ready (group, error);
}

/* What was counted when it was handed over and is no longer in memory is given back. */
static void
count_held (Upload *upload)
{
    const guint64 held = relais_body_file_held (upload->file);

    relais_spool_release_memory (upload->spool, upload->counted - held);
    upload->counted = held;
}

/* Its client hears it, whoever looks after the machine at most once a minute. */
static void
tell_failure (RelaisSpool *spool, const GError *error)
{
    const gint64 now_us = g_get_monotonic_time ();

    if (spool->file_told_us != 0 && now_us - spool->file_told_us < 60 * RELAIS_USEC_PER_SEC)
        return;
    spool->file_told_us = now_us;
    g_warning ("the spool \"%s\" refuses a message: %s", spool->dir, error->message);
}

static void
upload_done (gpointer data)
{
    Upload *upload = data;
    g_autoptr (GError) error = relais_body_file_error (upload->file);
    guint64 queued = relais_body_file_queued (upload->file);

    upload->running = false;
    count_held (upload);
    if (error != NULL)
        tell_failure (upload->spool, error);
    if (error != NULL || relais_body_file_is_synced (upload->file))
        upload_finish (upload, error);
    else if (queued > 0 || upload->ended)
        upload_run (upload);
    if (upload->draft != NULL) {
        if (error != NULL && upload->draft->failure == NULL)
            set_failure (upload->draft, g_error_copy (error));
        maybe_resume (upload->draft);
        return;
    }
    if (!upload->running && upload->group == NULL)
        upload_free (upload);
}

static void
upload_run (Upload *upload)
{
    if (upload->running || upload->finished)
        return;
    upload->running = true;
    relais_spool_run_job (upload->spool, upload_work, upload_done, upload);
}

static void
upload_begin (RelaisDraft *draft)
{
    RelaisSpool *spool = draft->spool;
    Upload *upload = g_new0 (Upload, 1);

    upload->spool = spool;
    upload->draft = draft;
    upload->file = relais_body_file_new (spool->bodies_fd, relais_spool_new_id (spool));
    relais_body_file_set_upload (upload->file, upload);
    draft->upload = upload;
}

/* Nobody waits for the upload any more; it goes now or with its running job. */
static void
upload_let_go (Upload *upload)
{
    upload->draft = NULL;
    upload->group = NULL;
    if (!upload->running)
        upload_free (upload);
}

/* --- Drafts ------------------------------------------------------------------------------------- */

RelaisDraft *
relais_draft_new (RelaisSpool *spool)
{
    RelaisDraft *draft = g_new0 (RelaisDraft, 1);

    draft->spool = spool;
    return draft;
}

static void
set_room (RelaisDraft *draft, gsize room)
{
    draft->block = g_realloc (draft->block, room);
    draft->spool->receive_bytes += room;
    draft->spool->receive_bytes -= draft->room;
    draft->room = room;
}

static gsize
next_room (const RelaisDraft *draft)
{
    if (draft->upload != NULL)
        return RELAIS_BODY_IN_MEMORY_BYTES;
    if (draft->room == 0)
        return FIRST_BLOCK_BYTES;
    return draft->room * (draft->room < 65536 ? 4 : 2);
}

/* Keeps a copy of the header block, since its block is about to go. */
static void
keep_header (RelaisDraft *draft, const guint8 *bytes, gsize size)
{
    if (draft->header == NULL)
        draft->header = g_byte_array_new ();
    if (draft->scanner.in_content)
        size = (gsize)MIN (size, draft->scanner.facts.header_bytes - draft->header->len);
    g_byte_array_append (draft->header, bytes, (guint)size);
    draft->spool->receive_bytes += size;
}

static bool
header_is_kept (const RelaisDraft *draft)
{
    return draft->scanner.in_content && draft->header != NULL &&
           draft->header->len >= draft->scanner.facts.header_bytes;
}

/* Hands the block to the upload. */
static void
spill (RelaisDraft *draft)
{
    Upload *upload;

    if (draft->upload == NULL)
        upload_begin (draft);
    upload = draft->upload;
    if (!header_is_kept (draft))
        keep_header (draft, draft->block, draft->used);
    upload->counted += draft->used;
    draft->spool->receive_bytes += draft->used;
    relais_body_file_append (upload->file,
                             g_bytes_new_take (g_steal_pointer (&draft->block), draft->used));
    draft->spool->receive_bytes -= draft->room;
    draft->used = draft->room = 0;
    if (draft->spool->receive_bytes > limit_of (draft->spool) / 2) {
        relais_body_file_let_go (upload->file);
        count_held (upload);
    }
    upload_run (upload);
}

bool
relais_draft_append (RelaisDraft *draft, const guint8 *bytes, gsize size)
{
    RelaisSpool *spool = draft->spool;

    g_assert (!draft->ended);
    if (draft->failure != NULL)
        return true;
    relais_body_scan (&draft->scanner, bytes, size);
    while (size > 0) {
        gsize n;

        if (draft->used == RELAIS_BODY_IN_MEMORY_BYTES)
            spill (draft);
        if (draft->used == draft->room)
            set_room (draft, next_room (draft));
        n = MIN (size, draft->room - draft->used);
        memcpy (draft->block + draft->used, bytes, n);
        draft->used += n;
        bytes += n;
        size -= n;
    }
    if (spool->receive_bytes > limit_of (spool))
        pause_for_memory (draft);
    draft->told_to_stop = draft->paused_us != 0 ||
                          (draft->upload != NULL &&
                           relais_body_file_queued (draft->upload->file) > QUEUED_STOP_BYTES);
    return !draft->told_to_stop;
}

void
relais_draft_set_resume (RelaisDraft *draft, RelaisLoopFunc resume, gpointer data)
{
    draft->resume = resume;
    draft->resume_data = data;
}

const GError *
relais_draft_failure (RelaisDraft *draft)
{
    return draft->failure;
}

static void
end_in_memory (RelaisDraft *draft)
{
    if (draft->room - draft->used > draft->room / 4)
        set_room (draft, MAX (draft->used, 1));
    draft->bytes = g_bytes_new_take (g_steal_pointer (&draft->block), draft->used);
}

const RelaisBodyFacts *
relais_draft_end (RelaisDraft *draft)
{
    g_assert (!draft->ended);
    draft->ended = true;
    draft->told_to_stop = false;
    unpause (draft);
    if (draft->failure != NULL)
        return relais_body_scan_end (&draft->scanner);
    if (draft->upload == NULL) {
        end_in_memory (draft);
        return relais_body_scan_end (&draft->scanner);
    }
    if (draft->used > 0) {
        set_room (draft, draft->used);
        spill (draft);
    }
    draft->upload->ended = true;
    relais_body_file_end (draft->upload->file);
    upload_run (draft->upload);
    return relais_body_scan_end (&draft->scanner);
}

const guint8 *
relais_draft_header (RelaisDraft *draft, gsize *size)
{
    const guint8 *bytes = draft->block;
    gsize have = draft->used;

    if (draft->bytes != NULL)
        bytes = g_bytes_get_data (draft->bytes, &have);
    else if (draft->header != NULL) {
        /* Before the header is over it may go on in the present block. */
        if (!header_is_kept (draft) && draft->used > 0) {
            gsize kept = draft->header->len;

            keep_header (draft, draft->block, draft->used);
            draft->spool->receive_bytes -= draft->header->len - kept;
            bytes = draft->header->data;
            have = draft->header->len;
            g_byte_array_set_size (draft->header, (guint)kept);
        } else {
            bytes = draft->header->data;
            have = draft->header->len;
        }
    }
    *size = draft->scanner.in_content || draft->ended
                ? (gsize)MIN (have, draft->scanner.facts.header_bytes)
                : have;
    return bytes;
}

RelaisBody *
relais_draft_body (RelaisDraft *draft)
{
    g_assert (draft->ended && (draft->bytes != NULL || draft->upload != NULL));
    if (draft->bytes != NULL)
        return relais_body_new_bytes (draft->bytes, &draft->scanner.facts);
    return relais_body_new_reader (relais_body_file_read, relais_body_file_peek,
                                   relais_body_file_ref (draft->upload->file),
                                   (GDestroyNotify)relais_body_file_unref, &draft->scanner.facts);
}

/* Frees the draft but for what its upload and block are. */
static void
free_shell (RelaisDraft *draft)
{
    unpause (draft);
    if (draft->header != NULL) {
        relais_spool_release_memory (draft->spool, draft->header->len);
        g_byte_array_unref (draft->header);
    }
    g_clear_pointer (&draft->bytes, g_bytes_unref);
    g_clear_error (&draft->failure);
    g_free (draft);
}

RelaisBody *
relais_draft_take (RelaisDraft *draft, GBytes **bytes, RelaisBodyFile **file, guint64 *memory)
{
    RelaisBody *body = relais_draft_body (draft);

    g_assert (draft->failure == NULL);
    *memory = draft->room;
    draft->room = 0;
    *bytes = g_steal_pointer (&draft->bytes);
    *file = NULL;
    if (draft->upload != NULL) {
        *file = relais_body_file_ref (draft->upload->file);
        draft->upload->draft = NULL;
    }
    free_shell (draft);
    return body;
}

void
relais_draft_free (RelaisDraft *draft)
{
    if (draft == NULL)
        return;
    drop_block (draft);
    if (draft->upload != NULL) {
        draft->upload->abandoned = true;
        upload_let_go (draft->upload);
    }
    free_shell (draft);
}

bool
relais_upload_wait (RelaisBodyFile *file, RelaisGroup *group)
{
    Upload *upload = relais_body_file_upload (file);

    if (upload == NULL)
        return false;
    if (upload->finished) {
        upload_free (upload);
        return false;
    }
    upload->group = group;
    return true;
}

void
relais_upload_forget (RelaisBodyFile *file)
{
    Upload *upload = relais_body_file_upload (file);

    if (upload == NULL)
        return;
    upload->abandoned = true;
    upload_let_go (upload);
}
