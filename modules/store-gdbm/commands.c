/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `relaisctl store`: status, get and compact ask the daemon; verify reads the files itself, whether a
 * daemon has them or not. What has to wait for the owner does so on a worker.
 */
#include "store-gdbm.h"

#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>

#include <relais/module.h>

char *
sg_config_dir (RelaisConfig *config)
{
    const RelaisSection *own = relais_config_find_section (config, "store-gdbm", NULL);
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);
    const char *dir = relais_section_get_string (own, "dir");

    if (dir != NULL)
        return g_strdup (dir);
    return g_build_filename (relais_section_get_string (relais, "state_dir"), "store", NULL);
}

/* A call that waits for the owner. */
typedef struct {
    RelaisCommandCall *call;
    SgStore *store;
    /* get */
    SgKey key;
    GByteArray *keys; /* NAMESPACE, NUL, then this */
    GPtrArray *rows;  /* Row */
    /* status */
    guint64 n_keys;
    guint64 index_bytes;
} Job;

static void
job_free (Job *job)
{
    g_clear_pointer (&job->rows, g_ptr_array_unref);
    g_free (job);
}

static void
run_job (RelaisModule *module, RelaisCommandCall *call, Job *job, RelaisWorkFunc work,
         RelaisWorkFunc done)
{
    job->call = call;
    job->store = relais_module_get_data (module);
    if (relais_worker_run (module, work, done, job))
        return;
    job_free (job);
    relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("too much is going on; try again"));
}

static bool
wants_no_args (RelaisCommandCall *call)
{
    if (relais_command_n_args (call) == 0)
        return true;
    relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("expected no argument"));
    return false;
}

/* --- status ----------------------------------------------------------------------------------- */

static void
look_at_index (SgStore *store, gpointer data)
{
    Job *job = data;
    struct stat info;

    if (store->index != NULL && sg_settled_apply (store, true))
        job->n_keys = sg_index_count (store->index);
    else
        store->unreadable = store->index != NULL;
    if (stat (store->index_path, &info) == 0)
        job->index_bytes = (guint64)info.st_size;
}

static void
status_work (gpointer data)
{
    Job *job = data;
    SgFigures figures;

    sg_store_figures (job->store, &figures);
    if (figures.state != SG_LOADING)
        sg_store_ask (job->store, look_at_index, job);
    g_free (figures.trouble);
    g_free (figures.compaction);
}

static void
put_figure (RelaisCommandCall *call, const char *figure, guint64 value)
{
    relais_command_put (call, "figure", figure);
    relais_command_put_int (call, "value", (gint64)value);
    relais_command_end_row (call);
}

static void
put_text (RelaisCommandCall *call, const char *figure, const char *value)
{
    relais_command_put (call, "figure", figure);
    relais_command_put (call, "value", value);
    relais_command_end_row (call);
}

static void
status_done (gpointer data)
{
    static const char *const states[] = {"loading", "up", "read-only", "down"};
    Job *job = data;
    RelaisCommandCall *call = job->call;
    SgFigures figures;

    sg_store_figures (job->store, &figures);
    put_text (call, "state", states[figures.state]);
    if (figures.trouble != NULL)
        put_text (call, "trouble", figures.trouble);
    put_figure (call, "keys", job->n_keys);
    put_figure (call, "index_bytes", job->index_bytes);
    put_figure (call, "journal", figures.journal);
    put_figure (call, "journal_bytes", figures.journal_bytes);
    put_figure (call, "snapshot", figures.snapshot);
    put_figure (call, "snapshot_bytes", figures.snapshot_bytes);
    put_figure (call, "last_change", figures.last_seq);
    put_figure (call, "syncs", figures.syncs);
    put_figure (call, "swept", figures.swept);
    put_figure (call, "damages", figures.damages);
    put_text (call, "compaction",
              figures.compacting           ? "running"
              : figures.compaction != NULL ? figures.compaction
                                           : "idle");
    if (figures.damages > 0)
        relais_command_note (call, _ ("Something was damaged when the store was read; relaisctl "
                                      "store verify tells what."));
    g_free (figures.trouble);
    g_free (figures.compaction);
    relais_command_finish (call);
    job_free (job);
}

void
sg_command_status (RelaisCommandCall *call, gpointer module)
{
    if (wants_no_args (call))
        run_job (module, call, g_new0 (Job, 1), status_work, status_done);
}

/* --- get -------------------------------------------------------------------------------------- */

typedef struct {
    char *name; /* as it was asked for */
    char *key;  /* whole: NAMESPACE, NUL, name */
    gsize key_size;
    SgAnswer answer;
    char *value; /* printable */
    gint64 expires_us;
} Row;

static void
row_free (gpointer data)
{
    Row *row = data;

    g_free (row->name);
    g_free (row->key);
    g_free (row->value);
    g_free (row);
}

static char *
printable (const guint8 *bytes, gsize size)
{
    GString *text = g_string_new (NULL);

    for (gsize i = 0; i < size; i++)
        if (g_ascii_isprint ((char)bytes[i]) && bytes[i] != '\\')
            g_string_append_c (text, (char)bytes[i]);
        else
            g_string_append_printf (text, "\\x%02x", bytes[i]);
    return g_string_free (text, FALSE);
}

static void
look_up_rows (SgStore *store, gpointer data)
{
    Job *job = data;

    for (guint i = 0; i < job->rows->len; i++) {
        Row *row = job->rows->pdata[i];
        const SgKey key = {(const guint8 *)row->key, row->key_size};
        SgFound found;

        row->answer = sg_lookup (store, &key, &found);
        store->unreadable |= row->answer == SG_ERROR_ANSWER && store->index != NULL;
        if (row->answer == SG_FOUND)
            row->value = printable (found.value, found.value_size);
        row->expires_us = found.expires_us;
        sg_found_clear (&found);
    }
}

static void
get_work (gpointer data)
{
    Job *job = data;

    sg_store_ask (job->store, look_up_rows, job);
}

static void
get_done (gpointer data)
{
    static const char *const answers[] = {"error", "found", "absent"};
    Job *job = data;
    bool all = true;

    for (guint i = 0; i < job->rows->len; i++) {
        const Row *row = job->rows->pdata[i];

        relais_command_put (job->call, "key", row->name);
        relais_command_put (job->call, "result", answers[row->answer]);
        if (row->expires_us != 0)
            relais_command_put_time (job->call, "expires", row->expires_us);
        else
            relais_command_put (job->call, "expires", NULL);
        relais_command_put (job->call, "value", row->value);
        relais_command_end_row (job->call);
        all &= row->answer == SG_FOUND;
    }
    if (all)
        relais_command_finish (job->call);
    else
        relais_command_fail (job->call, RELAIS_EXIT_REFUSED, _ ("not all of them are there"));
    job_free (job);
}

void
sg_command_get (RelaisCommandCall *call, gpointer module)
{
    const guint n = relais_command_n_args (call);
    Job *job;

    if (n < 2) {
        relais_command_fail (call, RELAIS_EXIT_USAGE,
                             _ ("expected a module's name and at least one key"));
        return;
    }
    job = g_new0 (Job, 1);
    job->rows = g_ptr_array_new_with_free_func (row_free);
    for (guint i = 1; i < n; i++) {
        Row *row = g_new0 (Row, 1);
        const char *space = relais_command_arg (call, 0);

        row->name = g_strdup (relais_command_arg (call, i));
        row->key_size = strlen (space) + 1 + strlen (row->name);
        row->key = g_malloc (row->key_size + 1);
        memcpy (row->key, space, strlen (space) + 1);
        memcpy (row->key + strlen (space) + 1, row->name, strlen (row->name) + 1);
        g_ptr_array_add (job->rows, row);
    }
    run_job (module, call, job, get_work, get_done);
}

/* --- compact ---------------------------------------------------------------------------------- */

void
sg_command_compact (RelaisCommandCall *call, gpointer module)
{
    if (!wants_no_args (call))
        return;
    sg_store_compact (relais_module_get_data (module));
    relais_command_note (call, _ ("Compaction begins; relaisctl store status shows its end."));
    relais_command_finish (call);
}

/* --- verify ----------------------------------------------------------------------------------- */

static void
put_damage (gpointer data, const char *text)
{
    relais_command_put (data, "damage", text);
    relais_command_end_row (data);
}

/* What a compaction put aside because it was damaged; their number. */
static guint
tell_put_aside (RelaisCommandCall *call, const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;
    guint n = 0;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        n += g_str_has_suffix (name, ".damaged");
    g_clear_pointer (&dir, g_dir_close);
    return n;
}

static void
finish_verify (RelaisCommandCall *call, const SgReading *reading, guint aside)
{
    g_autofree char *text = g_strdup_printf (
        _ ("%llu changes were read, the last is %llu; %u damaged files were put aside earlier."),
        sg_llu (reading->records), sg_llu (reading->last_seq), aside);

    relais_command_note (call, text);
    if (reading->torn_bytes > 0)
        relais_command_note (call,
                             _ ("The last journal ends in the middle of a change: it is being "
                                "written, or was when the daemon ended."));
    if (reading->damages > 0)
        relais_command_fail (call, RELAIS_EXIT_REFUSED, _ ("the store is damaged"));
    else
        relais_command_finish (call);
}

void
sg_command_verify (RelaisCommandCall *call, gpointer module)
{
    g_autofree char *dir = NULL;
    g_autoptr (GPtrArray) files = NULL;
    g_autoptr (GError) error = NULL;
    const SgVisitor visitor = {NULL, put_damage, call};
    SgReading reading;

    if (relais_command_n_args (call) > 1) {
        relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("expected one directory at most"));
        return;
    }
    dir = relais_command_n_args (call) > 0 ? g_strdup (relais_command_arg (call, 0))
                                           : sg_config_dir (relais_command_config (call));
    files = sg_files_list (dir, &error);
    if (files == NULL || !sg_files_read (files, &visitor, &reading, &error)) {
        relais_command_fail (call, RELAIS_EXIT_REFUSED, error->message);
        return;
    }
    finish_verify (call, &reading, tell_put_aside (call, dir));
}
