/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/queue: what modules submit, by way of a real host, spool and queue: on disk before it is said to be, checked
 * as submitted mail is, told of whatever happens; and what they are told of queued mail.
 */
#include "config.h"

#include "guest.h"

#include "queue/keep-private.h"

#include <string.h>

static const char conf[] = "[limits]\nmessage_size = 70000\nrecipients = 100\ntext_line = 1000\n"
                           "header_size = 5000\n"
                           "[tenant shop]\ndomains = shop.test\n";
static const char text[] = "From: ann@shop.test\r\nTo: bob@a.rcpt.test\r\nSubject: hello\r\n"
                           "\r\nhello\r\n";

typedef struct {
    Test test;
    RelaisHost *host;
    RelaisModule *module;
    guint told;
    RelaisSubmitOutcome outcome;
    char *id, *words;
} Scene;

static void
begin (Scene *scene)
{
    *scene = (Scene){0};
    test_open (&scene->test, conf);
    scene->host = test_begin_init (&scene->test, "sender", &scene->module);
    test_end_init (&scene->test, scene->host);
    relais_queue_begin_intake (scene->test.fixture.queue);
}

static void
finish (Scene *scene)
{
    test_end_queue (&scene->test);
    relais_host_free (scene->host);
    sink_free (scene->test.sink);
    fixture_close (&scene->test.fixture);
    g_free (scene->test.conf);
    g_free (scene->id);
    g_free (scene->words);
}

static void
on_submitted (const RelaisSubmitResult *result, gpointer data)
{
    Scene *scene = data;

    scene->told++;
    scene->outcome = result->outcome;
    g_free (scene->id);
    scene->id = g_strdup (result->queue_id);
    g_free (scene->words);
    scene->words = g_strdup (result->text);
}

static bool
is_told (gpointer data)
{
    return ((const Scene *)data)->told > 0;
}

static void
submit (Scene *scene, const RelaisSubmitInfo *info)
{
    scene->told = 0;
    g_assert_true (relais_submit (scene->module, info, on_submitted, scene));
    g_assert_cmpuint (scene->told, ==, 0);
    fixture_until (&scene->test.fixture, is_told, scene);
    g_assert_cmpuint (scene->told, ==, 1);
}

static RelaisSubmitInfo
info_of (const char *sender, const char *const *recipients, GBytes *message, const char *tenant)
{
    return (RelaisSubmitInfo){.struct_size = sizeof (RelaisSubmitInfo),
                              .sender = sender,
                              .recipients = recipients,
                              .message = message,
                              .tenant = tenant};
}

static void
test_sent (void)
{
    static const char *const to[] = {"bob@a.rcpt.test", "Eve@A.Rcpt.Test", NULL};
    g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));
    RelaisSubmitInfo info = info_of ("ann@shop.test", to, bytes, "shop");
    const SinkMessage *message;
    Scene scene;

    begin (&scene);
    info.campaign = "spring";
    info.message_class = RELAIS_MESSAGE_BULK;
    submit (&scene, &info);
    g_assert_cmpuint (scene.outcome, ==, RELAIS_SUBMIT_OK);
    g_assert_cmpuint (strlen (scene.id), ==, 13);
    g_assert_cmpstr (scene.words, ==, "");
    fixture_settle (&scene.test.fixture);
    message = sink_message (scene.test.sink, 0);
    g_assert_cmpstr (message->sender, ==, "ann@shop.test");
    g_assert_cmpuint (message->recipients->len, ==, 2);
    g_assert_true (g_str_has_prefix (message->data->str, "Received: "));
    g_assert_nonnull (strstr (message->data->str, "\r\nMessage-ID: <"));
    g_assert_nonnull (strstr (message->data->str, "\r\nDate: "));
    g_assert_nonnull (strstr (message->data->str, text));
    g_assert_nonnull (strstr (fixture_last (&scene.test.fixture, "accepted"),
                              "\"submitted_by\":\"sender\",\"tenant\":\"shop\","
                              "\"campaign\":\"spring\",\"class\":\"bulk\""));
    finish (&scene);
}

typedef struct {
    const char *sender, *recipient, *tenant, *message, *words;
} Bad;

static void
test_refused (void)
{
    g_autofree char *line = g_strnfill (999, 'a');
    g_autofree char *exact = g_strnfill (998, 'a');
    g_autofree char *long_line = g_strconcat ("From: a@b.test\r\n\r\n", line, "\r\n", NULL);
    g_autofree char *exact_line = g_strconcat ("From: a@b.test\r\n\r\n", exact, "\r\n", NULL);
    const Bad rows[] = {
        {"no address", "a@b.test", NULL, text,
         "found sender 'no address', wanted an address or \"\""},
        {"", "nobody", NULL, text, "found recipient 'nobody', wanted an address"},
        {"", "a@b.test>", NULL, text, "found recipient 'a@b.test>', wanted an address"},
        {"", "a@b.test", "none", text,
         "found tenant 'none', wanted one with a section [tenant none]"},
        {"a@other.test", "a@b.test", "shop", text,
         "found sender 'a@other.test', wanted a domain of tenant 'shop'"},
        {"ann@shop.test", "a@b.test", "shop", "From: a@other.test\r\n\r\nx\r\n",
         "found no From, or one that is not of a domain of tenant 'shop'"},
        {"", "a@b.test", NULL, "From: a@b.test\n\nx\n",
         "found a CR or LF that stands alone, or no end of line at the end"},
        {"", "a@b.test", NULL, "From: a@b.test\r\n\r\nx\ry\r\n",
         "found a CR or LF that stands alone, or no end of line at the end"},
        {"", "a@b.test", NULL, "From: a@b.test\r\n\r\nx",
         "found a CR or LF that stands alone, or no end of line at the end"},
        {"", "a@b.test", NULL, "",
         "found a CR or LF that stands alone, or no end of line at the end"},
        {"", "a@b.test", NULL, long_line, "found a line longer than text_line of [limits]"},
    };
    Scene scene;

    begin (&scene);
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        const char *const to[] = {rows[i].recipient, NULL};
        g_autoptr (GBytes) bytes = g_bytes_new (rows[i].message, strlen (rows[i].message));
        const RelaisSubmitInfo info = info_of (rows[i].sender, to, bytes, rows[i].tenant);

        submit (&scene, &info);
        g_assert_cmpstr (scene.words, ==, rows[i].words);
        g_assert_cmpuint (scene.outcome, ==, RELAIS_SUBMIT_REFUSED);
        g_assert_null (scene.id);
    }
    {
        const char *const to[] = {"a@a.rcpt.test", NULL};
        g_autoptr (GBytes) bytes = g_bytes_new (exact_line, strlen (exact_line));
        const RelaisSubmitInfo info = info_of ("", to, bytes, NULL);

        submit (&scene, &info);
        g_assert_cmpuint (scene.outcome, ==, RELAIS_SUBMIT_OK);
    }
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (fixture_count (&scene.test.fixture, "accepted"), ==, 1);
    finish (&scene);
}

/* A message of message_size and recipients of their number are taken, one more is not. */
static void
test_limits (void)
{
    g_autoptr (GString) message = g_string_new ("From: a@b.test\r\n\r\n");
    g_autoptr (GPtrArray) to = g_ptr_array_new_with_free_func (g_free);
    Scene scene;

    begin (&scene);
    while (message->len + 100 < 70000)
        g_string_append (message, "0123456789012345678901234567890123456789\r\n");
    while (message->len < 69998)
        g_string_append_c (message, 'x');
    g_string_append (message, "\r\n");
    for (guint i = 0; i < 100; i++)
        g_ptr_array_add (to, g_strdup_printf ("a%u@a.rcpt.test", i));
    g_ptr_array_add (to, NULL);
    for (guint i = 0; i < 3; i++) {
        g_autoptr (GBytes) bytes = NULL;
        RelaisSubmitInfo info;

        if (i == 1)
            g_string_insert_c (message, (gssize)message->len - 2, 'x');
        if (i == 2) {
            g_string_assign (message, text);
            to->pdata[100] = g_strdup ("one@more.test");
            g_ptr_array_add (to, NULL);
        }
        bytes = g_bytes_new (message->str, message->len);
        info = info_of ("", (const char *const *)to->pdata, bytes, NULL);
        submit (&scene, &info);
        g_assert_cmpstr (scene.words, ==,
                         i == 0   ? ""
                         : i == 1 ? "found a message of 70001 octets, wanted at most 70000 "
                                    "(message_size of [limits])"
                                  : "found 101 recipients, wanted 1 to 100 (recipients of "
                                    "[limits])");
    }
    finish (&scene);
}

/* A struct that is not of this Relais, and more than may wait, are not taken at all. */
static void
test_not_taken (void)
{
    static const char *const to[] = {"bob@a.rcpt.test", NULL};
    g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));
    RelaisSubmitInfo info = info_of ("", to, bytes, NULL);
    Scene scene;

    begin (&scene);
    info.message_class = 2;
    g_assert_false (relais_submit (scene.module, &info, on_submitted, &scene));
    info.message_class = RELAIS_MESSAGE_TRANSACTIONAL;
    for (guint i = 0; i < RELAIS_SUBMISSIONS; i++)
        g_assert_true (relais_submit (scene.module, &info, NULL, NULL));
    g_assert_false (relais_submit (scene.module, &info, on_submitted, &scene));
    fixture_settle (&scene.test.fixture);
    submit (&scene, &info);
    g_assert_cmpuint (scene.outcome, ==, RELAIS_SUBMIT_OK);
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (fixture_count (&scene.test.fixture, "accepted"), ==, RELAIS_SUBMISSIONS + 1);
    g_assert_cmpuint (scene.told, ==, 1);
    finish (&scene);
}

/* From other threads, and when the queue has gone. */
static gpointer
submit_there (gpointer data)
{
    static const char *const to[] = {"bob@a.rcpt.test", NULL};
    g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));
    const RelaisSubmitInfo info = info_of ("", to, bytes, NULL);
    Scene *scene = data;

    for (guint i = 0; i < 50; i++)
        g_assert_true (relais_submit (scene->module, &info, on_submitted, scene));
    return NULL;
}

static bool
all_told (gpointer data)
{
    return ((const Scene *)data)->told == 200;
}

static void
test_threads (void)
{
    GThread *threads[4];
    Scene scene;

    begin (&scene);
    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        threads[i] = g_thread_new ("submit", submit_there, &scene);
    fixture_until (&scene.test.fixture, all_told, &scene);
    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
        g_thread_join (threads[i]);
    g_assert_cmpuint (scene.outcome, ==, RELAIS_SUBMIT_OK);
    scene.told = 0;
    relais_queue_end_intake (scene.test.fixture.queue);
    (void)submit_there (&scene);
    while (scene.told < 50)
        relais_loop_turn (scene.test.fixture.loop, true);
    g_assert_cmpuint (scene.outcome, ==, RELAIS_SUBMIT_FAILED);
    g_assert_cmpstr (scene.words, ==, "the daemon stops");
    finish (&scene);
}

/* What the spool's own threads call after a failed write; the rest of its state header is not for here. */
void relais_spool_note_failure (RelaisSpool *spool, GError *error);

static bool
spool_works (gpointer data)
{
    return !relais_spool_is_stopped (((Fixture *)data)->spool);
}

/* The first failure is probed at once, the next one only after a while. */
static void
break_spool (Fixture *fixture, RelaisSpoolError code)
{
    for (guint i = 0; i < 2; i++) {
        fixture_until (fixture, spool_works, fixture);
        relais_spool_note_failure (fixture->spool,
                                   g_error_new_literal (RELAIS_SPOOL_ERROR, (gint)code, "test"));
    }
    g_assert_true (relais_spool_is_stopped (fixture->spool));
}

/* A full disk, or a broken one, is told; nothing is kept, and later mail is taken again. */
static void
assert_disk (RelaisSpoolError code, RelaisSubmitOutcome outcome)
{
    static const char *const to[] = {"bob@a.rcpt.test", NULL};
    g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));
    const RelaisSubmitInfo info = info_of ("", to, bytes, NULL);
    Scene scene;

    begin (&scene);
    break_spool (&scene.test.fixture, code);
    submit (&scene, &info);
    g_assert_cmpuint (scene.outcome, ==, outcome);
    g_assert_cmpuint (strlen (scene.words), >, 0);
    g_assert_null (scene.id);
    fixture_advance (&scene.test.fixture, 11 * RELAIS_USEC_PER_SEC);
    fixture_until (&scene.test.fixture, spool_works, &scene.test.fixture);
    submit (&scene, &info);
    g_assert_cmpuint (scene.outcome, ==, RELAIS_SUBMIT_OK);
    fixture_settle (&scene.test.fixture);
    g_assert_cmpuint (scene.test.sink->messages->len, ==, 1);
    finish (&scene);
}

static void
test_disk (void)
{
    assert_disk (RELAIS_SPOOL_ERROR_SPACE, RELAIS_SUBMIT_FULL);
    assert_disk (RELAIS_SPOOL_ERROR_IO, RELAIS_SUBMIT_FAILED);
}

/* --- Inquiries ------------------------------------------------------------------------------------ */

typedef struct {
    bool told, known;
    guint n;
    RelaisQueuedState states[3];
    guint attempts[3];
    gint64 next_us[3];
    char *replies[3];
    char *error;
} Told;

static void
on_found (const RelaisQueued *queued, const gchar *error, gpointer data)
{
    Told *told = data;

    g_assert_false (told->told);
    told->told = true;
    told->known = queued != NULL;
    told->error = g_strdup (error);
    told->n = queued != NULL ? relais_message_n_recipients (relais_queued_get_message (queued)) : 0;
    for (guint i = 0; i < told->n; i++) {
        told->states[i] = relais_queued_get_state (queued, i);
        told->attempts[i] = relais_queued_get_attempts (queued, i);
        told->next_us[i] = relais_queued_get_next_us (queued, i);
        told->replies[i] = g_strdup (relais_queued_get_reply (queued, i));
    }
}

static void
told_clear (Told *told)
{
    for (guint i = 0; i < told->n; i++)
        g_free (told->replies[i]);
    g_free (told->error);
    *told = (Told){0};
}

static bool
was_told (gpointer data)
{
    return ((const Told *)data)->told;
}

static void
find (Scene *scene, const char *id, Told *told)
{
    told_clear (told);
    relais_queued_find (scene->module, id, on_found, told);
    g_assert_false (told->told);
    fixture_until (&scene->test.fixture, was_told, told);
    g_assert_null (told->error);
}

static void
test_find (void)
{
    static const char *const to[] = {"late@a.rcpt.test", "good@a.rcpt.test", "bad@a.rcpt.test",
                                     NULL};
    static Rule rules[] = {
        {"<late@", "450 4.2.1 come again", 0}, {"<bad@", "550 5.1.1 nobody", 0}, {0}};
    const Mail mail = {.sender = "", .recipients = to};
    char id[RELAIS_ID_TEXT_BYTES];
    Told told = {0};
    Scene scene;

    begin (&scene);
    scene.test.sink->answer = by_rules;
    scene.test.sink->data = rules;
    relais_id_to_text (fixture_submit (&scene.test.fixture, &mail), id);
    fixture_settle (&scene.test.fixture);
    find (&scene, id, &told);
    g_assert_true (told.known);
    g_assert_cmpuint (told.n, ==, 3);
    g_assert_cmpuint (told.states[0], ==, RELAIS_QUEUED_WAITING);
    g_assert_cmpuint (told.attempts[0], ==, 1);
    g_assert_cmpint (told.next_us[0], >, relais_loop_wall_us (scene.test.fixture.loop));
    g_assert_nonnull (strstr (told.replies[0], "come again"));
    g_assert_cmpuint (told.states[1], ==, RELAIS_QUEUED_DELIVERED);
    g_assert_cmpint (told.next_us[1], ==, 0);
    g_assert_cmpuint (told.states[2], ==, RELAIS_QUEUED_BOUNCED);
    rules[0].answer = "250 2.1.5 ok";
    fixture_advance (&scene.test.fixture, RELAIS_USEC_PER_DAY / 2);
    fixture_settle (&scene.test.fixture);
    find (&scene, id, &told);
    g_assert_false (told.known);
    find (&scene, "no id", &told);
    g_assert_false (told.known);
    told_clear (&told);
    finish (&scene);
}

/* A spool that knows the message when the queue has gone says nothing wrong. */
static void
test_find_stopped (void)
{
    Told told = {0};
    Scene scene;

    begin (&scene);
    relais_queue_end_intake (scene.test.fixture.queue);
    relais_queued_find (scene.module, "0000000000001", on_found, &told);
    fixture_until (&scene.test.fixture, was_told, &told);
    g_assert_cmpstr (told.error, ==, "the daemon stops");
    told_clear (&told);
    finish (&scene);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
    g_test_add_func ("/queue/intake/sent", test_sent);
    g_test_add_func ("/queue/intake/refused", test_refused);
    g_test_add_func ("/queue/intake/limits", test_limits);
    g_test_add_func ("/queue/intake/not-taken", test_not_taken);
    g_test_add_func ("/queue/intake/threads", test_threads);
    g_test_add_func ("/queue/intake/disk", test_disk);
    g_test_add_func ("/queue/intake/find", test_find);
    g_test_add_func ("/queue/intake/find-stopped", test_find_stopped);
    return g_test_run ();
}
