/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Schema and configuration as the files of core/conf see them. Built by one thread, read-only and
 * counted from then on.
 */
#pragma once

#include "conf/conf-private.h"
#include "conf/schema-private.h"
#include "conf/value-private.h"

/* One key that may stand in a kind of section. */
typedef struct {
    RelaisOption option;  /* its `key` is `name` */
    char *name;           /* as it stands in a file: "port", "throttle.rate" */
    guint index;          /* in RelaisKind.keys and RelaisSection.slots */
    RelaisValue fallback; /* the default, or unset */
} RelaisKey;

typedef struct {
    char *kind; /* "listener"; "module dkim" for what [module dkim] takes */
    bool has_name;
    bool fold_case; /* names are domains: compared in lower case */
    bool is_core;
    bool comes_and_goes; /* of the core's kinds: a reload adds and removes such sections */
    GPtrArray *keys;     /* RelaisKey *, in order of declaration */
    GHashTable *by_name;
} RelaisKind;

struct RelaisSchema {
    gatomicrefcount refs;
    GPtrArray *kinds; /* RelaisKind *, in order of declaration */
    GHashTable *by_kind;
    GHashTable *modules; /* set of names */
    GHashTable *off;     /* names of modules that are installed, but off */
};

RelaisSchema *relais_schema_ref (RelaisSchema *schema);
const RelaisKind *relais_schema_find_kind (const RelaisSchema *schema, const char *kind);
const RelaisKey *relais_kind_find_key (const RelaisKind *kind, const char *name);

typedef struct {
    RelaisValue value;
    bool is_set;      /* by a file, not seeded */
    bool is_bad;      /* a file tried to set it: told already */
    char *origin;     /* "FILE:LINE" */
    const void *file; /* while reading: the file that set it, to tell twice from overridden */
    guint line;
} RelaisSlot;

struct RelaisSection {
    const RelaisKind *kind;
    char *name; /* "" for kinds without */
    char *file; /* where it first stood; NULL if implied */
    guint line;
    RelaisSlot **slots; /* by RelaisKey.index; NULL: the default */
};

struct RelaisConfig {
    gatomicrefcount refs;
    RelaisSchema *schema;
    GPtrArray *sections; /* RelaisSection *, in order of first appearance */
    GHashTable *by_kind; /* kind -> GPtrArray of RelaisSection * (borrowed) */
    GHashTable *by_name; /* "kind name" -> RelaisSection * (borrowed) */
};

RelaisConfig *relais_config_new (RelaisSchema *schema);
/* Finds the section or makes it. `kind` is what decides its keys, `public_kind` what it is counted
 * under ("module" for kind "module dkim"). */
RelaisSection *relais_config_take_section (RelaisConfig *config, const RelaisKind *kind,
                                           const char *public_kind, const char *name);
/* The slot, made if it was not. */
RelaisSlot *relais_section_take_slot (RelaisSection *section, const RelaisKey *key);
/* The kind that it is counted under. */
const char *relais_section_public_kind (const RelaisSection *section, gsize *size);
/* "[listener submission]" or "[relais]". Owned. */
char *relais_section_title (const RelaisSection *section);

/* References and addresses (check.c): appends what is wrong. */
void relais_config_check (const RelaisConfig *config, GPtrArray *findings);
