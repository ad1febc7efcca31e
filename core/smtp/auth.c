/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * AUTH. Owns the table of users in force, the cache of successes and the jobs under way. The loop
 * looks into the cache and takes results; a job on the pool alone looks at the file, and
 * hashes. Passwords are wiped where they were. Sessions that come with the same name and password
 * while these are hashed wait for that one job: a sender opens its connections all at once.
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
    RelaisUsers *users; /* in force */
    guint64 version;    /* of them */
    guint8 secret[KEY_BYTES];
    GHashTable *jobs;      /* key -> Job that hashes it */
    GHashTable *successes; /* key -> Success, which `order` owns */
    GQueue order;          /* oldest first; all live equally long, so the first to end is first */
    gint64 checked_us;     /* when the file was last looked at */
    bool rechecking;

    GMutex mutex;
    RelaisUsers *read;    /* as the file was last read; under mutex, as is its version */
    guint64 read_version; /* counts the readings */
};

typedef struct {
    RelaisAuthDone done;
    gpointer data;
} Waiter;

typedef enum {
    JOB_CHECK, /* hashes a password */
    JOB_FIND,  /* finds a user by name */
    JOB_LOOK   /* only looks at the file */
} JobKind;

typedef struct {
    RelaisAuth *auth;
    JobKind kind;
    guint8 key[KEY_BYTES];
    RelaisPlain plain;  /* FIND: the name alone */
    RelaisUsers *users; /* those that were asked */
    guint64 version;    /* of them */
    RelaisUser *user;   /* the answer */
    GArray *waiters;    /* Waiter */
} Job;

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
find_success (RelaisAuth *auth, const guint8 key[KEY_BYTES])
{
    const gint64 now = relais_loop_now_us (auth->loop);
    Success *success;

    for (success = g_queue_peek_head (&auth->order); success != NULL && success->until_us <= now;
         success = g_queue_peek_head (&auth->order))
        drop_oldest (auth);
    success = g_hash_table_lookup (auth->successes, key);
    return success != NULL ? relais_user_ref (success->user) : NULL;
}

static void
add_success (RelaisAuth *auth, const guint8 key[KEY_BYTES], RelaisUser *user)
{
    Success *success = g_new (Success, 1);

    memcpy (success->key, key, KEY_BYTES);
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
    auth->read = relais_users_ref (users);
    g_mutex_init (&auth->mutex);
    auth->jobs = g_hash_table_new (hash_key, equal_keys);
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
    g_hash_table_unref (auth->jobs);
    relais_users_unref (auth->users);
    relais_users_unref (auth->read);
    g_mutex_clear (&auth->mutex);
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
    g_array_unref (job->waiters);
    unref (job->auth);
    g_free (job);
}

/* On a worker. Takes the users as the file has them, read anew by the first job after a change. A
 * file that cannot be read now leaves the users as they were. */
static void
refresh (Job *job)
{
    RelaisAuth *auth = job->auth;
    g_autoptr (GError) error = NULL;
    RelaisUsers *users = NULL;

    g_mutex_lock (&auth->mutex);
    if (!relais_users_is_current (auth->read, auth->file))
        users = relais_users_load (auth->file, &error);
    if (users != NULL) {
        relais_users_unref (auth->read);
        auth->read = users;
        auth->read_version++;
    }
    job->users = relais_users_ref (auth->read);
    job->version = auth->read_version;
    g_mutex_unlock (&auth->mutex);
    if (error != NULL)
        g_warning ("the users stay as they were: %s", error->message);
}

static void
work (gpointer data)
{
    Job *job = data;
    RelaisUser *user;

    refresh (job);
    if (job->kind == JOB_LOOK)
        return;
    user = relais_users_find (job->users, job->plain.name);
    if (job->kind == JOB_FIND ? user != NULL
                              : relais_users_check (job->users, user, job->plain.password))
        job->user = relais_user_ref (user);
}

static void
finish (gpointer data)
{
    Job *job = data;
    RelaisAuth *auth = job->auth;

    auth->checked_us = relais_loop_now_us (auth->loop);
    if (job->kind == JOB_LOOK)
        auth->rechecking = false;
    if (job->kind == JOB_CHECK)
        g_hash_table_remove (auth->jobs, job->key);
    if (job->version > auth->version) {
        relais_users_unref (auth->users);
        auth->users = relais_users_ref (job->users);
        auth->version = job->version;
        drop_successes (auth);
    }
    /* Not if a job behind this one found yet another file. */
    if (job->kind == JOB_CHECK && job->user != NULL && job->version == auth->version)
        add_success (auth, job->key, job->user);
    for (guint i = 0; i < job->waiters->len; i++) {
        const Waiter *waiter = &g_array_index (job->waiters, Waiter, i);

        waiter->done (waiter->data, job->user);
    }
    job_free (job);
}

static Job *
job_new (RelaisAuth *auth, JobKind kind)
{
    Job *job = g_new0 (Job, 1);

    auth->refs++;
    job->kind = kind;
    job->auth = auth;
    job->waiters = g_array_new (FALSE, FALSE, sizeof (Waiter));
    return job;
}

/* Has the file looked at, unless that was done a moment ago. */
static void
recheck (RelaisAuth *auth)
{
    Job *job;

    if (auth->rechecking || relais_loop_now_us (auth->loop) - auth->checked_us < RECHECK_US)
        return;
    job = job_new (auth, JOB_LOOK);
    auth->rechecking = relais_pool_run (auth->pool, work, finish, job);
    if (!auth->rechecking)
        job_free (job);
}

/* A job that hashes this; NULL if the pool takes no more. */
static Job *
start_job (RelaisAuth *auth, const RelaisPlain *plain, const guint8 key[KEY_BYTES])
{
    Job *job = job_new (auth, JOB_CHECK);

    memcpy (job->key, key, KEY_BYTES);
    job->plain.name = g_strdup (plain->name);
    job->plain.password = g_strdup (plain->password);
    if (!relais_pool_run (auth->pool, work, finish, job)) {
        job_free (job);
        return NULL;
    }
    g_hash_table_insert (auth->jobs, job->key, job);
    return job;
}

RelaisAuthStart
relais_auth_start (RelaisAuth *auth, const RelaisPlain *plain, RelaisUser **user,
                   RelaisAuthDone done, gpointer data)
{
    const Waiter waiter = {done, data};
    guint8 key[KEY_BYTES];
    Job *job;

    make_key (auth, plain, key);
    *user = find_success (auth, key);
    if (*user != NULL) {
        recheck (auth);
        return RELAIS_AUTH_KNOWN;
    }
    job = g_hash_table_lookup (auth->jobs, key);
    if (job == NULL)
        job = start_job (auth, plain, key);
    if (job == NULL)
        return RELAIS_AUTH_BUSY;
    g_array_append_val (job->waiters, waiter);
    return RELAIS_AUTH_STARTED;
}

/* --- SCRAM ------------------------------------------------------------------------------------ */

bool
relais_auth_offers_scram (RelaisAuth *auth)
{
    recheck (auth);
    return relais_users_all_have_scram (auth->users);
}

RelaisAuthStart
relais_auth_find (RelaisAuth *auth, const char *name, RelaisAuthDone done, gpointer data)
{
    const Waiter waiter = {done, data};
    Job *job = job_new (auth, JOB_FIND);

    job->plain.name = g_strdup (name);
    g_array_append_val (job->waiters, waiter);
    if (relais_pool_run (auth->pool, work, finish, job))
        return RELAIS_AUTH_STARTED;
    job_free (job);
    return RELAIS_AUTH_BUSY;
}

void
relais_auth_salt_of_nobody (const RelaisAuth *auth, const char *name, guint8 salt[16])
{
    guint8 key[KEY_BYTES];

    HMAC (EVP_sha256 (), auth->secret, KEY_BYTES, (const guint8 *)name, strlen (name), key, NULL);
    memcpy (salt, key, 16);
}
