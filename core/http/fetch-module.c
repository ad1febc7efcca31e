/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What modules see of the HTTP client (include/relais/fetch.h). Any thread.
 */
#include "config.h"

#include "http/fetch-private.h"

#include "module/guard-private.h"
#include "module/intake-private.h"

#include <string.h>

typedef struct {
    RelaisModule *module;
    guint64 id; /* of the message that it is fetched for, or 0 */
    RelaisFetchFunc done;
    gpointer data;
} Asked;

static void
on_result (const RelaisFetchResult *result, gpointer data)
{
    Asked *asked = data;
    RelaisGuard outer;

    relais_guard_enter (&outer, asked->module, "fetch", asked->id);
    asked->done (result, asked->data);
    relais_guard_leave (&outer);
}

guint64
relais_fetch (RelaisModule *module, const RelaisFetchInfo *info, RelaisFetchFunc done,
              gpointer data)
{
    RelaisFetcher *fetcher;
    RelaisFetchInfo known;
    guint64 number;
    Asked *asked;

    g_return_val_if_fail (module != NULL && info != NULL && done != NULL, 0);
    fetcher = relais_module_fetcher (module);
    if (info->struct_size < sizeof known ||
        !relais_copy_known (&known, sizeof known, info, info->struct_size))
        return 0;
    known.struct_size = sizeof known;
    if (relais_module_fetch_from_test (module, &known, done, data, &number))
        return number;
    if (fetcher == NULL)
        return 0;
    asked = g_new (Asked, 1);
    *asked = (Asked){module, relais_guard_id (), done, data};
    return relais_fetcher_submit (fetcher, &known, on_result, asked, g_free);
}

gboolean
relais_fetch_cancel (RelaisModule *module, guint64 fetch)
{
    RelaisFetcher *fetcher;
    gboolean cancelled;

    g_return_val_if_fail (module != NULL, FALSE);
    fetcher = relais_module_fetcher (module);
    if (relais_module_cancel_in_test (module, fetch, &cancelled))
        return cancelled;
    return fetcher != NULL && relais_fetcher_cancel (fetcher, fetch);
}

const gchar *
relais_fetch_result_get_header (const RelaisFetchResult *result, const gchar *name)
{
    gsize size = strlen (name);

    for (const char *const *line = result->headers; *line != NULL; line++)
        if (g_ascii_strncasecmp (*line, name, size) == 0 && (*line)[size] == ':') {
            const char *value = *line + size + 1;

            while (*value == ' ' || *value == '\t')
                value++;
            return value;
        }
    return NULL;
}

const gchar *
relais_fetch_outcome_to_string (RelaisFetchOutcome outcome)
{
    static const char *const names[] = {"ok",
                                        "bad-url",
                                        "busy",
                                        "stopped",
                                        "dns-absent",
                                        "dns-temporary",
                                        "refused-address",
                                        "connect",
                                        "tls",
                                        "timeout",
                                        "too-large",
                                        "protocol"};

    return outcome < G_N_ELEMENTS (names) ? names[outcome] : "unknown";
}
