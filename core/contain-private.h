/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What crashes lead to: modules that are off, messages that are put aside; and at run time the watchdog and
 * the record of the next crash. Main thread. relaisd's; relaisctl reads the same file (ctl-crashes.c).
 */
#pragma once

#include "module/host-private.h"

typedef struct RelaisContainment RelaisContainment;

/* The file of crash records, by what the files of `dirs` say. Owned. */
char *relais_crashes_path (const char *const *dirs);
/* Reads the records of earlier crashes. `recording`: those of this process are recorded there. */
RelaisContainment *relais_containment_new (const char *const *dirs, bool recording);
/* Loads the modules but for those that are off: after crashes, or since they cannot be loaded and on_failure says so.
 * False where the daemon must not start. */
bool relais_containment_load (RelaisContainment *containment, RelaisHost *host, char **names,
                              GError **error);
/* Once the configuration is in force and privileges are down, before modules start: budgets, the watchdog. */
void relais_containment_arm (RelaisContainment *containment, RelaisLoop *loop,
                             const RelaisConfig *config);
/* A message that the spool found: put aside if it was there at two crashes, before the queue takes it in. */
void relais_containment_found (RelaisContainment *containment, RelaisMessage *message);
/* All were found: writes down which were put aside. The spool ends before the containment. */
void relais_containment_recovered (RelaisContainment *containment, RelaisSpool *spool);
/* No watchdog any more: the loop goes. NULL ok. */
void relais_containment_disarm (RelaisContainment *containment);
/* NULL ok. */
void relais_containment_free (RelaisContainment *containment);
