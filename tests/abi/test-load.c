/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The loader: real files, each good or wrong in one way, with the exact message. Through the harness, as
 * anyone who writes modules would see it.
 */
#include "place.h"

#include <relais/store.h>
#include <relais/test.h>

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *build_dir;

/* `expected` has DIR for the directory; NULL: it loads. */
static void
assert_load (const char *dir, const char *const *names, const char *expected)
{
    g_autoptr (RelaisTest) test = relais_test_new (dir);
    g_autoptr (GError) error = NULL;
    g_auto (GStrv) parts = g_strsplit (expected != NULL ? expected : "", "DIR", -1);
    g_autofree char *message = g_strjoinv (dir, parts);

    if (expected == NULL) {
        relais_test_load (test, names, "", &error);
        g_assert_no_error (error);
        return;
    }
    g_assert_false (relais_test_load (test, names, "", &error));
    g_assert_cmpstr (error->message, ==, message);
}

static void
test_load (void)
{
    g_autofree char *dir = g_dir_make_tmp ("abi-XXXXXX", NULL);
    g_autofree char *link = g_build_filename (dir, "link.so", NULL);
    static const struct {
        const char *names[3];
        const char *message;
    } rows[] = {
        {{"guest"}, NULL},
        {{"guest", "guest"},
         "module guest: name: found a module of this name loaded already, wanted each once; enable "
         "it once"},
        {{"../guest"},
         "../guest: found a name of other characters, wanted a module's name of a-z, 0-9 and -; a "
         "module is enabled by its name, never by a path"},
        {{"nowhere"},
         "DIR/nowhere.so: found No such file or directory, wanted a readable module; install it, "
         "or "
         "set enable = no in its [module] section"},
        {{"writable"},
         "DIR/writable.so: found mode 0664, wanted no write permission for group and others; chmod "
         "go-w it"},
        {{"link"},
         "DIR/link.so: found a symbolic link, wanted a regular file; copy the module itself"},
        {{"renamed"},
         "DIR/renamed.so: name: found 'guest', wanted 'renamed'; a module's file is named as the "
         "module"},
        {{"minor"},
         "DIR/minor.so: minor_built: found 0.2, wanted 0.1; rebuild the module (before 1.0 every "
         "minor stands alone)"},
        {{"major"},
         "DIR/major.so: api_major: found 1, wanted 0; install the module built for this Relais"},
        {{"stranger"},
         "DIR/stranger.so: descriptor: found no symbol relais_module_0, wanted one made by "
         "RELAIS_MODULE_DEFINE; this is no Relais module"},
        {{"short"},
         "DIR/short.so: struct_size: found 128, wanted at least 144; rebuild the module with the "
         "headers of this Relais"},
        {{"tail"},
         "DIR/tail.so: struct_size: found fields that this Relais does not know, wanted zero after "
         "the first 144 octets; upgrade Relais, or rebuild the module without it"},
        {{"zero-tail"}, NULL},
        {{"nameless"}, "DIR/nameless.so: name: found NULL, wanted [a-z0-9-]+; name the module"},
        {{"command-a", "command-b"},
         "DIR/command-b.so: commands: found 'fixture' declared by module 'command-a' too, wanted "
         "it once; disable one of the two"},
        {{"path-a", "path-b"},
         "module path-b: route '/fixture/below' of module path-b meets route '/fixture/' of module "
         "path-a; set another path for one of them"},
        {{"cycle-a"},
         "DIR/cycle-a.so: requires_modules: found no module 'cycle-b' loaded, wanted it; set "
         "enable "
         "= yes in [module cycle-b]"},
        {{"cycle-a", "cycle-b"},
         "requires_modules: found the cycle cycle-a before cycle-b before cycle-a, wanted an "
         "order; "
         "disable one of them"},
    };

    abi_place (build_dir, dir, "guest", "guest", 0644);
    abi_place (build_dir, dir, "guest", "renamed", 0644);
    abi_place (build_dir, dir, "guest", "writable", 0664);
    abi_place (build_dir, dir, "minor", "minor", 0755);
    abi_place (build_dir, dir, "major", "major", 0755);
    abi_place (build_dir, dir, "stranger", "stranger", 0755);
    abi_place (build_dir, dir, "short", "short", 0755);
    abi_place (build_dir, dir, "tail", "tail", 0755);
    abi_place (build_dir, dir, "zero-tail", "zero-tail", 0755);
    abi_place (build_dir, dir, "nameless", "nameless", 0755);
    abi_place (build_dir, dir, "command-a", "command-a", 0755);
    abi_place (build_dir, dir, "command-b", "command-b", 0755);
    abi_place (build_dir, dir, "path-a", "path-a", 0755);
    abi_place (build_dir, dir, "path-b", "path-b", 0755);
    abi_place (build_dir, dir, "cycle-a", "cycle-a", 0755);
    abi_place (build_dir, dir, "cycle-b", "cycle-b", 0755);
    g_assert_cmpint (symlink ("guest.so", link), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        assert_load (dir, rows[i].names, rows[i].message);
    g_assert_cmpint (g_chmod (dir, 0777), ==, 0);
    assert_load (
        dir, rows[0].names,
        "DIR: found mode 0777, wanted no write permission for group and others; chmod go-w "
        "it");
    abi_remove_all (dir);
}

static void
test_owner (void)
{
    g_autofree char *dir = NULL, *file = NULL;

    if (geteuid () != 0) {
        g_test_skip ("only root can give a file away");
        return;
    }
    dir = g_dir_make_tmp ("abi-XXXXXX", NULL);
    file = g_build_filename (dir, "guest.so", NULL);
    abi_place (build_dir, dir, "guest", "guest", 0644);
    g_assert_cmpint (chown (file, 65534, 65534), ==, 0);
    assert_load (dir, (const char *const[]){"guest", NULL},
                 "DIR/guest.so: found owner 65534, wanted owner root; chown it to root or to "
                 "yourself");
    abi_remove_all (dir);
}

/* What was loaded stays mapped: a hundred hosts in a row find the same code. */
static void
test_again_and_again (void)
{
    g_autofree char *dir = g_dir_make_tmp ("abi-XXXXXX", NULL);

    abi_place (build_dir, dir, "guest", "guest", 0644);
    for (guint i = 0; i < 100; i++)
        assert_load (dir, (const char *const[]){"guest", NULL}, NULL);
    abi_remove_all (dir);
}

/* --- The store in memory ---------------------------------------------------------------------- */

static void
keep_reply (gpointer data, const RelaisStoreReply *reply)
{
    *(RelaisStoreReply **)data = relais_store_reply_ref (reply);
}

static void
assert_get (RelaisTest *test, RelaisModule *module, RelaisStoreResult result, const char *text)
{
    g_autoptr (RelaisStoreReply) reply = NULL;
    gconstpointer value;
    gsize size;

    relais_store_get (module, "k", 1, keep_reply, &reply);
    relais_test_settle_store (test);
    g_assert_cmpuint (relais_store_reply_get_result (reply), ==, result);
    value = relais_store_reply_get_value (reply, &size);
    if (result == RELAIS_STORE_FOUND)
        g_assert_cmpmem (value, (guint)size, text, (guint)strlen (text));
    else if (result == RELAIS_STORE_ERROR)
        g_assert_nonnull (strstr (relais_store_reply_get_error (reply), text));
}

static void
test_store (void)
{
    const RelaisStoreBackend backend = {.struct_size = sizeof backend};
    g_autofree char *dir = g_dir_make_tmp ("abi-XXXXXX", NULL);
    g_autoptr (GError) error = NULL;
    RelaisTest *test = relais_test_new (dir);
    RelaisModule *module;

    abi_place (build_dir, dir, "guest", "guest", 0644);
    relais_test_use_memory_store (test);
    g_assert_true (relais_test_load (test, (const char *const[]){"guest", NULL}, "", &error));
    g_assert_null (relais_test_find_module (test, "nobody"));
    module = relais_test_find_module (test, "guest");
    assert_get (test, module, RELAIS_STORE_ABSENT, NULL);
    relais_store_put (module, "k", 1, "value", 5, 0, NULL, NULL);
    assert_get (test, module, RELAIS_STORE_FOUND, "value");
    relais_test_fail_store (test, "the disk is gone");
    assert_get (test, module, RELAIS_STORE_ERROR, "the disk is gone");
    relais_test_fail_store (test, NULL);
    relais_store_remove (module, "k", 1, NULL, NULL);
    assert_get (test, module, RELAIS_STORE_ABSENT, NULL);
    g_assert_false (relais_module_provide_store (module, &backend, NULL, &error));
    g_assert_cmpstr (error->message, ==, "store: a backend is registered in init only");
    relais_test_free (test);

    /* Without one every call says what to do. */
    test = relais_test_new (dir);
    g_clear_error (&error);
    g_assert_true (relais_test_load (test, (const char *const[]){"guest", NULL}, "", &error));
    assert_get (test, relais_test_find_module (test, "guest"), RELAIS_STORE_ERROR,
                "enable store-gdbm");
    relais_test_free (test);
    abi_remove_all (dir);
}

int
main (int argc, char **argv)
{
    const char *build = g_getenv ("RELAIS_BUILDDIR");
    int status;

    g_test_init (&argc, &argv, NULL);
    build_dir = build != NULL ? g_strdup (build) : g_get_current_dir ();
    g_test_add_func ("/abi/load", test_load);
    g_test_add_func ("/abi/owner", test_owner);
    g_test_add_func ("/abi/again-and-again", test_again_and_again);
    g_test_add_func ("/abi/store", test_store);
    status = g_test_run ();
    g_free (build_dir);
    return status;
}
