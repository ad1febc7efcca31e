/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLSA records (core/tls/tlsa.c). Properties: what is usable has a usage that SMTP knows and a digest of its length;
 * a set with it is told apart from the empty one; what was read, written out, is as long as it was.
 *
 * Parsers: core/tls/tlsa.c.
 */
#include "config.h"

#include "fuzz.h"
#include "tls/tlsa-private.h"

static const char *const words[] = {"\3\1\1", "\2\0\1",   "\3\1\2",   "\3\0\0",
                                    "\3\1\0", "\x30\x82", "\x30\x59", NULL};
const FuzzTarget fuzz_target = {20000, words};

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    g_autoptr (RelaisTlsaSet) set = relais_tlsa_set_new ("mx.test");
    g_autoptr (RelaisTlsaSet) empty = relais_tlsa_set_new ("mx.test");
    g_autofree char *text = NULL;
    RelaisTlsa tlsa;

    if (!relais_tlsa_parse (bytes, size, &tlsa))
        return 0;
    g_assert_cmpuint (tlsa.size + 3, ==, size);
    text = relais_tlsa_to_string (&tlsa);
    g_assert_cmpuint (strlen (strrchr (text, ' ') + 1), ==, 2 * tlsa.size);
    if (!relais_tlsa_is_usable (&tlsa))
        return 0;
    g_assert_true (tlsa.usage == RELAIS_TLSA_DANE_TA || tlsa.usage == RELAIS_TLSA_DANE_EE);
    g_assert_true (tlsa.matching == RELAIS_TLSA_FULL || tlsa.size == 32u * tlsa.matching);
    relais_tlsa_set_add (set, &tlsa);
    g_assert_cmpuint (relais_tlsa_set_size (set), ==, 1);
    g_assert_cmpuint (relais_tlsa_set_size (empty), ==, 0);
    g_assert_cmpstr (relais_tlsa_set_base (set), ==, "mx.test");
    g_assert_cmpstr (relais_tlsa_set_key (set), !=, relais_tlsa_set_key (empty));
    return 0;
}
