/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The core's declared options as constant tables (schema.c), for the parser.
 */
#pragma once

#include <relais/option.h>

#include <stdbool.h>

typedef struct {
    const char *kind;
    bool has_name;       /* [kind NAME] instead of [kind] */
    bool fold_case;      /* the names are domains: written in either case, kept in lower */
    bool comes_and_goes; /* a reload adds and removes sections of this kind */
} RelaisSectionKind;

/* A section or value that is there although no file says so. */
typedef struct {
    const char *kind, *name;
    bool only_if_none;       /* implied when no section of the kind was declared */
    const char *key, *value; /* the default of this one section; NULL for the section alone */
} RelaisSeed;

const RelaisOption *relais_schema_core_options (gsize *n);
const RelaisSectionKind *relais_schema_core_kinds (gsize *n);
const RelaisSeed *relais_schema_core_seeds (gsize *n);
