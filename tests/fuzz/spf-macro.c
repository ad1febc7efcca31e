/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Macros of SPF (modules/spf-check/macro.c). Properties: what may stand in a domain may stand in a modifier, and
 * what may stand there may be explained; what is well-formed expands, within bounds; without a macro it expands
 * to itself.
 *
 * Parsers: modules/spf-check/macro.c, modules/spf-check/name.c.
 */
#include "config.h"

#include "fuzz.h"
#include "spf.h"

static const char *const words[] = {
    "%{s}", "%{l}",    "%{o}",  "%{d}",   "%{i}", "%{p}",   "%{v}",
    "%{h}", "%{c}",    "%{r}",  "%{t}",   "%%",   "%_",     "%-",
    "%{D}", "%{d2r.}", "%{l-}", "%{S+,}", "%{",   "%{d0}",  "%{d99999999999}",
    ".com", ".a-b.",   "}",     "r",      "/_=",  ".xn--x", NULL};
const FuzzTarget fuzz_target = {50000, words};

static char *
expand (const char *text, SpfMacroUse use, bool six)
{
    SpfIp ip;
    const SpfMacroValues values = {"a-b+c@d.example.test",
                                   "a-b+c",
                                   "d.example.test",
                                   "e.test",
                                   "h.test",
                                   "unknown",
                                   "p.test",
                                   &ip,
                                   1234567890};

    spf_ip_parse (six ? "2001:db8::1" : "192.0.2.1", &ip);
    return spf_macro_expand (text, use, &values);
}

static void
check_domain (const char *text, bool plain)
{
    for (guint six = 0; six < 2; six++) {
        g_autofree char *name = expand (text, SPF_MACRO_DOMAIN, six);

        g_assert_nonnull (name);
        if (plain && strlen (text) <= SPF_NAME_BYTES)
            g_assert_true (strncmp (name, text, strlen (name)) == 0 &&
                           strlen (text) - strlen (name) <= 1);
        if (strlen (name) > SPF_NAME_BYTES)
            g_assert_null (strchr (name, '.'));
    }
}

static void
check_explanation (const char *text, bool plain)
{
    g_autofree char *shown = expand (text, SPF_MACRO_EXPLANATION, false);

    if (plain)
        g_assert_cmpstr (shown, ==, strlen (text) <= SPF_EXPLANATION_BYTES ? text : NULL);
    if (shown == NULL)
        return;
    g_assert_cmpuint (strlen (shown), <=, SPF_EXPLANATION_BYTES);
    for (const char *at = shown; *at != '\0'; at++)
        g_assert_true (g_ascii_isprint (*at));
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree guint8 *copy = fuzz_exact (bytes, size);
    g_autofree char *text = fuzz_string (bytes, size);
    const bool whole = strlen (text) == size, plain = strchr (text, '%') == NULL;
    const bool domain = spf_macro_is_valid ((const char *)copy, size, SPF_MACRO_DOMAIN);
    const bool value = spf_macro_is_valid ((const char *)copy, size, SPF_MACRO_VALUE);
    const bool explanation = spf_macro_is_valid ((const char *)copy, size, SPF_MACRO_EXPLANATION);

    g_assert_true ((!domain || value) && (!value || explanation));
    g_assert_true (whole || !explanation);
    if (explanation)
        g_assert_true (!spf_macro_wants_names (text) || !plain);
    if (domain)
        check_domain (text, plain);
    if (explanation)
        check_explanation (text, plain);
    return 0;
}
