/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A module for the loader's tests, built several times: FIXTURE_NAME is its name, FIXTURE_MINOR the API
 * minor it claims, FIXTURE_SYMBOL its symbol, FIXTURE_REQUIRES a module it needs.
 */
#include <relais/hook.h>
#include <relais/module.h>

#ifdef FIXTURE_REQUIRES
static const gchar *const needed[] = {FIXTURE_REQUIRES, NULL};
#endif

extern __attribute__ ((visibility ("default"))) const RelaisModuleDescriptor FIXTURE_SYMBOL;

const RelaisModuleDescriptor FIXTURE_SYMBOL = {
    .magic = RELAIS_MODULE_MAGIC,
    .struct_size = sizeof (RelaisModuleDescriptor),
    .api_major = RELAIS_API_MAJOR,
    .minor_built = FIXTURE_MINOR,
    .minor_required = FIXTURE_MINOR,
    .name = FIXTURE_NAME,
    .version = "1",
    .summary = "a fixture",
#ifdef FIXTURE_REQUIRES
    .requires_modules = needed,
#endif
};
