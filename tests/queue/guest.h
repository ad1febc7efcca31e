/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The usual scene with a real host and one module in it, whose hooks are the test's own functions.
 */
#pragma once

#include "scene.h"

#include "module/module-private.h"

/* A host for the queue with one module of that name, which is in init until test_end_init (). Owned. */
RelaisHost *test_begin_init (Test *test, const char *name, RelaisModule **module);
void test_end_init (Test *test, RelaisHost *host);
/* Ends the queue, which goes before its host, as in the daemon. */
void test_end_queue (Test *test);
