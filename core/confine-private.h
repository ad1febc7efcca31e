/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the daemon may do from the moment it serves: which files it may open (landlock) and which calls the kernel
 * answers it (seccomp). Its files stand beside privileges.c and in no room: like giving up root it is one step of the
 * start, it needs to know the whole configuration, and nothing but the mains may ask for it. Main thread, before any
 * other thread exists, since a landlock domain binds the thread that enters it and those it makes; check () and the
 * words for status may be asked from any thread.
 *
 * Files are a list of what is allowed. System calls are a list of what is refused: modules are guests that may link
 * anything, and a list of what is allowed would be wrong with each library's next version. Helper processes know all
 * that they need and have such a list (module/helper-serve.c); theirs comes on top of this one.
 *
 * Both outlive exec (), so a program that takes over (reexec.c) finds itself confined and adds nothing: landlock ends
 * at 16 layers. What holds is told to it in the environment, and believed where a probe says that it is so.
 */
#pragma once

#include "conf/conf-private.h"

typedef enum {
    RELAIS_CONFINE_READ = 1 << 0,
    RELAIS_CONFINE_WRITE = 1 << 1, /* make, rename and remove too */
    RELAIS_CONFINE_RUN = 1 << 2
} RelaisConfineRights;

typedef struct {
    char *path; /* without links; all below it is meant */
    guint rights;
} RelaisConfineRule;

typedef struct RelaisConfinement RelaisConfinement;

/* What the command line names. Borrowed. */
typedef struct {
    const char *const *conf_dirs;
    const char *module_dir, *locale_dir;
    const char *clock; /* or NULL */
} RelaisConfinePlaces;

/* Takes what an earlier program left in the environment out of it. Owned. */
RelaisConfinement *relais_confinement_new (void);
/* NULL ok. */
void relais_confinement_free (RelaisConfinement *confinement);
/* Does what `confine` in [relais] says. False where it says "required" and a part is not to be had. */
bool relais_confinement_enter (RelaisConfinement *confinement, const RelaisConfinePlaces *places,
                               const RelaisConfig *config, GError **error);
/* Adds a warning to `findings` for each path in `config` that cannot be reached before a restart. */
void relais_confinement_check (const RelaisConfinement *confinement, const RelaisConfig *config,
                               GPtrArray *findings);
/* What is in force, or why it is not: for status. Borrowed. */
const char *relais_confinement_files (const RelaisConfinement *confinement);
const char *relais_confinement_calls (const RelaisConfinement *confinement);
/* For the environment of the program that takes over: the variable's name, and its value (owned). */
#define RELAIS_CONFINEMENT_VARIABLE "RELAIS_CONFINEMENT"
char *relais_confinement_to_text (const RelaisConfinement *confinement);

/* --- Rules (confine-rules.c) ------------------------------------------------------------------ */

/* RelaisConfineRule, owned by the array. */
GPtrArray *relais_confine_rules_new (void);
/* What exists of `path`, links followed. A path that is not there adds nothing. */
void relais_confine_rules_add (GPtrArray *rules, const char *path, guint rights);
/* A file that is replaced by renaming has a new inode, which no rule for the old one fits: its directory is added, and
 * that of what it links to. But of a file right below "/" itself. A directory is added itself. */
void relais_confine_rules_add_named (GPtrArray *rules, const char *path, guint rights);
/* All of `rights` hold at `path`; if it is not there, at what of its parents is. */
bool relais_confine_rules_cover (const GPtrArray *rules, const char *path, guint rights);
/* One line a rule. Owned. */
char *relais_confine_rules_to_text (const GPtrArray *rules);
/* The lines of such a text; what is none is left out. Owned. */
GPtrArray *relais_confine_rules_parse (char **lines);

/* --- The kernel's side (confine-files.c, confine-calls.c) ------------------------------------- */

/* The kernel's landlock ABI; 0 and errno: it has none. */
int relais_landlock_abi (void);
/* Binds this thread to the rules for good. False and errno. */
bool relais_landlock_enter (const GPtrArray *rules, int abi);
/* Names of the refused calls, NULL-terminated. */
const char *const *relais_refused_calls (void);
/* Has them answered with EPERM, on all threads and for good. False and errno. */
bool relais_refuse_calls (void);
