/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The list as the rest of the house sees it: evidence in, answers out. Evidence waits in an inbox, which any thread
 * fills and the loop empties; all else is the loop's.
 */
#include "config.h"

#include "suppress/state-private.h"

#include "event/event-private.h"
#include "suppress/fold-private.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { ITEMS_A_TURN = 256, REASON_BYTES = 64 };

typedef struct {
    RelaisTurnFunc func;
    gpointer data;
} Item;

typedef struct {
    RelaisSuppressClass suppress_class;
    char *address, *tenant, *campaign, *reason, *text;
    guint64 id;
    gint64 wall_us;
    RelaisSuppressFunc done;
    gpointer data;
} Report;

/* --- Turns ------------------------------------------------------------------------------------ */

static bool
take_item (RelaisSuppression *suppression, Item *item, bool may_wait)
{
    Item *first;

    g_mutex_lock (&suppression->mutex);
    first = may_wait && suppression->blocked > 0 ? NULL : g_queue_pop_head (&suppression->inbox);
    g_mutex_unlock (&suppression->mutex);
    if (first == NULL)
        return false;
    *item = *first;
    g_free (first);
    return true;
}

static void
empty_inbox (gpointer data)
{
    RelaisSuppression *suppression = data;
    bool again;
    Item item;

    for (int i = 0; i < ITEMS_A_TURN && take_item (suppression, &item, true); i++)
        item.func (suppression, item.data);
    relais_suppression_flush (suppression);
    g_mutex_lock (&suppression->mutex);
    again = suppression->posted = suppression->inbox.length > 0 && suppression->blocked == 0;
    g_mutex_unlock (&suppression->mutex);
    if (again)
        relais_loop_post (suppression->loop, empty_inbox, suppression);
}

void
relais_suppression_when_free (RelaisSuppression *suppression, RelaisTurnFunc func, gpointer data)
{
    Item *item = g_new (Item, 1);
    bool post;

    *item = (Item){func, data};
    g_mutex_lock (&suppression->mutex);
    g_queue_push_tail (&suppression->inbox, item);
    post = !suppression->posted;
    suppression->posted = true;
    g_mutex_unlock (&suppression->mutex);
    if (post)
        relais_loop_post (suppression->loop, empty_inbox, suppression);
}

typedef struct {
    RelaisSuppression *suppression;
    Item item;
} Posted;

static void
run_posted (gpointer data)
{
    Posted *posted = data;

    posted->item.func (posted->suppression, posted->item.data);
    g_free (posted);
}

void
relais_suppression_next_turn (RelaisSuppression *suppression, RelaisTurnFunc func, gpointer data)
{
    Posted *posted = g_new (Posted, 1);

    *posted = (Posted){suppression, {func, data}};
    relais_loop_post (suppression->loop, run_posted, posted);
}

void
relais_suppression_unblock (RelaisSuppression *suppression)
{
    bool post;

    suppression->blocked--;
    g_mutex_lock (&suppression->mutex);
    post = !suppression->posted;
    suppression->posted = true;
    g_mutex_unlock (&suppression->mutex);
    if (post)
        relais_loop_post (suppression->loop, empty_inbox, suppression);
    relais_rebuild_consider (suppression);
}

/* --- Evidence --------------------------------------------------------------------------------- */

char *
relais_suppression_cut (const char *text)
{
    gsize size = text != NULL ? strlen (text) : 0;

    if (size > RELAIS_SUPPRESS_STRING_BYTES)
        for (size = RELAIS_SUPPRESS_STRING_BYTES; size > 0 && ((guint8)text[size] & 0xc0) == 0x80;)
            size--;
    return size > 0 ? g_strndup (text, size) : g_strdup ("");
}

bool
relais_suppression_is_reason (const char *reason)
{
    const gsize size = strlen (reason);

    return size > 0 && size <= REASON_BYTES &&
           strspn (reason, "abcdefghijklmnopqrstuvwxyz0123456789.-") == size;
}

/* 0 for none; never 0 for one. */
static guint64
hash_id (const char *id)
{
    return id == NULL || id[0] == '\0' ? 0 : MAX (relais_event_hash (id, strlen (id)), 1);
}

static bool
is_well_formed (const RelaisEvidence *evidence)
{
    return evidence->suppress_class > RELAIS_SUPPRESS_NONE &&
           evidence->suppress_class <= RELAIS_SUPPRESS_MANUAL && evidence->address != NULL &&
           (evidence->reason == NULL || relais_suppression_is_reason (evidence->reason));
}

static Report *
copy_report (const RelaisEvidence *given, RelaisSuppressFunc done, gpointer data)
{
    Report *report = g_new (Report, 1);
    RelaisEvidence evidence = {0};

    memcpy (&evidence, given, MIN (given->struct_size, sizeof evidence));
    *report = (Report){.done = done, .data = data};
    if (!is_well_formed (&evidence))
        return report;
    report->suppress_class = evidence.suppress_class;
    report->address = relais_suppress_fold (evidence.address);
    report->tenant = relais_suppression_cut (evidence.tenant);
    report->campaign = relais_suppression_cut (evidence.campaign);
    report->reason = relais_suppression_cut (evidence.reason);
    report->text = relais_suppression_cut (evidence.text);
    report->id = hash_id (evidence.id);
    report->wall_us = evidence.wall_us;
    return report;
}

static void
end_report (gpointer data, RelaisSuppressResult result)
{
    Report *report = data;

    if (report->done != NULL)
        report->done (report->data, result);
    g_free (report->address);
    g_free (report->tenant);
    g_free (report->campaign);
    g_free (report->reason);
    g_free (report->text);
    g_free (report);
}

/* Whether what now holds says so: also for what was counted before. */
static RelaisSuppressResult
result_of (const RelaisEntry *entry)
{
    return entry->holds ? RELAIS_SUPPRESS_SUPPRESSED : RELAIS_SUPPRESS_COUNTED;
}

static void
take_report (RelaisSuppression *suppression, gpointer data)
{
    Report *report = data;
    const gint64 now_us = relais_loop_wall_us (suppression->loop);
    const RelaisSuppressPolicy *policy = &suppression->policies.of[report->suppress_class];
    RelaisWeighed evidence = {.suppress_class = report->suppress_class,
                              .address = report->address,
                              .tenant = report->tenant,
                              .campaign = report->campaign,
                              .reason = report->reason,
                              .text = report->text,
                              .id = report->id};
    RelaisEntry *old, *fresh;

    if (report->address == NULL || !relais_suppression_takes_changes (suppression)) {
        end_report (report, RELAIS_SUPPRESS_FAILED);
        return;
    }
    suppression->reports++;
    evidence.wall_us = report->wall_us > 0 ? MIN (report->wall_us, now_us) : now_us;
    relais_suppress_place (policy, &evidence.tenant, &evidence.campaign);
    old = relais_entry_table_find (&suppression->table, evidence.suppress_class, evidence.address,
                                   evidence.tenant, evidence.campaign);
    fresh = relais_suppress_weigh (policy, old, &evidence, now_us);
    if (fresh == NULL)
        relais_suppression_change (suppression, NULL, NULL, result_of (old), end_report, report);
    else
        relais_suppression_change (suppression, old, fresh, result_of (fresh), end_report, report);
}

void
relais_suppression_report (RelaisSuppression *suppression, const RelaisEvidence *evidence,
                           RelaisSuppressFunc done, gpointer data)
{
    relais_suppression_when_free (suppression, take_report, copy_report (evidence, done, data));
}

/* --- Answers ---------------------------------------------------------------------------------- */

const char *
relais_suppression_trouble (const RelaisSuppression *suppression)
{
    return suppression->load.trouble;
}

char *
relais_suppression_advice (const RelaisSuppression *suppression)
{
    const gint64 wait_us = relais_again_wait_us (suppression);

    switch (suppression->load.state) {
    case RELAIS_LOAD_GOOD: return NULL;
    case RELAIS_LOAD_DAMAGED:
    case RELAIS_LOAD_MISSING:
        return g_strdup (_ ("relaisctl suppress status tells what is lost, relaisctl suppress "
                            "repair goes on without it"));
    case RELAIS_LOAD_UNREADABLE: break;
    }
    return g_strdup_printf (_ ("make it readable for the daemon; it is tried again by itself, next "
                               "in %d s; until then recipients get 451 and what is queued waits"),
                            (int)(MAX (wait_us, 0) / RELAIS_USEC_PER_SEC));
}

static bool
holds_for (const RelaisEntry *entry, const char *tenant, const char *campaign, gint64 now_us)
{
    const char *of = relais_entry_tenant (entry), *in = relais_entry_campaign (entry);

    return entry->holds && !relais_entry_has_expired (entry, now_us) &&
           (of[0] == '\0' || (tenant != NULL && strcmp (of, tenant) == 0)) &&
           (in[0] == '\0' || (campaign != NULL && strcmp (in, campaign) == 0));
}

static const char *
or_null (const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void
fill (RelaisSuppressionEntry *out, const RelaisEntry *entry)
{
    *out = (RelaisSuppressionEntry){.suppress_class = entry->suppress_class,
                                    .reason = or_null (relais_entry_reason (entry)),
                                    .text = or_null (relais_entry_text (entry)),
                                    .first_us = entry->first_us,
                                    .last_us = entry->last_us,
                                    .expires_us = entry->expires_us};
}

/* Of several the one that is told is that of the lowest class. What cannot be folded was never put on the list: that it
 * is absent is sure. */
RelaisSuppressAnswer
relais_suppression_check (RelaisSuppression *suppression, const char *address, const char *tenant,
                          const char *campaign, RelaisSuppressionEntry *entry)
{
    const gint64 now_us = relais_loop_wall_us (suppression->loop);
    g_autofree char *folded = NULL;
    const RelaisEntry *found = NULL, *next = NULL;

    suppression->checks++;
    if (suppression->load.state != RELAIS_LOAD_GOOD)
        return RELAIS_SUPPRESS_UNKNOWN;
    if (suppression->table.n_holding == 0)
        return RELAIS_SUPPRESS_ABSENT;
    folded = relais_suppress_fold (address);
    if (folded == NULL)
        return RELAIS_SUPPRESS_ABSENT;
    while ((next = relais_entry_table_next (&suppression->table, folded, next)) != NULL)
        if (holds_for (next, tenant, campaign, now_us) &&
            (found == NULL || next->suppress_class < found->suppress_class))
            found = next;
    if (found == NULL)
        return RELAIS_SUPPRESS_ABSENT;
    if (entry != NULL)
        fill (entry, found);
    return RELAIS_SUPPRESS_PRESENT;
}

void
relais_suppression_figures (const RelaisSuppression *suppression, RelaisSuppressionFigures *figures)
{
    *figures = (RelaisSuppressionFigures){
        .entries = suppression->table.n_holding,
        .addresses = suppression->table.n_addresses,
        .reports = suppression->reports,
        .checks = suppression->checks,
        .journal_bytes =
            suppression->journal != NULL ? relais_journal_bytes (suppression->journal) : 0,
        .waiting =
            suppression->journal != NULL ? relais_journal_n_waiting (suppression->journal) : 0,
    };
}

/* --- Life ------------------------------------------------------------------------------------- */

void
relais_suppression_log_load (const RelaisSuppression *suppression)
{
    const RelaisLoad *load = &suppression->load;

    if (load->torn_bytes > 0 && load->state != RELAIS_LOAD_UNREADABLE)
        g_message ("suppression list: %" G_GUINT64_FORMAT
                   " octets at the journal's end were not written to their end and are dropped",
                   load->torn_bytes);
    if (load->restored_bytes > 0)
        g_warning ("suppression list: %" G_GUINT64_FORMAT
                   " octets were missing at the journal's end; journal.tail gave them back",
                   load->restored_bytes);
    if (load->trouble != NULL)
        g_warning ("suppression list: %s; mail is held back", load->trouble);
}

RelaisSuppression *
relais_suppression_open (const char *dir, RelaisConfig *config, RelaisLoop *loop)
{
    RelaisSuppression *suppression = g_new0 (RelaisSuppression, 1);

    suppression->loop = loop;
    suppression->dir = g_strdup (dir);
    suppression->epoch = 1;
    g_mutex_init (&suppression->mutex);
    relais_suppress_policies_read (&suppression->policies, config);
    suppression->journal = relais_suppression_read (loop, dir, &suppression->load,
                                                    &suppression->table, &suppression->dead);
    suppression->lines = suppression->load.lines;
    relais_rebuild_init (suppression);
    if (suppression->journal == NULL)
        relais_again_begin (suppression);
    relais_suppression_log_load (suppression);
    relais_rebuild_consider (suppression);
    return suppression;
}

void
relais_suppression_configure (RelaisSuppression *suppression, RelaisConfig *config)
{
    relais_suppress_policies_read (&suppression->policies, config);
}

/* What waits for an import in one piece, which does not come to its end any more, is to be reported again. */
void
relais_suppression_finish (RelaisSuppression *suppression)
{
    Item item;

    suppression->stopped = true;
    relais_again_end (suppression);
    relais_rebuild_clear (suppression);
    suppression->dead |= suppression->blocked > 0;
    while (take_item (suppression, &item, false))
        item.func (suppression, item.data);
    relais_suppression_flush (suppression);
    if (suppression->journal != NULL)
        relais_journal_finish (suppression->journal);
    suppression->dead = true;
}

void
relais_suppression_close (RelaisSuppression *suppression)
{
    Item item;

    if (suppression == NULL)
        return;
    relais_suppression_finish (suppression);
    while (take_item (suppression, &item, false))
        item.func (suppression, item.data);
    relais_journal_free (suppression->journal);
    relais_rebuild_free (suppression);
    relais_entry_table_clear (&suppression->table);
    relais_load_clear (&suppression->load);
    g_mutex_clear (&suppression->mutex);
    g_free (suppression->dir);
    g_free (suppression);
}
