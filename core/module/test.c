/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The harness of include/relais/test.h: a host with a loop and one worker, and a subject made by hand.
 * The caller's thread owns all of it.
 */
#include "config.h"

#include "module/test-private.h"

#include "conf/conf-private.h"
#include "message/header-private.h"

#include <glib/gstdio.h>
#include <string.h>

/* --- Life ------------------------------------------------------------------------------------- */

/* Any thread. */
static void
keep_event (gpointer data, GBytes *line)
{
    RelaisTest *test = data;

    g_mutex_lock (&test->events_mutex);
    g_queue_push_tail (&test->events, g_bytes_ref (line));
    g_mutex_unlock (&test->events_mutex);
}

static void
open_tokens (RelaisTest *test)
{
    g_autofree char *path = NULL;

    test->state_dir = g_dir_make_tmp ("relais-test-XXXXXX", NULL);
    g_assert (test->state_dir != NULL);
    path = g_build_filename (test->state_dir, "token-keys", NULL);
    test->tokens = relais_tokens_new (
        &(RelaisTokensOptions){.loop = test->loop, .pool = test->pool, .path = path}, NULL);
    g_assert (test->tokens != NULL);
    relais_host_set_tokens (test->host, test->tokens);
}

static void
close_tokens (RelaisTest *test)
{
    g_autofree char *path = g_build_filename (test->state_dir, "token-keys", NULL);

    relais_tokens_free (test->tokens);
    g_unlink (path);
    g_rmdir (test->state_dir);
    g_free (test->state_dir);
}

typedef struct {
    char *url;
    RelaisTrackingState state;
} TrackingUrl;

static void
tracking_url_free (gpointer data)
{
    TrackingUrl *entry = data;

    g_free (entry->url);
    g_free (entry);
}

RelaisTest *
relais_test_new (const gchar *module_dir)
{
    RelaisTest *test = g_new0 (RelaisTest, 1);

    g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL |
                            G_LOG_LEVEL_ERROR); /* modules warn of the world */
    relais_test_clock_init (&test->clock);
    test->loop = relais_loop_new (&test->clock.clock, NULL);
    g_assert (test->loop != NULL);
    test->pool = relais_pool_new (test->loop, "test", 1, 64);
    test->host = relais_host_new (&(RelaisHostOptions){.loop = test->loop,
                                                       .pool = test->pool,
                                                       .module_dir = module_dir,
                                                       .module_dir_is_callers = true,
                                                       .program = "test"});
    test->schema = relais_schema_new ();
    test->sealed = g_byte_array_new ();
    test->trace = relais_trace_new ();
    test->host->zone = relais_test_zone_new ();
    test->tracking = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, tracking_url_free);
    test->attempt_attributes = relais_attempt_attributes_new ();
    g_mutex_init (&test->events_mutex);
    g_queue_init (&test->events);
    test->host->event_sink = keep_event;
    test->host->event_sink_data = test;
    test->host->test_suppression = relais_test_suppression_new (test->loop);
    open_tokens (test);
    relais_test_deliveries_init (test);
    relais_test_services_init (test);
    relais_test_programs_init (test);
    relais_test_intake_init (test);
    relais_test_pages_init (test);
    relais_test_shaping_init (test);
    test->listener = g_strdup ("test");
    relais_test_set_message (test, (const guint8 *)"", 0);
    return test;
}

static void
end_transaction (RelaisTest *test)
{
    g_clear_pointer (&test->transaction_slots, g_hash_table_unref);
    g_clear_pointer (&test->message, relais_message_unref);
    g_clear_pointer (&test->subject.rope, relais_rope_unref);
    g_clear_pointer (&test->new_sender, g_free);
    g_ptr_array_set_size (test->attempt_attributes, 0);
}

void
relais_test_free (RelaisTest *test)
{
    RelaisTestSuppression *suppression;
    RelaisTestZone *zone;

    if (test == NULL)
        return;
    end_transaction (test);
    g_clear_pointer (&test->session_slots, g_hash_table_unref);
    relais_hook_result_clear (&test->result);
    zone = test->host->zone;
    suppression = test->host->test_suppression;
    relais_test_shaping_clear (test);
    relais_test_pages_stop (test);
    if (test->parts != NULL)
        test->parts->stop (test->parts_data);
    relais_host_free (test->host);
    relais_test_services_clear (test);
    relais_test_programs_clear (test);
    relais_test_intake_clear (test);
    relais_test_pages_clear (test);
    relais_test_zone_free (zone);
    relais_test_suppression_free (suppression);
    relais_trace_free (test->trace);
    g_free (test->auth_results);
    relais_store_memory_free (test->memory);
    relais_pool_free (test->pool);
    if (test->parts != NULL)
        test->parts->free (test->parts_data);
    relais_test_log_clear (test);
    close_tokens (test);
    relais_test_deliveries_clear (test);
    g_queue_clear_full (&test->events, (GDestroyNotify)g_bytes_unref);
    g_mutex_clear (&test->events_mutex);
    relais_loop_free (test->loop);
    relais_schema_free (test->schema);
    g_ptr_array_unref (test->attempt_attributes);
    g_byte_array_unref (test->sealed);
    g_hash_table_unref (test->tracking);
    g_free (test->client);
    g_free (test->helo);
    g_free (test->tenant);
    g_free (test->listener);
    g_free (test);
}

/* --- The store -------------------------------------------------------------------------------- */

void
relais_test_use_memory_store (RelaisTest *test)
{
    RelaisStore *store = relais_host_get_store (test->host);

    g_return_if_fail (!relais_store_has_backend (store));
    test->memory = relais_store_memory_new (store);
    relais_store_set_backend (store, &relais_store_memory_backend, test->memory);
}

void
relais_test_use_locale_dir (RelaisTest *test, const gchar *dir)
{
    relais_host_set_locale_dir (test->host, dir);
}

void
relais_test_fail_store (RelaisTest *test, const gchar *text)
{
    g_return_if_fail (test->memory != NULL);
    relais_store_memory_fail (test->memory, text);
}

void
relais_test_settle_store (RelaisTest *test)
{
    relais_store_settle (relais_host_get_store (test->host));
}

void
relais_test_publish_service (RelaisTest *test, const gchar *name, guint32 major, guint32 minor,
                             const RelaisServiceTable *table)
{
    relais_host_add_service (test->host, NULL, name, major, minor, table);
}

RelaisModule *
relais_test_find_module (RelaisTest *test, const gchar *name)
{
    for (guint i = 0; i < test->host->modules->len; i++) {
        RelaisModule *module = g_ptr_array_index (test->host->modules, i);

        if (g_str_equal (module->descriptor.name, name))
            return module;
    }
    return NULL;
}

/* --- Configuration ---------------------------------------------------------------------------- */

static RelaisConfig *
read_dir (const RelaisSchema *schema, const char *dir, GError **error)
{
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    RelaisConfig *config = relais_config_read (schema, (const char *const[]){dir, NULL}, findings);
    g_autoptr (GString) text = g_string_new (NULL);

    for (guint i = 0; i < findings->len; i++) {
        g_autofree char *line = relais_config_finding_to_string (g_ptr_array_index (findings, i));

        g_string_append_printf (text, "%s%s", text->len > 0 ? "\n" : "", line);
    }
    if (config == NULL)
        g_set_error_literal (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_CONFIG, text->str);
    return config;
}

/* What the test says comes after what its parts say, and so overrides it. */
static RelaisConfig *
read_text (RelaisTest *test, const char *text, GError **error)
{
    g_autofree char *dir = g_dir_make_tmp ("relais-test-XXXXXX", error);
    g_autofree char *file = dir != NULL ? g_build_filename (dir, "test.conf", NULL) : NULL;
    g_autofree char *first = dir != NULL ? g_build_filename (dir, "00-parts.conf", NULL) : NULL;
    g_autofree char *more =
        test->parts != NULL ? test->parts->configuration (test->parts_data) : g_strdup ("");
    RelaisConfig *config = NULL;

    if (dir == NULL)
        return NULL;
    if (g_file_set_contents (first, more, -1, error) && g_file_set_contents (file, text, -1, error))
        config = read_dir (test->schema, dir, error);
    g_unlink (first);
    g_unlink (file);
    g_rmdir (dir);
    return config;
}

static bool
start_all (RelaisTest *test, RelaisConfig *config, GError **error)
{
    if (test->parts != NULL && !test->parts->open (test->parts_data, config, error))
        return false;
    if (!relais_host_start (test->host, error))
        return false;
    if (test->parts != NULL)
        test->parts->start (test->parts_data);
    return true;
}

gboolean
relais_test_load (RelaisTest *test, const gchar *const *names, const gchar *text, GError **error)
{
    g_autoptr (RelaisConfig) config = NULL;

    for (guint i = 0; names[i] != NULL; i++)
        if (!relais_host_load (test->host, names[i], error))
            return FALSE;
    if (!relais_host_add_options (test->host, test->schema, error))
        return FALSE;
    config = read_text (test, text, error);
    return config != NULL && relais_host_init (test->host, config, error) &&
           start_all (test, config, error);
}

gboolean
relais_test_reload (RelaisTest *test, const gchar *text, GError **error)
{
    g_autoptr (RelaisConfig) config = read_text (test, text, error);

    if (config == NULL || !relais_host_prepare (test->host, config, error))
        return false;
    if (test->parts != NULL)
        test->parts->reload (test->parts_data, config);
    relais_host_commit (test->host, config);
    return true;
}

/* --- The subject ------------------------------------------------------------------------------ */

static void
replace (char **place, const char *text)
{
    g_free (*place);
    *place = g_strdup (text);
}

void
relais_test_set_client (RelaisTest *test, const gchar *address, const gchar *helo)
{
    replace (&test->client, address);
    replace (&test->helo, helo);
    g_clear_pointer (&test->session_slots, g_hash_table_unref);
}

void
relais_test_set_tenant (RelaisTest *test, const gchar *tenant)
{
    replace (&test->tenant, tenant);
    replace (&test->message->envelope.tenant, tenant);
}

void
relais_test_set_listener (RelaisTest *test, const gchar *listener)
{
    replace (&test->listener, listener);
    replace (&test->message->envelope.listener, listener);
}

void
relais_test_set_sender (RelaisTest *test, const gchar *sender)
{
    replace (&test->message->envelope.sender, sender);
}

void
relais_test_add_recipient (RelaisTest *test, const gchar *recipient)
{
    relais_envelope_add_recipient (&test->message->envelope, recipient);
}

static void
read_header_from (RelaisMessage *message, const guint8 *bytes, gsize size)
{
    g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_free);
    RelaisField field;

    if (relais_header_find (bytes, size, "From", &field) &&
        relais_header_parse_mailboxes (field.value, field.value_size, 1, addresses) &&
        addresses->len == 1)
        message->envelope.header_from = g_strdup (g_ptr_array_index (addresses, 0));
}

void
relais_test_set_message (RelaisTest *test, const guint8 *bytes, gsize size)
{
    g_autoptr (GBytes) copy = g_bytes_new (bytes, size);
    RelaisBodyScanner scanner = {0};
    RelaisMessage *message;

    end_transaction (test);
    message = test->message = relais_message_new (1);
    relais_body_scan (&scanner, bytes, size);
    message->body = relais_body_new_bytes (copy, relais_body_scan_end (&scanner));
    g_free (message->envelope.sender);
    message->envelope.sender = g_strdup ("");
    g_free (message->envelope.tenant);
    message->envelope.tenant = g_strdup (test->tenant);
    message->envelope.listener = g_strdup (test->listener);
    read_header_from (message, bytes, size);
}

void
relais_test_set_attribute (RelaisTest *test, const gchar *name, const gchar *value)
{
    g_autoptr (GBytes) bytes = g_bytes_new (value, strlen (value));
    const bool good = relais_message_set_attribute (test->message, name, bytes);

    g_return_if_fail (good);
}

/* --- Tracking hosts --------------------------------------------------------------------------- */

static void
publish_tracking (RelaisTest *test)
{
    RelaisTrackingTable *table = relais_tracking_table_new ();
    GHashTableIter iter;
    gpointer domain, entry;

    g_hash_table_iter_init (&iter, test->tracking);
    while (g_hash_table_iter_next (&iter, &domain, &entry))
        relais_tracking_table_add (table, domain, ((TrackingUrl *)entry)->url,
                                   ((TrackingUrl *)entry)->state);
    relais_host_set_tracking (test->host, table);
}

void
relais_test_set_tracking_url (RelaisTest *test, const gchar *domain, const gchar *url,
                              const gchar *state)
{
    TrackingUrl *entry;

    if (url == NULL)
        g_hash_table_remove (test->tracking, domain);
    else {
        entry = g_new (TrackingUrl, 1);
        *entry = (TrackingUrl){g_strdup (url), RELAIS_TRACKING_UNKNOWN};
        if (g_strcmp0 (state, "good") == 0)
            entry->state = RELAIS_TRACKING_GOOD;
        else if (g_strcmp0 (state, "failing") == 0)
            entry->state = RELAIS_TRACKING_FAILING;
        g_hash_table_replace (test->tracking, g_strdup (domain), entry);
    }
    publish_tracking (test);
}

/* --- DNS, and what other modules found ---------------------------------------------------------- */

gboolean
relais_test_add_record (RelaisTest *test, const gchar *name, const gchar *type, const gchar *text)
{
    return relais_test_zone_add (test->host->zone, name, type, text);
}

void
relais_test_fail_lookup (RelaisTest *test, const gchar *name, const gchar *reason)
{
    relais_test_zone_fail (test->host->zone, name, reason);
}

guint32
relais_test_n_lookups (const RelaisTest *test)
{
    return relais_test_zone_n_lookups (test->host->zone);
}

gboolean
relais_test_add_auth_result (RelaisTest *test, const gchar *method, const gchar *result,
                             const gchar *const *properties)
{
    return relais_trace_add_result (test->trace, method, result, NULL, properties);
}

gchar *
relais_test_get_auth_results (const RelaisTest *test)
{
    return g_strdup (test->auth_results);
}

void
relais_test_name_message (RelaisTest *test)
{
    RelaisEnvelope *envelope = &test->message->envelope;

    envelope->klass = g_strcmp0 (test->shaping.klass, "bulk") == 0 ? RELAIS_CLASS_BULK
                                                                   : RELAIS_CLASS_TRANSACTIONAL;
    replace (&envelope->campaign, test->shaping.campaign);
}

/* --- Running ---------------------------------------------------------------------------------- */

static void
fill_subject (RelaisTest *test, RelaisHookId hook)
{
    RelaisSubject *subject = &test->subject;
    GPtrArray *recipients = test->message->envelope.recipients;

    g_clear_pointer (&subject->rope, relais_rope_unref);
    g_byte_array_set_size (test->sealed, 0);
    *subject = (RelaisSubject){
        .session_slots = &test->session_slots,
        .transaction_slots = &test->transaction_slots,
        .client = test->client,
        .helo = test->helo,
        .tenant = test->tenant,
        .listener = test->listener,
        .envelope = hook >= RELAIS_HOOK_MAIL ? &test->message->envelope : NULL,
        .message = hook >= RELAIS_HOOK_MESSAGE ? test->message : NULL,
        .trace = hook == RELAIS_HOOK_MESSAGE ? test->trace : NULL,
        .attempt_attributes = test->attempt_attributes,
        .new_sender = &test->new_sender,
        .sealed = test->sealed,
        .meaning = &test->meaning,
    };
    test->meaning = (RelaisMeaning){0};
    if (hook == RELAIS_HOOK_RCPT && recipients->len > 0)
        subject->recipient = g_ptr_array_index (recipients, recipients->len - 1);
    if (hook == RELAIS_HOOK_REWRITE || hook == RELAIS_HOOK_SEAL)
        subject->rope = relais_rope_new_message (test->message);
    relais_test_name_message (test);
    relais_test_shaping_begin (test, hook);
    subject->pin = relais_host_pin (test->host);
}

static void
work (gpointer data)
{
    RelaisTest *test = data;

    relais_host_run_worker (test->host, test->hook, &test->subject, &test->result);
}

static void
worked (gpointer data)
{
    ((RelaisTest *)data)->done = true;
}

static void
ended (gpointer data, RelaisHookResult *result)
{
    RelaisTest *test = data;

    test->result = *result;
    *result = (RelaisHookResult){0};
    test->done = true;
}

/* What a run of message found; the trace is new for the next. */
static void
take_trace (RelaisTest *test)
{
    g_autoptr (RelaisTrace) trace = test->trace;
    const GByteArray *lines = relais_trace_lines (trace);
    g_autofree char *bytes = relais_trace_to_field (trace, "test.invalid");
    RelaisField field;

    test->trace = relais_trace_new ();
    g_byte_array_append (test->sealed, lines->data, lines->len);
    g_clear_pointer (&test->auth_results, g_free);
    if (bytes != NULL && relais_header_find ((const guint8 *)bytes, strlen (bytes),
                                             "Authentication-Results", &field))
        test->auth_results = g_strdelimit (relais_field_unfold (&field), "\t", ' ');
}

RelaisVerdict
relais_test_run (RelaisTest *test, RelaisHookId hook)
{
    g_return_val_if_fail (hook < RELAIS_N_HOOKS, RELAIS_VERDICT_TEMPFAIL);
    fill_subject (test, hook);
    relais_hook_result_clear (&test->result);
    test->hook = hook;
    test->done = false;
    if (relais_hook_kinds[hook].worker)
        relais_pool_run (test->pool, work, worked, test);
    else if (relais_host_run (test->host, hook, &test->subject, &test->result, ended, test) == NULL)
        test->done = true;
    while (!test->done)
        relais_test_wait (test);
    g_clear_pointer (&test->subject.pin, relais_pin_unref);
    relais_test_shaping_end (test);
    if (hook == RELAIS_HOOK_MESSAGE)
        take_trace (test);
    return test->result.verdict;
}

guint32
relais_test_get_reply_code (const RelaisTest *test)
{
    return test->result.code;
}

const gchar *
relais_test_get_reply_enhanced (const RelaisTest *test)
{
    return test->result.enhanced;
}

const gchar *
relais_test_get_reply_text (const RelaisTest *test)
{
    return test->result.text;
}

const gchar *
relais_test_get_module (const RelaisTest *test)
{
    return test->result.module;
}

GBytes *
relais_test_get_sealed (const RelaisTest *test)
{
    return g_bytes_new (test->sealed->data, test->sealed->len);
}

GBytes *
relais_test_get_rewritten (const RelaisTest *test)
{
    const RelaisRope *rope = test->subject.rope;
    g_autofree guint8 *bytes = NULL;
    gsize size;

    if (test->hook != RELAIS_HOOK_REWRITE || rope == NULL)
        return NULL;
    size = (gsize)relais_rope_size (rope);
    bytes = g_malloc (MAX (size, 1));
    if (relais_rope_read (rope, 0, bytes, size, NULL) != (gssize)size)
        return NULL;
    return g_bytes_new_take (g_steal_pointer (&bytes), size);
}

gboolean
relais_test_get_claimed (const RelaisTest *test)
{
    const RelaisRecipient *recipient = test->subject.recipient;

    return recipient != NULL && recipient->claimed;
}

guint64
relais_test_get_count (const RelaisTest *test, const gchar *module, const gchar *counter,
                       const gchar *value)
{
    return relais_host_count (test->host, module, counter, value);
}

gint64
relais_test_get_gauge (const RelaisTest *test, const gchar *module, const gchar *gauge,
                       const gchar *value)
{
    return (gint64)relais_host_count (test->host, module, gauge, value);
}

guint64
relais_test_get_samples (const RelaisTest *test, const gchar *module, const gchar *histogram,
                         const gchar *value, gint64 bound, gint64 *sum)
{
    g_return_val_if_fail (sum != NULL, 0);
    return relais_host_count_samples (test->host, module, histogram, value, bound, sum);
}

GBytes *
relais_test_take_event (RelaisTest *test)
{
    GBytes *line;

    g_mutex_lock (&test->events_mutex);
    line = g_queue_pop_head (&test->events);
    g_mutex_unlock (&test->events_mutex);
    return line;
}

void
relais_test_turn (RelaisTest *test)
{
    relais_loop_turn (test->loop, true);
}

guint32
relais_test_n_tickets (const RelaisTest *test)
{
    return test->host->runs.length;
}
