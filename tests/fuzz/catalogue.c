/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Message catalogues (core/module/catalogue.c). Properties: what is opened is inside its octets, with or without its
 * hash table; each of its texts without a NUL is found, with a translation in UTF-8; a text that is not in it is not;
 * with all numbers in the other byte order it is the same catalogue.
 *
 * Parsers: core/module/catalogue.c.
 */
#include "config.h"

#include "fuzz.h"
#include "module/catalogue-private.h"

static const char *const words[] = {"\xde\x12\x04\x95",
                                    "\x95\x04\x12\xde",
                                    "Content-Type: ",
                                    "charset=UTF-8\n",
                                    "\xc3\xa9",
                                    "fr",
                                    "\x1c",
                                    "\x01",
                                    NULL};
const FuzzTarget fuzz_target = {100000, words};

static guint32
number (const RelaisCatalogue *catalogue, gsize at)
{
    guint32 value;

    memcpy (&value, catalogue->bytes + at, sizeof value);
    return catalogue->swapped ? GUINT32_SWAP_LE_BE (value) : value;
}

static void
check_texts (const RelaisCatalogue *catalogue)
{
    for (guint32 i = 0; i < catalogue->n; i++) {
        const guint32 size = number (catalogue, catalogue->originals + i * 8);
        const char *text =
            (const char *)catalogue->bytes + number (catalogue, catalogue->originals + i * 8 + 4);
        const char *found = relais_catalogue_find (catalogue, text);

        if (strlen (text) < size) /* a plural's */
            continue;
        g_assert_nonnull (found);
        g_assert_true ((const guint8 *)found >= catalogue->bytes &&
                       (const guint8 *)found + strlen (found) < catalogue->bytes + catalogue->size);
        g_assert_true (g_utf8_validate (found, -1, NULL));
    }
    g_assert_null (relais_catalogue_find (catalogue, "\x01 not in any catalogue \xff"));
}

static void
swap (guint8 *at)
{
    guint32 value;

    memcpy (&value, at, sizeof value);
    value = GUINT32_SWAP_LE_BE (value);
    memcpy (at, &value, sizeof value);
}

/* The tables lie apart in what is swapped, or a number would be swapped twice. */
static void
check_swapped (const RelaisCatalogue *catalogue)
{
    const guint64 a = catalogue->originals, b = catalogue->translations, size = catalogue->n * 8ull;
    guint8 *bytes;
    RelaisCatalogue other;

    if (MAX (a, b) < MIN (a, b) + size)
        return;
    bytes = fuzz_exact (catalogue->bytes, catalogue->size);
    for (gsize at = 0; at < 28; at += 4)
        swap (bytes + at);
    for (gsize at = 0; at < size; at += 4) {
        swap (bytes + a + at);
        swap (bytes + b + at);
    }
    /* unless a text lies in a table, whose octets are others now */
    if (relais_catalogue_open (&other, bytes, catalogue->size) == NULL) {
        g_assert_cmpuint (other.n, ==, catalogue->n);
        g_assert_true (other.swapped != catalogue->swapped);
        check_texts (&other);
    }
    free (bytes);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    guint8 *exact = fuzz_exact (bytes, size);
    RelaisCatalogue catalogue;

    if (relais_catalogue_open (&catalogue, exact, size) == NULL) {
        check_texts (&catalogue);
        check_swapped (&catalogue);
    }
    free (exact);
    return 0;
}
