/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The store's calls as modules make them: each in the namespace of the module that calls, whatever its
 * keys look like; and how a module becomes the backend. Any thread, but relais_module_provide_store ().
 */
#include "config.h"

#include "module/module-private.h"

#include <glib/gi18n-lib.h>

/* --- Calls ------------------------------------------------------------------------------------ */

static RelaisStoreCall
get_call (gconstpointer key, gsize key_size)
{
    return (RelaisStoreCall){.op = RELAIS_STORE_GET, .key = key, .key_size = key_size};
}

static RelaisStoreCall
put_call (gconstpointer key, gsize key_size, gconstpointer value, gsize value_size,
          gint64 expires_us)
{
    return (RelaisStoreCall){.op = RELAIS_STORE_PUT,
                             .key = key,
                             .key_size = key_size,
                             .value = value != NULL || value_size > 0 ? value : "",
                             .value_size = value_size,
                             .expires_us = expires_us};
}

static RelaisStoreCall
remove_call (gconstpointer key, gsize key_size)
{
    return (RelaisStoreCall){.op = RELAIS_STORE_REMOVE, .key = key, .key_size = key_size};
}

static RelaisStoreCall
increment_call (gconstpointer key, gsize key_size, gint64 delta, gint64 expires_us,
                RelaisStoreFlags flags)
{
    return (RelaisStoreCall){.op = RELAIS_STORE_INCREMENT,
                             .flags = flags,
                             .key = key,
                             .key_size = key_size,
                             .delta = delta,
                             .expires_us = expires_us};
}

static RelaisStoreCall
compare_and_set_call (gconstpointer key, gsize key_size, gconstpointer expected,
                      gsize expected_size, gconstpointer value, gsize value_size, gint64 expires_us)
{
    return (RelaisStoreCall){.op = RELAIS_STORE_COMPARE_AND_SET,
                             .key = key,
                             .key_size = key_size,
                             .value = value,
                             .value_size = value_size,
                             .expected = expected,
                             .expected_size = expected_size,
                             .expires_us = expires_us};
}

static RelaisStoreCall
scan_call (gconstpointer prefix, gsize prefix_size, gconstpointer after, gsize after_size,
           guint32 limit)
{
    return (RelaisStoreCall){.op = RELAIS_STORE_SCAN,
                             .key = prefix,
                             .key_size = prefix_size,
                             .after = after,
                             .after_size = after_size,
                             .limit = limit};
}

typedef struct {
    RelaisModule *module;
    guint64 id; /* of the message that it is asked for, or 0 */
    RelaisStoreFunc done;
    gpointer data;
} Asked;

static void
on_reply (gpointer data, const RelaisStoreReply *reply)
{
    Asked *asked = data;
    RelaisGuard outer;

    relais_guard_enter (&outer, asked->module, "store", asked->id);
    asked->done (asked->data, reply);
    relais_guard_leave (&outer);
    g_free (asked);
}

static void
submit (RelaisModule *module, RelaisStoreCall call, RelaisStoreFunc done, gpointer data)
{
    Asked *asked;

    if (done == NULL) {
        relais_store_submit (module->host->store, module->descriptor.name, &call, NULL, NULL);
        return;
    }
    asked = g_new (Asked, 1);
    *asked = (Asked){module, relais_guard_id (), done, data};
    relais_store_submit (module->host->store, module->descriptor.name, &call, on_reply, asked);
}

static RelaisStoreReply *
submit_wait (RelaisModule *module, RelaisStoreCall call)
{
    const gint64 paused = relais_guard_pause ();
    RelaisStoreReply *reply =
        relais_store_submit_wait (module->host->store, module->descriptor.name, &call);

    relais_guard_resume (paused);
    return reply;
}

void
relais_store_get (RelaisModule *module, gconstpointer key, gsize key_size, RelaisStoreFunc done,
                  gpointer data)
{
    submit (module, get_call (key, key_size), done, data);
}

void
relais_store_put (RelaisModule *module, gconstpointer key, gsize key_size, gconstpointer value,
                  gsize value_size, gint64 expires_us, RelaisStoreFunc done, gpointer data)
{
    submit (module, put_call (key, key_size, value, value_size, expires_us), done, data);
}

void
relais_store_remove (RelaisModule *module, gconstpointer key, gsize key_size, RelaisStoreFunc done,
                     gpointer data)
{
    submit (module, remove_call (key, key_size), done, data);
}

void
relais_store_increment (RelaisModule *module, gconstpointer key, gsize key_size, gint64 delta,
                        gint64 expires_us, RelaisStoreFlags flags, RelaisStoreFunc done,
                        gpointer data)
{
    submit (module, increment_call (key, key_size, delta, expires_us, flags), done, data);
}

void
relais_store_compare_and_set (RelaisModule *module, gconstpointer key, gsize key_size,
                              gconstpointer expected, gsize expected_size, gconstpointer value,
                              gsize value_size, gint64 expires_us, RelaisStoreFunc done,
                              gpointer data)
{
    submit (module,
            compare_and_set_call (key, key_size, expected, expected_size, value, value_size,
                                  expires_us),
            done, data);
}

void
relais_store_scan (RelaisModule *module, gconstpointer prefix, gsize prefix_size,
                   gconstpointer after, gsize after_size, guint32 limit, RelaisStoreFunc done,
                   gpointer data)
{
    submit (module, scan_call (prefix, prefix_size, after, after_size, limit), done, data);
}

/* --- Waiting ---------------------------------------------------------------------------------- */

RelaisStoreReply *
relais_store_get_wait (RelaisModule *module, gconstpointer key, gsize key_size)
{
    return submit_wait (module, get_call (key, key_size));
}

RelaisStoreReply *
relais_store_put_wait (RelaisModule *module, gconstpointer key, gsize key_size, gconstpointer value,
                       gsize value_size, gint64 expires_us)
{
    return submit_wait (module, put_call (key, key_size, value, value_size, expires_us));
}

RelaisStoreReply *
relais_store_remove_wait (RelaisModule *module, gconstpointer key, gsize key_size)
{
    return submit_wait (module, remove_call (key, key_size));
}

RelaisStoreReply *
relais_store_increment_wait (RelaisModule *module, gconstpointer key, gsize key_size, gint64 delta,
                             gint64 expires_us, RelaisStoreFlags flags)
{
    return submit_wait (module, increment_call (key, key_size, delta, expires_us, flags));
}

RelaisStoreReply *
relais_store_compare_and_set_wait (RelaisModule *module, gconstpointer key, gsize key_size,
                                   gconstpointer expected, gsize expected_size, gconstpointer value,
                                   gsize value_size, gint64 expires_us)
{
    return submit_wait (module, compare_and_set_call (key, key_size, expected, expected_size, value,
                                                      value_size, expires_us));
}

RelaisStoreReply *
relais_store_scan_wait (RelaisModule *module, gconstpointer prefix, gsize prefix_size,
                        gconstpointer after, gsize after_size, guint32 limit)
{
    return submit_wait (module, scan_call (prefix, prefix_size, after, after_size, limit));
}

/* --- Backends --------------------------------------------------------------------------------- */

static gboolean
refuse (GError **error, const char *what)
{
    g_set_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_RELATION, _ ("store: %s"), what);
    return FALSE;
}

/* On the thread of whoever asks. */
static void
hand_to_backend (gpointer data, RelaisStoreRequest *request)
{
    const RelaisHost *host = data;
    RelaisGuard outer;

    relais_guard_enter (&outer, host->store_module, "store-submit", 0);
    host->store_backend.submit (host->store_backend_data, request);
    relais_guard_leave (&outer);
}

gboolean
relais_module_provide_store (RelaisModule *module, const RelaisStoreBackend *backend, gpointer data,
                             GError **error)
{
    RelaisHost *host = module->host;
    RelaisStoreBackend known;
    g_autofree char *text = NULL;

    if (!host->in_init)
        return refuse (error, _ ("a backend is registered in init only"));
    if (backend->struct_size < sizeof known ||
        !relais_copy_known (&known, sizeof known, backend, backend->struct_size) ||
        known.submit == NULL || known.ops == 0)
        return refuse (error, _ ("its RelaisStoreBackend is not of this Relais"));
    if (relais_store_has_backend (host->store)) {
        text = g_strdup_printf (_ ("found modules %s and %s, wanted one backend; disable one"),
                                host->store_module != NULL ? host->store_module->descriptor.name
                                                           : "test",
                                module->descriptor.name);
        return refuse (error, text);
    }
    host->store_module = module;
    host->store_backend = known;
    host->store_backend_data = data;
    known.submit = hand_to_backend;
    relais_store_set_backend (host->store, &known, host);
    return TRUE;
}

gint64
relais_store_now_us (const RelaisModule *module)
{
    return relais_store_wall_us (module->host->store);
}

RelaisStore *
relais_host_get_store (RelaisHost *host)
{
    return host->store;
}
