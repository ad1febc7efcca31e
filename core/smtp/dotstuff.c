/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Dot-stuffing and the guard over line ends. Works by runs: text without a dot at a line start goes
 * out as one piece, however many lines it has.
 */
#include "config.h"

#include "smtp/dotstuff-private.h"

#include "message/lines-private.h"

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
        const bool line_start = stuff->state == RELAIS_DOT_LINE_START;
        const gsize ordinary = relais_lines_ordinary (at, (gsize)(end - at), line_start);

        at += ordinary;
        if (ordinary > 0)
            stuff->state = at[-1] == '\n' ? RELAIS_DOT_LINE_START : RELAIS_DOT_IN_LINE;
        if (at == end)
            break;
        if (*at == '.') {
            emit_run (emit, data, run, at);
            emit (data, (const guint8 *)".", 1);
            run = at++;
            stuff->state = RELAIS_DOT_IN_LINE;
        } else if (*at == '\r' && at + 1 == end) {
            stuff->state = RELAIS_DOT_AFTER_CR;
            emit_run (emit, data, run, at);
            return true;
        } else {
            return broken (stuff);
        }
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
