/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * modules/dkim from inside: canonical forms against the examples of RFC 6376, at every split; the
 * published signatures of RFC 8463; what is listed in h=; key files that are not to be trusted.
 */
#include "dkim.h"

#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

static void
assert_bytes (gconstpointer a, gsize a_size, gconstpointer b, gsize b_size)
{
    g_assert_cmpuint (a_size, ==, b_size);
    g_assert_true (a_size == 0 || memcmp (a, b, a_size) == 0);
}

/* --- Bodies ----------------------------------------------------------------------------------- */

static void
append (gpointer data, const guint8 *bytes, gsize size)
{
    g_byte_array_append (data, bytes, (guint)size);
}

static GByteArray *
canon_split (DkimCanon canon, const char *text, gsize size, gsize first, gsize second)
{
    GByteArray *out = g_byte_array_new ();
    DkimBody body;

    dkim_body_init (&body, canon, append, out);
    dkim_body_feed (&body, (const guint8 *)text, first);
    dkim_body_feed (&body, (const guint8 *)text + first, second - first);
    dkim_body_feed (&body, (const guint8 *)text + second, size - second);
    dkim_body_end (&body);
    return out;
}

static void
test_body (void)
{
    static const struct {
        const char *text, *simple, *relaxed;
    } rows[] = {
        /* RFC 6376 section 3.4.5 */
        {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
        {"", "\r\n", ""},
        {"\r\n", "\r\n", ""},
        {"\r\n\r\n\r\n", "\r\n", ""},
        {" \t \r\n \r\n", " \t \r\n \r\n", ""},
        {"a\r\n \t\r\n\r\n", "a\r\n \t\r\n", "a\r\n"},
        {"\r\n\r\na", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
        {"no end", "no end\r\n", "no end\r\n"},
        {"blank end \t ", "blank end \t \r\n", "blank end\r\n"},
        {"\tindented\r\n", "\tindented\r\n", " indented\r\n"},
        {"..\r\n.\r\n", "..\r\n.\r\n", "..\r\n.\r\n"},
        {"a\rb\nc \r\r\n", "a\rb\nc \r\r\n", "a\rb\nc \r\r\n"},
        {"a\r", "a\r\r\n", "a\r\r\n"},
        {"a\r\n\rb\r\n", "a\r\n\rb\r\n", "a\r\n\rb\r\n"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        gsize size = strlen (rows[i].text);

        for (gsize first = 0; first <= size; first++)
            for (gsize second = first; second <= size; second++) {
                GByteArray *simple = canon_split (DKIM_SIMPLE, rows[i].text, size, first, second);
                GByteArray *relaxed = canon_split (DKIM_RELAXED, rows[i].text, size, first, second);

                assert_bytes (simple->data, simple->len, rows[i].simple, strlen (rows[i].simple));
                assert_bytes (relaxed->data, relaxed->len, rows[i].relaxed,
                              strlen (rows[i].relaxed));
                g_byte_array_unref (simple);
                g_byte_array_unref (relaxed);
            }
    }
}

/* More than the gathering buffer holds, of all kinds of pieces. */
static void
test_large_body (void)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_autoptr (GString) expected = g_string_new (NULL);
    GByteArray *out;

    for (guint i = 0; i < 500; i++) {
        g_autofree char *word = g_strnfill (1 + i * 13 % 5000, 'x');

        g_string_append_printf (text, "%s  \t%s \r\n\r\n", word, word);
        g_string_append_printf (expected, "%s %s\r\n\r\n", word, word);
    }
    g_string_truncate (expected, expected->len - 2);
    for (gsize piece = 1; piece < 5000; piece = piece * 7 + 1) {
        DkimBody body;

        out = g_byte_array_new ();
        dkim_body_init (&body, DKIM_RELAXED, append, out);
        for (gsize at = 0; at < text->len; at += piece)
            dkim_body_feed (&body, (const guint8 *)text->str + at, MIN (piece, text->len - at));
        dkim_body_end (&body);
        assert_bytes (out->data, out->len, expected->str, expected->len);
        g_byte_array_unref (out);
    }
}

static void
test_field (void)
{
    static const struct {
        const char *field, *relaxed;
    } rows[] = {
        /* RFC 6376 section 3.4.5 */
        {"A: X\r\n", "a:X\r\n"},
        {"B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
        {"Subject:\r\n", "subject:\r\n"},
        {"Subject: \r\n \r\n", "subject:\r\n"},
        {"X-A:\r\n folded\r\n\t again : here\r\n", "x-a:folded again : here\r\n"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autoptr (GString) simple = g_string_new (NULL);
        g_autoptr (GString) relaxed = g_string_new (NULL);

        dkim_canon_field (simple, DKIM_SIMPLE, rows[i].field, strlen (rows[i].field));
        dkim_canon_field (relaxed, DKIM_RELAXED, rows[i].field, strlen (rows[i].field));
        g_assert_cmpstr (simple->str, ==, rows[i].field);
        g_assert_cmpstr (relaxed->str, ==, rows[i].relaxed);
    }
}

/* --- RFC 8463 appendix A ---------------------------------------------------------------------- */

static const char vector_body[] =
    "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
static const char *const vector_fields[] = {
    "From: Joe SixPack <joe@football.example.com>\r\n",
    "To: Suzie Q <suzie@shopping.example.net>\r\n",
    "Subject: Is dinner ready?\r\n",
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
};
static const char vector_hash[] = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=";

#define VECTOR_SIGNATURE(algorithm, selector)                                                      \
    "DKIM-Signature: v=1; a=" algorithm "; c=relaxed/relaxed;\r\n"                                 \
    " d=football.example.com; i=@football.example.com;\r\n"                                        \
    " q=dns/txt; s=" selector "; t=1528637909; h=from : to :\r\n"                                  \
    " subject : date : message-id : from : subject : date;\r\n"                                    \
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b="

static void
vector_digest (const char *signature, guint8 digest[32])
{
    g_autoptr (GString) covered = g_string_new (NULL);
    g_autofree char *text = NULL;
    gsize size = 32;
    GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);

    for (guint i = 0; i < G_N_ELEMENTS (vector_fields); i++)
        dkim_canon_field (covered, DKIM_RELAXED, vector_fields[i], strlen (vector_fields[i]));
    dkim_canon_field (covered, DKIM_RELAXED, signature, strlen (signature));
    g_checksum_update (sum, (const guchar *)covered->str, (gssize)covered->len - 2);
    g_checksum_get_digest (sum, digest, &size);
    g_checksum_free (sum);
}

static void
test_vector_body (void)
{
    GByteArray *out = canon_split (DKIM_RELAXED, vector_body, strlen (vector_body), 3, 9);
    g_autofree char *hex = g_compute_checksum_for_data (G_CHECKSUM_SHA256, out->data, out->len);
    gsize size;
    g_autofree guint8 *expected = g_base64_decode (vector_hash, &size);

    for (guint i = 0; i < 32; i++) {
        g_autofree char *octet = g_strdup_printf ("%02x", expected[i]);

        assert_bytes (hex + 2 * i, 2, octet, 2);
    }
    g_byte_array_unref (out);
}

static void
test_vector_ed25519 (void)
{
    gsize key_size, expected_size, size = 64;
    g_autofree guint8 *secret =
        g_base64_decode ("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=", &key_size);
    g_autofree guint8 *expected = g_base64_decode (
        "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==",
        &expected_size);
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key (EVP_PKEY_ED25519, NULL, secret, key_size);
    EVP_MD_CTX *context = EVP_MD_CTX_new ();
    guint8 digest[32], signature[64];

    vector_digest (VECTOR_SIGNATURE ("ed25519-sha256", "brisbane"), digest);
    g_assert_cmpint (EVP_DigestSignInit (context, NULL, NULL, NULL, pkey), ==, 1);
    g_assert_cmpint (EVP_DigestSign (context, signature, &size, digest, sizeof digest), ==, 1);
    assert_bytes (signature, size, expected, expected_size);
    EVP_MD_CTX_free (context);
    EVP_PKEY_free (pkey);
}

static void
test_vector_rsa (void)
{
    gsize der_size, size;
    g_autofree guint8 *der = g_base64_decode (
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/"
        "J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLz"
        "BfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
        &der_size);
    g_autofree guint8 *signature = g_base64_decode (
        "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOe"
        "S9mPYQTnGdaSGsgeefOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=",
        &size);
    const unsigned char *at = der;
    EVP_PKEY *pkey = d2i_PUBKEY (NULL, &at, (long)der_size);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new (pkey, NULL);
    guint8 digest[32];

    vector_digest (VECTOR_SIGNATURE ("rsa-sha256", "test"), digest);
    g_assert_cmpint (EVP_PKEY_verify_init (context), ==, 1);
    g_assert_cmpint (EVP_PKEY_CTX_set_signature_md (context, EVP_sha256 ()), ==, 1);
    g_assert_cmpint (EVP_PKEY_verify (context, signature, size, digest, sizeof digest), ==, 1);
    EVP_PKEY_CTX_free (context);
    EVP_PKEY_free (pkey);
}

/* --- Signing ---------------------------------------------------------------------------------- */

typedef struct {
    const char *bytes;
    gsize size;
    gsize step;
    guint reads;
} Source;

static gint64
read_source (gpointer data, guint64 offset, gpointer buffer, guint64 size, GError **error)
{
    Source *source = data;
    gsize n = MIN (MIN (size, source->step), source->size - offset);

    source->reads++;
    memcpy (buffer, source->bytes + offset, n);
    return (gint64)n;
}

typedef struct {
    DkimConfig config;
    DkimKey rsa, ed25519;
    GPtrArray *keys;
} Signer;

static void
set_up (Signer *signer, gconstpointer data)
{
    signer->config.sha256 = EVP_MD_fetch (NULL, "SHA256", NULL);
    signer->rsa = (DkimKey){.domain = (char *)"example.org",
                            .selector = (char *)"r1",
                            .header = DKIM_RELAXED,
                            .body = DKIM_RELAXED,
                            .pkey = EVP_PKEY_Q_keygen (NULL, NULL, "RSA", (size_t)2048)};
    signer->ed25519 = (DkimKey){.domain = (char *)"example.org",
                                .selector = (char *)"e1",
                                .header = DKIM_SIMPLE,
                                .body = DKIM_SIMPLE,
                                .ed25519 = true,
                                .pkey = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519")};
    signer->keys = g_ptr_array_new ();
    g_ptr_array_add (signer->keys, &signer->rsa);
    g_ptr_array_add (signer->keys, &signer->ed25519);
}

static void
tear_down (Signer *signer, gconstpointer data)
{
    EVP_MD_free (signer->config.sha256);
    EVP_PKEY_free (signer->rsa.pkey);
    EVP_PKEY_free (signer->ed25519.pkey);
    g_ptr_array_unref (signer->keys);
}

static char *
sign (Signer *signer, const char *message, gsize step)
{
    const char *end = strstr (message, "\r\n\r\n");
    gsize header = end != NULL ? (gsize)(end - message) + 4 : strlen (message);
    Source source = {message, strlen (message), step, 0};
    g_autoptr (GString) fields = g_string_new (NULL);
    g_autoptr (GError) error = NULL;

    dkim_sign_message (&signer->config, signer->keys, (const guint8 *)message, header, read_source,
                       &source, fields, &error);
    g_assert_no_error (error);
    return g_string_free (g_steal_pointer (&fields), FALSE);
}

/* The value of a tag of the first signature, folds removed. */
static char *
tag_of (const char *fields, const char *tag)
{
    g_autofree char *pattern = g_strdup_printf ("[; \\t]%s=([^;]*);", tag);
    g_autoptr (GRegex) regex = g_regex_new (pattern, G_REGEX_DOTALL, 0, NULL);
    g_autoptr (GRegex) blanks = g_regex_new ("\\s+", 0, 0, NULL);
    g_autoptr (GMatchInfo) match = NULL;
    g_autofree char *value = NULL;

    g_assert_true (g_regex_match (regex, fields, 0, &match));
    value = g_match_info_fetch (match, 1);
    return g_regex_replace_literal (blanks, value, -1, 0, "", 0, NULL);
}

static void
test_names (Signer *signer, gconstpointer data)
{
    static const char *const user_list[] = {"from", "Subject", "from", "X-Not-There", "from", NULL};
    static const struct {
        const char *message;
        bool user;
        const char *names;
    } rows[] = {
        {"From: a@example.org\r\n\r\nx\r\n", false, "From:From"},
        {"Subject: a\r\nFROM: a@example.org\r\nto: b@example.net\r\nSender: c@example.org\r\n"
         "List-Id: <l>\r\nList-Unsubscribe: <https://x>\r\nList-Unsubscribe-Post: y\r\n"
         "MIME-Version: 1.0\r\nReceived: z\r\n\r\n",
         false,
         "From:From:To:To:Subject:Subject:MIME-Version:MIME-Version:List-Unsubscribe:"
         "List-Unsubscribe-Post"},
        {"From: a@example.org\r\nTo: b\r\nTo: c\r\n\r\n", false, "From:From:To:To:To"},
        {"From: a@example.org\r\n\r\n", true, "from:Subject:from:X-Not-There:from"},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autofree char *fields = NULL, *names = NULL;

        signer->rsa.headers = rows[i].user ? (char **)user_list : NULL;
        fields = sign (signer, rows[i].message, 64);
        names = tag_of (fields, "h");
        g_assert_cmpstr (names, ==, rows[i].names);
    }
}

static void
test_lines (Signer *signer, gconstpointer data)
{
    static const char message[] =
        "From: a@example.org\r\nTo: b@example.net\r\nCc: c@example.net\r\nSubject: s\r\n"
        "Reply-To: d@example.org\r\nDate: now\r\nMessage-ID: <x@y>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHi.\r\n";
    g_autofree char *domain = g_strdup_printf ("%063d.%063d.%063d.example.org", 1, 2, 3);
    g_autofree char *fields = NULL;
    g_auto (GStrv) lines = NULL;

    fields = sign (signer, message, 64);
    lines = g_strsplit (fields, "\r\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        g_assert_cmpuint (strlen (lines[i]), <=, 78);
    g_assert_null (strchr (lines[0], '\n'));
    signer->rsa.domain = domain;
    g_free (fields);
    fields = sign (signer, message, 64);
    g_assert_nonnull (strstr (fields, domain));
}

/* Both signatures come from one pass over the body, whatever the size of its pieces. */
static void
test_pieces (Signer *signer, gconstpointer data)
{
    static const char message[] = "From: a@example.org\r\n\r\n one \r\n\r\ntwo\r\n\r\n\r\n";
    g_autofree char *whole = sign (signer, message, sizeof message);

    g_assert_nonnull (strstr (whole, "a=rsa-sha256;"));
    g_assert_nonnull (strstr (whole, "a=ed25519-sha256;"));
    for (gsize step = 1; step < sizeof message; step++) {
        g_autofree char *again = sign (signer, message, step);

        g_assert_cmpstr (again, ==, whole);
    }
}

static gpointer
sign_often (gpointer data)
{
    static const char message[] = "From: a@example.org\r\nSubject: s\r\n\r\nHi.\r\n";
    char *first = sign (data, message, 7);

    for (guint i = 0; i < 50; i++) {
        g_autofree char *again = sign (data, message, 7);

        g_assert_cmpstr (again, ==, first);
    }
    return first;
}

static void
test_threads (Signer *signer, gconstpointer data)
{
    GThread *threads[4];
    g_autofree char *first = NULL;

    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        threads[i] = g_thread_new ("sign", sign_often, signer);
    for (guint i = 0; i < G_N_ELEMENTS (threads); i++) {
        g_autofree char *result = g_thread_join (threads[i]);

        if (first == NULL)
            first = g_strdup (result);
        g_assert_cmpstr (result, ==, first);
    }
}

/* --- Key files -------------------------------------------------------------------------------- */

static void
assert_refused (const char *file, const char *culprit, const char *words)
{
    g_autoptr (GError) error = NULL;
    bool weak;

    g_assert_null (dkim_key_read (file, NULL, &weak, &error));
    g_assert_nonnull (error);
    if (!g_str_has_prefix (error->message, culprit) || strstr (error->message, words) == NULL)
        g_error ("'%s', wanted %s ... %s", error->message, culprit, words);
}

static void
test_keygen (void)
{
    g_autofree char *top = g_dir_make_tmp ("dkim-XXXXXX", NULL);
    g_autofree char *dir = g_build_filename (top, "keys", NULL);
    g_autofree char *file = NULL, *record = NULL, *again = NULL;
    g_autoptr (GError) error = NULL;
    DkimKeygen options = {.domain = "example.org", .selector = "s1", .dir = dir, .bits = 2048};
    g_auto (GStrv) lines = NULL;
    struct stat info;
    bool weak = true;
    EVP_PKEY *pkey;

    record = dkim_keygen (&options, &file, &error);
    g_assert_no_error (error);
    g_assert_true (g_str_has_suffix (file, "/keys/example.org.s1.key"));
    g_assert_cmpint (g_stat (file, &info), ==, 0);
    g_assert_cmpuint (info.st_mode & 07777, ==, 0600);
    g_assert_true (
        g_str_has_prefix (record, "s1._domainkey.example.org. IN TXT (\n    \"v=DKIM1; k=rsa; p="));
    lines = g_strsplit (record, "\n", -1);
    g_assert_cmpuint (g_strv_length (lines), ==, 3);
    for (guint i = 0; lines[i] != NULL; i++)
        g_assert_cmpuint (strlen (lines[i]), <=, 4 + 2 + 255 + 2);
    pkey = dkim_key_read (file, NULL, &weak, &error);
    g_assert_no_error (error);
    g_assert_false (weak);
    EVP_PKEY_free (pkey);

    /* What is there is not replaced, unless asked. */
    g_assert_null (dkim_keygen (&options, &again, &error));
    g_assert_nonnull (strstr (error->message, "there is a key already"));
    g_clear_error (&error);
    options.force = options.ed25519 = true;
    g_free (record);
    record = dkim_keygen (&options, &again, &error);
    g_assert_no_error (error);
    g_assert_nonnull (strstr (record, "k=ed25519; p="));

    g_chmod (file, 0640);
    assert_refused (file, file, "mode 0640");
    g_chmod (file, 0400);
    g_chmod (dir, 0777);
    assert_refused (file, dir, "mode 0777");
    g_chmod (dir, 0700);
    g_file_set_contents_full (file, "no key", 6, 0, 0600, NULL);
    assert_refused (file, file, "no private key");
    g_unlink (file);
    assert_refused (file, file, "No such file");
    g_rmdir (dir);
    assert_refused (file, dir, "No such file");
    g_rmdir (top);
}

static void
test_good_names (void)
{
    static const char *const good[] = {"example.org", "a.b-c.x1", "_x.example.org"};
    static const char *const bad[] = {"",     "org",   "a..b",  ".a.b",
                                      "a.b.", "a b.c", "a;b.c", "b\xc3\xbc.de"};

    for (guint i = 0; i < G_N_ELEMENTS (good); i++)
        g_assert_true (dkim_domain_is_good (good[i]));
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (dkim_domain_is_good (bad[i]));
    g_assert_true (dkim_selector_is_good ("s1"));
    g_assert_true (dkim_selector_is_good ("s1.mail"));
    g_assert_false (dkim_selector_is_good ("../s1"));
    g_assert_false (dkim_selector_is_good ("s1; d=x"));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/dkim/canon/body", test_body);
    g_test_add_func ("/dkim/canon/large-body", test_large_body);
    g_test_add_func ("/dkim/canon/field", test_field);
    g_test_add_func ("/dkim/vector/body", test_vector_body);
    g_test_add_func ("/dkim/vector/ed25519", test_vector_ed25519);
    g_test_add_func ("/dkim/vector/rsa", test_vector_rsa);
    g_test_add ("/dkim/sign/names", Signer, NULL, set_up, test_names, tear_down);
    g_test_add ("/dkim/sign/lines", Signer, NULL, set_up, test_lines, tear_down);
    g_test_add ("/dkim/sign/pieces", Signer, NULL, set_up, test_pieces, tear_down);
    g_test_add ("/dkim/sign/threads", Signer, NULL, set_up, test_threads, tear_down);
    g_test_add_func ("/dkim/keygen", test_keygen);
    g_test_add_func ("/dkim/names", test_good_names);
    return g_test_run ();
}
