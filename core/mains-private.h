/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the thin mains call: one function each, exported in the library's private node.
 */
#pragma once

#include <relais/types.h>

/* Each is a whole program's main; returns its exit status. */
RELAIS_API int relais_daemon_main (int argc, char **argv);
RELAIS_API int relais_ctl_main (int argc, char **argv);
RELAIS_API int relais_inspect_main (int argc, char **argv);
RELAIS_API int relais_sendmail_main (int argc, char **argv);
