/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads a catalogue: a head of seven numbers, then two tables of (size, offset), of the originals in the order of their
 * octets and of their translations. Pure; any thread.
 */
#include "config.h"

#include "module/catalogue-private.h"

#include <string.h>

enum { MAGIC_BYTES = 4, HEAD_BYTES = 28, ROW_BYTES = 8, AT_REVISION = 4, AT_N = 8 };
enum { AT_ORIGINALS = 12, AT_TRANSLATIONS = 16 };

typedef struct {
    const char *text; /* with a NUL behind it */
    guint32 size;
} String;

/* --- Numbers and strings ---------------------------------------------------------------------- */

static guint32
number (const RelaisCatalogue *catalogue, guint32 at)
{
    guint32 value;

    memcpy (&value, catalogue->bytes + at, sizeof value);
    return catalogue->swapped ? GUINT32_SWAP_LE_BE (value) : value;
}

/* Of a table that was checked. */
static String
nth (const RelaisCatalogue *catalogue, guint32 table, guint32 n)
{
    const guint32 row = table + n * ROW_BYTES;

    return (String){(const char *)catalogue->bytes + number (catalogue, row + 4),
                    number (catalogue, row)};
}

static int
compare (String a, String b)
{
    const int order = memcmp (a.text, b.text, MIN (a.size, b.size));

    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static bool
is_table (const RelaisCatalogue *catalogue, guint32 at)
{
    return at >= HEAD_BYTES && at <= catalogue->size &&
           (catalogue->size - at) / ROW_BYTES >= catalogue->n;
}

/* Whether all strings of a table lie inside, and end. No two share octets, or a small file could have no end:
 * `*left` is what they have for themselves. */
static bool
is_bounded (const RelaisCatalogue *catalogue, guint32 table, gsize *left)
{
    for (guint32 i = 0; i < catalogue->n; i++) {
        const guint32 size = number (catalogue, table + i * ROW_BYTES);
        const guint32 at = number (catalogue, table + i * ROW_BYTES + 4);

        if (at >= catalogue->size || size >= catalogue->size - at || size >= *left ||
            catalogue->bytes[at + size] != '\0')
            return false;
        *left -= size + 1;
    }
    return true;
}

static bool
is_sorted (const RelaisCatalogue *catalogue)
{
    for (guint32 i = 1; i < catalogue->n; i++)
        if (compare (nth (catalogue, catalogue->originals, i - 1),
                     nth (catalogue, catalogue->originals, i)) >= 0)
            return false;
    return true;
}

static bool
is_utf8 (const RelaisCatalogue *catalogue)
{
    for (guint32 i = 0; i < catalogue->n; i++) {
        const String translation = nth (catalogue, catalogue->translations, i);

        /* the first NUL parts plural forms */
        if (!g_utf8_validate (translation.text, -1, NULL))
            return false;
    }
    return true;
}

/* The translation of the empty text is a header block. */
static bool
names_utf8 (const RelaisCatalogue *catalogue)
{
    const String first = catalogue->n > 0 ? nth (catalogue, catalogue->originals, 0) : (String){0};
    g_auto (GStrv) lines = NULL;

    if (catalogue->n == 0 || first.size != 0)
        return false;
    lines = g_strsplit (nth (catalogue, catalogue->translations, 0).text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_autofree char *folded = g_ascii_strdown (*line, -1);
        char *charset =
            g_str_has_prefix (folded, "content-type:") ? strstr (folded, "charset=") : NULL;

        if (charset != NULL)
            return g_str_equal (g_strchomp (charset + strlen ("charset=")), "utf-8");
    }
    return false;
}

static const char *
read_head (RelaisCatalogue *catalogue)
{
    static const guint8 little[MAGIC_BYTES] = {0xde, 0x12, 0x04, 0x95};
    static const guint8 big[MAGIC_BYTES] = {0x95, 0x04, 0x12, 0xde};

    if (catalogue->size < HEAD_BYTES)
        return "it is too short";
    if (catalogue->size > RELAIS_CATALOGUE_BYTES)
        return "it is too large";
    if (memcmp (catalogue->bytes, little, MAGIC_BYTES) == 0)
        catalogue->swapped = G_BYTE_ORDER == G_BIG_ENDIAN;
    else if (memcmp (catalogue->bytes, big, MAGIC_BYTES) == 0)
        catalogue->swapped = G_BYTE_ORDER == G_LITTLE_ENDIAN;
    else
        return "it is no catalogue";
    if (number (catalogue, AT_REVISION) >> 16 > 1)
        return "its format is of a later revision";
    catalogue->n = number (catalogue, AT_N);
    catalogue->originals = number (catalogue, AT_ORIGINALS);
    catalogue->translations = number (catalogue, AT_TRANSLATIONS);
    return NULL;
}

const char *
relais_catalogue_open (RelaisCatalogue *catalogue, const guint8 *bytes, gsize size)
{
    const char *why;
    gsize left = size;

    *catalogue = (RelaisCatalogue){.bytes = bytes, .size = size};
    why = read_head (catalogue);
    if (why != NULL)
        return why;
    if (!is_table (catalogue, catalogue->originals) ||
        !is_table (catalogue, catalogue->translations))
        return "a table lies outside of it";
    if (!is_bounded (catalogue, catalogue->originals, &left) ||
        !is_bounded (catalogue, catalogue->translations, &left))
        return "a text lies outside of it";
    if (!is_sorted (catalogue))
        return "its texts are not sorted";
    if (!names_utf8 (catalogue) || !is_utf8 (catalogue))
        return "its charset is not UTF-8";
    return NULL;
}

/* --- Looking up ------------------------------------------------------------------------------- */

const char *
relais_catalogue_find (const RelaisCatalogue *catalogue, const char *text)
{
    const String wanted = {text, (guint32)MIN (strlen (text), RELAIS_CATALOGUE_BYTES)};
    guint32 from = 0, to = catalogue->n;

    while (from < to) {
        const guint32 middle = from + (to - from) / 2;
        const int order = compare (wanted, nth (catalogue, catalogue->originals, middle));

        if (order == 0)
            return nth (catalogue, catalogue->translations, middle).text;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}
