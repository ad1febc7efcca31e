/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules. Evidence counts while it is younger than the window; enough of it, on enough different days, makes the
 * entry hold mail back for the lifetime, counted from the last of it. When that is over the count begins anew.
 */
#include "config.h"

#include "suppress/policy-private.h"

#include "loop/clock-private.h"

#include <string.h>

/* As many ids are remembered at least, to know what was counted before. */
enum { MIN_MARKS = 8 };

void
relais_suppress_policies_read (RelaisSuppressPolicies *policies, const RelaisConfig *config)
{
    for (guint32 i = RELAIS_SUPPRESS_NONE; i < G_N_ELEMENTS (policies->of); i++) {
        const RelaisSection *section = relais_config_find_section (
            config, "suppress",
            relais_suppress_class_to_string (MAX (i, (guint32)RELAIS_SUPPRESS_HARD)));

        policies->of[i] = (RelaisSuppressPolicy){
            .enable = relais_section_get_bool (section, "enable"),
            .scope = relais_section_get_enum (section, "scope"),
            .threshold = (guint)relais_section_get_int (section, "threshold"),
            .days = (guint)relais_section_get_int (section, "days"),
            .window_us = relais_section_get_int (section, "window"),
            .lifetime_us = relais_section_get_int (section, "lifetime"),
        };
    }
}

void
relais_suppress_place (const RelaisSuppressPolicy *policy, const char **tenant,
                       const char **campaign)
{
    if (policy->scope == RELAIS_SCOPE_GLOBAL)
        *tenant = "";
    if (policy->scope != RELAIS_SCOPE_CAMPAIGN || (*tenant)[0] == '\0')
        *campaign = "";
}

static gint64
plus (gint64 moment_us, gint64 span_us)
{
    gint64 sum;

    return __builtin_add_overflow (moment_us, span_us, &sum) ? G_MAXINT64 : sum;
}

gint64
relais_suppress_expiry (const RelaisSuppressPolicy *policy, bool holds, gint64 last_us)
{
    const gint64 span_us = holds ? policy->lifetime_us : policy->window_us;

    return span_us == 0 ? 0 : plus (last_us, span_us);
}

/* --- Marks ------------------------------------------------------------------------------------ */

typedef struct {
    RelaisSuppressMark marks[RELAIS_JOURNAL_MARKS];
    guint n;
} Marks;

static bool
was_counted (const RelaisEntry *old, guint64 id)
{
    for (guint i = 0; old != NULL && id != 0 && i < old->n_marks; i++)
        if (old->marks[i].id == id)
            return true;
    return false;
}

static guint
oldest (const Marks *marks)
{
    guint found = 0;

    for (guint i = 1; i < marks->n; i++)
        if (marks->marks[i].wall_us < marks->marks[found].wall_us)
            found = i;
    return found;
}

/* Those of the old entry that still count, and the new one; at most `limit`, the youngest. */
static void
take_marks (Marks *marks, const RelaisEntry *old, const RelaisWeighed *evidence, gint64 since_us,
            guint limit)
{
    marks->n = 0;
    for (guint i = 0; old != NULL && i < old->n_marks; i++)
        if (old->marks[i].wall_us > since_us)
            marks->marks[marks->n++] = old->marks[i];
    while (marks->n >= limit) {
        const guint at = oldest (marks);

        marks->n--;
        memmove (&marks->marks[at], &marks->marks[at + 1],
                 (marks->n - at) * sizeof (RelaisSuppressMark));
    }
    marks->marks[marks->n++] = (RelaisSuppressMark){evidence->wall_us, evidence->id};
}

static guint
count_days (const Marks *marks)
{
    guint days = 0;

    for (guint i = 0; i < marks->n; i++) {
        const gint64 day = marks->marks[i].wall_us / RELAIS_USEC_PER_DAY;
        bool seen = false;

        for (guint j = 0; j < i && !seen; j++)
            seen = marks->marks[j].wall_us / RELAIS_USEC_PER_DAY == day;
        days += !seen;
    }
    return days;
}

/* --- Entries ---------------------------------------------------------------------------------- */

static guint32
add_count (guint32 a, guint32 b)
{
    return a > G_MAXUINT32 - b ? G_MAXUINT32 : a + b;
}

RelaisEntry *
relais_suppress_weigh (const RelaisSuppressPolicy *policy, const RelaisEntry *old,
                       const RelaisWeighed *evidence, gint64 now_us)
{
    const guint limit = CLAMP (policy->threshold, MIN_MARKS, RELAIS_JOURNAL_MARKS);
    const gint64 since_us = policy->window_us == 0 ? G_MININT64 : now_us - policy->window_us;
    const RelaisEntry *known = old != NULL && !relais_entry_has_expired (old, now_us) ? old : NULL;
    const bool is_last = known == NULL || evidence->wall_us >= known->last_us;
    RelaisJournalLine line;
    Marks marks;

    if (was_counted (known, evidence->id))
        return NULL;
    take_marks (&marks, known, evidence, since_us, limit);
    line = (RelaisJournalLine){
        .op = RELAIS_JOURNAL_PUT,
        .suppress_class = evidence->suppress_class,
        .address = evidence->address,
        .tenant = evidence->tenant,
        .campaign = evidence->campaign,
        .count = add_count (known != NULL ? known->count : 0, 1),
        .first_us = known != NULL ? MIN (known->first_us, evidence->wall_us) : evidence->wall_us,
        .last_us = is_last ? evidence->wall_us : known->last_us,
        .reason = is_last ? evidence->reason : relais_entry_reason (known),
        .text = is_last ? evidence->text : relais_entry_text (known),
        .n_marks = marks.n,
        .marks = marks.marks,
    };
    line.holds = (known != NULL && known->holds) ||
                 (policy->enable && evidence->wall_us > since_us && marks.n >= policy->threshold &&
                  count_days (&marks) >= policy->days);
    line.expires_us = relais_suppress_expiry (policy, line.holds, line.last_us);
    if (known != NULL && known->holds && known->expires_us == 0)
        line.expires_us = 0; /* as it was decided */
    return relais_entry_new (&line);
}

RelaisEntry *
relais_suppress_merge (const RelaisEntry *old, const RelaisJournalLine *wanted)
{
    RelaisJournalLine line = *wanted;

    if (old != NULL) {
        line.first_us = MIN (old->first_us, wanted->first_us);
        line.last_us = MAX (old->last_us, wanted->last_us);
        line.count = MAX (old->count, wanted->count);
        line.n_marks = old->n_marks;
        line.marks = old->marks;
        if (line.reason[0] == '\0')
            line.reason = relais_entry_reason (old);
        if (line.text[0] == '\0')
            line.text = relais_entry_text (old);
    }
    return relais_entry_new (&line);
}
