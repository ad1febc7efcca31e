/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What milters answer (modules/milter/wire.c). Properties: the input's first octets are the packet's length
 * as they are on the wire; of a packet that is one, names and values end within it, a name is fit for a
 * header field, and the text of a reply is UTF-8 of bounded length without control characters; a change
 * that is kept as an edit is read back as it was, and what the octets are as edits is read to an end.
 *
 * Parsers: modules/milter/header-edits.c, modules/milter/wire.c.
 */
#include "config.h"

#include "header-edits.h"
#include "fuzz.h"
#include "wire.h"

static const char *const words[] = {
    "O", "c", "a",     "t",    "y550 5.7.1 ", "y451-4.7.1 ", "550 ", "%%",   "\r\n", "h",
    "i", "m", "qheld", "X-A:", "Subject",     "s",           "p",    "y599", NULL};
const FuzzTarget fuzz_target = {20000, words};

static void
check_text (const MilterReply *reply)
{
    g_assert_cmpuint (reply->code, >=, 400);
    g_assert_cmpuint (reply->code, <=, 599);
    g_assert_cmpuint (strlen (reply->text), <=, MILTER_TEXT_BYTES);
    g_assert_true (g_utf8_validate (reply->text, -1, NULL));
    for (const char *at = reply->text; *at != '\0'; at++)
        g_assert_false (g_ascii_iscntrl (*at));
    if (reply->enhanced != NULL)
        g_assert_cmpuint ((guint)(reply->enhanced[0] - '0'), ==, reply->code / 100);
}

static void
check_change (const char *packet, gsize size, const MilterReply *reply)
{
    g_autoptr (GByteArray) edits = g_byte_array_new ();
    MilterEdit back;
    const MilterEdit edit = {.kind = (MilterEditKind)reply->kind,
                             .below = reply->index,
                             .name = reply->name,
                             .value = reply->value};
    gsize at = 0;

    g_assert_cmpuint (strcspn (reply->name, ": \t\r\n"), ==, strlen (reply->name));
    g_assert_true (reply->value + strlen (reply->value) < packet + size);
    if (!milter_edits_put (edits, &edit))
        return;
    g_assert_true (milter_edits_next (edits->data, edits->len, &at, &back));
    g_assert_cmpuint (at, ==, edits->len);
    g_assert_cmpuint (back.below, ==, reply->index);
    g_assert_cmpstr (back.name, ==, reply->name);
    g_assert_cmpstr (back.value, ==, reply->value);
}

static void
check_packet (const char *packet, gsize size)
{
    MilterReply reply;

    if (!milter_reply_parse (packet, size, &reply))
        return;
    if (reply.kind == MILTER_REPLY_CODE)
        check_text (&reply);
    else if (reply.kind == MILTER_ADD_HEADER || reply.kind == MILTER_INSERT_HEADER ||
             reply.kind == MILTER_CHANGE_HEADER)
        check_change (packet, size, &reply);
    milter_reply_clear (&reply);
}

/* The first field of a name is named so that it is found again. */
static void
check_block (const guint8 *bytes, gsize size)
{
    guint32 below;
    g_autofree char *was = milter_edits_name_field (bytes, size, "Subject", 1, &below);
    const MilterEdit edit = {
        .kind = MILTER_EDIT_CHANGE, .below = below, .name = "Subject", .was = was};

    if (was != NULL)
        g_assert_cmpint (milter_edits_find_field (bytes, size, &edit), ==, 0);
}

/* What is written says how long it is, is no longer than a packet may be, and holds no CR. */
static void
check_written (const guint8 *bytes, gsize size)
{
    g_autoptr (GByteArray) out = g_byte_array_new ();
    g_autofree char *text = fuzz_string (bytes, size);
    gsize first;

    milter_packet_put_header (out, text, strlen (text), (const char *)bytes, size, false);
    g_assert_cmpuint (milter_length_parse (out->data), ==, out->len - MILTER_LENGTH_BYTES);
    g_assert_null (
        memchr (out->data + MILTER_LENGTH_BYTES + 1, '\r', out->len - MILTER_LENGTH_BYTES - 1));
    first = out->len;
    milter_packet_put_connect (out, text, text, 25);
    milter_packet_put (out, 'Q');
    g_assert_cmpuint (first + MILTER_LENGTH_BYTES + milter_length_parse (out->data + first), ==,
                      out->len - MILTER_LENGTH_BYTES - 1);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree char *packet = NULL;
    MilterEdit edit;
    gsize length, at = 0, before = 0;

    while (milter_edits_next (bytes, size, &at, &edit)) {
        g_assert_cmpuint (at, >, before);
        g_assert_cmpuint (at, <=, size);
        before = at;
    }
    check_block (bytes, size);
    if (size < MILTER_LENGTH_BYTES)
        return 0;
    check_written (bytes, size);
    length = milter_length_parse (bytes);
    g_assert_cmpuint (length, <=, MILTER_PACKET_BYTES);
    length = MIN (size - MILTER_LENGTH_BYTES, (gsize)MILTER_PACKET_BYTES);
    packet = g_malloc (length + 1);
    memcpy (packet, bytes + MILTER_LENGTH_BYTES, length);
    packet[length] = '\0';
    check_packet (packet, length);
    return 0;
}
