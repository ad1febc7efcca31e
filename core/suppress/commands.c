/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The commands about one address, and about the list as a whole. What changes the list ends when it is on disk. Loop
 * thread.
 */
#include "config.h"

#include "suppress/commands-private.h"

#include "suppress/fold-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

static const char *
option (const RelaisCommandCall *call, const char *name)
{
    const char *value = relais_command_option (call, name);

    return value != NULL ? value : "";
}

RelaisSuppressClass
relais_suppress_command_class (RelaisCommandCall *call, RelaisSuppressClass fallback)
{
    const char *name = option (call, "class");
    const RelaisSuppressClass found =
        name[0] != '\0' ? relais_suppress_class_from_string (name) : fallback;

    if (found == RELAIS_SUPPRESS_NONE)
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("the classes are hard, soft, complaint, unsubscribe and manual"));
    return found;
}

bool
relais_suppress_command_may_change (const RelaisSuppression *suppression, RelaisCommandCall *call)
{
    g_autofree char *trouble = NULL;
    g_autofree char *text = NULL;

    if (relais_suppression_takes_changes (suppression))
        return true;
    if (suppression->journal != NULL)
        trouble = relais_journal_trouble (suppression->journal);
    if (trouble == NULL)
        trouble = g_strdup (suppression->load.trouble);
    text = g_strdup_printf (_ ("the list takes no changes now: %s"),
                            trouble != NULL ? trouble : _ ("the daemon is stopping"));
    relais_command_fail (call, RELAIS_EXIT_REFUSED, text);
    return false;
}

/* The one argument, folded; NULL, the call failed, if it is none. Owned. */
static char *
take_address (RelaisCommandCall *call)
{
    char *folded;

    if (relais_command_n_args (call) != 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("one address is wanted"));
        return NULL;
    }
    folded = relais_suppress_fold (relais_command_arg (call, 0));
    if (folded == NULL) {
        g_autofree char *text =
            g_strdup_printf (_ ("'%s' is no address"), relais_command_arg (call, 0));

        relais_command_fail (call, RELAIS_EXIT_USAGE, text);
    }
    return folded;
}

static const char *
state_of (const RelaisEntry *entry, gint64 now_us)
{
    if (relais_entry_has_expired (entry, now_us))
        return "expired";
    return entry->holds ? "suppressed" : "counted";
}

static const char *
or_null (const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

void
relais_suppress_command_put_entry (RelaisCommandCall *call, const RelaisEntry *entry, gint64 now_us)
{
    relais_command_put (call, "address", relais_entry_address (entry));
    relais_command_put (call, "class", relais_suppress_class_to_string (entry->suppress_class));
    relais_command_put (call, "state", state_of (entry, now_us));
    relais_command_put (call, "tenant", or_null (relais_entry_tenant (entry)));
    relais_command_put (call, "campaign", or_null (relais_entry_campaign (entry)));
    relais_command_put_int (call, "count", entry->count);
    relais_command_put_time (call, "first", entry->first_us);
    relais_command_put_time (call, "last", entry->last_us);
    if (entry->expires_us != 0)
        relais_command_put_time (call, "expires", entry->expires_us);
    else
        relais_command_put (call, "expires", NULL);
    relais_command_put (call, "reason", or_null (relais_entry_reason (entry)));
    relais_command_put (call, "text", or_null (relais_entry_text (entry)));
    relais_command_end_row (call);
}

/* --- add -------------------------------------------------------------------------------------- */

static void
on_changed (gpointer data, RelaisSuppressResult result)
{
    RelaisCommandCall *call = data;

    if (result == RELAIS_SUPPRESS_FAILED)
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             _ ("it could not be written; nothing was changed"));
    else
        relais_command_finish (call);
}

/* False, the call failed, if an option is wrong. */
static bool
check_add (RelaisCommandCall *call)
{
    const char *reason = option (call, "reason");

    if (reason[0] != '\0' && !relais_suppression_is_reason (reason))
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("a reason is at most 64 of the characters a-z, 0-9, '.' and '-'"));
    else if (option (call, "campaign")[0] != '\0' && option (call, "tenant")[0] == '\0')
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("a campaign is one of a tenant"));
    else if (strlen (option (call, "campaign")) > RELAIS_SUPPRESS_STRING_BYTES ||
             strlen (option (call, "tenant")) > RELAIS_SUPPRESS_STRING_BYTES)
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("a name is too long"));
    else
        return true;
    return false;
}

static void
add_now (RelaisSuppression *suppression, gpointer data)
{
    RelaisCommandCall *call = data;
    const gint64 now_us = relais_loop_wall_us (suppression->loop);
    const RelaisSuppressClass suppress_class =
        relais_suppress_command_class (call, RELAIS_SUPPRESS_MANUAL);
    g_autofree char *address = relais_suppress_fold (relais_command_arg (call, 0));
    RelaisJournalLine line = {.op = RELAIS_JOURNAL_PUT,
                              .suppress_class = suppress_class,
                              .address = address,
                              .tenant = option (call, "tenant"),
                              .campaign = option (call, "campaign"),
                              .reason = option (call, "reason"),
                              .text = "",
                              .holds = true,
                              .count = 1,
                              .first_us = now_us,
                              .last_us = now_us};
    RelaisEntry *old, *fresh;

    if (!relais_suppress_command_may_change (suppression, call))
        return;
    line.expires_us =
        relais_suppress_expiry (&suppression->policies.of[suppress_class], true, now_us);
    old = relais_entry_table_find (&suppression->table, suppress_class, address, line.tenant,
                                   line.campaign);
    fresh = relais_suppress_merge (old, &line);
    relais_suppress_command_put_entry (call, fresh, now_us);
    relais_suppression_change (suppression, old, fresh, RELAIS_SUPPRESS_SUPPRESSED, on_changed,
                               call);
}

static void
run_add (RelaisCommandCall *call, gpointer data)
{
    g_autofree char *address = take_address (call);

    if (address == NULL ||
        relais_suppress_command_class (call, RELAIS_SUPPRESS_MANUAL) == RELAIS_SUPPRESS_NONE ||
        !check_add (call))
        return;
    relais_suppression_when_free (data, add_now, call);
}

/* --- remove ----------------------------------------------------------------------------------- */

/* An option that is not given means all. */
static bool
is_meant (const RelaisEntry *entry, const RelaisCommandCall *call)
{
    const char *tenant = relais_command_option (call, "tenant");
    const char *campaign = relais_command_option (call, "campaign");
    const char *name = relais_command_option (call, "class");

    return (tenant == NULL || strcmp (tenant, relais_entry_tenant (entry)) == 0) &&
           (campaign == NULL || strcmp (campaign, relais_entry_campaign (entry)) == 0) &&
           (name == NULL || relais_suppress_class_from_string (name) == entry->suppress_class);
}

static RelaisEntry *
find_meant (RelaisSuppression *suppression, const char *address, const RelaisCommandCall *call)
{
    RelaisEntry *entry = NULL;

    while ((entry = relais_entry_table_next (&suppression->table, address, entry)) != NULL)
        if (is_meant (entry, call))
            return entry;
    return NULL;
}

static void
remove_now (RelaisSuppression *suppression, gpointer data)
{
    RelaisCommandCall *call = data;
    const gint64 now_us = relais_loop_wall_us (suppression->loop);
    g_autofree char *address = relais_suppress_fold (relais_command_arg (call, 0));
    RelaisEntry *entry;

    if (!relais_suppress_command_may_change (suppression, call))
        return;
    entry = find_meant (suppression, address, call);
    if (entry == NULL) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("nothing of that is on the list"));
        return;
    }
    for (; entry != NULL; entry = find_meant (suppression, address, call)) {
        relais_suppress_command_put_entry (call, entry, now_us);
        relais_suppression_change (suppression, entry, NULL, RELAIS_SUPPRESS_COUNTED, NULL, NULL);
    }
    relais_suppression_change (suppression, NULL, NULL, RELAIS_SUPPRESS_COUNTED, on_changed, call);
}

static void
run_remove (RelaisCommandCall *call, gpointer data)
{
    g_autofree char *address = take_address (call);

    if (address != NULL &&
        relais_suppress_command_class (call, RELAIS_SUPPRESS_MANUAL) != RELAIS_SUPPRESS_NONE)
        relais_suppression_when_free (data, remove_now, call);
}

/* --- show ------------------------------------------------------------------------------------- */

static void
run_show (RelaisCommandCall *call, gpointer data)
{
    RelaisSuppression *suppression = data;
    const gint64 now_us = relais_loop_wall_us (suppression->loop);
    g_autofree char *address = take_address (call);
    const RelaisEntry *entry = NULL;
    guint n = 0;

    if (address == NULL)
        return;
    while ((entry = relais_entry_table_next (&suppression->table, address, entry)) != NULL) {
        relais_suppress_command_put_entry (call, entry, now_us);
        n++;
    }
    if (suppression->load.trouble != NULL)
        relais_command_note (call, suppression->load.trouble);
    if (n > 0)
        relais_command_finish (call);
    else
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("nothing is known of that address"));
}

/* --- status, repair --------------------------------------------------------------------------- */

static void
row (RelaisCommandCall *call, const char *figure, guint64 value)
{
    relais_command_put (call, "figure", figure);
    relais_command_put_int (call, "value", (gint64)value);
    relais_command_end_row (call);
}

static void
row_text (RelaisCommandCall *call, const char *figure, const char *value)
{
    relais_command_put (call, "figure", figure);
    relais_command_put (call, "value", value);
    relais_command_end_row (call);
}

static const char *const states[] = {
    [RELAIS_LOAD_GOOD] = "good",
    [RELAIS_LOAD_DAMAGED] = "damaged",
    [RELAIS_LOAD_MISSING] = "missing",
    [RELAIS_LOAD_UNREADABLE] = "unreadable",
};

static void
run_status (RelaisCommandCall *call, gpointer data)
{
    const RelaisSuppression *suppression = data;
    const RelaisLoad *load = &suppression->load;
    RelaisSuppressionFigures figures;
    g_autofree char *advice = relais_suppression_advice (suppression);
    g_autofree char *trouble =
        suppression->journal != NULL ? relais_journal_trouble (suppression->journal) : NULL;

    relais_suppression_figures (suppression, &figures);
    row_text (call, "state", states[load->state]);
    row_text (call, "trouble", load->trouble != NULL ? load->trouble : trouble);
    row_text (call, "advice", advice);
    row_text (call, "takes_changes", relais_suppression_takes_changes (suppression) ? "yes" : "no");
    row (call, "entries", figures.entries);
    row (call, "addresses", figures.addresses);
    row (call, "reports", figures.reports);
    row (call, "checks", figures.checks);
    row (call, "journal.bytes", figures.journal_bytes);
    row (call, "journal.lines", suppression->lines);
    row_text (call, "journal.rewriting", suppression->rebuild.running ? "yes" : "no");
    row (call, "damaged", load->damaged->len);
    row (call, "missing_bytes", load->missing_bytes);
    relais_command_finish (call);
}

static void
on_repaired (gpointer data, bool good)
{
    RelaisCommandCall *call = data;

    if (!good) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED,
                             _ ("the journal could not be rewritten; see suppress status"));
        return;
    }
    relais_command_note (call, _ ("The list answers again. What could not be read is kept in files "
                                  "named damaged-TIME beside the journal."));
    relais_command_finish (call);
}

static void
put_damage (RelaisCommandCall *call, const RelaisLoad *load)
{
    for (guint i = 0; i < load->damaged->len; i++) {
        const RelaisJournalRange *range = &g_array_index (load->damaged, RelaisJournalRange, i);

        relais_command_put (call, "lost", "damaged");
        relais_command_put_int (call, "from", (gint64)range->from);
        relais_command_put_int (call, "octets", (gint64)range->size);
        relais_command_end_row (call);
    }
    if (load->missing_bytes == 0)
        return;
    relais_command_put (call, "lost", "missing");
    relais_command_put_int (call, "from", (gint64)load->size);
    relais_command_put_int (call, "octets", (gint64)load->missing_bytes);
    relais_command_end_row (call);
}

static void
run_repair (RelaisCommandCall *call, gpointer data)
{
    RelaisSuppression *suppression = data;

    switch (suppression->load.state) {
    case RELAIS_LOAD_GOOD:
        relais_command_note (call, _ ("Nothing is damaged."));
        relais_command_finish (call);
        return;
    case RELAIS_LOAD_UNREADABLE:
        relais_command_fail (call, RELAIS_EXIT_REFUSED, suppression->load.trouble);
        return;
    case RELAIS_LOAD_DAMAGED:
    case RELAIS_LOAD_MISSING:
        put_damage (call, &suppression->load);
        relais_rebuild_repair (suppression, on_repaired, call);
        return;
    }
}

static const RelaisCommand commands[] = {
    {"suppress", "add",
     N_ ("ADDRESS [--tenant=NAME] [--campaign=NAME] [--class=CLASS] [--reason=WORD]"),
     "tenant= campaign= class= reason=", N_ ("Put an address on the suppression list."),
     RELAIS_COMMAND_ONLINE, 0, run_add},
    {"suppress", "remove", N_ ("ADDRESS [--tenant=NAME] [--campaign=NAME] [--class=CLASS]"),
     "tenant= campaign= class=",
     N_ ("Take an address off the suppression list, or what the options name of it."),
     RELAIS_COMMAND_ONLINE, 0, run_remove},
    {"suppress", "show", N_ ("ADDRESS"), "",
     N_ ("Show all that the suppression list knows of an address, and why."), RELAIS_COMMAND_ONLINE,
     0, run_show},
    {"suppress", "list", "", "", N_ ("Show all that is on the suppression list."),
     RELAIS_COMMAND_ONLINE, 0, relais_suppress_command_list},
    {"suppress", "export", N_ ("[--format=csv|ndjson] [--hashed]"), "format= hashed",
     N_ ("Write the suppression list as CSV or NDJSON, or the SHA-256 of its addresses alone."),
     RELAIS_COMMAND_ONLINE, 0, relais_suppress_command_export},
    {"suppress", "import",
     N_ ("FILE [--class=CLASS] [--tenant=NAME] [--campaign=NAME] [--reason=WORD] "
         "[--all-or-nothing]"),
     "< class= tenant= campaign= reason= all-or-nothing",
     N_ ("Put the addresses of a CSV or NDJSON file on the suppression list; options stand for "
         "what "
         "its rows do not say."),
     RELAIS_COMMAND_ONLINE, 0, relais_suppress_command_import},
    {"suppress", "status", "", "", N_ ("Show how the suppression list is."), RELAIS_COMMAND_ONLINE,
     0, run_status},
    {"suppress", "repair", "", "",
     N_ ("Go on without what is damaged in the suppression list's journal, and tell what that is."),
     RELAIS_COMMAND_ONLINE, 0, run_repair},
};

const RelaisCommand *
relais_suppression_commands (gsize *n)
{
    *n = G_N_ELEMENTS (commands);
    return commands;
}
