/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For the tests of spf-check in the harness: a record that leads to very many others. The test's thread; records are
 * added to the harness's zone and never taken away.
 */
#pragma once

#include <relais/test.h>

/* Ten includes, and ten in each, and so on: `depth` 3 is what another library asks 11 111 questions for. */
void add_tree (RelaisTest *test, const char *name, guint depth);
