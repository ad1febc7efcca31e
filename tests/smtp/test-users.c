/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/smtp/users: the file of users is written whole or not at all, stays private, and is refused
 * when others may touch it or a line is not what it should be.
 */
#include "config.h"

#include "smtp/users-private.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *dir, *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->dir = g_dir_make_tmp ("relais-users-XXXXXX", NULL);
    fixture->path = g_build_filename (fixture->dir, "users", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    g_unlink (fixture->path);
    /* Nothing else may be left there. */
    g_assert_cmpint (g_rmdir (fixture->dir), ==, 0);
    g_free (fixture->path);
    g_free (fixture->dir);
}

static bool
change (Fixture *fixture, RelaisUsersChange what, const char *name, const char *tenant)
{
    g_autoptr (RelaisUser) user = relais_user_new (name, "$y$x", tenant, 2, NULL);
    g_autoptr (GError) error = NULL;
    const bool done = relais_users_change (fixture->path, what, name,
                                           what == RELAIS_USERS_REMOVE ? NULL : user, NULL, &error);

    g_assert_true (done == (error == NULL));
    return done;
}

static void
test_change (Fixture *fixture, gconstpointer data)
{
    g_autoptr (RelaisUsers) empty = relais_users_load (fixture->path, NULL);
    g_autoptr (RelaisUsers) users = NULL;
    struct stat facts;

    g_assert_nonnull (empty);
    g_assert_cmpuint (relais_users_count (empty), ==, 0);
    g_assert_true (relais_users_is_current (empty, fixture->path));
    g_assert_false (change (fixture, RELAIS_USERS_REMOVE, "anna", NULL));
    g_assert_false (change (fixture, RELAIS_USERS_REPLACE, "anna", NULL));
    g_assert_true (change (fixture, RELAIS_USERS_ADD, "anna", "one"));
    g_assert_false (change (fixture, RELAIS_USERS_ADD, "anna", "two"));
    g_assert_true (change (fixture, RELAIS_USERS_ADD, "bert@b.test", NULL));
    g_assert_true (change (fixture, RELAIS_USERS_REPLACE, "anna", "two"));
    g_assert_false (relais_users_is_current (empty, fixture->path));
    g_assert_cmpint (g_stat (fixture->path, &facts), ==, 0);
    g_assert_cmpuint (facts.st_mode & 0777, ==, 0600);
    users = relais_users_load (fixture->path, NULL);
    g_assert_true (relais_users_is_current (users, fixture->path));
    g_assert_cmpuint (relais_users_count (users), ==, 2);
    g_assert_cmpstr (relais_users_nth (users, 0)->name, ==, "anna");
    g_assert_cmpstr (relais_users_find (users, "anna")->tenant, ==, "two");
    g_assert_cmpuint (relais_users_find (users, "anna")->klass, ==, 2);
    g_assert_null (relais_users_find (users, "bert@b.test")->tenant);
    g_assert_true (change (fixture, RELAIS_USERS_REMOVE, "anna", NULL));
    g_assert_false (relais_users_is_current (users, fixture->path));
    g_assert_nonnull (relais_users_find (users, "anna"));
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *text;
        int mode;
    } cases[] = {
        {"anna:h::auto\n", 0604},   {"anna:h::auto\n", 0620},
        {"anna:h::auto\n", 0602},   {"anna:h:auto\n", 0600},
        {"anna:h::auto:x\n", 0600}, {"anna:h::express\n", 0600},
        {":h::auto\n", 0600},       {"an na:h::auto\n", 0600},
        {"anna:::auto\n", 0600},    {"anna:h::auto\nanna:h::auto\n", 0600},
        {"# fine\n\nanna\n", 0600},
    };

    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GError) error = NULL;

        g_assert_true (g_file_set_contents (fixture->path, cases[i].text, -1, NULL));
        g_assert_cmpint (g_chmod (fixture->path, (mode_t)cases[i].mode), ==, 0);
        g_assert_null (relais_users_load (fixture->path, &error));
        g_assert_nonnull (strstr (error->message, fixture->path));
    }
    g_assert_cmpint (g_unlink (fixture->path), ==, 0);
    g_assert_cmpint (symlink ("/etc/passwd", fixture->path), ==, 0);
    g_assert_null (relais_users_load (fixture->path, NULL));
}

static void
test_passwords (Fixture *fixture, gconstpointer data)
{
    g_autoptr (RelaisUsers) users = relais_users_load (fixture->path, NULL);
    g_autofree char *hash = relais_users_hash ("secret", NULL);
    g_autofree char *other = relais_users_hash ("secret", NULL);
    g_autoptr (RelaisUser) user = relais_user_new ("anna", hash, NULL, 0, NULL);

    g_assert_true (g_str_has_prefix (hash, "$y$"));
    g_assert_cmpstr (hash, !=, other);
    g_assert_true (relais_users_check (users, user, "secret"));
    g_assert_false (relais_users_check (users, user, "Secret"));
    g_assert_false (relais_users_check (users, user, ""));
    g_assert_false (relais_users_check (users, NULL, "secret"));
}

/* The C library's, which the linker puts ours before as well: a disk that cannot be read. */
ssize_t __real_read (int fd, void *to, size_t size);
ssize_t __wrap_read (int fd, void *to, size_t size);
static bool read_fails;

ssize_t
__wrap_read (int fd, void *to, size_t size)
{
    if (!read_fails)
        return __real_read (fd, to, size);
    errno = EIO;
    return -1;
}

/* libxcrypt's, which the linker puts ours before (local.mk): what was hashed, and how dearly. */
char *__real_crypt_rn (const char *phrase, const char *setting, void *data, int size);
char *__wrap_crypt_rn (const char *phrase, const char *setting, void *data, int size);
static guint n_hashed;
static char last_cost[8];

char *
__wrap_crypt_rn (const char *phrase, const char *setting, void *data, int size)
{
    n_hashed++;
    g_strlcpy (last_cost, setting, sizeof last_cost); /* "$y$j9T$": method and cost */
    return __real_crypt_rn (phrase, setting, data, size);
}

/* Nobody's password is hashed as often and as dearly as somebody's, so that time tells nothing. */
static void
test_same_work (Fixture *fixture, gconstpointer data)
{
    g_autoptr (RelaisUsers) users = relais_users_load (fixture->path, NULL);
    g_autofree char *hash = relais_users_hash ("secret", NULL);
    g_autoptr (RelaisUser) user = relais_user_new ("anna", hash, NULL, 0, NULL);
    char cost[sizeof last_cost];

    n_hashed = 0;
    g_assert_false (relais_users_check (users, user, "wrong"));
    g_assert_cmpuint (n_hashed, ==, 1);
    g_strlcpy (cost, last_cost, sizeof cost);
    g_assert_true (g_str_has_prefix (cost, "$y$"));
    g_assert_false (relais_users_check (users, NULL, "wrong"));
    g_assert_cmpuint (n_hashed, ==, 2);
    g_assert_cmpstr (last_cost, ==, cost);
}

/* Half a file is no file: users would be missing. */
static void
test_unreadable (Fixture *fixture, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (RelaisUsers) users = NULL;

    g_assert_true (g_file_set_contents (fixture->path, "anna:h::auto\n", -1, NULL));
    g_assert_cmpint (g_chmod (fixture->path, 0600), ==, 0);
    read_fails = true;
    users = relais_users_load (fixture->path, &error);
    read_fails = false;
    g_assert_null (users);
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
    g_assert_nonnull (strstr (error->message, fixture->path));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add ("/smtp/users/change", Fixture, NULL, set_up, test_change, tear_down);
    g_test_add ("/smtp/users/refused", Fixture, NULL, set_up, test_refused, tear_down);
    g_test_add ("/smtp/users/passwords", Fixture, NULL, set_up, test_passwords, tear_down);
    g_test_add ("/smtp/users/same-work", Fixture, NULL, set_up, test_same_work, tear_down);
    g_test_add ("/smtp/users/unreadable", Fixture, NULL, set_up, test_unreadable, tear_down);
    return g_test_run ();
}
