/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the spool's tests share; see fixture.h.
 */
#include "config.h"

#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static GLogWriterOutput
drop_log (GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
    return level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE)
               ? G_LOG_WRITER_HANDLED
               : g_log_writer_default (level, fields, n, data);
}

void
fixture_allow_warnings (void)
{
    g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    g_log_set_handler ("relais", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE, g_log_default_handler,
                       NULL);
    g_log_set_writer_func (drop_log, NULL, NULL);
}

void
fixture_init (Fixture *fixture)
{
    *fixture = (Fixture){0};
    /* Syncs cost nothing in memory; that they are made is shown in tests/fault. */
    if (g_getenv ("TMPDIR") == NULL && g_access ("/dev/shm", W_OK) == 0)
        fixture->dir = g_mkdtemp (g_strdup ("/dev/shm/relais-spool-XXXXXX"));
    else
        fixture->dir = g_dir_make_tmp ("relais-spool-XXXXXX", NULL);
    g_assert_nonnull (fixture->dir);
    fixture->spool_dir = g_build_filename (fixture->dir, "spool", NULL);
    fixture->loop = relais_loop_new (NULL, NULL);
    fixture->pool = relais_pool_new (fixture->loop, "test", 2, 64);
    fixture->options = (RelaisSpoolOptions){.segment_bytes = 65536,
                                            .hot_memory_bytes = 1 << 20,
                                            .receive_memory_bytes = 16 << 20,
                                            .min_free_bytes = 1,
                                            .min_free_inodes = 1,
                                            .probe_us = 50000};
}

void
fixture_open (Fixture *fixture)
{
    g_autoptr (GError) error = NULL;

    fixture->options.dir = fixture->spool_dir;
    fixture->spool = relais_spool_open (&fixture->options, fixture->loop, fixture->pool,
                                        fixture->events, &error);
    g_assert_no_error (error);
    g_assert_nonnull (fixture->spool);
}

void
fixture_close (Fixture *fixture)
{
    g_clear_pointer (&fixture->spool, relais_spool_close);
}

void
fixture_clear (Fixture *fixture)
{
    fixture_close (fixture);
    relais_event_log_close (fixture->events);
    relais_pool_free (fixture->pool);
    relais_loop_free (fixture->loop);
    fixture_remove_dir (fixture->dir);
    g_free (fixture->dir);
    g_free (fixture->spool_dir);
}

/* --- Messages ----------------------------------------------------------------------------------- */

RelaisMessage *
fixture_message (Fixture *fixture, guint seed)
{
    RelaisMessage *message = relais_message_new (relais_spool_new_id (fixture->spool));
    g_autofree char *address = g_strdup_printf ("r%u@rcpt.test", seed);

    message->envelope.sender = g_strdup_printf ("s%u@sender.test", seed);
    relais_envelope_add_recipient (&message->envelope, address);
    message->envelope.received_us = 1000 + seed;
    relais_message_init_states (message);
    return message;
}

GBytes *
fixture_body (guint seed, gsize size)
{
    g_autofree char *head =
        g_strdup_printf ("Subject: message %u\r\nX-Size: %" G_GSIZE_FORMAT "\r\n\r\n", seed, size);
    gsize head_bytes = strlen (head);
    guint8 *bytes;
    guint32 state = seed * 2654435761u + 1;

    size = MAX (size, head_bytes + 2);
    bytes = g_malloc (size);
    memcpy (bytes, head, head_bytes);
    for (gsize i = head_bytes; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (guint8)('a' + (state >> 24) % 26);
        if ((i - head_bytes) % 72 == 70)
            bytes[i] = '\r';
        if ((i - head_bytes) % 72 == 71)
            bytes[i] = '\n';
    }
    bytes[size - 2] = '\r';
    bytes[size - 1] = '\n';
    return g_bytes_new_take (bytes, size);
}

typedef struct {
    bool done;
} Flag;

static void
set_flag (gpointer data)
{
    ((Flag *)data)->done = true;
}

RelaisDraft *
fixture_draft (Fixture *fixture, GBytes *body)
{
    RelaisDraft *draft = relais_draft_new (fixture->spool);
    Flag flag = {false};
    gsize size;
    const guint8 *bytes = g_bytes_get_data (body, &size);

    relais_draft_set_resume (draft, set_flag, &flag);
    for (gsize at = 0; at < size; at += 10000) {
        flag.done = relais_draft_append (draft, bytes + at, MIN (10000, size - at));
        fixture_wait (fixture, &flag.done);
    }
    relais_draft_end (draft);
    relais_draft_set_resume (draft, NULL, NULL);
    return draft;
}

/* --- Waiting ------------------------------------------------------------------------------------ */

void
fixture_wait (Fixture *fixture, const bool *done)
{
    gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

    while (!*done) {
        if (!relais_loop_turn (fixture->loop, false))
            g_usleep (200);
        g_assert_cmpint (g_get_monotonic_time (), <, until);
    }
}

static void
note_written (gpointer data)
{
    ((Outcome *)data)->written = true;
}

static void
note_synced (gpointer data, const GError *error)
{
    Outcome *outcome = data;

    g_assert_false (outcome->synced);
    outcome->synced = true;
    outcome->error = error != NULL ? g_error_copy (error) : NULL;
}

void
outcome_clear (Outcome *outcome)
{
    g_clear_error (&outcome->error);
    *outcome = (Outcome){0};
}

void
fixture_submit_only (RelaisGroup *group, RelaisGroupUrgency urgency, Outcome *outcome)
{
    *outcome = (Outcome){0};
    relais_group_submit (group, urgency, note_written, note_synced, outcome);
}

void
fixture_submit (Fixture *fixture, RelaisGroup *group, RelaisGroupUrgency urgency, Outcome *outcome)
{
    *outcome = (Outcome){0};
    relais_group_submit (group, urgency, note_written, note_synced, outcome);
    fixture_wait (fixture, &outcome->synced);
}

guint64
fixture_accept (Fixture *fixture, guint seed, gsize size)
{
    g_autoptr (RelaisMessage) message = fixture_message (fixture, seed);
    g_autoptr (GBytes) body = fixture_body (seed, size);
    RelaisGroup *group = relais_group_new (fixture->spool);
    Outcome outcome;

    relais_group_add_message (group, message, fixture_draft (fixture, body));
    fixture_submit (fixture, group, RELAIS_GROUP_URGENT, &outcome);
    g_assert_no_error (outcome.error);
    g_assert_true (outcome.written);
    return message->id;
}

void
fixture_done (Fixture *fixture, guint64 id)
{
    RelaisGroup *group = relais_group_new (fixture->spool);
    Outcome outcome;

    relais_group_add_done (group, id);
    fixture_submit (fixture, group, RELAIS_GROUP_URGENT, &outcome);
    g_assert_no_error (outcome.error);
}

static void
note_found (gpointer data, RelaisMessage *message)
{
    g_assert_false (g_hash_table_contains (data, &message->id));
    g_hash_table_insert (data, &message->id, relais_message_ref (message));
}

GHashTable *
fixture_recover (Fixture *fixture)
{
    GHashTable *found = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL,
                                               (GDestroyNotify)relais_message_unref);

    relais_spool_recover (fixture->spool, note_found, found);
    return found;
}

typedef struct {
    bool done;
    RelaisMessage *message;
    GError *error;
} Loaded;

static void
note_loaded (gpointer data, RelaisMessage *message, const GError *error)
{
    Loaded *loaded = data;

    loaded->done = true;
    loaded->message = message != NULL ? relais_message_ref (message) : NULL;
    loaded->error = error != NULL ? g_error_copy (error) : NULL;
}

RelaisMessage *
fixture_load (Fixture *fixture, guint64 id, GError **error)
{
    Loaded loaded = {0};

    relais_spool_load (fixture->spool, id, note_loaded, &loaded);
    fixture_wait (fixture, &loaded.done);
    if (loaded.error != NULL)
        g_propagate_error (error, loaded.error);
    return loaded.message;
}

void
fixture_check (RelaisMessage *message, guint seed, gsize size)
{
    g_autofree char *sender = g_strdup_printf ("s%u@sender.test", seed);
    g_autoptr (GBytes) expected = fixture_body (seed, size);
    g_autofree guint8 *bytes = NULL;
    g_autoptr (GError) error = NULL;
    gsize n = g_bytes_get_size (expected);

    g_assert_cmpstr (message->envelope.sender, ==, sender);
    g_assert_cmpuint (message->envelope.recipients->len, ==, 1);
    g_assert_nonnull (message->body);
    g_assert_cmpuint (relais_body_facts (message->body)->size_bytes, ==, n);
    bytes = g_malloc (n);
    relais_body_read (message->body, 0, bytes, n, &error);
    g_assert_no_error (error);
    g_assert_true (memcmp (bytes, g_bytes_get_data (expected, NULL), n) == 0);
}

/* --- Directories -------------------------------------------------------------------------------- */

static void
copy_file (const char *from, const char *to)
{
    g_autofree char *bytes = NULL;
    gsize size;

    /* A segment may get another name while we look. */
    if (g_file_get_contents (from, &bytes, &size, NULL))
        g_assert_true (g_file_set_contents (to, bytes, (gssize)size, NULL));
}

void
fixture_copy_dir (const char *from, const char *to)
{
    GDir *dir = g_dir_open (from, 0, NULL);
    const char *name;

    g_assert_nonnull (dir);
    g_assert_cmpint (g_mkdir_with_parents (to, 0700), ==, 0);
    while ((name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *source = g_build_filename (from, name, NULL);
        g_autofree char *target = g_build_filename (to, name, NULL);

        if (g_file_test (source, G_FILE_TEST_IS_DIR))
            fixture_copy_dir (source, target);
        else
            copy_file (source, target);
    }
    g_dir_close (dir);
}

void
fixture_remove_dir (const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;

    if (dir == NULL)
        return;
    while ((name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *child = g_build_filename (path, name, NULL);

        if (g_file_test (child, G_FILE_TEST_IS_DIR))
            fixture_remove_dir (child);
        else
            g_unlink (child);
    }
    g_dir_close (dir);
    g_rmdir (path);
}

char *
fixture_first_segment (Fixture *f)
{
    GDir *dir = g_dir_open (f->spool_dir, 0, NULL);
    char *best = NULL;
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL)
        if (g_str_has_prefix (name, "segment-") && (best == NULL || strcmp (name, best) < 0)) {
            g_free (best);
            best = g_strdup (name);
        }
    g_dir_close (dir);
    return best;
}
