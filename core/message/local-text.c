/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Local text to CRLF; see local-text-private.h. Pure; any thread.
 */
#include "config.h"

#include "message/local-text-private.h"

static const guint8 crlf[] = {'\r', '\n'};

static void
end_line (RelaisLocalText *text, GByteArray *out)
{
    text->cr = false;
    if (text->dot) {
        text->dot = false;
        text->ended = true;
        return;
    }
    g_byte_array_append (out, crlf, sizeof crlf);
    text->line_open = false;
}

static void
take_octet (RelaisLocalText *text, guint8 octet, GByteArray *out)
{
    static const guint8 dot = '.';

    if (octet == '\n') {
        end_line (text, out);
        return;
    }
    text->bare_cr |= text->cr;
    text->cr = octet == '\r';
    if (text->cr)
        return;
    if (text->dot)
        g_byte_array_append (out, &dot, 1);
    text->dot = !text->line_open && text->dot_ends && octet == '.';
    text->line_open = true;
    if (!text->dot)
        g_byte_array_append (out, &octet, 1);
}

void
relais_local_text_feed (RelaisLocalText *text, const guint8 *bytes, gsize size, GByteArray *out)
{
    for (gsize i = 0; i < size && !text->ended; i++)
        take_octet (text, bytes[i], out);
}

void
relais_local_text_end (RelaisLocalText *text, GByteArray *out)
{
    if (text->ended)
        return;
    text->bare_cr |= text->cr;
    if (text->line_open)
        end_line (text, out);
}
