/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One line of the event log: a JSON object written by hand, because a value may hold any octet and
 * the line must stay one line of valid UTF-8 all the same. Pure; any thread.
 */
#include "config.h"

#include "event/event-private.h"

#include <string.h>

/* Version of the lines' schema; grows when a member changes its meaning, not when one is added. */
enum { SCHEMA_VERSION = 1 };

/* No value is worth more; what is cut off is replaced by "...". */
enum { VALUE_BYTES = 8192 };

struct RelaisEventLine {
    GString *text;
};

static void
append_escape (GString *text, gunichar c)
{
    static const char digits[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', 0, 0, 0, 0};

    for (int i = 0; i < 4; i++)
        escape[2 + i] = digits[(c >> (12 - 4 * i)) & 15];
    g_string_append_len (text, escape, sizeof escape);
}

/* Characters that end lines, steer terminals or reverse the text around them in some reader. */
static bool
is_treacherous (gunichar c)
{
    return (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* Appends what begins at `p` beyond ASCII; returns where it ended. */
static const char *
append_beyond_ascii (GString *text, const char *p, const char *end)
{
    gunichar c = g_utf8_get_char_validated (p, end - p);
    const char *next;

    if (c == (gunichar)-1 || c == (gunichar)-2) {
        append_escape (text, (guint8)*p);
        return p + 1;
    }
    next = g_utf8_next_char (p);
    if (is_treacherous (c))
        append_escape (text, c);
    else
        g_string_append_len (text, p, next - p);
    return next;
}

static const char *
append_special (GString *text, const char *p, const char *end)
{
    const guint8 c = (guint8)*p;

    if (c == '"' || c == '\\') {
        g_string_append_c (text, '\\');
        g_string_append_c (text, *p);
    } else if (c < 0x20 || c == 0x7f) {
        append_escape (text, c);
    } else {
        return append_beyond_ascii (text, p, end);
    }
    return p + 1;
}

static bool
is_plain (char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void
append_string (GString *text, const char *value)
{
    gsize size = strlen (value);
    const char *p = value;
    const char *end = value + MIN (size, (gsize)VALUE_BYTES);

    g_string_append_c (text, '"');
    while (p < end) {
        const char *run = p;

        while (p < end && is_plain (*p))
            p++;
        g_string_append_len (text, run, p - run);
        if (p < end)
            p = append_special (text, p, end);
    }
    if (size > VALUE_BYTES)
        g_string_append (text, "...");
    g_string_append_c (text, '"');
}

static void
append_key (RelaisEventLine *line, const char *key)
{
    g_string_append (line->text, ",\"");
    g_string_append (line->text, key);
    g_string_append (line->text, "\":");
}

/* RFC 3339 in UTC with microseconds. */
static void
append_time (GString *text, gint64 wall_us)
{
    g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (wall_us / RELAIS_USEC_PER_SEC);
    gint64 fraction = wall_us % RELAIS_USEC_PER_SEC;

    if (time == NULL || wall_us < 0) {
        g_string_append (text, "\"1970-01-01T00:00:00.000000Z\"");
        return;
    }
    g_string_append_printf (text, "\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\"",
                            g_date_time_get_year (time), g_date_time_get_month (time),
                            g_date_time_get_day_of_month (time), g_date_time_get_hour (time),
                            g_date_time_get_minute (time), g_date_time_get_second (time),
                            (int)fraction);
}

RelaisEventLine *
relais_event_line_new (const char *type, gint64 wall_us, const char *queue_id, int recipient,
                       int attempt)
{
    RelaisEventLine *line = g_new (RelaisEventLine, 1);
    g_autofree char *id = g_strdup_printf ("%s-%d-%d-%s", queue_id, recipient, attempt, type);

    line->text = g_string_sized_new (512);
    g_string_append_printf (line->text, "{\"v\":%d,\"id\":", SCHEMA_VERSION);
    append_string (line->text, id);
    relais_event_line_add (line, "type", type);
    append_key (line, "time");
    append_time (line->text, wall_us);
    relais_event_line_add (line, "queue_id", queue_id);
    if (recipient >= 0)
        relais_event_line_add_int (line, "recipient_number", recipient);
    relais_event_line_add_int (line, "attempt", attempt);
    return line;
}

void
relais_event_line_add (RelaisEventLine *line, const char *key, const char *value)
{
    if (value == NULL)
        return;
    append_key (line, key);
    append_string (line->text, value);
}

void
relais_event_line_add_int (RelaisEventLine *line, const char *key, gint64 value)
{
    append_key (line, key);
    g_string_append_printf (line->text, "%" G_GINT64_FORMAT, value);
}

void
relais_event_line_add_bool (RelaisEventLine *line, const char *key, bool value)
{
    append_key (line, key);
    g_string_append (line->text, value ? "true" : "false");
}

GBytes *
relais_event_line_end (RelaisEventLine *line)
{
    g_string_append_c (line->text, '}');
    GBytes *bytes = g_string_free_to_bytes (line->text);

    g_free (line);
    return bytes;
}
