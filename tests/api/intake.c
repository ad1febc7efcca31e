/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Submitting, asking what is queued, and fetching, as a module's test does it: without queue and network.
 */
#include "stage.h"

#include <relais/fetch.h>
#include <string.h>

static RelaisTest *
begin (void)
{
    return stage_new ((const gchar *const[]){"puppet", NULL}, "");
}

/* --- Submitting ----------------------------------------------------------------------------------- */

typedef struct {
    gboolean told;
    RelaisSubmitOutcome outcome;
    char *words; /* id or text */
} Told;

static void
on_submitted (const RelaisSubmitResult *result, gpointer data)
{
    Told *told = data;

    *told = (Told){TRUE, result->outcome,
                   g_strdup (result->queue_id != NULL ? result->queue_id : result->text)};
}

static void
assert_submit (RelaisTest *test, const char *recipient, RelaisSubmitOutcome outcome,
               const char *words)
{
    g_autoptr (GBytes) bytes = g_bytes_new_static ("From: a@b.test\r\n\r\nhello\r\n", 25);
    const gchar *const to[] = {recipient, NULL};
    const RelaisSubmitInfo info = {.struct_size = sizeof info,
                                   .sender = "a@b.test",
                                   .recipients = to,
                                   .message = bytes,
                                   .tenant = "shop"};
    Told told = {0};

    g_assert_true (
        relais_submit (relais_test_find_module (test, "puppet"), &info, on_submitted, &told));
    g_assert_false (told.told);
    stage_wait (test, &told.told);
    g_assert_cmpuint (told.outcome, ==, outcome);
    g_assert_cmpstr (told.words, ==, words);
    g_free (told.words);
}

static void
test_submit (void)
{
    RelaisTest *test = begin ();
    const RelaisSubmitInfo *info;

    assert_submit (test, "bob@b.test", RELAIS_SUBMIT_OK, "0000000000001");
    assert_submit (test, "bob", RELAIS_SUBMIT_REFUSED, "found recipient 'bob', wanted an address");
    relais_test_fail_submissions (test, RELAIS_SUBMIT_FULL, "no room");
    assert_submit (test, "bob@b.test", RELAIS_SUBMIT_FULL, "no room");
    relais_test_fail_submissions (test, RELAIS_SUBMIT_OK, NULL);
    assert_submit (test, "eve@b.test", RELAIS_SUBMIT_OK, "0000000000002");
    info = relais_test_take_submission (test);
    g_assert_cmpstr (info->recipients[0], ==, "bob@b.test");
    g_assert_cmpstr (info->sender, ==, "a@b.test");
    g_assert_cmpstr (info->tenant, ==, "shop");
    g_assert_cmpuint (g_bytes_get_size (info->message), ==, 25);
    info = relais_test_take_submission (test);
    g_assert_cmpstr (info->recipients[0], ==, "eve@b.test");
    g_assert_null (relais_test_take_submission (test));
    assert_submit (test, "never@taken.test", RELAIS_SUBMIT_OK, "0000000000003");
    stage_free (test);
}

/* --- Asking --------------------------------------------------------------------------------------- */

typedef struct {
    gboolean told;
    char *text;
} Found;

static void
on_found (const RelaisQueued *queued, const gchar *error, gpointer data)
{
    GString *text = g_string_new (error);
    Found *found = data;

    for (guint i = 0;
         queued != NULL && i < relais_message_n_recipients (relais_queued_get_message (queued));
         i++)
        g_string_append_printf (
            text, "%s %s %u %" G_GINT64_FORMAT " %s\n",
            relais_message_get_recipient (relais_queued_get_message (queued), i),
            relais_queued_state_to_string (relais_queued_get_state (queued, i)),
            relais_queued_get_attempts (queued, i), relais_queued_get_next_us (queued, i),
            relais_queued_get_reply (queued, i) != NULL ? relais_queued_get_reply (queued, i)
                                                        : "-");
    *found = (Found){TRUE, g_string_free (text, FALSE)};
}

static void
assert_found (RelaisTest *test, const char *id, const char *text)
{
    Found found = {0};

    relais_queued_find (relais_test_find_module (test, "puppet"), id, on_found, &found);
    g_assert_false (found.told);
    stage_wait (test, &found.told);
    g_assert_cmpstr (found.text, ==, text);
    g_free (found.text);
}

static void
test_queued (void)
{
    RelaisTest *test = begin ();

    relais_test_add_queued (test, "000000000000v", "a@b.test", RELAIS_QUEUED_WAITING, 2, 77,
                            "450 later");
    relais_test_add_queued (test, "000000000000v", "c@b.test", RELAIS_QUEUED_HELD, 0, 0, NULL);
    assert_found (test, "000000000000v", "a@b.test waiting 2 77 450 later\nc@b.test held 0 0 -\n");
    assert_found (test, "000000000000u", "");
    assert_found (test, "nonsense", "");
    relais_test_fail_queued (test, "the disk is gone");
    assert_found (test, "000000000000v", "the disk is gone");
    relais_test_fail_queued (test, NULL);
    assert_found (test, "000000000000u", "");
    stage_free (test);
}

/* --- Fetching ------------------------------------------------------------------------------------- */

static void
on_fetched (const RelaisFetchResult *result, gpointer data)
{
    gsize size;
    const char *body = g_bytes_get_data (result->body, &size);
    const char *type = relais_fetch_result_get_header (result, "content-type");
    Found *found = data;

    *found = (Found){TRUE, g_strdup_printf ("%s %u %s %.*s",
                                            relais_fetch_outcome_to_string (result->outcome),
                                            result->status, type != NULL ? type : "-", (int)size,
                                            body != NULL ? body : "")};
}

static void
assert_fetch (RelaisTest *test, const char *url, GBytes *body, const char *text)
{
    const RelaisFetchInfo info = {.struct_size = sizeof info, .url = url, .body = body};
    Found found = {0};

    g_assert_cmpuint (
        relais_fetch (relais_test_find_module (test, "puppet"), &info, on_fetched, &found), !=, 0);
    g_assert_false (found.told);
    stage_wait (test, &found.told);
    g_assert_cmpstr (found.text, ==, text);
    g_free (found.text);
}

static void
test_fetch (void)
{
    RelaisTest *test = begin ();
    g_autoptr (GBytes) body = g_bytes_new_static ("question", 8);
    GBytes *sent = NULL;
    char *line;

    relais_test_add_page (test, "https://policy.test/a", 200, "Content-Type: text/plain", "yes");
    relais_test_fail_page (test, "https://policy.test/b", RELAIS_FETCH_TIMEOUT);
    assert_fetch (test, "https://policy.test/a", NULL, "ok 200 text/plain yes");
    assert_fetch (test, "https://policy.test/b", body, "timeout 0 - ");
    assert_fetch (test, "https://policy.test/c", NULL, "connect 0 - ");
    line = relais_test_take_request (test, NULL);
    g_assert_cmpstr (line, ==, "GET https://policy.test/a");
    g_free (line);
    line = relais_test_take_request (test, &sent);
    g_assert_cmpstr (line, ==, "POST https://policy.test/b");
    g_assert_true (g_bytes_equal (sent, body));
    g_bytes_unref (sent);
    g_free (line);
    stage_free (test);
}

static void
on_never (const RelaisFetchResult *result, gpointer data)
{
    g_assert_not_reached ();
}

static void
on_ended (const RelaisFetchResult *result, gpointer data)
{
    *(RelaisFetchOutcome *)data = result->outcome;
}

static void
test_fetch_cancel (void)
{
    RelaisTest *test = begin ();
    RelaisModule *module = relais_test_find_module (test, "puppet");
    RelaisFetchInfo info = {
        .struct_size = sizeof info, .url = "https://slow.test/", .timeout_us = 5 * G_USEC_PER_SEC};
    RelaisFetchOutcome outcome = RELAIS_FETCH_OK;
    guint64 fetch;

    relais_test_use_clock (test, 0);
    relais_test_hold_page (test, info.url);
    fetch = relais_fetch (module, &info, on_never, NULL); /* on its way to the loop */
    g_assert_cmpuint (relais_test_n_fetches (test), ==, 1);
    g_assert_true (relais_fetch_cancel (module, fetch));
    g_assert_false (relais_fetch_cancel (module, fetch));
    fetch = relais_fetch (module, &info, on_never, NULL);
    relais_test_advance (test, 4 * G_USEC_PER_SEC); /* it waits */
    g_assert_cmpuint (relais_test_n_fetches (test), ==, 1);
    g_assert_true (relais_fetch_cancel (module, fetch));
    g_assert_cmpuint (relais_test_n_fetches (test), ==, 0);
    relais_test_advance (test, 4 * G_USEC_PER_SEC);
    fetch = relais_fetch (module, &info, on_ended, &outcome);
    relais_test_advance (test, 5 * G_USEC_PER_SEC);
    g_assert_cmpuint (outcome, ==, RELAIS_FETCH_TIMEOUT);
    g_assert_false (relais_fetch_cancel (module, fetch));
    relais_fetch (module, &info, on_ended, &outcome);
    relais_test_advance (test, 0);
    stage_free (test);
    g_assert_cmpuint (outcome, ==, RELAIS_FETCH_STOPPED);
}

void
intake_add_tests (void)
{
    g_test_add_func ("/api/fetch/cancel", test_fetch_cancel);
    g_test_add_func ("/api/submit", test_submit);
    g_test_add_func ("/api/queued", test_queued);
    g_test_add_func ("/api/fetch", test_fetch);
}
