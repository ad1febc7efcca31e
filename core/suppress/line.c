/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writing and reading one line of the journal. The writer makes what the reader takes and nothing else: any
 * other form is damage, so that there are no two lines that say the same.
 */
#include "config.h"

#include "suppress/line-private.h"

#include "spool/crc32c.h"

#include <stdio.h>
#include <string.h>

enum {
    CHECKSUM_DIGITS = 8,
    LENGTH_DIGITS = 4,
    BODY_AT = CHECKSUM_DIGITS + 1 + LENGTH_DIGITS + 1,
    PUT_FIELDS = 14,
    REMOVE_FIELDS = 6,
    NUMBER_FIELDS = 3,
    MAX_FIELDS = PUT_FIELDS
};

static const char *const class_names[] = {
    [RELAIS_SUPPRESS_NONE] = "none",
    [RELAIS_SUPPRESS_HARD] = "hard",
    [RELAIS_SUPPRESS_SOFT] = "soft",
    [RELAIS_SUPPRESS_COMPLAINT] = "complaint",
    [RELAIS_SUPPRESS_UNSUBSCRIBE] = "unsubscribe",
    [RELAIS_SUPPRESS_MANUAL] = "manual",
};

const gchar *
relais_suppress_class_to_string (RelaisSuppressClass suppress_class)
{
    return suppress_class < G_N_ELEMENTS (class_names) ? class_names[suppress_class]
                                                       : class_names[RELAIS_SUPPRESS_NONE];
}

RelaisSuppressClass
relais_suppress_class_from_string (const char *name)
{
    for (guint32 i = RELAIS_SUPPRESS_HARD; i < G_N_ELEMENTS (class_names); i++)
        if (strcmp (class_names[i], name) == 0)
            return i;
    return RELAIS_SUPPRESS_NONE;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static bool
is_plain (guint8 c)
{
    return c >= 0x20 && c != 0x7f && c != '%';
}

static void
append_text (GString *out, const char *text)
{
    g_string_append_c (out, '\t');
    for (; *text != '\0'; text++) {
        if (is_plain ((guint8)*text))
            g_string_append_c (out, *text);
        else
            g_string_append_printf (out, "%%%02X", (guint8)*text);
    }
}

static void
append_int (GString *out, gint64 number)
{
    g_string_append_printf (out, "\t%" G_GINT64_FORMAT, number);
}

static void
append_key (GString *out, const RelaisJournalLine *line)
{
    append_text (out, line->address);
    append_text (out, line->tenant);
    append_text (out, line->campaign);
}

static void
append_put (GString *out, const RelaisJournalLine *line)
{
    g_string_append_printf (out, "1\tput\t%s\t%c\t%u",
                            relais_suppress_class_to_string (line->suppress_class),
                            line->holds ? 'y' : 'n', line->count);
    append_int (out, line->first_us);
    append_int (out, line->last_us);
    append_int (out, line->expires_us);
    append_key (out, line);
    append_text (out, line->reason);
    append_text (out, line->text);
    g_string_append_c (out, '\t');
    for (guint i = 0; i < line->n_marks; i++)
        g_string_append_printf (out, "%s%" G_GINT64_FORMAT ":%" G_GINT64_MODIFIER "x",
                                i > 0 ? "," : "", line->marks[i].wall_us, line->marks[i].id);
}

static void
append_body (GString *out, const RelaisJournalLine *line)
{
    switch (line->op) {
    case RELAIS_JOURNAL_HEAD:
        g_string_append_printf (out, "1\tjournal\t%" G_GUINT64_FORMAT, line->number);
        break;
    case RELAIS_JOURNAL_GROUP:
        g_string_append_printf (out, "1\tgroup\t%" G_GUINT64_FORMAT, line->number);
        break;
    case RELAIS_JOURNAL_REMOVE:
        g_string_append_printf (out, "1\tremove\t%s",
                                relais_suppress_class_to_string (line->suppress_class));
        append_key (out, line);
        break;
    case RELAIS_JOURNAL_PUT: append_put (out, line); break;
    }
}

void
relais_journal_line_append (GString *out, const RelaisJournalLine *line)
{
    const gsize start = out->len;
    char digits[16];
    gsize size;

    g_string_append (out, "CHECKSUM LLLL ");
    append_body (out, line);
    size = out->len - start - BODY_AT;
    g_assert (out->len - start < RELAIS_JOURNAL_LINE_BYTES);
    g_snprintf (digits, sizeof digits, "%04x", (guint)size);
    memcpy (out->str + start + CHECKSUM_DIGITS + 1, digits, LENGTH_DIGITS);
    g_snprintf (
        digits, sizeof digits, "%08x",
        relais_crc32c (0, out->str + start + CHECKSUM_DIGITS + 1, LENGTH_DIGITS + 1 + size));
    memcpy (out->str + start, digits, CHECKSUM_DIGITS);
    g_string_append_c (out, '\n');
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Lower case, as it is written. */
static bool
read_hex (const char *text, guint digits, guint32 *number)
{
    *number = 0;
    for (guint i = 0; i < digits; i++) {
        if (!g_ascii_isxdigit (text[i]) || g_ascii_isupper (text[i]))
            return false;
        *number = *number << 4 | (guint32)g_ascii_xdigit_value (text[i]);
    }
    return true;
}

/* Checksum and length of `size` octets before the LF. */
static bool
is_whole (const char *bytes, gsize size)
{
    guint32 checksum, length;

    return size >= BODY_AT && read_hex (bytes, CHECKSUM_DIGITS, &checksum) &&
           bytes[CHECKSUM_DIGITS] == ' ' &&
           read_hex (bytes + CHECKSUM_DIGITS + 1, LENGTH_DIGITS, &length) &&
           length == size - BODY_AT && bytes[BODY_AT - 1] == ' ' &&
           relais_crc32c (0, bytes + CHECKSUM_DIGITS + 1, size - CHECKSUM_DIGITS - 1) == checksum;
}

/* Whether the file should hold at least the LF that is missing. */
static bool
was_whole (const char *bytes, gsize size)
{
    guint32 length;

    return size > BODY_AT && read_hex (bytes + CHECKSUM_DIGITS + 1, LENGTH_DIGITS, &length) &&
           size > BODY_AT + (gsize)length;
}

/* Cuts the body at its tabs, in place. 0: too many. */
static guint
cut_fields (char *body, char *fields[MAX_FIELDS])
{
    guint n = 0;

    for (char *at = body; at != NULL; n++) {
        char *tab = strchr (at, '\t');

        if (n == MAX_FIELDS)
            return 0;
        fields[n] = at;
        if (tab != NULL)
            *tab++ = '\0';
        at = tab;
    }
    return n;
}

/* Takes %XX back, in place. */
static bool
take_text (char *field)
{
    char *to = field;

    for (const char *from = field; *from != '\0'; to++) {
        if (*from != '%') {
            *to = *from++;
            continue;
        }
        if (!g_ascii_isxdigit (from[1]) || !g_ascii_isxdigit (from[2]))
            return false;
        *to = (char)(g_ascii_xdigit_value (from[1]) << 4 | g_ascii_xdigit_value (from[2]));
        if (*to == '\0')
            return false;
        from += 3;
    }
    *to = '\0';
    return true;
}

static bool
take_int (const char *field, gint64 *number)
{
    return g_ascii_string_to_signed (field, 10, G_MININT64, G_MAXINT64, number, NULL);
}

static bool
take_marks (char *field, RelaisJournalScratch *scratch, RelaisJournalLine *line)
{
    guint n = 0;

    for (char *at = field; at != NULL && at[0] != '\0'; n++) {
        char *comma = strchr (at, ','), *colon;

        if (comma != NULL)
            *comma++ = '\0';
        colon = strchr (at, ':');
        if (n == RELAIS_JOURNAL_MARKS || colon == NULL)
            return false;
        *colon = '\0';
        if (!take_int (at, &scratch->marks[n].wall_us) ||
            !g_ascii_string_to_unsigned (colon + 1, 16, 0, G_MAXUINT64, &scratch->marks[n].id,
                                         NULL))
            return false;
        at = comma;
    }
    line->n_marks = n;
    line->marks = scratch->marks;
    return true;
}

static bool
take_key (char **fields, RelaisJournalLine *line)
{
    line->address = fields[0];
    line->tenant = fields[1];
    line->campaign = fields[2];
    return take_text (fields[0]) && take_text (fields[1]) && take_text (fields[2]) &&
           fields[0][0] != '\0';
}

static bool
take_put (char **fields, RelaisJournalScratch *scratch, RelaisJournalLine *line)
{
    guint64 count;

    line->op = RELAIS_JOURNAL_PUT;
    line->holds = strcmp (fields[3], "y") == 0;
    if ((!line->holds && strcmp (fields[3], "n") != 0) ||
        !g_ascii_string_to_unsigned (fields[4], 10, 0, G_MAXUINT32, &count, NULL))
        return false;
    line->count = (guint32)count;
    line->reason = fields[11];
    line->text = fields[12];
    return take_int (fields[5], &line->first_us) && take_int (fields[6], &line->last_us) &&
           take_int (fields[7], &line->expires_us) && take_key (fields + 8, line) &&
           take_text (fields[11]) && take_text (fields[12]) &&
           take_marks (fields[13], scratch, line);
}

static bool
take_number (char **fields, RelaisJournalOp op, RelaisJournalLine *line)
{
    line->op = op;
    return g_ascii_string_to_unsigned (fields[2], 10, 0, G_MAXUINT64, &line->number, NULL);
}

/* LATER where the checksum is good and the rest is not ours: nobody but a later release wrote it. */
static RelaisJournalResult
read_body (const char *body, gsize size, RelaisJournalScratch *scratch, RelaisJournalLine *line)
{
    char *fields[MAX_FIELDS];
    bool good = false;
    guint n;

    *line = (RelaisJournalLine){0};
    memcpy (scratch->bytes, body, size);
    scratch->bytes[size] = '\0';
    if (memchr (body, '\0', size) != NULL)
        return RELAIS_JOURNAL_LATER;
    n = cut_fields (scratch->bytes, fields);
    if (n < NUMBER_FIELDS || strcmp (fields[0], "1") != 0)
        return RELAIS_JOURNAL_LATER;
    if (n == NUMBER_FIELDS && strcmp (fields[1], "journal") == 0)
        return take_number (fields, RELAIS_JOURNAL_HEAD, line) ? RELAIS_JOURNAL_GOOD
                                                               : RELAIS_JOURNAL_LATER;
    if (n == NUMBER_FIELDS && strcmp (fields[1], "group") == 0)
        return take_number (fields, RELAIS_JOURNAL_GROUP, line) ? RELAIS_JOURNAL_GOOD
                                                                : RELAIS_JOURNAL_LATER;
    line->suppress_class = relais_suppress_class_from_string (fields[2]);
    if (n == PUT_FIELDS && strcmp (fields[1], "put") == 0)
        good = take_put (fields, scratch, line);
    else if (n == REMOVE_FIELDS && strcmp (fields[1], "remove") == 0) {
        line->op = RELAIS_JOURNAL_REMOVE;
        good = take_key (fields + 3, line);
    }
    return good && line->suppress_class != RELAIS_SUPPRESS_NONE ? RELAIS_JOURNAL_GOOD
                                                                : RELAIS_JOURNAL_LATER;
}

RelaisJournalResult
relais_journal_line_read (const char *bytes, gsize size, bool at_end, RelaisJournalScratch *scratch,
                          RelaisJournalLine *line, gsize *used)
{
    const gsize limit = MIN (size, RELAIS_JOURNAL_LINE_BYTES);
    const char *end = memchr (bytes, '\n', limit);

    if (end == NULL && limit == RELAIS_JOURNAL_LINE_BYTES) {
        *used = limit;
        return RELAIS_JOURNAL_BAD;
    }
    if (end == NULL && !at_end)
        return RELAIS_JOURNAL_MORE;
    if (end == NULL && !was_whole (bytes, size))
        return RELAIS_JOURNAL_TORN;
    *used = end != NULL ? (gsize)(end - bytes) + 1 : size;
    if (end == NULL || !is_whole (bytes, *used - 1))
        return RELAIS_JOURNAL_BAD;
    return read_body (bytes + BODY_AT, *used - 1 - BODY_AT, scratch, line);
}
