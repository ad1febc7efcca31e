/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Header blocks and what submission does to them (core/message/header.c, hygiene.c). Properties:
 * fields stand one behind the other and cover what is well-formed, for a lenient reader all; what is cut
 * is whole fields, ascending and disjoint; what is put before is well-formed, in short lines. The header
 * that a reader of a submitted message sees is well-formed, tells of no Bcc, Return-Path or X-Relais- field
 * and has one author, who is the envelope's. A refusal is a 5xx in one printable line.
 *
 * Parsers: core/message/header.c, core/message/hygiene.c.
 */
#include "config.h"

#include "fuzz.h"
#include "message/header-private.h"

static const char *const words[] = {"From: a@x.test\r\n",
                                    "Bcc: b@x.test\r\n",
                                    "Date: x\r\n",
                                    "Message-ID: <a@b>\r\n",
                                    "X-Relais-Class: bulk\r\n",
                                    "X-Relais-Campaign: c\r\n",
                                    "Return-Path: <>\r\n",
                                    "Received: x\r\n",
                                    "Resent-Bcc:",
                                    "Precedence: bulk\r\n",
                                    ": ",
                                    "\r\n\t",
                                    NULL};
const FuzzTarget fuzz_target = {20000, words};

enum { LINE_OCTETS = 998 };
static const gint64 wall_us = 1800000000 * (gint64)G_USEC_PER_SEC;

static void
check_fields (const guint8 *block, gsize size)
{
    RelaisField field;
    gsize position = 0, end = 0;
    guint n = 0;

    for (; relais_header_next (block, size, &position, &field); n++) {
        g_autofree char *value = relais_field_unfold (&field);

        g_assert_nonnull (value);
        g_assert_true (field.offset == end && field.size > 0 && position == end + field.size);
        g_assert_true (field.name == (const char *)block + end && field.name_size > 0);
        g_assert_true (field.value + field.value_size <= (const char *)block + position);
        end = position;
    }
    g_assert_cmpuint (end, <=, size);
    g_assert_cmpuint (relais_header_count_fields ((const char *)block, size), <=, n);
    if (relais_header_is_well_formed (block, size))
        g_assert_cmpuint (size - end, <=, 2);
    for (end = position = 0; relais_header_next_lenient (block, size, &position, &field);
         end = position) {
        g_assert_true (field.offset == end && field.size > 0 && position == end + field.size);
        g_assert_true (field.name + field.name_size <= field.value &&
                       field.value + field.value_size <= (const char *)block + position);
    }
    g_assert_cmpuint (end, ==, size);
}

static void
check_lines (const char *text, gsize size)
{
    const char *end = text + size;

    g_assert_true (size >= 2 && memcmp (end - 2, "\r\n", 2) == 0);
    while (text < end) {
        const char *lf = memchr (text, '\n', (gsize)(end - text));

        g_assert_cmpint (lf - text, <=, LINE_OCTETS + 1);
        text = lf + 1;
    }
}

/* Each range a run of whole fields. */
static void
check_cuts (const GArray *cuts, const guint8 *block, gsize size)
{
    gsize position = 0;
    RelaisField field;

    for (guint i = 0; cuts != NULL && i < cuts->len; i++) {
        const RelaisRange *cut = &g_array_index (cuts, RelaisRange, i);

        g_assert_true (cut->offset >= position && cut->size > 0);
        while (position < cut->offset)
            g_assert_true (relais_header_next_lenient (block, size, &position, &field));
        g_assert_cmpuint (position, ==, cut->offset);
        while (position < cut->offset + cut->size)
            g_assert_true (relais_header_next_lenient (block, size, &position, &field));
        g_assert_cmpuint (position, ==, cut->offset + cut->size);
    }
}

static GByteArray *
seen_by_reader (const RelaisMessage *message, const guint8 *block, gsize size)
{
    GByteArray *seen = g_byte_array_new ();
    gsize at = 0, n;
    const guint8 *prepend = g_bytes_get_data (message->prepend, &n);

    g_byte_array_append (seen, prepend, (guint)n);
    for (guint i = 0; message->cuts != NULL && i < message->cuts->len; i++) {
        const RelaisRange *cut = &g_array_index (message->cuts, RelaisRange, i);

        g_byte_array_append (seen, block + at, (guint)(cut->offset - at));
        at = (gsize)(cut->offset + cut->size);
    }
    g_byte_array_append (seen, block + at, (guint)(size - at));
    return seen;
}

static guint
count (const GByteArray *header, const char *name)
{
    RelaisField field;
    gsize position = 0;
    guint n = 0;

    while (relais_header_next (header->data, header->len, &position, &field)) {
        g_assert_true (field.name_size < 9 ||
                       g_ascii_strncasecmp (field.name, "X-Relais-", 9) != 0);
        n += relais_field_is (&field, name);
    }
    return n;
}

static void
check_submitted (const RelaisMessage *message, const RelaisHygieneOptions *options,
                 const GByteArray *header)
{
    g_autofree char *author = NULL;
    RelaisField from;

    g_assert_true (relais_header_is_well_formed (header->data, header->len));
    g_assert_cmpuint (count (header, "Bcc"), ==, 0);
    g_assert_cmpuint (count (header, "Resent-Bcc"), ==, 0);
    g_assert_cmpuint (count (header, "Return-Path"), ==, 0);
    g_assert_cmpuint (count (header, "From"), ==, 1);
    g_assert_true (relais_header_find (header->data, header->len, "From", &from));
    g_assert_true (relais_header_parse_author (from.value, from.value_size, &author));
    g_assert_cmpstr (author, ==, message->envelope.header_from);
    if (options->missing != 0)
        return;
    g_assert_cmpuint (count (header, "Date"), >=, 1);
    g_assert_cmpuint (count (header, "Message-ID"), >=, 1);
}

static void
check_refusal (const RelaisHeaderRefusal *refusal)
{
    g_assert_true (refusal->code >= 500 && refusal->code < 600);
    g_assert_true (refusal->enhanced != NULL && refusal->enhanced[0] == '5');
    for (const char *p = refusal->text; *p != '\0'; p++)
        g_assert_true ((guint8)*p >= 0x20 && (guint8)*p < 0x7f);
}

static void
check_hygiene (const guint8 *block, gsize size, const RelaisHygieneOptions *options)
{
    g_autoptr (RelaisMessage) message = relais_message_new (1);
    g_autoptr (GByteArray) seen = NULL;
    RelaisHeaderRefusal refusal = {0};
    gsize n;

    message->envelope.sender = g_strdup ("");
    relais_envelope_add_recipient (&message->envelope, "\"b\x7f\" c\"@rcpt.test");
    if (!relais_hygiene_apply (message, block, size, options, true, false, &refusal)) {
        check_refusal (&refusal);
        relais_header_refusal_clear (&refusal);
        return;
    }
    check_cuts (message->cuts, block, size);
    g_assert_true (relais_header_is_well_formed (g_bytes_get_data (message->prepend, &n),
                                                 g_bytes_get_size (message->prepend)));
    check_lines (g_bytes_get_data (message->prepend, NULL), n);
    seen = seen_by_reader (message, block, size);
    if (options->submission)
        check_submitted (message, options, seen);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);
    const gsize from = fuzz_random_below (&random, size);
    g_autofree char *client = fuzz_string (bytes + from, size - from);
    RelaisHygieneOptions options = {.max_hops = 5,
                                    .max_fields = 50,
                                    .hostname = "mx.test",
                                    .received_with = "ESMTP",
                                    .client_name_and_address = client,
                                    .tls = client,
                                    .author_name = client,
                                    .authserv_id = "mx.test",
                                    .wall_us = wall_us};

    check_fields (bytes, size);
    for (guint i = 0; i < 3; i++) {
        options.submission = i < 2;
        options.missing = (guint)fuzz_random_below (&random, 3);
        options.duplicate = i == 1;
        options.author = i == 1 ? "root@mx.test" : NULL;
        check_hygiene (bytes, size, &options);
    }
    return 0;
}
