/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dot-stuffing and the guard over line ends. Works by runs: text without a dot at a line start goes
 * out as one piece, however many lines it has.
 */
#include "config.h"

#include "smtp/dotstuff-private.h"

#include <string.h>

static bool
broken (RelaisDotStuff *stuff)
{
    stuff->state = RELAIS_DOT_BROKEN;
    return false;
}

static void
emit_run (RelaisDotEmit emit, gpointer data, const guint8 *from, const guint8 *to)
{
    if (to > from)
        emit (data, from, (gsize)(to - from));
}

bool
relais_dot_stuff (RelaisDotStuff *stuff, const guint8 *bytes, gsize size, RelaisDotEmit emit,
                  gpointer data)
{
    const guint8 *const end = bytes + size;
    const guint8 *run = bytes; /* checked, not yet passed on */
    const guint8 *at = bytes;

    if (stuff->state == RELAIS_DOT_BROKEN || size == 0)
        return stuff->state != RELAIS_DOT_BROKEN;
    if (stuff->state == RELAIS_DOT_AFTER_CR) {
        if (*at++ != '\n')
            return broken (stuff);
        emit (data, (const guint8 *)"\r\n", 2);
        run = at;
        stuff->state = RELAIS_DOT_LINE_START;
    }
    while (at < end) {
        if (stuff->state == RELAIS_DOT_LINE_START && *at == '.') {
            emit_run (emit, data, run, at);
            emit (data, (const guint8 *)".", 1);
            run = at;
        }
        const guint8 *lf = memchr (at, '\n', (gsize)(end - at));
        const guint8 *stop = lf != NULL ? lf : end;
        const guint8 *cr = memchr (at, '\r', (gsize)(stop - at));

        if (cr != NULL ? cr + 1 != stop : lf != NULL)
            return broken (stuff);
        if (lf == NULL) {
            stuff->state = cr != NULL ? RELAIS_DOT_AFTER_CR : RELAIS_DOT_IN_LINE;
            emit_run (emit, data, run, cr != NULL ? cr : end);
            return true;
        }
        stuff->state = RELAIS_DOT_LINE_START;
        at = lf + 1;
    }
    emit_run (emit, data, run, end);
    return true;
}

bool
relais_dot_stuff_end (RelaisDotStuff *stuff, RelaisDotEmit emit, gpointer data)
{
    switch (stuff->state) {
    case RELAIS_DOT_LINE_START: emit (data, (const guint8 *)".\r\n", 3); return true;
    case RELAIS_DOT_IN_LINE: emit (data, (const guint8 *)"\r\n.\r\n", 5); return true;
    case RELAIS_DOT_AFTER_CR:
    case RELAIS_DOT_BROKEN: return broken (stuff);
    }
    return false;
}
