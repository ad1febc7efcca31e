/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A hook's edits of the text parts and of the header; see edit.h. The index is made when a function of REWRITE first
 * asks for it, shared by those after it, and applied when the chain has ended. It belongs to the subject of the run.
 * Worker.
 */
#include "config.h"

#include "module/module-private.h"

#include <gio/gio.h>
#include <relais/counter.h>
#include <relais/edit.h>
#include <string.h>

#include "message/edits-private.h"
#include "message/header-edits-private.h"

static RelaisEdits *
edits_of (RelaisHook *hook, GError **error)
{
    RelaisSubject *subject = hook->subject;

    if (hook->id != RELAIS_HOOK_REWRITE || subject->rope == NULL) {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                             "this hook cannot edit the message");
        return NULL;
    }
    if (subject->edits == NULL) {
        const gint64 paused = relais_guard_pause (); /* it reads all of the message */

        subject->edits = relais_edits_new (subject->rope, error);
        relais_guard_resume (paused);
    }
    return subject->edits;
}

/* The index, if it has a part of that number. */
static RelaisEdits *
edits_with (RelaisHook *hook, guint32 text)
{
    RelaisEdits *edits = edits_of (hook, NULL);

    return edits != NULL && text < relais_edits_n_texts (edits) ? edits : NULL;
}

/* The header is the same after edits of texts, which stand behind it. */
static void
settle_header (RelaisSubject *subject, bool wanted)
{
    RelaisHeaderEdits *edits = g_steal_pointer (&subject->header_edits);

    if (edits != NULL && wanted) {
        RelaisRope *rope = relais_header_edits_apply (edits, subject->rope);

        relais_rope_unref (subject->rope);
        subject->rope = rope;
        subject->has_facts = false;
    }
    relais_header_edits_free (edits);
}

void
relais_subject_settle_edits (RelaisHost *host, RelaisSubject *subject, bool wanted)
{
    RelaisEdits *edits = g_steal_pointer (&subject->edits);
    RelaisRope *rope;
    guint left_out;

    if (edits != NULL && wanted) {
        rope = relais_edits_apply (edits, &left_out, &subject->facts);
        subject->has_facts = rope != subject->rope;
        relais_rope_unref (subject->rope);
        subject->rope = rope;
        if (left_out > 0)
            relais_counter_add (host->edits_left_out, NULL, left_out);
    }
    relais_edits_free (edits);
    settle_header (subject, wanted);
}

/* --- Texts ------------------------------------------------------------------------------------ */

guint32
relais_hook_n_texts (RelaisHook *hook, GError **error)
{
    const RelaisEdits *edits;

    g_return_val_if_fail (hook != NULL, 0);
    edits = edits_of (hook, error);
    return edits != NULL ? relais_edits_n_texts (edits) : 0;
}

const gchar *
relais_hook_get_text_type (RelaisHook *hook, guint32 text)
{
    const RelaisEdits *edits = edits_with (hook, text);

    return edits != NULL ? relais_edits_type (edits, text) : NULL;
}

const gchar *
relais_hook_get_text_charset (RelaisHook *hook, guint32 text)
{
    const RelaisEdits *edits = edits_with (hook, text);

    return edits != NULL ? relais_edits_charset (edits, text) : NULL;
}

/* HTML spans that are certain. */
static const RelaisHtmlSpans *
certain_html (RelaisEdits *edits, guint32 text)
{
    const RelaisHtmlSpans *spans = edits != NULL ? relais_edits_html (edits, text) : NULL;

    return spans != NULL && !spans->doubtful ? spans : NULL;
}

const gchar *
relais_hook_get_text_refusal (RelaisHook *hook, guint32 text)
{
    RelaisEdits *edits = edits_with (hook, text);
    const char *reason;

    if (edits == NULL)
        return "unreadable";
    reason = relais_edits_reason (edits, text);
    if (reason == NULL && relais_edits_html (edits, text) != NULL &&
        certain_html (edits, text) == NULL)
        reason = "html";
    return reason;
}

const guint8 *
relais_hook_get_text (RelaisHook *hook, guint32 text, guint64 *size)
{
    RelaisEdits *edits = edits_with (hook, text);
    const guint8 *bytes = NULL;
    gsize n = 0;

    g_return_val_if_fail (size != NULL, NULL);
    if (edits != NULL && relais_hook_get_text_refusal (hook, text) == NULL)
        bytes = relais_edits_text (edits, text, &n);
    *size = n;
    return bytes;
}

gboolean
relais_hook_replace_text (RelaisHook *hook, guint32 text, guint64 offset, guint64 size,
                          const gchar *bytes, guint64 n_bytes)
{
    RelaisEdits *edits = edits_with (hook, text);

    g_return_val_if_fail (bytes != NULL || n_bytes == 0, FALSE);
    return edits != NULL && relais_hook_get_text_refusal (hook, text) == NULL &&
           relais_edits_stage (edits, text, offset, size, bytes, n_bytes);
}

/* --- Links ------------------------------------------------------------------------------------ */

static const RelaisHtmlLink *
link_of (RelaisHook *hook, guint32 text, guint32 link)
{
    const RelaisHtmlSpans *spans = certain_html (edits_with (hook, text), text);

    return spans != NULL && link < spans->links->len
               ? &g_array_index (spans->links, RelaisHtmlLink, link)
               : NULL;
}

guint32
relais_hook_n_links (RelaisHook *hook, guint32 text)
{
    const RelaisHtmlSpans *spans = certain_html (edits_with (hook, text), text);

    return spans != NULL ? spans->links->len : 0;
}

gchar *
relais_hook_dup_link (RelaisHook *hook, guint32 text, guint32 link, RelaisLinkFlags *flags)
{
    const RelaisHtmlLink *found = link_of (hook, text, link);
    const guint8 *bytes;
    gsize size;

    if (flags != NULL)
        *flags = 0;
    if (found == NULL)
        return NULL;
    if (flags != NULL)
        *flags = (found->no_track ? RELAIS_LINK_NO_TRACK : 0) |
                 (found->in_comment ? RELAIS_LINK_CONDITIONAL : 0);
    bytes = relais_edits_text (hook->subject->edits, text, &size);
    return relais_html_decode_value (bytes + found->offset, found->size, &size);
}

gboolean
relais_hook_replace_link (RelaisHook *hook, guint32 text, guint32 link, const gchar *url)
{
    const RelaisHtmlLink *found = link_of (hook, text, link);
    g_autoptr (GString) value = g_string_new (NULL);

    g_return_val_if_fail (url != NULL, FALSE);
    if (found == NULL)
        return FALSE;
    relais_html_append_value (value, url, strlen (url), found->quote);
    return relais_edits_stage (hook->subject->edits, text, found->offset, found->size, value->str,
                               value->len);
}

gboolean
relais_hook_append_html (RelaisHook *hook, guint32 text, const gchar *markup)
{
    RelaisEdits *edits = edits_with (hook, text);
    const RelaisHtmlSpans *spans = certain_html (edits, text);

    g_return_val_if_fail (markup != NULL, FALSE);
    return spans != NULL &&
           relais_edits_stage (edits, text, spans->body_end, 0, markup, strlen (markup));
}

/* --- The header ------------------------------------------------------------------------------- */

/* NULL on another hook, or where the header cannot be read. */
static RelaisHeaderEdits *
header_edits_of (RelaisHook *hook)
{
    RelaisSubject *subject = hook->subject;
    g_autoptr (GBytes) block = NULL;
    const guint8 *bytes;
    guint64 size;

    if (hook->id != RELAIS_HOOK_REWRITE || subject->rope == NULL)
        return NULL;
    if (subject->header_edits != NULL)
        return subject->header_edits;
    bytes = relais_hook_get_header (hook, &size, NULL);
    if (bytes == NULL)
        return NULL;
    block = g_bytes_new (bytes, (gsize)size);
    subject->header_edits = relais_header_edits_new (block);
    return subject->header_edits;
}

gboolean
relais_hook_remove_header (RelaisHook *hook, const gchar *name, guint32 n)
{
    RelaisHeaderEdits *edits;

    g_return_val_if_fail (hook != NULL && name != NULL, FALSE);
    edits = header_edits_of (hook);
    return edits != NULL && relais_header_edits_remove (edits, name, n);
}

gboolean
relais_hook_replace_header (RelaisHook *hook, const gchar *name, guint32 n, const gchar *value)
{
    RelaisHeaderEdits *edits;

    g_return_val_if_fail (hook != NULL && name != NULL && value != NULL, FALSE);
    edits = header_edits_of (hook);
    return edits != NULL && relais_header_edits_replace (edits, name, n, value);
}

gboolean
relais_hook_add_header (RelaisHook *hook, const gchar *name, const gchar *value)
{
    RelaisHeaderEdits *edits;

    g_return_val_if_fail (hook != NULL && name != NULL && value != NULL, FALSE);
    edits = header_edits_of (hook);
    return edits != NULL && relais_header_edits_add (edits, name, value);
}
