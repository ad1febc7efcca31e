/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Services between modules: who names its provider is given what fits; whatever does not is said in so many words.
 */
#include "stage.h"

typedef struct {
    RelaisServiceTable head;
    guint (*twice) (guint n);
    guint (*thrice) (guint n); /* since 1.1 */
} Sums;

static guint
twice (guint n)
{
    return 2 * n;
}

static const Sums sums = {.head = {.struct_size = sizeof sums}, .twice = twice};
static const Sums older = {.head = {.struct_size = G_STRUCT_OFFSET (Sums, thrice)}, .twice = twice};

static gboolean
publish (RelaisModule *module, GError **error)
{
    const RelaisServiceTable headless = {0};
    const char *name = relais_module_get_name (module);

    if (!g_str_equal (name, "puppet"))
        return relais_service_publish (module, "puppet-sums", 1, 0, &sums.head, error);
    g_assert_null (relais_service_lookup (module, "puppet-sums", 1, 0, error));
    g_assert_cmpstr ((*error)->message, ==,
                     "service puppet-sums: found it asked for in init, wanted that later; this is "
                     "a fault of the module");
    g_clear_error (error);
    g_assert_false (relais_service_publish (module, "Puppet", 1, 0, &sums.head, error));
    g_assert_cmpstr (
        (*error)->message, ==,
        "service Puppet: found this name, wanted [a-z0-9-]+; this is a fault of the module");
    g_clear_error (error);
    g_assert_false (relais_service_publish (module, "puppet", 1, 0, &headless, error));
    g_assert_cmpstr ((*error)->message, ==,
                     "service puppet: found no head in its table, wanted struct_size; this is a "
                     "fault of the module");
    g_clear_error (error);
    return relais_service_publish (module, "puppet-sums", 1, 2, &sums.head, error);
}

static gboolean
publish_first (RelaisModule *module, GError **error)
{
    return !g_str_equal (relais_module_get_name (module), "puppet") ||
           relais_service_publish (module, "puppet-sums", 1, 2, &sums.head, error);
}

static void
assert_lookup (RelaisModule *module, const char *name, guint32 major, guint32 minor,
               const char *message)
{
    g_autoptr (GError) error = NULL;
    const RelaisServiceTable *table = relais_service_lookup (module, name, major, minor, &error);

    if (message == NULL) {
        g_assert_no_error (error);
        g_assert_true (table == &sums.head);
        g_assert_cmpuint (((const Sums *)table)->twice (21), ==, 42);
    } else {
        g_assert_null (table);
        g_assert_cmpstr (error->message, ==, message);
    }
}

static void
test_lookup (void)
{
    RelaisTest *test;
    RelaisModule *puppet, *second;

    puppet_on_init = publish_first;
    test = stage_new ((const gchar *const[]){"second", "puppet", NULL}, "");
    puppet = relais_test_find_module (test, "puppet");
    second = relais_test_find_module (test, "second");
    assert_lookup (second, "puppet-sums", 1, 0, NULL);
    assert_lookup (second, "puppet-sums", 1, 2, NULL);
    assert_lookup (puppet, "puppet-sums", 1, 0, NULL);
    assert_lookup (second, "puppet-sums", 1, 3,
                   "service puppet-sums: found 1.2 of module 'puppet', wanted 1.3; install "
                   "versions of the two modules that fit");
    assert_lookup (second, "puppet-sums", 2, 0,
                   "service puppet-sums: found 1.2 of module 'puppet', wanted 2.0; install "
                   "versions of the two modules that fit");
    assert_lookup (second, "puppet-none", 1, 0,
                   "service puppet-none: found none, wanted 1.0; enable the module that offers it");
    stage_free (test);
}

/* Who does not name the provider could outlive it. */
static gboolean
publish_second (RelaisModule *module, GError **error)
{
    return !g_str_equal (relais_module_get_name (module), "second") ||
           relais_service_publish (module, "second-sums", 1, 0, &sums.head, error);
}

static void
test_not_named (void)
{
    RelaisTest *test;

    puppet_on_init = publish_second;
    test = stage_new ((const gchar *const[]){"puppet", "second", NULL}, "");
    assert_lookup (relais_test_find_module (test, "puppet"), "second-sums", 1, 0,
                   "service second-sums: found module 'second' not named in requires_modules or "
                   "wants_modules, wanted it; this is a fault of the module");
    stage_free (test);
}

static void
test_twice (void)
{
    RelaisTest *test = stage_new_bare ();
    g_autoptr (GError) error = NULL;

    puppet_on_init = publish;
    g_assert_false (
        relais_test_load (test, (const gchar *const[]){"puppet", "second", NULL}, "", &error));
    g_assert_cmpstr (error->message, ==,
                     "module second: service puppet-sums: found it offered by module 'puppet' "
                     "already, wanted it once; disable one of the two");
    stage_free (test);
}

static void
test_late (void)
{
    RelaisTest *test = stage_new ((const gchar *const[]){"puppet", NULL}, "");
    g_autoptr (GError) error = NULL;

    g_assert_false (relais_service_publish (relais_test_find_module (test, "puppet"), "puppet", 1,
                                            0, &sums.head, &error));
    g_assert_cmpstr (error->message, ==,
                     "service puppet: found it published later, wanted it in init; this is a "
                     "fault of the module");
    stage_free (test);
}

/* A module is tested without the one that it takes from. */
static void
test_fake (void)
{
    RelaisTest *test = stage_new_bare ();
    g_autoptr (GError) error = NULL;

    relais_test_publish_service (test, "puppet-sums", 1, 0, &sums.head);
    g_assert_true (relais_test_load (test, (const gchar *const[]){"puppet", NULL}, "", &error));
    assert_lookup (relais_test_find_module (test, "puppet"), "puppet-sums", 1, 0, NULL);
    stage_free (test);
}

static guint
thrice (guint n)
{
    return 3 * n;
}

static void
test_members (void)
{
    const Sums newer = {.head = {.struct_size = sizeof newer}, .twice = twice, .thrice = thrice};

    g_assert_true (RELAIS_HAS_MEMBER (&older, Sums, twice));
    g_assert_false (RELAIS_HAS_MEMBER (&older, Sums, thrice));
    g_assert_false (RELAIS_HAS_MEMBER (&sums, Sums, thrice));
    g_assert_true (RELAIS_HAS_MEMBER (&newer, Sums, thrice));
}

void
service_add_tests (void)
{
    g_test_add_func ("/api/service/lookup", test_lookup);
    g_test_add_func ("/api/service/not-named", test_not_named);
    g_test_add_func ("/api/service/twice", test_twice);
    g_test_add_func ("/api/service/late", test_late);
    g_test_add_func ("/api/service/fake", test_fake);
    g_test_add_func ("/api/service/members", test_members);
}
