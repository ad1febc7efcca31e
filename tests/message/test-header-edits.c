/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/message/header-edits: an edit changes nothing but what it says; what would end the header, double a
 * field, or change how the body is read is refused.
 */
#include "config.h"

#include "message/header-edits-private.h"

#include <string.h>

static const char message[] = "Received: from a by b;\r\n\tnow\r\n"
                              "X-One: 1\r\n"
                              "From: ann@a.test\r\n"
                              "x-one:2\r\n"
                              "Subject: hello\r\n there\r\n"
                              "Content-Type: text/plain\r\n"
                              "X-Last: z\r\n"
                              "\r\n"
                              "X-One: in the body\r\n";

static RelaisHeaderEdits *
edits_of (const char *text)
{
    const char *end = strstr (text, "\r\n\r\n");
    g_autoptr (GBytes) block =
        g_bytes_new (text, end != NULL ? (gsize)(end - text) + 4 : strlen (text));

    return relais_header_edits_new (block);
}

static char *
apply (const RelaisHeaderEdits *edits, const char *text)
{
    g_autoptr (RelaisRope) rope = relais_rope_new ();
    g_autoptr (RelaisRope) out = NULL;
    const gsize all = strlen (text);
    gsize size;
    char *bytes;

    /* In pieces, so that nobody relies on one. */
    for (gsize at = 0; at < all; at += 7)
        relais_rope_append_copy (rope, text + at, MIN (7, all - at));
    out = relais_header_edits_apply (edits, rope);
    size = (gsize)relais_rope_size (out);
    bytes = g_malloc0 (size + 1);
    g_assert_cmpint (relais_rope_read (out, 0, bytes, size, NULL), ==, (gssize)size);
    return bytes;
}

static void
test_edits (void)
{
    g_autoptr (RelaisHeaderEdits) edits = edits_of (message);
    g_autofree char *before = apply (edits, message);
    g_autofree char *after = NULL;

    g_assert_cmpstr (before, ==, message);
    g_assert_true (relais_header_edits_remove (edits, "X-ONE", 1));
    g_assert_true (relais_header_edits_replace (edits, "subject", 0, "bye\r\n\tnow"));
    g_assert_true (relais_header_edits_add (edits, "X-New", "a"));
    g_assert_true (relais_header_edits_add (edits, "X-New", ""));
    after = apply (edits, message);
    g_assert_cmpstr (after, ==,
                     "Received: from a by b;\r\n\tnow\r\nX-One: 1\r\nFrom: ann@a.test\r\n"
                     "subject: bye\r\n\tnow\r\nContent-Type: text/plain\r\nX-Last: z\r\n"
                     "X-New: a\r\nX-New: \r\n\r\nX-One: in the body\r\n");
}

static void
test_refusals (void)
{
    static const char *const staying[] = {"From",     "Date",         "Message-ID",
                                          "Received", "MIME-Version", "Content-Type"};
    static const char *const values[] = {"a\r\nX: b",  "a\r\n\r\nb", "a\nb",     "a\rb",
                                         "a\r\n \r\n", "a\r\n \t",   "\303\251", "\001"};
    static const char *const names[] = {"", "X Y", "X:Y", "X\r\nY", "X\303\251"};
    g_autoptr (RelaisHeaderEdits) edits = edits_of (message);
    g_autofree char *after = NULL;

    for (guint i = 0; i < G_N_ELEMENTS (staying); i++) {
        g_assert_false (relais_header_edits_remove (edits, staying[i], 0));
        g_assert_false (relais_header_edits_replace (edits, staying[i], 0, "x"));
        g_assert_false (relais_header_edits_add (edits, staying[i], "x"));
    }
    for (guint i = 0; i < G_N_ELEMENTS (values); i++) {
        g_assert_false (relais_header_edits_replace (edits, "X-One", 0, values[i]));
        g_assert_false (relais_header_edits_add (edits, "X-New", values[i]));
    }
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        g_assert_false (relais_header_edits_add (edits, names[i], "x"));
    g_assert_false (relais_header_edits_remove (edits, "X-One", 2));
    g_assert_false (relais_header_edits_remove (edits, "X-None", 0));
    g_assert_false (relais_header_edits_add (edits, "Subject", "another"));
    after = apply (edits, message);
    g_assert_cmpstr (after, ==, message);
}

/* One of a kind stays one, however it comes about; nothing is edited twice. */
static void
test_single (void)
{
    g_autoptr (RelaisHeaderEdits) edits = edits_of (message);

    g_assert_true (relais_header_edits_remove (edits, "Subject", 0));
    g_assert_false (relais_header_edits_remove (edits, "Subject", 0));
    g_assert_false (relais_header_edits_replace (edits, "Subject", 0, "x"));
    g_assert_true (relais_header_edits_add (edits, "Subject", "x"));
    g_assert_false (relais_header_edits_add (edits, "SUBJECT", "y"));
    g_assert_true (relais_header_edits_add (edits, "Reply-To", "x@a.test"));
    g_assert_false (relais_header_edits_add (edits, "Reply-To", "y@a.test"));
}

/* Where readers may differ on what is header nothing is touched. */
static void
test_doubtful (void)
{
    static const char *const texts[] = {"X-One: 1\r\nno field\r\n\r\nbody\r\n",
                                        "X-One: 1\nX-Two: 2\r\n\r\nbody\r\n",
                                        "X-One: 1\rX-Two: 2\r\n\r\nbody\r\n",
                                        "no header at all\r\n",
                                        "X-One: 1",
                                        ""};

    for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
        g_autoptr (RelaisHeaderEdits) edits = edits_of (texts[i]);
        g_autofree char *after = NULL;

        g_assert_false (relais_header_edits_remove (edits, "X-One", 0));
        g_assert_false (relais_header_edits_replace (edits, "X-One", 0, "x"));
        g_assert_false (relais_header_edits_add (edits, "X-New", "x"));
        after = apply (edits, texts[i]);
        g_assert_cmpstr (after, ==, texts[i]);
    }
}

static void
test_ends (void)
{
    static const struct {
        const char *text, *after;
    } rows[] = {
        {"\r\nbody\r\n", "X-New: x\r\n\r\nbody\r\n"},
        {"X-One: 1\r\n", "X-One: 1\r\nX-New: x\r\n"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autoptr (GBytes) block = g_bytes_new (rows[i].text, i == 0 ? 2 : strlen (rows[i].text));
        g_autoptr (RelaisHeaderEdits) edits = relais_header_edits_new (block);
        g_autofree char *after = NULL;

        g_assert_true (relais_header_edits_add (edits, "X-New", "x"));
        after = apply (edits, rows[i].text);
        g_assert_cmpstr (after, ==, rows[i].after);
    }
}

/* Lines of 998 octets, 64 KiB in all: the last one that fits, and the first that does not. */
static void
test_limits (void)
{
    g_autoptr (RelaisHeaderEdits) edits = edits_of (message);
    g_autofree char *longest = g_strnfill (998 - strlen ("X-A: "), 'a');
    g_autofree char *longer = g_strnfill (998 - strlen ("X-A: ") + 1, 'a');
    g_autofree char *exact = NULL, *over = NULL;
    gsize left = RELAIS_HEADER_EDIT_BYTES;

    g_assert_false (relais_header_edits_add (edits, "X-A", longer));
    for (; left >= 2000; left -= 1000)
        g_assert_true (relais_header_edits_add (edits, "X-A", longest));
    g_assert_true (relais_header_edits_add (edits, "X-A", "12345678")); /* 15 octets */
    left -= 15;
    exact = g_strnfill (600, 'b');
    g_assert_true (relais_header_edits_add (edits, "X-A", exact)); /* 607 */
    left -= 607;
    g_assert_cmpuint (left, >, 7);
    g_assert_cmpuint (left, <=, 998 + 2);
    over = g_strnfill (left - 7 + 1, 'c');
    g_assert_false (relais_header_edits_add (edits, "X-A", over));
    over[left - 7] = '\0';
    g_assert_true (relais_header_edits_add (edits, "X-A", over));
    g_assert_false (relais_header_edits_add (edits, "X", ""));
    g_assert_true (relais_header_edits_remove (edits, "X-One", 0));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/header-edits/edits", test_edits);
    g_test_add_func ("/header-edits/refusals", test_refusals);
    g_test_add_func ("/header-edits/single", test_single);
    g_test_add_func ("/header-edits/doubtful", test_doubtful);
    g_test_add_func ("/header-edits/ends", test_ends);
    g_test_add_func ("/header-edits/limits", test_limits);
    return g_test_run ();
}
