/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking at text 64 octets at a time. Message data is looked through several times on its way (its
 * framing, its facts, its dots); nearly all of it is ordinary, so what is not is found by masks and
 * only that is looked at octet by octet.
 *
 * Pure; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { RELAIS_BLOCK_BYTES = 64 };

#ifdef __SSE2__
static inline guint64
relais_part_find (const guint8 *part, __m128i octet)
{
    const __m128i octets = _mm_loadu_si128 ((const __m128i *)(const void *)part);

    return (guint32)_mm_movemask_epi8 (_mm_cmpeq_epi8 (octets, octet));
}
#endif

/* Where `octet` stands in a block: bit i for octet i. */
static inline guint64
relais_block_find (const guint8 block[RELAIS_BLOCK_BYTES], guint8 octet)
{
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi8 ((char)octet);

    return relais_part_find (block, wanted) | relais_part_find (block + 16, wanted) << 16 |
           relais_part_find (block + 32, wanted) << 32 |
           relais_part_find (block + 48, wanted) << 48;
#else
    guint64 places = 0;

    for (int i = 0; i < RELAIS_BLOCK_BYTES; i++)
        places |= (guint64)(block[i] == octet) << i;
    return places;
#endif
}

/* How many octets are ordinary text: each CR and LF among them is part of a CRLF, no dot begins a
 * line, and the last is not a CR (whose LF may come yet). `line_start`: bytes[0] begins a line. */
gsize relais_lines_ordinary (const guint8 *bytes, gsize size, bool line_start);

/* The same without what only some processors have. */
gsize relais_lines_ordinary_portable (const guint8 *bytes, gsize size, bool line_start);

/* Whether one of the octets is not ASCII. */
bool relais_has_eight_bit (const guint8 *bytes, gsize size);
