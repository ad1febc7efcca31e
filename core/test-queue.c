/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue of the harness (include/relais/test.h), for tests that want one: the daemon's own, with a spool
 * and an event log in a directory of the test's, and one peer (test-peer.c) that mail for every domain goes
 * to. What core/module has of the harness knows nothing of it but RelaisTestParts. The caller's thread.
 */
#include "config.h"

#include "test-peer-private.h"

#include "conf/conf-private.h"
#include "event/event-private.h"
#include "module/test-private.h"
#include "queue/keep-private.h"
#include "queue/queue-private.h"
#include "queue/settings-private.h"
#include "tls/stream-private.h"

#include <glib/gstdio.h>
#include <string.h>

static const guint64 SEGMENT_BYTES = 4 << 20, MEMORY_BYTES = 64 << 20;

typedef struct {
    RelaisTest *test;
    char *spool_dir;
    RelaisTestPeer *peer;
    RelaisPool *pool;
    RelaisSpool *spool;
    RelaisQueue *queue;
    guint n_keeping;
    char id[RELAIS_ID_TEXT_BYTES]; /* of what was delivered last */
} Parts;

/* --- Up and down ---------------------------------------------------------------------------------- */

static char *
configuration (gpointer data)
{
    const Parts *parts = data;

    return g_strdup_printf ("[relais]\nhostname = relais.test\n"
                            "[route relais-test]\nhost = 127.0.0.1\nport = %u\ntls = none\n"
                            "domains = *\n",
                            relais_test_peer_port (parts->peer));
}

static bool
open_spool (Parts *parts, GError **error)
{
    const RelaisTest *test = parts->test;
    const RelaisSpoolOptions options = {.dir = parts->spool_dir,
                                        .segment_bytes = SEGMENT_BYTES,
                                        .hot_memory_bytes = MEMORY_BYTES,
                                        .receive_memory_bytes = MEMORY_BYTES,
                                        .min_free_bytes = 1,
                                        .min_free_inodes = 1};

    parts->pool = relais_pool_new (test->loop, "spool-disk", 1, 64);
    parts->spool = relais_spool_open (&options, test->loop, parts->pool, test->log, error);
    return parts->spool != NULL;
}

static void
observe (gpointer data, guint64 seq, GBytes *line)
{
    relais_host_notify_event (((Parts *)data)->test->host, seq, line);
}

static void
found (gpointer data, RelaisMessage *message)
{
    relais_queue_add (((Parts *)data)->queue, message);
}

static bool
open_parts (gpointer data, RelaisConfig *config, GError **error)
{
    Parts *parts = data;
    const RelaisTest *test = parts->test;

    if (!open_spool (parts, error))
        return false;
    parts->queue = relais_queue_new (
        &(RelaisQueueOptions){
            .loop = test->loop, .pool = test->pool, .spool = parts->spool, .host = test->host},
        config, error);
    if (parts->queue == NULL)
        return false;
    relais_spool_recover (parts->spool, found, parts);
    if (relais_host_has (test->host, RELAIS_HOOK_EVENT))
        relais_event_log_set_observer (test->log, observe, parts);
    return true;
}

static void
start_parts (gpointer data)
{
    relais_queue_start (((Parts *)data)->queue);
}

static void
reload_parts (gpointer data, RelaisConfig *config)
{
    RelaisQueueSettings settings;
    g_autoptr (GError) error = NULL;

    if (relais_queue_settings_read (&settings, config, &error) &&
        relais_queue_settings_load (&settings, config, &error))
        relais_queue_reload (((Parts *)data)->queue, config, &settings);
    else
        g_warning ("the queue keeps its old configuration: %s", error->message);
    relais_queue_settings_clear (&settings);
}

/* In the daemon's order; the host comes after it, then the event log. */
static void
stop_parts (gpointer data)
{
    Parts *parts = data;
    RelaisTest *test = parts->test;

    relais_queue_free (g_steal_pointer (&parts->queue));
    relais_spool_close (parts->spool);
    relais_loop_turn (test->loop, false);
    relais_event_log_set_observer (test->log, NULL, NULL);
}

static void
remove_files (const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *child = g_build_filename (path, name, NULL);

        if (g_file_test (child, G_FILE_TEST_IS_DIR))
            remove_files (child);
        else
            g_unlink (child);
    }
    if (dir != NULL)
        g_dir_close (dir);
    g_rmdir (path);
}

static void
free_parts (gpointer data)
{
    Parts *parts = data;

    relais_pool_free (parts->pool);
    relais_test_peer_free (parts->peer);
    relais_streams_cut_lingering (parts->test->loop);
    remove_files (parts->spool_dir);
    g_free (parts->spool_dir);
    g_free (parts);
}

/* --- Settling --------------------------------------------------------------------------------------- */

/* Not while it waits for the clock: for a reply that the script withholds, or a time that is to come. */
static bool
is_busy (gpointer data)
{
    const Parts *parts = data;
    guint connections, deliveries;

    if (parts->queue == NULL)
        return false;
    relais_queue_count_peers (parts->queue, &connections, &deliveries);
    return parts->n_keeping > 0 || connections > relais_test_peer_n_silent (parts->peer) ||
           (connections == 0 && deliveries > 0) ||
           relais_queue_n_under_way (parts->queue) > connections + deliveries;
}

static const RelaisTestParts table = {configuration, open_parts, start_parts, reload_parts,
                                      stop_parts,    free_parts, is_busy};

static Parts *
parts_of (const RelaisTest *test)
{
    return test->parts == &table ? test->parts_data : NULL;
}

void
relais_test_settle_queue (RelaisTest *test)
{
    Parts *parts = parts_of (test);

    g_return_if_fail (parts != NULL && parts->queue != NULL);
    relais_test_rest (test);
}

/* --- Delivering ------------------------------------------------------------------------------------- */

static void
on_kept (gpointer data, const RelaisMessage *message, const GError *error)
{
    Parts *parts = data;

    parts->n_keeping--;
    if (error != NULL)
        g_error ("the test's spool took no message: %s", error->message);
    relais_id_to_text (message->id, parts->id);
}

/* With envelope, attributes and header edits as they are. */
static RelaisMessage *
copy_message (const Parts *parts)
{
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    RelaisBodyFacts facts;
    RelaisMessage *copy;

    relais_message_encode (parts->test->message, bytes);
    copy = relais_message_decode (relais_spool_new_id (parts->spool), bytes->data, bytes->len,
                                  &facts, NULL);
    g_assert (copy != NULL);
    copy->envelope.received_us = relais_loop_wall_us (parts->test->loop);
    relais_message_init_states (copy);
    return copy;
}

static GBytes *
body_of (const RelaisMessage *message)
{
    const gsize size = (gsize)relais_body_facts (message->body)->size_bytes;
    g_autofree guint8 *bytes = g_malloc (MAX (size, 1));

    if (size > 0 && !relais_body_read (message->body, 0, bytes, size, NULL))
        g_error ("the test's message cannot be read");
    return g_bytes_new_take (g_steal_pointer (&bytes), size);
}

static GBytes *
event_of (const RelaisMessage *message)
{
    char id[RELAIS_ID_TEXT_BYTES];
    RelaisEventLine *line;

    relais_id_to_text (message->id, id);
    line = relais_event_line_new ("accepted", message->envelope.received_us, id, -1, 0);
    relais_event_line_add (line, "sender", message->envelope.sender);
    return relais_event_line_end (line);
}

const gchar *
relais_test_deliver (RelaisTest *test)
{
    Parts *parts = parts_of (test);
    g_autoptr (GBytes) body = NULL, event = NULL;
    RelaisMessage *message;
    RelaisDraft *draft;

    g_return_val_if_fail (parts != NULL && parts->queue != NULL, NULL);
    g_return_val_if_fail (test->message->envelope.recipients->len > 0, NULL);
    relais_test_name_message (test);
    body = body_of (test->message);
    message = copy_message (parts);
    event = event_of (message);
    draft = relais_queue_draft (parts->queue, body);
    (void)relais_draft_end (draft);
    parts->n_keeping++;
    relais_queue_keep (parts->queue, message, draft, event, on_kept, parts);
    relais_test_settle_queue (test);
    return parts->id;
}

/* --- What the test says, and asks ------------------------------------------------------------------- */

void
relais_test_use_queue (RelaisTest *test)
{
    Parts *parts;

    g_return_if_fail (test->parts == NULL);
    if (test->log == NULL)
        relais_test_use_event_log (test);
    parts = g_new0 (Parts, 1);
    parts->test = test;
    parts->spool_dir = g_build_filename (test->state_dir, "spool", NULL);
    parts->peer = relais_test_peer_new (test->loop);
    test->parts = &table;
    test->parts_data = parts;
}

const gchar *
relais_test_get_spool_dir (const RelaisTest *test)
{
    const Parts *parts = parts_of (test);

    return parts != NULL ? parts->spool_dir : NULL;
}

void
relais_test_expect (RelaisTest *test, const gchar *command, const gchar *reply)
{
    const Parts *parts = parts_of (test);

    g_return_if_fail (parts != NULL && command != NULL);
    relais_test_peer_expect (parts->peer, command, reply);
}

guint32
relais_test_n_expected (const RelaisTest *test)
{
    const Parts *parts = parts_of (test);

    return parts != NULL ? relais_test_peer_n_expected (parts->peer) : 0;
}

gchar *
relais_test_take_command (RelaisTest *test)
{
    const Parts *parts = parts_of (test);

    return parts != NULL ? relais_test_peer_take_command (parts->peer) : NULL;
}

GBytes *
relais_test_take_delivered (RelaisTest *test)
{
    const Parts *parts = parts_of (test);

    return parts != NULL ? relais_test_peer_take_message (parts->peer) : NULL;
}
