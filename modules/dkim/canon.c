/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Canonicalisation (RFC 6376 section 3.4): the body as a stream that may be split anywhere, and single
 * header fields. Pure; no allocation for bodies. Output is gathered so that the sink is called for
 * blocks, not for words.
 */
#include "dkim.h"

#include <string.h>

static const guint8 CRLF[2] = {'\r', '\n'};

void
dkim_body_init (DkimBody *body, DkimCanon canon, DkimSink sink, gpointer data)
{
    memset (body, 0, offsetof (DkimBody, out));
    body->canon = canon;
    body->sink = sink;
    body->data = data;
}

static void
flush (DkimBody *body)
{
    if (body->fill > 0)
        body->sink (body->data, body->out, body->fill);
    body->fill = 0;
}

static void
emit (DkimBody *body, const guint8 *bytes, gsize size)
{
    if (size > sizeof body->out - body->fill) {
        flush (body);
        if (size > sizeof body->out) {
            body->sink (body->data, bytes, size);
            return;
        }
    }
    memcpy (body->out + body->fill, bytes, size);
    body->fill = (guint16)(body->fill + size);
}

/* Content: what was held back before it counts now. */
static void
emit_content (DkimBody *body, const guint8 *bytes, gsize size)
{
    for (; body->lines > 0; body->lines--)
        emit (body, CRLF, sizeof CRLF);
    if (body->space) {
        body->space = false;
        emit (body, (const guint8 *)" ", 1);
    }
    emit (body, bytes, size);
    body->any = true;
}

enum { ENDS_SIMPLE = 1, ENDS_RELAXED = 2 };

/* Octets that may have to be held back. */
static const guint8 specials[256] = {
    ['\r'] = ENDS_SIMPLE | ENDS_RELAXED, [' '] = ENDS_RELAXED, ['\t'] = ENDS_RELAXED};

static bool
is_special (const DkimBody *body, guint8 c)
{
    return (specials[c] & (body->canon == DKIM_SIMPLE ? ENDS_SIMPLE : ENDS_RELAXED)) != 0;
}

/* How much stays as it is, from content on: a single space between words and a line end between lines that
 * are not empty do, too. */
static gsize
content_length (const DkimBody *body, const guint8 *bytes, gsize size)
{
    const guint8 ends = body->canon == DKIM_SIMPLE ? ENDS_SIMPLE : ENDS_RELAXED;
    gsize n = 0;

    for (;;) {
        gsize after;

        while (n < size && (specials[bytes[n]] & ends) == 0)
            n++;
        if (n == size)
            return n;
        after = n + (bytes[n] == '\r' ? 2 : 1);
        if (after >= size || (specials[bytes[after]] & ends) != 0 ||
            (bytes[n] == '\r' ? bytes[n + 1] != '\n' : bytes[n] != ' '))
            return n;
        n = after;
    }
}

/* The octet after a CR: true if it made a line end of it. */
static bool
settle_cr (DkimBody *body, guint8 next)
{
    body->cr = false;
    if (next == '\n') {
        body->space = false;
        body->lines++;
        return true;
    }
    emit_content (body, CRLF, 1);
    return false;
}

void
dkim_body_feed (DkimBody *body, const guint8 *bytes, gsize size)
{
    gsize at = 0;

    while (at < size) {
        gsize n;

        if (body->cr && settle_cr (body, bytes[at])) {
            at++;
            continue;
        }
        if (bytes[at] == '\r') {
            body->cr = true;
            at++;
        } else if (is_special (body, bytes[at])) {
            body->space = true;
            at++;
        } else {
            n = content_length (body, bytes + at, size - at);
            emit_content (body, bytes + at, n);
            at += n;
        }
    }
}

void
dkim_body_end (DkimBody *body)
{
    if (body->cr)
        settle_cr (body, 0);
    /* Trailing empty lines go; an empty body is CRLF in simple and nothing in relaxed form. */
    if (body->any || body->canon == DKIM_SIMPLE)
        emit (body, CRLF, sizeof CRLF);
    flush (body);
}

static bool
is_blank (char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void
dkim_canon_field (GString *to, DkimCanon canon, const char *field, gsize size)
{
    const char *colon = memchr (field, ':', size);
    gsize name, at;
    bool space = false, any = false;

    if (canon == DKIM_SIMPLE || colon == NULL) {
        g_string_append_len (to, field, (gssize)size);
        return;
    }
    name = (gsize)(colon - field);
    at = name + 1;
    while (name > 0 && is_blank (field[name - 1]))
        name--;
    for (gsize i = 0; i < name; i++)
        g_string_append_c (to, g_ascii_tolower (field[i]));
    g_string_append_c (to, ':');
    for (; at < size; at++) {
        if (is_blank (field[at])) {
            space = any;
            continue;
        }
        if (space)
            g_string_append_c (to, ' ');
        space = false;
        any = true;
        g_string_append_c (to, field[at]);
    }
    g_string_append_len (to, "\r\n", 2);
}
