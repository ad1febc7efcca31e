/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl spf test`: does the SPF record of a domain let our own sources send its mail? The record is looked at
 * first; then each address that we send from is checked as a receiver checks it, by the evaluator of RFC 7208 within
 * the limits that receivers have, whatever is configured for mail that comes in. Loop thread.
 */
#include "spf-check.h"

#include <glib/gi18n-lib.h>
#include <relais/timer.h>

#include "published.h"
#include "waiting.h"

typedef struct {
    WaitingCall waiting;
    SpfModule *spf;
    char *domain;
    RelaisLookup *lookup; /* of the record, or NULL */
    char *record;         /* once it is found, and can be read */
    GPtrArray *sources;   /* SpfSource */
    GPtrArray *senders;   /* Sender */
    guint n_open;         /* checks that are not over */
} Test;

/* What is said in a row. */
typedef struct {
    const char *state; /* NULL: nothing yet */
    char *reason;      /* NULL: none */
} Finding;

/* A source whose address is known, under check or checked. */
typedef struct {
    Test *test;
    const SpfSource *source;
    SpfCheck *check; /* NULL once it is over */
    Finding finding;
} Sender;

static void
sender_free (gpointer data)
{
    Sender *sender = data;

    spf_check_cancel (sender->check);
    g_free (sender->finding.reason);
    g_free (sender);
}

static void
test_free (gpointer data)
{
    Test *test = data;

    relais_lookup_cancel (test->lookup);
    g_ptr_array_unref (test->senders);
    g_ptr_array_unref (test->sources);
    g_free (test->record);
    g_free (test->domain);
    g_free (test);
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* `address` is that of a source; "" where the row is about the record, or about sources that have none. */
static void
put_row (Published *rows, const Test *test, const char *address, const Finding *finding,
         const char *publish)
{
    relais_command_put (rows->call, "name", test->domain);
    relais_command_put (rows->call, "source", address);
    published_end_row (rows, finding->state, finding->reason, publish);
}

static void
end_test (Test *test, Published *rows, const char *trouble)
{
    rows->call = waiting_call_end (&test->waiting);
    published_end (rows, trouble);
}

/* --- The sources ------------------------------------------------------------------------------ */

static bool
is_lacking (const Sender *sender)
{
    return g_str_equal (sender->finding.state, "not permitted");
}

static char *
wanted_record (const Test *test)
{
    g_autoptr (GPtrArray) lacking = g_ptr_array_new ();

    for (guint i = 0; i < test->senders->len; i++) {
        const Sender *sender = g_ptr_array_index (test->senders, i);

        if (is_lacking (sender))
            g_ptr_array_add (lacking, (gpointer)sender->source);
    }
    return spf_propose_record (test->record, lacking);
}

static void
put_sources (Published *rows, const Test *test, const char *wanted)
{
    g_autofree char *chosen =
        g_strdup (_ ("a [source NAME] has no address4 and no address6: the machine's routing "
                     "chooses its address, which is not known here"));

    for (guint i = 0; i < test->senders->len; i++) {
        const Sender *sender = g_ptr_array_index (test->senders, i);

        put_row (rows, test, sender->source->address, &sender->finding,
                 is_lacking (sender) ? wanted : NULL);
    }
    if (test->senders->len < test->sources->len)
        put_row (rows, test, "", &(Finding){"unknown", chosen}, NULL);
}

static void
end_with_sources (Test *test)
{
    Published rows = {.call = test->waiting.call};
    g_autofree char *wanted = wanted_record (test), *trouble = NULL;

    put_sources (&rows, test, wanted);
    if (wanted != NULL)
        published_advise (&rows, test->domain, wanted);
    trouble = g_strdup_printf (
        _ ("%u of %u sending addresses are not known to be let send by the SPF record"), rows.n_bad,
        rows.n_rows);
    end_test (test, &rows, trouble);
}

static Finding
refused (const SpfSource *source, const SpfVerdict *verdict)
{
    const char *result = spf_result_to_string (verdict->result);

    if (spf_source_is_hidden (source))
        return (Finding){"unknown", g_strdup (_ ("a private address: receivers see another one "
                                                 "(NAT), which is not known here"))};
    return (Finding){"not permitted", verdict->mechanism != NULL
                                          ? g_strdup_printf ("%s (%s)", result, verdict->mechanism)
                                          : g_strdup (result)};
}

static Finding
finding_of (const SpfSource *source, const SpfVerdict *verdict)
{
    switch (verdict->result) {
    case SPF_PASS: return (Finding){"good", NULL};
    case SPF_PERMERROR: return (Finding){"unusable", g_strdup (verdict->problem)};
    case SPF_TEMPERROR: return (Finding){"unknown", g_strdup (verdict->problem)};
    case SPF_NONE:
    case SPF_NEUTRAL:
    case SPF_FAIL:
    case SPF_SOFTFAIL:
    case SPF_RESULTS: break;
    }
    return refused (source, verdict);
}

static void
take_verdict (SpfVerdict *verdict, gpointer data)
{
    Sender *sender = data;

    sender->check = NULL;
    sender->finding = finding_of (sender->source, verdict);
    spf_verdict_free (verdict);
    if (--sender->test->n_open == 0)
        end_with_sources (sender->test);
}

static void
check_source (Test *test, const SpfSource *source)
{
    const SpfConfig *config = relais_module_get_config (test->spf->module);
    const SpfConfig receivers = {.limits = SPF_LIMITS_DEFAULT, .deadline_us = config->deadline_us};
    g_autofree char *from = g_strconcat ("probe@", test->domain, NULL);
    const SpfIdentity identity = {source->address, from, source->helo, config->receiver,
                                  relais_module_wall_us (test->spf->module) / G_USEC_PER_SEC};
    Sender *sender = g_new0 (Sender, 1);

    sender->test = test;
    sender->source = source;
    g_ptr_array_add (test->senders, sender);
    test->n_open++;
    sender->check = spf_check_start (test->spf, &receivers, &identity, false, take_verdict, sender);
}

static void
check_sources (Test *test)
{
    for (guint i = 0; i < test->sources->len; i++) {
        const SpfSource *source = g_ptr_array_index (test->sources, i);

        if (source->address != NULL)
            check_source (test, source);
    }
    if (test->n_open == 0)
        end_with_sources (test);
}

/* --- The record ------------------------------------------------------------------------------- */

/* Keeps the record if it is one; else what is wrong with it. */
static Finding
take_text (Test *test, GBytes *found)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data (found, &size);
    char *problem = NULL;
    g_autoptr (SpfRecord) record = spf_record_parse (bytes, size, &problem);

    if (record == NULL)
        return (Finding){"unusable", problem};
    test->record = g_strndup ((const char *)bytes, size);
    return (Finding){"good", NULL};
}

static Finding
look_at (Test *test, const SpfAnswer *answer)
{
    guint n;
    GBytes *found = spf_answer_find_record (answer, &n);

    if (answer->outcome == SPF_DNS_ERROR)
        return (Finding){"unknown",
                         g_strdup (answer->reason != NULL ? answer->reason : _ ("no answer"))};
    if (answer->outcome == SPF_DNS_NXDOMAIN)
        return (Finding){"missing", g_strdup (_ ("there is no SPF record: no such name"))};
    if (n == 0)
        return (Finding){"missing", g_strdup (_ ("there is no SPF record"))};
    if (n > 1)
        return (Finding){"ambiguous",
                         g_strdup_printf (_ ("there are %u SPF records, of which receivers take "
                                             "none (permerror)"),
                                          n)};
    return take_text (test, found);
}

/* What it says of the sources cannot be asked. */
static void
end_without_record (Test *test, const Finding *finding)
{
    Published rows = {.call = test->waiting.call};
    g_autofree char *wanted =
        g_str_equal (finding->state, "missing") ? spf_propose_record (NULL, test->sources) : NULL;
    g_autofree char *trouble = NULL;

    put_row (&rows, test, "", finding, wanted);
    if (wanted != NULL)
        published_advise (&rows, test->domain, wanted);
    trouble = g_strdup_printf (_ ("%u of %u records are not published as they should be"),
                               rows.n_bad, rows.n_rows);
    end_test (test, &rows, trouble);
}

static void
take_answer (const RelaisDnsAnswer *from, gpointer data)
{
    Test *test = data;
    g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
    const SpfAnswer answer = spf_check_read_answer (from, SPF_DNS_TXT, records);
    Finding finding = look_at (test, &answer);

    test->lookup = NULL;
    if (test->record != NULL)
        check_sources (test);
    else
        end_without_record (test, &finding);
    g_free (finding.reason);
}

/* --- The command ------------------------------------------------------------------------------ */

void
spf_command_test (RelaisCommandCall *call, gpointer data)
{
    SpfModule *spf = relais_module_get_data (data);
    const SpfConfig *config = relais_module_get_config (data);
    char *domain = published_take_domain (call);
    Test *test;

    if (domain == NULL)
        return;
    test = g_new0 (Test, 1);
    test->spf = spf;
    test->domain = domain;
    test->sources = spf_sources_new (relais_command_config (call), config->receiver);
    test->senders = g_ptr_array_new_with_free_func (sender_free);
    waiting_call_begin (&test->waiting, &spf->calls, call, test_free, test);
    test->lookup = relais_lookup (spf->module, domain, RELAIS_DNS_TXT, take_answer, test);
}
