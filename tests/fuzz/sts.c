/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The texts of MTA-STS (core/smtp/sts-policy.c). Properties: an id is 1 to 32 letters and digits; a policy, written
 * out, is read as the same policy; each of its patterns allows itself (with a label for the star) and nothing allows a
 * host of one label more.
 *
 * Parsers: core/smtp/sts-policy.c.
 */
#include "config.h"

#include "fuzz.h"
#include "smtp/sts-policy-private.h"

static const char *const words[] = {"v=STSv1;",
                                    "id=",
                                    "20160831085700Z",
                                    ";",
                                    "version: STSv1\r\n",
                                    "mode: enforce\n",
                                    "mode: ",
                                    "testing",
                                    "none",
                                    "mx: ",
                                    "*.",
                                    "mail.example.org",
                                    "max_age:",
                                    "604800",
                                    "31557601",
                                    "\r\n",
                                    "\n",
                                    NULL};
const FuzzTarget fuzz_target = {70000, words};

static void
check_patterns (const RelaisStsPolicy *policy)
{
    for (char **mx = policy->mx; *mx != NULL; mx++) {
        const bool star = g_str_has_prefix (*mx, "*.");
        g_autofree char *host = star ? g_strconcat ("a", *mx + 1, ".", NULL) : g_strdup (*mx);
        g_autofree char *longer = g_strconcat ("b.", host, NULL);

        g_assert_true (relais_sts_policy_allows (policy, host));
        if (policy->mx[1] == NULL)
            g_assert_false (relais_sts_policy_allows (policy, longer));
    }
}

static void
check_policy (const guint8 *bytes, gsize size)
{
    const char *problem;
    g_autoptr (RelaisStsPolicy) policy = relais_sts_policy_parse (bytes, size, &problem);
    g_autoptr (RelaisStsPolicy) again = NULL;
    g_auto (GStrv) lines = NULL, other_lines = NULL;
    g_autofree char *text = NULL;

    g_assert_true ((policy == NULL) == (problem != NULL));
    if (policy == NULL)
        return;
    g_assert_cmpuint (size, <=, RELAIS_STS_POLICY_BYTES);
    g_assert_cmpuint (policy->max_age_s, <=, RELAIS_STS_MAX_AGE_S);
    g_assert_cmpuint (g_strv_length (policy->mx), <=, RELAIS_STS_PATTERNS);
    g_assert_true (policy->mode == RELAIS_STS_MODE_NONE || policy->mx[0] != NULL);
    check_patterns (policy);
    lines = relais_sts_policy_to_lines (policy);
    text = g_strjoinv ("\r\n", lines);
    again = relais_sts_policy_parse ((const guint8 *)text, strlen (text), &problem);
    g_assert_nonnull (again);
    other_lines = relais_sts_policy_to_lines (again);
    g_assert_true (g_strv_equal ((const char *const *)lines, (const char *const *)other_lines));
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *id = relais_sts_record_parse (bytes, size);

    if (id != NULL) {
        g_assert_true (relais_sts_record_is_meant (bytes, size));
        g_assert_cmpuint (strlen (id), <=, RELAIS_STS_ID_BYTES);
        for (const char *c = id; *c != '\0'; c++)
            g_assert_true (g_ascii_isalnum (*c));
    }
    check_policy (bytes, size);
    return 0;
}
