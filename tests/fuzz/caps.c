/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What peers offer the SMTP client (core/smtp/caps.c), and SCRAM's first challenge
 * (core/smtp/sasl.c). Properties: a line that came twice says nothing new; letters' case says
 * nothing; a keyword counts at the head of its line alone; a challenge that is taken holds a count of
 * rounds within its bound.
 *
 * Parsers: core/smtp/caps.c, core/smtp/sasl.c.
 */
#include "config.h"

#include "fuzz.h"
#include "smtp/client-state-private.h"
#include "smtp/sasl-private.h"

#include <string.h>

static const char *const words[] = {"SIZE ",
                                    "LIMITS ",
                                    "RCPTMAX=",
                                    "MAILMAX=",
                                    "RCPTDOMAINMAX=",
                                    "AUTH ",
                                    "PLAIN",
                                    "SCRAM-SHA-256",
                                    "CHUNKING",
                                    "18446744073709551616",
                                    "cj14LHM9eSxpPTQwOTY=",
                                    "LGk9MQ==",
                                    NULL};
const FuzzTarget fuzz_target = {50000, words};

static void
check_line (const char *line)
{
    g_autofree char *upper = g_ascii_strup (line, -1);
    g_autofree char *moved = g_strconcat ("X-OTHER ", line, NULL);
    RelaisSmtpCaps once = {0}, twice = {0}, loud = {0}, none = {0}, other = {0};

    relais_smtp_caps_add_line (&once, line);
    relais_smtp_caps_add_line (&twice, line);
    relais_smtp_caps_add_line (&twice, line);
    relais_smtp_caps_add_line (&loud, upper);
    relais_smtp_caps_add_line (&other, moved);
    g_assert_true (memcmp (&once, &twice, sizeof once) == 0);
    g_assert_true (memcmp (&once, &loud, sizeof once) == 0);
    g_assert_true (memcmp (&none, &other, sizeof none) == 0);
}

static void
check_challenge (const char *text)
{
    gsize size;
    g_autofree guchar *bytes = NULL;
    g_autofree char *challenge = NULL;

    if (!relais_sasl_challenge_is_sane (text))
        return;
    bytes = g_base64_decode (text, &size);
    challenge = g_strndup ((const char *)bytes, size);
    g_assert_nonnull (strstr (challenge, ",i="));
    g_assert_cmpuint (g_ascii_strtoull (strstr (challenge, ",i=") + 3, NULL, 10), <=,
                      RELAIS_SASL_ITERATIONS);
    g_assert_cmpuint (strlen (text), <=, RELAIS_SASL_CHALLENGE_BYTES);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *text = g_strndup ((const char *)bytes, size);

    check_line (text);
    check_challenge (text);
    return 0;
}
