/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages of a running spool: which are in memory, reading the others back through the pool, taking
 * damaged ones out of circulation. Loop; what reads, on workers.
 */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "spool/read.h"

/* What a message and each of its recipients take in memory beside the body, as measured. */
enum { HOT_MESSAGE_BYTES = 2048, HOT_RECIPIENT_BYTES = 128 };

typedef struct {
    RelaisSpool *spool;
    RelaisWhere where;
    bool found;
    RelaisMessage *message;
    GError *error;
    RelaisSpoolLoaded func;
    gpointer data;
} Load;

static bool
hold (RelaisSpool *spool, guint64 id, RelaisWhere *where)
{
    bool found;

    g_mutex_lock (&spool->index_lock);
    found = relais_where_hold (spool, id, where);
    g_mutex_unlock (&spool->index_lock);
    return found;
}

static void
release (RelaisSpool *spool, const RelaisWhere *where)
{
    g_mutex_lock (&spool->index_lock);
    relais_where_release (spool, where);
    g_mutex_unlock (&spool->index_lock);
}

/* --- Loading ------------------------------------------------------------------------------------ */

static void
load_work (gpointer data)
{
    Load *load = data;

    load->message = relais_where_read (load->spool, &load->where, &load->error);
}

static void
load_done (gpointer data)
{
    Load *load = data;

    if (load->found)
        release (load->spool, &load->where);
    load->func (load->data, load->message, load->error);
    g_clear_pointer (&load->message, relais_message_unref);
    g_clear_error (&load->error);
    g_free (load);
}

static void
load_nothing (gpointer data)
{
    Load *load = data;

    g_set_error_literal (&load->error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_GONE,
                         "there is no such message");
}

void
relais_spool_load (RelaisSpool *spool, guint64 id, RelaisSpoolLoaded func, gpointer data)
{
    Load *load = g_new0 (Load, 1);

    load->spool = spool;
    load->func = func;
    load->data = data;
    load->found = hold (spool, id, &load->where);
    relais_spool_run_job (spool, load->found ? load_work : load_nothing, load_done, load);
}

RelaisMessage *
relais_spool_peek (RelaisSpool *spool, guint64 id)
{
    RelaisMessage *message = g_hash_table_lookup (spool->hot, &id);

    return message != NULL ? relais_message_ref (message) : NULL;
}

guint64
relais_spool_hot_cost (const RelaisMessage *message)
{
    return relais_body_facts (message->body)->size_bytes + HOT_MESSAGE_BYTES +
           (guint64)message->envelope.recipients->len * HOT_RECIPIENT_BYTES;
}

void
relais_spool_cool (RelaisSpool *spool, guint64 id)
{
    const RelaisMessage *message = g_hash_table_lookup (spool->hot, &id);

    if (message == NULL)
        return;
    spool->hot_bytes -= relais_spool_hot_cost (message);
    g_hash_table_remove (spool->hot, &id);
}

/* --- Quarantine --------------------------------------------------------------------------------- */

static bool
save_record (RelaisSpool *spool, const RelaisWhere *where, const char *why)
{
    guint8 bytes[RELAIS_RECORD_BYTES];
    RelaisRecord record = {0};
    guint32 end = where->message.offset + RELAIS_RECORD_BYTES;
    int fd = relais_spool_open_segment (spool, where->message.segment, NULL);
    bool good;

    if (fd < 0)
        return false;
    if (relais_spool_pread (fd, bytes, sizeof bytes, where->message.offset, NULL) &&
        relais_record_decode (&where->message_framing, bytes, &record))
        end = (guint32)(where->message.offset + relais_record_size (&record));
    good = relais_spool_save_damage (spool, fd, where->message.segment, where->message.offset, end,
                                     why);
    close (fd);
    return good;
}

static bool
save_file (RelaisSpool *spool, guint64 id)
{
    char name[RELAIS_BODY_FILE_NAME_BYTES];
    const guint64 *number;

    g_mutex_lock (&spool->index_lock);
    number = g_hash_table_lookup (spool->files, &id);
    if (number != NULL)
        relais_body_file_name (name, *number);
    g_mutex_unlock (&spool->index_lock);
    if (number == NULL)
        return true;
    if ((linkat (spool->bodies_fd, name, spool->quarantine_fd, name, 0) == 0 || errno == EEXIST ||
         errno == ENOENT) &&
        fsync (spool->quarantine_fd) == 0)
        return true;
    g_warning ("spool \"%s\": cannot keep body file %s: %s", spool->dir, name, g_strerror (errno));
    return false;
}

bool
relais_spool_save_message (RelaisSpool *spool, const RelaisWhere *where, const char *why)
{
    const bool record = save_record (spool, where, why);

    return save_file (spool, where->id) && record;
}

void
relais_spool_end_damaged (RelaisSpool *spool, guint64 id, const char *why)
{
    RelaisGroup *group = relais_group_new (spool);
    char text[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;
    g_autoptr (GBytes) event = NULL;

    relais_id_to_text (id, text);
    line = relais_event_line_new ("quarantined", relais_loop_wall_us (spool->loop), text, -1, 0);
    relais_event_line_add (line, "reason", why);
    event = relais_event_line_end (line);
    relais_group_add_done (group, id);
    relais_group_add_event (group, event);
    relais_group_submit (group, RELAIS_GROUP_LAZY, NULL, NULL, NULL);
}

typedef struct {
    RelaisSpool *spool;
    RelaisWhere where;
    char *reason;
    bool saved;
} Removal;

static void
removal_work (gpointer data)
{
    Removal *removal = data;

    removal->saved = relais_spool_save_message (removal->spool, &removal->where, removal->reason);
}

static void
removal_done (gpointer data)
{
    Removal *removal = data;

    release (removal->spool, &removal->where);
    if (removal->saved)
        relais_spool_end_damaged (removal->spool, removal->where.id, removal->reason);
    g_free (removal->reason);
    g_free (removal);
}

void
relais_spool_quarantine (RelaisSpool *spool, guint64 id, const char *reason)
{
    Removal *removal = g_new0 (Removal, 1);

    removal->spool = spool;
    removal->reason = g_strdup (reason);
    if (!hold (spool, id, &removal->where)) {
        g_free (removal->reason);
        g_free (removal);
        return;
    }
    relais_spool_run_job (spool, removal_work, removal_done, removal);
}
