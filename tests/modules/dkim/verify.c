/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Has dkim.so verify messages that come from outside, through the harness, for comparison with others:
 *     verify MODULE-DIR ZONE-FILE FILE...
 * A line of the zone is NAME, type and text with tabs between; the type FAIL makes a lookup fail. Prints a line a
 * message: lookups that it took, a tab, the results as Authentication-Results tells them.
 */
#include <relais/test.h>

#include <stdio.h>
#include <stdlib.h>

static int
die (const char *what, const GError *error)
{
    fprintf (stderr, "verify: %s: %s\n", what, error != NULL ? error->message : "not understood");
    return EXIT_FAILURE;
}

static gboolean
read_zone (RelaisTest *test, const char *text)
{
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        g_auto (GStrv) parts = g_strsplit (*line, "\t", 3);

        if (parts[0] == NULL)
            continue;
        if (g_strv_length (parts) != 3)
            return FALSE;
        if (g_str_equal (parts[1], "FAIL"))
            relais_test_fail_lookup (test, parts[0], parts[2]);
        else if (!relais_test_add_record (test, parts[0], parts[1], parts[2]))
            return FALSE;
    }
    return TRUE;
}

static gboolean
verify_file (RelaisTest *test, const char *path, GError **error)
{
    g_autofree char *text = NULL, *results = NULL;
    guint32 before = relais_test_n_lookups (test);
    gsize size;

    if (!g_file_get_contents (path, &text, &size, error))
        return FALSE;
    relais_test_set_client (test, "192.0.2.1", "client.example");
    relais_test_set_message (test, (const guint8 *)text, size);
    relais_test_run (test, RELAIS_HOOK_MESSAGE);
    results = relais_test_get_auth_results (test);
    printf ("%u\t%s\n", relais_test_n_lookups (test) - before, results != NULL ? results : "");
    return TRUE;
}

int
main (int argc, char **argv)
{
    static const char *const names[] = {"dkim", NULL};
    g_autoptr (RelaisTest) test = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *zone = NULL;

    if (argc < 4) {
        fputs ("usage: verify MODULE-DIR ZONE-FILE FILE...\n", stderr);
        return EXIT_FAILURE;
    }
    if (!g_file_get_contents (argv[2], &zone, NULL, &error))
        return die (argv[2], error);
    test = relais_test_new (argv[1]);
    if (!relais_test_load (test, names, "[module dkim]\nenable = yes\n", &error))
        return die ("load", error);
    if (!read_zone (test, zone))
        return die (argv[2], NULL);
    for (int i = 3; i < argc; i++)
        if (!verify_file (test, argv[i], &error))
            return die (argv[i], error);
    return EXIT_SUCCESS;
}
