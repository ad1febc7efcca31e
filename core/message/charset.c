/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Charsets by the names that messages give them. Only those of a list are handed to the system's converter,
 * whatever a message names. Pure; any thread.
 */
#include "config.h"

#include <relais/text.h>

#include <string.h>

static const struct {
    const char *prefix; /* of the name in lower case, without '-' and '_' */
    const char *charset;
} charsets[] = {{"usascii", "UTF-8"},
                {"utf8", "UTF-8"},
                {"unicode11utf8", "UTF-8"},
                {"iso2022jp", "ISO-2022-JP"},
                {"csiso2022jp", "ISO-2022-JP"},
                {"shiftjis", "CP932"},
                {"sjis", "CP932"},
                {"xsjis", "CP932"},
                {"cp932", "CP932"},
                {"windows31j", "CP932"},
                {"eucjp", "EUC-JP"},
                {"xeucjp", "EUC-JP"},
                {"gb2312", "GB18030"},
                {"gbk", "GB18030"},
                {"gb18030", "GB18030"},
                {"cp936", "GB18030"},
                {"big5", "BIG5"},
                {"euckr", "CP949"},
                {"ksc5601", "CP949"},
                {"cp949", "CP949"},
                {"iso2022kr", "ISO-2022-KR"},
                {"koi8u", "KOI8-U"},
                {"koi8", "KOI8-R"},
                {"windows1250", "CP1250"},
                {"windows1251", "CP1251"},
                {"windows1252", "CP1252"},
                {"windows1253", "CP1253"},
                {"windows1254", "CP1254"},
                {"windows1255", "CP1255"},
                {"windows1256", "CP1256"},
                {"windows1257", "CP1257"},
                {"windows1258", "CP1258"},
                {"windows874", "CP874"},
                {"tis620", "CP874"},
                {"cp1250", "CP1250"},
                {"cp1251", "CP1251"},
                {"cp1252", "CP1252"},
                {"cp866", "CP866"},
                {"ibm866", "CP866"},
                {"iso885910", "ISO-8859-10"},
                {"iso885913", "ISO-8859-13"},
                {"iso885914", "ISO-8859-14"},
                {"iso885915", "ISO-8859-15"},
                {"iso885916", "ISO-8859-16"},
                {"iso88591", "CP1252"},
                {"iso88592", "ISO-8859-2"},
                {"iso88593", "ISO-8859-3"},
                {"iso88594", "ISO-8859-4"},
                {"iso88595", "ISO-8859-5"},
                {"iso88596", "ISO-8859-6"},
                {"iso88597", "ISO-8859-7"},
                {"iso88598", "ISO-8859-8"},
                {"iso88599", "CP1254"},
                {"latin1", "CP1252"}};

static const char *
find_charset (const char *name)
{
    char plain[32];
    gsize size = 0;

    for (; name != NULL && *name != '\0' && size < sizeof plain - 1; name++)
        if (g_ascii_isalnum (*name))
            plain[size++] = g_ascii_tolower (*name);
    plain[size] = '\0';
    for (guint i = 0; size > 0 && i < G_N_ELEMENTS (charsets); i++)
        if (g_str_has_prefix (plain, charsets[i].prefix))
            return charsets[i].charset;
    return NULL;
}

static char *
drop_nuls (char *text, gsize size)
{
    for (char *nul = text; text != NULL && (nul = memchr (nul, '\0', (gsize)(text + size - nul)));)
        *nul = ' ';
    return text;
}

gchar *
relais_text_from_charset (const gchar *octets, guint64 size, const gchar *charset)
{
    const char *known = find_charset (charset);
    g_autofree char *text = NULL;
    gsize n = (gsize)size;

    if (known == NULL || size > G_MAXSSIZE)
        return NULL;
    if (strcmp (known, "UTF-8") != 0) {
        text = g_convert (octets, (gssize)size, "UTF-8", known, NULL, &n, NULL);
        return drop_nuls (g_steal_pointer (&text), n);
    }
    text = g_malloc (n + 1);
    if (n > 0)
        memcpy (text, octets, n);
    text[n] = '\0';
    drop_nuls (text, n);
    return g_utf8_validate (text, (gssize)n, NULL) ? g_steal_pointer (&text) : NULL;
}
