/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The fixture of the queue's tests.
 */
#include "config.h"

#include "fake-suppression.h"
#include "fixture.h"

#include "conf/conf-private.h"
#include "conf/net-private.h"
#include "message/release-private.h"
#include "queue/attempt-private.h"

#include <glib/gstdio.h>
#include <string.h>

/* --- The clock -------------------------------------------------------------------------------- */

static gint64
mono_us (const RelaisClock *self)
{
    return __atomic_load_n (&((const TestClock *)self)->mono_us, __ATOMIC_RELAXED);
}

static gint64
wall_us (const RelaisClock *self)
{
    return __atomic_load_n (&((const TestClock *)self)->wall_us, __ATOMIC_RELAXED);
}

void
fixture_advance (Fixture *fixture, gint64 us)
{
    __atomic_fetch_add (&fixture->clock.mono_us, us, __ATOMIC_RELAXED);
    __atomic_fetch_add (&fixture->clock.wall_us, us, __ATOMIC_RELAXED);
}

/* --- The resolver ----------------------------------------------------------------------------- */

struct RelaisMailLookup {
    RelaisDns *dns;
    char *name;
    RelaisMailRouteFunc func;
    gpointer data;
};

static GHashTable *answers;
static RelaisLoop *dns_loop;
guint fake_dns_lookups;
RelaisHost *fixture_host;
bool fixture_suppresses;

void
fake_dns_set (const char *name, const char *answer)
{
    if (answers == NULL)
        answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_replace (answers, g_strdup (name), g_strdup (answer));
}

void
fake_dns_clear (void)
{
    g_clear_pointer (&answers, g_hash_table_unref);
    fake_dns_lookups = 0;
}

static void
host_free (gpointer data)
{
    RelaisRouteHost *host = data;

    g_free (host->name);
    g_array_unref (host->addresses);
    g_free (host);
}

void
relais_mail_route_free (RelaisMailRoute *route)
{
    if (route == NULL)
        return;
    g_free (route->text);
    g_ptr_array_unref (route->hosts);
    g_free (route);
}

static void
add_host (RelaisMailRoute *route, const char *text)
{
    g_auto (GStrv) parts = g_strsplit (text, "=", 2);
    g_auto (GStrv) addresses = g_strsplit (parts[1], ",", -1);
    RelaisRouteHost *host = g_new0 (RelaisRouteHost, 1);

    host->name = g_strdup (parts[0]);
    host->addresses = g_array_new (FALSE, TRUE, sizeof (RelaisDnsAddress));
    for (gsize i = 0; addresses[i] != NULL; i++) {
        RelaisDnsAddress address;

        g_assert_true (relais_address_from_text (addresses[i], 0, &address.address, &address.size));
        g_array_append_val (host->addresses, address);
    }
    g_ptr_array_add (route->hosts, host);
}

static RelaisMailRoute *
make_route (const char *answer)
{
    static const char *const codes[] = {"4.4.3", "4.4.4", "5.1.2", "5.1.10", "5.4.6"};
    RelaisMailRoute *route = g_new0 (RelaisMailRoute, 1);

    route->hosts = g_ptr_array_new_with_free_func (host_free);
    route->expires_us = relais_loop_now_us (dns_loop) + RELAIS_USEC_PER_MIN;
    for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
        if (g_str_has_prefix (answer, codes[i]) && answer[strlen (codes[i])] == ' ') {
            route->outcome = codes[i][0] == '4' ? RELAIS_ROUTE_TEMPORARY : RELAIS_ROUTE_PERMANENT;
            route->enhanced = codes[i];
            route->text = g_strdup (answer + strlen (codes[i]) + 1);
            return route;
        }
    g_auto (GStrv) hosts = g_strsplit (answer, " ", -1);

    for (gsize i = 0; hosts[i] != NULL; i++)
        add_host (route, hosts[i]);
    return route;
}

static void
answer_lookup (gpointer data)
{
    RelaisMailLookup *lookup = data;
    const char *answer = answers != NULL ? g_hash_table_lookup (answers, lookup->name) : NULL;

    if (lookup->func != NULL)
        lookup->func (lookup->data, make_route (answer != NULL ? answer : "5.1.2 no such domain"));
    g_free (lookup->name);
    g_free (lookup);
}

RelaisMailLookup *
relais_dns_lookup_mail (RelaisDns *dns, const char *domain, RelaisMailRouteFunc func, gpointer data)
{
    RelaisMailLookup *lookup = g_new0 (RelaisMailLookup, 1);

    *lookup = (RelaisMailLookup){dns, g_strdup (domain), func, data};
    fake_dns_lookups++;
    relais_loop_post (dns_loop, answer_lookup, lookup);
    return lookup;
}

RelaisMailLookup *
relais_dns_lookup_host (RelaisDns *dns, const char *host, guint16 dane_port,
                        RelaisMailRouteFunc func, gpointer data)
{
    return relais_dns_lookup_mail (dns, host, func, data);
}

void
relais_dns_cancel_mail (RelaisMailLookup *lookup)
{
    lookup->func = NULL;
}

/* --- Opening and closing ---------------------------------------------------------------------- */

static void
write_config (const char *dir, const char *name, const char *text)
{
    g_autofree char *conf_dir = g_build_filename (dir, "conf.d", NULL);
    g_autofree char *file = g_build_filename (conf_dir, name, NULL);

    g_assert_no_errno (g_mkdir_with_parents (conf_dir, 0700));
    g_assert_true (g_file_set_contents (file, text, -1, NULL));
}

static RelaisConfig *
read_config (const char *dir)
{
    RelaisSchema *schema = relais_schema_new ();
    g_autofree char *conf_dir = g_build_filename (dir, "conf.d", NULL);
    const char *dirs[] = {conf_dir, NULL};
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    RelaisConfig *config;

    config = relais_config_read (schema, dirs, findings);
    for (guint i = 0; i < findings->len; i++) {
        g_autofree char *finding = relais_config_finding_to_string (findings->pdata[i]);

        g_test_message ("%s", finding);
    }
    g_assert_nonnull (config);
    relais_schema_free (schema);
    return config;
}

static void
on_event (gpointer data, guint64 seq, GBytes *line)
{
    Fixture *fixture = data;
    gsize size;
    const char *text = g_bytes_get_data (line, &size);

    g_ptr_array_add (fixture->events, g_strndup (text, size));
}

static void
found (gpointer data, RelaisMessage *message)
{
    relais_queue_add (((Fixture *)data)->queue, message);
}

guint64 fixture_hot_memory = 64 << 20;

static void
start (Fixture *fixture, const char *conf)
{
    g_autofree char *spool_dir = g_build_filename (fixture->dir, "spool", NULL);
    RelaisSpoolOptions spool_options = {.dir = spool_dir,
                                        .segment_bytes = 4 << 20,
                                        .hot_memory_bytes = fixture_hot_memory,
                                        .receive_memory_bytes = 64 << 20,
                                        .min_free_bytes = 1,
                                        .min_free_inodes = 1,
                                        .probe_us = RELAIS_USEC_PER_SEC / 5};
    RelaisQueueOptions options = {0};
    g_autofree char *whole = NULL;
    g_autoptr (GError) error = NULL;

    whole = g_strdup_printf ("[relais]\nhostname = mx.relais.test\nlog_dir = %s\n%s",
                             fixture->log_dir, conf);
    write_config (fixture->dir, "test.conf", whole);
    fixture->config = read_config (fixture->dir);
    fixture->loop = relais_loop_new (&fixture->clock.clock, NULL);
    dns_loop = fixture->loop;
    fixture->pool = relais_pool_new (fixture->loop, "test", 1, 64);
    fixture->log = relais_event_log_open (fixture->log_dir, fixture->loop, &error);
    g_assert_no_error (error);
    relais_event_log_set_observer (fixture->log, on_event, fixture);
    fixture->spool =
        relais_spool_open (&spool_options, fixture->loop, fixture->pool, fixture->log, &error);
    g_assert_no_error (error);
    options = (RelaisQueueOptions){
        .loop = fixture->loop,
        .pool = fixture->pool,
        .spool = fixture->spool,
        .host = fixture_host,
        .suppression = fixture_suppresses ? fake_suppression (fixture->loop) : NULL};
    fixture->queue = relais_queue_new (&options, fixture->config, &error);
    g_assert_no_error (error);
    relais_spool_recover (fixture->spool, found, fixture);
    relais_queue_start (fixture->queue);
}

static void
stop (Fixture *fixture)
{
    relais_queue_free (fixture->queue);
    while (relais_loop_turn (fixture->loop, false))
        continue;
    relais_spool_close (fixture->spool);
    relais_event_log_close (fixture->log);
    relais_pool_free (fixture->pool);
    while (relais_loop_turn (fixture->loop, false))
        continue;
    relais_loop_free (fixture->loop);
    relais_config_unref (fixture->config);
}

void
fixture_open (Fixture *fixture, const char *conf)
{
    *fixture = (Fixture){0};
    fixture->clock = (TestClock){
        {wall_us, mono_us}, 1000 * RELAIS_USEC_PER_SEC, G_GINT64_CONSTANT (1790000000000000)};
    fixture->dir = g_dir_make_tmp ("relais-queue-XXXXXX", NULL);
    fixture->log_dir = g_build_filename (fixture->dir, "log", NULL);
    fixture->events = g_ptr_array_new_with_free_func (g_free);
    g_assert_no_errno (g_mkdir (fixture->log_dir, 0700));
    start (fixture, conf);
}

void
fixture_restart (Fixture *fixture, const char *conf, gint64 away_us)
{
    stop (fixture);
    fixture->clock.wall_us += away_us;
    fixture->clock.mono_us = 50 * RELAIS_USEC_PER_SEC; /* as after a boot */
    start (fixture, conf);
}

static void
remove_tree (const char *path)
{
    GDir *dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);

    for (const char *name; dir != NULL && (name = g_dir_read_name (dir)) != NULL;) {
        g_autofree char *child = g_build_filename (path, name, NULL);

        remove_tree (child);
    }
    if (dir != NULL)
        g_dir_close (dir);
    g_assert_no_errno (g_remove (path));
}

void
fixture_reload (Fixture *fixture, const char *more)
{
    RelaisQueueSettings settings;

    write_config (fixture->dir, "test2.conf", more);
    relais_config_unref (fixture->config);
    fixture->config = read_config (fixture->dir);
    g_assert_true (relais_queue_settings_read (&settings, fixture->config, NULL));
    g_assert_true (relais_queue_settings_load (&settings, fixture->config, NULL));
    relais_queue_reload (fixture->queue, fixture->config, &settings);
}

char *
fixture_refusal (Fixture *fixture, const char *more)
{
    g_autoptr (RelaisConfig) config = NULL;
    g_autoptr (GError) error = NULL;
    RelaisQueueSettings settings;

    write_config (fixture->dir, "test2.conf", more);
    config = read_config (fixture->dir);
    g_assert_false (relais_queue_settings_read (&settings, config, &error));
    relais_queue_settings_clear (&settings);
    return g_strdup (error->message);
}

void
fixture_close (Fixture *fixture)
{
    stop (fixture);
    remove_tree (fixture->dir);
    g_ptr_array_unref (fixture->events);
    g_free (fixture->log_dir);
    g_free (fixture->dir);
    fake_dns_clear ();
}

/* --- Mail ------------------------------------------------------------------------------------- */

typedef struct {
    Fixture *fixture;
    GPtrArray *messages;
    bool done;
} Accepting;

static void
on_synced (gpointer data, const GError *error)
{
    Accepting *accepting = data;

    g_assert_no_error (error);
    for (guint i = 0; i < accepting->messages->len; i++)
        relais_queue_add (accepting->fixture->queue, accepting->messages->pdata[i]);
    accepting->done = true;
}

static bool
is_accepted (gpointer data)
{
    return ((const Accepting *)data)->done;
}

static RelaisMessage *
add_to_group (Fixture *fixture, RelaisGroup *group, const Mail *mail)
{
    RelaisMessage *message = relais_message_new (relais_spool_new_id (fixture->spool));
    RelaisDraft *draft = relais_draft_new (fixture->spool);
    const char *body = mail->body != NULL ? mail->body : "Subject: test\r\n\r\nhello\r\n";
    g_autoptr (GBytes) nothing = g_bytes_new_static ("", 0);

    message->envelope.sender = g_strdup (mail->sender);
    message->envelope.tenant = g_strdup (mail->tenant);
    message->envelope.campaign = g_strdup (mail->campaign);
    message->envelope.klass = mail->klass;
    message->envelope.ret = mail->ret;
    message->envelope.received_us = fixture->clock.wall_us;
    message->envelope.message_id = g_strdup ("<1@sender.test>");
    for (gsize i = 0; mail->recipients[i] != NULL; i++) {
        RelaisRecipient *recipient =
            relais_envelope_add_recipient (&message->envelope, mail->recipients[i]);

        recipient->notify = mail->notify;
        recipient->claimed = mail->claimed;
    }
    if (mail->alone)
        relais_message_set_attribute (message, RELAIS_ATTRIBUTE_ALONE, nothing);
    if (mail->release != NULL) {
        g_autoptr (GBytes) release = g_bytes_new_static (mail->release, strlen (mail->release));

        relais_message_set_attribute (message, RELAIS_ATTRIBUTE_RELEASE, release);
    }
    relais_message_init_states (message);
    (void)relais_draft_append (draft, (const guint8 *)body, strlen (body));
    (void)relais_draft_end (draft);
    relais_group_add_message (group, message, draft);
    for (guint i = 0; mail->quarantined != NULL && i < message->envelope.recipients->len; i++)
        relais_message_quarantine_state (&message->states[i], mail->quarantined,
                                         message->envelope.received_us);
    if (mail->quarantined != NULL)
        relais_group_add_state (group, message);
    return message;
}

static guint64
submit (Fixture *fixture, guint n, const Mail *mail)
{
    RelaisGroup *group = relais_group_new (fixture->spool);
    g_autoptr (GPtrArray) messages =
        g_ptr_array_new_with_free_func ((GDestroyNotify)relais_message_unref);
    Accepting accepting = {fixture, messages, false};

    for (guint i = 0; i < n; i++)
        g_ptr_array_add (messages, add_to_group (fixture, group, mail));
    relais_group_submit (group, RELAIS_GROUP_URGENT, NULL, on_synced, &accepting);
    fixture_until (fixture, is_accepted, &accepting);
    return ((const RelaisMessage *)messages->pdata[0])->id;
}

guint64
fixture_submit (Fixture *fixture, const Mail *mail)
{
    return submit (fixture, 1, mail);
}

void
fixture_submit_many (Fixture *fixture, guint n, const Mail *mail)
{
    (void)submit (fixture, n, mail);
}

guint64
fixture_mail (Fixture *fixture, const char *recipient)
{
    const char *recipients[] = {recipient, NULL};

    return fixture_submit (fixture, &(Mail){.sender = "a@sender.test", .recipients = recipients});
}

/* --- Waiting ---------------------------------------------------------------------------------- */

void
fixture_until (Fixture *fixture, bool (*done) (gpointer data), gpointer data)
{
    gint64 end = g_get_monotonic_time () + 10 * RELAIS_USEC_PER_SEC;

    while (!done (data)) {
        g_assert_cmpint (g_get_monotonic_time (), <, end);
        if (!relais_loop_turn (fixture->loop, false))
            g_usleep (100);
    }
}

typedef struct {
    Sink *sink;
    guint n;
} Wanted;

static bool
has_messages (gpointer data)
{
    const Wanted *wanted = data;

    return wanted->sink->messages->len >= wanted->n;
}

void
fixture_until_messages (Fixture *fixture, Sink *sink, guint n)
{
    Wanted wanted = {sink, n};

    fixture_until (fixture, has_messages, &wanted);
}

static void
on_flushed (gpointer data, const GError *error)
{
    g_assert_no_error (error);
    *(bool *)data = true;
}

static bool
is_true (gpointer data)
{
    return *(const bool *)data;
}

/* Outcomes are synced lazily and events told after that: an urgent group brings both forward. */
static void
flush_events (Fixture *fixture)
{
    RelaisGroup *group = relais_group_new (fixture->spool);
    g_autoptr (GBytes) line =
        relais_event_line_end (relais_event_line_new ("flush", 0, "0", -1, 0));
    bool flushed = false;

    relais_group_add_event (group, line);
    relais_group_submit (group, RELAIS_GROUP_URGENT, NULL, on_flushed, &flushed);
    fixture_until (fixture, is_true, &flushed);
    while (fixture_count (fixture, "flush") == 0)
        relais_loop_turn (fixture->loop, false);
    for (guint i = 0; i < fixture->events->len; i++)
        if (strstr (fixture->events->pdata[i], "\"flush\"") != NULL)
            g_ptr_array_remove_index (fixture->events, i--);
}

/* A worker has something of the queue: that may take as long as the machine likes. */
static bool
worker_is_busy (const RelaisQueue *queue)
{
    GHashTableIter iter;
    gpointer live;

    if (queue->n_settling > 0 || queue->n_local > 0)
        return true;
    for (const GList *link = queue->attempts.head; link != NULL; link = link->next)
        if (((const RelaisAttempt *)link->data)->step == RELAIS_ATTEMPT_PREPARING)
            return true;
    g_hash_table_iter_init (&iter, queue->lives);
    while (g_hash_table_iter_next (&iter, NULL, &live))
        if (((const RelaisLive *)live)->message == NULL)
            return true;
    return false;
}

void
fixture_settle (Fixture *fixture)
{
    guint quiet = 0;

    for (guint i = 0; i < 100000 && quiet < 60; i++) {
        bool busy = relais_loop_turn (fixture->loop, false) || worker_is_busy (fixture->queue);

        quiet = busy ? 0 : quiet + 1;
        if (!busy || worker_is_busy (fixture->queue))
            g_usleep (200);
    }
    g_assert_cmpuint (quiet, ==, 60);
    flush_events (fixture);
}

void
fixture_check (Fixture *fixture)
{
    g_autofree char *problem = NULL;

    (void)relais_queue_check (fixture->queue, &problem);
    g_assert_cmpstr (problem, ==, NULL);
}

const char *
fixture_last (const Fixture *fixture, const char *type)
{
    g_autofree char *needle = g_strdup_printf ("\"type\":\"%s\"", type);

    for (guint i = fixture->events->len; i > 0; i--)
        if (strstr (fixture->events->pdata[i - 1], needle) != NULL)
            return fixture->events->pdata[i - 1];
    return NULL;
}

guint
fixture_count (const Fixture *fixture, const char *type)
{
    g_autofree char *needle = g_strdup_printf ("\"type\":\"%s\"", type);
    guint n = 0;

    for (guint i = 0; i < fixture->events->len; i++)
        n += strstr (fixture->events->pdata[i], needle) != NULL;
    return n;
}
