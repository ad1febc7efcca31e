/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A list that could not be read at start is tried again, by a thread of its own each time, until it can be.
 * The thread reads into a table that nobody else sees and begins the journal; the loop then takes both
 * over. Loop, but the thread.
 */
#include "config.h"

#include "suppress/state-private.h"

#include "loop/thread-private.h"

#include <string.h>

static const gint64 FIRST_US = 2 * RELAIS_USEC_PER_SEC;
static const gint64 LAST_US = 5 * RELAIS_USEC_PER_MIN;

struct RelaisAgain {
    RelaisSuppression *suppression;
    RelaisTimer timer;
    gint64 wait_us;
    GThread *thread; /* NULL: none is reading */
    /* The thread's, until it has ended. */
    RelaisLoad load;
    RelaisEntryTable table;
    RelaisJournal *journal;
    bool dead;
};

static void
take_line (gpointer data, const RelaisJournalLine *line)
{
    RelaisEntryTable *table = data;
    RelaisEntry *old = relais_entry_table_find (table, line->suppress_class, line->address,
                                                line->tenant, line->campaign);

    relais_entry_table_swap (table, old,
                             line->op == RELAIS_JOURNAL_PUT ? relais_entry_new (line) : NULL);
    relais_entry_free (old);
}

static RelaisJournalStart
start_of (const RelaisLoad *load)
{
    if (load->state == RELAIS_LOAD_MISSING)
        return RELAIS_JOURNAL_NONE;
    return load->size > 0 ? RELAIS_JOURNAL_GO_ON : RELAIS_JOURNAL_MAKE;
}

RelaisJournal *
relais_suppression_read (RelaisLoop *loop, const char *dir, RelaisLoad *load,
                         RelaisEntryTable *table, bool *dead)
{
    relais_entry_table_init (table, relais_load_guess (dir));
    relais_load_read (load, dir, take_line, table);
    if (load->state != RELAIS_LOAD_UNREADABLE)
        return relais_journal_new (loop, dir, start_of (load), load->size, load->id, dead);
    /* A part of it is worth nothing. */
    relais_entry_table_clear (table);
    relais_entry_table_init (table, 0);
    return NULL;
}

static void on_read (gpointer data);

static gpointer
read_main (gpointer data)
{
    RelaisAgain *again = data;
    RelaisSuppression *suppression = again->suppression;

    again->journal = relais_suppression_read (suppression->loop, suppression->dir, &again->load,
                                              &again->table, &again->dead);
    relais_loop_post (suppression->loop, on_read, suppression);
    return NULL;
}

static void
on_timer (gpointer data)
{
    RelaisAgain *again = ((RelaisSuppression *)data)->again;

    again->thread = relais_thread_new ("suppress-read", read_main, again);
}

static void
put_off (RelaisAgain *again)
{
    relais_timer_set (&again->timer, again->wait_us);
    again->wait_us = MIN (again->wait_us * 2, LAST_US);
}

/* Walks under way go on over what is there now. */
static void
adopt (RelaisSuppression *suppression)
{
    RelaisAgain *again = suppression->again;
    const guint walks = suppression->table.walks;

    relais_entry_table_clear (&suppression->table);
    suppression->table = again->table;
    suppression->table.walks = walks;
    relais_load_clear (&suppression->load);
    suppression->load = again->load;
    suppression->lines = again->load.lines;
    suppression->journal = again->journal;
    suppression->dead = again->dead;
    suppression->again = NULL;
    g_free (again);
}

/* It was read, or not. */
static void
on_read (gpointer data)
{
    RelaisSuppression *suppression = data;
    RelaisAgain *again = suppression->again;

    if (again == NULL || again->thread == NULL) /* the end came first */
        return;
    g_thread_join (g_steal_pointer (&again->thread));
    if (again->journal == NULL) {
        if (strcmp (again->load.trouble, suppression->load.trouble) != 0)
            g_warning ("suppression list: %s; mail is held back", again->load.trouble);
        relais_entry_table_clear (&again->table);
        relais_load_clear (&suppression->load);
        suppression->load = again->load;
        put_off (again);
        return;
    }
    adopt (suppression);
    relais_suppression_log_load (suppression);
    if (suppression->load.state == RELAIS_LOAD_GOOD)
        g_message ("suppression list: it could be read now; mail goes on");
    relais_rebuild_consider (suppression);
}

void
relais_again_begin (RelaisSuppression *suppression)
{
    RelaisAgain *again = g_new0 (RelaisAgain, 1);

    again->suppression = suppression;
    again->wait_us = FIRST_US;
    suppression->again = again;
    relais_timer_init (&again->timer, suppression->loop, on_timer, suppression);
    put_off (again);
}

void
relais_again_end (RelaisSuppression *suppression)
{
    RelaisAgain *again = g_steal_pointer (&suppression->again);

    if (again == NULL)
        return;
    relais_timer_stop (&again->timer);
    if (again->thread != NULL) {
        g_thread_join (again->thread);
        relais_journal_free (again->journal);
        relais_entry_table_clear (&again->table);
        relais_load_clear (&again->load);
    }
    g_free (again);
}

gint64
relais_again_wait_us (const RelaisSuppression *suppression)
{
    const RelaisAgain *again = suppression->again;

    if (again == NULL)
        return -1;
    return again->thread != NULL
               ? 0
               : MAX (again->timer.due_us - relais_loop_now_us (suppression->loop), 0);
}
