/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Canonicalisation of the dkim module (modules/dkim/canon.c). Properties: a body's form does not
 * depend on where it is cut, is its own canonical form and ends in one CRLF; relaxed, no blank stands
 * at a line's end nor beside another; a field's relaxed form is its own, too, in one line.
 *
 * Parsers: modules/dkim/canon.c.
 */
#include "config.h"

#include "dkim.h"
#include "fuzz.h"

static const char *const words[] = {" \r\n", "\r\n\r\n", "\t ",  "\r\n ", ":",
                                    " :",    "\r",       "\r\n", NULL};
const FuzzTarget fuzz_target = {50000, words};

static void
append (gpointer data, const guint8 *bytes, gsize size)
{
    g_byte_array_append (data, bytes, (guint)size);
}

static GByteArray *
canon_body (const guint8 *bytes, gsize size, DkimCanon canon, guint way)
{
    GByteArray *out = g_byte_array_new ();
    FuzzRandom random = fuzz_random_from (bytes, size);
    g_autofree DkimBody *body = g_new (DkimBody, 1);

    dkim_body_init (body, canon, append, out);
    for (gsize at = 0, n; at < size; at += n) {
        n = fuzz_next_piece (&random, way, size - at);
        dkim_body_feed (body, bytes + at, n);
    }
    dkim_body_end (body);
    return out;
}

static void
check_body (const guint8 *bytes, gsize size, DkimCanon canon)
{
    g_autoptr (GByteArray) whole = canon_body (bytes, size, canon, 0);
    g_autoptr (GByteArray) twice = canon_body (whole->data, whole->len, canon, 0);

    fuzz_assert_same (whole->data, whole->len, twice->data, twice->len);
    for (guint way = 1; way < 3; way++) {
        g_autoptr (GByteArray) other = canon_body (bytes, size, canon, way);

        fuzz_assert_same (whole->data, whole->len, other->data, other->len);
    }
    g_assert_true (whole->len == 0 || memcmp (whole->data + whole->len - 2, "\r\n", 2) == 0);
    g_assert_true (whole->len < 4 || memcmp (whole->data + whole->len - 4, "\r\n\r\n", 4) != 0);
    for (guint i = 0; canon == DKIM_RELAXED && i + 1 < whole->len; i++) {
        g_assert_cmpint (whole->data[i], !=, '\t');
        if (whole->data[i] == ' ')
            g_assert_true (whole->data[i + 1] != ' ' &&
                           memcmp (whole->data + i + 1, "\r\n", MIN (2, whole->len - i - 1)) != 0);
    }
}

static void
check_field (const char *field, gsize size)
{
    g_autoptr (GString) once = g_string_new (NULL), twice = g_string_new (NULL);
    g_autoptr (GString) simple = g_string_new (NULL);

    dkim_canon_field (simple, DKIM_SIMPLE, field, size);
    fuzz_assert_same (simple->str, simple->len, field, size);
    if (memchr (field, ':', size) == NULL)
        return;
    dkim_canon_field (once, DKIM_RELAXED, field, size);
    dkim_canon_field (twice, DKIM_RELAXED, once->str, once->len);
    fuzz_assert_same (once->str, once->len, twice->str, twice->len);
    g_assert_true (g_str_has_suffix (once->str, "\r\n") ||
                   memchr (once->str, 0, once->len) != NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    check_body (bytes, size, DKIM_SIMPLE);
    check_body (bytes, size, DKIM_RELAXED);
    check_field ((const char *)bytes, size);
    return 0;
}
