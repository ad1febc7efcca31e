/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl dmarc test`: which policy do receivers find for mail from a domain, and is it one? One walk up the DNS
 * (walk.c), which ends where it is known what applies. Loop thread.
 */
#include "dmarc.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "published.h"
#include "waiting.h"

typedef struct {
    WaitingCall waiting;
    RelaisModule *module;
    DmarcWalk walk; /* from the domain */
    RelaisLookup *lookup;
    char *several; /* the first domain on the way with more than one record, or NULL */
    guint n_several;
} Test;

/* What is said in the row. */
typedef struct {
    const char *state, *policy; /* policy: NULL where none applies */
    const char *domain;         /* whose name below _dmarc it is about */
    char *reason, *publish;     /* owned; NULL: none */
} Finding;

static void
test_free (gpointer data)
{
    Test *test = data;

    relais_lookup_cancel (test->lookup);
    dmarc_walk_clear (&test->walk);
    g_free (test->several);
    g_free (test);
}

/* --- What was found --------------------------------------------------------------------------- */

static const char *
policy_of (const Test *test, const DmarcFound *found)
{
    DmarcFound asked = *found;

    asked.record.testing = false; /* what is asked for, whenever that is meant */
    return dmarc_policy_to_string (dmarc_policy_wanted (&asked, test->walk.start, true));
}

static void
add_remark (GString *remarks, const char *text)
{
    if (remarks->len > 0)
        g_string_append (remarks, "; ");
    g_string_append (remarks, text);
}

/* What people should know of a record that is good all the same; NULL: nothing. */
static char *
remarks_on (const DmarcRecord *record, const char *policy)
{
    GString *remarks = g_string_new (NULL);

    if (g_str_equal (policy, "none"))
        add_remark (remarks, _ ("the policy none asks nothing of receivers"));
    else if (record->testing)
        add_remark (remarks, _ ("t=y: receivers do one step less than the policy asks"));
    if (!record->has_rua)
        add_remark (remarks, _ ("without rua= nobody gets reports"));
    return g_string_free (remarks, remarks->len == 0);
}

static Finding
look_at_record (const Test *test, const DmarcFound *found)
{
    const DmarcPolicy wanted = dmarc_policy_wanted (found, test->walk.start, true);
    const char *policy = policy_of (test, found);

    if (wanted == DMARC_UNSET)
        return (Finding){"unusable", NULL, found->domain,
                         g_strdup (_ ("the record has no valid policy")), NULL};
    if (dmarc_policy_is_garbled (&found->record))
        return (Finding){"unusable", policy, found->domain,
                         g_strdup (_ ("p=, sp= or np= has no valid value: receivers take it for "
                                      "p=none")),
                         NULL};
    return (Finding){"good", policy, found->domain, remarks_on (&found->record, policy), NULL};
}

/* Whether it was on the way before anything that applies: what comes first has more labels. */
static bool
several_come_first (const Test *test, const DmarcFound *found)
{
    return test->several != NULL &&
           (found == NULL || strlen (test->several) > strlen (found->domain));
}

static Finding
finding_of (const Test *test)
{
    const DmarcFound *found = dmarc_walk_policy (&test->walk);
    const char *domain = test->walk.start;

    if (several_come_first (test, found))
        return (Finding){"ambiguous", NULL, test->several,
                         g_strdup_printf (_ ("there are %u DMARC records, of which receivers take "
                                             "none"),
                                          test->n_several),
                         NULL};
    if (found != NULL)
        return look_at_record (test, found);
    return (Finding){"missing", NULL, domain, g_strdup (_ ("there is no DMARC record")),
                     g_strdup_printf ("v=DMARC1; p=none; rua=mailto:postmaster@%s", domain)};
}

/* --- The row ---------------------------------------------------------------------------------- */

/* Takes over what the finding owns. */
static void
end_test (Test *test, const Finding *finding)
{
    Published rows = {.call = test->waiting.call};
    g_autofree char *name = g_strconcat ("_dmarc.", finding->domain, NULL);
    g_autofree char *reason = finding->reason, *publish = finding->publish, *trouble = NULL;

    relais_command_put (rows.call, "name", name);
    relais_command_put (rows.call, "policy", finding->policy);
    published_end_row (&rows, finding->state, reason, publish);
    if (publish != NULL)
        published_advise (&rows, name, publish);
    trouble = g_strdup_printf (_ ("%u of %u records are not published as they should be"),
                               rows.n_bad, rows.n_rows);
    waiting_call_end (&test->waiting);
    published_end (&rows, trouble);
}

/* --- The walk --------------------------------------------------------------------------------- */

static void go_on (Test *test);

static void
end_unknown (Test *test, const RelaisDnsAnswer *answer)
{
    const char *reason = relais_dns_answer_get_reason (answer);
    const Finding finding = {"unknown", NULL, test->walk.at,
                             g_strdup (reason != NULL ? reason : _ ("no answer")), NULL};

    end_test (test, &finding);
}

static void
take_answer (const RelaisDnsAnswer *answer, gpointer data)
{
    Test *test = data;
    const char *domain = test->walk.at;
    guint n;

    test->lookup = NULL;
    if (dmarc_answer_is_unknown (answer)) {
        end_unknown (test, answer);
        return;
    }
    n = dmarc_walk_take_answer (&test->walk, answer);
    if (n > 1 && test->several == NULL) {
        test->several = g_strdup (domain);
        test->n_several = n;
    }
    go_on (test);
}

/* The domain's own record applies, whatever is above it. */
static bool
has_own_record (const DmarcWalk *walk)
{
    return walk->n_found > 0 && g_str_equal (walk->found[0].domain, walk->start);
}

static void
go_on (Test *test)
{
    Finding finding;

    if (!has_own_record (&test->walk))
        test->lookup = dmarc_walk_ask (&test->walk, test->module, take_answer, test);
    if (test->lookup != NULL)
        return;
    finding = finding_of (test);
    end_test (test, &finding);
}

/* --- The command ------------------------------------------------------------------------------ */

void
dmarc_command_test (RelaisCommandCall *call, gpointer data)
{
    Dmarc *dmarc = relais_module_get_data (data);
    g_autofree char *domain = published_take_domain (call);
    Test *test;

    if (domain == NULL)
        return;
    test = g_new0 (Test, 1);
    test->module = dmarc->module;
    dmarc_walk_init (&test->walk, domain);
    waiting_call_begin (&test->waiting, &dmarc->calls, call, test_free, test);
    go_on (test);
}
