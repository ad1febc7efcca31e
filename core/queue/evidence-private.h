/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the outcomes of one settlement say against addresses, until the suppression list has it on disk. Loop thread.
 */
#pragma once

#include "queue/state-private.h"

typedef struct RelaisDossier RelaisDossier;

RelaisDossier *relais_dossier_new (RelaisSuppression *suppression);
/* Reports that are under way are not called back about any more. NULL ok. */
void relais_dossier_free (RelaisDossier *dossier);
/* Takes a copy; its `id` makes it count once however often it is reported. */
void relais_dossier_add (RelaisDossier *dossier, const RelaisEvidence *evidence);
/* Reports what is not kept yet; `done` is called from a later turn, when all of it was answered. */
void relais_dossier_report (RelaisDossier *dossier, RelaisLoopFunc done, gpointer data);
/* Whether the list has all of it. */
bool relais_dossier_is_kept (const RelaisDossier *dossier);
