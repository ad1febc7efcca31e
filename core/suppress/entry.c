/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An entry as one packed block. Loop thread, or any one that owns it.
 */
#include "config.h"

#include "suppress/entry-private.h"

#include <string.h>

G_STATIC_ASSERT (RELAIS_JOURNAL_LINE_BYTES < G_MAXUINT16);
static gsize
marks_bytes (guint n_marks)
{
    return n_marks * sizeof (RelaisSuppressMark);
}

/* Appends with its NUL; returns where. */
static guint16
pack (guint8 *bytes, gsize *at, const char *text)
{
    const gsize size = strlen (text) + 1, start = *at;

    memcpy (bytes + start, text, size);
    *at += size;
    return (guint16)start;
}

RelaisEntry *
relais_entry_new (const RelaisJournalLine *line)
{
    gsize at = marks_bytes (line->n_marks);
    const gsize size = at + strlen (line->address) + strlen (line->tenant) +
                       strlen (line->campaign) + strlen (line->reason) + strlen (line->text) + 5;
    RelaisEntry *entry = g_malloc (offsetof (RelaisEntry, marks) + size);
    guint8 *bytes;

    g_assert (size <= G_MAXUINT16 && line->n_marks <= RELAIS_JOURNAL_MARKS);
    *entry = (RelaisEntry){.first_us = line->first_us,
                           .last_us = line->last_us,
                           .expires_us = line->expires_us,
                           .count = line->count,
                           .suppress_class = (guint8)line->suppress_class,
                           .n_marks = (guint8)line->n_marks,
                           .holds = line->holds};
    if (line->n_marks > 0)
        memcpy (entry->marks, line->marks, at);
    bytes = (guint8 *)entry->marks;
    (void)pack (bytes, &at, line->address);
    entry->tenant_at = pack (bytes, &at, line->tenant);
    entry->campaign_at = pack (bytes, &at, line->campaign);
    entry->reason_at = pack (bytes, &at, line->reason);
    entry->text_at = pack (bytes, &at, line->text);
    return entry;
}

void
relais_entry_free (RelaisEntry *entry)
{
    g_free (entry);
}

static const char *
text_at (const RelaisEntry *entry, gsize at)
{
    return (const char *)entry->marks + at;
}

const char *
relais_entry_address (const RelaisEntry *entry)
{
    return text_at (entry, marks_bytes (entry->n_marks));
}

const char *
relais_entry_tenant (const RelaisEntry *entry)
{
    return text_at (entry, entry->tenant_at);
}

const char *
relais_entry_campaign (const RelaisEntry *entry)
{
    return text_at (entry, entry->campaign_at);
}

const char *
relais_entry_reason (const RelaisEntry *entry)
{
    return text_at (entry, entry->reason_at);
}

const char *
relais_entry_text (const RelaisEntry *entry)
{
    return text_at (entry, entry->text_at);
}

void
relais_entry_to_line (const RelaisEntry *entry, RelaisJournalLine *line)
{
    *line = (RelaisJournalLine){.op = RELAIS_JOURNAL_PUT,
                                .suppress_class = entry->suppress_class,
                                .address = relais_entry_address (entry),
                                .tenant = relais_entry_tenant (entry),
                                .campaign = relais_entry_campaign (entry),
                                .holds = entry->holds,
                                .count = entry->count,
                                .first_us = entry->first_us,
                                .last_us = entry->last_us,
                                .expires_us = entry->expires_us,
                                .reason = relais_entry_reason (entry),
                                .text = relais_entry_text (entry),
                                .n_marks = entry->n_marks,
                                .marks = entry->marks};
}

gboolean
relais_entry_has_expired (const RelaisEntry *entry, gint64 now_us)
{
    return entry->expires_us != 0 && entry->expires_us <= now_us;
}
