/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which commands are Relais' own. Static; any thread.
 */
#include "config.h"

#include "commands-private.h"

#include "ctl-crashes-private.h"
#include "ctl-module-private.h"
#include "ctl-new-private.h"
#include "dns-check-private.h"
#include "http/tracking-private.h"
#include "module/host-private.h"
#include "queue/queue-private.h"
#include "reload-private.h"
#include "smtp/users-private.h"
#include "status-private.h"
#include "suppress/suppress-private.h"
#include "tls/tokens-private.h"

static const RelaisCommandTable tables[] = {
    relais_status_commands,    relais_reload_commands,      relais_queue_commands,
    relais_campaign_commands,  relais_suppression_commands, relais_tokens_commands,
    relais_host_commands,      relais_dns_check_commands,   relais_tracking_commands,
    relais_users_commands,     relais_new_commands,         relais_ctl_module_commands,
    relais_ctl_crash_commands, relais_ctl_commands,         relais_spool_commands,
};

void
relais_each_core_table (void (*func) (gpointer data, RelaisCommandTable table), gpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
        func (data, tables[i]);
}

bool
relais_is_core_command (const char *word, const char *verb)
{
    for (guint i = 0; i < G_N_ELEMENTS (tables); i++) {
        gsize n;
        const RelaisCommand *commands = tables[i](&n);

        for (gsize k = 0; k < n; k++)
            if (g_str_equal (commands[k].word, word) && g_strcmp0 (commands[k].verb, verb) == 0)
                return true;
    }
    return false;
}
