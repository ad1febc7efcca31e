/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Text of header fields (core/message/text.c). Properties: it is valid UTF-8 in one line without control characters, no
 * longer than its octets can become, and of plain words what they were.
 *
 * Parsers: core/message/charset.c, core/message/text.c.
 */
#include "config.h"

#include "fuzz.h"

#include <relais/text.h>

#include <string.h>

static const char *const words[] = {"=?utf-8?q?a=C3?=",
                                    "=?iso-8859-1?B?",
                                    "?=",
                                    " =?ISO-2022-JP?b?GyRC?=",
                                    "\r\n ",
                                    "; filename*0*=utf-8''%C3",
                                    "; filename*1=\"",
                                    "filename*=",
                                    "%zz",
                                    NULL};
const FuzzTarget fuzz_target = {20000, words};

static void
check (const char *text, gsize size)
{
    if (text == NULL)
        return;
    g_assert_true (g_utf8_validate (text, -1, NULL));
    g_assert_cmpuint (strlen (text), <=, size * 8 + 8);
    for (const char *p = text; *p != '\0'; p++)
        g_assert_false (g_ascii_iscntrl (*p));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    const char *value = (const char *)data;
    RelaisTextFlags flags;
    g_autofree char *text = relais_text_decode (value, size, &flags);
    g_autofree char *parameter = relais_text_decode_parameter (value, size, "filename", NULL);

    check (text, size);
    check (parameter, size);
    if (flags == 0) {
        RelaisTextFlags again;
        g_autofree char *twice = relais_text_decode (text, strlen (text), &again);

        check (twice, strlen (text));
    }
    return 0;
}
