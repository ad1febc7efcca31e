/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/dotstuff and the client's body: what a receiver decodes is what the rope holds, or it
 * was refused; nothing on the wire could be taken for another end. Bodies on disk come in bounded
 * memory, and one that cannot be read never ends in a dot.
 */
#include "config.h"

#include "client-peer.h"

#include "smtp/dotstuff-private.h"

#include <string.h>

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define UP_TO_DATA                                                                                 \
    "S 220 mx.test", "E EHLO client.test", "S 250 mx.test", "C MAIL", "S 250 ok", "C RCPT",        \
        "S 250 ok", "C DATA"
#define DELIVERY UP_TO_DATA, "S 354 go", "B", "S 250 ok", "C QUIT", "S 221 bye"

/* --- The dot-stuffer alone ----------------------------------------------------------------------- */

static void
collect (gpointer data, const guint8 *bytes, gsize size)
{
    g_assert_cmpuint (size, >, 0);
    g_string_append_len (data, (const char *)bytes, (gssize)size);
}

/* In pieces of at most `piece` octets; each its own allocation, for the sanitizer. */
static bool
stuff (const char *text, gsize size, gsize piece, GString *wire)
{
    RelaisDotStuff state = {0};
    bool ok = true;

    for (gsize at = 0; at < size; at += piece) {
        gsize n = MIN (piece, size - at);
        g_autofree guint8 *bytes = g_memdup2 (text + at, n);

        ok = relais_dot_stuff (&state, bytes, n, collect, wire);
    }
    bool end = relais_dot_stuff_end (&state, collect, wire);

    /* What broke stays broken. */
    g_assert_true (ok || !end);
    return end;
}

static void
test_vectors (void)
{
    static const struct {
        const char *text, *wire; /* NULL: refused */
    } vectors[] = {
        {"", ".\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {".", "..\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"\r\n.\r\n", "\r\n..\r\n.\r\n"},
        {"a.\r\n..b\r\n", "a.\r\n...b\r\n.\r\n"},
        {"\n", NULL},
        {"a\n.\r\n", NULL},
        {"a\r\n.\n", NULL},
        {"a\r.\r\n", NULL},
        {"a\r\r\n", NULL},
        {"a\r", NULL},
        {"a\n\r\n", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS (vectors); i++)
        for (gsize piece = 1; piece <= 8; piece++) {
            g_autoptr (GString) wire = g_string_new (NULL);
            bool ok = stuff (vectors[i].text, strlen (vectors[i].text), piece, wire);

            g_assert_true (ok == (vectors[i].wire != NULL));
            if (ok)
                g_assert_cmpstr (wire->str, ==, vectors[i].wire);
        }
}

/* Every CR is followed by LF and every LF follows a CR. */
static bool
has_clean_ends (const char *text, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        if (text[i] == '\r' && (i + 1 == size || text[i + 1] != '\n'))
            return false;
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
            return false;
    }
    return true;
}

/* What a receiver sees, by a rule that knows nothing of ours: split at CRLF. */
static void
check_wire (const char *text, gsize size, const GString *wire)
{
    g_autoptr (GString) decoded = g_string_new (NULL);
    const char *at = wire->str, *end = wire->str + wire->len;

    g_assert_true (has_clean_ends (wire->str, wire->len));
    for (;;) {
        const char *line = at;
        const char *stop = memmem (at, (gsize)(end - at), "\r\n", 2);

        g_assert_nonnull (stop);
        at = stop + 2;
        if (stop - line == 1 && *line == '.')
            break;
        if (*line == '.')
            line++;
        g_string_append_len (decoded, line, at - line);
    }
    g_assert_true (at == end);
    if (size > 0 && text[size - 1] != '\n') {
        g_assert_cmpuint (decoded->len, ==, size + 2);
        g_string_truncate (decoded, size);
    }
    check_octets (decoded, text, size);
}

static void
random_text (GString *text, bool clean)
{
    static const char *const biased[] = {"\r\n",   "\r\n", ".",  ".",  "\r\n.\r\n", "a",      "xyz",
                                         "\r\n..", "",     "\r", "\n", "\n.\r\n",   "\r\n.\n"};
    gint n = g_test_rand_int_range (0, 16);

    g_string_truncate (text, 0);
    for (gint i = 0; i < n; i++) {
        gint word = g_test_rand_int_range (0, clean ? 9 : (gint)G_N_ELEMENTS (biased));

        if (biased[word][0] == '\0')
            g_string_append_c (text, '\0');
        else
            g_string_append (text, biased[word]);
    }
}

static void
test_random_stuffing (void)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_autoptr (GString) wire = g_string_new (NULL);
    guint sent = 0, refused = 0;

    for (guint round = 0; round < 100000; round++) {
        random_text (text, g_test_rand_bit ());
        g_string_truncate (wire, 0);
        bool ok = stuff (text->str, text->len, (gsize)g_test_rand_int_range (1, 20), wire);

        g_assert_true (ok == has_clean_ends (text->str, text->len));
        if (ok)
            check_wire (text->str, text->len, wire);
        else /* what left before was clean so far */
            g_assert_true (wire->len == 0 || has_clean_ends (wire->str, wire->len));
        sent += ok;
        refused += !ok;
    }
    g_assert_cmpuint (sent, >, 1000);
    g_assert_cmpuint (refused, >, 1000);
}

/* --- Through the client -------------------------------------------------------------------------- */

/* A body "on disk": octet i is a function of i; reads may fail from some offset on. */
typedef struct {
    guint64 size;
    guint64 fails_from;
    guint64 bad_octet; /* a bare LF stands here; 0: none */
    guint64 most_read; /* the largest single read */
    guint reads;
    bool watch_memory;
    guint64 most_resident;
} Disk;

enum { LINE = 61 };

static char
disk_octet (const Disk *disk, guint64 at)
{
    static const char line[LINE] = "..abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRST\r\n";

    return disk->bad_octet != 0 && at == disk->bad_octet ? '\n' : line[at % (LINE - 1)];
}

static guint64
resident_bytes (void)
{
    g_autofree char *statm = NULL;
    g_auto (GStrv) words = NULL;

    g_assert_true (g_file_get_contents ("/proc/self/statm", &statm, NULL, NULL));
    words = g_strsplit (statm, " ", 3);
    return g_ascii_strtoull (words[1], NULL, 10) * 4096;
}

static bool
disk_read (gpointer data, guint64 offset, gpointer to, gsize size, GError **error)
{
    Disk *disk = data;

    relais_assert_may_block ();
    disk->reads++;
    if (disk->watch_memory) {
        guint64 resident = resident_bytes ();

        disk->most_resident = MAX (disk->most_resident, resident);
    }
    disk->most_read = MAX (disk->most_read, size);
    if (offset + size > disk->fails_from) {
        g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_IO, "medium error");
        return false;
    }
    for (gsize i = 0; i < size; i++)
        ((char *)to)[i] = disk_octet (disk, offset + i);
    return true;
}

static RelaisBody *
disk_body (Disk *disk)
{
    const RelaisBodyFacts facts = {.size_bytes = disk->size};

    return relais_body_new_reader (disk_read, NULL, disk, NULL, &facts);
}

static RelaisRope *
disk_rope (Disk *disk)
{
    g_autoptr (RelaisBody) body = disk_body (disk);
    RelaisRope *rope = relais_rope_new ();

    relais_rope_append_body (rope, body, 0, disk->size);
    return rope;
}

static void
check_against_disk (const Disk *disk, const GString *message)
{
    g_assert_cmpuint (message->len, ==, disk->size);
    for (gsize i = 0; i < message->len; i++)
        if (message->str[i] != disk_octet (disk, i))
            g_error ("octet %zu differs", i);
}

static void
test_from_disk (void)
{
    /* Around the chunk's size, and many of them. */
    static const guint64 sizes[] = {60, 262140, 262200, 524280, 3000000};

    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
        Disk disk = {.size = sizes[i] / 60 * 60, .fails_from = G_MAXUINT64};
        g_auto (Run) run;
        g_auto (Mail) mail;

        run_init (&run);
        mail_init_rope (&mail, 1, disk_rope (&disk));
        run_mail (&run, &mail, SCRIPT (DELIVERY));
        g_assert_cmpuint (run_code (&run, 0), ==, 250);
        check_against_disk (&disk, run.peer.message);
        g_assert_cmpuint (disk.most_read, <=, 256 * 1024);
        g_assert_cmpuint (disk.reads, ==, (disk.size + 262143) / 262144);
    }
}

/* One chunk of the size told before, if the owner says how the message ends; DATA if it does not. */
static void
test_chunk_from_disk (void)
{
    static const guint64 sizes[] = {60, 262140, 262200, 3000000};

    for (guint i = 0; i < 2 * G_N_ELEMENTS (sizes); i++) {
        Disk disk = {.size = sizes[i / 2], .fails_from = G_MAXUINT64};
        bool known = i % 2 == 0;
        g_autofree char *bdat = g_strdup_printf ("E BDAT %" G_GUINT64_FORMAT " LAST", disk.size);
        g_autofree char *octets = g_strdup_printf ("N %" G_GUINT64_FORMAT, disk.size);
        const char *script[] = {"S 220 mx.test",
                                "E EHLO client.test",
                                "s 250-mx.test\r\n250 CHUNKING\r\n",
                                "E MAIL FROM:<s@a.test>",
                                "S 250 ok",
                                "E RCPT TO:<r0@b.test>",
                                "S 250 ok",
                                known ? bdat : "E DATA",
                                known ? octets : "S 354 go",
                                known ? "S 250 ok" : "B",
                                known ? "E QUIT" : "S 250 ok",
                                known ? "S 221 bye" : "E QUIT",
                                known ? "x" : "S 221 bye",
                                known ? NULL : "x",
                                NULL};
        g_auto (Run) run;
        g_auto (Mail) mail;

        run_init (&run);
        mail_init_rope (&mail, 1, disk_rope (&disk));
        mail.tx.chunking = true;
        mail.tx.ends_a_line = known;
        run_mail (&run, &mail, script);
        g_assert_cmpuint (run_code (&run, 0), ==, 250);
        check_against_disk (&disk, run.peer.message);
        g_assert_cmpuint (disk.most_read, <=, 256 * 1024);
    }
}

/* A chunk that cannot be read to its end is cut short: no message. */
static void
test_chunk_read_fails (void)
{
    Disk disk = {.size = 3000000, .fails_from = 300000};
    static const char *const script[] = {"S 220 mx.test",
                                         "E EHLO client.test",
                                         "s 250-mx.test\r\n250 CHUNKING\r\n",
                                         "E MAIL FROM:<s@a.test>",
                                         "S 250 ok",
                                         "E RCPT TO:<r0@b.test>",
                                         "S 250 ok",
                                         "E BDAT 3000000 LAST",
                                         "N 3000000",
                                         NULL};
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init_rope (&mail, 1, disk_rope (&disk));
    mail.tx.chunking = mail.tx.ends_a_line = true;
    run_mail (&run, &mail, script);
    g_assert_cmpint (run.sent_failure.refused, ==, RELAIS_REFUSED_READ);
    g_assert_true (run.peer.cut);
    g_assert_cmpuint (run.peer.message->len, <, disk.size);
}

/* Pieces in memory before, between and behind what lies on disk. */
static void
test_mixed_pieces (void)
{
    Disk disk = {.size = 600000, .fails_from = G_MAXUINT64};
    g_autoptr (RelaisBody) body = disk_body (&disk);
    RelaisRope *rope = relais_rope_new ();
    g_autoptr (GString) expected = g_string_new ("Received: x\r\n");
    g_auto (Run) run;
    g_auto (Mail) mail;

    relais_rope_append_copy (rope, "Received: x\r\n", 13);
    for (guint i = 0; i < 3; i++) {
        relais_rope_append_body (rope, body, i * 180000, 180000 + i * 60);
        for (guint64 at = i * 180000; at < i * 180000 + 180000 + i * 60; at++)
            g_string_append_c (expected, disk_octet (&disk, at));
        relais_rope_append_copy (rope, ".between\r\n", 10);
        g_string_append (expected, ".between\r\n");
    }
    run_init (&run);
    mail_init_rope (&mail, 1, rope);
    run_mail (&run, &mail, SCRIPT (DELIVERY));
    g_assert_cmpuint (run_code (&run, 0), ==, 250);
    check_octets (run.peer.message, expected->str, expected->len);
}

static void
check_cut (Run *run, const Mail *mail, RelaisSmtpRefusal refused)
{
    run_mail (run, mail, SCRIPT (UP_TO_DATA, "S 354 go", "B"));
    g_assert_true (run->sent_failed);
    g_assert_cmpint (run->sent_failure.refused, ==, refused);
    g_assert_cmpint (run->sent_failure.phase, ==, RELAIS_PHASE_BODY);
    g_assert_cmpuint (run_code (run, 0), ==, 0);
    g_assert_cmpuint (run->closed, ==, 1);
    g_assert_true (run->peer.cut);
    g_assert_false (g_str_has_suffix (run->peer.wire->str, "\r\n.\r\n"));
}

static void
test_read_fails (void)
{
    /* At once, in the second chunk, at the very end. */
    static const guint64 fails[] = {0, 300000, 2999999};

    for (guint i = 0; i < G_N_ELEMENTS (fails); i++) {
        Disk disk = {.size = 3000000, .fails_from = fails[i]};
        g_auto (Run) run;
        g_auto (Mail) mail;

        run_init (&run);
        mail_init_rope (&mail, 1, disk_rope (&disk));
        check_cut (&run, &mail, RELAIS_REFUSED_READ);
        g_assert_nonnull (strstr (run.sent_failure.text, "medium error"));
    }
}

static void
test_bare_lf_on_disk (void)
{
    Disk disk = {.size = 3000000, .fails_from = G_MAXUINT64, .bad_octet = 2000000};
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init_rope (&mail, 1, disk_rope (&disk));
    check_cut (&run, &mail, RELAIS_REFUSED_LINE_ENDS);
    g_assert_true (has_clean_ends (run.peer.wire->str, run.peer.wire->len) ||
                   g_str_has_suffix (run.peer.wire->str, "\r"));
}

/* The peer goes, or says no, while the message is on its way. */
static void
test_peer_goes_within (void)
{
    const struct {
        const char *const *script;
        guint code;
    } ways[] = {{SCRIPT (UP_TO_DATA, "S 354 go", "H"), 0},
                {SCRIPT (UP_TO_DATA, "S 354 go", "H", "R"), 0},
                {SCRIPT (UP_TO_DATA, "S 354 go", "H", "S 552 5.3.4 too much", "x"), 552},
                {SCRIPT (UP_TO_DATA, "S 354 go", "H", "S 421 bye", "x"), 421},
                {SCRIPT (UP_TO_DATA, "S 354 go", "H", "S 250 taken", "x"), 0}};

    for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
        Disk disk = {.size = 30000000, .fails_from = G_MAXUINT64};
        g_auto (Run) run;
        g_auto (Mail) mail;

        run_init (&run);
        mail_init_rope (&mail, 1, disk_rope (&disk));
        run_mail (&run, &mail, ways[i].script);
        g_assert_true (run.sent_failed);
        g_assert_cmpint (run.sent_failure.phase, ==, RELAIS_PHASE_BODY);
        g_assert_cmpuint (run_code (&run, 0), ==, ways[i].code);
        g_assert_false (g_str_has_suffix (run.peer.said->str, "\r\n.\r\n"));
    }
}

/* The owner frees the client while a read is under way: the job ends by itself. */
static void
test_freed_while_reading (void)
{
    Disk disk = {.size = 3000000, .fails_from = G_MAXUINT64};
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init_rope (&mail, 1, disk_rope (&disk));
    run.free_when_in = RELAIS_PHASE_BODY;
    run_mail (&run, &mail, SCRIPT (UP_TO_DATA, "S 354 go", "x"));
    g_assert_cmpuint (run.sent, ==, 0);
    g_assert_cmpuint (run.closed, ==, 0);
}

static void
sleep_a_little (gpointer data)
{
    g_usleep (20000);
}

static void
ignore (gpointer data)
{
}

/* A pool without room is asked again. */
static void
test_pool_full (void)
{
    Disk disk = {.size = 600000, .fails_from = G_MAXUINT64};
    g_auto (Run) run;
    g_auto (Mail) mail;

    run_init (&run);
    mail_init_rope (&mail, 1, disk_rope (&disk));
    while (relais_pool_run (run.pool, sleep_a_little, ignore, NULL))
        continue;
    run_mail (&run, &mail, SCRIPT (DELIVERY));
    g_assert_cmpuint (run_code (&run, 0), ==, 250);
    check_against_disk (&disk, run.peer.message);
}

/* Random messages, in memory in random pieces, over the wire; 200 on one connection. */
static void
test_random_bodies (void)
{
    enum { N = 200 };
    static const char *script[8 + N * 8];
    g_autofree Mail *mails = g_new0 (Mail, N);
    g_autofree const RelaisSmtpTransaction **transactions =
        g_new0 (const RelaisSmtpTransaction *, N);
    g_autoptr (GString) text = g_string_new (NULL);
    g_autoptr (GString) all = g_string_new (NULL);
    guint at = 0;
    g_auto (Run) run;

    script[at++] = "S 220 x";
    script[at++] = "C EHLO";
    script[at++] = "S 250 x";
    for (guint i = 0; i < N; i++) {
        static const char *const one[] = {"C MAIL", "S 250 ok", "C RCPT", "S 250 ok",
                                          "C DATA", "S 354 go", "B",      "S 250 ok"};
        RelaisRope *rope = relais_rope_new ();

        do
            random_text (text, true);
        while (!has_clean_ends (text->str, text->len));
        for (gsize from = 0; from < text->len;) {
            gsize most = (gsize)g_test_rand_int_range (1, 9);
            gsize size = MIN (most, text->len - from);

            relais_rope_append_copy (rope, text->str + from, size);
            from += size;
        }
        g_string_append_len (all, text->str, (gssize)text->len);
        if (text->len > 0 && text->str[text->len - 1] != '\n')
            g_string_append (all, "\r\n");
        mail_init_rope (&mails[i], 1, rope);
        transactions[i] = &mails[i].tx;
        for (guint j = 0; j < G_N_ELEMENTS (one); j++)
            script[at++] = one[j];
    }
    script[at++] = "C QUIT";
    run_init (&run);
    run.transactions = transactions;
    run.n_transactions = N;
    run.peer.keep_all = true;
    run_script (&run, script);
    g_assert_cmpuint (run.sent, ==, N);
    check_octets (run.peer.message, all->str, all->len);
    for (guint i = 0; i < N; i++) {
        g_assert_cmpuint (run_code (&run, i), ==, 250);
        mail_clear (&mails[i]);
    }
}

/* 100 MiB from disk; neither side keeps them. */
static void
test_bounded_memory (void)
{
    Disk disk = {.size = G_GUINT64_CONSTANT (100) * 1024 * 1024 / 60 * 60,
                 .fails_from = G_MAXUINT64,
                 .watch_memory = true};
    g_auto (Run) run;
    g_auto (Mail) mail;
    guint64 before;

    run_init (&run);
    run.peer.keep_none = true;
    mail_init_rope (&mail, 1, disk_rope (&disk));
    before = resident_bytes ();
    run_mail (&run, &mail, SCRIPT (DELIVERY));
    g_assert_cmpuint (run_code (&run, 0), ==, 250);
    g_assert_cmpuint (run.peer.octets, ==, disk.size + disk.size / 60 + 3);
#ifndef RELAIS_SANITIZED
    g_assert_cmpuint (disk.most_resident, <, before + 8 * 1024 * 1024);
#endif
    g_test_message ("at most %" G_GINT64_FORMAT " KiB more resident",
                    (gint64)(disk.most_resident - before) / 1024);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/smtp/dotstuff/vectors", test_vectors);
    g_test_add_func ("/smtp/dotstuff/random", test_random_stuffing);
    g_test_add_func ("/smtp/client/body/from-disk", test_from_disk);
    g_test_add_func ("/smtp/client/body/chunk-from-disk", test_chunk_from_disk);
    g_test_add_func ("/smtp/client/body/chunk-read-fails", test_chunk_read_fails);
    g_test_add_func ("/smtp/client/body/mixed-pieces", test_mixed_pieces);
    g_test_add_func ("/smtp/client/body/read-fails", test_read_fails);
    g_test_add_func ("/smtp/client/body/bare-lf-on-disk", test_bare_lf_on_disk);
    g_test_add_func ("/smtp/client/body/peer-goes-within", test_peer_goes_within);
    g_test_add_func ("/smtp/client/body/freed-while-reading", test_freed_while_reading);
    g_test_add_func ("/smtp/client/body/pool-full", test_pool_full);
    g_test_add_func ("/smtp/client/body/random", test_random_bodies);
    g_test_add_func ("/smtp/client/body/bounded-memory", test_bounded_memory);
    return g_test_run ();
}
