/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The core's declared options as constant tables (schema.c), for the parser.
 */
#pragma once

#include <relais/option.h>

#include <stdbool.h>

typedef struct {
    const char *kind;
    bool has_name; /* [kind NAME] instead of [kind] */
} RelaisSectionKind;

const RelaisOption *relais_schema_core_options (gsize *n);
const RelaisSectionKind *relais_schema_core_kinds (gsize *n);
