/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A hook's view of the bytes: reading by range, the header block and its fields, and the lines that SEAL
 * puts before the message. On the loop nothing here waits for the disk: it fails instead.
 */
#include "config.h"

#include "module/module-private.h"

#include "message/header-private.h"

#include <gio/gio.h>
#include <string.h>

enum { HEADER_BYTES = 32 * 1024 * 1024, STEP_BYTES = 16 * 1024 };

/* The attempt's with the lines that were put before it when the function was called: what this function adds
 * itself does not move what it reads. */
static RelaisRope *
sealed_rope (const RelaisHook *hook)
{
    const RelaisSubject *subject = hook->subject;
    const GByteArray *lines = subject->sealed;
    RelaisRope *rope = relais_rope_new ();

    relais_rope_append_copy (rope, lines->data + lines->len - hook->sealed, hook->sealed);
    relais_rope_append_rope (rope, subject->rope, 0, relais_rope_size (subject->rope));
    return rope;
}

/* The rope that the hook reads: that of the attempt, or of the message as its readers see it. */
static RelaisRope *
rope_of (RelaisHook *hook)
{
    const RelaisSubject *subject = hook->subject;

    if (subject->rope != NULL && hook->sealed == 0)
        return subject->rope;
    if (subject->rope != NULL && hook->rope == NULL)
        hook->rope = sealed_rope (hook);
    if (hook->rope == NULL && subject->message != NULL) {
        if (subject->message->body != NULL) {
            hook->rope = relais_rope_new_message (subject->message);
        } else if (subject->draft != NULL) {
            RelaisMessage view = *subject->message;
            g_autoptr (RelaisBody) body = relais_draft_body (subject->draft);

            view.body = body;
            hook->rope = relais_rope_new_message (&view);
        }
    }
    return hook->rope;
}

guint64
relais_hook_get_size (RelaisHook *hook)
{
    const RelaisRope *rope = rope_of (hook);

    return rope != NULL ? relais_rope_size (rope) : 0;
}

/* As relais_rope_read (), but what is in memory alone. */
static gint64
read_in_memory (const RelaisRope *rope, guint64 offset, guint8 *to, gsize size, GError **error)
{
    gsize done = 0;

    while (done < size && offset + done < relais_rope_size (rope)) {
        const guint8 *bytes;
        gsize n = relais_rope_peek (rope, offset + done, &bytes);

        if (n == 0) {
            g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK,
                                 "these bytes are on the disk; read them in a worker");
            return -1;
        }
        n = MIN (n, size - done);
        memcpy (to + done, bytes, n);
        done += n;
    }
    return (gint64)done;
}

/* A disk that stalls is not the module's fault. */
static gint64
read_rope (const RelaisRope *rope, guint64 offset, gpointer buffer, gsize size, GError **error)
{
    const gint64 paused = relais_guard_pause ();
    const gint64 n = relais_rope_read (rope, offset, buffer, size, error);

    relais_guard_resume (paused);
    return n;
}

static gint64
hook_read (RelaisHook *hook, guint64 offset, gpointer buffer, gsize size, GError **error)
{
    const RelaisRope *rope = rope_of (hook);

    if (rope == NULL) {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                             "this hook has no message");
        return -1;
    }
    if (offset >= relais_rope_size (rope))
        return 0;
    if (!relais_hook_kinds[hook->id].worker)
        return read_in_memory (rope, offset, buffer, size, error);
    return read_rope (rope, offset, buffer, size, error);
}

gint64
relais_hook_read (RelaisHook *hook, guint64 offset, gpointer buffer, guint64 size, GError **error)
{
    g_return_val_if_fail (hook != NULL && buffer != NULL, -1);
    return hook_read (hook, offset, buffer, (gsize)MIN (size, RELAIS_READ_BYTES), error);
}

/* --- The header ------------------------------------------------------------------------------- */

/* Where the empty line ends that ends the header, in `block` from `from` on; 0 if it is not there. */
static gsize
header_end (const guint8 *block, gsize from, gsize size)
{
    const guint8 *found;

    if (size >= 2 && memcmp (block, "\r\n", 2) == 0)
        return 2;
    found = memmem (block + from, size - from, "\r\n\r\n", 4);
    return found != NULL ? (gsize)(found - block) + 4 : 0;
}

static bool
fetch_header (RelaisHook *hook, GByteArray *header, GError **error)
{
    guint64 size = relais_hook_get_size (hook);

    while (header->len < size && header->len < HEADER_BYTES) {
        guint old = header->len;
        gint64 n;
        gsize end;

        g_byte_array_set_size (header, old + STEP_BYTES);
        n = hook_read (hook, old, header->data + old, STEP_BYTES, error);
        g_byte_array_set_size (header, old + (n > 0 ? (guint)n : 0));
        if (n < 0)
            return false;
        end = header_end (header->data, old >= 3 ? old - 3 : 0, header->len);
        if (end > 0) {
            g_byte_array_set_size (header, (guint)end);
            return true;
        }
        if (n == 0)
            break;
    }
    if (header->len < HEADER_BYTES)
        return true; /* a message of header alone */
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                         "the header does not end");
    return false;
}

const guint8 *
relais_hook_get_header (RelaisHook *hook, guint64 *size, GError **error)
{
    g_return_val_if_fail (hook != NULL && size != NULL, NULL);
    if (hook->header == NULL) {
        GByteArray *header = g_byte_array_new ();

        if (!fetch_header (hook, header, error)) {
            g_byte_array_unref (header);
            return NULL;
        }
        hook->header = header;
    }
    *size = hook->header->len;
    return hook->header->len > 0 ? hook->header->data : (const guint8 *)"";
}

gboolean
relais_header_next_field (const guint8 *block, guint64 size, guint64 *position,
                          RelaisHeaderField *field)
{
    gsize at = (gsize)*position;
    RelaisField found;

    if (!relais_header_next (block, (gsize)size, &at, &found))
        return FALSE;
    *position = at;
    *field = (RelaisHeaderField){found.name,       found.name_size, found.value,
                                 found.value_size, found.offset,    found.size};
    return TRUE;
}

/* --- Lines before the message ----------------------------------------------------------------- */

gboolean
relais_hook_prepend_header (RelaisHook *hook, const gchar *bytes, guint64 size)
{
    g_return_val_if_fail (hook != NULL && bytes != NULL, FALSE);
    if (size > RELAIS_READ_BYTES || relais_header_count_fields (bytes, (gsize)size) == 0)
        return FALSE;
    if (hook->id == RELAIS_HOOK_MESSAGE && hook->subject->trace != NULL)
        return relais_trace_add_lines (hook->subject->trace, bytes, (gsize)size);
    if (hook->id != RELAIS_HOOK_SEAL || hook->subject->sealed == NULL)
        return FALSE;
    g_byte_array_prepend (hook->subject->sealed, (const guint8 *)bytes, (guint)size);
    return TRUE;
}

/* --- The message as it came ------------------------------------------------------------------- */

/* The public name of a body. */
static RelaisBody *
body_of (const RelaisOriginal *original)
{
    return (RelaisBody *)original;
}

RelaisOriginal *
relais_hook_dup_original (RelaisHook *hook)
{
    const RelaisSubject *subject = hook->subject;

    if (hook->id != RELAIS_HOOK_MESSAGE || subject->message == NULL)
        return NULL;
    if (subject->message->body != NULL)
        return (RelaisOriginal *)relais_body_ref (subject->message->body);
    return subject->draft != NULL ? (RelaisOriginal *)relais_draft_body (subject->draft) : NULL;
}

guint64
relais_original_get_size (const RelaisOriginal *original)
{
    return relais_body_facts (body_of (original))->size_bytes;
}

gint64
relais_original_read (const RelaisOriginal *original, guint64 offset, gpointer buffer, guint64 size,
                      GError **error)
{
    const guint64 all = relais_original_get_size (original);
    gint64 paused;
    gsize n;
    bool done;

    if (offset >= all)
        return 0;
    n = (gsize)MIN (MIN (size, RELAIS_READ_BYTES), all - offset);
    if (!relais_body_in_memory (body_of (original)))
        relais_assert_may_block ();
    paused = relais_guard_pause ();
    done = relais_body_read (body_of (original), offset, buffer, n, error);
    relais_guard_resume (paused);
    return done ? (gint64)n : -1;
}

RelaisOriginal *
relais_original_ref (RelaisOriginal *original)
{
    return (RelaisOriginal *)relais_body_ref (body_of (original));
}

void
relais_original_unref (RelaisOriginal *original)
{
    if (original != NULL)
        relais_body_unref (body_of (original));
}

/* --- Messages --------------------------------------------------------------------------------- */

guint64
relais_message_get_size (const RelaisMessage *message)
{
    g_autoptr (RelaisRope) rope = message->body != NULL ? relais_rope_new_message (message) : NULL;

    return rope != NULL ? relais_rope_size (rope) : 0;
}

gint64
relais_message_read (const RelaisMessage *message, guint64 offset, gpointer buffer, guint64 size,
                     GError **error)
{
    g_autoptr (RelaisRope) rope = NULL;

    g_return_val_if_fail (message != NULL && buffer != NULL, -1);
    if (message->body == NULL) {
        g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_INITIALIZED,
                             "the message was not accepted yet");
        return -1;
    }
    rope = relais_rope_new_message (message);
    if (!relais_rope_in_memory (rope))
        relais_assert_may_block ();
    if (offset >= relais_rope_size (rope))
        return 0;
    return read_rope (rope, offset, buffer, (gsize)MIN (size, RELAIS_READ_BYTES), error);
}
