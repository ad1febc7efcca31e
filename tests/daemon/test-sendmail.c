/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/sendmail-options: what sendmail's options come to. core/message/local-text: lines of local text, split at every
 * octet.
 */
#include "config.h"

#include "sendmail-private.h"

#include "message/local-text-private.h"

#include <string.h>
#include <sysexits.h>

static const struct {
    const char *command;
    int status;
    const char *words; /* or NULL */
} options[] = {
    {"sendmail a@b", EX_OK, "inject --dot -- a@b"},
    {"sendmail -i -f x@y a@b c@d", EX_OK, "inject --from=x@y -- a@b c@d"},
    {"sendmail -oi -rx@y a@b", EX_OK, "inject --from=x@y -- a@b"},
    {"sendmail -t -oi -odb -oem -B 8BITMIME -em -v -m -G", EX_OK, "inject --t --"},
    {"sendmail -f<> -ti", EX_OK, "inject --from=<> --t --"},
    {"sendmail -i -FAnn -N success,delay -R hdrs -V id a@b", EX_OK,
     "inject --name=Ann --notify=success,delay --ret=hdrs --envid=id -- a@b"},
    {"sendmail -i -- -f@b", EX_OK, "inject -- -f@b"},
    {"sendmail -bm -i a@b", EX_OK, "inject -- a@b"},
    {"sendmail -bp", EX_OK, "queue list"},
    {"sendmail -bs", EX_UNAVAILABLE, NULL},
    {"sendmail -bd", EX_UNAVAILABLE, NULL},
    {"sendmail -q1h", EX_UNAVAILABLE, NULL},
    {"sendmail -i", EX_USAGE, NULL},
    {"sendmail -Z a@b", EX_USAGE, NULL},
    {"sendmail a@b -f", EX_USAGE, NULL},
};

static void
test_options (void)
{
    for (gsize i = 0; i < G_N_ELEMENTS (options); i++) {
        g_auto (GStrv) words = g_strsplit (options[i].command, " ", -1);
        const int argc = (int)g_strv_length (words);
        g_autofree char **argv = g_memdup2 (words, sizeof (char *) * ((gsize)argc + 1));
        g_autofree char *problem = NULL;
        RelaisSendmail sendmail;

        g_test_message ("%s", options[i].command);
        g_assert_cmpint (relais_sendmail_read (argc, argv, &sendmail, &problem), ==,
                         options[i].status);
        if (options[i].status == EX_OK) {
            g_autofree char *found = g_strjoinv (" ", (char **)sendmail.words->pdata);

            g_assert_cmpstr (found, ==, options[i].words);
        } else {
            g_assert_nonnull (problem);
        }
        relais_sendmail_clear (&sendmail);
    }
}

static const struct {
    const char *in, *out;
    bool dot_ends, bare_cr;
} texts[] = {
    {"", "", false, false},
    {"a", "a\r\n", false, false},
    {"a\nb\r\n\n", "a\r\nb\r\n\r\n", false, false},
    {".\n..\n.a", ".\r\n..\r\n.a\r\n", false, false},
    {"a\n.\nb\n", "a\r\n", true, false},
    {"a\n.\r\nb\n", "a\r\n", true, false},
    {".a\n..\na.\n.", ".a\r\n..\r\na.\r\n", true, false},
    {"a\rb\n", "ab\r\n", false, true},
    {"a\r", "a\r\n", false, true},
    {"a\r\r\n", "a\r\n", false, true},
};

static void
test_texts (void)
{
    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
        for (gsize at = 0; at <= strlen (texts[i].in); at++) {
            RelaisLocalText text = {.dot_ends = texts[i].dot_ends};
            g_autoptr (GByteArray) out = g_byte_array_new ();
            const guint8 *in = (const guint8 *)texts[i].in;

            relais_local_text_feed (&text, in, at, out);
            relais_local_text_feed (&text, in + at, strlen (texts[i].in) - at, out);
            relais_local_text_end (&text, out);
            g_assert_cmpmem (out->data, (int)out->len, texts[i].out, (int)strlen (texts[i].out));
            g_assert_cmpint (text.bare_cr, ==, texts[i].bare_cr);
        }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/sendmail/options", test_options);
    g_test_add_func ("/sendmail/texts", test_texts);
    return g_test_run ();
}
