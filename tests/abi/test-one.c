/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rules of 1.x: the loader and the validator, compiled with headers that call themselves 1.2, take modules built
 * with 1.0 to 1.3 as relais-module(7) says, and refuse the others with the exact text. This program has those two
 * files of its own; of all else nothing looks into a descriptor.
 */
#include "config.h"

#include "place.h"

#include "module/module-private.h"

#include <string.h>

static char *build_dir, *module_dir;

static RelaisModule *
load (const char *name, GError **error)
{
    RelaisHost host = {
        .module_dir = module_dir, .module_dir_is_callers = true, .program = (char *)"relaisd"};
    RelaisModule *module = relais_module_load (&host, name, error);

    if (module != NULL)
        module->host = NULL;
    return module;
}

/* --- What is taken ---------------------------------------------------------------------------- */

static RelaisModule *
take (const char *name)
{
    g_autoptr (GError) error = NULL;
    RelaisModule *module = load (name, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (module->descriptor.n_options, ==, 2);
    g_assert_cmpstr (module->options[0].key, ==, "a");
    g_assert_cmpstr (module->options[1].key, ==, "b");
    g_assert_cmpstr (module->commands[1].verb, ==, "b");
    g_assert_nonnull (module->ops.finalize);
    return module;
}

/* What came after its minor is zero. */
static void
test_older (void)
{
    RelaisModule *module = take ("one-0");

    g_assert_cmpuint (module->descriptor.minor_built, ==, 0);
    g_assert_null (module->descriptor.since_2);
    g_assert_null (module->ops.since_1);
    g_assert_null (module->options[1].since_1);
    g_assert_null (module->commands[1].since_2);
    relais_module_free (module);

    module = take ("one-1");
    g_assert_null (module->descriptor.since_2);
    g_assert_nonnull (module->ops.since_1);
    g_assert_cmpstr (module->options[1].since_1, ==, "one");
    relais_module_free (module);
}

static void
test_same (void)
{
    RelaisModule *module = take ("one-2");

    g_assert_cmpstr (module->descriptor.since_2, ==, "two");
    g_assert_nonnull (module->ops.since_1);
    relais_module_free (module);
}

/* Built with a newer one, it says that it needs no more than 1.0, and keeps its word. */
static void
test_newer (void)
{
    relais_module_free (take ("one-3"));
}

/* --- What is refused -------------------------------------------------------------------------- */

static void
test_refused (void)
{
    static const struct {
        const char *name, *message;
    } rows[] = {
        {"one-3-uses",
         "DIR/one-3-uses.so: struct_size: found fields that this Relais does not know, wanted "
         "zero after the first 152 octets; upgrade Relais, or rebuild the module without it"},
        {"one-3-op", "DIR/one-3-op.so: ops: found an operation that this Relais does not know, "
                     "wanted zero; upgrade Relais, or rebuild the module without it"},
        {"one-3-needs", "DIR/one-3-needs.so: minor_built: found 1.3, wanted 1.2; upgrade Relais"},
        {"two", "DIR/two.so: api_major: found 2, wanted 1; install the module built for this "
                "Relais"},
        {"guest", "DIR/guest.so: api_major: found 0, wanted 1; install the module built for this "
                  "Relais"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_auto (GStrv) parts = g_strsplit (rows[i].message, "DIR", -1);
        g_autofree char *message = g_strjoinv (module_dir, parts);
        g_autoptr (GError) error = NULL;

        g_assert_null (load (rows[i].name, &error));
        g_assert_cmpstr (error->message, ==, message);
    }
}

int
main (int argc, char **argv)
{
    static const char *const names[] = {"one-0",    "one-1",       "one-2", "one-3", "one-3-uses",
                                        "one-3-op", "one-3-needs", "two",   "guest"};
    const char *build = g_getenv ("RELAIS_BUILDDIR");
    int status;

    g_test_init (&argc, &argv, NULL);
    build_dir = build != NULL ? g_strdup (build) : g_get_current_dir ();
    module_dir = g_dir_make_tmp ("abi-XXXXXX", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
        abi_place (build_dir, module_dir, names[i], names[i], 0755);
    g_test_add_func ("/abi/one/older", test_older);
    g_test_add_func ("/abi/one/same", test_same);
    g_test_add_func ("/abi/one/newer", test_newer);
    g_test_add_func ("/abi/one/refused", test_refused);
    status = g_test_run ();
    abi_remove_all (module_dir);
    g_free (module_dir);
    g_free (build_dir);
    return status;
}
