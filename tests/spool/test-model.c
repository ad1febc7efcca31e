/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/spool against a plain model: random acceptances, states and ends, with a crash after every step
 * and a power cut at random bytes of its last group. Nothing that is done comes back, nothing living is
 * missed, no group is half there.
 *
 * A crash is a copy of the directory as it is; a power cut, one in which the last group's bytes are
 * there up to some point only, with what was in the file before behind it.
 */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "fixture.h"

enum { STEPS = 120, MAX_BODY = 6000, CUTS = 3 };

typedef struct {
    guint seed;
    gsize size;
    guint attempts;
} Known;

typedef struct {
    Fixture f;
    GRand *random;
    GHashTable *living; /* id -> Known */
    GHashTable *ended;  /* ids */
    guint next_seed;
    char *copy_dir;
} Model;

static guint64 *
new_key (guint64 id)
{
    return g_memdup2 (&id, sizeof id);
}

static GHashTable *
copy_living (GHashTable *living)
{
    GHashTable *copy = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
    GHashTableIter iter;
    const guint64 *id;
    const Known *known;

    g_hash_table_iter_init (&iter, living);
    while (g_hash_table_iter_next (&iter, (gpointer *)&id, (gpointer *)&known))
        g_hash_table_insert (copy, new_key (*id), g_memdup2 (known, sizeof *known));
    return copy;
}

/* --- Copies ------------------------------------------------------------------------------------- */

static gint
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *)a, *(const char *const *)b);
}

static char *
list_names (const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    const char *name;

    while ((name = g_dir_read_name (dir)) != NULL)
        if (g_str_has_prefix (name, "segment-"))
            g_ptr_array_add (names, g_strdup (name));
    g_dir_close (dir);
    g_ptr_array_sort (names, compare_names);
    g_ptr_array_add (names, NULL);
    return g_strjoinv ("\n", (char **)names->pdata);
}

/* A copy in which no segment went or came meanwhile. */
static char *
take_copy (Model *model, const char *name)
{
    g_autofree char *to = g_build_filename (model->copy_dir, name, NULL);

    for (;;) {
        g_autofree char *before = list_names (model->f.spool_dir);
        g_autofree char *after = NULL;

        fixture_remove_dir (to);
        fixture_copy_dir (model->f.spool_dir, to);
        after = list_names (model->f.spool_dir);
        if (strcmp (before, after) == 0)
            return g_steal_pointer (&after);
    }
}

/* --- What must be found ------------------------------------------------------------------------- */

/* True if the copy holds exactly what the model says. */
static bool
holds (Model *model, const char *name, GHashTable *living, bool bodies)
{
    Fixture g;
    GHashTable *found;
    GHashTableIter iter;
    guint64 *id;
    const Known *known;
    bool same;

    fixture_init (&g);
    g_free (g.spool_dir);
    g.spool_dir = g_build_filename (model->copy_dir, name, NULL);
    fixture_open (&g);
    found = fixture_recover (&g);
    same = g_hash_table_size (found) == g_hash_table_size (living);
    g_hash_table_iter_init (&iter, living);
    while (g_hash_table_iter_next (&iter, (gpointer *)&id, (gpointer *)&known)) {
        const RelaisMessage *message = g_hash_table_lookup (found, id);

        same = same && message != NULL && message->states[0].attempts == known->attempts;
        if (same && bodies) {
            g_autoptr (RelaisMessage) whole = fixture_load (&g, *id, NULL);

            g_assert_nonnull (whole);
            fixture_check (whole, known->seed, known->size);
        }
    }
    g_hash_table_unref (found);
    fixture_clear (&g);
    return same;
}

static GBytes *
newest_segment (Model *model, const char *name, const char *names, char **path)
{
    const char *last = strrchr (names, '\n');
    char *bytes;
    gsize size;

    *path = g_build_filename (model->copy_dir, name, last != NULL ? last + 1 : names, NULL);
    g_assert_true (g_file_get_contents (*path, &bytes, &size, NULL));
    return g_bytes_new_take (bytes, size);
}

/* Cuts what the last step added at random places: it never happened then. */
static void
cut_power (Model *model, const char *names, GHashTable *before)
{
    g_autofree char *old_path = NULL;
    g_autofree char *new_path = NULL;
    g_autoptr (GBytes) old = newest_segment (model, "before", names, &old_path);
    g_autoptr (GBytes) new = newest_segment (model, "after", names, &new_path);
    gsize size, first = 0, last;
    const guint8 *a = g_bytes_get_data (old, &size);
    const guint8 *b = g_bytes_get_data (new, NULL);
    g_autofree char *after_dir = g_build_filename (model->copy_dir, "after", NULL);
    g_autofree char *kept_dir = g_build_filename (model->copy_dir, "kept", NULL);

    while (first < size && a[first] == b[first])
        first++;
    if (first == size)
        return;
    fixture_remove_dir (kept_dir);
    fixture_copy_dir (after_dir, kept_dir);
    for (last = size; a[last - 1] == b[last - 1];)
        last--;
    for (guint i = 0; i < CUTS; i++) {
        gsize cut = (gsize)g_rand_int_range (model->random, (gint32)first, (gint32)last);
        g_autofree guint8 *torn = g_memdup2 (b, size);

        memcpy (torn + cut, a + cut, size - cut);
        g_assert_true (g_file_set_contents_full (new_path, (const char *)torn, (gssize)size,
                                                 G_FILE_SET_CONTENTS_NONE, 0600, NULL));
        g_assert_true (holds (model, "after", before, false));
        /* Recovery made a segment of its own in the copy. */
        fixture_remove_dir (after_dir);
        fixture_copy_dir (kept_dir, after_dir);
    }
}

/* --- Steps -------------------------------------------------------------------------------------- */

static guint64
pick (Model *model)
{
    g_autofree gpointer *keys = NULL;
    guint n;

    keys = g_hash_table_get_keys_as_array (model->living, &n);
    return n == 0 ? 0 : *(guint64 *)keys[(guint)g_rand_int_range (model->random, 0, (gint32)n)];
}

static void
learn (Model *model, guint64 id, guint seed, gsize size)
{
    Known known = {seed, size, 0};

    g_hash_table_insert (model->living, new_key (id), g_memdup2 (&known, sizeof known));
}

static RelaisMessage *
add_message (Model *model, RelaisGroup *group)
{
    guint seed = ++model->next_seed;
    gsize size = (gsize)g_rand_int_range (model->random, 200, MAX_BODY);
    RelaisMessage *message = fixture_message (&model->f, seed);
    g_autoptr (GBytes) body = fixture_body (seed, size);

    relais_group_add_message (group, message, fixture_draft (&model->f, body));
    learn (model, message->id, seed, g_bytes_get_size (body));
    return message;
}

/* One group: a message; or a state; or an end, now and then with a new message in the same group. */
static void
make_step (Model *model, RelaisGroup *group, guint kind)
{
    guint64 id = pick (model);
    g_autoptr (RelaisMessage) message = NULL;
    Known *known;

    if (kind < 4 || id == 0) {
        message = add_message (model, group);
        return;
    }
    known = g_hash_table_lookup (model->living, &id);
    if (kind < 6) {
        message = fixture_load (&model->f, id, NULL);
        g_assert_nonnull (message);
        message->states[0].attempts = (guint16)++known->attempts;
        relais_group_add_state (group, message);
        return;
    }
    relais_group_add_done (group, id);
    if (kind == 9)
        message = add_message (model, group);
    g_hash_table_remove (model->living, &id);
    g_hash_table_add (model->ended, new_key (id));
}

static void
step (Model *model, guint n)
{
    g_autoptr (GHashTable) before = copy_living (model->living);
    bool look = n % 4 == 0;
    g_autofree char *names = NULL;
    RelaisGroup *group = relais_group_new (model->f.spool);
    guint kind = (guint)g_rand_int_range (model->random, 0, 10);
    RelaisSpoolFigures figures;
    guint64 groups;
    Outcome outcome;

    relais_spool_figures (model->f.spool, &figures);
    groups = figures.groups;
    if (look)
        names = take_copy (model, "before");
    make_step (model, group, kind);
    fixture_submit_only (group, kind < 4 || n % 2 ? RELAIS_GROUP_URGENT : RELAIS_GROUP_LAZY,
                         &outcome);
    fixture_wait (&model->f, &outcome.written);
    if (look) {
        g_autofree char *after = take_copy (model, "after");

        relais_spool_figures (model->f.spool, &figures);
        /* The compaction writes groups of its own at any time; then it is not known what is cut. */
        if (strcmp (names, after) == 0 && figures.groups == groups + 1)
            cut_power (model, names, before);
        g_assert_true (holds (model, "after", model->living, n % 16 == 0));
    }
    fixture_wait (&model->f, &outcome.synced);
    g_assert_no_error (outcome.error);
}

static void
check_restart (Model *model)
{
    g_autoptr (GHashTable) found = NULL;

    fixture_close (&model->f);
    fixture_open (&model->f);
    found = fixture_recover (&model->f);
    g_assert_cmpuint (g_hash_table_size (found), ==, g_hash_table_size (model->living));
}

static void
test_model (gconstpointer data)
{
    Model model = {.random = g_rand_new_with_seed ((guint32)GPOINTER_TO_UINT (data))};

    fixture_init (&model.f);
    model.copy_dir = g_build_filename (model.f.dir, "copies", NULL);
    model.f.options.segment_bytes = 16384;
    model.living = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
    model.ended = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
    fixture_open (&model.f);
    for (guint i = 0; i < STEPS; i++) {
        step (&model, i);
        if (i % 50 == 49)
            check_restart (&model);
    }
    check_restart (&model);
    fixture_clear (&model.f);
    g_hash_table_unref (model.living);
    g_hash_table_unref (model.ended);
    g_rand_free (model.random);
    g_free (model.copy_dir);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    fixture_allow_warnings ();
    g_test_add_data_func ("/spool/model/1", GUINT_TO_POINTER (1), test_model);
    g_test_add_data_func ("/spool/model/2", GUINT_TO_POINTER (2), test_model);
    return g_test_run ();
}
