/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The harness's side of classifications and of the suppression list: a list in memory, without policies and
 * without a disk. Reports may come from any thread; everything else is the caller's.
 */
#include "config.h"

#include "module/test-private.h"

#include <string.h>

struct RelaisTestSuppression {
    RelaisLoop *loop;
    GMutex mutex;    /* of all that follows */
    GPtrArray *kept; /* Entry */
    guint taken;     /* of them by relais_test_take_evidence () */
    guint under_way; /* reports that were not called back */
    bool unreadable, unwritable;
};

/* Evidence with its strings, which are the entry's. */
typedef struct {
    RelaisEvidence evidence;
    char *address, *tenant, *campaign, *reason, *text, *id;
} Entry;

static void
entry_free (gpointer data)
{
    Entry *entry = data;

    g_free (entry->address);
    g_free (entry->tenant);
    g_free (entry->campaign);
    g_free (entry->reason);
    g_free (entry->text);
    g_free (entry->id);
    g_free (entry);
}

static Entry *
entry_new (const RelaisEvidence *evidence)
{
    Entry *entry = g_new (Entry, 1);

    *entry = (Entry){*evidence,
                     g_strdup (evidence->address),
                     g_strdup (evidence->tenant),
                     g_strdup (evidence->campaign),
                     g_strdup (evidence->reason),
                     g_strdup (evidence->text),
                     g_strdup (evidence->id)};
    entry->evidence.address = entry->address;
    entry->evidence.tenant = entry->tenant;
    entry->evidence.campaign = entry->campaign;
    entry->evidence.reason = entry->reason;
    entry->evidence.text = entry->text;
    entry->evidence.id = entry->id;
    return entry;
}

RelaisTestSuppression *
relais_test_suppression_new (RelaisLoop *loop)
{
    RelaisTestSuppression *fake = g_new0 (RelaisTestSuppression, 1);

    fake->loop = loop;
    g_mutex_init (&fake->mutex);
    fake->kept = g_ptr_array_new_with_free_func (entry_free);
    return fake;
}

void
relais_test_suppression_free (RelaisTestSuppression *fake)
{
    g_ptr_array_unref (fake->kept);
    g_mutex_clear (&fake->mutex);
    g_free (fake);
}

/* --- Reports ------------------------------------------------------------------------------------ */

typedef struct {
    RelaisTestSuppression *fake;
    RelaisSuppressResult result;
    RelaisSuppressFunc done;
    gpointer data;
} Answer;

static void
tell (gpointer data)
{
    Answer *answer = data;

    if (answer->done != NULL)
        answer->done (answer->data, answer->result);
    g_mutex_lock (&answer->fake->mutex);
    answer->fake->under_way--;
    g_mutex_unlock (&answer->fake->mutex);
    g_free (answer);
}

static bool
is_well_formed (const RelaisEvidence *evidence)
{
    const char *at = evidence->address != NULL ? strrchr (evidence->address, '@') : NULL;

    return at != NULL && at > evidence->address && at[1] != '\0' &&
           evidence->suppress_class != RELAIS_SUPPRESS_NONE &&
           evidence->suppress_class <= RELAIS_SUPPRESS_MANUAL;
}

static bool
is_known (const RelaisTestSuppression *fake, const char *id)
{
    for (guint i = 0; i < fake->kept->len; i++)
        if (g_strcmp0 (((const Entry *)fake->kept->pdata[i])->id, id) == 0)
            return true;
    return false;
}

static RelaisSuppressResult
keep (RelaisTestSuppression *fake, const RelaisEvidence *evidence)
{
    if (fake->unwritable || !is_well_formed (evidence))
        return RELAIS_SUPPRESS_FAILED;
    if (evidence->id == NULL || !is_known (fake, evidence->id))
        g_ptr_array_add (fake->kept, entry_new (evidence));
    return evidence->suppress_class == RELAIS_SUPPRESS_SOFT ? RELAIS_SUPPRESS_COUNTED
                                                            : RELAIS_SUPPRESS_SUPPRESSED;
}

void
relais_test_suppression_report (RelaisTestSuppression *fake, const RelaisEvidence *evidence,
                                RelaisSuppressFunc done, gpointer data)
{
    Answer *answer = g_new (Answer, 1);

    *answer = (Answer){.fake = fake, .done = done, .data = data};
    g_mutex_lock (&fake->mutex);
    answer->result = keep (fake, evidence);
    fake->under_way++;
    g_mutex_unlock (&fake->mutex);
    relais_loop_post (fake->loop, tell, answer);
}

/* --- Checks ------------------------------------------------------------------------------------- */

static bool
is_meant (const Entry *entry, const char *address, const char *tenant, const char *campaign)
{
    return entry->evidence.suppress_class != RELAIS_SUPPRESS_SOFT &&
           g_ascii_strcasecmp (entry->address, address) == 0 &&
           (entry->tenant == NULL || g_strcmp0 (entry->tenant, tenant) == 0) &&
           (entry->campaign == NULL || g_strcmp0 (entry->campaign, campaign) == 0);
}

RelaisSuppressAnswer
relais_test_suppression_check (RelaisTestSuppression *fake, const char *address, const char *tenant,
                               const char *campaign)
{
    RelaisSuppressAnswer answer = RELAIS_SUPPRESS_ABSENT;

    g_mutex_lock (&fake->mutex);
    for (guint i = 0; i < fake->kept->len; i++)
        if (is_meant (fake->kept->pdata[i], address, tenant, campaign))
            answer = RELAIS_SUPPRESS_PRESENT;
    if (fake->unreadable)
        answer = RELAIS_SUPPRESS_UNKNOWN;
    g_mutex_unlock (&fake->mutex);
    return answer;
}

/* --- What a test does with them ------------------------------------------------------------------ */

const RelaisEvidence *
relais_test_take_evidence (RelaisTest *test)
{
    RelaisTestSuppression *fake = test->host->test_suppression;
    const RelaisEvidence *evidence = NULL;

    g_mutex_lock (&fake->mutex);
    if (fake->taken < fake->kept->len)
        evidence = &((const Entry *)fake->kept->pdata[fake->taken++])->evidence;
    g_mutex_unlock (&fake->mutex);
    return evidence;
}

void
relais_test_set_suppression (RelaisTest *test, gboolean readable, gboolean writable)
{
    RelaisTestSuppression *fake = test->host->test_suppression;

    g_mutex_lock (&fake->mutex);
    fake->unreadable = !readable;
    fake->unwritable = !writable;
    g_mutex_unlock (&fake->mutex);
}

static bool
is_settled (RelaisTestSuppression *fake)
{
    bool settled;

    g_mutex_lock (&fake->mutex);
    settled = fake->under_way == 0;
    g_mutex_unlock (&fake->mutex);
    return settled;
}

void
relais_test_settle_suppression (RelaisTest *test)
{
    while (!is_settled (test->host->test_suppression))
        relais_loop_turn (test->loop, true);
}

const RelaisClassification *
relais_test_get_classification (RelaisTest *test)
{
    const RelaisMeaning *meaning = &test->meaning;

    if (!meaning->is_set)
        return NULL;
    test->classification =
        (RelaisClassification){.struct_size = sizeof test->classification,
                               .scope = meaning->scope,
                               .permanence = meaning->permanence,
                               .suppress = meaning->suppress,
                               .reason = meaning->reason[0] != '\0' ? meaning->reason : NULL,
                               .rule = meaning->rule[0] != '\0' ? meaning->rule : NULL};
    return &test->classification;
}
