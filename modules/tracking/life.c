/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See the header. Pure.
 */
#include "life.h"

#include <gio/gio.h>
#include <glib/gi18n-lib.h>

bool
tracking_life_check (const RelaisConfig *config, const RelaisSection *section, const char *name,
                     GError **error)
{
    const RelaisSection *tokens = relais_config_find_section (config, "tokens", NULL);

    if (tokens == NULL ||
        relais_section_get_int (section, "life") <= relais_section_get_int (tokens, "keep"))
        return true;
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 _ ("%s: [%s] life is longer than [tokens] keep (%s), and what is sent would "
                    "lead nowhere before its time; shorten one or lengthen the other"),
                 relais_section_get_origin (section, "life"), name,
                 relais_section_get_origin (tokens, "keep"));
    return false;
}
