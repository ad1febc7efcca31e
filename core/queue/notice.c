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

bool
relais_queue_notify_postmaster (RelaisQueue *queue, const char *module, const char *subject,
                                const char *text)
{
    const char *to = relais_section_get_string (
        relais_config_find_section (queue->config, "relais", NULL), "postmaster");
    g_autofree char *from = NULL;
    g_autoptr (GBytes) bytes = NULL;
    RelaisOwnMail mail;

    if (to == NULL || queue->closed)
        return false;
    from = g_strconcat ("mailer-daemon@", queue->settings.hostname, NULL);
    mail = (RelaisOwnMail){.id = relais_spool_new_id (queue->spool),
                           .to = to,
                           .from = from,
                           .about_key = "notice_of",
                           .about = module};
    bytes = build (queue, mail.id, to, module, subject, text);
    relais_queue_keep_own (queue, &mail, bytes, on_kept, NULL);
    return true;
}
