/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Cuts a message into parts, line by line:
 *
 *     header --empty line--> content, or the gap of a multipart
 *     any    --delimiter---> header of the next part of the multipart it belongs to
 *
 * A multipart whose boundary has not been met yet takes the first line that looks like a delimiter and is followed by a
 * field Content-... for one. Pure; any thread.
 */
#include "report-mail.h"

#include <string.h>

enum { BOUNDARY_BYTES = 200 };

/* A multipart that is open. */
typedef struct {
    char *boundary; /* NULL: not known yet */
    bool met;
} Open;

typedef struct {
    BounceMail *mail;
    GArray *open; /* Open, outermost first */
    BouncePart *part;
    bool in_header;
} Cutter;

static void
part_free (gpointer data)
{
    BouncePart *part = data;

    g_free (part->type);
    g_free (part->charset);
    g_free (part->boundary);
    g_free (part);
}

static void
open_clear (gpointer data)
{
    g_free (((Open *)data)->boundary);
}

/* --- Fields ----------------------------------------------------------------------------------- */

static gsize
field_name_size (const char *at, const char *end)
{
    const char *p = at;

    while (p<end && * p> ' ' && (guchar)*p < 0x7f && *p != ':')
        p++;
    return p < end && p > at && *p == ':' && p - at <= 76 ? (gsize)(p - at) : 0;
}

static void
append_line (GString *value, const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    if (value->len > 0 && to > from)
        g_string_append_c (value, ' ');
    if (value->len < BOUNCE_MAIL_FIELD_BYTES)
        g_string_append_len (value, from,
                             MIN (to - from, (gssize)(BOUNCE_MAIL_FIELD_BYTES - value->len)));
}

static const char *
line_end (const char *at, const char *end)
{
    const char *lf = memchr (at, '\n', (gsize)(end - at));

    return lf != NULL ? lf : end;
}

bool
bounce_header_next (const char **at, const char *end, char **name, char **value)
{
    const gsize size = field_name_size (*at, end);
    g_autoptr (GString) text = g_string_new (NULL);
    const char *from = *at + size + 1, *to;

    *name = *value = NULL;
    if (size == 0)
        return false;
    do {
        to = line_end (from, end);
        append_line (text, from, to);
        from = to < end ? to + 1 : end;
    } while (from < end && (*from == ' ' || *from == '\t'));
    *name = g_strndup (*at, size);
    *value = g_strdup (text->str);
    *at = from;
    return true;
}

static char *
take_value (const char *p)
{
    const char *end;

    while (*p == ' ' || *p == '\t')
        p++;
    if (*p == '"') {
        end = strchr (p + 1, '"');
        return end != NULL ? g_strndup (p + 1, (gsize)(end - p - 1)) : g_strdup (p + 1);
    }
    end = p + strcspn (p, "; \t");
    return g_strndup (p, (gsize)(end - p));
}

char *
bounce_header_dup_parameter (const char *value, const char *name)
{
    const gsize size = strlen (name);
    bool quoted = false;

    for (const char *p = value; *p != '\0'; p++) {
        const char *q = p + 1;

        if (*p == '"')
            quoted = !quoted;
        if (quoted || *p != ';')
            continue;
        q += strspn (q, " \t");
        if (g_ascii_strncasecmp (q, name, size) != 0)
            continue;
        q += size;
        q += strspn (q, " \t");
        if (*q == '=')
            return take_value (q + 1);
    }
    return NULL;
}

/* --- What a header says of its part ----------------------------------------------------------- */

static void
read_type (BouncePart *part, const char *value)
{
    const gsize size = strcspn (value, "; \t");
    g_autofree char *type = g_ascii_strdown (value, (gssize)size);
    g_autofree char *charset = bounce_header_dup_parameter (value, "charset");

    if (strchr (type, '/') == NULL)
        return;
    g_free (part->type);
    part->type = g_steal_pointer (&type);
    g_free (part->charset);
    part->charset = charset != NULL ? g_ascii_strdown (charset, -1) : NULL;
    g_free (part->boundary);
    part->boundary = bounce_header_dup_parameter (value, "boundary");
    if (part->boundary != NULL &&
        (*part->boundary == '\0' || strlen (part->boundary) > BOUNDARY_BYTES))
        g_clear_pointer (&part->boundary, g_free);
}

static void
read_header (Cutter *cutter)
{
    BouncePart *part = cutter->part;
    const char *at = cutter->mail->bytes + part->header, *end = at + part->header_size;
    char *name, *value;

    while (bounce_header_next (&at, end, &name, &value)) {
        if (g_ascii_strcasecmp (name, "Content-Type") == 0)
            read_type (part, value);
        else if (g_ascii_strcasecmp (name, "Content-Transfer-Encoding") == 0)
            part->encoding = g_ascii_strncasecmp (value, "quoted-printable", 16) == 0
                                 ? BOUNCE_QUOTED_PRINTABLE
                             : g_ascii_strncasecmp (value, "base64", 6) == 0 ? BOUNCE_BASE64
                                                                             : BOUNCE_PLAIN;
        g_free (name);
        g_free (value);
    }
    cutter->mail->steps += part->header_size;
}

/* --- Cutting ---------------------------------------------------------------------------------- */

static void
begin_part (Cutter *cutter, gsize at)
{
    BouncePart *part = g_new0 (BouncePart, 1);

    part->type = g_strdup ("text/plain");
    part->depth = cutter->open->len;
    part->header = part->content = at;
    g_ptr_array_add (cutter->mail->parts, part);
    cutter->part = part;
    cutter->in_header = true;
}

/* The header of the part ends before `at`. */
static void
end_header (Cutter *cutter, gsize at, gsize content)
{
    BouncePart *part = cutter->part;

    part->header_size = at - part->header;
    part->content = content;
    cutter->in_header = false;
    read_header (cutter);
    if (g_str_has_prefix (part->type, "multipart/") && cutter->open->len < BOUNCE_MAIL_DEPTH) {
        Open open = {.boundary = g_strdup (part->boundary), .met = false};

        part->container = true;
        g_array_append_val (cutter->open, open);
    }
}

/* The part ends at `at`, before the line end that belongs to the delimiter. */
static void
end_part (Cutter *cutter, gsize at)
{
    BouncePart *part = cutter->part;

    if (part == NULL)
        return;
    if (cutter->in_header)
        end_header (cutter, at, at);
    if (at > part->content && cutter->mail->bytes[at - 1] == '\n')
        at--;
    part->content_size = at > part->content ? at - part->content : 0;
    cutter->part = NULL;
}

static bool
is_delimiter (const char *line, gsize size, const char *boundary, bool *last)
{
    const gsize length = strlen (boundary);
    gsize rest = 2 + length;

    if (size < rest || memcmp (line + 2, boundary, length) != 0)
        return false;
    *last = size >= rest + 2 && line[rest] == '-' && line[rest + 1] == '-';
    rest += *last ? 2 : 0;
    while (rest < size && (line[rest] == ' ' || line[rest] == '\t'))
        rest++;
    return rest == size;
}

/* A line "--TEXT" before a field Content-...: a boundary, though not the one that was announced. */
static bool
looks_like_delimiter (const BounceMail *mail, gsize at, gsize size)
{
    const char *next = mail->bytes + at + size + 1;

    return size > 3 && size <= BOUNDARY_BYTES && at + size + 10 < mail->size &&
           g_ascii_strncasecmp (next, "Content-", 8) == 0;
}

/* Which open multipart a line delimits; -1: none. */
static int
find_open (Cutter *cutter, gsize at, gsize size, bool *last)
{
    const char *line = cutter->mail->bytes + at;
    Open *inner;

    if (size < 3 || line[0] != '-' || line[1] != '-' || cutter->open->len == 0)
        return -1;
    for (guint i = cutter->open->len; i > 0; i--) {
        const Open *open = &g_array_index (cutter->open, Open, i - 1);

        cutter->mail->steps++;
        if (open->boundary != NULL && is_delimiter (line, size, open->boundary, last))
            return (int)i - 1;
    }
    inner = &g_array_index (cutter->open, Open, cutter->open->len - 1);
    if (cutter->in_header || inner->met || !looks_like_delimiter (cutter->mail, at, size))
        return -1;
    g_free (inner->boundary);
    inner->boundary = g_strndup (line + 2, size - 2);
    *last = false;
    return (int)cutter->open->len - 1;
}

static void
take_line (Cutter *cutter, gsize at, gsize size)
{
    bool last = false;
    const int open = find_open (cutter, at, size, &last);

    cutter->mail->steps += size + 1;
    if (open >= 0) {
        end_part (cutter, at);
        g_array_set_size (cutter->open, (guint)open + 1);
        g_array_index (cutter->open, Open, open).met = true;
        if (!last && cutter->mail->parts->len < BOUNCE_MAIL_PARTS) {
            begin_part (cutter, at + size + 1);
            return;
        }
        /* What follows the last delimiter may still be delimited by an outer one. */
        if (last)
            g_array_set_size (cutter->open, (guint)open);
        return;
    }
    if (cutter->part == NULL || !cutter->in_header)
        return;
    if (size == 0)
        end_header (cutter, at, at + 1);
    else if (cutter->mail->bytes[at] != ' ' && cutter->mail->bytes[at] != '\t' &&
             field_name_size (cutter->mail->bytes + at, cutter->mail->bytes + at + size) == 0)
        end_header (cutter, at, at);
}

/* Line ends to LF, NUL to a blank. */
static void
normalise (BounceMail *mail, const guint8 *bytes, gsize size)
{
    gsize to = 0;

    mail->bytes = g_malloc (size + 1);
    for (gsize i = 0; i < size; i++) {
        guint8 octet = bytes[i];

        if (octet == '\r') {
            if (i + 1 < size && bytes[i + 1] == '\n')
                continue;
            octet = '\n';
        }
        mail->bytes[to++] = octet != 0 ? (char)octet : ' ';
    }
    mail->bytes[to] = '\0';
    mail->size = to;
    mail->steps += size;
}

/* A line of mbox before the header. */
static gsize
skip_mbox_line (const BounceMail *mail)
{
    if (!g_str_has_prefix (mail->bytes, "From "))
        return 0;
    return MIN ((gsize)(line_end (mail->bytes, mail->bytes + mail->size) - mail->bytes) + 1,
                mail->size);
}

BounceMail *
bounce_mail_new (const guint8 *bytes, gsize size, gsize limit)
{
    BounceMail *mail = g_new0 (BounceMail, 1);
    Cutter cutter = {.mail = mail, .open = g_array_new (FALSE, TRUE, sizeof (Open))};

    mail->parts = g_ptr_array_new_with_free_func (part_free);
    g_array_set_clear_func (cutter.open, open_clear);
    normalise (mail, bytes, MIN (size, limit));
    begin_part (&cutter, skip_mbox_line (mail));
    for (gsize at = cutter.part->header; at < mail->size;) {
        const gsize end =
            (gsize)(line_end (mail->bytes + at, mail->bytes + mail->size) - mail->bytes);

        take_line (&cutter, at, end - at);
        at = end + 1;
    }
    end_part (&cutter, mail->size);
    g_array_unref (cutter.open);
    return mail;
}

void
bounce_mail_free (BounceMail *mail)
{
    if (mail == NULL)
        return;
    g_free (mail->bytes);
    g_ptr_array_unref (mail->parts);
    g_free (mail);
}

char *
bounce_mail_dup_field (BounceMail *mail, const char *name)
{
    const BouncePart *part = bounce_mail_part (mail, 0);
    const char *at = mail->bytes + part->header, *end = at + part->header_size;
    char *found = NULL, *value;

    while (found == NULL && bounce_header_next (&at, end, &found, &value)) {
        if (g_ascii_strcasecmp (found, name) == 0) {
            g_autofree char *decoded = bounce_text_decode_words (value);

            g_free (found);
            g_free (value);
            return bounce_text_clean (decoded, -1, false);
        }
        g_clear_pointer (&found, g_free);
        g_free (value);
    }
    return NULL;
}
