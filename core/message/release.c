/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Requests for future release. Pure.
 */
#include "config.h"

#include "message/release-private.h"

#include <string.h>

enum { INTERVAL_DIGITS = 9, FRACTION_DIGITS = 9, DATE_TIME_BYTES = 40 };

/* What stands at `*at` is as the pattern, of which '9' is any digit. */
static bool
take (const char **at, const char *end, const char *pattern)
{
    for (; *pattern != '\0'; pattern++, (*at)++) {
        if (*at == end)
            return false;
        if (*pattern == '9' ? !g_ascii_isdigit (**at) : g_ascii_toupper (**at) != *pattern)
            return false;
    }
    return true;
}

/* As RFC 3339 has it, with its zone: GLib would take more. */
static bool
is_date_time (const char *text, gsize size)
{
    const char *at = text, *end = text + size;

    if (size > DATE_TIME_BYTES || !take (&at, end, "9999-99-99T99:99:99"))
        return false;
    if (at < end && *at == '.') {
        const char *first = ++at;

        while (at < end && g_ascii_isdigit (*at))
            at++;
        if (at == first || at - first > FRACTION_DIGITS)
            return false;
    }
    if (end - at == 1)
        return take (&at, end, "Z");
    return (take (&at, end, "+") || take (&at, end, "-")) && take (&at, end, "99:99") && at == end;
}

static bool
parse_date_time (const char *text, gsize size, gint64 *wall_us)
{
    g_autofree char *upper = NULL;
    g_autoptr (GDateTime) moment = NULL;

    if (!is_date_time (text, size))
        return false;
    upper = g_ascii_strup (text, (gssize)size);
    moment = g_date_time_new_from_iso8601 (upper, NULL);
    if (moment == NULL)
        return false;
    *wall_us = g_date_time_to_unix (moment) * G_TIME_SPAN_SECOND;
    return true;
}

static bool
parse_interval (const char *text, gsize size, gint64 *interval_us)
{
    gint64 value = 0;

    if (size == 0 || size > INTERVAL_DIGITS)
        return false;
    for (gsize i = 0; i < size; i++) {
        if (!g_ascii_isdigit (text[i]))
            return false;
        value = value * 10 + (text[i] - '0');
    }
    *interval_us = value * G_TIME_SPAN_SECOND;
    return true;
}

bool
relais_release_parse (const char *text, gsize size, gint64 received_us, gint64 *release_us)
{
    gint64 us;

    if (size > 6 && memcmp (text, "until;", 6) == 0)
        return parse_date_time (text + 6, size - 6, release_us);
    if (size <= 4 || memcmp (text, "for;", 4) != 0 || !parse_interval (text + 4, size - 4, &us))
        return false;
    *release_us = received_us + us;
    return true;
}

char *
relais_message_release_text (const RelaisMessage *message)
{
    GBytes *value = relais_message_find_attribute (message, RELAIS_ATTRIBUTE_RELEASE);
    gsize size;
    const char *text = value != NULL ? g_bytes_get_data (value, &size) : NULL;

    return text != NULL ? g_strndup (text, size) : NULL;
}

gint64
relais_message_release_us (const RelaisMessage *message)
{
    g_autofree char *text = relais_message_release_text (message);
    gint64 release_us = 0;

    if (text != NULL)
        (void)relais_release_parse (text, strlen (text), message->envelope.received_us,
                                    &release_us);
    return release_us;
}
