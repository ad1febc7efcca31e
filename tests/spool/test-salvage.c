/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool: what is damaged is listed, exported as far as it can be read, with what is known of it, and
 * deleted by its exact name, which an event tells and a start does not undo.
 */
#include "config.h"

#include "fixture.h"
#include "spool/salvage.h"

#include <glib/gstdio.h>
#include <string.h>

enum { N = 3, SIZE = 400, LARGE = 400000 };

typedef struct {
    Fixture f;
    guint64 ids[N + 1]; /* the last one's body is a file */
    char *segment, *quarantine, *out;
    GPtrArray *rows; /* char *, of the last call */
} World;

/* --- Rows --------------------------------------------------------------------------------------- */

static void
note_row (gpointer data, const char *json)
{
    g_ptr_array_add (data, g_strdup (json));
}

/* The one row that holds both texts. */
static const char *
row (const World *world, const char *text, const char *other)
{
    const char *found = NULL;

    for (guint i = 0; i < world->rows->len; i++) {
        const char *one = g_ptr_array_index (world->rows, i);

        if (strstr (one, text) == NULL || strstr (one, other) == NULL)
            continue;
        g_assert_null (found);
        found = one;
    }
    if (found == NULL)
        g_test_message ("no row with %s and %s", text, other);
    return found;
}

/* "name":"value" of a row. */
static char *
value (const char *json, const char *name)
{
    g_autofree char *start = g_strdup_printf ("\"%s\":\"", name);
    const char *at = strstr (json, start);

    g_assert_nonnull (at);
    at += strlen (start);
    return g_strndup (at, strcspn (at, "\""));
}

static bool export(World *world, const char *what)
{
    g_autoptr (GError) error = NULL;
    bool good;

    g_ptr_array_set_size (world->rows, 0);
    good =
        relais_spool_export (world->f.spool_dir, what, world->out, note_row, world->rows, &error);
    g_assert_true (good == (error == NULL));
    if (error != NULL)
        g_test_message ("%s", error->message);
    return good;
}

static guint
list (World *world)
{
    g_autoptr (GError) error = NULL;

    g_ptr_array_set_size (world->rows, 0);
    g_assert_true (relais_spool_damaged (world->f.spool_dir, note_row, world->rows, &error));
    return world->rows->len;
}

/* --- Files -------------------------------------------------------------------------------------- */

static void
assert_saved (const World *world, const char *json, const void *bytes, gsize size)
{
    g_autofree char *name = value (json, "saved");
    g_autofree char *path = g_build_filename (world->out, name, NULL);
    g_autofree char *found = NULL;
    gsize n = 0;

    g_assert_true (g_file_get_contents (path, &found, &n, NULL));
    g_assert_cmpuint (n, ==, size);
    g_assert_cmpint (memcmp (found, bytes, n), ==, 0);
}

static void
assert_message (const World *world, const char *json, guint seed, gsize size)
{
    g_autoptr (GBytes) body = fixture_body (seed, size);

    assert_saved (world, json, g_bytes_get_data (body, NULL), g_bytes_get_size (body));
}

/* Changes the octet `text` begins with, `skip` further on, in the segment. */
static void
spoil (const World *world, const char *text, int skip)
{
    g_autofree char *path = g_build_filename (world->f.spool_dir, world->segment, NULL);
    g_autofree char *bytes = NULL;
    gsize size;
    char *at;

    g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
    at = memmem (bytes, size, text, strlen (text));
    g_assert_nonnull (at);
    at[skip] ^= 1;
    g_assert_true (g_file_set_contents (path, bytes, (gssize)size, NULL));
}

/* A spool of some messages, closed; not `sealed`: as a kill leaves it. */
static void
make (World *world, bool sealed)
{
    g_autofree char *copy = NULL;
    Fixture *f = &world->f;

    *world = (World){.rows = g_ptr_array_new_with_free_func (g_free)};
    fixture_init (f);
    f->options.segment_bytes = 16384;
    f->events = relais_event_log_open (f->dir, f->loop, NULL);
    g_assert_nonnull (f->events);
    copy = g_build_filename (f->dir, "copy", NULL);
    world->out = g_build_filename (f->dir, "out", NULL);
    world->quarantine = g_build_filename (f->spool_dir, "quarantine", NULL);
    fixture_open (f);
    for (guint i = 0; i <= N; i++)
        world->ids[i] = fixture_accept (f, i, i < N ? SIZE : LARGE);
    world->segment = fixture_first_segment (f);
    fixture_copy_dir (f->spool_dir, copy);
    fixture_close (f);
    if (sealed)
        return;
    fixture_remove_dir (f->spool_dir);
    g_assert_cmpint (g_rename (copy, f->spool_dir), ==, 0);
}

static guint
start (World *world)
{
    RelaisSpoolFigures figures;
    g_autoptr (GHashTable) found = NULL;

    fixture_open (&world->f);
    found = fixture_recover (&world->f);
    relais_spool_figures (world->f.spool, &figures);
    return (guint)figures.quarantined;
}

static void
end (World *world)
{
    fixture_clear (&world->f);
    g_ptr_array_unref (world->rows);
    g_free (world->segment);
    g_free (world->quarantine);
    g_free (world->out);
}

/* --- Tests -------------------------------------------------------------------------------------- */

/* A flipped octet of a body: all octets are exported, the message with what is wrong of it. */
static void
test_body (void)
{
    World world;
    g_autofree char *name = NULL;
    g_autoptr (GBytes) body = fixture_body (1, SIZE);
    g_autofree char *spoiled = g_memdup2 (g_bytes_get_data (body, NULL), SIZE);
    const char *message;

    make (&world, false);
    g_assert_cmpuint (start (&world), ==, 0);
    g_assert_cmpuint (list (&world), ==, 0);
    fixture_close (&world.f);
    end (&world);

    make (&world, false);
    spoil (&world, "Subject: message 1", 3);
    spoiled[3] ^= 1;
    g_assert_cmpuint (start (&world), ==, 1);
    g_assert_cmpuint (list (&world), ==, 1);
    g_assert_nonnull (row (&world, "\"what\":\"records\"", "\"messages\":1"));
    name = value (g_ptr_array_index (world.rows, 0), "file");
    g_assert_true (export(&world, name));
    g_assert_nonnull (row (&world, "\"type\":\"raw\"", name));
    message = row (&world, "\"type\":\"message\"", "\"header\":\"good\"");
    g_assert_nonnull (message);
    g_assert_nonnull (strstr (message, "\"head\":\"good\",\"body\":\"damaged\""));
    assert_saved (&world, message, spoiled, SIZE);
    g_assert_false (export(&world, name)); /* never over what is there */
    end (&world);
}

/* Of an envelope: the message part is whole. Of a record's own header: its end is not known, and it is
 * octets. */
static void
test_head (void)
{
    World world;
    g_autofree char *name = NULL, *other = NULL;
    const char *message;
    g_autofree char *path = NULL, *header = NULL;

    make (&world, false);
    spoil (&world, "s1@sender.test", 0);
    g_assert_cmpuint (start (&world), ==, 1);
    g_assert_cmpuint (list (&world), ==, 1);
    name = value (g_ptr_array_index (world.rows, 0), "file");
    fixture_close (&world.f);
    /* The segment may go: its header was saved. */
    path = g_build_filename (world.f.spool_dir, world.segment, NULL);
    g_assert_cmpint (g_unlink (path), ==, 0);
    g_assert_true (export(&world, name));
    message = row (&world, "\"type\":\"message\"", "\"head\":\"damaged\",\"body\":\"good\"");
    g_assert_nonnull (message);
    assert_message (&world, message, 1, SIZE);
    /* Without that nothing is known but the octets. */
    fixture_remove_dir (world.out);
    header = g_strdup_printf ("%s/%s-0-4096", world.quarantine, world.segment);
    g_assert_cmpint (g_unlink (header), ==, 0);
    g_assert_true (export(&world, name));
    g_assert_cmpuint (world.rows->len, ==, 2);
    g_assert_nonnull (row (&world, "\"type\":\"octets\"", "\"header\":\"unknown\""));
    end (&world);

    make (&world, false);
    spoil (&world, "s1@sender.test", -30 /* in the header before it */);
    g_assert_cmpuint (start (&world), ==, 1);
    g_assert_cmpuint (list (&world), ==, 1);
    other = value (g_ptr_array_index (world.rows, 0), "file");
    g_assert_true (export(&world, other));
    g_assert_null (row (&world, "\"type\":\"message\"", ""));
    g_assert_nonnull (row (&world, "\"type\":\"octets\"", "\"header\":\"damaged\""));
    end (&world);
}

/* Where verify finds it, and by its id, without a daemon having been there; whole messages and body files,
 * too. */
static void
test_place (void)
{
    World world;
    char id[RELAIS_ID_TEXT_BYTES];
    g_autofree char *file = NULL, *what = NULL;
    g_autoptr (GError) error = NULL;
    const char *found;

    make (&world, true);
    spoil (&world, "Subject: message 1", 3);
    g_assert_false (relais_spool_verify (world.f.spool_dir, note_row, world.rows, &error));
    g_assert_no_error (error);
    found = row (&world, "\"damage\"", world.segment);
    g_assert_nonnull (found);
    what = g_strdup_printf ("%s:%" G_GUINT64_FORMAT, world.segment,
                            g_ascii_strtoull (strstr (found, "\"offset\":") + 9, NULL, 10));
    g_assert_true (export(&world, what));
    g_assert_nonnull (row (&world, "\"type\":\"message\"", "\"body\":\"damaged\""));
    relais_id_to_text (world.ids[2], id);
    g_assert_true (export(&world, id));
    found = row (&world, "\"type\":\"message\"", id);
    g_assert_nonnull (found);
    assert_message (&world, found, 2, SIZE);
    relais_id_to_text (world.ids[N], id);
    g_assert_true (export(&world, id));
    found = row (&world, "\"type\":\"message\"", "\"body\":\"good\"");
    g_assert_nonnull (found);
    assert_message (&world, found, N, LARGE);
    g_assert_false (export(&world, "0000000000001"));
    g_assert_false (export(&world, "segment-00000001:16000"));
    g_assert_false (export(&world, "../spool/segment-00000001"));
    end (&world);
}

typedef struct {
    bool done;
    guint64 bytes;
    bool failed;
} Discarded;

static void
on_discarded (gpointer data, guint64 bytes, const GError *error)
{
    *(Discarded *)data = (Discarded){true, bytes, error != NULL};
}

static Discarded
discard (World *world, const char *name)
{
    Discarded discarded = {0};

    g_assert_true (relais_spool_is_damage (name));
    relais_spool_discard (world->f.spool, name, on_discarded, &discarded);
    fixture_wait (&world->f, &discarded.done);
    return discarded;
}

/* In what the event log has on disk; while no spool is open. */
static guint
count_events (World *world)
{
    GDir *dir = g_dir_open (world->f.dir, 0, NULL);
    const char *name;
    guint n = 0;

    g_clear_pointer (&world->f.events, relais_event_log_close);
    while ((name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *path = g_build_filename (world->f.dir, name, NULL);
        g_autofree char *bytes = NULL;

        if (!g_str_has_prefix (name, "events-"))
            continue;
        g_assert_true (g_file_get_contents (path, &bytes, NULL, NULL));
        for (const char *at = bytes; (at = strstr (at, "\"type\":\"damage-deleted\"")) != NULL;
             at++)
            n++;
    }
    g_dir_close (dir);
    world->f.events = relais_event_log_open (world->f.dir, world->f.loop, NULL);
    return n;
}

/* Only by its exact name; the event is there, and a start neither saves it again nor tells of it, until the
 * segment is gone: then nothing is left. */
static void
test_delete (void)
{
    World world;
    g_autofree char *name = NULL, *path = NULL, *segment = NULL;
    g_autoptr (GHashTable) found = NULL;
    GDir *dir;
    Discarded end_of;

    make (&world, false);
    spoil (&world, "s1@sender.test", 0);
    g_assert_cmpuint (start (&world), ==, 1);
    g_assert_cmpuint (list (&world), ==, 1);
    name = value (g_ptr_array_index (world.rows, 0), "file");
    end_of = discard (&world, "segment-00000077-5000-6000");
    g_assert_true (end_of.failed);
    g_assert_false (relais_spool_is_damage ("segment-00000001-0-4096"));
    g_assert_false (relais_spool_is_damage ("../lock"));
    g_assert_false (relais_spool_is_damage ("segment-00000001-5000"));
    g_assert_cmpuint (list (&world), ==, 1);
    end_of = discard (&world, name);
    g_assert_false (end_of.failed);
    g_assert_cmpuint (end_of.bytes, >, SIZE);
    g_assert_cmpuint (list (&world), ==, 0);
    g_assert_true (discard (&world, name).failed);
    fixture_close (&world.f);
    g_assert_cmpuint (count_events (&world), ==, 1);

    g_assert_cmpuint (start (&world), ==, 0);
    g_assert_cmpuint (list (&world), ==, 0);
    fixture_close (&world.f);
    path = g_build_filename (world.quarantine, name, NULL);
    g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
    segment = g_build_filename (world.f.spool_dir, world.segment, NULL);
    g_assert_cmpint (g_unlink (segment), ==, 0);
    fixture_open (&world.f);
    dir = g_dir_open (world.quarantine, 0, NULL);
    g_assert_null (g_dir_read_name (dir));
    g_dir_close (dir);
    found = fixture_recover (&world.f);
    end (&world);
}

/* A message whose damage was met on a running spool. */
static void
test_running (void)
{
    World world;
    g_autoptr (GError) error = NULL;
    g_autofree char *name = NULL;
    const char *message;

    make (&world, true);
    spoil (&world, "Subject: message 1", 3);
    g_assert_cmpuint (start (&world), ==, 0);
    g_assert_null (fixture_load (&world.f, world.ids[1], &error));
    g_assert_error (error, RELAIS_SPOOL_ERROR, RELAIS_SPOOL_ERROR_DAMAGED);
    relais_spool_quarantine (world.f.spool, world.ids[1], error->message);
    for (guint i = 0; i < 100 && list (&world) == 0; i++) {
        (void)relais_loop_turn (world.f.loop, false);
        g_usleep (10000);
    }
    g_assert_cmpuint (list (&world), ==, 1);
    name = value (g_ptr_array_index (world.rows, 0), "file");
    g_assert_true (export(&world, name));
    message = row (&world, "\"type\":\"message\"", "\"body\":\"damaged\"");
    g_assert_nonnull (message);
    g_assert_false (discard (&world, name).failed);
    g_assert_cmpuint (list (&world), ==, 0);
    end (&world);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_func ("/spool/salvage/body", test_body);
    g_test_add_func ("/spool/salvage/head", test_head);
    g_test_add_func ("/spool/salvage/place", test_place);
    g_test_add_func ("/spool/salvage/delete", test_delete);
    g_test_add_func ("/spool/salvage/running", test_running);
    return g_test_run ();
}
