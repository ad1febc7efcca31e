/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Mail of our own to the postmaster. Loop thread.
 */
#include "config.h"

#include "queue/keep-private.h"
#include "queue/shaper-private.h"

#include "message/header-private.h"

#include <string.h>

enum {
    SUBJECT_BYTES = 400,
    TEXT_BYTES = 64 * 1024, /* what is longer is cut */
    LINE_BYTES = 900,       /* a longer line is broken: none may reach 998 */
    WORD_BYTES = 42         /* of an encoded word of RFC 2047: 75 columns at most */
};

/* --- The text ----------------------------------------------------------------------------------- */

static gsize
whole_characters (const char *text, gsize size, gsize most)
{
    gsize n = MIN (size, most);

    while (n > 0 && n < size && ((guint8)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* The subject as RFC 2047 has it, on lines of its own where it is not ASCII. */
static void
append_subject (GString *to, const char *subject)
{
    g_autofree char *valid = g_utf8_make_valid (subject, -1);
    gsize size = whole_characters (valid, strlen (valid), SUBJECT_BYTES);

    g_string_append (to, "Subject:");
    for (gsize i = 0; i < size; i++)
        if (g_ascii_iscntrl (valid[i]))
            valid[i] = ' ';
    if (g_str_is_ascii (valid)) {
        g_string_append_printf (to, " %.*s\r\n", (int)size, valid);
        return;
    }
    for (gsize at = 0, n; at < size; at += n) {
        g_autofree char *word = NULL;

        n = whole_characters (valid + at, size - at, WORD_BYTES);
        word = g_base64_encode ((const guchar *)valid + at, n);
        g_string_append_printf (to, "%s =?UTF-8?B?%s?=", at > 0 ? "\r\n" : "", word);
    }
    g_string_append (to, "\r\n");
}

static void
append_body (GString *to, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1);
    gsize size = whole_characters (valid, strlen (valid), TEXT_BYTES);
    gsize column = 0;

    for (gsize at = 0, n; at < size; at += n) {
        n = (gsize)(g_utf8_next_char (valid + at) - (valid + at));
        if (valid[at] == '\n' || column + n > LINE_BYTES) {
            g_string_append (to, "\r\n");
            column = 0;
        }
        if (valid[at] == '\n' || valid[at] == '\r')
            continue;
        g_string_append_len (to, valid + at, (gssize)n);
        column += n;
    }
    g_string_append (to, "\r\n");
}

static GBytes *
build (const RelaisQueue *queue, guint64 id, const char *to, const char *module,
       const char *subject, const char *text)
{
    const char *host = queue->settings.hostname;
    g_autofree char *date = relais_date_to_string (relais_loop_wall_us (queue->loop));
    char id_text[RELAIS_ID_TEXT_BYTES];
    GString *bytes = g_string_new (NULL);

    relais_id_to_text (id, id_text);
    g_string_append_printf (bytes, "From: Relais <mailer-daemon@%s>\r\nTo: <%s>\r\n", host, to);
    append_subject (bytes, subject);
    g_string_append_printf (bytes,
                            "Date: %s\r\nMessage-ID: <%s.notice@%s>\r\n"
                            "Auto-Submitted: auto-generated\r\nX-Relais-Module: %s\r\n"
                            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                            "Content-Transfer-Encoding: 8bit\r\n\r\n",
                            date, id_text, host, module);
    append_body (bytes, text);
    return g_string_free_to_bytes (bytes);
}

/* --- Into the spool ----------------------------------------------------------------------------- */

static void
on_kept (gpointer data, const RelaisMessage *message, const GError *error)
{
    if (error != NULL)
        g_warning ("a mail to the postmaster cannot be kept now: %s", error->message);
}

static RelaisMessage *
make_message (const RelaisQueue *queue, guint64 id, const char *to)
{
    RelaisMessage *message = relais_message_new (id);
    RelaisEnvelope *envelope = &message->envelope;

    envelope->sender = g_strdup ("");
    relais_envelope_add_recipient (envelope, to);
    envelope->klass = RELAIS_CLASS_TRANSACTIONAL;
    envelope->header_from = g_strconcat ("mailer-daemon@", queue->settings.hostname, NULL);
    envelope->received_us = relais_loop_wall_us (queue->loop);
    relais_message_init_states (message);
    return message;
}

static GBytes *
event_of (const RelaisMessage *message, const char *module, gsize size)
{
    char id[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;

    relais_id_to_text (message->id, id);
    line = relais_event_line_new ("accepted", message->envelope.received_us, id, -1, 0);
    relais_event_line_add (line, "sender", "");
    relais_event_line_add (line, "recipient",
                           relais_envelope_recipient (&message->envelope, 0)->address);
    relais_event_line_add (line, "notice_of", module);
    relais_event_line_add_int (line, "size", (gint64)size);
    return relais_event_line_end (line);
}

bool
relais_queue_notify_postmaster (RelaisQueue *queue, const char *module, const char *subject,
                                const char *text)
{
    const char *to = relais_section_get_string (
        relais_config_find_section (queue->config, "relais", NULL), "postmaster");
    guint64 id;
    RelaisMessage *message;
    RelaisDraft *draft;
    g_autoptr (GBytes) bytes = NULL;
    g_autoptr (GBytes) event = NULL;

    if (to == NULL || queue->closed)
        return false;
    id = relais_spool_new_id (queue->spool);
    bytes = build (queue, id, to, module, subject, text);
    message = make_message (queue, id, to);
    draft = relais_queue_draft (queue, bytes);
    (void)relais_draft_end (draft);
    event = event_of (message, module, g_bytes_get_size (bytes));
    relais_queue_keep (queue, message, draft, event, on_kept, NULL);
    return true;
}
