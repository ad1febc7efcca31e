/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: relaisctl's commands, called as the daemon calls them. Each call ends, also when the
 * daemon stops, and a listing stops for a reader that is slow.
 */
#include "config.h"

#include "fake-suppression.h"
#include "scene.h"

#include "control/call-private.h"

#include <string.h>

typedef struct {
    guint rows, room;
    bool waits, ended;
    int status;
    GString *text;
} Reader;

static void
on_line (gpointer data, const char *line, gsize size)
{
    Reader *reader = data;

    reader->rows += strstr (line, "\"row\"") != NULL;
    g_string_append_len (reader->text, line, (gssize)size);
}

static bool
is_full (gpointer data)
{
    const Reader *reader = data;

    return reader->rows >= reader->room;
}

static void
on_wait (gpointer data)
{
    ((Reader *)data)->waits = true;
}

static void
on_ended (gpointer data, int status, const char *text)
{
    Reader *reader = data;

    g_assert_false (reader->ended);
    reader->ended = true;
    reader->status = status;
    g_string_append (reader->text, text != NULL ? text : "");
}

static const RelaisCallSink sink = {on_line, is_full, on_wait, on_ended};

/* By "VERB", the first of that name, or "WORD VERB". */
static const RelaisCommand *
find_command (const char *name)
{
    gsize n;
    const RelaisCommand *commands = relais_queue_commands (&n);

    for (gsize i = 0; i < n; i++) {
        g_autofree char *whole = g_strjoin (" ", commands[i].word, commands[i].verb, NULL);

        if (g_strcmp0 (commands[i].verb, name) == 0 || strcmp (whole, name) == 0)
            return &commands[i];
    }
    g_assert_not_reached ();
}

static RelaisCommandCall *
call_new (Test *test, const char *verb, Reader *reader)
{
    *reader = (Reader){.room = G_MAXUINT, .text = g_string_new (NULL)};
    return relais_call_new (find_command (verb), test->fixture.config, test->fixture.loop);
}

static void
call_end (RelaisCommandCall *call, Reader *reader)
{
    g_assert_true (relais_call_has_ended (call));
    relais_call_unref (call);
    g_string_free (reader->text, TRUE);
}

/* Runs a command with options that take no value. */
static void
run_to_end (Test *test, const char *verb, const char *options, RelaisCommandCall **call,
            Reader *reader)
{
    g_auto (GStrv) names = g_strsplit (options != NULL ? options : "", " ", -1);

    *call = call_new (test, verb, reader);
    for (gsize i = 0; names[i] != NULL; i++)
        g_assert_true (relais_call_set_option (*call, names[i], ""));
    relais_call_run (*call, test->fixture.queue, &sink, reader);
    fixture_settle (&test->fixture);
    g_assert_true (reader->ended);
    g_assert_cmpint (reader->status, ==, 0);
}

/* Messages that were tried once, so that they must be read from disk. */
static guint64
open_with_cold_mail (Test *test, Rule *rules, guint n)
{
    guint64 id = 0;

    test_open (test, "");
    test->sink->answer = by_rules;
    test->sink->data = rules;
    for (guint i = 0; i < n; i++)
        id = fixture_mail (&test->fixture, "x@a.rcpt.test");
    fixture_settle (&test->fixture);
    g_assert_cmpuint (fixture_count (&test->fixture, "deferred"), ==, n);
    return id;
}

static void
test_show_while_stopping (void)
{
    static const char *const verbs[] = {"show", "list", "hold", "ages"};
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 0}, {NULL, NULL, 0}};
    RelaisCommandCall *calls[G_N_ELEMENTS (verbs)];
    Reader readers[G_N_ELEMENTS (verbs)];
    Test test;
    guint64 id = open_with_cold_mail (&test, rules, 3);
    char text[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (id, text);
    for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++) {
        calls[i] = call_new (&test, verbs[i], &readers[i]);
        if (strcmp (verbs[i], "show") == 0 || strcmp (verbs[i], "hold") == 0)
            relais_call_add_arg (calls[i], text);
        relais_call_run (calls[i], test.fixture.queue, &sink, &readers[i]);
        g_assert_false (readers[i].ended);
    }
    restart (&test, 0);
    for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++) {
        g_assert_true (readers[i].ended);
        g_assert_cmpint (readers[i].status, !=, 0);
        g_assert_nonnull (strstr (readers[i].text->str, "stopping"));
        call_end (calls[i], &readers[i]);
    }
    test_close (&test);
}

static void
test_show (void)
{
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 0}, {NULL, NULL, 0}};
    RelaisCommandCall *call;
    Reader reader;
    Test test;
    guint64 id = open_with_cold_mail (&test, rules, 1);
    char text[RELAIS_ID_TEXT_BYTES];

    relais_id_to_text (id, text);
    call = call_new (&test, "show", &reader);
    relais_call_add_arg (call, text);
    relais_call_run (call, test.fixture.queue, &sink, &reader);
    fixture_settle (&test.fixture);
    g_assert_cmpint (reader.status, ==, 0);
    g_assert_cmpuint (reader.rows, ==, 1);
    g_assert_nonnull (strstr (reader.text->str, "450 4.2.0 later"));
    call_end (call, &reader);
    test_close (&test);
}

static void
test_list_waits_for_its_reader (void)
{
    enum { N = 40, ROOM = 10 };
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 0}, {NULL, NULL, 0}};
    RelaisCommandCall *call;
    Reader reader;
    Test test;

    open_with_cold_mail (&test, rules, N);
    call = call_new (&test, "list", &reader);
    reader.room = ROOM;
    relais_call_run (call, test.fixture.queue, &sink, &reader);
    fixture_settle (&test.fixture);
    g_assert_true (reader.waits);
    g_assert_false (reader.ended);
    g_assert_cmpuint (reader.rows, ==, ROOM);
    for (guint i = 2; reader.waits; i++) {
        reader.waits = false;
        reader.room = i * ROOM;
        g_assert_true (relais_call_resume (call));
        fixture_settle (&test.fixture);
        g_assert_cmpuint (reader.rows, ==, MIN (i * ROOM, N));
    }
    g_assert_true (reader.ended);
    g_assert_cmpint (reader.status, ==, 0);
    g_assert_cmpuint (reader.rows, ==, N);
    call_end (call, &reader);
    test_close (&test);
}

/* What is held back because the suppression list cannot be read says so, the head and those behind it. */
static void
test_list_tells_unknown (void)
{
    static const char words[] =
        "the suppression list, which cannot be read: the journal is damaged";
    RelaisCommandCall *call;
    Reader reader;
    Test test;
    guint n = 0;

    fixture_suppresses = true;
    test_open (&test, "");
    fake_suppression_trouble = "the journal is damaged";
    for (guint i = 0; i < 3; i++)
        fixture_mail (&test.fixture, "x@a.rcpt.test");
    fixture_settle (&test.fixture);
    call = call_new (&test, "list", &reader);
    relais_call_run (call, test.fixture.queue, &sink, &reader);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (reader.rows, ==, 3);
    for (const char *at = reader.text->str; (at = strstr (at, words)) != NULL; at++)
        n++;
    g_assert_cmpuint (n, ==, 3);
    call_end (call, &reader);
    test_close (&test);
    fixture_suppresses = false;
    fake_suppression_clear ();
}

/* The reader went while the listing waited for it. */
static void
test_list_is_abandoned (void)
{
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 0}, {NULL, NULL, 0}};
    RelaisCommandCall *call;
    Reader reader;
    Test test;

    open_with_cold_mail (&test, rules, 5);
    call = call_new (&test, "list", &reader);
    reader.room = 2;
    relais_call_run (call, test.fixture.queue, &sink, &reader);
    fixture_settle (&test.fixture);
    g_assert_true (reader.waits);
    relais_call_abandon (call);
    fixture_settle (&test.fixture);
    g_assert_cmpuint (reader.rows, ==, 2);
    call_end (call, &reader);
    test_close (&test);
}

/* A row for each site and class, the fullest first, as many as the reader takes. */
static void
test_ages (void)
{
    enum { SITES = 5, ROOM = 2 };
    static const char *const bulk_to[] = {"x@d0.test", NULL};
    Rule rules[] = {{"RCPT", "450 4.2.0 later", 0}, {NULL, NULL, 0}};
    RelaisCommandCall *call;
    Reader reader;
    Test test;

    test_open (&test, "");
    test.sink->answer = by_rules;
    test.sink->data = rules;
    for (guint i = 0; i < SITES; i++) {
        g_autofree char *domain = g_strdup_printf ("d%u.test", i);
        g_autofree char *mx = g_strdup_printf ("mx.d%u.test=127.0.0.1", i);
        g_autofree char *address = g_strdup_printf ("x@%s", domain);

        fake_dns_set (domain, mx);
        for (guint k = 0; k <= i; k++)
            fixture_mail (&test.fixture, address);
    }
    fixture_submit (
        &test.fixture,
        &(Mail){.sender = "a@sender.test", .recipients = bulk_to, .klass = RELAIS_CLASS_BULK});
    fixture_settle (&test.fixture);
    call = call_new (&test, "ages", &reader);
    reader.room = ROOM;
    relais_call_run (call, test.fixture.queue, &sink, &reader);
    fixture_settle (&test.fixture);
    g_assert_true (reader.waits);
    g_assert_cmpuint (reader.rows, ==, ROOM);
    g_assert_nonnull (
        strstr (reader.text->str,
                "{\"row\":{\"site\":\"mx.d4.test\",\"class\":\"transactional\",\"deliveries\":5,"));
    g_assert_null (strstr (reader.text->str, "mx.d0.test"));
    reader.room = G_MAXUINT;
    g_assert_true (relais_call_resume (call));
    fixture_settle (&test.fixture);
    g_assert_true (reader.ended);
    g_assert_cmpint (reader.status, ==, 0);
    g_assert_cmpuint (reader.rows, ==, SITES + 1);
    g_assert_nonnull (strstr (reader.text->str, "\"mx.d0.test\",\"class\":\"bulk\""));
    call_end (call, &reader);
    test_close (&test);
}

/* What waits for quiet hours says so; a retry of all tells how many, and --force does not wait. */
static void
test_quiet_hours (void)
{
    static const char *const to[] = {"x@a.rcpt.test", NULL};
    RelaisCommandCall *call;
    Reader reader;
    Test test;

    test_open (&test, "[class bulk]\nquiet_hours = mon 14:00-18:00\nquiet_zone = UTC\n"
                      "quiet_spread = 0\n");
    for (guint i = 0; i < 2; i++)
        fixture_submit (
            &test.fixture,
            &(Mail){.sender = "a@sender.test", .recipients = to, .klass = RELAIS_CLASS_BULK});
    fixture_settle (&test.fixture);
    run_to_end (&test, "list", NULL, &call, &reader);
    g_assert_cmpuint (reader.rows, ==, 2);
    g_assert_nonnull (strstr (reader.text->str, "\"waits_for\":\"the end of quiet hours\","
                                                "\"until\":\"2026-09-21T18:00:00.000000Z\""));
    call_end (call, &reader);
    run_to_end (&test, "retry", "all", &call, &reader);
    g_assert_nonnull (strstr (reader.text->str, "{\"row\":{\"deliveries\":2,\"waiting\":2}}"));
    g_assert_nonnull (strstr (reader.text->str,
                              "{\"note\":\"waiting for the end of quiet hours, "
                              "or for the moment that their senders asked for: 2; "
                              "with --force they are tried now\"}"));
    g_assert_cmpuint (test.sink->messages->len, ==, 0);
    call_end (call, &reader);
    run_to_end (&test, "retry", "all force", &call, &reader);
    g_assert_nonnull (strstr (reader.text->str, "{\"row\":{\"deliveries\":2,\"waiting\":0}}"));
    g_assert_null (strstr (reader.text->str, "note"));
    g_assert_cmpuint (test.sink->messages->len, ==, 2);
    call_end (call, &reader);
    test_close (&test);
}

/* It was born, as its age has it, when it is to be released. */
static void
test_held_before_its_release (void)
{
    const char *recipients[] = {"x@a.rcpt.test", NULL};
    RelaisCommandCall *call;
    Reader reader;
    Test test;

    test_open (&test, "");
    fixture_submit (
        &test.fixture,
        &(Mail){.sender = "a@sender.test", .recipients = recipients, .release = "for;3600"});
    run_to_end (&test, "hold", "all", &call, &reader);
    call_end (call, &reader);
    run_to_end (&test, "quarantine list", NULL, &call, &reader);
    g_assert_nonnull (strstr (reader.text->str, "\"age_s\":0"));
    call_end (call, &reader);
    test_close (&test);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/queue/commands/show", test_show);
    g_test_add_func ("/queue/commands/show-while-stopping", test_show_while_stopping);
    g_test_add_func ("/queue/commands/list-waits-for-its-reader", test_list_waits_for_its_reader);
    g_test_add_func ("/queue/commands/list-is-abandoned", test_list_is_abandoned);
    g_test_add_func ("/queue/commands/list-tells-unknown", test_list_tells_unknown);
    g_test_add_func ("/queue/commands/ages", test_ages);
    g_test_add_func ("/queue/commands/quiet-hours", test_quiet_hours);
    g_test_add_func ("/queue/commands/held-before-its-release", test_held_before_its_release);
    return g_test_run ();
}
