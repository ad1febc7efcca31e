/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Cursors of modules (include/relais/cursor.h). A cursor's place lies in a file of its own below the state directory;
 * one job at a time reads it, the log, or writes it. A cursor that was freed meanwhile is ended by its job. Loop
 * thread, but for the jobs.
 */
#include "config.h"

#include "module/cursor-private.h"
#include "module/module-private.h"

#include "event/cursor-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <relais/cursor.h>
#include <string.h>

#define POLL_US RELAIS_USEC_PER_SEC /* the log syncs as often */

enum { READ_BYTES = 1 << 20 /* of a batch, about */ };

struct RelaisCursor {
    RelaisModule *module;
    char *name, *path;
    RelaisCursorStart start;
    bool placed;          /* `place` is known */
    RelaisLogPlace place; /* behind what was given */
    RelaisLogPlace read;  /* of the job: behind what it read */
    GPtrArray *events;    /* of the job; or NULL */
    bool gap;             /* that was not told of yet */
    GError *error;
    guint max;
    RelaisCursorFunc func; /* of the call that waits; or NULL */
    RelaisCursorAckFunc ack;
    gpointer data, ack_data;
    bool acking;  /* a place is to be written, or is being */
    bool working; /* a job is under way */
    bool freed;
    RelaisTimer timer;
};

/* --- Reading ------------------------------------------------------------------------------------ */

static void
destroy (RelaisCursor *cursor)
{
    relais_timer_stop (&cursor->timer);
    g_clear_pointer (&cursor->events, g_ptr_array_unref);
    g_clear_error (&cursor->error);
    g_free (cursor->name);
    g_free (cursor->path);
    g_free (cursor);
}

/* Where to begin: where it was, or as it was made. A file that holds no place is not passed over in silence. */
static bool
find_place (RelaisCursor *cursor)
{
    GError *error = NULL;

    if (relais_event_place_load (cursor->path, &cursor->read, &error))
        return true;
    if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
        g_propagate_error (&cursor->error, error);
        return false;
    }
    g_clear_error (&error);
    if (cursor->start == RELAIS_CURSOR_FROM_NOW)
        cursor->read = relais_event_log_end (cursor->module->host->events);
    return relais_event_place_save (cursor->path, &cursor->read, &cursor->error);
}

static void
read_on (gpointer data)
{
    RelaisCursor *cursor = data;
    RelaisEventLog *log = cursor->module->host->events;
    bool gap = false;

    cursor->read = cursor->place;
    if (cursor->placed || find_place (cursor))
        cursor->events = relais_event_read_on (log, &cursor->read, relais_event_log_end (log),
                                               cursor->max, READ_BYTES, &gap, &cursor->error);
    cursor->gap |= gap;
}

static void
tell (RelaisCursor *cursor, const GPtrArray *events, const char *error)
{
    const RelaisCursorFunc func = cursor->func;
    const bool gap = cursor->gap;
    RelaisGuard outer;

    cursor->func = NULL;
    cursor->gap = false;
    if (gap)
        relais_log (cursor->module, RELAIS_LOG_ERROR,
                    "cursor %s: events were removed before it had read them", cursor->name);
    relais_guard_enter (&outer, cursor->module, "cursor", 0);
    func (cursor, events, gap, error, cursor->data);
    relais_guard_leave (&outer);
}

/* The cursor may be freed by whom it tells; it is destroyed here then. */
static void
after_read (gpointer data)
{
    RelaisCursor *cursor = data;
    g_autoptr (GPtrArray) events = g_steal_pointer (&cursor->events);
    g_autoptr (GPtrArray) none = g_ptr_array_new ();

    if (!cursor->freed && events != NULL) {
        cursor->placed = true;
        cursor->place = cursor->read;
    }
    if (!cursor->freed && events == NULL)
        tell (cursor, none, cursor->error->message);
    else if (!cursor->freed && events->len > 0)
        tell (cursor, events, NULL);
    else if (!cursor->freed)
        relais_timer_set (&cursor->timer, POLL_US);
    g_clear_error (&cursor->error);
    cursor->working = false;
    if (cursor->freed)
        destroy (cursor);
    else if (cursor->acking || (cursor->func != NULL && !relais_timer_is_set (&cursor->timer)))
        relais_timer_set (&cursor->timer, 0);
}

/* --- Acknowledging ------------------------------------------------------------------------------ */

static void
save (gpointer data)
{
    RelaisCursor *cursor = data;

    (void)relais_event_place_save (cursor->path, &cursor->read, &cursor->error);
}

static void
after_save (gpointer data)
{
    RelaisCursor *cursor = data;
    const RelaisCursorAckFunc ack = cursor->ack;
    g_autoptr (GError) error = g_steal_pointer (&cursor->error);
    RelaisGuard outer;

    cursor->acking = false;
    cursor->ack = NULL;
    relais_guard_enter (&outer, cursor->module, "cursor-ack", 0);
    if (!cursor->freed && ack != NULL)
        ack (cursor, error != NULL ? error->message : NULL, cursor->ack_data);
    relais_guard_leave (&outer);
    cursor->working = false;
    if (cursor->freed)
        destroy (cursor);
    else if (cursor->acking || cursor->func != NULL)
        relais_timer_set (&cursor->timer, 0);
}

/* --- Turns -------------------------------------------------------------------------------------- */

/* Whether the log has grown since what was read last; the place is a file's, so a worker has to look before. */
static bool
may_have_events (const RelaisCursor *cursor)
{
    const RelaisLogPlace end = relais_event_log_end (cursor->module->host->events);

    return !cursor->placed || end.day != cursor->place.day || end.offset != cursor->place.offset;
}

/* Begins what waits. Where the workers have no room it is tried again. */
static void
on_turn (gpointer data)
{
    RelaisCursor *cursor = data;
    bool begun;

    if (cursor->working || (!cursor->acking && cursor->func == NULL))
        return;
    if (!cursor->acking && !may_have_events (cursor)) {
        relais_timer_set (&cursor->timer, POLL_US);
        return;
    }
    cursor->working = true;
    cursor->read = cursor->place;
    begun = cursor->acking ? relais_worker_run (cursor->module, save, after_save, cursor)
                           : relais_worker_run (cursor->module, read_on, after_read, cursor);
    if (begun)
        return;
    cursor->working = false;
    relais_timer_set (&cursor->timer, POLL_US);
}

gboolean
relais_cursor_next (RelaisCursor *cursor, guint32 max, RelaisCursorFunc func, gpointer data)
{
    g_return_val_if_fail (cursor != NULL && func != NULL, FALSE);
    g_return_val_if_fail (max > 0 && max <= RELAIS_CURSOR_EVENTS, FALSE);
    relais_loop_assert_owner (cursor->module->host->loop);
    if (cursor->func != NULL || cursor->acking)
        return FALSE;
    cursor->func = func;
    cursor->data = data;
    cursor->max = max;
    relais_timer_set (&cursor->timer, 0);
    return TRUE;
}

gboolean
relais_cursor_ack (RelaisCursor *cursor, RelaisCursorAckFunc done, gpointer data)
{
    g_return_val_if_fail (cursor != NULL, FALSE);
    relais_loop_assert_owner (cursor->module->host->loop);
    if (cursor->func != NULL || cursor->acking || !cursor->placed)
        return FALSE;
    cursor->acking = true;
    cursor->ack = done;
    cursor->ack_data = data;
    relais_timer_set (&cursor->timer, 0);
    return TRUE;
}

/* --- Life --------------------------------------------------------------------------------------- */

static bool
is_open (const RelaisHost *host, const char *path)
{
    for (const GList *l = host->cursors.head; l != NULL; l = l->next)
        if (g_str_equal (((const RelaisCursor *)l->data)->path, path))
            return true;
    return false;
}

RelaisCursor *
relais_cursor_new (RelaisModule *module, const gchar *name, RelaisCursorStart start)
{
    RelaisHost *host = module->host;
    g_autofree char *file = NULL;
    g_autofree char *path = NULL;
    RelaisCursor *cursor;

    g_return_val_if_fail (name != NULL && start <= RELAIS_CURSOR_FROM_OLDEST, NULL);
    relais_loop_assert_owner (host->loop);
    if (host->events == NULL || host->state_dir == NULL || !relais_module_name_is_good (name))
        return NULL;
    file = g_strdup_printf ("cursor-%s.%s", module->descriptor.name, name);
    path = g_build_filename (host->state_dir, file, NULL);
    if (is_open (host, path))
        return NULL;
    cursor = g_new0 (RelaisCursor, 1);
    cursor->module = module;
    cursor->name = g_strdup (name);
    cursor->path = g_steal_pointer (&path);
    cursor->start = start;
    relais_timer_init (&cursor->timer, host->loop, on_turn, cursor);
    g_queue_push_tail (&host->cursors, cursor);
    return cursor;
}

void
relais_cursor_free (RelaisCursor *cursor)
{
    if (cursor == NULL)
        return;
    g_queue_remove (&cursor->module->host->cursors, cursor);
    relais_timer_stop (&cursor->timer);
    cursor->freed = true;
    if (!cursor->working)
        destroy (cursor);
}

void
relais_host_set_state_dir (RelaisHost *host, const char *dir)
{
    g_free (host->state_dir);
    host->state_dir = g_strdup (dir);
}
