/* SPDX-License-Identifier: MIT
 *
 * A module: a shared object that exports one constant descriptor, made by RELAIS_MODULE_DEFINE. The
 * core copies what it knows of the descriptor, checks it with relais_module_check (), and calls the
 * operations on its loop's thread. A module is never unmapped; it keeps no global state.
 *
 * Versioned structs carry their size first and only ever grow at the end: the core reads the part
 * that both sides know, and refuses a part that it does not know unless it is all zero.
 */
#pragma once

#include <relais/command.h>
#include <relais/option.h>
#include <relais/types.h>

G_BEGIN_DECLS

#define RELAIS_MODULE_MAGIC 0x524c414du /* "RLAM" */

/* What a module does when. Every function may be NULL. All on the loop's thread, none may block but
 * init, prepare_config, start and finalize at start-up and shutdown. */
typedef struct {
    guint32 struct_size;
    guint32 reserved; /* 0 */
    /* Registers hooks and slots. Once. */
    gboolean (*init) (RelaisModule *module, GError **error);
    /* Builds an immutable object from a configuration, or fails without effect. `*object` is the
     * core's from then on: it is freed by free_config once no call has it pinned any more, on any
     * thread. May run on a worker when the configuration is read again. */
    gboolean (*prepare_config) (RelaisModule *module, RelaisConfig *config, gpointer *object,
                                GError **error);
    /* The object of the last prepare_config is in force from now on. */
    void (*commit_config) (RelaisModule *module, gpointer object);
    void (*free_config) (gpointer object);
    /* The daemon is up; timers and jobs may begin. */
    gboolean (*start) (RelaisModule *module, GError **error);
    /* No more calls of hooks will come. Jobs that still run are waited for before finalize. After a start that
     * failed, too: it ends what that had begun. */
    void (*stop) (RelaisModule *module);
    void (*finalize) (RelaisModule *module);
} RelaisModuleOps;

typedef struct {
    /* The head: frozen for ever. */
    guint32 magic;
    guint32 struct_size;
    guint16 api_major;
    guint16 minor_built;    /* API minor of the headers it was built with */
    guint16 minor_required; /* the least that it runs with */
    guint16 reserved;       /* 0 */
    guint64 flags;          /* 0 */
    /* Who it is. */
    const gchar *name;    /* [a-z0-9-]+, as its file: NAME.so */
    const gchar *version; /* of the module; any text */
    const gchar *summary; /* one line, translatable */
    const gchar *license; /* SPDX expression */
    const gchar *homepage;
    const gchar *gettext_domain;
    /* Other modules by name; NULL-terminated, or NULL for none. */
    const gchar *const *requires_modules; /* must be loaded too, and come before this one */
    const gchar *const *wants_modules;    /* come before this one if they are loaded */
    const gchar *const *conflicts;        /* must not be loaded */
    const gchar *const *programs;         /* that may load it; NULL: all */
    /* What it declares. */
    const RelaisOption *options;
    guint32 n_options;
    guint32 option_size;           /* sizeof (RelaisOption) of the headers it was built with */
    const RelaisCommand *commands; /* their data is the RelaisModule */
    guint32 n_commands;
    guint32 command_size;
    const RelaisModuleOps *ops;
} RelaisModuleDescriptor;

/* Checks a descriptor as the loader does. The error names field, what was found, what was wanted
 * and what to do about it. Pure; any thread. */
RELAIS_API gboolean relais_module_check (const RelaisModuleDescriptor *descriptor, GError **error);

/* RELAIS_MODULE_DEFINE (ident, .name = "...", ...): `ident` is the name as a C identifier. With
 * RELAIS_STATIC the symbol carries it, so that tests may link several modules in. */
#ifdef RELAIS_STATIC
#define RELAIS_MODULE_SYMBOL(ident) G_PASTE (relais_module_0_, ident)
#else
#define RELAIS_MODULE_SYMBOL(ident) relais_module_0
#endif
#ifndef __cplusplus
#define RELAIS_MODULE_DEFINE(ident, ...)                                                           \
    extern __attribute__ ((visibility ("default")))                                                \
    const RelaisModuleDescriptor RELAIS_MODULE_SYMBOL (ident);                                     \
    const RelaisModuleDescriptor RELAIS_MODULE_SYMBOL (ident) = {                                  \
        .magic = RELAIS_MODULE_MAGIC,                                                              \
        .struct_size = sizeof (RelaisModuleDescriptor),                                            \
        .api_major = RELAIS_API_MAJOR,                                                             \
        .minor_built = RELAIS_API_MINOR,                                                           \
        .minor_required = RELAIS_API_MINOR,                                                        \
        .option_size = sizeof (RelaisOption),                                                      \
        .command_size = sizeof (RelaisCommand),                                                    \
        __VA_ARGS__}
#else
/* The same in C++ (20), where what is set stands in the order of the struct. */
#define RELAIS_MODULE_DEFINE(ident, ...)                                                           \
    extern "C" __attribute__ ((visibility ("default")))                                            \
    const RelaisModuleDescriptor RELAIS_MODULE_SYMBOL (ident);                                     \
    const RelaisModuleDescriptor RELAIS_MODULE_SYMBOL (ident) =                                    \
        [](RelaisModuleDescriptor module) constexpr                                                \
    {                                                                                              \
        module.magic = RELAIS_MODULE_MAGIC;                                                        \
        module.struct_size = sizeof (RelaisModuleDescriptor);                                      \
        module.api_major = RELAIS_API_MAJOR;                                                       \
        module.minor_built = RELAIS_API_MINOR;                                                     \
        module.minor_required = RELAIS_API_MINOR;                                                  \
        module.option_size = sizeof (RelaisOption);                                                \
        module.command_size = sizeof (RelaisCommand);                                              \
        return module;                                                                             \
    }                                                                                              \
    ({__VA_ARGS__})
#endif

/* --- For the module itself. */
RELAIS_API const gchar *relais_module_get_name (const RelaisModule *module);
/* The object in force now; loop only. Hook functions use relais_hook_get_config (). Borrowed. */
RELAIS_API gpointer relais_module_get_config (const RelaisModule *module);

/* A pointer of the module's own, for what lives as long as it is loaded: set in init, freed in finalize.
 * Any thread. NULL until it is set. */
RELAIS_API void relais_module_set_data (RelaisModule *module, gpointer data);
RELAIS_API gpointer relais_module_get_data (const RelaisModule *module);

/* Jobs: `work` runs on a worker and may block, then `done` (nullable) on the loop, always. FALSE, and
 * nothing happens, when too many jobs wait. Work that does not return for as long as [relais] watchdog
 * says (30 s) ends the daemon, unless a command or start began it. Loop or worker thread. */
typedef void (*RelaisWorkFunc) (gpointer data);
RELAIS_API gboolean relais_worker_run (RelaisModule *module, RelaisWorkFunc work,
                                       RelaisWorkFunc done, gpointer data);

G_END_DECLS
