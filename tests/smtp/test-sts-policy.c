/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp, the texts of MTA-STS: records, policies, patterns, limits at their boundaries.
 */
#include "config.h"

#include "smtp/sts-policy-private.h"

#include <string.h>

static void
test_records (void)
{
    static const struct {
        const char *text, *id;
    } rows[] = {
        {"v=STSv1; id=20160831085700Z;", "20160831085700Z"},
        {"v=STSv1;id=a", "a"},
        {"v=STSv1; other=x; id = b ;", "b"},
        {"v=STSv1; id=12345678901234567890123456789012", "12345678901234567890123456789012"},
        {"v=STSv1; id=123456789012345678901234567890123", NULL},
        {"v=STSv1; id=", NULL},
        {"v=STSv1; id=a-b", NULL},
        {"v=STSv1; id=a; id=b", "a"},
        {"v=STSv1", NULL},
        {"v=STSv1;", NULL},
        {"v=STSv2; id=a", NULL},
        {" v=STSv1; id=a", NULL},
        {"v=stsv1; id=a", NULL},
        {"", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        gsize size = strlen (rows[i].text);
        g_autofree guint8 *exact = g_memdup2 (rows[i].text, size);
        g_autofree char *id = relais_sts_record_parse (exact, size);

        g_assert_cmpstr (id, ==, rows[i].id);
    }
}

static RelaisStsPolicy *
parse (const char *text, const char **problem)
{
    gsize size = strlen (text);
    g_autofree guint8 *exact = g_memdup2 (text, size);

    return relais_sts_policy_parse (exact, size, problem);
}

static void
test_policies (void)
{
    static const struct {
        const char *text, *lines; /* NULL: no policy */
    } rows[] = {
        {"version: STSv1\r\nmode: enforce\r\nmx: Mail.example.com\r\nmx: *.example.net\r\nmax_age: "
         "604800\r\n",
         "version: STSv1|mode: enforce|mx: mail.example.com|mx: *.example.net|max_age: 604800"},
        {"version: STSv1\nmode: testing\nmx: a.test\nmax_age: 0",
         "version: STSv1|mode: testing|mx: a.test|max_age: 0"},
        {"max_age:86400\n\nmode:none \nversion:\tSTSv1\n",
         "version: STSv1|mode: none|max_age: 86400"},
        /* the first of two counts; unknown fields are passed over */
        {"version: STSv1\nmode: none\nmode: enforce\nmax_age: 5\nmax_age: 6\nnew: thing",
         "version: STSv1|mode: none|max_age: 5"},
        {"version: STSv1\nmode: none\nmax_age: 31557600",
         "version: STSv1|mode: none|max_age: 31557600"},
        {"version: STSv1\nmode: none\nmax_age: 31557601",
         "version: STSv1|mode: none|max_age: 31557600"},
        {"version: STSv1\nmode: none\nmax_age: 9999999999",
         "version: STSv1|mode: none|max_age: 31557600"},
        {"version: STSv1\nmode: none\nmax_age: 99999999999", NULL},
        {"version: STSv1\nmode: none\nmax_age: -1", NULL},
        {"version: STSv1\nmode: none\nmax_age: ", NULL},
        {"version: STSv1\nmode: none", NULL},
        {"version: STSv2\nmode: none\nmax_age: 1", NULL},
        {"mode: none\nmax_age: 1", NULL},
        {"version: STSv1\nmax_age: 1", NULL},
        {"version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1", NULL},
        {"version: STSv1\nmode: enforce\nmax_age: 1", NULL},
        {"version: STSv1\nmode: testing\nmax_age: 1", NULL},
        {"version: STSv1\nmode: enforce\nmx: *\nmax_age: 1", NULL},
        {"version: STSv1\nmode: enforce\nmx: *.\nmax_age: 1", NULL},
        {"version: STSv1\nmode: enforce\nmx: a.*.test\nmax_age: 1", NULL},
        {"version: STSv1\nmode: enforce\nmx: a*.test\nmax_age: 1", NULL},
        {"version: STSv1\nmode: enforce\nmx: a..test\nmax_age: 1", NULL},
        {"version: STSv1\nmode: enforce\nmx: .test\nmax_age: 1", NULL},
        {"version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1", NULL},
        {"<html><body>404</body></html>", NULL},
        {"", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        const char *problem;
        g_autoptr (RelaisStsPolicy) policy = parse (rows[i].text, &problem);
        g_auto (GStrv) lines = NULL;
        g_autofree char *joined = NULL;

        g_assert_true ((policy == NULL) == (problem != NULL));
        if (policy != NULL) {
            lines = relais_sts_policy_to_lines (policy);
            joined = g_strjoinv ("|", lines);
        }
        g_assert_cmpstr (joined, ==, rows[i].lines);
    }
}

static void
test_limits (void)
{
    g_autoptr (GString) text = g_string_new ("version: STSv1\nmode: enforce\nmax_age: 1\n");
    const gsize head = text->len;
    const char *problem;
    RelaisStsPolicy *policy;

    for (int extra = 0; extra <= 1; extra++) {
        g_string_truncate (text, head);
        for (int i = 0; i < RELAIS_STS_PATTERNS + extra; i++)
            g_string_append_printf (text, "mx: m%d.test\n", i);
        policy = parse (text->str, &problem);
        g_assert_true ((policy != NULL) == (extra == 0));
        relais_sts_policy_unref (policy);
    }
    for (int extra = 0; extra <= 1; extra++) {
        g_string_truncate (text, head);
        g_string_append (text, "mx: a.test\nx:");
        while (text->len < RELAIS_STS_POLICY_BYTES + (gsize)extra)
            g_string_append_c (text, 'x');
        policy = parse (text->str, &problem);
        g_assert_true ((policy != NULL) == (extra == 0));
        relais_sts_policy_unref (policy);
    }
}

/* RFC 8461 section 4.1. */
static void
test_patterns (void)
{
    static const struct {
        const char *host;
        bool allowed;
    } rows[] = {
        {"mail.example.com", true},
        {"MAIL.example.COM.", true},
        {"a.mail.example.com", false},
        {"example.com", false},
        {"mx1.example.net", true},
        {"MX.EXAMPLE.NET", true},
        {"a.mx1.example.net", false},
        {"example.net", false},
        {".example.net", false},
        {"mx1.example.net.evil.test", false},
        {"xexample.net", false},
        {"", false},
        {"mail.example.com.evil.test", false},
    };
    const char *problem;
    g_autoptr (RelaisStsPolicy) policy =
        parse ("version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 1",
               &problem);

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
        g_assert_true (relais_sts_policy_allows (policy, rows[i].host) == rows[i].allowed);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/sts-policy/records", test_records);
    g_test_add_func ("/smtp/sts-policy/policies", test_policies);
    g_test_add_func ("/smtp/sts-policy/limits", test_limits);
    g_test_add_func ("/smtp/sts-policy/patterns", test_patterns);
    return g_test_run ();
}
