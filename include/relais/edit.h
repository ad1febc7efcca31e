/* SPDX-License-Identifier: MIT
 *
 * Edits, in rewrite alone: the text parts of a message as their readers see them, the links in those of HTML, the
 * message's own header, and changes of them. A change is staged; once all modules have been asked, the core writes
 * what was staged into the parts' own transfer encoding. Every octet that no change asked for stays as it was.
 *
 * All modules see the texts as they were before any change. What was replaced once cannot be replaced
 * again: click-redirector comes before open-tracker, and both before all others.
 *
 * Parts are counted from 0 in the order in which they stand, links of a part likewise. Pointers live until
 * the function returns. Worker; everything here may wait for the disk.
 */
#pragma once

#include <relais/hook.h>

G_BEGIN_DECLS

/* How many parts of type text/... there are; 0 with an error if the message cannot be read. */
RELAIS_API guint32 relais_hook_n_texts (RelaisHook *hook, GError **error);
/* "text/html", in lower case. */
RELAIS_API const gchar *relais_hook_get_text_type (RelaisHook *hook, guint32 text);
/* The charset that the part names, in lower case; NULL if it names none (which is US-ASCII, RFC 2046 section
 * 4.1.2, and in truth anything). */
RELAIS_API const gchar *relais_hook_get_text_charset (RelaisHook *hook, guint32 text);
/* Why a part must be left as it is: one of "sealed" (signed, encrypted, or readers may differ on where it
 * begins and ends), "attachment", "attached-message", "amp", "charset" (ASCII octets may stand for something
 * else), "encoding" (readers may differ on what it says), "too-large", "unreadable", "html" (readers may differ
 * on where its tags are). NULL if it may be edited. */
RELAIS_API const gchar *relais_hook_get_text_refusal (RelaisHook *hook, guint32 text);
/* The decoded octets in the part's own charset; NULL if it must be left as it is. */
RELAIS_API const guint8 *relais_hook_get_text (RelaisHook *hook, guint32 text, guint64 *size);

typedef guint32 RelaisLinkFlags;
enum {
    RELAIS_LINK_NO_TRACK = 1 << 0, /* its tag has the attribute data-no-track */
    RELAIS_LINK_CONDITIONAL =
        1 << 1 /* it stands in a conditional comment, which only Outlook reads */
};
/* Links of an HTML part: the first href of each a, area and VML element. 0 for other parts and those that
 * must be left as they are. */
RELAIS_API guint32 relais_hook_n_links (RelaisHook *hook, guint32 text);
/* The value with its character references decoded, as a browser takes it before it is resolved: blanks around
 * it, and other octets than a URL may hold, are still there. NULL where it has no certain value. Owned. */
RELAIS_API gchar *
relais_hook_dup_link (RelaisHook *hook, guint32 text, guint32 link, RelaisLinkFlags *flags);
/* Has the link lead to `url`: printable ASCII, which is escaped as its place needs. FALSE if it was replaced
 * already, or for anything else. */
RELAIS_API gboolean relais_hook_replace_link (RelaisHook *hook, guint32 text, guint32 link,
                                              const gchar *url);
/* Puts markup (printable ASCII and CRLF) at the end of what an HTML part shows: before its last "</body>", or
 * at its end; behind what was put there before. */
RELAIS_API gboolean relais_hook_append_html (RelaisHook *hook, guint32 text, const gchar *markup);
/* Replaces `size` octets of a part's text at `offset` (0: inserts) by printable ASCII and CRLF. FALSE for other
 * octets, for a range that lies outside or touches a change. */
RELAIS_API gboolean relais_hook_replace_text (RelaisHook *hook, guint32 text, guint64 offset,
                                              guint64 size, const gchar *bytes, guint64 n_bytes);

/* --- The header: the message's own, not that of a part. relais_hook_get_header () and
 * relais_header_next_field () (hook.h) read it, as it was before any change. From, Date, Message-ID,
 * Received, MIME-Version and Content-... must stay; a header on whose end readers may differ is left alone. */
/* Removes the `n`-th field of that name (in either case), counted from 0, from the top. FALSE, and nothing is
 * changed, if there is none, it was changed already, or it must stay. */
RELAIS_API gboolean relais_hook_remove_header (RelaisHook *hook, const gchar *name, guint32 n);
/* Puts "NAME: VALUE" in its place. `value` is printable ASCII and tabs, in lines of at most 998 octets with the
 * name; a fold is CRLF and a blank; other characters are the caller's to encode (RFC 2047). FALSE as above,
 * for another value, and beyond 64 KiB of new fields in all. */
RELAIS_API gboolean relais_hook_replace_header (RelaisHook *hook, const gchar *name, guint32 n,
                                                const gchar *value);
/* Adds a field behind the last one, behind what was added before. FALSE as above, and for one of which there is at
 * most one (RFC 5322 section 3.6) that is there already. */
RELAIS_API gboolean relais_hook_add_header (RelaisHook *hook, const gchar *name,
                                            const gchar *value);

G_END_DECLS
