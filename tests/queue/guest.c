/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See the header.
 */
#include "config.h"

#include "guest.h"

RelaisHost *
test_begin_init (Test *test, const char *name, RelaisModule **module)
{
    const RelaisModuleDescriptor descriptor = {
        .magic = RELAIS_MODULE_MAGIC,
        .struct_size = sizeof descriptor,
        .api_major = RELAIS_API_MAJOR,
        .minor_built = RELAIS_API_MINOR,
        .minor_required = RELAIS_API_MINOR,
        .name = name,
        .version = "1",
        .summary = "a fixture",
    };
    Fixture *fixture = &test->fixture;
    g_autoptr (GError) error = NULL;
    RelaisHost *host = relais_host_new (&(RelaisHostOptions){
        .loop = fixture->loop, .pool = fixture->pool, .module_dir = "/none", .program = "test"});

    *module = relais_module_new (host, &descriptor, name, &error);
    g_assert_no_error (error);
    g_ptr_array_add (host->modules, *module);
    host->config = relais_config_ref (fixture->config);
    host->in_init = true;
    return host;
}

void
test_end_init (Test *test, RelaisHost *host)
{
    g_autoptr (GError) error = NULL;

    host->in_init = false;
    g_assert_true (relais_chains_order (host, &error));
    g_assert_no_error (error);
    test->fixture.queue->host = host;
}

void
test_end_queue (Test *test)
{
    Fixture *fixture = &test->fixture;

    fixture_check (fixture);
    relais_queue_free (g_steal_pointer (&fixture->queue));
    while (relais_loop_turn (fixture->loop, false))
        continue;
}
