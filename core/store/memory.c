/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A backend in memory, for tests of what uses the store: a balanced tree of keys under a mutex. Each
 * request is completed within submit, on the caller's thread. Nothing outlives it.
 */
#include "config.h"

#include "store/store-private.h"

#include <string.h>

struct RelaisStoreMemory {
    RelaisStore *store;
    GMutex mutex;
    GTree *tree; /* GBytes -> Value; under mutex */
    char *failure;
};

typedef struct {
    GBytes *bytes;
    gint64 expires_us;
} Value;

static void
value_free (gpointer data)
{
    Value *value = data;

    g_bytes_unref (value->bytes);
    g_free (value);
}

static gint
compare_keys (gconstpointer a, gconstpointer b, gpointer data)
{
    return g_bytes_compare (a, b);
}

RelaisStoreMemory *
relais_store_memory_new (RelaisStore *store)
{
    RelaisStoreMemory *memory = g_new0 (RelaisStoreMemory, 1);

    memory->store = store;
    memory->tree = g_tree_new_full (compare_keys, NULL, (GDestroyNotify)g_bytes_unref, value_free);
    g_mutex_init (&memory->mutex);
    return memory;
}

void
relais_store_memory_free (RelaisStoreMemory *memory)
{
    if (memory == NULL)
        return;
    g_tree_unref (memory->tree);
    g_mutex_clear (&memory->mutex);
    g_free (memory->failure);
    g_free (memory);
}

void
relais_store_memory_fail (RelaisStoreMemory *memory, const char *text)
{
    g_mutex_lock (&memory->mutex);
    g_free (memory->failure);
    memory->failure = g_strdup (text);
    g_mutex_unlock (&memory->mutex);
}

/* --- One key ---------------------------------------------------------------------------------- */

static GBytes *
key_of (const RelaisStoreRequest *request)
{
    gsize size;
    gconstpointer key = relais_store_request_get_key (request, &size);

    return g_bytes_new (key, size);
}

/* What is there now; an expired value goes. */
static Value *
lookup (RelaisStoreMemory *memory, GBytes *key)
{
    Value *value = g_tree_lookup (memory->tree, key);

    if (value == NULL || value->expires_us == 0 ||
        value->expires_us > relais_store_wall_us (memory->store))
        return value;
    g_tree_remove (memory->tree, key);
    return NULL;
}

static void
store (RelaisStoreMemory *memory, GBytes *key, gconstpointer bytes, gsize size, gint64 expires_us)
{
    Value *value = g_new (Value, 1);

    *value = (Value){g_bytes_new (bytes, size), expires_us};
    g_tree_replace (memory->tree, g_bytes_ref (key), value);
}

static void
tell_value (RelaisStoreRequest *request, const Value *value)
{
    relais_store_request_set_value (request, g_bytes_get_data (value->bytes, NULL),
                                    g_bytes_get_size (value->bytes), value->expires_us);
}

static RelaisStoreResult
get (RelaisStoreMemory *memory, RelaisStoreRequest *request, GBytes *key)
{
    const Value *value = lookup (memory, key);

    if (value == NULL)
        return RELAIS_STORE_ABSENT;
    tell_value (request, value);
    return RELAIS_STORE_FOUND;
}

static RelaisStoreResult
put (RelaisStoreMemory *memory, RelaisStoreRequest *request, GBytes *key)
{
    gsize size;
    gconstpointer bytes = relais_store_request_get_value (request, &size);

    store (memory, key, bytes, size, relais_store_request_get_expires_us (request));
    return RELAIS_STORE_FOUND;
}

static RelaisStoreResult
remove_key (RelaisStoreMemory *memory, RelaisStoreRequest *request, GBytes *key)
{
    if (lookup (memory, key) == NULL)
        return RELAIS_STORE_ABSENT;
    g_tree_remove (memory->tree, key);
    return RELAIS_STORE_FOUND;
}

static bool
parse_number (const Value *value, gint64 *number)
{
    gsize size;
    const char *bytes = g_bytes_get_data (value->bytes, &size);
    g_autofree char *text = g_strndup (bytes != NULL ? bytes : "", size);

    return strlen (text) == size &&
           g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, number, NULL);
}

static RelaisStoreResult
increment (RelaisStoreMemory *memory, RelaisStoreRequest *request, GBytes *key)
{
    const Value *value = lookup (memory, key);
    gint64 number = 0;
    char text[32];

    if (value != NULL && !parse_number (value, &number))
        return RELAIS_STORE_ERROR;
    if (__builtin_add_overflow (number, relais_store_request_get_delta (request), &number))
        return RELAIS_STORE_ERROR;
    g_snprintf (text, sizeof text, "%" G_GINT64_FORMAT, number);
    store (memory, key, text, strlen (text),
           value != NULL ? value->expires_us : relais_store_request_get_expires_us (request));
    relais_store_request_set_number (request, number);
    return RELAIS_STORE_FOUND;
}

static bool
is_expected (const RelaisStoreRequest *request, const Value *value)
{
    gsize size, found_size;
    gconstpointer expected = relais_store_request_get_expected (request, &size);
    gconstpointer found;

    if (expected == NULL || value == NULL)
        return expected == NULL && value == NULL;
    found = g_bytes_get_data (value->bytes, &found_size);
    return size == found_size && (size == 0 || memcmp (expected, found, size) == 0);
}

static RelaisStoreResult
compare_and_set (RelaisStoreMemory *memory, RelaisStoreRequest *request, GBytes *key)
{
    const Value *value = lookup (memory, key);

    if (!is_expected (request, value)) {
        if (value != NULL)
            tell_value (request, value);
        return RELAIS_STORE_CONFLICT;
    }
    if (relais_store_request_get_value (request, NULL) != NULL)
        return put (memory, request, key);
    g_tree_remove (memory->tree, key);
    return RELAIS_STORE_FOUND;
}

/* --- Scan ------------------------------------------------------------------------------------- */

static bool
has_prefix (GBytes *key, GBytes *prefix)
{
    gsize size, prefix_size;
    gconstpointer bytes = g_bytes_get_data (key, &size);
    gconstpointer start = g_bytes_get_data (prefix, &prefix_size);

    return size >= prefix_size && memcmp (bytes, start, prefix_size) == 0;
}

static GTreeNode *
first_node (RelaisStoreMemory *memory, const RelaisStoreRequest *request, GBytes *prefix)
{
    gsize size;
    gconstpointer bytes = relais_store_request_get_after (request, &size);
    g_autoptr (GBytes) after = g_bytes_new (bytes, bytes != NULL ? size : 0);

    if (bytes == NULL || g_bytes_compare (after, prefix) < 0)
        return g_tree_lower_bound (memory->tree, prefix);
    return g_tree_upper_bound (memory->tree, after);
}

static RelaisStoreResult
scan (RelaisStoreMemory *memory, RelaisStoreRequest *request, GBytes *prefix)
{
    const gint64 now = relais_store_wall_us (memory->store);
    GTreeNode *node = first_node (memory, request, prefix);
    guint32 n = 0;

    for (; node != NULL && has_prefix (g_tree_node_key (node), prefix);
         node = g_tree_node_next (node)) {
        const Value *value = g_tree_node_value (node);
        gsize key_size, size;
        gconstpointer key = g_bytes_get_data (g_tree_node_key (node), &key_size);
        gconstpointer bytes = g_bytes_get_data (value->bytes, &size);

        if (value->expires_us != 0 && value->expires_us <= now)
            continue;
        if (n == relais_store_request_get_limit (request)) {
            relais_store_request_set_more (request, TRUE);
            break;
        }
        relais_store_request_add_row (request, key, key_size, bytes, size);
        n++;
    }
    return n > 0 ? RELAIS_STORE_FOUND : RELAIS_STORE_ABSENT;
}

/* --- The backend ------------------------------------------------------------------------------ */

typedef RelaisStoreResult (*Operation) (RelaisStoreMemory *memory, RelaisStoreRequest *request,
                                        GBytes *key);

static void
submit (gpointer data, RelaisStoreRequest *request)
{
    static const Operation operations[] = {get, put, remove_key, increment, compare_and_set, scan};
    RelaisStoreMemory *memory = data;
    GBytes *key = key_of (request);
    g_autofree char *failure = NULL;
    RelaisStoreResult result = RELAIS_STORE_ERROR;

    g_mutex_lock (&memory->mutex);
    failure = g_strdup (memory->failure);
    if (failure == NULL)
        result = operations[relais_store_request_get_op (request)](memory, request, key);
    g_bytes_unref (key); /* the tree may share it: all references are counted under the mutex */
    g_mutex_unlock (&memory->mutex);
    if (failure != NULL)
        relais_store_request_fail (request, failure);
    else
        relais_store_request_complete (request, result);
}

const RelaisStoreBackend relais_store_memory_backend = {
    .struct_size = sizeof (RelaisStoreBackend),
    .ops = (1u << (RELAIS_STORE_SCAN + 1)) - 1,
    .submit = submit,
};
