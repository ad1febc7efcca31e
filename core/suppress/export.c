/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `suppress list` and `export`: a walk over the table, a piece a turn, as fast as it is read. What comes or goes
 * meanwhile may be met or not.
 */
#include "config.h"

#include "suppress/commands-private.h"
#include "suppress/fold-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { BUCKETS_A_TURN = 256 };

typedef struct {
    RelaisSuppression *suppression;
    RelaisCommandCall *call;
    RelaisEntryWalk walk;
    bool as_rows, hashed;
    char *trouble; /* when it began; NULL: none */
    RelaisExchangeFormat format;
    GString *out;
    gint64 now_us;
} Export;

static bool
counts (const Export *export, const RelaisEntry *entry)
{
    return entry->holds && !relais_entry_has_expired (entry, export->now_us);
}

/* A hash is told once, however many entries an address has. */
static bool
is_first (const Export *export, const RelaisEntry *entry)
{
    const RelaisEntry *other = NULL;

    do
        other = relais_entry_table_next (&export->suppression->table, relais_entry_address (entry),
                                         other);
    while (!counts (export, other));
    return other == entry;
}

static void
write_entry (gpointer data, RelaisEntry *entry)
{
    Export *export = data;
    g_autofree char *hash = NULL;
    RelaisJournalLine line;

    if (!counts (export, entry) || (export->hashed && !is_first (export, entry)))
        return;
    if (export->as_rows) {
        relais_suppress_command_put_entry (export->call, entry, export->now_us);
        return;
    }
    if (export->hashed)
        hash = relais_suppress_hash (relais_entry_address (entry));
    relais_entry_to_line (entry, &line);
    relais_exchange_append (export->out, export->format, &line, hash);
}

static void
say (Export *export)
{
    if (export->out->len > 0)
        relais_command_raw (export->call, export->out->str);
    g_string_truncate (export->out, 0);
}

static void
finish (Export *export)
{
    RelaisCommandCall *call = export->call;
    /* It may have gone meanwhile: then not all was met. */
    g_autofree char *trouble =
        export->trouble != NULL ? export->trouble : g_strdup (export->suppression->load.trouble);

    relais_entry_table_end_walk (&export->suppression->table, &export->walk);
    g_string_free (export->out, TRUE);
    g_free (export);
    if (trouble != NULL)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, trouble);
    else
        relais_command_finish (call);
}

static void
go_on (RelaisCommandCall *call, gpointer data)
{
    Export *export = data;
    bool more;

    export->now_us = relais_loop_wall_us (export->suppression->loop);
    more = relais_entry_table_walk (&export->suppression->table, &export->walk, BUCKETS_A_TURN,
                                    write_entry, export);
    say (export);
    if (more && !relais_command_is_abandoned (call) && !export->suppression->stopped)
        relais_command_when_drained (call, go_on, export);
    else
        finish (export);
}

static Export *
export_new (RelaisSuppression *suppression, RelaisCommandCall *call)
{
    Export *export = g_new (Export, 1);

    *export = (Export){.suppression = suppression,
                       .call = call,
                       .trouble = g_strdup (suppression->load.trouble),
                       .out = g_string_new (NULL)};
    return export;
}

static bool
takes_no_word (RelaisCommandCall *call)
{
    if (relais_command_n_args (call) == 0)
        return true;
    relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("no word is wanted"));
    return false;
}

void
relais_suppress_command_list (RelaisCommandCall *call, gpointer data)
{
    Export *export;

    if (!takes_no_word (call))
        return;
    export = export_new (data, call);
    export->as_rows = true;
    go_on (call, export);
}

void
relais_suppress_command_export (RelaisCommandCall *call, gpointer data)
{
    const char *format = relais_command_option (call, "format");
    const bool json = format != NULL && strcmp (format, "ndjson") == 0;
    Export *export;

    if (!takes_no_word (call))
        return;
    if (format != NULL && !json && strcmp (format, "csv") != 0) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("the formats are csv and ndjson"));
        return;
    }
    export = export_new (data, call);
    export->format = json ? RELAIS_EXCHANGE_NDJSON : RELAIS_EXCHANGE_CSV;
    export->hashed = relais_command_option (call, "hashed") != NULL;
    relais_exchange_append_head (export->out, export->format, export->hashed);
    go_on (call, export);
}
