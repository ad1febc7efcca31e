/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the token of a link says: all that is needed to act on it, so that a link outlives what is kept of its message.
 *
 *   VERSION  FLAGS  [QUEUE ID (13)  RECIPIENT (4)]  [TENANT]  [CAMPAIGN]  [SENDER]  ADDRESS
 *
 * The number is big-endian; names have an octet for their length before them, the address is the rest. Pure.
 */
#include "unsubscribe.h"

#include <string.h>

enum { VERSION = 1 };
enum { PROBE = 1, DELIVERY = 2, TENANT = 4, CAMPAIGN = 8, SENDER = 16, FLAGS = 31 };

void
unsubscribe_identity_clear (UnsubscribeIdentity *identity)
{
    g_clear_pointer (&identity->address, g_free);
    g_clear_pointer (&identity->sender, g_free);
    g_clear_pointer (&identity->tenant, g_free);
    g_clear_pointer (&identity->campaign, g_free);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void
put_octet (GByteArray *to, guint8 octet)
{
    g_byte_array_append (to, &octet, 1);
}

static void
put_name (GByteArray *to, const char *name)
{
    if (name == NULL)
        return;
    put_octet (to, (guint8)strlen (name));
    g_byte_array_append (to, (const guint8 *)name, (guint)strlen (name));
}

static bool
fits (const char *text, gsize most)
{
    return text == NULL || strlen (text) <= most;
}

GByteArray *
unsubscribe_identity_encode (const UnsubscribeIdentity *identity)
{
    const bool delivery = identity->queue_id[0] != '\0';
    const guint32 recipient = GUINT32_TO_BE (identity->recipient);
    GByteArray *to;

    if (!fits (identity->address, UNSUBSCRIBE_ADDRESS_BYTES) ||
        !fits (identity->tenant, UNSUBSCRIBE_NAME_BYTES) ||
        !fits (identity->campaign, UNSUBSCRIBE_NAME_BYTES) ||
        !fits (identity->sender, UNSUBSCRIBE_NAME_BYTES) ||
        (delivery && strlen (identity->queue_id) != UNSUBSCRIBE_ID_BYTES))
        return NULL;
    to = g_byte_array_sized_new (128);
    put_octet (to, VERSION);
    put_octet (to, (guint8)((identity->probe ? PROBE : 0) | (delivery ? DELIVERY : 0) |
                            (identity->tenant != NULL ? TENANT : 0) |
                            (identity->campaign != NULL ? CAMPAIGN : 0) |
                            (identity->sender != NULL ? SENDER : 0)));
    if (delivery) {
        g_byte_array_append (to, (const guint8 *)identity->queue_id, UNSUBSCRIBE_ID_BYTES);
        g_byte_array_append (to, (const guint8 *)&recipient, sizeof recipient);
    }
    put_name (to, identity->tenant);
    put_name (to, identity->campaign);
    put_name (to, identity->sender);
    if (identity->address != NULL)
        g_byte_array_append (to, (const guint8 *)identity->address,
                             (guint)strlen (identity->address));
    return to;
}

/* --- Reading ---------------------------------------------------------------------------------- */

typedef struct {
    const guint8 *at;
    gsize left;
    bool bad;
} Cursor;

static const guint8 *
take (Cursor *cursor, gsize size)
{
    const guint8 *at = cursor->at;

    if (cursor->bad || size > cursor->left) {
        cursor->bad = true;
        return NULL;
    }
    cursor->at += size;
    cursor->left -= size;
    return at;
}

static guint8
take_octet (Cursor *cursor)
{
    const guint8 *octet = take (cursor, 1);

    return octet != NULL ? *octet : 0;
}

static char *
take_text (Cursor *cursor, gsize size)
{
    const guint8 *text = take (cursor, size);

    if (text == NULL || (size > 0 && memchr (text, '\0', size) != NULL)) {
        cursor->bad = true;
        return NULL;
    }
    return g_strndup ((const char *)text, size);
}

static char *
take_name (Cursor *cursor, bool is_there)
{
    return is_there ? take_text (cursor, take_octet (cursor)) : NULL;
}

static void
take_delivery (Cursor *cursor, UnsubscribeIdentity *identity)
{
    const guint8 *id = take (cursor, UNSUBSCRIBE_ID_BYTES);
    const guint8 *recipient = take (cursor, sizeof identity->recipient);

    if (recipient == NULL)
        return;
    memcpy (identity->queue_id, id, UNSUBSCRIBE_ID_BYTES);
    memcpy (&identity->recipient, recipient, sizeof identity->recipient);
    identity->recipient = GUINT32_FROM_BE (identity->recipient);
    for (guint i = 0; i < UNSUBSCRIBE_ID_BYTES; i++)
        cursor->bad |= !g_ascii_isalnum (identity->queue_id[i]);
}

bool
unsubscribe_identity_decode (UnsubscribeIdentity *identity, const guint8 *bytes, gsize size)
{
    Cursor cursor = {bytes, size, false};
    const guint8 version = take_octet (&cursor), flags = take_octet (&cursor);

    *identity = (UnsubscribeIdentity){.probe = (flags & PROBE) != 0};
    if (cursor.bad || version != VERSION || (flags & ~FLAGS) != 0)
        return false;
    if ((flags & DELIVERY) != 0)
        take_delivery (&cursor, identity);
    identity->tenant = take_name (&cursor, (flags & TENANT) != 0);
    identity->campaign = take_name (&cursor, (flags & CAMPAIGN) != 0);
    identity->sender = take_name (&cursor, (flags & SENDER) != 0);
    cursor.bad |= cursor.left > UNSUBSCRIBE_ADDRESS_BYTES;
    identity->address = take_text (&cursor, cursor.left);
    if (!cursor.bad)
        return true;
    unsubscribe_identity_clear (identity);
    return false;
}
