/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One line of the event log: a JSON object written by hand, because a value may hold any octet and
 * the line must stay one line of valid UTF-8 all the same. Pure; any thread.
 */
#include "config.h"

#include "event/event-private.h"

#include <string.h>

/* Version of the lines' schema; grows when a member changes its meaning, not when one is added. */
#define SCHEMA_VERSION "1"

/* No value is worth more; what is cut off is replaced by "...". */
enum { VALUE_BYTES = 8192 };

struct RelaisEventLine {
    GString *text;
};

/* Room for `n` more octets, which the caller fills. There are two or three lines a message, so that
 * the members they are made of are written in place. */
static char *
extend (GString *text, gsize n)
{
    const gsize at = text->len;

    if (n < text->allocated_len - at) {
        text->len += n;
        text->str[text->len] = '\0';
    } else {
        g_string_set_size (text, at + n);
    }
    return text->str + at;
}

static char *
put (char *to, const char *bytes, gsize n)
{
    memcpy (to, bytes, n);
    return to + n;
}

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

/* Where the octets 0x80 to 0xff stand that are no UTF-8: private characters. One that came as such is no UTF-8 either,
 * so that no two values look alike and each can be had back octet for octet. */
enum { OCTETS_AT = 0xef00 };

static bool
stands_for_octet (gunichar c)
{
    return c >= OCTETS_AT + 0x80 && c <= OCTETS_AT + 0xff;
}

/* Appends what begins at `p` beyond ASCII; returns where it ended. */
static const char *
append_beyond_ascii (GString *text, const char *p, const char *end)
{
    gunichar c = g_utf8_get_char_validated (p, end - p);
    const char *next;

    if (c == (gunichar)-1 || c == (gunichar)-2 || stands_for_octet (c)) {
        append_escape (text, OCTETS_AT + (guint8)*p);
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

static gsize
count_plain (const char *p, const char *end)
{
    const char *from = p;

    while (p < end && is_plain (*p))
        p++;
    return (gsize)(p - from);
}

/* Appends a value that is not all plain, and the quote behind it. */
static void
append_odd_string (GString *text, const char *value, gsize size)
{
    const char *p = value;
    const char *end = value + MIN (size, (gsize)VALUE_BYTES);

    while (p < end) {
        gsize run = count_plain (p, end);

        g_string_append_len (text, p, (gssize)run);
        p += run;
        if (p < end)
            p = append_special (text, p, end);
    }
    if (size > VALUE_BYTES)
        g_string_append (text, "...");
    g_string_append_c (text, '"');
}

/* Appends ,"key": and room for `more` octets, which is returned. */
static char *
append_key (GString *text, const char *key, gsize more)
{
    const gsize size = strlen (key);
    char *to = extend (text, size + 4 + more);

    to = put (to, ",\"", 2);
    to = put (to, key, size);
    return put (to, "\":", 2);
}

/* Writes a number that is not negative, in `digits` digits or, if that is 0, as many as it needs;
 * returns how many it wrote, 20 at most. */
static gsize
put_digits (char *to, guint64 value, guint digits)
{
    char reversed[20];
    guint n = 0;

    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || n < digits);
    for (guint i = 0; i < n; i++)
        to[i] = reversed[n - 1 - i];
    return n;
}

static gsize
put_number (char *to, gint64 value)
{
    if (value >= 0)
        return put_digits (to, (guint64)value, 0);
    *to = '-';
    return 1 + put_digits (to + 1, -(guint64)value, 0);
}

enum { NUMBER_BYTES = 21, SECOND_BYTES = 19, TIME_BYTES = 29 };

/* "2026-11-23T10:00:00", anew only when the second is another one than at the last call. */
static const char *
second_to_text (gint64 second)
{
    static __thread gint64 known = -1;
    static __thread char text[SECOND_BYTES + 1];
    g_autoptr (GDateTime) time = NULL;
    g_autofree char *formatted = NULL;

    if (second == known)
        return text;
    time = g_date_time_new_from_unix_utc (second);
    formatted = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%S") : NULL;
    if (formatted == NULL || strlen (formatted) != SECOND_BYTES)
        return "1970-01-01T00:00:00";
    memcpy (text, formatted, sizeof text);
    known = second;
    return text;
}

/* RFC 3339 in UTC with microseconds. */
static void
add_time (RelaisEventLine *line, const char *key, gint64 wall_us)
{
    const gint64 us = MAX (wall_us, 0);
    char *to = append_key (line->text, key, TIME_BYTES);

    *to++ = '"';
    to = put (to, second_to_text (us / RELAIS_USEC_PER_SEC), SECOND_BYTES);
    *to++ = '.';
    to += put_digits (to, (guint64)(us % RELAIS_USEC_PER_SEC), 6);
    put (to, "Z\"", 2);
}

gint64
relais_event_time_from_text (const char *text)
{
    g_autoptr (GDateTime) time = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

    return time == NULL ? 0
                        : g_date_time_to_unix (time) * RELAIS_USEC_PER_SEC +
                              g_date_time_get_microsecond (time);
}

/* "QUEUEID-RECIPIENT-ATTEMPT-TYPE": the same for the same event, however often it is told. */
char *
relais_event_id (const char *queue_id, int recipient, int attempt, const char *type)
{
    char numbers[2 * NUMBER_BYTES + 4];
    char *to = numbers;

    *to++ = '-';
    to += put_number (to, recipient);
    *to++ = '-';
    to += put_number (to, attempt);
    *to++ = '-';
    *to = '\0';
    return g_strconcat (queue_id, numbers, type, NULL);
}

guint64
relais_event_hash (gconstpointer bytes, gsize size)
{
    const guint8 *at = bytes;
    guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

    for (gsize i = 0; i < size; i++)
        hash = (hash ^ at[i]) * G_GUINT64_CONSTANT (0x100000001b3);
    return hash;
}

static RelaisEventLine *
line_begin (void)
{
    RelaisEventLine *line = g_new (RelaisEventLine, 1);

    line->text = g_string_sized_new (1000);
    g_string_append (line->text, "{\"v\":" SCHEMA_VERSION);
    return line;
}

RelaisEventLine *
relais_event_line_new (const char *type, gint64 wall_us, const char *queue_id, int recipient,
                       int attempt)
{
    RelaisEventLine *line = line_begin ();
    g_autofree char *id = relais_event_id (queue_id, recipient, attempt, type);

    relais_event_line_add (line, "id", id);
    relais_event_line_add (line, "type", type);
    add_time (line, "time", wall_us);
    relais_event_line_add (line, "queue_id", queue_id);
    if (recipient >= 0)
        relais_event_line_add_int (line, "recipient_number", recipient);
    relais_event_line_add_int (line, "attempt", attempt);
    return line;
}

RelaisEventLine *
relais_event_line_new_module (const char *module, const char *type, gint64 wall_us,
                              const char *queue_id, int recipient)
{
    RelaisEventLine *line = line_begin ();
    g_autofree char *id = g_strdup_printf ("%08x%08x-%s", g_random_int (), g_random_int (), type);

    relais_event_line_add (line, "id", id);
    relais_event_line_add (line, "type", type);
    add_time (line, "time", wall_us);
    relais_event_line_add (line, "module", module);
    relais_event_line_add (line, "queue_id", queue_id);
    if (recipient >= 0)
        relais_event_line_add_int (line, "recipient_number", recipient);
    return line;
}

void
relais_event_line_add (RelaisEventLine *line, const char *key, const char *value)
{
    gsize size;
    char *to;

    if (value == NULL)
        return;
    size = strlen (value);
    if (size <= VALUE_BYTES && count_plain (value, value + size) == size) {
        to = append_key (line->text, key, size + 2);
        *to++ = '"';
        *put (to, value, size) = '"';
    } else {
        *append_key (line->text, key, 1) = '"';
        append_odd_string (line->text, value, size);
    }
}

void
relais_event_line_add_int (RelaisEventLine *line, const char *key, gint64 value)
{
    char digits[NUMBER_BYTES];
    const gsize n = put_number (digits, value);

    put (append_key (line->text, key, n), digits, n);
}

void
relais_event_line_add_bool (RelaisEventLine *line, const char *key, bool value)
{
    const char *word = value ? "true" : "false";
    const gsize n = strlen (word);

    put (append_key (line->text, key, n), word, n);
}

GBytes *
relais_event_line_end (RelaisEventLine *line)
{
    GBytes *bytes;

    g_string_append_c (line->text, '}');
    bytes = g_string_free_to_bytes (line->text);
    g_free (line);
    return bytes;
}
