/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tests of the public API share: a harness with puppets (puppet.c), whose hooks do what a test says. A
 * program that has this in it is linked with -export-dynamic.
 */
#pragma once

#include <relais/test.h>

/* What a puppet's hooks do; NULL: CONTINUE. Data is `puppet_data`. */
extern RelaisHookFunc puppet_hooks[RELAIS_N_HOOKS];
extern gpointer puppet_data;
/* Called in the init of each puppet, besides the registering of its hooks; NULL: nothing. */
extern gboolean (*puppet_on_init) (RelaisModule *module, GError **error);
/* What their commands do. */
extern void (*puppet_on_command) (RelaisCommandCall *call);
/* How often puppet_hooks were called in all. */
extern guint puppet_calls;

/* A harness with these puppets, loaded, and `config` in force. */
RelaisTest *stage_new (const gchar *const *names, const gchar *config);
/* The same up to the loading, and where the puppets are. */
RelaisTest *stage_new_bare (void);
/* Forgets what the puppets do, and frees the harness. */
void stage_free (RelaisTest *test);
/* Turns the loop until `*flag` is set, for as long as it takes. */
void stage_wait (RelaisTest *test, const gboolean *flag);

/* The files of tests. */
void ask_add_tests (void);
void channel_add_tests (void);
void counter_add_tests (void);
void cursor_add_tests (void);
void edit_add_tests (void);
void intake_add_tests (void);
void job_add_tests (void);
void queue_add_tests (void);
void service_add_tests (void);
