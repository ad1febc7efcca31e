/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DMARC records and the walk to them (modules/dmarc). Properties: what follows the version does not decide whether it
 * is a record; case of the values does not matter; a walk through any name asks at most DMARC_WALK_QUERIES times, each
 * time for an end of the name, and its organisation is one; test mode never makes a policy harder.
 *
 * Parsers: modules/dmarc/policy.c, modules/dmarc/record.c, modules/dmarc/walk.c.
 */
#include "config.h"

#include "dmarc.h"
#include "fuzz.h"

static const char *const words[] = {"v=DMARC1", ";",           "p=",      "sp=",    "np=",
                                    "reject",   "quarantine",  "none",    "psd=y",  "psd=n",
                                    "t=y",      "rua=mailto:", "adkim=s", "aspf=r", ".",
                                    "a.b.c.",   "example",     NULL};
const FuzzTarget fuzz_target = {4000, words};

/* Labels out of any octets: never empty, never ended by a dot. */
static char *
name_from (const guint8 *bytes, gsize size)
{
    GString *name = g_string_new ("a");

    for (gsize i = 0; i < size; i++) {
        const char c = (char)bytes[i];

        if (c == '.' && name->str[name->len - 1] != '.')
            g_string_append_c (name, '.');
        else if (g_ascii_isalnum (c))
            g_string_append_c (name, g_ascii_tolower (c));
    }
    if (name->str[name->len - 1] == '.')
        g_string_append_c (name, 'z');
    return g_string_free (name, FALSE);
}

static void
check_walk (const guint8 *bytes, gsize size, const DmarcRecord *record)
{
    g_autofree char *start = name_from (bytes, size);
    FuzzRandom random = fuzz_random_from (bytes, size);
    DmarcWalk walk;
    guint asked = 0;
    char *name;

    dmarc_walk_init (&walk, start);
    while ((name = dmarc_walk_next (&walk)) != NULL) {
        g_assert_true (g_str_has_prefix (name, "_dmarc.") && g_str_has_suffix (start, name + 7));
        g_free (name);
        g_assert_cmpuint (++asked, <=, DMARC_WALK_QUERIES);
        dmarc_walk_take (&walk, fuzz_random_below (&random, 4) > 0 ? record : NULL);
    }
    g_assert_true (g_str_has_suffix (start, dmarc_walk_organisation (&walk)));
    g_assert_cmpint (dmarc_walk_policy (&walk) != NULL, ==, walk.n_found > 0);
    if (walk.n_found > 0) {
        DmarcFound found = *dmarc_walk_policy (&walk);
        const DmarcPolicy tested = dmarc_policy_wanted (&found, start, true);

        found.record.testing = false;
        g_assert_cmpint (tested, <=, dmarc_policy_wanted (&found, start, true));
        g_assert_nonnull (dmarc_policy_to_string (dmarc_policy_wanted (&found, start, false)));
        if (!dmarc_policy_needs_existence (&found, start))
            g_assert_cmpint (dmarc_policy_wanted (&found, start, true), ==,
                             dmarc_policy_wanted (&found, start, false));
    }
    dmarc_walk_clear (&walk);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *upper = g_malloc (size + 1);
    g_autofree char *version = g_malloc (size + 10);
    DmarcRecord record, other;

    memcpy (version, "v=DMARC1;", 9);
    memcpy (version + 9, bytes, size);
    g_assert_true (dmarc_record_parse (version, size + 9, &record));
    memcpy (upper, version + 9, size);
    for (gsize i = 0; i < size; i++)
        version[9 + i] = g_ascii_toupper (upper[i]);
    g_assert_true (dmarc_record_parse (version, size + 9, &other));
    g_assert_cmpint (record.p, ==, other.p);
    g_assert_cmpint (record.psd, ==, other.psd);
    dmarc_record_parse ((const char *)bytes, size, &other);
    check_walk (bytes, size, &record);
    return 0;
}
