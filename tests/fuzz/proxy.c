/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The PROXY header (core/smtp/proxy.c). Properties: every shorter prefix of a header that is taken
 * says "more"; what follows it changes nothing; it ends inside the input and within its limit; a
 * client has an address of one of the two families.
 *
 * Parsers: core/smtp/proxy.c.
 */
#include "config.h"

#include "fuzz.h"
#include "smtp/proxy-private.h"

static const char *const words[] = {"PROXY TCP4 ",  "PROXY TCP6 ", "PROXY UNKNOWN", "192.0.2.1 ",
                                    "2001:db8::1 ", "65535",       "\r\n\r\n",      "QUIT\n",
                                    "\x21\x11",     NULL};
const FuzzTarget fuzz_target = {50000, words};

static RelaisProxyStatus
parse (const guint8 *bytes, gsize size, gsize *used, struct sockaddr_storage *address)
{
    guint8 *exact = fuzz_exact (bytes, size);
    RelaisProxyStatus status = relais_proxy_parse (exact, size, used, address);

    free (exact);
    return status;
}

static void
check_taken (const guint8 *bytes, gsize used, RelaisProxyStatus status, gsize prefix)
{
    struct sockaddr_storage address;
    gsize again = 0;

    g_assert_cmpint (parse (bytes, used, &again, &address), ==, status);
    g_assert_cmpuint (again, ==, used);
    g_assert_cmpint (parse (bytes, prefix, &again, &address), ==, RELAIS_PROXY_MORE);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize size)
{
    FuzzRandom random = fuzz_random_from (bytes, size);
    struct sockaddr_storage address = {0};
    gsize used = 0;
    const RelaisProxyStatus status = parse (bytes, size, &used, &address);

    switch (status) {
    case RELAIS_PROXY_MORE: g_assert_cmpuint (size, <, RELAIS_PROXY_BYTES); break;
    case RELAIS_PROXY_CLIENT:
        g_assert_true (address.ss_family == AF_INET || address.ss_family == AF_INET6);
        g_assert_true (used > 0 && used <= MIN (size, (gsize)RELAIS_PROXY_BYTES));
        check_taken (bytes, used, status, fuzz_random_below (&random, used));
        break;
    case RELAIS_PROXY_UNKNOWN:
        g_assert_true (used > 0 && used <= MIN (size, (gsize)RELAIS_PROXY_BYTES));
        check_taken (bytes, used, status, fuzz_random_below (&random, used));
        break;
    case RELAIS_PROXY_BAD: break;
    }
    return 0;
}
