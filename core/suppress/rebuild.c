/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rewriting the journal from memory, in pieces: because most of its lines say what others say better, because it is
 * damaged, or because it takes nothing any more. What changes meanwhile goes into both files, in the order in which it
 * changed in memory; so the last line of a key in the new file is right wherever the walk met it.
 *
 * And the sweep, which drops from memory what expired long ago.
 */
#include "config.h"

#include "suppress/state-private.h"

#include <glib/gi18n-lib.h>

enum {
    BUCKETS_A_PIECE = 256,
    PIECES_AHEAD = 2,
    SPARE_LINES = 10000, /* that are not worth a rewriting */
    SWEEP_BUCKETS = 4096
};

static const gint64 RETRY_US = 10 * RELAIS_USEC_PER_SEC;
static const gint64 SWEEP_US = 1 * RELAIS_USEC_PER_HOUR;
static const gint64 SWEEP_PIECE_US = 20 * RELAIS_USEC_PER_MSEC;
/* An expired entry is kept so long, for the case that it is the clock that was wrong. */
static const gint64 KEEP_EXPIRED_US = 30 * RELAIS_USEC_PER_DAY;

typedef struct {
    RelaisRepairFunc func;
    gpointer data;
} Waiting;

static bool
is_over (const RelaisSuppression *suppression, const RelaisEntry *entry)
{
    return relais_entry_has_expired (entry,
                                     relais_loop_wall_us (suppression->loop) - KEEP_EXPIRED_US);
}

/* --- Pieces ----------------------------------------------------------------------------------- */

typedef struct {
    RelaisSuppression *suppression;
    GString *lines;
} Piece;

static void
append_entry (gpointer data, RelaisEntry *entry)
{
    Piece *piece = data;
    RelaisJournalLine line;

    if (is_over (piece->suppression, entry))
        return;
    relais_entry_to_line (entry, &line);
    relais_journal_line_append (piece->lines, &line);
    piece->suppression->rebuild.lines++;
}

static void begin (RelaisSuppression *suppression);
static void write_pieces (RelaisSuppression *suppression);

static void
on_piece (gpointer data, RelaisJournalOutcome outcome)
{
    RelaisSuppression *suppression = data;

    suppression->rebuild.pieces--;
    if (suppression->rebuild.running)
        write_pieces (suppression);
}

static void
tell_waiting (RelaisSuppression *suppression, bool good)
{
    RelaisRebuild *rebuild = &suppression->rebuild;
    GPtrArray *waiting = rebuild->waiting;

    rebuild->waiting = g_ptr_array_new_with_free_func (g_free);
    for (guint i = 0; i < waiting->len; i++) {
        const Waiting *one = g_ptr_array_index (waiting, i);

        one->func (one->data, good);
    }
    g_ptr_array_unref (waiting);
}

/* The new file is in place. */
static void
note_done (RelaisSuppression *suppression, bool repaired)
{
    RelaisLoad *load = &suppression->load;

    suppression->lines = suppression->rebuild.lines;
    if (suppression->dead)
        g_message ("suppression list: changes are taken again");
    suppression->dead = false;
    if (!repaired)
        return;
    load->state = RELAIS_LOAD_GOOD;
    load->missing_bytes = 0;
    g_array_set_size (load->damaged, 0);
    g_clear_pointer (&load->trouble, g_free);
}

static void
on_end (gpointer data, RelaisJournalOutcome outcome)
{
    RelaisSuppression *suppression = data;
    RelaisRebuild *rebuild = &suppression->rebuild;
    const bool good = outcome == RELAIS_JOURNAL_DONE, repaired = good && rebuild->repair;

    rebuild->running = false;
    if (good) {
        note_done (suppression, repaired);
    } else {
        g_autofree char *text = relais_journal_trouble (suppression->journal);

        g_warning ("suppression list: the journal cannot be rewritten: %s",
                   text != NULL ? text : "a change failed meanwhile");
        suppression->dead |= outcome == RELAIS_JOURNAL_DEAD;
        relais_timer_set (&rebuild->retry, RETRY_US);
    }
    if (rebuild->repair)
        tell_waiting (suppression, repaired);
    else if (rebuild->waiting->len > 0)
        begin (suppression);
}

static void
end (RelaisSuppression *suppression)
{
    const GArray *damaged = suppression->load.damaged;
    const bool repair = suppression->rebuild.repair;

    relais_journal_end_new (suppression->journal,
                            (const RelaisJournalRange *)(gconstpointer)damaged->data,
                            repair ? damaged->len : 0, on_end, suppression);
}

static void
write_pieces (RelaisSuppression *suppression)
{
    RelaisRebuild *rebuild = &suppression->rebuild;
    bool more = !rebuild->walk.ended && !suppression->stopped && suppression->blocked == 0;

    while (more && rebuild->pieces < PIECES_AHEAD) {
        Piece piece = {suppression, g_string_new (NULL)};

        more = relais_entry_table_walk (&suppression->table, &rebuild->walk, BUCKETS_A_PIECE,
                                        append_entry, &piece);
        rebuild->pieces++;
        relais_journal_write_new (suppression->journal, piece.lines, on_piece, suppression);
        if (!more)
            end (suppression);
    }
}

/* --- Beginnings and ends ---------------------------------------------------------------------- */

/* While lines are damaged, a repair alone may leave them behind. */
static bool
may_begin (const RelaisSuppression *suppression)
{
    return !suppression->stopped && !suppression->rebuild.running && suppression->blocked == 0 &&
           suppression->journal != NULL &&
           (suppression->load.state == RELAIS_LOAD_GOOD || suppression->rebuild.waiting->len > 0);
}

static void
begin (RelaisSuppression *suppression)
{
    RelaisRebuild *rebuild = &suppression->rebuild;

    if (!may_begin (suppression))
        return;
    relais_timer_stop (&rebuild->retry);
    rebuild->running = true;
    rebuild->repair = rebuild->waiting->len > 0;
    rebuild->lines = 1;
    rebuild->walk = (RelaisEntryWalk){0};
    relais_suppression_flush (suppression);
    relais_journal_begin_new (suppression->journal, suppression->epoch);
    write_pieces (suppression);
}

static bool
is_worth_it (const RelaisSuppression *suppression)
{
    return suppression->lines > 2 * suppression->table.n_entries + SPARE_LINES;
}

void
relais_rebuild_consider (RelaisSuppression *suppression)
{
    if (suppression->rebuild.running)
        write_pieces (suppression);
    else if (!relais_timer_is_set (&suppression->rebuild.retry) &&
             (suppression->dead || suppression->rebuild.waiting->len > 0 ||
              is_worth_it (suppression)))
        begin (suppression);
}

static void
on_retry (gpointer data)
{
    relais_rebuild_consider (data);
}

void
relais_rebuild_repair (RelaisSuppression *suppression, RelaisRepairFunc func, gpointer data)
{
    Waiting *one = g_new (Waiting, 1);

    *one = (Waiting){func, data};
    g_ptr_array_add (suppression->rebuild.waiting, one);
    relais_timer_stop (&suppression->rebuild.retry);
    relais_rebuild_consider (suppression);
}

/* --- The sweep -------------------------------------------------------------------------------- */

static void
drop_if_over (gpointer data, RelaisEntry *entry)
{
    RelaisSuppression *suppression = data;

    if (!is_over (suppression, entry))
        return;
    relais_entry_table_swap (&suppression->table, entry, NULL);
    relais_entry_free (entry);
}

/* The journal keeps its lines until the next rewriting. What is on its way to the disk may have to be taken back:
 * meanwhile nothing is dropped. */
static void
on_sweep (gpointer data)
{
    RelaisSuppression *suppression = data;
    bool more = true;

    if (suppression->changes.length == 0)
        more = relais_entry_table_walk (&suppression->table, &suppression->sweeping, SWEEP_BUCKETS,
                                        drop_if_over, suppression);
    if (!more)
        suppression->sweeping = (RelaisEntryWalk){0};
    relais_timer_set (&suppression->sweep, more ? SWEEP_PIECE_US : SWEEP_US);
}

/* --- Life ------------------------------------------------------------------------------------- */

void
relais_rebuild_init (RelaisSuppression *suppression)
{
    RelaisRebuild *rebuild = &suppression->rebuild;

    rebuild->waiting = g_ptr_array_new_with_free_func (g_free);
    relais_timer_init (&rebuild->retry, suppression->loop, on_retry, suppression);
    relais_timer_init (&suppression->sweep, suppression->loop, on_sweep, suppression);
    relais_timer_set (&suppression->sweep, SWEEP_US);
}

void
relais_rebuild_clear (RelaisSuppression *suppression)
{
    relais_timer_stop (&suppression->rebuild.retry);
    relais_timer_stop (&suppression->sweep);
    tell_waiting (suppression, false);
}

void
relais_rebuild_free (RelaisSuppression *suppression)
{
    g_clear_pointer (&suppression->rebuild.waiting, g_ptr_array_unref);
}
