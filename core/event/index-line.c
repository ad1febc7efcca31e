/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the index takes from a line. The lines are our own (line.c), so that their head is recognised by its
 * very octets; a line of another form is none that is indexed. Pure; any thread.
 */
#include "config.h"

#include "event/index-private.h"
#include "event/member-private.h"

#include <string.h>

enum { QUEUE_ID_BYTES = 13, NUMBER_BYTES = RELAIS_EVENT_KEY_BYTES - QUEUE_ID_BYTES };

static bool
is_queue_id (const char *text)
{
    for (gsize i = 0; i < QUEUE_ID_BYTES; i++)
        if (!(g_ascii_isdigit (text[i]) || (text[i] >= 'a' && text[i] <= 'v')))
            return false;
    return true;
}

static bool
key_fill (guint8 key[RELAIS_EVENT_KEY_BYTES], const char *queue_id, guint64 number)
{
    if (!is_queue_id (queue_id) || number >> (8 * NUMBER_BYTES) != 0)
        return false;
    memcpy (key, queue_id, QUEUE_ID_BYTES);
    for (gsize i = RELAIS_EVENT_KEY_BYTES; i > QUEUE_ID_BYTES; i--, number >>= 8)
        key[i - 1] = (guint8)number;
    return true;
}

bool
relais_event_key_make (guint8 key[RELAIS_EVENT_KEY_BYTES], const char *queue_id, guint32 number)
{
    return strlen (queue_id) == QUEUE_ID_BYTES && key_fill (key, queue_id, number);
}

/* --- Scanning ------------------------------------------------------------------------------------- */

typedef struct {
    const char *at, *end;
} Scan;

static bool
take (Scan *scan, const char *text)
{
    const gsize size = strlen (text);

    if ((gsize)(scan->end - scan->at) < size || memcmp (scan->at, text, size) != 0)
        return false;
    scan->at += size;
    return true;
}

static bool
take_number (Scan *scan, guint64 *number)
{
    const char *start = scan->at;

    *number = 0;
    for (; scan->at < scan->end && g_ascii_isdigit (*scan->at) && scan->at - start < 19; scan->at++)
        *number = *number * 10 + (guint64)(*scan->at - '0');
    return scan->at > start;
}

static bool
take_key (Scan *scan, guint8 key[RELAIS_EVENT_KEY_BYTES])
{
    const char *queue_id = scan->at;
    guint64 number;

    if (scan->end - scan->at < QUEUE_ID_BYTES)
        return false;
    scan->at += QUEUE_ID_BYTES;
    return take (scan, "-") && take_number (scan, &number) && key_fill (key, queue_id, number);
}

static guint64
hash_message_id (const char *at, const char *end)
{
    RelaisEventText text;

    if (!relais_event_find_text (at, (gsize)(end - at), "message_id", &text))
        return 0;
    return relais_event_hash (text.start, text.size);
}

bool
relais_event_entry_read (RelaisEventEntry *entry, const char *line, gsize size)
{
    Scan scan = {line, line + size};
    guint64 unused;

    if (!(take (&scan, "{\"seq\":") && take_number (&scan, &unused) && take (&scan, ",\"v\":") &&
          take_number (&scan, &unused) && take (&scan, ",\"id\":\"") &&
          take_key (&scan, entry->key) && take (&scan, "-") && take_number (&scan, &unused) &&
          take (&scan, "-delivered\",\"type\":\"delivered\",")))
        return false;
    entry->hash = hash_message_id (scan.at, scan.end);
    return true;
}

guint64
relais_event_hash_message_id (const char *message_id)
{
    RelaisEventLine *line = relais_event_line_new ("delivered", 0, "", 0, 0);
    g_autoptr (GBytes) bytes = NULL;
    const char *text;
    gsize size;

    relais_event_line_add (line, "message_id", message_id);
    bytes = relais_event_line_end (line);
    text = g_bytes_get_data (bytes, &size);
    return hash_message_id (text, text + size);
}
