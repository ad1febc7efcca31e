/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The store's dispatch: outcomes that are never mixed up, namespaces, limits at their boundaries, order
 * of completion, calls from many threads, a backend that holds what it was given. And the backend in
 * memory that modules' tests use.
 */
#include "config.h"

#include "store/store-private.h"

#include <string.h>

typedef struct {
    RelaisClock clock;
    gint64 now_us; /* atomic */
    RelaisLoop *loop;
    RelaisStore *store;
    RelaisStoreMemory *memory;
    /* a backend that holds requests until it is told to end them */
    GPtrArray *held;
    /* the last reply, and all of them in order */
    RelaisStoreReply *reply;
    GString *order;
} Fixture;

static gint64
clock_us (const RelaisClock *clock)
{
    return __atomic_load_n (&((const Fixture *)clock)->now_us, __ATOMIC_RELAXED);
}

static void
hold (gpointer data, RelaisStoreRequest *request)
{
    g_ptr_array_add (((Fixture *)data)->held, request);
}

static const RelaisStoreBackend holding = {
    .struct_size = sizeof (RelaisStoreBackend),
    .ops = 1u << RELAIS_STORE_GET | 1u << RELAIS_STORE_PUT | 1u << RELAIS_STORE_SCAN,
    .submit = hold,
};

static void
set_up (Fixture *f, gconstpointer memory)
{
    f->clock = (RelaisClock){clock_us, clock_us};
    f->now_us = 1000000;
    f->loop = relais_loop_new (&f->clock, NULL);
    f->store = relais_store_new (f->loop);
    f->held = g_ptr_array_new ();
    f->order = g_string_new (NULL);
    if (memory != NULL) {
        f->memory = relais_store_memory_new (f->store);
        relais_store_set_backend (f->store, &relais_store_memory_backend, f->memory);
        relais_store_open (f->store);
    }
}

static void
tear_down (Fixture *f, gconstpointer memory)
{
    relais_store_close (f->store);
    relais_store_free (f->store);
    relais_store_memory_free (f->memory);
    relais_loop_free (f->loop);
    relais_store_reply_unref (f->reply);
    g_ptr_array_unref (f->held);
    g_string_free (f->order, TRUE);
}

static void
keep_reply (gpointer data, const RelaisStoreReply *reply)
{
    Fixture *f = data;

    relais_store_reply_unref (f->reply);
    f->reply = relais_store_reply_ref (reply);
}

/* Makes the call, and turns the loop until it was answered. */
static RelaisStoreResult
run (Fixture *f, const char *space, const RelaisStoreCall *call)
{
    g_clear_pointer (&f->reply, relais_store_reply_unref);
    relais_store_submit (f->store, space, call, keep_reply, f);
    g_assert_null (f->reply); /* never within the call */
    while (f->reply == NULL)
        relais_loop_turn (f->loop, true);
    return relais_store_reply_get_result (f->reply);
}

static RelaisStoreResult
get (Fixture *f, const char *space, const char *key)
{
    return run (f, space,
                &(RelaisStoreCall){.op = RELAIS_STORE_GET, .key = key, .key_size = strlen (key)});
}

static RelaisStoreResult
put (Fixture *f, const char *space, const char *key, const char *value, gint64 expires_us)
{
    return run (f, space,
                &(RelaisStoreCall){.op = RELAIS_STORE_PUT,
                                   .key = key,
                                   .key_size = strlen (key),
                                   .value = value,
                                   .value_size = strlen (value),
                                   .expires_us = expires_us});
}

static RelaisStoreResult
increment (Fixture *f, const char *key, gint64 delta, gint64 expires_us)
{
    return run (f, "a",
                &(RelaisStoreCall){.op = RELAIS_STORE_INCREMENT,
                                   .flags = RELAIS_STORE_LAZY,
                                   .key = key,
                                   .key_size = strlen (key),
                                   .delta = delta,
                                   .expires_us = expires_us});
}

static RelaisStoreResult
compare (Fixture *f, const char *key, const char *expected, const char *value)
{
    return run (f, "a",
                &(RelaisStoreCall){.op = RELAIS_STORE_COMPARE_AND_SET,
                                   .key = key,
                                   .key_size = strlen (key),
                                   .expected = expected,
                                   .expected_size = expected != NULL ? strlen (expected) : 0,
                                   .value = value,
                                   .value_size = value != NULL ? strlen (value) : 0});
}

static void
assert_value (Fixture *f, const char *value)
{
    gsize size;
    gconstpointer bytes = relais_store_reply_get_value (f->reply, &size);

    if (value == NULL) {
        g_assert_null (bytes);
        return;
    }
    g_assert_nonnull (bytes);
    g_assert_cmpuint (size, ==, strlen (value));
    g_assert_true (memcmp (bytes, value, size) == 0);
}

/* The keys of the reply's rows, each with its value: "k=v k=v", and "..." if there are more. */
static char *
rows_of (Fixture *f)
{
    GString *text = g_string_new (NULL);
    gconstpointer key, value;
    gsize key_size, value_size;

    for (guint i = 0;
         relais_store_reply_get_row (f->reply, i, &key, &key_size, &value, &value_size); i++)
        g_string_append_printf (text, "%s%.*s=%.*s", i > 0 ? " " : "", (int)key_size,
                                (const char *)key, (int)value_size, (const char *)value);
    if (relais_store_reply_get_more (f->reply))
        g_string_append (text, " ...");
    return g_string_free (text, FALSE);
}

static RelaisStoreResult
scan (Fixture *f, const char *space, const char *prefix, const char *after, guint32 limit)
{
    return run (f, space,
                &(RelaisStoreCall){.op = RELAIS_STORE_SCAN,
                                   .key = prefix,
                                   .key_size = strlen (prefix),
                                   .after = after,
                                   .after_size = after != NULL ? strlen (after) : 0,
                                   .limit = limit});
}

static void
assert_error (Fixture *f, RelaisStoreResult result, const char *words)
{
    g_assert_cmpuint (result, ==, RELAIS_STORE_ERROR);
    g_assert_nonnull (strstr (relais_store_reply_get_error (f->reply), words));
    g_assert_null (relais_store_reply_get_value (f->reply, NULL));
    g_assert_cmpuint (relais_store_reply_n_rows (f->reply), ==, 0);
}

/* --- Operations ------------------------------------------------------------------------------- */

static void
test_values (Fixture *f, gconstpointer data)
{
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_ABSENT);
    g_assert_null (relais_store_reply_get_error (f->reply));
    g_assert_cmpuint (put (f, "a", "k", "v", 0), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_FOUND);
    assert_value (f, "v");
    g_assert_cmpint (relais_store_reply_get_expires_us (f->reply), ==, 0);
    g_assert_cmpuint (put (f, "a", "k", "", 0), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_FOUND);
    assert_value (f, "");
    g_assert_cmpuint (
        run (f, "a", &(RelaisStoreCall){.op = RELAIS_STORE_REMOVE, .key = "k", .key_size = 1}), ==,
        RELAIS_STORE_FOUND);
    g_assert_cmpuint (
        run (f, "a", &(RelaisStoreCall){.op = RELAIS_STORE_REMOVE, .key = "k", .key_size = 1}), ==,
        RELAIS_STORE_ABSENT);
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_ABSENT);
}

static void
test_numbers (Fixture *f, gconstpointer data)
{
    g_assert_cmpuint (increment (f, "n", 5, 0), ==, RELAIS_STORE_FOUND);
    g_assert_cmpint (relais_store_reply_get_number (f->reply), ==, 5);
    g_assert_cmpuint (increment (f, "n", -7, 0), ==, RELAIS_STORE_FOUND);
    g_assert_cmpint (relais_store_reply_get_number (f->reply), ==, -2);
    g_assert_cmpuint (get (f, "a", "n"), ==, RELAIS_STORE_FOUND);
    assert_value (f, "-2");
    put (f, "a", "n", "9223372036854775807", 0);
    g_assert_cmpuint (increment (f, "n", 0, 0), ==, RELAIS_STORE_FOUND);
    assert_error (f, increment (f, "n", 1, 0), "");
    put (f, "a", "n", "12x", 0);
    assert_error (f, increment (f, "n", 1, 0), "");
    g_assert_cmpuint (get (f, "a", "n"), ==, RELAIS_STORE_FOUND);
    assert_value (f, "12x");
}

/* What is empty is there, and is no number. */
static void
test_empty (Fixture *f, gconstpointer data)
{
    g_assert_cmpuint (put (f, "a", "k", "", 0), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (increment (f, "k", 1, 0), ==, RELAIS_STORE_ERROR);
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (compare (f, "k", "", "1"), ==, RELAIS_STORE_FOUND);
}

static void
test_compare_and_set (Fixture *f, gconstpointer data)
{
    g_assert_cmpuint (compare (f, "k", "x", "y"), ==, RELAIS_STORE_CONFLICT);
    assert_value (f, NULL);
    g_assert_cmpuint (compare (f, "k", NULL, "one"), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (compare (f, "k", NULL, "two"), ==, RELAIS_STORE_CONFLICT);
    assert_value (f, "one");
    g_assert_cmpuint (compare (f, "k", "on", "two"), ==, RELAIS_STORE_CONFLICT);
    g_assert_cmpuint (compare (f, "k", "one", "two"), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (compare (f, "k", "two", ""), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (compare (f, "k", "", NULL), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_ABSENT);
    g_assert_cmpuint (compare (f, "k", NULL, NULL), ==, RELAIS_STORE_FOUND);
}

static void
test_expiry (Fixture *f, gconstpointer data)
{
    put (f, "a", "k", "v", f->now_us + 10);
    __atomic_fetch_add (&f->now_us, 9, __ATOMIC_RELAXED);
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_FOUND);
    g_assert_cmpint (relais_store_reply_get_expires_us (f->reply), ==, f->now_us + 1);
    increment (f, "n", 3, f->now_us + 1);
    increment (f, "n", 3, f->now_us + 100);
    __atomic_fetch_add (&f->now_us, 1, __ATOMIC_RELAXED);
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_ABSENT);
    g_assert_cmpuint (scan (f, "a", "", NULL, 10), ==, RELAIS_STORE_ABSENT);
    g_assert_cmpuint (compare (f, "k", NULL, "again"), ==, RELAIS_STORE_FOUND);
    increment (f, "n", 1, 0);
    g_assert_cmpint (relais_store_reply_get_number (f->reply), ==, 1);
}

static void
assert_scan (Fixture *f, const char *prefix, const char *after, guint32 limit, const char *rows)
{
    RelaisStoreResult result = scan (f, "a", prefix, after, limit);
    g_autofree char *found = rows_of (f);

    g_assert_cmpuint (result, ==, rows[0] != '\0' ? RELAIS_STORE_FOUND : RELAIS_STORE_ABSENT);
    g_assert_cmpstr (found, ==, rows);
}

static void
test_scan (Fixture *f, gconstpointer data)
{
    static const char *const keys[] = {"b", "aa", "a", "ab", "aaa", "c"};

    put (f, "A", "a", "other", 0);
    put (f, "aa", "a", "other", 0);
    for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
        put (f, "a", keys[i], keys[i], 0);
    assert_scan (f, "", NULL, 10, "a=a aa=aa aaa=aaa ab=ab b=b c=c");
    assert_scan (f, "aa", NULL, 10, "aa=aa aaa=aaa");
    assert_scan (f, "a", "aa", 10, "aaa=aaa ab=ab");
    assert_scan (f, "", NULL, 2, "a=a aa=aa ...");
    assert_scan (f, "", "aa", 2, "aaa=aaa ab=ab ...");
    assert_scan (f, "", "ab", 2, "b=b c=c");
    assert_scan (f, "", "c", 2, "");
    assert_scan (f, "b", "a", 2, "b=b");
    assert_scan (f, "a", "b", 2, "");
    assert_scan (f, "x", NULL, 2, "");
}

static void
test_namespaces (Fixture *f, gconstpointer data)
{
    put (f, "a", "k", "a's", 0);
    put (f, "ab", "k", "ab's", 0);
    put (f, RELAIS_STORE_CORE, "k", "core's", 0);
    g_assert_cmpuint (get (f, "a", "b"), ==, RELAIS_STORE_ABSENT);
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_FOUND);
    assert_value (f, "a's");
    g_assert_cmpuint (get (f, "ab", "k"), ==, RELAIS_STORE_FOUND);
    assert_value (f, "ab's");
    g_assert_cmpuint (get (f, "core", "k"), ==, RELAIS_STORE_FOUND);
    assert_value (f, "core's");
    g_assert_cmpuint (get (f, "b", "k"), ==, RELAIS_STORE_ABSENT);
}

/* --- Limits ----------------------------------------------------------------------------------- */

static void
test_limits (Fixture *f, gconstpointer data)
{
    g_autofree char *key = g_strnfill (513, 'k');
    g_autofree char *value = g_strnfill (65537, 'v');
    RelaisStoreCall call = {
        .op = RELAIS_STORE_PUT, .key = key, .key_size = 512, .value = value, .value_size = 65536};

    g_assert_cmpuint (run (f, "a", &call), ==, RELAIS_STORE_FOUND);
    call.value_size = 65537;
    assert_error (f, run (f, "a", &call), "65536");
    call.value_size = 1;
    call.key_size = 513;
    assert_error (f, run (f, "a", &call), "512");
    call.key_size = 0;
    assert_error (f, run (f, "a", &call), "at least 1");
    call.key_size = 1;
    call.expires_us = -1;
    assert_error (f, run (f, "a", &call), "1970");
    assert_error (f, scan (f, "a", "", NULL, 0), "at least 1 row");
    call = (RelaisStoreCall){.op = RELAIS_STORE_INCREMENT, .flags = 2, .key = "k", .key_size = 1};
    assert_error (f, run (f, "a", &call), "flag");
    /* A prefix may be as long as a key, and empty. */
    call = (RelaisStoreCall){
        .op = RELAIS_STORE_SCAN, .key = key, .key_size = 512, .limit = G_MAXUINT32};
    g_assert_cmpuint (run (f, "a", &call), ==, RELAIS_STORE_FOUND);
    call.key_size = 513;
    assert_error (f, run (f, "a", &call), "512");
}

static void
test_rows (Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < RELAIS_STORE_ROWS + 1; i++) {
        g_autofree char *key = g_strdup_printf ("%05u", i);

        put (f, "a", key, "", 0);
    }
    g_assert_cmpuint (scan (f, "a", "", NULL, RELAIS_STORE_ROWS + 1), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (relais_store_reply_n_rows (f->reply), ==, RELAIS_STORE_ROWS);
    g_assert_true (relais_store_reply_get_more (f->reply));
    g_assert_cmpuint (scan (f, "a", "", "00000", RELAIS_STORE_ROWS), ==, RELAIS_STORE_FOUND);
    g_assert_cmpuint (relais_store_reply_n_rows (f->reply), ==, RELAIS_STORE_ROWS);
    g_assert_false (relais_store_reply_get_more (f->reply));
}

static void
count_reply (gpointer data, const RelaisStoreReply *reply)
{
    guint *counts = data;

    counts[relais_store_reply_get_result (reply)]++;
}

/* The backend has WAITING requests and no more; one that ends makes room for one. */
static void
test_busy (Fixture *f, gconstpointer data)
{
    const RelaisStoreCall call = {.op = RELAIS_STORE_GET, .key = "k", .key_size = 1};
    guint counts[4] = {0};

    relais_store_set_backend (f->store, &holding, f);
    relais_store_open (f->store);
    for (guint i = 0; i < RELAIS_STORE_WAITING; i++)
        relais_store_submit (f->store, "a", &call, count_reply, counts);
    g_assert_cmpuint (relais_store_n_waiting (f->store), ==, RELAIS_STORE_WAITING);
    assert_error (f, get (f, "a", "k"), "busy");
    relais_store_request_complete (g_ptr_array_remove_index (f->held, 0), RELAIS_STORE_ABSENT);
    relais_store_submit (f->store, "a", &call, count_reply, counts);
    assert_error (f, get (f, "a", "k"), "busy");
    g_assert_cmpuint (f->held->len, ==, RELAIS_STORE_WAITING);
    for (guint i = 0; i < f->held->len; i++)
        relais_store_request_complete (f->held->pdata[i], RELAIS_STORE_ABSENT);
    relais_store_settle (f->store);
    g_assert_cmpuint (counts[RELAIS_STORE_ABSENT], ==, RELAIS_STORE_WAITING + 1);
}

/* The same of octets: the last call that fits is taken, one octet more is not. */
static void
test_busy_bytes (Fixture *f, gconstpointer data)
{
    enum { KEY = 1, LEFT = 100 };
    g_autofree char *value = g_malloc0 (RELAIS_STORE_VALUE_BYTES);
    RelaisStoreCall call = {.op = RELAIS_STORE_PUT,
                            .key = "k",
                            .key_size = KEY,
                            .value = value,
                            .value_size = RELAIS_STORE_VALUE_BYTES};
    guint64 bytes = 0;
    guint counts[4] = {0};

    relais_store_set_backend (f->store, &holding, f);
    relais_store_open (f->store);
    for (; bytes + KEY + RELAIS_STORE_VALUE_BYTES <= RELAIS_STORE_WAITING_BYTES - LEFT;
         bytes += KEY + RELAIS_STORE_VALUE_BYTES)
        relais_store_submit (f->store, "a", &call, count_reply, counts);
    call.value_size = RELAIS_STORE_WAITING_BYTES - bytes - KEY;
    g_assert_cmpuint (call.value_size, <, RELAIS_STORE_VALUE_BYTES);
    relais_store_submit (f->store, "a", &call, count_reply, counts);
    assert_error (f, get (f, "a", "k"), "busy");
    relais_store_request_complete (g_ptr_array_remove_index (f->held, 0), RELAIS_STORE_ABSENT);
    relais_store_submit (f->store, "a", &call, count_reply, counts);
    for (guint i = 0; i < f->held->len; i++)
        relais_store_request_complete (f->held->pdata[i], RELAIS_STORE_ABSENT);
    relais_store_settle (f->store);
    g_assert_cmpuint (counts[RELAIS_STORE_ABSENT], ==, f->held->len + 1);
}

/* A turn calls back so many times and no more. */
static void
test_turn (Fixture *f, gconstpointer data)
{
    const RelaisStoreCall call = {.op = RELAIS_STORE_GET, .key = "k", .key_size = 1};
    guint counts[4] = {0};

    for (guint i = 0; i < RELAIS_STORE_DONE_A_TURN + 1; i++)
        relais_store_submit (f->store, "a", &call, count_reply, counts);
    relais_loop_turn (f->loop, true);
    g_assert_cmpuint (counts[RELAIS_STORE_ABSENT], ==, RELAIS_STORE_DONE_A_TURN);
    relais_loop_turn (f->loop, true);
    g_assert_cmpuint (counts[RELAIS_STORE_ABSENT], ==, RELAIS_STORE_DONE_A_TURN + 1);
}

/* --- The dispatch ----------------------------------------------------------------------------- */

static void
test_no_backend (Fixture *f, gconstpointer data)
{
    RelaisStoreReply *reply;

    assert_error (f, get (f, "a", "k"), "no store: enable store-gdbm");
    reply = relais_store_submit_wait (
        f->store, "a", &(RelaisStoreCall){.op = RELAIS_STORE_GET, .key = "k", .key_size = 1});
    g_assert_cmpuint (relais_store_reply_get_result (reply), ==, RELAIS_STORE_ERROR);
    g_assert_nonnull (strstr (relais_store_reply_get_error (reply), "no store"));
    relais_store_reply_unref (reply);
    relais_store_set_backend (f->store, &holding, f);
    assert_error (f, get (f, "a", "k"), "not up");
    relais_store_open (f->store);
    assert_error (f, increment (f, "k", 1, 0), "does not have this operation");
    relais_store_close (f->store);
    assert_error (f, get (f, "a", "k"), "not up");
    g_assert_cmpuint (f->held->len, ==, 0);
}

static void
note_order (gpointer data, const RelaisStoreReply *reply)
{
    Fixture *f = data;

    g_string_append_printf (f->order, "%u:%u ", (guint)relais_store_reply_get_expires_us (reply),
                            relais_store_reply_get_result (reply));
}

/* Callbacks come in order of completion; what a failed one had been told is gone. */
static void
test_order (Fixture *f, gconstpointer data)
{
    const RelaisStoreCall call = {.op = RELAIS_STORE_GET, .key = "k", .key_size = 1};
    static const guint order[] = {2, 0, 3, 1};

    relais_store_set_backend (f->store, &holding, f);
    relais_store_open (f->store);
    for (guint i = 0; i < 4; i++)
        relais_store_submit (f->store, "a", &call, note_order, f);
    for (guint i = 0; i < 4; i++) {
        RelaisStoreRequest *request = f->held->pdata[order[i]];

        relais_store_request_set_value (request, "x", 1, order[i]);
        if (order[i] == 3)
            relais_store_request_fail (request, "disk");
        else
            relais_store_request_complete (request, RELAIS_STORE_FOUND);
    }
    g_assert_cmpstr (f->order->str, ==, "");
    relais_store_settle (f->store);
    g_assert_cmpstr (f->order->str, ==, "2:1 0:1 0:0 1:1 ");
}

/* An outcome that is not known counts as an error, and closing waits for what is under way. */
static gpointer
end_late (gpointer data)
{
    Fixture *f = data;

    g_usleep (1000);
    relais_store_request_complete (f->held->pdata[1], 17);
    relais_store_request_complete (f->held->pdata[0], RELAIS_STORE_ABSENT);
    return NULL;
}

static void
test_close (Fixture *f, gconstpointer data)
{
    const RelaisStoreCall call = {.op = RELAIS_STORE_GET, .key = "k", .key_size = 1};
    GThread *thread;

    relais_store_set_backend (f->store, &holding, f);
    relais_store_open (f->store);
    relais_store_submit (f->store, "a", &call, NULL, NULL);
    relais_store_submit (f->store, "a", &call, note_order, f);
    thread = g_thread_new ("backend", end_late, f);
    relais_store_close (f->store);
    g_assert_cmpstr (f->order->str, ==, "0:0 ");
    g_assert_cmpuint (relais_store_n_waiting (f->store), ==, 0);
    g_thread_join (thread);
}

static void
test_failure (Fixture *f, gconstpointer data)
{
    put (f, "a", "k", "v", 0);
    relais_store_memory_fail (f->memory, "disk on fire");
    assert_error (f, get (f, "a", "k"), "disk on fire");
    assert_error (f, scan (f, "a", "", NULL, 1), "disk on fire");
    relais_store_memory_fail (f->memory, NULL);
    g_assert_cmpuint (get (f, "a", "k"), ==, RELAIS_STORE_FOUND);
}

/* --- Threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, COUNTS = 500 };

static gpointer
count_up (gpointer data)
{
    Fixture *f = data;
    const RelaisStoreCall call = {
        .op = RELAIS_STORE_INCREMENT, .key = "n", .key_size = 1, .delta = 1};
    gint64 last = 0;

    for (guint i = 0; i < COUNTS; i++) {
        g_autoptr (RelaisStoreReply) reply = NULL;

        relais_store_submit (f->store, "a", &call, NULL, NULL);
        reply = relais_store_submit_wait (f->store, "a", &call);
        g_assert_cmpuint (relais_store_reply_get_result (reply), ==, RELAIS_STORE_FOUND);
        g_assert_cmpint (relais_store_reply_get_number (reply), >=, last + 2);
        last = relais_store_reply_get_number (reply);
    }
    return NULL;
}

static void
test_threads (Fixture *f, gconstpointer data)
{
    GThread *threads[THREADS];

    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new ("worker", count_up, f);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join (threads[i]);
    increment (f, "n", 0, 0);
    g_assert_cmpint (relais_store_reply_get_number (f->reply), ==, THREADS * COUNTS * 2);
}

#ifdef RELAIS_LOOP_ASSERTS
static void
wait_on_loop (gpointer data)
{
    Fixture *f = data;

    relais_store_reply_unref (relais_store_submit_wait (
        f->store, "a", &(RelaisStoreCall){.op = RELAIS_STORE_GET, .key = "k", .key_size = 1}));
}

static void
test_wait_on_loop (Fixture *f, gconstpointer data)
{
    if (g_test_subprocess ()) {
        relais_loop_post (f->loop, wait_on_loop, f);
        relais_loop_turn (f->loop, true);
        return;
    }
    g_test_trap_subprocess (NULL, 0, 0);
    g_test_trap_assert_failed ();
    g_test_trap_assert_stderr ("*a blocking call was made on the main loop*");
}
#endif

int
main (int argc, char **argv)
{
    static const struct {
        const char *path;
        bool memory;
        void (*func) (Fixture *f, gconstpointer data);
    } tests[] = {
        {"/store/values", true, test_values},
        {"/store/numbers", true, test_numbers},
        {"/store/empty", true, test_empty},
        {"/store/compare-and-set", true, test_compare_and_set},
        {"/store/expiry", true, test_expiry},
        {"/store/scan", true, test_scan},
        {"/store/namespaces", true, test_namespaces},
        {"/store/limits", true, test_limits},
        {"/store/rows", true, test_rows},
        {"/store/busy", false, test_busy},
        {"/store/busy-bytes", false, test_busy_bytes},
        {"/store/turn", true, test_turn},
        {"/store/no-backend", false, test_no_backend},
        {"/store/order", false, test_order},
        {"/store/close", false, test_close},
        {"/store/failure", true, test_failure},
        {"/store/threads", true, test_threads},
#ifdef RELAIS_LOOP_ASSERTS
        {"/store/wait-on-loop", true, test_wait_on_loop},
#endif
    };

    g_test_init (&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
        g_test_add (tests[i].path, Fixture, tests[i].memory ? &tests[i] : NULL, set_up,
                    tests[i].func, tear_down);
    return g_test_run ();
}
