/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a report brings back of the original: the header of the last message inside, or of what stands behind the
 * separator in a text. Pure, linear; any thread.
 */
#include <string.h>

#include "report-reading.h"
#include "report-words.h"

enum { FIELDS = 500, ADDRESSES = 50 };

/* Where the address of a recipient may be told, the best source first. */
enum { SOURCE_REMOVAL, SOURCE_TO, SOURCE_DELIVERED, SOURCE_RECEIVED, N_SOURCES };

typedef struct {
    BounceReading *reading;
    char *message_id, *trace, *sender;
    GPtrArray *to[N_SOURCES]; /* char *; NULL: nobody asks */
} Original;

/* "<...@...>" with brackets, nothing else; NULL for what is no id. */
static char *
take_id (const char *value)
{
    const char *from = strchr (value, '<'), *to = from != NULL ? strchr (from, '>') : NULL;

    if (to == NULL || to - from > 998 || to - from < 2 ||
        memchr (from, ' ', (gsize)(to - from)) != NULL)
        return NULL;
    return bounce_text_clean (from, to + 1 - from, false);
}

static char *
take_trace (const char *value)
{
    g_autofree char *clean = bounce_text_clean (value, -1, false);

    g_strstrip (clean);
    return *clean != '\0' && strlen (clean) <= 512 ? g_steal_pointer (&clean) : NULL;
}

static void
add_addresses (GPtrArray *to, const char *value)
{
    const gsize size = strlen (value);
    BounceAddress address = {0};

    while (to->len < ADDRESSES && bounce_address_find (value, size, address.to, &address))
        g_ptr_array_add (to, bounce_address_dup (value, &address));
}

/* "by X with ESMTP id Y for <address>; date". The last field is the first hop's, whose recipient ours is. */
static void
add_received_for (GPtrArray *to, const char *value)
{
    const char *p = strstr (value, " for ");
    BounceAddress address;

    if (p == NULL)
        return;
    p += 5;
    g_ptr_array_set_size (to, 0);
    if (bounce_address_find (p, strlen (p), 0, &address) && address.from <= 1)
        g_ptr_array_add (to, bounce_address_dup (p, &address));
}

static void
replace (char **to, char *value)
{
    if (value == NULL)
        return;
    g_free (*to);
    *to = value;
}

static void
take_recipient (Original *original, const char *name, const char *value)
{
    static const struct {
        const char *name;
        guint source;
    } fields[] = {{"X-HmXmrOriginalRecipient", SOURCE_REMOVAL},
                  {"To", SOURCE_TO},
                  {"Delivered-To", SOURCE_DELIVERED},
                  {"X-Original-To", SOURCE_DELIVERED},
                  {"Envelope-To", SOURCE_DELIVERED}};

    if (g_ascii_strcasecmp (name, "Received") == 0)
        add_received_for (original->to[SOURCE_RECEIVED], value);
    for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
        if (g_ascii_strcasecmp (name, fields[i].name) == 0)
            add_addresses (original->to[fields[i].source], value);
}

static void
take_field (Original *original, const char *name, const char *value)
{
    if (g_ascii_strcasecmp (name, "Message-ID") == 0)
        replace (&original->message_id, take_id (value));
    else if (g_ascii_strcasecmp (name, "X-Relais-Trace") == 0)
        replace (&original->trace, take_trace (value));
    else if (g_ascii_strcasecmp (name, "Return-Path") == 0)
        replace (&original->sender, bounce_address_dup_first (value));
    else if (original->to[0] != NULL)
        take_recipient (original, name, value);
}

/* The header at the beginning of a text. In a text for people it may be indented or quoted, and lines may stand before. */
static void
read_header (Original *original, const char *text)
{
    g_autoptr (GString) plain = g_string_new (NULL);
    const char *at = text, *end;
    gsize in = strspn (at, " \t>");
    guint n = 0;
    char *name, *value;

    while (at[in] == '\n') {
        at += in + 1;
        in = strspn (at, " \t>");
    }
    /* Without the indentation of the first line. */
    for (; *at != '\0' && plain->len < BOUNCE_MAIL_TEXT_BYTES;) {
        const char *lf = strchr (at, '\n');
        const gsize size = lf != NULL ? (gsize)(lf - at) : strlen (at);
        const gsize skip = MIN (strspn (at, " \t>"), MIN (in, size));

        if (skip == size || size == 0)
            break;
        g_string_append_len (plain, at + skip, (gssize)(size - skip));
        g_string_append_c (plain, '\n');
        at += size + (lf != NULL);
    }
    at = plain->str;
    end = at + plain->len;
    while (at < end && n++ < FIELDS) {
        if (bounce_header_next (&at, end, &name, &value)) {
            take_field (original, name, value);
            g_free (name);
            g_free (value);
        } else {
            const char *lf = memchr (at, '\n', (gsize)(end - at));

            at = lf != NULL ? lf + 1 : end;
        }
    }
}

static void
read_all (Original *original)
{
    BounceReading *reading = original->reading;

    if (reading->returned != NULL) {
        g_autofree char *text = bounce_mail_dup_text (reading->mail, reading->returned);

        read_header (original, text);
    } else if (reading->tail != NULL) {
        read_header (original, reading->tail);
    }
}

/* What is known already stays: of a report in a report, or of the fields of a complaint. */
static void
keep (char **to, char *value)
{
    if (*to == NULL)
        *to = value;
    else
        g_free (value);
}

void
bounce_original_read (BounceReading *reading)
{
    BounceReport *report = reading->report;
    Original original = {.reading = reading};

    read_all (&original);
    keep (&report->message_id, original.message_id);
    keep (&report->trace, original.trace);
    keep (&report->sender, original.sender);
}

static bool
is_hidden (const char *address)
{
    return g_ascii_strncasecmp (address, "undisclosed", 11) == 0 ||
           g_str_has_suffix (address, ".invalid");
}

char *
bounce_original_dup_recipient (BounceReading *reading)
{
    Original original = {.reading = reading};
    char *found = NULL;

    for (guint i = 0; i < N_SOURCES; i++)
        original.to[i] = g_ptr_array_new_with_free_func (g_free);
    read_all (&original);
    for (guint i = 0; i < N_SOURCES; i++) {
        if (found == NULL && original.to[i]->len == 1 &&
            !is_hidden (g_ptr_array_index (original.to[i], 0)))
            found = g_strdup (g_ptr_array_index (original.to[i], 0));
        /* Several addressees: nobody can say which one it is about. */
        if (original.to[i]->len > 1)
            break;
    }
    for (guint i = 0; i < N_SOURCES; i++)
        g_ptr_array_unref (original.to[i]);
    g_free (original.message_id);
    g_free (original.trace);
    g_free (original.sender);
    return found;
}
