/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * dkim: signs a tenant's mail on its way out, as the last thing that happens to its bytes (SEAL), with
 * every key of the tenant for the domain of the header From. Mail without a tenant is somebody
 * else's and is not signed; what Relais writes itself is signed where there is a key for its host
 * name, and waits for none. The hook runs on worker threads; it keeps no state but the configuration
 * that is pinned for the message. Mail from outside is verified in inbound.c.
 */
#include "verify.h"

#include <relais/log.h>

#include <glib/gi18n-lib.h>
#include <string.h>

static const RelaisOption options[] = {
    {"dkim", "missing_key", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE, "defer", 0, 0,
     "defer|send",
     N_ ("A tenant's mail from a domain that has no key: defer keeps it until there is one, send "
         "lets it go unsigned, with a warning.")},
    {"dkim", "key_dir", RELAIS_OPTION_PATH, RELAIS_OPTION_RELOADABLE, DKIM_KEY_DIR, 0, 0, NULL,
     N_ ("Where relaisctl dkim keygen puts keys.")},
    {"dkim", "verify", RELAIS_OPTION_BOOL, RELAIS_OPTION_RELOADABLE, "yes", 0, 0, NULL,
     N_ ("Verify the signatures of mail from outside (without AUTH, not from trusted clients) and "
         "tell "
         "the results in Authentication-Results.")},
    {"dkim", "verify_timeout", RELAIS_OPTION_DURATION, RELAIS_OPTION_RELOADABLE, "20s",
     G_USEC_PER_SEC, 300 * (gint64)G_USEC_PER_SEC, NULL,
     N_ ("Time for all signatures of a message; what is not known then is a temporary error.")},
    {"dkim-key", "domain", RELAIS_OPTION_STRING, RELAIS_OPTION_REQUIRED | RELAIS_OPTION_RELOADABLE,
     NULL, 0, 0, NULL, N_ ("Domain that signs: mail whose header From is of this domain.")},
    {"dkim-key", "selector", RELAIS_OPTION_STRING,
     RELAIS_OPTION_REQUIRED | RELAIS_OPTION_RELOADABLE, NULL, 0, 0, NULL,
     N_ ("Selector: the record stands at SELECTOR._domainkey.DOMAIN.")},
    {"dkim-key", "file", RELAIS_OPTION_PATH, RELAIS_OPTION_REQUIRED | RELAIS_OPTION_RELOADABLE,
     NULL, 0, 0, NULL,
     N_ ("Private key (PEM, RSA or Ed25519), mode 0600, owned by root or the daemon's user.")},
    {"dkim-key", "tenant", RELAIS_OPTION_STRING, RELAIS_OPTION_REQUIRED | RELAIS_OPTION_RELOADABLE,
     NULL, 0, 0, NULL, N_ ("Owner: mail of another tenant is never signed with this key.")},
    {"dkim-key", "canonicalization", RELAIS_OPTION_ENUM, RELAIS_OPTION_RELOADABLE,
     "relaxed/relaxed", 0, 0, "relaxed/relaxed|relaxed/simple|simple/relaxed|simple/simple",
     N_ ("Canonicalisation of header and body.")},
    {"dkim-key", "headers", RELAIS_OPTION_LIST, RELAIS_OPTION_REPEAT | RELAIS_OPTION_RELOADABLE,
     NULL, 0, 0, NULL,
     N_ ("Header fields to sign, exactly as listed; a name listed once more than the field stands "
         "in the message forbids to add another. Unset: From, Reply-To, To, Cc, Subject, Date, "
         "Message-ID and the MIME fields that way, and List-Unsubscribe and List-Unsubscribe-Post "
         "as they stand.")},
};

static const RelaisCommand commands[] = {
    {"dkim", "keygen",
     N_ ("DOMAIN [--selector=NAME] [--type=rsa|ed25519] [--bits=2048] [--dir=DIR] "
         "[--force]"),
     "selector= type= bits= dir= force",
     N_ ("Make a key, print its DNS record and the lines for conf.d."), RELAIS_COMMAND_OFFLINE, 0,
     dkim_command_keygen},
    {"dkim", "test", N_ ("DOMAIN [--selector=NAME]"),
     "selector=", N_ ("Look the keys of a domain up in the DNS and compare them with ours."),
     RELAIS_COMMAND_ONLINE, 0, dkim_command_test},
    {"dkim", "verify", N_ ("FILE"), "@",
     N_ ("Verify the signatures of a message in a file (- for stdin); tell what the DNS said."),
     RELAIS_COMMAND_ONLINE, 0, dkim_command_verify},
};

/* --- The hook --------------------------------------------------------------------------------- */

static RelaisVerdict
defer (RelaisHook *hook, const char *enhanced, const char *text)
{
    if (!relais_hook_set_reply (hook, 451, enhanced, text))
        relais_hook_set_reply (hook, 451, enhanced, "DKIM signing failed");
    return RELAIS_VERDICT_DEFER;
}

static RelaisVerdict
without_key (RelaisHook *hook, DkimConfig *config, const char *tenant, const char *domain)
{
    g_autofree char *text =
        g_strdup_printf ("no DKIM key of tenant %s for domain %s", tenant, domain);
    g_autofree char *id = NULL;

    if (!config->send_unsigned)
        return defer (hook, "4.7.5", text);
    id = relais_message_dup_id (relais_hook_get_message (hook));
    relais_log (relais_hook_get_module (hook), RELAIS_LOG_WARNING,
                "%s: %s: sent unsigned (%d since the last reload)", id, text,
                g_atomic_int_add (&config->n_unsigned, 1) + 1);
    return RELAIS_VERDICT_CONTINUE;
}

static gint64
read_message (gpointer data, guint64 offset, gpointer buffer, guint64 size, GError **error)
{
    return relais_hook_read (data, offset, buffer, size, error);
}

static bool
sign_message (RelaisHook *hook, const DkimConfig *config, const GPtrArray *keys, GError **error)
{
    g_autoptr (GString) fields = g_string_sized_new (2048);
    guint64 size = 0;
    const guint8 *header = relais_hook_get_header (hook, &size, error);

    if (header == NULL ||
        !dkim_sign_message (config, keys, header, (gsize)size, read_message, hook, fields, error))
        return false;
    if (relais_hook_prepend_header (hook, fields->str, fields->len))
        return true;
    g_set_error_literal (error, DKIM_ERROR, DKIM_ERROR_SIGN, "the signature was not taken");
    return false;
}

static RelaisVerdict
seal (RelaisHook *hook, gpointer data)
{
    DkimConfig *config = relais_hook_get_config (hook);
    const char *tenant = relais_hook_get_tenant (hook);
    const RelaisMessage *message = relais_hook_get_message (hook);
    const char *from = relais_message_get_header_from (message);
    const char *at = from != NULL ? strrchr (from, '@') : NULL;
    g_autoptr (GPtrArray) keys = g_ptr_array_new ();
    g_autoptr (GError) error = NULL;

    if (tenant == NULL)
        return RELAIS_VERDICT_CONTINUE;
    if (at != NULL)
        dkim_config_find (config, tenant, at + 1, keys);
    if (keys->len == 0 && relais_message_get_listener (message) == NULL)
        return RELAIS_VERDICT_CONTINUE;
    if (keys->len == 0)
        return without_key (hook, config, tenant, at != NULL ? at + 1 : "(none)");
    if (sign_message (hook, config, keys, &error))
        return RELAIS_VERDICT_CONTINUE;
    relais_log (relais_hook_get_module (hook), RELAIS_LOG_ERROR, "cannot sign: %s", error->message);
    return defer (hook, "4.3.0", error->message);
}

/* --- The module ------------------------------------------------------------------------------- */

static gboolean
init (RelaisModule *module, GError **error)
{
    const RelaisHookInfo info = {
        .struct_size = sizeof info,
        .hook = RELAIS_HOOK_SEAL,
        .name = "sign",
        .func = seal,
    };
    DkimModule *dkim = g_new0 (DkimModule, 1);

    relais_module_set_data (module, dkim);
    dkim->checks = dkim_checks_new (module);
    if (dkim->checks == NULL) {
        g_set_error_literal (error, DKIM_ERROR, DKIM_ERROR_CONFIG,
                             _ ("libopendkim does not start"));
        return FALSE;
    }
    return relais_module_add_hook (module, &info, error) && dkim_inbound_init (module, error);
}

static void
stop (RelaisModule *module)
{
    DkimModule *dkim = relais_module_get_data (module);

    dkim_checks_stop (dkim->checks);
}

static void
finalize (RelaisModule *module)
{
    DkimModule *dkim = relais_module_get_data (module);

    if (dkim == NULL)
        return;
    dkim_checks_free (dkim->checks);
    g_free (dkim);
}

static gboolean
prepare_config (RelaisModule *module, RelaisConfig *config, gpointer *object, GError **error)
{
    *object = dkim_config_new (config, module, error);
    return *object != NULL;
}

static const RelaisModuleOps ops = {
    .struct_size = sizeof ops,
    .init = init,
    .prepare_config = prepare_config,
    .free_config = dkim_config_free,
    .stop = stop,
    .finalize = finalize,
};

RELAIS_MODULE_DEFINE (
    dkim, .name = "dkim", .version = RELAIS_VERSION,
    .summary = N_ ("signs outgoing mail with DKIM (RSA and Ed25519), verifies incoming mail"),
    .license = "GPL-3.0-or-later", .gettext_domain = GETTEXT_PACKAGE, .options = options,
    .n_options = G_N_ELEMENTS (options), .commands = commands,
    .n_commands = G_N_ELEMENTS (commands), .ops = &ops);
