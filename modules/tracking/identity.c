/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a token says of its message: as little as the mode allows, since it stands in every link.
 *
 *   VERSION  FLAGS  [QUEUE ID (8) RECIPIENT]  SENT (4: seconds)  [LINK LINKS]  [TENANT]  [CAMPAIGN]  URL
 *
 * Numbers are little-endian base 128; tenant and campaign have their length before them; the URL is the rest. Pure.
 */
#include "tracking.h"

#include <relais/timer.h>
#include <string.h>

enum { VERSION = 1, ID_CHARACTERS = 13, ID_BYTES = 8, NAME_BYTES = 255, URL_BYTES = 8192 };
enum { INDIVIDUAL = 1, TRAP = 2, TENANT = 4, CAMPAIGN = 8, LINK = 16, PROBE = 32, FLAGS = 63 };

static const char id_digits[] = "0123456789abcdefghijklmnopqrstuv";

/* --- Queue ids: 13 digits of 5 bits, the first one of 4 --------------------------------------- */

static bool
pack_id (const char *text, guint64 *id)
{
    *id = 0;
    for (guint i = 0; i < ID_CHARACTERS; i++) {
        const char *digit = text[i] != '\0' ? strchr (id_digits, text[i]) : NULL;

        if (digit == NULL || (i == 0 && digit - id_digits > 15))
            return false;
        *id = *id << 5 | (guint64)(digit - id_digits);
    }
    return text[ID_CHARACTERS] == '\0';
}

static void
unpack_id (guint64 id, char *text)
{
    for (guint i = ID_CHARACTERS; i > 0; i--) {
        text[i - 1] = id_digits[id & 31];
        id >>= 5;
    }
    text[ID_CHARACTERS] = '\0';
}

/* --- The message's ---------------------------------------------------------------------------- */

void
tracking_identity_init (TrackingIdentity *identity, RelaisHook *hook, TrackingMode mode)
{
    const RelaisMessage *message = relais_hook_get_message (hook);
    const gint64 now_us = relais_module_wall_us (relais_hook_get_module (hook));

    *identity = (TrackingIdentity){.individual = mode == TRACKING_INDIVIDUAL &&
                                                 relais_hook_n_recipients (hook) == 1};
    identity->sent_us = now_us - now_us % (identity->individual ? G_USEC_PER_SEC : TRACKING_DAY_US);
    identity->tenant = g_strdup (relais_message_get_tenant (message));
    identity->campaign = g_strdup (relais_message_get_campaign (message));
    identity->url = g_strdup ("");
    if (identity->individual) {
        g_autofree char *id = relais_message_dup_id (message);

        g_strlcpy (identity->queue_id, id, sizeof identity->queue_id);
        identity->recipient = relais_hook_get_recipient_number (hook, 0);
    }
}

void
tracking_identity_clear (TrackingIdentity *identity)
{
    g_clear_pointer (&identity->tenant, g_free);
    g_clear_pointer (&identity->campaign, g_free);
    g_clear_pointer (&identity->url, g_free);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void
put_octet (GByteArray *to, guint8 octet)
{
    g_byte_array_append (to, &octet, 1);
}

static void
put_number (GByteArray *to, guint64 value)
{
    for (; value > 127; value >>= 7)
        put_octet (to, (guint8)(value | 128));
    put_octet (to, (guint8)value);
}

/* A name that is too long is left out: it was ours to limit, and no mail is lost for it. */
static bool
is_name (const char *name)
{
    return name != NULL && strlen (name) <= NAME_BYTES;
}

static void
put_name (GByteArray *to, const char *name)
{
    const gsize size = strlen (name);

    put_octet (to, (guint8)size);
    g_byte_array_append (to, (const guint8 *)name, (guint)size);
}

GByteArray *
tracking_identity_encode (const TrackingIdentity *identity)
{
    GByteArray *to = g_byte_array_sized_new (128);
    guint64 id = 0;
    const bool individual = identity->individual && pack_id (identity->queue_id, &id);
    const guint32 sent = GUINT32_TO_BE ((guint32)(identity->sent_us / G_USEC_PER_SEC));

    put_octet (to, VERSION);
    put_octet (to, (guint8)((individual ? INDIVIDUAL : 0) | (identity->trap ? TRAP : 0) |
                            (is_name (identity->tenant) ? TENANT : 0) |
                            (is_name (identity->campaign) ? CAMPAIGN : 0) |
                            (identity->n_links > 0 ? LINK : 0) | (identity->probe ? PROBE : 0)));
    if (individual) {
        id = GUINT64_TO_BE (id);
        g_byte_array_append (to, (const guint8 *)&id, ID_BYTES);
        put_number (to, identity->recipient);
    }
    g_byte_array_append (to, (const guint8 *)&sent, sizeof sent);
    if (identity->n_links > 0) {
        put_number (to, identity->link);
        put_number (to, identity->n_links);
    }
    if (is_name (identity->tenant))
        put_name (to, identity->tenant);
    if (is_name (identity->campaign))
        put_name (to, identity->campaign);
    if (identity->url != NULL)
        g_byte_array_append (to, (const guint8 *)identity->url, (guint)strlen (identity->url));
    return to;
}

/* --- Reading ---------------------------------------------------------------------------------- */

typedef struct {
    const guint8 *at, *end;
    bool bad;
} Cursor;

static const guint8 *
take (Cursor *cursor, gsize size)
{
    const guint8 *at = cursor->at;

    if (cursor->bad || size > (gsize)(cursor->end - cursor->at)) {
        cursor->bad = true;
        return NULL;
    }
    cursor->at += size;
    return at;
}

static guint8
take_octet (Cursor *cursor)
{
    const guint8 *octet = take (cursor, 1);

    return octet != NULL ? *octet : 0;
}

static guint32
take_number (Cursor *cursor)
{
    guint64 value = 0;
    guint8 octet = 128;

    for (guint shift = 0; (octet & 128) != 0 && shift < 35; shift += 7) {
        octet = take_octet (cursor);
        value |= (guint64)(octet & 127) << shift;
    }
    if ((octet & 128) != 0 || value > G_MAXUINT32)
        cursor->bad = true;
    return (guint32)value;
}

static char *
take_text (Cursor *cursor, gsize size)
{
    const guint8 *text = take (cursor, size);

    if (text == NULL || memchr (text, '\0', size) != NULL) {
        cursor->bad = true;
        return NULL;
    }
    return g_strndup ((const char *)text, size);
}

static void
take_delivery (Cursor *cursor, TrackingIdentity *identity)
{
    const guint8 *id = take (cursor, ID_BYTES);
    guint64 big;

    if (id == NULL)
        return;
    memcpy (&big, id, sizeof big);
    unpack_id (GUINT64_FROM_BE (big), identity->queue_id);
    identity->recipient = take_number (cursor);
}

static void
take_sent (Cursor *cursor, TrackingIdentity *identity)
{
    const guint8 *sent = take (cursor, sizeof (guint32));
    guint32 big;

    if (sent == NULL)
        return;
    memcpy (&big, sent, sizeof big);
    identity->sent_us = (gint64)GUINT32_FROM_BE (big) * G_USEC_PER_SEC;
}

bool
tracking_identity_decode (TrackingIdentity *identity, const guint8 *bytes, gsize size)
{
    Cursor cursor = {bytes, bytes + size, false};
    const guint8 version = take_octet (&cursor), flags = take_octet (&cursor);

    *identity = (TrackingIdentity){.individual = (flags & INDIVIDUAL) != 0,
                                   .trap = (flags & TRAP) != 0,
                                   .probe = (flags & PROBE) != 0};
    if (version != VERSION || (flags & ~FLAGS) != 0)
        return false;
    if (identity->individual)
        take_delivery (&cursor, identity);
    take_sent (&cursor, identity);
    if ((flags & LINK) != 0) {
        identity->link = take_number (&cursor);
        identity->n_links = take_number (&cursor);
    }
    if ((flags & TENANT) != 0)
        identity->tenant = take_text (&cursor, take_octet (&cursor));
    if ((flags & CAMPAIGN) != 0)
        identity->campaign = take_text (&cursor, take_octet (&cursor));
    if (!cursor.bad && cursor.end - cursor.at <= URL_BYTES)
        identity->url = take_text (&cursor, (gsize)(cursor.end - cursor.at));
    if (identity->url != NULL && !cursor.bad)
        return true;
    tracking_identity_clear (identity);
    return false;
}
