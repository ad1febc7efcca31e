/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * core/module/routes.c: which registrations are refused, that two routes never meet, and who answers for
 * a path.
 */
#include "config.h"

#include "bed.h"

#include <string.h>

static void
handle (RelaisHttpRequest *request, gpointer data)
{
}

static gboolean
probe (RelaisModule *module, const gchar *host, gpointer data, RelaisHttpProbe *probe_)
{
    return FALSE;
}

typedef struct {
    RelaisHost *host;
    RelaisModule *one, *other;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
    fixture->host = relais_host_new (&(RelaisHostOptions){.program = "test"});
    fixture->one = bed_add_module (fixture->host, "one");
    fixture->other = bed_add_module (fixture->host, "other");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
    relais_host_free (fixture->host);
}

static RelaisHttpRouteInfo
route (const char *path)
{
    return (RelaisHttpRouteInfo){.path = path, .methods = RELAIS_HTTP_GET, .func = handle};
}

static void
assert_refused (RelaisModule *module, RelaisHttpRouteInfo info)
{
    g_autoptr (GError) error = NULL;

    g_assert_false (bed_try_route (module, info, &error));
    g_assert_error (error, RELAIS_MODULE_ERROR, RELAIS_MODULE_ERROR_HOOK);
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
    g_autofree char *longest = g_strnfill (255, 'a');
    g_autofree char *longer = g_strnfill (256, 'a');
    static const char *const paths[] = {NULL, "", "o/", "/o?x", "/o#x", "/o x", "/\xc3\xa9", "/\n"};
    RelaisHttpRouteInfo info;

    for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
        assert_refused (fixture->one, route (paths[i]));
    longest[0] = longer[0] = '/';
    assert_refused (fixture->one, route (longer));
    g_assert_true (bed_try_route (fixture->one, route (longest), NULL));
    info = route ("/x");
    info.func = NULL;
    assert_refused (fixture->one, info);
    info = route ("/x");
    info.methods = 0;
    assert_refused (fixture->one, info);
    info.methods = 1 << 2;
    assert_refused (fixture->one, info);
    info = route ("/x");
    info.listener = 2;
    assert_refused (fixture->one, info);
    info = route ("/x");
    info.kind = 2;
    assert_refused (fixture->one, info);
    info = route ("/x");
    info.reserved = 1;
    assert_refused (fixture->one, info);
    info = route ("/x");
    info.max_body = RELAIS_HTTP_BODY_BYTES + 1;
    assert_refused (fixture->one, info);
    info.max_body--;
    info.probe = probe;
    assert_refused (fixture->one, info);
    info.probe_name = "pixel";
    g_assert_true (bed_try_route (fixture->one, info, NULL));
}

static void
test_init_only (Fixture *fixture, gconstpointer data)
{
    RelaisHttpRouteInfo info = route ("/x");
    g_autoptr (GError) error = NULL;

    info.struct_size = sizeof info;
    g_assert_false (relais_module_add_route (fixture->one, &info, &error));
    g_clear_error (&error);
    info.struct_size = sizeof info - 1;
    fixture->host->in_init = true;
    g_assert_false (relais_module_add_route (fixture->one, &info, &error));
    fixture->host->in_init = false;
    g_assert_nonnull (error);
}

static void
test_conflict (Fixture *fixture, gconstpointer data)
{
    static const char *const meets[] = {"/o/", "/o/x", "/o/x/", "/", "/h", "/h"};
    RelaisHttpRouteInfo info = route ("/o/");

    g_assert_true (bed_try_route (fixture->one, info, NULL));
    g_assert_true (bed_try_route (fixture->one, route ("/h"), NULL));
    for (guint i = 0; i < G_N_ELEMENTS (meets); i++) {
        g_autoptr (GError) error = NULL;

        g_assert_false (bed_try_route (fixture->other, route (meets[i]), &error));
        g_assert_nonnull (strstr (error->message, "module one"));
        g_assert_nonnull (strstr (error->message, "module other"));
        g_assert_nonnull (strstr (error->message, meets[i]));
    }
    g_assert_true (bed_try_route (fixture->other, route ("/o"), NULL));
    g_assert_true (bed_try_route (fixture->other, route ("/h/"), NULL));
    g_assert_true (bed_try_route (fixture->other, route ("/hh"), NULL));
    info.listener = RELAIS_HTTP_API;
    g_assert_true (bed_try_route (fixture->other, info, NULL));
}

static const char *
found (Fixture *fixture, RelaisHttpListenerKind kind, const char *path)
{
    const RelaisHttpRoute *route_ =
        relais_host_find_route (fixture->host, kind, path, strlen (path));

    return route_ != NULL ? route_->path : NULL;
}

static void
test_find (Fixture *fixture, gconstpointer data)
{
    RelaisHttpRouteInfo api = route ("/");

    api.listener = RELAIS_HTTP_API;
    g_assert_true (bed_try_route (fixture->one, route ("/o/"), NULL));
    g_assert_true (bed_try_route (fixture->other, route ("/health"), NULL));
    g_assert_true (bed_try_route (fixture->other, api, NULL));
    g_assert_cmpuint (relais_host_n_routes (fixture->host), ==, 3);
    g_assert_true (relais_host_nth_route (fixture->host, 1)->module == fixture->other);
    g_assert_cmpstr (found (fixture, RELAIS_HTTP_TRACKER, "/o/"), ==, "/o/");
    g_assert_cmpstr (found (fixture, RELAIS_HTTP_TRACKER, "/o/x/y"), ==, "/o/");
    g_assert_cmpstr (found (fixture, RELAIS_HTTP_TRACKER, "/health"), ==, "/health");
    g_assert_cmpstr (found (fixture, RELAIS_HTTP_TRACKER, "/o"), ==, NULL);
    g_assert_cmpstr (found (fixture, RELAIS_HTTP_TRACKER, "/health/"), ==, NULL);
    g_assert_cmpstr (found (fixture, RELAIS_HTTP_TRACKER, "/"), ==, NULL);
    g_assert_cmpstr (found (fixture, RELAIS_HTTP_TRACKER, "/O/"), ==, NULL);
    g_assert_cmpstr (found (fixture, RELAIS_HTTP_API, "/health"), ==, "/");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
#define ADD(name, test) g_test_add (name, Fixture, NULL, set_up, test, tear_down)
    ADD ("/routes/refused", test_refused);
    ADD ("/routes/init-only", test_init_only);
    ADD ("/routes/conflict", test_conflict);
    ADD ("/routes/find", test_find);
#undef ADD
    return g_test_run ();
}
