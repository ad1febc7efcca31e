/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A DNS server for tests, on 127.0.0.1, UDP and TCP, on a thread of its own. It answers by a script:
 * one line "NAME TYPE VALUE" a record, and one line "NAME TYPE !WORD..." for what happens to
 * the first, second, ... question; the last word stays. Words: ANSWER NXDOMAIN SERVFAIL REFUSED DROP
 * TRUNCATE (by UDP) GARBAGE WRONGID BADDATA. A name without lines does not exist; a name without
 * lines of a type has none of it.
 */
#pragma once

#include <glib.h>

typedef struct TestDns TestDns;

TestDns *test_dns_new (const char *script);
void test_dns_free (TestDns *server);
/* "127.0.0.1@PORT" */
const char *test_dns_address (const TestDns *server);
/* Questions that came for this name and type, over UDP and TCP. */
guint test_dns_count (TestDns *server, const char *name, guint type);
guint test_dns_tcp_count (TestDns *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestDns, test_dns_free)
