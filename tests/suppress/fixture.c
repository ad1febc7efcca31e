/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See fixture.h. The wraps stand before libc's calls in the code under test (ld --wrap).
 */
#include "config.h"

#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Faults ----------------------------------------------------------------------------------- */

FixtureFault fixture_read_fault, fixture_write_fault, fixture_sync_fault, fixture_dir_sync_fault,
    fixture_cut_fault;
guint fixture_syncs;
static GMutex faults;

static bool
fails (FixtureFault *fault)
{
    bool now;

    g_mutex_lock (&faults);
    now = fault->n > 0;
    if (now) {
        fault->n--;
        errno = fault->error;
    }
    g_mutex_unlock (&faults);
    return now;
}

ssize_t __real_pread (int fd, void *bytes, size_t size, off_t at);
ssize_t __wrap_pread (int fd, void *bytes, size_t size, off_t at);
ssize_t __real_pwrite (int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite (int fd, const void *bytes, size_t size, off_t at);
int __real_fdatasync (int fd);
int __wrap_fdatasync (int fd);
int __real_fsync (int fd);
int __wrap_fsync (int fd);
int __real_ftruncate (int fd, off_t size);
int __wrap_ftruncate (int fd, off_t size);

ssize_t
__wrap_pread (int fd, void *bytes, size_t size, off_t at)
{
    return fails (&fixture_read_fault) ? -1 : __real_pread (fd, bytes, size, at);
}

ssize_t
__wrap_pwrite (int fd, const void *bytes, size_t size, off_t at)
{
    size_t after;

    g_mutex_lock (&faults);
    after = fixture_write_fault.n > 0 ? MIN (fixture_write_fault.after, size) : 0;
    fixture_write_fault.after -= after;
    g_mutex_unlock (&faults);
    if (after > 0)
        return __real_pwrite (fd, bytes, after, at);
    return fails (&fixture_write_fault) ? -1 : __real_pwrite (fd, bytes, size, at);
}

int
__wrap_fdatasync (int fd)
{
    g_atomic_int_inc ((gint *)&fixture_syncs);
    return fails (&fixture_sync_fault) ? -1 : __real_fdatasync (fd);
}

int
__wrap_fsync (int fd)
{
    return fails (&fixture_dir_sync_fault) ? -1 : __real_fsync (fd);
}

int
__wrap_ftruncate (int fd, off_t size)
{
    return fails (&fixture_cut_fault) ? -1 : __real_ftruncate (fd, size);
}

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
    g_log_set_writer_func (drop_log, NULL, NULL);
}

/* --- The list --------------------------------------------------------------------------------- */

static gint64
still_wall (const RelaisClock *self)
{
    return ((const Fixture *)self)->now_us;
}

static gint64
real_mono (const RelaisClock *self)
{
    return g_get_monotonic_time () + ((const Fixture *)self)->skip_us;
}

static void
read_config (Fixture *fixture)
{
    const char *dirs[] = {fixture->conf, NULL};
    g_autoptr (GPtrArray) findings = relais_config_findings_new ();
    RelaisSchema *schema = relais_schema_new ();

    fixture->config = relais_config_read (schema, dirs, findings);
    for (guint i = 0; i < findings->len; i++) {
        g_autofree char *finding = relais_config_finding_to_string (findings->pdata[i]);

        g_test_message ("%s", finding);
    }
    g_assert_nonnull (fixture->config);
    relais_schema_free (schema);
}

static void
write_config (Fixture *fixture, const char *conf)
{
    g_autofree char *path = g_build_filename (fixture->conf, "test.conf", NULL);

    g_assert_true (g_file_set_contents (path, conf, -1, NULL));
    read_config (fixture);
}

void
fixture_configure (Fixture *fixture, const char *conf)
{
    relais_config_unref (fixture->config);
    write_config (fixture, conf);
    relais_suppression_configure (fixture->list, fixture->config);
}

void
fixture_init (Fixture *fixture, const char *conf)
{
    *fixture = (Fixture){.clock = {still_wall, real_mono},
                         .now_us = G_GINT64_CONSTANT (1790000000) * G_USEC_PER_SEC};
    /* Syncs cost nothing in memory; that they are made is counted. */
    if (g_getenv ("TMPDIR") == NULL && g_access ("/dev/shm", W_OK) == 0)
        fixture->dir = g_mkdtemp (g_strdup ("/dev/shm/relais-suppress-XXXXXX"));
    else
        fixture->dir = g_dir_make_tmp ("relais-suppress-XXXXXX", NULL);
    g_assert_nonnull (fixture->dir);
    fixture->list_dir = g_build_filename (fixture->dir, "list", NULL);
    fixture->conf = g_build_filename (fixture->dir, "conf", NULL);
    g_assert_true (g_mkdir (fixture->conf, 0700) == 0);
    write_config (fixture, conf);
    fixture->loop = relais_loop_new (&fixture->clock, NULL);
    fixture_open (fixture);
}

void
fixture_open (Fixture *fixture)
{
    fixture->list = relais_suppression_open (fixture->list_dir, fixture->config, fixture->loop);
}

void
fixture_close (Fixture *fixture)
{
    if (fixture->list == NULL)
        return;
    relais_suppression_finish (fixture->list);
    while (relais_loop_turn (fixture->loop, false))
        continue;
    g_clear_pointer (&fixture->list, relais_suppression_close);
}

static void
remove_dir (const char *path)
{
    GDir *dir = g_dir_open (path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
        g_autofree char *full = g_build_filename (path, name, NULL);

        if (g_file_test (full, G_FILE_TEST_IS_DIR))
            remove_dir (full);
        else
            g_unlink (full);
    }
    g_clear_pointer (&dir, g_dir_close);
    g_rmdir (path);
}

void
fixture_clear (Fixture *fixture)
{
    fixture_close (fixture);
    relais_loop_free (fixture->loop);
    relais_config_unref (fixture->config);
    remove_dir (fixture->dir);
    g_free (fixture->dir);
    g_free (fixture->list_dir);
    g_free (fixture->conf);
}

void
fixture_wait (Fixture *fixture, const guint *flag, guint was)
{
    const gint64 until = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;

    while (*flag == was) {
        g_assert_cmpint (g_get_monotonic_time (), <, until);
        if (!relais_loop_turn (fixture->loop, false))
            g_usleep (200);
    }
}

typedef struct {
    guint n;
    RelaisSuppressResult result;
} End;

static void
note_end (gpointer data, RelaisSuppressResult result)
{
    End *end = data;

    end->n++;
    end->result = result;
}

RelaisSuppressResult
fixture_report (Fixture *fixture, RelaisSuppressClass suppress_class, const char *address,
                const char *tenant, const char *campaign, const char *id)
{
    const RelaisEvidence evidence = {.struct_size = sizeof evidence,
                                     .suppress_class = suppress_class,
                                     .address = address,
                                     .tenant = tenant,
                                     .campaign = campaign,
                                     .reason = "no-such-mailbox",
                                     .text = "550 5.1.1 no such user",
                                     .id = id};
    End end = {0};

    relais_suppression_report (fixture->list, &evidence, note_end, &end);
    g_assert_cmpuint (end.n, ==, 0);
    fixture_wait (fixture, &end.n, 0);
    g_assert_cmpuint (end.n, ==, 1);
    return end.result;
}

RelaisSuppressAnswer
fixture_check (Fixture *fixture, const char *address, const char *tenant, const char *campaign)
{
    relais_loop_turn (fixture->loop, false); /* the loop's time is that of its turn */
    return relais_suppression_check (fixture->list, address, tenant, campaign, NULL);
}

/* --- Files ------------------------------------------------------------------------------------ */

char *
fixture_path (const Fixture *fixture, const char *name)
{
    return g_build_filename (fixture->list_dir, name, NULL);
}

char *
fixture_read (const Fixture *fixture, const char *name, gsize *size)
{
    g_autofree char *path = fixture_path (fixture, name);
    char *bytes = NULL;

    g_assert_true (g_file_get_contents (path, &bytes, size, NULL));
    return bytes;
}

void
fixture_write (const Fixture *fixture, const char *name, const char *bytes, gsize size)
{
    g_autofree char *path = fixture_path (fixture, name);

    g_assert_true (g_file_set_contents (path, bytes, (gssize)size, NULL));
}

bool
fixture_has (const Fixture *fixture, const char *name)
{
    g_autofree char *path = fixture_path (fixture, name);

    return g_file_test (path, G_FILE_TEST_EXISTS);
}
