/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * milter: asks filters that speak Sendmail's milter protocol, as an MTA does: opendkim, rspamd,
 * clamav-milter and others run with Relais unchanged. Loop, but for rewrite and seal.
 */
#include "milter.h"

#include <glib/gi18n-lib.h>

#include <string.h>

#define RELOADABLE RELAIS_OPTION_RELOADABLE
#define SECOND G_GINT64_CONSTANT (1000000)

static const RelaisOption options[] = {
    {"milter", "reverse_names", RELAIS_OPTION_BOOL, RELOADABLE, "yes", 0, 0, NULL,
     N_ ("Whether the name of each client's address is looked up, before it is greeted, and "
         "milters "
         "are told it: client_ptr, client_resolve, and client_name if it leads back to the "
         "address.")},
    {"milter-filter", "address", RELAIS_OPTION_STRING, RELOADABLE | RELAIS_OPTION_REQUIRED, NULL, 0,
     0, NULL, N_ ("Where the milter listens: HOST:PORT or unix:/PATH.")},
    {"milter-filter", "connect_timeout", RELAIS_OPTION_DURATION, RELOADABLE, "10s", SECOND / 10,
     300 * SECOND, NULL, N_ ("Time for the connection and what is agreed on it.")},
    {"milter-filter", "command_timeout", RELAIS_OPTION_DURATION, RELOADABLE, "30s", SECOND / 10,
     600 * SECOND, NULL, N_ ("Time for each answer before the end of the message.")},
    {"milter-filter", "message_timeout", RELAIS_OPTION_DURATION, RELOADABLE, "2m", SECOND / 10,
     1800 * SECOND, NULL,
     N_ ("Time for the answer to the end of the message; the three together: for all of one "
         "message.")},
    {"milter-filter", "on_failure", RELAIS_OPTION_ENUM, RELOADABLE, "tempfail", 0, 0,
     "tempfail|accept|reject",
     N_ ("What is done with mail when the milter cannot be asked: accept lets it through "
         "unfiltered.")},
    {"milter-filter", "listeners", RELAIS_OPTION_LIST, RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Listeners whose mail is filtered; all if unset.")},
    {"milter-filter", "tenants", RELAIS_OPTION_LIST, RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Tenants whose mail is filtered, from MAIL on; that of all, and of none, if unset.")},
    {"milter-filter", "max_body", RELAIS_OPTION_SIZE, RELOADABLE, "0", 0, G_MAXINT64, NULL,
     N_ ("The milter is shown that much of a message's body; 0: all of it.")},
};

/* --- Configuration ---------------------------------------------------------------------------- */

MilterServer *
milter_server_ref (MilterServer *server)
{
    return g_atomic_rc_box_acquire (server);
}

static void
server_clear (gpointer data)
{
    MilterServer *server = data;

    g_free (server->name);
    g_free (server->address);
    g_strfreev (server->listeners);
    g_strfreev (server->tenants);
}

void
milter_server_unref (MilterServer *server)
{
    g_atomic_rc_box_release_full (server, server_clear);
}

static MilterServer *
read_server (const RelaisSection *section)
{
    MilterServer *server = g_atomic_rc_box_new0 (MilterServer);

    *server = (MilterServer){
        .name = g_strdup (relais_section_get_name (section)),
        .address = g_strdup (relais_section_get_string (section, "address")),
        .connect_us = relais_section_get_int (section, "connect_timeout"),
        .command_us = relais_section_get_int (section, "command_timeout"),
        .message_us = relais_section_get_int (section, "message_timeout"),
        .on_failure = (MilterFailure)relais_section_get_enum (section, "on_failure"),
        .listeners = g_strdupv ((gchar **)relais_section_get_list (section, "listeners")),
        .tenants = g_strdupv ((gchar **)relais_section_get_list (section, "tenants")),
        .max_body = (guint64)relais_section_get_int (section, "max_body"),
    };
    return server;
}

static void
free_config (gpointer object)
{
    MilterConfig *config = object;

    g_ptr_array_unref (config->servers);
    g_free (config->hostname);
    g_free (config);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    const RelaisSection *relais = relais_config_find_section (config, "relais", NULL);
    const guint n = relais_config_n_sections (config, "milter-filter");
    MilterConfig *made;

    if (n > MILTER_MAX) {
        g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                     "there are %u sections [milter-filter NAME], of which there may be %d", n,
                     MILTER_MAX);
        return FALSE;
    }
    made = g_new (MilterConfig, 1);
    made->servers = g_ptr_array_new_with_free_func ((GDestroyNotify)milter_server_unref);
    made->reverse_names = relais_section_get_bool (
        relais_config_find_section (config, "milter", NULL), "reverse_names");
    made->hostname = g_strdup (relais_section_get_string (relais, "hostname"));
    for (guint i = 0; i < n; i++)
        g_ptr_array_add (made->servers,
                         read_server (relais_config_nth_section (config, "milter-filter", i)));
    *object = made;
    return TRUE;
}

/* --- The module ------------------------------------------------------------------------------- */

static gboolean
add_hooks (RelaisModule *module, Milter *self, GError **error)
{
    static const gchar *const dkim[] = {"dkim", NULL};
    const RelaisHookInfo hooks[] = {
        {.hook = RELAIS_HOOK_CONNECT, .name = "connect", .func = milter_ask},
        {.hook = RELAIS_HOOK_HELO, .name = "helo", .func = milter_ask},
        {.hook = RELAIS_HOOK_MAIL, .name = "mail", .func = milter_ask},
        {.hook = RELAIS_HOOK_RCPT, .name = "rcpt", .func = milter_ask},
        {.hook = RELAIS_HOOK_MESSAGE, .name = "message", .func = milter_ask},
        {.hook = RELAIS_HOOK_REWRITE, .name = "rewrite", .func = milter_rewrite},
        {.hook = RELAIS_HOOK_SEAL, .name = "seal", .func = milter_seal, .before = dkim},
    };

    for (guint i = 0; i < G_N_ELEMENTS (hooks); i++) {
        RelaisHookInfo info = hooks[i];

        info.struct_size = sizeof info;
        info.data = self;
        if (!relais_module_add_hook (module, &info, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
init (RelaisModule *module, GError **error)
{
    Milter *self = g_new0 (Milter, 1);

    self->module = module;
    self->session_slot = relais_slot_new (module, RELAIS_SCOPE_SESSION, milter_session_free);
    self->verdicts = relais_counter_new (module, "verdicts", "verdict");
    self->failures = relais_counter_new (module, "failures", "milter");
    g_queue_init (&self->sessions);
    relais_module_set_data (module, self);
    return add_hooks (module, self, error);
}

static void
stop (RelaisModule *module)
{
    Milter *self = relais_module_get_data (module);

    for (GList *node = self->sessions.head; node != NULL; node = node->next) {
        MilterSession *session = node->data;

        milter_session_close (session);
        g_clear_pointer (&session->reverse, milter_reverse_free);
    }
}

static void
finalize (RelaisModule *module)
{
    g_free (relais_module_get_data (module));
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = free_config,
    .stop = stop,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (milter, .name = "milter", .version = RELAIS_VERSION,
                      .summary = N_ ("asks milters (opendkim, rspamd, clamav-milter) about mail"),
                      .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE,
                      .options = options, .n_options = G_N_ELEMENTS (options), .ops = &ops);
