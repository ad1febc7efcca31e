/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The milter protocol's octets and the edits of headers, by cases: what is read of a milter, what is refused, what is
 * written, and that a changed field is found again below fields that were put above it.
 */
#include "header-edits.h"
#include "wire.h"

#include <string.h>

#define PARSE(bytes, reply) milter_reply_parse (bytes, sizeof (bytes) - 1, reply)

static void
test_length (void)
{
    g_assert_cmpuint (milter_length_parse ((const guint8 *)"\0\0\0\1"), ==, 1);
    g_assert_cmpuint (milter_length_parse ((const guint8 *)"\0\1\0\0"), ==, MILTER_PACKET_BYTES);
    g_assert_cmpuint (milter_length_parse ((const guint8 *)"\0\1\0\1"), ==, 0);
    g_assert_cmpuint (milter_length_parse ((const guint8 *)"\377\377\377\377"), ==, 0);
    g_assert_cmpuint (milter_length_parse ((const guint8 *)"\0\0\0\0"), ==, 0);
}

static void
test_replies (void)
{
    MilterReply reply;

    g_assert_true (PARSE ("c", &reply));
    g_assert_cmpint (reply.kind, ==, MILTER_CONTINUE);
    g_assert_true (PARSE ("O\0\0\0\6\0\0\0\61\0\20\4\0", &reply));
    g_assert_cmpuint (reply.version, ==, 6);
    g_assert_cmpuint (reply.actions, ==, 0x31);
    g_assert_cmpuint (reply.steps, ==, 0x100400);
    g_assert_true (PARSE ("m\0\0\0\2Subject\0 new\0", &reply));
    g_assert_cmpuint (reply.index, ==, 2);
    g_assert_cmpstr (reply.name, ==, "Subject");
    g_assert_cmpstr (reply.value, ==, " new");
    g_assert_true (PARSE ("hX-A\0\0", &reply));
    g_assert_cmpstr (reply.value, ==, "");
    g_assert_true (PARSE ("qbad\0", &reply));
    g_assert_false (PARSE ("", &reply));
    g_assert_false (PARSE ("Z", &reply));
    g_assert_false (PARSE ("O\0\0\0\6\0\0\0\61", &reply));
    g_assert_false (PARSE ("hX-A\0value", &reply));
    g_assert_false (PARSE ("hX A\0value\0", &reply));
    g_assert_false (PARSE ("h\0value\0", &reply));
    g_assert_false (PARSE ("m\0\0", &reply));
    g_assert_false (PARSE ("qbad", &reply));
}

static void
check_code (const char *text, guint32 code, const char *enhanced, const char *said)
{
    g_autofree char *packet = g_strconcat ("y", text, NULL);
    MilterReply reply;

    g_assert_true (milter_reply_parse (packet, strlen (packet) + 1, &reply));
    g_assert_cmpuint (reply.code, ==, code);
    g_assert_cmpstr (reply.enhanced, ==, enhanced);
    g_assert_cmpstr (reply.text, ==, said);
    milter_reply_clear (&reply);
}

static void
test_codes (void)
{
    g_autofree char *lengthy = g_strnfill (2000, 'a');
    g_autofree char *cut = g_strnfill (MILTER_TEXT_BYTES, 'a');
    g_autofree char *long_code = g_strconcat ("550 ", lengthy, NULL);
    MilterReply reply;

    check_code ("550 5.7.1 No %% spam", 550, "5.7.1", "No % spam");
    check_code ("451 later", 451, NULL, "later");
    check_code ("550 4.7.1 other class", 550, NULL, "4.7.1 other class");
    check_code ("554", 554, NULL, "");
    check_code ("550-5.7.1 one\r\n550 5.7.1 two", 550, "5.7.1", "one two");
    check_code ("550 a\001b", 550, NULL, "a b");
    check_code (long_code, 550, NULL, cut);
    g_assert_false (PARSE ("y250 fine\0", &reply));
    g_assert_false (PARSE ("y55\0", &reply));
    g_assert_false (PARSE ("y550 no end", &reply));
}

static void
test_written (void)
{
    g_autoptr (GByteArray) out = g_byte_array_new ();
    static const char known[] = "\0\0\0\x1a"
                                "C[192.0.2.1]\0"
                                "4\0\x19"
                                "192.0.2.1";

    milter_packet_put_header (out, "A", 1, " b\r\n c", 6, false);
    g_assert_cmpmem (out->data, out->len, "\0\0\0\x08LA\0b\n c\0", 12);
    g_byte_array_set_size (out, 0);
    milter_packet_put_header (out, "A", 1, " b", 2, true);
    g_assert_cmpmem (out->data, out->len, "\0\0\0\x06LA\0 b\0", 10);
    g_byte_array_set_size (out, 0);
    milter_packet_put_connect (out, NULL, "192.0.2.1", 25);
    g_assert_cmpmem (out->data, out->len, known, sizeof known);
    g_byte_array_set_size (out, 0);
    milter_packet_put_connect (out, NULL, NULL, 0);
    g_assert_cmpmem (out->data, out->len,
                     "\0\0\0\x0c"
                     "C[unknown]\0U",
                     16);
}

/* What a packet may hold behind its letter goes whole, and one octet more is cut: value or name. */
static void
test_longest (void)
{
    const gsize most = 65535 - strlen ("A") - 2;
    g_autofree char *value = g_strnfill (most + 1, 'x');
    g_autofree char *name = g_strnfill (70000, 'N');
    g_autoptr (GByteArray) out = g_byte_array_new ();

    g_byte_array_append (out, (const guint8 *)"before", 6);
    g_assert_true (milter_packet_put_header (out, "A", 1, value, most, true));
    g_assert_cmpuint (out->len, ==, 6 + MILTER_LENGTH_BYTES + 1 + 65535);
    g_byte_array_set_size (out, 0);
    g_assert_false (milter_packet_put_header (out, "A", 1, value, most + 1, true));
    g_assert_cmpuint (out->len, ==, MILTER_LENGTH_BYTES + 1 + 65535);
    g_assert_cmpmem (out->data, 8, "\0\1\0\0LA\0x", 8);
    g_assert_cmpmem (out->data + out->len - 2, 2, "x", 2);
    /* What is left out does not count. */
    value[0] = value[100] = '\r';
    g_byte_array_set_size (out, 0);
    g_assert_true (milter_packet_put_header (out, "A", 1, value, most + 1, true));
    g_assert_cmpuint (out->len, ==, MILTER_LENGTH_BYTES + 1 + 65535 - 1);
    g_byte_array_set_size (out, 0);
    g_assert_false (milter_packet_put_header (out, name, 70000, "x", 1, true));
    g_assert_cmpuint (out->len, ==, MILTER_LENGTH_BYTES + 1 + 65535);
    g_assert_cmpmem (out->data + out->len - 3, 3, "N\0", 3);
}

static void
test_edits (void)
{
    static const char then[] = "A: 1\r\nB: x\r\nA: 2\r\na: 1\r\n\r\n";
    static const char now[] = "A: 0\r\nA: 1\r\nB: x\r\nA: 2\r\na: 1\r\n\r\n";
    g_autoptr (GByteArray) edits = g_byte_array_new ();
    g_autofree char *large = g_strnfill (MILTER_EDITS_BYTES, 'x');
    MilterEdit edit = {.kind = MILTER_EDIT_CHANGE, .name = "A", .value = ""};
    gsize at = 0;

    for (guint32 index = 1; index <= 3; index++) {
        g_autofree char *was = milter_edits_name_field ((const guint8 *)then, sizeof then - 1, "a",
                                                        index, &edit.below);

        edit.was = was;
        g_assert_cmpint (milter_edits_find_field ((const guint8 *)now, sizeof now - 1, &edit), ==,
                         index);
        g_assert_true (milter_edits_put (edits, &edit));
    }
    g_assert_null (
        milter_edits_name_field ((const guint8 *)then, sizeof then - 1, "A", 4, &edit.below));
    edit.was = "other";
    g_assert_cmpint (milter_edits_find_field ((const guint8 *)now, sizeof now - 1, &edit), ==, -1);
    edit.value = large;
    g_assert_false (milter_edits_put (edits, &edit));
    for (guint i = 0; i < 3; i++)
        g_assert_true (milter_edits_next (edits->data, edits->len, &at, &edit));
    g_assert_cmpstr (edit.name, ==, "A");
    g_assert_false (milter_edits_next (edits->data, edits->len, &at, &edit));
    at = 0;
    g_assert_false (milter_edits_next (edits->data, 20, &at, &edit));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/milter/length", test_length);
    g_test_add_func ("/milter/replies", test_replies);
    g_test_add_func ("/milter/codes", test_codes);
    g_test_add_func ("/milter/written", test_written);
    g_test_add_func ("/milter/longest", test_longest);
    g_test_add_func ("/milter/edits", test_edits);
    return g_test_run ();
}
