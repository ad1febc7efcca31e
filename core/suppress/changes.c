/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Changes on their way to the disk: what a turn of the loop changed is one write. Each keeps what it replaced until
 * it is synced, so that it can be taken back. Loop thread.
 */
#include "config.h"

#include "suppress/state-private.h"

typedef struct {
    RelaisEntry *old;   /* ours, NULL: none */
    RelaisEntry *fresh; /* in the table, NULL: none */
    RelaisSuppressResult result;
    RelaisChangeFunc done;
    gpointer data;
} Change;

struct RelaisChanges {
    GList link;
    RelaisSuppression *suppression;
    GArray *changes; /* Change */
    GString *lines;
    guint64 n_lines;
    guint64 epoch;
    bool taken_back;
};

bool
relais_suppression_takes_changes (const RelaisSuppression *suppression)
{
    return suppression->journal != NULL && !suppression->dead;
}

/* --- Making them ------------------------------------------------------------------------------ */

static RelaisChanges *
begin (RelaisSuppression *suppression)
{
    RelaisChanges *changes = g_new (RelaisChanges, 1);

    *changes = (RelaisChanges){.link = {.data = changes},
                               .suppression = suppression,
                               .changes = g_array_new (FALSE, FALSE, sizeof (Change)),
                               .lines = g_string_new (NULL),
                               .epoch = suppression->epoch};
    g_queue_push_tail_link (&suppression->changes, &changes->link);
    return changes;
}

static void
append_line (RelaisChanges *changes, const RelaisEntry *old, const RelaisEntry *fresh)
{
    RelaisJournalLine line;

    if (old == NULL && fresh == NULL)
        return;
    relais_entry_to_line (fresh != NULL ? fresh : old, &line);
    if (fresh == NULL)
        line.op = RELAIS_JOURNAL_REMOVE;
    relais_journal_line_append (changes->lines, &line);
    changes->n_lines++;
}

void
relais_suppression_change (RelaisSuppression *suppression, RelaisEntry *old, RelaisEntry *fresh,
                           RelaisSuppressResult result, RelaisChangeFunc done, gpointer data)
{
    const Change change = {old, fresh, result, done, data};

    g_assert (relais_suppression_takes_changes (suppression));
    if (suppression->open == NULL)
        suppression->open = begin (suppression);
    append_line (suppression->open, old, fresh);
    relais_entry_table_swap (&suppression->table, old, fresh);
    g_array_append_val (suppression->open->changes, change);
}

/* --- Their end -------------------------------------------------------------------------------- */

static void
take_back (RelaisChanges *changes)
{
    if (changes->taken_back)
        return;
    changes->taken_back = true;
    for (guint i = changes->changes->len; i > 0; i--) {
        Change *change = &g_array_index (changes->changes, Change, i - 1);

        relais_entry_table_swap (&changes->suppression->table, change->fresh, change->old);
        g_clear_pointer (&change->fresh, relais_entry_free);
        change->old = NULL;
        change->result = RELAIS_SUPPRESS_FAILED;
    }
}

/* Those after it were made on top of it. */
static void
take_all_back (RelaisSuppression *suppression)
{
    relais_suppression_flush (suppression);
    for (GList *link = suppression->changes.tail; link != NULL; link = link->prev)
        take_back (link->data);
    suppression->epoch++;
}

static void
tell (RelaisChanges *changes)
{
    for (guint i = 0; i < changes->changes->len; i++) {
        const Change change = g_array_index (changes->changes, Change, i);

        relais_entry_free (change.old);
        if (change.done != NULL)
            change.done (change.data, change.result);
    }
    g_array_unref (changes->changes);
    g_free (changes);
}

static void
on_written (gpointer data, RelaisJournalOutcome outcome)
{
    RelaisChanges *changes = data;
    RelaisSuppression *suppression = changes->suppression;

    if (outcome == RELAIS_JOURNAL_DONE) {
        suppression->lines += changes->n_lines;
    } else {
        if (!changes->taken_back) {
            g_autofree char *text = relais_journal_trouble (suppression->journal);

            take_all_back (suppression);
            g_warning ("suppression list: %s", text != NULL ? text : "a change failed");
        }
        suppression->dead |= outcome == RELAIS_JOURNAL_DEAD;
    }
    g_queue_unlink (&suppression->changes, &changes->link);
    tell (changes);
    relais_rebuild_consider (suppression);
}

void
relais_suppression_flush (RelaisSuppression *suppression)
{
    RelaisChanges *changes = suppression->open;

    suppression->open = NULL;
    if (changes != NULL)
        relais_journal_write (suppression->journal, changes->lines, changes->epoch, on_written,
                              changes);
}

void
relais_suppression_write_group (RelaisSuppression *suppression, GString *lines, guint64 n_lines,
                                RelaisChangeFunc done, gpointer data)
{
    const RelaisJournalLine head = {.op = RELAIS_JOURNAL_GROUP, .number = lines->len};
    const Change change = {NULL, NULL, RELAIS_SUPPRESS_SUPPRESSED, done, data};
    RelaisChanges *changes;
    GString *group = g_string_sized_new (lines->len + RELAIS_JOURNAL_LINE_BYTES);

    g_assert (relais_suppression_takes_changes (suppression) && suppression->blocked > 0);
    relais_suppression_flush (suppression);
    changes = begin (suppression);
    relais_journal_line_append (group, &head);
    g_string_append_len (group, lines->str, (gssize)lines->len);
    g_string_free (changes->lines, TRUE);
    g_string_free (lines, TRUE);
    changes->lines = group;
    changes->n_lines = n_lines + 1;
    g_array_append_val (changes->changes, change);
    suppression->open = changes;
    relais_suppression_flush (suppression);
}
