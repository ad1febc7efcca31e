/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Answers of name servers (core/dns/answer.c), each read as the answer to every type of question.
 * Properties: there is a reason where nothing is known and nowhere else; there are records with data
 * and nowhere else, no more than the limit, each of the form of its type; a name in wire form is
 * read and printed as the same.
 *
 * Parsers: core/dns/answer.c.
 */
#include "config.h"

#include "dns/answer-private.h"
#include "fuzz.h"

static const char *const words[] = {"\300\14",  "\1a\4test", "\300\377", "\77",
                                    "\1\4test", "\377\377",  NULL};
const FuzzTarget fuzz_target = {50000, words};

static void
check_name (const char *text)
{
    RelaisDnsName name;

    g_assert_cmpuint (strlen (text), <, DNS_MAX_NAME);
    for (const char *p = text; *p != '\0'; p++)
        g_assert_true (g_ascii_islower (*p) || g_ascii_isdigit (*p) || strchr ("-_.", *p) != NULL);
    if (*text == '\0')
        return;
    g_assert_true (relais_dns_name_from_text (text, &name));
    {
        g_autofree char *again = relais_dns_name_to_text (&name);

        g_assert_cmpstr (again, ==, text);
    }
}

static void
check_record (const RelaisDnsRecord *record, RelaisDnsType type)
{
    switch (type) {
    case RELAIS_DNS_A: g_assert_true (record->bytes != NULL && record->size == 4); break;
    case RELAIS_DNS_AAAA: g_assert_true (record->bytes != NULL && record->size == 16); break;
    case RELAIS_DNS_MX:
    case RELAIS_DNS_PTR:
    case RELAIS_DNS_CNAME:
        g_assert_nonnull (record->name);
        check_name (record->name);
        break;
    case RELAIS_DNS_TXT:
    case RELAIS_DNS_TLSA: g_assert_cmpuint (record->size, <=, G_MAXUINT16); break;
    }
}

static void
check_answer (const guint8 *bytes, gsize size, RelaisDnsType type)
{
    g_autoptr (RelaisDnsAnswer) answer = relais_dns_answer_new ();
    RelaisDnsName name;

    g_assert_true (relais_dns_name_from_text ("a.TEST", &name));
    relais_dns_answer_parse (answer, bytes, size, &name, type);
    g_assert_cmpuint (answer->records->len, <=, DNS_MAX_RECORDS);
    g_assert_true ((answer->reason != NULL) == (answer->outcome == RELAIS_DNS_TEMPORARY));
    g_assert_true ((answer->records->len > 0) == (answer->outcome == RELAIS_DNS_DATA));
    for (guint i = 0; i < answer->records->len; i++)
        check_record (&g_array_index (answer->records, RelaisDnsRecord, i), type);
}

static void
check_text (const guint8 *bytes, gsize size)
{
    g_autofree char *text = fuzz_string (bytes, size);
    g_autofree char *printed = NULL;
    RelaisDnsName name;

    if (!relais_dns_name_from_text (text, &name))
        return;
    g_assert_true (name.size > 0 && name.size <= DNS_MAX_NAME);
    printed = relais_dns_name_to_text (&name);
    if (printed != NULL)
        check_name (printed);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    static const RelaisDnsType types[] = {RELAIS_DNS_A,    RELAIS_DNS_AAAA, RELAIS_DNS_MX,
                                          RELAIS_DNS_PTR,  RELAIS_DNS_TXT,  RELAIS_DNS_TLSA,
                                          RELAIS_DNS_CNAME};

    for (guint i = 0; i < G_N_ELEMENTS (types); i++)
        check_answer (bytes, size, types[i]);
    check_text (bytes, size);
    return 0;
}
