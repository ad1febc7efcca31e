/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: catalogues of both byte orders and broken ones, the language of a request, and what relais_translate ()
 * makes of both.
 */
#include "config.h"

#include "catalogue.h"
#include "module/catalogue-private.h"
#include "module/language-private.h"
#include "module/module-private.h"

#include <relais/translate.h>

#include <glib/gstdio.h>
#include <unistd.h>

static const char *const french[] = {"",
                                     CATALOGUE_HEAD,
                                     "Address",
                                     "Adresse",
                                     "Done",
                                     "C\xe2\x80\x99"
                                     "est fait",
                                     "Yes",
                                     "Oui",
                                     NULL};

/* --- Catalogues ------------------------------------------------------------------------------- */

static void
test_byte_orders (void)
{
    for (int swapped = 0; swapped < 2; swapped++) {
        g_autoptr (GByteArray) bytes = catalogue_build (french, swapped);
        RelaisCatalogue catalogue;

        g_assert_null (relais_catalogue_open (&catalogue, bytes->data, bytes->len));
        g_assert_cmpstr (relais_catalogue_find (&catalogue, "Address"), ==, "Adresse");
        g_assert_cmpstr (relais_catalogue_find (&catalogue, "Done"), ==, french[5]);
        g_assert_cmpstr (relais_catalogue_find (&catalogue, "Yes"), ==, "Oui");
        g_assert_cmpstr (relais_catalogue_find (&catalogue, ""), ==, CATALOGUE_HEAD);
        g_assert_null (relais_catalogue_find (&catalogue, "Addres"));
        g_assert_null (relais_catalogue_find (&catalogue, "Addressee"));
        g_assert_null (relais_catalogue_find (&catalogue, "Zebra"));
        g_assert_null (relais_catalogue_find (&catalogue, "!"));
    }
}

/* "one file" and "many files" are one entry with a NUL inside: neither is found. */
static void
test_plural (void)
{
    const char *const texts[] = {"", CATALOGUE_HEAD, "one file", "un fichier", NULL};
    g_autoptr (GByteArray) bytes = catalogue_build (texts, false);
    const gsize at =
        (gsize)((char *)memmem (bytes->data, bytes->len, "one file", 8) - (char *)bytes->data);
    RelaisCatalogue catalogue;

    bytes->data[at + 3] = '\0';
    g_assert_null (relais_catalogue_open (&catalogue, bytes->data, bytes->len));
    g_assert_null (relais_catalogue_find (&catalogue, "one"));
    g_assert_null (relais_catalogue_find (&catalogue, "file"));
}

/* A catalogue that is right but for four octets. */
static void
assert_broken (guint at, guint32 value, const char *why)
{
    g_autoptr (GByteArray) bytes = catalogue_build (french, false);
    RelaisCatalogue catalogue;

    memcpy (bytes->data + at, &value, sizeof value);
    g_assert_cmpstr (relais_catalogue_open (&catalogue, bytes->data, bytes->len), ==, why);
}

static void
test_broken (void)
{
    g_autoptr (GByteArray) whole = catalogue_build (french, false);
    const guint32 size = whole->len, originals = 28, translations = 28 + 4 * 8;

    assert_broken (0, 0x12345678, "it is no catalogue");
    assert_broken (4, 2u << 16, "its format is of a later revision");
    assert_broken (8, 0xffffffff, "a table lies outside of it");
    assert_broken (8, (size - originals) / 8 + 1, "a table lies outside of it");
    assert_broken (12, 0, "a table lies outside of it");
    assert_broken (12, size - 4 * 8 + 1, "a table lies outside of it");
    assert_broken (16, 0xfffffff8, "a table lies outside of it");
    assert_broken (originals + 8, 0xffffffff, "a text lies outside of it");
    assert_broken (originals + 12, size, "a text lies outside of it");
    assert_broken (translations + 28, size - 3, "a text lies outside of it"); /* one too far */
    assert_broken (translations + 24, 4, "a text lies outside of it");
    assert_broken (originals + 8, 2, "a text lies outside of it"); /* without a NUL */
}

/* Each shorter prefix is refused, too. */
static void
test_cut (void)
{
    g_autoptr (GByteArray) whole = catalogue_build (french, false);
    RelaisCatalogue catalogue;

    for (gsize size = 0; size < whole->len; size++) {
        g_autofree guint8 *bytes = g_memdup2 (whole->data, size);

        g_assert_nonnull (relais_catalogue_open (&catalogue, bytes, size));
    }
    g_assert_null (relais_catalogue_open (&catalogue, whole->data, whole->len));
}

static void
assert_refused (CatalogueTexts texts, const char *why)
{
    g_autoptr (GByteArray) bytes = catalogue_build (texts, false);
    RelaisCatalogue catalogue;

    g_assert_cmpstr (relais_catalogue_open (&catalogue, bytes->data, bytes->len), ==, why);
}

static void
test_texts (void)
{
    const char *const charset = "its charset is not UTF-8", *const order =
                                                                "its texts are not sorted";

    assert_refused ((const char *[]){"", CATALOGUE_HEAD, "b", "1", "a", "2", NULL}, order);
    assert_refused ((const char *[]){"", CATALOGUE_HEAD, "a", "1", "a", "2", NULL}, order);
    assert_refused ((const char *[]){"a", "1", NULL}, charset);
    assert_refused ((const char *[]){NULL}, charset);
    assert_refused ((const char *[]){"", "Content-Type: text/plain; charset=ISO-8859-1\n", NULL},
                    charset);
    assert_refused ((const char *[]){"", "X-Note: charset=UTF-8\n", NULL}, charset);
    assert_refused ((const char *[]){"", CATALOGUE_HEAD, "a", "\xe9", NULL}, charset);
    assert_refused ((const char *[]){"", "content-type: text/plain; CHARSET=utf-8 \n", NULL}, NULL);
}

/* A thousand rows that all name the same string would be a small file with a large content. */
static void
test_shared (void)
{
    g_autoptr (GByteArray) bytes = catalogue_build (french, false);
    const guint32 at = bytes->len - 4, size = 3; /* "Oui" */
    RelaisCatalogue catalogue;

    for (guint row = 0; row < 3; row++) {
        memcpy (bytes->data + 28 + (4 + 1 + row) * 8, &size, sizeof size);
        memcpy (bytes->data + 28 + (4 + 1 + row) * 8 + 4, &at, sizeof at);
    }
    g_assert_null (relais_catalogue_open (&catalogue, bytes->data, bytes->len));
    g_assert_cmpstr (relais_catalogue_find (&catalogue, "Address"), ==, "Oui");
    for (guint row = 0; row < 4; row++) {
        const guint32 most = bytes->len - 100, from = 99;

        memcpy (bytes->data + 28 + (4 + row) * 8, &most, sizeof most);
        memcpy (bytes->data + 28 + (4 + row) * 8 + 4, &from, sizeof from);
    }
    g_assert_cmpstr (relais_catalogue_open (&catalogue, bytes->data, bytes->len), ==,
                     "a text lies outside of it");
}

/* At the limit, and beyond it. */
static void
test_large (void)
{
    g_autoptr (GByteArray) bytes = catalogue_build (french, false);
    RelaisCatalogue catalogue;

    g_byte_array_set_size (bytes, RELAIS_CATALOGUE_BYTES + 1);
    g_assert_null (relais_catalogue_open (&catalogue, bytes->data, RELAIS_CATALOGUE_BYTES));
    g_assert_cmpstr (relais_catalogue_open (&catalogue, bytes->data, bytes->len), ==,
                     "it is too large");
}

/* --- Languages -------------------------------------------------------------------------------- */

static const char *const tags[] = {"de", "en-GB", "fr", "pt-BR", "zh-Hant"};

static void
assert_language (const char *accept, const char *wanted)
{
    const int chosen = relais_language_choose (accept, tags, G_N_ELEMENTS (tags));

    g_assert_cmpstr (chosen >= 0 ? tags[chosen] : "en", ==, wanted);
}

static void
test_languages (void)
{
    static const char *const table[][2] = {
        {NULL, "en"},
        {"", "en"},
        {"fr", "fr"},
        {"FR", "fr"},
        {"fr-CA", "fr"},
        {"fr-CA-x-mine", "fr"},
        {"pt-br", "pt-BR"},
        {"pt", "en"},    /* a range is never made longer */
        {"pt-PT", "en"}, /* and another country's is another language */
        {"zh-Hant-TW", "zh-Hant"},
        {"en-GB", "en-GB"},
        {"en-GB-oed", "en-GB"},
        {"en-US, fr", "en"}, /* English, which is the first wish */
        {"es, fr", "fr"},
        {"es", "en"},
        {"*", "en"},
        {"*, fr", "en"},
        {"fr, *", "fr"},
        {"*;q=0.1, fr", "fr"},
        {"de;q=0.5, fr;q=0.9", "fr"},
        {"de;q=0.501,fr;q=0.5", "de"},
        {"de , fr", "de"}, /* of equal ones the first */
        {"\tde ;\tq=0.4 , fr ; q=0.6", "fr"},
        {"de;Q=0.4, fr;Q=0.6", "fr"},
        {"fr;q=0", "en"},
        {"fr;q=0.000, de", "de"},
        {"fr-CA, fr;q=0", "en"}, /* refused stays refused */
        {"fr;q=1.000, de", "fr"},
        {",, ,fr,", "fr"},
        /* not well-formed, and passed over */
        {"fr;q=1.001, de;q=0.1", "de"},
        {"fr;q=2, de;q=0.1", "de"},
        {"fr;q=0.1234, de;q=0.1", "de"},
        {"fr;q=, de;q=0.1", "de"},
        {"fr;q, de;q=0.1", "de"},
        {"fr;level=1, de;q=0.1", "de"},
        {"fr;q=.5, de;q=0.1", "de"},
        {"fr q=1, de;q=0.1", "de"},
        {"fr_CA, de;q=0.1", "de"},
        {"-fr, de;q=0.1", "de"},
        {"fr-, de;q=0.1", "de"},
        {"fr--CA, de;q=0.1", "de"},
        {"f1, de;q=0.1", "de"},
        {"frfrfrfrf, de;q=0.1", "de"}, /* nine letters */
        {"fr-abcdefghi, de;q=0.1", "de"},
        {"fr\xc3\xa9, de;q=0.1", "de"},
        {"../../fr, de;q=0.1", "de"},
        {"*-CH, de;q=0.1", "de"},
        {";q=1, de", "de"},
        {"\r\nfr", "en"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
        assert_language (table[i][0], table[i][1]);
    g_assert_cmpint (relais_language_choose ("fr", NULL, 0), ==, -1);
}

/* Octets, ranges and tags at their limits. */
static void
test_language_limits (void)
{
    g_autoptr (GString) accept = g_string_new (NULL);
    char tag[RELAIS_LANGUAGE_TAG_BYTES + 2];

    while (accept->len < RELAIS_ACCEPT_BYTES - 3)
        g_string_append (accept, ",");
    g_string_append (accept, "fr,");
    g_assert_cmpuint (accept->len, ==, RELAIS_ACCEPT_BYTES);
    assert_language (accept->str, "fr");
    g_string_truncate (accept, accept->len - 1);
    assert_language (accept->str, "fr");
    g_string_append (accept, "-CA");
    assert_language (accept->str, "en"); /* nobody knows how it goes on */
    g_string_prepend (accept, "de,");
    assert_language (accept->str, "de");

    g_string_truncate (accept, 0);
    for (guint i = 1; i < RELAIS_LANGUAGE_RANGES; i++)
        g_string_append (accept, "es,");
    g_string_append (accept, "fr");
    assert_language (accept->str, "fr");
    g_string_prepend (accept, "es,");
    assert_language (accept->str, "en");

    g_strlcpy (tag, "fr-abcdefgh-abcdefgh-abcdefgh-abcde", sizeof tag);
    g_assert_cmpuint (strlen (tag), ==, RELAIS_LANGUAGE_TAG_BYTES);
    assert_language (tag, "fr");
    g_strlcat (tag, "f", sizeof tag);
    assert_language (tag, "en");
}

/* --- Together --------------------------------------------------------------------------------- */

static void
put (const char *dir, const char *locale, const char *domain, CatalogueTexts texts)
{
    g_autoptr (GByteArray) bytes = catalogue_build (texts, false);

    catalogue_write (dir, locale, domain, bytes);
}

static void
remove_tree (const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *below = g_build_filename (path, name, NULL);

        remove_tree (below);
    }
    if (dir != NULL)
        g_dir_close (dir);
    g_assert_cmpint (g_remove (path), ==, 0);
}

static void
test_translate (void)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-test-XXXXXX", NULL);
    const char *const brazilian[] = {"", CATALOGUE_HEAD, "Done", "", "Yes", "Sim", NULL};
    const char *yes;

    put (dir, "fr", "one", french);
    put (dir, "pt_BR", "one", brazilian);
    put (dir, "sr@latin", "one", french);
    put (dir, "de", "other", french);
    relais_translations_load (dir, "one");
    remove_tree (dir);
    relais_translations_load ("/nonexistent", "one"); /* once is enough */

    yes = relais_translate ("one", "fr", "Yes");
    g_assert_cmpstr (yes, ==, "Oui");
    g_assert_true (relais_translate ("one", "fr-BE, en;q=0.1", "Yes") == yes);
    g_assert_cmpstr (relais_translate_language ("one", "fr-BE"), ==, "fr");
    g_assert_cmpstr (relais_translate ("one", "pt-br,fr", "Yes"), ==, "Sim");
    g_assert_cmpstr (relais_translate_language ("one", "pt-br,fr"), ==, "pt-BR");
    /* a page is in one language but for what that lacks */
    g_assert_cmpstr (relais_translate ("one", "pt-br,fr", "Done"), ==, "Done");
    g_assert_cmpstr (relais_translate ("one", "pt-br,fr", "Address"), ==, "Address");
    g_assert_cmpstr (relais_translate ("one", "fr", ""), ==, "");
    g_assert_cmpstr (relais_translate ("one", "de", "Yes"), ==, "Yes");
    g_assert_cmpstr (relais_translate ("one", NULL, "Yes"), ==, "Yes");
    g_assert_cmpstr (relais_translate_language ("one", "de"), ==, "en");
    g_assert_cmpstr (relais_translate_language ("one", "sr"), ==, "en");
    g_assert_cmpstr (relais_translate ("nobody's", "fr", "Yes"), ==, "Yes");
    g_assert_cmpstr (relais_translate_language ("nobody's", "fr"), ==, "en");
}

/* What is of no use is told of, and the others are used. */
static void
test_useless (void)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-test-XXXXXX", NULL);
    g_autofree char *folder = g_build_filename (dir, "it", "LC_MESSAGES", "two.mo", NULL);
    g_autoptr (GByteArray) broken = g_byte_array_new ();
    g_autoptr (GByteArray) large = catalogue_build (french, false);

    g_byte_array_set_size (large, RELAIS_CATALOGUE_BYTES + 1);
    catalogue_write (dir, "de", "two", broken);
    catalogue_write (dir, "es", "two", large);
    put (dir, "fr", "two", french);
    g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
    g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, "*/de/LC_MESSAGES/two.mo*too short*");
    g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, "*/es/LC_MESSAGES/two.mo*too large*");
    g_test_expect_message ("relais", G_LOG_LEVEL_WARNING, "*/it/LC_MESSAGES/two.mo*no regular*");
    relais_translations_load (dir, "two");
    g_test_assert_expected_messages ();
    remove_tree (dir);
    g_assert_cmpstr (relais_translate ("two", "de,es,it,fr", "Yes"), ==, "Oui");
}

static gpointer
translate_often (gpointer data)
{
    for (int i = 0; i < 2000; i++) {
        const char *text = relais_translate ("three", "fr", "Yes");

        g_assert_true (g_str_equal (text, "Yes") || g_str_equal (text, "Oui"));
    }
    return NULL;
}

static void
test_threads (void)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-test-XXXXXX", NULL);
    GThread *threads[3];

    put (dir, "fr", "three", french);
    for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
        threads[i] = g_thread_new ("reads", translate_often, NULL);
    relais_translations_load (dir, "three");
    for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
        g_thread_join (threads[i]);
    g_assert_cmpstr (relais_translate ("three", "fr", "Yes"), ==, "Oui");
    remove_tree (dir);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/module/catalogue/byte-orders", test_byte_orders);
    g_test_add_func ("/module/catalogue/plural", test_plural);
    g_test_add_func ("/module/catalogue/broken", test_broken);
    g_test_add_func ("/module/catalogue/cut", test_cut);
    g_test_add_func ("/module/catalogue/texts", test_texts);
    g_test_add_func ("/module/catalogue/shared", test_shared);
    g_test_add_func ("/module/catalogue/large", test_large);
    g_test_add_func ("/module/language/table", test_languages);
    g_test_add_func ("/module/language/limits", test_language_limits);
    g_test_add_func ("/module/translate/texts", test_translate);
    g_test_add_func ("/module/translate/useless", test_useless);
    g_test_add_func ("/module/translate/threads", test_threads);
    return g_test_run ();
}
