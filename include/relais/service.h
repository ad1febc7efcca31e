/* SPDX-License-Identifier: MIT
 *
 * Services: what one module offers others, as a constant table of functions with a name and a version. A new minor
 * version only appends to the table; another major version is another service. The functions of a table run on the
 * thread of whoever calls them, as its header says.
 */
#pragma once

#include <relais/types.h>

G_BEGIN_DECLS

/* What each table begins with. */
typedef struct {
    guint32 struct_size; /* sizeof of the whole table as its module was built */
    guint32 reserved;    /* 0 */
} RelaisServiceTable;

/* Whether a table has this member: it is as long, and the member is set. Where it was looked up with a minor
 * version that has the member, nobody need ask. */
#define RELAIS_HAS_MEMBER(table, type, member)                                                     \
    (((const RelaisServiceTable *)(table))->struct_size >=                                         \
         G_STRUCT_OFFSET (type, member) + sizeof (((const type *)(table))->member) &&              \
     ((const type *)(table))->member != NULL)

/* Offers a table under `name` ([a-z0-9-]+, one module each), version `major`.`minor`. It must live as long as the
 * module, and its head must be filled in. In init only. */
RELAIS_API gboolean relais_service_publish (RelaisModule *module, const gchar *name, guint32 major,
                                            guint32 minor, const RelaisServiceTable *table,
                                            GError **error);
/* The table of that name, version `major`, at least `minor`. After init only (in start, in commit_config), on the
 * loop. Modules that offer it must stand in the descriptor's
 * requires_modules or wants_modules, so that they come up before this one and go down after it: the table is good
 * until this module's finalize has returned. NULL with an error that names what was found, wanted, and what to
 * do. Borrowed. */
RELAIS_API const RelaisServiceTable *
relais_service_lookup (RelaisModule *module, const gchar *name, guint32 major, guint32 minor,
                       GError **error);

G_END_DECLS
