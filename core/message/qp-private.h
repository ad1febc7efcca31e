/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How one octet is written in quoted-printable (RFC 2045 section 6.7): the rules for all that Relais
 * writes in it. Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* A line has at most RELAIS_QP_LINE_OCTETS; one that is to be continued needs room for its "=". */
enum { RELAIS_QP_LINE_OCTETS = 76, RELAIS_QP_COLUMNS = RELAIS_QP_LINE_OCTETS - 1 };

/* Whether an octet may stand for itself. Not so a blank at the end of a line, which would not survive
 * every transport, nor what would make a delimiter, the end of the message or mbox's "From " of the
 * beginning of a line. */
static inline bool
relais_qp_is_literal (guint8 octet, gsize column, bool ends_line)
{
    if (octet == ' ' || octet == '\t')
        return !ends_line;
    if (column == 0 && (octet == '-' || octet == '.' || octet == 'F'))
        return false;
    return octet > ' ' && octet < 0x7f && octet != '=';
}

/* Writes it; returns how many octets it takes. */
static inline guint
relais_qp_write (guint8 octet, gsize column, bool ends_line, guint8 to[3])
{
    static const char digits[] = "0123456789ABCDEF";

    if (relais_qp_is_literal (octet, column, ends_line)) {
        to[0] = octet;
        return 1;
    }
    to[0] = '=';
    to[1] = (guint8)digits[octet >> 4];
    to[2] = (guint8)digits[octet & 15];
    return 3;
}
