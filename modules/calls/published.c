/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The rows and the end of `relaisctl WORD test DOMAIN`. Keeps nothing. Loop thread.
 */
#include "published.h"

#include <glib/gi18n-lib.h>
#include <string.h>

enum { NAME_BYTES = 253, LABEL_BYTES = 63 };

/* Two labels or more of letters, digits, "-" and "_". */
static bool
is_domain (const char *text)
{
    gsize label = 0, dots = 0, size = 0;

    for (; text[size] != '\0'; size++) {
        if (text[size] == '.' ? label == 0
                              : !g_ascii_isalnum (text[size]) && strchr ("-_", text[size]) == NULL)
            return false;
        dots += text[size] == '.';
        label = text[size] == '.' ? 0 : label + 1;
        if (label > LABEL_BYTES)
            return false;
    }
    return label > 0 && dots > 0 && size <= NAME_BYTES;
}

char *
published_take_domain (RelaisCommandCall *call)
{
    if (relais_command_n_args (call) == 1 && is_domain (relais_command_arg (call, 0)))
        return g_ascii_strdown (relais_command_arg (call, 0), -1);
    relais_command_fail (call, RELAIS_EXIT_USAGE, _ ("wanted one DOMAIN, in ASCII (A-labels)"));
    return NULL;
}

void
published_end_row (Published *rows, const char *state, const char *reason, const char *publish)
{
    relais_command_put (rows->call, "state", state);
    relais_command_put (rows->call, "reason", reason);
    relais_command_put (rows->call, "publish", publish);
    relais_command_end_row (rows->call);
    rows->n_rows++;
    rows->n_bad += !g_str_equal (state, "good");
}

void
published_advise (const Published *rows, const char *name, const char *publish)
{
    g_autofree char *note = g_strdup_printf (_ ("Publish at %s as TXT:\n%s"), name, publish);

    relais_command_note (rows->call, note);
}

void
published_end (const Published *rows, const char *trouble)
{
    if (rows->n_bad == 0)
        relais_command_finish (rows->call);
    else
        relais_command_fail (rows->call, RELAIS_EXIT_REFUSED, trouble);
}
