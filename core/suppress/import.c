/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `suppress import`: the file comes in pieces, the next one once the last is on disk. A row that is none is named and
 * passed over. With --all-or-nothing the rows are only gathered; at the end, if all were good, they become one group of the
 * journal, which counts as a whole or not at all, and then go into memory a part a turn; meanwhile nothing else
 * changes the list.
 */
#include "config.h"

#include "suppress/commands-private.h"

#include "suppress/fold-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { GROUP_ROWS = 4000000, ROWS_A_TURN = 500 };

typedef struct {
    RelaisSuppression *suppression;
    RelaisCommandCall *call;
    RelaisImportReader *reader;
    RelaisSuppressClass suppress_class;
    const char *tenant, *campaign, *reason;
    guint64 good, bad;
    GBytes *piece; /* that is to be read, or NULL */
    bool ended;    /* it was the last */
    bool whole;    /* --all-or-nothing */
    GPtrArray *
        gathered; /* RelaisEntry, of rows that are not on the list yet; NULL where one went there */
    guint at;     /* in it */
    GString *lines;
    gint64 now_us;
} Import;

static void
free_gathered (gpointer entry)
{
    relais_entry_free (entry);
}

static void
finish (Import *import, const char *problem)
{
    RelaisCommandCall *call = import->call;
    const bool lost = problem == NULL && relais_command_is_abandoned (call);
    const guint64 good = import->good, bad = import->bad;

    relais_import_reader_free (import->reader);
    if (import->piece != NULL)
        g_bytes_unref (import->piece);
    g_ptr_array_unref (import->gathered);
    if (import->lines != NULL)
        g_string_free (import->lines, TRUE);
    g_free (import);
    if (!lost && problem == NULL) {
        g_autofree char *text =
            g_strdup_printf (_ ("Rows on the list now: %llu; rows that are none: %llu."),
                             (unsigned long long)good, (unsigned long long)bad);

        relais_command_note (call, text);
    }
    if (problem != NULL)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, problem);
    else if (bad > 0)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("not all rows could be taken"));
    else
        relais_command_finish (call);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static void
name_bad (Import *import, guint64 line, const char *problem, const char *what)
{
    import->bad++;
    relais_command_put_int (import->call, "line", (gint64)line);
    relais_command_put (import->call, "problem", problem);
    relais_command_put (import->call, "value", what);
    relais_command_end_row (import->call);
}

static const char *
or_else (const char *text, const char *fallback)
{
    return text[0] != '\0' ? text : fallback;
}

static bool
is_name (const char *text)
{
    return strlen (text) <= RELAIS_SUPPRESS_STRING_BYTES;
}

/* Times, where they are given: none lies in the future but the expiry. */
static const char *
take_times (const Import *import, const RelaisImportRow *row, RelaisJournalLine *line)
{
    const RelaisSuppressPolicy *policy = &import->suppression->policies.of[line->suppress_class];

    line->first_us = line->last_us = import->now_us;
    if (row->last[0] != '\0' && !relais_import_time (row->last, &line->last_us))
        return row->last;
    line->last_us = MIN (line->last_us, import->now_us);
    line->first_us = line->last_us;
    if (row->first[0] != '\0' && !relais_import_time (row->first, &line->first_us))
        return row->first;
    line->first_us = MIN (line->first_us, line->last_us);
    if (strcmp (row->expires, "never") == 0)
        line->expires_us = 0;
    else if (row->expires[0] == '\0')
        line->expires_us = relais_suppress_expiry (policy, true, line->last_us);
    else if (!relais_import_time (row->expires, &line->expires_us))
        return row->expires;
    return NULL;
}

/* What is wrong with the row, and `value` the one that is; NULL: nothing. */
static const char *
take_values (const Import *import, const RelaisImportRow *row, RelaisJournalLine *line,
             const char **value)
{
    guint64 count = 1;

    line->suppress_class = row->suppress_class[0] != '\0'
                               ? relais_suppress_class_from_string (row->suppress_class)
                               : import->suppress_class;
    line->tenant = or_else (row->tenant, import->tenant);
    line->campaign = or_else (row->campaign, import->campaign);
    line->reason = or_else (row->reason, import->reason);
    line->text = row->text;
    *value = row->suppress_class;
    if (line->suppress_class == RELAIS_SUPPRESS_NONE)
        return _ ("there is no such class");
    *value = line->reason;
    if (line->reason[0] != '\0' && !relais_suppression_is_reason (line->reason))
        return _ ("that is no reason");
    *value = line->campaign;
    if (line->campaign[0] != '\0' && line->tenant[0] == '\0')
        return _ ("a campaign is one of a tenant");
    if (!is_name (line->tenant) || !is_name (line->campaign))
        return _ ("a name is too long");
    *value = row->count;
    if (row->count[0] != '\0' &&
        !g_ascii_string_to_unsigned (row->count, 10, 1, G_MAXUINT32, &count, NULL))
        return _ ("that is no number");
    line->count = (guint32)count;
    *value = take_times (import, row, line);
    return *value != NULL ? _ ("that is no time") : NULL;
}

static void
put_on_list (Import *import, const RelaisJournalLine *line)
{
    RelaisSuppression *suppression = import->suppression;
    RelaisEntry *old = relais_entry_table_find (&suppression->table, line->suppress_class,
                                                line->address, line->tenant, line->campaign);

    relais_suppression_change (suppression, old, relais_suppress_merge (old, line),
                               RELAIS_SUPPRESS_SUPPRESSED, NULL, NULL);
}

static void
take_row (gpointer data, guint64 number, const RelaisImportRow *row, const char *problem)
{
    Import *import = data;
    RelaisJournalLine line = {.op = RELAIS_JOURNAL_PUT, .holds = true};
    g_autofree char *address = row != NULL ? relais_suppress_fold (row->address) : NULL;
    g_autofree char *text = NULL;
    const char *value = row != NULL ? row->address : NULL;

    if (row != NULL)
        problem =
            address == NULL ? _ ("that is no address") : take_values (import, row, &line, &value);
    if (problem != NULL) {
        name_bad (import, number, problem, value);
        return;
    }
    text = relais_suppression_cut (line.text);
    line.address = address;
    line.text = text;
    import->good++;
    if (import->whole)
        g_ptr_array_add (import->gathered, relais_entry_new (&line));
    else
        put_on_list (import, &line);
}

/* --- All or nothing --------------------------------------------------------------------------- */

static void
apply_some (RelaisSuppression *suppression, gpointer data)
{
    Import *import = data;
    GPtrArray *gathered = import->gathered;

    for (guint n = 0; (n < ROWS_A_TURN || suppression->stopped) && import->at < gathered->len;
         n++, import->at++) {
        RelaisEntry *fresh = g_ptr_array_index (gathered, import->at);
        RelaisEntry *old = relais_entry_table_find (
            &suppression->table, fresh->suppress_class, relais_entry_address (fresh),
            relais_entry_tenant (fresh), relais_entry_campaign (fresh));

        relais_entry_table_swap (&suppression->table, old, fresh);
        relais_entry_free (old);
        gathered->pdata[import->at] = NULL;
    }
    if (import->at < gathered->len) {
        relais_suppression_next_turn (suppression, apply_some, import);
        return;
    }
    relais_suppression_unblock (suppression);
    finish (import, NULL);
}

static void
on_group (gpointer data, RelaisSuppressResult result)
{
    Import *import = data;

    import->at = 0;
    if (result != RELAIS_SUPPRESS_FAILED) {
        apply_some (import->suppression, import);
        return;
    }
    relais_suppression_unblock (import->suppression);
    finish (import, _ ("it could not be written; nothing was changed"));
}

/* The lines, merged with what the list holds now, which stays so until they are in it. */
static void
write_some (RelaisSuppression *suppression, gpointer data)
{
    Import *import = data;
    GPtrArray *gathered = import->gathered;

    for (guint n = 0; n < ROWS_A_TURN && import->at < gathered->len; n++, import->at++) {
        RelaisEntry *wanted = g_ptr_array_index (gathered, import->at), *fresh;
        RelaisJournalLine line;

        relais_entry_to_line (wanted, &line);
        fresh = relais_suppress_merge (relais_entry_table_find (&suppression->table,
                                                                line.suppress_class, line.address,
                                                                line.tenant, line.campaign),
                                       &line);
        relais_entry_free (wanted);
        gathered->pdata[import->at] = fresh;
        relais_entry_to_line (fresh, &line);
        relais_journal_line_append (import->lines, &line);
    }
    if (import->at < gathered->len)
        relais_suppression_next_turn (suppression, write_some, import);
    else
        relais_suppression_write_group (suppression, g_steal_pointer (&import->lines),
                                        gathered->len, on_group, import);
}

static void
begin_group (RelaisSuppression *suppression, gpointer data)
{
    Import *import = data;

    if (!relais_suppression_takes_changes (suppression)) {
        finish (import, _ ("the list takes no changes now; nothing was changed"));
        return;
    }
    suppression->blocked++;
    import->lines = g_string_new (NULL);
    write_some (suppression, import);
}

static void
end_whole (Import *import)
{
    if (import->bad > 0)
        finish (import, _ ("not all rows can be taken; nothing was changed"));
    else if (import->gathered->len > GROUP_ROWS)
        finish (import, _ ("too many rows for one step; import them in several files"));
    else if (import->gathered->len == 0)
        finish (import, NULL);
    else
        relais_suppression_when_free (import->suppression, begin_group, import);
}

/* --- Pieces ----------------------------------------------------------------------------------- */

static void take_piece (RelaisCommandCall *call, gpointer data);

static void
want_piece (RelaisCommandCall *call, gpointer data)
{
    Import *import = data;

    relais_command_progress (call, import->good + import->bad, 0);
    relais_command_when_piece (call, take_piece, import);
}

static void
go_on (Import *import)
{
    if (relais_command_is_full (import->call))
        relais_command_when_drained (import->call, want_piece, import);
    else
        want_piece (import->call, import);
}

/* What the last piece held is on disk, or is not. */
static void
on_kept (gpointer data, RelaisSuppressResult result)
{
    Import *import = data;

    if (result == RELAIS_SUPPRESS_FAILED)
        finish (import,
                _ ("it could not be written; the rows of the last part are not on the list"));
    else if (import->ended)
        finish (import, NULL);
    else
        go_on (import);
}

static void
feed (RelaisSuppression *suppression, gpointer data)
{
    Import *import = data;
    gsize size = 0;
    const char *bytes = import->piece != NULL ? g_bytes_get_data (import->piece, &size) : NULL;

    if (!relais_suppression_takes_changes (suppression)) {
        finish (import, _ ("the list takes no changes now; what came before is on it"));
        return;
    }
    import->now_us = relais_loop_wall_us (suppression->loop);
    if (size > 0)
        relais_import_reader_feed (import->reader, bytes, size);
    if (import->ended)
        relais_import_reader_end (import->reader);
    g_clear_pointer (&import->piece, g_bytes_unref);
    if (!import->whole)
        relais_suppression_change (suppression, NULL, NULL, RELAIS_SUPPRESS_SUPPRESSED, on_kept,
                                   import);
    else if (import->ended)
        end_whole (import);
    else
        go_on (import);
}

static void
take_piece (RelaisCommandCall *call, gpointer data)
{
    Import *import = data;
    GBytes *piece = relais_command_piece (call);

    if (piece == NULL && relais_command_is_abandoned (call)) {
        finish (import, _ ("the file was not sent to its end"));
        return;
    }
    import->piece = piece != NULL ? g_bytes_ref (piece) : NULL;
    import->ended = piece == NULL;
    relais_suppression_when_free (import->suppression, feed, import);
}

static const char *
option (const RelaisCommandCall *call, const char *name)
{
    const char *value = relais_command_option (call, name);

    return value != NULL ? value : "";
}

void
relais_suppress_command_import (RelaisCommandCall *call, gpointer data)
{
    const RelaisSuppressClass suppress_class =
        relais_suppress_command_class (call, RELAIS_SUPPRESS_MANUAL);
    Import *import;

    if (suppress_class == RELAIS_SUPPRESS_NONE)
        return;
    if (relais_command_n_args (call) != 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("one file is wanted; - is standard input"));
        return;
    }
    import = g_new (Import, 1);
    *import = (Import){.suppression = data,
                       .call = call,
                       .suppress_class = suppress_class,
                       .tenant = option (call, "tenant"),
                       .campaign = option (call, "campaign"),
                       .reason = option (call, "reason"),
                       .whole = relais_command_option (call, "all-or-nothing") != NULL,
                       .gathered = g_ptr_array_new_with_free_func (free_gathered)};
    import->reader = relais_import_reader_new (take_row, import);
    want_piece (call, import);
}
