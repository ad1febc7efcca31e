/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of recorded replies: as SMTP has them, with provider and phase before them, or as the event log has them.
 * Pure, bounded; any thread.
 */
#include "recorded.h"

#include "json.h"

#include <stdbool.h>
#include <string.h>

/* --- A reply as SMTP has it ----------------------------------------------------------------------- */

/* "421 4.7.28 text", "421-4.7.28 text", "421". The enhanced code stays in the text, where rules look for it. */
static bool
take_reply (const char *text, RepliesLine *line)
{
    for (guint i = 0; i < 3; i++)
        if (!g_ascii_isdigit (text[i]))
            return false;
    if (text[0] < '2' || text[0] > '5' || (text[3] != '\0' && text[3] != ' ' && text[3] != '-'))
        return false;
    line->code = (guint)((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
    line->text = g_strdup (text[3] != '\0' ? text + 4 : "");
    line->type = REPLIES_LINE_REPLY;
    return true;
}

static char *
said_or_null (const char *text, gsize size)
{
    bool none = size == 0 || (size == 1 && text[0] == '-');

    return none ? NULL : g_strndup (text, size);
}

static bool
take_columns (const char *text, RepliesLine *line)
{
    const char *first = strchr (text, '\t'), *second = strchr (first + 1, '\t');

    if (second == NULL || !take_reply (second + 1, line))
        return false;
    line->provider = said_or_null (text, (gsize)(first - text));
    line->phase = said_or_null (first + 1, (gsize)(second - first - 1));
    return true;
}

/* --- An event --------------------------------------------------------------------------------------- */

/* One of another kind, or of what never left us, has no code. */
static bool
take_event (const char *text, RepliesLine *line)
{
    bool is_all = false;
    g_autoptr (JsonNode) root = replies_json_read (text, &is_all);
    JsonObject *event = root != NULL ? json_node_get_object (root) : NULL;
    const char *site;
    gint64 code;

    if (event == NULL || !is_all)
        return false;
    code = replies_json_int (event, "code");
    if (code <= 0)
        return true;
    site = replies_json_string (event, "site");
    line->provider = g_strdup (site != NULL ? site : replies_json_string (event, "provider"));
    line->phase = g_strdup (replies_json_string (event, "stage"));
    line->enhanced = g_strdup (replies_json_string (event, "enhanced"));
    line->text = g_strdup (replies_json_string (event, "reply"));
    line->code = (guint)MIN (code, 999);
    line->type = REPLIES_LINE_REPLY;
    return true;
}

/* --- A line ------------------------------------------------------------------------------------------ */

void
replies_line_parse (const char *bytes, gsize size, RepliesLine *line)
{
    g_autofree char *text = NULL;
    bool good;

    *line = (RepliesLine){.type = REPLIES_LINE_EMPTY};
    while (size > 0 && g_ascii_isspace (bytes[size - 1]))
        size--;
    if (size == 0 || bytes[0] == '#')
        return;
    if (size > REPLIES_LINE_BYTES || memchr (bytes, '\0', size) != NULL ||
        !g_utf8_validate (bytes, (gssize)size, NULL)) {
        line->type = REPLIES_LINE_BAD;
        return;
    }
    text = g_strndup (bytes, size);
    if (text[0] == '{')
        good = take_event (text, line);
    else if (strchr (text, '\t') != NULL)
        good = take_columns (text, line);
    else
        good = take_reply (text, line);
    if (!good) {
        replies_line_clear (line);
        line->type = REPLIES_LINE_BAD;
    }
}

void
replies_line_clear (RepliesLine *line)
{
    g_free (line->provider);
    g_free (line->phase);
    g_free (line->enhanced);
    g_free (line->text);
    *line = (RepliesLine){.type = REPLIES_LINE_EMPTY};
}
