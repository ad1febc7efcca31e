/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sealing and opening of tokens. See the header. Pure; any thread.
 */
#include "config.h"

#include "tls/token-private.h"

#include <string.h>

#include "loop/loop-private.h"
#include "tls/siv-private.h"

_Static_assert((int)RELAIS_TOKEN_HEAD_BYTES == (int)RELAIS_SIV_HEAD_BYTES &&
                   (int)RELAIS_TOKEN_SIV_BYTES == (int)RELAIS_SIV_BYTES,
               "the frame is what SIV seals");

enum { VERSION = 1, FRAME_BYTES = RELAIS_TOKEN_HEAD_BYTES + RELAIS_TOKEN_SIV_BYTES };

/* --- base64url (RFC 4648 section 5), without padding ------------------------------------------ */

static char *
to_text (const guint8 *bytes, gsize size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *text = g_malloc (size / 3 * 4 + 5), *to = text;

    for (; size >= 3; bytes += 3, size -= 3) {
        *to++ = digits[bytes[0] >> 2];
        *to++ = digits[(bytes[0] & 3) << 4 | bytes[1] >> 4];
        *to++ = digits[(bytes[1] & 15) << 2 | bytes[2] >> 6];
        *to++ = digits[bytes[2] & 63];
    }
    if (size > 0) {
        const guint8 second = size == 2 ? bytes[1] : 0;

        *to++ = digits[bytes[0] >> 2];
        *to++ = digits[(bytes[0] & 3) << 4 | second >> 4];
        if (size == 2)
            *to++ = digits[(second & 15) << 2];
    }
    *to = '\0';
    return text;
}

/* Value of a digit, -1 for others. */
static int
digit (char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* The octets of a text, or NULL if it is not the one text that stands for them: what is left over of its last
 * digit must be 0. */
static guint8 *
from_text (const char *text, gsize size, gsize *n)
{
    g_autofree guint8 *bytes = g_malloc (size / 4 * 3 + 3);
    guint32 bits = 0;
    guint held = 0;

    *n = 0;
    for (gsize i = 0; i < size; i++) {
        const int value = digit (text[i]);

        if (value < 0)
            return NULL;
        bits = bits << 6 | (guint32)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[(*n)++] = (guint8)(bits >> held);
        }
    }
    if (held >= 6 || (bits & ((1u << held) - 1)) != 0)
        return NULL;
    return g_steal_pointer (&bytes);
}

/* --- Sealing ---------------------------------------------------------------------------------- */

/* The last whole one that a time has; it fits into 32 bits. */
static const gint64 LAST_HOUR = G_MAXINT64 / RELAIS_USEC_PER_HOUR;

static void
put_expiry (guint8 *to, gint64 expires_us)
{
    const gint64 left_us = MAX (expires_us, 0);
    const gint64 up =
        left_us / RELAIS_USEC_PER_HOUR + (left_us % RELAIS_USEC_PER_HOUR != 0 ? 1 : 0);
    const gint64 hours = MIN (up, LAST_HOUR);
    const guint32 big = GUINT32_TO_BE ((guint32)hours);

    memcpy (to, &big, sizeof big);
}

char *
relais_token_make (const RelaisKeyRing *ring, const char *purpose, const guint8 *payload,
                   gsize size, gint64 expires_us)
{
    const RelaisKey *key = relais_key_ring_newest (ring);
    g_autofree guint8 *plain = NULL;
    g_autofree guint8 *frame = NULL;

    if (size > RELAIS_TOKEN_PAYLOAD_BYTES)
        return NULL;
    plain = g_malloc (RELAIS_TOKEN_EXPIRY_BYTES + size);
    frame = g_malloc (FRAME_BYTES + RELAIS_TOKEN_EXPIRY_BYTES + size);
    put_expiry (plain, expires_us);
    if (size > 0)
        memcpy (plain + RELAIS_TOKEN_EXPIRY_BYTES, payload, size);
    frame[0] = VERSION;
    frame[1] = (guint8)(key->id >> 8);
    frame[2] = (guint8)key->id;
    if (!relais_siv_seal (key, purpose, frame, plain, RELAIS_TOKEN_EXPIRY_BYTES + size,
                          frame + RELAIS_TOKEN_HEAD_BYTES))
        return NULL;
    return to_text (frame, FRAME_BYTES + RELAIS_TOKEN_EXPIRY_BYTES + size);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static gint64
get_expiry (const guint8 *from)
{
    guint32 big;

    memcpy (&big, from, sizeof big);
    return MIN ((gint64)GUINT32_FROM_BE (big), LAST_HOUR) * RELAIS_USEC_PER_HOUR;
}

RelaisTokenState
relais_token_read (const RelaisKeyRing *ring, const char *purpose, const char *text, gsize size,
                   gint64 wall_us, guint8 **payload, gsize *n)
{
    g_autofree guint8 *frame = NULL;
    g_autofree guint8 *plain = NULL;
    const RelaisKey *key;
    gsize length = 0;

    if (size > RELAIS_TOKEN_TEXT_BYTES)
        return RELAIS_TOKEN_STATE_FORGED;
    frame = from_text (text, size, &length);
    if (frame == NULL || length < FRAME_BYTES + RELAIS_TOKEN_EXPIRY_BYTES || frame[0] != VERSION)
        return RELAIS_TOKEN_STATE_FORGED;
    key = relais_key_ring_find (ring, (guint16)(frame[1] << 8 | frame[2]));
    length -= FRAME_BYTES;
    plain = g_malloc (length + 1);
    if (key == NULL ||
        !relais_siv_open (key, purpose, frame, frame + RELAIS_TOKEN_HEAD_BYTES, plain, length))
        return RELAIS_TOKEN_STATE_FORGED;
    if (wall_us >= get_expiry (plain))
        return RELAIS_TOKEN_STATE_EXPIRED;
    length -= RELAIS_TOKEN_EXPIRY_BYTES;
    memmove (plain, plain + RELAIS_TOKEN_EXPIRY_BYTES, length);
    plain[length] = '\0';
    *payload = g_steal_pointer (&plain);
    *n = length;
    return RELAIS_TOKEN_STATE_GOOD;
}
