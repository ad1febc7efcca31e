/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The serial form of messages and states (core/message/codec.c), which recovery reads from disk.
 * Properties: what is read is written again so that it is read as the same; counts and ranges lie
 * within the bytes; nothing follows the end; a message made of the input's own strings comes back
 * as it was.
 *
 * Parsers: core/message/codec.c.
 */
#include "config.h"

#include "fuzz.h"
#include "message/message-private.h"

static const char *const words[] = {"\1",      "\2",   "\xff\xff\xff\xff\x0f", "\x80\x01",
                                    "\6a@b.c", "\1\1", "\x7f\x7f\x7f",         NULL};
const FuzzTarget fuzz_target = {50000, words};

static bool
read_nothing (gpointer data, guint64 offset, gpointer to, gsize size, GError **error)
{
    return false;
}

static GByteArray *
encode (RelaisMessage *message, const RelaisBodyFacts *facts)
{
    GByteArray *bytes = g_byte_array_new ();

    if (message->body == NULL)
        message->body = relais_body_new_reader (read_nothing, NULL, NULL, NULL, facts);
    relais_message_encode (message, bytes);
    return bytes;
}

static RelaisMessage *
decode (const guint8 *bytes, gsize size, RelaisBodyFacts *facts)
{
    g_autoptr (GError) error = NULL;
    RelaisMessage *message = relais_message_decode (7, bytes, size, facts, &error);

    g_assert_true ((message == NULL) == (error != NULL));
    return message;
}

static void
check_cuts (const RelaisMessage *message, const RelaisBodyFacts *facts)
{
    guint64 end = 0;

    for (guint i = 0; message->cuts != NULL && i < message->cuts->len; i++) {
        const RelaisRange *cut = &g_array_index (message->cuts, RelaisRange, i);

        g_assert_true (cut->offset >= end && cut->size <= facts->header_bytes);
        end = cut->offset + cut->size;
        g_assert_cmpuint (end, <=, facts->header_bytes);
    }
}

static void
check_states (RelaisMessage *message, const guint8 *bytes, gsize size)
{
    g_autoptr (GByteArray) out = g_byte_array_new ();
    g_autoptr (GError) error = NULL;

    if (!relais_states_decode (message, bytes, size, &error)) {
        g_assert_nonnull (error);
        return;
    }
    relais_states_encode (message, out);
    fuzz_assert_same (out->data, out->len, bytes, size);
}

static void
check_message (const guint8 *bytes, gsize size)
{
    RelaisBodyFacts facts = {0}, again = {0};
    g_autoptr (RelaisMessage) message = decode (bytes, size, &facts);
    g_autoptr (RelaisMessage) second = NULL;
    g_autoptr (GByteArray) out = NULL, twice = NULL;

    if (message == NULL)
        return;
    g_assert_cmpuint (facts.header_bytes, <=, facts.size_bytes);
    g_assert_cmpuint (message->envelope.recipients->len, >, 0);
    check_cuts (message, &facts);
    out = encode (message, &facts);
    second = decode (out->data, out->len, &again);
    g_assert_nonnull (second);
    twice = encode (second, &again);
    fuzz_assert_same (out->data, out->len, twice->data, twice->len);
    g_assert_null (decode (out->data, out->len - 1, NULL));
    g_byte_array_append (out, (const guint8 *)"", 1);
    g_assert_null (decode (out->data, out->len, NULL));
}

/* States of one to three recipients. */
static void
check_all_states (const guint8 *bytes, gsize size)
{
    for (guint n = 1; n <= 3; n++) {
        g_autoptr (RelaisMessage) message = relais_message_new (7);

        for (guint i = 0; i < n; i++)
            relais_envelope_add_recipient (&message->envelope, "a@x.test");
        check_states (message, bytes, size);
    }
}

/* The first octet of the header, and the last. */
static void
cut_ends (RelaisMessage *message, const RelaisBodyFacts *facts)
{
    const RelaisRange first = {0, MIN (facts->header_bytes, 1)};
    const RelaisRange last = {facts->header_bytes - first.size, first.size};

    message->cuts = g_array_new (FALSE, FALSE, sizeof (RelaisRange));
    g_array_append_val (message->cuts, first);
    if (last.offset > 0)
        g_array_append_val (message->cuts, last);
}

static void
check_made (const guint8 *bytes, gsize size)
{
    g_autoptr (RelaisMessage) message = relais_message_new (7);
    g_autoptr (RelaisMessage) back = NULL;
    g_autoptr (GByteArray) out = NULL;
    g_autofree char *text = fuzz_string (bytes, size);
    RelaisBodyFacts facts = {.size_bytes = size, .header_bytes = size / 2, .eight_bit = true};
    const RelaisRecipient *recipient;

    message->envelope.sender = g_strdup (text);
    relais_envelope_add_recipient (&message->envelope, "a@x.test")->orcpt = g_strdup (text);
    message->envelope.helo = g_strdup (text);
    message->envelope.received_us = -(gint64)size;
    message->prepend = g_bytes_new (bytes, size);
    relais_message_set_attribute (message, "fuzz.text", message->prepend);
    cut_ends (message, &facts);
    out = encode (message, &facts);
    back = decode (out->data, out->len, &facts);
    g_assert_nonnull (back);
    recipient = relais_envelope_recipient (&back->envelope, 0);
    g_assert_cmpstr (back->envelope.sender, ==, text);
    g_assert_cmpstr (recipient->orcpt, ==, text);
    g_assert_cmpstr (back->envelope.helo, ==, text);
    g_assert_null (back->envelope.tenant);
    g_assert_true (g_bytes_equal (back->prepend, message->prepend));
    g_assert_cmpint (back->envelope.received_us, ==, -(gint64)size);
    g_assert_true (
        g_bytes_equal (relais_message_find_attribute (back, "fuzz.text"), message->prepend));
    check_cuts (back, &facts);
    fuzz_assert_same (back->cuts->data, back->cuts->len * sizeof (RelaisRange), message->cuts->data,
                      message->cuts->len * sizeof (RelaisRange));
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    check_message (bytes, size);
    check_all_states (bytes, size);
    check_made (bytes, size);
    return 0;
}
