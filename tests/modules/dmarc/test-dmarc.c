/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * modules/dmarc: what a record says, the walk up the DNS with its limit, and which policy is meant.
 */
#include "dmarc.h"

#include <string.h>

static DmarcRecord
parse (const char *text)
{
    g_autofree char *copy = g_memdup2 (text, strlen (text));
    DmarcRecord record;

    g_assert_true (dmarc_record_parse (copy, strlen (text), &record));
    return record;
}

static void
test_record (void)
{
    static const char *const foreign[] = {
        "",  "v=DMARC1x; p=none", "v=dmarc1; p=none", " p=none; v=DMARC1", "v=spf1 -all",
        "v", "V=DMARC1; p=none",  "DMARC1; p=none"};
    DmarcRecord record =
        parse ("v=DMARC1; p=reject; sp=Quarantine; np=none; adkim=s; aspf=S; t=y; psd=n;"
               " rua=mailto:a@example.org; fo=1; x");

    g_assert_cmpint (record.p, ==, DMARC_REJECT);
    g_assert_cmpint (record.sp, ==, DMARC_QUARANTINE);
    g_assert_cmpint (record.np, ==, DMARC_NONE);
    g_assert_true (record.strict_dkim && record.strict_spf && record.testing && record.has_rua);
    g_assert_cmpint (record.psd, ==, 'n');
    record = parse (" v = DMARC1 ;p=maybe;rua=nobody");
    g_assert_cmpint (record.p, ==, DMARC_INVALID);
    g_assert_cmpint (record.sp, ==, DMARC_UNSET);
    g_assert_false (record.strict_dkim || record.strict_spf || record.testing || record.has_rua);
    g_assert_cmpint (record.psd, ==, 'u');
    g_assert_cmpint (parse ("v=DMARC1").p, ==, DMARC_UNSET);
    for (guint i = 0; i < G_N_ELEMENTS (foreign); i++) {
        g_autofree char *copy = g_memdup2 (foreign[i], strlen (foreign[i]));

        g_assert_false (dmarc_record_parse (copy, strlen (foreign[i]), &record));
    }
}

/* Walks from `start` through a zone of "NAME RECORD" pairs; the names asked for, joined. */
static char *
walk_through (DmarcWalk *walk, const char *start, const char *const *zone)
{
    GString *asked = g_string_new (NULL);
    char *name;

    dmarc_walk_init (walk, start);
    while ((name = dmarc_walk_next (walk)) != NULL) {
        DmarcRecord record;
        bool found = false;

        g_string_append_printf (asked, "%s ", name + strlen ("_dmarc."));
        for (const char *const *entry = zone; !found && entry[0] != NULL; entry += 2)
            if (g_str_equal (entry[0], name + strlen ("_dmarc.")))
                found = dmarc_record_parse (entry[1], strlen (entry[1]), &record);
        dmarc_walk_take (walk, found ? &record : NULL);
        g_free (name);
    }
    return g_string_free (asked, FALSE);
}

static void
test_walk (void)
{
    static const struct {
        const char *start;
        const char *zone[9];
        const char *asked, *organisation, *policy;
    } cases[] = {
        {"a.example.org", {NULL}, "a.example.org example.org org ", "a.example.org", NULL},
        {"org", {NULL}, "org ", "org", NULL},
        {"a.b.example.org",
         {"example.org", "v=DMARC1; p=none"},
         "a.b.example.org b.example.org example.org org ",
         "example.org",
         "example.org"},
        {"a.b.example.org",
         {"example.org", "v=DMARC1; p=none", "a.b.example.org", "v=DMARC1; p=reject"},
         "a.b.example.org b.example.org example.org org ",
         "example.org",
         "a.b.example.org"},
        /* psd=n ends the walk: an organisation of its own */
        {"a.b.example.org",
         {"example.org", "v=DMARC1; p=none", "b.example.org", "v=DMARC1; p=reject; psd=n"},
         "a.b.example.org b.example.org ",
         "b.example.org",
         "b.example.org"},
        /* a public suffix: the organisation is one label below */
        {"a.example.bank",
         {"bank", "v=DMARC1; p=reject; psd=y"},
         "a.example.bank example.bank bank ",
         "example.bank",
         "bank"},
        {"a.example.bank",
         {"bank", "v=DMARC1; p=reject; psd=y", "example.bank", "v=DMARC1; p=none"},
         "a.example.bank example.bank bank ",
         "example.bank",
         "example.bank"},
        {"bank", {"bank", "v=DMARC1; p=reject; psd=y"}, "bank ", "bank", "bank"},
        /* long names: the start, then seven labels and fewer */
        {"a.b.c.d.e.f.g.h.i.j.example.org",
         {"example.org", "v=DMARC1; p=none"},
         "a.b.c.d.e.f.g.h.i.j.example.org f.g.h.i.j.example.org g.h.i.j.example.org "
         "h.i.j.example.org i.j.example.org j.example.org example.org org ",
         "example.org",
         "example.org"},
        {"a.b.c.d.e.f.g.h",
         {NULL},
         "a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h ",
         "a.b.c.d.e.f.g.h",
         NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        DmarcWalk walk;
        g_autofree char *asked = walk_through (&walk, cases[i].start, cases[i].zone);
        const DmarcFound *policy = dmarc_walk_policy (&walk);

        g_test_message ("%s", cases[i].start);
        g_assert_cmpstr (asked, ==, cases[i].asked);
        g_assert_cmpstr (dmarc_walk_organisation (&walk), ==, cases[i].organisation);
        g_assert_cmpstr (policy != NULL ? policy->domain : NULL, ==, cases[i].policy);
        dmarc_walk_clear (&walk);
    }
}

static void
test_policy (void)
{
    static const struct {
        const char *record, *at;
        bool exists;
        DmarcPolicy wanted;
    } cases[] = {
        {"v=DMARC1; p=reject", "a.example.org", true, DMARC_REJECT},
        {"v=DMARC1; p=reject; sp=none", "a.example.org", true, DMARC_REJECT},
        {"v=DMARC1; p=reject; sp=none", "example.org", true, DMARC_NONE},
        {"v=DMARC1; p=none; sp=quarantine", "example.org", false, DMARC_QUARANTINE},
        {"v=DMARC1; p=none; np=reject", "example.org", false, DMARC_REJECT},
        {"v=DMARC1; p=none; np=reject", "example.org", true, DMARC_NONE},
        {"v=DMARC1; p=none; np=reject", "a.example.org", false, DMARC_NONE},
        {"v=DMARC1; p=reject; t=y", "a.example.org", true, DMARC_QUARANTINE},
        {"v=DMARC1; p=quarantine; t=y", "a.example.org", true, DMARC_NONE},
        {"v=DMARC1; p=none; t=y", "a.example.org", true, DMARC_NONE},
        {"v=DMARC1", "a.example.org", true, DMARC_UNSET},
        {"v=DMARC1; rua=mailto:x@y.example", "a.example.org", true, DMARC_NONE},
        {"v=DMARC1; p=reject; sp=maybe", "a.example.org", true, DMARC_UNSET},
        {"v=DMARC1; p=reject; sp=maybe; rua=mailto:x@y.example", "a.example.org", true, DMARC_NONE},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const DmarcFound found = {(char *)cases[i].at, parse (cases[i].record)};

        g_test_message ("%s at %s", cases[i].record, cases[i].at);
        g_assert_cmpint (dmarc_policy_wanted (&found, "a.example.org", cases[i].exists), ==,
                         cases[i].wanted);
        /* Nobody is asked whether the domain exists where it makes no difference. */
        if (!dmarc_policy_needs_existence (&found, "a.example.org"))
            g_assert_cmpint (dmarc_policy_wanted (&found, "a.example.org", true), ==,
                             dmarc_policy_wanted (&found, "a.example.org", false));
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/dmarc/record", test_record);
    g_test_add_func ("/dmarc/walk", test_walk);
    g_test_add_func ("/dmarc/policy", test_policy);
    return g_test_run ();
}
