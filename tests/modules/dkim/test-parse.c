/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What verification reads before libopendkim sees it: tag lists, signatures, key records, header blocks; each limit
 * at its boundary, and which verdict decides.
 */
#include "verify.h"

#include <string.h>

#define GOOD                                                                                       \
    "v=1; a=rsa-sha256; c=relaxed/simple; d=Example.ORG; s=S1; h=From : to:\r\n Subject; "         \
    "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=dGhp\r\n\tcyBpcyBhIHRlc3Q="

static const char *
parse (DkimSignature *signature, const char *text)
{
    return dkim_signature_parse (signature, text, strlen (text));
}

/* --- Tag lists -------------------------------------------------------------------------------- */

static void
test_tags (void)
{
    static const char *const good[] = {"a=1",     " a = 1 ;",  "a=;b=", "a=1;\r\n b=2\r\n\t3 ; ",
                                       "a_1=x=y", "n=\xc3\xa9"};
    static const char *const bad[] = {"",         ";",     "a",    "=1",       "1=2",    "a b=1",
                                      "a=1;;b=2", "a=1;a", "a=\1", "a=1; a=2", "\xc3=1", "a=\x7f"};
    DkimTags tags;

    for (guint i = 0; i < G_N_ELEMENTS (good); i++)
        g_assert_true (dkim_tags_parse (&tags, good[i], strlen (good[i])));
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
        g_assert_false (dkim_tags_parse (&tags, bad[i], strlen (bad[i])));
    g_assert_true (dkim_tags_parse (&tags, " a = x \r\n y ; B=2", 17));
    g_assert_cmpuint (tags.n, ==, 2);
    g_assert_true (dkim_tag_is (dkim_tags_find (&tags, "a"), "x \r\n y"));
    g_assert_null (dkim_tags_find (&tags, "b"));
}

static void
test_tags_limit (void)
{
    g_autoptr (GString) text = g_string_new (NULL);
    DkimTags tags;

    for (guint i = 0; i < DKIM_TAGS; i++)
        g_string_append_printf (text, "t%u=%u;", i, i);
    g_assert_true (dkim_tags_parse (&tags, text->str, text->len));
    g_assert_cmpuint (tags.n, ==, DKIM_TAGS);
    g_string_append (text, "more=1");
    g_assert_false (dkim_tags_parse (&tags, text->str, text->len));
}

static void
test_items (void)
{
    DkimTags tags;
    gsize position = 0, size;
    const char *item;
    guint n = 0;
    static const char *const wanted[] = {"a", "", "b c", ""};

    g_assert_true (dkim_tags_parse (&tags, "h= a ::\tb c :", 13));
    while (dkim_tag_next_item (&tags.tags[0], &position, &item, &size)) {
        g_assert_cmpuint (size, ==, strlen (wanted[n]));
        g_assert_true (memcmp (item, wanted[n++], size) == 0);
    }
    g_assert_cmpuint (n, ==, 4);
}

/* --- Signatures ------------------------------------------------------------------------------- */

static void
test_signature (void)
{
    DkimSignature signature;
    g_autofree char *name = NULL;

    g_assert_null (parse (&signature, GOOD "; l=12; t=1; x=4000000000; i=a@b.example.org"));
    g_assert_cmpstr (signature.domain, ==, "example.org");
    g_assert_cmpstr (signature.selector, ==, "s1");
    g_assert_cmpstr (signature.identity, ==, "a@b.example.org");
    g_assert_cmpstr (signature.algorithm_name, ==, "rsa-sha256");
    g_assert_cmpstr (signature.b, ==, "dGhpcyBp");
    g_assert_cmpint (signature.header, ==, DKIM_RELAXED);
    g_assert_cmpint (signature.body, ==, DKIM_SIMPLE);
    g_assert_cmpuint (g_strv_length (signature.names), ==, 3);
    g_assert_cmpuint (dkim_signature_count_name (&signature, "from"), ==, 1);
    g_assert_true (signature.has_length && signature.length == 12 && signature.of_subdomain);
    g_assert_true (signature.has_expires && signature.expires == 4000000000);
    name = dkim_signature_dup_key_name (&signature);
    g_assert_cmpstr (name, ==, "s1._domainkey.example.org");
    dkim_signature_clear (&signature);
}

/* What could be read is reported, whatever is wrong with the rest. */
static void
test_half_a_signature (void)
{
    DkimSignature signature;

    g_assert_cmpstr (parse (&signature, "v=1; d=example.org; s=s1; a=rsa-sha256"), ==,
                     "the signature has no b=");
    g_assert_cmpstr (signature.domain, ==, "example.org");
    g_assert_cmpstr (signature.algorithm_name, ==, "rsa-sha256");
    dkim_signature_clear (&signature);
    g_assert_nonnull (parse (&signature, "nothing"));
    g_assert_null (signature.domain);
    dkim_signature_clear (&signature);
}

/* i= stands in a header of ours only if nothing can be hidden in it. */
static void
test_identity (void)
{
    static const struct {
        const char *i, *shown;
    } rows[] = {{"a@example.org", "a@example.org"},
                {"@EXAMPLE.org", "@EXAMPLE.org"},
                {"a;b", NULL},
                {"\"a b\"@example.org", "@example.org"},
                {"a(b)@example.org", "@example.org"},
                {"a@b@example.org", "a@b@example.org"},
                {"a@b.xexample.org", NULL},
                {"a=20b@example.org", "a=20b@example.org"},
                {"a=2@example.org", NULL},
                {"@example.org=", NULL},
                {"@example.org=2", NULL}};

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autofree char *text = g_strconcat (GOOD "; i=", rows[i].i, NULL);
        DkimSignature signature;
        const char *problem = parse (&signature, text);

        g_assert_true ((problem == NULL) == (rows[i].shown != NULL));
        if (problem == NULL)
            g_assert_cmpstr (signature.identity, ==, rows[i].shown);
        dkim_signature_clear (&signature);
    }
}

static void
test_signature_limits (void)
{
    const gsize used = strlen (GOOD "; z=");
    g_autofree char *fill = g_strnfill (DKIM_SIGNATURE_BYTES - used, 'x');
    g_autofree char *largest = g_strconcat (GOOD "; z=", fill, NULL);
    g_autofree char *larger = g_strconcat (largest, "x", NULL);
    g_autofree char *selector = g_strnfill (63, 's'), *label = g_strnfill (63, 'd');
    DkimSignature signature;

    g_assert_null (parse (&signature, largest));
    dkim_signature_clear (&signature);
    g_assert_cmpstr (parse (&signature, larger), ==, "the signature is too large");
    dkim_signature_clear (&signature);
    for (guint more = 0; more < 2; more++) { /* a name in the DNS has 253 octets at most */
        g_autofree char *last = g_strnfill (253 - 63 - 12 - 64 - 64 + more, 'e');
        g_autofree char *text =
            g_strdup_printf ("v=1; a=rsa-sha256; h=from; d=%s.%s.%s; s=%s; b=AAAA; "
                             "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                             label, label, last, selector);

        g_assert_true ((parse (&signature, text) == NULL) == (more == 0));
        dkim_signature_clear (&signature);
    }
}

/* As many names as may be, and as long. */
static void
test_names_limits (void)
{
    for (guint more = 0; more < 2; more++) {
        g_autoptr (GString) many = g_string_new (GOOD);
        g_autoptr (GString) text = g_string_new ("from");
        DkimSignature signature;
        gsize total = 5;

        for (guint i = 1; i < DKIM_SIGNED_NAMES + more; i++)
            g_string_append (text, ":x");
        g_string_replace (many, "From : to:\r\n Subject", text->str, 1);
        g_assert_true ((parse (&signature, many->str) == NULL) == (more == 0));
        dkim_signature_clear (&signature);

        g_string_assign (many, GOOD);
        g_string_assign (text, "from");
        while (total < DKIM_SIGNED_NAMES_BYTES + more) {
            gsize size = MIN (DKIM_FIELD_NAME_BYTES, DKIM_SIGNED_NAMES_BYTES + more - total - 1);
            g_autofree char *name = g_strnfill (size, 'x');

            g_string_append_printf (text, ":%s", name);
            total += size + 1;
        }
        g_string_replace (many, "From : to:\r\n Subject", text->str, 1);
        g_assert_true ((parse (&signature, many->str) == NULL) == (more == 0));
        dkim_signature_clear (&signature);
    }
}

/* --- Key records ------------------------------------------------------------------------------ */

static char *
new_record (EVP_PKEY **pkey, bool ed25519, guint bits)
{
    g_autofree char *p = NULL;

    *pkey = ed25519 ? EVP_PKEY_Q_keygen (NULL, NULL, "ED25519")
                    : EVP_PKEY_Q_keygen (NULL, NULL, "RSA", (size_t)bits);
    p = dkim_public_text (*pkey, ed25519);
    return g_strdup_printf ("v=DKIM1; k=%s; t=y : s; p=%s", ed25519 ? "ed25519" : "rsa", p);
}

static void
test_record (void)
{
    for (guint ed25519 = 0; ed25519 < 2; ed25519++) {
        EVP_PKEY *pkey;
        g_autofree char *text = new_record (&pkey, ed25519, 1024), *p = NULL;
        DkimRecord record;

        p = dkim_public_text (pkey, ed25519);
        g_assert_null (dkim_record_parse (&record, text, strlen (text)));
        g_assert_true (record.ed25519 == ed25519 && record.testing && record.strict);
        g_assert_cmpuint (record.bits, ==, ed25519 ? 256 : 1024);
        g_assert_cmpint (EVP_PKEY_eq (record.pkey, pkey), ==, 1);
        g_assert_cmpstr (record.public_64, ==, p);
        dkim_record_clear (&record);
        EVP_PKEY_free (pkey);
    }
}

static void
test_record_limit (void)
{
    EVP_PKEY *pkey;
    g_autofree char *text = new_record (&pkey, true, 0);
    g_autofree char *fill = g_strnfill (DKIM_RECORD_BYTES - strlen (text) - 4, 'x');
    g_autofree char *largest = g_strconcat (text, "; n=", fill, NULL);
    g_autofree char *larger = g_strconcat (largest, "x", NULL);
    DkimRecord record;

    g_assert_null (dkim_record_parse (&record, largest, strlen (largest)));
    dkim_record_clear (&record);
    g_assert_cmpstr (dkim_record_parse (&record, larger, strlen (larger)), ==,
                     "the key record is too large");
    dkim_record_clear (&record);
    EVP_PKEY_free (pkey);
}

/* --- Header blocks ---------------------------------------------------------------------------- */

#define HEAD "From: a@example.org\r\nDate: now\r\n"

static void
scan (DkimScan *result, guint n, const char *more)
{
    g_autoptr (GString) header = g_string_new (NULL);

    for (guint i = 0; i < n; i++)
        g_string_append (header, "DKIM-Signature: " GOOD "\r\n");
    g_string_append_printf (header, HEAD "%s\r\n", more);
    dkim_scan (result, (const guint8 *)header->str, header->len, 1000);
}

static void
test_scan_limit (void)
{
    DkimScan result;

    for (guint more = 0; more < 2; more++) {
        scan (&result, DKIM_SIGNATURES + more, "");
        g_assert_cmpuint (result.verdicts->len, ==, DKIM_SIGNATURES);
        g_assert_cmpuint (result.n_ignored, ==, more);
        dkim_scan_clear (&result);
    }
    scan (&result, 0, "");
    g_assert_cmpuint (result.verdicts->len, ==, 0);
    dkim_scan_clear (&result);
}

static void
assert_settled (const char *more, const char *result, const char *reason)
{
    DkimScan found;
    DkimVerdict *verdict;

    scan (&found, 1, more);
    verdict = g_ptr_array_index (found.verdicts, found.verdicts->len - 1);
    g_assert_cmpstr (verdict->result, ==, result);
    g_assert_cmpstr (verdict->reason, ==, reason);
    dkim_scan_clear (&found);
}

static void
test_scan_rules (void)
{
    assert_settled ("", NULL, NULL);
    assert_settled ("from: b@example.org\r\n", "permerror", "the message has 2 fields From");
    assert_settled ("To: a\r\nTO: b\r\ntO: c\r\n", "permerror", "the message has 3 fields To");
    assert_settled ("DKIM-Signature: " GOOD "; x=999\r\n", "policy", "the signature has expired");
    assert_settled ("DKIM-Signature: " GOOD "; x=1000\r\n", NULL, NULL);
    assert_settled ("DKIM-Signature: " GOOD "; t=1300\r\n", NULL, NULL);
    assert_settled ("DKIM-Signature: " GOOD "; t=1301\r\n", "policy",
                    "the signature is from the future");
}

static void
test_order (void)
{
    static const struct {
        const char *domain, *result;
        guint wanted; /* its place in the order */
    } rows[] = {{"example.com", "fail", 6},     {"example.com", "temperror", 5},
                {"example.com", "pass", 4},     {"org", "pass", 2},
                {"b.a.example.org", "pass", 3}, {"a.example.org", "pass", 1},
                {"example.net", "permerror", 7}};
    DkimScan found;

    scan (&found, G_N_ELEMENTS (rows), "");
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        DkimVerdict *verdict = g_ptr_array_index (found.verdicts, i);

        g_free (verdict->signature.domain);
        verdict->signature.domain = g_strdup (rows[i].domain);
        dkim_verdict_settle (verdict, rows[i].result, NULL);
    }
    dkim_scan_sort (&found, "A.example.org");
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        const DkimVerdict *verdict = g_ptr_array_index (found.verdicts, i);

        g_assert_cmpuint (rows[verdict->number - 1].wanted, ==, i + 1);
    }
    dkim_scan_clear (&found);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/dkim/tags", test_tags);
    g_test_add_func ("/dkim/tags-limit", test_tags_limit);
    g_test_add_func ("/dkim/items", test_items);
    g_test_add_func ("/dkim/signature", test_signature);
    g_test_add_func ("/dkim/half-a-signature", test_half_a_signature);
    g_test_add_func ("/dkim/identity", test_identity);
    g_test_add_func ("/dkim/signature-limits", test_signature_limits);
    g_test_add_func ("/dkim/names-limits", test_names_limits);
    g_test_add_func ("/dkim/record", test_record);
    g_test_add_func ("/dkim/record-limit", test_record_limit);
    g_test_add_func ("/dkim/scan-limit", test_scan_limit);
    g_test_add_func ("/dkim/scan-rules", test_scan_rules);
    g_test_add_func ("/dkim/order", test_order);
    return g_test_run ();
}
