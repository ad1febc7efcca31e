/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Groups: built on the loop, collected during a turn and handed to the writer in one go at its end.
 * A group whose body file is still being written waits here for it.
 */
#include "config.h"

#include "spool/spool-state.h"

static void
clear_item (gpointer data)
{
    RelaisItem *item = data;

    g_clear_pointer (&item->message, relais_message_unref);
    g_clear_pointer (&item->file, relais_body_file_unref);
    g_clear_pointer (&item->body, g_bytes_unref);
    g_clear_pointer (&item->bytes, g_bytes_unref);
}

RelaisGroup *
relais_group_new (RelaisSpool *spool)
{
    RelaisGroup *group = g_new0 (RelaisGroup, 1);

    group->spool = spool;
    group->items = g_array_sized_new (FALSE, FALSE, sizeof (RelaisItem), 2);
    g_array_set_clear_func (group->items, clear_item);
    return group;
}

/* A group that was never handed over takes its messages with it. */
static void
forget_messages (RelaisGroup *group)
{
    for (guint i = 0; i < group->items->len; i++) {
        RelaisItem *item = &g_array_index (group->items, RelaisItem, i);

        if (item->message == NULL)
            continue;
        relais_spool_cool (group->spool, item->id);
        if (item->file == NULL)
            continue;
        if (relais_body_file_upload (item->file) != NULL)
            relais_upload_forget (item->file);
        else
            relais_spool_drop_file (group->spool, relais_body_file_get_ref (item->file).number);
    }
}

void
relais_group_free (RelaisGroup *group)
{
    if (group == NULL)
        return;
    if (!group->submitted)
        forget_messages (group);
    if (group->receive_bytes > 0)
        relais_spool_release_memory (group->spool, group->receive_bytes);
    g_array_unref (group->items);
    g_clear_error (&group->error);
    g_free (group);
}

static RelaisItem *
add_item (RelaisGroup *group, RelaisRecordType type, guint64 id)
{
    RelaisItem item = {.type = (guint8)type, .id = id};

    g_assert (!group->submitted);
    g_array_append_val (group->items, item);
    return &g_array_index (group->items, RelaisItem, group->items->len - 1);
}

static void
make_hot (RelaisSpool *spool, RelaisMessage *message)
{
    const guint64 size = relais_spool_hot_cost (message);

    if (spool->hot_bytes + size > spool->options.hot_memory_bytes)
        return;
    spool->hot_bytes += size;
    g_hash_table_insert (spool->hot, &message->id, relais_message_ref (message));
}

void
relais_group_add_message (RelaisGroup *group, RelaisMessage *message, RelaisDraft *draft)
{
    RelaisItem *item = add_item (group, RELAIS_RECORD_MESSAGE, message->id);
    guint64 memory;

    g_assert (message->body == NULL && message->id != 0);
    message->body = relais_draft_take (draft, &item->body, &item->file, &memory);
    group->receive_bytes += memory;
    item->message = relais_message_ref (message);
    if (item->body != NULL || relais_body_file_is_kept (item->file))
        make_hot (group->spool, message);
}

gsize
relais_group_add_state (RelaisGroup *group, const RelaisMessage *message)
{
    RelaisItem *item = add_item (group, RELAIS_RECORD_STATE, message->id);
    GByteArray *bytes = g_byte_array_new ();

    relais_states_encode (message, bytes);
    item->bytes = g_byte_array_free_to_bytes (bytes);
    return g_bytes_get_size (item->bytes);
}

void
relais_group_add_done (RelaisGroup *group, guint64 id)
{
    add_item (group, RELAIS_RECORD_DONE, id);
}

void
relais_group_add_event (RelaisGroup *group, GBytes *line)
{
    RelaisItem *item = add_item (group, RELAIS_RECORD_EVENT, 0);

    item->bytes = g_bytes_ref (line);
}

/* --- Two in one -------------------------------------------------------------------------------- */

gsize
relais_group_bytes (const RelaisGroup *group)
{
    gsize bytes = 0;

    for (guint i = 0; i < group->items->len; i++) {
        const RelaisItem *item = &g_array_index (group->items, RelaisItem, i);

        if (item->bytes != NULL && item->type != RELAIS_RECORD_STATE)
            bytes += g_bytes_get_size (item->bytes);
        if (item->body != NULL)
            bytes += g_bytes_get_size (item->body);
    }
    return bytes;
}

/* There is at most one, and it was added last but for a report. */
static void
drop_state (RelaisGroup *group, guint64 id)
{
    for (guint i = group->items->len; i > 0; i--) {
        const RelaisItem *item = &g_array_index (group->items, RelaisItem, i - 1);

        if (item->type == RELAIS_RECORD_STATE && item->id == id) {
            g_array_remove_index (group->items, i - 1);
            return;
        }
    }
}

void
relais_group_join (RelaisGroup *group, RelaisGroup *later)
{
    g_assert (!group->submitted && !later->submitted);
    for (guint i = 0; i < later->items->len; i++) {
        const RelaisItem *item = &g_array_index (later->items, RelaisItem, i);

        if (item->type == RELAIS_RECORD_STATE || item->type == RELAIS_RECORD_DONE)
            drop_state (group, item->id);
    }
    g_array_append_vals (group->items, later->items->data, later->items->len);
    group->receive_bytes += later->receive_bytes;
    later->receive_bytes = 0;
    /* What they refer to is the other group's now. */
    g_array_set_clear_func (later->items, NULL);
    g_array_set_size (later->items, 0);
    relais_group_free (later);
}

/* --- Handing over ------------------------------------------------------------------------------- */

/* The timer has a turn happen even if the caller is not inside one; inside one it costs nothing,
 * since the end of the turn stops it. */
static void
hand_over (RelaisGroup *group)
{
    RelaisSpool *spool = group->spool;

    if (spool->submitting->len == 0)
        relais_timer_set (&spool->turn_timer, 0);
    g_ptr_array_add (spool->submitting, group);
}

void
relais_group_file_ready (RelaisGroup *group, const GError *error)
{
    if (error != NULL && group->error == NULL)
        group->error = g_error_copy (error);
    if (--group->files_pending == 0)
        hand_over (group);
}

/* Asks for the group's body files; files that failed make the whole group fail. */
static void
wait_for_files (RelaisGroup *group)
{
    for (guint i = 0; i < group->items->len; i++) {
        RelaisItem *item = &g_array_index (group->items, RelaisItem, i);

        if (item->file == NULL)
            continue;
        if (relais_upload_wait (item->file, group))
            group->files_pending++;
        else if (group->error == NULL)
            group->error = relais_body_file_error (item->file);
    }
}

void
relais_group_submit (RelaisGroup *group, RelaisGroupUrgency urgency, RelaisLoopFunc written,
                     RelaisGroupSynced synced, gpointer data)
{
    g_assert (!group->submitted && group->items->len > 0);
    group->submitted = true;
    group->urgency = urgency;
    group->written = written;
    group->synced = synced;
    group->data = data;
    for (guint i = 0; i < group->items->len; i++) {
        const RelaisItem *item = &g_array_index (group->items, RelaisItem, i);

        group->has_mail |= item->message != NULL && urgency == RELAIS_GROUP_URGENT;
        if (item->type == RELAIS_RECORD_DONE && !item->copy)
            relais_spool_cool (group->spool, item->id);
    }
    wait_for_files (group);
    if (group->files_pending == 0)
        hand_over (group);
}

void
relais_group_end_of_turn (gpointer data)
{
    RelaisSpool *spool = data;
    GPtrArray *groups = spool->submitting;

    if (groups->len == 0)
        return;
    relais_timer_stop (&spool->turn_timer);
    g_mutex_lock (&spool->log_lock);
    for (guint i = 0; i < groups->len; i++)
        g_ptr_array_add (spool->incoming, g_ptr_array_index (groups, i));
    g_cond_signal (&spool->writer_wake);
    g_mutex_unlock (&spool->log_lock);
    g_ptr_array_set_size (groups, 0);
}
