/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/dns, what a TLSA answer asks for: every cell of dane.c's table. That lookups are coupled to MX and
 * addresses as RFC 7672 wants it is shown with a signed zone (tests/e2e/quick-tls-policy.py).
 */
#include "config.h"

#include "dns/answer-private.h"
#include "dns/dane-private.h"

#include <string.h>

static RelaisDnsAnswer *
answer_of (RelaisDnsOutcome outcome, bool secure)
{
    RelaisDnsAnswer *answer = relais_dns_answer_new ();

    answer->outcome = outcome;
    answer->secure = secure;
    answer->reason = outcome == RELAIS_DNS_TEMPORARY ? "SERVFAIL" : NULL;
    return answer;
}

static void
add (RelaisDnsAnswer *answer, guint8 usage, guint8 selector, guint8 matching, gsize size)
{
    RelaisDnsRecord record = {.bytes = g_malloc0 (size + 3), .size = size + 3};

    record.bytes[0] = usage;
    record.bytes[1] = selector;
    record.bytes[2] = matching;
    g_array_append_val (answer->records, record);
}

static void
check (const RelaisDnsAnswer *answer, RelaisDaneOutcome outcome, guint n_usable)
{
    RelaisDane dane, copy;

    relais_dane_judge (answer, "mx.example.test", &dane);
    g_assert_cmpstr (relais_dane_outcome_to_string (dane.outcome), ==,
                     relais_dane_outcome_to_string (outcome));
    g_assert_true ((dane.set != NULL) == (outcome == RELAIS_DANE_USABLE));
    g_assert_true ((dane.reason != NULL) == (outcome == RELAIS_DANE_FAILED));
    if (dane.set != NULL) {
        g_assert_cmpuint (relais_tlsa_set_size (dane.set), ==, n_usable);
        g_assert_cmpstr (relais_tlsa_set_base (dane.set), ==, "mx.example.test");
    }
    relais_dane_copy (&copy, &dane);
    relais_dane_clear (&dane);
    g_assert_cmpint (copy.outcome, ==, outcome);
    relais_dane_clear (&copy);
}

static void
test_records (void)
{
    g_autoptr (RelaisDnsAnswer) secure = answer_of (RELAIS_DNS_DATA, true);
    g_autoptr (RelaisDnsAnswer) insecure = answer_of (RELAIS_DNS_DATA, false);

    add (secure, 1, 1, 1, 32); /* PKIX-EE */
    check (secure, RELAIS_DANE_UNUSABLE, 0);
    add (secure, 3, 1, 1, 31);
    check (secure, RELAIS_DANE_UNUSABLE, 0);
    add (secure, 3, 1, 1, 32);
    check (secure, RELAIS_DANE_USABLE, 1);
    add (secure, 2, 0, 2, 64);
    check (secure, RELAIS_DANE_USABLE, 2);
    add (insecure, 3, 1, 1, 32);
    check (insecure, RELAIS_DANE_NONE, 0);
}

static void
test_others (void)
{
    static const struct {
        RelaisDnsOutcome outcome;
        RelaisDaneOutcome wanted;
    } rows[] = {{RELAIS_DNS_NODATA, RELAIS_DANE_NONE},
                {RELAIS_DNS_NXDOMAIN, RELAIS_DANE_NONE},
                {RELAIS_DNS_TEMPORARY, RELAIS_DANE_FAILED},
                {RELAIS_DNS_BOGUS, RELAIS_DANE_FAILED}};

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
        for (int secure = 0; secure <= 1; secure++) {
            g_autoptr (RelaisDnsAnswer) answer = answer_of (rows[i].outcome, secure != 0);

            check (answer, rows[i].wanted, 0);
        }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/dns/dane/records", test_records);
    g_test_add_func ("/dns/dane/others", test_others);
    return g_test_run ();
}
