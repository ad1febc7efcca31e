/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/dns, the parser of answers: good ones of each type, hostile ones, each cut at every byte, each
 * with every byte changed. What is malformed is TEMPORARY and never an absence.
 */
#include "config.h"

#include "dns/answer-private.h"

#include <string.h>

/* --- Building packets --------------------------------------------------------------------------- */

static void
put (GByteArray *to, const char *bytes, gsize size)
{
    g_byte_array_append (to, (const guint8 *)bytes, (guint)size);
}

#define PUT(to, literal) put (to, literal, sizeof (literal) - 1)

/* Header and the question "a.test" of `type`, which stands at offset 12. */
static GByteArray *
begin (guint8 rcode, guint type, guint n_answers, guint n_authority)
{
    GByteArray *to = g_byte_array_new ();
    const guint8 head[] = {0,
                           1,
                           0x81,
                           (guint8)(0x80 | rcode),
                           0,
                           1,
                           (guint8)(n_answers >> 8),
                           (guint8)n_answers,
                           0,
                           (guint8)n_authority,
                           0,
                           0};
    const guint8 tail[] = {0, (guint8)type, 0, 1};

    g_byte_array_append (to, head, sizeof head);
    PUT (to, "\1A\4test\0");
    g_byte_array_append (to, tail, sizeof tail);
    return to;
}

/* A record of the name at `owner` (a pointer), TTL 300. */
static void
put_record (GByteArray *to, guint8 owner, guint8 type, const char *data, gsize size)
{
    const guint8 head[] = {0xc0,        owner, 0, type, 0, 1, 0, 0, 1, 44, (guint8)(size >> 8),
                           (guint8)size};

    g_byte_array_append (to, head, sizeof head);
    put (to, data, size);
}

#define RECORD(to, type, literal) put_record (to, 12, type, literal, sizeof (literal) - 1)

static RelaisDnsAnswer *
parse (const guint8 *bytes, gsize size, RelaisDnsType type)
{
    RelaisDnsAnswer *answer = relais_dns_answer_new ();
    g_autofree guint8 *exact = g_memdup2 (bytes, size); /* so that a sanitizer sees an over-read */
    RelaisDnsName name;

    g_assert_true (relais_dns_name_from_text ("a.TEST", &name));
    relais_dns_answer_parse (answer, exact, size, &name, type);
    g_assert_cmpuint (answer->records->len, <=, DNS_MAX_RECORDS);
    g_assert_true ((answer->reason != NULL) == (answer->outcome == RELAIS_DNS_TEMPORARY));
    g_assert_true ((answer->records->len > 0) == (answer->outcome == RELAIS_DNS_DATA));
    return answer;
}

static RelaisDnsAnswer *
parse_array (GByteArray *packet, RelaisDnsType type)
{
    RelaisDnsAnswer *answer = parse (packet->data, packet->len, type);

    g_byte_array_unref (packet);
    return answer;
}

static const RelaisDnsRecord *
record_at (const RelaisDnsAnswer *answer, guint i)
{
    g_assert_cmpuint (i, <, answer->records->len);
    return &g_array_index (answer->records, RelaisDnsRecord, i);
}

/* --- Good ones ---------------------------------------------------------------------------------- */

static GByteArray *
good_mx (void)
{
    GByteArray *to = begin (0, RELAIS_DNS_MX, 3, 0);

    RECORD (to, RELAIS_DNS_MX, "\0\12\2MX\300\14");
    RECORD (to, RELAIS_DNS_MX, "\0\24\3b_c\3D-e\0");
    RECORD (to, RELAIS_DNS_MX, "\0\0\0");
    return to;
}

static GByteArray *
good_chain (guint n)
{
    GByteArray *to = begin (0, RELAIS_DNS_A, n + 1, 0);
    guint8 owner = 12;

    for (guint i = 0; i < n; i++) {
        guint8 target = (guint8)(to->len + 12);
        const char name[] = {1, (char)('b' + i), 0};

        put_record (to, owner, 5, name, sizeof name);
        owner = target;
    }
    put_record (to, owner, RELAIS_DNS_A, "\300\0\2\1", 4);
    return to;
}

static void
test_good (void)
{
    g_autoptr (RelaisDnsAnswer) mx = parse_array (good_mx (), RELAIS_DNS_MX);
    g_autoptr (RelaisDnsAnswer) chain = parse_array (good_chain (DNS_MAX_CNAMES), RELAIS_DNS_A);
    g_autoptr (RelaisDnsAnswer) text = NULL;
    GByteArray *packet;

    g_assert_cmpstr (record_at (mx, 0)->name, ==, "mx.a.test");
    g_assert_cmpuint (record_at (mx, 0)->preference, ==, 10);
    g_assert_cmpstr (record_at (mx, 1)->name, ==, "b_c.d-e");
    g_assert_cmpstr (record_at (mx, 2)->name, ==, "");
    g_assert_cmpuint (mx->ttl_s, ==, 300);
    g_assert_cmpuint (record_at (chain, 0)->size, ==, 4);
    packet = begin (0, RELAIS_DNS_TXT, 1, 0);
    RECORD (packet, RELAIS_DNS_TXT, "\6v=spf1\0\5 -all");
    text = parse_array (packet, RELAIS_DNS_TXT);
    g_assert_cmpmem (record_at (text, 0)->bytes, (int)record_at (text, 0)->size, "v=spf1 -all", 11);
}

static void
test_negative_ttl (void)
{
    static const char soa[] = "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\17";

    for (guint8 rcode = 0; rcode <= 3; rcode += 3) {
        GByteArray *packet = begin (rcode, RELAIS_DNS_A, 0, 1);
        g_autoptr (RelaisDnsAnswer) answer = NULL;

        put_record (packet, 12, 6, soa, sizeof soa - 1);
        answer = parse_array (packet, RELAIS_DNS_A);
        g_assert_cmpint ((int)answer->outcome, ==,
                         rcode == 0 ? RELAIS_DNS_NODATA : RELAIS_DNS_NXDOMAIN);
        g_assert_cmpuint (answer->ttl_s, ==, 15);
    }
}

/* --- Hostile ones ------------------------------------------------------------------------------- */

static void
assert_temporary (GByteArray *packet, RelaisDnsType type)
{
    g_autoptr (RelaisDnsAnswer) answer = parse_array (packet, type);

    g_assert_cmpint ((int)answer->outcome, ==, RELAIS_DNS_TEMPORARY);
}

static void
test_hostile_names (void)
{
    static const struct {
        const char *data;
        gsize size;
    } names[] = {
        {"\0\12\300\47", 4},    /* points at itself */
        {"\0\12\300\377", 4},   /* beyond */
        {"\0\12\1a\300\47", 6}, /* a loop over a label */
        {"\0\12\300", 3},       /* half a pointer */
        {"\0\12\100a", 4},      /* a reserved kind of label */
        {"\0\12\5ab", 5},       /* runs out */
        {"\0\12\1a", 4},        /* no end */
        {"\0\12\1a\0\0", 6},    /* too much behind it */
        {"\0\12", 2},           /* no name */
        {"\0", 1},
        {"\0\12\3a b\0", 7},  /* what cannot be a host */
        {"\0\12\3a\0b\0", 7}, /* NUL in a label */
        {"\0\12\3a.b\0", 7},
        {"\0\12\3\377\376\375\0", 7},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
        GByteArray *packet = begin (0, RELAIS_DNS_MX, 1, 0);

        put_record (packet, 12, RELAIS_DNS_MX, names[i].data, names[i].size);
        assert_temporary (packet, RELAIS_DNS_MX);
    }
}

static void
test_name_too_long (void)
{
    for (guint labels = 3; labels <= 5; labels++) {
        GByteArray *packet = begin (0, RELAIS_DNS_MX, 1, 0);
        g_autoptr (GByteArray) data = g_byte_array_new ();
        g_autoptr (RelaisDnsAnswer) answer = NULL;

        PUT (data, "\0\12");
        for (guint i = 0; i < labels; i++) {
            char label[63];

            memset (label, 'x', sizeof label);
            PUT (data, "\77");
            put (data, label, sizeof label);
        }
        PUT (data, "\0");
        put_record (packet, 12, RELAIS_DNS_MX, (const char *)data->data, data->len);
        answer = parse_array (packet, RELAIS_DNS_MX);
        g_assert_cmpint ((int)answer->outcome, ==,
                         labels == 3 ? RELAIS_DNS_DATA : RELAIS_DNS_TEMPORARY);
    }
}

/* A pile of pointers, each to the one before: bounded though none points forward. */
static void
test_pointer_pile (void)
{
    GByteArray *packet = begin (0, RELAIS_DNS_MX, 2, 0);
    g_autoptr (GByteArray) pile = g_byte_array_new ();
    guint16 at = (guint16)(packet->len + 12);

    PUT (pile, "\1a\0");
    for (guint16 i = 0, to = at; i < 1000; i++) {
        guint16 own = (guint16)(at + pile->len);
        const guint8 pointer[] = {(guint8)(0xc0 | to >> 8), (guint8)to};

        g_byte_array_append (pile, pointer, 2);
        to = own;
    }
    put_record (packet, 12, 99, (const char *)pile->data, pile->len);
    at = (guint16)(at + pile->len - 2);
    {
        const char data[] = {0, 10, (char)(0xc0 | at >> 8), (char)at};

        put_record (packet, 12, RELAIS_DNS_MX, data, sizeof data);
    }
    assert_temporary (packet, RELAIS_DNS_MX);
}

static void
test_too_many (void)
{
    GByteArray *packet;
    g_autoptr (RelaisDnsAnswer) answer = NULL;

    assert_temporary (good_chain (DNS_MAX_CNAMES + 1), RELAIS_DNS_A);
    /* a.test is an alias of itself. */
    packet = begin (0, RELAIS_DNS_A, 1, 0);
    RECORD (packet, 5, "\300\14");
    assert_temporary (packet, RELAIS_DNS_A);
    /* More records than are wanted: the first ones. */
    packet = begin (0, RELAIS_DNS_A, 1000, 0);
    for (int i = 0; i < 1000; i++)
        RECORD (packet, RELAIS_DNS_A, "\300\0\2\1");
    answer = parse_array (packet, RELAIS_DNS_A);
    g_assert_cmpuint (answer->records->len, ==, DNS_MAX_RECORDS);
}

static void
test_wrong_headers (void)
{
    static const struct {
        guint at;
        guint8 value;
    } changes[] = {
        {2, 0x01},            /* a question, no answer */
        {2, 0x83},            /* truncated */
        {3, 0x82},            /* SERVFAIL */
        {3, 0x85},            /* REFUSED */
        {3, 0x8f},            /* unknown */
        {5, 0},               /* no question */
        {5, 2},               /* two */
        {7, 4},               /* more answers than there are */
        {6, 255},  {13, 'b'}, /* another name was asked for */
        {20, 1},              /* another type (the low octet) */
        {22, 3},              /* another class */
    };

    for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
        GByteArray *packet = good_mx ();

        packet->data[changes[i].at] = changes[i].value;
        assert_temporary (packet, RELAIS_DNS_MX);
    }
}

static void
test_wrong_sizes (void)
{
    static const struct {
        RelaisDnsType type;
        const char *data;
        gsize size;
    } cases[] = {
        {RELAIS_DNS_A, "\300\0\2", 3}, {RELAIS_DNS_A, "\300\0\2\1\1", 5},
        {RELAIS_DNS_A, "", 0},         {RELAIS_DNS_AAAA, "\300\0\2\1", 4},
        {RELAIS_DNS_TXT, "\5abc", 4},  {RELAIS_DNS_TXT, "", 0},
        {RELAIS_DNS_TXT, "\377", 1},   {RELAIS_DNS_TLSA, "\3\1\1", 3},
        {RELAIS_DNS_PTR, "", 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        GByteArray *packet = begin (0, cases[i].type, 1, 0);

        put_record (packet, 12, (guint8)cases[i].type, cases[i].data, cases[i].size);
        assert_temporary (packet, cases[i].type);
    }
}

/* Cut anywhere, an answer is not understood; with any octet changed, it is read within bounds. */
static void
test_cut_and_changed (void)
{
    GByteArray *packets[] = {good_mx (), good_chain (3)};
    const RelaisDnsType types[] = {RELAIS_DNS_MX, RELAIS_DNS_A};

    for (gsize n = 0; n < G_N_ELEMENTS (packets); n++) {
        for (guint size = 0; size < packets[n]->len; size++) {
            g_autoptr (RelaisDnsAnswer) answer = parse (packets[n]->data, size, types[n]);

            g_assert_cmpint ((int)answer->outcome, ==, RELAIS_DNS_TEMPORARY);
        }
        for (guint at = 0; at < packets[n]->len; at++) {
            guint8 saved = packets[n]->data[at];

            for (guint value = 0; value < 256; value++) {
                packets[n]->data[at] = (guint8)value;
                relais_dns_answer_free (parse (packets[n]->data, packets[n]->len, types[n]));
            }
            packets[n]->data[at] = saved;
        }
        g_byte_array_unref (packets[n]);
    }
}

static void
test_names (void)
{
    static const struct {
        const char *text;
        bool good;
    } names[] = {{"a", true},        {"a.b", true},    {"a.b.", true},    {".", true},
                 {"", true},         {"..", false},    {".a", false},     {"a..b", false},
                 {"a b", false},     {"a\\b", false},  {"a\nb", false},   {"\303\274", false},
                 {"_dmarc.a", true}, {"a+b.c", true},  {"a\\032b", true}, {"\\046", true},
                 {"a\\256", false},  {"a\\03", false}, {"\\", false}};
    g_autofree char *long_label = g_strnfill (64, 'a');
    RelaisDnsName name;

    for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
        g_assert_true (relais_dns_name_from_text (names[i].text, &name) == names[i].good);
    g_assert_false (relais_dns_name_from_text (long_label, &name));
    g_assert_true (relais_dns_name_from_text ("A\\032\\046.b", &name));
    g_assert_cmpuint (name.size, ==, 7);
    g_assert_cmpint (memcmp (name.bytes, "\003a .\001b", 7), ==, 0);
    long_label[63] = '\0';
    g_assert_true (relais_dns_name_from_text (long_label, &name));
    for (int labels = 120; labels < 135; labels++) {
        g_autoptr (GString) text = g_string_new (NULL);

        for (int i = 0; i < labels; i++)
            g_string_append (text, "a.");
        g_assert_true (relais_dns_name_from_text (text->str, &name) == (labels <= 127));
    }
}

/* Asked for itself an alias is a record; asked for otherwise it is followed, and where it leads to is told. */
static void
test_alias (void)
{
    GByteArray *alias = begin (0, RELAIS_DNS_CNAME, 1, 0);
    GByteArray *address = begin (0, RELAIS_DNS_A, 2, 0);
    const guint8 owner[] = {1, 'b', 4, 't', 'e', 's', 't', 0,   0, 1, 0,
                            1, 0,   0, 1,   44,  0,   4,   192, 0, 2, 1};
    g_autoptr (RelaisDnsAnswer) found = NULL;

    RECORD (alias, 5, "\1b\4test\0");
    found = parse_array (alias, RELAIS_DNS_CNAME);
    g_assert_cmpint (found->outcome, ==, RELAIS_DNS_DATA);
    g_assert_cmpstr (g_array_index (found->records, RelaisDnsRecord, 0).name, ==, "b.test");
    g_assert_null (found->canonical);
    g_clear_pointer (&found, relais_dns_answer_free);
    RECORD (address, 5, "\1b\4test\0");
    g_byte_array_append (address, owner, sizeof owner);
    found = parse_array (address, RELAIS_DNS_A);
    g_assert_cmpint (found->outcome, ==, RELAIS_DNS_DATA);
    g_assert_cmpstr (found->canonical, ==, "b.test");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/dns/answer/alias", test_alias);
    g_test_add_func ("/dns/answer/good", test_good);
    g_test_add_func ("/dns/answer/negative-ttl", test_negative_ttl);
    g_test_add_func ("/dns/answer/hostile-names", test_hostile_names);
    g_test_add_func ("/dns/answer/name-too-long", test_name_too_long);
    g_test_add_func ("/dns/answer/pointer-pile", test_pointer_pile);
    g_test_add_func ("/dns/answer/too-many", test_too_many);
    g_test_add_func ("/dns/answer/wrong-headers", test_wrong_headers);
    g_test_add_func ("/dns/answer/wrong-sizes", test_wrong_sizes);
    g_test_add_func ("/dns/answer/cut-and-changed", test_cut_and_changed);
    g_test_add_func ("/dns/answer/names", test_names);
    return g_test_run ();
}
