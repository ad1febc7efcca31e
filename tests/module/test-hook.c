/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: chains run in their order and stop at the first final verdict; a suspended call is
 * answered once, from any thread, or cancelled, never both; pins outlive a new configuration;
 * replies and prepended lines that could break a protocol are refused.
 */
#include "config.h"

#include "module/module-private.h"

#include <relais/edit.h>
#include <string.h>

typedef struct {
    RelaisLoop *loop;
    RelaisHost *host;
    RelaisSubject subject;
    RelaisHookResult result;
    guint done;
} Fixture;

static RelaisModule *
add_module (RelaisHost *host, const RelaisModuleDescriptor *descriptor)
{
    g_autoptr (GError) error = NULL;
    RelaisModule *module = relais_module_new (host, descriptor, descriptor->name, &error);

    g_assert_no_error (error);
    module->index = host->modules->len;
    g_ptr_array_add (host->modules, module);
    return module;
}

static RelaisModule *
add_plain (RelaisHost *host, const char *name)
{
    const RelaisModuleDescriptor descriptor = {
        .magic = RELAIS_MODULE_MAGIC,
        .struct_size = sizeof descriptor,
        .api_major = RELAIS_API_MAJOR,
        .minor_built = RELAIS_API_MINOR,
        .minor_required = RELAIS_API_MINOR,
        .name = name,
        .version = "1",
        .summary = "a fixture",
    };

    return add_module (host, &descriptor);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->host = relais_host_new (&(RelaisHostOptions){
        .loop = fixture->loop, .module_dir = "/nonexistent", .program = "test"});
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    relais_hook_result_clear (&fixture->result);
    relais_host_free (fixture->host);
    relais_loop_free (fixture->loop);
}

static void
add (RelaisModule *module, RelaisHookInfo info)
{
    g_autoptr (GError) error = NULL;

    info.struct_size = sizeof info;
    module->host->in_init = true;
    relais_module_add_hook (module, &info, &error);
    module->host->in_init = false;
    g_assert_no_error (error);
}

static void
order (Fixture *fixture)
{
    g_autoptr (GError) error = NULL;

    relais_chains_order (fixture->host, &error);
    g_assert_no_error (error);
}

static void
note_done (gpointer data, RelaisHookResult *result)
{
    Fixture *fixture = data;

    fixture->done++;
    fixture->result = *result;
    *result = (RelaisHookResult){0};
}

static RelaisHookRun *
run (Fixture *fixture, RelaisHookId hook)
{
    relais_hook_result_clear (&fixture->result);
    return relais_host_run (fixture->host, hook, &fixture->subject, &fixture->result, note_done,
                            fixture);
}

/* Complaints are told through the structured log; the last one is kept for the test to read. */
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

    if (pattern == NULL)
        g_assert_null (taken);
    else
        g_assert_true (taken != NULL && g_pattern_match_simple (pattern, taken));
}

/* --- Order and verdicts ----------------------------------------------------------------------- */

static RelaisVerdict
append_name (RelaisHook *hook, gpointer data)
{
    g_string_append_c ((GString *)data, relais_module_get_name (relais_hook_get_module (hook))[0]);
    return RELAIS_VERDICT_CONTINUE;
}

static void
test_order (Fixture *fixture, gconstpointer data)
{
    g_autoptr (GString) called = g_string_new (NULL);
    RelaisModule *a = add_plain (fixture->host, "a"), *b = add_plain (fixture->host, "b");
    RelaisModule *c = add_plain (fixture->host, "c"), *d = add_plain (fixture->host, "d");

    g_assert_null (run (fixture, RELAIS_HOOK_MESSAGE));
    g_assert_cmpuint (fixture->result.verdict, ==, RELAIS_VERDICT_CONTINUE);
    add (d, (RelaisHookInfo){
                .hook = RELAIS_HOOK_MESSAGE, .name = "f", .func = append_name, .data = called});
    add (a, (RelaisHookInfo){.hook = RELAIS_HOOK_MESSAGE,
                             .name = "f",
                             .func = append_name,
                             .data = called,
                             .stage = RELAIS_STAGE_MODIFY});
    add (b, (RelaisHookInfo){.hook = RELAIS_HOOK_MESSAGE,
                             .name = "f",
                             .func = append_name,
                             .data = called,
                             .after = (const char *const[]){"d", "not-loaded", NULL}});
    add (c, (RelaisHookInfo){.hook = RELAIS_HOOK_MESSAGE,
                             .name = "f",
                             .func = append_name,
                             .data = called,
                             .before = (const char *const[]){"d.f", NULL}});
    order (fixture);
    g_assert_null (run (fixture, RELAIS_HOOK_MESSAGE));
    g_assert_cmpstr (called->str, ==, "cdba");
    g_assert_true (relais_host_has (fixture->host, RELAIS_HOOK_MESSAGE));
    g_assert_false (relais_host_has (fixture->host, RELAIS_HOOK_CONNECT));
}

static void
test_hook_cycle (Fixture *fixture, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    RelaisModule *a = add_plain (fixture->host, "a"), *b = add_plain (fixture->host, "b");

    add (a, (RelaisHookInfo){.hook = RELAIS_HOOK_RCPT,
                             .name = "f",
                             .func = append_name,
                             .before = (const char *const[]){"b", NULL}});
    add (b, (RelaisHookInfo){.hook = RELAIS_HOOK_RCPT,
                             .name = "f",
                             .func = append_name,
                             .before = (const char *const[]){"a", NULL}});
    g_assert_false (relais_chains_order (fixture->host, &error));
    g_assert_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION);
    g_assert_nonnull (strstr (error->message, "hook rcpt: found the cycle"));
    g_assert_nonnull (strstr (error->message, "a.f before b.f before a.f"));
}

typedef struct {
    RelaisVerdict verdict;
    guint code;
    guint calls;
} Answer;

static RelaisVerdict
give_answer (RelaisHook *hook, gpointer data)
{
    Answer *answer = data;

    answer->calls++;
    if (answer->code != 0)
        g_assert_true (relais_hook_set_reply (hook, answer->code, NULL, "as the module says"));
    return answer->verdict;
}

static void
test_verdicts (Fixture *fixture, gconstpointer data)
{
    static const struct {
        RelaisHookId hook;
        Answer answer;
        RelaisVerdict expected;
        guint code;
        bool second; /* the second function is called too */
        bool complaint;
    } rows[] = {
        {RELAIS_HOOK_MAIL, {RELAIS_VERDICT_CONTINUE}, RELAIS_VERDICT_CONTINUE, 0, true, false},
        {RELAIS_HOOK_MAIL, {RELAIS_VERDICT_ACCEPT}, RELAIS_VERDICT_ACCEPT, 0, false, false},
        {RELAIS_HOOK_MAIL, {RELAIS_VERDICT_REJECT, 554}, RELAIS_VERDICT_REJECT, 554, false, false},
        {RELAIS_HOOK_MAIL, {RELAIS_VERDICT_REJECT, 451}, RELAIS_VERDICT_REJECT, 0, false, true},
        {RELAIS_HOOK_MAIL,
         {RELAIS_VERDICT_TEMPFAIL, 450},
         RELAIS_VERDICT_TEMPFAIL,
         450,
         false,
         false},
        {RELAIS_HOOK_MAIL, {RELAIS_VERDICT_CONTINUE, 550}, RELAIS_VERDICT_CONTINUE, 0, true, false},
        {RELAIS_HOOK_MAIL, {RELAIS_VERDICT_DISCARD}, RELAIS_VERDICT_TEMPFAIL, 0, false, true},
        {RELAIS_HOOK_MAIL, {RELAIS_VERDICT_PENDING}, RELAIS_VERDICT_TEMPFAIL, 0, false, true},
        {RELAIS_HOOK_MAIL, {4711}, RELAIS_VERDICT_TEMPFAIL, 0, false, true},
        {RELAIS_HOOK_MESSAGE, {RELAIS_VERDICT_ACCEPT}, RELAIS_VERDICT_TEMPFAIL, 0, false, true},
        {RELAIS_HOOK_MESSAGE, {RELAIS_VERDICT_DISCARD}, RELAIS_VERDICT_DISCARD, 0, false, false},
        {RELAIS_HOOK_ROUTE, {RELAIS_VERDICT_TEMPFAIL}, RELAIS_VERDICT_DEFER, 0, false, true},
        {RELAIS_HOOK_LANE, {RELAIS_VERDICT_REJECT}, RELAIS_VERDICT_WAIT, 0, false, true},
        {RELAIS_HOOK_ADMIT, {RELAIS_VERDICT_REJECT}, RELAIS_VERDICT_REJECT, 0, false, false},
        {RELAIS_HOOK_RESULT, {RELAIS_VERDICT_DISCARD}, RELAIS_VERDICT_CONTINUE, 0, true, true},
        {RELAIS_HOOK_EVENT, {RELAIS_VERDICT_REJECT}, RELAIS_VERDICT_CONTINUE, 0, true, false},
    };
    RelaisModule *a = add_plain (fixture->host, "a"), *b = add_plain (fixture->host, "b");
    Answer first[RELAIS_N_HOOKS] = {0}, second[RELAIS_N_HOOKS] = {0};

    for (RelaisHookId hook = 0; hook < RELAIS_N_HOOKS; hook++) {
        add (a, (RelaisHookInfo){
                    .hook = hook, .name = "f", .func = give_answer, .data = &first[hook]});
        add (b, (RelaisHookInfo){
                    .hook = hook, .name = "f", .func = give_answer, .data = &second[hook]});
    }
    order (fixture);
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        first[rows[i].hook] = rows[i].answer;
        second[rows[i].hook].calls = 0;
        g_assert_null (run (fixture, rows[i].hook));
        assert_complaint (rows[i].complaint ? "a: hook *" : NULL);
        g_assert_cmpuint (fixture->result.verdict, ==, rows[i].expected);
        g_assert_cmpuint (fixture->result.code, ==, rows[i].code);
        g_assert_cmpuint (second[rows[i].hook].calls, ==, rows[i].second ? 1 : 0);
        if (rows[i].expected == RELAIS_VERDICT_WAIT)
            g_assert_cmpint (fixture->result.wait_until_us, >, relais_loop_now_us (fixture->loop));
    }
}

/* --- Suspension ------------------------------------------------------------------------------- */

typedef struct {
    RelaisTicket *ticket;
    gint64 timeout_us;
    RelaisVerdict returned;
    guint cancels, calls;
} Waiter;

static void
note_cancel (gpointer data)
{
    ((Waiter *)data)->cancels++;
}

static RelaisVerdict
wait_for_it (RelaisHook *hook, gpointer data)
{
    Waiter *waiter = data;

    waiter->calls++;
    waiter->ticket =
        relais_hook_suspend (hook, "the test", waiter->timeout_us, note_cancel, waiter);
    g_assert_nonnull (waiter->ticket);
    g_assert_null (relais_hook_suspend (hook, "again", 1, NULL, NULL));
    return waiter->returned;
}

static void
prepare_waiter (Fixture *fixture, Waiter *waiter, gint64 timeout_us)
{
    *waiter = (Waiter){.timeout_us = timeout_us, .returned = RELAIS_VERDICT_PENDING};
    add (add_plain (fixture->host, "waiter"),
         (RelaisHookInfo){
             .hook = RELAIS_HOOK_RCPT, .name = "f", .func = wait_for_it, .data = waiter});
    order (fixture);
}

static gpointer
complete_from_thread (gpointer data)
{
    g_assert_true (relais_ticket_complete (data, RELAIS_VERDICT_REJECT));
    g_assert_false (relais_ticket_complete (data, RELAIS_VERDICT_ACCEPT));
    return NULL;
}

static void
test_complete (Fixture *fixture, gconstpointer data)
{
    Waiter waiter;

    prepare_waiter (fixture, &waiter, RELAIS_USEC_PER_MIN);
    g_assert_nonnull (run (fixture, RELAIS_HOOK_RCPT));
    g_assert_true (
        relais_hook_set_reply (relais_ticket_get_hook (waiter.ticket), 550, "5.1.1", "not here"));
    g_thread_join (g_thread_new ("answer", complete_from_thread, waiter.ticket));
    g_assert_cmpuint (fixture->done, ==, 0);
    while (fixture->done == 0)
        relais_loop_turn (fixture->loop, true);
    g_assert_cmpuint (fixture->result.verdict, ==, RELAIS_VERDICT_REJECT);
    g_assert_cmpuint (fixture->result.code, ==, 550);
    g_assert_cmpstr (fixture->result.enhanced, ==, "5.1.1");
    g_assert_cmpstr (fixture->result.module, ==, "waiter");
    g_assert_cmpuint (waiter.cancels, ==, 0);
    g_assert_null (relais_ticket_get_hook (waiter.ticket));
    relais_ticket_unref (waiter.ticket);
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
    Waiter waiter;

    prepare_waiter (fixture, &waiter, RELAIS_USEC_PER_MIN);
    relais_host_cancel (run (fixture, RELAIS_HOOK_RCPT));
    g_assert_cmpuint (waiter.cancels, ==, 1);
    g_assert_false (relais_ticket_complete (waiter.ticket, RELAIS_VERDICT_ACCEPT));
    relais_ticket_unref (waiter.ticket);

    /* Completed first, cancelled before the loop came by: neither cancel nor done. */
    waiter.cancels = 0;
    RelaisHookRun *second = run (fixture, RELAIS_HOOK_RCPT);
    g_assert_true (relais_ticket_complete (waiter.ticket, RELAIS_VERDICT_ACCEPT));
    relais_host_cancel (second);
    while (relais_loop_turn (fixture->loop, false))
        ;
    g_assert_cmpuint (waiter.cancels, ==, 0);
    g_assert_cmpuint (fixture->done, ==, 0);
    relais_ticket_unref (waiter.ticket);
}

static void
test_timeout (Fixture *fixture, gconstpointer data)
{
    Waiter waiter;

    prepare_waiter (fixture, &waiter, 1);
    g_assert_nonnull (run (fixture, RELAIS_HOOK_RCPT));
    while (fixture->done == 0)
        relais_loop_turn (fixture->loop, true);
    assert_complaint ("*no answer in time*");
    g_assert_cmpuint (fixture->result.verdict, ==, RELAIS_VERDICT_TEMPFAIL);
    g_assert_cmpuint (waiter.cancels, ==, 1);
    g_assert_false (relais_ticket_complete (waiter.ticket, RELAIS_VERDICT_ACCEPT));
    relais_ticket_unref (waiter.ticket);
}

static void
test_ticket_not_used (Fixture *fixture, gconstpointer data)
{
    Waiter waiter;

    prepare_waiter (fixture, &waiter, RELAIS_USEC_PER_MIN);
    waiter.returned = RELAIS_VERDICT_CONTINUE;
    g_assert_null (run (fixture, RELAIS_HOOK_RCPT));
    assert_complaint ("*a ticket was taken*");
    g_assert_cmpuint (waiter.cancels, ==, 1);
    relais_ticket_unref (waiter.ticket);
}

static void
test_host_goes_first (Fixture *fixture, gconstpointer data)
{
    Waiter waiter;

    prepare_waiter (fixture, &waiter, RELAIS_USEC_PER_MIN);
    g_assert_nonnull (run (fixture, RELAIS_HOOK_RCPT));
    relais_host_free (g_steal_pointer (&fixture->host));
    g_assert_cmpuint (waiter.cancels, ==, 1);
    g_assert_cmpuint (fixture->done, ==, 0);
    g_assert_false (relais_ticket_complete (waiter.ticket, RELAIS_VERDICT_ACCEPT));
    relais_ticket_unref (waiter.ticket);
}

/* --- Replies, slots, lines -------------------------------------------------------------------- */

static RelaisVerdict
try_replies (RelaisHook *hook, gpointer data)
{
    static const struct {
        guint code;
        const char *enhanced, *text;
        bool good;
    } rows[] = {
        {550, "5.7.1", "no", true},
        {450, NULL, "later", true},
        {250, NULL, "ok", false},
        {600, NULL, "no", false},
        {550, "4.7.1", "no", false},
        {550, "5.7", "no", false},
        {550, "5.7.1.1", "no", false},
        {550, "5.7.1234", "no", false},
        {550, "5..1", "no", false},
        {550, "5.7.1", "two\r\n250 lines", false},
        {550, "5.7.1", "two\nlines", false},
        {550, "5.7.1", "", false},
        {550, "5.7.1", "\xff", false},
        {550, "5.7.1", NULL, false},
    };

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        g_assert_true (relais_hook_set_reply (hook, rows[i].code, rows[i].enhanced, rows[i].text) ==
                       rows[i].good);
    return RELAIS_VERDICT_CONTINUE;
}

static void
test_replies (Fixture *fixture, gconstpointer data)
{
    add (add_plain (fixture->host, "a"),
         (RelaisHookInfo){.hook = RELAIS_HOOK_CONNECT, .name = "f", .func = try_replies});
    order (fixture);
    g_assert_null (run (fixture, RELAIS_HOOK_CONNECT));
    g_assert_null (fixture->result.text);
}

/* --- Edits ------------------------------------------------------------------------------------ */

#define PAGE_HEADER "Content-Type: text/html\r\n\r\n"

static RelaisVerdict
track_links (RelaisHook *hook, gpointer data)
{
    RelaisLinkFlags flags;
    g_autofree char *first = relais_hook_dup_link (hook, 0, 0, &flags);
    g_autofree char *second = NULL;

    g_assert_cmpuint (flags, ==, 0);
    g_assert_cmpuint (relais_hook_n_texts (hook, NULL), ==, 1);
    g_assert_cmpstr (relais_hook_get_text_type (hook, 0), ==, "text/html");
    g_assert_null (relais_hook_get_text_refusal (hook, 0));
    g_assert_cmpstr (relais_hook_get_text_refusal (hook, 1), ==, "unreadable");
    g_assert_cmpuint (relais_hook_n_links (hook, 0), ==, 2);
    g_assert_cmpstr (first, ==, "http://x/?a&b");
    second = relais_hook_dup_link (hook, 0, 1, &flags);
    g_assert_cmpstr (second, ==, "#top");
    g_assert_cmpuint (flags, ==, RELAIS_LINK_NO_TRACK);
    g_assert_true (relais_hook_replace_link (hook, 0, 0, "http://t/c/?1&2"));
    g_assert_false (relais_hook_replace_link (hook, 0, 0, "http://t/c/3"));
    g_assert_false (relais_hook_replace_link (hook, 0, 2, "http://t/c/4"));
    return RELAIS_VERDICT_CONTINUE;
}

static RelaisVerdict
add_pixel (RelaisHook *hook, gpointer data)
{
    guint64 size;
    const guint8 *text = relais_hook_get_text (hook, 0, &size);

    g_assert_nonnull (memmem (text, size, "http://x/", 9)); /* as it was before any change */
    g_assert_false (relais_hook_append_html (hook, 0, "caf\xc3\xa9"));
    g_assert_true (relais_hook_append_html (hook, 0, "<img src=\"http://t/o\">"));
    g_assert_false (relais_hook_replace_text (hook, 0, size, 1, "x", 1));
    return *(const bool *)data ? RELAIS_VERDICT_DEFER : RELAIS_VERDICT_CONTINUE;
}

/* Where readers may differ on where tags are, there is nothing to be had. */
static RelaisVerdict
find_doubtful (RelaisHook *hook, gpointer data)
{
    guint64 size = 1;

    g_assert_cmpuint (relais_hook_n_texts (hook, NULL), ==, 1);
    g_assert_cmpstr (relais_hook_get_text_refusal (hook, 0), ==, "html");
    g_assert_null (relais_hook_get_text (hook, 0, &size));
    g_assert_cmpuint (size, ==, 0);
    g_assert_cmpuint (relais_hook_n_links (hook, 0), ==, 0);
    g_assert_null (relais_hook_dup_link (hook, 0, 0, NULL));
    g_assert_false (relais_hook_append_html (hook, 0, "x"));
    g_assert_false (relais_hook_replace_text (hook, 0, 0, 0, "x", 1));
    return RELAIS_VERDICT_CONTINUE;
}

static void
test_doubtful (Fixture *fixture, gconstpointer data)
{
    static const char page[] = PAGE_HEADER "<a href=http://x/>x</a><!-- not closed\r\n";
    RelaisRope *before = relais_rope_new ();
    RelaisHookResult result;

    add (add_plain (fixture->host, "a"),
         (RelaisHookInfo){.hook = RELAIS_HOOK_REWRITE, .name = "f", .func = find_doubtful});
    order (fixture);
    relais_rope_append_copy (before, page, sizeof page - 1);
    fixture->subject.rope = before;
    relais_host_run_worker (fixture->host, RELAIS_HOOK_REWRITE, &fixture->subject, &result);
    g_assert_true (fixture->subject.rope ==
                   before); /* the same bytes, so that what is known of them holds */
    g_clear_pointer (&fixture->subject.rope, relais_rope_unref);
}

static void
test_edits (Fixture *fixture, gconstpointer data)
{
    static const char page[] = PAGE_HEADER "<body><a href='http://x/?a&amp;b'>x</a>"
                                           "<a href=#top data-no-track>y</a></body>\r\n";
    bool put_off = true;
    RelaisHookResult result;
    char out[400] = {0};

    add (add_plain (fixture->host, "a"),
         (RelaisHookInfo){.hook = RELAIS_HOOK_REWRITE, .name = "f", .func = track_links});
    add (add_plain (fixture->host, "b"),
         (RelaisHookInfo){
             .hook = RELAIS_HOOK_REWRITE, .name = "f", .func = add_pixel, .data = &put_off});
    order (fixture);
    fixture->subject.rope = relais_rope_new ();
    relais_rope_append_copy (fixture->subject.rope, page, sizeof page - 1);
    relais_host_run_worker (fixture->host, RELAIS_HOOK_REWRITE, &fixture->subject, &result);
    g_assert_cmpuint (relais_rope_size (fixture->subject.rope), ==, sizeof page - 1);
    g_assert_null (fixture->subject.edits);
    put_off = false;
    relais_host_run_worker (fixture->host, RELAIS_HOOK_REWRITE, &fixture->subject, &result);
    relais_rope_read (fixture->subject.rope, 0, out, sizeof out - 1, NULL);
    g_assert_cmpstr (out, ==,
                     PAGE_HEADER "<body><a href='http://t/c/?1&amp;2'>x</a>"
                                 "<a href=#top data-no-track>y</a>"
                                 "<img src=\"http://t/o\"></body>\r\n");
    g_clear_pointer (&fixture->subject.rope, relais_rope_unref);
}

/* --- Lines ------------------------------------------------------------------------------------ */

static RelaisVerdict
try_lines (RelaisHook *hook, gpointer data)
{
    static const struct {
        const char *bytes;
        bool good;
    } rows[] = {
        {"A: b\r\n", true}, {"A: b\r\n c\r\nD: e\r\n", true}, {"A: b", false},
        {"A: b\n", false},  {"A: b\r\n\r\n", false},          {" A: b\r\n", false},
        {"A b\r\n", false}, {"A: b\rc\r\n", false},           {"A: b\r\nno colon\r\n", false},
        {": b\r\n", false}, {"A: b\r\nC: d", false},          {"", false},
    };
    g_autofree char *longest = g_strnfill (1001, 'x');

    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        g_assert_true (relais_hook_prepend_header (hook, rows[i].bytes, strlen (rows[i].bytes)) ==
                       rows[i].good);
    memcpy (longest, "A: ", 3);
    memcpy (longest + 998, "\r\n", 3);
    g_assert_true (relais_hook_prepend_header (hook, longest, 1000));
    memcpy (longest + 998, "x\r\n", 3);
    g_assert_false (relais_hook_prepend_header (hook, longest, 1001));
    return RELAIS_VERDICT_CONTINUE;
}

static void
test_lines (Fixture *fixture, gconstpointer data)
{
    RelaisHookResult result;

    fixture->subject.sealed = g_byte_array_new ();
    add (add_plain (fixture->host, "a"),
         (RelaisHookInfo){.hook = RELAIS_HOOK_SEAL, .name = "f", .func = try_lines});
    order (fixture);
    relais_host_run_worker (fixture->host, RELAIS_HOOK_SEAL, &fixture->subject, &result);
    g_assert_cmpuint (result.verdict, ==, RELAIS_VERDICT_CONTINUE);
    g_assert_cmpuint (fixture->subject.sealed->len, ==, 1000 + 16 + 6);
    g_byte_array_unref (fixture->subject.sealed);
}

/* Two functions of SEAL: what the first one puts before the message the second one reads, and what it adds itself it
 * does not. */
static RelaisVerdict
put_first (RelaisHook *hook, gpointer data)
{
    g_assert_true (relais_hook_prepend_header (hook, "A: 1\r\n", 6));
    g_assert_cmpuint (relais_hook_get_size (hook), ==, strlen ("S: s\r\n\r\nbody"));
    return RELAIS_VERDICT_CONTINUE;
}

static RelaisVerdict
read_sealed (RelaisHook *hook, gpointer data)
{
    const char *const wanted = "A: 1\r\nS: s\r\n\r\nbody";
    char found[64] = "";
    guint64 size = 0;
    const guint8 *header;

    g_assert_true (relais_hook_prepend_header (hook, "B: 2\r\n", 6));
    header = relais_hook_get_header (hook, &size, NULL);
    g_assert_cmpmem (header, (int)size, wanted, strlen (wanted) - 4);
    g_assert_cmpuint (relais_hook_get_size (hook), ==, strlen (wanted));
    g_assert_cmpint (relais_hook_read (hook, 0, found, sizeof found, NULL), ==, strlen (wanted));
    g_assert_cmpstr (found, ==, wanted);
    g_assert_true (relais_hook_prepend_header (hook, "C: 3\r\n", 6));
    g_assert_cmpint (relais_hook_read (hook, 0, found, sizeof found, NULL), ==, strlen (wanted));
    return RELAIS_VERDICT_CONTINUE;
}

static void
test_sealed (Fixture *fixture, gconstpointer data)
{
    RelaisHookResult result;
    RelaisModule *module = add_plain (fixture->host, "a");

    fixture->subject.sealed = g_byte_array_new ();
    fixture->subject.rope = relais_rope_new ();
    relais_rope_append_copy (fixture->subject.rope, "S: s\r\n\r\nbody", 12);
    add (module, (RelaisHookInfo){.hook = RELAIS_HOOK_SEAL, .name = "f", .func = put_first});
    add (module, (RelaisHookInfo){.hook = RELAIS_HOOK_SEAL, .name = "g", .func = read_sealed});
    order (fixture);
    relais_host_run_worker (fixture->host, RELAIS_HOOK_SEAL, &fixture->subject, &result);
    g_assert_cmpmem (fixture->subject.sealed->data, fixture->subject.sealed->len,
                     "C: 3\r\nB: 2\r\nA: 1\r\n", 18);
    g_clear_pointer (&fixture->subject.rope, relais_rope_unref);
    g_byte_array_unref (fixture->subject.sealed);
}

typedef struct {
    RelaisSlot *first, *second;
    GString *destroyed;
} Slots;
static GString *destroyed;

/* What crashes here is the module's, wherever it is called from. */
static void
note_destroyed (gpointer data)
{
    const RelaisGuard *guard = relais_guard_current ();

    g_assert_true (guard != NULL && guard->module != NULL);
    g_assert_cmpstr (guard->module->descriptor.name, ==, "a");
    g_string_append (destroyed, data);
}

static RelaisVerdict
use_slots (RelaisHook *hook, gpointer data)
{
    Slots *slots = data;

    g_assert_null (relais_hook_get_slot (hook, slots->first));
    g_assert_true (relais_hook_set_slot (hook, slots->first, "x"));
    g_assert_true (relais_hook_set_slot (hook, slots->first, "a"));
    g_assert_true (relais_hook_set_slot (hook, slots->second, "b"));
    g_assert_cmpstr (relais_hook_get_slot (hook, slots->first), ==, "a");
    return RELAIS_VERDICT_CONTINUE;
}

static void
test_slots (Fixture *fixture, gconstpointer data)
{
    GHashTable *table = NULL;
    RelaisModule *module = add_plain (fixture->host, "a");
    Slots slots;

    destroyed = g_string_new (NULL);
    g_assert_null (relais_slot_new (module, RELAIS_SCOPE_SESSION, NULL));
    fixture->host->in_init = true;
    slots.first = relais_slot_new (module, RELAIS_SCOPE_SESSION, note_destroyed);
    slots.second = relais_slot_new (module, RELAIS_SCOPE_SESSION, note_destroyed);
    fixture->host->in_init = false;
    add (module, (RelaisHookInfo){
                     .hook = RELAIS_HOOK_HELO, .name = "f", .func = use_slots, .data = &slots});
    order (fixture);
    fixture->subject.session_slots = &table;
    g_assert_null (run (fixture, RELAIS_HOOK_HELO));
    g_hash_table_unref (table);
    g_assert_cmpstr (destroyed->str, ==, "xba");
    g_string_free (g_steal_pointer (&destroyed), TRUE);
}

/* --- Modules among themselves ----------------------------------------------------------------- */

static RelaisModule *
add_related (RelaisHost *host, const char *name, const char *const *requires,
             const char *const *conflicts)
{
    RelaisModule *module = add_plain (host, name);

    module->descriptor.requires_modules = requires;
    module->descriptor.conflicts = conflicts;
    return module;
}

static void
test_relations (Fixture *fixture, gconstpointer data)
{
    static const char *const needs_b[] = {"b", NULL}, *const needs_a[] = {"a", NULL};
    g_autoptr (GError) error = NULL;

    add_related (fixture->host, "a", needs_b, NULL);
    g_assert_false (relais_modules_order (fixture->host, &error));
    g_assert_cmpstr (error->message, ==,
                     "a: requires_modules: found no module 'b' loaded, wanted it; set enable = yes "
                     "in [module b]");
    g_clear_error (&error);

    RelaisModule *b = add_related (fixture->host, "b", NULL, NULL);
    g_assert_true (relais_modules_order (fixture->host, &error));
    g_assert_true (g_ptr_array_index (fixture->host->modules, 0) == b);

    b->descriptor.requires_modules = needs_a;
    g_assert_false (relais_modules_order (fixture->host, &error));
    g_assert_cmpstr (error->message, ==,
                     "requires_modules: found the cycle b before a before b, wanted an order; "
                     "disable one of them");
    g_clear_error (&error);

    b->descriptor.requires_modules = NULL;
    b->descriptor.conflicts = needs_a;
    g_assert_false (relais_modules_order (fixture->host, &error));
    g_assert_cmpstr (error->message, ==,
                     "b: conflicts: found module 'a' loaded, wanted it absent; disable one of the "
                     "two");
}

int
main (int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func) (Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/module/hook/order", test_order},
        {"/module/hook/cycle", test_hook_cycle},
        {"/module/hook/verdicts", test_verdicts},
        {"/module/hook/replies", test_replies},
        {"/module/hook/edits", test_edits},
        {"/module/hook/doubtful", test_doubtful},
        {"/module/hook/lines", test_lines},
        {"/module/hook/sealed", test_sealed},
        {"/module/hook/slots", test_slots},
        {"/module/ticket/complete", test_complete},
        {"/module/ticket/cancel", test_cancel},
        {"/module/ticket/timeout", test_timeout},
        {"/module/ticket/not-used", test_ticket_not_used},
        {"/module/ticket/host-goes-first", test_host_goes_first},
        {"/module/relations", test_relations},
    };

    g_test_init (&argc, &argv, NULL);
    g_log_set_writer_func (keep_complaint, NULL, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
        g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].func, tear_down);
    return g_test_run ();
}
