/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signs messages with dkim.so through the harness, for other implementations to verify:
 *     sign MODULE-DIR CONFIG-FILE TENANT IN OUT [IN OUT]...
 * TENANT:own is mail that Relais wrote for the tenant, a report. Prints one line a message: the verdict's number, and
 * the text that came with it.
 */
#include <relais/test.h>

#include <stdio.h>
#include <stdlib.h>

static int
die (const char *what, const GError *error)
{
    fprintf (stderr, "sign: %s: %s\n", what, error->message);
    return EXIT_FAILURE;
}

static gboolean
sign_file (RelaisTest *test, const char *in, const char *out, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr (GBytes) sealed = NULL;
    g_autoptr (GByteArray) whole = g_byte_array_new ();
    RelaisVerdict verdict;
    gsize size;

    if (!g_file_get_contents (in, &text, &size, error))
        return FALSE;
    relais_test_set_message (test, (const guint8 *)text, size);
    verdict = relais_test_run (test, RELAIS_HOOK_SEAL);
    sealed = relais_test_get_sealed (test);
    g_byte_array_append (whole, g_bytes_get_data (sealed, NULL), (guint)g_bytes_get_size (sealed));
    g_byte_array_append (whole, (const guint8 *)text, (guint)size);
    printf ("%u %s\n", verdict,
            relais_test_get_reply_text (test) != NULL ? relais_test_get_reply_text (test) : "");
    return g_file_set_contents (out, (const char *)whole->data, (gssize)whole->len, error);
}

static void
set_origin (RelaisTest *test, const char *text)
{
    g_auto (GStrv) words = g_strsplit (text, ":", 2);

    relais_test_set_tenant (test, words[0] != NULL && words[0][0] != '\0' ? words[0] : NULL);
    if (words[0] != NULL && words[1] != NULL)
        relais_test_set_listener (test, NULL);
}

int
main (int argc, char **argv)
{
    static const char *const names[] = {"dkim", NULL};
    g_autoptr (RelaisTest) test = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *config = NULL;

    if (argc < 6 || argc % 2 != 0) {
        fputs ("usage: sign MODULE-DIR CONFIG-FILE TENANT IN OUT...\n", stderr);
        return EXIT_FAILURE;
    }
    if (!g_file_get_contents (argv[2], &config, NULL, &error))
        return die (argv[2], error);
    test = relais_test_new (argv[1]);
    set_origin (test, argv[3]);
    if (!relais_test_load (test, names, config, &error))
        return die ("load", error);
    for (int i = 4; i + 1 < argc; i += 2)
        if (!sign_file (test, argv[i], argv[i + 1], &error))
            return die (argv[i], error);
    return EXIT_SUCCESS;
}
