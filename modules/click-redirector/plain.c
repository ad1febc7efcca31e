/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finds URLs in plain text. Owns nothing; pure; any thread. Linear: what was looked at is not looked at
 * again, but for the punctuation behind an URL.
 *
 * What replaces an URL must be taken for a link of the same extent by whatever program shows the text. So an
 * URL counts only if a blank or something like it stands on both sides, save punctuation that no program
 * takes into the link.
 */
#include "plain.h"

#include <string.h>

typedef struct {
    const guint8 *text;
    gsize size;
} Text;

/* 0 behind the end, like a line end for those who ask. */
static guint8
octet_at (const Text *text, gsize at)
{
    return at < text->size ? text->text[at] : '\0';
}

static bool
is_one_of (guint8 c, const char *set)
{
    return c != '\0' && strchr (set, c) != NULL;
}

static bool
is_blank (guint8 c)
{
    return c <= 0x20;
}

/* What may stand in an URL (RFC 3986). */
static bool
is_url_octet (guint8 c)
{
    return g_ascii_isalnum (c) || is_one_of (c, "-._~:/?#[]@!$&'()*+,;=%");
}

/* Whether an URL may begin at `at`, by what stands before it. */
static bool
may_begin (const Text *text, gsize at)
{
    return at == 0 || is_blank (text->text[at - 1]) || is_one_of (text->text[at - 1], "<>([{\"':");
}

/* How long the scheme is that stands there, with its slashes; 0: none. */
static gsize
scheme_at (const Text *text, gsize at)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (guint i = 0; i < G_N_ELEMENTS (schemes); i++) {
        const gsize size = strlen (schemes[i]);

        if (text->size - at >= size &&
            g_ascii_strncasecmp ((const char *)text->text + at, schemes[i], size) == 0)
            return size;
    }
    return 0;
}

typedef struct {
    gsize end; /* where it stops */
    bool
        unclear; /* a bracket in it is not closed, or a second URL stands behind a comma or semicolon */
} Run;

/* Goes over URL octets, up to a closing bracket that was not opened in it. */
static Run
take_run (const Text *text, gsize at)
{
    gsize round = 0, square = 0;
    Run run = {at, false};

    for (; is_url_octet (octet_at (text, run.end)); run.end++) {
        const guint8 c = text->text[run.end];

        if ((c == ')' && round == 0) || (c == ']' && square == 0))
            break;
        round += (gsize)(c == '(') - (gsize)(c == ')');
        square += (gsize)(c == '[') - (gsize)(c == ']');
        if ((c == ',' || c == ';') && scheme_at (text, run.end + 1) > 0)
            run.unclear = true;
    }
    run.unclear |= round > 0 || square > 0;
    return run;
}

/* Where it ends without the punctuation behind it; a closing bracket belongs to one that opens in it. */
static gsize
trim (const Text *text, gsize begin, gsize end)
{
    while (end > begin && is_one_of (text->text[end - 1], ".,;:!?'"))
        end--;
    return end;
}

/* Whether nothing but punctuation stands from `at` to the next blank, quote or angle bracket. */
static bool
may_end (const Text *text, gsize at)
{
    while (at < text->size && is_one_of (text->text[at], ".,;:!?')]}"))
        at++;
    return is_blank (octet_at (text, at)) || is_one_of (text->text[at], "\"<>");
}

/* The URL with the scheme of `scheme` octets at `at`: its length, or 0. `*end` is where to go on. */
static gsize
url_at (const Text *text, gsize at, gsize scheme, gsize *end)
{
    const Run run = take_run (text, at + scheme);
    const bool bracketed = at > 0 && text->text[at - 1] == '<';
    gsize url;

    *end = run.end;
    if (!g_ascii_isalnum (octet_at (text, at + scheme)))
        return 0;
    if (bracketed)
        return octet_at (text, run.end) == '>' ? run.end - at : 0;
    if (run.unclear)
        return 0;
    url = trim (text, at + scheme, run.end);
    return url > at + scheme && may_end (text, url) ? url - at : 0;
}

bool
click_plain_next (const guint8 *bytes, gsize size, gsize *position, gsize *offset, gsize *length)
{
    const Text text = {bytes, size};
    gsize at = *position;

    while (at < size) {
        const guint8 c = bytes[at];
        const gsize scheme = c == 'h' || c == 'H' ? scheme_at (&text, at) : 0;

        if (scheme > 0 && may_begin (&text, at)) {
            *offset = at;
            *length = url_at (&text, at, scheme, &at);
            if (*length > 0) {
                *position = *offset + *length;
                return true;
            }
        } else {
            at++;
        }
    }
    *position = size;
    return false;
}
