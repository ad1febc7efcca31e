/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module: lookups of modules are answered once, from a later turn, or cancelled; when the daemon stops
 * they end. Results of checks and the message as it came, as a function on the hook message sees them.
 */
#include "config.h"

#include "module/module-private.h"

#include <string.h>

typedef struct {
    RelaisLoop *loop;
    RelaisHost *host;
    RelaisModule module;
    RelaisTestZone *zone;
    guint told;
    RelaisDnsOutcome outcome;
    GString *text;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->host = relais_host_new (&(RelaisHostOptions){
        .loop = fixture->loop, .module_dir = "/nonexistent", .program = "test"});
    fixture->module.host = fixture->host;
    fixture->zone = relais_test_zone_new ();
    fixture->text = g_string_new (NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    relais_host_free (fixture->host);
    relais_test_zone_free (fixture->zone);
    relais_loop_free (fixture->loop);
    g_string_free (fixture->text, TRUE);
}

static void
note (const RelaisDnsAnswer *answer, gpointer data)
{
    Fixture *fixture = data;

    fixture->told++;
    fixture->outcome = relais_dns_answer_get_outcome (answer);
    g_string_truncate (fixture->text, 0);
    for (guint32 i = 0; i < relais_dns_answer_n_records (answer); i++) {
        guint64 size;
        const guint8 *bytes = relais_dns_answer_get_bytes (answer, i, &size);
        const char *name = relais_dns_answer_get_name (answer, i);

        g_string_append_printf (fixture->text, "%u:%s:%.*s|",
                                relais_dns_answer_get_preference (answer, i),
                                name != NULL ? name : "-", (int)size, (const char *)bytes);
    }
}

static void
ask (Fixture *fixture, const char *name, RelaisDnsType type)
{
    const guint told = fixture->told;

    relais_lookup (&fixture->module, name, type, note, fixture);
    g_assert_cmpuint (fixture->told, ==, told);
    while (fixture->told == told)
        relais_loop_turn (fixture->loop, true);
    g_assert_cmpuint (fixture->told, ==, told + 1);
}

static void
test_zone (Fixture *fixture, gconstpointer data)
{
    fixture->host->zone = fixture->zone;
    g_assert_true (relais_test_zone_add (fixture->zone, "a.example", "TXT", "one"));
    g_assert_true (relais_test_zone_add (fixture->zone, "A.Example.", "TXT", "two"));
    g_assert_true (relais_test_zone_add (fixture->zone, "a.example", "MX", "10 Mx.Example."));
    g_assert_true (relais_test_zone_add (fixture->zone, "b.example", "A", "192.0.2.65"));
    g_assert_false (relais_test_zone_add (fixture->zone, "a.example", "A", "192.0.2"));
    g_assert_false (relais_test_zone_add (fixture->zone, "a.example", "MX", "mx.example"));
    relais_test_zone_fail (fixture->zone, "c.example", "timeout");
    ask (fixture, "a.EXAMPLE", RELAIS_DNS_TXT);
    g_assert_cmpuint (fixture->outcome, ==, RELAIS_DNS_DATA);
    g_assert_cmpstr (fixture->text->str, ==, "0:-:one|0:-:two|");
    ask (fixture, "a.example.", RELAIS_DNS_MX);
    g_assert_cmpstr (fixture->text->str, ==, "10:mx.example:|");
    ask (fixture, "b.example", RELAIS_DNS_MX);
    g_assert_cmpuint (fixture->outcome, ==, RELAIS_DNS_NODATA);
    ask (fixture, "none.example", RELAIS_DNS_A);
    g_assert_cmpuint (fixture->outcome, ==, RELAIS_DNS_NXDOMAIN);
    ask (fixture, "c.example", RELAIS_DNS_A);
    g_assert_cmpuint (fixture->outcome, ==, RELAIS_DNS_TEMPORARY);
    g_assert_cmpuint (relais_test_zone_n_lookups (fixture->zone), ==, 5);
    g_assert_cmpuint (fixture->host->lookups.length, ==, 0);
    fixture->host->zone = NULL;
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
    RelaisLookup *lookup;

    fixture->host->zone = fixture->zone;
    lookup = relais_lookup (&fixture->module, "a.example", RELAIS_DNS_A, note, fixture);
    relais_lookup_cancel (lookup);
    relais_lookup_cancel (NULL);
    ask (fixture, "b.example", RELAIS_DNS_A);
    g_assert_cmpuint (fixture->told, ==, 1);
    fixture->host->zone = NULL;
}

static void
test_stop (Fixture *fixture, gconstpointer data)
{
    relais_lookup (&fixture->module, "a.example", RELAIS_DNS_A, note, fixture);
    relais_lookup (&fixture->module, "b.example", RELAIS_DNS_A, note, fixture);
    relais_host_stop (fixture->host);
    g_assert_cmpuint (fixture->told, ==, 2);
    g_assert_cmpuint (fixture->outcome, ==, RELAIS_DNS_TEMPORARY);
    ask (fixture, "c.example", RELAIS_DNS_A);
    g_assert_cmpuint (fixture->outcome, ==, RELAIS_DNS_TEMPORARY);
}

static void
test_results (Fixture *fixture, gconstpointer data)
{
    static const char *const properties[] = {"header.d=example.org", NULL};
    g_autoptr (RelaisMessage) message = relais_message_new (1);
    g_autoptr (RelaisTrace) trace = relais_trace_new ();
    RelaisSubject subject = {.message = message, .trace = trace};
    RelaisHook hook = {.host = fixture->host, .id = RELAIS_HOOK_MESSAGE, .subject = &subject};
    GBytes *kept;

    g_assert_cmpuint (relais_hook_n_auth_results (&hook), ==, 0);
    g_assert_null (relais_hook_get_auth_method (&hook, 0));
    g_assert_true (relais_hook_add_auth_result (&hook, "dkim", "pass", NULL, properties));
    g_assert_true (relais_hook_add_auth_result (&hook, "dkim", "fail", "why", NULL));
    g_assert_false (relais_hook_add_auth_result (&hook, "dkim", "no way", NULL, NULL));
    g_assert_cmpuint (relais_hook_n_auth_results (&hook), ==, 2);
    g_assert_cmpstr (relais_hook_get_auth_method (&hook, 1), ==, "dkim");
    g_assert_cmpstr (relais_hook_get_auth_result (&hook, 1), ==, "fail");
    g_assert_cmpstr (relais_hook_get_auth_property (&hook, 0, "header.d"), ==, "example.org");
    g_assert_null (relais_hook_get_auth_property (&hook, 1, "header.d"));
    kept = relais_message_find_attribute (message, "dkim.result");
    g_assert_cmpmem (g_bytes_get_data (kept, NULL), (int)g_bytes_get_size (kept), "pass", 4);
    g_assert_true (relais_hook_prepend_header (&hook, "Received-SPF: none\r\n", 20));
    g_assert_false (relais_hook_prepend_header (&hook, "Received-SPF: none\n", 19));
    hook.id = RELAIS_HOOK_RCPT;
    g_assert_false (relais_hook_add_auth_result (&hook, "dkim", "pass", NULL, NULL));
    g_assert_false (relais_hook_prepend_header (&hook, "Received-SPF: none\r\n", 20));
}

/* Cuts and what is put in front do not show. */
static void
test_original (Fixture *fixture, gconstpointer data)
{
    static const char text[] = "Bcc: x@example.org\r\nFrom: y@example.org\r\n\r\nz\r\n";
    g_autoptr (GBytes) bytes = g_bytes_new_static (text, sizeof text - 1);
    g_autoptr (RelaisMessage) message = relais_message_new (1);
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisOriginal) original = NULL;
    RelaisSubject subject = {.message = message};
    RelaisHook hook = {.host = fixture->host, .id = RELAIS_HOOK_MESSAGE, .subject = &subject};
    RelaisBodyScanner scanner = {0};
    const RelaisRange cut = {0, 20};
    char buffer[100];

    g_assert_null (relais_hook_dup_original (&hook));
    relais_body_scan (&scanner, (const guint8 *)text, sizeof text - 1);
    message->body = relais_body_new_bytes (bytes, relais_body_scan_end (&scanner));
    message->cuts = g_array_new (FALSE, FALSE, sizeof (RelaisRange));
    g_array_append_val (message->cuts, cut);
    original = relais_hook_dup_original (&hook);
    g_assert_cmpuint (relais_original_get_size (original), ==, sizeof text - 1);
    g_assert_cmpint (relais_original_read (original, 0, buffer, sizeof buffer, &error), ==,
                     sizeof text - 1);
    g_assert_cmpmem (buffer, sizeof text - 1, text, sizeof text - 1);
    g_assert_cmpint (relais_original_read (original, 5, buffer, 4, &error), ==, 4);
    g_assert_cmpmem (buffer, 4, "x@ex", 4);
    g_assert_cmpint (relais_original_read (original, sizeof text, buffer, 4, &error), ==, 0);
    hook.id = RELAIS_HOOK_SEAL;
    g_assert_null (relais_hook_dup_original (&hook));
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    ADD ("/lookup/zone", test_zone);
    ADD ("/lookup/cancel", test_cancel);
    ADD ("/lookup/stop", test_stop);
    ADD ("/message/results", test_results);
    ADD ("/message/original", test_original);
    return g_test_run ();
}
