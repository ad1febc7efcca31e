/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests/message/test-dsn.py: reads one command a line, values in hexadecimal ("-" for none), builds
 * the report and writes it.
 *   sender V | envid V | message-id V | author V | header V | full V
 *   outside (recipients from here on are there for everybody) | result ATTRIBUTE WORD (in clear)
 *   rcpt ADDRESS ORCPT NOTIFY ACTION STATUS REMOTE DIAGNOSTIC IS_SMTP
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "message/dsn-private.h"

enum { WALL_S = 1782000000 };

typedef struct {
    RelaisMessage *message;
    GArray *recipients; /* RelaisDsnRecipient */
    GPtrArray *strings;
    GByteArray *header;
    GBytes *full;
    bool outside;
} Input;

static GByteArray *
from_hex (const char *text)
{
    GByteArray *bytes = g_byte_array_new ();

    for (; g_ascii_isxdigit (text[0]) && g_ascii_isxdigit (text[1]); text += 2) {
        guint8 octet =
            (guint8)(g_ascii_xdigit_value (text[0]) * 16 + g_ascii_xdigit_value (text[1]));

        g_byte_array_append (bytes, &octet, 1);
    }
    return bytes;
}

static char *
string_from_hex (const char *text)
{
    GByteArray *bytes;

    if (strcmp (text, "-") == 0)
        return NULL;
    bytes = from_hex (text);
    g_byte_array_append (bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free (bytes, FALSE);
}

static const char *
kept (Input *input, const char *text)
{
    char *string = string_from_hex (text);

    g_ptr_array_add (input->strings, string);
    return string;
}

static void
read_recipient (Input *input, char **words)
{
    g_autofree char *address = string_from_hex (words[1]);
    RelaisRecipient *known = relais_envelope_add_recipient (&input->message->envelope, address);
    RelaisDsnRecipient recipient = {
        .recipient = input->message->envelope.recipients->len - 1,
        .action = (RelaisDsnAction)g_ascii_strtoull (words[4], NULL, 10),
        .status = kept (input, words[5]),
        .remote_mta = kept (input, words[6]),
        .diagnostic = kept (input, words[7]),
        .diagnostic_is_smtp = words[8][0] == '1',
        .last_attempt_us = G_GINT64_CONSTANT (1000000) * WALL_S,
        .will_retry_until_us = G_GINT64_CONSTANT (1000000) * (WALL_S + 86400),
    };

    known->claimed = input->outside;
    known->orcpt = string_from_hex (words[2]);
    known->notify = (guint8)g_ascii_strtoull (words[3], NULL, 10);
    g_array_append_val (input->recipients, recipient);
}

static void
read_line (Input *input, const char *line)
{
    g_auto (GStrv) words = g_strsplit (line, " ", -1);
    RelaisEnvelope *envelope = &input->message->envelope;

    if (strcmp (words[0], "sender") == 0)
        envelope->sender = string_from_hex (words[1]);
    else if (strcmp (words[0], "envid") == 0)
        envelope->envid = string_from_hex (words[1]);
    else if (strcmp (words[0], "message-id") == 0)
        envelope->message_id = string_from_hex (words[1]);
    else if (strcmp (words[0], "outside") == 0)
        input->outside = true;
    else if (strcmp (words[0], "author") == 0)
        envelope->header_from = string_from_hex (words[1]);
    else if (strcmp (words[0], "result") == 0) {
        g_autoptr (GBytes) value = g_bytes_new (words[2], strlen (words[2]));

        g_assert_true (relais_message_set_attribute (input->message, words[1], value));
    } else if (strcmp (words[0], "header") == 0)
        input->header = from_hex (words[1]);
    else if (strcmp (words[0], "full") == 0)
        input->full = g_byte_array_free_to_bytes (from_hex (words[1]));
    else if (strcmp (words[0], "rcpt") == 0)
        read_recipient (input, words);
}

static void
write_report (const Input *input)
{
    const RelaisDsnOptions options = {.original = input->message,
                                      .header = input->header->data,
                                      .header_size = input->header->len,
                                      .full = input->full,
                                      .recipients = (const void *)input->recipients->data,
                                      .n_recipients = input->recipients->len,
                                      .hostname = "mx.relais.test",
                                      .id = 77,
                                      .wall_us = G_GINT64_CONSTANT (1000000) * WALL_S};
    g_autoptr (GBytes) report = relais_dsn_build (&options);

    for (guint i = 0; i < input->recipients->len; i++)
        fputc (relais_dsn_wanted (input->message, i, options.recipients[i].action) &&
                       relais_dsn_is_answerable (input->message, i, options.header,
                                                 options.header_size)
                   ? '1'
                   : '0',
               stdout);
    fputc ('\n', stdout);
    fwrite (g_bytes_get_data (report, NULL), 1, g_bytes_get_size (report), stdout);
}

int
main (void)
{
    Input input = {.message = relais_message_new (5),
                   .recipients = g_array_new (FALSE, FALSE, sizeof (RelaisDsnRecipient)),
                   .strings = g_ptr_array_new_with_free_func (g_free)};
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    input.message->envelope.received_us = G_GINT64_CONSTANT (1000000) * (WALL_S - 60);
    while ((n = getline (&line, &room, stdin)) > 0) {
        line[n - 1] = '\0';
        read_line (&input, line);
    }
    write_report (&input);
    free (line);
    relais_message_unref (input.message);
    g_array_unref (input.recipients);
    g_ptr_array_unref (input.strings);
    g_byte_array_unref (input.header);
    g_clear_pointer (&input.full, g_bytes_unref);
    return 0;
}
