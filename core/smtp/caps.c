/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a peer offers in its answer to EHLO or LHLO, line by line. Pure; any thread. What is not understood
 * is passed over.
 */
#include "config.h"

#include "smtp/caps-private.h"

#include <stddef.h>
#include <string.h>

typedef struct {
    const char *keyword;
    gsize flag; /* offset of the bool in RelaisSmtpCaps */
} Keyword;

static const Keyword keywords[] = {
    {"PIPELINING", offsetof (RelaisSmtpCaps, pipelining)},
    {"SIZE", offsetof (RelaisSmtpCaps, size)},
    {"8BITMIME", offsetof (RelaisSmtpCaps, eight_bit)},
    {"ENHANCEDSTATUSCODES", offsetof (RelaisSmtpCaps, enhanced)},
    {"STARTTLS", offsetof (RelaisSmtpCaps, starttls)},
    {"DSN", offsetof (RelaisSmtpCaps, dsn)},
    {"SMTPUTF8", offsetof (RelaisSmtpCaps, smtputf8)},
    {"CHUNKING", offsetof (RelaisSmtpCaps, chunking)},
};

/* A peer's number, or 0 if it is none (both "no limit said"). */
static guint64
parse_limit (const char *text)
{
    guint64 value;

    return g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &value, NULL) ? value : 0;
}

/* RFC 9422: "RCPTMAX=20 MAILMAX=100 RCPTDOMAINMAX=1". */
static void
parse_limits (RelaisSmtpCaps *caps, char **words)
{
    for (; *words != NULL; words++) {
        const char *value = strchr (*words, '=');
        guint limit = value != NULL ? (guint)MIN (parse_limit (value + 1), G_MAXUINT) : 0;

        if (g_ascii_strncasecmp (*words, "RCPTMAX=", 8) == 0)
            caps->limits_rcptmax = limit;
        else if (g_ascii_strncasecmp (*words, "MAILMAX=", 8) == 0)
            caps->limits_mailmax = limit;
        else if (g_ascii_strncasecmp (*words, "RCPTDOMAINMAX=", 14) == 0)
            caps->limits_rcptdomainmax = limit;
    }
}

/* RFC 4954 section 3; "AUTH=" is an old spelling. */
static void
parse_auth (RelaisSmtpCaps *caps, char **words)
{
    for (; *words != NULL; words++) {
        if (g_ascii_strcasecmp (*words, "SCRAM-SHA-256") == 0)
            caps->auth_scram_sha_256 = true;
        else if (g_ascii_strcasecmp (*words, "PLAIN") == 0)
            caps->auth_plain = true;
        else if (g_ascii_strcasecmp (*words, "LOGIN") == 0)
            caps->auth_login = true;
    }
}

void
relais_smtp_caps_add_line (RelaisSmtpCaps *caps, const char *line)
{
    g_auto (GStrv) words = g_strsplit (line, " ", -1);

    if (words[0] == NULL)
        return;
    for (guint i = 0; i < G_N_ELEMENTS (keywords); i++)
        if (g_ascii_strcasecmp (words[0], keywords[i].keyword) == 0)
            *(bool *)((char *)caps + keywords[i].flag) = true;
    if (g_ascii_strcasecmp (words[0], "SIZE") == 0 && words[1] != NULL)
        caps->max_size = parse_limit (words[1]);
    else if (g_ascii_strcasecmp (words[0], "LIMITS") == 0)
        parse_limits (caps, words + 1);
    else if (g_ascii_strcasecmp (words[0], "AUTH") == 0)
        parse_auth (caps, words + 1);
}
