/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The search for what is not ordinary in a text of CRLF lines, and for octets that are not ASCII. Pure; any thread.
 */
#include "config.h"

#include "message/lines-private.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* What the block before ended with, as the bit before bit 0 of the next. */
typedef struct {
    guint64 cr, line_start;
} Carry;

/* The place in a block where ordinary text ends, -1 (a CR that ended the block before) included;
 * `n` if it does not. Given where CR, LF and dot stand. */
static inline __attribute__ ((always_inline)) int
end_by_masks (guint64 cr, guint64 lf, guint64 dot, int n, Carry *carry)
{
    const guint64 after_cr = cr << 1 | carry->cr;
    const guint64 starts = lf << 1 | carry->line_start;
    guint64 odd = (after_cr ^ lf) | (starts & dot);

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

static inline int
end_in_block (const guint8 *block, int n, Carry *carry)
{
    return end_by_masks (relais_block_find (block, '\r'), relais_block_find (block, '\n'),
                         relais_block_find (block, '.'), n, carry);
}

/* Where ordinary text ends in blocks of `size` octets together; `size` if it does not. */
static gsize
end_in_blocks (const guint8 *bytes, gsize size, Carry *carry)
{
    for (gsize at = 0; at < size; at += RELAIS_BLOCK_BYTES) {
        const int end = end_in_block (bytes + at, RELAIS_BLOCK_BYTES, carry);

        if (end < RELAIS_BLOCK_BYTES)
            return at + (gsize)end;
    }
    return size;
}

#if defined(__x86_64__)
__attribute__ ((target ("avx2"))) static inline guint64
find_in_halves (__m256i low, __m256i high, char octet)
{
    const __m256i wanted = _mm256_set1_epi8 (octet);

    return (guint32)_mm256_movemask_epi8 (_mm256_cmpeq_epi8 (low, wanted)) |
           (guint64)(guint32)_mm256_movemask_epi8 (_mm256_cmpeq_epi8 (high, wanted)) << 32;
}

/* The same for a processor that looks at 32 octets at once. */
__attribute__ ((target ("avx2"))) static gsize
end_in_blocks_avx2 (const guint8 *bytes, gsize size, Carry *carry)
{
    for (gsize at = 0; at < size; at += RELAIS_BLOCK_BYTES) {
        const __m256i low = _mm256_loadu_si256 ((const __m256i *)(const void *)(bytes + at));
        const __m256i high = _mm256_loadu_si256 ((const __m256i *)(const void *)(bytes + at + 32));
        const int end =
            end_by_masks (find_in_halves (low, high, '\r'), find_in_halves (low, high, '\n'),
                          find_in_halves (low, high, '.'), RELAIS_BLOCK_BYTES, carry);

        if (end < RELAIS_BLOCK_BYTES)
            return at + (gsize)end;
    }
    return size;
}
#endif

/* What is left after the whole blocks, of which all is ordinary. */
static gsize
end_in_rest (const guint8 *bytes, gsize at, gsize size, Carry *carry)
{
    guint8 rest[RELAIS_BLOCK_BYTES] = {0};
    const int n = (int)(size - at);
    int end;

    if (n > 0) {
        memcpy (rest, bytes + at, (gsize)n);
        end = end_in_block (rest, n, carry);
        if (end < n)
            return at + (gsize)end;
    }
    return carry->cr != 0 ? size - 1 : size;
}

gsize
relais_lines_ordinary_portable (const guint8 *bytes, gsize size, bool line_start)
{
    const gsize whole = size - size % RELAIS_BLOCK_BYTES;
    Carry carry = {0, line_start};
    const gsize end = end_in_blocks (bytes, whole, &carry);

    return end < whole ? end : end_in_rest (bytes, whole, size, &carry);
}

gsize
relais_lines_ordinary (const guint8 *bytes, gsize size, bool line_start)
{
#if defined(__x86_64__)
    if (G_LIKELY (__builtin_cpu_supports ("avx2"))) {
        const gsize whole = size - size % RELAIS_BLOCK_BYTES;
        Carry carry = {0, line_start};
        const gsize end = end_in_blocks_avx2 (bytes, whole, &carry);

        return end < whole ? end : end_in_rest (bytes, whole, size, &carry);
    }
#endif
    return relais_lines_ordinary_portable (bytes, size, line_start);
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
