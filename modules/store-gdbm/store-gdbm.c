/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * store-gdbm: keeps what modules put into the store. The truth is a journal, synced before a write is
 * acknowledged; GDBM is the index that finds things in it. This file is the module: options, and the
 * store's life. It is GPL because GDBM is.
 */
#include "store-gdbm.h"

#include <relais/log.h>
#include <relais/module.h>

#include <glib/gi18n-lib.h>

static const RelaisOption options[] = {
    {"store-gdbm", "dir", RELAIS_OPTION_PATH, RELAIS_OPTION_WRITTEN, NULL, 0, 0, NULL,
     N_ ("Where the store is kept; store in [relais] state_dir unless set. A local file system "
         "that "
         "keeps what was synced.")},
    {"store-gdbm", "compact_size", RELAIS_OPTION_SIZE, 0, "64M", 1 << 16, G_MAXINT64, NULL,
     N_ ("Journals are made into a snapshot when they exceed this and four times the last "
         "snapshot.")},
    {"store-gdbm", "min_free", RELAIS_OPTION_SIZE, 0, "64M", 0, G_MAXINT64, NULL,
     N_ ("Free disk space below which nothing is written.")},
};

static const RelaisCommand commands[] = {
    {"store", "status", "", "", N_ ("Show what the store holds and how it is."),
     RELAIS_COMMAND_ONLINE, 0, sg_command_status},
    {"store", "get", N_ ("MODULE KEY..."), "", N_ ("Show what a module has under these keys."),
     RELAIS_COMMAND_ONLINE, 0, sg_command_get},
    {"store", "compact", "", "", N_ ("Make the journals into a snapshot now."),
     RELAIS_COMMAND_ONLINE, 0, sg_command_compact},
    {"store", "verify", "[DIR]", "", N_ ("Check every record of the store's files."),
     RELAIS_COMMAND_OFFLINE, 0, sg_command_verify},
};

/* Options of a run: they do not change while the store is open. */
typedef struct {
    char *dir;
    guint64 compact_bytes, min_free_bytes;
} Settings;

/* What lives as long as the module: requests go to `store` once it is open. */
static void
submit (gpointer module, RelaisStoreRequest *request)
{
    sg_store_submit (relais_module_get_data (module), request);
}

static gboolean
init (RelaisModule *module, GError **error)
{
    RelaisStoreBackend backend = sg_backend;

    backend.submit = submit;
    return relais_module_provide_store (module, &backend, module, error);
}

static void
free_config (gpointer object)
{
    Settings *settings = object;

    g_free (settings->dir);
    g_free (settings);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    const RelaisSection *section = relais_config_find_section (config, "store-gdbm", NULL);
    Settings *settings = g_new (Settings, 1);

    *settings = (Settings){sg_config_dir (config),
                           (guint64)relais_section_get_int (section, "compact_size"),
                           (guint64)relais_section_get_int (section, "min_free")};
    *object = settings;
    return TRUE;
}

static gint64
now_us (gpointer module)
{
    return relais_store_now_us (module);
}

static void
log_line (gpointer module, bool bad, const char *text)
{
    relais_log_text (module, bad ? RELAIS_LOG_ERROR : RELAIS_LOG_NOTICE, text);
}

static gboolean
start (RelaisModule *module, GError **error)
{
    const Settings *settings = relais_module_get_config (module);
    const SgOptions store_options = {
        .dir = settings->dir,
        .compact_bytes = settings->compact_bytes,
        .min_free_bytes = settings->min_free_bytes,
        .lazy_us = G_USEC_PER_SEC * 9 / 10, /* and a sync, within the second */
        .probe_us = 10 * G_USEC_PER_SEC,
        .settle_us = 10 * G_USEC_PER_SEC,
        .sweep_us = G_USEC_PER_SEC,
        .io = &sg_system_io,
        .now_us = now_us,
        .log = log_line,
        .data = module,
    };
    SgStore *store = sg_store_open (&store_options, error);

    relais_module_set_data (module, store);
    return store != NULL;
}

static void
stop (RelaisModule *module)
{
    sg_store_close (relais_module_get_data (module));
    relais_module_set_data (module, NULL);
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = free_config,
    .start = start,
    .stop = stop,
};

RELAIS_MODULE_DEFINE (store_gdbm, .name = "store-gdbm", .version = RELAIS_VERSION,
                      .summary = N_ ("keeps what modules store, in journals with a GDBM index"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .options = options, .n_options = G_N_ELEMENTS (options), .commands = commands,
                      .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
