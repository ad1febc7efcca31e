/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: a module's envelope tokens name the recipient of a transaction and open for it alone; lookups of
 * deliveries are answered once, from a later turn, and never say "absent" where nobody can know.
 */
#include "config.h"

#include "module/test-private.h"

#include <relais/delivery.h>
#include <string.h>

#define MINUTE RELAIS_USEC_PER_MIN
#define NOW (30000000 * MINUTE)

typedef struct {
    RelaisTest *test;
    RelaisModule module, other;
    RelaisRecipient recipient;
    const RelaisRecipient *recipients[1];
    HookFunction function;
    RelaisHook hook;
    guint told;
    RelaisDeliveries *deliveries;
    char *error;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
    *fixture = (Fixture){.test = relais_test_new ("/nonexistent")};
    relais_test_use_clock (fixture->test, NOW);
    fixture->module = (RelaisModule){.host = fixture->test->host, .descriptor.name = "one"};
    fixture->other = (RelaisModule){.host = fixture->test->host, .descriptor.name = "two"};
    fixture->recipient = (RelaisRecipient){.address = "a@rcpt.test", .number = 7};
    fixture->recipients[0] = &fixture->recipient;
    fixture->function = (HookFunction){.module = &fixture->module};
    relais_test_set_queue_id (fixture->test, "00000000000a1");
    fixture->test->subject = (RelaisSubject){
        .message = fixture->test->message, .recipients = fixture->recipients, .n_recipients = 1};
    fixture->hook = (RelaisHook){.host = fixture->test->host,
                                 .id = RELAIS_HOOK_SEAL,
                                 .subject = &fixture->test->subject,
                                 .function = &fixture->function};
}

static void
forget (Fixture *fixture)
{
    g_clear_pointer (&fixture->deliveries, relais_deliveries_unref);
    g_clear_pointer (&fixture->error, g_free);
    fixture->told = 0;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    forget (fixture);
    relais_test_free (fixture->test);
}

static void
test_tokens (Fixture *fixture, gconstpointer data)
{
    g_autofree char *token =
        relais_hook_make_envelope_token (&fixture->hook, 0, "bounce", 100 * MINUTE);
    RelaisDeliveryName name = {.struct_size = sizeof name};

    g_assert_cmpuint (strlen (token), ==, RELAIS_ENVELOPE_TOKEN_BYTES);
    g_assert_cmpuint (relais_envelope_token_open (&fixture->module, "bounce", token, &name), ==,
                      RELAIS_TOKEN_GOOD);
    g_assert_cmpstr (name.queue_id, ==, "00000000000a1");
    g_assert_cmpuint (name.recipient, ==, 7);
    g_assert_cmpint (name.made_us, ==, NOW);
    g_assert_cmpuint (name.struct_size, ==, sizeof name);
    g_assert_cmpuint (relais_envelope_token_open (&fixture->module, "trace", token, &name), ==,
                      RELAIS_TOKEN_FORGED);
    g_assert_cmpuint (relais_envelope_token_open (&fixture->other, "bounce", token, &name), ==,
                      RELAIS_TOKEN_FORGED);
    relais_test_advance (fixture->test, 2 * 60 * MINUTE);
    g_assert_cmpuint (relais_envelope_token_open (&fixture->module, "bounce", token, &name), ==,
                      RELAIS_TOKEN_EXPIRED);
}

static void
test_token_limits (Fixture *fixture, gconstpointer data)
{
    RelaisDeliveryName name = {.struct_size = sizeof name};
    g_autofree char *token = NULL;

    g_assert_null (relais_hook_make_envelope_token (&fixture->hook, 1, "bounce", MINUTE));
    fixture->hook.id = RELAIS_HOOK_MESSAGE;
    g_assert_null (relais_hook_make_envelope_token (&fixture->hook, 0, "bounce", MINUTE));
    fixture->hook.id = RELAIS_HOOK_REWRITE;
    fixture->recipient.number = 1 << 24;
    g_assert_null (relais_hook_make_envelope_token (&fixture->hook, 0, "bounce", MINUTE));
    fixture->recipient.number = (1 << 24) - 1;
    g_free (relais_hook_make_envelope_token (&fixture->hook, 0, "bounce", MINUTE));
    token = relais_hook_make_envelope_token (&fixture->hook, 0, "bounce", G_MAXINT64);
    g_assert_cmpuint (relais_envelope_token_open (&fixture->module, "bounce", token, &name), ==,
                      RELAIS_TOKEN_GOOD);
}

/* --- Lookups ------------------------------------------------------------------------------------ */

static void
note (gpointer data, RelaisDeliveries *deliveries, const gchar *error)
{
    Fixture *fixture = data;

    g_assert_true ((deliveries == NULL) == (error != NULL));
    fixture->told++;
    fixture->deliveries = deliveries != NULL ? relais_deliveries_ref (deliveries) : NULL;
    fixture->error = g_strdup (error);
}

static void
wait_for_it (Fixture *fixture)
{
    g_assert_cmpuint (fixture->told, ==, 0);
    while (fixture->told == 0)
        relais_loop_turn (fixture->test->loop, true);
}

static void
find (Fixture *fixture, const char *queue_id, guint32 number, gint64 made_us)
{
    RelaisDeliveryName name = {.struct_size = sizeof name, .recipient = number, .made_us = made_us};

    g_strlcpy (name.queue_id, queue_id, sizeof name.queue_id);
    forget (fixture);
    relais_delivery_find (&fixture->module, &name, note, fixture);
    wait_for_it (fixture);
}

static void
find_by_message_id (Fixture *fixture, const char *message_id)
{
    forget (fixture);
    relais_delivery_find_by_message_id (&fixture->module, message_id, note, fixture);
    wait_for_it (fixture);
}

static void
test_found (Fixture *fixture, gconstpointer data)
{
    relais_test_add_delivery (fixture->test, "00000000000a1", 7, "news@sender.test", "a@rcpt.test",
                              "acme", "spring", "<1@sender.test>", NOW);
    relais_test_add_delivery (fixture->test, "00000000000a2", 0, NULL, NULL, NULL, NULL,
                              "<1@sender.test>", NOW + 1);
    find (fixture, "00000000000a1", 7, NOW);
    g_assert_cmpuint (relais_deliveries_n (fixture->deliveries), ==, 1);
    g_assert_cmpstr (relais_deliveries_get_queue_id (fixture->deliveries, 0), ==, "00000000000a1");
    g_assert_cmpuint (relais_deliveries_get_number (fixture->deliveries, 0), ==, 7);
    g_assert_cmpstr (relais_deliveries_get_sender (fixture->deliveries, 0), ==, "news@sender.test");
    g_assert_cmpstr (relais_deliveries_get_recipient (fixture->deliveries, 0), ==, "a@rcpt.test");
    g_assert_cmpstr (relais_deliveries_get_tenant (fixture->deliveries, 0), ==, "acme");
    g_assert_cmpstr (relais_deliveries_get_campaign (fixture->deliveries, 0), ==, "spring");
    g_assert_cmpstr (relais_deliveries_get_message_id (fixture->deliveries, 0), ==,
                     "<1@sender.test>");
    g_assert_cmpint (relais_deliveries_get_delivered_us (fixture->deliveries, 0), ==, NOW);
    find_by_message_id (fixture, "<1@sender.test>");
    g_assert_cmpuint (relais_deliveries_n (fixture->deliveries), ==, 2);
    g_assert_null (relais_deliveries_get_tenant (fixture->deliveries, 0));
    find_by_message_id (fixture, "<2@sender.test>");
    g_assert_cmpuint (relais_deliveries_n (fixture->deliveries), ==, 0);
}

/* What may be under way is not absent; an hour later it is. */
static void
test_early (Fixture *fixture, gconstpointer data)
{
    find (fixture, "00000000000a1", 7, NOW - 60 * MINUTE + 1);
    g_assert_nonnull (fixture->error);
    find (fixture, "00000000000a1", 7, NOW - 60 * MINUTE);
    g_assert_cmpuint (relais_deliveries_n (fixture->deliveries), ==, 0);
}

static void
test_unreadable (Fixture *fixture, gconstpointer data)
{
    relais_test_add_delivery (fixture->test, "00000000000a1", 7, NULL, NULL, NULL, NULL, NULL, NOW);
    relais_test_fail_deliveries (fixture->test, "the disk is gone");
    find (fixture, "00000000000a1", 7, 0);
    g_assert_cmpstr (fixture->error, ==, "the disk is gone");
    find_by_message_id (fixture, "<1@sender.test>");
    g_assert_cmpstr (fixture->error, ==, "the disk is gone");
    relais_test_fail_deliveries (fixture->test, NULL);
    find (fixture, "00000000000a1", 7, 0);
    g_assert_cmpuint (relais_deliveries_n (fixture->deliveries), ==, 1);
    fixture->test->host->find_deliveries = NULL;
    find (fixture, "00000000000a1", 7, 0);
    g_assert_cmpstr (fixture->error, ==, "there is no event log");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add ("/delivery/tokens", Fixture, NULL, set_up, test_tokens, tear_down);
    g_test_add ("/delivery/token-limits", Fixture, NULL, set_up, test_token_limits, tear_down);
    g_test_add ("/delivery/found", Fixture, NULL, set_up, test_found, tear_down);
    g_test_add ("/delivery/early", Fixture, NULL, set_up, test_early, tear_down);
    g_test_add ("/delivery/unreadable", Fixture, NULL, set_up, test_unreadable, tear_down);
    return g_test_run ();
}
