/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: classifications and the suppression list as modules see them: what is refused, and that every report
 * is called back once.
 */
#include "config.h"

#include "module/module-private.h"

#include <string.h>

typedef struct {
    RelaisLoop *loop;
    RelaisHost *host;
    RelaisModule *module;
    RelaisMessage *message;
    RelaisMeaning meaning;
    RelaisSubject subject;
    RelaisClassification given;
    gboolean taken;
} Fixture;

/* Complaints are told through the structured log; the last one is kept. */
static char *complaint;

static GLogWriterOutput
keep_complaint (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
    for (gsize i = 0; i < n; i++)
        if (level == G_LOG_LEVEL_WARNING && g_str_equal (fields[i].key, "MESSAGE")) {
            g_free (complaint);
            complaint = g_strdup (fields[i].value);
        }
    return level == G_LOG_LEVEL_WARNING ? G_LOG_WRITER_HANDLED
                                        : g_log_writer_default (level, fields, n, data);
}

static void
assert_complaint (const char *pattern)
{
    g_autofree char *taken = g_steal_pointer (&complaint);

    g_assert_nonnull (taken);
    g_assert_true (g_pattern_match_simple (pattern, taken));
}

static RelaisVerdict
judge (RelaisHook *hook, gpointer data)
{
    Fixture *fixture = data;

    fixture->taken = relais_hook_set_classification (hook, &fixture->given);
    return RELAIS_VERDICT_CONTINUE;
}

static void
add (Fixture *fixture, RelaisHookId hook)
{
    const RelaisHookInfo info = {
        .struct_size = sizeof info, .hook = hook, .name = "judge", .func = judge, .data = fixture};
    g_autoptr (GError) error = NULL;

    relais_module_add_hook (fixture->module, &info, &error);
    g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    const RelaisModuleDescriptor descriptor = {
        .magic = RELAIS_MODULE_MAGIC,
        .struct_size = sizeof descriptor,
        .api_major = RELAIS_API_MAJOR,
        .minor_built = RELAIS_API_MINOR,
        .minor_required = RELAIS_API_MINOR,
        .name = "guest",
        .version = "1",
        .summary = "a fixture",
    };
    g_autoptr (GError) error = NULL;

    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->host = relais_host_new (&(RelaisHostOptions){
        .loop = fixture->loop, .module_dir = "/nonexistent", .program = "test"});
    fixture->module = relais_module_new (fixture->host, &descriptor, "guest", &error);
    g_assert_no_error (error);
    g_ptr_array_add (fixture->host->modules, fixture->module);
    fixture->host->in_init = true;
    add (fixture, RELAIS_HOOK_RESULT);
    add (fixture, RELAIS_HOOK_ROUTE);
    fixture->host->in_init = false;
    relais_chains_order (fixture->host, &error);
    g_assert_no_error (error);
    fixture->message = relais_message_new (1);
    fixture->subject.message = fixture->message;
    fixture->subject.outcome = RELAIS_OUTCOME_BOUNCED;
    fixture->subject.meaning = &fixture->meaning;
    fixture->given = (RelaisClassification){.struct_size = sizeof fixture->given,
                                            .scope = RELAIS_BOUNCE_RECIPIENT,
                                            .permanence = RELAIS_PERMANENCE_PERMANENT,
                                            .suppress = RELAIS_SUPPRESS_HARD,
                                            .reason = "no-such-user",
                                            .rule = "gmail.5.1.1"};
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    RelaisTestSuppression *fake = fixture->host->test_suppression;

    relais_message_unref (fixture->message);
    relais_host_free (fixture->host);
    if (fake != NULL)
        relais_test_suppression_free (fake);
    relais_loop_free (fixture->loop);
}

static bool
run (Fixture *fixture, RelaisHookId hook)
{
    RelaisHookResult result = {0};

    fixture->taken = FALSE;
    g_assert_null (relais_host_run (fixture->host, hook, &fixture->subject, &result, NULL, NULL));
    relais_hook_result_clear (&result);
    return fixture->taken;
}

/* --- Classifications ---------------------------------------------------------------------------- */

static void
test_taken (Fixture *fixture, gconstpointer data)
{
    g_assert_true (run (fixture, RELAIS_HOOK_RESULT));
    g_assert_true (fixture->meaning.is_set);
    g_assert_cmpuint (fixture->meaning.scope, ==, RELAIS_BOUNCE_RECIPIENT);
    g_assert_cmpuint (fixture->meaning.permanence, ==, RELAIS_PERMANENCE_PERMANENT);
    g_assert_cmpuint (fixture->meaning.suppress, ==, RELAIS_SUPPRESS_HARD);
    g_assert_cmpstr (fixture->meaning.reason, ==, "no-such-user");
    g_assert_cmpstr (fixture->meaning.rule, ==, "gmail.5.1.1");
    /* The last call counts, all of it. */
    fixture->given.reason = fixture->given.rule = NULL;
    fixture->given.suppress = RELAIS_SUPPRESS_NONE;
    g_assert_true (run (fixture, RELAIS_HOOK_RESULT));
    g_assert_cmpstr (fixture->meaning.reason, ==, "");
    g_assert_cmpstr (fixture->meaning.rule, ==, "");
    g_assert_cmpuint (fixture->meaning.suppress, ==, RELAIS_SUPPRESS_NONE);
}

static void
test_wrong_place (Fixture *fixture, gconstpointer data)
{
    g_assert_false (run (fixture, RELAIS_HOOK_ROUTE));
    fixture->subject.outcome = RELAIS_OUTCOME_DELIVERED;
    g_assert_false (run (fixture, RELAIS_HOOK_RESULT));
    g_assert_false (fixture->meaning.is_set);
}

static void
refuse (Fixture *fixture)
{
    g_assert_false (run (fixture, RELAIS_HOOK_RESULT));
    assert_complaint ("*relais_hook_set_classification*");
    g_assert_false (fixture->meaning.is_set);
}

static void
test_malformed (Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"", "No", "no_such", "no such", "n\xc3\xa9", "a\n", "a\"b"};
    const RelaisClassification good = fixture->given;
    char name[RELAIS_MEANING_NAME_BYTES + 2];

    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
        fixture->given = good;
        fixture->given.reason = names[i];
        refuse (fixture);
        fixture->given = good;
        fixture->given.rule = names[i];
        refuse (fixture);
    }
    fixture->given = good;
    memset (name, 'a', sizeof name);
    name[RELAIS_MEANING_NAME_BYTES + 1] = '\0';
    fixture->given.reason = name;
    refuse (fixture);
    fixture->given = good;
    fixture->given.scope = RELAIS_BOUNCE_LOCAL + 1;
    refuse (fixture);
    fixture->given = good;
    fixture->given.permanence = RELAIS_PERMANENCE_TEMPORARY + 1;
    refuse (fixture);
    fixture->given = good;
    fixture->given.suppress = RELAIS_SUPPRESS_MANUAL + 1;
    refuse (fixture);
    fixture->given = good;
    name[RELAIS_MEANING_NAME_BYTES] = '\0';
    fixture->given.reason = name;
    g_assert_true (run (fixture, RELAIS_HOOK_RESULT));
    g_assert_cmpstr (fixture->meaning.reason, ==, name);
}

/* Of a later release: what we do not know must be zero; of an earlier one, what it did not know is. */
static void
test_versions (Fixture *fixture, gconstpointer data)
{
    struct {
        RelaisClassification known;
        guint64 more;
    } later = {.known = fixture->given};

    later.known.struct_size = sizeof later;
    fixture->given.struct_size = G_STRUCT_OFFSET (RelaisClassification, reason);
    g_assert_true (run (fixture, RELAIS_HOOK_RESULT));
    g_assert_cmpstr (fixture->meaning.reason, ==, "");
    g_assert_cmpuint (sizeof later, >, sizeof later.known);
}

static void
test_names (Fixture *fixture, gconstpointer data)
{
    static const char *const scopes[] = {"unknown", "recipient", "domain", "content", "ip",
                                         "auth",    "policy",    "quota",  "network", "local"};
    static const char *const classes[] = {"none",      "hard",        "soft",
                                          "complaint", "unsubscribe", "manual"};

    for (guint i = 0; i < G_N_ELEMENTS (scopes); i++)
        g_assert_cmpstr (relais_bounce_scope_to_string (i), ==, scopes[i]);
    g_assert_cmpstr (relais_bounce_scope_to_string (G_N_ELEMENTS (scopes)), ==, "unknown");
    g_assert_cmpstr (relais_bounce_permanence_to_string (0), ==, "unknown");
    g_assert_cmpstr (relais_bounce_permanence_to_string (1), ==, "permanent");
    g_assert_cmpstr (relais_bounce_permanence_to_string (2), ==, "temporary");
    g_assert_cmpstr (relais_bounce_permanence_to_string (3), ==, "unknown");
    for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
        g_assert_cmpstr (relais_suppress_class_to_string (i), ==, classes[i]);
    g_assert_cmpstr (relais_suppress_class_to_string (G_MAXUINT32), ==, "none");
}

/* --- The list ----------------------------------------------------------------------------------- */

typedef struct {
    guint n;
    RelaisSuppressResult last;
} Answers;

static void
on_answer (gpointer data, RelaisSuppressResult result)
{
    Answers *answers = data;

    answers->n++;
    answers->last = result;
}

static const RelaisEvidence evidence = {.struct_size = sizeof evidence,
                                        .suppress_class = RELAIS_SUPPRESS_COMPLAINT,
                                        .address = "x@far.test",
                                        .tenant = "one",
                                        .id = "1-0-1-bounced"};

static void
test_without_list (Fixture *fixture, gconstpointer data)
{
    Answers answers = {0, RELAIS_SUPPRESS_SUPPRESSED};

    g_assert_cmpuint (relais_suppress_check (fixture->module, "x@far.test", NULL, NULL), ==,
                      RELAIS_SUPPRESS_UNKNOWN);
    relais_suppress_report (fixture->module, &evidence, on_answer, &answers);
    g_assert_cmpuint (answers.n, ==, 0);
    relais_loop_turn (fixture->loop, true);
    g_assert_cmpuint (answers.n, ==, 1);
    g_assert_cmpuint (answers.last, ==, RELAIS_SUPPRESS_FAILED);
}

static gpointer
report_elsewhere (gpointer data)
{
    relais_suppress_report (((Fixture *)data)->module, &evidence, NULL, NULL);
    return NULL;
}

/* From any thread, `done` or none; the host's end waits for all of them. */
static void
test_reports (Fixture *fixture, gconstpointer data)
{
    Answers answers = {0};

    fixture->host->test_suppression = relais_test_suppression_new (fixture->loop);
    g_assert_cmpuint (relais_suppress_check (fixture->module, "x@far.test", "one", NULL), ==,
                      RELAIS_SUPPRESS_ABSENT);
    g_thread_join (g_thread_new ("report", report_elsewhere, fixture));
    relais_suppress_report (fixture->module, &evidence, on_answer, &answers);
    g_assert_cmpuint (answers.n, ==, 0);
    relais_host_stop (fixture->host);
    g_assert_cmpuint (answers.n, ==, 1);
    g_assert_cmpuint (answers.last, ==, RELAIS_SUPPRESS_SUPPRESSED);
    g_assert_cmpuint (relais_suppress_check (fixture->module, "X@far.test", "one", "spring"), ==,
                      RELAIS_SUPPRESS_PRESENT);
    g_assert_cmpuint (relais_suppress_check (fixture->module, "x@far.test", "two", NULL), ==,
                      RELAIS_SUPPRESS_ABSENT);
}

static void
test_evidence_of_a_later_release (Fixture *fixture, gconstpointer data)
{
    struct {
        RelaisEvidence known;
        guint64 more;
    } later = {evidence, 1};
    Answers answers = {0, RELAIS_SUPPRESS_SUPPRESSED};

    fixture->host->test_suppression = relais_test_suppression_new (fixture->loop);
    later.known.struct_size = sizeof later;
    relais_suppress_report (fixture->module, &later.known, on_answer, &answers);
    assert_complaint ("*relais_suppress_report*");
    relais_loop_turn (fixture->loop, true);
    g_assert_cmpuint (answers.n, ==, 1);
    g_assert_cmpuint (answers.last, ==, RELAIS_SUPPRESS_FAILED);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_log_set_writer_func (keep_complaint, NULL, NULL);
#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)
    ADD ("/module/classification/taken", test_taken);
    ADD ("/module/classification/wrong-place", test_wrong_place);
    ADD ("/module/classification/malformed", test_malformed);
    ADD ("/module/classification/versions", test_versions);
    ADD ("/module/classification/names", test_names);
    ADD ("/module/suppress/without-list", test_without_list);
    ADD ("/module/suppress/reports", test_reports);
    ADD ("/module/suppress/later-release", test_evidence_of_a_later_release);
#undef ADD
    return g_test_run ();
}
