/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * AUTH. Owns the table of users in force, the cache of successes and the jobs under way. The loop
 * parses, looks into the cache and takes results; a job on the pool alone looks at the file, and
 * hashes. Passwords are wiped where they were.
 *
 * The cache holds HMACs of name and password, so it is of no use outside this process; it is emptied
 * whenever the file changed, and a login from the cache has the file looked at soon after, so that a
 * removed user stays no longer than that.
 */
#include "config.h"

#include "smtp/auth-private.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

enum { KEY_BYTES = 32, CACHE_ENTRIES = 4096 };

static const gint64 CACHE_US = 5 * RELAIS_USEC_PER_MIN;
static const gint64 RECHECK_US = 2 * RELAIS_USEC_PER_SEC;

typedef struct {
    guint8 key[KEY_BYTES];
    RelaisUser *user;
    gint64 until_us;
} Success;

struct RelaisAuth {
    guint refs; /* its owner and jobs */
    RelaisLoop *loop;
    RelaisPool *pool;
    char *file;
    RelaisUsers *users;
    guint8 secret[KEY_BYTES];
    GHashTable *successes; /* key -> Success, which `order` owns */
    GQueue order;          /* oldest first; all live equally long, so the first to end is first */
    gint64 checked_us;     /* when the file was last looked at */
    bool rechecking;
};

typedef struct {
    RelaisAuth *auth;
    RelaisUsers *users; /* before; afterwards those that were asked */
    bool changed;
    RelaisPlain plain; /* without a name: only look at the file */
    RelaisUser *user;  /* the answer */
    RelaisAuthDone done;
    gpointer data;
} Job;

/* --- PLAIN ------------------------------------------------------------------------------------ */

static void
wipe (char *text)
{
    if (text != NULL)
        OPENSSL_cleanse (text, strlen (text));
    g_free (text);
}

void
relais_plain_clear (RelaisPlain *plain)
{
    g_free (plain->name);
    wipe (plain->password);
    *plain = (RelaisPlain){0};
}

static bool
is_base64 (const char *text, gsize size)
{
    gsize padding = 0;

    if (size == 0 || size % 4 != 0)
        return false;
    while (padding < 2 && text[size - padding - 1] == '=')
        padding++;
    for (gsize i = 0; i < size - padding; i++)
        if (!g_ascii_isalnum (text[i]) && text[i] != '+' && text[i] != '/')
            return false;
    return true;
}

/* authzid NUL authcid NUL passwd; nobody acts for another. */
static RelaisPlainStatus
split_plain (const char *bytes, gsize size, RelaisPlain *plain)
{
    const char *end = bytes + size;
    const char *name = memchr (bytes, '\0', size);
    const char *password = name != NULL ? memchr (name + 1, '\0', (gsize)(end - name - 1)) : NULL;
    gsize name_size, password_size;

    if (password == NULL || memchr (password + 1, '\0', (gsize)(end - password - 1)) != NULL)
        return RELAIS_PLAIN_REFUSED;
    name_size = (gsize)(password - name - 1);
    password_size = (gsize)(end - password - 1);
    if (name_size == 0 || name_size > RELAIS_USER_NAME_BYTES || password_size == 0 ||
        password_size > RELAIS_PASSWORD_BYTES)
        return RELAIS_PLAIN_REFUSED;
    if (name > bytes &&
        ((gsize)(name - bytes) != name_size || memcmp (bytes, name + 1, name_size) != 0))
        return RELAIS_PLAIN_REFUSED;
    plain->name = g_strndup (name + 1, name_size);
    plain->password = g_strndup (password + 1, password_size);
    return RELAIS_PLAIN_OK;
}

RelaisPlainStatus
relais_auth_parse_plain (const char *text, gsize size, RelaisPlain *plain)
{
    g_autofree char *coded = NULL;
    guchar *bytes;
    gsize n;
    RelaisPlainStatus status;

    if (size == 1 && text[0] == '=') /* RFC 4954: an empty initial response */
        return RELAIS_PLAIN_REFUSED;
    if (!is_base64 (text, size))
        return RELAIS_PLAIN_NOT_BASE64;
    coded = g_strndup (text, size);
    bytes = g_base64_decode (coded, &n);
    status = split_plain ((const char *)bytes, n, plain);
    OPENSSL_cleanse (bytes, n);
    OPENSSL_cleanse (coded, size);
    g_free (bytes);
    return status;
}

/* --- Successes -------------------------------------------------------------------------------- */

static guint
hash_key (gconstpointer key)
{
    guint hash;

    memcpy (&hash, key, sizeof hash);
    return hash;
}

static gboolean
equal_keys (gconstpointer a, gconstpointer b)
{
    return CRYPTO_memcmp (a, b, KEY_BYTES) == 0;
}

/* Name and password with the NUL between them, which neither can hold. */
static void
make_key (const RelaisAuth *auth, const RelaisPlain *plain, guint8 key[KEY_BYTES])
{
    const gsize name_size = strlen (plain->name) + 1;
    const gsize password_size = strlen (plain->password);
    guint8 text[RELAIS_USER_NAME_BYTES + 1 + RELAIS_PASSWORD_BYTES];

    memcpy (text, plain->name, name_size);
    memcpy (text + name_size, plain->password, password_size);
    HMAC (EVP_sha256 (), auth->secret, KEY_BYTES, text, name_size + password_size, key, NULL);
    OPENSSL_cleanse (text, sizeof text);
}

static void
drop_oldest (RelaisAuth *auth)
{
    Success *success = g_queue_pop_head (&auth->order);

    g_hash_table_remove (auth->successes, success->key);
    relais_user_unref (success->user);
    g_free (success);
}

static void
drop_successes (RelaisAuth *auth)
{
    while (!g_queue_is_empty (&auth->order))
        drop_oldest (auth);
}

static RelaisUser *
find_success (RelaisAuth *auth, const RelaisPlain *plain)
{
    const gint64 now = relais_loop_now_us (auth->loop);
    guint8 key[KEY_BYTES];
    Success *success;

    for (success = g_queue_peek_head (&auth->order); success != NULL && success->until_us <= now;
         success = g_queue_peek_head (&auth->order))
        drop_oldest (auth);
    make_key (auth, plain, key);
    success = g_hash_table_lookup (auth->successes, key);
    return success != NULL ? relais_user_ref (success->user) : NULL;
}

static void
add_success (RelaisAuth *auth, const RelaisPlain *plain, RelaisUser *user)
{
    Success *success = g_new (Success, 1);

    make_key (auth, plain, success->key);
    if (g_hash_table_contains (auth->successes, success->key)) {
        g_free (success);
        return;
    }
    if (auth->order.length >= CACHE_ENTRIES)
        drop_oldest (auth);
    success->user = relais_user_ref (user);
    success->until_us = relais_loop_now_us (auth->loop) + CACHE_US;
    g_queue_push_tail (&auth->order, success);
    g_hash_table_insert (auth->successes, success->key, success);
}

/* --- Life ------------------------------------------------------------------------------------- */

RelaisAuth *
relais_auth_new (RelaisLoop *loop, RelaisPool *pool, const char *users_file, GError **error)
{
    RelaisUsers *users = relais_users_load (users_file, error);
    RelaisAuth *auth;

    if (users == NULL)
        return NULL;
    auth = g_new0 (RelaisAuth, 1);
    auth->refs = 1;
    auth->loop = loop;
    auth->pool = pool;
    auth->file = g_strdup (users_file);
    auth->users = users;
    auth->checked_us = relais_loop_now_us (loop);
    auth->successes = g_hash_table_new (hash_key, equal_keys);
    g_queue_init (&auth->order);
    if (RAND_bytes (auth->secret, KEY_BYTES) != 1)
        g_error ("the system gives no random bytes");
    return auth;
}

static void
unref (RelaisAuth *auth)
{
    if (--auth->refs > 0)
        return;
    drop_successes (auth);
    g_hash_table_unref (auth->successes);
    relais_users_unref (auth->users);
    OPENSSL_cleanse (auth->secret, KEY_BYTES);
    g_free (auth->file);
    g_free (auth);
}

void
relais_auth_free (RelaisAuth *auth)
{
    if (auth != NULL)
        unref (auth);
}

/* --- Jobs ------------------------------------------------------------------------------------- */

static void
job_free (Job *job)
{
    relais_plain_clear (&job->plain);
    relais_user_unref (job->user);
    relais_users_unref (job->users);
    unref (job->auth);
    g_free (job);
}

/* On a worker. A file that cannot be read now leaves the users as they were. */
static void
refresh (Job *job)
{
    g_autoptr (GError) error = NULL;
    RelaisUsers *users;

    if (relais_users_is_current (job->users, job->auth->file))
        return;
    users = relais_users_load (job->auth->file, &error);
    if (users == NULL) {
        g_warning ("the users stay as they were: %s", error->message);
        return;
    }
    relais_users_unref (job->users);
    job->users = users;
    job->changed = true;
}

static void
work (gpointer data)
{
    Job *job = data;
    RelaisUser *user;

    refresh (job);
    if (job->plain.name == NULL)
        return;
    user = relais_users_find (job->users, job->plain.name);
    if (relais_users_check (job->users, user, job->plain.password))
        job->user = relais_user_ref (user);
}

static void
finish (gpointer data)
{
    Job *job = data;
    RelaisAuth *auth = job->auth;

    auth->checked_us = relais_loop_now_us (auth->loop);
    if (job->plain.name == NULL)
        auth->rechecking = false;
    if (job->changed) {
        relais_users_unref (auth->users);
        auth->users = relais_users_ref (job->users);
        drop_successes (auth);
    }
    /* Not if a job behind this one found yet another file. */
    if (job->user != NULL && job->users == auth->users)
        add_success (auth, &job->plain, job->user);
    if (job->done != NULL)
        job->done (job->data, job->user);
    job_free (job);
}

static Job *
job_new (RelaisAuth *auth)
{
    Job *job = g_new0 (Job, 1);

    auth->refs++;
    job->auth = auth;
    job->users = relais_users_ref (auth->users);
    return job;
}

/* Has the file looked at, unless that was done a moment ago. */
static void
recheck (RelaisAuth *auth)
{
    Job *job;

    if (auth->rechecking || relais_loop_now_us (auth->loop) - auth->checked_us < RECHECK_US)
        return;
    job = job_new (auth);
    auth->rechecking = relais_pool_run (auth->pool, work, finish, job);
    if (!auth->rechecking)
        job_free (job);
}

RelaisAuthStart
relais_auth_start (RelaisAuth *auth, const RelaisPlain *plain, RelaisUser **user,
                   RelaisAuthDone done, gpointer data)
{
    Job *job;

    *user = find_success (auth, plain);
    if (*user != NULL) {
        recheck (auth);
        return RELAIS_AUTH_KNOWN;
    }
    job = job_new (auth);
    job->plain.name = g_strdup (plain->name);
    job->plain.password = g_strdup (plain->password);
    job->done = done;
    job->data = data;
    if (relais_pool_run (auth->pool, work, finish, job))
        return RELAIS_AUTH_STARTED;
    job_free (job);
    return RELAIS_AUTH_BUSY;
}
