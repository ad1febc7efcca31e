/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See the header: asks the rooms, one after the other. Any thread that may block.
 */
#include "config.h"

#include "usable-private.h"

#include "policies-private.h"
#include "queue/settings-private.h"
#include "smtp/server-settings-private.h"

bool
relais_config_is_usable (RelaisConfig *config, GError **error)
{
    RelaisQueueSettings queue;
    const bool is_queue_good = relais_queue_settings_read (&queue, config, error);

    relais_queue_settings_clear (&queue);
    return is_queue_good && relais_server_settings_check (config, error) &&
           relais_policies_check (config, error);
}
