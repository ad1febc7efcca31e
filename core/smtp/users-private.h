/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file of users that may log in: "NAME:HASH:TENANT:CLASS" a line, and ":KEYS" behind it for who
 * can log in by SCRAM (see scram-private.h). Written by `relaisctl user`, read by the daemon. Everything
 * here may block, but for what looks at a table in memory; a table is immutable and counted, any thread.
 */
#pragma once

#include <glib.h>
#include <relais/command.h>
#include <stdbool.h>

/* Who somebody is that logged in. Immutable, counted. */
typedef struct {
    gatomicrefcount refs;
    char *name;
    char *hash;
    char *tenant; /* or NULL: the listener's */
    guint klass;  /* as listener.class: 0 auto, 1 transactional, 2 bulk */
    char *scram;  /* keys, or NULL */
} RelaisUser;
/* `tenant` and `scram` are nullable. */
RelaisUser *relais_user_new (const char *name, const char *hash, const char *tenant, guint klass,
                             const char *scram);
RelaisUser *relais_user_ref (RelaisUser *user);
void relais_user_unref (RelaisUser *user);
const char *relais_user_class_to_string (guint klass);
bool relais_user_class_from_string (const char *text, guint *klass);

enum { RELAIS_USER_NAME_BYTES = 128, RELAIS_PASSWORD_BYTES = 512 };
/* Letters, digits and "._@+-", at most RELAIS_USER_NAME_BYTES of them. */
bool relais_user_name_is_good (const char *name);

typedef struct RelaisUsers RelaisUsers;
/* A missing file is an empty table. Refused: a file that others may read or write, or a bad line. */
RelaisUsers *relais_users_load (const char *path, GError **error);
RelaisUsers *relais_users_ref (RelaisUsers *users);
void relais_users_unref (RelaisUsers *users);
/* False if the file is another one, or was changed, since it was loaded. */
bool relais_users_is_current (const RelaisUsers *users, const char *path);
/* Borrowed; NULL if there is none. */
RelaisUser *relais_users_find (const RelaisUsers *users, const char *name);
guint relais_users_count (const RelaisUsers *users);
/* Whether there are users and all of them have SCRAM's keys. */
bool relais_users_all_have_scram (const RelaisUsers *users);
RelaisUser *relais_users_nth (const RelaisUsers *users, guint n);

/* Hashes (tens of milliseconds) and compares; a NULL user costs the same and is never right. */
bool relais_users_check (const RelaisUsers *users, const RelaisUser *user, const char *password);
/* A new hash, or NULL with the system's error. */
char *relais_users_hash (const char *password, GError **error);

/* What to do to the file, under its lock: adds or replaces `user`, or removes `name`. The file is
 * written anew, synced and renamed. */
typedef enum { RELAIS_USERS_ADD, RELAIS_USERS_REPLACE, RELAIS_USERS_REMOVE } RelaisUsersChange;
/* `owner` (nullable) is the user the file is given to when root writes it and it did not exist. */
bool relais_users_change (const char *path, RelaisUsersChange change, const char *name,
                          const RelaisUser *user, const char *owner, GError **error);

/* relaisctl's `user add|list|remove|password`, all OFFLINE. */
const RelaisCommand *relais_users_commands (gsize *n);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisUser, relais_user_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RelaisUsers, relais_users_unref)
