/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What unsubscribe reads: forms (modules/unsubscribe/form.c) and what its tokens say (identity.c). The input's first
 * line is a Content-Type, the rest a body. Properties: a form that is posted whole in our own way is found whatever the
 * boundary; what is behind the limit changes nothing; what is read of a token is written as it stood.
 *
 * Parsers: modules/unsubscribe/form.c, modules/unsubscribe/identity.c.
 */
#include "config.h"

#include "fuzz.h"

#include "unsubscribe.h"

static const char *const words[] = {"List-Unsubscribe",
                                    "One-Click",
                                    "List-Unsubscribe=One-Click",
                                    "&how=page",
                                    "%4c",
                                    "multipart/form-data; boundary=",
                                    "\"b\"",
                                    "\r\n--b",
                                    "--b\r\n",
                                    "--\r\n",
                                    "Content-Disposition: form-data; name=",
                                    "\r\n\r\n",
                                    "\\\"",
                                    "\x01\x02",
                                    "0000000000001",
                                    NULL};
const FuzzTarget fuzz_target = {100000, words};

static UnsubscribeForm
parse (const char *type, const guint8 *bytes, gsize size)
{
    guint8 *exact = fuzz_exact (bytes, size);
    const UnsubscribeForm form = unsubscribe_form_parse (type, exact, size);

    free (exact);
    return form;
}

static void
check_form (const char *type, const guint8 *bytes, gsize size)
{
    const UnsubscribeForm form = parse (type, bytes, size);
    UnsubscribeForm other;

    if (size >= UNSUBSCRIBE_FORM_BYTES) {
        other = parse (type, bytes, UNSUBSCRIBE_FORM_BYTES);
        g_assert_true (form.one_click == other.one_click && form.page == other.page);
    }
    other = parse (NULL, NULL, 0);
    g_assert_false (other.one_click || other.page);
}

/* With a boundary of what the input has in it. */
static void
check_ours (const guint8 *bytes, gsize size)
{
    char boundary[71] = "x";
    gsize n = 1;
    g_autofree char *type = NULL;
    g_autofree char *body = NULL;
    UnsubscribeForm form;

    for (gsize i = 0; i < size && n < 70; i++)
        if (g_ascii_isalnum (bytes[i]))
            boundary[n++] = (char)bytes[i];
    type = g_strdup_printf ("multipart/form-data; charset=utf-8; boundary=\"%s\"", boundary);
    body = g_strdup_printf ("--%s\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n"
                            "\r\nOne-Click\r\n--%s--\r\n",
                            boundary, boundary);
    form = parse (type, (const guint8 *)body, strlen (body));
    g_assert_true (form.one_click && !form.page);
}

static void
check_identity (const guint8 *bytes, gsize size)
{
    guint8 *exact = fuzz_exact (bytes, size);
    UnsubscribeIdentity identity;
    g_autoptr (GByteArray) again = NULL;

    if (unsubscribe_identity_decode (&identity, exact, size)) {
        again = unsubscribe_identity_encode (&identity);
        g_assert_nonnull (again);
        fuzz_assert_same (again->data, again->len, bytes, size);
        unsubscribe_identity_clear (&identity);
    }
    free (exact);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    const guint8 *end = size > 0 ? memchr (bytes, '\n', size) : NULL;
    const gsize line = end != NULL ? (gsize)(end - bytes) : size;
    g_autofree char *type = fuzz_string (bytes, line);

    if (end != NULL)
        check_form (type, end + 1, size - line - 1);
    check_ours (bytes, size);
    check_identity (bytes, size);
    return 0;
}
