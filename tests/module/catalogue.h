/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writes message catalogues (.mo) for tests. Any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#define CATALOGUE_HEAD "Content-Type: text/plain; charset=UTF-8\n"

/* Texts with their translations, NULL-terminated, in the order of the octets: {"", head, "a", "b", NULL}. */
typedef const char *const *CatalogueTexts;

static inline void
catalogue_put (GByteArray *to, guint32 value, bool swapped)
{
    value = swapped ? GUINT32_SWAP_LE_BE (value) : value;
    g_byte_array_append (to, (const guint8 *)&value, sizeof value);
}

static inline guint32
catalogue_n (CatalogueTexts texts)
{
    return g_strv_length ((char **)texts) / 2;
}

/* Both tables, then the strings, originals first. */
static inline GByteArray *
catalogue_build (CatalogueTexts texts, bool swapped)
{
    enum { HEAD = 28, ROW = 8 };
    GByteArray *to = g_byte_array_new ();
    const guint32 n = catalogue_n (texts);
    guint32 at = HEAD + 2 * ROW * n;

    catalogue_put (to, 0x950412de, swapped);
    catalogue_put (to, 0, swapped);
    catalogue_put (to, n, swapped);
    catalogue_put (to, HEAD, swapped);
    catalogue_put (to, HEAD + ROW * n, swapped);
    catalogue_put (to, 0, swapped);
    catalogue_put (to, 0, swapped);
    for (guint32 i = 0; i < 2 * n; i++) {
        const char *text = texts[i < n ? 2 * i : 2 * (i - n) + 1];

        catalogue_put (to, (guint32)strlen (text), swapped);
        catalogue_put (to, at, swapped);
        at += (guint32)strlen (text) + 1;
    }
    for (guint32 i = 0; i < 2 * n; i++) {
        const char *text = texts[i < n ? 2 * i : 2 * (i - n) + 1];

        g_byte_array_append (to, (const guint8 *)text, (guint)strlen (text) + 1);
    }
    return to;
}

/* DIR/LOCALE/LC_MESSAGES/DOMAIN.mo; its folders are made. */
static inline void
catalogue_write (const char *dir, const char *locale, const char *domain, const GByteArray *bytes)
{
    g_autofree char *folder = g_build_filename (dir, locale, "LC_MESSAGES", NULL);
    g_autofree char *file = g_strconcat (domain, ".mo", NULL);
    g_autofree char *path = g_build_filename (folder, file, NULL);
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
    g_file_set_contents (path, (const char *)bytes->data, bytes->len, &error);
    g_assert_no_error (error);
}
