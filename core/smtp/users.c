/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file of users. A table owns its users and remembers which file it came from; it never changes,
 * a change of the file makes a new one. Passwords are hashed by libxcrypt with yescrypt. Reads, writes
 * and hashes wait: never on the loop.
 */
#include "config.h"

#include "smtp/users-private.h"

#include "conf/kept-file-private.h"
#include "loop/loop-private.h"
#include "smtp/scram-private.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWD_BYTES = 4096 };                                          /* of a user of the system */
enum { FILE_BYTES = 64 * 1024 * 1024, FIELDS = 4, FIELD_BYTES = 512 }; /* FIELDS: at least */

static const char *const class_names[] = {"auto", "transactional", "bulk"};

struct RelaisUsers {
    gatomicrefcount refs;
    GPtrArray *list;    /* RelaisUser * */
    GHashTable *names;  /* name -> RelaisUser, borrowed from the list */
    guint n_scram;      /* those with SCRAM's keys */
    struct stat origin; /* all zero: there was no file */
    char *setting;      /* for hashing the passwords of nobody */
};

/* --- One user --------------------------------------------------------------------------------- */

RelaisUser *
relais_user_new (const char *name, const char *hash, const char *tenant, guint klass,
                 const char *scram)
{
    RelaisUser *user = g_new0 (RelaisUser, 1);

    g_atomic_ref_count_init (&user->refs);
    user->name = g_strdup (name);
    user->hash = g_strdup (hash);
    user->tenant = tenant != NULL && tenant[0] != '\0' ? g_strdup (tenant) : NULL;
    user->klass = klass;
    user->scram = g_strdup (scram);
    return user;
}

RelaisUser *
relais_user_ref (RelaisUser *user)
{
    g_atomic_ref_count_inc (&user->refs);
    return user;
}

void
relais_user_unref (RelaisUser *user)
{
    if (user == NULL || !g_atomic_ref_count_dec (&user->refs))
        return;
    g_free (user->name);
    g_free (user->hash);
    g_free (user->tenant);
    g_free (user->scram);
    g_free (user);
}

bool
relais_user_name_is_good (const char *name)
{
    gsize i;

    for (i = 0; name[i] != '\0'; i++)
        if (!g_ascii_isalnum (name[i]) && strchr ("._@+-", name[i]) == NULL)
            return false;
    return i > 0 && i <= RELAIS_USER_NAME_BYTES;
}

const char *
relais_user_class_to_string (guint klass)
{
    return class_names[MIN (klass, G_N_ELEMENTS (class_names) - 1)];
}

bool
relais_user_class_from_string (const char *text, guint *klass)
{
    for (guint i = 0; i < G_N_ELEMENTS (class_names); i++)
        if (g_str_equal (text, class_names[i])) {
            *klass = i;
            return true;
        }
    return false;
}

/* --- The table -------------------------------------------------------------------------------- */

static RelaisUsers *
users_new (void)
{
    RelaisUsers *users = g_new0 (RelaisUsers, 1);

    g_atomic_ref_count_init (&users->refs);
    users->list = g_ptr_array_new_with_free_func ((GDestroyNotify)relais_user_unref);
    users->names = g_hash_table_new (g_str_hash, g_str_equal);
    return users;
}

RelaisUsers *
relais_users_ref (RelaisUsers *users)
{
    g_atomic_ref_count_inc (&users->refs);
    return users;
}

void
relais_users_unref (RelaisUsers *users)
{
    if (users == NULL || !g_atomic_ref_count_dec (&users->refs))
        return;
    g_hash_table_unref (users->names);
    g_ptr_array_unref (users->list);
    g_free (users->setting);
    g_free (users);
}

static void
users_add (RelaisUsers *users, RelaisUser *user)
{
    g_ptr_array_add (users->list, user);
    users->n_scram += user->scram != NULL;
    g_hash_table_insert (users->names, user->name, user);
}

RelaisUser *
relais_users_find (const RelaisUsers *users, const char *name)
{
    return g_hash_table_lookup (users->names, name);
}

guint
relais_users_count (const RelaisUsers *users)
{
    return users->list->len;
}

RelaisUser *
relais_users_nth (const RelaisUsers *users, guint n)
{
    return g_ptr_array_index (users->list, n);
}

bool
relais_users_all_have_scram (const RelaisUsers *users)
{
    return users->list->len > 0 && users->n_scram == users->list->len;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool
parse_line (RelaisUsers *users, const char *line)
{
    g_auto (GStrv) fields = NULL;
    guint klass, n;

    if (line[0] == '\0' || line[0] == '#')
        return true;
    fields = g_strsplit (line, ":", FIELDS + 2);
    n = g_strv_length (fields);
    if (n < FIELDS || n > FIELDS + 1 || !relais_user_name_is_good (fields[0]) ||
        fields[1][0] == '\0' || strlen (fields[1]) > FIELD_BYTES ||
        strlen (fields[2]) > FIELD_BYTES || !relais_user_class_from_string (fields[3], &klass) ||
        relais_users_find (users, fields[0]) != NULL ||
        (n > FIELDS && !relais_scram_keys_are_good (fields[FIELDS])))
        return false;
    users_add (users, relais_user_new (fields[0], fields[1], fields[2], klass, fields[FIELDS]));
    return true;
}

static bool
parse (RelaisUsers *users, const char *path, char *text, GError **error)
{
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

    for (guint i = 0; lines[i] != NULL; i++)
        if (!parse_line (users, lines[i])) {
            g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                         _ ("%s:%u: expected NAME:HASH:TENANT:CLASS or NAME:HASH:TENANT:CLASS:KEYS "
                            "with a name of its own"),
                         path, i + 1);
            return false;
        }
    return true;
}

static bool
read_file (RelaisUsers *users, const char *path, int fd, GError **error)
{
    g_autofree char *text = NULL;

    if (!relais_kept_file_check (path, fd, FILE_BYTES, 027, _ ("is no file of users"),
                                 &users->origin, error))
        return false;
    text = relais_kept_file_take (path, fd, (gsize)users->origin.st_size, error);
    return text != NULL && parse (users, path, text, error);
}

RelaisUsers *
relais_users_load (const char *path, GError **error)
{
    RelaisUsers *users = users_new ();
    bool good = true;
    int fd;

    relais_assert_may_block ();
    users->setting = g_malloc0 (CRYPT_GENSALT_OUTPUT_SIZE);
    if (crypt_gensalt_rn ("$y$", 0, NULL, 0, users->setting, CRYPT_GENSALT_OUTPUT_SIZE) == NULL)
        good = relais_kept_file_fail (error, path, _ ("cannot prepare hashing"));
    fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0) {
        good = good && read_file (users, path, fd, error);
        close (fd);
    } else if (errno != ENOENT && good)
        good = relais_kept_file_fail (error, path, _ ("cannot open it"));
    if (!good)
        g_clear_pointer (&users, relais_users_unref);
    return users;
}

bool
relais_users_is_current (const RelaisUsers *users, const char *path)
{
    struct stat now = {0};

    relais_assert_may_block ();
    if (lstat (path, &now) < 0)
        return users->origin.st_ino == 0;
    return now.st_ino == users->origin.st_ino && now.st_dev == users->origin.st_dev &&
           now.st_size == users->origin.st_size &&
           now.st_mtim.tv_sec == users->origin.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == users->origin.st_mtim.tv_nsec;
}

/* --- Passwords -------------------------------------------------------------------------------- */

static char *
hash_with (const char *password, const char *setting)
{
    struct crypt_data *data = g_new0 (struct crypt_data, 1);
    const char *hash = crypt_rn (password, setting, data, (int)sizeof *data);
    char *copy = g_strdup (hash);

    OPENSSL_cleanse (data, sizeof *data);
    g_free (data);
    return copy;
}

bool
relais_users_check (const RelaisUsers *users, const RelaisUser *user, const char *password)
{
    g_autofree char *hash = NULL;
    gsize size;

    relais_assert_may_block ();
    hash = hash_with (password, user != NULL ? user->hash : users->setting);
    if (hash == NULL || user == NULL)
        return false;
    size = strlen (hash);
    return size == strlen (user->hash) && CRYPTO_memcmp (hash, user->hash, size) == 0;
}

char *
relais_users_hash (const char *password, GError **error)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    char *hash = NULL;

    relais_assert_may_block ();
    if (crypt_gensalt_rn ("$y$", 0, NULL, 0, setting, (int)sizeof setting) != NULL)
        hash = hash_with (password, setting);
    if (hash == NULL)
        g_set_error (error, G_IO_ERROR, (gint)g_io_error_from_errno (errno),
                     _ ("cannot hash the password: %s"), g_strerror (errno));
    return hash;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static GString *
to_text (const RelaisUsers *users)
{
    GString *text = g_string_new ("# Written by `relaisctl user`: NAME:HASH:TENANT:CLASS[:KEYS]\n");

    for (guint i = 0; i < users->list->len; i++) {
        const RelaisUser *user = relais_users_nth (users, i);

        g_string_append_printf (
            text, "%s:%s:%s:%s%s%s\n", user->name, user->hash,
            user->tenant != NULL ? user->tenant : "", relais_user_class_to_string (user->klass),
            user->scram != NULL ? ":" : "", user->scram != NULL ? user->scram : "");
    }
    return text;
}

static bool
write_all (int fd, const GString *text)
{
    for (gsize done = 0; done < text->len;) {
        const gssize n = write (fd, text->str + done, text->len - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (gsize)n;
    }
    return true;
}

/* Root gives the file to whom it belonged, or else to the daemon's user, who must read it. */
static bool
give_away (int fd, const RelaisUsers *users, const char *owner)
{
    char text[PASSWD_BYTES];
    struct passwd space, *entry = NULL;

    if (geteuid () != 0)
        return true;
    if (users->origin.st_ino != 0)
        return fchown (fd, users->origin.st_uid, users->origin.st_gid) == 0;
    if (owner != NULL)
        (void)getpwnam_r (owner, &space, text, sizeof text, &entry);
    return entry == NULL || fchown (fd, entry->pw_uid, entry->pw_gid) == 0;
}

static bool
fill_and_rename (int dir, int fd, const RelaisUsers *users, const char *temporary, const char *name,
                 const char *owner)
{
    g_autoptr (GString) text = to_text (users);

    return give_away (fd, users, owner) && write_all (fd, text) && fsync (fd) == 0 &&
           renameat (dir, temporary, dir, name) == 0 && fsync (dir) == 0;
}

static bool
save (int dir, const char *path, const RelaisUsers *users, const char *owner, GError **error)
{
    g_autofree char *name = g_path_get_basename (path);
    g_autofree char *temporary = g_strdup_printf (".%s.%ld", name, (long)getpid ());
    int fd = openat (dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool done;

    if (fd < 0)
        return relais_kept_file_fail (error, path, _ ("cannot make a new file beside it"));
    done = fill_and_rename (dir, fd, users, temporary, name, owner);
    if (!done)
        relais_kept_file_fail (error, path, _ ("cannot write it"));
    if (close (fd) < 0 && done)
        done = relais_kept_file_fail (error, path, _ ("cannot close it"));
    if (!done)
        (void)unlinkat (dir, temporary, 0);
    return done;
}

static RelaisUsers *
changed (const RelaisUsers *users, const char *name, const RelaisUser *user)
{
    RelaisUsers *made = users_new ();

    made->origin = users->origin;
    for (guint i = 0; i < users->list->len; i++) {
        RelaisUser *old = relais_users_nth (users, i);

        if (!g_str_equal (old->name, name))
            users_add (made, relais_user_ref (old));
        else if (user != NULL)
            users_add (made, relais_user_ref ((RelaisUser *)user));
    }
    if (user != NULL && relais_users_find (made, name) == NULL)
        users_add (made, relais_user_ref ((RelaisUser *)user));
    return made;
}

static bool
change_locked (int dir, const char *path, RelaisUsersChange change, const char *name,
               const RelaisUser *user, const char *owner, GError **error)
{
    g_autoptr (RelaisUsers) users = relais_users_load (path, error);
    g_autoptr (RelaisUsers) made = NULL;
    bool exists;

    if (users == NULL)
        return false;
    exists = relais_users_find (users, name) != NULL;
    if (exists == (change == RELAIS_USERS_ADD)) {
        g_set_error (error, G_IO_ERROR, exists ? G_IO_ERROR_EXISTS : G_IO_ERROR_NOT_FOUND,
                     exists ? _ ("%s: there is a user \"%s\" already")
                            : _ ("%s: there is no user \"%s\""),
                     path, name);
        return false;
    }
    made = changed (users, name, user);
    return save (dir, path, made, owner, error);
}

bool
relais_users_change (const char *path, RelaisUsersChange change, const char *name,
                     const RelaisUser *user, const char *owner, GError **error)
{
    g_autofree char *folder = g_path_get_dirname (path);
    int dir = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = false;

    relais_assert_may_block ();
    if (dir < 0)
        return relais_kept_file_fail (error, folder, _ ("cannot open it"));
    /* Two administrators at once: one waits, so neither undoes what the other did. */
    if (flock (dir, LOCK_EX) < 0)
        relais_kept_file_fail (error, folder, _ ("cannot lock it"));
    else
        done = change_locked (dir, path, change, name, user, owner, error);
    close (dir);
    return done;
}
