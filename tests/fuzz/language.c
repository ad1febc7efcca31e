/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The language of a request (core/module/language.c). Properties: what is chosen is one of those there are; neither
 * blanks around a list, nor empty elements, nor the case of letters change it; what is behind the octets that are read
 * changes nothing; a language that is asked for by its own name in front, alone at full weight, is given unless it is
 * refused.
 *
 * Parsers: core/module/language.c.
 */
#include "config.h"

#include "fuzz.h"
#include "module/language-private.h"

static const char *const words[] = {
    "fr", "fr-CA",   "en", "de-", "pt-BR", ";q=0.5", ";q=0",   ";q=1.",    ";q=0.9", ", ",
    "*",  "zh-Hant", "\t", ",,",  "=",     "x-",     "-x-abc", "\xc3\xa9", NULL};
const FuzzTarget fuzz_target = {100000, words};

static const char *const tags[] = {"de", "en-GB", "fr", "pt-BR", "zh-Hant"};

static int
choose (const char *accept)
{
    const int chosen = relais_language_choose (accept, tags, G_N_ELEMENTS (tags));

    g_assert_cmpint (chosen, >=, -1);
    g_assert_cmpint (chosen, <, (int)G_N_ELEMENTS (tags));
    return chosen;
}

static void
check_same (const char *accept, int chosen)
{
    g_autofree char *upper = g_ascii_strup (accept, -1);
    g_autofree char *padded = g_strconcat (" ,", accept, NULL);
    g_autofree char *longer = NULL;

    g_assert_cmpint (choose (upper), ==, chosen);
    if (strlen (padded) <= RELAIS_ACCEPT_BYTES)
        g_assert_cmpint (choose (padded), ==, chosen);
    if (strlen (accept) <= RELAIS_ACCEPT_BYTES)
        return;
    longer = g_strconcat (accept, ",de,fr,pt-BR", NULL);
    g_assert_cmpint (choose (longer), ==, chosen);
}

static void
check_first (const char *accept)
{
    g_autofree char *wish = g_strconcat ("pt-BR,", accept, NULL);

    if (strstr (accept, "q=0") == NULL && strstr (accept, "Q=0") == NULL)
        g_assert_cmpint (choose (wish), ==, 3);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *accept = fuzz_string (bytes, size);

    check_same (accept, choose (accept));
    check_first (accept);
    return 0;
}
