/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sealing and opening of envelope tokens. See the header. Pure; any thread.
 */
#include "config.h"

#include "tls/envelope-token-private.h"

#include <string.h>

#include "loop/loop-private.h"
#include "tls/siv-private.h"

enum {
    VERSION = 2, /* associated, not written: there is no room for it */
    ID_BYTES = 2,
    NAME_BYTES = 19,
    FRAME_BYTES = ID_BYTES + RELAIS_SIV_BYTES + NAME_BYTES,
    DIGIT_BITS = 5
};

_Static_assert((FRAME_BYTES * 8 + DIGIT_BITS - 1) / DIGIT_BITS == RELAIS_ENVELOPE_TOKEN_TEXT_BYTES,
               "the frame fills the text");

/* --- base32 in the order of digits, 0-9a-v ------------------------------------------------------ */

static char *
to_text (const guint8 frame[FRAME_BYTES])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    char *text = g_malloc (RELAIS_ENVELOPE_TOKEN_TEXT_BYTES + 1), *to = text;
    guint32 bits = 0;
    guint held = 0;

    for (gsize i = 0; i < FRAME_BYTES; i++) {
        bits = bits << 8 | frame[i];
        for (held += 8; held >= DIGIT_BITS; held -= DIGIT_BITS)
            *to++ = digits[bits >> (held - DIGIT_BITS) & 31];
    }
    *to++ = digits[bits << (DIGIT_BITS - held) & 31];
    *to = '\0';
    return text;
}

/* Value of a digit, -1 for others. */
static int
digit (char c)
{
    c = g_ascii_tolower (c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'v' ? c - 'a' + 10 : -1;
}

/* False for a text that is too short or long, or whose spare bits are not 0. */
static bool
from_text (const char *text, guint8 frame[FRAME_BYTES])
{
    guint32 bits = 0;
    guint held = 0;
    gsize n = 0;

    if (strlen (text) != RELAIS_ENVELOPE_TOKEN_TEXT_BYTES)
        return false;
    for (; *text != '\0'; text++) {
        const int value = digit (*text);

        if (value < 0)
            return false;
        bits = bits << DIGIT_BITS | (guint32)value;
        held += DIGIT_BITS;
        if (held >= 8) {
            held -= 8;
            frame[n++] = (guint8)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0;
}

/* --- The name ----------------------------------------------------------------------------------- */

static void
put (guint8 *to, guint64 value, guint n)
{
    for (; n > 0; n--, value >>= 8)
        to[n - 1] = (guint8)value;
}

static guint64
get (const guint8 *from, guint n)
{
    guint64 value = 0;

    for (guint i = 0; i < n; i++)
        value = value << 8 | from[i];
    return value;
}

static void
make_head (guint8 head[RELAIS_SIV_HEAD_BYTES], const guint8 *key_id)
{
    head[0] = VERSION;
    memcpy (head + 1, key_id, ID_BYTES);
}

char *
relais_envelope_token_make (const RelaisKeyRing *ring, const char *purpose,
                            const RelaisEnvelopeName *name, gint64 expires_us)
{
    const RelaisKey *key = relais_key_ring_newest (ring);
    const gint64 minutes = CLAMP (name->made_us / RELAIS_USEC_PER_MIN, 0, (gint64)G_MAXUINT32);
    const gint64 hours =
        CLAMP ((expires_us - 1) / RELAIS_USEC_PER_HOUR + 1, 0, (gint64)G_MAXUINT32);
    guint8 plain[NAME_BYTES], frame[FRAME_BYTES], head[RELAIS_SIV_HEAD_BYTES];

    if (name->recipient >= RELAIS_ENVELOPE_TOKEN_RECIPIENTS)
        return NULL;
    put (plain, name->id, 8);
    put (plain + 8, name->recipient, 3);
    put (plain + 11, (guint64)minutes, 4);
    put (plain + 15, (guint64)hours, 4);
    put (frame, key->id, ID_BYTES);
    make_head (head, frame);
    if (!relais_siv_seal (key, purpose, head, plain, NAME_BYTES, frame + ID_BYTES))
        return NULL;
    return to_text (frame);
}

RelaisTokenState
relais_envelope_token_read (const RelaisKeyRing *ring, const char *purpose, const char *text,
                            gint64 wall_us, RelaisEnvelopeName *name)
{
    guint8 plain[NAME_BYTES], frame[FRAME_BYTES], head[RELAIS_SIV_HEAD_BYTES];
    const RelaisKey *key;

    if (!from_text (text, frame))
        return RELAIS_TOKEN_STATE_FORGED;
    key = relais_key_ring_find (ring, (guint16)get (frame, ID_BYTES));
    make_head (head, frame);
    if (key == NULL || !relais_siv_open (key, purpose, head, frame + ID_BYTES, plain, NAME_BYTES))
        return RELAIS_TOKEN_STATE_FORGED;
    if (wall_us / RELAIS_USEC_PER_HOUR >= (gint64)get (plain + 15, 4))
        return RELAIS_TOKEN_STATE_EXPIRED;
    *name = (RelaisEnvelopeName){.id = get (plain, 8),
                                 .recipient = (guint32)get (plain + 8, 3),
                                 .made_us = (gint64)get (plain + 11, 4) * RELAIS_USEC_PER_MIN};
    return RELAIS_TOKEN_STATE_GOOD;
}
