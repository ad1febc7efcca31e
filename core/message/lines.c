/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The search for what is not ordinary in a text of CRLF lines, and for octets that are not ASCII. Pure; any thread.
 */
#include "config.h"

#include "message/lines-private.h"

#include <string.h>

/* What the block before ended with, as the bit before bit 0 of the next. */
typedef struct {
    guint64 cr, line_start;
} Carry;

/* The place in a block where ordinary text ends, -1 (a CR that ended the block before) included;
 * `n` if it does not. */
static inline int
end_in_block (const guint8 *block, int n, Carry *carry)
{
    const guint64 cr = relais_block_find (block, '\r');
    const guint64 lf = relais_block_find (block, '\n');
    const guint64 after_cr = cr << 1 | carry->cr;
    const guint64 starts = lf << 1 | carry->line_start;
    guint64 odd = (after_cr ^ lf) | (starts & relais_block_find (block, '.'));

    if (n < RELAIS_BLOCK_BYTES)
        odd &= (G_GUINT64_CONSTANT (1) << n) - 1;
    if (G_UNLIKELY (odd != 0)) {
        const int place = __builtin_ctzll (odd);

        /* After a lonely CR, the CR itself. */
        return (after_cr >> place & 1) != 0 ? place - 1 : place;
    }
    carry->cr = cr >> (n - 1) & 1;
    carry->line_start = lf >> (n - 1) & 1;
    return n;
}

gsize
relais_lines_ordinary (const guint8 *bytes, gsize size, bool line_start)
{
    guint8 rest[RELAIS_BLOCK_BYTES];
    Carry carry = {0, line_start};
    gsize at = 0;
    int n, end;

    for (; size - at >= RELAIS_BLOCK_BYTES; at += RELAIS_BLOCK_BYTES) {
        end = end_in_block (bytes + at, RELAIS_BLOCK_BYTES, &carry);
        if (end < RELAIS_BLOCK_BYTES)
            return at + (gsize)end;
    }
    n = (int)(size - at);
    if (n > 0) {
        memset (rest, 0, sizeof rest);
        memcpy (rest, bytes + at, (gsize)n);
        end = end_in_block (rest, n, &carry);
        if (end < n)
            return at + (gsize)end;
    }
    return carry.cr != 0 ? size - 1 : size;
}

bool
relais_has_eight_bit (const guint8 *bytes, gsize size)
{
    guint64 all = 0, words[4];
    gsize i = 0;

    for (; size - i >= sizeof words; i += sizeof words) {
        memcpy (words, bytes + i, sizeof words);
        all |= words[0] | words[1] | words[2] | words[3];
    }
    for (; i < size; i++)
        all |= bytes[i];
    return (all & G_GUINT64_CONSTANT (0x8080808080808080)) != 0;
}
