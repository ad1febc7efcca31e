/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The suppression list of these tests. Loop thread.
 */
#include "config.h"

#include "fake-suppression.h"

#include <string.h>

struct RelaisSuppression {
    RelaisLoop *loop;
};

typedef struct {
    char *address, *tenant, *campaign, *reason;
    RelaisSuppressClass suppress_class;
} Entry;

typedef struct {
    RelaisSuppressFunc done;
    gpointer data;
    RelaisSuppressResult result;
} Answer;

const char *fake_suppression_trouble;
bool fake_suppression_fails, fake_suppression_waits;
guint fake_suppression_checks, fake_suppression_reports;
GPtrArray *fake_suppression_ids;
char *fake_suppression_last;

static struct RelaisSuppression list;
static GPtrArray *entries;
static GQueue waiting; /* Answer */

static void
entry_free (gpointer data)
{
    Entry *entry = data;

    g_free (entry->address);
    g_free (entry->tenant);
    g_free (entry->campaign);
    g_free (entry->reason);
    g_free (entry);
}

RelaisSuppression *
fake_suppression (RelaisLoop *loop)
{
    list.loop = loop;
    if (entries == NULL) {
        entries = g_ptr_array_new_with_free_func (entry_free);
        fake_suppression_ids = g_ptr_array_new_with_free_func (g_free);
    }
    return &list;
}

void
fake_suppression_add (const char *address, const char *tenant, const char *campaign,
                      RelaisSuppressClass suppress_class, const char *reason)
{
    Entry *entry = g_new (Entry, 1);

    *entry = (Entry){g_strdup (address), g_strdup (tenant), g_strdup (campaign), g_strdup (reason),
                     suppress_class};
    g_ptr_array_add (entries, entry);
}

void
fake_suppression_clear (void)
{
    g_assert_true (g_queue_is_empty (&waiting));
    g_clear_pointer (&entries, g_ptr_array_unref);
    g_clear_pointer (&fake_suppression_ids, g_ptr_array_unref);
    g_clear_pointer (&fake_suppression_last, g_free);
    fake_suppression_trouble = NULL;
    fake_suppression_fails = fake_suppression_waits = false;
    fake_suppression_checks = fake_suppression_reports = 0;
}

/* --- What is asked ------------------------------------------------------------------------------ */

static bool
covers (const char *scope, const char *name)
{
    return scope == NULL || g_strcmp0 (scope, name) == 0;
}

RelaisSuppressAnswer
relais_suppression_check (RelaisSuppression *self, const char *address, const char *tenant,
                          const char *campaign, RelaisSuppressionEntry *found)
{
    g_assert_true (self == &list);
    fake_suppression_checks++;
    if (fake_suppression_trouble != NULL)
        return RELAIS_SUPPRESS_UNKNOWN;
    for (guint i = 0; i < entries->len; i++) {
        const Entry *entry = entries->pdata[i];

        if (!g_str_equal (entry->address, address) || !covers (entry->tenant, tenant) ||
            !covers (entry->campaign, campaign))
            continue;
        if (found != NULL)
            *found = (RelaisSuppressionEntry){.suppress_class = entry->suppress_class,
                                              .reason = entry->reason};
        return RELAIS_SUPPRESS_PRESENT;
    }
    return RELAIS_SUPPRESS_ABSENT;
}

const char *
relais_suppression_trouble (const RelaisSuppression *self)
{
    return fake_suppression_trouble;
}

/* --- What is reported --------------------------------------------------------------------------- */

static const char *
or_dash (const char *text)
{
    return text != NULL ? text : "-";
}

static void
keep (const RelaisEvidence *evidence)
{
    g_free (fake_suppression_last);
    fake_suppression_last =
        g_strdup_printf ("%u %s %s %s %s %s", evidence->suppress_class, evidence->address,
                         or_dash (evidence->tenant), or_dash (evidence->campaign),
                         or_dash (evidence->reason), or_dash (evidence->text));
    if (!g_ptr_array_find_with_equal_func (fake_suppression_ids, evidence->id, g_str_equal, NULL))
        g_ptr_array_add (fake_suppression_ids, g_strdup (evidence->id));
}

static void
tell (gpointer data)
{
    Answer *answer = data;

    answer->done (answer->data, answer->result);
    g_free (answer);
}

void
relais_suppression_report (RelaisSuppression *self, const RelaisEvidence *evidence,
                           RelaisSuppressFunc done, gpointer data)
{
    Answer *answer = g_new (Answer, 1);

    g_assert_true (self == &list);
    g_assert_cmpuint (evidence->struct_size, ==, sizeof *evidence);
    g_assert_nonnull (evidence->id);
    g_assert_cmpint (evidence->wall_us, >, 0);
    fake_suppression_reports++;
    *answer = (Answer){done, data, RELAIS_SUPPRESS_FAILED};
    if (!fake_suppression_fails) {
        keep (evidence);
        answer->result = RELAIS_SUPPRESS_SUPPRESSED;
    }
    if (fake_suppression_waits)
        g_queue_push_tail (&waiting, answer);
    else
        relais_loop_post (list.loop, tell, answer);
}

void
fake_suppression_answer (void)
{
    for (Answer *answer; (answer = g_queue_pop_head (&waiting)) != NULL;)
        relais_loop_post (list.loop, tell, answer);
}
