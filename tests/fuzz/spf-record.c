/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Records of SPF and whole checks (modules/spf-check). The lines of the input are the records that domains have;
 * what else DNS says follows from chance drawn from it. Properties: a check ends within what its budgets allow
 * to ask, asks for nothing that is no name, comes out the same again, and can be stopped anywhere.
 *
 * Parsers: modules/spf-check/eval.c, modules/spf-check/lookups.c, modules/spf-check/names.c,
 * modules/spf-check/record.c.
 */
#include "config.h"

#include "fuzz.h"
#include "spf.h"

static const char *const words[] = {"v=spf1 ",
                                    "\nv=spf1 ",
                                    " include:a.test",
                                    " include:b.test",
                                    " a:%{p}.test",
                                    " mx",
                                    " a",
                                    " ptr",
                                    " ptr:a.test",
                                    " exists:%{i}.a.test",
                                    " ip4:192.0.",
                                    " ip6:2001:",
                                    " redirect=a.test",
                                    " exp=e.test",
                                    " exp=%{p}.test",
                                    " x=%{c}",
                                    " -all",
                                    "~all",
                                    "?",
                                    "/24",
                                    "//64",
                                    "%{d}",
                                    "%{l1r-}",
                                    "%{D9}",
                                    "%%%_%-",
                                    NULL};
const FuzzTarget fuzz_target = {30000, words};

static const SpfLimits limits = {10, 2, 10, 10, true, true};

enum { QUESTIONS_MOST = 1 + 10 * 11 + 11 + 1 };

typedef struct {
    const guint8 *bytes;
    gsize size;
    FuzzRandom random;
    guint misses; /* of 16 questions, have no answer */
} Dns;

/* The n-th line, of those that there are. */
static GBytes *
line (const Dns *dns, gsize n)
{
    const guint8 *at = dns->bytes, *end = dns->bytes + dns->size;

    for (; n > 0; n--) {
        const guint8 *next = memchr (at, '\n', (gsize)(end - at));

        at = next != NULL ? next + 1 : dns->bytes;
    }
    for (gsize i = 0; i < (gsize)(end - at); i++)
        if (at[i] == '\n')
            return g_bytes_new (at, i);
    return g_bytes_new (at, (gsize)(end - at));
}

static GBytes *
name_record (Dns *dns)
{
    static const char *const names[] = {"a.test", "mail.b.test", "", "x", "..", "c.a.test"};
    const char *name = names[fuzz_random_below (&dns->random, G_N_ELEMENTS (names))];

    return g_bytes_new (name, strlen (name));
}

static GBytes *
record_of (Dns *dns, SpfDnsType type)
{
    static const guint8 addresses[3][16] = {
        {192, 0, 2, 1}, {198, 51, 100, 1}, {0x20, 1, 0xd, 0xb8}};
    const gsize n = fuzz_random_below (&dns->random, 3);

    switch (type) {
    case SPF_DNS_A:
        return g_bytes_new (addresses[n], fuzz_random_below (&dns->random, 9) > 0 ? 4 : 3);
    case SPF_DNS_AAAA: return g_bytes_new (addresses[n], 16);
    case SPF_DNS_TXT: return line (dns, fuzz_random_below (&dns->random, 8));
    default: return name_record (dns);
    }
}

static void
answer (Dns *dns, SpfEval *eval, SpfDnsType type)
{
    g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
    SpfAnswer said = {SPF_DNS_DATA, NULL, records};
    const gsize chance = fuzz_random_below (&dns->random, 16);
    gsize n = type == SPF_DNS_TXT ? 1 : 1 + fuzz_random_below (&dns->random, 12);

    if (chance < dns->misses)
        said = (SpfAnswer){(SpfDnsOutcome)(SPF_DNS_NODATA + chance % 3), "lost", NULL};
    for (; n > 0; n--)
        g_ptr_array_add (records, record_of (dns, type));
    spf_eval_answer (eval, &said);
}

static SpfResult
check (const guint8 *bytes, gsize size, const char *ip, guint misses, guint stop)
{
    const SpfIdentity identity = {ip, "local-part+x@sub.d.test", "helo.test", "r.test", 1};
    g_autoptr (SpfEval) eval = spf_eval_new (&identity, &limits);
    Dns dns = {bytes, size, fuzz_random_from (bytes, size), misses};
    const SpfQuestion *question;

    for (guint n = 0; (question = spf_eval_next (eval)) != NULL && n < stop; n++) {
        g_assert_cmpuint (n, <, QUESTIONS_MOST);
        g_assert_true (spf_name_is_good (question->name));
        answer (&dns, eval, question->type);
    }
    spf_eval_stop (eval, SPF_TEMPERROR, "stopped");
    g_assert_null (spf_eval_next (eval));
    g_assert_cmpuint (spf_eval_n_terms (eval), <=, limits.terms + 1);
    g_assert_cmpuint (spf_eval_n_voids (eval), <=, limits.voids + 1);
    g_assert_cmpint (spf_eval_get_result (eval), <, SPF_RESULTS);
    g_assert_nonnull (spf_result_to_string (spf_eval_get_result (eval)));
    g_assert_cmpstr (spf_eval_get_domain (eval), ==, "sub.d.test");
    g_assert_cmpuint (spf_eval_n_questions (eval), <=, QUESTIONS_MOST);
    g_assert_true (!spf_eval_is_helo (eval) && spf_eval_get_trace (eval) != NULL);
    if (spf_eval_get_problem (eval) != NULL)
        g_assert_null (spf_eval_get_mechanism (eval));
    if (spf_eval_get_explanation (eval) != NULL) {
        g_assert_cmpint (spf_eval_get_result (eval), ==, SPF_FAIL);
        g_assert_cmpuint (strlen (spf_eval_get_explanation (eval)), <=, SPF_EXPLANATION_BYTES);
    }
    return spf_eval_get_result (eval);
}

/* Terms lie in the record one behind the other. */
static void
check_record (const guint8 *bytes, gsize size)
{
    g_autofree char *problem = NULL;
    g_autoptr (SpfRecord) record = spf_record_parse (bytes, size, &problem);
    gsize texts = 0;

    g_assert_true ((record == NULL) == (problem != NULL));
    if (record == NULL)
        return;
    g_assert_true (spf_record_is_spf (bytes, size));
    for (guint i = 0; i < record->terms->len; i++) {
        const SpfTerm *term = &g_array_index (record->terms, SpfTerm, i);

        texts += strlen (term->text) + 1;
        g_assert_cmpuint (term->prefix6, <=, 128);
    }
    g_assert_cmpuint (texts + strlen ("v=spf1"), <=, size);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autofree guint8 *copy = fuzz_exact (bytes, size);
    FuzzRandom random = fuzz_random_from (bytes, size);

    check_record (copy, size);
    g_assert_cmpint (check (copy, size, "192.0.2.1", 3, G_MAXUINT), ==,
                     check (copy, size, "::ffff:192.0.2.1", 3, G_MAXUINT));
    check (copy, size, "2001:db8::", 8, G_MAXUINT);
    check (copy, size, "192.0.2.1", 3, (guint)fuzz_random_below (&random, 16));
    return 0;
}
